/* test_flow_log.c - egress6's flow-log: what is told of flows, and what is counted (RFC 6302 2: time,
 * protocol, addresses and ports of both ends). */
#include "test.h"
#include <netinet/in.h>
#include "build.h"
#include "gateway.h"
#include "sixgate/base/must.h"
#include "sixgate/flow/tcp.h"

enum { INTERVAL_MS = 10000, UDP_S = 300 };

static struct gateway g;
static uint8_t bytes[PACKET_LEN_MAX];
static struct prefix prefix;
static struct pinhole_conf pinhole;
static struct egress6_conf conf;
static struct gateway_args args;
static struct tuple out;

static int start(void **state)
{
	(void)state;
	egress6_conf_default(&conf);
	must(prefix_parse("2001:db8:1::/64", &prefix) == 0);
	conf.prefix = &prefix;
	conf.n_prefix = 1;
	pinhole = (struct pinhole_conf){ .protocol = IPPROTO_TCP, .destination = prefix, .port = { 80 },
					 .n_port = 1 };
	conf.allow = &pinhole;
	conf.n_allow = 1;
	conf.flow_log = true;
	conf.flow_log_interval_s = INTERVAL_MS / 1000;
	args = (struct gateway_args){ .egress6 = &conf, .inside = { "2001:db8:1::/64" }, .flows = 16384 };
	gateway_init(&g, &args);
	out = tuple_of("2001:db8:1::5", "2001:db8:f::2", 4000, 53, IPPROTO_UDP);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	gateway_fini(&g);
	return 0;
}

static void send_udp(enum side side, const struct tuple *t, uint32_t payload)
{
	assert_int_equal(gateway_send(&g, side, bytes, build_udp(bytes, t, payload)).next, VERDICT_FORWARD);
}

static void send_back(uint32_t payload)
{
	struct tuple back = tuple_reverse(&out);

	send_udp(SIDE_OUTSIDE, &back, payload);
}

static struct flow_event told(enum flow_event_kind kind)
{
	struct flow_event ev;

	assert_true(flow_log_read(g.worker[0]->flow_log, &ev));
	assert_int_equal(ev.kind, kind);
	return ev;
}

static void told_nothing(void)
{
	struct flow_event ev;

	assert_false(flow_log_read(g.worker[0]->flow_log, &ev));
}

static void switch_log(bool on)
{
	conf.flow_log = on;
	gateway_publish(&g, &args);
	gateway_advance(&g, 1);
}

static void is_count(const struct flow_event *ev, unsigned dir, uint32_t packets, uint64_t n_bytes)
{
	assert_int_equal(ev->count.packets[dir], packets);
	assert_int_equal(ev->count.bytes[dir], n_bytes);
}

static void a_flow_is_told_of_as_it_begins_and_ends(void **state)
{
	struct flow_event ev;
	uint64_t began = g.now_ms;

	(void)state;
	send_udp(SIDE_INSIDE, &out, 100);
	ev = told(FLOW_EVENT_STARTED);
	assert_int_equal(ev.time_ms, began);
	assert_true(tuple_equal(&ev.inside, &out));
	assert_false(ev.count.from_outside);
	send_udp(SIDE_INSIDE, &out, 10);
	send_back(1000);
	told_nothing();
	gateway_advance(&g, (UDP_S + 1) * 1000);
	ev = told(FLOW_EVENT_ACTIVE);
	ev = told(FLOW_EVENT_ENDED);
	assert_true(tuple_equal(&ev.inside, &out));
	is_count(&ev, 0, 2, 2 * 48 + 110);
	is_count(&ev, 1, 1, 1048);
	assert_true(ev.started_ms <= began && ev.started_ms + FLOW_LOG_TICK_MS > began);
	told_nothing();
}

static void who_opened_a_pinhole_stays_known(void **state)
{
	struct tuple t = tuple_of("2001:db8:f::2", "2001:db8:1::5", 999, 80, IPPROTO_TCP);
	struct tuple back = tuple_reverse(&t);
	struct tcp_args syn = { TCP_SYN, 1, 0 }, syn_ack = { TCP_SYN | TCP_ACK, 5, 2 }, ack = { TCP_ACK, 2, 6 };
	struct flow_event ev;

	(void)state;
	gateway_send(&g, SIDE_OUTSIDE, bytes, build_tcp(bytes, &t, syn, 0));
	ev = told(FLOW_EVENT_STARTED);
	assert_true(ev.count.from_outside);
	assert_true(tuple_equal(&ev.inside, &back)); /* the host inside is its source all the same */
	gateway_send(&g, SIDE_INSIDE, bytes, build_tcp(bytes, &back, syn_ack, 0));
	gateway_send(&g, SIDE_OUTSIDE, bytes, build_tcp(bytes, &t, ack, 0));
	gateway_advance(&g, INTERVAL_MS + 5000);
	ev = told(FLOW_EVENT_ACTIVE);
	assert_true(ev.count.from_outside);
	is_count(&ev, 0, 1, 60);
	is_count(&ev, 1, 2, 120);
}

