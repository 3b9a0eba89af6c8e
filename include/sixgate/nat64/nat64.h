/*
 * nat64.h - stateful NAT64 (RFC 6146): pool4, the BIB, and what may open a session.
 *
 * Glossary: the *BIB* is the table of mappings (X',x) <-> (T,t), one for each of TCP, UDP and ICMP
 * queries; a *session* is a flow that uses a mapping. pool4 is the set of T. A mapping lives while
 * it has sessions; static entries live as long as they are configured.
 */
#pragma once
#include <stdbool.h>
#include "sixgate/base/arena.h"
#include "sixgate/base/counter.h"
#include "sixgate/flow/flow.h"
#include "sixgate/flow/steer.h"
#include "sixgate/nat64/conf.h"
#include "sixgate/translate/rfc6052.h"

enum {
	NAT64_POOL_MAX = STEER_POOL_MAX, /* addresses in pool4 */
	NAT64_PREFIXES_MAX = 8,
	NAT64_STATIC_MAX = 1024,
	NAT64_INBOUND_PER_MAPPING = 64,  /* sessions from outside, not complete, that stay on one mapping ... */
	NAT64_INBOUND_PER_STATIC = 8192, /* ... and on a static entry, which is there to be reached */
	NAT64_DUMP_SLOTS = 4096         /* looked at by one nat64_dump() */
};

struct flow_table;

/**
 * struct nat64_table - section `nat64:` compiled; immutable, part of a snapshot
 *
 * A pool address keeps its slot across reloads, for as long as it is configured; @generation of a
 * slot changes when it is given to another address.
 */
struct nat64_table;

/**
 * nat64_table_new() - compile @conf (checked, `outside` entries already filled in)
 * @prev: the running table, whose slots are kept, or NULL
 * @s:    steering under construction, with its inside prefixes: pool addresses, pinned subscribers
 *        and the port blocks of static entries are added to it; its block table belongs to the new
 *        nat64_table. A host with static entries may move to another worker by this, when it shares
 *        a block with a host of that one; its other sessions are then stale.
 * Return: 0 with @out owned by the caller (nat64_table_free()): perhaps @prev itself, when nothing
 * has changed, with one owner more; -ENOSPC, -EINVAL, -ENOMEM. Control thread.
 */
int nat64_table_new(struct nat64_table **out, const struct nat64_conf *conf,
		    struct nat64_table *prev, struct steering *s, struct err *e);
/** nat64_table_free() - with its last owner. NULL is allowed. */
void nat64_table_free(struct nat64_table *t);

/** nat64_claims_pool4() - @a (IPv4) is in pool4. nat64_claims_pool6(): @a is under a NAT64 prefix;
 *  @v4 may be NULL. */
bool nat64_claims_pool4(const struct nat64_table *t, const struct addr *a);
bool nat64_claims_pool6(const struct nat64_table *t, const struct addr *a, struct addr *v4);

/** struct nat64 - one worker's share: BIB, ports in use. In the caller's memory, fixed at start. */
struct nat64;

/** nat64_layout() - for at most @n_mappings (64 bytes each or less, index included; static entries
 *  come on top); measuring arena: NULL. @worker: number of the worker it belongs to. Memory must be
 *  zero, and should be touched only when used: ports of 1024 addresses and what address-dependent
 *  filtering needs (another 24 bytes for each pair of mapping and outside address, of which there
 *  can be twice as many as mappings) are in it. */
struct nat64 *nat64_layout(struct arena *a, uint32_t n_mappings, unsigned worker,
			   const struct hash_key *key);

/** nat64_use_table() - the worker's first batch under @t. Nothing is done for a table that was in use
 *  before. If the static entries have changed, mappings of those that have gone go, and it is bounded
 *  by their number; the others become mappings with their addresses (nat64_adopt()). */
void nat64_use_table(struct nat64 *n, const struct nat64_table *t, uint64_t now_ms);

/** nat64_prefetch() - a packet from inside with @key will most likely be asked about. */
void nat64_prefetch(const struct nat64 *n, const struct tuple *key);

/** nat64_adopt() - pool addresses that are not in @t, which is in use, what they were in the table
 *  before: some of them, with their static entries, in less than half a millisecond; a packet does it
 *  for those that it needs. Return: true if others wait. */
bool nat64_adopt(struct nat64 *n, const struct nat64_table *t);

/** nat64_has_displaced() - since it was last asked, static entries have taken ports that hosts had: their
 *  flows are stale, and to be looked for. */
bool nat64_has_displaced(struct nat64 *n);

