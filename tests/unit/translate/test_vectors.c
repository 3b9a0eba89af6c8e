/* test_vectors.c - the tables of tests/vectors/ over every value that a field can have: what is in
 * the RFC becomes what the RFC says, everything else is dropped in silence. */
#include "rig.h"
#include <netinet/in.h>
#include "rfc4884.h"
#include "rfc7915.h"

enum { MTU_SAID = 1400, POINTER = 8, QUOTED = 80 };

/* A message of any type and code about a packet of the flow: it might be an error. */
static struct verdict send_any(struct rig *r, bool v6, uint8_t type, uint8_t code, uint32_t rest)
{
	struct tuple inner = v6 ? in6(53, 4000, IPPROTO_UDP) : out4(5000, 53, IPPROTO_UDP);
	struct addr router = addr_of(v6 ? ROUTER6 : ROUTER4), dst = inner.src;
	struct verdict v;
	struct tuple to;
	uint8_t quote[200];

	build_udp(quote, &inner, 100);
	r->len = build_error(r->bytes, &router, &dst, type, code, rest, quote, QUOTED);
	v = rig_receive(r, v6 ? SIDE_INSIDE : SIDE_OUTSIDE, NULL);
	if (v.next != VERDICT_CONTINUE)
		return v;
	if (r->p.flags & PACKET_ICMP_QUERY)
		to = v6 ? tuple_of(HOST4, SERVER4, 7, 7, 0) : tuple_of(SERVER6, HOST6, 7, 7, 0);
	else
		to = v6 ? out4(5000, 53, IPPROTO_UDP) : in6(53, 4000, IPPROTO_UDP);
	return rig_rewrite(r, &to, v6 ? HOST4 : "64:ff9b::192.0.2.254");
}

static const struct rfc7915_icmp *row_of(bool v6, uint8_t type, uint8_t code)
{
	const struct rfc7915_icmp *row = v6 ? rfc7915_5_2 : rfc7915_4_2;
	size_t n = v6 ? ARRAY_LEN(rfc7915_5_2) : ARRAY_LEN(rfc7915_4_2);

	for (; n; n--, row++)
		if (row->type == type && (row->code == ANY_CODE || row->code == code))
			return row;
	return NULL;
}

static uint32_t rest_of(bool v6, enum rfc7915_rest rest, uint32_t was)
{
	switch (rest) {
	case REST_ECHO:
		return (was & 0xffff) | 7 << 16;
	case REST_MTU:
		return v6 ? MTU_SAID - 20 : MTU_SAID + 20;
	case REST_POINTER:
		return v6 ? 12u << 24 : 7;
	case REST_NEXT_HEADER:
		return 6;
	case REST_ZERO:
		break;
	}
	return 0;
}

static uint32_t every_type_and_code(struct rig *r, bool v6)
{
	/* an MTU, or a pointer in either family's place, or an identifier */
	uint32_t n = 0, rest = v6 ? MTU_SAID : (uint32_t)POINTER << 24 | MTU_SAID;

	for (uint32_t i = 0; i < 65536; i++) {
		uint8_t type = (uint8_t)(i >> 8), code = (uint8_t)i;
		uint32_t said = v6 && type == 4 ? POINTER : rest;
		const struct rfc7915_icmp *row = row_of(v6, type, code);
		struct verdict v = send_any(r, v6, type, code, said);
		const uint8_t *icmp = r->p.data + (v6 ? 20 : 40);

		if (!row) {
			assert_dropped(v, DROP_ICMP_TYPE);
			assert_int_equal(v.reply, REPLY_NONE);
			continue;
		}
		assert_forwarded(v);
		rig_facts(&r->p);
		assert_int_equal(icmp[0], row->to_type);
		assert_int_equal(icmp[1], row->to_code == SAME_CODE ? code : row->to_code);
		assert_int_equal(load32(icmp + 4), rest_of(v6, row->rest, said));
		n++;
	}
	return n;
}

static void rfc7915_4_2_every_type_and_code_of_icmpv4(void **state)
{
	assert_int_equal(every_type_and_code(*state, false), 3 * 256 + 15 + 2);
}

static void rfc7915_5_2_every_type_and_code_of_icmpv6(void **state)
{
	assert_int_equal(every_type_and_code(*state, true), 4 * 256 + 5 + 2);
}

static int32_t pointer_of(const struct rfc7915_pointers *row, size_t n, uint32_t at)
{
	for (; n; n--, row++)
		if (row->first <= at && at <= row->last)
			return row->to;
	return -1;
}

static void rfc7915_figure_3_every_pointer(void **state)
{
	static const uint8_t codes[] = { 0, 2 };
	struct rig *r = *state;

	for (uint32_t at = 0; at < 512; at++) {
		int32_t want = pointer_of(rfc7915_figure_3, ARRAY_LEN(rfc7915_figure_3), at % 256);
		struct verdict v = send_any(r, false, 12, codes[at / 256], at << 24);

		if (want < 0) {
			assert_dropped(v, DROP_ICMP_TYPE);
			assert_untouched(r);
			continue;
		}
		assert_forwarded(v);
		assert_int_equal(r->p.data[40], 4);
		assert_int_equal(r->p.data[41], 0);
		assert_int_equal(load32(r->p.data + 44), want);
	}
}

