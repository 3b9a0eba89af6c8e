/* metrics.c - GET /metrics by libmicrohttpd, driven from the control loop: its epoll descriptor is
 * one more thing that uv polls. */
#include "metrics.h"
#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "sixgate/log/log.h"

enum { CONNECTIONS = 16, TIMEOUT_S = 10, MEMORY_BYTES = 16 << 10 };

struct metrics {
	struct control *control;
	struct MHD_Daemon *http;
	uv_poll_t poll;
	uv_timer_t timeout;
	int open_handles;
};

static enum MHD_Result reply(struct MHD_Connection *conn, unsigned status, char *text, size_t len,
			     const char *type)
{
	struct MHD_Response *r =
		MHD_create_response_from_buffer(len, text, MHD_RESPMEM_MUST_FREE);
	enum MHD_Result rc;

	if (!r) {
		free(text);
		return MHD_NO;
	}
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	rc = MHD_queue_response(conn, status, r);
	MHD_destroy_response(r);
	return rc;
}

static enum MHD_Result reply_error(struct MHD_Connection *conn, unsigned status, const char *why)
{
	char *text = strdup(why);

	return text ? reply(conn, status, text, strlen(text), "text/plain") : MHD_NO;
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *conn, const char *url,
				  const char *method, const char *version, const char *upload,
				  size_t *upload_len, void **seen)
{
	const struct metrics *m = ctx;
	char *text;
	size_t len;

	(void)version;
	(void)upload;
	if (!*seen) { /* headers first; a body is not read, and ends the connection */
		*seen = conn;
		return MHD_YES;
	}
	if (*upload_len)
		return MHD_NO;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return reply_error(conn, MHD_HTTP_METHOD_NOT_ALLOWED, "GET only\n");
	if (strcmp(url, "/metrics") != 0)
		return reply_error(conn, MHD_HTTP_NOT_FOUND, "see /metrics\n");
	text = metrics__text(m->control, &len);
	if (!text)
		return MHD_NO;
	return reply(conn, MHD_HTTP_OK, text, len, "text/plain; version=0.0.4; charset=utf-8");
}

static void on_timeout(uv_timer_t *t);

static void run(struct metrics *m)
{
	MHD_UNSIGNED_LONG_LONG wait_ms;

	MHD_run(m->http);
	if (MHD_get_timeout(m->http, &wait_ms) == MHD_YES)
		uv_timer_start(&m->timeout, on_timeout, wait_ms, 0);
	else
		uv_timer_stop(&m->timeout);
}

static void on_timeout(uv_timer_t *t)
{
	run(t->data);
}

static void on_ready(uv_poll_t *p, int status, int events)
{
	(void)status;
	(void)events;
	run(p->data);
}

struct metrics *metrics__start(struct control *c, int fd, struct err *e)
{
	struct metrics *m = calloc(1, sizeof(*m));
	const union MHD_DaemonInfo *info;

	if (m)
		m->http = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL,
					   on_request, m, MHD_OPTION_LISTEN_SOCKET, fd,
					   MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS,
					   MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT_S,
					   MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_BYTES,
					   MHD_OPTION_END);
	info = m && m->http ? MHD_get_daemon_info(m->http, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
	if (!info) {
		if (m && m->http)
			MHD_stop_daemon(m->http);
		else
			close(fd);
		free(m);
		err_set(e, -EIO, "metrics: the HTTP server does not start");
		return NULL;
	}
	m->control = c;
	m->open_handles = 2;
	uv_poll_init(&c->loop, &m->poll, info->epoll_fd);
	uv_timer_init(&c->loop, &m->timeout);
	m->poll.data = m->timeout.data = m;
	uv_poll_start(&m->poll, UV_READABLE, on_ready);
	return m;
}

static void on_closed(uv_handle_t *h)
{
	struct metrics *m = h->data;

	if (--m->open_handles == 0)
		free(m);
}

void metrics__stop(struct metrics *m)
{
	if (!m)
		return;
	uv_close((uv_handle_t *)&m->poll, on_closed);
	uv_close((uv_handle_t *)&m->timeout, on_closed);
	MHD_stop_daemon(m->http);
}
