/*
 * session.c - the life of a flow: its timers, its TCP state, its end.
 *
 * RFC 6146 3.5, the same for every policy: direction 0 is the RFC's V6 side. Deviations by policy:
 * egress6 may pick up a TCP connection in the middle, and services refresh from both sides.
 */
#include "dataplane_internal.h"

/* What a flow is waiting for; RFC 6146 4 names the times. */
enum lifetime { LIFE_EST, LIFE_TRANS, LIFE_UDP, LIFE_ICMP, LIFE_OTHER, N_LIFETIMES };

enum { SERVICE_TRANS_S = 60, RESET_WINDOW = 65535 };

static uint64_t nat64_life_s(const struct nat64_timeouts *t, enum lifetime what)
{
	switch (what) {
	case LIFE_EST:
		return t->tcp_established_s;
	case LIFE_TRANS:
		return t->tcp_transitory_s;
	case LIFE_ICMP:
		return t->icmp_s;
	case LIFE_UDP:
	case LIFE_OTHER:
	case N_LIFETIMES:
		break;
	}
	return t->udp_s;
}

static uint64_t egress6_life_s(const struct egress6_timeouts *t, enum lifetime what)
{
	switch (what) {
	case LIFE_EST:
		return t->tcp_established_s;
	case LIFE_TRANS:
		return t->tcp_transitory_s;
	case LIFE_UDP:
		return t->udp_s;
	case LIFE_ICMP:
		return t->icmp_s;
	case LIFE_OTHER:
	case N_LIFETIMES:
		break;
	}
	return t->other_s;
}

static uint64_t lifetime_ms(const struct snapshot *s, const struct flow *f, enum lifetime what)
{
	if (f->policy == POLICY_NAT64)
		return nat64_life_s(&s->nat64_timeouts, what) * 1000;
	if (f->policy == POLICY_EGRESS6)
		return egress6_life_s(&s->egress6.timeouts, what) * 1000;
	must(f->policy == POLICY_SERVICES);
	return what == LIFE_TRANS ? SERVICE_TRANS_S * 1000 :
				    services_idle_timeout_ms(s->services, f);
}

static enum lifetime datagram_life(const struct packet *p)
{
	if (p->proto == IPPROTO_UDP)
		return LIFE_UDP;
	return p->flags & PACKET_ICMP_QUERY ? LIFE_ICMP : LIFE_OTHER;
}

/* A later deadline is found by the wheel when the old one comes; an earlier one must be moved. */
static void set_lifetime(struct worker *w, uint32_t index, uint64_t after_ms, uint64_t now_ms)
{
	struct flow *f = &w->flows.flow[index];
	uint32_t deadline = wheel_deadline(now_ms, after_ms);

	if (wheel_ticks_left(deadline, f->deadline) >= 0) {
		f->deadline = deadline;
		return;
	}
	wheel_remove(&w->wheel, index);
	f->deadline = deadline;
	wheel_add(&w->wheel, index);
}

/* The direction of whoever may open a session that the other end has to answer first. */
static unsigned opener_of(const struct flow *f)
{
	return f->policy == POLICY_SERVICES ? 0 : 1;
}

/* Latest sequence numbers of both ends, so that a reset can be exact (RFC 5961 3.2). */
static void note_sequence(struct flow *f, unsigned dir, const struct packet *p, bool first)
{
	const uint8_t *th = p->data + p->l4_at;
	uint32_t header = (th[12] >> 4) * 4u;
	uint32_t end = load32(th + 4) + (p->len - p->l4_at - header) + !!(p->tcp_flags & TCP_SYN) +
		       !!(p->tcp_flags & TCP_FIN);

	if (first || (int32_t)(end - f->seq_next[dir]) > 0)
		f->seq_next[dir] = end;
	/* that of who opens from outside counts once he has shown that he reads the answers */
	if (p->tcp_flags & TCP_ACK && (!(f->flags & FLOW_FROM_OUTSIDE) || dir != opener_of(f)))
		f->ack_last[dir] = load32(th + 8);
}

static bool has_tcp_header(const struct packet *p)
{
	return p->proto == IPPROTO_TCP &&
	       (!(p->flags & PACKET_FRAGMENT) || p->flags & PACKET_FIRST_FRAGMENT);
}

