/* test_eam.c - explicit address mappings: the RFC's own, longest match, suffixes, RFC 6052 last. */
#include "fixture.h"
#include "rfc7757.h"

static struct section section;

static struct siit_table *rfc_table(void)
{
	section_init(&section);
	for (size_t i = 0; i < ARRAY_LEN(rfc7757_table); i++)
		add_eam(&section, rfc7757_table[i].v4, rfc7757_table[i].v6);
	return table_of(&section);
}

static void maps_to6(const struct siit_table *t, const char *v4, enum siit_method how, const char *v6)
{
	struct addr from = address(v4), to;

	assert_int_equal(siit_to6(t, &from, &to), how);
	if (how != SIIT_UNMAPPED)
		assert_addr(&to, v6);
}

static void maps_to4(const struct siit_table *t, const char *v6, enum siit_method how, const char *v4)
{
	struct addr from = address(v6), to;

	assert_int_equal(siit_to4(t, &from, &to), how);
	if (how != SIIT_UNMAPPED)
		assert_addr(&to, v4);
}

static void rfc7757_3_3_the_rfcs_addresses_in_both_directions(void **state)
{
	struct siit_table *t = rfc_table();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rfc7757_address); i++) {
		maps_to6(t, rfc7757_address[i].v4, SIIT_BY_EAM, rfc7757_address[i].v6);
		maps_to4(t, rfc7757_address[i].v6, SIIT_BY_EAM, rfc7757_address[i].v4);
	}
	siit_table_free(t);
}

static void rfc7757_3_3_what_no_mapping_has_is_not_mapped(void **state)
{
	static const char *const v4[] = { "192.0.2.0", "192.0.2.3", "192.0.2.15", "192.0.2.32",
					  "192.0.2.127", "192.0.2.200", "192.0.2.226", "0.0.0.0",
					  "255.255.255.255" };
	static const char *const v6[] = { "2001:db8:aaaa::1", "2001:db8:bbbb::a", "2001:db8:cccc::10",
					  "2001:db8:dddd:1::", "2001:db8:eeee:c::", "64:ff9b::2", "::" };
	struct siit_table *t = rfc_table();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(v4); i++)
		maps_to6(t, v4[i], SIIT_UNMAPPED, NULL);
	for (size_t i = 0; i < ARRAY_LEN(v6); i++)
		maps_to4(t, v6[i], SIIT_UNMAPPED, NULL);
	siit_table_free(t);
}

static void rfc7757_3_3_2_longer_ipv6_suffixes_are_ignored(void **state)
{
	struct siit_table *t = rfc_table();

	(void)state;
	maps_to4(t, "2001:db8:dddd:0:6000::1", SIIT_BY_EAM, "192.0.2.152");
	maps_to4(t, "2001:db8:dddd:0:63ff:ffff:ffff:ffff", SIIT_BY_EAM, "192.0.2.152");
	maps_to4(t, "2001:db8:eeee:8:8000::7", SIIT_BY_EAM, "192.0.2.193");
	siit_table_free(t);
}

static void rfc7757_3_3_1_the_longest_match_wins_both_ways(void **state)
{
	struct siit_table *t;

	(void)state;
	section_init(&section);
	add_eam(&section, "10.0.0.0/8", "2001:db8:1::/104");
	add_eam(&section, "10.1.0.0/16", "2001:db8:2::/112");
	add_eam(&section, "10.1.2.0/24", "2001:db8:3::/120");
	add_eam(&section, "10.1.2.3", "2001:db8:1::5");
	add_eam(&section, "10.9.0.0/16", "2001:db8:4::/112");
	t = table_of(&section);
	maps_to6(t, "10.1.2.3", SIIT_BY_EAM, "2001:db8:1::5");
	maps_to6(t, "10.1.2.4", SIIT_BY_EAM, "2001:db8:3::4");
	maps_to6(t, "10.1.3.4", SIIT_BY_EAM, "2001:db8:2::304");
	maps_to6(t, "10.8.255.255", SIIT_BY_EAM, "2001:db8:1::8:ffff");
	maps_to6(t, "10.255.255.255", SIIT_BY_EAM, "2001:db8:1::ff:ffff");
	maps_to6(t, "10.9.0.1", SIIT_BY_EAM, "2001:db8:4::1");
	maps_to4(t, "2001:db8:1::5", SIIT_BY_EAM, "10.1.2.3");
	maps_to4(t, "2001:db8:1::6", SIIT_BY_EAM, "10.0.0.6");
	siit_table_free(t);
}

static void rfc7757_3_3_explicit_mappings_are_tried_before_rfc6052(void **state)
{
	struct siit_table *t;

	(void)state;
	section_init(&section);
	add_prefix(&section, "2001:db8:100::/40");
	add_prefix(&section, "2001:db8:9::/96");
	add_eam(&section, "192.0.2.0/24", "2001:db8:1c0:2:8000::/120");
	t = table_of(&section);
	maps_to6(t, "192.0.2.33", SIIT_BY_EAM, "2001:db8:1c0:2:8000::21");
	maps_to6(t, "198.51.100.2", SIIT_BY_PREFIX, "2001:db8:1c6:3364:2::");
	maps_to4(t, "2001:db8:1c0:2:8000::21", SIIT_BY_EAM, "192.0.2.33");
	maps_to4(t, "2001:db8:1c0:2:22::", SIIT_BY_PREFIX, "192.0.2.34");
	maps_to4(t, "2001:db8:9::c633:6402", SIIT_BY_PREFIX, "198.51.100.2"); /* any of the prefixes */
	maps_to4(t, "2001:db8:a::1", SIIT_UNMAPPED, NULL);
	siit_table_free(t);
}

static void rfc7757_3_2_whole_families_can_be_mapped(void **state)
{
	struct siit_table *t;

	(void)state;
	section_init(&section);
	add_eam(&section, "0.0.0.0/0", "2001:db8::/96");
	t = table_of(&section);
	maps_to6(t, "203.0.113.9", SIIT_BY_EAM, "2001:db8::cb00:7109");
	maps_to4(t, "2001:db8::cb00:7109", SIIT_BY_EAM, "203.0.113.9");
	siit_table_free(t);
}

static void an_empty_table_maps_nothing(void **state)
{
	struct siit_table *t;

	(void)state;
	section_init(&section);
	add_clat(&section, "64:ff9b::/96", "2001:db8:464::/96", "192.168.0.0/24");
	t = table_of(&section);
	maps_to6(t, "192.0.2.1", SIIT_UNMAPPED, NULL);
	maps_to4(t, "64:ff9b::1", SIIT_UNMAPPED, NULL);
	siit_table_free(t);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc7757_3_3_the_rfcs_addresses_in_both_directions),
		cmocka_unit_test(rfc7757_3_3_what_no_mapping_has_is_not_mapped),
		cmocka_unit_test(rfc7757_3_3_2_longer_ipv6_suffixes_are_ignored),
		cmocka_unit_test(rfc7757_3_3_1_the_longest_match_wins_both_ways),
		cmocka_unit_test(rfc7757_3_3_explicit_mappings_are_tried_before_rfc6052),
		cmocka_unit_test(rfc7757_3_2_whole_families_can_be_mapped),
		cmocka_unit_test(an_empty_table_maps_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
