/*
 * pool.h - fixed-size object pool: all memory at start, O(1) get and put, 32-bit handles instead
 * of pointers. Owned by exactly one thread. Being full is normal under attack: it is a drop
 * reason, never an abort and never an allocation.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "sixgate/base/must.h"

#define POOL_NONE UINT32_MAX

/**
 * struct pool - free list over a caller's array
 * @next:   borrowed; @stride bytes after one another lie @n words that link the free slots: the one
 *          of slot i says which is free after i, or POOL_NONE
 * @free:   first slot that was given back, POOL_NONE when there is none
 * @fresh:  slots from here on have never been handed out, so that memory is touched only when used
 * @used:   slots out now
 */
struct pool {
	uint8_t *next;
	uint32_t stride, n, free, fresh, used;
};

/** pool_init() - links in an array of their own. */
static inline void pool_init(struct pool *p, uint32_t *next, uint32_t n)
{
	*p = (struct pool){ .next = (uint8_t *)next, .stride = sizeof(*next), .n = n,
			    .free = POOL_NONE };
}

/** pool_init_within() - links in the records: @next are four bytes of the first one that mean
 *  nothing while it is free, @stride the size of a record. */
static inline void pool_init_within(struct pool *p, void *next, uint32_t stride, uint32_t n)
{
	*p = (struct pool){ .next = next, .stride = stride, .n = n, .free = POOL_NONE };
}

static inline uint8_t *pool__link(const struct pool *p, uint32_t i)
{
	return p->next + (size_t)i * p->stride;
}

/** pool_get() - Return: a slot the caller now owns, or POOL_NONE. */
static inline uint32_t pool_get(struct pool *p)
{
	uint32_t i = p->free;

	if (i != POOL_NONE)
		memcpy(&p->free, pool__link(p, i), sizeof(p->free));
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
	memcpy(pool__link(p, i), &p->free, sizeof(p->free));
	p->free = i;
	p->used--;
}
