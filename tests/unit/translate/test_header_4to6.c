/* test_header_4to6.c - RFC 7915 section 4 and 4.1, from its text: IPv4 to IPv6 headers. */
#include "rig.h"
#include <netinet/in.h>

static struct verdict send_udp(struct rig *r, uint32_t len4, uint16_t frag)
{
	struct tuple from = in4(53, 5000, IPPROTO_UDP), to = in6(53, 4000, IPPROTO_UDP);

	r->len = build_udp(r->bytes, &from, len4 - 28);
	store16(r->bytes + 6, frag);
	rig_sum_ip4(r->bytes);
	return rig_translate(r, &to);
}

static void rfc7915_4_1_every_field_of_the_ipv6_header(void **state)
{
	struct rig *r = *state;
	struct tuple from = in4(53, 5000, IPPROTO_UDP), to = in6(53, 4000, IPPROTO_UDP);
	const uint8_t *ip;
	struct packet f;

	r->len = build_udp(r->bytes, &from, 101);
	r->bytes[1] = 0xa5;
	r->bytes[8] = 7;
	store16(r->bytes + 4, 0xbeef);
	rig_sum_ip4(r->bytes);
	assert_forwarded(rig_translate(r, &to));
	ip = r->p.data;
	assert_int_equal(r->p.len, 40 + 8 + 101);
	assert_int_equal(load32(ip), 0x6a500000); /* class 0xa5, flow label 0 */
	assert_int_equal(load16(ip + 4), 8 + 101);
	assert_int_equal(ip[6], IPPROTO_UDP);
	assert_int_equal(ip[7], 6);
	assert_memory_equal(ip + 8, to.src.octet, 16);
	assert_memory_equal(ip + 24, to.dst.octet, 16);
	assert_memory_equal(ip + 48, r->bytes + 28, 101);
	f = rig_facts(&r->p);
	assert_true(l4_checksum_is_right(&f));
	assert_true(tuple_equal(&f.key, &to));
	assert_int_equal(r->p.out_side, SIDE_INSIDE);
}

static void rfc7915_4_1_traffic_class_can_be_a_constant(void **state)
{
	struct rig *r = *state;

	r->env.conf.copy_traffic_class = false;
	r->env.conf.tos = 0x1c;
	assert_forwarded(send_udp(r, 100, 0x4000));
	assert_int_equal(load32(r->p.data), 0x61c00000);
}

static void rfc7915_4_no_atomic_fragments(void **state)
{
	struct rig *r = *state;

	assert_forwarded(send_udp(r, 1260, 0));
	assert_int_equal(r->p.len, 1280);
	assert_int_equal(r->p.data[6], IPPROTO_UDP);
}

static void rfc7915_4_1_options_are_left_behind(void **state)
{
	static const uint8_t options[8] = { 1, 7, 4, 4, 0, 0, 0, 0 }; /* NOP, record route, end */
	struct rig *r = *state;
	struct tuple from = in4(53, 5000, IPPROTO_UDP), to = in6(53, 4000, IPPROTO_UDP);
	struct packet f;

	r->len = build_udp(r->bytes, &from, 40) + 8;
	memmove(r->bytes + 28, r->bytes + 20, 48);
	memcpy(r->bytes + 20, options, 8);
	r->bytes[0] = 0x47;
	store16(r->bytes + 2, (uint16_t)r->len);
	rig_sum_ip4(r->bytes);
	assert_forwarded(rig_translate(r, &to));
	assert_int_equal(r->p.len, 88);
	f = rig_facts(&r->p);
	assert_true(l4_checksum_is_right(&f));
}

static void rfc7915_4_ttl_1_expires_with_an_error(void **state)
{
	struct rig *r = *state;
	struct tuple from = in4(53, 5000, IPPROTO_UDP), to = in6(53, 4000, IPPROTO_UDP);
	struct verdict v;

	for (uint8_t ttl = 0; ttl <= 2; ttl++) {
		r->len = build_udp(r->bytes, &from, 10);
		r->bytes[8] = ttl;
		rig_sum_ip4(r->bytes);
		v = rig_translate(r, &to);
		if (ttl == 2) {
			assert_forwarded(v);
			assert_int_equal(r->p.data[7], 1);
			continue;
		}
		assert_dropped(v, DROP_HOP_LIMIT);
		assert_int_equal(v.reply, REPLY_HOP_LIMIT);
	}
}

