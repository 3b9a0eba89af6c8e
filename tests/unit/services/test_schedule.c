/* test_schedule.c - who gets the next flow: four schedulers, weights, zones, slow start, nodes that
 * keep failing. */
#include "test.h"
#include <math.h>
#include "fixture.h"

enum { MANY = 6000 };

static const enum scheduler_kind all_kinds[] = { SCHEDULER_P2C, SCHEDULER_MAGLEV,
						 SCHEDULER_ROUND_ROBIN, SCHEDULER_LEAST_FLOWS };

static struct fixture *four_nodes(enum scheduler_kind kind)
{
	struct fixture *x = fixture_new(0, 1);

	x->conf[0].n_node = 0;
	x->conf[0].scheduler = kind;
	for (int i = 0; i < 4; i++) {
		char name[16], address[32];

		snprintf(name, sizeof(name), "n%d", i);
		snprintf(address, sizeof(address), "2001:db8:5::%d", i + 1);
		fixture_add_node(x, 0, name, address);
	}
	return x;
}

static uint32_t open_nth(struct fixture *x, uint32_t i)
{
	char client[32];

	snprintf(client, sizeof(client), "203.0.%u.%u", 100 + i / 50000, i / 250 % 200 + 1);
	return fixture_open(x, client, (uint16_t)(1024 + i % 50000), "198.51.100.20");
}

/* Open @n flows that all stay. @count: flows each node has then. */
static void spread(struct fixture *x, uint32_t n, uint64_t count[4])
{
	for (uint32_t i = 0; i < n; i++)
		assert_int_not_equal(open_nth(x, i), FLOW_NONE);
	for (int k = 0; k < 4; k++) {
		char name[16];

		snprintf(name, sizeof(name), "n%d", k);
		count[k] = services_node_flows(x->v, fixture_slot(x, "s3", name));
	}
}

static void assert_near(uint64_t got, double want, double tolerance)
{
	if (fabs((double)got - want) > want * tolerance)
		fail_msg("%llu is not within %g %% of %g", (unsigned long long)got, tolerance * 100, want);
}

/* p2c evens out to within a few flows; maglev is as even as its hash: 3 sigma of MANY draws. */
static double tolerance_of(enum scheduler_kind kind)
{
	return kind == SCHEDULER_MAGLEV ? 0.12 : kind == SCHEDULER_P2C ? 0.02 : 0.002;
}

static void flows_follow_the_weights(void **state)
{
	static const uint32_t weights[][4] = { { 1, 1, 1, 1 }, { 1, 2, 3, 4 }, { 0, 1, 1, 2 } };

	(void)state;
	for (size_t k = 0; k < 4; k++)
		for (size_t w = 0; w < sizeof(weights) / sizeof(weights[0]); w++) {
			struct fixture *x = four_nodes(all_kinds[k]);
			uint64_t count[4], total = 0;

			for (int i = 0; i < 4; i++)
				total += x->node[0][i].weight = weights[w][i];
			assert_int_equal(fixture_build(x), 0);
			spread(x, MANY, count);
			print_message("scheduler %zu weights %zu: %u %u %u %u\n", k, w, (unsigned)count[0],
				      (unsigned)count[1], (unsigned)count[2], (unsigned)count[3]);
			for (int i = 0; i < 4; i++)
				assert_near(count[i], (double)MANY * weights[w][i] / (double)total,
					    tolerance_of(all_kinds[k]));
			fixture_free(x);
		}
}

static void nodes_that_are_down_or_draining_get_none(void **state)
{
	(void)state;
	for (size_t k = 0; k < 4; k++) {
		struct fixture *x = four_nodes(all_kinds[k]);
		uint64_t count[4];

		x->status[0].state = NODE_DOWN;
		x->status[3].state = NODE_DRAINING;
		assert_int_equal(fixture_build(x), 0);
		spread(x, MANY, count);
		assert_int_equal(count[0], 0);
		assert_int_equal(count[3], 0);
		assert_near(count[1], MANY / 2, tolerance_of(all_kinds[k]));
		fixture_free(x);
	}
}