static void rfc7915_figure_6_every_pointer(void **state)
{
	static const uint32_t large[] = { 0x100, 0x10000, 0x01000000, 0x06000000, 0xffffffff };
	struct rig *r = *state;

	for (uint32_t i = 0; i < 256 + ARRAY_LEN(large); i++) {
		uint32_t at = i < 256 ? i : large[i - 256];
		int32_t want = pointer_of(rfc7915_figure_6, ARRAY_LEN(rfc7915_figure_6), at);
		struct verdict v = send_any(r, true, 4, 0, at);

		if (want < 0) {
			assert_dropped(v, DROP_ICMP_TYPE);
			assert_untouched(r);
			continue;
		}
		assert_forwarded(v);
		assert_int_equal(r->p.data[20], 12);
		assert_int_equal(r->p.data[21], 0);
		assert_int_equal(load32(r->p.data + 24), (uint32_t)want << 24);
	}
}

/* 4.2: "the greatest plateau value that is less than the returned Total Length field, but that is
 * larger than or equal to 1280"; of any length that the field can hold. */
static void rfc1191_7_1_every_total_length(void **state)
{
	struct rig *r = *state;
	struct tuple inner = out4(5000, 53, IPPROTO_UDP), to = in6(53, 4000, IPPROTO_UDP);
	struct addr router = addr_of(ROUTER4);
	uint8_t quote[200];

	r->env.mtu[SIDE_INSIDE] = r->env.mtu[SIDE_OUTSIDE] = 65535;
	for (uint32_t total = 28; total < 65536; total++) {
		uint32_t want = 0;

		for (size_t i = 0; i < ARRAY_LEN(rfc1191_7_1) && !want; i++)
			if (rfc1191_7_1[i] < total && rfc1191_7_1[i] >= 1280)
				want = rfc1191_7_1[i] + 20;
		build_udp(quote, &inner, 100);
		store16(quote + 2, (uint16_t)total);
		rig_sum_ip4(quote);
		r->len = build_error(r->bytes, &router, &inner.src, 3, 4, 0, quote, QUOTED);
		rig_receive(r, SIDE_OUTSIDE, NULL);
		assert_forwarded(rig_rewrite(r, &to, "64:ff9b::192.0.2.254"));
		assert_int_equal(load32(r->p.data + 44), want ? want : 1280);
	}
}

static void try_length(struct rig *r, bool v6, const struct rfc4884_row *row)
{
	struct tuple inner = v6 ? in6(53, 4000, IPPROTO_UDP) : out4(5000, 53, IPPROTO_UDP);
	struct tuple to = v6 ? out4(5000, 53, IPPROTO_UDP) : in6(53, 4000, IPPROTO_UDP);
	struct addr router = addr_of(v6 ? ROUTER6 : ROUTER4);
	uint32_t unit = v6 ? 8 : 4, to_unit = v6 ? 4 : 8, head = v6 ? 28 : 48;
	uint32_t field = row->length * unit;
	uint8_t quote[3000] = { 0 };
	const uint8_t *icmp = NULL;

	print_message("%u bytes, %u quoted, %u behind\n", row->declared, field, row->ext);
	build_udp(quote, &inner, row->declared - (v6 ? 48 : 28));
	if (row->declared < field)
		memset(quote + row->declared, 0, field - row->declared);
	quote[field] = 0x20;
	for (uint32_t i = 1; i < row->ext; i++)
		quote[field + i] = (uint8_t)(i * 7);
	r->len = build_error(r->bytes, &router, &inner.src, v6 ? 3 : 11, 0,
			     (uint32_t)row->length << (v6 ? 24 : 16), quote, field + row->ext);
	assert_int_equal(rig_receive(r, v6 ? SIDE_INSIDE : SIDE_OUTSIDE, NULL).next,
			 VERDICT_CONTINUE);
	assert_forwarded(rig_rewrite(r, &to, v6 ? HOST4 : "64:ff9b::192.0.2.254"));
	rig_facts(&r->p);
	icmp = r->p.data + head - 8;
	assert_int_equal(r->p.len, row->to_total);
	assert_int_equal(load32(icmp + 4), (uint32_t)row->to_length << (v6 ? 16 : 24));
	if (row->to_length)
		assert_memory_equal(icmp + 8 + row->to_length * to_unit, quote + field, row->ext);
	if (row->to_length && row->declared + (v6 ? 0 : 20) < 128)
		for (uint32_t at = row->declared + (v6 ? -20 : 20); at < 128; at++)
			assert_int_equal(icmp[8 + at], 0);
}

static void rfc4884_4_lengths_4to6(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(rfc4884_4to6); i++)
		try_length(*state, false, &rfc4884_4to6[i]);
}

static void rfc4884_4_lengths_6to4(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(rfc4884_6to4); i++)
		try_length(*state, true, &rfc4884_6to4[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(rfc7915_4_2_every_type_and_code_of_icmpv4),
		RIG_TEST(rfc7915_5_2_every_type_and_code_of_icmpv6),
		RIG_TEST(rfc7915_figure_3_every_pointer),
		RIG_TEST(rfc7915_figure_6_every_pointer),
		RIG_TEST(rfc1191_7_1_every_total_length),
		RIG_TEST(rfc4884_4_lengths_4to6),
		RIG_TEST(rfc4884_4_lengths_6to4),
	};

	return cmocka_run_group_tests_name("translate/vectors", tests, NULL, NULL);
}
