/* child.h - the unprivileged half: where it begins. */
#pragma once
#include "privileges.h"

/** child__run() - the life of the child, from the fork on. @channel: to the parent. Never returns. */
_Noreturn void child__run(int channel, const struct identity *who);
