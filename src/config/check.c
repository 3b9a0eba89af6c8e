/*
 * check.c - what cannot work: the rooms' rules for their own sections, and the rules between
 * sections. Looks at values only, never at the host: that is netlink's.
 *
 * A complaint whose cause is a value that was refused already is left out: it would be gone with
 * that one.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "config_internal.h"
#include "sixgate/base/must.h"

/* Ports that Linux gives to the host's own connections unless told otherwise
 * (net.ipv4.ip_local_port_range). */
enum { EPHEMERAL_FIRST = 32768, EPHEMERAL_LAST = 60999 };

struct checker {
	struct complaints to; /* first */
	struct reader *reader;
};

/* Complaints under a key that may be the consequence of another key's value. */
static const struct {
	const char *key, *cause;
} causes[] = {
	{ "nat64.prefix", "prefix" },
	{ "nat64.static", "pool4" },
	{ "nat64.static", "prefix" },
	{ "egress6.prefixes", "prefixes" },
	{ "egress6.allow", "prefixes" },
	{ "dns64.prefix", "prefix" },
	{ "dns64.prefix", "nat64.prefix" },
	{ "dns64.upstream", "listen" },
	{ "dns64.require-nat64", "probe" },
	{ "dns64.require-nat64", "prefix" },
	{ "dns64.probe.timeout", "interval" },
	{ "dns64.router-advertisement.interface", "inside" },
	{ "dns64.router-advertisement.source", "default-router" },
	{ "dns64.router-advertisement.pref64", "default-router" },
	{ "dns64.router-advertisement.lifetime", "interval" },
	{ "dns64.router-advertisement.default-router", "interval" },
	{ "siit.prefix", "prefix" },
	{ "siit.prefix", "eam" },
	{ "siit.prefix", "clat" },
	{ "siit.eam.v6", "v4" },
	{ "siit.clat.hosts", "source" },
	{ "siit.clat.source", "plat-prefix" },
	{ "services.addresses", "nat64.prefix" },
	{ "services.embed-prefix", "nat64.prefix" },
	{ "services.nodes.address", "addresses" },
	{ "services.nodes.address", "embed-prefix" },
	{ "services.nodes.address", "source" },
	{ "services.nodes.address", "client-address" },
	{ "services.health.timeout", "interval" },
	{ "services.zones.prefer", "nodes[].zone" },
	{ "translation.tos", "copy-traffic-class" },
};

/* "nodes[].zone": this key in an entry of that list, or an entry that could not be read. */
static bool entry_is_bad(const struct tree *map, const char *cause)
{
	const char *of = strstr(cause, "[].");
	char list[32];
	const struct tree *found;

	snprintf(list, sizeof(list), "%.*s", (int)(of - cause), cause);
	found = tree__find(map, list);
	if (!found || found->bad)
		return found;
	for (const struct tree *one = found->first; one; one = one->next) {
		const struct tree *key = tree__find(one, of + 3);

		if (one->bad || (key && key->bad))
			return true;
	}
	return false;
}

/* The key may stand beside @t, further up, or in the section nat64: "nat64.prefix". */
static bool cause_is_bad(const struct tree *t, const char *cause)
{
	const struct tree *found = NULL;
	const char *dot = strchr(cause, '.');

	for (const struct tree *up = t; up && strstr(cause, "[]"); up = up->parent)
		if (up->kind == TREE_MAP && entry_is_bad(up, cause))
			return true;
	for (const struct tree *up = t; up && !found; up = up->parent) {
		if (up->kind != TREE_MAP || (dot && up->parent))
			continue;
		found = tree__find(up, dot ? "nat64" : cause);
		if (dot && found)
			found = found->kind == TREE_MAP ? tree__find(found, dot + 1) : NULL;
	}
	return found && found != t && (found->bad || found->bad_below);
}

static bool is_consequence(const struct tree *t, const char *key)
{
	for (size_t i = 0; i < ARRAY_LEN(causes); i++)
		if (!strcmp(causes[i].key, key) && cause_is_bad(t, causes[i].cause))
			return true;
	return false;
}

/* "services[0].nodes[2]" without its numbers. */
static void path_of_keys(const struct tree *t, char out[KEY_PATH_MAX])
{
	char path[KEY_PATH_MAX];
	size_t n = 0;
	bool number = false;

	if (t->parent)
		tree__path(t, path);
	else
		path[0] = '\0';
	for (const char *p = path; *p; p++) {
		number = *p == '[' || (number && *p != ']');
		if (!number && *p != ']')
			out[n++] = *p;
	}
	out[n] = '\0';
}

