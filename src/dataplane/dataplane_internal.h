/* dataplane_internal.h - what the files of this room share. */
#pragma once
#include <netinet/in.h>
#include "sixgate/base/must.h"
#include "sixgate/dataplane/worker.h"
#include "sixgate/flow/tcp.h"

enum {
	FROM_OUTSIDE_LIFE_MS = 10000, /* at most, for a session from outside that is not complete */
	SERVICE_SYN_LIFE_MS = 30000,  /* the same of services: a client tries a few nodes */
	FROM_OUTSIDE_SHARE = 4,       /* such sessions take at most one in this many of all flows */
	RESETS_PER_CALL = 256
};

static inline void count(struct worker *w, enum worker_counter c, uint64_t n)
{
	counter_add(&w->count[c], n);
}

/**
 * struct decision - about a packet without a flow
 * @index, @dir: the flow made for it, FLOW_NONE when it is rewritten once: by @plan when that says
 *          so, else by @once
 */
struct decision {
	uint32_t index;
	unsigned dir;
	struct siit_answer once;
	struct flow_plan plan;
};

/* classify.c: a packet without a flow. Return: verdict_continue() with @out, or a drop. */
struct verdict classify__open(struct worker *w, const struct snapshot *s, const struct packet *p,
			      uint64_t now_ms, struct decision *out);
/* @a is in one of the inside networks. */
bool classify__is_inside(const struct snapshot *s, const struct addr *a);
/* Addresses that may not come from this side: anti-spoofing, BCP 38. */
struct verdict classify__check_side(const struct snapshot *s, const struct packet *p,
				    const struct addr *src, const struct addr *dst);

/* stateless.c: is @p siit's, by the order of decision? Fragments are asked for, too, before anybody
 * knows their ports. */
bool stateless__takes(const struct snapshot *s, const struct packet *p);
/* What becomes of a packet that it takes: verdict_continue() with @out, or a drop. */
struct verdict stateless__admit(const struct snapshot *s, const struct packet *p,
				struct siit_answer *out);
/* What comes out addressed to @a (IPv4) is for one of our own pools, VIPs or mapped hosts. */
bool stateless__turns_round(const struct snapshot *s, const struct siit_answer *a);
/* @a may come from inside though no inside prefix has it: a mapped host, or one of the CLAT's. */
bool stateless__is_host(const struct snapshot *s, const struct addr *a);

/* session.c */
/* A packet of a session from outside that is not complete (FLOW_FROM_OUTSIDE). Anybody can send a first
 * packet with any source; who sends what only a reader of the answer would, is there. Until then the
 * session lives shortly, holds nothing and makes room for others first. Return: verdict_continue(), or
 * a drop: the host's subscriber has as many flows as it may. */
struct verdict session__handshake(struct worker *w, const struct snapshot *s, uint32_t index,
				  unsigned dir, const struct packet *p, uint64_t now_ms);
/* A SYN of the host opens another connection where one has ended: in its flow, which keeps its mapping,
 * and with it the outside port (RFC 4787 REQ-1). It makes no state, and so counts for no limit, unless
 * the flow was a stranger's. Return: verdict_continue(), the flow is as if CLOSED; or a drop, the flow
 * is as it was. */
struct verdict session__begin_again(struct worker *w, const struct snapshot *s, uint32_t index,
				    uint64_t now_ms);
/* What a packet does to its flow. */
void session__packet(struct worker *w, const struct snapshot *s, uint32_t index, unsigned dir,
		     const struct packet *p, uint64_t now_ms);
void session__start(struct worker *w, const struct snapshot *s, uint32_t index,
		    const struct packet *p, uint64_t now_ms);
