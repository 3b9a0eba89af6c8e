/*
 * subscriber.c - who is served: the record of an inside prefix, and its limits.
 *
 * A record exists while its subscriber has flows or ports, or something of it rests. Which bits of
 * an address make a subscriber is the steering's to say, for all of one subscriber has one worker.
 */
#include "nat64_internal.h"

enum { FLOW_CREDIT = 1000 };

static uint32_t *chain_of(const struct nat64 *n, const struct addr *prefix)
{
	uint64_t w[5] = { prefix->word[0], prefix->word[1], ~2ull };

	return &n->ports.subscriber_head[hash_range(hash40(&n->index_key, w),
						    n->ports.n_subscriber_heads)];
}

static uint32_t find(const struct nat64 *n, const struct addr *prefix, uint8_t len)
{
	for (uint32_t at = *chain_of(n, prefix); at; at = n->ports.subscriber[at - 1].next)
		if (addr_equal(&n->ports.subscriber[at - 1].prefix, prefix) &&
		    n->ports.subscriber[at - 1].len_less_1 + 1u == len)
			return at - 1;
	return SUBSCRIBER_NONE;
}

uint32_t subscriber__get(struct nat64 *n, const struct nat64_table *t, const struct addr *inside)
{
	uint8_t len = steering_subscriber_len(&t->steer, inside);
	struct addr prefix = addr_mask(inside, len);
	uint32_t index = find(n, &prefix, len), *head;

	if (index != SUBSCRIBER_NONE)
		return index;
	index = pool_get(&n->ports.subscriber_pool);
	if (index == POOL_NONE)
		return SUBSCRIBER_NONE;
	head = chain_of(n, &prefix);
	n->ports.subscriber[index] = (struct subscriber){
		.prefix = prefix, .len_less_1 = (len - 1) & 127, .next = *head,
		.credit = t->limits.new_flows * FLOW_CREDIT, .credit_ms = (uint32_t)n->now_ms };
	*head = index + 1;
	return index;
}

uint32_t subscriber__held(const struct subscriber *s)
{
	return (uint32_t)s->n_blocks + s->n_single[PROTO_TCP] + s->n_single[PROTO_UDP] +
	       s->n_single[PROTO_ICMP];
}

void subscriber__settle(struct nat64 *n, uint32_t index)
{
	struct subscriber *s = &n->ports.subscriber[index];
	uint32_t *at;

	if (s->n_flows || s->n_ports || subscriber__held(s))
		return;
	at = chain_of(n, &s->prefix);
	while (*at != index + 1)
		at = &n->ports.subscriber[*at - 1].next;
	*at = s->next;
	pool_put(&n->ports.subscriber_pool, index);
}

void subscriber__gain(struct nat64 *n, struct subscriber *s, uint16_t *what)
{
	if (!subscriber__held(s))
		n->ports.n_holders++;
	++*what;
}

void subscriber__lose(struct nat64 *n, struct subscriber *s, uint16_t *what)
{
	must(*what > 0);
	--*what;
	if (!subscriber__held(s))
		n->ports.n_holders--;
}

/* A bucket that holds the flows of one second. */
static bool spend_credit(struct subscriber *s, uint32_t rate, uint64_t now_ms)
{
	uint64_t credit = s->credit + (uint64_t)((uint32_t)now_ms - s->credit_ms) * rate;

	if (credit > (uint64_t)rate * FLOW_CREDIT)
		credit = (uint64_t)rate * FLOW_CREDIT;
	s->credit_ms = (uint32_t)now_ms;
	s->credit = (uint32_t)credit;
	if (s->credit < FLOW_CREDIT)
		return false;
	s->credit -= FLOW_CREDIT;
	return true;
}

enum drop_reason subscriber__check_flows(const struct nat64 *n, const struct nat64_table *t,
					 uint32_t index)
{
	const struct subscriber *s = &n->ports.subscriber[index];

	if (t->limits.flows && s->n_flows >= t->limits.flows)
		return DROP_QUOTA_FLOWS;
	return share__allows_flow(n, s) ? DROP_NONE : DROP_FAIR_SHARE;
}

enum drop_reason subscriber__admit(struct nat64 *n, const struct nat64_table *t, uint32_t index,
				   bool new_port)
{
	struct subscriber *s = &n->ports.subscriber[index];
	const struct nat64_limits *limits = &t->limits;
	enum drop_reason why = subscriber__check_flows(n, t, index);

	if (why != DROP_NONE)
		return why;
	if (new_port && limits->ports && s->n_ports >= limits->ports)
		return DROP_QUOTA_PORTS;
	if (limits->new_flows && !spend_credit(s, limits->new_flows, n->now_ms))
		return DROP_QUOTA_NEW_FLOWS;
	return DROP_NONE;
}
