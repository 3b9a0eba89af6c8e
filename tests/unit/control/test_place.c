/* test_place.c - which control socket sixgatectl asks, by the configuration. */
#include "place.h"
#include "test.h"
#include <stdlib.h>
#include <unistd.h>

static const char good[] = "gateway: {control: /run/other.sock}\n"
			   "interfaces: {inside: lan0, outside: wan0}\n"
			   "nat64: {pool4: outside, log: {sink: /var/log/n.log, what: [port-blocks]}}\n";

struct answer {
	int rc;
	struct ctl_place place;
	char told[1024];
};

/* @text: of the file; NULL: there is none. */
static struct answer ask(const char *text, enum ctl_named named)
{
	static char path[32];
	struct answer a = { .rc = -1 };
	FILE *told = fmemopen(a.told, sizeof(a.told), "w");
	int fd;

	strcpy(path, "/tmp/place-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_non_null(told);
	if (text)
		assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	else
		assert_int_equal(unlink(path), 0);
	a.rc = ctl_place_of(path, named, &a.place, told);
	fclose(told);
	close(fd);
	if (text)
		unlink(path);
	return a;
}

static void a_good_file_names_socket_and_log(void **state)
{
	(void)state;
	for (enum ctl_named named = CTL_BY_DEFAULT; named <= CTL_BY_NAME; named++) {
		const struct answer a = ask(good, named);

		assert_int_equal(a.rc, CTL_OK);
		assert_non_null(a.place.file);
		assert_string_equal(a.place.socket, "/run/other.sock");
		assert_string_equal(a.place.log, "/var/log/n.log");
		assert_string_equal(a.told, "");
	}
}

static void a_wrong_file_is_told_and_nobody_is_asked(void **state)
{
	(void)state;
	for (enum ctl_named named = CTL_BY_DEFAULT; named <= CTL_BY_NAME; named++) {
		const struct answer a = ask("gateway:\n  wrokers: 2\n", named);

		assert_int_equal(a.rc, CTL_FAILED);
		assert_non_null(strstr(a.told, ":2:12: gateway.wrokers: unknown key"));
		assert_non_null(strstr(a.told, "name the control socket with -s"));
	}
}

static void the_default_file_need_not_be_there(void **state)
{
	const struct answer a = ask(NULL, CTL_BY_DEFAULT);

	(void)state;
	assert_int_equal(a.rc, CTL_OK);
	assert_null(a.place.file);
	assert_string_equal(a.told, "");
}

static void a_named_file_has_to_be_there(void **state)
{
	const struct answer a = ask(NULL, CTL_BY_NAME);

	(void)state;
	assert_int_equal(a.rc, CTL_FAILED);
	assert_non_null(strstr(a.told, "cannot be read: No such file or directory"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_file_names_socket_and_log),
		cmocka_unit_test(a_wrong_file_is_told_and_nobody_is_asked),
		cmocka_unit_test(the_default_file_need_not_be_there),
		cmocka_unit_test(a_named_file_has_to_be_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
