/* test_blocks.c - blocks of ports per subscriber, quarantine, and fair shares: RFC 6888 REQ-8,
 * REQ-13, REQ-14, RFC 4787 REQ-4, RFC 6146 5.3. */
#include "bed.h"
#include "sixgate/nat64/event.h"

static const char *const server = "64:ff9b:1::203.0.113.9";

enum { MINUTE_MS = 60000, QUARANTINE_MS = 120000, TICK_MS = 256 };

/* Host @host of subscriber @which, a /64. */
static struct tuple from(uint16_t which, uint8_t host, uint16_t port, uint8_t proto)
{
	struct tuple t = tuple_of("2001:db8:1::1", server, port, proto == 58 ? port : 80, proto);

	t.src.octet[6] = (uint8_t)(which >> 8);
	t.src.octet[7] = (uint8_t)which;
	t.src.octet[15] = host;
	return t;
}

static struct bed *bed_with(uint16_t first, uint16_t last, uint32_t quarantine_s)
{
	struct bed *b = bed_new(1);

	bed_prefix(b, "64:ff9b:1::/96");
	bed_pool(b, "192.0.2.1", "192.0.2.1", first, last);
	b->conf.quarantine.time_s = quarantine_s;
	b->conf.log_what = NAT64_LOG_BLOCKS;
	bed_up(b, 70000);
	return b;
}

static struct nat64_event next_event(struct bed *b)
{
	struct nat64_event e = { 0 };

	nat64_event_read(nat64_events(b->n[0]), &e);
	return e;
}

/* RFC 6888 REQ-14: sixty-four ports of each protocol, one record. */
static void block_of_64_ports_serves_all_protocols_and_hosts_of_a_subscriber(void **state)
{
	static const uint8_t proto[] = { 6, 17, 58 };
	struct bed *b = bed_with(1024, 65535, 120);
	struct nat64_event e;
	unsigned block = 0;
	struct tuple t;

	(void)state;
	for (uint16_t i = 0; i < 3 * 64; i++) {
		struct flow_plan plan;

		t = from(1, (uint8_t)(1 + i % 5), (uint16_t)(3000 + i), proto[i % 3]);
		plan = bed_must_open(b, &t);

		if (i == 0)
			block = mapped_port(&plan) / 64;
		assert_int_equal(mapped_port(&plan) / 64, block);
	}
	e = next_event(b);
	assert_int_equal(e.kind, NAT64_EVENT_BLOCK_ALLOCATED);
	assert_int_equal(e.protocol, 0);
	assert_int_equal(e.port_first, block * 64);
	assert_int_equal(e.port_last, block * 64 + 63);
	assert_int_equal(e.subscriber_len, 64);
	assert_int_equal(e.inside.octet[7], 1);
	assert_int_equal(e.inside.octet[15], 0);
	assert_int_equal(e.outside.octet[15], 1);
	assert_int_equal(next_event(b).kind, 0);
	t = from(1, 9, 9, 17);
	bed_must_open(b, &t);
	assert_int_equal(next_event(b).kind, NAT64_EVENT_BLOCK_ALLOCATED);
	bed_free(b);
}

