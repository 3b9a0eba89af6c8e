/*
 * xdp.c - the port on AF_XDP sockets, with a TUN port beside it for all that takes the way through the
 * kernel.
 *
 * Theory of operation. All sockets of a worker use one memory of frames. A frame is always in one
 * place: free, in a fill ring (the kernel may write it), lent for a batch, or in a transmit ring until
 * its completion. A packet leaves from the frame it came in; the room before it takes the longer header
 * and the Ethernet header. Packets that the pipeline made are copied into a free one. Long ones, which
 * come in several frames, are put together elsewhere and taken apart again: they are worth a copy.
 *
 * A packet here has passed no forwarding code of the kernel, so this port does what that would do:
 * it counts hops, checks the MTU, and finds the next hop (hops.h). Where it cannot, the packet is
 * given to the kernel by the TUN port, which knows better: it resolves neighbours, cuts, and reports.
 */
#include "sixgate/io/xdp.h"
#include <errno.h>
#include <net/ethernet.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "forwarded.h"
#include "sixgate/base/must.h"
#include "xsk.h"

enum {
	KNOWN = 1024,           /* destinations in the cache */
	TUN_TURN = 16,          /* every so many calls, packets from TUN come first */
	COPY_AT = 256,          /* where a copied packet begins in its frame */
	RESERVE = 256,          /* frames kept for packets that the pipeline makes */
	LONG_MAX = 32,          /* long packets in a batch */
	FRAME_SHIFT = 11
};
_Static_assert(1 << FRAME_SHIFT == XDP_FRAME_BYTES, "frames have one size");

/** struct known - a destination and where it goes; @xsk NULL: to the kernel */
struct known {
	struct addr dst;
	struct xsk *xsk;
	uint32_t mtu, mark;
	uint8_t ethernet[HOPS_ETHERNET - 2];
	bool valid;
};

/**
 * struct xdp_port
 * @free:  [@n_frames] stack of frames, the last one used on top
 * @lent:  frames of the batch that is out; @sent: per frame: it is in a transmit ring
 * @fresh: hops that the control thread has published; @seen: those that are used
 * @marks: which neighbours are in use; read by the parent
 * @whole: [LONG_MAX] long packets of the batch that is out, each with PACKET_HEADROOM before it; NULL
 *         when no socket has any
 */
struct xdp_port {
	struct port port;
	struct port *tun;
	uint8_t *mem;
	uint32_t n_frames, n_free, *free;
	uint8_t *sent;
	uint32_t lent[BATCH_MAX];
	uint16_t n_lent;
	unsigned n, turn;
	_Atomic(const struct hops *) fresh, seen;
	const struct hops *hops;
	uint8_t *marks;
	uint8_t (*whole)[PACKET_HEADROOM + XDP_LONG_BYTES];
	unsigned n_whole;
	struct known known[KNOWN];
	struct xsk xsk[XDP_SHARE_SOCKETS_MAX];
};

/* ---- frames ---- */

static void free_lent(struct xdp_port *x)
{
	for (uint16_t i = 0; i < x->n_lent; i++)
		if (!x->sent[x->lent[i]])
			x->free[x->n_free++] = x->lent[i];
	x->n_lent = 0;
	x->n_whole = 0;
}

static void take_completed(struct xdp_port *x, struct xsk *s)
{
	uint32_t n = xsk__filled(&s->done);

	if (n == 0)
		return;
	while (n--) {
		uint32_t frame = (uint32_t)(*xsk__frame(&s->done, s->done.at++) >> FRAME_SHIFT);

		must(frame < x->n_frames && x->sent[frame]);
		x->sent[frame] = 0;
		x->free[x->n_free++] = frame;
	}
	xsk__took(&s->done);
}

static void fill(struct xdp_port *x, struct xsk *s)
{
	uint32_t n = xsk__room(&s->fill);

	if (x->n_free <= RESERVE)
		return;
	if (n > x->n_free - RESERVE)
		n = x->n_free - RESERVE;
	if (n == 0)
		return;
	while (n--)
		*xsk__frame(&s->fill, s->fill.at++) = (uint64_t)x->free[--x->n_free] << FRAME_SHIFT;
	xsk__gave(&s->fill);
	xsk__wake_fill(s);
}

