/* next_hops.h - what the parent says of routes and neighbours, on its way to the workers. */
#pragma once
#include "workers.h"

enum { HOPS_RETIRED_MAX = 64 };

/** struct next_hops - @running: what the ports were given last; @retired: what one may still use */
struct next_hops {
	struct hops *running, *retired[HOPS_RETIRED_MAX];
	unsigned n_retired;
};

/** next_hops__take() - @fd: from the parent, closed. A block that is no good is logged, and the old
 *  one goes on. */
void next_hops__take(struct next_hops *n, struct workers *w, int fd);

/** next_hops__settled() - do all workers use the running one? */
bool next_hops__settled(const struct next_hops *n, const struct workers *w);

/** next_hops__retire() - free what no port uses any more. */
void next_hops__retire(struct next_hops *n, const struct workers *w);

/** next_hops__free() - all of it: the workers have ended. */
void next_hops__free(struct next_hops *n);
