/* test_header_6to4.c - RFC 7915 section 5.1 and 5.1.1, from its text: IPv6 to IPv4 headers. */
#include "rig.h"
#include <netinet/in.h>

/* A UDP packet of @len IPv6 bytes, translated. Return: the IPv4 header. */
static const uint8_t *translated_udp(struct rig *r, uint32_t len)
{
	struct tuple from = out6(4000, 53, IPPROTO_UDP), to = out4(5000, 53, IPPROTO_UDP);

	r->len = build_udp(r->bytes, &from, len - 48);
	assert_forwarded(rig_translate(r, &to));
	return r->p.data;
}

static void rfc7915_5_1_every_field_of_the_ipv4_header(void **state)
{
	struct rig *r = *state;
	struct tuple from = out6(4000, 53, IPPROTO_UDP), to = out4(5000, 53, IPPROTO_UDP);
	const uint8_t *ip;
	struct packet f;

	r->len = build_udp(r->bytes, &from, 100);
	r->bytes[0] = 0x6a; /* traffic class 0xa5, flow label 0xbcdef */
	r->bytes[1] = 0x5b;
	r->bytes[7] = 7;
	assert_forwarded(rig_translate(r, &to));
	ip = r->p.data;
	assert_int_equal(r->p.len, 128);
	assert_int_equal(ip[0], 0x45);
	assert_int_equal(ip[1], 0xa5);
	assert_int_equal(load16(ip + 2), 128);
	assert_int_equal(ip[8], 6);
	assert_int_equal(ip[9], IPPROTO_UDP);
	assert_int_equal(checksum_fold(checksum_add(0, ip, 20)), 0xffff);
	assert_memory_equal(ip + 12, to.src.octet + 12, 4);
	assert_memory_equal(ip + 16, to.dst.octet + 12, 4);
	assert_int_equal(load16(ip + 20), 5000);
	assert_int_equal(load16(ip + 22), 53);
	assert_memory_equal(ip + 28, r->bytes + 48, 100);
	f = rig_facts(&r->p);
	assert_true(l4_checksum_is_right(&f));
	assert_true(tuple_equal(&f.key, &to));
	assert_int_equal(r->p.out_side, SIDE_OUTSIDE);
}

static void rfc7915_5_1_df_is_clear_up_to_1260_bytes(void **state)
{
	const uint8_t *ip = translated_udp(*state, 1280);

	assert_int_equal(load16(ip + 2), 1260);
	assert_int_equal(load16(ip + 6), 0);
}

static void rfc7915_5_1_df_is_set_above_1260_bytes(void **state)
{
	const uint8_t *ip = translated_udp(*state, 1281);

	assert_int_equal(load16(ip + 2), 1261);
	assert_int_equal(load16(ip + 6), 0x4000);
}

static void rfc7915_5_1_each_packet_has_an_identification_of_its_own(void **state)
{
	uint16_t first = load16(translated_udp(*state, 100) + 4);
	uint16_t second = load16(translated_udp(*state, 100) + 4);

	assert_int_equal((uint16_t)(second - first), 1); /* more in test_ident.c */
}

static void rfc7915_5_1_tos_can_be_a_constant(void **state)
{
	struct rig *r = *state;

	r->env.conf.copy_traffic_class = false;
	r->env.conf.tos = 0x1c;
	assert_int_equal(translated_udp(r, 100)[1], 0x1c);
}

static void rfc7915_5_1_hop_limit_1_expires_with_an_error(void **state)
{
	struct rig *r = *state;
	struct tuple from = out6(4000, 53, IPPROTO_UDP), to = out4(5000, 53, IPPROTO_UDP);
	struct verdict v;

	for (uint8_t hops = 0; hops <= 1; hops++) {
		r->len = build_udp(r->bytes, &from, 10);
		r->bytes[7] = hops;
		v = rig_translate(r, &to);
		assert_dropped(v, DROP_HOP_LIMIT);
		assert_int_equal(v.reply, REPLY_HOP_LIMIT);
		assert_untouched(r);
	}
}

/* Between two forwarding decisions of the kernel. */
static void one_hop_is_given_back_and_saturates_at_255(void **state)
{
	struct rig *r = *state;
	struct tuple from = out6(4000, 53, IPPROTO_UDP), to = out4(5000, 53, IPPROTO_UDP);
	static const uint8_t row[][2] = {
		{ 0, 1 }, { 1, 2 }, { 63, 64 }, { 254, 255 }, { 255, 255 }
	};

	r->env.hops = 1;
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		r->len = build_udp(r->bytes, &from, 10);
		r->bytes[7] = row[i][0];
		assert_forwarded(rig_translate(r, &to));
		assert_int_equal(r->p.data[8], row[i][1]);
	}
	r->env.hops = 0;
	r->bytes[7] = 1;
	assert_forwarded(rig_translate(r, &to));
	assert_int_equal(r->p.data[8], 1);
}

