/*
 * reply.c - what goes back to a sender: ICMP errors (RFC 792, RFC 1812 4.3, RFC 4443) and TCP
 * resets; and bare TCP segments in a flow's name.
 */
#include "sixgate/packet/icmp.h"
#include "translate_internal.h"

enum { REPLY_TTL = 64, TOS_INTERNETWORK_CONTROL = 0xc0, DF = 0x4000 };

/* By enum icmp_reply. */
static const struct {
	uint8_t type4, code4, type6, code6;
} errors[] = {
	[REPLY_NO_ROUTE] = { 3, 0, 1, 0 },         [REPLY_ADMIN_PROHIBITED] = { 3, 13, 1, 1 },
	[REPLY_ADDR_UNREACHABLE] = { 3, 1, 1, 3 }, [REPLY_PORT_UNREACHABLE] = { 3, 3, 1, 4 },
	[REPLY_SOURCE_POLICY] = { 3, 13, 1, 5 },   [REPLY_SOURCE_ROUTE] = { 3, 5, 4, 0 },
	[REPLY_HOP_LIMIT] = { 11, 0, 3, 0 },       [REPLY_TOO_BIG] = { 3, 4, 2, 0 },
};

/* RFC 1122 3.2.2, RFC 4443 2.4 (e): where an error might feed on itself or hit a bystander. The
 * parser has dropped multicast and impossible addresses without a reply; this function does not
 * rely on it. */
static bool may_answer(const struct packet *p)
{
	static const struct addr none;
	struct addr src = packet_source(p), dst = packet_destination(p);
	static const struct addr none4 = { .octet = { [10] = 0xff, [11] = 0xff } };

	if (p->flags & PACKET_ICMP_ERROR || !translate__has_l4(p))
		return false;
	return !addr_is_multicast(&src) && !addr_is_multicast(&dst) && !addr_equal(&src, &none) &&
	       !addr_equal(&src, &none4) && !addr_is_link_local6(&src);
}

/* Of a super-packet its first segment is quoted: that is what its sender will recognise. */
static void quote_first_segment(const struct packet *p, uint8_t *quote)
{
	uint32_t len = packet_headers_len(p) + p->off.gso_size;

	if (p->family == 6) {
		store16(quote + 4, (uint16_t)(len - IP6_LEN));
	} else {
		store16(quote + 2, (uint16_t)len);
		translate__sum_ip4_again(quote, p->l4_at);
	}
	if (p->proto == IPPROTO_UDP)
		store16(quote + p->l4_at + 4, (uint16_t)(len - p->l4_at));
}

static uint32_t quotable(const struct packet *p)
{
	return p->off.gso ? packet_headers_len(p) + p->off.gso_size : p->len;
}

static void put_rest(const struct packet *p, uint8_t *icmp)
{
	store32(icmp + 4, 0);
	if (p->verdict.reply == REPLY_TOO_BIG && p->family == 4)
		store16(icmp + 6, p->reply_mtu);
	else if (p->verdict.reply == REPLY_TOO_BIG)
		store32(icmp + 4, p->reply_mtu);
	else if (p->verdict.reply == REPLY_SOURCE_ROUTE && p->family == 6)
		store32(icmp + 4, p->reply_at);
}

static void put_checksum(uint8_t *icmp, uint32_t len, uint64_t sum)
{
	uint16_t csum = 0;

	memcpy(icmp + 2, &csum, sizeof(csum));
	csum = (uint16_t)~checksum_fold(checksum_add(sum, icmp, len));
	memcpy(icmp + 2, &csum, sizeof(csum));
}

static struct ip4_head ip4_head(const struct tuple *t, uint32_t l4_len)
{
	return (struct ip4_head){ .src = t->src,
				  .dst = t->dst,
				  .total = (uint16_t)(IP4_LEN + l4_len),
				  .ttl = REPLY_TTL,
				  .proto = t->proto };
}

static void put_ip6_head(uint8_t *ip, const struct tuple *t, uint32_t l4_len)
{
	translate__put_ip6(ip, &(struct ip6_head){ .src = t->src,
						   .dst = t->dst,
						   .payload = l4_len,
						   .next = t->proto,
						   .hops = REPLY_TTL });
}

/* Any link may be too narrow for an error, so it can be fragmented (RFC 1812 4.3.2.3). */
static void put_error_head(struct translate_state *st, uint8_t *ip, const struct tuple *t,
			   uint32_t l4_len)
{
	struct ip4_head h = ip4_head(t, l4_len);

	if (!addr_is_v4(&t->src)) {
		put_ip6_head(ip, t, l4_len);
		return;
	}
	h.tos = TOS_INTERNETWORK_CONTROL; /* RFC 1812 4.3.2.5 */
	h.id = translate__ident(st, &h);
	translate__put_ip4(ip, &h);
}

static void put_segment_head(uint8_t *ip, const struct tuple *t, uint32_t l4_len)
{
	struct ip4_head h = ip4_head(t, l4_len);

	if (!addr_is_v4(&t->src)) {
		put_ip6_head(ip, t, l4_len);
		return;
	}
	h.frag = DF; /* atomic: RFC 6864 4.1 */
	translate__put_ip4(ip, &h);
}

static bool build_error(struct translate_state *st, const struct packet *p, const struct addr *own,
			struct outbox *out)
{
	bool v6 = p->family == 6;
	uint32_t head = v6 ? IP6_LEN : IP4_LEN, max = v6 ? ICMP6_ERROR_MAX : ICMP4_ERROR_MAX;
	struct tuple t = { .src = *own,
			   .dst = packet_source(p),
			   .proto = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP };
	uint32_t n = quotable(p);
	struct packet *q;
	uint8_t *icmp;