static void round_robin_takes_turns_smoothly(void **state)
{
	struct fixture *x = four_nodes(SCHEDULER_ROUND_ROBIN);
	char order[16] = { 0 };

	(void)state;
	x->node[0][0].weight = 5;
	x->node[0][3].weight = 0;
	assert_int_equal(fixture_build(x), 0);
	for (uint32_t i = 0; i < 14; i++)
		order[i] = fixture_name(x, open_nth(x, i))[1];
	assert_string_equal(order, "00102000010200"); /* 5:1:1, the rich one not in one row */
	fixture_free(x);
}

static void least_flows_fills_the_node_that_lost_its_flows(void **state)
{
	struct fixture *x = four_nodes(SCHEDULER_LEAST_FLOWS);
	uint64_t count[4];
	uint32_t n_ended = 0;

	(void)state;
	assert_int_equal(fixture_build(x), 0);
	spread(x, 400, count);
	for (uint32_t i = 0; i < 400; i++)
		if (strcmp(fixture_name(x, i), "n2") == 0) {
			fixture_end(x, i);
			n_ended++;
		}
	assert_int_equal(n_ended, 100);
	for (uint32_t i = 0; i < 100; i++)
		assert_string_equal(fixture_name(x, open_nth(x, 1000 + i)), "n2");
	fixture_free(x);
}

static void p2c_prefers_the_less_loaded_of_two(void **state)
{
	struct fixture *x = four_nodes(SCHEDULER_P2C);
	uint64_t before[4], after[4];

	(void)state;
	assert_int_equal(fixture_build(x), 0);
	spread(x, 400, before);
	x->node[0][1].weight = 0; /* the others grow, this one stays behind */
	assert_int_equal(fixture_build(x), 0);
	for (uint32_t i = 0; i < 400; i++)
		open_nth(x, 1000 + i);
	x->node[0][1].weight = 1;
	assert_int_equal(fixture_build(x), 0);
	for (uint32_t i = 0; i < 100; i++)
		open_nth(x, 2000 + i);
	spread(x, 0, after);
	/* drawn with 7/16: chosen whenever it is drawn. An even share would be 25. */
	assert_in_range(after[1] - before[1], 33, 60);
	fixture_free(x);
}

static void maglev_chooses_the_same_on_every_worker_and_gateway(void **state)
{
	struct fixture *a = four_nodes(SCHEDULER_MAGLEV), *b = fixture_new(3, WORKERS);

	(void)state;
	memcpy(b->conf, a->conf, sizeof(a->conf));
	memcpy(b->node, a->node, sizeof(a->node));
	memcpy(b->status, a->status, sizeof(a->status));
	b->conf[0].node = b->node[0];
	assert_int_equal(fixture_build(a), 0);
	assert_int_equal(fixture_build(b), 0);
	for (uint32_t i = 0; i < 1000; i++)
		assert_string_equal(fixture_name(a, open_nth(a, i)), fixture_name(b, open_nth(b, i)));
	fixture_free(a);
	fixture_free(b);
}

static void maglev_moves_only_the_clients_of_the_node_that_went(void **state)
{
	struct fixture *x = four_nodes(SCHEDULER_MAGLEV);
	uint32_t n_moved = 0;
	char was[1000];

	(void)state;
	assert_int_equal(fixture_build(x), 0);
	for (uint32_t i = 0; i < 1000; i++) {
		uint32_t index = open_nth(x, i);

		was[i] = fixture_name(x, index)[1];
		fixture_end(x, index);
	}
	x->status[2].state = NODE_DOWN;
	assert_int_equal(fixture_build(x), 0);
	for (uint32_t i = 0; i < 1000; i++)
		n_moved += fixture_name(x, open_nth(x, i))[1] != was[i] && was[i] != '2';
	assert_in_range(n_moved, 0, 20);
	fixture_free(x);
}