/* A connection that began before us (egress6 only: nat64 and services open by SYN) stays closed
 * until the other side answers. */
static bool picked_up(const struct flow *f, unsigned dir, const struct packet *p)
{
	return f->state == TCP_CLOSED && f->policy == POLICY_EGRESS6 && dir == 1 &&
	       !(p->tcp_flags & (TCP_SYN | TCP_RST));
}

/* RFC 7857 2.2: a reset is believed when its number can be one of this connection's: from what the
 * other end has acknowledged to a window beyond what was sent. Others are passed on, for the ends to
 * judge (RFC 5961 3.2), and change nothing. */
static bool is_foreign_reset(const struct flow *f, unsigned dir, const struct packet *p)
{
	uint32_t seq = load32(p->data + p->l4_at + 4), from = f->ack_last[!dir];

	if (!(p->tcp_flags & TCP_RST) || !from || !f->seq_next[dir])
		return false;
	return (int32_t)(seq - from) < 0 || (int32_t)(seq - f->seq_next[dir]) > RESET_WINDOW;
}

/* Another connection begins, whose numbers are its own. */
static void forget_sequence(struct flow *f)
{
	for (unsigned dir = 0; dir < 2; dir++)
		f->seq_next[dir] = f->ack_last[dir] = 0;
}

static __attribute__((noinline)) void tcp_packet(struct worker *w, const struct snapshot *s,
						 uint32_t index, unsigned dir,
						 const struct packet *p, uint64_t now_ms)
{
	struct flow *f = &w->flows.flow[index];
	struct tcp_step step;

	if (!has_tcp_header(p) || is_foreign_reset(f, dir, p))
		return;
	step = picked_up(f, dir, p) ? (struct tcp_step){ TCP_ESTABLISHED, TIMER_EST } :
				      tcp_step((enum tcp_state)f->state, tcp_event(p->tcp_flags, dir));
	if (unlikely(f->state == TCP_V4_FIN_V6_FIN_RCV && step.next != f->state))
		forget_sequence(f);
	note_sequence(f, dir, p, f->seq_next[dir] == 0);
	f->state = step.next;
	if (step.timer == TIMER_KEEP || f->flags & FLOW_FROM_OUTSIDE)
		return;
	set_lifetime(w, index,
		     lifetime_ms(s, f, step.timer == TIMER_EST ? LIFE_EST : LIFE_TRANS), now_ms);
	if (step.timer == TIMER_EST)
		f->flags &= (uint8_t)~FLOW_PROBED;
}

static void datagram_packet(struct worker *w, const struct snapshot *s, uint32_t index,
			    unsigned dir, const struct packet *p, uint64_t now_ms)
{
	const struct flow *f = &w->flows.flow[index];

	if (f->flags & FLOW_FROM_OUTSIDE)
		return; /* nothing prolongs it */
	/* RFC 4787 REQ-6: what comes from outside does not keep a mapping alive. */
	if (dir == 1 && !(f->flags & FLOW_REFRESH_BOTH))
		return;
	set_lifetime(w, index, lifetime_ms(s, f, datagram_life(p)), now_ms);
}

static struct flow_queue *queue_of(struct worker *w, const struct flow *f)
{
	return &w->incomplete[f->policy == POLICY_SERVICES];
}

static void incomplete_add(struct worker *w, uint32_t index)
{
	struct flow *f = &w->flows.flow[index];
	struct flow_queue *q = queue_of(w, f);
	struct wheel_node *n = &f->timer;

	*n = (struct wheel_node){ .next = FLOW_NONE, .prev = q->youngest };
	if (n->prev != FLOW_NONE)
		w->flows.flow[n->prev].timer.next = index;
	else
		q->oldest = index;
	q->youngest = index;
	q->n++;
	if (f->policy == POLICY_NAT64)
		f->aux = crowd_join(&w->strangers, f->object, index);
}

