/*
 * icmp_error.c - ICMP errors, all four pairs of families: the outer headers, the embedded packet,
 * and RFC 4884 extensions behind it.
 *
 * An error is short and rare: it is built anew, beside the old one, with its checksum computed (the
 * parser has verified the old one), and copied back.
 */
#include "sixgate/packet/icmp.h"
#include "translate_internal.h"

enum {
	QUOTE_MIN = 128,   /* RFC 4884 3: an original datagram field before extensions */
	EXTENSION_MIN = 4, /* its header */
	INNER_GROWTH = 64, /* at most, with 8 bytes of l4 and rounding */
	INNER_ROOM = 256   /* to be left behind the embedded header, or the error is not sent */
};

/**
 * struct quote - the parts behind the ICMP header, as received
 * @len:     bytes of the embedded packet (the original datagram field)
 * @ext:     the extension structure behind it, @ext_len bytes, 0 without
 */
struct quote {
	uint32_t len;
	const uint8_t *ext;
	uint32_t ext_len;
};

/* RFC 4884 4: where the length attribute stands from the ICMP header, 0 for types without; its unit
 * is 4 bytes in ICMPv4 and 8 in ICMPv6. */
static uint32_t length_at(uint8_t family, uint8_t type)
{
	if (family == 6)
		return type == ICMP6_TYPE_UNREACHABLE || type == ICMP6_TYPE_TIME_EXCEEDED ? 4 : 0;
	return type == ICMP4_TYPE_UNREACHABLE || type == ICMP4_TYPE_TIME_EXCEEDED ||
			       type == ICMP4_TYPE_PARAMETER
		       ? 5
		       : 0;
}

static uint32_t length_unit(uint8_t family)
{
	return family == 6 ? 8 : 4;
}

/* A length attribute that makes no sense is one of a sender that knows nothing of RFC 4884. */
static struct quote read_quote(const struct packet *p)
{
	struct quote q = { .len = p->len - p->inner_at };
	uint32_t at = length_at(p->family, p->icmp_type), len;

	if (!at)
		return q;
	len = p->data[p->l4_at + at] * length_unit(p->family);
	if (len < QUOTE_MIN || len + EXTENSION_MIN > q.len ||
	    p->inner_l4_at + 8u > p->inner_at + len || p->data[p->inner_at + len] >> 4 != 2)
		return q;
	return (struct quote){ .len = len,
			       .ext = p->data + p->inner_at + len,
			       .ext_len = q.len - len };
}

static bool translate_head(const struct job *j, struct icmp_head *h)
{
	const struct packet *p = j->p;
	uint32_t at;

	if (p->family != j->family)
		return j->family == 6 ? translate__icmp_4to6(j, h) : translate__icmp_6to4(j, h);
	*h = (struct icmp_head){ .type = p->icmp_type, .code = p->icmp_code };
	memcpy(h->rest, p->data + p->l4_at + 4, sizeof(h->rest));
	at = length_at(p->family, p->icmp_type);
	if (at)
		h->rest[at - 4] = 0;
	return true;
}

static uint32_t round_up(uint32_t n, uint32_t unit)
{
	return (n + unit - 1) & ~(unit - 1);
}

/* The least that is left of the embedded packet when extensions follow: its header, grown by a
 * change of family, and 8 bytes of its l4. */
static uint32_t quote_min(const struct packet *p)
{
	uint32_t head = (uint32_t)p->inner_l4_at - p->inner_at + INNER_GROWTH;

	return head > QUOTE_MIN ? head : QUOTE_MIN;
}

/* How much of the field is the embedded packet: what pads it stays behind, for the least that the
 * other family asks for is the place where readers that know no length look (RFC 4884 5.5). */
static uint32_t unpadded(const struct packet *p, uint32_t len)
{
	uint32_t declared = translate__inner_len(p);
	uint32_t least = (uint32_t)p->inner_l4_at - p->inner_at + 8;

	return declared >= least && declared < len ? declared : len;
}

/* The embedded packet and its extensions at @to. Return: bytes written, at most @room. */
static uint32_t put_quote(const struct job *j, struct icmp_head *h, uint8_t *to, uint32_t room)
{
	uint32_t at = length_at(j->family, h->type), unit = length_unit(j->family), len, field;
	struct quote q = read_quote(j->p);

	if (!at || !q.ext_len || q.ext_len + quote_min(j->p) > room)
		return translate__inner(j, q.len, to, room);
	len = unpadded(j->p, q.len);
	len = translate__inner(j, len, to, (room - q.ext_len) & ~(unit - 1));
	field = round_up(len < QUOTE_MIN ? QUOTE_MIN : len, unit);
	memset(to + len, 0, field - len);
	memcpy(to + field, q.ext, q.ext_len);
	h->rest[at - 4] = (uint8_t)(field / unit);
	return field + q.ext_len;
}

