/*
 * permit.c - address-dependent filtering (RFC 6146 3.5, RFC 4787 5): which outside addresses a
 * mapping has sessions with.
 *
 * A permit counts the sessions that an inside host opened through one mapping to one outside
 * address; their flows hold the permit instead of the mapping itself. With endpoint-independent
 * filtering there are none, and their memory is never touched. Static entries let everybody in.
 */
#include "nat64_internal.h"

static uint32_t machine_v4(const struct addr *a)
{
	uint32_t v4;

	memcpy(&v4, a->octet + 12, sizeof(v4));
	return v4;
}

static uint32_t *chain_of(const struct nat64 *n, uint32_t mapping, uint32_t outside)
{
	uint64_t w[5] = { mapping, ~1ull, outside };

	return &n->permit_head[hash_range(hash40(&n->index_key, w), n->n_permit_heads)];
}

static uint32_t permit_find(const struct nat64 *n, uint32_t mapping, uint32_t outside)
{
	for (uint32_t at = *chain_of(n, mapping, outside); at; at = n->permit[at - 1].next)
		if (n->permit[at - 1].mapping == mapping && n->permit[at - 1].outside == outside)
			return at - 1;
	return BIB_NONE;
}

bool permit__exists(const struct nat64 *n, uint32_t mapping, const struct addr *outside)
{
	return permit_find(n, mapping, machine_v4(outside)) != BIB_NONE;
}

uint32_t permit__hold(struct nat64 *n, uint32_t mapping, const struct addr *outside)
{
	uint32_t v4 = machine_v4(outside), index = permit_find(n, mapping, v4);
	uint32_t *head = chain_of(n, mapping, v4);

	if (index == BIB_NONE) {
		index = pool_get(&n->permit_pool);
		if (index == POOL_NONE)
			return BIB_NONE;
		n->permit[index] = (struct permit){ .mapping = mapping, .outside = v4,
						    .next = *head };
		*head = index + 1;
	}
	n->permit[index].n_sessions++;
	return OBJECT_PERMIT | index;
}

void permit__drop(struct nat64 *n, uint32_t object)
{
	uint32_t index = object & ~OBJECT_PERMIT;
	struct permit *p = &n->permit[index];
	uint32_t *at;

	must(p->n_sessions > 0);
	if (--p->n_sessions)
		return;
	at = chain_of(n, p->mapping, p->outside);
	while (*at != index + 1)
		at = &n->permit[*at - 1].next;
	*at = p->next;
	pool_put(&n->permit_pool, index);
}

uint32_t permit__mapping(const struct nat64 *n, uint32_t object)
{
	return object & OBJECT_PERMIT ? n->permit[object & ~OBJECT_PERMIT].mapping : object;
}
