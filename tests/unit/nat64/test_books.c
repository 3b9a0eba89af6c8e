/*
 * test_books.c - what the headers of the room say of its lists, bitmaps and counters holds at any
 * time: after sessions, their ends, time, loans and reloads in any order everything is counted
 * anew, the slow way (RFC 6888 REQ-8, REQ-13, REQ-14 rest on it).
 */
#include "bed.h"
#include "nat64_internal.h"

enum { SUBSCRIBERS = 6, SESSIONS = 6000, STEPS = 48000, AUDIT_EVERY = 200 };
enum { BIG = 4, STEPS_BIG = 20000, AUDIT_EVERY_BIG = 900 };

static const uint8_t wire[N_PROTOS] = { 6, 17, 58 };

/** struct count - of one worker, counted anew */
struct count {
	uint32_t blocks[N_PROTOS][N_CLASSES], free[N_PROTOS][N_CLASSES],
		singles[N_PROTOS][N_CLASSES];
	uint32_t used, idle, resting, holders, statics;
	uint16_t n_closing[4096], n_blocks[4096], n_single[4096][N_PROTOS];
	uint32_t n_ports[4096], n_flows[4096];
};

static bool is_on_list(const struct port_block *b, enum protocol_index i)
{
	return b->prev[i] != UNLINKED;
}

static bool held_by_subscriber(const struct port_block *b)
{
	return b->holder != HOLDER_NONE && b->holder < HOLDER_RESTING;
}

static void audit_block(const struct nat64 *n, const struct nat64_table *t, uint32_t number,
			struct count *c)
{
	const struct port_block *b = block__at(n, number);
	uint32_t slot = block__slot(number), at = number % STEER_BLOCKS;
	const struct pool_ports *pp = &n->ports.slot[slot];
	enum port_class class = class_of(at * 64);
	uint32_t in_use = 0;
	bool idle;

	assert_int_equal(bit_test(pp->held, at), b->holder != HOLDER_NONE);
	for (enum protocol_index i = 0; i < N_PROTOS; i++) {
		uint64_t ports = table__ports_of(&t->slot[slot], i, at);
		bool given = ports && t->block[slot][at] == n->worker, room = ports & ~b->used[i];

		assert_int_equal(bit_test(pp->given[i], at), given);
		c->blocks[i][class] += given;
		c->free[i][class] += given && b->holder == HOLDER_NONE;
		in_use += (uint32_t)__builtin_popcountll(b->used[i]);
		if (held_by_subscriber(b) && given && room && !b->closing)
			assert_true(is_on_list(b, i));
		if (b->holder == HOLDER_SHARED && given && room)
			assert_true(bit_test(pp->room[i], at));
		if (bit_test(pp->room[i], at))
			assert_true(given && b->holder == HOLDER_SHARED);
	}
	idle = in_use == b->n_static; /* static entries do not keep it */
	c->used += in_use;
	c->statics += b->n_static;
	if (b->holder == HOLDER_NONE || b->holder == HOLDER_LENT)
		assert_int_equal(in_use, 0);
	c->idle += b->holder == HOLDER_RESTING;
	if (!held_by_subscriber(b))
		assert_false(b->closing);
	if (!held_by_subscriber(b))
		return;
	c->n_closing[b->holder - 1] += b->closing;
	c->n_blocks[b->holder - 1]++;
	c->idle += idle;
	assert_int_equal(b->idle_prev != UNLINKED, idle);
}

/* The hints by which a slot is chosen: exact for free blocks, never too few for shared ones. */
static void audit_slot_bits(const struct nat64 *n, uint32_t slot)
{
	const struct pool_ports *pp = &n->ports.slot[slot];

	for (enum protocol_index i = 0; i < N_PROTOS; i++) {
		for (enum port_class class = 0; class < N_CLASSES; class ++) {
			bool free = false, room = false;

			for (unsigned b = 0; b < STEER_BLOCKS; b++) {
				if (class_of(b * 64) != class)
					continue;
				free |= bit_test(pp->given[i], b) && !bit_test(pp->held, b);
				room |= bit_test(pp->room[i], b);
			}
			assert_int_equal(bit_test(n->ports.has_free[i][class], slot), free);
			assert_int_equal(bit_test(n->ports.has_room[i][class], slot), room);
		}
	}
}

