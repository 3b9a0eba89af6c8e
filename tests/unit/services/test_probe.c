/* test_probe.c - health checks through the data plane: to exactly one node, from an address that
 * the node sees as a client's. */
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

static struct verdict probe(struct fixture *x, unsigned service, unsigned node, uint16_t port,
			    struct flow_plan *plan)
{
	struct tuple t = { .src = services_probe_client(), .dst = services_probe_address(service, node),
			   .sport = be16_from(50000), .dport = be16_from(port), .proto = TCP };

	fixture_segment(x, &t, (struct tcp_args){ TCP_SYN, 1, 0 }, SIDE_INSIDE);
	return services_admit(x->v, x->table, x->steer, &x->flows, &x->p, plan, 1);
}

static const char *seen(struct fixture *x, unsigned node)
{
	static char text[ADDR_TEXT_MAX];
	struct flow_plan plan;

	assert_int_equal(fixture_build(x), 0);
	assert_int_equal(probe(x, 0, node, 9000, &plan).next, VERDICT_CONTINUE);
	assert_true(addr_equal(&plan.key[1].src, &x->node[0][node].address));
	return addr_format(&plan.key[1].dst, text);
}

static void a_probe_reaches_its_node_in_whatever_state(void **state)
{
	struct fixture *x = *state;
	struct flow_plan plan;

	for (int i = 0; i < 3; i++)
		x->status[i].state = (enum node_state)i;
	assert_int_equal(fixture_build(x), 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(probe(x, 0, i, 9000, &plan).next, VERDICT_CONTINUE);
		assert_int_equal(plan.object, fixture_slot(x, "s3", x->node[0][i].name));
		assert_true(addr_equal(&plan.key[1].src, &x->node[0][i].address));
		assert_int_equal(plan.flags & (FLOW_OUT_INSIDE_0 | FLOW_OUT_INSIDE_1),
				 FLOW_OUT_INSIDE_0 | FLOW_OUT_INSIDE_1);
	}
}

static void it_comes_as_a_client_of_the_v4_vip_would(void **state)
{
	struct fixture *x = *state;

	assert_string_equal(seen(x, 0), "2001:db8:64:20::c000:b"); /* 192.0.0.11 */
	assert_string_equal(seen(x, 2), "192.0.0.11");
}

static void without_a_v4_vip_it_comes_from_the_source(void **state)
{
	struct fixture *x = *state;

	x->conf[0].address[0] = x->conf[0].address[1];
	x->conf[0].n_address = 1;
	assert_string_equal(seen(x, 0), "2001:db8:64:21::");
	assert_string_equal(seen(x, 2), "198.51.100.21");
}

static void without_anything_it_comes_from_our_own_prefix(void **state)
{
	struct fixture *x = *state;

	x->conf[0].address[0] = x->conf[0].address[1];
	x->conf[0].n_address = 1;
	x->conf[0].source_v4 = x->conf[0].source_v6 = (struct addr){ 0 };
	x->conf[0].embed_prefix = (struct prefix){ 0 };
	assert_string_equal(seen(x, 0), "fd53:6978:6761:7465::2");
}

static void hidden_clients_mean_hidden_probes(void **state)
{
	struct fixture *x = *state;

	x->conf[0].client_address = CLIENT_HIDE;
	assert_string_equal(seen(x, 0), "2001:db8:64:21::");
	assert_string_equal(seen(x, 2), "198.51.100.21");
}

static void nobody_else_may_probe(void **state)
{
	struct fixture *x = *state;
	struct tuple t = { .dst = services_probe_address(0, 0), .sport = be16_from(1),
			   .dport = be16_from(9000), .proto = TCP, .src = addr_of("2001:db8:1::5") };
	struct flow_plan plan;

	assert_int_equal(fixture_build(x), 0);
	fixture_segment(x, &t, (struct tcp_args){ TCP_SYN, 1, 0 }, SIDE_INSIDE);
	assert_int_equal(services_admit(x->v, x->table, x->steer, &x->flows, &x->p, &plan, 1).why,
			 DROP_SERVICE_PROTOCOL);
	t.src = services_probe_client();
	fixture_segment(x, &t, (struct tcp_args){ TCP_SYN, 1, 0 }, SIDE_OUTSIDE);
	assert_int_equal(services_admit(x->v, x->table, x->steer, &x->flows, &x->p, &plan, 1).why,
			 DROP_SERVICE_PROTOCOL);
}

