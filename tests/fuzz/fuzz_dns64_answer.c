/*
 * fuzz_dns64_answer.c - the input is what upstreams say. First byte: which question a client asked,
 * over what, and with which flags. Upstreams are asked in mixed case, with cookies, one of them over
 * TLS. Then messages behind two-byte lengths, given in turn to the asks that are open, over UDP or TCP
 * as they were sent. Id and question are made right unless the length's top bit is set, else hardly
 * anything would get past the first check. With the next bit set, they are what an ICMP error quotes:
 * the first byte says up to where that is right.
 */
#include "dns64_world.h"

static const struct {
	const char *name;
	uint16_t type;
} questions[] = {
	{ "a.example.", DNS_TYPE_AAAA },
	{ "a.example.", DNS_TYPE_A },
	{ "1.2.0.0.0.0.0.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.b.9.f.f.4.6.0.0.ip6.arpa.", DNS_TYPE_PTR },
	{ "a.example.", DNS_TYPE_ANY },
};

static void ask(uint8_t how, unsigned client)
{
	struct dns_query q = { .flags = how & 4 ? DNS_CD : 0, .dnssec_ok = how & 8 };
	uint8_t wire[512];

	must(dns_name_parse(questions[how & 3].name, &q.question.name) == 0);
	q.question.type = questions[how & 3].type;
	q.question.class = DNS_CLASS_IN;
	world_query(client, wire, dns_query_write(&q, 1, how & 16, wire),
		    how & 32 ? DNS_MESSAGE_MAX : 0);
}

/* A COOKIE option says our cookie (RFC 7873 5.3), else all that have one would be forgeries. */
static void make_cookie_right(const struct asked *a, uint8_t *wire, size_t len)
{
	struct dns_rr ours, theirs;
	size_t from, to;

	if (dns_opt_find(a->wire, a->len, &ours) && dns_opt_find(wire, len, &theirs) &&
	    dns_option_find(a->wire, &ours, DNS_OPTION_COOKIE, &from) >= DNS_COOKIE_CLIENT_LEN &&
	    dns_option_find(wire, &theirs, DNS_OPTION_COOKIE, &to) >= DNS_COOKIE_CLIENT_LEN)
		memcpy(wire + to, a->wire + from, DNS_COOKIE_CLIENT_LEN);
}

/* The header's id, and the question that was asked, over the first bytes of @wire. */
static void make_right(const struct asked *a, uint8_t *wire, size_t len)
{
	struct dns_question q;
	size_t end = dns_question_read(a->wire, a->len, &q);

	if (len < DNS_HEADER_LEN)
		return;
	memcpy(wire, a->wire, 2);
	wire[2] = (uint8_t)((wire[2] | 0x80) & 0x87);
	store16(wire + 4, 1);
	if (len >= end)
		memcpy(wire + DNS_HEADER_LEN, a->wire + DNS_HEADER_LEN, end - DNS_HEADER_LEN);
	make_cookie_right(a, wire, len);
}

/* What was sent, and then what the input says. */
static void make_quoted(const struct asked *a, uint8_t *wire, size_t len)
{
	size_t right = len ? wire[0] : 0;

	right = right < len ? right : len;
	memcpy(wire, a->wire, right < a->len ? right : a->len);
}

static void answer(struct asked *a, const uint8_t *wire, size_t len, bool quoted)
{
	struct sockaddr_in6 from = { .sin6_port = be16_from(a->to.port).raw };
	struct datagram d = { .socket = a->socket, .from = &from, .wire = wire, .len = len };

	memcpy(from.sin6_addr.s6_addr, a->to.address.octet, 16);
	if (quoted) {
		resolver__unreachable(world.r, &d);
	} else if (!a->tcp) {
		resolver__answer(world.r, &d);
	} else if (!a->over) {
		a->over = true;
		resolver__tcp_answer(world.r, a->ask, wire, len);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t how;

	if (!world.r)
		world_start();
	if (!size)
		return 0;
	how = *data++;
	size--;
	ask(how, how >> 6);
	for (unsigned i = 0; size >= 2 && i < world.n_asked; i++) {
		size_t len = load16(data) & 0x3fff;
		bool raw = data[0] & 0x80, quoted = data[0] & 0x40;
		uint8_t *wire;

		data += 2;
		size -= 2;
		if (len > size)
			len = size;
		wire = malloc(len + 1); /* exact, for the sanitizer */
		must(wire);
		memcpy(wire, data, len);
		if (quoted)
			make_quoted(&world.asked[i], wire, len);
		else if (!raw)
			make_right(&world.asked[i], wire, len);
		answer(&world.asked[i], wire, len, quoted);
		free(wire);
		data += len;
		size -= len;
	}
	ask(how, how >> 6); /* from the cache, older by a second */
	world_pass(1000);
	for (unsigned i = 0; i < WORLD_CLIENTS; i++)
		ask(how, i);
	world_settle();
	return 0;
}
