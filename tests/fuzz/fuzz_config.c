/*
 * fuzz_config.c - hostile configuration files.
 *
 * Links: rooms['config'] (which brings libfyaml). Corpus: corpus/config. Flags: -max_len=4096.
 *
 * Not only "does not crash": what is refused is refused with a reason that a terminal can show, and
 * what is accepted prints as a file that reads back as the same value.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "sixgate/base/must.h"
#include "sixgate/config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct config_errors errors;

static void check_errors(void)
{
	must(errors.n > 0 && errors.n <= ARRAY_LEN(errors.error));
	for (size_t i = 0; i < errors.n; i++) {
		const struct config_error *e = &errors.error[i];

		must(strnlen(e->text, sizeof(e->text)) < sizeof(e->text));
		must(e->text[0] && e->line >= 0 && e->column >= 0);
		must(!strcmp(e->file, "fuzz"));
		for (const char *p = e->text; *p; p++)
			must(*p >= 0x20 && *p < 0x7f);
	}
}

static void check_reads_back(const struct config *c)
{
	struct config *again = NULL;
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	must(f);
	config_print(c, f);
	must(!fclose(f));
	must(config_parse("fuzz", text, n, &again, &errors) == 0);
	must(config_equal(c, again));
	must(!config_needs_restart(c, again));
	config_free(again);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config *c = NULL;
	char *text;

	if (!size)
		return 0;
	text = malloc(size); /* exactly so large, for ASan to see one byte past it */
	must(text);
	memcpy(text, data, size);
	if (config_parse("fuzz", text, size, &c, &errors)) {
		must(!c);
		check_errors();
	} else {
		must(!errors.n);
		check_reads_back(c);
		config_free(c);
	}
	free(text);
	return 0;
}
