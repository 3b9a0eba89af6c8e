/*
 * complaint.h - what is wrong with a configuration value, said of the member at fault.
 *
 * A room that checks its own struct reports every fault it finds, each with the address of the
 * member; who asked knows where in which file that member came from. Control plane only.
 */
#pragma once
#include <errno.h>
#include <stddef.h>
#include "sixgate/base/err.h"

/**
 * struct complaints - who is told
 * @say: called once for each fault. @member: inside the value being checked; @key: its name in the
 *       file, for when nobody knows the place; @e: what is wrong, without the key
 */
struct complaints {
	void (*say)(struct complaints *to, const void *member, const char *key, const struct err *e);
};

/** complain() - complain(to, member, key, format, ...) */
#define complain(to, member, key, ...)                                                             \
	do {                                                                                       \
		struct err complain_err_;                                                          \
		err_set(&complain_err_, -EINVAL, __VA_ARGS__);                                     \
		(to)->say((to), (member), (key), &complain_err_);                                  \
	} while (0)

/** struct first_complaint - keeps the first fault only, for a check that answers yes or no
 *  @e: written with the first fault; @code: 0 or -EINVAL */
struct first_complaint {
	struct complaints to; /* first */
	struct err *e;
	int code;
};

static inline void first_complaint_say(struct complaints *to, const void *member, const char *key,
				       const struct err *e)
{
	struct first_complaint *first = (struct first_complaint *)to;

	(void)member;
	if (!first->code)
		first->code = err_set(first->e, -EINVAL, "%s: %s", key, e->text);
}

/** first_complaint() - for @e, which may be NULL. */
static inline struct first_complaint first_complaint(struct err *e)
{
	return (struct first_complaint){ .to = { first_complaint_say }, .e = e };
}
