/*
 * sequence_law.h - what is true of everything that a gateway does, whatever it is sent: laws for
 * whole sequences of packets. For fuzzers and property tests; a broken law is named on stderr, then
 * the program aborts.
 *
 * translate_law.h has the laws of one packet through one translation. Here are those that need a
 * gateway around it: whose addresses may appear, what comes back, what is left at the end.
 */
#pragma once
#include "gateway.h"

/**
 * struct sequence_world - the addresses that the configuration knows
 * @own:    may be the source of anything that leaves: pools, VIPs, our own
 * @embed:  /96 prefixes: what has such a source must have come from the IPv4 address in it
 * @inside: prefixes of hosts inside; their addresses may leave as they are
 */
struct sequence_world {
	struct addr own[16];
	struct prefix own_range[4], embed[6], inside[4];
	unsigned n_own, n_own_range, n_embed, n_inside;
};

enum { SEQUENCE_PLAIN_BYTES = PACKET_LEN_MAX };

/** sequence_law_segment() - @len bytes of the payload of @p from @at, as a kernel sends them on a
 *  link that can do nothing itself: lengths, flags, numbers and checksum finished. @p: parsed; it may
 *  be a super-packet, or have an unfinished checksum only. Return: parsed, in @to. */
struct packet sequence_law_segment(const struct packet *p, uint32_t at, uint32_t len, uint8_t *to);

/** sequence_law_first_segment() - of a super-packet the first; of any other the whole. */
struct packet sequence_law_first_segment(const struct packet *p, uint8_t *to);

/** sequence_law_out() - of each packet in @g->out, segment by segment, after gateway_send() of @in:
 *  the bytes parsed, or NULL when the parser will not have them. Nothing is asked about how many
 *  there are, but that no byte of a TCP super-packet is lost. */
void sequence_law_out(const struct gateway *g, const struct sequence_world *w,
		      const struct packet *in);

/** sequence_law_is_forwarded() - @out is @in on its way, not something made because of it. Both are
 *  whole datagrams or unfragmented. */
bool sequence_law_is_forwarded(const struct packet *out, const struct packet *in);

/** sequence_law_tables() - what was allocated less what was released stands in the tables, every
 *  mapping once. @settled: no snapshot has come since the start. */
void sequence_law_tables(const struct gateway *g, bool settled);

/** sequence_law_owners() - once every worker has swept its flows after the last snapshot: each flow of
 *  NAT64 has the mapping that its outside address, protocol and port belong to, and so none has another's.
 *  After gateway_advance(). */
void sequence_law_owners(const struct gateway *g);

/** sequence_law_end() - after all timers have run out: nothing is left but @n_static mappings. */
void sequence_law_end(const struct gateway *g, uint32_t n_static);

#define law(cond)                                                                                  \
	((cond) ? (void)0 : sequence_law_broken(__FILE__, __LINE__, #cond))

_Noreturn void sequence_law_broken(const char *file, int line, const char *what);
