/* lookup.c - one question to the upstreams: how long one is waited for, who comes next; and the table
 * that joins equal questions. Who is chosen is choice.c's, how he is asked ask.c's. */
#include <string.h>
#include "sixgate/base/must.h"
#include "sixgate/base/wire.h"
#include "resolver.h"

static void set_deadline(struct resolver *r, struct lookup *l, uint64_t wait_ms)
{
	uint64_t at = r->now_ms + wait_ms, end = l->started_ms + LOOKUP_TIME_MS;

	timers__set(&r->timers, &l->timer, at < end ? at : end);
}

/* By the fastest one's time, for that is who would be asked again; twice that after each attempt, up
 * to a bound. A stream loses nothing: there only a dead connection is given up. */
static uint64_t wait_for(const struct resolver *r, const struct lookup *l, const struct ask *a)
{
	uint64_t rto = choice__rto(r, a->upstream), wait, bound;
	uint32_t set = choice__set(r, &l->key.question.name);
	bool alive = false;

	if (a->way == WAY_TCP || (a->way == WAY_TLS && !(set & (set - 1))))
		return TCP_ASK_TIME_MS;
	for (size_t i = 0; i < r->policy->n_upstream; i++) {
		if (set >> i & 1 && choice__rto(r, i) < rto && !r->upstream[i].rest_ms)
			rto = choice__rto(r, i);
		alive |= set >> i & 1 && r->upstream[i].rest_ms < UPSTREAM_LOST_MS;
	}
	/* who has long said nothing is not asked ten times for each name */
	bound = !alive ? LOOKUP_TIME_MS : rto > RTO_MAX_MS ? rto : RTO_MAX_MS;
	wait = rto << (l->n_asks - 1);
	if (wait > bound)
		wait = bound;
	return a->way == WAY_TLS && wait < TLS_WAIT_MIN_MS ? TLS_WAIT_MIN_MS : wait;
}

static bool may_ask(const struct resolver *r, const struct lookup *l)
{
	return r->policy->n_upstream && l->n_asks < ASKS_MAX &&
	       r->now_ms < l->started_ms + LOOKUP_TIME_MS;
}

/* A stream that was asked already is asked again only over another connection. */
static void close_streams(struct resolver *r, struct lookup *l, size_t upstream)
{
	for (unsigned i = 0; i < l->n_asks; i++)
		if (l->ask[i].way == WAY_TLS && l->ask[i].upstream == upstream)
			ask__close(r, l, &l->ask[i]);
}

/* What did not even get out to @upstream is tried again when an answer would have been late: a route,
 * a connection, a place may be there by then. Return: ms from now; 0: at once. */
static uint64_t not_before(const struct resolver *r, const struct lookup *l, size_t upstream)
{
	uint64_t wait = choice__rto(r, upstream), last_ms = 0;
	unsigned n = 0;

	for (unsigned i = 0; i < l->n_asks; i++)
		if (l->ask[i].unsent && l->ask[i].upstream == upstream &&
		    l->ask[i].generation == r->generation) {
			last_ms = l->ask[i].sent_ms;
			n++;
		}
	if (!n)
		return 0;
	wait <<= n - 1;
	if (wait > RTO_MAX_MS)
		wait = RTO_MAX_MS;
	return last_ms + wait > r->now_ms ? last_ms + wait - r->now_ms : 0;
}

void lookup__next_upstream(struct resolver *r, struct lookup *l)
{
	while (may_ask(r, l) && !l->is_probe) {
		size_t upstream = choice__next(r, l);
		uint64_t wait = not_before(r, l, upstream);
		struct ask *a;

		if (wait) {
			set_deadline(r, l, wait);
			return;
		}
		close_streams(r, l, upstream);
		a = ask__send(r, l, upstream, WAY_UDP);
		if (a) {
			set_deadline(r, l, wait_for(r, l, a));
			return;
		}
	}
	lookup__finish(r, l, l->fallback);
}

void lookup__again(struct resolver *r, struct lookup *l, const struct ask *asked, enum way way)
{
	struct ask *a;

	if (asked->generation != r->generation || !may_ask(r, l)) {
		lookup__next_upstream(r, l);
		return;
	}
	a = ask__send(r, l, asked->upstream, way);
	if (a)
		set_deadline(r, l, wait_for(r, l, a));
	else
		lookup__next_upstream(r, l);
}

