/*
 * flow_log.c - the log of egress6's flows: counts beside the flow table, events into a ring.
 *
 * Of flows that live long something is told every interval: a few slots of the table are looked at
 * in each call, so that the whole of it has had its turn once the interval is over.
 */
#include "dataplane_internal.h"

struct flow_log *flow_log_layout(struct arena *a, uint32_t n)
{
	struct flow_log *l = arena_take(a, sizeof(*l));
	struct flow_count *count = arena_take(a, (size_t)n * sizeof(*count));

	if (!l)
		return NULL;
	l->count = count;
	arena_points(a, &l->count);
	spsc_init(&l->ring, FLOW_LOG_SLOTS);
	return l;
}

bool flow_log_read(struct flow_log *l, struct flow_event *out)
{
	uint32_t i = spsc_begin_read(&l->ring);

	if (i == UINT32_MAX)
		return false;
	*out = l->slot[i];
	spsc_commit_read(&l->ring);
	return true;
}

void flow_log__use_snapshot(struct worker *w, const struct snapshot *s)
{
	w->flow_log->interval_ms = s->has_egress6 ? s->egress6.flow_log_ms : 0;
	w->flow_log_on = w->flow_log->interval_ms != 0;
	w->flow_log->used |= w->flow_log_on;
}

static uint32_t tick_of(uint64_t ms)
{
	return (uint32_t)(ms / FLOW_LOG_TICK_MS) & 0x3fffffff;
}

/* By how long ago it was, for ticks come round. */
static uint64_t started_ms(const struct flow_count *c, uint64_t now_ms)
{
	uint32_t ago = (tick_of(now_ms) - c->started) & 0x3fffffff;

	return c->started ? now_ms - now_ms % FLOW_LOG_TICK_MS - (uint64_t)ago * FLOW_LOG_TICK_MS : 0;
}

static void put(struct worker *w, uint32_t index, enum flow_event_kind kind, uint64_t now_ms)
{
	struct flow_log *l = w->flow_log;
	const struct flow_count *c = &l->count[index];
	uint32_t i = spsc_begin_write(&l->ring);

	if (i == UINT32_MAX) {
		counter_add(&l->lost, 1);
		return;
	}
	l->slot[i] = (struct flow_event){ .time_ms = now_ms, .started_ms = started_ms(c, now_ms),
					  .inside = w->flows.flow[index].key[0], .count = *c,
					  .kind = (uint8_t)kind };
	spsc_commit_write(&l->ring);
}

/* Also while the log is off: what the slot's last flow has left must not be taken for this one's. */
void flow_log__started(struct worker *w, uint32_t index, uint64_t now_ms)
{
	struct flow_log *l = w->flow_log;
	uint32_t tick = tick_of(now_ms);

	l->count[index] = (struct flow_count){ .bytes = { 0, 0 } };
	if (!l->interval_ms)
		return;
	l->count[index].started = (tick ? tick : 1) & 0x3fffffff;
	l->count[index].from_outside = (w->flows.flow[index].flags & FLOW_FROM_OUTSIDE) != 0;
	put(w, index, FLOW_EVENT_STARTED, now_ms);
}

void flow_log__ended(struct worker *w, uint32_t index, uint64_t now_ms)
{
	if (w->flow_log->interval_ms)
		put(w, index, FLOW_EVENT_ENDED, now_ms);
}

/* Segments of a super-packet, as they are on the wire. */
static uint32_t wire_packets(const struct packet *p)
{
	uint32_t header;

	if (likely(p->off.gso == GSO_NONE) || !p->off.gso_size)
		return 1;
	header = p->l4_at + (p->off.gso == GSO_UDP ? 8u : (p->data[p->l4_at + 12] >> 4) * 4u);
	return p->len > header ? (p->len - header + p->off.gso_size - 1) / p->off.gso_size : 1;
}

struct flow_log_size flow_log__size(const struct packet *p)
{
	return (struct flow_log_size){ p->len, wire_packets(p) };
}

void flow_log__passed(struct worker *w, uint32_t index, unsigned dir,
		      const struct flow_log_size *size)
{
	struct flow_count *c = &w->flow_log->count[index];
	uint32_t n = size->packets;

	c->bytes[dir] += size->bytes;
	c->packets[dir] = c->packets[dir] > UINT32_MAX - n ? UINT32_MAX : c->packets[dir] + n;
	c->touched = true;
}

static void look_at(struct worker *w, uint32_t index, uint64_t now_ms)
{
	struct flow_log *l = w->flow_log;
	struct flow_count *c = &l->count[index];

	if (w->flows.flow[index].policy != POLICY_EGRESS6 || !c->touched ||
	    now_ms - started_ms(c, now_ms) < l->interval_ms)
		return;
	c->touched = false;
	put(w, index, FLOW_EVENT_ACTIVE, now_ms);
}

bool flow_log__advance(struct worker *w, uint64_t now_ms)
{
	struct flow_log *l = w->flow_log;
	const uint64_t fresh = w->flows.pool.fresh;
	uint64_t due;

	if (!l->looked_ms || !fresh)
		l->looked_ms = now_ms;
	else if (now_ms - l->looked_ms > l->interval_ms)
		l->looked_ms = now_ms - l->interval_ms;
	due = (now_ms - l->looked_ms) * fresh / l->interval_ms;
	if (due == 0)
		return false;
	due = due > FLOW_LOG_BUDGET ? FLOW_LOG_BUDGET : due;
	l->looked_ms += (due * l->interval_ms + fresh - 1) / fresh;
	for (uint64_t i = 0; i < due; i++) {
		l->next = l->next + 1 < fresh ? l->next + 1 : 0;
		look_at(w, l->next, now_ms);
	}
	return due == FLOW_LOG_BUDGET;
}
