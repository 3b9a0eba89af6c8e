/* test_l4_checksum.c - RFC 7915 4.5 and 5.5: what happens to TCP and UDP checksums on the way. */
#include "rig.h"
#include <netinet/in.h>

/* One's complement of what the checksum of @p is wrong by: 0xffff when it is right. */
static uint16_t wrong_by(const struct packet *p)
{
	struct addr src = packet_source(p), dst = packet_destination(p);
	uint32_t len = p->len - p->l4_at;

	return checksum_fold(
		checksum_add(checksum_pseudo(&src, &dst, p->proto, len), p->data + p->l4_at, len));
}

static const struct {
	const char *what, *src, *dst, *to_src, *to_dst;
} pair[] = {
	{ "6 to 4", HOST6, SERVER6, HOST4, SERVER4 },
	{ "4 to 6", SERVER4, HOST4, SERVER6, HOST6 },
	{ "4 to 4", "10.1.2.3", HOST4, "10.9.9.9", SERVER4 },
	{ "6 to 6", HOST6, "2001:db8:2::1", "2001:db8:7::7", "2001:db8:2::99" },
};

static void rfc7915_4_5_a_right_checksum_stays_right(void **state)
{
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(pair) * 2; i++) {
		uint8_t proto = i % 2 ? IPPROTO_TCP : IPPROTO_UDP;
		struct tuple from = tuple_of(pair[i / 2].src, pair[i / 2].dst, 1025, 80, proto);
		struct tuple to =
			tuple_of(pair[i / 2].to_src, pair[i / 2].to_dst, 50001, 8080, proto);
		struct packet f;

		print_message("%s, %s\n", pair[i / 2].what, i % 2 ? "TCP" : "UDP");
		r->len = i % 2 ? build_tcp(r->bytes, &from, (struct tcp_args){ 0x10, 1, 2 }, 333)
			       : build_udp(r->bytes, &from, 333);
		rig_receive(r, SIDE_INSIDE, NULL);
		assert_forwarded(rig_rewrite(r, &to, NULL));
		f = rig_facts(&r->p);
		assert_true(tuple_equal(&f.key, &to));
		assert_int_equal(wrong_by(&f), 0xffff);
		assert_int_equal(f.ttl, 63);
	}
}

static void rfc7915_4_5_a_wrong_checksum_stays_equally_wrong(void **state)
{
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(pair); i++) {
		struct tuple from = tuple_of(pair[i].src, pair[i].dst, 1025, 80, IPPROTO_TCP);
		struct tuple to =
			tuple_of(pair[i].to_src, pair[i].to_dst, 50001, 8080, IPPROTO_TCP);
		struct packet f;
		uint16_t before;

		r->len = build_tcp(r->bytes, &from, (struct tcp_args){ 0x10, 1, 2 }, 333);
		r->bytes[r->len - 1] ^= 0x42;
		rig_receive(r, SIDE_INSIDE, NULL);
		before = wrong_by(&r->p);
		assert_int_not_equal(before, 0xffff);
		assert_forwarded(rig_rewrite(r, &to, NULL));
		f = rig_facts(&r->p);
		assert_int_equal(wrong_by(&f), before);
	}
}

static struct verdict send_zero(struct rig *r, uint16_t frag)
{
	struct tuple from = in4(53, 5000, IPPROTO_UDP), to = in6(53, 4000, IPPROTO_UDP);

	r->len = build_udp(r->bytes, &from, 56);
	store16(r->bytes + 20 + 6, 0);
	r->bytes[28] = 0x99;
	store16(r->bytes + 6, frag);
	rig_sum_ip4(r->bytes);
	return rig_translate(r, &to);
}

static void rfc7915_4_5_udp_without_checksum_gets_one(void **state)
{
	struct rig *r = *state;
	struct packet f;

	assert_forwarded(send_zero(r, 0));
	f = rig_facts(&r->p);
	assert_int_not_equal(load16(f.data + f.l4_at + 6), 0);
	assert_true(l4_checksum_is_right(&f));
}

