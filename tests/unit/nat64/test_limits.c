/* test_limits.c - limits of a subscriber, exempt destinations, and events: RFC 6888 REQ-4 to REQ-6,
 * REQ-11, REQ-12, RFC 5508 REQ-8. */
#include "bed.h"
#include "sixgate/nat64/event.h"

static const char *const server = "64:ff9b:1::203.0.113.9";

static struct bed *bed_limited(struct nat64_limits limits)
{
	struct bed *b = bed_new(1);

	bed_prefix(b, "64:ff9b:1::/96");
	bed_pool(b, "192.0.2.1", "192.0.2.1", 1024, 65535);
	b->conf.limits = limits;
	b->conf.log_what = NAT64_LOG_SESSIONS;
	bed_up(b, 10000);
	return b;
}

static struct tuple from(uint16_t which, uint16_t port, uint16_t dport)
{
	struct tuple t = tuple_of("2001:db8:1::1", server, port, dport, 17);

	t.src.octet[6] = (uint8_t)(which >> 8);
	t.src.octet[7] = (uint8_t)which;
	return t;
}

static struct nat64_event last_event(struct bed *b)
{
	struct nat64_event e = { 0 };

	while (nat64_event_read(nat64_events(b->n[0]), &e))
		;
	return e;
}

static void flows_of_a_subscriber_end_at_its_limit_and_not_before(void **state)
{
	struct bed *b = bed_limited((struct nat64_limits){ .flows = 10 });
	struct flow_plan plan[10], none;
	struct nat64_event e;
	struct tuple t;

	(void)state;
	for (uint16_t i = 0; i < 10; i++) { /* several of one mapping count, too */
		t = from(1, (uint16_t)(5000 + i / 2), (uint16_t)(80 + i % 2));
		plan[i] = bed_must_open(b, &t);
	}
	t = from(1, 5000, 99);
	assert_dropped(bed_open(b, &t, &none), DROP_QUOTA_FLOWS, REPLY_ADMIN_PROHIBITED);
	e = last_event(b);
	assert_int_equal(e.kind, NAT64_EVENT_QUOTA_EXCEEDED);
	assert_int_equal(e.quota, NAT64_QUOTA_FLOWS);
	assert_int_equal(e.subscriber_len, 64);
	assert_dropped(bed_open(b, &t, &none), DROP_QUOTA_FLOWS, REPLY_ADMIN_PROHIBITED);
	assert_int_equal(last_event(b).kind, 0); /* told once in a while */
	t = from(2, 5000, 99);
	bed_must_open(b, &t);
	bed_end(b, &plan[0]);
	t = from(1, 5000, 99);
	bed_must_open(b, &t);
	t = from(1, 5000, 98);
	assert_dropped(bed_open(b, &t, &none), DROP_QUOTA_FLOWS, REPLY_ADMIN_PROHIBITED);
	bed_free(b);
}

/* What nobody inside has answered is not the subscriber's doing. */
static void sessions_from_outside_do_not_use_up_a_limit_before_they_are_answered(void **state)
{
	struct bed *b = bed_limited((struct nat64_limits){ .flows = 2 });
	struct flow_plan plan, in[3], none;
	struct tuple t = from(1, 5000, 80), u;
	struct flow f;

	(void)state;
	plan = bed_must_open(b, &t);
	for (uint16_t i = 0; i < 3; i++) {
		u = plan.key[1];
		u.src = addr_of("198.51.100.7");
		u.sport = be16_from((uint16_t)(1000 + i));
		in[i] = bed_must_open(b, &u);
	}
	t = from(1, 5000, 81);
	plan = bed_must_open(b, &t);
	bed_end(b, &plan);
	f = flow_of(&in[0]);
	must(nat64_flow_answered(b->n[0], b->t, &f, b->now_ms).next == VERDICT_CONTINUE);
	assert_dropped(bed_open(b, &t, &none), DROP_QUOTA_FLOWS, REPLY_ADMIN_PROHIBITED);
	in[0].flags &= (uint8_t)~FLOW_FROM_OUTSIDE;
	bed_end(b, &in[0]);
	bed_must_open(b, &t);
	bed_free(b);
}

