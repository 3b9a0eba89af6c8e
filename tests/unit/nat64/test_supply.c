/*
 * test_supply.c - ports come back: from blocks with static entries in them, from blocks that change
 * their worker; and neither a search for a port nor a new table ever takes long.
 */
#include "bed.h"
#include "nat64_internal.h"

static const char *const server = "64:ff9b:1::203.0.113.9";

static struct tuple from(uint32_t which, uint16_t port)
{
	struct tuple t = tuple_of("2001:db8:1::1", server, port, 80, 17);

	t.src.octet[6] = (uint8_t)(which >> 8);
	t.src.octet[7] = (uint8_t)which;
	return t;
}

static struct bed *bed_of(unsigned n_workers, uint16_t last)
{
	struct bed *b = bed_new(n_workers);

	bed_prefix(b, "64:ff9b:1::/96");
	bed_pool(b, "192.0.2.1", "192.0.2.1", 1024, last);
	b->conf.quarantine.time_s = 120;
	bed_up(b, 100000);
	bed_advance(b, 1);
	return b;
}

static uint32_t block_of(const struct flow_plan *plan)
{
	return block__number(0, mapped_port(plan) / BLOCK_BITS);
}

static const struct supply *supply_of(const struct bed *b)
{
	return &b->n[0]->ports.supply[PROTO_UDP][CLASS_OTHER];
}

/* ---- static entries in a subscriber's block ---- */

static void block_comes_back_although_a_static_entry_is_in_it(void **state)
{
	struct bed *b = bed_of(1, 65535);
	struct tuple t = from(1, 5000);
	struct flow_plan plan = bed_must_open(b, &t);
	const struct port_block *block = block__at(b->n[0], block_of(&plan));

	(void)state;
	bed_static(b, NAT64_UDP, "2001:db8:1:77::1", 53, "192.0.2.1", mapped_port(&plan) ^ 1);
	bed_reload(b);
	assert_int_equal(b->n[0]->ports.n_holders, 1);
	bed_end(b, &plan);
	bed_advance(b, 119000);
	assert_int_equal(nat64_subscribers(b->n[0]), 1); /* it rests */
	bed_advance(b, 2000);
	assert_int_equal(nat64_subscribers(b->n[0]), 0);
	assert_int_equal(b->n[0]->ports.n_holders, 0);
	assert_int_equal(block->holder, HOLDER_SHARED);
	assert_int_equal(supply_of(b)->free, supply_of(b)->blocks - 1);
	b->conf.n_static = 0;
	bed_reload(b);
	assert_int_equal(supply_of(b)->free, supply_of(b)->blocks);
	assert_int_equal(nat64_ports_used(b->n[0]), 0);
	bed_free(b);
}

static void idle_block_comes_back_although_a_static_entry_comes_into_it(void **state)
{
	struct bed *b = bed_of(1, 65535);
	struct tuple t = from(1, 5000);
	struct flow_plan plan = bed_must_open(b, &t);

	(void)state;
	bed_end(b, &plan);
	bed_advance(b, 60000);
	bed_static(b, NAT64_UDP, "2001:db8:1:77::1", 53, "192.0.2.1", mapped_port(&plan) ^ 1);
	bed_reload(b);
	bed_advance(b, 61000);
	assert_int_equal(nat64_subscribers(b->n[0]), 0);
	assert_int_equal(block__at(b->n[0], block_of(&plan))->holder, HOLDER_SHARED);
	bed_free(b);
}

static void block_comes_back_although_a_mapping_in_it_became_static(void **state)
{
	struct bed *b = bed_of(1, 65535);
	struct tuple t = from(1, 5000);
	struct flow_plan plan = bed_must_open(b, &t), other;
	char inside[ADDR_TEXT_MAX];

	(void)state;
	t = from(1, 5001);
	other = bed_must_open(b, &t);
	assert_int_equal(block_of(&plan), block_of(&other));
	bed_static(b, NAT64_UDP, addr_format(&t.src, inside), 5000, "192.0.2.1", mapped_port(&plan));
	bed_reload(b);
	bed_end(b, &other);
	bed_end(b, &plan);
	bed_advance(b, 121000);
	assert_int_equal(block__at(b->n[0], block_of(&plan))->holder, HOLDER_SHARED);
	assert_int_equal(b->n[0]->ports.n_holders, 0);
	b->conf.n_static = 0;
	bed_reload(b);
	bed_advance(b, 121000);
	assert_int_equal(nat64_subscribers(b->n[0]), 0);
	assert_int_equal(supply_of(b)->free, supply_of(b)->blocks);
	bed_free(b);
}