static void incomplete_remove(struct worker *w, uint32_t index)
{
	const struct flow *f = &w->flows.flow[index];
	struct flow_queue *q = queue_of(w, f);
	const struct wheel_node *n = &f->timer;

	must(q->n > 0);
	if (n->prev != FLOW_NONE)
		w->flows.flow[n->prev].timer.next = n->next;
	else
		q->oldest = n->next;
	if (n->next != FLOW_NONE)
		w->flows.flow[n->next].timer.prev = n->prev;
	else
		q->youngest = n->prev;
	q->n--;
	if (f->policy == POLICY_NAT64)
		crowd_leave(&w->strangers, f->aux);
}

uint32_t session__overdue(const struct worker *w, uint64_t now_ms)
{
	for (unsigned i = 0; i < ARRAY_LEN(w->incomplete); i++) {
		uint32_t index = w->incomplete[i].oldest;

		if (index != FLOW_NONE && wheel_ticks_left(w->flows.flow[index].deadline,
							   wheel_tick(now_ms)) <= 0)
			return index;
	}
	return FLOW_NONE;
}

uint32_t session__expendable(const struct worker *w)
{
	return w->incomplete[w->incomplete[1].n > w->incomplete[0].n].oldest;
}

static struct verdict complete(struct worker *w, const struct snapshot *s, uint32_t index,
			       uint64_t now_ms)
{
	struct flow *f = &w->flows.flow[index];
	struct verdict v = verdict_continue();

	if (f->policy == POLICY_NAT64) {
		session__note_flows(w);
		v = nat64_flow_answered(w->nat64, s->nat64, f, now_ms);
	}
	if (v.next != VERDICT_CONTINUE)
		return v;
	f->flags &= (uint8_t)~(FLOW_FROM_OUTSIDE | FLOW_ANSWERED);
	incomplete_remove(w, index);
	wheel_add(&w->wheel, index);
	return v;
}

/* RFC 6146 5.3: only who has read the answer knows a number that acknowledges it; anybody can send
 * the rest. Of other protocols nothing is known. */
static bool has_read_answer(const struct flow *f, const struct packet *p)
{
	unsigned opener = opener_of(f);
	uint32_t ack;

	if (p->proto != IPPROTO_TCP)
		return true;
	if (!has_tcp_header(p) || !(p->tcp_flags & TCP_ACK))
		return false;
	ack = load32(p->data + p->l4_at + 8);
	return (int32_t)(ack - f->ack_last[opener]) >= 0 &&
	       (int32_t)(f->seq_next[!opener] - ack) >= 0;
}

static struct verdict answer(struct worker *w, const struct snapshot *s, struct flow *f,
			     const struct packet *p, uint64_t now_ms)
{
	struct verdict v = verdict_continue();

	if (f->flags & FLOW_ANSWERED || (p->proto == IPPROTO_TCP && !has_tcp_header(p)))
		return v;
	if (f->policy == POLICY_NAT64) {
		session__note_flows(w);
		v = nat64_may_answer(w->nat64, s->nat64, f, now_ms);
	}
	if (v.next != VERDICT_CONTINUE)
		return v;
	f->flags |= FLOW_ANSWERED;
	if (p->proto == IPPROTO_TCP) /* the least that can acknowledge it */
		f->ack_last[opener_of(f)] =
			load32(p->data + p->l4_at + 4) + !!(p->tcp_flags & TCP_SYN);
	return v;
}