static void put_icmp(const struct job *j, const struct icmp_head *h, uint8_t *icmp, uint32_t len)
{
	uint16_t csum = 0;
	uint64_t sum = 0;

	icmp[0] = h->type;
	icmp[1] = h->code;
	memcpy(icmp + 2, &csum, sizeof(csum));
	memcpy(icmp + 4, h->rest, sizeof(h->rest));
	if (j->family == 6)
		sum = checksum_pseudo(&j->rw->outer_src, &j->rw->to.dst, IPPROTO_ICMPV6, len);
	csum = (uint16_t)~checksum_fold(checksum_add(sum, icmp, len));
	memcpy(icmp + 2, &csum, sizeof(csum));
}

static void put_outer_same(const struct job *j, uint8_t *ip, uint32_t len)
{
	const struct packet *p = j->p;

	memcpy(ip, p->data, p->l4_at);
	if (j->family == 6) {
		store16(ip + 4, (uint16_t)(len - IP6_LEN));
		ip[7] = translate__hops(j->env, p->ttl);
		memcpy(ip + 8, j->rw->outer_src.octet, 16);
		memcpy(ip + 24, j->rw->to.dst.octet, 16);
		return;
	}
	store16(ip + 2, (uint16_t)len);
	ip[8] = translate__hops(j->env, p->ttl);
	memcpy(ip + 12, j->rw->outer_src.octet + 12, 4);
	memcpy(ip + 16, j->rw->to.dst.octet + 12, 4);
	translate__sum_ip4_again(ip, p->l4_at);
}

static void put_outer6(const struct job *j, uint8_t *ip, uint32_t len)
{
	translate__put_ip6(ip, &(struct ip6_head){
				       .src = j->rw->outer_src,
				       .dst = j->rw->to.dst,
				       .payload = len - IP6_LEN,
				       .tclass = translate__class(j->env, j->p->tclass),
				       .next = IPPROTO_ICMPV6,
				       .hops = translate__hops(j->env, j->p->ttl),
			       });
}

static void put_outer4(const struct job *j, uint8_t *ip, uint32_t len)
{
	translate__put_ip4(ip, &(struct ip4_head){
				       .src = j->rw->outer_src,
				       .dst = j->rw->to.dst,
				       .total = (uint16_t)len,
				       .id = (uint16_t)j->st->ident++,
				       .tos = translate__class(j->env, j->p->tclass),
				       .ttl = translate__hops(j->env, j->p->ttl),
				       .proto = IPPROTO_ICMP,
			       });
}

static void put_outer(const struct job *j, uint8_t *ip, uint32_t len)
{
	if (j->family == j->p->family)
		put_outer_same(j, ip, len);
	else if (j->family == 6)
		put_outer6(j, ip, len);
	else
		put_outer4(j, ip, len);
}

/* Where the packet was, or as much before it as it has grown. */
static bool put_back(struct packet *p, const uint8_t *fresh, uint32_t len)
{
	uint32_t more = len > p->room ? len - p->room : 0;

	if (more > p->headroom)
		return false;
	p->data -= more;
	p->headroom -= more;
	p->room += more;
	memcpy(p->data, fresh, len);
	p->len = len;
	return true;
}

static uint32_t longest_error(const struct job *j)
{
	uint32_t max = j->family == 6 ? ICMP6_ERROR_MAX : ICMP4_ERROR_MAX;
	uint32_t mtu = j->env->mtu[j->rw->out_side];

	return mtu < max ? mtu : max;
}

struct verdict translate__icmp_error(struct job *j)
{
	uint8_t fresh[ICMP6_ERROR_MAX];
	struct packet *p = j->p;
	struct icmp_head h;
	uint32_t len, max;

	j->family = addr_is_v4(&j->rw->to.dst) ? 4 : 6;
	j->ip_len = j->family == p->family ? p->l4_at : j->family == 6 ? IP6_LEN : IP4_LEN;
	max = longest_error(j);
	if (!translate_head(j, &h))
		return verdict_drop(DROP_ICMP_TYPE);
	if (j->ip_len + ICMP_LEN + (p->inner_l4_at - p->inner_at) + INNER_ROOM > max ||
	    (j->family != p->family && translate__becomes_extension(p->inner_proto)))
		return verdict_drop(DROP_ICMP_INNER);
	len = j->ip_len + ICMP_LEN;
	len += put_quote(j, &h, fresh + len, max - len);
	put_icmp(j, &h, fresh + j->ip_len, len - j->ip_len);
	put_outer(j, fresh, len);
	if (!put_back(p, fresh, len))
		return verdict_drop(DROP_NO_BUFFER);
	p->out_side = j->rw->out_side;
	return verdict_forward();
}