static void audit_mappings(const struct nat64 *n, struct count *c)
{
	uint32_t in_use = 0;

	for (uint32_t i = 0; i < n->pool.fresh; i++) {
		const struct mapping *m = &n->mapping[i];
		struct bib_key k = { m->inside, m->inside_port, m->proto_plus - 1u };

		if (!m->proto_plus)
			continue;
		in_use++;
		if (m->subscriber != SUBSCRIBER_NONE)
			c->n_flows[m->subscriber] += m->n_sessions;
		if (m->flags & MAPPING_GONE) {
			assert_true(m->n_sessions || m->n_inbound);
			continue;
		}
		assert_int_equal(bib__find_inside(n, &k), i);
		assert_int_equal(bib__find_outside(n, m->slot, m->outside_port, k.proto), i);
		if (n->ports.slot[m->slot].used &&
		    n->ports.slot[m->slot].generation == m->generation) {
			uint32_t number = block__number(m->slot, m->outside_port / 64);

			assert_true(block__at(n, number)->used[k.proto] >> m->outside_port % 64 &
				    1);
			c->used--;
			c->statics -= !!(m->flags & MAPPING_STATIC);
		}
		if (m->subscriber == SUBSCRIBER_NONE)
			continue;
		c->n_ports[m->subscriber]++;
		if (!(m->flags & MAPPING_SINGLE))
			continue;
		c->n_single[m->subscriber][k.proto]++;
		c->singles[k.proto][class_of(m->outside_port)]++;
	}
	assert_int_equal(in_use, n->pool.used);
}

static void audit_resting(const struct nat64 *n, struct count *c)
{
	const struct ports *p = &n->ports;
	uint32_t older = 0, since = 0;

	for (uint32_t at = p->resting_oldest; at; at = p->resting[at - 1].younger) {
		const struct resting *r = &p->resting[at - 1];
		const struct port_block *b = block__at(n, block__number(r->slot, r->port / 64));

		assert_int_equal(r->older, older);
		assert_true(r->since >= since);
		assert_true(b->used[r->proto] >> r->port % 64 & 1);
		older = at;
		since = r->since;
		c->resting++;
		c->used--;
		c->n_single[r->subscriber][r->proto]++;
		c->singles[r->proto][class_of(r->port)]++;
	}
	assert_int_equal(p->resting_youngest, older);
	assert_int_equal(p->resting_pool.used, c->resting);
}

static void audit_idle(const struct nat64 *n, const struct count *c)
{
	const struct ports *p = &n->ports;
	uint32_t prev = 0, count = 0;
	uint16_t since = p->idle_oldest ? block__at(n, p->idle_oldest - 1)->idle_at : 0;

	for (uint32_t at = p->idle_oldest; at; at = block__at(n, at - 1)->idle_next) {
		const struct port_block *b = block__at(n, at - 1);

		assert_int_equal(b->idle_prev, prev);
		assert_true((int16_t)(b->idle_at - since) >= 0);
		prev = at;
		since = b->idle_at;
		count++;
	}
	assert_int_equal(p->idle_youngest, prev);
	assert_int_equal(p->n_idle, count);
	assert_int_equal(c->idle, count);
}

/* A subscriber's blocks with room: those of the address that it is paired with stand first. */
static void audit_room(const struct nat64 *n, uint32_t index, enum protocol_index i)
{
	const struct subscriber *s = &n->ports.subscriber[index];
	uint32_t prev = 0;

	for (uint32_t at = s->room[i]; at; at = block__at(n, at - 1)->next[i]) {
		const struct port_block *b = block__at(n, at - 1);

		assert_int_equal(b->holder, index + 1);
		assert_int_equal(b->prev[i], prev);
		prev = at;
	}
}

