/* offload.c - work that the sender's kernel left undone: are the facts about it true, and doing it
 * where it cannot be left. */
#include <netinet/in.h>
#include "packet_internal.h"
#include "sixgate/packet/checksum.h"
#include "sixgate/packet/parse.h"

void packet_finish_checksum(struct packet *p)
{
	uint8_t *field = p->data + p->off.csum_start + p->off.csum_offset;
	uint64_t sum = checksum_add(0, p->data + p->off.csum_start, p->len - p->off.csum_start);
	uint16_t csum = (uint16_t)~checksum_fold(sum);

	if (csum == 0)
		csum = 0xffff; /* RFC 768; the same number for everybody else */
	memcpy(field, &csum, sizeof(csum));
	p->off.csum_partial = false;
}

static uint16_t checksum_at(uint8_t proto)
{
	return proto == IPPROTO_TCP ? 16 : 6;
}

enum drop_reason packet__settle_checksum(struct packet *p)
{
	const struct offload *off = &p->off;
	bool has_ports = p->proto == IPPROTO_TCP || p->proto == IPPROTO_UDP;

	if (p->flags & PACKET_FRAGMENT)
		return DROP_BAD_OFFLOAD;
	if (has_ports && off->csum_start == p->l4_at && off->csum_offset == checksum_at(p->proto))
		return DROP_NONE;
	/* ICMP, or the inside of a tunnel */
	if (off->gso || off->csum_start < p->l4_at ||
	    (uint32_t)off->csum_start + off->csum_offset + 2 > p->len)
		return DROP_BAD_OFFLOAD;
	packet_finish_checksum(p);
	return DROP_NONE;
}

static bool gso_kind_fits(const struct packet *p)
{
	switch ((enum gso_kind)p->off.gso) {
	case GSO_TCP4:
		return p->proto == IPPROTO_TCP && p->family == 4;
	case GSO_TCP6:
		return p->proto == IPPROTO_TCP && p->family == 6;
	case GSO_UDP:
		return p->proto == IPPROTO_UDP;
	case GSO_NONE:
		break;
	}
	return false;
}

enum drop_reason packet__check_gso(struct packet *p)
{
	uint32_t head;

	if (!gso_kind_fits(p) || p->flags & PACKET_FRAGMENT || !p->off.csum_partial ||
	    p->off.gso_size == 0)
		return DROP_BAD_OFFLOAD;
	head = packet_headers_len(p);
	if (head > GSO_HEADERS_MAX)
		return DROP_BAD_OFFLOAD;
	if (p->len - head <= p->off.gso_size) {
		p->off.gso = GSO_NONE;
		p->off.gso_size = 0;
		p->off.gso_ecn = false;
	}
	return DROP_NONE;
}
