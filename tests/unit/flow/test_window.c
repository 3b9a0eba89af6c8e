/*
 * test_window.c - what owner_of() reads from a packet's first bytes: every place where ports can
 * stand, and how far it looks. Workers are many and blocks are dealt at random, so that a port
 * misread shows.
 */
#include "test.h"
#include "build.h"
#include "sixgate/flow/steer.h"

enum { WORKERS = 16, PORT = 9000, WINDOW_TESTS = 40 };

static struct steering s;
static uint8_t blocks[1][STEER_BLOCKS];
static uint64_t seed;

/* Owners depend on the destination's port (to the pool, or from a node to a client of the pool), or
 * on the source's (a client of the pool to a VIP). */
static const struct pair {
	const char *src, *dst;
	bool by_sport;
} pairs4[] = { { "203.0.113.9", "198.51.100.10", false },
	       { "198.51.100.10", "198.51.100.20", true } },
  pairs6[] = { { "2001:db8:5::1", "2001:db8:64::198.51.100.10", false },
	       { "2001:db8:64::198.51.100.10", "2001:db8::20", true } };

static void add(enum steer_kind kind, const char *text, uint16_t port, uint8_t proto)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	assert_int_equal(steering_add(&s, kind, &a, be16_from(port), proto, 0), 0);
}

static int setup(void **state)
{
	struct hash_key key = { .word = { 0x1234567890abcdef, 0xfedcba0987654321 } };

	(void)state;
	seed = test_seed();
	steering_init(&s, WORKERS, &key);
	assert_int_equal(prefix_parse("2001:db8:64::/96", &s.embed[0]), 0);
	s.n_embed = 1;
	s.block = blocks;
	s.n_pools = 1;
	for (unsigned i = 0; i < STEER_BLOCKS; i++)
		blocks[0][i] = (uint8_t)(rnd(&seed) % WORKERS);
	add(STEER_POOL, "198.51.100.10", 0, 0);
	add(STEER_VIP, "198.51.100.20", 0, 0);
	add(STEER_VIP, "2001:db8::20", 0, 0);
	add(STEER_NODE, "2001:db8:5::1", PORT, 6);
	add(STEER_NODE, "2001:db8:5::1", PORT, 17);
	add(STEER_NODE, "2001:db8:5::1", PORT, 58);
	return 0;
}

static struct tuple tuple_for(const struct pair *p, uint8_t proto)
{
	uint16_t any = (uint16_t)rnd(&seed);
	struct tuple t =
		tuple_of(p->src, p->dst, p->by_sport ? any : PORT, p->by_sport ? PORT : any, proto);

	if (proto == 1 || proto == 58)
		t.sport = t.dport = be16_from(p->by_sport || proto == 1 ? any : PORT);
	return t;
}

static void garbage(uint8_t *at, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		at[i] = (uint8_t)rnd(&seed);
}

/* The first 8 bytes of what @t says; the rest is garbage. */
static void put_l4(uint8_t *at, const struct tuple *t)
{
	if (t->proto == 1 || t->proto == 58) {
		at[0] = t->proto == 1 ? 8 : 128;
		store_be16(at + 4, t->sport);
	} else {
		store_be16(at, t->sport);
		store_be16(at + 2, t->dport);
	}
}

static uint32_t put_ip4(uint8_t *at, const struct tuple *t, unsigned words, uint16_t frag,
			uint16_t id)
{
	at[0] = (uint8_t)(0x40 | words);
	store16(at + 4, id);
	store16(at + 6, frag);
	at[9] = t->proto;
	memcpy(at + 12, t->src.octet + 12, 4);
	memcpy(at + 16, t->dst.octet + 12, 4);
	return words * 4;
}

/* @chain: types of the extension headers, 0xff ends it; each has @more times 8 bytes more than 8.
 */
