/* told.c - says in words what was decided about a question. Decides nothing itself. */
#include "told.h"
#include <errno.h>
#include <stdbool.h> /* before ldns, which has one of its own */
#include <ldns/ldns.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void told__note(struct dns64_told *t, const char *format, ...)
{
	va_list args;

	if (!t)
		return;
	if (t->n == DNS64_TOLD_LINES) {
		t->cut = true;
		return;
	}
	va_start(args, format);
	vsnprintf(t->line[t->n++], DNS64_TOLD_TEXT, format, args);
	va_end(args);
}

void told__policy(struct dns64_told *t, const struct dns64_policy *p)
{
	char text[ADDR_TEXT_MAX];

	if (!t)
		return;
	if (p->view_index)
		told__note(t, "view: number %u of dns64.views is this client's", p->view_index);
	else
		told__note(t, "view: none is this client's, so the section itself counts");
	for (size_t i = 0; i < p->n_prefix; i++)
		told__note(t, "prefix: %s/%u", addr_format(&p->prefix[i].prefix, text),
			   p->prefix[i].len);
	if (!p->n_prefix)
		told__note(t, "prefix: none, nothing is synthesised%s",
			   p->withheld ? " while no translator works (require-nat64)" : "");
}

const char *dns64_type_text(uint16_t type, char out[DNS64_TYPE_TEXT])
{
	ldns_buffer *b = ldns_buffer_new(32);

	snprintf(out, DNS64_TYPE_TEXT, "TYPE%u", type);
	if (b && ldns_rr_type2buffer_str(b, (ldns_rr_type)type) == LDNS_STATUS_OK &&
	    ldns_buffer_position(b) < DNS64_TYPE_TEXT) {
		memcpy(out, ldns_buffer_begin(b), ldns_buffer_position(b));
		out[ldns_buffer_position(b)] = 0;
	}
	ldns_buffer_free(b);
	return out;
}

int dns64_type_parse(const char *text, uint16_t *out)
{
	ldns_rr_type t = ldns_get_rr_type_by_name(text);

	if (!t)
		return -EINVAL;
	*out = (uint16_t)t;
	return 0;
}

static const char *text_of(char *raw, const char *fallback, char *out, size_t size)
{
	snprintf(out, size, "%s", raw ? raw : fallback);
	free(raw);
	return out;
}

const char *dns64_name_text(const struct dns_name *name, char out[DNS64_NAME_TEXT])
{
	ldns_rdf *rdf = ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, name->len, name->octet);

	text_of(rdf ? ldns_rdf2str(rdf) : NULL, "?", out, DNS64_NAME_TEXT);
	ldns_rdf_deep_free(rdf);
	return out;
}

static void each_record(ldns_rr_list *list, const char *section,
			void (*each)(void *ctx, const char *section, const char *text), void *ctx)
{
	for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
		char *text = ldns_rr2str(ldns_rr_list_rr(list, i));

		if (!text)
			continue;
		text[strcspn(text, "\n")] = 0;
		for (char *p = text; *p; p++)
			*p = *p == '\t' ? ' ' : *p;
		each(ctx, section, text);
		free(text);
	}
}

void dns64_answer_text(const uint8_t *wire, size_t len,
		       void (*each)(void *ctx, const char *section, const char *text), void *ctx)
{
	ldns_pkt *pkt;

	if (ldns_wire2pkt(&pkt, wire, len) != LDNS_STATUS_OK)
		return;
	each_record(ldns_pkt_answer(pkt), "answer", each, ctx);
	each_record(ldns_pkt_authority(pkt), "authority", each, ctx);
	each_record(ldns_pkt_additional(pkt), "additional", each, ctx);
	ldns_pkt_free(pkt);
}

