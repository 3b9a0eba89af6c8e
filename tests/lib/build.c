/* build.c - see build.h. */
#include "build.h"
#include <netinet/in.h>
#include "sixgate/base/must.h"
#include "sixgate/packet/checksum.h"

static bool is_v4(const struct tuple *t)
{
	return addr_is_v4(&t->src);
}

static uint32_t ip_header(uint8_t *at, const struct tuple *t, uint32_t l4_len)
{
	uint16_t sum;

	memset(at, 0, 40);
	if (!is_v4(t)) {
		at[0] = 0x60;
		store16(at + 4, (uint16_t)l4_len);
		at[6] = t->proto;
		at[7] = 64;
		memcpy(at + 8, t->src.octet, 16);
		memcpy(at + 24, t->dst.octet, 16);
		return 40;
	}
	at[0] = 0x45;
	store16(at + 2, (uint16_t)(20 + l4_len));
	at[6] = 0x40;
	at[8] = 64;
	at[9] = t->proto;
	memcpy(at + 12, t->src.octet + 12, 4);
	memcpy(at + 16, t->dst.octet + 12, 4);
	sum = (uint16_t)~checksum_fold(checksum_add(0, at, 20));
	memcpy(at + 10, &sum, 2);
	return 20;
}

static void fill(uint8_t *at, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		at[i] = (uint8_t)i;
}

/* @field: offset of the checksum in the l4 header. ICMP of IPv4 has no pseudo-header. */
static void finish(uint8_t *l4, const struct tuple *t, uint32_t len, uint32_t field)
{
	uint64_t sum = t->proto == IPPROTO_ICMP ? 0 : checksum_pseudo(&t->src, &t->dst, t->proto, len);
	uint16_t c;

	memset(l4 + field, 0, 2);
	c = (uint16_t)~checksum_fold(checksum_add(sum, l4, len));
	if (c == 0 && t->proto == IPPROTO_UDP)
		c = 0xffff;
	memcpy(l4 + field, &c, 2);
}

uint32_t build_udp(uint8_t *at, const struct tuple *t, uint32_t n)
{
	uint32_t l4 = ip_header(at, t, 8 + n);

	store_be16(at + l4, t->sport);
	store_be16(at + l4 + 2, t->dport);
	store16(at + l4 + 4, (uint16_t)(8 + n));
	fill(at + l4 + 8, n);
	finish(at + l4, t, 8 + n, 6);
	return l4 + 8 + n;
}

uint32_t build_tcp(uint8_t *at, const struct tuple *t, struct tcp_args args, uint32_t n)
{
	uint32_t l4 = ip_header(at, t, 20 + n);

	memset(at + l4, 0, 20);
	store_be16(at + l4, t->sport);
	store_be16(at + l4 + 2, t->dport);
	store32(at + l4 + 4, args.seq);
	store32(at + l4 + 8, args.ack);
	at[l4 + 12] = 0x50;
	at[l4 + 13] = args.flags;
	store16(at + l4 + 14, 65535);
	fill(at + l4 + 20, n);
	finish(at + l4, t, 20 + n, 16);
	return l4 + 20 + n;
}

uint32_t build_echo(uint8_t *at, const struct tuple *t, bool reply, uint32_t n)
{
	uint32_t l4 = ip_header(at, t, 8 + n);

	memset(at + l4, 0, 8);
	at[l4] = is_v4(t) ? (reply ? 0 : 8) : reply ? 129 : 128;
	store_be16(at + l4 + 4, t->sport);
	fill(at + l4 + 8, n);
	finish(at + l4, t, 8 + n, 2);
	return l4 + 8 + n;
}

uint32_t build_error(uint8_t *at, const struct addr *src, const struct addr *dst, uint8_t type,
		     uint8_t code, uint32_t rest, const uint8_t *inner, uint32_t n)
{
	struct tuple t = { .src = *src, .dst = *dst,
			   .proto = addr_is_v4(src) ? IPPROTO_ICMP : IPPROTO_ICMPV6 };
	uint32_t l4 = ip_header(at, &t, 8 + n);

	at[l4] = type;
	at[l4 + 1] = code;
	store32(at + l4 + 4, rest);
	memcpy(at + l4 + 8, inner, n);
	finish(at + l4, &t, 8 + n, 2);
	return l4 + 8 + n;
}

struct tuple tuple_of(const char *src, const char *dst, uint16_t sport, uint16_t dport,
		      uint8_t proto)
{
	struct tuple t = { .sport = be16_from(sport), .dport = be16_from(dport), .proto = proto };

	must(addr_parse(src, &t.src) == 0 && addr_parse(dst, &t.dst) == 0);
	if (!proto)
		t.proto = is_v4(&t) ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	return t;
}

bool l4_checksum_is_right(const struct packet *p)
{
	struct addr src = packet_source(p), dst = packet_destination(p);
	uint32_t len = p->len - p->l4_at;
	uint64_t sum = p->proto == IPPROTO_ICMP ? 0 : checksum_pseudo(&src, &dst, p->proto, len);

	return checksum_fold(checksum_add(sum, p->data + p->l4_at, len)) == 0xffff;
}
