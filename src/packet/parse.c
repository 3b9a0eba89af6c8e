/*
 * parse.c - from hostile bytes to facts: IPv4, IPv6, TCP, UDP.
 *
 * The common packets (no extension headers, no options, whole) take the straight line; everything
 * odd branches off early. ICMP is in parse_icmp.c, extension headers in walk6.c. Inside, a function
 * returns why it would drop, DROP_NONE for going on: the verdict is made in one place.
 */
#include <netinet/in.h>
#include <netinet/ip.h>
#include "packet_internal.h"
#include "sixgate/base/must.h"
#include "sixgate/packet/checksum.h"
#include "sixgate/packet/parse.h"

/* Return: why @a, host order, cannot be a unicast address here; DROP_NONE if it can. */
static inline enum drop_reason odd_ip4(uint32_t a)
{
	uint32_t first = a >> 24;

	if (likely(first - 1 < 223 && first != 127 && a >> 16 != 0xa9fe))
		return DROP_NONE;
	if (first >= 224 && first < 240)
		return DROP_MULTICAST;
	return first == 169 ? DROP_LINK_LOCAL : DROP_BAD_ADDRESS;
}

SELDOM static enum drop_reason odd_ip6_slow(const struct addr *a)
{
	if (a->octet[0] == 0xff)
		return DROP_MULTICAST;
	if (addr_is_link_local6(a))
		return DROP_LINK_LOCAL;
	if (addr_is_v4(a))
		return DROP_BAD_ADDRESS; /* would be taken for the IPv4 address it holds */
	if (a->word[0] == 0 && load32(a->octet + 8) == 0 && load32(a->octet + 12) <= 1)
		return DROP_BAD_ADDRESS; /* unspecified, loopback */
	return DROP_NONE;
}

static inline enum drop_reason odd_ip6(const struct addr *a)
{
	uint16_t first = load16(a->octet);

	return likely(first - 1u < 0xfe80 - 1) ? DROP_NONE : odd_ip6_slow(a);
}

/* A multicast source is an impossible address (RFC 1122 3.2.1.3, RFC 4291 2.7). */
static inline enum drop_reason as_source(enum drop_reason why)
{
	return why == DROP_MULTICAST ? DROP_BAD_ADDRESS : why;
}

static ALWAYS_INLINE enum drop_reason parse_tcp(struct packet *p, const uint8_t *l4, uint32_t left)
{
	uint32_t head;

	if (unlikely(left < 20))
		return packet__l4_short(p);
	head = (l4[12] >> 4) * 4u;
	if (unlikely(head < 20))
		return DROP_BAD_HEADER;
	if (unlikely(head > left))
		return packet__l4_short(p);
	p->tcp_flags = l4[13];
	p->key.sport = load_be16(l4);
	p->key.dport = load_be16(l4 + 2);
	return DROP_NONE;
}

static ALWAYS_INLINE enum drop_reason parse_udp(struct packet *p, const uint8_t *l4, uint32_t left)
{
	uint16_t len;

	if (unlikely(left < 8))
		return packet__l4_short(p);
	len = load16(l4 + 4);
	if (unlikely(len < 8 || (len > left && !(p->flags & PACKET_FRAGMENT))))
		return DROP_BAD_HEADER;
	p->key.sport = load_be16(l4);
	p->key.dport = load_be16(l4 + 2);
	return DROP_NONE;
}

static inline bool has_l4(const struct packet *p)
{
	return (p->flags & (PACKET_FRAGMENT | PACKET_FIRST_FRAGMENT)) != PACKET_FRAGMENT;
}

static ALWAYS_INLINE enum drop_reason parse_l4(struct packet *p)
{
	const uint8_t *l4 = p->data + p->l4_at;
	uint32_t left = p->len - p->l4_at;

	if (unlikely(p->proto == (p->family == 4 ? IPPROTO_ICMPV6 : IPPROTO_ICMP)))
		return DROP_UNKNOWN_PROTOCOL; /* the other family's */
	if (unlikely(!has_l4(p)))
		return DROP_NONE;
	switch (p->proto) {
	case IPPROTO_TCP:
		return parse_tcp(p, l4, left);
	case IPPROTO_UDP:
		return parse_udp(p, l4, left);
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return packet__parse_icmp(p);
	default:
		return DROP_NONE;
	}
}

