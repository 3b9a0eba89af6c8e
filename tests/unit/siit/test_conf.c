/* test_conf.c - which sections `siit:` can be, and what is said of those that cannot. */
#include "fixture.h"

static struct section section;

static void refused(const char *part)
{
	struct err e = { "" };

	assert_int_equal(siit_conf_check(&section.conf, &e), -EINVAL);
	if (!strstr(e.text, part))
		fail_msg("\"%s\" does not say \"%s\"", e.text, part);
}

static void accepted(void)
{
	struct err e = { "" };

	if (siit_conf_check(&section.conf, &e))
		fail_msg("%s", e.text);
}

static void something_to_translate_is_needed(void **state)
{
	(void)state;
	section_init(&section);
	refused("siit.prefix");
	add_prefix(&section, "2001:db8:100::/40");
	accepted();
}

static void rfc6052_2_2_any_of_the_six_lengths(void **state)
{
	static const char *const good[] = { "2001:db8::/32", "2001:db8:100::/40", "2001:db8:1::/48",
					    "2001:db8:1:100::/56", "2001:db8:1:1::/64", "64:ff9b::/96" };
	static const char *const bad[] = { "2001:db8::/33", "2001:db8:1:1::/72", "2001:db8::/128",
					   "2001:db8::/31", "2001:db8:1:1:ff00::/96", "192.0.2.0/24" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		section_init(&section);
		add_prefix(&section, good[i]);
		accepted();
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		section_init(&section);
		add_prefix(&section, bad[i]);
		refused("siit.prefix");
	}
}

static void prefixes_may_not_overlap_and_are_few(void **state)
{
	(void)state;
	section_init(&section);
	add_prefix(&section, "2001:db8:100::/40");
	add_prefix(&section, "2001:db8:1ff::/48");
	refused("overlaps");
	section_init(&section);
	for (int i = 0; i < SIIT_PREFIXES_MAX; i++) {
		char text[PREFIX_TEXT_MAX];

		snprintf(text, sizeof(text), "2001:db8:%x::/96", i + 1);
		add_prefix(&section, text);
	}
	accepted();
	add_prefix(&section, "2001:db8:99::/96");
	refused("at most 8");
}

static void rfc7757_3_2_ipv6_suffixes_are_not_the_shorter_ones(void **state)
{
	(void)state;
	section_init(&section);
	add_eam(&section, "192.0.2.0/24", "2001:db8::/120");
	accepted();
	section_init(&section);
	add_eam(&section, "192.0.2.0/24", "2001:db8::/121");
	refused("7757");
}