/* UDP asks stay open: a late answer is an answer. A connection is dropped. */
static void count_late(struct resolver *r, struct lookup *l)
{
	for (unsigned i = 0; i < l->n_asks; i++) {
		struct ask *a = &l->ask[i];
		bool last = i + 1 == l->n_asks && a->way != WAY_UDP;

		if (!a->open || a->counted ||
		    (!last && a->generation == r->generation &&
		     r->now_ms < a->sent_ms + choice__rto(r, a->upstream)))
			continue;
		counter_add(&r->stats->upstream_timeouts, 1);
		choice__failed(r, l, a);
		a->counted = true;
		if (a->way == WAY_TCP)
			ask__close(r, l, a);
	}
}

static void lookup_due(struct resolver *r, struct timer *t)
{
	struct lookup *l = (struct lookup *)t;

	count_late(r, l);
	if (l->n_asks == ASKS_MAX && r->now_ms < l->started_ms + LOOKUP_TIME_MS)
		set_deadline(r, l, LOOKUP_TIME_MS);
	else
		lookup__next_upstream(r, l);
}

static void probe_due(struct resolver *r, struct timer *t)
{
	struct lookup *l = (struct lookup *)t;

	count_late(r, l);
	lookup__finish(r, l, NULL);
}

/* The same question once more, to an upstream of which too little is known. Nobody waits for it, and
 * there is room for what somebody waits for. */
static void send_probe(struct resolver *r, const struct lookup *of, size_t asked)
{
	size_t upstream = choice__probe(r, of, asked);
	struct lookup *l;
	uint32_t i;

	if (upstream == r->policy->n_upstream || r->idle_lookups.used >= DNS64_LOOKUPS_MAX / 2)
		return;
	i = pool_get(&r->idle_lookups);
	must(i != POOL_NONE);
	l = &r->lookup[i];
	*l = (struct lookup){ .timer = { .fire = probe_due },
			      .key = of->key,
			      .started_ms = r->now_ms,
			      .is_probe = true };
	counter_add(&r->stats->upstream_probes, 1);
	timers__set(&r->timers, &l->timer, r->now_ms + PROBE_TIME_MS);
	r->upstream[upstream].probed = true;
	if (!ask__send(r, l, upstream, WAY_UDP))
		lookup__finish(r, l, NULL);
}

static void lookup_first(struct resolver *r, struct timer *t)
{
	struct lookup *l = (struct lookup *)t;

	t->fire = lookup_due;
	if (r->policy->n_upstream > 1)
		send_probe(r, l, choice__next(r, l));
	lookup__next_upstream(r, l);
}

static struct lookup **find_link(struct resolver *r, const struct dns64_key *key, uint64_t hash)
{
	struct lookup **at = &r->lookup_bucket[hash % LOOKUP_BUCKETS];

	while (*at && ((*at)->hash != hash || !dns64_key_equal(&(*at)->key, key)))
		at = &(*at)->next;
	return at;
}

static void join(struct lookup *l, struct leg *leg)
{
	leg->state = LEG_WAITING;
	leg->lookup = l;
	leg->next = l->waiting;
	leg->link = &l->waiting;
	if (leg->next)
		leg->next->link = &leg->next;
	l->waiting = leg;
}

void lookup__leave(struct leg *leg)
{
	if (leg->state != LEG_WAITING)
		return;
	if (leg->lookup) {
		*leg->link = leg->next;
		if (leg->next)
			leg->next->link = leg->link;
	}
	leg->state = LEG_IDLE;
	leg->lookup = NULL;
}

/* The lookup of @key, made if there is none yet; @found tells. Return: NULL: no room. */
static struct lookup *lookup_of(struct resolver *r, const struct dns64_key *key, bool *found)
{
	uint64_t hash = dns64_key_hash(&r->secret, key);
	struct lookup **at = find_link(r, key, hash), *l = *at;
	uint32_t i;

