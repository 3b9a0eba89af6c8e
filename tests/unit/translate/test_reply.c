/* test_reply.c - what goes back to a sender: RFC 1122 3.2.2, RFC 1812 4.3, RFC 4443, RFC 9293. */
#include "rig.h"
#include <netinet/in.h>

static bool reply_to(struct rig *r, enum icmp_reply kind)
{
	r->p.verdict = verdict_reject(DROP_NO_POLICY, kind);
	return reply_build(&r->env, &r->st, &r->p, &r->out);
}

/* The one packet in the outbox, parsed. */
static struct packet the_reply(const struct rig *r)
{
	assert_int_equal(r->out.n, 1);
	assert_int_equal(r->made[0].verdict.next, VERDICT_FORWARD);
	assert_int_equal(r->made[0].out_side, r->p.side);
	return rig_facts(&r->made[0]);
}

static void receive_udp(struct rig *r, bool v6, uint32_t n)
{
	struct tuple t = v6 ? out6(4000, 53, IPPROTO_UDP) : in4(53, 5000, IPPROTO_UDP);

	r->len = build_udp(r->bytes, &t, n);
	assert_int_equal(rig_receive(r, v6 ? SIDE_INSIDE : SIDE_OUTSIDE, NULL).next,
			 VERDICT_CONTINUE);
}

static void rfc792_rfc4443_types_and_codes(void **state)
{
	static const struct {
		enum icmp_reply kind;
		uint8_t type4, code4, type6, code6;
	} row[] = {
		{ REPLY_NO_ROUTE, 3, 0, 1, 0 },         { REPLY_ADMIN_PROHIBITED, 3, 13, 1, 1 },
		{ REPLY_ADDR_UNREACHABLE, 3, 1, 1, 3 }, { REPLY_PORT_UNREACHABLE, 3, 3, 1, 4 },
		{ REPLY_SOURCE_POLICY, 3, 13, 1, 5 },   { REPLY_HOP_LIMIT, 11, 0, 3, 0 },
	};
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(row) * 2; i++) {
		bool v6 = i % 2;
		struct addr own = addr_of(v6 ? "2001:db8:aaaa::1" : "203.0.113.1"), src, dst,
			    sender;
		struct packet f;

		receive_udp(r, v6, 30);
		assert_true(reply_to(r, row[i / 2].kind));
		f = the_reply(r); /* parses: every checksum is right */
		assert_int_equal(f.icmp_type, v6 ? row[i / 2].type6 : row[i / 2].type4);
		assert_int_equal(f.icmp_code, v6 ? row[i / 2].code6 : row[i / 2].code4);
		assert_int_equal(load32(f.data + f.l4_at + 4), 0);
		src = packet_source(&f);
		dst = packet_destination(&f);
		sender = packet_source(&r->p);
		assert_true(addr_equal(&src, &own));
		assert_true(addr_equal(&dst, &sender));
		assert_int_equal(f.ttl, 64);
		assert_int_equal(f.len, f.l4_at + 8 + r->len);
		assert_memory_equal(f.data + f.inner_at, r->bytes, r->len);
	}
}

static void rfc1191_rfc4443_too_big_carries_the_mtu(void **state)
{
	struct rig *r = *state;
	struct packet f;

	receive_udp(r, false, 1400);
	r->p.reply_mtu = 1400;
	assert_true(reply_to(r, REPLY_TOO_BIG));
	f = the_reply(r);
	assert_int_equal(f.icmp_type, 3);
	assert_int_equal(f.icmp_code, 4);
	assert_int_equal(load32(f.data + 24), 1400);
	receive_udp(r, true, 1400);
	r->p.reply_mtu = 1400;
	assert_true(reply_to(r, REPLY_TOO_BIG));
	f = the_reply(r);
	assert_int_equal(f.icmp_type, 2);
	assert_int_equal(f.icmp_code, 0);
	assert_int_equal(load32(f.data + 44), 1400);
}

