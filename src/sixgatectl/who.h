/*
 * who.h - who had an outside address and port at some time, by the lines of nat64.log.
 *
 * Port blocks and sessions are ranges of ports that somebody holds from one line to another. Lines
 * of several workers may be out of order by a moment, so those that matter are sorted by their time
 * before they are read.
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

/**
 * struct who - a search; zeroed but for @about and @time_ms
 * @about:   whose port, of which protocol (0: any)
 * @n_lines: lines of a log that were read; @n_bad: that are none
 * @lost:    events that the log says are missing, up to the time asked for
 */
struct who {
	struct ctl_subject about;
	int64_t time_ms;
	struct who_line *line;
	size_t n, room;
	uint64_t n_lines, n_bad, lost;
	bool no_memory;
};

/** who_read() - take what matters from @f. */
void who_read(struct who *w, FILE *f);

/** who_find() - once all is read: who held it then. @out: records of the search, the last that says so
 *  of each holder. Return: how many, 0 for nobody. */
size_t who_find(struct who *w, const json_t *out[WHO_HOLDERS_MAX]);

void who_fini(struct who *w);

/** who_time() - "2026-11-22T20:00:00Z" (also without seconds, with a blank for the T, with +01:00 for
 *  the Z; without a zone: UTC) or "@" and seconds since 1970. Return: 0 or -EINVAL. */
int who_time(const char *text, int64_t *out_ms);
