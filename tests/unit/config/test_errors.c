/* test_errors.c - what is wrong is said with its place, what was expected, and all at once. */
#include "fixture.h"

#define LINKS "interfaces: {inside: lan0, outside: wan0}\n"

struct row {
	const char *what, *text;
	int line, column;
	const char *part;
};

static void assert_rows(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct config_errors *e;

		print_message("row %zu: %s\n", i, rows[i].what);
		e = parse_bad(rows[i].text);
		assert_true(has_error(e, rows[i].line, rows[i].column, rows[i].part));
		assert_string_equal(e->error[0].file, "test.yaml");
	}
}

#define ASSERT_ROWS(rows) assert_rows(rows, sizeof(rows) / sizeof((rows)[0]))

static void unknown_keys_are_errors_with_the_nearest_known_key(void **state)
{
	static const struct row rows[] = {
		{ "a slip", "gateway:\n  wrokers: 2\n", 2, 12,
		  "gateway.wrokers: unknown key; did you mean `workers`?" },
		{ "a section", "natt64: {pool4: outside}\n", 1, 1, "did you mean `nat64`?" },
		{ "deep down", LINKS "nat64: {pool4: outside, timeouts: {tcp-establish: 3h}}\n", 2,
		  51, "did you mean `tcp-established`?" },
		{ "nothing is near", "gateway: {zzzzzzzz: 1}\n", 1, 21, "unknown key" },
		{ "twice", "gateway:\n  user: a\n  user: b\n", 3, 9,
		  "stands twice, first in line 2" },
	};

	(void)state;
	ASSERT_ROWS(rows);
}

static void wrong_values_name_what_was_expected(void **state)
{
	static const struct row rows[] = {
		{ "number", "gateway: {workers: 17}\n", 1, 20,
		  "gateway.workers: expected auto or a number from 1 to 16, found 17" },
		{ "sign", "gateway: {workers: -1}\n", 1, 20, "found -1" },
		{ "size", "gateway: {flows: 65m}\n", 1, 18,
		  "expected a size from 1k to 64m, found 65m" },
		{ "size too small", "gateway: {flows: 1023}\n", 1, 18, "from 1k to 64m" },
		{ "size overflows", "gateway: {flows: 99999999999999999999g}\n", 1, 18, "a size" },
		{ "choice", "interfaces: {io: fast}\n", 1, 18, "expected auto, tun or xdp, found fast" },
		{ "bool", "interfaces: {manage: yes}\n", 1, 22, "expected true or false, found yes" },
		{ "duration without unit", LINKS "nat64: {pool4: outside, timeouts: {udp: 300}}\n", 2,
		  41, "a duration needs a unit" },
		{ "duration too short", LINKS "nat64: {pool4: outside, timeouts: {udp: 119s}}\n", 2,
		  41, "expected a duration from 2m to 7d, found 119s" },
		{ "duration backwards", LINKS "nat64: {pool4: outside, timeouts: {udp: 4m2h}}\n", 2,
		  41, "expected a duration" },
		{ "fraction of a second", LINKS "nat64: {pool4: outside, timeouts: {udp: 120500ms}}\n",
		  2, 41, "whole seconds" },
		{ "rate without time", "translation: {icmp-errors: 500}\n", 1, 28, "500/s" },
		{ "list for a value", "gateway: {user: [a, b]}\n", 1, 11, "found a list" },
		{ "map for a value", "gateway: {user: {a: b}}\n", 1, 11, "found a map" },
		{ "nothing for a value", "gateway:\n  user:\n", 2, 3, "found nothing" },
		{ "value for a map", "gateway: fast\n", 1, 10, "as a map of keys, found fast" },
		{ "list for a section", "gateway: [1]\n", 1, 1, "found a list" },
		{ "the whole is a list", "- a\n- b\n", 1, 1, "found a list" },
		{ "name with blanks", "gateway: {name: \"a b\"}\n", 1, 18, "expected a name" },
		{ "interface with a slash", "interfaces: {inside: [a, b/c]}\n", 1, 26,
		  "interfaces.inside[1]: expected an interface name" },
		{ "interface with a colon", "interfaces: {inside: 'eth0:1'}\n", 1, 23, "an interface name" },
		{ "interface pattern", "interfaces: {tun: gate%d}\n", 1, 19, "an interface name" },
		{ "interface with a quote", "interfaces: {inside: 'a\"b'}\n", 1, 23, "an interface name" },
		{ "interface ..", "interfaces: {inside: ..}\n", 1, 22, "an interface name" },
		{ "interface too long", "interfaces: {inside: abcdefghijklmnop}\n", 1, 22,
		  "an interface name of at most 15 letters" },
		{ "domain with a blank",
		  LINKS "nat64: {pool4: outside}\ndns64: {upstream: 192.0.2.1, never: [a b, ok.example]}\n",
		  3, 38, "dns64.never[0]: expected a domain name, neither a wildcard nor the root, found a b" },
		{ "relative path", "gateway: {control: run.sock}\n", 1, 20, "an absolute path" },
	};

	(void)state;
	ASSERT_ROWS(rows);
}

