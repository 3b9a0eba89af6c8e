/*
 * table.h - the flow table: records by index, and a hash index with two entries a flow.
 *
 * Fixed at start, in the caller's zeroed memory, no pointers in the records, one owner thread.
 */
#pragma once
#include "sixgate/base/arena.h"
#include "sixgate/base/pool.h"
#include "sixgate/flow/flow.h"
#include "sixgate/flow/index.h"

enum { FLOW_NONE = INDEX_NONE };

/** struct flow_table - @index: of flow index << 1 | direction */
struct flow_table {
	struct hash_key key;
	struct flow *flow;
	struct index index;
	struct pool pool; /* of flow indexes; pool.n is the capacity */
};

/** flow_table_layout() - carve a table for @n flows (at most 2^30) out of @a; with a measuring
 *  arena only the size is counted. The memory must be zero. */
void flow_table_layout(struct flow_table *t, uint32_t n, const struct hash_key *key, struct arena *a);

static inline void flow_table_prefetch(const struct flow_table *t, uint64_t hash)
{
	index_prefetch(&t->index, hash);
}

/** flow_table_guess() - second pass: the bucket is near; fetch the record it points to. Return: what
 *  flow_table_find() will most likely say, to be asked of flow_table_has(). */
uint32_t flow_table_guess(const struct flow_table *t, uint64_t hash);

/** flow_table_has() - Return: true if @ref, from this table however long ago, or 0, or FLOW_NONE, is
 *  a flow's direction with @key now. */
static inline bool flow_table_has(const struct flow_table *t, uint32_t ref, const struct tuple *key)
{
	const struct flow *f = &t->flow[ref >> 1];

	return ref != FLOW_NONE && f->policy != POLICY_NONE && tuple_equal(&f->key[ref & 1], key);
}

/** flow_table_find() - Return: index << 1 | direction of the flow with @key, or FLOW_NONE. */
uint32_t flow_table_find(const struct flow_table *t, const struct tuple *key, uint64_t hash);

/**
 * flow_table_add() - a new flow from a plan; state, deadline and sequence numbers are zero, the
 * deltas are computed, the timer is not linked
 *
 * Return: its index; FLOW_NONE with *@why set to DROP_FLOW_TABLE_FULL or DROP_FLOW_CONFLICT (one
 * of the keys is taken; the two keys of one flow may not be equal either).
 */
uint32_t flow_table_add(struct flow_table *t, const struct flow_plan *plan, enum drop_reason *why);

/** flow_table_remove() - @index must be in use; the timer must be unlinked. */
void flow_table_remove(struct flow_table *t, uint32_t index);

/** flow_table_rekey() - replace the tuple of one direction in place (services: a SYN moves to
 *  another node). Return: false, nothing changed, if @key is taken. */
bool flow_table_rekey(struct flow_table *t, uint32_t index, unsigned dir, const struct tuple *key);

/** flow_table_used() - true if slot @index holds a flow (its policy is not POLICY_NONE). */
static inline bool flow_table_used(const struct flow_table *t, uint32_t index)
{
	return index < t->pool.fresh && t->flow[index].policy != POLICY_NONE;
}
