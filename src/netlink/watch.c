/*
 * watch.c - hear what changes in the kernel, through libmnl.
 *
 * Two sockets behind one epoll descriptor: routing and nftables. A message only says what kind of
 * thing changed and whether it can matter; what it is now is read afresh (facts.c). Neighbours are
 * not listened to: their news never ends, and most kernels say nothing of proxies.
 */
#include "netlink_internal.h"
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netconf.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "sixgate/base/must.h"

enum { WATCH_BUFFER = 65536, WATCH_QUEUE_BYTES = 4 << 20, WATCH_READS_MAX = 1024 };

struct watch {
	int epoll;
	struct mnl_socket *route, *firewall;
	size_t n_name, n_outside;
	char name[NETLINK_INTERFACES_MAX + N_NETLINK_DEVICES][INTERFACE_NAME_MAX];
	int outside[NETLINK_INTERFACES_MAX];
};

static struct mnl_socket *open_socket(int bus, const int *group, size_t n)
{
	struct mnl_socket *sk = mnl_socket_open2(bus, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int bytes = WATCH_QUEUE_BYTES;

	if (!sk)
		return NULL;
	if (mnl_socket_bind(sk, 0, MNL_SOCKET_AUTOPID) < 0)
		goto fail;
	/* A longer queue loses less; without the privilege the default has to do. */
	setsockopt(mnl_socket_get_fd(sk), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	for (size_t i = 0; i < n; i++) {
		int g = group[i];

		if (mnl_socket_setsockopt(sk, NETLINK_ADD_MEMBERSHIP, &g, sizeof(g)) < 0)
			goto fail;
	}
	return sk;
fail:
	mnl_socket_close(sk);
	return NULL;
}

static int poll_for(int epoll, const struct mnl_socket *sk)
{
	struct epoll_event ev = { .events = EPOLLIN };

	return epoll_ctl(epoll, EPOLL_CTL_ADD, mnl_socket_get_fd(sk), &ev);
}

int watch__new(struct watch **out, struct err *e)
{
	static const int route_groups[] = {
		RTNLGRP_LINK,	    RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
		RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,	 RTNLGRP_IPV4_RULE,
		RTNLGRP_IPV6_RULE,  RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF,
	};
	static const int firewall_groups[] = { NFNLGRP_NFTABLES };
	struct watch *w = calloc(1, sizeof(*w));
	int rc;

	if (!w)
		return err_set(e, -ENOMEM, "out of memory");
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	w->route = open_socket(NETLINK_ROUTE, route_groups, ARRAY_LEN(route_groups));
	w->firewall = open_socket(NETLINK_NETFILTER, firewall_groups, ARRAY_LEN(firewall_groups));
	if (w->epoll < 0 || !w->route || !w->firewall || poll_for(w->epoll, w->route) ||
	    poll_for(w->epoll, w->firewall)) {
		rc = err_set(e, -errno, "cannot watch the kernel: %s", strerror(errno));
		watch__free(w);
		return rc;
	}
	*out = w;
	return 0;
}

void watch__free(struct watch *w)
{
	if (!w)
		return;
	if (w->route)
		mnl_socket_close(w->route);
	if (w->firewall)
		mnl_socket_close(w->firewall);
	if (w->epoll >= 0)
		close(w->epoll);
	free(w);
}

int watch__fd(const struct watch *w)
{
	return w->epoll;
}

void watch__remember(struct watch *w, const struct netlink_facts *f)
{
	w->n_name = w->n_outside = 0;
	for (size_t i = 0; i < N_NETLINK_DEVICES; i++)
		memcpy(w->name[w->n_name++], f->device[i].name, INTERFACE_NAME_MAX);
	for (size_t i = 0; i < f->n_interface; i++) {
		const struct netlink_interface *x = &f->interface[i];

		memcpy(w->name[w->n_name++], x->name, INTERFACE_NAME_MAX);
		if (x->present && x->outside && !x->inside)
			w->outside[w->n_outside++] = x->ifindex;
	}
}

/* ---- what a message means ---- */

static unsigned link_changed(const struct watch *w, const struct nlmsghdr *h)
{
	const struct nlattr *tb[IFLA_IFNAME + 1];

	dump__attributes(h, sizeof(struct ifinfomsg), tb, IFLA_IFNAME);
	if (!tb[IFLA_IFNAME] || w->n_name == 0)
		return NETLINK_CHANGED_LINK;
	for (size_t i = 0; i < w->n_name; i++)
		if (strcmp(w->name[i], mnl_attr_get_str(tb[IFLA_IFNAME])) == 0)
			return NETLINK_CHANGED_LINK;
	return 0;
}

/* Of table main, what leaves by an outside interface says nothing about the inside: a routing
 * daemon may change thousands of these a second. */
static unsigned route_changed(const struct watch *w, const struct nlmsghdr *h)
{
	const struct rtmsg *m = mnl_nlmsg_get_payload(h);
	const struct nlattr *tb[RTA_MAX + 1];
	int ifindex;

	if (m->rtm_flags & RTM_F_CLONED)
		return 0;
	if (m->rtm_protocol == NETLINK_PROTOCOL || m->rtm_dst_len == 0)
		return NETLINK_CHANGED_ROUTE;
	dump__attributes(h, sizeof(*m), tb, RTA_MAX);
	if ((tb[RTA_TABLE] ? mnl_attr_get_u32(tb[RTA_TABLE]) : m->rtm_table) != RT_TABLE_MAIN)
		return 0;
	ifindex = tb[RTA_OIF] ? (int)mnl_attr_get_u32(tb[RTA_OIF]) : 0;
	for (size_t i = 0; i < w->n_outside; i++)
		if (w->outside[i] == ifindex)
			return 0;
	return NETLINK_CHANGED_ROUTE;
}

static unsigned setting_changed(const struct nlmsghdr *h)
{
	const struct nlattr *tb[NETCONFA_MAX + 1];

	dump__attributes(h, sizeof(struct netconfmsg), tb, NETCONFA_MAX);
	return tb[NETCONFA_FORWARDING] || tb[NETCONFA_RP_FILTER] || tb[NETCONFA_PROXY_NEIGH]
		       ? NETLINK_CHANGED_SYSCTL
		       : 0;
}

static unsigned firewall_changed(const struct nlmsghdr *h)
{
	switch (h->nlmsg_type & 0xff) {
	case NFT_MSG_NEWTABLE:
	case NFT_MSG_DELTABLE:
	case NFT_MSG_NEWCHAIN:
	case NFT_MSG_DELCHAIN:
	case NFT_MSG_NEWRULE:
	case NFT_MSG_DELRULE:
	case NFT_MSG_DELSET:
	case NFT_MSG_DELSETELEM: /* new ones are made all the time by some programs, and harmless */
		return NETLINK_CHANGED_FIREWALL;
	default:
		return 0;
	}
}

static unsigned meaning(const struct watch *w, const struct nlmsghdr *h)
{
	switch (h->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		return link_changed(w, h);
	case RTM_NEWADDR:
	case RTM_DELADDR:
		return NETLINK_CHANGED_ADDRESS;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		return route_changed(w, h);
	case RTM_NEWRULE:
	case RTM_DELRULE:
		return NETLINK_CHANGED_RULE;
	case RTM_NEWNETCONF:
	case RTM_DELNETCONF:
		return setting_changed(h);
	default:
		return h->nlmsg_type >> 8 == NFNL_SUBSYS_NFTABLES ? firewall_changed(h) : 0;
	}
}

static unsigned read_socket(struct watch *w, struct mnl_socket *sk)
{
	static const size_t header = sizeof(struct nlmsghdr);
	char buffer[WATCH_BUFFER];
	unsigned changed = 0;

	for (int i = 0; i < WATCH_READS_MAX; i++) {
		ssize_t n = mnl_socket_recvfrom(sk, buffer, sizeof(buffer));
		const struct nlmsghdr *h = (const void *)buffer;
		int left = (int)n;

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n < 0) /* ENOBUFS: some were lost */
			return changed | NETLINK_CHANGED_UNKNOWN;
		for (; left >= (int)header && mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left))
			changed |= meaning(w, h);
	}
	return changed;
}

unsigned watch__read(struct watch *w)
{
	return read_socket(w, w->route) | read_socket(w, w->firewall);
}
