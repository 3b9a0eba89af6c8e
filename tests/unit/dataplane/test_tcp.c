/*
 * test_tcp.c - RFC 6146 3.5.2 through the whole pipeline: segments in, segments and states out.
 * RFC 5382 REQ-2 and REQ-4, RFC 7857 2; first SYNs that wait, segments without a session, echo.
 */
#include "test.h"
#include <netinet/in.h>
#include "build.h"
#include "gateway.h"
#include "sixgate/base/must.h"
#include "sixgate/flow/tcp.h"

static struct gateway g;
static uint8_t bytes[PACKET_LEN_MAX];
static struct pool4_conf pool;
static struct nat64_conf nat64;
static struct gateway_args args;
static struct tuple in, out; /* the connection, as its host and as the outside see it */

enum { EST_S = 7440, TRANS_S = 240, SYN_S = 6 };

static void start(enum nat64_filtering filtering)
{
	nat64_conf_default(&nat64);
	pool = (struct pool4_conf){ .port_first = 5000, .port_last = 5255,
				    .protocols = NAT64_TCP | NAT64_UDP | NAT64_ICMP };
	must(addr_parse("198.51.100.10", &pool.first) == 0);
	pool.last = pool.first;
	nat64.pool4 = &pool;
	nat64.n_pool4 = 1;
	nat64.allow_private = true;
	nat64.filtering = filtering;
	args = (struct gateway_args){ .nat64 = &nat64, .inside = { "2001:db8:1::/64" } };
	gateway_init(&g, &args);
	in = tuple_of("2001:db8:1::5", "64:ff9b::203.0.113.7", 4000, 80, 6);
}

static int independent(void **state)
{
	(void)state;
	start(NAT64_ENDPOINT_INDEPENDENT);
	return 0;
}

static int address_dependent(void **state)
{
	(void)state;
	start(NAT64_ADDRESS_DEPENDENT);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	gateway_fini(&g);
	return 0;
}

static void send_tcp(enum side side, const struct tuple *t, uint8_t flags, uint32_t seq, uint32_t ack)
{
	struct tcp_args segment = { flags, seq, ack };

	gateway_send(&g, side, bytes, build_tcp(bytes, t, segment, 0));
}

/* The one packet that left, on @side and whole. */
static struct tuple left(enum side side)
{
	if (g.n_out != 1)
		fail_msg("%u packets left; dropped: %s", g.n_out, drop_reason_name(g.last.why));
	assert_int_equal(g.out[0].side, side);
	assert_int_equal(g.out[0].packet.verdict.next, VERDICT_CONTINUE);
	assert_true(l4_checksum_is_right(&g.out[0].packet));
	return g.out[0].packet.key;
}

static void host(uint8_t flags, uint32_t seq, uint32_t ack)
{
	send_tcp(SIDE_INSIDE, &in, flags, seq, ack);
	out = left(SIDE_OUTSIDE);
}

static void server(uint8_t flags, uint32_t seq, uint32_t ack)
{
	struct tuple back = tuple_reverse(&out);

	send_tcp(SIDE_OUTSIDE, &back, flags, seq, ack);
	left(SIDE_INSIDE);
}

static uint64_t counted(enum worker_counter c)
{
	return counter_read(&g.worker[0]->count[c]);
}

static const struct flow *session(void)
{
	uint64_t hash = tuple_hash(&g.worker[0]->flows.key, &in);
	uint32_t ref = flow_table_find(&g.worker[0]->flows, &in, hash);

	return ref == FLOW_NONE ? NULL : &g.worker[0]->flows.flow[ref >> 1];
}

static void assert_state(enum tcp_state want)
{
	const struct flow *f = session();

	assert_non_null(f);
	if (f->state != want)
		fail_msg("%s, not %s", tcp_state_name((enum tcp_state)f->state),
			 tcp_state_name(want));
}

/* It ends in no less and hardly more than @seconds: the wheel's tick is 128 ms. */
static void assert_lives(uint32_t seconds)
{
	gateway_advance(&g, seconds * 1000ull - 1);
	assert_non_null(session());
	gateway_advance(&g, 400);
	assert_null(session());
}

static void establish(void)
{
	host(TCP_SYN, 1000, 0);
	server(TCP_SYN | TCP_ACK, 5000, 1001);
	host(TCP_ACK, 1001, 5001);
	assert_state(TCP_ESTABLISHED);
}

/* Another connection of the same port, after which there is a mapping. */
static void make_mapping(void)
{
	struct tuple other = tuple_of("2001:db8:1::5", "64:ff9b::203.0.113.99", 4000, 80, 6);
	struct tuple seen;

	send_tcp(SIDE_INSIDE, &other, TCP_SYN, 1, 0);
	seen = left(SIDE_OUTSIDE);
	out = tuple_of("198.51.100.10", "203.0.113.7", be16_to(seen.sport), 80, 6);
}