/* What of @key the file does not have at @t: "pool4" at `nat64:`; "" if it is there. */
static const char *absent_part(const struct tree *t, const char *key)
{
	char path[KEY_PATH_MAX];
	size_t n;

	path_of_keys(t, path);
	n = strlen(path);
	if (strncmp(key, path, n) != 0 || !key[n])
		return "";
	return key + n + (key[n] == '.');
}

static void say(struct complaints *to, const void *member, const char *key, const struct err *e)
{
	struct reader *r = ((struct checker *)to)->reader;
	struct tree *t = reader__tree_of(r, member);
	const char *absent = absent_part(t, key);

	if ((t->bad && t->parent) || (t->bad_below && !*absent) || is_consequence(t, key))
		return;
	if (*absent)
		problems__at(r->problems, t, "`%s` %s", absent, e->text);
	else
		problems__at(r->problems, t, "%s", e->text);
}

static bool same_name(const char *a, const char *b)
{
	return !strncmp(a, b, INTERFACE_NAME_MAX);
}

static bool is_among(const char *name, const char (*list)[INTERFACE_NAME_MAX], size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (same_name(name, list[i]))
			return true;
	return false;
}

static void check_names(const char (*list)[INTERFACE_NAME_MAX], size_t n, const char *key,
			struct complaints *to)
{
	for (size_t i = 1; i < n; i++)
		if (is_among(list[i], list, i))
			complain(to, list[i], key, "%s stands twice in the list", list[i]);
}

static void check_tun(const struct interfaces_conf *c, struct complaints *to)
{
	char outer[INTERFACE_NAME_MAX];

	snprintf(outer, sizeof(outer), "%so", c->tun);
	if (is_among(c->tun, c->inside, c->n_inside) ||
	    is_among(c->tun, c->outside, c->n_outside) ||
	    is_among(outer, c->inside, c->n_inside) ||
	    is_among(outer, c->outside, c->n_outside))
		complain(to, c->tun, "interfaces.tun",
			 "%s and %s are made by us: neither can be an inside or outside interface",
			 c->tun, outer);
}

static void check_interface_names(const struct interfaces_conf *i, struct complaints *to)
{
	check_names(i->inside, i->n_inside, "interfaces.inside", to);
	check_names(i->outside, i->n_outside, "interfaces.outside", to);
	check_tun(i, to);
}

static void check_interfaces(const struct config *c, struct complaints *to)
{
	const struct interfaces_conf *i = &c->interfaces;

	if (!i->n_inside)
		complain(to, i->inside, "interfaces.inside",
			 "is missing: the interfaces of the side we serve");
	if (!i->n_outside)
		complain(to, i->outside, "interfaces.outside",
			 "is missing: the interfaces towards the rest of the world");
	for (size_t k = 0; c->has_egress6 && k < i->n_outside; k++)
		if (is_among(i->outside[k], i->inside, i->n_inside))
			complain(to, i->outside[k], "interfaces.outside",
				 "%s is an inside interface too (one-armed): with egress6 nobody "
				 "could tell who comes from outside",
				 i->outside[k]);
}

static void check_ephemeral(const struct nat64_conf *c, struct complaints *to)
{
	uint32_t left = nat64_conf_ephemeral_left(c, EPHEMERAL_FIRST, EPHEMERAL_LAST);

	for (size_t i = 0; left < NAT64_HOST_PORTS_MIN && i < c->n_pool4; i++)
		if (c->pool4[i].outside) {
			complain(to, &c->pool4[i].port_first, "nat64.pool4",
				 "leaves the host itself %u of its ephemeral ports %d-%d; it needs "
				 "%d",
				 left, EPHEMERAL_FIRST, EPHEMERAL_LAST, NAT64_HOST_PORTS_MIN);
			return;
		}
}

static bool nat64_has_prefix(const struct nat64_conf *c, const struct prefix *p)
{
	for (size_t i = 0; i < c->n_prefix; i++)
		if (prefix_equal(&c->prefix[i], p))
			return true;
	return false;
}

