/* memory.h - a port between two arrays: for tests and benchmarks. No system call, always ready. */
#pragma once
#include <stddef.h>
#include "sixgate/base/err.h"
#include "sixgate/dataplane/port.h"

/** struct memory_packet - @data: @len bytes from the IP header on; @side: where it comes in, or,
 *  of a packet that was sent, where it left. */
struct memory_packet {
	const uint8_t *data;
	uint32_t len;
	uint8_t side;
	struct offload off;
};

/**
 * memory_port_new() - a port that hands out copies of @in, in order, then is at its end
 * @in:        @n packets of at most PACKET_LEN_MAX bytes, borrowed while the port lives
 * @per_batch: at most so many a call, 1 to BATCH_MAX
 *
 * Return: 0 with @out owned by the caller; -ENOMEM.
 */
int memory_port_new(struct port **out, const struct memory_packet *in, size_t n, uint16_t per_batch,
		    struct err *e);

/** memory_port_sent() - copies of what was sent so far, in order; owned by the port, valid until
 *  the next tx. Return: how many. */
size_t memory_port_sent(const struct port *port, const struct memory_packet **out);

/** memory_port_rewind() - from the first packet again; what was sent is kept. */
void memory_port_rewind(struct port *port);