	n = n < max - head - ICMP_LEN ? n : max - head - ICMP_LEN;
	q = outbox_add(out, head + ICMP_LEN + n);
	if (!q)
		return false;
	icmp = q->data + head;
	icmp[0] = v6 ? errors[p->verdict.reply].type6 : errors[p->verdict.reply].type4;
	icmp[1] = v6 ? errors[p->verdict.reply].code6 : errors[p->verdict.reply].code4;
	put_rest(p, icmp);
	memcpy(icmp + ICMP_LEN, p->data, n);
	if (p->off.gso)
		quote_first_segment(p, icmp + ICMP_LEN);
	put_checksum(icmp, ICMP_LEN + n,
		     v6 ? checksum_pseudo(&t.src, &t.dst, t.proto, ICMP_LEN + n) : 0);
	put_error_head(st, q->data, &t, ICMP_LEN + n);
	q->side = q->out_side = p->side;
	q->verdict = verdict_forward();
	return true;
}

/* RFC 9293 3.10.7.1 */
static bool build_reset(const struct packet *p, struct outbox *out)
{
	const uint8_t *tcp = p->data + p->l4_at;
	struct tuple back = tuple_reverse(&p->key);
	uint32_t seq = load32(tcp + 4), len = p->len - packet_headers_len(p);

	if (p->tcp_flags & TCP_RST || p->flags & PACKET_FRAGMENT)
		return false;
	if (p->tcp_flags & TCP_ACK)
		return tcp_segment_build(&back, load32(tcp + 8), 0, TCP_RST, p->side, out);
	len += (p->tcp_flags & TCP_SYN ? 1 : 0) + (p->tcp_flags & TCP_FIN ? 1 : 0);
	return tcp_segment_build(&back, 0, seq + len, TCP_RST | TCP_ACK, p->side, out);
}

bool reply_build(const struct translate_env *env, struct translate_state *st,
		 const struct packet *p, struct outbox *out)
{
	const struct addr *own = p->family == 6 ? &env->own6[p->side] : &env->own4[p->side];
	static const struct addr unknown;

	if (p->verdict.reply == REPLY_NONE || !may_answer(p))
		return false;
	if (p->verdict.reply == REPLY_TCP_RESET)
		return p->proto == IPPROTO_TCP && build_reset(p, out);
	return !addr_equal(own, &unknown) && build_error(st, p, own, out);
}

static void put_echo_head(uint8_t *ip, const struct packet *p, struct translate_state *st,
			  uint32_t l4_len)
{
	uint8_t tos = p->tclass & 0xfc; /* RFC 1349 5: that of the request; ECN is the link's */

	struct ip4_head h = { .src = packet_destination(p),
			      .dst = packet_source(p),
			      .total = (uint16_t)(IP4_LEN + l4_len),
			      .tos = tos,
			      .ttl = REPLY_TTL,
			      .proto = IPPROTO_ICMP };

	if (p->family == 4) {
		h.id = translate__ident(st, &h);
		translate__put_ip4(ip, &h);
		return;
	}
	translate__put_ip6(ip, &(struct ip6_head){ .src = h.src,
						   .dst = h.dst,
						   .payload = l4_len,
						   .tclass = tos,
						   .next = IPPROTO_ICMPV6,
						   .hops = REPLY_TTL });
}

struct packet *echo_reply_build(struct translate_state *st, const struct packet *p,
				struct outbox *out)
{
	uint32_t head = p->family == 4 ? IP4_LEN : IP6_LEN, l4_len = p->len - p->l4_at;
	uint8_t type = p->family == 4 ? ICMP4_TYPE_ECHO_REPLY : ICMP6_TYPE_ECHO_REPLY;
	struct packet *q = outbox_add(out, head + l4_len);
	uint8_t *icmp;

	if (!q)
		return NULL;
	icmp = q->data + head;
	memcpy(icmp, p->data + p->l4_at, l4_len);
	icmp[0] = type;
	checksum_apply(icmp + 2, checksum_delta(be16_from((uint16_t)(type << 8)).raw,
						be16_from((uint16_t)(p->icmp_type << 8)).raw));
	put_echo_head(q->data, p, st, l4_len);
	q->side = q->out_side = p->side;
	q->verdict = verdict_forward();
	return q;
}

struct packet *tcp_segment_build(const struct tuple *t, uint32_t seq, uint32_t ack, uint8_t flags,
				 uint8_t out_side, struct outbox *out)
{
	uint32_t head = addr_is_v4(&t->src) ? IP4_LEN : IP6_LEN;
	struct packet *q = outbox_add(out, head + 20);
	uint16_t csum;
	uint8_t *tcp;

	if (!q)
		return NULL;
	tcp = q->data + head;
	store_be16(tcp, t->sport);
	store_be16(tcp + 2, t->dport);
	store32(tcp + 4, seq);
	store32(tcp + 8, ack);
	store32(tcp + 12, 5u << 28 | (uint32_t)flags << 16); /* window 0 */
	store32(tcp + 16, 0);
	csum = (uint16_t)~checksum_fold(
		checksum_add(checksum_pseudo(&t->src, &t->dst, IPPROTO_TCP, 20), tcp, 20));
	memcpy(tcp + 16, &csum, sizeof(csum));
	put_segment_head(q->data, t, 20);
	q->out_side = out_side;
	q->verdict = verdict_forward();
	return q;
}
