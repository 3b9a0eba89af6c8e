/*
 * test_pipeline.c - the stages together, bytes in and bytes out: NAT64 by RFC 6146, egress6 by RFC
 * 6092, sides, hairpins, timers, and the law that workers do not change what comes out.
 */
#include "test.h"
#include <netinet/in.h>
#include "build.h"
#include "gateway.h"
#include "dataplane_internal.h"
#include "sixgate/flow/tcp.h"

static struct gateway g;
static uint8_t bytes[PACKET_LEN_MAX];
static struct pool4_conf pool;
static struct static_conf web;
static struct nat64_conf nat64;
static struct egress6_conf egress6;
static struct prefix inside_prefix;
static struct gateway_args args;

static struct addr a(const char *text)
{
	struct addr out;

	assert_int_equal(addr_parse(text, &out), 0);
	return out;
}

static int setup(void **state)
{
	(void)state;
	nat64_conf_default(&nat64);
	pool = (struct pool4_conf){ .first = a("198.51.100.10"), .last = a("198.51.100.10"),
				    .port_first = 1024, .port_last = 65535,
				    .protocols = NAT64_TCP | NAT64_UDP | NAT64_ICMP };
	web = (struct static_conf){ .protocol = NAT64_TCP, .inside = a("2001:db8:1::80"),
				    .outside = a("198.51.100.10"), .inside_port = 443,
				    .outside_port = 4430 };
	nat64.pool4 = &pool;
	nat64.n_pool4 = 1;
	nat64.static_entry = &web;
	nat64.n_static = 1;
	nat64.allow_private = true; /* the tests' addresses are for documentation */
	egress6_conf_default(&egress6);
	assert_int_equal(prefix_parse("2001:db8:1::/64", &inside_prefix), 0);
	egress6.prefix = &inside_prefix;
	egress6.n_prefix = 1;
	args = (struct gateway_args){ .nat64 = &nat64, .egress6 = &egress6,
				      .inside = { "2001:db8:1::/64" } };
	gateway_init(&g, &args);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	gateway_fini(&g);
	return 0;
}

static void send_udp(enum side side, const struct tuple *t)
{
	gateway_send(&g, side, bytes, build_udp(bytes, t, 20));
}

static void send_tcp(enum side side, const struct tuple *t, uint8_t flags, uint32_t seq, uint32_t ack)
{
	gateway_send(&g, side, bytes,
		     build_tcp(bytes, t, (struct tcp_args){ flags, seq, ack }, 0));
}

/* The one packet that left: on @side, whole, with a right checksum. Returns its tuple. */
static struct tuple left(enum side side)
{
	if (g.n_out != 1)
		fail_msg("%u packets left; the one sent: %s", g.n_out,
			 drop_reason_name(g.last.why));
	assert_int_equal(g.out[0].side, side);
	assert_int_equal(g.out[0].packet.verdict.next, VERDICT_CONTINUE);
	assert_true(l4_checksum_is_right(&g.out[0].packet));
	return g.out[0].packet.key;
}

static void dropped(enum drop_reason why)
{
	if (g.last.next != VERDICT_DROP || g.last.why != why)
		fail_msg("dropped for %s, not %s", drop_reason_name(g.last.why),
			 drop_reason_name(why));
	assert_true(gateway_drops(&g, why) > 0);
}

static void assert_addr(const struct addr *got, const char *want)
{
	char text[ADDR_TEXT_MAX];

	assert_string_equal(addr_format(got, text), want);
}

static void nat64_udp_goes_out_and_its_answer_comes_back(void **state)
{
	struct tuple in = tuple_of("2001:db8:1::5", "64:ff9b::203.0.113.7", 5000, 53, 17), out, back;

	(void)state;
	send_udp(SIDE_INSIDE, &in);
	out = left(SIDE_OUTSIDE);
	assert_addr(&out.src, "198.51.100.10");
	assert_addr(&out.dst, "203.0.113.7");
	assert_int_equal(be16_to(out.dport), 53);
	back = tuple_reverse(&out);
	send_udp(SIDE_OUTSIDE, &back);
	out = left(SIDE_INSIDE);
	in = tuple_reverse(&in);
	assert_memory_equal(&out, &in, sizeof(in));
	assert_int_equal(gateway_flows(&g), 1);
}

static void nat64_ping_keeps_its_identifier_for_the_inside(void **state)
{
	struct tuple in = tuple_of("2001:db8:1::5", "64:ff9b::203.0.113.7", 77, 77, 0), out, back;

	(void)state;
	gateway_send(&g, SIDE_INSIDE, bytes, build_echo(bytes, &in, false, 56));
	out = left(SIDE_OUTSIDE);
	assert_int_equal(out.proto, IPPROTO_ICMP);
	back = tuple_reverse(&out);
	gateway_send(&g, SIDE_OUTSIDE, bytes, build_echo(bytes, &back, true, 56));
	out = left(SIDE_INSIDE);
	assert_int_equal(be16_to(out.sport), 77);
	assert_addr(&out.src, "64:ff9b::cb00:7107");
}

