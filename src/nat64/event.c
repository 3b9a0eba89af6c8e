/*
 * event.c - events for accountability: written by the worker, read by the control thread. Nothing
 * waits; an event that finds the ring full is lost and counted.
 */
#include "nat64_internal.h"

enum { TOLD_EVERY_S = 60 };

struct nat64_event_ring *nat64_events(struct nat64 *n)
{
	return n->events;
}

static void put(struct nat64_event_ring *r, const struct nat64_event *e)
{
	uint32_t i = spsc_begin_write(&r->ring);

	if (i == UINT32_MAX) {
		counter_add(&r->lost, 1);
		return;
	}
	r->slot[i] = *e;
	spsc_commit_write(&r->ring);
}

void event__ports(struct nat64 *n, enum nat64_event_kind kind, const struct subscriber *s,
		  const struct event_ports *what)
{
	struct nat64_event e = { .time_ms = n->now_ms, .kind = (uint8_t)kind,
				 .protocol = what->protocol, .port_first = what->first,
				 .port_last = what->last,
				 .outside = n->ports.slot[what->slot].addr };

	if (!(n->log_what & NAT64_LOG_BLOCKS))
		return;
	if (s) {
		e.inside = s->prefix;
		e.subscriber_len = s->len_less_1 + 1;
	}
	put(n->events, &e);
}

/* One port of whatever block, and whose it is, to the inside port: who has the block has it not. */
void event__static(struct nat64 *n, enum nat64_event_kind kind, const struct mapping *m)
{
	const struct nat64_event e = { .time_ms = n->now_ms, .kind = (uint8_t)kind,
				       .protocol = (uint8_t)(1u << (m->proto_plus - 1)),
				       .subscriber_len = 128, .port_first = m->outside_port,
				       .port_last = m->outside_port, .inside = m->inside,
				       .inside_port = m->inside_port,
				       .outside = n->ports.slot[m->slot].addr };

	if (n->log_what & NAT64_LOG_BLOCKS)
		put(n->events, &e);
}

void event__session(struct nat64 *n, enum nat64_event_kind kind, const struct mapping *m,
		    const struct tuple *key1)
{
	const uint16_t port = m->outside_port;
	struct nat64_event e = { .time_ms = n->now_ms, .kind = (uint8_t)kind,
				 .protocol = (uint8_t)(1u << (m->proto_plus - 1)),
				 .subscriber_len = 128, .port_first = port, .port_last = port,
				 .inside = m->inside, .inside_port = m->inside_port,
				 .outside = key1->dst };

	if (n->log_what & NAT64_LOG_DESTINATIONS) {
		e.destination = addr_ip4_host(&key1->src);
		e.destination_port = be16_to(key1->sport);
	}
	put(n->events, &e);
}

/* One bucket for many subscribers is enough: who exceeds his quota does not do it once. */
static bool told_lately(struct nat64 *n, enum drop_reason why, uint32_t subscriber)
{
	uint32_t now = (uint32_t)(n->now_ms / 1000) + 1;
	uint32_t *told = &n->told_s[why == DROP_POOL4_EXHAUSTED ? 0 : 1 + subscriber % (TOLD_MAX - 1)];

	if (*told && now - *told < TOLD_EVERY_S)
		return true;
	*told = now;
	return false;
}

void event__refused(struct nat64 *n, enum drop_reason why, uint32_t subscriber)
{
	static const uint8_t quota[DROP_N_REASONS] = {
		[DROP_QUOTA_FLOWS] = NAT64_QUOTA_FLOWS,
		[DROP_QUOTA_PORTS] = NAT64_QUOTA_PORTS,
		[DROP_QUOTA_NEW_FLOWS] = NAT64_QUOTA_NEW_FLOWS,
		[DROP_FAIR_SHARE] = NAT64_QUOTA_FAIR_SHARE,
	};
	const struct subscriber *s = &n->ports.subscriber[subscriber];
	struct nat64_event e = { .time_ms = n->now_ms, .kind = NAT64_EVENT_QUOTA_EXCEEDED,
				 .quota = quota[why] };

	if (!n->log_what || (why != DROP_POOL4_EXHAUSTED && !quota[why]) ||
	    told_lately(n, why, subscriber))
		return;
	if (why == DROP_POOL4_EXHAUSTED)
		e.kind = NAT64_EVENT_POOL_EXHAUSTED;
	e.inside = s->prefix;
	e.subscriber_len = s->len_less_1 + 1;
	put(n->events, &e);
}
