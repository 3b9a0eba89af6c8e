/* test_checksum.c - RFC 1071 and RFC 1624, on their own examples. */
#include "test.h"
#include "sixgate/packet/checksum.h"

static uint16_t folded(const uint8_t *p, size_t n)
{
	return checksum_fold(checksum_add(0, p, n));
}

static uint16_t wire(uint16_t folded_sum)
{
	uint8_t b[2];

	memcpy(b, &folded_sum, 2);
	return load16(b);
}

static void rfc1071_3_the_example_sums_to_ddf2(void **state)
{
	static const uint8_t example[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };

	(void)state;
	assert_int_equal(wire(folded(example, sizeof(example))), 0xddf2);
}

static void rfc1071_1_an_odd_last_byte_is_padded_with_zero(void **state)
{
	static const uint8_t odd[] = { 0x12, 0x34, 0x56 }, even[] = { 0x12, 0x34, 0x56, 0x00 };

	(void)state;
	assert_int_equal(folded(odd, 3), folded(even, 4));
	assert_int_equal(wire(folded(odd, 3)), 0x6834);
}

static void no_bytes_add_nothing(void **state)
{
	(void)state;
	assert_int_equal(checksum_add(7, "", 0), 7);
}

/* Far beyond what a packet holds, every carry used. */
static void carries_are_never_lost(void **state)
{
	static uint8_t ones[65536];

	(void)state;
	memset(ones, 0xff, sizeof(ones));
	assert_int_equal(folded(ones, sizeof(ones)), 0xffff);
	assert_int_equal(checksum_fold(UINT64_MAX), 0xffff);
	assert_int_equal(checksum_fold(0), 0);
	assert_int_equal(checksum_fold(0x10000), 1);
	assert_int_equal(checksum_fold(0x1fffe), 0xffff);
	assert_int_equal(checksum_fold(0xffffffff00000001), 1);
}

/* RFC 1624 4: HC 0xDD2F, m 0x5555, m' 0x3285 gives 0x0000, not 0xFFFF. */
static void rfc1624_4_the_example_gives_0000(void **state)
{
	uint8_t field[2] = { 0xdd, 0x2f };

	(void)state;
	checksum_apply(field, checksum_delta(be16_from(0x3285).raw, be16_from(0x5555).raw));
	assert_int_equal(load16(field), 0x0000);
}

static void nothing_changed_is_nothing_changed(void **state)
{
	(void)state;
	for (uint32_t hc = 0; hc < 0xffff; hc++) {
		uint8_t field[2];

		store16(field, (uint16_t)hc);
		checksum_apply(field, checksum_delta(0x1234, 0x1234));
		assert_int_equal(load16(field), hc);
	}
}

static void an_unfinished_sum_is_not_complemented(void **state)
{
	uint8_t field[2] = { 0x10, 0x00 };

	(void)state;
	checksum_apply_partial(field, be16_from(0x0234).raw);
	assert_int_equal(load16(field), 0x1234);
	checksum_apply_partial(field, be16_from(0xfffe).raw); /* minus one */
	assert_int_equal(load16(field), 0x1233);
}

/* RFC 8200 8.1, RFC 793 3.1, word by word. */
static void rfc8200_8_1_pseudo_header(void **state)
{
	static const uint8_t six[] = {
		0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 0,  0, 0, 0, 0, 0,   0, 0, 0x10, /* source */
		0,    0x64, 0xff, 0x9b, 0, 0, 0, 0,  0, 0, 0, 0, 192, 0, 2, 33,   /* destination */
		0,    1,    0x02, 0x03, 0, 0, 0, 17, /* length, next header */
	};
	static const uint8_t four[] = { 198, 51, 100, 1, 192, 0, 2, 33, 0, 6, 0x12, 0x34 };
	struct addr a, b;

	(void)state;
	a = addr_from_v6(six);
	b = addr_from_v6(six + 16);
	assert_int_equal(checksum_fold(checksum_pseudo(&a, &b, 17, 0x10203)),
			 folded(six, sizeof(six)));
	a = addr_from_v4(four);
	b = addr_from_v4(four + 4);
	assert_int_equal(checksum_fold(checksum_pseudo(&a, &b, 6, 0x1234)),
			 folded(four, sizeof(four)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc1071_3_the_example_sums_to_ddf2),
		cmocka_unit_test(rfc1071_1_an_odd_last_byte_is_padded_with_zero),
		cmocka_unit_test(no_bytes_add_nothing),
		cmocka_unit_test(carries_are_never_lost),
		cmocka_unit_test(rfc1624_4_the_example_gives_0000),
		cmocka_unit_test(nothing_changed_is_nothing_changed),
		cmocka_unit_test(an_unfinished_sum_is_not_complemented),
		cmocka_unit_test(rfc8200_8_1_pseudo_header),
	};

	return cmocka_run_group_tests_name("packet/checksum", tests, NULL, NULL);
}
