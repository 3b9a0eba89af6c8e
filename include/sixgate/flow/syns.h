/*
 * syns.h - first SYNs from outside that nothing lets in, kept for a simultaneous open.
 *
 * RFC 6146 3.5.2.2 (CLOSED, V4 SYN) and RFC 5382 REQ-4: such a SYN is answered by nothing for
 * TCP_INCOMING_SYN. When the inside host opens the same connection meanwhile, the SYN is forgotten
 * without a word; else its sender is told with the packet itself in the error.
 *
 * Bounded, and the oldest makes room: being forgotten early only costs the sender an error. All
 * wait equally long. One owner thread; everything fixed at start.
 */
#pragma once
#include "sixgate/base/arena.h"
#include "sixgate/packet/packet.h"

enum {
	SYNS_MAX = 256,           /* kept at a time, per worker */
	SYNS_PER_DESTINATION = 8, /* of them to one transport address */
	SYN_BYTES = 1536          /* the longest that is kept */
};

struct syns;

/** syns_layout() - carve the store out of @a (measuring arena: returns NULL). */
struct syns *syns_layout(struct arena *a, const struct hash_key *key);

/** syns_count() - kept now. */
uint32_t syns_count(const struct syns *y);

/**
 * syns_keep() - a copy of @p waits
 * @why:  the reason why it was not let in, for the day it is dropped
 * @shed: set to the reason of the one that made room for it, DROP_NONE when there was room
 *
 * Return: verdict_held(); or a drop for @why: too long, or a SYN of the same tuple waits already
 *         (whose time goes on).
 */
struct verdict syns_keep(struct syns *y, const struct packet *p, enum drop_reason why,
			 uint64_t now_ms, enum drop_reason *shed);

/** syns_take() - forget the SYN whose tuple is @key. Return: true if there was one; *@seq is its
 *  sequence number. */
bool syns_take(struct syns *y, const struct tuple *key, uint32_t *seq);

/** syns_overdue() - forget the oldest if it has waited @timeout_ms. Return: true if it had; *@out
 * is it, its bytes valid until the next syns_keep(), its verdict a drop for its reason. */
bool syns_overdue(struct syns *y, uint64_t now_ms, uint32_t timeout_ms, struct packet *out);
