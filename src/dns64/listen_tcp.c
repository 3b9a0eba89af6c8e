/* listen_tcp.c - queries over TCP (RFC 7766): length framing, several queries at once, answers in
 * any order. A connection is bounded in all it may hold: unanswered queries, bytes not taken, time
 * without a whole query. */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "sixgate/base/must.h"
#include "sixgate/base/wire.h"
#include "sixgate/log/log.h"
#include "io.h"

enum {
	ACCEPTS_AT_ONCE = 16,
	ANYBODY = CLIENT_SLOTS,
	OUT_MAX = 2 * (DNS_MESSAGE_MAX + 2), /* then nothing more is read until it is taken */
};

/**
 * struct tcp_client - one connection
 * @active_ms: last whole query or last moment that all answers were taken
 * @in:        the next query, as far as it has come, with its length before it
 * @out:       answers not taken yet: bytes @out_at to @out_len; @out_size allocated
 * @slot:      resolver__client_slot() of @peer
 * @eof:       the client sends no more; it may still want its answers
 */
struct tcp_client {
	struct via via; /* first */
	struct tcp_client *newer, *older;
	struct dns64 *d;
	int fd;
	uv_poll_t poll;
	uint64_t active_ms;
	unsigned n_open, refs;
	bool closed, eof;
	uint16_t slot;
	struct sockaddr_in6 peer, local;
	size_t in_len, out_at, out_len, out_size;
	uint8_t *out;
	uint8_t in[2 + UDP_MESSAGE_MAX];
};

static void on_poll(uv_poll_t *p, int status, int events);

static void unlink_client(struct tcp_client *c)
{
	struct dns64 *d = c->d;

	*(c->newer ? &c->newer->older : &d->clients) = c->older;
	*(c->older ? &c->older->newer : &d->quietest) = c->newer;
}

static void link_client(struct tcp_client *c)
{
	struct dns64 *d = c->d;

	c->newer = NULL;
	c->older = d->clients;
	*(d->clients ? &d->clients->newer : &d->quietest) = c;
	d->clients = c;
}

static void touch(struct tcp_client *c)
{
	c->active_ms = uv_now(c->d->loop);
	unlink_client(c);
	link_client(c);
}

/* Queries still under way hold the record; the handle does too until libuv lets go. */
static void unref(struct tcp_client *c)
{
	must(c->refs > 0);
	if (--c->refs)
		return;
	free(c->out);
	free(c);
}

static void on_close(uv_handle_t *h)
{
	struct tcp_client *c = h->data;
	struct dns64 *d = c->d;

	unref(c);
	io__handle_gone(d);
}

static void close_client(struct tcp_client *c)
{
	if (c->closed)
		return;
	c->closed = true;
	unlink_client(c);
	c->d->n_clients--;
	c->d->n_clients_of[c->slot]--;
	uv_poll_stop(&c->poll);
	uv_close((uv_handle_t *)&c->poll, on_close);
	close(c->fd);
}

static bool may_take(const struct tcp_client *c)
{
	return c->n_open < DNS64_TCP_QUERIES_MAX && c->out_len - c->out_at < OUT_MAX;
}

static bool has_whole_query(const struct tcp_client *c)
{
	return c->in_len >= 2 && c->in_len - 2 >= load16(c->in);
}

/* What to poll for follows from the state; a connection with nothing left to do is closed. A query
 * that had to wait in @in is taken when the socket is writable, that is at once. */
static void set_poll(struct tcp_client *c)
{
	bool done = c->eof && !c->n_open && c->out_at == c->out_len && !has_whole_query(c);
	int events = 0;

	if (c->closed)
		return;
	if (!c->eof && may_take(c) && c->in_len < sizeof(c->in))
		events |= UV_READABLE;
	if (c->out_at < c->out_len || (may_take(c) && has_whole_query(c)))
		events |= UV_WRITABLE;
	if (done) {
		close_client(c);
		return;
	}
	if (events)
		uv_poll_start(&c->poll, events, on_poll);
	else
		uv_poll_stop(&c->poll);
}

static void write_out(struct tcp_client *c)
{
	ssize_t n;

	if (c->out_at == c->out_len)
		return;
	n = send(c->fd, c->out + c->out_at, c->out_len - c->out_at, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		close_client(c);
		return;
	}
	c->out_at += n > 0 ? (size_t)n : 0;
	if (c->out_at < c->out_len)
		return;
	c->out_at = c->out_len = 0;
	touch(c);
}

