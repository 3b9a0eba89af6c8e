/*
 * plain.c - the straight line: a whole TCP or UDP packet that changes family and has nothing odd.
 *
 * Nearly all packets are such. What would need a decision is seen before anything is written, and
 * goes the long way; translate__one() does the same to a plain packet, only with more steps.
 */
#include <stddef.h>
#include "translate_internal.h"

_Static_assert(offsetof(struct tuple, dport) == offsetof(struct tuple, sport) + 2,
	       "both ports are one word, as on the wire");

static inline bool is_plain(const struct packet *p)
{
	if (p->flags & ~PACKET_DF || p->off.gso || p->off.csum_partial)
		return false;
	return p->proto == IPPROTO_UDP || (p->proto == IPPROTO_TCP && !(p->tcp_flags & TCP_SYN));
}

/* RFC 1624, for both ports and both addresses in one step. */
static inline void rewrite_l4(const struct packet *p, const struct rewrite *rw)
{
	bool udp = p->proto == IPPROTO_UDP;
	uint8_t *l4 = p->data + p->l4_at, *field = l4 + (udp ? 6 : 16);
	uint32_t old, fresh;
	uint16_t csum;

	memcpy(&old, l4, sizeof(old));
	memcpy(&fresh, &rw->to.sport, sizeof(fresh));
	memcpy(l4, &fresh, sizeof(fresh));
	memcpy(&csum, field, sizeof(csum));
	csum = (uint16_t)~checksum_fold((uint64_t)(uint16_t)~csum + rw->addr_delta + fresh +
					(uint32_t)~old);
	if (unlikely(csum == 0) && udp)
		csum = 0xffff;
	memcpy(field, &csum, sizeof(csum));
}

static inline bool to_ip4(const struct translate_env *env, struct translate_state *st,
			  struct packet *p, const struct rewrite *rw)
{
	uint32_t total = IP4_LEN + translate__l4_len(p);
	struct ip4_head h;

	if (unlikely(total > env->mtu[rw->out_side]))
		return false;
	h = (struct ip4_head){
		.src = rw->to.src,
		.dst = rw->to.dst,
		.total = (uint16_t)total,
		.frag = total > IP4_DF_ABOVE ? 0x4000 : 0,
		.tos = translate__class(env, p->tclass),
		.ttl = translate__hops(env, p->ttl),
		.proto = p->proto,
	};
	h.id = translate__ident(st, &h);
	rewrite_l4(p, rw);
	translate__put_ip4(translate__move_head(p, IP4_LEN), &h);
	return true;
}

static inline bool to_ip6(const struct translate_env *env, struct translate_state *st,
			  struct packet *p, const struct rewrite *rw)
{
	uint32_t l4_len = translate__l4_len(p), limit = env->mtu[rw->out_side];
	struct ip6_head h;

	if (p->proto == IPPROTO_UDP && load16(p->data + p->l4_at + 6) == 0)
		return false;
	if (!(p->flags & PACKET_DF)) {
		if (unlikely(st->now_ms < st->paths_until_ms))
			return false;
		limit = translate__limit_without_df(env, limit);
	}
	if (unlikely(IP6_LEN + l4_len > limit))
		return false;
	h = (struct ip6_head){
		.src = rw->to.src,
		.dst = rw->to.dst,
		.payload = l4_len,
		.tclass = translate__class(env, p->tclass),
		.next = p->proto,
		.hops = translate__hops(env, p->ttl),
	};
	rewrite_l4(p, rw);
	translate__put_ip6(translate__move_head(p, IP6_LEN), &h);
	return true;
}

bool translate__plain(const struct translate_env *env, struct translate_state *st,
		      struct packet *p, const struct rewrite *rw)
{
	bool to4 = addr_is_v4(&rw->to.dst), done;

	if (unlikely(!is_plain(p)) || to4 == (p->family == 4))
		return false;
	done = to4 ? to_ip4(env, st, p, rw) : to_ip6(env, st, p, rw);
	if (likely(done))
		p->out_side = rw->out_side;
	return done;
}
