/*
 * block.c - blocks of 64 ports: who holds them, which have room, which are idle.
 *
 * Theory of operation. A block without a holder is free. A subscriber that needs ports holds whole
 * blocks, so that one event tells of 64 ports (RFC 6888 REQ-14); it keeps a block for the time of
 * the quarantine after its last port was freed, so that nobody else gets one of them earlier (REQ-8),
 * while it may itself use them at once. Ports of static entries do not keep it: what they leave of a
 * block is shared. A block that another worker had until now rests as long, for that one's hosts
 * had its ports; one that was lent had rested before. Blocks that are shared have no subscriber. All
 * is found by bitmaps and lists; nothing here searches.
 */
#include "nat64_internal.h"

struct port_block *block__at(const struct nat64 *n, uint32_t number)
{
	return &n->ports.block[block__slot(number)][number % STEER_BLOCKS];
}

static struct pool_ports *slot_of(struct nat64 *n, uint32_t number)
{
	return &n->ports.slot[block__slot(number)];
}

uint64_t block__free_ports(const struct nat64 *n, const struct nat64_table *t, uint32_t number,
			   enum protocol_index proto)
{
	return table__ports_of(&t->slot[block__slot(number)], proto, number % STEER_BLOCKS) &
	       ~block__at(n, number)->used[proto];
}

static bool is_given(const struct nat64 *n, uint32_t number, enum protocol_index proto)
{
	return bit_test(n->ports.slot[block__slot(number)].given[proto], number % STEER_BLOCKS);
}

static bool has_subscriber(const struct port_block *b)
{
	return b->holder != HOLDER_NONE && b->holder < HOLDER_RESTING;
}

static uint64_t in_class(unsigned word, enum port_class class)
{
	const uint64_t system = (1ull << SYSTEM_BLOCKS) - 1;

	if (word)
		return class == CLASS_OTHER ? ~0ull : 0;
	return class == CLASS_OTHER ? ~system : system;
}

static unsigned first_bit(uint64_t v)
{
	return (unsigned)__builtin_ctzll(v);
}

static void note_bit(uint64_t *slots, uint32_t slot, bool on)
{
	if (on)
		bit_set(slots, slot);
	else
		bit_clear(slots, slot);
}

/* Which slots have a free block, or a shared one with room: one bit each. */
static void note_slot(struct nat64 *n, uint32_t slot, enum protocol_index proto)
{
	const struct pool_ports *pp = &n->ports.slot[slot];

	for (enum port_class class = 0; class < N_CLASSES; class++) {
		unsigned words = class == CLASS_SYSTEM ? 1 : BLOCK_WORDS;
		uint64_t free = 0, room = 0;

		for (unsigned i = 0; i < words; i++) {
			free |= pp->given[proto][i] & ~pp->held[i] & in_class(i, class);
			room |= pp->room[proto][i] & in_class(i, class);
		}
		note_bit(n->ports.has_free[proto][class], slot, free);
		note_bit(n->ports.has_room[proto][class], slot, room);
	}
}

/* ---- lists of blocks with room ---- */

static void link_first(struct nat64 *n, uint32_t *head, uint32_t number, enum protocol_index proto)
{
	struct port_block *b = block__at(n, number);

	b->next[proto] = *head;
	b->prev[proto] = 0;
	if (*head)
		block__at(n, *head - 1)->prev[proto] = number + 1;
	*head = number + 1;
}

static void link_after(struct nat64 *n, uint32_t after, uint32_t number, enum protocol_index proto)
{
	struct port_block *a = block__at(n, after), *b = block__at(n, number);

	b->next[proto] = a->next[proto];
	b->prev[proto] = after + 1;
	if (b->next[proto])
		block__at(n, b->next[proto] - 1)->prev[proto] = number + 1;
	a->next[proto] = number + 1;
}

