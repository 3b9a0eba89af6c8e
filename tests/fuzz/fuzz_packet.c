/*
 * fuzz_packet.c - hostile bytes through the parser. Input: a byte whose bit 0 is the side and bit 1
 * says that offload facts follow (9 bytes), then the packet.
 *
 * Facts that the parser establishes must be true: every offset lies inside the packet, lengths
 * agree, and a packet that is dropped has a reason.
 */
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "sixgate/base/must.h"
#include "sixgate/packet/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool has_ports(uint8_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_ICMP ||
	       proto == IPPROTO_ICMPV6;
}

/* RFC 792 promises 8 bytes of what an error is about; they are there where a flow is told by them. */
static void check_inner(const struct packet *p)
{
	bool ports = p->key.sport.raw || p->key.dport.raw;

	must(p->inner_at >= p->l4_at + 8u && p->inner_l4_at >= p->inner_at + 20u);
	must(p->inner_l4_at <= p->len);
	if (has_ports(p->inner_proto) && (ports || !p->inner_fragment))
		must(p->inner_l4_at + 8u <= p->len);
}

static void check_l4(const struct packet *p)
{
	bool later = p->flags & PACKET_FRAGMENT && !(p->flags & PACKET_FIRST_FRAGMENT);

	must(p->l4_at >= (p->family == 4 ? 20 : 40) && p->l4_at <= p->len);
	if (later)
		return;
	if (p->proto == IPPROTO_TCP)
		must(p->l4_at + 20u <= p->len &&
		     p->l4_at + (p->data[p->l4_at + 12] >> 4) * 4u <= p->len);
	if (p->proto == IPPROTO_UDP)
		must(p->l4_at + 8u <= p->len);
	if (p->flags & PACKET_ICMP_ERROR)
		check_inner(p);
}

static void check_facts(const struct packet *p, size_t size)
{
	must(p->family == 4 || p->family == 6);
	must(p->len <= size && p->len >= 20);
	must(p->data[0] >> 4 == p->family);
	must(addr_is_v4(&p->key.src) == (p->family == 4));
	must(p->key.zero[0] == 0 && p->key.zero[1] == 0 && p->key.zero[2] == 0);
	check_l4(p);
	if (p->off.gso != GSO_NONE)
		must(p->off.csum_partial && p->off.gso_size > 0);
	if (p->off.csum_partial)
		must((uint32_t)p->off.csum_start + p->off.csum_offset + 2 <= p->len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct packet p = { .headroom = 0 };
	struct verdict v;
	uint8_t *mem;

	if (size < 11)
		return 0;
	p.side = data[0] & 1;
	if (data[0] & 2) {
		p.off = (struct offload){ .gso = data[1] & 3,
					  .csum_partial = data[1] >> 6 & 1,
					  .gso_size = load16(data + 2),
					  .csum_start = load16(data + 4),
					  .csum_offset = load16(data + 6),
					  .hdr_len = load16(data + 8) };
		data += 9;
		size -= 9;
	}
	data++;
	size--;
	mem = malloc(size);
	must(mem);
	memcpy(mem, data, size);
	p.data = mem;
	p.len = p.room = (uint32_t)size;
	v = packet_parse(&p);
	if (v.next == VERDICT_CONTINUE)
		check_facts(&p, size);
	else
		must(v.next == VERDICT_DROP && v.why > DROP_NONE && v.why < DROP_N_REASONS);
	free(mem);
	return 0;
}
