/*
 * ident.c - IPv4 Identifications (RFC 7915 5.1).
 *
 * Unique as long as 16 bits allow among packets of the same addresses and protocol (RFC 6864 4.3),
 * and not to be guessed by those who do not see them (RFC 7739 5.3): many counters with secret
 * starts, chosen by a keyed hash, that skip a secret number of values whenever time has passed.
 * At full speed they count one by one, so that the 65536 values last. Which counter a packet takes
 * is never shown, which is why a fast hash will do.
 */
#include "translate_internal.h"

enum {
	PURPOSE = 0x6964656e74, /* of the derived key */
	IDLE_MS = 1000,         /* a counter that nobody has used for so long ... */
	SKIP_IDLE = 1024,       /* ... skips fewer than this ... */
	SKIP = 4                /* ... and else fewer than this */
};

void translate_state_init(struct translate_state *st, const struct hash_key *key, unsigned id,
			  unsigned n_workers)
{
	struct hash_key k = hash_key_derive(key, PURPOSE);

	*st = (struct translate_state){ .key = { k.word[0], k.word[1] }, .random = k.word[2] | 1 };
	while (1u << st->ident_bits < n_workers)
		st->ident_bits++;
	st->ident_base = (uint16_t)(id << (16 - st->ident_bits));
	for (uint32_t i = 0; i < IDENT_SLOTS; i++)
		st->ident[i].next = (uint16_t)siphash(&k, &i, sizeof(i));
}

static uint32_t rnd(struct translate_state *st, uint32_t n)
{
	st->random ^= st->random << 13;
	st->random ^= st->random >> 7;
	st->random ^= st->random << 17;
	return hash_range(st->random * 0x2545f4914f6cdd1d, n);
}

void translate__skip_idents(struct translate_state *st, struct ident_slot *s)
{
	uint32_t idle = (uint32_t)st->now_ms - s->used_ms;

	s->used_ms = (uint32_t)st->now_ms;
	s->next = (uint16_t)(s->next + rnd(st, idle >= IDLE_MS ? SKIP_IDLE : SKIP));
}

uint16_t translate__idents(struct translate_state *st, const struct ip4_head *h, uint32_t n)
{
	uint32_t mask = 0xffffu >> st->ident_bits;
	struct ident_slot *s = translate__ident_slot(st, h);

	if ((s->next & mask) + n > mask + 1) /* the worker's share has an end */
		s->next = 0;
	s->next = (uint16_t)(s->next + n);
	return (uint16_t)(((s->next - n) & mask) | st->ident_base);
}
