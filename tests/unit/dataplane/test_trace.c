/* test_trace.c - records of a packet's steps: who is picked, what is said, a full ring; and the packets
 * that explain makes. */
#include "test.h"
#include <netinet/in.h>
#include "build.h"
#include "gateway.h"
#include "sixgate/base/must.h"
#include "sixgate/dataplane/explain.h"
#include "sixgate/packet/parse.h"

static struct gateway g;
static uint8_t bytes[2048];
static struct pool4_conf pool;
static struct nat64_conf nat64;

static struct addr a(const char *text)
{
	struct addr out;

	assert_int_equal(addr_parse(text, &out), 0);
	return out;
}

static int setup(void **state)
{
	struct gateway_args args = { .nat64 = &nat64, .inside = { "2001:db8:1::/64" } };

	(void)state;
	nat64_conf_default(&nat64);
	pool = (struct pool4_conf){ .first = a("198.51.100.10"), .last = a("198.51.100.10"),
				    .port_first = 1024, .port_last = 65535,
				    .protocols = NAT64_TCP | NAT64_UDP | NAT64_ICMP };
	nat64.pool4 = &pool;
	nat64.n_pool4 = 1;
	nat64.allow_private = true;
	gateway_init(&g, &args);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	gateway_fini(&g);
	return 0;
}

static void send_udp(enum side side, const struct tuple *t)
{
	gateway_send(&g, side, bytes, build_udp(bytes, t, 20));
}

/* The steps that are waiting are these, and no more. */
static void steps_are(const uint8_t *want, size_t n)
{
	struct trace_record r;

	for (size_t i = 0; i < n; i++) {
		assert_true(trace_read(g.worker[0]->trace, &r));
		assert_int_equal(r.step, want[i]);
	}
	assert_false(trace_read(g.worker[0]->trace, &r));
}

