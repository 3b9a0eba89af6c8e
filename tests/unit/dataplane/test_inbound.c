/*
 * test_inbound.c - NAT64 sessions that the outside opens, through the whole pipeline: the limits of
 * the host's subscriber hold for those that it answers (RFC 6146 5.3, RFC 6888 REQ-4, REQ-5), and of
 * too many that nobody answers the oldest makes room.
 */
#include "test.h"
#include <netinet/in.h>
#include "build.h"
#include "gateway.h"
#include "sixgate/base/must.h"
#include "sixgate/flow/tcp.h"
#include "sixgate/nat64/event.h"

static struct gateway g;
static uint8_t bytes[PACKET_LEN_MAX];
static struct pool4_conf pool;
static struct static_conf web;
static struct nat64_conf nat64;
static struct gateway_args args;
static struct tuple mapped; /* what the host's first packet left as */

static const char *const host = "2001:db8:1::5";
static const char *const server = "2001:db8:64::203.0.113.7";

static int setup(void **state)
{
	static struct prefix prefix;

	(void)state;
	nat64_conf_default(&nat64);
	must(prefix_parse("2001:db8:64::/96", &prefix) == 0);
	nat64.prefix = &prefix;
	nat64.n_prefix = 1;
	pool = (struct pool4_conf){ .port_first = 1024, .port_last = 65535,
				    .protocols = NAT64_TCP | NAT64_UDP | NAT64_ICMP };
	must(addr_parse("198.51.100.10", &pool.first) == 0);
	pool.last = pool.first;
	nat64.pool4 = &pool;
	nat64.n_pool4 = 1;
	args = (struct gateway_args){ .nat64 = &nat64, .inside = { "2001:db8:1::/48" } };
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	gateway_fini(&g);
	return 0;
}

/* A UDP packet. Return: it left. */
static bool passes(enum side side, const struct tuple *t)
{
	gateway_send(&g, side, bytes, build_udp(bytes, t, 20));
	return g.n_out == 1 && g.out[0].side != side;
}

static bool opens(const char *from, uint16_t port, uint16_t dport)
{
	struct tuple t = tuple_of(from, server, port, dport, IPPROTO_UDP);

	return passes(SIDE_INSIDE, &t);
}

static void begin(void)
{
	gateway_init(&g, &args);
	assert_true(opens(host, 4000, 53));
	mapped = g.out[0].packet.key;
}

/* The @i-th stranger. */
static struct tuple stranger(uint16_t i)
{
	struct tuple t = tuple_of("9.9.9.9", "198.51.100.10", (uint16_t)(1000 + i), 0, IPPROTO_UDP);

	t.dport = mapped.sport;
	return t;
}

static struct tuple answer_to(uint16_t i)
{
	struct tuple t = tuple_of(host, "2001:db8:64::9.9.9.9", 4000, (uint16_t)(1000 + i),
				  IPPROTO_UDP);
	return t;
}

static bool knocks(uint16_t i)
{
	struct tuple t = stranger(i);

	return passes(SIDE_OUTSIDE, &t);
}

static bool answers(uint16_t i)
{
	struct tuple t = answer_to(i);

	return passes(SIDE_INSIDE, &t);
}

/* The refused one hears why. */
static void refused(enum drop_reason why, uint8_t icmp_code)
{
	if (g.last.next != VERDICT_DROP || g.last.why != why)
		fail_msg("dropped for %s, not %s", drop_reason_name(g.last.why),
			 drop_reason_name(why));
	assert_int_equal(g.n_out, 1);
	assert_int_equal(g.out[0].side, SIDE_INSIDE);
	assert_int_equal(g.out[0].packet.icmp_type, 1);
	assert_int_equal(g.out[0].packet.icmp_code, icmp_code);
}

static void an_answer_beyond_the_limit_is_refused_like_any_new_flow(void **state)
{
	(void)state;
	nat64.limits.flows = 4;
	begin();
	for (uint16_t i = 0; i < 3; i++)
		assert_true(knocks(i) && answers(i) && knocks(i) && answers(i));
	assert_false(opens(host, 4000, 54));
	refused(DROP_QUOTA_FLOWS, 1);
	for (uint16_t i = 3; i < 100; i++) {
		assert_true(knocks(i)); /* it may be one that nobody wants to answer */
		assert_false(answers(i));
		refused(DROP_QUOTA_FLOWS, 1);
		knocks(i);
		gateway_advance(&g, 1000);
	}
	gateway_advance(&g, 20000);
	assert_int_equal(gateway_flows(&g), 4);
	assert_true(answers(0));
	assert_true(opens("2001:db8:1:2::5", 4000, 53)); /* others do not notice */
}

