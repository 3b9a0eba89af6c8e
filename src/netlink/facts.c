/*
 * facts.c - read interfaces, addresses, routes and rules from the kernel.
 *
 * Four dumps, then what follows from them: the inside prefixes and the shared address. Nothing is
 * kept between two reads.
 */
#include "netlink_internal.h"
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <net/if_arp.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include "sixgate/base/must.h"
#include "sixgate/base/wire.h"

enum { ROUTE_FACTS_MAX = 65536, ALIAS_COUNT = 6 };

/* RFC 7335: 192.0.0.0/29 is for translation inside one machine; .1 and .2 belong to others that
 * may run beside us (RFC 6333, RFC 6877), so the last ones are tried first. */
static const uint32_t alias_last = 0xc0000006;

/* While reading: facts, and room in the arrays. */
struct reading {
	struct netlink_facts *f;
	size_t local_room, route_room, inside_room;
	bool failed;
};

static void *grow(struct reading *x, void *at, size_t n, size_t *room, size_t size)
{
	size_t want = *room ? 2 * *room : 32;
	void *more;

	if (n < *room)
		return at;
	more = realloc(at, want * size);
	if (!more) {
		x->failed = true;
		return at;
	}
	*room = want;
	return more;
}

static void add_local(struct reading *x, const struct netlink_local *a)
{
	struct netlink_facts *f = x->f;

	f->local = grow(x, f->local, f->n_local, &x->local_room, sizeof(*f->local));
	if (f->n_local < x->local_room)
		f->local[f->n_local++] = *a;
}

static void add_route(struct reading *x, const struct netlink_route_fact *r)
{
	struct netlink_facts *f = x->f;

	if (f->n_route == ROUTE_FACTS_MAX)
		return;
	f->route = grow(x, f->route, f->n_route, &x->route_room, sizeof(*f->route));
	if (f->n_route < x->route_room)
		f->route[f->n_route++] = *r;
}

static void add_inside(struct reading *x, const struct netlink_inside_prefix *p)
{
	struct netlink_facts *f = x->f;

	f->inside = grow(x, f->inside, f->n_inside, &x->inside_room, sizeof(*f->inside));
	if (f->n_inside < x->inside_room)
		f->inside[f->n_inside++] = *p;
}

static struct netlink_interface *find_by_index(struct netlink_facts *f, int ifindex)
{
	for (size_t i = 0; i < f->n_interface; i++)
		if (f->interface[i].present && f->interface[i].ifindex == ifindex)
			return &f->interface[i];
	return NULL;
}

/* ---- interfaces ---- */

static struct netlink_interface *find_by_name(struct netlink_facts *f, const char *name)
{
	for (size_t i = 0; i < f->n_interface; i++)
		if (strcmp(f->interface[i].name, name) == 0)
			return &f->interface[i];
	for (size_t i = 0; i < N_NETLINK_DEVICES; i++)
		if (strcmp(f->device[i].name, name) == 0)
			return &f->device[i];
	return NULL;
}

static void name_interface(struct netlink_facts *f, const char *name, bool inside)
{
	struct netlink_interface *i = find_by_name(f, name);

	if (!i) {
		i = &f->interface[f->n_interface++];
		snprintf(i->name, sizeof(i->name), "%s", name);
	}
	i->inside |= inside;
	i->outside |= !inside;
}

static void name_all(const struct interfaces_conf *c, struct netlink_facts *f)
{
	/* Devices first: find_by_name() must not take an empty name for one. */
	snprintf(f->device[NETLINK_DEVICE_INSIDE].name, INTERFACE_NAME_MAX, "%s", c->tun);
	snprintf(f->device[NETLINK_DEVICE_OUTSIDE].name, INTERFACE_NAME_MAX, "%so", c->tun);
	for (size_t i = 0; i < c->n_inside; i++)
		name_interface(f, c->inside[i], true);
	for (size_t i = 0; i < c->n_outside; i++)
		name_interface(f, c->outside[i], false);
}

