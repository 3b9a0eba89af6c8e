/*
 * dump.c - flows and mappings, asked from the workers piece by piece.
 *
 * A worker fills a small buffer between two of its batches; the client gets it as lines before the
 * next piece is asked for. Nothing is locked, so what changes meanwhile may be missed or seen twice.
 */
#include <stdlib.h>
#include "control.h"
#include "record.h"

enum { RECORDS = 256 };

struct dump {
	struct worker_request request; /* first: on_done is given this */
	struct control *control;
	struct client *client; /* NULL once it has left */
	struct dump *next;
	unsigned worker;
	bool asked, waiting;
	_Atomic bool answered; /* the worker has touched it for the last time */
	uint64_t n, max;
	struct ctl_subject about; /* who: whose outside port this is */
	union {
		struct flow_record flows[RECORDS];
		struct bib_record bib[RECORDS];
	};
};

/* In the worker's thread. With the flag the dump is the control thread's again, to be freed. */
static void on_done(struct worker_request *r)
{
	struct dump *d = (struct dump *)r;
	struct control *c = d->control;

	atomic_store(&d->answered, true);
	uv_async_send(&c->dump_done);
}

void shared__to_real(const struct control *c, struct addr *a)
{
	if (c->facts.has_shared && addr_equal(a, &c->facts.shared_alias))
		*a = c->facts.shared_real;
}

void shared__to_alias(const struct control *c, struct addr *a)
{
	if (c->facts.has_shared && addr_equal(a, &c->facts.shared_real))
		*a = c->facts.shared_alias;
}

static json_t *flow_line(const struct control *c, struct flow_record r)
{
	for (int dir = 0; dir < 2; dir++) {
		shared__to_real(c, &r.key[dir].src);
		shared__to_real(c, &r.key[dir].dst);
	}
	return record__flow_json(&r);
}

static json_t *bib_line(const struct control *c, struct bib_record r)
{
	shared__to_real(c, &r.outside);
	return record__bib_json(&r);
}

static bool is_full(const struct dump *d)
{
	return d->max && d->n >= d->max;
}

static bool is_asked_for(const struct dump *d, const struct bib_record *r)
{
	static const uint8_t number[] = { [NAT64_TCP] = 6, [NAT64_UDP] = 17, [NAT64_ICMP] = 1 };
	struct addr outside = r->outside;

	if (d->about.n_host == 0)
		return true;
	shared__to_real(d->control, &outside);
	return addr_equal(&outside, &d->about.host[0]) && r->outside_port == d->about.port[0] &&
	       (!d->about.protocol || number[r->protocol] == d->about.protocol);
}

static void emit(struct dump *d, struct client *cl)
{
	bool flows = d->request.kind == WORKER_DUMP_FLOWS;

	for (uint32_t i = 0; i < d->request.n && !is_full(d); i++) {
		if (!flows && !is_asked_for(d, &d->bib[i]))
			continue;
		client__send(cl, flows ? flow_line(d->control, d->flows[i]) :
					 bib_line(d->control, d->bib[i]));
		d->n++;
	}
	d->asked = false;
	if (d->request.cursor == UINT32_MAX) {
		d->worker++;
		d->request.cursor = 0;
	}
}

static enum stream_step more(void *job, struct client *cl)
{
	struct dump *d = job;

	d->waiting = false;
	if (d->asked) {
		if (!atomic_load(&d->answered)) {
			d->waiting = true;
			return STREAM_WAIT;
		}
		emit(d, cl);
		return STREAM_MORE;
	}
	if (is_full(d) || d->worker >= d->control->workers.n) {
		client__send(cl, json_pack("{s:b,s:I}", "ok", 1, "n", (json_int_t)d->n));
		client__finish(cl);
		return STREAM_END;
	}
	atomic_store(&d->request.done, false);
	atomic_store(&d->answered, false);
	d->asked = worker_loop_ask(&d->control->workers.t[d->worker].loop, &d->request);
	d->waiting = true;
	return STREAM_WAIT; /* for the answer; or another dump is under way, and the tick comes back */
}

static void unlink_dump(struct dump *d)
{
	for (struct dump **at = &d->control->dumps; *at; at = &(*at)->next)
		if (*at == d) {
			*at = d->next;
			break;
		}
	free(d);
}

static void gone(void *job)
{
	struct dump *d = job;

	if (d->asked && !atomic_load(&d->answered))
		d->client = NULL; /* the worker still has the request: freed when it is done */
	else
		unlink_dump(d);
}

void dump__wake(struct control *c)
{
	struct dump *next;

	for (struct dump *d = c->dumps; d; d = next) {
		next = d->next;
		if (d->client && d->waiting)
			client__wake(d->client);
		else if (!d->client && atomic_load(&d->answered))
			unlink_dump(d);
	}
}

void dump__start(struct control *c, struct client *cl, const struct ctl_request *r)
{
	struct dump *d = calloc(1, sizeof(*d));

	if (!d) {
		client__fail(cl, "out of memory");
		return;
	}
	d->request.kind = r->command == CTL_FLOWS ? WORKER_DUMP_FLOWS : WORKER_DUMP_BIB;
	d->request.max = RECORDS;
	d->request.on_done = on_done;
	if (r->command == CTL_FLOWS)
		d->request.flows = d->flows;
	else
		d->request.bib = d->bib;
	d->control = c;
	d->client = cl;
	d->max = r->max;
	d->about = r->about;
	d->next = c->dumps;
	c->dumps = d;
	client__stream(cl, d, more, gone);
}
