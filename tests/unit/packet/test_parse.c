/* test_parse.c - IPv4, IPv6, TCP and UDP: the facts of good packets, the reasons of bad ones. */
#include "fixture.h"
#include <netinet/in.h>

#define A6 "2001:db8:1::10"
#define B6 "2001:db8:2::20"
#define A4 "198.51.100.1"
#define B4 "192.0.2.33"

static struct tuple t6(uint8_t proto)
{
	return tuple_of(A6, B6, 4000, 53, proto);
}

static struct tuple t4(uint8_t proto)
{
	return tuple_of(A4, B4, 4000, 53, proto);
}

static void udp(struct fixture *f, bool v6, uint32_t n)
{
	struct tuple t = v6 ? t6(IPPROTO_UDP) : t4(IPPROTO_UDP);

	f->len = build_udp(f->bytes, &t, n);
}

static void tcp(struct fixture *f, bool v6, uint32_t n)
{
	struct tuple t = v6 ? t6(IPPROTO_TCP) : t4(IPPROTO_TCP);

	f->len = build_tcp(f->bytes, &t, (struct tcp_args){ 0x12, 1, 2 }, n);
}

static void facts_of_an_ipv6_packet(void **state)
{
	struct fixture *f = *state;
	struct tuple t = t6(IPPROTO_TCP);

	tcp(f, true, 10);
	f->bytes[0] = 0x6b;
	f->bytes[1] = 0xc1;
	f->bytes[7] = 9;
	assert_parsed(parse(f));
	assert_int_equal(f->p.family, 6);
	assert_int_equal(f->p.proto, IPPROTO_TCP);
	assert_int_equal(f->p.ttl, 9);
	assert_int_equal(f->p.tclass, 0xbc);
	assert_int_equal(f->p.tcp_flags, 0x12);
	assert_int_equal(f->p.l4_at, 40);
	assert_int_equal(f->p.frag_at, 0);
	assert_int_equal(f->p.flags, 0);
	assert_int_equal(f->p.len, 70);
	assert_true(tuple_equal(&f->p.key, &t));
	assert_int_equal(packet_headers_len(&f->p), 60);
	assert_int_equal(f->p.side, SIDE_INSIDE);
}

static void facts_of_an_ipv4_packet(void **state)
{
	struct fixture *f = *state;
	struct tuple t = t4(IPPROTO_UDP);
	struct addr src, dst;

	udp(f, false, 10);
	f->bytes[1] = 0xbc;
	f->bytes[8] = 9;
	store16(f->bytes + 4, 0x1234);
	sum_ip4(f);
	assert_parsed(parse(f));
	assert_int_equal(f->p.family, 4);
	assert_int_equal(f->p.proto, IPPROTO_UDP);
	assert_int_equal(f->p.ttl, 9);
	assert_int_equal(f->p.tclass, 0xbc);
	assert_int_equal(f->p.tcp_flags, 0);
	assert_int_equal(f->p.l4_at, 20);
	assert_int_equal(f->p.flags, PACKET_DF);
	assert_int_equal(f->p.frag_id, 0x1234);
	assert_false(f->p.more_fragments);
	assert_true(tuple_equal(&f->p.key, &t));
	assert_int_equal(packet_headers_len(&f->p), 28);
	src = packet_source(&f->p);
	dst = packet_destination(&f->p);
	assert_true(addr_equal(&src, &t.src));
	assert_true(addr_equal(&dst, &t.dst));
}

static void trailing_bytes_are_cut_off(void **state)
{
	struct fixture *f = *state;

	for (int v6 = 0; v6 <= 1; v6++) {
		uint32_t len;

		udp(f, v6, 10);
		len = f->len;
		f->len += 18; /* Ethernet padding */
		assert_parsed(parse(f));
		assert_int_equal(f->p.len, len);
	}
}

/* Every packet cut at every length: never a byte beyond, always a drop. */
static void a_packet_cut_anywhere_is_dropped(void **state)
{
	struct fixture *f = *state;

	for (int kind = 0; kind < 4; kind++) {
		uint32_t len;

		if (kind < 2)
			udp(f, kind, 10);
		else
			tcp(f, kind - 2, 10);
		len = f->len;
		for (f->len = 0; f->len < len; f->len++)
			assert_dropped(parse(f), DROP_TRUNCATED);
	}
}

