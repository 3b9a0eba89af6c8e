/* test_guard_text.c - the guard as nft commands: what is guarded, and between whom. */
#include <stdlib.h>
#include <string.h>
#include "world.h"
#include "sixgate/base/must.h"

static char *text_of(const struct world *w)
{
	char *text = guard_text(&w->conf);

	assert_non_null(text);
	return text;
}

static bool has(const char *text, const char *part)
{
	return strstr(text, part) != NULL;
}

static void what_we_own_is_guarded_in_its_family(void **state)
{
	static struct world w;
	struct service_conf *s;
	char *text;

	(void)state;
	world_init(&w);
	world_pool(&w, "203.0.113.1", "203.0.113.9");
	world_pool(&w, "203.0.113.77", "203.0.113.77");
	w.prefix[w.conf.nat64.n_prefix++] = world_prefix("64:ff9b::/96");
	s = world_service(&w, "203.0.113.20");
	s->address[s->n_address++] = world_addr("2001:db8:f::20");
	s->source_v4 = world_addr("203.0.113.21");
	s->embed_prefix = world_prefix("2001:db8:64:20::/96");
	text = text_of(&w);
	assert_true(has(text, "elements = { 203.0.113.1-203.0.113.9, 203.0.113.77, 203.0.113.20, "
			      "203.0.113.21 }"));
	assert_true(has(text, "elements = { 64:ff9b::/96, 2001:db8:f::20, 2001:db8:64:20::/96 }"));
	assert_true(has(text, "iifname @inside oifname @outside jump touched"));
	assert_true(has(text, "iifname @outside oifname @inside jump touched"));
	assert_false(has(text, "meta nfproto ipv6 drop"));
	free(text);
}

static void rfc8215_5_the_rest_of_the_local_use_block_does_not_leave(void **state)
{
	static struct world w;
	char *text;

	(void)state;
	world_init(&w);
	world_pool(&w, "203.0.113.1", "203.0.113.9");
	w.prefix[w.conf.nat64.n_prefix++] = world_prefix("64:ff9b:1:abcd::/96");
	text = text_of(&w);
	assert_true(has(text, "elements = { 64:ff9b:1:abcd::/96, 64:ff9b:1::/48 }"));
	free(text);
}

static void nothing_goes_past_siit_but_native_ipv6_of_mapped_hosts(void **state)
{
	static struct world w;
	char *text;

	(void)state;
	world_init(&w);
	world_siit(&w, "2001:db8:100::/40");
	world_eam(&w, "1.0.0.0/24", "2001:db8:3::/120");
	w.icmp4[w.conf.siit.n_icmp4_source++] = world_prefix("203.0.113.8");
	w.conf.siit.has_clat = true;
	w.conf.siit.clat.source = world_prefix("2001:db8:464::/96");
	text = text_of(&w);
	assert_true(has(text, "elements = { 1.0.0.0/24, 203.0.113.8/32 }"));
	assert_true(has(text, "elements = { 2001:db8:464::/96 }"));
	assert_true(has(text, "iifname @inside oifname @outside ip6 daddr 2001:db8:100::/40 drop"));
	assert_true(has(text, "iifname @outside oifname @inside ip6 saddr 2001:db8:100::/40 drop"));
	assert_false(has(text, "2001:db8:3::"));
	free(text);
}

static void a_followed_prefix_guards_all_of_ipv6(void **state)
{
	static struct world w;
	char *text;

	(void)state;
	world_init(&w);
	w.conf.has_egress6 = w.conf.egress6.follow_inside = true;
	text = text_of(&w);
	assert_true(has(text, "iifname @inside oifname @outside meta nfproto ipv6 drop"));
	assert_true(has(text, "iifname @outside oifname @inside meta nfproto ipv6 drop"));
	free(text);
}

/* BCP 38: with egress6, all IPv6 from inside is ours to judge, whatever its source. */
static void a_fixed_prefix_guards_itself_inward_and_everything_outward(void **state)
{
	static struct world w;
	char *text;

	(void)state;
	world_init(&w);
	w.conf.has_egress6 = true;
	w.prefix[4] = world_prefix("2001:db8:1::/56");
	w.conf.egress6.n_prefix = 1;
	text = text_of(&w);
	assert_true(has(text, "elements = { 2001:db8:1::/56 }") ||
		    has(text, "elements = { 2001:db8:1::/56"));
	assert_true(has(text, "iifname @inside oifname @outside meta nfproto ipv6 drop"));
	assert_false(has(text, "iifname @outside oifname @inside meta nfproto ipv6 drop"));
	free(text);
}

