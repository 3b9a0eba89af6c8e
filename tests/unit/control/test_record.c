/* test_record.c - flows and mappings as programs see them. */
#include "record.h"
#include "test.h"
#include <string.h>

static struct addr addr(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static void a_flow_shows_what_comes_in_and_what_it_becomes(void **state)
{
	const struct flow_record r = {
		.key[0] = { .src = addr("2001:db8::1"), .dst = addr("64:ff9b::c000:201"),
			    .sport = be16_from(1024), .dport = be16_from(80), .proto = 6 },
		.key[1] = { .src = addr("192.0.2.1"), .dst = addr("198.51.100.1"),
			    .sport = be16_from(80), .dport = be16_from(4096), .proto = 6 },
		.policy = POLICY_NAT64, .state = 3, .expires_s = 7000, .flags = FLOW_FROM_OUTSIDE,
	};
	json_t *v = record__flow_json(&r), *f;
	const char *policy, *protocol, *state_name, *src, *dst, *nsrc, *ndst;
	int sport, nsport, outside;

	(void)state;
	assert_non_null(v);
	f = json_object_get(v, "flow");
	assert_int_equal(json_unpack(f, "{s:s,s:s,s:s,s:b,s:{s:s,s:i},s:{s:s},s:{s:s,s:i},s:{s:s}}",
				     "policy", &policy, "protocol", &protocol, "state", &state_name,
				     "from_outside", &outside, "source", "address", &src, "port", &sport,
				     "destination", "address", &dst, "new_source", "address", &nsrc,
				     "port", &nsport, "new_destination", "address", &ndst),
			 0);
	assert_string_equal(policy, "nat64");
	assert_string_equal(protocol, "tcp");
	assert_string_equal(state_name, "ESTABLISHED");
	assert_string_equal(src, "2001:db8::1");
	assert_int_equal(sport, 1024);
	assert_string_equal(nsrc, "198.51.100.1");
	assert_int_equal(nsport, 4096);
	assert_string_equal(ndst, "192.0.2.1");
	assert_true(outside);
	assert_string_equal(dst, "64:ff9b::c000:201");
	json_decref(v);
}

static void a_mapping_shows_both_of_its_ends(void **state)
{
	const struct bib_record r = { .inside = addr("2001:db8::5"), .outside = addr("198.51.100.1"),
				      .inside_port = 443, .outside_port = 8443, .protocol = NAT64_TCP,
				      .is_static = true, .n_sessions = 3 };
	json_t *v = record__bib_json(&r), *m = json_object_get(v, "mapping");

	(void)state;
	assert_string_equal(json_string_value(json_object_get(m, "protocol")), "tcp");
	assert_true(json_is_true(json_object_get(m, "static")));
	assert_int_equal(json_integer_value(json_object_get(m, "sessions")), 3);
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(m, "outside"), "port")), 8443);
	json_decref(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flow_shows_what_comes_in_and_what_it_becomes),
		cmocka_unit_test(a_mapping_shows_both_of_its_ends),
	};

	return cmocka_run_group_tests_name("control/record", tests, NULL, NULL);
}
