/*
 * table.c - the flow table.
 *
 * A tuple's first bucket is tried before its second, so that nearly all look-ups end in the bucket
 * that was prefetched. When both are full, one entry of the first is moved to its other bucket:
 * with the index two thirds full at capacity that always finds room in practice.
 */
#include "sixgate/flow/table.h"
#include "sixgate/translate/translate.h"
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { FLOWS_PER_BUCKET = 4 }; /* at capacity eight of its entries are in use, on average */

static uint32_t first_bucket(const struct flow_table *t, uint64_t hash)
{
	return hash_range(hash, t->n_buckets);
}

static uint32_t second_bucket(const struct flow_table *t, uint64_t hash)
{
	return hash_range(hash << 32 | hash >> 32, t->n_buckets);
}

static uint8_t tag_of(uint64_t hash)
{
	return (uint8_t)(hash >> 8);
}

void flow_table_layout(struct flow_table *t, uint32_t n, const struct hash_key *key, struct arena *a)
{
	uint32_t *next;

	must(n > 0 && n <= 1u << 30);
	*t = (struct flow_table){ .key = *key, .n_buckets = n / FLOWS_PER_BUCKET + 4 };
	t->flow = arena_take(a, (size_t)n * sizeof(*t->flow));
	t->bucket = arena_take(a, (size_t)t->n_buckets * sizeof(*t->bucket));
	next = arena_take(a, (size_t)n * sizeof(*next));
	pool_init(&t->pool, next, n);
}

/* Bit i is set where entry i has the tag. */
static inline uint32_t matches(const struct flow_bucket *b, uint8_t tag)
{
#ifdef __SSE2__
	__m128i tags = _mm_loadu_si128((const __m128i *)(const void *)b);

	return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(tags, _mm_set1_epi8((char)tag))) &
	       ((1u << FLOW_BUCKET_ENTRIES) - 1);
#else
	uint32_t m = 0;

	for (unsigned i = 0; i < FLOW_BUCKET_ENTRIES; i++)
		m |= (uint32_t)(b->tag[i] == tag) << i;
	return m;
#endif
}

static inline uint32_t find_in(const struct flow_table *t, const struct flow_bucket *b,
			       const struct tuple *key, uint8_t tag)
{
	for (uint32_t m = matches(b, tag); m; m &= m - 1) {
		uint32_t ref = b->ref[__builtin_ctz(m)];

		if (ref && tuple_equal(&t->flow[(ref - 1) >> 1].key[(ref - 1) & 1], key))
			return ref - 1;
	}
	return FLOW_NONE;
}

uint32_t flow_table_find(const struct flow_table *t, const struct tuple *key, uint64_t hash)
{
	const struct flow_bucket *b = &t->bucket[first_bucket(t, hash)];
	uint32_t ref = find_in(t, b, key, tag_of(hash));

	if (ref == FLOW_NONE && unlikely(b->n_elsewhere))
		ref = find_in(t, &t->bucket[second_bucket(t, hash)], key, tag_of(hash));
	return ref;
}

/* A tag that is another tuple's as well is seldom, but to wait for its record would cost as much as
 * some packets do: all that match are fetched, and the second bucket when none does. */
uint32_t flow_table_guess(const struct flow_table *t, uint64_t hash)
{
	const struct flow_bucket *b = &t->bucket[first_bucket(t, hash)];
	uint32_t guess = FLOW_NONE;

	for (uint32_t m = matches(b, tag_of(hash)); m; m &= m - 1) {
		uint32_t ref = b->ref[__builtin_ctz(m)];

		if (!ref)
			continue;
		if (guess == FLOW_NONE)
			guess = ref - 1;
		__builtin_prefetch(&t->flow[(ref - 1) >> 1], 1);
		__builtin_prefetch((const char *)&t->flow[(ref - 1) >> 1] + 64, 1);
	}
	if (unlikely(guess == FLOW_NONE) && b->n_elsewhere)
		__builtin_prefetch(&t->bucket[second_bucket(t, hash)]);
	return guess;
}

static int free_entry(const struct flow_bucket *b)
{
	for (int i = 0; i < FLOW_BUCKET_ENTRIES; i++)
		if (!b->ref[i])
			return i;
	return -1;
}

static bool put(struct flow_bucket *b, uint32_t ref, uint8_t tag)
{
	int i = free_entry(b);

	if (i < 0)
		return false;
	b->ref[i] = ref + 1;
	b->tag[i] = tag;
	return true;
}

static bool take_out(struct flow_bucket *b, uint32_t ref)
{
	for (int i = 0; i < FLOW_BUCKET_ENTRIES; i++)
		if (b->ref[i] == ref + 1) {
			b->ref[i] = 0;
			return true;
		}
	return false;
}

