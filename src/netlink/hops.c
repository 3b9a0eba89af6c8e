/*
 * hops.c - the kernel's routes and neighbours, through libmnl, as the data plane reads them.
 *
 * Everything that is not plainly one next hop on one of our interfaces is marked as the kernel's: of a
 * packet that takes the kernel's way nothing is lost but time.
 */
#include "sixgate/netlink/hops.h"
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include "netlink_internal.h"
#include "sixgate/base/must.h"

enum { WATCH_BUFFER = 65536, WATCH_QUEUE = 4 << 20, READS_MAX = 1024 };

/** struct reading - @metric: of each route, the lowest of a prefix counts; @foreign: rules that are
 *  neither the kernel's own nor ours */
struct reading {
	const struct netlink_facts *facts;
	struct hops_parts parts;
	uint32_t *metric;
	size_t route_room, neighbour_room;
	bool failed, foreign, too_many;
};

static uint8_t interface_of(const struct reading *x, int ifindex)
{
	for (uint32_t i = 0; i < x->parts.n_interface; i++)
		if (x->parts.interface[i].ifindex == ifindex)
			return (uint8_t)i;
	return HOPS_BY_KERNEL;
}

static bool grow(struct reading *x, void **at, size_t n, size_t *room, size_t size)
{
	size_t want = *room ? 2 * *room : 64;
	void *more;

	if (n < *room)
		return true;
	more = realloc(*at, want * size);
	if (!more) {
		x->failed = true;
		return false;
	}
	*at = more;
	*room = want;
	return true;
}

static void add_route(struct reading *x, const struct hops_route *r, uint32_t metric)
{
	size_t room = x->route_room;
	void *at = x->parts.route, *metrics = x->metric;

	if (x->parts.n_route == HOPS_ROUTES_MAX) {
		x->too_many = true;
		return;
	}
	if (!grow(x, &metrics, x->parts.n_route, &room, sizeof(*x->metric)))
		return;
	x->metric = metrics;
	if (!grow(x, &at, x->parts.n_route, &x->route_room, sizeof(*r)))
		return;
	x->parts.route = at;
	x->metric[x->parts.n_route] = metric;
	x->parts.route[x->parts.n_route++] = *r;
}

/* ---- interfaces ---- */

static void add_interfaces(struct reading *x)
{
	for (size_t i = 0; i < x->facts->n_interface; i++) {
		const struct netlink_interface *n = &x->facts->interface[i];
		struct hops_interface *h = &x->parts.interface[x->parts.n_interface];

		if (!n->present || !n->up || n->type != ARPHRD_ETHER)
			continue;
		h->ifindex = n->ifindex;
		h->mtu = n->mtu;
		memcpy(h->mac, n->mac, sizeof(h->mac));
		x->parts.n_interface++;
	}
}

/* ---- routes ---- */

static int read_metric(const struct nlattr *a, void *arg)
{
	struct hops_route *r = arg;

	if (mnl_attr_get_type(a) == RTAX_MTU && mnl_attr_get_payload_len(a) >= 4)
		r->mtu = (uint16_t)(mnl_attr_get_u32(a) > UINT16_MAX ? 0 : mnl_attr_get_u32(a));
	return MNL_CB_OK;
}

/* Return: the interface when the route has one plain next hop, whose gateway goes into @via. */
static uint8_t read_next_hop(const struct reading *x, const struct rtmsg *m,
			     const struct nlattr *const *tb, struct addr *via)
{
	const struct nlattr *plain = tb[RTA_GATEWAY];

	if (m->rtm_type != RTN_UNICAST || !tb[RTA_OIF] || tb[RTA_MULTIPATH] || tb[RTA_ENCAP] ||
	    m->rtm_flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN))
		return HOPS_BY_KERNEL;
	if (plain && !dump__addr(plain, m->rtm_family, via))
		return HOPS_BY_KERNEL;
	if (tb[RTA_VIA]) { /* IPv4 by an IPv6 gateway (RFC 5549) */
		const struct rtvia *v = mnl_attr_get_payload(tb[RTA_VIA]);

		if (v->rtvia_family != AF_INET6 || mnl_attr_get_payload_len(tb[RTA_VIA]) < 18)
			return HOPS_BY_KERNEL;
		*via = addr_from_v6(v->rtvia_addr);
	}
	return interface_of(x, (int)mnl_attr_get_u32(tb[RTA_OIF]));
}

