/* fixture.c - see fixture.h. */
#include "fixture.h"
#include <errno.h>
#include <stdio.h>

static struct config_errors errors;

void print_errors(const struct config_errors *e)
{
	for (size_t i = 0; i < e->n; i++)
		print_message("  %s:%d:%d: %s\n", e->error[i].file, e->error[i].line,
			      e->error[i].column, e->error[i].text);
}

struct config *parse_good(const char *text)
{
	struct config *c = NULL;
	int rc = config_parse("test.yaml", text, strlen(text), &c, &errors);

	if (rc)
		print_errors(&errors);
	assert_int_equal(rc, 0);
	assert_non_null(c);
	assert_int_equal(errors.n, 0);
	return c;
}

struct config *parse_with_job(const char *text)
{
	size_t size = strlen(text) + sizeof(LEAST);
	char *whole = malloc(size);
	struct config *c;

	assert_non_null(whole);
	snprintf(whole, size, "%s" LEAST, text);
	c = parse_good(whole);
	free(whole);
	return c;
}

const struct config_errors *parse_bad(const char *text)
{
	struct config *c = NULL;

	assert_int_equal(config_parse("test.yaml", text, strlen(text), &c, &errors), -EINVAL);
	assert_null(c);
	assert_true(errors.n > 0);
	return &errors;
}

bool has_error(const struct config_errors *e, int line, int column, const char *part)
{
	for (size_t i = 0; i < e->n; i++)
		if ((!line || e->error[i].line == line) &&
		    (!column || e->error[i].column == column) && strstr(e->error[i].text, part))
			return true;
	print_message("not said at %d:%d: %s; but:\n", line, column, part);
	print_errors(e);
	return false;
}

char *read_test_file(const char *name)
{
	char path[512];
	char *text = calloc(1, 65536);
	FILE *f;

	snprintf(path, sizeof(path), "%s%s", *name == '/' ? "" : CONFIG_TEST_FILES "/", name);
	f = fopen(path, "r");
	assert_non_null(text);
	assert_non_null(f);
	assert_true(fread(text, 1, 65535, f) > 0);
	fclose(f);
	return text;
}

char *printed(const struct config *c)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	assert_non_null(f);
	config_print(c, f);
	fclose(f);
	return text;
}
