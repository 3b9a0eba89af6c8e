/* checksum.c - the sum over many bytes; everything short is inline in the header. */
#include "sixgate/packet/checksum.h"

static inline uint64_t add_word(uint64_t sum, const uint8_t *p)
{
	uint64_t w;

	memcpy(&w, p, sizeof(w));
	return sum + (w & 0xffffffff) + (w >> 32);
}

uint64_t checksum_add(uint64_t sum, const void *p, size_t len)
{
	const uint8_t *at = p;
	uint64_t last = 0;

	for (; len >= 32; at += 32, len -= 32) {
		sum = add_word(sum, at);
		sum = add_word(sum, at + 8);
		sum = add_word(sum, at + 16);
		sum = add_word(sum, at + 24);
	}
	for (; len >= 8; at += 8, len -= 8)
		sum = add_word(sum, at);
	memcpy(&last, at, len);
	return sum + (last & 0xffffffff) + (last >> 32);
}