static int read_route(const struct nlmsghdr *h, void *arg)
{
	const struct rtmsg *m = mnl_nlmsg_get_payload(h);
	const struct nlattr *tb[RTA_MAX + 1];
	const uint8_t base = m->rtm_family == AF_INET ? 96 : 0;
	struct hops_route r = { .prefix = { .len = (uint8_t)(base + m->rtm_dst_len) } };

	if (h->nlmsg_type != RTM_NEWROUTE || m->rtm_flags & RTM_F_CLONED)
		return MNL_CB_OK;
	dump__attributes(h, sizeof(*m), tb, RTA_MAX);
	if ((tb[RTA_TABLE] ? mnl_attr_get_u32(tb[RTA_TABLE]) : m->rtm_table) != RT_TABLE_MAIN)
		return MNL_CB_OK;
	if (base)
		r.prefix.addr.octet[10] = r.prefix.addr.octet[11] = 0xff;
	if (m->rtm_dst_len && (!tb[RTA_DST] || !dump__addr(tb[RTA_DST], m->rtm_family, &r.prefix.addr)))
		return MNL_CB_OK;
	r.interface = read_next_hop(arg, m, tb, &r.via);
	if (m->rtm_src_len || m->rtm_tos)
		r.interface = HOPS_BY_KERNEL;
	if (tb[RTA_METRICS])
		mnl_attr_parse_nested(tb[RTA_METRICS], read_metric, &r);
	add_route(arg, &r, tb[RTA_PRIORITY] ? mnl_attr_get_u32(tb[RTA_PRIORITY]) : 0);
	return MNL_CB_OK;
}

static void add_local(struct reading *x)
{
	for (size_t i = 0; i < x->facts->n_local; i++) {
		const struct hops_route r = { .prefix = { .addr = x->facts->local[i].addr, .len = 128 },
					      .interface = HOPS_BY_KERNEL };

		add_route(x, &r, 0);
	}
}

/** struct ranked - a route and what decides between two for one prefix */
struct ranked {
	struct hops_route route;
	uint32_t metric, at;
};

static int compare_ranked(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->metric != y->metric)
		return x->metric < y->metric ? -1 : 1;
	return (x->at > y->at) - (x->at < y->at);
}

/* hops_pack() takes the first of a prefix: local addresses have come first, then by metric. */
static void rank_routes(struct reading *x)
{
	const uint32_t n = x->parts.n_route;
	struct ranked *r = calloc(n + 1, sizeof(*r));

	if (!r) {
		x->failed = true;
		return;
	}
	for (uint32_t i = 0; i < n; i++)
		r[i] = (struct ranked){ .route = x->parts.route[i], .metric = x->metric[i], .at = i };
	qsort(r, n, sizeof(*r), compare_ranked);
	for (uint32_t i = 0; i < n; i++)
		x->parts.route[i] = r[i].route;
	free(r);
}

/* ---- rules ---- */

static bool is_kernels_own(const struct fib_rule_hdr *m, uint32_t table, bool selects)
{
	return m->action == FR_ACT_TO_TBL && !m->src_len && !m->dst_len && !selects &&
	       (table == RT_TABLE_MAIN || table == RT_TABLE_LOCAL || table == RT_TABLE_DEFAULT);
}

static int read_rule(const struct nlmsghdr *h, void *arg)
{
	const struct fib_rule_hdr *m = mnl_nlmsg_get_payload(h);
	const struct nlattr *tb[FRA_MAX + 1];
	struct reading *x = arg;
	uint32_t table;
	bool ours;

	if (h->nlmsg_type != RTM_NEWRULE)
		return MNL_CB_OK;
	dump__attributes(h, sizeof(*m), tb, FRA_MAX);
	table = tb[FRA_TABLE] ? mnl_attr_get_u32(tb[FRA_TABLE]) : m->table;
	ours = tb[FRA_PROTOCOL] && mnl_attr_get_u8(tb[FRA_PROTOCOL]) == NETLINK_PROTOCOL;
	if (!ours && table != RT_TABLE_DEFAULT &&
	    !is_kernels_own(m, table, tb[FRA_FWMARK] || tb[FRA_IIFNAME] || tb[FRA_OIFNAME]))
		x->foreign = true;
	return MNL_CB_OK;
}

/* ---- neighbours ---- */

