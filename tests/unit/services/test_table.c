/* test_table.c - slots that follow names, what is claimed, and which flows a new table makes stale. */
#include "test.h"
#include <errno.h>
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

static void swap_nodes(struct fixture *x, unsigned a, unsigned b)
{
	struct node_conf n = x->node[0][a];

	x->node[0][a] = x->node[0][b];
	x->node[0][b] = n;
}

static void nodes_keep_their_slots_when_the_file_is_reordered(void **state)
{
	struct fixture *x = *state;
	uint32_t slot[3];

	assert_int_equal(fixture_build(x), 0);
	slot[0] = fixture_slot(x, "s3", "store1");
	slot[1] = fixture_slot(x, "s3", "store2");
	slot[2] = fixture_slot(x, "s3", "store3");
	swap_nodes(x, 0, 2);
	fixture_add_node(x, 0, "store4", "2001:db8:5::4");
	swap_nodes(x, 1, 3);
	assert_int_equal(fixture_build(x), 0);
	assert_int_equal(fixture_slot(x, "s3", "store1"), slot[0]);
	assert_int_equal(fixture_slot(x, "s3", "store2"), slot[1]);
	assert_int_equal(fixture_slot(x, "s3", "store3"), slot[2]);
}

static void flows_of_a_node_that_stays_are_kept(void **state)
{
	struct fixture *x = *state;
	uint32_t index;

	assert_int_equal(fixture_build(x), 0);
	index = fixture_open(x, "203.0.113.7", 40000, "198.51.100.20");
	x->flows.flow[index].state = TCP_ESTABLISHED;
	swap_nodes(x, 0, 2);
	assert_int_equal(fixture_build(x), 0);
	assert_false(services_flow_stale(x->table, &x->flows.flow[index]));
}

/* Establish one flow to store1 alone, then let @change happen. */
static bool stale_after(struct fixture *x, void (*change)(struct fixture *))
{
	struct flow f;

	x->status[1].state = x->status[2].state = NODE_DOWN;
	assert_int_equal(fixture_build(x), 0);
	f = x->flows.flow[fixture_open(x, "203.0.113.7", 40000, "198.51.100.20")];
	f.state = TCP_ESTABLISHED;
	assert_false(services_flow_stale(x->table, &f));
	change(x);
	assert_int_equal(fixture_build(x), 0);
	return services_flow_stale(x->table, &f);
}

static void down(struct fixture *x)
{
	x->status[0].state = NODE_DOWN;
}

static void draining(struct fixture *x)
{
	x->status[0].state = NODE_DRAINING;
}

static void removed(struct fixture *x)
{
	swap_nodes(x, 0, 2);
	x->conf[0].n_node = 2;
}

static void replaced_by_another_name(struct fixture *x)
{
	strcpy(x->node[0][0].name, "store9");
}

static void moved_to_another_address(struct fixture *x)
{
	x->node[0][0].address = addr_of("2001:db8:5::99");
}

static void without_its_vip(struct fixture *x)
{
	x->conf[0].address[0] = addr_of("198.51.100.99");
}

static void without_its_embed_prefix(struct fixture *x)
{
	x->conf[0].embed_prefix = prefix_of("2001:db8:64:99::/96");
}

static void of_another_name(struct fixture *x)
{
	strcpy(x->conf[0].name, "other");
}

static void with_other_weights_and_another_scheduler(struct fixture *x)
{
	x->node[0][0].weight = 7;
	x->conf[0].scheduler = SCHEDULER_MAGLEV;
}

