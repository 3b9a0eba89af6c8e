/* test_path.c - narrow links that the sender is not told of: RFC 7915 4, 7, RFC 8201 4. */
#include "rig.h"
#include <netinet/in.h>

/* A router inside says so of a packet to @host, @declared bytes long. */
static void too_big(struct rig *r, const char *host, uint32_t said, uint32_t declared)
{
	struct tuple inner = tuple_of(SERVER6, host, 53, 4000, IPPROTO_UDP);
	struct tuple to = out4(5000, 53, IPPROTO_UDP);
	struct addr router = addr_of(ROUTER6);
	uint8_t quote[1600];

	build_udp(quote, &inner, 1400);
	store16(quote + 4, (uint16_t)(declared - 40));
	r->len = build_error(r->bytes, &router, &inner.src, 2, 0, said, quote, 600);
	assert_int_equal(rig_receive(r, SIDE_INSIDE, NULL).next, VERDICT_CONTINUE);
	assert_forwarded(rig_rewrite(r, &to, HOST4));
}

/* 1240 bytes from outside to @host. Return: the longest packet that came out. */
static uint32_t longest_to(struct rig *r, const char *host, uint16_t frag)
{
	struct tuple from = in4(53, 5000, IPPROTO_UDP);
	struct tuple to = tuple_of(SERVER6, host, 53, 4000, IPPROTO_UDP);
	struct verdict v;
	uint32_t longest = 0;

	r->len = build_udp(r->bytes, &from, frag & 0x2000 ? 1208 : 1212);
	store16(r->bytes + 6, frag);
	rig_sum_ip4(r->bytes);
	assert_int_equal(rig_receive(r, SIDE_OUTSIDE, NULL).next, VERDICT_CONTINUE);
	v = rig_rewrite(r, &to, NULL);
	if (v.next == VERDICT_FORWARD)
		return r->p.len;
	assert_int_equal(v.next, VERDICT_HELD);
	for (uint16_t i = 0; i < r->out.n; i++) {
		struct packet f = rig_facts(&r->made[i]);

		assert_true(f.flags & PACKET_FRAGMENT);
		longest = f.len > longest ? f.len : longest;
	}
	return longest;
}

static void rfc7915_4_packets_without_df_are_cut_for_a_path_below_1280(void **state)
{
	struct rig *r = *state;

	assert_int_equal(longest_to(r, HOST6, 0), 1260);
	too_big(r, HOST6, 1000, 1260);
	assert_int_equal(load16(r->p.data + 26), 980); /* and passed on, for those with DF */
	assert_int_equal(longest_to(r, HOST6, 0), 1000);
	assert_int_equal(longest_to(r, "2001:db8:1::11", 0), 1260); /* nobody else */
}

static void rfc7915_4_packets_with_df_are_the_senders_business(void **state)
{
	struct rig *r = *state;

	too_big(r, HOST6, 1000, 1260);
	assert_int_equal(longest_to(r, HOST6, 0x4000), 1260);
}

static void what_fits_gets_no_fragment_header(void **state)
{
	struct rig *r = *state;

	too_big(r, HOST6, 1260, 1280);
	assert_int_equal(longest_to(r, HOST6, 0), 1260);
	assert_int_equal(rig_facts(&r->p).flags & PACKET_HAS_FRAG_HDR, 0);
	too_big(r, HOST6, 1259, 1280);
	assert_int_equal(longest_to(r, HOST6, 0), 1256);
}

static void fragments_are_cut_again(void **state)
{
	struct rig *r = *state;

	too_big(r, HOST6, 700, 1260);
	assert_int_equal(longest_to(r, HOST6, 0x2000), 696);
}

static void rfc8201_4_forgotten_after_ten_minutes(void **state)
{
	struct rig *r = *state;

	too_big(r, HOST6, 1000, 1260);
	r->st.now_ms += 599999;
	assert_int_equal(longest_to(r, HOST6, 0), 1000);
	r->st.now_ms += 1;
	assert_int_equal(longest_to(r, HOST6, 0), 1260);
	too_big(r, HOST6, 1000, 1260);
	r->st.now_ms += 400000;
	too_big(r, HOST6, 900, 1260); /* heard of again */
	r->st.now_ms += 400000;
	assert_int_equal(longest_to(r, HOST6, 0), 896);
}