/* ---- in ---- */

static void take_hops(struct xdp_port *x)
{
	const struct hops *h = atomic_load_explicit(&x->fresh, memory_order_acquire);

	if (likely(h == x->hops))
		return;
	x->hops = h;
	for (unsigned i = 0; i < KNOWN; i++)
		x->known[i].valid = false;
	atomic_store_explicit(&x->seen, h, memory_order_release);
}

/* Return: false for what is no IP packet after all. */
static bool admit(const struct xsk *s, struct packet *p)
{
	p->off = (struct offload){ .gso = GSO_NONE };
	p->side = s->socket.side;
	if (!forwarded__is_ip(p) || forwarded__hops(p) <= 1)
		return false;
	if (s->socket.flags & XDP_FLAG_UNFINISHED)
		forwarded__note_unfinished(p);
	forwarded__count_hop(p->data);
	return true;
}

static uint32_t frame_of(const struct xdp_port *x, const struct xdp_desc *d)
{
	const uint32_t at = (uint32_t)(d->addr & (XDP_FRAME_BYTES - 1));
	const uint32_t frame = (uint32_t)(d->addr >> FRAME_SHIFT);

	must(frame < x->n_frames && at + d->len <= XDP_FRAME_BYTES);
	return frame;
}

/* Return: false for what is no packet of ours: the frame goes back at the end of the batch. */
static bool lend(struct xdp_port *x, const struct xsk *s, const struct xdp_desc *d, struct packet *p)
{
	x->lent[x->n_lent++] = frame_of(x, d);
	if (d->len <= HOPS_ETHERNET)
		return false;
	p->data = x->mem + d->addr + HOPS_ETHERNET;
	p->len = d->len - HOPS_ETHERNET;
	p->headroom = (uint32_t)(d->addr & (XDP_FRAME_BYTES - 1)) + HOPS_ETHERNET;
	p->room = XDP_FRAME_BYTES - p->headroom;
	return admit(s, p);
}

/* Return: how many of the @n frames that have come in make up the first packet; 0 if it is not whole. */
static uint32_t frames_of_packet(const struct xsk *s, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (!(xsk__packet(&s->rx, s->rx.at + i)->options & XDP_PKT_CONTD))
			return i + 1;
	return 0;
}

/* A packet of @n frames, which are free then. Return: false for what is none of ours. */
static bool put_together(struct xdp_port *x, struct xsk *s, uint32_t n, struct packet *p)
{
	uint8_t *to = x->whole[x->n_whole];
	uint32_t at = PACKET_HEADROOM - HOPS_ETHERNET; /* where the IP header begins is aligned */

	while (n--) {
		const struct xdp_desc *d = xsk__packet(&s->rx, s->rx.at++);

		x->free[x->n_free++] = frame_of(x, d);
		if (at + d->len <= sizeof(*x->whole))
			memcpy(to + at, x->mem + d->addr, d->len);
		at += d->len;
	}
	if (at <= PACKET_HEADROOM || at > sizeof(*x->whole))
		return false;
	x->n_whole++;
	p->data = to + PACKET_HEADROOM;
	p->len = at - PACKET_HEADROOM;
	p->headroom = PACKET_HEADROOM;
	p->room = XDP_LONG_BYTES;
	return admit(s, p);
}

/* Those that are whole; others, and what there is no room for, wait. */
static void receive_long(struct xdp_port *x, struct xsk *s, struct batch *b, uint16_t max)
{
	uint32_t n = xsk__filled(&s->rx), frames;

	while (max-- && x->n_whole < LONG_MAX && (frames = frames_of_packet(s, n))) {
		if (n > 4)
			__builtin_prefetch(x->mem + xsk__packet(&s->rx, s->rx.at + 4)->addr +
					   HOPS_ETHERNET);
		n -= frames;
		if (frames == 1 ? lend(x, s, xsk__packet(&s->rx, s->rx.at++), &b->packet[b->n])
				: put_together(x, s, frames, &b->packet[b->n]))
			b->n++;
	}
	xsk__took(&s->rx);
}

