/*
 * syns.c - the store of first SYNs: a list by age, and chains by destination.
 *
 * A chain holds what waits for one transport address (and for others of the same hash), so that one
 * walk finds the twin, counts those of the destination, and names the oldest of them.
 */
#include "sixgate/flow/syns.h"
#include "sixgate/base/pool.h"

enum { SYN_CHAINS = 512, NIL = POOL_NONE };

struct syn {
	struct packet packet; /* data is set when it is handed out */
	uint64_t since_ms;
	uint32_t chain_next;
	uint32_t older, younger;
	uint8_t bytes[SYN_BYTES];
};

struct syns {
	struct hash_key key;
	struct pool pool;
	struct syn *syn;
	uint32_t oldest, youngest;
	uint32_t chain[SYN_CHAINS];
	uint32_t next[SYNS_MAX];
};

struct syns *syns_layout(struct arena *a, const struct hash_key *key)
{
	struct syns *y = arena_take(a, sizeof(*y));
	struct syn *syn = arena_take(a, SYNS_MAX * sizeof(*syn));

	if (!y)
		return NULL;
	y->key = hash_key_derive(key, 0x73796e73);
	y->syn = syn;
	y->oldest = y->youngest = NIL;
	pool_init(&y->pool, y->next, SYNS_MAX);
	arena_points(a, &y->syn);
	arena_points(a, &y->pool.next);
	for (unsigned i = 0; i < SYN_CHAINS; i++)
		y->chain[i] = NIL;
	return y;
}

uint32_t syns_count(const struct syns *y)
{
	return y->pool.used;
}

static uint32_t *chain_of(struct syns *y, const struct tuple *t)
{
	uint64_t w[5] = { t->dst.word[0], t->dst.word[1], be16_to(t->dport) };

	return &y->chain[hash_range(hash40(&y->key, w), SYN_CHAINS)];
}

static void forget(struct syns *y, uint32_t index)
{
	struct syn *s = &y->syn[index];
	uint32_t *link = chain_of(y, &s->packet.key);

	while (*link != index)
		link = &y->syn[*link].chain_next;
	*link = s->chain_next;
	*(s->older != NIL ? &y->syn[s->older].younger : &y->oldest) = s->younger;
	*(s->younger != NIL ? &y->syn[s->younger].older : &y->youngest) = s->older;
	pool_put(&y->pool, index);
}

static uint32_t find(struct syns *y, const struct tuple *key)
{
	uint32_t i = *chain_of(y, key);

	while (i != NIL && !tuple_equal(&y->syn[i].packet.key, key))
		i = y->syn[i].chain_next;
	return i;
}

/* The one to give up for another to @key: the oldest of its destination, or of all. NIL when there
 * is room. A chain is in the order of age, the youngest first. */
static uint32_t in_the_way(struct syns *y, const struct tuple *key)
{
	uint32_t oldest = NIL, n = 0;

	for (uint32_t i = *chain_of(y, key); i != NIL; i = y->syn[i].chain_next) {
		const struct tuple *k = &y->syn[i].packet.key;

		if (!addr_equal(&k->dst, &key->dst) || !be16_equal(k->dport, key->dport))
			continue;
		oldest = i;
		n++;
	}
	if (n >= SYNS_PER_DESTINATION)
		return oldest;
	return y->pool.used == SYNS_MAX ? y->oldest : NIL;
}

static void add(struct syns *y, const struct packet *p, enum drop_reason why, uint64_t now_ms)
{
	uint32_t i = pool_get(&y->pool), *chain = chain_of(y, &p->key);
	struct syn *s = &y->syn[i];

	must(i != POOL_NONE);
	s->packet = *p;
	s->packet.data = NULL;
	s->packet.headroom = 0;
	s->packet.room = p->len;
	s->packet.verdict = verdict_drop(why);
	memcpy(s->bytes, p->data, p->len);
	s->since_ms = now_ms;
	s->chain_next = *chain;
	*chain = i;
	s->older = y->youngest;
	s->younger = NIL;
	*(y->youngest != NIL ? &y->syn[y->youngest].younger : &y->oldest) = i;
	y->youngest = i;
}

struct verdict syns_keep(struct syns *y, const struct packet *p, enum drop_reason why,
			 uint64_t now_ms, enum drop_reason *shed)
{
	uint32_t old;

	*shed = DROP_NONE;
	if (p->len > SYN_BYTES || find(y, &p->key) != NIL)
		return verdict_drop(why);
	old = in_the_way(y, &p->key);
	if (old != NIL) {
		*shed = (enum drop_reason)y->syn[old].packet.verdict.why;
		forget(y, old);
	}
	add(y, p, why, now_ms);
	return verdict_held();
}

bool syns_take(struct syns *y, const struct tuple *key, uint32_t *seq)
{
	uint32_t i = y->pool.used ? find(y, key) : NIL;

	if (i == NIL)
		return false;
	*seq = load32(y->syn[i].bytes + y->syn[i].packet.l4_at + 4);
	forget(y, i);
	return true;
}

bool syns_overdue(struct syns *y, uint64_t now_ms, uint32_t timeout_ms, struct packet *out)
{
	uint32_t i = y->oldest;

	if (i == NIL || now_ms - y->syn[i].since_ms < timeout_ms)
		return false;
	forget(y, i);
	*out = y->syn[i].packet;
	out->data = y->syn[i].bytes;
	return true;
}
