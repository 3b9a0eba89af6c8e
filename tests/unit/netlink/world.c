#include "world.h"
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include "sixgate/base/must.h"

struct prefix world_prefix(const char *text)
{
	struct prefix p;

	must(prefix_parse(text, &p) == 0);
	return p;
}

struct addr world_addr(const char *text)
{
	struct addr a;

	must(addr_parse(text, &a) == 0);
	return a;
}

struct netlink_interface *world_interface(struct world *w, const char *name, int ifindex)
{
	struct netlink_interface *i = &w->facts.interface[w->facts.n_interface++];

	*i = (struct netlink_interface){
		.present = true, .up = true, .ifindex = ifindex, .mtu = 1500, .type = ARPHRD_ETHER
	};
	snprintf(i->name, sizeof(i->name), "%s", name);
	return i;
}

void world_init(struct world *w)
{
	memset(w, 0, sizeof(*w));
	strcpy(w->conf.interfaces.tun, "sixgate0");
	w->conf.interfaces.manage = true;
	strcpy(w->conf.interfaces.inside[0], "lan0");
	strcpy(w->conf.interfaces.outside[0], "wan0");
	w->conf.interfaces.n_inside = w->conf.interfaces.n_outside = 1;
	w->conf.nat64.prefix = w->prefix;
	w->conf.nat64.pool4 = w->pool4;
	w->conf.nat64.static_entry = w->entry;
	w->conf.siit.prefix = w->siit_prefix;
	w->conf.siit.eam = w->eam;
	w->conf.siit.icmp4_source = w->icmp4;
	w->conf.siit.clat.hosts = w->clat_hosts;
	w->conf.egress6.prefix = w->prefix + 4;
	w->conf.services.service = w->service;
	w->facts.local = w->local;
	w->facts.route = w->route;
	w->facts.inside = w->inside;
	w->facts.shared_alias = world_addr("192.0.0.6");
	w->facts.main_rule[0] = w->facts.main_rule[1] = true;
	for (int i = 0; i < N_NETLINK_DEVICES; i++)
		w->facts.device[i] = (struct netlink_interface){ .present = true, .ifindex = 10 + i };
	strcpy(w->facts.device[0].name, "sixgate0");
	strcpy(w->facts.device[1].name, "sixgate0o");
	world_interface(w, "lan0", 3000)->inside = true;
	world_interface(w, "wan0", 4000)->outside = true;
}

void world_local(struct world *w, const char *address, int ifindex, const char *name)
{
	struct netlink_local *l = &w->local[w->facts.n_local++];
	char text[64], *slash;
	int len;

	snprintf(text, sizeof(text), "%s", address);
	slash = strchr(text, '/');
	must(slash && sscanf(slash + 1, "%d", &len) == 1);
	*slash = '\0';
	l->addr = world_addr(text);
	l->on_link.len = (uint8_t)(len + (addr_is_v4(&l->addr) ? 96 : 0));
	l->on_link.addr = addr_mask(&l->addr, l->on_link.len);
	l->ifindex = ifindex;
	snprintf(l->interface, sizeof(l->interface), "%s", name);
}

void world_route(struct world *w, const char *prefix, int ifindex, bool outside)
{
	w->route[w->facts.n_route++] = (struct netlink_route_fact){ .prefix = world_prefix(prefix),
								    .ifindex = ifindex,
								    .outside = outside };
}

void world_pool(struct world *w, const char *first, const char *last)
{
	w->conf.has_nat64 = true;
	w->pool4[w->conf.nat64.n_pool4++] = (struct pool4_conf){
		.first = world_addr(first),
		.last = world_addr(last),
		.port_first = 1024,
		.port_last = 65535,
		.protocols = NAT64_TCP | NAT64_UDP | NAT64_ICMP,
	};
}

void world_siit(struct world *w, const char *prefix)
{
	w->conf.has_siit = true;
	w->siit_prefix[w->conf.siit.n_prefix++] = world_prefix(prefix);
}

void world_eam(struct world *w, const char *v4, const char *v6)
{
	w->eam[w->conf.siit.n_eam++] = (struct eam_conf){ world_prefix(v4), world_prefix(v6) };
}

void world_inside(struct world *w, const char *prefix)
{
	w->inside[w->facts.n_inside++] =
		(struct netlink_inside_prefix){ .prefix = world_prefix(prefix), .on_link = true };
}

struct service_conf *world_service(struct world *w, const char *vip)
{
	struct service_conf *s = &w->service[w->conf.services.n_service++];

	w->conf.has_services = true;
	s->address[s->n_address++] = world_addr(vip);
	s->protocol = 6;
	s->port = 9000;
	s->node = w->node;
	return s;
}

void world_plan(struct world *w)
{
	const struct netlink_input in = { .conf = &w->conf, .facts = &w->facts };
	struct netlink_plan again;
	char a[NETLINK_OBJECT_TEXT_MAX], b[NETLINK_OBJECT_TEXT_MAX];

	assert_int_equal(netlink_plan_build(&in, &w->plan, NULL), 0);
	assert_int_equal(netlink_plan_build(&in, &again, NULL), 0);
	assert_int_equal(w->plan.objects.n, again.objects.n);
	for (size_t i = 0; i < again.objects.n; i++)
		assert_string_equal(netlink_object_format(&w->plan.objects.at[i], a),
				    netlink_object_format(&again.objects.at[i], b));
	netlink_plan_free(&again);
}

void world_fini(struct world *w)
{
	netlink_plan_free(&w->plan);
}

size_t world_count(const struct world *w, const char *part)
{
	char text[NETLINK_OBJECT_TEXT_MAX];
	size_t n = 0;

	for (size_t i = 0; i < w->plan.objects.n; i++)
		n += strstr(netlink_object_format(&w->plan.objects.at[i], text), part) != NULL;
	return n;
}

bool world_has(const struct world *w, const char *wanted)
{
	char text[NETLINK_OBJECT_TEXT_MAX];

	for (size_t i = 0; i < w->plan.objects.n; i++)
		if (strcmp(netlink_object_format(&w->plan.objects.at[i], text), wanted) == 0)
			return true;
	return false;
}

const char *world_setting(const struct world *w, const char *path)
{
	for (size_t i = 0; i < w->plan.sysctls.n; i++)
		if (strcmp(w->plan.sysctls.at[i].path, path) == 0)
			return w->plan.sysctls.at[i].value;
	return NULL;
}
