/* watch.h - counters that move become log lines, at most one per counter in ten seconds. */
#pragma once
#include "sixgate/base/verdict.h"
#include "sixgate/log/log.h"

struct workers;
struct dns64_stats;

enum { WATCH_DNS = 3 };

/** struct watch - zero at first. */
struct watch {
	uint64_t seen[DROP_N_REASONS], seen_dns[WATCH_DNS];
	struct log_limit limit[DROP_N_REASONS], limit_dns[WATCH_DNS];
};

/** watch__look() - once a second. @dns: NULL while DNS64 is off. */
void watch__look(struct watch *w, const struct workers *workers, const struct dns64_stats *dns,
		 uint64_t now_ms);
