/*
 * explain.c - one packet through the pipeline of a copied worker, with every step noted.
 *
 * There is no second opinion in here: what is said is what pipeline_run() did.
 */
#include "sixgate/dataplane/explain.h"
#include "dataplane_internal.h"
#include "sixgate/packet/checksum.h"

enum { FRAGMENT_ID = 0xe1a1 };

struct explain_room {
	struct batch batch;
	uint8_t bytes[PACKET_HEADROOM + HANDOFF_BYTES];
};

static void store_checksum(uint8_t *field, uint64_t sum)
{
	uint16_t c = (uint16_t)~checksum_fold(sum);

	memcpy(field, &c, sizeof(c));
}

/* Return: length of the IP header. */
static uint32_t write_ip(uint8_t *at, const struct tuple *t, uint32_t l4_len)
{
	if (!addr_is_v4(&t->src)) {
		at[0] = 0x60;
		store16(at + 4, (uint16_t)l4_len);
		at[6] = t->proto;
		at[7] = 64;
		memcpy(at + 8, t->src.octet, 16);
		memcpy(at + 24, t->dst.octet, 16);
		return 40;
	}
	at[0] = 0x45;
	store16(at + 2, (uint16_t)(20 + l4_len));
	at[6] = 0x40; /* DF */
	at[8] = 64;
	at[9] = t->proto;
	memcpy(at + 12, t->src.octet + 12, 4);
	memcpy(at + 16, t->dst.octet + 12, 4);
	store_checksum(at + 10, checksum_add(0, at, 20));
	return 20;
}

static uint8_t echo_type(const struct tuple *t, bool reply)
{
	if (t->proto == IPPROTO_ICMP)
		return reply ? 0 : 8;
	return reply ? 129 : 128;
}

void explain_set_packet(struct explain *x, const struct tuple *t, bool reply)
{
	const bool tcp = t->proto == IPPROTO_TCP, udp = t->proto == IPPROTO_UDP;
	const uint32_t l4_len = tcp ? 20 : 8, field = tcp ? 16 : udp ? 6 : 2;
	uint8_t *l4;

	memset(x->bytes, 0, sizeof(x->bytes));
	l4 = x->bytes + write_ip(x->bytes, t, l4_len);
	x->len = (uint32_t)(l4 - x->bytes) + l4_len;
	store_be16(l4 + (tcp || udp ? 0 : 4), t->sport);
	if (tcp || udp)
		store_be16(l4 + 2, t->dport);
	else
		l4[0] = echo_type(t, reply);
	if (udp)
		store16(l4 + 4, (uint16_t)l4_len);
	if (tcp) {
		l4[12] = 0x50;
		l4[13] = reply ? TCP_ACK : TCP_SYN;
	}
	store_checksum(l4 + field,
		       checksum_add(t->proto == IPPROTO_ICMP ? 0 :
							       checksum_pseudo(&t->src, &t->dst,
									       t->proto, l4_len),
				    l4, l4_len));
}

static void cut4(uint8_t *ip, uint32_t len, uint16_t field)
{
	store16(ip + 2, (uint16_t)len);
	store16(ip + 4, FRAGMENT_ID);
	store16(ip + 6, field);
	memset(ip + 10, 0, 2);
	store_checksum(ip + 10, checksum_add(0, ip, 20));
}

/* A Fragment Header goes between the IPv6 header and the rest. */
static void cut6(uint8_t *ip, uint32_t len, uint16_t field)
{
	uint8_t *frag = ip + 40;

	memmove(frag + 8, frag, len - 48);
	memset(frag, 0, 8);
	frag[0] = ip[6];
	store16(frag + 2, field);
	store16(frag + 6, FRAGMENT_ID);
	ip[6] = IPPROTO_FRAGMENT;
	store16(ip + 4, (uint16_t)(len - 40));
}

