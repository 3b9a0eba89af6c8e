/* test_ports.c - which port of which pool address: RFC 6056, RFC 4787 REQ-2 and REQ-3, RFC 6888. */
#include "bed.h"

static const char *const server = "64:ff9b:1::203.0.113.9";

static struct bed *bed_of(unsigned n_workers, uint32_t n_mappings)
{
	struct bed *b = bed_new(n_workers);

	bed_prefix(b, "64:ff9b:1::/96");
	bed_up(b, n_mappings);
	return b;
}

static struct tuple from_host(uint32_t host, uint16_t port, uint8_t proto)
{
	struct tuple t = tuple_of("2001:db8:1::", server, port, proto == 58 ? port : 80, proto);

	t.src.octet[12] = (uint8_t)(host >> 24);
	t.src.octet[13] = (uint8_t)(host >> 16);
	t.src.octet[14] = (uint8_t)(host >> 8);
	t.src.octet[15] = (uint8_t)host;
	return t;
}

/* As from_host(), in a /64 of its own: another subscriber. */
static struct tuple from_subscriber(uint16_t which, uint16_t port, uint8_t proto)
{
	struct tuple t = from_host(1, port, proto);

	t.src.octet[6] = (uint8_t)(which >> 8);
	t.src.octet[7] = (uint8_t)which;
	return t;
}

