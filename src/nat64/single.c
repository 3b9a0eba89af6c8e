/*
 * single.c - ports that are given out one by one: system ports, tiny pools, and what is kept for
 * newcomers when little is left.
 *
 * A single that is freed rests for the time of the quarantine: its bit stays set in its block, and
 * only its own subscriber gets it earlier (RFC 6888 REQ-8). All rest equally long, so one list in
 * the order of their age is enough.
 */
#include "nat64_internal.h"

enum { OWN_RESTING_TRIES = 16, BURY_BUDGET = 2048 };

static uint32_t tick_of(const struct nat64 *n)
{
	return (uint32_t)(n->now_ms >> QUARANTINE_SHIFT);
}

static void tell(struct nat64 *n, enum nat64_event_kind kind, const struct subscriber *s,
		 const struct event_ports *what)
{
	if (n->log_what)
		event__ports(n, kind, s, what);
}

static struct event_ports one_port(uint32_t slot, uint16_t port, enum protocol_index proto)
{
	return (struct event_ports){ .slot = slot, .first = port, .last = port,
				     .protocol = (uint8_t)(1u << proto) };
}

/* ---- resting ports ---- */

/* Its address is still the one it was of. */
static bool still_rests(const struct nat64 *n, const struct resting *r)
{
	const struct pool_ports *pp = &n->ports.slot[r->slot];

	return pp->used && pp->generation == r->generation;
}

static uint16_t *same_of(const struct nat64 *n, uint16_t slot, uint16_t port, unsigned proto)
{
	uint64_t w[5] = { slot, ~1ull, (uint64_t)proto << 16 | port };

	return &n->ports.resting_head[hash_range(hash40(&n->index_key, w), RESTING_MAX)];
}

static void unlink_same(struct nat64 *n, uint32_t index)
{
	const struct resting *r = &n->ports.resting[index];
	uint16_t *at = same_of(n, r->slot, r->port, r->proto);

	while (*at != index + 1)
		at = &n->ports.resting[*at - 1].same;
	*at = r->same;
}

static void unlink_resting(struct nat64 *n, uint32_t index)
{
	struct ports *p = &n->ports;
	struct resting *r = &p->resting[index];

	if (still_rests(n, r))
		p->slot[r->slot].n_resting--;
	*(r->younger ? &p->resting[r->younger - 1].older : &p->resting_youngest) = r->older;
	*(r->older ? &p->resting[r->older - 1].younger : &p->resting_oldest) = r->younger;
	if (r->sub_younger)
		p->resting[r->sub_younger - 1].sub_older = r->sub_older;
	else
		p->subscriber[r->subscriber].resting = r->sub_older & 0x7fff;
	if (r->sub_older)
		p->resting[r->sub_older - 1].sub_younger = r->sub_younger;
	unlink_same(n, index);
	r->used = false;
	pool_put(&p->resting_pool, index);
}

/* Nobody has it any more. @alive: its address is still the one it was of. */
static void free_single(struct nat64 *n, uint32_t subscriber, const struct event_ports *what,
			enum protocol_index proto, bool alive)
{
	struct subscriber *s = &n->ports.subscriber[subscriber];

	n->ports.supply[proto][class_of(what->first)].singles--;
	if (alive) {
		tell(n, NAT64_EVENT_BLOCK_RELEASED, s, what);
		block__unuse(n, block__number(what->slot, what->first / BLOCK_BITS), proto,
			     what->first % BLOCK_BITS);
	}
	subscriber__lose(n, s, &s->n_single[proto]);
	subscriber__settle(n, subscriber);
}

/* It has rested long enough, or must make room. */
static void wake(struct nat64 *n, uint32_t index)
{
	struct resting r = n->ports.resting[index];
	struct event_ports what = one_port(r.slot, r.port, r.proto);
	bool alive = still_rests(n, &r);

	unlink_resting(n, index);
	n->ports.n_used += alive; /* as if it were in use until now */
	free_single(n, r.subscriber, &what, r.proto, alive);
}

bool single__bury(struct nat64 *n)
{
	struct ports *p = &n->ports;
	uint32_t end = p->dead_at + BURY_BUDGET;

	for (; p->dead_at < end && p->dead_at < p->resting_pool.fresh; p->dead_at++)
		if (p->resting[p->dead_at].used && !still_rests(n, &p->resting[p->dead_at]))
			wake(n, p->dead_at);
	return p->dead_at < p->resting_pool.fresh;
}

