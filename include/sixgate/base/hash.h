/*
 * hash.h - keyed hashes.
 *
 * hash40() is for the flow table: 40 bytes, a few multiplications, keyed with 512 secret bits, so
 * that a sender who does not know them cannot aim at one bucket. siphash() (2-4) is for anything
 * whose output an attacker sees (port choice, identifiers).
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct hash_key {
	uint64_t word[8];
};

static inline uint64_t hash__fold(uint64_t a, uint64_t b)
{
	unsigned __int128 m = (unsigned __int128)a * b;

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

/** hash40() - @w: five words, any machine order. */
static inline uint64_t hash40(const struct hash_key *k, const uint64_t w[5])
{
	uint64_t a = hash__fold(w[0] ^ k->word[0], w[1] ^ k->word[1]);
	uint64_t b = hash__fold(w[2] ^ k->word[2], w[3] ^ k->word[3]);
	uint64_t c = hash__fold(w[4] ^ k->word[4], k->word[5] | 1);

	return hash__fold((a + b) ^ k->word[6], (b ^ c) + k->word[7]);
}

/** siphash() - SipHash-2-4 of @len bytes under the first two words of @k. */
uint64_t siphash(const struct hash_key *k, const void *data, size_t len);

/** hash_key_derive() - an independent key for use @purpose, from @k. Deterministic. */
struct hash_key hash_key_derive(const struct hash_key *k, uint64_t purpose);

/** hash_range() - maps a hash to 0..n-1 without a division; n up to 2^32. */
static inline uint32_t hash_range(uint64_t hash, uint32_t n)
{
	return (uint32_t)(((hash >> 32) * n) >> 32);
}
