/* test_view.c - a private copy that is made where it is touched, and faults that are none of its. */
#include "test.h"
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "sixgate/io/view.h"

enum { N_PAGES = 1024 };

static size_t page;
static uint8_t *live;
static struct arena_pointers pointers;

struct thing {
	struct thing *next;
	uint64_t value;
};

static int setup(void **state)
{
	(void)state;
	pointers.n = 0;
	page = (size_t)sysconf(_SC_PAGESIZE);
	live = mmap(NULL, N_PAGES * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return live == MAP_FAILED;
}

static int teardown(void **state)
{
	(void)state;
	return munmap(live, N_PAGES * page);
}

/* In each test: cmocka has put its own handler there. */
static void begin(void **state)
{
	(void)state;
	view_prepare();
}

static struct thing *thing_at(size_t offset)
{
	return (struct thing *)(void *)(live + offset);
}

static void is_pointer(const void *slot)
{
	pointers.at[pointers.n++] = (size_t)((const uint8_t *)slot - live);
}

static void only_what_is_touched_is_copied_and_nothing_live_changes(void **state)
{
	struct thing *first = thing_at(0), *second = thing_at(100 * page + 64);
	struct thing *copy;
	struct view v;

	begin(state);
	*first = (struct thing){ second, 1 };
	*second = (struct thing){ first, 2 };
	is_pointer(&first->next);
	is_pointer(&second->next);
	assert_int_equal(mprotect(live, N_PAGES * page, PROT_READ), 0);
	assert_int_equal(view_open(&v, live, N_PAGES * page, &pointers, 0), 0);
	assert_int_equal(v.n_pages, 0);
	copy = view_of(&v, first);
	assert_int_equal(copy->value, 1);
	assert_int_equal(v.n_pages, 1);
	copy->next->value = 7; /* by a pointer that was moved along */
	assert_int_equal(v.n_pages, 2);
	assert_ptr_equal(copy->next, view_of(&v, second));
	assert_ptr_equal(copy->next->next, copy);
	copy->value = 8;
	assert_int_equal(v.n_pages, 2);
	view_close(&v);
	assert_int_equal(first->value, 1);
	assert_int_equal(second->value, 2);
}

/* Two numbers side by side may look like any address. */
static void only_the_words_of_the_list_are_moved(void **state)
{
	uintptr_t *words = (uintptr_t *)(void *)live;
	const uintptr_t at = (uintptr_t)live, end = at + N_PAGES * page;
	const size_t n = page / sizeof(*words), moved[] = { 0, 2, n - 1, n, 3 * n };
	const uintptr_t *copy;
	struct view v;

	begin(state);
	for (size_t i = 0; i <= 3 * n; i++)
		words[i] = i % 2 ? end - 1 : at;
	for (size_t i = 0; i < ARRAY_LEN(moved); i++)
		is_pointer(&words[moved[i]]);
	words[2] = 0; /* not yet set */
	assert_int_equal(view_open(&v, live, N_PAGES * page, &pointers, 0), 0);
	copy = view_of(&v, words);
	for (size_t i = 0, k = 0; i <= 3 * n; i++) {
		bool is_moved = k < ARRAY_LEN(moved) && i == moved[k];

		k += is_moved;
		assert_int_equal(copy[i] - words[i], is_moved && words[i] ? v.copy - live : 0);
	}
	view_close(&v);
}

static void extra_memory_is_zero_and_every_view_is_fresh(void **state)
{
	struct view v;

	begin(state);
	for (unsigned i = 0; i < 3; i++) {
		live[5 * page] = (uint8_t)i;
		assert_int_equal(view_open(&v, live, N_PAGES * page, &pointers, 3 * page + 1), 0);
		for (size_t k = 0; k <= 3 * page; k++)
			assert_int_equal(v.extra[k], 0);
		memset(v.extra, 0xff, 3 * page + 1);
		assert_int_equal(v.copy[5 * page], i);
		view_close(&v);
	}
}

/* What a bug does must end the process as before: with and without a view open. */
static void faults_elsewhere_are_not_swallowed(void **state)
{
	begin(state);
	for (unsigned open = 0; open < 2; open++) {
		pid_t pid = fork();
		int status;

		if (pid == 0) {
			static struct view v;

			signal(SIGSEGV, SIG_DFL);
			view_prepare();
			mprotect(live, page, PROT_READ);
			if (open)
				view_open(&v, live, N_PAGES * page, &pointers, 0);
			*(volatile uint8_t *)live = 1;
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGSEGV);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(only_what_is_touched_is_copied_and_nothing_live_changes),
		TEST(only_the_words_of_the_list_are_moved),
		TEST(extra_memory_is_zero_and_every_view_is_fresh),
		TEST(faults_elsewhere_are_not_swallowed),
	};

	return cmocka_run_group_tests_name("view", tests, NULL, NULL);
}
