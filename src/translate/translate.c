/*
 * translate.c - the steps of a translation in order: refuse, fit, l4 header, IP header, cut.
 *
 * Nothing is written before it is certain that the packet will be sent, for a drop has to leave it
 * as it came: the error that goes back quotes it.
 */
#include "translate_internal.h"

static bool changes_family(const struct job *j)
{
	return j->family != j->p->family;
}

/* RFC 7915 4.4, 5.4: unless something else is said, the sender of what cannot be translated is told
 * so. */
static struct verdict untranslatable(enum drop_reason why)
{
	return verdict_reject(why, REPLY_ADMIN_PROHIBITED);
}

/* RFC 7915 4.5 */
static struct verdict check_udp_without_checksum(const struct job *j)
{
	const struct packet *p = j->p;

	if (p->off.csum_partial || load16(p->data + p->l4_at + 6) != 0)
		return verdict_continue();
	if (p->flags & PACKET_FRAGMENT)
		return j->env->conf.allow_zero_udp_fragments
			       ? verdict_continue()
			       : untranslatable(DROP_FRAGMENT_ZERO_CHECKSUM);
	return j->env->conf.udp_zero_checksum_drop ? untranslatable(DROP_UDP_ZERO_CHECKSUM)
						   : verdict_continue();
}

/* The whole of it would be longer than IPv4 can say: 65535 with the header, which IPv6 leaves out.
 */
static bool ends_beyond_ip4(const struct job *j)
{
	return j->family == 4 &&
	       j->p->frag_offset + translate__l4_len(j->p) > IP4_TOTAL_MAX - IP4_LEN;
}

static struct verdict check_other(const struct packet *p)
{
	if (p->flags & PACKET_HAS_FRAG_HDR && translate__is_late_extension(p->proto))
		return untranslatable(DROP_EXT_HEADERS);
	return translate__stays_behind(p->proto) ? untranslatable(DROP_UNKNOWN_PROTOCOL)
						 : verdict_continue();
}

/* What has no counterpart in the other family, whatever its size. */
static struct verdict check_l4(const struct job *j)
{
	const struct packet *p = j->p;

	if (unlikely(p->flags & PACKET_FRAGMENT) && ends_beyond_ip4(j))
		return untranslatable(DROP_FRAGMENT_BAD);
	switch (p->proto) {
	case IPPROTO_UDP:
		if (p->family == 4 && translate__has_l4(p))
			return check_udp_without_checksum(j);
		return verdict_continue();
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		/* RFC 7915 1.2: the pseudo-header's length is not known */
		return p->flags & PACKET_FRAGMENT ? untranslatable(DROP_FRAGMENT_ICMP)
						  : verdict_continue();
	case IPPROTO_TCP:
		return verdict_continue();
	case IPPROTO_IGMP:
		return verdict_drop(DROP_UNKNOWN_PROTOCOL); /* 4.2: in silence */
	default:
		return check_other(p);
	}
}

/* What may be fragmented is kept to what passes every IPv6 link, and to less on a path that is
 * known to take less. */
static uint32_t limit_without_df(const struct job *j, uint32_t mtu)
{
	uint32_t limit = translate__limit_without_df(j->env, mtu), path;

	if (likely(j->st->now_ms >= j->st->paths_until_ms))
		return limit;
	path = translate__path_mtu(j->st, &j->rw->to.dst);
	return path < limit ? path : limit;
}

/* How long what comes out may be, and how long its IP header is. */
static void plan(struct job *j)
{
	const struct packet *p = j->p;
	uint32_t mtu = j->env->mtu[j->rw->out_side];

	j->limit = mtu;
	if (!changes_family(j)) {
		j->ip_len = p->l4_at;
	} else if (j->family == 4) {
		j->ip_len = IP4_LEN;
	} else {
		j->fragment = p->flags & PACKET_FRAGMENT;
		j->ip_len = IP6_LEN + (j->fragment ? FRAG6_LEN : 0);
		if (!(p->flags & PACKET_DF))
			j->limit = limit_without_df(j, mtu);
	}
}

