/* test_steer.c - the owner of a packet: both directions, errors about it and its bytes agree. */
#include "test.h"
#include <errno.h>
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

static struct tuple t(const char *src, const char *dst, uint16_t sport, uint16_t dport,
		      uint8_t proto)
{
	return (struct tuple){ .src = a(src),
			       .dst = a(dst),
			       .sport = be16_from(sport),
			       .dport = be16_from(dport),
			       .proto = proto };
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

/* Where it is looked for is what steering_subscriber() says, however long the prefix of a subscriber is. */
static void subscribers_of_any_length_are_found_where_they_are_pinned(void **state)
{
	struct tuple out = t("2001:db8:aaaa:5555:3333:cccc:7777:9999", "2001:db8:ffff::1", 5, 6, 17);

	(void)state;
	for (uint8_t len = 0; len <= 128; len++) {
		make();
		steering_set_subscriber(&s, len);
		for (unsigned w = 0; w < WORKERS; w++) {
			struct addr subscriber = steering_subscriber(&s, &out.src);

			assert_int_equal(
				steering_add(&s, STEER_PINNED, &subscriber, (be16){ 0 }, 0, w), 0);
			assert_int_equal(owner_of_tuple(&s, &out, SIDE_INSIDE), w);
		}
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
			struct addr pool = addr_from_ip4_host(0xc6336400 + i),
				    host = a("2001:db8::");

			memcpy(host.octet + 12, &i, 4);
			assert_int_equal(steering_add(&s, STEER_POOL, &pool, (be16){ 0 }, 0, i), 0);
			assert_int_equal(steering_add(&s, STEER_PINNED, &host, (be16){ 0 }, 0, 0),
					 0);
			assert_int_equal(steering_add(&s, STEER_NODE, &host, be16_from(80), 6, 0),
					 0);
		}
	}
}

/* What the map has taken is found, with its value, until the first that it refuses; that one may be
 * refused again and again. */
static void what_the_map_takes_is_found_until_it_is_full(void **state)
{
	struct tuple out = t("2001:db8:1::", "2001:db8:ffff::1", 5, 6, 17);
	uint64_t seed = test_seed();

	(void)state;
	for (unsigned round = 0; round < 100; round++) {
		struct hash_key key = { .word = { rnd(&seed), rnd(&seed) } };
		uint32_t n = 0;

		steering_init(&s, WORKERS, &key);
		s.subscriber_len = 128;
		for (;; n++) {
			memcpy(out.src.octet + 12, &n, 4);
			if (steering_add(&s, STEER_PINNED, &out.src, (be16){ 0 }, 0, n % WORKERS) !=
			    0)
				break;
		}
		assert_int_equal(steering_add(&s, STEER_PINNED, &out.src, (be16){ 0 }, 0, 0),
				 -ENOSPC);
		assert_true(n > STEER_MAP_SIZE / 2 && n < STEER_MAP_SIZE);
		for (uint32_t i = 0; i < n; i++) {
			memcpy(out.src.octet + 12, &i, 4);
			assert_int_equal(owner_of_tuple(&s, &out, SIDE_INSIDE), i % WORKERS);
			assert_int_equal(
				steering_add(&s, STEER_PINNED, &out.src, (be16){ 0 }, 0, 0), 0);
			assert_int_equal(owner_of_tuple(&s, &out, SIDE_INSIDE), 0);
		}
	}
}

/* Entries differ by kind, address, port and protocol: what resembles one is not it. */
static void only_the_port_and_protocol_of_a_node_are_a_service(void **state)
{
	static const struct {
		const char *src;
		uint16_t sport;
		uint8_t proto;
		bool node;
	} rows[] = {
		{ "2001:db8:5::1", 9000, 6, true },   { "2001:db8:5::1", 9001, 6, false },
		{ "2001:db8:5::1", 9000, 17, false }, { "2001:db8:5::2", 9000, 6, false },
		{ "2001:db8::20", 9000, 6, false }, /* a VIP, which is none as a source */
	};

	(void)state;
	make();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned seen = 0;

		/* a node's packet belongs to whom it goes to, a subscriber's to whom it is from */
		for (unsigned c = 0; c < 64; c++) {
			struct tuple out =
				t(rows[i].src, "2001:db8:9::", rows[i].sport, 4000, rows[i].proto);

			out.dst.octet[15] = (uint8_t)c;
			seen |= 1u << owner_of_tuple(&s, &out, SIDE_INSIDE);
		}
		if ((seen == (1u << WORKERS) - 1) != rows[i].node)
			fail_msg("row %zu: workers %x", i, seen);
	}
}

