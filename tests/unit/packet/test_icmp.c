/* test_icmp.c - ICMP of both families, and what errors quote: RFC 792, RFC 4443, RFC 5508, RFC 6146
 * 3.4. */
#include "fixture.h"
#include <netinet/in.h>

#define HOST6   "2001:db8:1::10"
#define FAR6    "2001:db8:2::20"
#define ROUTER6 "2001:db8:ffff::1"
#define HOST4   "198.51.100.1"
#define FAR4    "192.0.2.33"
#define ROUTER4 "192.0.2.254"

static struct addr addr_of(const char *text)
{
	struct addr a;

	must(addr_parse(text, &a) == 0);
	return a;
}

static struct tuple sent(bool v6, uint8_t proto)
{
	return v6 ? tuple_of(HOST6, FAR6, 4000, 53, proto) : tuple_of(HOST4, FAR4, 4000, 53, proto);
}

/* An error of @type from the router about the @n bytes at @inner, which the host had sent. */
static void error(struct fixture *f, bool v6, uint8_t type, const uint8_t *inner, uint32_t n)
{
	struct addr src = addr_of(v6 ? ROUTER6 : ROUTER4), dst = addr_of(v6 ? HOST6 : HOST4);

	f->len = build_error(f->bytes, &src, &dst, type, 0, 0, inner, n);
}

static void rfc6146_3_5_3_a_query_has_its_identifier_for_both_ports(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 4; i++) {
		bool v6 = i & 1, reply = i & 2;
		struct tuple t = sent(v6, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);

		f->len = build_echo(f->bytes, &t, reply, 5);
		assert_parsed(parse(f));
		t.dport = t.sport;
		assert_true(tuple_equal(&f->p.key, &t));
		assert_int_equal(f->p.flags & (PACKET_ICMP_QUERY | PACKET_ICMP_ERROR),
				 PACKET_ICMP_QUERY);
		assert_int_equal(f->p.icmp_type, v6 ? 128 + reply : reply ? 0 : 8);
		assert_int_equal(packet_headers_len(&f->p), f->p.l4_at + 8);
	}
}

static void a_querys_checksum_is_the_receivers_business(void **state)
{
	struct tuple t = sent(true, IPPROTO_ICMPV6);
	struct fixture *f = *state;

	f->len = build_echo(f->bytes, &t, false, 5);
	f->bytes[42] ^= 1;
	assert_parsed(parse(f));
}

