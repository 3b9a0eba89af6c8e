/*
 * hops.h - where a packet goes on the wire: routes, neighbours and interfaces as the kernel has them.
 *
 * Glossary: a *hop* is the answer for one destination: an interface and the Ethernet address of the
 * next machine. What has no hop here (local addresses, neighbours that are not resolved, routes that
 * this table cannot hold) is the kernel's to send.
 *
 * One block of memory without pointers: made by the privileged parent from what the kernel says, read
 * by every worker, never changed.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "sixgate/base/addr.h"

enum {
	HOPS_INTERFACES_MAX = 64,
	HOPS_ROUTES_MAX = 1 << 18,
	HOPS_NEIGHBOURS_MAX = 1 << 16,
	HOPS_ETHERNET = 14 /* bytes of the header we write */
};

/** struct hops_interface - an interface that packets may leave by; @mac: its own */
struct hops_interface {
	int32_t ifindex;
	uint32_t mtu;
	uint8_t mac[6];
	uint8_t zero[2];
};

/**
 * struct hops_route
 * @interface: index into the interfaces, or HOPS_BY_KERNEL
 * @via:       gateway, or all zero: the destination itself is the neighbour
 * @mtu:       of the route; 0: the interface's
 */
enum { HOPS_BY_KERNEL = 0xff };
struct hops_route {
	struct prefix prefix;
	uint8_t interface;
	uint16_t mtu;
	struct addr via;
};

struct hops_neighbour {
	struct addr addr;
	uint8_t interface;
	uint8_t mac[6];
	uint8_t zero;
};

/** enum hops_none - why the kernel sends everything, whatever its tables hold. */
enum hops_none { HOPS_HERE, HOPS_NONE_FOR_RULES, HOPS_NONE_FOR_ROUTES, N_HOPS_NONE };

/** hops_none_text() - "the host has policy routing rules of its own"; static; "" for HOPS_HERE. */
const char *hops_none_text(enum hops_none why);

/**
 * struct hops - the head of the block; behind it the routes, then the neighbours
 * @bytes: of the whole block
 * @none:  enum hops_none; there are no routes unless it is HOPS_HERE
 * @first, @n: routes with a prefix of that length, sorted by address
 */
struct hops {
	_Alignas(16) uint32_t magic;
	uint32_t bytes;
	uint32_t none;
	uint32_t n_interface, n_route, n_neighbour;
	struct hops_interface interface[HOPS_INTERFACES_MAX];
	struct {
		uint32_t first, n;
	} by_len[129];
};

/** struct hop - @neighbour: its index, to tell one from another. */
struct hop {
	const struct hops_interface *interface;
	const struct hops_neighbour *neighbour;
	uint32_t mtu;
};

/** hops_mark() - of a neighbour, where its use is noted; several may have the same one. */
enum { HOPS_MARKS = 4096 };
static inline uint32_t hops_mark(const struct addr *a, int32_t ifindex)
{
	return (uint32_t)(((a->word[0] ^ a->word[1] ^ (uint32_t)ifindex) * 0x9e3779b97f4a7c15ull) >> 52);
}

/** struct hops_parts - what a block is packed from; borrowed. Sorted in place. */
struct hops_parts {
	struct hops_interface interface[HOPS_INTERFACES_MAX];
	uint32_t n_interface, n_route, n_neighbour;
	enum hops_none none;
	struct hops_route *route;
	struct hops_neighbour *neighbour;
};

/** hops_pack() - of several routes for one prefix, the first in the array counts. Return: the block,
 *  allocated for the caller; NULL without memory. */
struct hops *hops_pack(struct hops_parts *p);

/** hops_check() - is this a whole block of @bytes, with indexes that fit? */
bool hops_check(const struct hops *h, size_t bytes);

/** hops_find() - Return: false when @dst is the kernel's to send. */
bool hops_find(const struct hops *h, const struct addr *dst, struct hop *out);
