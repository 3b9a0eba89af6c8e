/* cache.c - answers in a chained hash table under a keyed hash, with one list in the order of their
 * coming. Bounded in bytes: what comes in is paid for by what came first, unless that was used since:
 * then it has a second turn (CLOCK). So a hit writes to nothing but its own answer. */
#include "sixgate/dns64/cache.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "sixgate/base/must.h"
#include "sixgate/base/wire.h"

enum {
	BYTES_PER_BUCKET = 1024, /* a little under the usual answer with its overhead, doubled */
	BUCKETS_MIN = 1024,
	BUCKETS_MAX = 1 << 22,
	FETCHED = 256, /* octets of an answer that are fetched ahead: most have no more */
	TURNS_AT_ONCE = 64, /* second turns given before one must go: bounds the work */
};

/**
 * struct dns64_cache
 * @newest: came, or had its second turn, last; @oldest: goes next, if it was not used
 * @used:   bytes of the answers linked here and of the index
 * @stale_s: how long answers are kept beyond their time
 */
struct dns64_cache {
	struct hash_key secret;
	struct dns64_answer **bucket;
	struct dns64_answer *newest, *oldest;
	uint64_t mask, limit, used, n;
	uint32_t stale_s;
};

void dns64_key_of(const struct dns_query *q, struct dns64_key *key)
{
	key->question = q->question;
	dns_name_fold(&key->question.name);
	key->flags = (q->dnssec_ok ? DNS64_KEY_DO : 0) | (q->flags & DNS_CD ? DNS64_KEY_CD : 0);
}

bool dns64_key_equal(const struct dns64_key *a, const struct dns64_key *b)
{
	const struct dns_question *p = &a->question, *q = &b->question;

	return a->flags == b->flags && p->type == q->type && p->class == q->class &&
	       p->name.len == q->name.len && memcmp(p->name.octet, q->name.octet, p->name.len) == 0;
}

/* The name's hash is unknown to whoever chose the name; so is what a type makes of it. */
static uint64_t hash_of(const struct hash_key *secret, const struct dns64_probe *p)
{
	uint64_t rest = (uint64_t)p->flags << 32 | (uint32_t)p->class << 16 | p->type;

	return hash__fold(p->name_hash ^ secret->word[2], rest ^ secret->word[3]);
}

static struct dns64_probe probe_of_key(const struct hash_key *secret, const struct dns64_key *key)
{
	const struct dns_question *q = &key->question;

	return (struct dns64_probe){ .name = q->name.octet,
				     .name_hash = siphash(secret, q->name.octet, q->name.len),
				     .type = q->type,
				     .class = q->class,
				     .name_len = q->name.len,
				     .flags = key->flags };
}

uint64_t dns64_key_hash(const struct hash_key *secret, const struct dns64_key *key)
{
	struct dns64_probe p = probe_of_key(secret, key);

	return hash_of(secret, &p);
}

static uint64_t bucket_count(uint64_t bytes)
{
	uint64_t n = BUCKETS_MIN;

	while (n < BUCKETS_MAX && n < bytes / BYTES_PER_BUCKET)
		n *= 2;
	return n;
}

int dns64_cache_new(struct dns64_cache **out, uint64_t bytes, const struct hash_key *secret,
		    struct err *e)
{
	struct dns64_cache *c = calloc(1, sizeof(*c));
	uint64_t n = bucket_count(bytes);

	if (c)
		c->bucket = calloc(n, sizeof(*c->bucket));
	if (!c || !c->bucket) {
		free(c);
		return err_set(e, -ENOMEM, "dns64: no memory for the cache");
	}
	c->secret = *secret;
	c->mask = n - 1;
	c->limit = bytes;
	c->used = n * sizeof(*c->bucket);
	*out = c;
	return 0;
}

static uint64_t cost(const struct dns64_answer *a)
{
	return a->len + a->n_records * sizeof(*a->shape.ttl_at) + (uint64_t)DNS64_ANSWER_OVERHEAD;
}
_Static_assert(sizeof(struct dns64_answer) + 16 <= DNS64_ANSWER_OVERHEAD,
	       "the accounted overhead covers the record and the allocator's");

static void unlink_use(struct dns64_cache *c, struct dns64_answer *a)
{
	*(a->newer ? &a->newer->older : &c->newest) = a->older;
	*(a->older ? &a->older->newer : &c->oldest) = a->newer;
}

static void link_newest(struct dns64_cache *c, struct dns64_answer *a)
{
	a->newer = NULL;
	a->older = c->newest;
	*(c->newest ? &c->newest->newer : &c->oldest) = a;
	c->newest = a;
}

static void forget(struct dns64_cache *c, struct dns64_answer *a)
{
	struct dns64_answer **at = &c->bucket[a->hash & c->mask];

	while (*at != a)
		at = &(*at)->next;
	*at = a->next;
	unlink_use(c, a);
	c->used -= cost(a);
	c->n--;
	a->linked = false;
	dns64_answer_put(a);
}

void dns64_cache_free(struct dns64_cache *c)
{
	if (!c)
		return;
	while (c->oldest)
		forget(c, c->oldest);
	free(c->bucket);
	free(c);
}

static bool answers(const struct dns64_answer *a, const struct dns64_probe *p)
{
	const uint8_t *name = a->wire + DNS_HEADER_LEN;

	return a->flags == p->flags && a->len >= DNS_HEADER_LEN + p->name_len + 4u &&
	       memcmp(name, p->name, p->name_len) == 0 && load16(name + p->name_len) == p->type &&
	       load16(name + p->name_len + 2) == p->class;
}

static struct dns64_answer *lookup(struct dns64_cache *c, const struct dns64_probe *p, uint64_t hash)
{
	struct dns64_answer *a = c->bucket[hash & c->mask];

