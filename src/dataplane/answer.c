/*
 * answer.c - what Sixgate itself has to say: errors about packets that it drops, answers to echo
 * requests that are for an address of ours, and the error about a first SYN that waited in vain.
 *
 * All of it is limited in rate. What answers a packet on its second round (a hairpin) goes round
 * in its turn: its receiver is inside.
 */
#include "dataplane_internal.h"
#include "sixgate/packet/icmp.h"

static void send_back(struct worker *w, const struct snapshot *s, struct packet *made,
		      const struct packet *about, uint64_t now_ms)
{
	if (likely(!(about->flags & PACKET_HAIRPIN)))
		return; /* it leaves by the side that the packet came from */
	pipeline__finish(w, s, made, pipeline__go_round(w, s, made, now_ms), now_ms);
}

static void send_error(struct worker *w, const struct snapshot *s, const struct translate_env *env,
		       const struct packet *p, uint64_t now_ms)
{
	uint16_t at = w->out.n;

	if (w->tokens == 0) {
		count(w, COUNT_ERRORS_LIMITED, 1);
		return;
	}
	if (!reply_build(env, &w->translate, p, &w->out))
		return;
	w->tokens--;
	count(w, COUNT_ERRORS_SENT, 1);
	send_back(w, s, &w->out.packet[at], p, now_ms);
}

void answer__drop(struct worker *w, const struct snapshot *s, const struct packet *p,
		  uint64_t now_ms)
{
	send_error(w, s, &s->env, p, now_ms);
}

bool answer__is_echo_request(const struct packet *p)
{
	return p->flags & PACKET_ICMP_QUERY && !(p->flags & PACKET_FRAGMENT) &&
	       p->icmp_type == (p->family == 4 ? ICMP4_TYPE_ECHO : ICMP6_TYPE_ECHO);
}

struct verdict answer__echo(struct worker *w, const struct snapshot *s, const struct packet *p,
			    uint64_t now_ms)
{
	struct packet *reply;

	if (w->echo_tokens == 0) {
		count(w, COUNT_ECHOES_LIMITED, 1);
		return verdict_drop(DROP_CONSUMED);
	}
	reply = echo_reply_build(&w->translate, p, &w->out);
	if (!reply)
		return verdict_drop(DROP_NO_BUFFER);
	w->echo_tokens--;
	count(w, COUNT_ECHOES_ANSWERED, 1);
	send_back(w, s, reply, p, now_ms);
	return verdict_held();
}

/* RFC 6146 3.5.2.2, CLOSED: a V4 SYN without a mapping, or that filtering keeps out. */
static bool may_be_half_of_an_open(const struct packet *p, struct verdict v)
{
	return v.next == VERDICT_DROP && (v.why == DROP_NO_BIB_ENTRY || v.why == DROP_FILTERED) &&
	       p->family == 4 && p->proto == IPPROTO_TCP && !(p->flags & PACKET_FRAGMENT) &&
	       (p->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN;
}

struct verdict answer__refused(struct worker *w, const struct packet *p, struct verdict v,
			       uint64_t now_ms)
{
	enum drop_reason shed;

	if (!may_be_half_of_an_open(p, v))
		return v;
	v = syns_keep(w->syns, p, (enum drop_reason)v.why, now_ms, &shed);
	if (shed != DROP_NONE)
		counter_add(&w->drop[shed], 1);
	if (v.next == VERDICT_HELD)
		count(w, COUNT_SYNS_KEPT, 1);
	return v;
}

/* RFC 6146 3.5.2.2, V4 INIT, lifetime over: 3/3 with the SYN in it. What cannot be reached is the
 * pool address itself: the error is from there, while it is ours. */
static void tell_sender(struct worker *w, const struct snapshot *s, struct packet *syn,
			uint64_t now_ms)
{
	struct translate_env env = s->env;

	counter_add(&w->drop[syn->verdict.why], 1);
	if (!s->nat64 || !nat64_claims_pool4(s->nat64, &syn->key.dst))
		return;
	syn->verdict = verdict_reject((enum drop_reason)syn->verdict.why, REPLY_PORT_UNREACHABLE);
	env.own4[syn->side] = syn->key.dst;
	send_error(w, s, &env, syn, now_ms);
}

bool answer__overdue_syns(struct worker *w, const struct snapshot *s, uint64_t now_ms)
{
	const uint32_t timeout_ms = s->nat64_timeouts.tcp_incoming_syn_s * 1000u;
	struct packet syn;

	while (syns_overdue(w->syns, now_ms, timeout_ms, &syn))
		tell_sender(w, s, &syn, now_ms);
	return syns_count(w->syns) > 0;
}
