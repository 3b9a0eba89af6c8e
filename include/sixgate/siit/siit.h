/*
 * siit.h - stateless translation as a policy: RFC 7915 addresses by RFC 7757 and RFC 6052, and the
 * customer side of 464XLAT (RFC 6877).
 *
 * Its answer is a rewrite for this one packet. There is no flow, no port and no memory: a full flow
 * table does not touch it, and fragments need no first one.
 */
#pragma once
#include "sixgate/flow/steer.h"
#include "sixgate/siit/conf.h"
#include "sixgate/translate/translate.h"

/** struct siit_table - section `siit:` compiled; immutable, part of a snapshot. */
struct siit_table;

/** siit_table_new() - compile @conf (checked). Return: 0 with @out owned by the caller; -EINVAL,
 *  -ENOMEM. Control thread. */
int siit_table_new(struct siit_table **out, const struct siit_conf *conf, struct err *e);
void siit_table_free(struct siit_table *t);

/** siit_steer() - tell @s what hosts are called in IPv4, so that both directions of their traffic are
 *  one worker's. Called last: what finds no room is left out. */
void siit_steer(const struct siit_table *t, struct steering *s);

/** enum siit_method - how an address was mapped. */
enum siit_method { SIIT_UNMAPPED, SIIT_BY_EAM, SIIT_BY_PREFIX };

/** siit_to4(), siit_to6() - RFC 7757 3.3.2, 3.3.1: the longest explicit mapping first, then RFC
 *  6052. Suffix bits that are not the other side's are ignored, and written as zero. @out is written
 *  only when it is mapped. */
enum siit_method siit_to4(const struct siit_table *t, const struct addr *v6, struct addr *out);
enum siit_method siit_to6(const struct siit_table *t, const struct addr *v4, struct addr *out);

/** siit_claims_eam() - a packet for @dst on @side is ours by an explicit mapping: IPv6 from inside,
 *  IPv4 from outside. */
bool siit_claims_eam(const struct siit_table *t, enum side side, const struct addr *dst);

/** siit_claims_prefix() - the same by an RFC 6052 prefix: IPv6 from inside under one of them, any
 *  IPv4 from outside; or the CLAT's: IPv4 of @src, one of its hosts, from inside, IPv6 for them from
 *  outside. */
bool siit_claims_prefix(const struct siit_table *t, enum side side, const struct addr *src,
			const struct addr *dst);

/** siit_has_eam4(), siit_has_eam6() - @a is within an explicit mapping. siit_has_pool6(): @a is under
 *  one of the prefixes (the PLAT's is not one of them). siit_has_host(): one of the CLAT's hosts. */
bool siit_has_eam4(const struct siit_table *t, const struct addr *a);
bool siit_has_eam6(const struct siit_table *t, const struct addr *a);
bool siit_has_pool6(const struct siit_table *t, const struct addr *a);
bool siit_has_host(const struct siit_table *t, const struct addr *a);

/** siit_lies_within() - one of the prefixes is within @p as a whole: then hosts and IPv4 are both in
 *  it, and an address there says nothing about its side. */
bool siit_lies_within(const struct siit_table *t, const struct prefix *p);

/** siit_turns_round() - intrinsic hairpinning (RFC 7757 4.2.2): what leaves for @dst (IPv4), which
 *  was mapped by @how, is for an explicitly mapped host of ours. */
bool siit_turns_round(const struct siit_table *t, enum siit_method how, const struct addr *dst);

/**
 * struct siit_answer - what becomes of one packet
 * @src, @dst: how they were mapped (of an error: the embedded packet's destination, and where the
 *             error goes)
 * @replaced:  an ICMP error's own source could not be mapped: rewrite.outer_src is from the pool of
 *             RFC 6791, or zero where none is configured: the caller's own address then
 */
struct siit_answer {
	struct rewrite rewrite;
	enum siit_method src, dst;
	bool replaced;
};

/** siit_answer_to() - where the packet goes. */
static inline const struct addr *siit_answer_to(const struct siit_answer *a)
{
	static const struct addr none;

	return addr_equal(&a->rewrite.outer_dst, &none) ? &a->rewrite.to.dst : &a->rewrite.outer_dst;
}

/**
 * siit_admit() - the answer for @p, which siit_claims_eam() or siit_claims_prefix() claimed
 * @foreign: the source of an ICMP error may not be mapped, whatever it is: it is not of its side
 *
 * With PACKET_HAIRPIN the source is not looked up among the explicit mappings (RFC 7757 4.2.2), so
 * that answers come back this way.
 *
 * Return: verdict_continue() with @out filled, or a drop.
 */
struct verdict siit_admit(const struct siit_table *t, const struct packet *p, bool foreign,
			  struct siit_answer *out);

/** siit_plat_of() - RFC 7050 3: @aaaa, an address of ipv4only.arpa, holds 192.0.0.170 or 192.0.0.171
 *  in exactly one of the six places of RFC 6052. Return: true with the prefix in @out. */
bool siit_plat_of(const struct addr *aaaa, struct prefix *out);
