/*
 * line_log.h - a log of lines of JSON into a file, the journal or a datagram socket.
 *
 * Never waits: what the sink does not take is lost and counted.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "sixgate/log/log.h"

enum { LINE_LOG_BYTES = 64 << 10 };

enum line_sink { SINK_FILE, SINK_SOCKET, SINK_JOURNAL };

/**
 * struct line_log
 * @fd:      -1 while there is no sink
 * @torn:    the last line of the file was cut short (a full disk): the next begins a new one
 * @ident:   SYSLOG_IDENTIFIER in the journal
 * @n_written, @n_refused: lines that the sink took, and did not take; a mark that it did not take is
 *           not counted: it is tried again
 * @text, @used, @n: lines of a file that are written together
 */
struct line_log {
	int fd;
	enum line_sink kind;
	bool torn;
	const char *ident;
	uint64_t n_written, n_refused;
	char text[LINE_LOG_BYTES];
	size_t used;
	uint64_t n;
};

/** line_log__open() - @fd (or -1) is taken, the one before is closed; @sink: as in the configuration. */
void line_log__open(struct line_log *l, const char *sink, int fd);

/** line_log__put() - a line without its newline, at most EVENT_TEXT_MAX bytes. */
void line_log__put(struct line_log *l, const char *text, size_t len);

/** line_log__mark() - a line about the log itself, after all that was put. Return: false if the sink
 *  did not take it. */
bool line_log__mark(struct line_log *l, const char *text, size_t len);

/** line_log__flush() - to the file what was put. */
void line_log__flush(struct line_log *l);

void line_log__close(struct line_log *l);
