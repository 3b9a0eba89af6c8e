/* message.c - reads DNS messages by offsets, and writes the one kind we originate: a query. What
 * needs records taken apart and put together again is in synth.c. */
#include "sixgate/dns64/message.h"
#include <errno.h>
#include <string.h>
#include "sixgate/base/must.h"
#include "sixgate/base/wire.h"

enum {
	POINTER_BITS = 0xc0, /* RFC 1035 4.1.4 */
	RR_FIXED_LEN = 10,   /* type, class, TTL, length */
	OPT_DO = 0x8000,
	OPTION_EDE = 15,
};

static size_t name_read(const uint8_t *wire, size_t len, size_t at, struct dns_name *out, unsigned *hops)
{
	size_t end = 0, n = 0, lowest = at;

	for (;;) {
		uint8_t label;

		if (at >= len)
			return 0;
		label = wire[at];
		if ((label & POINTER_BITS) == POINTER_BITS) {
			if (at + 2 > len)
				return 0;
			if (!end)
				end = at + 2;
			at = load16(wire + at) & 0x3fff;
			if (at >= lowest || at < DNS_HEADER_LEN)
				return 0;
			lowest = at;
			++*hops;
			continue;
		}
		if (label > DNS_LABEL_MAX || at + 1 + label > len || n + 1 + label > DNS_NAME_MAX)
			return 0;
		memcpy(out->octet + n, wire + at, 1u + label);
		n += 1u + label;
		at += 1u + label;
		if (label == 0)
			break;
	}
	out->len = (uint8_t)n;
	return end ? end : at;
}

size_t dns_name_read(const uint8_t *wire, size_t len, size_t at, struct dns_name *out)
{
	unsigned hops = 0;

	return name_read(wire, len, at, out, &hops);
}

int dns_name_parse(const char *text, struct dns_name *out)
{
	size_t n = 0;

	if (strcmp(text, ".") == 0)
		text++;
	else if (!*text)
		return -EINVAL;
	while (*text) {
		size_t label = strcspn(text, ".");

		if (label == 0 || label > DNS_LABEL_MAX || n + label + 2 > DNS_NAME_MAX)
			return -EINVAL;
		out->octet[n] = (uint8_t)label;
		memcpy(out->octet + n + 1, text, label);
		n += label + 1;
		text += label;
		if (*text == '.')
			text++;
	}
	out->octet[n++] = 0;
	out->len = (uint8_t)n;
	return 0;
}

