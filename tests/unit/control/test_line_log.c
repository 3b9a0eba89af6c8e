/* test_line_log.c - a log of lines: what the sink does not take is counted, each loss once. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>
#include "line_log.h"
#include "sixgate/base/must.h"

static struct line_log *log_on(const char *sink, int fd)
{
	struct line_log *l = calloc(1, sizeof(*l));

	must(l);
	l->fd = -1;
	l->ident = "test";
	line_log__open(l, sink, fd);
	return l;
}

static void mark_that_is_refused_is_no_loss(void **state)
{
	struct line_log *l;
	char heard[64];
	int fd[2], n = 0;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, fd), 0);
	l = log_on("socket:/x", fd[0]);
	while (l->n_refused == 0 && n++ < 100000)
		line_log__put(l, "event", 5);
	assert_int_equal(l->n_refused, 1);
	for (int i = 0; i < 3; i++)
		assert_false(line_log__mark(l, "lost", 4));
	assert_int_equal(l->n_refused, 1);
	assert_int_equal(l->n_written, n - 1);
	while (recv(fd[1], heard, sizeof(heard), MSG_DONTWAIT) > 0)
		;
	assert_true(line_log__mark(l, "lost", 4));
	assert_int_equal(recv(fd[1], heard, sizeof(heard), MSG_DONTWAIT), 4);
	assert_int_equal(l->n_refused, 1);
	line_log__close(l);
	close(fd[1]);
	free(l);
}

/* A pipe takes no more than it has room for: a file on a full disk. */
static void line_that_was_cut_short_is_lost_and_ended_by_the_next(void **state)
{
	struct line_log *l;
	char big[400], heard[70000];
	int fd[2], n = 0;
	ssize_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = 'x';
	assert_int_equal(pipe2(fd, O_NONBLOCK), 0);
	l = log_on("/file", fd[1]);
	while (l->n_refused == 0 && n++ < 100000)
		line_log__put(l, big, sizeof(big));
	line_log__flush(l);
	assert_int_equal(l->n_written + l->n_refused, n);
	while (line_log__mark(l, "lost", 4)) /* into what room is left */
		assert_int_equal(l->n_written + l->n_refused, ++n);
	assert_int_equal(l->n_written + l->n_refused, n);
	len = read(fd[0], heard, sizeof(heard));
	assert_in_range(len, 4096, sizeof(heard));
	assert_true(line_log__mark(l, "lost", 4));
	assert_int_equal(l->n_written + l->n_refused, n + 1);
	l->torn = true;
	line_log__put(l, "event", 5);
	line_log__flush(l);
	assert_int_equal(l->n_written + l->n_refused, n + 2);
	len = 0;
	for (ssize_t got; (got = read(fd[0], heard, sizeof(heard))) > 0;)
		len = got;
	assert_in_range(len, 10, sizeof(heard));
	assert_memory_equal(heard + len - 7, "\nevent\n", 7);
	line_log__close(l);
	close(fd[0]);
	free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mark_that_is_refused_is_no_loss),
		cmocka_unit_test(line_that_was_cut_short_is_lost_and_ended_by_the_next),
	};

	return cmocka_run_group_tests_name("control/line_log", tests, NULL, NULL);
}
