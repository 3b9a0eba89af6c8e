/*
 * pipeline.c - the life of a batch.
 *
 * Theory of operation. Strips of packets, so that misses of the cache overlap: parse and hash every
 * packet of a strip and fetch their buckets; once these are near, fetch the records they point to; once
 * those are, packet by packet, find the flow (or ask the policies for one), let the packet move the
 * flow's state, and rewrite it. The buckets of one strip come while the strip before it is at that. What
 * comes out addressed to one of our own pools goes round once more as if it had
 * arrived from outside (a hairpin), never twice. A dropped packet stays in its place with its
 * verdict; an error about it, if any, is made in the outbox.
 */
#include "dataplane_internal.h"
#include "sixgate/packet/parse.h"

/* Of so many packets all buckets, or all records, can be on their way from memory at once. Measured with
 * 1 and 10 M flows: 16 and 32 take longer, 4, 6, 10 and 12 no less; strips one after another, without
 * looking ahead, a third to twice as long. */
enum { STRIP = 8 };

static struct verdict run_one(struct worker *w, const struct snapshot *s, struct packet *p,
			      uint64_t now_ms);

static struct addr error_source(const struct snapshot *s, const struct flow *f, unsigned dir,
				const struct addr *src)
{
	if (addr_equal(src, &f->key[dir].src))
		return f->key[!dir].dst; /* from the far end itself */
	if (f->policy == POLICY_NAT64)
		return nat64_error_source(s->nat64, f, dir, src);
	if (f->policy == POLICY_SERVICES)
		return services_error_source(s->services, f, dir, src);
	return *src;
}

/* Both rounds of a hairpin are one hop: the first has counted it. */
static ALWAYS_INLINE struct verdict translate(struct worker *w, const struct snapshot *s, struct packet *p,
				const struct rewrite *rw)
{
	struct translate_env env;

	if (likely(!(p->flags & PACKET_HAIRPIN)))
		return translate_packet(&s->env, &w->translate, p, rw, &w->out);
	env = s->env;
	env.hops = 0;
	return translate_packet(&env, &w->translate, p, rw, &w->out);
}

static ALWAYS_INLINE struct verdict rewrite_with(struct worker *w, const struct snapshot *s, const struct flow *f,
				   unsigned dir, struct packet *p)
{
	struct rewrite rw = { .to = flow_out_tuple(f, dir),
			      .addr_delta = f->delta[dir],
			      .out_side = (uint8_t)flow_out_side(f, dir) };

	if (unlikely(p->flags & PACKET_ICMP_ERROR)) {
		struct addr src = packet_source(p), dst = packet_destination(p);
		struct verdict v = classify__check_side(s, p, &src, &dst);

		if (v.next != VERDICT_CONTINUE)
			return v;
		rw.outer_src = error_source(s, f, dir, &src);
	}
	return translate(w, s, p, &rw);
}

/* Out of one flow, into another: as from outside, by the owner of the second flow. */
struct verdict pipeline__go_round(struct worker *w, const struct snapshot *s, struct packet *p,
				  uint64_t now_ms)
{
	struct verdict v;

	p->side = SIDE_OUTSIDE;
	v = packet_parse(p);
	if (v.next != VERDICT_CONTINUE)
		return v;
	p->flags |= PACKET_HAIRPIN;
	count(w, COUNT_HAIRPINS, 1);
	p->hash = tuple_hash(&w->flows.key, &p->key);
	if (unlikely(w->traced))
		trace__round(w, p);
	return run_one(w, s, p, now_ms);
}

/* What was cut goes round piece by piece, also when the rest of it was refused. */
SELDOM static struct verdict hairpin(struct worker *w, const struct snapshot *s, struct packet *p,
			      struct verdict v, uint16_t made_from, uint64_t now_ms)
{
	uint16_t made_to = w->out.n;

	if (v.next == VERDICT_FORWARD)
		return pipeline__go_round(w, s, p, now_ms);
	for (uint16_t i = made_from; i < made_to; i++)
		if (w->out.packet[i].verdict.next == VERDICT_FORWARD)
			pipeline__finish(w, s, &w->out.packet[i],
					 pipeline__go_round(w, s, &w->out.packet[i], now_ms),
					 now_ms);
	return v;
}

/* Asked while a sweep looks for those that are. */
static ALWAYS_INLINE bool is_stale(struct worker *w, const struct snapshot *s, const struct flow *f)
{
	return unlikely(w->sweep_at != FLOW_NONE) && session__stale(w, s, f);
}

