/*
 * plan.c - from the configuration and the facts to rules, routes and proxies. Pure: reads nothing
 * but its arguments.
 *
 * The file is read once into a list of claims, each a block of addresses that has to reach us and
 * a role; the role says which table leads it to which device.
 */
#include "netlink_internal.h"
#include <errno.h>
#include <linux/fib_rules.h>
#include <net/if_arp.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include "sixgate/base/must.h"
#include "sixgate/translate/rfc6052.h"

enum role {
	ROLE_NAT64,
	ROLE_POOL,
	ROLE_VIP,
	ROLE_SOURCE,
	ROLE_EMBED,
	ROLE_ALIAS,
	ROLE_PROBE,
	ROLE_SIIT,  /* its prefixes: what is not a network inside stands for IPv4 */
	ROLE_EAM4,
	ROLE_EAM6,  /* mappings of hosts that are not inside */
	ROLE_HOST4, /* the IPv4 of inside networks under a prefix; sources of errors */
	ROLE_CLAT,
	N_ROLES
};

enum way { WAY_NONE, WAY_INSIDE, WAY_OUTSIDE }; /* the device at the end of a route */

/* What each table does with each role. A NAT64 prefix as a destination outside is led to us so that
 * it is dropped and counted; kernel-made errors about packets of ours come from the host. */
static const struct {
	const char *key; /* in the configuration file */
	enum way from_inside, from_outside, from_host;
	bool proxied;       /* we answer for its addresses on their own links */
	bool not_one_armed; /* one interface: this is for the outside */
} roles[N_ROLES] = {
	[ROLE_NAT64] = { "nat64.prefix", WAY_INSIDE, WAY_OUTSIDE, WAY_INSIDE, false, false },
	[ROLE_POOL] = { "nat64.pool4", WAY_INSIDE, WAY_OUTSIDE, WAY_OUTSIDE, true, true },
	[ROLE_VIP] = { "services.addresses", WAY_INSIDE, WAY_OUTSIDE, WAY_INSIDE, true, true },
	[ROLE_SOURCE] = { "services.source", WAY_INSIDE, WAY_OUTSIDE, WAY_INSIDE, true, false },
	[ROLE_EMBED] = { "services.embed-prefix", WAY_INSIDE, WAY_OUTSIDE, WAY_INSIDE, true, false },
	[ROLE_ALIAS] = { "", WAY_NONE, WAY_OUTSIDE, WAY_OUTSIDE, false, true },
	[ROLE_PROBE] = { "", WAY_NONE, WAY_NONE, WAY_INSIDE, false, false },
	[ROLE_SIIT] = { "", WAY_INSIDE, WAY_OUTSIDE, WAY_INSIDE, false, false },
	[ROLE_EAM4] = { "siit.eam", WAY_INSIDE, WAY_OUTSIDE, WAY_OUTSIDE, true, true },
	[ROLE_EAM6] = { "", WAY_INSIDE, WAY_NONE, WAY_INSIDE, false, false },
	[ROLE_HOST4] = { "", WAY_NONE, WAY_OUTSIDE, WAY_OUTSIDE, false, true },
	[ROLE_CLAT] = { "siit.clat.source", WAY_INSIDE, WAY_OUTSIDE, WAY_OUTSIDE, true, true },
};

struct building {
	const struct netlink_input *in;
	struct netlink_plan *p;
	bool one_armed;
	size_t n_proxies;
};

static const struct prefix any4 = { .addr.octet = { [10] = 0xff, [11] = 0xff }, .len = 96 };
static const struct prefix any6;

static uint8_t family_of(const struct prefix *p)
{
	return prefix_is_v4(p) ? AF_INET : AF_INET6;
}

static struct prefix host_prefix(const struct addr *a)
{
	return (struct prefix){ .addr = *a, .len = 128 };
}

static bool is_zero(const struct addr *a)
{
	static const struct addr zero;

	return addr_equal(a, &zero);
}

static void add_route(struct building *b, uint32_t table, const struct prefix *to, enum way way)
{
	struct netlink_object o = {
		.kind = NETLINK_KIND_ROUTE,
		.family = family_of(to),
		.type = RTN_UNICAST,
		.table = table,
		.prefix = *to,
	};

	if (way == WAY_NONE)
		return;
	o.ifindex = b->p->device[way == WAY_OUTSIDE].ifindex;
	if (o.ifindex) /* without the device there is nowhere to lead it to, yet */
		object__add(&b->p->objects, &o);
}

