/* local.c - names that are answered here and never asked upstream: ipv4only.arpa and the reverse
 * names of its two addresses (RFC 7050, RFC 8880); and the arithmetic of ip6.arpa names. */
#include <stdio.h>
#include <string.h>
#include "sixgate/base/must.h"
#include "sixgate/base/wire.h"
#include "made.h"

enum { REVERSE_LABELS = 32 }; /* RFC 3596 2.5: one label for each nibble */

static const struct dns_name ipv4only = { .len = 15, .octet = "\x08ipv4only\x04" "arpa" };
static const struct dns_name ip6_arpa = { .len = 10, .octet = "\x03ip6\x04" "arpa" };
static const struct dns_name well_known_reverse[2] = {
	{ .len = 26, .octet = "\003170\0010\0010\003192\007in-addr\004arpa" },
	{ .len = 26, .octet = "\003171\0010\0010\003192\007in-addr\004arpa" },
};
static const uint8_t well_known_v4[2][4] = { { 192, 0, 0, 170 }, { 192, 0, 0, 171 } };

/* RFC 7050 3 asks for every prefix in use. They are NAT64 prefixes by definition here, so the rule
 * about non-global IPv4 (RFC 6052 3.1) does not apply to these two addresses. */
static void add_prefixes(struct made *m, const struct dns64_policy *p)
{
	for (size_t i = 0; i < p->n_prefix && i < DNS64_RECORDS_MAX / 2; i++)
		for (size_t j = 0; j < ARRAY_LEN(well_known_v4); j++) {
			struct addr v4 = addr_from_v4(well_known_v4[j]);
			struct addr v6 = rfc6052_embed(&p->prefix[i], &v4);

			made__answer(m, DNS_TYPE_AAAA, v6.octet, sizeof(v6.octet));
		}
}

static size_t answer_ipv4only(const struct dns64_policy *p, const struct dns_question *q,
			      uint8_t *out)
{
	bool apex = q->name.len == ipv4only.len;
	struct made m = made__start(q, out, apex ? DNS_NOERROR : DNS_NXDOMAIN);

	if (apex && q->type == DNS_TYPE_A)
		for (size_t i = 0; i < ARRAY_LEN(well_known_v4); i++)
			made__answer(&m, DNS_TYPE_A, well_known_v4[i], 4);
	else if (apex && q->type == DNS_TYPE_AAAA && p->n_prefix)
		add_prefixes(&m, p);
	else
		made__soa(&m, &ipv4only);
	if (p->withheld)
		dns_cap_ttls(out, m.at, DNS64_WITHHELD_TTL_S);
	return m.at;
}

static size_t answer_reverse(const struct dns_name *zone, const struct dns_question *q,
			     uint8_t *out)
{
	bool apex = q->name.len == zone->len;
	struct made m = made__start(q, out, apex ? DNS_NOERROR : DNS_NXDOMAIN);

	if (apex && q->type == DNS_TYPE_PTR)
		made__answer(&m, DNS_TYPE_PTR, ipv4only.octet, ipv4only.len);
	else
		made__soa(&m, zone);
	return m.at;
}

size_t dns64_local(const struct dns64_policy *p, const struct dns_question *q, uint8_t *out)
{
	if (q->class != DNS_CLASS_IN)
		return 0;
	if (dns_name_is_under(&q->name, &ipv4only))
		return answer_ipv4only(p, q, out);
	for (size_t i = 0; i < ARRAY_LEN(well_known_reverse); i++)
		if (dns_name_is_under(&q->name, &well_known_reverse[i]))
			return answer_reverse(&well_known_reverse[i], q, out);
	return 0;
}

static int nibble(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 3596 2.5: least significant nibble first. */
static bool reverse_address(const struct dns_name *name, struct addr *out)
{
	*out = (struct addr){ 0 };
	if (name->len != REVERSE_LABELS * 2 + ip6_arpa.len || !dns_name_is_under(name, &ip6_arpa))
		return false;
	for (unsigned i = 0; i < REVERSE_LABELS; i++) {
		const uint8_t *label = name->octet + (size_t)2 * i;
		int v = nibble(label[1]);

		if (label[0] != 1 || v < 0)
			return false;
		out->octet[15 - i / 2] |= (uint8_t)(v << (i % 2 * 4));
	}
	return true;
}

/* The IPv4 address in @v6, if it is one that these clients are shown. */
static bool carried_by(const struct dns64_policy *p, const struct addr *v6, struct addr *v4)
{
	for (size_t i = 0; i < p->n_prefix; i++)
		if (rfc6052_extract(&p->prefix[i], v6, v4))
			return true;
	for (size_t i = 0; i < p->n_mapped && p->n_prefix; i++)
		if (!p->mapped[i].hidden && rfc6052_extract(&p->mapped[i].to, v6, v4) &&
		    prefix_contains(&p->mapped[i].v4, v4))
			return true;
	return false;
}

bool dns64_reverse_target(const struct dns64_policy *p, const struct dns_name *name,
			  struct dns_name *target)
{
	struct addr v6, v4;
	const uint8_t *o = v4.octet + 12;
	char text[64];

	if (!reverse_address(name, &v6) || !carried_by(p, &v6, &v4))
		return false;
	snprintf(text, sizeof(text), "%u.%u.%u.%u.in-addr.arpa.", o[3], o[2], o[1], o[0]);
	must(dns_name_parse(text, target) == 0);
	return true;
}