/* The wheel has unlinked it: probe it, reset it, end it. */
void session__expire(struct worker *w, const struct snapshot *s, uint32_t index, uint64_t now_ms);
/* An incomplete session from outside whose time has come, or FLOW_NONE. */
uint32_t session__overdue(const struct worker *w, uint64_t now_ms);
/* The one to give up when room is needed: the oldest of the longer queue, or FLOW_NONE. */
uint32_t session__expendable(const struct worker *w);
static inline uint32_t session__n_incomplete(const struct worker *w)
{
	return w->incomplete[0].n + w->incomplete[1].n;
}
/* Before nat64 is asked for one more: those that are not complete make room. */
static inline void session__note_flows(struct worker *w)
{
	nat64_note_flows(w->nat64, w->flows.pool.n - w->flows.pool.used + session__n_incomplete(w),
			 w->flows.pool.n);
}
/* End a flow whose timer is linked. */
void session__end(struct worker *w, uint32_t index, uint64_t now_ms);
/* Resets with exact sequence numbers to both ends of a TCP flow (RFC 5961 3.2). */
void session__reset_both(struct worker *w, const struct flow *f);
bool session__stale(struct worker *w, const struct snapshot *s, const struct flow *f);

/* An inside host opens what a kept SYN waits for, or the SYN is let in after all. */
void session__meet_syn(struct worker *w, uint32_t index, unsigned dir);

/* answer.c: what we say ourselves; RFC 4443 2.4 (f): limited in rate. */
void answer__drop(struct worker *w, const struct snapshot *s, const struct packet *p,
		  uint64_t now_ms);
bool answer__is_echo_request(const struct packet *p);
/* @p is an echo request for an address of ours. Return: what becomes of it. */
struct verdict answer__echo(struct worker *w, const struct snapshot *s, const struct packet *p,
			    uint64_t now_ms);
/* @p was refused with @v: a first SYN may be kept for a while. */
struct verdict answer__refused(struct worker *w, const struct packet *p, struct verdict v,
			       uint64_t now_ms);
/* Kept SYNs whose time is over. Return: true if others still wait. */
bool answer__overdue_syns(struct worker *w, const struct snapshot *s, uint64_t now_ms);

/* pipeline.c */
struct verdict pipeline__go_round(struct worker *w, const struct snapshot *s, struct packet *p,
				  uint64_t now_ms);
void pipeline__finish(struct worker *w, const struct snapshot *s, struct packet *p,
		      struct verdict v, uint64_t now_ms);

/* timers.c */
void timers__use_snapshot(struct worker *w, const struct snapshot *s, uint64_t now_ms);

/* trace.c. The first is for any packet while a trace is on, the others for one that @traced says is
 * to be shown. */
void trace__begin(struct worker *w, const struct snapshot *s, const struct packet *p);
void trace__round(struct worker *w, const struct packet *p);
void trace__asked(struct worker *w, enum policy_id policy, struct verdict v, bool admitted);
void trace__stateless(struct worker *w, struct verdict v);
void trace__renewed(struct worker *w);
void trace__opened(struct worker *w, uint32_t index, unsigned dir);
void trace__handed(struct worker *w, unsigned owner);
void trace__end(struct worker *w, const struct packet *p);

/* A packet, or the segments of a super-packet, as it came. */
struct flow_log_size {
	uint32_t bytes, packets;
};

/* flow_log.c. started: once the log was on, for every flow of egress6; ended, passed, advance: while
 * it is on. */
void flow_log__use_snapshot(struct worker *w, const struct snapshot *s);
void flow_log__started(struct worker *w, uint32_t index, uint64_t now_ms);
void flow_log__ended(struct worker *w, uint32_t index, uint64_t now_ms);
struct flow_log_size flow_log__size(const struct packet *p);
void flow_log__passed(struct worker *w, uint32_t index, unsigned dir,
		      const struct flow_log_size *size);
/* Return: true when more is due. */
bool flow_log__advance(struct worker *w, uint64_t now_ms);

static inline struct verdict stateless__noted(struct worker *w, struct verdict v)
{
	if (unlikely(w->traced))
		trace__stateless(w, v);
	return v;
}

/* handoff.c: copy @p to its owner. @resolved: a fragment whose ports are known in its key. */
struct verdict handoff__send(struct worker *w, const struct packet *p, unsigned owner, bool resolved);
/* Into a ring of one's own. Return: false when it is full. */
bool handoff__put(struct handoff *h, const struct packet *p, bool resolved);
/* Return: a copy of the oldest packet in @h made in @out with side, flags and (when *@resolved)
 * ports set, or NULL. */
struct packet *handoff__receive(struct handoff *h, struct outbox *out, bool *resolved);
