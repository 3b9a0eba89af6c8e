/* err.c - error texts for the operator. Formats, and nothing else: no output, no allocation. */
#include "sixgate/base/err.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return code;
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	return code;
}

int err_wrap(struct err *e, int code, const char *fmt, ...)
{
	char old[sizeof(e->text)];
	va_list ap;
	size_t at;

	if (!e)
		return code;
	memcpy(old, e->text, sizeof(old));
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	at = strlen(e->text);
	snprintf(e->text + at, sizeof(e->text) - at, ": %s", old);
	return code;
}