static uint32_t put_ip6(uint8_t *at, const struct tuple *t, const uint8_t *chain, uint8_t more)
{
	uint8_t *next = at + 6;
	uint32_t l4 = 40;

	at[0] = 0x60;
	memcpy(at + 8, t->src.octet, 16);
	memcpy(at + 24, t->dst.octet, 16);
	for (; *chain != 0xff; chain++) {
		*next = *chain;
		next = at + l4;
		at[l4 + 1] = more;
		l4 += 8u + (*chain == 44 ? 0 : more * 8u);
	}
	*next = t->proto;
	return l4;
}

static void belongs_to_the_owner_of(const uint8_t *bytes, uint32_t len, const struct tuple *t)
{
	assert_int_equal(owner_of(&s, bytes, len, SIDE_OUTSIDE),
			 owner_of_tuple(&s, t, SIDE_OUTSIDE));
}

static void ports_stand_behind_ipv4_options(void **state)
{
	static const uint8_t protos[] = { 6, 17, 1 };
	uint8_t bytes[256];

	(void)state;
	for (unsigned i = 0; i < WINDOW_TESTS * 33; i++) {
		struct tuple t = tuple_for(&pairs4[i % 2], protos[i % 3]);
		uint32_t l4;

		garbage(bytes, sizeof(bytes));
		l4 = put_ip4(bytes, &t, 5 + i % 11, i % 2 ? 0x4000 : 0, (uint16_t)i);
		put_l4(bytes + l4, &t);
		belongs_to_the_owner_of(bytes, l4 + 8, &t);
		belongs_to_the_owner_of(bytes, sizeof(bytes), &t);
		t.sport = t.dport = (be16){ 0 };
		belongs_to_the_owner_of(bytes, l4 + 7, &t); /* not all of the first 8 bytes */
		belongs_to_the_owner_of(bytes, 20, &t);
		assert_int_equal(owner_of(&s, bytes, 19, SIDE_OUTSIDE), 0);
		put_ip4(bytes, &t, i % 5, 0, 0); /* a header that cannot be: where are its ports? */
		belongs_to_the_owner_of(bytes, sizeof(bytes), &t);
	}
}

static void ports_stand_behind_ipv6_extension_headers(void **state)
{
	static const uint8_t chains[][6] = {
		{ 0xff },
		{ 0, 0xff },
		{ 43, 0xff },
		{ 60, 0xff },
		{ 0, 60, 0xff },
		{ 0, 43, 60, 0xff },
		{ 60, 60, 60, 60, 0xff },
		{ 44, 0xff },
		{ 60, 44, 60, 0xff },
	};
	static const uint8_t protos[] = { 6, 17, 58 };
	uint8_t bytes[256];

	(void)state;
	for (unsigned i = 0; i < WINDOW_TESTS * 54; i++) {
		const uint8_t *chain = chains[i % 9];
		struct tuple t = tuple_for(&pairs6[i / 9 % 2], protos[i / 18 % 3]);
		uint8_t more = (uint8_t)(rnd(&seed) % 3);
		uint32_t l4;

		garbage(bytes, sizeof(bytes));
		l4 = put_ip6(bytes, &t, chain, more);
		if (chain[0] == 44)
			store16(bytes + 42, 6); /* atomic: only reserved bits are set */
		if (chain[1] == 44)
			store16(bytes + 40 + 8 + more * 8 + 2, 0);
		put_l4(bytes + l4, &t);
		if (l4 + 8 <= STEER_WINDOW) {
			belongs_to_the_owner_of(bytes, l4 + 8, &t);
			belongs_to_the_owner_of(bytes, sizeof(bytes), &t);
		}
		if (chain[0] == 0xff) {
			t.sport = t.dport = (be16){ 0 };
			belongs_to_the_owner_of(bytes, 47, &t);
			belongs_to_the_owner_of(bytes, 40, &t);
			assert_int_equal(owner_of(&s, bytes, 39, SIDE_OUTSIDE), 0);
		}
	}
}

