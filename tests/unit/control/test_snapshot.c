/* test_snapshot.c - a file and the kernel's facts become what the workers read. */
#include "sixgate/control/snapshot_build.h"
#include "test.h"
#include <errno.h>
#include <string.h>

static const char nat64_and_egress6[] = "interfaces: {inside: lan0, outside: wan0}\n"
					"nat64: {pool4: 198.51.100.10}\n"
					"egress6: {prefixes: inside}\n";

static struct addr addr(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static struct prefix prefix(const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(text, &p), 0);
	return p;
}

static struct config *parse(const char *text)
{
	struct config_errors *errors = calloc(1, sizeof(*errors));
	struct config *c = NULL;

	if (config_parse("test", text, strlen(text), &c, errors) != 0)
		fail_msg("%s", errors->error[0].text);
	free(errors);
	return c;
}

/* lan0 with two networks, wan0 with one of each family; a routed prefix and a unique local one. */
struct world {
	struct netlink_facts facts;
	struct netlink_local local[4];
	struct netlink_inside_prefix inside[4];
};

static void make_world(struct world *w)
{
	memset(w, 0, sizeof(*w));
	w->facts.interface[0] = (struct netlink_interface){ .name = "lan0", .inside = true, .present = true,
							    .up = true, .ifindex = 2, .mtu = 1500 };
	w->facts.interface[1] = (struct netlink_interface){ .name = "wan0", .outside = true, .present = true,
							    .up = true, .ifindex = 3, .mtu = 1400 };
	w->facts.n_interface = 2;
	w->local[0] = (struct netlink_local){ .addr = addr("fe80::1"), .ifindex = 2 };
	w->local[1] = (struct netlink_local){ .addr = addr("2001:db8:1::1"), .ifindex = 2 };
	w->local[2] = (struct netlink_local){ .addr = addr("192.0.2.2"), .ifindex = 3 };
	w->local[3] = (struct netlink_local){ .addr = addr("2001:db8:f::2"), .ifindex = 3 };
	w->facts.local = w->local;
	w->facts.n_local = 4;
	w->inside[0] = (struct netlink_inside_prefix){ .prefix = prefix("2001:db8:1::/64"), .on_link = true };
	w->inside[1] = (struct netlink_inside_prefix){ .prefix = prefix("2001:db8:100::/56") };
	w->inside[2] = (struct netlink_inside_prefix){ .prefix = prefix("fd00:1::/64"), .on_link = true,
						       .local = true };
	w->inside[3] = (struct netlink_inside_prefix){ .prefix = prefix("10.1.0.0/16"), .on_link = true };
	w->facts.inside = w->inside;
	w->facts.n_inside = 4;
	w->facts.has_shared = true;
	w->facts.shared_real = addr("192.0.2.2");
	w->facts.shared_alias = addr("192.0.0.6");
}

static const struct hash_key key = { { 1, 2, 3, 4, 5, 6, 7, 8 } };

static struct snapshot *build(const struct config *c, const struct netlink_facts *f,
			      const struct snapshot *running)
{
	const struct node_status up[4] = { { NODE_UP, 0, "" }, { NODE_UP, 0, "" }, { NODE_UP, 0, "" },
					   { NODE_UP, 0, "" } };
	const struct snapshot_input in = { .conf = c, .facts = f, .status = up, .running = running,
					   .key = &key, .n_workers = 2, .hops = 1 };
	struct snapshot *s = NULL;
	struct err e = { "" };

	if (snapshot_build(&s, &in, &e) != 0)
		fail_msg("%s", e.text);
	return s;
}

static bool holds(const struct snapshot *s, const char *text)
{
	struct prefix p = prefix(text);

	for (uint32_t i = 0; i < s->n_inside; i++)
		if (s->inside[i].len == p.len && addr_equal(&s->inside[i].addr, &p.addr))
			return true;
	return false;
}

static void a_static_entry_may_name_the_shared_address(void **state)
{
	struct config *c = parse("interfaces: {inside: lan0, outside: wan0}\n"
				 "nat64:\n"
				 "  pool4: {address: outside, ports: 9000-28999}\n"
				 "  static: [{protocol: tcp, inside: {address: 2001:db8:1::80, port: 443},\n"
				 "            outside: {address: 192.0.2.2, port: 9000}}]\n");
	struct world w;
	struct snapshot *s;

	(void)state;
	make_world(&w);
	s = build(c, &w.facts, NULL); /* fails where the entry is outside of pool4 */
	assert_true(nat64_claims_pool4(s->nat64, &w.facts.shared_alias));
	snapshot_free(s);
	config_free(c);
}

