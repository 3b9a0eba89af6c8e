/*
 * index.c - a hash index in cache lines.
 *
 * A key's first bucket is tried before its second, so that nearly all look-ups end in the bucket
 * that was prefetched. When both are full, one entry of the first is moved to its other bucket:
 * with buckets at most four fifths full on average that always finds room in practice.
 */
#include "sixgate/flow/index.h"

void index_layout(struct index *x, uint32_t n_buckets, struct arena *a)
{
	const size_t bytes = (size_t)n_buckets * sizeof(*x->bucket);

	*x = (struct index){ .bucket = arena_take(a, bytes), .n_buckets = n_buckets };
	if (!x->bucket)
		return; /* measured */
	arena_points(a, &x->bucket);
	arena_touch(a, x->bucket, bytes);
}

static int free_entry(const struct index_bucket *b)
{
	for (int i = 0; i < INDEX_ENTRIES; i++)
		if (!b->ref[i])
			return i;
	return -1;
}

static bool put(struct index_bucket *b, uint32_t ref, uint8_t tag)
{
	int i = free_entry(b);

	if (i < 0)
		return false;
	b->ref[i] = ref + 1;
	b->tag[i] = tag;
	return true;
}

static bool take_out(struct index_bucket *b, uint32_t ref)
{
	for (int i = 0; i < INDEX_ENTRIES; i++)
		if (b->ref[i] == ref + 1) {
			b->ref[i] = 0;
			return true;
		}
	return false;
}

/* Make one entry of the full bucket @b free by moving one that may stand elsewhere. */
static bool move_one_away(struct index *x, struct index_bucket *b, index_hash *hash_of,
			  const void *owner)
{
	for (int i = 0; i < INDEX_ENTRIES; i++) {
		uint32_t ref = b->ref[i] - 1;
		uint64_t h = hash_of(owner, ref);
		struct index_bucket *first = index_first(x, h);
		struct index_bucket *second = index_second(x, h);

		if (first == second || !put(b == first ? second : first, ref, index_tag(h)))
			continue;
		if (b == first)
			b->n_elsewhere++;
		else
			first->n_elsewhere--;
		b->ref[i] = 0;
		return true;
	}
	return false;
}

bool index_add(struct index *x, uint64_t hash, uint32_t ref, index_hash *hash_of, const void *owner)
{
	struct index_bucket *first = index_first(x, hash);
	struct index_bucket *second = index_second(x, hash);

	if (put(first, ref, index_tag(hash)))
		return true;
	if (second != first && put(second, ref, index_tag(hash))) {
		first->n_elsewhere++;
		return true;
	}
	return move_one_away(x, first, hash_of, owner) && put(first, ref, index_tag(hash));
}

void index_remove(struct index *x, uint64_t hash, uint32_t ref)
{
	struct index_bucket *first = index_first(x, hash);

	if (take_out(first, ref))
		return;
	must(take_out(index_second(x, hash), ref));
	first->n_elsewhere--;
}
