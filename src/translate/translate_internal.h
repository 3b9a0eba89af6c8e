/* translate_internal.h - what the files of this room share: the job, and the steps it goes through.
 */
#pragma once
#include <netinet/in.h>
#include "sixgate/base/must.h"
#include "sixgate/packet/checksum.h"
#include "sixgate/packet/packet.h"
#include "sixgate/translate/translate.h"

enum {
	IP4_LEN = 20,
	IP6_LEN = 40,
	FRAG6_LEN = 8,
	ICMP_LEN = 8,
	IP4_TOTAL_MAX = 65535,
	IP6_MTU_MIN = 1280,     /* RFC 8200 5 */
	IP4_DF_ABOVE = 1260,    /* RFC 7915 5.1: up to here DF is clear */
	ICMP4_ERROR_MAX = 576,  /* RFC 1812 4.3.2.3 */
	ICMP6_ERROR_MAX = 1280, /* RFC 4443 2.4 (c) */
	QUOTE_MIN = 128,        /* RFC 4884 3: an embedded packet before extensions */
	EXTENSION_HEAD = 4,     /* RFC 4884 7 */
	OBJECT_HEAD = 4,        /* RFC 4884 7.1 */
	SEGMENT_MIN = 8         /* payload bytes: less room than this is no room */
};

enum {
	TCP_FIN = 0x01,
	TCP_SYN = 0x02,
	TCP_RST = 0x04,
	TCP_PSH = 0x08,
	TCP_ACK = 0x10,
	TCP_CWR = 0x80
};

enum { PROTO_DCCP = 33, PROTO_UDPLITE = 136, PROTO_MH = 135, PROTO_HIP = 139, PROTO_SHIM6 = 140 };

/**
 * struct job - one packet on its way through this room
 * @family:   that comes out
 * @fragment: an IPv6 Fragment Header is to be written (4->6 only)
 * @cut:      too long as it is, and may be cut into fragments once it has been translated
 * @ip_len:   bytes before the l4 header in what comes out
 * @limit:    bytes that a packet, or a segment of a super-packet, may have
 */
struct job {
	const struct translate_env *env;
	struct translate_state *st;
	struct packet *p;
	const struct rewrite *rw;
	struct outbox *out;
	uint8_t family;
	bool fragment, cut;
	uint32_t ip_len, limit;
};

/** translate__one() - all of translate_packet() for a packet that is no ICMP error and whose hop
 *  limit has been looked at. */
struct verdict translate__one(struct job *j);

/** translate__plain() - all of it for a packet that needs no decision, whose hop limit has been
 *  looked at. Return: false, nothing changed, for any other. */
bool translate__plain(const struct translate_env *env, struct translate_state *st,
		      struct packet *p, const struct rewrite *rw);

/* header_6to4.c, header_4to6.c, rewrite.c: change the IP header, l4_at bytes into p->data before,
 * ip_len after. Facts other than data, len, headroom, room and off stay those of the old packet. */
void translate__header_6to4(struct job *j);
void translate__header_4to6(struct job *j);
void translate__header_same(struct job *j);

/** translate__l4() - ports, identifier and checksum, before the IP header changes. */
void translate__l4(const struct job *j);

/** translate__apply_like_udp() - add @delta to the checksum of DCCP or UDP-Lite, @l4 with 8 bytes.
 */
void translate__apply_like_udp(uint8_t proto, uint8_t *l4, uint16_t delta);

/** translate__clamp_mss() - lower the MSS of a SYN to what both links carry. Return: what that adds
 *  to the checksum's sum. */
uint16_t translate__clamp_mss(const struct job *j, uint8_t *tcp);

/** translate__fit_gso() - let each segment of a super-packet fit. Return: verdict_continue(), or
 *  what translate_packet() has to return. */
struct verdict translate__fit_gso(struct job *j);

/** translate__can_cut() - room for the fragments, and space in each for some payload. */
bool translate__can_cut(const struct job *j);

/** translate__cut() - the translated packet as fragments of at most limit bytes. */
struct verdict translate__cut(struct job *j);

/** translate__too_big() - the drop for a packet that may not be cut, reply_mtu set. */
struct verdict translate__too_big(const struct job *j);

struct verdict translate__icmp_error(struct job *j);

/** struct icmp_head - first eight bytes of an ICMP error, without the checksum. */
struct icmp_head {
	uint8_t type, code;
	uint8_t rest[4];
};

/** translate__icmp_4to6(), translate__icmp_6to4() - RFC 7915 4.2, 5.2. Return: false if such an
 *  error has no counterpart. */