static ALWAYS_INLINE enum drop_reason parse_upper(struct packet *p)
{
	enum drop_reason why = p->off.csum_partial ? packet__settle_checksum(p) : DROP_NONE;

	if (unlikely(why != DROP_NONE))
		return why;
	why = parse_l4(p);
	if (unlikely(p->off.gso) && why == DROP_NONE)
		why = packet__check_gso(p);
	return why;
}

/* One of several fragments. What it is a part of must fit a length field (RFC 8200 4.5). */
SELDOM static enum drop_reason note_fragment(struct packet *p, uint32_t offset, bool more)
{
	uint32_t len = p->len - p->l4_at, head = p->family == 4 ? p->l4_at : p->l4_at - 48u;

	p->flags |= PACKET_FRAGMENT | (offset == 0 ? PACKET_FIRST_FRAGMENT : 0);
	p->frag_offset = (uint16_t)offset;
	p->more_fragments = more;
	if (len == 0 || (more && len % 8 != 0) || head + offset + len > 65535)
		return DROP_FRAGMENT_BAD;
	return DROP_NONE;
}

/* An option list that contradicts itself is a bad header; a source route that is not used up is
 * not ours to follow (RFC 7915 4.1). */
SELDOM static enum drop_reason check_options(const struct packet *p)
{
	uint32_t at = 20, len;

	while (at < p->l4_at && p->data[at] != IPOPT_EOL) {
		const uint8_t *o = p->data + at;

		if (o[0] == IPOPT_NOP) {
			at++;
			continue;
		}
		len = at + 2 <= p->l4_at ? o[1] : 0;
		if (len < 2 || at + len > p->l4_at)
			return DROP_BAD_HEADER;
		if ((o[0] == IPOPT_LSRR || o[0] == IPOPT_SSRR) && (len < 3 || o[2] <= len))
			return DROP_SOURCE_ROUTE;
		at += len;
	}
	return DROP_NONE;
}

static ALWAYS_INLINE enum drop_reason check_addresses4(const struct packet *p)
{
	enum drop_reason dst = odd_ip4(load32(p->data + 16));
	enum drop_reason src = as_source(odd_ip4(load32(p->data + 12)));

	if (unlikely(dst != DROP_NONE))
		return dst;
	return unlikely(p->flags & PACKET_ICMP_ERROR) ? DROP_NONE : src; /* RFC 7915 4.1 */
}

static inline uint64_t sum_ip4(const uint8_t *ip, uint32_t head)
{
	uint64_t sum;
	uint32_t w[5];

	memcpy(w, ip, sizeof(w));
	sum = (uint64_t)w[0] + w[1] + w[2] + w[3] + w[4];
	return likely(head == 20) ? sum : checksum_add(sum, ip + 20, head - 20);
}

static ALWAYS_INLINE enum drop_reason check_header4(struct packet *p)
{
	const uint8_t *ip = p->data;
	uint32_t head = (ip[0] & 15) * 4u, total = load16(ip + 2);

	if (unlikely(head < 20 || total < head))
		return DROP_BAD_HEADER;
	if (unlikely(total > p->len))
		return DROP_TRUNCATED;
	if (unlikely(checksum_fold(sum_ip4(ip, head)) != 0xffff))
		return DROP_BAD_IPV4_CHECKSUM;
	p->len = total;
	p->l4_at = (uint16_t)head;
	return DROP_NONE;
}

static ALWAYS_INLINE enum drop_reason parse_ip4(struct packet *p)
{
	enum drop_reason why = check_header4(p), upper;
	const uint8_t *ip = p->data;
	uint16_t frag = load16(ip + 6);

	if (unlikely(why != DROP_NONE))
		return why;
	p->family = 4;
	p->tclass = ip[1];
	p->ttl = ip[8];
	p->proto = ip[9];
	p->frag_id = load16(ip + 4);
	p->flags = frag & 0x4000 ? PACKET_DF : 0;
	p->key.src = addr_from_v4(ip + 12);
	p->key.dst = addr_from_v4(ip + 16);
	p->key.proto = ip[9];
	if (unlikely(frag & 0x3fff))
		why = note_fragment(p, (frag & 0x1fffu) * 8, frag & 0x2000);
	if (unlikely(why != DROP_NONE))
		return why;
	upper = parse_upper(p);
	why = check_addresses4(p);
	if (unlikely(why != DROP_NONE))
		return why;
	if (unlikely(p->l4_at > 20) && upper == DROP_NONE)
		return check_options(p);
	return upper;
}