static void mtu_and_own_addresses_come_from_the_interfaces(void **state)
{
	struct config *c = parse(nat64_and_egress6);
	struct world w;
	struct snapshot *s;
	struct addr want;

	(void)state;
	make_world(&w);
	s = build(c, &w.facts, NULL);
	assert_int_equal(s->env.mtu[SIDE_INSIDE], 1500);
	assert_int_equal(s->env.mtu[SIDE_OUTSIDE], 1400);
	assert_int_equal(s->env.hops, 1);
	want = addr("2001:db8:1::1"); /* not the link-local one */
	assert_memory_equal(&s->env.own6[SIDE_INSIDE], &want, sizeof(want));
	want = addr("2001:db8:f::2");
	assert_memory_equal(&s->env.own6[SIDE_OUTSIDE], &want, sizeof(want));
	want = addr("198.51.100.10"); /* the host's own would be refused by the kernel */
	assert_memory_equal(&s->env.own4[SIDE_OUTSIDE], &want, sizeof(want));
	snapshot_free(s);
	config_free(c);
}

static void the_smallest_mtu_of_a_side_counts(void **state)
{
	struct config *c = parse(nat64_and_egress6);
	struct world w;
	struct snapshot *s;

	(void)state;
	make_world(&w);
	w.facts.interface[2] = w.facts.interface[0];
	w.facts.interface[2].mtu = 1280;
	w.facts.n_interface = 3;
	s = build(c, &w.facts, NULL);
	assert_int_equal(s->env.mtu[SIDE_INSIDE], 1280);
	snapshot_free(s);
	w.facts.interface[2].present = false; /* gone: it no longer counts */
	s = build(c, &w.facts, NULL);
	assert_int_equal(s->env.mtu[SIDE_INSIDE], 1500);
	snapshot_free(s);
	config_free(c);
}

static void egress6_follows_global_prefixes_and_bcp38_knows_all(void **state)
{
	struct config *c = parse(nat64_and_egress6);
	struct world w;
	struct snapshot *s;
	struct addr global, routed, local;

	(void)state;
	make_world(&w);
	global = addr("2001:db8:1::77");
	routed = addr("2001:db8:100:23::1");
	local = addr("fd00:1::5");
	s = build(c, &w.facts, NULL);
	assert_true(s->has_egress6);
	assert_true(egress6_claims(&s->egress6, &global));
	assert_true(egress6_claims(&s->egress6, &routed));
	assert_false(egress6_claims(&s->egress6, &local));
	assert_true(holds(s, "2001:db8:1::/64"));
	assert_true(holds(s, "fd00:1::/64"));
	assert_true(holds(s, "10.1.0.0/16"));
	assert_int_equal(s->n_inside, 4);
	snapshot_free(s);
	config_free(c);
}

static void subscribers_are_hosts_on_link_and_64s_behind_routers(void **state)
{
	struct config *c = parse(nat64_and_egress6);
	struct world w;
	struct snapshot *s;
	struct addr host, routed, got;

	(void)state;
	make_world(&w);
	s = build(c, &w.facts, NULL);
	host = addr("2001:db8:1::77");
	got = steering_subscriber(&s->steer, &host);
	assert_memory_equal(&got, &host, sizeof(got));
	host = addr("2001:db8:100:23::1");
	routed = addr("2001:db8:100:23::");
	got = steering_subscriber(&s->steer, &host);
	assert_memory_equal(&got, &routed, sizeof(got));
	snapshot_free(s);
	config_free(c);
}

/* A delegated /56 in the file, of which one /64 is on a link: the others are behind routers. */
static void a_prefix_of_the_file_is_on_link_only_where_an_interface_has_it(void **state)
{
	struct config *c = parse("interfaces: {inside: lan0, outside: wan0}\n"
				 "egress6: {prefixes: [2001:db8::/32]}\n");
	struct world w;
	struct snapshot *s;
	struct addr host, routed, got;

	(void)state;
	make_world(&w);
	s = build(c, &w.facts, NULL);
	host = addr("2001:db8:1::77");
	got = steering_subscriber(&s->steer, &host);
	assert_memory_equal(&got, &host, sizeof(got));
	host = addr("2001:db8:42:7::7");
	routed = addr("2001:db8:42:7::");
	got = steering_subscriber(&s->steer, &host);
	assert_memory_equal(&got, &routed, sizeof(got));
	snapshot_free(s);
	config_free(c);
}

