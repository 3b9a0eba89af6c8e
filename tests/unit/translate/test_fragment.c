/* test_fragment.c - packets that are too long and may be cut: RFC 7915 4 and 5.1.1, RFC 791 3.2. */
#include "rig.h"
#include <netinet/in.h>

/* Puts the fragments in the outbox together again. Return: bytes of the l4 packet, now in @to. They
 * must be in order, whole, of one datagram, and none longer than @max. */
static uint32_t reassemble(const struct rig *r, uint32_t max, uint32_t from, uint8_t *to)
{
	uint32_t at = from, id = rig_facts(&r->made[0]).frag_id;

	for (uint16_t i = 0; i < r->out.n; i++) {
		struct packet f = rig_facts(&r->made[i]);

		assert_int_equal(r->made[i].verdict.next, VERDICT_FORWARD);
		assert_int_equal(r->made[i].out_side,
				 r->p.side == SIDE_INSIDE ? SIDE_OUTSIDE : SIDE_INSIDE);
		assert_true(f.flags & PACKET_FRAGMENT);
		assert_false(f.flags & PACKET_DF);
		assert_true(f.len <= max);
		assert_int_equal(f.frag_offset, at);
		assert_int_equal(f.frag_id, id);
		assert_int_equal(f.more_fragments, i + 1 < r->out.n);
		memcpy(to + at - from, f.data + f.l4_at, f.len - f.l4_at);
		at += f.len - f.l4_at;
	}
	return at - from;
}

static void rfc7915_4_without_df_is_cut_to_the_lowest_ipv6_mtu(void **state)
{
	static const struct {
		uint32_t len4, lowest, mtu6, longest;
		uint16_t n;
	} row[] = {
		{ 1261, 1280, 1500, 1280, 2 }, /* one byte too much */
		{ 1500, 1280, 1500, 1280, 2 },   { 1500, 1400, 1500, 1400, 2 },
		{ 1481, 9000, 1500, 1500, 2 }, /* the link is smaller */
		{ 65535, 1280, 1500, 1280, 54 },
	};
	struct rig *r = *state;
	static uint8_t l4[65536];

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct tuple from = in4(53, 5000, IPPROTO_UDP), to = in6(53, 4000, IPPROTO_UDP);
		uint32_t len;

		print_message("%u bytes, lowest %u, link %u\n", row[i].len4, row[i].lowest,
			      row[i].mtu6);
		r->env.conf.lowest_ipv6_mtu = row[i].lowest;
		r->env.mtu[SIDE_INSIDE] = row[i].mtu6;
		r->len = build_udp(r->bytes, &from, row[i].len4 - 28);
		store16(r->bytes + 4, 0xbeef);
		store16(r->bytes + 6, 0);
		rig_sum_ip4(r->bytes);
		assert_int_equal(rig_translate(r, &to).next, VERDICT_HELD);
		assert_int_equal(r->out.n, row[i].n);
		len = reassemble(r, row[i].longest, 0, l4);
		assert_int_equal(len, row[i].len4 - 20);
		assert_memory_equal(l4 + 8, r->bytes + 28, len - 8);
		assert_int_equal(rig_facts(&r->made[0]).frag_id, 0xbeef); /* 4.1: the IPv4 one */
		assert_int_equal(
			checksum_fold(checksum_add(
				checksum_pseudo(&to.src, &to.dst, IPPROTO_UDP, len), l4, len)),
			0xffff);
	}
	r->env.mtu[SIDE_INSIDE] = 1500;
}

static void rfc7915_4_a_long_echo_is_cut_with_its_new_checksum(void **state)
{
	struct rig *r = *state;
	struct tuple from = in4(99, 99, IPPROTO_ICMP), to = in6(77, 77, IPPROTO_ICMPV6);
	static uint8_t l4[3000];

	r->len = build_echo(r->bytes, &from, true, 1472);
	store16(r->bytes + 6, 0);
	rig_sum_ip4(r->bytes);
	assert_int_equal(rig_translate(r, &to).next, VERDICT_HELD);
	assert_int_equal(reassemble(r, 1280, 0, l4), 1480);
	assert_int_equal(l4[0], 129);
	assert_int_equal(
		checksum_fold(checksum_add(checksum_pseudo(&to.src, &to.dst, IPPROTO_ICMPV6, 1480),
					   l4, 1480)),
		0xffff);
}