static void knock(void)
{
	struct tuple back = tuple_reverse(&out);

	send_tcp(SIDE_OUTSIDE, &back, TCP_SYN, 5000, 0);
}

/* One step of a life: who sends what, and what the state is then. */
struct step {
	enum { HOST, SERVER } who;
	uint8_t flags;
	uint32_t seq, ack;
	enum tcp_state state;
};

static void walk(const struct step *step, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		print_message("step %zu\n", i);
		(step[i].who == HOST ? host : server)(step[i].flags, step[i].seq, step[i].ack);
		assert_state(step[i].state);
	}
}

#define WALK(...)                                                                                  \
	do {                                                                                       \
		static const struct step steps[] = { __VA_ARGS__ };                                \
		walk(steps, sizeof(steps) / sizeof(steps[0]));                                     \
	} while (0)

static void v6_init_lives_four_minutes_from_the_last_syn(void **state)
{
	(void)state;
	WALK({ HOST, TCP_SYN, 1000, 0, TCP_V6_INIT });
	gateway_advance(&g, 200 * 1000);
	WALK({ HOST, TCP_SYN, 1000, 0, TCP_V6_INIT });
	assert_lives(TRANS_S);
}

static void v6_init_is_not_moved_by_other_segments(void **state)
{
	(void)state;
	WALK({ HOST, TCP_SYN, 1000, 0, TCP_V6_INIT }, { HOST, TCP_ACK, 1001, 1, TCP_V6_INIT },
	     { SERVER, TCP_ACK, 5000, 1, TCP_V6_INIT }, { HOST, TCP_FIN, 1001, 0, TCP_V6_INIT },
	     { SERVER, TCP_RST | TCP_ACK, 0, 1001, TCP_V6_INIT });
	assert_lives(TRANS_S);
}

static void established_lives_two_hours_and_four_minutes_then_is_probed(void **state)
{
	(void)state;
	establish();
	gateway_advance(&g, 7000 * 1000);
	server(TCP_ACK, 5001, 1001);
	gateway_advance(&g, EST_S * 1000 - 1);
	assert_state(TCP_ESTABLISHED);
	assert_int_equal(g.n_out, 0);
	gateway_advance(&g, 400);
	left(SIDE_INSIDE);
	assert_int_equal(g.out[0].packet.tcp_flags, TCP_ACK);
	assert_int_equal(g.out[0].len, 60);
	assert_state(TCP_TRANS);
	assert_lives(TRANS_S);
}

static void one_fin_keeps_the_established_time_and_no_probe_is_sent(void **state)
{
	(void)state;
	establish();
	WALK({ HOST, TCP_FIN | TCP_ACK, 1001, 5001, TCP_V6_FIN_RCV },
	     { SERVER, TCP_ACK, 5001, 1002, TCP_V6_FIN_RCV });
	gateway_advance(&g, EST_S * 1000 - 1);
	assert_non_null(session());
	gateway_advance(&g, 400);
	assert_null(session());
	assert_int_equal(counted(COUNT_PROBES_SENT), 0);
}

static void both_fins_in_either_order_leave_four_minutes(void **state)
{
	(void)state;
	establish();
	WALK({ SERVER, TCP_FIN | TCP_ACK, 5001, 1001, TCP_V4_FIN_RCV },
	     { HOST, TCP_FIN | TCP_ACK, 1001, 5002, TCP_V4_FIN_V6_FIN_RCV },
	     { SERVER, TCP_ACK, 5002, 1002, TCP_V4_FIN_V6_FIN_RCV });
	assert_lives(TRANS_S);
	establish();
	WALK({ HOST, TCP_FIN | TCP_ACK, 1001, 5001, TCP_V6_FIN_RCV },
	     { SERVER, TCP_FIN | TCP_ACK, 5001, 1002, TCP_V4_FIN_V6_FIN_RCV });
	gateway_advance(&g, 100 * 1000);
	host(TCP_ACK, 1002, 5002); /* does not prolong it */
	assert_lives(TRANS_S - 100);
}

static void a_reset_leaves_four_minutes_and_another_changes_nothing(void **state)
{
	(void)state;
	establish();
	WALK({ SERVER, TCP_RST, 5001, 0, TCP_TRANS });
	gateway_advance(&g, 100 * 1000);
	WALK({ HOST, TCP_RST, 1001, 0, TCP_TRANS });
	assert_lives(TRANS_S - 100);
}

static void a_segment_after_a_reset_establishes_again(void **state)
{
	(void)state;
	establish();
	WALK({ SERVER, TCP_RST, 5001, 0, TCP_TRANS }, { HOST, TCP_ACK, 1001, 5001, TCP_ESTABLISHED },
	     { HOST, TCP_RST, 1001, 0, TCP_TRANS }, { SERVER, TCP_ACK, 5001, 1001, TCP_ESTABLISHED });
	gateway_advance(&g, 7000 * 1000);
	assert_state(TCP_ESTABLISHED);
}

