/*
 * fuzz_control.c - hostile clients of the control socket.
 *
 * Links: rooms['control']. Corpus: corpus/control. Flags: -max_len=8192.
 *
 * The bytes go through a real socket to the real server, in as many pieces as the first byte says,
 * and every client must get an answer: whole lines of JSON, the last of which says whether it went
 * well; only a client that never finished its line gets none. What is decoded must survive being
 * written and read again.
 */
#include <errno.h>
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>
#include "server.h"
#include "sixgate/base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ANSWER_MAX = 16 << 10, TURNS_MAX = 100 };

static uv_loop_t loop;
static struct server *server;
static struct sockaddr_un name = { .sun_family = AF_UNIX };
static int n_asked;

static void check_round_trip(const struct ctl_request *r)
{
	struct ctl_request back;
	char line[CTL_LINE_MAX];
	size_t len = ctl_request_encode(r, line, sizeof(line));

	must(len > 1 && line[len - 1] == '\n');
	must(ctl_request_decode(line, len - 1, &back, NULL) == 0);
	must(back.command == r->command && back.all == r->all && back.max == r->max);
	must(strcmp(back.node, r->node) == 0 && strcmp(back.service, r->service) == 0);
}

static void on_request(void *owner, struct client *cl, const struct ctl_request *r)
{
	(void)owner;
	n_asked++;
	must(r->command < N_CTL_COMMANDS);
	check_round_trip(r);
	client__send(cl, json_pack("{s:b}", "ok", 1));
	client__finish(cl);
}

static const struct sockaddr *socket_name(void)
{
	union {
		const struct sockaddr_un *un;
		const struct sockaddr *sa;
	} u = { .un = &name };

	return u.sa;
}

static void start(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	/* abstract: nothing is left in the file system */
	snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "sixgate-fuzz-%d", getpid());
	must(fd >= 0 && bind(fd, socket_name(), sizeof(name)) == 0 && listen(fd, 8) == 0);
	must(uv_loop_init(&loop) == 0);
	must(server__start(&server, &loop, fd, on_request, NULL) == 0);
}

static void check_answer(char *text, size_t len, bool whole_line)
{
	json_t *v;

	text[len] = 0;
	if (len == 0) {
		must(!whole_line);
		return;
	}
	must(text[len - 1] == '\n');
	v = json_loads(text, 0, NULL); /* exactly one line: all answers here are short */
	must(v && json_is_boolean(json_object_get(v, "ok")));
	must(json_is_true(json_object_get(v, "ok")) || json_is_string(json_object_get(v, "error")));
	json_decref(v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char answer[ANSWER_MAX];
	size_t pieces, at = 0, got = 0;
	int fd, turns = 0;
	ssize_t n = 1;

	if (!server)
		start();
	if (size < 1)
		return 0;
	pieces = 1 + data[0] % 4u;
	data++;
	size--;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(fd >= 0 && connect(fd, socket_name(), sizeof(name)) == 0);
	for (size_t i = 0; i < pieces; i++) {
		size_t len = i + 1 < pieces ? size / pieces : size - at;

		if (send(fd, data + at, len, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)len)
			break; /* it has closed already */
		at += len;
		uv_run(&loop, UV_RUN_NOWAIT);
	}
	shutdown(fd, SHUT_WR);
	while (n != 0 && turns++ < TURNS_MAX) {
		uv_run(&loop, UV_RUN_NOWAIT);
		n = recv(fd, answer + got, sizeof(answer) - 1 - got, MSG_DONTWAIT);
		if (n > 0)
			got += (size_t)n;
		else if (n < 0 && errno == ECONNRESET)
			break; /* more came than was read: allowed, but only then */
	}
	must(turns <= TURNS_MAX);
	if (n == 0)
		check_answer(answer, got, memchr(data, '\n', size) || size > CTL_LINE_MAX);
	close(fd);
	return 0;
}
