/* reply.c - the last step: an answer in wire form becomes this client's: its id, its spelling of
 * the name, its flags, its OPT, its size (RFC 1035 4.1.1, 6891 6.2.3 and 7). */
#include <string.h>
#include "sixgate/base/must.h"
#include "sixgate/base/wire.h"
#include "dns64_internal.h"

enum { OPTION_EDE = 15, EDE_LEN = 6 };
_Static_assert(DNS64_OPT_MAX == DNS_OPT_LEN + EDE_LEN, "what an OPT of ours takes at most");

/* Header and question only; where there was no readable question, the header alone. */
static size_t put_question(const struct dns_query *q, uint8_t *out)
{
	const struct dns_name *name = &q->question.name;
	size_t at = DNS_HEADER_LEN;

	memset(out, 0, DNS_HEADER_LEN);
	if (!name->len)
		return at;
	store16(out + 4, 1);
	memcpy(out + at, name->octet, name->len);
	at += name->len;
	store16(out + at, q->question.type);
	store16(out + at + 2, q->question.class);
	return at + 4;
}

/* struct fitting - octets of a message that go out, 0 if not all that is needed fits; records of its last
 * sections that go with them */
struct fitting {
	size_t len;
	uint16_t n_authority, n_additional;
};

/* RFC 2181 9: what is not needed goes without a word; what is needed and does not fit sets TC. */
static struct fitting fit(const struct dns_query *q, const struct dns_view *body, size_t most)
{
	struct fitting f = { body->len, load16(body->wire + 8), load16(body->wire + 10) };
	bool positive = (body->wire[3] & DNS_RCODE) == DNS_NOERROR && load16(body->wire + 6);
	size_t end[3]; /* where each section ends */
	struct dns_walk w;
	struct dns_rr rr;

	if (body->len <= most)
		return f;
	dns_walk_start(&w, body->wire, body->len);
	end[0] = end[1] = end[2] = w.at;
	while (w.at <= most && dns_walk_next(&w, &rr))
		for (unsigned i = rr.section; i < 3; i++)
			end[i] = w.at;
	f.n_additional = 0;
	f.len = end[DNS_AUTHORITY];
	if (f.len <= most)
		return f;
	f.n_authority = 0;
	f.len = end[DNS_ANSWER];
	if (!positive || q->dnssec_ok || f.len > most)
		f.len = 0; /* a negative answer needs its SOA, a validator its proofs */
	return f;
}

/* What fits of @body; only its header if nothing does. Return: octets, 0 then. */
static size_t put_body(const struct dns_query *q, const struct dns_view *body, size_t most,
		       uint8_t *out)
{
	const struct dns_name *name = &q->question.name;
	struct fitting f = fit(q, body, most);
	struct dns_question about;

	must(body->len <= DNS_MESSAGE_MAX && dns_question_read(body->wire, body->len, &about) &&
	     dns_question_equal(&about, &q->question));
	memcpy(out, body->wire, f.len ? f.len : DNS_HEADER_LEN);
	if (!f.len)
		return 0;
	store16(out + 8, f.n_authority);
	store16(out + 10, f.n_additional);
	memcpy(out + DNS_HEADER_LEN, name->octet, name->len);
	if (body->is_stale)
		dns_set_ttls(out, f.len, DNS64_STALE_TTL_S);
	else if (body->age_s)
		dns_age(out, f.len, body->age_s);
	return f.len;
}

void dns64__put_flags(const struct dns_query *q, unsigned rcode, uint8_t *out)
{
	uint16_t made = load16(out + 2);
	uint16_t flags = DNS_QR | DNS_RA | (q->flags & (DNS_OPCODE | DNS_RD | DNS_CD));

	/* RFC 6840 5.7: only who shows that he knows AD is told. */
	if (q->dnssec_ok || q->flags & DNS_AD)
		flags |= made & DNS_AD;
	store16(out, q->id);
	store16(out + 2, (uint16_t)(flags | (made & DNS_AA) | (rcode & DNS_RCODE)));
}

static size_t put_option(uint8_t *out, size_t at, uint16_t code, const uint8_t *data, uint16_t len)
{
	store16(out + at, code);
	store16(out + at + 2, len);
	memcpy(out + at + 4, data, len);
	return at + 4u + len;
}

size_t dns64__put_opt(const struct dns_query *q, unsigned rcode, int ede, uint8_t *out, size_t at)
{
	const uint8_t code[2] = { (uint8_t)(ede >> 8), (uint8_t)ede };
	uint8_t *p = out + at;
	size_t end = at + DNS_OPT_LEN;

	memset(p, 0, DNS_OPT_LEN);
	store16(p + 1, DNS_TYPE_OPT);
	store16(p + 3, DNS_UDP_PAYLOAD);
	p[5] = (uint8_t)(rcode >> 4);
	p[7] = q->dnssec_ok ? 0x80 : 0; /* RFC 3225 3: copied */
	store16(out + 10, (uint16_t)(load16(out + 10) + 1));
	if (ede != DNS_EDE_NONE)
		end = put_option(out, end, OPTION_EDE, code, sizeof(code));
	if (q->cookie_len)
		end = put_option(out, end, DNS_OPTION_COOKIE, q->cookie, q->cookie_len);
	store16(p + 9, (uint16_t)(end - at - DNS_OPT_LEN));
	return end;
}

static size_t opt_room(const struct dns_query *q)
{
	if (!q->has_opt)
		return 0;
	return DNS_OPT_LEN + EDE_LEN + (q->cookie_len ? 4u + q->cookie_len : 0);
}

size_t dns64__reply_write(const struct dns_query *q, const struct reply *r, size_t most,
			  uint8_t *out, bool *truncated)
{
	size_t room = most - opt_room(q);
	size_t len = r->body ? put_body(q, r->body, room, out) : put_question(q, out);
	unsigned rcode = r->body ? load16(out + 2) & DNS_RCODE : (unsigned)r->rcode;

	dns64__put_flags(q, rcode, out);
	*truncated = len == 0;
	if (!len) {
		uint16_t flags = load16(out + 2);

		len = put_question(q, out);
		store16(out, q->id);
		store16(out + 2, flags | DNS_TC);
	} else if (r->body && !r->ordered) {
		dns64__turn(q, out, len);
	}
	return q->has_opt ? dns64__put_opt(q, rcode, r->ede, out, len) : len;
}