static void add_throw(struct building *b, uint32_t table, const struct prefix *to)
{
	struct netlink_object o = {
		.kind = NETLINK_KIND_ROUTE,
		.family = family_of(to),
		.type = RTN_THROW,
		.table = table,
		.prefix = *to,
	};

	object__add(&b->p->objects, &o);
}

static void add_rule(struct building *b, uint32_t preference, const char *iif, uint32_t table)
{
	struct netlink_object o = { .kind = NETLINK_KIND_RULE, .preference = preference };

	if (table == NETLINK_RULE_END) {
		o.type = FR_ACT_GOTO;
		o.target = table;
	} else if (table) {
		o.type = FR_ACT_TO_TBL;
		o.table = table;
	} else {
		o.type = FR_ACT_NOP;
	}
	snprintf(o.iif, sizeof(o.iif), "%s", iif);
	o.family = AF_INET;
	o.prefix = any4;
	object__add(&b->p->objects, &o);
	o.family = AF_INET6;
	o.prefix = any6;
	object__add(&b->p->objects, &o);
}

/* ---- conflicts: what is ours cannot be an address of the host ---- */

static void note_conflict(struct building *b, const char *key, const struct netlink_local *l)
{
	char text[ADDR_TEXT_MAX];

	if (b->p->conflict[0])
		return;
	snprintf(b->p->conflict, sizeof(b->p->conflict),
		 "%s: %s is an address of this host, on interface %s: remove it there (ip addr del "
		 "%s/%d dev %s)%s",
		 key, addr_format(&l->addr, text), l->interface, text,
		 l->on_link.len - (addr_is_v4(&l->addr) ? 96 : 0), l->interface,
		 strcmp(key, roles[ROLE_POOL].key) == 0 ? ", or share it: pool4: outside" : "");
}

static bool on_our_device(const struct building *b, const struct netlink_local *l)
{
	return l->ifindex == b->p->device[0].ifindex || l->ifindex == b->p->device[1].ifindex;
}

static void check_local(struct building *b, enum role role, const struct prefix *claim)
{
	const struct netlink_facts *f = b->in->facts;

	for (size_t i = 0; i < f->n_local; i++)
		if (prefix_contains(claim, &f->local[i].addr) && !on_our_device(b, &f->local[i]))
			note_conflict(b, roles[role].key, &f->local[i]);
}

/* ---- proxies: what is on a link there is answered for by us ---- */

static struct addr next_addr(const struct addr *a)
{
	struct addr out = *a;

	for (int i = 15; i >= 0 && ++out.octet[i] == 0; i--)
		;
	return out;
}

/* First and last address of an IPv4 link are the network's own (RFC 919), unless it is a /31. */
static bool usable_on_link(const struct prefix *link, const struct addr *a)
{
	uint32_t host, mask;

	if (!prefix_is_v4(link) || link->len >= 127)
		return true;
	mask = 0xffffffffu >> (link->len - 96);
	host = addr_ip4_host(a) & mask;
	return host != 0 && host != mask;
}

static void too_many_proxies(struct building *b, enum role role, const struct prefix *claim,
			     const char *interface)
{
	char text[PREFIX_TEXT_MAX];

	if (b->p->conflict[0])
		return;
	snprintf(b->p->conflict, sizeof(b->p->conflict),
		 "%s: %s is on the link of interface %s, too much to answer for address by address "
		 "(at most %d in all): have it routed to this host, or take another",
		 roles[role].key, prefix_format(claim, text), interface, NETLINK_PROXIES_MAX);
}

static void add_proxies_on(struct building *b, enum role role, const struct prefix *claim,
			   const struct netlink_local *l)
{
	struct prefix part = claim->len >= l->on_link.len ? *claim : l->on_link;
	struct netlink_object o = {
		.kind = NETLINK_KIND_PROXY,
		.family = family_of(claim),
		.ifindex = l->ifindex,
		.prefix = host_prefix(&part.addr),
	};
	uint32_t n = 1;

	if (part.len < 128 - 12 || b->n_proxies + (1u << (128 - part.len)) > NETLINK_PROXIES_MAX) {
		too_many_proxies(b, role, claim, l->interface);
		return;
	}
	for (n <<= 128 - part.len; n > 0; n--) {
		if (usable_on_link(&l->on_link, &o.prefix.addr)) {
			object__add(&b->p->objects, &o);
			b->n_proxies++;
		}
		o.prefix.addr = next_addr(&o.prefix.addr);
	}
}