/* Blocks of the address that the subscriber is paired with stand first. */
static void link_room(struct nat64 *n, uint32_t number, enum protocol_index proto)
{
	struct port_block *b = block__at(n, number);
	struct subscriber *s = &n->ports.subscriber[b->holder - 1];
	uint32_t *head = &s->room[proto];

	if (b->prev[proto] != UNLINKED || b->closing || !is_given(n, number, proto))
		return;
	if (*head && block__slot(number) != s->home && block__slot(*head - 1) == s->home)
		link_after(n, *head - 1, number, proto);
	else
		link_first(n, head, number, proto);
}

static void unlink_room(struct nat64 *n, uint32_t number, enum protocol_index proto)
{
	struct port_block *b = block__at(n, number);
	uint32_t next = b->next[proto], prev = b->prev[proto];

	if (prev == UNLINKED)
		return;
	if (prev)
		block__at(n, prev - 1)->next[proto] = next;
	else
		n->ports.subscriber[b->holder - 1].room[proto] = next;
	if (next)
		block__at(n, next - 1)->prev[proto] = prev;
	b->prev[proto] = UNLINKED;
}

/* ---- idle blocks ---- */

static void idle_add(struct nat64 *n, uint32_t number)
{
	struct ports *p = &n->ports;
	struct port_block *b = block__at(n, number);

	b->idle_at = (uint16_t)(n->now_ms >> QUARANTINE_SHIFT);
	b->idle_next = 0;
	b->idle_prev = p->idle_youngest;
	if (p->idle_youngest)
		block__at(n, p->idle_youngest - 1)->idle_next = number + 1;
	else
		p->idle_oldest = number + 1;
	p->idle_youngest = number + 1;
	p->n_idle++;
}

static void idle_remove(struct nat64 *n, uint32_t number)
{
	struct ports *p = &n->ports;
	struct port_block *b = block__at(n, number);

	if (b->idle_prev == UNLINKED)
		return;
	if (b->idle_prev)
		block__at(n, b->idle_prev - 1)->idle_next = b->idle_next;
	else
		p->idle_oldest = b->idle_next;
	if (b->idle_next)
		block__at(n, b->idle_next - 1)->idle_prev = b->idle_prev;
	else
		p->idle_youngest = b->idle_prev;
	b->idle_prev = UNLINKED;
	p->n_idle--;
}

/* ---- holders ---- */

static enum port_class class_of_block(uint32_t number)
{
	return class_of(block__first_port(number));
}

void block__set_holder(struct nat64 *n, uint32_t number, uint32_t holder)
{
	struct port_block *b = block__at(n, number);
	struct pool_ports *pp = slot_of(n, number);
	bool was_free = b->holder == HOLDER_NONE, is_free = holder == HOLDER_NONE;

	b->holder = holder;
	note_bit(pp->held, number % STEER_BLOCKS, !is_free);
	for (enum protocol_index i = 0; i < N_PROTOS; i++) {
		bool given = is_given(n, number, i);

		if (given && was_free != is_free)
			n->ports.supply[i][class_of_block(number)].free += is_free ? 1u : -1u;
		note_bit(pp->room[i], number % STEER_BLOCKS, given && holder == HOLDER_SHARED);
		note_slot(n, block__slot(number), i);
	}
}

static void tell(struct nat64 *n, enum nat64_event_kind kind, uint32_t number)
{
	const struct port_block *b = block__at(n, number);
	const uint16_t first = (uint16_t)block__first_port(number);

	if (n->log_what)
		event__ports(n, kind,
			     has_subscriber(b) ? &n->ports.subscriber[b->holder - 1] : NULL,
			     &(struct event_ports){ .slot = block__slot(number), .first = first,
						    .last = (uint16_t)(first + BLOCK_BITS - 1) });
}

void block__hold(struct nat64 *n, uint32_t number, uint32_t index)
{
	struct port_block *b = block__at(n, number);
	struct subscriber *s = &n->ports.subscriber[index];

	must(b->holder == HOLDER_NONE);
	block__set_holder(n, number, index + 1);
	subscriber__gain(n, s, &s->n_blocks);
	b->idle_prev = UNLINKED;
	for (enum protocol_index i = 0; i < N_PROTOS; i++) {
		b->prev[i] = UNLINKED;
		link_room(n, number, i);
	}
	tell(n, NAT64_EVENT_BLOCK_ALLOCATED, number);
}

