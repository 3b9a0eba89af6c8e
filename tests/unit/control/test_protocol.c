/* test_protocol.c - requests of the control socket, lawful and not. */
#include "sixgate/control/protocol.h"
#include "sixgate/base/must.h"
#include "test.h"
#include <errno.h>
#include <string.h>

/* A row says what it needs; the rest is zero. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define NAME_63 "node-with-the-longest-name-that-there-may-be-0123456789-0123456"

static const struct {
	const char *line;
	int rc;
	struct ctl_request want;
} rows[] = {
	{ "{\"command\":\"status\"}", 0, { CTL_STATUS, false, 0, "", "" } },
	{ " { \"command\" : \"flows\", \"max\": 10 } ", 0, { CTL_FLOWS, false, 10, "", "" } },
	{ "{\"all\":true,\"command\":\"counters\"}", 0, { CTL_COUNTERS, true, 0, "", "" } },
	{ "{\"command\":\"bib\",\"max\":0}", 0, { CTL_BIB, false, 0, "", "" } },
	{ "{\"command\":\"reload\"}\r", 0, { CTL_RELOAD, false, 0, "", "" } },
	{ "{\"command\":\"drain\",\"node\":\"store1\"}", 0, { CTL_DRAIN, false, 0, "store1", "" } },
	{ "{\"command\":\"undrain\",\"service\":\"s3\",\"node\":\"a b\"}", 0,
	  { CTL_UNDRAIN, false, 0, "a b", "s3" } },
	{ "{\"command\":\"drain\"}", -EINVAL, { 0 } },
	{ "{\"command\":\"drain\",\"service\":\"s3\"}", -EINVAL, { 0 } },
	{ "{\"command\":\"drain\",\"node\":\"\"}", -EINVAL, { 0 } },
	{ "{\"command\":\"drain\",\"node\":7}", -EINVAL, { 0 } },
	{ "{\"command\":\"drain\",\"node\":\"" NAME_63 "\"}", 0, { CTL_DRAIN, false, 0, NAME_63, "" } },
	{ "{\"command\":\"drain\",\"node\":\"" NAME_63 "x\"}", -EINVAL, { 0 } },
	{ "{\"command\":\"status\",\"node\":\"a\"}", -EINVAL, { 0 } },
	{ "{\"command\":\"reload\",\"service\":\"a\"}", -EINVAL, { 0 } },
	{ "{\"command\":\"trace\"}", 0, { .command = CTL_TRACE } },
	{ "{\"command\":\"trace\",\"seconds\":3600,\"protocol\":\"udp\",\"ports\":[53]}", 0,
	  { .command = CTL_TRACE,
	    .about = { .protocol = 17, .n_port = 1, .port = { 53 }, .seconds = 3600 } } },
	{ "{\"command\":\"trace\",\"seconds\":3601}", -EINVAL, { 0 } },
	{ "{\"command\":\"trace\",\"seconds\":0}", -EINVAL, { 0 } },
	{ "{\"command\":\"trace\",\"hosts\":[\"::1\",\"::2\",\"::3\"]}", -EINVAL, { 0 } },
	{ "{\"command\":\"trace\",\"hosts\":\"::1\"}", -EINVAL, { 0 } },
	{ "{\"command\":\"trace\",\"hosts\":[\"host\"]}", -EINVAL, { 0 } },
	{ "{\"command\":\"trace\",\"ports\":[65536]}", -EINVAL, { 0 } },
	{ "{\"command\":\"trace\",\"reply\":true}", -EINVAL, { 0 } },
	{ "{\"command\":\"flows\",\"fragment\":\"first\"}", -EINVAL, { 0 } },
	{ "{\"command\":\"explain\",\"protocol\":\"tcp\",\"hosts\":[\"::1\",\"::2\"],\"ports\":[1,2],"
	  "\"fragment\":\"last\"}", -EINVAL, { 0 } },
	{ "{\"command\":\"explain\",\"protocol\":\"tcp\",\"hosts\":[\"::1\",\"::2\"],"
	  "\"ports\":[1,65535],\"side\":\"outside\",\"reply\":true,\"fragment\":\"later\"}",
	  0,
	  { .command = CTL_EXPLAIN,
	    .about = { .protocol = 6, .side = CTL_SIDE_OUTSIDE, .reply = true, .fragment = CTL_FRAGMENT_LATER, .n_host = 2, .n_port = 2,
		       .host = { { .octet = { [15] = 1 } }, { .octet = { [15] = 2 } } },
		       .port = { 1, 65535 } } } },
	{ "{\"command\":\"explain\"}", -EINVAL, { 0 } },
	{ "{\"command\":\"explain\",\"hosts\":[\"::1\",\"::2\"],\"ports\":[1,2]}", -EINVAL, { 0 } },
	{ "{\"command\":\"explain\",\"protocol\":\"sctp\",\"hosts\":[\"::1\",\"::2\"],"
	  "\"ports\":[1,2]}",
	  -EINVAL, { 0 } },
	{ "{\"command\":\"explain\",\"protocol\":\"tcp\",\"hosts\":[\"::1\",\"1.2.3.4\"],"
	  "\"ports\":[1,2]}",
	  -EINVAL, { 0 } },
	{ "{\"command\":\"explain\",\"protocol\":\"icmp\",\"hosts\":[\"::1\",\"::2\"],"
	  "\"ports\":[1,2]}",
	  -EINVAL, { 0 } },
	{ "{\"command\":\"status\",\"ports\":[1]}", -EINVAL, { 0 } },
	{ "{\"command\":\"who\",\"hosts\":[\"::1\"],\"ports\":[1]}", -EINVAL, { 0 } },
	{ "{\"command\":\"dns-cache\"}", 0, { CTL_DNS_CACHE, false, 0, "", "" } },
	{ "{\"command\":\"dns-flush\",\"name\":\".a\"}", 0, { CTL_DNS_FLUSH, false, 0, "", "" } },
	{ "{\"command\":\"dns-flush\",\"name\":\"\"}", -EINVAL, { 0 } },
	{ "{\"command\":\"dns-flush\",\"type\":\"A\"}", -EINVAL, { 0 } },
	{ "{\"command\":\"dns-lookup\",\"name\":\"a\"}", -EINVAL, { 0 } },
	{ "{\"command\":\"dns-lookup\",\"name\":\"a\",\"type\":\"A\",\"client\":\"b\"}", -EINVAL, { 0 } },
	{ "{\"command\":\"status\",\"name\":\"a\"}", -EINVAL, { 0 } },
	{ "{\"command\":\"who\",\"hosts\":[\"192.0.2.1\"]}", -EINVAL, { 0 } },
	{ "", -EINVAL, { 0 } },
	{ "status", -EINVAL, { 0 } },
	{ "[\"status\"]", -EINVAL, { 0 } },
	{ "{}", -EINVAL, { 0 } },
	{ "{\"command\":7}", -EINVAL, { 0 } },
	{ "{\"command\":\"teardown\"}", -EINVAL, { 0 } }, /* the tool's own work */
	{ "{\"command\":\"STATUS\"}", -EINVAL, { 0 } },
	{ "{\"command\":\"status\",\"command\":\"flows\"}", -EINVAL, { 0 } },
	{ "{\"command\":\"status\",\"al\":true}", -EINVAL, { 0 } },
	{ "{\"command\":\"status\",\"all\":1}", -EINVAL, { 0 } },
	{ "{\"command\":\"flows\",\"max\":-1}", -EINVAL, { 0 } },
	{ "{\"command\":\"flows\",\"max\":1.5}", -EINVAL, { 0 } },
	{ "{\"command\":\"flows\",\"max\":99999999999999999999}", -EINVAL, { 0 } },
	{ "{\"command\":\"status\"} {\"command\":\"status\"}", -EINVAL, { 0 } },
	{ "{\"command\":\"status\"", -EINVAL, { 0 } },
	{ "{\"command\":\"\xff\"}", -EINVAL, { 0 } },
};

