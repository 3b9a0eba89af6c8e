/* shape.c - one walk over an answer when it comes, for all that are made of it later. */
#include "sixgate/dns64/shape.h"
#include <string.h>
#include "sixgate/base/wire.h"
#include "dns64_internal.h"

enum {
	POINTER_BITS = 0xc0,
	POINTER_MAX = 0x3fff,
	SOA_NUMBERS_LEN = 20,
	TTL_TO_DATA = 6,
	BEFORE_MAX =
		2 *
		DNS_CHAIN_MAX, /* records before the A records: each name is held against them */
};

/* struct reading - @end: of the CNAME chain; @by_end: whether the last owner that was read is that, -1: not
 * known; @n_strange: what keeps it from being is_a */
struct reading {
	const uint8_t *wire;
	size_t len;
	struct dns_shape *s;
	struct dns_name end;
	int by_end;
	unsigned n_addresses, n_aaaa, n_signed, n_strange;
	bool has_soa, failed;
};

/* @n names and then @more octets are all that the record's data has. */
static bool has_names(const struct reading *r, const struct dns_rr *rr, unsigned n, size_t more)
{
	size_t at = rr->rdata_at, end = at + rr->rdlen;
	struct dns_name name;

	for (unsigned i = 0; i < n && at; i++)
		at = dns_name_read(r->wire, end, at, &name);
	return at && at + more == end;
}

static bool is_owned_by_end(struct reading *r, const struct dns_rr *rr)
{
	struct dns_name owner;

	if (r->by_end < 0)
		r->by_end = dns_name_read(r->wire, r->len, rr->owner_at, &owner) &&
			    dns_name_equal(&owner, &r->end);
	return rr->class == DNS_CLASS_IN && r->by_end;
}

static void read_a(struct reading *r, const struct dns_rr *rr)
{
	struct dns_shape *s = r->s;

	r->n_addresses++;
	if (rr->rdlen != 4 || !is_owned_by_end(r, rr)) {
		r->n_strange++;
		return;
	}
	if (!s->n_a) {
		s->a_at = (uint16_t)rr->owner_at;
		s->n_before = s->n_records;
	}
	s->a_end = (uint16_t)(rr->rdata_at + rr->rdlen);
	s->n_a++;
}

static void read_answer(struct reading *r, const struct dns_rr *rr)
{
	r->s->n_answer++;
	if (rr->type == DNS_TYPE_A) {
		read_a(r, rr);
		return;
	}
	if (r->s->n_a)
		r->n_strange++; /* among the A records */
	switch (rr->type) {
	case DNS_TYPE_AAAA:
		r->n_addresses++;
		r->n_strange++;
		r->n_aaaa += rr->rdlen == 16 && is_owned_by_end(r, rr);
		break;
	case DNS_TYPE_CNAME:
	case DNS_TYPE_DNAME:
		r->n_strange += !has_names(r, rr, 1, 0);
		break;
	default:
		r->n_strange++;
	}
}

static void read_soa(struct reading *r, const struct dns_rr *rr)
{
	uint32_t minimum;

	if (!has_names(r, rr, 2, SOA_NUMBERS_LEN)) {
		r->failed = true;
		return;
	}
	if (rr->section != DNS_AUTHORITY || r->has_soa)
		return;
	r->has_soa = true;
	minimum = load32(r->wire + rr->rdata_at + rr->rdlen - 4);
	r->s->negative_ttl = minimum < rr->ttl ? minimum : rr->ttl;
}

/* Authority and additional. */
static void read_other(struct reading *r, const struct dns_rr *rr)
{
	switch (rr->type) {
	case DNS_TYPE_SOA:
		read_soa(r, rr);
		break;
	case DNS_TYPE_NS:
		r->n_strange += !has_names(r, rr, 1, 0);
		break;
	case DNS_TYPE_A:
		r->n_strange += rr->rdlen != 4;
		break;
	case DNS_TYPE_AAAA:
		r->n_strange += rr->rdlen != 16;
		break;
	default:
		r->n_strange++;
	}
}