static void wrong_addresses_and_prefixes_are_refused(void **state)
{
	static const struct row rows[] = {
		{ "no address", LINKS "dns64: {upstream: example.com, prefix: 64:ff9b::/96}\n", 2, 19,
		  "expected an IPv4 or IPv6 address, found example.com" },
		{ "a length", LINKS "dns64: {upstream: 192.0.2.1/32, prefix: 64:ff9b::/96}\n", 2, 19,
		  "an address, without a length" },
		{ "host bits", LINKS "nat64: {pool4: 192.0.2.1/24}\n", 2, 16,
		  "bits are set beyond the length" },
		{ "IPv6 pool", LINKS "nat64: {pool4: 2001:db8::1}\n", 2, 16, "an IPv4 address" },
		{ "range backwards", LINKS "nat64: {pool4: 192.0.2.9-192.0.2.1}\n", 2, 16,
		  "a range first-last" },
		{ "IPv4 prefix", LINKS "nat64: {pool4: outside, prefix: 192.0.2.0/24}\n", 2, 33,
		  "an IPv6 prefix" },
		{ "IPv4-mapped addresses", LINKS "nat64: {pool4: outside, prefix: '::ffff:0:0/96'}\n", 2,
		  34, "nat64.prefix: ::ffff:0.0.0.0/96: IPv4-mapped addresses are never on the wire" },
		{ "no RFC 6052 length", LINKS "nat64: {pool4: outside, prefix: '2001:db8::/80'}\n", 2,
		  34, "nat64.prefix" },
		{ "ports backwards", LINKS "nat64: {pool4: {address: outside, ports: 9-3}}\n", 2, 42,
		  "a range like" },
		{ "port 0", LINKS "nat64: {pool4: {address: outside, ports: 0-3}}\n", 2, 42, "found 0-3" },
		{ "nine ranges of ports",
		  LINKS "nat64:\n  pool4:\n"
		  "    - {address: 192.0.2.0/30, ports: 1000-1099}\n"
		  "    - {address: 192.0.2.0/30, ports: 2000-2099}\n"
		  "    - {address: 192.0.2.0/30, ports: 3000-3099}\n"
		  "    - {address: 192.0.2.0/30, ports: 4000-4099}\n"
		  "    - {address: 192.0.2.0/30, ports: 5000-5099}\n"
		  "    - {address: 192.0.2.0/30, ports: 6000-6099}\n"
		  "    - {address: 192.0.2.0/30, ports: 7000-7099}\n"
		  "    - {address: 192.0.2.0/30, ports: 8000-8099}\n"
		  "    - {address: 192.0.2.3-192.0.2.5, ports: 9000-9099}\n",
		  12, 45, "more than 8 port ranges on 192.0.2.3" },
		{ "prefix of multicast", LINKS "nat64: {pool4: outside, prefix: 'ff00::/96'}\n", 2, 34,
		  "expected a prefix of unicast addresses that are routed" },
		{ "prefix of the link", LINKS "nat64: {pool4: outside, prefix: 'fe80::/96'}\n", 2, 34,
		  "expected a prefix of unicast" },
		{ "prefix of loopback", LINKS "nat64: {pool4: outside, prefix: '::/96'}\n", 2, 34,
		  "expected a prefix of unicast" },
	};

	(void)state;
	ASSERT_ROWS(rows);
}

