/* fixture.c - see fixture.h. ldns reads and writes the texts. */
#include "fixture.h"
#include <arpa/inet.h>
#include <stdbool.h> /* before ldns, which has one of its own */
#include <ldns/ldns.h>
#include <stdio.h>
#include <stdlib.h>
#include "sixgate/base/must.h"
#include "sixgate/base/wire.h"

static void push(ldns_pkt *pkt, ldns_pkt_section section, const char *const *records)
{
	for (size_t i = 0; i < RECORDS_MAX && records[i]; i++) {
		ldns_rr *rr;

		if (ldns_rr_new_frm_str(&rr, records[i], 0, NULL, NULL) != LDNS_STATUS_OK)
			fail_msg("not a record: %s", records[i]);
		ldns_pkt_push_rr(pkt, section, rr);
	}
}

static size_t put_opt(const struct text *t, uint8_t *out, size_t at)
{
	uint16_t len = t->has_ede ? 6 : 0;

	out[at] = 0;
	store16(out + at + 1, DNS_TYPE_OPT);
	store16(out + at + 3, t->udp_size ? t->udp_size : 1232);
	store32(out + at + 5, t->dnssec_ok ? 0x8000 : 0);
	store16(out + at + 9, len);
	store16(out + 10, (uint16_t)(load16(out + 10) + 1));
	if (!len)
		return at + 11;
	store16(out + at + 11, 15);
	store16(out + at + 13, 2);
	store16(out + at + 15, t->ede);
	return at + 17;
}

size_t wire_of(const struct text *t, uint16_t id, uint8_t *out)
{
	ldns_pkt *pkt = ldns_pkt_new();
	uint8_t *wire;
	size_t len;
	ldns_rr *q;

	if (ldns_rr_new_question_frm_str(&q, t->question, NULL, NULL) != LDNS_STATUS_OK)
		fail_msg("not a question: %s", t->question);
	ldns_pkt_push_rr(pkt, LDNS_SECTION_QUESTION, q);
	push(pkt, LDNS_SECTION_ANSWER, t->answer);
	push(pkt, LDNS_SECTION_AUTHORITY, t->authority);
	push(pkt, LDNS_SECTION_ADDITIONAL, t->additional);
	must(ldns_pkt2wire(&wire, pkt, &len) == LDNS_STATUS_OK);
	memcpy(out, wire, len);
	free(wire);
	ldns_pkt_free(pkt);
	store16(out, id);
	store16(out + 2, t->flags);
	return t->opt ? put_opt(t, out, len) : len;
}

struct printer {
	char *text;
	size_t at;
};

static void print(struct printer *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	p->at += (size_t)vsnprintf(p->text + p->at, TEXT_MAX - p->at, fmt, ap);
	va_end(ap);
	must(p->at < TEXT_MAX);
}

static void print_section(struct printer *p, const char *head, ldns_rr_list *list)
{
	if (!ldns_rr_list_rr_count(list))
		return;
	print(p, "%s", head);
	for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
		char *line = ldns_rr2str(ldns_rr_list_rr(list, i));

		for (char *c = line; *c; c++)
			if (*c == '\t')
				*c = ' ';
		print(p, "%s", line);
		free(line);
	}
}

static void print_opt(struct printer *p, const uint8_t *wire, size_t len)
{
	struct dns_walk w;
	struct dns_rr rr;

	dns_walk_start(&w, wire, len);
	while (dns_walk_next(&w, &rr)) {
		if (rr.type != DNS_TYPE_OPT)
			continue;
		print(p, "OPT %u%s", rr.class, rr.ttl & 0x8000 ? " do" : "");
		if (rr.ttl & 0xff7fff)
			print(p, " version or Z set");
		if (rr.ttl >> 24)
			print(p, " rcode+%u", rr.ttl >> 24 << 4);
		if (dns_ede_read(wire, &rr) != DNS_EDE_NONE)
			print(p, " ede %d", dns_ede_read(wire, &rr));
		print(p, "\n");
	}
}

