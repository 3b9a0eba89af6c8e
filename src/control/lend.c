/* lend.c - see lend.h. One deal is under way at a time. */
#include "lend.h"
#include "sixgate/log/log.h"
#include "sixgate/nat64/lend.h"

static const uint8_t protocols[] = { NAT64_TCP, NAT64_UDP, NAT64_ICMP };

/* Who is short of blocks for @protocol, and who can help? */
static bool find_deal(const struct control *c, uint8_t protocol, struct nat64_deal *deal)
{
	struct nat64_need need[STEER_WORKERS_MAX];

	for (unsigned i = 0; i < c->workers.n; i++)
		need[i] = nat64_need(c->workers.t[i].worker->nat64, protocol);
	deal->protocol = protocol;
	return nat64_deal(need, c->workers.n, deal);
}

static void collect(struct control *c, struct nat64_table *t)
{
	struct nat64_loan loan[NAT64_LOAN_MAX];
	struct nat64 *from = c->workers.t[c->deal.from].worker->nat64;
	uint32_t n = nat64_take_loans(from, loan, NAT64_LOAN_MAX), n_lent = 0;

	for (uint32_t i = 0; i < n; i++)
		n_lent += nat64_table_lend(t, &loan[i], c->deal.to);
	if (n_lent) {
		log_info("nat64: worker %u lends %u port blocks to worker %u", c->deal.from, n_lent,
			 c->deal.to);
		c->want_snapshot = true;
	}
	c->deal.n = 0;
}

void lend__look(struct control *c)
{
	const struct snapshot *s = control__running(c);

	if (!s->nat64 || c->workers.n < 2 || c->want_snapshot)
		return;
	if (c->deal.n) {
		collect(c, s->nat64);
		return;
	}
	for (unsigned i = 0; i < sizeof(protocols); i++) {
		if (find_deal(c, protocols[i], &c->deal)) {
			nat64_ask_loan(c->workers.t[c->deal.from].worker->nat64, &c->deal);
			return;
		}
		c->deal.n = 0;
	}
}