static void rfc7915_5_1_extension_headers_are_left_behind(void **state)
{
	static const uint8_t chain[] = {
		60, 0, 1, 4, 0, 0, 0, 0, /* Hop-by-Hop, then Destination Options */
		43, 0, 1, 4, 0, 0, 0, 0, /* then Routing */
		17, 0, 0, 0, 0, 0, 0, 0, /* used up */
	};
	struct rig *r = *state;
	struct tuple from = out6(4000, 53, IPPROTO_UDP), to = out4(5000, 53, IPPROTO_UDP);
	struct packet f;

	r->len = build_udp(r->bytes, &from, 32);
	rig_insert(r, 0, chain, sizeof(chain));
	assert_forwarded(rig_translate(r, &to));
	assert_int_equal(r->p.len, 20 + 8 + 32);
	f = rig_facts(&r->p);
	assert_int_equal(f.proto, IPPROTO_UDP);
	assert_true(l4_checksum_is_right(&f));
}

static void rfc7915_5_1_1_fragment_header_becomes_fragment_fields(void **state)
{
	static const struct {
		const char *what;
		uint16_t field, frag;
	} row[] = {
		{ "first", 0x0001, 0x2000 },
		{ "middle, offset 1232", 0x04d1, 0x209a },
		{ "last, offset 2464", 0x09a0, 0x0134 },
		{ "atomic (RFC 6946): DF clear", 0x0000, 0x0000 },
	};
	struct rig *r = *state;
	struct tuple from = out6(4000, 53, IPPROTO_UDP), to = out4(5000, 53, IPPROTO_UDP);

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		uint8_t frag[8] = {
			17,   0,   (uint8_t)(row[i].field >> 8), (uint8_t)row[i].field, 0xca, 0xfe,
			0xba, 0xbe
		};
		const uint8_t *ip;

		print_message("%s\n", row[i].what);
		r->len = build_udp(r->bytes, &from, 1224);
		rig_insert(r, 44, frag, 8);
		assert_forwarded(rig_translate(r, &to));
		ip = r->p.data;
		assert_int_equal(load16(ip + 2), 20 + 8 + 1224);
		assert_int_equal(load16(ip + 4), 0xbabe);
		assert_int_equal(load16(ip + 6), row[i].frag);
		assert_int_equal(ip[9], IPPROTO_UDP);
		rig_facts(&r->p);
	}
}

static void rfc7915_5_a_packet_too_long_for_ipv4_is_packet_too_big(void **state)
{
	static const struct {
		uint32_t mtu4, len6, reply_mtu;
	} row[] = {
		{ 1500, 1521, 1520 },
		{ 1400, 1500, 1420 },
		{ 1260, 1281, 1280 },
		{ 576, 1281, 1280 }, /* never less than IPv6's own minimum */
	};
	struct rig *r = *state;
	struct tuple from = out6(4000, 53, IPPROTO_UDP), to = out4(5000, 53, IPPROTO_UDP);

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct verdict v;

		r->env.mtu[SIDE_OUTSIDE] = row[i].mtu4;
		r->len = build_udp(r->bytes, &from, row[i].len6 - 48);
		v = rig_translate(r, &to);
		assert_dropped(v, DROP_TOO_BIG);
		assert_int_equal(v.reply, REPLY_TOO_BIG);
		assert_int_equal(r->p.reply_mtu, row[i].reply_mtu);
		assert_untouched(r);
	}
	r->env.mtu[SIDE_OUTSIDE] = 1500;
	translated_udp(r, 1520);
}

static void rfc7915_5_1_other_protocols_keep_their_number_and_bytes(void **state)
{
	struct rig *r = *state;
	struct tuple from = out6(0, 0, IPPROTO_UDP), to = out4(0, 0, 132);

	r->len = build_udp(r->bytes, &from, 40);
	r->bytes[6] = 132; /* SCTP: no pseudo-header */
	assert_forwarded(rig_translate(r, &to));
	assert_int_equal(r->p.data[9], 132);
	assert_memory_equal(r->p.data + 20, r->bytes + 40, 48);
}

static void rfc7915_5_2_echo_loses_the_pseudo_header(void **state)
{
	struct rig *r = *state;
	struct tuple from = out6(77, 77, IPPROTO_ICMPV6), to = out4(99, 99, IPPROTO_ICMP);
	struct packet f;

	for (int reply = 0; reply <= 1; reply++) {
		r->len = build_echo(r->bytes, &from, reply, 57);
		assert_forwarded(rig_translate(r, &to));
		f = rig_facts(&r->p);
		assert_int_equal(f.proto, IPPROTO_ICMP);
		assert_int_equal(f.icmp_type, reply ? 0 : 8);
		assert_int_equal(load16(f.data + 24), 99);
		assert_true(l4_checksum_is_right(&f));
	}
}

static void rfc7915_1_2_fragmented_icmp_is_not_translated(void **state)
{
	static const uint8_t first[8] = { 58, 0, 0, 1, 0, 0, 0, 9 },
			     last[8] = { 58, 0, 1, 0, 0, 0, 0, 9 };
	struct rig *r = *state;
	struct tuple from = out6(77, 77, IPPROTO_ICMPV6), to = out4(99, 99, IPPROTO_ICMP);

	r->len = build_echo(r->bytes, &from, false, 56);
	rig_insert(r, 44, first, 8);
	assert_dropped(rig_translate(r, &to), DROP_FRAGMENT_ICMP);
	r->len = build_echo(r->bytes, &from, false, 56);
	rig_insert(r, 44, last, 8);
	assert_dropped(rig_translate(r, &to), DROP_FRAGMENT_ICMP);
}

