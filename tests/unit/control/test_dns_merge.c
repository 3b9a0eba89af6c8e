/* test_dns_merge.c - several threads tell of one question: what all say is said once, in an order that is
 * each one's own. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "dns_merge.h"
#include "sixgate/base/must.h"

enum { MOST = 4 };

/* struct bench - stories as words between spaces, answers as text. */
struct bench {
	struct dns64_told told[MOST];
	struct dns_merge merge;
	char out[4096];
};

static struct bench *bench_new(const char *const *story, unsigned n)
{
	struct bench *b = calloc(1, sizeof(*b));

	must(b && n <= MOST);
	b->merge.n = n;
	for (unsigned i = 0; i < n; i++) {
		char words[256], *at = words, *word;

		b->merge.told[i] = &b->told[i];
		snprintf(words, sizeof(words), "%s", story[i]);
		while ((word = strsep(&at, " ")))
			if (*word)
				snprintf(b->told[i].line[b->told[i].n++], DNS64_TOLD_TEXT, "%s", word);
	}
	return b;
}

/* "line:whose" of each. */
static const char *merged(struct bench *b)
{
	const char *line;
	size_t at = 0;
	uint32_t who;

	b->out[0] = 0;
	while ((line = dns_merge__line(&b->merge, &who))) {
		at += (size_t)snprintf(b->out + at, sizeof(b->out) - at, "%s%s:", at ? " " : "", line);
		for (unsigned i = 0; i < b->merge.n; i++)
			if (who >> i & 1)
				at += (size_t)snprintf(b->out + at, sizeof(b->out) - at, "%u", i + 1);
	}
	return b->out;
}

static void what_all_say_is_said_once(void **state)
{
	static const struct {
		unsigned n;
		const char *story[MOST], *want;
	} rows[] = {
		{ 1, { "view hit rule" }, "view:1 hit:1 rule:1" },
		{ 2, { "view hit rule", "view hit rule" }, "view:12 hit:12 rule:12" },
		{ 2, { "view hit rule", "view miss asked rule" }, "view:12 hit:1 miss:2 asked:2 rule:12" },
		{ 2, { "view miss asked rule", "view hit rule" }, "view:12 miss:1 asked:1 hit:2 rule:12" },
		{ 3,
		  { "view hit rule", "view miss rule", "view hit rule" },
		  "view:123 hit:13 miss:2 rule:123" },
		{ 2, { "view rule", "view more rule" }, "view:12 more:2 rule:12" },
		{ 2, { "view more rule", "view rule" }, "view:12 more:1 rule:12" },
		{ 2, { "", "view rule" }, "view:2 rule:2" },
		{ 2, { "view", "" }, "view:1" },
		{ 2, { "", "" }, "" },
		{ 2, { "a b", "b a" }, "a:1 b:12 a:2" }, /* in another order: nothing is lost */
		{ 2, { "a a b", "a b" }, "a:12 a:1 b:12" },
		{ 4, { "a", "b", "c", "d" }, "a:1 b:2 c:3 d:4" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct bench *b = bench_new(rows[i].story, rows[i].n);

		assert_string_equal(merged(b), rows[i].want);
		free(b);
	}
}

/* Each one's own lines, in its own order, whatever the others say. */
static void each_story_is_told_whole_and_in_order(void **state)
{
	const char *text = getenv("SIXGATE_TEST_SEED");
	unsigned seed = text ? (unsigned)strtoul(text, NULL, 0) : 1;

	(void)state;
	print_message("SIXGATE_TEST_SEED=%u\n", seed);
	srandom(seed);
	for (int round = 0; round < 2000; round++) {
		char story[MOST][64] = { "" };
		const char *stories[MOST];
		unsigned at[MOST] = { 0 }, n_lines = 0;
		struct bench *b;
		const char *line;
		uint32_t who;

		for (unsigned i = 0; i < MOST; i++) {
			for (long k = random() % 8; k > 0; k--)
				snprintf(story[i] + strlen(story[i]), 8, "%c ", (char)('a' + random() % 4));
			stories[i] = story[i];
		}
		b = bench_new(stories, MOST);
		while ((line = dns_merge__line(&b->merge, &who))) {
			assert_int_not_equal(who, 0);
			assert_true(++n_lines <= MOST * 8);
			for (unsigned i = 0; i < MOST; i++)
				if (who >> i & 1)
					assert_string_equal(b->told[i].line[at[i]++], line);
		}
		for (unsigned i = 0; i < MOST; i++)
			assert_int_equal(at[i], b->told[i].n);
		free(b);
	}
}

static void give(struct bench *b, unsigned i, const char *answer)
{
	b->told[i].len = strlen(answer);
	memcpy(b->told[i].wire, answer, b->told[i].len);
}

static void equal_answers_are_one_answer(void **state)
{
	static const char *const none[MOST] = { "", "", "", "" };
	struct bench *b = bench_new(none, MOST);
	uint32_t done = 0, who;

	(void)state;
	give(b, 0, "one");
	give(b, 1, "");
	give(b, 2, "one");
	give(b, 3, "one and more");
	assert_ptr_equal(dns_merge__answer(&b->merge, &done, &who), &b->told[0]);
	assert_int_equal(who, 5);
	assert_ptr_equal(dns_merge__answer(&b->merge, &done, &who), &b->told[1]);
	assert_int_equal(who, 2);
	assert_ptr_equal(dns_merge__answer(&b->merge, &done, &who), &b->told[3]);
	assert_int_equal(who, 8);
	assert_null(dns_merge__answer(&b->merge, &done, &who));
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_all_say_is_said_once),
		cmocka_unit_test(each_story_is_told_whole_and_in_order),
		cmocka_unit_test(equal_answers_are_one_answer),
	};

	return cmocka_run_group_tests_name("control/dns_merge", tests, NULL, NULL);
}
