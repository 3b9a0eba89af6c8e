/*
 * test_inbound.c - sessions that the outside opens: bounded per mapping, and nothing they do keeps
 * a mapping (RFC 6146 5.3, RFC 4787 REQ-6, RFC 7857 7).
 */
#include "bed.h"
#include "sixgate/nat64/event.h"

static const char *const host = "2001:db8:1::5";
static const char *const server = "64:ff9b:1::203.0.113.9";

/* The @i-th spoofed source. */
static struct tuple spoofed(const struct flow_plan *mapping, uint32_t i)
{
	struct tuple t = mapping->key[1];

	t.src = addr_from_ip4_host(0x01000000 + i);
	t.sport = be16_from((uint16_t)(i * 7 + 1));
	return t;
}

static void answer(struct bed *b, struct flow_plan *plan)
{
	struct flow f = flow_of(plan);

	must(nat64_flow_answered(b->n[bed_owner(b, plan)], b->t, &f, b->now_ms).next == VERDICT_CONTINUE);
	plan->flags &= (uint8_t)~FLOW_FROM_OUTSIDE;
}

/* As many as may wait do: the plan says that one of them is to go. */
static void one_makes_room(struct bed *b, const struct tuple *from, const struct flow_plan *oldest)
{
	struct flow_plan more = bed_must_open(b, from);

	assert_true(more.crowded);
	bed_end(b, oldest);
	bed_end(b, &more);
	more = bed_must_open(b, from);
	assert_false(more.crowded);
}

static void unanswered_sessions_of_one_mapping_are_bounded(void **state)
{
	struct bed *b = bed_usual();
	struct tuple t = tuple_of(host, server, 5000, 53, 17), from;
	struct flow_plan owner = bed_must_open(b, &t), in[NAT64_INBOUND_PER_MAPPING], more;

	(void)state;
	for (uint32_t i = 0; i < NAT64_INBOUND_PER_MAPPING; i++) {
		from = spoofed(&owner, i);
		in[i] = bed_must_open(b, &from);
		assert_false(in[i].crowded);
	}
	from = spoofed(&owner, 1000);
	one_makes_room(b, &from, &in[2]);

	answer(b, &in[0]); /* an answered one does not count */
	in[0].flags = 0;
	from = spoofed(&owner, 1001);
	more = bed_must_open(b, &from);
	assert_false(more.crowded);
	from = spoofed(&owner, 1002);
	one_makes_room(b, &from, &in[3]);
	bed_end(b, &in[1]); /* nor one that is over */
	from = spoofed(&owner, 1003);
	more = bed_must_open(b, &from);
	assert_false(more.crowded);
	bed_free(b);
}

static void a_million_spoofed_sources_do_not_stop_the_owner(void **state)
{
	struct bed *b = bed_usual();
	struct tuple t = tuple_of(host, server, 5000, 53, 17);
	struct flow_plan owner = bed_must_open(b, &t), plan, in[NAT64_INBOUND_PER_MAPPING];

	(void)state;
	for (uint32_t i = 0; i < 1000000; i++) {
		struct tuple from = spoofed(&owner, i);

		plan = bed_must_open(b, &from);
		assert_int_equal(plan.crowded, i >= NAT64_INBOUND_PER_MAPPING);
		if (plan.crowded)
			bed_end(b, &in[i % NAT64_INBOUND_PER_MAPPING]);
		in[i % NAT64_INBOUND_PER_MAPPING] = plan;
	}
	assert_int_equal(nat64_mappings(b->n[0]), 1);
	for (uint16_t i = 0; i < 900; i++) {
		t.sport = be16_from((uint16_t)(6000 + i)); /* other mappings */
		bed_must_open(b, &t);
		t.sport = be16_from(5000); /* and the one under attack */
		t.dport = be16_from((uint16_t)(100 + i));
		plan = bed_must_open(b, &t);
		assert_int_equal(mapped_port(&plan), mapped_port(&owner));
	}
	bed_free(b);
}

static void mapping_without_inside_sessions_lets_nobody_in(void **state)
{
	struct bed *b = bed_usual();
	struct tuple t = tuple_of(host, server, 5000, 53, 17), from;
	struct flow_plan owner = bed_must_open(b, &t), in, none;

	(void)state;
	from = spoofed(&owner, 1);
	in = bed_must_open(b, &from);
	bed_end(b, &owner);
	from = spoofed(&owner, 2);
	assert_dropped(bed_open(b, &from, &none), DROP_NO_BIB_ENTRY, REPLY_NONE);
	assert_int_equal(nat64_mappings(b->n[0]), 1); /* only until the last one is over */
	bed_end(b, &in);
	assert_int_equal(nat64_mappings(b->n[0]), 0);
	assert_int_equal(nat64_ports_used(b->n[0]), 0);
	bed_free(b);
}