static void missing_keys_are_named(void **state)
{
	static const struct row rows[] = {
		{ "pool4", LINKS "nat64: {}\n", 2, 1, "nat64: `pool4` is missing" },
		{ "pool4 of an empty section", LINKS "nat64:\n", 2, 1, "nat64: `pool4` is missing" },
		{ "upstream", LINKS "nat64: {pool4: outside}\ndns64: {}\n", 3, 1,
		  "dns64: `upstream` is missing" },
		{ "prefix of dns64 alone", LINKS "dns64: {upstream: 192.0.2.1}\n", 2, 1,
		  "dns64: `prefix` is missing" },
		{ "prefixes", LINKS "egress6: {}\n", 2, 1, "egress6: `prefixes` is missing" },
		{ "inside", "interfaces: {outside: wan0}\nnat64: {pool4: outside}\n", 1, 1,
		  "`inside` is missing" },
		{ "interfaces", "nat64: {pool4: outside}\n", 1, 1,
		  "`interfaces.outside` is missing" },
		{ "part of a static entry",
		  LINKS "nat64: {pool4: 192.0.2.1, static: {inside: {address: 2001:db8::1, port: 1}, "
			"outside: {address: 192.0.2.1, port: 1}}}\n",
		  2, 27, "`protocol` is missing" },
		{ "nodes", LINKS "services:\n  - {name: a, addresses: 192.0.2.1, port: 80}\n", 3, 5,
		  "services[0]: `nodes` is missing" },
	};

	(void)state;
	ASSERT_ROWS(rows);
}

/* In a block YAML stops at the second colon; in a list it makes a map; in a map of several keys a
 * key of its own. */
static void address_that_ends_in_colons_is_asked_for_quotes(void **state)
{
	static const struct row rows[] = {
		{ "block value", LINKS "services:\n  - name: a\n    source:\n      v6: 2001:db8::\n", 5,
		  11, "the address 2001:db8:: needs quotes: \"2001:db8::\"" },
		{ "value in a flow map", "gateway: {metrics: {address: ::, port: 1}}\n", 1, 30,
		  "the address :: needs quotes" },
		{ "last in a flow map", "gateway: {metrics: {port: 1, address: 2001:db8::}}\n", 1, 39,
		  "2001:db8:: needs quotes" },
		{ "flow list", LINKS "dns64: {upstream: [2001:db8::, 192.0.2.1]}\n", 2, 20,
		  "2001:db8:: needs quotes" },
		{ "block list", LINKS "dns64:\n  upstream:\n    - 2001:db8::\n", 4, 7,
		  "2001:db8:: needs quotes" },
		{ "with a comment", LINKS "dns64:\n  upstream: 2001:db8::  # mine\n", 3, 13,
		  "2001:db8:: needs quotes" },
		{ "as a key", LINKS "dns64:\n  upstream:\n    2001:db8::\n    port: 53\n", 4, 5,
		  "2001:db8:: needs quotes" },
	};

	(void)state;
	ASSERT_ROWS(rows);
}

static void quotes_cure_it(void **state)
{
	struct config *c = parse_with_job("gateway: {metrics: {address: \"::\", port: 1}}\n");

	(void)state;
	assert_true(c->gateway.metrics);
	config_free(c);
}