/* A host's port in use keeps it, whatever static entries there are beside. */
static void block_stays_while_a_host_uses_it_beside_a_static_entry(void **state)
{
	struct bed *b = bed_of(1, 65535);
	struct tuple t = from(1, 5000);
	struct flow_plan plan = bed_must_open(b, &t);

	(void)state;
	for (unsigned i = 1; i <= 3; i++)
		bed_static(b, NAT64_UDP, "2001:db8:1:77::1", (uint16_t)(53 + i), "192.0.2.1",
			   mapped_port(&plan) ^ (uint16_t)i);
	bed_reload(b);
	bed_advance(b, 500000);
	assert_int_equal(b->n[0]->ports.n_holders, 1);
	assert_false(bed_stale(b, &plan));
	b->conf.n_static = 0;
	bed_reload(b);
	bed_advance(b, 500000);
	assert_int_equal(b->n[0]->ports.n_holders, 1);
	bed_free(b);
}

/* ---- blocks that change their worker (RFC 6888 REQ-8) ---- */

static uint32_t subscriber_of(const struct bed *b, unsigned w, uint32_t after)
{
	for (uint32_t i = after + 1;; i++) {
		struct tuple t = from(i, 1);

		if (owner_of_tuple(b->steer, &t, SIDE_INSIDE) == w)
			return i;
	}
}

/* All that the hosts of worker 1 beyond subscriber @after can get. Return: how many ports of @block were among it. */
static unsigned take_all(struct bed *b, unsigned block, uint32_t after)
{
	unsigned n_refused = 0, n_in = 0;
	struct flow_plan plan;

	for (uint32_t s = after; n_refused < 50;) {
		struct tuple t;
		unsigned n = 0;

		s = subscriber_of(b, 1, s);
		for (;; n++) {
			t = from(s, (uint16_t)(1024 + n));
			if (bed_open(b, &t, &plan).next != VERDICT_CONTINUE)
				break;
			n_in += mapped_port(&plan) / BLOCK_BITS == block;
		}
		n_refused = n ? 0 : n_refused + 1;
	}
	return n_in;
}

static void moved_block_rests_before_its_new_worker_gives_it_out(void **state)
{
	struct bed *b = bed_of(2, 1024 + 200 * 64 - 1);
	struct tuple t = from(subscriber_of(b, 0, 0), 5000);
	struct flow_plan plan = bed_must_open(b, &t);
	unsigned block = mapped_port(&plan) / BLOCK_BITS;
	char inside[64];

	(void)state;
	assert_int_equal(bed_owner(b, &plan), 0);
	snprintf(inside, sizeof(inside), "2001:db8:1:%x::1", subscriber_of(b, 1, 0));
	bed_static(b, NAT64_UDP, inside, 53, "192.0.2.1", mapped_port(&plan) ^ 1);
	bed_reload(b);
	assert_int_equal(bed_owner(b, &plan), 1);
	assert_int_equal(take_all(b, block, 0), 0);
	bed_advance(b, 119000);
	assert_int_equal(take_all(b, block, 10000), 0);
	bed_advance(b, 2000);
	assert_in_range(take_all(b, block, 20000), 1, 63);
	bed_free(b);
}

/* It has rested where it was. */
static void lent_block_serves_at_once(void **state)
{
	struct bed *b = bed_of(2, 1024 + 200 * 64 - 1);
	struct nat64_deal deal = { NAT64_UDP, 0, 1, 10, false };
	uint32_t free = nat64_need(b->n[1], NAT64_UDP).free;
	struct nat64_loan loan[10];

	(void)state;
	nat64_ask_loan(b->n[0], &deal);
	bed_advance(b, 1);
	assert_int_equal(nat64_take_loans(b->n[0], loan, 10), 10);
	for (unsigned i = 0; i < 10; i++)
		assert_true(nat64_table_lend(b->t, &loan[i], 1));
	bed_reload(b);
	bed_advance(b, 1);
	assert_int_equal(nat64_need(b->n[1], NAT64_UDP).free, free + 10);
	bed_free(b);
}

