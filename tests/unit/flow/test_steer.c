/* test_steer.c - the owner of a packet: both directions, errors about it and its bytes agree. */
#include "test.h"
#include "sixgate/flow/steer.h"
#include "sixgate/packet/parse.h"

enum { WORKERS = 4 };

static struct steering s;
static uint8_t blocks[1][STEER_BLOCKS];

static struct addr a(const char *text)
{
	struct addr out;

	assert_int_equal(addr_parse(text, &out), 0);
	return out;
}

static void make(void)
{
	struct hash_key key = { .word = { 0x1234567890abcdef, 0xfedcba0987654321 } };
	struct addr pool = a("198.51.100.10"), vip4 = a("198.51.100.20"), vip6 = a("2001:db8::20"),
		    node = a("2001:db8:5::1");

	steering_init(&s, WORKERS, &key);
	assert_int_equal(prefix_parse("2001:db8:1::/64", &s.inside[0].prefix), 0);
	s.inside[0].subscriber_len = 128;
	s.n_prefix = 1;
	assert_int_equal(prefix_parse("2001:db8:64:20::/96", &s.embed[0]), 0);
	s.n_embed = 1;
	s.block = blocks;
	s.n_pools = 1;
	for (unsigned i = 0; i < STEER_BLOCKS; i++)
		blocks[0][i] = (uint8_t)steering_block_default(&s, 0, i);
	assert_int_equal(steering_add(&s, STEER_POOL, &pool, (be16){ 0 }, 0, 0), 0);
	assert_int_equal(steering_add(&s, STEER_VIP, &vip4, (be16){ 0 }, 0, 0), 0);
	assert_int_equal(steering_add(&s, STEER_VIP, &vip6, (be16){ 0 }, 0, 0), 0);
	assert_int_equal(steering_add(&s, STEER_NODE, &node, be16_from(9000), 6, 0), 0);
}

static struct tuple t(const char *src, const char *dst, uint16_t sport, uint16_t dport, uint8_t proto)
{
	return (struct tuple){ .src = a(src), .dst = a(dst), .sport = be16_from(sport),
			       .dport = be16_from(dport), .proto = proto };
}

static void egress6_replies_belong_to_the_subscriber_inside(void **state)
{
	unsigned seen = 0;

	(void)state;
	make();
	for (unsigned i = 1; i < 200; i++) {
		char host[40];
		struct tuple out, back;

		snprintf(host, sizeof(host), "2001:db8:1::%x", i);
		out = t(host, "2001:db8:ffff::1", (uint16_t)(1000 + i), 443, 6);
		back = tuple_reverse(&out);
		assert_int_equal(owner_of_tuple(&s, &out, SIDE_INSIDE),
				 owner_of_tuple(&s, &back, SIDE_OUTSIDE));
		seen |= 1u << owner_of_tuple(&s, &out, SIDE_INSIDE);
	}
	assert_int_equal(seen, (1u << WORKERS) - 1); /* hosts of one link are spread */
}

static void routed_subscribers_share_their_64(void **state)
{
	struct tuple x = t("2001:db8:7:7::1", "2001:db8:ffff::1", 1, 2, 6),
		     y = t("2001:db8:7:7:abcd::9", "2001:db8:ffff::2", 3, 4, 17);

	(void)state;
	make();
	assert_int_equal(owner_of_tuple(&s, &x, SIDE_INSIDE), owner_of_tuple(&s, &y, SIDE_INSIDE));
}

static void pool_ports_belong_to_the_owner_of_their_block(void **state)
{
	(void)state;
	make();
	for (unsigned port = 1; port < 65536; port += 61) {
		struct tuple in = t("203.0.113.9", "198.51.100.10", 80, (uint16_t)port, 6);

		assert_int_equal(owner_of_tuple(&s, &in, SIDE_OUTSIDE), blocks[0][port >> 6]);
	}
}

static void both_directions_of_a_service_belong_to_the_client(void **state)
{
	(void)state;
	make();
	for (unsigned i = 1; i < 100; i++) {
		char c4[40], c4seen[60], c6[40];
		struct tuple in4, back4, in6, back6;

		snprintf(c4, sizeof(c4), "203.0.113.%u", i);
		snprintf(c4seen, sizeof(c4seen), "2001:db8:64:20::203.0.113.%u", i);
		snprintf(c6, sizeof(c6), "2001:db8:9::%x", i);
		in4 = t(c4, "198.51.100.20", 4000, 9000, 6);
		back4 = t("2001:db8:5::1", c4seen, 9000, 4000, 6);
		in6 = t(c6, "2001:db8::20", 4000, 9000, 6);
		back6 = t("2001:db8:5::1", c6, 9000, 4000, 6);
		assert_int_equal(owner_of_tuple(&s, &in4, SIDE_OUTSIDE),
				 owner_of_tuple(&s, &back4, SIDE_INSIDE));
		assert_int_equal(owner_of_tuple(&s, &in6, SIDE_OUTSIDE),
				 owner_of_tuple(&s, &back6, SIDE_INSIDE));
	}
}

