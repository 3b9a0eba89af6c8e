/* resolver.c - the engine's memory and its clockwork. What becomes of a query is in task.c, how
 * upstreams are asked in lookup.c, choice.c and ask.c, their answers in heard.c. */
#include "resolver.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "sixgate/base/must.h"

/* Binary heap; every timer knows its place, so that it can be moved or taken out. */
static void put_at(struct timers *ts, uint32_t i, struct timer *t)
{
	ts->heap[i] = t;
	t->place = i + 1;
}

static void sift_up(struct timers *ts, uint32_t i, struct timer *t)
{
	while (i > 0 && ts->heap[(i - 1) / 2]->at_ms > t->at_ms) {
		put_at(ts, i, ts->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	put_at(ts, i, t);
}

static void sift_down(struct timers *ts, uint32_t i, struct timer *t)
{
	for (;;) {
		uint32_t child = 2 * i + 1;

		if (child + 1 < ts->n && ts->heap[child + 1]->at_ms < ts->heap[child]->at_ms)
			child++;
		if (child >= ts->n || ts->heap[child]->at_ms >= t->at_ms)
			break;
		put_at(ts, i, ts->heap[child]);
		i = child;
	}
	put_at(ts, i, t);
}

void timers__stop(struct timers *ts, struct timer *t)
{
	uint32_t i = t->place - 1;
	struct timer *last;

	if (!t->place)
		return;
	must(ts->heap[i] == t);
	t->place = 0;
	last = ts->heap[--ts->n];
	if (last == t)
		return;
	sift_up(ts, i, last);
	sift_down(ts, last->place - 1, last);
}

void timers__set(struct timers *ts, struct timer *t, uint64_t at_ms)
{
	timers__stop(ts, t);
	must(ts->n < ts->most);
	t->at_ms = at_ms;
	sift_up(ts, ts->n++, t);
}

uint64_t resolver__next(const struct resolver *r)
{
	uint64_t at;

	if (!r->timers.n)
		return UINT64_MAX;
	at = r->timers.heap[0]->at_ms;
	return at > r->now_ms ? at - r->now_ms : 0;
}

void resolver__advance(struct resolver *r)
{
	while (r->timers.n && r->timers.heap[0]->at_ms <= r->now_ms) {
		struct timer *t = r->timers.heap[0];

		timers__stop(&r->timers, t);
		t->fire(r, t);
	}
}

uint64_t resolver__random(struct resolver *r)
{
	r->n_random++;
	return siphash(&r->secret, &r->n_random, sizeof(r->n_random));
}

/* RFC 9018 3: another one for each upstream, to be told from no other. */
static void draw_cookie(struct resolver *r, struct upstream_state *u)
{
	uint64_t cookie = resolver__random(r);

	memcpy(u->client_cookie, &cookie, sizeof(u->client_cookie));
}

void resolver__wall(struct resolver *r, uint64_t unix_s)
{
	if (unix_s / DNS_COOKIE_KEY_S != r->unix_s / DNS_COOKIE_KEY_S)
		r->cookie_keys = dns_cookie_keys_at(&r->cookie_secret, unix_s);
	r->unix_s = unix_s;
}

static bool allocate(struct resolver *r, size_t n_upstream)
{
	r->task = calloc(TASKS, sizeof(*r->task));
	r->lookup = calloc(DNS64_LOOKUPS_MAX, sizeof(*r->lookup));
	r->timers.most = TASKS + DNS64_LOOKUPS_MAX;
	r->timers.heap = calloc(r->timers.most, sizeof(struct timer *));
	r->next_index = calloc(TASKS + DNS64_LOOKUPS_MAX, sizeof(*r->next_index));
	r->upstream = calloc(n_upstream + 1, sizeof(*r->upstream));
	return r->task && r->lookup && r->timers.heap && r->next_index && r->upstream;
}

int resolver__new(struct resolver **out, const struct resolver_setup *setup, struct err *e)
{
	struct resolver *r = calloc(1, sizeof(*r));
	struct hash_key cache_key = hash_key_derive(setup->secret, 1);

	if (!r || !allocate(r, setup->policy->n_upstream)) {
		resolver__free(r);
		return err_set(e, -ENOMEM, "dns64: out of memory");
	}
	if (dns64_cache_new(&r->cache, setup->cache_bytes, &cache_key, e)) {
		resolver__free(r);
		return -ENOMEM;
	}
	r->secret = hash_key_derive(setup->secret, 2);
	r->n_random = setup->salt;
	r->case_secret = hash_key_derive(setup->secret, 4);
	r->cookie_secret =
		hash_key_derive(setup->cookie_secret ? setup->cookie_secret : setup->secret, 5);
	r->cookie_keys = dns_cookie_keys_at(&r->cookie_secret, 0);
	r->io = setup->io;
	r->stats = setup->stats;
	r->policy = setup->policy;
	dns64_cache_keep_stale(r->cache, r->policy->stale_s);
	pool_init(&r->idle_tasks, r->next_index, TASKS);
	pool_init(&r->idle_lookups, r->next_index + TASKS, DNS64_LOOKUPS_MAX);
	memset(r->ask_bucket, 0xff, sizeof(r->ask_bucket));
	for (size_t i = 0; i < r->policy->n_upstream; i++)
		draw_cookie(r, &r->upstream[i]);
	*out = r;
	return 0;
}

void resolver__free(struct resolver *r)
{
	if (!r)
		return;
	if (r->policy) { /* else it never ran */
		task__drop_all(r);
		lookup__cancel_all(r);
	}
	dns64_policy_free(r->policy);
	dns64_cache_free(r->cache);
	free(r->upstream);
	free(r->next_index);
	free(r->timers.heap);
	free(r->service);
	free(r->lookup);
	free(r->task);
	free(r);
}

static bool same_domain(const struct dns64_upstream *a, const struct dns64_upstream *b)
{
	return a->n_domain && b->n_domain ? dns_name_equal(&a->domain[0], &b->domain[0]) :
					    a->n_domain == b->n_domain;
}

/* Which upstream of @old is @u: of two that differ in their domains alone the one that has the same. Return:
 * @old->n_upstream if none is. */
static size_t find_upstream(const struct dns64_policy *old, const struct dns64_upstream *u)
{
	size_t found = old->n_upstream;

	for (size_t i = 0; i < old->n_upstream; i++)
		if (dns64_upstream_equal(u, &old->upstream[i]) &&
		    (found == old->n_upstream || same_domain(u, &old->upstream[i])))
			found = i;
	return found;
}

/* What was counted of an upstream stays with it. */
static void move_latencies(struct resolver *r, const struct dns64_policy *policy)
{
	struct dns64_histogram old[DNS64_UPSTREAM_MAX];

	memcpy(old, r->stats->latency, sizeof(old));
	memset(r->stats->latency, 0, sizeof(old));
	for (size_t i = 0; i < policy->n_upstream && i < DNS64_UPSTREAM_MAX; i++) {
		size_t was = find_upstream(r->policy, &policy->upstream[i]);

		if (was < r->policy->n_upstream && was < DNS64_UPSTREAM_MAX)
			memcpy(&r->stats->latency[i], &old[was], sizeof(old[was]));
	}
}

int resolver__reload(struct resolver *r, struct dns64_policy *policy, uint64_t cache_bytes)
{
	struct upstream_state *fresh = calloc(policy->n_upstream + 1, sizeof(*fresh));

	if (!fresh)
		return -ENOMEM;
	for (size_t i = 0; i < policy->n_upstream; i++) {
		size_t was = find_upstream(r->policy, &policy->upstream[i]);

		draw_cookie(r, &fresh[i]);
		if (was < r->policy->n_upstream)
			fresh[i] = r->upstream[was];
		fresh[i].probed = false;
	}
	move_latencies(r, policy);
	for (size_t i = 0; i < DNS64_UPSTREAM_MAX; i++)
		counter_set(&r->stats->silent[i], i < policy->n_upstream && fresh[i].rest_ms);
	free(r->upstream);
	dns64_policy_free(r->policy);
	r->upstream = fresh;
	r->policy = policy;
	r->generation++;
	dns64_cache_keep_stale(r->cache, policy->stale_s);
	dns64_cache_limit(r->cache, cache_bytes);
	return 0;
}

int resolver__set_services(struct resolver *r, const struct dns64_service *s, size_t n)
{
	struct dns64_service *copy;
	struct dns64_node *node;
	size_t n_nodes = 0;

	for (size_t i = 0; i < n; i++)
		n_nodes += s[i].n_node;
	copy = calloc(1, n * sizeof(*copy) + n_nodes * sizeof(*node) + 1);
	if (!copy)
		return -ENOMEM;
	node = (struct dns64_node *)(copy + n);
	for (size_t i = 0; i < n; i++) {
		copy[i] = s[i];
		copy[i].node = node;
		if (s[i].n_node)
			memcpy(node, s[i].node, s[i].n_node * sizeof(*node));
		node += s[i].n_node;
	}
	free(r->service);
	r->service = copy;
	r->n_services = n;
	return 0;
}