/* RFC 4787 REQ-3 (a), (b): system ports to system ports, others to others. */
static void port_class_is_kept_where_the_pool_has_it(void **state)
{
	static const struct {
		uint16_t first, last, inside, low, high;
		uint8_t proto;
	} row[] = {
		{ 1, 65535, 500, 1, 1023, 17 },
		{ 1, 65535, 1023, 1, 1023, 6 },
		{ 1, 65535, 1024, 1024, 65535, 6 },
		{ 1, 65535, 65535, 1024, 65535, 17 },
		{ 1, 3000, 40000, 1024, 3000, 17 },
		{ 1024, 65535, 500, 1024, 65535, 17 }, /* the pool has no system ports */
		{ 0, 65535, 0, 1, 1023, 17 },          /* port 0 is given to nobody */
		{ 10000, 29999, 53, 10000, 29999, 17 },
		{ 65535, 65535, 4000, 65535, 65535, 6 },
		{ 1023, 1024, 1, 1023, 1023, 6 },
		{ 1023, 1024, 5000, 1024, 1024, 6 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct bed *b = bed_new(1);

		print_message("row %zu\n", i);
		bed_prefix(b, "64:ff9b:1::/96");
		bed_pool(b, "192.0.2.1", "192.0.2.1", row[i].first, row[i].last);
		bed_up(b, 1000);
		for (unsigned n = 0; n < 20; n++) {
			struct tuple t = from_host(n, row[i].inside, row[i].proto);
			struct flow_plan plan = bed_must_open(b, &t);

			assert_in_range(mapped_port(&plan), row[i].low, row[i].high);
			bed_end(b, &plan);
		}
		bed_free(b);
	}
}

static void system_port_falls_back_when_its_class_is_full_but_not_the_reverse(void **state)
{
	struct bed *b = bed_new(1);
	struct flow_plan plan;
	struct tuple t;

	(void)state;
	bed_prefix(b, "64:ff9b:1::/96");
	bed_pool(b, "192.0.2.1", "192.0.2.1", 1022, 1025);
	bed_up(b, 100);
	t = from_host(1, 2000, 17);
	bed_must_open(b, &t);
	t = from_host(2, 2000, 17);
	bed_must_open(b, &t);
	t = from_host(3, 2000, 17); /* 1022 and 1023 are free, but not for it */
	assert_dropped(bed_open(b, &t, &plan), DROP_POOL4_EXHAUSTED, REPLY_ADDR_UNREACHABLE);
	for (unsigned i = 4; i < 6; i++) {
		t = from_host(i, 53, 17);
		plan = bed_must_open(b, &t);
		assert_in_range(mapped_port(&plan), 1022, 1023);
	}
	t = from_host(6, 53, 17);
	assert_dropped(bed_open(b, &t, &plan), DROP_POOL4_EXHAUSTED, REPLY_ADDR_UNREACHABLE);
	bed_free(b);

	b = bed_new(1);
	bed_prefix(b, "64:ff9b:1::/96");
	bed_pool(b, "192.0.2.1", "192.0.2.1", 1023, 1030);
	bed_up(b, 100);
	for (unsigned i = 0; i < 8; i++) {
		t = from_host(i, 53, 17);
		bed_must_open(b, &t);
	}
	bed_free(b);
}

/* RFC 5508: identifiers are not ports; every one that the pool has is used. */
static void identifiers_have_no_class(void **state)
{
	struct bed *b = bed_new(1);
	bool seen[64] = { 0 };
	struct tuple t;

	(void)state;
	bed_prefix(b, "64:ff9b:1::/96");
	bed_pool(b, "192.0.2.1", "192.0.2.1", 1000, 1047);
	bed_up(b, 100);
	for (unsigned i = 0; i < 48; i++) {
		struct flow_plan plan;

		t = from_host(i, 5000, 58);
		plan = bed_must_open(b, &t);
		assert_in_range(mapped_port(&plan), 1000, 1047);
		assert_false(seen[mapped_port(&plan) - 1000]);
		seen[mapped_port(&plan) - 1000] = true;
	}
	bed_free(b);
}

/* RFC 4787 REQ-2, RFC 6888 REQ-2: paired, and so are all hosts of a subscriber. */
static void subscriber_keeps_one_pool_address_for_all_protocols(void **state)
{
	static const uint8_t proto[] = { 6, 17, 58 };
	struct bed *b = bed_new(1);
	unsigned subscribers_on[16] = { 0 };

	(void)state;
	bed_prefix(b, "64:ff9b:1::/96");
	bed_pool(b, "192.0.2.0", "192.0.2.15", 1024, 65535);
	bed_up(b, 20000);
	for (uint16_t i = 0; i < 1600; i++) {
		struct addr address = { 0 };

		for (uint16_t k = 0; k < 9; k++) {
			struct tuple t = from_subscriber(i, (uint16_t)(3000 + k), proto[k % 3]);
			struct flow_plan plan;

			t.src.octet[15] = (uint8_t)(k / 2);
			plan = bed_must_open(b, &t);
			if (k == 0)
				address = plan.key[1].dst;
			assert_true(addr_equal(&address, &plan.key[1].dst));
		}
		subscribers_on[address.octet[15]]++;
	}
	for (unsigned i = 0; i < 16; i++)
		assert_in_range(subscribers_on[i], 50, 170); /* 100 each if even */
	bed_free(b);
}

/* RFC 7857 4: overridden when the address is full. RFC 6888 REQ-13: nothing is wasted. */
static void host_spills_to_other_addresses_until_the_last_port(void **state)
{
	struct bed *b = bed_new(1);
	struct flow_plan plan, first = { 0 };
	struct tuple t;

	(void)state;
	bed_prefix(b, "64:ff9b:1::/96");
	bed_pool(b, "192.0.2.1", "192.0.2.3", 2000, 2099);
	bed_up(b, 1000);
	for (uint16_t i = 0; i < 300; i++) {
		t = from_host(7, (uint16_t)(3000 + i), 17);
		plan = bed_must_open(b, &t);
		if (i == 0)
			first = plan;
		assert_int_equal(addr_equal(&plan.key[1].dst, &first.key[1].dst), i < 100);
	}
	t = from_host(7, 9, 17);
	assert_dropped(bed_open(b, &t, &plan), DROP_POOL4_EXHAUSTED, REPLY_ADDR_UNREACHABLE);
	bed_end(b, &first); /* its own address again as soon as it can */
	t = from_host(7, 9000, 17);
	plan = bed_must_open(b, &t);
	assert_true(addr_equal(&plan.key[1].dst, &first.key[1].dst));
	bed_free(b);
}

/* One that is alone gets nearly all, others who come find something; and every port of every
 * address is given once, none twice, for each protocol. */
static void whole_pool_is_given_out_exactly_once(void **state)
{
	struct bed *b = bed_new(1);
	static bool seen[3][65536];
	static const uint8_t proto[] = { 6, 17, 58 };
	struct flow_plan plan;
	uint32_t n = 0;

	(void)state;
	memset(seen, 0, sizeof(seen));
	bed_prefix(b, "64:ff9b:1::/96");
	bed_pool(b, "192.0.2.1", "192.0.2.1", 1024, 65535);
	bed_up(b, 3 * 64512);
	for (unsigned k = 0; k < 3; k++) {
		uint32_t alone = 0, others = 0;
		struct tuple t;

		for (;; alone++) {
			t = from_host(alone >> 12, (uint16_t)(1024 + (alone & 4095)), proto[k]);
			if (bed_open(b, &t, &plan).next != VERDICT_CONTINUE)
				break;
			assert_false(seen[k][mapped_port(&plan)]);
			seen[k][mapped_port(&plan)] = true;
		}
		assert_dropped(bed_open(b, &t, &plan), DROP_FAIR_SHARE, REPLY_ADDR_UNREACHABLE);
		assert_int_equal(alone, 64512 - 1008 / 32 * 64);
		for (;; others++) {
			t = from_subscriber((uint16_t)(1 + others), 5000, proto[k]);
			if (bed_open(b, &t, &plan).next != VERDICT_CONTINUE)
				break;
			assert_false(seen[k][mapped_port(&plan)]);
			seen[k][mapped_port(&plan)] = true;
		}
		assert_dropped(bed_open(b, &t, &plan), DROP_POOL4_EXHAUSTED,
			       REPLY_ADDR_UNREACHABLE);
		assert_int_equal(alone + others, 64512);
		n += alone + others;
		for (uint32_t port = 0; port < 65536; port++)
			assert_int_equal(seen[k][port], port >= 1024);
	}
	assert_int_equal(nat64_ports_used(b->n[0]), n);
	bed_free(b);
}

/* RFC 6056 3.1, RFC 6888 REQ-15: no order and no favourites that a watcher could use, neither
 * among the blocks that subscribers get nor among the ports of a block. */
static void blocks_and_ports_are_spread_and_unordered(void **state)
{
	struct bed *b = bed_new(1);
	unsigned in_eighth[8] = { 0 }, low_bits[8] = { 0 }, near = 0, same = 0, next = 0;
	uint16_t last = 0;
	const unsigned n = 800;

	(void)state;
	bed_prefix(b, "64:ff9b:1::/96");
	bed_pool(b, "192.0.2.1", "192.0.2.1", 1024, 65535);
	bed_up(b, 64 * n);
	for (unsigned i = 0; i < n; i++) {
		struct tuple t = from_subscriber((uint16_t)i, 5000, 17); /* the same port inside */
		struct flow_plan plan = bed_must_open(b, &t);
		uint16_t port = mapped_port(&plan);

		in_eighth[(port - 1024) / 8064]++;
		low_bits[port % 64 / 8]++;
		near += (unsigned)abs(port - last) <= 64;
		same += port == 5000;
		last = port;
	}
	for (unsigned i = 0; i < 8; i++) {
		assert_in_range(in_eighth[i], 100 - 50, 100 + 50); /* over 5 sigma */
		assert_in_range(low_bits[i], 100 - 50, 100 + 50);
	}
	assert_true(near < 12); /* 1.6 expected */
	assert_true(same <= 1);
	for (unsigned i = 0; i < n; i++) {
		struct tuple t = from_subscriber((uint16_t)(i / 50), (uint16_t)(6000 + i), 17);
		struct flow_plan plan = bed_must_open(b, &t);

		next += (uint16_t)(mapped_port(&plan) - last) == 1;
		last = mapped_port(&plan);
	}
	assert_true(next < 40); /* 12 expected */
	bed_free(b);
}

/* Another key, other ports: what one gateway gives out says nothing about another. */
static void ports_depend_on_the_secret(void **state)
{
	unsigned equal = 0;
	uint16_t first[64];

	(void)state;
	for (unsigned round = 0; round < 2; round++) {
		struct bed *b = bed_new(1);

		b->key.word[0] += round;
		bed_prefix(b, "64:ff9b:1::/96");
		bed_pool(b, "192.0.2.1", "192.0.2.1", 1024, 65535);
		bed_up(b, 100);
		for (unsigned i = 0; i < 64; i++) {
			struct tuple t = from_host(i, 5000, 17);
			struct flow_plan plan = bed_must_open(b, &t);

			equal += round && mapped_port(&plan) == first[i];
			first[i] = mapped_port(&plan);
		}
		bed_free(b);
	}
	assert_true(equal <= 1);
}

/* Steering: a reply finds the worker of the subscriber by the port block alone. */
static void every_worker_gives_ports_of_its_own_blocks_only(void **state)
{
	struct bed *b = bed_new(4);
	unsigned on[4] = { 0 };

	(void)state;
	bed_prefix(b, "64:ff9b:1::/96");
	bed_pool(b, "192.0.2.1", "192.0.2.2", 1024, 65535);
	bed_up(b, 5000);
	for (uint16_t i = 0; i < 4000; i++) {
		struct tuple t = from_subscriber(i, 5000, 17);
		struct flow_plan plan = bed_must_open(b, &t);
		struct tuple back = plan.key[1];
		unsigned w = owner_of_tuple(b->steer, &t, SIDE_INSIDE);

		assert_int_equal(owner_of_tuple(b->steer, &back, SIDE_OUTSIDE), w);
		on[w]++;
	}
	for (unsigned w = 0; w < 4; w++) {
		assert_int_equal(nat64_mappings(b->n[w]), on[w]);
		assert_in_range(on[w], 700, 1300);
	}
	bed_free(b);
}

/* A pool that is smaller than the workers are many serves every subscriber all the same, also when
 * it grows and shrinks. */
static void tiny_pool_serves_the_subscribers_of_all_workers(void **state)
{
	static const uint16_t last[] = { 2003, 65535, 2003, 2300 };
	struct bed *b = bed_new(4);

	(void)state;
	bed_prefix(b, "64:ff9b:1::/96");
	bed_pool(b, "192.0.2.1", "192.0.2.1", 2000, 2003);
	bed_up(b, 100);
	for (size_t k = 0; k < ARRAY_LEN(last); k++) {
		b->pool4[0].port_last = last[k];
		bed_reload(b);
		for (uint16_t i = 0; i < 40; i++) {
			struct tuple t = from_subscriber(i, 5000, 17);
			struct flow_plan plan = bed_must_open(b, &t);

			assert_in_range(mapped_port(&plan), 2000, last[k]);
			assert_int_equal(bed_owner(b, &plan),
					 owner_of_tuple(b->steer, &t, SIDE_INSIDE));
			bed_end(b, &plan);
		}
	}
	bed_free(b);
}

/* Several entries for one address and protocol are one set of ports, in whatever order. */
static void ranges_of_one_address_add_up(void **state)
{
	struct bed *b = bed_new(1);
	bool seen[4096] = { 0 };
	unsigned n = 0;
	struct flow_plan plan;
	struct tuple t;

	(void)state;
	bed_prefix(b, "64:ff9b:1::/96");
	bed_pool(b, "192.0.2.1", "192.0.2.1", 3000, 3009);
	bed_pool(b, "192.0.2.1", "192.0.2.1", 2000, 2004);
	bed_pool(b, "192.0.2.1", "192.0.2.1", 2005, 2009); /* touches */
	bed_pool(b, "192.0.2.1", "192.0.2.1", 2008, 2011); /* overlaps */
	bed_pool(b, "192.0.2.1", "192.0.2.1", 1999, 2999); /* joins all */
	b->pool4[4].protocols = NAT64_ICMP;
	bed_up(b, 1000);
	for (;; n++) {
		t = from_host(n, 5000, 17);
		if (bed_open(b, &t, &plan).next != VERDICT_CONTINUE)
			break;
		assert_false(seen[mapped_port(&plan)]);
		seen[mapped_port(&plan)] = true;
	}
	assert_int_equal(n, 22);
	for (unsigned port = 0; port < 4096; port++)
		assert_int_equal(seen[port],
				 (port >= 2000 && port <= 2011) || (port >= 3000 && port <= 3009));
	bed_free(b);
}

static void empty_pool_refuses_without_harm(void **state)
{
	struct bed *b = bed_of(1, 10); /* an `outside` entry whose interface has no address yet */
	struct tuple t = from_host(1, 5000, 17);
	struct flow_plan plan;

	(void)state;
	assert_dropped(bed_open(b, &t, &plan), DROP_POOL4_EXHAUSTED, REPLY_ADDR_UNREACHABLE);
	b->pool4[b->conf.n_pool4++] = (struct pool4_conf){
		.outside = true, .port_first = 10000, .port_last = 29999, .protocols = NAT64_UDP
	};
	bed_reload(b);
	assert_dropped(bed_open(b, &t, &plan), DROP_POOL4_EXHAUSTED, REPLY_ADDR_UNREACHABLE);
	b->pool4[0].first = b->pool4[0].last = addr_of("198.51.100.1");
	bed_reload(b);
	plan = bed_must_open(b, &t);
	assert_in_range(mapped_port(&plan), 10000, 29999);
	t.proto = 6;
	assert_dropped(bed_open(b, &t, &plan), DROP_POOL4_EXHAUSTED, REPLY_ADDR_UNREACHABLE);
	bed_free(b);
}

/* Each port of each range is given out, and no other: wherever the ranges begin and end. */
static void exactly_the_ports_of_the_ranges_are_given_out(void **state)
{
	static const uint16_t rows[][4] = {
		{ 63, 64, 127, 128 },     { 0, 0, 65535, 65535 },     { 1, 63, 65, 127 },
		{ 64, 127, 129, 130 },    { 1023, 1024, 1088, 1088 }, { 100, 300, 200, 400 },
		{ 100, 200, 201, 300 },   { 500, 600, 100, 499 },     { 300, 400, 200, 500 },
		{ 65472, 65535, 64, 64 }, { 1000, 1130, 1200, 1201 },
	};
	static uint8_t given[65536], want[65536];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct bed *b = bed_new(1);
		struct flow_plan plan;

		memset(given, 0, sizeof(given));
		memset(want, 0, sizeof(want));
		bed_prefix(b, "64:ff9b:1::/96");
		for (unsigned k = 0; k < 4; k += 2) {
			bed_pool(b, "192.0.2.1", "192.0.2.1", rows[i][k], rows[i][k + 1]);
			for (uint32_t port = rows[i][k]; port <= rows[i][k + 1]; port++)
				want[port] = 1;
		}
		bed_up(b, 2000);
		for (unsigned n = 0; n < 1500; n++) {
			struct tuple t = from_host(1, (uint16_t)(2000 + n), 58);

			if (bed_open(b, &t, &plan).next == VERDICT_CONTINUE)
				given[mapped_port(&plan)]++;
		}
		for (uint32_t port = 0; port < 65536; port++)
			if (given[port] != want[port])
				fail_msg("row %zu, port %u: %u times", i, port, given[port]);
		bed_free(b);
	}
}

