/*
 * rewrite.c - what all four pairs of families share: ports, identifiers and checksums of the l4
 * header; and the IP header when the family stays.
 *
 * Checksums of packets on their way are updated, never computed, so that a wrong one stays exactly
 * as wrong (RFC 7915 4.5, 5.5). The one exception is UDP without checksum on its way to IPv6.
 */
#include "translate_internal.h"

uint16_t rewrite_addr_delta(const struct tuple *from, const struct tuple *to)
{
	uint64_t old = checksum_add_addr(checksum_add_addr(0, &from->src), &from->dst);
	uint64_t fresh = checksum_add_addr(checksum_add_addr(0, &to->src), &to->dst);

	return checksum_delta(fresh, old);
}

/* Return: the sum that the new ports add, not folded. */
static inline uint64_t put_ports(uint8_t *l4, const struct tuple *to)
{
	be16 sport = load_be16(l4), dport = load_be16(l4 + 2);

	store_be16(l4, to->sport);
	store_be16(l4 + 2, to->dport);
	return (uint64_t)to->sport.raw + to->dport.raw + (uint16_t)~sport.raw +
	       (uint16_t)~dport.raw;
}

/* Ports are no part of a pseudo-header: to an unfinished checksum they are just payload. */
static inline void adjust(const struct job *j, uint8_t *field, uint64_t l4_delta)
{
	if (j->p->off.csum_partial)
		checksum_apply_partial(field, j->rw->addr_delta);
	else
		checksum_apply(field, checksum_fold(j->rw->addr_delta + l4_delta));
}

static void rewrite_tcp(const struct job *j, uint8_t *l4)
{
	uint64_t delta = put_ports(l4, &j->rw->to);

	if (unlikely(j->p->tcp_flags & TCP_SYN))
		delta += translate__clamp_mss(j, l4);
	adjust(j, l4 + 16, delta);
}

/* RFC 7915 4.5: IPv6 has no UDP without checksum. The length field is right: the parser looked. */
static void compute_udp(const struct job *j, uint8_t *l4)
{
	const struct tuple *to = &j->rw->to;
	uint16_t len = load16(l4 + 4), csum;
	uint64_t sum = checksum_pseudo(&to->src, &to->dst, IPPROTO_UDP, len);

	csum = (uint16_t)~checksum_fold(checksum_add(sum, l4, len));
	memcpy(l4 + 6, &csum, sizeof(csum));
}

static bool has_checksum(const struct packet *p, const uint8_t *udp)
{
	return p->off.csum_partial || load16(udp + 6) != 0;
}

static void rewrite_udp(const struct job *j, uint8_t *l4)
{
	const struct packet *p = j->p;
	uint64_t delta = put_ports(l4, &j->rw->to);

	if (likely(has_checksum(p, l4)) || (p->family == 6 && j->family == 4))
		adjust(j, l4 + 6, delta); /* 0 in IPv6 is a wrong checksum like any other */
	else if (p->family == j->family || p->flags & PACKET_FRAGMENT)
		return;
	else
		compute_udp(j, l4);
	if (unlikely(load16(l4 + 6) == 0) && !p->off.csum_partial)
		store16(l4 + 6, 0xffff);
}

/* Checksum in UDP's place, over the same pseudo-header. UDP-Lite is never without (RFC 3828 3.1):
 * its 0 is no checksum, and stays wrong. */
void translate__apply_like_udp(uint8_t proto, uint8_t *l4, uint16_t delta)
{
	if (proto == PROTO_UDPLITE && load16(l4 + 6) == 0)
		return;
	checksum_apply(l4 + 6, delta);
	if (proto == PROTO_UDPLITE && load16(l4 + 6) == 0)
		store16(l4 + 6, 0xffff);
}

static void rewrite_like_udp(const struct job *j, uint8_t *l4)
{
	if (translate__l4_len(j->p) >= 8)
		translate__apply_like_udp(j->p->proto, l4, j->rw->addr_delta);
}

/* ICMPv6 sums a pseudo-header, ICMPv4 does not (RFC 7915 4.2, 5.2). Return: the sum to add. */
static uint64_t change_echo_family(const struct job *j, uint8_t *l4)
{
	const struct tuple *to = &j->rw->to, *key = &j->p->key;
	uint32_t len = translate__l4_len(j->p);
	uint64_t delta = (uint16_t)~load_be16(l4).raw;

	l4[0] = translate__echo_type(j->family, l4[0]);
	delta += load_be16(l4).raw;
	if (j->family == 6)
		return delta +
		       checksum_fold(checksum_pseudo(&to->src, &to->dst, IPPROTO_ICMPV6, len));
	return delta +
	       (uint16_t)~checksum_fold(checksum_pseudo(&key->src, &key->dst, IPPROTO_ICMPV6, len));
}

static void rewrite_echo(const struct job *j, uint8_t *l4)
{
	be16 old = load_be16(l4 + 4), fresh = j->rw->to.sport;
	uint64_t delta = (uint64_t)fresh.raw + (uint16_t)~old.raw;

	store_be16(l4 + 4, fresh);
	if (j->p->family != j->family)
		delta += change_echo_family(j, l4);
	else if (j->family == 6)
		delta += j->rw->addr_delta;
	checksum_apply(l4 + 2, checksum_fold(delta));
}

void translate__l4(const struct job *j)
{
	const struct packet *p = j->p;
	uint8_t *l4 = p->data + p->l4_at;

	if (unlikely(!translate__has_l4(p)))
		return;
	switch (p->proto) {
	case IPPROTO_TCP:
		rewrite_tcp(j, l4);
		break;
	case IPPROTO_UDP:
		rewrite_udp(j, l4);
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		rewrite_echo(j, l4);
		break;
	case PROTO_DCCP:
	case PROTO_UDPLITE:
		rewrite_like_udp(j, l4);
		break;
	default:
		break;
	}
}

static void same_ip4(const struct job *j)
{
	uint8_t *ip = j->p->data;
	be16 old = load_be16(ip + 8), fresh; /* TTL and protocol */

	fresh = be16_from((uint16_t)(translate__hops(j->env, j->p->ttl) << 8 | ip[9]));
	store_be16(ip + 8, fresh);
	memcpy(ip + 12, j->rw->to.src.octet + 12, 4);
	memcpy(ip + 16, j->rw->to.dst.octet + 12, 4);
	checksum_apply(ip + 10,
		       checksum_fold((uint64_t)j->rw->addr_delta + fresh.raw + (uint16_t)~old.raw));
}

static void same_ip6(const struct job *j)
{
	uint8_t *ip = j->p->data;

	ip[7] = translate__hops(j->env, j->p->ttl);
	memcpy(ip + 8, j->rw->to.src.octet, 16);
	memcpy(ip + 24, j->rw->to.dst.octet, 16);
}

void translate__header_same(struct job *j)
{
	if (j->family == 6)
		same_ip6(j);
	else
		same_ip4(j);
}
