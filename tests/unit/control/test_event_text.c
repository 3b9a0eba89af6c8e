/* test_event_text.c - lines of nat64.log: each kind of event, and that all of them are JSON (RFC 6888
 * section 4: time, protocol, inside, outside address and ports). */
#include "event_text.h"
#include <jansson.h>
#include "sixgate/base/must.h"
#include "sixgate/nat64/conf.h"
#include "test.h"

/* 2026-11-22T20:00:00.250Z, when the worker's clock said 5000 */
static const struct event_stamp stamp = { "edge-1", 1795377600250, 5000 };

static struct addr a(const char *text)
{
	struct addr out;

	assert_int_equal(addr_parse(text, &out), 0);
	return out;
}

static void is_line(const struct nat64_event *ev, const char *want)
{
	char out[EVENT_TEXT_MAX];
	size_t len = event__text(ev, &stamp, out);
	json_t *v = json_loadb(out, len, 0, NULL);

	assert_string_equal(out, want);
	assert_int_equal(len, strlen(want));
	assert_non_null(v);
	json_decref(v);
}

static void a_block_names_its_subscriber_and_its_ports(void **state)
{
	struct nat64_event ev = { .time_ms = 4750, .kind = NAT64_EVENT_BLOCK_ALLOCATED,
				  .subscriber_len = 64, .port_first = 1024, .port_last = 1087,
				  .inside = a("2001:db8:1::"), .outside = a("198.51.100.10") };

	(void)state;
	is_line(&ev, "{\"time\":\"2026-11-22T20:00:00.000Z\",\"gateway\":\"edge-1\","
		     "\"event\":\"port-block-allocated\",\"protocol\":\"any\","
		     "\"outside\":\"198.51.100.10\",\"port_first\":1024,\"port_last\":1087,"
		     "\"inside\":\"2001:db8:1::/64\"}");
	ev.kind = NAT64_EVENT_BLOCK_RELEASED;
	ev.time_ms = 5001; /* the worker's clock may be a little ahead */
	is_line(&ev, "{\"time\":\"2026-11-22T20:00:00.251Z\",\"gateway\":\"edge-1\","
		     "\"event\":\"port-block-released\",\"protocol\":\"any\","
		     "\"outside\":\"198.51.100.10\",\"port_first\":1024,\"port_last\":1087,"
		     "\"inside\":\"2001:db8:1::/64\"}");
}

static void a_static_entry_names_its_host_and_its_port(void **state)
{
	struct nat64_event ev = { .time_ms = 5000, .kind = NAT64_EVENT_STATIC_ASSIGNED,
				  .protocol = NAT64_TCP, .subscriber_len = 128, .port_first = 443,
				  .port_last = 443, .inside = a("2001:db8:1::5"), .inside_port = 8443,
				  .outside = a("198.51.100.10") };

	(void)state;
	is_line(&ev, "{\"time\":\"2026-11-22T20:00:00.250Z\",\"gateway\":\"edge-1\","
		     "\"event\":\"static-port-assigned\",\"protocol\":\"tcp\",\"outside\":\"198.51.100.10\","
		     "\"port_first\":443,\"port_last\":443,\"inside\":\"2001:db8:1::5\","
		     "\"inside_port\":8443}");
	ev.kind = NAT64_EVENT_STATIC_RELEASED;
	is_line(&ev, "{\"time\":\"2026-11-22T20:00:00.250Z\",\"gateway\":\"edge-1\","
		     "\"event\":\"static-port-released\",\"protocol\":\"tcp\",\"outside\":\"198.51.100.10\","
		     "\"port_first\":443,\"port_last\":443,\"inside\":\"2001:db8:1::5\","
		     "\"inside_port\":8443}");
}

