/* server.c - connections of the control socket over libuv. Runs in the control thread only. */
#include "server.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "record.h"

enum {
	QUEUE_BYTES = 256 << 10, /* to one client; a stream waits above it */
	PATIENCE_MS = 30000,
	SWEEPS = 6 /* while a client's time runs */
};

/* The listening socket is only polled: uv_listen() would call listen() again, and clients would no
 * longer see the parent's credentials on it (SO_PEERCRED), which is how they know the daemon. */
struct server {
	int fd;
	uv_poll_t poll;
	uv_timer_t sweep;
	int open_handles;
	struct client *clients;
	unsigned n_clients;
	uint64_t patience_ms;
	server_answer *answer;
	void *owner;
};

struct client {
	uv_pipe_t pipe; /* first: closing gives it back */
	uv_shutdown_t shutdown;
	struct server *server; /* NULL once the server has stopped */
	struct client *next;
	char line[CTL_LINE_MAX + 1];
	size_t used;
	bool asked, finishing;
	uint64_t active_ms;
	void *job;
	client_more *more;
	client_gone *gone;
};

struct piece {
	uv_write_t write;
	char *text;
};

static void end_job(struct client *cl)
{
	void *job = cl->job;

	cl->job = NULL;
	if (job)
		cl->gone(job);
}

static void on_client_closed(uv_handle_t *h)
{
	free(h);
}

static void unlink_client(struct client *cl)
{
	if (!cl->server)
		return;
	for (struct client **at = &cl->server->clients; *at; at = &(*at)->next)
		if (*at == cl) {
			*at = cl->next;
			cl->server->n_clients--;
			break;
		}
	cl->server = NULL;
}

static void client_close(struct client *cl)
{
	if (uv_is_closing((uv_handle_t *)&cl->pipe))
		return;
	cl->finishing = true;
	end_job(cl);
	unlink_client(cl);
	uv_close((uv_handle_t *)&cl->pipe, on_client_closed);
}

static void pump(struct client *cl)
{
	while (cl->job && !cl->finishing &&
	       uv_stream_get_write_queue_size((uv_stream_t *)&cl->pipe) < QUEUE_BYTES) {
		enum stream_step step = cl->more(cl->job, cl);

		if (step == STREAM_WAIT)
			return;
		if (step == STREAM_END)
			end_job(cl);
	}
}

static void on_written(uv_write_t *w, int status)
{
	struct piece *p = (struct piece *)w;
	struct client *cl = w->data;

	free(p->text);
	free(p);
	if (uv_is_closing((uv_handle_t *)&cl->pipe))
		return;
	if (status < 0) {
		client_close(cl);
		return;
	}
	cl->active_ms = uv_now(cl->pipe.loop);
	pump(cl);
}

static int queue_text(struct client *cl, char *text, size_t len)
{
	struct piece *p = malloc(sizeof(*p));
	uv_buf_t buf = uv_buf_init(text, (unsigned)len);
	int rc;

	if (!p)
		return -ENOMEM;
	p->text = text;
	p->write.data = cl;
	rc = uv_write(&p->write, (uv_stream_t *)&cl->pipe, &buf, 1, on_written);
	if (rc)
		free(p);
	return rc;
}

void client__send(struct client *cl, json_t *v)
{
	char *text = v ? json_dumps(v, JSON_COMPACT) : NULL;
	size_t len = text ? strlen(text) : 0;

	json_decref(v);
	if (cl->finishing) {
		free(text);
		return;
	}
	if (text)
		text[len] = '\n'; /* in place of the NUL: the length travels beside it */
	if (!text || queue_text(cl, text, len + 1) != 0) {
		free(text);
		cl->finishing = true;
		/* closed by the sweep: the caller may still hold @cl */
		cl->active_ms = 0;
	}
}

static void on_shutdown(uv_shutdown_t *r, int status)
{
	(void)status;
	client_close((struct client *)r->handle);
}

void client__finish(struct client *cl)
{
	if (cl->finishing)
		return;
	cl->finishing = true;
	if (uv_shutdown(&cl->shutdown, (uv_stream_t *)&cl->pipe, on_shutdown) != 0)
		cl->active_ms = 0; /* for the sweep */
}

void client__fail(struct client *cl, const char *text)
{
	client__send(cl, json_pack("{s:b,s:o}", "ok", 0, "error", text__json(text)));
	client__finish(cl);
}

void client__stream(struct client *cl, void *job, client_more *more, client_gone *gone)
{
	cl->job = job;
	cl->more = more;
	cl->gone = gone;
	pump(cl);
}

