/* test_server.c - clients of the control socket that are too many, too slow or gone: over a real
 * socket, in the server's own loop. */
#include "server.h"
#include "test.h"
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PATIENCE_MS = 120, LONG_MS = 5000 };

struct world {
	uv_loop_t loop;
	struct server *server;
	struct sockaddr_un name;
	socklen_t name_len;
	int n_asked;
};

static void on_request(void *owner, struct client *cl, const struct ctl_request *r)
{
	struct world *w = owner;

	(void)r;
	w->n_asked++;
	client__send(cl, json_pack("{s:b}", "ok", 1));
	client__finish(cl);
}

/* An abstract name, which the kernel chooses and forgets. */
static int new_world(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	union {
		struct sockaddr_un un;
		struct sockaddr sa;
	} at = { .un = { .sun_family = AF_UNIX } };
	socklen_t len = sizeof(at);

	assert_int_equal(bind(fd, &at.sa, sizeof(sa_family_t)), 0);
	assert_int_equal(listen(fd, 64), 0);
	assert_int_equal(getsockname(fd, &at.sa, &len), 0);
	w->name = at.un;
	w->name_len = len;
	uv_loop_init(&w->loop);
	assert_int_equal(server__start(&w->server, &w->loop, fd, on_request, w), 0);
	server__set_patience(w->server, PATIENCE_MS);
	*state = w;
	return 0;
}

static int free_world(void **state)
{
	struct world *w = *state;

	server__stop(w->server);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w->loop), 0);
	free(w);
	return 0;
}

static int connected(struct world *w)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	union {
		struct sockaddr_un un;
		struct sockaddr sa;
	} at = { .un = w->name };

	assert_int_equal(connect(fd, &at.sa, w->name_len), 0);
	uv_run(&w->loop, UV_RUN_NOWAIT);
	return fd;
}

/* Turn the loop until @fd can be read or @ms are over. */
static bool readable_within(struct world *w, int fd, uint64_t ms)
{
	uint64_t end = uv_hrtime() / 1000000 + ms;
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	do {
		uv_run(&w->loop, UV_RUN_NOWAIT);
		if (poll(&wait, 1, 1) == 1)
			return true;
	} while (uv_hrtime() / 1000000 < end);
	return false;
}

/* What comes until the server closes. */
static void hear(struct world *w, int fd, char *out, size_t size)
{
	size_t at = 0;
	ssize_t n;

	do {
		assert_true(readable_within(w, fd, LONG_MS));
		n = read(fd, out + at, size - 1 - at);
		assert_true(n >= 0);
		at += (size_t)n;
	} while (n > 0);
	out[at] = 0;
	close(fd);
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static void a_request_is_answered_and_the_line_closed(void **state)
{
	struct world *w = *state;
	char said[256];
	int fd = connected(w);

	say(fd, "{\"command\":\"status\"}\n");
	hear(w, fd, said, sizeof(said));
	assert_string_equal(said, "{\"ok\":true}\n");
	assert_int_equal(w->n_asked, 1);
}

static void a_client_that_asks_nothing_is_closed_in_time(void **state)
{
	struct world *w = *state;
	char said[256];
	int fd = connected(w);

	assert_false(readable_within(w, fd, PATIENCE_MS / 2));
	hear(w, fd, said, sizeof(said));
	assert_string_equal(said, "");
}

static void letter_by_letter_buys_no_time(void **state)
{
	struct world *w = *state;
	uint64_t began = uv_hrtime() / 1000000;
	int fd = connected(w);
	char byte;

	while (!readable_within(w, fd, PATIENCE_MS / 8)) {
		send(fd, " ", 1, MSG_NOSIGNAL);
		assert_true(uv_hrtime() / 1000000 - began < LONG_MS);
	}
	assert_true(recv(fd, &byte, 1, 0) <= 0); /* the end, or a reset for what was not read */
	close(fd);
}

static void the_idle_do_not_keep_others_out_for_ever(void **state)
{
	struct world *w = *state;
	int idle[CTL_CLIENTS_MAX];
	char said[256];
	int fd;

	for (int i = 0; i < CTL_CLIENTS_MAX; i++)
		idle[i] = connected(w);
	fd = connected(w);
	hear(w, fd, said, sizeof(said));
	assert_non_null(strstr(said, "too many clients"));
	for (int i = 0; i < CTL_CLIENTS_MAX; i++)
		hear(w, idle[i], said, sizeof(said));
	fd = connected(w);
	say(fd, "{\"command\":\"status\"}\n");
	hear(w, fd, said, sizeof(said));
	assert_string_equal(said, "{\"ok\":true}\n");
}

#define T(f) cmocka_unit_test_setup_teardown(f, new_world, free_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_request_is_answered_and_the_line_closed),
		T(a_client_that_asks_nothing_is_closed_in_time),
		T(letter_by_letter_buys_no_time),
		T(the_idle_do_not_keep_others_out_for_ever),
	};

	return cmocka_run_group_tests_name("control/server", tests, NULL, NULL);
}