static void a_session_names_its_host_and_the_destination_only_if_asked_for(void **state)
{
	struct nat64_event ev = { .time_ms = 5000, .kind = NAT64_EVENT_SESSION_CREATED,
				  .protocol = NAT64_UDP, .subscriber_len = 128, .port_first = 1500,
				  .port_last = 1500, .inside = a("2001:db8:1::5"), .inside_port = 40000,
				  .outside = a("198.51.100.10") };

	(void)state;
	is_line(&ev, "{\"time\":\"2026-11-22T20:00:00.250Z\",\"gateway\":\"edge-1\","
		     "\"event\":\"session-created\",\"protocol\":\"udp\",\"outside\":\"198.51.100.10\","
		     "\"port_first\":1500,\"port_last\":1500,\"inside\":\"2001:db8:1::5\","
		     "\"inside_port\":40000}");
	ev.kind = NAT64_EVENT_SESSION_DELETED;
	ev.destination = 0xcb007107;
	ev.destination_port = 53;
	is_line(&ev, "{\"time\":\"2026-11-22T20:00:00.250Z\",\"gateway\":\"edge-1\","
		     "\"event\":\"session-deleted\",\"protocol\":\"udp\",\"outside\":\"198.51.100.10\","
		     "\"port_first\":1500,\"port_last\":1500,\"destination\":\"203.0.113.7\","
		     "\"destination_port\":53,\"inside\":\"2001:db8:1::5\",\"inside_port\":40000}");
}

static void quotas_and_exhaustion_name_the_subscriber(void **state)
{
	struct nat64_event ev = { .time_ms = 5000, .kind = NAT64_EVENT_QUOTA_EXCEEDED,
				  .quota = NAT64_QUOTA_NEW_FLOWS, .subscriber_len = 128,
				  .inside = a("2001:db8:1::5") };

	(void)state;
	is_line(&ev, "{\"time\":\"2026-11-22T20:00:00.250Z\",\"gateway\":\"edge-1\","
		     "\"event\":\"quota-exceeded\",\"inside\":\"2001:db8:1::5/128\","
		     "\"quota\":\"new-flows\"}");
	ev.kind = NAT64_EVENT_POOL_EXHAUSTED;
	is_line(&ev, "{\"time\":\"2026-11-22T20:00:00.250Z\",\"gateway\":\"edge-1\","
		     "\"event\":\"pool-exhausted\",\"inside\":\"2001:db8:1::5/128\"}");
}

static void marks_say_when_the_log_began_and_what_it_lacks(void **state)
{
	char out[EVENT_TEXT_MAX];

	(void)state;
	event__mark("started", 0, &stamp, out);
	assert_string_equal(out, "{\"time\":\"2026-11-22T20:00:00.250Z\",\"gateway\":\"edge-1\","
				 "\"event\":\"started\"}");
	event__mark("lost", 7, &stamp, out);
	assert_string_equal(out, "{\"time\":\"2026-11-22T20:00:00.250Z\",\"gateway\":\"edge-1\","
				 "\"event\":\"lost\",\"count\":7}");
}