static void rfc7915_5_1_a_routing_header_is_pointed_at(void **state)
{
	static const uint8_t routing[8] = { 17, 0, 0, 1, 0, 0, 0, 0 };
	struct rig *r = *state;
	struct tuple t = out6(4000, 53, IPPROTO_UDP);
	struct verdict v;
	struct packet f;

	r->len = build_udp(r->bytes, &t, 10);
	rig_insert(r, 43, routing, 8);
	v = rig_receive(r, SIDE_INSIDE, NULL);
	assert_dropped(v, DROP_SOURCE_ROUTE);
	r->p.verdict = v;
	assert_true(reply_build(&r->env, &r->st, &r->p, &r->out));
	assert_int_equal(r->made[0].data[40], 4);
	assert_int_equal(r->made[0].data[41], 0);
	assert_int_equal(load32(r->made[0].data + 44), 43); /* Segments Left */
	f = r->made[0];
	f.l4_at = 40;
	f.proto = IPPROTO_ICMPV6;
	f.family = 6;
	assert_true(l4_checksum_is_right(&f));
}

static void rfc7915_4_1_a_source_route_fails(void **state)
{
	static const uint8_t lsrr[8] = { 131, 7, 4, 10, 0, 0, 1, 0 };
	struct rig *r = *state;
	struct tuple t = in4(53, 5000, IPPROTO_UDP);
	struct verdict v;

	r->len = build_udp(r->bytes, &t, 10) + 8;
	memmove(r->bytes + 28, r->bytes + 20, 18);
	memcpy(r->bytes + 20, lsrr, 8);
	r->bytes[0] = 0x47;
	store16(r->bytes + 2, (uint16_t)r->len);
	rig_sum_ip4(r->bytes);
	v = rig_receive(r, SIDE_OUTSIDE, NULL);
	assert_dropped(v, DROP_SOURCE_ROUTE);
	r->p.verdict = v;
	assert_true(reply_build(&r->env, &r->st, &r->p, &r->out));
	assert_int_equal(r->made[0].data[20], 3);
	assert_int_equal(r->made[0].data[21], 5);
	r->bytes[22] = 8; /* used up: an ordinary option */
	rig_sum_ip4(r->bytes);
	assert_int_equal(rig_receive(r, SIDE_OUTSIDE, NULL).next, VERDICT_CONTINUE);
}

static void errors_have_at_most_576_and_1280_bytes(void **state)
{
	struct rig *r = *state;

	receive_udp(r, false, 1400);
	assert_true(reply_to(r, REPLY_NO_ROUTE));
	assert_int_equal(the_reply(r).len, 576);
	receive_udp(r, true, 1400);
	assert_true(reply_to(r, REPLY_NO_ROUTE));
	assert_int_equal(the_reply(r).len, 1280);
}

static void rfc1122_3_2_2_nothing_is_said_about_icmp_errors(void **state)
{
	struct rig *r = *state;
	struct tuple inner = in6(53, 4000, IPPROTO_UDP);
	struct addr router = addr_of(ROUTER6), server = addr_of(SERVER6);
	uint8_t quote[200];

	build_udp(quote, &inner, 40);
	r->len = build_error(r->bytes, &router, &server, 1, 4, 0, quote, 88);
	assert_int_equal(rig_receive(r, SIDE_INSIDE, NULL).next, VERDICT_CONTINUE);
	assert_false(reply_to(r, REPLY_NO_ROUTE));
	assert_int_equal(r->out.n, 0);
}

static void rfc1122_3_2_2_nothing_is_said_about_later_fragments(void **state)
{
	struct rig *r = *state;
	struct tuple t = in4(53, 5000, IPPROTO_UDP);

	r->len = build_udp(r->bytes, &t, 40);
	store16(r->bytes + 6, 0x2000);
	rig_sum_ip4(r->bytes);
	assert_int_equal(rig_receive(r, SIDE_OUTSIDE, NULL).next, VERDICT_CONTINUE);
	assert_true(reply_to(r, REPLY_NO_ROUTE)); /* the first */
	store16(r->bytes + 6, 0x2001);
	rig_sum_ip4(r->bytes);
	assert_int_equal(rig_receive(r, SIDE_OUTSIDE, NULL).next, VERDICT_CONTINUE);
	assert_false(reply_to(r, REPLY_NO_ROUTE));
}

/* Whatever the parser lets pass, now or later. */
static void rfc1122_3_2_2_nothing_is_said_to_or_about_groups(void **state)
{
	struct rig *r = *state;
	static const struct {
		uint32_t at;
		uint8_t byte;
	} row[] = { { 8, 0xff }, { 24, 0xff } };

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		receive_udp(r, true, 10);
		r->p.data[row[i].at] = row[i].byte;
		assert_false(reply_to(r, REPLY_NO_ROUTE));
	}
	receive_udp(r, false, 10);
	r->p.data[16] = 224;
	assert_false(reply_to(r, REPLY_NO_ROUTE));
	receive_udp(r, false, 10);
	memset(r->p.data + 12, 0, 4);
	assert_false(reply_to(r, REPLY_NO_ROUTE));
	receive_udp(r, true, 10);
	memset(r->p.data + 8, 0, 16);
	assert_false(reply_to(r, REPLY_NO_ROUTE));
	assert_int_equal(r->out.n, 0);
}

