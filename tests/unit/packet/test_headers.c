/* test_headers.c - IPv6 extension headers, IPv4 options, fragments of both. */
#include "fixture.h"
#include <netinet/in.h>

static void udp(struct fixture *f, bool v6, uint32_t n)
{
	struct tuple t = v6 ? tuple_of("2001:db8:1::10", "2001:db8:2::20", 4000, 53, IPPROTO_UDP)
			    : tuple_of("198.51.100.1", "192.0.2.33", 4000, 53, IPPROTO_UDP);

	f->len = build_udp(f->bytes, &t, n);
}

static void chain(struct fixture *f, uint8_t first, const uint8_t *ext, uint32_t n)
{
	udp(f, true, 16);
	put_in(f, 40, ext, n);
	f->bytes[6] = first;
}

static void rfc8200_4_1_the_chain_is_walked(void **state)
{
	static const uint8_t ext[] = {
		60, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* Hop-by-Hop, 16 bytes */
		43, 0, 1, 4,  0, 0, 0, 0,                         /* Destination Options */
		60, 0, 4, 0,  0, 0, 0, 0,                         /* Routing, used up */
		17, 0, 1, 4,  0, 0, 0, 0,                         /* Destination Options */
	};
	struct fixture *f = *state;

	chain(f, 0, ext, sizeof(ext));
	assert_parsed(parse(f));
	assert_int_equal(f->p.proto, IPPROTO_UDP);
	assert_int_equal(f->p.key.proto, IPPROTO_UDP);
	assert_int_equal(f->p.l4_at, 80);
	assert_int_equal(be16_to(f->p.key.dport), 53);
	assert_int_equal(f->p.flags, 0);
}

static void rfc8200_4_1_hop_by_hop_is_first_or_wrong(void **state)
{
	static const uint8_t ext[] = { 0, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0 };
	struct fixture *f = *state;

	chain(f, 60, ext, sizeof(ext));
	assert_dropped(parse(f), DROP_EXT_HEADERS);
}

static void eight_headers_pass_and_nine_do_not(void **state)
{
	uint8_t ext[9 * 8] = { 0 };
	struct fixture *f = *state;

	for (uint32_t n = EXTENSION_HEADERS_MAX; n <= EXTENSION_HEADERS_MAX + 1; n++) {
		for (uint32_t i = 0; i < n; i++)
			ext[i * 8] = i + 1 < n ? 60 : 17;
		chain(f, 60, ext, n * 8);
		if (n == EXTENSION_HEADERS_MAX)
			assert_parsed(parse(f));
		else
			assert_dropped(parse(f), DROP_EXT_HEADERS);
	}
}

static void a_chain_that_leaves_the_packet_is_dropped(void **state)
{
	uint8_t ext[8] = { 17, 3, 1, 4 };
	struct fixture *f = *state;

	chain(f, 60, ext, 8); /* 32 bytes: exactly all that is left */
	assert_dropped(parse(f), DROP_TRUNCATED);
	ext[1] = 4;
	chain(f, 60, ext, 8);
	assert_dropped(parse(f), DROP_EXT_HEADERS);
	ext[0] = 60;
	ext[1] = 3;
	chain(f, 60, ext, 8); /* another header where nothing is left */
	assert_dropped(parse(f), DROP_EXT_HEADERS);
	ext[0] = 44;
	chain(f, 60, ext, 8); /* a Fragment Header there */
	assert_dropped(parse(f), DROP_EXT_HEADERS);
}

static void rfc7915_5_1_segments_left_points_at_itself(void **state)
{
	static const uint8_t ext[] = { 43, 0, 1, 4, 0, 0, 0, 0, 17, 0, 0, 1, 0, 0, 0, 0 };
	struct fixture *f = *state;
	struct verdict v;

	chain(f, 60, ext, sizeof(ext));
	v = parse(f);
	assert_dropped(v, DROP_SOURCE_ROUTE);
	assert_int_equal(v.reply, REPLY_SOURCE_ROUTE);
	assert_int_equal(f->p.reply_at, 51);
	assert_true(f->p.flags & PACKET_REPLY_ROUTE_HDR);
	assert_int_equal(f->p.l4_at, 56);
}