bool translate__icmp_4to6(const struct job *j, struct icmp_head *h);
bool translate__icmp_6to4(const struct job *j, struct icmp_head *h);

/** translate__inner_len() - bytes that the embedded packet had where it was sent, as it declares
 *  them; nonsense of those that declare nonsense. */
uint32_t translate__inner_len(const struct packet *p);

/**
 * struct quote - the parts behind the header of an ICMP error, as received
 * @len: bytes of the embedded packet (RFC 4884: the original datagram field, its padding included)
 * @ext: the extension structure behind it, @ext_len bytes, 0 without
 */
struct quote {
	uint32_t len;
	const uint8_t *ext;
	uint32_t ext_len;
};

struct quote translate__read_quote(const struct packet *p);

/** translate__length_at() - RFC 4884 4: where the length attribute stands from the ICMP header, 0
 *  for types without. */
uint32_t translate__length_at(uint8_t family, uint8_t type);

/** translate__length_unit() - bytes that the length attribute counts in. */
static inline uint32_t translate__length_unit(uint8_t family)
{
	return family == 6 ? 8 : 4;
}

/** translate__extension_len() - bytes of the extension structure that comes out, with the object
 *  that names the source if the rewrite asks for it; 0 for none. */
uint32_t translate__extension_len(const struct job *j, const struct quote *q);

/** translate__put_extension() - @len: q->ext_len or what translate__extension_len() said, not 0. */
void translate__put_extension(const struct job *j, const struct quote *q, uint8_t *to,
			      uint32_t len);

/** translate__inner() - the embedded packet, translated, at @to
 *  @quoted: bytes of it that are there; @room: at most so many are written, the header and
 *  8 bytes of l4 must fit.
 *  Return: bytes written. */
uint32_t translate__inner(const struct job *j, uint32_t quoted, uint8_t *to, uint32_t room);

/** translate__echo_type() - of an ICMP query in @family; @type is one of the other family's. */
static inline uint8_t translate__echo_type(uint8_t family, uint8_t type)
{
	if (family == 6)
		return type == 8 ? 128 : 129;
	return type == 128 ? 8 : 0;
}

/** translate__proto() - @proto as it is called in @family. */
static inline uint8_t translate__proto(uint8_t family, uint8_t proto)
{
	if (family == 4)
		return proto == IPPROTO_ICMPV6 ? IPPROTO_ICMP : proto;
	return proto == IPPROTO_ICMP ? IPPROTO_ICMPV6 : proto;
}

/** translate__stays_behind() - protocol numbers that would turn into something else in the other
 *  family: what IPv6 takes for an extension header (RFC 7915 does not think of it), and IGMP, which
 *  is between neighbours (RFC 7915 4.2). */
static inline bool translate__stays_behind(uint8_t proto)
{
	return proto == IPPROTO_HOPOPTS || proto == IPPROTO_ROUTING || proto == IPPROTO_FRAGMENT ||
	       proto == IPPROTO_DSTOPTS || proto == IPPROTO_IGMP;
}

/** translate__is_late_extension() - extension headers that are upper layers to the parser: behind a
 *  Fragment Header they are not translated (RFC 7915 5.1.1: but for ESP, all). */
static inline bool translate__is_late_extension(uint8_t proto)
{
	return proto == IPPROTO_AH || proto == PROTO_MH || proto == PROTO_HIP ||
	       proto == PROTO_SHIM6;
}

/** translate__limit_without_df() - RFC 7915 4: what may be fragmented is kept to a length that
 *  passes every IPv6 link, for the sender would not hear of one that does not. */
static inline uint32_t translate__limit_without_df(const struct translate_env *env, uint32_t mtu)
{
	uint32_t lowest = env->conf.lowest_ipv6_mtu;

	if (lowest < IP6_MTU_MIN)
		lowest = IP6_MTU_MIN;
	return mtu < lowest ? mtu : lowest;
}

static inline uint8_t translate__hops(const struct translate_env *env, uint8_t ttl)
{
	int hops = ttl + env->hops;

	return hops > 255 ? 255 : (uint8_t)hops;
}

/** translate__class() - the traffic class after a change of family (RFC 7915 4.1, 5.1). */
static inline uint8_t translate__class(const struct translate_env *env, uint8_t tclass)
{
	return likely(env->conf.copy_traffic_class) ? tclass : env->conf.tos;
}

/** translate__has_l4() - false for fragments other than the first. */
static inline bool translate__has_l4(const struct packet *p)
{
	return (p->flags & (PACKET_FRAGMENT | PACKET_FIRST_FRAGMENT)) != PACKET_FRAGMENT;
}

