/* test_mss.c - the MSS option of a SYN. */
#include "rig.h"
#include <netinet/in.h>

/* A SYN with @options (@n bytes, a multiple of 4) between the tuples, checksums right. */
static struct packet send_syn(struct rig *r, const struct tuple *from, const struct tuple *to,
			      const uint8_t *options, uint32_t n)
{
	uint32_t ip = addr_is_v4(&from->src) ? 20 : 40;
	uint8_t *tcp = r->bytes + ip;
	uint16_t csum = 0;
	struct packet f;

	r->len = build_tcp(r->bytes, from, (struct tcp_args){ 0x02, 1, 0 }, n);
	memcpy(tcp + 20, options, n);
	tcp[12] = (uint8_t)((20 + n) / 4 << 4);
	memcpy(tcp + 16, &csum, 2);
	csum = (uint16_t)~checksum_fold(checksum_add(
		checksum_pseudo(&from->src, &from->dst, IPPROTO_TCP, 20 + n), tcp, 20 + n));
	memcpy(tcp + 16, &csum, 2);
	assert_int_equal(rig_receive(r, ip == 20 ? SIDE_OUTSIDE : SIDE_INSIDE, NULL).next,
			 VERDICT_CONTINUE);
	assert_forwarded(rig_rewrite(r, to, NULL));
	f = rig_facts(&r->p);
	assert_true(l4_checksum_is_right(&f));
	return f;
}

static uint32_t mss_of(struct rig *r, bool outward, uint16_t mss)
{
	struct tuple a = out6(4000, 80, IPPROTO_TCP), b = out4(5000, 80, IPPROTO_TCP);
	struct tuple c = in4(80, 5000, IPPROTO_TCP), d = in6(80, 4000, IPPROTO_TCP);
	uint8_t option[4] = { 2, 4, (uint8_t)(mss >> 8), (uint8_t)mss };
	struct packet f = outward ? send_syn(r, &a, &b, option, 4) : send_syn(r, &c, &d, option, 4);

	return load16(f.data + f.l4_at + 22);
}

static void auto_clamps_to_what_both_links_carry(void **state)
{
	struct rig *r = *state;

	/* segments of the IPv4 server, 1460 on its link, must fit IPv6's 1500 with 60 of headers */
	assert_int_equal(mss_of(r, true, 1460), 1440);
	assert_int_equal(mss_of(r, false, 1460), 1440);
	assert_int_equal(mss_of(r, true, 1440), 1440);
	assert_int_equal(mss_of(r, true, 1439), 1439); /* never raised */
	r->env.mtu[SIDE_OUTSIDE] = 1400;
	assert_int_equal(mss_of(r, true, 1440), 1360);
	assert_int_equal(mss_of(r, false, 1440), 1360);
}

static void a_fixed_value_and_off(void **state)
{
	struct rig *r = *state;

	r->env.conf.mss_clamp = 1300;
	assert_int_equal(mss_of(r, true, 1460), 1300);
	assert_int_equal(mss_of(r, true, 1200), 1200);
	r->env.conf.mss_clamp = MSS_CLAMP_OFF;
	assert_int_equal(mss_of(r, true, 65535), 65535);
}

/* The checksum of an option at an odd offset changes by both halves swapped. */
static void the_checksum_is_right_wherever_the_option_stands(void **state)
{
	static const uint8_t rows[][8] = {
		{ 2, 4, 0x05, 0xb4, 1, 1, 1, 1 }, { 1, 2, 4, 0x05, 0xb4, 1, 1, 1 },
		{ 1, 1, 2, 4, 0x05, 0xb4, 1, 1 }, { 1, 3, 3, 7, 2, 4, 0x05, 0xb4 },
		{ 4, 2, 2, 4, 0x05, 0xb4, 1, 1 }, /* SACK permitted: the shortest option */
	};
	static const uint32_t at[] = { 2, 3, 4, 6, 4 };
	struct tuple from = out6(4000, 80, IPPROTO_TCP), to = out4(5000, 80, IPPROTO_TCP);
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct packet f = send_syn(r, &from, &to, rows[i], 8);

		assert_int_equal(load16(f.data + 40 + at[i]), 1440);
	}
}

static void hostile_option_lists_are_left_alone(void **state)
{
	static const uint8_t rows[][8] = {
		{ 2, 0, 0xff, 0xff, 0, 0, 0, 0 }, /* length 0 */
		{ 2, 1, 0xff, 0xff, 0, 0, 0, 0 },
		{ 2, 3, 0xff, 0xff, 0, 0, 0, 0 }, /* not an MSS */
		{ 2, 200, 0xff, 0xff, 0, 0, 0, 0 },
		{ 1, 1, 1, 1, 1, 2, 4, 0xff }, /* cut off */
		{ 1, 1, 1, 1, 1, 1, 1, 2 },
		{ 0, 2, 4, 0xff, 0xff, 0, 0, 0 }, /* behind the end of the list */
	};
	struct tuple from = out6(4000, 80, IPPROTO_TCP), to = out4(5000, 80, IPPROTO_TCP);
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct packet f = send_syn(r, &from, &to, rows[i], 8);

		assert_memory_equal(f.data + 40, rows[i], 8);
	}
}

static void only_a_syn_is_looked_at(void **state)
{
	struct rig *r = *state;
	struct tuple from = out6(4000, 80, IPPROTO_TCP), to = out4(5000, 80, IPPROTO_TCP);
	static const uint8_t option[4] = { 2, 4, 0xff, 0xff };

	r->len = build_tcp(r->bytes, &from, (struct tcp_args){ 0x10, 1, 0 }, 4);
	memcpy(r->bytes + 60, option, 4);
	r->bytes[52] = 0x60;
	assert_forwarded(rig_translate(r, &to));
	assert_memory_equal(r->p.data + 40, option, 4);
}

/* What is left unfinished is summed later, with the new value. */
static void an_unfinished_checksum_is_not_adjusted(void **state)
{
	struct rig *r = *state;
	struct tuple from = out6(4000, 80, IPPROTO_TCP), to = out4(5000, 80, IPPROTO_TCP);
	struct offload off = { .csum_partial = true, .csum_start = 40, .csum_offset = 16 };
	static const uint8_t option[4] = { 2, 4, 0xff, 0xff };
	uint16_t sum = checksum_fold(checksum_pseudo(&from.src, &from.dst, IPPROTO_TCP, 24));
	struct packet f;

	r->len = build_tcp(r->bytes, &from, (struct tcp_args){ 0x02, 1, 0 }, 4);
	memcpy(r->bytes + 60, option, 4);
	r->bytes[52] = 0x60;
	memcpy(r->bytes + 56, &sum, 2);
	assert_int_equal(rig_receive(r, SIDE_INSIDE, &off).next, VERDICT_CONTINUE);
	assert_forwarded(rig_rewrite(r, &to, NULL));
	assert_int_equal(load16(r->p.data + 42), 1440);
	packet_finish_checksum(&r->p);
	f = rig_facts(&r->p);
	assert_true(l4_checksum_is_right(&f));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(auto_clamps_to_what_both_links_carry),
		RIG_TEST(a_fixed_value_and_off),
		RIG_TEST(the_checksum_is_right_wherever_the_option_stands),
		RIG_TEST(hostile_option_lists_are_left_alone),
		RIG_TEST(only_a_syn_is_looked_at),
		RIG_TEST(an_unfinished_checksum_is_not_adjusted),
	};

	return cmocka_run_group_tests_name("translate/mss", tests, NULL, NULL);
}