static void esp_and_ah_end_the_chain(void **state)
{
	static const uint8_t proto[] = { 50, 51, 59, 135, 139 };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(proto); i++) {
		udp(f, true, 16);
		f->bytes[6] = proto[i];
		assert_parsed(parse(f));
		assert_int_equal(f->p.key.proto, proto[i]);
		assert_int_equal(f->p.l4_at, 40);
	}
}

static void rfc8200_4_5_fragment_facts(void **state)
{
	static const struct {
		const char *what;
		uint16_t field, offset;
		uint8_t flags;
		bool more, ports;
	} row[] = {
		{ "first", 0x0001, 0, PACKET_HAS_FRAG_HDR | PACKET_FRAGMENT | PACKET_FIRST_FRAGMENT,
		  true, true },
		{ "middle", 0x0021, 32, PACKET_HAS_FRAG_HDR | PACKET_FRAGMENT, true, false },
		{ "last", 0x0020, 32, PACKET_HAS_FRAG_HDR | PACKET_FRAGMENT, false, false },
		{ "atomic (RFC 6946)", 0x0000, 0, PACKET_HAS_FRAG_HDR, false, true },
		{ "reserved bits are not looked at", 0x0006, 0, PACKET_HAS_FRAG_HDR, false, true },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		uint8_t ext[8] = {
			17,   0,   (uint8_t)(row[i].field >> 8), (uint8_t)row[i].field, 0x01, 0x23,
			0x45, 0x67
		};

		print_message("%s\n", row[i].what);
		chain(f, 44, ext, 8);
		assert_parsed(parse(f));
		assert_int_equal(f->p.flags, row[i].flags);
		assert_int_equal(f->p.frag_at, 40);
		assert_int_equal(f->p.l4_at, 48);
		assert_int_equal(f->p.frag_offset, row[i].offset);
		assert_int_equal(f->p.more_fragments, row[i].more);
		assert_int_equal(f->p.frag_id, 0x01234567);
		assert_int_equal(be16_to(f->p.key.sport), row[i].ports ? 4000 : 0);
		assert_int_equal(f->p.proto, IPPROTO_UDP);
	}
}

static void rfc791_fragment_facts(void **state)
{
	static const struct {
		const char *what;
		uint16_t field, offset;
		uint8_t flags;
		bool more, ports;
	} row[] = {
		{ "first", 0x2000, 0, PACKET_FRAGMENT | PACKET_FIRST_FRAGMENT, true, true },
		{ "middle", 0x2004, 32, PACKET_FRAGMENT, true, false },
		{ "last", 0x0004, 32, PACKET_FRAGMENT, false, false },
		{ "first, DF", 0x6000, 0, PACKET_FRAGMENT | PACKET_FIRST_FRAGMENT | PACKET_DF, true,
		  true },
		{ "whole, the reserved bit set", 0x8000, 0, 0, false, true },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		print_message("%s\n", row[i].what);
		udp(f, false, 16);
		store16(f->bytes + 4, 0xbeef);
		store16(f->bytes + 6, row[i].field);
		sum_ip4(f);
		assert_parsed(parse(f));
		assert_int_equal(f->p.flags, row[i].flags);
		assert_int_equal(f->p.frag_offset, row[i].offset);
		assert_int_equal(f->p.more_fragments, row[i].more);
		assert_int_equal(f->p.frag_id, 0xbeef);
		assert_int_equal(be16_to(f->p.key.sport), row[i].ports ? 4000 : 0);
	}
}

/* RFC 8200 4.5: lengths in eights but for the last; nothing beyond 65535. */
static void bad_fragments_are_dropped(void **state)
{
	static const struct {
		const char *what;
		uint32_t payload;
		uint16_t field;
		enum drop_reason why;
	} row[] = {
		{ "not in eights, more to come", 17, 0x2000, DROP_FRAGMENT_BAD },
		{ "not in eights, the last", 17, 0x0004, DROP_NONE },
		{ "ping of death", 1472, 0x1fff, DROP_FRAGMENT_BAD },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct verdict v;

		print_message("%s\n", row[i].what);
		udp(f, false, row[i].payload);
		store16(f->bytes + 6, row[i].field);
		sum_ip4(f);
		v = parse(f);
		assert_string_equal(drop_reason_name(v.why), drop_reason_name(row[i].why));
	}
}

