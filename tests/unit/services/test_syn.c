/* test_syn.c - a connection attempt that its node refuses or ignores goes to another one, and the
 * client does not notice. */
#include "test.h"
#include "fixture.h"
#include "services_internal.h"
#include "sixgate/packet/parse.h"

static const struct tcp_args syn = { TCP_SYN, 100, 0 }, refusal = { TCP_RST | TCP_ACK, 0, 101 },
			     accepted = { TCP_SYN | TCP_ACK, 500, 101 };

static int new_fixture(void **state)
{
	struct fixture *x = fixture_new(0, 1);

	*state = x;
	return fixture_build(x);
}

static int free_fixture(void **state)
{
	fixture_free(*state);
	return 0;
}

static uint32_t attempt(struct fixture *x)
{
	uint32_t index = fixture_open(x, "203.0.113.7", 40000, "198.51.100.20");

	assert_int_not_equal(index, FLOW_NONE);
	return index;
}

static uint64_t all_live(const struct fixture *x)
{
	return services_node_flows(x->v, fixture_slot(x, "s3", "store1")) +
	       services_node_flows(x->v, fixture_slot(x, "s3", "store2")) +
	       services_node_flows(x->v, fixture_slot(x, "s3", "store3"));
}

static void a_refused_syn_goes_to_another_node_as_the_client_sent_it(void **state)
{
	struct fixture *x = *state;
	uint32_t index = attempt(x);
	const char *first = fixture_name(x, index);
	struct packet *again = NULL;
	struct verdict v;

	v = fixture_event(x, index, 1, refusal, &again);
	assert_int_equal(v.next, VERDICT_DROP);
	assert_int_equal(v.why, DROP_NODE_REFUSED);
	assert_int_equal(v.reply, REPLY_NONE);
	assert_string_not_equal(fixture_name(x, index), first);

	assert_non_null(again);
	assert_int_equal(packet_parse(again).next, VERDICT_CONTINUE);
	assert_true(tuple_equal(&again->key, &x->flows.flow[index].key[0]));
	assert_int_equal(again->tcp_flags, TCP_SYN);
	assert_int_equal(again->side, SIDE_OUTSIDE);
	fixture_syn(x, "203.0.113.7", 40000, "198.51.100.20");
	assert_int_equal(again->len, x->p.len);
	assert_memory_equal(again->data, x->p.data, x->p.len);
}

static void the_flow_is_found_from_the_new_node_and_no_more_from_the_old(void **state)
{
	struct fixture *x = *state;
	uint32_t index = attempt(x);
	struct flow *f = &x->flows.flow[index];
	struct tuple old = f->key[1];
	struct packet *again;

	fixture_event(x, index, 1, refusal, &again);
	assert_int_equal(flow_table_find(&x->flows, &old, tuple_hash(&x->flows.key, &old)), FLOW_NONE);
	assert_int_equal(flow_table_find(&x->flows, &f->key[1], tuple_hash(&x->flows.key, &f->key[1])),
			 index << 1 | 1);
	assert_false(services_flow_stale(x->table, f));
	assert_int_equal(all_live(x), 1);
	fixture_end(x, index);
	assert_int_equal(all_live(x), 0);
}

static void when_every_node_refuses_the_client_hears_it(void **state)
{
	struct fixture *x = *state;
	uint32_t index = attempt(x);
	struct packet *again;

	for (int i = 0; i < 2; i++)
		assert_int_equal(fixture_event(x, index, 1, refusal, &again).why, DROP_NODE_REFUSED);
	assert_int_equal(fixture_event(x, index, 1, refusal, &again).next, VERDICT_CONTINUE);
	assert_null(again);
	assert_int_equal(all_live(x), 1);
}

/* What a firewall or a router on the node's side says of the SYN that it was sent. */
static struct verdict icmp_error(struct fixture *x, uint32_t index, uint8_t type, uint8_t code,
				 uint32_t seq, struct packet **again)
{
	struct tuple quoted = tuple_reverse(&x->flows.flow[index].key[1]);
	struct addr router = addr_of(addr_is_v4(&quoted.src) ? "192.0.2.254" : "2001:db8:5::fe");
	uint8_t inner[64];
	uint32_t n = build_tcp(inner, &quoted, (struct tcp_args){ TCP_SYN, seq, 0 }, 0);

	x->p = (struct packet){ .data = x->bytes + 64, .headroom = 64, .room = sizeof(x->bytes) - 64,
				.side = SIDE_INSIDE };
	x->p.len = build_error(x->p.data, &router, &quoted.src, type, code, 0, inner, n);
	assert_int_equal(packet_parse(&x->p).next, VERDICT_CONTINUE);
	assert_true(tuple_equal(&x->p.key, &x->flows.flow[index].key[1]));
	return services_tcp_event(x->v, x->table, &x->flows, index, 1, &x->p, &x->out, again,
				  x->now_ms);
}