static void the_longest_inside_prefix_says_what_a_subscriber_is(void **state)
{
	static const struct {
		const char *host, *subscriber;
	} rows[] = {
		{ "2001:db8:1::5", "2001:db8:1::5" },          /* /64 of hosts */
		{ "2001:db8:0:100:9::5", "2001:db8:0:100::" }, /* /32 of customers with a /56 */
		{ "2001:db8:0:1ff:9::5", "2001:db8:0:100::" },
		{ "2001:db8:2:3:4::5", "2001:db8:2::" }, /* /48, one customer */
		{ "2001:4:5:6:7::8", "2001:4:5:6::" },   /* nobody's: a /64 */
	};
	static const struct {
		const char *prefix;
		uint8_t len;
	} inside[] = { { "2001:db8::/32", 56 },
		       { "2001:db8:1::/64", 128 },
		       { "2001:db8:2::/48", 48 } };

	(void)state;
	for (unsigned first = 0; first < 3; first++) {
		struct hash_key key = { .word = { 1 } };

		steering_init(&s, WORKERS, &key);
		for (unsigned i = 0; i < 3; i++) {
			unsigned at = (first + i) % 3;

			assert_int_equal(prefix_parse(inside[i].prefix, &s.inside[at].prefix), 0);
			s.inside[at].subscriber_len = inside[i].len;
		}
		s.n_prefix = 3;
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			struct addr host = a(rows[i].host), want = a(rows[i].subscriber),
				    got = steering_subscriber(&s, &host);

			assert_true(addr_equal(&got, &want));
		}
	}
}

static void a_prefix_of_no_length_holds_everybody(void **state)
{
	struct addr host = a("2001:4:5:6:7::8"), got, want = a("2001:4::");

	(void)state;
	make();
	assert_int_equal(prefix_parse("::/0", &s.inside[1].prefix), 0);
	s.inside[1].subscriber_len = 32;
	s.n_prefix = 2;
	got = steering_subscriber(&s, &host);
	assert_true(addr_equal(&got, &want));
	steering_set_subscriber(&s, 48); /* of whatever address */
	want = a("2001:4:5::");
	got = steering_subscriber(&s, &host);
	assert_true(addr_equal(&got, &want));
	host = a("2001:db8:1::5");
	want = a("2001:db8:1::");
	got = steering_subscriber(&s, &host);
	assert_true(addr_equal(&got, &want));
	s.n_prefix = 0;
	host = a("2001:4:5:6:7::8");
	want = a("2001:4:5::");
	got = steering_subscriber(&s, &host);
	assert_true(addr_equal(&got, &want));
}

/* As many prefixes and embed-prefixes as there may be, the last as good as the first. */
static void the_last_prefix_counts(void **state)
{
	struct tuple back;
	struct addr host = a("2001:db8:7fff::9"), got;

	(void)state;
	make();
	for (unsigned i = 0; i < STEER_PREFIXES_MAX; i++) {
		assert_int_equal(prefix_parse("2001:db8:8000::/48", &s.inside[i].prefix), 0);
		assert_int_equal(prefix_parse("2001:db8:8000::/96", &s.embed[i]), 0);
	}
	assert_int_equal(
		prefix_parse("2001:db8:7fff::/48", &s.inside[STEER_PREFIXES_MAX - 1].prefix), 0);
	assert_int_equal(prefix_parse("2001:db8:7ffe::/96", &s.embed[STEER_PREFIXES_MAX - 1]), 0);
	s.inside[STEER_PREFIXES_MAX - 1].subscriber_len = 128;
	s.n_prefix = s.n_embed = STEER_PREFIXES_MAX;
	got = steering_subscriber(&s, &host);
	assert_true(addr_equal(&got, &host));
	for (unsigned port = 1; port < 65536; port += 61) {
		back = t("2001:db8:5::1", "2001:db8:7ffe::198.51.100.10", 9000, (uint16_t)port, 6);
		assert_int_equal(owner_of_tuple(&s, &back, SIDE_INSIDE), blocks[0][port >> 6]);
	}
}

