/* lookup.c - questions to the compiled section that packets ask. Pure. */
#include "nat64_internal.h"
#include "sixgate/base/wire.h"

uint32_t table__map_home(const struct addr *a)
{
	return load32(a->octet + 12) * 0x9e3779b1u >> 21; /* the top 11 bits */
}
_Static_assert(SLOT_MAP_SIZE == 1 << 11, "table__map_home() yields 11 bits");

uint32_t table__slot_of(const struct nat64_table *t, const struct addr *a)
{
	uint32_t at;

	if (!addr_is_v4(a))
		return NO_SLOT;
	/* at most half full: an empty place ends the search */
	for (at = table__map_home(a); t->map[at]; at = (at + 1) % SLOT_MAP_SIZE)
		if (addr_equal(&t->slot[t->map[at] - 1].addr, a))
			return t->map[at] - 1u;
	return NO_SLOT;
}

int table__prefix_of(const struct nat64_table *t, const struct addr *a)
{
	int best = -1;

	for (uint32_t i = 0; i < t->n_prefix; i++)
		if (addr_agree(a, &t->prefix[i].prefix, t->prefix[i].len) &&
		    (best < 0 || t->prefix[i].len > t->prefix[best].len))
			best = (int)i;
	return best;
}

unsigned table__worker_of(const struct nat64_table *t, const struct addr *inside)
{
	struct tuple from = { .src = *inside };

	return owner_of_tuple(&t->steer, &from, SIDE_INSIDE);
}

uint64_t table__ports_of(const struct pool_slot *s, enum protocol_index proto, unsigned block)
{
	unsigned from = block * BLOCK_BITS, to = from + BLOCK_BITS - 1;
	uint64_t ports = 0;

	for (unsigned i = 0; i < s->n_range[proto]; i++) {
		unsigned first = s->range[proto][i].first, last = s->range[proto][i].last;

		if (last < from || first > to)
			continue;
		first = first > from ? first : from;
		last = last < to ? last : to;
		ports |= ~0ull >> (63 - (last - first)) << (first - from);
	}
	if (block == 0 && proto != PROTO_ICMP)
		ports &= ~1ull; /* port 0 is nobody's */
	return ports;
}

int table__entry_compare(const struct static_entry *x, const struct static_entry *y)
{
	if (x->slot != y->slot)
		return x->slot < y->slot ? -1 : 1;
	if (x->proto != y->proto)
		return x->proto < y->proto ? -1 : 1;
	return (x->outside_port > y->outside_port) - (x->outside_port < y->outside_port);
}

const struct static_entry *table__static_find(const struct nat64_table *t,
					      const struct static_entry *like)
{
	uint32_t low = 0, high = t->n_static;

	while (low < high) {
		uint32_t mid = (low + high) / 2;
		int order = table__entry_compare(&t->entry[mid], like);

		if (order == 0)
			return &t->entry[mid];
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

bool nat64_claims_pool4(const struct nat64_table *t, const struct addr *a)
{
	return table__slot_of(t, a) != NO_SLOT;
}

bool nat64_claims_pool6(const struct nat64_table *t, const struct addr *a, struct addr *v4)
{
	int i = addr_is_v4(a) ? -1 : table__prefix_of(t, a);

	if (i < 0)
		return false;
	return !v4 || rfc6052_extract(&t->prefix[i], a, v4);
}

struct addr table__shown(const struct nat64_table *t, const struct addr *a)
{
	return t->shared_slot != NO_SLOT && addr_equal(a, &t->slot[t->shared_slot].addr) ?
		       t->shared_real : *a;
}

void table__take_shared(const struct nat64_table *t, enum protocol_index proto, uint16_t port,
			struct addr *a)
{
	const struct pool_slot *s = &t->slot[t->shared_slot == NO_SLOT ? 0 : t->shared_slot];

	if (t->shared_slot != NO_SLOT && proto != PROTO_ICMP && addr_equal(a, &t->shared_real) &&
	    table__ports_of(s, proto, port / BLOCK_BITS) >> port % BLOCK_BITS & 1)
		*a = s->addr;
}

/* RFC 6888 REQ-6: destinations that are not translated to. Identifiers are not ports. */
bool table__is_exempt(const struct nat64_table *t, const struct addr *v4, enum protocol_index proto,
		      uint16_t port)
{
	for (uint32_t i = 0; i < t->n_exempt; i++) {
		const struct exempt_conf *e = &t->exempt[i];
		bool all = e->port_first == 0 && e->port_last == UINT16_MAX;

		if (prefix_contains(&e->destination, v4) &&
		    (all || (proto != PROTO_ICMP && e->port_first <= port && port <= e->port_last)))
			return true;
	}
	return false;
}

struct addr nat64_error_source(const struct nat64_table *t, const struct flow *f, unsigned dir,
			       const struct addr *src)
{
	struct addr shown;
	int prefix;

	if (dir == 0 || !addr_is_v4(src))
		return f->key[!dir].dst;
	prefix = table__prefix_of(t, &f->key[0].dst);
	if (prefix < 0)
		return f->key[0].dst;
	shown = table__shown(t, src);
	return rfc6052_embed(&t->prefix[prefix], &shown);
}