/* RFC 7857 2.2: from what was acknowledged to a window beyond what was sent; it is passed on. */
static void a_reset_with_a_foreign_number_changes_nothing(void **state)
{
	(void)state;
	establish();
	WALK({ SERVER, TCP_RST, 5000, 0, TCP_ESTABLISHED },
	     { SERVER, TCP_RST, 5001 + 65536, 0, TCP_ESTABLISHED },
	     { SERVER, TCP_RST, 0, 0, TCP_ESTABLISHED }, { HOST, TCP_RST, 1000, 0, TCP_ESTABLISHED },
	     { SERVER, TCP_RST, 5001 + 65535, 0, TCP_TRANS });
}

/* From a pool so big that nobody gets the same port by chance. */
static void big_pool(void)
{
	pool.port_first = 1024;
	pool.port_last = 65535;
	gateway_publish(&g, &args);
}

static void close_both(void)
{
	WALK({ HOST, TCP_FIN | TCP_ACK, 1001, 5001, TCP_V6_FIN_RCV },
	     { SERVER, TCP_FIN | TCP_ACK, 5001, 1002, TCP_V4_FIN_V6_FIN_RCV });
}

static void a_new_syn_reuses_the_port_of_a_connection_that_ended(void **state)
{
	struct tuple before;

	(void)state;
	big_pool();
	establish();
	before = out;
	WALK({ HOST, TCP_FIN | TCP_ACK, 1001, 5001, TCP_V6_FIN_RCV },
	     { SERVER, TCP_FIN | TCP_ACK, 5001, 1002, TCP_V4_FIN_V6_FIN_RCV },
	     { HOST, TCP_SYN, 70000, 0, TCP_V6_INIT });
	assert_true(be16_equal(before.sport, out.sport)); /* RFC 4787 REQ-1: while it has a mapping */
	WALK({ SERVER, TCP_SYN | TCP_ACK, 9000, 70001, TCP_ESTABLISHED },
	     { SERVER, TCP_RST, 9001, 0, TCP_TRANS }, { HOST, TCP_SYN, 90000, 0, TCP_V6_INIT },
	     { SERVER, TCP_SYN | TCP_ACK, 1, 90001, TCP_ESTABLISHED });
	assert_true(be16_equal(before.sport, out.sport));
	assert_int_equal(gateway_flows(&g), 1);
	gateway_advance(&g, 7000 * 1000);
	assert_state(TCP_ESTABLISHED);
}

/* RFC 6146 would have the SYN establish: nobody has answered it, and nobody may ever. */
static void a_new_syn_after_a_reset_lives_four_minutes_if_nobody_answers(void **state)
{
	(void)state;
	establish();
	WALK({ SERVER, TCP_RST, 5001, 0, TCP_TRANS });
	gateway_advance(&g, 100 * 1000);
	WALK({ HOST, TCP_SYN, 70000, 0, TCP_V6_INIT });
	assert_lives(TRANS_S);
}

/* It makes no state, so no limit has anything against it. */
static void a_new_syn_needs_no_other_flow(void **state)
{
	struct tuple before, other = in;

	(void)state;
	nat64.limits = (struct nat64_limits){ .flows = 1, .ports = 1, .new_flows = 1 };
	big_pool();
	establish();
	before = out;
	other.sport = be16_from(4001);
	for (unsigned i = 0; i < 3; i++) {
		close_both();
		send_tcp(SIDE_INSIDE, &other, TCP_SYN, 1, 0);
		assert_int_equal(g.last.why, DROP_QUOTA_FLOWS);
		establish();
		assert_true(be16_equal(before.sport, out.sport));
	}
}

static void a_new_syn_of_the_server_brings_new_sequence_numbers(void **state)
{
	(void)state;
	establish();
	WALK({ HOST, TCP_FIN | TCP_ACK, 0x70000000, 0x60000000, TCP_V6_FIN_RCV },
	     { SERVER, TCP_FIN | TCP_ACK, 0x60000000, 0x70000001, TCP_V4_FIN_V6_FIN_RCV },
	     { SERVER, TCP_SYN, 5000, 0, TCP_V4_INIT },
	     { HOST, TCP_SYN | TCP_ACK, 1000, 5001, TCP_ESTABLISHED },
	     { SERVER, TCP_ACK, 5001, 1001, TCP_ESTABLISHED },
	     { HOST, TCP_RST, 0x70000001, 0, TCP_ESTABLISHED }, /* of the one before */
	     { HOST, TCP_RST, 1001, 0, TCP_TRANS });
	assert_lives(TRANS_S);
}

