/*
 * block.c - blocks of 64 ports: who holds them, which have room, which are idle.
 *
 * Theory of operation. A block without a holder is free. A subscriber that needs ports holds whole
 * blocks, so that one event tells of 64 ports (RFC 6888 REQ-14); it keeps a block for the time of
 * the quarantine after its last port was freed, so that nobody else gets one of them earlier (REQ-8),
 * while it may itself use them at once. Blocks that are shared have no subscriber. All is found by
 * bitmaps and lists; nothing here searches.
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
	return b->holder != HOLDER_NONE && b->holder < HOLDER_LENT;
}

static uint64_t in_class(unsigned word, enum port_class class)
{
	const uint64_t system = (1ull << SYSTEM_BLOCKS) - 1;

	if (word)
		return class == CLASS_OTHER ? ~0ull : 0;
	return class == CLASS_OTHER ? ~system : system;
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

	if (b->prev[proto] != UNLINKED || !is_given(n, number, proto))
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

	b->idle_at = (uint32_t)(n->now_ms >> QUARANTINE_SHIFT);
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

/* Its subscriber has it no longer. */
static void give_up(struct nat64 *n, uint32_t number)
{
	struct port_block *b = block__at(n, number);
	uint32_t index = b->holder - 1;
	struct subscriber *s = &n->ports.subscriber[index];

	tell(n, NAT64_EVENT_BLOCK_RELEASED, number);
	idle_remove(n, number);
	for (enum protocol_index i = 0; i < N_PROTOS; i++)
		unlink_room(n, number, i);
	block__set_holder(n, number, HOLDER_NONE);
	subscriber__lose(n, s, &s->n_blocks);
	subscriber__settle(n, index);
}

