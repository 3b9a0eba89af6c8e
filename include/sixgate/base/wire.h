/*
 * wire.h - integers as they stand on the wire.
 *
 * be16 and be32 are one-member structs, so that mixing byte orders does not compile. Packets are
 * read and written through the unaligned load/store helpers only: no struct is ever laid over
 * hostile bytes.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef struct { uint16_t raw; } be16;
typedef struct { uint32_t raw; } be32;

static inline be16 be16_from(uint16_t host)
{
	return (be16){ __builtin_bswap16(host) };
}

static inline uint16_t be16_to(be16 v)
{
	return __builtin_bswap16(v.raw);
}

static inline be32 be32_from(uint32_t host)
{
	return (be32){ __builtin_bswap32(host) };
}

static inline uint32_t be32_to(be32 v)
{
	return __builtin_bswap32(v.raw);
}

static inline bool be16_equal(be16 a, be16 b)
{
	return a.raw == b.raw;
}

/** load16() - two bytes at @p, big endian, as a host integer; any alignment. */
static inline uint16_t load16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return __builtin_bswap16(v);
}

/** load32() - four bytes at @p, big endian, as a host integer; any alignment. */
static inline uint32_t load32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return __builtin_bswap32(v);
}

static inline void store16(uint8_t *p, uint16_t host)
{
	uint16_t v = __builtin_bswap16(host);

	memcpy(p, &v, sizeof(v));
}

static inline void store32(uint8_t *p, uint32_t host)
{
	uint32_t v = __builtin_bswap32(host);

	memcpy(p, &v, sizeof(v));
}

/** load_be16() - two bytes at @p kept in wire order. */
static inline be16 load_be16(const uint8_t *p)
{
	be16 v;

	memcpy(&v.raw, p, sizeof(v.raw));
	return v;
}

static inline void store_be16(uint8_t *p, be16 v)
{
	memcpy(p, &v.raw, sizeof(v.raw));
}
