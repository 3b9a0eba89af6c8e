/* counter.h - counters that the packet path can afford. */
#pragma once
#include <stdatomic.h>
#include <stdint.h>

/* One writer (the owning worker), any number of readers: a relaxed load and store are plain moves,
 * without a lock prefix and without a data race. Monotonic: never reset. */
typedef struct { _Atomic uint64_t v; } counter64;

static inline void counter_add(counter64 *c, uint64_t n)
{
	uint64_t v = atomic_load_explicit(&c->v, memory_order_relaxed);

	atomic_store_explicit(&c->v, v + n, memory_order_relaxed);
}

/** counter_set() - for gauges kept by the owner (entries in use). */
static inline void counter_set(counter64 *c, uint64_t n)
{
	atomic_store_explicit(&c->v, n, memory_order_relaxed);
}

static inline uint64_t counter_read(const counter64 *c)
{
	return atomic_load_explicit(&c->v, memory_order_relaxed);
}
