/* spsc.h - ring of 32-bit handles between one writer thread and one reader thread, no locks. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/**
 * struct spsc - positions of a ring; the slots are the caller's array of @n (a power of two)
 */
struct spsc {
	_Alignas(64) _Atomic uint32_t head; /* written by the writer only */
	_Alignas(64) _Atomic uint32_t tail; /* written by the reader only */
	uint32_t n;
};

static inline void spsc_init(struct spsc *r, uint32_t n)
{
	atomic_init(&r->head, 0);
	atomic_init(&r->tail, 0);
	r->n = n;
}

/** spsc_begin_write() - Return: slot index to fill, or UINT32_MAX when full. */
static inline uint32_t spsc_begin_write(struct spsc *r)
{
	uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);

	return head - tail == r->n ? UINT32_MAX : (head & (r->n - 1));
}

static inline void spsc_commit_write(struct spsc *r)
{
	uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);

	atomic_store_explicit(&r->head, head + 1, memory_order_release);
}

/** spsc_begin_read() - Return: slot index to read, or UINT32_MAX when empty. */
static inline uint32_t spsc_begin_read(struct spsc *r)
{
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
	uint32_t head = atomic_load_explicit(&r->head, memory_order_acquire);

	return head == tail ? UINT32_MAX : (tail & (r->n - 1));
}

static inline void spsc_commit_read(struct spsc *r)
{
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

	atomic_store_explicit(&r->tail, tail + 1, memory_order_release);
}