static int read_link(const struct nlmsghdr *h, void *arg)
{
	const struct ifinfomsg *m = mnl_nlmsg_get_payload(h);
	const struct nlattr *tb[IFLA_MAX + 1];
	struct reading *x = arg;
	struct netlink_interface *i;
	char path[96];

	if (h->nlmsg_type != RTM_NEWLINK)
		return MNL_CB_OK;
	dump__attributes(h, sizeof(*m), tb, IFLA_MAX);
	i = tb[IFLA_IFNAME] ? find_by_name(x->f, mnl_attr_get_str(tb[IFLA_IFNAME])) : NULL;
	if (!i)
		return MNL_CB_OK;
	i->present = true;
	i->ifindex = m->ifi_index;
	i->type = m->ifi_type;
	i->up = (m->ifi_flags & (IFF_UP | IFF_RUNNING)) == (IFF_UP | IFF_RUNNING);
	if (tb[IFLA_MTU])
		i->mtu = mnl_attr_get_u32(tb[IFLA_MTU]);
	if (tb[IFLA_GROUP])
		i->group = mnl_attr_get_u32(tb[IFLA_GROUP]);
	if (tb[IFLA_ADDRESS] && mnl_attr_get_payload_len(tb[IFLA_ADDRESS]) == sizeof(i->mac))
		memcpy(i->mac, mnl_attr_get_payload(tb[IFLA_ADDRESS]), sizeof(i->mac));
	snprintf(path, sizeof(path), "net/ipv6/conf/%s/accept_ra", i->name);
	i->accept_ra = sysctl__read_int(path, 0);
	snprintf(path, sizeof(path), "net/ipv6/conf/%s/forwarding", i->name);
	i->forwards = sysctl__read_int(path, 0) != 0;
	return MNL_CB_OK;
}

/* ---- addresses ---- */

static int read_address(const struct nlmsghdr *h, void *arg)
{
	const struct ifaddrmsg *m = mnl_nlmsg_get_payload(h);
	const struct nlattr *tb[IFA_MAX + 1];
	struct netlink_local a = { .ifindex = (int)m->ifa_index };
	uint8_t base = m->ifa_family == AF_INET ? 96 : 0;
	const struct nlattr *own;
	uint32_t flags;

	if (h->nlmsg_type != RTM_NEWADDR || m->ifa_prefixlen > 128 - base)
		return MNL_CB_OK;
	dump__attributes(h, sizeof(*m), tb, IFA_MAX);
	own = tb[IFA_LOCAL] ? tb[IFA_LOCAL] : tb[IFA_ADDRESS];
	if (!own || !dump__addr(own, m->ifa_family, &a.addr))
		return MNL_CB_OK;
	flags = tb[IFA_FLAGS] ? mnl_attr_get_u32(tb[IFA_FLAGS]) : m->ifa_flags;
	a.deprecated = flags & IFA_F_DEPRECATED;
	a.secondary = m->ifa_family == AF_INET && flags & IFA_F_SECONDARY;
	a.on_link.len = (uint8_t)(base + m->ifa_prefixlen);
	a.on_link.addr = addr_mask(&a.addr, a.on_link.len);
	if (!if_indextoname(m->ifa_index, a.interface))
		snprintf(a.interface, sizeof(a.interface), "if%u", m->ifa_index);
	add_local(arg, &a);
	return MNL_CB_OK;
}

/* ---- routes ---- */

static bool link_scoped(const struct prefix *p)
{
	if (prefix_is_v4(p))
		return load16(p->addr.octet + 12) == 0xa9fe;
	return addr_is_link_local6(&p->addr);
}

static void note_default_route(struct reading *x, const struct rtmsg *m,
			       struct netlink_interface *i)
{
	if (m->rtm_type != RTN_UNICAST)
		return;
	x->f->default_route[m->rtm_family == AF_INET6] = true;
	if (i && m->rtm_protocol == RTPROT_RA)
		i->ra_default = true;
}

/* First next hop of a route with several: enough to tell inside from outside. */
static void read_next_hop(const struct nlattr *const *tb, int *ifindex, bool *via)
{
	const struct rtnexthop *hop;

	if (tb[RTA_OIF])
		*ifindex = (int)mnl_attr_get_u32(tb[RTA_OIF]);
	*via = tb[RTA_GATEWAY] || tb[RTA_VIA];
	if (tb[RTA_OIF] || !tb[RTA_MULTIPATH] ||
	    mnl_attr_get_payload_len(tb[RTA_MULTIPATH]) < sizeof(*hop))
		return;
	hop = mnl_attr_get_payload(tb[RTA_MULTIPATH]);
	*ifindex = hop->rtnh_ifindex;
	*via = true;
}

