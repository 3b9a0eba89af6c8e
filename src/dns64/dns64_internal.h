/* dns64_internal.h - what the files of this room share about messages. The query engine's own
 * types are in resolver.h, those of the sockets in io.h. */
#pragma once
#include "sixgate/dns64/synth.h"

/** dns64__chain_end() - where the CNAMEs of @view's answer lead from its question's name. */
void dns64__chain_end(const struct dns_view *view, struct dns_name *end);

/** dns64__excluded() - true if the AAAA record with these octets counts as absent. */
bool dns64__excluded(const struct dns64_policy *p, const uint8_t octets[16]);

/** dns64__addresses() - what @v4 becomes: at most DNS64_PREFIXES_MAX addresses to @out, none where
 *  it is not to be shown: non-global IPv4 under the well-known prefix (RFC 6052 3.1), or as
 *  `mapped` says. Return: how many. */
size_t dns64__addresses(const struct dns64_policy *p, const struct addr *v4, struct addr *out);

/** dns64__ttl() - of record number @record of @v, which has a known shape: aged, or stale. */
uint32_t dns64__ttl(const struct dns_view *v, unsigned record);

/** dns64__put_ttls() - those of records @from to before @to, at their places in @out. */
void dns64__put_ttls(const struct dns_view *v, unsigned from, unsigned to, uint8_t *out);

/** struct room - @most: octets that may be written to @out. */
struct room {
	uint8_t *out;
	size_t most;
};

/** dns64__graft() - what dns64_synthesize() does, where @a's shape says is_a, to the end of the
 * answer section; the header speaks of no other. Return: octets; 0 if no A record may be carried,
 * more than @room->most if they do not fit: then @room->out is undefined. */
size_t dns64__graft(const struct dns64_policy *p, const struct dns_view *a, uint32_t ttl_max,
		    const struct room *room);

/** dns64__graft_more() - the records behind the answer section of @a, before number @end, to @at,
 * where dns64__graft() has ended. Return: octets. */
size_t dns64__graft_more(const struct dns_view *a, unsigned end, uint8_t *out, size_t at);

/** dns64__fitting() - RFC 2181 9: what is not needed goes without a word. Return: how many of the
 *  records of @a go to a client of @q, whose answer section ends at @answer_end of @most octets,
 * the others as far behind it as in @a; UINT_MAX if what is needed does not fit. */
unsigned dns64__fitting(const struct dns_query *q, const struct dns_view *a, size_t answer_end,
			size_t most);

/**
 * struct reply - what a client is told
 * @body:  NULL: no records, only @rcode
 * @rcode: for a reply without body; DNS_BADVERS and above need the client's OPT
 * @ede:   extended error to add, or DNS_EDE_NONE
 * @ordered: the order of its records says something
 */
struct reply {
	const struct dns_view *body;
	int rcode, ede;
	bool ordered;
};

/**
 * dns64__reply_write() - the message for the client, with OPT if it sent one, cut to its size
 * @out: DNS_MESSAGE_MAX bytes
 *
 * Return: bytes to send. @truncated tells whether TC had to be set.
 */
size_t dns64__reply_write(const struct dns_query *q, const struct reply *r, size_t most,
			  uint8_t *out, bool *truncated);

/** dns64__put_flags() - id and flags of the reply to @q in @out's header, whose AA and AD count. */
void dns64__put_flags(const struct dns_query *q, unsigned rcode, uint8_t *out);

/** dns64__put_opt() - our OPT behind the @at octets in @out. Return: octets with it. */
size_t dns64__put_opt(const struct dns_query *q, unsigned rcode, int ede, uint8_t *out, size_t at);
enum {
	DNS64_OPT_MAX = 17, /* without a cookie */
	DNS64_OPT_COOKIE = 4 + DNS_COOKIE_LEN,
};

/** dns64__turn() - the addresses in the answer section of @out, without OPT, begin with another one from
 *  query to query. */
void dns64__turn(const struct dns_query *q, uint8_t *out, size_t len);
