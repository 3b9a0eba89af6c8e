/*
 * test_order.c - each pair of policies that claim one packet, and who wins: exact flow, VIP, pool4 or
 * explicit mapping, NAT64 prefix, siit's prefix, egress6. The configuration refuses most of these
 * overlaps; here they are made on purpose. And that siit needs no flow.
 */
#include "test.h"
#include <netinet/in.h>
#include "build.h"
#include "gateway.h"
#include "sixgate/base/must.h"
#include "sixgate/packet/icmp.h"

static struct gateway g;
static uint8_t bytes[4096], inner[2048];

/* ---- sections ---- */

static struct pool4_conf pool;
static struct nat64_conf nat64;
static struct prefix nat64_prefix, siit_prefix, egress_prefix;
static struct eam_conf eam[2];
static struct siit_conf siit;
static struct egress6_conf egress6;
static struct node_conf node;
static struct service_conf service;
static struct services_conf services;

static struct addr a(const char *text)
{
	struct addr out;

	must(addr_parse(text, &out) == 0);
	return out;
}

static void is_addr(const struct addr *got, const char *want)
{
	char text[ADDR_TEXT_MAX];

	assert_string_equal(addr_format(got, text), want);
}

static struct prefix p(const char *text)
{
	struct prefix out;

	must(prefix_parse(text, &out) == 0);
	return out;
}

static void sections_init(void)
{
	nat64_conf_default(&nat64);
	pool = (struct pool4_conf){ .first = a("198.51.100.10"), .last = a("198.51.100.10"),
				    .port_first = 1024, .port_last = 65535,
				    .protocols = NAT64_TCP | NAT64_UDP | NAT64_ICMP };
	nat64_prefix = p("2001:db8:64::/96");
	nat64.prefix = &nat64_prefix;
	nat64.pool4 = &pool;
	nat64.n_pool4 = 1;
	siit_conf_default(&siit);
	siit_prefix = p("2001:db8:100::/40");
	siit.prefix = &siit_prefix;
	siit.n_prefix = 1;
	eam[0] = (struct eam_conf){ p("1.0.0.0/24"), p("2001:db8:3::/120") };
	siit.eam = eam;
	siit.n_eam = 1;
	egress6_conf_default(&egress6);
	egress_prefix = p("2001:db8:1::/48");
	egress6.prefix = &egress_prefix;
	egress6.n_prefix = 1;
	memset(&service, 0, sizeof(service));
	service_conf_default(&service);
	snprintf(service.name, sizeof(service.name), "s");
	service.protocol = IPPROTO_UDP;
	service.port = 53;
	service.client_address = CLIENT_KEEP;
	service.node = &node;
	service.n_node = 1;
	node_conf_default(&node);
	snprintf(node.name, sizeof(node.name), "n");
	services = (struct services_conf){ .service = &service, .n_service = 1 };
}

/* ---- who wins ---- */

enum winner { NOBODY, NAT64, SIIT, EGRESS6, SERVICES };
enum { ON_NAT64 = 1, ON_SIIT = 2, ON_EGRESS6 = 4, ON_SERVICES = 8 };

static uint64_t counted(enum worker_counter c)
{
	return counter_read(&g.worker[0]->count[c]);
}

static enum winner winner(void)
{
	enum winner w = NOBODY;

	w = counted(COUNT_FLOWS_CREATED_NAT64) ? NAT64 : w;
	w = counted(COUNT_FLOWS_CREATED_EGRESS6) ? EGRESS6 : w;
	w = counted(COUNT_FLOWS_CREATED_SERVICES) ? SERVICES : w;
	if (counted(COUNT_SIIT_TO_IPV4) + counted(COUNT_SIIT_TO_IPV6)) {
		assert_int_equal(w, NOBODY);
		w = SIIT;
	}
	return w;
}

static struct gateway_args with(unsigned on)
{
	return (struct gateway_args){ .nat64 = on & ON_NAT64 ? &nat64 : NULL,
				      .siit = on & ON_SIIT ? &siit : NULL,
				      .egress6 = on & ON_EGRESS6 ? &egress6 : NULL,
				      .services = on & ON_SERVICES ? &services : NULL };
}