/* RFC 6146 3.5.2.2, V4 INIT: the host opens the session, too. From now on it is his own. */
static bool opens_too(const struct flow *f, unsigned dir, const struct packet *p)
{
	return f->policy == POLICY_NAT64 && dir == 0 && p->proto == IPPROTO_TCP &&
	       (p->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

/* The inside sends data: it has believed an acknowledgement itself, though we have not. SYN cookies (RFC 4987
 * 3.6) of two answers to one SYN may have different numbers, and either is good. */
static bool has_believed(const struct flow *f, const struct packet *p)
{
	uint32_t header;

	if (!(f->flags & FLOW_ANSWERED) || !has_tcp_header(p) || p->tcp_flags & TCP_SYN)
		return false;
	header = (p->data[p->l4_at + 12] >> 4) * 4u;
	return p->len > p->l4_at + header;
}

SELDOM struct verdict session__handshake(struct worker *w, const struct snapshot *s, uint32_t index,
					 unsigned dir, const struct packet *p, uint64_t now_ms)
{
	struct flow *f = &w->flows.flow[index];
	uint8_t flags = p->proto == IPPROTO_TCP ? p->tcp_flags : 0;
	struct verdict v;

	if (p->flags & PACKET_ICMP_ERROR || flags & TCP_RST)
		return verdict_continue();
	if (opens_too(f, dir, p) || (dir != opener_of(f) && has_believed(f, p))) {
		v = complete(w, s, index, now_ms);
		return v.next == VERDICT_CONTINUE ? v :
						    verdict_reject(v.why, REPLY_ADMIN_PROHIBITED);
	}
	if (dir != opener_of(f))
		return answer(w, s, f, p, now_ms);
	if (!(f->flags & FLOW_ANSWERED) || !has_read_answer(f, p))
		return verdict_continue();
	v = complete(w, s, index, now_ms);
	if (v.next == VERDICT_CONTINUE && p->proto != IPPROTO_TCP) /* as the answer would have */
		set_lifetime(w, index, lifetime_ms(s, f, datagram_life(p)), now_ms);
	return v;
}

struct verdict session__begin_again(struct worker *w, const struct snapshot *s, uint32_t index,
				    uint64_t now_ms)
{
	struct flow *f = &w->flows.flow[index];
	struct verdict v = verdict_continue();

	if (f->flags & FLOW_FROM_OUTSIDE)
		v = complete(w, s, index, now_ms); /* from now on it is the host's own */
	if (v.next != VERDICT_CONTINUE)
		return verdict_reject(v.why, REPLY_ADMIN_PROHIBITED);
	f->flags &= (uint8_t)~FLOW_PROBED;
	f->state = TCP_CLOSED;
	forget_sequence(f);
	return v;
}

void session__packet(struct worker *w, const struct snapshot *s, uint32_t index, unsigned dir,
		     const struct packet *p, uint64_t now_ms)
{
	if (unlikely(p->flags & PACKET_ICMP_ERROR))
		return; /* RFC 5508 REQ-6: errors neither refresh nor end */
	if (p->proto == IPPROTO_TCP)
		tcp_packet(w, s, index, dir, p, now_ms);
	else
		datagram_packet(w, s, index, dir, p, now_ms);
}

/* One time for all in a queue, whatever their protocol: they go in the order in which they came. */
static uint64_t incomplete_life_ms(const struct snapshot *s, const struct flow *f)
{
	uint64_t syn = s->nat64_timeouts.tcp_incoming_syn_s * 1000ull;

	if (f->policy == POLICY_SERVICES)
		return SERVICE_SYN_LIFE_MS;
	return syn < FROM_OUTSIDE_LIFE_MS ? syn : FROM_OUTSIDE_LIFE_MS;
}

void session__start(struct worker *w, const struct snapshot *s, uint32_t index,
		    const struct packet *p, uint64_t now_ms)
{
	struct flow *f = &w->flows.flow[index];
	uint64_t life = f->flags & FLOW_FROM_OUTSIDE ? incomplete_life_ms(s, f) :
			p->proto == IPPROTO_TCP ? lifetime_ms(s, f, LIFE_TRANS) :
						  lifetime_ms(s, f, datagram_life(p));

	f->deadline = wheel_deadline(now_ms, life);
	if (f->flags & FLOW_FROM_OUTSIDE)
		incomplete_add(w, index);
	else
		wheel_add(&w->wheel, index);
	if (f->policy == POLICY_NAT64)
		nat64_flow_began(w->nat64, f, now_ms);
	else if (unlikely(w->flow_log->used) && f->policy == POLICY_EGRESS6)
		flow_log__started(w, index, now_ms);
}

/* RFC 6146 3.5.2.2, V4 INIT: a V6 SYN establishes. One that comes from outside again and is let in
 * now only takes the place of its copy. */
void session__meet_syn(struct worker *w, uint32_t index, unsigned dir)
{
	struct flow *f = &w->flows.flow[index];
	uint32_t seq;

	if (f->policy != POLICY_NAT64 || !syns_take(w->syns, &f->key[1], &seq) || dir != 0)
		return;
	f->state = TCP_V4_INIT;
	f->seq_next[1] = seq + 1;
	count(w, COUNT_SIMULTANEOUS_OPENS, 1);
}

static void end_unlinked(struct worker *w, uint32_t index, uint64_t now_ms)
{
	struct flow *f = &w->flows.flow[index];

	if (f->policy == POLICY_NAT64)
		nat64_flow_ended(w->nat64, f, now_ms);
	else if (f->policy == POLICY_SERVICES)
		services_flow_ended(w->services, f);
	else if (unlikely(w->flow_log_on))
		flow_log__ended(w, index, now_ms);
	flow_table_remove(&w->flows, index);
	count(w, COUNT_FLOWS_ENDED, 1);
}

void session__end(struct worker *w, uint32_t index, uint64_t now_ms)
{
	if (w->flows.flow[index].flags & FLOW_FROM_OUTSIDE)
		incomplete_remove(w, index);
	else
		wheel_remove(&w->wheel, index);
	end_unlinked(w, index, now_ms);
}

/* One reset towards where direction @dir goes. When an acknowledgement seen later than the data
 * says something else, a second one with that number: one of the two is exact. */
static void reset_towards(struct worker *w, const struct flow *f, unsigned dir)
{
	struct tuple out = flow_out_tuple(f, dir);
	uint32_t seq = f->seq_next[dir], ack = f->seq_next[!dir], expected = f->ack_last[!dir];

	tcp_segment_build(&out, seq, ack, TCP_RST | TCP_ACK, (uint8_t)flow_out_side(f, dir), &w->out);
	if (expected && expected != seq)
		tcp_segment_build(&out, expected, ack, TCP_RST | TCP_ACK,
				  (uint8_t)flow_out_side(f, dir), &w->out);
}

void session__reset_both(struct worker *w, const struct flow *f)
{
	if (f->key[0].proto != IPPROTO_TCP)
		return;
	reset_towards(w, f, 0);
	reset_towards(w, f, 1);
	count(w, COUNT_RESETS_SENT, 1);
}

bool session__stale(struct worker *w, const struct snapshot *s, const struct flow *f)
{
	switch ((enum policy_id)f->policy) {
	case POLICY_NAT64:
		return !s->nat64 || nat64_flow_stale(s->nat64, w->nat64, f);
	case POLICY_EGRESS6:
		return !s->has_egress6 || !egress6_claims(&s->egress6, &f->key[0].src);
	case POLICY_SERVICES:
		return !s->services || services_flow_stale(s->services, f);
	case POLICY_NONE:
	case N_POLICIES:
		break;
	}
	return true;
}

/* RFC 6146 3.5.2.2: an idle established session is probed before it goes: an empty segment to the
 * V6 side, whose answer establishes it again. Return: true if the flow lives on. */
static bool probe(struct worker *w, const struct snapshot *s, uint32_t index, uint64_t now_ms)
{
	struct flow *f = &w->flows.flow[index];
	struct tuple out = flow_out_tuple(f, 1);

	if (f->key[0].proto != IPPROTO_TCP || f->state != TCP_ESTABLISHED ||
	    f->flags & FLOW_PROBED)
		return false;
	if (tcp_segment_build(&out, f->seq_next[1] - 1, f->seq_next[0], TCP_ACK,
			      (uint8_t)flow_out_side(f, 1), &w->out))
		count(w, COUNT_PROBES_SENT, 1);
	f->state = TCP_TRANS;
	f->flags |= FLOW_PROBED;
	f->deadline = wheel_deadline(now_ms, lifetime_ms(s, f, LIFE_TRANS));
	wheel_add(&w->wheel, index);
	return true;
}

void session__expire(struct worker *w, const struct snapshot *s, uint32_t index, uint64_t now_ms)
{
	struct flow *f = &w->flows.flow[index];

	if (!session__stale(w, s, f) && f->policy != POLICY_SERVICES && probe(w, s, index, now_ms))
		return;
	if (f->policy == POLICY_SERVICES && f->state == TCP_ESTABLISHED)
		session__reset_both(w, f);
	end_unlinked(w, index, now_ms);
}
