/*
 * fuzz_parent.c - the privileged parent before a child that has been taken over.
 *
 * Links: rooms['control']. Corpus: corpus/parent. Flags: -max_len=512.
 *
 * The input is a row of messages: a length byte, a number of descriptors, then the bytes. Whatever
 * is accepted has every field in its range and nothing in what it does not use; and what the parent
 * then does is answer, with the serial of the request, an error for everything that the file does
 * not name. (Requests that change the kernel are decoded only.)
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "channel.h"
#include "parent.h"
#include "sixgate/base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char text[] = "interfaces: {inside: lan0, outside: wan0}\n"
			   "nat64: {pool4: 192.0.2.1}\n"
			   "dns64: {upstream: 192.0.2.53, listen: {address: \"::1\", port: 65053}}\n";

static struct config *conf;
static struct parent parent;
static int child_end;

static void start(void)
{
	static struct config_errors errors;
	static const struct daemon_options options;
	int fd[2];

	must(config_parse("fuzz", text, strlen(text), &conf, &errors) == 0);
	must(channel__pair(fd, NULL) == 0);
	child_end = fd[1];
	parent = (struct parent){ .options = &options, .config = conf, .channel = fd[0], .signals = -1 };
}

static void check_decoded(const struct request *r)
{
	must(r->magic == REQUEST_MAGIC && r->kind > 0 && r->kind < N_REQUEST_KINDS);
	must(r->which < N_REQUEST_WHICH && r->transport < N_REQUEST_TRANSPORTS);
	must(strcmp(request_kind_name(r->kind), "unknown") != 0);
	if (r->kind != REQUEST_LISTENER && r->kind != REQUEST_ADVERTISER)
		must(r->transport == 0 && (r->index == 0 || r->kind == REQUEST_EVENT_LOG ||
					 r->kind == REQUEST_TRUST));
	for (size_t i = 0; i < sizeof(r->zero); i++)
		must(r->zero[i] == 0);
}

static bool is_harmless(const struct request *r)
{
	return r->kind == REQUEST_LISTENER || r->kind == REQUEST_METRICS ||
	       r->kind == REQUEST_ADVERTISER || r->kind == REQUEST_PING ||
	       r->kind == REQUEST_ABORT || r->kind == REQUEST_COMMIT;
}

static bool should_succeed(const struct request *r)
{
	if (r->kind == REQUEST_LISTENER)
		return r->which == REQUEST_RUNNING && r->index == 0;
	return r->kind == REQUEST_ABORT;
}

static void serve(const struct request *r)
{
	uint8_t bytes[NOTICE_BYTES + 1];
	struct notice n;
	unsigned n_fd;
	int fd, len;

	parent__serve(&parent, r);
	len = channel__receive(child_end, bytes, sizeof(bytes), &fd, &n_fd, MSG_DONTWAIT);
	must(len > 0 && notice_decode(bytes, (size_t)len, &n) == 0);
	must(n.kind == NOTICE_REPLY && n.serial == r->serial && n.code <= 0);
	/* the port may be another's on the machine that fuzzes */
	must((n.code == 0) == should_succeed(r) || n.code == -EADDRINUSE);
	must((fd >= 0) == (n.code == 0 && r->kind == REQUEST_LISTENER));
	must(n.code == 0 || n.text[0]);
	must(!parent.ending && !parent.pending && parent.config == conf);
	if (fd >= 0)
		close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!conf)
		start();
	while (size >= 2) {
		size_t len = data[0];
		unsigned n_fd = data[1];
		struct request r;
		uint8_t *exact; /* so that one byte too far is seen */

		data += 2;
		size -= 2;
		if (len > size)
			len = size;
		exact = malloc(len ? len : 1);
		must(exact);
		memcpy(exact, data, len);
		if (request_decode(exact, len, n_fd, &r) == 0) {
			check_decoded(&r);
			must(len == sizeof(r) && memcmp(exact, &r, sizeof(r)) == 0 && n_fd == 0);
			if (is_harmless(&r))
				serve(&r);
		}
		free(exact);
		data += len;
		size -= len;
	}
	return 0;
}