static void there_is_no_probe_of_what_is_not_configured(void **state)
{
	struct fixture *x = *state;
	struct flow_plan plan;

	assert_int_equal(fixture_build(x), 0);
	assert_int_equal(probe(x, 1, 0, 9000, &plan).next, VERDICT_DROP);
	assert_int_equal(probe(x, 0, 3, 9000, &plan).next, VERDICT_DROP);
	assert_int_equal(probe(x, 0, 0, 9001, &plan).next, VERDICT_DROP);
}

static void a_probe_counts_for_nothing_and_outlives_its_nodes_health(void **state)
{
	struct fixture *x = *state;
	enum drop_reason why;
	struct flow_plan plan;
	uint32_t index;

	assert_int_equal(fixture_build(x), 0);
	assert_int_equal(probe(x, 0, 0, 9000, &plan).next, VERDICT_CONTINUE);
	index = flow_table_add(&x->flows, &plan, &why);
	x->flows.flow[index].state = TCP_ESTABLISHED;
	assert_int_equal(services_node_flows(x->v, plan.object), 0);
	x->status[0].state = NODE_DOWN;
	assert_int_equal(fixture_build(x), 0);
	assert_false(services_flow_stale(x->table, &x->flows.flow[index]));
	x->node[0][0].address = addr_of("2001:db8:5::77");
	assert_int_equal(fixture_build(x), 0);
	assert_true(services_flow_stale(x->table, &x->flows.flow[index]));
	services_flow_ended(x->v, &x->flows.flow[index]);
	assert_int_equal(services_node_flows(x->v, plan.object), 0);
}

static void a_refused_probe_is_told_so(void **state)
{
	struct fixture *x = *state;
	enum drop_reason why;
	struct flow_plan plan;
	struct packet *again;
	uint32_t index;

	assert_int_equal(fixture_build(x), 0);
	assert_int_equal(probe(x, 0, 0, 9000, &plan).next, VERDICT_CONTINUE);
	index = flow_table_add(&x->flows, &plan, &why);
	x->flows.flow[index].state = TCP_V6_INIT;
	assert_int_equal(fixture_event(x, index, 1, (struct tcp_args){ TCP_RST | TCP_ACK, 0, 2 }, &again)
				 .next, VERDICT_CONTINUE);
	assert_int_equal(x->flows.flow[index].object, plan.object);
}

/* Which worker has it depends on secrets; the law is that both ends agree. */
static void both_ends_of_a_probe_are_one_workers(void **state)
{
	(void)state;
	for (unsigned node = 0; node < 3; node++)
		for (unsigned hidden = 0; hidden < 2; hidden++) {
			struct tuple t = { .src = services_probe_client(),
					   .dst = services_probe_address(0, node),
					   .sport = be16_from(50000), .dport = be16_from(9000),
					   .proto = TCP };
			struct fixture *x = fixture_new(0, WORKERS);
			struct flow_plan plan;
			unsigned owner;

			if (hidden)
				x->conf[0].client_address = CLIENT_HIDE;
			assert_int_equal(fixture_build(x), 0);
			owner = owner_of_tuple(x->steer, &t, SIDE_INSIDE);
			fixture_free(x);

			x = fixture_new(owner, WORKERS);
			if (hidden)
				x->conf[0].client_address = CLIENT_HIDE;
			assert_int_equal(fixture_build(x), 0);
			assert_int_equal(probe(x, 0, node, 9000, &plan).next, VERDICT_CONTINUE);
			assert_int_equal(owner_of_tuple(x->steer, &plan.key[1], SIDE_INSIDE), owner);
			fixture_free(x);
		}
}

#define T(f) cmocka_unit_test_setup_teardown(f, new_fixture, free_fixture)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_probe_reaches_its_node_in_whatever_state),
		T(it_comes_as_a_client_of_the_v4_vip_would),
		T(without_a_v4_vip_it_comes_from_the_source),
		T(without_anything_it_comes_from_our_own_prefix),
		T(hidden_clients_mean_hidden_probes),
		T(nobody_else_may_probe),
		T(there_is_no_probe_of_what_is_not_configured),
		T(a_probe_counts_for_nothing_and_outlives_its_nodes_health),
		T(a_refused_probe_is_told_so),
		cmocka_unit_test(both_ends_of_a_probe_are_one_workers),
	};

	return cmocka_run_group_tests_name("services/probe", tests, NULL, NULL);
}