/* A pool that becomes big enough to be cut up: what one worker had goes to the others, and rests. */
static void blocks_that_are_dealt_out_anew_rest(void **state)
{
	struct bed *b = bed_of(2, 1024 + 7 * 64 - 1);
	uint32_t n_blocks;

	(void)state;
	b->pool4[0].port_last = 1024 + 200 * 64 - 1;
	bed_reload(b);
	bed_advance(b, 1);
	n_blocks = nat64_need(b->n[1], NAT64_UDP).blocks;
	assert_in_range(n_blocks, 95, 105);
	assert_in_range(n_blocks - nat64_need(b->n[1], NAT64_UDP).free, 3, 4); /* half of the seven */
	bed_advance(b, 121000);
	bed_advance(b, 1);
	assert_int_equal(nat64_need(b->n[1], NAT64_UDP).free, n_blocks);
	bed_free(b);
}

/* `quarantine: ports` bounds what rests for whatever reason. */
static void more_moved_blocks_than_may_rest_do_not(void **state)
{
	struct bed *b = bed_of(2, 1024 + 7 * 64 - 1);

	(void)state;
	b->pool4[0].port_last = 1024 + 200 * 64 - 1;
	b->conf.quarantine.ports = 2 * 64 + 63;
	bed_reload(b);
	bed_advance(b, 1);
	assert_int_equal(nat64_need(b->n[1], NAT64_UDP).blocks - nat64_need(b->n[1], NAT64_UDP).free, 2);
	bed_free(b);
}

/* ---- the search for a port ---- */

/* Whichever port of it is the last: nobody looks at a full block again. */
static void block_that_is_full_is_off_the_list_of_those_with_room(void **state)
{
	struct bed *b = bed_of(1, 65535);

	(void)state;
	for (uint32_t s = 0; s < 400; s++) {
		struct flow_plan plan;

		for (uint16_t i = 0; i < 64; i++) {
			struct tuple t = from(s, (uint16_t)(5000 + i));

			plan = bed_must_open(b, &t);
			assert_int_equal(b->n[0]->ports.subscriber[s].room[PROTO_UDP],
					 i < 63 ? block_of(&plan) + 1 : 0);
		}
	}
	bed_free(b);
}

/* A static entry has taken its last port: it is looked at once more, and then never again. */
static void block_that_a_static_entry_filled_is_off_the_list_after_one_look(void **state)
{
	struct bed *b = bed_of(1, 65535);
	const struct port_block *pb;
	struct flow_plan plan;
	uint64_t used = 0;
	uint32_t number;

	(void)state;
	for (uint16_t i = 0; i < 63; i++) {
		struct tuple t = from(0, (uint16_t)(5000 + i));

		plan = bed_must_open(b, &t);
		used |= 1ull << mapped_port(&plan) % 64;
	}
	number = block_of(&plan);
	bed_static(b, NAT64_UDP, "2001:db8:1:99::1", 53, "192.0.2.1",
		   (uint16_t)(block__first_port(number) + (unsigned)__builtin_ctzll(~used)));
	bed_reload(b);
	for (uint16_t i = 0; i < 2; i++) {
		struct tuple t = from(0, (uint16_t)(6000 + i));

		plan = bed_must_open(b, &t);
		assert_int_not_equal(block_of(&plan), number);
		pb = block__at(b->n[0], block_of(&plan));
		assert_int_equal(pb->prev[PROTO_UDP], 0);
		assert_int_equal(pb->next[PROTO_UDP], 0);
	}
	bed_free(b);
}

/* The same of a block that is given out port by port; and of one that hosts have filled. */
static void shared_block_that_is_full_has_no_room(void **state)
{
	(void)state;
	for (unsigned by_static = 0; by_static < 2; by_static++) {
		struct bed *b = bed_of(1, 1024 + 3);
		const struct ports *p = &b->n[0]->ports;
		struct flow_plan plan, none;
		struct tuple t;
		unsigned used = 0;

		for (uint32_t s = 0; s < 4 - by_static; s++) {
			t = from(s, 5000);
			assert_true(bit_test(p->has_free[PROTO_UDP][CLASS_OTHER], 0) ||
				    bit_test(p->has_room[PROTO_UDP][CLASS_OTHER], 0));
			plan = bed_must_open(b, &t);
			used |= 1u << mapped_port(&plan) % 64;
		}
		if (by_static) {
			bed_static(b, NAT64_UDP, "2001:db8:1:99::1", 53, "192.0.2.1",
				   (uint16_t)(1024 + __builtin_ctz(~used)));
			bed_reload(b);
			t = from(9, 5000);
			assert_int_equal(bed_open(b, &t, &none).next, VERDICT_DROP);
		}
		assert_false(bit_test(p->has_room[PROTO_UDP][CLASS_OTHER], 0));
		bed_free(b);
	}
}