/* RFC 6146 3.5.1: endpoint-independent mapping and filtering. */
static void mapping_and_filtering_are_endpoint_independent(void **state)
{
	struct tuple one = tuple_of("2001:db8:1::5", "64:ff9b::203.0.113.7", 5000, 53, 17),
		     two = tuple_of("2001:db8:1::5", "64:ff9b::203.0.113.8", 5000, 99, 17), out1, out2,
		     stranger;

	(void)state;
	send_udp(SIDE_INSIDE, &one);
	out1 = left(SIDE_OUTSIDE);
	send_udp(SIDE_INSIDE, &two);
	out2 = left(SIDE_OUTSIDE);
	assert_true(be16_equal(out1.sport, out2.sport));
	stranger = tuple_of("192.0.2.99", "198.51.100.10", 1, be16_to(out1.sport), 17);
	send_udp(SIDE_OUTSIDE, &stranger);
	out1 = left(SIDE_INSIDE);
	assert_addr(&out1.dst, "2001:db8:1::5");
	assert_int_equal(be16_to(out1.dport), 5000);
}

static void from_outside_without_a_mapping_nothing_enters(void **state)
{
	struct tuple udp = tuple_of("203.0.113.7", "198.51.100.10", 53, 2000, 17),
		     tcp = tuple_of("203.0.113.7", "198.51.100.10", 53, 2000, 6);

	(void)state;
	send_udp(SIDE_OUTSIDE, &udp);
	dropped(DROP_NO_BIB_ENTRY);
	send_tcp(SIDE_OUTSIDE, &tcp, TCP_SYN | TCP_ACK, 1, 0);
	dropped(DROP_NO_BIB_ENTRY);
	assert_int_equal(gateway_flows(&g), 0);
}

static void a_tcp_segment_that_is_no_syn_opens_nothing(void **state)
{
	struct tuple in = tuple_of("2001:db8:1::5", "64:ff9b::203.0.113.7", 5000, 80, 6);

	(void)state;
	send_tcp(SIDE_INSIDE, &in, TCP_ACK, 1, 1);
	dropped(DROP_NO_FLOW);
	assert_int_equal(gateway_flows(&g), 0);
}

/* The three-way handshake through the gateway; returns the tuple outside. */
static struct tuple establish(const struct tuple *in)
{
	struct tuple out, back;

	send_tcp(SIDE_INSIDE, in, TCP_SYN, 1000, 0);
	out = left(SIDE_OUTSIDE);
	back = tuple_reverse(&out);
	send_tcp(SIDE_OUTSIDE, &back, TCP_SYN | TCP_ACK, 5000, 1001);
	left(SIDE_INSIDE);
	send_tcp(SIDE_INSIDE, in, TCP_ACK, 1001, 5001);
	left(SIDE_OUTSIDE);
	return out;
}

/* RFC 6146 3.5.2.2: TCP_EST, the probe, TCP_TRANS, the end. */
static void an_idle_connection_is_probed_and_then_forgotten(void **state)
{
	struct tuple in = tuple_of("2001:db8:1::5", "64:ff9b::203.0.113.7", 5000, 80, 6), probe;

	(void)state;
	establish(&in);
	gateway_advance(&g, 7439 * 1000);
	assert_int_equal(g.n_out, 0);
	gateway_advance(&g, 2000);
	assert_int_equal(g.n_out, 1);
	probe = left(SIDE_INSIDE);
	assert_addr(&probe.dst, "2001:db8:1::5");
	assert_int_equal(g.out[0].packet.tcp_flags, TCP_ACK);
	assert_int_equal(load32(g.out[0].data + 44), 5000); /* one below what the host expects */
	assert_int_equal(gateway_flows(&g), 1);
	gateway_advance(&g, 241 * 1000);
	assert_int_equal(gateway_flows(&g), 0);
	assert_int_equal(counter_read(&g.worker[0]->mappings_used), 1); /* the static one */
}

static void an_answered_probe_keeps_the_connection(void **state)
{
	struct tuple in = tuple_of("2001:db8:1::5", "64:ff9b::203.0.113.7", 5000, 80, 6);

	(void)state;
	establish(&in);
	gateway_advance(&g, 7441 * 1000);
	send_tcp(SIDE_INSIDE, &in, TCP_ACK, 1001, 5001);
	gateway_advance(&g, 7000 * 1000);
	assert_int_equal(gateway_flows(&g), 1);
}