/* The numbers of the connection before say nothing about the next (RFC 7857 2.2, RFC 5961 3.2). */
static void a_new_syn_brings_new_sequence_numbers(void **state)
{
	(void)state;
	establish();
	WALK({ HOST, TCP_FIN | TCP_ACK, 0x70000000, 0x60000000, TCP_V6_FIN_RCV },
	     { SERVER, TCP_FIN | TCP_ACK, 0x60000000, 0x70000001, TCP_V4_FIN_V6_FIN_RCV },
	     { HOST, TCP_SYN, 1000, 0, TCP_V6_INIT },
	     { SERVER, TCP_SYN | TCP_ACK, 5000, 1001, TCP_ESTABLISHED },
	     { HOST, TCP_ACK, 1001, 5001, TCP_ESTABLISHED },
	     { SERVER, TCP_RST, 0x60000001, 0, TCP_ESTABLISHED }, /* of the one before */
	     { SERVER, TCP_ACK, 5001, 1001, TCP_ESTABLISHED });
	gateway_advance(&g, EST_S * 1000 + 400);
	left(SIDE_INSIDE); /* the probe */
	assert_int_equal(load32(g.out[0].packet.data + g.out[0].packet.l4_at + 4), 5000);
	assert_int_equal(load32(g.out[0].packet.data + g.out[0].packet.l4_at + 8), 1001);
	WALK({ HOST, TCP_SYN, 0x10000000, 0, TCP_V6_INIT },
	     { SERVER, TCP_SYN | TCP_ACK, 9000, 0x10000001, TCP_ESTABLISHED });
	gateway_advance(&g, EST_S * 1000 + 400);
	left(SIDE_INSIDE); /* and the next one's: it is probed anew */
}

/* A session of the outside that was reset before it was complete: with its SYN it is the host's own. */
static void a_new_syn_makes_a_strangers_session_the_hosts(void **state)
{
	struct tuple before;

	(void)state;
	nat64.limits.flows = 2;
	big_pool();
	make_mapping();
	before = out;
	knock();
	left(SIDE_INSIDE);
	WALK({ HOST, TCP_SYN | TCP_ACK, 1000, 5001, TCP_ESTABLISHED },
	     { SERVER, TCP_RST, 5001, 0, TCP_TRANS }, { HOST, TCP_SYN, 70000, 0, TCP_V6_INIT });
	assert_true(be16_equal(before.sport, out.sport));
	assert_int_equal(session()->flags & FLOW_FROM_OUTSIDE, 0);
	assert_lives(TRANS_S);
}

/* A session that a reload has made stale is not begun again: the SYN is decided anew. */
static void a_new_syn_after_a_reload_does_not_revive_a_stale_session(void **state)
{
	struct tuple before;

	(void)state;
	big_pool();
	establish();
	close_both();
	before = out;
	pool.port_first = be16_to(before.sport) < 32768 ? 32768 : 1024;
	pool.port_last = be16_to(before.sport) < 32768 ? 65535 : 32767;
	gateway_publish(&g, &args);
	host(TCP_SYN, 70000, 0);
	assert_in_range(be16_to(out.sport), pool.port_first, pool.port_last);
	assert_state(TCP_V6_INIT);
}

static void a_new_syn_that_is_refused_leaves_the_session_as_it_was(void **state)
{
	(void)state;
	big_pool();
	make_mapping();
	knock();
	left(SIDE_INSIDE);
	WALK({ HOST, TCP_SYN | TCP_ACK, 1000, 5001, TCP_ESTABLISHED },
	     { SERVER, TCP_RST, 5001, 0, TCP_TRANS });
	nat64.limits.flows = 1;
	gateway_publish(&g, &args);
	send_tcp(SIDE_INSIDE, &in, TCP_SYN, 70000, 0);
	assert_int_equal(g.last.why, DROP_QUOTA_FLOWS);
	assert_int_equal(g.n_out, 1);
	assert_int_equal(g.out[0].packet.icmp_type, 1); /* and the host hears of it */
	assert_state(TCP_TRANS);
}

/* The same from the other end: short-lived until the host answers. */
static void a_new_syn_of_the_server_reuses_it_too(void **state)
{
	(void)state;
	establish();
	WALK({ HOST, TCP_FIN | TCP_ACK, 1001, 5001, TCP_V6_FIN_RCV },
	     { SERVER, TCP_FIN | TCP_ACK, 5001, 1002, TCP_V4_FIN_V6_FIN_RCV });
	gateway_advance(&g, 200 * 1000);
	WALK({ SERVER, TCP_SYN, 80000, 0, TCP_V4_INIT });
	gateway_advance(&g, 30 * 1000);
	WALK({ HOST, TCP_SYN | TCP_ACK, 7, 80001, TCP_ESTABLISHED });
	gateway_advance(&g, 7000 * 1000);
	assert_state(TCP_ESTABLISHED);
}

/* RFC 5382 REQ-2: both SYNs cross; each end then acknowledges. */
static void simultaneous_open_establishes(void **state)
{
	(void)state;
	WALK({ HOST, TCP_SYN, 1000, 0, TCP_V6_INIT }, { SERVER, TCP_SYN, 5000, 0, TCP_ESTABLISHED },
	     { HOST, TCP_SYN | TCP_ACK, 1000, 5001, TCP_ESTABLISHED },
	     { SERVER, TCP_SYN | TCP_ACK, 5000, 1001, TCP_ESTABLISHED });
	gateway_advance(&g, 7000 * 1000);
	assert_state(TCP_ESTABLISHED);
}

