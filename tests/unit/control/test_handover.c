/* test_handover.c - what goes from parent to child in memfds arrives as it was sent. */
#include "handover.h"
#include "channel.h"
#include "test.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void text_arrives_whole_and_terminated(void **state)
{
	static const char text[] = "gateway:\n  name: x\n";
	char *back;
	size_t len;

	(void)state;
	assert_int_equal(handover__read(handover__write(text, strlen(text)), &back, &len), 0);
	assert_int_equal(len, strlen(text));
	assert_string_equal(back, text);
	free(back);
}

static void what_was_handed_over_cannot_be_changed(void **state)
{
	int fd = handover__write("a", 1);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "b", 1, 0), -1);
	assert_int_equal(ftruncate(fd, 100), -1);
	close(fd);
}

static void facts_arrive_with_their_arrays(void **state)
{
	struct netlink_local local[3] = { { .ifindex = 1 }, { .ifindex = 2 }, { .ifindex = 3 } };
	struct netlink_inside_prefix inside[2] = { { .on_link = true }, { .local = true } };
	struct netlink_route_fact route = { .via = true };
	struct netlink_facts f = { .local = local, .n_local = 3, .inside = inside, .n_inside = 2,
				   .route = &route, .n_route = 1, .n_interface = 1, .has_shared = true };
	struct netlink_facts back;

	(void)state;
	f.interface[0].mtu = 1400;
	assert_int_equal(handover__read_facts(handover__write_facts(&f), &back), 0);
	assert_int_equal(back.n_local, 3);
	assert_memory_equal(back.local, local, sizeof(local));
	assert_int_equal(back.n_inside, 2);
	assert_memory_equal(back.inside, inside, sizeof(inside));
	assert_int_equal(back.n_route, 0);
	assert_int_equal(back.interface[0].mtu, 1400);
	assert_true(back.has_shared);
	netlink_facts_free(&back);
}

static void facts_of_a_wrong_size_are_refused(void **state)
{
	struct netlink_facts f = { .n_local = 5 }; /* but none follow */
	struct netlink_facts back;

	(void)state;
	assert_int_equal(handover__read_facts(handover__write(&f, sizeof(f)), &back), -EPROTO);
	assert_int_equal(handover__read_facts(handover__write(&f, sizeof(f) - 1), &back), -EPROTO);
	f.n_local = SIZE_MAX / sizeof(struct netlink_local) + 2; /* would wrap */
	assert_int_equal(handover__read_facts(handover__write(&f, sizeof(f)), &back), -EPROTO);
}

static void errors_are_one_line_each(void **state)
{
	struct config_errors *errors = calloc(1, sizeof(*errors));
	char *text;
	size_t len;

	(void)state;
	errors->n = 2;
	errors->n_more = 3;
	errors->error[0] = (struct config_error){ .file = "a.yaml", .line = 4, .column = 2, .text = "no" };
	errors->error[1] = (struct config_error){ .file = "b.yaml", .text = "cannot be read" };
	assert_int_equal(handover__read(handover__write_errors(errors), &text, &len), 0);
	assert_string_equal(text, "a.yaml:4:2: no\nb.yaml: cannot be read\n3 more errors\n");
	free(text);
	free(errors);
}

static void one_descriptor_travels_beside_a_message(void **state)
{
	int pair[2], fd;
	unsigned n_fd;
	char buf[8];

	(void)state;
	assert_int_equal(channel__pair(pair, NULL), 0);
	assert_int_equal(channel__send(pair[0], "hello", 5, STDERR_FILENO, 0), 0);
	assert_int_equal(channel__receive(pair[1], buf, sizeof(buf), &fd, &n_fd, 0), 5);
	assert_int_equal(n_fd, 1);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
	assert_int_equal(channel__send(pair[0], "x", 1, -1, 0), 0);
	assert_int_equal(channel__receive(pair[1], buf, sizeof(buf), &fd, &n_fd, 0), 1);
	assert_int_equal(fd, -1);
	assert_int_equal(channel__receive(pair[1], buf, sizeof(buf), &fd, &n_fd, MSG_DONTWAIT), -EAGAIN);
	close(pair[0]);
	assert_int_equal(channel__receive(pair[1], buf, sizeof(buf), &fd, &n_fd, 0), 0);
	close(pair[1]);
}

static void descriptors_beyond_the_first_are_closed(void **state)
{
	union {
		char buf[CMSG_SPACE(3 * sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	int three[3] = { 0, 1, 2 }, pair[2], fd, probe;
	struct iovec iov = { .iov_base = three, .iov_len = 1 };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf,
			     .msg_controllen = sizeof(control.buf) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&mh);
	unsigned n_fd;
	char buf[8];

	(void)state;
	assert_int_equal(channel__pair(pair, NULL), 0);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(three));
	memcpy(CMSG_DATA(c), three, sizeof(three));
	assert_int_equal(sendmsg(pair[0], &mh, 0), 1);
	assert_int_equal(channel__receive(pair[1], buf, sizeof(buf), &fd, &n_fd, 0), 1);
	assert_int_equal(n_fd, 3);
	probe = dup(0); /* the lowest free number: right behind the one that was kept */
	assert_int_equal(probe, fd + 1);
	close(probe);
	close(fd);
	close(pair[0]);
	close(pair[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_arrives_whole_and_terminated),
		cmocka_unit_test(what_was_handed_over_cannot_be_changed),
		cmocka_unit_test(facts_arrive_with_their_arrays),
		cmocka_unit_test(facts_of_a_wrong_size_are_refused),
		cmocka_unit_test(errors_are_one_line_each),
		cmocka_unit_test(one_descriptor_travels_beside_a_message),
		cmocka_unit_test(descriptors_beyond_the_first_are_closed),
	};

	return cmocka_run_group_tests_name("control/handover", tests, NULL, NULL);
}
