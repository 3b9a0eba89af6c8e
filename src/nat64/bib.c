/*
 * bib.c - the Binding Information Base (RFC 6146 3.1): mappings and their two indexes.
 *
 * All three BIBs of the RFC share one array; the protocol is part of every key. Chains are short
 * because the heads are as many as the mappings and the hash is keyed.
 */
#include "nat64_internal.h"

static uint32_t *inside_chain(const struct nat64 *n, const struct bib_key *k)
{
	uint64_t w[5] = { k->inside.word[0], k->inside.word[1],
			  (uint64_t)k->proto << 16 | k->port };

	return &n->inside_head[hash_range(hash40(&n->index_key, w), n->n_heads)];
}

static uint32_t *outside_chain(const struct nat64 *n, uint32_t slot, uint16_t port,
			       enum protocol_index proto)
{
	uint64_t w[5] = { slot, ~0ull, (uint64_t)proto << 16 | port };

	return &n->outside_head[hash_range(hash40(&n->index_key, w), n->n_heads)];
}

void nat64_prefetch(const struct nat64 *n, const struct tuple *key)
{
	struct bib_key k = { key->src, be16_to(key->sport), PROTO_ICMP };

	if (key->proto == IPPROTO_TCP)
		k.proto = PROTO_TCP;
	else if (key->proto == IPPROTO_UDP)
		k.proto = PROTO_UDP;
	__builtin_prefetch(inside_chain(n, &k));
}

uint32_t bib__find_inside(const struct nat64 *n, const struct bib_key *k)
{
	for (uint32_t at = *inside_chain(n, k); at; at = n->mapping[at - 1].next_inside) {
		const struct mapping *m = &n->mapping[at - 1];

		if (m->inside_port == k->port && m->proto_plus == k->proto + 1u &&
		    addr_equal(&m->inside, &k->inside))
			return at - 1;
	}
	return BIB_NONE;
}

uint32_t bib__find_outside(const struct nat64 *n, uint32_t slot, uint16_t port,
			   enum protocol_index proto)
{
	uint32_t at = *outside_chain(n, slot, port, proto);

	for (; at; at = n->mapping[at - 1].next_outside) {
		const struct mapping *m = &n->mapping[at - 1];

		if (m->outside_port == port && m->slot == slot && m->proto_plus == proto + 1u)
			return at - 1;
	}
	return BIB_NONE;
}

static struct bib_key key_of(const struct mapping *m)
{
	return (struct bib_key){ m->inside, m->inside_port, m->proto_plus - 1u };
}

uint32_t bib__add(struct nat64 *n, const struct mapping *like)
{
	struct bib_key k = key_of(like);
	uint32_t *inside = inside_chain(n, &k);
	uint32_t *outside = outside_chain(n, like->slot, like->outside_port, k.proto);
	bool is_static = like->flags & MAPPING_STATIC;
	uint32_t index = BIB_NONE;

	if (is_static || n->pool.used - n->n_static < n->n_max)
		index = pool_get(&n->pool);
	if (index == POOL_NONE)
		return BIB_NONE;
	n->mapping[index] = *like;
	n->mapping[index].next_inside = *inside;
	n->mapping[index].next_outside = *outside;
	*inside = index + 1;
	*outside = index + 1;
	return index;
}

static void unlink_inside(struct nat64 *n, uint32_t index)
{
	struct bib_key k = key_of(&n->mapping[index]);
	uint32_t *at = inside_chain(n, &k);

	while (*at != index + 1)
		at = &n->mapping[*at - 1].next_inside;
	*at = n->mapping[index].next_inside;
}

static void unlink_outside(struct nat64 *n, uint32_t index)
{
	const struct mapping *m = &n->mapping[index];
	uint32_t *at = outside_chain(n, m->slot, m->outside_port, m->proto_plus - 1u);

	while (*at != index + 1)
		at = &n->mapping[*at - 1].next_outside;
	*at = m->next_outside;
}

void bib__detach(struct nat64 *n, uint32_t index)
{
	struct mapping *m = &n->mapping[index];

	must(!(m->flags & MAPPING_GONE));
	unlink_inside(n, index);
	unlink_outside(n, index);
	ports__release(n, m);
	m->flags = MAPPING_GONE;
	if (!m->n_sessions)
		m->subscriber = SUBSCRIBER_NONE; /* nothing of the mapping counts any more */
	bib__settle(n, index);
}

void bib__hold(struct nat64 *n, struct mapping *m)
{
	m->n_sessions++;
	if (m->subscriber != SUBSCRIBER_NONE)
		n->ports.subscriber[m->subscriber].n_flows++;
}

void bib__let_go(struct nat64 *n, struct mapping *m)
{
	uint32_t subscriber = m->subscriber;

	must(m->n_sessions > 0);
	m->n_sessions--;
	if (subscriber == SUBSCRIBER_NONE)
		return;
	if (!m->n_sessions && m->flags & MAPPING_GONE)
		m->subscriber = SUBSCRIBER_NONE;
	n->ports.subscriber[subscriber].n_flows--;
	subscriber__settle(n, subscriber);
}

void bib__settle(struct nat64 *n, uint32_t index)
{
	struct mapping *m = &n->mapping[index];

	if (m->n_sessions || m->n_inbound || m->flags & MAPPING_STATIC)
		return;
	if (!(m->flags & MAPPING_GONE)) {
		bib__detach(n, index); /* comes back here */
		return;
	}
	m->proto_plus = 0;
	pool_put(&n->pool, index);
}

bool bib__valid(const struct nat64 *n, const struct nat64_table *t, const struct mapping *m)
{
	return !(m->flags & MAPPING_GONE) && ports__owned(n, t, m) &&
	       table__worker_of(t, &m->inside) == n->worker;
}