static void rfc7915_4_2_5_2_other_types_are_dropped(void **state)
{
	struct fixture *f = *state;

	for (uint32_t i = 0; i < 512; i++) {
		bool v6 = i & 256, known;
		struct tuple t = sent(v6, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
		uint8_t type = (uint8_t)i;

		known = v6 ? (type >= 1 && type <= 4) || type == 128 || type == 129
			   : type == 0 || type == 3 || type == 8 || type == 11 || type == 12;
		f->len = build_echo(f->bytes, &t, false, 64);
		f->bytes[v6 ? 40 : 20] = type;
		if (known)
			assert_string_not_equal(drop_reason_name(parse(f).why), "icmp-type");
		else
			assert_dropped(parse(f), DROP_ICMP_TYPE);
	}
}

static void an_icmp_of_the_other_family_is_dropped(void **state)
{
	struct fixture *f = *state;

	for (int v6 = 0; v6 <= 1; v6++) {
		struct tuple t = sent(v6, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);

		f->len = build_echo(f->bytes, &t, false, 5);
		f->bytes[v6 ? 6 : 9] = v6 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
		if (!v6)
			sum_ip4(f);
		assert_dropped(parse(f), DROP_UNKNOWN_PROTOCOL);
	}
}

static void rfc6146_3_4_an_error_has_the_embedded_tuple_reversed(void **state)
{
	static const uint8_t protos[] = { IPPROTO_UDP, IPPROTO_TCP, 0 };
	static const uint8_t types[2][4] = { { 3, 11, 12, 3 }, { 1, 2, 3, 4 } };
	struct fixture *f = *state;

	for (uint32_t i = 0; i < 24; i++) {
		bool v6 = i & 1;
		uint8_t proto = protos[i / 2 % 3], inner[200];
		struct tuple t = sent(v6, proto ? proto : v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP), want;
		struct addr router = addr_of(v6 ? ROUTER6 : ROUTER4), src;
		uint32_t head = v6 ? 40 : 20;

		if (proto == IPPROTO_TCP)
			build_tcp(inner, &t, (struct tcp_args){ 2, 1, 0 }, 40);
		else if (proto == IPPROTO_UDP)
			build_udp(inner, &t, 40);
		else
			build_echo(inner, &t, false, 40);
		error(f, v6, types[v6][i / 6], inner, head + 8);
		assert_parsed(parse(f));
		assert_int_equal(f->p.flags & (PACKET_ICMP_ERROR | PACKET_ICMP_QUERY),
				 PACKET_ICMP_ERROR);
		if (!proto)
			t.dport = t.sport;
		want = tuple_reverse(&t);
		assert_true(tuple_equal(&f->p.key, &want));
		assert_int_equal(f->p.inner_at, head + 8);
		assert_int_equal(f->p.inner_l4_at, head + 8 + head);
		assert_int_equal(f->p.inner_proto, t.proto);
		src = packet_source(&f->p);
		assert_true(addr_equal(&src, &router));
	}
}

static void rfc5508_3_2_a_wrong_checksum_is_dropped(void **state)
{
	struct fixture *f = *state;

	for (int v6 = 0; v6 <= 1; v6++) {
		struct tuple t = sent(v6, IPPROTO_UDP);
		uint8_t inner[200];

		build_udp(inner, &t, 40);
		error(f, v6, v6 ? 1 : 3, inner, 70);
		f->bytes[f->len - 1] ^= 1;
		assert_dropped(parse(f), DROP_BAD_ICMP_CHECKSUM);
	}
}

/* Every error cut at every length behind its outer header, checksum right. */
static void rfc6146_3_4_a_quote_without_8_bytes_of_l4_is_dropped(void **state)
{
	static const uint8_t protos[] = { IPPROTO_UDP, IPPROTO_TCP, 0 };
	struct fixture *f = *state;

	for (uint32_t i = 0; i < 6; i++) {
		bool v6 = i & 1;
		uint8_t proto = protos[i / 2], inner[200];
		struct tuple t = sent(v6, proto ? proto : v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
		uint32_t enough = (v6 ? 40 : 20) + 8;

		if (proto == IPPROTO_TCP)
			build_tcp(inner, &t, (struct tcp_args){ 2, 1, 0 }, 40);
		else if (proto == IPPROTO_UDP)
			build_udp(inner, &t, 40);
		else
			build_echo(inner, &t, false, 40);
		for (uint32_t n = 0; n < enough; n++) {
			error(f, v6, v6 ? 1 : 3, inner, n);
			assert_dropped(parse(f), DROP_ICMP_INNER);
		}
		error(f, v6, v6 ? 1 : 3, inner, enough);
		assert_parsed(parse(f));
	}
}

static void quotes_that_cannot_be_what_was_sent(void **state)
{
	static const struct {
		const char *what;
		bool v6;
		uint32_t at;
		uint8_t byte;
	} row[] = {
		{ "IPv6 in ICMPv4", false, 0, 0x65 },
		{ "IPv4 in ICMPv6", true, 0, 0x45 },
		{ "IHL 4", false, 0, 0x44 },
		{ "IHL beyond what is quoted", false, 0, 0x4f },
		{ "length below the header's", false, 3, 19 },
		{ "wrong header checksum (RFC 5508 3.2)", false, 12, 1 },
		{ "ICMPv6 in IPv4", false, 9, 58 },
		{ "ICMPv4 in IPv6", true, 6, 1 },
		{ "v4-mapped source", true, 0, 0 },
	};
	static const uint8_t mapped[16] = { [10] = 0xff, [11] = 0xff, 192, 0, 2, 33 };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct tuple t = sent(row[i].v6, IPPROTO_UDP);
		uint8_t inner[200] = { 0 };
		uint16_t csum = 0;

		print_message("%s\n", row[i].what);
		build_udp(inner, &t, 0);
		if (row[i].at || row[i].byte)
			inner[row[i].at] = row[i].byte;
		else
			memcpy(inner + 8, mapped, 16);
		if (!row[i].v6 && row[i].at == 3)
			inner[2] = 0;
		if (inner[0] == 0x4f)
			inner[3] = 60;
		if (!row[i].v6 && row[i].at != 12) { /* as long as the header says, for once */
			memcpy(inner + 10, &csum, 2);
			csum = (uint16_t)~checksum_fold(
				checksum_add(0, inner, (inner[0] & 15) * 4u));
			memcpy(inner + 10, &csum, 2);
		}
		error(f, row[i].v6, row[i].v6 ? 1 : 3, inner, row[i].v6 ? 48 : 28);
		assert_dropped(parse(f), DROP_ICMP_INNER);
	}
}

static void rfc7915_4_3_an_error_about_an_error_is_dropped(void **state)
{
	struct fixture *f = *state;

	for (int v6 = 0; v6 <= 1; v6++) {
		struct tuple t = sent(v6, IPPROTO_UDP);
		uint8_t inner[200], outer[400];
		struct addr src = addr_of(v6 ? HOST6 : HOST4), dst = addr_of(v6 ? FAR6 : FAR4);
		uint32_t n;

		build_udp(inner, &t, 40);
		n = build_error(outer, &src, &dst, v6 ? 1 : 3, 0, 0, inner, 70);
		error(f, v6, v6 ? 3 : 11, outer, n);
		assert_dropped(parse(f), DROP_ICMP_INNER);
	}
}

static void embedded_extension_headers_are_walked(void **state)
{
	static const uint8_t ext[] = {
		44, 0, 1, 4, 0, 0, 0, 0, /* Destination Options */
		17, 0, 0, 1, 0, 0, 0, 9, /* Fragment, the first */
	};
	struct fixture *f = *state;
	struct tuple t = sent(true, IPPROTO_UDP);
	uint8_t inner[200];

	build_udp(inner, &t, 40);
	memmove(inner + 56, inner + 40, 48);
	memcpy(inner + 40, ext, 16);
	inner[6] = 60;
	error(f, true, 1, inner, 56 + 8);
	assert_parsed(parse(f));
	assert_int_equal(f->p.inner_l4_at, 48 + 56);
	assert_int_equal(be16_to(f->p.key.dport), 4000);
	error(f, true, 1, inner, 56 + 7);
	assert_dropped(parse(f), DROP_ICMP_INNER);
	assert_true(f->p.flags & PACKET_ICMP_ERROR);
	inner[40] = 43;
	inner[6] = 43;
	inner[43] = 1; /* a source route on its way: its destination is not what it says */
	error(f, true, 1, inner, 56 + 8);
	assert_dropped(parse(f), DROP_ICMP_INNER);
}

/* Its addresses are all that is known: enough for those who translate without state. */
static void a_quote_of_a_later_fragment_has_ports_0(void **state)
{
	static const uint8_t frag[] = { 17, 0, 0, 9, 0, 0, 0, 9 };
	struct fixture *f = *state;

	for (int v6 = 0; v6 <= 1; v6++) {
		struct tuple t = sent(v6, IPPROTO_UDP);
		uint8_t inner[200];
		uint16_t csum = 0;
		uint32_t head = v6 ? 48 : 20;

		build_udp(inner, &t, 40);
		if (v6) {
			memmove(inner + 48, inner + 40, 48);
			memcpy(inner + 40, frag, 8);
			inner[6] = 44;
		} else {
			store16(inner + 6, 0x2001);
			memcpy(inner + 10, &csum, 2);
			csum = (uint16_t)~checksum_fold(checksum_add(0, inner, 20));
			memcpy(inner + 10, &csum, 2);
		}
		error(f, v6, v6 ? 1 : 3, inner, head);
		assert_parsed(parse(f));
		assert_true(f->p.inner_fragment);
		assert_int_equal(f->p.inner_l4_at, f->p.inner_at + head);
		assert_int_equal(f->p.key.proto, IPPROTO_UDP);
		assert_int_equal(f->p.key.sport.raw | f->p.key.dport.raw, 0);
		assert_true(addr_equal(&f->p.key.src, &t.dst) && addr_equal(&f->p.key.dst, &t.src));
	}
}

static void a_quote_of_a_protocol_without_ports_has_ports_0(void **state)
{
	struct fixture *f = *state;
	struct tuple t = sent(true, IPPROTO_UDP);
	uint8_t inner[200];

	build_udp(inner, &t, 40);
	inner[6] = 50; /* ESP */
	error(f, true, 1, inner, 39);
	assert_dropped(parse(f), DROP_ICMP_INNER);
	error(f, true, 1, inner, 40); /* all there was of it, perhaps */
	assert_parsed(parse(f));
	assert_false(f->p.inner_fragment);
	assert_int_equal(f->p.key.proto, 50);
	assert_int_equal(f->p.key.sport.raw | f->p.key.dport.raw, 0);
}

/* The length that a super-packet had is more than a link carries: not ours to judge. */
static void quoted_lengths_are_taken_as_they_are(void **state)
{
	struct fixture *f = *state;
	struct tuple t = sent(true, IPPROTO_UDP);
	uint8_t inner[200];

	build_udp(inner, &t, 40);
	store16(inner + 4, 65535);
	error(f, true, 1, inner, 48);
	assert_parsed(parse(f));
	store16(inner + 4, 0);
	error(f, true, 1, inner, 48);
	assert_parsed(parse(f));
}

static void rfc7915_4_1_errors_from_illegal_sources_are_kept(void **state)
{
	struct fixture *f = *state;
	struct addr src = addr_of("0.0.0.0"), dst = addr_of(HOST4);
	struct tuple t = sent(false, IPPROTO_UDP);
	uint8_t inner[200];

	build_udp(inner, &t, 40);
	f->len = build_error(f->bytes, &src, &dst, 11, 0, 0, inner, 28);
	assert_parsed(parse(f));
	src = addr_of("127.0.0.1");
	f->len = build_error(f->bytes, &src, &dst, 11, 0, 0, inner, 28);
	assert_parsed(parse(f));
	f->len = build_echo(f->bytes,
			    &(struct tuple){ .src = src, .dst = dst, .proto = IPPROTO_ICMP }, false,
			    8);
	assert_dropped(parse(f), DROP_BAD_ADDRESS);
}

static void rfc6146_3_4_fragmented_errors_are_dropped(void **state)
{
	static const uint8_t ext[8] = { 58, 0, 0, 1, 0, 0, 0, 1 };
	struct fixture *f = *state;
	struct tuple t = sent(true, IPPROTO_UDP);
	uint8_t inner[200];

	build_udp(inner, &t, 40);
	error(f, true, 1, inner, 48);
	put_in(f, 40, ext, 8);
	f->bytes[6] = 44;
	assert_dropped(parse(f), DROP_FRAGMENT_ICMP);
}

static void a_fragmented_query_has_its_identifier(void **state)
{
	static const uint8_t ext[8] = { 58, 0, 0, 1, 0, 0, 0, 1 };
	struct fixture *f = *state;
	struct tuple t = sent(true, IPPROTO_ICMPV6);

	f->len = build_echo(f->bytes, &t, false, 8);
	put_in(f, 40, ext, 8);
	f->bytes[6] = 44;
	assert_parsed(parse(f));
	assert_true(f->p.flags & PACKET_ICMP_QUERY);
	assert_int_equal(be16_to(f->p.key.sport), 4000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(rfc6146_3_5_3_a_query_has_its_identifier_for_both_ports),
		FIXTURE_TEST(a_querys_checksum_is_the_receivers_business),
		FIXTURE_TEST(rfc7915_4_2_5_2_other_types_are_dropped),
		FIXTURE_TEST(an_icmp_of_the_other_family_is_dropped),
		FIXTURE_TEST(rfc6146_3_4_an_error_has_the_embedded_tuple_reversed),
		FIXTURE_TEST(rfc5508_3_2_a_wrong_checksum_is_dropped),
		FIXTURE_TEST(rfc6146_3_4_a_quote_without_8_bytes_of_l4_is_dropped),
		FIXTURE_TEST(quotes_that_cannot_be_what_was_sent),
		FIXTURE_TEST(rfc7915_4_3_an_error_about_an_error_is_dropped),
		FIXTURE_TEST(embedded_extension_headers_are_walked),
		FIXTURE_TEST(a_quote_of_a_later_fragment_has_ports_0),
		FIXTURE_TEST(a_quote_of_a_protocol_without_ports_has_ports_0),
		FIXTURE_TEST(quoted_lengths_are_taken_as_they_are),
		FIXTURE_TEST(rfc7915_4_1_errors_from_illegal_sources_are_kept),
		FIXTURE_TEST(rfc6146_3_4_fragmented_errors_are_dropped),
		FIXTURE_TEST(a_fragmented_query_has_its_identifier),
	};

	return cmocka_run_group_tests_name("packet/icmp", tests, NULL, NULL);
}