static uint32_t audit_subscribers(const struct nat64 *n, struct count *c)
{
	const struct ports *p = &n->ports;
	uint32_t found = 0;

	for (uint32_t head = 0; head < p->n_subscriber_heads; head++) {
		for (uint32_t at = p->subscriber_head[head]; at; at = p->subscriber[at - 1].next) {
			const struct subscriber *s = &p->subscriber[at - 1];
			uint32_t resting = 0, rests = 0;

			found++;
			assert_int_equal(s->n_blocks, c->n_blocks[at - 1]);
			assert_int_equal(s->n_closing, c->n_closing[at - 1]);
			assert_int_equal(s->n_ports, c->n_ports[at - 1]);
			assert_int_equal(s->n_flows, c->n_flows[at - 1]);
			for (enum protocol_index i = 0; i < N_PROTOS; i++) {
				assert_int_equal(s->n_single[i], c->n_single[at - 1][i]);
				audit_room(n, at - 1, i);
			}
			for (uint32_t r = s->resting; r; r = p->resting[r - 1].sub_older, rests++) {
				assert_int_equal(p->resting[r - 1].subscriber, at - 1);
				assert_int_equal(p->resting[r - 1].sub_younger, resting);
				resting = r;
			}
			c->holders += subscriber__held(s) > 0;
			c->resting -= rests;
			assert_true(s->n_flows || s->n_ports || subscriber__held(s));
		}
	}
	assert_int_equal(c->resting, 0);
	return found;
}

static void audit(const struct nat64 *n, const struct nat64_table *t)
{
	static struct count c;
	uint32_t n_split = 0;

	memset(&c, 0, sizeof(c));
	for (uint32_t slot = 0; slot < t->n_slots; slot++) {
		if (!t->slot[slot].used)
			continue;
		for (unsigned b = 0; b < STEER_BLOCKS; b++)
			audit_block(n, t, block__number(slot, b), &c);
		audit_slot_bits(n, slot);
		n_split += memcmp(n->ports.slot[slot].given[1], n->ports.slot[slot].given[0],
				  sizeof(n->ports.slot[slot].given[0])) ||
			   memcmp(n->ports.slot[slot].given[2], n->ports.slot[slot].given[0],
				  sizeof(n->ports.slot[slot].given[0]));
	}
	for (unsigned i = 0; i < SLOT_WORDS; i++)
		assert_int_equal(n->ports.pending[i], 0);
	assert_int_equal(n->ports.n_split, n_split);
	audit_mappings(n, &c);
	audit_resting(n, &c);
	assert_int_equal(c.statics, 0);
	assert_int_equal(c.used, 0); /* each bit is a mapping's, or rests */
	audit_idle(n, &c);
	assert_int_equal(audit_subscribers(n, &c), n->ports.subscriber_pool.used);
	assert_int_equal(c.holders, n->ports.n_holders);
	for (enum protocol_index i = 0; i < N_PROTOS; i++) {
		for (enum port_class class = 0; class < N_CLASSES; class ++) {
			const struct supply *s = &n->ports.supply[i][class];

			assert_int_equal(s->blocks, c.blocks[i][class]);
			assert_int_equal(s->free, c.free[i][class]);
			assert_int_equal(s->singles, c.singles[i][class]);
		}
	}
}

static uint32_t used_ports(const struct nat64 *n)
{
	uint32_t used = 0;

	for (uint32_t i = 0; i < n->pool.fresh; i++) {
		const struct mapping *m = &n->mapping[i];

		used += m->proto_plus && !(m->flags & MAPPING_GONE);
	}
	return used;
}

/** struct life - a bed and the sessions in it; @shape: of the pool */
struct life {
	struct bed *b;
	uint64_t seed;
	unsigned shape;
	uint32_t n;
	struct {
		struct flow_plan plan;
		unsigned worker;
	} session[SESSIONS];
};

