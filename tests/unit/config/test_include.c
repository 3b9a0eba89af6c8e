/* test_include.c - files and what they include, on a real file system. */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>
#include "fixture.h"

static char dir[64];
static struct config_errors errors;

static const char *path_of(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void put(const char *name, const char *text)
{
	FILE *f = fopen(path_of(name), "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static struct config *load_good(const char *name)
{
	struct config *c = NULL;
	int rc = config_load(path_of(name), &c, &errors);

	if (rc)
		print_errors(&errors);
	assert_int_equal(rc, 0);
	return c;
}

static void load_bad(const char *name, int want)
{
	struct config *c = NULL;

	assert_int_equal(config_load(path_of(name), &c, &errors), want);
	assert_null(c);
	assert_true(errors.n > 0);
}

static int set_up(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/sixgate-config-XXXXXX");
	return mkdtemp(dir) && !mkdir(path_of("conf.d"), 0700) ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

#define MAIN                                                                                       \
	"interfaces: {inside: lan0, outside: wan0}\n"                                              \
	"include: conf.d/*.yaml\n"                                                                 \
	"nat64: {pool4: 192.0.2.1}\n"

static void globbed_files_are_added(void **state)
{
	struct config *c;

	(void)state;
	put("main.yaml", MAIN);
	put("conf.d/a.yaml", "services:\n  - {name: a, addresses: 192.0.2.10, port: 80, nodes: {name: n, "
			     "address: 192.0.2.20}}\n");
	put("conf.d/b.yaml", "services: {name: b, addresses: 192.0.2.11, port: 80, nodes: {name: n, "
			     "address: 192.0.2.20}}\nnat64: {pool4: [192.0.2.2], timeouts: {udp: 3m}}\n");
	put("conf.d/c.yaml.off", "nonsense: {\n");
	c = load_good("main.yaml");
	assert_int_equal(c->services.n_service, 2);
	assert_string_equal(c->services.service[0].name, "a");
	assert_string_equal(c->services.service[1].name, "b");
	assert_int_equal(c->nat64.n_pool4, 2);
	assert_int_equal(c->nat64.timeouts.udp_s, 180);
	config_free(c);
}

static void pattern_may_find_nothing_but_a_name_may_not(void **state)
{
	(void)state;
	put("main.yaml", MAIN);
	config_free(load_good("main.yaml"));
	put("main.yaml", "include: [conf.d/none.yaml]\n");
	load_bad("main.yaml", -EINVAL);
	assert_true(has_error(&errors, 1, 11, "No such file"));
}

static void errors_name_the_included_file(void **state)
{
	(void)state;
	put("main.yaml", MAIN);
	put("conf.d/a.yaml", "\nnat64: {timeouts: {udp: 1s}}\n");
	put("conf.d/b.yaml", "nat64: {filtering: none}\n");
	load_bad("main.yaml", -EINVAL);
	assert_int_equal(errors.n, 2);
	assert_string_equal(errors.error[0].file, path_of("conf.d/a.yaml"));
	assert_int_equal(errors.error[0].line, 2);
	assert_int_equal(errors.error[0].column, 25);
	assert_string_equal(errors.error[1].file, path_of("conf.d/b.yaml"));
}

static void value_set_in_two_files_is_refused_with_both_places(void **state)
{
	char part[256];

	(void)state;
	put("main.yaml", MAIN "gateway: {user: a}\n");
	put("conf.d/a.yaml", "gateway: {user: b}\n");
	load_bad("main.yaml", -EINVAL);
	snprintf(part, sizeof(part), "is set twice, first in %s/main.yaml:4:17", dir);
	assert_true(has_error(&errors, 1, 17, part));
}

static void files_that_include_each_other_end(void **state)
{
	(void)state;
	put("main.yaml", "include: main.yaml\n");
	load_bad("main.yaml", -EINVAL);
	assert_true(has_error(&errors, 1, 10, "is included twice"));
	put("main.yaml", "include: conf.d/a.yaml\n");
	put("conf.d/a.yaml", "include: ../main.yaml\n");
	load_bad("main.yaml", -EINVAL);
	assert_true(has_error(&errors, 1, 10, "is included twice"));
}

static void chain(int n)
{
	for (int i = 0; i < n; i++) {
		char name[32], text[128];

		snprintf(name, sizeof(name), "f%d.yaml", i);
		snprintf(text, sizeof(text), i + 1 < n ? "include: f%d.yaml\n" : LEAST, i + 1);
		put(name, text);
	}
}

static void depth_and_number_are_bounded(void **state)
{
	(void)state;
	chain(9); /* the file and 8 levels */
	config_free(load_good("f0.yaml"));
	chain(10);
	load_bad("f0.yaml", -EINVAL);
	assert_true(has_error(&errors, 1, 10, "included too deeply"));
	put("main.yaml", "include: conf.d/*.yaml\n");
	for (int i = 0; i < 63; i++) {
		char name[32];

		snprintf(name, sizeof(name), "conf.d/%02d.yaml", i);
		put(name, i ? "# nothing\n" : LEAST);
	}
	config_free(load_good("main.yaml"));
	put("conf.d/64.yaml", "# one too many\n");
	load_bad("main.yaml", -EINVAL);
	assert_true(has_error(&errors, 1, 10, "one file too many"));
	put("conf.d/65.yaml", "# two too many\n");
	load_bad("main.yaml", -EINVAL);
	assert_true(has_error(&errors, 1, 10, "fits 65 files: at most 64"));
}

static void what_cannot_be_read_is_said(void **state)
{
	(void)state;
	load_bad("absent.yaml", -ENOENT);
	assert_int_equal(errors.n, 1);
	assert_true(has_error(&errors, 0, 0, "No such file"));
	assert_string_equal(errors.error[0].file, path_of("absent.yaml"));
	load_bad("conf.d", -EISDIR);
	assert_int_equal(mkfifo(path_of("fifo"), 0600), 0);
	load_bad("fifo", -ENXIO);
	assert_true(has_error(&errors, 0, 0, "is not a file"));
}

static void put_big(const char *name, size_t n)
{
	char *text = malloc(n + 1);

	assert_non_null(text);
	memset(text, '#', n);
	text[n] = '\0';
	put(name, text);
	free(text);
}

static void size_of_one_and_of_all_is_bounded(void **state)
{
	(void)state;
	put("main.yaml", "include: conf.d/*.yaml\n" LEAST);
	put_big("conf.d/1.yaml", 1 << 20);
	put_big("conf.d/2.yaml", 1 << 20);
	put_big("conf.d/3.yaml", 1 << 20);
	put_big("conf.d/4.yaml", (1 << 20) - strlen("include: conf.d/*.yaml\n" LEAST));
	config_free(load_good("main.yaml"));
	put("conf.d/5.yaml", "#");
	load_bad("main.yaml", -EINVAL);
	assert_true(has_error(&errors, 1, 10, "at most 4 MiB in all files"));
	assert_int_equal(unlink(path_of("conf.d/5.yaml")), 0);
	put_big("conf.d/1.yaml", (1 << 20) + 1);
	load_bad("main.yaml", -EINVAL);
	assert_true(has_error(&errors, 1, 10, "larger than 1 MiB"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(globbed_files_are_added),
		TEST(pattern_may_find_nothing_but_a_name_may_not),
		TEST(errors_name_the_included_file),
		TEST(value_set_in_two_files_is_refused_with_both_places),
		TEST(files_that_include_each_other_end),
		TEST(depth_and_number_are_bounded),
		TEST(what_cannot_be_read_is_said),
		TEST(size_of_one_and_of_all_is_bounded),
	};
	return cmocka_run_group_tests_name("config/include", tests, NULL, NULL);
}