static uint32_t attempt_at_family(struct fixture *x, bool v4)
{
	static uint16_t port = 20000;

	for (;;) {
		uint32_t index = fixture_open(x, "203.0.113.7", port++, "198.51.100.20");

		if (addr_is_v4(&x->flows.flow[index].key[1].src) == v4)
			return index;
		fixture_end(x, index);
	}
}

/* RFC 792, RFC 4443 3.1 */
static void an_unreachable_error_is_a_refusal_of_the_syn_it_quotes(void **state)
{
	static const struct {
		bool v4, refuses;
		uint8_t type, code;
		uint32_t seq;
	} rows[] = {
		{ false, true, 1, 0, 100 },  { false, true, 1, 1, 100 },  { false, true, 1, 3, 100 },
		{ false, true, 1, 4, 100 },  { false, true, 1, 6, 100 },  { false, false, 1, 4, 101 },
		{ false, false, 2, 0, 100 }, { false, false, 3, 0, 100 }, { true, true, 3, 0, 100 },
		{ true, true, 3, 1, 100 },   { true, true, 3, 3, 100 },   { true, true, 3, 13, 100 },
		{ true, false, 3, 1, 99 },   { true, false, 3, 4, 100 },  { true, false, 11, 0, 100 },
	};
	struct fixture *x = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t index = attempt_at_family(x, rows[i].v4);
		uint32_t object = x->flows.flow[index].object;
		struct packet *again;
		struct verdict v = icmp_error(x, index, rows[i].type, rows[i].code, rows[i].seq, &again);

		print_message("row %zu\n", i);
		assert_int_equal(v.next, rows[i].refuses ? VERDICT_DROP : VERDICT_CONTINUE);
		assert_int_equal(x->flows.flow[index].object != object, rows[i].refuses);
		assert_int_equal(again != NULL, rows[i].refuses);
		if (rows[i].refuses) {
			assert_int_equal(v.why, DROP_NODE_REFUSED);
			assert_int_equal(v.reply, REPLY_NONE);
		}
		fixture_end(x, index);
		outbox_reset(&x->out);
		x->now_ms += 100000; /* nobody is a suspect */
	}
}

static void an_unreachable_error_is_the_clients_when_no_node_is_left(void **state)
{
	struct fixture *x = *state;
	uint32_t index = attempt(x);
	struct packet *again;

	for (int i = 0; i < 2; i++) {
		bool v4 = addr_is_v4(&x->flows.flow[index].key[1].src);

		assert_int_equal(icmp_error(x, index, v4 ? 3 : 1, 1, 100, &again).why,
				 DROP_NODE_REFUSED);
	}
	assert_int_equal(icmp_error(x, index, addr_is_v4(&x->flows.flow[index].key[1].src) ? 3 : 1, 1,
				    100, &again).next,
			 VERDICT_CONTINUE);
	assert_null(again);
	assert_int_equal(all_live(x), 1);
}

static void an_unreachable_error_of_an_established_flow_is_the_clients(void **state)
{
	struct fixture *x = *state;
	uint32_t index = attempt_at_family(x, false), object = x->flows.flow[index].object;
	struct packet *again;

	fixture_event(x, index, 1, accepted, &again);
	x->flows.flow[index].state = TCP_ESTABLISHED;
	assert_int_equal(icmp_error(x, index, 1, 0, 100, &again).next, VERDICT_CONTINUE);
	assert_int_equal(x->flows.flow[index].object, object);
	assert_null(again);
}