static void pinned_subscribers_go_where_they_are_pinned(void **state)
{
	struct addr host = a("2001:db8:1::5");

	(void)state;
	make();
	for (unsigned w = 0; w < WORKERS; w++) {
		struct tuple out = t("2001:db8:1::5", "2001:db8:ffff::1", 5, 6, 17);

		assert_int_equal(steering_add(&s, STEER_PINNED, &host, (be16){ 0 }, 0, w), 0);
		assert_int_equal(owner_of_tuple(&s, &out, SIDE_INSIDE), w);
	}
}

/* Whatever the key, the largest pool has its place, with as many pinned hosts and nodes. */
static void the_map_takes_the_largest_configuration(void **state)
{
	uint64_t seed = test_seed();

	(void)state;
	for (int round = 0; round < 50; round++) {
		struct hash_key key = { .word = { rnd(&seed), rnd(&seed) } };

		steering_init(&s, WORKERS, &key);
		for (uint32_t i = 0; i < STEER_POOL_MAX; i++) {
			struct addr pool = addr_from_ip4_host(0xc6336400 + i), host = a("2001:db8::");

			memcpy(host.octet + 12, &i, 4);
			assert_int_equal(steering_add(&s, STEER_POOL, &pool, (be16){ 0 }, 0, i), 0);
			assert_int_equal(steering_add(&s, STEER_PINNED, &host, (be16){ 0 }, 0, 0), 0);
			assert_int_equal(steering_add(&s, STEER_NODE, &host, be16_from(80), 6, 0), 0);
		}
	}
}

/* Law: for whatever the parser accepts, the window's owner is the parsed tuple's. */
static void the_window_and_the_parser_agree(void **state)
{
	uint64_t seed = test_seed();
	unsigned n_parsed = 0;

	(void)state;
	make();
	for (int round = 0; round < 200000; round++) {
		uint8_t bytes[PACKET_HEADROOM + 160];
		struct packet p = { .data = bytes + PACKET_HEADROOM, .headroom = PACKET_HEADROOM,
				    .side = (uint8_t)(rnd(&seed) & 1) };
		static const uint8_t protos[] = { 6, 17, 58, 44, 0, 43, 60 };
		struct addr src = a("2001:db8:1::77"), dst = a("2001:db8:ffff::1");
		enum side side = (enum side)p.side;

		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)rnd(&seed);
		p.len = p.room = 160;
		p.data[0] = 0x60;
		store16(p.data + 4, 120);
		p.data[6] = protos[rnd(&seed) % 7];
		memcpy(p.data + 8, src.octet, 16);
		memcpy(p.data + 24, dst.octet, 16);
		src.octet[15] = (uint8_t)rnd(&seed);
		memcpy(p.data + 8, src.octet, 16);
		p.data[52] = (uint8_t)(0x50 | (p.data[52] & 15)); /* a plausible TCP data offset */
		p.data[40] = rnd(&seed) & 1 ? protos[rnd(&seed) % 7] : p.data[40];
		p.data[41] &= 3;
		if (packet_parse(&p).next != VERDICT_CONTINUE)
			continue;
		n_parsed++;
		assert_int_equal(owner_of(&s, p.data, p.len, side),
				 p.flags & PACKET_FRAGMENT ?
					 owner_of_fragment(&s, &p.key, p.frag_id) :
					 owner_of_tuple(&s, &p.key, side));
	}
	print_message("%u packets parsed\n", n_parsed);
	assert_true(n_parsed > 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(egress6_replies_belong_to_the_subscriber_inside),
		cmocka_unit_test(routed_subscribers_share_their_64),
		cmocka_unit_test(pool_ports_belong_to_the_owner_of_their_block),
		cmocka_unit_test(both_directions_of_a_service_belong_to_the_client),
		cmocka_unit_test(pinned_subscribers_go_where_they_are_pinned),
		cmocka_unit_test(the_map_takes_the_largest_configuration),
		cmocka_unit_test(the_window_and_the_parser_agree),
	};

	return cmocka_run_group_tests_name("steering", tests, NULL, NULL);
}
