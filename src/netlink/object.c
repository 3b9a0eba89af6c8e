/* object.c - routes, rules, proxies and addresses as values: compare, list, read, print. */
#include "netlink_internal.h"
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include "sixgate/base/must.h"

#define ORDER(x, y)                                                                                \
	do {                                                                                       \
		if ((x) != (y))                                                                    \
			return (x) < (y) ? -1 : 1;                                                 \
	} while (0)

/* The order in which things are added: routes before the rules that lead to them, and among rules
 * the last one first, because the first ones jump to it. */
int object__compare(const struct netlink_object *a, const struct netlink_object *b)
{
	ORDER(a->kind, b->kind);
	ORDER(a->family, b->family);
	ORDER(b->preference, a->preference);
	ORDER(a->table, b->table);
	ORDER(a->target, b->target);
	ORDER(a->prefix.len, b->prefix.len);
	ORDER(addr_compare(&a->prefix.addr, &b->prefix.addr), 0);
	ORDER(a->type, b->type);
	ORDER(a->ifindex, b->ifindex);
	ORDER(a->ipproto, b->ipproto);
	ORDER(a->sport, b->sport);
	return strcmp(a->iif, b->iif);
}

void object__add(struct netlink_objects *list, const struct netlink_object *o)
{
	if (list->n == list->room) {
		size_t room = list->room ? 2 * list->room : 64;
		struct netlink_object *at = realloc(list->at, room * sizeof(*at));

		if (!at) {
			list->failed = true;
			return;
		}
		list->at = at;
		list->room = room;
	}
	list->at[list->n++] = *o;
}

static int compare_elements(const void *a, const void *b)
{
	return object__compare(a, b);
}

bool object__in(const struct netlink_object *o, const struct netlink_objects *list)
{
	return list->n && bsearch(o, list->at, list->n, sizeof(*list->at), compare_elements);
}

void objects__sort(struct netlink_objects *list)
{
	size_t n = 0;

	if (list->n == 0)
		return;
	qsort(list->at, list->n, sizeof(*list->at), compare_elements);
	for (size_t i = 0; i < list->n; i++)
		if (n == 0 || object__compare(&list->at[n - 1], &list->at[i]) != 0)
			list->at[n++] = list->at[i];
	list->n = n;
}

/* Lengths in our 16-byte form count the 96 bits in front of an IPv4 address. */
static bool read_prefix(const struct nlattr *a, uint8_t family, uint8_t len, struct prefix *out)
{
	static const uint8_t any[16];
	uint8_t base = family == AF_INET ? 96 : 0;

	if (len > 128 - base)
		return false;
	out->len = (uint8_t)(base + len);
	if (!a) {
		out->addr = family == AF_INET ? addr_from_v4(any) : addr_from_v6(any);
		return len == 0;
	}
	return dump__addr(a, family, &out->addr);
}

static bool parse_route(const struct nlmsghdr *h, struct netlink_object *o)
{
	const struct rtmsg *m = mnl_nlmsg_get_payload(h);
	const struct nlattr *tb[RTA_MAX + 1];

	if (m->rtm_protocol != NETLINK_PROTOCOL || m->rtm_flags & RTM_F_CLONED)
		return false;
	dump__attributes(h, sizeof(*m), tb, RTA_MAX);
	o->kind = NETLINK_KIND_ROUTE;
	o->family = m->rtm_family;
	o->type = m->rtm_type;
	o->table = tb[RTA_TABLE] ? mnl_attr_get_u32(tb[RTA_TABLE]) : m->rtm_table;
	/* The kernel reports `lo` for IPv6 routes that have no device. */
	if (tb[RTA_OIF] && o->type == RTN_UNICAST)
		o->ifindex = (int32_t)mnl_attr_get_u32(tb[RTA_OIF]);
	return read_prefix(tb[RTA_DST], m->rtm_family, m->rtm_dst_len, &o->prefix);
}

static bool parse_rule(const struct nlmsghdr *h, struct netlink_object *o)
{
	const struct fib_rule_hdr *m = mnl_nlmsg_get_payload(h);
	const struct nlattr *tb[FRA_MAX + 1];
	struct fib_rule_port_range sport;

	dump__attributes(h, sizeof(*m), tb, FRA_MAX);
	if (!tb[FRA_PROTOCOL] || mnl_attr_get_u8(tb[FRA_PROTOCOL]) != NETLINK_PROTOCOL)
		return false;
	o->kind = NETLINK_KIND_RULE;
	o->family = m->family;
	o->type = m->action;
	if (o->type == FR_ACT_TO_TBL)
		o->table = tb[FRA_TABLE] ? mnl_attr_get_u32(tb[FRA_TABLE]) : m->table;
	if (tb[FRA_PRIORITY])
		o->preference = mnl_attr_get_u32(tb[FRA_PRIORITY]);
	if (tb[FRA_GOTO])
		o->target = mnl_attr_get_u32(tb[FRA_GOTO]);
	if (tb[FRA_IP_PROTO])
		o->ipproto = mnl_attr_get_u8(tb[FRA_IP_PROTO]);
	if (tb[FRA_SPORT_RANGE] && mnl_attr_get_payload_len(tb[FRA_SPORT_RANGE]) == sizeof(sport)) {
		memcpy(&sport, mnl_attr_get_payload(tb[FRA_SPORT_RANGE]), sizeof(sport));
		o->sport = sport.start;
	}
	if (tb[FRA_IIFNAME])
		snprintf(o->iif, sizeof(o->iif), "%.*s",
			 (int)mnl_attr_get_payload_len(tb[FRA_IIFNAME]),
			 mnl_attr_get_str(tb[FRA_IIFNAME]));
	return read_prefix(tb[FRA_SRC], m->family, m->src_len, &o->prefix);
}

