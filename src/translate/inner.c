/*
 * inner.c - the packet that an ICMP error quotes (RFC 7915 4.3, 5.3; RFC 6146 3.4).
 *
 * It went the other way, so it becomes the reverse of the outgoing tuple. Its TTL stays, its length
 * and DF follow what it declares, not what is quoted of it. Its checksums are updated blindly: the
 * kernel quotes unfinished ones, and of long packets the end is missing.
 */
#include "sixgate/packet/parse.h"
#include "translate_internal.h"

/** struct inner - what the embedded IP header @ip says */
struct inner {
	const uint8_t *ip;
	uint32_t l4_len; /* declared */
	uint32_t id;
	uint8_t tclass, ttl;
	bool fragment;   /* of IPv6: an atomic one, too */
	uint16_t offset; /* bytes */
	bool more;
};

static struct inner read_ip4(const struct packet *p)
{
	const uint8_t *ip = p->data + p->inner_at;
	uint16_t frag = load16(ip + 6);

	return (struct inner){ .ip = ip,
			       .l4_len = load16(ip + 2) - (p->inner_l4_at - p->inner_at),
			       .id = load16(ip + 4),
			       .tclass = ip[1],
			       .ttl = ip[8],
			       .fragment = frag & 0x3fff,
			       .offset = (uint16_t)((frag & 0x1fff) * 8),
			       .more = frag & 0x2000 };
}

static struct inner read_ip6(const struct packet *p)
{
	const uint8_t *ip = p->data + p->inner_at;
	uint32_t head = (uint32_t)p->inner_l4_at - p->inner_at, total = IP6_LEN + load16(ip + 4);
	struct inner in = { .ip = ip,
			    .l4_len = total > head ? total - head : 0,
			    .tclass = (uint8_t)(load16(ip) >> 4),
			    .ttl = ip[7] };
	struct chain6 c;

	must(chain6_walk(ip, p->len - p->inner_at, &c)); /* the parser did */
	if (c.frag_at) {
		in.fragment = true;
		in.offset = load16(ip + c.frag_at + 2) & 0xfff8;
		in.more = ip[c.frag_at + 3] & 1;
		in.id = load32(ip + c.frag_at + 4);
	}
	return in;
}

/* Return: bytes written. */
static uint32_t put_ip6(const struct job *j, const struct inner *in, uint8_t *to)
{
	uint8_t proto = translate__proto(6, j->p->inner_proto);
	uint32_t extra = in->fragment ? FRAG6_LEN : 0;

	translate__put_ip6(to, &(struct ip6_head){
				       .src = j->rw->to.dst,
				       .dst = j->rw->to.src,
				       .payload = in->l4_len + extra,
				       .tclass = translate__class(j->env, in->tclass),
				       .next = in->fragment ? IPPROTO_FRAGMENT : proto,
				       .hops = in->ttl,
			       });
	if (!in->fragment)
		return IP6_LEN;
	to[IP6_LEN] = proto;
	to[IP6_LEN + 1] = 0;
	store16(to + IP6_LEN + 2, (uint16_t)(in->offset | (in->more ? 1 : 0)));
	store32(to + IP6_LEN + 4, in->id);
	return IP6_LEN + FRAG6_LEN;
}

static uint32_t put_ip4(const struct job *j, const struct inner *in, uint8_t *to)
{
	uint32_t total = IP4_LEN + in->l4_len;
	uint16_t df = !in->fragment && total > IP4_DF_ABOVE ? 0x4000 : 0;
	uint16_t frag = (uint16_t)(in->offset / 8 | (in->more ? 0x2000 : 0));

	translate__put_ip4(
		to, &(struct ip4_head){
			    .src = j->rw->to.dst,
			    .dst = j->rw->to.src,
			    .total = (uint16_t)(total > IP4_TOTAL_MAX ? IP4_TOTAL_MAX : total),
			    .id = (uint16_t)in->id,
			    .frag = in->fragment ? frag : df,
			    .tos = translate__class(j->env, in->tclass),
			    .ttl = in->ttl,
			    .proto = translate__proto(4, j->p->inner_proto),
		    });
	return IP4_LEN;
}

