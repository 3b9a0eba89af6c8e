/* watch.h - counters that move become log lines, at most one per counter in ten seconds. */
#pragma once
#include "sixgate/base/verdict.h"
#include "sixgate/log/log.h"

struct workers;
struct dns64_stats;

enum { WATCH_DNS = 3, WATCH_RECENT_MS = 600 * 1000 };

/** struct watch - zero at first. @last, @moved_ms: what each counter was, and when it moved, last
 */
struct watch {
	uint64_t seen[DROP_N_REASONS], seen_dns[WATCH_DNS];
	uint64_t last[DROP_N_REASONS], moved_ms[DROP_N_REASONS];
	struct log_limit limit[DROP_N_REASONS], limit_dns[WATCH_DNS];
};

/** watch__look() - once a second. @dns: NULL while DNS64 is off. */
void watch__look(struct watch *w, const struct workers *workers, const struct dns64_stats *dns,
		 uint64_t now_ms);

/** watch__each() - @show what has moved within WATCH_RECENT_MS: one sentence. */
void watch__each(const struct watch *w, uint64_t now_ms, void (*show)(void *ctx, const char *text),
		 void *ctx);
