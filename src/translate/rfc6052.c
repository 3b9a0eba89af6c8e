/* rfc6052.c - IPv4-embedded IPv6 addresses: the drawing in RFC 6052 2.2 as a table. */
#include "sixgate/translate/rfc6052.h"
#include <errno.h>
#include "sixgate/base/must.h"

/* Where the four IPv4 octets stand, per prefix length; octet 8 ("u") never appears. */
static const struct {
	uint8_t len, at[4];
} layout[] = {
	{ 32, { 4, 5, 6, 7 } },   { 40, { 5, 6, 7, 9 } },    { 48, { 6, 7, 9, 10 } },
	{ 56, { 7, 9, 10, 11 } }, { 64, { 9, 10, 11, 12 } }, { 96, { 12, 13, 14, 15 } },
};

static const uint8_t *octets_at(unsigned len)
{
	for (size_t i = 0; i < ARRAY_LEN(layout); i++)
		if (layout[i].len == len)
			return layout[i].at;
	return NULL;
}

/* RFC 4291 2.4, 2.5: multicast and link-local never leave a link; in 0000::/16 are loopback and IPv4's
 * own forms, which no router carries. */
static bool is_routed(const struct addr *a)
{
	const uint8_t *o = a->octet;

	return o[0] != 0xff && !(o[0] == 0xfe && (o[1] & 0xc0) == 0x80) && (o[0] || o[1]);
}

int pool6_init(struct pool6 *out, const struct prefix *p, struct err *e)
{
	const uint8_t *at = octets_at(p->len);
	struct addr masked = addr_mask(&p->addr, p->len);
	char text[PREFIX_TEXT_MAX];

	if (prefix_is_v4(p))
		return err_set(e, -EINVAL,
			       "::ffff:%s/%u: IPv4-mapped addresses are never on the wire (RFC 4291 "
			       "2.5.5.2)",
			       addr_format(&p->addr, text), p->len);
	if (!at)
		return err_set(e, -EINVAL,
			       "%s: the length must be 32, 40, 48, 56, 64 or 96 (RFC 6052 2.2)",
			       prefix_format(p, text));
	if (!addr_equal(&masked, &p->addr))
		return err_set(e, -EINVAL, "%s has bits set beyond its length",
			       prefix_format(p, text));
	if (!is_routed(&p->addr))
		return err_set(e, -EINVAL, "%s: expected a prefix of unicast addresses that are routed",
			       prefix_format(p, text));
	if (p->addr.octet[8] != 0)
		return err_set(e, -EINVAL, "%s: bits 64 to 71 must be zero (RFC 6052 2.2)",
			       prefix_format(p, text));
	*out = (struct pool6){ .prefix = p->addr, .len = p->len };
	memcpy(out->at, at, sizeof(out->at));
	return 0;
}

bool pool6_is_well_known(const struct pool6 *p)
{
	static const struct addr well_known = { .octet = { 0x00, 0x64, 0xff, 0x9b } };

	return p->len == 96 && addr_equal(&p->prefix, &well_known);
}

struct addr rfc6052_embed(const struct pool6 *p, const struct addr *v4)
{
	struct addr out = p->prefix;

	for (int i = 0; i < 4; i++)
		out.octet[p->at[i]] = v4->octet[12 + i];
	return out;
}

bool rfc6052_extract(const struct pool6 *p, const struct addr *a, struct addr *out)
{
	uint8_t v4[4];

	if (!addr_agree(a, &p->prefix, p->len))
		return false;
	for (int i = 0; i < 4; i++)
		v4[i] = a->octet[p->at[i]];
	*out = addr_from_v4(v4);
	return true;
}