static void l4_headers_alone_are_whole_packets(void **state)
{
	struct fixture *f = *state;

	for (int v6 = 0; v6 <= 1; v6++) {
		struct tuple t = v6 ? t6(IPPROTO_ICMPV6) : t4(IPPROTO_ICMP);

		udp(f, v6, 0);
		assert_parsed(parse(f));
		tcp(f, v6, 0);
		assert_parsed(parse(f));
		f->len = build_echo(f->bytes, &t, false, 0);
		assert_parsed(parse(f));
		assert_int_equal(f->p.len, f->p.l4_at + 8);
	}
}

static void rfc791_headers_that_contradict_themselves(void **state)
{
	struct fixture *f = *state;

	udp(f, false, 10);
	f->bytes[0] = 0x44; /* 16 bytes of header */
	assert_dropped(parse(f), DROP_BAD_HEADER);
	f->bytes[0] = 0x4f; /* 60 of 38 */
	assert_dropped(parse(f), DROP_BAD_HEADER);
	udp(f, false, 10);
	store16(f->bytes + 2, 19);
	assert_dropped(parse(f), DROP_BAD_HEADER);
	store16(f->bytes + 2, 0);
	assert_dropped(parse(f), DROP_BAD_HEADER);
	udp(f, false, 10);
	f->bytes[0] = 0x55;
	assert_dropped(parse(f), DROP_BAD_VERSION);
}

static void rfc791_a_wrong_header_checksum_is_dropped(void **state)
{
	struct fixture *f = *state;

	udp(f, false, 10);
	f->bytes[10] ^= 1;
	assert_dropped(parse(f), DROP_BAD_IPV4_CHECKSUM);
	udp(f, false, 10);
	f->bytes[8]--;
	assert_dropped(parse(f), DROP_BAD_IPV4_CHECKSUM);
}

static void rfc9293_3_1_data_offset(void **state)
{
	struct fixture *f = *state;

	for (int v6 = 0; v6 <= 1; v6++) {
		uint32_t at = v6 ? 52 : 32;

		tcp(f, v6, 8);
		f->bytes[at] = 0x40;
		assert_dropped(parse(f), DROP_BAD_HEADER);
		f->bytes[at] = 0x70;
		assert_parsed(parse(f));
		assert_int_equal(packet_headers_len(&f->p), at - 12 + 28);
		f->bytes[at] = 0x80; /* one word more than there is */
		assert_dropped(parse(f), DROP_TRUNCATED);
	}
}

static void rfc768_udp_length(void **state)
{
	struct fixture *f = *state;

	udp(f, true, 10);
	store16(f->bytes + 44, 7);
	assert_dropped(parse(f), DROP_BAD_HEADER);
	store16(f->bytes + 44, 19);
	assert_dropped(parse(f), DROP_BAD_HEADER);
	store16(f->bytes + 44, 8); /* what follows is no part of the datagram */
	assert_parsed(parse(f));
}

static void addresses_that_cannot_be(void **state)
{
	static const struct {
		const char *src, *dst;
		enum drop_reason why;
	} row[] = {
		{ "0.0.0.0", B4, DROP_BAD_ADDRESS },
		{ "0.1.2.3", B4, DROP_BAD_ADDRESS },
		{ "127.0.0.1", B4, DROP_BAD_ADDRESS },
		{ "224.0.0.1", B4, DROP_BAD_ADDRESS },
		{ "239.255.255.255", B4, DROP_BAD_ADDRESS },
		{ "240.0.0.1", B4, DROP_BAD_ADDRESS },
		{ "255.255.255.255", B4, DROP_BAD_ADDRESS },
		{ "169.254.1.1", B4, DROP_LINK_LOCAL },
		{ A4, "0.0.0.0", DROP_BAD_ADDRESS },
		{ A4, "127.1.2.3", DROP_BAD_ADDRESS },
		{ A4, "224.0.0.251", DROP_MULTICAST },
		{ A4, "239.1.1.1", DROP_MULTICAST },
		{ A4, "240.0.0.1", DROP_BAD_ADDRESS },
		{ A4, "255.255.255.255", DROP_BAD_ADDRESS },
		{ A4, "169.254.169.254", DROP_LINK_LOCAL },
		{ "1.0.0.1", "223.255.255.255", DROP_NONE },
		{ "126.255.255.255", "128.0.0.1", DROP_NONE },
		{ "169.253.255.255", "169.255.0.0", DROP_NONE },
		{ "10.0.0.1", "100.64.0.1", DROP_NONE },
		{ "::", B6, DROP_BAD_ADDRESS },
		{ "::1", B6, DROP_BAD_ADDRESS },
		{ "ff02::1", B6, DROP_BAD_ADDRESS },
		{ "fe80::1", B6, DROP_LINK_LOCAL },
		{ "febf:ffff::1", B6, DROP_LINK_LOCAL },
		{ A6, "::", DROP_BAD_ADDRESS },
		{ A6, "::1", DROP_BAD_ADDRESS },
		{ A6, "ff02::fb", DROP_MULTICAST },
		{ A6, "ff0e::1", DROP_MULTICAST },
		{ A6, "fe80::1", DROP_LINK_LOCAL },
		{ A6, "::2", DROP_NONE },
		{ "::1.2.3.4", "fec0::1", DROP_NONE },
		{ "64:ff9b::1.2.3.4", "fe7f::1", DROP_NONE },
		{ "fd00::1", "0:1::", DROP_NONE },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct tuple t = tuple_of(row[i].src, row[i].dst, 1, 2, IPPROTO_UDP);
		struct verdict v;

		print_message("%s > %s\n", row[i].src, row[i].dst);
		f->len = build_udp(f->bytes, &t, 10);
		v = parse(f);
		assert_string_equal(drop_reason_name(v.why), drop_reason_name(row[i].why));
		assert_int_equal(v.reply, REPLY_NONE);
	}
}