	*found = l;
	if (l)
		return l;
	i = pool_get(&r->idle_lookups);
	if (i == POOL_NONE) {
		counter_add(&r->stats->lookups_full, 1);
		return NULL;
	}
	l = &r->lookup[i];
	/* The first ask goes out by timer, so that nothing is answered inside this call. */
	*l = (struct lookup){ .timer = { .fire = lookup_first },
			      .key = *key,
			      .hash = hash,
			      .started_ms = r->now_ms };
	if (!domain__enter(r, l)) {
		counter_add(&r->stats->domain_full, 1);
		pool_put(&r->idle_lookups, i);
		return NULL;
	}
	*at = l;
	timers__set(&r->timers, &l->timer, r->now_ms);
	return l;
}

bool lookup__ask(struct resolver *r, struct leg *leg, const struct dns64_key *key)
{
	bool found;
	struct lookup *l = lookup_of(r, key, &found);

	if (!l)
		return false;
	if (found)
		counter_add(&r->stats->coalesced, 1);
	join(l, leg);
	return true;
}

void lookup__refresh(struct resolver *r, const struct dns64_key *key)
{
	bool found;

	if (lookup_of(r, key, &found) && !found)
		counter_add(&r->stats->prefetches, 1);
}

static void end_lookup(struct resolver *r, struct lookup *l)
{
	timers__stop(&r->timers, &l->timer);
	for (unsigned i = 0; i < l->n_asks; i++)
		ask__close(r, l, &l->ask[i]);
	if (!l->is_probe) {
		domain__leave(r, l);
		*find_link(r, &l->key, l->hash) = l->next;
	}
	dns64_answer_put(l->fallback);
	l->fallback = NULL;
	pool_put(&r->idle_lookups, (uint32_t)(l - r->lookup));
}

/* RFC 9520 3.2: silence is remembered like SERVFAIL; longer where only this question meets with it,
 * for some servers never answer AAAA (RFC 4074 4). */
static void remember_silence(struct resolver *r, const struct lookup *l)
{
	uint8_t wire[ASK_WIRE_MAX];
	size_t len = ask__write(r, l, &(struct ask){ .way = WAY_UDP }, wire);
	struct dns64_answer *a;

	store16(wire + 2, DNS_QR | DNS_RA | DNS_SERVFAIL);
	a = dns64_answer_new(&l->key, wire, len, r->now_ms);
	if (!a)
		return;
	a->ede = DNS_EDE_NO_REACHABLE_AUTHORITY;
	if (l->key.question.type == DNS_TYPE_AAAA &&
	    (!choice__all_silent(r, &l->key.question.name) || choice__is_mute(r, &l->key.question.name)))
		a->ttl_s = RECHECK_MS / 1000;
	dns64_cache_add(r->cache, &l->key, a);
	dns64_answer_put(a);
}

static void end_probe(struct resolver *r, struct lookup *l)
{
	for (unsigned i = 0; i < l->n_asks; i++) {
		struct upstream_state *u = choice__state(r, &l->ask[i]);

		if (u)
			u->probed = false;
	}
	end_lookup(r, l);
}

/* Who said that he does not know, and another one did. */
static void mark_poor(struct resolver *r, const struct lookup *l)
{
	for (unsigned i = 0; i < l->n_asks; i++)
		if (l->ask[i].poor)
			choice__poor(r, &l->ask[i]);
}

void lookup__finish(struct resolver *r, struct lookup *l, struct dns64_answer *answer)
{
	struct leg *leg, *done = NULL;

	if (l->is_probe) {
		end_probe(r, l);
		return;
	}
	if (answer) {
		dns64_answer_get(answer);
		dns64_cache_add(r->cache, &l->key, answer);
	}
	if (!answer)
		remember_silence(r, l);
	else if (!dns64_answer_failed(answer))
		mark_poor(r, l);
	if (!answer || dns64_answer_failed(answer))
		dns64_cache_put_off(r->cache, &l->key, r->now_ms + RECHECK_MS);
	while ((leg = l->waiting)) {
		lookup__leave(leg);
		leg->state = answer ? LEG_ANSWERED : LEG_FAILED;
		leg->answer = answer ? dns64_answer_get(answer) : NULL;
		leg->next = done;
		done = leg;
	}
	end_lookup(r, l);
	dns64_answer_put(answer);
	while ((leg = done)) {
		done = leg->next;
		task__wake(r, leg);
	}
}

void lookup__cancel_all(struct resolver *r)
{
	for (uint32_t i = 0; i < r->idle_lookups.fresh; i++)
		if (r->lookup[i].timer.place)
			end_lookup(r, &r->lookup[i]);
}