static void flows_are_stale_exactly_when_their_ends_are_gone(void **state)
{
	static const struct {
		const char *name;
		void (*change)(struct fixture *);
		bool stale;
	} rows[] = {
		{ "node down", down, true },
		{ "node draining", draining, false },
		{ "node removed", removed, true },
		{ "node renamed", replaced_by_another_name, true },
		{ "node moved", moved_to_another_address, true },
		{ "VIP removed", without_its_vip, true },
		{ "embed-prefix changed", without_its_embed_prefix, true },
		{ "service renamed", of_another_name, true },
		{ "weights", with_other_weights_and_another_scheduler, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fixture *x = fixture_new(0, 1);

		print_message("%s\n", rows[i].name);
		assert_int_equal(stale_after(x, rows[i].change), rows[i].stale);
		fixture_free(x);
	}
}

static void an_attempt_that_no_node_answered_is_not_stale(void **state)
{
	struct fixture *x = *state;
	uint32_t index;

	assert_int_equal(fixture_build(x), 0);
	index = fixture_open(x, "203.0.113.7", 40000, "198.51.100.20");
	for (int i = 0; i < 3; i++)
		x->status[i].state = NODE_DOWN;
	assert_int_equal(fixture_build(x), 0);
	assert_false(services_flow_stale(x->table, &x->flows.flow[index]));
	x->flows.flow[index].state = TCP_ESTABLISHED;
	assert_true(services_flow_stale(x->table, &x->flows.flow[index]));
}

static void a_slot_given_to_another_node_has_another_generation(void **state)
{
	struct fixture *x = *state;
	uint16_t generation;
	uint32_t index;

	x->conf[0].n_node = 1;
	assert_int_equal(fixture_build(x), 0);
	index = fixture_open(x, "203.0.113.7", 40000, "198.51.100.20");
	generation = x->flows.flow[index].generation;
	x->flows.flow[index].state = TCP_ESTABLISHED;
	/* as many other names as there are slots: one of them gets this one */
	for (unsigned i = 0; i < SERVICES_NODE_SLOTS + 10; i++) {
		snprintf(x->node[0][0].name, SERVICE_NAME_MAX, "node%u", i);
		assert_int_equal(fixture_build(x), 0);
		assert_true(services_flow_stale(x->table, &x->flows.flow[index]));
	}
	strcpy(x->node[0][0].name, "store1");
	assert_int_equal(fixture_build(x), 0);
	assert_true(services_flow_stale(x->table, &x->flows.flow[index]));
	assert_int_equal(x->flows.flow[index].generation, generation);
}

/* All services go and come back by two reloads, before the flows of the first table are swept. */
static bool stale_after_return(struct fixture *x, void (*change)(struct fixture *))
{
	struct flow f;

	x->conf[0].n_node = 1;
	assert_int_equal(fixture_build(x), 0);
	f = x->flows.flow[fixture_open(x, "203.0.113.7", 40000, "198.51.100.20")];
	f.state = TCP_ESTABLISHED;
	services_table_free(x->table);
	x->table = NULL;
	change(x);
	assert_int_equal(fixture_build(x), 0);
	return services_flow_stale(x->table, &f);
}

static void flows_do_not_pass_for_those_of_a_node_that_came_later(void **state)
{
	static const struct {
		void (*change)(struct fixture *);
		bool stale;
	} rows[] = {
		{ replaced_by_another_name, true },
		{ moved_to_another_address, true },
		{ of_another_name, true },
		{ with_other_weights_and_another_scheduler, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fixture *x = fixture_new(0, 1);

		print_message("row %zu\n", i);
		assert_int_equal(stale_after_return(x, rows[i].change), rows[i].stale);
		fixture_free(x);
	}
}

static void add_second_service(struct fixture *x)
{
	strcpy(x->conf[1].name, "s3-tls");
	x->conf[1].address[0] = addr_of("198.51.100.20");
	x->conf[1].n_address = 1;
	x->conf[1].port = 9443;
	x->conf[1].idle_timeout_ms = 60000;
	x->services.n_service = 2;
}

static void two_services_may_share_node_names_and_endpoints(void **state)
{
	struct fixture *x = *state;
	struct addr node = addr_of("2001:db8:5::1");

	add_second_service(x);
	fixture_add_node(x, 1, "store1", "2001:db8:5::1")->port = 9000;
	assert_int_equal(fixture_build(x), 0);
	assert_int_not_equal(fixture_slot(x, "s3", "store1"), fixture_slot(x, "s3-tls", "store1"));
	assert_true(services_claims_node(x->table, &node, be16_from(9000), TCP));
	assert_false(services_claims_node(x->table, &node, be16_from(9443), TCP));
}

static void a_new_node_does_not_inherit_the_slot_of_one_that_just_went(void **state)
{
	struct fixture *x = *state;
	uint32_t slot;

	assert_int_equal(fixture_build(x), 0);
	slot = fixture_slot(x, "s3", "store1");
	strcpy(x->node[0][0].name, "store9");
	assert_int_equal(fixture_build(x), 0);
	assert_int_not_equal(fixture_slot(x, "s3", "store9"), slot);
}

static void services_keep_their_slots_too(void **state)
{
	struct fixture *x = *state;
	struct service_conf c;
	struct flow f;

	add_second_service(x);
	assert_int_equal(fixture_build(x), 0);
	f = x->flows.flow[fixture_open(x, "203.0.113.7", 40000, "198.51.100.20")];
	f.state = TCP_ESTABLISHED;
	f.ack_last[0] = 1;
	assert_int_equal(services_idle_timeout_ms(x->table, &f), 350000);
	c = x->conf[0];
	x->conf[0] = x->conf[1];
	x->conf[1] = c;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(fixture_build(x), 0);
		assert_int_equal(services_idle_timeout_ms(x->table, &f), 350000);
		assert_false(services_flow_stale(x->table, &f));
	}
	x->conf[1] = x->conf[0];
	strcpy(x->conf[1].name, "third");
	x->conf[1].port = 9001;
	assert_int_equal(fixture_build(x), 0);
	assert_true(services_flow_stale(x->table, &f));
	f.aux = SERVICES_MAX - 1; /* nobody's */
	assert_int_equal(services_idle_timeout_ms(x->table, &f), 30000);
}

static void without_embed_prefix_none_is_steered(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(fixture_build(x), 0);
	assert_int_equal(x->steer->n_embed, 1);
	x->conf[0].embed_prefix = (struct prefix){ 0 };
	assert_int_equal(fixture_build(x), 0);
	assert_int_equal(x->steer->n_embed, 0);
}

static void pools_of_others_keep_their_blocks(void **state)
{
	static uint8_t pool_blocks[2][STEER_BLOCKS];
	struct fixture *x = *state;
	struct services_input in = { .conf = &x->services, .status = x->status };
	struct services_table *t;
	struct err e;

	for (unsigned i = 0; i < STEER_BLOCKS; i++)
		pool_blocks[0][i] = (uint8_t)(i % 3), pool_blocks[1][i] = (uint8_t)(i % 5);
	x->steer->block = pool_blocks;
	x->steer->n_pools = 2;
	assert_int_equal(services_table_new(&t, &in, x->steer, &e), 0);
	assert_ptr_not_equal(x->steer->block, pool_blocks);
	assert_memory_equal(x->steer->block, pool_blocks, sizeof(pool_blocks));
	assert_int_equal(x->steer->n_pools, 2 + 3); /* two sources and that of probes */
	services_table_free(t);
	x->steer->block = NULL;
}

static void claims(void **state)
{
	static const struct {
		const char *addr;
		bool vip, client;
	} rows[] = {
		{ "198.51.100.20", true, false },
		{ "2001:db8::20", true, false },
		{ "198.51.100.21", false, true },       /* source v4 */
		{ "2001:db8:64:21::", false, true },    /* source v6 */
		{ "2001:db8:64:20::1.2.3.4", false, true },
		{ "2001:db8:64:20:1::", false, false }, /* beyond the /96 */
		{ "2001:db8:5::1", false, false },
		{ "192.0.2.31", false, false },
		{ "fd53:6978:6761:7465:0:1:0:2", true, false },
		{ "fd53:6978:6761:7465::1", false, false }, /* the host's own end */
		{ "192.0.0.11", false, true },
		{ "203.0.113.1", false, false },
	};
	struct fixture *x = *state;
	struct addr node = addr_of("192.0.2.31");

	assert_int_equal(fixture_build(x), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct addr a = addr_of(rows[i].addr);

		print_message("%s\n", rows[i].addr);
		assert_int_equal(services_claims_vip(x->table, &a), rows[i].vip);
		assert_int_equal(services_claims_client(x->table, &a), rows[i].client);
	}
	assert_true(services_claims_node(x->table, &node, be16_from(9000), TCP));
	assert_false(services_claims_node(x->table, &node, be16_from(9001), TCP));
	assert_false(services_claims_node(x->table, &node, be16_from(9000), UDP));
}

static void icmp_errors_from_the_nodes_side_come_from_the_vip(void **state)
{
	struct fixture *x = *state;
	struct addr router6 = addr_of("2001:db8:5::fe"), router4 = addr_of("203.0.113.254"), got;
	char text[ADDR_TEXT_MAX];
	const struct flow *f;

	x->status[1].state = x->status[2].state = NODE_DOWN;
	assert_int_equal(fixture_build(x), 0);
	f = &x->flows.flow[fixture_open(x, "203.0.113.7", 40000, "198.51.100.20")];
	got = services_error_source(x->table, f, 1, &router6);
	assert_string_equal(addr_format(&got, text), "198.51.100.20");
	got = services_error_source(x->table, f, 0, &f->key[0].src);
	assert_true(addr_equal(&got, &f->key[1].dst));
	got = services_error_source(x->table, f, 0, &router4);
	assert_string_equal(addr_format(&got, text), "2001:db8:64:20::cb00:71fe");
}

static void a_half_open_flow_lives_short(void **state)
{
	struct fixture *x = *state;
	struct flow *f;

	assert_int_equal(fixture_build(x), 0);
	f = &x->flows.flow[fixture_open(x, "203.0.113.7", 40000, "198.51.100.20")];
	f->state = TCP_ESTABLISHED; /* the node's SYN-ACK has passed, the client's answer has not */
	assert_int_equal(services_idle_timeout_ms(x->table, f), 30000);
	f->ack_last[0] = 1;
	assert_int_equal(services_idle_timeout_ms(x->table, f), 350000);
}

static void too_many_nodes_are_refused_with_a_reason(void **state)
{
	enum { TOO_MANY = SERVICES_NODE_SLOTS + 1 };
	struct node_status *status = calloc(TOO_MANY, sizeof(*status));
	struct fixture *x = *state;
	struct service_conf many[9];
	struct services_conf conf = { .service = many, .n_service = 9 };
	struct services_input in = { .conf = &conf, .status = status };
	struct node_conf *node = calloc(SERVICE_NODES_MAX, sizeof(*node));
	struct services_table *t;
	struct err e = { "" };

	for (unsigned i = 0; i < 9; i++) {
		many[i] = x->conf[0];
		snprintf(many[i].name, SERVICE_NAME_MAX, "s%u", i);
		many[i].node = node;
		many[i].n_node = i < 8 ? SERVICE_NODES_MAX : 1;
	}
	assert_int_equal(services_table_new(&t, &in, x->steer, &e), -ENOSPC);
	assert_non_null(strstr(e.text, "nodes"));
	free(node);
	free(status);
}

static void an_embed_prefix_that_is_no_96_is_refused(void **state)
{
	struct fixture *x = *state;

	x->conf[0].embed_prefix = prefix_of("2001:db8:64::/64");
	assert_int_equal(fixture_build(x), -EINVAL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, new_fixture, free_fixture)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(nodes_keep_their_slots_when_the_file_is_reordered),
		T(flows_of_a_node_that_stays_are_kept),
		cmocka_unit_test(flows_are_stale_exactly_when_their_ends_are_gone),
		T(an_attempt_that_no_node_answered_is_not_stale),
		T(a_slot_given_to_another_node_has_another_generation),
		cmocka_unit_test(flows_do_not_pass_for_those_of_a_node_that_came_later),
		T(two_services_may_share_node_names_and_endpoints),
		T(a_new_node_does_not_inherit_the_slot_of_one_that_just_went),
		T(services_keep_their_slots_too),
		T(without_embed_prefix_none_is_steered),
		T(pools_of_others_keep_their_blocks),
		T(claims),
		T(icmp_errors_from_the_nodes_side_come_from_the_vip),
		T(a_half_open_flow_lives_short),
		T(too_many_nodes_are_refused_with_a_reason),
		T(an_embed_prefix_that_is_no_96_is_refused),
	};

	return cmocka_run_group_tests_name("services/table", tests, NULL, NULL);
}
