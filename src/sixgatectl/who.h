/*
 * who.h - who had an outside address and port at some time, by the lines of nat64.log.
 *
 * Port blocks and sessions are ranges of ports that somebody holds from one line to another; a port of a
 * static entry is another's than the block around it, as long as the entry is there. Lines
 * of several workers may be out of order by a moment, so those that matter are sorted by their time
 * before they are read. A time is what it names: a whole second, if it names no parts of one.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "sixgate/control/protocol.h"

enum { WHO_HOLDERS_MAX = 64 };

/** struct who_line - a line that may matter. @record: owned. @n: place in the order of reading. */
struct who_line {
	int64_t time_ms;
	uint64_t n;
	json_t *record;
};

/** struct who_span - from @first_ms to @last_ms, both of them included; milliseconds since 1970. */
struct who_span {
	int64_t first_ms, last_ms;
};

/**
 * struct who - a search; zeroed but for @about and @when
 * @about:   whose port, of which protocol (0: any)
 * @n_lines: lines of a log that were read; @n_bad: that are none
 * @lost:    events that the log says are missing, up to the time asked for
 * @lost_later, @lost_later_ms: those that it says so of first, and when, after it: they may be of that time
 * @next_ms: of the first line after it that was read and is about something else; 0: none
 * @n_about: lines about the address, of any time
 * @begins_ms: of the first line of all; 0: there was none
 * @unknown_ms: when the log was last begun, or ended, while the gateway ran: who held a port by then is
 *           not in it; 0: never, or a start of the gateway made it plain since
 */
struct who {
	struct ctl_subject about;
	struct who_span when;
	struct who_line *line;
	size_t n, room;
	uint64_t n_lines, n_bad, lost, n_about;
	int64_t begins_ms, unknown_ms, next_ms, lost_later_ms;
	uint64_t lost_later;
	bool no_memory;
};

/** who_read() - take what matters from @f. */
void who_read(struct who *w, FILE *f);

/** who_find() - once all is read: who held it at any moment of that time. @out: records of the search,
 *  the last that says so of each holder. Return: how many, 0 for nobody. */
size_t who_find(struct who *w, const json_t *out[WHO_HOLDERS_MAX]);

/** who_may_miss() - Return: events that may be missing from the time asked for, though only a later line says
 *  so: nothing was written in between. */
uint64_t who_may_miss(const struct who *w);

void who_fini(struct who *w);

/** who_time() - "2026-11-22T20:00:00Z" (also without seconds, with a blank for the T, with +01:00 for
 *  the Z; without a zone: UTC) or "@" and seconds since 1970. @out: all that it names: with .25 ten
 *  milliseconds, without parts a second, without seconds a minute. Return: 0 or -EINVAL. */
int who_time(const char *text, struct who_span *out);
