/* accounting.c - see accounting.h. Control thread only. */
#include "accounting.h"
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "control.h"
#include "event_text.h"

enum { RETRY_MS = 5000, LOOK_MS = 2000, EVENTS_PER_DRAIN = 4 * NAT64_EVENT_SLOTS };

static const struct {
	const char *key, *ident;
} logs[N_REQUEST_LOGS] = {
	[REQUEST_LOG_NAT64] = { "nat64.log", "sixgate-nat64" },
	[REQUEST_LOG_FLOWS] = { "egress6.flow-log", "sixgate-flows" },
};

const char *accounting__key(enum request_log which)
{
	return logs[which].key;
}

const char *accounting__sink(const struct config *conf, enum request_log which)
{
	if (which == REQUEST_LOG_NAT64)
		return conf->has_nat64 && conf->nat64.log ? conf->nat64.log_sink : NULL;
	return conf->has_egress6 && conf->egress6.flow_log ? conf->egress6.flow_log_sink : NULL;
}

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

/* ---- the workers' rings ---- */

static struct nat64_event_ring *ring_of(const struct worker *w)
{
	return w->nat64 ? nat64_events(w->nat64) : NULL;
}

static void drain_nat64(struct control *c, struct account *a, const struct worker *w)
{
	const struct event_stamp stamp = stamp_now(c);
	struct nat64_event_ring *r = ring_of(w);
	struct nat64_event ev;
	char text[EVENT_TEXT_MAX];

	for (unsigned n = 0; r && n < EVENTS_PER_DRAIN && a->lines.fd >= 0 && nat64_event_read(r, &ev);
	     n++) {
		shared__to_real(c, &ev.outside);
		line_log__put(&a->lines, text, event__text(&ev, &stamp, text));
	}
}

static void drain_flows(struct control *c, struct account *a, const struct worker *w)
{
	const struct event_stamp stamp = stamp_now(c);
	struct flow_event ev;
	char text[EVENT_TEXT_MAX];

	for (unsigned n = 0;
	     n < EVENTS_PER_DRAIN && a->lines.fd >= 0 && flow_log_read(w->flow_log, &ev); n++)
		line_log__put(&a->lines, text, event__flow(&ev, &stamp, text));
}

static uint64_t lost_in_ring(const struct worker *w, enum request_log which)
{
	const struct nat64_event_ring *r = ring_of(w);

	if (which == REQUEST_LOG_FLOWS)
		return counter_read(&w->flow_log->lost);
	return r ? counter_read(&r->lost) : 0;
}

uint64_t accounting__lost(const struct control *c, enum request_log which)
{
	uint64_t n = c->accounting.log[which].lines.n_refused;

	for (unsigned i = 0; i < c->workers.n; i++)
		n += lost_in_ring(c->workers.t[i].worker, which);
	return n;
}

/* ---- one log ---- */

static bool put_mark(struct control *c, struct account *a, const char *what, uint64_t count)
{
	struct event_stamp stamp = stamp_now(c);
	char text[EVENT_TEXT_MAX];

	/* says when the gateway or its new configuration began, not when this is written: the workers have
	 * told of ports since then, and what comes after the mark must not be older than it */
	if (strcmp(what, "started") == 0)
		stamp.wall_ms -= (int64_t)(stamp.worker_ms - c->started_ms);
	else if (strcmp(what, "log-begun") == 0)
		stamp.wall_ms -= (int64_t)(stamp.worker_ms - c->reloaded_ms);
	return line_log__mark(&a->lines, text, event__mark(what, count, &stamp, text));
}

/* What is known to be lost now: each loss is in one mark, and in one warning. */
static void tell_losses(struct control *c, enum request_log which)
{
	struct account *a = &c->accounting.log[which];
	uint64_t lost, skipped;

	if (a->lines.kind == SINK_FILE)
		line_log__flush(&a->lines);
	lost = accounting__lost(c, which);
	if (lost != a->lost_told && put_mark(c, a, "lost", lost - a->lost_told))
		a->lost_told = lost;
	if (lost != a->lost_warned && log_allowed(&a->limit, uv_now(&c->loop), &skipped)) {
		log_warning("%s: %llu events could not be written", logs[which].key,
			    (unsigned long long)(lost - a->lost_warned));
		a->lost_warned = lost;
	}
}