static void answer_or_new_session_of_the_host_revives_the_mapping(void **state)
{
	(void)state;
	for (unsigned by_answer = 0; by_answer < 2; by_answer++) {
		struct bed *b = bed_usual();
		struct tuple t = tuple_of(host, server, 5000, 53, 17), from;
		struct flow_plan owner = bed_must_open(b, &t), in, other;

		from = spoofed(&owner, 1);
		in = bed_must_open(b, &from);
		bed_end(b, &owner);
		if (by_answer) {
			answer(b, &in);
		} else {
			other = bed_must_open(b, &t);
			assert_int_equal(mapped_port(&other), mapped_port(&owner));
		}
		assert_false(bed_stale(b, &in));
		from = spoofed(&owner, 2);
		bed_must_open(b, &from);
		bed_free(b);
	}
}

static void answered_session_holds_the_mapping_until_it_ends(void **state)
{
	struct bed *b = bed_usual();
	struct tuple t = tuple_of(host, server, 5000, 80, 6), from;
	struct flow_plan owner = bed_must_open(b, &t), in;

	(void)state;
	from = spoofed(&owner, 1);
	in = bed_must_open(b, &from);
	answer(b, &in);
	bed_end(b, &owner);
	assert_int_equal(nat64_mappings(b->n[0]), 1);
	bed_end(b, &in);
	assert_int_equal(nat64_mappings(b->n[0]), 0);
	bed_free(b);
}

static void static_entry_has_a_bound_of_its_own_and_stays(void **state)
{
	struct bed *b = bed_new(1);
	static struct flow_plan in[NAT64_INBOUND_PER_STATIC];
	struct tuple t;

	(void)state;
	bed_prefix(b, "64:ff9b:1::/96");
	bed_pool(b, "192.0.2.1", "192.0.2.1", 1, 65535);
	bed_static(b, NAT64_TCP, host, 443, "192.0.2.1", 443);
	bed_up(b, 10);
	for (unsigned i = 0; i < NAT64_INBOUND_PER_STATIC; i++) {
		t = tuple_of("198.51.100.7", "192.0.2.1", (uint16_t)(2000 + i), 443, 6);
		in[i] = bed_must_open(b, &t);
		assert_false(in[i].crowded);
	}
	t.sport = be16_from(9);
	one_makes_room(b, &t, &in[0]);
	for (unsigned i = 1; i < NAT64_INBOUND_PER_STATIC; i++)
		bed_end(b, &in[i]);
	assert_int_equal(nat64_mappings(b->n[0]), 1);
	bed_must_open(b, &t);
	bed_free(b);
}

static unsigned count_events(const struct bed *b, enum nat64_event_kind kind)
{
	struct nat64_event e;
	unsigned n = 0;

	while (nat64_event_read(nat64_events(b->n[0]), &e)) {
		assert_int_equal(e.kind, kind);
		assert_int_equal(e.time_ms, b->now_ms);
		n++;
	}
	return n;
}

/* RFC 6888 REQ-12: the log is of sessions, and what nobody inside has answered is none: else
 * anybody outside could fill it. */
static void session_from_outside_is_told_of_when_it_was_answered(void **state)
{
	struct bed *b = bed_new(1);
	struct tuple t = tuple_of(host, server, 5000, 53, 17), from;
	struct flow_plan owner, in[NAT64_INBOUND_PER_MAPPING];

	(void)state;
	bed_prefix(b, "64:ff9b:1::/96");
	bed_pool(b, "192.0.2.1", "192.0.2.1", 1024, 65535);
	b->conf.log_what = NAT64_LOG_SESSIONS;
	bed_up(b, 1000);
	owner = bed_must_open(b, &t);
	assert_int_equal(count_events(b, NAT64_EVENT_SESSION_CREATED), 1);
	for (uint32_t i = 0; i < NAT64_INBOUND_PER_MAPPING; i++) {
		from = spoofed(&owner, i);
		in[i] = bed_must_open(b, &from);
	}
	assert_int_equal(count_events(b, 0), 0);
	b->now_ms += 1000;
	answer(b, &in[7]);
	assert_int_equal(count_events(b, NAT64_EVENT_SESSION_CREATED), 1);
	b->now_ms += 1000;
	for (uint32_t i = 0; i < NAT64_INBOUND_PER_MAPPING; i++)
		bed_end(b, &in[i]);
	assert_int_equal(count_events(b, NAT64_EVENT_SESSION_DELETED), 1);
	bed_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unanswered_sessions_of_one_mapping_are_bounded),
		cmocka_unit_test(a_million_spoofed_sources_do_not_stop_the_owner),
		cmocka_unit_test(mapping_without_inside_sessions_lets_nobody_in),
		cmocka_unit_test(answer_or_new_session_of_the_host_revives_the_mapping),
		cmocka_unit_test(answered_session_holds_the_mapping_until_it_ends),
		cmocka_unit_test(static_entry_has_a_bound_of_its_own_and_stays),
		cmocka_unit_test(session_from_outside_is_told_of_when_it_was_answered),
	};

	return cmocka_run_group_tests_name("nat64/inbound", tests, NULL, NULL);
}
