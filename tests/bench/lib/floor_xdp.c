/*
 * floor_xdp.c - what our AF_XDP port costs: the port with an empty pipeline.
 *
 * Takes every IP packet that comes in on its interfaces and sends it on by the kernel's routes: same
 * program, rings, frames and next hops as the daemon. The benchmarks quote the daemon's costs as a
 * multiple of this one's.
 *
 *   floor_xdp INSIDE[,INSIDE...] OUTSIDE [WORKERS]
 *
 * Prints "ready" when the interfaces are open; ends with SIGTERM, printing what it moved.
 */
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "sixgate/base/must.h"
#include "sixgate/io/xdp.h"
#include "sixgate/netlink/hops.h"

static struct netlink_facts facts;
static volatile sig_atomic_t ended;

static void end(int sig)
{
	(void)sig;
	ended = 1;
}

/* In the place of TUN: nothing comes in, what goes out is lost and counted as full. */
static bool no_rx(struct port *port, struct batch *b)
{
	(void)port;
	b->n = 0;
	return true;
}

static void no_tx(struct port *port, const struct packet *p, uint16_t n, struct port_counts *c)
{
	(void)port;
	(void)p;
	c->n_full += n;
}

static int no_fds(const struct port *port, int *fd, int max)
{
	(void)port;
	(void)fd;
	(void)max;
	return 0;
}

static void no_close(struct port *port)
{
	(void)port;
}

static const struct port_ops nothing_ops = { "nothing", no_rx, no_tx, no_fds, no_close };

static void *move(void *arg)
{
	struct port *port = arg;
	struct batch *b = calloc(1, sizeof(*b));
	struct port_counts c = { .n_full = 0 };
	struct pollfd set[XDP_SHARE_SOCKETS_MAX];
	int fd[XDP_SHARE_SOCKETS_MAX], n;

	must(b);
	n = port->ops->fds(port, fd, XDP_SHARE_SOCKETS_MAX);
	for (int i = 0; i < n; i++)
		set[i] = (struct pollfd){ .fd = fd[i], .events = POLLIN };
	while (!ended && port->ops->rx(port, b)) {
		for (uint16_t i = 0; i < b->n; i++) {
			b->packet[i].verdict = verdict_forward();
			b->packet[i].out_side = !b->packet[i].side;
		}
		port->ops->tx(port, b->packet, b->n, &c);
		if (b->n == 0)
			poll(set, (nfds_t)n, 100);
	}
	printf("rx %llu tx %llu lost %llu\n", (unsigned long long)port->n_rx_direct,
	       (unsigned long long)port->n_tx_direct, (unsigned long long)c.n_full);
	free(b);
	return NULL;
}

/* The daemon's own facts need a configuration: this one asks for names only. */
static int read_facts(char *inside, const char *outside, struct err *e)
{
	struct config c = { .interfaces = { .n_outside = 1, .tun = "none" } };

	for (char *name = strtok(inside, ","); name && c.interfaces.n_inside < INTERFACES_MAX;
	     name = strtok(NULL, ","))
		snprintf(c.interfaces.inside[c.interfaces.n_inside++], INTERFACE_NAME_MAX, "%s", name);
	snprintf(c.interfaces.outside[0], INTERFACE_NAME_MAX, "%s", outside);
	return netlink_facts_read(&c, &facts, e);
}

static int claim_everything(struct xdp *x, struct err *e)
{
	static const struct prefix v4 = { .addr.octet = { [10] = 0xff, 0xff }, .len = 96 };
	struct xdp_claim_conf claim[] = { { .way = XDP_TO_US, .side = SIDE_INSIDE },
					  { .way = XDP_TO_US, .side = SIDE_OUTSIDE },
					  { v4, SIDE_INSIDE, XDP_TO_US },
					  { v4, SIDE_OUTSIDE, XDP_TO_US } };
	struct xdp_claims claims = { .claim = claim, .n_claim = ARRAY_LEN(claim) };

	return xdp_set_claims(x, &claims, e);
}

static int open_all(struct xdp **x, unsigned n_workers, struct err *e)
{
	struct xdp_interface on[ARRAY_LEN(facts.interface)];

	for (size_t i = 0; i < facts.n_interface; i++) {
		const struct netlink_interface *f = &facts.interface[i];

		on[i] = (struct xdp_interface){ .ifindex = f->ifindex, .side = !f->inside };
		memcpy(on[i].name, f->name, sizeof(on[i].name));
		memcpy(on[i].mac, f->mac, sizeof(on[i].mac));
	}
	if (xdp_open(x, on, facts.n_interface, n_workers, e) < 0)
		return -1;
	for (size_t i = 0; i < facts.n_interface; i++)
		printf("%s: %s, %u queues%s\n", on[i].name,
		       on[i].flags & XDP_FLAG_NATIVE ? "native" : "generic", on[i].n_queues,
		       xdp_share(*x, 0)->socket[0].flags & XDP_FLAG_ZEROCOPY ? ", zero-copy" : "");
	return claim_everything(*x, e);
}

int main(int argc, char **argv)
{
	unsigned n = argc > 3 ? (unsigned)atoi(argv[3]) : 1;
	static struct port nothing = { .ops = &nothing_ops };
	pthread_t t[XDP_WORKERS_MAX];
	struct err e = { "" };
	struct hops *hops;
	struct xdp *x;

	if (argc < 3 || n < 1 || n > XDP_WORKERS_MAX) {
		fprintf(stderr, "usage: %s INSIDE[,INSIDE...] OUTSIDE [WORKERS]\n", argv[0]);
		return 2;
	}
	signal(SIGTERM, end);
	signal(SIGINT, end);
	if (read_facts(argv[1], argv[2], &e) < 0 ||
	    netlink_hops_read(&facts, &hops, &e) < 0 || open_all(&x, n, &e) < 0) {
		fprintf(stderr, "%s\n", e.text);
		return 1;
	}
	for (unsigned i = 0; i < n; i++) {
		struct port *port;

		if (xdp_port_new(&port, xdp_share(x, i), &nothing, &e) < 0) {
			fprintf(stderr, "%s\n", e.text);
			return 1;
		}
		xdp_port_set_hops(port, hops);
		must(pthread_create(&t[i], NULL, move, port) == 0);
	}
	printf("ready\n");
	fflush(stdout);
	for (unsigned i = 0; i < n; i++)
		pthread_join(t[i], NULL);
	return 0;
}
