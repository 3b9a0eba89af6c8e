/* test_linger.c - prefixes that go and come: how long what is gone counts as there. */
#include "test.h"
#include "linger.h"

static struct netlink_inside_prefix lan, dmz;

static struct prefix prefix_of(const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(text, &p), 0);
	return p;
}

static int setup(void **state)
{
	(void)state;
	lan = (struct netlink_inside_prefix){ .prefix = prefix_of("2001:db8:1::/64"), .on_link = true };
	dmz = (struct netlink_inside_prefix){ .prefix = prefix_of("2001:db8:2::/64") };
	return 0;
}

static struct netlink_facts facts_with(const struct netlink_inside_prefix *a,
				       const struct netlink_inside_prefix *b)
{
	struct netlink_facts f = { .n_inside = 0 };

	if (a)
		assert_int_equal(netlink_facts_add_inside(&f, a), 0);
	if (b)
		assert_int_equal(netlink_facts_add_inside(&f, b), 0);
	return f;
}

static void a_prefix_that_comes_back_was_never_away(void **state)
{
	struct linger_list l = { .n = 0 };
	struct netlink_facts both = facts_with(&dmz, &lan), gap = facts_with(&dmz, NULL),
			     again = facts_with(&lan, &dmz);

	(void)state;
	linger__follow(&l, &both, &gap, 1000);
	assert_true(netlink_facts_same_inside(&both, &gap)); /* whatever order they were told in */
	assert_true(netlink_facts_inside(&gap, &lan.prefix)->on_link);
	linger__follow(&l, &gap, &again, 2000);
	assert_true(netlink_facts_same_inside(&both, &again));
	assert_false(linger__expire(&l, &again, 1000 + LINGER_MS));
	assert_int_equal(again.n_inside, 2);
	netlink_facts_free(&both);
	netlink_facts_free(&gap);
	netlink_facts_free(&again);
}

static void a_prefix_that_stays_away_ends_in_its_time(void **state)
{
	struct linger_list l = { .n = 0 };
	struct netlink_facts both = facts_with(&lan, &dmz), gap = facts_with(&dmz, NULL),
			     later = facts_with(&dmz, NULL), other = facts_with(NULL, NULL);

	(void)state;
	linger__follow(&l, &both, &gap, 1000);
	linger__follow(&l, &gap, &later, 5000); /* other news do not lengthen it */
	linger__add(&l, &other);
	assert_int_equal(other.n_inside, 1);
	assert_false(linger__expire(&l, &later, 1000 + LINGER_MS - 1));
	assert_int_equal(later.n_inside, 2);
	assert_true(linger__expire(&l, &later, 1000 + LINGER_MS));
	assert_int_equal(later.n_inside, 1);
	assert_null(netlink_facts_inside(&later, &lan.prefix));
	assert_non_null(netlink_facts_inside(&later, &dmz.prefix));
	assert_false(linger__expire(&l, &later, UINT64_MAX));
	netlink_facts_free(&both);
	netlink_facts_free(&gap);
	netlink_facts_free(&later);
	netlink_facts_free(&other);
}

static void what_is_taken_out_of_the_file_goes_at_once(void **state)
{
	struct linger_list l = { .n = 0 };
	struct netlink_facts both = facts_with(&lan, &dmz), gap = facts_with(NULL, NULL);

	(void)state;
	linger__follow(&l, &both, &gap, 1000);
	assert_int_equal(gap.n_inside, 2);
	assert_true(linger__expire(&l, &gap, UINT64_MAX));
	assert_int_equal(gap.n_inside, 0);
	netlink_facts_free(&both);
	netlink_facts_free(&gap);
}

static void more_than_there_is_room_for_is_gone(void **state)
{
	struct linger_list l = { .n = 0 };
	struct netlink_facts many = { .n_inside = 0 }, none = { .n_inside = 0 };

	(void)state;
	for (unsigned i = 0; i < LINGER_MAX + 1; i++) {
		lan.prefix.addr.octet[5] = (uint8_t)i;
		assert_int_equal(netlink_facts_add_inside(&many, &lan), 0);
	}
	linger__follow(&l, &many, &none, 1000);
	assert_int_equal(none.n_inside, LINGER_MAX);
	netlink_facts_free(&many);
	netlink_facts_free(&none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_prefix_that_comes_back_was_never_away, setup),
		cmocka_unit_test_setup(a_prefix_that_stays_away_ends_in_its_time, setup),
		cmocka_unit_test_setup(what_is_taken_out_of_the_file_goes_at_once, setup),
		cmocka_unit_test_setup(more_than_there_is_room_for_is_gone, setup),
	};

	return cmocka_run_group_tests_name("linger", tests, NULL, NULL);
}