static const struct netlink_interface *data_interface(const struct netlink_facts *f, int ifindex)
{
	for (size_t i = 0; i < f->n_interface; i++)
		if (f->interface[i].present && f->interface[i].ifindex == ifindex)
			return &f->interface[i];
	return NULL;
}

static void add_proxies(struct building *b, enum role role, const struct prefix *claim)
{
	const struct netlink_facts *f = b->in->facts;

	for (size_t i = 0; i < f->n_local; i++) {
		const struct netlink_local *l = &f->local[i];
		const struct netlink_interface *on = data_interface(f, l->ifindex);

		if (!on || on->type != ARPHRD_ETHER || prefix_is_v4(&l->on_link) != prefix_is_v4(claim))
			continue;
		if (prefix_overlaps(&l->on_link, claim))
			add_proxies_on(b, role, claim, l);
	}
}

/* ---- claims ---- */

static void claim(struct building *b, enum role role, const struct prefix *p)
{
	if (!b->one_armed || !roles[role].not_one_armed)
		add_route(b, NETLINK_TABLE_INSIDE, p, roles[role].from_inside);
	add_route(b, NETLINK_TABLE_OUTSIDE, p, roles[role].from_outside);
	add_route(b, NETLINK_TABLE_HOST, p, roles[role].from_host);
	if (roles[role].key[0])
		check_local(b, role, p);
	if (roles[role].proxied)
		add_proxies(b, role, p);
}

static void claim_addr(struct building *b, enum role role, const struct addr *a)
{
	struct prefix p = host_prefix(a);

	if (!is_zero(a))
		claim(b, role, &p);
}

/* A range of IPv4 addresses as the fewest prefixes. */
static void claim_range(struct building *b, const struct addr *first, const struct addr *last)
{
	uint64_t at = addr_ip4_host(first), end = addr_ip4_host(last);

	while (at <= end) {
		unsigned bits = 0;
		struct prefix p;

		while (bits < 32 && (at & ((2ull << bits) - 1)) == 0 && at + (2ull << bits) - 1 <= end)
			bits++;
		p.addr = addr_from_ip4_host((uint32_t)at);
		p.len = (uint8_t)(128 - bits);
		claim(b, ROLE_POOL, &p);
		at += 1ull << bits;
	}
}

static void claim_nat64(struct building *b)
{
	const struct nat64_conf *c = &b->in->conf->nat64;
	const struct prefix alias = host_prefix(&b->in->facts->shared_alias);

	for (size_t i = 0; i < c->n_prefix; i++)
		claim(b, ROLE_NAT64, &c->prefix[i]);
	for (size_t i = 0; i < c->n_pool4; i++) {
		if (c->pool4[i].outside)
			claim(b, ROLE_ALIAS, &alias);
		else
			claim_range(b, &c->pool4[i].first, &c->pool4[i].last);
	}
}

/* Replies of @n's service reach us whomever they are for. */
static void add_node_rules(struct building *b, const struct service_conf *s,
			   const struct node_conf *n)
{
	const struct netlink_facts *f = b->in->facts;
	struct netlink_object o = {
		.kind = NETLINK_KIND_RULE,
		.preference = NETLINK_RULE_NODES,
		.type = FR_ACT_TO_TBL,
		.ipproto = s->protocol,
		.sport = n->port ? n->port : s->port,
		.prefix = host_prefix(&n->address),
	};

	o.family = family_of(&o.prefix);
	for (size_t i = 0; i < f->n_interface; i++) {
		o.table = f->interface[i].inside ? NETLINK_TABLE_NODES_INSIDE
						 : NETLINK_TABLE_NODES_OUTSIDE;
		memcpy(o.iif, f->interface[i].name, sizeof(o.iif));
		object__add(&b->p->objects, &o);
	}
}

static void claim_service(struct building *b, const struct service_conf *s)
{
	for (size_t i = 0; i < s->n_address; i++)
		claim_addr(b, ROLE_VIP, &s->address[i]);
	claim_addr(b, ROLE_SOURCE, &s->source_v4);
	claim_addr(b, ROLE_SOURCE, &s->source_v6);
	if (s->embed_prefix.len)
		claim(b, ROLE_EMBED, &s->embed_prefix);
	for (size_t i = 0; i < s->n_node; i++)
		add_node_rules(b, s, &s->node[i]);
}

