/*
 * test_filtering.c - address-dependent filtering (RFC 6146 1.2.3, RFC 4787 5) against the list of
 * sessions there are. The plain case is in test_admit.c.
 */
#include "bed.h"

enum { HOSTS = 20, SERVERS = 30, SESSIONS = 400 };

static struct bed *bed_filtering(uint32_t n_mappings)
{
	struct bed *b = bed_new(1);

	bed_prefix(b, "64:ff9b:1::/96");
	bed_pool(b, "192.0.2.1", "192.0.2.1", 1024, 65535);
	b->conf.filtering = NAT64_ADDRESS_DEPENDENT;
	bed_up(b, n_mappings);
	return b;
}

static struct tuple session_of(unsigned host, unsigned server, uint16_t port)
{
	struct tuple t = tuple_of("2001:db8:1::", "64:ff9b:1::203.0.113.0", 5000, port, 17);

	t.src.octet[15] = (uint8_t)host;
	t.dst.octet[15] = (uint8_t)server;
	return t;
}

static void who_may_come_in_is_who_was_spoken_to(void **state)
{
	struct bed *b = bed_filtering(SESSIONS);
	static struct flow_plan plan[SESSIONS];
	static bool live[SESSIONS];
	static unsigned who[SESSIONS][2];
	unsigned n_with[HOSTS][SERVERS] = { 0 }, n_of[HOSTS] = { 0 }, in = 0, filtered = 0;
	uint16_t port_of[HOSTS] = { 0 };
	uint64_t seed = test_seed();

	(void)state;
	memset(live, 0, sizeof(live));
	for (unsigned step = 0; step < 20000; step++) {
		unsigned i = (unsigned)(rnd(&seed) % SESSIONS);
		unsigned host = (unsigned)(rnd(&seed) % HOSTS);
		unsigned server = (unsigned)(rnd(&seed) % SERVERS);
		struct tuple t = session_of(host, server, (uint16_t)step);

		if (live[i]) {
			bed_end(b, &plan[i]);
			n_with[who[i][0]][who[i][1]]--;
			n_of[who[i][0]]--;
		} else if (rnd(&seed) % 3 == 0) { /* fewer than could be, so that some are missing */
			plan[i] = bed_must_open(b, &t);
			who[i][0] = host;
			who[i][1] = server;
			port_of[host] = mapped_port(&plan[i]);
			n_with[host][server]++;
			n_of[host]++;
		} else {
			continue;
		}
		live[i] = !live[i];
		t = tuple_of("203.0.113.0", "192.0.2.1", 7, port_of[host], 17);
		t.src.octet[15] = (uint8_t)server;
		if (n_of[host]) {
			struct flow_plan probe;
			struct verdict v = bed_open(b, &t, &probe);

			assert_int_equal(v.next == VERDICT_CONTINUE, n_with[host][server] > 0);
			if (v.next == VERDICT_CONTINUE)
				bed_end(b, &probe);
			else
				assert_int_equal(v.why, DROP_FILTERED);
			in += v.next == VERDICT_CONTINUE;
			filtered += v.next != VERDICT_CONTINUE;
		}
	}
	assert_true(in > 500 && filtered > 500);
	for (unsigned i = 0; i < SESSIONS; i++)
		if (live[i])
			bed_end(b, &plan[i]);
	assert_int_equal(nat64_mappings(b->n[0]), 0);
	bed_free(b);
}

/* No memory for another permit: refused as a full BIB is, and nothing is left behind. */
static void full_store_of_permits_refuses_and_recovers(void **state)
{
	struct bed *b = bed_filtering(10);
	struct flow_plan first, plan;
	unsigned n = 1;
	struct tuple t = session_of(1, 0, 80);
	struct verdict v;

	(void)state;
	first = bed_must_open(b, &t);
	for (;; n++) {
		t = session_of(1, n, 80);
		v = bed_open(b, &t, &plan);
		if (v.next != VERDICT_CONTINUE)
			break;
		assert_true(n < 1000);
	}
	assert_true(n >= 10); /* every mapping can have one */
	assert_dropped(v, DROP_BIB_FULL, REPLY_ADDR_UNREACHABLE);
	t = session_of(2, 0, 80);
	assert_dropped(bed_open(b, &t, &plan), DROP_BIB_FULL, REPLY_ADDR_UNREACHABLE);
	assert_int_equal(nat64_mappings(b->n[0]), 1);
	t = session_of(1, 0, 81); /* a permit there is can be shared */
	bed_must_open(b, &t);
	plan = first;
	bed_end(b, &plan);
	assert_int_equal(nat64_mappings(b->n[0]), 1);
	bed_free(b);
}

/* The operator changes his mind: sessions of before stay, new ones follow the new rule. */
static void filtering_may_change_while_sessions_live(void **state)
{
	struct bed *b = bed_filtering(10);
	struct tuple t = session_of(1, 1, 80), from;
	struct flow_plan under_adf = bed_must_open(b, &t), under_eif, in;

	(void)state;
	b->conf.filtering = NAT64_ENDPOINT_INDEPENDENT;
	bed_reload(b);
	assert_false(bed_stale(b, &under_adf));
	from = tuple_of("198.51.100.7", "192.0.2.1", 9, mapped_port(&under_adf), 17);
	in = bed_must_open(b, &from);
	t = session_of(1, 2, 80);
	under_eif = bed_must_open(b, &t);
	b->conf.filtering = NAT64_ADDRESS_DEPENDENT;
	bed_reload(b);
	bed_end(b, &in);
	assert_dropped(bed_open(b, &from, &in), DROP_FILTERED, REPLY_NONE);
	bed_end(b, &under_adf);
	bed_end(b, &under_eif);
	assert_int_equal(nat64_mappings(b->n[0]), 0);
	bed_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_may_come_in_is_who_was_spoken_to),
		cmocka_unit_test(full_store_of_permits_refuses_and_recovers),
		cmocka_unit_test(filtering_may_change_while_sessions_live),
	};

	return cmocka_run_group_tests_name("nat64/filtering", tests, NULL, NULL);
}
