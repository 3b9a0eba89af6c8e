/*
 * packet.h - a packet on its way, and the batches it travels in.
 *
 * Glossary: *inside* is the side we serve, *outside* the rest of the world; a packet's side is
 * where it came in, never what its addresses look like. *Facts* are what the parser found, offsets
 * in bytes from @data; they are established once and trusted afterwards. A *tuple* is what a flow
 * is looked up by. *l4* is the transport header.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "sixgate/base/addr.h"
#include "sixgate/base/hash.h"
#include "sixgate/base/verdict.h"
#include "sixgate/base/wire.h"

enum side { SIDE_INSIDE, SIDE_OUTSIDE, N_SIDES };

enum {
	BATCH_MAX = 256,
	PACKET_LEN_MAX = 65535 + 40,    /* an IPv6 packet without jumbo option */
	PACKET_HEADROOM = 64,           /* at least, before @data, from every port: 4->6 takes 28,
					   an ICMP error up to 55 */
	PACKET_TAILROOM = 128,          /* at least, behind it, from every port: an error that goes
					   round grows by up to 88, and then by up to 64 */
	IPPROTO_FRAGMENT6 = 44
};

/** struct tuple - one direction of one flow
 *
 * IPv4 addresses in the 16-byte form. @proto is the number on the wire of that family (1 for
 * ICMP, 58 for ICMPv6). For ICMP queries both ports are the identifier (RFC 6146 3.5.3); for
 * protocols without ports both are 0. Compared and hashed as five words: no padding.
 */
struct tuple {
	struct addr src, dst;
	be16 sport, dport;
	uint8_t proto;
	uint8_t zero[3];
};
_Static_assert(sizeof(struct tuple) == 40, "a tuple is five words");

static inline uint64_t tuple_hash(const struct hash_key *k, const struct tuple *t)
{
	uint64_t w[5];

	memcpy(w, t, sizeof(w));
	return hash40(k, w);
}

static inline bool tuple_equal(const struct tuple *a, const struct tuple *b)
{
	uint64_t x[5], y[5];

	memcpy(x, a, sizeof(x));
	memcpy(y, b, sizeof(y));
	return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]) | (x[4] ^ y[4])) == 0;
}

/** tuple_reverse() - source and destination swapped. */
static inline struct tuple tuple_reverse(const struct tuple *t)
{
	return (struct tuple){ .src = t->dst, .dst = t->src, .sport = t->dport, .dport = t->sport,
			       .proto = t->proto };
}

enum gso_kind { GSO_NONE, GSO_TCP4, GSO_TCP6, GSO_UDP };

/**
 * struct offload - work that the sender's kernel left for later (virtio-net header)
 * @csum_partial: the l4 checksum field holds the folded pseudo-header sum only, and is finished by
 *                summing from @csum_start to the end and storing at @csum_start + @csum_offset
 * @gso_size:     payload bytes of each segment; 0 without @gso
 * @hdr_len:      IP and l4 header bytes; a hint from the kernel, never trusted
 */
struct offload {
	uint8_t gso; /* enum gso_kind */
	bool gso_ecn;
	bool csum_partial;
	uint16_t gso_size, hdr_len;
	uint16_t csum_start, csum_offset; /* from data */
};

enum packet_flag {
	PACKET_FRAGMENT = 1 << 0,       /* one of several: more follow or the offset is not 0 */
	PACKET_FIRST_FRAGMENT = 1 << 1, /* PACKET_FRAGMENT with offset 0 */
	PACKET_ICMP_ERROR = 1 << 2,     /* inner_* are valid; @key is the embedded tuple reversed, with
					   ports 0 if they are in another fragment */
	PACKET_ICMP_QUERY = 1 << 3,     /* echo request or reply */
	PACKET_HAS_FRAG_HDR = 1 << 4,   /* IPv6 with a Fragment Header, atomic ones included */
	PACKET_DF = 1 << 5,             /* IPv4 Don't Fragment */
	PACKET_REPLY_ROUTE_HDR = 1 << 6, /* IPv6 Routing header with Segments Left: see reply_at */
	PACKET_HAIRPIN = 1 << 7          /* second round: out of a flow, into another */
};