static bool is_empty(const struct port_block *b)
{
	return !(b->used[PROTO_TCP] | b->used[PROTO_UDP] | b->used[PROTO_ICMP]);
}

/* No host of a subscriber has a port of it: static entries are for ever. */
static bool is_unused(const struct port_block *b)
{
	unsigned n = 0;

	if (likely(!b->n_static))
		return is_empty(b);
	for (enum protocol_index i = 0; i < N_PROTOS; i++)
		n += count_bits(b->used[i]);
	return n == b->n_static;
}

/* Free, or what is left of it is given out port by port. */
static void release(struct nat64 *n, uint32_t number)
{
	block__set_holder(n, number,
			  is_empty(block__at(n, number)) ? HOLDER_NONE : HOLDER_SHARED);
}

/* Its subscriber has it no longer. */
static void leave(struct nat64 *n, uint32_t number)
{
	struct port_block *b = block__at(n, number);
	uint32_t index = b->holder - 1;
	struct subscriber *s = &n->ports.subscriber[index];

	tell(n, NAT64_EVENT_BLOCK_RELEASED, number);
	for (enum protocol_index i = 0; i < N_PROTOS; i++)
		unlink_room(n, number, i);
	s->n_closing -= b->closing;
	b->closing = false;
	release(n, number);
	subscriber__lose(n, s, &s->n_blocks);
	subscriber__settle(n, index);
}

/* An idle block, or a subscriber's. */
static void give_up(struct nat64 *n, uint32_t number)
{
	idle_remove(n, number);
	if (has_subscriber(block__at(n, number)))
		leave(n, number);
	else
		release(n, number);
}

void block__is_full(struct nat64 *n, uint32_t number, enum protocol_index proto)
{
	struct port_block *b = block__at(n, number);

	if (has_subscriber(b)) {
		unlink_room(n, number, proto);
		return;
	}
	bit_clear(slot_of(n, number)->room[proto], number % STEER_BLOCKS);
	note_slot(n, block__slot(number), proto);
}

void block__close(struct nat64 *n, uint32_t number)
{
	struct port_block *b = block__at(n, number);

	must(!b->closing);
	b->closing = true;
	n->ports.subscriber[b->holder - 1].n_closing++;
	for (enum protocol_index i = 0; i < N_PROTOS; i++)
		unlink_room(n, number, i);
}

/* When nobody wants it any more it serves its subscriber again. */
static void open_again(struct nat64 *n, uint32_t number, enum protocol_index proto)
{
	struct port_block *b = block__at(n, number);
	struct subscriber *s = &n->ports.subscriber[b->holder - 1];

	if (share__is_wanted(n, proto))
		return;
	b->closing = false;
	s->n_closing--;
	for (enum protocol_index i = 0; i < N_PROTOS; i++)
		link_room(n, number, i);
}

void block__use(struct nat64 *n, uint32_t number, enum protocol_index proto, unsigned bit)
{
	struct port_block *b = block__at(n, number);

	must(!(b->used[proto] >> bit & 1));
	if (has_subscriber(b))
		idle_remove(n, number);
	b->used[proto] |= 1ull << bit;
	n->ports.n_used++;
}

void block__reserve(struct nat64 *n, uint32_t number, enum protocol_index proto, unsigned bit)
{
	struct port_block *b = block__at(n, number);

	must(!(b->used[proto] >> bit & 1));
	if (b->holder == HOLDER_NONE)
		block__set_holder(n, number, HOLDER_SHARED);
	b->used[proto] |= 1ull << bit;
	b->n_static++;
	n->ports.n_used++;
}

