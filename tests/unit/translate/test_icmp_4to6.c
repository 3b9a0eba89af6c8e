/* test_icmp_4to6.c - RFC 7915 section 4.2 and 4.3, from its text: ICMPv4 errors as ICMPv6 errors.
 *
 * The inside host had sent to the IPv4 server; the server, or a router before it, complains. */
#include "rig.h"
#include <netinet/in.h>

enum { UDP_QUOTED = 64 };

/* An error about a UDP datagram of @declared bytes that left as 198.51.100.1:5000 -> server:53. */
static struct verdict send_error(struct rig *r, uint8_t type, uint8_t code, uint32_t rest,
				 uint32_t declared)
{
	struct tuple inner = out4(5000, 53, IPPROTO_UDP), to = in6(53, 4000, IPPROTO_UDP);
	struct addr router = addr_of(ROUTER4), host = addr_of(HOST4);
	uint8_t quote[2000];

	build_udp(quote, &inner, 1000);
	store16(quote + 2, (uint16_t)declared);
	quote[1] = 0x28;
	quote[8] = 3;
	rig_sum_ip4(quote);
	r->len = build_error(r->bytes, &router, &host, type, code, rest, quote, UDP_QUOTED);
	rig_sum_ip4(r->bytes);
	assert_int_equal(rig_receive(r, SIDE_OUTSIDE, NULL).next, VERDICT_CONTINUE);
	return rig_rewrite(r, &to, "64:ff9b::192.0.2.254");
}

/* The head of the ICMPv6 error that came out, checked for what is always so. */
static const uint8_t *icmp_out(const struct rig *r)
{
	struct packet f = rig_facts(&r->p);
	struct addr src = packet_source(&f), dst = packet_destination(&f);
	struct addr want_src = addr_of("64:ff9b::192.0.2.254"), want_dst = addr_of(HOST6);

	assert_int_equal(f.family, 6);
	assert_true(f.flags & PACKET_ICMP_ERROR); /* its checksum is right, says the parser */
	assert_true(addr_equal(&src, &want_src));
	assert_true(addr_equal(&dst, &want_dst));
	assert_true(f.len <= 1280);
	assert_int_equal(r->p.out_side, SIDE_INSIDE);
	return f.data + f.l4_at;
}

static void rfc7915_4_2_destination_unreachable_by_code(void **state)
{
	static const struct {
		uint8_t code;
		int type6, code6;
		uint32_t rest;
	} row[] = {
		{ 0, 1, 0, 0 },    { 1, 1, 0, 0 },   { 2, 4, 1, 6 },  { 3, 1, 4, 0 },
		{ 5, 1, 0, 0 },    { 6, 1, 0, 0 },   { 7, 1, 0, 0 },  { 8, 1, 0, 0 },
		{ 9, 1, 1, 0 },    { 10, 1, 1, 0 },  { 11, 1, 0, 0 }, { 12, 1, 0, 0 },
		{ 13, 1, 1, 0 },   { 14, -1, 0, 0 }, { 15, 1, 1, 0 }, { 16, -1, 0, 0 },
		{ 255, -1, 0, 0 },
	};
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct verdict v = send_error(r, 3, row[i].code, 0, 1028);
		const uint8_t *icmp;

		print_message("3/%u\n", row[i].code);
		if (row[i].type6 < 0) {
			assert_dropped(v, DROP_ICMP_TYPE);
			assert_untouched(r);
			continue;
		}
		assert_forwarded(v);
		icmp = icmp_out(r);
		assert_int_equal(icmp[0], row[i].type6);
		assert_int_equal(icmp[1], row[i].code6);
		assert_int_equal(load32(icmp + 4), row[i].rest);
	}
}

static void rfc7915_4_2_time_exceeded_keeps_its_code(void **state)
{
	struct rig *r = *state;

	for (uint8_t code = 0; code <= 1; code++) {
		const uint8_t *icmp;

		assert_forwarded(send_error(r, 11, code, 0, 1028));
		icmp = icmp_out(r);
		assert_int_equal(icmp[0], 3);
		assert_int_equal(icmp[1], code);
		assert_int_equal(load32(icmp + 4), 0);
	}
}