static inline uint32_t translate__l4_len(const struct packet *p)
{
	return p->len - p->l4_at;
}

/** translate__move_head() - the l4 header stays where it is, the IP header before it now has
 *  @ip_len bytes instead of l4_at. Return: the new first byte. */
static inline uint8_t *translate__move_head(struct packet *p, uint32_t ip_len)
{
	int32_t shift = (int32_t)p->l4_at - (int32_t)ip_len;

	must((int32_t)p->headroom + shift >= 0);
	p->data += shift;
	p->headroom += (uint32_t)shift;
	p->room -= (uint32_t)shift;
	p->len -= (uint32_t)shift;
	return p->data;
}

/**
 * struct ip4_head - an IPv4 header without options, to be written
 * @frag: the flags and offset field
 */
struct ip4_head {
	struct addr src, dst;
	uint16_t total, id, frag;
	uint8_t tos, ttl, proto;
};

/** translate__put_ip4() - @h at @ip, with its checksum. */
static inline void translate__put_ip4(uint8_t *ip, const struct ip4_head *h)
{
	uint32_t w[5];
	uint16_t csum;

	w[0] = be32_from(0x45u << 24 | (uint32_t)h->tos << 16 | h->total).raw;
	w[1] = be32_from((uint32_t)h->id << 16 | h->frag).raw;
	w[2] = be32_from((uint32_t)h->ttl << 24 | (uint32_t)h->proto << 16).raw;
	memcpy(&w[3], h->src.octet + 12, 4);
	memcpy(&w[4], h->dst.octet + 12, 4);
	csum = (uint16_t)~checksum_fold((uint64_t)w[0] + w[1] + w[2] + w[3] + w[4]);
	memcpy(ip, w, sizeof(w));
	memcpy(ip + 10, &csum, sizeof(csum));
}

/** translate__skip_idents() - time has passed since @s was used. */
void translate__skip_idents(struct translate_state *st, struct ident_slot *s);

static inline struct ident_slot *translate__ident_slot(struct translate_state *st,
						       const struct ip4_head *h)
{
	struct ident_slot *s;
	uint64_t addrs, hash;
	uint32_t w[2];

	memcpy(&w[0], h->src.octet + 12, 4);
	memcpy(&w[1], h->dst.octet + 12, 4);
	addrs = (uint64_t)w[0] << 32 | w[1];
	hash = hash__fold(addrs ^ st->key[0], st->key[1] + h->proto);
	s = &st->ident[hash % IDENT_SLOTS];
	if (s->used_ms != (uint32_t)st->now_ms)
		translate__skip_idents(st, s);
	return s;
}

/** translate__ident() - for one packet with the addresses and protocol of @h. */
static inline uint16_t translate__ident(struct translate_state *st, const struct ip4_head *h)
{
	struct ident_slot *s = translate__ident_slot(st, h);

	return (uint16_t)((s->next++ & 0xffffu >> st->ident_bits) | st->ident_base);
}

/** translate__idents() - the first of @n in a row, at most 65535 >> ident_bits. */
uint16_t translate__idents(struct translate_state *st, const struct ip4_head *h, uint32_t n);

/** translate__remember_path() - packets to @dst, IPv6, may have @mtu bytes. */
void translate__remember_path(struct translate_state *st, const struct addr *dst, uint32_t mtu);

/** translate__path_mtu() - what is remembered of @dst, bytes; UINT32_MAX for nothing. */
uint32_t translate__path_mtu(struct translate_state *st, const struct addr *dst);

/** struct ip6_head - an IPv6 header with flow label 0, to be written; @payload: bytes after it. */
struct ip6_head {
	struct addr src, dst;
	uint32_t payload;
	uint8_t tclass, next, hops;
};

static inline void translate__put_ip6(uint8_t *ip, const struct ip6_head *h)
{
	store32(ip, 6u << 28 | (uint32_t)h->tclass << 20);
	store32(ip + 4, h->payload << 16 | (uint32_t)h->next << 8 | h->hops);
	memcpy(ip + 8, h->src.octet, 16);
	memcpy(ip + 24, h->dst.octet, 16);
}

/** translate__sum_ip4_again() - the checksum of an IPv4 header of @len bytes that has changed. */
static inline void translate__sum_ip4_again(uint8_t *ip, uint32_t len)
{
	uint16_t csum = 0;

	memcpy(ip + 10, &csum, sizeof(csum));
	csum = (uint16_t)~checksum_fold(checksum_add(0, ip, len));
	memcpy(ip + 10, &csum, sizeof(csum));
}