static void send_udp(enum side side, const char *src, const char *dst, uint16_t sport)
{
	struct tuple t = tuple_of(src, dst, sport, 53, IPPROTO_UDP);

	gateway_send(&g, side, bytes, build_udp(bytes, &t, 20));
}

static void vip(const char *address, const char *at)
{
	service.address[0] = a(address);
	service.n_address = 1;
	node.address = a(at);
}

static void each_pair_of_policies_has_a_winner(void **state)
{
	static const struct {
		const char *what;
		unsigned on;
		enum side side;
		const char *src, *dst;
		enum winner wins;
		const char *pool4, *nat64, *siit, *eam4, *eam6, *egress, *vip, *node;
	} row[] = {
		{ .what = "VIP before pool4", .on = ON_SERVICES | ON_NAT64, .side = SIDE_OUTSIDE,
		  .src = "203.0.113.9", .dst = "198.51.100.20", .wins = SERVICES,
		  .vip = "198.51.100.20", .node = "192.0.2.80", .pool4 = "198.51.100.20" },
		{ .what = "VIP before an explicit mapping", .on = ON_SERVICES | ON_SIIT, .side = SIDE_OUTSIDE,
		  .src = "203.0.113.9", .dst = "1.0.0.20", .wins = SERVICES, .vip = "1.0.0.20",
		  .node = "192.0.2.80" },
		{ .what = "VIP before the NAT64 prefix", .on = ON_SERVICES | ON_NAT64, .side = SIDE_INSIDE,
		  .src = "2001:db8:1::5", .dst = "2001:db8:64::c000:221", .wins = SERVICES,
		  .vip = "2001:db8:64::c000:221", .node = "2001:db8:5::1" },
		{ .what = "VIP before siit's prefix", .on = ON_SERVICES | ON_SIIT, .side = SIDE_INSIDE,
		  .src = "2001:db8:3::5", .dst = "2001:db8:1c0:2:21::", .wins = SERVICES,
		  .vip = "2001:db8:1c0:2:21::", .node = "2001:db8:5::1" },
		{ .what = "VIP before egress6", .on = ON_SERVICES | ON_EGRESS6, .side = SIDE_INSIDE,
		  .src = "2001:db8:1::5", .dst = "2001:db8::20", .wins = SERVICES, .vip = "2001:db8::20",
		  .node = "2001:db8:5::1" },
		{ .what = "pool4 before an explicit mapping: nobody has asked for it",
		  .on = ON_NAT64 | ON_SIIT, .side = SIDE_OUTSIDE, .src = "203.0.113.9",
		  .dst = "198.51.100.10", .wins = NOBODY, .eam4 = "198.51.100.0/24",
		  .eam6 = "2001:db8:3::/120" },
		{ .what = "pool4 before siit's prefix", .on = ON_NAT64 | ON_SIIT, .side = SIDE_OUTSIDE,
		  .src = "203.0.113.9", .dst = "198.51.100.10", .wins = NOBODY },
		{ .what = "explicit mapping before the NAT64 prefix", .on = ON_NAT64 | ON_SIIT,
		  .side = SIDE_INSIDE, .src = "2001:db8:1c0:2:21::", .dst = "2001:db8:64::5", .wins = SIIT,
		  .eam4 = "1.0.0.0/24", .eam6 = "2001:db8:64::/120" },
		{ .what = "explicit mapping before siit's prefix", .on = ON_SIIT, .side = SIDE_INSIDE,
		  .src = "2001:db8:1c0:2:21::", .dst = "2001:db8:1c0:2:8000::5", .wins = SIIT,
		  .eam4 = "1.0.0.0/24", .eam6 = "2001:db8:1c0:2:8000::/120" },
		{ .what = "explicit mapping before egress6", .on = ON_SIIT | ON_EGRESS6, .side = SIDE_INSIDE,
		  .src = "2001:db8:1:c000:2:2100::", .dst = "2001:db8:4::5", .wins = SIIT, .eam4 = "1.0.0.0/24",
		  .eam6 = "2001:db8:4::/120", .siit = "2001:db8:1::/48" },
		{ .what = "NAT64 prefix before siit's", .on = ON_NAT64 | ON_SIIT, .side = SIDE_INSIDE,
		  .src = "2001:db8:3::5", .dst = "2001:db8:164::c633:6402", .wins = NAT64,
		  .nat64 = "2001:db8:164::/96" },
		{ .what = "NAT64 prefix before egress6", .on = ON_NAT64 | ON_EGRESS6, .side = SIDE_INSIDE,
		  .src = "2001:db8:1::5", .dst = "2001:db8:64::c633:6402", .wins = NAT64 },
		{ .what = "siit's prefix before egress6", .on = ON_SIIT | ON_EGRESS6, .side = SIDE_INSIDE,
		  .src = "2001:db8:3::5", .dst = "2001:db8:1c6:3364:2::", .wins = SIIT,
		  .egress = "2001:db8:3::/64" },
		{ .what = "egress6 has what is left", .on = ON_NAT64 | ON_SIIT | ON_EGRESS6 | ON_SERVICES,
		  .side = SIDE_INSIDE, .src = "2001:db8:1::5", .dst = "2001:db8:ffff::1", .wins = EGRESS6,
		  .vip = "2001:db8::20", .node = "2001:db8:5::1" },
		{ .what = "siit is not asked from outside about its prefix", .on = ON_SIIT | ON_EGRESS6,
		  .side = SIDE_OUTSIDE, .src = "2001:db8:ffff::1", .dst = "2001:db8:1c6:3364:2::",
		  .wins = NOBODY },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct gateway_args args;

		print_message("%s\n", row[i].what);
		sections_init();
		if (row[i].pool4)
			pool.first = pool.last = a(row[i].pool4);
		if (row[i].nat64)
			nat64_prefix = p(row[i].nat64);
		if (row[i].siit)
			siit_prefix = p(row[i].siit);
		if (row[i].eam4)
			eam[0] = (struct eam_conf){ p(row[i].eam4), p(row[i].eam6) };
		if (row[i].egress)
			egress_prefix = p(row[i].egress);
		if (row[i].vip)
			vip(row[i].vip, row[i].node);
		nat64.allow_private = true;
		args = with(row[i].on);
		if (row[i].on & ON_SERVICES) { /* whose probes are inside, and so nobody else is unless listed */
			args.inside[0] = "2001:db8:1::/64";
			args.inside[1] = "2001:db8:3::/64";
		}
		gateway_init(&g, &args);
		send_udp(row[i].side, row[i].src, row[i].dst, 4000);
		if (winner() != row[i].wins)
			fail_msg("%d, expected %d; %s", winner(), row[i].wins, drop_reason_name(g.last.why));
		gateway_fini(&g);
	}
}