static void rfc7915_4_2_parameter_problem_pointers(void **state)
{
	static const int map[] = { 0,  1, 4, 4, -1, -1, -1, -1, 7,  6, -1,
				   -1, 8, 8, 8, 8,  24, 24, 24, 24, -1 };
	struct rig *r = *state;

	for (uint8_t i = 0; i < ARRAY_LEN(map); i++) {
		uint8_t code = i % 2 ? 2 : 0; /* both mean the same */
		struct verdict v = send_error(r, 12, code, (uint32_t)i << 24, 1028);
		const uint8_t *icmp;

		print_message("pointer %u\n", i);
		if (map[i] < 0) {
			assert_dropped(v, DROP_ICMP_TYPE);
			continue;
		}
		assert_forwarded(v);
		icmp = icmp_out(r);
		assert_int_equal(icmp[0], 4);
		assert_int_equal(icmp[1], 0);
		assert_int_equal(load32(icmp + 4), map[i]);
	}
	assert_dropped(send_error(r, 12, 1, 0, 1028),
		       DROP_ICMP_TYPE); /* missing a required option */
	assert_dropped(send_error(r, 12, 3, 0, 1028), DROP_ICMP_TYPE);
	assert_dropped(send_error(r, 12, 0, 0xff000000, 1028), DROP_ICMP_TYPE);
}

static void rfc7915_4_2_fragmentation_needed_is_packet_too_big(void **state)
{
	static const struct {
		const char *what;
		uint32_t said, mtu4, mtu6, mtu;
	} row[] = {
		{ "what was said, plus 20", 1400, 1500, 1500, 1420 },
		{ "our IPv6 link is the least", 1490, 1500, 1500, 1500 },
		{ "our IPv4 link is the least", 1490, 1300, 1500, 1320 },
		{ "never below 1280", 576, 1500, 1500, 1280 },
		{ "never below 1280, exactly", 1260, 1500, 1500, 1280 },
		{ "one above", 1261, 1500, 1500, 1281 },
	};
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		const uint8_t *icmp;

		print_message("%s\n", row[i].what);
		r->env.mtu[SIDE_OUTSIDE] = row[i].mtu4;
		r->env.mtu[SIDE_INSIDE] = row[i].mtu6;
		assert_forwarded(send_error(r, 3, 4, row[i].said, 1500));
		icmp = icmp_out(r);
		assert_int_equal(icmp[0], 2);
		assert_int_equal(icmp[1], 0);
		assert_int_equal(load32(icmp + 4), row[i].mtu);
	}
}

/* RFC 1191 7.1: a router that does not know of MTUs says 0. */
static void rfc7915_4_2_mtu_0_means_the_next_plateau(void **state)
{
	static const struct {
		uint32_t declared, mtu;
	} row[] = { { 65535, 32020 }, { 32001, 32020 }, { 32000, 17934 }, { 17915, 17934 },
		    { 17914, 8186 },  { 9000, 8186 },   { 8166, 4372 },   { 4353, 4372 },
		    { 2003, 2022 },   { 2002, 1512 },   { 1500, 1512 },   { 1492, 1280 },
		    { 68, 1280 } };
	struct rig *r = *state;

	r->env.mtu[SIDE_OUTSIDE] = r->env.mtu[SIDE_INSIDE] = 65535;
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		print_message("%u bytes were too long\n", row[i].declared);
		assert_forwarded(send_error(r, 3, 4, 0, row[i].declared));
		assert_int_equal(load32(icmp_out(r) + 4), row[i].mtu);
	}
}

static void rfc7915_4_3_the_embedded_packet_is_what_the_host_had_sent(void **state)
{
	struct rig *r = *state;
	struct tuple sent = out6(4000, 53, IPPROTO_UDP);
	const uint8_t *ip;
	uint8_t want[2000];

	assert_forwarded(send_error(r, 3, 3, 0, 1028));
	ip = icmp_out(r) + 8;
	build_udp(want, &sent, 1000);
	assert_int_equal(load32(ip), 0x62800000); /* class from the embedded TOS */
	assert_int_equal(load16(ip + 4), 1008);   /* as declared, not as quoted */
	assert_int_equal(ip[6], IPPROTO_UDP);
	assert_int_equal(ip[7], 3); /* not decremented again */
	assert_memory_equal(ip + 8, sent.src.octet, 16);
	assert_memory_equal(ip + 24, sent.dst.octet, 16);
	/* ports, length, checksum and payload as they left the host */
	assert_memory_equal(ip + 40, want + 40, UDP_QUOTED - 20);
	assert_int_equal(r->p.len, 40 + 8 + 40 + UDP_QUOTED - 20);
}