static void a_syn_with_another_sequence_number_is_another_attempt(void **state)
{
	static const struct tcp_args other = { TCP_SYN, 7000, 0 };
	struct fixture *x = *state;
	uint32_t index = attempt(x);
	struct packet *again;

	fixture_event(x, index, 1, refusal, &again);
	x->now_ms += 100; /* no retransmission yet */
	assert_int_equal(fixture_event(x, index, 0, other, &again).next, VERDICT_CONTINUE);
	assert_int_equal(fixture_event(x, index, 1, refusal, &again).next, VERDICT_CONTINUE);
	assert_null(again); /* that was of the old one */
	for (int i = 0; i < 2; i++) { /* and all three nodes are there for the new one */
		assert_int_equal(fixture_event(x, index, 1,
					       (struct tcp_args){ TCP_RST | TCP_ACK, 0, 7001 },
					       &again).why, DROP_NODE_REFUSED);
		assert_non_null(again);
		assert_int_equal(packet_parse(again).next, VERDICT_CONTINUE);
		assert_int_equal(load32(again->data + again->l4_at + 4), 7000);
	}
}

static void another_attempt_leaves_a_node_that_kept_silent(void **state)
{
	static const struct tcp_args other = { TCP_SYN, 7000, 0 };
	struct fixture *x = *state;
	uint32_t index = attempt(x), object = x->flows.flow[index].object;
	struct packet *again;

	x->now_ms += 1000;
	assert_int_equal(fixture_event(x, index, 0, other, &again).next, VERDICT_CONTINUE);
	assert_int_not_equal(x->flows.flow[index].object, object);
}

static void at_most_four_nodes_are_tried(void **state)
{
	struct fixture *x = *state;
	struct packet *again;
	uint32_t index;

	fixture_add_node(x, 0, "store4", "2001:db8:5::4");
	fixture_add_node(x, 0, "store5", "2001:db8:5::5");
	fixture_add_node(x, 0, "store6", "2001:db8:5::6");
	assert_int_equal(fixture_build(x), 0);
	index = attempt(x);
	for (int i = 0; i < 3; i++)
		assert_int_equal(fixture_event(x, index, 1, refusal, &again).why, DROP_NODE_REFUSED);
	assert_int_equal(fixture_event(x, index, 1, refusal, &again).next, VERDICT_CONTINUE);
}

static void a_reset_that_does_not_acknowledge_the_syn_moves_nothing(void **state)
{
	static const struct tcp_args not_refusals[] = { { TCP_RST, 0, 0 },
							{ TCP_RST | TCP_ACK, 0, 100 },
							{ TCP_RST | TCP_ACK, 0, 400 } };
	struct fixture *x = *state;
	uint32_t index = attempt(x);
	uint32_t object = x->flows.flow[index].object;
	struct packet *again;

	for (int i = 0; i < 3; i++) {
		assert_int_equal(fixture_event(x, index, 1, not_refusals[i], &again).next,
				 VERDICT_CONTINUE);
		assert_int_equal(x->flows.flow[index].object, object);
		assert_null(again);
	}
}

static void a_reset_of_an_established_flow_is_the_clients(void **state)
{
	struct fixture *x = *state;
	uint32_t index = attempt(x);
	struct packet *again;

	assert_int_equal(fixture_event(x, index, 1, accepted, &again).next, VERDICT_CONTINUE);
	x->flows.flow[index].state = TCP_ESTABLISHED;
	assert_int_equal(fixture_event(x, index, 1, refusal, &again).next, VERDICT_CONTINUE);
	assert_null(again);
}

static void an_unanswered_syn_moves_when_it_is_sent_again(void **state)
{
	struct fixture *x = *state;
	uint32_t index = attempt(x), object = x->flows.flow[index].object, second;
	struct packet *again;

	x->now_ms += 199; /* a duplicate on the way, no retransmission */
	assert_int_equal(fixture_event(x, index, 0, syn, &again).next, VERDICT_CONTINUE);
	assert_int_equal(x->flows.flow[index].object, object);
	x->now_ms += 1; /* 200 ms, the first that counts */
	assert_int_equal(fixture_event(x, index, 0, syn, &again).next, VERDICT_CONTINUE);
	second = x->flows.flow[index].object;
	assert_int_not_equal(second, object);
	x->now_ms += 2000;
	assert_int_equal(fixture_event(x, index, 0, syn, &again).next, VERDICT_CONTINUE);
	assert_int_not_equal(x->flows.flow[index].object, object);
	assert_int_not_equal(x->flows.flow[index].object, second);
	assert_null(again);
	assert_int_equal(all_live(x), 1);
}