/* Anybody can send with any source: what nobody has shown to have read counts for nobody. */
static void strangers_do_not_use_up_the_limit_whether_answered_or_not(void **state)
{
	(void)state;
	nat64.limits.flows = 4;
	nat64.limits.new_flows = 4;
	begin();
	for (uint16_t i = 0; i < 40; i++)
		assert_true(knocks(i) && (i % 2 || answers(i)));
	for (uint16_t i = 0; i < 3; i++)
		assert_true(opens(host, 4000, (uint16_t)(54 + i)));
	assert_false(opens(host, 4000, 57));
	refused(DROP_QUOTA_FLOWS, 1);
}

static void the_limit_holds_where_answers_came_before_it_was_reached(void **state)
{
	(void)state;
	nat64.limits.flows = 4;
	begin();
	for (uint16_t i = 0; i < 10; i++)
		assert_true(knocks(i) && answers(i));
	for (uint16_t i = 0; i < 10; i++) {
		assert_int_equal(knocks(i), i < 3);
		if (i < 3) {
			assert_true(answers(i));
			continue;
		}
		assert_int_equal(g.last.why, DROP_QUOTA_FLOWS);
		assert_int_equal(g.n_out, 0); /* a stranger is told nothing */
	}
	gateway_advance(&g, 20000);
	assert_int_equal(gateway_flows(&g), 4);
}

static void a_session_waits_for_room_as_long_as_it_may(void **state)
{
	(void)state;
	nat64.limits.new_flows = 2;
	begin();
	assert_true(knocks(0) && answers(0) && knocks(0) && answers(0));
	assert_true(knocks(1) && answers(1));
	assert_false(knocks(1));
	assert_int_equal(g.last.why, DROP_QUOTA_NEW_FLOWS);
	gateway_advance(&g, 1000);
	assert_true(knocks(1) && answers(1)); /* the repetition completes it */
	gateway_advance(&g, 20000);
	assert_int_equal(gateway_flows(&g), 3);
}

static void a_reset_passes_at_the_limit(void **state)
{
	struct tuple t = tuple_of(host, server, 4000, 80, IPPROTO_TCP), in;

	(void)state;
	nat64.limits.flows = 1;
	gateway_init(&g, &args);
	gateway_send(&g, SIDE_INSIDE, bytes, build_tcp(bytes, &t, (struct tcp_args){ TCP_SYN, 1, 0 }, 0));
	assert_int_equal(g.n_out, 1);
	in = tuple_of("9.9.9.9", "198.51.100.10", 1000, be16_to(g.out[0].packet.key.sport), IPPROTO_TCP);
	gateway_send(&g, SIDE_OUTSIDE, bytes, build_tcp(bytes, &in, (struct tcp_args){ TCP_SYN, 7, 0 }, 0));
	assert_int_equal(g.n_out, 1);
	t = tuple_reverse(&g.out[0].packet.key);
	gateway_send(&g, SIDE_INSIDE, bytes,
		     build_tcp(bytes, &t, (struct tcp_args){ TCP_SYN | TCP_ACK, 1, 8 }, 0));
	refused(DROP_QUOTA_FLOWS, 1);
	gateway_send(&g, SIDE_INSIDE, bytes,
		     build_tcp(bytes, &t, (struct tcp_args){ TCP_RST | TCP_ACK, 1, 8 }, 0));
	assert_int_equal(g.n_out, 1);
	assert_int_equal(g.out[0].side, SIDE_OUTSIDE);
}

static void a_table_that_runs_short_is_shared_with_whom_the_outside_calls_too(void **state)
{
	uint16_t i = 0;

	(void)state;
	args.flows = 256;
	begin();
	assert_true(opens("2001:db8:1:7::5", 4000, 53));
	while (i < 500 && knocks(i) && answers(i) && knocks(i))
		i++;
	refused(DROP_FAIR_SHARE, 3);
	assert_in_range(i, 128, 230);
	assert_true(opens("2001:db8:1:7::5", 4000, 54));
}

/* What nobody has answered makes room: it is no reason to refuse anybody. */
static void strangers_do_not_make_a_table_run_short(void **state)
{
	(void)state;
	args.flows = 256;
	begin();
	assert_true(opens("2001:db8:1:7::5", 4000, 53));
	for (uint16_t i = 0; i < 64; i++)
		assert_true(knocks(i));
	for (uint16_t i = 0; i < 190; i++)
		assert_true(opens(host, 4000, (uint16_t)(100 + i)));
}