/* Endpoint-independent filtering: a V4 SYN with a mapping makes a session. */
static void v4_init_is_established_by_the_hosts_syn(void **state)
{
	(void)state;
	make_mapping();
	knock();
	left(SIDE_INSIDE);
	assert_state(TCP_V4_INIT);
	WALK({ HOST, TCP_SYN | TCP_ACK, 1000, 5001, TCP_ESTABLISHED },
	     { SERVER, TCP_ACK, 5001, 1001, TCP_ESTABLISHED });
	gateway_advance(&g, 7000 * 1000);
	assert_state(TCP_ESTABLISHED);
}

/* RFC 6146 5.3: who answers with a number that nobody sent has not read the answer. */
static void an_acknowledgement_of_nothing_completes_no_session(void **state)
{
	(void)state;
	make_mapping();
	knock();
	left(SIDE_INSIDE);
	WALK({ HOST, TCP_SYN | TCP_ACK, 1000, 5001, TCP_ESTABLISHED },
	     { SERVER, TCP_ACK, 5001, 0x40000000, TCP_ESTABLISHED });
	assert_int_equal(session()->flags & FLOW_FROM_OUTSIDE, FLOW_FROM_OUTSIDE);
	send_tcp(SIDE_INSIDE, &in, TCP_RST, 0x40000000, 0); /* RFC 9293 3.10.7.4: the host's reply */
	gateway_advance(&g, 20 * 1000);
	assert_null(session());
}

/* SYN cookies: the SYN came twice, and of two answers with numbers of their own the peer has read the one that
 * we do not expect. The host knows that it is good, and goes on. */
static void who_is_believed_by_the_host_has_completed(void **state)
{
	struct tcp_args data = { TCP_ACK, 501, 5001 };

	(void)state;
	make_mapping();
	knock();
	left(SIDE_INSIDE);
	WALK({ HOST, TCP_SYN | TCP_ACK, 1000, 5001, TCP_ESTABLISHED },
	     { SERVER, TCP_SYN, 5000, 0, TCP_ESTABLISHED },
	     { HOST, TCP_SYN | TCP_ACK, 500, 5001, TCP_ESTABLISHED },
	     { SERVER, TCP_ACK, 5001, 501, TCP_ESTABLISHED },
	     { HOST, TCP_ACK, 501, 5001, TCP_ESTABLISHED });
	assert_int_equal(session()->flags & FLOW_FROM_OUTSIDE, FLOW_FROM_OUTSIDE);
	gateway_send(&g, SIDE_INSIDE, bytes, build_tcp(bytes, &in, data, 10));
	left(SIDE_OUTSIDE);
	assert_int_equal(session()->flags & FLOW_FROM_OUTSIDE, 0);
	gateway_advance(&g, 7000 * 1000);
	assert_state(TCP_ESTABLISHED);
}

/* RFC 6146 3.5.2.2 V4 INIT, RFC 5382 REQ-2: the host's own SYN, the server's was first. */
static void simultaneous_open_with_the_servers_syn_first_establishes(void **state)
{
	(void)state;
	make_mapping();
	knock();
	left(SIDE_INSIDE);
	WALK({ HOST, TCP_SYN, 1000, 0, TCP_ESTABLISHED },
	     { HOST, TCP_SYN | TCP_ACK, 1000, 5001, TCP_ESTABLISHED },
	     { SERVER, TCP_SYN | TCP_ACK, 5000, 1001, TCP_ESTABLISHED });
	gateway_advance(&g, 7000 * 1000);
	assert_state(TCP_ESTABLISHED);
}

/* 3.5.2.2 CLOSED, address-dependent filtering: the SYN waits, the host's own establishes. */
static void a_filtered_syn_waits_for_the_hosts(void **state)
{
	(void)state;
	make_mapping();
	knock();
	assert_int_equal(g.last.next, VERDICT_HELD);
	assert_int_equal(g.n_out, 0);
	assert_null(session());
	gateway_advance(&g, SYN_S * 1000 - 1);
	assert_int_equal(g.n_out, 0);
	WALK({ HOST, TCP_SYN, 1000, 0, TCP_ESTABLISHED });
	assert_int_equal(counted(COUNT_SIMULTANEOUS_OPENS), 1);
	gateway_advance(&g, 60 * 1000); /* RFC 5382 REQ-4: dropped in silence */
	assert_int_equal(g.n_out, 0);
	WALK({ SERVER, TCP_SYN, 5000, 0, TCP_ESTABLISHED },
	     { HOST, TCP_SYN | TCP_ACK, 1000, 5001, TCP_ESTABLISHED });
}

