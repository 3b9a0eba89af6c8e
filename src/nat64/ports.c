/*
 * ports.c - which port of which pool address a new mapping gets.
 *
 * RFC 6056 wants ports that cannot be guessed: blocks are picked at random, and ports in a block,
 * drawn with a keyed hash of a counter. RFC 6146 3.5.1.1 would like the port that the host uses
 * itself, if it is free: we do not look for it, for it would say outside which port the host chose,
 * and with blocks it is hardly ever one of the subscriber's. RFC 4787 REQ-2 wants a host to keep one
 * address: its subscriber is paired with one by a keyed hash, and only when that has nothing left for
 * him another one is taken (RFC 7857 4). Work is bounded by the size of a few bitmaps and by the
 * number of blocks that one packet may look at.
 */
#include "nat64_internal.h"

enum { RANDOM_TRIES = 5 };

uint64_t ports__draw(struct nat64 *n)
{
	uint64_t in = n->counter++;

	return siphash(&n->random_key, &in, sizeof(in));
}

/* The @rank-th set bit of @v, which has more than @rank. */
static unsigned nth_bit(uint64_t v, unsigned rank)
{
	while (rank--)
		v &= v - 1;
	return (unsigned)__builtin_ctzll(v);
}

/* Random tries first, then one by rank. */
int ports__pick_bit(const uint64_t *words, unsigned n_words, uint64_t random)
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

uint32_t ports__next_slot(const uint64_t *words, uint32_t start)
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

uint32_t ports__home(const struct nat64 *n, const struct nat64_table *t, const struct subscriber *s)
{
	uint64_t w[5] = { s->prefix.word[0], s->prefix.word[1] };

	if (subscriber__held(s) && t->slot[s->home].used &&
	    t->slot[s->home].generation == s->home_generation)
		return s->home;
	return t->ring[hash40(&n->pair_key, w) % RING_SIZE];
}

void ports__settle_in(const struct nat64 *n, struct subscriber *s, uint32_t slot)
{
	if (subscriber__held(s) && n->ports.slot[s->home].generation == s->home_generation)
		return;
	s->home = slot & (NAT64_POOL_MAX - 1);
	s->home_generation = n->ports.slot[slot].generation;
}

/* A random port among @free of a block of the subscriber's own. */
static void take_bit(struct nat64 *n, uint32_t number, enum protocol_index proto, uint64_t free,
		     struct mapping *out)
{
	int bit = ports__pick_bit(&free, 1, ports__draw(n));
	uint32_t slot = block__slot(number);

	block__use(n, number, proto, (unsigned)bit);
	out->slot = (uint16_t)slot;
	out->generation = n->ports.slot[slot].generation;
	out->outside_port = (uint16_t)(block__first_port(number) + (unsigned)bit);
}

uint32_t ports__adopt(struct nat64 *n, const struct nat64_table *t, uint32_t slot)
{
	uint32_t done = block__adopt(n, t, slot);

	return done + statics__install(n, t, slot);
}

void ports__adopt_at_once(struct nat64 *n, const struct nat64_table *t, uint32_t slot)
{
	ports__adopt(n, t, slot);
	block__count(n, t);
}

bool ports__ready(struct nat64 *n, const struct nat64_table *t, uint32_t slot)
{
	struct ports *p = &n->ports;

	if (likely(!bit_test(p->pending, slot)))
		return true;
	if (p->looks < LOOKS_AT_PENDING)
		return false;
	p->looks -= LOOKS_AT_PENDING;
	ports__adopt_at_once(n, t, slot);
	return true;
}

/* Of a block that the subscriber has. What turns out to be full is not looked at again. */
static bool take_own(struct nat64 *n, const struct nat64_table *t, const struct port_request *want,
		     uint64_t mask, struct mapping *out)
{
	const struct subscriber *s = &n->ports.subscriber[want->index];
	uint32_t at = s->room[want->proto];

	while (at && ports__look(&n->ports)) {
		uint32_t number = at - 1;
		uint64_t free;

		if (unlikely(bit_test(n->ports.pending, block__slot(number)))) {
			if (!ports__ready(n, t, block__slot(number)))
				return false;
			at = s->room[want->proto]; /* which may be another list now */
			continue;
		}
		free = block__free_ports(n, t, number, want->proto);
		at = block__at(n, number)->next[want->proto];
		if (unlikely(share__has_blocks_to_spare(n, s, want->proto))) {
			block__close(n, number);
			continue;
		}
		if (free & mask) {
			take_bit(n, number, want->proto, free & mask, out);
			if (!(free & (free - 1)))
				block__is_full(n, number, want->proto);
			return true;
		}
		if (!free)
			block__is_full(n, number, want->proto);
	}
	return false;
}

/* A random free block with a port that will do, or -1. */
static int pick_free_block(struct nat64 *n, const struct nat64_table *t, uint32_t slot,
			   const struct port_request *want, uint64_t mask)
{
	const struct pool_ports *pp = &n->ports.slot[slot];
	uint64_t words[BLOCK_WORDS];
	int b;

	for (unsigned i = 0; i < BLOCK_WORDS; i++)
		words[i] = pp->given[want->proto][i] & ~pp->held[i];
	words[0] &= ~0ull << SYSTEM_BLOCKS;
	while (ports__look(&n->ports) &&
	       (b = ports__pick_bit(words, BLOCK_WORDS, ports__draw(n))) >= 0) {
		if (block__free_ports(n, t, block__number(slot, (unsigned)b), want->proto) & mask)
			return b;
		bit_clear(words, (unsigned)b);
	}
	return -1;
}

