/* dns_see.c - sixgatectl dns: the cache and what becomes of a question, asked of the DNS64 thread.
 */
#include "sixgate/dns64/see.h"
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "dns_see.h"
#include "record.h"
#include "sixgate/base/wire.h"

enum { SHOWN_DEFAULT = 20 };

static void fail(struct client *cl, const char *what, const char *text)
{
	struct err e;

	err_set(&e, -EINVAL, "%s: %s", what, text);
	client__fail(cl, e.text);
}

static void send_last(struct client *cl, json_t *v)
{
	client__send(cl, v);
	client__finish(cl);
}

/* Return: how many threads there are with a server. */
static unsigned call_all(struct control *c, int (*call)(struct dns64 *d, void *arg), void *arg)
{
	unsigned n = 0;

	for (unsigned i = 0; i < c->dns.n; i++)
		n += dns_thread__call(&c->dns.thread[i], call, arg) == 0;
	return n;
}

/* ---- cache ---- */

/* struct look - @facts, @seen: of all threads together, each of which has a cache of its own. */
struct look {
	const struct dns_name *name;
	size_t max, n;
	struct dns64_cache_facts facts;
	struct dns64_seen seen[DNS64_SEEN_MAX * DNS64_THREADS_MAX];
};

static void add_facts(struct dns64_cache_facts *sum, const struct dns64_cache_facts *f)
{
	sum->bytes += f->bytes;
	sum->limit += f->limit;
	sum->entries += f->entries;
	sum->hits += f->hits;
	sum->misses += f->misses;
}

static int look(struct dns64 *d, void *arg)
{
	struct look *l = arg;

	struct dns64_cache_facts facts;

	dns64_cache_state(d, &facts);
	add_facts(&l->facts, &facts);
	l->n += dns64_cache_look(d, l->name, l->seen + l->n, l->max);
	return 0;
}

static int by_uses(const void *a, const void *b)
{
	const struct dns64_seen *x = a, *y = b;

	return (x->uses < y->uses) - (x->uses > y->uses);
}

static json_t *seen_json(const struct dns64_seen *s)
{
	char name[DNS64_NAME_TEXT], type[DNS64_TYPE_TEXT];

	return json_pack("{s:{s:o,s:s,s:s,s:I,s:I,s:i,s:b,s:b}}", "entry", "name",
			 text__json(dns64_name_text(&s->question.name, name)), "type",
			 dns64_type_text(s->question.type, type), "rcode",
			 dns64_rcode_name(s->rcode), "uses", (json_int_t)s->uses, "bytes",
			 (json_int_t)s->len, "left_s", (int)s->left_s, "do", (int)s->dnssec_ok,
			 "cd", (int)s->checking_disabled);
}

static void answer_cache(struct control *c, struct client *cl, struct look *l)
{
	const struct dns64_cache_facts *f = &l->facts;

	if (!call_all(c, look, l)) {
		client__fail(cl, "DNS64 is off");
		return;
	}
	qsort(l->seen, l->n, sizeof(l->seen[0]), by_uses);
	for (size_t i = 0; i < l->n && i < l->max; i++)
		client__send(cl, seen_json(&l->seen[i]));
	send_last(cl, json_pack("{s:b,s:I,s:I,s:I,s:I,s:I}", "ok", 1, "bytes", (json_int_t)f->bytes,
				"limit", (json_int_t)f->limit, "entries", (json_int_t)f->entries,
				"hits", (json_int_t)f->hits, "misses", (json_int_t)f->misses));
}

static void start_cache(struct control *c, struct client *cl, const struct ctl_request *r,
			const struct dns_name *name)
{
	struct look *l = calloc(1, sizeof(*l));

	if (!l) {
		client__fail(cl, "out of memory");
		return;
	}
	l->name = *r->dns.name ? name : NULL;
	l->max = r->max && r->max < DNS64_SEEN_MAX ? r->max
		 : r->max                          ? DNS64_SEEN_MAX
						   : SHOWN_DEFAULT;
	answer_cache(c, cl, l);
	free(l);
}

/* ---- flush ---- */

struct flush {
	enum dns64_flush what;
	const struct dns_name *name;
	uint64_t n;
};

static int flush(struct dns64 *d, void *arg)
{
	struct flush *f = arg;

	f->n += dns64_flush(d, f->what, f->name);
	return 0;
}

