/* listen_udp.c - queries in batches, answers in batches. An answer leaves from the address that its
 * query came to (RFC 1123 6.1.3.2 and common sense: else the client drops it). */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "sixgate/base/must.h"
#include "io.h"

static void queue(struct udp_listener *l, const struct client *c, size_t len)
{
	if (tx__add(&l->tx, c, len))
		udp__flush(l);
}

static void reply(struct via *v, const struct client *c, const uint8_t *wire, size_t len)
{
	struct udp_listener *l = (struct udp_listener *)v;

	must(l->n_open > 0);
	l->n_open--;
	if (!len)
		return;
	must(len <= DNS_UDP_PAYLOAD);
	memcpy(l->tx.wire[l->tx.n], wire, len);
	queue(l, c, len);
}

void udp__flush(struct udp_listener *l)
{
	uint64_t lost = l->tx.n_lost;

	tx__send(&l->tx, l->fd, uv_now(l->d->loop));
	counter_add(&l->d->stats.replies_lost, l->tx.n_lost - lost);
}

static bool read_pktinfo(struct msghdr *h, struct in6_pktinfo *out)
{
	for (struct cmsghdr *cm = CMSG_FIRSTHDR(h); cm; cm = CMSG_NXTHDR(h, cm))
		if (cm->cmsg_level == IPPROTO_IPV6 && cm->cmsg_type == IPV6_PKTINFO) {
			memcpy(out, CMSG_DATA(cm), sizeof(*out));
			return true;
		}
	return false;
}

static void take(struct udp_listener *l, unsigned i)
{
	struct client c = { .via = &l->via };
	struct dns64 *d = l->d;
	struct mmsghdr *h = &d->rx.header[i];
	size_t answered;

	counter_add(&d->stats.queries_udp, 1);
	if (h->msg_hdr.msg_flags & MSG_TRUNC ||
	    h->msg_hdr.msg_namelen != sizeof(struct sockaddr_in6) ||
	    !read_pktinfo(&h->msg_hdr, &c.local)) {
		counter_add(&d->stats.malformed, 1);
		return;
	}
	if (!io__inside(d, c.local.ipi6_ifindex)) {
		counter_add(&d->stats.not_inside, 1);
		return;
	}
	memcpy(&c.peer, h->msg_hdr.msg_name, sizeof(c.peer));
	if (c.peer.sin6_port == 0) { /* nowhere to answer to */
		counter_add(&d->stats.malformed, 1);
		return;
	}
	answered = resolver__hit_say(&d->rx.hit[i], &c, l->tx.wire[l->tx.n]);
	if (answered) {
		queue(l, &c, answered);
		return;
	}
	l->n_open++;
	resolver__query(d->resolver, &c, h->msg_hdr.msg_iov->iov_base, h->msg_len);
}

static unsigned serve(struct udp_listener *l, int flags)
{
	struct dns64 *d = l->d;
	unsigned n = io__rx(d, l->fd, flags);

	if (flags == MSG_WAITFORONE)
		uv_update_time(d->loop);
	io__tell_time(d);
	for (unsigned i = 0; i < n; i++)
		resolver__hit_read(d->resolver, d->rx.wire[i], d->rx.header[i].msg_len,
				   &d->rx.hit[i]);
	for (unsigned i = 0; i < n; i++)
		resolver__hit_fetch(&d->rx.hit[i]);
	for (unsigned i = 0; i < n; i++)
		take(l, i);
	udp__flush(l);
	gather__served(&d->gather, (struct batch_read){ n, UDP_BATCH }, uv_hrtime());
	return n;
}

/* Nobody waits for anything but the next query: no upstream is asked, no other listener or connection
 * is there. New ones, and orders, wait LINGER_WAIT_US longer (or a tick of the kernel). */
static bool is_alone(const struct udp_listener *l)
{
	const struct dns64 *d = l->d;

	return d->udp == l && !l->next && !d->n_clients && !l->n_open &&
	       resolver__next(d->resolver) == UINT64_MAX;
}

/* The next queries, gathered or as soon as there is one. */
static unsigned serve_next(struct udp_listener *l)
{
	if (!io__nap(l->d))
		return serve(l, MSG_WAITFORONE);
	uv_update_time(l->d->loop);
	return serve(l, MSG_DONTWAIT);
}

/* Under load the next query is here before the loop has been round: it is waited for where it comes,
 * which spares the loop's share of a turn. */
static void linger(struct udp_listener *l)
{
	bool busy = uv_hrtime() - l->served_ns < LINGER_NS;

	for (unsigned round = 0; busy && round < LINGER_ROUNDS && is_alone(l); round++)
		busy = serve_next(l) > 0;
	l->served_ns = uv_hrtime();
}

static void on_poll(uv_poll_t *p, int status, int events)
{
	struct udp_listener *l = p->data;

	(void)events;
	if (status < 0)
		io__poll_again(p, l->fd, on_poll);
	for (unsigned round = 0; round < UDP_ROUNDS; round++)
		if (serve(l, MSG_DONTWAIT) < UDP_BATCH)
			break;
	linger(l);
}

/* What is read from the loop says that it does not wait; what lingers waits for a moment. */
static void allow_waiting(int fd)
{
	const struct timeval moment = { .tv_usec = LINGER_WAIT_US };
	int flags = fcntl(fd, F_GETFL);

	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &moment, sizeof(moment)) == 0 && flags >= 0)
		fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
}

struct udp_listener *udp__new(struct dns64 *d, int fd)
{
	struct udp_listener *l = calloc(1, sizeof(*l));
	int rc;

	if (!l)
		return NULL;
	rc = uv_poll_init(d->loop, &l->poll, fd);
	if (rc) {
		free(l);
		errno = -rc;
		return NULL;
	}
	allow_waiting(fd);
	d->n_handles++;
	l->poll.data = l;
	l->via.reply = reply;
	l->d = d;
	l->fd = fd;
	l->tx.with_local = io__is_wildcard(fd);
	l->borrowed = true;
	return l;
}

void udp__start(struct udp_listener *l)
{
	l->borrowed = false;
	must(uv_poll_start(&l->poll, UV_READABLE, on_poll) == 0);
}

void udp__leave(struct udp_listener *l)
{
	l->leaving = true;
	uv_poll_stop(&l->poll);
}

static void on_close(uv_handle_t *h)
{
	struct udp_listener *l = h->data;
	struct dns64 *d = l->d;

	free(l);
	io__handle_gone(d);
}

void udp__close(struct udp_listener *l)
{
	uv_poll_stop(&l->poll);
	uv_close((uv_handle_t *)&l->poll, on_close);
	if (!l->borrowed)
		close(l->fd);
}