/* Of a block that becomes the subscriber's. */
static bool take_new_block(struct nat64 *n, const struct nat64_table *t,
			   const struct port_request *want, uint64_t mask, struct mapping *out)
{
	struct subscriber *s = &n->ports.subscriber[want->index];
	uint32_t slot = ports__home(n, t, s);
	uint64_t slots[SLOT_WORDS];

	if (slot == NO_SLOT || !share__allows_block(n, s, want->proto))
		return false;
	memcpy(slots, n->ports.has_free[want->proto][CLASS_OTHER], sizeof(slots));
	while ((slot = ports__next_slot(slots, slot)) != NO_SLOT) {
		int b = ports__ready(n, t, slot) ? pick_free_block(n, t, slot, want, mask) : -1;

		if (b >= 0) {
			uint32_t number = block__number(slot, (unsigned)b);

			ports__settle_in(n, s, slot);
			block__hold(n, number, want->index);
			take_bit(n, number, want->proto,
				 block__free_ports(n, t, number, want->proto) & mask, out);
			return true;
		}
		if (!n->ports.looks)
			return false;
		bit_clear(slots, slot);
	}
	return false;
}

static bool take_with_mask(struct nat64 *n, const struct nat64_table *t,
			   const struct port_request *want, uint64_t mask, struct mapping *out)
{
	const struct port_choice system = { CLASS_SYSTEM, mask }, other = { CLASS_OTHER, mask };
	bool icmp = want->proto == PROTO_ICMP;

	/* identifiers have no classes; and a host's system port may become another port when the
	 * pool has no system ports, but the other way round only when the pool has no other ports */
	if (!icmp && (class_of(want->inside_port) == CLASS_SYSTEM ||
		      !t->any[want->proto][CLASS_OTHER]) &&
	    single__take(n, t, want, &system, out))
		return true;
	return take_own(n, t, want, mask, out) || take_new_block(n, t, want, mask, out) ||
	       single__take(n, t, want, &other, out) ||
	       (icmp && single__take(n, t, want, &system, out));
}

static bool anything_left(const struct nat64 *n, enum protocol_index proto)
{
	uint64_t any = 0;

	for (unsigned i = 0; i < SLOT_WORDS; i++)
		any |= n->ports.has_free[proto][CLASS_OTHER][i] |
		       n->ports.has_room[proto][CLASS_OTHER][i];
	return any;
}

enum drop_reason ports__take(struct nat64 *n, const struct nat64_table *t,
			     const struct port_request *want, struct mapping *out)
{
	const uint64_t even = 0x5555555555555555;
	uint64_t parity = want->inside_port & 1 ? ~even : even;

	n->ports.looks = LOOKS_FOR_PARITY;
	if (t->port_parity && want->proto != PROTO_ICMP &&
	    take_with_mask(n, t, want, parity, out))
		return DROP_NONE;
	n->ports.looks = LOOKS_MAX;
	if (take_with_mask(n, t, want, ~0ull, out))
		return DROP_NONE;
	if (ports__next_slot(n->ports.pending, 0) == NO_SLOT) /* else nobody knows what there is */
		share__refused(n, &n->ports.subscriber[want->index], want->proto);
	return anything_left(n, want->proto) ? DROP_FAIR_SHARE : DROP_POOL4_EXHAUSTED;
}

bool ports__alive(const struct nat64 *n, const struct mapping *m)
{
	const struct pool_ports *pp = &n->ports.slot[m->slot];

	return pp->used && pp->generation == m->generation;
}

void ports__reserve(struct nat64 *n, const struct mapping *m)
{
	uint32_t number = block__number(m->slot, m->outside_port / BLOCK_BITS);

	if (block__at(n, number)->used[m->proto_plus - 1] >> m->outside_port % BLOCK_BITS & 1)
		single__wake(n, m);
	block__reserve(n, number, m->proto_plus - 1u, m->outside_port % BLOCK_BITS);
}

void ports__pin(struct nat64 *n, struct mapping *m)
{
	struct subscriber *s = &n->ports.subscriber[m->subscriber];

	if (m->flags & MAPPING_SINGLE) {
		single__release(n, m);
		m->flags &= ~MAPPING_SINGLE;
		ports__reserve(n, m);
	} else {
		block__pin(n, block__number(m->slot, m->outside_port / BLOCK_BITS));
	}
	s->n_flows -= m->n_sessions;
	s->n_ports--;
	subscriber__settle(n, m->subscriber);
	m->subscriber = SUBSCRIBER_NONE;
}

void ports__release(struct nat64 *n, const struct mapping *m)
{
	uint32_t number = block__number(m->slot, m->outside_port / BLOCK_BITS);

	if (m->flags & MAPPING_STATIC && ports__alive(n, m)) {
		event__static(n, NAT64_EVENT_STATIC_RELEASED, m);
		block__unpin(n, number);
	}
	if (m->flags & MAPPING_SINGLE)
		single__release(n, m);
	else if (ports__alive(n, m))
		block__unuse(n, number, m->proto_plus - 1u, m->outside_port % BLOCK_BITS);
	if (m->subscriber == SUBSCRIBER_NONE)
		return;
	n->ports.subscriber[m->subscriber].n_ports--;
	subscriber__settle(n, m->subscriber);
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