const char *text_of(const uint8_t *wire, size_t len)
{
	static const struct {
		uint16_t bit;
		const char *name;
	} names[] = { { DNS_AA, "aa" }, { DNS_TC, "tc" }, { DNS_RD, "rd" },
		      { DNS_RA, "ra" }, { DNS_AD, "ad" }, { DNS_CD, "cd" } };
	static char text[TEXT_MAX];
	struct printer p = { .text = text };
	uint16_t flags;
	ldns_pkt *pkt;

	if (ldns_wire2pkt(&pkt, wire, len) != LDNS_STATUS_OK)
		return "unreadable";
	flags = load16(wire + 2);
	print(&p, "%s", ldns_lookup_by_id(ldns_rcodes, ldns_pkt_get_rcode(pkt))->name);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (flags & names[i].bit)
			print(&p, " %s", names[i].name);
	print(&p, "\n");
	print_section(&p, "", ldns_pkt_answer(pkt));
	print_section(&p, "-- authority\n", ldns_pkt_authority(pkt));
	print_section(&p, "-- additional\n", ldns_pkt_additional(pkt));
	print_opt(&p, wire, len);
	ldns_pkt_free(pkt);
	return text;
}

struct dns64_policy *policy_of(void (*change)(struct dns64_conf *c))
{
	struct dns64_upstream_conf upstream[2] = { { .port = 53 }, { .port = 53 } };
	struct dns64_policy *p;
	struct dns64_conf c;
	struct prefix wkp;
	struct err e;

	dns64_conf_default(&c);
	must(prefix_parse("64:ff9b::/96", &wkp) == 0);
	must(addr_parse("2001:db8::53", &upstream[0].address) == 0);
	must(addr_parse("192.0.2.53", &upstream[1].address) == 0);
	c.prefix = &wkp;
	c.n_prefix = 1;
	c.upstream = upstream;
	c.n_upstream = 2;
	if (change)
		change(&c);
	if (dns64_policy_new(&p, &c, &e))
		fail_msg("%s", e.text);
	return p;
}

static void on_reply(void *ctx, const struct client *c, const uint8_t *wire, size_t len)
{
	struct world *w = ctx;

	(void)c;
	if (!len) {
		w->n_lost++;
		return;
	}
	hit_law_heard(&w->law, wire, len);
	w->n_replies++;
	w->reply_len = len;
	memcpy(w->reply, wire, len);
}

static int on_pick(void *ctx)
{
	struct world *w = ctx;

	return (int)(w->n_sent % 4);
}

static int on_send(void *ctx, int socket, const struct datagram_out *d)
{
	struct world *w = ctx;
	struct sent *s = &w->sent[w->n_sent];

	assert_true(w->n_sent < SENT_MAX && d->len <= sizeof(s->wire));
	assert_int_equal(load16(d->wire), d->id);
	if (w->send_result)
		return w->send_result;
	*s = (struct sent){ .socket = socket, .to = *d->to, .len = d->len, .at_ms = w->now_ms };
	memcpy(s->wire, d->wire, d->len);
	w->n_sent++;
	return 0;
}

static void on_unpick(void *ctx, int socket)
{
	(void)ctx;
	assert_in_range(socket, 0, 3);
}

static int on_tcp_start(void *ctx, uint32_t ask_number, const struct endpoint_conf *to,
			const uint8_t *wire, size_t len)
{
	struct world *w = ctx;
	struct sent *s = &w->sent[w->n_sent];

	if (w->tcp_result)
		return w->tcp_result;
	assert_true(w->n_sent < SENT_MAX);
	*s = (struct sent){
		.tcp = true, .ask = ask_number, .to = *to, .len = len, .at_ms = w->now_ms
	};
	memcpy(s->wire, wire, len);
	w->n_sent++;
	return 0;
}

static int on_tls_start(void *ctx, uint32_t ask_number, size_t upstream, const uint8_t *wire,
			size_t len)
{
	struct world *w = ctx;
	int rc = on_tcp_start(ctx, ask_number, &w->r->policy->upstream[upstream].at, wire, len);

	if (rc == 0)
		w->sent[w->n_sent - 1].tls = true;
	return rc;
}

static void on_tcp_cancel(void *ctx, uint32_t ask_number)
{
	struct world *w = ctx;

	for (unsigned i = w->n_sent; i-- > 0;)
		if (w->sent[i].tcp && w->sent[i].ask == ask_number && !w->sent[i].over) {
			w->sent[i].over = true;
			return;
		}
	fail_msg("a connection that is not there is cancelled");
}

struct world *world_new(void (*change)(struct dns64_conf *c))
{
	static const struct hash_key secret = { { 1, 2, 3, 4, 5, 6, 7, 8 } };
	struct world *w = calloc(1, sizeof(*w));
	struct resolver_setup setup = { .policy = policy_of(change),
					.io = &w->io,
					.stats = &w->stats,
					.secret = &secret,
					.cache_bytes = 1 << 20 };
	struct err e;