static void closed_connections_go_after_the_transitory_time(void **state)
{
	struct tuple in = tuple_of("2001:db8:1::5", "64:ff9b::203.0.113.7", 5000, 80, 6), out, back;

	(void)state;
	out = establish(&in);
	back = tuple_reverse(&out);
	send_tcp(SIDE_INSIDE, &in, TCP_FIN | TCP_ACK, 1001, 5001);
	send_tcp(SIDE_OUTSIDE, &back, TCP_FIN | TCP_ACK, 5001, 1002);
	gateway_advance(&g, 239 * 1000);
	assert_int_equal(gateway_flows(&g), 1);
	gateway_advance(&g, 2 * 1000);
	assert_int_equal(gateway_flows(&g), 0);
}

static void udp_lives_five_minutes_from_the_last_packet_from_inside(void **state)
{
	struct tuple in = tuple_of("2001:db8:1::5", "64:ff9b::203.0.113.7", 5000, 53, 17), out, back;

	(void)state;
	send_udp(SIDE_INSIDE, &in);
	out = left(SIDE_OUTSIDE);
	back = tuple_reverse(&out);
	gateway_advance(&g, 299 * 1000);
	send_udp(SIDE_INSIDE, &in);
	gateway_advance(&g, 299 * 1000);
	assert_int_equal(gateway_flows(&g), 1);
	send_udp(SIDE_OUTSIDE, &back); /* RFC 4787 REQ-6: does not refresh */
	gateway_advance(&g, 2 * 1000);
	assert_int_equal(gateway_flows(&g), 0);
}

static void a_static_entry_is_reached_from_outside(void **state)
{
	struct tuple in = tuple_of("203.0.113.7", "198.51.100.10", 6000, 4430, 6), out, back;

	(void)state;
	send_tcp(SIDE_OUTSIDE, &in, TCP_SYN, 1, 0);
	out = left(SIDE_INSIDE);
	assert_addr(&out.dst, "2001:db8:1::80");
	assert_int_equal(be16_to(out.dport), 443);
	back = tuple_reverse(&out);
	send_tcp(SIDE_INSIDE, &back, TCP_SYN | TCP_ACK, 9, 2);
	out = left(SIDE_OUTSIDE);
	assert_int_equal(be16_to(out.sport), 4430);
}

/* RFC 6146 4: TCP_INCOMING_SYN, 6 s. */
static void a_session_from_outside_lives_six_seconds_unanswered(void **state)
{
	struct tuple in = tuple_of("203.0.113.7", "198.51.100.10", 6000, 4430, 6);

	(void)state;
	send_tcp(SIDE_OUTSIDE, &in, TCP_SYN, 1, 0);
	assert_int_equal(gateway_flows(&g), 1);
	for (int i = 0; i < 5; i++) {
		gateway_advance(&g, 1000);
		send_tcp(SIDE_OUTSIDE, &in, TCP_SYN, 1, 0); /* does not prolong it */
		assert_int_equal(gateway_flows(&g), 1);
	}
	gateway_advance(&g, 1500);
	assert_int_equal(gateway_flows(&g), 0);
}

/* Ticks of 128 ms in 32 bits: 17 years after the machine has started they begin again. */
static void sessions_end_in_time_when_ticks_begin_again(void **state)
{
	static const unsigned before_ms[] = { 8000, 2000 }; /* ends before, or after, that moment */
	const uint64_t turn_ms = (uint64_t)1 << (32 + WHEEL_TICK_SHIFT);
	struct tuple in = tuple_of("203.0.113.7", "198.51.100.10", 6000, 4430, 6);
	struct tuple out = tuple_of("2001:db8:1::5", "64:ff9b::203.0.113.7", 5000, 53, 17);

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(before_ms); i++) {
		struct flow_record r[4];
		uint32_t cursor = 0;

		gateway_advance(&g, (i + 1) * turn_ms - before_ms[i] - g.now_ms);
		send_tcp(SIDE_OUTSIDE, &in, TCP_SYN, 1, 0);
		send_udp(SIDE_INSIDE, &out);
		gateway_advance(&g, 1);
		assert_int_equal(gateway_flows(&g), 2);
		assert_int_equal(worker_dump_flows(g.worker[0], g.now_ms, &cursor, r, 4), 2);
		for (unsigned k = 0; k < 2; k++)
			assert_in_range(r[k].expires_s, r[k].key[0].proto == 6 ? 5 : 299,
					r[k].key[0].proto == 6 ? 6 : 300);
		gateway_advance(&g, 4u << 20);
		assert_int_equal(gateway_flows(&g), 0);
	}
}