static void check_dns64_prefixes(const struct config *c, const struct prefix *prefix, size_t n,
				 struct complaints *to)
{
	char text[PREFIX_TEXT_MAX];

	for (size_t i = 0; i < n; i++)
		if (!nat64_has_prefix(&c->nat64, &prefix[i]))
			complain(to, &prefix[i], "dns64.prefix",
				 "%s is no prefix of nat64: nobody would translate these addresses",
				 prefix_format(&prefix[i], text));
}

static bool has_service(const struct config *c, const char *name)
{
	for (size_t i = 0; c->has_services && i < c->services.n_service; i++)
		if (strcmp(c->services.service[i].name, name) == 0)
			return true;
	return false;
}

static void check_dns64_zones(const struct config *c, struct complaints *to)
{
	for (size_t i = 0; i < c->dns64.n_zone; i++) {
		const struct dns64_zone_conf *z = &c->dns64.zone[i];

		if (*z->service && !has_service(c, z->service))
			complain(to, z->service, "dns64.zones.service", "there is no service %s",
				 z->service);
	}
}

/* A range may also be under a prefix that siit translates. */
static void check_dns64_mapped(const struct config *c, const struct dns64_mapped_conf *mapped, size_t n,
			       struct complaints *to)
{
	char text[PREFIX_TEXT_MAX];

	for (size_t i = 0; i < n; i++) {
		bool known = !mapped[i].v6.len || nat64_has_prefix(&c->nat64, &mapped[i].v6);

		for (size_t k = 0; c->has_siit && k < c->siit.n_prefix; k++)
			known |= prefix_equal(&c->siit.prefix[k], &mapped[i].v6);
		if (!known)
			complain(to, &mapped[i].v6, "dns64.mapped.prefix",
				 "%s is no prefix of nat64: nobody would translate these addresses",
				 prefix_format(&mapped[i].v6, text));
	}
}

static void check_dns64_in_nat64(const struct config *c, struct complaints *to)
{
	check_dns64_prefixes(c, c->dns64.prefix, c->dns64.n_prefix, to);
	check_dns64_mapped(c, c->dns64.mapped, c->dns64.n_mapped, to);
	for (size_t i = 0; i < c->dns64.n_view; i++) {
		const struct dns64_view_conf *v = &c->dns64.view[i];

		check_dns64_prefixes(c, v->prefix, v->n_prefix, to);
		check_dns64_mapped(c, v->mapped, v->n_mapped, to);
	}
}

static void check_service_in_nat64(const struct nat64_conf *n, const struct service_conf *s,
				   struct complaints *to)
{
	for (size_t i = 0; i < s->n_address; i++) {
		if (addr_is_v4(&s->address[i]) && nat64_conf_pool4_has(n, &s->address[i]))
			complain(to, &s->address[i], "services.addresses",
				 "is in nat64.pool4: an address is either shared or a service's");
		for (size_t j = 0; j < n->n_prefix; j++)
			if (prefix_contains(&n->prefix[j], &s->address[i]))
				complain(to, &s->address[i], "services.addresses",
					 "is under a NAT64 prefix");
	}
	for (size_t i = 0; i < s->n_node; i++)
		if (addr_is_v4(&s->node[i].address) &&
		    nat64_conf_pool4_has(n, &s->node[i].address))
			complain(to, &s->node[i].address, "services.nodes.address",
				 "is in nat64.pool4: that is the gateway itself");
	if (addr_is_v4(&s->source_v4) && nat64_conf_pool4_has(n, &s->source_v4))
		complain(to, &s->source_v4, "services.source.v4",
			 "is in nat64.pool4: nat64 hands out its ports");
}

static void check_embed_in_nat64(const struct nat64_conf *n, const struct service_conf *s,
				 struct complaints *to)
{
	char text[PREFIX_TEXT_MAX];

	for (size_t i = 0; s->embed_prefix.len && i < n->n_prefix; i++)
		if (prefix_overlaps(&s->embed_prefix, &n->prefix[i]))
			complain(to, &s->embed_prefix, "services.embed-prefix",
				 "overlaps the NAT64 prefix %s: answers to clients would be taken "
				 "for new flows to IPv4",
				 prefix_format(&n->prefix[i], text));
}

/* ---- siit and the others ---- */