/* What is too deep is found by its addresses: behind four extension headers, behind the window. */
static void what_lies_too_deep_is_not_read(void **state)
{
	static const uint8_t five[] = { 60, 60, 60, 60, 60, 0xff }, one[] = { 60, 0xff };
	uint8_t bytes[256];

	(void)state;
	for (unsigned i = 0; i < WINDOW_TESTS; i++) {
		struct tuple t = tuple_for(&pairs6[1], 6), bare = t;
		uint32_t l4;

		bare.sport = bare.dport = (be16){ 0 };
		garbage(bytes, sizeof(bytes));
		l4 = put_ip6(bytes, &t, five, 0);
		put_l4(bytes + l4, &t);
		belongs_to_the_owner_of(bytes, sizeof(bytes), &bare);
		l4 = put_ip6(bytes, &t, one, 9); /* l4 at 120: the last that the window holds */
		put_l4(bytes + l4, &t);
		belongs_to_the_owner_of(bytes, sizeof(bytes), &t);
		l4 = put_ip6(bytes, &t, one, 10);
		put_l4(bytes + l4, &t);
		belongs_to_the_owner_of(bytes, sizeof(bytes), &bare);
		t.proto = 51; /* no header that is walked through: a protocol without ports */
		l4 = put_ip6(bytes, &t, one + 1, 0);
		garbage(bytes + l4, 20);
		belongs_to_the_owner_of(bytes, sizeof(bytes), &bare);
	}
}

static void gathers(const uint8_t *bytes, const struct tuple *t, uint32_t id)
{
	assert_int_equal(owner_of(&s, bytes, STEER_WINDOW, SIDE_OUTSIDE),
			 owner_of_fragment(&s, t, id));
}

/* RFC 791 3.1: more fragments, or an offset. Neither DF nor the reserved bit makes a fragment. */
static void ipv4_fragments_are_gathered(void **state)
{
	static const uint16_t fragment[] = { 0x2000, 0x0001, 0x1000, 0x3fff, 0x6000, 0xe001 };
	uint8_t bytes[STEER_WINDOW];

	(void)state;
	for (unsigned i = 0; i < WINDOW_TESTS * 6; i++) {
		struct tuple t = tuple_for(&pairs4[0], 6);
		uint16_t id = (uint16_t)rnd(&seed);

		garbage(bytes, sizeof(bytes));
		put_l4(bytes + put_ip4(bytes, &t, 5, fragment[i % 6], id), &t);
		gathers(bytes, &t, id);
		put_l4(bytes + put_ip4(bytes, &t, 5, i % 2 ? 0x8000 : 0xc000, id), &t);
		belongs_to_the_owner_of(bytes, sizeof(bytes), &t);
	}
}

/* RFC 8200 4.5, RFC 6946: more fragments, or an offset, in a header that has two bits to spare. */
static void ipv6_fragments_are_gathered(void **state)
{
	static const uint16_t fragment[] = { 0x0001, 0x0008, 0x8000, 0xfff9, 0x0007, 0x0ff8 };
	static const uint8_t chain[] = { 44, 0xff }, second[] = { 0, 44, 0xff };
	uint8_t bytes[STEER_WINDOW];

	(void)state;
	for (unsigned i = 0; i < WINDOW_TESTS * 6; i++) {
		struct tuple t = tuple_for(&pairs6[0], 6);
		uint32_t id = (uint32_t)rnd(&seed), at = i % 2 ? 40 : 48;

		garbage(bytes, sizeof(bytes));
		put_l4(bytes + put_ip6(bytes, &t, i % 2 ? chain : second, 0), &t);
		store16(bytes + at + 2, fragment[i % 6]);
		store32(bytes + at + 4, id);
		gathers(bytes, &t, id);
	}
}