static bool is_unused(const struct port_block *b)
{
	return !(b->used[PROTO_TCP] | b->used[PROTO_UDP] | b->used[PROTO_ICMP]);
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

void block__use(struct nat64 *n, uint32_t number, enum protocol_index proto, unsigned bit)
{
	struct port_block *b = block__at(n, number);

	must(!(b->used[proto] >> bit & 1));
	if (has_subscriber(b))
		idle_remove(n, number);
	b->used[proto] |= 1ull << bit;
	n->ports.n_used++;
}

/* It is idle from now on; or free, where nothing rests. */
static void became_idle(struct nat64 *n, uint32_t number)
{
	const struct nat64_quarantine *q = &n->quarantine;

	if (!q->time_s) {
		give_up(n, number);
		return;
	}
	idle_add(n, number);
	if (q->ports && n->ports.n_idle > q->ports / BLOCK_BITS)
		give_up(n, n->ports.idle_oldest - 1);
}

void block__unuse(struct nat64 *n, uint32_t number, enum protocol_index proto, unsigned bit)
{
	struct port_block *b = block__at(n, number);

	must(b->used[proto] >> bit & 1);
	b->used[proto] &= ~(1ull << bit);
	n->ports.n_used--;
	if (has_subscriber(b)) {
		link_room(n, number, proto);
		if (is_unused(b))
			became_idle(n, number);
	} else if (b->holder == HOLDER_SHARED && is_unused(b)) {
		block__set_holder(n, number, HOLDER_NONE);
	} else if (b->holder == HOLDER_SHARED && is_given(n, number, proto)) {
		bit_set(slot_of(n, number)->room[proto], number % STEER_BLOCKS);
		bit_set(n->ports.has_room[proto][class_of_block(number)], block__slot(number));
	}
}

uint32_t block__expire(struct nat64 *n, uint32_t budget)
{
	uint32_t now = (uint32_t)(n->now_ms >> QUARANTINE_SHIFT), done = 0;
	uint32_t rest = quarantine_ticks(n->quarantine.time_s);

	while (done < budget && n->ports.idle_oldest &&
	       now - block__at(n, n->ports.idle_oldest - 1)->idle_at >= rest) {
		give_up(n, n->ports.idle_oldest - 1);
		done++;
	}
	return done;
}

/* ---- a new table ---- */

/* The address has gone, and its ports with it. */
static void forget_slot(struct nat64 *n, uint32_t slot)
{
	struct pool_ports *pp = &n->ports.slot[slot];

	for (unsigned b = 0; b < STEER_BLOCKS; b++) {
		uint32_t number = block__number(slot, b);
		struct port_block *pb = block__at(n, number);

		if (!bit_test(pp->held, b))
			continue;
		for (enum protocol_index i = 0; i < N_PROTOS; i++)
			n->ports.n_used -= count_bits(pb->used[i]);
		if (has_subscriber(pb))
			give_up(n, number);
		else
			tell(n, NAT64_EVENT_BLOCK_RELEASED, number);
		memset(pb, 0, sizeof(*pb));
	}
	memset(pp, 0, sizeof(*pp));
}

/* A worker's part of a slot under a new table. */
static void give_slot(struct nat64 *n, const struct nat64_table *t, uint32_t slot)
{
	struct pool_ports *pp = &n->ports.slot[slot];

	for (unsigned w = 0; w < BLOCK_WORDS; w++) {
		uint64_t mine = 0;

		for (unsigned i = 0; i < 64; i++)
			mine |= (uint64_t)(t->block[slot][w * 64 + i] == n->worker) << i;
		for (enum protocol_index i = 0; i < N_PROTOS; i++)
			pp->given[i][w] = t->given[slot][i][w] & mine;
	}
}

/* Blocks that are ours no longer give out nothing, new ones do; a loan is over with its table. */
static void refresh_block(struct nat64 *n, const struct nat64_table *t, uint32_t number)
{
	struct port_block *b = block__at(n, number);

	if (b->holder == HOLDER_LENT) {
		b->holder = HOLDER_NONE;
		bit_clear(slot_of(n, number)->held, number % STEER_BLOCKS);
		return;
	}
	for (enum protocol_index i = 0; i < N_PROTOS; i++) {
		bool room = is_given(n, number, i) && block__free_ports(n, t, number, i);

		if (!has_subscriber(b))
			note_bit(slot_of(n, number)->room[i], number % STEER_BLOCKS, room);
		else if (room)
			link_room(n, number, i);
		else
			unlink_room(n, number, i);
	}
}

static uint32_t count_class(const uint64_t words[BLOCK_WORDS], const uint64_t *without,
			    enum port_class class)
{
	uint32_t n = 0;

	for (unsigned i = 0; i < BLOCK_WORDS; i++)
		n += count_bits(words[i] & (without ? ~without[i] : ~0ull) &
						    in_class(i, class));
	return n;
}

static void count_slot(struct nat64 *n, uint32_t slot)
{
	const struct pool_ports *pp = &n->ports.slot[slot];

	for (enum protocol_index i = 0; i < N_PROTOS; i++) {
		for (enum port_class class = 0; class < N_CLASSES; class++) {
			struct supply *s = &n->ports.supply[i][class];

			s->blocks += count_class(pp->given[i], NULL, class);
			s->free += count_class(pp->given[i], pp->held, class);
		}
		note_slot(n, slot, i);
		n->ports.is_split |= memcmp(pp->given[i], pp->given[0], sizeof(pp->given[i])) != 0;
	}
}

static void use_slot(struct nat64 *n, const struct nat64_table *t, uint32_t slot)
{
	struct pool_ports *pp = &n->ports.slot[slot];
	const struct pool_slot *s = &t->slot[slot];

	if (pp->used && (slot >= t->n_slots || !s->used || pp->generation != s->generation))
		forget_slot(n, slot);
	if (slot >= t->n_slots || !s->used)
		return;
	pp->used = true;
	pp->generation = s->generation;
	pp->addr = s->addr;
	give_slot(n, t, slot);
	for (unsigned b = 0; b < STEER_BLOCKS; b++)
		if (pp->held[b / 64] && bit_test(pp->held, b))
			refresh_block(n, t, block__number(slot, b));
}

/* A tiny supply is counted port by port, for there each counts. */
static void count_tiny(struct nat64 *n, const struct nat64_table *t, enum protocol_index proto)
{
	uint32_t ports = 0;

	for (uint32_t slot = 0; slot < t->n_slots; slot++)
		for (unsigned b = SYSTEM_BLOCKS; b < STEER_BLOCKS; b++)
			if (bit_test(n->ports.slot[slot].given[proto], b))
				ports += count_bits(
					table__ports_of(&t->slot[slot], proto, b));
	n->ports.supply[proto][CLASS_OTHER].ports = ports;
}

void block__use_table(struct nat64 *n, const struct nat64_table *t)
{
	struct ports *p = &n->ports;
	uint32_t n_slots = t->n_slots > p->n_slots ? t->n_slots : p->n_slots;

	single__use_table(n, t);
	for (uint32_t slot = 0; slot < n_slots; slot++)
		use_slot(n, t, slot);
	for (enum protocol_index i = 0; i < N_PROTOS; i++)
		for (enum port_class class = 0; class < N_CLASSES; class++)
			p->supply[i][class].blocks = p->supply[i][class].free = 0;
	p->is_split = false;
	for (uint32_t slot = 0; slot < n_slots; slot++)
		count_slot(n, slot);
	for (enum protocol_index i = 0; i < N_PROTOS; i++) {
		p->supply[i][CLASS_SYSTEM].ports = p->supply[i][CLASS_SYSTEM].blocks * BLOCK_BITS;
		p->supply[i][CLASS_OTHER].ports =
			share__singles(p->supply[i][CLASS_OTHER].blocks) * BLOCK_BITS;
		if (p->supply[i][CLASS_OTHER].blocks < TINY)
			count_tiny(n, t, i);
	}
	p->n_slots = t->n_slots;
}
