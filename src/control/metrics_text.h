/* metrics_text.h - what the files that write metrics share. */
#pragma once
#include <stdio.h>
#include "control.h"

/** metrics__head() - the two lines before a metric; @name without "sixgate_". */
void metrics__head(FILE *f, const char *name, const char *type, const char *help);

/** dns_metrics__write() - those of DNS64 that have labels. */
void dns_metrics__write(FILE *f, const struct control *c, const struct dns64_stats *s);
