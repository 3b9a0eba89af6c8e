/* memory.c - the port between two arrays. Memory for a batch is taken once; memory for what is
 * sent grows as needed. */
#include "sixgate/io/memory.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "sixgate/base/must.h"

enum { LENT_BYTES = PACKET_HEADROOM + PACKET_LEN_MAX + 1, TAILROOM = PACKET_TAILROOM };

struct memory_port {
	struct port port;
	const struct memory_packet *in;
	size_t n_in, at;
	uint16_t per_batch;
	uint8_t *mem; /* @per_batch packets of @slot_bytes */
	size_t slot_bytes;
	struct memory_packet *sent;
	size_t n_sent, n_sent_room;
};

static struct memory_port *memory_port(struct port *port)
{
	return (struct memory_port *)port;
}

static bool memory_rx(struct port *port, struct batch *b)
{
	struct memory_port *m = memory_port(port);

	b->n = 0;
	if (m->at == m->n_in)
		return false;
	while (m->at < m->n_in && b->n < m->per_batch) {
		const struct memory_packet *in = &m->in[m->at++];
		struct packet *p = &b->packet[b->n];

		p->data = m->mem + b->n * m->slot_bytes + PACKET_HEADROOM;
		memcpy(p->data, in->data, in->len);
		p->len = in->len;
		p->headroom = PACKET_HEADROOM;
		p->room = (uint32_t)(m->slot_bytes - PACKET_HEADROOM);
		p->off = in->off;
		p->side = in->side;
		b->n++;
	}
	return true;
}

/* Return: false without memory. */
static bool keep(struct memory_port *m, const struct packet *p)
{
	uint8_t *copy;

	if (m->n_sent == m->n_sent_room) {
		size_t room = m->n_sent_room ? 2 * m->n_sent_room : 64;
		struct memory_packet *more = realloc(m->sent, room * sizeof(*more));

		if (!more)
			return false;
		m->sent = more;
		m->n_sent_room = room;
	}
	copy = malloc(p->len ? p->len : 1);
	if (!copy)
		return false;
	memcpy(copy, p->data, p->len);
	m->sent[m->n_sent++] = (struct memory_packet){
		.data = copy, .len = p->len, .side = p->out_side, .off = p->off
	};
	return true;
}

static void memory_tx(struct port *port, const struct packet *p, uint16_t n, struct port_counts *c)
{
	for (const struct packet *end = p + n; p < end; p++)
		if (p->verdict.next == VERDICT_FORWARD && !keep(memory_port(port), p))
			c->n_full++;
}

static int memory_fds(const struct port *port, int *fd, int max)
{
	(void)port;
	(void)fd;
	(void)max;
	return 0;
}

static void memory_close(struct port *port)
{
	struct memory_port *m = memory_port(port);

	for (size_t i = 0; i < m->n_sent; i++)
		free((uint8_t *)(uintptr_t)m->sent[i].data);
	free(m->sent);
	free(m->mem);
	free(m);
}

static const struct port_ops memory_ops = {
	.name = "memory",
	.rx = memory_rx,
	.tx = memory_tx,
	.fds = memory_fds,
	.close = memory_close,
};

static uint32_t longest(const struct memory_packet *in, size_t n)
{
	uint32_t len = 0;

	for (size_t i = 0; i < n; i++)
		len = in[i].len > len ? in[i].len : len;
	return len;
}

int memory_port_new(struct port **out, const struct memory_packet *in, size_t n, uint16_t per_batch,
		    struct err *e)
{
	size_t slot = (PACKET_HEADROOM + longest(in, n) + TAILROOM + 63) & ~(size_t)63;
	struct memory_port *m = malloc(sizeof(*m));
	uint8_t *mem = calloc(per_batch, slot);

	must(per_batch >= 1 && per_batch <= BATCH_MAX && slot <= LENT_BYTES + TAILROOM + 63);
	if (!m || !mem) {
		free(m);
		free(mem);
		return err_set(e, -ENOMEM, "no memory for a memory port");
	}
	*m = (struct memory_port){ .port = { .ops = &memory_ops },
				   .in = in,
				   .n_in = n,
				   .per_batch = per_batch,
				   .mem = mem,
				   .slot_bytes = slot };
	*out = &m->port;
	return 0;
}

size_t memory_port_sent(const struct port *port, const struct memory_packet **out)
{
	const struct memory_port *m = (const struct memory_port *)port;

	*out = m->sent;
	return m->n_sent;
}

void memory_port_rewind(struct port *port)
{
	memory_port(port)->at = 0;
}