/* ... and what it answers is: whoever began it. */
static void sessions_from_outside_are_refused_at_a_limit_when_they_are_answered(void **state)
{
	struct bed *b = bed_limited((struct nat64_limits){ .flows = 2, .new_flows = 2 });
	struct flow_plan plan, in[2];
	struct tuple t = from(1, 5000, 80), u;
	struct flow f[2];

	(void)state;
	plan = bed_must_open(b, &t);
	for (uint16_t i = 0; i < 2; i++) {
		u = plan.key[1];
		u.sport = be16_from((uint16_t)(1000 + i));
		in[i] = bed_must_open(b, &u);
		f[i] = flow_of(&in[i]);
		assert_int_equal(nat64_may_answer(b->n[0], b->t, &f[i], b->now_ms).next,
				 VERDICT_CONTINUE);
	}
	assert_int_equal(nat64_flow_answered(b->n[0], b->t, &f[0], b->now_ms).next, VERDICT_CONTINUE);
	last_event(b);
	assert_dropped(nat64_may_answer(b->n[0], b->t, &f[1], b->now_ms), DROP_QUOTA_FLOWS,
		       REPLY_ADMIN_PROHIBITED);
	assert_int_equal(last_event(b).quota, NAT64_QUOTA_FLOWS);
	assert_dropped(nat64_flow_answered(b->n[0], b->t, &f[1], b->now_ms), DROP_QUOTA_FLOWS,
		       REPLY_NONE);
	bed_end(b, &plan);
	assert_int_equal(nat64_may_answer(b->n[0], b->t, &f[1], b->now_ms).next, VERDICT_CONTINUE);
	assert_dropped(nat64_flow_answered(b->n[0], b->t, &f[1], b->now_ms), DROP_QUOTA_NEW_FLOWS,
		       REPLY_NONE);
	b->now_ms += 500;
	assert_int_equal(nat64_flow_answered(b->n[0], b->t, &f[1], b->now_ms).next, VERDICT_CONTINUE);
	for (unsigned i = 0; i < 2; i++) {
		in[i].flags &= (uint8_t)~FLOW_FROM_OUTSIDE;
		bed_end(b, &in[i]);
	}
	assert_int_equal(nat64_mappings(b->n[0]), 0);
	bed_free(b);
}

static void ports_of_a_subscriber_end_at_its_limit_and_not_before(void **state)
{
	struct bed *b = bed_limited((struct nat64_limits){ .ports = 100 });
	struct flow_plan plan[100], none;
	struct tuple t;

	(void)state;
	for (uint16_t i = 0; i < 100; i++) {
		t = from(1, (uint16_t)(5000 + i), 80);
		plan[i] = bed_must_open(b, &t);
	}
	t = from(1, 6000, 80);
	assert_dropped(bed_open(b, &t, &none), DROP_QUOTA_PORTS, REPLY_ADMIN_PROHIBITED);
	assert_int_equal(last_event(b).quota, NAT64_QUOTA_PORTS);
	t = from(1, 5000, 81); /* another flow of a port that it has */
	bed_must_open(b, &t);
	bed_end(b, &plan[99]);
	t = from(1, 6000, 80);
	bed_must_open(b, &t);
	bed_free(b);
}

static void new_flows_are_as_many_a_second_as_the_limit_says(void **state)
{
	struct bed *b = bed_limited((struct nat64_limits){ .new_flows = 50 });
	struct flow_plan plan;
	uint16_t port = 1024;
	unsigned n = 0;
	struct tuple t;

	(void)state;
	for (unsigned ms = 0; ms < 10000; ms += 5, b->now_ms += 5)
		for (unsigned i = 0; i < 2; i++) {
			struct verdict v;

			t = from(1, port++, 80);
			v = bed_open(b, &t, &plan);
			n += v.next == VERDICT_CONTINUE;
			if (ms < 100) /* those of one second at once */
				assert_int_equal(v.next, VERDICT_CONTINUE);
			else if (v.next != VERDICT_CONTINUE)
				assert_dropped(v, DROP_QUOTA_NEW_FLOWS, REPLY_ADMIN_PROHIBITED);
		}
	assert_in_range(n, 50 + 499, 50 + 501);
	t = from(2, 80, 80);
	bed_must_open(b, &t);
	bed_free(b);
}