/* RFC 6888 REQ-8: not before 120 s another one; the subscriber itself at once. */
static void freed_block_rests_120_s_before_another_subscriber_gets_it(void **state)
{
	struct bed *b = bed_with(1024, 1024 + 16 * 64 - 1, 120); /* 16 blocks */
	struct flow_plan plan[16], none;
	bool seen[16] = { 0 };
	unsigned block;
	struct tuple t;

	(void)state;
	for (uint16_t i = 0; i < 14; i++) { /* two more are kept, to be given out singly */
		t = from(i, 1, 5000, 17);
		plan[i] = bed_must_open(b, &t);
		block = (mapped_port(&plan[i]) - 1024) / 64;
		assert_false(seen[block]);
		seen[block] = true;
	}
	bed_end(b, &plan[3]);
	block = mapped_port(&plan[3]) / 64;
	bed_advance(b, QUARANTINE_MS - TICK_MS);
	for (uint16_t i = 100; i < 140; i++) { /* others come, and find singles */
		t = from(i, 1, 5000, 17);
		none = bed_must_open(b, &t);
		assert_int_not_equal(mapped_port(&none) / 64, block);
		bed_end(b, &none);
	}
	t = from(3, 2, 6000, 17); /* its own, at once */
	plan[3] = bed_must_open(b, &t);
	assert_int_equal(mapped_port(&plan[3]) / 64, block);
	bed_end(b, &plan[3]); /* and the time begins anew */
	bed_advance(b, QUARANTINE_MS - TICK_MS);
	t = from(200, 1, 5000, 6);
	none = bed_must_open(b, &t);
	assert_int_not_equal(mapped_port(&none) / 64, block);
	bed_end(b, &none);
	bed_advance(b, QUARANTINE_MS + TICK_MS);
	for (uint16_t i = 201;; i++) { /* somebody else gets it before others get nothing */
		t = from(i, 1, 5000, 6);
		none = bed_must_open(b, &t);
		if (mapped_port(&none) / 64 == block)
			break;
	}
	bed_free(b);
}

/* The same for one port of a tiny pool. */
static void freed_single_rests_and_only_its_own_subscriber_gets_it_earlier(void **state)
{
	struct bed *b = bed_with(2000, 2003, 120);
	struct flow_plan plan[4], none;
	struct tuple t;

	(void)state;
	for (uint16_t i = 0; i < 4; i++) {
		t = from(i, 1, 5000, 6);
		plan[i] = bed_must_open(b, &t);
	}
	t = from(9, 1, 5000, 6);
	assert_dropped(bed_open(b, &t, &none), DROP_POOL4_EXHAUSTED, REPLY_ADDR_UNREACHABLE);
	bed_end(b, &plan[2]);
	assert_int_equal(nat64_ports_used(b->n[0]), 3);
	bed_advance(b, QUARANTINE_MS - TICK_MS);
	assert_dropped(bed_open(b, &t, &none), DROP_POOL4_EXHAUSTED, REPLY_ADDR_UNREACHABLE);
	t = from(2, 7, 4000, 6);
	plan[2] = bed_must_open(b, &t);
	assert_int_equal(nat64_ports_used(b->n[0]), 4);
	bed_end(b, &plan[2]);
	bed_advance(b, QUARANTINE_MS + TICK_MS);
	t = from(9, 1, 5000, 6);
	none = bed_must_open(b, &t);
	assert_int_equal(mapped_port(&none), mapped_port(&plan[2]));
	bed_free(b);
}

/* RFC 6888 REQ-8: "the maximum number of ports in this state" is configurable. */
static void more_than_so_many_ports_do_not_rest(void **state)
{
	struct bed *b = bed_new(1);
	struct flow_plan plan[8];
	struct tuple t;

	(void)state;
	bed_prefix(b, "64:ff9b:1::/96");
	bed_pool(b, "192.0.2.1", "192.0.2.1", 1024, 1024 + 16 * 64 - 1);
	b->conf.quarantine = (struct nat64_quarantine){ 120, 4 * 64 };
	b->conf.log_what = NAT64_LOG_BLOCKS;
	bed_up(b, 1000);
	for (uint16_t i = 0; i < 8; i++) {
		t = from(i, 1, 5000, 17);
		plan[i] = bed_must_open(b, &t);
		assert_int_equal(next_event(b).kind, NAT64_EVENT_BLOCK_ALLOCATED);
	}
	for (uint16_t i = 0; i < 8; i++) {
		struct nat64_event e;

		bed_end(b, &plan[i]);
		e = next_event(b);
		assert_int_equal(e.kind, i < 4 ? 0 : NAT64_EVENT_BLOCK_RELEASED);
		if (i >= 4) /* that which has rested longest */
			assert_int_equal(e.inside.octet[7], i - 4);
	}
	bed_free(b);
}

