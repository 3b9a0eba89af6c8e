/* test_gso.c - super-packets: what comes out is what the kernel cuts right, on the next link. */
#include "rig.h"
#include <netinet/in.h>

/* A super-packet as the kernel hands it over: unfinished checksum, lengths of the whole. */
static struct verdict receive_super(struct rig *r, const struct tuple *from, uint32_t payload,
				    uint16_t gso_size)
{
	bool v4 = addr_is_v4(&from->src), tcp = from->proto == IPPROTO_TCP;
	uint16_t ip = v4 ? 20 : 40, l4 = tcp ? 20 : 8, sum;
	struct offload off = { .gso = tcp ? (v4 ? GSO_TCP4 : GSO_TCP6) : GSO_UDP,
			       .gso_size = gso_size,
			       .csum_partial = true,
			       .csum_start = ip,
			       .csum_offset = tcp ? 16 : 6,
			       .hdr_len = (uint16_t)(ip + l4) };

	r->len = tcp ? build_tcp(r->bytes, from, (struct tcp_args){ 0x99, 1000, 2 }, payload)
		     : build_udp(r->bytes, from, payload);
	sum = checksum_fold(checksum_pseudo(&from->src, &from->dst, from->proto, l4 + payload));
	memcpy(r->bytes + ip + off.csum_offset, &sum, 2);
	return rig_receive(r, v4 ? SIDE_OUTSIDE : SIDE_INSIDE, &off);
}

/* Finishes the checksum of a copy of @q: right if what was left unfinished was right. */
static void assert_can_be_finished(struct packet q)
{
	static uint8_t copy[RIG_BYTES];
	struct packet f;

	memcpy(copy, q.data, q.len);
	q.data = copy;
	packet_finish_checksum(&q);
	q.off = (struct offload){ 0 };
	f = rig_facts(&q);
	assert_true(l4_checksum_is_right(&f));
}

static void tcp_6to4_keeps_its_segments(void **state)
{
	struct rig *r = *state;
	struct tuple from = out6(4000, 80, IPPROTO_TCP), to = out4(5000, 80, IPPROTO_TCP);

	assert_int_equal(receive_super(r, &from, 60000, 1440).next, VERDICT_CONTINUE);
	assert_forwarded(rig_rewrite(r, &to, NULL));
	assert_int_equal(r->p.len, 60040);
	assert_int_equal(r->p.off.gso, GSO_TCP4);
	assert_int_equal(r->p.off.gso_size, 1440);
	assert_int_equal(r->p.off.csum_start, 20);
	assert_int_equal(r->p.off.csum_offset, 16);
	assert_int_equal(r->p.off.hdr_len, 40);
	assert_int_equal(load16(r->p.data + 6), 0x4000); /* by the segment's 1480 bytes */
	assert_can_be_finished(r->p);
}

static void tcp_identification_advances_by_the_number_of_segments(void **state)
{
	static const struct {
		uint32_t payload, n;
	} row[] = { { 14400, 10 }, { 14401, 11 }, { 14399, 10 } };
	struct rig *r = *state;
	struct tuple from = out6(4000, 80, IPPROTO_TCP), to = out4(5000, 80, IPPROTO_TCP);

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		uint16_t first;

		receive_super(r, &from, row[i].payload, 1440);
		assert_forwarded(rig_rewrite(r, &to, NULL));
		first = load16(r->p.data + 4);
		receive_super(r, &from, 20000, 1440); /* in the same millisecond */
		assert_forwarded(rig_rewrite(r, &to, NULL));
		assert_int_equal((uint16_t)(load16(r->p.data + 4) - first), row[i].n);
	}
}

static void rfc7915_5_1_df_goes_by_the_segments_length(void **state)
{
	struct rig *r = *state;
	struct tuple from = out6(4000, 80, IPPROTO_TCP), to = out4(5000, 80, IPPROTO_TCP);

	receive_super(r, &from, 10000, 1220);
	assert_forwarded(rig_rewrite(r, &to, NULL));
	assert_int_equal(load16(r->p.data + 6), 0); /* 1260 */
	receive_super(r, &from, 10000, 1221);
	assert_forwarded(rig_rewrite(r, &to, NULL));
	assert_int_equal(load16(r->p.data + 6), 0x4000);
}

static void tcp_4to6_segments_shrink_to_fit(void **state)
{
	struct rig *r = *state;
	struct tuple from = in4(80, 5000, IPPROTO_TCP), to = in6(80, 4000, IPPROTO_TCP);

	assert_int_equal(receive_super(r, &from, 60000, 1460).next, VERDICT_CONTINUE);
	assert_forwarded(rig_rewrite(r, &to, NULL)); /* no error for a super length */
	assert_int_equal(r->p.off.gso, GSO_TCP6);
	assert_int_equal(r->p.off.gso_size, 1440);
	assert_int_equal(r->p.off.csum_start, 40);
	assert_int_equal(r->p.off.hdr_len, 60);
	assert_int_equal(r->p.len, 60060);
	assert_can_be_finished(r->p);
}

