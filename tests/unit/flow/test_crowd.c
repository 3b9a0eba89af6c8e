/* test_crowd.c - flows that wait at an object, against a naive list of them. */
#include "test.h"
#include <stdlib.h>
#include "build.h"
#include "sixgate/flow/crowd.h"

enum { PLACES = 64, OBJECTS = 100, STEPS = 200000 };

static struct crowds c;
static struct arena arena;

/* What waits, in the order in which it came. */
static struct waiting {
	uint32_t object, flow, place;
} list[PLACES];
static unsigned n_waiting;

static int setup(void **state)
{
	struct arena measure = { 0 };

	(void)state;
	crowds_layout(&c, PLACES, OBJECTS, &measure);
	arena = (struct arena){ .base = aligned_alloc(64, (measure.used + 63) & ~(size_t)63),
				.size = measure.used };
	memset(arena.base, 0, arena.size);
	crowds_layout(&c, PLACES, OBJECTS, &arena);
	n_waiting = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(arena.base);
	return 0;
}

static void join(uint32_t object, uint32_t flow)
{
	list[n_waiting] = (struct waiting){ object, flow, crowd_join(&c, object, flow) };
	n_waiting++;
}

static void leave(unsigned i)
{
	crowd_leave(&c, list[i].place);
	n_waiting--;
	memmove(&list[i], &list[i + 1], (n_waiting - i) * sizeof(*list));
}

static uint32_t oldest(uint32_t object)
{
	for (unsigned i = 0; i < n_waiting; i++)
		if (list[i].object == object)
			return list[i].flow;
	return CROWD_NONE;
}

static void the_oldest_of_each_object_is_known(void **state)
{
	(void)state;
	assert_int_equal(crowd_oldest(&c, 5), CROWD_NONE);
	for (uint32_t i = 0; i < 10; i++)
		join(i % 2 ? 5 : 5 + c.n_heads, i); /* in one chain */
	assert_int_equal(crowd_oldest(&c, 5), 1);
	assert_int_equal(crowd_oldest(&c, 5 + c.n_heads), 0);
	assert_int_equal(crowd_oldest(&c, 5 + 2 * c.n_heads), CROWD_NONE);
	leave(1);
	assert_int_equal(crowd_oldest(&c, 5), 3);
	leave(4); /* in the middle */
	assert_int_equal(crowd_oldest(&c, 5), 3);
	leave(0);
	assert_int_equal(crowd_oldest(&c, 5 + c.n_heads), 2);
}

static void crowds_agree_with_a_naive_list(void **state)
{
	uint64_t seed = test_seed();

	(void)state;
	for (unsigned step = 0; step < STEPS; step++) {
		uint32_t object = (uint32_t)(rnd(&seed) % (step % 1000 < 500 ? 4 : OBJECTS));

		if (n_waiting < PLACES && rnd(&seed) % 8 >= step / 100 % 8)
			join(object, step);
		else if (n_waiting)
			leave((unsigned)(rnd(&seed) % 2 ? 0 : rnd(&seed) % n_waiting));
		assert_int_equal(crowd_oldest(&c, object), oldest(object));
	}
	while (n_waiting)
		leave(0);
	for (uint32_t i = 0; i < c.n_heads; i++)
		assert_int_equal(c.head[i], 0);
	for (uint32_t i = 0; i < PLACES; i++)
		join(7, i); /* every place has come back */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_oldest_of_each_object_is_known, setup, teardown),
		cmocka_unit_test_setup_teardown(crowds_agree_with_a_naive_list, setup, teardown),
	};

	return cmocka_run_group_tests_name("flow/crowd", tests, NULL, NULL);
}
