/* made.h - answers that are written here from nothing: a header, the question, records. */
#pragma once
#include "dns64_internal.h"

enum { MADE_OWNER_IS_QNAME = 0xc000 | DNS_HEADER_LEN };

/** struct made - an answer under construction. @owner: of the next records: a pointer to a name in
 *  it; @ttl_s: theirs. */
struct made {
	uint8_t *out;
	size_t at;
	uint16_t owner;
	uint32_t ttl_s;
};

/** made__start() - AA set; @out: DNS_MESSAGE_MAX bytes, and it is for the caller to stay inside. */
struct made made__start(const struct dns_question *q, uint8_t *out, enum dns_rcode rcode);
void made__answer(struct made *m, uint16_t type, const uint8_t *rdata, size_t rdlen);

/** made__alias() - a CNAME; the records that follow are owned by @to. */
void made__alias(struct made *m, const struct dns_name *to);

/** made__soa() - into the authority section, last: a denial (RFC 2308 3). */
void made__soa(struct made *m, const struct dns_name *zone);
