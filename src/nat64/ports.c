/*
 * ports.c - which port of which pool address a new mapping gets.
 *
 * RFC 6056 wants ports that cannot be guessed: a random block of ours, a random free port in it,
 * drawn with a keyed hash of a counter. RFC 4787 REQ-2 wants a host to keep one address: a keyed
 * hash of the host names it, and only when it has no port left another one is taken. Work is
 * bounded: a few random tries, then one pass over a bitmap of 1024 blocks; addresses and blocks
 * found full are not looked at again before a port comes back.
 */
#include "nat64_internal.h"

enum { RANDOM_TRIES = 5 };

static uint64_t draw(struct nat64 *n)
{
	uint64_t in = n->counter++;

	return siphash(&n->random_key, &in, sizeof(in));
}

static unsigned count_bits(uint64_t v)
{
	v -= v >> 1 & 0x5555555555555555;
	v = (v & 0x3333333333333333) + (v >> 2 & 0x3333333333333333);
	v = (v + (v >> 4)) & 0x0f0f0f0f0f0f0f0f;
	return (unsigned)(v * 0x0101010101010101 >> 56);
}

/* The @rank-th set bit of @v, which has more than @rank. */
static unsigned nth_bit(uint64_t v, unsigned rank)
{
	while (rank--)
		v &= v - 1;
	return (unsigned)__builtin_ctzll(v);
}

/* A random set bit of @n_words words, or -1: random tries first, then one by rank. */
static int pick_bit(const uint64_t *words, unsigned n_words, uint64_t random)
{
	unsigned total = 0, rank, mask = n_words * 64 - 1;

	for (unsigned i = 0; i < RANDOM_TRIES; i++) {
		unsigned bit = (unsigned)(random >> 10 * i) & mask;

		if (bit_test(words, bit))
			return (int)bit;
	}
	for (unsigned i = 0; i < n_words; i++)
		total += count_bits(words[i]);
	if (total == 0)
		return -1;
	rank = hash_range(random, total);
	for (unsigned i = 0;; i++) {
		unsigned here = count_bits(words[i]);

		if (rank < here)
			return (int)(i * 64 + nth_bit(words[i], rank));
		rank -= here;
	}
}

static uint64_t free_ports(const struct nat64 *n, const struct nat64_table *t, uint32_t slot,
			   enum protocol_index proto, unsigned block)
{
	if (t->block[slot][block] != n->worker)
		return 0;
	return table__ports_of(&t->slot[slot], proto, block) &
	       ~n->ports[slot].map[proto].used[block];
}

/* Bring what we know of a slot up to date: once per table, slot and protocol. */
static struct port_map *fresh_map(struct nat64 *n, const struct nat64_table *t, uint32_t slot,
				  enum protocol_index proto)
{
	struct pool_ports *pp = &n->ports[slot];
	struct port_map *map = &pp->map[proto];

	if (unlikely(pp->generation != t->slot[slot].generation)) {
		memset(pp, 0, sizeof(*pp));
		pp->generation = t->slot[slot].generation;
	}
	if (likely(map->epoch == n->epoch))
		return map;
	memset(map->maybe, 0, sizeof(map->maybe));
	for (unsigned b = 0; b < STEER_BLOCKS; b++)
		if (free_ports(n, t, slot, proto, b))
			bit_set(map->maybe, b);
	map->epoch = n->epoch;
	return map;
}

static void blocks_of_class(const struct port_map *map, enum port_class class, uint64_t *out)
{
	memcpy(out, map->maybe, sizeof(map->maybe));
	if (class == CLASS_OTHER) {
		out[0] &= ~0ull << SYSTEM_BLOCKS;
		return;
	}
	out[0] &= (1ull << SYSTEM_BLOCKS) - 1;
	memset(out + 1, 0, (BLOCK_WORDS - 1) * sizeof(*out));
}

/* Return: a port of @slot, now in use, or -1. */
static int take_in_slot(struct nat64 *n, const struct nat64_table *t, uint32_t slot,
			enum protocol_index proto, enum port_class class)
{
	struct port_map *map = fresh_map(n, t, slot, proto);
	uint64_t blocks[BLOCK_WORDS], free;
	int block, bit;

