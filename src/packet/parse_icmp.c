/* parse_icmp.c - ICMP of either family, and the packet that an ICMP error quotes. */
#include <netinet/in.h>
#include "packet_internal.h"
#include "sixgate/packet/checksum.h"
#include "sixgate/packet/icmp.h"
#include "sixgate/packet/parse.h"

static bool is_error(const struct packet *p)
{
	if (p->family == 6)
		return p->icmp_type >= ICMP6_TYPE_UNREACHABLE &&
		       p->icmp_type <= ICMP6_TYPE_PARAMETER;
	return p->icmp_type == ICMP4_TYPE_UNREACHABLE || p->icmp_type == ICMP4_TYPE_TIME_EXCEEDED ||
	       p->icmp_type == ICMP4_TYPE_PARAMETER;
}

static bool is_query(uint8_t family, uint8_t type)
{
	if (family == 6)
		return type == ICMP6_TYPE_ECHO || type == ICMP6_TYPE_ECHO_REPLY;
	return type == ICMP4_TYPE_ECHO || type == ICMP4_TYPE_ECHO_REPLY;
}

static bool checksum_is_right(const struct packet *p)
{
	uint32_t len = p->len - p->l4_at;
	uint64_t sum = 0;

	if (p->family == 6)
		sum = checksum_pseudo(&p->key.src, &p->key.dst, IPPROTO_ICMPV6, len);
	return checksum_fold(checksum_add(sum, p->data + p->l4_at, len)) == 0xffff;
}

/* RFC 5508 3.2: the embedded IP header must be whole and its checksum right; its length may well be
 * more than what is quoted. @later: its l4 header is in another fragment. */
static bool inner_ip4(struct packet *p, const uint8_t *ip, uint32_t left, bool *later)
{
	uint32_t head;
	uint16_t frag;

	if (left < 20 || ip[0] >> 4 != 4)
		return false;
	head = (ip[0] & 15) * 4u;
	if (head < 20 || head > left || load16(ip + 2) < head)
		return false;
	if (checksum_fold(checksum_add(0, ip, head)) != 0xffff)
		return false;
	p->inner_l4_at = (uint16_t)(p->inner_at + head);
	frag = load16(ip + 6);
	p->inner_proto = ip[9];
	p->inner_fragment = frag & 0x3fff;
	*later = frag & 0x1fff;
	p->key.src = addr_from_v4(ip + 16);
	p->key.dst = addr_from_v4(ip + 12);
	return p->inner_proto != IPPROTO_ICMPV6;
}

static bool inner_ip6(struct packet *p, const uint8_t *ip, uint32_t left, bool *later)
{
	struct chain6 c;
	uint16_t frag;

	if (left < 40 || ip[0] >> 4 != 6 || !chain6_walk(ip, left, &c) || c.route_at)
		return false;
	frag = c.frag_at ? load16(ip + c.frag_at + 2) : 0;
	p->inner_l4_at = (uint16_t)(p->inner_at + c.l4_at);
	p->inner_proto = c.proto;
	p->inner_fragment = frag & 0xfff9;
	*later = frag & 0xfff8;
	p->key.src = addr_from_v6(ip + 24);
	p->key.dst = addr_from_v6(ip + 8);
	return p->inner_proto != IPPROTO_ICMP && !addr_is_v4(&p->key.src) &&
	       !addr_is_v4(&p->key.dst);
}

/* The ports of the embedded packet, reversed (RFC 6146 3.4). RFC 792 promises 8 bytes of any l4. */
static bool inner_ports(struct packet *p)
{
	const uint8_t *l4 = p->data + p->inner_l4_at;
	bool whole = p->len - p->inner_l4_at >= 8;

	switch (p->inner_proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
		if (!whole)
			return false;
		p->key.sport = load_be16(l4 + 2);
		p->key.dport = load_be16(l4);
		return true;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		if (!whole || !is_query(p->family, l4[0]))
			return false;
		p->key.sport = p->key.dport = load_be16(l4 + 4);
		return true;
	default:
		return true;
	}
}

static enum drop_reason parse_error(struct packet *p)
{
	const uint8_t *ip = p->data + p->l4_at + 8;
	uint32_t left = p->len - p->l4_at - 8u;
	bool later = false;

	if (p->flags & PACKET_FRAGMENT)
		return DROP_FRAGMENT_ICMP;
	if (!checksum_is_right(p))
		return DROP_BAD_ICMP_CHECKSUM;
	p->flags |= PACKET_ICMP_ERROR;
	p->inner_at = (uint16_t)(p->l4_at + 8);
	if (!(p->family == 6 ? inner_ip6(p, ip, left, &later) : inner_ip4(p, ip, left, &later)))
		return DROP_ICMP_INNER;
	if (!later && !inner_ports(p))
		return DROP_ICMP_INNER;
	p->key.proto = p->inner_proto;
	return DROP_NONE;
}

enum drop_reason packet__parse_icmp(struct packet *p)
{
	const uint8_t *l4 = p->data + p->l4_at;

	if (p->len - p->l4_at < 8)
		return packet__l4_short(p);
	p->icmp_type = l4[0];
	p->icmp_code = l4[1];
	if (is_query(p->family, p->icmp_type)) {
		p->flags |= PACKET_ICMP_QUERY;
		p->key.sport = p->key.dport = load_be16(l4 + 4);
		return DROP_NONE;
	}
	return is_error(p) ? parse_error(p) : DROP_ICMP_TYPE;
}