static bool make_room(struct tcp_client *c, size_t n)
{
	size_t pending = c->out_len - c->out_at, size;
	uint8_t *fresh;

	if (c->out_at) {
		memmove(c->out, c->out + c->out_at, pending);
		c->out_at = 0;
		c->out_len = pending;
	}
	if (pending + n <= c->out_size)
		return true;
	size = pending + n + 1024;
	fresh = realloc(c->out, size);
	if (!fresh)
		return false;
	c->out = fresh;
	c->out_size = size;
	return true;
}

/* OUT_MAX stops reading; what was read before can add DNS64_TCP_QUERIES_MAX answers to it. */
static void reply(struct via *v, const struct client *client, const uint8_t *wire, size_t len)
{
	struct tcp_client *c = (struct tcp_client *)v;

	(void)client;
	must(c->n_open > 0);
	c->n_open--;
	if (c->closed) {
		counter_add(&c->d->stats.replies_lost, len ? 1 : 0);
	} else if (len && make_room(c, len + 2)) {
		store16(c->out + c->out_len, (uint16_t)len);
		memcpy(c->out + c->out_len + 2, wire, len);
		c->out_len += len + 2;
		write_out(c);
	} else {
		close_client(c); /* no answer: it would wait for it */
	}
	set_poll(c);
	unref(c);
}

static void query(struct tcp_client *c, const uint8_t *wire, size_t len)
{
	struct client client = { .via = &c->via,
				 .most = DNS_MESSAGE_MAX,
				 .peer = c->peer,
				 .local.ipi6_addr = c->local.sin6_addr };

	counter_add(&c->d->stats.queries_tcp, 1);
	touch(c);
	c->n_open++;
	c->refs++;
	resolver__query(c->d->resolver, &client, wire, len);
}

/* Every whole query in @in. Return: false if one is longer than any of ours could be. */
static bool take_queries(struct tcp_client *c)
{
	size_t at = 0;

	while (!c->closed && may_take(c) && c->in_len - at >= 2) {
		size_t len = load16(c->in + at);

		if (len > UDP_MESSAGE_MAX)
			return false;
		if (c->in_len - at - 2 < len)
			break;
		query(c, c->in + at + 2, len);
		at += 2 + len;
	}
	memmove(c->in, c->in + at, c->in_len - at);
	c->in_len -= at;
	return true;
}

static void read_in(struct tcp_client *c)
{
	ssize_t n = recv(c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		close_client(c);
		return;
	}
	c->eof = n == 0;
	c->in_len += (size_t)n;
}

static void on_poll(uv_poll_t *p, int status, int events)
{
	struct tcp_client *c = p->data;

	io__tell_time(c->d);
	c->refs++; /* an answer may close it under our hands */
	if (status < 0)
		close_client(c);
	if (!c->closed && events & UV_WRITABLE)
		write_out(c);
	if (!c->closed && events & UV_READABLE && c->in_len < sizeof(c->in))
		read_in(c);
	/* Also what waited in @in while too many were open. */
	if (!c->closed && !take_queries(c)) {
		counter_add(&c->d->stats.malformed, 1);
		close_client(c);
	}
	set_poll(c);
	unref(c);
}

/* The interface that a connection came in by: the kernel keeps it with the socket because the
 * listener asked for IPV6_RECVPKTINFO. */
static unsigned incoming_interface(int fd)
{
	_Alignas(struct cmsghdr) uint8_t control[256];
	socklen_t len = sizeof(control);
	struct msghdr h = { .msg_control = control };
	struct in6_pktinfo info;

	if (getsockopt(fd, IPPROTO_IPV6, IPV6_2292PKTOPTIONS, control, &len))
		return 0;
	h.msg_controllen = len;
	for (struct cmsghdr *cm = CMSG_FIRSTHDR(&h); cm; cm = CMSG_NXTHDR(&h, cm))
		if (cm->cmsg_level == IPPROTO_IPV6 &&
		    (cm->cmsg_type == IPV6_PKTINFO || cm->cmsg_type == IPV6_2292PKTINFO)) {
			memcpy(&info, CMSG_DATA(cm), sizeof(info));
			return info.ipi6_ifindex;
		}
	return 0;
}

/* The longest quiet connection that nobody waits at, of client @slot or (ANYBODY) of all. */
static bool shed_idle(struct dns64 *d, unsigned slot)
{
	struct tcp_client *c = d->quietest;

	while (c && (c->n_open || (slot != ANYBODY && c->slot != slot)))
		c = c->newer;
	if (!c)
		return false;
	counter_add(&d->stats.tcp_idle, 1);
	close_client(c);
	return true;
}

/* All are at work: who has the most gives one up for who has fewer, so that whoever came first does
 * not keep it all. */
