/* send.c - out of a worker, into a port, counted. */
#include "io_internal.h"

static void count_sent(struct worker *w, const struct packet *p, uint16_t n)
{
	uint64_t packets[N_SIDES] = { 0 }, bytes[N_SIDES] = { 0 };

	for (const struct packet *end = p + n; p < end; p++) {
		if (p->verdict.next != VERDICT_FORWARD)
			continue;
		packets[p->out_side]++;
		bytes[p->out_side] += p->len;
	}
	counter_add(&w->count[COUNT_TX_PACKETS_INSIDE], packets[SIDE_INSIDE]);
	counter_add(&w->count[COUNT_TX_PACKETS_OUTSIDE], packets[SIDE_OUTSIDE]);
	counter_add(&w->count[COUNT_TX_BYTES_INSIDE], bytes[SIDE_INSIDE]);
	counter_add(&w->count[COUNT_TX_BYTES_OUTSIDE], bytes[SIDE_OUTSIDE]);
}

void io__send(struct worker *w, struct port *port, const struct packet *p, uint16_t n)
{
	struct port_counts c = { .n_full = 0 };

	if (n == 0)
		return;
	port->ops->tx(port, p, n, &c);
	count_sent(w, p, n);
	counter_add(&w->drop[DROP_TX_FULL], c.n_full);
	counter_add(&w->drop[DROP_TX_ERROR], c.n_error);
}

void io__send_outbox(struct worker *w, struct port *port)
{
	io__send(w, port, w->out.packet, w->out.n);
	outbox_reset(&w->out);
}
