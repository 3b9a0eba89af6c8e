/* advertise.h - Router Advertisements on the inside interfaces (RFC 8781): the ra room on this loop. */
#pragma once
#include "control.h"

/** advertise__follow() - @conf runs from now on: begin, change, or withdraw and end. */
void advertise__follow(struct control *c, const struct config *conf);

/** advertise__refresh() - a translator has begun or ceased to work. */
void advertise__refresh(struct control *c);

/** advertise__look() - interfaces may have come or gone. */
void advertise__look(struct control *c);

/** advertise__farewell() - withdraw everything, soon. Return: true while there is something to be
 *  sent; the loop is stopped once there is not. */
bool advertise__farewell(struct control *c);

/** struct advertise_status - @why: of the state, "" if there is nothing to say */
struct advertise_status {
	const char *interface, *state, *why;
	bool advertising, has_from;
	struct addr from;
	uint64_t n_sent, n_solicited, n_heard;
};

/** advertise__each() - calls @each for every interface that advertises, or would. */
void advertise__each(const struct control *c, void (*each)(void *ctx, const struct advertise_status *s),
		     void *ctx);

void advertise__stop(struct control *c);
