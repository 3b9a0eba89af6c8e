/*
 * worker.h - one shard of the data plane: its flows, its policies' state, its counters.
 *
 * pipeline_run() is a function of its arguments: no clock, no I/O, no lock, no allocation. Several
 * workers share nothing but the hand-off rings.
 */
#pragma once
#include <stdatomic.h>
#include "sixgate/base/arena.h"
#include "sixgate/base/counter.h"
#include "sixgate/base/spsc.h"
#include "sixgate/dataplane/flow_log.h"
#include "sixgate/dataplane/snapshot.h"
#include "sixgate/dataplane/trace.h"
#include "sixgate/flow/crowd.h"
#include "sixgate/flow/fragments.h"
#include "sixgate/flow/syns.h"
#include "sixgate/flow/table.h"
#include "sixgate/flow/wheel.h"

/** What a worker counts besides drops: enum, metric name, help. */
#define WORKER_COUNTERS(_)                                                                         \
	_(RX_PACKETS_INSIDE, "rx_packets_inside", "packets that came in on the inside")            \
	_(RX_PACKETS_OUTSIDE, "rx_packets_outside", "packets that came in on the outside")         \
	_(RX_BYTES_INSIDE, "rx_bytes_inside", "IP bytes that came in on the inside")               \
	_(RX_BYTES_OUTSIDE, "rx_bytes_outside", "IP bytes that came in on the outside")            \
	_(TX_PACKETS_INSIDE, "tx_packets_inside", "packets sent to the inside")                    \
	_(TX_PACKETS_OUTSIDE, "tx_packets_outside", "packets sent to the outside")                 \
	_(TX_BYTES_INSIDE, "tx_bytes_inside", "IP bytes sent to the inside")                       \
	_(TX_BYTES_OUTSIDE, "tx_bytes_outside", "IP bytes sent to the outside")                    \
	_(RX_PACKETS_XDP, "rx_packets_xdp", "of those that came in: by AF_XDP, the others by TUN") \
	_(TX_PACKETS_XDP, "tx_packets_xdp", "of those sent: by AF_XDP, the others by TUN")         \
	_(FLOWS_CREATED_NAT64, "flows_created_nat64", "NAT64 sessions opened")                     \
	_(FLOWS_CREATED_EGRESS6, "flows_created_egress6", "egress6 flows opened")                  \
	_(FLOWS_CREATED_SERVICES, "flows_created_services", "service flows opened")                \
	_(SIIT_TO_IPV4, "siit_to_ipv4", "packets translated to IPv4 without state")                \
	_(SIIT_TO_IPV6, "siit_to_ipv6", "packets translated to IPv6 without state")                \
	_(FLOWS_ENDED, "flows_ended", "flows that ended, for whatever reason")                     \
	_(FLOWS_EVICTED, "flows_evicted", "incomplete flows from outside that made room")          \
	_(HAIRPINS, "hairpins", "packets that came round for a second flow")                       \
	_(HANDOFFS, "handoffs", "packets passed to the worker that owns them")                     \
	_(ERRORS_SENT, "errors_sent", "ICMP errors and resets sent back with a drop")              \
	_(ERRORS_LIMITED, "errors_limited", "ICMP errors not sent, over the rate limit")           \
	_(RESETS_SENT, "resets_sent", "TCP resets sent to both ends of ended service flows")       \
	_(SYNS_KEPT, "syns_kept", "first SYNs from outside kept for a while; RFC 6146 3.5.2.2")    \
	_(SIMULTANEOUS_OPENS, "simultaneous_opens", "kept SYNs that the inside host opened to")    \
	_(ECHOES_ANSWERED, "echoes_answered", "echo requests to VIPs and pool addresses answered") \
	_(ECHOES_LIMITED, "echoes_limited", "echo requests not answered, over the rate limit")     \
	_(TCP_STRAYS, "tcp_strays", "segments of no session that passed by a mapping")             \
	_(PROBES_SENT, "probes_sent", "probes of idle TCP sessions; RFC 6146 3.5.2.2")             \
	_(SERVICE_MOVES, "service_moves", "connection attempts moved to another node")

enum worker_counter {
#define _(id, name, help) COUNT_##id,
	WORKER_COUNTERS(_)
#undef _
	N_WORKER_COUNTERS
};

const char *worker_counter_name(enum worker_counter c);
const char *worker_counter_help(enum worker_counter c);

enum {
	HANDOFF_SLOTS = 1024,      /* per pair of workers: several batches */
	HANDOFF_BYTES = 2048,      /* packets up to this length are handed on ... */
	HANDOFF_BIG_SLOTS = 8,     /* ... longer ones (super-packets) by these */
	OUTBOX_BYTES = 16 << 20,
	OUTBOX_PACKETS = 16384,
	EXPIRE_BUDGET = 256,       /* wheel nodes looked at per call: each may cost a microsecond */
	SWEEP_BUDGET = 1024        /* flow slots looked at per call while a sweep is on */
};