static void prefixes_in_the_file_leave_no_room_for_others(void **state)
{
	struct config *c = parse("interfaces: {inside: lan0, outside: wan0}\n"
				 "egress6: {prefixes: [2001:db8:100::/56]}\n");
	struct world w;
	struct snapshot *s;

	(void)state;
	make_world(&w);
	s = build(c, &w.facts, NULL);
	assert_true(holds(s, "2001:db8:100::/56"));
	assert_false(holds(s, "2001:db8:1::/64")); /* BCP 38: not in the file */
	assert_true(holds(s, "10.1.0.0/16"));	   /* egress6 has no say in IPv4 */
	snapshot_free(s);
	config_free(c);
}

static void without_a_known_prefix_nobody_inside_may_send(void **state)
{
	struct config *c = parse(nat64_and_egress6);
	struct world w;
	struct snapshot *s;

	(void)state;
	make_world(&w);
	w.facts.n_inside = 0;
	s = build(c, &w.facts, NULL);
	assert_int_equal(s->n_inside, 1); /* 0 would switch the check off */
	assert_true(holds(s, "::/128"));
	snapshot_free(s);
	config_free(c);
}

static void a_shared_address_is_its_alias_in_the_data_plane(void **state)
{
	struct config *c = parse("interfaces: {inside: lan0, outside: wan0}\nnat64: {pool4: outside}\n");
	struct world w;
	struct snapshot *s;
	struct addr real, alias;

	(void)state;
	make_world(&w);
	real = w.facts.shared_real;
	alias = w.facts.shared_alias;
	s = build(c, &w.facts, NULL);
	assert_true(nat64_claims_pool4(s->nat64, &alias));
	assert_false(nat64_claims_pool4(s->nat64, &real));
	assert_memory_equal(&s->env.own4[SIDE_OUTSIDE], &alias, sizeof(alias));
	snapshot_free(s);
	config_free(c);
}

/* BCP 38: nothing but the prober itself, which no wire carries. */
static void services_probes_may_come_from_inside(void **state)
{
	struct config *c = parse("interfaces: {inside: lan0, outside: wan0}\n"
				 "services:\n  - name: s3\n    addresses: [198.51.100.20]\n    port: 9000\n"
				 "    nodes: [{name: a, address: 10.1.0.5}]\n");
	struct world w;
	struct snapshot *s;
	struct addr vip, want, probed;

	(void)state;
	make_world(&w);
	vip = addr("198.51.100.20");
	probed = services_probe_address(0, 0);
	want = services_probe_client();
	s = build(c, &w.facts, NULL);
	assert_true(services_claims_vip(s->services, &vip));
	assert_memory_equal(&s->env.own4[SIDE_OUTSIDE], &vip, sizeof(vip));
	assert_true(prefix_contains(&s->inside[0], &want));
	assert_int_equal(s->inside[0].len, 128);
	for (uint32_t i = 0; i < s->n_inside; i++)
		assert_false(prefix_contains(&s->inside[i], &probed));
	snapshot_free(s);
	config_free(c);
}

static struct netlink_inside_prefix many[STEER_PREFIXES_MAX + 1];

static void assert_room_for(const char *file, const char *first, unsigned octet, size_t most,
			    const char *said)
{
	static const struct node_status up = { .state = NODE_UP, .why = "" };
	struct config *c = parse(file);
	struct snapshot_input in = { .conf = c, .key = &key, .n_workers = 1, .status = &up };
	struct snapshot *s = NULL;
	struct err e = { "" };
	struct world w;

	make_world(&w);
	for (size_t i = 0; i < ARRAY_LEN(many); i++) {
		many[i] = (struct netlink_inside_prefix){ .prefix = prefix(first) };
		many[i].prefix.addr.octet[octet] = (uint8_t)i;
	}
	w.facts.inside = many;
	in.facts = &w.facts;
	for (w.facts.n_inside = most; w.facts.n_inside <= most + 1; w.facts.n_inside++) {
		bool fits = w.facts.n_inside == most;

		s = NULL;
		assert_int_equal(snapshot_build(&s, &in, &e), fits ? 0 : -ENOSPC);
		assert_true(fits ? s != NULL : strstr(e.text, said) != NULL);
		snapshot_free(s);
	}
	config_free(c);
}

static void more_prefixes_than_there_is_room_for_are_refused(void **state)
{
	(void)state;
	assert_room_for(nat64_and_egress6, "2001:db8:1::/64", 6, EGRESS6_PREFIXES_MAX,
			"egress6.prefixes");
	assert_room_for("interfaces: {inside: lan0, outside: wan0}\nnat64: {pool4: 198.51.100.10}\n",
			"2001:db8:1::/64", 6, STEER_PREFIXES_MAX, "inside prefixes");
}