/* What stands behind the datagram in the packet is no part of it (RFC 768). */
static void udp_without_checksum_is_summed_by_its_own_length(void **state)
{
	struct rig *r = *state;
	struct tuple from = in4(53, 5000, IPPROTO_UDP), to = in6(53, 4000, IPPROTO_UDP);
	struct addr src, dst;
	uint64_t sum;

	r->len = build_udp(r->bytes, &from, 56);
	store16(r->bytes + 20 + 4, 8 + 49);
	store16(r->bytes + 20 + 6, 0);
	assert_forwarded(rig_translate(r, &to));
	src = packet_source(&(struct packet){ .data = r->p.data, .family = 6 });
	dst = packet_destination(&(struct packet){ .data = r->p.data, .family = 6 });
	sum = checksum_pseudo(&src, &dst, IPPROTO_UDP, 8 + 49);
	assert_int_equal(checksum_fold(checksum_add(sum, r->p.data + 40, 8 + 49)), 0xffff);
}

static void rfc7915_4_5_udp_without_checksum_is_dropped_if_so_configured(void **state)
{
	struct rig *r = *state;

	r->env.conf.udp_zero_checksum_drop = true;
	assert_dropped(send_zero(r, 0), DROP_UDP_ZERO_CHECKSUM);
	assert_untouched(r);
}

static void rfc7915_4_5_fragmented_udp_without_checksum_is_dropped(void **state)
{
	struct rig *r = *state;

	assert_dropped(send_zero(r, 0x2000), DROP_FRAGMENT_ZERO_CHECKSUM);
	assert_untouched(r);
	r->env.conf.udp_zero_checksum_drop = true; /* another key */
	r->env.conf.allow_zero_udp_fragments = true;
	assert_forwarded(send_zero(r, 0x2000));
	assert_int_equal(load16(r->p.data + 48 + 6), 0);
	assert_int_equal(load16(r->p.data + 48), 53); /* the ports are rewritten all the same */
	assert_int_equal(load16(r->p.data + 50), 4000);
}

static void rfc768_udp_without_checksum_stays_so_within_ipv4(void **state)
{
	struct rig *r = *state;
	struct tuple from = in4(53, 5000, IPPROTO_UDP),
		     to = tuple_of(SERVER4, "10.0.0.1", 53, 4000, IPPROTO_UDP);

	r->env.conf.udp_zero_checksum_drop = true;
	r->len = build_udp(r->bytes, &from, 56);
	store16(r->bytes + 20 + 6, 0);
	rig_receive(r, SIDE_OUTSIDE, NULL);
	assert_forwarded(rig_rewrite(r, &to, NULL));
	assert_int_equal(load16(r->p.data + 26), 0);
	assert_int_equal(load16(r->p.data + 22), 4000);
}

/* RFC 768: a checksum that happens to be zero is sent as all ones. */
static void rfc768_a_computed_zero_is_sent_as_ffff(void **state)
{
	struct rig *r = *state;
	struct tuple from = out6(0, 53, IPPROTO_UDP), to = out4(0, 53, IPPROTO_UDP);
	uint32_t n_all_ones = 0;

	for (uint32_t port = 1; port < 65536; port++) {
		to.sport = be16_from((uint16_t)port);
		r->len = build_udp(r->bytes, &from, 4);
		assert_forwarded(rig_translate(r, &to));
		assert_int_not_equal(load16(r->p.data + 26), 0);
		n_all_ones += load16(r->p.data + 26) == 0xffff;
	}
	assert_int_equal(n_all_ones, 1);
}

static void an_unfinished_checksum_stays_unfinished(void **state)
{
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(pair); i++) {
		struct tuple from = tuple_of(pair[i].src, pair[i].dst, 1025, 80, IPPROTO_TCP);
		struct tuple to =
			tuple_of(pair[i].to_src, pair[i].to_dst, 50001, 8080, IPPROTO_TCP);
		uint16_t head = addr_is_v4(&from.src) ? 20 : 40, sum;
		struct offload off = { .csum_partial = true,
				       .csum_start = head,
				       .csum_offset = 16 };
		struct packet f;

		print_message("%s\n", pair[i].what);
		r->len = build_tcp(r->bytes, &from, (struct tcp_args){ 0x18, 1, 2 }, 333);
		sum = checksum_fold(checksum_pseudo(&from.src, &from.dst, IPPROTO_TCP, 353));
		memcpy(r->bytes + head + 16, &sum, 2);
		assert_int_equal(rig_receive(r, SIDE_INSIDE, &off).next, VERDICT_CONTINUE);
		assert_forwarded(rig_rewrite(r, &to, NULL));
		assert_true(r->p.off.csum_partial);
		assert_int_equal(r->p.off.csum_start, addr_is_v4(&to.src) ? 20 : 40);
		assert_int_equal(r->p.off.csum_offset, 16);
		packet_finish_checksum(&r->p);
		f = rig_facts(&r->p);
		assert_true(l4_checksum_is_right(&f));
	}
}