/* RFC 6888: a subscriber is a prefix of the operator's choice. */
static void subscriber_prefix_says_whose_flows_are_counted_together(void **state)
{
	static const struct {
		uint8_t len;
		bool near, far; /* the same /64, the same /48 */
	} row[] = { { 0, true, false },
		    { 64, true, false },
		    { 128, false, false },
		    { 48, true, true },
		    { 56, true, false } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct bed *b = bed_limited(
			(struct nat64_limits){ .subscriber_prefix = row[i].len, .flows = 1 });
		struct tuple t = from(0x101, 5000, 80), near = t, far = from(0x201, 5000, 80);
		struct flow_plan plan;

		bed_must_open(b, &t);
		near.src.octet[15] = 9;
		assert_int_equal(bed_open(b, &near, &plan).next != VERDICT_CONTINUE, row[i].near);
		assert_int_equal(bed_open(b, &far, &plan).next != VERDICT_CONTINUE, row[i].far);
		bed_free(b);
	}
}

/* A static entry is the operator's will: no limit holds for it. */
static void static_entries_are_without_limits(void **state)
{
	struct bed *b = bed_new(1);
	struct tuple t = from(1, 53, 80);

	(void)state;
	bed_prefix(b, "64:ff9b:1::/96");
	bed_pool(b, "192.0.2.1", "192.0.2.1", 1024, 65535);
	bed_static(b, NAT64_UDP, "2001:db8:1:1::1", 53, "192.0.2.1", 53);
	b->conf.limits = (struct nat64_limits){ .flows = 1, .ports = 1, .new_flows = 1 };
	bed_up(b, 100);
	for (uint16_t i = 0; i < 20; i++) {
		t.dport = be16_from((uint16_t)(1000 + i));
		bed_must_open(b, &t);
	}
	bed_free(b);
}

/* RFC 6888 REQ-6. */
static void exempt_destinations_are_refused_both_ways(void **state)
{
	static const struct {
		const char *dst;
		uint16_t port;
		uint8_t proto;
		bool exempt;
	} row[] = {
		{ "64:ff9b:1::203.0.113.9", 80, 6, true },
		{ "64:ff9b:1::203.0.113.9", 80, 17, true },
		{ "64:ff9b:1::203.0.113.9", 80, 58, true },
		{ "64:ff9b:1::203.0.114.9", 80, 6, false },
		{ "64:ff9b:1::198.51.100.7", 25, 6, true },
		{ "64:ff9b:1::198.51.100.7", 24, 6, false },
		{ "64:ff9b:1::198.51.100.7", 27, 17, true },
		{ "64:ff9b:1::198.51.100.7", 28, 17, false },
		{ "64:ff9b:1::198.51.100.7", 25, 58, false },
		{ "64:ff9b:1::198.51.100.8", 25, 6, false },
	};
	struct exempt_conf exempt[2] = { { .port_last = 65535 },
					 { .port_first = 25, .port_last = 27 } };
	struct bed *b = bed_new(1);
	struct flow_plan plan;
	struct tuple t, in;

	(void)state;
	assert_int_equal(prefix_parse("203.0.113.0/24", &exempt[0].destination), 0);
	assert_int_equal(prefix_parse("198.51.100.7/32", &exempt[1].destination), 0);
	bed_prefix(b, "64:ff9b:1::/96");
	bed_pool(b, "192.0.2.1", "192.0.2.1", 1024, 65535);
	b->conf.exempt = exempt;
	b->conf.n_exempt = 2;
	bed_up(b, 100);
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		uint16_t sport = row[i].proto == 58 ? row[i].port : 5000;

		print_message("row %zu\n", i);
		t = tuple_of("2001:db8:1::1", row[i].dst, sport, row[i].port, row[i].proto);
		if (row[i].exempt)
			assert_dropped(bed_open(b, &t, &plan), DROP_EXEMPT, REPLY_ADMIN_PROHIBITED);
		else
			bed_must_open(b, &t);
	}
	t = tuple_of("2001:db8:1::1", "64:ff9b:1::192.0.2.77", 6000, 80, 17);
	plan = bed_must_open(b, &t);
	in = plan.key[1];
	in.src = addr_of("203.0.113.9");
	assert_dropped(bed_open(b, &in, &plan), DROP_EXEMPT, REPLY_NONE);
	bed_free(b);
}