static void an_exact_flow_is_before_everything(void **state)
{
	struct gateway_args args;

	(void)state;
	sections_init();
	args = with(ON_EGRESS6);
	gateway_init(&g, &args);
	send_udp(SIDE_INSIDE, "2001:db8:1::5", "2001:db8:1c6:3364:2::", 4000);
	assert_int_equal(gateway_flows(&g), 1);
	eam[1] = (struct eam_conf){ p("2.0.0.0/24"), p("2001:db8:1::/120") };
	siit.n_eam = 2;
	args = with(ON_EGRESS6 | ON_SIIT);
	gateway_publish(&g, &args);
	send_udp(SIDE_INSIDE, "2001:db8:1::5", "2001:db8:1c6:3364:2::", 4000);
	assert_int_equal(g.n_out, 1);
	assert_int_equal(g.out[0].packet.family, 6);
	send_udp(SIDE_INSIDE, "2001:db8:1::5", "2001:db8:1c6:3364:2::", 4001);
	assert_int_equal(g.n_out, 1);
	assert_int_equal(g.out[0].packet.family, 4);
	gateway_fini(&g);
}

/* ---- no state ---- */

static void a_full_flow_table_does_not_touch_siit(void **state)
{
	struct gateway_args args;

	(void)state;
	sections_init();
	args = with(ON_EGRESS6 | ON_SIIT);
	args.flows = 64;
	gateway_init(&g, &args);
	for (uint16_t port = 1; port < 200; port++)
		send_udp(SIDE_INSIDE, "2001:db8:1::5", "2001:db8:ffff::1", port);
	assert_int_equal(g.last.why, DROP_FLOW_TABLE_FULL);
	assert_int_equal(gateway_flows(&g), 64);
	for (uint16_t port = 1; port < 200; port++) {
		send_udp(SIDE_INSIDE, "2001:db8:3::5", "2001:db8:1c6:3364:2::", port);
		assert_int_equal(g.n_out, 1);
		assert_true(l4_checksum_is_right(&g.out[0].packet));
		send_udp(SIDE_OUTSIDE, "198.51.100.2", "1.0.0.5", port);
		assert_int_equal(g.n_out, 1);
		assert_true(l4_checksum_is_right(&g.out[0].packet));
	}
	assert_int_equal(gateway_flows(&g), 64);
	gateway_fini(&g);
}

