/* conf.c - defaults and rules of section `dns64:` (RFC 6147). Looks at no other section. */
#include "sixgate/dns64/conf.h"
#include <string.h>
#include "sixgate/base/must.h"
#include "sixgate/translate/rfc6052.h"

enum { DNS_PORT = 53, LABEL_MAX = 63, DOMAIN_MAX = 254 };

/* Shared by everybody who has written nothing else; nobody writes to them. */
static struct endpoint_conf anywhere[] = { { .port = DNS_PORT } };
static struct prefix every_v4[] = { { .addr = { .octet = { [10] = 0xff, [11] = 0xff } }, .len = 96 } };

void dns64_conf_default(struct dns64_conf *c)
{
	*c = (struct dns64_conf){
		.listen = anywhere,
		.n_listen = ARRAY_LEN(anywhere),
		.exclude = every_v4,
		.n_exclude = ARRAY_LEN(every_v4),
		.parallel = true,
		.synthesize_on_error = true,
		.cache_bytes = (uint64_t)64 << 20,
		.stale_s = 86400,
		.client_timeout_ms = 1500,
	};
}

static bool is_unspecified(const struct addr *a)
{
	static const struct addr any6;
	static const struct addr any4 = { .octet = { [10] = 0xff, [11] = 0xff } };

	return addr_equal(a, &any6) || addr_equal(a, &any4);
}

static void complain_of_listen(const struct dns64_conf *c, struct complaints *to)
{
	if (!c->n_listen || c->n_listen > DNS64_LISTEN_MAX)
		complain(to, &c->listen, "dns64.listen", "expected 1 to %d addresses, found %zu",
			 DNS64_LISTEN_MAX, c->n_listen);
	for (size_t i = 0; i < c->n_listen && i < DNS64_LISTEN_MAX; i++) {
		const struct endpoint_conf *l = &c->listen[i];

		if (addr_is_multicast(&l->address) || !l->port)
			complain(to, l, "dns64.listen", "expected a unicast address and a port");
		for (size_t j = 0; j < i; j++)
			if (addr_equal(&l->address, &c->listen[j].address) &&
			    l->port == c->listen[j].port)
				complain(to, l, "dns64.listen", "stands twice in the list");
	}
}

static void complain_of_upstream(const struct dns64_conf *c, struct complaints *to)
{
	if (!c->n_upstream)
		complain(to, &c->upstream, "dns64.upstream",
			 "is missing: the addresses of one or more resolvers");
	if (c->n_upstream > DNS64_UPSTREAM_MAX)
		complain(to, &c->upstream, "dns64.upstream", "expected at most %d addresses",
			 DNS64_UPSTREAM_MAX);
	for (size_t i = 0; i < c->n_upstream && i < DNS64_UPSTREAM_MAX; i++) {
		const struct endpoint_conf *u = &c->upstream[i];

		if (addr_is_multicast(&u->address) || is_unspecified(&u->address) || !u->port)
			complain(to, u, "dns64.upstream", "expected the address of a resolver");
		for (size_t j = 0; j < c->n_listen && j < DNS64_LISTEN_MAX; j++)
			if (addr_equal(&u->address, &c->listen[j].address) &&
			    u->port == c->listen[j].port)
				complain(to, u, "dns64.upstream",
					 "is an address of dns64.listen: it would ask itself");
	}
}

static void complain_of_prefixes(const struct dns64_conf *c, struct complaints *to)
{
	if (!c->n_prefix)
		complain(to, &c->prefix, "dns64.prefix",
			 "is missing: there is no section `nat64` to take it from");
	if (c->n_prefix > DNS64_PREFIXES_MAX)
		complain(to, &c->prefix, "dns64.prefix", "expected at most %d prefixes",
			 DNS64_PREFIXES_MAX);
	for (size_t i = 0; i < c->n_prefix && i < DNS64_PREFIXES_MAX; i++) {
		struct pool6 pool6;
		struct err e;

		if (pool6_init(&pool6, &c->prefix[i], &e))
			complain(to, &c->prefix[i], "dns64.prefix", "%s", e.text);
		for (size_t j = 0; j < i; j++)
			if (prefix_overlaps(&c->prefix[i], &c->prefix[j]))
				complain(to, &c->prefix[i], "dns64.prefix",
					 "overlaps the prefix number %zu of the list", j + 1);
	}
	if (c->n_exclude > DNS64_EXCLUDE_MAX)
		complain(to, &c->exclude, "dns64.exclude", "expected at most %d prefixes",
			 DNS64_EXCLUDE_MAX);
}

/* RFC 1035 2.3.4 in text form; host names and the underscores of service names. */
static bool is_domain(const char *name)
{
	size_t n = strlen(name), label = 0;

	if (!n || n > DOMAIN_MAX || name[n - 1] != '.')
		return false;
	for (const char *p = name; *p; p++) {
		bool letter = (*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') || *p == '-' ||
			      *p == '_';

		if (*p == '.' ? !label : !letter || ++label > LABEL_MAX)
			return false;
		if (*p == '.')
			label = 0;
	}
	return true;
}

void dns64_conf_complain(const struct dns64_conf *c, struct complaints *to)
{
	complain_of_listen(c, to);
	complain_of_upstream(c, to);
	complain_of_prefixes(c, to);
	if (c->n_never > DNS64_NEVER_MAX)
		complain(to, &c->never, "dns64.never", "expected at most %d domains",
			 DNS64_NEVER_MAX);
	for (size_t i = 0; i < c->n_never && i < DNS64_NEVER_MAX; i++)
		if (!c->never[i] || !is_domain(c->never[i]))
			complain(to, &c->never[i], "dns64.never",
				 "expected a domain name of letters, digits, hyphens and dots");
	if (c->cache_bytes < DNS64_CACHE_MIN_BYTES || c->cache_bytes > DNS64_CACHE_MAX_BYTES)
		complain(to, &c->cache_bytes, "dns64.cache.size", "expected 1m to 64g bytes");
	if (c->stale_s > DNS64_STALE_MAX_S)
		complain(to, &c->stale_s, "dns64.cache.serve-stale", "expected at most 7d");
	if (c->client_timeout_ms < DNS64_CLIENT_TIMEOUT_MIN_MS ||
	    c->client_timeout_ms > DNS64_CLIENT_TIMEOUT_MAX_MS)
		complain(to, &c->client_timeout_ms, "dns64.client-timeout",
			 "expected 100ms to 4s");
}

int dns64_conf_check(const struct dns64_conf *c, struct err *e)
{
	struct first_complaint first = first_complaint(e);

	dns64_conf_complain(c, &first.to);
	return first.code;
}