/* When the table of flows is short, who has more than his share gets no more; others do. */
static void flow_table_that_runs_short_is_shared(void **state)
{
	struct bed *b = bed_limited((struct nat64_limits){ 0 });
	struct flow_plan plan;
	struct tuple t;

	(void)state;
	for (uint16_t i = 0; i < 900; i++) {
		t = from(1, (uint16_t)(1024 + i), 80);
		nat64_note_flows(b->n[0], 1000 - i, 1000);
		bed_must_open(b, &t); /* alone */
	}
	t = from(2, 5000, 80);
	nat64_note_flows(b->n[0], 100, 1000);
	bed_must_open(b, &t);
	t = from(1, 5000, 80);
	nat64_note_flows(b->n[0], 99, 1000);
	assert_dropped(bed_open(b, &t, &plan), DROP_FAIR_SHARE, REPLY_ADDR_UNREACHABLE);
	for (uint16_t i = 0; i < 99; i++) { /* to the last one, for it is far from its share */
		t = from(2, (uint16_t)(6000 + i), 80);
		nat64_note_flows(b->n[0], 99 - i, 1000);
		bed_must_open(b, &t);
	}
	bed_free(b);
}

/* Sessions are told with their other end only when that is asked for: RFC 6888 REQ-12. */
static void sessions_are_told_and_destinations_only_when_asked_for(void **state)
{
	(void)state;
	for (unsigned asked = 0; asked < 2; asked++) {
		struct bed *b = bed_limited((struct nat64_limits){ 0 });
		struct tuple t = from(1, 5000, 80);
		struct nat64_event e;
		struct flow_plan plan;

		b->conf.log_what = NAT64_LOG_SESSIONS | (asked ? NAT64_LOG_DESTINATIONS : 0);
		bed_reload(b);
		b->now_ms = 777;
		plan = bed_must_open(b, &t);
		for (unsigned end = 0; end < 2; end++) {
			e = last_event(b);
			assert_int_equal(e.kind, end ? NAT64_EVENT_SESSION_DELETED
						     : NAT64_EVENT_SESSION_CREATED);
			assert_int_equal(e.time_ms, 777);
			assert_int_equal(e.protocol, NAT64_UDP);
			assert_true(addr_equal(&e.inside, &t.src));
			assert_true(addr_equal(&e.outside, &plan.key[1].dst));
			assert_int_equal(e.subscriber_len, 128);
			assert_int_equal(e.inside_port, 5000);
			assert_int_equal(e.port_first, mapped_port(&plan));
			assert_int_equal(e.port_last, mapped_port(&plan));
			assert_int_equal(e.destination, asked ? 0xcb007109 : 0);
			assert_int_equal(e.destination_port, asked ? 80 : 0);
			if (!end)
				bed_end(b, &plan);
		}
		bed_free(b);
	}
}

static void events_that_find_the_ring_full_are_lost_and_counted(void **state)
{
	struct bed *b = bed_limited((struct nat64_limits){ 0 });
	struct nat64_event_ring *ring = nat64_events(b->n[0]);
	struct nat64_event e;
	uint32_t n = 0;
	struct tuple t;

	(void)state;
	for (uint32_t i = 0; i < NAT64_EVENT_SLOTS + 7; i++) {
		t = from(1, (uint16_t)(1024 + i), 80);
		bed_must_open(b, &t);
	}
	assert_int_equal(counter_read(&ring->lost), 7);
	while (nat64_event_read(ring, &e))
		assert_int_equal(e.inside_port, 1024 + n++);
	assert_int_equal(n, NAT64_EVENT_SLOTS);
	b->conf.log_what = 0;
	bed_reload(b);
	t = from(2, 1, 1);
	bed_must_open(b, &t);
	assert_false(nat64_event_read(ring, &e));
	bed_free(b);
}

