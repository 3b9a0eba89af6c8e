/* test_gather.c - when queries are let gather, and that nobody waits for nothing. */
#include "gather.h"
#include "test.h"

/* One query, in a batch that is not full. */
static void one(struct gather *g, uint64_t now_ns)
{
	gather__served(g, (struct batch_read){ 1, 64 }, now_ns);
}

/* Queries @gap_ns apart for @for_ns, told one by one. Return: the time. */
static uint64_t come(struct gather *g, uint64_t now_ns, uint64_t gap_ns, uint64_t for_ns)
{
	for (uint64_t end = now_ns + for_ns; now_ns < end; now_ns += gap_ns)
		one(g, now_ns);
	return now_ns;
}

enum { MS = 1000000, US = 1000 };

static void the_first_query_and_slow_ones_are_never_gathered(void **state)
{
	struct gather g = { 0 };

	(void)state;
	one(&g, 5000 * (uint64_t)MS);
	assert_int_equal(gather__nap_ns(&g), 0);
	come(&g, 5000 * (uint64_t)MS, GATHER_GAP_NS + 1000, 100 * MS);
	assert_int_equal(gather__nap_ns(&g), 0);
}

static void fast_ones_are_for_a_time_that_their_rate_bounds(void **state)
{
	struct gather g = { 0 };
	uint64_t now = come(&g, 5000 * (uint64_t)MS, 50 * US, 20 * MS);

	(void)state;
	assert_int_equal(gather__nap_ns(&g), GATHER_NAP_NS);
	come(&g, now, 2 * US, 20 * MS);
	assert_in_range(gather__nap_ns(&g), 30 * US, 33 * US); /* 16 of them */
}

static void naps_end_with_the_load(void **state)
{
	struct gather g = { 0 };
	uint64_t now = come(&g, 5000 * (uint64_t)MS, 20 * US, 20 * MS);

	(void)state;
	assert_true(gather__nap_ns(&g) > 0);
	one(&g, now + 50 * MS);
	assert_int_equal(gather__nap_ns(&g), 0);
}

static void a_load_that_grows_slowly_less_leaves_them_too(void **state)
{
	struct gather g = { 0 };
	uint64_t now = come(&g, 5000 * (uint64_t)MS, 60 * US, 20 * MS);

	(void)state;
	assert_true(g.naps);
	come(&g, now, 66 * US, 20 * MS); /* not by a third */
	assert_int_equal(gather__nap_ns(&g), 0);
	assert_int_equal(g.rest_ns, 0);
}

/* Clients that ask again when they are answered: the rate is what we make it. Return: the share of
 * the time with naps, in percent. */
static unsigned napping_share(struct gather *g, uint64_t gap_ns, uint64_t gap_with_naps_ns)
{
	uint64_t now = 5000 * (uint64_t)MS, end = now + 4000 * (uint64_t)MS, napping = 0;

	while (now < end) {
		uint64_t gap = gap_ns;

		if (gather__nap_ns(g))
			napping += gap = gap_with_naps_ns;
		now += gap;
		one(g, now);
	}
	return (unsigned)(napping * 100 / (4000 * (uint64_t)MS));
}

static void clients_who_wait_for_each_answer_are_spared(void **state)
{
	struct gather single = { 0 }, four = { 0 };

	(void)state;
	assert_in_range(napping_share(&single, 60 * US, 160 * US), 0, 3);
	assert_in_range(napping_share(&four, 15 * US, 40 * US), 0, 3);
}

static void clients_who_do_not_are_gathered_all_the_time(void **state)
{
	struct gather open = { 0 }, many = { 0 };

	(void)state;
	assert_in_range(napping_share(&open, 50 * US, 50 * US), 99, 100);
	assert_in_range(napping_share(&many, 5 * US, 6 * US), 99, 100);
}

static void what_is_here_already_is_not_waited_for(void **state)
{
	struct gather g = { 0 };
	uint64_t now = come(&g, 5000 * (uint64_t)MS, 20 * US, 20 * MS);

	(void)state;
	assert_true(gather__nap_ns(&g) > 0);
	assert_int_equal(gather__nap_ns(&g), 0); /* nobody has been served since */
	gather__served(&g, (struct batch_read){ 64, 64 }, now);
	assert_int_equal(gather__nap_ns(&g), 0); /* there may be more */
	gather__served(&g, (struct batch_read){ 63, 64 }, now);
	assert_true(gather__nap_ns(&g) > 0);
	gather__served(&g, (struct batch_read){ 0, 64 }, now);
	assert_int_equal(gather__nap_ns(&g), 0); /* a nap was in vain */
}

static void a_rest_grows_and_is_forgotten_when_naps_are_good(void **state)
{
	struct gather g = { 0 };

	(void)state;
	napping_share(&g, 60 * US, 160 * US);
	assert_int_equal(g.rest_ns, GATHER_REST_MAX_NS);
	come(&g, g.rest_until_ns, 20 * US, 40 * MS);
	assert_int_equal(g.rest_ns, 0);
	assert_true(gather__nap_ns(&g) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_query_and_slow_ones_are_never_gathered),
		cmocka_unit_test(fast_ones_are_for_a_time_that_their_rate_bounds),
		cmocka_unit_test(naps_end_with_the_load),
		cmocka_unit_test(a_load_that_grows_slowly_less_leaves_them_too),
		cmocka_unit_test(clients_who_wait_for_each_answer_are_spared),
		cmocka_unit_test(clients_who_do_not_are_gathered_all_the_time),
		cmocka_unit_test(what_is_here_already_is_not_waited_for),
		cmocka_unit_test(a_rest_grows_and_is_forgotten_when_naps_are_good),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
