/*
 * maglev_table.c - laws of the Maglev table over random names and weights: every place is taken,
 * each node has its share, the same input gives the same table in any order, and a node that comes
 * or goes moves little of the others' (NSDI 2016, sections 3.4 and 5.3).
 */
#include "test.h"
#include "services_internal.h"

enum { ROUNDS = 24 };

static uint64_t seed;

static uint32_t random_entries(struct maglev_entry *e, uint32_t most)
{
	uint32_t n = 2 + (uint32_t)(rnd(&seed) % (most - 1));
	bool weighted = rnd(&seed) & 1;

	for (uint32_t i = 0; i < n; i++)
		e[i] = (struct maglev_entry){ .id = rnd(&seed),
					      .share = weighted ? 1 + (uint32_t)(rnd(&seed) % 16) : 1 };
	return n;
}

static uint64_t total_share(const struct maglev_entry *e, uint32_t n)
{
	uint64_t total = 0;

	for (uint32_t i = 0; i < n; i++)
		total += e[i].share;
	return total;
}

static void each_entry_has_its_share_of_the_places(void **state)
{
	struct maglev_entry e[SERVICE_NODES_MAX];
	static uint16_t table[MAGLEV_SIZE];

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		uint32_t n = random_entries(e, round < ROUNDS / 2 ? 10 : SERVICE_NODES_MAX);
		uint32_t count[SERVICE_NODES_MAX] = { 0 };
		uint64_t total = total_share(e, n);

		services__maglev_build(table, e, n);
		for (uint32_t i = 0; i < MAGLEV_SIZE; i++) {
			assert_true(table[i] < n);
			count[table[i]]++;
		}
		for (uint32_t i = 0; i < n; i++) {
			double fair = (double)MAGLEV_SIZE * e[i].share / (double)total;

			/* one turn more or less, at most */
			assert_true(count[i] + 2.0 >= fair * 0.99 && count[i] <= fair * 1.01 + 2.0);
		}
	}
}

static void the_order_of_the_file_does_not_matter(void **state)
{
	static uint16_t forth[MAGLEV_SIZE], back[MAGLEV_SIZE];
	struct maglev_entry e[64], reversed[64];

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		uint32_t n = random_entries(e, 64);

		for (uint32_t i = 0; i < n; i++)
			reversed[i] = e[n - 1 - i];
		services__maglev_build(forth, e, n);
		services__maglev_build(back, reversed, n);
		for (uint32_t i = 0; i < MAGLEV_SIZE; i++)
			assert_int_equal(forth[i], n - 1 - back[i]);
	}
}

/* Places of entries that stay and nevertheless change hands when entry @gone goes. */
static uint32_t disturbed(const struct maglev_entry *e, uint32_t n, uint32_t gone)
{
	static uint16_t before[MAGLEV_SIZE], after[MAGLEV_SIZE];
	struct maglev_entry rest[SERVICE_NODES_MAX];
	uint32_t k = 0, changed = 0;

	for (uint32_t i = 0; i < n; i++)
		if (i != gone)
			rest[k++] = e[i];
	services__maglev_build(before, e, n);
	services__maglev_build(after, rest, k);
	for (uint32_t i = 0; i < MAGLEV_SIZE; i++) {
		uint32_t now = after[i] + (after[i] >= gone);

		changed += before[i] != gone && before[i] != now;
	}
	return changed;
}

static void a_node_that_goes_moves_little_of_the_others(void **state)
{
	struct maglev_entry e[SERVICE_NODES_MAX];
	uint32_t worst = 0;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		uint32_t n = random_entries(e, 100), changed;

		for (uint32_t i = 0; i < n; i++)
			e[i].share = 1;
		changed = disturbed(e, n, (uint32_t)(rnd(&seed) % n));
		worst = changed > worst ? changed : worst;
	}
	print_message("at worst %u of %d places changed hands needlessly\n", worst, MAGLEV_SIZE);
	assert_true(worst < MAGLEV_SIZE * 3 / 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_entry_has_its_share_of_the_places),
		cmocka_unit_test(the_order_of_the_file_does_not_matter),
		cmocka_unit_test(a_node_that_goes_moves_little_of_the_others),
	};

	seed = test_seed();
	return cmocka_run_group_tests_name("maglev", tests, NULL, NULL);
}
