/*
 * log.h - one line for the operator.
 *
 * Lines go to standard error: as they are to a terminal, with journald's "<N>" priority prefix to
 * the journal, with the time (UTC) to anything else. Safe from any thread. Never called on the packet path: what happens to packets is
 * counted, and the control loop reports counters that moved.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_NOTICE, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/** log_open() - @program: prefix of each line, borrowed; @most: levels above it are not written. */
void log_open(const char *program, enum log_level most);

/** log_look_again() - standard error has become something else. */
void log_look_again(void);

/** log_error_mark() - how an error begins, but for the time; for signal handlers, which write for themselves. */
const char *log_error_mark(void);

void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_notice(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/**
 * struct log_limit - at most one line per interval for one kind of event
 * @interval_ms: 0 means 10 s
 *
 * Zero-initialised by its owner, used by one thread.
 */
struct log_limit {
	uint64_t interval_ms, last_ms;
	uint64_t n_skipped;
};

/** log_allowed() - true if a line may be written now; @n_skipped: lines left out since the last. */
bool log_allowed(struct log_limit *l, uint64_t now_ms, uint64_t *n_skipped);
