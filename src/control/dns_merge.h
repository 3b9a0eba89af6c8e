/*
 * dns_merge.h - what several DNS64 threads tell of one question, as one story: what they agree in is
 * said once, what they differ in with who says it. Each remembers for itself, so they do differ.
 */
#pragma once
#include "sixgate/dns64/see.h"

/** struct dns_merge - @told: borrowed, @n of them; @at: the next line of each. */
struct dns_merge {
	const struct dns64_told *told[DNS64_THREADS_MAX];
	unsigned n, at[DNS64_THREADS_MAX];
};

/** dns_merge__line() - the next line. @who: bit i: told[i] says it. Return: NULL: all is said. */
const char *dns_merge__line(struct dns_merge *m, uint32_t *who);

/** dns_merge__answer() - the next answer that is another one than all before, and whose it is.
 *  @done: bits of whose answers have been returned, 0 at first; grows. Return: NULL: there is no other. */
const struct dns64_told *dns_merge__answer(const struct dns_merge *m, uint32_t *done, uint32_t *who);
