/* dns_see.h - answers of sixgatectl dns. */
#pragma once
#include "control.h"

void dns_see__start(struct control *c, struct client *cl, const struct ctl_request *r);

/** dns_see__wake() - a lookup may have ended. */
void dns_see__wake(struct control *c);