SELDOM static struct verdict drop_stale(struct worker *w, uint32_t index, uint64_t now_ms)
{
	const struct flow *f = &w->flows.flow[index];

	if (f->policy == POLICY_SERVICES)
		session__reset_both(w, f);
	session__end(w, index, now_ms);
	return verdict_drop(DROP_STALE_OBJECT);
}

/* A SYN that was refused goes to another node as the client sent it. No error is sent about it: what
 * refused it may have been one (RFC 1122 3.2.2), and the client's own repetition will tell. */
static void send_again(struct worker *w, const struct snapshot *s, uint32_t index,
		       struct packet *again, uint64_t now_ms)
{
	struct verdict v = packet_parse(again);

	if (v.next == VERDICT_CONTINUE)
		v = rewrite_with(w, s, &w->flows.flow[index], 0, again);
	v.reply = REPLY_NONE;
	pipeline__finish(w, s, again, v, now_ms);
}

static struct verdict service_event(struct worker *w, const struct snapshot *s, uint32_t index,
				    unsigned dir, struct packet *p, uint64_t now_ms)
{
	const struct flow *f = &w->flows.flow[index];
	struct packet *again = NULL;
	uint32_t node = f->object;
	struct verdict v = services_tcp_event(w->services, s->services, &w->flows, index, dir, p,
					      &w->out, &again, now_ms);

	if (f->object != node)
		count(w, COUNT_SERVICE_MOVES, 1);
	if (again)
		send_again(w, s, index, again, now_ms);
	return v;
}

