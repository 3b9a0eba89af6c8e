/* test_admit.c - a first packet to a VIP: who takes it, how the node sees the client, and what is
 * refused. */
#include "test.h"
#include "fixture.h"

static int new_fixture(void **state)
{
	*state = fixture_new(0, 1);
	return 0;
}

static int free_fixture(void **state)
{
	fixture_free(*state);
	return 0;
}

static void only(struct fixture *x, unsigned node)
{
	for (unsigned i = 0; i < 3; i++)
		x->status[i].state = i == node ? NODE_UP : NODE_DOWN;
	assert_int_equal(fixture_build(x), 0);
}

static const struct flow *opened(struct fixture *x, const char *client, const char *vip)
{
	uint32_t index = fixture_open(x, client, 40000, vip);

	assert_int_not_equal(index, FLOW_NONE);
	return &x->flows.flow[index];
}

static void assert_addr(const struct addr *a, const char *text)
{
	char got[ADDR_TEXT_MAX];

	assert_string_equal(addr_format(a, got), text);
}

static void a_v4_client_is_seen_by_a_v6_node_behind_embed_prefix(void **state)
{
	struct fixture *x = *state;
	const struct flow *f;

	only(x, 0);
	f = opened(x, "203.0.113.7", "198.51.100.20");
	assert_addr(&f->key[1].src, "2001:db8:5::1");
	assert_addr(&f->key[1].dst, "2001:db8:64:20::cb00:7107"); /* 203.0.113.7 */
	assert_int_equal(be16_to(f->key[1].sport), 9000);
	assert_int_equal(be16_to(f->key[1].dport), 40000);
	assert_int_equal(f->key[1].proto, TCP);
	assert_int_equal(f->policy, POLICY_SERVICES);
	assert_int_equal(flow_out_side(f, 0), SIDE_INSIDE);
	assert_int_equal(flow_out_side(f, 1), SIDE_OUTSIDE);
}

static void a_client_of_the_nodes_family_keeps_its_address(void **state)
{
	struct fixture *x = *state;
	const struct flow *f;

	only(x, 0);
	f = opened(x, "2001:db8:9::7", "2001:db8::20");
	assert_addr(&f->key[1].dst, "2001:db8:9::7");
	assert_int_equal(be16_to(f->key[1].dport), 40000);
	only(x, 2);
	f = opened(x, "203.0.113.7", "198.51.100.20");
	assert_addr(&f->key[1].src, "192.0.2.31");
	assert_addr(&f->key[1].dst, "203.0.113.7");
}

static void a_v6_client_of_a_v4_node_comes_from_source_v4(void **state)
{
	struct fixture *x = *state;
	const struct flow *f;

	only(x, 2);
	f = opened(x, "2001:db8:9::7", "2001:db8::20");
	assert_addr(&f->key[1].dst, "198.51.100.21");
	assert_true(be16_to(f->key[1].dport) >= 1024);
}

static void hidden_clients_come_from_a_source_of_the_nodes_family(void **state)
{
	struct fixture *x = *state;

	x->conf[0].client_address = CLIENT_HIDE;
	only(x, 0);
	assert_addr(&opened(x, "203.0.113.7", "198.51.100.20")->key[1].dst, "2001:db8:64:21::");
	assert_addr(&opened(x, "2001:db8:9::7", "2001:db8::20")->key[1].dst, "2001:db8:64:21::");
	only(x, 2);
	assert_addr(&opened(x, "203.0.113.8", "198.51.100.20")->key[1].dst, "198.51.100.21");
}

static void a_client_on_the_nodes_own_link_is_translated(void **state)
{
	struct fixture *x = *state;

	x->onlink[0] = prefix_of("2001:db8:5::/64");
	x->onlink[1] = prefix_of("192.0.2.0/24");
	x->n_onlink = 2;
	only(x, 0);
	assert_addr(&opened(x, "2001:db8:5::99", "2001:db8::20")->key[1].dst, "2001:db8:64:21::");
	assert_addr(&opened(x, "2001:db8:6::99", "2001:db8::20")->key[1].dst, "2001:db8:6::99");
	only(x, 2);
	assert_addr(&opened(x, "192.0.2.99", "198.51.100.20")->key[1].dst, "198.51.100.21");
}

