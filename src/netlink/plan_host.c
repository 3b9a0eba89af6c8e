/* plan_host.c - the parts of the plan that change the host itself: sysctls and the shared address.
 * Pure, as plan.c. */
#include "netlink_internal.h"
#include <netinet/in.h>
#include <stdio.h>
#include "sixgate/base/must.h"
#include "sixgate/base/wire.h"

static bool shares_address(const struct config *c)
{
	for (size_t i = 0; c->has_nat64 && i < c->nat64.n_pool4; i++)
		if (c->nat64.pool4[i].outside)
			return true;
	return false;
}

/* ---- shared address ---- */

/* What leaves by an interface gets its first IPv4 address there. */
static void share_on(const struct netlink_facts *f, const struct netlink_interface *on,
		     struct netlink_shared *s)
{
	for (size_t i = 0; i < f->n_local; i++) {
		const struct netlink_local *l = &f->local[i];

		if (l->ifindex != on->ifindex || !addr_is_v4(&l->addr) || l->secondary ||
		    load16(l->addr.octet + 12) == 0xa9fe)
			continue;
		memcpy(s->interface[s->n_interface], on->name, sizeof(on->name));
		s->real[s->n_interface++] = l->addr;
		return;
	}
}

static void add_echo_entries(const struct nat64_conf *c, struct netlink_shared *s)
{
	for (size_t i = 0; i < c->n_static && s->n_echo < ARRAY_LEN(s->echo); i++) {
		const struct static_conf *entry = &c->static_entry[i];
		bool ours = false;

		/* Its outside address is the alias or one of the real ones: both mean us. */
		if (entry->protocol != NAT64_ICMP)
			continue;
		ours = addr_equal(&entry->outside, &s->alias);
		for (size_t k = 0; k < s->n_interface; k++)
			ours |= addr_equal(&entry->outside, &s->real[k]);
		if (ours)
			s->echo[s->n_echo++] = entry->outside_port;
	}
}

void plan__shared(const struct netlink_input *in, struct netlink_plan *p)
{
	const struct nat64_conf *c = &in->conf->nat64;
	const struct netlink_facts *f = in->facts;
	struct netlink_shared *s = &p->shared;

	if (!shares_address(in->conf) || !f->has_shared)
		return;
	s->on = true;
	s->alias = f->shared_alias;
	for (size_t i = 0; i < f->n_interface && s->n_interface < INTERFACES_MAX; i++)
		if (f->interface[i].present && f->interface[i].outside)
			share_on(f, &f->interface[i], s);
	for (size_t i = 0; i < c->n_pool4 && s->n_range < ARRAY_LEN(s->range); i++)
		if (c->pool4[i].outside)
			s->range[s->n_range++] = (struct netlink_range){
				.first = c->pool4[i].port_first,
				.last = c->pool4[i].port_last,
				.protocols = c->pool4[i].protocols,
			};
	add_echo_entries(c, s);
}

/* Nodes are told by their port; TCP does not fragment. */
static bool has_datagram_nodes(const struct services_conf *c)
{
	for (size_t i = 0; i < c->n_service; i++)
		if (c->service[i].protocol == IPPROTO_UDP && c->service[i].n_node)
			return true;
	return false;
}

void plan__reassembly(const struct netlink_input *in, struct netlink_plan *p)
{
	p->reassemble = p->shared.on ||
			(p->manage && in->conf->has_services && has_datagram_nodes(&in->conf->services));
}

/* ---- sysctls ---- */

static void optional(struct netlink_sysctl *s)
{
	if (s)
		s->optional = true;
}

static void soft(struct netlink_sysctl *s)
{
	optional(s);
	if (s)
		s->soft = true;
}

/* What we write has sources that are reached by other interfaces: no reverse path check where the kernel
 * lets us do without, else (it takes the larger one of this value and `all`'s) a loose one. */
