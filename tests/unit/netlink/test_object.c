/* test_object.c - objects as values, and the messages of the kernel that they are read from. */
#include <linux/fib_rules.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include "netlink_internal.h"
#include "world.h"

static struct netlink_object route(const char *prefix, uint32_t table, int ifindex)
{
	struct netlink_object o = { .kind = NETLINK_KIND_ROUTE, .type = RTN_UNICAST };

	o.prefix = world_prefix(prefix);
	o.family = prefix_is_v4(&o.prefix) ? AF_INET : AF_INET6;
	o.table = table;
	o.ifindex = ifindex;
	return o;
}

static void sorting_leaves_each_object_once(void **state)
{
	struct netlink_objects list = { 0 };
	struct netlink_object a = route("203.0.113.0/24", 1, 2), b = route("2001:db8::/32", 1, 2);

	(void)state;
	for (int i = 0; i < 100; i++) {
		object__add(&list, i % 2 ? &a : &b);
		object__add(&list, i % 3 ? &b : &a);
	}
	objects__sort(&list);
	assert_int_equal(list.n, 2);
	assert_true(object__in(&a, &list));
	a.ifindex = 3;
	assert_false(object__in(&a, &list));
	free(list.at);
}

/* Every field that the kernel can differ in makes another object. */
static void each_field_tells_two_objects_apart(void **state)
{
	const struct netlink_object base = route("203.0.113.0/24", 1, 2);
	struct netlink_object o[10];

	(void)state;
	for (size_t i = 0; i < 10; i++)
		o[i] = base;
	o[0].kind = NETLINK_KIND_PROXY;
	o[1].family = AF_INET6;
	o[2].type = RTN_THROW;
	o[3].ipproto = 6;
	o[4].sport = 80;
	o[5].ifindex = 9;
	o[6].table = 9;
	o[7].preference = 9;
	o[8].prefix = world_prefix("203.0.113.0/25");
	strcpy(o[9].iif, "x");
	for (size_t i = 0; i < 10; i++) {
		print_message("row %zu\n", i);
		assert_int_not_equal(object__compare(&base, &o[i]), 0);
		assert_int_equal(object__compare(&base, &o[i]) < 0, object__compare(&o[i], &base) > 0);
	}
	assert_int_equal(object__compare(&base, &base), 0);
}

static struct nlmsghdr *begin(char *buffer, uint16_t type, const void *header, size_t size)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);

	h->nlmsg_type = type;
	memcpy(mnl_nlmsg_put_extra_header(h, size), header, size);
	return h;
}

static void only_routes_of_our_protocol_are_ours(void **state)
{
	static const uint8_t dst[4] = { 203, 0, 113, 0 };
	struct rtmsg m = { .rtm_family = AF_INET, .rtm_dst_len = 24, .rtm_table = RT_TABLE_UNSPEC,
			   .rtm_protocol = NETLINK_PROTOCOL, .rtm_type = RTN_UNICAST };
	_Alignas(8) char buffer[512];
	struct netlink_object o;
	struct nlmsghdr *h;

	(void)state;
	for (int ours = 0; ours < 2; ours++) {
		m.rtm_protocol = ours ? NETLINK_PROTOCOL : RTPROT_STATIC;
		h = begin(buffer, RTM_NEWROUTE, &m, sizeof(m));
		mnl_attr_put(h, RTA_DST, 4, dst);
		mnl_attr_put_u32(h, RTA_TABLE, 6464);
		mnl_attr_put_u32(h, RTA_OIF, 7);
		assert_int_equal(object__parse(h, &o), ours);
	}
	assert_int_equal(object__compare(&o, &(struct netlink_object){
		.kind = NETLINK_KIND_ROUTE, .family = AF_INET, .type = RTN_UNICAST, .ifindex = 7,
		.table = 6464, .prefix = world_prefix("203.0.113.0/24") }), 0);
}

/* The kernel says that an IPv6 throw route has the loopback device. */
static void a_throw_route_has_no_device(void **state)
{
	struct rtmsg m = { .rtm_family = AF_INET6, .rtm_dst_len = 0, .rtm_table = 5,
			   .rtm_protocol = NETLINK_PROTOCOL, .rtm_type = RTN_THROW };
	_Alignas(8) char buffer[512];
	struct netlink_object o;
	struct nlmsghdr *h = begin(buffer, RTM_NEWROUTE, &m, sizeof(m));

	(void)state;
	mnl_attr_put_u32(h, RTA_OIF, 1);
	assert_true(object__parse(h, &o));
	assert_int_equal(o.ifindex, 0);
	assert_int_equal(o.table, 5);
	assert_int_equal(o.prefix.len, 0);
}

static void rules_are_read_with_all_they_match(void **state)
{
	static const uint8_t src[4] = { 192, 0, 2, 31 };
	const struct fib_rule_hdr m = { .family = AF_INET, .src_len = 32, .action = FR_ACT_TO_TBL };
	const struct fib_rule_port_range sport = { 9000, 9000 };
	_Alignas(8) char buffer[512];
	char text[NETLINK_OBJECT_TEXT_MAX];
	struct netlink_object o;
	struct nlmsghdr *h = begin(buffer, RTM_NEWRULE, &m, sizeof(m));

	(void)state;
	mnl_attr_put_u32(h, FRA_PRIORITY, 6410);
	mnl_attr_put_u32(h, FRA_TABLE, 6467);
	mnl_attr_put(h, FRA_SRC, 4, src);
	mnl_attr_put_strz(h, FRA_IIFNAME, "lan0");
	mnl_attr_put_u8(h, FRA_IP_PROTO, 6);
	mnl_attr_put(h, FRA_SPORT_RANGE, sizeof(sport), &sport);
	assert_false(object__parse(h, &o)); /* nobody's */
	mnl_attr_put_u8(h, FRA_PROTOCOL, NETLINK_PROTOCOL);
	assert_true(object__parse(h, &o));
	assert_string_equal(netlink_object_format(&o, text),
			    "-4 rule pref 6410 iif lan0 from 192.0.2.31/32 ipproto 6 sport 9000 "
			    "lookup 6467");
}