/**
 * struct packet - borrowed from a port for one batch, or made in an outbox
 * @data:     first byte of the IP header
 * @len:      bytes from @data, equal to what the IP header says: trailing bytes are cut off
 * @headroom: writable bytes before @data
 * @room:     writable bytes from @data, at least @len; PACKET_TAILROOM more from a port
 */
struct packet {
	uint8_t *data;
	uint32_t len;
	uint32_t headroom, room;
	struct offload off;

	struct verdict verdict;
	uint8_t side;     /* enum side it came in */
	uint8_t out_side; /* enum side it leaves by, once VERDICT_FORWARD */
	uint8_t flags;    /* set of enum packet_flag */

	uint8_t family;   /* 4 or 6 */
	uint8_t proto;    /* upper-layer protocol, after extension headers */
	uint8_t ttl;      /* TTL or hop limit as received */
	uint8_t tclass;   /* TOS or traffic class */
	uint8_t tcp_flags; /* TCP only (and only when the header is here) */
	uint8_t icmp_type, icmp_code;
	uint16_t l4_at;   /* of the l4 header, or of the fragment's payload */
	uint16_t frag_at; /* of the IPv6 Fragment Header; 0 without */
	uint16_t frag_offset; /* bytes */
	bool more_fragments;
	uint32_t frag_id;
	uint16_t inner_at, inner_l4_at; /* embedded IP header and its l4 header */
	uint8_t inner_proto;
	bool inner_fragment; /* the embedded packet is one of several */
	uint16_t reply_mtu; /* with REPLY_TOO_BIG: bytes, of this packet's family */
	uint16_t reply_at;  /* with REPLY_SOURCE_ROUTE: what the error points at, IPv6 */

	struct tuple key;
	uint64_t hash;  /* of @key; set by the pipeline */
	uint32_t guess; /* the flow it seems to be of; the pipeline's */
};

/** packet_source(), packet_destination() - of the outer header, as it stands in the bytes; for ICMP
 *  errors @key holds the embedded ones. After packet_parse() only. */
static inline struct addr packet_source(const struct packet *p)
{
	return p->family == 4 ? addr_from_v4(p->data + 12) : addr_from_v6(p->data + 8);
}

static inline struct addr packet_destination(const struct packet *p)
{
	return p->family == 4 ? addr_from_v4(p->data + 16) : addr_from_v6(p->data + 24);
}

/** packet_headers_len() - IP and l4 header bytes of a parsed packet that has its l4 header; for
 *  protocols other than TCP, UDP and ICMP the IP header only. */
static inline uint32_t packet_headers_len(const struct packet *p)
{
	switch (p->proto) {
	case 6:
		return p->l4_at + (p->data[p->l4_at + 12] >> 4) * 4u;
	case 17:
	case 1:
	case 58:
		return p->l4_at + 8u;
	default:
		return p->l4_at;
	}
}

/** packet_finish_checksum() - compute the checksum that off.csum_partial has left over, for links
 *  and pieces that cannot. csum_start and csum_offset must be within the packet. */
void packet_finish_checksum(struct packet *p);

/** struct batch - packets that travel together, lent by a port between rx and tx. */
struct batch {
	uint16_t n;
	struct packet packet[BATCH_MAX];
};

/**
 * struct outbox - packets that the pipeline makes: fragments, segments, errors, resets
 *
 * A bump allocator in memory of the worker, emptied after each batch has been sent.
 */
struct outbox {
	uint8_t *mem;
	uint32_t size, used;
	struct packet *packet;
	uint16_t n, max;
};

void outbox_init(struct outbox *o, uint8_t *mem, uint32_t size, struct packet *packets, uint16_t max);

/** outbox_add() - a zeroed packet with @len bytes of room at data and PACKET_HEADROOM before it;
 *  its len is @len, its bytes are not set. Return: NULL when full (drop with DROP_NO_BUFFER). */
struct packet *outbox_add(struct outbox *o, uint32_t len);

/** outbox_has_room() - for @n more packets of up to @len bytes each. */
bool outbox_has_room(const struct outbox *o, uint32_t n, uint32_t len);

static inline void outbox_reset(struct outbox *o)
{
	o->n = 0;
	o->used = 0;
}
