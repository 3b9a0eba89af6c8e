/* test_icmp_6to4.c - RFC 7915 section 5.2 and 5.3, from its text: ICMPv6 errors as ICMPv4 errors.
 *
 * The IPv4 server had sent to the inside host; a router before the host, or it, complains. */
#include "rig.h"
#include <netinet/in.h>

enum { UDP_QUOTED = 96 };

static struct verdict send_error(struct rig *r, uint8_t type, uint8_t code, uint32_t rest,
				 uint32_t declared)
{
	struct tuple inner = in6(53, 4000, IPPROTO_UDP), to = out4(5000, 53, IPPROTO_UDP);
	struct addr router = addr_of(ROUTER6), server = addr_of(SERVER6);
	uint8_t quote[2000];

	build_udp(quote, &inner, 1000);
	store16(quote + 4, (uint16_t)(declared - 40));
	quote[0] = 0x62;
	quote[1] = 0x80;
	quote[7] = 3;
	r->len = build_error(r->bytes, &router, &server, type, code, rest, quote, UDP_QUOTED);
	assert_int_equal(rig_receive(r, SIDE_INSIDE, NULL).next, VERDICT_CONTINUE);
	return rig_rewrite(r, &to, HOST4);
}

static const uint8_t *icmp_out(const struct rig *r)
{
	struct packet f = rig_facts(&r->p);
	struct addr src = packet_source(&f), dst = packet_destination(&f);
	struct addr want_src = addr_of(HOST4), want_dst = addr_of(SERVER4);

	assert_int_equal(f.family, 4);
	assert_true(f.flags & PACKET_ICMP_ERROR); /* checksums are right, says the parser */
	assert_true(addr_equal(&src, &want_src));
	assert_true(addr_equal(&dst, &want_dst));
	assert_true(f.len <= 576);
	assert_int_equal(r->p.out_side, SIDE_OUTSIDE);
	return f.data + f.l4_at;
}

static void rfc7915_5_2_destination_unreachable_by_code(void **state)
{
	static const int map[] = { 1, 10, 1, 1, 3, -1, -1, -1 };
	struct rig *r = *state;

	for (uint8_t code = 0; code < ARRAY_LEN(map); code++) {
		struct verdict v = send_error(r, 1, code, 0, 1048);
		const uint8_t *icmp;

		print_message("1/%u\n", code);
		if (map[code] < 0) {
			assert_dropped(v, DROP_ICMP_TYPE);
			assert_untouched(r);
			continue;
		}
		assert_forwarded(v);
		icmp = icmp_out(r);
		assert_int_equal(icmp[0], 3);
		assert_int_equal(icmp[1], map[code]);
		assert_int_equal(load32(icmp + 4), 0);
	}
}

static void rfc7915_5_2_time_exceeded_keeps_its_code(void **state)
{
	struct rig *r = *state;

	for (uint8_t code = 0; code <= 1; code++) {
		const uint8_t *icmp;

		assert_forwarded(send_error(r, 3, code, 0, 1048));
		icmp = icmp_out(r);
		assert_int_equal(icmp[0], 11);
		assert_int_equal(icmp[1], code);
		assert_int_equal(load32(icmp + 4), 0);
	}
}

/* Figure 6 */
static int pointer(uint32_t at)
{
	static const int head[] = { 0, 1, -1, -1, 2, 2, 9, 8 };

	if (at < 8)
		return head[at];
	return at < 24 ? 12 : at < 40 ? 16 : -1;
}

static void rfc7915_5_2_parameter_problem_pointers(void **state)
{
	struct rig *r = *state;

	for (uint32_t at = 0; at <= 41; at++) {
		struct verdict v = send_error(r, 4, 0, at, 1048);
		const uint8_t *icmp;

		print_message("pointer %u\n", at);
		if (pointer(at) < 0) {
			assert_dropped(v, DROP_ICMP_TYPE);
			continue;
		}
		assert_forwarded(v);
		icmp = icmp_out(r);
		assert_int_equal(icmp[0], 12);
		assert_int_equal(icmp[1], 0);
		assert_int_equal(load32(icmp + 4), (uint32_t)pointer(at) << 24);
	}
	assert_dropped(send_error(r, 4, 0, 0x01000000, 1048), DROP_ICMP_TYPE);
}

