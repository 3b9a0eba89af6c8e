/* table.c - the flow table: what is in it, and the two references that its index has to each flow. */
#include "sixgate/flow/table.h"
#include "sixgate/translate/translate.h"

enum { FLOWS_PER_FOUR_BUCKETS = 17 }; /* eight and a half references in each when the table is full */

void flow_table_layout(struct flow_table *t, uint32_t n, const struct hash_key *key, struct arena *a)
{
	must(n > 0 && n <= 1u << 30);
	*t = (struct flow_table){ .key = *key };
	t->flow = arena_take(a, (size_t)n * sizeof(*t->flow));
	index_layout(&t->index, (uint32_t)(4ull * n / FLOWS_PER_FOUR_BUCKETS) + 4, a);
	pool_init_within(&t->pool, t->flow ? &t->flow->object : NULL, sizeof(*t->flow), n);
	arena_points(a, &t->flow);
	arena_points(a, &t->pool.next);
}

static ALWAYS_INLINE bool has_key(const void *table, uint32_t ref, const void *key)
{
	const struct flow_table *t = table;

	return tuple_equal(&t->flow[ref >> 1].key[ref & 1], key);
}

static uint64_t hash_of(const void *table, uint32_t ref)
{
	const struct flow_table *t = table;

	return tuple_hash(&t->key, &t->flow[ref >> 1].key[ref & 1]);
}

uint32_t flow_table_find(const struct flow_table *t, const struct tuple *key, uint64_t hash)
{
	return index_find(&t->index, hash, has_key, t, key);
}

/* A tag that is another tuple's as well is seldom, but to wait for its record would cost as much as
 * some packets do: all that match are fetched, and the second bucket when none does. */
uint32_t flow_table_guess(const struct flow_table *t, uint64_t hash)
{
	const struct index_bucket *b = index_first(&t->index, hash);
	uint32_t guess = FLOW_NONE;

	for (uint32_t m = index_matches(b, index_tag(hash)); m; m &= m - 1) {
		uint32_t ref = b->ref[__builtin_ctz(m)];

		if (!ref)
			continue;
		if (guess == FLOW_NONE)
			guess = ref - 1;
		__builtin_prefetch(&t->flow[(ref - 1) >> 1], 1);
		__builtin_prefetch((const char *)&t->flow[(ref - 1) >> 1] + 64, 1);
	}
	if (unlikely(guess == FLOW_NONE) && b->n_elsewhere)
		__builtin_prefetch(index_second(&t->index, hash));
	return guess;
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
	if (!index_add(&t->index, hash[0], index << 1, hash_of, t))
		goto put_back;
	if (!index_add(&t->index, hash[1], index << 1 | 1, hash_of, t))
		goto unindex;
	return index;

unindex:
	index_remove(&t->index, hash[0], index << 1);
put_back:
	f->policy = POLICY_NONE;
	pool_put(&t->pool, index);
	return FLOW_NONE;
}

void flow_table_remove(struct flow_table *t, uint32_t index)
{
	must(flow_table_used(t, index));
	for (uint32_t ref = index << 1; ref <= (index << 1 | 1); ref++)
		index_remove(&t->index, hash_of(t, ref), ref);
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
	index_remove(&t->index, hash_of(t, ref), ref);
	f->key[dir] = *key;
	if (!index_add(&t->index, hash, ref, hash_of, t)) {
		f->key[dir] = old;
		must(index_add(&t->index, tuple_hash(&t->key, &old), ref, hash_of, t));
		return false;
	}
	set_deltas(f);
	return true;
}