static void a_static_entry_is_without_limits(void **state)
{
	(void)state;
	nat64.limits = (struct nat64_limits){ .flows = 1, .new_flows = 1 };
	web = (struct static_conf){ .protocol = NAT64_UDP, .outside = pool.first, .inside_port = 4000,
				    .outside_port = 53 };
	must(addr_parse(host, &web.inside) == 0);
	nat64.static_entry = &web;
	nat64.n_static = 1;
	begin();
	assert_int_equal(be16_to(mapped.sport), 53);
	for (uint16_t i = 0; i < 100; i++)
		assert_true(knocks(i) && answers(i) && knocks(i) && answers(i));
}

/* The same when the mapping was there before: it became the entry's by a reload. */
static void a_mapping_that_becomes_static_is_without_limits(void **state)
{
	(void)state;
	nat64.limits.flows = 2;
	begin();
	web = (struct static_conf){ .protocol = NAT64_UDP, .outside = pool.first, .inside_port = 4000,
				    .outside_port = be16_to(mapped.sport) };
	must(addr_parse(host, &web.inside) == 0);
	nat64.static_entry = &web;
	nat64.n_static = 1;
	gateway_publish(&g, &args);
	gateway_advance(&g, 1000);
	for (uint16_t i = 0; i < 100; i++)
		assert_true(knocks(i) && answers(i) && knocks(i) && answers(i));
	assert_true(opens(host, 4001, 53) && opens(host, 4002, 53)); /* what it has itself counts */
	assert_false(opens(host, 4003, 53));
	refused(DROP_QUOTA_FLOWS, 1);
	gateway_advance(&g, 1000 * 1000);
	assert_int_equal(nat64_subscribers(g.worker[0]->nat64), 0);
}

/* RFC 6146 3.5: it is the sessions of a mapping that let an address in, whoever began them. */
static void a_session_that_was_answered_lets_its_address_in_itself(void **state)
{
	struct tuple out;

	(void)state;
	nat64.filtering = NAT64_ADDRESS_DEPENDENT;
	begin();
	assert_false(knocks(0));
	out = tuple_of(host, "2001:db8:64::9.9.9.9", 4000, 53, IPPROTO_UDP);
	assert_true(passes(SIDE_INSIDE, &out)); /* lives 300 s */
	gateway_advance(&g, 200 * 1000);
	assert_true(knocks(0) && answers(0) && knocks(0));
	gateway_advance(&g, 200 * 1000); /* without the host's */
	assert_true(knocks(1) && answers(1) && knocks(1));
	gateway_advance(&g, 400 * 1000);
	assert_false(knocks(2));
}

static uint64_t evicted(void)
{
	return counter_read(&g.worker[0]->count[COUNT_FLOWS_EVICTED]);
}

static bool is_there(uint16_t i)
{
	struct tuple t = stranger(i);
	const struct flow_table *flows = &g.worker[0]->flows;

	return flow_table_find(flows, &t, tuple_hash(&flows->key, &t)) != FLOW_NONE;
}

/* Design: they are evicted first; nobody is shut out by them. */
static void the_oldest_stranger_makes_room_for_the_next(void **state)
{
	enum { N = NAT64_INBOUND_PER_MAPPING };

	(void)state;
	begin();
	for (uint16_t i = 0; i < N; i++)
		assert_true(knocks(i));
	assert_int_equal(gateway_flows(&g), 1 + N);
	assert_true(answers(1) && knocks(1)); /* the second is one no longer */
	assert_true(knocks(N));
	assert_int_equal(evicted(), 0);
	for (uint16_t i = 1; i < 10; i++) {
		assert_true(knocks((uint16_t)(N + i)));
		assert_int_equal(evicted(), i);
		assert_false(is_there(i == 1 ? 0 : i));
		assert_true(is_there((uint16_t)(i + 1)));
	}
	assert_int_equal(gateway_flows(&g), 2 + N);
	assert_true(is_there(1));
	assert_int_equal(gateway_drops(&g, DROP_INBOUND_LIMIT), 0);
	assert_true(knocks(0) && answers(0) && knocks(0) && answers(0)); /* who comes again is let in */
	gateway_advance(&g, 20000);
	assert_int_equal(gateway_flows(&g), 3);
}

/* RFC 4787 REQ-5: what the host has answered is a session as any other once it was heard again. */
static void answered_stranger_stays_as_long_as_any_session(void **state)
{
	(void)state;
	begin();
	assert_true(knocks(0) && answers(0) && knocks(0));
	gateway_advance(&g, 299 * 1000);
	assert_true(is_there(0));
	assert_true(knocks(0)); /* REQ-6: what comes from outside prolongs nothing */
	gateway_advance(&g, 2000);
	assert_false(is_there(0));
}

