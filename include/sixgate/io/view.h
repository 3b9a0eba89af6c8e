/*
 * view.h - a private copy of a worker's memory that is made only where it is touched.
 *
 * The copy begins empty and without access. The first touch of each page faults; the fault copies
 * that page, moves its pointers along, of which there is a list, and the access goes on. So a copy
 * of gigabytes costs a few dozen pages, and the memory itself stays as it is (anonymous, in huge
 * pages), which a mapping that the kernel could copy on write would not.
 *
 * Whoever uses the view must be the only writer of what it touches: the worker's own thread,
 * between two batches.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "sixgate/base/arena.h"

/**
 * struct view - one thread's, one at a time
 * @live, @bytes: what it is a copy of; page-aligned
 * @pointers: words of @live that point into @live; borrowed
 * @copy:    the same layout; what one of @pointers points to is at the same distance from @copy
 * @extra:   @n_extra zeroed bytes that belong to the view only
 * @n_pages: copied so far
 */
struct view {
	uint8_t *live, *copy, *extra;
	const struct arena_pointers *pointers;
	size_t bytes, n_extra;
	uint32_t n_pages;
};

/** view_prepare() - once in the process, before any view_open(). Faults that belong to no view are
 *  handled as they were before. */
void view_prepare(void);

/** view_open() - a view of @live for the calling thread, until view_close(). Return: 0 or -ENOMEM. */
int view_open(struct view *v, void *live, size_t bytes, const struct arena_pointers *pointers,
	      size_t n_extra);

/** view_of() - where the view has what @live_object is. */
static inline void *view_of(const struct view *v, const void *live_object)
{
	return v->copy + ((const uint8_t *)live_object - v->live);
}

void view_close(struct view *v);
