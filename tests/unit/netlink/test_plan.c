/* test_plan.c - what must exist in the kernel, made from a configuration and facts. */
#include <linux/fib_rules.h>
#include <stdlib.h>
#include <string.h>
#include "sixgate/netlink/finding.h"
#include "world.h"
#include "sixgate/base/must.h"

/* Interfaces with these numbers do not exist where the test runs, so they print as if<n>. */
#define IN  "dev if10000"
#define OUT "dev if10001"

static struct world *start(void)
{
	struct world *w = malloc(sizeof(*w));

	must(w);
	world_init(w);
	w->facts.device[0].ifindex = 10000;
	w->facts.device[1].ifindex = 10001;
	return w;
}

static void end(struct world *w)
{
	world_fini(w);
	free(w);
}

static void our_own_output_jumps_over_our_rules(void **state)
{
	struct world *w = start();

	(void)state;
	world_plan(w);
	for (int v6 = 0; v6 < 2; v6++) {
		char text[NETLINK_OBJECT_TEXT_MAX];
		static const char *const rule[] = {
			"rule pref 6400 iif sixgate0 goto 6499", "rule pref 6400 iif sixgate0o goto 6499",
			"rule pref 6420 iif lan0 lookup 6464",   "rule pref 6430 iif wan0 lookup 6465",
			"rule pref 6440 iif lo lookup 6466",     "rule pref 6499 nop",
		};

		for (size_t i = 0; i < ARRAY_LEN(rule); i++) {
			snprintf(text, sizeof(text), "-%d %s", v6 ? 6 : 4, rule[i]);
			assert_true(world_has(w, text));
		}
	}
	assert_int_equal(world_count(w, "rule"), 12);
	end(w);
}

/* goto a rule that is not there yet is no jump: it has to be added first. */
static void the_rule_that_is_jumped_to_comes_first(void **state)
{
	struct world *w = start();
	size_t nop = 0, jump = 0;

	(void)state;
	world_plan(w);
	for (size_t i = 0; i < w->plan.objects.n; i++) {
		const struct netlink_object *o = &w->plan.objects.at[i];

		if (o->kind != NETLINK_KIND_RULE || o->family != 2)
			continue;
		if (o->type == FR_ACT_NOP)
			nop = i;
		if (o->type == FR_ACT_GOTO)
			jump = i;
	}
	assert_true(nop < jump);
	end(w);
}

