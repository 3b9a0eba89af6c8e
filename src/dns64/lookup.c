/* lookup.c - one question to the upstreams: who is asked, for how long, who comes next; and the
 * tables that join equal questions and find the ask that an answer belongs to. */
#include <string.h>
#include "sixgate/base/must.h"
#include "sixgate/base/wire.h"
#include "sixgate/log/log.h"
#include "resolver.h"

enum { NO_ASK = UINT32_MAX };

static uint32_t ask_index(const struct resolver *r, const struct lookup *l, const struct ask *a)
{
	return (uint32_t)((size_t)(l - r->lookup) * ASKS_MAX + (size_t)(a - l->ask));
}

struct ask *lookup__ask_of(struct resolver *r, uint32_t ask, struct lookup **l)
{
	*l = &r->lookup[ask / ASKS_MAX];
	return &(*l)->ask[ask % ASKS_MAX];
}

static uint32_t *ask_bucket(struct resolver *r, int socket, uint16_t id)
{
	return &r->ask_bucket[((uint32_t)socket * 0x9e3779b1u + id) % ASK_BUCKETS];
}

struct ask *lookup__find_ask(struct resolver *r, int socket, uint16_t id, struct lookup **l)
{
	uint32_t i = *ask_bucket(r, socket, id);

	while (i != NO_ASK) {
		struct ask *a = lookup__ask_of(r, i, l);

		if (a->socket == socket && a->id == id)
			return a;
		i = a->next;
	}
	return NULL;
}

static void link_ask(struct resolver *r, struct lookup *l, struct ask *a)
{
	uint32_t *bucket = ask_bucket(r, a->socket, a->id);

	a->next = *bucket;
	*bucket = ask_index(r, l, a);
}

static void unlink_ask(struct resolver *r, struct lookup *l, struct ask *a)
{
	uint32_t *at = ask_bucket(r, a->socket, a->id), me = ask_index(r, l, a);

	while (*at != me) {
		struct lookup *other;

		must(*at != NO_ASK);
		at = &lookup__ask_of(r, *at, &other)->next;
	}
	*at = a->next;
}

void lookup__close_ask(struct resolver *r, struct lookup *l, struct ask *a)
{
	if (!a->open)
		return;
	a->open = false;
	if (a->socket < 0) {
		r->io->tcp_cancel(r->io->ctx, ask_index(r, l, a));
		return;
	}
	unlink_ask(r, l, a);
	r->io->unpick(r->io->ctx, a->socket);
}

static struct upstream_state *state_of(struct resolver *r, const struct ask *a)
{
	return a->generation == r->generation ? &r->upstream[a->upstream] : NULL;
}

/* One line when an upstream falls silent, one when it is back; not more than one in ten seconds. */
static void tell(struct resolver *r, struct upstream_state *u, const struct endpoint_conf *at,
		 bool silent)
{
	char text[ADDR_TEXT_MAX];
	uint64_t skipped;

	if (u->told_silent == silent || !log_allowed(&u->limit, r->now_ms, &skipped))
		return;
	u->told_silent = silent;
	if (silent)
		log_warning("dns64: upstream %s port %u does not answer",
			    addr_format(&at->address, text), at->port);
	else
		log_notice("dns64: upstream %s port %u answers again",
			   addr_format(&at->address, text), at->port);
}

void lookup__heard(struct resolver *r, const struct ask *a)
{
	struct upstream_state *u = state_of(r, a);
	uint32_t rtt = (uint32_t)(r->now_ms - a->sent_ms);

	if (!u)
		return;
	tell(r, u, &a->to, false);
	u->fails = 0;
	u->rest_ms = 0;
	u->resting_until_ms = 0;
	if (a->socket < 0)
		return;
	/* RFC 6298 2, in whole milliseconds. */
	if (!u->srtt_ms) {
		u->srtt_ms = rtt;
		u->rttvar_ms = rtt / 2;
	} else {
		uint32_t off = rtt > u->srtt_ms ? rtt - u->srtt_ms : u->srtt_ms - rtt;

		u->rttvar_ms = (3 * u->rttvar_ms + off) / 4;
		u->srtt_ms = (7 * u->srtt_ms + rtt) / 8;
	}
}

/* An upstream that has not answered some questions in a row rests, longer each time; the first
 * question after the rest tries it again. */