/* RFC 4787 REQ-4 is a wish: a host gets an odd port for an even one rather than none, and rather
 * than all blocks are looked at. */
static void search_for_parity_is_bounded_and_ends_with_another_port(void **state)
{
	enum { ADDRESSES = 64, HOSTS = ADDRESSES * 1023 };
	struct bed *b = bed_new(1);
	uint64_t worst = 0;
	unsigned n = 0;

	(void)state;
	bed_prefix(b, "64:ff9b:1::/96");
	bed_pool(b, "10.0.0.0", "10.0.0.63", 1, 1023);
	b->conf.port_parity = true;
	bed_up(b, HOSTS + 10);
	for (uint32_t i = 0; i <= HOSTS; i++) {
		struct tuple t = tuple_of("2001:db8:1::", server, 2, 80, 17);
		uint64_t before = b->n[0]->counter;
		struct flow_plan plan;

		t.src.octet[5] = (uint8_t)(i >> 16);
		t.src.octet[6] = (uint8_t)(i >> 8);
		t.src.octet[7] = (uint8_t)i;
		n += bed_open(b, &t, &plan).next == VERDICT_CONTINUE;
		before = b->n[0]->counter - before;
		worst = before > worst ? before : worst;
	}
	assert_int_equal(n, HOSTS); /* all there are */
	assert_in_range(worst, LOOKS_FOR_PARITY, LOOKS_FOR_PARITY + LOOKS_MAX + 8);
	bed_free(b);
}

/* ---- a new table ---- */

static void section_that_stays_the_same_keeps_its_table(void **state)
{
	struct bed *b = bed_of(1, 65535);
	struct exempt_conf exempt = { .port_last = 65535 };
	const struct nat64_conf same = b->conf;

	(void)state;
	bed_reload(b);
	assert_ptr_equal(b->t, b->old);
	bed_reload(b);
	assert_ptr_equal(b->t, b->old);
	for (unsigned i = 0; i < 13; i++) {
		b->conf = same;
		b->pool4[0].port_last = 65535;
		b->conf.exempt = &exempt;
		switch (i) {
		case 0: b->conf.quarantine.time_s++; break;
		case 1: b->conf.quarantine.ports = 100; break;
		case 2: b->conf.limits.flows = 9; break;
		case 3: b->conf.limits.ports = 9; break;
		case 4: b->conf.limits.new_flows = 9; break;
		case 5: b->conf.limits.subscriber_prefix = 60; break;
		case 6: b->conf.port_parity = true; break;
		case 7: b->conf.allow_private = true; break;
		case 8: b->conf.filtering = NAT64_ADDRESS_DEPENDENT; break;
		case 9: b->conf.log_what = NAT64_LOG_BLOCKS; break;
		case 10: b->conf.n_exempt = 1; break;
		case 11: b->pool4[0].port_last = 65534; break;
		case 12: bed_static(b, NAT64_UDP, "2001:db8:1:7::1", 53, "192.0.2.1", 53); break;
		}
		bed_reload(b);
		assert_ptr_not_equal(b->t, b->old);
	}
	bed_free(b);
}

static void table_is_made_anew_when_the_inside_changes(void **state)
{
	struct bed *b = bed_of(1, 65535);
	struct nat64_table *t = NULL;

	(void)state;
	b->steer->n_prefix = 0;
	steering_init(b->steer, 1, &b->key);
	assert_int_equal(nat64_table_new(&t, &b->conf, b->t, b->steer, &b->err), 0);
	assert_ptr_not_equal(t, b->t);
	nat64_table_free(t);
	bed_free(b);
}

static unsigned n_pending(const struct nat64 *n)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < SLOT_WORDS; i++)
		sum += count_bits(n->ports.pending[i]);
	return sum;
}

static struct bed *bed_of_1023_addresses(void)
{
	struct bed *b = bed_new(1);

