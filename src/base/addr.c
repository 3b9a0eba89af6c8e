/* addr.c - text forms of addresses and prefixes, and the blocks that RFCs single out. */
#include "sixgate/base/addr.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include "sixgate/base/must.h"
#include "sixgate/base/wire.h"

struct addr addr_from_ip4_host(uint32_t host)
{
	uint8_t octets[4];

	store32(octets, host);
	return addr_from_v4(octets);
}

uint32_t addr_ip4_host(const struct addr *a)
{
	return load32(a->octet + 12);
}

int addr_compare(const struct addr *a, const struct addr *b)
{
	return memcmp(a->octet, b->octet, sizeof(a->octet));
}

int addr_parse(const char *text, struct addr *out)
{
	struct addr a;
	uint8_t v4[4];

	if (inet_pton(AF_INET, text, v4) == 1) {
		*out = addr_from_v4(v4);
		return 0;
	}
	if (inet_pton(AF_INET6, text, a.octet) != 1)
		return -EINVAL;
	*out = a;
	return 0;
}

const char *addr_format(const struct addr *a, char text[ADDR_TEXT_MAX])
{
	bool v4 = addr_is_v4(a);

	must(inet_ntop(v4 ? AF_INET : AF_INET6, a->octet + (v4 ? 12 : 0), text, ADDR_TEXT_MAX));
	return text;
}

/* Decimal digits only, no sign, no leading blank: strtoul would take all of these. */
static int parse_length(const char *text, unsigned max, unsigned *out)
{
	unsigned n = 0;

	if (!*text || strlen(text) > 3)
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		n = n * 10 + (unsigned)(*text - '0');
	}
	if (n > max)
		return -EINVAL;
	*out = n;
	return 0;
}

int prefix_parse(const char *text, struct prefix *out)
{
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	char head[ADDR_TEXT_MAX];
	struct addr a, masked;
	unsigned len, base;

	if (n >= sizeof(head))
		return -EINVAL;
	memcpy(head, text, n);
	head[n] = '\0';
	if (addr_parse(head, &a))
		return -EINVAL;
	base = addr_is_v4(&a) && !strchr(head, ':') ? 96 : 0;
	len = 128 - base;
	if (slash && parse_length(slash + 1, 128 - base, &len))
		return -EINVAL;
	len += base;
	masked = addr_mask(&a, len);
	if (!addr_equal(&masked, &a))
		return -EDOM;
	*out = (struct prefix){ .addr = a, .len = (uint8_t)len };
	return 0;
}

const char *prefix_format(const struct prefix *p, char text[PREFIX_TEXT_MAX])
{
	char addr[ADDR_TEXT_MAX];

	snprintf(text, PREFIX_TEXT_MAX, "%s/%d", addr_format(&p->addr, addr),
		 p->len - (prefix_is_v4(p) ? 96 : 0));
	return text;
}

struct addr addr_mask(const struct addr *a, unsigned len)
{
	struct addr out = *a;

	must(len <= 128);
	if (len < 64)
		out.word[0] &= len ? htobe64(~0ull << (64 - len)) : 0;
	if (len <= 64)
		out.word[1] = 0;
	else
		out.word[1] &= htobe64(~0ull << (128 - len));
	return out;
}

bool prefix_overlaps(const struct prefix *a, const struct prefix *b)
{
	return a->len <= b->len ? prefix_contains(a, &b->addr) : prefix_contains(b, &a->addr);
}

bool addr_is_multicast(const struct addr *a)
{
	return addr_is_v4(a) ? (a->octet[12] & 0xf0) == 0xe0 : a->octet[0] == 0xff;
}

/* IANA IPv4 special-purpose registry (RFC 6890, 8190), the rows that are not globally reachable,
 * with multicast and class E. */
static const struct {
	uint32_t net;
	uint8_t len;
} not_global[] = {
	{ 0x00000000, 8 },  /* this network */
	{ 0x0a000000, 8 },  /* RFC 1918 */
	{ 0x64400000, 10 }, /* shared, RFC 6598 */
	{ 0x7f000000, 8 },  /* loopback */
	{ 0xa9fe0000, 16 }, /* link-local */
	{ 0xac100000, 12 }, /* RFC 1918 */
	{ 0xc0000000, 24 }, /* IETF protocol assignments */
	{ 0xc0000200, 24 }, /* TEST-NET-1 */
	{ 0xc0586300, 24 }, /* deprecated 6to4 relay anycast */
	{ 0xc0a80000, 16 }, /* RFC 1918 */
	{ 0xc6120000, 15 }, /* benchmarking */
	{ 0xc6336400, 24 }, /* TEST-NET-2 */
	{ 0xcb007100, 24 }, /* TEST-NET-3 */
	{ 0xe0000000, 4 },  /* multicast */
	{ 0xf0000000, 4 },  /* reserved, limited broadcast */
};

bool addr_is_global_v4(const struct addr *a)
{
	uint32_t ip = addr_ip4_host(a);

	for (size_t i = 0; i < ARRAY_LEN(not_global); i++)
		if ((ip ^ not_global[i].net) >> (32 - not_global[i].len) == 0)
			return false;
	return true;
}