static void claim_services(struct building *b)
{
	const struct services_conf *c = &b->in->conf->services;

	for (size_t i = 0; i < c->n_service; i++)
		claim_service(b, &c->service[i]);
	add_route(b, NETLINK_TABLE_NODES_INSIDE, &any4, WAY_INSIDE);
	add_route(b, NETLINK_TABLE_NODES_INSIDE, &any6, WAY_INSIDE);
	add_route(b, NETLINK_TABLE_NODES_OUTSIDE, &any4, WAY_OUTSIDE);
	add_route(b, NETLINK_TABLE_NODES_OUTSIDE, &any6, WAY_OUTSIDE);
	if (b->in->probe)
		claim(b, ROLE_PROBE, b->in->probe);
}

static void add_device_address(struct building *b, enum netlink_device device, const struct addr *a)
{
	struct netlink_object o = { .kind = NETLINK_KIND_ADDRESS };

	o.ifindex = b->p->device[device].ifindex;
	o.prefix = host_prefix(a);
	o.family = family_of(&o.prefix);
	if (o.ifindex)
		object__add(&b->p->objects, &o);
}

/*
 * The loose reverse path check is a strict one on a device that has no IPv4 address at all. Ours get
 * the dummy address of RFC 7600, with a scope that keeps it from being chosen as a source.
 */
static void add_device_addresses(struct building *b)
{
	const struct addr dummy = addr_from_ip4_host(0xc0000008);

	add_device_address(b, NETLINK_DEVICE_INSIDE, &dummy);
	add_device_address(b, NETLINK_DEVICE_OUTSIDE, &dummy);
	if (b->in->probe_client)
		add_device_address(b, NETLINK_DEVICE_INSIDE, b->in->probe_client);
}

/* ---- siit ---- */

static bool within(const struct prefix *in, const struct prefix *p)
{
	return in->len <= p->len && prefix_contains(in, &p->addr);
}

/* How many leading bits of the IPv4 addresses that are written under @pool are the same for all
 * addresses of @p. */
static unsigned common_bits4(const struct pool6 *pool, const struct prefix *p)
{
	unsigned bits = 0;

	for (unsigned i = 0; i < 32; i++) {
		if (pool->at[i / 8] * 8u + i % 8 >= p->len)
			break;
		bits = i + 1;
	}
	return bits;
}

/* The network @p inside has addresses that can be translated (RFC 6052 1.3): it is reached as IPv4,
 * and what is for itself is no business of ours. */
static void claim_translatable(struct building *b, const struct pool6 *pool, const struct prefix *p)
{
	struct prefix v4 = { .len = (uint8_t)(96 + common_bits4(pool, p)) };

	add_throw(b, NETLINK_TABLE_INSIDE, p);
	add_throw(b, NETLINK_TABLE_OUTSIDE, p);
	add_throw(b, NETLINK_TABLE_HOST, p);
	if (v4.len < 96 + 8 || !rfc6052_extract(pool, &p->addr, &v4.addr))
		return;
	v4.addr = addr_mask(&v4.addr, v4.len);
	claim(b, ROLE_HOST4, &v4);
}

static bool is_inside_network(const struct building *b, const struct prefix *p)
{
	const struct netlink_facts *f = b->in->facts;

	for (size_t i = 0; i < f->n_inside; i++)
		if (f->inside[i].prefix.len == p->len && within(p, &f->inside[i].prefix))
			return true;
	return false;
}

/* A network inside that is a whole prefix: any IPv4 address may be one of its hosts'. What one of
 * them sends through this router it did not find on its own link; the router itself finds all
 * there. */
static void claim_whole_prefix(struct building *b, const struct prefix *prefix)
{
	add_route(b, NETLINK_TABLE_INSIDE, prefix, WAY_INSIDE);
	add_route(b, NETLINK_TABLE_OUTSIDE, prefix, WAY_OUTSIDE);
	if (!b->one_armed)
		add_route(b, NETLINK_TABLE_OUTSIDE, &any4, WAY_OUTSIDE);
}

static void claim_siit_prefix(struct building *b, const struct prefix *prefix)
{
	const struct netlink_facts *f = b->in->facts;
	struct pool6 pool;

	if (is_inside_network(b, prefix)) {
		claim_whole_prefix(b, prefix);
		return;
	}
	claim(b, ROLE_SIIT, prefix);
	for (size_t i = 0; pool6_init(&pool, prefix, NULL) == 0 && i < f->n_inside; i++)
		if (within(prefix, &f->inside[i].prefix))
			claim_translatable(b, &pool, &f->inside[i].prefix);
}

