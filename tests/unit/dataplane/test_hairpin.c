/*
 * test_hairpin.c - RFC 6146 3.8, RFC 4787 REQ-9, RFC 5382 REQ-8, RFC 5508 REQ-7: two hosts inside
 * reach each other by the address they share, never in more than two rounds.
 */
#include "test.h"
#include "build.h"
#include "gateway.h"
#include "sixgate/base/must.h"
#include "sixgate/flow/tcp.h"

static struct gateway g;
static uint8_t bytes[PACKET_LEN_MAX];
static struct pool4_conf pool;
static struct static_conf entry;
static struct nat64_conf nat64;
static struct gateway_args args;

static const char client[] = "2001:db8:1::5", node[] = "2001:db8:1::80",
		  pool6[] = "64:ff9b::198.51.100.10";

static void start(uint8_t protocol)
{
	nat64_conf_default(&nat64);
	pool = (struct pool4_conf){ .port_first = 5000, .port_last = 5255,
				    .protocols = NAT64_TCP | NAT64_UDP | NAT64_ICMP };
	must(addr_parse("198.51.100.10", &pool.first) == 0);
	pool.last = pool.first;
	entry = (struct static_conf){ .protocol = protocol, .outside = pool.first,
				      .inside_port = 80, .outside_port = 8080 };
	must(addr_parse(node, &entry.inside) == 0);
	nat64.pool4 = &pool;
	nat64.n_pool4 = 1;
	nat64.static_entry = &entry;
	nat64.n_static = 1;
	nat64.allow_private = true;
	args = (struct gateway_args){ .nat64 = &nat64, .inside = { "2001:db8:1::/64" } };
	gateway_init(&g, &args);
	gateway_advance(&g, 1000); /* errors may be sent */
}

static int udp(void **state)
{
	(void)state;
	start(NAT64_UDP);
	return 0;
}

static int tcp(void **state)
{
	(void)state;
	start(NAT64_TCP);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	gateway_fini(&g);
	return 0;
}

/* What left is one packet to the inside, whole. */
static struct tuple left(void)
{
	if (g.n_out != 1)
		fail_msg("%u packets left; dropped: %s", g.n_out, drop_reason_name(g.last.why));
	assert_int_equal(g.out[0].side, SIDE_INSIDE);
	assert_int_equal(g.out[0].packet.verdict.next, VERDICT_CONTINUE);
	assert_int_equal(g.out[0].packet.ttl, 63); /* one hop */
	return g.out[0].packet.key;
}

static struct tuple to_node(uint8_t proto)
{
	return tuple_of(client, pool6, 4000, 8080, proto);
}

static struct tuple send_tcp(const struct tuple *t, uint8_t flags, uint32_t seq, uint32_t ack)
{
	struct tcp_args segment = { flags, seq, ack };

	gateway_send(&g, SIDE_INSIDE, bytes, build_tcp(bytes, t, segment, 0));
	return left();
}

static struct tuple ask(uint32_t n)
{
	struct tuple t = to_node(17);

	gateway_send(&g, SIDE_INSIDE, bytes, build_udp(bytes, &t, n));
	return left();
}

/* Both see each other as outside addresses and ports. */
static void a_tcp_connection_lives_in_two_sessions(void **state)
{
	struct tuple t = to_node(6), got = send_tcp(&t, TCP_SYN, 1000, 0), back = tuple_reverse(&got);
	struct addr pool_inside, node_inside;

	(void)state;
	must(addr_parse(pool6, &pool_inside) == 0 && addr_parse(node, &node_inside) == 0);
	assert_true(addr_equal(&got.src, &pool_inside) && addr_equal(&got.dst, &node_inside));
	assert_int_equal(be16_to(got.dport), 80);
	got = send_tcp(&back, TCP_SYN | TCP_ACK, 5000, 1001);
	got = tuple_reverse(&got);
	assert_memory_equal(&got, &t, sizeof(t));
	send_tcp(&t, TCP_ACK, 1001, 5001);
	gateway_advance(&g, 7000 * 1000);
	assert_int_equal(gateway_flows(&g), 2);
	send_tcp(&back, TCP_FIN | TCP_ACK, 5001, 1001);
	send_tcp(&t, TCP_FIN | TCP_ACK, 1001, 5002);
	gateway_advance(&g, 239 * 1000);
	assert_int_equal(gateway_flows(&g), 2);
	gateway_advance(&g, 2000);
	assert_int_equal(gateway_flows(&g), 0);
}