/* Subscribers one after another, each taking all it gets: the ones that come late get something. */
static void newcomers_always_find_something_while_others_hold_much(void **state)
{
	struct bed *b = bed_with(1024, 65535, 120);
	uint32_t got[200] = { 0 };
	struct flow_plan plan;

	(void)state;
	for (uint16_t i = 0; i < 200; i++) {
		for (;; got[i]++) {
			struct tuple t = from(i, (uint8_t)(got[i] >> 14), (uint16_t)got[i], 17);

			if (bed_open(b, &t, &plan).next != VERDICT_CONTINUE)
				break;
		}
		if (got[i] == 0)
			fail_msg("subscriber %u got nothing", i);
	}
	assert_true(got[0] < 63000);
	bed_free(b);
}

/* In turns: even shares, and most of the pool in use (RFC 6888 REQ-13). */
static void subscribers_in_turns_get_even_shares(void **state)
{
	static const uint32_t sizes[][2] = { { 2000, 2063 }, { 1024, 4095 }, { 1024, 65535 } };

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(sizes); k++) {
		struct bed *b = bed_with((uint16_t)sizes[k][0], (uint16_t)sizes[k][1], 120);
		uint32_t n = sizes[k][1] - sizes[k][0] + 1, total = 0, least = UINT32_MAX;
		const uint16_t subscribers = 10;
		uint32_t got[10] = { 0 };
		struct flow_plan plan;

		for (uint32_t turn = 0; turn < n; turn++)
			for (uint16_t i = 0; i < subscribers; i++) {
				struct tuple t = from(i, (uint8_t)(turn >> 14), (uint16_t)turn, 6);

				got[i] += bed_open(b, &t, &plan).next == VERDICT_CONTINUE;
			}
		for (uint16_t i = 0; i < subscribers; i++) {
			total += got[i];
			least = got[i] < least ? got[i] : least;
		}
		print_message("%u ports: %u given out, least %u\n", n, total, least);
		assert_true(total >= n * 80 / 100);
		assert_true(least >= n / subscribers * 70 / 100);
		bed_free(b);
	}
}

/* A block for TCP is none for UDP: who has only that is a newcomer there. */
static void pool_split_by_protocol_serves_newcomers_of_each(void **state)
{
	struct bed *b = bed_new(1);
	struct flow_plan plan;
	struct tuple t;

	(void)state;
	bed_prefix(b, "64:ff9b:1::/96");
	bed_pool(b, "192.0.2.1", "192.0.2.1", 1024, 5119);
	bed_pool(b, "192.0.2.1", "192.0.2.1", 5120, 9215);
	b->pool4[0].protocols = NAT64_TCP;
	b->pool4[1].protocols = NAT64_UDP;
	bed_up(b, 20000);
	for (uint16_t i = 0; i < 5; i++) {
		t = from(i, 1, 5000, 6);
		plan = bed_must_open(b, &t);
		assert_in_range(mapped_port(&plan), 1024, 5119);
	}
	for (uint16_t i = 0; i < 5; i++)
		for (uint16_t k = 0;; k++) {
			t = from(i, 1, k, 17);
			if (bed_open(b, &t, &plan).next == VERDICT_CONTINUE)
				assert_in_range(mapped_port(&plan), 5120, 9215);
			else if (k == 0)
				fail_msg("subscriber %u found nothing", i);
			else
				break;
		}
	bed_free(b);
}

