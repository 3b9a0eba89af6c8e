/* ask_udp.c - the sockets that upstreams are asked from: a small pool, each with a port of the
 * kernel's random choice (which keeps out of ip_local_reserved_ports, where a shared NAT64 range
 * may lie), each given up after some hundred questions for one with another port. Together with
 * random ids that is what a blind spoofer has to guess (RFC 5452 9.2). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "sixgate/base/must.h"
#include "io.h"

static void on_poll(uv_poll_t *p, int status, int events)
{
	struct upstream_socket *s = p->data;
	struct dns64 *d = s->d;
	int number = s->number;

	(void)events;
	if (status < 0)
		io__poll_again(p, s->fd, on_poll);
	io__tell_time(d);
	for (unsigned round = 0; round < UDP_ROUNDS; round++) {
		unsigned n = io__rx(d, s->fd, false);

		/* An answer may retire the socket: the rest of its batch belongs to nobody. */
		for (unsigned i = 0; i < n && d->upstream[number] == s; i++) {
			const struct msghdr *h = &d->rx.header[i].msg_hdr;
			struct datagram dg = { .socket = number,
					       .from = &d->rx.from[i],
					       .wire = d->rx.wire[i],
					       .len = d->rx.header[i].msg_len };

			if (h->msg_flags & MSG_TRUNC ||
			    h->msg_namelen != sizeof(struct sockaddr_in6))
				counter_add(&d->stats.spoofed, 1);
			else
				resolver__answer(d->resolver, &dg);
		}
		if (n < UDP_BATCH || d->upstream[number] != s)
			break;
	}
}

static struct upstream_socket *open_socket(struct dns64 *d, int number)
{
	struct upstream_socket *s = calloc(1, sizeof(*s));
	struct endpoint_conf any = { .port = 0 };
	struct sockaddr_in6 sa = io__sockaddr(&any);

	if (!s)
		return NULL;
	s->fd = io__socket(SOCK_DGRAM);
	if (s->fd < 0)
		goto free_socket;
	if (bind(s->fd, (const struct sockaddr *)&sa, sizeof(sa)))
		goto close_fd;
	if (uv_poll_init(d->loop, &s->poll, s->fd))
		goto close_fd;
	d->n_handles++;
	s->poll.data = s;
	s->d = d;
	s->number = number;
	must(uv_poll_start(&s->poll, UV_READABLE, on_poll) == 0);
	return s;

close_fd:
	close(s->fd);
free_socket:
	free(s);
	return NULL;
}

static void on_close(uv_handle_t *h)
{
	struct upstream_socket *s = h->data;
	struct dns64 *d = s->d;

	free(s);
	io__handle_gone(d);
}

static void close_socket(struct upstream_socket *s)
{
	s->d->upstream[s->number] = NULL;
	uv_poll_stop(&s->poll);
	uv_close((uv_handle_t *)&s->poll, on_close);
	close(s->fd);
}

static uint32_t random_number(struct dns64 *d)
{
	d->n_random++;
	return hash_range(siphash(&d->secret, &d->n_random, sizeof(d->n_random)),
			  UPSTREAM_SOCKETS);
}

/* A random one; if that has served its time and waits for its last answers, the next one. */
int upstream__pick(void *ctx)
{
	struct dns64 *d = ctx;
	uint32_t start = random_number(d), i = start;
	struct upstream_socket *s;

	for (uint32_t n = 0; n < UPSTREAM_SOCKETS; n++) {
		i = (start + n) % UPSTREAM_SOCKETS;
		if (!d->upstream[i] || d->upstream[i]->n_asks < UPSTREAM_SOCKET_ASKS)
			break;
	}
	if (!d->upstream[i])
		d->upstream[i] = open_socket(d, (int)i);
	s = d->upstream[i];
	if (!s)
		return -EMFILE;
	s->n_asks++;
	s->n_open++;
	return (int)i;
}

int upstream__send(void *ctx, int socket, const struct endpoint_conf *to, const uint8_t *wire,
		   size_t len)
{
	struct dns64 *d = ctx;
	struct sockaddr_in6 sa = io__sockaddr(to);

	if (sendto(d->upstream[socket]->fd, wire, len, MSG_DONTWAIT | MSG_NOSIGNAL,
		   (const struct sockaddr *)&sa, sizeof(sa)) < 0)
		return -errno;
	return 0;
}

void upstream__unpick(void *ctx, int socket)
{
	struct dns64 *d = ctx;
	struct upstream_socket *s = d->upstream[socket];

	must(s && s->n_open > 0);
	if (--s->n_open == 0 && s->n_asks >= UPSTREAM_SOCKET_ASKS)
		close_socket(s);
}

void upstream__close_all(struct dns64 *d)
{
	for (int i = 0; i < UPSTREAM_SOCKETS; i++)
		if (d->upstream[i])
			close_socket(d->upstream[i]);
}
