/* test.h - what every unit test includes first: cmocka and its prerequisites, and a seeded generator. */
#pragma once
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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

/** fresh_memory() - @n bytes in small pages, none of which is there yet. */
static inline void *fresh_memory(size_t n)
{
	void *mem = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(mem, MAP_FAILED);
	madvise(mem, n, MADV_NOHUGEPAGE);
	return mem;
}

/** resident() - bytes of it that are there, in whole pages. @mem: at the start of one. */
static inline size_t resident(void *mem, size_t size)
{
	size_t pages = (size + 4095) / 4096, n = 0;
	unsigned char *in = malloc(pages);

	assert_non_null(in);
	assert_int_equal(mincore(mem, size, in), 0);
	for (size_t i = 0; i < pages; i++)
		n += in[i] & 1;
	free(in);
	return n * 4096;
}