/* RFC 6146 3.8: two inside hosts meet through the pool. */
static void hairpins_meet_and_answer(void **state)
{
	struct tuple y = tuple_of("2001:db8:1::6", "64:ff9b::203.0.113.7", 7000, 53, 17), out, x, back;
	char pool6[] = "64:ff9b::198.51.100.10";

	(void)state;
	send_udp(SIDE_INSIDE, &y);
	out = left(SIDE_OUTSIDE);
	x = tuple_of("2001:db8:1::5", pool6, 5000, be16_to(out.sport), 17);
	send_udp(SIDE_INSIDE, &x);
	out = left(SIDE_INSIDE);
	assert_addr(&out.dst, "2001:db8:1::6");
	assert_int_equal(be16_to(out.dport), 7000);
	assert_addr(&out.src, "64:ff9b::c633:640a");
	assert_int_equal(g.out[0].packet.ttl, 63); /* one hop, not two */
	back = tuple_reverse(&out);
	send_udp(SIDE_INSIDE, &back);
	out = left(SIDE_INSIDE);
	x = tuple_reverse(&x);
	assert_memory_equal(&out, &x, sizeof(x));
}

/* A datagram too long for its MTU is cut in the first round; every piece goes round. */
static void a_hairpin_of_fragments_arrives_whole(void **state)
{
	struct tuple y = tuple_of("2001:db8:1::6", "64:ff9b::203.0.113.7", 7000, 53, 17), out, x;
	uint8_t whole[2048], frag[1500];
	uint32_t len, n_inside = 0;

	(void)state;
	send_udp(SIDE_INSIDE, &y);
	out = left(SIDE_OUTSIDE);
	x = tuple_of("2001:db8:1::5", "64:ff9b::198.51.100.10", 5000, be16_to(out.sport), 17);
	len = build_udp(whole, &x, 1600) - 40;
	for (uint32_t from = 0; from < len; from += 1400) {
		uint32_t part = len - from < 1400 ? len - from : 1400;

		memcpy(frag, whole, 40);
		store16(frag + 4, (uint16_t)(8 + part));
		frag[6] = 44;
		frag[40] = 17;
		frag[41] = 0;
		store16(frag + 42, (uint16_t)(from | (from + part < len)));
		store32(frag + 44, 77);
		memcpy(frag + 48, whole + 40 + from, part);
		gateway_send(&g, SIDE_INSIDE, frag, 48 + part);
		for (uint32_t k = 0; k < g.n_out; k++) {
			assert_int_equal(g.out[k].side, SIDE_INSIDE);
			assert_true(g.out[k].len <= 1280); /* RFC 7915 4: DF was clear */
			n_inside += g.out[k].len - 48;
		}
	}
	assert_int_equal(n_inside, len);
}

static void icmp_errors_follow_the_flow_they_are_about(void **state)
{
	struct tuple in = tuple_of("2001:db8:1::5", "64:ff9b::203.0.113.7", 5000, 53, 17);
	struct addr router = a("192.0.2.77"), pool4;
	uint8_t inner[200];
	uint32_t n, len;

	(void)state;
	send_udp(SIDE_INSIDE, &in);
	left(SIDE_OUTSIDE);
	n = g.out[0].len;
	memcpy(inner, g.out[0].data, n);
	pool4 = addr_from_v4(inner + 12);
	len = build_error(bytes, &router, &pool4, 3, 3, 0, inner, n);
	gateway_send(&g, SIDE_OUTSIDE, bytes, len);
	if (g.n_out != 1)
		fail_msg("no error left: %s", drop_reason_name(g.last.why));
	assert_true(g.out[0].packet.flags & PACKET_ICMP_ERROR);
	assert_int_equal(g.out[0].packet.icmp_type, 1);
	assert_int_equal(g.out[0].packet.icmp_code, 4);
	router = packet_source(&g.out[0].packet);
	assert_addr(&router, "64:ff9b::c000:24d");
	in = tuple_reverse(&in);
	assert_memory_equal(&g.out[0].packet.key, &in, sizeof(in));
}

static void icmp_errors_about_nothing_are_dropped(void **state)
{
	struct tuple t = tuple_of("198.51.100.10", "203.0.113.7", 2222, 53, 17);
	struct addr router = a("192.0.2.77");
	uint8_t inner[200];
	uint32_t n = build_udp(inner, &t, 20);

	(void)state;
	gateway_send(&g, SIDE_OUTSIDE, bytes, build_error(bytes, &router, &t.src, 3, 3, 0, inner, n));
	dropped(DROP_NO_FLOW_ICMP);
}

static void egress6_lets_out_what_it_lets_back_in(void **state)
{
	struct tuple in = tuple_of("2001:db8:1::5", "2001:db8:ffff::1", 5000, 443, 6), out, back;

	(void)state;
	out = establish(&in);
	assert_memory_equal(&out, &in, sizeof(in));
	back = tuple_reverse(&in);
	send_tcp(SIDE_OUTSIDE, &back, TCP_ACK, 5001, 1001);
	left(SIDE_INSIDE);
}

