/* lend.h - port blocks move between workers when one of them runs short. */
#pragma once
#include "control.h"

enum { LEND_LOOKS_MAX = 10 };

/** lend__look() - once a second: asks a worker that has plenty to set blocks aside, or collects what
 *  it has set aside; then a new snapshot is wanted. A worker that has not done so after LEND_LOOKS_MAX
 *  looks is waited for no longer; what it sets aside later is returned to it. */
void lend__look(struct control *c);
