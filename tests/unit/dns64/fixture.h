/*
 * fixture.h - DNS messages as text, and a world around the query engine that only remembers: so a
 * test reads as what was asked, what upstreams said, and what the client was told.
 */
#pragma once
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "dns64_internal.h"
#include "hit_law.h"
#include "resolver.h"

enum {
	RECORDS_MAX = 1024,
	SENT_MAX = 65536,
	TEXT_MAX = 16384,
	CLIENT_TIMEOUT_MS = 1500, /* the default */
};

/**
 * struct text - a message. @question: "name IN TYPE"; records as in a zone file, absolute names.
 * @opt: with an OPT record; @ede: and this extended error in it, when @has_ede
 */
struct text {
	const char *question;
	uint16_t flags;
	const char *answer[RECORDS_MAX], *authority[RECORDS_MAX], *additional[RECORDS_MAX];
	bool opt, dnssec_ok, has_ede;
	uint16_t udp_size, ede;
};

/** wire_of() - Return: bytes written to @out (65,535). */
size_t wire_of(const struct text *t, uint16_t id, uint8_t *out);

/**
 * text_of() - "RCODE flags", then records one to a line as "name ttl IN TYPE data", sections
 * begun by "--" lines, OPT as "OPT size [do] [ede N]". Static buffer.
 */
const char *text_of(const uint8_t *wire, size_t len);

/** policy_of() - @change: may alter the default configuration before it is taken; NULL: none.
 *  Prefix 64:ff9b::/96, upstreams 2001:db8::53 and 192.0.2.53. */
struct dns64_policy *policy_of(void (*change)(struct dns64_conf *c));

struct sent {
	bool tcp, tls, over;
	uint64_t at_ms;
	int socket;
	uint32_t ask;
	struct endpoint_conf to;
	uint8_t wire[512];
	size_t len;
};

/** struct world - @reply: the last one; @n_lost: replies with no bytes. */
struct world {
	struct resolver *r;
	struct resolver_io io;
	struct dns64_stats stats;
	struct sent sent[SENT_MAX];
	unsigned n_sent, n_replies, n_lost;
	uint8_t reply[DNS_MESSAGE_MAX];
	size_t reply_len;
	uint64_t now_ms;
	int send_result, tcp_result;
	struct hit_law law;
	struct in6_addr asked; /* our address that queries come to; ::, if to none */
};

struct world *world_new(void (*change)(struct dns64_conf *c));
void world_free(struct world *w);

/** ask() - one query from a client over UDP. */
void ask(struct world *w, const struct text *t);
void ask_from(struct world *w, const struct text *t, const char *client, size_t most);
void ask_wire(struct world *w, const uint8_t *wire, size_t len, const char *client);

/** ask_plain() - RD=1, no OPT. */
void ask_plain(struct world *w, const char *question);

/** answer() - the upstream of sent[@i] answers. @t->question NULL: the question that was asked. */
void answer(struct world *w, unsigned i, const struct text *t);
void answer_wire(struct world *w, unsigned i, const uint8_t *wire, size_t len);

/** sent_question() - "name TYPE" of sent[@i]. */
const char *sent_question(const struct world *w, unsigned i);

void wait_ms(struct world *w, uint64_t ms);

/** told() - the last reply as text; fails if there is not exactly @n of them. */
const char *told(struct world *w, unsigned n);
