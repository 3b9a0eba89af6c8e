/* ask_tcp.c - questions over TCP, after their answers over UDP were truncated (RFC 7766): several on a
 * connection, which stays for a while. Time is the engine's: it cancels what takes too long.
 *
 * Old servers answer one question and close, or lose what stands behind the one they read. Whatever was
 * under way when a connection closes that has answered something is asked again over another one, each of
 * which so has brought at least one answer; and with such an upstream, one at a time.
 *
 * A connection is closed only by its own poll callback, the tick, or the end: never while the engine is
 * calling. */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "sixgate/base/must.h"
#include "io.h"
#include "stream.h"

enum {
	TCP_WINDOW = 32,
	TCP_PEER_CONNS = DNS64_TCP_UPSTREAM_MAX / DNS64_UPSTREAM_MAX, /* so that none takes all */
	TCP_KEEP_MS = 5000,	/* RFC 7766 6.2.3: a few seconds */
};

/**
 * struct tcp_conn
 * @is_over:  closing
 * @is_stale: nothing new goes there: it may be dead
 * @out:      what the kernel has not taken yet: from @out_at on
 */
struct tcp_conn {
	struct tcp_conn *next;
	struct dns64 *d;
	struct endpoint_conf to;
	int fd, events;
	uv_poll_t poll;
	bool is_connected, is_over, is_stale;
	uint64_t started_ms;
	size_t out_at, out_len;
	uint8_t out[8 * (2 + ASK_WIRE_MAX)];
	struct stream stream;
};

static void on_poll(uv_poll_t *p, int status, int events);

static bool same_endpoint(const struct endpoint_conf *a, const struct endpoint_conf *b)
{
	return a->port == b->port && addr_equal(&a->address, &b->address);
}

static bool is_asked_alone(const struct dns64 *d, const struct endpoint_conf *to)
{
	for (unsigned i = 0; i < DNS64_UPSTREAM_MAX; i++)
		if (uv_now(d->loop) < d->tcp_alone[i].until_ms &&
		    same_endpoint(&d->tcp_alone[i].at, to))
			return true;
	return false;
}

/* In the place of who has been known for longest. */
static void ask_alone(struct dns64 *d, const struct endpoint_conf *to)
{
	struct tcp_alone *oldest = &d->tcp_alone[0];

	for (struct tcp_conn *c = d->tcp_conns; c; c = c->next)
		if (same_endpoint(&c->to, to))
			c->stream.window = 1;
	if (is_asked_alone(d, to))
		return;
	for (unsigned i = 1; i < DNS64_UPSTREAM_MAX; i++)
		if (d->tcp_alone[i].until_ms < oldest->until_ms)
			oldest = &d->tcp_alone[i];
	*oldest = (struct tcp_alone){ .at = *to, .until_ms = uv_now(d->loop) + STREAM_ALONE_MS };
}

static void on_close(uv_handle_t *h)
{
	struct tcp_conn *c = h->data;
	struct dns64 *d = c->d;

	free(c);
	io__handle_gone(d);
}

static void close_conn(struct tcp_conn *c)
{
	struct tcp_conn **at = &c->d->tcp_conns;

	must(!c->stream.n);
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	c->d->n_tcp_conns--;
	uv_poll_stop(&c->poll);
	uv_close((uv_handle_t *)&c->poll, on_close);
	close(c->fd);
}

static void set_events(struct tcp_conn *c)
{
	int events = UV_READABLE;

	if (!c->is_connected || c->out_at < c->out_len || stream__wants_out(&c->stream))
		events |= UV_WRITABLE;
	if (events == c->events)
		return;
	c->events = events;
	must(uv_poll_start(&c->poll, events, on_poll) == 0);
}

static int start_connecting(struct tcp_conn *c)
{
	struct sockaddr_in6 sa = io__sockaddr(&c->to);
	int on = 1, rc;

	c->fd = io__socket(SOCK_STREAM);
	if (c->fd < 0)
		return c->fd;
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(c->fd, (const struct sockaddr *)&sa, sizeof(sa)) && errno != EINPROGRESS)
		rc = -errno;
	else
		rc = uv_poll_init(c->d->loop, &c->poll, c->fd);
	if (rc)
		close(c->fd);
	return rc;
}

static int open_conn(struct dns64 *d, const struct endpoint_conf *to, struct tcp_conn **out)
{
	struct tcp_conn *c = malloc(sizeof(*c));
	int rc;

	if (!c)
		return -ENOMEM;
	memset(c, 0, offsetof(struct tcp_conn, out));
	c->d = d;
	c->to = *to;
	c->started_ms = uv_now(d->loop);
	stream__init(&c->stream, d->resolver, is_asked_alone(d, to) ? 1 : TCP_WINDOW, c->started_ms);
	rc = start_connecting(c);
	if (rc) {
		free(c);
		return rc;
	}
	counter_add(&d->stats.upstream_tcp_conns, 1);
	c->poll.data = c;
	c->next = d->tcp_conns;
	d->tcp_conns = c;
	d->n_tcp_conns++;
	d->n_handles++;
	*out = c;
	return 0;
}

static bool is_usable(const struct tcp_conn *c)
{
	return !c->is_over && !c->is_stale && !stream__is_full(&c->stream) &&
	       (c->is_connected || uv_now(c->d->loop) < c->started_ms + STREAM_STALL_MS);
}