#define STEPS_ARE(...) steps_are((const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static void filters_pick_by_protocol_hosts_and_ports(void **state)
{
	const struct tuple udp = tuple_of("2001:db8:1::5", "64:ff9b::203.0.113.7", 5000, 53, 17),
			   ping = tuple_of("2001:db8:1::5", "64:ff9b::203.0.113.7", 77, 77, 0);
	const struct addr host = a("2001:db8:1::5"), far = a("64:ff9b::203.0.113.7"), no = a("::9");
	const struct {
		struct trace_filter f;
		bool udp, ping;
	} rows[] = {
		{ { 0 }, true, true },
		{ { .proto = 17 }, true, false },
		{ { .proto = 1 }, false, true },
		{ { .proto = 6 }, false, false },
		{ { .n_host = 1, .host = { host } }, true, true },
		{ { .n_host = 1, .host = { no } }, false, false },
		{ { .n_host = 2, .host = { far, host } }, true, true },
		{ { .n_host = 2, .host = { host, no } }, false, false },
		{ { .n_port = 1, .port = { be16_from(53) } }, true, false },
		{ { .n_port = 2, .port = { be16_from(53), be16_from(5000) } }, true, false },
		{ { .n_port = 2, .port = { be16_from(53), be16_from(54) } }, false, false },
		{ { .proto = 1, .n_port = 1, .port = { be16_from(77) } }, false, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(trace_filter_picks(&rows[i].f, &udp), rows[i].udp);
		assert_int_equal(trace_filter_picks(&rows[i].f, &ping), rows[i].ping);
	}
}

static void a_flow_is_shown_both_ways_by_its_inside_host(void **state)
{
	const struct trace_filter f = { .proto = 17, .n_host = 1, .host = { a("2001:db8:1::5") } };
	const struct tuple in = tuple_of("2001:db8:1::5", "64:ff9b::203.0.113.7", 5000, 53, 17),
			   other = tuple_of("2001:db8:1::6", "64:ff9b::203.0.113.7", 5000, 53, 17);
	struct tuple back;

	(void)state;
	trace_start(g.worker[0], &f);
	send_udp(SIDE_INSIDE, &other);
	STEPS_ARE();
	send_udp(SIDE_INSIDE, &in);
	back = tuple_reverse(&g.out[0].packet.key);
	STEPS_ARE(TRACE_ARRIVED, TRACE_ASKED, TRACE_OPENED, TRACE_REWRITTEN, TRACE_ENDED);
	send_udp(SIDE_OUTSIDE, &back); /* its addresses are IPv4: it is the flow that is of the host */
	STEPS_ARE(TRACE_ARRIVED, TRACE_FOUND, TRACE_REWRITTEN, TRACE_ENDED);
	trace_stop(g.worker[0]);
	send_udp(SIDE_INSIDE, &in);
	STEPS_ARE();
}

static void what_the_parser_refuses_is_shown_by_its_outer_header(void **state)
{
	const struct trace_filter f = { .n_host = 1, .host = { a("203.0.113.7") } };
	const struct tuple t = tuple_of("203.0.113.7", "198.51.100.10", 53, 5000, 17);
	struct trace_record r;
	uint32_t len = build_udp(bytes, &t, 20);

	(void)state;
	trace_start(g.worker[0], &f);
	bytes[10] ^= 1;
	gateway_send(&g, SIDE_OUTSIDE, bytes, len);
	assert_true(trace_read(g.worker[0]->trace, &r));
	assert_true(addr_equal(&r.tuple.dst, &t.dst));
	assert_true(trace_read(g.worker[0]->trace, &r));
	assert_int_equal(r.verdict.why, DROP_BAD_IPV4_CHECKSUM);
	for (len = 0; len < 20; len++) /* and if there is none, only when everything is asked for */
		gateway_send(&g, SIDE_OUTSIDE, bytes, len);
	STEPS_ARE();
}

/* No flow says what it would have become: the address it stands for is asked for all the same. */
static void a_refused_packet_is_picked_by_the_ipv4_address_it_is_for(void **state)
{
	const struct trace_filter f = { .n_host = 1, .host = { a("203.0.113.7") } };
	const struct trace_filter both = { .n_host = 2, .host = { a("203.0.113.7"), a("2001:db8:1::5") } };
	const struct tuple foreign = tuple_of("2001:db8:2::5", "64:ff9b::203.0.113.7", 5000, 53, 17);
	const struct tuple other = tuple_of("2001:db8:2::5", "64:ff9b::203.0.113.8", 5000, 53, 17);
	const struct tuple ours = tuple_of("2001:db8:1::5", "64:ff9b::203.0.113.7", 5000, 53, 17);

	(void)state;
	trace_start(g.worker[0], &f);
	send_udp(SIDE_INSIDE, &other);
	STEPS_ARE();
	send_udp(SIDE_INSIDE, &foreign);
	assert_int_equal(g.last.why, DROP_SOURCE_NOT_INSIDE);
	STEPS_ARE(TRACE_ARRIVED, TRACE_MADE, TRACE_ENDED);
	trace_start(g.worker[0], &both);
	send_udp(SIDE_INSIDE, &foreign);
	STEPS_ARE();
	send_udp(SIDE_INSIDE, &ours);
	STEPS_ARE(TRACE_ARRIVED, TRACE_ASKED, TRACE_OPENED, TRACE_REWRITTEN, TRACE_ENDED);
}

static uint32_t held_as(enum side side, uint32_t len)
{
	static const struct trace_filter everything;
	struct trace_record r = { .value = 0 };

	trace_start(g.worker[0], &everything);
	assert_int_equal(gateway_send(&g, side, bytes, len).next, VERDICT_HELD);
	while (trace_read(g.worker[0]->trace, &r))
		;
	assert_int_equal(r.step, TRACE_ENDED);
	return r.value;
}

static void why_a_packet_is_held_is_said(void **state)
{
	const struct tuple ping = tuple_of("203.0.113.7", "198.51.100.10", 77, 77, 0);
	const struct tuple syn = tuple_of("203.0.113.7", "198.51.100.10", 5000, 2222, 6);
	const struct tuple udp = tuple_of("203.0.113.7", "198.51.100.10", 53, 5000, 17);
	uint32_t len;

	(void)state;
	gateway_advance(&g, 1000); /* tokens for answers */
	assert_int_equal(held_as(SIDE_OUTSIDE, build_echo(bytes, &ping, false, 8)), TRACE_HELD_ANSWERED);
	assert_int_equal(held_as(SIDE_OUTSIDE, build_tcp(bytes, &syn, (struct tcp_args){ 2, 1, 0 }, 0)),
			 TRACE_HELD_SYN);
	len = build_udp(bytes, &udp, 32);
	bytes[7] = 10; /* a later fragment; its header checksum follows */
	bytes[10] = bytes[11] = 0;
	{
		uint32_t sum = 0;

		for (unsigned i = 0; i < 20; i += 2)
			sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
		sum = (sum & 0xffff) + (sum >> 16);
		sum = ~((sum & 0xffff) + (sum >> 16));
		bytes[10] = (uint8_t)(sum >> 8);
		bytes[11] = (uint8_t)sum;
	}
	assert_int_equal(held_as(SIDE_OUTSIDE, len), TRACE_HELD_FRAGMENT);
}

static void a_full_ring_loses_records_and_counts_them(void **state)
{
	static const struct trace_filter everything;
	const struct tuple in = tuple_of("2001:db8:1::5", "64:ff9b::203.0.113.7", 5000, 53, 17);
	struct trace *t = g.worker[0]->trace;
	struct trace_record r;
	uint32_t n = 0;

	(void)state;
	trace_start(g.worker[0], &everything);
	send_udp(SIDE_INSIDE, &in);
	while (trace_read(t, &r))
		;
	for (unsigned i = 0; i < TRACE_SLOTS / 4; i++) /* four steps each: exactly full */
		send_udp(SIDE_INSIDE, &in);
	assert_int_equal(counter_read(&t->lost), 0);
	send_udp(SIDE_INSIDE, &in);
	assert_int_equal(counter_read(&t->lost), 4);
	assert_int_equal(g.n_out, 1);
	while (trace_read(t, &r))
		n++;
	assert_int_equal(n, TRACE_SLOTS);
}

static void packets_to_explain_are_whole_and_right(void **state)
{
	static const struct {
		const char *src, *dst;
		uint8_t proto;
		bool reply;
		uint8_t says; /* TCP flags, or ICMP type */
	} rows[] = {
		{ "2001:db8::1", "2001:db8::2", 6, false, 0x02 }, { "2001:db8::1", "2001:db8::2", 6, true, 0x10 },
		{ "192.0.2.1", "192.0.2.2", 6, false, 0x02 },     { "192.0.2.1", "192.0.2.2", 17, false, 0 },
		{ "2001:db8::1", "2001:db8::2", 17, true, 0 },    { "192.0.2.1", "192.0.2.2", 1, false, 8 },
		{ "192.0.2.1", "192.0.2.2", 1, true, 0 },         { "2001:db8::1", "2001:db8::2", 58, false, 128 },
		{ "2001:db8::1", "2001:db8::2", 58, true, 129 },
	};
	static struct explain x;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const bool icmp = rows[i].proto == 1 || rows[i].proto == 58;
		const struct tuple t = tuple_of(rows[i].src, rows[i].dst, 7, icmp ? 7 : 9, rows[i].proto);
		struct packet p = { .data = x.bytes };

		explain_set_packet(&x, &t, rows[i].reply);
		p.len = p.room = x.len;
		assert_int_equal(packet_parse(&p).next, VERDICT_CONTINUE);
		assert_int_equal(p.len, x.len);
		assert_memory_equal(&p.key, &t, sizeof(t));
		assert_true(l4_checksum_is_right(&p));
		assert_int_equal(icmp ? p.icmp_type : p.tcp_flags, rows[i].says);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(filters_pick_by_protocol_hosts_and_ports),
		TEST(a_flow_is_shown_both_ways_by_its_inside_host),
		TEST(what_the_parser_refuses_is_shown_by_its_outer_header),
		TEST(a_refused_packet_is_picked_by_the_ipv4_address_it_is_for),
		TEST(why_a_packet_is_held_is_said),
		TEST(a_full_ring_loses_records_and_counts_them),
		TEST(packets_to_explain_are_whole_and_right),
	};

	return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}
