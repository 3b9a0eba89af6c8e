/*
 * timers.c - what happens without a packet: flows that are over, fragments nobody came for, the
 * sweep after a new snapshot. Every call does a bounded amount of work.
 */
#include "dataplane_internal.h"

enum { ERROR_BURST = 64 };

void timers__use_snapshot(struct worker *w, const struct snapshot *s, uint64_t now_ms)
{
	if (s->nat64 && w->nat64)
		nat64_use_table(w->nat64, s->nat64, now_ms);
	flow_log__use_snapshot(w, s);
	w->seen_generation = s->generation;
	w->sweep_at = 0;
}

static uint32_t filled(uint32_t tokens, uint64_t add)
{
	return add > ERROR_BURST - tokens ? ERROR_BURST : tokens + (uint32_t)add;
}

static void refill_tokens(struct worker *w, const struct snapshot *s, uint64_t now_ms)
{
	uint64_t add = (now_ms - w->tokens_ms) * s->error_rate / 1000;

	if (!add)
		return;
	w->tokens_ms = now_ms;
	w->tokens = filled(w->tokens, add);
	w->echo_tokens = filled(w->echo_tokens, add);
}

static bool sweep(struct worker *w, const struct snapshot *s, uint64_t now_ms)
{
	unsigned resets = RESETS_PER_CALL;
	uint32_t end = w->sweep_at + SWEEP_BUDGET;

	for (; w->sweep_at < end && w->sweep_at < w->flows.pool.fresh; w->sweep_at++) {
		const struct flow *f = &w->flows.flow[w->sweep_at];

		if (f->policy == POLICY_NONE || !session__stale(w, s, f))
			continue;
		if (f->policy == POLICY_SERVICES && f->key[0].proto == IPPROTO_TCP) {
			if (resets-- == 0)
				return true; /* paced: the rest next time */
			session__reset_both(w, f);
		}
		session__end(w, w->sweep_at, now_ms);
	}
	if (w->sweep_at >= w->flows.pool.fresh)
		w->sweep_at = FLOW_NONE;
	return w->sweep_at != FLOW_NONE;
}

static void expire_flows(struct worker *w, const struct snapshot *s, uint64_t now_ms, bool *again)
{
	uint32_t budget = EXPIRE_BUDGET, index;

	while (budget && (index = session__overdue(w, now_ms)) != FLOW_NONE) {
		session__end(w, index, now_ms);
		budget--;
	}
	while ((index = wheel_expire(&w->wheel, wheel_tick(now_ms), &budget)) != WHEEL_NIL)
		session__expire(w, s, index, now_ms);
	*again |= budget == 0;
}

uint32_t timers_advance(struct worker *w, const struct snapshot *s, uint64_t now_ms)
{
	bool again = false, waiting;
	uint32_t ticks;

	outbox_reset(&w->out);
	if (unlikely(s->generation != w->seen_generation))
		timers__use_snapshot(w, s, now_ms);
	refill_tokens(w, s, now_ms);
	if (w->sweep_at != FLOW_NONE)
		again = sweep(w, s, now_ms);
	expire_flows(w, s, now_ms, &again);
	if (w->flow_log_on)
		again |= flow_log__advance(w, now_ms);
	if (w->nat64 && s->nat64) {
		again |= nat64_adopt(w->nat64, s->nat64);
		again |= nat64_advance(w->nat64, now_ms);
		if (nat64_has_displaced(w->nat64)) {
			w->sweep_at = 0; /* the port is another one's from now on */
			again = true;
		}
	}
	waiting = answer__overdue_syns(w, s, now_ms) || session__n_incomplete(w);
	fragments_expire(w->fragments, now_ms, s->nat64_timeouts.fragment_s * 1000, FRAGMENT_HELD);
	counter_add(&w->drop[DROP_FRAGMENT_NO_FIRST], fragments_dropped(w->fragments));
	counter_set(&w->flows_used, w->flows.pool.used);
	if (w->nat64)
		counter_set(&w->mappings_used, nat64_mappings(w->nat64));
	if (again)
		return 0;
	ticks = waiting ? 8 : wheel_next(&w->wheel, wheel_tick(now_ms));
	return ticks > 64 ? 64u << WHEEL_TICK_SHIFT : ticks << WHEEL_TICK_SHIFT;
}
