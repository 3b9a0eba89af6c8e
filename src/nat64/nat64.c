/*
 * nat64.c - one worker's share of NAT64: its memory, who holds what, what a new table changes.
 *
 * Theory of operation. A mapping is held by the sessions that the inside host opened or answered
 * (n_sessions). Sessions that only the outside has opened (n_inbound) keep the record and its port
 * in place, but they are few, short-lived, and let in no others once the inside has none, so that
 * nobody outside can keep a mapping alive (RFC 4787 REQ-6, RFC 7857 7). Nothing is searched when
 * the configuration changes: a mapping whose address, block or port is no longer ours is found to
 * be invalid when it is next asked for, and its flows are stale.
 */
#include "nat64_internal.h"

enum {
	MAPPINGS_MAX = 1 << 26,        /* as many as there may be flows */
	MAPPINGS_PER_TEN_BUCKETS = 96, /* when all are in use: an index four fifths full */
	PERMITS_PER_MAPPING = 2,
	ADOPT_BUDGET = 2048,
	ADOPT_COST = 32,
	SUBSCRIBERS_MORE = 1024,
	MAPPINGS_PER_HEAD = 4,         /* of subscribers: most have more than one */
	STATIC_RECORDS = 2 * NAT64_STATIC_MAX
};
_Static_assert(MAPPINGS_MAX + SUBSCRIBERS_MORE < SUBSCRIBER_NONE, "each has a name");
_Static_assert(PERMITS_PER_MAPPING * (uint64_t)MAPPINGS_MAX < OBJECT_PERMIT, "so has each permit");

/* A subscriber has a mapping at least, or lately had one: there is a record for each. */
static struct ports ports_layout(struct arena *a, uint32_t n_mappings)
{
	uint32_t n_subscribers = n_mappings + SUBSCRIBERS_MORE;
	uint32_t n_heads = n_subscribers / MAPPINGS_PER_HEAD;
	struct ports p = {
		.block = arena_take(a, NAT64_POOL_MAX * sizeof(*p.block)),
		.slot = arena_take(a, NAT64_POOL_MAX * sizeof(*p.slot)),
		.subscriber = arena_take(a, n_subscribers * sizeof(*p.subscriber)),
		.subscriber_head = arena_take(a, n_heads * sizeof(*p.subscriber_head)),
		.n_subscriber_heads = n_heads,
		.resting = arena_take(a, RESTING_MAX * sizeof(*p.resting)),
		.resting_head = arena_take(a, RESTING_MAX * sizeof(*p.resting_head)),
	};

	pool_init(&p.subscriber_pool, arena_take(a, n_subscribers * sizeof(uint32_t)),
		  n_subscribers);
	pool_init(&p.resting_pool, arena_take(a, RESTING_MAX * sizeof(uint32_t)), RESTING_MAX);
	return p;
}

static void tell_pointers(struct arena *a, const struct nat64 *n)
{
	const struct ports *p = &n->ports;
	const void *const slot[] = {
		&n->mapping,
		&n->permit,
		&n->permit_head,
		&n->events,
		&n->pool.next,
		&n->permit_pool.next,
		&p->block,
		&p->slot,
		&p->subscriber,
		&p->subscriber_head,
		&p->subscriber_pool.next,
		&p->resting,
		&p->resting_head,
		&p->resting_pool.next,
	};

	for (unsigned i = 0; i < ARRAY_LEN(slot); i++)
		arena_points(a, slot[i]);
}

struct nat64 *nat64_layout(struct arena *a, uint32_t n_mappings, unsigned worker,
			   const struct hash_key *key)
{
	/* static entries come on top, and once more while those of before are let go */
	uint32_t n_records = n_mappings + STATIC_RECORDS, n_permits = n_mappings * PERMITS_PER_MAPPING;
	struct nat64 *n = arena_take(a, sizeof(*n));
	struct mapping *mapping = arena_take(a, n_records * sizeof(*mapping));
	struct permit *permit = arena_take(a, n_permits * sizeof(*permit));
	uint32_t *permit_next = arena_take(a, n_permits * sizeof(*permit_next));
	uint32_t *permit_head = arena_take(a, n_records * sizeof(*permit_head));
	struct ports ports = ports_layout(a, n_mappings);
	struct nat64_event_ring *events = arena_take(a, sizeof(*events));
	uint32_t n_buckets = (uint32_t)((uint64_t)n_records * 10 / MAPPINGS_PER_TEN_BUCKETS) + 4;
	struct index measured;

	must(n_mappings <= MAPPINGS_MAX);
	index_layout(n ? &n->inside : &measured, n_buckets, a);
	index_layout(n ? &n->outside : &measured, n_buckets, a);
	if (!n)
		return NULL;
	n->index_key = hash_key_derive(key, 0x6e3634000000 + worker);
	n->random_key = hash_key_derive(key, 0x6e3634010000 + worker);
	n->pair_key = hash_key_derive(key, 0x6e3634020000);
	n->worker = worker;
	n->n_max = n_mappings;
	n->n_permit_heads = n_records;
	n->mapping = mapping;
	n->permit = permit;
	n->permit_head = permit_head;
	n->ports = ports;
	n->events = events;
	spsc_init(&events->ring, NAT64_EVENT_SLOTS);
	spsc_init(&n->lending.ring, ARRAY_LEN(n->lending.loan));
	spsc_init(&n->lending.back_ring, ARRAY_LEN(n->lending.back));
	pool_init_within(&n->pool, &mapping->inside, sizeof(*mapping), n_records);
	pool_init(&n->permit_pool, permit_next, n_permits);
	tell_pointers(a, n);
	return n;
}

