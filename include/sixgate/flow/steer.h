/*
 * steer.h - which worker owns a packet.
 *
 * nat64 and egress6 flows belong to the worker of the subscriber inside; what comes from outside
 * for a pool address finds it by (address, port block of 64); service flows belong to the worker
 * of the client's address, in both directions; an ICMP error goes where the packet it quotes
 * belongs; what siit translates belongs to the worker of the IPv4 address that its host has, in both
 * directions; fragments are gathered by source, destination and identification first. The function
 * reads a window of at most 128 bytes, uses no C library and no pointer into a packet beyond the
 * window, so that the same source can become an eBPF steering program.
 *
 * The table is immutable and part of a snapshot.
 */
#pragma once
#include "sixgate/packet/packet.h"

enum {
	STEER_WORKERS_MAX = 16,
	STEER_WINDOW = 128,
	STEER_MAP_SIZE = 16384, /* power of two; kept far from full */
	STEER_PREFIXES_MAX = 128, /* egress6's, those of the interfaces, and our own */
	STEER_BLOCKS = 1024,   /* 64 ports each */
	STEER_POOL_MAX = 1024, /* addresses with a block table of their own */
	STEER_SHAPES_MAX = 32, /* of explicit mappings; siit's others are as if they were not there */
	STEER_EMBEDDED_MAX = 9 /* RFC 6052 prefixes of siit, the CLAT's source among them */
};

enum steer_kind { STEER_FREE, STEER_VIP, STEER_NODE, STEER_POOL, STEER_PINNED, STEER_EAM };

/** struct steer_entry - @value: STEER_POOL: slot of the block table; STEER_PINNED: worker;
 *  STEER_EAM: the IPv4 prefix as a number, with port = its shape. */
struct steer_entry {
	struct addr addr;
	be16 port;     /* NODE; else 0 */
	uint8_t proto; /* NODE; else 0 */
	uint8_t kind;
	uint32_t value;
};

struct steer_prefix {
	struct prefix prefix;
	uint8_t subscriber_len; /* bits of an inside address that make a subscriber */
};

/** struct steer_shape - of explicit address mappings: bits of the IPv6 prefix, and of suffix that are
 *  the IPv4 address's, too. */
struct steer_shape {
	uint8_t len, n_bits;
};

/** struct steer_stateless - what siit's hosts are called in IPv4; all zero without siit
 *  @shape: longest prefix first; the mappings are in the map. @embedded: RFC 6052.
 *  @clat: where the CLAT's hosts are as seen from outside; length 0: none */
struct steer_stateless {
	bool on;
	uint8_t n_shapes, n_embedded;
	struct steer_shape shape[STEER_SHAPES_MAX];
	struct prefix embedded[STEER_EMBEDDED_MAX];
	struct prefix clat;
};

struct steering {
	uint64_t key[2];
	uint32_t n_workers;
	uint32_t n_homes; /* subscribers are spread over the first so many workers; all at first */
	uint8_t subscriber_len; /* of addresses in no inside prefix; 64 at first */
	uint32_t n_prefix, n_embed;
	struct steer_prefix inside[STEER_PREFIXES_MAX];
	struct prefix embed[STEER_PREFIXES_MAX]; /* embed-prefixes, /96 */
	struct steer_stateless stateless;
	struct steer_entry map[STEER_MAP_SIZE];
	uint32_t n_pools;
	uint8_t (*block)[STEER_BLOCKS]; /* [n_pools] worker of each port block; borrowed */
};

/** steering_init() - empty; @key: steering secret, constant over the life of the process. */
void steering_init(struct steering *s, uint32_t n_workers, const struct hash_key *key);

/** steering_add() - Return: 0 or -ENOSPC when its place in the map is taken up. Adding twice is
 *  harmless. A VIP is added by address alone (port and protocol 0). */
int steering_add(struct steering *s, enum steer_kind kind, const struct addr *a, be16 port,
		 uint8_t proto, uint32_t value);

/** steering_add_mapping() - an explicit mapping of siit: @v6 is @v4, whose last @n_bits are copied.
 *  Return: 0, or -ENOSPC: both directions of it may then be another worker's, which is slower only. */
int steering_add_mapping(struct steering *s, const struct prefix *v6, const struct addr *v4,
			 uint8_t n_bits);

/** steering_set_subscriber() - @len bits of whatever inside address make a subscriber. */
void steering_set_subscriber(struct steering *s, uint8_t len);

/** steering_block_default() - the worker that owns a port block which nothing pins: in turns, so that
 *  each has its share of any range. */
unsigned steering_block_default(const struct steering *s, uint32_t pool_slot, unsigned block);

/** steering_subscriber() - @a cut to its subscriber prefix (by the longest inside prefix it is in).
 *  steering_subscriber_len(): bits of that. */
struct addr steering_subscriber(const struct steering *s, const struct addr *a);
uint8_t steering_subscriber_len(const struct steering *s, const struct addr *a);

/** owner_of_tuple() - worker of a packet with tuple @t that came in on @side. */
unsigned owner_of_tuple(const struct steering *s, const struct tuple *t, enum side side);

/** owner_of_fragment() - worker that gathers the fragments of one datagram. */
unsigned owner_of_fragment(const struct steering *s, const struct tuple *t, uint32_t id);

/**
 * owner_of() - worker for the packet that starts with @window
 * @len: bytes in the window, at most STEER_WINDOW are looked at
 *
 * Never fails: what cannot be read goes to worker 0.
 */
unsigned owner_of(const struct steering *s, const uint8_t *window, uint32_t len, enum side side);
