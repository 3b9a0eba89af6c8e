/*
 * pool.h - fixed-size object pool: all memory at start, O(1) get and put, 32-bit handles instead
 * of pointers. Owned by exactly one thread. Being full is normal under attack: it is a drop
 * reason, never an abort and never an allocation.
 */
#pragma once
#include <stdint.h>
#include "sixgate/base/must.h"

#define POOL_NONE UINT32_MAX

/**
 * struct pool - free list over a caller's array
 * @next:  @n entries, borrowed; next[i] is the free slot after i, or POOL_NONE
 * @free:  first slot that was given back, POOL_NONE when there is none
 * @fresh: slots from here on have never been handed out, so that memory is touched only when used
 * @used:  slots out now
 */
struct pool {
	uint32_t *next, n, free, fresh, used;
};

static inline void pool_init(struct pool *p, uint32_t *next, uint32_t n)
{
	*p = (struct pool){ .next = next, .n = n, .free = POOL_NONE };
}

/** pool_get() - Return: a slot the caller now owns, or POOL_NONE. */
static inline uint32_t pool_get(struct pool *p)
{
	uint32_t i = p->free;

	if (i != POOL_NONE)
		p->free = p->next[i];
	else if (p->fresh < p->n)
		i = p->fresh++;
	else
		return POOL_NONE;
	p->used++;
	return i;
}

static inline void pool_put(struct pool *p, uint32_t i)
{
	must(i < p->n && p->used > 0);
	p->next[i] = p->free;
	p->free = i;
	p->used--;
}
