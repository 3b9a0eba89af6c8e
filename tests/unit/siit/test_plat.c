/* test_plat.c - RFC 7050 3: the provider's prefix, found in an address of ipv4only.arpa. */
#include "fixture.h"
#include "sixgate/translate/rfc6052.h"

static void rfc7050_3_each_length_is_found(void **state)
{
	static const char *const prefixes[] = { "2001:db8::/32",        "2001:db8:100::/40",
						"2001:db8:122::/48",    "2001:db8:122:300::/56",
						"2001:db8:122:344::/64", "2001:db8:122:344::/96",
						"64:ff9b::/96" };
	static const char *const known[] = { "192.0.0.170", "192.0.0.171" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
		for (size_t k = 0; k < ARRAY_LEN(known); k++) {
			struct prefix p = prefix_of(prefixes[i]), got;
			struct addr v4 = address(known[k]), a;
			struct pool6 pool;

			must(pool6_init(&pool, &p, NULL) == 0);
			a = rfc6052_embed(&pool, &v4);
			assert_true(siit_plat_of(&a, &got));
			assert_int_equal(got.len, p.len);
			assert_true(addr_equal(&got.addr, &p.addr));
		}
}

static void rfc7050_3_what_a_nat64_would_not_make_tells_nothing(void **state)
{
	static const char *const row[] = {
		"2001:db8::1",                            /* none of the two addresses */
		"64:ff9b::192.0.0.172", "64:ff9b::192.0.0.169", "64:ff9b::192.0.2.170",
		"2001:db8:c000:aa:ff00::",                /* /32, bits 64 to 71 are not zero */
		"2001:db8:c000:aa::1",                    /* /32, with a suffix */
		"::ffff:192.0.0.170",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct addr a = address(row[i]);
		struct prefix got;

		print_message("%s\n", row[i]);
		assert_false(siit_plat_of(&a, &got));
	}
}

/* Under the /32 it would have a suffix, which no translator writes: so it is the /96. */
static void rfc7050_3_of_two_places_the_one_without_a_rest_counts(void **state)
{
	struct addr a = address("2001:db8:c000:aa::192.0.0.170");
	struct prefix got;

	(void)state;
	assert_true(siit_plat_of(&a, &got));
	assert_int_equal(got.len, 96);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc7050_3_each_length_is_found),
		cmocka_unit_test(rfc7050_3_what_a_nat64_would_not_make_tells_nothing),
		cmocka_unit_test(rfc7050_3_of_two_places_the_one_without_a_rest_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