static int ask_for_sink(struct control *c, enum request_which conf, enum request_log which, int *fd,
			struct err *e)
{
	const struct request r = { .kind = REQUEST_EVENT_LOG, .which = (uint8_t)conf,
				   .index = (uint16_t)which };
	int rc = link__call(&c->link, r, fd, e);

	if (rc && *fd >= 0)
		close(*fd);
	if (rc)
		*fd = -1;
	return rc;
}

static void open_again(struct control *c, enum request_log which)
{
	struct account *a = &c->accounting.log[which];
	struct err e = { "" };
	uint64_t skipped;
	int fd;

	a->retry_ms = uv_now(&c->loop) + RETRY_MS;
	if (ask_for_sink(c, REQUEST_RUNNING, which, &fd, &e) == 0)
		line_log__open(&a->lines, accounting__sink(c->config, which), fd);
	else if (log_allowed(&a->open_limit, uv_now(&c->loop), &skipped))
		log_error("%s; trying again", e.text);
}

static void drain_rings(struct control *c, enum request_log which)
{
	struct account *a = &c->accounting.log[which];

	for (unsigned i = 0; i < c->workers.n; i++)
		if (which == REQUEST_LOG_NAT64)
			drain_nat64(c, a, c->workers.t[i].worker);
		else
			drain_flows(c, a, c->workers.t[i].worker);
}

/* A file that was removed, or moved to another file system, takes lines that nobody can read. */
static void look_at_file(struct control *c, enum request_log which)
{
	struct account *a = &c->accounting.log[which];
	struct stat st;

	if (a->lines.kind != SINK_FILE || a->lines.fd < 0 || uv_now(&c->loop) < a->look_ms)
		return;
	a->look_ms = uv_now(&c->loop) + LOOK_MS;
	if (fstat(a->lines.fd, &st) != 0 || st.st_nlink > 0)
		return;
	log_warning("%s: %s was removed; it is made again", logs[which].key,
		    accounting__sink(c->config, which));
	open_again(c, which);
}

static void note_losses(struct control *c, enum request_log which)
{
	struct account *a = &c->accounting.log[which];
	uint64_t lost = accounting__lost(c, which);

	if (lost != a->lost_seen)
		a->lost_ms = uv_now(&c->loop);
	a->lost_seen = lost;
}

static void drain(struct control *c, enum request_log which)
{
	struct account *a = &c->accounting.log[which];

	if (a->on) {
		look_at_file(c, which);
		note_losses(c, which);
	}
	if (a->on && a->lines.fd < 0 && uv_now(&c->loop) >= a->retry_ms)
		open_again(c, which);
	if (!a->on || a->lines.fd < 0)
		return;
	if (a->mark && put_mark(c, a, a->mark, 0))
		a->mark = NULL;
	drain_rings(c, which);
	if (a->lines.fd < 0)
		return;
	tell_losses(c, which);
}

/* Where it is written, what, and by whom: lines of another such log are another story. */
static void identify(const struct config *conf, enum request_log which, char out[ACCOUNT_ID_MAX])
{
	const char *sink = accounting__sink(conf, which);

	if (!sink)
		out[0] = '\0';
	else
		snprintf(out, ACCOUNT_ID_MAX, "%s %s %d", sink, conf->gateway.name,
			 which == REQUEST_LOG_NAT64 ? conf->nat64.log_what : 0);
}

static void set_up(struct account *a, const struct config *conf, enum request_log which,
		   const char *mark)
{
	char id[ACCOUNT_ID_MAX];

	identify(conf, which, id);
	a->on = id[0] != '\0';
	if (a->on && strcmp(id, a->id) != 0)
		a->mark = mark;
	memcpy(a->id, id, sizeof(a->id));
}