void client__wake(struct client *cl)
{
	pump(cl);
}

static void answer_line(struct client *cl, size_t len)
{
	struct ctl_request r;
	struct err e = { "" };

	cl->asked = true;
	if (ctl_request_decode(cl->line, len, &r, &e) != 0)
		client__fail(cl, e.text);
	else
		cl->server->answer(cl->server->owner, cl, &r);
}

static void give_room(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
	struct client *cl = (struct client *)h;

	(void)suggested;
	*buf = uv_buf_init(cl->line + cl->used, (unsigned)(sizeof(cl->line) - cl->used));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct client *cl = (struct client *)stream;
	char *end;

	(void)buf;
	if (n == 0)
		return;
	if (n < 0 || cl->asked) { /* gone, or says more than one line */
		if (!cl->asked || n != UV_EOF)
			client_close(cl);
		else
			uv_read_stop(stream); /* half-closed: it still wants the answer */
		return;
	}
	cl->used += (size_t)n; /* no more time for that: a line is not said letter by letter */
	end = memchr(cl->line, '\n', cl->used);
	if (end) {
		size_t len = (size_t)(end - cl->line);

		cl->used = 0;
		answer_line(cl, len);
	} else if (cl->used == sizeof(cl->line)) {
		cl->asked = true;
		cl->used = 0;
		client__fail(cl, "the request is too long");
	}
}

static void on_refused_closed(uv_handle_t *h)
{
	free(h);
}

static void refuse_client(int fd)
{
	static const char text[] = "{\"ok\":false,\"error\":\"too many clients; try again\"}\n";

	send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
}

static void add_client(struct server *s, int fd)
{
	struct client *cl = s->n_clients < CTL_CLIENTS_MAX ? calloc(1, sizeof(*cl)) : NULL;

	if (!cl) {
		refuse_client(fd);
		return;
	}
	uv_pipe_init(s->poll.loop, &cl->pipe, 0);
	if (uv_pipe_open(&cl->pipe, fd) != 0) {
		close(fd);
		uv_close((uv_handle_t *)&cl->pipe, on_refused_closed);
		return;
	}
	cl->server = s;
	cl->active_ms = uv_now(s->poll.loop);
	cl->next = s->clients;
	s->clients = cl;
	s->n_clients++;
	if (uv_read_start((uv_stream_t *)&cl->pipe, give_room, on_read) != 0)
		client_close(cl);
}

static void on_connection(uv_poll_t *p, int status, int events)
{
	struct server *s = p->data;
	int fd;

	(void)status;
	(void)events;
	while ((fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
		add_client(s, fd);
}

static void sweep(uv_timer_t *t)
{
	struct server *s = t->data;
	uint64_t now = uv_now(t->loop);
	struct client *next;

	for (struct client *cl = s->clients; cl; cl = next) {
		next = cl->next;
		if (now - cl->active_ms > s->patience_ms)
			client_close(cl);
	}
}

static void on_server_closed(uv_handle_t *h)
{
	struct server *s = h->data;

	if (--s->open_handles == 0) {
		close(s->fd);
		free(s);
	}
}

int server__start(struct server **out, uv_loop_t *loop, int fd, server_answer *answer, void *owner)
{
	struct server *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return -ENOMEM;
	*s = (struct server){ .answer = answer, .owner = owner, .open_handles = 2, .fd = fd,
			       .patience_ms = PATIENCE_MS };
	rc = uv_poll_init(loop, &s->poll, fd);
	if (rc) {
		close(fd);
		free(s);
		return rc;
	}
	uv_timer_init(loop, &s->sweep);
	s->poll.data = s->sweep.data = s;
	rc = uv_poll_start(&s->poll, UV_READABLE, on_connection);
	if (rc == 0)
		rc = uv_timer_start(&s->sweep, sweep, PATIENCE_MS / SWEEPS, PATIENCE_MS / SWEEPS);
	if (rc) {
		server__stop(s);
		return rc;
	}
	*out = s;
	return 0;
}

void server__set_patience(struct server *s, uint64_t ms)
{
	s->patience_ms = ms;
	uv_timer_start(&s->sweep, sweep, ms / SWEEPS + 1, ms / SWEEPS + 1);
}

void server__stop(struct server *s)
{
	if (!s)
		return;
	while (s->clients)
		client_close(s->clients);
	uv_close((uv_handle_t *)&s->poll, on_server_closed);
	uv_close((uv_handle_t *)&s->sweep, on_server_closed);
}