/* Some checksum fields stand where UDP's does and sum the same pseudo-header. */
static void rfc7915_4_5_dccp_and_udp_lite_are_updated_too(void **state)
{
	static const uint8_t proto[] = { 33, 136 };
	struct rig *r = *state;
	uint32_t n_all_ones[2] = { 0 }, n_zero[2] = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(proto); i++) {
		struct tuple from = out6(0, 0, IPPROTO_UDP), to = out4(0, 0, proto[i]);
		uint16_t csum = 0;
		uint64_t sum;

		r->len = build_udp(r->bytes, &from, 56);
		r->bytes[6] = proto[i];
		memcpy(r->bytes + 46, &csum, 2);
		sum = checksum_pseudo(&from.src, &from.dst, proto[i], 64);
		csum = (uint16_t)~checksum_fold(checksum_add(sum, r->bytes + 40, 64));
		memcpy(r->bytes + 46, &csum, 2);
		assert_forwarded(rig_translate(r, &to));
		for (uint32_t n = 1; n < 65536; n++) {
			store16(to.src.octet + 14, (uint16_t)n);
			assert_forwarded(rig_translate(r, &to));
			n_zero[i] += load16(r->p.data + 26) == 0;
			n_all_ones[i] += load16(r->p.data + 26) == 0xffff;
		}
		sum = checksum_pseudo(&to.src, &to.dst, proto[i], 64);
		assert_int_equal(checksum_fold(checksum_add(sum, r->p.data + 20, 64)), 0xffff);
	}
	assert_int_equal(n_zero[0], 1); /* DCCP has no special value (RFC 4340 9) */
	assert_int_equal(n_all_ones[0], 0);
	assert_int_equal(n_zero[1], 0); /* never "no checksum": RFC 3828 3.1 */
	assert_int_equal(n_all_ones[1], 1);
}

/* What a receiver has to discard must not arrive as something good. */
static void rfc3828_3_1_udp_lite_without_checksum_stays_wrong(void **state)
{
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(pair); i++) {
		struct tuple from = tuple_of(pair[i].src, pair[i].dst, 7, 9, 136);
		struct tuple to = tuple_of(pair[i].to_src, pair[i].to_dst, 7, 9, 136);
		uint32_t head = addr_is_v4(&from.src) ? 20 : 40;

		print_message("%s\n", pair[i].what);
		from.proto = IPPROTO_UDP;
		r->len = build_udp(r->bytes, &from, 56);
		r->bytes[head == 20 ? 9 : 6] = 136;
		if (head == 20)
			rig_sum_ip4(r->bytes);
		store16(r->bytes + head + 6, 0);
		assert_int_equal(rig_receive(r, SIDE_INSIDE, NULL).next, VERDICT_CONTINUE);
		assert_forwarded(rig_rewrite(r, &to, NULL));
		assert_int_equal(load16(r->p.data + (addr_is_v4(&to.src) ? 26 : 46)), 0);
	}
}

/* UDP-Lite says how much it covers where UDP says its length: the pseudo-header is summed whatever
 * that is. */
static void rfc3828_3_1_partial_coverage_does_not_matter(void **state)
{
	struct rig *r = *state;
	struct tuple from = in4(0, 0, IPPROTO_UDP), to = in6(0, 0, 136);
	uint16_t csum = 0;
	uint64_t sum;

	r->len = build_udp(r->bytes, &from, 56);
	r->bytes[9] = 136;
	rig_sum_ip4(r->bytes);
	store16(r->bytes + 24, 12); /* its header and 4 bytes */
	memcpy(r->bytes + 26, &csum, 2);
	sum = checksum_pseudo(&from.src, &from.dst, 136, 64);
	csum = (uint16_t)~checksum_fold(checksum_add(sum, r->bytes + 20, 12));
	memcpy(r->bytes + 26, &csum, 2);
	assert_forwarded(rig_translate(r, &to));
	sum = checksum_pseudo(&to.src, &to.dst, 136, 64);
	assert_int_equal(checksum_fold(checksum_add(sum, r->p.data + 40, 12)), 0xffff);
	assert_int_equal(load16(r->p.data + 44), 12);
}