	bed_prefix(b, "64:ff9b:1::/96");
	bed_pool(b, "10.0.0.0", "10.0.3.254", 1024, 65535);
	bed_up(b, 10000);
	return b;
}

static void swap_table(struct bed *b)
{
	b->old = b->t;
	b->steer_old = b->steer;
	assert_int_equal(bed_compile(b), 0);
}

static void address_more_is_looked_at_alone(void **state)
{
	struct bed *b = bed_of_1023_addresses();
	unsigned n = 0;

	(void)state;
	b->pool4[0].last = addr_of("10.0.3.255");
	swap_table(b);
	for (unsigned i = 0; i < NAT64_POOL_MAX; i++)
		n += b->t->changed[i] == b->t->serial;
	assert_int_equal(n, 1);
	nat64_use_table(b->n[0], b->t, b->now_ms);
	assert_int_equal(n_pending(b->n[0]), 0);
	assert_int_equal(supply_of(b)->blocks, 1024 * 1008);
	bed_free(b);
}

static void pool_that_changes_as_a_whole_is_taken_up_in_bounded_steps(void **state)
{
	struct bed *b = bed_of_1023_addresses();
	unsigned left = 1023, steps = 0;

	(void)state;
	b->pool4[0].port_first = 2048;
	swap_table(b);
	nat64_use_table(b->n[0], b->t, b->now_ms);
	assert_in_range(n_pending(b->n[0]), 900, 1022);
	left = n_pending(b->n[0]);
	while (nat64_adopt(b->n[0], b->t)) {
		assert_in_range(left - n_pending(b->n[0]), 0, 64);
		left = n_pending(b->n[0]);
		assert_in_range(++steps, 1, 100);
	}
	assert_int_equal(left, 0);
	assert_int_equal(supply_of(b)->blocks, 1023 * 992);
	assert_int_equal(supply_of(b)->free, 1023 * 992);
	bed_free(b);
}

static struct tuple from_web(unsigned i, uint16_t outside_port)
{
	struct tuple t = tuple_of("198.51.100.7", "10.0.0.0", 999, outside_port, 6);

	t.dst.octet[14] = (uint8_t)(i >> 8);
	t.dst.octet[15] = (uint8_t)i;
	return t;
}

static struct tuple by_web(uint16_t inside_port)
{
	return tuple_of("2001:db8:1::80", "64:ff9b:1::203.0.113.9", inside_port, 80, 6);
}

/* An entry on each address, all of them new, as is every address's range: none of them is missed by a
 * packet, though most are not looked at yet. */
static void static_entries_are_taken_up_with_their_address(void **state)
{
	enum { N = 1000 };
	struct bed *b = bed_of_1023_addresses();
	unsigned left, steps = 0;

	(void)state;
	for (unsigned i = 0; i < N; i++) {
		char outside[20];

		snprintf(outside, sizeof(outside), "10.0.%u.%u", i >> 8, i & 255);
		bed_static(b, NAT64_TCP, "2001:db8:1::80", (uint16_t)(5000 + i), outside,
			   (uint16_t)(3000 + i));
	}
	b->pool4[0].port_first = 2048;
	swap_table(b);
	nat64_use_table(b->n[0], b->t, b->now_ms);
	assert_in_range(n_pending(b->n[0]), 900, 1022);
	for (unsigned i = N - 1; i > N - 100; i--) {
		struct tuple in = from_web(i, (uint16_t)(3000 + i)), out = by_web((uint16_t)(5000 + i));
		struct flow_plan plan = i % 2 ? bed_must_open(b, &in) : bed_must_open(b, &out);

		assert_int_equal(be16_to(plan.key[0].sport), 5000 + i);
		assert_int_equal(mapped_port(&plan), 3000 + i);
		assert_int_equal(supply_of(b)->ports, share__singles(supply_of(b)->blocks) * 64);
	}
	left = n_pending(b->n[0]);
	assert_in_range(left, 700, 950);
	while (nat64_adopt(b->n[0], b->t)) {
		assert_in_range(left - n_pending(b->n[0]), 0, 64);
		left = n_pending(b->n[0]);
		assert_in_range(++steps, 1, 100);
	}
	assert_false(b->n[0]->statics.waiting);
	assert_int_equal(nat64_mappings(b->n[0]), N);
	assert_int_equal(nat64_ports_used(b->n[0]), N);
	for (unsigned i = 0; i < N; i++) {
		struct tuple in = from_web(i, (uint16_t)(3000 + i));
		struct flow_plan plan = bed_must_open(b, &in);

		assert_int_equal(be16_to(plan.key[0].sport), 5000 + i);
	}
	nat64_table_free(b->old);
	free(b->steer_old);
	b->conf.limits.flows = 10; /* a change of something else is no reason to look at them again */
	swap_table(b);
	nat64_use_table(b->n[0], b->t, b->now_ms);
	assert_int_equal(n_pending(b->n[0]), 0);
	bed_free(b);
}