static void only_proxies_of_our_protocol_are_ours(void **state)
{
	static const uint8_t dst[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 };
	struct ndmsg m = { .ndm_family = AF_INET6, .ndm_ifindex = 4, .ndm_flags = NTF_PROXY };
	_Alignas(8) char buffer[512];
	struct netlink_object o;
	struct nlmsghdr *h = begin(buffer, RTM_NEWNEIGH, &m, sizeof(m));

	(void)state;
	mnl_attr_put(h, NDA_DST, 16, dst);
	assert_false(object__parse(h, &o));
	mnl_attr_put_u8(h, NDA_PROTOCOL, NETLINK_PROTOCOL);
	assert_true(object__parse(h, &o));
	assert_int_equal(o.prefix.len, 128);
	m.ndm_flags = 0;
	h = begin(buffer, RTM_NEWNEIGH, &m, sizeof(m));
	mnl_attr_put(h, NDA_DST, 16, dst);
	mnl_attr_put_u8(h, NDA_PROTOCOL, NETLINK_PROTOCOL);
	assert_false(object__parse(h, &o));
}

static void addresses_of_a_wrong_length_are_refused(void **state)
{
	struct rtmsg m = { .rtm_family = AF_INET, .rtm_dst_len = 24, .rtm_protocol = NETLINK_PROTOCOL,
			   .rtm_type = RTN_UNICAST };
	_Alignas(8) char buffer[512];
	struct netlink_object o;
	struct nlmsghdr *h = begin(buffer, RTM_NEWROUTE, &m, sizeof(m));

	(void)state;
	mnl_attr_put(h, RTA_DST, 3, "abc");
	assert_false(object__parse(h, &o));
	m.rtm_dst_len = 33;
	h = begin(buffer, RTM_NEWROUTE, &m, sizeof(m));
	mnl_attr_put(h, RTA_DST, 4, "abcd");
	assert_false(object__parse(h, &o));
}

/* ---- the host's rules as text ---- */

struct seen {
	char text[512];
	unsigned n_rules, n_chains;
};

static void note_rule(const struct ruleset_rule *r, void *arg)
{
	struct seen *s = arg;
	size_t at = strlen(s->text);

	s->n_rules++;
	snprintf(s->text + at, sizeof(s->text) - at, "%s/%s/%s/%s/%s;", r->family, r->table, r->chain,
		 r->hook, r->text);
}

static void note_chain(const struct ruleset_rule *r, void *arg)
{
	struct seen *s = arg;
	size_t at = strlen(s->text);

	s->n_chains++;
	snprintf(s->text + at, sizeof(s->text) - at, "end %s %d;", r->chain, r->policy_drop);
}

static void rules_are_found_with_their_place(void **state)
{
	static const char listing[] = "table inet fw {\n"
				      "\tset s {\n"
				      "\t\ttype ipv4_addr\n"
				      "\t\telements = { 1.2.3.4,\n"
				      "\t\t\t     1.2.3.5 }\n"
				      "\t}\n"
				      "\n"
				      "\tchain in {\n"
				      "\t\ttype filter hook forward priority 0; policy drop;\n"
				      "\t\tiifname { \"a\", \"b\" } accept\n"
				      "\t}\n"
				      "\n"
				      "\tchain other {\n"
				      "\t\treject\n"
				      "\t}\n"
				      "}\n"
				      "table ip nat {\n"
				      "\tchain post {\n"
				      "\t\ttype nat hook postrouting priority 100; policy accept;\n"
				      "\t\tmasquerade\n"
				      "\t}\n"
				      "}\n";
	char copy[sizeof(listing)];
	struct seen s = { .n_rules = 0 };
	const struct ruleset_walk w = { note_rule, note_chain, &s };

	(void)state;
	memcpy(copy, listing, sizeof(listing));
	ruleset__walk(copy, &w);
	assert_string_equal(s.text, "inet/fw/in/forward/iifname { \"a\", \"b\" } accept;end in 1;"
				    "inet/fw/other//reject;end other 0;"
				    "ip/nat/post/postrouting/masquerade;end post 0;");
	assert_memory_equal(copy, listing, sizeof(listing)); /* and can be walked over again */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sorting_leaves_each_object_once),
		cmocka_unit_test(each_field_tells_two_objects_apart),
		cmocka_unit_test(only_routes_of_our_protocol_are_ours),
		cmocka_unit_test(a_throw_route_has_no_device),
		cmocka_unit_test(rules_are_read_with_all_they_match),
		cmocka_unit_test(only_proxies_of_our_protocol_are_ours),
		cmocka_unit_test(addresses_of_a_wrong_length_are_refused),
		cmocka_unit_test(rules_are_found_with_their_place),
	};

	return cmocka_run_group_tests_name("netlink/object", tests, NULL, NULL);
}