static bool starts_anew(const struct flow *f, const struct packet *p, unsigned dir)
{
	return p->side == flow_out_side(f, !dir) &&
	       (f->state == TCP_TRANS || f->state == TCP_V4_FIN_V6_FIN_RCV) && dir == 0 &&
	       (p->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN;
}

/* What was refused has not passed; the packet is measured before it may be cut. */
SELDOM static struct verdict rewrite_logged(struct worker *w, const struct snapshot *s,
					    uint32_t index, unsigned dir, struct packet *p)
{
	const struct flow_log_size size = flow_log__size(p);
	struct verdict v = rewrite_with(w, s, &w->flows.flow[index], dir, p);

	if (v.next != VERDICT_DROP)
		flow_log__passed(w, index, dir, &size);
	return v;
}

static ALWAYS_INLINE struct verdict in_flow(struct worker *w, const struct snapshot *s, uint32_t index,
			      unsigned dir, struct packet *p, uint64_t now_ms)
{
	struct flow *f = &w->flows.flow[index];
	uint16_t made_from = w->out.n;
	struct verdict v;

	if (unlikely(p->side != flow_out_side(f, !dir)))
		return verdict_drop(DROP_WRONG_SIDE);
	if (is_stale(w, s, f))
		return drop_stale(w, index, now_ms);
	if (f->policy == POLICY_SERVICES && p->key.proto == IPPROTO_TCP) {
		v = service_event(w, s, index, dir, p, now_ms);
		if (v.next != VERDICT_CONTINUE)
			return v;
		made_from = w->out.n;
	}
	if (unlikely(f->flags & FLOW_FROM_OUTSIDE)) {
		v = session__handshake(w, s, index, dir, p, now_ms);
		if (v.next != VERDICT_CONTINUE)
			return v;
	}
	session__packet(w, s, index, dir, p, now_ms);
	if (unlikely(w->flow_log_on) && f->policy == POLICY_EGRESS6 && !(p->flags & PACKET_ICMP_ERROR))
		v = rewrite_logged(w, s, index, dir, p);
	else
		v = rewrite_with(w, s, f, dir, p);
	if (unlikely(f->flags & (FLOW_HAIRPIN_0 << dir))) {
		if (p->flags & PACKET_HAIRPIN)
			return verdict_drop(DROP_HAIRPIN_LOOP);
		v = hairpin(w, s, p, v, made_from, now_ms);
	}
	return v;
}

/* RFC 6146 3.5.2.2, CLOSED: a segment that is no SYN, as the session that it has not would do it. */
static struct verdict pass_by_mapping(struct worker *w, const struct snapshot *s, struct packet *p,
				      const struct flow_plan *plan, uint64_t now_ms)
{
	struct flow f = { .key = { plan->key[0], plan->key[1] }, .policy = plan->policy,
			  .flags = plan->flags };
	struct tuple out = flow_out_tuple(&f, plan->dir);
	uint16_t made_from = w->out.n;
	struct verdict v;

	f.delta[plan->dir] = rewrite_addr_delta(&f.key[plan->dir], &out);
	count(w, COUNT_TCP_STRAYS, 1);
	v = rewrite_with(w, s, &f, plan->dir, p);
	if (!(f.flags & (FLOW_HAIRPIN_0 << plan->dir)))
		return v;
	if (p->flags & PACKET_HAIRPIN)
		return verdict_drop(DROP_HAIRPIN_LOOP);
	return hairpin(w, s, p, v, made_from, now_ms);
}

/* siit: this packet and no flow. */
static struct verdict rewrite_once(struct worker *w, const struct snapshot *s, struct packet *p,
				   const struct siit_answer *a, uint64_t now_ms)
{
	uint16_t made_from = w->out.n;
	struct verdict v = translate(w, s, p, &a->rewrite);

	if (v.next != VERDICT_DROP)
		count(w, addr_is_v4(&a->rewrite.to.dst) ? COUNT_SIIT_TO_IPV4 : COUNT_SIIT_TO_IPV6, 1);
	if (likely(!stateless__turns_round(s, a)))
		return v;
	if (p->flags & PACKET_HAIRPIN)
		return verdict_drop(DROP_HAIRPIN_LOOP);
	return hairpin(w, s, p, v, made_from, now_ms);
}

/* A SYN on an old tuple is a new connection. nat64's has the mapping of the one before, and its place;
 * others are decided anew. Return: false when it is to be decided. */
static bool begins_in_place(struct worker *w, const struct snapshot *s, uint32_t index,
			    struct verdict *v, uint64_t now_ms)
{
	const struct flow *f = &w->flows.flow[index];

	if (unlikely(w->traced))
		trace__renewed(w);
	if (f->policy != POLICY_NAT64 || is_stale(w, s, f)) {
		session__end(w, index, now_ms);
		return false;
	}
	*v = session__begin_again(w, s, index, now_ms);
	return true;
}

/* A packet without a flow, or that begins another one in its (@ref): Return: true with *@ref when it has
 * one now; else what became of it is in *@v. */
static __attribute__((noinline)) bool open_flow(struct worker *w, const struct snapshot *s,
						struct packet *p, uint32_t *ref, struct verdict *v,
						uint64_t now_ms)
{
	struct decision d;

	if (*ref != FLOW_NONE && begins_in_place(w, s, *ref >> 1, v, now_ms))
		return v->next == VERDICT_CONTINUE;
	*v = classify__open(w, s, p, now_ms, &d);
	if (v->next != VERDICT_CONTINUE)
		*v = v->why == DROP_CONSUMED ? answer__echo(w, s, p, now_ms) :
					       answer__refused(w, p, *v, now_ms);
	else if (d.index != FLOW_NONE)
		*ref = d.index << 1 | d.dir;
	else
		*v = d.plan.once ? pass_by_mapping(w, s, p, &d.plan, now_ms) :
				   rewrite_once(w, s, p, &d.once, now_ms);
	return v->next == VERDICT_CONTINUE;
}

/* A parsed packet of ours, with its ports known: to the flow it belongs to. */
static ALWAYS_INLINE struct verdict to_flow(struct worker *w, const struct snapshot *s,
					    struct packet *p, uint32_t ref, uint64_t now_ms)
{
	struct verdict v;

	if (unlikely(ref == FLOW_NONE) ||
	    (p->proto == IPPROTO_TCP && starts_anew(&w->flows.flow[ref >> 1], p, ref & 1))) {
		if (!open_flow(w, s, p, &ref, &v, now_ms))
			return v;
	}
	return in_flow(w, s, ref >> 1, ref & 1, p, now_ms);
}

static struct verdict run_owned(struct worker *w, const struct snapshot *s, struct packet *p,
				uint64_t now_ms)
{
	return to_flow(w, s, p, flow_table_find(&w->flows, &p->key, p->hash), now_ms);
}

/* siit neither gathers fragments nor waits for the first: each is translated by itself. */
static struct verdict run_stateless_fragment(struct worker *w, const struct snapshot *s,
					     struct packet *p, uint64_t now_ms)
{
	struct verdict v = classify__check_side(s, p, &p->key.src, &p->key.dst);
	struct siit_answer answer;

	if (v.next == VERDICT_CONTINUE)
		v = stateless__noted(w, stateless__admit(s, p, &answer));
	return v.next == VERDICT_CONTINUE ? rewrite_once(w, s, p, &answer, now_ms) : v;
}

SELDOM static struct verdict run_fragment(struct worker *w, const struct snapshot *s, struct packet *p,
				   uint64_t now_ms)
{
	struct addr src, dst;
	unsigned owner;
	struct verdict v;

	if (unlikely(stateless__takes(s, p)))
		return run_stateless_fragment(w, s, p, now_ms);
	if (w->n_workers > 1) {
		owner = owner_of_fragment(&s->steer, &p->key, p->frag_id);
		if (owner != w->id)
			return handoff__send(w, p, owner, false);
	}
	/* before anything is remembered of it: a spoofed piece must not condemn a datagram */
	src = packet_source(p);
	dst = packet_destination(p);
	v = classify__check_side(s, p, &src, &dst);
	if (v.next != VERDICT_CONTINUE)
		return v;
	v = fragments_track(w->fragments, p, now_ms, s->nat64_timeouts.fragment_s * 1000);
	counter_add(&w->drop[DROP_FRAGMENT_NO_FIRST], fragments_dropped(w->fragments));
	if (v.next != VERDICT_CONTINUE)
		return v;
	p->hash = tuple_hash(&w->flows.key, &p->key);
	owner = owner_of_tuple(&s->steer, &p->key, (enum side)p->side);
	if (owner != w->id)
		return handoff__send(w, p, owner, true);
	return run_owned(w, s, p, now_ms);
}

static ALWAYS_INLINE struct verdict run_here(struct worker *w, const struct snapshot *s,
					     struct packet *p, uint64_t now_ms)
{
	uint32_t ref = p->guess;

	if (unlikely(p->flags & PACKET_FRAGMENT))
		return run_fragment(w, s, p, now_ms);
	if (unlikely(w->n_workers > 1)) {
		unsigned owner = owner_of_tuple(&s->steer, &p->key, (enum side)p->side);

		if (owner != w->id)
			return handoff__send(w, p, owner, false);
	}
	if (unlikely(!flow_table_has(&w->flows, ref, &p->key)))
		ref = flow_table_find(&w->flows, &p->key, p->hash);
	return to_flow(w, s, p, ref, now_ms);
}

static struct verdict run_one(struct worker *w, const struct snapshot *s, struct packet *p,
			      uint64_t now_ms)
{
	return run_here(w, s, p, now_ms);
}

void pipeline__finish(struct worker *w, const struct snapshot *s, struct packet *p,
		      struct verdict v, uint64_t now_ms)
{
	p->verdict = v;
	if (likely(v.next != VERDICT_DROP))
		return;
	counter_add(&w->drop[v.why], 1);
	if (v.reply != REPLY_NONE)
		answer__drop(w, s, p, now_ms);
}

/* What waited for this first fragment follows it. */
static void run_waiting(struct worker *w, const struct snapshot *s, const struct packet *first,
			uint64_t now_ms)
{
	struct packet *p;

	while ((p = fragments_release(w->fragments, first, &w->out))) {
		unsigned owner = owner_of_tuple(&s->steer, &p->key, (enum side)p->side);

		p->hash = tuple_hash(&w->flows.key, &p->key);
		pipeline__finish(w, s, p,
				 owner != w->id ? handoff__send(w, p, owner, true) :
						  run_owned(w, s, p, now_ms),
				 now_ms);
	}
}

/* The waiting ones are found by the first fragment's facts, which its rewriting changes. */
SELDOM static void run_first_fragment(struct worker *w, const struct snapshot *s, struct packet *p,
				      uint64_t now_ms)
{
	struct packet first = *p;

	pipeline__finish(w, s, p, run_one(w, s, p, now_ms), now_ms);
	run_waiting(w, s, &first, now_ms);
}

static ALWAYS_INLINE void run_and_finish(struct worker *w, const struct snapshot *s,
					 struct packet *p, uint64_t now_ms)
{
	struct verdict v;

	if (unlikely(p->flags & PACKET_FIRST_FRAGMENT)) {
		run_first_fragment(w, s, p, now_ms);
		return;
	}
	v = run_here(w, s, p, now_ms);
	p->verdict = v;
	if (unlikely(v.next == VERDICT_DROP))
		pipeline__finish(w, s, p, v, now_ms);
}

static void count_received(struct worker *w, const struct batch *b)
{
	uint64_t packets[N_SIDES] = { 0 }, bytes[N_SIDES] = { 0 };

	for (const struct packet *p = b->packet; p < b->packet + b->n; p++) {
		packets[p->side]++;
		bytes[p->side] += p->len;
	}
	count(w, COUNT_RX_PACKETS_INSIDE, packets[SIDE_INSIDE]);
	count(w, COUNT_RX_PACKETS_OUTSIDE, packets[SIDE_OUTSIDE]);
	count(w, COUNT_RX_BYTES_INSIDE, bytes[SIDE_INSIDE]);
	count(w, COUNT_RX_BYTES_OUTSIDE, bytes[SIDE_OUTSIDE]);
}

/* The fetching stands by itself: a miss of the TLB holds up all that comes after it but other fetches. */
static ALWAYS_INLINE void parse_strip(struct worker *w, struct packet *first, const struct packet *end)
{
	for (struct packet *p = first; p < end; p++) {
		p->verdict = packet_parse(p);
		p->hash = 0;
		if (p->verdict.next == VERDICT_CONTINUE)
			p->hash = tuple_hash(&w->flows.key, &p->key);
	}
	for (struct packet *p = first; p < end; p++)
		flow_table_prefetch(&w->flows, p->hash);
}

static ALWAYS_INLINE void fetch_strip(struct worker *w, const struct snapshot *s, struct packet *first,
				      const struct packet *end)
{
	for (struct packet *p = first; p < end; p++) {
		if (p->verdict.next != VERDICT_CONTINUE)
			continue;
		p->guess = flow_table_guess(&w->flows, p->hash);
		if (unlikely(p->guess == FLOW_NONE) && s->nat64 && p->side == SIDE_INSIDE)
			nat64_prefetch(w->nat64, &p->key);
	}
}

static ALWAYS_INLINE void run_parsed(struct worker *w, const struct snapshot *s, struct packet *p,
				     uint64_t now_ms)
{
	if (likely(p->verdict.next == VERDICT_CONTINUE))
		run_and_finish(w, s, p, now_ms);
	else
		pipeline__finish(w, s, p, p->verdict, now_ms);
}

SELDOM static void run_shown(struct worker *w, const struct snapshot *s, struct packet *p, uint64_t now_ms)
{
	trace__begin(w, s, p);
	run_parsed(w, s, p, now_ms);
	if (w->traced)
		trace__end(w, p);
}

static ALWAYS_INLINE void run_strip(struct worker *w, const struct snapshot *s, struct packet *first,
				    const struct packet *end, uint64_t now_ms)
{
	for (struct packet *p = first; p < end; p++) {
		if (unlikely(w->trace_on))
			run_shown(w, s, p, now_ms);
		else
			run_parsed(w, s, p, now_ms);
	}
}

static ALWAYS_INLINE struct packet *strip_end(struct packet *first, struct packet *end)
{
	return end - first < STRIP ? end : first + STRIP;
}

void pipeline_run(struct worker *w, const struct snapshot *s, struct batch *b, uint64_t now_ms)
{
	struct packet *end = b->packet + b->n, *p = b->packet, *next = strip_end(p, end);

	outbox_reset(&w->out);
	w->translate.now_ms = now_ms;
	if (unlikely(s->generation != w->seen_generation))
		timers__use_snapshot(w, s, now_ms);
	count_received(w, b);
	parse_strip(w, p, next);
	fetch_strip(w, s, p, next);
	while (p < end) {
		struct packet *after = strip_end(next, end);

		parse_strip(w, next, after);
		run_strip(w, s, p, next, now_ms);
		fetch_strip(w, s, next, after);
		p = next;
		next = after;
	}
}

static void take_parsed(struct worker *w, const struct snapshot *s, struct packet *p,
			bool resolved, uint64_t now_ms)
{
	if (p->verdict.next != VERDICT_CONTINUE)
		pipeline__finish(w, s, p, p->verdict, now_ms);
	else if (resolved)
		pipeline__finish(w, s, p, run_owned(w, s, p, now_ms), now_ms);
	else
		run_and_finish(w, s, p, now_ms);
}

static void take_one(struct worker *w, const struct snapshot *s, struct packet *p, bool resolved,
		     uint64_t now_ms)
{
	struct tuple key = p->key;
	bool round = p->flags & PACKET_HAIRPIN;

	p->verdict = packet_parse(p);
	if (round)
		p->flags |= PACKET_HAIRPIN;
	if (resolved)
		p->key = key;
	p->hash = tuple_hash(&w->flows.key, &p->key);
	if (unlikely(w->trace_on))
		trace__begin(w, s, p);
	take_parsed(w, s, p, resolved, now_ms);
	if (unlikely(w->traced))
		trace__end(w, p);
}

uint32_t pipeline_take(struct worker *w, const struct snapshot *s, uint32_t max, uint64_t now_ms)
{
	uint32_t n = 0;

	outbox_reset(&w->out);
	w->translate.now_ms = now_ms;
	if (unlikely(s->generation != w->seen_generation))
		timers__use_snapshot(w, s, now_ms);
	for (unsigned peer = 0; peer < w->n_workers; peer++) {
		struct packet *p;
		bool resolved;

		if (!w->from[peer])
			continue;
		while (n < max && (p = handoff__receive(w->from[peer], &w->out, &resolved))) {
			take_one(w, s, p, resolved, now_ms);
			n++;
		}
	}
	return n;
}
