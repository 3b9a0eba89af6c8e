/* rfc7757.h - the explicit address mapping table of RFC 7757 3.2, and what its algorithms (3.3) make of
 * the addresses. */
#pragma once

static const struct {
	const char *v4, *v6;
} rfc7757_table[] = {
	{ "192.0.2.1", "2001:db8:aaaa::" },        { "192.0.2.2/32", "2001:db8:bbbb::b/128" },
	{ "192.0.2.16/28", "2001:db8:cccc::/124" }, { "192.0.2.128/26", "2001:db8:dddd::/64" },
	{ "192.0.2.192/29", "2001:db8:eeee:8::/62" }, { "192.0.2.224/31", "64:ff9b::/127" },
};

static const struct {
	const char *v4, *v6;
} rfc7757_address[] = {
	{ "192.0.2.1", "2001:db8:aaaa::" },
	{ "192.0.2.2", "2001:db8:bbbb::b" },
	{ "192.0.2.16", "2001:db8:cccc::" },
	{ "192.0.2.24", "2001:db8:cccc::8" },
	{ "192.0.2.31", "2001:db8:cccc::f" },
	{ "192.0.2.128", "2001:db8:dddd::" },
	{ "192.0.2.152", "2001:db8:dddd:0:6000::" },
	{ "192.0.2.183", "2001:db8:dddd:0:dc00::" },
	{ "192.0.2.191", "2001:db8:dddd:0:fc00::" },
	{ "192.0.2.193", "2001:db8:eeee:8:8000::" },
	{ "192.0.2.199", "2001:db8:eeee:b:8000::" },
	{ "192.0.2.225", "64:ff9b::1" },
};