static ALWAYS_INLINE enum drop_reason check_addresses6(const struct packet *p)
{
	enum drop_reason dst = odd_ip6(&p->key.dst);
	enum drop_reason src = as_source(odd_ip6(&p->key.src));

	return unlikely(dst != DROP_NONE) ? dst : src;
}

/* Return: DROP_NONE with l4_at, proto and the fragment facts. */
SELDOM static enum drop_reason walk_extensions(struct packet *p)
{
	struct chain6 c;
	bool whole = chain6_walk(p->data, p->len, &c);
	enum drop_reason why;
	uint16_t field;

	if (!whole && !c.frag_at)
		return DROP_EXT_HEADERS;
	p->l4_at = c.l4_at;
	p->proto = p->key.proto = c.proto;
	if (c.route_at) {
		p->flags |= PACKET_REPLY_ROUTE_HDR;
		p->reply_at = c.route_at;
	}
	if (!c.frag_at)
		return DROP_NONE;
	p->flags |= PACKET_HAS_FRAG_HDR;
	p->frag_at = c.frag_at;
	p->frag_id = load32(p->data + c.frag_at + 4);
	field = load16(p->data + c.frag_at + 2);
	why = (field & 0xfff9) == 0 ? DROP_NONE /* atomic: RFC 6946 */
				    : note_fragment(p, field & 0xfff8, field & 1);
	return whole || why != DROP_NONE ? why : DROP_EXT_HEADERS;
}

static inline bool is_plain(uint8_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_ICMPV6;
}

static ALWAYS_INLINE enum drop_reason parse_ip6(struct packet *p)
{
	enum drop_reason why;
	const uint8_t *ip = p->data;
	uint32_t total;

	if (unlikely(p->len < 40))
		return DROP_TRUNCATED;
	total = 40u + load16(ip + 4); /* a jumbogram has 0 here and then no room for its option */
	if (unlikely(total > p->len))
		return DROP_TRUNCATED;
	p->len = total;
	p->family = 6;
	p->tclass = (uint8_t)(load16(ip) >> 4);
	p->ttl = ip[7];
	p->proto = p->key.proto = ip[6];
	p->l4_at = 40;
	p->flags = 0;
	p->frag_id = 0;
	p->key.src = addr_from_v6(ip + 8);
	p->key.dst = addr_from_v6(ip + 24);
	why = check_addresses6(p);
	if (unlikely(!is_plain(p->proto)) && why == DROP_NONE)
		why = walk_extensions(p);
	if (unlikely(why != DROP_NONE))
		return why;
	why = parse_upper(p);
	if (unlikely(p->flags & PACKET_REPLY_ROUTE_HDR) && why == DROP_NONE)
		why = DROP_SOURCE_ROUTE;
	return why;
}

/* What a packet has only sometimes. */
static inline void forget_rare_facts(struct packet *p)
{
	p->tcp_flags = p->icmp_type = p->icmp_code = 0;
	p->frag_at = p->frag_offset = 0;
	p->more_fragments = false;
	p->inner_at = p->inner_l4_at = 0;
	p->inner_proto = 0;
	p->inner_fragment = false;
	p->reply_mtu = p->reply_at = 0;
	p->key.sport = p->key.dport = be16_from(0);
	memset(p->key.zero, 0, sizeof(p->key.zero));
}

static ALWAYS_INLINE enum drop_reason parse(struct packet *p)
{
	if (unlikely(p->len < 20))
		return DROP_TRUNCATED;
	switch (p->data[0] >> 4) {
	case 4:
		return parse_ip4(p);
	case 6:
		return parse_ip6(p);
	default:
		return DROP_BAD_VERSION;
	}
}

struct verdict packet_parse(struct packet *p)
{
	enum drop_reason why;

	forget_rare_facts(p);
	why = parse(p);
	if (likely(why == DROP_NONE))
		return verdict_continue();
	if (why == DROP_SOURCE_ROUTE)
		return verdict_reject(why, REPLY_SOURCE_ROUTE);
	if (why == DROP_EXT_HEADERS && p->flags & PACKET_HAS_FRAG_HDR && !p->off.gso)
		return verdict_reject(why, REPLY_ADMIN_PROHIBITED); /* RFC 7915 5.1.1, 5.4 */
	return verdict_drop(why);
}