static void rfc7915_4_a_fragment_is_cut_again(void **state)
{
	static const uint16_t frag[] = { 0x2000 | 100, 100 }; /* with and without more to come */
	struct rig *r = *state;
	struct tuple from = in4(53, 5000, IPPROTO_UDP), to = in6(53, 4000, IPPROTO_UDP);
	static uint8_t l4[3000];

	for (size_t i = 0; i < ARRAY_LEN(frag); i++) {
		struct packet last;

		r->len = build_udp(r->bytes, &from, 1472);
		store16(r->bytes + 6, frag[i]);
		rig_sum_ip4(r->bytes);
		assert_int_equal(rig_translate(r, &to).next, VERDICT_HELD);
		assert_int_equal(r->out.n, 2);
		last = rig_facts(&r->made[1]);
		assert_int_equal(last.more_fragments, frag[i] & 0x2000 ? 1 : 0);
		assert_int_equal(rig_facts(&r->made[0]).frag_offset, 800);
		assert_int_equal(last.frag_offset, 800 + 1232);
		memcpy(l4, r->made[0].data + 48, 1232);
		memcpy(l4 + 1232, last.data + last.l4_at, last.len - last.l4_at);
		assert_memory_equal(l4, r->bytes + 20, 1480);
	}
}

/* A link below IPv4's 1260: the IPv6 host may go on sending 1280 (RFC 7915 5.1). */
static void rfc7915_5_1_1260_bytes_are_cut_for_a_smaller_link(void **state)
{
	struct rig *r = *state;
	struct tuple from = out6(4000, 53, IPPROTO_UDP), to = out4(5000, 53, IPPROTO_UDP);
	static uint8_t l4[3000];

	r->env.mtu[SIDE_OUTSIDE] = 576;
	r->len = build_udp(r->bytes, &from, 1232);
	assert_int_equal(rig_translate(r, &to).next, VERDICT_HELD);
	assert_int_equal(r->out.n, 3);
	assert_int_equal(reassemble(r, 576, 0, l4), 1240);
	assert_memory_equal(l4 + 8, r->bytes + 48, 1232);
	assert_int_equal(checksum_fold(checksum_add(
				 checksum_pseudo(&to.src, &to.dst, IPPROTO_UDP, 1240), l4, 1240)),
			 0xffff);
}

static void rfc7915_5_1_1_ipv6_fragments_may_be_cut_on(void **state)
{
	static const uint8_t frag[8] = { 17, 0, 0x04, 0xd1, 0, 0, 0x12, 0x34 };
	struct rig *r = *state;
	struct tuple from = out6(4000, 53, IPPROTO_UDP), to = out4(5000, 53, IPPROTO_UDP);

	r->env.mtu[SIDE_OUTSIDE] = 1400;
	r->len = build_udp(r->bytes, &from, 1440);
	rig_insert(r, 44, frag, 8);
	assert_int_equal(rig_translate(r, &to).next, VERDICT_HELD);
	assert_int_equal(r->out.n, 2);
	assert_int_equal(load16(r->made[0].data + 6), 0x2000 | 1232 / 8);
	assert_int_equal(load16(r->made[1].data + 6), 0x2000 | (1232 + 1376) / 8);
	assert_int_equal(load16(r->made[1].data + 4), 0x1234);
}

static void rfc791_ipv4_without_df_is_cut_for_the_next_link(void **state)
{
	struct rig *r = *state;
	struct tuple from = in4(53, 5000, IPPROTO_UDP),
		     to = tuple_of(SERVER4, "10.0.0.1", 53, 4000, IPPROTO_UDP);
	static uint8_t l4[3000];

	r->env.mtu[SIDE_INSIDE] = 600;
	r->len = build_udp(r->bytes, &from, 1472);
	store16(r->bytes + 4, 0xbeef);
	store16(r->bytes + 6, 0);
	rig_sum_ip4(r->bytes);
	rig_receive(r, SIDE_OUTSIDE, NULL);
	assert_int_equal(rig_rewrite(r, &to, NULL).next, VERDICT_HELD);
	assert_int_equal(r->out.n, 3);
	assert_int_equal(reassemble(r, 600, 0, l4), 1480);
	assert_int_equal(rig_facts(&r->made[2]).frag_id, 0xbeef);
	assert_int_equal(checksum_fold(checksum_add(
				 checksum_pseudo(&to.src, &to.dst, IPPROTO_UDP, 1480), l4, 1480)),
			 0xffff);
}