	while (a && (a->hash != hash || !answers(a, p)))
		a = a->next;
	return a;
}

static struct dns64_answer *lookup_key(struct dns64_cache *c, const struct dns64_key *key)
{
	struct dns64_probe p = probe_of_key(&c->secret, key);

	return lookup(c, &p, hash_of(&c->secret, &p));
}

/* Failures are never served beyond their time: they would hide that the upstream is back. */
static uint64_t kept_s(const struct dns64_cache *c, const struct dns64_answer *a)
{
	bool known = (a->wire[3] & DNS_RCODE) == DNS_NOERROR ||
		     (a->wire[3] & DNS_RCODE) == DNS_NXDOMAIN;

	return a->ttl_s + (known ? (uint64_t)c->stale_s : 0);
}

static struct dns64_answer *find(struct dns64_cache *c, const struct dns64_key *key,
				 uint64_t now_ms, bool stale)
{
	struct dns64_answer *a = lookup_key(c, key);
	uint32_t age = a ? dns64_answer_age(a, now_ms) : 0;

	if (!a)
		return NULL;
	if (age >= kept_s(c, a)) {
		forget(c, a);
		return NULL;
	}
	if (age >= a->ttl_s && !stale)
		return NULL;
	a->used = true;
	a->uses++;
	return a;
}

struct dns64_probe dns64_cache_probe_of(const struct dns64_cache *c, const struct dns_name *name)
{
	return (struct dns64_probe){ .name = name->octet,
				     .name_hash = siphash(&c->secret, name->octet, name->len),
				     .name_len = name->len,
				     .class = DNS_CLASS_IN };
}

struct dns64_answer *dns64_cache_probe(struct dns64_cache *c, const struct dns64_probe *p,
				       uint64_t now_ms)
{
	struct dns64_answer *a = lookup(c, p, hash_of(&c->secret, p));

	if (!a || dns64_answer_age(a, now_ms) >= a->ttl_s)
		return NULL;
	a->used = true;
	a->uses++;
	return a;
}

void dns64_cache_fetch_index(const struct dns64_cache *c, const struct dns64_probe *p)
{
	__builtin_prefetch(&c->bucket[hash_of(&c->secret, p) & c->mask]);
}

void dns64_cache_fetch(const struct dns64_cache *c, const struct dns64_probe *p)
{
	const struct dns64_answer *a = c->bucket[hash_of(&c->secret, p) & c->mask];

	for (size_t at = 0; a && at < FETCHED; at += 64)
		__builtin_prefetch((const char *)a + at);
}

struct dns64_answer *dns64_cache_find(struct dns64_cache *c, const struct dns64_key *key,
				      uint64_t now_ms)
{
	return find(c, key, now_ms, false);
}

struct dns64_answer *dns64_cache_find_stale(struct dns64_cache *c, const struct dns64_key *key,
					    uint64_t now_ms)
{
	return find(c, key, now_ms, true);
}

void dns64_cache_keep_stale(struct dns64_cache *c, uint32_t seconds)
{
	c->stale_s = seconds;
}

void dns64_cache_put_off(struct dns64_cache *c, const struct dns64_key *key, uint64_t until_ms)
{
	struct dns64_answer *a = lookup_key(c, key);

	if (a)
		a->recheck_ms = until_ms;
}

/* RFC 8767 5: that nobody can tell takes nothing away that is still known. */
static bool outlives(const struct dns64_cache *c, const struct dns64_answer *old,
		     const struct dns64_answer *a)
{
	return dns64_answer_failed(a) && !dns64_answer_failed(old) &&
	       dns64_answer_age(old, a->at_ms) < kept_s(c, old);
}

void dns64_cache_add(struct dns64_cache *c, const struct dns64_key *key, struct dns64_answer *a)
{
	struct dns64_probe p = probe_of_key(&c->secret, key);
	uint64_t hash = hash_of(&c->secret, &p);
	struct dns64_answer *old = lookup(c, &p, hash);

	must(!a->linked);
	if (old && outlives(c, old, a))
		return;
	if (old)
		forget(c, old);
	if (!a->ttl_s || cost(a) > c->limit)
		return;
	a->hash = hash;
	a->linked = true;
	a->next = c->bucket[hash & c->mask];
	c->bucket[hash & c->mask] = dns64_answer_get(a);
	link_newest(c, a);
	c->used += cost(a);
	c->n++;
	dns64_cache_limit(c, c->limit);
}

/* Those that were used since they had their turn have another. */
static void spare_used(struct dns64_cache *c)
{
	for (unsigned n = 0; c->oldest->used && n < TURNS_AT_ONCE; n++) {
		struct dns64_answer *a = c->oldest;

		a->used = false;
		unlink_use(c, a);
		link_newest(c, a);
	}
}

void dns64_cache_limit(struct dns64_cache *c, uint64_t bytes)
{
	c->limit = bytes;
	while (c->used > c->limit && c->oldest) {
		spare_used(c);
		forget(c, c->oldest);
	}
}

uint64_t dns64_cache_walk(struct dns64_cache *c, size_t most,
			  bool (*goes)(void *ctx, const struct dns64_answer *a), void *ctx)
{
	uint64_t n = 0;

	for (struct dns64_answer *a = c->newest, *older; a && most--; a = older) {
		older = a->older;
		if (!goes(ctx, a))
			continue;
		forget(c, a);
		n++;
	}
	return n;
}

uint64_t dns64_cache_bound(const struct dns64_cache *c)
{
	return c->limit;
}

uint64_t dns64_cache_bytes(const struct dns64_cache *c)
{
	return c->used;
}

uint64_t dns64_cache_entries(const struct dns64_cache *c)
{
	return c->n;
}
