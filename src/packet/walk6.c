/* walk6.c - the IPv6 extension header chain (RFC 8200 4), bounded. */
#include <netinet/in.h>
#include "sixgate/base/must.h"
#include "sixgate/packet/parse.h"

/* ESP, AH, Mobility and whatever is unknown end the chain: they are upper layers to a translator
 * (RFC 7915 5.1 skips these four only). */
static bool is_extension(uint8_t proto)
{
	return proto == IPPROTO_HOPOPTS || proto == IPPROTO_ROUTING || proto == IPPROTO_DSTOPTS ||
	       proto == IPPROTO_FRAGMENT;
}

/* One header other than Fragment. Return: its length in bytes, 0 if it is not in the packet or
 * not in its place. */
static uint32_t option_header(const uint8_t *ip, uint32_t len, uint32_t at, struct chain6 *c)
{
	uint32_t head;

	if (at + 8 > len || (c->proto == IPPROTO_HOPOPTS && at != 40))
		return 0;
	head = (ip[at + 1] + 1u) * 8;
	if (at + head > len)
		return 0;
	if (c->proto == IPPROTO_ROUTING && ip[at + 3] != 0 && !c->route_at)
		c->route_at = (uint16_t)(at + 3);
	c->proto = ip[at];
	return head;
}

/* RFC 7915 5.1.1: what follows a Fragment Header must not be another extension header. */
static bool fragment_header(const uint8_t *ip, uint32_t len, uint32_t at, struct chain6 *c)
{
	if (at + 8 > len)
		return false;
	c->frag_at = (uint16_t)at;
	c->l4_at = (uint16_t)(at + 8);
	c->proto = ip[at];
	return !is_extension(c->proto);
}

bool chain6_walk(const uint8_t *ip, uint32_t len, struct chain6 *c)
{
	uint32_t at = 40;

	*c = (struct chain6){ .proto = ip[6] };
	for (int n = 0; n <= EXTENSION_HEADERS_MAX; n++) {
		uint32_t head;

		c->l4_at = (uint16_t)at;
		if (!is_extension(c->proto))
			return true;
		if (n == EXTENSION_HEADERS_MAX)
			break;
		if (c->proto == IPPROTO_FRAGMENT)
			return fragment_header(ip, len, at, c);
		head = option_header(ip, len, at, c);
		if (!head)
			return false;
		at += head;
	}
	return false;
}
