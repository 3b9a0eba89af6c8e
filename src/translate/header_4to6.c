/* header_4to6.c - RFC 7915 section 4.1: the IPv6 header, and Fragment Header where one is needed,
 * for what was an IPv4 packet. Options are left behind. */
#include "translate_internal.h"

/* An atomic fragment is written only on the way to be cut. */
static void put_fragment_header(const struct packet *p, uint8_t *at, uint8_t proto)
{
	at[0] = proto;
	at[1] = 0;
	store16(at + 2, (uint16_t)(p->frag_offset | (p->more_fragments ? 1 : 0)));
	store32(at + 4, p->frag_id); /* 16 bits of IPv4 */
}

void translate__header_4to6(struct job *j)
{
	struct packet *p = j->p;
	uint8_t proto = translate__proto(6, p->proto);
	struct ip6_head h = {
		.src = j->rw->to.src,
		.dst = j->rw->to.dst,
		.payload = translate__l4_len(p) + j->ip_len - IP6_LEN,
		.tclass = translate__class(j->env, p->tclass),
		.next = j->fragment ? IPPROTO_FRAGMENT : proto,
		.hops = translate__hops(j->env, p->ttl),
	};
	uint8_t *ip = translate__move_head(p, j->ip_len);

	translate__put_ip6(ip, &h);
	if (unlikely(j->fragment))
		put_fragment_header(p, ip + IP6_LEN, proto);
}
