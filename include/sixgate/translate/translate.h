/*
 * translate.h - parsed packet + rewrite -> packet to send (RFC 7915, RFC 6146 3.7).
 *
 * Knows nothing of policies or flows: which addresses come out is an argument. All four pairs of
 * families, ICMP errors with their embedded packets, MSS clamp, GSO super-packets, fragmentation.
 * Pure: time, randomness and MTUs are arguments.
 */
#pragma once
#include "sixgate/base/hash.h"
#include "sixgate/packet/packet.h"
#include "sixgate/translate/conf.h"

/**
 * struct translate_env - what is the same for every packet under one configuration
 * @mtu:  of the links on each side, bytes; the smallest where there are several
 * @own4, @own6: our address on each side, the source of errors that we send; zero when unknown
 *        (then that family's errors are not sent there)
 * @hops: added to TTL and hop limit: -1 where we are the router, +1 between two forwarding
 *        decisions of the kernel (design 4: the whole shows as one hop), saturating at 255
 */
struct translate_env {
	struct translation_conf conf;
	uint32_t mtu[N_SIDES];
	struct addr own4[N_SIDES], own6[N_SIDES];
	int hops;
};

enum {
	IDENT_SLOTS = 1024,   /* counters of Identifications; flows that share one skip values */
	PATH_SLOTS = 64,      /* destinations remembered at once */
	PATH_LIFE_MS = 600000 /* RFC 8201 4: for ten minutes after it was last heard of */
};

/** struct ident_slot - @next: Identification before the tuple's offset; @used_ms: low 32 bits */
struct ident_slot {
	uint16_t next;
	uint32_t used_ms;
};

/** struct path_slot - @mtu of IPv6 packets to @dst, bytes; until @until_ms, 0 when empty */
struct path_slot {
	struct addr dst;
	uint64_t until_ms;
	uint32_t mtu;
};

/**
 * struct translate_state - the little that changes; one per worker. All zero is valid, but
 * predictable.
 * @now_ms: the time, set by the caller before each batch; monotonic
 * @key:    secret words of the two tables
 * @random: state of the generator of steps
 * @ident:  counters of IPv4 Identifications (RFC 7915 5.1, RFC 6864 4, RFC 7739 5.3)
 * @ident_bits, @ident_base: so many top bits of an Identification are the worker's, so that no two
 *          workers give one to packets of the same addresses
 * @path:   IPv6 destinations behind links narrower than what packets without DF are cut to
 * @paths_until_ms: no entry of @path lives longer
 */
struct translate_state {
	uint64_t now_ms;
	uint64_t key[2];
	uint64_t random;
	uint64_t paths_until_ms;
	uint16_t ident_base;
	uint8_t ident_bits;
	struct ident_slot ident[IDENT_SLOTS];
	struct path_slot path[PATH_SLOTS];
};

/** translate_state_init() - @st of worker @id of @n_workers; @key: secret, the same or another for
 *  each worker. */
void translate_state_init(struct translate_state *st, const struct hash_key *key, unsigned id,
			  unsigned n_workers);

/**
 * struct rewrite - what the packet becomes
 * @to:    the outgoing tuple: source, destination, ports (for ICMP queries the identifier is
 *         to->sport). For an ICMP error it is the outgoing tuple of the *embedded* packet's flow
 *         in the direction of the error, so that the embedded packet becomes its reverse.
 * @outer_src: for ICMP errors only: source of the outer header, in the outgoing family
 * @outer_dst: for ICMP errors only: destination of the outer header, where it is another than
 *         to.dst; zero stands for to.dst
 * @outer_src_shared: @outer_src stands for many sources (RFC 6791): the original one is named in an
 *         RFC 5837 object, if type and length allow it
 * @addr_delta: checksum_delta of both new against both old addresses (not ports); for ICMP errors
 *         not used
 * @out_side: where it goes: which MTU applies
 */
struct rewrite {
	struct tuple to;
	struct addr outer_src, outer_dst;
	uint16_t addr_delta;
	uint8_t out_side;
	bool outer_src_shared;
};

/** rewrite_addr_delta() - the addr_delta from tuple @from to tuple @to. */
uint16_t rewrite_addr_delta(const struct tuple *from, const struct tuple *to);

/**
 * translate_packet() - rewrite @p in place
 *
 * The families of p->key and of rw->to decide between 4->4, 4->6, 6->4 and 6->6. Same family: TTL,
 * addresses, ports and checksums change, extension headers and options stay. What does not fit
 * rw->out_side's MTU is fragmented, cut (UDP GSO) or refused with REPLY_TOO_BIG (p->reply_mtu set);
 * a TCP super-packet gets a smaller gso_size instead.
 *
 * What is sent has data, len, headroom, room, off and out_side; the other facts stay those of what
 * was received, until it is parsed again.
 *
 * Return: verdict_forward() - @p is the packet to send, its out_side set;
 *         verdict_held()    - it was cut: the pieces are in @out, with verdict forward and out_side
 *                             (what has verdict held there has been cut in its turn);
 *         a drop            - @p's bytes are unchanged, so that a reply can quote them. Of a UDP
 *                             super-packet the datagrams that do fit may be in @out.
 */
struct verdict translate_packet(const struct translate_env *env, struct translate_state *st,
				struct packet *p, const struct rewrite *rw, struct outbox *out);

/**
 * reply_build() - the error or reset that goes back to the sender of @p
 *
 * Obeys RFC 1122 3.2.2 and RFC 4443 2.4(e): never about an ICMP error, a non-first fragment, a
 * multicast, an impossible or zero source. IPv4 errors quote up to 576 bytes in all (RFC 1812
 * 4.3.2.3), IPv6 errors up to 1280. A TCP reset follows RFC 9293 3.10.7.1. A packet with a partial
 * checksum is quoted with the checksum as it is. The caller limits the rate.
 *
 * Of a super-packet the first segment is quoted, with that one's lengths. REPLY_TCP_RESET answers
 * TCP only.
 *
 * @p: with its bytes as received, verdict a drop with a reply. Return: true if a packet was added
 * to @out, verdict forward, out_side = p->side.
 */
bool reply_build(const struct translate_env *env, struct translate_state *st,
		 const struct packet *p, struct outbox *out);

/** echo_reply_build() - the answer of an address of ours to the echo request @p (RFC 1122 3.2.2.6,
 *  RFC 4443 4.2): its data and checksum, right or wrong, in a header without options. @p: whole,
 *  not a fragment. Return: NULL when @out is full; verdict forward, side and out_side are @p's. */
struct packet *echo_reply_build(struct translate_state *st, const struct packet *p,
				struct outbox *out);

/** tcp_segment_build() - a bare TCP segment (reset or probe) for @t without options or payload,
 *  TTL 64. @flags: the TCP flags byte. @seq, @ack: host order. Return: NULL when @out is full;
 *  verdict forward and @out_side are set. */
struct packet *tcp_segment_build(const struct tuple *t, uint32_t seq, uint32_t ack, uint8_t flags,
				 uint8_t out_side, struct outbox *out);
