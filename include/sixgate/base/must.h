/* must.h - invariants of our own code. Always on; never for what the wire or a file brings. */
#pragma once
#include <stdlib.h>

#define must(cond) ((cond) ? (void)0 : abort())

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* The straight line of an ordinary packet is one function; what leaves it is out of its way. */
#define ALWAYS_INLINE inline __attribute__((always_inline))
#define SELDOM        __attribute__((cold, noinline))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
