/* test_link.c - the child's calls to its parent: who waits for an answer, and for how long. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>
#include "channel.h"
#include "link.h"

static struct link l;
static int parent;
static unsigned n_noticed, last_kind;

static void note(void *owner, const struct notice *n, int fd)
{
	(void)owner;
	if (fd >= 0)
		close(fd);
	n_noticed++;
	last_kind = n->kind;
}

static void gone(void *owner)
{
	(void)owner;
}

static int setup(void **state)
{
	int fd[2];

	(void)state;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) != 0)
		return -1;
	parent = fd[0];
	l = (struct link){ .fd = fd[1], .on_notice = note, .on_gone = gone };
	n_noticed = last_kind = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close(l.fd);
	return close(parent);
}

static void tell(enum notice_kind kind, uint32_t serial)
{
	struct notice n = { .magic = REQUEST_MAGIC, .kind = (uint16_t)kind, .serial = serial };

	assert_int_equal(channel__send(parent, &n, sizeof(n), -1, 0), 0);
}

static bool was_asked(void)
{
	uint8_t bytes[REQUEST_BYTES];

	return recv(parent, bytes, sizeof(bytes), MSG_DONTWAIT) > 0;
}

static int call(void)
{
	struct err e = { "" };
	int fd;

	return link__call(&l, (struct request){ .kind = REQUEST_FINDINGS }, &fd, &e);
}

static void what_comes_meanwhile_is_handed_on(void **state)
{
	(void)state;
	tell(NOTICE_RELOAD, 0);
	tell(NOTICE_REPLY, 1000); /* too late, of another call */
	tell(NOTICE_REPLY, 1);
	assert_int_equal(call(), 0);
	assert_true(was_asked());
	assert_int_equal(n_noticed, 1);
	assert_int_equal(last_kind, NOTICE_RELOAD);
}

/* It serves nobody any more, and waits for us to end. */
static void a_parent_that_stops_is_not_waited_for(void **state)
{
	(void)state;
	tell(NOTICE_STOP, 0);
	assert_int_equal(call(), -ECANCELED);
	assert_int_equal(last_kind, NOTICE_STOP);
	assert_true(was_asked());
	assert_int_equal(call(), -ECANCELED);
	assert_false(was_asked());
}

static void nor_is_it_asked_when_that_was_known_before(void **state)
{
	(void)state;
	tell(NOTICE_STOP, 0);
	link__poll(&l);
	assert_int_equal(last_kind, NOTICE_STOP);
	assert_int_equal(call(), -ECANCELED);
	assert_false(was_asked());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_comes_meanwhile_is_handed_on, setup, teardown),
		cmocka_unit_test_setup_teardown(a_parent_that_stops_is_not_waited_for, setup,
						teardown),
		cmocka_unit_test_setup_teardown(nor_is_it_asked_when_that_was_known_before, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
