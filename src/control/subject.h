/* subject.h - the packets that a request is about, as members of its JSON object. */
#pragma once
#include <jansson.h>
#include "sixgate/control/protocol.h"

/** subject__decode() - one member. Return: 0, or -EINVAL, also for a key that is none of ours. */
int subject__decode(const char *key, const json_t *v, struct ctl_subject *out, struct err *e);

/** subject__encode() - add what is not zero to the object @to. */
void subject__encode(json_t *to, const struct ctl_subject *s);
