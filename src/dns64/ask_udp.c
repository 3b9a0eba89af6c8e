/* ask_udp.c - the sockets that upstreams are asked from: a small pool, each with a port of the
 * kernel's random choice (which keeps out of ip_local_reserved_ports, where a shared NAT64 range
 * may lie), each given up after some hundred questions or some seconds for one with another port, which
 * does not wait until the answers have come.
 * Together with random ids that is what a blind spoofer has to guess (RFC 5452 9.2).
 *
 * What is asked between two sleeps of the loop, such as both legs of a name, leaves together from
 * one of them, drawn anew each time: one system call, and one for the answers. */
#include <errno.h>
#include <time.h> /* errqueue.h needs it */
#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "sixgate/base/must.h"
#include "io.h"

static void read_answers(struct dns64 *d, int number)
{
	struct upstream_socket *s = d->upstream[number];

	for (unsigned round = 0; round < UDP_ROUNDS; round++) {
		unsigned n = io__rx(d, s->fd, MSG_DONTWAIT);

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

/* Destination unreachable, but not for its size. */
static bool says_unreachable(const struct msghdr *h)
{
	struct msghdr all = *h; /* CMSG_NXTHDR wants one that may be written to */
	struct sock_extended_err ee;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(&all); c; c = CMSG_NXTHDR(&all, c)) {
		if (c->cmsg_level != IPPROTO_IPV6 || c->cmsg_type != IPV6_RECVERR ||
		    c->cmsg_len < CMSG_LEN(sizeof(ee)))
			continue;
		memcpy(&ee, CMSG_DATA(c), sizeof(ee));
		if (ee.ee_origin == SO_EE_ORIGIN_ICMP)
			return ee.ee_type == ICMP_DEST_UNREACH && ee.ee_code != ICMP_FRAG_NEEDED;
		return ee.ee_origin == SO_EE_ORIGIN_ICMP6 && ee.ee_type == ICMP6_DST_UNREACH;
	}
	return false;
}

/* What the network gives back: at most one batch, more has its turn when the loop comes again. */
static void read_errors(struct dns64 *d, int number)
{
	struct upstream_socket *s = d->upstream[number];
	unsigned n = io__rx(d, s->fd, MSG_ERRQUEUE | MSG_DONTWAIT);

	for (unsigned i = 0; i < n && d->upstream[number] == s; i++) {
		const struct msghdr *h = &d->rx.header[i].msg_hdr;
		struct datagram dg = { .socket = number,
				       .from = &d->rx.from[i],
				       .wire = d->rx.wire[i],
				       .len = d->rx.header[i].msg_len };

		if (h->msg_namelen == sizeof(struct sockaddr_in6) && says_unreachable(h))
			resolver__unreachable(d->resolver, &dg);
	}
}

/* Answers first: with one there, nobody cares what became of the question. */
static void on_poll(uv_poll_t *p, int status, int events)
{
	struct upstream_socket *s = p->data;
	struct dns64 *d = s->d;
	int number = s->number;

	(void)events;
	if (status < 0)
		io__poll_again(p, s->fd, on_poll);
	io__tell_time(d);
	read_answers(d, number);
	if (status < 0 && d->upstream[number] == s)
		read_errors(d, number);
}

/* Errors come with what they quote, of IPv4, too. Without, questions are merely given up later. */
static void want_errors(int fd)
{
	int on = 1;

	setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on));
	setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
}

static int free_number(const struct dns64 *d)
{
	int i = 0;

	while (i < UPSTREAM_SOCKETS && d->upstream[i])
		i++;
	return i;
}

static struct upstream_socket *open_socket(struct dns64 *d, int place)
{
	struct upstream_socket *s = calloc(1, sizeof(*s));
	struct endpoint_conf any = { .port = 0 };
	struct sockaddr_in6 sa = io__sockaddr(&any);
	int number = free_number(d);

	if (!s || number == UPSTREAM_SOCKETS)
		goto free_socket;
	s->fd = io__socket(SOCK_DGRAM);
	if (s->fd < 0)
		goto free_socket;
	if (bind(s->fd, (const struct sockaddr *)&sa, sizeof(sa)))
		goto close_fd;
	if (uv_poll_init(d->loop, &s->poll, s->fd))
		goto close_fd;
	want_errors(s->fd);
	d->n_handles++;
	s->poll.data = s;
	s->d = d;
	s->number = number;
	s->place = place;
	s->opened_ms = uv_now(d->loop);
	d->upstream[s->number] = d->drawn[place] = s;
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

static void ask_no_more(struct upstream_socket *s)
{
	if (s->place >= 0)
		s->d->drawn[s->place] = NULL;
	s->place = -1;
}

static void close_socket(struct upstream_socket *s)
{
	ask_no_more(s);
	s->d->upstream[s->number] = NULL;
	uv_poll_stop(&s->poll);
	uv_close((uv_handle_t *)&s->poll, on_close);
	close(s->fd);
}

static uint32_t random_number(struct dns64 *d)
{
	d->n_random++;
	return hash_range(siphash(&d->secret, &d->n_random, sizeof(d->n_random)), UPSTREAM_DRAWN);
}

static bool is_used_up(const struct upstream_socket *s)
{
	return s->n_asks >= UPSTREAM_SOCKET_ASKS ||
	       uv_now(s->d->loop) - s->opened_ms >= UPSTREAM_SOCKET_MS;
}

/* A random one. One that has served its time makes room; only where too many wait for answers still,
 * it goes on. */
static struct upstream_socket *draw(struct dns64 *d)
{
	uint32_t i = random_number(d);
	struct upstream_socket *s = d->drawn[i];

