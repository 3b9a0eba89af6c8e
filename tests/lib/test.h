/* test.h - what every unit test includes first: cmocka and its prerequisites, and a seeded generator. */
#pragma once
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/** test_seed() - SIXGATE_TEST_SEED from the environment, else a fixed one; printed, so that a
 *  failure can be replayed. */
static inline uint64_t test_seed(void)
{
	const char *env = getenv("SIXGATE_TEST_SEED");
	uint64_t seed = env ? strtoull(env, NULL, 0) : 20260101;

	print_message("SIXGATE_TEST_SEED=%llu\n", (unsigned long long)seed);
	return seed ? seed : 1;
}

/** rnd() - xorshift64*. */
static inline uint64_t rnd(uint64_t *s)
{
	*s ^= *s >> 12;
	*s ^= *s << 25;
	*s ^= *s >> 27;
	return *s * 0x2545f4914f6cdd1d;
}