static void an_answered_syn_does_not_move(void **state)
{
	struct fixture *x = *state;
	uint32_t index = attempt(x), object = x->flows.flow[index].object;
	struct packet *again;

	fixture_event(x, index, 1, accepted, &again);
	x->flows.flow[index].state = TCP_ESTABLISHED;
	x->now_ms += 1000;
	fixture_event(x, index, 0, syn, &again);
	assert_int_equal(x->flows.flow[index].object, object);
}

static void an_attempt_moves_off_a_node_that_was_taken_down(void **state)
{
	struct fixture *x = *state;
	uint32_t index = attempt(x), object = x->flows.flow[index].object;
	struct packet *again;

	for (int i = 0; i < 3; i++)
		if (strcmp(x->node[0][i].name, fixture_name(x, index)) == 0)
			x->status[i].state = NODE_DOWN;
	assert_int_equal(fixture_build(x), 0);
	x->now_ms += 1000;
	assert_int_equal(fixture_event(x, index, 0, syn, &again).next, VERDICT_CONTINUE);
	assert_int_not_equal(x->flows.flow[index].object, object);
	for (int i = 0; i < 3; i++)
		x->status[i].state = NODE_DOWN;
	assert_int_equal(fixture_build(x), 0);
	x->now_ms += 2000;
	assert_int_equal(fixture_event(x, index, 0, syn, &again).why, DROP_NO_NODE);
}

static void an_attempt_forgotten_by_the_store_still_moves_later(void **state)
{
	struct fixture *x = *state;
	uint32_t index = attempt(x), object = x->flows.flow[index].object;
	struct packet *again;

	services__syn_forget(x->v, &x->flows.flow[index].key[0]);
	x->now_ms += 1000;
	fixture_event(x, index, 0, syn, &again);
	assert_int_equal(x->flows.flow[index].object, object);
	x->now_ms += 2000;
	fixture_event(x, index, 0, syn, &again);
	assert_int_not_equal(x->flows.flow[index].object, object);

	services__syn_forget(x->v, &x->flows.flow[index].key[0]);
	object = x->flows.flow[index].object;
	assert_int_equal(fixture_event(x, index, 1, refusal, &again).why, DROP_NODE_REFUSED);
	assert_null(again); /* the client's next SYN goes there */
	assert_int_not_equal(x->flows.flow[index].object, object);
}

static void many_attempts_do_not_disturb_each_other(void **state)
{
	struct fixture *x = *state;
	uint32_t index[2000], n_moved = 0;

	for (uint16_t i = 0; i < 2000; i++)
		index[i] = fixture_open(x, "203.0.113.7", (uint16_t)(10000 + i), "198.51.100.20");
	for (uint16_t i = 0; i < 2000; i++) {
		struct packet *again;

		outbox_reset(&x->out);
		if (fixture_event(x, index[i], 1, refusal, &again).why != DROP_NODE_REFUSED || !again)
			continue;
		assert_int_equal(packet_parse(again).next, VERDICT_CONTINUE);
		assert_true(tuple_equal(&again->key, &x->flows.flow[index[i]].key[0]));
		n_moved++;
	}
	/* 2000 in 2048 pairs of slots: the few that lost theirs wait for the client */
	assert_in_range(n_moved, 1750, 2000);
	assert_int_equal(all_live(x), 2000);
}

static void unfinished_checksums_and_options_survive_the_store(void **state)
{
	struct fixture *x = *state;
	struct flow_plan plan;
	enum drop_reason why;
	struct packet *again;
	uint8_t sent[44];
	uint32_t index;

	fixture_syn(x, "203.0.113.9", 40001, "198.51.100.20");
	memcpy(x->p.data + 40, (const uint8_t[]){ 2, 4, 5, 0xb4 }, 4); /* MSS */
	x->p.data[32] = 0x60;
	x->p.len = 44;
	store16(x->p.data + 2, 44);
	store16(x->p.data + 10, 0);
	store16(x->p.data + 10, (uint16_t)(load16(x->p.data + 10)));
	x->p.off.csum_partial = true;
	x->p.off.csum_start = 20;
	x->p.off.csum_offset = 16;
	memcpy(sent, x->p.data, 44);
	assert_int_equal(services_admit(x->v, x->table, x->steer, &x->flows, &x->p, &plan, 1).next,
			 VERDICT_CONTINUE);
	index = flow_table_add(&x->flows, &plan, &why);
	x->flows.flow[index].state = TCP_V6_INIT;
	fixture_event(x, index, 1, refusal, &again);
	assert_non_null(again);
	assert_int_equal(again->len, 44);
	assert_memory_equal(again->data, sent, 44);
	assert_true(again->off.csum_partial);
	assert_int_equal(again->off.csum_start, 20);
	assert_int_equal(again->off.csum_offset, 16);
}

