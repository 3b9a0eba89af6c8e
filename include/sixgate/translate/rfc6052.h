/* rfc6052.h - IPv4-embedded IPv6 addresses (RFC 6052). Pure: no state, no I/O. */
#pragma once
#include <stdbool.h>
#include "sixgate/base/addr.h"

/**
 * struct pool6 - a NAT64 prefix; RFC 6146 calls it Pref64::/n
 * @prefix: bits beyond @len are zero, and so is octet 8 (RFC 6052 2.2, "u")
 * @len:    32, 40, 48, 56, 64 or 96 bits. Nothing else.
 * @at:     where the four IPv4 octets stand in the 16
 *
 * Built by pool6_init() only: every other function trusts these invariants.
 */
struct pool6 {
	struct addr prefix;
	uint8_t len;
	uint8_t at[4];
};

/** pool6_init() - Return: 0; -EINVAL with @e set if @p is not an RFC 6052 prefix. @out is written
 *  only on success. */
int pool6_init(struct pool6 *out, const struct prefix *p, struct err *e);

/** pool6_is_well_known() - 64:ff9b::/96, which must not carry non-global IPv4 (RFC 6052 3.1). */
bool pool6_is_well_known(const struct pool6 *p);

/** rfc6052_embed() - @v4 must be IPv4. Suffix bits are zero (RFC 6052 2.2). Cannot fail. */
struct addr rfc6052_embed(const struct pool6 *p, const struct addr *v4);

/** rfc6052_extract() - true if @a is inside @p; @out is then the IPv4 address in it. Suffix bits
 *  are not looked at (RFC 6052 2.3). */
bool rfc6052_extract(const struct pool6 *p, const struct addr *a, struct addr *out);