static void receive(struct xdp_port *x, struct xsk *s, struct batch *b, uint16_t max)
{
	uint32_t n = xsk__filled(&s->rx);

	if (n > max)
		n = max;
	if (n == 0)
		return;
	for (uint32_t i = 0; i < n && i < 4; i++)
		__builtin_prefetch(x->mem + xsk__packet(&s->rx, s->rx.at + i)->addr + HOPS_ETHERNET);
	while (n--) {
		const struct xdp_desc *d = xsk__packet(&s->rx, s->rx.at++);

		if (n >= 4)
			__builtin_prefetch(x->mem + xsk__packet(&s->rx, s->rx.at + 3)->addr +
					   HOPS_ETHERNET);
		if (lend(x, s, d, &b->packet[b->n]))
			b->n++;
	}
	xsk__took(&s->rx);
}

static void prepare(struct xdp_port *x)
{
	free_lent(x);
	take_hops(x);
	for (unsigned i = 0; i < x->n; i++) {
		struct xsk *s = &x->xsk[i];

		if (s->unsent)
			xsk__kick(s);
		take_completed(x, s);
		fill(x, s);
	}
}

/* TUN is looked at when the sockets have nothing, and now and then when they have. */
static bool xdp_rx(struct port *port, struct batch *b)
{
	struct xdp_port *x = (struct xdp_port *)port;
	const uint16_t share = (uint16_t)(BATCH_MAX / x->n);

	prepare(x);
	b->n = 0;
	if (unlikely(++x->turn % TUN_TURN == 0)) {
		if (!x->tun->ops->rx(x->tun, b))
			return false;
		if (b->n)
			return true;
	}
	for (unsigned i = 0; i < x->n; i++)
		(x->whole ? receive_long : receive)(x, &x->xsk[i], b, share);
	x->port.n_rx_direct += b->n;
	return b->n ? true : x->tun->ops->rx(x->tun, b);
}

/* ---- out ---- */

static struct xsk *socket_of(struct xdp_port *x, int32_t ifindex)
{
	for (unsigned i = 0; i < x->n; i++)
		if (x->xsk[i].socket.ifindex == ifindex)
			return &x->xsk[i];
	return NULL;
}

static void learn(struct xdp_port *x, struct known *k, const struct addr *dst)
{
	struct hop hop;

	*k = (struct known){ .dst = *dst, .valid = true };
	if (!hops_find(x->hops, dst, &hop))
		return;
	k->xsk = socket_of(x, hop.interface->ifindex);
	k->mtu = hop.mtu;
	k->mark = hops_mark(&hop.neighbour->addr, hop.interface->ifindex);
	memcpy(k->ethernet, hop.neighbour->mac, 6);
	memcpy(k->ethernet + 6, hop.interface->mac, 6);
}

static const struct known *look_up(struct xdp_port *x, const struct addr *dst)
{
	uint64_t mixed = (dst->word[0] ^ dst->word[1]) * 0x9e3779b97f4a7c15ull;
	struct known *k = &x->known[mixed >> 54];

	_Static_assert(KNOWN == 1 << 10, "the top ten bits");
	if (unlikely(!k->valid || !addr_equal(&k->dst, dst)))
		learn(x, k, dst);
	return k;
}

/* 192.0.0.0/29 stands for the shared address, which the kernel puts back. */
static bool is_alias(const struct packet *p)
{
	return p->data[0] >> 4 == 4 && (load32(p->data + 12) & ~7u) == 0xc0000000;
}

/* Return: NULL when the packet is to go through the kernel. */
static const struct known *way_of(struct xdp_port *x, const struct packet *p)
{
	const struct known *k;
	struct addr dst;

	if (!x->hops || p->off.gso != GSO_NONE || p->len > XDP_LONG_BYTES - HOPS_ETHERNET || !forwarded__is_ip(p) ||
	    is_alias(p))
		return NULL;
	dst = p->data[0] >> 4 == 4 ? addr_from_v4(p->data + 16) : addr_from_v6(p->data + 24);
	k = look_up(x, &dst);
	if (!k->xsk || p->len > k->mtu || forwarded__hops(p) <= 1)
		return NULL;
	if (p->len > XDP_FRAME_BYTES - COPY_AT && !(k->xsk->socket.flags & XDP_FLAG_LONG))
		return NULL;
	__atomic_store_n(&x->marks[k->mark], 1, __ATOMIC_RELAXED);
	return k;
}