/* SCTP sums no addresses, ESP and GRE none that we could know of. */
static void rfc7915_4_5_what_sums_no_pseudo_header_is_left_alone(void **state)
{
	static const uint8_t protos[] = { 132, 50, 51, 47, 4, 41, 89, 253 };
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(pair) * ARRAY_LEN(protos); i++) {
		size_t k = i % ARRAY_LEN(pair);
		uint8_t proto = protos[i / ARRAY_LEN(pair)];
		struct tuple from = tuple_of(pair[k].src, pair[k].dst, 0, 0, IPPROTO_UDP);
		struct tuple to = tuple_of(pair[k].to_src, pair[k].to_dst, 0, 0, proto);
		uint32_t head = addr_is_v4(&from.src) ? 20 : 40;

		r->len = build_udp(r->bytes, &from, 56);
		r->bytes[head == 20 ? 9 : 6] = proto;
		if (head == 20)
			rig_sum_ip4(r->bytes);
		assert_int_equal(rig_receive(r, SIDE_INSIDE, NULL).next, VERDICT_CONTINUE);
		assert_forwarded(rig_rewrite(r, &to, NULL));
		assert_int_equal(rig_facts(&r->p).proto, proto);
		assert_memory_equal(r->p.data + (addr_is_v4(&to.src) ? 20 : 40), r->bytes + head,
				    64);
	}
}

/* RFC 768, for packets that are not plain: a checksum that is made, one that is updated behind an
 * extension header. Each value of two bytes gives another sum. */
static void rfc768_zero_is_sent_as_ffff_the_long_way_too(void **state)
{
	static const uint8_t hop[8] = { 17, 0, 1, 4, 0, 0, 0, 0 };
	struct rig *r = *state;

	for (unsigned way = 0; way < 2; way++) {
		struct tuple from6 = out6(0, 53, IPPROTO_UDP), to4 = out4(0, 53, IPPROTO_UDP);
		struct tuple from4 = in4(53, 5000, IPPROTO_UDP), to6 = in6(53, 4000, IPPROTO_UDP);
		uint32_t n_all_ones = 0;

		for (uint32_t value = 1; value < 65536; value++) {
			uint16_t csum;

			if (way == 0) { /* none, to IPv6 */
				r->len = build_udp(r->bytes, &from4, 4);
				store16(r->bytes + 26, 0);
				store16(r->bytes + 28, (uint16_t)value);
				assert_forwarded(rig_translate(r, &to6));
			} else {
				to4.sport = be16_from((uint16_t)value);
				r->len = build_udp(r->bytes, &from6, 4);
				rig_insert(r, 60, hop, 8);
				assert_forwarded(rig_translate(r, &to4));
			}
			csum = load16(r->p.data + (way == 0 ? 46 : 26));
			assert_int_not_equal(csum, 0);
			n_all_ones += csum == 0xffff;
		}
		assert_int_equal(n_all_ones, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(rfc7915_4_5_a_right_checksum_stays_right),
		RIG_TEST(rfc7915_4_5_a_wrong_checksum_stays_equally_wrong),
		RIG_TEST(rfc7915_4_5_udp_without_checksum_gets_one),
		RIG_TEST(udp_without_checksum_is_summed_by_its_own_length),
		RIG_TEST(rfc7915_4_5_udp_without_checksum_is_dropped_if_so_configured),
		RIG_TEST(rfc7915_4_5_fragmented_udp_without_checksum_is_dropped),
		RIG_TEST(rfc768_udp_without_checksum_stays_so_within_ipv4),
		RIG_TEST(rfc768_a_computed_zero_is_sent_as_ffff),
		RIG_TEST(an_unfinished_checksum_stays_unfinished),
		RIG_TEST(rfc7915_4_5_dccp_and_udp_lite_are_updated_too),
		RIG_TEST(rfc3828_3_1_udp_lite_without_checksum_stays_wrong),
		RIG_TEST(rfc3828_3_1_partial_coverage_does_not_matter),
		RIG_TEST(rfc7915_4_5_what_sums_no_pseudo_header_is_left_alone),
		RIG_TEST(rfc768_zero_is_sent_as_ffff_the_long_way_too),
	};

	return cmocka_run_group_tests_name("translate/l4_checksum", tests, NULL, NULL);
}