static void siit_alone_has_no_flow_ever(void **state)
{
	struct gateway_args args;

	(void)state;
	sections_init();
	args = with(ON_SIIT);
	gateway_init(&g, &args);
	for (uint16_t port = 1; port < 500; port++)
		send_udp(SIDE_INSIDE, "2001:db8:3::5", "2001:db8:1c6:3364:2::", port);
	assert_int_equal(gateway_flows(&g), 0);
	assert_int_equal(counted(COUNT_SIIT_TO_IPV4), 499);
	gateway_fini(&g);
}

/* ---- jobs together ---- */

/* A host of nat64 and a mapped one meet: out by pool4, in by the mapping, and back the same way. */
static void nat64_and_a_mapped_host_meet(void **state)
{
	struct gateway_args args;
	struct tuple back;

	(void)state;
	sections_init();
	nat64.allow_private = true;
	args = with(ON_NAT64 | ON_SIIT);
	gateway_init(&g, &args);
	send_udp(SIDE_INSIDE, "2001:db8:1::5", "2001:db8:64::100:5", 4000); /* 1.0.0.5 */
	assert_int_equal(g.n_out, 1);
	assert_int_equal(g.out[0].side, SIDE_INSIDE);
	is_addr(&g.out[0].packet.key.dst, "2001:db8:3::5");
	back = tuple_reverse(&g.out[0].packet.key);
	gateway_send(&g, SIDE_INSIDE, bytes, build_udp(bytes, &back, 20));
	assert_int_equal(g.n_out, 1);
	assert_int_equal(g.out[0].side, SIDE_INSIDE);
	is_addr(&g.out[0].packet.key.dst, "2001:db8:1::5");
	is_addr(&g.out[0].packet.key.src, "2001:db8:64::100:5");
	assert_int_equal(be16_to(g.out[0].packet.key.dport), 4000);
	gateway_fini(&g);
}

static void errors_about_flows_that_are_not_known_are_siits_where_it_maps_them(void **state)
{
	struct tuple t = tuple_of("2001:db8:1c6:3364:2::", "2001:db8:3::5", 53, 4000, IPPROTO_UDP);
	struct tuple foreign = tuple_of("2001:db8:64::c633:6402", "2001:db8:1::5", 53, 4000, IPPROTO_UDP);
	struct addr src = a("2001:db8:3::5");
	struct gateway_args args;
	uint32_t n;

	(void)state;
	sections_init();
	args = with(ON_NAT64 | ON_SIIT | ON_EGRESS6);
	gateway_init(&g, &args);
	n = build_udp(inner, &t, 20);
	gateway_send(&g, SIDE_INSIDE, bytes,
		     build_error(bytes, &src, &t.src, ICMP6_TYPE_UNREACHABLE, 4, 0, inner, n));
	assert_int_equal(g.n_out, 1);
	assert_int_equal(g.out[0].packet.family, 4);
	n = build_udp(inner, &foreign, 20);
	gateway_send(&g, SIDE_INSIDE, bytes,
		     build_error(bytes, &src, &foreign.src, ICMP6_TYPE_UNREACHABLE, 4, 0, inner, n));
	assert_int_equal(g.n_out, 0);
	assert_int_equal(g.last.why, DROP_NO_FLOW_ICMP);
	gateway_fini(&g);
}

/* ---- sides ---- */

