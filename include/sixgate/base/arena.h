/* arena.h - bump allocation in the caller's memory: for tables that are laid out once at start. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "sixgate/base/must.h"

/**
 * struct arena - a block that is only ever carved from the front
 * @at:   next free byte; with @base NULL nothing is handed out and only the size is counted, so
 *        that one layout function both measures and places
 */
struct arena {
	uint8_t *base;
	size_t size, used;
};

/** arena_take() - @n bytes aligned to 64. Aborts when the block is too small: its size was
 *  computed by the same layout. Return: NULL while measuring. */
static inline void *arena_take(struct arena *a, size_t n)
{
	size_t at = (a->used + 63) & ~(size_t)63;

	a->used = at + n;
	if (!a->base)
		return NULL;
	must(a->used <= a->size);
	return a->base + at;
}