/* Where the packet stands in the frames, brought there if it does not. Return: UINT64_MAX without a
 * free frame. */
static uint64_t place(struct xdp_port *x, const struct packet *p)
{
	uint64_t at = (uint64_t)(p->data - x->mem);

	if (likely(p->data >= x->mem && at < (uint64_t)x->n_frames << FRAME_SHIFT &&
		   p->headroom >= HOPS_ETHERNET))
		return at;
	if (x->n_free == 0)
		return UINT64_MAX;
	at = ((uint64_t)x->free[--x->n_free] << FRAME_SHIFT) + COPY_AT;
	memcpy(x->mem + at, p->data, p->len);
	return at;
}

static void finish(const struct packet *p, uint8_t *ip)
{
	struct packet there = { .data = ip, .len = p->len, .off = p->off };

	packet_finish_checksum(&there);
}

static void write_ethernet(uint8_t *at, const struct known *k, const uint8_t *ip)
{
	memcpy(at, k->ethernet, sizeof(k->ethernet));
	store16(at + sizeof(k->ethernet), ip[0] >> 4 == 4 ? ETHERTYPE_IP : ETHERTYPE_IPV6);
}

static void send_frame(struct xdp_port *x, struct xsk *s, uint64_t at, uint32_t len, uint32_t options)
{
	*xsk__packet(&s->tx, s->tx.at++) =
		(struct xdp_desc){ .addr = at, .len = len, .options = options };
	x->sent[at >> FRAME_SHIFT] = 1;
	s->unsent = true;
}

static bool send_direct(struct xdp_port *x, const struct known *k, const struct packet *p)
{
	struct xsk *s = k->xsk;
	const uint64_t at = xsk__room(&s->tx) ? place(x, p) : UINT64_MAX;
	uint8_t *ip = x->mem + at;

	if (unlikely(at == UINT64_MAX))
		return false;
	forwarded__count_hop(ip);
	if (p->off.csum_partial)
		finish(p, ip);
	write_ethernet(ip - HOPS_ETHERNET, k, ip);
	send_frame(x, s, at - HOPS_ETHERNET, p->len + HOPS_ETHERNET, 0);
	x->port.n_tx_direct++;
	return true;
}

/* In as many frames as it takes, the Ethernet header in the first. */
static bool send_long(struct xdp_port *x, const struct known *k, const struct packet *p)
{
	struct xsk *s = k->xsk;
	const uint8_t *from = p->data;
	uint32_t left = p->len, head = HOPS_ETHERNET;
	const uint32_t n = (head + left + XDP_FRAME_BYTES - 1) / XDP_FRAME_BYTES;

	if (xsk__room(&s->tx) < n || x->n_free < n)
		return false;
	forwarded__count_hop(p->data);
	if (p->off.csum_partial)
		finish(p, p->data);
	while (left) {
		const uint64_t at = (uint64_t)x->free[--x->n_free] << FRAME_SHIFT;
		const uint32_t now = left < XDP_FRAME_BYTES - head ? left : XDP_FRAME_BYTES - head;

		if (head)
			write_ethernet(x->mem + at, k, p->data);
		memcpy(x->mem + at + head, from, now);
		from += now;
		left -= now;
		send_frame(x, s, at, head + now, left ? XDP_PKT_CONTD : 0);
		head = 0;
	}
	x->port.n_tx_direct++;
	return true;
}

static void send_all(struct xdp_port *x)
{
	for (unsigned i = 0; i < x->n; i++) {
		struct xsk *s = &x->xsk[i];

		if (!s->unsent)
			continue;
		xsk__gave(&s->tx);
		xsk__kick(s);
	}
}

