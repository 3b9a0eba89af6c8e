/* err.h - why a control-plane call failed, in words for the operator. Never on the packet path. */
#pragma once
#include <stddef.h>

/**
 * struct err - one error text, outermost context first
 *
 * Owned by the caller, usually on the stack of main() or of a control request. The place where it
 * happened sets it once, callers prepend context, exactly one place prints it. Too long a text is
 * cut.
 */
struct err {
	char text[512];
};

/** err_set() - Return: @code, a negative errno, so that `return err_set(...)` reads well.
 *  @e may be NULL. */
int err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/** err_wrap() - text becomes "<fmt>: <old text>". Return: @code. @e may be NULL. */
int err_wrap(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