static void without_an_address_of_our_own_there_is_silence(void **state)
{
	struct rig *r = *state;

	memset(r->env.own6, 0, sizeof(r->env.own6));
	receive_udp(r, true, 10);
	assert_false(reply_to(r, REPLY_NO_ROUTE));
	receive_udp(r, false, 10);
	assert_true(reply_to(r, REPLY_NO_ROUTE));
}

static void a_drop_without_reply_and_a_full_outbox_are_silent(void **state)
{
	struct rig *r = *state;

	receive_udp(r, true, 10);
	assert_false(reply_to(r, REPLY_NONE));
	r->out.max = 0;
	assert_false(reply_to(r, REPLY_NO_ROUTE));
}

static void receive_tcp(struct rig *r, bool v6, uint8_t flags, uint32_t n)
{
	struct tuple t = v6 ? out6(4000, 80, IPPROTO_TCP) : in4(80, 5000, IPPROTO_TCP);

	r->len = build_tcp(r->bytes, &t, (struct tcp_args){ flags, 1000, 2000 }, n);
	assert_int_equal(rig_receive(r, v6 ? SIDE_INSIDE : SIDE_OUTSIDE, NULL).next,
			 VERDICT_CONTINUE);
}

static void rfc9293_3_10_7_1_a_reset_answers_the_segment(void **state)
{
	static const struct {
		const char *what;
		uint8_t flags;
		uint32_t n;
		uint8_t reset;
		uint32_t seq, ack;
	} row[] = {
		{ "SYN", 0x02, 0, 0x14, 0, 1001 },
		{ "SYN with data", 0x02, 5, 0x14, 0, 1006 },
		{ "FIN with data, no ACK", 0x01, 5, 0x14, 0, 1006 },
		{ "data, no ACK", 0x00, 5, 0x14, 0, 1005 },
		{ "ACK", 0x10, 5, 0x04, 2000, 0 },
		{ "SYN ACK", 0x12, 0, 0x04, 2000, 0 },
	};
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(row) * 2; i++) {
		struct tuple back;
		const uint8_t *tcp;
		struct packet f;

		print_message("%s\n", row[i / 2].what);
		receive_tcp(r, i % 2, row[i / 2].flags, row[i / 2].n);
		back = tuple_reverse(&r->p.key);
		assert_true(reply_to(r, REPLY_TCP_RESET));
		f = the_reply(r);
		assert_true(tuple_equal(&f.key, &back));
		assert_true(l4_checksum_is_right(&f));
		assert_int_equal(f.len - f.l4_at, 20);
		tcp = f.data + f.l4_at;
		assert_int_equal(load32(tcp + 4), row[i / 2].seq);
		assert_int_equal(load32(tcp + 8), row[i / 2].ack);
		assert_int_equal(f.tcp_flags, row[i / 2].reset);
		assert_int_equal(f.ttl, 64);
	}
}

static void rfc9293_3_10_7_1_a_reset_is_not_answered(void **state)
{
	struct rig *r = *state;

	receive_tcp(r, true, 0x04, 0);
	assert_false(reply_to(r, REPLY_TCP_RESET));
	receive_tcp(r, true, 0x14, 0);
	assert_false(reply_to(r, REPLY_TCP_RESET));
	receive_udp(r, true, 10);
	assert_false(reply_to(r, REPLY_TCP_RESET));
}