/* One where a question can go out at once; else a new one; else one where it waits. */
static int find_conn(struct dns64 *d, const struct endpoint_conf *to, struct tcp_conn **out)
{
	struct tcp_conn *best = NULL;
	unsigned n = 0;

	for (struct tcp_conn *c = d->tcp_conns; c; c = c->next) {
		if (!same_endpoint(&c->to, to))
			continue;
		n += !c->is_over;
		if (is_usable(c) && (!best || c->stream.n < best->stream.n))
			best = c;
	}
	*out = best;
	if (best && best->stream.n < best->stream.window)
		return 0;
	if (n < TCP_PEER_CONNS && d->n_tcp_conns < DNS64_TCP_UPSTREAM_MAX)
		return open_conn(d, to, out);
	return best ? 0 : -EAGAIN;
}

static int ask(struct dns64 *d, const struct endpoint_conf *to, const struct stream_question *q)
{
	struct tcp_conn *c;
	int rc = find_conn(d, to, &c);

	if (rc)
		return rc;
	stream__add(&c->stream, q->ask, q->wire, q->len, uv_now(d->loop));
	set_events(c);
	return 0;
}

/* While the engine hears of it, it may cancel others of this connection. */
static void end_conn(struct tcp_conn *c)
{
	bool has_answered = c->stream.n_answered > 0;
	struct dns64 *d = c->d;
	struct stream_question q;

	c->is_over = true;
	if (has_answered && stream__any_behind(&c->stream))
		ask_alone(d, &c->to);
	while (stream__pop(&c->stream, &q)) {
		if (!has_answered || ask(d, &c->to, &q))
			resolver__tcp_failed(d->resolver, q.ask);
		else
			counter_add(&d->stats.upstream_tcp_moved, 1);
	}
	close_conn(c);
}

static int connected(struct tcp_conn *c)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) || error)
		return error ? -error : -errno;
	c->is_connected = true;
	return 0;
}

/* Return: 0, or negative errno when the connection is over. */
static int say(struct tcp_conn *c)
{
	uint64_t now = uv_now(c->d->loop);
	ssize_t n;

	while (c->is_connected) {
		if (c->out_at == c->out_len) {
			c->out_at = 0;
			c->out_len = stream__give(&c->stream, c->out, sizeof(c->out), now);
		}
		if (!c->out_len)
			return 0;
		n = send(c->fd, c->out + c->out_at, c->out_len - c->out_at, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		c->out_at += (size_t)n;
	}
	return 0;
}

static int take_all(struct tcp_conn *c)
{
	uint64_t now = uv_now(c->d->loop);
	struct stream_answer a;

	for (;;)
		switch (stream__take(&c->stream, &a, now)) {
		case STREAM_ANSWER:
			resolver__tcp_answer(c->d->resolver, a.ask, a.wire, a.len);
			break;
		case STREAM_STRAY:
			counter_add(&c->d->stats.spoofed, 1);
			break;
		case STREAM_BROKEN:
			return -EBADMSG;
		case STREAM_NOTHING:
			return 0;
		}
}

static int hear(struct tcp_conn *c)
{
	size_t size;
	uint8_t *space = stream__space(&c->stream, &size);
	ssize_t n = recv(c->fd, space, size, MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -ECONNRESET;
	stream__came(&c->stream, (size_t)n, uv_now(c->d->loop));
	return take_all(c);
}

static void on_poll(uv_poll_t *p, int status, int events)
{
	struct tcp_conn *c = p->data;
	int rc = 0;

	io__tell_time(c->d);
	if (status < 0)
		c->events = 0; /* libuv has stopped polling */
	if (!c->is_connected && (status < 0 || events & UV_WRITABLE))
		rc = connected(c);
	if (!rc && c->is_connected && (status < 0 || events & UV_READABLE))
		rc = hear(c);
	if (!rc)
		rc = say(c);
	if (rc)
		end_conn(c);
	else
		set_events(c);
}

int upstream__tcp_start(void *ctx, uint32_t number, const struct endpoint_conf *to,
			const uint8_t *wire, size_t len)
{
	struct stream_question q = { .ask = number, .len = (uint16_t)len };

	must(len <= sizeof(q.wire));
	memcpy(q.wire, wire, len);
	return ask(ctx, to, &q);
}

void upstream__tcp_cancel(void *ctx, uint32_t number)
{
	struct dns64 *d = ctx;

	for (struct tcp_conn *c = d->tcp_conns; c; c = c->next)
		switch (stream__cancel(&c->stream, number, uv_now(d->loop))) {
		case STREAM_ABSENT:
			break;
		case STREAM_SKIPPED:
			ask_alone(d, &c->to);
			return;
		case STREAM_DEAD:
			c->is_stale = true;
			return;
		case STREAM_FINE:
			return;
		}
	must(!"a question that is cancelled is on a connection");
}

/* Without questions, a connection is for those that may come, if it is there at all. */
void upstream__tcp_tick(struct dns64 *d)
{
	for (struct tcp_conn *c = d->tcp_conns, *next; c; c = next) {
		next = c->next;
		if (!c->stream.n && (!c->is_connected || c->is_stale ||
				     uv_now(d->loop) >= c->stream.used_ms + TCP_KEEP_MS))
			close_conn(c);
	}
}

void upstream__tcp_close_all(struct dns64 *d)
{
	while (d->tcp_conns)
		close_conn(d->tcp_conns);
}