static void the_shared_address_itself_is_the_hosts_too(void **state)
{
	static struct world w;
	char *text;

	(void)state;
	world_init(&w);
	world_pool(&w, "0.0.0.0", "0.0.0.0");
	w.pool4[0].outside = true;
	text = text_of(&w);
	assert_false(has(text, "0.0.0.0,"));
	assert_false(has(text, "auto-merge\n\t\telements"));
	assert_true(has(text, "ip daddr 192.0.0.0/29 oifname != \"sixgate0o\" drop"));
	assert_true(has(text, "ip saddr 192.0.0.0/29 iifname != \"sixgate0o\" drop"));
	free(text);
}

/* BCP 38: nobody on a wire poses as our health checks. */
static void addresses_of_probes_are_dropped_on_real_interfaces(void **state)
{
	static struct world w;
	const char *chain;
	char *text;

	(void)state;
	world_init(&w);
	text = text_of(&w);
	assert_true(has(text, "delete chain inet sixgate probes\n"));
	assert_false(has(text, "fd53:"));
	free(text);
	world_service(&w, "203.0.113.20");
	text = text_of(&w);
	assert_false(has(text, "delete chain"));
	assert_true(has(text, "type filter hook prerouting priority -310; policy accept;\n"));
	chain = strstr(text, "flush table");
	assert_non_null(chain);
	assert_true(has(chain, "\tchain probes {\n"
			       "\t\tip6 saddr fd53:6978:6761:7465::/64 "
			       "iifname != \"lo\" iifname != \"sixgate0\" iifname != \"sixgate0o\" drop\n"
			       "\t\tip6 daddr fd53:6978:6761:7465::/64 "
			       "ip6 daddr != fd53:6978:6761:7465::2 "
			       "iifname != \"lo\" iifname != \"sixgate0\" iifname != \"sixgate0o\" drop\n\t}\n"));
	free(text);
}

static void what_crosses_our_devices_is_no_business_of_the_other_rules(void **state)
{
	static struct world w;
	const char *chain, *own;
	char *text;

	(void)state;
	world_init(&w);
	world_pool(&w, "0.0.0.0", "0.0.0.0");
	w.pool4[0].outside = true;
	text = text_of(&w);
	assert_true(has(text, "chain written {\n\t\toifgroup 6400 counter name looped drop\n\t}\n"));
	chain = strstr(text, "chain guard {");
	assert_non_null(chain);
	own = strstr(chain, "\t\tiifgroup 6400 goto written\n\t\toifgroup 6400 accept\n");
	assert_non_null(own);
	assert_true(strstr(chain, "192.0.0.0/29") < own);
	assert_null(strstr(own, "192.0.0.0/29"));
	assert_true(has(own, "jump touched"));
	free(text);
}

static void rules_are_replaced_in_the_chains_that_are_there(void **state)
{
	static struct world w;
	const char *flush, *rules;
	char *text;

	(void)state;
	world_init(&w);
	text = text_of(&w);
	assert_false(has(text, "delete table"));
	flush = strstr(text, "flush table inet sixgate\n");
	rules = strstr(text, "iifgroup");
	assert_true(strstr(text, "hook forward") < flush && flush < rules);
	assert_true(has(text, "delete chain inet sixgate probes\n"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_we_own_is_guarded_in_its_family),
		cmocka_unit_test(rfc8215_5_the_rest_of_the_local_use_block_does_not_leave),
		cmocka_unit_test(nothing_goes_past_siit_but_native_ipv6_of_mapped_hosts),
		cmocka_unit_test(a_followed_prefix_guards_all_of_ipv6),
		cmocka_unit_test(a_fixed_prefix_guards_itself_inward_and_everything_outward),
		cmocka_unit_test(the_shared_address_itself_is_the_hosts_too),
		cmocka_unit_test(addresses_of_probes_are_dropped_on_real_interfaces),
		cmocka_unit_test(what_crosses_our_devices_is_no_business_of_the_other_rules),
		cmocka_unit_test(rules_are_replaced_in_the_chains_that_are_there),
	};

	return cmocka_run_group_tests_name("netlink/guard_text", tests, NULL, NULL);
}
