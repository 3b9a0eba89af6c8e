/*
 * gather.h - moderation of wake-ups, as network cards moderate interrupts: where queries come so fast
 * that a short nap gathers several, they are answered together. Pure: time is passed in.
 *
 * A nap follows answers: it never keeps the first query after a pause waiting, nor those that are here
 * already. If clients wait for one answer before they ask again, naps slow them down; that shows in the
 * rate, and ends them.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum {
	GATHER_WINDOW_NS = 8000000,
	GATHER_GAP_NS = 64000,	  /* queries farther apart than that are not gathered */
	GATHER_NAP_NS = 75000,	  /* the longest; the kernel's timers may add 50 us */
	GATHER_QUERIES = 16,	  /* that many in a nap are enough */
	GATHER_REST_NS = 32000000, /* without naps after they did harm, at first ... */
	GATHER_REST_MAX_NS = 1024000000, /* ... and at most */
};

/**
 * struct gather - zero before the first query
 * @since_ns, @n:  the window, and queries in it
 * @gap_ns:        between two queries, in the last one; @plain_gap_ns: before there were naps
 * @rest_until_ns: no naps before; @rest_ns: how long the last rest was, 0 if naps are good
 * @ready:         there were queries, and all that were here have been read
 */
struct gather {
	uint64_t since_ns, gap_ns, plain_gap_ns, rest_until_ns, rest_ns;
	unsigned n;
	bool naps, ready;
};

/** struct batch_read - @n queries out of one batch, in which there was room for @most. */
struct batch_read {
	unsigned n, most;
};

/** gather__served() - they were answered, or are on their way. */
void gather__served(struct gather *g, struct batch_read b, uint64_t now_ns);

/** gather__nap_ns() - how long to sleep before the next are read; 0: not at all. Once for each time
 *  that some were served. */
uint64_t gather__nap_ns(struct gather *g);
