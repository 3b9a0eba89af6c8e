/* dns_see.c - sixgatectl dns cache and flush: all DNS64 threads are asked, each of which has a cache of
 * its own. */
#include "sixgate/dns64/see.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "dns_see.h"
#include "record.h"

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

/* ---- cache ---- */

/* struct entry - @thread: whose cache it is in, from 1. */
struct entry {
	struct dns64_seen seen;
	unsigned thread;
};

/* struct look - @thread: whose turn it is, from 1; @facts: of each; @entry: of all together. */
struct look {
	const struct dns_name *name;
	size_t max, n;
	unsigned thread;
	struct dns64_cache_facts facts[DNS64_THREADS_MAX + 1];
	struct dns64_seen seen[DNS64_SEEN_MAX];
	struct entry entry[DNS64_SEEN_MAX * DNS64_THREADS_MAX];
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
	size_t n = dns64_cache_look(d, l->name, l->seen, l->max);

	dns64_cache_state(d, &l->facts[l->thread]);
	add_facts(&l->facts[0], &l->facts[l->thread]);
	for (size_t i = 0; i < n; i++)
		l->entry[l->n++] = (struct entry){ .seen = l->seen[i], .thread = l->thread };
	return 0;
}

static int by_uses(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->seen.uses != y->seen.uses)
		return x->seen.uses < y->seen.uses ? 1 : -1;
	return (x->thread > y->thread) - (x->thread < y->thread);
}

static json_t *seen_json(const struct dns64_seen *s)
{
	char name[DNS64_NAME_TEXT], type[DNS64_TYPE_TEXT];

	return json_pack("{s:o,s:s,s:s,s:I,s:I,s:i,s:b,s:b}", "name",
			 text__json(dns64_name_text(&s->question.name, name)), "type",
			 dns64_type_text(s->question.type, type), "rcode",
			 dns64_rcode_name(s->rcode), "uses", (json_int_t)s->uses, "bytes",
			 (json_int_t)s->len, "left_s", (int)s->left_s, "do", (int)s->dnssec_ok,
			 "cd", (int)s->checking_disabled);
}

/* Which thread has it is of interest where there are several. */
static json_t *entry_json(const struct control *c, const struct entry *e)
{
	json_t *v = seen_json(&e->seen);

	if (c->dns.n > 1)
		json_object_set_new(v, "thread", json_integer(e->thread));
	return json_pack("{s:o}", "entry", v);
}

static json_t *facts_json(const struct dns64_cache_facts *f)
{
	return json_pack("{s:I,s:I,s:I,s:I,s:I}", "bytes", (json_int_t)f->bytes, "limit",
			 (json_int_t)f->limit, "entries", (json_int_t)f->entries, "hits",
			 (json_int_t)f->hits, "misses", (json_int_t)f->misses);
}

static json_t *sum_json(const struct control *c, const struct look *l)
{
	json_t *v = facts_json(&l->facts[0]), *threads = json_array();

	for (unsigned i = 1; i <= c->dns.n; i++)
		json_array_append_new(threads, facts_json(&l->facts[i]));
	if (c->dns.n > 1)
		json_object_set(v, "threads", threads);
	json_decref(threads);
	json_object_set_new(v, "ok", json_true());
	return v;
}

static void answer_cache(struct control *c, struct client *cl, struct look *l)
{
	unsigned n_on = 0;

	for (unsigned i = 0; i < c->dns.n; i++) {
		l->thread = i + 1;
		n_on += dns_thread__call(&c->dns.thread[i], look, l) == 0;
	}
	if (!n_on) {
		client__fail(cl, "DNS64 is off");
		return;
	}
	qsort(l->entry, l->n, sizeof(l->entry[0]), by_uses);
	for (size_t i = 0; i < l->n && i < l->max; i++)
		client__send(cl, entry_json(c, &l->entry[i]));
	send_last(cl, sum_json(c, l));
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
	unsigned n_on = 0;
	struct flush f = { .what = !*r->dns.name         ? DNS64_FLUSH_ALL
				   : *r->dns.name == '.' ? DNS64_FLUSH_BELOW
							 : DNS64_FLUSH_NAME,
			   .name = name };

	for (unsigned i = 0; i < c->dns.n; i++)
		n_on += dns_thread__call(&c->dns.thread[i], flush, &f) == 0;
	if (!n_on)
		client__fail(cl, "DNS64 is off");
	else
		send_last(cl, json_pack("{s:b,s:I}", "ok", 1, "flushed", (json_int_t)f.n));
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
		dns_lookup__start(c, cl, r, &name);
}
