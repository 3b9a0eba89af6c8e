/*
 * handoff.c - packets that arrived at the wrong worker, copied to their owner.
 *
 * Two rings between each pair of workers: one with small slots, one with a few that hold a
 * super-packet. A sequence number keeps the order between the two.
 */
#include "dataplane_internal.h"

enum { ERROR_ROOM = 1280 }; /* bytes; RFC 4443 2.4 (c) */

struct slot {
	uint64_t seq;
	struct packet packet;
	bool resolved;
};

struct handoff {
	struct spsc small, big;
	uint64_t seq; /* writer's */
	struct slot small_slot[HANDOFF_SLOTS], big_slot[HANDOFF_BIG_SLOTS];
	uint8_t small_bytes[HANDOFF_SLOTS][HANDOFF_BYTES];
	uint8_t big_bytes[HANDOFF_BIG_SLOTS][PACKET_LEN_MAX];
};

struct handoff *handoff_layout(struct arena *a)
{
	struct handoff *h = arena_take(a, sizeof(*h));

	if (!h)
		return NULL;
	spsc_init(&h->small, HANDOFF_SLOTS);
	spsc_init(&h->big, HANDOFF_BIG_SLOTS);
	return h;
}

bool handoff__put(struct handoff *h, const struct packet *p, bool resolved)
{
	bool big = p->len > HANDOFF_BYTES;
	struct spsc *ring = big ? &h->big : &h->small;
	uint32_t i = spsc_begin_write(ring);
	struct slot *slot;

	if (i == UINT32_MAX)
		return false;
	slot = big ? &h->big_slot[i] : &h->small_slot[i];
	slot->seq = h->seq++;
	slot->packet = *p;
	slot->resolved = resolved;
	memcpy(big ? h->big_bytes[i] : h->small_bytes[i], p->data, p->len);
	spsc_commit_write(ring);
	return true;
}

struct verdict handoff__send(struct worker *w, const struct packet *p, unsigned owner, bool resolved)
{
	if (!handoff__put(w->to[owner], p, resolved))
		return verdict_drop(DROP_HANDOFF_FULL);
	count(w, COUNT_HANDOFFS, 1);
	if (unlikely(w->traced))
		trace__handed(w, owner);
	return verdict_held();
}

/* An ICMP error grows by what its translation adds to it (RFC 4884, RFC 5837). */
static uint32_t room_for(const struct packet *p)
{
	return p->flags & PACKET_ICMP_ERROR && p->len < ERROR_ROOM ? ERROR_ROOM : p->len;
}

struct packet *handoff__receive(struct handoff *h, struct outbox *out, bool *resolved)
{
	uint32_t s = spsc_begin_read(&h->small), b = spsc_begin_read(&h->big);
	bool big = s == UINT32_MAX ||
		   (b != UINT32_MAX && h->big_slot[b].seq < h->small_slot[s].seq);
	const struct slot *slot;
	struct packet *p;
	uint8_t *data;
	uint32_t headroom, room;

	if (s == UINT32_MAX && b == UINT32_MAX)
		return NULL;
	slot = big ? &h->big_slot[b] : &h->small_slot[s];
	room = room_for(&slot->packet);
	p = outbox_add(out, room);
	if (!p)
		return NULL;
	data = p->data;
	headroom = p->headroom;
	*p = slot->packet;
	p->data = data;
	p->headroom = headroom;
	p->room = room;
	*resolved = slot->resolved;
	memcpy(data, big ? h->big_bytes[b] : h->small_bytes[s], p->len);
	spsc_commit_read(big ? &h->big : &h->small);
	return p;
}