/* The error's bytes: outer header, 8 bytes of ICMP. Return: where the quoted packet goes. */
static uint32_t put_error(uint8_t *bytes, const char *src, const char *dst, uint8_t type)
{
	static const uint8_t none[] = { 0xff };
	struct tuple t = tuple_of(src, dst, 0, 0, 0);
	uint32_t l4 =
		addr_is_v4(&t.src) ? put_ip4(bytes, &t, 5, 0, 0) : put_ip6(bytes, &t, none, 0);

	bytes[l4] = type;
	return l4 + 8;
}

/* RFC 792: 3, 11 and 12 quote a packet; it is ours as its answer would be. */
static void ipv4_errors_go_where_the_quoted_packet_belongs(void **state)
{
	static const uint8_t types[] = { 3, 11, 12 };
	static const uint8_t protos[] = { 6, 17, 1 };
	uint8_t bytes[STEER_WINDOW];

	(void)state;
	for (unsigned i = 0; i < WINDOW_TESTS * 9; i++) {
		struct tuple t = tuple_for(&pairs4[0], protos[i / 3 % 3]),
			     quoted = tuple_reverse(&t);
		uint32_t at, l4;

		garbage(bytes, sizeof(bytes));
		at = put_error(bytes, "192.0.2.99", "198.51.100.10", types[i % 3]);
		l4 = at + put_ip4(bytes + at, &quoted, 5 + i % 11, i % 2 ? 0x2000 : 0, 0);
		put_l4(bytes + l4, &quoted);
		belongs_to_the_owner_of(bytes, l4 + 8, &t);
		t.sport = t.dport = (be16){ 0 };
		put_ip4(bytes + at, &quoted, 5, 0x2001, 0); /* its ports are in another fragment */
		belongs_to_the_owner_of(bytes, sizeof(bytes), &t);
		assert_int_equal(owner_of(&s, bytes, at + 19, SIDE_OUTSIDE), 0);
		assert_int_equal(owner_of(&s, bytes, at, SIDE_OUTSIDE), 0);
	}
}

/* RFC 4443 2.1: types below 128 are errors. */
static void ipv6_errors_go_where_the_quoted_packet_belongs(void **state)
{
	static const uint8_t types[] = { 1, 2, 3, 4, 127 }, chain[] = { 60, 0xff },
			     fragment[] = { 44, 0xff };
	uint8_t bytes[STEER_WINDOW];

	(void)state;
	for (unsigned i = 0; i < WINDOW_TESTS * 10; i++) {
		struct tuple t = tuple_for(&pairs6[i / 20 % 2], i % 2 ? 6 : 17),
			     quoted = tuple_reverse(&t);
		uint32_t at, l4;

		garbage(bytes, sizeof(bytes));
		at = put_error(bytes, "2001:db8:77::1", "2001:db8:5::1", types[i % 5]);
		l4 = at + put_ip6(bytes + at, &quoted, chain + i / 10 % 2, 0);
		put_l4(bytes + l4, &quoted);
		belongs_to_the_owner_of(bytes, l4 + 8, &t);
		assert_int_equal(owner_of(&s, bytes, at + 39, SIDE_OUTSIDE), 0);
		l4 = at + put_ip6(bytes + at, &quoted, fragment, 0);
		put_l4(bytes + l4, &quoted);
		store16(bytes + l4 - 6, 1); /* the first of several: its ports are here */
		belongs_to_the_owner_of(bytes, l4 + 8, &t);
		t.sport = t.dport = (be16){ 0 };
		store16(bytes + l4 - 6, 8);
		belongs_to_the_owner_of(bytes, l4 + 8, &t);
	}
}