/* Options and extension headers stay. */
static uint32_t put_same(const struct job *j, const struct inner *in, uint8_t *to)
{
	uint32_t head = (uint32_t)j->p->inner_l4_at - j->p->inner_at;

	memcpy(to, in->ip, head);
	if (j->family == 6) {
		memcpy(to + 8, j->rw->to.dst.octet, 16);
		memcpy(to + 24, j->rw->to.src.octet, 16);
		return head;
	}
	memcpy(to + 12, j->rw->to.dst.octet + 12, 4);
	memcpy(to + 16, j->rw->to.src.octet + 12, 4);
	translate__sum_ip4_again(to, head);
	return head;
}

/* TCP and UDP: ports, and the checksum if it is among the @len bytes that are quoted. */
static void rewrite_ports(const struct job *j, uint8_t *l4, uint32_t len)
{
	bool udp = j->p->inner_proto == IPPROTO_UDP;
	uint32_t at = udp ? 6 : 16;
	const struct tuple *to = &j->rw->to;
	uint64_t delta = rewrite_addr_delta(&j->p->key, to);

	delta += (uint64_t)(uint16_t)~load_be16(l4).raw + (uint16_t)~load_be16(l4 + 2).raw;
	store_be16(l4, to->dport);
	store_be16(l4 + 2, to->sport);
	delta += (uint64_t)to->dport.raw + to->sport.raw;
	if (len < at + 2 || (udp && load16(l4 + at) == 0))
		return;
	checksum_apply(l4 + at, checksum_fold(delta));
	if (udp && load16(l4 + at) == 0)
		store16(l4 + at, 0xffff);
}

/* DCCP, UDP-Lite: no ports of theirs change, but they sum the addresses, too. */
static void rewrite_like_udp(const struct job *j, uint8_t *l4, uint32_t len)
{
	if (len >= 8)
		translate__apply_like_udp(j->p->inner_proto, l4,
					  rewrite_addr_delta(&j->p->key, &j->rw->to));
}

static void rewrite_query(const struct job *j, uint8_t *l4, uint32_t declared)
{
	const struct tuple *to = &j->rw->to, *key = &j->p->key;
	bool was6 = j->p->family == 6, is6 = j->family == 6;
	uint64_t delta = (uint64_t)(uint16_t)~load_be16(l4).raw + (uint16_t)~load_be16(l4 + 4).raw;

	if (was6 != is6)
		l4[0] = translate__echo_type(j->family, l4[0]);
	store_be16(l4 + 4, to->sport);
	if (j->p->inner_fragment && was6 != is6)
		return; /* the sum of the whole: how long that is the pseudo-header says, and no fragment */
	delta += (uint64_t)load_be16(l4).raw + to->sport.raw;
	if (was6)
		delta += (uint16_t)~checksum_fold(
			checksum_pseudo(&key->src, &key->dst, IPPROTO_ICMPV6, declared));
	if (is6)
		delta += checksum_fold(
			checksum_pseudo(&to->src, &to->dst, IPPROTO_ICMPV6, declared));
	checksum_apply(l4 + 2, checksum_fold(delta));
}

uint32_t translate__inner_len(const struct packet *p)
{
	uint32_t head = (uint32_t)p->inner_l4_at - p->inner_at;

	return head + (p->family == 6 ? read_ip6(p) : read_ip4(p)).l4_len;
}

static void rewrite_l4(const struct job *j, uint8_t *l4, uint32_t len, uint32_t declared)
{
	switch (j->p->inner_proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
		rewrite_ports(j, l4, len);
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		rewrite_query(j, l4, declared);
		break;
	case PROTO_DCCP:
	case PROTO_UDPLITE:
		rewrite_like_udp(j, l4, len);
		break;
	default:
		break;
	}
}

uint32_t translate__inner(const struct job *j, uint32_t quoted, uint8_t *to, uint32_t room)
{
	const struct packet *p = j->p;
	struct inner in = p->family == 6 ? read_ip6(p) : read_ip4(p);
	uint32_t l4_len = quoted - (p->inner_l4_at - p->inner_at), head;

	if (p->family == j->family)
		head = put_same(j, &in, to);
	else
		head = j->family == 6 ? put_ip6(j, &in, to) : put_ip4(j, &in, to);
	if (l4_len > room - head)
		l4_len = room - head;
	memcpy(to + head, p->data + p->inner_l4_at, l4_len);
	if (likely(!in.offset))
		rewrite_l4(j, to + head, l4_len, in.l4_len);
	return head + l4_len;
}