/* RFC 791 3.1: the copied flag. */
static void rfc791_options_that_are_not_copied_are_in_the_first_fragment_only(void **state)
{
	static const uint8_t options[12] = { 7, 7, 4, 0, 0, 0, 0, 1, 0x94, 4, 0, 0 };
	static const uint8_t later[12] = { 1, 1, 1, 1, 1, 1, 1, 1, 0x94, 4, 0, 0 };
	struct rig *r = *state;
	struct tuple from = in4(53, 5000, IPPROTO_UDP),
		     to = tuple_of(SERVER4, "10.0.0.1", 53, 4000, IPPROTO_UDP);

	r->env.mtu[SIDE_INSIDE] = 600;
	r->len = build_udp(r->bytes, &from, 1000) + 12;
	memmove(r->bytes + 32, r->bytes + 20, 1008);
	memcpy(r->bytes + 20, options, 12);
	r->bytes[0] = 0x48;
	store16(r->bytes + 2, (uint16_t)r->len);
	store16(r->bytes + 6, 0);
	rig_sum_ip4(r->bytes);
	assert_int_equal(rig_receive(r, SIDE_OUTSIDE, NULL).next, VERDICT_CONTINUE);
	assert_int_equal(rig_rewrite(r, &to, NULL).next, VERDICT_HELD);
	assert_int_equal(r->out.n, 2);
	rig_facts(&r->made[0]);
	rig_facts(&r->made[1]);
	assert_memory_equal(r->made[0].data + 20, options, 12);
	assert_memory_equal(r->made[1].data + 20, later, 12);
	memcpy(r->bytes + 20, "\x07\x03\x04\x00\x44\x44\x44\x44\x44\x44\x44\x44", 12);
	rig_sum_ip4(r->bytes); /* behind the end of the list is padding */
	assert_int_equal(rig_receive(r, SIDE_OUTSIDE, NULL).next, VERDICT_CONTINUE);
	assert_int_equal(rig_rewrite(r, &to, NULL).next, VERDICT_HELD);
	assert_memory_equal(r->made[1].data + 20, "\x01\x01\x01\x00\x44\x44\x44\x44", 8);
}

static void rfc791_ipv4_with_df_is_refused_with_the_links_mtu(void **state)
{
	struct rig *r = *state;
	struct tuple from = in4(53, 5000, IPPROTO_UDP),
		     to = tuple_of(SERVER4, "10.0.0.1", 53, 4000, IPPROTO_UDP);

	r->env.mtu[SIDE_INSIDE] = 600;
	r->len = build_udp(r->bytes, &from, 573); /* with DF */
	rig_receive(r, SIDE_OUTSIDE, NULL);
	assert_dropped(rig_rewrite(r, &to, NULL), DROP_TOO_BIG);
	assert_int_equal(r->p.reply_mtu, 600);
	assert_untouched(r);
	r->len = build_udp(r->bytes, &from, 572);
	rig_receive(r, SIDE_OUTSIDE, NULL);
	assert_forwarded(rig_rewrite(r, &to, NULL));
}

static void rfc8200_5_ipv6_is_never_cut_on_the_way(void **state)
{
	struct rig *r = *state;
	struct tuple from = tuple_of(HOST6, "2001:db8:2::1", 4000, 53, IPPROTO_UDP);

	r->env.mtu[SIDE_OUTSIDE] = 1400;
	r->len = build_udp(r->bytes, &from, 1353);
	rig_receive(r, SIDE_INSIDE, NULL);
	assert_dropped(rig_rewrite(r, &from, NULL), DROP_TOO_BIG);
	assert_int_equal(r->p.reply_mtu, 1400);
	assert_untouched(r);
	r->len = build_udp(r->bytes, &from, 1352);
	rig_receive(r, SIDE_INSIDE, NULL);
	assert_forwarded(rig_rewrite(r, &from, NULL));
}