static void rfc7915_5_2_parameter_problem_by_code(void **state)
{
	struct rig *r = *state;
	const uint8_t *icmp;

	assert_forwarded(send_error(r, 4, 1, 40, 1048)); /* unrecognized next header */
	icmp = icmp_out(r);
	assert_int_equal(icmp[0], 3);
	assert_int_equal(icmp[1], 2);
	assert_int_equal(load32(icmp + 4), 0);
	assert_dropped(send_error(r, 4, 2, 0, 1048), DROP_ICMP_TYPE); /* unrecognized option */
	assert_dropped(send_error(r, 4, 3, 0, 1048), DROP_ICMP_TYPE);
}

static void rfc7915_5_2_packet_too_big_is_fragmentation_needed(void **state)
{
	static const struct {
		const char *what;
		uint32_t said, mtu4, mtu6, mtu;
	} row[] = {
		{ "what was said, minus 20", 1400, 1500, 1500, 1380 },
		{ "our IPv4 link is the least", 1500, 1400, 1500, 1400 },
		{ "our IPv6 link is the least", 1500, 1500, 1400, 1380 },
		{ "1280", 1280, 1500, 1500, 1260 },
		{ "a lie below 1280 is passed on as what it says", 1000, 1500, 1500, 980 },
		{ "nonsense is not less than IPv4's own least", 0, 1500, 1500, 68 },
		{ "more than IPv4 can say", 0xffffffff, 1500, 1500, 1480 },
	};
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		const uint8_t *icmp;

		print_message("%s\n", row[i].what);
		r->env.mtu[SIDE_OUTSIDE] = row[i].mtu4;
		r->env.mtu[SIDE_INSIDE] = row[i].mtu6;
		assert_forwarded(send_error(r, 2, 0, row[i].said, 1500));
		icmp = icmp_out(r);
		assert_int_equal(icmp[0], 3);
		assert_int_equal(icmp[1], 4);
		assert_int_equal(load32(icmp + 4), row[i].mtu);
	}
}

static void rfc7915_5_3_the_embedded_packet_is_what_the_server_had_sent(void **state)
{
	struct rig *r = *state;
	struct tuple sent = in4(53, 5000, IPPROTO_UDP);
	const uint8_t *ip;
	uint8_t want[2000];

	assert_forwarded(send_error(r, 1, 4, 0, 1048));
	ip = icmp_out(r) + 8;
	build_udp(want, &sent, 1000);
	assert_int_equal(ip[0], 0x45);
	assert_int_equal(ip[1], 0x28);
	assert_int_equal(load16(ip + 2), 1028); /* as declared, not as quoted */
	assert_int_equal(ip[8], 3);             /* not decremented again */
	assert_int_equal(ip[9], IPPROTO_UDP);
	assert_int_equal(checksum_fold(checksum_add(0, ip, 20)), 0xffff);
	assert_memory_equal(ip + 12, sent.src.octet + 12, 4);
	assert_memory_equal(ip + 16, sent.dst.octet + 12, 4);
	assert_memory_equal(ip + 20, want + 20, UDP_QUOTED - 40);
	assert_int_equal(r->p.len, 20 + 8 + 20 + UDP_QUOTED - 40);
}

static void rfc7915_5_3_embedded_df_goes_by_the_declared_length(void **state)
{
	static const struct {
		uint32_t declared;
		uint16_t frag;
	} row[] = { { 1280, 0 }, { 1281, 0x4000 }, { 1500, 0x4000 }, { 65575, 0x4000 } };
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		const uint8_t *ip;

		assert_forwarded(send_error(r, 3, 0, 0, row[i].declared));
		ip = icmp_out(r) + 8;
		assert_int_equal(load16(ip + 6), row[i].frag);
		assert_int_equal(load16(ip + 2),
				 row[i].declared == 65575 ? 65535 : row[i].declared - 20);
	}
}