/* A port of the subscriber's own that rests is taken again if its parity is right. */
static void parity_is_kept_of_ports_that_rest(void **state)
{
	struct bed *b = bed_new(1);
	struct flow_plan plan[2];

	(void)state;
	bed_prefix(b, "64:ff9b:1::/96");
	bed_pool(b, "192.0.2.1", "192.0.2.1", 40000, 40799); /* given out one by one */
	b->conf.port_parity = true;
	b->conf.quarantine.time_s = 120;
	bed_up(b, 100);
	for (uint16_t round = 0; round < 10; round++) {
		for (uint16_t odd = 0; odd < 2; odd++) {
			struct tuple t = tuple_of("2001:db8:1::1", "64:ff9b:1::203.0.113.9",
						  (uint16_t)(5000 + 2 * round + odd), 80, 17);
			struct flow_plan now = bed_must_open(b, &t);

			assert_int_equal(mapped_port(&now) % 2, odd);
			if (round)
				assert_int_equal(mapped_port(&now), mapped_port(&plan[odd]));
			plan[odd] = now;
			bed_end(b, &now);
		}
	}
	bed_free(b);
}

/* RFC 4787 REQ-4, only if asked for: also where the block must be chosen for it. */
static void parity_is_kept_when_asked_for_as_long_as_there_is_a_choice(void **state)
{
	struct bed *b = bed_new(1);
	unsigned odd = 0;

	(void)state;
	bed_prefix(b, "64:ff9b:1::/96");
	bed_pool(b, "192.0.2.1", "192.0.2.1", 2000, 2099);
	b->conf.port_parity = true;
	bed_up(b, 1000);
	for (uint16_t i = 0; i < 80; i++) {
		struct tuple t = from(1, 1, (uint16_t)(3000 + 2 * i), 17);
		struct flow_plan plan = bed_must_open(b, &t);

		if (i < 50)
			assert_int_equal(mapped_port(&plan) % 2, 0);
		odd += mapped_port(&plan) % 2;
	}
	assert_int_equal(odd, 30);
	bed_free(b);
}

/* A pool of system ports only serves everybody; else classes are kept. */
static void pool_of_system_ports_only_serves_other_ports_too(void **state)
{
	struct bed *b = bed_with(100, 100, 0);
	struct tuple t = from(1, 1, 40000, 17);
	struct flow_plan plan = bed_must_open(b, &t);

	(void)state;
	assert_int_equal(mapped_port(&plan), 100);
	bed_free(b);
}

/* Singles are told one by one, with their protocol. */
static void single_ports_are_told_with_their_protocol(void **state)
{
	struct bed *b = bed_with(2000, 2003, 0);
	struct tuple t = from(1, 1, 40000, 17);
	struct flow_plan plan = bed_must_open(b, &t);
	struct nat64_event e = next_event(b);

	(void)state;
	assert_int_equal(e.kind, NAT64_EVENT_BLOCK_ALLOCATED);
	assert_int_equal(e.protocol, NAT64_UDP);
	assert_int_equal(e.port_first, mapped_port(&plan));
	assert_int_equal(e.port_last, mapped_port(&plan));
	bed_end(b, &plan);
	e = next_event(b);
	assert_int_equal(e.kind, NAT64_EVENT_BLOCK_RELEASED);
	assert_int_equal(e.port_first, mapped_port(&plan));
	assert_int_equal(e.inside.octet[7], 1);
	bed_free(b);
}

/* A static entry whose port rests, or lies in a block that somebody holds. */
static void static_entry_takes_a_port_that_rests(void **state)
{
	struct bed *b = bed_with(2000, 2003, 120);
	struct tuple t = from(1, 1, 40000, 17), in;
	struct flow_plan plan = bed_must_open(b, &t);

	(void)state;
	bed_end(b, &plan);
	bed_static(b, NAT64_UDP, "2001:db8:1:7::7", 7, "192.0.2.1", mapped_port(&plan));
	bed_reload(b);
	in = tuple_of("198.51.100.7", "192.0.2.1", 9, mapped_port(&plan), 17);
	plan = bed_must_open(b, &in);
	assert_int_equal(be16_to(plan.key[0].sport), 7);
	bed_end(b, &plan);
	b->conf.n_static = 0;
	bed_reload(b);
	assert_int_equal(nat64_ports_used(b->n[0]), 0);
	bed_free(b);
}

