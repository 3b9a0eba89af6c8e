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
	INNER_GROWTH = 64, /* at most, with 8 bytes of l4 and rounding */
	INNER_ROOM = 256   /* to be left behind the embedded header, or the error is not sent */
};

static bool translate_head(const struct job *j, struct icmp_head *h)
{
	const struct packet *p = j->p;
	uint32_t at;

	if (p->family != j->family)
		return j->family == 6 ? translate__icmp_4to6(j, h) : translate__icmp_6to4(j, h);
	*h = (struct icmp_head){ .type = p->icmp_type, .code = p->icmp_code };
	memcpy(h->rest, p->data + p->l4_at + 4, sizeof(h->rest));
	at = translate__length_at(p->family, p->icmp_type);
	if (at)
		h->rest[at - 4] = 0;
	return true;
}

static uint32_t round_up(uint32_t n, uint32_t unit)
{
	return (n + unit - 1) & ~(unit - 1);
}

/* Bytes of the embedded header in what comes out. */
static uint32_t inner_head(const struct job *j)
{
	if (j->family == j->p->family)
		return (uint32_t)j->p->inner_l4_at - j->p->inner_at;
	return j->family == 6 ? IP6_LEN + FRAG6_LEN : IP4_LEN;
}

/* The least that is left of the embedded packet when extensions follow: its header and 8 bytes of
 * its l4, rounded up. */
