/* outbox.c - bump allocation of the packets that the pipeline makes. */
#include "sixgate/packet/packet.h"

enum { OUTBOX_ALIGN = 64 };

void outbox_init(struct outbox *o, uint8_t *mem, uint32_t size, struct packet *packets, uint16_t max)
{
	*o = (struct outbox){ .mem = mem, .size = size, .packet = packets, .max = max };
}

struct packet *outbox_add(struct outbox *o, uint32_t len)
{
	uint64_t used = (uint64_t)o->used + PACKET_HEADROOM + len;
	struct packet *p;

	used = (used + OUTBOX_ALIGN - 1) & ~(uint64_t)(OUTBOX_ALIGN - 1);
	if (o->n == o->max || used > o->size)
		return NULL;
	p = &o->packet[o->n++];
	memset(p, 0, sizeof(*p));
	p->data = o->mem + o->used + PACKET_HEADROOM;
	p->len = p->room = len;
	p->headroom = PACKET_HEADROOM;
	o->used = (uint32_t)used;
	return p;
}
