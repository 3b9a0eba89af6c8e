/* ask.c - one question on its way to one upstream: written, sent, found again when an answer comes,
 * and closed. What a forger has to guess is drawn here: the id and, where asked for, the case of the
 * name's letters; the source port is the socket's (RFC 5452 9.2). */
#include <errno.h>
#include <string.h>
#include "sixgate/base/must.h"
#include "sixgate/base/wire.h"
#include "resolver.h"

enum { NO_ASK = UINT32_MAX, PADDING_BLOCK = 128 };

uint32_t ask__index(const struct resolver *r, const struct lookup *l, const struct ask *a)
{
	return (uint32_t)((size_t)(l - r->lookup) * ASKS_MAX + (size_t)(a - l->ask));
}

struct ask *ask__of(struct resolver *r, uint32_t ask, struct lookup **l)
{
	*l = &r->lookup[ask / ASKS_MAX];
	return &(*l)->ask[ask % ASKS_MAX];
}

static uint32_t *ask_bucket(struct resolver *r, int socket, uint16_t id)
{
	return &r->ask_bucket[((uint32_t)socket * 0x9e3779b1u + id) % ASK_BUCKETS];
}

struct ask *ask__find(struct resolver *r, int socket, uint16_t id, struct lookup **l)
{
	uint32_t i = *ask_bucket(r, socket, id);

	while (i != NO_ASK) {
		struct ask *a = ask__of(r, i, l);

		if (a->socket == socket && a->id == id)
			return a;
		i = a->next;
	}
	return NULL;
}

static void link_ask(struct resolver *r, struct lookup *l, struct ask *a)
{
	uint32_t *bucket = ask_bucket(r, a->socket, a->id);

	a->next = *bucket;
	*bucket = ask__index(r, l, a);
}

static void unlink_ask(struct resolver *r, struct lookup *l, struct ask *a)
{
	uint32_t *at = ask_bucket(r, a->socket, a->id), me = ask__index(r, l, a);

	while (*at != me) {
		struct lookup *other;

		must(*at != NO_ASK);
		at = &ask__of(r, *at, &other)->next;
	}
	*at = a->next;
}

void ask__close(struct resolver *r, struct lookup *l, struct ask *a)
{
	if (!a->open)
		return;
	a->open = false;
	switch (a->way) {
	case WAY_TCP:
		r->io->tcp_cancel(r->io->ctx, ask__index(r, l, a));
		break;
	case WAY_TLS:
		r->io->tls_cancel(r->io->ctx, ask__index(r, l, a));
		break;
	case WAY_UDP:
		unlink_ask(r, l, a);
		r->io->unpick(r->io->ctx, a->socket);
	}
}

/* Sixty-four coin tosses for the letters from number 64 * @block on. */
static uint64_t coins(const struct resolver *r, uint64_t seed, unsigned block)
{
	const uint64_t what[2] = { seed, block };

	return siphash(&r->case_secret, what, sizeof(what));
}

/* Lengths of labels are below 64 and so never taken for letters. */
static void mix_case(const struct resolver *r, uint64_t seed, struct dns_name *name)
{
	uint64_t toss = 0;

	for (unsigned i = 0; i < name->len; i++) {
		if (i % 64 == 0)
			toss = coins(r, seed, i / 64);
		if (name->octet[i] >= 'a' && name->octet[i] <= 'z' && toss >> i % 64 & 1)
			name->octet[i] ^= 0x20;
	}
}

static void spell(const struct resolver *r, const struct lookup *l, const struct ask *a,
		  struct dns_name *out)
{
	*out = l->key.question.name;
	if (a->mixed)
		mix_case(r, a->case_seed, out);
}

bool ask__spelled(const struct resolver *r, const struct lookup *l, const struct ask *a,
		  const struct dns_name *got)
{
	struct dns_name name;

	spell(r, l, a, &name);
	return got->len == name.len && memcmp(got->octet, name.octet, name.len) == 0;
}

static size_t put_option(uint8_t *out, size_t at, uint16_t code, uint16_t len)
{
	store16(out + at, code);
	store16(out + at + 2, len);
	memset(out + at + 4, 0, len);
	return at + 4u + len;
}

/* RFC 7873 5.1, 5.3: our cookie, and the upstream's if it has told us one. */
static size_t put_cookie(const struct upstream_state *u, uint8_t *out, size_t at)
{
	size_t end = put_option(out, at, DNS_OPTION_COOKIE,
				(uint16_t)(sizeof(u->client_cookie) + u->cookie_len));

	memcpy(out + at + 4, u->client_cookie, sizeof(u->client_cookie));
	memcpy(out + at + 4 + sizeof(u->client_cookie), u->cookie, u->cookie_len);
	return end;
}