static void sources_have_to_be_of_their_side(void **state)
{
	static const struct {
		const char *src, *dst;
		enum side side;
		enum drop_reason why;
	} row[] = {
		/* a mapped host, and one of an inside network under the prefix */
		{ "2001:db8:3::5", "2001:db8:1c6:3364:2::", SIDE_INSIDE, DROP_NONE },
		{ "2001:db8:1c0:2:21::", "2001:db8:1c6:3364:2::", SIDE_INSIDE, DROP_NONE },
		/* nobody inside stands for a host of the Internet */
		{ "2001:db8:108:808:8::", "2001:db8:1c6:3364:2::", SIDE_INSIDE, DROP_SOURCE_NOT_INSIDE },
		{ "198.51.100.2", "192.0.2.33", SIDE_OUTSIDE, DROP_NONE },
		{ "198.51.100.2", "1.0.0.5", SIDE_OUTSIDE, DROP_NONE },
		/* nobody outside is a host inside */
		{ "192.0.2.34", "192.0.2.33", SIDE_OUTSIDE, DROP_SPOOFED_INSIDE },
		{ "2001:db8:108:808:8::", "2001:db8:1::5", SIDE_OUTSIDE, DROP_SPOOFED_POOL6 },
		/* RFC 7915 4.6: only what is ours */
		{ "198.51.100.2", "192.0.3.33", SIDE_OUTSIDE, DROP_UNMAPPED },
	};
	struct gateway_args args;

	(void)state;
	sections_init();
	args = with(ON_SIIT | ON_EGRESS6);
	args.inside[0] = "2001:db8:1c0:2::/64";
	args.inside[1] = "2001:db8:1::/64";
	gateway_init(&g, &args);
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		print_message("%s to %s\n", row[i].src, row[i].dst);
		send_udp(row[i].side, row[i].src, row[i].dst, 4000);
		assert_int_equal(g.last.why, row[i].why);
	}
	gateway_fini(&g);
}

/* A node takes the addresses of an embed-prefix for IPv4 clients, so nobody outside may send by one:
 * not to a node, and not to another host inside by a pinhole of egress6. */
static void nobody_outside_is_an_embedded_client(void **state)
{
	static const struct {
		const char *src, *dst;
		enum drop_reason why;
	} row[] = {
		{ "2001:db8:64:20::10.0.0.1", "2001:db8:1::5", DROP_SPOOFED_POOL6 },
		{ "2001:db8:64:20::10.0.0.1", "2001:db8::20", DROP_SPOOFED_POOL6 },
		{ "2001:db8:64:21::10.0.0.1", "2001:db8:1::5", DROP_UNSOLICITED },
	};
	struct gateway_args args;

	(void)state;
	sections_init();
	service.embed_prefix = p("2001:db8:64:20::/96");
	args = with(ON_SERVICES | ON_EGRESS6);
	gateway_init(&g, &args);
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		send_udp(SIDE_OUTSIDE, row[i].src, row[i].dst, 53);
		assert_int_equal(g.last.why, row[i].why);
	}
	gateway_fini(&g);
}

/* A network inside that holds the whole prefix: hosts and the IPv4 Internet are neighbours in it, and
 * an address there does not tell them apart. One that is listed still does. */
static void where_the_prefix_is_a_network_inside_addresses_tell_no_side(void **state)
{
	static const struct {
		const char *src, *dst;
		enum side side;
		enum drop_reason why;
	} row[] = {
		{ "2001:db8:1c0:2:21::", "2001:db8:1c6:3364:2::", SIDE_INSIDE, DROP_NONE },
		{ "198.51.100.2", "192.0.2.33", SIDE_OUTSIDE, DROP_NONE },
		{ "192.0.2.34", "192.0.2.33", SIDE_OUTSIDE, DROP_NONE },
		{ "1.0.0.7", "192.0.2.33", SIDE_OUTSIDE, DROP_SPOOFED_INSIDE },
	};
	struct gateway_args args;

	(void)state;
	sections_init();
	args = with(ON_SIIT);
	args.inside[0] = "2001:db8:100::/40";
	args.inside[1] = "2001:db8:3::/120";
	gateway_init(&g, &args);
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		print_message("%s to %s\n", row[i].src, row[i].dst);
		send_udp(row[i].side, row[i].src, row[i].dst, 4000);
		assert_int_equal(g.last.why, row[i].why);
	}
	gateway_fini(&g);
}