static void start_flush(struct control *c, struct client *cl, const struct ctl_request *r,
			const struct dns_name *name)
{
	struct flush f = { .what = !*r->dns.name         ? DNS64_FLUSH_ALL
				   : *r->dns.name == '.' ? DNS64_FLUSH_BELOW
							 : DNS64_FLUSH_NAME,
			   .name = name };

	if (!call_all(c, flush, &f))
		client__fail(cl, "DNS64 is off");
	else
		send_last(cl, json_pack("{s:b,s:I}", "ok", 1, "flushed", (json_int_t)f.n));
}

/* ---- lookup ---- */

/** struct dns_job - @told: lent to the DNS64 thread until @done. */
struct dns_job {
	struct dns64_told told; /* first */
	struct dns64_explain x;
	struct control *control;
	struct client *client; /* NULL once it has left */
	struct dns_job *next;
	_Atomic bool done;
	bool ended;
};

static void on_end(struct dns64_told *t)
{
	struct dns_job *j = (struct dns_job *)t;
	struct control *c = j->control;

	atomic_store(&j->done, true);
	uv_async_send(&c->dump_done); /* @j may be gone from here on */
}

static int explain(struct dns64 *d, void *arg)
{
	struct dns_job *j = arg;

	dns64_explain(d, &j->x, &j->told);
	return 0;
}

static void add_record(void *ctx, const char *section, const char *text)
{
	client__send(ctx, json_pack("{s:{s:s,s:o}}", "record", "section", section, "text",
				    text__json(text)));
}

static enum stream_step more(void *job, struct client *cl)
{
	struct dns_job *j = job;
	const struct dns64_told *t = &j->told;

	if (!atomic_load(&j->done))
		return STREAM_WAIT;
	for (unsigned i = 0; i < t->n; i++)
		client__send(cl, json_pack("{s:o}", "step", text__json(t->line[i])));
	if (!t->len) {
		client__fail(cl, "no answer: too many questions are under way");
		return STREAM_END;
	}
	dns64_answer_text(t->wire, t->len, add_record, cl);
	send_last(cl, json_pack("{s:b,s:s,s:b,s:b,s:b}", "ok", 1, "rcode",
				dns64_rcode_name(t->wire[3] & DNS_RCODE), "aa",
				(int)!!(load16(t->wire + 2) & DNS_AA), "ad",
				(int)!!(load16(t->wire + 2) & DNS_AD), "cut", (int)t->cut));
	return STREAM_END;
}

static void gone(void *job)
{
	struct dns_job *j = job;

	j->client = NULL;
	dns_see__wake(j->control);
}

void dns_see__wake(struct control *c)
{
	for (struct dns_job **at = &c->dns_jobs, *j = *at; j; j = *at) {
		if (!j->client && atomic_load(&j->done)) {
			*at = j->next;
			free(j);
			continue;
		}
		at = &j->next;
	}
	for (struct dns_job *j = c->dns_jobs; j; j = j->next)
		if (j->client && atomic_load(&j->done) && !j->ended) {
			j->ended = true;
			client__wake(j->client);
			return; /* which may have changed the list: the others have their turn next
				 */
		}
}

static void start_lookup(struct control *c, struct client *cl, const struct ctl_request *r,
			 const struct dns_name *name)
{
	struct dns_job *j = calloc(1, sizeof(*j));

	if (!j) {
		client__fail(cl, "out of memory");
		return;
	}
	j->x.question = (struct dns_question){ .name = *name, .class = DNS_CLASS_IN };
	if (dns64_type_parse(r->dns.type, &j->x.question.type) != 0) {
		free(j);
		fail(cl, r->dns.type, "no type of records");
		return;
	}
	j->x.client = r->dns.client;
	j->control = c;
	j->client = cl;
	j->told.on_end = on_end;
	/* any of the threads: they differ in nothing but what they remember */
	if (dns_thread__call(&c->dns.thread[0], explain, j) != 0) {
		free(j);
		client__fail(cl, "DNS64 is off");
		return;
	}
	j->next = c->dns_jobs;
	c->dns_jobs = j;
	client__stream(cl, j, more, gone);
}

void dns_see__start(struct control *c, struct client *cl, const struct ctl_request *r)
{
	const char *text = r->dns.name + (r->command == CTL_DNS_FLUSH && *r->dns.name == '.');
	struct dns_name name = { .len = 1 };

	if (*text && dns_name_parse(text, &name) != 0) {
		fail(cl, text, "no domain name");
		return;
	}
	if (r->command == CTL_DNS_CACHE)
		start_cache(c, cl, r, &name);
	else if (r->command == CTL_DNS_FLUSH)
		start_flush(c, cl, r, &name);
	else
		start_lookup(c, cl, r, &name);
}
