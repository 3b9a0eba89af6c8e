/* zone_conf.c - rules of `dns64: zones:`. Which services there are, src/config knows. */
#include "zone_conf.h"
#include <stdlib.h>
#include <string.h>

static bool is_empty(const struct dns64_zone_conf *z)
{
	return !z->n_a && !z->n_aaaa && !z->n_txt && !z->cname && !z->ptr && !*z->service;
}

static void complain_of_addresses(const struct dns64_zone_conf *z, struct complaints *to)
{
	if (z->n_a > DNS64_ZONE_ADDRESSES_MAX || z->n_aaaa > DNS64_ZONE_ADDRESSES_MAX)
		complain(to, z, "dns64.zones", "expected at most %d addresses of each kind",
			 DNS64_ZONE_ADDRESSES_MAX);
	for (size_t i = 0; i < z->n_a; i++)
		if (!addr_is_v4(&z->a[i]) || addr_is_multicast(&z->a[i]))
			complain(to, &z->a[i], "dns64.zones.a",
				 "expected an IPv4 address of a host");
	for (size_t i = 0; i < z->n_aaaa; i++)
		if (addr_is_v4(&z->aaaa[i]) || addr_is_multicast(&z->aaaa[i]))
			complain(to, &z->aaaa[i], "dns64.zones.aaaa",
				 "expected an IPv6 address of a host");
}

static bool is_below(const char *name, const char *zone)
{
	size_t n = strlen(name), z = strlen(zone);

	return n > z && name[n - z - 1] == '.' && strcmp(name + n - z, zone) == 0;
}

static bool is_reverse(const char *name)
{
	return is_below(name, "in-addr.arpa.") || is_below(name, "ip6.arpa.");
}

static void complain_of_entry(const struct dns64_zone_conf *z, struct complaints *to)
{
	static const char discovery[] = "ipv4only.arpa.";
	bool records = z->n_a || z->n_aaaa || z->n_txt || z->ptr;

	if (!z->name || !dns64__is_domain(z->name))
		complain(to, z, "dns64.zones.name", "expected a domain name");
	else if (strcmp(z->name, discovery) == 0 || is_below(z->name, discovery))
		complain(to, z, "dns64.zones.name", "is answered here for each view's prefixes (RFC 8880)");
	if (z->cname && !dns64__is_domain(z->cname))
		complain(to, &z->cname, "dns64.zones.cname", "expected a domain name");
	if (z->ptr && !dns64__is_domain(z->ptr))
		complain(to, &z->ptr, "dns64.zones.ptr", "expected a domain name");
	if (z->ptr && z->name && !is_reverse(z->name))
		complain(to, &z->ptr, "dns64.zones.ptr",
			 "is for the name of an address, such as 9.2.0.192.in-addr.arpa or one below "
			 "ip6.arpa, not for %s",
			 z->name);
	if (is_empty(z))
		complain(to, z->service, "dns64.zones", "has neither a service nor a record");
	if (z->cname && (records || *z->service))
		complain(to, &z->cname, "dns64.zones.cname", "cannot stand beside other records");
	if (*z->service && (z->n_a || z->n_aaaa))
		complain(to, z->service, "dns64.zones.service",
			 "cannot stand beside addresses: they are the service's");
	if (z->n_txt > DNS64_ZONE_TEXTS_MAX)
		complain(to, z, "dns64.zones.txt", "expected at most %d texts",
			 DNS64_ZONE_TEXTS_MAX);
	complain_of_addresses(z, to);
}

static int by_name(const void *a, const void *b)
{
	const struct dns64_zone_conf *x = *(const struct dns64_zone_conf *const *)a;
	const struct dns64_zone_conf *y = *(const struct dns64_zone_conf *const *)b;

	return strcmp(x->name, y->name);
}

/* An alias may lead to another entry, but that one not on to a third. */
static void complain_of_chain(const struct dns64_zone_conf *z,
			      struct dns64_zone_conf *const *sorted, size_t n,
			      struct complaints *to)
{
	const struct dns64_zone_conf key = { .name = z->cname }, *at = &key;
	struct dns64_zone_conf *const *found = bsearch(&at, sorted, n, sizeof(*sorted), by_name);

	if (found && (*found)->cname)
		complain(to, &z->cname, "dns64.zones.cname",
			 "leads to another alias: say %s itself", (*found)->cname);
}

static void complain_between(const struct dns64_conf *c, struct complaints *to)
{
	struct dns64_zone_conf *sorted[DNS64_ZONES_MAX];
	size_t n = 0;

	for (size_t i = 0; i < c->n_zone; i++)
		if (c->zone[i].name)
			sorted[n++] = &c->zone[i];
	qsort(sorted, n, sizeof(sorted[0]), by_name);
	for (size_t i = 1; i < n; i++)
		if (strcmp(sorted[i]->name, sorted[i - 1]->name) == 0)
			complain(to, sorted[i] > sorted[i - 1] ? sorted[i] : sorted[i - 1],
				 "dns64.zones.name", "%s is there twice", sorted[i]->name);
	for (size_t i = 0; i < n; i++)
		if (sorted[i]->cname)
			complain_of_chain(sorted[i], sorted, n, to);
}

void zones__complain(const struct dns64_conf *c, struct complaints *to)
{
	if (c->n_zone > DNS64_ZONES_MAX) {
		complain(to, &c->zone, "dns64.zones", "expected at most %d entries",
			 DNS64_ZONES_MAX);
		return;
	}
	for (size_t i = 0; i < c->n_zone; i++)
		complain_of_entry(&c->zone[i], to);
	complain_between(c, to);
}
