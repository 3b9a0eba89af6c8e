/*
 * see.h - looking into a running server: what its cache holds, and why a question is answered as it
 * is. Called on the server's thread, as everything of dns64.h.
 */
#pragma once
#include "sixgate/dns64/dns64.h"
#include "sixgate/dns64/message.h"

enum {
	DNS64_SEEN_MAX = 100,	   /* answers shown at once */
	DNS64_SEEN_WALK = 1 << 16, /* of the cache: those that came last */
	DNS64_TOLD_LINES = 48,
	DNS64_TOLD_TEXT = 240,
	DNS64_TYPE_TEXT = 16,
	DNS64_NAME_TEXT = 1100, /* every octet of a name as \ddd */
};

/** struct dns64_seen - one answer in the cache. @uses: since it came; @left_s: of its time, negative
 *  where only its staleness is left; @len: bytes. */
struct dns64_seen {
	struct dns_question question;
	uint32_t uses, len;
	int32_t left_s;
	uint8_t rcode;
	bool dnssec_ok, checking_disabled;
};

/** struct dns64_cache_facts - @hits, @misses: questions, since the start. */
struct dns64_cache_facts {
	uint64_t bytes, limit, entries, hits, misses;
};

/**
 * dns64_cache_look() - the answers that are used most
 * @name: only those about this name; NULL: all
 * @max:  at most DNS64_SEEN_MAX
 *
 * Looks at no more than the DNS64_SEEN_WALK answers that came last. Return: how many in @out.
 */
size_t dns64_cache_look(struct dns64 *d, const struct dns_name *name, struct dns64_seen *out,
			size_t max);
void dns64_cache_state(const struct dns64 *d, struct dns64_cache_facts *out);

/** enum dns64_flush - everything; a name; a name and all below it. */
enum dns64_flush { DNS64_FLUSH_ALL, DNS64_FLUSH_NAME, DNS64_FLUSH_BELOW };

/** dns64_flush() - forget answers. @name: not looked at with DNS64_FLUSH_ALL. Return: how many. */
uint64_t dns64_flush(struct dns64 *d, enum dns64_flush what, const struct dns_name *name);

/**
 * struct dns64_told - the story of one question
 * @line:   what was decided and why, in the order of time
 * @cut:    there was more
 * @wire:   the answer as the client would get it, @len bytes; 0: none
 * @on_end: the answer is there, or the server has ended
 */
struct dns64_told {
	char line[DNS64_TOLD_LINES][DNS64_TOLD_TEXT];
	unsigned n;
	bool cut;
	uint64_t started_ms;
	void (*on_end)(struct dns64_told *t);
	size_t len;
	uint8_t wire[DNS_MESSAGE_MAX];
};

/** struct dns64_explain - @client: who would ask. */
struct dns64_explain {
	struct dns_question question;
	struct addr client;
};

/** dns64_explain() - ask @x of the server as a client would, over TCP; @t is lent until on_end(),
 *  which may be called before this returns. The cache and the counters move as by any query. */
void dns64_explain(struct dns64 *d, const struct dns64_explain *x, struct dns64_told *t);

/** dns64_type_text(), dns64_name_text() - as in a zone file. Return: @out. */
const char *dns64_type_text(uint16_t type, char out[DNS64_TYPE_TEXT]);
const char *dns64_name_text(const struct dns_name *name, char out[DNS64_NAME_TEXT]);

/** dns64_type_parse() - "AAAA", "TYPE28". Return: 0 or -EINVAL. */
int dns64_type_parse(const char *text, uint16_t *out);

/** dns64_answer_text() - every record of a message, as in a zone file; @section: "answer" and so on. */
void dns64_answer_text(const uint8_t *wire, size_t len,
		       void (*each)(void *ctx, const char *section, const char *text), void *ctx);