static void rfc7915_4_3_an_embedded_echo_too(void **state)
{
	struct rig *r = *state;
	struct tuple inner = out4(99, 99, IPPROTO_ICMP), to = in6(77, 77, IPPROTO_ICMPV6);
	struct tuple sent = out6(77, 77, IPPROTO_ICMPV6);
	struct addr router = addr_of(ROUTER4), host = addr_of(HOST4);
	uint8_t quote[200], want[200];

	build_echo(quote, &inner, false, 56);
	r->len = build_error(r->bytes, &router, &host, 11, 0, 0, quote, 20 + 8);
	rig_receive(r, SIDE_OUTSIDE, NULL);
	assert_forwarded(rig_rewrite(r, &to, "64:ff9b::192.0.2.254"));
	build_echo(want, &sent, false, 56);
	assert_memory_equal(icmp_out(r) + 8 + 40, want + 40, 8); /* checksum and identifier */
}

static void rfc7915_4_3_an_embedded_tcp_segment_too(void **state)
{
	static const uint32_t quoted[] = { 8, 17, 18, 40 };
	struct rig *r = *state;
	struct tuple inner = out4(5000, 80, IPPROTO_TCP), to = in6(80, 40000, IPPROTO_TCP);
	struct tuple sent = out6(40000, 80, IPPROTO_TCP);
	struct addr router = addr_of(ROUTER4), host = addr_of(HOST4);
	uint8_t quote[200], want[200];

	for (size_t i = 0; i < ARRAY_LEN(quoted); i++) {
		print_message("%u bytes quoted\n", quoted[i]);
		build_tcp(quote, &inner, (struct tcp_args){ 0x10, 5, 6 }, 56);
		r->len = build_error(r->bytes, &router, &host, 3, 1, 0, quote, 20 + quoted[i]);
		rig_receive(r, SIDE_OUTSIDE, NULL);
		assert_forwarded(rig_rewrite(r, &to, "64:ff9b::192.0.2.254"));
		build_tcp(want, &sent, (struct tcp_args){ 0x10, 5, 6 }, 56);
		/* with 17 bytes half of the checksum is there: it is left as it was */
		if (quoted[i] == 17)
			assert_int_equal(icmp_out(r)[8 + 40 + 16], quote[36]);
		assert_memory_equal(icmp_out(r) + 8 + 40, want + 40,
				    quoted[i] == 17 ? 16 : quoted[i]);
	}
}

/* RFC 4340 9: its checksum is where UDP's is, and sums the addresses; eight bytes are just enough. */
static void rfc7915_4_3_an_embedded_dccp_packet_too(void **state)
{
	static const uint32_t quoted[] = { 8, 9 };
	struct rig *r = *state;
	struct tuple inner = out4(0, 0, 33), sent = out6(0, 0, 33), to = in6(0, 0, 33);
	struct addr router = addr_of(ROUTER4), host = addr_of(HOST4);
	uint8_t quote[200], want[2];

	build_udp(quote, &inner, 40);
	quote[9] = 33;
	store16(quote + 26, 0x1234);
	rig_sum_ip4(quote);
	for (size_t i = 0; i < ARRAY_LEN(quoted); i++) {
		r->len = build_error(r->bytes, &router, &host, 3, 2, 0, quote, 20 + quoted[i]);
		rig_receive(r, SIDE_OUTSIDE, NULL);
		assert_forwarded(rig_rewrite(r, &to, "64:ff9b::192.0.2.254"));
		memcpy(want, quote + 26, 2);
		checksum_apply(want, rewrite_addr_delta(&inner, &sent));
		assert_memory_equal(icmp_out(r) + 8 + 40 + 6, want, 2);
	}
}