static void egress6_drops_what_starts_outside(void **state)
{
	struct tuple in = tuple_of("2001:db8:ffff::1", "2001:db8:1::5", 5000, 443, 6),
		     ping = tuple_of("2001:db8:ffff::1", "2001:db8:1::5", 9, 9, 0);

	(void)state;
	send_tcp(SIDE_OUTSIDE, &in, TCP_SYN, 1, 0);
	dropped(DROP_UNSOLICITED);
	gateway_send(&g, SIDE_OUTSIDE, bytes, build_echo(bytes, &ping, false, 8));
	dropped(DROP_UNSOLICITED);
	assert_int_equal(g.n_out, 0);
	assert_int_equal(gateway_flows(&g), 0);
}

/* BCP 38, RFC 6092 REC-5 and REC-6, RFC 6146 5.2. */
static void sources_must_belong_to_their_side(void **state)
{
	static const struct {
		enum side side;
		const char *src, *dst;
		enum drop_reason why;
	} rows[] = {
		{ SIDE_INSIDE, "2001:db8:2::5", "2001:db8:ffff::1", DROP_SOURCE_NOT_INSIDE },
		{ SIDE_INSIDE, "2001:db8:2::5", "64:ff9b::203.0.113.1", DROP_SOURCE_NOT_INSIDE },
		{ SIDE_INSIDE, "64:ff9b::203.0.113.1", "2001:db8:ffff::1", DROP_SPOOFED_POOL6 },
		{ SIDE_OUTSIDE, "2001:db8:1::5", "2001:db8:1::6", DROP_SPOOFED_INSIDE },
		{ SIDE_OUTSIDE, "2001:db8:ffff::1", "64:ff9b::203.0.113.1", DROP_SPOOFED_POOL6 },
		{ SIDE_OUTSIDE, "64:ff9b::203.0.113.1", "2001:db8:1::5", DROP_SPOOFED_POOL6 },
		{ SIDE_OUTSIDE, "198.51.100.10", "198.51.100.10", DROP_LOOP },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tuple t = tuple_of(rows[i].src, rows[i].dst, 5000, 53, 17);

		print_message("row %zu: %s > %s\n", i, rows[i].src, rows[i].dst);
		send_udp(rows[i].side, &t);
		dropped(rows[i].why);
	}
	assert_int_equal(gateway_flows(&g), 0);
}

static void a_flow_is_not_taken_over_from_the_other_side(void **state)
{
	struct tuple in = tuple_of("2001:db8:1::5", "2001:db8:ffff::1", 5000, 443, 17);

	(void)state;
	send_udp(SIDE_INSIDE, &in);
	left(SIDE_OUTSIDE);
	send_udp(SIDE_OUTSIDE, &in);
	dropped(DROP_WRONG_SIDE);
}

static void a_full_table_refuses_with_an_error_and_recovers(void **state)
{
	struct tuple t = tuple_of("2001:db8:1::5", "2001:db8:ffff::1", 1, 443, 17);

	(void)state;
	for (uint16_t i = 1; i <= 1024; i++) {
		t.sport = be16_from(i);
		send_udp(SIDE_INSIDE, &t);
		left(SIDE_OUTSIDE);
	}
	t.sport = be16_from(1025);
	send_udp(SIDE_INSIDE, &t);
	dropped(DROP_FLOW_TABLE_FULL);
	assert_int_equal(g.n_out, 1); /* the ICMPv6 error */
	assert_int_equal(g.out[0].packet.icmp_type, 1);
	gateway_advance(&g, 301 * 1000);
	send_udp(SIDE_INSIDE, &t);
	left(SIDE_OUTSIDE);
}

static void a_full_table_makes_room_by_an_unanswered_session_from_outside(void **state)
{
	struct tuple out = tuple_of("203.0.113.7", "198.51.100.10", 6000, 4430, 6),
		     in = tuple_of("2001:db8:1::5", "2001:db8:ffff::1", 1, 443, 17);
	uint32_t n;

	(void)state;
	send_tcp(SIDE_OUTSIDE, &out, TCP_SYN, 1, 0);
	for (n = 1; n < 1024; n++) {
		in.sport = be16_from((uint16_t)n);
		send_udp(SIDE_INSIDE, &in);
		left(SIDE_OUTSIDE);
	}
	assert_int_equal(gateway_flows(&g), 1024);
	in.sport = be16_from(2000);
	send_udp(SIDE_INSIDE, &in);
	left(SIDE_OUTSIDE);
	assert_int_equal(counter_read(&g.worker[0]->count[COUNT_FLOWS_EVICTED]), 1);
}