static bool pool4_meets(const struct nat64_conf *n, const struct prefix *v4)
{
	for (size_t i = 0; i < n->n_pool4; i++) {
		const struct pool4_conf *p = &n->pool4[i];

		if (!p->outside && (prefix_contains(v4, &p->first) || prefix_contains(v4, &p->last) ||
				    (addr_compare(&p->first, &v4->addr) <= 0 &&
				     addr_compare(&v4->addr, &p->last) <= 0)))
			return true;
	}
	return false;
}

static bool nat64_meets(const struct nat64_conf *n, const struct prefix *v6)
{
	for (size_t i = 0; i < n->n_prefix; i++)
		if (prefix_overlaps(&n->prefix[i], v6))
			return true;
	return false;
}

static void check_siit_and_nat64(const struct siit_conf *s, const struct nat64_conf *n,
				 struct complaints *to)
{
	for (size_t i = 0; i < s->n_prefix; i++)
		if (nat64_meets(n, &s->prefix[i]))
			complain(to, &s->prefix[i], "siit.prefix",
				 "overlaps a NAT64 prefix: an address under both would be "
				 "translated with and without state");
	for (size_t i = 0; i < s->n_eam; i++) {
		if (pool4_meets(n, &s->eam[i].v4))
			complain(to, &s->eam[i].v4, "siit.eam.v4",
				 "is in nat64.pool4: an address is either shared or a host's");
		if (nat64_meets(n, &s->eam[i].v6))
			complain(to, &s->eam[i].v6, "siit.eam.v6", "overlaps a NAT64 prefix");
	}
	if (s->has_clat && s->clat.plat.len && nat64_meets(n, &s->clat.plat))
		complain(to, &s->clat.plat, "siit.clat.plat-prefix",
			 "overlaps a NAT64 prefix of our own: the provider has another");
	if (s->has_clat && nat64_meets(n, &s->clat.source))
		complain(to, &s->clat.source, "siit.clat.source", "overlaps a NAT64 prefix");
}

/* @a is an address of a service, which the data plane would take for one that siit translates. */
static void check_siit_address(const struct siit_conf *s, const struct addr *a, const char *key,
			       struct complaints *to)
{
	static const struct addr none;

	if (addr_equal(a, &none))
		return;
	for (size_t i = 0; i < s->n_prefix; i++)
		if (prefix_contains(&s->prefix[i], a))
			complain(to, a, key, "is under siit.prefix");
	for (size_t i = 0; i < s->n_eam; i++)
		if (prefix_contains(&s->eam[i].v4, a) || prefix_contains(&s->eam[i].v6, a))
			complain(to, a, key, "is in siit.eam: an address is either a host's or a "
					     "service's");
	if (s->has_clat && prefix_contains(&s->clat.source, a))
		complain(to, a, key, "is in siit.clat.source");
}

static void check_siit_and_service(const struct siit_conf *s, const struct service_conf *v,
				   struct complaints *to)
{
	for (size_t i = 0; i < v->n_address; i++)
		check_siit_address(s, &v->address[i], "services.addresses", to);
	check_siit_address(s, &v->source_v4, "services.source.v4", to);
	check_siit_address(s, &v->source_v6, "services.source.v6", to);
	for (size_t i = 0; v->embed_prefix.len && i < s->n_prefix; i++)
		if (prefix_overlaps(&v->embed_prefix, &s->prefix[i]))
			complain(to, &v->embed_prefix, "services.embed-prefix",
				 "overlaps siit.prefix: answers to clients would be translated "
				 "without their flow");
	for (size_t i = 0; v->embed_prefix.len && i < s->n_eam; i++)
		if (prefix_overlaps(&v->embed_prefix, &s->eam[i].v6))
			complain(to, &v->embed_prefix, "services.embed-prefix", "overlaps siit.eam");
}

static void check_siit(const struct config *c, struct complaints *to)
{
	if (c->has_nat64)
		check_siit_and_nat64(&c->siit, &c->nat64, to);
	for (size_t i = 0; c->has_services && i < c->services.n_service; i++)
		check_siit_and_service(&c->siit, &c->services.service[i], to);
}

/* ---- dns64 and the others ---- */

static bool is_translated_here(const struct config *c, const struct prefix *p)
{
	for (size_t i = 0; c->has_siit && i < c->siit.n_prefix; i++)
		if (c->siit.prefix[i].len == p->len && addr_equal(&c->siit.prefix[i].addr, &p->addr))
			return true;
	return c->has_nat64 && nat64_has_prefix(&c->nat64, p);
}