static bool shed_biggest(struct dns64 *d, uint16_t slot)
{
	struct tcp_client *most = d->quietest;

	for (struct tcp_client *c = most; c; c = c->newer)
		if (d->n_clients_of[c->slot] > d->n_clients_of[most->slot])
			most = c;
	if (!most || d->n_clients_of[most->slot] <= d->n_clients_of[slot] + 1)
		return false;
	counter_add(&d->stats.tcp_shed, 1);
	close_client(most);
	return true;
}

/* RFC 7766 6.2.3: of too many, one that is quiet makes room; of its own for who has too many. */
static bool room_for_one(struct dns64 *d, uint16_t slot)
{
	if (d->n_clients_of[slot] >= DNS64_TCP_CLIENT_MAX && !shed_idle(d, slot)) {
		counter_add(&d->stats.tcp_client_full, 1);
		return false;
	}
	return d->n_clients < DNS64_TCP_CLIENTS_MAX || shed_idle(d, ANYBODY) || shed_biggest(d, slot);
}

static void add_client(struct tcp_listener *l, int fd, const struct sockaddr_in6 *peer)
{
	struct dns64 *d = l->d;
	struct tcp_client *c = NULL;
	uint16_t slot = resolver__client_slot(d->resolver, peer);
	bool inside = io__inside(d, incoming_interface(fd));
	int on = 1;

	if (!inside)
		counter_add(&d->stats.not_inside, 1);
	if (inside && room_for_one(d, slot))
		c = calloc(1, sizeof(*c));
	if (!c || uv_poll_init(d->loop, &c->poll, fd)) {
		counter_add(&d->stats.tcp_refused, 1);
		free(c);
		close(fd);
		return;
	}
	/* Answers are whole when they are sent: nothing to wait for. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	counter_add(&d->stats.tcp_accepted, 1);
	d->n_handles++;
	d->n_clients++;
	d->n_clients_of[slot]++;
	c->slot = slot;
	c->poll.data = c;
	c->via.reply = reply;
	c->d = d;
	c->fd = fd;
	c->peer = *peer;
	getsockname(fd, (struct sockaddr *)&c->local, &(socklen_t){ sizeof(c->local) });
	c->refs = 1;
	c->active_ms = uv_now(d->loop);
	link_client(c);
	set_poll(c);
}

/* Polling on would only spin: the connection stays in the queue. The next tick tries again. */
static void rest(struct tcp_listener *l, int error)
{
	uint64_t skipped;

	l->resting = true;
	uv_poll_stop(&l->poll);
	if (log_allowed(&l->limit, uv_now(l->d->loop), &skipped))
		log_warning("dns64: accepting TCP connections: %s", strerror(error));
}

static void on_connection(uv_poll_t *p, int status, int events)
{
	struct tcp_listener *l = p->data;

	(void)events;
	if (status < 0)
		io__poll_again(p, l->fd, on_connection);
	for (unsigned i = 0; i < ACCEPTS_AT_ONCE; i++) {
		struct sockaddr_in6 peer;
		socklen_t len = sizeof(peer);
		int fd = accept4(l->fd, (struct sockaddr *)&peer, &len,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			add_client(l, fd, &peer);
			continue;
		}
		if (errno == ECONNABORTED || errno == EINTR)
			continue;
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			rest(l, errno);
		return;
	}
}

struct tcp_listener *tcp__new(struct dns64 *d, int fd)
{
	struct tcp_listener *l = calloc(1, sizeof(*l));
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
	l->d = d;
	l->fd = fd;
	l->borrowed = true;
	return l;
}

void tcp__start(struct tcp_listener *l)
{
	l->borrowed = false;
	l->resting = false;
	must(uv_poll_start(&l->poll, UV_READABLE, on_connection) == 0);
}

static void on_listener_close(uv_handle_t *h)
{
	struct tcp_listener *l = h->data;
	struct dns64 *d = l->d;

	free(l);
	io__handle_gone(d);
}

void tcp__close(struct tcp_listener *l)
{
	uv_poll_stop(&l->poll);
	uv_close((uv_handle_t *)&l->poll, on_listener_close);
	if (!l->borrowed)
		close(l->fd);
}

void tcp__tick(struct dns64 *d)
{
	uint64_t now = uv_now(d->loop);

	for (struct tcp_listener *l = d->tcp; l; l = l->next)
		if (l->resting)
			tcp__start(l);
	for (struct tcp_client *c = d->quietest, *next; c; c = next) {
		next = c->newer;
		if (now - c->active_ms < DNS64_TCP_IDLE_MS)
			break;
		if (c->n_open && c->out_at == c->out_len)
			continue; /* it waits for us */
		counter_add(&d->stats.tcp_idle, 1);
		close_client(c);
	}
}

void tcp__close_clients(struct dns64 *d)
{
	while (d->clients)
		close_client(d->clients);
}
