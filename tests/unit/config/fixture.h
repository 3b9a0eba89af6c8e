/* fixture.h - configurations from text, and what must be said of bad ones. */
#pragma once
#include "test.h"
#include <stdlib.h>
#include <string.h>
#include "sixgate/config/config.h"

/** parse_good() - must be accepted; release with config_free(). */
struct config *parse_good(const char *text);

/** LEAST - the least that a file must have. */
#define LEAST "interfaces: {inside: lan0, outside: wan0}\negress6: {prefixes: inside}\n"

/** parse_with_job() - parse_good() of @text with LEAST behind it. */
struct config *parse_with_job(const char *text);

/** parse_bad() - must be refused. Return: the errors, overwritten by the next call. */
const struct config_errors *parse_bad(const char *text);

/** has_error() - at @line and @column (0: anywhere) an error whose text holds @part. */
bool has_error(const struct config_errors *e, int line, int column, const char *part);

/** print_errors() - for the reader of a failed test. */
void print_errors(const struct config_errors *e);

/** read_test_file() - of tests/unit/config/files, or any by absolute path; NUL behind it. Free it. */
char *read_test_file(const char *name);

/** printed() - config_print() into memory. Free it. */
char *printed(const struct config *c);