static void rfc7915_5_3_embedded_extension_and_fragment_headers(void **state)
{
	static const uint8_t chain[] = {
		44, 0, 1, 4, 0, 0, 0,    0,    /* Hop-by-Hop */
		17, 0, 0, 1, 0, 0, 0xca, 0xfe, /* Fragment, the first */
	};
	struct rig *r = *state;
	struct tuple inner = in6(53, 4000, IPPROTO_UDP), to = out4(5000, 53, IPPROTO_UDP);
	struct addr router = addr_of(ROUTER6), server = addr_of(SERVER6);
	uint8_t quote[2000];
	const uint8_t *ip;
	uint32_t n = build_udp(quote, &inner, 1024);

	memmove(quote + 40 + sizeof(chain), quote + 40, n - 40);
	memcpy(quote + 40, chain, sizeof(chain));
	quote[6] = 0;
	store16(quote + 4, 1032 + sizeof(chain));
	r->len = build_error(r->bytes, &router, &server, 1, 3, 0, quote, 120);
	rig_receive(r, SIDE_INSIDE, NULL);
	assert_forwarded(rig_rewrite(r, &to, HOST4));
	ip = icmp_out(r) + 8;
	assert_int_equal(load16(ip + 2), 20 + 1032);
	assert_int_equal(load16(ip + 4), 0xcafe);
	assert_int_equal(load16(ip + 6), 0x2000);
	assert_int_equal(ip[9], IPPROTO_UDP);
	assert_int_equal(load16(ip + 20), 53);
	assert_int_equal(load16(ip + 22), 5000);
}

static void rfc7915_5_3_an_embedded_echo_too(void **state)
{
	struct rig *r = *state;
	struct tuple inner = in6(77, 77, IPPROTO_ICMPV6), to = out4(99, 99, IPPROTO_ICMP);
	struct tuple sent = in4(99, 99, IPPROTO_ICMP);
	struct addr router = addr_of(ROUTER6), server = addr_of(SERVER6);
	uint8_t quote[200], want[200];

	build_echo(quote, &inner, true, 56);
	r->len = build_error(r->bytes, &router, &server, 1, 0, 0, quote, 40 + 8);
	rig_receive(r, SIDE_INSIDE, NULL);
	assert_forwarded(rig_rewrite(r, &to, HOST4));
	build_echo(want, &sent, true, 56);
	assert_memory_equal(icmp_out(r) + 8 + 20, want + 20, 8);
}

static void rfc1812_4_3_2_3_a_long_error_is_cut_to_576(void **state)
{
	struct rig *r = *state;
	struct tuple inner = in6(53, 4000, IPPROTO_UDP), to = out4(5000, 53, IPPROTO_UDP);
	struct addr router = addr_of(ROUTER6), server = addr_of(SERVER6);
	uint8_t quote[2000];

	build_udp(quote, &inner, 1400);
	r->len = build_error(r->bytes, &router, &server, 2, 0, 1400, quote, 1232);
	rig_receive(r, SIDE_INSIDE, NULL);
	assert_forwarded(rig_rewrite(r, &to, HOST4));
	assert_int_equal(r->p.len, 576);
	assert_int_equal(load16(icmp_out(r) + 8 + 2), 1428);
	assert_int_equal(load16(r->p.data + 6), 0); /* outer DF by its own length */
}

static void an_error_with_extension_headers_of_its_own(void **state)
{
	static const uint8_t hop[8] = { 58, 0, 1, 4, 0, 0, 0, 0 };
	struct rig *r = *state;
	struct tuple to = out4(5000, 53, IPPROTO_UDP);

	send_error(r, 1, 4, 0, 1048);
	rig_insert(r, 0, hop, 8);
	assert_int_equal(rig_receive(r, SIDE_INSIDE, NULL).next, VERDICT_CONTINUE);
	assert_forwarded(rig_rewrite(r, &to, HOST4));
	assert_int_equal(icmp_out(r)[1], 3);
	assert_int_equal(r->p.len, 20 + 8 + 20 + UDP_QUOTED - 40);
}