static void rfc8201_4_forgotten_one_by_one(void **state)
{
	struct rig *r = *state;

	too_big(r, HOST6, 1000, 1260);
	r->st.now_ms += 300000;
	too_big(r, "2001:db8:1::11", 1000, 1260);
	r->st.now_ms += 300000;
	assert_int_equal(longest_to(r, HOST6, 0), 1260);
	assert_int_equal(longest_to(r, "2001:db8:1::11", 0), 1000);
}

/* Whoever forges an error must not make a crowd of crumbs of every packet. */
static void never_less_than_576_bytes(void **state)
{
	struct rig *r = *state;

	too_big(r, HOST6, 0, 1260);
	assert_int_equal(longest_to(r, HOST6, 0), 576);
	too_big(r, HOST6, 577, 1260);
	assert_int_equal(longest_to(r, HOST6, 0), 576);
	too_big(r, HOST6, 584, 1260);
	assert_int_equal(longest_to(r, HOST6, 0), 584);
}

static void an_error_about_what_would_have_fitted_is_not_believed(void **state)
{
	struct rig *r = *state;

	too_big(r, HOST6, 1000, 1000);
	assert_int_equal(longest_to(r, HOST6, 0), 1260);
	too_big(r, HOST6, 1000, 1001);
	assert_int_equal(longest_to(r, HOST6, 0), 1000);
}

/* Cut to 1280 as it is: 1280 and more is no news. With a higher lowest-ipv6-mtu it is. */
static void rfc7915_4_1_only_what_is_below_the_lowest_ipv6_mtu_is_remembered(void **state)
{
	struct rig *r = *state;

	too_big(r, HOST6, 1280, 1500);
	assert_true(r->st.paths_until_ms == 0);
	r->env.conf.lowest_ipv6_mtu = 1500;
	assert_int_equal(longest_to(r, HOST6, 0), 1260);
	too_big(r, HOST6, 1200, 1500);
	assert_int_equal(longest_to(r, HOST6, 0), 1200);
	r->env.mtu[SIDE_INSIDE] = 1100; /* our own link is the least */
	assert_int_equal(longest_to(r, HOST6, 0), 1096);
}

/* Fixed memory: the latest are there, whatever came before. */
static void rfc7915_7_a_thousand_destinations_leave_the_last(void **state)
{
	struct rig *r = *state;
	uint32_t n = 0;

	for (uint32_t i = 1; i <= 1000; i++) {
		char host[40];

		snprintf(host, sizeof(host), "2001:db8:1::1:%x", i);
		r->st.now_ms++;
		too_big(r, host, 1000, 1260);
		assert_int_equal(longest_to(r, host, 0), 1000);
	}
	for (uint32_t i = 1; i <= 1000; i++) {
		char host[40];

		snprintf(host, sizeof(host), "2001:db8:1::1:%x", i);
		n += longest_to(r, host, 0) == 1000;
	}
	assert_in_range(n, 32, PATH_SLOTS);
}

static void gso_segments_without_df_fit_the_path(void **state)
{
	struct rig *r = *state;
	struct tuple from = in4(80, 5000, IPPROTO_TCP), to = in6(80, 4000, IPPROTO_TCP);
	struct offload off = { .gso = GSO_TCP4,
			       .gso_size = 1440,
			       .csum_partial = true,
			       .csum_start = 20,
			       .csum_offset = 16 };

	too_big(r, HOST6, 1000, 1260);
	r->len = build_tcp(r->bytes, &from, (struct tcp_args){ 0x10, 1, 2 }, 5000);
	store16(r->bytes + 6, 0);
	rig_sum_ip4(r->bytes);
	assert_int_equal(rig_receive(r, SIDE_OUTSIDE, &off).next, VERDICT_CONTINUE);
	assert_forwarded(rig_rewrite(r, &to, NULL));
	assert_int_equal(r->p.off.gso_size, 940);
}

