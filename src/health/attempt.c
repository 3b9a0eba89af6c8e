/*
 * attempt.c - one connection to a node, with or without an HTTP request on it, and what it tells.
 */
#include "health_internal.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

static void on_closed(uv_handle_t *handle)
{
	struct attempt *a = handle->data;

	a->is_open = false;
	a->done(a);
}

static void finish(struct attempt *a, enum outcome outcome)
{
	if (a->is_over)
		return;
	a->is_over = true;
	a->outcome = outcome;
	uv_timer_stop(&a->timer);
	uv_close((uv_handle_t *)&a->tcp, on_closed);
}

static void finish_good(struct attempt *a)
{
	a->why[0] = '\0';
	finish(a, OUTCOME_GOOD);
}

/* Not the node's fault: descriptors, memory, an address that this host does not have. */
static bool is_ours(int error)
{
	switch (error) {
	case UV_EMFILE:
	case UV_ENFILE:
	case UV_ENOMEM:
	case UV_ENOBUFS:
	case UV_EADDRNOTAVAIL:
	case UV_EADDRINUSE:
	case UV_EAFNOSUPPORT:
	case UV_EPERM:
	case UV_EINVAL:
		return true;
	default:
		return false;
	}
}

static void finish_error(struct attempt *a, int error)
{
	if (a->is_over)
		return;
	a->error = error;
	if (is_ours(error))
		snprintf(a->why, sizeof(a->why), "cannot be checked: %s", uv_strerror(error));
	else
		snprintf(a->why, sizeof(a->why), "%s", uv_strerror(error));
	finish(a, is_ours(error) ? OUTCOME_UNKNOWN : OUTCOME_BAD);
}

static void on_timeout(uv_timer_t *timer)
{
	struct attempt *a = timer->data;

	a->error = UV_ETIMEDOUT;
	snprintf(a->why, sizeof(a->why), "timeout after %u ms", a->timeout_ms);
	finish(a, OUTCOME_BAD);
}

static void judge(struct attempt *a)
{
	uint16_t status = a->reply.status;

	if (status < a->http->status_first || status > a->http->status_last) {
		snprintf(a->why, sizeof(a->why), "HTTP status %u", status);
		finish(a, OUTCOME_BAD);
	} else if (a->reply.offline) {
		snprintf(a->why, sizeof(a->why), "says that it is offline");
		finish(a, OUTCOME_BAD);
	} else {
		finish_good(a);
	}
}

static void on_input(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct attempt *a = handle->data;

	(void)suggested;
	*buf = uv_buf_init(a->input, sizeof(a->input));
}

static void no_http(struct attempt *a, const char *why)
{
	snprintf(a->why, sizeof(a->why), "%s", why);
	finish(a, OUTCOME_BAD);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct attempt *a = stream->data;

	if (a->is_over || n == 0)
		return;
	if (n == UV_EOF) {
		no_http(a, "closed without an HTTP answer");
		return;
	}
	if (n < 0) {
		finish_error(a, (int)n);
		return;
	}
	switch (health__http_feed(&a->reply, buf->base, (size_t)n)) {
	case HTTP_MORE:
		return;
	case HTTP_BAD:
		no_http(a, "does not answer as HTTP does");
		return;
	case HTTP_DONE:
		judge(a);
		return;
	}
}

static void on_written(uv_write_t *write, int error)
{
	if (error)
		finish_error(write->data, error);
}

static void ask(struct attempt *a)
{
	uv_buf_t buf = uv_buf_init(a->request, (unsigned)strlen(a->request));
	int rc = uv_read_start((uv_stream_t *)&a->tcp, on_input, on_read);

	if (rc == 0)
		rc = uv_write(&a->write, (uv_stream_t *)&a->tcp, &buf, 1, on_written);
	if (rc)
		finish_error(a, rc);
}

static void on_connected(uv_connect_t *connect, int error)
{
	struct attempt *a = connect->data;

	if (error)
		finish_error(a, error);
	else if (a->http)
		ask(a);
	else
		finish_good(a);
}

static void fill_sockaddr(struct sockaddr_storage *out, const struct addr *a, uint16_t port)
{
	struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	memset(out, 0, sizeof(*out));
	memcpy(&in4.sin_addr, a->octet + 12, 4);
	memcpy(&in6.sin6_addr, a->octet, 16);
	if (addr_is_v4(a))
		memcpy(out, &in4, sizeof(in4));
	else
		memcpy(out, &in6, sizeof(in6));
}

static int connect_to(struct attempt *a, const struct attempt_target *t)
{
	struct sockaddr_storage to, from;
	int rc;

	fill_sockaddr(&to, &t->to, t->port);
	if (t->from) {
		fill_sockaddr(&from, t->from, 0);
		rc = uv_tcp_bind(&a->tcp, (struct sockaddr *)&from, 0);
		if (rc)
			return rc;
	}
	return uv_tcp_connect(&a->connect, &a->tcp, (struct sockaddr *)&to, on_connected);
}

void health__attempt_init(struct attempt *a, uv_loop_t *loop, void (*done)(struct attempt *a))
{
	*a = (struct attempt){ .loop = loop, .done = done };
	uv_timer_init(loop, &a->timer); /* cannot fail */
	a->timer.data = a->tcp.data = a->connect.data = a->write.data = a;
}

void health__attempt_start(struct attempt *a, const struct attempt_target *t)
{
	int rc;

	a->is_over = false;
	a->error = 0;
	a->http = t->http;
	a->timeout_ms = t->timeout_ms;
	a->reply = (struct http_reply){ 0 };
	uv_tcp_init(a->loop, &a->tcp); /* without a family: opens nothing, cannot fail */
	a->is_open = true;
	uv_timer_start(&a->timer, on_timeout, t->timeout_ms, 0);
	if (t->http && !health__http_request(a->request, t->http, t->host, t->port))
		rc = UV_EINVAL;
	else
		rc = connect_to(a, t);
	if (rc)
		finish_error(a, rc);
}

int health__attempt_stop(struct attempt *a, uv_close_cb closed)
{
	bool closing = a->is_open && uv_is_closing((uv_handle_t *)&a->tcp);

	uv_close((uv_handle_t *)&a->timer, closed);
	if (a->is_open && !closing) {
		a->is_over = true;
		uv_close((uv_handle_t *)&a->tcp, closed);
	}
	return a->is_open ? 2 : 1;
}
