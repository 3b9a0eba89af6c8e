/* test_claims.c - what the XDP program takes is what the plan's routes lead to us. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <cmocka.h>
#include "sixgate/base/must.h"
#include "sixgate/netlink/hops.h"

static struct prefix prefix(const char *text)
{
	struct prefix p;

	must(prefix_parse(text, &p) == 0);
	return p;
}

static struct netlink_object route(uint32_t table, const char *to, uint8_t type)
{
	return (struct netlink_object){ .kind = NETLINK_KIND_ROUTE, .table = table,
					.prefix = prefix(to), .type = type };
}

static struct netlink_object node_rule(uint32_t table, const char *from, uint16_t sport)
{
	return (struct netlink_object){ .kind = NETLINK_KIND_RULE, .table = table, .type = FR_ACT_TO_TBL,
					.preference = NETLINK_RULE_NODES, .prefix = prefix(from),
					.ipproto = 6, .sport = sport };
}

/* The way of @text on @side by the last claim for exactly this prefix; -1: none. */
static int way_of(const struct netlink_claims *c, const char *text, uint8_t side)
{
	const struct prefix p = prefix(text);
	int way = -1;

	for (size_t i = 0; i < c->all.n_claim; i++) {
		const struct xdp_claim_conf *k = &c->all.claim[i];

		if (k->side == side && k->prefix.len == p.len && addr_equal(&k->prefix.addr, &p.addr))
			way = k->way;
	}
	return way;
}

static void claims_are_the_routes_of_the_two_sides(void **state)
{
	struct netlink_object objects[] = {
		route(NETLINK_TABLE_INSIDE, "64:ff9b::/96", RTN_UNICAST),
		route(NETLINK_TABLE_INSIDE, "::/0", RTN_UNICAST),
		route(NETLINK_TABLE_INSIDE, "2001:db8:1::/64", RTN_THROW),
		route(NETLINK_TABLE_OUTSIDE, "198.51.100.10", RTN_UNICAST),
		route(NETLINK_TABLE_HOST, "203.0.113.0/24", RTN_UNICAST),
		node_rule(NETLINK_TABLE_NODES_OUTSIDE, "192.0.2.31", 9000),
	};
	struct netlink_local local = { .addr = prefix("198.51.100.1").addr };
	struct netlink_facts facts = { .local = &local, .n_local = 1 };
	const struct prefix probe = prefix("2001:db8:ffff::/96");
	const struct netlink_input in = { .facts = &facts, .probe = &probe };
	struct netlink_plan plan = { .objects = { .at = objects, .n = ARRAY_LEN(objects) } };
	struct netlink_claims c;

	(void)state;
	assert_int_equal(netlink_claims_build(&in, &plan, &c), 0);
	assert_int_equal(way_of(&c, "64:ff9b::/96", SIDE_INSIDE), XDP_TO_US);
	assert_int_equal(way_of(&c, "64:ff9b::/96", SIDE_OUTSIDE), -1);
	assert_int_equal(way_of(&c, "::/0", SIDE_INSIDE), XDP_TO_US);
	assert_int_equal(way_of(&c, "2001:db8:1::/64", SIDE_INSIDE), XDP_TO_KERNEL);
	assert_int_equal(way_of(&c, "198.51.100.10", SIDE_OUTSIDE), XDP_TO_US);
	assert_int_equal(way_of(&c, "203.0.113.0/24", SIDE_INSIDE), -1); /* the host's own traffic */
	assert_int_equal(way_of(&c, "203.0.113.0/24", SIDE_OUTSIDE), -1);
	assert_int_equal(c.all.n_replier, 1);
	assert_int_equal(c.all.replier[0].side, SIDE_OUTSIDE);
	assert_int_equal(be16_to(c.all.replier[0].port), 9000);
	assert_int_equal(c.all.probe.len, 96);
	netlink_claims_free(&c);
}

static void an_ipv6_default_holds_no_ipv4(void **state)
{
	struct netlink_object objects[] = { route(NETLINK_TABLE_INSIDE, "::/0", RTN_UNICAST),
					    route(NETLINK_TABLE_OUTSIDE, "0.0.0.0/0", RTN_UNICAST) };
	struct netlink_facts facts = { .n_local = 0 };
	const struct netlink_input in = { .facts = &facts };
	struct netlink_plan plan = { .objects = { .at = objects, .n = ARRAY_LEN(objects) } };
	struct netlink_claims c;

	(void)state;
	assert_int_equal(netlink_claims_build(&in, &plan, &c), 0);
	assert_int_equal(way_of(&c, "0.0.0.0/0", SIDE_INSIDE), XDP_TO_KERNEL);
	assert_int_equal(way_of(&c, "0.0.0.0/0", SIDE_OUTSIDE), XDP_TO_US);
	netlink_claims_free(&c);
}

static void the_hosts_own_addresses_are_nobody_elses(void **state)
{
	struct netlink_object objects[] = { route(NETLINK_TABLE_INSIDE, "2001:db8::1", RTN_UNICAST) };
	struct netlink_local local = { .addr = prefix("2001:db8::1").addr };
	struct netlink_facts facts = { .local = &local, .n_local = 1 };
	const struct netlink_input in = { .facts = &facts };
	struct netlink_plan plan = { .objects = { .at = objects, .n = 1 } };
	struct netlink_claims c;

	(void)state;
	assert_int_equal(netlink_claims_build(&in, &plan, &c), 0);
	assert_int_equal(way_of(&c, "2001:db8::1", SIDE_INSIDE), XDP_TO_HOST);
	assert_int_equal(way_of(&c, "2001:db8::1", SIDE_OUTSIDE), XDP_TO_HOST);
	netlink_claims_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(claims_are_the_routes_of_the_two_sides),
		cmocka_unit_test(an_ipv6_default_holds_no_ipv4),
		cmocka_unit_test(the_hosts_own_addresses_are_nobody_elses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