static void rfc768_an_embedded_datagram_without_checksum_stays_so(void **state)
{
	struct rig *r = *state;
	struct tuple inner = out4(5000, 53, IPPROTO_UDP), to = in6(53, 4000, IPPROTO_UDP);
	struct addr router = addr_of(ROUTER4), host = addr_of(HOST4);
	uint8_t quote[200];

	build_udp(quote, &inner, 40);
	store16(quote + 26, 0);
	r->len = build_error(r->bytes, &router, &host, 3, 3, 0, quote, 68);
	rig_receive(r, SIDE_OUTSIDE, NULL);
	assert_forwarded(rig_rewrite(r, &to, "64:ff9b::192.0.2.254"));
	assert_int_equal(load16(icmp_out(r) + 8 + 40 + 6), 0);
	assert_int_equal(load16(icmp_out(r) + 8 + 40), 4000);
}

static void rfc768_an_embedded_checksum_never_becomes_0(void **state)
{
	struct rig *r = *state;
	struct tuple inner = out4(5000, 53, IPPROTO_UDP), to = in6(53, 1, IPPROTO_UDP);
	struct addr router = addr_of(ROUTER4), host = addr_of(HOST4);
	uint32_t n_all_ones = 0;
	uint8_t quote[200];

	build_udp(quote, &inner, 40);
	r->len = build_error(r->bytes, &router, &host, 3, 3, 0, quote, 28);
	for (uint32_t port = 1; port < 65536; port++) {
		to.dport = be16_from((uint16_t)port);
		rig_receive(r, SIDE_OUTSIDE, NULL);
		assert_forwarded(rig_rewrite(r, &to, "64:ff9b::192.0.2.254"));
		assert_int_not_equal(load16(r->p.data + 48 + 46), 0);
		n_all_ones += load16(r->p.data + 48 + 46) == 0xffff;
	}
	assert_int_equal(n_all_ones, 1);
}

/* A port may lend exactly the packet's bytes: it grows into the headroom. */
static void an_error_grows_into_the_headroom(void **state)
{
	struct rig *r = *state;
	struct tuple to = in6(53, 4000, IPPROTO_UDP);

	send_error(r, 3, 3, 0, 1028);
	rig_receive(r, SIDE_OUTSIDE, NULL);
	r->p.room = r->p.len;
	assert_forwarded(rig_rewrite(r, &to, "64:ff9b::192.0.2.254"));
	assert_int_equal(r->p.len, r->p.room);
	assert_int_equal(r->p.headroom, PACKET_HEADROOM - 40);
	icmp_out(r);
	rig_receive(r, SIDE_OUTSIDE, NULL);
	r->p.room = r->p.len;
	r->p.headroom = 39;
	assert_dropped(rig_rewrite(r, &to, "64:ff9b::192.0.2.254"), DROP_NO_BUFFER);
	assert_untouched(r);
}

static void rfc7915_4_3_an_embedded_fragment_gets_a_fragment_header(void **state)
{
	struct rig *r = *state;
	struct tuple inner = out4(5000, 53, IPPROTO_UDP), to = in6(53, 4000, IPPROTO_UDP);
	struct addr router = addr_of(ROUTER4), host = addr_of(HOST4);
	uint8_t quote[2000];
	const uint8_t *ip;

	build_udp(quote, &inner, 1024);
	store16(quote + 4, 0xbeef);
	store16(quote + 6, 0x2000);
	rig_sum_ip4(quote);
	r->len = build_error(r->bytes, &router, &host, 11, 1, 0, quote, 60);
	rig_receive(r, SIDE_OUTSIDE, NULL);
	assert_forwarded(rig_rewrite(r, &to, "64:ff9b::192.0.2.254"));
	ip = icmp_out(r) + 8;
	assert_int_equal(load16(ip + 4), 8 + 1032);
	assert_int_equal(ip[6], 44);
	assert_int_equal(ip[40], IPPROTO_UDP);
	assert_int_equal(load16(ip + 42), 1);
	assert_int_equal(load32(ip + 44), 0xbeef);
	assert_int_equal(load16(ip + 48), 4000);
}