static void families_are_not_swapped_and_hosts_can_have_the_addresses(void **state)
{
	static const struct {
		const char *v4, *v6, *part;
	} row[] = {
		{ "2001:db8::/120", "2001:db8::/120", "siit.eam.v4" },
		{ "192.0.2.0/24", "192.0.2.0/24", "siit.eam.v6" },
		{ "224.0.0.0/8", "2001:db8::/96", "siit.eam.v4" },
		{ "127.0.0.1", "2001:db8::1", "siit.eam.v4" },
		{ "192.0.2.1", "ff02::1", "siit.eam.v6" },
		{ "192.0.2.1", "fe80::1", "siit.eam.v6" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		section_init(&section);
		add_eam(&section, row[i].v4, row[i].v6);
		refused(row[i].part);
	}
}

static void the_same_prefix_is_not_mapped_twice(void **state)
{
	(void)state;
	section_init(&section);
	add_eam(&section, "192.0.2.0/24", "2001:db8:1::/120");
	add_eam(&section, "192.0.2.0/24", "2001:db8:2::/120");
	refused("twice");
	section_init(&section);
	add_eam(&section, "192.0.2.0/24", "2001:db8:1::/120");
	add_eam(&section, "192.0.3.0/24", "2001:db8:1::/120");
	refused("twice");
}

static void rfc7757_5_nested_mappings_are_allowed_and_known(void **state)
{
	(void)state;
	section_init(&section);
	add_eam(&section, "192.0.2.0/24", "2001:db8:1::/120");
	add_eam(&section, "192.0.2.7", "2001:db8:2::7");
	add_eam(&section, "198.51.100.0/24", "2001:db8:3::/120");
	add_eam(&section, "203.0.113.0/24", "2001:db8:3::/64");
	accepted();
	assert_int_equal(siit_conf_nested(&section.conf, 0), -1);
	assert_int_equal(siit_conf_nested(&section.conf, 1), 0);
	assert_int_equal(siit_conf_nested(&section.conf, 2), 3);
	assert_int_equal(siit_conf_nested(&section.conf, 3), -1);
}

static void rfc6791_sources_are_addresses_of_hosts(void **state)
{
	static const char *const bad[] = { "224.0.0.1", "2001:db8::1", "10.0.0.0/8", "127.0.0.1" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		section_init(&section);
		add_prefix(&section, "2001:db8:100::/40");
		add_icmp4(&section, bad[i]);
		refused("icmp4-source");
	}
	section_init(&section);
	add_prefix(&section, "2001:db8:100::/40");
	add_icmp4(&section, "10.1.0.0/16");
	add_icmp4(&section, "203.0.113.8");
	section.conf.icmp6_source = address("2001:db8::2");
	accepted();
	section.conf.icmp6_source = address("ff02::1");
	refused("icmp6-source");
	section.conf.icmp6_source = address("192.0.2.1");
	refused("icmp6-source");
}

static void rfc6877_6_3_the_clats_prefixes(void **state)
{
	static const struct {
		const char *plat, *source, *hosts, *part;
	} row[] = {
		{ "64:ff9b::/96", "2001:db8:464::/96", "192.168.0.0/24", NULL },
		{ "64:ff9b::/96", "2001:db8:464::/64", "192.168.0.0/24", NULL },
		{ "64:ff9b::/96", "2001:db8:464::1", "192.0.0.1", NULL },
		{ "64:ff9b::/96", "2001:db8:464::1", "192.168.0.0/24", "one IPv4 address" },
		{ "64:ff9b::/96", "2001:db8:464::/97", "192.168.0.0/24", "clat.source" },
		{ "64:ff9b::/90", "2001:db8:464::/96", "192.168.0.0/24", "plat-prefix" },
		{ "2001:db8::/32", "2001:db8:464::/96", "192.168.0.0/24", "overlaps plat-prefix" },
		{ "64:ff9b::/96", "2001:db8:464::/96", "224.0.0.0/4", "clat.hosts" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		section_init(&section);
		add_clat(&section, row[i].plat, row[i].source, row[i].hosts);
		if (row[i].part)
			refused(row[i].part);
		else
			accepted();
	}
	section_init(&section);
	add_prefix(&section, "64:ff9b::/96");
	add_clat(&section, "64:ff9b::/96", "2001:db8:464::/96", "192.168.0.0/24");
	refused("overlaps siit.prefix");
	section_init(&section);
	add_eam(&section, "192.0.2.1", "2001:db8:464::1");
	add_clat(&section, "64:ff9b::/96", "2001:db8:464::/96", "192.168.0.0/24");
	refused("siit.eam.v6");
}

static void mappings_are_as_many_as_siit_eam_max_and_no_more(void **state)
{
	static struct eam_conf eam[SIIT_EAM_MAX + 1];
	char v4[32], v6[64];

	(void)state;
	section_init(&section);
	for (unsigned i = 0; i <= SIIT_EAM_MAX; i++) {
		snprintf(v4, sizeof(v4), "198.18.%u.%u/32", i >> 8, i & 255);
		snprintf(v6, sizeof(v6), "2001:db8:7::%x/128", i + 1);
		eam[i] = (struct eam_conf){ .v4 = prefix_of(v4), .v6 = prefix_of(v6) };
	}
	section.conf.eam = eam;
	section.conf.n_eam = SIIT_EAM_MAX;
	accepted();
	siit_table_free(table_of(&section));
	section.conf.n_eam++;
	refused("at most 4096 entries");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(something_to_translate_is_needed),
		cmocka_unit_test(rfc6052_2_2_any_of_the_six_lengths),
		cmocka_unit_test(prefixes_may_not_overlap_and_are_few),
		cmocka_unit_test(rfc7757_3_2_ipv6_suffixes_are_not_the_shorter_ones),
		cmocka_unit_test(families_are_not_swapped_and_hosts_can_have_the_addresses),
		cmocka_unit_test(the_same_prefix_is_not_mapped_twice),
		cmocka_unit_test(rfc7757_5_nested_mappings_are_allowed_and_known),
		cmocka_unit_test(rfc6791_sources_are_addresses_of_hosts),
		cmocka_unit_test(rfc6877_6_3_the_clats_prefixes),
		cmocka_unit_test(mappings_are_as_many_as_siit_eam_max_and_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