static void of_a_super_packet_the_first_segment_is_quoted(void **state)
{
	struct rig *r = *state;
	struct tuple t = in4(443, 5000, IPPROTO_UDP);
	struct offload off = { .gso = GSO_UDP,
			       .gso_size = 1472,
			       .csum_partial = true,
			       .csum_start = 20,
			       .csum_offset = 6 };
	const uint8_t *quote;

	r->len = build_udp(r->bytes, &t, 1472 * 4);
	assert_int_equal(rig_receive(r, SIDE_OUTSIDE, &off).next, VERDICT_CONTINUE);
	r->p.reply_mtu = 1480;
	assert_true(reply_to(r, REPLY_TOO_BIG));
	quote = the_reply(r).data + 28; /* its header checksum is right, says the parser */
	assert_int_equal(load16(quote + 2), 1500);
	assert_int_equal(load16(quote + 24), 1480);
	assert_untouched(r);
	t = out6(4000, 443, IPPROTO_TCP);
	off = (struct offload){ .gso = GSO_TCP6,
				.gso_size = 1200,
				.csum_partial = true,
				.csum_start = 40,
				.csum_offset = 16 };
	r->len = build_tcp(r->bytes, &t, (struct tcp_args){ 0x10, 1, 2 }, 5000);
	assert_int_equal(rig_receive(r, SIDE_INSIDE, &off).next, VERDICT_CONTINUE);
	assert_true(reply_to(r, REPLY_ADMIN_PROHIBITED));
	assert_int_equal(load16(the_reply(r).data + 48 + 4), 1220);
	assert_int_equal(the_reply(r).len, 1280);
	off.gso_size = 500;
	assert_int_equal(rig_receive(r, SIDE_INSIDE, &off).next, VERDICT_CONTINUE);
	assert_true(reply_to(r, REPLY_ADMIN_PROHIBITED));
	assert_int_equal(the_reply(r).len, 48 + 60 + 500); /* not a byte of the next one */
}

static void a_bare_segment_for_a_flow(void **state)
{
	struct rig *r = *state;
	struct tuple t = out6(4000, 80, IPPROTO_TCP);
	struct packet *q = tcp_segment_build(&t, 7, 8, 0x10, SIDE_OUTSIDE, &r->out), f;

	assert_non_null(q);
	f = rig_facts(q);
	assert_int_equal(q->verdict.next, VERDICT_FORWARD);
	assert_int_equal(q->out_side, SIDE_OUTSIDE);
	assert_true(tuple_equal(&f.key, &t));
	assert_true(l4_checksum_is_right(&f));
	assert_int_equal(load32(f.data + 44), 7);
	assert_int_equal(load32(f.data + 48), 8);
	assert_int_equal(f.tcp_flags, 0x10);
	r->out.max = r->out.n;
	assert_null(tcp_segment_build(&t, 7, 8, 0x10, SIDE_OUTSIDE, &r->out));
}

/* Whole packets and first fragments that have no counterpart: 3/13 or 1/1 goes back. */
static void rfc7915_4_4_what_cannot_be_translated_is_told(void **state)
{
	static const struct {
		const char *what;
		bool v6;
		uint8_t proto;
		uint16_t frag;
		enum drop_reason why;
	} row[] = {
		{ "UDP without checksum, so configured", false, IPPROTO_UDP, 0,
		  DROP_UDP_ZERO_CHECKSUM },
		{ "a fragment of it", false, IPPROTO_UDP, 0x2000, DROP_FRAGMENT_ZERO_CHECKSUM },
		{ "a fragment of echo", false, IPPROTO_ICMP, 0x2000, DROP_FRAGMENT_ICMP },
		{ "Hop-by-Hop as a protocol", false, 0, 0, DROP_UNKNOWN_PROTOCOL },
		{ "Routing as a protocol", false, 43, 0, DROP_UNKNOWN_PROTOCOL },
		{ "a fragment of ICMPv6 echo", true, IPPROTO_ICMPV6, 1, DROP_FRAGMENT_ICMP },
		{ "AH in a fragment", true, 51, 1, DROP_EXT_HEADERS },
	};
	struct rig *r = *state;

	r->env.conf.udp_zero_checksum_drop = true;
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		bool v6 = row[i].v6, icmp = row[i].proto == 1 || row[i].proto == 58;
		struct tuple from = v6 ? out6(8 << 8, 8, IPPROTO_UDP) : in4(8 << 8, 8, IPPROTO_UDP);
		struct tuple to = v6 ? out4(0, 0, row[i].proto) : in6(0, 0, row[i].proto);
		struct packet f;

		print_message("%s\n", row[i].what);
		if (icmp) {
			from = v6 ? tuple_of(HOST6, SERVER6, 8, 8, 0)
				  : tuple_of(SERVER4, HOST4, 8, 8, 0);
			r->len = build_echo(r->bytes, &from, false, 24);
		} else {
			r->len = build_udp(r->bytes, &from, 24);
		}
		if (v6) {
			uint8_t frag[8] = { row[i].proto, 0, 0, (uint8_t)row[i].frag };

			rig_insert(r, 44, frag, 8);
		} else {
			r->bytes[9] = row[i].proto;
			store16(r->bytes + 6, row[i].frag);
			if (!icmp)
				store16(r->bytes + 26, 0);
			rig_sum_ip4(r->bytes);
		}
		assert_int_equal(rig_receive(r, v6 ? SIDE_INSIDE : SIDE_OUTSIDE, NULL).next,
				 VERDICT_CONTINUE);
		assert_dropped(rig_rewrite(r, &to, NULL), row[i].why);
		assert_true(reply_build(&r->env, &r->st, &r->p, &r->out));
		f = r->made[0];
		assert_int_equal(f.data[v6 ? 40 : 20], v6 ? 1 : 3);
		assert_int_equal(f.data[v6 ? 41 : 21], v6 ? 1 : 13);
		assert_memory_equal(f.data + (v6 ? 48 : 28), r->bytes, r->len);
	}
}

