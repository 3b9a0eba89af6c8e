/*
 * checksum_laws.c - the fast sums against the slowest one that is plainly RFC 1071, and incremental
 * updates (RFC 1624) against computing anew.
 */
#include "test.h"
#include "sixgate/packet/checksum.h"

enum { ROUNDS = 200000, BYTES = 300 };

static uint64_t seed;

/* RFC 1071 4.1: 16 bits at a time, in wire order, end-around carry at once. */
static uint16_t plain_sum(uint16_t sum, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i += 2) {
		uint32_t s = (uint32_t)sum + (uint32_t)(p[i] << 8) + (i + 1 < n ? p[i + 1] : 0u);

		sum = (uint16_t)((s & 0xffff) + (s >> 16));
	}
	return sum;
}

static void random_bytes(uint8_t *p, size_t n)
{
	bool extreme = rnd(&seed) % 4 == 0;

	for (size_t i = 0; i < n; i++)
		p[i] = extreme ? (rnd(&seed) & 1 ? 0xff : 0) : (uint8_t)rnd(&seed);
}

static uint16_t to_wire(uint16_t machine)
{
	return be16_to((be16){ machine });
}

static void the_sum_is_rfc_1071s(void **state)
{
	uint8_t p[BYTES];

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		size_t at = rnd(&seed) % 16, n = rnd(&seed) % (BYTES - at);

		random_bytes(p, sizeof(p));
		assert_int_equal(to_wire(checksum_fold(checksum_add(0, p + at, n))),
				 plain_sum(0, p + at, n));
	}
}

static void sums_of_parts_add_up(void **state)
{
	uint8_t p[BYTES];

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		size_t n = rnd(&seed) % BYTES, cut = rnd(&seed) % (n + 1) & ~(size_t)1;

		random_bytes(p, sizeof(p));
		assert_int_equal(
			checksum_fold(checksum_add(checksum_add(0, p, cut), p + cut, n - cut)),
			checksum_fold(checksum_add(0, p, n)));
	}
}

/* A checksum that verified still does, one that was wrong is wrong by the same. */
static void an_update_is_as_good_as_computing_anew(void **state)
{
	uint8_t p[BYTES];

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		size_t n = 8 + rnd(&seed) % 100 * 2, at = 2 + rnd(&seed) % ((n - 4) / 2) * 2;
		size_t len = 2 + rnd(&seed) % ((n - at) / 2) * 2;
		uint16_t before, after;
		uint64_t old;

		random_bytes(p, n);
		before = checksum_fold(checksum_add(0, p, n));
		old = checksum_add(0, p + at, len);
		random_bytes(p + at, len);
		checksum_apply(p, checksum_delta(checksum_add(0, p + at, len), old));
		after = checksum_fold(checksum_add(0, p, n));
		assert_int_equal(after ? after : 0xffff, before ? before : 0xffff);
	}
}

static void an_unfinished_sum_is_updated_alike(void **state)
{
	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t old = rnd(&seed) >> 8, fresh = rnd(&seed) >> 8, rest = rnd(&seed) >> 8;
		uint16_t sum = checksum_fold(old + rest), want = checksum_fold(fresh + rest);
		uint8_t field[2];

		memcpy(field, &sum, 2);
		checksum_apply_partial(field, checksum_delta(fresh, old));
		memcpy(&sum, field, 2);
		assert_int_equal(sum % 0xffff, want % 0xffff);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_sum_is_rfc_1071s),
		cmocka_unit_test(sums_of_parts_add_up),
		cmocka_unit_test(an_update_is_as_good_as_computing_anew),
		cmocka_unit_test(an_unfinished_sum_is_updated_alike),
	};

	seed = test_seed();
	return cmocka_run_group_tests_name("checksum_laws", tests, NULL, NULL);
}