/* RFC 8467 4.1: so that the length tells an eavesdropper little. */
static size_t put_padding(uint8_t *out, size_t at)
{
	size_t end = (at + 4 + PADDING_BLOCK - 1) / PADDING_BLOCK * PADDING_BLOCK;

	return put_option(out, at, DNS_OPTION_PADDING, (uint16_t)(end - at - 4));
}

size_t ask__write(struct resolver *r, const struct lookup *l, const struct ask *a, uint8_t *out)
{
	bool edns = !(a->without & WITHOUT_EDNS);
	struct dns_query q = { .question = l->key.question,
			       .flags = l->key.flags & DNS64_KEY_CD ? DNS_CD : 0,
			       .dnssec_ok = l->key.flags & DNS64_KEY_DO };
	size_t at, opt_at;

	spell(r, l, a, &q.question.name);
	at = dns_query_write(&q, a->id, edns, out);
	if (!edns)
		return at;
	opt_at = at - DNS_OPT_LEN;
	if (a->cookie)
		at = put_cookie(&r->upstream[a->upstream], out, at);
	if (a->way == WAY_TLS)
		at = put_padding(out, at);
	store16(out + opt_at + 9, (uint16_t)(at - opt_at - DNS_OPT_LEN));
	must(at <= ASK_WIRE_MAX);
	return at;
}

/* What the upstream has shown not to bear, lately or in this lookup. */
static unsigned without_of(const struct resolver *r, const struct lookup *l, size_t upstream)
{
	const struct upstream_state *u = &r->upstream[upstream];
	unsigned without = u->without_until_ms > r->now_ms ? u->without : 0;

	for (unsigned i = 0; i < l->n_asks; i++)
		if (l->ask[i].generation == r->generation && l->ask[i].upstream == upstream)
			without |= l->ask[i].without;
	return without;
}

/* A free slot in @l for one more ask to @upstream. */
static struct ask *new_ask(struct resolver *r, struct lookup *l, size_t upstream, enum way way)
{
	unsigned without = without_of(r, l, upstream);
	struct ask *a = &l->ask[l->n_asks++];

	*a = (struct ask){ .to = r->policy->upstream[upstream].at,
			   .sent_ms = r->now_ms,
			   .upstream = (uint32_t)upstream,
			   .generation = r->generation,
			   .way = way,
			   .socket = -1,
			   .without = without };
	a->mixed = way == WAY_UDP && r->policy->randomize_case && !(without & WITHOUT_CASE);
	if (a->mixed)
		a->case_seed = resolver__random(r);
	a->cookie = way != WAY_TLS && r->policy->cookies &&
		    !(without & (WITHOUT_EDNS | WITHOUT_COOKIE));
	r->upstream[upstream].asked_ms = r->now_ms;
	return a;
}

static int send_udp(struct resolver *r, struct lookup *l, struct ask *a)
{
	uint8_t wire[ASK_WIRE_MAX];
	struct lookup *other;
	int rc;

	a->socket = r->io->pick(r->io->ctx);
	if (a->socket < 0)
		return a->socket;
	do
		a->id = (uint16_t)resolver__random(r);
	while (ask__find(r, a->socket, a->id, &other));
	a->open = true;
	link_ask(r, l, a);
	counter_add(&r->stats->upstream_queries, 1);
	rc = r->io->send(r->io->ctx, a->socket, &(struct datagram_out){
		.to = &a->to, .wire = wire, .len = ask__write(r, l, a, wire), .id = a->id });
	if (rc)
		ask__close(r, l, a);
	return rc;
}

static int send_stream(struct resolver *r, struct lookup *l, struct ask *a)
{
	uint32_t number = ask__index(r, l, a);
	uint8_t wire[ASK_WIRE_MAX];
	size_t len;
	int rc;

	a->id = (uint16_t)resolver__random(r);
	len = ask__write(r, l, a, wire);
	if (a->way == WAY_TCP) {
		counter_add(&r->stats->upstream_tcp, 1);
		rc = r->io->tcp_start(r->io->ctx, number, &a->to, wire, len);
	} else {
		counter_add(&r->stats->upstream_tls, 1);
		rc = r->io->tls_start(r->io->ctx, number, a->upstream, wire, len);
	}
	a->open = rc == 0;
	return rc;
}

struct ask *ask__send(struct resolver *r, struct lookup *l, size_t upstream, enum way way)
{
	struct ask *a;
	int rc;

	must(l->n_asks < ASKS_MAX);
	if (r->policy->upstream[upstream].tls)
		way = WAY_TLS; /* RFC 8310 5: nothing goes there in the clear */
	a = new_ask(r, l, upstream, way);
	rc = way == WAY_UDP ? send_udp(r, l, a) : send_stream(r, l, a);
	if (rc == 0)
		return a;
	a->unsent = true;
	counter_add(&r->stats->upstream_errors, 1);
	if (rc != -EAGAIN && rc != -EMFILE && rc != -ENOMEM) /* those are ours */
		choice__failed(r, l, a);
	return NULL;
}