static void shape_pool(struct life *l)
{
	struct bed *b = l->b;
	uint16_t some = (uint16_t)(rnd(&l->seed) % 500);

	b->conf.n_pool4 = 0;
	b->conf.quarantine.time_s = rnd(&l->seed) % 4 ? 20 : 0;
	b->conf.quarantine.ports = rnd(&l->seed) % 2 ? 0 : (uint32_t)(rnd(&l->seed) % 400);
	b->conf.port_parity = rnd(&l->seed) % 2;
	switch (l->shape) {
	case 0: /* system ports and others */
		bed_pool(b, "192.0.2.1", rnd(&l->seed) % 2 ? "192.0.2.2" : "192.0.2.1", 900,
			 (uint16_t)(2600 + some));
		break;
	case 1: /* two addresses of different ranges; the first may go */
		if (rnd(&l->seed) % 2)
			bed_pool(b, "192.0.2.1", "192.0.2.1", 1024, (uint16_t)(2000 + some));
		bed_pool(b, "192.0.2.2", "192.0.2.3", 2000, (uint16_t)(2800 + some));
		break;
	case 2: /* tiny */
		bed_pool(b, "192.0.2.1", "192.0.2.1", 1000, (uint16_t)(1100 + some / 2));
		break;
	case BIG: /* too many addresses to be taken up at once; some go */
		bed_pool(b, rnd(&l->seed) % 2 ? "192.0.2.1" : "192.0.2.70", "192.0.2.200",
			 (uint16_t)(900 + rnd(&l->seed) % 3 * 100), (uint16_t)(1300 + some));
		break;
	default: /* split by protocol */
		bed_pool(b, "192.0.2.1", "192.0.2.2", 1024, (uint16_t)(2500 + some));
		b->pool4[0].protocols = NAT64_TCP | NAT64_ICMP;
		bed_pool(b, "192.0.2.1", "192.0.2.1", 2300, 4000);
		b->pool4[1].protocols = NAT64_UDP;
	}
}

static void open_one(struct life *l)
{
	enum protocol_index i = rnd(&l->seed) % N_PROTOS;
	uint16_t port = (uint16_t)(rnd(&l->seed) % 4 ? 4000 + rnd(&l->seed) % 900
						     : 500 + rnd(&l->seed) % 50);
	struct tuple t = tuple_of("2001:db8:1::1", "64:ff9b:1::203.0.113.9", port,
				  i == PROTO_ICMP ? port : 80, wire[i]);
	struct flow_plan plan;

	t.src.octet[7] = (uint8_t)(rnd(&l->seed) % SUBSCRIBERS);
	t.dst.octet[15] = (uint8_t)rnd(&l->seed);
	if (l->n == SESSIONS || bed_open(l->b, &t, &plan).next != VERDICT_CONTINUE)
		return;
	l->session[l->n].worker = owner_of_tuple(l->b->steer, &t, SIDE_INSIDE);
	l->session[l->n++].plan = plan;
}

static void end_one(struct life *l)
{
	uint32_t i = l->n ? (uint32_t)(rnd(&l->seed) % l->n) : 0;
	struct flow f;

	if (!l->n)
		return;
	f = flow_of(&l->session[i].plan);
	nat64_flow_ended(l->b->n[l->session[i].worker], &f, l->b->now_ms);
	l->session[i] = l->session[--l->n];
}

static void statics(struct life *l)
{
	static const char *const hosts[] = { "2001:db8:1:3::9", "2001:db8:1:4::9",
					     "2001:db8:1:5::9" };
	static const char *const big[] = { "192.0.2.80", "192.0.2.150", "192.0.2.199" };

	l->b->conf.n_static = 0;
	for (unsigned i = 0; i < 3; i++)
		if (rnd(&l->seed) % 2)
			bed_static(l->b, NAT64_UDP, hosts[i], 4100,
				   l->shape == BIG ? big[rnd(&l->seed) % 3] : "192.0.2.2",
				   (uint16_t)((l->shape == BIG ? 1100 : 2500) + 40 * i));
}

static void lend(struct life *l)
{
	struct nat64_deal deal = { .protocol = (uint8_t)(1u << rnd(&l->seed) % 3),
				   .from = 0,
				   .to = 1,
				   .n = 1 + (uint32_t)rnd(&l->seed) % 4 };
	struct nat64_loan loan[NAT64_LOAN_MAX];
	uint32_t n;

	if (l->b->n_workers < 2)
		return;
	nat64_ask_loan(l->b->n[0], &deal);
	bed_advance(l->b, 1);
	n = nat64_take_loans(l->b->n[0], loan, NAT64_LOAN_MAX);
	for (uint32_t i = 0; i < n; i++)
		nat64_table_lend(l->b->t, &loan[i], 1);
}