static int read_neighbour(const struct nlmsghdr *h, void *arg)
{
	static const uint16_t known = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT;
	const struct ndmsg *m = mnl_nlmsg_get_payload(h);
	const struct nlattr *tb[NDA_MAX + 1];
	struct reading *x = arg;
	struct hops_neighbour n = { .interface = interface_of(x, m->ndm_ifindex) };
	void *at = x->parts.neighbour;

	if (h->nlmsg_type != RTM_NEWNEIGH || n.interface == HOPS_BY_KERNEL || !(m->ndm_state & known) ||
	    m->ndm_flags & NTF_PROXY || (m->ndm_family != AF_INET && m->ndm_family != AF_INET6))
		return MNL_CB_OK;
	dump__attributes(h, sizeof(*m), tb, NDA_MAX);
	if (!tb[NDA_DST] || !tb[NDA_LLADDR] || mnl_attr_get_payload_len(tb[NDA_LLADDR]) != 6 ||
	    !dump__addr(tb[NDA_DST], m->ndm_family, &n.addr) ||
	    x->parts.n_neighbour == HOPS_NEIGHBOURS_MAX)
		return MNL_CB_OK;
	memcpy(n.mac, mnl_attr_get_payload(tb[NDA_LLADDR]), sizeof(n.mac));
	if (!grow(x, &at, x->parts.n_neighbour, &x->neighbour_room, sizeof(n)))
		return MNL_CB_OK;
	x->parts.neighbour = at;
	x->parts.neighbour[x->parts.n_neighbour++] = n;
	return MNL_CB_OK;
}

/* ---- the whole ---- */

static void restart(void *arg)
{
	(void)arg; /* what is read twice is in the table twice, and the first counts */
}

static int dump_all(struct reading *x, struct err *e)
{
	static const struct {
		uint16_t type;
		uint8_t family;
		mnl_cb_t cb;
	} list[] = {
		{ RTM_GETROUTE, AF_INET, read_route }, { RTM_GETROUTE, AF_INET6, read_route },
		{ RTM_GETRULE, AF_INET, read_rule },   { RTM_GETRULE, AF_INET6, read_rule },
		{ RTM_GETNEIGH, AF_UNSPEC, read_neighbour },
	};

	for (size_t i = 0; i < ARRAY_LEN(list); i++) {
		struct dump__request q = { .bus = NETLINK_ROUTE, .type = list[i].type,
					   .family = list[i].family, .cb = list[i].cb,
					   .restart = restart, .arg = x };
		int rc = dump__run(&q);

		if (rc)
			return err_set(e, rc, "cannot read routes and neighbours: %s", strerror(-rc));
	}
	return x->failed ? err_set(e, -ENOMEM, "out of memory") : 0;
}

int netlink_hops_read(const struct netlink_facts *facts, struct hops **out, struct err *e)
{
	struct reading x = { .facts = facts };
	int rc;

	add_interfaces(&x);
	add_local(&x);
	rc = dump_all(&x, e);
	x.parts.none = x.foreign  ? HOPS_NONE_FOR_RULES :
		       x.too_many ? HOPS_NONE_FOR_ROUTES :
				    HOPS_HERE;
	if (rc == 0)
		rank_routes(&x);
	if (x.parts.none != HOPS_HERE)
		x.parts.n_route = 0;
	if (rc == 0) {
		*out = hops_pack(&x.parts);
		if (!*out || x.failed)
			rc = err_set(e, -ENOMEM, "out of memory");
	}
	free(x.parts.route);
	free(x.parts.neighbour);
	free(x.metric);
	return rc;
}

/* ---- neighbours in use ---- */

/** struct refreshing - @at: messages, one behind the other */
struct refreshing {
	struct reading reading;
	const uint8_t *marks;
	uint8_t *at;
	size_t len, room;
};

static void put_use(struct refreshing *r, const struct ndmsg *m, const struct nlattr *address)
{
	uint8_t buffer[128] = { 0 };
	struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);
	struct ndmsg *n = mnl_nlmsg_put_extra_header(h, sizeof(*n));
	size_t room = r->room;
	void *at = r->at;

	h->nlmsg_type = RTM_NEWNEIGH;
	h->nlmsg_flags = NLM_F_REQUEST;
	n->ndm_family = m->ndm_family;
	n->ndm_ifindex = m->ndm_ifindex;
	n->ndm_flags = NTF_USE;
	n->ndm_state = NUD_NONE;
	mnl_attr_put(h, NDA_DST, mnl_attr_get_payload_len(address), mnl_attr_get_payload(address));
	if (!grow(&r->reading, &at, r->len + h->nlmsg_len, &room, 1))
		return;
	r->at = at;
	r->room = room;
	memcpy(r->at + r->len, buffer, h->nlmsg_len);
	r->len += h->nlmsg_len;
}

