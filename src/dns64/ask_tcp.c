/* ask_tcp.c - one question over one connection to an upstream, after its UDP answer was truncated.
 * Time is the engine's: it cancels what takes too long. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "sixgate/base/must.h"
#include "sixgate/base/wire.h"
#include "io.h"

/**
 * struct tcp_ask
 * @ask: the engine's number for it
 * @out: length and query; @out_at bytes of it are sent
 * @in:  length and answer, as far as they have come
 */
struct tcp_ask {
	struct tcp_ask *next;
	struct dns64 *d;
	uint32_t ask;
	int fd;
	uv_poll_t poll;
	size_t out_len, out_at, in_len;
	uint8_t out[2 + UDP_MESSAGE_MAX];
	uint8_t in[2 + DNS_MESSAGE_MAX];
};

static void on_close(uv_handle_t *h)
{
	struct tcp_ask *t = h->data;
	struct dns64 *d = t->d;

	free(t);
	io__handle_gone(d);
}

static void close_ask(struct tcp_ask *t)
{
	struct tcp_ask **at = &t->d->tcp_asks;

	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	t->d->n_tcp_asks--;
	uv_poll_stop(&t->poll);
	uv_close((uv_handle_t *)&t->poll, on_close);
	close(t->fd);
}

static void fail(struct tcp_ask *t)
{
	close_ask(t);
	resolver__tcp_failed(t->d->resolver, t->ask);
}

/* Return: 1 when @at has reached @len, 0 when it has not yet, negative errno. */
static int move(ssize_t n, size_t *at, size_t len)
{
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	*at += (size_t)n;
	return *at >= len;
}

static int send_some(struct tcp_ask *t)
{
	ssize_t n = send(t->fd, t->out + t->out_at, t->out_len - t->out_at,
			 MSG_DONTWAIT | MSG_NOSIGNAL);

	return move(n, &t->out_at, t->out_len);
}

static int receive_some(struct tcp_ask *t)
{
	size_t want = t->in_len < 2 ? 2 : 2u + load16(t->in);
	ssize_t n = recv(t->fd, t->in + t->in_len, want - t->in_len, MSG_DONTWAIT);
	int rc;

	if (n == 0)
		return -ECONNRESET;
	rc = move(n, &t->in_len, want);
	if (rc == 1 && want == 2)
		return load16(t->in) ? receive_some(t) : -EBADMSG;
	return rc;
}

static void on_poll(uv_poll_t *p, int status, int events)
{
	struct tcp_ask *t = p->data;
	int rc = status < 0 ? -ECONNRESET : 0;

	(void)events;
	io__tell_time(t->d);
	if (!rc && t->out_at < t->out_len) {
		rc = send_some(t);
		if (rc == 1)
			rc = uv_poll_start(p, UV_READABLE, on_poll);
	} else if (!rc) {
		rc = receive_some(t);
	}
	if (rc < 0) {
		fail(t);
	} else if (rc == 1) {
		close_ask(t); /* freed only after this callback */
		resolver__tcp_answer(t->d->resolver, t->ask, t->in + 2, t->in_len - 2);
	}
}

static int start_connecting(struct tcp_ask *t, const struct endpoint_conf *to)
{
	struct sockaddr_in6 sa = io__sockaddr(to);
	int rc;

	t->fd = io__socket(SOCK_STREAM);
	if (t->fd < 0)
		return t->fd;
	if (connect(t->fd, (const struct sockaddr *)&sa, sizeof(sa)) && errno != EINPROGRESS) {
		rc = -errno;
		close(t->fd);
		return rc;
	}
	rc = uv_poll_init(t->d->loop, &t->poll, t->fd);
	if (rc)
		close(t->fd);
	return rc;
}

int upstream__tcp_start(void *ctx, uint32_t ask, const struct endpoint_conf *to,
			const uint8_t *wire, size_t len)
{
	struct dns64 *d = ctx;
	struct tcp_ask *t;
	int rc;

	must(len <= UDP_MESSAGE_MAX);
	if (d->n_tcp_asks >= DNS64_TCP_UPSTREAM_MAX)
		return -EAGAIN;
	t = malloc(sizeof(*t));
	if (!t)
		return -ENOMEM;
	memset(t, 0, offsetof(struct tcp_ask, out));
	t->d = d;
	t->ask = ask;
	rc = start_connecting(t, to);
	if (rc) {
		free(t);
		return rc;
	}
	store16(t->out, (uint16_t)len);
	memcpy(t->out + 2, wire, len);
	t->out_len = len + 2;
	t->poll.data = t;
	t->next = d->tcp_asks;
	d->tcp_asks = t;
	d->n_tcp_asks++;
	d->n_handles++;
	must(uv_poll_start(&t->poll, UV_WRITABLE, on_poll) == 0);
	return 0;
}

void upstream__tcp_cancel(void *ctx, uint32_t ask)
{
	struct dns64 *d = ctx;

	for (struct tcp_ask *t = d->tcp_asks; t; t = t->next)
		if (t->ask == ask) {
			close_ask(t);
			return;
		}
	must(!"a connection that is cancelled exists");
}