static void nobody_asks_for_it(enum drop_reason why)
{
	struct addr src, dst;

	knock();
	assert_int_equal(g.last.next, VERDICT_HELD);
	gateway_advance(&g, SYN_S * 1000 - 1);
	assert_int_equal(g.n_out, 0); /* RFC 5382 REQ-4 */
	assert_int_equal(gateway_drops(&g, why), 0);
	gateway_advance(&g, 1);
	assert_int_equal(gateway_drops(&g, why), 1);
	assert_int_equal(g.n_out, 1);
	assert_int_equal(g.out[0].side, SIDE_OUTSIDE);
	assert_int_equal(g.out[0].packet.icmp_type, 3);
	assert_int_equal(g.out[0].packet.icmp_code, 3);
	src = packet_source(&g.out[0].packet);
	dst = packet_destination(&g.out[0].packet);
	assert_true(addr_equal(&src, &pool.first));
	assert_true(addr_equal(&dst, &out.dst));
	assert_int_equal(g.out[0].len, 20 + 8 + 40); /* all of the SYN */
	gateway_advance(&g, 60 * 1000);
	assert_int_equal(g.n_out, 0);
}

static void a_filtered_syn_that_nobody_asks_for_is_told_after_six_seconds(void **state)
{
	(void)state;
	make_mapping();
	nobody_asks_for_it(DROP_FILTERED);
}

static void a_syn_without_a_mapping_is_told_after_six_seconds(void **state)
{
	(void)state;
	out = tuple_of("198.51.100.10", "203.0.113.7", 5001, 80, 6);
	nobody_asks_for_it(DROP_NO_BIB_ENTRY);
}

/* A mapping that appears meanwhile lets the repetition in; nothing is said about the first. */
static void a_syn_that_is_let_in_later_is_not_told(void **state)
{
	struct tuple other = tuple_of("2001:db8:1::5", "64:ff9b::203.0.113.99", 4000, 80, 6), seen;

	(void)state;
	pool.port_last = 5000;
	gateway_publish(&g, &args);
	out = tuple_of("198.51.100.10", "203.0.113.7", 5000, 80, 6);
	knock();
	assert_int_equal(g.last.next, VERDICT_HELD);
	send_tcp(SIDE_INSIDE, &other, TCP_SYN, 1, 0);
	seen = left(SIDE_OUTSIDE);
	assert_int_equal(be16_to(seen.sport), 5000);
	knock();
	left(SIDE_INSIDE);
	assert_state(TCP_V4_INIT);
	gateway_advance(&g, 20 * 1000);
	assert_int_equal(g.n_out, 0);
	assert_int_equal(gateway_drops(&g, DROP_NO_BIB_ENTRY), 0);
}

/* What can be kept is bounded; the host's own connections do not notice. */
static void a_flood_of_syns_is_bounded_and_harms_nobody(void **state)
{
	uint64_t seed = test_seed();
	unsigned told = 0;

	(void)state;
	make_mapping();
	for (unsigned i = 0; i < 20000; i++) {
		struct tuple t = tuple_of("1.1.1.1", "198.51.100.10", 80, 0, 6);

		store32(t.src.octet + 12, 0x0b000000 | (uint32_t)(rnd(&seed) & 0xffffff));
		t.dport = be16_from((uint16_t)rnd(&seed));
		send_tcp(SIDE_OUTSIDE, &t, TCP_SYN, i, 0);
		assert_int_equal(g.n_out, 0);
	}
	assert_int_equal(gateway_flows(&g), 1);
	assert_int_equal(gateway_drops(&g, DROP_NO_BIB_ENTRY) + gateway_drops(&g, DROP_FILTERED),
			 counted(COUNT_SYNS_KEPT) - SYNS_MAX);
	establish();
	for (unsigned s = 0; s < 10; s++) {
		gateway_advance(&g, 1000);
		told += g.n_out;
	}
	assert_true(told > 0 && told <= SYNS_MAX);
	assert_int_equal(gateway_drops(&g, DROP_NO_BIB_ENTRY) + gateway_drops(&g, DROP_FILTERED),
			 counted(COUNT_SYNS_KEPT));
	assert_int_equal(told, counted(COUNT_ERRORS_SENT));
}