/* Nobody would hear of a segment that is too long further on (RFC 7915 4). */
static void rfc7915_4_without_df_segments_shrink_to_the_lowest_ipv6_mtu(void **state)
{
	struct rig *r = *state;
	struct tuple from = in4(80, 5000, IPPROTO_TCP), to = in6(80, 4000, IPPROTO_TCP);

	receive_super(r, &from, 60000, 1460);
	store16(r->p.data + 6, 0);
	rig_sum_ip4(r->p.data);
	assert_int_equal(packet_parse(&r->p).next, VERDICT_CONTINUE);
	assert_forwarded(rig_rewrite(r, &to, NULL));
	assert_int_equal(r->p.off.gso_size, 1220);
}

static void tcp_options_count_as_header(void **state)
{
	struct rig *r = *state;
	struct tuple from = in4(80, 5000, IPPROTO_TCP), to = in6(80, 4000, IPPROTO_TCP);

	receive_super(r, &from, 60000, 1460);
	r->p.data[32] = 0x80; /* timestamps: 12 bytes of options */
	assert_forwarded(rig_rewrite(r, &to, NULL));
	assert_int_equal(r->p.off.gso_size, 1428);
	assert_int_equal(r->p.off.hdr_len, 72);
}

/* No link is like this, but no number may be divided by either. */
static void a_link_without_room_for_payload_is_too_small(void **state)
{
	struct rig *r = *state;
	struct tuple from = in4(80, 5000, IPPROTO_TCP);

	for (uint32_t mtu = 47; mtu <= 48; mtu++) {
		r->env.mtu[SIDE_INSIDE] = mtu;
		receive_super(r, &from, 1000, 400);
		if (mtu == 48) {
			assert_forwarded(rig_rewrite(r, &from, NULL));
			assert_int_equal(r->p.off.gso_size, 8);
		} else {
			assert_dropped(rig_rewrite(r, &from, NULL), DROP_TOO_BIG);
			assert_untouched(r);
		}
	}
}

static void tcp_same_family_shrinks_too(void **state)
{
	struct rig *r = *state;
	struct tuple t = tuple_of(HOST6, "2001:db8:2::1", 4000, 80, IPPROTO_TCP);

	r->env.mtu[SIDE_OUTSIDE] = 1400;
	receive_super(r, &t, 60000, 1440);
	assert_forwarded(rig_rewrite(r, &t, NULL));
	assert_int_equal(r->p.off.gso_size, 1340);
	assert_int_equal(r->p.off.gso, GSO_TCP6);
}

/* 65575 bytes of IPv6 are 65555 of IPv4, which cannot be said there. */
static void tcp_too_long_for_ipv4_is_cut_in_two(void **state)
{
	struct rig *r = *state;
	struct tuple from = out6(4000, 80, IPPROTO_TCP), to = out4(5000, 80, IPPROTO_TCP);
	uint32_t at = 0;

	assert_int_equal(receive_super(r, &from, 65515, 1440).next, VERDICT_CONTINUE);
	assert_int_equal(r->p.len, 65575);
	assert_int_equal(rig_rewrite(r, &to, NULL).next, VERDICT_HELD);
	assert_untouched(r);
	assert_int_equal(r->out.n, 2);
	for (uint16_t i = 0; i < 2; i++) {
		const struct packet *q = &r->made[i];

		assert_int_equal(q->verdict.next, VERDICT_FORWARD);
		assert_int_equal(q->out_side, SIDE_OUTSIDE);
		assert_int_equal(load32(q->data + 24), 1000 + at);
		assert_memory_equal(q->data + 40, r->bytes + 60 + at, q->len - 40);
		/* FIN and PSH at the end only, CWR at the start only; the ACK everywhere */
		assert_int_equal(q->data[33], i ? 0x19 : 0x90);
		assert_can_be_finished(*q);
		at += q->len - 40;
	}
	assert_int_equal(at, 65515);
	assert_int_equal(r->made[0].off.gso, GSO_TCP4);
	assert_int_equal((r->made[0].len - 40) % 1440, 0);
	assert_int_equal(r->made[1].off.gso, GSO_NONE);
	assert_int_equal(r->made[1].off.gso_size, 0);
}