static void a_client_on_its_nodes_link_without_a_source_is_refused_by_name(void **state)
{
	struct fixture *x = *state;

	x->onlink[0] = prefix_of("2001:db8:5::/64");
	x->n_onlink = 1;
	x->conf[0].source_v6 = (struct addr){ 0 };
	only(x, 0);
	assert_int_equal(fixture_open(x, "2001:db8:5::99", 9, "2001:db8::20"), FLOW_NONE);
	assert_int_equal(x->p.verdict.why, DROP_NODE_ON_LINK);
	assert_int_equal(x->p.verdict.reply, REPLY_TCP_RESET);
	assert_int_not_equal(fixture_open(x, "2001:db8:6::99", 9, "2001:db8::20"), FLOW_NONE);
}

static void a_node_that_is_its_own_client_is_translated(void **state)
{
	struct fixture *x = *state;

	only(x, 0);
	assert_addr(&opened(x, "2001:db8:5::1", "2001:db8::20")->key[1].dst, "2001:db8:64:21::");
}

static void a_node_that_cannot_be_shown_the_client_is_passed_over(void **state)
{
	struct fixture *x = *state;

	x->conf[0].source_v4 = (struct addr){ 0 };
	assert_int_equal(fixture_build(x), 0);
	for (uint16_t i = 0; i < 64; i++) {
		uint32_t index = fixture_open(x, "2001:db8:9::7", (uint16_t)(1024 + i), "2001:db8::20");

		assert_int_not_equal(index, FLOW_NONE);
		assert_string_not_equal(fixture_name(x, index), "store3");
	}
	only(x, 2);
	assert_int_equal(fixture_open(x, "2001:db8:9::7", 9, "2001:db8::20"), FLOW_NONE);
	assert_int_equal(x->p.verdict.why, DROP_NODE_FAMILY);
	assert_int_equal(x->p.verdict.reply, REPLY_TCP_RESET);
}

static void one_client_port_to_two_vips_of_one_node_gets_two_ports(void **state)
{
	struct fixture *x = *state;
	const struct flow *f, *g;

	x->conf[0].address[1] = addr_of("198.51.100.22");
	only(x, 0);
	f = opened(x, "203.0.113.7", "198.51.100.20");
	g = opened(x, "203.0.113.7", "198.51.100.22");
	assert_true(addr_equal(&f->key[1].dst, &g->key[1].dst));
	assert_int_equal(be16_to(f->key[1].dport), 40000);
	assert_int_not_equal(be16_to(g->key[1].dport), 40000);
	assert_int_equal(be16_to(g->key[1].dport) >> 6, 40000 >> 6);
}

static void without_a_node_clients_are_reset_at_once(void **state)
{
	struct fixture *x = *state;

	only(x, 7);
	assert_int_equal(fixture_open(x, "203.0.113.7", 40000, "198.51.100.20"), FLOW_NONE);
	assert_int_equal(x->p.verdict.why, DROP_NO_NODE);
	assert_int_equal(x->p.verdict.reply, REPLY_TCP_RESET);
}

static void every_scheduler_can_do_without_nodes(void **state)
{
	struct fixture *x = *state;

	for (int kind = SCHEDULER_P2C; kind <= SCHEDULER_LEAST_FLOWS; kind++) {
		x->conf[0].scheduler = (enum scheduler_kind)kind;
		only(x, 7);
		assert_int_equal(fixture_open(x, "203.0.113.7", 40000, "198.51.100.20"), FLOW_NONE);
		assert_int_equal(x->p.verdict.why, DROP_NO_NODE);
	}
}