static void maglev_follows_weights_that_change(void **state)
{
	struct fixture *x = four_nodes(SCHEDULER_MAGLEV);
	uint64_t before[4], after[4];

	(void)state;
	assert_int_equal(fixture_build(x), 0);
	spread(x, MANY, before);
	assert_int_equal(fixture_build(x), 0); /* nothing has changed: the table is taken over */
	for (uint32_t i = 0; i < MANY; i++)
		fixture_end(x, i);
	spread(x, MANY, after);
	assert_memory_equal(before, after, sizeof(before));
	x->node[0][2].weight = 7;
	assert_int_equal(fixture_build(x), 0);
	for (uint32_t i = 0; i < MANY; i++)
		fixture_end(x, i);
	spread(x, MANY, after);
	assert_near(after[2], MANY * 0.7, 0.1);
	fixture_free(x);
}

static struct fixture *zoned(uint32_t spill)
{
	struct fixture *x = four_nodes(SCHEDULER_ROUND_ROBIN);

	for (int i = 0; i < 4; i++)
		strcpy(x->node[0][i].zone, i < 2 ? "a" : "b");
	strcpy(x->conf[0].prefer_zone, "a");
	x->conf[0].spill_percent = spill;
	return x;
}

static void the_preferred_zone_keeps_what_it_can_carry(void **state)
{
	static const struct {
		const char *name;
		uint32_t spill;
		unsigned down; /* bits */
		unsigned percent[4];
	} rows[] = {
		{ "whole", 80, 0, { 50, 50, 0, 0 } },
		{ "half, 80 % wanted: 50/80 stay", 80, 1, { 0, 62, 19, 19 } },
		{ "half, 50 % wanted", 50, 1, { 0, 100, 0, 0 } },
		{ "gone", 80, 3, { 0, 0, 50, 50 } },
		{ "the others gone", 80, 13, { 0, 100, 0, 0 } },
	};

	(void)state;
	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		struct fixture *x = zoned(rows[r].spill);
		uint64_t count[4];

		print_message("%s\n", rows[r].name);
		for (int i = 0; i < 4; i++)
			x->status[i].state = rows[r].down >> i & 1 ? NODE_DOWN : NODE_UP;
		assert_int_equal(fixture_build(x), 0);
		spread(x, 1000, count);
		for (int i = 0; i < 4; i++)
			assert_in_range(count[i] + 10, rows[r].percent[i] * 10,
					rows[r].percent[i] * 10 + 20);
		fixture_free(x);
	}
}

static void nodes_of_weight_0_are_not_missed_in_their_zone(void **state)
{
	struct fixture *x = zoned(100);
	uint64_t count[4];

	(void)state;
	x->node[0][0].weight = 0;
	assert_int_equal(fixture_build(x), 0);
	spread(x, 100, count);
	assert_int_equal(count[1], 100);
	fixture_free(x);
}

static void slow_start_grows_a_nodes_share(void **state)
{
	struct fixture *x = four_nodes(SCHEDULER_ROUND_ROBIN);
	uint64_t count[4];

	(void)state;
	x->status[0].ramp_percent = 25;
	assert_int_equal(fixture_build(x), 0);
	spread(x, 1300, count);
	assert_int_equal(count[0], 100);
	assert_int_equal(count[1], 400);
	fixture_free(x);
}

