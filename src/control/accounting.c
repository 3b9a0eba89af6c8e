/* accounting.c - see accounting.h. Control thread only. */
#include "accounting.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "control.h"
#include "event_text.h"

enum { RETRY_MS = 5000, LINES_BYTES = 64 << 10, EVENTS_PER_DRAIN = 4 * NAT64_EVENT_SLOTS };

/** struct lines - of a file: written together. */
struct lines {
	char text[LINES_BYTES];
	size_t used;
	uint64_t n;
};

static uint64_t clock_in_ms(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static struct event_stamp stamp_now(const struct control *c)
{
	return (struct event_stamp){ .gateway = c->config->gateway.name,
				     .wall_ms = (int64_t)clock_in_ms(CLOCK_REALTIME),
				     .worker_ms = clock_in_ms(CLOCK_MONOTONIC_COARSE) + 1 };
}

static struct nat64_event_ring *ring_of(const struct control *c, unsigned worker)
{
	struct nat64 *n = c->workers.t[worker].worker->nat64;

	return n ? nat64_events(n) : NULL;
}

uint64_t accounting__lost(const struct control *c)
{
	uint64_t n = c->accounting.n_refused;

	for (unsigned i = 0; i < c->workers.n; i++) {
		struct nat64_event_ring *r = ring_of(c, i);

		n += r ? counter_read(&r->lost) : 0;
	}
	return n;
}

static void take_fd(struct accounting *a, const struct nat64_conf *conf, int fd)
{
	if (a->fd >= 0)
		close(a->fd);
	a->fd = fd;
	a->torn = false;
	a->kind = strcmp(conf->log_sink, "journal") == 0	? SINK_JOURNAL :
		  strncmp(conf->log_sink, "socket:", 7) == 0 ? SINK_SOCKET :
								 SINK_FILE;
}

/* A line that is cut short stays, for it cannot be taken back, and is counted as lost. */
static void write_lines(struct accounting *a, struct lines *l)
{
	ssize_t n;
	uint64_t whole = 0;

	if (l->used == 0)
		return;
	do
		n = write(a->fd, l->text, l->used);
	while (n < 0 && errno == EINTR);
	for (ssize_t i = 0; i < n; i++)
		whole += l->text[i] == '\n';
	if (n > 0)
		a->torn = l->text[n - 1] != '\n';
	a->n_written += whole < l->n ? whole : l->n;
	a->n_refused += whole < l->n ? l->n - whole : 0;
	l->used = 0;
	l->n = 0;
}

static void add_line(struct accounting *a, struct lines *l, const char *text, size_t len)
{
	if (l->used + len + 2 > sizeof(l->text))
		write_lines(a, l);
	if (l->used == 0 && a->torn)
		l->text[l->used++] = '\n';
	memcpy(l->text + l->used, text, len);
	l->used += len;
	l->text[l->used++] = '\n';
	l->n++;
}

/* The journal's own protocol: a field a line. */
static size_t wrap_for_journal(const char *text, size_t len, char *out, size_t size)
{
	return (size_t)snprintf(out, size, "MESSAGE=%.*s\nPRIORITY=6\nSYSLOG_IDENTIFIER=sixgate-nat64\n",
				(int)len, text);
}

static void send_line(struct accounting *a, const char *text, size_t len)
{
	char wrapped[EVENT_TEXT_MAX + 128];

	if (a->kind == SINK_JOURNAL) {
		len = wrap_for_journal(text, len, wrapped, sizeof(wrapped));
		text = wrapped;
	}
	if (a->fd >= 0 && send(a->fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len) {
		a->n_written++;
		return;
	}
	a->n_refused++;
	if (a->fd >= 0 && errno != EAGAIN && errno != ENOBUFS) { /* whoever listened has gone */
		close(a->fd);
		a->fd = -1;
	}
}

static void put_line(struct accounting *a, struct lines *l, const char *text, size_t len)
{
	if (a->kind == SINK_FILE)
		add_line(a, l, text, len);
	else
		send_line(a, text, len);
}

static void put_mark(struct control *c, struct lines *l, const char *what, uint64_t count)
{
	const struct event_stamp stamp = stamp_now(c);
	char text[EVENT_TEXT_MAX];

	put_line(&c->accounting, l, text, event__mark(what, count, &stamp, text));
}

/* Says when the gateway began, not when this is written: the workers have told of blocks since then,
 * and what comes after the mark must not be older than it. */
static void put_started(struct control *c, struct lines *l)
{
	struct event_stamp stamp = stamp_now(c);
	char text[EVENT_TEXT_MAX];

	stamp.wall_ms -= (int64_t)(stamp.worker_ms - c->started_ms);
	put_line(&c->accounting, l, text, event__mark("started", 0, &stamp, text));
}

static void drain_ring(struct control *c, struct lines *l, struct nat64_event_ring *r)
{
	const struct event_stamp stamp = stamp_now(c);
	struct nat64_event ev;
	char text[EVENT_TEXT_MAX];

	for (unsigned n = 0; n < EVENTS_PER_DRAIN && c->accounting.fd >= 0 && nat64_event_read(r, &ev);
	     n++) {
		shared__to_real(c, &ev.outside);
		put_line(&c->accounting, l, text, event__text(&ev, &stamp, text));
	}
}

static void tell_losses(struct control *c, struct lines *l)
{
	struct accounting *a = &c->accounting;
	const uint64_t lost = accounting__lost(c);
	uint64_t skipped;

	if (lost == a->lost_told)
		return;
	put_mark(c, l, "lost", lost - a->lost_told);
	if (log_allowed(&a->limit, uv_now(&c->loop), &skipped))
		log_warning("nat64.log: %llu events could not be written",
			    (unsigned long long)(lost - a->lost_told));
	a->lost_told = lost;
}

static int ask_for_sink(struct control *c, enum request_which which, int *fd, struct err *e)
{
	const struct request r = { .kind = REQUEST_EVENT_LOG, .which = (uint8_t)which };
	int rc = link__call(&c->link, r, fd, e);

	if (rc && *fd >= 0)
		close(*fd);
	if (rc)
		*fd = -1;
	return rc;
}

static void open_again(struct control *c)
{
	struct accounting *a = &c->accounting;
	struct err e = { "" };
	uint64_t skipped;
	int fd;

	a->retry_ms = uv_now(&c->loop) + RETRY_MS;
	if (ask_for_sink(c, REQUEST_RUNNING, &fd, &e) == 0)
		take_fd(a, &c->config->nat64, fd);
	else if (log_allowed(&a->open_limit, uv_now(&c->loop), &skipped))
		log_error("%s; trying again", e.text);
}

void accounting__drain(struct control *c)
{
	static struct lines lines; /* one thread */
	struct accounting *a = &c->accounting;

	if (a->on && a->fd < 0 && uv_now(&c->loop) >= a->retry_ms)
		open_again(c);
	if (!a->on || a->fd < 0)
		return;
	if (!a->started) {
		a->started = true;
		put_started(c, &lines);
	}
	for (unsigned i = 0; i < c->workers.n; i++)
		if (ring_of(c, i))
			drain_ring(c, &lines, ring_of(c, i));
	if (a->fd < 0)
		return;
	tell_losses(c, &lines);
	if (a->kind == SINK_FILE)
		write_lines(a, &lines);
}

void accounting__start(struct control *c)
{
	c->accounting.fd = -1;
	c->accounting.on = c->config->has_nat64 && c->config->nat64.log;
	accounting__drain(c);
}

int accounting__prepare(struct control *c, const struct config *fresh, int *fd, struct err *e)
{
	*fd = -1;
	return fresh->has_nat64 && fresh->nat64.log ? ask_for_sink(c, REQUEST_PENDING, fd, e) : 0;
}

void accounting__switch(struct control *c, int fd)
{
	struct accounting *a = &c->accounting;

	accounting__drain(c); /* what was told before belongs to the log before */
	a->on = c->config->has_nat64 && c->config->nat64.log;
	take_fd(a, &c->config->nat64, fd);
	accounting__drain(c);
}

void accounting__reopen(struct control *c)
{
	struct accounting *a = &c->accounting;

	if (!a->on)
		return;
	accounting__drain(c);
	open_again(c);
}

void accounting__end(struct control *c)
{
	struct accounting *a = &c->accounting;
	static struct lines last;

	accounting__drain(c);
	if (!a->on || a->fd < 0)
		return;
	put_mark(c, &last, "stopped", 0);
	if (a->kind == SINK_FILE)
		write_lines(a, &last);
	close(a->fd);
	a->fd = -1;
}