/* A pool address without a block table (there are only so many) is steered as any other. */
static void an_address_without_blocks_goes_by_its_hash(void **state)
{
	struct addr pool = a("198.51.100.11");
	unsigned w = 0;

	(void)state;
	make();
	assert_int_equal(steering_add(&s, STEER_POOL, &pool, (be16){ 0 }, 0, s.n_pools), 0);
	for (unsigned port = 1; port < 65536; port += 61) {
		struct tuple in = t("203.0.113.9", "198.51.100.11", 80, (uint16_t)port, 6),
			     out = tuple_reverse(&in);
		unsigned now = owner_of_tuple(&s, &in, SIDE_OUTSIDE);

		assert_true(port == 1 || now == w);
		assert_int_equal(now, owner_of_tuple(&s, &out, SIDE_INSIDE));
		w = now;
	}
}

static void hosts_of_ipv4_are_found_in_both_directions(void **state)
{
	(void)state;
	make();
	for (unsigned i = 0; i < 200; i++) {
		struct tuple out = t("192.168.1.1", "203.0.113.9", 1000, 443, 6), back;

		out.src.octet[15] = (uint8_t)i;
		back = tuple_reverse(&out);
		assert_int_equal(owner_of_tuple(&s, &out, SIDE_INSIDE),
				 owner_of_tuple(&s, &back, SIDE_OUTSIDE));
		assert_true(owner_of_tuple(&s, &out, SIDE_INSIDE) < WORKERS);
	}
}

/* Counts @w; every worker below @n has its fair share of all that is counted. */
static void shares_are_fair(const unsigned *count, unsigned n)
{
	unsigned all = 0;

	for (unsigned w = 0; w < STEER_WORKERS_MAX; w++)
		all += count[w];
	for (unsigned w = 0; w < STEER_WORKERS_MAX; w++) {
		if (w >= n)
			assert_int_equal(count[w], 0);
		else
			assert_true(count[w] > all / n / 2 && count[w] < all / n * 2);
	}
}

/* Each bit of an address that makes a subscriber, each bit of what makes a datagram, spreads. */
static void work_is_spread_over_all_workers(void **state)
{
	struct hash_key key = { .word = { 0x1234567890abcdef, 0xfedcba0987654321 } };
	struct addr vip = a("2001:db8::20");

	(void)state;
	for (unsigned n = 1; n <= STEER_WORKERS_MAX; n++) {
		unsigned upper[STEER_WORKERS_MAX] = { 0 }, lower[STEER_WORKERS_MAX] = { 0 },
			 src[STEER_WORKERS_MAX] = { 0 }, dst[STEER_WORKERS_MAX] = { 0 },
			 id[STEER_WORKERS_MAX] = { 0 }, homes[STEER_WORKERS_MAX] = { 0 },
			 clients[STEER_WORKERS_MAX] = { 0 }, networks[STEER_WORKERS_MAX] = { 0 };

		steering_init(&s, n, &key);
		s.subscriber_len = 128;
		assert_int_equal(steering_add(&s, STEER_VIP, &vip, (be16){ 0 }, 0, 0), 0);
		for (uint32_t i = 0; i < 4096; i++) {
			struct tuple x = t("2001:db8:1::1", "2001:db8:ffff::1", 1, 2, 6), y = x,
				     z = t("2001:db8:1::1", "2001:db8::20", 1, 2, 6);

			memcpy(x.src.octet + 4, &i, 4);
			memcpy(y.src.octet + 12, &i, 4);
			memcpy(z.src.octet + 4, &i, 4);
			networks[owner_of_tuple(&s, &z, SIDE_OUTSIDE)]++;
			z.src = y.src;
			upper[owner_of_tuple(&s, &x, SIDE_INSIDE)]++;
			lower[owner_of_tuple(&s, &y, SIDE_INSIDE)]++;
			clients[owner_of_tuple(&s, &z, SIDE_OUTSIDE)]++;
			src[owner_of_fragment(&s, &x, 7)]++;
			x = tuple_reverse(&x);
			dst[owner_of_fragment(&s, &x, 7)]++;
			id[owner_of_fragment(&s, &z, i)]++;
			s.n_homes = (n + 1) / 2;
			homes[owner_of_tuple(&s, &y, SIDE_INSIDE)]++;
			s.n_homes = n;
		}
		shares_are_fair(upper, n);
		shares_are_fair(lower, n);
		shares_are_fair(clients, n);
		shares_are_fair(networks, n);
		shares_are_fair(src, n);
		shares_are_fair(dst, n);
		shares_are_fair(id, n);
		shares_are_fair(homes, (n + 1) / 2);
	}
}