/* As many prefixes as the file may have, beside those of the interfaces and our own. */
static void the_longest_list_of_prefixes_is_built(void **state)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	(void)state;
	fputs("interfaces: {inside: lan0, outside: wan0}\n"
	      "services: [{name: s, addresses: 198.51.100.20, port: 80, "
	      "nodes: [{name: n, address: 192.0.2.9}]}]\negress6: {prefixes: [", f);
	for (int i = 0; i < EGRESS6_PREFIXES_MAX; i++)
		fprintf(f, "%s2001:db8:%x::/48", i ? ", " : "", 0x100 + i);
	fputs("]}\n", f);
	fclose(f);
	assert_room_for(text, "10.0.0.0/24", 14, STEER_PREFIXES_MAX - EGRESS6_PREFIXES_MAX - 1,
			"inside prefixes");
	free(text);
}

static void a_replay_cannot_follow_interfaces(void **state)
{
	struct config *c = parse(nat64_and_egress6);
	const struct snapshot_input in = { .conf = c, .key = &key, .n_workers = 1, .hops = -1 };
	struct snapshot *s = NULL;
	struct err e = { "" };

	(void)state;
	assert_int_equal(snapshot_build(&s, &in, &e), -EINVAL);
	assert_non_null(strstr(e.text, "replay"));
	config_free(c);
}

static void a_rebuild_beside_the_running_one_leaves_it_alone(void **state)
{
	struct config *c = parse(nat64_and_egress6);
	struct world w;
	struct snapshot *first, *second;
	struct addr pool;

	(void)state;
	make_world(&w);
	pool = addr("198.51.100.10");
	first = build(c, &w.facts, NULL);
	w.facts.interface[1].mtu = 1280;
	second = build(c, &w.facts, first);
	assert_int_equal(first->env.mtu[SIDE_OUTSIDE], 1400);
	assert_int_equal(second->env.mtu[SIDE_OUTSIDE], 1280);
	snapshot_free(first);
	assert_true(nat64_claims_pool4(second->nat64, &pool)); /* nothing of the first is used */
	snapshot_free(second);
	config_free(c);
}

static void only_what_matters_to_workers_asks_for_a_new_snapshot(void **state)
{
	struct world a, b;

	(void)state;
	make_world(&a);
	make_world(&b);
	assert_false(snapshot_changes(&a.facts, &b.facts));
	b.facts.interface[1].up = false;
	assert_false(snapshot_changes(&a.facts, &b.facts));
	b.facts.interface[1].mtu = 1300;
	assert_true(snapshot_changes(&a.facts, &b.facts));
	make_world(&b);
	b.inside[1].prefix = prefix("2001:db8:200::/56");
	assert_true(snapshot_changes(&a.facts, &b.facts));
	make_world(&b);
	b.local[1].addr = addr("2001:db8:1::2");
	assert_true(snapshot_changes(&a.facts, &b.facts));
	make_world(&b);
	b.local[0].addr = addr("fe80::2");
	assert_false(snapshot_changes(&a.facts, &b.facts));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_static_entry_may_name_the_shared_address),
		cmocka_unit_test(mtu_and_own_addresses_come_from_the_interfaces),
		cmocka_unit_test(the_smallest_mtu_of_a_side_counts),
		cmocka_unit_test(egress6_follows_global_prefixes_and_bcp38_knows_all),
		cmocka_unit_test(subscribers_are_hosts_on_link_and_64s_behind_routers),
		cmocka_unit_test(a_prefix_of_the_file_is_on_link_only_where_an_interface_has_it),
		cmocka_unit_test(prefixes_in_the_file_leave_no_room_for_others),
		cmocka_unit_test(without_a_known_prefix_nobody_inside_may_send),
		cmocka_unit_test(a_shared_address_is_its_alias_in_the_data_plane),
		cmocka_unit_test(services_probes_may_come_from_inside),
		cmocka_unit_test(more_prefixes_than_there_is_room_for_are_refused),
		cmocka_unit_test(the_longest_list_of_prefixes_is_built),
		cmocka_unit_test(a_replay_cannot_follow_interfaces),
		cmocka_unit_test(a_rebuild_beside_the_running_one_leaves_it_alone),
		cmocka_unit_test(only_what_matters_to_workers_asks_for_a_new_snapshot),
	};

	return cmocka_run_group_tests_name("control/snapshot", tests, NULL, NULL);
}