static void claim_mapping(struct building *b, const struct eam_conf *m)
{
	const struct netlink_facts *f = b->in->facts;
	bool inside = false;

	claim(b, ROLE_EAM4, &m->v4);
	for (size_t i = 0; i < f->n_inside; i++) {
		inside |= within(&f->inside[i].prefix, &m->v6);
		if (within(&m->v6, &f->inside[i].prefix)) {
			add_throw(b, NETLINK_TABLE_INSIDE, &f->inside[i].prefix);
			add_throw(b, NETLINK_TABLE_HOST, &f->inside[i].prefix);
		}
	}
	if (!inside)
		claim(b, ROLE_EAM6, &m->v6);
}

/* The reverse path check, too, looks for the way back with a rule for lo. */
static void add_clat_rules(struct building *b, const struct prefix *hosts)
{
	const struct netlink_facts *f = b->in->facts;
	struct netlink_object o = { .kind = NETLINK_KIND_RULE,
				    .family = AF_INET,
				    .preference = NETLINK_RULE_CLAT,
				    .type = FR_ACT_TO_TBL,
				    .table = NETLINK_TABLE_CLAT,
				    .iif = "lo",
				    .prefix = *hosts };

	object__add(&b->p->objects, &o);
	for (size_t i = 0; i < f->n_interface; i++) {
		if (!f->interface[i].inside)
			continue;
		memcpy(o.iif, f->interface[i].name, sizeof(o.iif));
		object__add(&b->p->objects, &o);
	}
}

static void claim_clat(struct building *b, const struct clat_conf *c)
{
	static const struct prefix multicast4 = { .addr.octet = { [10] = 0xff, 0xff, 0xe0 }, .len = 100 };
	const struct netlink_facts *f = b->in->facts;

	claim(b, ROLE_CLAT, &c->source);
	for (size_t i = 0; i < c->n_hosts; i++)
		add_clat_rules(b, &c->hosts[i]);
	add_route(b, NETLINK_TABLE_CLAT, &any4, WAY_INSIDE);
	add_throw(b, NETLINK_TABLE_CLAT, &multicast4);
	for (size_t i = 0; i < f->n_inside; i++)
		if (prefix_is_v4(&f->inside[i].prefix))
			add_throw(b, NETLINK_TABLE_CLAT, &f->inside[i].prefix);
	for (size_t i = 0; i < f->n_route; i++)
		if (prefix_is_v4(&f->route[i].prefix) && !f->route[i].outside)
			add_throw(b, NETLINK_TABLE_CLAT, &f->route[i].prefix);
}

static void claim_siit(struct building *b)
{
	const struct siit_conf *c = &b->in->conf->siit;

	for (size_t i = 0; i < c->n_prefix; i++)
		claim_siit_prefix(b, &c->prefix[i]);
	for (size_t i = 0; i < c->n_eam; i++)
		claim_mapping(b, &c->eam[i]);
	for (size_t i = 0; i < c->n_icmp4_source; i++)
		claim(b, ROLE_HOST4, &c->icmp4_source[i]);
	if (c->has_clat)
		claim_clat(b, &c->clat);
}

/* ---- egress6 ---- */

static void lead_egress6_prefix(struct building *b, const struct prefix *p)
{
	add_route(b, NETLINK_TABLE_OUTSIDE, p, WAY_OUTSIDE);
	add_throw(b, NETLINK_TABLE_INSIDE, p);
}

/*
 * All IPv6 from inside comes to us but what stays inside: whatever table main would not send out by
 * an outside interface is left to it.
 */
static void lead_egress6(struct building *b)
{
	static const struct prefix link_local = { .addr.octet = { 0xfe, 0x80 }, .len = 10 };
	static const struct prefix multicast = { .addr.octet = { 0xff }, .len = 8 };
	const struct egress6_conf *c = &b->in->conf->egress6;
	const struct netlink_facts *f = b->in->facts;

	add_route(b, NETLINK_TABLE_INSIDE, &any6, WAY_INSIDE);
	add_throw(b, NETLINK_TABLE_INSIDE, &link_local);
	add_throw(b, NETLINK_TABLE_INSIDE, &multicast);
	for (size_t i = 0; !c->follow_inside && i < c->n_prefix; i++)
		lead_egress6_prefix(b, &c->prefix[i]);
	for (size_t i = 0; c->follow_inside && i < f->n_inside; i++)
		if (!f->inside[i].local && !prefix_is_v4(&f->inside[i].prefix))
			lead_egress6_prefix(b, &f->inside[i].prefix);
	for (size_t i = 0; i < f->n_route; i++) {
		const struct netlink_route_fact *r = &f->route[i];

		if (prefix_is_v4(&r->prefix))
			continue;
		if (r->outside)
			add_route(b, NETLINK_TABLE_INSIDE, &r->prefix, WAY_INSIDE);
		else
			add_throw(b, NETLINK_TABLE_INSIDE, &r->prefix);
	}
}

