/* worker.c - the memory of one worker, and what is shown of it. */
#include "dataplane_internal.h"
#include <string.h>

enum { STATIC_OBJECTS = 2 * NAT64_STATIC_MAX }; /* mappings that come on top, or nearly */

static const struct {
	const char *name, *help;
} counters[] = {
#define _(id, name, help) [COUNT_##id] = { name, help },
	WORKER_COUNTERS(_)
#undef _
};

const char *worker_counter_name(enum worker_counter c)
{
	must(c < N_WORKER_COUNTERS);
	return counters[c].name;
}

const char *worker_counter_help(enum worker_counter c)
{
	must(c < N_WORKER_COUNTERS);
	return counters[c].help;
}

static void tell_pointers(struct arena *a, const struct worker *w)
{
	const void *const slot[] = {
		&w->wheel.flow, &w->nat64,    &w->services, &w->fragments,  &w->syns,
		&w->trace,      &w->flow_log, &w->out.mem,  &w->out.packet,
	};

	for (unsigned i = 0; i < ARRAY_LEN(slot); i++)
		arena_points(a, slot[i]);
	a->pointers = NULL;
}

struct worker *worker_layout(struct arena *a, unsigned id, unsigned n_workers,
			     const struct worker_sizes *sizes, const struct hash_key *key)
{
	struct worker *w = arena_take(a, sizeof(*w));
	struct worker measured;
	struct worker *to = w ? w : &measured;
	struct hash_key flow_key = hash_key_derive(key, 0x666c6f77 + id);
	struct packet *packets;
	uint8_t *bytes;

	memset(to, 0, sizeof(*to));
	a->pointers = w ? &w->pointers : NULL;
	flow_table_layout(&to->flows, sizes->flows, &flow_key, a);
	if (sizes->mappings)
		to->nat64 = nat64_layout(a, sizes->mappings, id, key);
	crowds_layout(&to->strangers, sizes->flows / FROM_OUTSIDE_SHARE + 1,
		      sizes->mappings + STATIC_OBJECTS, a);
	to->services = services_layout(a, id, key);
	to->fragments = fragments_layout(a, &flow_key);
	to->trace = trace_layout(a);
	to->flow_log = flow_log_layout(a, sizes->flows);
	to->syns = syns_layout(a, &flow_key);
	bytes = arena_take(a, OUTBOX_BYTES);
	packets = arena_take(a, OUTBOX_PACKETS * sizeof(*packets));
	if (!w)
		return NULL;

	outbox_init(&w->out, bytes, OUTBOX_BYTES, packets, OUTBOX_PACKETS);
	wheel_init(&w->wheel, w->flows.flow, 0);
	tell_pointers(a, w);
	w->id = id;
	w->n_workers = n_workers;
	w->sweep_at = FLOW_NONE;
	for (unsigned i = 0; i < ARRAY_LEN(w->incomplete); i++)
		w->incomplete[i] = (struct flow_queue){ FLOW_NONE, FLOW_NONE, 0 };
	translate_state_init(&w->translate, &flow_key, id, n_workers);
	return w;
}

static uint32_t seconds_of(int32_t ticks)
{
	return ticks > 0 ? (uint32_t)(((uint64_t)ticks << WHEEL_TICK_SHIFT) / 1000) : 0;
}

uint32_t worker_dump_flows(const struct worker *w, uint64_t now_ms, uint32_t *cursor,
			   struct flow_record *out, uint32_t max)
{
	uint32_t n = 0, end = *cursor + 4096;

	for (; *cursor < w->flows.pool.fresh && *cursor < end && n < max; ++*cursor) {
		const struct flow *f = &w->flows.flow[*cursor];
		int32_t left = wheel_ticks_left(f->deadline, wheel_tick(now_ms));

		if (f->policy == POLICY_NONE)
			continue;
		out[n++] = (struct flow_record){
			.key = { f->key[0], f->key[1] },
			.policy = f->policy,
			.state = f->state,
			.flags = f->flags,
			.object = f->object,
			.aux = f->aux,
			.expires_s = seconds_of(left),
		};
	}
	if (*cursor >= w->flows.pool.fresh)
		*cursor = UINT32_MAX;
	return n;
}
