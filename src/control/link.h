/*
 * link.h - the child's end of the line to its parent: calls that wait for their answer, and notices
 * that come by themselves.
 */
#pragma once
#include <stdbool.h>
#include <uv.h>
#include "sixgate/base/err.h"
#include "sixgate/control/request.h"

/**
 * struct link
 * @stopping:  the parent has said so; it answers no more
 * @on_notice: called for everything but answers, also in the middle of a call: it may only note
 *             what came. @fd: a descriptor that came along, now its own, or -1
 * @on_gone:   the parent has closed its end
 */
struct link {
	int fd;
	uint32_t serial;
	bool stopping;
	void *owner;
	void (*on_notice)(void *owner, const struct notice *n, int fd);
	void (*on_gone)(void *owner);
};

/** link__read() - one notice; blocks unless @flags has MSG_DONTWAIT. Return: 1; 0 when there is none
 *  (would block); negative errno when the line is broken. */
int link__read(struct link *l, struct notice *n, int *fd, int flags);

/** link__poll() - hand on all notices that are there. */
void link__poll(struct link *l);

/**
 * link__call() - ask and wait, at most 30 s
 * @r:  kind and arguments; magic and serial are filled in
 * @fd: descriptor of the answer, the caller's, or -1; may come with a failure, too
 *
 * Return: 0 or the negative errno that the parent answered, its words in @e; -ECANCELED at once when
 * the parent stops, before or meanwhile.
 */
int link__call(struct link *l, struct request r, int *fd, struct err *e);
