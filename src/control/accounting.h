/*
 * accounting.h - the log of who has which outside port: from the workers' rings to a file, the
 * journal or a datagram socket.
 *
 * Nothing here is waited for by a worker. What the sink does not take is lost and counted; while
 * there is no sink, events wait in the rings for as long as those have room.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "sixgate/base/err.h"
#include "sixgate/log/log.h"

struct config;
struct control;

enum sink_kind { SINK_FILE, SINK_SOCKET, SINK_JOURNAL };

/**
 * struct accounting
 * @on:      the configuration asks for it; @fd: -1 while it could not be opened
 * @torn:    the last line of the file was cut short (a full disk): the next begins a new one
 * @n_written, @n_refused: lines that the sink took, and did not take
 * @lost_told: how many were known to be lost when that was last written
 */
struct accounting {
	bool on, torn, started;
	int fd;
	enum sink_kind kind;
	uint64_t n_written, n_refused, lost_told;
	uint64_t retry_ms;
	struct log_limit limit, open_limit;
};

/** accounting__start() - as the running configuration says; what cannot be opened is tried again. */
void accounting__start(struct control *c);

/** accounting__prepare() - open what the file that is being loaded names. @fd: the caller's, -1 when it
 *  names nothing. Return: 0 or negative errno. accounting__switch() - @fd is taken; after the
 *  configuration has changed. */
int accounting__prepare(struct control *c, const struct config *fresh, int *fd, struct err *e);
void accounting__switch(struct control *c, int fd);

/** accounting__reopen() - the file may have been renamed: go on with a new one. */
void accounting__reopen(struct control *c);

/** accounting__drain() - write what the workers have told. */
void accounting__drain(struct control *c);

/** accounting__end() - the last lines; the workers still have their memory. */
void accounting__end(struct control *c);

/** accounting__lost() - events that are in no log: they found a ring full, or a sink that did not take
 *  them. */
uint64_t accounting__lost(const struct control *c);