static uint32_t quote_min(const struct job *j)
{
	uint32_t head = inner_head(j) + 16;

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

/* The embedded packet and its extensions at @to. What leaves no place for the packet is left out:
 * first our own object, then all (RFC 7915 4.2, 5.2). Return: bytes written, at most @room. */
static uint32_t put_quote(const struct job *j, struct icmp_head *h, uint8_t *to, uint32_t room)
{
	uint32_t at = translate__length_at(j->family, h->type);
	uint32_t unit = translate__length_unit(j->family), ext, len, field;
	struct quote q = translate__read_quote(j->p);

	ext = at ? translate__extension_len(j, &q) : 0;
	if (ext + quote_min(j) > room)
		ext = q.ext_len;
	if (!at || !ext || ext + quote_min(j) > room)
		return translate__inner(j, q.len, to, room);
	len = unpadded(j->p, q.len);
	len = translate__inner(j, len, to, (room - ext) & ~(unit - 1));
	field = round_up(len < QUOTE_MIN ? QUOTE_MIN : len, unit);
	memset(to + len, 0, field - len);
	translate__put_extension(j, &q, to + field, ext);
	h->rest[at - 4] = (uint8_t)(field / unit);
	return field + ext;
}

static struct addr error_destination(const struct job *j)
{
	static const struct addr same;

	return addr_equal(&j->rw->outer_dst, &same) ? j->rw->to.dst : j->rw->outer_dst;
}

static void put_icmp(const struct job *j, const struct icmp_head *h, uint8_t *icmp, uint32_t len)
{
	struct addr dst = error_destination(j);
	uint16_t csum = 0;
	uint64_t sum = 0;

	icmp[0] = h->type;
	icmp[1] = h->code;
	memcpy(icmp + 2, &csum, sizeof(csum));
	memcpy(icmp + 4, h->rest, sizeof(h->rest));
	if (j->family == 6)
		sum = checksum_pseudo(&j->rw->outer_src, &dst, IPPROTO_ICMPV6, len);
	csum = (uint16_t)~checksum_fold(checksum_add(sum, icmp, len));
	memcpy(icmp + 2, &csum, sizeof(csum));
}

static void put_outer_same(const struct job *j, uint8_t *ip, uint32_t len)
{
	const struct packet *p = j->p;
	struct addr dst = error_destination(j);

	memcpy(ip, p->data, p->l4_at);
	if (j->family == 6) {
		store16(ip + 4, (uint16_t)(len - IP6_LEN));
		ip[7] = translate__hops(j->env, p->ttl);
		memcpy(ip + 8, j->rw->outer_src.octet, 16);
		memcpy(ip + 24, dst.octet, 16);
		return;
	}
	store16(ip + 2, (uint16_t)len);
	ip[8] = translate__hops(j->env, p->ttl);
	memcpy(ip + 12, j->rw->outer_src.octet + 12, 4);
	memcpy(ip + 16, dst.octet + 12, 4);
	translate__sum_ip4_again(ip, p->l4_at);
}

static void put_outer6(const struct job *j, uint8_t *ip, uint32_t len)
{
	translate__put_ip6(ip, &(struct ip6_head){
				       .src = j->rw->outer_src,
				       .dst = error_destination(j),
				       .payload = len - IP6_LEN,
				       .tclass = translate__class(j->env, j->p->tclass),
				       .next = IPPROTO_ICMPV6,
				       .hops = translate__hops(j->env, j->p->ttl),
			       });
}

static void put_outer4(const struct job *j, uint8_t *ip, uint32_t len)
{
	struct ip4_head h = {
		.src = j->rw->outer_src,
		.dst = error_destination(j),
		.total = (uint16_t)len,
		.tos = translate__class(j->env, j->p->tclass),
		.ttl = translate__hops(j->env, j->p->ttl),
		.proto = IPPROTO_ICMP,
	};

	h.id = translate__ident(j->st, &h);
	translate__put_ip4(ip, &h);
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
static void put_back(struct packet *p, const uint8_t *fresh, uint32_t len)
{
	uint32_t more = len > p->room ? len - p->room : 0;

	must(more <= p->headroom);
	p->data -= more;
	p->headroom -= more;
	p->room += more;
	memcpy(p->data, fresh, len);
	p->len = len;
}

static uint32_t longest_error(const struct job *j)
{
	uint32_t max = j->family == 6 ? ICMP6_ERROR_MAX : ICMP4_ERROR_MAX;
	uint32_t mtu = j->env->mtu[j->rw->out_side];

	return mtu < max ? mtu : max;
}

/* Of what is never translated nobody can complain. Fragments of ICMP do not come through (RFC 7915
 * 1.2), but are what our own echoes become: cut by us for IPv6, or by routers behind us for IPv4. */
static bool inner_can_change(const struct job *j)
{
	const struct packet *p = j->p;

	if (p->family == j->family)
		return true;
	if (p->inner_fragment && p->family == 6 && translate__is_late_extension(p->inner_proto))
		return false;
	return !translate__stays_behind(p->inner_proto);
}

/* Packets to there that nobody will complain of are cut from now on. */
static void learn_path(const struct job *j)
{
	const struct packet *p = j->p;
	uint32_t mtu = load32(p->data + p->l4_at + 4);
	uint32_t quoted = IP6_LEN + load16(p->data + p->inner_at + 4);

	if (mtu < quoted && mtu < translate__limit_without_df(j->env, j->env->mtu[p->side]))
		translate__remember_path(j->st, &p->key.src, mtu);
}

struct verdict translate__icmp_error(struct job *j)
{
	uint8_t fresh[ICMP6_ERROR_MAX];
	struct packet *p = j->p;
	struct icmp_head h;
	uint32_t len, max, space = p->headroom + p->room;

	j->family = addr_is_v4(&j->rw->to.dst) ? 4 : 6;
	j->ip_len = j->family == p->family ? p->l4_at : j->family == 6 ? IP6_LEN : IP4_LEN;
	max = longest_error(j);
	if (!translate_head(j, &h))
		return verdict_drop(DROP_ICMP_TYPE);
	if (j->ip_len + ICMP_LEN + inner_head(j) + INNER_ROOM > max || !inner_can_change(j))
		return verdict_drop(DROP_ICMP_INNER);
	if (space < p->len + INNER_GROWTH)
		return verdict_drop(DROP_NO_BUFFER);
	if (p->family == 6 && j->family == 4 && p->icmp_type == ICMP6_TYPE_TOO_BIG)
		learn_path(j);
	len = j->ip_len + ICMP_LEN;
	len += put_quote(j, &h, fresh + len, (space < max ? space : max) - len);
	put_icmp(j, &h, fresh + j->ip_len, len - j->ip_len);
	put_outer(j, fresh, len);
	put_back(p, fresh, len);
	p->out_side = j->rw->out_side;
	return verdict_forward();
}