static void a_flow_that_goes_on_is_told_of_once_an_interval_if_anything_passed(void **state)
{
	struct flow_event ev;

	(void)state;
	send_udp(SIDE_INSIDE, &out, 1);
	told(FLOW_EVENT_STARTED);
	gateway_advance(&g, INTERVAL_MS - 200);
	told_nothing(); /* it is younger than that */
	for (unsigned i = 1; i <= 3; i++) {
		send_udp(SIDE_INSIDE, &out, 1);
		gateway_advance(&g, 2 * INTERVAL_MS);
		ev = told(FLOW_EVENT_ACTIVE);
		is_count(&ev, 0, i + 1, 49 * (i + 1)); /* sums since its start */
		told_nothing();
	}
	gateway_advance(&g, 2 * INTERVAL_MS);
	told_nothing();
}

static void every_flow_has_its_turn_within_an_interval(void **state)
{
	enum { FLOWS = 6000 };
	unsigned n = 0;
	struct flow_event ev;

	(void)state;
	for (unsigned i = 0; i < FLOWS; i++) {
		struct tuple t = tuple_of("2001:db8:1::5", "2001:db8:f::2", (uint16_t)(1000 + i), 53, IPPROTO_UDP);

		send_udp(SIDE_INSIDE, &t, 1);
		told(FLOW_EVENT_STARTED);
	}
	gateway_advance(&g, INTERVAL_MS);
	while (flow_log_read(g.worker[0]->flow_log, &ev))
		;
	for (unsigned i = 0; i < FLOWS; i++) {
		struct tuple t = tuple_of("2001:db8:1::5", "2001:db8:f::2", (uint16_t)(1000 + i), 53, IPPROTO_UDP);

		send_udp(SIDE_INSIDE, &t, 1);
	}
	for (unsigned ms = 0; ms < 2 * INTERVAL_MS; ms += 500)
		gateway_advance(&g, 500);
	while (flow_log_read(g.worker[0]->flow_log, &ev))
		n += ev.kind == FLOW_EVENT_ACTIVE;
	assert_int_equal(n, FLOWS);
}

static void a_packet_that_is_refused_is_not_told_as_passed(void **state)
{
	struct flow_event ev;
	struct verdict v;
	uint32_t n;

	(void)state;
	send_udp(SIDE_INSIDE, &out, 1);
	told(FLOW_EVENT_STARTED);
	n = build_udp(bytes, &out, 100);
	bytes[7] = 1; /* its last hop */
	v = gateway_send(&g, SIDE_INSIDE, bytes, n);
	assert_int_equal(v.next, VERDICT_DROP);
	assert_int_equal(v.why, DROP_HOP_LIMIT);
	v = gateway_send(&g, SIDE_INSIDE, bytes, build_udp(bytes, &out, 1600));
	assert_int_equal(v.next, VERDICT_DROP);
	assert_int_equal(v.why, DROP_TOO_BIG);
	gateway_advance(&g, (UDP_S + 1) * 1000);
	told(FLOW_EVENT_ACTIVE);
	ev = told(FLOW_EVENT_ENDED);
	is_count(&ev, 0, 1, 49);
}

static void an_icmp_error_is_no_packet_of_its_flow(void **state)
{
	uint8_t inner[2048];
	struct addr router;
	struct flow_event ev;
	uint32_t n;

	(void)state;
	assert_int_equal(addr_parse("2001:db8:f::99", &router), 0);
	send_udp(SIDE_INSIDE, &out, 1);
	told(FLOW_EVENT_STARTED);
	n = build_udp(inner, &out, 1);
	assert_int_equal(gateway_send(&g, SIDE_OUTSIDE, bytes,
				      build_error(bytes, &router, &out.src, 1, 4, 0, inner, n)).next,
			 VERDICT_FORWARD);
	gateway_advance(&g, (UDP_S + 1) * 1000);
	told(FLOW_EVENT_ACTIVE);
	ev = told(FLOW_EVENT_ENDED);
	is_count(&ev, 1, 0, 0);
}