static int read_route(const struct nlmsghdr *h, void *arg)
{
	const struct rtmsg *m = mnl_nlmsg_get_payload(h);
	const struct nlattr *tb[RTA_MAX + 1];
	struct netlink_route_fact r = { 0 };
	struct reading *x = arg;
	struct netlink_interface *i;
	uint8_t base = m->rtm_family == AF_INET ? 96 : 0;

	if (h->nlmsg_type != RTM_NEWROUTE || m->rtm_flags & RTM_F_CLONED)
		return MNL_CB_OK;
	dump__attributes(h, sizeof(*m), tb, RTA_MAX);
	if ((tb[RTA_TABLE] ? mnl_attr_get_u32(tb[RTA_TABLE]) : m->rtm_table) != RT_TABLE_MAIN)
		return MNL_CB_OK;
	read_next_hop(tb, &r.ifindex, &r.via);
	i = find_by_index(x->f, r.ifindex);
	if (m->rtm_dst_len == 0) {
		note_default_route(x, m, i);
		return MNL_CB_OK;
	}
	if (!tb[RTA_DST] || !dump__addr(tb[RTA_DST], m->rtm_family, &r.prefix.addr))
		return MNL_CB_OK;
	r.prefix.len = (uint8_t)(base + m->rtm_dst_len);
	r.outside = i && i->outside && !i->inside;
	if (link_scoped(&r.prefix) || addr_is_multicast(&r.prefix.addr))
		return MNL_CB_OK;
	if (m->rtm_family == AF_INET && (!i || !i->inside))
		return MNL_CB_OK;
	add_route(x, &r);
	return MNL_CB_OK;
}

static int compare_routes(const void *a, const void *b)
{
	const struct netlink_route_fact *x = a, *y = b;
	int order = addr_compare(&x->prefix.addr, &y->prefix.addr);

	return order ? order : x->prefix.len - y->prefix.len;
}

/* Routes that leave outside matter only within a prefix that does not: with a full table from a
 * routing daemon, nearly all of them go. Sorted, so that what contains comes before. */
static void forget_plain_outside(struct netlink_facts *f)
{
	struct prefix around = { 0 };
	bool any = false;
	size_t n = 0;

	if (f->n_route)
		qsort(f->route, f->n_route, sizeof(*f->route), compare_routes);
	for (size_t i = 0; i < f->n_route; i++) {
		struct netlink_route_fact r = f->route[i];
		bool covered = any && prefix_contains(&around, &r.prefix.addr);

		if (r.outside && !covered)
			continue;
		if (!covered) {
			around = r.prefix;
			any = true;
		}
		f->route[n++] = r;
	}
	f->n_route = n;
}

/* ---- rules ---- */

static int read_rule(const struct nlmsghdr *h, void *arg)
{
	const struct fib_rule_hdr *m = mnl_nlmsg_get_payload(h);
	const struct nlattr *tb[FRA_MAX + 1];
	struct reading *x = arg;

	if (h->nlmsg_type != RTM_NEWRULE || m->action != FR_ACT_TO_TBL || m->src_len || m->dst_len)
		return MNL_CB_OK;
	dump__attributes(h, sizeof(*m), tb, FRA_MAX);
	if ((tb[FRA_TABLE] ? mnl_attr_get_u32(tb[FRA_TABLE]) : m->table) != RT_TABLE_MAIN)
		return MNL_CB_OK;
	if (tb[FRA_IIFNAME] || tb[FRA_OIFNAME] || tb[FRA_FWMARK] || tb[FRA_IP_PROTO] ||
	    tb[FRA_UID_RANGE])
		return MNL_CB_OK;
	x->f->main_rule[m->family == AF_INET6] = true;
	return MNL_CB_OK;
}

/* ---- what follows ---- */

static bool unique_local(const struct prefix *p)
{
	return !prefix_is_v4(p) && (p->addr.octet[0] & 0xfe) == 0xfc;
}

static int compare_inside(const void *a, const void *b)
{
	const struct netlink_inside_prefix *x = a, *y = b;
	int order = addr_compare(&x->prefix.addr, &y->prefix.addr);

	if (order == 0)
		order = x->prefix.len - y->prefix.len;
	return order ? order : y->on_link - x->on_link;
}

static void find_inside_prefixes(struct reading *x)
{
	struct netlink_facts *f = x->f;
	size_t n = 0;

	for (size_t i = 0; i < f->n_local; i++) {
		const struct netlink_local *a = &f->local[i];
		const struct netlink_interface *on = find_by_index(f, a->ifindex);
		struct netlink_inside_prefix p = { .prefix = a->on_link, .on_link = true };

		p.local = unique_local(&p.prefix);
		if (on && on->inside && !link_scoped(&p.prefix))
			add_inside(x, &p);
	}
	for (size_t i = 0; i < f->n_route; i++) {
		const struct netlink_route_fact *r = &f->route[i];
		const struct netlink_interface *on = find_by_index(f, r->ifindex);
		struct netlink_inside_prefix p = { .prefix = r->prefix, .on_link = !r->via };

		p.local = unique_local(&p.prefix);
		if (on && on->inside)
			add_inside(x, &p);
	}
	if (f->n_inside)
		qsort(f->inside, f->n_inside, sizeof(*f->inside), compare_inside);
	for (size_t i = 0; i < f->n_inside; i++)
		if (n == 0 || f->inside[n - 1].prefix.len != f->inside[i].prefix.len ||
		    !addr_equal(&f->inside[n - 1].prefix.addr, &f->inside[i].prefix.addr))
			f->inside[n++] = f->inside[i];
	f->n_inside = n;
}