static void lines_are_decoded_or_refused_with_a_reason(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ctl_request r = { .command = N_CTL_COMMANDS };
		struct err e = { "" };
		int rc = ctl_request_decode(rows[i].line, strlen(rows[i].line), &r, &e);

		print_message("%s\n", rows[i].line);
		assert_int_equal(rc, rows[i].rc);
		if (rc) {
			assert_int_equal(r.command, N_CTL_COMMANDS);
			assert_true(e.text[0] != 0);
			continue;
		}
		assert_int_equal(r.command, rows[i].want.command);
		assert_int_equal(r.all, rows[i].want.all);
		assert_int_equal(r.max, rows[i].want.max);
		assert_string_equal(r.node, rows[i].want.node);
		assert_string_equal(r.service, rows[i].want.service);
		assert_memory_equal(&r.about, &rows[i].want.about, sizeof(r.about));
	}
}

static void a_request_survives_the_way_there(void **state)
{
	(void)state;
	for (int c = 0; c < N_CTL_COMMANDS; c++) {
		struct ctl_request r = { .command = (enum ctl_command)c, .all = c % 2, .max = 42 };
		struct ctl_request back;
		char line[CTL_LINE_MAX];
		size_t len;

		if (c == CTL_DRAIN || c == CTL_UNDRAIN) {
			strcpy(r.node, "a\"b\\c");
			strcpy(r.service, "s3");
		}
		if (c == CTL_DNS_LOOKUP) {
			strcpy(r.dns.name, "a\\046b.example");
			strcpy(r.dns.type, "AAAA");
			assert_int_equal(addr_parse("2001:db8::1", &r.dns.client), 0);
		}
		if (c == CTL_DNS_FLUSH)
			strcpy(r.dns.name, ".example");
		if (c == CTL_EXPLAIN || c == CTL_WHO)
			r.about = (struct ctl_subject){ .protocol = 17, .n_host = 1, .n_port = 1,
							.port = { 7, 9 } };
		if (c == CTL_EXPLAIN)
			r.about.n_host = r.about.n_port = 2;
		assert_int_equal(addr_parse("192.0.2.1", &r.about.host[0]), 0);
		if (c == CTL_EXPLAIN)
			r.about.host[1] = r.about.host[0];
		if (r.about.n_host == 0)
			r.about.host[0] = (struct addr){ .octet = { 0 } };
		len = ctl_request_encode(&r, line, sizeof(line));
		assert_int_equal(line[len - 1], '\n');
		assert_int_equal(ctl_request_decode(line, len - 1, &back, NULL), 0);
		assert_int_equal(back.command, r.command);
		assert_int_equal(back.all, r.all);
		assert_int_equal(back.max, r.max);
		assert_string_equal(back.node, r.node);
		assert_string_equal(back.service, r.service);
		assert_int_equal(back.about.n_port, r.about.n_port);
		assert_string_equal(back.dns.name, r.dns.name);
		assert_string_equal(back.dns.type, r.dns.type);
		assert_memory_equal(&back.dns.client, &r.dns.client, sizeof(r.dns.client));
		assert_memory_equal(back.about.host, r.about.host, sizeof(r.about.host));
	}
}