static void the_longest_line_fits(void **state)
{
	static char name[64];
	const struct event_stamp longest = { name, 1795377600250, 5000 };
	struct nat64_event ev;
	char out[EVENT_TEXT_MAX];

	(void)state;
	memset(name, 'g', sizeof(name) - 1);
	memset(&ev, 0xff, sizeof(ev));
	ev.time_ms = 0;
	ev.inside = a("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
	ev.outside = a("255.255.255.255");
	ev.subscriber_len = 128;
	for (unsigned kind = 0; kind <= UINT8_MAX; kind++) {
		ev.kind = (uint8_t)kind;
		assert_in_range(event__text(&ev, &longest, out), 1, EVENT_TEXT_MAX - 1);
	}
}

static void flow_line(const struct flow_event *ev, const char *want)
{
	char out[EVENT_TEXT_MAX];
	size_t len = event__flow(ev, &stamp, out);
	json_t *v = json_loadb(out, len, 0, NULL);

	assert_string_equal(out, want);
	assert_non_null(v);
	json_decref(v);
}

static void a_flow_names_both_ends_its_start_and_what_passed(void **state)
{
	struct flow_event ev = { .time_ms = 5000, .started_ms = 4000, .kind = FLOW_EVENT_STARTED,
				 .inside = { .src = a("2001:db8:1::5"), .dst = a("2001:db8:f::2"),
					     .sport = be16_from(40000), .dport = be16_from(443), .proto = 6 },
				 .count = { .bytes = { 1000, 1ull << 40 }, .packets = { 7, UINT32_MAX } } };

	(void)state;
	flow_line(&ev, "{\"time\":\"2026-11-22T20:00:00.250Z\",\"gateway\":\"edge-1\",\"event\":\"flow-started\","
		       "\"protocol\":\"tcp\",\"protocol_number\":6,\"inside\":\"2001:db8:1::5\","
		       "\"inside_port\":40000,\"outside\":\"2001:db8:f::2\",\"outside_port\":443,"
		       "\"opened_by\":\"inside\",\"start\":\"2026-11-22T19:59:59.250Z\"}");
	ev.kind = FLOW_EVENT_ENDED;
	ev.count.from_outside = true;
	flow_line(&ev, "{\"time\":\"2026-11-22T20:00:00.250Z\",\"gateway\":\"edge-1\",\"event\":\"flow-ended\","
		       "\"protocol\":\"tcp\",\"protocol_number\":6,\"inside\":\"2001:db8:1::5\","
		       "\"inside_port\":40000,\"outside\":\"2001:db8:f::2\",\"outside_port\":443,"
		       "\"opened_by\":\"outside\",\"start\":\"2026-11-22T19:59:59.250Z\","
		       "\"packets_out\":7,\"bytes_out\":1000,\"packets_in\":4294967295,"
		       "\"bytes_in\":1099511627776}");
}

static void a_flow_without_ports_has_none_and_an_unknown_start_is_null(void **state)
{
	struct flow_event ev = { .time_ms = 5000, .kind = FLOW_EVENT_ACTIVE,
				 .inside = { .src = a("2001:db8:1::5"), .dst = a("2001:db8:f::2"), .proto = 47 } };

	(void)state;
	flow_line(&ev, "{\"time\":\"2026-11-22T20:00:00.250Z\",\"gateway\":\"edge-1\",\"event\":\"flow-active\","
		       "\"protocol\":\"other\",\"protocol_number\":47,\"inside\":\"2001:db8:1::5\","
		       "\"outside\":\"2001:db8:f::2\",\"start\":null,"
		       "\"packets_out\":0,\"bytes_out\":0,\"packets_in\":0,\"bytes_in\":0}");
	ev.inside.proto = 58;
	ev.inside.sport = be16_from(77);
	flow_line(&ev, "{\"time\":\"2026-11-22T20:00:00.250Z\",\"gateway\":\"edge-1\",\"event\":\"flow-active\","
		       "\"protocol\":\"icmpv6\",\"protocol_number\":58,\"inside\":\"2001:db8:1::5\","
		       "\"outside\":\"2001:db8:f::2\",\"identifier\":77,\"start\":null,"
		       "\"packets_out\":0,\"bytes_out\":0,\"packets_in\":0,\"bytes_in\":0}");
}

static void the_longest_line_has_room(void **state)
{
	static const struct event_stamp long_stamp = {
		"a-name-of-sixty-three-letters-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 1795377600250, 5000 };
	struct flow_event ev = { .time_ms = 5000, .started_ms = 1, .kind = FLOW_EVENT_STARTED,
				 .inside = { .src = a("2001:db8:1111:1111:1111:1111:1111:1111"),
					     .dst = a("2001:db8:1111:1111:1111:1111:1111:1112"),
					     .sport = be16_from(65535), .dport = be16_from(65535), .proto = 17 } };
	char out[EVENT_TEXT_MAX];

	(void)state;
	memset(&ev.count, 0xff, sizeof(ev.count));
	ev.kind = FLOW_EVENT_ENDED;
	assert_true(event__flow(&ev, &long_stamp, out) < EVENT_TEXT_MAX - 128);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flow_names_both_ends_its_start_and_what_passed),
		cmocka_unit_test(a_flow_without_ports_has_none_and_an_unknown_start_is_null),
		cmocka_unit_test(the_longest_line_has_room),
		cmocka_unit_test(a_block_names_its_subscriber_and_its_ports),
		cmocka_unit_test(a_static_entry_names_its_host_and_its_port),
		cmocka_unit_test(a_session_names_its_host_and_the_destination_only_if_asked_for),
		cmocka_unit_test(quotas_and_exhaustion_name_the_subscriber),
		cmocka_unit_test(marks_say_when_the_log_began_and_what_it_lacks),
		cmocka_unit_test(the_longest_line_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
