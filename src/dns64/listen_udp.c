/* listen_udp.c - queries in batches, answers in batches. An answer leaves from the address that its
 * query came to (RFC 1123 6.1.3.2 and common sense: else the client drops it). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "sixgate/base/must.h"
#include "io.h"

static void reply(struct via *v, const struct client *c, const uint8_t *wire, size_t len)
{
	struct udp_listener *l = (struct udp_listener *)v;
	struct udp_reply *r;

	must(l->n_open > 0);
	l->n_open--;
	if (!len)
		return;
	must(len <= sizeof(r->wire));
	if (l->n_queued == UDP_QUEUE)
		udp__flush(l);
	r = &l->queue[l->n_queued++];
	r->client = *c;
	r->len = len;
	memcpy(r->wire, wire, len);
}

/* The address and, for link-local clients, the interface to send from. */
static void put_pktinfo(struct msghdr *h, const struct client *c, void *control, size_t size)
{
	struct in6_pktinfo info = c->local;
	struct cmsghdr *cm;

	if (!IN6_IS_ADDR_LINKLOCAL(&c->peer.sin6_addr))
		info.ipi6_ifindex = 0; /* routing knows better */
	h->msg_control = control;
	h->msg_controllen = size;
	cm = CMSG_FIRSTHDR(h);
	cm->cmsg_level = IPPROTO_IPV6;
	cm->cmsg_type = IPV6_PKTINFO;
	cm->cmsg_len = CMSG_LEN(sizeof(info));
	memcpy(CMSG_DATA(cm), &info, sizeof(info));
}

/* What the kernel does not take now is lost: the client asks again. One bad destination must not
 * keep the others from being sent. */
static void send_all(struct udp_listener *l, struct mmsghdr *h, unsigned n)
{
	unsigned done = 0;

	while (done < n) {
		int sent = sendmmsg(l->fd, h + done, n - done, MSG_DONTWAIT);

		if (sent > 0) {
			done += (unsigned)sent;
			continue;
		}
		if (errno == EINTR)
			continue;
		counter_add(&l->d->stats.replies_lost, 1);
		done++;
	}
}

void udp__flush(struct udp_listener *l)
{
	struct mmsghdr h[UDP_QUEUE];
	struct iovec iov[UDP_QUEUE];
	_Alignas(struct cmsghdr) uint8_t control[UDP_QUEUE][CMSG_SPACE(sizeof(struct in6_pktinfo))];

	if (!l->n_queued)
		return;
	memset(control, 0, sizeof(control));
	for (unsigned i = 0; i < l->n_queued; i++) {
		struct udp_reply *r = &l->queue[i];

		iov[i] = (struct iovec){ r->wire, r->len };
		h[i] = (struct mmsghdr){ .msg_hdr = { .msg_name = &r->client.peer,
						      .msg_namelen = sizeof(r->client.peer),
						      .msg_iov = &iov[i],
						      .msg_iovlen = 1 } };
		put_pktinfo(&h[i].msg_hdr, &r->client, control[i], sizeof(control[i]));
	}
	send_all(l, h, l->n_queued);
	l->n_queued = 0;
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

static void take(struct udp_listener *l, struct mmsghdr *h)
{
	struct client c = { .via = &l->via };
	struct dns64 *d = l->d;

	counter_add(&d->stats.queries_udp, 1);
	if (h->msg_hdr.msg_flags & MSG_TRUNC ||
	    h->msg_hdr.msg_namelen != sizeof(struct sockaddr_in6) ||
	    !read_pktinfo(&h->msg_hdr, &c.local)) {
		counter_add(&d->stats.malformed, 1);
		return;
	}
	if (l->wildcard && !io__inside(d, c.local.ipi6_ifindex)) {
		counter_add(&d->stats.not_inside, 1);
		return;
	}
	memcpy(&c.peer, h->msg_hdr.msg_name, sizeof(c.peer));
	if (c.peer.sin6_port == 0) { /* nowhere to answer to */
		counter_add(&d->stats.malformed, 1);
		return;
	}
	l->n_open++;
	resolver__query(d->resolver, &c, h->msg_hdr.msg_iov->iov_base, h->msg_len);
}

static void on_poll(uv_poll_t *p, int status, int events)
{
	struct udp_listener *l = p->data;
	struct dns64 *d = l->d;

	(void)events;
	if (status < 0)
		io__poll_again(p, l->fd, on_poll);
	io__tell_time(d);
	for (unsigned round = 0; round < UDP_ROUNDS; round++) {
		unsigned n = io__rx(d, l->fd, true);

		for (unsigned i = 0; i < n; i++)
			take(l, &d->rx.header[i]);
		udp__flush(l);
		if (n < UDP_BATCH)
			break;
	}
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
	d->n_handles++;
	l->poll.data = l;
	l->via.reply = reply;
	l->d = d;
	l->fd = fd;
	l->wildcard = io__is_wildcard(fd);
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