static void a_node_that_keeps_failing_is_passed_over_for_a_while(void **state)
{
	struct fixture *x = *state;
	uint32_t store1 = fixture_slot(x, "s3", "store1"), n_store1 = 0, failed = 0;
	struct packet *again;

	for (uint16_t i = 0; i < 300; i++) {
		uint32_t index = fixture_open(x, "203.0.113.7", (uint16_t)(10000 + i), "198.51.100.20");

		outbox_reset(&x->out);
		if (x->flows.flow[index].object == store1) {
			n_store1++;
			fixture_event(x, index, 1, refusal, &again);
		}
		failed = (uint32_t)services_node_failed(x->v, store1);
	}
	assert_int_equal(n_store1, 3);
	assert_int_equal(failed, 3);
	x->now_ms += 1999;
	for (uint16_t i = 0; i < 50; i++)
		assert_int_not_equal(x->flows.flow[fixture_open(x, "203.0.113.9", (uint16_t)(10000 + i),
								"198.51.100.20")].object, store1);
	x->now_ms += 1; /* then it may show itself again */
	for (uint16_t i = 0; i < 300; i++)
		n_store1 += x->flows.flow[fixture_open(x, "203.0.113.8", (uint16_t)(10000 + i),
						       "198.51.100.20")].object == store1;
	assert_in_range(n_store1, 50, 303);
}

/* Open flows until one falls on @slot. */
static uint32_t attempt_at(struct fixture *x, uint32_t slot)
{
	static uint16_t port = 1024;

	for (;;) {
		uint32_t index = fixture_open(x, "203.0.113.77", port++, "198.51.100.20");

		if (x->flows.flow[index].object == slot)
			return index;
		fixture_end(x, index);
	}
}

static void fail_times(struct fixture *x, uint32_t slot, unsigned n)
{
	while (n--) {
		uint32_t index = attempt_at(x, slot);
		struct packet *again;

		outbox_reset(&x->out);
		fixture_event(x, index, 1, refusal, &again);
		fixture_end(x, index);
	}
}

static bool is_chosen(struct fixture *x, uint32_t slot)
{
	bool chosen = false;

	for (uint16_t i = 0; i < 100; i++) {
		uint32_t index = fixture_open(x, "203.0.113.78", (uint16_t)(1024 + i), "198.51.100.20");

		chosen |= x->flows.flow[index].object == slot;
		fixture_end(x, index);
	}
	return chosen;
}

static void an_answer_in_between_clears_a_nodes_name(void **state)
{
	struct fixture *x = *state;
	uint32_t store1 = fixture_slot(x, "s3", "store1");
	struct packet *again;

	fail_times(x, store1, 2);
	fixture_event(x, attempt_at(x, store1), 1, accepted, &again);
	fail_times(x, store1, 2);
	assert_true(is_chosen(x, store1));
	fail_times(x, store1, 1);
	assert_false(is_chosen(x, store1));
}

static void a_node_that_goes_on_failing_is_passed_over_longer(void **state)
{
	struct fixture *x = *state;
	uint32_t store1 = fixture_slot(x, "s3", "store1");
	uint32_t wait_ms = 2000;

	fail_times(x, store1, 3);
	for (int doublings = 0; doublings < 6; doublings++) {
		x->now_ms += wait_ms - 1;
		assert_false(is_chosen(x, store1));
		x->now_ms += 1;
		assert_true(is_chosen(x, store1));
		fail_times(x, store1, 1);
		if (wait_ms < 32000)
			wait_ms *= 2;
	}
}

static void a_suspect_is_better_than_a_refusal(void **state)
{
	struct fixture *x = *state;
	uint32_t store1 = fixture_slot(x, "s3", "store1"), index;
	struct packet *again;

	x->status[2].state = NODE_DOWN;
	assert_int_equal(fixture_build(x), 0);
	fail_times(x, store1, 3); /* one of two: half of them */
	assert_false(is_chosen(x, store1));
	index = attempt(x);
	assert_string_equal(fixture_name(x, index), "store2");
	assert_int_equal(fixture_event(x, index, 1, refusal, &again).why, DROP_NODE_REFUSED);
	assert_string_equal(fixture_name(x, index), "store1");
}