/* It rests from now on; beyond what may rest, the one that has rested longest is free. */
static void rest(struct nat64 *n, uint32_t number)
{
	const uint32_t most = n->quarantine.ports;

	idle_add(n, number);
	if (most && n->ports.n_idle > most / BLOCK_BITS)
		give_up(n, n->ports.idle_oldest - 1);
}

/* It is idle from now on; or free, where nothing rests. */
static void became_idle(struct nat64 *n, uint32_t number)
{
	if (block__at(n, number)->idle_prev != UNLINKED)
		return; /* it was before */
	if (n->quarantine.time_s)
		rest(n, number);
	else
		give_up(n, number);
}

void block__unuse(struct nat64 *n, uint32_t number, enum protocol_index proto, unsigned bit)
{
	struct port_block *b = block__at(n, number);

	must(b->used[proto] >> bit & 1);
	b->used[proto] &= ~(1ull << bit);
	n->ports.n_used--;
	if (has_subscriber(b)) {
		if (unlikely(b->closing))
			open_again(n, number, proto);
		link_room(n, number, proto);
		if (is_unused(b))
			became_idle(n, number);
	} else if (b->holder == HOLDER_SHARED && is_empty(b)) {
		block__set_holder(n, number, HOLDER_NONE);
	} else if (b->holder == HOLDER_SHARED && is_given(n, number, proto)) {
		bit_set(slot_of(n, number)->room[proto], number % STEER_BLOCKS);
		bit_set(n->ports.has_room[proto][class_of_block(number)], block__slot(number));
	}
}

void block__pin(struct nat64 *n, uint32_t number)
{
	struct port_block *b = block__at(n, number);

	b->n_static++;
	if (has_subscriber(b) && is_unused(b))
		became_idle(n, number);
}

void block__unpin(struct nat64 *n, uint32_t number)
{
	must(block__at(n, number)->n_static > 0);
	block__at(n, number)->n_static--;
}

uint32_t block__expire(struct nat64 *n, uint32_t budget)
{
	uint16_t now = (uint16_t)(n->now_ms >> QUARANTINE_SHIFT);
	uint32_t rest = quarantine_ticks(n->quarantine.time_s), done = 0;

	while (done < budget && n->ports.idle_oldest &&
	       (uint16_t)(now - block__at(n, n->ports.idle_oldest - 1)->idle_at) >= rest) {
		give_up(n, n->ports.idle_oldest - 1);
		done++;
	}
	return done;
}

/* ---- a new table ---- */

/* The address has gone, and its ports with it. Those that rest are not counted as used. */
static void forget_slot(struct nat64 *n, uint32_t slot)
{
	struct pool_ports *pp = &n->ports.slot[slot];

	memset(pp->given, 0, sizeof(pp->given)); /* what is given back is not free */
	n->ports.n_used += pp->n_resting;
	if (pp->n_resting)
		n->ports.dead_at = 0;
	for (unsigned b = 0; b < STEER_BLOCKS; b++) {
		uint32_t number = block__number(slot, b);
		struct port_block *pb = block__at(n, number);

		if (!bit_test(pp->held, b))
			continue;
		for (enum protocol_index i = 0; i < N_PROTOS; i++)
			n->ports.n_used -= count_bits(pb->used[i]);
		if (has_subscriber(pb) || pb->holder == HOLDER_RESTING)
			give_up(n, number);
		else
			tell(n, NAT64_EVENT_BLOCK_RELEASED, number);
		memset(pb, 0, sizeof(*pb));
	}
	memset(pp, 0, sizeof(*pp));
}

/* Which of 64 blocks are this worker's, from the first octet on. */
static uint64_t mine_of(const struct nat64 *n, const uint8_t *owner)
{
	uint64_t mine = 0;

	for (unsigned i = 0; i < 64; i++)
		mine |= (uint64_t)(owner[i] == n->worker) << i;
	return mine;
}