/* Whether somebody else translates cannot be known without asking. */
static void check_required(const struct config *c, const struct prefix *prefix, size_t n,
			   struct complaints *to)
{
	char text[PREFIX_TEXT_MAX];

	for (size_t i = 0; i < n; i++)
		if (!is_translated_here(c, &prefix[i])) {
			complain(to, &c->dns64.require_nat64, "dns64.require-nat64",
				 "%s is not translated here: `probe` is needed, an IPv4 address that "
				 "answers through it",
				 prefix_format(&prefix[i], text));
			return;
		}
}

static void check_require_nat64(const struct config *c, struct complaints *to)
{
	const struct dns64_conf *d = &c->dns64;

	if (!d->require_nat64 || d->has_probe)
		return;
	check_required(c, d->prefix, d->n_prefix, to);
	for (size_t i = 0; i < d->n_view; i++)
		check_required(c, d->view[i].prefix, d->view[i].n_prefix, to);
}

static void check_ra_interfaces(const struct config *c, struct complaints *to)
{
	const struct dns64_ra_conf *ra = &c->dns64.ra;

	_Static_assert(sizeof(ra->interface[0]) == sizeof(c->interfaces.inside[0]), "one form of name");
	for (size_t i = 0; i < ra->n_interface; i++)
		if (!is_among(ra->interface[i], c->interfaces.inside, c->interfaces.n_inside))
			complain(to, ra->interface[i], "dns64.router-advertisement.interface",
				 "%s is no inside interface", ra->interface[i]);
	if (c->has_nat64)
		check_dns64_prefixes(c, ra->prefix, ra->n_prefix, to);
}

/* A file that came out empty, or was emptied before a reload, would take the guard's rules away.
 * The key "" is the file as a whole: not said where anything else in it is wrong. */
static bool has_job(const struct config *c, struct complaints *to)
{
	if (c->has_nat64 || c->has_siit || c->has_dns64 || c->has_egress6 || c->has_services)
		return true;
	complain(to, NULL, "",
		 "nothing to do: expected `interfaces` with inside and outside, and at least one "
		 "of nat64, siit, dns64, egress6 and services");
	return false;
}

/* Lines of both would be taken for those of one: both say when they begin and end. */
static void check_logs(const struct config *c, struct complaints *to)
{
	if (c->nat64.log && c->egress6.flow_log && strcmp(c->nat64.log_sink, "journal") != 0 &&
	    strcmp(c->nat64.log_sink, c->egress6.flow_log_sink) == 0)
		complain(to, c->egress6.flow_log_sink, "egress6.flow-log.sink",
			 "is that of nat64.log: give each a file or socket of its own");
}

static void check_between(const struct config *c, struct complaints *to)
{
	check_interface_names(&c->interfaces, to);
	if (has_job(c, to))
		check_interfaces(c, to);
	if (c->has_nat64)
		check_ephemeral(&c->nat64, to);
	if (c->has_nat64 && c->has_egress6)
		check_logs(c, to);
	if (c->has_siit)
		check_siit(c, to);
	if (c->has_dns64)
		check_dns64_zones(c, to);
	if (c->has_nat64 && c->has_dns64)
		check_dns64_in_nat64(c, to);
	if (c->has_dns64)
		check_require_nat64(c, to);
	if (c->has_dns64 && c->dns64.has_ra)
		check_ra_interfaces(c, to);
	for (size_t i = 0; c->has_nat64 && c->has_services && i < c->services.n_service; i++) {
		check_service_in_nat64(&c->nat64, &c->services.service[i], to);
		check_embed_in_nat64(&c->nat64, &c->services.service[i], to);
	}
}

void reader__check(struct reader *r, struct config *c)
{
	struct checker checker = { { say }, r };

	translation_conf_complain(&c->translation, &checker.to);
	if (c->has_nat64)
		nat64_conf_complain(&c->nat64, &checker.to);
	if (c->has_siit)
		siit_conf_complain(&c->siit, &checker.to);
	if (c->has_dns64)
		dns64_conf_complain(&c->dns64, &checker.to);
	if (c->has_egress6)
		egress6_conf_complain(&c->egress6, &checker.to);
	if (c->has_services)
		services_conf_complain(&c->services, &checker.to);
	check_between(c, &checker.to);
}