static void note_answer(struct dns64_told *t, const struct resolver *r, const struct leg *leg,
			const char *type, const char *how)
{
	const struct dns64_answer *a = leg->answer;
	uint32_t age_s = dns64_answer_age(a, r->now_ms);
	char ede[32] = "";

	if (a->ede != DNS_EDE_NONE)
		snprintf(ede, sizeof(ede), ", extended error %d", a->ede);
	told__note(t, "%s: %s %s, %u records%s, %u s old of %u s%s", type, how,
		   dns64_rcode_name(a->wire[3] & DNS_RCODE), a->wire[6] * 256u + a->wire[7], ede,
		   age_s, a->ttl_s,
		   leg->is_stale ? ": past its time, for want of better (RFC 8767)" : "");
}

void told__leg(struct dns64_told *t, const struct resolver *r, const struct leg *leg,
	       const struct dns_question *q, const char *how)
{
	char type[DNS64_TYPE_TEXT];

	if (!t)
		return;
	dns64_type_text(q->type, type);
	if (leg->state == LEG_ANSWERED)
		note_answer(t, r, leg, type, how);
	else if (leg->state == LEG_WAITING)
		told__note(t, "%s: not in the cache, an upstream is asked", type);
	else
		told__note(t, "%s: no upstream has answered", type);
}

static void note_reason(struct dns64_told *t, const struct dns64_policy *p,
			const struct dns64_legs *l)
{
	if (l->aaaa_state == LEG_ANSWERED && l->aaaa.rcode == DNS_NXDOMAIN)
		told__note(t, "rule: there is no such name, of any type (RFC 6147 5.1.2)");
	else if (l->aaaa.n_usable)
		told__note(t, "rule: there are AAAA records of its own (RFC 6147 5.1.1)");
	else if (l->aaaa_state == LEG_ANSWERED && dns64_untouchable(p, l, &l->aaaa))
		told__note(t, "rule: DO is set and the answer is signed; see break-dnssec (RFC "
			      "6147 5.5)");
	else if (l->aaaa.bogus)
		told__note(t, "rule: validation failed; an A record is no substitute for that");
	else if (l->aaaa_state == LEG_ANSWERED && l->aaaa.rcode != DNS_NOERROR)
		told__note(t, "rule: AAAA failed; on-error says %s",
			   p->synthesize_on_error ? "synthesize" : "servfail");
	if (l->aaaa.n_excluded)
		told__note(t,
			   "rule: %u records are excluded, or of a domain in `always`, and not "
			   "shown (5.1.4)",
			   l->aaaa.n_excluded);
	if (l->impatient)
		told__note(t, "rule: client-timeout is over; what is known has to do");
}

void told__decision(struct dns64_told *t, const struct dns64_policy *p, const struct dns64_legs *l,
		    enum dns64_next next)
{
	if (!t || next == DNS64_WAIT || next == DNS64_ASK_A)
		return;
	note_reason(t, p, l);
	switch (next) {
	case DNS64_REPLY_SYNTHESIZED:
		told__note(
			t,
			"rule: no AAAA, so they are made of %u A records that a prefix may carry",
			l->a.n_usable);
		told__note(t, "ttl: that of A, at most %u s, %s (RFC 6147 5.1.7)",
			   l->aaaa.negative_ttl,
			   l->aaaa.has_soa ? "as the SOA beside the missing AAAA says"
					   : "for there was no SOA");
		break;
	case DNS64_REPLY_ORIGINAL:
		if (!l->aaaa.n_usable && p->withheld)
			told__note(t, "rule: no translator works, so no addresses are made (require-nat64)");
		else if (!l->aaaa.n_usable && !p->n_prefix)
			told__note(t, "rule: nothing is made for this client: `synthesize: false`, or no prefix");
		else if (l->a_state == LEG_ANSWERED && !l->aaaa.n_usable && !l->a.n_usable)
			told__note(t, "rule: no A record that a prefix may carry either (RFC 6147 "
				      "5.1.6, RFC 6052 3.1)");
		told__note(t, "answer: what the upstream said of AAAA%s",
			   l->aaaa.n_excluded && !dns64_untouchable(p, l, &l->aaaa) ?
				   ", without the excluded records" : "");
		break;
	case DNS64_REPLY_SERVFAIL:
		told__note(t,
			   "answer: SERVFAIL, so that no client remembers that there is nothing");
		break;
	case DNS64_WAIT:
	case DNS64_ASK_A:
		break;
	}
}
