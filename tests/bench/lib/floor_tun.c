/*
 * floor_tun.c - what our own packet I/O costs: the tun port with an empty pipeline.
 *
 * Moves every packet from one device to the other with its facts untouched: same queues, same
 * offloads, same batches as the daemon. Nothing that keeps tun, the copy in and the copy out can be
 * faster, so the benchmarks quote the daemon as a multiple of this.
 *
 *   floor_tun DEVICE-INSIDE DEVICE-OUTSIDE [QUEUES]
 *
 * Prints "ready" when the devices are there; ends with SIGTERM.
 */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include "sixgate/base/must.h"
#include "sixgate/io/tun.h"

static void *move(void *arg)
{
	struct port *port = arg;
	struct batch *b = calloc(1, sizeof(*b));
	struct port_counts c = { .n_full = 0 };
	struct pollfd set[N_SIDES];
	int fd[N_SIDES];

	must(b && port->ops->fds(port, fd, N_SIDES) == N_SIDES);
	for (int i = 0; i < N_SIDES; i++)
		set[i] = (struct pollfd){ .fd = fd[i], .events = POLLIN };
	while (port->ops->rx(port, b)) {
		for (uint16_t i = 0; i < b->n; i++) {
			b->packet[i].verdict = verdict_forward();
			b->packet[i].out_side = !b->packet[i].side;
		}
		port->ops->tx(port, b->packet, b->n, &c);
		if (b->n == 0)
			poll(set, N_SIDES, 100);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	unsigned n = argc > 3 ? (unsigned)atoi(argv[3]) : 1;
	struct tun_queues q[N_SIDES];
	struct port *port;
	struct err e;
	pthread_t t;

	if (argc < 3 || n < 1 || n > TUN_QUEUES_MAX) {
		fprintf(stderr, "usage: %s DEVICE-INSIDE DEVICE-OUTSIDE [QUEUES]\n", argv[0]);
		return 2;
	}
	for (unsigned side = 0; side < N_SIDES; side++) {
		if (tun_open(&q[side], argv[1 + side], n, TUN_OFFLOAD_USO, &e) < 0)
			goto failed;
	}
	for (unsigned i = 0; i < n; i++) {
		if (tun_port_new(&port, q[SIDE_INSIDE].fd[i], q[SIDE_OUTSIDE].fd[i], &e) < 0)
			goto failed;
		must(pthread_create(&t, NULL, move, port) == 0);
	}
	printf("ready\n");
	fflush(stdout);
	pthread_join(t, NULL);
	return 1; /* a device went away */

failed:
	fprintf(stderr, "%s\n", e.text);
	return 1;
}