/* "An extension header (except ESP, but including the Authentication Header)" */
static void rfc7915_5_1_1_late_extension_headers_in_fragments(void **state)
{
	static const struct {
		uint8_t next;
		bool passes;
	} row[] = { { 50, true }, { 51, false }, { 135, false }, { 139, false }, { 140, false } };
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(row) * 3; i++) {
		static const uint8_t fields[] = { 1, 0, 9 }; /* first, atomic, later */
		uint8_t frag[8] = { row[i / 3].next, 0, 0, fields[i % 3], 0, 0, 0, 7 };
		struct tuple from = out6(0, 0, IPPROTO_UDP), to = out4(0, 0, row[i / 3].next);
		struct verdict v;

		r->len = build_udp(r->bytes, &from, 24);
		rig_insert(r, 44, frag, 8);
		v = rig_translate(r, &to);
		if (row[i / 3].passes) {
			assert_forwarded(v);
			assert_int_equal(r->p.data[9], row[i / 3].next);
			continue;
		}
		assert_dropped(v, DROP_EXT_HEADERS);
		assert_int_equal(v.reply, REPLY_ADMIN_PROHIBITED); /* 5.4 */
		assert_untouched(r);
	}
}

/* Without a Fragment Header they are upper layers (5.1: "copied to the protocol field"). */
static void rfc7915_5_1_ah_passes_whole(void **state)
{
	struct rig *r = *state;
	struct tuple from = out6(0, 0, IPPROTO_UDP), to = out4(0, 0, 51);

	r->len = build_udp(r->bytes, &from, 24);
	r->bytes[6] = 51;
	assert_forwarded(rig_translate(r, &to));
	assert_int_equal(r->p.data[9], 51);
}

/* RFC 791 3.1: a datagram has 65535 bytes at most, its header of 20 included, which IPv6 leaves
 * out. */
static void rfc7915_5_1_1_fragments_end_where_ipv4_does(void **state)
{
	static const uint32_t payload[] = { 3, 4 }; /* bytes at offset 65512 */
	struct rig *r = *state;
	struct tuple from = out6(4000, 53, IPPROTO_UDP), to = out4(5000, 53, IPPROTO_UDP);

	for (size_t i = 0; i < ARRAY_LEN(payload); i++) {
		uint8_t frag[8] = { 17, 0, 65512 >> 8, 65512 & 0xff, 0xca, 0xfe, 0xba, 0xbe };
		struct verdict v;

		r->len = build_udp(r->bytes, &from, 8);
		r->len = 40 + payload[i];
		rig_insert(r, 44, frag, 8);
		assert_int_equal(rig_receive(r, SIDE_INSIDE, NULL).next, VERDICT_CONTINUE);
		v = rig_rewrite(r, &to, NULL);
		if (payload[i] == 3) {
			assert_forwarded(v);
			assert_int_equal(load16(r->p.data + 6), 65512 / 8);
			assert_int_equal(r->p.len, 23);
			continue;
		}
		assert_dropped(v, DROP_FRAGMENT_BAD);
		assert_int_equal(v.reply, REPLY_ADMIN_PROHIBITED);
		assert_untouched(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(rfc7915_5_1_every_field_of_the_ipv4_header),
		RIG_TEST(rfc7915_5_1_df_is_clear_up_to_1260_bytes),
		RIG_TEST(rfc7915_5_1_df_is_set_above_1260_bytes),
		RIG_TEST(rfc7915_5_1_each_packet_has_an_identification_of_its_own),
		RIG_TEST(rfc7915_5_1_tos_can_be_a_constant),
		RIG_TEST(rfc7915_5_1_hop_limit_1_expires_with_an_error),
		RIG_TEST(one_hop_is_given_back_and_saturates_at_255),
		RIG_TEST(rfc7915_5_1_extension_headers_are_left_behind),
		RIG_TEST(rfc7915_5_1_1_fragment_header_becomes_fragment_fields),
		RIG_TEST(rfc7915_5_a_packet_too_long_for_ipv4_is_packet_too_big),
		RIG_TEST(rfc7915_5_1_other_protocols_keep_their_number_and_bytes),
		RIG_TEST(rfc7915_5_2_echo_loses_the_pseudo_header),
		RIG_TEST(rfc7915_1_2_fragmented_icmp_is_not_translated),
		RIG_TEST(rfc7915_5_1_1_late_extension_headers_in_fragments),
		RIG_TEST(rfc7915_5_1_ah_passes_whole),
		RIG_TEST(rfc7915_5_1_1_fragments_end_where_ipv4_does),
	};

	return cmocka_run_group_tests_name("translate/header_6to4", tests, NULL, NULL);
}
