/*
 * event.h - what NAT64 tells about who has which outside port (RFC 6888 REQ-12 and section 4, in
 * the terms of RFC 8158): enough to answer "who had this address and port then".
 *
 * Each worker has a ring of its own with one reader, the control thread. Nothing waits for the
 * reader: what does not fit is lost and counted. With nothing asked for (nat64_conf.log_what) no
 * event is made.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "sixgate/base/addr.h"
#include "sixgate/base/counter.h"
#include "sixgate/base/spsc.h"

struct nat64;

/** Bits of nat64_conf.log_what. Quotas and exhaustion are told with either of the first two. */
enum nat64_log_what {
	NAT64_LOG_BLOCKS = 1,      /* `port-blocks`, and ports of static entries */
	NAT64_LOG_SESSIONS = 2,    /* `sessions` */
	NAT64_LOG_DESTINATIONS = 4 /* with sessions: their other end, too (RFC 6888 REQ-12) */
};

enum nat64_event_kind {
	NAT64_EVENT_BLOCK_ALLOCATED = 1, /* ports first to last are @inside's from now on ... */
	NAT64_EVENT_BLOCK_RELEASED,      /* ... until now; some time after their last use */
	NAT64_EVENT_STATIC_ASSIGNED, /* one port is @inside's by configuration, whoever has its block ... */
	NAT64_EVENT_STATIC_RELEASED, /* ... and no longer: the block's again, if anybody has that */
	NAT64_EVENT_SESSION_CREATED, /* by the inside, or answered by it */
	NAT64_EVENT_SESSION_DELETED,
	NAT64_EVENT_QUOTA_EXCEEDED, /* one in a while for each subscriber; @quota says which */
	NAT64_EVENT_POOL_EXHAUSTED  /* nothing left for @inside; one in a while for each worker */
};

/** What was exceeded: `limits:`, or a fair share while there was little left. */
enum nat64_quota { NAT64_QUOTA_NONE, NAT64_QUOTA_FLOWS, NAT64_QUOTA_PORTS, NAT64_QUOTA_NEW_FLOWS,
		   NAT64_QUOTA_FAIR_SHARE };

/**
 * struct nat64_event - fixed size, nothing in it points anywhere
 * @time_ms:     of the worker's clock (monotonic): the now_ms of the call that made it
 * @kind:        enum nat64_event_kind
 * @protocol:    one enum nat64_protocol; 0: all of them (a whole block)
 * @subscriber_len: bits of @inside that count: a subscriber's prefix, or 128 for a host
 * @quota:       enum nat64_quota, of NAT64_EVENT_QUOTA_EXCEEDED; else 0
 * @outside:     IPv4-mapped; all zero for quotas and exhaustion
 * @port_first, @port_last: outside ports or identifiers, inclusive; the same for a single one and
 *               for sessions
 * @inside_port: of sessions and static entries; else 0
 * @destination, @destination_port: of sessions, if asked for; else all zero
 */
struct nat64_event {
	uint64_t time_ms;
	uint8_t kind, protocol, subscriber_len, quota;
	uint16_t port_first, port_last;
	struct addr inside;
	struct addr outside;
	uint16_t inside_port, destination_port;
	uint32_t destination; /* IPv4, host order */
};
_Static_assert(sizeof(struct nat64_event) == 56, "events are copied");

enum { NAT64_EVENT_SLOTS = 8192 };

/** struct nat64_event_ring - one worker's; @lost: events that found it full. */
struct nat64_event_ring {
	struct spsc ring;
	counter64 lost;
	struct nat64_event slot[NAT64_EVENT_SLOTS];
};

/** nat64_events() - the ring of @n, for its reader; lives as long as @n. */
struct nat64_event_ring *nat64_events(struct nat64 *n);

/** nat64_event_read() - the oldest event moves to @out. Return: false when there is none. The
 *  reader's thread. */
static inline bool nat64_event_read(struct nat64_event_ring *r, struct nat64_event *out)
{
	uint32_t i = spsc_begin_read(&r->ring);

	if (i == UINT32_MAX)
		return false;
	*out = r->slot[i];
	spsc_commit_read(&r->ring);
	return true;
}