/* Other hosts had its ports until now: a subscriber of ours that once held it has lost it. */
static void rest_block(struct nat64 *n, uint32_t number)
{
	struct port_block *b = block__at(n, number);

	if (!n->quarantine.time_s)
		return;
	if (has_subscriber(b) || b->holder == HOLDER_RESTING)
		give_up(n, number);
	block__set_holder(n, number, HOLDER_RESTING);
	rest(n, number);
}

/* A worker's part of a slot under a new table. */
static void give_slot(struct nat64 *n, const struct nat64_table *t, uint32_t slot)
{
	struct pool_ports *pp = &n->ports.slot[slot];

	for (unsigned w = 0; w < BLOCK_WORDS; w++) {
		uint64_t mine = mine_of(n, t->block[slot] + w * 64);

		for (enum protocol_index i = 0; i < N_PROTOS; i++)
			pp->given[i][w] = t->given[slot][i][w] & mine;
	}
}

/* Blocks that are ours no longer give out nothing, new ones do. */
static void refresh_block(struct nat64 *n, const struct nat64_table *t, uint32_t number)
{
	struct port_block *b = block__at(n, number);

	for (enum protocol_index i = 0; i < N_PROTOS; i++) {
		bool room = is_given(n, number, i) && block__free_ports(n, t, number, i);

		if (!has_subscriber(b))
			note_bit(slot_of(n, number)->room[i], number % STEER_BLOCKS,
				 room && b->holder == HOLDER_SHARED);
		else if (room)
			link_room(n, number, i);
		else
			unlink_room(n, number, i);
	}
}

static uint64_t given_any(const struct pool_ports *pp, unsigned word)
{
	return pp->given[PROTO_TCP][word] | pp->given[PROTO_UDP][word] | pp->given[PROTO_ICMP][word];
}

/* The address stays, or is new. Return: blocks that were looked at. */
static uint32_t keep_slot(struct nat64 *n, const struct nat64_table *t, uint32_t slot)
{
	struct pool_ports *pp = &n->ports.slot[slot];
	uint32_t done = 0;

	pp->used = true;
	pp->generation = t->slot[slot].generation;
	pp->addr = t->slot[slot].addr;
	give_slot(n, t, slot);
	for (unsigned w = 0; w < BLOCK_WORDS; w++)
		for (uint64_t v = pp->held[w]; v; v &= v - 1, done++)
			refresh_block(n, t, block__number(slot, w * 64 + first_bit(v)));
	return done;
}

static uint32_t use_slot(struct nat64 *n, const struct nat64_table *t, uint32_t slot)
{
	const struct pool_ports *pp = &n->ports.slot[slot];
	const struct pool_slot *s = &t->slot[slot];
	uint32_t done = 0;

	if (pp->used && (!s->used || pp->generation != s->generation)) {
		forget_slot(n, slot);
		done = STEER_BLOCKS;
	}
	return s->used ? done + keep_slot(n, t, slot) : done;
}

/* Blocks that have come from another worker, @had being those of before. */
static void rest_moved(struct nat64 *n, const struct nat64_table *t, uint32_t slot,
		       const uint64_t had[BLOCK_WORDS])
{
	for (unsigned w = 0; w < BLOCK_WORDS; w++) {
		uint64_t v = given_any(&n->ports.slot[slot], w) & ~had[w] & t->moved[slot][w];

		for (; v; v &= v - 1)
			rest_block(n, block__number(slot, w * 64 + first_bit(v)));
	}
}