static void want_device(const struct netlink_facts *f, struct netlink_sysctls *list, const char *name)
{
	optional(sysctl__want(list, "0", "net/ipv6/conf/%s/disable_ipv6", name));
	soft(sysctl__want(list, "0", "net/ipv6/conf/%s/accept_ra", name));
	sysctl__want(list, f->reverse_path ? "2" : "0", "net/ipv4/conf/%s/rp_filter", name);
	sysctl__want(list, "1", "net/ipv4/conf/%s/forwarding", name);
}

/* siit has no pool whose address its errors could come from: they come from the interface's own,
 * as those of any router do, and the kernel has to believe it. Others are spared the question, which takes
 * two look-ups of routes for every packet (5 % of its cost). */
static void want_own_source(const struct netlink_input *in, struct netlink_sysctls *list,
			    const char *name)
{
	struct netlink_sysctl *s = sysctl__want(list, "1", "net/ipv4/conf/%s/accept_local", name);

	if (!in->conf->has_siit)
		soft(s);
}

/*
 * An interface that forwards stops listening to router advertisements, and the kernel deletes the
 * default route it has learned from them, unless accept_ra is 2 before. One that forwards already
 * and has learned nothing is a router with routes of its own: it is left deaf.
 */
static void want_accept_ra(struct netlink_sysctls *list, const struct netlink_interface *i)
{
	if (i->accept_ra == 1 && (i->ra_default || (i->outside && !i->forwards)))
		soft(sysctl__want(list, "2", "net/ipv6/conf/%s/accept_ra", i->name));
}

static bool has_proxies(const struct netlink_plan *p, int ifindex)
{
	for (size_t i = 0; i < p->objects.n; i++)
		if (p->objects.at[i].kind == NETLINK_KIND_PROXY && p->objects.at[i].ifindex == ifindex)
			return true;
	return false;
}

/* A delay above zero holds the first answer back by up to 0.8 s. */
static void want_proxies(struct netlink_sysctls *list, const char *name)
{
	soft(sysctl__want(list, "0", "net/ipv4/neigh/%s/proxy_delay", name));
	soft(sysctl__want(list, "0", "net/ipv6/neigh/%s/proxy_delay", name));
	optional(sysctl__want(list, "1", "net/ipv6/conf/%s/proxy_ndp", name));
}

static void want_reserved_ports(const struct netlink_shared *s, struct netlink_sysctls *list)
{
	struct netlink_sysctl *entry;
	char ranges[sizeof(entry->value)] = "";
	size_t at = 0;

	for (size_t i = 0; s->on && i < s->n_range; i++)
		if (s->range[i].protocols & (NAT64_TCP | NAT64_UDP) && at < sizeof(ranges))
			at += (size_t)snprintf(ranges + at, sizeof(ranges) - at, "%s%u-%u",
					       at ? "," : "", s->range[i].first, s->range[i].last);
	if (at == 0)
		return;
	entry = sysctl__want(list, ranges, "net/ipv4/ip_local_reserved_ports");
	if (entry)
		entry->merge = true;
}

void plan__sysctls(const struct netlink_input *in, struct netlink_plan *p)
{
	const struct netlink_facts *f = in->facts;
	struct netlink_sysctls *list = &p->sysctls;

	for (size_t i = 0; i < N_NETLINK_DEVICES; i++)
		if (p->device[i].ifindex) {
			want_device(f, list, p->device[i].name);
			want_own_source(in, list, p->device[i].name);
		}
	want_reserved_ports(&p->shared, list);
	if (!p->manage)
		return;
	for (size_t i = 0; i < f->n_interface; i++)
		if (f->interface[i].present)
			want_accept_ra(list, &f->interface[i]);
	sysctl__want(list, "1", "net/ipv6/conf/all/forwarding");
	for (size_t i = 0; i < f->n_interface; i++) {
		const char *name = f->interface[i].name;

		if (!f->interface[i].present)
			continue;
		sysctl__want(list, "1", "net/ipv4/conf/%s/forwarding", name);
		soft(sysctl__want(list, "1", "net/ipv6/conf/%s/forwarding", name));
		if (has_proxies(p, f->interface[i].ifindex))
			want_proxies(list, name);
	}
}
