/* test_log.c - how a line looks goes by what standard error is; and how many lines are withheld. */
#include "sixgate/log/log.h"
#include "test.h"
#include <fcntl.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

static int original;

static void become_stderr(int fd)
{
	assert_true(fd >= 0);
	assert_true(dup2(fd, STDERR_FILENO) == STDERR_FILENO);
	close(fd);
	log_look_again();
}

static int keep_stderr(void **state)
{
	(void)state;
	original = dup(STDERR_FILENO);
	log_open("unit", LOG_LEVEL_INFO);
	return original < 0;
}

static int restore_stderr(void **state)
{
	(void)state;
	dup2(original, STDERR_FILENO);
	close(original);
	return 0;
}

static void assert_read(int fd, const char *want)
{
	char line[256];
	ssize_t n = read(fd, line, sizeof(line) - 1);

	assert_true(n >= 0);
	line[n] = 0;
	assert_string_equal(line, want);
}

/* systemd.exec(5): @off by so many inodes, this is not the journal. */
static void name_journal(int fd, unsigned off)
{
	char stream[64];
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino + off);
	assert_int_equal(setenv("JOURNAL_STREAM", stream, 1), 0);
}

static void assert_timed(const char *line, const char *want)
{
	for (const char *form = "dddd-dd-ddTdd:dd:ddZ "; *form; line++, form++)
		assert_true(*form == 'd' ? *line >= '0' && *line <= '9' : *line == *form);
	assert_string_equal(line, want);
}

static void a_pipe_that_is_not_the_journal_gets_the_time(void **state)
{
	int end[2];
	char line[256];
	ssize_t n;

	(void)state;
	for (int named = 0; named < 2; named++) {
		assert_int_equal(pipe(end), 0);
		unsetenv("JOURNAL_STREAM");
		if (named)
			name_journal(end[1], 1);
		become_stderr(end[1]);
		log_error("worse");
		n = read(end[0], line, sizeof(line) - 1);
		assert_true(n > 21);
		line[n] = 0;
		assert_timed(line, "unit: worse\n");
		assert_string_equal(log_error_mark(), "");
		close(end[0]);
	}
}

static void the_journal_gets_its_priorities(void **state)
{
	int end[2];

	(void)state;
	assert_int_equal(pipe(end), 0);
	name_journal(end[1], 0);
	become_stderr(end[1]);
	assert_string_equal(log_error_mark(), "<3>");
	log_error("%s %d", "worse", 1);
	assert_read(end[0], "<3>unit: worse 1\n");
	log_notice("well");
	assert_read(end[0], "<5>unit: well\n");
	log_debug("too much");
	log_info("enough");
	assert_read(end[0], "<6>unit: enough\n");
	close(end[0]);
}

static void a_file_gets_the_time(void **state)
{
	int fd = memfd_create("log", 0), copy = dup(fd);
	char line[256];
	ssize_t n;

	(void)state;
	become_stderr(fd);
	log_warning("look");
	n = pread(copy, line, sizeof(line) - 1, 0);
	assert_true(n > 21);
	line[n] = 0;
	assert_timed(line, "unit: look\n");
	close(copy);
}

static void a_terminal_gets_the_words_alone(void **state)
{
	int fd, terminal;
	struct termios raw;

	(void)state;
	assert_int_equal(openpty(&fd, &terminal, NULL, NULL, NULL), 0);
	assert_int_equal(tcgetattr(terminal, &raw), 0);
	cfmakeraw(&raw); /* no carriage return of the terminal's own */
	assert_int_equal(tcsetattr(terminal, TCSANOW, &raw), 0);
	become_stderr(terminal);
	log_error("hello");
	assert_read(fd, "unit: hello\n");
	close(fd);
}

/* SIGHUP: the journal at start, a file from then on; only a look changes the form. */
static void another_look_changes_the_form(void **state)
{
	int end[2], fd = memfd_create("log", 0), copy = dup(fd);
	char line[64] = "";

	(void)state;
	assert_int_equal(pipe(end), 0);
	name_journal(end[1], 0);
	become_stderr(end[1]);
	log_error("before");
	assert_read(end[0], "<3>unit: before\n");
	assert_true(dup2(fd, STDERR_FILENO) == STDERR_FILENO);
	log_error("between");
	assert_int_equal(pread(copy, line, sizeof(line), 0), strlen("<3>unit: between\n"));
	log_look_again();
	log_error("after");
	assert_true(pread(copy, line, sizeof(line) - 1, (off_t)strlen("<3>unit: between\n")) > 21);
	assert_memory_equal(line + 20, " unit: after\n", 13);
	close(fd);
	close(copy);
	close(end[0]);
}

static void lines_that_are_withheld_are_counted(void **state)
{
	struct log_limit l = { .interval_ms = 100 };
	uint64_t skipped = 7;

	(void)state;
	assert_true(log_allowed(&l, 0, &skipped)); /* time may begin at 0 */
	assert_int_equal(skipped, 0);
	assert_false(log_allowed(&l, 50, &skipped));
	assert_false(log_allowed(&l, 99, &skipped));
	assert_true(log_allowed(&l, 101, &skipped));
	assert_int_equal(skipped, 2);
	assert_true(log_allowed(&l, 201, &skipped));
	assert_int_equal(skipped, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_journal_gets_its_priorities),
		cmocka_unit_test(a_pipe_that_is_not_the_journal_gets_the_time),
		cmocka_unit_test(a_file_gets_the_time),
		cmocka_unit_test(a_terminal_gets_the_words_alone),
		cmocka_unit_test(another_look_changes_the_form),
		cmocka_unit_test(lines_that_are_withheld_are_counted),
	};

	return cmocka_run_group_tests_name("log/log", tests, keep_stderr, restore_stderr);
}
