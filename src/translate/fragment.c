/* fragment.c - a translated packet that is too long, cut into fragments (RFC 791, RFC 8200 4.5).
 * Works for what already is a fragment, too. */
#include "translate_internal.h"

enum { OPTION_END = 0, OPTION_NOP = 1, OPTION_COPIED = 0x80 };

/* Payload of each fragment but the last, bytes. */
static uint32_t chunk_len(const struct job *j)
{
	return (j->limit - j->ip_len) & ~7u;
}

bool translate__can_cut(const struct job *j)
{
	uint32_t n;

	if (j->limit < j->ip_len + SEGMENT_MIN)
		return false;
	n = (translate__l4_len(j->p) + chunk_len(j) - 1) / chunk_len(j);
	return outbox_has_room(j->out, n, j->limit);
}

static void place_ip6(uint8_t *ip, uint32_t at, uint32_t len, bool last)
{
	uint16_t field = load16(ip + IP6_LEN + 2);

	store16(ip + 4, (uint16_t)(FRAG6_LEN + len));
	store16(ip + IP6_LEN + 2, (uint16_t)((field & 0xfff8) + at + (last ? field & 1 : 1)));
}

/* RFC 791 3.1: options without the copied flag are in the first fragment only. Linux, too, blanks
 * them with NOPs. The list has been checked. */
static void blank_options(uint8_t *ip, uint32_t head)
{
	uint32_t at = IP4_LEN;

	while (at < head && ip[at] != OPTION_END) {
		uint32_t len = ip[at] == OPTION_NOP ? 1 : ip[at + 1];

		if (!(ip[at] & OPTION_COPIED))
			memset(ip + at, OPTION_NOP, len);
		at += len;
	}
}

static void place_ip4(uint8_t *ip, uint32_t head, uint32_t at, uint32_t len, bool last)
{
	uint16_t field = load16(ip + 6);

	store16(ip + 2, (uint16_t)(head + len));
	store16(ip + 6, (uint16_t)((field & ~0x2000) + at / 8 + (last ? field & 0x2000 : 0x2000)));
	if (at)
		blank_options(ip, head);
	translate__sum_ip4_again(ip, head);
}

static void emit(const struct job *j, uint32_t at, uint32_t len, bool last)
{
	const struct packet *p = j->p;
	struct packet *q = outbox_add(j->out, j->ip_len + len);

	must(q); /* translate__can_cut() counted */
	memcpy(q->data, p->data, j->ip_len);
	memcpy(q->data + j->ip_len, p->data + j->ip_len + at, len);
	if (j->family == 6)
		place_ip6(q->data, at, len, last);
	else
		place_ip4(q->data, j->ip_len, at, len, last);
	q->side = p->side;
	q->out_side = j->rw->out_side;
	q->verdict = verdict_forward();
}

struct verdict translate__cut(struct job *j)
{
	struct packet *p = j->p;
	uint32_t left = p->len - j->ip_len, chunk = chunk_len(j);

	if (p->off.csum_partial)
		packet_finish_checksum(p);
	for (uint32_t at = 0; left; at += chunk) {
		uint32_t len = left < chunk ? left : chunk;

		left -= len;
		emit(j, at, len, left == 0);
	}
	return verdict_held();
}
