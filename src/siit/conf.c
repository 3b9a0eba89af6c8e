/* conf.c - defaults and rules of section `siit:` (RFC 6052, 6791, 6877, 7757). Looks at no other
 * section; compiles nothing. */
#include "sixgate/siit/conf.h"
#include "sixgate/base/must.h"
#include "sixgate/translate/rfc6052.h"

enum { ICMP4_PREFIX_MIN = 112 }; /* of icmp4-source: 65536 addresses an entry are enough */

void siit_conf_default(struct siit_conf *c)
{
	*c = (struct siit_conf){ .hairpin = SIIT_INTRINSIC };
}

static bool is_set(const struct addr *a)
{
	static const struct addr none;

	return !addr_equal(a, &none);
}

static bool hosts4(const struct prefix *p)
{
	uint32_t ip = prefix_is_v4(p) ? addr_ip4_host(&p->addr) : 0;

	return prefix_is_v4(p) && ip >> 24 != 127 && ip >> 28 < 0xe && (ip >> 24 != 0 || p->len == 96);
}

static bool hosts6(const struct prefix *p)
{
	static const struct prefix v4_mapped = { .addr.octet = { [10] = 0xff, [11] = 0xff }, .len = 96 };

	return !addr_is_multicast(&p->addr) && !addr_is_link_local6(&p->addr) && is_set(&p->addr) &&
	       !prefix_overlaps(p, &v4_mapped);
}

static void complain_of_prefixes(const struct siit_conf *c, struct complaints *to)
{
	struct pool6 pool;
	struct err e;

	if (!c->n_prefix && !c->n_eam && !c->has_clat)
		complain(to, &c->prefix, "siit.prefix",
			 "is missing: expected `prefix`, `eam` or `clat`, to say which addresses "
			 "are translated");
	if (c->n_prefix > SIIT_PREFIXES_MAX)
		complain(to, &c->prefix, "siit.prefix", "expected at most %d prefixes",
			 SIIT_PREFIXES_MAX);
	for (size_t i = 0; i < c->n_prefix && i < SIIT_PREFIXES_MAX; i++) {
		if (pool6_init(&pool, &c->prefix[i], &e))
			complain(to, &c->prefix[i], "siit.prefix", "%s", e.text);
		for (size_t j = 0; j < i; j++)
			if (prefix_overlaps(&c->prefix[i], &c->prefix[j]))
				complain(to, &c->prefix[i], "siit.prefix",
					 "overlaps the prefix number %zu of the list", j + 1);
	}
}

/* RFC 7757 3.2 */
static void complain_of_mapping(const struct eam_conf *m, struct complaints *to)
{
	if (!hosts4(&m->v4))
		complain(to, &m->v4, "siit.eam.v4", "expected IPv4 addresses that hosts can have");
	else if (!hosts6(&m->v6))
		complain(to, &m->v6, "siit.eam.v6", "expected IPv6 addresses that hosts can have");
	else if (m->v6.len > m->v4.len)
		complain(to, &m->v6, "siit.eam.v6",
			 "leaves %d bits for a suffix of %d in v4: expected a length of at most %d "
			 "(RFC 7757 3.2)",
			 128 - m->v6.len, 128 - m->v4.len, m->v4.len);
}

static void complain_of_twins(const struct siit_conf *c, size_t i, struct complaints *to)
{
	for (size_t j = 0; j < i; j++) {
		if (prefix_equal(&c->eam[i].v4, &c->eam[j].v4))
			complain(to, &c->eam[i].v4, "siit.eam.v4",
				 "is mapped twice: entry %zu has the same prefix", j + 1);
		if (prefix_equal(&c->eam[i].v6, &c->eam[j].v6))
			complain(to, &c->eam[i].v6, "siit.eam.v6",
				 "is mapped twice: entry %zu has the same prefix", j + 1);
	}
}

static void complain_of_eam(const struct siit_conf *c, struct complaints *to)
{
	if (c->n_eam > SIIT_EAM_MAX)
		complain(to, &c->eam, "siit.eam", "expected at most %d entries", SIIT_EAM_MAX);
	for (size_t i = 0; i < c->n_eam && i < SIIT_EAM_MAX; i++) {
		complain_of_mapping(&c->eam[i], to);
		complain_of_twins(c, i, to);
	}
}

static void complain_of_error_sources(const struct siit_conf *c, struct complaints *to)
{
	const struct prefix six = { .addr = c->icmp6_source, .len = 128 };

	if (c->n_icmp4_source > SIIT_ICMP4_MAX)
		complain(to, &c->icmp4_source, "siit.icmp4-source", "expected at most %d entries",
			 SIIT_ICMP4_MAX);
	for (size_t i = 0; i < c->n_icmp4_source && i < SIIT_ICMP4_MAX; i++)
		if (!hosts4(&c->icmp4_source[i]) || c->icmp4_source[i].len < ICMP4_PREFIX_MIN)
			complain(to, &c->icmp4_source[i], "siit.icmp4-source",
				 "expected IPv4 addresses, or prefixes of at least /%d",
				 ICMP4_PREFIX_MIN - 96);
	if (is_set(&c->icmp6_source) && (addr_is_v4(&c->icmp6_source) || !hosts6(&six)))
		complain(to, &c->icmp6_source, "siit.icmp6-source",
			 "expected an IPv6 address that a host can have");
}