static void syns_of_up_to_100_bytes_are_kept(void **state)
{
	struct fixture *x = *state;

	/* padding stands for options: what matters is the length */
	for (uint32_t len = 99; len <= 101; len++) {
		struct flow_plan plan;
		enum drop_reason why;
		struct packet *again;
		uint32_t index;

		outbox_reset(&x->out);
		fixture_syn(x, "203.0.113.9", (uint16_t)(2000 + len), "198.51.100.20");
		x->p.len = len;
		services_admit(x->v, x->table, x->steer, &x->flows, &x->p, &plan, x->now_ms);
		index = flow_table_add(&x->flows, &plan, &why);
		x->flows.flow[index].state = TCP_V6_INIT;
		assert_int_equal(fixture_event(x, index, 1, refusal, &again).why, DROP_NODE_REFUSED);
		assert_int_equal(again != NULL, len <= 100);
	}
}

static void not_more_than_half_of_the_nodes_are_passed_over(void **state)
{
	struct fixture *x = *state;
	uint32_t index, n_admitted = 0;
	struct packet *again;

	for (uint16_t i = 0; i < 200; i++) {
		index = fixture_open(x, "203.0.113.7", (uint16_t)(10000 + i), "198.51.100.20");
		outbox_reset(&x->out);
		n_admitted += index != FLOW_NONE;
		fixture_event(x, index, 1, refusal, &again); /* everything is refused */
	}
	assert_int_equal(n_admitted, 200);
	index = 0;
	for (uint16_t i = 0; i < 200; i++)
		index |= 1u << x->flows.flow[fixture_open(x, "203.0.113.8", (uint16_t)(10000 + i),
							  "198.51.100.20")].object;
	assert_int_equal(__builtin_popcount(index), 2);
}

static void an_attempt_may_move_to_a_node_of_the_other_family(void **state)
{
	struct fixture *x = *state;
	struct packet *again;
	uint32_t index;

	x->status[1].state = x->status[2].state = NODE_DOWN;
	assert_int_equal(fixture_build(x), 0);
	index = attempt(x);
	x->status[2].state = NODE_UP;
	assert_int_equal(fixture_build(x), 0);
	assert_int_equal(fixture_event(x, index, 1, refusal, &again).why, DROP_NODE_REFUSED);
	assert_string_equal(fixture_name(x, index), "store3");
	assert_true(addr_is_v4(&x->flows.flow[index].key[1].src));
	assert_true(addr_equal(&x->flows.flow[index].key[1].dst, &x->flows.flow[index].key[0].src));
}

#define T(f) cmocka_unit_test_setup_teardown(f, new_fixture, free_fixture)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_refused_syn_goes_to_another_node_as_the_client_sent_it),
		T(the_flow_is_found_from_the_new_node_and_no_more_from_the_old),
		T(when_every_node_refuses_the_client_hears_it),
		T(an_unreachable_error_is_a_refusal_of_the_syn_it_quotes),
		T(an_unreachable_error_is_the_clients_when_no_node_is_left),
		T(an_unreachable_error_of_an_established_flow_is_the_clients),
		T(a_syn_with_another_sequence_number_is_another_attempt),
		T(another_attempt_leaves_a_node_that_kept_silent),
		T(at_most_four_nodes_are_tried),
		T(a_reset_that_does_not_acknowledge_the_syn_moves_nothing),
		T(a_reset_of_an_established_flow_is_the_clients),
		T(an_unanswered_syn_moves_when_it_is_sent_again),
		T(an_answered_syn_does_not_move),
		T(an_attempt_moves_off_a_node_that_was_taken_down),
		T(an_attempt_forgotten_by_the_store_still_moves_later),
		T(many_attempts_do_not_disturb_each_other),
		T(unfinished_checksums_and_options_survive_the_store),
		T(a_node_that_keeps_failing_is_passed_over_for_a_while),
		T(an_answer_in_between_clears_a_nodes_name),
		T(a_node_that_goes_on_failing_is_passed_over_longer),
		T(a_suspect_is_better_than_a_refusal),
		T(syns_of_up_to_100_bytes_are_kept),
		T(not_more_than_half_of_the_nodes_are_passed_over),
		T(an_attempt_may_move_to_a_node_of_the_other_family),
	};

	return cmocka_run_group_tests_name("services/syn", tests, NULL, NULL);
}
