/* test_rfc6052.c - RFC 6052: prefixes, embedding, extracting; RFC 8215's prefix is one like any. */
#include "test.h"
#include <errno.h>
#include "rfc6052.h"
#include "sixgate/base/must.h"
#include "sixgate/translate/rfc6052.h"

static struct addr addr_of(const char *text)
{
	struct addr a;

	must(addr_parse(text, &a) == 0);
	return a;
}

static struct pool6 pool6_of(const char *text)
{
	struct prefix p;
	struct pool6 pool;

	must(prefix_parse(text, &p) == 0);
	assert_int_equal(pool6_init(&pool, &p, NULL), 0);
	return pool;
}

static void rfc6052_2_4_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rfc6052_2_4); i++) {
		struct pool6 p = pool6_of(rfc6052_2_4[i].prefix);
		struct addr v4 = addr_of(rfc6052_2_4[i].v4), v6 = addr_of(rfc6052_2_4[i].v6), got;

		print_message("%s\n", rfc6052_2_4[i].prefix);
		got = rfc6052_embed(&p, &v4);
		assert_true(addr_equal(&got, &v6));
		assert_true(rfc6052_extract(&p, &v6, &got));
		assert_true(addr_equal(&got, &v4));
	}
}

static void rfc6052_2_2_only_six_lengths(void **state)
{
	(void)state;
	for (unsigned len = 0; len <= 128; len++) {
		bool good =
			len == 32 || len == 40 || len == 48 || len == 56 || len == 64 || len == 96;
		struct prefix p = { .addr = addr_of("2001:db8::"), .len = (uint8_t)len };
		struct pool6 pool;
		struct err e;

		p.addr = addr_mask(&p.addr, len);
		if (good) {
			assert_int_equal(pool6_init(&pool, &p, &e), 0);
			assert_int_equal(pool.len, len);
		} else {
			e.text[0] = '\0';
			assert_int_equal(pool6_init(&pool, &p, &e), -EINVAL);
			assert_non_null(strstr(e.text, "96"));
		}
	}
}

static void rfc6052_2_2_bits_64_to_71_are_zero(void **state)
{
	struct prefix p;
	struct pool6 pool;
	struct err e;

	(void)state;
	assert_int_equal(prefix_parse("2001:db8:1:2:100::/96", &p), 0);
	assert_int_equal(pool6_init(&pool, &p, &e), -EINVAL);
	assert_non_null(strstr(e.text, "64 to 71"));
	assert_int_equal(prefix_parse("2001:db8:1:2:ff:1234:5678:0/112", &p), 0);
	assert_int_equal(pool6_init(&pool, &p, &e), -EINVAL);
	assert_int_equal(prefix_parse("2001:db8:1:2:ff:1234::/96", &p), 0); /* octet 9 is free */
	assert_int_equal(pool6_init(&pool, &p, &e), 0);
}

static void what_is_no_prefix_is_refused(void **state)
{
	struct prefix p = { .addr = addr_of("2001:db8::1"), .len = 96 };
	struct pool6 pool = { .len = 77 };
	struct err e;

	(void)state;
	assert_int_equal(pool6_init(&pool, &p, &e), -EINVAL);
	assert_int_equal(prefix_parse("192.0.2.0/24", &p), 0);
	assert_int_equal(pool6_init(&pool, &p, &e), -EINVAL);
	assert_int_equal(prefix_parse("0.0.0.0/0", &p), 0); /* ::ffff:0:0/96 */
	assert_int_equal(pool6_init(&pool, &p, &e), -EINVAL);
	assert_int_equal(pool.len, 77); /* untouched */
}

static void rfc6052_2_3_suffix_bits_are_not_looked_at(void **state)
{
	struct pool6 p = pool6_of("2001:db8::/32");
	struct addr a = addr_of("2001:db8:c000:221:ff:1234:5678:9abc"), got,
		    want = addr_of("192.0.2.33");

	(void)state;
	assert_true(rfc6052_extract(&p, &a, &got));
	assert_true(addr_equal(&got, &want));
}

static void outside_the_prefix_nothing_is_extracted(void **state)
{
	struct addr got = addr_of("10.0.0.1"), before = got;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rfc6052_2_4); i++) {
		struct pool6 p = pool6_of(rfc6052_2_4[i].prefix);

		for (unsigned bit = 0; bit < p.len; bit++) {
			struct addr a = addr_of(rfc6052_2_4[i].v6);

			a.octet[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
			assert_false(rfc6052_extract(&p, &a, &got));
			assert_true(addr_equal(&got, &before));
		}
	}
}

static void rfc6052_2_1_the_well_known_prefix(void **state)
{
	struct pool6 p = pool6_of("64:ff9b::/96");

	(void)state;
	assert_true(pool6_is_well_known(&p));
	p = pool6_of("64:ff9b:1::/96"); /* RFC 8215 */
	assert_false(pool6_is_well_known(&p));
	p = pool6_of("64:ff9b::/64");
	assert_false(pool6_is_well_known(&p));
	p = pool6_of("2001:db8::/96");
	assert_false(pool6_is_well_known(&p));
}

static void rfc8215_local_use_prefixes(void **state)
{
	static const char *const prefix[] = { "64:ff9b:1::/48", "64:ff9b:1:ff00::/56",
					      "64:ff9b:1:abcd::/64", "64:ff9b:1::/96" };
	struct addr v4 = addr_of("10.1.2.3"), v6, got;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(prefix); i++) {
		struct pool6 p = pool6_of(prefix[i]);

		v6 = rfc6052_embed(&p, &v4);
		assert_int_equal(v6.octet[8], 0);
		assert_true(rfc6052_extract(&p, &v6, &got));
		assert_true(addr_equal(&got, &v4));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc6052_2_4_vectors),
		cmocka_unit_test(rfc6052_2_2_only_six_lengths),
		cmocka_unit_test(rfc6052_2_2_bits_64_to_71_are_zero),
		cmocka_unit_test(what_is_no_prefix_is_refused),
		cmocka_unit_test(rfc6052_2_3_suffix_bits_are_not_looked_at),
		cmocka_unit_test(outside_the_prefix_nothing_is_extracted),
		cmocka_unit_test(rfc6052_2_1_the_well_known_prefix),
		cmocka_unit_test(rfc8215_local_use_prefixes),
	};

	return cmocka_run_group_tests_name("translate/rfc6052", tests, NULL, NULL);
}