/* An error of the node about what it got arrives as one about what the client sent. */
static void errors_of_either_end_reach_the_other(void **state)
{
	struct tuple t = to_node(17), got = ask(20), back = tuple_reverse(&got);
	struct addr from, to;
	uint8_t inner[200];
	uint32_t n = g.out[0].len;

	(void)state;
	memcpy(inner, g.out[0].data, n);
	must(addr_parse(node, &from) == 0 && addr_parse(pool6, &to) == 0);
	gateway_send(&g, SIDE_INSIDE, bytes, build_error(bytes, &from, &to, 2, 0, 1300, inner, n));
	got = left();
	assert_int_equal(g.out[0].packet.icmp_type, 2);
	assert_int_equal(load32(g.out[0].data + 44), 1300); /* the MTU there and back is one */
	got = tuple_reverse(&got);
	assert_memory_equal(&got, &t, sizeof(t));

	gateway_send(&g, SIDE_INSIDE, bytes, build_udp(bytes, &back, 20));
	left();
	n = g.out[0].len;
	memcpy(inner, g.out[0].data, n);
	must(addr_parse(client, &from) == 0);
	gateway_send(&g, SIDE_INSIDE, bytes, build_error(bytes, &from, &to, 1, 4, 0, inner, n));
	got = left();
	got = tuple_reverse(&got);
	assert_memory_equal(&got, &back, sizeof(back));
}

/* What is refused in the second round is told to who sent it in the first. */
static void too_big_for_the_second_round_is_told_to_the_sender(void **state)
{
	struct tuple t = to_node(17), got;
	struct addr dst;

	(void)state;
	g.snapshot->env.mtu[SIDE_INSIDE] = 1400;
	gateway_send(&g, SIDE_INSIDE, bytes, build_udp(bytes, &t, 1500 - 48));
	assert_int_equal(g.n_out, 1);
	assert_int_equal(g.out[0].side, SIDE_INSIDE);
	assert_int_equal(g.out[0].packet.icmp_type, 2);
	assert_int_equal(load32(g.out[0].data + 44), 1400);
	dst = packet_destination(&g.out[0].packet);
	assert_memory_equal(&dst, &t.src, sizeof(dst));
	got = tuple_reverse(&g.out[0].packet.key);
	assert_memory_equal(&got, &t, sizeof(t));
	assert_int_equal(gateway_drops(&g, DROP_TOO_BIG), 1);
	ask(1400 - 48);
}

/* Whatever is said about a packet on its second round is said inside: to the pool address itself it
 * would leave to nobody, and outside it would be known who speaks with whom. */
static void nothing_said_about_a_second_round_leaves_to_outside(void **state)
{
	struct tuple syn = tuple_of(client, pool6, 4000, 9999, 6),
		     echo = tuple_of(client, pool6, 7, 7, 58), big = to_node(17), got;
	struct tcp_args first = { TCP_SYN, 1, 0 };
	uint32_t n = build_udp(bytes, &big, 1452);

	(void)state;
	for (unsigned misdelivered = 0; misdelivered < 2; misdelivered++) {
		gateway_fini(&g);
		args.n_workers = 1 + 2 * misdelivered;
		gateway_init(&g, &args);
		gateway_advance(&g, 1000);
		g.misdeliver = misdelivered * 77;
		g.snapshot->env.mtu[SIDE_INSIDE] = 1400;
		gateway_send(&g, SIDE_INSIDE, bytes, n);
		assert_int_equal(g.n_out, 1); /* too big */
		assert_int_equal(g.out[0].side, SIDE_INSIDE);
		gateway_send(&g, SIDE_INSIDE, bytes + n, build_echo(bytes + n, &echo, false, 20));
		assert_int_equal(g.n_out, 1); /* answered by the pool address */
		assert_int_equal(g.out[0].side, SIDE_INSIDE);
		gateway_send(&g, SIDE_INSIDE, bytes + n, build_tcp(bytes + n, &syn, first, 0));
		assert_int_equal(g.n_out, 0); /* kept */
		gateway_advance(&g, 7000);
		assert_int_equal(g.n_out, 1); /* RFC 6146 3.5.2.2, V4 INIT: port unreachable */
		assert_int_equal(g.out[0].side, SIDE_INSIDE);
		got = tuple_reverse(&g.out[0].packet.key);
		assert_memory_equal(&got, &syn, sizeof(got));
	}
	args.n_workers = 0;
}

static uint32_t put_fragment(const uint8_t *whole, uint32_t len, uint32_t at, uint32_t part)
{
	uint32_t rest = len - 40 - at, n = rest < part ? rest : part;

	memcpy(bytes, whole, 40);
	store16(bytes + 4, (uint16_t)(8 + n));
	bytes[6] = 44;
	memset(bytes + 40, 0, 8);
	bytes[40] = 17;
	store16(bytes + 42, (uint16_t)(at | (n < rest)));
	store32(bytes + 44, 0x77);
	memcpy(bytes + 48, whole + 40 + at, n);
	return 48 + n;
}

static void fragments_arrive_whole_in_any_order(void **state)
{
	static const uint8_t orders[][3] = { { 0, 1, 2 }, { 2, 1, 0 }, { 1, 0, 2 }, { 2, 0, 1 } };
	struct tuple t = to_node(17);
	uint8_t whole[2100];
	uint32_t len = build_udp(whole, &t, 2000);

	(void)state;
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		uint32_t got = 0;

		for (unsigned k = 0; k < 3; k++) {
			gateway_send(&g, SIDE_INSIDE, bytes,
				     put_fragment(whole, len, orders[i][k] * 800u, 800));
			for (uint32_t o = 0; o < g.n_out; o++) {
				assert_int_equal(g.out[o].side, SIDE_INSIDE);
				got += g.out[o].len - 48;
			}
		}
		assert_int_equal(got, len - 40);
	}
	assert_int_equal(gateway_drops(&g, DROP_FRAGMENT_NO_FIRST), 0);
}

