/* see.c - what sixgatectl dns shows of a running server. */
#include "sixgate/dns64/see.h"
#include <stdlib.h>
#include <string.h>
#include "io.h"
#include "sixgate/base/wire.h"
#include "told.h"

struct look {
	const struct dns_name *name;
	uint64_t now_ms;
	struct dns64_seen *out;
	size_t n, max;
};

static bool is_less(const struct dns64_seen *a, uint32_t uses)
{
	return a->uses < uses;
}

/* @out is kept in the order of uses. */
static void insert(struct look *l, const struct dns64_seen *s)
{
	size_t i = l->n < l->max ? l->n++ : l->max - 1;

	if (i == l->max - 1 && l->n == l->max && !is_less(&l->out[i], s->uses) && l->out[i].len)
		return;
	for (; i > 0 && is_less(&l->out[i - 1], s->uses); i--)
		l->out[i] = l->out[i - 1];
	l->out[i] = *s;
}

static bool look_at(void *ctx, const struct dns64_answer *a)
{
	struct look *l = ctx;
	struct dns64_seen s = { .uses = a->uses,
				.len = a->len,
				.left_s = (int32_t)(a->ttl_s - dns64_answer_age(a, l->now_ms)),
				.rcode = a->wire[3] & DNS_RCODE,
				.dnssec_ok = a->flags & DNS64_KEY_DO,
				.checking_disabled = a->flags & DNS64_KEY_CD };

	if (dns_question_read(a->wire, a->len, &s.question) &&
	    (!l->name || dns_name_equal(&s.question.name, l->name)))
		insert(l, &s);
	return false;
}

size_t dns64_cache_look(struct dns64 *d, const struct dns_name *name, struct dns64_seen *out,
			size_t max)
{
	struct look l = { .name = name,
			  .out = out,
			  .max = max < DNS64_SEEN_MAX ? max : DNS64_SEEN_MAX };

	if (!l.max)
		return 0;
	memset(out, 0, l.max * sizeof(*out));
	io__tell_time(d);
	l.now_ms = d->resolver->now_ms;
	dns64_cache_walk(d->resolver->cache, DNS64_SEEN_WALK, look_at, &l);
	return l.n;
}

void dns64_cache_state(const struct dns64 *d, struct dns64_cache_facts *out)
{
	const struct dns64_cache *c = d->resolver->cache;

	*out = (struct dns64_cache_facts){ .bytes = dns64_cache_bytes(c),
					   .limit = dns64_cache_bound(c),
					   .entries = dns64_cache_entries(c),
					   .hits = counter_read(&d->stats.cache_hits),
					   .misses = counter_read(&d->stats.cache_misses) };
}

struct sweep {
	enum dns64_flush what;
	const struct dns_name *name;
};

static bool is_swept(void *ctx, const struct dns64_answer *a)
{
	const struct sweep *s = ctx;
	struct dns_question q;

	if (s->what == DNS64_FLUSH_ALL)
		return true;
	if (!dns_question_read(a->wire, a->len, &q))
		return false;
	return s->what == DNS64_FLUSH_NAME ? dns_name_equal(&q.name, s->name)
					   : dns_name_is_under(&q.name, s->name);
}

uint64_t dns64_flush(struct dns64 *d, enum dns64_flush what, const struct dns_name *name)
{
	struct sweep s = { .what = what, .name = name };

	return dns64_cache_walk(d->resolver->cache, SIZE_MAX, is_swept, &s);
}

/* A way in like a listener, for one question. */
static void end(struct via *v, const struct client *c, const uint8_t *wire, size_t len)
{
	struct dns64_told *t = c->told;

	free(v);
	t->len = len;
	if (len)
		memcpy(t->wire, wire, len);
	t->on_end(t);
}

void dns64_explain(struct dns64 *d, const struct dns64_explain *x, struct dns64_told *t)
{
	const struct dns_query q = { .question = x->question };
	struct via *v = malloc(sizeof(*v));
	struct client c = { .via = v, .most = DNS_MESSAGE_MAX, .told = t };
	uint8_t wire[DNS_HEADER_LEN + DNS_NAME_MAX + 4 + DNS_OPT_LEN];
	size_t len = dns_query_write(&q, 0, true, wire);

	t->n = 0;
	t->len = 0;
	if (!v) {
		t->on_end(t);
		return;
	}
	v->reply = end;
	c.peer.sin6_family = AF_INET6;
	memcpy(c.peer.sin6_addr.s6_addr, x->client.octet, 16);
	io__tell_time(d);
	t->started_ms = d->resolver->now_ms;
	resolver__query(d->resolver, &c, wire, len);
}
