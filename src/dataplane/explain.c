/*
 * explain.c - one packet through the pipeline of a copied worker, with every step noted.
 *
 * There is no second opinion in here: what is said is what pipeline_run() did.
 */
#include "sixgate/dataplane/explain.h"
#include "dataplane_internal.h"

struct explain_room {
	struct batch batch;
	uint8_t bytes[PACKET_HEADROOM + HANDOFF_BYTES];
};

static struct explain_room *take_room(struct arena *extra, const struct worker *w,
				      struct handoff *to[STEER_WORKERS_MAX])
{
	for (unsigned i = 0; i < w->n_workers; i++)
		to[i] = i == w->id ? NULL : handoff_layout(extra);
	return arena_take(extra, sizeof(struct explain_room));
}

size_t worker_explain_bytes(const struct worker *w)
{
	struct handoff *to[STEER_WORKERS_MAX];
	struct arena measure = { .base = NULL };

	take_room(&measure, w, to);
	return measure.used;
}

static void run_arrived(struct worker *w, const struct snapshot *s, uint64_t now_ms,
			struct explain *x, struct explain_room *room)
{
	uint8_t *data = room->bytes + PACKET_HEADROOM;

	memcpy(data, x->bytes, x->len);
	room->batch.n = 1;
	room->batch.packet[0] = (struct packet){ .data = data, .len = x->len, .room = HANDOFF_BYTES,
						 .headroom = PACKET_HEADROOM, .side = x->side };
	pipeline_run(w, s, &room->batch, now_ms);
	x->verdict = room->batch.packet[0].verdict;
}

/* The other worker's ring is empty but for this packet; pipeline_take() puts it first. */
static void run_handed(struct worker *w, const struct snapshot *s, uint64_t now_ms,
		       struct explain *x, struct handoff *ring)
{
	const struct packet p = { .data = x->bytes, .len = x->len, .room = x->len, .side = x->side,
				  .flags = x->flags, .key = x->key };

	w->from[x->from] = ring;
	must(handoff__put(ring, &p, x->resolved));
	pipeline_take(w, s, 1, now_ms);
	x->verdict = w->out.packet[0].verdict;
	w->from[x->from] = NULL;
}

static void take_steps(struct worker *w, struct explain *x)
{
	struct trace_record r;

	while (trace_read(w->trace, &r)) {
		x->cut |= x->n_step == EXPLAIN_STEPS_MAX;
		if (!x->cut)
			x->step[x->n_step++] = r;
	}
}

/* What was handed on becomes the next question. */
static void take_handed(struct worker *w, struct explain *x)
{
	x->next = UINT32_MAX;
	for (unsigned i = 0; i < w->n_workers && x->verdict.next == VERDICT_HELD; i++) {
		const struct packet *p =
			i == w->id ? NULL : handoff__receive(w->to[i], &w->out, &x->resolved);

		if (!p)
			continue;
		memcpy(x->bytes, p->data, p->len);
		x->len = p->len;
		x->side = p->side;
		x->flags = p->flags;
		x->key = p->key;
		x->handed = true;
		x->from = w->id;
		x->next = i;
		return;
	}
}

void worker_explain(struct worker *copy, const struct snapshot *s, uint64_t now_ms,
		    struct explain *x, struct arena *extra)
{
	static const struct trace_filter everything;
	struct explain_room *room = take_room(extra, copy, copy->to);

	must(x->len <= HANDOFF_BYTES && (!x->handed || (x->from < copy->n_workers && x->from != copy->id)));
	memset(copy->from, 0, sizeof(copy->from));
	spsc_init(&copy->trace->ring, TRACE_SLOTS);
	trace_start(copy, &everything);
	if (x->handed)
		run_handed(copy, s, now_ms, x, copy->to[x->from]);
	else
		run_arrived(copy, s, now_ms, x, room);
	take_steps(copy, x);
	take_handed(copy, x);
}