static void udp_that_fits_stays_whole(void **state)
{
	struct rig *r = *state;
	struct tuple from = out6(4000, 443, IPPROTO_UDP), to = out4(5000, 443, IPPROTO_UDP);

	assert_int_equal(receive_super(r, &from, 50000, 1452).next, VERDICT_CONTINUE);
	assert_forwarded(rig_rewrite(r, &to, NULL));
	assert_int_equal(r->p.off.gso, GSO_UDP);
	assert_int_equal(r->p.off.gso_size, 1452);
	assert_int_equal(r->p.off.csum_start, 20);
	assert_int_equal(r->p.off.hdr_len, 28);
	assert_can_be_finished(r->p);
	from = in4(443, 5000, IPPROTO_UDP);
	to = in6(443, 4000, IPPROTO_UDP);
	receive_super(r, &from, 50000, 1452);
	assert_forwarded(rig_rewrite(r, &to, NULL));
	assert_int_equal(r->p.off.gso, GSO_UDP);
	assert_int_equal(r->p.off.gso_size, 1452);
	assert_int_equal(r->p.len, 50048);
}

static void udp_too_long_with_df_is_refused_and_what_fits_is_sent(void **state)
{
	struct rig *r = *state;
	struct tuple from = in4(443, 5000, IPPROTO_UDP), to = in6(443, 4000, IPPROTO_UDP);
	struct packet f;

	assert_int_equal(receive_super(r, &from, 1472 * 4 + 100, 1472).next, VERDICT_CONTINUE);
	assert_dropped(rig_rewrite(r, &to, NULL), DROP_TOO_BIG);
	assert_int_equal(r->p.verdict.reply, REPLY_TOO_BIG);
	assert_int_equal(r->p.reply_mtu, 1480);
	assert_untouched(r);
	assert_int_equal(r->out.n, 5);
	for (int i = 0; i < 4; i++)
		assert_int_not_equal(r->made[i].verdict.next, VERDICT_FORWARD);
	assert_int_equal(r->made[4].verdict.next, VERDICT_FORWARD);
	assert_int_equal(r->made[4].len, 148);
	assert_memory_equal(r->made[4].data + 48, r->bytes + 28 + 1472 * 4, 100);
	assert_can_be_finished(r->made[4]);
	f = r->made[4];
	assert_int_equal(packet_parse(&f).next, VERDICT_CONTINUE);
	assert_true(tuple_equal(&f.key, &to));
}

static void udp_within_ipv6_is_refused_and_what_fits_is_sent(void **state)
{
	struct rig *r = *state;
	struct tuple t = tuple_of(HOST6, "2001:db8:2::1", 4000, 443, IPPROTO_UDP);
	struct packet f;

	r->env.mtu[SIDE_OUTSIDE] = 1400;
	assert_int_equal(receive_super(r, &t, 1452 * 2 + 100, 1452).next, VERDICT_CONTINUE);
	assert_dropped(rig_rewrite(r, &t, NULL), DROP_TOO_BIG);
	assert_int_equal(r->p.reply_mtu, 1400);
	assert_int_equal(r->made[2].verdict.next, VERDICT_FORWARD);
	f = rig_facts(&r->made[2]);
	assert_int_equal(f.len, 148);
	assert_int_equal(load16(f.data + 4), 108);
	assert_can_be_finished(r->made[2]);
}

static void udp_too_long_without_df_is_cut_and_each_datagram_fragmented(void **state)
{
	struct rig *r = *state;
	struct tuple from = in4(443, 5000, IPPROTO_UDP), to = in6(443, 4000, IPPROTO_UDP);
	uint32_t sent = 0;

	receive_super(r, &from, 1472 * 3, 1472);
	store16(r->p.data + 4, 0xfffe); /* datagrams are numbered on, and round */
	store16(r->p.data + 6, 0);
	rig_sum_ip4(r->p.data);
	assert_int_equal(packet_parse(&r->p).next, VERDICT_CONTINUE);
	assert_int_equal(rig_rewrite(r, &to, NULL).next, VERDICT_HELD);
	for (uint16_t i = 0; i < r->out.n; i++) {
		static const uint16_t id[] = { 0xfffe, 0xffff, 0x0000 };
		struct packet f;

		if (r->made[i].verdict.next != VERDICT_FORWARD)
			continue;
		f = rig_facts(&r->made[i]);
		assert_true(f.len <= 1280);
		assert_int_equal(f.frag_id, id[sent / 2]);
		assert_int_equal(f.more_fragments, sent % 2 == 0);
		sent++;
	}
	assert_int_equal(sent, 6);
}