/* A million spoofed sources against one mapping: its owner can still open flows. */
static void a_flood_from_outside_does_not_stop_the_owner(void **state)
{
	struct tuple in = tuple_of("2001:db8:1::5", "64:ff9b::203.0.113.7", 5000, 53, 17), out, flood;
	uint64_t seed = test_seed();

	(void)state;
	send_udp(SIDE_INSIDE, &in);
	out = left(SIDE_OUTSIDE);
	for (int i = 0; i < 1000000; i++) {
		flood = tuple_of("1.1.1.1", "198.51.100.10", 0, be16_to(out.sport), 17);
		store32(flood.src.octet + 12, 0x0b000000 | (uint32_t)(rnd(&seed) & 0xffffff));
		flood.sport = be16_from((uint16_t)rnd(&seed));
		send_udp(SIDE_OUTSIDE, &flood);
		if (i % 2000 == 0) {
			gateway_advance(&g, 10);
			in.dport = be16_from((uint16_t)(1 + i / 2000));
			send_udp(SIDE_INSIDE, &in);
			left(SIDE_OUTSIDE);
		}
	}
	assert_true(counter_read(&g.worker[0]->count[COUNT_FLOWS_EVICTED]) > 900000);
	assert_int_equal(gateway_flows(&g), 500 + NAT64_INBOUND_PER_MAPPING);
}

/* Spoofed handshakes that a server inside answers do not keep anybody else out. */
static void answered_spoofs_do_not_fill_the_table(void **state)
{
	struct tuple inside = tuple_of("2001:db8:1::5", "2001:db8:ffff::1", 1, 443, 17), flood, back;

	(void)state;
	for (unsigned i = 0; i < 3000; i++) {
		flood = tuple_of("203.0.113.7", "198.51.100.10", 0, 4430, 6);
		store32(flood.src.octet + 12, 0x0b000000 | i);
		flood.sport = be16_from((uint16_t)(1000 + i));
		send_tcp(SIDE_OUTSIDE, &flood, TCP_SYN, 1, 0);
		assert_int_equal(g.n_out, 1);
		back = tuple_reverse(&g.out[0].packet.key);
		send_tcp(SIDE_INSIDE, &back, TCP_SYN | TCP_ACK, 9, 2);
	}
	assert_int_equal(gateway_flows(&g), 1024 / FROM_OUTSIDE_SHARE);
	send_udp(SIDE_INSIDE, &inside);
	left(SIDE_OUTSIDE);
	gateway_advance(&g, 7000);
	assert_int_equal(gateway_flows(&g), 1);
}

static void floods_of_a_pinhole_leave_room(void **state)
{
	struct pinhole_conf hole = { .protocol = 17, .port = { 53 }, .n_port = 1 };
	struct tuple inside = tuple_of("2001:db8:1::5", "2001:db8:ffff::1", 1, 443, 17), flood;

	(void)state;
	assert_int_equal(prefix_parse("2001:db8:1::80/128", &hole.destination), 0);
	egress6.allow = &hole;
	egress6.n_allow = 1;
	gateway_publish(&g, &args);
	for (unsigned i = 0; i < 3000; i++) {
		flood = tuple_of("2001:db8:ffff::9", "2001:db8:1::80", (uint16_t)(1000 + i), 53, 17);
		send_udp(SIDE_OUTSIDE, &flood);
		left(SIDE_INSIDE);
	}
	assert_int_equal(gateway_flows(&g), 1024 / FROM_OUTSIDE_SHARE);
	send_udp(SIDE_INSIDE, &inside);
	left(SIDE_OUTSIDE);
}

static void a_connection_from_outside_that_is_complete_lives_on(void **state)
{
	struct tuple in = tuple_of("203.0.113.7", "198.51.100.10", 6000, 4430, 6), back;

	(void)state;
	send_tcp(SIDE_OUTSIDE, &in, TCP_SYN, 1, 0);
	back = left(SIDE_INSIDE);
	back = tuple_reverse(&back);
	send_tcp(SIDE_INSIDE, &back, TCP_SYN | TCP_ACK, 9, 2);
	send_tcp(SIDE_OUTSIDE, &in, TCP_ACK, 2, 10);
	gateway_advance(&g, 7000 * 1000);
	assert_int_equal(gateway_flows(&g), 1);
	send_tcp(SIDE_INSIDE, &back, TCP_ACK, 10, 2);
	left(SIDE_OUTSIDE);
}

/* A host that refuses strangers does not keep its mapping open for them. */
static void refused_strangers_do_not_prolong_a_mapping(void **state)
{
	struct tuple in = tuple_of("2001:db8:1::5", "64:ff9b::203.0.113.7", 5000, 80, 6), out, knock,
		     back;

	(void)state;
	send_tcp(SIDE_INSIDE, &in, TCP_SYN, 1, 0);
	out = left(SIDE_OUTSIDE);
	for (unsigned i = 0; i < 100; i++) {
		gateway_advance(&g, 5000);
		knock = tuple_of("192.0.2.99", "198.51.100.10", (uint16_t)(1000 + i),
				 be16_to(out.sport), 6);
		send_tcp(SIDE_OUTSIDE, &knock, TCP_SYN, 1, 0);
		if (g.last.next != VERDICT_FORWARD)
			break;
		back = left(SIDE_INSIDE);
		back = tuple_reverse(&back);
		send_tcp(SIDE_INSIDE, &back, TCP_RST | TCP_ACK, 0, 2);
	}
	/* 240 s after the host's own SYN: kept for a simultaneous open, and refused at last */
	assert_int_equal(g.last.next, VERDICT_HELD);
	gateway_advance(&g, 6000);
	assert_int_equal(gateway_drops(&g, DROP_NO_BIB_ENTRY), 1);
}