static void count_fail(struct resolver *r, const struct ask *a)
{
	struct upstream_state *u = state_of(r, a);

	if (!u || ++u->fails < UPSTREAM_FAILS_MAX || u->resting_until_ms > r->now_ms)
		return;
	u->rest_ms = u->rest_ms ? 2 * u->rest_ms : UPSTREAM_REST_MIN_MS;
	if (u->rest_ms > UPSTREAM_REST_MAX_MS)
		u->rest_ms = UPSTREAM_REST_MAX_MS;
	u->resting_until_ms = r->now_ms + u->rest_ms;
	tell(r, u, &a->to, true);
}

static unsigned tries_of(const struct resolver *r, const struct lookup *l, size_t upstream)
{
	unsigned n = 0;

	for (unsigned i = 0; i < l->n_asks; i++)
		if (l->ask[i].generation == r->generation && l->ask[i].upstream == upstream)
			n++;
	return n;
}

bool lookup__tries_left(const struct resolver *r, const struct lookup *l)
{
	if (l->n_asks >= ASKS_MAX)
		return false;
	for (size_t i = 0; i < r->policy->n_upstream; i++)
		if (tries_of(r, l, i) == 0)
			return true;
	return false;
}

/* The one asked least for this question; of equals one that does not rest; of equals the first in
 * the operator's order. */
static size_t choose_upstream(const struct resolver *r, const struct lookup *l)
{
	unsigned best_cost = UINT32_MAX;
	size_t best = 0;

	for (size_t i = 0; i < r->policy->n_upstream; i++) {
		bool rests = r->upstream[i].resting_until_ms > r->now_ms;
		unsigned cost = tries_of(r, l, i) * 4 + (rests ? 2 : 0);

		if (cost < best_cost) {
			best_cost = cost;
			best = i;
		}
	}
	return best;
}

static uint64_t rto_of(const struct resolver *r, const struct lookup *l, size_t upstream)
{
	const struct upstream_state *u = &r->upstream[upstream];
	uint64_t rto = u->srtt_ms ? u->srtt_ms + 4u * u->rttvar_ms : RTO_FIRST_MS;
	unsigned tries = tries_of(r, l, upstream);

	if (rto < RTO_MIN_MS)
		rto = RTO_MIN_MS;
	while (--tries && rto < RTO_MAX_MS)
		rto *= 2;
	return rto < RTO_MAX_MS ? rto : RTO_MAX_MS;
}

static void set_deadline(struct resolver *r, struct lookup *l, uint64_t wait_ms)
{
	uint64_t at = r->now_ms + wait_ms, end = l->started_ms + LOOKUP_TIME_MS;

	timers__set(&r->timers, &l->timer, at < end ? at : end);
}

static size_t write_question(const struct lookup *l, uint16_t id, uint8_t *out)
{
	struct dns_query q = { .question = l->key.question,
			       .flags = l->key.flags & DNS64_KEY_CD ? DNS_CD : 0,
			       .dnssec_ok = l->key.flags & DNS64_KEY_DO };

	return dns_query_write(&q, id, !l->without_edns, out);
}

/* A free slot in @l for one more ask to @upstream. */
static struct ask *new_ask(struct resolver *r, struct lookup *l, size_t upstream)
{
	struct ask *a = &l->ask[l->n_asks++];

	*a = (struct ask){ .to = r->policy->upstream[upstream],
			   .sent_ms = r->now_ms,
			   .upstream = (uint32_t)upstream,
			   .generation = r->generation };
	return a;
}

static bool send_udp(struct resolver *r, struct lookup *l, struct ask *a)
{
	uint8_t wire[DNS_HEADER_LEN + DNS_NAME_MAX + 4 + DNS_OPT_LEN];
	struct lookup *other;
	size_t len;

	a->socket = r->io->pick(r->io->ctx);
	if (a->socket < 0)
		return false;
	do
		a->id = (uint16_t)resolver__random(r);
	while (lookup__find_ask(r, a->socket, a->id, &other));
	len = write_question(l, a->id, wire);
	a->open = true;
	link_ask(r, l, a);
	counter_add(&r->stats->upstream_queries, 1);
	if (r->io->send(r->io->ctx, a->socket, &a->to, wire, len) == 0)
		return true;
	lookup__close_ask(r, l, a);
	return false;
}