/* Whenever it begins, also while the clock is young. */
static void exhausted_pool_is_told_once_in_a_while(void **state)
{
	static const uint64_t start_ms[] = { 1, 999, 1000, 1999, 59999, 4294967296 };

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(start_ms); k++) {
		struct bed *b = bed_new(1);
		struct flow_plan plan;
		struct tuple t;

		bed_prefix(b, "64:ff9b:1::/96");
		bed_pool(b, "192.0.2.1", "192.0.2.1", 2000, 2000);
		b->conf.log_what = NAT64_LOG_BLOCKS;
		bed_up(b, 10);
		b->now_ms = start_ms[k];
		t = from(1, 5000, 80);
		bed_must_open(b, &t);
		last_event(b);
		for (unsigned i = 0; i < 130; i++, b->now_ms += 1000) {
			t = from(2, 5000, 80);
			assert_dropped(bed_open(b, &t, &plan), DROP_POOL4_EXHAUSTED,
				       REPLY_ADDR_UNREACHABLE);
			assert_int_equal(last_event(b).kind,
					 i % 60 ? 0 : NAT64_EVENT_POOL_EXHAUSTED);
		}
		bed_free(b);
	}
}

/* What an event calls a subscriber is the prefix that was counted: that of the limits, else the
 * host on the link or the routed /64. */
static void an_event_names_the_prefix_that_was_counted(void **state)
{
	static const struct {
		uint8_t limit, len;
		const char *host, *prefix;
	} row[] = {
		{ 0, 64, "2001:db8:1:2:3::4", "2001:db8:1:2::" },
		{ 56, 56, "2001:db8:1:2ff:3::4", "2001:db8:1:200::" },
		{ 128, 128, "2001:db8:1:2:3::4", "2001:db8:1:2:3::4" },
		{ 0, 128, "2001:db8:77::4", "2001:db8:77::4" }, /* on the link */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct bed *b = bed_new(1);
		struct tuple t = tuple_of(row[i].host, server, 5000, 80, 17);
		struct addr want = addr_of(row[i].prefix);
		struct nat64_event e;
		struct flow_plan plan;

		bed_prefix(b, "64:ff9b:1::/96");
		bed_pool(b, "192.0.2.1", "192.0.2.1", 1024, 65535);
		b->conf.limits =
			(struct nat64_limits){ .subscriber_prefix = row[i].limit, .flows = 1 };
		b->conf.log_what = NAT64_LOG_BLOCKS;
		b->link = "2001:db8:77::/64";
		bed_up(b, 100);
		b->now_ms = 4321;
		bed_must_open(b, &t);
		for (unsigned refused = 0; refused < 2; refused++) {
			e = last_event(b);
			print_message("row %zu\n", i);
			assert_int_equal(e.kind, refused ? NAT64_EVENT_QUOTA_EXCEEDED
							 : NAT64_EVENT_BLOCK_ALLOCATED);
			assert_int_equal(e.subscriber_len, row[i].len);
			assert_true(addr_equal(&e.inside, &want));
			assert_int_equal(e.time_ms, 4321);
			t.dport = be16_from(81);
			if (!refused)
				assert_dropped(bed_open(b, &t, &plan), DROP_QUOTA_FLOWS,
					       REPLY_ADMIN_PROHIBITED);
		}
		bed_free(b);
	}
}

