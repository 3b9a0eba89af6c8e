/* plat.c - the provider's NAT64 prefix, found in an address that it made (RFC 7050 3). */
#include "siit_internal.h"

static bool is_well_known4(const struct addr *v4)
{
	return addr_ip4_host(v4) == 0xc00000aa || addr_ip4_host(v4) == 0xc00000ab;
}

/* @aaaa is one of the two addresses under a prefix of @len bits, and nothing else. */
static bool fits(const struct addr *aaaa, uint8_t len, struct prefix *out)
{
	struct prefix p = { .addr = addr_mask(aaaa, len), .len = len };
	struct pool6 pool;
	struct addr v4, again;

	if (pool6_init(&pool, &p, NULL) || !rfc6052_extract(&pool, aaaa, &v4) || !is_well_known4(&v4))
		return false;
	again = rfc6052_embed(&pool, &v4);
	*out = p;
	return addr_equal(&again, aaaa);
}

bool siit_plat_of(const struct addr *aaaa, struct prefix *out)
{
	static const uint8_t lengths[] = { 32, 40, 48, 56, 64, 96 };
	struct prefix found;
	unsigned n = 0;

	for (size_t i = 0; i < ARRAY_LEN(lengths); i++)
		if (fits(aaaa, lengths[i], &found)) {
			*out = found;
			n++;
		}
	return n == 1;
}