static void rfc7915_4_2_igmp_is_dropped_in_silence(void **state)
{
	struct rig *r = *state;

	for (int v6 = 0; v6 <= 1; v6++) {
		struct tuple from = v6 ? out6(0, 0, IPPROTO_UDP) : in4(0, 0, IPPROTO_UDP);
		struct tuple to = v6 ? out4(0, 0, IPPROTO_IGMP) : in6(0, 0, IPPROTO_IGMP);
		struct verdict v;

		r->len = build_udp(r->bytes, &from, 24);
		r->bytes[v6 ? 6 : 9] = IPPROTO_IGMP;
		if (!v6)
			rig_sum_ip4(r->bytes);
		rig_receive(r, v6 ? SIDE_INSIDE : SIDE_OUTSIDE, NULL);
		v = rig_rewrite(r, &to, NULL);
		assert_dropped(v, DROP_UNKNOWN_PROTOCOL);
		assert_int_equal(v.reply, REPLY_NONE);
	}
}

/* RFC 1812 4.3.2.3, 4.3.2.5, RFC 1349 5.1: precedence 6, default TOS, may be fragmented. */
static void rfc1812_4_3_2_the_ip_header_of_our_errors(void **state)
{
	struct rig *r = *state;
	struct packet f;

	receive_udp(r, false, 30);
	assert_true(reply_to(r, REPLY_NO_ROUTE));
	f = the_reply(r);
	assert_int_equal(f.data[0], 0x45);
	assert_int_equal(f.data[1], 0xc0);
	assert_int_equal(load16(f.data + 6), 0);
	receive_udp(r, true, 30);
	assert_true(reply_to(r, REPLY_NO_ROUTE));
	f = the_reply(r);
	assert_int_equal(load32(f.data), 0x60000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(rfc792_rfc4443_types_and_codes),
		RIG_TEST(rfc1191_rfc4443_too_big_carries_the_mtu),
		RIG_TEST(rfc7915_5_1_a_routing_header_is_pointed_at),
		RIG_TEST(rfc7915_4_1_a_source_route_fails),
		RIG_TEST(errors_have_at_most_576_and_1280_bytes),
		RIG_TEST(rfc1122_3_2_2_nothing_is_said_about_icmp_errors),
		RIG_TEST(rfc1122_3_2_2_nothing_is_said_about_later_fragments),
		RIG_TEST(rfc1122_3_2_2_nothing_is_said_to_or_about_groups),
		RIG_TEST(without_an_address_of_our_own_there_is_silence),
		RIG_TEST(a_drop_without_reply_and_a_full_outbox_are_silent),
		RIG_TEST(rfc9293_3_10_7_1_a_reset_answers_the_segment),
		RIG_TEST(rfc9293_3_10_7_1_a_reset_is_not_answered),
		RIG_TEST(of_a_super_packet_the_first_segment_is_quoted),
		RIG_TEST(a_bare_segment_for_a_flow),
		RIG_TEST(rfc7915_4_4_what_cannot_be_translated_is_told),
		RIG_TEST(rfc7915_4_2_igmp_is_dropped_in_silence),
		RIG_TEST(rfc1812_4_3_2_the_ip_header_of_our_errors),
	};

	return cmocka_run_group_tests_name("translate/reply", tests, NULL, NULL);
}
