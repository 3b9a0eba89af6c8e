/* heard.c - what comes back from upstreams: is it an answer to what was asked, by whom it was
 * asked; is it good; and if not, what next. Everything that arrives here is hostile until it has
 * passed. */
#include <string.h>
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

/* struct heard - a message that is about what was asked. */
struct heard {
	const uint8_t *wire;
	size_t len;
	struct dns_rr opt;
	bool has_opt;
};

static unsigned rcode_of(const struct heard *h)
{
	unsigned low = load16(h->wire + 2) & DNS_RCODE;

	return h->has_opt ? h->opt.ttl >> 24 << 4 | low : low;
}

/* RFC 6891 6.2.2 and 7: a server that does not know OPT says FORMERR or NOTIMP without one. With one,
 * it is an option that it does not bear. Return: what to leave out, or 0. */
static unsigned not_borne(const struct ask *a, const struct heard *h)
{
	unsigned rcode = rcode_of(h);

	if (a->without & WITHOUT_EDNS || (rcode != DNS_FORMERR && rcode != DNS_NOTIMP))
		return 0;
	if (!h->has_opt)
		return WITHOUT_EDNS;
	return a->cookie && rcode == DNS_FORMERR ? WITHOUT_COOKIE : 0;
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
	if (choice__tries_left(r, l))
		lookup__next_upstream(r, l);
	else if (!others_open(l))
		lookup__finish(r, l, l->fallback);
}

/* What it does not bear is known for a while. */
static void remember(const struct resolver *r, struct upstream_state *u, unsigned without)
{
	bool known = u->without_until_ms > r->now_ms;

	if (!without || (known && (u->without & without) == without))
		return;
	u->without = without | (known ? u->without : 0);
	u->without_until_ms = r->now_ms + WITHOUT_TIME_MS;
}

/* The message answers @a's question; @a is closed. */
static void take(struct resolver *r, struct lookup *l, struct ask *a, const struct heard *h)
{
	struct dns64_answer *answer = dns64_answer_new(&l->key, h->wire, h->len, r->now_ms);

	if (!answer) {
		bool bare = h->len == DNS_HEADER_LEN;

		a->poor = true;
		counter_add(bare ? &r->stats->upstream_failures : &r->stats->upstream_malformed, 1);
		take_failure(r, l, NULL);
		return;
	}
	if (is_failure(load16(answer->wire + 2) & DNS_RCODE)) {
		a->poor = true;
		counter_add(&r->stats->upstream_failures, 1);
		take_failure(r, l, answer);
	} else {
		if (choice__state(r, a))
			remember(r, choice__state(r, a), a->without & ~(unsigned)WITHOUT_CASE);
		lookup__finish(r, l, answer);
	}
	dns64_answer_put(answer);
}

/* 0x20: the name came back in another spelling than it went out. By itself that is no reason to
 * believe it, nor to doubt the upstream: it is asked where nobody can forge, and remembered. */
static bool is_respelled(struct resolver *r, const struct lookup *l, struct ask *a,
			 const struct heard *h)
{
	struct upstream_state *u = choice__state(r, a);
	struct dns_question q;

	if (!a->mixed || h->len == DNS_HEADER_LEN)
		return false;
	must(dns_question_read(h->wire, h->len, &q));
	if (ask__spelled(r, l, a, &q.name)) {
		if (u)
			u->case_misses = 0;
		return false;
	}
	counter_add(&r->stats->case_misses, 1);
	a->without |= WITHOUT_CASE;
	if (u && ++u->case_misses >= CASE_MISSES_MAX) {
		u->case_misses = 0;
		remember(r, u, WITHOUT_CASE);
	}
	return true;
}

enum cookie_says { COOKIE_FINE, COOKIE_FORGED, COOKIE_ASK_AGAIN, COOKIE_ASK_TCP };

static void learn_cookie(struct resolver *r, const struct ask *a, const uint8_t *cookie, size_t len)
{
	struct upstream_state *u = choice__state(r, a);

	if (!u)
		return;
	memcpy(u->cookie, cookie, len);
	u->cookie_len = (uint8_t)len;
}

static unsigned n_udp_asks(const struct lookup *l, const struct ask *to)
{
	unsigned n = 0;

	for (unsigned i = 0; i < l->n_asks; i++)
		n += l->ask[i].upstream == to->upstream && l->ask[i].way == WAY_UDP;
	return n;
}

/* RFC 7873 5.3. An upstream that had a cookie for us and now has none: maybe another machine behind
 * its address, maybe a forger. A connection tells. */
static enum cookie_says check_cookie(struct resolver *r, const struct lookup *l,
				     const struct ask *a, const struct heard *h)
{
	struct upstream_state *u = choice__state(r, a);
	size_t mine = sizeof(u->client_cookie), at = 0;
	int len = h->has_opt ? dns_option_find(h->wire, &h->opt, DNS_OPTION_COOKIE, &at) : -1;

	if (!a->cookie || !u)
		return COOKIE_FINE;
	if (len < 0 && u->cookie_len && a->way == WAY_UDP)
		return COOKIE_ASK_TCP;
	if (len < 0) {
		u->cookie_len = 0;
		return COOKIE_FINE;
	}
	if (len < (int)(mine + 8) || len > (int)(mine + sizeof(u->cookie)) ||
	    memcmp(h->wire + at, u->client_cookie, mine) != 0)
		return COOKIE_FORGED;
	learn_cookie(r, a, h->wire + at + mine, (size_t)len - mine);
	if (rcode_of(h) != DNS_BADCOOKIE)
		return COOKIE_FINE;
	counter_add(&r->stats->badcookie, 1);
	return n_udp_asks(l, a) < 2 ? COOKIE_ASK_AGAIN : COOKIE_ASK_TCP;
}