static int find_stale(const struct nlmsghdr *h, void *arg)
{
	const struct ndmsg *m = mnl_nlmsg_get_payload(h);
	const struct nlattr *tb[NDA_MAX + 1];
	struct refreshing *r = arg;
	struct addr a;

	if (h->nlmsg_type != RTM_NEWNEIGH || !(m->ndm_state & NUD_STALE) ||
	    interface_of(&r->reading, m->ndm_ifindex) == HOPS_BY_KERNEL)
		return MNL_CB_OK;
	dump__attributes(h, sizeof(*m), tb, NDA_MAX);
	if (tb[NDA_DST] && dump__addr(tb[NDA_DST], m->ndm_family, &a) &&
	    r->marks[hops_mark(&a, m->ndm_ifindex)])
		put_use(r, m, tb[NDA_DST]);
	return MNL_CB_OK;
}

/* Nobody waits for answers: what has gone meanwhile is no error. */
static int send_messages(const uint8_t *at, size_t len)
{
	struct mnl_socket *sk = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int rc = 0;

	if (!sk || mnl_socket_bind(sk, 0, MNL_SOCKET_AUTOPID) < 0)
		rc = -errno;
	while (rc == 0 && len) {
		const struct nlmsghdr *h = (const void *)at;

		if (mnl_socket_sendto(sk, h, h->nlmsg_len) < 0)
			rc = -errno;
		at += h->nlmsg_len;
		len -= h->nlmsg_len;
	}
	if (sk)
		mnl_socket_close(sk);
	return rc;
}

int netlink_hops_refresh(const struct netlink_facts *facts, const uint8_t *marks, struct err *e)
{
	struct refreshing r = { .reading = { .facts = facts }, .marks = marks };
	struct dump__request q = { .bus = NETLINK_ROUTE, .type = RTM_GETNEIGH, .family = AF_UNSPEC,
				   .cb = find_stale, .restart = restart, .arg = &r };
	int rc;

	add_interfaces(&r.reading);
	rc = dump__run(&q);
	if (rc == 0 && r.len)
		rc = send_messages(r.at, r.len);
	free(r.at);
	return rc ? err_set(e, rc, "refreshing neighbours: %s", strerror(-rc)) : 0;
}

/* ---- changes ---- */

struct netlink_hops_watch {
	struct mnl_socket *socket;
};

int netlink_hops_watch_new(struct netlink_hops_watch **out, struct err *e)
{
	static const int group[] = { RTNLGRP_NEIGH,	 RTNLGRP_LINK,	     RTNLGRP_IPV4_ROUTE,
				     RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE,  RTNLGRP_IPV6_RULE,
				     RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR };
	struct netlink_hops_watch *w = calloc(1, sizeof(*w));
	int bytes = WATCH_QUEUE, rc = 0;

	if (!w)
		return err_set(e, -ENOMEM, "out of memory");
	w->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!w->socket || mnl_socket_bind(w->socket, 0, MNL_SOCKET_AUTOPID) < 0)
		rc = -errno;
	if (rc == 0)
		setsockopt(mnl_socket_get_fd(w->socket), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	for (size_t i = 0; i < ARRAY_LEN(group) && rc == 0; i++) {
		int g = group[i];

		if (mnl_socket_setsockopt(w->socket, NETLINK_ADD_MEMBERSHIP, &g, sizeof(g)) < 0)
			rc = -errno;
	}
	if (rc) {
		netlink_hops_watch_free(w);
		return err_set(e, rc, "cannot watch routes and neighbours: %s", strerror(-rc));
	}
	*out = w;
	return 0;
}

void netlink_hops_watch_free(struct netlink_hops_watch *w)
{
	if (w && w->socket)
		mnl_socket_close(w->socket);
	free(w);
}

int netlink_hops_watch_fd(const struct netlink_hops_watch *w)
{
	return mnl_socket_get_fd(w->socket);
}

bool netlink_hops_watch_read(struct netlink_hops_watch *w)
{
	char buffer[WATCH_BUFFER];
	bool any = false;

	for (int i = 0; i < READS_MAX; i++) {
		ssize_t n = mnl_socket_recvfrom(w->socket, buffer, sizeof(buffer));

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		any = true; /* ENOBUFS too: something was lost */
		if (n < 0)
			break;
	}
	return any;
}
