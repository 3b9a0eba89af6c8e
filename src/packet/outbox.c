/* outbox.c - bump allocation of the packets that the pipeline makes. */
#include "sixgate/packet/packet.h"

enum { OUTBOX_ALIGN = 64 };

void outbox_init(struct outbox *o, uint8_t *mem, uint32_t size, struct packet *packets,
		 uint16_t max)
{
	*o = (struct outbox){ .mem = mem, .size = size, .packet = packets, .max = max };
}

/* Bytes that a packet of @len takes. */
static uint64_t footprint(uint32_t len)
{
	return ((uint64_t)len + PACKET_HEADROOM + OUTBOX_ALIGN - 1) & ~(uint64_t)(OUTBOX_ALIGN - 1);
}

bool outbox_has_room(const struct outbox *o, uint32_t n, uint32_t len)
{
	return n <= (uint32_t)(o->max - o->n) && n * footprint(len) <= o->size - o->used;
}

struct packet *outbox_add(struct outbox *o, uint32_t len)
{
	uint64_t used = o->used + footprint(len);
	struct packet *p;

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
