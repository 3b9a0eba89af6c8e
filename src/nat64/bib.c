/*
 * bib.c - the Binding Information Base (RFC 6146 3.1): mappings and their two indexes.
 *
 * All three BIBs of the RFC share one array; the protocol is part of every key. The hash is keyed.
 */
#include "nat64_internal.h"

struct outside_key {
	uint32_t slot;
	uint16_t port;
	enum protocol_index proto;
};

static uint64_t inside_hash(const struct nat64 *n, const struct bib_key *k)
{
	uint64_t w[5] = { k->inside.word[0], k->inside.word[1],
			  (uint64_t)k->proto << 16 | k->port };

	return hash40(&n->index_key, w);
}

static uint64_t outside_hash(const struct nat64 *n, const struct outside_key *k)
{
	uint64_t w[5] = { k->slot, ~0ull, (uint64_t)k->proto << 16 | k->port };

	return hash40(&n->index_key, w);
}

static struct bib_key inside_key_of(const struct mapping *m)
{
	return (struct bib_key){ m->inside, m->inside_port, m->proto_plus - 1u };
}

static struct outside_key outside_key_of(const struct mapping *m)
{
	return (struct outside_key){ m->slot, m->outside_port, m->proto_plus - 1u };
}

static uint64_t inside_hash_of(const void *nat64, uint32_t mapping)
{
	const struct nat64 *n = nat64;
	struct bib_key k = inside_key_of(&n->mapping[mapping]);

	return inside_hash(n, &k);
}

static uint64_t outside_hash_of(const void *nat64, uint32_t mapping)
{
	const struct nat64 *n = nat64;
	struct outside_key k = outside_key_of(&n->mapping[mapping]);

	return outside_hash(n, &k);
}

static ALWAYS_INLINE bool has_inside(const void *nat64, uint32_t mapping, const void *key)
{
	const struct mapping *m = &((const struct nat64 *)nat64)->mapping[mapping];
	const struct bib_key *k = key;

	return m->inside_port == k->port && m->proto_plus == k->proto + 1u &&
	       addr_equal(&m->inside, &k->inside);
}

static ALWAYS_INLINE bool has_outside(const void *nat64, uint32_t mapping, const void *key)
{
	const struct mapping *m = &((const struct nat64 *)nat64)->mapping[mapping];
	const struct outside_key *k = key;

	return m->outside_port == k->port && m->slot == k->slot && m->proto_plus == k->proto + 1u;
}

void nat64_prefetch(const struct nat64 *n, const struct tuple *key)
{
	struct bib_key k = { key->src, be16_to(key->sport), PROTO_ICMP };

	if (key->proto == IPPROTO_TCP)
		k.proto = PROTO_TCP;
	else if (key->proto == IPPROTO_UDP)
		k.proto = PROTO_UDP;
	index_prefetch(&n->inside, inside_hash(n, &k));
}

void bib__prefetch_outside(const struct nat64 *n, const struct mapping *m)
{
	struct outside_key k = outside_key_of(m);

	index_prefetch(&n->outside, outside_hash(n, &k));
}

uint32_t bib__find_inside(const struct nat64 *n, const struct bib_key *k)
{
	return index_find(&n->inside, inside_hash(n, k), has_inside, n, k);
}

uint32_t bib__find_outside(const struct nat64 *n, uint32_t slot, uint16_t port,
			   enum protocol_index proto)
{
	struct outside_key k = { slot, port, proto };

	return index_find(&n->outside, outside_hash(n, &k), has_outside, n, &k);
}

static bool add_to_indexes(struct nat64 *n, uint32_t index)
{
	uint64_t inside = inside_hash_of(n, index);

	if (!index_add(&n->inside, inside, index, inside_hash_of, n))
		return false;
	if (index_add(&n->outside, outside_hash_of(n, index), index, outside_hash_of, n))
		return true;
	index_remove(&n->inside, inside, index);
	return false;
}

uint32_t bib__add(struct nat64 *n, const struct mapping *like)
{
	bool is_static = like->flags & MAPPING_STATIC;
	uint32_t index = BIB_NONE;

	if (is_static || n->pool.used - n->n_static < n->n_max)
		index = pool_get(&n->pool);
	if (index == POOL_NONE)
		return BIB_NONE;
	n->mapping[index] = *like;
	if (add_to_indexes(n, index))
		return index;
	n->mapping[index].proto_plus = 0;
	pool_put(&n->pool, index);
	return BIB_NONE;
}

void bib__detach(struct nat64 *n, uint32_t index)
{
	struct mapping *m = &n->mapping[index];

	must(!(m->flags & MAPPING_GONE));
	index_remove(&n->inside, inside_hash_of(n, index), index);
	index_remove(&n->outside, outside_hash_of(n, index), index);
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