static uint8_t fold(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

void dns_name_fold(struct dns_name *name)
{
	/* A label's length is at most 63, below 'A': it can be folded like any other octet. */
	for (size_t i = 0; i < name->len; i++)
		name->octet[i] = fold(name->octet[i]);
}

static bool octets_equal(const uint8_t *a, const uint8_t *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (fold(a[i]) != fold(b[i]))
			return false;
	return true;
}

bool dns_name_equal(const struct dns_name *a, const struct dns_name *b)
{
	return a->len == b->len && octets_equal(a->octet, b->octet, a->len);
}

bool dns_name_is_under(const struct dns_name *name, const struct dns_name *domain)
{
	size_t at = 0;

	if (name->len < domain->len)
		return false;
	while ((size_t)name->len - at > domain->len)
		at += 1u + name->octet[at];
	return (size_t)name->len - at == domain->len &&
	       octets_equal(name->octet + at, domain->octet, domain->len);
}

size_t dns_question_read(const uint8_t *wire, size_t len, struct dns_question *out)
{
	size_t at;

	if (len < DNS_HEADER_LEN || load16(wire + 4) != 1)
		return 0;
	at = dns_name_read(wire, len, DNS_HEADER_LEN, &out->name);
	if (!at || at + 4 > len)
		return 0;
	out->type = load16(wire + at);
	out->class = load16(wire + at + 2);
	return at + 4;
}

bool dns_question_equal(const struct dns_question *a, const struct dns_question *b)
{
	return a->type == b->type && a->class == b->class && dns_name_equal(&a->name, &b->name);
}

void dns_walk_start(struct dns_walk *w, const uint8_t *wire, size_t len)
{
	struct dns_question q;

	*w = (struct dns_walk){ .wire = wire, .len = len };
	w->at = dns_question_read(wire, len, &q);
	if (!w->at) {
		w->failed = true;
		return;
	}
	for (int i = 0; i < 3; i++)
		w->left[i] = load16(wire + 6 + 2 * i);
}

/* Past the owner of the next record; of many the owner is the same pointer, which is followed once.
 * Return: 0 if it is wrong, or one of so many that go on elsewhere that they are there to make work. */
static size_t past_owner(struct dns_walk *w, bool *same)
{
	struct dns_name owner;
	uint16_t word = w->at + 2 <= w->len ? load16(w->wire + w->at) : 0;
	size_t at;

	*same = word == w->owner && word >> 8 >= POINTER_BITS;
	if (*same)
		return w->at + 2;
	at = name_read(w->wire, w->len, w->at, &owner, &w->hops);
	w->owner = word;
	return w->hops <= DNS_HOPS_MAX ? at : 0;
}

bool dns_walk_next(struct dns_walk *w, struct dns_rr *rr)
{
	unsigned s = DNS_ANSWER;
	bool same;
	size_t at;

	while (s <= DNS_ADDITIONAL && w->left[s] == 0)
		s++;
	if (w->failed || s > DNS_ADDITIONAL)
		return false;
	w->failed = true;
	at = past_owner(w, &same);
	if (!at || at + RR_FIXED_LEN > w->len)
		return false;
	*rr = (struct dns_rr){ .section = s,
			       .same_owner = same,
			       .owner_at = w->at,
			       .ttl_at = at + 4,
			       .rdata_at = at + RR_FIXED_LEN,
			       .type = load16(w->wire + at),
			       .class = load16(w->wire + at + 2),
			       .rdlen = load16(w->wire + at + 8),
			       .ttl = load32(w->wire + at + 4) };
	if (rr->ttl > INT32_MAX && rr->type != DNS_TYPE_OPT)
		rr->ttl = 0;
	if (rr->rdata_at + rr->rdlen > w->len)
		return false;
	w->at = rr->rdata_at + rr->rdlen;
	w->left[s]--;
	w->failed = false;
	return true;
}

bool dns_message_check(const uint8_t *wire, size_t len)
{
	struct dns_walk w;
	struct dns_rr rr;

	dns_walk_start(&w, wire, len);
	while (dns_walk_next(&w, &rr))
		;
	return !w.failed && w.at == len;
}

/* RFC 6891 6.1.2: code, length, data, and so on to the end. Return: offset of the first option
 * with @code; 0 if there is none; @whole tells whether all of them fit. */
static size_t option_find(const uint8_t *wire, const struct dns_rr *opt, uint16_t code, bool *whole)
{
	size_t at = opt->rdata_at, end = at + opt->rdlen, found = 0;

	*whole = false;
	while (at < end) {
		if (end - at < 4 || end - at - 4 < load16(wire + at + 2))
			return found;
		if (!found && load16(wire + at) == code)
			found = at;
		at += 4u + load16(wire + at + 2);
	}
	*whole = true;
	return found;
}

bool dns_opt_find(const uint8_t *wire, size_t len, struct dns_rr *opt)
{
	struct dns_walk w;

	dns_walk_start(&w, wire, len);
	while (dns_walk_next(&w, opt))
		if (opt->type == DNS_TYPE_OPT)
			return true;
	return false;
}

int dns_option_find(const uint8_t *wire, const struct dns_rr *opt, uint16_t code, size_t *at)
{
	bool whole;
	size_t found = option_find(wire, opt, code, &whole);

	*at = found + 4;
	return found ? load16(wire + found + 2) : -1;
}

int dns_ede_read(const uint8_t *wire, const struct dns_rr *opt)
{
	bool whole;
	size_t at = option_find(wire, opt, OPTION_EDE, &whole);

	if (!at || load16(wire + at + 2) < 2)
		return DNS_EDE_NONE;
	return load16(wire + at + 4);
}

/* RFC 7873 5.2.2: lengths other than these are errors. */
static int read_cookie(const uint8_t *wire, const struct dns_rr *opt, struct dns_query *q)
{
	size_t at;
	int len = dns_option_find(wire, opt, DNS_OPTION_COOKIE, &at);

	if (len < 0)
		return DNS_NOERROR;
	if (len != DNS_COOKIE_CLIENT_LEN && (len < DNS_COOKIE_LEN_MIN || len > DNS_COOKIE_MAX))
		return DNS_FORMERR;
	memcpy(q->cookie, wire + at, (size_t)len);
	q->cookie_len = (uint8_t)len;
	return DNS_NOERROR;
}

/* RFC 6891 6.1.1: one OPT at most, in the additional section, owned by the root. */
static int read_opt(const uint8_t *wire, const struct dns_rr *rr, struct dns_query *q)
{
	bool whole;

	if (q->has_opt || rr->section != DNS_ADDITIONAL || wire[rr->owner_at] != 0)
		return DNS_FORMERR;
	q->has_opt = true;
	q->dnssec_ok = rr->ttl & OPT_DO;
	q->udp_size = rr->class;
	if (q->udp_size < DNS_UDP_CLASSIC)
		q->udp_size = DNS_UDP_CLASSIC; /* RFC 6891 6.2.3 */
	if (q->udp_size > DNS_UDP_PAYLOAD)
		q->udp_size = DNS_UDP_PAYLOAD;
	if ((rr->ttl >> 16 & 0xff) != 0)
		return DNS_BADVERS;
	option_find(wire, rr, OPTION_EDE, &whole);
	return whole ? read_cookie(wire, rr, q) : DNS_FORMERR;
}

static int read_records(const uint8_t *wire, size_t len, struct dns_query *q)
{
	int rcode = DNS_NOERROR;
	struct dns_walk w;
	struct dns_rr rr;

	dns_walk_start(&w, wire, len);
	if (w.left[DNS_ANSWER])
		return DNS_FORMERR;
	while (rcode != DNS_FORMERR && dns_walk_next(&w, &rr))
		if (rr.type == DNS_TYPE_OPT)
			rcode = read_opt(wire, &rr, q);
	return w.failed || (rcode == DNS_NOERROR && w.at != len) ? DNS_FORMERR : rcode;
}

/* RFC 7873 5.4: no question, an OPT with a cookie and nothing else. */
static bool read_cookie_alone(const uint8_t *wire, size_t len, struct dns_query *q)
{
	struct dns_rr opt = { .section = DNS_ADDITIONAL,
			      .owner_at = DNS_HEADER_LEN,
			      .rdata_at = DNS_HEADER_LEN + DNS_OPT_LEN };
	const uint8_t *p = wire + DNS_HEADER_LEN;
	struct dns_query got = *q;

	if (len < opt.rdata_at || load32(wire + 4) || load32(wire + 8) != 1 || p[0] ||
	    load16(p + 1) != DNS_TYPE_OPT || len != opt.rdata_at + load16(p + 9))
		return false;
	opt.type = DNS_TYPE_OPT;
	opt.class = load16(p + 3);
	opt.ttl = load32(p + 5);
	opt.rdlen = load16(p + 9);
	if (read_opt(wire, &opt, &got) != DNS_NOERROR || !got.cookie_len)
		return false;
	*q = got;
	return true;
}

int dns_query_read(const uint8_t *wire, size_t len, struct dns_query *q)
{
	if (len < DNS_HEADER_LEN || load16(wire + 2) & DNS_QR)
		return -1;
	*q = (struct dns_query){ .id = load16(wire),
				 .flags = load16(wire + 2),
				 .udp_size = DNS_UDP_CLASSIC };
	if (q->flags & DNS_OPCODE) { /* as far as it is built like a query */
		if (dns_question_read(wire, len, &q->question))
			read_records(wire, len, q);
		else
			q->question = (struct dns_question){ 0 };
		return DNS_NOTIMP;
	}
	if (!load16(wire + 4) && read_cookie_alone(wire, len, q))
		return DNS_NOERROR;
	if (!dns_question_read(wire, len, &q->question)) {
		q->question = (struct dns_question){ 0 };
		return DNS_FORMERR;
	}
	return read_records(wire, len, q);
}

size_t dns_query_write(const struct dns_query *q, uint16_t id, bool edns, uint8_t *out)
{
	const struct dns_name *name = &q->question.name;
	size_t at = DNS_HEADER_LEN;

	memset(out, 0, DNS_HEADER_LEN);
	store16(out, id);
	store16(out + 2, (uint16_t)(DNS_RD | DNS_AD | (q->flags & DNS_CD)));
	store16(out + 4, 1);
	store16(out + 10, edns);
	memcpy(out + at, name->octet, name->len);
	at += name->len;
	store16(out + at, q->question.type);
	store16(out + at + 2, q->question.class);
	at += 4;
	if (!edns)
		return at;
	out[at] = 0;
	store16(out + at + 1, DNS_TYPE_OPT);
	store16(out + at + 3, DNS_UDP_PAYLOAD);
	store32(out + at + 5, q->dnssec_ok ? OPT_DO : 0);
	store16(out + at + 9, 0);
	return at + DNS_OPT_LEN;
}

void dns_age(uint8_t *wire, size_t len, uint32_t age_s)
{
	struct dns_walk w;
	struct dns_rr rr;

	dns_walk_start(&w, wire, len);
	while (dns_walk_next(&w, &rr))
		if (rr.type != DNS_TYPE_OPT)
			store32(wire + rr.ttl_at, rr.ttl > age_s ? rr.ttl - age_s : 0);
}

void dns_cap_ttls(uint8_t *wire, size_t len, uint32_t most_s)
{
	struct dns_walk w;
	struct dns_rr rr;

	dns_walk_start(&w, wire, len);
	while (dns_walk_next(&w, &rr))
		if (rr.type != DNS_TYPE_OPT && rr.ttl > most_s)
			store32(wire + rr.ttl_at, most_s);
}

void dns_set_ttls(uint8_t *wire, size_t len, uint32_t ttl_s)
{
	struct dns_walk w;
	struct dns_rr rr;

	dns_walk_start(&w, wire, len);
	while (dns_walk_next(&w, &rr))
		if (rr.type != DNS_TYPE_OPT)
			store32(wire + rr.ttl_at, ttl_s);
}
