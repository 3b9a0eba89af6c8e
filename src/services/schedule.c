/*
 * schedule.c - which node gets a new flow.
 *
 * Four schedulers over the same candidates. A node that was tried for this flow, that cannot be
 * reached from this client's family, or that keeps failing (as this worker sees it) is passed over;
 * rather than refuse a flow, nodes that keep failing are taken after all.
 */
#include "services_internal.h"

enum { P2C_ROUNDS = 4, MAGLEV_ATTEMPTS = 8 };

/* One call of services__choose(). */
struct choice {
	struct services *v;
	const struct services_table *t;
	const struct service *s;
	const struct wish *wish;
	bool with_suspects;
};

static bool was_tried(const struct wish *w, uint16_t slot)
{
	for (uint32_t i = 0; i < w->n_tried; i++)
		if (w->tried[i] == slot)
			return true;
	return false;
}

static bool suspect(const struct services *v, uint16_t slot, uint64_t now_ms)
{
	return v->load[slot].suspect_until_ms > now_ms;
}

static bool acceptable(const struct choice *c, uint32_t index)
{
	const struct node *n = &c->t->node[index];
	struct seen seen;

	if (was_tried(c->wish, n->slot))
		return false;
	if (!c->with_suspects && suspect(c->v, n->slot, c->wish->now_ms))
		return false;
	return services__seen_as(c->t, c->s, n, &c->wish->key->src, &seen);
}

/* live flows per share, one more flow included; compared crosswise, without a division */
static bool less_loaded(const struct choice *c, uint32_t a, uint32_t b)
{
	const struct node *x = &c->t->node[a], *y = &c->t->node[b];
	uint64_t live_x = counter_read(&c->v->load[x->slot].live) + 1;
	uint64_t live_y = counter_read(&c->v->load[y->slot].live) + 1;

	return live_x * y->share < live_y * x->share;
}

static uint32_t pick_by_share(const struct choice *c)
{
	const struct service *s = c->s;
	uint32_t r = services__random(c->v, s->ends[s->n_candidate - 1]);
	uint32_t low = 0, high = s->n_candidate - 1;

	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (r < s->ends[mid])
			high = mid;
		else
			low = mid + 1;
	}
	return s->candidate[low];
}

static uint32_t least_flows(const struct choice *c)
{
	uint32_t n = c->s->n_candidate, at = services__random(c->v, n), best = NODE_NONE;

	for (uint32_t i = 0; i < n; i++, at = at + 1 < n ? at + 1 : 0) {
		uint32_t index = c->s->candidate[at];

		if (acceptable(c, index) && (best == NODE_NONE || less_loaded(c, index, best)))
			best = index;
	}
	return best;
}

static uint32_t two_choices(const struct choice *c)
{
	for (int round = 0; round < P2C_ROUNDS; round++) {
		uint32_t a = pick_by_share(c), b = pick_by_share(c);
		bool may_a = acceptable(c, a), may_b = acceptable(c, b);

		if (may_a && may_b)
			return less_loaded(c, b, a) ? b : a;
		if (may_a || may_b)
			return may_a ? a : b;
	}
	return least_flows(c);
}

static uint32_t maglev(const struct choice *c)
{
	for (uint32_t attempt = 0; attempt < MAGLEV_ATTEMPTS; attempt++) {
		uint32_t at = services__maglev_hash(c->wish->key, attempt);
		uint32_t index = c->s->candidate[c->s->maglev[at]];

		if (acceptable(c, index))
			return index;
	}
	return least_flows(c);
}

/* Smooth weighted round-robin: each gains its share, the richest goes and pays for all. */
static uint32_t round_robin(const struct choice *c)
{
	uint32_t best = NODE_NONE;
	int64_t total = 0;

	for (uint32_t i = 0; i < c->s->n_candidate; i++) {
		uint32_t index = c->s->candidate[i];
		const struct node *n = &c->t->node[index];

		if (!acceptable(c, index))
			continue;
		total += n->share;
		c->v->load[n->slot].turn += n->share;
		if (best == NODE_NONE ||
		    c->v->load[n->slot].turn > c->v->load[c->t->node[best].slot].turn)
			best = index;
	}
	if (best != NODE_NONE)
		c->v->load[c->t->node[best].slot].turn -= total;
	return best;
}

static uint32_t choose(const struct choice *c)
{
	switch ((enum scheduler_kind)c->s->scheduler) {
	case SCHEDULER_P2C:
		return two_choices(c);
	case SCHEDULER_MAGLEV:
		return maglev(c);
	case SCHEDULER_ROUND_ROBIN:
		return round_robin(c);
	case SCHEDULER_LEAST_FLOWS:
		return least_flows(c);
	}
	abort(); /* a scheduler that does not exist: our bug */
}

uint32_t services__choose(struct services *v, const struct services_table *t,
			  const struct service *s, const struct wish *wish)
{
	struct choice c = { .v = v, .t = t, .s = s, .wish = wish };
	uint32_t index;

	if (s->n_candidate == 0)
		return NODE_NONE;
	index = choose(&c);
	if (index != NODE_NONE)
		return index;
	c.with_suspects = true;
	return choose(&c);
}

static uint32_t count_suspects(const struct services *v, const struct services_table *t,
			       const struct service *s, uint64_t now_ms)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->n_candidate; i++)
		n += suspect(v, t->node[s->candidate[i]].slot, now_ms);
	return n;
}

/* At most half of a service's nodes are passed over at a time: when everything fails, the fault is
 * likelier ours. */
void services__node_failed(struct services *v, const struct services_table *t,
			   const struct service *s, uint32_t slot, uint64_t now_ms)
{
	struct node_load *l = &v->load[slot];
	uint32_t doublings;

	counter_add(&l->failed, 1);
	if (suspect(v, (uint16_t)slot, now_ms))
		return;
	if (++l->n_failures < SUSPECT_AFTER ||
	    (count_suspects(v, t, s, now_ms) + 1) * 2 > s->n_candidate)
		return;
	doublings = l->n_failures - SUSPECT_AFTER;
	l->suspect_until_ms = now_ms + ((uint64_t)SUSPECT_MS
					<< (doublings < SUSPECT_DOUBLINGS ? doublings :
									    SUSPECT_DOUBLINGS));
}