void lookup__next_upstream(struct resolver *r, struct lookup *l)
{
	while (r->policy->n_upstream && l->n_asks < ASKS_MAX &&
	       r->now_ms < l->started_ms + LOOKUP_TIME_MS) {
		size_t upstream = choose_upstream(r, l);
		struct ask *a = new_ask(r, l, upstream);

		if (send_udp(r, l, a)) {
			set_deadline(r, l, rto_of(r, l, upstream));
			return;
		}
		counter_add(&r->stats->upstream_errors, 1);
		count_fail(r, a);
	}
	lookup__finish(r, l, l->fallback);
}

void lookup__start_tcp(struct resolver *r, struct lookup *l, struct ask *udp)
{
	uint8_t wire[DNS_HEADER_LEN + DNS_NAME_MAX + 4 + DNS_OPT_LEN];
	struct ask *a;
	size_t len;

	lookup__close_ask(r, l, udp);
	if (udp->generation != r->generation || l->n_asks >= ASKS_MAX) {
		lookup__next_upstream(r, l);
		return;
	}
	a = new_ask(r, l, udp->upstream);
	a->socket = -1;
	a->id = (uint16_t)resolver__random(r);
	len = write_question(l, a->id, wire);
	counter_add(&r->stats->upstream_tcp, 1);
	if (r->io->tcp_start(r->io->ctx, ask_index(r, l, a), &a->to, wire, len)) {
		counter_add(&r->stats->upstream_errors, 1);
		lookup__next_upstream(r, l);
		return;
	}
	a->open = true;
	set_deadline(r, l, TCP_ASK_TIME_MS);
}

static void lookup_due(struct resolver *r, struct timer *t)
{
	struct lookup *l = (struct lookup *)t;
	struct ask *last = &l->ask[l->n_asks - 1];

	if (last->open) {
		counter_add(&r->stats->upstream_timeouts, 1);
		count_fail(r, last);
	}
	/* UDP asks stay open: a late answer is an answer. A connection is dropped. */
	if (last->socket < 0)
		lookup__close_ask(r, l, last);
	if (l->n_asks == ASKS_MAX && r->now_ms < l->started_ms + LOOKUP_TIME_MS)
		set_deadline(r, l, LOOKUP_TIME_MS);
	else
		lookup__next_upstream(r, l);
}

static void lookup_first(struct resolver *r, struct timer *t)
{
	t->fire = lookup_due;
	lookup__next_upstream(r, (struct lookup *)t);
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
	*leg->link = leg->next;
	if (leg->next)
		leg->next->link = leg->link;
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

bool lookup__hopeless(const struct resolver *r)
{
	for (size_t i = 0; i < r->policy->n_upstream; i++)
		if (r->upstream[i].resting_until_ms <= r->now_ms)
			return false;
	return true;
}

static void end_lookup(struct resolver *r, struct lookup *l)
{
	timers__stop(&r->timers, &l->timer);
	for (unsigned i = 0; i < l->n_asks; i++)
		lookup__close_ask(r, l, &l->ask[i]);
	*find_link(r, &l->key, l->hash) = l->next;
	dns64_answer_put(l->fallback);
	l->fallback = NULL;
	pool_put(&r->idle_lookups, (uint32_t)(l - r->lookup));
}

/* RFC 9520 3.2: silence is remembered like SERVFAIL; longer where only this question meets with it,
 * for some servers never answer AAAA (RFC 4074 4). */
static void remember_silence(struct resolver *r, const struct lookup *l)
{
	uint8_t wire[DNS_HEADER_LEN + DNS_NAME_MAX + 4 + DNS_OPT_LEN];
	size_t len = write_question(l, 0, wire);
	struct dns64_answer *a;

	store16(wire + 2, DNS_QR | DNS_RA | DNS_SERVFAIL);
	a = dns64_answer_new(&l->key, wire, len, r->now_ms);
	if (!a)
		return;
	a->ede = DNS_EDE_NO_REACHABLE_AUTHORITY;
	if (l->key.question.type == DNS_TYPE_AAAA && !lookup__hopeless(r))
		a->ttl_s = RECHECK_MS / 1000;
	dns64_cache_add(r->cache, &l->key, a);
	dns64_answer_put(a);
}

void lookup__finish(struct resolver *r, struct lookup *l, struct dns64_answer *answer)
{
	struct leg *leg, *done = NULL;

	if (answer) {
		dns64_answer_get(answer);
		dns64_cache_add(r->cache, &l->key, answer);
	}
	if (!answer)
		remember_silence(r, l);
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