/* A SYN on an old tuple starts anew only from where the flow's packets come. */
static void an_off_path_syn_does_not_end_a_flow(void **state)
{
	struct tuple in = tuple_of("2001:db8:1::5", "2001:db8:ffff::1", 5000, 443, 6), back;

	(void)state;
	establish(&in);
	back = tuple_reverse(&in);
	send_tcp(SIDE_OUTSIDE, &back, TCP_RST, 5001, 0);
	send_tcp(SIDE_OUTSIDE, &in, TCP_SYN, 1, 0);
	assert_int_equal(g.last.next, VERDICT_DROP);
	assert_int_equal(gateway_flows(&g), 1);
	send_tcp(SIDE_INSIDE, &in, TCP_ACK, 1001, 5001);
	left(SIDE_OUTSIDE);
}

static void a_policy_that_is_switched_off_loses_its_flows(void **state)
{
	struct tuple in = tuple_of("2001:db8:1::5", "2001:db8:ffff::1", 1, 443, 17),
		     nat = tuple_of("2001:db8:1::5", "64:ff9b::203.0.113.7", 5000, 53, 17);

	(void)state;
	send_udp(SIDE_INSIDE, &in);
	send_udp(SIDE_INSIDE, &nat);
	assert_int_equal(gateway_flows(&g), 2);
	args.egress6 = NULL;
	gateway_publish(&g, &args);
	gateway_advance(&g, 1000);
	assert_int_equal(gateway_flows(&g), 1);
	send_udp(SIDE_INSIDE, &in);
	dropped(DROP_NO_POLICY);
	send_udp(SIDE_INSIDE, &nat);
	left(SIDE_OUTSIDE);
}

static void fragments_of_a_datagram_leave_whole_in_any_order(void **state)
{
	struct tuple in = tuple_of("2001:db8:1::5", "64:ff9b::203.0.113.7", 5000, 53, 17);
	uint8_t whole[4096], frag[3][1500];
	uint32_t len = build_udp(whole, &in, 2000), n = len - 40, n_out = 0, lens[3];
	static const int order[] = { 2, 0, 1 };

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		uint32_t from = i * 800, part = n - from < 800 ? n - from : 800;

		memcpy(frag[i], whole, 40);
		store16(frag[i] + 4, (uint16_t)(8 + part));
		frag[i][6] = 44;
		frag[i][40] = 17;
		frag[i][41] = 0;
		store16(frag[i] + 42, (uint16_t)(from | (i < 2)));
		store32(frag[i] + 44, 0x12345678);
		memcpy(frag[i] + 48, whole + 40 + from, part);
		lens[i] = 48 + part;
	}
	for (unsigned i = 0; i < 3; i++) {
		gateway_send(&g, SIDE_INSIDE, frag[order[i]], lens[order[i]]);
		for (uint32_t k = 0; k < g.n_out; k++) {
			assert_int_equal(g.out[k].data[0], 0x45);
			assert_int_equal(load16(g.out[k].data + 4), 0x5678);
			n_out++;
		}
	}
	assert_int_equal(n_out, 3);
}

/* What leaves, without what may differ between workers: the pool port, and with it checksums. */
static uint64_t digest(const struct gateway_out *o)
{
	static const struct hash_key k = { .word = { 5, 6 } };
	uint8_t copy[256];
	uint32_t n = o->len < sizeof(copy) ? o->len : sizeof(copy);
	struct packet p = o->packet;

	memcpy(copy, o->data, n);
	if (addr_is_v4(&p.key.src)) {
		memset(copy + 4, 0, 2);  /* identification */
		memset(copy + 10, 0, 2); /* header checksum */
	}
	if (p.l4_at && n >= p.l4_at + 8u) {
		memset(copy + p.l4_at, 0, 4);
		memset(copy + p.l4_at + 4 + (p.proto == 17 ? 2 : 0), 0, 2);
		if (p.proto == 6)
			memset(copy + p.l4_at + 16, 0, 2);
		if (p.proto == 1 || p.proto == 58)
			memset(copy + p.l4_at + 2, 0, 4);
	}
	return siphash(&k, copy, n) ^ (uint64_t)o->side;
}

