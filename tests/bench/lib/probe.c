/*
 * probe.c - round trips of single UDP datagrams at a fixed rate.
 *
 *   probe echo ADDRESS PORT                   sends back what comes, until it is ended
 *   probe send ADDRESS PORT RATE COUNT SIZE   one line each: nanoseconds, or "lost" after a second
 *
 * A datagram is sent when its time has come whether or not the one before is back: what waits for
 * the answer must not slow down the question.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/prctl.h>
#include <time.h>
#include "sixgate/base/must.h"

enum { SIZE_MAX_BYTES = 1400, SECOND_NS = 1000000000, DECIMAL = 10 };

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * SECOND_NS + (uint64_t)ts.tv_nsec;
}

static void make_address(struct sockaddr_storage *to, socklen_t *len, char **arg)
{
	struct sockaddr_in6 *six = (void *)to;
	struct sockaddr_in *four = (void *)to;
	const uint16_t port = htons((uint16_t)strtoul(arg[1], NULL, DECIMAL));

	memset(to, 0, sizeof(*to));
	if (inet_pton(AF_INET6, arg[0], &six->sin6_addr) == 1) {
		six->sin6_family = AF_INET6;
		six->sin6_port = port;
		*len = sizeof(*six);
		return;
	}
	must(inet_pton(AF_INET, arg[0], &four->sin_addr) == 1);
	four->sin_family = AF_INET;
	four->sin_port = port;
	*len = sizeof(*four);
}

static _Noreturn void echo(int fd)
{
	uint8_t bytes[SIZE_MAX_BYTES];
	struct sockaddr_storage from;

	for (;;) {
		socklen_t len = sizeof(from);
		const ssize_t n = recvfrom(fd, bytes, sizeof(bytes), 0, (void *)&from, &len);

		if (n >= 0)
			sendto(fd, bytes, (size_t)n, 0, (void *)&from, len);
	}
}

/* Take what is back until `until`; took[] is by the number that each carries. */
static void gather(int fd, uint64_t *took, uint32_t n, uint64_t until)
{
	struct pollfd set = { .fd = fd, .events = POLLIN };
	uint64_t stamp[SIZE_MAX_BYTES / sizeof(uint64_t)], now;

	while ((now = now_ns()) < until) {
		const struct timespec left = { .tv_sec = (time_t)((until - now) / SECOND_NS),
					       .tv_nsec = (long)((until - now) % SECOND_NS) };

		if (ppoll(&set, 1, &left, NULL) != 1 ||
		    recv(fd, stamp, sizeof(stamp), MSG_DONTWAIT) < 16)
			continue;
		if (stamp[1] < n && took[stamp[1]] == 0)
			took[stamp[1]] = now_ns() - stamp[0];
	}
}

static int ask(int fd, char **arg)
{
	const uint64_t gap = SECOND_NS / strtoul(arg[2], NULL, DECIMAL);
	const uint32_t n = (uint32_t)strtoul(arg[3], NULL, DECIMAL);
	const size_t size = strtoul(arg[4], NULL, DECIMAL);
	uint64_t stamp[SIZE_MAX_BYTES / sizeof(uint64_t)] = { 0 };
	uint64_t *took = calloc(n, sizeof(*took)), begun = now_ns();

	must(took && size >= 16 && size <= sizeof(stamp));
	for (uint32_t i = 0; i < n; i++) {
		gather(fd, took, n, begun + i * gap);
		stamp[0] = now_ns();
		stamp[1] = i;
		send(fd, stamp, size, 0);
	}
	gather(fd, took, n, now_ns() + SECOND_NS);
	for (uint32_t i = 0; i < n; i++)
		took[i] ? printf("%llu\n", (unsigned long long)took[i]) : printf("lost\n");
	free(took);
	return 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_storage at;
	socklen_t len;
	int fd;

	if (!(argc == 4 && strcmp(argv[1], "echo") == 0) &&
	    !(argc == 7 && strcmp(argv[1], "send") == 0)) {
		fprintf(stderr, "usage: see probe.c\n");
		return 2;
	}
	prctl(PR_SET_TIMERSLACK, 1);
	make_address(&at, &len, argv + 2);
	fd = socket(at.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 ||
	    (argc == 4 ? bind(fd, (void *)&at, len) : connect(fd, (void *)&at, len)) < 0) {
		perror(argv[2]);
		return 1;
	}
	if (argc == 4)
		echo(fd);
	return ask(fd, argv + 2);
}
