/*
 * fragments.h - which flow a fragment belongs to (RFC 6146 3.4), without reassembling.
 *
 * The first fragment carries the ports; the others are matched to it by source, destination,
 * protocol and identification. Those that come before it wait in a bounded store. Overlaps,
 * tiny first fragments and lengths beyond 65535 condemn the whole datagram (RFC 5722, RFC 1858).
 * One owner thread; everything fixed at start.
 */
#pragma once
#include "sixgate/base/arena.h"
#include "sixgate/packet/packet.h"

enum {
	FRAGMENT_DATAGRAMS = 1024,  /* followed at a time, per worker */
	FRAGMENT_HELD = 512,        /* packets waiting, per worker; who waits longest makes room */
	FRAGMENT_HELD_BYTES = 2048, /* the longest that may wait */
	FRAGMENT_PER_DATAGRAM = 64  /* pieces of one datagram; a 65535-byte one has 46 at 1480 */
};

struct fragments;

/** fragments_layout() - carve the store out of @a (measuring arena: returns NULL). */
struct fragments *fragments_layout(struct arena *a, const struct hash_key *key);

/**
 * fragments_track() - what to do with fragment @p
 *
 * Return: verdict_continue() - p->key now has its ports, go on (and when @p was a first fragment,
 *         take what waited for it with fragments_release());
 *         verdict_held()     - a copy waits for the first fragment;
 *         a drop.
 */
struct verdict fragments_track(struct fragments *fs, struct packet *p, uint64_t now_ms,
			       uint32_t timeout_ms);

/** fragments_release() - after a first fragment was tracked: the next packet that waited for it,
 *  copied to @out with its key completed and verdict continue, or NULL when there is none or @out
 *  is full. */
struct packet *fragments_release(struct fragments *fs, const struct packet *first,
				 struct outbox *out);

/** fragments_expire() - forget what is older than @timeout_ms; oldest first, at most @budget. */
void fragments_expire(struct fragments *fs, uint64_t now_ms, uint32_t timeout_ms, uint32_t budget);

/** fragments_dropped() - packets that waited in vain since the last call (expired, or shed to make
 *  room): DROP_FRAGMENT_NO_FIRST. */
uint32_t fragments_dropped(struct fragments *fs);
