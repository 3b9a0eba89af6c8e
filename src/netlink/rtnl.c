/*
 * rtnl.c - add and remove routes, rules, proxies and addresses, through libnl.
 *
 * Each request is answered by the kernel before the next is sent. Messages are put together from
 * attributes: libnl's own objects know neither the protocol of a proxy neighbour nor all that a
 * rule can say.
 */
#include "netlink_internal.h"
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <stdio.h>
#include <stdlib.h>

enum { DEVICE_MTU = 65535 };

struct rtnl {
	struct nl_sock *sock;
	int error;
};

static int keep_error(struct sockaddr_nl *from, struct nlmsgerr *e, void *arg)
{
	struct rtnl *r = arg;

	(void)from;
	r->error = e->error;
	return NL_STOP;
}

int rtnl__new(struct rtnl **out, struct err *e)
{
	struct rtnl *r = calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return err_set(e, -ENOMEM, "out of memory");
	r->sock = nl_socket_alloc();
	if (!r->sock) {
		free(r);
		return err_set(e, -ENOMEM, "out of memory");
	}
	rc = nl_connect(r->sock, NETLINK_ROUTE);
	if (rc) {
		rtnl__free(r);
		return err_set(e, -EIO, "netlink socket: %s", nl_geterror(rc));
	}
	nl_socket_modify_err_cb(r->sock, NL_CB_CUSTOM, keep_error, r);
	*out = r;
	return 0;
}

void rtnl__free(struct rtnl *r)
{
	if (!r)
		return;
	nl_socket_free(r->sock);
	free(r);
}

/* Takes @m. Return: 0 or the kernel's errno. */
static int ask(struct rtnl *r, struct nl_msg *m)
{
	int rc;

	r->error = 0;
	rc = nl_send_sync(r->sock, m);
	if (rc >= 0)
		return 0;
	return r->error ? r->error : -EIO;
}

static const void *octets(const struct netlink_object *o)
{
	return o->prefix.addr.octet + (o->family == AF_INET ? 12 : 0);
}

static int octets_len(const struct netlink_object *o)
{
	return o->family == AF_INET ? 4 : 16;
}

static uint8_t own_len(const struct netlink_object *o)
{
	return (uint8_t)(o->prefix.len - (o->family == AF_INET ? 96 : 0));
}

static int put_route(struct nl_msg *m, const struct netlink_object *o)
{
	struct rtmsg h = {
		.rtm_family = o->family,
		.rtm_dst_len = own_len(o),
		.rtm_table = RT_TABLE_UNSPEC,
		.rtm_protocol = NETLINK_PROTOCOL,
		.rtm_scope = o->family == AF_INET && o->type == RTN_UNICAST ? RT_SCOPE_LINK
									     : RT_SCOPE_UNIVERSE,
		.rtm_type = o->type,
	};
	int rc = nlmsg_append(m, &h, sizeof(h), NLMSG_ALIGNTO);

	if (rc == 0)
		rc = nla_put_u32(m, RTA_TABLE, o->table);
	if (rc == 0 && h.rtm_dst_len)
		rc = nla_put(m, RTA_DST, octets_len(o), octets(o));
	if (rc == 0 && o->ifindex)
		rc = nla_put_u32(m, RTA_OIF, (uint32_t)o->ifindex);
	return rc;
}

static int put_rule(struct nl_msg *m, const struct netlink_object *o)
{
	struct fib_rule_hdr h = {
		.family = o->family,
		.src_len = own_len(o),
		.table = RT_TABLE_UNSPEC,
		.action = o->type,
	};
	struct fib_rule_port_range sport = { .start = o->sport, .end = o->sport };
	int rc = nlmsg_append(m, &h, sizeof(h), NLMSG_ALIGNTO);

	if (rc == 0)
		rc = nla_put_u32(m, FRA_PRIORITY, o->preference);
	if (rc == 0)
		rc = nla_put_u8(m, FRA_PROTOCOL, NETLINK_PROTOCOL);
	if (rc == 0 && o->type == FR_ACT_TO_TBL)
		rc = nla_put_u32(m, FRA_TABLE, o->table);
	if (rc == 0 && o->type == FR_ACT_GOTO)
		rc = nla_put_u32(m, FRA_GOTO, o->target);
	if (rc == 0 && h.src_len)
		rc = nla_put(m, FRA_SRC, octets_len(o), octets(o));
	if (rc == 0 && o->iif[0])
		rc = nla_put_string(m, FRA_IIFNAME, o->iif);
	if (rc == 0 && o->ipproto)
		rc = nla_put_u8(m, FRA_IP_PROTO, o->ipproto);
	if (rc == 0 && o->sport)
		rc = nla_put(m, FRA_SPORT_RANGE, sizeof(sport), &sport);
	return rc;
}