/* RFC 7915 4: routers cut IPv4 without DF; 5.1, 5.1.1: what becomes IPv4 without DF. IPv6 is cut by
 * its source alone. */
static bool may_be_cut(const struct job *j)
{
	const struct packet *p = j->p;

	if (p->family == 4)
		return !(p->flags & PACKET_DF);
	if (j->family == 6)
		return false;
	return p->flags & PACKET_HAS_FRAG_HDR || IP4_LEN + translate__l4_len(p) <= IP4_DF_ABOVE;
}

struct verdict translate__too_big(const struct job *j)
{
	uint32_t mtu = j->env->mtu[j->rw->out_side];

	if (changes_family(j) && j->family == 6)
		mtu -= j->ip_len - IP4_LEN;
	else if (changes_family(j))
		mtu += IP6_LEN - IP4_LEN;
	if (j->p->family == 6 && mtu < IP6_MTU_MIN)
		mtu = IP6_MTU_MIN;
	j->p->reply_mtu = (uint16_t)(mtu > UINT16_MAX ? UINT16_MAX : mtu);
	return verdict_reject(DROP_TOO_BIG, REPLY_TOO_BIG);
}

static struct verdict fit_by_cutting(struct job *j)
{
	if (!may_be_cut(j))
		return translate__too_big(j);
	if (j->family == 6 && !j->fragment) {
		j->fragment = true;
		j->ip_len += FRAG6_LEN;
	}
	j->cut = true;
	return translate__can_cut(j) ? verdict_continue() : verdict_drop(DROP_NO_BUFFER);
}

static struct verdict fit(struct job *j)
{
	if (unlikely(j->p->off.gso))
		return translate__fit_gso(j);
	if (likely(j->ip_len + translate__l4_len(j->p) <= j->limit))
		return verdict_continue();
	return fit_by_cutting(j);
}

/* A stale csum_start is refused by the kernel, a segment type of the wrong family dropped in
 * silence. */
static void renew_offload(const struct job *j)
{
	struct offload *off = &j->p->off;

	if (off->csum_partial)
		off->csum_start = (uint16_t)j->ip_len;
	if (unlikely(off->gso)) {
		if (off->gso != GSO_UDP)
			off->gso = j->family == 6 ? GSO_TCP6 : GSO_TCP4;
		off->hdr_len = (uint16_t)(j->ip_len + packet_headers_len(j->p) - j->p->l4_at);
	}
}

static void write_headers(struct job *j)
{
	translate__l4(j);
	renew_offload(j);
	if (!changes_family(j))
		translate__header_same(j);
	else if (j->family == 4)
		translate__header_6to4(j);
	else
		translate__header_4to6(j);
	j->p->out_side = j->rw->out_side;
}

struct verdict translate__one(struct job *j)
{
	struct verdict v;

	j->family = addr_is_v4(&j->rw->to.dst) ? 4 : 6;
	if (changes_family(j)) {
		v = check_l4(j);
		if (unlikely(v.next != VERDICT_CONTINUE))
			return v;
	}
	plan(j);
	v = fit(j);
	if (unlikely(v.next != VERDICT_CONTINUE))
		return v;
	write_headers(j);
	return unlikely(j->cut) ? translate__cut(j) : verdict_forward();
}

struct verdict translate_packet(const struct translate_env *env, struct translate_state *st,
				struct packet *p, const struct rewrite *rw, struct outbox *out)
{
	struct job j;

	if (unlikely(env->hops < 0 && p->ttl <= 1))
		return verdict_reject(DROP_HOP_LIMIT, REPLY_HOP_LIMIT);
	if (likely(translate__plain(env, st, p, rw)))
		return verdict_forward();
	j = (struct job){ .env = env, .st = st, .p = p, .rw = rw, .out = out };
	return p->flags & PACKET_ICMP_ERROR ? translate__icmp_error(&j) : translate__one(&j);
}
