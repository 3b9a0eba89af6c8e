/* metrics.h - everything countable as Prometheus text. */
#pragma once
#include <stddef.h>
#include "control.h"

/** metrics__text() - exposition format 0.0.4. Return: allocated, the caller frees it; NULL when out
 *  of memory. */
char *metrics__text(const struct control *c, size_t *len);
