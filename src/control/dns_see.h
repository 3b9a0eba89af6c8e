/* dns_see.h - answers of sixgatectl dns. */
#pragma once
#include "control.h"

void dns_see__start(struct control *c, struct client *cl, const struct ctl_request *r);

void dns_lookup__start(struct control *c, struct client *cl, const struct ctl_request *r,
		       const struct dns_name *name);

/** dns_lookup__wake() - a lookup may have ended. */
void dns_lookup__wake(struct control *c);