/* The address goes while its ports are held, rest and idle: nothing of them is left. */
static void address_that_goes_takes_blocks_and_resting_ports_with_it(void **state)
{
	struct bed *b = bed_with(100, 65535, 120);
	struct flow_plan plan[40];

	(void)state;
	for (uint16_t i = 0; i < 40; i++) {
		struct tuple t = from(i, 1, i % 2 ? 500 : 5000, 17);

		plan[i] = bed_must_open(b, &t);
	}
	for (uint16_t i = 0; i < 20; i++)
		bed_end(b, &plan[i]);
	b->pool4[0].first = b->pool4[0].last = addr_of("192.0.2.2");
	bed_reload(b);
	for (uint16_t i = 20; i < 40; i++)
		bed_end(b, &plan[i]);
	assert_int_equal(nat64_ports_used(b->n[0]), 0);
	assert_int_equal(nat64_subscribers(b->n[0]), 0);
	bed_free(b);
}

/* RFC 6888 REQ-8: the time is that of the last packet's end, not of whatever happened before.
 * Neither sooner than 120 s nor much later. */
static void rest_begins_when_the_session_ends(void **state)
{
	static const struct {
		uint16_t first, last;
	} pools[] = { { 1024, 1024 + 16 * 64 - 1 }, { 2000, 2003 } }; /* blocks; single ports */

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pools); i++) {
		struct bed *b = bed_with(pools[i].first, pools[i].last, 120);
		struct tuple t = from(1, 1, 5000, 17);
		struct flow_plan plan = bed_must_open(b, &t);

		b->now_ms += 100000; /* nothing else is called meanwhile */
		bed_end(b, &plan);
		assert_int_equal(next_event(b).kind, NAT64_EVENT_BLOCK_ALLOCATED);
		bed_advance(b, QUARANTINE_MS - 1);
		assert_int_equal(next_event(b).kind, 0);
		assert_int_equal(nat64_subscribers(b->n[0]), 1);
		bed_advance(b, 2 * TICK_MS);
		assert_int_equal(next_event(b).kind, NAT64_EVENT_BLOCK_RELEASED);
		assert_int_equal(nat64_subscribers(b->n[0]), 0);
		bed_free(b);
	}
}

/* RFC 6888 REQ-8, single ports: "the maximum number of ports in this state" is configurable. */
static void more_than_so_many_single_ports_do_not_rest(void **state)
{
	struct bed *b = bed_new(1);
	struct flow_plan plan[8];
	struct nat64_event e;
	struct tuple t;

	(void)state;
	bed_prefix(b, "64:ff9b:1::/96");
	bed_pool(b, "192.0.2.1", "192.0.2.1", 2000, 2063);
	b->conf.quarantine = (struct nat64_quarantine){ 120, 4 };
	b->conf.log_what = NAT64_LOG_BLOCKS;
	bed_up(b, 1000);
	for (uint16_t i = 0; i < 8; i++) {
		t = from(i, 1, 5000, 17);
		plan[i] = bed_must_open(b, &t);
		next_event(b);
	}
	for (uint16_t i = 0; i < 8; i++) {
		bed_end(b, &plan[i]);
		e = next_event(b);
		assert_int_equal(e.kind, i < 4 ? 0 : NAT64_EVENT_BLOCK_RELEASED);
		if (i >= 4) { /* that which has rested longest */
			assert_int_equal(e.inside.octet[7], i - 4);
			assert_int_equal(e.port_first, mapped_port(&plan[i - 4]));
		}
	}
	bed_free(b);
}