	if (s && !is_used_up(s))
		return s;
	if (s && !s->n_open)
		close_socket(s);
	else if (s && free_number(d) < UPSTREAM_SOCKETS)
		ask_no_more(s);
	return d->drawn[i] ? d->drawn[i] : open_socket(d, (int)i);
}

/* Whoever could not be sent to is told to the engine later: it has called us. The first failures may
 * be those of earlier questions, by ICMP errors: the kernel tells the next one who calls. */
static void flush(struct dns64 *d)
{
	struct ask_queue *q = &d->asks;
	unsigned at = 0, n_failed = 0;

	while (at < q->n) {
		int n = sendmmsg(q->from->fd, q->header + at, q->n - at,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		n_failed = n < 0 ? n_failed + 1 : 0;
		if (n_failed % SEND_TRIES)
			continue;
		if (n <= 0 && q->n_lost < ASK_QUEUE)
			q->lost[q->n_lost++] = (struct lost_ask){ .socket = q->from->number,
								  .id = q->id[at] };
		at += n > 0 ? (unsigned)n : 1;
	}
	q->n = 0;
}

int upstream__pick(void *ctx)
{
	struct dns64 *d = ctx;

	if (d->asks.from && d->asks.from->n_asks >= UPSTREAM_SOCKET_ASKS) {
		flush(d);
		d->asks.from = NULL;
	}
	if (!d->asks.from)
		d->asks.from = draw(d);
	if (!d->asks.from)
		return -EMFILE;
	d->asks.from->n_asks++;
	d->asks.from->n_open++;
	return d->asks.from->number;
}

int upstream__send(void *ctx, int socket, const struct datagram_out *out)
{
	struct dns64 *d = ctx;
	struct ask_queue *q = &d->asks;
	unsigned i = q->n;

	must(q->from && q->from->number == socket && out->len <= ASK_WIRE_MAX);
	memcpy(q->wire[i], out->wire, out->len);
	q->to[i] = io__sockaddr(out->to);
	q->id[i] = out->id;
	q->iov[i] = (struct iovec){ .iov_base = q->wire[i], .iov_len = out->len };
	q->header[i].msg_hdr = (struct msghdr){ .msg_name = &q->to[i],
						.msg_namelen = sizeof(q->to[i]),
						.msg_iov = &q->iov[i],
						.msg_iovlen = 1 };
	if (++q->n == ASK_QUEUE)
		flush(d);
	return 0;
}

/* Each round an ask fails that the engine had made; it makes a bounded number of them. */
void upstream__flush(struct dns64 *d)
{
	struct ask_queue *q = &d->asks;

	while (tls__flush(d) || q->n || q->n_lost) {
		struct lost_ask lost[ASK_QUEUE];
		unsigned n;

		if (q->n)
			flush(d);
		q->from = NULL;
		n = q->n_lost;
		q->n_lost = 0;
		memcpy(lost, q->lost, n * sizeof(*lost));
		for (unsigned i = 0; i < n; i++)
			resolver__send_failed(d->resolver, lost[i].socket, lost[i].id);
	}
	q->from = NULL;
}

void upstream__unpick(void *ctx, int socket)
{
	struct dns64 *d = ctx;
	struct upstream_socket *s = d->upstream[socket];

	must(s && s->n_open > 0);
	if (--s->n_open == 0 && is_used_up(s) && s != d->asks.from)
		close_socket(s);
}

void upstream__tick(struct dns64 *d)
{
	for (int i = 0; i < UPSTREAM_SOCKETS; i++) {
		struct upstream_socket *s = d->upstream[i];

		if (s && !s->n_open && is_used_up(s) && s != d->asks.from)
			close_socket(s);
	}
}

void upstream__close_all(struct dns64 *d)
{
	for (int i = 0; i < UPSTREAM_SOCKETS; i++)
		if (d->upstream[i])
			close_socket(d->upstream[i]);
}