/* A fixed conversation of many hosts; answers are made from what left. Sum of digests. */
static uint64_t conversation(unsigned n_workers, uint64_t misdeliver, uint32_t *n_out)
{
	uint64_t sum = 0, seed = 4711;

	args.n_workers = n_workers;
	args.flows = 8192; /* a full table would depend on who owns what */
	gateway_init(&g, &args);
	g.misdeliver = misdeliver;
	*n_out = 0;
	for (int i = 0; i < 3000; i++) {
		char host[40], peer[40];
		struct tuple t, back;
		uint8_t proto = (uint8_t)(rnd(&seed) % 2 ? 17 : 6);

		snprintf(host, sizeof(host), "2001:db8:1::%x", (unsigned)(1 + rnd(&seed) % 40));
		snprintf(peer, sizeof(peer),
			 rnd(&seed) % 2 ? "64:ff9b::203.0.113.%u" : "2001:db8:ffff::%x",
			 (unsigned)(1 + rnd(&seed) % 9));
		t = tuple_of(host, peer, (uint16_t)(1024 + rnd(&seed) % 4), 53, proto);
		if (proto == 17)
			send_udp(SIDE_INSIDE, &t);
		else
			send_tcp(SIDE_INSIDE, &t, TCP_SYN, (uint32_t)i, 0);
		for (uint32_t k = 0; k < g.n_out; k++)
			sum += digest(&g.out[k]);
		*n_out += g.n_out;
		if (g.n_out != 1 || g.out[0].side != SIDE_OUTSIDE)
			continue;
		back = tuple_reverse(&g.out[0].packet.key);
		if (proto == 17)
			send_udp(SIDE_OUTSIDE, &back);
		else
			send_tcp(SIDE_OUTSIDE, &back, TCP_SYN | TCP_ACK, 7, (uint32_t)i + 1);
		for (uint32_t k = 0; k < g.n_out; k++)
			sum += digest(&g.out[k]);
		*n_out += g.n_out;
	}
	gateway_fini(&g);
	args.n_workers = 1;
	return sum;
}

static void workers_and_misdelivery_do_not_change_what_leaves(void **state)
{
	uint32_t want_n, n;
	unsigned wrong = 0; /* a bit for each number of workers, the upper ones with misdelivery */
	uint64_t want;

	(void)state;
	gateway_fini(&g);
	want = conversation(1, 0, &want_n);
	assert_true(want_n > 5000);
	for (unsigned workers = 1; workers <= 4; workers++) {
		if (conversation(workers, 0, &n) != want || n != want_n)
			wrong |= 1u << workers;
		if (conversation(workers, 0x9e3779b97f4a7c15 + workers, &n) != want || n != want_n)
			wrong |= 16u << workers;
	}
	gateway_init(&g, &args);
	assert_int_equal(wrong, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(nat64_udp_goes_out_and_its_answer_comes_back),
		T(nat64_ping_keeps_its_identifier_for_the_inside),
		T(mapping_and_filtering_are_endpoint_independent),
		T(from_outside_without_a_mapping_nothing_enters),
		T(a_tcp_segment_that_is_no_syn_opens_nothing),
		T(an_idle_connection_is_probed_and_then_forgotten),
		T(an_answered_probe_keeps_the_connection),
		T(closed_connections_go_after_the_transitory_time),
		T(udp_lives_five_minutes_from_the_last_packet_from_inside),
		T(a_static_entry_is_reached_from_outside),
		T(a_session_from_outside_lives_six_seconds_unanswered),
		T(sessions_end_in_time_when_ticks_begin_again),
		T(hairpins_meet_and_answer),
		T(a_hairpin_of_fragments_arrives_whole),
		T(icmp_errors_follow_the_flow_they_are_about),
		T(icmp_errors_about_nothing_are_dropped),
		T(egress6_lets_out_what_it_lets_back_in),
		T(egress6_drops_what_starts_outside),
		T(sources_must_belong_to_their_side),
		T(a_flow_is_not_taken_over_from_the_other_side),
		T(a_full_table_refuses_with_an_error_and_recovers),
		T(a_full_table_makes_room_by_an_unanswered_session_from_outside),
		T(a_flood_from_outside_does_not_stop_the_owner),
		T(answered_spoofs_do_not_fill_the_table),
		T(floods_of_a_pinhole_leave_room),
		T(a_connection_from_outside_that_is_complete_lives_on),
		T(refused_strangers_do_not_prolong_a_mapping),
		T(an_off_path_syn_does_not_end_a_flow),
		T(a_policy_that_is_switched_off_loses_its_flows),
		T(fragments_of_a_datagram_leave_whole_in_any_order),
		T(workers_and_misdelivery_do_not_change_what_leaves),
	};

	return cmocka_run_group_tests_name("pipeline", tests, NULL, NULL);
}
