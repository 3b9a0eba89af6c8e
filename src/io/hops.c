/* hops.c - longest prefix, then the neighbour; both by binary search. The packet path asks only on a
 * miss of its own small cache. No I/O. */
#include "sixgate/io/hops.h"
#include <stdlib.h>
#include <string.h>

enum { HOPS_MAGIC = 0x53364870 };

static const struct hops_route *routes_of(const struct hops *h)
{
	return (const struct hops_route *)(h + 1);
}

static const struct hops_neighbour *neighbours_of(const struct hops *h)
{
	return (const struct hops_neighbour *)(routes_of(h) + h->n_route);
}

/* The order of the array decides between equals: qsort() does not keep it, so addresses tell. */
static int compare_routes(const void *a, const void *b)
{
	const struct hops_route *const *x = a, *const *y = b;
	int order = (*x)->prefix.len - (*y)->prefix.len;

	if (order == 0)
		order = addr_compare(&(*x)->prefix.addr, &(*y)->prefix.addr);
	return order ? order : (*x > *y) - (*x < *y);
}

static int compare_neighbours(const void *a, const void *b)
{
	const struct hops_neighbour *x = a, *y = b;
	int order = addr_compare(&x->addr, &y->addr);

	return order ? order : x->interface - y->interface;
}

static uint32_t place_routes(struct hops *h, const struct hops_parts *p, struct hops_route *out)
{
	const struct hops_route **order = calloc(p->n_route + 1, sizeof(const struct hops_route *));
	uint32_t n = 0;

	for (uint32_t i = 0; order && i < p->n_route; i++)
		order[i] = &p->route[i];
	if (order)
		qsort(order, p->n_route, sizeof(const struct hops_route *), compare_routes);
	for (uint32_t i = 0; order && i < p->n_route; i++) {
		const struct hops_route *r = order[i];

		if (n && prefix_equal(&out[n - 1].prefix, &r->prefix))
			continue;
		if (h->by_len[r->prefix.len].n++ == 0)
			h->by_len[r->prefix.len].first = n;
		out[n++] = *r;
	}
	free(order);
	return n;
}

const char *hops_none_text(enum hops_none why)
{
	static const char *const text[N_HOPS_NONE] = {
		[HOPS_HERE] = "",
		[HOPS_NONE_FOR_RULES] = "the host has policy routing rules of its own",
		[HOPS_NONE_FOR_ROUTES] = "there are too many routes",
	};

	return text[why];
}

struct hops *hops_pack(struct hops_parts *p)
{
	size_t bytes = sizeof(struct hops) + p->n_route * sizeof(struct hops_route) +
		       p->n_neighbour * sizeof(struct hops_neighbour);
	struct hops *h = calloc(1, bytes);

	if (!h)
		return NULL;
	memcpy(h->interface, p->interface, sizeof(h->interface));
	h->magic = HOPS_MAGIC;
	h->none = p->none;
	h->n_interface = p->n_interface;
	h->n_route = place_routes(h, p, (struct hops_route *)(h + 1));
	h->n_neighbour = p->n_neighbour;
	if (p->n_neighbour) {
		qsort(p->neighbour, p->n_neighbour, sizeof(*p->neighbour), compare_neighbours);
		memcpy((struct hops_route *)(h + 1) + h->n_route, p->neighbour,
		       p->n_neighbour * sizeof(*p->neighbour));
	}
	h->bytes = (uint32_t)(sizeof(*h) + h->n_route * sizeof(struct hops_route) +
			      h->n_neighbour * sizeof(struct hops_neighbour));
	return h;
}

bool hops_check(const struct hops *h, size_t bytes)
{
	const struct hops_route *r;

	if (bytes < sizeof(*h) || h->magic != HOPS_MAGIC || h->bytes != bytes ||
	    h->none >= N_HOPS_NONE || (h->none != HOPS_HERE && h->n_route) ||
	    h->n_interface > HOPS_INTERFACES_MAX || h->n_route > HOPS_ROUTES_MAX ||
	    h->n_neighbour > HOPS_NEIGHBOURS_MAX ||
	    bytes != sizeof(*h) + h->n_route * sizeof(struct hops_route) +
			     h->n_neighbour * sizeof(struct hops_neighbour))
		return false;
	for (int len = 0; len <= 128; len++)
		if (h->by_len[len].first > h->n_route ||
		    h->by_len[len].n > h->n_route - h->by_len[len].first)
			return false;
	r = routes_of(h);
	for (uint32_t i = 0; i < h->n_route; i++)
		if (r[i].interface >= h->n_interface && r[i].interface != HOPS_BY_KERNEL)
			return false;
	return true;
}

static const struct hops_route *find_route(const struct hops *h, const struct addr *dst)
{
	const int shortest = addr_is_v4(dst) ? 96 : 0;

	for (int len = 128; len >= shortest; len--) {
		const struct hops_route *r = routes_of(h) + h->by_len[len].first;
		uint32_t low = 0, high = h->by_len[len].n;
		struct addr head;

		if (high == 0)
			continue;
		head = addr_mask(dst, (unsigned)len);
		while (low < high) {
			uint32_t mid = (low + high) / 2;
			int order = addr_compare(&r[mid].prefix.addr, &head);

			if (order == 0)
				return &r[mid];
			if (order < 0)
				low = mid + 1;
			else
				high = mid;
		}
	}
	return NULL;
}

static const struct hops_neighbour *find_neighbour(const struct hops *h, const struct addr *a,
						   uint8_t interface)
{
	const struct hops_neighbour want = { .addr = *a, .interface = interface };

	return bsearch(&want, neighbours_of(h), h->n_neighbour, sizeof(want), compare_neighbours);
}

bool hops_find(const struct hops *h, const struct addr *dst, struct hop *out)
{
	static const struct addr none;
	const struct hops_route *r = find_route(h, dst);

	if (!r || r->interface == HOPS_BY_KERNEL)
		return false;
	out->neighbour = find_neighbour(h, addr_equal(&r->via, &none) ? dst : &r->via, r->interface);
	if (!out->neighbour)
		return false;
	out->interface = &h->interface[r->interface];
	out->mtu = r->mtu && r->mtu < out->interface->mtu ? r->mtu : out->interface->mtu;
	return true;
}