uint32_t single__wake(struct nat64 *n, const struct mapping *m)
{
	uint32_t at = *same_of(n, m->slot, m->outside_port, m->proto_plus - 1u), looks = 0;

	for (; at; at = n->ports.resting[at - 1].same) {
		const struct resting *r = &n->ports.resting[at - 1];

		looks++;
		if (r->slot == m->slot && r->port == m->outside_port &&
		    r->proto == m->proto_plus - 1 && still_rests(n, r)) {
			wake(n, at - 1);
			break;
		}
	}
	return looks;
}

static void rest(struct nat64 *n, const struct mapping *m)
{
	struct ports *p = &n->ports;
	struct subscriber *s = &p->subscriber[m->subscriber];
	const uint32_t most = n->quarantine.ports;
	uint16_t *same = same_of(n, m->slot, m->outside_port, m->proto_plus - 1u);
	uint32_t index;

	if (p->resting_pool.used == p->resting_pool.n ||
	    (most && p->resting_pool.used >= most))
		wake(n, n->ports.resting_oldest - 1);
	index = pool_get(&p->resting_pool);
	p->resting[index] = (struct resting){
		.subscriber = m->subscriber, .since = tick_of(n), .older = p->resting_youngest,
		.sub_older = s->resting, .same = *same, .slot = m->slot,
		.port = m->outside_port, .generation = m->generation,
		.proto = (uint8_t)(m->proto_plus - 1), .used = true };
	*(p->resting_youngest ? &p->resting[p->resting_youngest - 1].younger :
				&p->resting_oldest) = index + 1;
	p->resting_youngest = index + 1;
	*same = (uint16_t)(index + 1);
	if (s->resting)
		p->resting[s->resting - 1].sub_younger = (uint16_t)(index + 1);
	s->resting = (index + 1) & 0x7fff;
	p->slot[m->slot].n_resting++;
	p->n_used--;
}

void single__release(struct nat64 *n, const struct mapping *m)
{
	enum protocol_index proto = m->proto_plus - 1u;
	struct event_ports what = one_port(m->slot, m->outside_port, proto);
	bool alive = ports__alive(n, m);

	if (n->quarantine.time_s && alive)
		rest(n, m);
	else
		free_single(n, m->subscriber, &what, proto, alive);
}

uint32_t single__expire(struct nat64 *n, uint32_t budget)
{
	uint32_t need = quarantine_ticks(n->quarantine.time_s), done = 0;

	while (done < budget && n->ports.resting_oldest &&
	       tick_of(n) - n->ports.resting[n->ports.resting_oldest - 1].since >= need) {
		wake(n, n->ports.resting_oldest - 1);
		done++;
	}
	return done;
}

/* ---- taking one ---- */

static bool suits(const struct nat64 *n, const struct nat64_table *t, const struct resting *r,
		  const struct port_request *want, const struct port_choice *c)
{
	unsigned block = r->port / BLOCK_BITS, bit = r->port % BLOCK_BITS;

	return r->proto == want->proto && class_of(r->port) == c->class && c->mask >> bit & 1 &&
	       still_rests(n, r) && !bit_test(n->ports.pending, r->slot) &&
	       bit_test(n->ports.slot[r->slot].given[r->proto], block) &&
	       table__ports_of(&t->slot[r->slot], r->proto, block) >> bit & 1;
}

static void fill_out(const struct nat64 *n, uint32_t slot, unsigned port, struct mapping *out)
{
	out->slot = (uint16_t)slot;
	out->generation = n->ports.slot[slot].generation;
	out->outside_port = (uint16_t)port;
	out->flags |= MAPPING_SINGLE;
}

static bool take_resting(struct nat64 *n, const struct nat64_table *t,
			 const struct port_request *want, const struct port_choice *c,
			 struct mapping *out)
{
	uint32_t at = n->ports.subscriber[want->index].resting;

	for (unsigned i = 0; at && i < OWN_RESTING_TRIES; i++) {
		struct resting *r = &n->ports.resting[at - 1];

		if (suits(n, t, r, want, c)) {
			fill_out(n, r->slot, r->port, out);
			unlink_resting(n, at - 1);
			n->ports.n_used++;
			return true;
		}
		at = r->sub_older;
	}
	return false;
}

