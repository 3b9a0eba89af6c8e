/* header_6to4.c - RFC 7915 section 5.1 and 5.1.1: the IPv4 header for what was an IPv6 packet. */
#include "translate_internal.h"

/* 5.1.1: with a Fragment Header, an atomic one included, its fields are kept and DF stays clear. */
static void from_fragment_header(const struct packet *p, struct ip4_head *h)
{
	h->id = (uint16_t)p->frag_id;
	h->frag = (uint16_t)((p->more_fragments ? 0x2000 : 0) | p->frag_offset / 8);
}

/* 5.1: DF by the length of the packet, or of each segment. An Identification always: what DF
 * protects is not fragmented, but middleboxes clear it. Segments number themselves from ours on. */
static void fresh_identification(struct job *j, struct ip4_head *h)
{
	const struct offload *off = &j->p->off;
	uint32_t len = h->total, n = 1;

	if (unlikely(off->gso)) {
		uint32_t head = packet_headers_len(j->p) - j->p->l4_at + IP4_LEN;

		n = (len - head + off->gso_size - 1) / off->gso_size;
		len = head + off->gso_size;
	}
	h->id = likely(n == 1) ? translate__ident(j->st, h) : translate__idents(j->st, h, n);
	h->frag = len > IP4_DF_ABOVE ? 0x4000 : 0;
}

void translate__header_6to4(struct job *j)
{
	struct packet *p = j->p;
	struct ip4_head h = {
		.src = j->rw->to.src,
		.dst = j->rw->to.dst,
		.total = (uint16_t)(IP4_LEN + translate__l4_len(p)),
		.tos = translate__class(j->env, p->tclass),
		.ttl = translate__hops(j->env, p->ttl),
		.proto = translate__proto(4, p->proto),
	};

	if (unlikely(p->flags & PACKET_HAS_FRAG_HDR))
		from_fragment_header(p, &h);
	else
		fresh_identification(j, &h);
	translate__put_ip4(translate__move_head(p, IP4_LEN), &h);
}
