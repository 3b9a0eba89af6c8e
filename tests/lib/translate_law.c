/* translate_law.c - see translate_law.h. */
#include "translate_law.h"
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include "sixgate/base/must.h"
#include "sixgate/packet/checksum.h"
#include "sixgate/packet/parse.h"

#define law(cond)                                                                                  \
	((cond) ? (void)0                                                                          \
		: (fprintf(stderr, "law broken, line %d: %s\n", __LINE__, #cond), abort()))

enum { OUT_PACKETS = 1024, OUT_BYTES = 2 << 20, PROTO_DCCP = 33, PROTO_UDPLITE = 136 };

/** struct trial - one packet in exactly sized memory: a byte too far is seen */
struct trial {
	const struct law_case *c;
	uint8_t *mem, *original;
	struct packet before, p;
	struct translate_state st;
	struct rewrite rw;
	struct outbox out;
};

static uint8_t *out_bytes;
static struct packet out_packets[OUT_PACKETS];

static void repair_icmp(uint8_t *data, const struct packet *p)
{
	uint32_t len = p->len - p->l4_at;
	uint8_t *icmp = data + p->l4_at;
	uint64_t sum = 0;
	uint16_t csum = 0;

	if (len < 8)
		return;
	if (p->family == 4 && len >= 28 && (icmp[8] & 15) >= 5 && 8 + (icmp[8] & 15) * 4u <= len) {
		memcpy(icmp + 18, &csum, 2);
		csum = (uint16_t)~checksum_fold(checksum_add(0, icmp + 8, (icmp[8] & 15) * 4u));
		memcpy(icmp + 18, &csum, 2);
	}
	if (p->family == 6) {
		struct addr src = packet_source(p), dst = packet_destination(p);

		sum = checksum_pseudo(&src, &dst, IPPROTO_ICMPV6, len);
	}
	csum = 0;
	memcpy(icmp + 2, &csum, 2);
	csum = (uint16_t)~checksum_fold(checksum_add(sum, icmp, len));
	memcpy(icmp + 2, &csum, 2);
}

static void repair_ip4(uint8_t *data, uint32_t len)
{
	uint32_t head = (data[0] & 15) * 4u;
	uint16_t csum = 0;

	if (len < 20 || data[0] >> 4 != 4 || head < 20 || head > len)
		return;
	memcpy(data + 10, &csum, 2);
	csum = (uint16_t)~checksum_fold(checksum_add(0, data, head));
	memcpy(data + 10, &csum, 2);
}

static void load(struct trial *t)
{
	const struct law_case *c = t->c;
	uint8_t *at;

	t->mem = malloc(PACKET_HEADROOM + c->len + 1);
	t->original = malloc(c->len + 1);
	must(t->mem && t->original);
	at = t->mem + PACKET_HEADROOM;
	memcpy(at, c->data, c->len);
	if (c->repair)
		repair_ip4(at, c->len);
	t->p = (struct packet){ .data = at,
				.len = c->len,
				.room = c->len,
				.headroom = PACKET_HEADROOM,
				.side = c->side,
				.off = c->off };
	if (!c->repair)
		return;
	t->before = t->p;
	if (packet_parse(&t->before).why == DROP_BAD_ICMP_CHECKSUM || t->before.icmp_type)
		repair_icmp(at, &t->before);
}

/* What @p's checksum is wrong by, one's complement: the same before and after. An unfinished one is
 * compared with the pseudo-header that it should hold. Return: 0xffff when it is right. */
static uint16_t wrong_by(const struct packet *p)
{
	struct addr src = packet_source(p), dst = packet_destination(p);
	uint32_t len = p->len - p->l4_at;
	uint64_t sum = p->proto == IPPROTO_ICMP ? 0 : checksum_pseudo(&src, &dst, p->proto, len);
	uint16_t field;

	if (!p->off.csum_partial) {
		sum = checksum_fold(checksum_add(sum, p->data + p->l4_at, len));
		return sum ? (uint16_t)sum : 0xffff;
	}
	memcpy(&field, p->data + p->off.csum_start + p->off.csum_offset, 2);
	sum = checksum_fold((uint64_t)field + (uint16_t)~checksum_fold(sum));
	return sum ? (uint16_t)sum : 0xffff;
}

static bool has_l4(const struct packet *p)
{
	return (p->flags & (PACKET_FRAGMENT | PACKET_FIRST_FRAGMENT)) != PACKET_FRAGMENT;
}

/* One that sums a pseudo-header of the whole length. UDP-Lite's 0 is no number. */
static bool has_checksum(const struct packet *p)
{
	switch (p->proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return true;
	case PROTO_DCCP:
		return p->len - p->l4_at >= 8;
	case PROTO_UDPLITE:
		return p->len - p->l4_at >= 8 && load16(p->data + p->l4_at + 6) != 0;
	default:
		return false;
	}
}

static bool is_udp_without_checksum(const struct packet *p)
{
	return p->proto == IPPROTO_UDP && has_l4(p) && !p->off.csum_partial &&
	       load16(p->data + p->l4_at + 6) == 0;
}

static struct packet parsed_again(const struct packet *q)
{
	struct packet f = *q;

	law(packet_parse(&f).next == VERDICT_CONTINUE);
	law(f.len == q->len);
	law(q->len <= q->room);
	return f;
}

static uint32_t segment_len(const struct packet *p)
{
	return p->off.gso ? packet_headers_len(p) + p->off.gso_size : p->len;
}

static void law_of_what_is_sent(const struct trial *t, const struct packet *q)
{
	struct packet f = parsed_again(q);

	law(q->out_side == t->rw.out_side);
	law(segment_len(&f) <= t->c->env.mtu[q->out_side]);
	law(f.family == (addr_is_v4(&t->rw.to.dst) ? 4 : 6));
	law(f.off.csum_partial == q->off.csum_partial && f.off.gso == q->off.gso);
	law(addr_equal(&f.key.src, &t->rw.to.src) && addr_equal(&f.key.dst, &t->rw.to.dst));
	if (has_l4(&f))
		law(tuple_equal(&f.key, &t->rw.to));
}

/* RFC 7915 5.1, 5.1.1 of what was IPv6 */
static void law_of_ip4_headers(const struct packet *was, const struct packet *is)
{
	uint16_t frag = load16(is->data + 6);

	law(is->l4_at == 20 && !(frag & 0x8000));
	if (was->flags & PACKET_HAS_FRAG_HDR) {
		law(is->frag_id == (was->frag_id & 0xffff));
		law(frag == (was->frag_offset / 8 | (was->more_fragments ? 0x2000 : 0)));
	} else {
		law(frag == (segment_len(is) > 1260 ? 0x4000 : 0));
	}
}

/* RFC 7915 4.1 of what was IPv4 */
static void law_of_ip6_headers(const struct packet *was, const struct packet *is)
{
	law((load32(is->data) & 0xfffff) == 0); /* flow label */
	law(is->l4_at == (was->flags & PACKET_FRAGMENT ? 48 : 40));
	law(!(is->flags & PACKET_HAS_FRAG_HDR) == !(was->flags & PACKET_FRAGMENT));
	law(is->frag_id == (was->flags & PACKET_FRAGMENT ? was->frag_id : 0));
	law(is->frag_offset == was->frag_offset && is->more_fragments == was->more_fragments);
}

/* Within a family, all stays but addresses, hops and what follows from them: flow label, options,
 * extension headers, Identification, DF. */
static void law_of_the_same_header(const struct packet *was, const struct packet *is)
{
	uint32_t fixed = was->family == 6 ? 40 : 20;

	law(is->l4_at == was->l4_at);
	law(memcmp(is->data + fixed, was->data + fixed, was->l4_at - fixed) == 0);
	if (was->family == 6) {
		law(memcmp(is->data, was->data, 4) == 0 && is->data[6] == was->data[6]);
	} else {
		law(memcmp(is->data, was->data, 2) == 0 && is->data[9] == was->data[9]);
		law(memcmp(is->data + 4, was->data + 4, 4) == 0);
	}
}

static void law_of_headers(const struct trial *t)
{
	struct packet was = t->before, is = parsed_again(&t->p);
	const struct translate_env *env = &t->c->env;
	int hops = was.ttl + env->hops;

	law(is.ttl == (hops > 255 ? 255 : hops));
	was.data = t->original;
	if (is.family == was.family) {
		law_of_the_same_header(&was, &is);
		return;
	}
	law(is.tclass == (env->conf.copy_traffic_class ? was.tclass : env->conf.tos));
	if (was.flags & PACKET_ICMP_ERROR)
		return;
	if (is.family == 4)
		law_of_ip4_headers(&was, &is);
	else
		law_of_ip6_headers(&was, &is);
}

/* 0 stands for no checksum, and only where IPv6 is not involved. */
static void law_of_checksums(const struct trial *t)
{
	struct packet was = t->before, is = parsed_again(&t->p);

	was.data = t->original;
	if (!has_l4(&was) || !has_checksum(&was) ||
	    was.flags & (PACKET_ICMP_ERROR | PACKET_FRAGMENT))
		return;
	if (was.family == 4 && is_udp_without_checksum(&was)) {
		law((is.family == 4) == is_udp_without_checksum(&is));
		return;
	}
	if (!(was.family == 6 && is.family == 6))
		law(!is_udp_without_checksum(&is));
	if (!(is_udp_without_checksum(&was) && is_udp_without_checksum(&is)))
		law(wrong_by(&was) == wrong_by(&is));
}

static void law_of_fragments(const struct trial *t)
{
	uint32_t sum = 0, at = t->before.frag_offset;
	uint16_t n = 0;

	for (uint16_t i = 0; i < t->out.n; i++) {
		const struct packet *q = &t->out.packet[i];
		struct packet f;

		if (q->verdict.next != VERDICT_FORWARD)
			continue;
		law_of_what_is_sent(t, q);
		f = parsed_again(q);
		if (!t->before.off.gso) {
			law(f.frag_offset == at);
			law(f.more_fragments || i == t->out.n - 1);
		}
		at += f.len - f.l4_at;
		sum += f.len - f.l4_at;
		n++;
	}
	law(n > 1);
	if (!t->before.off.gso)
		law(sum == t->before.len - t->before.l4_at);
}

static void law_of_drops(struct trial *t, struct verdict v)
{
	struct packet f;
	uint16_t n = t->out.n;

	law(v.why > DROP_NONE && v.why < DROP_N_REASONS);
	law(t->p.data == t->mem + PACKET_HEADROOM && t->p.len == t->before.len);
	law(memcmp(t->p.data, t->original, t->p.len) == 0);
	t->p.verdict = v;
	if (!reply_build(&t->c->env, &t->st, &t->p, &t->out))
		return;
	law(t->out.n == n + 1);
	f = t->out.packet[n];
	law(f.verdict.next == VERDICT_FORWARD && f.out_side == t->p.side);
	law(f.len <= (f.data[0] >> 4 == 4 ? 576 : 1280));
	v = packet_parse(&f);
	law(v.next == VERDICT_CONTINUE ||
	    v.why == DROP_ICMP_INNER); /* less than 8 bytes to quote */
}

/* Where the checksum of @p stands in its l4 header; -1 for none. */
static int checksum_at(const struct packet *p)
{
	switch (p->proto) {
	case IPPROTO_TCP:
		return 16;
	case IPPROTO_UDP:
		return 6;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return 2;
	case PROTO_DCCP:
	case PROTO_UDPLITE:
		return p->len - p->l4_at >= 8 ? 6 : -1;
	default:
		return -1;
	}
}

/* The MSS that was lowered stays so, and checksums that differ by a zero are the same. */
static bool same_l4(const struct packet *a, const struct packet *b)
{
	const uint8_t *x = a->data + a->l4_at, *y = b->data + b->l4_at;
	uint32_t len = a->len - a->l4_at, at = (uint32_t)checksum_at(a);

	if (b->len - b->l4_at != len)
		return false;
	if (checksum_at(a) < 0 || !has_l4(a))
		return memcmp(x, y, len) == 0;
	if (a->proto == IPPROTO_TCP && a->tcp_flags & 2)
		return memcmp(x, y, 16) == 0;
	return memcmp(x, y, at) == 0 && memcmp(x + at + 2, y + at + 2, len - at - 2) == 0;
}

static void law_of_round_trips(struct trial *t)
{
	struct packet back = parsed_again(&t->p), was = t->before, is;
	struct rewrite rw = { .to = t->before.key, .out_side = t->p.side };
	struct translate_env env = t->c->env;
	struct verdict v;

	was.data = t->original;
	if (was.off.gso)
		return;
	env.hops = 1;
	env.mtu[t->p.side] = 65535;
	env.conf.mss_clamp = MSS_CLAMP_OFF;
	env.conf.lowest_ipv6_mtu = 65535;
	rw.addr_delta = rewrite_addr_delta(&back.key, &rw.to);
	back.side = t->rw.out_side;
	v = translate_packet(&env, &t->st, &back, &rw, &t->out);
	if (v.why == DROP_FRAGMENT_ZERO_CHECKSUM || v.why == DROP_UDP_ZERO_CHECKSUM)
		return; /* on its own way it had to pass no IPv6 */
	if (v.why == DROP_EXT_HEADERS && was.family == 4)
		return; /* AH and its like in fragments: RFC 7915 5.1.1 refuses what 4.1 makes */
	law(v.next == VERDICT_FORWARD);
	is = parsed_again(&back);
	is.key.proto = was.key.proto;
	law(addr_equal(&is.key.src, &was.key.src) && addr_equal(&is.key.dst, &was.key.dst));
	law(is.frag_offset == was.frag_offset && is.more_fragments == was.more_fragments);
	law(is.tclass == was.tclass || !t->c->env.conf.copy_traffic_class);
	if (!(is_udp_without_checksum(&was) && was.family == 4))
		law(same_l4(&was, &is));
}

/* Bytes of the embedded packet's l4 that are certainly neither padding nor extensions: of what was
 * received by its lengths, and of those the first, for the end makes room for extensions. */
static uint32_t certainly_quoted(const struct packet *p)
{
	uint32_t at = p->inner_l4_at - p->inner_at, len = p->len - p->inner_l4_at, said;
	const uint8_t *ip = p->data + p->inner_at;

	said = p->family == 6 ? 40u + load16(ip + 4) : load16(ip + 2);
	if (said >= at && said - at < len)
		len = said - at;
	said = p->family == 6 ? p->data[p->l4_at + 4] * 8 : p->data[p->l4_at + 5] * 4;
	if (said >= at && said - at < len)
		len = said - at;
	return len < 64 ? len : 64;
}

/* What @b must have of the l4 that @a quotes, checksum apart. */
static bool same_quote(const struct packet *a, const struct packet *b)
{
	const uint8_t *x = a->data + a->inner_l4_at, *y = b->data + b->inner_l4_at;
	uint32_t len = certainly_quoted(a), at;

	if (b->len - b->inner_l4_at < len)
		return false;
	switch (a->inner_proto) {
	case IPPROTO_TCP:
		at = 16;
		break;
	case IPPROTO_UDP:
	case PROTO_DCCP:
	case PROTO_UDPLITE:
		at = 6;
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		at = 2;
		break;
	default:
		return memcmp(x, y, len) == 0;
	}
	if (len <= at)
		return memcmp(x, y, len) == 0;
	return memcmp(x, y, at) == 0 &&
	       (len <= at + 2 || !memcmp(x + at + 2, y + at + 2, len - at - 2));
}

/* An error translated back is about the same packet, from the same sender, to the same receiver, if
 * it says something that both families have. */
static void law_of_errors(struct trial *t)
{
	struct packet back = parsed_again(&t->p), was = t->before, is;
	struct rewrite rw = { .to = t->before.key, .out_side = t->p.side };
	struct translate_env env = t->c->env;
	uint8_t bytes[PACKET_HEADROOM + 1280];
	struct verdict v;

	was.data = t->original;
	law(back.len <= (back.family == 4 ? 576 : 1280));
	law(back.flags & PACKET_ICMP_ERROR);
	memcpy(bytes + PACKET_HEADROOM, back.data, back.len); /* it has used up its headroom */
	back.data = bytes + PACKET_HEADROOM;
	back.headroom = PACKET_HEADROOM;
	back.room = back.len;
	rw.outer_src = packet_source(&was);
	rw.outer_dst = packet_destination(&was);
	env.hops = 1;
	env.mtu[0] = env.mtu[1] = 65535;
	back.side = t->rw.out_side;
	v = translate_packet(&env, &t->st, &back, &rw, &t->out);
	if (v.why == DROP_ICMP_TYPE || (v.why == DROP_ICMP_INNER && was.inner_fragment))
		return;
	law(v.next == VERDICT_FORWARD);
	is = back;
	v = packet_parse(&is);
	if (v.why == DROP_BAD_ADDRESS || v.why == DROP_LINK_LOCAL)
		return; /* a source that IPv6 does not have */
	law(v.next == VERDICT_CONTINUE);
	is.key.proto = was.key.proto;
	law(tuple_equal(&is.key, &was.key));
	law(is.inner_fragment == was.inner_fragment);
	law(same_quote(&was, &is));
}

static void judge(struct trial *t, struct verdict v)
{
	if (v.next == VERDICT_FORWARD) {
		law_of_what_is_sent(t, &t->p);
		law_of_headers(t);
		law_of_checksums(t);
		if (t->before.flags & PACKET_ICMP_ERROR)
			law_of_errors(t);
		else
			law_of_round_trips(t);
	} else if (v.next == VERDICT_HELD) {
		law_of_fragments(t);
	} else {
		law(v.next == VERDICT_DROP);
		law_of_drops(t, v);
	}
}

static void set_rewrite(struct trial *t)
{
	struct tuple to = t->c->to;
	bool v4 = addr_is_v4(&to.dst), icmp;

	icmp = t->p.key.proto == IPPROTO_ICMP || t->p.key.proto == IPPROTO_ICMPV6;
	to.proto = !icmp ? t->p.key.proto : v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	if (icmp)
		to.dport = to.sport;
	if (!icmp && t->p.key.proto != IPPROTO_TCP && t->p.key.proto != IPPROTO_UDP)
		to.sport = to.dport = be16_from(0);
	if (t->p.inner_fragment && !t->p.key.sport.raw && !t->p.key.dport.raw)
		to.sport = to.dport = be16_from(0); /* a later one: they are not known */
	t->rw = (struct rewrite){ .to = to,
				  .outer_src = to.src,
				  .outer_src_shared = t->c->name_source,
				  .addr_delta = rewrite_addr_delta(&t->p.key, &to),
				  .out_side = !t->p.side };
}

struct verdict translate_laws_hold(const struct law_case *c)
{
	struct trial t = { .c = c };
	struct verdict v;

	if (!out_bytes)
		out_bytes = malloc(OUT_BYTES);
	must(out_bytes);
	outbox_init(&t.out, out_bytes, OUT_BYTES, out_packets, OUT_PACKETS);
	load(&t);
	v = packet_parse(&t.p);
	t.before = t.p;
	memcpy(t.original, t.p.data, t.p.len);
	if (v.next == VERDICT_CONTINUE) {
		set_rewrite(&t);
		v = translate_packet(&c->env, &t.st, &t.p, &t.rw, &t.out);
		judge(&t, v);
	} else if (v.reply != REPLY_NONE) {
		law_of_drops(&t, v);
	}
	free(t.mem);
	free(t.original);
	return v;
}
