/*
 * checksum.h - the Internet checksum (RFC 1071) and its incremental update (RFC 1624).
 *
 * A *sum* is a 64-bit accumulator of 16-bit words in machine order, folded late; a *delta* is the
 * folded difference "new minus old" in one's complement. Machine order is sound because the sum
 * commutes with byte swapping.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "sixgate/base/addr.h"
#include "sixgate/base/wire.h"

/** checksum_add() - @sum plus the words of @len bytes; an odd last byte is padded with zero.
 *  @p: any alignment. */
uint64_t checksum_add(uint64_t sum, const void *p, size_t len);

/** checksum_fold() - to 16 bits, not complemented. */
static inline uint16_t checksum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static inline uint64_t checksum_add_addr(uint64_t sum, const struct addr *a)
{
	/* the ffff of a v4-mapped address is one's complement zero: both families sum alike */
	return sum + (a->word[0] & 0xffffffff) + (a->word[0] >> 32) + (a->word[1] & 0xffffffff) +
	       (a->word[1] >> 32);
}

/** checksum_pseudo() - sum of a pseudo-header (RFC 793, RFC 8200 8.1; both families agree).
 *  @len: l4 header and payload, bytes. */
static inline uint64_t checksum_pseudo(const struct addr *src, const struct addr *dst, uint8_t proto,
				       uint32_t len)
{
	return checksum_add_addr(checksum_add_addr(0, src), dst) + be16_from(proto).raw +
	       be32_from(len).raw;
}

/** checksum_delta() - folded (@fresh - @old); both are sums. */
static inline uint16_t checksum_delta(uint64_t fresh, uint64_t old)
{
	return checksum_fold((uint64_t)checksum_fold(fresh) + (uint16_t)~checksum_fold(old));
}

/** checksum_apply() - RFC 1624 eqn 3 at the checksum field @field: ~(~HC + delta). */
static inline void checksum_apply(uint8_t *field, uint16_t delta)
{
	uint16_t hc;

	memcpy(&hc, field, 2);
	hc = (uint16_t)~checksum_fold((uint64_t)(uint16_t)~hc + delta);
	memcpy(field, &hc, 2);
}

/** checksum_apply_partial() - for a field that holds an unfinished (not complemented) sum. */
static inline void checksum_apply_partial(uint8_t *field, uint16_t delta)
{
	uint16_t sum;

	memcpy(&sum, field, 2);
	sum = checksum_fold((uint64_t)sum + delta);
	memcpy(field, &sum, 2);
}