/* What waits has its turn first. */
static void audit_all(const struct life *l)
{
	bed_finish(l->b);
	for (unsigned w = 0; w < l->b->n_workers; w++)
		audit(l->b->n[w], l->b->t);
}

static void step(struct life *l, int at)
{
	unsigned what = (unsigned)(rnd(&l->seed) % 1000);
	bool growing = at / 8000 % 2 == 0;

	if (what < (growing ? 650u : 350u)) {
		open_one(l);
	} else if (what < 970) {
		end_one(l);
	} else if (what < 999) {
		bed_advance(l->b, rnd(&l->seed) % 3000);
	} else {
		lend(l);
		shape_pool(l);
		if ((l->shape < 2 && l->b->conf.n_pool4) || l->shape == BIG)
			statics(l);
		if (l->shape == 0 && !addr_equal(&l->b->pool4[0].last, &(struct addr){ 0 }) &&
		    l->b->pool4[0].last.octet[15] != 2)
			l->b->conf.n_static = 0; /* the address of the entries is not there */
		bed_begin(l->b);
		if (l->shape != BIG)
			audit_all(l);
	}
}

static void the_books_are_right(unsigned shape, unsigned n_workers)
{
	struct life *l = calloc(1, sizeof(*l));

	assert_non_null(l);
	l->seed = test_seed() + shape;
	l->shape = shape;
	l->b = bed_new(n_workers);
	bed_prefix(l->b, "64:ff9b:1::/96");
	shape_pool(l);
	bed_up(l->b, 3000);
	for (int i = 0; i < (shape == BIG ? STEPS_BIG : STEPS); i++) {
		step(l, i);
		if (i % (shape == BIG ? AUDIT_EVERY_BIG : AUDIT_EVERY) == 0)
			audit_all(l);
	}
	while (l->n)
		end_one(l);
	l->b->conf.n_static = 0;
	bed_reload(l->b);
	audit_all(l);
	bed_advance(l->b, 20000 + 600);
	audit_all(l);
	for (unsigned w = 0; w < n_workers; w++) {
		assert_int_equal(nat64_ports_used(l->b->n[w]), 0);
		assert_int_equal(nat64_subscribers(l->b->n[w]), 0);
		assert_int_equal(nat64_mappings(l->b->n[w]), 0);
		assert_int_equal(used_ports(l->b->n[w]), 0);
	}
	bed_free(l->b);
	free(l);
}

static void of_a_pool_with_system_ports(void **state)
{
	(void)state;
	the_books_are_right(0, 1);
}

static void of_addresses_that_come_and_go(void **state)
{
	(void)state;
	the_books_are_right(1, 1);
}

static void of_a_tiny_pool(void **state)
{
	(void)state;
	the_books_are_right(2, 1);
}

static void of_a_pool_split_by_protocol(void **state)
{
	(void)state;
	the_books_are_right(3, 1);
}

static void of_workers_that_lend(void **state)
{
	(void)state;
	the_books_are_right(0, 2);
}

/* Sessions begin and end while a new table is taken up step by step. */
static void of_a_pool_that_is_taken_up_in_steps(void **state)
{
	(void)state;
	the_books_are_right(BIG, 1);
	the_books_are_right(BIG, 2);
}

/* The longest chain of an index; @next: offset of the link in an entry of @size bytes. */
static unsigned longest_chain(const uint32_t *head, uint32_t n, const void *entries, size_t size,
			      size_t next)
{
	unsigned longest = 0;

	for (uint32_t i = 0; i < n; i++) {
		unsigned len = 0;

		for (uint32_t at = head[i]; at; len++)
			memcpy(&at, (const uint8_t *)entries + (at - 1) * size + next, sizeof(at));
		longest = len > longest ? len : longest;
	}
	return longest;
}

/* Of what @x has, how much did not find room where it is looked for first. */
static unsigned n_elsewhere(const struct index *x)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < x->n_buckets; i++)
		n += x->bucket[i].n_elsewhere;
	return n;
}

