/* arena.h - bump allocation in the caller's memory: for tables that are laid out once at start. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "sixgate/base/must.h"

enum { ARENA_POINTERS_MAX = 48 };

/** struct arena_pointers - where in a block there are pointers into the same block: bytes from its
 *  start. Whoever copies the block to another place moves these along, and no other word. */
struct arena_pointers {
	uint32_t n;
	size_t at[ARENA_POINTERS_MAX];
};

/**
 * struct arena - a block that is only ever carved from the front
 * @base: NULL: nothing is handed out and only the size is counted, so that one layout function
 *        both measures and places
 * @used: bytes carved so far
 * @pointers: borrowed; NULL when nobody wants to know
 * @touch: 0, or the memory is fresh from the kernel and zero: so many bytes of it, of every piece the
 *         first page and what arena_touch() is told, come now, and not when a packet waits for them
 */
struct arena {
	uint8_t *base;
	size_t size, used;
	struct arena_pointers *pointers;
	size_t touch;
};

/** arena_touch() - @n bytes at @piece, from @a, will soon be used here and there. */
static inline void arena_touch(struct arena *a, void *piece, size_t n)
{
	const size_t page = 4096;

	n = n < a->touch ? n : a->touch;
	a->touch -= n;
	for (size_t at = 0; at < n; at += page)
		((volatile uint8_t *)piece)[at] = 0;
}

/** arena_take() - @n bytes aligned to 64. Aborts when the block is too small: its size was
 *  computed by the same layout. Return: NULL while measuring. */
static inline void *arena_take(struct arena *a, size_t n)
{
	size_t at = (a->used + 63) & ~(size_t)63;

	a->used = at + n;
	if (!a->base)
		return NULL;
	must(a->used <= a->size);
	arena_touch(a, a->base + at, n != 0);
	return a->base + at;
}

/** arena_points() - the word at @slot, which was carved out of @a, is a pointer into @a, now and
 * for as long as @a is used. Each such word has to be told; what only ever is an index has not. */
static inline void arena_points(struct arena *a, const void *slot)
{
	const size_t at = (size_t)((const uint8_t *)slot - a->base);

	if (!a->pointers)
		return;
	must(at < a->used && at % sizeof(void *) == 0 && a->pointers->n < ARENA_POINTERS_MAX);
	a->pointers->at[a->pointers->n++] = at;
}