static bool same_destination(const struct netlink_object *a, const struct netlink_object *b)
{
	return a->kind == NETLINK_KIND_ROUTE && b->kind == NETLINK_KIND_ROUTE && a->family == b->family &&
	       a->table == b->table && a->prefix.len == b->prefix.len &&
	       addr_equal(&a->prefix.addr, &b->prefix.addr);
}

/* One prefix, one route: what is led to us wins over a throw, which sorts behind it. */
static void settle_routes(struct netlink_objects *list)
{
	size_t n = 0;

	objects__sort(list);
	for (size_t i = 0; i < list->n; i++)
		if (n == 0 || !same_destination(&list->at[n - 1], &list->at[i]))
			list->at[n++] = list->at[i];
	list->n = n;
}

/* ---- the whole ---- */

static void add_rules(struct building *b)
{
	const struct netlink_facts *f = b->in->facts;

	for (size_t i = 0; i < N_NETLINK_DEVICES; i++)
		add_rule(b, NETLINK_RULE_OURS, b->p->device[i].name, NETLINK_RULE_END);
	for (size_t i = 0; i < f->n_interface; i++) {
		if (f->interface[i].inside)
			add_rule(b, NETLINK_RULE_INSIDE, f->interface[i].name, NETLINK_TABLE_INSIDE);
		if (f->interface[i].outside)
			add_rule(b, NETLINK_RULE_OUTSIDE, f->interface[i].name,
				 NETLINK_TABLE_OUTSIDE);
	}
	add_rule(b, NETLINK_RULE_HOST, "lo", NETLINK_TABLE_HOST);
	add_rule(b, NETLINK_RULE_END, "", 0);
}

static void copy_facts(struct building *b)
{
	const struct netlink_facts *f = b->in->facts;

	for (size_t i = 0; i < N_NETLINK_DEVICES; i++) {
		const struct netlink_interface *d = &f->device[i];

		memcpy(b->p->device[i].name, d->name, sizeof(d->name));
		b->p->device[i].ifindex = d->present ? d->ifindex : 0;
		b->p->device[i].ready = d->up && d->mtu == 65535 && d->group == NETLINK_DEVICE_GROUP;
	}
	for (size_t i = 0; i < f->n_interface; i++) {
		const struct netlink_interface *d = &f->interface[i];

		b->one_armed |= d->inside && d->outside;
		if (!d->present || d->type != ARPHRD_ETHER)
			continue;
		b->p->link[b->p->n_link].ifindex = d->ifindex;
		b->p->link[b->p->n_link].up = d->up;
		memcpy(b->p->link[b->p->n_link++].mac, d->mac, sizeof(d->mac));
	}
	b->p->manage = b->in->conf->interfaces.manage;
	b->p->main_rule[0] = f->main_rule[0];
	b->p->main_rule[1] = f->main_rule[1];
}

int netlink_plan_build(const struct netlink_input *in, struct netlink_plan *out, struct err *e)
{
	struct netlink_plan p = { 0 };
	struct building b = { .in = in, .p = &p };

	copy_facts(&b);
	add_rules(&b);
	if (in->conf->has_nat64)
		claim_nat64(&b);
	if (in->conf->has_siit)
		claim_siit(&b);
	if (in->conf->has_services)
		claim_services(&b);
	if (in->conf->has_egress6)
		lead_egress6(&b);
	add_device_addresses(&b);
	settle_routes(&p.objects);
	if (!p.manage)
		p.objects.n = 0;
	plan__shared(in, &p);
	plan__reassembly(in, &p);
	plan__sysctls(in, &p);
	if (p.objects.failed || p.sysctls.failed) {
		netlink_plan_free(&p);
		return err_set(e, -ENOMEM, "out of memory");
	}
	*out = p;
	return 0;
}

void netlink_plan_free(struct netlink_plan *p)
{
	free(p->objects.at);
	free(p->sysctls.at);
	*p = (struct netlink_plan){ 0 };
}