/* There is memory for so many; beyond it the one that has rested longest is free. */
static void single_ports_that_rest_are_bounded(void **state)
{
	enum { MOST = 16384, MORE = 10 };
	struct bed *b = bed_new(1);
	static struct flow_plan plan[MOST + MORE];
	struct nat64_event e = { 0 };

	(void)state;
	bed_prefix(b, "64:ff9b:1::/96");
	bed_pool(b, "192.0.2.0", "192.0.2.31", 1, 1023);
	b->conf.quarantine.time_s = 120;
	b->conf.log_what = NAT64_LOG_BLOCKS;
	bed_up(b, 40000);
	for (uint32_t i = 0; i < MOST + MORE; i++) {
		struct tuple t = from((uint16_t)i, 1, 500, 17);

		plan[i] = bed_must_open(b, &t);
	}
	while (nat64_event_read(nat64_events(b->n[0]), &e))
		;
	for (uint32_t i = 0; i < MOST + MORE; i++) {
		bed_end(b, &plan[i]);
		e = next_event(b);
		assert_int_equal(e.kind, i < MOST ? 0 : NAT64_EVENT_BLOCK_RELEASED);
		if (i >= MOST)
			assert_int_equal(e.port_first, mapped_port(&plan[i - MOST]));
	}
	assert_int_equal(nat64_subscribers(b->n[0]), MOST);
	bed_free(b);
}

/* The work of one call is bounded; it is asked for again until all that has rested is free. */
static void freeing_what_has_rested_is_bounded_work(void **state)
{
	static const struct {
		const char *last;
		uint16_t first_port, last_port, port;
	} pools[] = { { "192.0.2.15", 1, 1023, 500 },
		      { "192.0.2.3", 1024, 65535, 5000 } }; /* singles; blocks */
	static struct flow_plan plan[3000];

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(pools); k++) {
		struct bed *b = bed_new(1);
		unsigned calls = 1;

		bed_prefix(b, "64:ff9b:1::/96");
		bed_pool(b, "192.0.2.0", pools[k].last, pools[k].first_port, pools[k].last_port);
		b->conf.quarantine.time_s = 120;
		bed_up(b, 4000);
		for (uint32_t i = 0; i < ARRAY_LEN(plan); i++) {
			struct tuple t = from((uint16_t)i, 1, pools[k].port, 17);

			plan[i] = bed_must_open(b, &t);
		}
		for (uint32_t i = 0; i < ARRAY_LEN(plan); i++)
			bed_end(b, &plan[i]);
		b->now_ms += QUARANTINE_MS + 2 * TICK_MS;
		while (nat64_advance(b->n[0], b->now_ms)) {
			assert_int_equal(nat64_subscribers(b->n[0]), 3000 - 1024 * calls);
			calls++;
		}
		assert_int_equal(calls, 3);
		assert_int_equal(nat64_subscribers(b->n[0]), 0);
		bed_free(b);
	}
}

/* A subscriber whose address has room gets nothing of another, and whose blocks have room no other
 * block (RFC 4787 REQ-2, RFC 6888 REQ-14), whatever has ended meanwhile. */
static void a_block_with_room_is_used_before_another_is_taken(void **state)
{
	struct bed *b = bed_with(1024, 65535, 120);
	static struct flow_plan plan[640];
	bool mine[1024] = { 0 };
	uint64_t seed = test_seed();
	struct tuple t;

	(void)state;
	for (uint16_t i = 0; i < ARRAY_LEN(plan); i++) {
		t = from(1, 1, (uint16_t)(2000 + i), 17);
		plan[i] = bed_must_open(b, &t);
		mine[mapped_port(&plan[i]) / 64] = true;
	}
	for (unsigned round = 0; round < 200; round++) {
		unsigned n = 1 + (unsigned)(rnd(&seed) % 300);
		uint16_t which[300];

		for (unsigned i = 0; i < n; i++) {
			which[i] = (uint16_t)(rnd(&seed) % ARRAY_LEN(plan));
			if (plan[which[i]].policy == POLICY_NONE)
				continue;
			bed_end(b, &plan[which[i]]);
			plan[which[i]].policy = POLICY_NONE;
		}
		for (uint16_t i = 0; i < ARRAY_LEN(plan); i++) {
			if (plan[i].policy != POLICY_NONE)
				continue;
			t = from(1, 2, (uint16_t)(2000 + i), 17);
			plan[i] = bed_must_open(b, &t);
			assert_true(mine[mapped_port(&plan[i]) / 64]);
		}
	}
	bed_free(b);
}

