/* dns_lookup.c - sixgatectl dns lookup: what becomes of a question, asked of all DNS64 threads at once;
 * they differ in what they remember. */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include "dns_merge.h"
#include "dns_see.h"
#include "record.h"
#include "sixgate/base/wire.h"

struct dns_job;

/* struct part - one thread's; @told is lent to it. */
struct part {
	struct dns64_told told; /* first */
	struct dns_job *job;
};

/**
 * struct dns_job
 * @client: NULL once it has left
 * @n_open: threads that have not ended yet; until there are none they hold their parts
 */
struct dns_job {
	struct dns64_explain x;
	struct control *control;
	struct client *client;
	struct dns_job *next;
	_Atomic unsigned n_open;
	bool ended;
	struct dns_merge merge;
	struct part part[];
};

static void on_end(struct dns64_told *t)
{
	struct dns_job *j = ((struct part *)t)->job;
	struct control *c = j->control;

	if (atomic_fetch_sub(&j->n_open, 1) == 1)
		uv_async_send(&c->dump_done); /* @j may be gone by now */
}

static int explain(struct dns64 *d, void *arg)
{
	struct part *p = arg;

	dns64_explain(d, &p->job->x, &p->told);
	return 0;
}

/* @v, and who says so if that is not everybody. Takes @v. */
static json_t *said_by(const struct dns_merge *m, uint32_t who, json_t *v)
{
	json_t *threads = json_array();
	unsigned n = 0;

	for (unsigned i = 0; i < m->n; i++) {
		if (!(who >> i & 1))
			continue;
		n++;
		json_array_append_new(threads, json_integer(i + 1));
	}
	if (n < m->n)
		json_object_set(v, "threads", threads);
	json_decref(threads);
	return v;
}

/* struct shown - where records go, and whose they are. */
struct shown {
	struct client *cl;
	const struct dns_merge *merge;
	uint32_t who;
};

static void add_record(void *ctx, const char *section, const char *text)
{
	const struct shown *s = ctx;

	client__send(s->cl, said_by(s->merge, s->who, json_pack("{s:{s:s,s:o}}", "record", "section",
								section, "text", text__json(text))));
}

static json_t *answer_json(const struct dns64_told *t)
{
	uint16_t flags = t->len ? load16(t->wire + 2) : 0;

	return json_pack("{s:s,s:b,s:b}", "rcode",
			 t->len ? dns64_rcode_name(flags & DNS_RCODE) : "none", "aa",
			 (int)!!(flags & DNS_AA), "ad", (int)!!(flags & DNS_AD));
}

/* One that all agree in is summed up by the last line alone. */
static void show_answers(struct client *cl, const struct dns_merge *m)
{
	struct shown s = { .cl = cl, .merge = m };
	const struct dns64_told *t;
	uint32_t done = 0;

	while ((t = dns_merge__answer(m, &done, &s.who))) {
		if (s.who != (UINT32_C(1) << m->n) - 1)
			client__send(cl, said_by(m, s.who, json_pack("{s:o}", "answer", answer_json(t))));
		if (t->len)
			dns64_answer_text(t->wire, t->len, add_record, &s);
	}
}

/* The last line: the answer, or that of the first thread that has one. Return: NULL: there is none. */
static json_t *sum_json(const struct dns_merge *m)
{
	const struct dns64_told *first = NULL;
	uint32_t done = 0, who;
	bool cut = false;
	json_t *v;

	for (unsigned i = m->n; i-- > 0;) {
		first = m->told[i]->len ? m->told[i] : first;
		cut |= m->told[i]->cut;
	}
	if (!first)
		return NULL;
	dns_merge__answer(m, &done, &who);
	v = answer_json(first);
	json_object_set_new(v, "ok", json_true());
	json_object_set_new(v, "cut", json_boolean(cut));
	if (who != (UINT32_C(1) << m->n) - 1)
		json_object_set_new(v, "differ", json_true());
	return v;
}

static enum stream_step more(void *job, struct client *cl)
{
	struct dns_job *j = job;
	const char *line;
	uint32_t who;
	json_t *sum;

	if (atomic_load(&j->n_open))
		return STREAM_WAIT;
	while ((line = dns_merge__line(&j->merge, &who)))
		client__send(cl, said_by(&j->merge, who, json_pack("{s:o}", "step", text__json(line))));
	sum = sum_json(&j->merge);
	if (!sum) {
		client__fail(cl, "no answer: too many questions are under way");
		return STREAM_END;
	}
	show_answers(cl, &j->merge);
	client__send(cl, sum);
	client__finish(cl);
	return STREAM_END;
}

static void gone(void *job)
{
	struct dns_job *j = job;

	j->client = NULL;
	dns_lookup__wake(j->control);
}

void dns_lookup__wake(struct control *c)
{
	for (struct dns_job **at = &c->dns_jobs, *j = *at; j; j = *at) {
		if (!j->client && !atomic_load(&j->n_open)) {
			*at = j->next;
			free(j);
			continue;
		}
		at = &j->next;
	}
	for (struct dns_job *j = c->dns_jobs; j; j = j->next)
		if (j->client && !atomic_load(&j->n_open) && !j->ended) {
			j->ended = true;
			client__wake(j->client);
			return; /* which may have changed the list: the others have their turn next */
		}
}

/* Return: how many threads there are with a server. Those without have ended. */
static unsigned ask_all(struct control *c, struct dns_job *j)
{
	unsigned n_on = 0;

	atomic_store(&j->n_open, c->dns.n);
	j->merge.n = c->dns.n;
	for (unsigned i = 0; i < c->dns.n; i++) {
		struct part *p = &j->part[i];

		p->job = j;
		p->told.on_end = on_end;
		j->merge.told[i] = &p->told;
		if (dns_thread__call(&c->dns.thread[i], explain, p) == 0)
			n_on++;
		else
			atomic_fetch_sub(&j->n_open, 1);
	}
	return n_on;
}

void dns_lookup__start(struct control *c, struct client *cl, const struct ctl_request *r,
		       const struct dns_name *name)
{
	struct dns_job *j = calloc(1, sizeof(*j) + c->dns.n * sizeof(j->part[0]));
	struct err e;

	if (!j) {
		client__fail(cl, "out of memory");
		return;
	}
	j->x.question = (struct dns_question){ .name = *name, .class = DNS_CLASS_IN };
	if (dns64_type_parse(r->dns.type, &j->x.question.type) != 0) {
		free(j);
		err_set(&e, -EINVAL, "%s: no type of records", r->dns.type);
		client__fail(cl, e.text);
		return;
	}
	j->x.client = r->dns.client;
	j->control = c;
	j->client = cl;
	if (!ask_all(c, j)) {
		free(j);
		client__fail(cl, "DNS64 is off");
		return;
	}
	j->next = c->dns_jobs;
	c->dns_jobs = j;
	client__stream(cl, j, more, gone);
}