static void all_errors_are_said_at_once_in_the_order_of_the_file(void **state)
{
	const struct config_errors *e =
		parse_bad("gateway:\n"
			  "  workers: many\n"
			  "  metrics: {address: ::, port: 1}\n"
			  "interfaces: {inside: lan0, outside: wan0, io: dpdk}\n"
			  "nat64:\n"
			  "  pool4: outside\n"
			  "  timeouts: {udp: 1s, icmp: 1s}\n"
			  "  static:\n"
			  "    - {protocol: tcp, inside: {address: 2001:db8::1, port: 1}, outside: "
			  "{address: 192.0.2.1, port: 1}}\n"
			  "dns64: {}\n"
			  "egres6: {}\n");
	static const int lines[] = { 2, 3, 4, 7, 7, 9, 10, 11 };

	(void)state;
	print_errors(e);
	assert_int_equal(e->n, sizeof(lines) / sizeof(lines[0]));
	assert_int_equal(e->n_more, 0);
	for (size_t i = 0; i < e->n; i++)
		assert_int_equal(e->error[i].line, lines[i]);
}

static void one_cause_is_one_error(void **state)
{
	static const struct row rows[] = {
		{ "a refused pool and a static entry in it",
		  LINKS "nat64: {pool4: 192.0.2.300, static: {protocol: tcp, inside: {address: "
			"2001:db8::1, port: 1}, outside: {address: 192.0.2.30, port: 1}}}\n",
		  2, 16, "found 192.0.2.300" },
		{ "a refused embed-prefix and the node that needs it",
		  LINKS "services: {name: a, addresses: 192.0.2.1, port: 1, embed-prefix: x, nodes: "
			"{name: n, address: 2001:db8::1}}\n",
		  2, 66, "embed-prefix" },
		{ "a refused NAT64 prefix and dns64's", LINKS "nat64: {pool4: outside, prefix: x}\n"
							     "dns64: {upstream: 192.0.2.1, prefix: "
							     "64:ff9b::/96}\n",
		  2, 33, "nat64.prefix" },
		{ "a misspelt pool4", LINKS "nat64: {pol4: outside}\n", 2, 15, "pol4" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct config_errors *e;

		print_message("row %zu: %s\n", i, rows[i].what);
		e = parse_bad(rows[i].text);
		assert_true(has_error(e, rows[i].line, rows[i].column, rows[i].part));
		assert_int_equal(e->n, 1);
	}
}

static void what_is_no_yaml_is_said_with_its_place(void **state)
{
	static const struct row rows[] = {
		{ "open bracket", "gateway: {user: [a\n", 1, 17, "[ is not closed" },
		{ "open bracket above other keys",
		  "interfaces:\n  inside: [lan0\n  outside: wan0\nnat64: {pool4: outside}\n", 2, 11,
		  "[ is not closed, or something in it is wrong (line 4, column 6: missing comma" },
		{ "open bracket, what is in it further left",
		  "interfaces:\n  inside: [\n    lan0,\n  lan1\n  outside: wan0\n", 2, 11, "[ is not closed" },
		{ "open brace", "gateway: {}\ninterfaces: {inside: [lan0],\n  outside: wan0\nnat64:\n  pool4: outside\n",
		  2, 13, "{ is not closed" },
		{ "a bracket that the wrong one closes", "interfaces: {inside: [lan0}\nnat64: {}\n", 1, 27,
		  "mismatched" },
		{ "tab", "gateway:\n\tuser: a\n", 2, 1, "this is not YAML" },
		{ "alias", "gateway: &x {user: a}\ninterfaces: *x\n", 2, 14, "aliases" },
		{ "two documents", "gateway: {}\n---\ngateway: {}\n", 2, 1, "one document" },
		{ "key that is a map", "? {a: b}\n: c\n", 1, 3, "expected a key" },
		{ "NUL in a value", "gateway: {user: \"a\\0b\"}\n", 1, 18, "NUL" },
		{ "include without a file", "include: other.yaml\n", 1, 10, "only a file" },
	};

	(void)state;
	ASSERT_ROWS(rows);
}

static void what_is_no_text_is_refused_before_it_is_parsed(void **state)
{
	static const struct row rows[] = {
		{ "a directive", "%YAML 1.1\n---\na: 1\n", 1, 1, "begin with %" },
		{ "a directive that is no UTF-8", "a: 1\n% \xff\n", 2, 1, "begin with %" },
		{ "no UTF-8", "gateway:\n  name: \xff\n", 2, 9, "not UTF-8 (byte 0xff)" },
		{ "overlong (RFC 3629 3)", "\xc0\x80", 1, 1, "not UTF-8" },
		{ "overlong of three", "\xe0\x9f\xbf", 1, 1, "not UTF-8" },
		{ "surrogate", "\xed\xa0\x80", 1, 1, "not UTF-8" },
		{ "overlong of four", "\xf0\x8f\xbf\xbf", 1, 1, "not UTF-8" },
		{ "above U+10FFFF", "\xf4\x90\x80\x80", 1, 1, "not UTF-8" },
		{ "cut at the end", "# \xe2\x82", 1, 3, "not UTF-8" },
		{ "control letter", "a: \x1b[2J\n", 1, 4, "a control letter (byte 0x1b)" },
		{ "eight quotes in a row", "a: ''''''''\n", 1, 4, "too many quotes" },
		{ "after CR LF", "#\r\n#\r\n\x01", 3, 1, "0x01" },
		{ "after CR", "#\r#\r\x01", 3, 1, "0x01" },
	};

	(void)state;
	ASSERT_ROWS(rows);
	config_free(parse_with_job("\xef\xbb\xbf# \xc2\x80 \xe0\xa0\x80 \xed\x9f\xbf \xf0\x90\x80\x80 "
				   "\xf4\x8f\xbf\xbf 50%\n"));
}

static void errors_cannot_carry_control_letters_to_the_terminal(void **state)
{
	const struct config_errors *e =
		parse_bad("gateway: {user: \"a\\e[2Jb\", \"\\e]0;x\\a\": 1}\n");

	(void)state;
	assert_int_equal(e->n, 2);
	for (size_t i = 0; i < e->n; i++)
		for (const char *p = e->error[i].text; *p; p++)
			assert_true((unsigned char)*p >= 0x20 && *p != 0x7f);
}

/* ---- hostile files: at the bound, and one past it ---- */

static char *repeated(const char *head, const char *piece, size_t n, const char *tail)
{
	char *text = calloc(1, strlen(head) + n * strlen(piece) + strlen(tail) + 1);
	char *at = text;

	assert_non_null(text);
	at = stpcpy(at, head);
	for (size_t i = 0; i < n; i++)
		at = stpcpy(at, piece);
	strcpy(at, tail);
	return text;
}

static void bad_repeated(const char *head, const char *piece, size_t n, const char *part)
{
	char *text = repeated(head, piece, n, "\n");

	assert_true(has_error(parse_bad(text), 0, 0, part));
	free(text);
}

static void depth_is_bounded(void **state)
{
	char *text = repeated("gateway: {user: ", "[", 14, "]]]]]]]]]]]]]]}\n");

	(void)state;
	assert_true(has_error(parse_bad(text), 0, 0, "found a list"));
	free(text);
	text = repeated("gateway: {user: ", "[", 15, "]]]]]]]]]]]]]]]}\n");
	assert_true(has_error(parse_bad(text), 0, 0, "nested too deeply"));
	free(text);
	bad_repeated("", "[", 100000, "nested too deeply");
	bad_repeated("", "{a: ", 10000, "nested too deeply");
	bad_repeated("", "- ", 10000, "nested too deeply");
}

static void lists_are_bounded(void **state)
{
	char *text = repeated(LINKS "nat64: {pool4: outside}\ndns64: {upstream: 192.0.2.1, never: [",
			      "a.example, ", DNS64_NEVER_MAX, "]}\n");

	(void)state;
	config_free(parse_good(text));
	free(text);
	text = repeated(LINKS "nat64: {pool4: outside}\ndns64: {upstream: 192.0.2.1, never: [",
			"a.example, ", DNS64_NEVER_MAX + 1, "]}\n");
	assert_true(has_error(parse_bad(text), 3, 0, "at most 1024 entries, found 1025"));
	free(text);
}

static void keys_and_values_are_bounded(void **state)
{
	char head[] = "gateway: {user: ";
	char *text;

	(void)state;
	bad_repeated("", "a: 1\n", 257, "too many keys");
	bad_repeated(head, "x", 1025, "too long");
	text = repeated(head, "x", 63, "}\n");
	config_free(parse_with_job(text));
	free(text);
	text = repeated(head, "x", 64, "}\n");
	assert_true(has_error(parse_bad(text), 0, 0, "expected a name"));
	free(text);
}

static void size_is_bounded(void **state)
{
	size_t room = (4 << 20) - strlen(LEAST);
	char *text = repeated(LEAST "# ", "x", room - 3, "\n");

	(void)state;
	config_free(parse_good(text));
	free(text);
	text = repeated(LEAST "# ", "x", room - 2, "\n");
	assert_true(has_error(parse_bad(text), 0, 0, "larger than 4 MiB"));
	free(text);
}

static void many_errors_are_counted(void **state)
{
	char *text = repeated(LINKS "egress6: {prefixes: inside, allow: [", "x, ", 150, "]}\n");
	const struct config_errors *e = parse_bad(text);

	(void)state;
	assert_int_equal(e->n, 100);
	assert_int_equal(e->n_more, 50);
	free(text);
}

static void what_stands_beside_an_alias_is_checked_too(void **state)
{
	const struct config_errors *e = parse_bad(
		"interfaces: &x {inside: lan0, outside: wan0}\n"
		"nat64: {pool4: *x, timeouts: *x, foo: 1}\n"
		"egress6: {prefixes: [*x, 10.0.0.0/8]}\n");

	(void)state;
	assert_true(has_error(e, 2, 17, "nat64.pool4: aliases"));
	assert_true(has_error(e, 2, 0, "nat64.timeouts: aliases"));
	assert_true(has_error(e, 2, 0, "nat64.foo: unknown key"));
	assert_true(has_error(e, 3, 0, "egress6.prefixes[0]: aliases"));
	assert_true(has_error(e, 3, 0, "egress6.prefixes[1]: expected an IPv6 prefix"));
	assert_int_equal(e->n, 5);
}

static void a_fault_of_a_node_does_not_hide_that_of_its_service(void **state)
{
#define NODES(text) LINKS "services: [{name: a, addresses: 192.0.2.1, port: 80, zones: {prefer: west}, " \
			  "nodes: [{name: n, address: 192.0.2.2, " text "}]}]\n"
	const struct config_errors *e = parse_bad(NODES("port: 99999, zone: east"));

	(void)state;
	assert_true(has_error(e, 2, 0, "services[0].zones.prefer: no node has the zone west"));
	assert_int_equal(e->n, 2);
	e = parse_bad(NODES("zone: [west]"));
	assert_int_equal(e->n, 1); /* it may be just this */
	e = parse_bad(NODES("zoen: west"));
	assert_int_equal(e->n, 1);
#undef NODES
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_stands_beside_an_alias_is_checked_too),
		cmocka_unit_test(a_fault_of_a_node_does_not_hide_that_of_its_service),
		cmocka_unit_test(unknown_keys_are_errors_with_the_nearest_known_key),
		cmocka_unit_test(wrong_values_name_what_was_expected),
		cmocka_unit_test(wrong_addresses_and_prefixes_are_refused),
		cmocka_unit_test(missing_keys_are_named),
		cmocka_unit_test(address_that_ends_in_colons_is_asked_for_quotes),
		cmocka_unit_test(quotes_cure_it),
		cmocka_unit_test(all_errors_are_said_at_once_in_the_order_of_the_file),
		cmocka_unit_test(one_cause_is_one_error),
		cmocka_unit_test(what_is_no_yaml_is_said_with_its_place),
		cmocka_unit_test(what_is_no_text_is_refused_before_it_is_parsed),
		cmocka_unit_test(errors_cannot_carry_control_letters_to_the_terminal),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(lists_are_bounded),
		cmocka_unit_test(keys_and_values_are_bounded),
		cmocka_unit_test(size_is_bounded),
		cmocka_unit_test(many_errors_are_counted),
	};
	return cmocka_run_group_tests_name("config/errors", tests, NULL, NULL);
}
