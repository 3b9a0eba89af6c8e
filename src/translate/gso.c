/*
 * gso.c - super-packets: fit the segment size to the outgoing link, or cut.
 *
 * TCP is a stream: its segments may become smaller, unseen. A UDP datagram is a boundary: when one
 * does not fit, the super-packet is cut into its datagrams, as received, and each is translated on
 * its own, to be sent, fragmented or refused. The same cut, in two, serves a TCP super-packet that
 * IPv4 cannot hold.
 */
#include "translate_internal.h"

/* The longest packet, as received, whose translation still fits its length field. */
static uint32_t longest(const struct job *j)
{
	return j->family == 4 ? IP4_TOTAL_MAX - j->ip_len + j->p->l4_at : PACKET_LEN_MAX;
}

static void set_ip_length(struct packet *q, uint32_t id_step)
{
	if (q->family == 6) {
		store16(q->data + 4, (uint16_t)(q->len - IP6_LEN));
		return;
	}
	q->frag_id = (q->frag_id + id_step) & 0xffff;
	store16(q->data + 2, (uint16_t)q->len);
	store16(q->data + 4, (uint16_t)q->frag_id);
	translate__sum_ip4_again(q->data, q->l4_at);
}

/* @at: of the piece's payload in the whole's; the unfinished checksum covers the length, too. */
static void set_l4(struct packet *q, const struct packet *whole, uint32_t at, bool last)
{
	uint8_t *l4 = q->data + q->l4_at;
	uint64_t fresh = be32_from(translate__l4_len(q)).raw;
	uint64_t old = be32_from(translate__l4_len(whole)).raw;

	checksum_apply_partial(q->data + q->off.csum_start + q->off.csum_offset,
			       checksum_delta(fresh, old));
	if (q->proto == IPPROTO_UDP) {
		store16(l4 + 4, (uint16_t)translate__l4_len(q));
		return;
	}
	store32(l4 + 4, load32(l4 + 4) + at);
	if (!last)
		l4[13] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
	if (at)
		l4[13] &= (uint8_t)~TCP_CWR;
	q->tcp_flags = l4[13];
}

/* Return: a packet like @j->p with @len bytes of its payload from @at, or NULL. */
static struct packet *piece(const struct job *j, uint32_t head, uint32_t at, uint32_t len)
{
	const struct packet *p = j->p;
	struct packet *q = outbox_add(j->out, head + len), place;

	if (!q)
		return NULL;
	place = *q;
	*q = *p;
	q->data = place.data;
	q->len = place.len;
	q->headroom = place.headroom;
	q->room = place.room;
	memcpy(q->data, p->data, head);
	memcpy(q->data + head, p->data + head + at, len);
	if (len <= p->off.gso_size) {
		q->off.gso = GSO_NONE;
		q->off.gso_size = 0;
		q->off.gso_ecn = false;
	}
	return q;
}

static struct verdict translate_piece(const struct job *j, struct packet *q)
{
	struct job k = { .env = j->env, .st = j->st, .p = q, .rw = j->rw, .out = j->out };

	q->verdict = translate__one(&k);
	return q->verdict;
}

/* Cut @j->p into pieces of @segments segments each. Return: verdict_held(), or the drop of the
 * first piece that was refused: the others are on their way all the same. */
static struct verdict cut_super(struct job *j, uint32_t segments)
{
	struct packet *p = j->p;
	uint32_t head = packet_headers_len(p), payload = p->len - head;
	uint32_t chunk = segments * p->off.gso_size;
	struct verdict all = verdict_held();

	for (uint32_t at = 0, n = 0; at < payload; at += chunk, n++) {
		uint32_t len = payload - at < chunk ? payload - at : chunk;
		struct packet *q = piece(j, head, at, len);
		struct verdict v;

		if (!q)
			return verdict_drop(DROP_NO_BUFFER);
		set_ip_length(q, n * segments);
		set_l4(q, p, at, at + len == payload);
		v = translate_piece(j, q);
		if (v.next != VERDICT_DROP)
			continue;
		q->verdict = verdict_held(); /* counted and answered once, for the whole */
		if (all.next != VERDICT_DROP)
			all = v;
		p->reply_mtu = q->reply_mtu;
	}
	return all;
}

static struct verdict fit_tcp(struct job *j, uint32_t head)
{
	struct packet *p = j->p;
	uint32_t max = longest(j);

	if (j->limit < head + SEGMENT_MIN)
		return translate__too_big(j);
	if (p->off.gso_size > j->limit - head)
		p->off.gso_size = (uint16_t)(j->limit - head);
	if (p->len <= max)
		return verdict_continue();
	return cut_super(j, (max - packet_headers_len(p)) / p->off.gso_size);
}

struct verdict translate__fit_gso(struct job *j)
{
	struct packet *p = j->p;
	uint32_t head = packet_headers_len(p) - p->l4_at + j->ip_len;

	if (p->proto == IPPROTO_TCP)
		return fit_tcp(j, head);
	if (head + p->off.gso_size > j->limit || p->len > longest(j))
		return cut_super(j, 1);
	return verdict_continue();
}
