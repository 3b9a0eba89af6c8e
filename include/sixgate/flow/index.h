/*
 * index.h - a hash index of references, in buckets of one cache line with twelve entries.
 *
 * A key has two buckets it may stand in, so that an index can be filled well and no look-up reads
 * more than two. Entries are found by tag; the records they refer to are the owner's, who proves
 * what is found and says the hash of what has to move. Fixed at start, in the caller's zeroed
 * memory, one owner thread. Hashes are keyed: nobody can aim at a bucket.
 */
#pragma once
#include <stdbool.h>
#include "sixgate/base/arena.h"
#include "sixgate/base/hash.h"
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { INDEX_ENTRIES = 12, INDEX_NONE = UINT32_MAX };

/** struct index_bucket - tags first: they are compared all at once, sixteen bytes of them. */
struct index_bucket {
	uint8_t tag[INDEX_ENTRIES];
	uint16_t n_elsewhere; /* keys whose first bucket this is, but which stand in their second */
	uint16_t spare;
	uint32_t ref[INDEX_ENTRIES]; /* + 1; 0 when free */
};
_Static_assert(sizeof(struct index_bucket) == 64, "a bucket is one cache line");

struct index {
	struct index_bucket *bucket;
	uint32_t n_buckets;
};

/** index_is - Return: true if the record @ref of @owner has @key. */
typedef bool index_is(const void *owner, uint32_t ref, const void *key);

/** index_hash - Return: the hash under which record @ref of @owner was added. */
typedef uint64_t index_hash(const void *owner, uint32_t ref);

/** index_layout() - carve @n_buckets out of @a, of which @x is a part, too, if @a keeps its
 * pointers. On average up to nine and a half references find room in each in practice. */
void index_layout(struct index *x, uint32_t n_buckets, struct arena *a);

static inline struct index_bucket *index_first(const struct index *x, uint64_t hash)
{
	return &x->bucket[hash_range(hash, x->n_buckets)];
}

static inline struct index_bucket *index_second(const struct index *x, uint64_t hash)
{
	return &x->bucket[hash_range(hash << 32 | hash >> 32, x->n_buckets)];
}

static inline uint8_t index_tag(uint64_t hash)
{
	return (uint8_t)(hash >> 8);
}

static inline void index_prefetch(const struct index *x, uint64_t hash)
{
	__builtin_prefetch(index_first(x, hash));
}

/** index_matches() - Return: bit i is set where entry i of @b has @tag; it may be free. */
static inline uint32_t index_matches(const struct index_bucket *b, uint8_t tag)
{
#ifdef __SSE2__
	__m128i tags = _mm_loadu_si128((const __m128i *)(const void *)b);

	return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(tags, _mm_set1_epi8((char)tag))) &
	       ((1u << INDEX_ENTRIES) - 1);
#else
	uint32_t m = 0;

	for (unsigned i = 0; i < INDEX_ENTRIES; i++)
		m |= (uint32_t)(b->tag[i] == tag) << i;
	return m;
#endif
}

static ALWAYS_INLINE uint32_t index__find_in(const struct index_bucket *b, uint8_t tag, index_is *is,
					     const void *owner, const void *key)
{
	for (uint32_t m = index_matches(b, tag); m; m &= m - 1) {
		uint32_t ref = b->ref[__builtin_ctz(m)];

		if (ref && is(owner, ref - 1, key))
			return ref - 1;
	}
	return INDEX_NONE;
}

/** index_find() - Return: the reference to what @is, or INDEX_NONE. Inlined, and so is @is. */
static ALWAYS_INLINE uint32_t index_find(const struct index *x, uint64_t hash, index_is *is,
					 const void *owner, const void *key)
{
	const struct index_bucket *b = index_first(x, hash);
	uint32_t ref = index__find_in(b, index_tag(hash), is, owner, key);

	if (ref == INDEX_NONE && unlikely(b->n_elsewhere))
		ref = index__find_in(index_second(x, hash), index_tag(hash), is, owner, key);
	return ref;
}

/** index_add() - @ref, which is not in it, under @hash. Return: false, nothing changed to be seen,
 *  when there is no place. */
bool index_add(struct index *x, uint64_t hash, uint32_t ref, index_hash *hash_of, const void *owner);

/** index_remove() - @ref, which was added under @hash. */
void index_remove(struct index *x, uint64_t hash, uint32_t ref);