static void an_unfinished_checksum_is_finished_before_the_cut(void **state)
{
	struct rig *r = *state;
	struct tuple from = in4(53, 5000, IPPROTO_UDP), to = in6(53, 4000, IPPROTO_UDP);
	struct offload off = { .csum_partial = true, .csum_start = 20, .csum_offset = 6 };
	uint16_t sum = checksum_fold(checksum_pseudo(&from.src, &from.dst, IPPROTO_UDP, 1480));
	static uint8_t l4[3000];

	r->len = build_udp(r->bytes, &from, 1472);
	memcpy(r->bytes + 26, &sum, 2);
	store16(r->bytes + 6, 0);
	rig_sum_ip4(r->bytes);
	assert_int_equal(rig_receive(r, SIDE_OUTSIDE, &off).next, VERDICT_CONTINUE);
	assert_int_equal(rig_rewrite(r, &to, NULL).next, VERDICT_HELD);
	assert_int_equal(reassemble(r, 1280, 0, l4), 1480);
	assert_false(r->made[0].off.csum_partial);
	assert_int_equal(checksum_fold(checksum_add(
				 checksum_pseudo(&to.src, &to.dst, IPPROTO_UDP, 1480), l4, 1480)),
			 0xffff);
}

static void a_full_outbox_drops_the_whole_packet_untouched(void **state)
{
	struct rig *r = *state;
	struct tuple from = in4(53, 5000, IPPROTO_UDP), to = in6(53, 4000, IPPROTO_UDP);

	r->len = build_udp(r->bytes, &from, 1472);
	store16(r->bytes + 6, 0);
	rig_sum_ip4(r->bytes);
	rig_receive(r, SIDE_OUTSIDE, NULL);
	r->out.max = 1; /* two are needed */
	assert_dropped(rig_rewrite(r, &to, NULL), DROP_NO_BUFFER);
	assert_int_equal(r->out.n, 0);
	assert_untouched(r);
	r->out.max = RIG_OUT;
	r->out.size = 2 * 1280;
	assert_dropped(rig_rewrite(r, &to, NULL), DROP_NO_BUFFER);
	assert_untouched(r);
}

/* Two full fragments and a byte are three. */
static void the_last_byte_needs_a_fragment_too(void **state)
{
	struct rig *r = *state;
	struct tuple from = in4(53, 5000, IPPROTO_UDP), to = in6(53, 4000, IPPROTO_UDP);
	const uint32_t full = (1280 - 48) & ~7u;

	r->len = build_udp(r->bytes, &from, 2 * full + 1 - 8);
	store16(r->bytes + 6, 0);
	rig_sum_ip4(r->bytes);
	rig_receive(r, SIDE_OUTSIDE, NULL);
	r->out.max = 2;
	assert_dropped(rig_rewrite(r, &to, NULL), DROP_NO_BUFFER);
	assert_untouched(r);
	r->out.max = 3;
	assert_int_equal(rig_rewrite(r, &to, NULL).next, VERDICT_HELD);
	assert_int_equal(r->out.n, 3);
	assert_int_equal(r->out.packet[2].len, 49);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(rfc7915_4_without_df_is_cut_to_the_lowest_ipv6_mtu),
		RIG_TEST(rfc7915_4_a_long_echo_is_cut_with_its_new_checksum),
		RIG_TEST(rfc7915_4_a_fragment_is_cut_again),
		RIG_TEST(rfc7915_5_1_1260_bytes_are_cut_for_a_smaller_link),
		RIG_TEST(rfc7915_5_1_1_ipv6_fragments_may_be_cut_on),
		RIG_TEST(rfc791_ipv4_without_df_is_cut_for_the_next_link),
		RIG_TEST(rfc791_options_that_are_not_copied_are_in_the_first_fragment_only),
		RIG_TEST(rfc791_ipv4_with_df_is_refused_with_the_links_mtu),
		RIG_TEST(rfc8200_5_ipv6_is_never_cut_on_the_way),
		RIG_TEST(an_unfinished_checksum_is_finished_before_the_cut),
		RIG_TEST(a_full_outbox_drops_the_whole_packet_untouched),
		RIG_TEST(the_last_byte_needs_a_fragment_too),
	};

	return cmocka_run_group_tests_name("translate/fragment", tests, NULL, NULL);
}