static void only_a_syn_opens_a_tcp_flow(void **state)
{
	static const uint8_t flags[] = { TCP_ACK, TCP_SYN | TCP_ACK, TCP_RST, TCP_FIN | TCP_ACK,
					 TCP_SYN | TCP_FIN, TCP_SYN | TCP_RST, 0 };
	struct tuple t = tuple_of("203.0.113.7", "198.51.100.20", 40000, 9000, TCP);
	struct fixture *x = *state;
	struct flow_plan plan;

	assert_int_equal(fixture_build(x), 0);
	for (size_t i = 0; i < sizeof(flags); i++) {
		struct verdict v;

		fixture_segment(x, &t, (struct tcp_args){ flags[i], 1, 1 }, SIDE_OUTSIDE);
		v = services_admit(x->v, x->table, x->steer, &x->flows, &x->p, &plan, 1);
		assert_int_equal(v.next, VERDICT_DROP);
		assert_int_equal(v.why, DROP_NO_FLOW);
	}
}

static struct verdict admit_datagram(struct fixture *x, uint16_t port)
{
	struct tuple t = tuple_of("203.0.113.7", "198.51.100.20", 40000, port, UDP);
	struct flow_plan plan;

	x->p.key = t;
	x->p.tcp_flags = 0;
	x->p.flags = 0;
	return services_admit(x->v, x->table, x->steer, &x->flows, &x->p, &plan, 1);
}

static void udp_services_take_any_datagram_and_refuse_by_icmp(void **state)
{
	struct fixture *x = *state;
	struct verdict v;

	x->conf[0].protocol = UDP;
	only(x, 0);
	assert_int_equal(admit_datagram(x, 9000).next, VERDICT_CONTINUE);
	v = admit_datagram(x, 9001);
	assert_int_equal(v.why, DROP_SERVICE_PROTOCOL);
	assert_int_equal(v.reply, REPLY_PORT_UNREACHABLE);
	only(x, 7);
	v = admit_datagram(x, 9000);
	assert_int_equal(v.why, DROP_NO_NODE);
	assert_int_equal(v.reply, REPLY_PORT_UNREACHABLE);
}

static void another_port_or_protocol_of_a_vip_is_refused(void **state)
{
	struct fixture *x = *state;
	struct tuple t = tuple_of("203.0.113.7", "198.51.100.20", 40000, 22, TCP);
	struct flow_plan plan;
	struct verdict v;

	assert_int_equal(fixture_build(x), 0);
	fixture_segment(x, &t, (struct tcp_args){ TCP_SYN, 1, 0 }, SIDE_OUTSIDE);
	v = services_admit(x->v, x->table, x->steer, &x->flows, &x->p, &plan, 1);
	assert_int_equal(v.why, DROP_SERVICE_PROTOCOL);
	assert_int_equal(v.reply, REPLY_TCP_RESET);
	v = admit_datagram(x, 9000);
	assert_int_equal(v.why, DROP_SERVICE_PROTOCOL);
}

static void a_plan_holds_its_nodes_count_until_the_flow_ends(void **state)
{
	struct fixture *x = *state;
	uint32_t index, slot;

	only(x, 1);
	slot = fixture_slot(x, "s3", "store2");
	index = fixture_open(x, "203.0.113.7", 40000, "198.51.100.20");
	assert_int_equal(services_node_flows(x->v, slot), 1);
	fixture_end(x, index);
	assert_int_equal(services_node_flows(x->v, slot), 0);
	assert_int_equal(services_node_total(x->v, slot), 1);
}

static void every_port_of_a_source_can_be_used_and_then_no_more(void **state)
{
	struct fixture *x = *state;
	uint32_t n = 0;

	only(x, 2);
	/* one client port each: 64512 ports of the source towards this node */
	for (uint32_t i = 0; i < 64512 + 100; i++) {
		char client[64];

		snprintf(client, sizeof(client), "2001:db8:9::%x:%x", i >> 16, i & 0xffff);
		if (fixture_open(x, client, 40000, "2001:db8::20") != FLOW_NONE)
			n++;
		else
			assert_int_equal(x->p.verdict.why, DROP_FLOW_CONFLICT);
	}
	print_message("%u of 64512 ports used\n", n);
	/* the search is bounded: it misses the last few rather than look at them all */
	assert_in_range(n, 64512 * 95 / 100, 64511);
}