static void pool_ranges_become_the_fewest_prefixes(void **state)
{
	static const struct {
		const char *first, *last;
		const char *prefixes[8];
	} row[] = {
		{ "198.51.100.10", "198.51.100.10", { "198.51.100.10/32" } },
		{ "198.51.100.0", "198.51.100.255", { "198.51.100.0/24" } },
		{ "198.51.100.1", "198.51.100.6",
		  { "198.51.100.1/32", "198.51.100.2/31", "198.51.100.4/31", "198.51.100.6/32" } },
		{ "198.51.100.255", "198.51.101.0", { "198.51.100.255/32", "198.51.101.0/32" } },
		{ "255.255.255.254", "255.255.255.255", { "255.255.255.254/31" } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct world *w = start();
		char text[NETLINK_OBJECT_TEXT_MAX];
		size_t n = 0;

		print_message("row %zu\n", i);
		world_pool(w, row[i].first, row[i].last);
		world_plan(w);
		for (; n < 8 && row[i].prefixes[n]; n++) {
			snprintf(text, sizeof(text), "-4 route %s table 6465 " OUT, row[i].prefixes[n]);
			assert_true(world_has(w, text));
		}
		assert_int_equal(world_count(w, "table 6465"), n);
		end(w);
	}
}

/* Law: the prefixes of a range hold each of its addresses once, and nothing else. */
static void prefixes_cover_a_range_exactly(void **state)
{
	const char *env = getenv("SIXGATE_TEST_SEED");
	uint32_t seed = env ? (uint32_t)strtoul(env, NULL, 0) : 20260301u;

	(void)state;
	print_message("SIXGATE_TEST_SEED=%u\n", seed);
	for (int round = 0; round < 300; round++) {
		struct world *w = start();
		char first[ADDR_TEXT_MAX], last[ADDR_TEXT_MAX];
		uint32_t at, end_of_range;
		struct addr a, b;
		uint64_t held = 0;

		seed = seed * 1664525u + 1013904223u;
		at = seed;
		seed = seed * 1664525u + 1013904223u;
		end_of_range = at + (seed >> 8 & 0xfff) < at ? at : at + (seed >> 8 & 0xfff);
		a = addr_from_ip4_host(at);
		b = addr_from_ip4_host(end_of_range);
		world_pool(w, addr_format(&a, first), addr_format(&b, last));
		world_plan(w);
		for (size_t i = 0; i < w->plan.objects.n; i++) {
			const struct netlink_object *o = &w->plan.objects.at[i];
			uint64_t size;

			if (o->kind != NETLINK_KIND_ROUTE || o->table != NETLINK_TABLE_OUTSIDE)
				continue;
			size = 1ull << (128 - o->prefix.len);
			held += size;
			assert_true(addr_ip4_host(&o->prefix.addr) >= at);
			assert_true(addr_ip4_host(&o->prefix.addr) + size - 1 <= end_of_range);
			assert_int_equal(addr_ip4_host(&o->prefix.addr) % size, 0);
		}
		assert_int_equal(held, (uint64_t)end_of_range - at + 1);
		end(w);
	}
}

static void each_role_is_led_to_its_device(void **state)
{
	struct world *w = start();
	struct service_conf *s;

	(void)state;
	world_pool(w, "203.0.113.1", "203.0.113.1");
	w->prefix[w->conf.nat64.n_prefix++] = world_prefix("64:ff9b::/96");
	s = world_service(w, "203.0.113.20");
	s->source_v6 = world_addr("2001:db8:64:21::");
	s->embed_prefix = world_prefix("2001:db8:64:20::/96");
	world_plan(w);
	assert_true(world_has(w, "-6 route 64:ff9b::/96 table 6464 " IN));
	assert_true(world_has(w, "-6 route 64:ff9b::/96 table 6465 " OUT));
	assert_true(world_has(w, "-6 route 64:ff9b::/96 table 6466 " IN));
	assert_true(world_has(w, "-4 route 203.0.113.1/32 table 6464 " IN));
	assert_true(world_has(w, "-4 route 203.0.113.1/32 table 6466 " OUT));
	assert_true(world_has(w, "-4 route 203.0.113.20/32 table 6465 " OUT));
	assert_true(world_has(w, "-4 route 203.0.113.20/32 table 6466 " IN));
	assert_true(world_has(w, "-6 route 2001:db8:64:21::/128 table 6464 " IN));
	assert_true(world_has(w, "-6 route 2001:db8:64:20::/96 table 6464 " IN));
	end(w);
}

static void rfc6052_1_3_networks_under_a_siit_prefix_are_reached_as_ipv4(void **state)
{
	static const struct {
		const char *prefix, *inside, *v4;
	} row[] = {
		{ "2001:db8::/32", "2001:db8:c000:200::/56", "192.0.2.0/24" },
		{ "2001:db8:100::/40", "2001:db8:1c0:2::/64", "192.0.2.0/24" },
		{ "2001:db8:100::/40", "2001:db8:1c0:2:20::/76", "192.0.2.32/28" },
		{ "2001:db8:122::/48", "2001:db8:122:c000::/64", "192.0.0.0/16" },
		{ "2001:db8:122:300::/56", "2001:db8:122:3c0::/72", "192.0.0.0/8" },
		{ "2001:db8:122:344::/64", "2001:db8:122:344:c0::/80", "192.0.0.0/8" },
		{ "2001:db8:122:344::/96", "2001:db8:122:344::c000:200/120", "192.0.2.0/24" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct world *w = start();
		char text[NETLINK_OBJECT_TEXT_MAX];

		world_siit(w, row[i].prefix);
		world_inside(w, row[i].inside);
		world_plan(w);
		snprintf(text, sizeof(text), "-4 route %s table 6465 " OUT, row[i].v4);
		assert_true(world_has(w, text));
		snprintf(text, sizeof(text), "-6 route %s table 6464 " IN, row[i].prefix);
		assert_true(world_has(w, text));
		for (int table = 6464; table <= 6466; table++) { /* what is for itself is main's */
			snprintf(text, sizeof(text), "-6 route throw %s table %d", row[i].inside, table);
			assert_true(world_has(w, text));
		}
		end(w);
	}
}

static void a_network_that_is_a_whole_prefix_is_all_of_ipv4_from_outside_only(void **state)
{
	struct world *w = start();

	(void)state;
	world_siit(w, "2001:db8:122:344::/64");
	world_inside(w, "2001:db8:122:344::/64");
	world_plan(w);
	assert_int_equal(world_count(w, "-4 route"), 1);
	assert_true(world_has(w, "-4 route 0.0.0.0/0 table 6465 " OUT));
	assert_int_equal(world_count(w, "throw"), 0);
	assert_true(world_has(w, "-6 route 2001:db8:122:344::/64 table 6464 " IN));
	assert_int_equal(world_count(w, "2001:db8:122:344::/64 table 6466"), 0);
	end(w);
}

static void mappings_are_led_to_us_but_not_from_their_own_networks(void **state)
{
	struct world *w = start();

	(void)state;
	world_siit(w, "2001:db8:100::/40");
	world_eam(w, "1.0.0.0/24", "2001:db8:3::/120");
	world_eam(w, "2.0.0.0/24", "2001:db8:4::/120");
	w->icmp4[w->conf.siit.n_icmp4_source++] = world_prefix("203.0.113.8");
	world_inside(w, "2001:db8:3::/64");
	world_plan(w);
	assert_true(world_has(w, "-4 route 1.0.0.0/24 table 6465 " OUT));
	assert_true(world_has(w, "-4 route 1.0.0.0/24 table 6466 " OUT));
	assert_int_equal(world_count(w, "2001:db8:3::/120"), 0);
	assert_true(world_has(w, "-6 route 2001:db8:4::/120 table 6464 " IN));
	assert_true(world_has(w, "-4 route 203.0.113.8/32 table 6466 " OUT)); /* the reverse path check */
	assert_string_equal(world_setting(w, "net/ipv4/conf/sixgate0o/accept_local"), "1");
	end(w);
}

static void mapped_addresses_on_a_link_are_answered_for(void **state)
{
	struct world *w = start();

	(void)state;
	world_siit(w, "2001:db8:100::/40");
	world_eam(w, "198.51.100.32/30", "2001:db8:3::/126");
	world_local(w, "198.51.100.1/24", 4000, "wan0");
	world_plan(w);
	assert_int_equal(world_count(w, "proxy"), 4);
	end(w);
}

static void rfc6877_all_ipv4_of_the_clats_hosts_comes_to_us(void **state)
{
	struct world *w = start();
	struct clat_conf *c = &w->conf.siit.clat;

	(void)state;
	w->conf.has_siit = w->conf.siit.has_clat = true;
	c->plat = world_prefix("64:ff9b::/96");
	c->source = world_prefix("2001:db8:464::/96");
	w->clat_hosts[c->n_hosts++] = world_prefix("192.168.0.0/24");
	world_inside(w, "192.168.0.0/24");
	world_plan(w);
	assert_true(world_has(w, "-4 rule pref 6415 iif lan0 from 192.168.0.0/24 lookup 6469"));
	assert_true(world_has(w, "-4 rule pref 6415 iif lo from 192.168.0.0/24 lookup 6469"));
	assert_int_equal(world_count(w, "rule pref 6415 iif wan0"), 0);
	assert_true(world_has(w, "-4 route 0.0.0.0/0 table 6469 " IN));
	assert_true(world_has(w, "-4 route throw 192.168.0.0/24 table 6469"));
	assert_true(world_has(w, "-4 route throw 224.0.0.0/4 table 6469"));
	assert_true(world_has(w, "-6 route 2001:db8:464::/96 table 6465 " OUT));
	end(w);
}

static bool is_told(struct world *w, const char *what)
{
	const struct netlink_input in = { .conf = &w->conf, .facts = &w->facts };
	struct netlink_finding found[NETLINK_FINDINGS_MAX];
	size_t n = netlink_findings(&in, &w->plan, found, NETLINK_FINDINGS_MAX);

	for (size_t i = 0; i < n; i++)
		if (strstr(found[i].text, what))
			return true;
	return false;
}

static void clat_without_a_way_to_its_provider_is_told(void **state)
{
	struct world *w = start();

	(void)state;
	w->conf.has_siit = w->conf.siit.has_clat = true;
	world_plan(w);
	assert_true(is_told(w, "no IPv6 default route: siit.clat"));
	w->facts.default_route[1] = true;
	assert_false(is_told(w, "siit.clat"));
	end(w);
}

static void replies_of_a_node_have_a_rule_on_each_interface(void **state)
{
	struct world *w = start();
	struct service_conf *s = world_service(w, "203.0.113.20");

	(void)state;
	w->node[s->n_node++] = (struct node_conf){ .address = world_addr("2001:db8:5::1") };
	w->node[s->n_node++] = (struct node_conf){ .address = world_addr("192.0.2.31"), .port = 80 };
	world_plan(w);
	assert_true(world_has(
		w, "-6 rule pref 6410 iif lan0 from 2001:db8:5::1/128 ipproto 6 sport 9000 lookup 6467"));
	assert_true(world_has(
		w, "-4 rule pref 6410 iif wan0 from 192.0.2.31/32 ipproto 6 sport 80 lookup 6468"));
	assert_true(world_has(w, "-4 route 0.0.0.0/0 table 6467 " IN));
	assert_true(world_has(w, "-6 route ::/0 table 6468 " OUT));
	end(w);
}

static void egress6_leaves_to_main_what_stays_inside(void **state)
{
	struct world *w = start();

	(void)state;
	w->conf.has_egress6 = w->conf.egress6.follow_inside = true;
	w->inside[w->facts.n_inside++] = (struct netlink_inside_prefix){
		.prefix = world_prefix("2001:db8:1::/64"), .on_link = true
	};
	w->inside[w->facts.n_inside++] = (struct netlink_inside_prefix){
		.prefix = world_prefix("fd00:1::/64"), .on_link = true, .local = true
	};
	world_route(w, "2001:db8:100::/56", 1, false);
	world_route(w, "2001:db8:100:ff::/64", 4000, true);
	world_route(w, "2001:db8:77::/64", 9, false); /* neither inside nor outside: a DMZ */
	world_plan(w);
	assert_true(world_has(w, "-6 route ::/0 table 6464 " IN));
	assert_true(world_has(w, "-6 route throw 2001:db8:1::/64 table 6464"));
	assert_true(world_has(w, "-6 route throw fe80::/10 table 6464"));
	assert_true(world_has(w, "-6 route throw ff00::/8 table 6464"));
	assert_true(world_has(w, "-6 route throw 2001:db8:100::/56 table 6464"));
	assert_true(world_has(w, "-6 route 2001:db8:100:ff::/64 table 6464 " IN));
	assert_true(world_has(w, "-6 route throw 2001:db8:77::/64 table 6464"));
	assert_true(world_has(w, "-6 route 2001:db8:1::/64 table 6465 " OUT));
	assert_int_equal(world_count(w, "fd00:1::"), 0);
	end(w);
}

static void what_is_led_to_us_wins_over_what_is_left_to_main(void **state)
{
	struct world *w = start();

	(void)state;
	w->conf.has_egress6 = true;
	w->prefix[w->conf.nat64.n_prefix++] = world_prefix("2001:db8:64::/96");
	w->conf.has_nat64 = true;
	world_route(w, "2001:db8:64::/96", 9, false);
	world_plan(w);
	assert_true(world_has(w, "-6 route 2001:db8:64::/96 table 6464 " IN));
	assert_int_equal(world_count(w, "throw 2001:db8:64::/96"), 0);
	end(w);
}

/* With one interface for both sides, what comes for the pool or a VIP comes from outside. */
static void one_armed_pool_addresses_are_outside(void **state)
{
	struct world *w = start();

	(void)state;
	strcpy(w->conf.interfaces.inside[0], "eth0");
	strcpy(w->conf.interfaces.outside[0], "eth0");
	w->facts.n_interface = 0;
	*world_interface(w, "eth0", 3) = (struct netlink_interface){
		.name = "eth0", .inside = true, .outside = true, .present = true, .ifindex = 3
	};
	world_pool(w, "203.0.113.1", "203.0.113.1");
	w->prefix[w->conf.nat64.n_prefix++] = world_prefix("64:ff9b::/96");
	world_service(w, "203.0.113.20")->source_v4 = world_addr("203.0.113.21");
	world_plan(w);
	assert_int_equal(world_count(w, "203.0.113.1/32 table 6464"), 0);
	assert_int_equal(world_count(w, "203.0.113.20/32 table 6464"), 0);
	assert_true(world_has(w, "-4 route 203.0.113.1/32 table 6465 " OUT));
	assert_true(world_has(w, "-4 route 203.0.113.21/32 table 6464 " IN));
	assert_true(world_has(w, "-6 route 64:ff9b::/96 table 6464 " IN));
	end(w);
}

static void addresses_on_a_link_are_answered_for(void **state)
{
	struct world *w = start();

	(void)state;
	world_local(w, "198.51.100.1/29", 4000, "wan0");
	world_local(w, "2001:db8:f::1/64", 4000, "wan0");
	world_pool(w, "198.51.100.2", "198.51.100.9"); /* .7 is the broadcast address, .8 elsewhere */
	world_service(w, "2001:db8:f::20");
	world_plan(w);
	assert_int_equal(world_count(w, "neigh proxy 198.51.100."), 5);
	assert_true(world_has(w, "-4 neigh proxy 198.51.100.6/32 dev if4000"));
	assert_true(world_has(w, "-6 neigh proxy 2001:db8:f::20/128 dev if4000"));
	assert_string_equal(world_setting(w, "net/ipv4/neigh/wan0/proxy_delay"), "0");
	assert_string_equal(world_setting(w, "net/ipv6/conf/wan0/proxy_ndp"), "1");
	assert_null(world_setting(w, "net/ipv6/conf/lan0/proxy_ndp"));
	end(w);
}

static void both_addresses_of_a_point_to_point_link_are_answered_for(void **state)
{
	struct world *w = start();

	(void)state;
	world_local(w, "198.51.100.1/31", 4000, "wan0");
	world_pool(w, "198.51.100.0", "198.51.100.0");
	world_plan(w);
	assert_true(world_has(w, "-4 neigh proxy 198.51.100.0/32 dev if4000"));
	end(w);
}

static void proxies_are_bounded(void **state)
{
	static const struct {
		const char *on_link, *last;
		bool fits;
	} row[] = { { "10.0.0.1/16", "10.0.31.255", true }, { "10.0.0.1/16", "10.0.32.0", false } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct world *w = start();

		print_message("row %zu\n", i);
		world_local(w, row[i].on_link, 4000, "wan0");
		world_pool(w, "10.0.16.0", row[i].last); /* 4096 addresses, and one more */
		world_plan(w);
		assert_int_equal(w->plan.conflict[0] == '\0', row[i].fits);
		if (row[i].fits)
			assert_int_equal(world_count(w, "neigh proxy"), NETLINK_PROXIES_MAX);
		else
			assert_non_null(strstr(w->plan.conflict, "routed to this host"));
		end(w);
	}
}

static void an_embed_prefix_on_a_link_is_refused(void **state)
{
	struct world *w = start();

	(void)state;
	world_local(w, "2001:db8:5::1/64", 3000, "lan0");
	world_service(w, "2001:db8:f::20")->embed_prefix = world_prefix("2001:db8:5:0:64::/96");
	world_plan(w);
	assert_non_null(strstr(w->plan.conflict, "services.embed-prefix: 2001:db8:5:0:64::/96 is on "
						 "the link of interface lan0"));
	end(w);
}

static void what_is_local_is_a_conflict_that_names_the_interface(void **state)
{
	static const struct {
		const char *local, *says;
	} row[] = {
		{ "203.0.113.5/24", "nat64.pool4: 203.0.113.5 is an address of this host, on interface "
				    "dummy7" },
		{ "2001:db8:f::20/64", "services.addresses: 2001:db8:f::20 is an address" },
		{ "64:ff9b::1/128", "nat64.prefix: 64:ff9b::1 is an address" },
		{ "203.0.113.21/32", "services.source: 203.0.113.21 is an address" },
		{ "203.0.113.200/24", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct world *w = start();

		print_message("row %zu\n", i);
		world_pool(w, "203.0.113.1", "203.0.113.10");
		w->prefix[w->conf.nat64.n_prefix++] = world_prefix("64:ff9b::/96");
		world_service(w, "2001:db8:f::20")->source_v4 = world_addr("203.0.113.21");
		world_local(w, row[i].local, 77, "dummy7");
		world_plan(w);
		assert_int_equal(strncmp(w->plan.conflict, row[i].says,
					 *row[i].says ? strlen(row[i].says) : 1), 0);
		end(w);
	}
}

static void the_shared_address_is_known_by_its_alias(void **state)
{
	struct world *w = start();

	(void)state;
	world_pool(w, "0.0.0.0", "0.0.0.0");
	w->pool4[0].outside = true;
	w->pool4[0].port_first = 10000;
	w->pool4[0].port_last = 29999;
	world_local(w, "198.51.100.1/24", 4000, "wan0");
	w->facts.has_shared = true;
	w->facts.shared_real = world_addr("198.51.100.1");
	world_plan(w);
	assert_true(world_has(w, "-4 route 192.0.0.6/32 table 6465 " OUT));
	assert_true(world_has(w, "-4 route 192.0.0.6/32 table 6466 " OUT));
	assert_int_equal(world_count(w, "table 6464"), 0);
	assert_string_equal(w->plan.conflict, "");
	assert_true(w->plan.shared.on);
	assert_int_equal(w->plan.shared.n_interface, 1);
	assert_string_equal(world_setting(w, "net/ipv4/ip_local_reserved_ports"), "10000-29999");
	end(w);
}

static void accept_ra_comes_before_forwarding(void **state)
{
	struct world *w = start();
	size_t ra = 0, forwarding = 0;

	(void)state;
	w->facts.interface[1].accept_ra = 1;
	world_plan(w);
	for (size_t i = 0; i < w->plan.sysctls.n; i++) {
		if (strcmp(w->plan.sysctls.at[i].path, "net/ipv6/conf/wan0/accept_ra") == 0)
			ra = i + 1;
		if (strcmp(w->plan.sysctls.at[i].path, "net/ipv6/conf/all/forwarding") == 0)
			forwarding = i + 1;
	}
	assert_true(ra && ra < forwarding);
	assert_string_equal(world_setting(w, "net/ipv6/conf/wan0/accept_ra"), "2");
	assert_null(world_setting(w, "net/ipv6/conf/lan0/accept_ra"));
	end(w);
}

/* 0: the operator, or a program of theirs, takes care of router advertisements. */
static void accept_ra_is_left_alone_where_it_is_off(void **state)
{
	struct world *w = start();

	(void)state;
	w->facts.interface[1].ra_default = true;
	world_plan(w);
	assert_null(world_setting(w, "net/ipv6/conf/wan0/accept_ra"));
	end(w);
}

/* It does not hear advertisements now, and must not begin to because of us. */
static void a_router_with_routes_of_its_own_stays_deaf(void **state)
{
	struct world *w = start();

	(void)state;
	w->facts.interface[1].accept_ra = 1;
	w->facts.interface[1].forwards = true;
	world_plan(w);
	assert_null(world_setting(w, "net/ipv6/conf/wan0/accept_ra"));
	end(w);
}

static void a_missing_interface_has_rules_but_no_settings(void **state)
{
	struct world *w = start();

	(void)state;
	w->facts.interface[1] = (struct netlink_interface){ .name = "wan0", .outside = true };
	world_plan(w);
	assert_true(world_has(w, "-6 rule pref 6430 iif wan0 lookup 6465"));
	assert_null(world_setting(w, "net/ipv4/conf/wan0/forwarding"));
	assert_string_equal(world_setting(w, "net/ipv4/conf/lan0/forwarding"), "1");
	end(w);
}

static void without_our_devices_no_route_leads_to_them(void **state)
{
	struct world *w = start();

	(void)state;
	w->facts.device[0].present = w->facts.device[1].present = false;
	world_pool(w, "203.0.113.1", "203.0.113.1");
	world_plan(w);
	assert_int_equal(world_count(w, "route"), 0);
	end(w);
}

static void manage_false_plans_nothing_but_the_devices(void **state)
{
	struct world *w = start();

	(void)state;
	w->conf.interfaces.manage = false;
	world_pool(w, "203.0.113.1", "203.0.113.1");
	world_plan(w);
	assert_int_equal(w->plan.objects.n, 0);
	assert_null(world_setting(w, "net/ipv6/conf/all/forwarding"));
	assert_string_equal(world_setting(w, "net/ipv4/conf/sixgate0o/rp_filter"), "0");
	end(w);
}

static void sources_are_not_looked_up_where_the_host_lets_us_do_without(void **state)
{
	struct world *w = start();

	(void)state;
	world_pool(w, "203.0.113.1", "203.0.113.1");
	world_plan(w);
	assert_string_equal(world_setting(w, "net/ipv4/conf/sixgate0/rp_filter"), "0");
	assert_string_equal(world_setting(w, "net/ipv4/conf/sixgate0/accept_local"), "1");
	netlink_plan_free(&w->plan);
	w->facts.reverse_path = 1;
	world_plan(w);
	assert_string_equal(world_setting(w, "net/ipv4/conf/sixgate0/rp_filter"), "2");
	end(w);
}

static void devices_out_of_our_group_are_set_up_again(void **state)
{
	struct world *w = start();
	struct netlink_interface *d = &w->facts.device[0];

	(void)state;
	d->up = true;
	d->mtu = 65535;
	d->group = 6400;
	world_plan(w);
	assert_true(w->plan.device[0].ready);
	netlink_plan_free(&w->plan);
	d->group = 0;
	world_plan(w);
	assert_false(w->plan.device[0].ready);
	end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sources_are_not_looked_up_where_the_host_lets_us_do_without),
		cmocka_unit_test(devices_out_of_our_group_are_set_up_again),
		cmocka_unit_test(our_own_output_jumps_over_our_rules),
		cmocka_unit_test(the_rule_that_is_jumped_to_comes_first),
		cmocka_unit_test(pool_ranges_become_the_fewest_prefixes),
		cmocka_unit_test(prefixes_cover_a_range_exactly),
		cmocka_unit_test(each_role_is_led_to_its_device),
		cmocka_unit_test(rfc6052_1_3_networks_under_a_siit_prefix_are_reached_as_ipv4),
		cmocka_unit_test(a_network_that_is_a_whole_prefix_is_all_of_ipv4_from_outside_only),
		cmocka_unit_test(mappings_are_led_to_us_but_not_from_their_own_networks),
		cmocka_unit_test(mapped_addresses_on_a_link_are_answered_for),
		cmocka_unit_test(clat_without_a_way_to_its_provider_is_told),
		cmocka_unit_test(rfc6877_all_ipv4_of_the_clats_hosts_comes_to_us),
		cmocka_unit_test(replies_of_a_node_have_a_rule_on_each_interface),
		cmocka_unit_test(egress6_leaves_to_main_what_stays_inside),
		cmocka_unit_test(what_is_led_to_us_wins_over_what_is_left_to_main),
		cmocka_unit_test(one_armed_pool_addresses_are_outside),
		cmocka_unit_test(addresses_on_a_link_are_answered_for),
		cmocka_unit_test(both_addresses_of_a_point_to_point_link_are_answered_for),
		cmocka_unit_test(proxies_are_bounded),
		cmocka_unit_test(an_embed_prefix_on_a_link_is_refused),
		cmocka_unit_test(what_is_local_is_a_conflict_that_names_the_interface),
		cmocka_unit_test(the_shared_address_is_known_by_its_alias),
		cmocka_unit_test(accept_ra_comes_before_forwarding),
		cmocka_unit_test(accept_ra_is_left_alone_where_it_is_off),
		cmocka_unit_test(a_router_with_routes_of_its_own_stays_deaf),
		cmocka_unit_test(a_missing_interface_has_rules_but_no_settings),
		cmocka_unit_test(without_our_devices_no_route_leads_to_them),
		cmocka_unit_test(manage_false_plans_nothing_but_the_devices),
	};

	return cmocka_run_group_tests_name("netlink/plan", tests, NULL, NULL);
}
