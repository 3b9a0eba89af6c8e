/* privileges.h - who the child is, and what each of its threads may ask of the kernel. */
#pragma once
#include <sys/types.h>
#include <uv.h>
#include "sixgate/base/err.h"

/** struct identity - the account that everything but the parent runs as. */
struct identity {
	uid_t uid;
	gid_t gid;
	char name[64];
};

/** identity__find() - Return: 0; -ENOENT when there is no such user, -EPERM when it is root: both
 *  with the fix in @e. */
int identity__find(struct identity *out, const char *user, struct err *e);

/**
 * privileges__drop() - become @id for good
 *
 * No capability in any set, bounding set included; no supplementary group; no new privileges by
 * exec; killed when the parent ends. Return: 0 or negative errno, then the caller must exit.
 */
int privileges__drop(const struct identity *id, struct err *e);

enum thread_role { ROLE_WORKER, ROLE_DNS64, ROLE_CONTROL, ROLE_PARENT, N_THREAD_ROLES };

/** loop__warm() - have @loop open now what it opens with its first stream (/dev/null): later, under a
 *  list of system calls, it may not. */
void loop__warm(uv_loop_t *loop);

/**
 * seccomp__enter() - this thread's list of system calls, from here on and for threads it starts
 *
 * Another call ends the process with SIGSYS after one line that names it; in the parent, which has
 * to undo things at its end, it fails with EPERM. Builds with a sanitizer,
 * whose run-time library needs more than we do, have no list and say so.
 * Return: 0 or negative errno.
 */
int seccomp__enter(enum thread_role role, struct err *e);

/** privileges__check() - has this process what the parent needs? Before libraries find out, who have
 *  their own words for it. Return: 0, or -EPERM with what is missing. */
int privileges__check(struct err *e);