static bool parse_neighbour(const struct nlmsghdr *h, struct netlink_object *o)
{
	const struct ndmsg *m = mnl_nlmsg_get_payload(h);
	const struct nlattr *tb[NDA_MAX + 1];

	dump__attributes(h, sizeof(*m), tb, NDA_MAX);
	if (!(m->ndm_flags & NTF_PROXY) || !tb[NDA_DST] || !tb[NDA_PROTOCOL] ||
	    mnl_attr_get_u8(tb[NDA_PROTOCOL]) != NETLINK_PROTOCOL)
		return false;
	o->kind = NETLINK_KIND_PROXY;
	o->family = m->ndm_family;
	o->ifindex = m->ndm_ifindex;
	return read_prefix(tb[NDA_DST], o->family, o->family == AF_INET ? 32 : 128, &o->prefix);
}

static bool parse_address(const struct nlmsghdr *h, struct netlink_object *o)
{
	const struct ifaddrmsg *m = mnl_nlmsg_get_payload(h);
	const struct nlattr *tb[IFA_MAX + 1];
	const struct nlattr *a;

	dump__attributes(h, sizeof(*m), tb, IFA_MAX);
	a = tb[IFA_LOCAL] ? tb[IFA_LOCAL] : tb[IFA_ADDRESS];
	if (!a)
		return false;
	o->kind = NETLINK_KIND_ADDRESS;
	o->family = m->ifa_family;
	o->ifindex = (int32_t)m->ifa_index;
	return read_prefix(a, o->family, m->ifa_prefixlen, &o->prefix);
}

bool object__parse(const struct nlmsghdr *h, struct netlink_object *out)
{
	memset(out, 0, sizeof(*out));
	switch (h->nlmsg_type) {
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		return parse_route(h, out);
	case RTM_NEWRULE:
	case RTM_DELRULE:
		return parse_rule(h, out);
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		return parse_neighbour(h, out);
	case RTM_NEWADDR:
	case RTM_DELADDR:
		return parse_address(h, out);
	default:
		return false;
	}
}

static const char *device_name(int ifindex, char name[IF_NAMESIZE])
{
	if (!if_indextoname((unsigned)ifindex, name))
		snprintf(name, IF_NAMESIZE, "if%d", ifindex);
	return name;
}

static void format_rule(const struct netlink_object *o, const char *source, struct text *t)
{
	text__add(t, "rule pref %u", o->preference);
	if (o->iif[0])
		text__add(t, " iif %s", o->iif);
	if (o->prefix.len > (o->family == AF_INET ? 96 : 0))
		text__add(t, " from %s", source);
	if (o->ipproto)
		text__add(t, " ipproto %u", o->ipproto);
	if (o->sport)
		text__add(t, " sport %u", o->sport);
	if (o->type == FR_ACT_GOTO)
		text__add(t, " goto %u", o->target);
	else if (o->type == FR_ACT_NOP)
		text__add(t, " nop");
	else
		text__add(t, " lookup %u", o->table);
}

const char *netlink_object_format(const struct netlink_object *o, char text[NETLINK_OBJECT_TEXT_MAX])
{
	char prefix[PREFIX_TEXT_MAX], name[IF_NAMESIZE];
	struct text t = { 0 };

	prefix_format(&o->prefix, prefix);
	text__add(&t, "%s", o->family == AF_INET ? "-4 " : "-6 ");
	switch ((enum netlink_object_kind)o->kind) {
	case NETLINK_KIND_RULE:
		format_rule(o, prefix, &t);
		break;
	case NETLINK_KIND_ROUTE:
		text__add(&t, "route %s%s table %u", o->type == RTN_THROW ? "throw " : "", prefix,
			  o->table);
		if (o->ifindex)
			text__add(&t, " dev %s", device_name(o->ifindex, name));
		break;
	case NETLINK_KIND_PROXY:
		text__add(&t, "neigh proxy %s dev %s", prefix, device_name(o->ifindex, name));
		break;
	case NETLINK_KIND_ADDRESS:
		text__add(&t, "addr %s dev %s", prefix, device_name(o->ifindex, name));
		break;
	}
	snprintf(text, NETLINK_OBJECT_TEXT_MAX, "%s", t.at ? t.at : "");
	free(t.at);
	return text;
}