/**
 * nat64_admit_inside() - RFC 6146 3.5, from the V6 side, destination under a NAT64 prefix
 * @flows: where the flow is to go; only fetched from
 *
 * Return: verdict_continue() with @plan filled and the mapping held for it (nat64_flow_ended()
 * gives it back, also when the flow could not be made) unless the plan is for once; or a drop.
 */
struct verdict nat64_admit_inside(struct nat64 *n, const struct nat64_table *t,
				  const struct flow_table *flows, const struct packet *p,
				  struct flow_plan *plan, uint64_t now_ms);

/** nat64_admit_outside() - the same from the V4 side (or a hairpin), destination in pool4. Where as many
 *  sessions that are not complete wait at the mapping as may, the plan is crowded: the caller ends one. */
struct verdict nat64_admit_outside(struct nat64 *n, const struct nat64_table *t,
				   const struct packet *p, struct flow_plan *plan, uint64_t now_ms);

/** nat64_may_answer() - the inside answers a session opened from outside: would a new flow of its host be
 *  let in now? Nothing is counted yet. After nat64_note_flows(). Return: verdict_continue(), or a drop. */
struct verdict nat64_may_answer(struct nat64 *n, const struct nat64_table *t, const struct flow *f,
				uint64_t now_ms);

/** nat64_flow_answered() - such a session is complete: the inside has answered, and the outside has gone
 *  on from there. After nat64_note_flows(). Return: verdict_continue(): only now it holds the mapping,
 *  counts as its subscriber's, is told of, and lets its peer in as the host's own do; or a drop, with
 *  the session as before: a new flow of its host would be refused, too. */
struct verdict nat64_flow_answered(struct nat64 *n, const struct nat64_table *t, struct flow *f,
				   uint64_t now_ms);

/** nat64_flow_began() - what was planned is a flow: the log is told; one from outside later, when it was
 *  answered. */
void nat64_flow_began(struct nat64 *n, const struct flow *f, uint64_t now_ms);

/** nat64_flow_refused() - what was planned (keys, object and flags count) became no flow: it lets go of its
 *  mapping, and nothing is told. */
void nat64_flow_refused(struct nat64 *n, const struct flow *f, uint64_t now_ms);

/** nat64_flow_ended() - the flow no longer uses its mapping. */
void nat64_flow_ended(struct nat64 *n, const struct flow *f, uint64_t now_ms);

/** nat64_advance() - ports that have rested for the quarantine are free. Bounded work. Return: true
 *  if it wants to be called again at once. */
bool nat64_advance(struct nat64 *n, uint64_t now_ms);

/** nat64_note_flows() - @n_free of @n_all records of the worker's flow table are free, or can be for the
 *  asking: when few are, who has most of the others gets no more. Before nat64_admit_inside(). */
void nat64_note_flows(struct nat64 *n, uint32_t n_free, uint32_t n_all);

/** nat64_flow_stale() - its pool address, port, static entry or NAT64 prefix is no longer
 *  configured, or belongs to another worker now; or its far end is exempt. */
bool nat64_flow_stale(const struct nat64_table *t, const struct nat64 *n, const struct flow *f);

/** nat64_error_source() - outer source of an ICMP error in direction @dir (RFC 6146 3.6, RFC 7915
 *  5.1): from outside, @src under the prefix the flow uses; from inside, the pool address. */
struct addr nat64_error_source(const struct nat64_table *t, const struct flow *f, unsigned dir,
			       const struct addr *src);

/** struct bib_record - a mapping as shown to people. */
struct bib_record {
	struct addr inside, outside;
	uint16_t inside_port, outside_port;
	uint8_t protocol; /* enum nat64_protocol */
	bool is_static;
	uint32_t n_sessions;
};

/** nat64_dump() - records from slot @*cursor on, at most @max out of NAT64_DUMP_SLOTS slots; the
 *  cursor moves on, to UINT32_MAX at the end. Return: number of records, perhaps 0 before the end. */
uint32_t nat64_dump(const struct nat64 *n, const struct nat64_table *t, uint32_t *cursor,
		    struct bib_record *out, uint32_t max);

/** nat64_mappings() - in use now, static ones and those that wait for their last session included.
 *  nat64_ports_used(): ports and identifiers given out, of all protocols. */
uint32_t nat64_mappings(const struct nat64 *n);
uint32_t nat64_ports_used(const struct nat64 *n);

/** nat64_statics_missing() - static entries without a mapping, for sessions of others that were
 *  configured before still hold the records. Any thread. */
uint32_t nat64_statics_missing(const struct nat64 *n);

/** nat64_subscribers() - that have flows or ports, or something of whom rests. */
uint32_t nat64_subscribers(const struct nat64 *n);
