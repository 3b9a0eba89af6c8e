/*
 * addr.h - one address type for both families.
 *
 * struct addr is 16 bytes in wire order; an IPv4 address a.b.c.d stands as ::ffff:a.b.c.d (RFC
 * 4291 2.5.5.2). A v4-mapped address can therefore not be told from the IPv4 address it holds:
 * packets that carry one on the wire as IPv6 are dropped by the parser.
 */
#pragma once
#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "sixgate/base/err.h"

struct addr {
	union {
		uint8_t octet[16];
		uint64_t word[2]; /* for comparing and hashing only: value depends on the machine */
	};
};
_Static_assert(sizeof(struct addr) == 16, "one form for both families");

/**
 * struct prefix - an address block
 * @addr: bits beyond @len are zero
 * @len:  bits, 0 to 128, counted in the 16-byte form: an IPv4 /24 has len 120
 */
struct prefix {
	struct addr addr;
	uint8_t len;
};

enum { ADDR_TEXT_MAX = 46, PREFIX_TEXT_MAX = 50 };

static inline bool addr_equal(const struct addr *a, const struct addr *b)
{
	return ((a->word[0] ^ b->word[0]) | (a->word[1] ^ b->word[1])) == 0;
}

/** addr_is_v4() - true if @a holds an IPv4 address. */
static inline bool addr_is_v4(const struct addr *a)
{
	static const uint8_t head[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(a->octet, head, sizeof(head)) == 0;
}

/** addr_from_v4() - @octets: 4 bytes in wire order. */
static inline struct addr addr_from_v4(const uint8_t octets[4])
{
	struct addr a = { .octet = { [10] = 0xff, [11] = 0xff } };

	memcpy(a.octet + 12, octets, 4);
	return a;
}

/** addr_from_v6() - @octets: 16 bytes in wire order. */
static inline struct addr addr_from_v6(const uint8_t octets[16])
{
	struct addr a;

	memcpy(a.octet, octets, 16);
	return a;
}

/** addr_from_ip4_host() - @host: IPv4 address as a host integer. */
struct addr addr_from_ip4_host(uint32_t host);

/** addr_ip4_host() - the IPv4 address in @a as a host integer; @a must be IPv4. */
uint32_t addr_ip4_host(const struct addr *a);

/** addr_compare() - <0, 0, >0 in the order of the 16 octets. */
int addr_compare(const struct addr *a, const struct addr *b);

/**
 * addr_parse() - text to address, either family
 *
 * Return: 0, or -EINVAL if @text is no IPv4 or IPv6 address; @out is written only on success.
 */
int addr_parse(const char *text, struct addr *out);

/** addr_format() - @text receives at most ADDR_TEXT_MAX bytes with its NUL. Return: @text. */
const char *addr_format(const struct addr *a, char text[ADDR_TEXT_MAX]);

/** prefix_parse() - "addr/len" (len in the family's own bits) or a bare address (a host).
 *  Return: 0, or -EINVAL (not a prefix) or -EDOM (bits set beyond the length). */
int prefix_parse(const char *text, struct prefix *out);

/** prefix_format() - as "addr/len", len in the family's own bits. Return: @text. */
const char *prefix_format(const struct prefix *p, char text[PREFIX_TEXT_MAX]);

static inline bool prefix_is_v4(const struct prefix *p)
{
	return p->len >= 96 && addr_is_v4(&p->addr);
}

/** addr_agree() - true if the first @len bits (0 to 128) of both are the same. */
static inline bool addr_agree(const struct addr *a, const struct addr *b, unsigned len)
{
	uint64_t high = be64toh(a->word[0] ^ b->word[0]), low = be64toh(a->word[1] ^ b->word[1]);

	if (len <= 64)
		return len == 0 || high >> (64 - len) == 0;
	return high == 0 && low >> (128 - len) == 0;
}

/** prefix_contains() - true if the first @p->len bits of @a are those of @p. */
static inline bool prefix_contains(const struct prefix *p, const struct addr *a)
{
	return addr_agree(&p->addr, a, p->len);
}

/** prefix_equal() - the same network of the same length. */
static inline bool prefix_equal(const struct prefix *a, const struct prefix *b)
{
	return a->len == b->len && addr_equal(&a->addr, &b->addr);
}

/** prefix_overlaps() - true if some address is in both. */
bool prefix_overlaps(const struct prefix *a, const struct prefix *b);

/** addr_mask() - @a with all bits beyond @len (0 to 128) cleared. */
struct addr addr_mask(const struct addr *a, unsigned len);

/** addr_is_global_v4() - false for the IPv4 blocks that are not globally reachable (RFC 6890 and
 *  updates: private, shared, loopback, link-local, documentation, benchmarking, multicast,
 *  reserved), the ones RFC 6052 3.1 bars from the well-known prefix. @a must be IPv4. */
bool addr_is_global_v4(const struct addr *a);

/** addr_is_multicast() - either family. */
bool addr_is_multicast(const struct addr *a);

/** addr_is_link_local6() - fe80::/10. */
static inline bool addr_is_link_local6(const struct addr *a)
{
	return a->octet[0] == 0xfe && (a->octet[1] & 0xc0) == 0x80;
}
