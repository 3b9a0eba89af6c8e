/* translator.h - does the NAT64 behind each prefix work? What follows when it does not. */
#pragma once
#include "control.h"

enum { TRANSLATOR_PREFIXES_MAX = DNS64_WATCHED_MAX };

/** translator__start() - Return: 0 or -ENOMEM. */
int translator__start(struct control *c, struct err *e);

/** translator__follow() - @conf runs from now on: its prefixes count, and its probe. */
void translator__follow(struct control *c, const struct config *conf);

/** translator__look() - now and then, and when the facts have changed. */
void translator__look(struct control *c);

/** translator__works() - false: the translator of @p is known not to work; true where nothing is
 *  known. */
bool translator__works(const struct control *c, const struct prefix *p);

/** translator__usable() - with `require-nat64`: @conf without the prefixes that do not work, so that
 *  it answers as if they were not there; else @conf itself. Borrowed until the next call. NULL when
 *  out of memory. */
const struct dns64_conf *translator__usable(struct control *c, const struct dns64_conf *conf);

/** translator__each() - calls @each for every prefix. @why: what is wrong, "" if nothing is. */
void translator__each(const struct control *c,
		      void (*each)(void *ctx, const struct prefix *p, bool works, const char *why),
		      void *ctx);

void translator__stop(struct control *c);
