/* test_wheel.c - the timing wheel against the definition: nothing early, nothing late, nothing
 * lost. */
#include "test.h"
#include "sixgate/flow/wheel.h"

enum { N = 2000 };

static struct flow flows[N];
static bool linked[N];

/* Everything due comes out at this tick, and nothing else. */
static void expire_and_check(struct wheel *w, uint32_t now)
{
	uint32_t budget = UINT32_MAX, i;

	while ((i = wheel_expire(w, now, &budget)) != WHEEL_NIL) {
		assert_true(linked[i]);
		assert_true(flows[i].deadline <= now);
		linked[i] = false;
	}
	for (i = 0; i < N; i++)
		if (linked[i])
			assert_true(flows[i].deadline > now);
}

static void every_deadline_is_met_at_its_tick(void **state)
{
	uint64_t seed = test_seed();
	struct wheel w;
	uint32_t now = 0xfffff000u & 0x00ffffff; /* close below a turn of every level */

	(void)state;
	wheel_init(&w, flows, now);
	memset(linked, 0, sizeof(linked));
	for (int step = 0; step < 20000; step++) {
		uint32_t i = (uint32_t)(rnd(&seed) % N);
		unsigned far = (unsigned)(rnd(&seed) % 20);

		if (!linked[i]) {
			flows[i].deadline = now + 1 + (uint32_t)(rnd(&seed) % (1u << far));
			wheel_add(&w, i);
			linked[i] = true;
		} else if (rnd(&seed) % 2) {
			flows[i].deadline = now + 1 + (uint32_t)(rnd(&seed) % 100000);
			wheel_remove(&w, i);
			wheel_add(&w, i);
		} else {
			wheel_remove(&w, i);
			linked[i] = false;
		}
		now += (uint32_t)(rnd(&seed) % (step % 100 ? 3 : 5000));
		expire_and_check(&w, now);
	}
	now += 1u << 21;
	expire_and_check(&w, now);
	assert_int_equal(w.n, 0);
}

static void a_refreshed_deadline_is_moved_on_without_relinking(void **state)
{
	struct wheel w;
	uint32_t budget = 100;

	(void)state;
	wheel_init(&w, flows, 10);
	flows[0].deadline = 20;
	wheel_add(&w, 0);
	flows[0].deadline = 500;
	assert_int_equal(wheel_expire(&w, 499, &budget), WHEEL_NIL);
	assert_int_equal(wheel_expire(&w, 500, &budget), 0);
}

static void work_stops_at_the_budget_and_goes_on(void **state)
{
	struct wheel w;
	uint32_t budget = 10, n = 0;

	(void)state;
	wheel_init(&w, flows, 0);
	for (uint32_t i = 0; i < 100; i++) {
		flows[i].deadline = 5000;
		wheel_add(&w, i);
	}
	for (int call = 0; call < 100 && n < 100; call++) {
		uint32_t i;

		budget = 10;
		while ((i = wheel_expire(&w, 5000, &budget)) != WHEEL_NIL)
			n++;
		assert_true(n <= 10u * (uint32_t)(call + 1));
	}
	assert_int_equal(n, 100);
}

static void the_next_wake_up_is_never_late(void **state)
{
	uint64_t seed = test_seed();
	struct wheel w;
	uint32_t now = 77, budget = UINT32_MAX;

	(void)state;
	wheel_init(&w, flows, now);
	for (int round = 0; round < 300; round++) {
		flows[0].deadline = now + 1 + (uint32_t)(rnd(&seed) % 9000);
		wheel_add(&w, 0);
		while (wheel_expire(&w, now, &budget) == WHEEL_NIL) {
			uint32_t wait = wheel_next(&w, now);

			assert_true(wait >= 1 && now + wait <= flows[0].deadline);
			now += wait;
		}
		assert_int_equal(now, flows[0].deadline);
	}
	assert_int_equal(wheel_next(&w, now), UINT32_MAX);
}

/* A deadline that no level reaches is looked at again when the wheel has been all the way round. */
static void a_deadline_beyond_the_reach_is_met_at_its_tick(void **state)
{
	const uint32_t turn = 1u << (6 * WHEEL_LEVELS);
	static const uint32_t more[] = { 0, 1, 5000 };
	uint32_t budget = UINT32_MAX;
	struct wheel w;

	(void)state;
	for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
		wheel_init(&w, flows, 77);
		flows[0].deadline = 77 + turn + more[i];
		wheel_add(&w, 0);
		assert_int_equal(w.n, 1);
		assert_int_equal(wheel_expire(&w, flows[0].deadline - 1, &budget), WHEEL_NIL);
		assert_int_equal(wheel_expire(&w, flows[0].deadline, &budget), 0);
		assert_int_equal(w.n, 0);
	}
}

/* Neither sooner nor later: the wheel stands wherever, the deadline lies at the edges of each
 * level. */
