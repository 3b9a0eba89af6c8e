/* linger.h - inside prefixes that an interface has just lost. A link that goes down takes its addresses
 * along, and brings them back with itself: meanwhile nobody's connections are to end. */
#pragma once
#include "sixgate/netlink/facts.h"

enum { LINGER_MS = 120000, LINGER_MAX = 64 };

/** struct linger_list - zero is a good start. @left: what is gone, until when it counts as there. */
struct linger_list {
	struct {
		struct netlink_inside_prefix what;
		uint64_t until_ms;
	} left[LINGER_MAX];
	size_t n;
};

/** linger__follow() - the facts were @before and are @now: what has gone lingers, and is put into @now;
 *  what has come back lingers no more. Without memory, or more than LINGER_MAX, it is merely gone. */
void linger__follow(struct linger_list *l, const struct netlink_facts *before, struct netlink_facts *now,
		    uint64_t now_ms);

/** linger__add() - put what lingers into other facts, too. */
void linger__add(const struct linger_list *l, struct netlink_facts *f);

/** linger__expire() - take what has lingered until @now_ms out of @f; UINT64_MAX: everything.
 *  Return: @f has changed. */
bool linger__expire(struct linger_list *l, struct netlink_facts *f, uint64_t now_ms);