/* 64 ports of one block, 8 VIPs, 5 nodes: no node can take more than 64 flows of this client. */
static void a_client_that_has_used_up_its_block_is_refused(void **state)
{
	struct fixture *x = *state;
	uint32_t n = 0, n_refused = 0;

	x->conf[0].n_address = 8;
	x->conf[0].n_node = 0;
	for (unsigned i = 0; i < 8; i++)
		x->conf[0].address[i] = addr_from_ip4_host(0xc6336414 + i);
	for (unsigned i = 0; i < 5; i++) {
		char name[16], address[32];

		snprintf(name, sizeof(name), "n%u", i);
		snprintf(address, sizeof(address), "192.0.2.%u", i + 1);
		fixture_add_node(x, 0, name, address);
	}
	assert_int_equal(fixture_build(x), 0);
	for (uint32_t i = 0; i < 8 * 64; i++) {
		char vip[ADDR_TEXT_MAX];

		addr_format(&x->conf[0].address[i / 64], vip);
		if (fixture_open(x, "203.0.113.7", (uint16_t)(6400 + i % 64), vip) != FLOW_NONE) {
			n++;
			continue;
		}
		n_refused++;
		assert_int_equal(x->p.verdict.why, DROP_FLOW_CONFLICT);
		assert_int_equal(x->p.verdict.reply, REPLY_TCP_RESET);
	}
	assert_in_range(n, 4 * 64, 5 * 64); /* four nodes are tried for each */
	assert_int_equal(n + n_refused, 8 * 64);
}

static void ports_of_a_source_belong_to_the_worker_that_chose_them(void **state)
{
	(void)state;
	for (unsigned worker = 0; worker < WORKERS; worker++) {
		struct fixture *x = fixture_new(worker, WORKERS);

		only(x, 2);
		for (uint16_t i = 0; i < 200; i++) {
			uint32_t index = fixture_open(x, "2001:db8:9::7", (uint16_t)(2000 + i), "2001:db8::20");

			assert_int_not_equal(index, FLOW_NONE);
			assert_int_equal(owner_of_tuple(x->steer, &x->flows.flow[index].key[1], SIDE_INSIDE),
					 worker);
		}
		fixture_free(x);
	}
}

static void both_directions_of_an_embedded_client_are_one_workers(void **state)
{
	struct fixture *x = fixture_new(0, WORKERS);

	(void)state;
	only(x, 0);
	for (unsigned i = 0; i < 200; i++) {
		char client[32];
		const struct flow *f;

		snprintf(client, sizeof(client), "203.0.113.%u", i);
		f = opened(x, client, "198.51.100.20");
		assert_int_equal(owner_of_tuple(x->steer, &f->key[0], SIDE_OUTSIDE),
				 owner_of_tuple(x->steer, &f->key[1], SIDE_INSIDE));
	}
	fixture_free(x);
}

#define T(f) cmocka_unit_test_setup_teardown(f, new_fixture, free_fixture)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_v4_client_is_seen_by_a_v6_node_behind_embed_prefix),
		T(a_client_of_the_nodes_family_keeps_its_address),
		T(a_v6_client_of_a_v4_node_comes_from_source_v4),
		T(hidden_clients_come_from_a_source_of_the_nodes_family),
		T(a_client_on_the_nodes_own_link_is_translated),
		T(a_client_on_its_nodes_link_without_a_source_is_refused_by_name),
		T(a_node_that_is_its_own_client_is_translated),
		T(a_node_that_cannot_be_shown_the_client_is_passed_over),
		T(one_client_port_to_two_vips_of_one_node_gets_two_ports),
		T(without_a_node_clients_are_reset_at_once),
		T(every_scheduler_can_do_without_nodes),
		T(only_a_syn_opens_a_tcp_flow),
		T(udp_services_take_any_datagram_and_refuse_by_icmp),
		T(another_port_or_protocol_of_a_vip_is_refused),
		T(a_plan_holds_its_nodes_count_until_the_flow_ends),
		T(every_port_of_a_source_can_be_used_and_then_no_more),
		T(a_client_that_has_used_up_its_block_is_refused),
		cmocka_unit_test(ports_of_a_source_belong_to_the_worker_that_chose_them),
		cmocka_unit_test(both_directions_of_an_embedded_client_are_one_workers),
	};

	return cmocka_run_group_tests_name("services/admit", tests, NULL, NULL);
}