static void a_super_packet_is_as_many_as_its_segments(void **state)
{
	static struct batch b;
	static uint8_t room[PACKET_HEADROOM + PACKET_LEN_MAX];
	struct tuple t = tuple_of("2001:db8:1::5", "2001:db8:f::2", 4000, 80, IPPROTO_TCP);
	struct flow_event ev;
	uint32_t len = build_tcp(room + PACKET_HEADROOM, &t, (struct tcp_args){ TCP_ACK, 1, 1 }, 3001);

	(void)state;
	b.n = 1;
	b.packet[0] = (struct packet){ .data = room + PACKET_HEADROOM, .len = len, .room = PACKET_LEN_MAX,
				       .headroom = PACKET_HEADROOM, .side = SIDE_INSIDE,
				       .off = { .gso = GSO_TCP6, .gso_size = 1000, .hdr_len = 60,
						.csum_partial = true, .csum_start = 40, .csum_offset = 16 } };
	pipeline_run(g.worker[0], g.snapshot, &b, g.now_ms);
	assert_int_equal(b.packet[0].verdict.next, VERDICT_FORWARD);
	told(FLOW_EVENT_STARTED);
	gateway_advance(&g, INTERVAL_MS + 5000);
	ev = told(FLOW_EVENT_ACTIVE);
	is_count(&ev, 0, 4, 3061);
}

static void a_log_that_begins_later_says_that_it_does(void **state)
{
	struct flow_event ev;

	(void)state;
	conf.flow_log = false;
	gateway_publish(&g, &args);
	send_udp(SIDE_INSIDE, &out, 1);
	told_nothing();
	switch_log(true);
	send_udp(SIDE_INSIDE, &out, 1);
	gateway_advance(&g, (UDP_S + 1) * 1000);
	told(FLOW_EVENT_ACTIVE);
	ev = told(FLOW_EVENT_ENDED);
	assert_int_equal(ev.started_ms, 0);
	is_count(&ev, 0, 1, 49); /* what passed since then */
}

static void a_slot_that_is_used_again_has_no_counts_of_its_last_flow(void **state)
{
	struct flow_event ev;

	(void)state;
	send_udp(SIDE_INSIDE, &out, 1);
	told(FLOW_EVENT_STARTED);
	switch_log(false);
	gateway_advance(&g, (UDP_S + 1) * 1000);
	assert_int_equal(gateway_flows(&g), 0);
	send_udp(SIDE_INSIDE, &out, 1); /* the same slot, while nobody counts */
	switch_log(true);
	gateway_advance(&g, (UDP_S + 1) * 1000);
	ev = told(FLOW_EVENT_ENDED);
	assert_int_equal(ev.started_ms, 0);
	is_count(&ev, 0, 0, 0);
}

static void a_full_ring_loses_lines_and_no_packet(void **state)
{
	(void)state;
	for (unsigned i = 0; i < FLOW_LOG_SLOTS + 3; i++) {
		struct tuple t = tuple_of("2001:db8:1::5", "2001:db8:f::2", (uint16_t)(1000 + i), 53, IPPROTO_UDP);

		send_udp(SIDE_INSIDE, &t, 1);
	}
	assert_int_equal(counter_read(&g.worker[0]->flow_log->lost), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_flow_is_told_of_as_it_begins_and_ends, start, teardown),
		cmocka_unit_test_setup_teardown(who_opened_a_pinhole_stays_known, start, teardown),
		cmocka_unit_test_setup_teardown(
			a_flow_that_goes_on_is_told_of_once_an_interval_if_anything_passed, start, teardown),
		cmocka_unit_test_setup_teardown(every_flow_has_its_turn_within_an_interval, start, teardown),
		cmocka_unit_test_setup_teardown(a_packet_that_is_refused_is_not_told_as_passed, start,
						teardown),
		cmocka_unit_test_setup_teardown(an_icmp_error_is_no_packet_of_its_flow, start, teardown),
		cmocka_unit_test_setup_teardown(a_super_packet_is_as_many_as_its_segments, start, teardown),
		cmocka_unit_test_setup_teardown(a_log_that_begins_later_says_that_it_does, start, teardown),
		cmocka_unit_test_setup_teardown(a_slot_that_is_used_again_has_no_counts_of_its_last_flow, start,
						teardown),
		cmocka_unit_test_setup_teardown(a_full_ring_loses_lines_and_no_packet, start, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