/* A service with as many nodes as may be, all of weight 256; the first alone in the preferred zone. */
static void try_the_largest(enum scheduler_kind kind, bool zones)
{
	struct node_status *status = calloc(SERVICE_NODES_MAX, sizeof(*status));
	struct node_conf *node = calloc(SERVICE_NODES_MAX, sizeof(*node));
	struct fixture *x = fixture_new(0, 1);
	struct services_input in = { .conf = &x->services, .status = status };
	struct err e;

	for (uint32_t i = 0; i < SERVICE_NODES_MAX; i++) {
		char address[32];

		snprintf(address, sizeof(address), "2001:db8:5::%x", i + 1);
		snprintf(node[i].name, SERVICE_NAME_MAX, "n%u", i);
		node[i].address = addr_of(address);
		node[i].weight = 256;
		strcpy(node[i].zone, i == 0 ? "a" : "b");
		status[i] = (struct node_status){ .state = NODE_UP, .why = "test" };
	}
	if (zones)
		strcpy(x->conf[0].prefer_zone, "a");
	x->conf[0].spill_percent = 100;
	x->conf[0].scheduler = kind;
	x->conf[0].node = node;
	x->conf[0].n_node = SERVICE_NODES_MAX;
	assert_int_equal(services_table_new(&x->table, &in, x->steer, &e), 0);
	for (uint32_t i = 0; i < 1000; i++) {
		uint32_t index = open_nth(x, i);

		assert_int_not_equal(index, FLOW_NONE);
		assert_true(!zones || x->flows.flow[index].key[1].src.octet[15] == 1);
	}
	free(node);
	free(status);
	fixture_free(x);
}

/* 1 of @n nodes of the preferred zone is up: less than 1 % where @n is more than 100. */
static void the_last_node_of_a_large_zone_keeps_its_part(void **state)
{
	enum { N = SERVICE_NODES_MAX, IN_ZONE = 200, FLOWS_TRIED = 4000 };
	struct node_status *status = calloc(N, sizeof(*status));
	struct node_conf *node = calloc(N, sizeof(*node));
	struct fixture *x = fixture_new(0, 1);
	struct services_input in = { .conf = &x->services, .status = status };
	uint64_t n_last;
	struct err e;

	(void)state;
	for (uint32_t i = 0; i < N; i++) {
		char address[32];

		snprintf(address, sizeof(address), "2001:db8:5::%x", i + 1);
		snprintf(node[i].name, SERVICE_NAME_MAX, "n%u", i);
		node[i].address = addr_of(address);
		node[i].weight = 1;
		strcpy(node[i].zone, i < IN_ZONE ? "a" : "b");
		status[i] = (struct node_status){ .state = i > 0 && i < IN_ZONE ? NODE_DOWN : NODE_UP,
						  .why = "test" };
	}
	strcpy(x->conf[0].prefer_zone, "a");
	x->conf[0].spill_percent = 80;
	x->conf[0].scheduler = SCHEDULER_ROUND_ROBIN;
	x->conf[0].node = node;
	x->conf[0].n_node = N;
	assert_int_equal(services_table_new(&x->table, &in, x->steer, &e), 0);
	for (uint32_t i = 0; i < FLOWS_TRIED; i++)
		assert_int_not_equal(open_nth(x, i), FLOW_NONE);
	n_last = services_node_flows(x->v, fixture_slot(x, "s3", "n0"));
	/* 0.5 % of the zone is up of 80 % that are wanted: 1/160 stays */
	assert_in_range(n_last, FLOWS_TRIED / 160 - 10, FLOWS_TRIED / 160 + 10);
	free(node);
	free(status);
	fixture_free(x);
}

static void the_largest_service_works_with_every_scheduler(void **state)
{
	(void)state;
	for (size_t k = 0; k < 4; k++) {
		try_the_largest(all_kinds[k], false);
		try_the_largest(all_kinds[k], true);
	}
}

#define T(f) cmocka_unit_test(f)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(flows_follow_the_weights),
		T(nodes_that_are_down_or_draining_get_none),
		T(round_robin_takes_turns_smoothly),
		T(least_flows_fills_the_node_that_lost_its_flows),
		T(p2c_prefers_the_less_loaded_of_two),
		T(maglev_chooses_the_same_on_every_worker_and_gateway),
		T(maglev_moves_only_the_clients_of_the_node_that_went),
		T(maglev_follows_weights_that_change),
		T(nodes_of_weight_0_are_not_missed_in_their_zone),
		T(the_preferred_zone_keeps_what_it_can_carry),
		T(slow_start_grows_a_nodes_share),
		T(the_last_node_of_a_large_zone_keeps_its_part),
		T(the_largest_service_works_with_every_scheduler),
	};

	return cmocka_run_group_tests_name("services/schedule", tests, NULL, NULL);
}
