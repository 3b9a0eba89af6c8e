/*
 * fuzz_config.c - hostile configuration files.
 *
 * Links: rooms['config'] (which brings libfyaml). Corpus: corpus/config. Flags: -max_len=4096.
 *
 * Not only "does not crash": what is refused is refused with a reason that a terminal can show, and
 * what is accepted prints as a file that reads back as the same value. A NUL divides an input into
 * main.yaml and a.yaml, which the first may include.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "sixgate/base/must.h"
#include "sixgate/config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct config_errors errors;
static char dir[] = "/tmp/sixgate-fuzz-XXXXXX", main_path[64], other_path[64];

static void check_errors(void)
{
	must(errors.n > 0 && errors.n <= ARRAY_LEN(errors.error));
	for (size_t i = 0; i < errors.n; i++) {
		const struct config_error *e = &errors.error[i];

		must(strnlen(e->text, sizeof(e->text)) < sizeof(e->text));
		must(e->text[0] && e->line >= 0 && e->column >= 0);
		must(e->file[0]);
		for (const char *p = e->text; *p; p++)
			must(*p >= 0x20 && *p < 0x7f);
	}
}

static void check_reads_back(const struct config *c)
{
	struct config *again = NULL;
	char keys[CONFIG_RESTART_KEYS_MAX];
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	must(f);
	config_print(c, f);
	must(!fclose(f));
	must(config_parse("fuzz", text, n, &again, &errors) == 0);
	must(config_equal(c, again));
	must(config_needs_restart(c, again, keys, sizeof(keys)) == 0);
	config_free(again);
	free(text);
}

static void check(int rc, struct config *c)
{
	if (rc) {
		must(!c);
		check_errors();
	} else {
		must(!errors.n);
		check_reads_back(c);
		config_free(c);
	}
}

static void put(const char *path, const uint8_t *data, size_t size)
{
	FILE *f = fopen(path, "w");

	must(f);
	must(fwrite(data, 1, size, f) == size);
	must(!fclose(f));
}

static void remove_files(void)
{
	unlink(main_path);
	unlink(other_path);
	rmdir(dir);
}

static void make_files(void)
{
	must(mkdtemp(dir));
	snprintf(main_path, sizeof(main_path), "%s/main.yaml", dir);
	snprintf(other_path, sizeof(other_path), "%s/a.yaml", dir);
	must(!atexit(remove_files));
}

/* Once: the example, with the least that a file must have behind it, is accepted. */
static void check_example(void)
{
	struct config *c = NULL;
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	must(f);
	config_print_example(f);
	fputs("interfaces: {inside: a, outside: b}\negress6: {prefixes: inside}\n", f);
	must(!fclose(f));
	must(config_parse("example", text, n, &c, &errors) == 0);
	config_free(c);
	free(text);
}

/* No '/' in the main file: it shall include nothing but its neighbour. */
static void load_two(const uint8_t *data, size_t size, const uint8_t *nul)
{
	size_t head = (size_t)(nul - data);
	struct config *c = NULL;
	int rc;

	if (memchr(data, '/', head))
		return;
	if (!main_path[0])
		make_files();
	put(main_path, data, head);
	put(other_path, nul + 1, size - head - 1);
	rc = config_load(main_path, &c, &errors);
	check(rc, c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool once;
	const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
	struct config *c = NULL;
	char *text;
	int rc;

	if (!once)
		check_example();
	once = true;
	if (!size)
		return 0;
	if (nul) {
		load_two(data, size, nul);
		return 0;
	}
	text = malloc(size); /* exactly so large, for ASan to see one byte past it */
	must(text);
	memcpy(text, data, size);
	rc = config_parse("fuzz", text, size, &c, &errors);
	check(rc, c);
	free(text);
	return 0;
}