/* RFC 6888 REQ-14: what was allocated to a prefix is released by it, whatever a reload cuts now. */
static void a_release_names_the_prefix_that_the_block_was_allocated_to(void **state)
{
	static const struct {
		const char *host;
		uint8_t before, after;
	} rows[] = {
		{ "2001:db8:1:2ff:3::4", 56, 60 },
		{ "2001:db8:1:200:3::4", 56, 60 }, /* the same bits */
		{ "2001:db8:1:200:3::4", 60, 56 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct bed *b = bed_new(1);
		struct tuple t = tuple_of(rows[i].host, server, 5000, 80, 17);
		struct addr first = addr_of("2001:db8:1:200::");
		struct flow_plan plan;
		struct nat64_event e;

		bed_prefix(b, "64:ff9b:1::/96");
		bed_pool(b, "192.0.2.1", "192.0.2.1", 1024, 65535);
		b->conf.limits.subscriber_prefix = rows[i].before;
		b->conf.quarantine.time_s = 10;
		b->conf.log_what = NAT64_LOG_BLOCKS;
		bed_up(b, 100);
		plan = bed_must_open(b, &t);
		b->conf.limits.subscriber_prefix = rows[i].after;
		bed_reload(b);
		bed_end(b, &plan);
		t.sport = be16_from(5001);
		bed_must_open(b, &t);
		e = last_event(b);
		assert_int_equal(e.kind, NAT64_EVENT_BLOCK_ALLOCATED);
		assert_int_equal(e.subscriber_len, rows[i].after);
		bed_advance(b, 11000);
		e = last_event(b);
		assert_int_equal(e.kind, NAT64_EVENT_BLOCK_RELEASED);
		assert_int_equal(e.subscriber_len, rows[i].before);
		assert_true(addr_equal(&e.inside, &first));
		bed_free(b);
	}
}

/* Each has his own minute: others are told of meanwhile, and exhaustion besides. */
static void quotas_of_two_subscribers_are_told_each(void **state)
{
	struct bed *b = bed_limited((struct nat64_limits){ .flows = 1 });
	struct flow_plan plan;
	struct tuple t;

	(void)state;
	for (uint16_t i = 1; i <= 2; i++) {
		t = from(i, 5000, 80);
		bed_must_open(b, &t);
		last_event(b);
	}
	for (unsigned ms = 0; ms < 200000; ms += 500, b->now_ms += 500) {
		for (uint16_t i = 1; i <= 2; i++) {
			t = from(i, 5000, 81);
			assert_dropped(bed_open(b, &t, &plan), DROP_QUOTA_FLOWS,
				       REPLY_ADMIN_PROHIBITED);
			assert_int_equal(last_event(b).kind,
					 ms % 60000 ? 0 : NAT64_EVENT_QUOTA_EXCEEDED);
		}
	}
	bed_free(b);
}

/* A second's worth at once, never more however long nobody asked; then one by one. */
static void credit_for_new_flows_ends_at_one_second(void **state)
{
	struct bed *b = bed_limited((struct nat64_limits){ .new_flows = 10 });
	struct flow_plan plan;
	uint16_t port = 1024;

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		struct tuple t;

		for (unsigned i = 0; i < 10; i++) {
			t = from(1, port++, 80);
			bed_must_open(b, &t);
		}
		t = from(1, port, 80);
		assert_dropped(bed_open(b, &t, &plan), DROP_QUOTA_NEW_FLOWS,
			       REPLY_ADMIN_PROHIBITED);
		b->now_ms += 99; /* a tenth of a second makes one */
		assert_dropped(bed_open(b, &t, &plan), DROP_QUOTA_NEW_FLOWS,
			       REPLY_ADMIN_PROHIBITED);
		b->now_ms += 1;
		bed_must_open(b, &t);
		t = from(1, ++port, 80);
		assert_dropped(bed_open(b, &t, &plan), DROP_QUOTA_NEW_FLOWS,
			       REPLY_ADMIN_PROHIBITED);
		port++;
		b->now_ms += 1000000000;
	}
	bed_free(b);
}