static int put_neighbour(struct nl_msg *m, const struct netlink_object *o)
{
	struct ndmsg h = {
		.ndm_family = o->family,
		.ndm_ifindex = o->ifindex,
		.ndm_state = NUD_PERMANENT,
		.ndm_flags = NTF_PROXY,
	};
	int rc = nlmsg_append(m, &h, sizeof(h), NLMSG_ALIGNTO);

	if (rc == 0)
		rc = nla_put(m, NDA_DST, octets_len(o), octets(o));
	if (rc == 0)
		rc = nla_put_u8(m, NDA_PROTOCOL, NETLINK_PROTOCOL);
	return rc;
}

static int put_address(struct nl_msg *m, const struct netlink_object *o)
{
	struct ifaddrmsg h = {
		.ifa_family = o->family,
		.ifa_prefixlen = own_len(o),
		.ifa_index = (uint32_t)o->ifindex,
		.ifa_scope = o->family == AF_INET ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE,
	};
	int rc = nlmsg_append(m, &h, sizeof(h), NLMSG_ALIGNTO);

	if (rc == 0)
		rc = nla_put(m, IFA_LOCAL, octets_len(o), octets(o));
	if (rc == 0)
		rc = nla_put(m, IFA_ADDRESS, octets_len(o), octets(o));
	if (rc == 0)
		rc = nla_put_u32(m, IFA_FLAGS, IFA_F_NODAD | IFA_F_NOPREFIXROUTE | IFA_F_PERMANENT);
	return rc;
}

static const struct {
	int add, remove;
	int (*put)(struct nl_msg *m, const struct netlink_object *o);
} message[] = {
	[NETLINK_KIND_ROUTE] = { RTM_NEWROUTE, RTM_DELROUTE, put_route },
	[NETLINK_KIND_RULE] = { RTM_NEWRULE, RTM_DELRULE, put_rule },
	[NETLINK_KIND_PROXY] = { RTM_NEWNEIGH, RTM_DELNEIGH, put_neighbour },
	[NETLINK_KIND_ADDRESS] = { RTM_NEWADDR, RTM_DELADDR, put_address },
};

static int send_object(struct rtnl *r, const struct netlink_object *o, int type, int flags)
{
	struct nl_msg *m = nlmsg_alloc_simple(type, flags);

	if (!m)
		return -ENOMEM;
	if (message[o->kind].put(m, o)) {
		nlmsg_free(m);
		return -ENOMEM;
	}
	return ask(r, m);
}

int rtnl__add(struct rtnl *r, const struct netlink_object *o, struct err *e)
{
	int rc = send_object(r, o, message[o->kind].add, NLM_F_CREATE | NLM_F_EXCL);
	char text[NETLINK_OBJECT_TEXT_MAX];

	if (rc == 0 || rc == -EEXIST)
		return 0;
	return err_set(e, rc, "cannot add \"%s\": %s", netlink_object_format(o, text),
		       strerror(-rc));
}

int rtnl__remove(struct rtnl *r, const struct netlink_object *o, struct err *e)
{
	int rc = send_object(r, o, message[o->kind].remove, 0);
	char text[NETLINK_OBJECT_TEXT_MAX];

	if (rc == 0 || rc == -ENOENT || rc == -ESRCH || rc == -ENODEV || rc == -EADDRNOTAVAIL)
		return 0;
	return err_set(e, rc, "cannot remove \"%s\": %s", netlink_object_format(o, text),
		       strerror(-rc));
}