static void end_log(struct control *c, enum request_log which, const char *mark)
{
	struct account *a = &c->accounting.log[which];

	drain(c, which);
	if (!a->on || a->lines.fd < 0)
		return;
	put_mark(c, a, mark, 0);
	line_log__close(&a->lines);
}

/* ---- all of them ---- */

void accounting__each_trouble(const struct control *c, void (*show)(void *ctx, const char *text),
			      void *ctx)
{
	for (unsigned i = 0; i < N_REQUEST_LOGS; i++) {
		const struct account *a = &c->accounting.log[i];
		char text[256];

		if (a->on && a->lines.fd < 0) {
			snprintf(text, sizeof(text),
				 "%s: %.150s cannot be written to; events wait, and the oldest "
				 "are lost when their ring is full",
				 logs[i].key, accounting__sink(c->config, i));
			show(ctx, text);
		}
		if (a->on && a->lost_seen && uv_now(&c->loop) - a->lost_ms <= WATCH_RECENT_MS) {
			snprintf(text, sizeof(text),
				 "%s: %llu events could not be written since the start, the "
				 "last %llu s ago: is the disk full, or whoever reads too slow?",
				 logs[i].key, (unsigned long long)a->lost_seen,
				 (unsigned long long)(uv_now(&c->loop) - a->lost_ms) / 1000);
			show(ctx, text);
		}
	}
}

void accounting__drain(struct control *c)
{
	for (unsigned i = 0; i < N_REQUEST_LOGS; i++)
		drain(c, i);
}

void accounting__start(struct control *c)
{
	for (unsigned i = 0; i < N_REQUEST_LOGS; i++) {
		c->accounting.log[i].lines.fd = -1;
		c->accounting.log[i].lines.ident = logs[i].ident;
		set_up(&c->accounting.log[i], c->config, i, "started");
		drain(c, i);
	}
}

void accounting__forget(struct accounting_fds *fds)
{
	for (unsigned i = 0; i < N_REQUEST_LOGS; i++) {
		if (fds->fd[i] >= 0)
			close(fds->fd[i]);
		fds->fd[i] = -1;
	}
}

int accounting__prepare(struct control *c, const struct config *fresh, struct accounting_fds *out,
			struct err *e)
{
	int rc = 0;

	for (unsigned i = 0; i < N_REQUEST_LOGS; i++)
		out->fd[i] = -1;
	for (unsigned i = 0; i < N_REQUEST_LOGS && rc == 0; i++)
		if (accounting__sink(fresh, i))
			rc = ask_for_sink(c, REQUEST_PENDING, i, &out->fd[i], e);
	if (rc)
		accounting__forget(out);
	return rc;
}

void accounting__leave(struct control *c, const struct config *fresh)
{
	char id[ACCOUNT_ID_MAX];

	for (unsigned i = 0; i < N_REQUEST_LOGS; i++) {
		identify(fresh, i, id);
		if (strcmp(id, c->accounting.log[i].id) != 0)
			end_log(c, i, "log-ended");
		else
			drain(c, i); /* what was told before belongs to the file before */
	}
}

void accounting__switch(struct control *c, struct accounting_fds *fds)
{
	for (unsigned i = 0; i < N_REQUEST_LOGS; i++) {
		struct account *a = &c->accounting.log[i];
		const char *sink = accounting__sink(c->config, i);

		set_up(a, c->config, i, "log-begun");
		line_log__open(&a->lines, sink ? sink : "", fds->fd[i]);
		fds->fd[i] = -1;
		drain(c, i);
	}
}

void accounting__reopen(struct control *c)
{
	for (unsigned i = 0; i < N_REQUEST_LOGS; i++) {
		if (!c->accounting.log[i].on)
			continue;
		drain(c, i);
		open_again(c, i);
	}
}

void accounting__end(struct control *c)
{
	for (unsigned i = 0; i < N_REQUEST_LOGS; i++)
		end_log(c, i, "stopped");
}