static void a_name_that_is_no_text_is_not_sent(void **state)
{
	const struct ctl_request r = { .command = CTL_DRAIN, .node = "\xff" };
	char line[CTL_LINE_MAX];

	(void)state;
	assert_int_equal(ctl_request_encode(&r, line, sizeof(line)), 0);
}

static void a_line_is_bounded(void **state)
{
	char line[CTL_LINE_MAX + 1];
	struct ctl_request r;
	int n = snprintf(line, sizeof(line), "{\"command\":\"status\"}");

	(void)state;
	memset(line + n, ' ', sizeof(line) - (size_t)n);
	assert_int_equal(ctl_request_decode(line, CTL_LINE_MAX, &r, NULL), 0);
	assert_int_equal(ctl_request_decode(line, CTL_LINE_MAX + 1, &r, NULL), -EINVAL);
}

static void deep_nesting_is_refused_and_does_no_harm(void **state)
{
	char line[CTL_LINE_MAX];
	struct ctl_request r;

	(void)state;
	memset(line, '[', sizeof(line));
	assert_int_equal(ctl_request_decode(line, sizeof(line), &r, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_decoded_or_refused_with_a_reason),
		cmocka_unit_test(a_request_survives_the_way_there),
		cmocka_unit_test(a_name_that_is_no_text_is_not_sent),
		cmocka_unit_test(a_line_is_bounded),
		cmocka_unit_test(deep_nesting_is_refused_and_does_no_harm),
	};

	return cmocka_run_group_tests_name("control/protocol", tests, NULL, NULL);
}
