/* made.c - writes local answers, record by record. */
#include "made.h"
#include <string.h>
#include "sixgate/base/wire.h"

struct made made__start(const struct dns_question *q, uint8_t *out, enum dns_rcode rcode)
{
	size_t at = DNS_HEADER_LEN;

	memset(out, 0, DNS_HEADER_LEN);
	store16(out + 2, (uint16_t)(DNS_QR | DNS_AA | DNS_RA | rcode));
	store16(out + 4, 1);
	memcpy(out + at, q->name.octet, q->name.len);
	at += q->name.len;
	store16(out + at, q->type);
	store16(out + at + 2, q->class);
	return (struct made){
		.out = out, .at = at + 4, .owner = MADE_OWNER_IS_QNAME, .ttl_s = DNS64_LOCAL_TTL_S
	};
}

static void add_fixed(struct made *m, uint16_t type, size_t rdlen)
{
	store16(m->out + m->at, type);
	store16(m->out + m->at + 2, DNS_CLASS_IN);
	store32(m->out + m->at + 4, m->ttl_s);
	store16(m->out + m->at + 8, (uint16_t)rdlen);
	m->at += 10;
}

void made__answer(struct made *m, uint16_t type, const uint8_t *rdata, size_t rdlen)
{
	store16(m->out + m->at, m->owner);
	m->at += 2;
	add_fixed(m, type, rdlen);
	memcpy(m->out + m->at, rdata, rdlen);
	m->at += rdlen;
	store16(m->out + 6, (uint16_t)(load16(m->out + 6) + 1));
}

void made__alias(struct made *m, const struct dns_name *to)
{
	made__answer(m, DNS_TYPE_CNAME, to->octet, to->len);
	m->owner = (uint16_t)(0xc000 | (m->at - to->len));
}

void made__soa(struct made *m, const struct dns_name *zone)
{
	uint8_t numbers[20] = { [3] = 1,     [6] = 0x0e,  [7] = 0x10,  [10] = 0x04,
				[11] = 0xb0, [13] = 0x09, [14] = 0x3a, [15] = 0x80 };
	static const uint8_t mailbox[] = "\x06nobody\x07invalid";

	store32(numbers + 16, m->ttl_s);
	memcpy(m->out + m->at, zone->octet, zone->len);
	m->at += zone->len;
	add_fixed(m, DNS_TYPE_SOA, zone->len + sizeof(mailbox) + sizeof(numbers));
	memcpy(m->out + m->at, zone->octet, zone->len);
	m->at += zone->len;
	memcpy(m->out + m->at, mailbox, sizeof(mailbox));
	m->at += sizeof(mailbox);
	memcpy(m->out + m->at, numbers, sizeof(numbers));
	m->at += sizeof(numbers);
	store16(m->out + 8, 1);
}
