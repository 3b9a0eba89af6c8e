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

/**
 * struct reply - what a client is told
 * @body:  NULL: no records, only @rcode
 * @rcode: for a reply without body; DNS_BADVERS and above need the client's OPT
 * @ede:   extended error to add, or DNS_EDE_NONE
 */
struct reply {
	const struct dns_view *body;
	int rcode, ede;
};

/**
 * dns64__reply_write() - the message for the client, with OPT if it sent one, cut to its size
 * @out: DNS_MESSAGE_MAX bytes
 *
 * Return: bytes to send. @truncated tells whether TC had to be set.
 */
size_t dns64__reply_write(const struct dns_query *q, const struct reply *r, size_t most,
			  uint8_t *out, bool *truncated);