/* RFC 7915 5.1, 7: nothing to remember the other way. Up to 1260 bytes, DF is clear, and a sender
 * is never asked for less than 1280. */
static void rfc7915_7_an_ipv4_path_below_1260_is_cured_by_df_alone(void **state)
{
	struct rig *r = *state;
	struct tuple inner = out4(5000, 53, IPPROTO_UDP), to = in6(53, 4000, IPPROTO_UDP);
	struct tuple from = out6(4000, 53, IPPROTO_UDP), out = out4(5000, 53, IPPROTO_UDP);
	struct addr router = addr_of(ROUTER4);
	uint8_t quote[1600];

	build_udp(quote, &inner, 1400);
	r->len = build_error(r->bytes, &router, &inner.src, 3, 4, 576, quote, 500);
	rig_receive(r, SIDE_OUTSIDE, NULL);
	assert_forwarded(rig_rewrite(r, &to, "64:ff9b::192.0.2.254"));
	assert_int_equal(load32(r->p.data + 44), 1280);
	r->len = build_udp(r->bytes, &from, 1280 - 48);
	assert_forwarded(rig_translate(r, &out));
	assert_int_equal(r->p.len, 1260);
	assert_int_equal(load16(r->p.data + 6), 0);
}

/* Of two that want one place the older goes: what was heard last, and the one before, are known. */
static void the_older_of_two_makes_room(void **state)
{
	struct rig *r = *state;

	for (uint32_t i = 1; i <= 1000; i++) {
		char host[40], before[40];

		snprintf(host, sizeof(host), "2001:db8:1::1:%x", i);
		snprintf(before, sizeof(before), "2001:db8:1::1:%x", i - 1);
		r->st.now_ms++;
		too_big(r, host, 1000, 1260);
		assert_int_equal(longest_to(r, host, 0), 1000);
		if (i > 1)
			assert_int_equal(longest_to(r, before, 0), 1000);
	}
}

/* One place is one destination's: heard of again, it takes no second. */
static void a_destination_is_remembered_once(void **state)
{
	struct rig *r = *state;

	for (uint32_t i = 1; i <= 200; i++) {
		char host[40];

		snprintf(host, sizeof(host), "2001:db8:1::1:%x", i);
		for (uint32_t again = 0; again < 3; again++) {
			r->st.now_ms++;
			too_big(r, host, 1000 + 8 * again, 1260);
		}
		assert_int_equal(longest_to(r, host, 0), 1016);
	}
	for (uint32_t i = 0; i < PATH_SLOTS; i++)
		for (uint32_t k = 0; k < i; k++)
			assert_false(r->st.path[i].until_ms &&
				     addr_equal(&r->st.path[i].dst, &r->st.path[k].dst));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(rfc7915_4_packets_without_df_are_cut_for_a_path_below_1280),
		RIG_TEST(rfc7915_4_packets_with_df_are_the_senders_business),
		RIG_TEST(what_fits_gets_no_fragment_header),
		RIG_TEST(fragments_are_cut_again),
		RIG_TEST(rfc8201_4_forgotten_after_ten_minutes),
		RIG_TEST(rfc8201_4_forgotten_one_by_one),
		RIG_TEST(never_less_than_576_bytes),
		RIG_TEST(an_error_about_what_would_have_fitted_is_not_believed),
		RIG_TEST(rfc7915_4_1_only_what_is_below_the_lowest_ipv6_mtu_is_remembered),
		RIG_TEST(rfc7915_7_a_thousand_destinations_leave_the_last),
		RIG_TEST(gso_segments_without_df_fit_the_path),
		RIG_TEST(rfc7915_7_an_ipv4_path_below_1260_is_cured_by_df_alone),
		RIG_TEST(the_older_of_two_makes_room),
		RIG_TEST(a_destination_is_remembered_once),
	};

	return cmocka_run_group_tests_name("translate/path", tests, NULL, NULL);
}