static void the_edges_of_every_level_are_met(void **state)
{
	static const uint32_t at[] = { 0,    1,    62,     63,     64,         65,
				       4095, 4096, 262143, 262144, 0x00ffffff, 0xfffffff0 };
	static const uint32_t ahead[] = { 1,    2,    62,   63,   64,     65,     127,   128,
					  4095, 4096, 4097, 8191, 262143, 262144, 262145 };

	(void)state;
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		for (size_t j = 0; j < sizeof(ahead) / sizeof(ahead[0]); j++) {
			uint32_t budget = UINT32_MAX, deadline = at[i] + ahead[j];
			struct wheel w;

			wheel_init(&w, flows, at[i]);
			flows[0].deadline = deadline;
			wheel_add(&w, 0);
			assert_int_equal(wheel_expire(&w, deadline - 1, &budget), WHEEL_NIL);
			assert_int_equal(wheel_expire(&w, deadline, &budget), 0);
			assert_int_equal(wheel_expire(&w, deadline, &budget), WHEEL_NIL);
		}
	}
}

/* What is due already when it is added comes out with the next tick. */
static void a_deadline_that_has_passed_is_due_next(void **state)
{
	static const uint32_t before[] = { 0, 1, 64, 5000 };

	(void)state;
	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		uint32_t budget = UINT32_MAX;
		struct wheel w;

		wheel_init(&w, flows, 10000);
		flows[0].deadline = 10000 - before[i];
		wheel_add(&w, 0);
		assert_int_equal(wheel_next(&w, 10000), 1);
		assert_int_equal(wheel_expire(&w, 10001, &budget), 0);
	}
}

/* @budget counts nodes that were looked at; none is looked at when it is used up. */
static void each_node_costs_one_of_the_budget(void **state)
{
	struct wheel w;
	uint32_t budget = 2;

	(void)state;
	wheel_init(&w, flows, 0);
	for (uint32_t i = 0; i < 3; i++) {
		flows[i].deadline = 3;
		wheel_add(&w, i);
	}
	assert_int_not_equal(wheel_expire(&w, 5, &budget), WHEEL_NIL);
	assert_int_equal(budget, 1);
	assert_int_not_equal(wheel_expire(&w, 5, &budget), WHEEL_NIL);
	assert_int_equal(budget, 0);
	assert_int_equal(wheel_expire(&w, 5, &budget), WHEEL_NIL);
	assert_int_equal(w.n, 1);
	assert_int_equal(wheel_next(&w, 5), 1); /* work is left over: soon again */
	budget = 1;
	assert_int_not_equal(wheel_expire(&w, 5, &budget), WHEEL_NIL);
	assert_int_equal(budget, 0);
}

/* A wheel that was empty has no past to catch up with, however long that was. */
static void an_empty_wheel_stands_at_now(void **state)
{
	struct wheel w;
	uint32_t budget = UINT32_MAX;

	(void)state;
	wheel_init(&w, flows, 0);
	assert_int_equal(wheel_expire(&w, 4000000000u, &budget), WHEEL_NIL);
	assert_int_equal(w.now, 4000000000u);
	assert_int_equal(budget, UINT32_MAX);
	flows[0].deadline = 4000000000u + 3;
	wheel_add(&w, 0);
	assert_int_equal(wheel_next(&w, 4000000000u), 3);
	assert_int_equal(wheel_expire(&w, 4000000000u + 3, &budget), 0);
}

/* A wake-up for nothing costs little, but not every tick is one: up to a turn of the finest level.
 */
static void an_idle_wheel_sleeps_as_long_as_it_can(void **state)
{
	struct wheel w;

	(void)state;
	wheel_init(&w, flows, 64);
	flows[0].deadline = 64 + 5000;
	wheel_add(&w, 0);
	assert_int_equal(wheel_next(&w, 64), WHEEL_SLOTS);
	wheel_init(&w, flows, 65); /* a coarse list may be due when the finest level comes round */
	wheel_add(&w, 0);
	assert_int_equal(wheel_next(&w, 65), WHEEL_SLOTS - 1);
	wheel_remove(&w, 0);
	assert_int_equal(wheel_next(&w, 65), UINT32_MAX);
}

/* Whichever stands in a list's front, middle or end can go, and the others stay. */
static void any_node_of_a_list_can_go(void **state)
{
	(void)state;
	for (uint32_t gone = 0; gone < 3; gone++) {
		uint32_t budget = UINT32_MAX, seen = 0, i;
		struct wheel w;

		wheel_init(&w, flows, 0);
		for (i = 0; i < 3; i++) {
			flows[i].deadline = 9;
			wheel_add(&w, i);
		}
		wheel_remove(&w, gone);
		assert_int_equal(w.n, 2);
		while ((i = wheel_expire(&w, 9, &budget)) != WHEEL_NIL)
			seen |= 1u << i;
		assert_int_equal(seen, 7 & ~(1u << gone));
		assert_int_equal(w.n, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_deadline_is_met_at_its_tick),
		cmocka_unit_test(a_refreshed_deadline_is_moved_on_without_relinking),
		cmocka_unit_test(work_stops_at_the_budget_and_goes_on),
		cmocka_unit_test(the_next_wake_up_is_never_late),
		cmocka_unit_test(a_deadline_beyond_the_reach_is_met_at_its_tick),
		cmocka_unit_test(the_edges_of_every_level_are_met),
		cmocka_unit_test(a_deadline_that_has_passed_is_due_next),
		cmocka_unit_test(each_node_costs_one_of_the_budget),
		cmocka_unit_test(an_empty_wheel_stands_at_now),
		cmocka_unit_test(an_idle_wheel_sleeps_as_long_as_it_can),
		cmocka_unit_test(any_node_of_a_list_can_go),
	};

	return cmocka_run_group_tests_name("timing wheel", tests, NULL, NULL);
}