/* Make one entry of the full bucket @at free by moving one that may stand elsewhere. */
static bool move_one_away(struct flow_table *t, uint32_t at)
{
	struct flow_bucket *b = &t->bucket[at];

	for (int i = 0; i < FLOW_BUCKET_ENTRIES; i++) {
		uint32_t ref = b->ref[i] - 1;
		uint64_t h = tuple_hash(&t->key, &t->flow[ref >> 1].key[ref & 1]);
		uint32_t first = first_bucket(t, h), second = second_bucket(t, h);

		if (first == second || !put(&t->bucket[at == first ? second : first], ref, tag_of(h)))
			continue;
		if (at == first)
			b->n_elsewhere++;
		else
			t->bucket[first].n_elsewhere--;
		b->ref[i] = 0;
		return true;
	}
	return false;
}

static bool index_add(struct flow_table *t, uint32_t ref, uint64_t h)
{
	uint32_t first = first_bucket(t, h), second = second_bucket(t, h);

	if (put(&t->bucket[first], ref, tag_of(h)))
		return true;
	if (second != first && put(&t->bucket[second], ref, tag_of(h))) {
		t->bucket[first].n_elsewhere++;
		return true;
	}
	return move_one_away(t, first) && put(&t->bucket[first], ref, tag_of(h));
}

static void index_remove(struct flow_table *t, uint32_t ref)
{
	uint64_t h = tuple_hash(&t->key, &t->flow[ref >> 1].key[ref & 1]);
	uint32_t first = first_bucket(t, h);

	if (take_out(&t->bucket[first], ref))
		return;
	must(take_out(&t->bucket[second_bucket(t, h)], ref));
	t->bucket[first].n_elsewhere--;
}

static bool taken(const struct flow_table *t, const struct tuple *key, uint64_t hash)
{
	return flow_table_find(t, key, hash) != FLOW_NONE;
}

/* The way back takes away what the way there adds. Either form of zero is written as ffff. */
static void set_deltas(struct flow *f)
{
	struct tuple out = flow_out_tuple(f, 0);
	uint16_t delta = rewrite_addr_delta(&f->key[0], &out);

	f->delta[0] = delta;
	f->delta[1] = delta == 0xffff ? delta : (uint16_t)~delta;
}

uint32_t flow_table_add(struct flow_table *t, const struct flow_plan *plan, enum drop_reason *why)
{
	const uint64_t hash[2] = { tuple_hash(&t->key, &plan->key[0]),
				   tuple_hash(&t->key, &plan->key[1]) };
	uint32_t index;
	struct flow *f;

	flow_table_prefetch(t, hash[!plan->dir]); /* the packet's own is near */
	*why = DROP_FLOW_CONFLICT;
	if (tuple_equal(&plan->key[0], &plan->key[1]) || taken(t, &plan->key[0], hash[0]) ||
	    taken(t, &plan->key[1], hash[1]))
		return FLOW_NONE;
	*why = DROP_FLOW_TABLE_FULL;
	index = pool_get(&t->pool);
	if (index == POOL_NONE)
		return FLOW_NONE;

	f = &t->flow[index];
	*f = (struct flow){ .key = { plan->key[0], plan->key[1] },
			    .object = plan->object,
			    .aux = plan->aux,
			    .generation = plan->generation,
			    .policy = plan->policy,
			    .flags = plan->flags };
	set_deltas(f);
	if (!index_add(t, index << 1, hash[0]))
		goto put_back;
	if (!index_add(t, index << 1 | 1, hash[1]))
		goto unindex;
	return index;

unindex:
	index_remove(t, index << 1);
put_back:
	f->policy = POLICY_NONE;
	pool_put(&t->pool, index);
	return FLOW_NONE;
}

void flow_table_remove(struct flow_table *t, uint32_t index)
{
	must(flow_table_used(t, index));
	index_remove(t, index << 1);
	index_remove(t, index << 1 | 1);
	t->flow[index].policy = POLICY_NONE;
	pool_put(&t->pool, index);
}

bool flow_table_rekey(struct flow_table *t, uint32_t index, unsigned dir, const struct tuple *key)
{
	struct flow *f = &t->flow[index];
	uint32_t ref = index << 1 | dir;
	struct tuple old = f->key[dir];
	uint64_t hash = tuple_hash(&t->key, key);

	must(flow_table_used(t, index));
	if (taken(t, key, hash))
		return false;
	index_remove(t, ref);
	f->key[dir] = *key;
	if (!index_add(t, ref, hash)) {
		f->key[dir] = old;
		must(index_add(t, ref, tuple_hash(&t->key, &old)));
		return false;
	}
	set_deltas(f);
	return true;
}
