/* zone_conf.h - what the files that check section `dns64:` share. */
#pragma once
#include "sixgate/dns64/conf.h"

/** dns64__is_domain() - RFC 1035 2.3.4 in text form, absolute and in lower case: host names and the
 *  underscores of service names. */
bool dns64__is_domain(const char *name);

void zones__complain(const struct dns64_conf *c, struct complaints *to);