static void rfc7915_4_3_an_embedded_later_fragment_has_no_ports(void **state)
{
	struct rig *r = *state;
	struct tuple inner = out4(5000, 53, IPPROTO_UDP), to = in6(0, 0, IPPROTO_UDP);
	struct addr router = addr_of(ROUTER4), host = addr_of(HOST4);
	uint8_t quote[2000];
	const uint8_t *ip;

	for (uint16_t more = 0; more <= 0x2000; more += 0x2000) {
		build_udp(quote, &inner, 1024);
		store16(quote + 4, 0xbeef);
		store16(quote + 6, (uint16_t)(more | 185));
		rig_sum_ip4(quote);
		r->len = build_error(r->bytes, &router, &host, 11, 1, 0, quote, 60);
		rig_receive(r, SIDE_OUTSIDE, NULL);
		assert_forwarded(rig_rewrite(r, &to, "64:ff9b::192.0.2.254"));
		ip = icmp_out(r) + 8;
		assert_int_equal(ip[6], 44);
		assert_int_equal(load16(ip + 42), (185 << 3) + (more ? 1 : 0));
		assert_int_equal(load32(ip + 44), 0xbeef);
		assert_memory_equal(ip + 48, quote + 20, 40); /* payload like any other */
	}
}

static void rfc7915_4_3_an_error_in_an_error_is_dropped(void **state)
{
	struct rig *r = *state;
	struct tuple inner = out4(99, 99, IPPROTO_ICMP);
	struct addr router = addr_of(ROUTER4), host = addr_of(HOST4);
	uint8_t quote[200];

	build_echo(quote, &inner, false, 56);
	quote[20] = 3;
	r->len = build_error(r->bytes, &router, &host, 11, 0, 0, quote, 60);
	assert_dropped(rig_receive(r, SIDE_OUTSIDE, NULL), DROP_ICMP_INNER);
}

static void rfc4443_2_4_c_a_long_error_is_cut_to_1280(void **state)
{
	struct rig *r = *state;
	struct tuple inner = out4(5000, 53, IPPROTO_UDP), to = in6(53, 4000, IPPROTO_UDP);
	struct addr router = addr_of(ROUTER4), host = addr_of(HOST4);
	uint8_t quote[2000];

	build_udp(quote, &inner, 1400);
	r->len = build_error(r->bytes, &router, &host, 3, 3, 0, quote, 1428);
	rig_receive(r, SIDE_OUTSIDE, NULL);
	assert_forwarded(rig_rewrite(r, &to, "64:ff9b::192.0.2.254"));
	assert_int_equal(r->p.len, 1280);
	assert_int_equal(load16(icmp_out(r) + 8 + 4), 1408);
}

static void rfc7915_4_the_outer_header_counts_its_hop(void **state)
{
	struct rig *r = *state;

	assert_forwarded(send_error(r, 11, 0, 0, 1028));
	assert_int_equal(r->p.data[7], 63);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(rfc7915_4_2_destination_unreachable_by_code),
		RIG_TEST(rfc7915_4_2_time_exceeded_keeps_its_code),
		RIG_TEST(rfc7915_4_2_parameter_problem_pointers),
		RIG_TEST(rfc7915_4_2_fragmentation_needed_is_packet_too_big),
		RIG_TEST(rfc7915_4_2_mtu_0_means_the_next_plateau),
		RIG_TEST(rfc7915_4_3_the_embedded_packet_is_what_the_host_had_sent),
		RIG_TEST(rfc7915_4_3_an_embedded_echo_too),
		RIG_TEST(rfc7915_4_3_an_embedded_tcp_segment_too),
		RIG_TEST(rfc7915_4_3_an_embedded_dccp_packet_too),
		RIG_TEST(rfc768_an_embedded_datagram_without_checksum_stays_so),
		RIG_TEST(rfc768_an_embedded_checksum_never_becomes_0),
		RIG_TEST(an_error_grows_into_the_headroom),
		RIG_TEST(rfc7915_4_3_an_embedded_fragment_gets_a_fragment_header),
		RIG_TEST(rfc7915_4_3_an_embedded_later_fragment_has_no_ports),
		RIG_TEST(rfc7915_4_3_an_error_in_an_error_is_dropped),
		RIG_TEST(rfc4443_2_4_c_a_long_error_is_cut_to_1280),
		RIG_TEST(rfc7915_4_the_outer_header_counts_its_hop),
	};

	return cmocka_run_group_tests_name("translate/icmp_4to6", tests, NULL, NULL);
}