void explain_cut_packet(struct explain *x, uint32_t at)
{
	const bool v4 = x->bytes[0] >> 4 == 4;
	const uint32_t head = v4 ? 20 : 40;
	uint32_t rest = x->len - head;

	must(at % 8 == 0);
	rest += at ? 0 : (8 - rest % 8) % 8; /* all fragments but the last have whole units; zeros are there */
	x->len = head + (v4 ? 0 : 8) + rest;
	if (v4)
		cut4(x->bytes, x->len, (uint16_t)(at / 8 | (at ? 0 : 0x2000)));
	else
		cut6(x->bytes, x->len, (uint16_t)(at | (at ? 0 : 1)));
}

static struct explain_room *take_room(struct arena *extra, const struct worker *w,
				      struct handoff *to[STEER_WORKERS_MAX])
{
	for (unsigned i = 0; i < w->n_workers; i++)
		to[i] = i == w->id ? NULL : handoff_layout(extra);
	return arena_take(extra, sizeof(struct explain_room));
}

size_t worker_explain_bytes(const struct worker *w)
{
	struct handoff *to[STEER_WORKERS_MAX];
	struct arena measure = { .base = NULL };

	take_room(&measure, w, to);
	return measure.used;
}

static void run_arrived(struct worker *w, const struct snapshot *s, uint64_t now_ms,
			struct explain *x, struct explain_room *room)
{
	uint8_t *data = room->bytes + PACKET_HEADROOM;

	memcpy(data, x->bytes, x->len);
	room->batch.n = 1;
	room->batch.packet[0] = (struct packet){ .data = data, .len = x->len, .room = HANDOFF_BYTES,
						 .headroom = PACKET_HEADROOM, .side = x->side };
	pipeline_run(w, s, &room->batch, now_ms);
	x->verdict = room->batch.packet[0].verdict;
}

/* The other worker's ring is empty but for this packet; pipeline_take() puts it first. */
static void run_handed(struct worker *w, const struct snapshot *s, uint64_t now_ms,
		       struct explain *x, struct handoff *ring)
{
	const struct packet p = { .data = x->bytes, .len = x->len, .room = x->len, .side = x->side,
				  .flags = x->flags, .key = x->key };

	w->from[x->from] = ring;
	must(handoff__put(ring, &p, x->resolved));
	pipeline_take(w, s, 1, now_ms);
	x->verdict = w->out.packet[0].verdict;
	w->from[x->from] = NULL;
}

static void take_steps(struct worker *w, struct explain *x)
{
	struct trace_record r;

	while (trace_read(w->trace, &r)) {
		x->cut |= x->n_step == EXPLAIN_STEPS_MAX;
		if (!x->cut)
			x->step[x->n_step++] = r;
	}
}

/* What was handed on becomes the next question. */
static void take_handed(struct worker *w, struct explain *x)
{
	x->next = UINT32_MAX;
	for (unsigned i = 0; i < w->n_workers && x->verdict.next == VERDICT_HELD; i++) {
		const struct packet *p =
			i == w->id ? NULL : handoff__receive(w->to[i], &w->out, &x->resolved);

		if (!p)
			continue;
		memcpy(x->bytes, p->data, p->len);
		x->len = p->len;
		x->side = p->side;
		x->flags = p->flags;
		x->key = p->key;
		x->handed = true;
		x->from = w->id;
		x->next = i;
		return;
	}
}

void worker_explain(struct worker *copy, const struct snapshot *s, uint64_t now_ms,
		    struct explain *x, struct arena *extra)
{
	static const struct trace_filter everything;
	struct explain_room *room = take_room(extra, copy, copy->to);

	must(x->len <= HANDOFF_BYTES && (!x->handed || (x->from < copy->n_workers && x->from != copy->id)));
	memset(copy->from, 0, sizeof(copy->from));
	spsc_init(&copy->trace->ring, TRACE_SLOTS);
	trace_start(copy, &everything);
	if (x->handed)
		run_handed(copy, s, now_ms, x, copy->to[x->from]);
	else
		run_arrived(copy, s, now_ms, x, room);
	take_steps(copy, x);
	take_handed(copy, x);
}