static void udp_too_long_for_ipv4_is_cut_into_datagrams(void **state)
{
	struct rig *r = *state;
	struct tuple from = out6(4000, 443, IPPROTO_UDP), to = out4(5000, 443, IPPROTO_UDP);

	assert_int_equal(receive_super(r, &from, 65527, 1400).next, VERDICT_CONTINUE);
	assert_int_equal(rig_rewrite(r, &to, NULL).next, VERDICT_HELD);
	assert_int_equal(r->out.n, 47);
	for (uint16_t i = 0; i < r->out.n; i++) {
		assert_int_equal(r->made[i].verdict.next, VERDICT_FORWARD);
		assert_int_equal(r->made[i].off.gso, GSO_NONE);
		assert_int_equal(load16(r->made[i].data + 24), r->made[i].len - 20);
		assert_int_equal(
			(uint16_t)(load16(r->made[i].data + 4) - load16(r->made[0].data + 4)), i);
		assert_can_be_finished(r->made[i]);
	}
}

static void the_longest_that_ipv4_can_say_stays_whole(void **state)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP };
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(protos); i++) {
		struct tuple from = out6(4000, 443, protos[i]), to = out4(5000, 443, protos[i]);

		receive_super(r, &from, 65515 - (i ? 8 : 20), 1400);
		assert_int_equal(r->p.len, 65555);
		assert_forwarded(rig_rewrite(r, &to, NULL));
		assert_int_equal(r->p.len, 65535);
		assert_int_equal(load16(r->p.data + 2), 65535);
		assert_can_be_finished(r->p);
	}
}

static void one_segment_is_an_ordinary_packet(void **state)
{
	struct rig *r = *state;
	struct tuple from = in4(443, 5000, IPPROTO_UDP);

	assert_int_equal(receive_super(r, &from, 1472, 1472).next, VERDICT_CONTINUE);
	assert_int_equal(r->p.off.gso, GSO_NONE);
	assert_int_equal(r->p.off.gso_size, 0);
	assert_true(r->p.off.csum_partial);
}

static void a_full_outbox_is_a_drop(void **state)
{
	struct rig *r = *state;
	struct tuple from = out6(4000, 443, IPPROTO_UDP), to = out4(5000, 443, IPPROTO_UDP);

	receive_super(r, &from, 65527, 1400);
	r->out.max = 3;
	assert_dropped(rig_rewrite(r, &to, NULL), DROP_NO_BUFFER);
	assert_untouched(r);
}

/* Two are enough whatever the segments' size: neither is too long, and together they are all of it.
 */
static void tcp_too_long_for_ipv4_is_cut_in_two_at_any_size(void **state)
{
	struct rig *r = *state;
	struct tuple from = out6(4000, 80, IPPROTO_TCP), to = out4(5000, 80, IPPROTO_TCP);

	for (uint16_t size = 536; size <= 1440; size++) {
		assert_int_equal(receive_super(r, &from, 65515, size).next, VERDICT_CONTINUE);
		assert_int_equal(rig_rewrite(r, &to, NULL).next, VERDICT_HELD);
		if (r->out.n != 2)
			fail_msg("segments of %u: %u packets", size, r->out.n);
		assert_int_equal(r->made[0].len + r->made[1].len, 65515 + 2 * 40);
		assert_int_equal((r->made[0].len - 40) % size, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(tcp_6to4_keeps_its_segments),
		RIG_TEST(tcp_identification_advances_by_the_number_of_segments),
		RIG_TEST(rfc7915_5_1_df_goes_by_the_segments_length),
		RIG_TEST(tcp_4to6_segments_shrink_to_fit),
		RIG_TEST(rfc7915_4_without_df_segments_shrink_to_the_lowest_ipv6_mtu),
		RIG_TEST(tcp_options_count_as_header),
		RIG_TEST(a_link_without_room_for_payload_is_too_small),
		RIG_TEST(tcp_same_family_shrinks_too),
		RIG_TEST(tcp_too_long_for_ipv4_is_cut_in_two),
		RIG_TEST(udp_that_fits_stays_whole),
		RIG_TEST(udp_too_long_with_df_is_refused_and_what_fits_is_sent),
		RIG_TEST(udp_within_ipv6_is_refused_and_what_fits_is_sent),
		RIG_TEST(udp_too_long_without_df_is_cut_and_each_datagram_fragmented),
		RIG_TEST(udp_too_long_for_ipv4_is_cut_into_datagrams),
		RIG_TEST(the_longest_that_ipv4_can_say_stays_whole),
		RIG_TEST(one_segment_is_an_ordinary_packet),
		RIG_TEST(a_full_outbox_is_a_drop),
		RIG_TEST(tcp_too_long_for_ipv4_is_cut_in_two_at_any_size),
	};

	return cmocka_run_group_tests_name("translate/gso", tests, NULL, NULL);
}