/* RFC 791: what shares source, destination and identification is gathered in one place, the ports
 * that only its first fragment has notwithstanding. */
static void all_fragments_of_a_datagram_meet(void **state)
{
	struct tuple first = t("203.0.113.9", "198.51.100.10", 80, 4000, 6), next = first;

	(void)state;
	make();
	next.sport = next.dport = (be16){ 0 };
	for (uint32_t id = 0; id < 100; id++)
		assert_int_equal(owner_of_fragment(&s, &first, id),
				 owner_of_fragment(&s, &next, id));
}

/* Every word of the secret counts, for each thing that is steered. */
static void each_word_of_the_secret_steers(void **state)
{
	static struct steering other;
	struct hash_key key = { .word = { 0x1234567890abcdef, 0xfedcba0987654321 } };

	(void)state;
	for (unsigned word = 0; word < 2; word++) {
		unsigned n_hosts = 0, n_datagrams = 0;
		struct hash_key changed = key;

		changed.word[word] ^= 1;
		steering_init(&s, WORKERS, &key);
		steering_init(&other, WORKERS, &changed);
		s.subscriber_len = other.subscriber_len = 128;
		for (unsigned i = 0; i < 256; i++) {
			struct tuple x = t("2001:db8:1::1", "2001:db8:ffff::1", 1, 2, 6);

			x.src.octet[15] = (uint8_t)i;
			n_hosts += owner_of_tuple(&s, &x, SIDE_INSIDE) !=
				   owner_of_tuple(&other, &x, SIDE_INSIDE);
			n_datagrams +=
				owner_of_fragment(&s, &x, 1) != owner_of_fragment(&other, &x, 1);
		}
		assert_true(n_hosts > 100 &&
			    n_datagrams > 100); /* of 256, 192 are to be expected */
	}
}

/* In turns, from a start of each address' own. */
static void blocks_of_an_address_are_dealt_in_turns(void **state)
{
	unsigned starts = 0;

	(void)state;
	make();
	for (uint32_t slot = 0; slot < 64; slot++) {
		unsigned start = steering_block_default(&s, slot, 0);

		starts |= 1u << start;
		for (unsigned b = 0; b < STEER_BLOCKS; b++)
			assert_int_equal(steering_block_default(&s, slot, b),
					 (start + b) % WORKERS);
	}
	assert_int_equal(starts, (1u << WORKERS) - 1);
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
		struct packet p = { .data = bytes + PACKET_HEADROOM,
				    .headroom = PACKET_HEADROOM,
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
				 p.flags & PACKET_FRAGMENT
					 ? owner_of_fragment(&s, &p.key, p.frag_id)
					 : owner_of_tuple(&s, &p.key, side));
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
		cmocka_unit_test(subscribers_of_any_length_are_found_where_they_are_pinned),
		cmocka_unit_test(the_map_takes_the_largest_configuration),
		cmocka_unit_test(what_the_map_takes_is_found_until_it_is_full),
		cmocka_unit_test(only_the_port_and_protocol_of_a_node_are_a_service),
		cmocka_unit_test(the_longest_inside_prefix_says_what_a_subscriber_is),
		cmocka_unit_test(a_prefix_of_no_length_holds_everybody),
		cmocka_unit_test(the_last_prefix_counts),
		cmocka_unit_test(an_address_without_blocks_goes_by_its_hash),
		cmocka_unit_test(hosts_of_ipv4_are_found_in_both_directions),
		cmocka_unit_test(work_is_spread_over_all_workers),
		cmocka_unit_test(all_fragments_of_a_datagram_meet),
		cmocka_unit_test(each_word_of_the_secret_steers),
		cmocka_unit_test(blocks_of_an_address_are_dealt_in_turns),
		cmocka_unit_test(the_window_and_the_parser_agree),
	};

	return cmocka_run_group_tests_name("steering", tests, NULL, NULL);
}