static void read_record(struct reading *r, const struct dns_rr *rr)
{
	struct dns_shape *s = r->s;

	if (rr->type == DNS_TYPE_OPT) {
		r->failed = true;
		return;
	}
	if (!rr->same_owner)
		r->by_end = -1;
	r->n_signed += rr->type == DNS_TYPE_RRSIG;
	if (rr->section == DNS_ANSWER)
		read_answer(r, rr);
	else
		read_other(r, rr);
	s->ttl_at[s->n_records++] = (uint16_t)rr->ttl_at;
}

/* Octets before the A records that stay what they are: not the question's type, no TTL. */
static bool is_fixed(const struct dns_shape *s, size_t from, size_t to)
{
	bool in_name = to <= s->question_end - 4u;

	if (!in_name && (from < s->question_end || to > s->a_at))
		return false;
	for (unsigned i = 0; i < s->n_before; i++)
		if (from < s->ttl_at[i] + 4u && to > s->ttl_at[i])
			return false;
	return true;
}

/* A name that has been read before; where it goes on elsewhere, that must be fixed. Hostile names
 * may go on anywhere, in the middle of numbers too. Return: offset behind it, 0 if it is not. */
static size_t firm_name(const struct reading *r, size_t at)
{
	size_t from = at, end = 0;

	for (;;) {
		uint8_t label = r->wire[at];
		size_t stop = at + (label >= POINTER_BITS ? 2 : 1);

		if (label && label < POINTER_BITS) {
			at += 1u + label;
			continue;
		}
		if (end && !is_fixed(r->s, from, stop))
			return 0;
		if (!end)
			end = stop;
		if (!label)
			return end;
		from = at = load16(r->wire + at) & POINTER_MAX;
	}
}

static bool is_firm(const struct reading *r, const struct dns_rr *rr)
{
	size_t at = rr->rdata_at;

	if (!rr->same_owner && !firm_name(r, rr->owner_at))
		return false;
	switch (rr->type) {
	case DNS_TYPE_SOA:
		at = firm_name(r, at);
		return at && firm_name(r, at);
	case DNS_TYPE_CNAME:
	case DNS_TYPE_DNAME:
	case DNS_TYPE_NS:
		return firm_name(r, at);
	default:
		return true;
	}
}

static bool all_firm(const struct reading *r)
{
	struct dns_walk w;
	struct dns_rr rr;

	dns_walk_start(&w, r->wire, r->len);
	while (dns_walk_next(&w, &rr))
		if (!is_firm(r, &rr))
			return false;
	return true;
}

void dns_shape_read(const uint8_t *wire, size_t len, struct dns_shape *s)
{
	struct dns_view view = { .wire = wire, .len = len };
	struct reading r = { .wire = wire, .len = len, .s = s, .by_end = -1 };
	struct dns_walk w;
	struct dns_rr rr;

	*s = (struct dns_shape){ .negative_ttl = DNS64_NO_SOA_TTL_S, .ttl_at = s->ttl_at };
	dns_walk_start(&w, wire, len);
	if (w.failed)
		return;
	s->question_end = (uint16_t)w.at;
	dns64__chain_end(&view, &r.end);
	while (!r.failed && dns_walk_next(&w, &rr))
		read_record(&r, &rr);
	s->known = !r.failed && !w.failed && w.at == len;
	s->no_addresses = !r.n_addresses && !r.n_signed;
	s->is_aaaa = r.n_aaaa && r.n_aaaa == r.n_addresses;
	s->is_a = s->known && s->n_a && s->n_before <= BEFORE_MAX && !r.n_strange && !r.n_signed &&
		  all_firm(&r);
}

size_t dns_shape_end(const struct dns_shape *s, const uint8_t *wire, unsigned n)
{
	size_t ttl_at;

	if (n == 0)
		return s->question_end;
	ttl_at = s->ttl_at[n - 1];
	return ttl_at + TTL_TO_DATA + load16(wire + ttl_at + 4);
}
