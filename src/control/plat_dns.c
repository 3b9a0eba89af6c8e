/* plat_dns.c - the question for ipv4only.arpa and what its answer says (RFC 7050 3). Hostile bytes. */
#include <string.h>
#include "plat.h"
#include "sixgate/dns64/message.h"
#include "sixgate/siit/siit.h"

enum { NEGATIVE_TTL_S = 60 };

static struct dns_question question(void)
{
	struct dns_question q = { .type = DNS_TYPE_AAAA, .class = DNS_CLASS_IN };

	dns_name_parse("ipv4only.arpa", &q.name);
	return q;
}

size_t plat__question(uint16_t id, uint8_t *out)
{
	const struct dns_query q = { .question = question(), .id = id };

	return dns_query_write(&q, id, false, out);
}

static bool is_ours(const uint8_t *wire, size_t len, uint16_t id)
{
	struct dns_question asked = question(), got;
	uint16_t flags;

	if (len < DNS_HEADER_LEN || load16(wire) != id)
		return false;
	flags = load16(wire + 2);
	return flags & DNS_QR && !(flags & (DNS_OPCODE | DNS_TC)) &&
	       dns_question_read(wire, len, &got) && dns_question_equal(&asked, &got);
}

/* 3: of several prefixes any may be used; the first is. */
static void take_address(const uint8_t *wire, const struct dns_rr *rr, struct plat_reply *out)
{
	struct addr a;

	if (rr->section != DNS_ANSWER || rr->type != DNS_TYPE_AAAA || rr->class != DNS_CLASS_IN ||
	    rr->rdlen != sizeof(a.octet) || out->prefix.len)
		return;
	a = addr_from_v6(wire + rr->rdata_at);
	if (siit_plat_of(&a, &out->prefix))
		out->ttl_s = rr->ttl;
}

bool plat__read(const uint8_t *wire, size_t len, uint16_t id, struct plat_reply *out)
{
	struct dns_walk w;
	struct dns_rr rr;
	uint16_t rcode;

	*out = (struct plat_reply){ .ttl_s = NEGATIVE_TTL_S };
	if (!is_ours(wire, len, id))
		return false;
	rcode = load16(wire + 2) & DNS_RCODE;
	if (rcode != DNS_NOERROR && rcode != DNS_NXDOMAIN)
		return false; /* it does not know */
	dns_walk_start(&w, wire, len);
	while (dns_walk_next(&w, &rr))
		take_address(wire, &rr, out);
	return !w.failed;
}