struct handoff; /* ring between two workers */

/**
 * struct flow_queue - flows in the order of their age, linked by flow.timer. All in one queue live
 * equally long, so the oldest is the first to expire, and the first to make room.
 * @oldest, @youngest: FLOW_NONE when empty
 */
struct flow_queue {
	uint32_t oldest, youngest;
	uint32_t n;
};

/**
 * struct worker - hot members first; lives in memory of worker_layout()
 * @peer:  rings *to* each worker, [n_workers], NULL for itself; @from: rings from each
 * @incomplete: flows with FLOW_FROM_OUTSIDE; they are not in the wheel
 * @strangers: those of nat64 once more, by mapping
 * @seen_generation: snapshot of the last call: to notice a change
 * @trace_on: packets are looked at for the trace; @traced: the one in hand is to be shown
 * @flow_log_on: egress6's flows are counted and told of
 * @syns:   first SYNs from outside that wait for one from inside
 * @pointers: that stay what they are from worker_layout() on; of the others, those of @to, @from
 * and the packets of @out point into the same memory
 * @tokens, @echo_tokens: ICMP errors, and answers to echo requests, that may be sent now; refilled
 *          with time
 */
struct worker {
	struct flow_table flows;
	struct wheel wheel;
	struct translate_state translate;
	struct nat64 *nat64;
	struct services *services;
	struct fragments *fragments;
	struct syns *syns;
	struct outbox out;
	uint64_t seen_generation;
	bool trace_on, traced, flow_log_on;
	unsigned id, n_workers;
	struct handoff *to[STEER_WORKERS_MAX], *from[STEER_WORKERS_MAX];
	uint32_t tokens, echo_tokens;
	uint64_t tokens_ms;
	uint32_t sweep_at; /* next flow slot of the running sweep; FLOW_NONE when none */
	struct flow_queue incomplete[2]; /* [1] is the services' */
	struct crowds strangers;
	struct trace *trace;
	struct flow_log *flow_log;
	counter64 drop[DROP_N_REASONS];
	counter64 count[N_WORKER_COUNTERS];
	counter64 flows_used, mappings_used; /* gauges */
	struct arena_pointers pointers;
};

/** struct worker_sizes - capacities of one worker; fixed at start. */
struct worker_sizes {
	uint32_t flows;    /* records */
	uint32_t mappings; /* BIB entries; 0 without nat64 */
};

/** worker_layout() - carve worker @id out of @a; measuring arena: NULL. Zeroed memory. */
struct worker *worker_layout(struct arena *a, unsigned id, unsigned n_workers,
			     const struct worker_sizes *sizes, const struct hash_key *key);

/** handoff_layout() - one ring; connect with a->to[b->id] = b->from[a->id] = ring. */
struct handoff *handoff_layout(struct arena *a);

/**
 * pipeline_run() - the life of a batch: parse, find, admit, rewrite
 * @b:      on return each packet has its verdict; those with VERDICT_FORWARD are to be sent on
 *          their out_side. Packets that the pipeline made are in w->out (same rules), valid until
 *          the next call.
 * @now_ms: monotonic, from any origin but at least 1; never goes back
 *
 * Packets of other workers are handed on; what others handed on is taken by pipeline_take().
 */
void pipeline_run(struct worker *w, const struct snapshot *s, struct batch *b, uint64_t now_ms);

/** pipeline_take() - as pipeline_run() for up to @max packets from the rings of the other workers;
 *  they are copied into w->out. Call after the packets of pipeline_run() have been sent. Return:
 *  packets taken; 0 when the rings were empty. */
uint32_t pipeline_take(struct worker *w, const struct snapshot *s, uint32_t max, uint64_t now_ms);

/** timers_advance() - end what is over, sweep, probe; bounded work. What it wants to send is in
 *  w->out. Return: ms until it wants to be called again, 0 for at once. */
uint32_t timers_advance(struct worker *w, const struct snapshot *s, uint64_t now_ms);

/** struct flow_record - a flow as shown to people. */
struct flow_record {
	struct tuple key[2];
	uint8_t policy, state, flags;
	uint32_t object, aux;
	uint32_t expires_s;
};

/** worker_dump_flows() - as nat64_dump(), over flow slots; looks at 4096 slots at most. */
uint32_t worker_dump_flows(const struct worker *w, uint64_t now_ms, uint32_t *cursor,
			   struct flow_record *out, uint32_t max);
