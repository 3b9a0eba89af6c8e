/*
 * port.h - where packets come from and go to: the only door between the pure pipeline and the
 * world. TUN, XDP, pcap files and memory implement it.
 */
#pragma once
#include "sixgate/packet/packet.h"

struct port;

/** struct port_counts - what sending did. */
struct port_counts {
	uint64_t n_full, n_error; /* DROP_TX_FULL, DROP_TX_ERROR */
};

/**
 * struct port_ops - one backend
 * @rx:    fill @b with up to BATCH_MAX packets and return at once; b->n may be 0. data, len,
 *         headroom, room, off and side are set. The packets stay valid until the next rx().
 *         Return: false when the port is at its end (files) or broken for good.
 * @tx:    send those of the @n packets at @p that have VERDICT_FORWARD, on their out_side, and may
 *         write into their headroom. Never blocks: what the kernel will not take is counted in @c.
 * @fds:   descriptors to poll when idle, at most @max; return how many. 0: always ready.
 * @close: release the port and every packet it lent.
 *
 * Called a few times per batch, never per packet.
 */
struct port_ops {
	const char *name;
	bool (*rx)(struct port *port, struct batch *b);
	void (*tx)(struct port *port, const struct packet *p, uint16_t n, struct port_counts *c);
	int (*fds)(const struct port *port, int *fd, int max);
	void (*close)(struct port *port);
};

/** struct port - first member of each backend.
 *  @n_rx_direct, @n_tx_direct: packets that did not pass the kernel's forwarding; the worker's. */
struct port {
	const struct port_ops *ops;
	uint64_t n_rx_direct, n_tx_direct;
};