/* @n bytes of headers, the first of them @first, in the packet in error; @proto is its upper layer.
 */
static struct verdict send_quoted(struct rig *r, uint8_t type, uint32_t rest, uint8_t first,
				  const uint8_t *ext, uint32_t n, const struct tuple *to)
{
	struct tuple inner = in6(53, 4000, IPPROTO_UDP);
	struct addr router = addr_of(ROUTER6), server = addr_of(SERVER6);
	uint8_t quote[2000];
	uint32_t len = build_udp(quote, &inner, 1024);

	memmove(quote + 40 + n, quote + 40, len - 40);
	memcpy(quote + 40, ext, n);
	quote[6] = first;
	store16(quote + 4, (uint16_t)(len - 40 + n));
	r->len = build_error(r->bytes, &router, &server, type, 0, rest, quote, 120);
	assert_int_equal(rig_receive(r, SIDE_INSIDE, NULL).next, VERDICT_CONTINUE);
	return rig_rewrite(r, to, HOST4);
}

/* "taking into account whether or not the packet in error includes a Fragment Header" */
static void rfc7915_5_2_a_fragment_header_counts_in_packet_too_big(void **state)
{
	static const uint8_t frag[] = { 17, 0, 0, 1, 0, 0, 0, 9 },
			     dst[] = { 17, 0, 1, 4, 0, 0, 0, 0 };
	struct rig *r = *state;
	struct tuple to = out4(5000, 53, IPPROTO_UDP);

	assert_forwarded(send_quoted(r, 2, 1400, 44, frag, 8, &to));
	assert_int_equal(load32(icmp_out(r) + 4), 1372);
	assert_forwarded(send_quoted(r, 2, 1500, 44, frag, 8, &to));
	assert_int_equal(load32(icmp_out(r) + 4), 1472); /* our own links, too */
	assert_forwarded(send_quoted(r, 2, 1400, 60, dst, 8, &to));
	assert_int_equal(load32(icmp_out(r) + 4), 1380); /* others stay behind */
}

static void rfc7915_5_3_an_embedded_later_fragment_has_no_ports(void **state)
{
	static const uint8_t frag[] = { 17, 0, 0x04, 0xd1, 0, 0, 0xba, 0xbe }; /* offset 1232 */
	struct rig *r = *state;
	struct tuple to = out4(0, 0, IPPROTO_UDP);
	const uint8_t *ip;

	assert_forwarded(send_quoted(r, 3, 0, 44, frag, 8, &to));
	ip = icmp_out(r) + 8;
	assert_int_equal(load16(ip + 2), 20 + 1032);
	assert_int_equal(load16(ip + 4), 0xbabe);
	assert_int_equal(load16(ip + 6), 0x2000 | 1232 / 8);
	assert_int_equal(ip[9], IPPROTO_UDP);
	assert_memory_equal(ip + 20, r->bytes + 48 + 48, 72); /* payload like any other */
}

static void rfc7915_5_3_an_embedded_fragment_of_our_own_echo_keeps_its_checksum(void **state)
{
	static const uint8_t field[] = { 1, 9 };
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(field); i++) {
		uint8_t frag[] = { 58, 0, 0, field[i], 0, 0, 0, 9 };
		struct tuple inner = in6(77, 77, IPPROTO_ICMPV6), to = out4(99, 99, IPPROTO_ICMP);
		struct addr router = addr_of(ROUTER6), server = addr_of(SERVER6);
		uint8_t quote[200];
		const uint8_t *ip;

		build_echo(quote, &inner, true, 56);
		memmove(quote + 48, quote + 40, 64);
		memcpy(quote + 40, frag, 8);
		quote[6] = 44;
		store16(quote + 4, 72);
		r->len = build_error(r->bytes, &router, &server, 3, 0, 0, quote, 112);
		assert_int_equal(rig_receive(r, SIDE_INSIDE, NULL).next, VERDICT_CONTINUE);
		assert_forwarded(rig_rewrite(r, &to, HOST4));
		ip = icmp_out(r) + 8;
		assert_int_equal(load16(ip + 6), (field[i] & 1 ? 0x2000 : 0) | field[i] / 8);
		assert_int_equal(ip[9], IPPROTO_ICMP);
		if (field[i] / 8) { /* payload like any other */
			assert_memory_equal(ip + 20, quote + 48, 64);
			continue;
		}
		assert_int_equal(ip[20], 0);
		assert_int_equal(load16(ip + 24), 99);
		assert_memory_equal(ip + 22, quote + 50, 2);
	}
}

