/*
 * conf.h - the operator's choices about stateless translation, section `siit:`.
 *
 * Glossary: an *explicit address mapping* (EAM, RFC 7757) pairs an IPv4 prefix with an IPv6 prefix.
 * *CLAT* and *PLAT* are the customer's and the provider's translator of 464XLAT (RFC 6877).
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "sixgate/base/addr.h"
#include "sixgate/base/complaint.h"
#include "sixgate/base/err.h"

enum {
	SIIT_PREFIXES_MAX = 8,
	SIIT_EAM_MAX = 4096,
	SIIT_ICMP4_MAX = 64,     /* entries of icmp4-source */
	SIIT_CLAT_HOSTS_MAX = 16,
	SIIT_RESOLVERS_MAX = 4
};

/** enum siit_hairpin - RFC 7757 4. Intrinsic: what is for an explicitly mapped address turns round
 *  in here. Simple: it leaves as IPv4 and some router sends it back; IPv4 sources are then never
 *  looked up among the explicit mappings. */
enum siit_hairpin { SIIT_INTRINSIC, SIIT_SIMPLE };

/** struct eam_conf - one entry of `eam:`; @v6 has at least as many suffix bits as @v4 (3.2). */
struct eam_conf {
	struct prefix v4, v6;
};

/**
 * struct clat_conf - `clat:`, the customer side of 464XLAT
 * @plat:   where the IPv4 Internet is, as seen from here: an RFC 6052 prefix; length 0: it is learned
 *          (RFC 7050)
 * @resolver: who is asked for it, on port 53; with @plat none
 * @source: where our hosts are, as seen from there: an RFC 6052 prefix that their IPv4 addresses
 *          are written into, or one address (length 128) for a single host
 * @hosts:  IPv4 prefixes inside whose packets are taken; with one address for @source exactly one
 *          host
 */
struct clat_conf {
	struct prefix plat, source;
	struct prefix *hosts;
	size_t n_hosts;
	struct addr *resolver;
	size_t n_resolver;
};

/**
 * struct siit_conf - the whole section; arrays belong to the configuration's arena
 * @prefix: for addresses without an explicit mapping; the first is for IPv4 to IPv6, all are
 *          understood the other way
 * @icmp4_source: IPv4 sources of errors whose own cannot be mapped (RFC 6791)
 * @icmp6_source: the same to IPv6; zero: an address of ours
 */
struct siit_conf {
	struct prefix *prefix;
	size_t n_prefix;
	struct eam_conf *eam;
	size_t n_eam;
	struct prefix *icmp4_source;
	size_t n_icmp4_source;
	struct addr icmp6_source;
	bool allow_private; /* RFC 6052 3.1, as of nat64 */
	enum siit_hairpin hairpin;
	bool has_clat;
	struct clat_conf clat;
};

void siit_conf_default(struct siit_conf *c);
/** siit_conf_complain() - everything that is wrong, each with its member. */
void siit_conf_complain(const struct siit_conf *c, struct complaints *to);
/** siit_conf_check() - Return: 0 or -EINVAL with @e. */
int siit_conf_check(const struct siit_conf *c, struct err *e);

/** siit_conf_nested() - RFC 7757 5: entry @i of `eam:` lies within another's IPv4 or IPv6 prefix.
 *  That is allowed, the longest match wins, but the operator shall hear of it. Return: the number of
 *  the entry around it, or -1. */
int siit_conf_nested(const struct siit_conf *c, size_t i);
