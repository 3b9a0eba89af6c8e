/*
 * accounting.h - the logs of who did what: `nat64: log:` and `egress6: flow-log:`, from the workers'
 * rings to a file, the journal or a datagram socket.
 *
 * Nothing here is waited for by a worker. What the sink does not take is lost and counted; while
 * there is no sink, events wait in the rings for as long as those have room.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "line_log.h"
#include "sixgate/base/err.h"
#include "sixgate/control/request.h"

struct config;
struct control;

enum { ACCOUNT_ID_MAX = 256 };

/**
 * struct account - one log; zero: not asked for
 * @on:        the configuration asks for it
 * @mark:      the line that is to come first: the gateway has started, or the log begins while it
 * runs
 * @id:        what the log is: when it changes, what was said before says nothing of what comes
 * @lost_told: events whose loss the log tells of; @lost_warned: of whose loss we have warned;
 *          @lost_seen: all, of which the last @lost_ms
 * @look_ms: when to see next whether the file is still there
 */
struct account {
	bool on;
	const char *mark;
	char id[ACCOUNT_ID_MAX];
	struct line_log lines;
	uint64_t lost_told, lost_warned, lost_seen, lost_ms, retry_ms, look_ms;
	struct log_limit limit, open_limit;
};

struct accounting {
	struct account log[N_REQUEST_LOGS];
};

/** struct accounting_fds - what a reload has had opened; -1: nothing. */
struct accounting_fds {
	int fd[N_REQUEST_LOGS];
};

/** accounting__sink() - what @conf names for log @which; NULL if it wants none. */
const char *accounting__sink(const struct config *conf, enum request_log which);
/** accounting__key() - "nat64.log": the name of log @which; static text. */
const char *accounting__key(enum request_log which);

/** accounting__start() - as the running configuration says; what cannot be opened is tried again. */
void accounting__start(struct control *c);

/** accounting__prepare() - open what the file that is being loaded names. Return: 0 or negative errno,
 *  nothing is open then. accounting__forget() - close it again. */
int accounting__prepare(struct control *c, const struct config *fresh, struct accounting_fds *out,
			struct err *e);
void accounting__forget(struct accounting_fds *fds);

/** accounting__leave() - the last lines of logs that are not those of @fresh, before the configuration
 *  changes. accounting__switch() - after it; the descriptors are taken. */
void accounting__leave(struct control *c, const struct config *fresh);
void accounting__switch(struct control *c, struct accounting_fds *fds);

/** accounting__reopen() - files may have been renamed: go on with new ones. */
void accounting__reopen(struct control *c);

/** accounting__drain() - write what the workers have told. */
void accounting__drain(struct control *c);

/** accounting__end() - the last lines; the workers still have their memory. */
void accounting__end(struct control *c);

/** accounting__lost() - events that are in no log: they found a ring full, or a sink that did not take
 *  them. */
uint64_t accounting__lost(const struct control *c, enum request_log which);

/** accounting__each_trouble() - @show what keeps a log from being written, or did lately: one
 * sentence. */
void accounting__each_trouble(const struct control *c, void (*show)(void *ctx, const char *text),
			      void *ctx);