static void rfc7915_5_3_embedded_udp_lite_sums_its_addresses(void **state)
{
	struct rig *r = *state;
	struct tuple inner = in6(53, 4000, IPPROTO_UDP), to = out4(0, 0, 136);
	struct addr router = addr_of(ROUTER6), server = addr_of(SERVER6);
	struct addr src4 = addr_of(SERVER4), dst4 = addr_of(HOST4);
	uint16_t csum = 0;
	uint8_t quote[200];
	const uint8_t *l4;
	uint64_t sum;

	build_udp(quote, &inner, 40);
	quote[6] = 136;
	memcpy(quote + 46, &csum, 2);
	sum = checksum_pseudo(&inner.src, &inner.dst, 136, 48);
	csum = (uint16_t)~checksum_fold(checksum_add(sum, quote + 40, 48));
	memcpy(quote + 46, &csum, 2);
	r->len = build_error(r->bytes, &router, &server, 3, 0, 0, quote, 88);
	assert_int_equal(rig_receive(r, SIDE_INSIDE, NULL).next, VERDICT_CONTINUE);
	assert_forwarded(rig_rewrite(r, &to, HOST4));
	l4 = icmp_out(r) + 8 + 20;
	sum = checksum_pseudo(&src4, &dst4, 136, 48);
	assert_int_equal(checksum_fold(checksum_add(sum, l4, 48)), 0xffff);
}

/* RFC 7915 5.1: without a Fragment Header the Identification is generated. */
static void rfc7915_5_1_each_error_has_an_identification_of_its_own(void **state)
{
	struct rig *r = *state;
	uint16_t id[4];

	for (unsigned i = 0; i < ARRAY_LEN(id); i++) {
		assert_forwarded(send_error(r, 1, 4, 0, 1048));
		id[i] = load16(r->p.data + 4);
		for (unsigned k = 0; k < i; k++)
			assert_int_not_equal(id[i], id[k]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(rfc7915_5_2_destination_unreachable_by_code),
		RIG_TEST(rfc7915_5_2_time_exceeded_keeps_its_code),
		RIG_TEST(rfc7915_5_2_parameter_problem_pointers),
		RIG_TEST(rfc7915_5_2_parameter_problem_by_code),
		RIG_TEST(rfc7915_5_2_packet_too_big_is_fragmentation_needed),
		RIG_TEST(rfc7915_5_3_the_embedded_packet_is_what_the_server_had_sent),
		RIG_TEST(rfc7915_5_3_embedded_df_goes_by_the_declared_length),
		RIG_TEST(rfc7915_5_3_embedded_extension_and_fragment_headers),
		RIG_TEST(rfc7915_5_3_an_embedded_echo_too),
		RIG_TEST(rfc7915_5_1_each_error_has_an_identification_of_its_own),
		RIG_TEST(rfc1812_4_3_2_3_a_long_error_is_cut_to_576),
		RIG_TEST(an_error_with_extension_headers_of_its_own),
		RIG_TEST(rfc7915_5_2_a_fragment_header_counts_in_packet_too_big),
		RIG_TEST(rfc7915_5_3_an_embedded_later_fragment_has_no_ports),
		RIG_TEST(rfc7915_5_3_an_embedded_fragment_of_our_own_echo_keeps_its_checksum),
		RIG_TEST(rfc7915_5_3_embedded_udp_lite_sums_its_addresses),
	};

	return cmocka_run_group_tests_name("translate/icmp_6to4", tests, NULL, NULL);
}
