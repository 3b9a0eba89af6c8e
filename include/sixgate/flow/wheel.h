/*
 * wheel.h - hierarchical timing wheel over nodes that live in somebody's array.
 *
 * Ticks of 128 ms, four levels of 64 slots: up to 24 days ahead, later deadlines are clamped.
 * Refreshing a flow only writes its deadline; the wheel looks again when the slot comes round and
 * puts the node where it now belongs. Work per call is bounded by the caller.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "sixgate/flow/flow.h"

enum { WHEEL_TICK_SHIFT = 7, WHEEL_LEVELS = 4, WHEEL_SLOTS = 64, WHEEL_NIL = UINT32_MAX };

static inline uint32_t wheel_tick(uint64_t now_ms)
{
	return (uint32_t)(now_ms >> WHEEL_TICK_SHIFT);
}

/** wheel_deadline() - the tick that is at least @after_ms from @now_ms. */
static inline uint32_t wheel_deadline(uint64_t now_ms, uint64_t after_ms)
{
	return (uint32_t)((now_ms + after_ms + (1u << WHEEL_TICK_SHIFT) - 1) >> WHEEL_TICK_SHIFT);
}

/** wheel_ticks_left() - ticks from @now to @deadline, 0 or less once it has come. Ticks wrap after 17
 *  years: only differences count. */
static inline int32_t wheel_ticks_left(uint32_t deadline, uint32_t now)
{
	return (int32_t)(deadline - now);
}

/**
 * struct wheel - lists of flow indexes by deadline
 * @head: first node of each slot, WHEEL_NIL when empty
 * @now:  every deadline up to here has been looked at
 */
struct wheel {
	struct flow *flow; /* borrowed: the table's records, in which the nodes lie */
	uint32_t head[WHEEL_LEVELS][WHEEL_SLOTS];
	uint32_t now;
	uint32_t n;
};

void wheel_init(struct wheel *w, struct flow *flows, uint32_t now_tick);

/** wheel_add() - link @index by its flow's deadline. It must not be linked. */
void wheel_add(struct wheel *w, uint32_t index);

/** wheel_remove() - unlink @index; it must be linked. */
void wheel_remove(struct wheel *w, uint32_t index);

/**
 * wheel_expire() - the next flow whose deadline has come
 * @now_tick: never goes back
 * @budget:   how many nodes may be looked at; decremented
 *
 * Nodes that were refreshed are moved on. Return: an index, unlinked, or WHEEL_NIL when nothing
 * (more) is due or the budget is used up.
 */
uint32_t wheel_expire(struct wheel *w, uint32_t now_tick, uint32_t *budget);

/** wheel_next() - ticks until something may be due, at least 1; UINT32_MAX when empty. A lower
 *  bound: at worst the caller wakes for nothing. */
uint32_t wheel_next(const struct wheel *w, uint32_t now_tick);