int rtnl__main_rule(struct rtnl *r, uint8_t family, struct err *e)
{
	struct fib_rule_hdr h = { .family = family,
				  .table = RT_TABLE_MAIN,
				  .action = FR_ACT_TO_TBL };
	struct nl_msg *m = nlmsg_alloc_simple(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL);
	int rc;

	if (!m)
		return err_set(e, -ENOMEM, "out of memory");
	if (nlmsg_append(m, &h, sizeof(h), NLMSG_ALIGNTO) || nla_put_u32(m, FRA_PRIORITY, 32766) ||
	    nla_put_u8(m, FRA_PROTOCOL, RTPROT_KERNEL)) {
		nlmsg_free(m);
		return err_set(e, -ENOMEM, "out of memory");
	}
	rc = ask(r, m);
	if (rc == 0 || rc == -EEXIST)
		return 0;
	return err_set(e, rc, "cannot put the rule for table main back: %s", strerror(-rc));
}

/* MTU, group, and no address of the kernel's making (IPv6). Has to come before the device is up. */
static struct nl_msg *device_settings(int ifindex)
{
	struct ifinfomsg h = { .ifi_index = ifindex };
	struct nl_msg *m = nlmsg_alloc_simple(RTM_NEWLINK, 0);
	struct nlattr *spec, *inet6;

	if (!m)
		return NULL;
	if (nlmsg_append(m, &h, sizeof(h), NLMSG_ALIGNTO) || nla_put_u32(m, IFLA_MTU, DEVICE_MTU) ||
	    nla_put_u32(m, IFLA_GROUP, NETLINK_DEVICE_GROUP))
		goto fail;
	spec = nla_nest_start(m, IFLA_AF_SPEC);
	inet6 = spec ? nla_nest_start(m, AF_INET6) : NULL;
	if (!inet6 || nla_put_u8(m, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE))
		goto fail;
	nla_nest_end(m, inet6);
	nla_nest_end(m, spec);
	return m;
fail:
	nlmsg_free(m);
	return NULL;
}

static struct nl_msg *device_switch_on(int ifindex)
{
	struct ifinfomsg h = { .ifi_index = ifindex, .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	struct nl_msg *m = nlmsg_alloc_simple(RTM_NEWLINK, 0);

	if (m && nlmsg_append(m, &h, sizeof(h), NLMSG_ALIGNTO)) {
		nlmsg_free(m);
		return NULL;
	}
	return m;
}

int rtnl__device_up(struct rtnl *r, int ifindex, const char *name, struct err *e)
{
	struct nl_msg *m = device_settings(ifindex);
	int rc = m ? ask(r, m) : -ENOMEM;

	if (rc == 0) {
		m = device_switch_on(ifindex);
		rc = m ? ask(r, m) : -ENOMEM;
	}
	if (rc)
		return err_set(e, rc, "%s: cannot set MTU %d and group %d, and switch it on: %s", name,
			       DEVICE_MTU, NETLINK_DEVICE_GROUP, strerror(-rc));
	return 0;
}

struct ours {
	struct netlink_objects *out;
	const int *device;
};


static int keep_ours(const struct nlmsghdr *h, void *arg)
{
	struct ours *x = arg;
	struct netlink_object o;

	if (!object__parse(h, &o))
		return MNL_CB_OK;
	if (o.kind == NETLINK_KIND_ADDRESS && o.ifindex != x->device[0] && o.ifindex != x->device[1])
		return MNL_CB_OK;
	object__add(x->out, &o);
	return MNL_CB_OK;
}

int rtnl__ours(const int device[N_NETLINK_DEVICES], struct netlink_objects *out, struct err *e)
{
	static const uint16_t list[] = { RTM_GETROUTE, RTM_GETRULE, RTM_GETNEIGH, RTM_GETADDR };
	struct ours x = { .out = out, .device = device };

	for (size_t i = 0; i < 8; i++) {
		struct dump__request q = {
			.bus = NETLINK_ROUTE,
			.type = list[i / 2],
			.family = i % 2 ? AF_INET6 : AF_INET,
			.neighbour_flags = NTF_PROXY,
			.cb = keep_ours,
			.arg = &x,
		};
		int rc = dump__run(&q);

		if (rc)
			return err_set(e, rc, "cannot list routes and rules: %s", strerror(-rc));
	}
	if (out->failed)
		return err_set(e, -ENOMEM, "out of memory");
	objects__sort(out);
	return 0;
}