/* RFC 4787 REQ-2: who had to begin with another address stays with it, also when his own is free
 * again. */
static void a_subscriber_stays_with_the_address_it_has(void **state)
{
	struct bed *b = bed_new(1);
	static struct flow_plan plan[400];
	unsigned moved = 0;

	(void)state;
	bed_prefix(b, "64:ff9b:1::/96");
	bed_pool(b, "192.0.2.1", "192.0.2.1", 1024, 1024 + 20 * 64 - 1);
	bed_pool(b, "192.0.2.2", "192.0.2.2", 1024, 65535);
	bed_up(b, 70000);
	for (uint16_t i = 0; i < ARRAY_LEN(plan); i++) {
		struct tuple t = from(i, 1, 5000, 17);

		plan[i] = bed_must_open(b, &t);
	}
	for (uint16_t i = 0; i < ARRAY_LEN(plan); i++) {
		struct addr home = plan[i].key[1].dst;
		struct tuple t = from(i, 1, 5000, 17);

		if (home.octet[15] == 1) /* of the small one, which is full by now: they all go */
			bed_end(b, &plan[i]);
		if (i < 200 || i >= 240 || home.octet[15] == 1)
			continue;
		for (uint16_t k = 0; k < 200; k++) { /* four blocks */
			struct flow_plan more;

			t.sport = be16_from((uint16_t)(6000 + k));
			more = bed_must_open(b, &t);
			moved += !addr_equal(&more.key[1].dst, &home);
		}
	}
	assert_int_equal(moved, 0);
	bed_free(b);
}

/* Who is refused and has nothing leaves nothing; when there is no record for one more, he is
 * refused. */
static void a_refused_subscriber_leaves_no_record(void **state)
{
	struct bed *b = bed_with(2000, 2003, 120);
	struct flow_plan plan;
	struct tuple t;

	(void)state;
	for (uint16_t i = 0; i < 4; i++) {
		t = from(i, 1, 5000, 6);
		bed_must_open(b, &t);
	}
	for (uint16_t i = 10; i < 100; i++) {
		t = from(i, 1, 5000, 6);
		assert_dropped(bed_open(b, &t, &plan), DROP_POOL4_EXHAUSTED,
			       REPLY_ADDR_UNREACHABLE);
		assert_int_equal(nat64_subscribers(b->n[0]), 4);
	}
	bed_free(b);
}

static void more_subscribers_than_there_are_records_are_refused(void **state)
{
	struct bed *b = bed_new(1);
	struct flow_plan plan;
	uint16_t i = 0;
	struct tuple t;

	(void)state;
	bed_prefix(b, "64:ff9b:1::/96");
	bed_pool(b, "192.0.2.0", "192.0.2.7", 1024, 65535);
	b->conf.quarantine.time_s = 120;
	bed_up(b, 10);
	for (;; i++) { /* each leaves a block that rests */
		struct verdict v;

		t = from(i, 1, 5000, 17);
		v = bed_open(b, &t, &plan);
		if (v.next != VERDICT_CONTINUE) {
			assert_dropped(v, DROP_BIB_FULL, REPLY_ADDR_UNREACHABLE);
			break;
		}
		bed_end(b, &plan);
		assert_int_equal(nat64_subscribers(b->n[0]), i + 1u);
	}
	assert_int_equal(i, 10 + 1024);
	bed_advance(b, QUARANTINE_MS + 2 * TICK_MS);
	bed_must_open(b, &t);
	bed_free(b);
}

/* The address goes while ports of it are in use one by one: that is told, or they would seem to be
 * somebody's for ever (RFC 6888 4). */