/* RFC 6791: the routers of the inside have addresses that are listed nowhere. */
static void errors_of_unlisted_routers_come_through_with_a_source_of_ours(void **state)
{
	struct tuple t = tuple_of("2001:db8:1c6:3364:2::", "2001:db8:3::5", 53, 4000, IPPROTO_UDP);
	static const char *const routers[] = { "2001:db8:9::1", "2001:db8:108:808:8::" };
	struct gateway_args args;

	(void)state;
	sections_init();
	args = with(ON_SIIT);
	args.inside[0] = "2001:db8:1c0:2::/64";
	gateway_init(&g, &args);
	for (size_t i = 0; i < ARRAY_LEN(routers); i++) {
		struct addr src = a(routers[i]), own = a("198.51.100.1"), got;
		uint32_t n = build_udp(inner, &t, 20);

		gateway_send(&g, SIDE_INSIDE, bytes,
			     build_error(bytes, &src, &t.src, ICMP6_TYPE_TIME_EXCEEDED, 0, 0, inner, n));
		assert_int_equal(g.n_out, 1);
		got = packet_source(&g.out[0].packet);
		assert_true(addr_equal(&got, &own));
	}
	gateway_fini(&g);
}

/* An error grows twice on its way round: by the name of its source (RFC 5837), for which the quotation
 * is padded (RFC 4884), and from IPv4 to IPv6. What ports lend beside a packet is room for both, however
 * short the packet. */
static void an_error_of_an_unlisted_router_has_room_to_go_round(void **state)
{
	struct addr router = a("2001:db8:9::1");
	struct gateway_args args;
	struct tuple got, t;

	(void)state;
	sections_init();
	nat64.allow_private = true;
	args = with(ON_NAT64 | ON_SIIT);
	gateway_init(&g, &args);
	send_udp(SIDE_INSIDE, "2001:db8:1::5", "2001:db8:64::100:5", 4000); /* 1.0.0.5 */
	assert_int_equal(g.n_out, 1);
	t = g.out[0].packet.key;
	gateway_fini(&g);
	args.inside[0] = "2001:db8::/32"; /* the router, too */
	gateway_init(&g, &args);
	for (uint32_t payload = 0; payload < 1600; payload += 4) {
		uint32_t n, len;

		gateway_advance(&g, 1000);
		send_udp(SIDE_INSIDE, "2001:db8:1::5", "2001:db8:64::100:5", 4000);
		t = g.out[0].packet.key;
		n = build_udp(inner, &t, payload);
		n = n < 1232 ? n : 1232; /* what an error may quote */
		len = build_error(bytes, &router, &t.src, ICMP6_TYPE_UNREACHABLE, 0, 0, inner, n);
		g.room = len + PACKET_TAILROOM;
		gateway_send(&g, SIDE_INSIDE, bytes, len);
		g.room = 0;
		if (g.n_out != 1)
			fail_msg("quoting %u bytes: %s", n, drop_reason_name(g.last.why));
		assert_int_equal(g.out[0].side, SIDE_INSIDE);
		assert_in_range(g.out[0].len, 96, 1280);
		got = tuple_reverse(&g.out[0].packet.key);
		is_addr(&got.src, "2001:db8:1::5");
	}
	gateway_fini(&g);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_pair_of_policies_has_a_winner),
		cmocka_unit_test(an_exact_flow_is_before_everything),
		cmocka_unit_test(a_full_flow_table_does_not_touch_siit),
		cmocka_unit_test(siit_alone_has_no_flow_ever),
		cmocka_unit_test(nat64_and_a_mapped_host_meet),
		cmocka_unit_test(errors_about_flows_that_are_not_known_are_siits_where_it_maps_them),
		cmocka_unit_test(sources_have_to_be_of_their_side),
		cmocka_unit_test(nobody_outside_is_an_embedded_client),
		cmocka_unit_test(where_the_prefix_is_a_network_inside_addresses_tell_no_side),
		cmocka_unit_test(errors_of_unlisted_routers_come_through_with_a_source_of_ours),
		cmocka_unit_test(an_error_of_an_unlisted_router_has_room_to_go_round),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
