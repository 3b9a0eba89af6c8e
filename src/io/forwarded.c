/* forwarded.c - hop counts and unfinished checksums of packets that come by no TUN device. */
#include "forwarded.h"
#include "sixgate/packet/checksum.h"

enum { TCP = 6, UDP = 17 };

bool forwarded__is_ip(const struct packet *p)
{
	if (p->len < 20)
		return false;
	if (p->data[0] >> 4 == 4)
		return (p->data[0] & 15) >= 5;
	return p->data[0] >> 4 == 6 && p->len >= 40;
}

void forwarded__count_hop(uint8_t *ip)
{
	uint16_t old, fresh;

	if (ip[0] >> 4 == 6) {
		ip[7]--;
		return;
	}
	memcpy(&old, ip + 8, 2);
	ip[8]--;
	memcpy(&fresh, ip + 8, 2);
	checksum_apply(ip + 10, checksum_delta(fresh, old));
}

/** struct segment - where a packet's l4 header is, of how many bytes, and whose. */
struct segment {
	struct addr src, dst;
	uint32_t at, len;
	uint8_t proto;
};

static bool find_segment4(const struct packet *p, struct segment *s)
{
	const uint8_t *ip = p->data;
	uint32_t whole = load16(ip + 2);

	s->at = (ip[0] & 15) * 4u;
	if (load16(ip + 6) & 0x3fff || whole < s->at || whole > p->len)
		return false;
	s->len = whole - s->at;
	s->proto = ip[9];
	s->src = addr_from_v4(ip + 12);
	s->dst = addr_from_v4(ip + 16);
	return true;
}

static bool find_segment6(const struct packet *p, struct segment *s)
{
	const uint8_t *ip = p->data;

	s->at = 40;
	s->len = load16(ip + 4);
	s->proto = ip[6];
	s->src = addr_from_v6(ip + 8);
	s->dst = addr_from_v6(ip + 24);
	return s->at + s->len <= p->len;
}

void forwarded__note_unfinished(struct packet *p)
{
	struct segment s;
	uint16_t field, pseudo;
	uint32_t offset;

	if (!(p->data[0] >> 4 == 4 ? find_segment4(p, &s) : find_segment6(p, &s)))
		return;
	if (s.proto != TCP && s.proto != UDP)
		return;
	offset = s.proto == TCP ? 16 : 6;
	if (s.len < offset + 2)
		return;
	memcpy(&field, p->data + s.at + offset, 2);
	pseudo = checksum_fold(checksum_pseudo(&s.src, &s.dst, s.proto, s.len));
	if (field != pseudo)
		return;
	p->off.csum_partial = true;
	p->off.csum_start = (uint16_t)s.at;
	p->off.csum_offset = (uint16_t)offset;
}
