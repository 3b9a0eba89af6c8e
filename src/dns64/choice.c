/* choice.c - which upstream is asked: the one that is expected to answer soonest. What is expected
 * is measured: the smoothed time of its answers (RFC 6298 2), and how many of its questions stay
 * unanswered, each of which costs a wait.
 *
 * Who is not the fastest is measured, too, by copies of a few questions: nobody waits for a copy,
 * and what it brings is used for nothing but the measure, so that it is of no help to who forges
 * answers (RFC 5452 5: equal questions under way raise his chances). Who has fallen silent gets
 * nothing but copies until it speaks.
 *
 * Names of a domain that has upstreams of its own are asked of those alone, copies included: what is
 * named inside is nobody else's business. */
#include "sixgate/base/must.h"
#include "resolver.h"

enum { LOSS_ALL = 1024 };

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

uint32_t choice__set(const struct resolver *r, const struct dns_name *name)
{
	unsigned best = 0;
	uint32_t set = 0;

	for (size_t i = 0; i < r->policy->n_upstream; i++) {
		unsigned fit = dns64_upstream_serves(&r->policy->upstream[i], name);

		if (fit > best)
			set = 0;
		if (fit && fit >= best) {
			best = fit;
			set |= UINT32_C(1) << i;
		}
	}
	return set;
}

struct upstream_state *choice__state(struct resolver *r, const struct ask *a)
{
	return a->generation == r->generation ? &r->upstream[a->upstream] : NULL;
}

/* RFC 6298 2, in whole milliseconds. What was measured before a silence says nothing any more. */
static void measure(struct upstream_state *u, uint32_t rtt)
{
	uint32_t off = rtt > u->srtt_ms ? rtt - u->srtt_ms : u->srtt_ms - rtt;

	if (!u->measured || u->rest_ms) {
		u->measured = true;
		u->loss = 0;
		u->srtt_ms = rtt;
		u->rttvar_ms = rtt / 2;
		return;
	}
	u->loss -= u->loss / 8;
	u->rttvar_ms = (3 * u->rttvar_ms + off) / 4;
	u->srtt_ms = (7 * u->srtt_ms + rtt) / 8;
}

static bool is_mute(const struct upstream_state *u)
{
	return u->mute >= MUTE_NAMES;
}

bool choice__is_mute(const struct resolver *r, const struct dns_name *name)
{
	uint32_t set = choice__set(r, name);

	for (size_t i = 0; i < r->policy->n_upstream; i++)
		if (set >> i & 1 && !is_mute(&r->upstream[i]))
			return false;
	return set != 0;
}

/* A resolver leaves names without an answer whose own servers say nothing: whoever has such names asked
 * for must not take AAAA from those that are only slow. */
static void note_mute(const struct resolver *r, struct upstream_state *u, const struct endpoint_conf *at)
{
	char text[ADDR_TEXT_MAX];

	if (u->aaaa_ms && r->now_ms - u->aaaa_ms < MUTE_AFTER_MS)
		return;
	if (is_mute(u) || ++u->mute < MUTE_NAMES)
		return;
	log_warning("dns64: upstream %s port %u does not answer questions for AAAA; names wait %u ms for it",
		    addr_format(&at->address, text), at->port, MUTE_WAIT_MS);
}

void choice__unheard(struct resolver *r, struct lookup *l)
{
	uint32_t seen = 0;

	if (l->key.question.type != DNS_TYPE_AAAA || l->unheard)
		return;
	l->unheard = true;
	for (unsigned i = 0; i < l->n_asks; i++) {
		const struct ask *a = &l->ask[i];
		struct upstream_state *u = choice__state(r, a);

		if (!u || seen >> a->upstream & 1 || u->heard_ms < l->started_ms)
			continue;
		seen |= UINT32_C(1) << a->upstream;
		note_mute(r, u, &a->to);
	}
}

