/*
 * eam.c - explicit address mappings (RFC 7757 3): longest prefix match, and the copying of suffixes.
 *
 * Prefixes either nest or do not touch. Sorted by address, shorter ones first, the last entry that
 * does not begin behind an address either contains it, and is then the longest that does, or lies
 * within all that do: the first of its ancestors that contains it is the match.
 */
#include "siit_internal.h"

/* How many entries begin at @a or before it. */
static uint32_t count_up_to(const struct eam_index *x, const struct addr *a)
{
	uint32_t low = 0, high = x->n;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (addr_compare(&x->entry[mid].from.addr, a) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

const struct eam_entry *eam__find(const struct eam_index *x, const struct addr *a)
{
	uint32_t n = count_up_to(x, a), i = n ? n - 1 : EAM_NONE;

	while (i != EAM_NONE && !prefix_contains(&x->entry[i].from, a))
		i = x->entry[i].parent;
	return i == EAM_NONE ? NULL : &x->entry[i];
}

static inline bool bit(const struct addr *a, unsigned at)
{
	return a->octet[at / 8] >> (7 - at % 8) & 1;
}

/* At most 32 bits: those of the IPv4 suffix. */
struct addr eam__apply(const struct eam_entry *e, const struct addr *a)
{
	struct addr out = e->to.addr;

	for (unsigned i = 0; i < e->n_bits; i++)
		if (bit(a, e->from.len + i)) {
			unsigned at = e->to.len + i;

			out.octet[at / 8] |= (uint8_t)(0x80 >> at % 8);
		}
	return out;
}