	w->io = (struct resolver_io){ .ctx = w,
				      .reply = on_reply,
				      .pick = on_pick,
				      .send = on_send,
				      .unpick = on_unpick,
				      .tcp_start = on_tcp_start,
				      .tcp_cancel = on_tcp_cancel,
				      .tls_start = on_tls_start,
				      .tls_cancel = on_tcp_cancel };
	must(resolver__new(&w->r, &setup, &e) == 0);
	wait_ms(w, 1000000);
	return w;
}

void world_free(struct world *w)
{
	unsigned open = w->r->idle_tasks.used, lost = w->n_lost;

	resolver__free(w->r);
	assert_int_equal(w->n_lost - lost, open); /* every query hears, if only of the end */
	free(w);
}

void wait_ms(struct world *w, uint64_t ms)
{
	uint64_t end = w->now_ms + ms;

	/* As a loop would: never later than what is due. */
	while (resolver__next(w->r) <= end - w->now_ms) {
		w->now_ms += resolver__next(w->r);
		resolver__time(w->r, w->now_ms);
		resolver__advance(w->r);
	}
	w->now_ms = end;
	resolver__time(w->r, end);
}

static void ask_as(struct world *w, const struct client *c, const uint8_t *wire, size_t len)
{
	hit_law_try(&w->law, w->r, c, wire, len);
	resolver__query(w->r, c, wire, len);
	hit_law_judge(&w->law, w->r);
}

void ask_wire(struct world *w, const uint8_t *wire, size_t len, const char *client)
{
	struct client c = { .peer = { .sin6_family = AF_INET6 } };

	must(inet_pton(AF_INET6, client, &c.peer.sin6_addr) == 1);
	ask_as(w, &c, wire, len);
}

void ask_from(struct world *w, const struct text *t, const char *client, size_t most)
{
	struct client c = { .most = most,
			    .peer = { .sin6_family = AF_INET6 },
			    .local.ipi6_addr = w->asked };
	uint8_t wire[2048];
	size_t len = wire_of(t, 0x1234, wire);

	must(inet_pton(AF_INET6, client, &c.peer.sin6_addr) == 1);
	ask_as(w, &c, wire, len);
}

void ask(struct world *w, const struct text *t)
{
	ask_from(w, t, "2001:db8:1::1", 0);
}

void ask_plain(struct world *w, const char *question)
{
	struct text t = { .question = question, .flags = DNS_RD };

	ask(w, &t);
}

const char *sent_question(const struct world *w, unsigned i)
{
	static char text[512];
	struct dns_question q;
	ldns_pkt *pkt;
	char *name;

	assert_true(i < w->n_sent);
	must(ldns_wire2pkt(&pkt, w->sent[i].wire, w->sent[i].len) == LDNS_STATUS_OK);
	must(dns_question_read(w->sent[i].wire, w->sent[i].len, &q));
	name = ldns_rdf2str(ldns_rr_owner(ldns_rr_list_rr(ldns_pkt_question(pkt), 0)));
	snprintf(text, sizeof(text), "%s %s", name,
		 q.type == DNS_TYPE_A	 ? "A" :
		 q.type == DNS_TYPE_AAAA ? "AAAA" :
		 q.type == DNS_TYPE_PTR	 ? "PTR" :
					   "other");
	free(name);
	ldns_pkt_free(pkt);
	return text;
}

void answer_wire(struct world *w, unsigned i, const uint8_t *wire, size_t len)
{
	struct sent *s = &w->sent[i];
	struct sockaddr_in6 from = { .sin6_family = AF_INET6,
				     .sin6_port = be16_from(s->to.port).raw };
	struct datagram d = { .socket = s->socket, .from = &from, .wire = wire, .len = len };

	assert_true(i < w->n_sent);
	if (s->tcp) {
		assert_false(s->over);
		s->over = true;
		resolver__tcp_answer(w->r, s->ask, wire, len);
		return;
	}
	memcpy(from.sin6_addr.s6_addr, s->to.address.octet, 16);
	resolver__answer(w->r, &d);
}

void answer(struct world *w, unsigned i, const struct text *t)
{
	static uint8_t wire[DNS_MESSAGE_MAX];
	char question[300];
	struct text full = *t;

	if (!full.question) {
		const char *q = sent_question(w, i), *space = strrchr(q, ' ');

		snprintf(question, sizeof(question), "%.*s IN %s", (int)(space - q), q, space + 1);
		full.question = question;
	}
	full.flags |= DNS_QR;
	answer_wire(w, i, wire, wire_of(&full, load16(w->sent[i].wire), wire));
}

const char *told(struct world *w, unsigned n)
{
	assert_int_equal(w->n_replies, n);
	return text_of(w->reply, w->reply_len);
}