/* Queries, and what is neither, go by their own addresses and identifier. */
static void other_icmp_quotes_nothing(void **state)
{
	static const uint8_t types4[] = { 0, 4, 5, 8, 13, 10 }, types6[] = { 128, 129, 130, 255 };
	uint8_t bytes[STEER_WINDOW];

	(void)state;
	for (unsigned i = 0; i < WINDOW_TESTS * 12; i++) {
		bool v4 = i % 2;
		struct tuple t = tuple_for(v4 ? &pairs4[0] : &pairs6[1], v4 ? 1 : 58), other;
		uint32_t l4;

		garbage(bytes, sizeof(bytes));
		l4 = put_error(bytes, v4 ? pairs4[0].src : pairs6[1].src,
			       v4 ? pairs4[0].dst : pairs6[1].dst,
			       v4 ? types4[i / 2 % 6] : types6[i / 2 % 4]) -
		     8;
		store_be16(bytes + l4 + 4, t.sport);
		other = tuple_for(v4 ? &pairs4[0] : &pairs6[1],
				  6); /* what looks like a quotation */
		if (v4)
			put_l4(bytes + l4 + 8 + put_ip4(bytes + l4 + 8, &other, 5, 0, 0), &other);
		belongs_to_the_owner_of(bytes, sizeof(bytes), &t);
	}
}

static void nothing_to_read_goes_to_worker_0(void **state)
{
	uint8_t bytes[STEER_WINDOW];

	(void)state;
	for (unsigned version = 0; version < 16; version++) {
		garbage(bytes, sizeof(bytes));
		bytes[0] = (uint8_t)(version << 4 | 5);
		if (version != 4 && version != 6)
			assert_int_equal(owner_of(&s, bytes, sizeof(bytes), SIDE_OUTSIDE), 0);
		assert_int_equal(owner_of(&s, bytes, 0, SIDE_OUTSIDE), 0);
	}
}

/* Law: neither what lies behind the bytes that there are, nor behind the window, changes the owner.
 */
static void bytes_that_are_not_there_do_not_count(void **state)
{
	uint8_t bytes[STEER_WINDOW + 64], other[STEER_WINDOW + 64];

	(void)state;
	for (unsigned i = 0; i < 200000; i++) {
		static const uint8_t all[] = { 0, 43, 44, 60, 6, 17, 58, 51 };
		uint32_t len = (uint32_t)(rnd(&seed) % (sizeof(bytes) + 1));
		uint32_t there = len < STEER_WINDOW ? len : STEER_WINDOW;
		struct tuple t = tuple_for(i % 2 ? &pairs4[i / 2 % 2] : &pairs6[i / 2 % 2], 6);

		garbage(bytes, sizeof(bytes));
		if (i % 2) {
			t.proto = i % 3 ? 6 : 1;
			put_ip4(bytes, &t, 5 + i / 2 % 11, 0, 0);
		} else {
			const uint8_t chain[] = { all[rnd(&seed) % 4], all[rnd(&seed) % 8], 0xff };

			put_ip6(bytes, &t, chain, (uint8_t)(rnd(&seed) % 4));
		}
		garbage(other, sizeof(other));
		memcpy(other, bytes, there);
		assert_int_equal(owner_of(&s, bytes, len, SIDE_OUTSIDE),
				 owner_of(&s, other, len, SIDE_OUTSIDE));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ports_stand_behind_ipv4_options),
		cmocka_unit_test(ports_stand_behind_ipv6_extension_headers),
		cmocka_unit_test(what_lies_too_deep_is_not_read),
		cmocka_unit_test(ipv4_fragments_are_gathered),
		cmocka_unit_test(ipv6_fragments_are_gathered),
		cmocka_unit_test(ipv4_errors_go_where_the_quoted_packet_belongs),
		cmocka_unit_test(ipv6_errors_go_where_the_quoted_packet_belongs),
		cmocka_unit_test(other_icmp_quotes_nothing),
		cmocka_unit_test(nothing_to_read_goes_to_worker_0),
		cmocka_unit_test(bytes_that_are_not_there_do_not_count),
	};

	return cmocka_run_group_tests_name("window", tests, setup, NULL);
}