static void xdp_tx(struct port *port, const struct packet *p, uint16_t n, struct port_counts *c)
{
	struct xdp_port *x = (struct xdp_port *)port;

	for (const struct packet *end = p + n; p < end; p++) {
		const struct known *k;

		if (p->verdict.next != VERDICT_FORWARD)
			continue;
		k = way_of(x, p);
		if (unlikely(!k)) {
			x->tun->ops->tx(x->tun, p, 1, c);
			continue;
		}
		if (!(p->len > XDP_FRAME_BYTES - COPY_AT ? send_long : send_direct)(x, k, p))
			c->n_full++;
	}
	send_all(x);
}

static int xdp_fds(const struct port *port, int *fd, int max)
{
	const struct xdp_port *x = (const struct xdp_port *)port;
	int n = x->tun->ops->fds(x->tun, fd, max);

	must(n + (int)x->n <= max);
	for (unsigned i = 0; i < x->n; i++)
		fd[n++] = x->xsk[i].socket.fd;
	return n;
}

/* ---- life ---- */

static size_t bytes_of(uint32_t n_frames)
{
	return ((size_t)n_frames << FRAME_SHIFT) + HOPS_MARKS;
}

static void xdp_port_close(struct port *port)
{
	struct xdp_port *x = (struct xdp_port *)port;

	x->tun->ops->close(x->tun);
	for (unsigned i = 0; i < x->n; i++) {
		xsk__unmap(&x->xsk[i]);
		close(x->xsk[i].socket.fd);
	}
	if (x->mem)
		munmap(x->mem, bytes_of(x->n_frames));
	free(x->whole);
	free(x->free);
	free(x->sent);
	free(x);
}

static const struct port_ops xdp_ops = {
	.name = "xdp",
	.rx = xdp_rx,
	.tx = xdp_tx,
	.fds = xdp_fds,
	.close = xdp_port_close,
};

static int map_frames(struct xdp_port *x, const struct xdp_share *share)
{
	void *mem = mmap(NULL, bytes_of(share->n_frames), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_POPULATE, share->memory, 0);

	if (mem == MAP_FAILED)
		return -errno;
	x->mem = mem;
	x->n_frames = share->n_frames;
	x->marks = x->mem + ((size_t)x->n_frames << FRAME_SHIFT);
	x->free = calloc(x->n_frames, sizeof(*x->free));
	x->sent = calloc(x->n_frames, sizeof(*x->sent));
	if (!x->free || !x->sent)
		return -ENOMEM;
	if (share->socket[0].flags & XDP_FLAG_LONG)
		x->whole = calloc(LONG_MAX, sizeof(*x->whole));
	if (share->socket[0].flags & XDP_FLAG_LONG && !x->whole)
		return -ENOMEM;
	while (x->n_free < x->n_frames) {
		x->free[x->n_free] = x->n_frames - 1 - x->n_free;
		x->n_free++;
	}
	return 0;
}

int xdp_port_new(struct port **out, const struct xdp_share *share, struct port *tun, struct err *e)
{
	struct xdp_port *x = calloc(1, sizeof(*x));
	unsigned n = 0;
	int rc = x ? 0 : -ENOMEM;

	if (x) {
		x->port.ops = &xdp_ops;
		x->tun = tun;
		rc = map_frames(x, share);
	}
	close(share->memory);
	for (; rc == 0 && n < share->n; n++) {
		rc = xsk__map(&x->xsk[n], &share->socket[n]);
		x->n += rc == 0;
	}
	if (rc == 0) {
		*out = &x->port;
		return 0;
	}
	for (n = x ? x->n : 0; n < share->n; n++)
		close(share->socket[n].fd);
	if (x)
		xdp_port_close(&x->port);
	else
		tun->ops->close(tun);
	return err_set(e, rc, "AF_XDP rings: %s", strerror(-rc));
}

bool xdp_port_is(const struct port *port)
{
	return port->ops == &xdp_ops;
}

void xdp_port_set_hops(struct port *port, const struct hops *h)
{
	struct xdp_port *x = (struct xdp_port *)port;

	atomic_store_explicit(&x->fresh, h, memory_order_release);
}

const struct hops *xdp_port_sees(const struct port *port)
{
	const struct xdp_port *x = (const struct xdp_port *)port;

	return atomic_load_explicit(&x->seen, memory_order_acquire);
}