static void complain_of_resolvers(const struct clat_conf *c, struct complaints *to)
{
	if (c->n_resolver > SIIT_RESOLVERS_MAX)
		complain(to, &c->resolver, "siit.clat.resolvers", "expected at most %d",
			 SIIT_RESOLVERS_MAX);
	for (size_t i = 0; i < c->n_resolver && i < SIIT_RESOLVERS_MAX; i++)
		if (!is_set(&c->resolver[i]) || addr_is_multicast(&c->resolver[i]) ||
		    addr_is_link_local6(&c->resolver[i]))
			complain(to, &c->resolver[i], "siit.clat.resolvers",
				 "expected the address of a host");
}

static void complain_of_clat_source(const struct clat_conf *c, struct complaints *to)
{
	struct pool6 pool;
	struct err e;

	if (!c->source.len || (c->source.len == 128 && !hosts6(&c->source)))
		complain(to, &c->source, "siit.clat.source",
			 "expected an IPv6 prefix, or the IPv6 address of a single host");
	else if (c->source.len != 128 && pool6_init(&pool, &c->source, &e))
		complain(to, &c->source, "siit.clat.source", "%s", e.text);
	else if (c->plat.len && prefix_overlaps(&c->source, &c->plat))
		complain(to, &c->source, "siit.clat.source", "overlaps plat-prefix");
	if (c->source.len == 128 && (c->n_hosts != 1 || c->hosts[0].len != 128))
		complain(to, &c->hosts, "siit.clat.hosts",
			 "expected one IPv4 address: `source` is a single one, too");
}

/* What comes from the PLAT has sources under its prefix, which must not look like spoofed ones. */
static void complain_of_clat_overlaps(const struct siit_conf *s, struct complaints *to)
{
	const struct clat_conf *c = &s->clat;

	if (!c->source.len)
		return;
	for (size_t i = 0; i < s->n_prefix && i < SIIT_PREFIXES_MAX; i++) {
		if (c->plat.len && prefix_overlaps(&s->prefix[i], &c->plat))
			complain(to, &c->plat, "siit.clat.plat-prefix", "overlaps siit.prefix");
		if (prefix_overlaps(&s->prefix[i], &c->source))
			complain(to, &c->source, "siit.clat.source", "overlaps siit.prefix");
	}
	for (size_t i = 0; i < s->n_eam && i < SIIT_EAM_MAX; i++)
		if ((c->plat.len && prefix_overlaps(&s->eam[i].v6, &c->plat)) ||
		    prefix_overlaps(&s->eam[i].v6, &c->source))
			complain(to, &s->eam[i].v6, "siit.eam.v6",
				 "overlaps the prefixes of siit.clat");
}

static void complain_of_clat(const struct clat_conf *c, struct complaints *to)
{
	struct pool6 pool;
	struct err e;

	if (c->plat.len && pool6_init(&pool, &c->plat, &e))
		complain(to, &c->plat, "siit.clat.plat-prefix", "%s", e.text);
	else if (!c->plat.len == !c->n_resolver)
		complain(to, &c->plat, "siit.clat.plat-prefix",
			 "expected either the provider's prefix, or `resolvers` to learn it from "
			 "(RFC 7050)");
	complain_of_resolvers(c, to);
	complain_of_clat_source(c, to);
	if (!c->n_hosts || c->n_hosts > SIIT_CLAT_HOSTS_MAX)
		complain(to, &c->hosts, "siit.clat.hosts", "expected 1 to %d IPv4 prefixes",
			 SIIT_CLAT_HOSTS_MAX);
	for (size_t i = 0; i < c->n_hosts && i < SIIT_CLAT_HOSTS_MAX; i++)
		if (!hosts4(&c->hosts[i]))
			complain(to, &c->hosts[i], "siit.clat.hosts",
				 "expected IPv4 addresses that hosts can have");
}

void siit_conf_complain(const struct siit_conf *c, struct complaints *to)
{
	complain_of_prefixes(c, to);
	complain_of_eam(c, to);
	complain_of_error_sources(c, to);
	if (c->has_clat) {
		complain_of_clat(&c->clat, to);
		complain_of_clat_overlaps(c, to);
	}
}

int siit_conf_check(const struct siit_conf *c, struct err *e)
{
	struct first_complaint first = first_complaint(e);

	siit_conf_complain(c, &first.to);
	return first.code;
}

int siit_conf_nested(const struct siit_conf *c, size_t i)
{
	for (size_t j = 0; j < c->n_eam; j++)
		if (j != i && ((c->eam[j].v4.len <= c->eam[i].v4.len &&
				prefix_contains(&c->eam[j].v4, &c->eam[i].v4.addr)) ||
			       (c->eam[j].v6.len <= c->eam[i].v6.len &&
				prefix_contains(&c->eam[j].v6, &c->eam[i].v6.addr))))
			return (int)j;
	return -1;
}