static void the_end_of_the_last_fragment_is_at_most_65535(void **state)
{
	uint8_t ext[8] = { 17, 0, 0xff, 0xf0, 0, 0, 0, 1 }; /* offset 65520 */
	struct fixture *f = *state;

	/* IPv4: 20 + 65504 + 11 */
	for (uint32_t n = 0; n <= 1; n++) {
		udp(f, false, 24);
		f->len = 20 + 11 + n;
		store16(f->bytes + 2, (uint16_t)f->len);
		store16(f->bytes + 6, 8188); /* 65504 */
		sum_ip4(f);
		if (n)
			assert_dropped(parse(f), DROP_FRAGMENT_BAD);
		else
			assert_parsed(parse(f));
	}
	for (uint32_t n = 0; n <= 1; n++) {
		chain(f, 44, ext, 8);
		f->len = 48 + 15 + n;
		store16(f->bytes + 4, (uint16_t)(f->len - 40));
		if (n)
			assert_dropped(parse(f), DROP_FRAGMENT_BAD);
		else
			assert_parsed(parse(f));
	}
}

static void an_empty_fragment_is_bad(void **state)
{
	static const uint8_t ext[8] = { 17, 0, 0, 9, 0, 0, 0, 1 };
	struct fixture *f = *state;

	udp(f, true, 16);
	f->len = 40;
	put_in(f, 40, ext, 8);
	f->bytes[6] = 44;
	assert_dropped(parse(f), DROP_FRAGMENT_BAD);
	udp(f, false, 16);
	f->len = 20;
	store16(f->bytes + 2, 20);
	store16(f->bytes + 6, 0x2001);
	sum_ip4(f);
	assert_dropped(parse(f), DROP_FRAGMENT_BAD);
}

/* RFC 1858, RFC 7112: what a first fragment hides cannot be judged. */
static void a_first_fragment_has_the_whole_l4_header(void **state)
{
	struct tuple t = tuple_of("198.51.100.1", "192.0.2.33", 4000, 80, IPPROTO_TCP);
	struct fixture *f = *state;

	f->len = build_tcp(f->bytes, &t, (struct tcp_args){ 0x02, 1, 0 }, 100);
	store16(f->bytes + 6, 0x2000);
	for (f->len = 28; f->len <= 44; f->len += 8) {
		store16(f->bytes + 2, (uint16_t)f->len);
		sum_ip4(f);
		if (f->len < 40)
			assert_dropped(parse(f), DROP_FRAGMENT_TINY);
		else
			assert_parsed(parse(f));
	}
	f->bytes[32] = 0x80; /* options that are not there */
	f->len = 44;
	assert_dropped(parse(f), DROP_FRAGMENT_TINY);
}

static void rfc7915_5_1_1_extension_headers_behind_the_fragment_header(void **state)
{
	uint8_t ext[] = { 60, 0, 0, 1, 0, 0, 0, 1, 17, 0, 1, 4, 0, 0, 0, 0 };
	static const uint8_t next[] = { 0, 43, 44, 60 };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(next); i++) {
		struct verdict v;

		ext[0] = next[i];
		ext[3] = 1;
		chain(f, 44, ext, sizeof(ext));
		v = parse(f);
		assert_dropped(v, DROP_EXT_HEADERS);
		assert_int_equal(v.reply, REPLY_ADMIN_PROHIBITED); /* 5.4 */
		assert_true(f->p.flags & PACKET_FIRST_FRAGMENT);
		ext[3] = 0; /* atomic */
		chain(f, 44, ext, sizeof(ext));
		v = parse(f);
		assert_dropped(v, DROP_EXT_HEADERS);
		assert_int_equal(v.reply, REPLY_ADMIN_PROHIBITED);
		assert_false(f->p.flags & PACKET_FRAGMENT);
		ext[3] = 9; /* a later one: what is in it is not said */
		chain(f, 44, ext, sizeof(ext));
		assert_dropped(parse(f), DROP_EXT_HEADERS);
		assert_int_equal(f->p.flags & (PACKET_FRAGMENT | PACKET_FIRST_FRAGMENT),
				 PACKET_FRAGMENT);
	}
}

