/* memory.c - blocks of memory that live and die together. One owner, one thread. */
#include <stdlib.h>
#include <string.h>
#include "config_internal.h"

enum { BLOCK_BYTES = 32768, ALIGN = _Alignof(max_align_t) };

struct memory_block {
	struct memory_block *older;
	size_t size, used;
	_Alignas(max_align_t) unsigned char bytes[];
};

static struct memory_block *block_new(struct memory *m, size_t n)
{
	size_t size = n > BLOCK_BYTES ? n : BLOCK_BYTES;
	struct memory_block *b = calloc(1, sizeof(*b) + size);

	if (!b)
		return NULL;
	b->size = size;
	b->older = m->newest;
	m->newest = b;
	return b;
}

void *memory__take(struct memory *m, size_t n)
{
	struct memory_block *b = m->newest;
	void *at;

	n = (n + ALIGN - 1) / ALIGN * ALIGN;
	if (!b || b->size - b->used < n)
		b = block_new(m, n);
	if (!b)
		return NULL;
	at = b->bytes + b->used;
	b->used += n;
	return at;
}

char *memory__text(struct memory *m, const char *text, size_t len)
{
	char *copy = memory__take(m, len + 1);

	if (copy)
		memcpy(copy, text, len);
	return copy;
}

void memory__free(struct memory *m)
{
	while (m->newest) {
		struct memory_block *b = m->newest;

		m->newest = b->older;
		free(b);
	}
}
