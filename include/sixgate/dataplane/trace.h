/*
 * trace.h - the steps of a packet through the pipeline, for whoever asks what becomes of it.
 *
 * While a trace is on, each packet that the filter picks leaves records of its steps in a bounded
 * ring of its worker, which one other thread reads. A full ring loses the record and counts it; the
 * packet knows nothing of it. Off, it costs one branch a packet.
 */
#pragma once
#include "sixgate/base/arena.h"
#include "sixgate/base/counter.h"
#include "sixgate/base/spsc.h"
#include "sixgate/packet/packet.h"

enum { TRACE_SLOTS = 4096, TRACE_HOSTS_MAX = 2, TRACE_PORTS_MAX = 2 };

/** enum trace_step - which members of the record a step uses, besides @packet and @worker. */
enum trace_step {
	TRACE_ARRIVED,    /* side, len, tuple, icmp_*, tcp_flags, flags: as it came in */
	TRACE_FOUND,      /* policy, state, dir, value: its flow is known, @value is the flow's index */
	TRACE_RENEWED,    /* a SYN on an old tuple: the connection was over, another begins */
	TRACE_ASKED,      /* policy, verdict, value: this policy was asked; a verdict continue means
			   * admitted with @value 1, and that it has no say with 0 */
	TRACE_STATELESS,  /* verdict: siit's; a verdict continue means translated without a flow */
	TRACE_OPENED,     /* policy, dir, value; tuple: as packets of this direction leave; object */
	TRACE_ROUND,      /* tuple, len: out of one flow, it comes round for another (hairpin) */
	TRACE_HANDED,     /* value: the worker it was handed to */
	TRACE_REWRITTEN,  /* side, len, tuple, state: as it leaves */
	TRACE_MADE,       /* side, len, tuple, icmp_*, tcp_flags: sent because of it: an error, a piece */
	TRACE_ENDED,      /* verdict: what became of it, value: enum trace_held of one that is held; the last
			   * step, but of one that was handed on */
	N_TRACE_STEPS
};

/** enum trace_held - why a packet goes no further now. */
enum trace_held {
	TRACE_HELD_FRAGMENT = 1, /* until its first fragment comes */
	TRACE_HELD_SYN,          /* a first SYN, for whoever inside may open to its sender */
	TRACE_HELD_ANSWERED,     /* an echo request for an address of ours */
	TRACE_HELD_CUT           /* it was sent in pieces */
};

/**
 * struct trace_record - one step of one packet
 * @packet: number of the packet in its worker; 0 is none
 * @tuple:  for ICMP errors, of the embedded packet, reversed, as in struct packet
 * @state:  enum tcp_state of its flow; of TCP only
 * @dir:    which direction of its flow
 * @object: slot of the policy's own record: of services the node
 * @flags:  set of enum packet_flag
 */
struct trace_record {
	uint64_t packet;
	struct tuple tuple;
	uint32_t len, value;
	struct verdict verdict;
	uint8_t step, side, worker, policy;
	uint8_t state, dir, flags, tcp_flags;
	uint8_t icmp_type, icmp_code;
	uint16_t object;
};
_Static_assert(sizeof(struct trace_record) == 72, "a record is small");

/**
 * struct trace_filter - what a packet must be to be traced; all zero: anything
 * @proto: number on the wire; 1 stands for ICMP and ICMPv6; 0: any
 * @host:  each must be an end of the packet, as it comes in or as its flow sends it on, or the IPv4
 *         address that one of its ends stands for
 * @port:  the same for ports and identifiers
 */
struct trace_filter {
	uint8_t proto, n_host, n_port;
	struct addr host[TRACE_HOSTS_MAX];
	be16 port[TRACE_PORTS_MAX];
};

/**
 * struct trace - one worker's; in its memory
 * @ring:    written by the worker, read by whoever has switched it on
 * @filter:  set between two batches only
 * @lost:    records for which there was no room
 * @packet:  number of the packet that is being looked at
 * @handed:  it was handed to another worker
 * @made_at: where the outbox stood when its turn began
 */
struct trace {
	struct spsc ring;
	struct trace_filter filter;
	counter64 lost;
	uint64_t packet;
	bool handed;
	uint16_t made_at;
	struct tuple key; /* of the packet as it came in */
	struct trace_record slot[TRACE_SLOTS];
};

struct worker;

/** trace_layout() - measuring arena: NULL. */
struct trace *trace_layout(struct arena *a);

/** trace_start() - the worker's thread, between two batches. Packets are counted on, and what the
 *  ring holds stays in it. */
void trace_start(struct worker *w, const struct trace_filter *filter);
void trace_stop(struct worker *w);

/** trace_read() - the next record. Return: false when there is none. Any one thread. */
bool trace_read(struct trace *t, struct trace_record *out);

/** trace_filter_picks() - @t is an end of what @f names. */
bool trace_filter_picks(const struct trace_filter *f, const struct tuple *t);