/* Nothing is told that was not asked for. */
static void each_kind_of_event_is_told_when_asked_for(void **state)
{
	static const struct {
		uint8_t what;
		bool blocks, sessions, quotas;
	} row[] = { { 0, false, false, false },
		    { NAT64_LOG_BLOCKS, true, false, true },
		    { NAT64_LOG_SESSIONS, false, true, true },
		    { NAT64_LOG_BLOCKS | NAT64_LOG_SESSIONS, true, true, true } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct bed *b = bed_limited((struct nat64_limits){ .flows = 1 });
		bool seen[NAT64_EVENT_POOL_EXHAUSTED + 1] = { 0 };
		struct tuple t = from(1, 5000, 80), in;
		struct flow_plan plan, other;
		struct nat64_event e;

		b->conf.log_what = row[i].what;
		bed_reload(b);
		plan = bed_must_open(b, &t);
		in = plan.key[1];
		in.sport = be16_from(9);
		other = bed_must_open(b, &in);
		t.dport = be16_from(81);
		assert_int_not_equal(bed_open(b, &t, &(struct flow_plan){ 0 }).next,
				     VERDICT_CONTINUE);
		bed_end(b, &other);
		bed_end(b, &plan);
		while (nat64_event_read(nat64_events(b->n[0]), &e))
			seen[e.kind] = true;
		assert_int_equal(seen[NAT64_EVENT_BLOCK_ALLOCATED], row[i].blocks);
		assert_int_equal(seen[NAT64_EVENT_BLOCK_RELEASED], row[i].blocks);
		assert_int_equal(seen[NAT64_EVENT_SESSION_CREATED], row[i].sessions);
		assert_int_equal(seen[NAT64_EVENT_SESSION_DELETED], row[i].sessions);
		assert_int_equal(seen[NAT64_EVENT_QUOTA_EXCEEDED], row[i].quotas);
		bed_free(b);
	}
}

/* A session from outside is told of with all its ends, once it is answered. */
static void an_answered_session_from_outside_names_both_ends(void **state)
{
	struct bed *b = bed_limited((struct nat64_limits){ 0 });
	struct tuple t = from(1, 5000, 80), in;
	struct flow_plan plan, other;
	struct nat64_event e;
	struct flow f;

	(void)state;
	b->conf.log_what = NAT64_LOG_SESSIONS | NAT64_LOG_DESTINATIONS;
	bed_reload(b);
	plan = bed_must_open(b, &t);
	in = tuple_of("198.51.100.7", "192.0.2.1", 999, mapped_port(&plan), 17);
	other = bed_must_open(b, &in);
	last_event(b);
	f = flow_of(&other);
	must(nat64_flow_answered(b->n[0], b->t, &f, b->now_ms).next == VERDICT_CONTINUE);
	e = last_event(b);
	assert_int_equal(e.kind, NAT64_EVENT_SESSION_CREATED);
	assert_true(addr_equal(&e.inside, &t.src));
	assert_true(addr_equal(&e.outside, &in.dst));
	assert_int_equal(e.destination, 0xc6336407);
	assert_int_equal(e.destination_port, 999);
	bed_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flows_of_a_subscriber_end_at_its_limit_and_not_before),
		cmocka_unit_test(
			sessions_from_outside_do_not_use_up_a_limit_before_they_are_answered),
		cmocka_unit_test(
			sessions_from_outside_are_refused_at_a_limit_when_they_are_answered),
		cmocka_unit_test(ports_of_a_subscriber_end_at_its_limit_and_not_before),
		cmocka_unit_test(new_flows_are_as_many_a_second_as_the_limit_says),
		cmocka_unit_test(subscriber_prefix_says_whose_flows_are_counted_together),
		cmocka_unit_test(static_entries_are_without_limits),
		cmocka_unit_test(exempt_destinations_are_refused_both_ways),
		cmocka_unit_test(flow_table_that_runs_short_is_shared),
		cmocka_unit_test(sessions_are_told_and_destinations_only_when_asked_for),
		cmocka_unit_test(events_that_find_the_ring_full_are_lost_and_counted),
		cmocka_unit_test(exhausted_pool_is_told_once_in_a_while),
		cmocka_unit_test(an_event_names_the_prefix_that_was_counted),
		cmocka_unit_test(a_release_names_the_prefix_that_the_block_was_allocated_to),
		cmocka_unit_test(quotas_of_two_subscribers_are_told_each),
		cmocka_unit_test(credit_for_new_flows_ends_at_one_second),
		cmocka_unit_test(an_answered_session_from_outside_names_both_ends),
		cmocka_unit_test(each_kind_of_event_is_told_when_asked_for),
	};

	return cmocka_run_group_tests_name("nat64/limits", tests, NULL, NULL);
}
