/* hash.c - SipHash-2-4 (Aumasson and Bernstein, 2012) and the derivation of independent keys. */
#include "sixgate/base/hash.h"
#include <string.h>

static inline uint64_t rotl(uint64_t x, int b)
{
	return x << b | x >> (64 - b);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] = rotl(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] = rotl(v[2], 32);
}

static void sip_word(uint64_t v[4], uint64_t m)
{
	v[3] ^= m;
	sip_round(v);
	sip_round(v);
	v[0] ^= m;
}

uint64_t siphash(const struct hash_key *k, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t v[4] = { k->word[0] ^ 0x736f6d6570736575, k->word[1] ^ 0x646f72616e646f6d,
			  k->word[0] ^ 0x6c7967656e657261, k->word[1] ^ 0x7465646279746573 };
	uint64_t last = (uint64_t)(len & 0xff) << 56;
	size_t whole = len / 8 * 8;

	for (size_t i = 0; i < whole; i += 8) {
		uint64_t m;

		memcpy(&m, p + i, 8);
		sip_word(v, m);
	}
	for (size_t i = whole; i < len; i++)
		last |= (uint64_t)p[i] << 8 * (i - whole);
	sip_word(v, last);

	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

struct hash_key hash_key_derive(const struct hash_key *k, uint64_t purpose)
{
	struct hash_key out;

	for (uint64_t i = 0; i < 8; i++) {
		uint64_t in[2] = { purpose, i };

		out.word[i] = siphash(k, in, sizeof(in));
	}
	return out;
}