static void find_shared_address(struct netlink_facts *f)
{
	for (size_t i = 0; i < f->n_interface && !f->has_shared; i++) {
		const struct netlink_interface *on = &f->interface[i];

		for (size_t k = 0; on->outside && k < f->n_local && !f->has_shared; k++) {
			const struct netlink_local *a = &f->local[k];

			if (a->ifindex != on->ifindex || !addr_is_v4(&a->addr) || a->secondary ||
			    link_scoped(&a->on_link))
				continue;
			f->has_shared = true;
			f->shared_real = a->addr;
			f->shared_ifindex = a->ifindex;
		}
	}
	for (uint32_t i = 0; i < ALIAS_COUNT; i++) {
		f->shared_alias = addr_from_ip4_host(alias_last - i);
		if (!netlink_facts_local(f, &f->shared_alias))
			return;
	}
}

static int dump_all(struct reading *x, struct err *e)
{
	static const struct {
		uint16_t type;
		uint8_t family;
		mnl_cb_t cb;
	} list[] = {
		{ RTM_GETLINK, AF_UNSPEC, read_link },  { RTM_GETADDR, AF_UNSPEC, read_address },
		{ RTM_GETROUTE, AF_INET, read_route },  { RTM_GETROUTE, AF_INET6, read_route },
		{ RTM_GETRULE, AF_INET, read_rule },    { RTM_GETRULE, AF_INET6, read_rule },
	};

	for (size_t i = 0; i < ARRAY_LEN(list); i++) {
		struct dump__request q = { .bus = NETLINK_ROUTE,
					   .type = list[i].type,
					   .family = list[i].family,
					   .cb = list[i].cb,
					   .arg = x };
		int rc = dump__run(&q);

		if (rc)
			return err_set(e, rc, "cannot read interfaces and routes: %s",
				       strerror(-rc));
	}
	if (x->failed)
		return err_set(e, -ENOMEM, "out of memory");
	return 0;
}

int netlink_facts_read(const struct config *conf, struct netlink_facts *out, struct err *e)
{
	struct netlink_facts f = { 0 };
	struct reading x = { .f = &f };
	int rc;

	name_all(&conf->interfaces, &f);
	f.reverse_path = sysctl__read_int("net/ipv4/conf/all/rp_filter", 0);
	rc = dump_all(&x, e);
	if (rc == 0) {
		forget_plain_outside(&f);
		find_inside_prefixes(&x);
		find_shared_address(&f);
		if (x.failed)
			rc = err_set(e, -ENOMEM, "out of memory");
	}
	if (rc) {
		netlink_facts_free(&f);
		return rc;
	}
	*out = f;
	return 0;
}

void netlink_facts_free(struct netlink_facts *f)
{
	free(f->local);
	free(f->route);
	free(f->inside);
	*f = (struct netlink_facts){ 0 };
}

const struct netlink_local *netlink_facts_local(const struct netlink_facts *f, const struct addr *a)
{
	for (size_t i = 0; i < f->n_local; i++)
		if (addr_equal(&f->local[i].addr, a))
			return &f->local[i];
	return NULL;
}

const struct netlink_inside_prefix *netlink_facts_inside(const struct netlink_facts *f,
							 const struct prefix *p)
{
	for (size_t i = 0; i < f->n_inside; i++)
		if (prefix_equal(&f->inside[i].prefix, p))
			return &f->inside[i];
	return NULL;
}

int netlink_facts_add_inside(struct netlink_facts *f, const struct netlink_inside_prefix *p)
{
	struct netlink_inside_prefix *more;
	size_t at = f->n_inside;

	if (netlink_facts_inside(f, &p->prefix))
		return 0;
	more = realloc(f->inside, (f->n_inside + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	f->inside = more;
	for (; at > 0 && compare_inside(&f->inside[at - 1], p) > 0; at--)
		f->inside[at] = f->inside[at - 1];
	f->inside[at] = *p;
	f->n_inside++;
	return 0;
}

void netlink_facts_drop_inside(struct netlink_facts *f, const struct prefix *p)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n_inside; i++)
		if (!prefix_equal(&f->inside[i].prefix, p))
			f->inside[n++] = f->inside[i];
	f->n_inside = n;
}

bool netlink_facts_same_inside(const struct netlink_facts *a, const struct netlink_facts *b)
{
	if (a->n_inside != b->n_inside)
		return false;
	for (size_t i = 0; i < a->n_inside; i++)
		if (compare_inside(&a->inside[i], &b->inside[i]) != 0)
			return false;
	return true;
}