static void packet_is_served_while_the_pool_is_still_taken_up(void **state)
{
	struct bed *b = bed_of_1023_addresses();
	struct flow_plan plan[500], again;
	unsigned n_low = 0;

	(void)state;
	for (unsigned i = 0; i < 500; i++) {
		struct tuple t = from(i, 5000);

		plan[i] = bed_must_open(b, &t);
	}
	b->pool4[0].port_first = 32768;
	swap_table(b);
	nat64_use_table(b->n[0], b->t, b->now_ms);
	for (unsigned i = 0; i < 500; i++) {
		struct tuple t = from(i, 5001);

		n_low += mapped_port(&plan[i]) < 32768;
		assert_int_equal(bed_stale(b, &plan[i]), mapped_port(&plan[i]) < 32768);
		again = bed_must_open(b, &t);
		assert_in_range(mapped_port(&again), 32768, 65535);
		assert_true(addr_equal(&again.key[1].dst, &plan[i].key[1].dst) ||
			    mapped_port(&plan[i]) < 32768);
		bed_end(b, &plan[i]);
		bed_end(b, &again);
	}
	assert_in_range(n_low, 150, 350);
	while (nat64_adopt(b->n[0], b->t))
		;
	assert_int_equal(supply_of(b)->free, 1023 * 512);
	assert_int_equal(nat64_subscribers(b->n[0]), 0);
	bed_free(b);
}

/* Whatever rests, an entry finds its own port among it at once: hosts can fill that list. */
static void port_that_rests_is_found_by_a_look_or_two_among_all_that_do(void **state)
{
	enum { ADDRESSES = 17, SINGLES = ADDRESSES * 1023, LOOKS = 12 };
	static struct flow_plan plan[SINGLES];
	struct bed *b = bed_new(1);
	uint32_t worst = 0, sum = 0, n_woken = 0;

	(void)state;
	bed_prefix(b, "64:ff9b:1::/96");
	bed_pool(b, "10.0.0.0", "10.0.0.16", 1, 1023);
	b->conf.quarantine.time_s = 120;
	bed_up(b, SINGLES + 10);
	for (unsigned i = 0; i < SINGLES; i++) {
		struct tuple t = from(1, (uint16_t)(i + 1));

		plan[i] = bed_must_open(b, &t);
	}
	for (unsigned i = 0; i < SINGLES; i++)
		bed_end(b, &plan[i]);
	assert_int_equal(b->n[0]->ports.resting_pool.used, RESTING_MAX);
	for (unsigned i = SINGLES - RESTING_MAX; i < SINGLES; i++) {
		const struct mapping like = {
			.slot = plan[i].key[1].dst.octet[15], .outside_port = mapped_port(&plan[i]),
			.proto_plus = PROTO_UDP + 1 };
		uint32_t rested = b->n[0]->ports.resting_pool.used;
		uint32_t looks = single__wake(b->n[0], &like);

		n_woken += rested - b->n[0]->ports.resting_pool.used;
		worst = looks > worst ? looks : worst;
		sum += looks;
	}
	print_message("looks: %u in all, %u at most\n", sum, worst);
	assert_int_equal(n_woken, RESTING_MAX);
	assert_in_range(worst, 1, LOOKS);
	assert_in_range(sum, RESTING_MAX, 2 * RESTING_MAX);
	assert_int_equal(nat64_ports_used(b->n[0]), 0);
	bed_free(b);
}

/* ---- what opens nothing ---- */