static void strangers_at_one_mapping_do_not_push_out_those_at_another(void **state)
{
	struct tuple other;

	(void)state;
	begin();
	assert_true(opens("2001:db8:1::6", 4000, 53));
	other = tuple_of("9.9.9.9", "198.51.100.10", 999, be16_to(g.out[0].packet.key.sport), IPPROTO_UDP);
	assert_true(passes(SIDE_OUTSIDE, &other));
	for (uint16_t i = 0; i < 5000; i++)
		assert_true(knocks(i));
	assert_true(passes(SIDE_OUTSIDE, &other));
	other = tuple_reverse(&g.out[0].packet.key);
	assert_int_equal(gateway_flows(&g), 3 + NAT64_INBOUND_PER_MAPPING);
	assert_true(passes(SIDE_INSIDE, &other));
	assert_int_equal(evicted(), 5000 - NAT64_INBOUND_PER_MAPPING);
}

/* They expire, are evicted, answered and refused in every order, and nothing is left. */
static void strangers_come_and_go_and_leave_nothing(void **state)
{
	uint64_t seed = test_seed();

	(void)state;
	args.flows = 200; /* 50 of them for strangers */
	begin();
	for (unsigned i = 0; i < 20000; i++) {
		uint16_t who = (uint16_t)(rnd(&seed) % 400);
		unsigned what = rnd(&seed) % 16;

		if (what < 9)
			knocks(who);
		else if (what < 13)
			answers(who);
		else if (what < 14)
			opens("2001:db8:1:7::5", 4000, who);
		else
			gateway_advance(&g, rnd(&seed) % 700);
	}
	gateway_advance(&g, 400000);
	assert_int_equal(gateway_flows(&g), 0);
	assert_int_equal(g.worker[0]->strangers.pool.used, 0);
	assert_int_equal(nat64_mappings(g.worker[0]->nat64), 0);
}

static unsigned told(enum nat64_event_kind kind, unsigned *others)
{
	struct nat64_event e;
	unsigned n = 0;

	*others = 0;
	while (nat64_event_read(nat64_events(g.worker[0]->nat64), &e))
		if (e.kind == kind)
			n++;
		else
			++*others;
	return n;
}

/* One port speaks to one IPv4 address and port under one prefix at a time; of what is refused the
 * log knows nothing, and the session goes on. */
static void what_another_prefix_leads_to_is_refused_and_not_told(void **state)
{
	static struct prefix two[2];
	struct tuple first = tuple_of(host, server, 4000, 7, IPPROTO_UDP),
		     second = tuple_of(host, "2001:db8:65::203.0.113.7", 4000, 7, IPPROTO_UDP);
	unsigned others;

	(void)state;
	must(prefix_parse("2001:db8:64::/96", &two[0]) == 0);
	must(prefix_parse("2001:db8:65::/96", &two[1]) == 0);
	nat64.prefix = two;
	nat64.n_prefix = 2;
	nat64.log_what = NAT64_LOG_SESSIONS;
	gateway_init(&g, &args);
	assert_true(passes(SIDE_INSIDE, &first));
	assert_int_equal(told(NAT64_EVENT_SESSION_CREATED, &others), 1);
	assert_int_equal(others, 0);
	assert_false(passes(SIDE_INSIDE, &second));
	assert_int_equal(g.last.why, DROP_FLOW_CONFLICT);
	assert_int_equal(told(NAT64_EVENT_SESSION_CREATED, &others), 0);
	assert_int_equal(others, 0);
	assert_true(passes(SIDE_INSIDE, &first));
	gateway_advance(&g, 400000);
	assert_int_equal(told(NAT64_EVENT_SESSION_DELETED, &others), 1);
	assert_int_equal(others, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_answer_beyond_the_limit_is_refused_like_any_new_flow),
		T(strangers_do_not_use_up_the_limit_whether_answered_or_not),
		T(the_limit_holds_where_answers_came_before_it_was_reached),
		T(a_session_waits_for_room_as_long_as_it_may),
		T(a_reset_passes_at_the_limit),
		T(a_table_that_runs_short_is_shared_with_whom_the_outside_calls_too),
		T(strangers_do_not_make_a_table_run_short),
		T(a_mapping_that_becomes_static_is_without_limits),
		T(a_static_entry_is_without_limits),
		T(a_session_that_was_answered_lets_its_address_in_itself),
		T(the_oldest_stranger_makes_room_for_the_next),
		T(answered_stranger_stays_as_long_as_any_session),
		T(strangers_at_one_mapping_do_not_push_out_those_at_another),
		T(what_another_prefix_leads_to_is_refused_and_not_told),
		T(strangers_come_and_go_and_leave_nothing),
	};

	return cmocka_run_group_tests_name("dataplane/inbound", tests, NULL, NULL);
}
