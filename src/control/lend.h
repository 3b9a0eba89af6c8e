/* lend.h - port blocks move between workers when one of them runs short. */
#pragma once
#include "control.h"

/** lend__look() - once a second: asks a worker that has plenty to set blocks aside, or collects what
 *  it has set aside; then a new snapshot is wanted. */
void lend__look(struct control *c);