static void only_class(uint64_t words[BLOCK_WORDS], enum port_class class)
{
	const uint64_t system = (1ull << SYSTEM_BLOCKS) - 1;

	if (class == CLASS_OTHER) {
		words[0] &= ~system;
		return;
	}
	words[0] &= system;
	memset(words + 1, 0, (BLOCK_WORDS - 1) * sizeof(*words));
}

/* A random block among @words with a port that will do, or -1. Each turn that fails removes one. */
static int pick_block(struct nat64 *n, const struct nat64_table *t, uint32_t slot,
		      const struct port_request *want, const struct port_choice *c,
		      uint64_t words[BLOCK_WORDS])
{
	int b;

	only_class(words, c->class);
	while (ports__look(&n->ports) &&
	       (b = ports__pick_bit(words, BLOCK_WORDS, ports__draw(n))) >= 0) {
		uint32_t number = block__number(slot, (unsigned)b);
		uint64_t free = block__free_ports(n, t, number, want->proto);

		if (free & c->mask)
			return b;
		if (!free)
			block__is_full(n, number, want->proto);
		bit_clear(words, (unsigned)b);
	}
	return -1;
}

static int take_in_slot(struct nat64 *n, const struct nat64_table *t, uint32_t slot,
			const struct port_request *want, const struct port_choice *c)
{
	const struct pool_ports *pp = &n->ports.slot[slot];
	uint64_t words[BLOCK_WORDS], free;
	uint32_t number;
	int b, bit;

	memcpy(words, pp->room[want->proto], sizeof(words));
	b = pick_block(n, t, slot, want, c, words);
	if (b < 0) {
		for (unsigned i = 0; i < BLOCK_WORDS; i++)
			words[i] = pp->given[want->proto][i] & ~pp->held[i];
		b = pick_block(n, t, slot, want, c, words);
		if (b < 0)
			return -1;
		block__set_holder(n, block__number(slot, (unsigned)b), HOLDER_SHARED);
	}
	number = block__number(slot, (unsigned)b);
	free = block__free_ports(n, t, number, want->proto) & c->mask;
	bit = ports__pick_bit(&free, 1, ports__draw(n));
	block__use(n, number, want->proto, (unsigned)bit);
	if (!block__free_ports(n, t, number, want->proto))
		block__is_full(n, number, want->proto);
	return b * BLOCK_BITS + bit;
}

static bool take_fresh(struct nat64 *n, const struct nat64_table *t,
		       const struct port_request *want, const struct port_choice *c,
		       struct mapping *out)
{
	struct subscriber *s = &n->ports.subscriber[want->index];
	uint32_t slot = ports__home(n, t, s);
	uint64_t slots[SLOT_WORDS];
	struct event_ports what;

	if (slot == NO_SLOT)
		return false;
	for (unsigned i = 0; i < SLOT_WORDS; i++)
		slots[i] = n->ports.has_room[want->proto][c->class][i] |
			   n->ports.has_free[want->proto][c->class][i];
	while ((slot = ports__next_slot(slots, slot)) != NO_SLOT) {
		int port = ports__ready(n, t, slot) ? take_in_slot(n, t, slot, want, c) : -1;

		if (port >= 0) {
			ports__settle_in(n, s, slot);
			subscriber__gain(n, s, &s->n_single[want->proto]);
			n->ports.supply[want->proto][c->class].singles++;
			fill_out(n, slot, (unsigned)port, out);
			what = one_port(slot, (uint16_t)port, want->proto);
			tell(n, NAT64_EVENT_BLOCK_ALLOCATED, s, &what);
			return true;
		}
		if (!n->ports.looks)
			return false;
		bit_clear(slots, slot);
	}
	return false;
}

bool single__take(struct nat64 *n, const struct nat64_table *t, const struct port_request *want,
		  const struct port_choice *c, struct mapping *out)
{
	struct subscriber *s = &n->ports.subscriber[want->index];

	if (!share__has_singles_to_spare(n, s, want->proto, c->class) &&
	    take_resting(n, t, want, c, out))
		return true;
	return share__allows_single(n, s, want->proto, c->class) && take_fresh(n, t, want, c, out);
}