void choice__heard(struct resolver *r, const struct lookup *l, const struct ask *a)
{
	struct upstream_state *u = choice__state(r, a);

	if (!u)
		return;
	if (l->key.question.type == DNS_TYPE_AAAA) {
		u->mute = 0;
		u->aaaa_ms = r->now_ms;
	}
	tell(r, u, &a->to, false);
	if (a->way != WAY_TCP) { /* which began with another question */
		measure(u, (uint32_t)(r->now_ms - a->sent_ms));
		dns64_stats_latency(&r->stats->latency[a->upstream],
				    (uint32_t)(r->now_ms - a->sent_ms));
	}
	u->heard_ms = r->now_ms;
	u->fails = 0;
	u->rest_ms = 0;
	counter_set(&r->stats->silent[a->upstream], 0);
	u->resting_until_ms = 0;
}

void choice__poor(struct resolver *r, const struct ask *a)
{
	struct upstream_state *u = choice__state(r, a);

	if (u)
		u->loss += (LOSS_ALL - u->loss) / 8;
}

/* Some names are answered by nobody: while others are, such a name speaks against an upstream but
 * once. */
static bool is_told(const struct resolver *r, const struct lookup *l, const struct ask *a)
{
	if (r->upstream[a->upstream].heard_ms < l->started_ms)
		return false;
	for (unsigned i = 0; i < l->n_asks; i++)
		if (&l->ask[i] != a && l->ask[i].counted && l->ask[i].generation == r->generation &&
		    l->ask[i].upstream == a->upstream)
			return true;
	return false;
}

/* An upstream that has not answered some questions in a row rests, longer each time. */
void choice__failed(struct resolver *r, const struct lookup *l, struct ask *a)
{
	struct upstream_state *u = choice__state(r, a);

	if (!u || a->counted)
		return;
	a->counted = true;
	if (l->key.question.type == DNS_TYPE_AAAA && is_mute(u))
		return; /* that says nothing new */
	choice__poor(r, a);
	if (is_told(r, l, a) || ++u->fails < UPSTREAM_FAILS_MAX || u->resting_until_ms > r->now_ms)
		return;
	u->rest_ms = u->rest_ms ? 2 * u->rest_ms : UPSTREAM_REST_MIN_MS;
	if (u->rest_ms > UPSTREAM_REST_MAX_MS)
		u->rest_ms = UPSTREAM_REST_MAX_MS;
	u->resting_until_ms = r->now_ms + u->rest_ms;
	counter_set(&r->stats->silent[a->upstream], 1);
	tell(r, u, &a->to, true);
}

/* RFC 6298 2, but however much the times vary, a question that is lost is asked again soon enough for
 * a stub resolver: only who is far away gets more time. */
uint32_t choice__rto(const struct resolver *r, size_t upstream)
{
	const struct upstream_state *u = &r->upstream[upstream];
	uint32_t rto = u->measured ? u->srtt_ms + 4 * u->rttvar_ms : RTO_FIRST_MS;
	uint32_t top = 2 * u->srtt_ms > RTO_MAX_MS ? 2 * u->srtt_ms : RTO_MAX_MS;

	if (top > RTO_TOP_MS)
		top = RTO_TOP_MS;
	if (rto < RTO_MIN_MS)
		return RTO_MIN_MS;
	return rto < top ? rto : top;
}

/* The time until it answers, as far as one can tell. Who never was asked is taken for slow: copies
 * will tell. */
static uint32_t cost_of(const struct resolver *r, size_t upstream)
{
	const struct upstream_state *u = &r->upstream[upstream];

	if (!u->measured)
		return RTO_FIRST_MS;
	return u->srtt_ms + u->loss * choice__rto(r, upstream) / LOSS_ALL;
}

static unsigned tries_of(const struct resolver *r, const struct lookup *l, size_t upstream)
{
	unsigned n = 0;

	for (unsigned i = 0; i < l->n_asks; i++)
		if (l->ask[i].generation == r->generation && l->ask[i].upstream == upstream)
			n++;
	return n;
}