	blocks_of_class(map, class, blocks);
	for (;;) { /* each turn that fails removes a block */
		block = pick_bit(blocks, BLOCK_WORDS, draw(n));
		if (block < 0)
			return -1;
		free = free_ports(n, t, slot, proto, (unsigned)block);
		if (free)
			break;
		bit_clear(map->maybe, (unsigned)block);
		bit_clear(blocks, (unsigned)block);
	}
	bit = pick_bit(&free, 1, draw(n));
	map->used[block] |= 1ull << bit;
	if (!(free & (free - 1)))
		bit_clear(map->maybe, (unsigned)block);
	return block * BLOCK_BITS + bit;
}

/* The first set bit from @start on, round the end; or NO_SLOT. */
static uint32_t next_slot(const uint64_t *words, uint32_t start)
{
	uint64_t here = words[start / 64] & ~0ull << start % 64;

	for (unsigned i = start / 64, turn = 0; turn <= SLOT_WORDS; turn++) {
		if (here)
			return i * 64 + (unsigned)__builtin_ctzll(here);
		i = (i + 1) % SLOT_WORDS;
		here = words[i];
	}
	return NO_SLOT;
}

static bool take_of_class(struct nat64 *n, const struct nat64_table *t,
			  const struct port_request *want, enum port_class class,
			  struct mapping *out)
{
	uint64_t w[5] = { want->inside->word[0], want->inside->word[1] };
	uint32_t slot = t->ring[hash40(&n->pair_key, w) % RING_SIZE];
	uint64_t slots[SLOT_WORDS];

	if (slot == NO_SLOT)
		return false;
	for (unsigned i = 0; i < SLOT_WORDS; i++)
		slots[i] = t->usable[want->proto][class][i] & ~n->full[want->proto][class][i];
	while ((slot = next_slot(slots, slot)) != NO_SLOT) {
		int port = take_in_slot(n, t, slot, want->proto, class);

		if (port >= 0) {
			out->slot = (uint16_t)slot;
			out->generation = t->slot[slot].generation;
			out->outside_port = (uint16_t)port;
			n->n_ports++;
			return true;
		}
		bit_set(n->full[want->proto][class], slot);
		bit_clear(slots, slot);
	}
	return false;
}

bool ports__take(struct nat64 *n, const struct nat64_table *t, const struct port_request *want,
		 struct mapping *out)
{
	/* identifiers have no classes; and a host's system port may become another port when the
	 * pool has no system ports, but never the other way round */
	if (want->proto == PROTO_ICMP)
		return take_of_class(n, t, want, CLASS_OTHER, out) ||
		       take_of_class(n, t, want, CLASS_SYSTEM, out);
	if (class_of(want->inside_port) == CLASS_SYSTEM &&
	    take_of_class(n, t, want, CLASS_SYSTEM, out))
		return true;
	return take_of_class(n, t, want, CLASS_OTHER, out);
}

void ports__reserve(struct nat64 *n, const struct nat64_table *t, const struct mapping *m)
{
	struct port_map *map = fresh_map(n, t, m->slot, m->proto_plus - 1u);

	must(!bit_test(map->used, m->outside_port));
	bit_set(map->used, m->outside_port);
	n->n_ports++;
}

void ports__release(struct nat64 *n, const struct mapping *m)
{
	struct pool_ports *pp = &n->ports[m->slot];
	struct port_map *map = &pp->map[m->proto_plus - 1];

	n->n_ports--;
	if (pp->generation != m->generation)
		return; /* the address is gone, and its ports were forgotten with it */
	must(bit_test(map->used, m->outside_port));
	bit_clear(map->used, m->outside_port);
	bit_set(map->maybe, m->outside_port / BLOCK_BITS);
	bit_clear(n->full[m->proto_plus - 1][class_of(m->outside_port)], m->slot);
}

bool ports__owned(const struct nat64 *n, const struct nat64_table *t, const struct mapping *m)
{
	const struct pool_slot *s = &t->slot[m->slot];
	unsigned block = m->outside_port / BLOCK_BITS;

	if (!s->used || s->generation != m->generation || t->block[m->slot][block] != n->worker)
		return false;
	return m->flags & MAPPING_STATIC || /* may be outside the ports that are given out */
	       table__ports_of(s, m->proto_plus - 1u, block) >> m->outside_port % BLOCK_BITS & 1;
}