/* Both ends inside, behind one address (3.8): the SYNs cross in the gateway. */
static void two_hosts_inside_open_to_each_other(void **state)
{
	struct tuple first = tuple_of("2001:db8:1::5", "64:ff9b::203.0.113.99", 4000, 80, 6),
		     second = tuple_of("2001:db8:1::6", "64:ff9b::203.0.113.99", 4001, 80, 6), a, b;

	(void)state;
	send_tcp(SIDE_INSIDE, &first, TCP_SYN, 1, 0);
	a = left(SIDE_OUTSIDE);
	send_tcp(SIDE_INSIDE, &second, TCP_SYN, 1, 0);
	b = left(SIDE_OUTSIDE);
	first = tuple_of("2001:db8:1::5", "64:ff9b::198.51.100.10", 4000, be16_to(b.sport), 6);
	second = tuple_of("2001:db8:1::6", "64:ff9b::198.51.100.10", 4001, be16_to(a.sport), 6);
	send_tcp(SIDE_INSIDE, &first, TCP_SYN, 1000, 0);
	assert_int_equal(g.n_out, 0); /* the other's filter keeps it out: it waits */
	send_tcp(SIDE_INSIDE, &second, TCP_SYN, 2000, 0);
	a = left(SIDE_INSIDE);
	assert_memory_equal(&a.dst, &first.src, sizeof(a.dst));
	send_tcp(SIDE_INSIDE, &first, TCP_SYN | TCP_ACK, 1000, 2001);
	b = left(SIDE_INSIDE);
	assert_memory_equal(&b.dst, &second.src, sizeof(b.dst));
	gateway_advance(&g, 20 * 1000);
	assert_int_equal(g.n_out, 0);
}

/* ... and when nobody answers, the host hears of it as if the other were far away. */
static void a_host_inside_is_told_about_its_syn(void **state)
{
	struct addr dst;

	(void)state;
	in = tuple_of("2001:db8:1::5", "64:ff9b::198.51.100.10", 4000, 5003, 6);
	send_tcp(SIDE_INSIDE, &in, TCP_SYN, 1000, 0);
	assert_int_equal(g.n_out, 0);
	gateway_advance(&g, SYN_S * 1000 + 1);
	assert_int_equal(g.n_out, 1);
	assert_int_equal(g.out[0].side, SIDE_INSIDE);
	assert_int_equal(g.out[0].packet.icmp_type, 1);
	assert_int_equal(g.out[0].packet.icmp_code, 4);
	dst = packet_destination(&g.out[0].packet);
	assert_memory_equal(&dst, &in.src, sizeof(dst));
	in = tuple_reverse(&in);
	assert_memory_equal(&g.out[0].packet.key, &in, sizeof(in));
}

/* 3.5.2.2 CLOSED, any other packet: by the mapping that there is, and no session is made. */
static void a_stray_segment_passes_by_its_mapping(void **state)
{
	struct tuple back, got;

	(void)state;
	make_mapping();
	host(TCP_ACK, 1, 1);
	back = tuple_reverse(&out);
	assert_null(session());
	for (unsigned i = 0; i < 3; i++) {
		static const uint8_t flags[] = { TCP_ACK, TCP_RST, TCP_FIN | TCP_ACK };

		send_tcp(SIDE_OUTSIDE, &back, flags[i], 7, 7);
		got = left(SIDE_INSIDE);
		got = tuple_reverse(&got);
		assert_memory_equal(&got, &in, sizeof(in));
	}
	assert_int_equal(gateway_flows(&g), 1);
	assert_int_equal(counted(COUNT_TCP_STRAYS), 4);
}

static void a_stray_segment_is_filtered_like_a_syn(void **state)
{
	struct tuple back;

	(void)state;
	make_mapping();
	back = tuple_reverse(&out);
	send_tcp(SIDE_OUTSIDE, &back, TCP_ACK, 7, 7);
	assert_int_equal(g.last.why, DROP_FILTERED);
	assert_int_equal(g.n_out, 0);
	host(TCP_ACK, 1, 1);
}

static void a_stray_segment_without_a_mapping_is_dropped(void **state)
{
	struct tuple back = tuple_of("203.0.113.7", "198.51.100.10", 80, 5000, 6);

	(void)state;
	send_tcp(SIDE_INSIDE, &in, TCP_ACK, 1, 1);
	assert_int_equal(g.last.why, DROP_NO_FLOW);
	send_tcp(SIDE_OUTSIDE, &back, TCP_ACK, 1, 1);
	assert_int_equal(g.last.why, DROP_NO_BIB_ENTRY);
	assert_int_equal(gateway_flows(&g), 0);
}

/* A full table does not touch it, and the mapping's time goes on as if it had not been. */
static void stray_segments_do_not_prolong_a_mapping(void **state)
{
	(void)state;
	make_mapping();
	for (unsigned i = 0; i < 8; i++) {
		gateway_advance(&g, 30 * 1000 - 100);
		host(TCP_ACK, 1, 1);
	}
	gateway_advance(&g, 1500);
	send_tcp(SIDE_INSIDE, &in, TCP_ACK, 1, 1);
	assert_int_equal(g.last.why, DROP_NO_FLOW);
}