bool choice__tries_left(const struct resolver *r, const struct lookup *l)
{
	uint32_t set = choice__set(r, &l->key.question.name);

	if (l->n_asks >= ASKS_MAX)
		return false;
	for (size_t i = 0; i < r->policy->n_upstream; i++)
		if (set >> i & 1 && tries_of(r, l, i) == 0)
			return true;
	return false;
}

/* Whoever asks over TLS wants it: in the clear only as the last resort. @set: who may be asked. */
static bool is_bare(const struct resolver *r, uint32_t set, size_t upstream)
{
	if (r->policy->upstream[upstream].tls)
		return false;
	for (size_t i = 0; i < r->policy->n_upstream; i++)
		if (set >> i & 1 && r->policy->upstream[i].tls)
			return true;
	return false;
}

/* What counts more stands higher: tries for this question, silence, being overheard, then time. Of
 * the silent, who is to be heard of next. */
static uint64_t rank_of(const struct resolver *r, const struct lookup *l, uint32_t set,
			size_t upstream)
{
	const struct upstream_state *u = &r->upstream[upstream];
	uint64_t rank = (uint64_t)tries_of(r, l, upstream) << 48;

	if (!(set >> upstream & 1))
		return UINT64_MAX;
	if (is_bare(r, set, upstream))
		rank += (uint64_t)1 << 46;
	if (!u->rest_ms)
		return rank + cost_of(r, upstream);
	return rank + ((uint64_t)1 << 47) + (u->resting_until_ms & 0x1fffffffffff);
}

/* Who is hardly slower than the best, but stands before it in the operator's order, goes first. */
size_t choice__next(const struct resolver *r, const struct lookup *l)
{
	uint32_t set = choice__set(r, &l->key.question.name);
	uint64_t best = UINT64_MAX;
	size_t i = 0;

	for (size_t j = 0; j < r->policy->n_upstream; j++)
		if (rank_of(r, l, set, j) < best)
			best = rank_of(r, l, set, j);
	must(best < UINT64_MAX - CHOICE_BAND_MS);
	while (rank_of(r, l, set, i) > best + CHOICE_BAND_MS)
		i++;
	return i;
}

static bool is_silent(const struct upstream_state *u)
{
	return u->rest_ms != 0;
}

/* A copy tells nobody in the clear what was asked over TLS. */
static bool may_copy(const struct resolver *r, uint32_t set, size_t asked, size_t to)
{
	return to != asked && set >> to & 1 && !r->upstream[to].probed &&
	       (r->policy->upstream[to].tls || !r->policy->upstream[asked].tls);
}

/* Return: the upstream that is due for a copy, or the number of upstreams. */
size_t choice__probe(struct resolver *r, const struct lookup *of, size_t asked)
{
	uint32_t set = choice__set(r, &of->key.question.name);
	size_t n = r->policy->n_upstream, oldest = n;

	for (size_t i = 0; i < n; i++)
		if (may_copy(r, set, asked, i) && is_silent(&r->upstream[i]) &&
		    r->upstream[i].resting_until_ms <= r->now_ms)
			return i;
	if (n < 2 || ++r->n_choices % PROBE_SHARE != 0)
		return n;
	for (size_t i = 0; i < n; i++)
		if (may_copy(r, set, asked, i) && !is_silent(&r->upstream[i]) &&
		    (oldest == n || r->upstream[i].asked_ms < r->upstream[oldest].asked_ms))
			oldest = i;
	return oldest;
}

bool choice__all_silent(const struct resolver *r, const struct dns_name *name)
{
	uint32_t set = choice__set(r, name);

	for (size_t i = 0; i < r->policy->n_upstream; i++)
		if (set >> i & 1 && r->upstream[i].resting_until_ms <= r->now_ms)
			return false;
	return true;
}
