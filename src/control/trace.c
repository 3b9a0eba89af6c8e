/*
 * trace.c - sixgatectl trace: the steps of live packets, as they happen.
 *
 * The workers are told one after the other to begin, their rings are read at the pace of the clock
 * and of the client, and they are told to end, whatever becomes of the client meanwhile.
 */
#include "sixgate/dataplane/trace.h"
#include <stdlib.h>
#include "question.h"
#include "record.h"

enum { RECORDS_PER_CALL = 128, STILL_THERE_MS = 5000 };

struct trace_question {
	struct question q; /* first */
	struct trace_filter filter;
	enum { PHASE_BEGIN, PHASE_READ, PHASE_END } phase;
	unsigned worker; /* that is being told */
	uint64_t end_ms, said_ms, n, max, lost_before;
};

static struct trace *trace_of(const struct control *c, unsigned i)
{
	return c->workers.t[i].worker->trace;
}

static uint64_t lost(const struct control *c)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < c->workers.n; i++)
		n += counter_read(&trace_of(c, i)->lost);
	return n;
}

/* Return: true once every worker has been told. */
static bool tell_all(struct trace_question *t, enum worker_request_kind kind)
{
	if (question__has_answer(&t->q))
		t->worker++;
	if (t->worker == t->q.control->workers.n) {
		t->worker = 0;
		return true;
	}
	t->q.request.kind = (uint8_t)kind;
	t->q.request.filter = &t->filter;
	question__ask(&t->q, t->worker);
	return false;
}

static bool is_over(const struct trace_question *t)
{
	return (t->max && t->n >= t->max) || uv_now(&t->q.control->loop) >= t->end_ms;
}

static unsigned send_records(struct trace_question *t, struct client *cl, struct trace *from)
{
	struct trace_record r;
	unsigned n = 0;

	while (n < RECORDS_PER_CALL && (!t->max || t->n < t->max) && trace_read(from, &r)) {
		client__send(cl, step__json(t->q.control, &r));
		t->n += r.step == TRACE_ENDED;
		n++;
	}
	return n;
}

static enum stream_step read_on(struct trace_question *t, struct client *cl)
{
	const uint64_t now_ms = uv_now(&t->q.control->loop);
	unsigned n = 0;

	for (unsigned i = 0; i < t->q.control->workers.n; i++)
		n += send_records(t, cl, trace_of(t->q.control, i));
	if (is_over(t)) {
		t->phase = PHASE_END;
		return STREAM_MORE;
	}
	if (n) {
		t->said_ms = now_ms;
		return STREAM_MORE;
	}
	if (now_ms - t->said_ms >= STILL_THERE_MS) { /* a client that has left is noticed by writing */
		t->said_ms = now_ms;
		client__send(cl, json_pack("{s:b}", "waiting", 1));
	}
	return STREAM_WAIT;
}

static enum stream_step more(struct question *q, struct client *cl)
{
	struct trace_question *t = (struct trace_question *)q;

	if (t->phase == PHASE_READ)
		return read_on(t, cl);
	if (!tell_all(t, t->phase == PHASE_BEGIN ? WORKER_TRACE_START : WORKER_TRACE_STOP))
		return STREAM_WAIT;
	if (t->phase == PHASE_BEGIN) {
		t->phase = PHASE_READ;
		client__send(cl, json_pack("{s:b}", "tracing", 1));
		return STREAM_MORE;
	}
	q->control->tracing = false;
	client__send(cl, json_pack("{s:b,s:I,s:I}", "ok", 1, "packets", (json_int_t)t->n, "lost",
				   (json_int_t)(lost(q->control) - t->lost_before)));
	client__finish(cl);
	return STREAM_END;
}

/* Also those that have not begun yet are told to end: it does no harm. */
static bool abandoned(struct question *q)
{
	struct trace_question *t = (struct trace_question *)q;

	if (!q->control->tracing)
		return true; /* it had come to its end */
	if (t->phase != PHASE_END) {
		question__has_answer(q);
		t->phase = PHASE_END;
		t->worker = 0;
	}
	if (!tell_all(t, WORKER_TRACE_STOP))
		return false;
	q->control->tracing = false;
	return true;
}

static struct trace_filter filter_of(const struct control *c, const struct ctl_subject *about)
{
	struct trace_filter f = { .proto = about->protocol, .n_host = about->n_host,
				  .n_port = about->n_port };

	for (unsigned i = 0; i < f.n_host; i++) {
		f.host[i] = about->host[i];
		shared__to_alias(c, &f.host[i]);
	}
	for (unsigned i = 0; i < f.n_port; i++)
		f.port[i] = be16_from(about->port[i]);
	return f;
}

static void forget_old_records(const struct control *c)
{
	struct trace_record r;

	for (unsigned i = 0; i < c->workers.n; i++)
		while (trace_read(trace_of(c, i), &r))
			;
}

void trace__start(struct control *c, struct client *cl, const struct ctl_request *r)
{
	const uint32_t seconds = r->about.seconds ? r->about.seconds : CTL_SECONDS_DEFAULT;
	struct trace_question *t = c->tracing ? NULL : calloc(1, sizeof(*t));

	if (!t) {
		client__fail(cl, c->tracing ? "a trace is running already" : "out of memory");
		return;
	}
	c->tracing = true;
	forget_old_records(c);
	t->filter = filter_of(c, &r->about);
	t->said_ms = uv_now(&c->loop);
	t->end_ms = t->said_ms + seconds * 1000ull;
	t->max = r->max;
	t->lost_before = lost(c);
	t->q.more = more;
	t->q.abandoned = abandoned;
	question__start(c, cl, &t->q);
}