static void ports_of_an_address_that_goes_are_told_of(void **state)
{
	static const struct {
		uint16_t first, last;
	} pools[] = { { 1024, 65535 }, { 2000, 2003 } }; /* a block; a single port */

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pools); i++) {
		struct bed *b = bed_with(pools[i].first, pools[i].last, 120);
		struct tuple t = from(1, 1, 5000, 17);
		struct flow_plan plan = bed_must_open(b, &t);
		struct nat64_event e = next_event(b);

		assert_int_equal(e.kind, NAT64_EVENT_BLOCK_ALLOCATED);
		b->pool4[0].first = b->pool4[0].last = addr_of("192.0.2.2");
		bed_reload(b);
		e = next_event(b);
		assert_int_equal(e.kind, NAT64_EVENT_BLOCK_RELEASED);
		assert_true(e.port_first <= mapped_port(&plan) &&
			    mapped_port(&plan) <= e.port_last);
		assert_int_equal(e.outside.octet[15], 1);
		bed_end(b, &plan);
		bed_free(b);
	}
}

/* RFC 6056: any of the pool's blocks may be the one, from the first above the system ports to the
 * last. */
static void every_block_of_the_pool_is_drawn(void **state)
{
	static const uint16_t first[] = { 1024, 65536 - 16 * 64 };

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(first); k++) {
		struct bed *b = bed_with(first[k], (uint16_t)(first[k] + 16 * 64 - 1), 0);
		unsigned n[16] = { 0 };

		for (uint16_t i = 0; i < 1600; i++) {
			struct tuple t = from(i, 1, 5000, 17);
			struct flow_plan plan = bed_must_open(b, &t);

			n[(mapped_port(&plan) - first[k]) / 64]++;
			bed_end(b, &plan);
		}
		for (unsigned i = 0; i < 16; i++)
			assert_in_range(n[i], 50, 150); /* 100 each if even */
		bed_free(b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(block_of_64_ports_serves_all_protocols_and_hosts_of_a_subscriber),
		cmocka_unit_test(freed_block_rests_120_s_before_another_subscriber_gets_it),
		cmocka_unit_test(freed_single_rests_and_only_its_own_subscriber_gets_it_earlier),
		cmocka_unit_test(more_than_so_many_ports_do_not_rest),
		cmocka_unit_test(newcomers_always_find_something_while_others_hold_much),
		cmocka_unit_test(subscribers_in_turns_get_even_shares),
		cmocka_unit_test(pool_split_by_protocol_serves_newcomers_of_each),
		cmocka_unit_test(parity_is_kept_of_ports_that_rest),
		cmocka_unit_test(parity_is_kept_when_asked_for_as_long_as_there_is_a_choice),
		cmocka_unit_test(pool_of_system_ports_only_serves_other_ports_too),
		cmocka_unit_test(single_ports_are_told_with_their_protocol),
		cmocka_unit_test(static_entry_takes_a_port_that_rests),
		cmocka_unit_test(address_that_goes_takes_blocks_and_resting_ports_with_it),
		cmocka_unit_test(rest_begins_when_the_session_ends),
		cmocka_unit_test(more_than_so_many_single_ports_do_not_rest),
		cmocka_unit_test(single_ports_that_rest_are_bounded),
		cmocka_unit_test(freeing_what_has_rested_is_bounded_work),
		cmocka_unit_test(a_block_with_room_is_used_before_another_is_taken),
		cmocka_unit_test(a_subscriber_stays_with_the_address_it_has),
		cmocka_unit_test(a_refused_subscriber_leaves_no_record),
		cmocka_unit_test(more_subscribers_than_there_are_records_are_refused),
		cmocka_unit_test(ports_of_an_address_that_goes_are_told_of),
		cmocka_unit_test(every_block_of_the_pool_is_drawn),
	};

	return cmocka_run_group_tests_name("nat64/blocks", tests, NULL, NULL);
}
