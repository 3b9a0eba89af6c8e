/*
 * flow_log.h - what `egress6: flow-log:` tells: flows begin, go on and end, and what passed meanwhile.
 *
 * Each worker has a ring of its own with one reader, the control thread. Nothing waits for the
 * reader: what does not fit is lost and counted. What is counted of a flow stands beside the flow
 * table, in memory that is not touched before the log is switched on.
 */
#pragma once
#include "sixgate/base/arena.h"
#include "sixgate/base/counter.h"
#include "sixgate/base/spsc.h"
#include "sixgate/packet/packet.h"

enum { FLOW_LOG_SLOTS = 8192, FLOW_LOG_TICK_MS = 64, FLOW_LOG_BUDGET = 1024 };

enum flow_event_kind {
	FLOW_EVENT_STARTED = 1,
	FLOW_EVENT_ACTIVE, /* once in an interval, of a flow on which something passed */
	FLOW_EVENT_ENDED
};

/**
 * struct flow_count - of one flow; [0] is on the way out
 * @bytes:   IP packets as they came in; a super-packet has its headers once
 * @packets: of the wire: segments of a super-packet, each fragment; stays at its most
 * @started: in ticks of FLOW_LOG_TICK_MS of the worker's clock, which come round in two years; 0: before
 *           the log was on
 * @touched: since it was last told of; @from_outside: whoever is outside has opened it
 */
struct flow_count {
	uint64_t bytes[2];
	uint32_t packets[2];
	uint32_t started : 30, touched : 1, from_outside : 1;
} __attribute__((packed, aligned(4)));
_Static_assert(sizeof(struct flow_count) == 28, "a flow and all that is about it has 192 bytes");

/**
 * struct flow_event - nothing in it points anywhere
 * @time_ms:    of the worker's clock (monotonic)
 * @started_ms: the same, to a tick; 0: before the log was on, and @count begins later
 * @kind:       enum flow_event_kind
 * @inside:     tuple of the packets on the way out: its source is the host inside
 */
struct flow_event {
	uint64_t time_ms, started_ms;
	struct tuple inside;
	struct flow_count count;
	uint8_t kind;
};

/**
 * struct flow_log - one worker's; in its memory
 * @lost:        events that found the ring full
 * @interval_ms: between two FLOW_EVENT_ACTIVE of a flow; 0: the log is off
 * @used:        was ever on: the counts are kept clean from then on
 * @next, @looked_ms: which flow is looked at next for that, and until when the looking has come
 */
struct flow_log {
	struct spsc ring;
	counter64 lost;
	uint64_t interval_ms, looked_ms;
	uint32_t next;
	bool used;
	struct flow_count *count; /* one for each flow */
	struct flow_event slot[FLOW_LOG_SLOTS];
};

struct worker;

/** flow_log_layout() - for @n flows; measuring arena: NULL. */
struct flow_log *flow_log_layout(struct arena *a, uint32_t n);

/** flow_log_read() - the oldest event moves to @out. Return: false when there is none. One thread. */
bool flow_log_read(struct flow_log *l, struct flow_event *out);