static void options(struct fixture *f, const uint8_t *o, uint32_t n)
{
	udp(f, false, 16);
	put_in(f, 20, o, n);
}

static void rfc791_options_are_checked(void **state)
{
	static const struct {
		const char *what;
		uint8_t o[8];
		enum drop_reason why;
	} row[] = {
		{ "NOPs and end", { 1, 1, 1, 0, 0xff, 0xff, 0xff, 0xff }, DROP_NONE },
		{ "record route", { 7, 7, 4, 0, 0, 0, 0, 0 }, DROP_NONE },
		{ "length 0", { 7, 0, 0, 0, 0, 0, 0, 0 }, DROP_BAD_HEADER },
		{ "length 1", { 7, 1, 0, 0, 0, 0, 0, 0 }, DROP_BAD_HEADER },
		{ "too long", { 7, 9, 0, 0, 0, 0, 0, 0 }, DROP_BAD_HEADER },
		{ "just fits", { 7, 8, 0, 0, 0, 0, 0, 0 }, DROP_NONE },
		{ "no room for a length", { 1, 1, 1, 1, 1, 1, 1, 7 }, DROP_BAD_HEADER },
		{ "LSRR with a hop to go", { 131, 7, 4, 10, 0, 0, 1, 0 }, DROP_SOURCE_ROUTE },
		{ "SSRR with a hop to go", { 137, 7, 4, 10, 0, 0, 1, 0 }, DROP_SOURCE_ROUTE },
		{ "LSRR, pointer at its last byte",
		  { 131, 7, 7, 10, 0, 0, 1, 0 },
		  DROP_SOURCE_ROUTE },
		{ "LSRR used up", { 131, 7, 8, 10, 0, 0, 1, 0 }, DROP_NONE },
		{ "LSRR without hops", { 131, 3, 4, 1, 1, 1, 1, 1 }, DROP_NONE },
		{ "LSRR without pointer", { 131, 2, 1, 1, 1, 1, 1, 1 }, DROP_SOURCE_ROUTE },
		{ "LSRR behind another", { 1, 131, 7, 4, 10, 0, 0, 1 }, DROP_SOURCE_ROUTE },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct verdict v;

		print_message("%s\n", row[i].what);
		options(f, row[i].o, 8);
		v = parse(f);
		assert_string_equal(drop_reason_name(v.why), drop_reason_name(row[i].why));
		assert_int_equal(v.reply,
				 row[i].why == DROP_SOURCE_ROUTE ? REPLY_SOURCE_ROUTE : REPLY_NONE);
		assert_int_equal(f->p.l4_at, 28);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(rfc8200_4_1_the_chain_is_walked),
		FIXTURE_TEST(rfc8200_4_1_hop_by_hop_is_first_or_wrong),
		FIXTURE_TEST(eight_headers_pass_and_nine_do_not),
		FIXTURE_TEST(a_chain_that_leaves_the_packet_is_dropped),
		FIXTURE_TEST(rfc7915_5_1_segments_left_points_at_itself),
		FIXTURE_TEST(esp_and_ah_end_the_chain),
		FIXTURE_TEST(rfc8200_4_5_fragment_facts),
		FIXTURE_TEST(rfc791_fragment_facts),
		FIXTURE_TEST(bad_fragments_are_dropped),
		FIXTURE_TEST(the_end_of_the_last_fragment_is_at_most_65535),
		FIXTURE_TEST(an_empty_fragment_is_bad),
		FIXTURE_TEST(a_first_fragment_has_the_whole_l4_header),
		FIXTURE_TEST(rfc7915_5_1_1_extension_headers_behind_the_fragment_header),
		FIXTURE_TEST(rfc791_options_are_checked),
	};

	return cmocka_run_group_tests_name("packet/headers", tests, NULL, NULL);
}
