/*
 * echo.c - the floor of the DNS64 benchmark: sends every datagram back to where it came from, from
 * the address that it came to, with the response bit set. Sockets as the server's own; one thread
 * for each; one recvmmsg() and one sendmmsg() for each batch, and nothing else.
 *
 *   dns64_echo ADDRESS PORT THREADS
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "sixgate/dns64/dns64.h"

enum { BATCH = 64, MESSAGE_MAX = 4096, THREADS_MAX = 64 };

struct batch {
	struct mmsghdr header[BATCH];
	struct iovec iov[BATCH];
	struct sockaddr_in6 peer[BATCH];
	_Alignas(8) uint8_t control[BATCH][64];
	uint8_t wire[BATCH][MESSAGE_MAX];
};

static void prepare(struct batch *b)
{
	for (unsigned i = 0; i < BATCH; i++)
		b->header[i].msg_hdr = (struct msghdr){ .msg_name = &b->peer[i],
							.msg_iov = &b->iov[i],
							.msg_iovlen = 1,
							.msg_control = b->control[i] };
}

static void make_room(struct batch *b, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct msghdr *h = &b->header[i].msg_hdr;

		h->msg_namelen = sizeof(b->peer[i]);
		h->msg_controllen = sizeof(b->control[i]);
		b->iov[i] = (struct iovec){ b->wire[i], MESSAGE_MAX };
	}
}

/* What was received is what is to be sent: address, packet info, bytes. */
static void turn_round(struct batch *b, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct cmsghdr *cm = CMSG_FIRSTHDR(&b->header[i].msg_hdr);

		if (cm && cm->cmsg_type == IPV6_PKTINFO)
			((struct in6_pktinfo *)CMSG_DATA(cm))->ipi6_ifindex = 0;
		b->iov[i].iov_len = b->header[i].msg_len;
		b->wire[i][2] |= 0x80;
	}
}

static void *echo(void *arg)
{
	struct batch *b = calloc(1, sizeof(*b));
	int fd = *(const int *)arg;

	if (!b)
		exit(1);
	prepare(b);
	make_room(b, BATCH);
	for (;;) {
		int n = recvmmsg(fd, b->header, BATCH, MSG_WAITFORONE, NULL), done = 0;

		if (n <= 0)
			continue;
		turn_round(b, (unsigned)n);
		while (done < n) {
			int sent = sendmmsg(fd, b->header + done, (unsigned)(n - done), 0);

			done += sent > 0 ? sent : 1;
		}
		make_room(b, (unsigned)n);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	static int fd[THREADS_MAX];
	struct endpoint_conf at = { 0 };
	struct err e = { "" };
	int n = argc == 4 ? atoi(argv[3]) : 0;

	if (n < 1 || n > THREADS_MAX || addr_parse(argv[1], &at.address)) {
		fprintf(stderr, "usage: dns64_echo ADDRESS PORT THREADS\n");
		return 2;
	}
	at.port = (uint16_t)atoi(argv[2]);
	for (int i = 0; i < n; i++) {
		pthread_t thread;

		fd[i] = n > 1 ? dns64_open_udp_shared(&at, &e) : dns64_open_udp(&at, &e);
		if (fd[i] < 0) {
			fprintf(stderr, "dns64_echo: %s\n", e.text);
			return 1;
		}
		fcntl(fd[i], F_SETFL, 0); /* it waits in recvmmsg() */
		if (i < n - 1)
			pthread_create(&thread, NULL, echo, &fd[i]);
	}
	echo(&fd[n - 1]);
}