/* A pool with four blocks for each worker is cut up; with fewer it serves everybody from one place.
 * What counts is the protocol that has least. */
static void a_pool_too_small_to_be_cut_up_is_one_workers(void **state)
{
	static const struct {
		uint16_t tcp, udp; /* blocks */
		uint32_t homes;
	} rows[] = { { 16, 16, 4 },  { 15, 15, 1 },  { 100, 15, 1 },
		     { 15, 100, 1 }, { 16, 100, 4 }, { 100, 0, 4 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct bed *b = bed_new(4);
		bool seen[4] = { 0 };
		unsigned n_seen = 0;

		bed_prefix(b, "64:ff9b:1::/96");
		bed_pool(b, "192.0.2.1", "192.0.2.1", 1024,
			 (uint16_t)(1024 + rows[i].tcp * 64 - 1));
		b->pool4[0].protocols = NAT64_TCP;
		if (rows[i].udp)
			bed_pool(b, "192.0.2.2", "192.0.2.2", 1024,
				 (uint16_t)(1024 + rows[i].udp * 64 - 1));
		b->pool4[1].protocols = NAT64_UDP;
		bed_up(b, 100);
		assert_int_equal(b->steer->n_homes, rows[i].homes);
		for (uint16_t h = 0; h < 100; h++) {
			struct tuple t = from_subscriber(h, 4000, 6), in;
			unsigned w = owner_of_tuple(b->steer, &t, SIDE_INSIDE);

			in = tuple_of("198.51.100.7", "192.0.2.1", 80,
				      (uint16_t)(1024 + h % 15 * 64), 6);
			n_seen += !seen[w];
			seen[w] = true;
			if (rows[i].homes == 1)
				assert_int_equal(owner_of_tuple(b->steer, &in, SIDE_OUTSIDE), 0);
		}
		assert_int_equal(n_seen, rows[i].homes);
		bed_free(b);
	}
}

/* RFC 4787 REQ-2: which address is by the whole prefix; hosts on one link, too, are spread. */
static void hosts_of_a_link_are_spread_over_the_addresses(void **state)
{
	struct bed *b = bed_new(1);
	unsigned on[8] = { 0 };

	(void)state;
	bed_prefix(b, "64:ff9b:1::/96");
	bed_pool(b, "192.0.2.0", "192.0.2.7", 1024, 65535);
	b->link = "2001:db8:77::/64";
	bed_up(b, 2000);
	for (uint32_t i = 0; i < 800; i++) {
		struct tuple t = tuple_of("2001:db8:77::", server, 4000, 80, 6);
		struct flow_plan plan;

		memcpy(t.src.octet + 12, &i, 4);
		t.src.octet[8] = 1;
		plan = bed_must_open(b, &t);
		on[plan.key[1].dst.octet[15]]++;
	}
	for (unsigned i = 0; i < 8; i++)
		assert_in_range(on[i], 50, 170); /* 100 each if even */
	bed_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(port_class_is_kept_where_the_pool_has_it),
		cmocka_unit_test(system_port_falls_back_when_its_class_is_full_but_not_the_reverse),
		cmocka_unit_test(identifiers_have_no_class),
		cmocka_unit_test(subscriber_keeps_one_pool_address_for_all_protocols),
		cmocka_unit_test(host_spills_to_other_addresses_until_the_last_port),
		cmocka_unit_test(whole_pool_is_given_out_exactly_once),
		cmocka_unit_test(blocks_and_ports_are_spread_and_unordered),
		cmocka_unit_test(ports_depend_on_the_secret),
		cmocka_unit_test(every_worker_gives_ports_of_its_own_blocks_only),
		cmocka_unit_test(tiny_pool_serves_the_subscribers_of_all_workers),
		cmocka_unit_test(ranges_of_one_address_add_up),
		cmocka_unit_test(empty_pool_refuses_without_harm),
		cmocka_unit_test(exactly_the_ports_of_the_ranges_are_given_out),
		cmocka_unit_test(a_pool_too_small_to_be_cut_up_is_one_workers),
		cmocka_unit_test(hosts_of_a_link_are_spread_over_the_addresses),
	};

	return cmocka_run_group_tests_name("nat64/ports", tests, NULL, NULL);
}