/* A host's own mapping is behind the address it asks for: what it sends comes back to it, once. */
static void a_host_reaches_itself_and_nothing_goes_round_for_ever(void **state)
{
	struct tuple first = tuple_of(client, "64:ff9b::203.0.113.7", 4000, 53, 17), got, t;

	(void)state;
	gateway_send(&g, SIDE_INSIDE, bytes, build_udp(bytes, &first, 20));
	assert_int_equal(g.n_out, 1);
	t = tuple_of(client, pool6, 4000, be16_to(g.out[0].packet.key.sport), 17);
	gateway_send(&g, SIDE_INSIDE, bytes, build_udp(bytes, &t, 20));
	if (g.n_out) {
		got = left();
		assert_memory_equal(&got.dst, &first.src, sizeof(got.dst));
	} else {
		assert_int_equal(g.last.why, DROP_FLOW_CONFLICT);
	}
	assert_int_equal(counter_read(&g.worker[0]->count[COUNT_HAIRPINS]), 1);
}

/* RFC 6146 5.4: from outside nobody is the pool. */
static void nobody_outside_starts_a_hairpin(void **state)
{
	struct tuple t = tuple_of("198.51.100.10", "198.51.100.10", 5000, 8080, 17);

	(void)state;
	gateway_send(&g, SIDE_OUTSIDE, bytes, build_udp(bytes, &t, 20));
	assert_int_equal(g.last.why, DROP_LOOP);
	assert_int_equal(g.n_out, 0);
}

/* What an error quotes is not on its way here: its sender alone is judged. */
static void an_error_about_a_packet_to_the_pool_opens_nothing(void **state)
{
	struct tuple t = tuple_of("203.0.113.7", "198.51.100.10", 53, 5000, 17);
	struct addr router, to;
	uint8_t inner[100];
	uint32_t n = build_udp(inner, &t, 20);

	(void)state;
	must(addr_parse("203.0.113.1", &router) == 0 && addr_parse("198.51.100.10", &to) == 0);
	gateway_send(&g, SIDE_OUTSIDE, bytes, build_error(bytes, &router, &to, 3, 3, 0, inner, n));
	assert_int_equal(g.last.why, DROP_NO_FLOW_ICMP);
	gateway_send(&g, SIDE_OUTSIDE, bytes, build_error(bytes, &to, &to, 3, 3, 0, inner, n));
	assert_int_equal(g.last.why, DROP_LOOP);
	assert_int_equal(gateway_flows(&g), 0);
}

/* RFC 5508 REQ-6, RFC 4787 REQ-12, RFC 5382 REQ-10. */
static void errors_neither_refresh_nor_end_a_session(void **state)
{
	struct tuple in = tuple_of(client, "64:ff9b::203.0.113.7", 4000, 53, 17);
	struct addr router, to;
	uint8_t inner[200];
	uint32_t n;

	(void)state;
	gateway_send(&g, SIDE_INSIDE, bytes, build_udp(bytes, &in, 20));
	n = g.out[0].len;
	memcpy(inner, g.out[0].data, n);
	must(addr_parse("203.0.113.1", &router) == 0 && addr_parse("198.51.100.10", &to) == 0);
	for (unsigned i = 0; i < 10; i++) {
		gateway_advance(&g, 29900);
		gateway_send(&g, SIDE_OUTSIDE, bytes,
			     build_error(bytes, &router, &to, 3, (uint8_t)(i % 2 ? 1 : 3), 0, inner, n));
		assert_int_equal(g.n_out, 1);
		assert_int_equal(gateway_flows(&g), 1);
	}
	gateway_advance(&g, 1500);
	assert_int_equal(gateway_flows(&g), 0);
}

#define UDP(name) cmocka_unit_test_setup_teardown(name, udp, teardown)
#define TCP(name) cmocka_unit_test_setup_teardown(name, tcp, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TCP(a_tcp_connection_lives_in_two_sessions),
		UDP(errors_of_either_end_reach_the_other),
		UDP(too_big_for_the_second_round_is_told_to_the_sender),
		UDP(nothing_said_about_a_second_round_leaves_to_outside),
		UDP(fragments_arrive_whole_in_any_order),
		UDP(a_host_reaches_itself_and_nothing_goes_round_for_ever),
		UDP(nobody_outside_starts_a_hairpin),
		UDP(an_error_about_a_packet_to_the_pool_opens_nothing),
		UDP(errors_neither_refresh_nor_end_a_session),
	};

	return cmocka_run_group_tests_name("dataplane/hairpin", tests, NULL, NULL);
}
