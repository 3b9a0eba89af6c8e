/* heard.c - what comes back from upstreams: is it an answer to what was asked, by whom it was
 * asked; is it good; and if not, what next. Everything that arrives here is hostile until it has
 * passed. */
#include "sixgate/base/must.h"
#include "sixgate/base/wire.h"
#include "resolver.h"

static bool sent_by(const struct sockaddr_in6 *from, const struct endpoint_conf *to)
{
	struct addr a = addr_from_v6(from->sin6_addr.s6_addr);

	return be16_to((be16){ from->sin6_port }) == to->port && addr_equal(&a, &to->address);
}

static bool is_failure(unsigned rcode)
{
	return rcode != DNS_NOERROR && rcode != DNS_NXDOMAIN;
}

/* RFC 5452 9.1: the question must be the one asked. Some servers leave it out of an error; such a
 * message says nothing but that. */
static bool answers(const struct lookup *l, const uint8_t *wire, size_t len)
{
	struct dns_question q;
	uint16_t flags;

	if (len < DNS_HEADER_LEN)
		return false;
	flags = load16(wire + 2);
	if (!(flags & DNS_QR) || flags & DNS_OPCODE)
		return false;
	if (len == DNS_HEADER_LEN && load16(wire + 4) == 0)
		return is_failure(flags & DNS_RCODE);
	return dns_question_read(wire, len, &q) && dns_question_equal(&q, &l->key.question);
}

static bool has_opt(const uint8_t *wire, size_t len)
{
	struct dns_walk w;
	struct dns_rr rr;

	dns_walk_start(&w, wire, len);
	while (dns_walk_next(&w, &rr))
		if (rr.type == DNS_TYPE_OPT)
			return true;
	return false;
}

/* RFC 6891 6.2.2 and 7: a server that does not know OPT says FORMERR or NOTIMP without one. */
static bool rejects_edns(const struct lookup *l, const uint8_t *wire, size_t len)
{
	unsigned rcode = load16(wire + 2) & DNS_RCODE;

	return !l->without_edns && (rcode == DNS_FORMERR || rcode == DNS_NOTIMP) &&
	       !has_opt(wire, len);
}

static bool others_open(const struct lookup *l)
{
	for (unsigned i = 0; i < l->n_asks; i++)
		if (l->ask[i].open)
			return true;
	return false;
}

/* A failure is passed on only when nobody does better, unless validation is what failed: that is
 * an answer, and asking on would be shopping for one that does not validate. */
static void take_failure(struct resolver *r, struct lookup *l, struct dns64_answer *answer)
{
	bool bogus = answer && answer->ede >= DNS_EDE_DNSSEC_FIRST &&
		     answer->ede <= DNS_EDE_DNSSEC_LAST;

	if (bogus) {
		lookup__finish(r, l, answer);
		return;
	}
	if (answer) {
		dns64_answer_put(l->fallback);
		l->fallback = dns64_answer_get(answer);
	}
	if (lookup__tries_left(r, l))
		lookup__next_upstream(r, l);
	else if (!others_open(l))
		lookup__finish(r, l, l->fallback);
}

/* The message answers @a's question; @a is closed. */
static void take(struct resolver *r, struct lookup *l, const uint8_t *wire, size_t len)
{
	struct dns64_answer *answer;

	if (rejects_edns(l, wire, len)) {
		l->without_edns = true;
		lookup__next_upstream(r, l);
		return;
	}
	answer = dns64_answer_new(&l->key, wire, len, r->now_ms);
	if (!answer) {
		bool bare = len == DNS_HEADER_LEN;

		counter_add(bare ? &r->stats->upstream_failures : &r->stats->upstream_malformed, 1);
		take_failure(r, l, NULL);
		return;
	}
	if (is_failure(load16(answer->wire + 2) & DNS_RCODE)) {
		counter_add(&r->stats->upstream_failures, 1);
		take_failure(r, l, answer);
	} else {
		lookup__finish(r, l, answer);
	}
	dns64_answer_put(answer);
}

void resolver__answer(struct resolver *r, const struct datagram *d)
{
	struct lookup *l;
	struct ask *a = NULL;

	if (d->len >= 2)
		a = lookup__find_ask(r, d->socket, load16(d->wire), &l);
	if (!a || !sent_by(d->from, &a->to) || !answers(l, d->wire, d->len)) {
		counter_add(&r->stats->spoofed, 1);
		return;
	}
	lookup__heard(r, a);
	if (load16(d->wire + 2) & DNS_TC) {
		lookup__start_tcp(r, l, a);
	} else {
		lookup__close_ask(r, l, a);
		take(r, l, d->wire, d->len);
	}
	resolver__advance(r);
}

static void tcp_over(struct ask *a)
{
	must(a->open && a->socket < 0);
	a->open = false;
}

void resolver__tcp_answer(struct resolver *r, uint32_t ask, const uint8_t *wire, size_t len)
{
	struct lookup *l;
	struct ask *a = lookup__ask_of(r, ask, &l);

	tcp_over(a);
	if (!answers(l, wire, len) || load16(wire) != a->id) {
		counter_add(&r->stats->spoofed, 1);
		lookup__next_upstream(r, l);
	} else if (load16(wire + 2) & DNS_TC) {
		counter_add(&r->stats->upstream_malformed, 1);
		lookup__next_upstream(r, l);
	} else {
		lookup__heard(r, a);
		take(r, l, wire, len);
	}
	resolver__advance(r);
}

void resolver__tcp_failed(struct resolver *r, uint32_t ask)
{
	struct lookup *l;
	struct ask *a = lookup__ask_of(r, ask, &l);

	tcp_over(a);
	counter_add(&r->stats->upstream_errors, 1);
	lookup__next_upstream(r, l);
	resolver__advance(r);
}