/* From whom it was asked, with the id and the question that was asked. */
static void hear_udp(struct resolver *r, struct lookup *l, struct ask *a, const struct heard *h)
{
	enum cookie_says cookie = check_cookie(r, l, a, h);
	unsigned without = not_borne(a, h);

	if (cookie == COOKIE_FORGED) {
		counter_add(&r->stats->spoofed, 1);
		return;
	}
	choice__heard(r, l, a);
	ask__close(r, l, a);
	a->without |= without;
	if (l->is_probe)
		lookup__finish(r, l, NULL);
	else if (is_respelled(r, l, a, h) || cookie == COOKIE_ASK_TCP || load16(h->wire + 2) & DNS_TC)
		lookup__again(r, l, a, WAY_TCP);
	else if (cookie == COOKIE_ASK_AGAIN || without)
		lookup__again(r, l, a, WAY_UDP);
	else
		take(r, l, a, h);
}

static struct heard heard_of(const uint8_t *wire, size_t len)
{
	struct heard h = { .wire = wire, .len = len };

	h.has_opt = dns_opt_find(wire, len, &h.opt);
	return h;
}

void resolver__answer(struct resolver *r, const struct datagram *d)
{
	struct lookup *l;
	struct ask *a = NULL;
	struct heard h;

	if (d->len >= 2)
		a = ask__find(r, d->socket, load16(d->wire), &l);
	if (!a || !sent_by(d->from, &a->to) || !answers(l, d->wire, d->len)) {
		counter_add(&r->stats->spoofed, 1);
		return;
	}
	h = heard_of(d->wire, d->len);
	hear_udp(r, l, a, &h);
	resolver__advance(r);
}

/* A router quotes what we sent, or its beginning. What does not even reach the id says nothing. */
static bool quotes(struct resolver *r, const struct lookup *l, const struct ask *a,
		   const struct datagram *d)
{
	size_t len = DNS_HEADER_LEN + l->key.question.name.len + 4u;
	struct ask bare = *a;
	uint8_t wire[ASK_WIRE_MAX];

	bare.cookie = false; /* it stands further back, and may be another one by now */
	ask__write(r, l, &bare, wire);
	return memcmp(d->wire, wire, d->len < len ? d->len : len) == 0;
}

/* The ask stays open: who is there after all may still answer. */
void resolver__unreachable(struct resolver *r, const struct datagram *d)
{
	struct lookup *l;
	struct ask *a = NULL;

	if (d->len >= DNS_HEADER_LEN)
		a = ask__find(r, d->socket, load16(d->wire), &l);
	if (!a || !sent_by(d->from, &a->to) || !quotes(r, l, a, d)) {
		counter_add(&r->stats->unreachable_ignored, 1);
		return;
	}
	counter_add(&r->stats->upstream_unreachable, 1);
	if (a->counted)
		return;
	choice__failed(r, l, a);
	a->counted = true;
	/* Who has not been asked yet is asked now; the same ones again in their time, as after a loss. */
	if (!l->is_probe && a == &l->ask[l->n_asks - 1] && choice__tries_left(r, l))
		lookup__next_upstream(r, l);
	resolver__advance(r);
}

void resolver__send_failed(struct resolver *r, int socket, uint16_t id)
{
	struct lookup *l;
	struct ask *a = ask__find(r, socket, id, &l);

	if (!a)
		return;
	ask__close(r, l, a);
	a->unsent = true;
	counter_add(&r->stats->upstream_errors, 1);
	choice__failed(r, l, a);
	lookup__next_upstream(r, l);
}

static void stream_over(struct ask *a)
{
	must(a->open && a->way != WAY_UDP);
	a->open = false;
}

static void hear_stream(struct resolver *r, struct lookup *l, struct ask *a, const struct heard *h)
{
	unsigned without = not_borne(a, h);

	choice__heard(r, l, a);
	check_cookie(r, l, a, h); /* nobody can forge here: only to learn it */
	a->without |= without;
	if (l->is_probe)
		lookup__finish(r, l, NULL);
	else if (without)
		lookup__again(r, l, a, a->way);
	else
		take(r, l, a, h);
}

void resolver__tcp_answer(struct resolver *r, uint32_t ask, const uint8_t *wire, size_t len)
{
	struct lookup *l;
	struct ask *a = ask__of(r, ask, &l);
	struct heard h;

	stream_over(a);
	if (!answers(l, wire, len) || load16(wire) != a->id) {
		counter_add(&r->stats->spoofed, 1);
		lookup__next_upstream(r, l);
	} else if (load16(wire + 2) & DNS_TC) {
		counter_add(&r->stats->upstream_malformed, 1);
		lookup__next_upstream(r, l);
	} else {
		h = heard_of(wire, len);
		hear_stream(r, l, a, &h);
	}
	resolver__advance(r);
}

void resolver__tcp_failed(struct resolver *r, uint32_t ask)
{
	struct lookup *l;
	struct ask *a = ask__of(r, ask, &l);

	stream_over(a);
	a->unsent = a->way == WAY_TLS; /* who has no TCP may have UDP */
	counter_add(&r->stats->upstream_errors, 1);
	choice__failed(r, l, a);
	lookup__next_upstream(r, l);
	resolver__advance(r);
}
