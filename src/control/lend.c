/* lend.c - see lend.h. One deal is under way at a time. */
#include "lend.h"
#include "sixgate/log/log.h"
#include "sixgate/nat64/lend.h"

static const uint8_t protocols[] = { NAT64_TCP, NAT64_UDP, NAT64_ICMP };

static struct nat64 *nat64_of(const struct control *c, unsigned worker)
{
	return c->workers.t[worker].worker->nat64;
}

/* Who is short of blocks for @protocol, and who can help? @n_homes: the workers that have subscribers;
 * the others of a small pool need none. */
static bool find_deal(const struct control *c, unsigned n_homes, uint8_t protocol,
		      struct nat64_deal *deal)
{
	struct nat64_need need[STEER_WORKERS_MAX];

	for (unsigned i = 0; i < n_homes; i++)
		need[i] = nat64_need(nat64_of(c, i), protocol);
	deal->protocol = protocol;
	return nat64_deal(need, n_homes, deal);
}

/* An idle worker sleeps for seconds. */
static void ask(struct control *c)
{
	nat64_ask_loan(nat64_of(c, c->deal.from), &c->deal);
	c->deal_looks = 0;
	workers__wake_one(&c->workers, c->deal.from);
}

/* Came after their deal had lapsed, or were more than the table can lend: the lender's again. */
static void give_back(struct control *c, const struct nat64_table *t, unsigned worker,
		      const struct nat64_loan *loan, uint32_t n)
{
	if (nat64_return_loans(nat64_of(c, worker), t, loan, n))
		workers__wake_one(&c->workers, worker);
}

static void return_late_ones(struct control *c, const struct nat64_table *t)
{
	struct nat64_loan loan[NAT64_LOAN_MAX];
	uint32_t n;

	for (unsigned i = 0; i < c->workers.n; i++)
		while ((n = nat64_take_loans(nat64_of(c, i), loan, NAT64_LOAN_MAX)))
			give_back(c, t, i, loan, n);
}

static void lend_all(struct control *c, struct nat64_table *t)
{
	struct nat64_loan loan[NAT64_LOAN_MAX];
	uint32_t n = nat64_take_loans(nat64_of(c, c->deal.from), loan, NAT64_LOAN_MAX), n_lent = 0;

	for (uint32_t i = 0; i < n; i++)
		if (nat64_table_lend(t, &loan[i], c->deal.to))
			n_lent++;
		else
			give_back(c, t, c->deal.from, &loan[i], 1);
	if (!n_lent)
		return;
	log_info("nat64: worker %u lends %u port blocks to worker %u", c->deal.from, n_lent,
		 c->deal.to);
	c->want_snapshot = true;
}

static void collect(struct control *c, struct nat64_table *t)
{
	struct nat64 *from = nat64_of(c, c->deal.from);

	if (nat64_loan_asked(from)) {
		if (++c->deal_looks < LEND_LOOKS_MAX)
			return;
		nat64_withdraw_loan(from);
	}
	lend_all(c, t);
	c->deal.n = 0;
}

static void tell_others(const struct control *c, unsigned n_homes)
{
	struct nat64 *n[STEER_WORKERS_MAX];

	for (unsigned i = 0; i < n_homes; i++)
		n[i] = nat64_of(c, i);
	nat64_tell_others(n, n_homes);
}

void lend__look(struct control *c)
{
	const struct snapshot *s = control__running(c);

	if (!s->nat64 || c->workers.n < 2)
		return;
	tell_others(c, s->steer.n_homes);
	if (c->want_snapshot)
		return;
	if (c->deal.n) {
		collect(c, s->nat64);
		return;
	}
	return_late_ones(c, s->nat64);
	for (unsigned i = 0; i < sizeof(protocols); i++) {
		if (find_deal(c, s->steer.n_homes, protocols[i], &c->deal)) {
			ask(c);
			return;
		}
		c->deal.n = 0;
	}
}
