/*
 * dump.c - flows and mappings, asked from the workers piece by piece.
 *
 * A worker fills a small buffer between two of its batches; the client gets it as lines before the
 * next piece is asked for. Nothing is locked, so what changes meanwhile may be missed or seen twice.
 */
#include <stdlib.h>
#include "question.h"
#include "record.h"

enum { RECORDS = 256 };

/** struct dump - @worker: that is being asked; @about: who: whose outside port this is. */
struct dump {
	struct question q; /* first */
	unsigned worker;
	uint64_t n, max;
	struct ctl_subject about;
	union {
		struct flow_record flows[RECORDS];
		struct bib_record bib[RECORDS];
	};
};

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
	shared__to_real(d->q.control, &outside);
	return addr_equal(&outside, &d->about.host[0]) && r->outside_port == d->about.port[0] &&
	       (!d->about.protocol || number[r->protocol] == d->about.protocol);
}

static void emit(struct dump *d, struct client *cl)
{
	struct worker_request *r = &d->q.request;
	bool flows = r->kind == WORKER_DUMP_FLOWS;

	for (uint32_t i = 0; i < r->n && !is_full(d); i++) {
		if (!flows && !is_asked_for(d, &d->bib[i]))
			continue;
		client__send(cl, flows ? flow_line(d->q.control, d->flows[i]) :
					 bib_line(d->q.control, d->bib[i]));
		d->n++;
	}
	if (r->cursor == UINT32_MAX) {
		d->worker++;
		r->cursor = 0;
	}
}

static enum stream_step more(struct question *q, struct client *cl)
{
	struct dump *d = (struct dump *)q;

	if (question__has_answer(q)) {
		emit(d, cl);
		return STREAM_MORE;
	}
	if (is_full(d) || d->worker >= q->control->workers.n) {
		client__send(cl, json_pack("{s:b,s:I}", "ok", 1, "n", (json_int_t)d->n));
		client__finish(cl);
		return STREAM_END;
	}
	question__ask(q, d->worker);
	return STREAM_WAIT;
}

static bool abandoned(struct question *q)
{
	(void)q;
	return true;
}

void dump__start(struct control *c, struct client *cl, const struct ctl_request *r)
{
	struct dump *d = calloc(1, sizeof(*d));

	if (!d) {
		client__fail(cl, "out of memory");
		return;
	}
	d->q.request.kind = r->command == CTL_FLOWS ? WORKER_DUMP_FLOWS : WORKER_DUMP_BIB;
	d->q.request.max = RECORDS;
	if (r->command == CTL_FLOWS)
		d->q.request.flows = d->flows;
	else
		d->q.request.bib = d->bib;
	d->q.more = more;
	d->q.abandoned = abandoned;
	d->max = r->max;
	d->about = r->about;
	question__start(c, cl, &d->q);
}
