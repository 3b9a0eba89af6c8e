/* graft.c - AAAA records in place of A in wire form, for answers simple enough (shape.h): octets are
 * copied, records grow, no name is touched. What ldns makes of the same answer is the same to whoever
 * parses it; a fuzz target holds them beside one another. */
#include <limits.h>
#include <string.h>
#include "sixgate/base/wire.h"
#include "dns64_internal.h"

enum { AAAA_LEN = 16, TTL_TO_END = 4 + 2 }; /* from a TTL to behind the data's length */

uint32_t dns64__ttl(const struct dns_view *v, unsigned record)
{
	uint32_t ttl = load32(v->wire + v->shape->ttl_at[record]);

	if (v->is_stale)
		return DNS64_STALE_TTL_S;
	return ttl <= INT32_MAX && ttl > v->age_s ? ttl - v->age_s : 0;
}

void dns64__put_ttls(const struct dns_view *v, unsigned from, unsigned to, uint8_t *out)
{
	for (unsigned i = from; i < to; i++)
		store32(out + v->shape->ttl_at[i], dns64__ttl(v, i));
}

/* struct growth - the answer that is being written: @at, at most to @most; @n: AAAA records in it */
struct growth {
	const struct dns64_policy *policy;
	const struct dns_view *view;
	uint8_t *out;
	size_t at, most;
	uint32_t ttl_max;
	unsigned n;
};

/* What the A record between @from and @ttl_at says, under every prefix. Return: false: no room. */
static bool put_addresses(struct growth *g, size_t from, unsigned record)
{
	size_t ttl_at = g->view->shape->ttl_at[record], head = ttl_at - from;
	struct addr v4 = addr_from_v4(g->view->wire + ttl_at + TTL_TO_END);
	struct addr v6[DNS64_PREFIXES_MAX];
	size_t n = dns64__addresses(g->policy, &v4, v6);
	uint32_t ttl = dns64__ttl(g->view, record);

	for (size_t i = 0; i < n && g->view->shape->n_before + g->n < DNS64_RECORDS_MAX; i++) {
		uint8_t *p = g->out + g->at;

		if (g->at + head + TTL_TO_END + AAAA_LEN > g->most)
			return false;
		memcpy(p, g->view->wire + from, head);
		p += head;
		store16(p - 4, DNS_TYPE_AAAA);
		store32(p, ttl < g->ttl_max ? ttl : g->ttl_max);
		store16(p + 4, AAAA_LEN);
		memcpy(p + TTL_TO_END, v6[i].octet, AAAA_LEN);
		g->at += head + TTL_TO_END + AAAA_LEN;
		g->n++;
	}
	return true;
}

static bool put_answer(struct growth *g)
{
	const struct dns_shape *s = g->view->shape;
	size_t from = s->a_at;

	memcpy(g->out, g->view->wire, s->a_at);
	dns64__put_ttls(g->view, 0, s->n_before, g->out);
	g->at = s->a_at;
	for (unsigned i = s->n_before; i < s->n_answer; i++) {
		if (!put_addresses(g, from, i))
			return false;
		from = s->ttl_at[i] + TTL_TO_END + 4u;
	}
	return true;
}

size_t dns64__graft(const struct dns64_policy *p, const struct dns_view *a, uint32_t ttl_max,
		    const struct room *room)
{
	const struct dns_shape *s = a->shape;
	struct growth g = {
		.policy = p, .view = a, .out = room->out, .most = room->most, .ttl_max = ttl_max
	};

	if (s->a_at > room->most || !put_answer(&g))
		return SIZE_MAX;
	if (!g.n)
		return 0;
	/* AD clear: nobody signed this (RFC 6147 5.5, 3). */
	store16(g.out + 2, DNS_QR | DNS_RA | (a->wire[3] & DNS_RCODE));
	store16(g.out + 6, (uint16_t)(s->n_before + g.n));
	store32(g.out + 8, 0);
	store16(g.out + s->question_end - 4, DNS_TYPE_AAAA);
	return g.at;
}

static unsigned n_authority(const struct dns_view *a)
{
	return load16(a->wire + 8);
}

size_t dns64__graft_more(const struct dns_view *a, unsigned end, uint8_t *out, size_t at)
{
	const struct dns_shape *s = a->shape;
	size_t n = dns_shape_end(s, a->wire, end) - s->a_end;
	unsigned behind = end - s->n_answer;

	memcpy(out + at, a->wire + s->a_end, n);
	dns64__put_ttls(a, s->n_answer, end, out + at - s->a_end);
	store16(out + 8, (uint16_t)(behind < n_authority(a) ? behind : n_authority(a)));
	store16(out + 10, (uint16_t)(behind > n_authority(a) ? behind - n_authority(a) : 0));
	return at + n;
}

unsigned dns64__fitting(const struct dns_query *q, const struct dns_view *a, size_t answer_end,
			size_t most)
{
	const struct dns_shape *s = a->shape;
	size_t end = dns_shape_end(s, a->wire, s->n_answer);
	unsigned authority = s->n_answer + n_authority(a);
	bool positive = (a->wire[3] & DNS_RCODE) == DNS_NOERROR && s->n_answer;

	if (answer_end + (a->len - end) <= most)
		return s->n_records;
	if (answer_end + (dns_shape_end(s, a->wire, authority) - end) <= most)
		return authority;
	/* a negative answer needs its SOA, a validator its proofs */
	return positive && !q->dnssec_ok && answer_end <= most ? s->n_answer : UINT_MAX;
}