/* How many blocks a slot has and has free, by protocol and class: added, or (@sign -1) taken away. */
static void count_slot(struct nat64 *n, uint32_t slot, uint32_t sign)
{
	const struct pool_ports *pp = &n->ports.slot[slot];

	for (enum protocol_index i = 0; i < N_PROTOS; i++) {
		struct supply *s = n->ports.supply[i];
		const uint64_t system = in_class(0, CLASS_SYSTEM), *given = pp->given[i];
		uint32_t low = count_bits(given[0] & system), all = 0, free = 0;
		uint32_t low_free = count_bits(given[0] & ~pp->held[0] & system);

		for (unsigned w = 0; w < BLOCK_WORDS; w++) {
			if (!given[w])
				continue;
			all += count_bits(given[w]);
			free += count_bits(given[w] & ~pp->held[w]);
		}
		s[CLASS_SYSTEM].blocks += sign * low;
		s[CLASS_SYSTEM].free += sign * low_free;
		s[CLASS_OTHER].blocks += sign * (all - low);
		s[CLASS_OTHER].free += sign * (free - low_free);
	}
	if (memcmp(pp->given[0], pp->given[1], sizeof(pp->given[0])) ||
	    memcmp(pp->given[0], pp->given[2], sizeof(pp->given[0])))
		n->ports.n_split += sign;
}

uint32_t block__adopt(struct nat64 *n, const struct nat64_table *t, uint32_t slot)
{
	const struct pool_ports *pp = &n->ports.slot[slot];
	bool stays = pp->used && t->slot[slot].used && pp->generation == t->slot[slot].generation;
	uint64_t had[BLOCK_WORDS];
	uint32_t done;

	for (unsigned w = 0; w < BLOCK_WORDS; w++)
		had[w] = given_any(pp, w);
	count_slot(n, slot, -1u);
	done = use_slot(n, t, slot);
	count_slot(n, slot, 1);
	for (enum protocol_index i = 0; i < N_PROTOS; i++)
		note_slot(n, slot, i);
	bit_clear(n->ports.pending, slot);
	if (stays)
		rest_moved(n, t, slot, had);
	return done;
}

/* A tiny supply is counted port by port, for there each counts. */
static uint32_t count_tiny(const struct nat64 *n, const struct nat64_table *t,
			   enum protocol_index proto)
{
	uint32_t ports = 0;

	for (uint32_t slot = 0; slot < t->n_slots; slot++) {
		const uint64_t *given = n->ports.slot[slot].given[proto];

		for (unsigned w = 0; w < BLOCK_WORDS; w++) {
			uint64_t v = given[w] & in_class(w, CLASS_OTHER);

			for (; v; v &= v - 1)
				ports += count_bits(table__ports_of(
					&t->slot[slot], proto,
					w * 64 + first_bit(v)));
		}
	}
	return ports;
}

void block__count(struct nat64 *n, const struct nat64_table *t)
{
	for (enum protocol_index i = 0; i < N_PROTOS; i++) {
		struct supply *s = n->ports.supply[i];

		s[CLASS_SYSTEM].ports = s[CLASS_SYSTEM].blocks * BLOCK_BITS;
		s[CLASS_OTHER].ports = share__singles(s[CLASS_OTHER].blocks) * BLOCK_BITS;
		if (s[CLASS_OTHER].blocks && s[CLASS_OTHER].blocks < TINY)
			s[CLASS_OTHER].ports = count_tiny(n, t, i);
	}
}

/* A slot that waits may have anything: it is looked at before something is taken from it. */
static void may_have(struct nat64 *n, const struct nat64_table *t, uint32_t slot)
{
	for (enum protocol_index i = 0; i < N_PROTOS; i++)
		for (enum port_class class = 0; class < N_CLASSES; class++) {
			uint64_t any = 0;

			for (unsigned w = 0; w < BLOCK_WORDS && t->slot[slot].used; w++)
				any |= t->given[slot][i][w] & in_class(w, class);
			note_bit(n->ports.has_free[i][class], slot, any);
			note_bit(n->ports.has_room[i][class], slot, any);
		}
}

void block__use_table(struct nat64 *n, const struct nat64_table *t)
{
	if ((int32_t)(t->pool_changed - n->lending.serial) > 0)
		share__forget_wishes(n);
	for (uint32_t slot = 0; slot < NAT64_POOL_MAX; slot++)
		if ((int32_t)(t->changed[slot] - n->lending.serial) > 0 ||
		    (t->changed[slot] && !n->lending.serial)) {
			bit_set(n->ports.pending, slot);
			may_have(n, t, slot);
		}
}