/* Each part of what is looked up spreads over buckets and chains, so that nobody can make a search
 * long by what he varies. */
static void chains_are_short_whatever_differs(void **state)
{
	(void)state;
	for (unsigned part = 0; part < 4; part++) {
		struct bed *b = bed_new(1);
		const struct nat64 *n;

		bed_prefix(b, "64:ff9b:1::/96");
		bed_pool(b, "192.0.2.0", "192.0.2.15", 1024, 65535);
		b->conf.filtering = NAT64_ADDRESS_DEPENDENT;
		b->link = part % 2 ? "2001:db8:77::/64" : NULL;
		bed_up(b, 2000);
		for (uint32_t i = 0; i < 1800; i++) {
			struct tuple t = tuple_of("2001:db8:77::1", "64:ff9b:1::203.0.113.9", 4000,
						  80, i % 2 ? 6 : 17);
			uint32_t half = i / 2;

			if (part == 0)
				memcpy(t.src.octet + 4, &half, 4);
			else if (part == 1)
				memcpy(t.src.octet + 12, &half, 4);
			else if (part == 2)
				t.sport = be16_from((uint16_t)(4000 + half));
			else /* one mapping, many destinations */
				memcpy(t.dst.octet + 14, &half, 2);
			bed_must_open(b, &t);
		}
		n = b->n[0];
		assert_true(n_elsewhere(&n->inside) <= 18);
		assert_true(n_elsewhere(&n->outside) <= 18);
		assert_true(longest_chain(n->ports.subscriber_head, n->ports.n_subscriber_heads,
					  n->ports.subscriber, sizeof(*n->ports.subscriber),
					  offsetof(struct subscriber, next)) <= 12);
		assert_true(longest_chain(n->permit_head, n->n_permit_heads, n->permit, sizeof(*n->permit),
					  offsetof(struct permit, next)) <= 12);
		bed_free(b);
	}
}

static void a_mapping_takes_no_more_sessions_than_it_can_count(void **state)
{
	struct bed *b = bed_usual();
	struct tuple t = tuple_of("2001:db8:1::5", "64:ff9b:1::203.0.113.9", 5000, 53, 17), from;
	struct flow_plan first = bed_must_open(b, &t), plan;
	struct mapping *m = &b->n[0]->mapping[first.object];

	(void)state;
	t.dport = be16_from(54);
	from = first.key[1];
	from.sport = be16_from(7);
	m->n_sessions = MAPPING_SESSIONS_MAX;
	assert_dropped(bed_open(b, &t, &plan), DROP_BIB_FULL, REPLY_ADDR_UNREACHABLE);
	assert_dropped(bed_open(b, &from, &plan), DROP_INBOUND_LIMIT, REPLY_NONE);
	m->n_sessions = MAPPING_SESSIONS_MAX - 1;
	bed_must_open(b, &from);
	bed_must_open(b, &t);
	m->n_sessions += NAT64_INBOUND_PER_STATIC; /* that may still be answered */
	assert_int_equal(m->n_sessions, MAPPING_SESSIONS_MAX + NAT64_INBOUND_PER_STATIC);
	bed_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mapping_takes_no_more_sessions_than_it_can_count),
		{ "the_books_are_right_of_a_pool_with_system_ports", of_a_pool_with_system_ports,
		  NULL, NULL, NULL },
		{ "the_books_are_right_of_addresses_that_come_and_go",
		  of_addresses_that_come_and_go, NULL, NULL, NULL },
		{ "the_books_are_right_of_a_tiny_pool", of_a_tiny_pool, NULL, NULL, NULL },
		{ "the_books_are_right_of_a_pool_split_by_protocol", of_a_pool_split_by_protocol,
		  NULL, NULL, NULL },
		{ "the_books_are_right_of_workers_that_lend", of_workers_that_lend, NULL, NULL,
		  NULL },
		{ "the_books_are_right_of_a_pool_that_is_taken_up_in_steps",
		  of_a_pool_that_is_taken_up_in_steps, NULL, NULL, NULL },
		cmocka_unit_test(chains_are_short_whatever_differs),
	};

	return cmocka_run_group_tests_name("nat64/books", tests, NULL, NULL);
}