static void rfc7915_4_df_set_and_too_long_is_fragmentation_needed(void **state)
{
	static const struct {
		uint32_t mtu6, len4;
		uint16_t frag;
		uint16_t reply_mtu;
	} row[] = {
		{ 1500, 1481, 0x4000, 1480 },
		{ 1280, 1261, 0x4000, 1260 },
		{ 1500, 1476, 0x6000, 1472 }, /* a Fragment Header comes on top */
	};
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct verdict v;

		r->env.mtu[SIDE_INSIDE] = row[i].mtu6;
		v = send_udp(r, row[i].len4, row[i].frag);
		assert_dropped(v, DROP_TOO_BIG);
		assert_int_equal(v.reply, REPLY_TOO_BIG);
		assert_int_equal(r->p.reply_mtu, row[i].reply_mtu);
		assert_untouched(r);
	}
	r->env.mtu[SIDE_INSIDE] = 1500;
	assert_forwarded(send_udp(r, 1480, 0x4000));
	assert_int_equal(r->p.len, 1500);
}

static void rfc7915_4_1_ipv4_fragments_get_a_fragment_header(void **state)
{
	static const struct {
		const char *what;
		uint16_t frag, field;
	} row[] = {
		{ "first", 0x2000, 0x0001 },
		{ "middle, offset 1232", 0x209a, 0x04d1 },
		{ "last, offset 2464", 0x0134, 0x09a0 },
		{ "with DF, too", 0x6000, 0x0001 },
	};
	struct rig *r = *state;
	struct tuple from = in4(53, 5000, IPPROTO_UDP), to = in6(53, 4000, IPPROTO_UDP);

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		const uint8_t *ip;

		print_message("%s\n", row[i].what);
		r->len = build_udp(r->bytes, &from, 1224);
		store16(r->bytes + 4, 0xbeef);
		store16(r->bytes + 6, row[i].frag);
		rig_sum_ip4(r->bytes);
		assert_forwarded(rig_translate(r, &to));
		ip = r->p.data;
		assert_int_equal(r->p.len, 48 + 8 + 1224);
		assert_int_equal(load16(ip + 4), 8 + 8 + 1224);
		assert_int_equal(ip[6], 44);
		assert_int_equal(ip[40], IPPROTO_UDP);
		assert_int_equal(ip[41], 0);
		assert_int_equal(load16(ip + 42), row[i].field);
		assert_int_equal(load32(ip + 44), 0xbeef); /* high half zero */
		rig_facts(&r->p);
	}
}

static void rfc7915_4_2_echo_gains_the_pseudo_header(void **state)
{
	struct rig *r = *state;
	struct tuple from = in4(99, 99, IPPROTO_ICMP), to = in6(77, 77, IPPROTO_ICMPV6);
	struct packet f;

	for (int reply = 0; reply <= 1; reply++) {
		r->len = build_echo(r->bytes, &from, reply, 57);
		assert_forwarded(rig_translate(r, &to));
		f = rig_facts(&r->p);
		assert_int_equal(f.proto, IPPROTO_ICMPV6);
		assert_int_equal(f.icmp_type, reply ? 129 : 128);
		assert_int_equal(load16(f.data + 44), 77);
		assert_true(l4_checksum_is_right(&f));
	}
}

/* Protocol numbers that name an extension header in IPv6 would change what the packet is. */
static void ipv6_extension_numbers_do_not_cross(void **state)
{
	static const uint8_t number[] = { 0, 43, 44, 60 };
	struct rig *r = *state;
	struct tuple from = in4(0, 0, IPPROTO_UDP), to = in6(0, 0, IPPROTO_UDP);

	for (size_t i = 0; i < ARRAY_LEN(number); i++) {
		r->len = build_udp(r->bytes, &from, 40);
		r->bytes[9] = number[i];
		rig_sum_ip4(r->bytes);
		assert_dropped(rig_translate(r, &to), DROP_UNKNOWN_PROTOCOL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(rfc7915_4_1_every_field_of_the_ipv6_header),
		RIG_TEST(rfc7915_4_1_traffic_class_can_be_a_constant),
		RIG_TEST(rfc7915_4_no_atomic_fragments),
		RIG_TEST(rfc7915_4_1_options_are_left_behind),
		RIG_TEST(rfc7915_4_ttl_1_expires_with_an_error),
		RIG_TEST(rfc7915_4_df_set_and_too_long_is_fragmentation_needed),
		RIG_TEST(rfc7915_4_1_ipv4_fragments_get_a_fragment_header),
		RIG_TEST(rfc7915_4_2_echo_gains_the_pseudo_header),
		RIG_TEST(ipv6_extension_numbers_do_not_cross),
	};

	return cmocka_run_group_tests_name("translate/header_4to6", tests, NULL, NULL);
}
