/* xsk.c - mapping a socket's rings, and the two system calls that its use takes. */
#include "xsk.h"
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

/* The kernel sends so many packets a call in copy mode. */
enum { SENT_A_CALL = 32 };

static int map_ring(int fd, off_t at, const struct xdp_ring_offset *o, size_t entry, struct xsk_ring *r)
{
	size_t bytes = o->desc + XDP_RING * entry;
	uint8_t *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, at);

	if (map == MAP_FAILED)
		return -errno;
	*r = (struct xsk_ring){
		.producer = (void *)(map + o->producer),
		.consumer = (void *)(map + o->consumer),
		.flags = (void *)(map + o->flags),
		.descriptor = map + o->desc,
		.mask = XDP_RING - 1,
		.map = map,
		.map_bytes = bytes,
	};
	return 0;
}

int xsk__map(struct xsk *x, const struct xdp_socket *socket)
{
	struct xdp_mmap_offsets o;
	socklen_t len = sizeof(o);
	int fd = socket->fd;
	int rc;

	*x = (struct xsk){ .socket = *socket };
	if (getsockopt(fd, SOL_XDP, XDP_MMAP_OFFSETS, &o, &len) < 0)
		return -errno;
	rc = map_ring(fd, XDP_PGOFF_RX_RING, &o.rx, sizeof(struct xdp_desc), &x->rx);
	if (rc == 0)
		rc = map_ring(fd, XDP_PGOFF_TX_RING, &o.tx, sizeof(struct xdp_desc), &x->tx);
	if (rc == 0)
		rc = map_ring(fd, (off_t)XDP_UMEM_PGOFF_FILL_RING, &o.fr, sizeof(uint64_t), &x->fill);
	if (rc == 0)
		rc = map_ring(fd, (off_t)XDP_UMEM_PGOFF_COMPLETION_RING, &o.cr, sizeof(uint64_t),
			      &x->done);
	if (rc)
		xsk__unmap(x);
	return rc;
}

void xsk__unmap(struct xsk *x)
{
	struct xsk_ring *ring[] = { &x->rx, &x->tx, &x->fill, &x->done };

	for (unsigned i = 0; i < 4; i++)
		if (ring[i]->map)
			munmap(ring[i]->map, ring[i]->map_bytes);
}

static bool wants_kick(const struct xsk *x)
{
	return !(x->socket.flags & XDP_FLAG_ZEROCOPY) ||
	       __atomic_load_n(x->tx.flags, __ATOMIC_RELAXED) & XDP_RING_NEED_WAKEUP;
}

void xsk__kick(struct xsk *x)
{
	unsigned calls = XDP_RING / SENT_A_CALL + 1;

	x->unsent = false;
	if (!wants_kick(x))
		return;
	while (xsk__room(&x->tx) <= x->tx.mask) {
		/* EAGAIN after a part of them is as good as success; EBUSY is a full queue below */
		if ((sendto(x->socket.fd, NULL, 0, MSG_DONTWAIT, NULL, 0) < 0 && errno != EAGAIN) ||
		    --calls == 0) {
			x->unsent = true;
			return;
		}
		if (x->socket.flags & XDP_FLAG_ZEROCOPY)
			return;
	}
}

void xsk__wake_fill(const struct xsk *x)
{
	if (__atomic_load_n(x->fill.flags, __ATOMIC_RELAXED) & XDP_RING_NEED_WAKEUP)
		recvfrom(x->socket.fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
}