bool nat64_adopt(struct nat64 *n, const struct nat64_table *t)
{
	uint32_t slot = ports__next_slot(n->ports.pending, 0), budget = ADOPT_BUDGET;

	if (likely(slot == NO_SLOT)) {
		statics__all_adopted(n, t);
		return n->ports.dead_at < n->ports.resting_pool.fresh && single__bury(n);
	}
	while (slot != NO_SLOT && budget) {
		uint32_t cost = ADOPT_COST + ports__adopt(n, t, slot);

		budget -= cost < budget ? cost : budget;
		slot = ports__next_slot(n->ports.pending, slot);
	}
	block__count(n, t);
	return true;
}

bool nat64_has_displaced(struct nat64 *n)
{
	bool displaced = n->statics.displaced;

	n->statics.displaced = false;
	return displaced;
}

void nat64_use_table(struct nat64 *n, const struct nat64_table *t, uint64_t now_ms)
{
	bool statics = (int32_t)(t->statics_changed - n->lending.serial) > 0 || !n->lending.serial;
	bool log_begins = t->log_what & ~n->log_what & NAT64_LOG_BLOCKS;

	if (n->lending.serial == t->serial)
		return;
	n->now_ms = now_ms;
	n->quarantine = t->quarantine;
	n->log_what = t->log_what;
	block__use_table(n, t);
	lend__use_table(n, t);
	if (statics)
		statics__use_table(n, t);
	if (log_begins)
		statics__tell(n);
	nat64_adopt(n, t);
}

void nat64_flow_began(struct nat64 *n, const struct flow *f, uint64_t now_ms)
{
	if (likely(!(n->log_what & NAT64_LOG_SESSIONS)) || f->flags & FLOW_FROM_OUTSIDE)
		return;
	n->now_ms = now_ms;
	event__session(n, NAT64_EVENT_SESSION_CREATED, &n->mapping[permit__mapping(n, f->object)],
		       &f->key[1]);
}

void nat64_flow_refused(struct nat64 *n, const struct flow *f, uint64_t now_ms)
{
	uint32_t index = permit__mapping(n, f->object);
	struct mapping *m = &n->mapping[index];

	n->now_ms = now_ms;
	if (f->object & OBJECT_PERMIT)
		permit__drop(n, f->object);
	if (f->flags & FLOW_FROM_OUTSIDE) {
		must(m->n_inbound > 0);
		m->n_inbound--;
	} else {
		bib__let_go(n, m);
	}
	bib__settle(n, index);
}

void nat64_flow_ended(struct nat64 *n, const struct flow *f, uint64_t now_ms)
{
	n->now_ms = now_ms;
	if (n->log_what & NAT64_LOG_SESSIONS && !(f->flags & FLOW_FROM_OUTSIDE))
		event__session(n, NAT64_EVENT_SESSION_DELETED,
			       &n->mapping[permit__mapping(n, f->object)], &f->key[1]);
	nat64_flow_refused(n, f, now_ms);
}

bool nat64_advance(struct nat64 *n, uint64_t now_ms)
{
	uint32_t done;

	n->now_ms = now_ms;
	done = block__expire(n, SUPPLY_BUDGET);
	done += single__expire(n, SUPPLY_BUDGET);
	lend__advance(n);
	return done >= SUPPLY_BUDGET;
}

void nat64_note_flows(struct nat64 *n, uint32_t n_free, uint32_t n_all)
{
	n->flows_free = n_free;
	n->flows_all = n_all;
}

bool nat64_flow_stale(const struct nat64_table *t, const struct nat64 *n, const struct flow *f)
{
	const struct mapping *m = &n->mapping[permit__mapping(n, f->object)];
	struct addr shown = table__shown(t, &f->key[1].src);

	return !bib__valid(n, t, m) || !nat64_claims_pool6(t, &f->key[0].dst, NULL) ||
	       table__is_exempt(t, &shown, m->proto_plus - 1u, be16_to(f->key[1].sport));
}

static struct bib_record record_of(const struct nat64_table *t, const struct mapping *m)
{
	static const uint8_t shown[N_PROTOS] = { NAT64_TCP, NAT64_UDP, NAT64_ICMP };

	return (struct bib_record){
		.inside = m->inside,
		.outside = t->slot[m->slot].addr,
		.inside_port = m->inside_port,
		.outside_port = m->outside_port,
		.protocol = shown[m->proto_plus - 1],
		.is_static = m->flags & MAPPING_STATIC,
		.n_sessions = m->n_sessions + m->n_inbound,
	};
}

uint32_t nat64_dump(const struct nat64 *n, const struct nat64_table *t, uint32_t *cursor,
		    struct bib_record *out, uint32_t max)
{
	uint32_t end = n->pool.fresh, looked = 0, n_out = 0;

	for (; *cursor < end && looked < NAT64_DUMP_SLOTS && n_out < max; looked++, ++*cursor) {
		const struct mapping *m = &n->mapping[*cursor];

		if (m->proto_plus && bib__valid(n, t, m))
			out[n_out++] = record_of(t, m);
	}
	if (*cursor >= end)
		*cursor = UINT32_MAX;
	return n_out;
}

uint32_t nat64_mappings(const struct nat64 *n)
{
	return n->pool.used;
}

uint32_t nat64_ports_used(const struct nat64 *n)
{
	return n->ports.n_used;
}

uint32_t nat64_subscribers(const struct nat64 *n)
{
	return n->ports.subscriber_pool.used;
}
