/* xsk.h - one AF_XDP socket as a worker sees it: four rings in memory that the kernel shares. */
#pragma once
#include <linux/if_xdp.h>
#include <sys/socket.h>
#include "sixgate/io/xdp.h"

#ifndef AF_XDP
#define AF_XDP 44
#endif
#ifndef SOL_XDP
#define SOL_XDP 283
#endif
#ifndef XDP_USE_SG /* Linux 6.6 */
#define XDP_USE_SG (1 << 4)
#endif
#ifndef XDP_PKT_CONTD
#define XDP_PKT_CONTD (1 << 0)
#endif

/**
 * struct xsk_ring - single producer, single consumer; we are one of them
 * @at: our own place; the other's is read from @producer or @consumer
 */
struct xsk_ring {
	uint32_t *producer, *consumer, *flags;
	void *descriptor;
	uint32_t at, mask;
	void *map;
	size_t map_bytes;
};

/** struct xsk - @unsent: descriptors that the kernel has not been told of, or has not taken */
struct xsk {
	struct xdp_socket socket;
	struct xsk_ring rx, fill, tx, done;
	bool unsent;
};

/** xsk__map() - the rings of @socket. Return: 0 or negative errno; nothing stays mapped then. */
int xsk__map(struct xsk *x, const struct xdp_socket *socket);
void xsk__unmap(struct xsk *x);

/** xsk__filled() - entries that wait for us in a ring that the kernel fills. */
static inline uint32_t xsk__filled(const struct xsk_ring *r)
{
	return __atomic_load_n(r->producer, __ATOMIC_ACQUIRE) - r->at;
}

/** xsk__room() - free entries in a ring that we fill. */
static inline uint32_t xsk__room(const struct xsk_ring *r)
{
	return r->mask + 1 - (r->at - __atomic_load_n(r->consumer, __ATOMIC_ACQUIRE));
}

/** xsk__took(), xsk__gave() - tell the kernel how far we are. */
static inline void xsk__took(struct xsk_ring *r)
{
	__atomic_store_n(r->consumer, r->at, __ATOMIC_RELEASE);
}

static inline void xsk__gave(struct xsk_ring *r)
{
	__atomic_store_n(r->producer, r->at, __ATOMIC_RELEASE);
}

static inline struct xdp_desc *xsk__packet(const struct xsk_ring *r, uint32_t i)
{
	return (struct xdp_desc *)r->descriptor + (i & r->mask);
}

static inline uint64_t *xsk__frame(const struct xsk_ring *r, uint32_t i)
{
	return (uint64_t *)r->descriptor + (i & r->mask);
}

/** xsk__kick() - have the kernel send what is in @x->tx. */
void xsk__kick(struct xsk *x);

/** xsk__wake_fill() - a driver that sleeps for want of frames is told that there are some. */
void xsk__wake_fill(const struct xsk *x);