/* In our one address form it would be taken for the IPv4 address in it. */
static void rfc4291_2_5_5_2_v4_mapped_on_the_wire_is_dropped(void **state)
{
	static const uint8_t mapped[16] = { [10] = 0xff, [11] = 0xff, 192, 0, 2, 33 };
	struct fixture *f = *state;

	udp(f, true, 10);
	memcpy(f->bytes + 8, mapped, 16);
	assert_dropped(parse(f), DROP_BAD_ADDRESS);
	udp(f, true, 10);
	memcpy(f->bytes + 24, mapped, 16);
	assert_dropped(parse(f), DROP_BAD_ADDRESS);
}

static void a_protocol_without_ports_passes_with_ports_0(void **state)
{
	struct fixture *f = *state;

	for (int v6 = 0; v6 <= 1; v6++) {
		udp(f, v6, 10);
		f->bytes[v6 ? 6 : 9] = 47;
		if (!v6)
			sum_ip4(f);
		assert_parsed(parse(f));
		assert_int_equal(f->p.key.proto, 47);
		assert_int_equal(f->p.key.sport.raw | f->p.key.dport.raw, 0);
	}
}

static void rfc2675_jumbograms_are_dropped(void **state)
{
	static const uint8_t jumbo[8] = { 17, 0, 0xc2, 4, 0, 1, 0, 0 };
	struct fixture *f = *state;

	udp(f, true, 10);
	put_in(f, 40, jumbo, 8);
	f->bytes[6] = 0;
	store16(f->bytes + 4, 0);
	assert_dropped(parse(f), DROP_EXT_HEADERS);
}

static void the_longest_packets(void **state)
{
	struct fixture *f = *state;

	udp(f, true, 65527);
	assert_int_equal(f->len, PACKET_LEN_MAX);
	assert_parsed(parse(f));
	assert_int_equal(f->p.len, PACKET_LEN_MAX);
	udp(f, false, 65507);
	assert_parsed(parse(f));
	assert_int_equal(f->p.len, 65535);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(facts_of_an_ipv6_packet),
		FIXTURE_TEST(facts_of_an_ipv4_packet),
		FIXTURE_TEST(trailing_bytes_are_cut_off),
		FIXTURE_TEST(a_packet_cut_anywhere_is_dropped),
		FIXTURE_TEST(l4_headers_alone_are_whole_packets),
		FIXTURE_TEST(rfc791_headers_that_contradict_themselves),
		FIXTURE_TEST(rfc791_a_wrong_header_checksum_is_dropped),
		FIXTURE_TEST(rfc9293_3_1_data_offset),
		FIXTURE_TEST(rfc768_udp_length),
		FIXTURE_TEST(addresses_that_cannot_be),
		FIXTURE_TEST(rfc4291_2_5_5_2_v4_mapped_on_the_wire_is_dropped),
		FIXTURE_TEST(a_protocol_without_ports_passes_with_ports_0),
		FIXTURE_TEST(rfc2675_jumbograms_are_dropped),
		FIXTURE_TEST(the_longest_packets),
	};

	return cmocka_run_group_tests_name("packet/parse", tests, NULL, NULL);
}