/* RFC 6888 REQ-6: exempt wins over whatever there was before. */
static void reload_that_exempts_a_destination_ends_sessions_with_it(void **state)
{
	struct bed *b = bed_of(1, 65535);
	struct exempt_conf exempt = { .port_first = 80, .port_last = 80 };
	struct tuple t = from(1, 5000), other = t, in;
	struct flow_plan plan, kept, answered, none;

	(void)state;
	other.dport = be16_from(81);
	plan = bed_must_open(b, &t);
	kept = bed_must_open(b, &other);
	in = plan.key[1];
	in.src = addr_of("203.0.113.10");
	answered = bed_must_open(b, &in);
	assert_int_equal(prefix_parse("203.0.113.8/29", &exempt.destination), 0);
	b->conf.exempt = &exempt;
	b->conf.n_exempt = 1;
	bed_reload(b);
	assert_true(bed_stale(b, &plan));
	assert_false(bed_stale(b, &kept));
	assert_true(bed_stale(b, &answered));
	assert_dropped(bed_open(b, &t, &none), DROP_EXEMPT, REPLY_ADMIN_PROHIBITED);
	assert_dropped(bed_open(b, &in, &none), DROP_EXEMPT, REPLY_NONE);
	in.dport = be16_from(1); /* what nobody waits for is that, first of all */
	assert_dropped(bed_open(b, &in, &none), DROP_NO_BIB_ENTRY, REPLY_NONE);
	bed_free(b);
}

/* RFC 7915 1.2 */
static void fragmented_echo_opens_nothing(void **state)
{
	struct bed *b = bed_of(1, 65535);
	struct tuple t = tuple_of("2001:db8:1::1", server, 7, 7, 58);
	struct packet p = first_packet(&t);
	struct flow_plan plan, none;
	struct tuple in;

	(void)state;
	p.flags |= PACKET_FRAGMENT | PACKET_FIRST_FRAGMENT;
	assert_dropped(bed_ask(b, &p, &plan), DROP_FRAGMENT_ICMP, REPLY_ADMIN_PROHIBITED);
	assert_int_equal(nat64_mappings(b->n[0]), 0);
	assert_int_equal(nat64_subscribers(b->n[0]), 0);
	plan = bed_must_open(b, &t);
	in = plan.key[1];
	in.src = addr_of("203.0.113.77");
	p = first_packet(&in);
	p.flags |= PACKET_FRAGMENT | PACKET_FIRST_FRAGMENT;
	assert_dropped(bed_ask(b, &p, &none), DROP_FRAGMENT_ICMP, REPLY_ADMIN_PROHIBITED);
	bed_end(b, &plan);
	assert_int_equal(nat64_mappings(b->n[0]), 0); /* nobody else holds it */
	bed_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(block_comes_back_although_a_static_entry_is_in_it),
		cmocka_unit_test(idle_block_comes_back_although_a_static_entry_comes_into_it),
		cmocka_unit_test(block_comes_back_although_a_mapping_in_it_became_static),
		cmocka_unit_test(block_stays_while_a_host_uses_it_beside_a_static_entry),
		cmocka_unit_test(moved_block_rests_before_its_new_worker_gives_it_out),
		cmocka_unit_test(lent_block_serves_at_once),
		cmocka_unit_test(blocks_that_are_dealt_out_anew_rest),
		cmocka_unit_test(more_moved_blocks_than_may_rest_do_not),
		cmocka_unit_test(block_that_is_full_is_off_the_list_of_those_with_room),
		cmocka_unit_test(block_that_a_static_entry_filled_is_off_the_list_after_one_look),
		cmocka_unit_test(shared_block_that_is_full_has_no_room),
		cmocka_unit_test(search_for_parity_is_bounded_and_ends_with_another_port),
		cmocka_unit_test(section_that_stays_the_same_keeps_its_table),
		cmocka_unit_test(table_is_made_anew_when_the_inside_changes),
		cmocka_unit_test(address_more_is_looked_at_alone),
		cmocka_unit_test(pool_that_changes_as_a_whole_is_taken_up_in_bounded_steps),
		cmocka_unit_test(static_entries_are_taken_up_with_their_address),
		cmocka_unit_test(packet_is_served_while_the_pool_is_still_taken_up),
		cmocka_unit_test(port_that_rests_is_found_by_a_look_or_two_among_all_that_do),
		cmocka_unit_test(reload_that_exempts_a_destination_ends_sessions_with_it),
		cmocka_unit_test(fragmented_echo_opens_nothing),
	};

	return cmocka_run_group_tests_name("nat64/supply", tests, NULL, NULL);
}