/* RFC 4443 2.4 (f): what answers is bounded by the second. */
static void echo_requests_to_the_pool_are_answered_within_the_rate(void **state)
{
	struct tuple ping = tuple_of("203.0.113.7", "198.51.100.10", 77, 77, 0), back;
	unsigned answered = 0;

	(void)state;
	gateway_advance(&g, 1000);
	gateway_send(&g, SIDE_OUTSIDE, bytes, build_echo(bytes, &ping, false, 56));
	back = left(SIDE_OUTSIDE);
	ping = tuple_reverse(&ping);
	assert_memory_equal(&back, &ping, sizeof(back));
	assert_int_equal(g.out[0].packet.icmp_type, 0);
	ping = tuple_reverse(&ping);
	for (unsigned i = 0; i < 200; i++) {
		gateway_send(&g, SIDE_OUTSIDE, bytes, build_echo(bytes, &ping, false, 56));
		answered += g.n_out;
	}
	assert_int_equal(answered, 63);
	assert_int_equal(counted(COUNT_ECHOES_LIMITED), 200 - 63);
	assert_int_equal(gateway_drops(&g, DROP_CONSUMED), 200 - 63);
	gateway_advance(&g, 1000);
	gateway_send(&g, SIDE_OUTSIDE, bytes, build_echo(bytes, &ping, false, 56));
	left(SIDE_OUTSIDE);
}

/* RFC 5508 REQ-7 for queries: a host inside pings the address that it does not share itself, which
 * answers; the other holds its own identifier, and so its own request comes back to it. */
static void a_host_inside_pings_the_pool_addresses(void **state)
{
	static const char *const pool6[] = { "64:ff9b::198.51.100.10", "64:ff9b::198.51.100.11" };
	unsigned replies = 0;

	(void)state;
	must(addr_parse("198.51.100.11", &pool.last) == 0);
	gateway_publish(&g, &args);
	gateway_advance(&g, 1000);
	for (unsigned i = 0; i < 2; i++) {
		struct tuple ping = tuple_of("2001:db8:1::5", pool6[i], 77, 77, 0), back;

		gateway_send(&g, SIDE_INSIDE, bytes, build_echo(bytes, &ping, false, 56));
		back = left(SIDE_INSIDE);
		ping = tuple_reverse(&ping);
		assert_memory_equal(&back, &ping, sizeof(back));
		replies += g.out[0].packet.icmp_type == 129;
	}
	assert_int_equal(replies, 1);
	assert_int_equal(counted(COUNT_ECHOES_ANSWERED), 1);
}

#define EIF(name) cmocka_unit_test_setup_teardown(name, independent, teardown)
#define ADF(name) cmocka_unit_test_setup_teardown(name, address_dependent, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EIF(v6_init_lives_four_minutes_from_the_last_syn),
		EIF(v6_init_is_not_moved_by_other_segments),
		EIF(established_lives_two_hours_and_four_minutes_then_is_probed),
		EIF(one_fin_keeps_the_established_time_and_no_probe_is_sent),
		EIF(both_fins_in_either_order_leave_four_minutes),
		EIF(a_reset_leaves_four_minutes_and_another_changes_nothing),
		EIF(a_segment_after_a_reset_establishes_again),
		EIF(a_reset_with_a_foreign_number_changes_nothing),
		EIF(a_new_syn_reuses_the_port_of_a_connection_that_ended),
		EIF(a_new_syn_after_a_reset_lives_four_minutes_if_nobody_answers),
		EIF(a_new_syn_needs_no_other_flow),
		EIF(a_new_syn_brings_new_sequence_numbers),
		EIF(a_new_syn_of_the_server_brings_new_sequence_numbers),
		EIF(a_new_syn_makes_a_strangers_session_the_hosts),
		EIF(a_new_syn_after_a_reload_does_not_revive_a_stale_session),
		EIF(a_new_syn_that_is_refused_leaves_the_session_as_it_was),
		EIF(a_new_syn_of_the_server_reuses_it_too),
		EIF(simultaneous_open_establishes),
		EIF(v4_init_is_established_by_the_hosts_syn),
		EIF(an_acknowledgement_of_nothing_completes_no_session),
		EIF(simultaneous_open_with_the_servers_syn_first_establishes),
		EIF(who_is_believed_by_the_host_has_completed),
		ADF(a_filtered_syn_waits_for_the_hosts),
		ADF(a_filtered_syn_that_nobody_asks_for_is_told_after_six_seconds),
		EIF(a_syn_without_a_mapping_is_told_after_six_seconds),
		EIF(a_syn_that_is_let_in_later_is_not_told),
		ADF(a_flood_of_syns_is_bounded_and_harms_nobody),
		ADF(two_hosts_inside_open_to_each_other),
		EIF(a_host_inside_is_told_about_its_syn),
		EIF(a_stray_segment_passes_by_its_mapping),
		ADF(a_stray_segment_is_filtered_like_a_syn),
		EIF(a_stray_segment_without_a_mapping_is_dropped),
		EIF(stray_segments_do_not_prolong_a_mapping),
		EIF(echo_requests_to_the_pool_are_answered_within_the_rate),
		EIF(a_host_inside_pings_the_pool_addresses),
	};

	return cmocka_run_group_tests_name("dataplane/tcp", tests, NULL, NULL);
}
