/* test_stale.c - names in use outlive their upstream (RFC 8767), are renewed before their time is
 * over, and silence is remembered (RFC 9520). */
#include "fixture.h"
#include "sixgate/base/must.h"
#include "test.h"

static const struct text a_record = { .answer = { "a.example. 300 IN A 8.8.8.8" } };
static const struct text other_a = { .answer = { "a.example. 300 IN A 9.9.9.9" } };
static const struct text nodata = {
	.authority = { "example. 120 IN SOA ns.example. m.example. 1 3600 600 86400 120" }
};
static const struct text no_name = {
	.flags = DNS_NXDOMAIN,
	.authority = { "example. 120 IN SOA ns.example. m.example. 1 3600 600 86400 120" }
};
static const struct text servfail = { .flags = DNS_SERVFAIL };
static const struct text bogus = { .flags = DNS_SERVFAIL, .opt = true, .has_ede = true, .ede = 6 };
static const struct text question = { .question = "a.example. IN A", .flags = DNS_RD, .opt = true };
#define OLD "NOERROR rd ra\na.example. 30 IN A 8.8.8.8\nOPT 1232 ede 3\n"

enum { DAY_MS = 86400000 };

static void one_upstream(struct dns64_conf *c)
{
	c->n_upstream = 1;
}

static void without_stale(struct dns64_conf *c)
{
	c->n_upstream = 1;
	c->stale_s = 0;
}

/* A world in which a.example has been asked for, @age_ms ago. */
static struct world *known(void (*change)(struct dns64_conf *c), uint64_t age_ms)
{
	struct world *w = world_new(change);

	ask(w, &question);
	answer(w, 0, &a_record);
	told(w, 1);
	wait_ms(w, age_ms);
	return w;
}

static void a_silent_upstream_takes_no_name_away_rfc8767_5(void **state)
{
	struct world *w = known(one_upstream, 301000);

	(void)state;
	ask(w, &question);
	wait_ms(w, CLIENT_TIMEOUT_MS - 1);
	assert_int_equal(w->n_replies, 1);
	wait_ms(w, 1);
	assert_string_equal(told(w, 2), OLD);
	assert_int_equal(counter_read(&w->stats.stale), 1);
	world_free(w);
}

static void a_fresh_answer_in_time_is_better_than_a_stale_one(void **state)
{
	struct world *w = known(one_upstream, 301000);

	(void)state;
	ask(w, &question);
	wait_ms(w, 1000);
	answer(w, w->n_sent - 1, &other_a);
	assert_string_equal(told(w, 2), "NOERROR rd ra\na.example. 300 IN A 9.9.9.9\nOPT 1232\n");
	world_free(w);
}

static void what_comes_after_the_stale_answer_is_kept(void **state)
{
	struct world *w = known(one_upstream, 301000);

	(void)state;
	ask(w, &question);
	wait_ms(w, CLIENT_TIMEOUT_MS);
	assert_string_equal(told(w, 2), OLD);
	answer(w, w->n_sent - 1, &other_a);
	ask(w, &question);
	assert_string_equal(told(w, 3), "NOERROR rd ra\na.example. 300 IN A 9.9.9.9\nOPT 1232\n");
	world_free(w);
}

static void servfail_is_answered_with_what_was_known(void **state)
{
	struct world *w = known(one_upstream, 301000);

	(void)state;
	ask(w, &question);
	answer(w, w->n_sent - 1, &servfail);
	assert_string_equal(told(w, 2), OLD);
	world_free(w);
}

static void failed_validation_is_an_answer_and_no_failure(void **state)
{
	struct world *w = known(one_upstream, 301000);

	(void)state;
	ask(w, &question);
	answer(w, w->n_sent - 1, &bogus);
	assert_string_equal(told(w, 2), "SERVFAIL rd ra\nOPT 1232 ede 6\n");
	ask(w, &question);
	assert_string_equal(told(w, 3), "SERVFAIL rd ra\nOPT 1232 ede 6\n");
	world_free(w);
}

static void nxdomain_is_an_answer_and_ends_the_old_one(void **state)
{
	struct world *w = known(one_upstream, 301000);

	(void)state;
	ask(w, &question);
	answer(w, w->n_sent - 1, &no_name);
	assert_memory_equal(told(w, 2), "NXDOMAIN", 8);
	world_free(w);
}

static void after_a_failure_nobody_is_asked_for_30_seconds_rfc8767_5(void **state)
{
	struct world *w = known(one_upstream, 301000);
	unsigned n;

	(void)state;
	ask(w, &question);
	answer(w, w->n_sent - 1, &servfail);
	told(w, 2);
	n = w->n_sent;
	wait_ms(w, RECHECK_MS - 1);
	ask(w, &question);
	assert_string_equal(told(w, 3), OLD);
	assert_int_equal(w->n_sent, n);
	wait_ms(w, 1);
	ask(w, &question);
	assert_int_equal(w->n_sent, n + 1);
	answer(w, n, &other_a);
	assert_string_equal(told(w, 4), "NOERROR rd ra\na.example. 300 IN A 9.9.9.9\nOPT 1232\n");
	world_free(w);
}

static void while_every_upstream_rests_nobody_waits(void **state)
{
	struct world *w = known(one_upstream, 301000);

	(void)state;
	ask_plain(w, "b.example. IN A");
	wait_ms(w, LOOKUP_TIME_MS); /* it falls silent and begins to rest */
	assert_true(choice__all_silent(w->r, &(struct dns_name){ .octet = { 0 }, .len = 1 }));
	ask(w, &question);
	assert_string_equal(told(w, 3), OLD);
	world_free(w);
}

static void a_day_is_the_end_of_it(void **state)
{
	struct world *w = known(one_upstream, DAY_MS + 300000 - 1000);

	(void)state;
	ask(w, &question);
	answer(w, w->n_sent - 1, &servfail);
	assert_string_equal(told(w, 2), OLD);
	world_free(w);
	w = known(one_upstream, DAY_MS + 300000);
	ask(w, &question);
	answer(w, w->n_sent - 1, &servfail);
	assert_memory_equal(told(w, 2), "SERVFAIL", 8);
	world_free(w);
}

static void serve_stale_off_serves_none(void **state)
{
	struct world *w = known(without_stale, 300000);

	(void)state;
	ask(w, &question);
	answer(w, w->n_sent - 1, &servfail);
	assert_memory_equal(told(w, 2), "SERVFAIL", 8);
	assert_int_equal(counter_read(&w->stats.stale), 0);
	world_free(w);
}

static void synthesis_goes_on_from_stale_legs(void **state)
{
	struct text q = { .question = "a.example. IN AAAA", .flags = DNS_RD, .opt = true };
	struct world *w = world_new(one_upstream);

	(void)state;
	ask(w, &q);
	answer(w, 0, &nodata);
	answer(w, 1, &a_record);
	told(w, 1);
	wait_ms(w, 1000000);
	ask(w, &q);
	wait_ms(w, CLIENT_TIMEOUT_MS);
	assert_string_equal(told(w, 2), "NOERROR rd ra\na.example. 30 IN AAAA 64:ff9b::808:808\n"
					"OPT 1232 ede 3\n");
	world_free(w);
}

static void a_stale_aaaa_is_preferred_to_a_made_one(void **state)
{
	struct text q = { .question = "a.example. IN AAAA", .flags = DNS_RD };
	struct world *w = world_new(one_upstream);

	(void)state;
	ask(w, &q);
	answer(w, 0, &(struct text){ .answer = { "a.example. 300 IN AAAA 2001:db8::1" } });
	told(w, 1);
	wait_ms(w, 1000000);
	ask(w, &q);
	answer(w, w->n_sent - 1, &a_record); /* the A leg */
	wait_ms(w, CLIENT_TIMEOUT_MS);
	assert_string_equal(told(w, 2), "NOERROR rd ra\na.example. 30 IN AAAA 2001:db8::1\n");
	world_free(w);
}

static void what_is_in_use_is_renewed_in_its_last_tenth(void **state)
{
	struct world *w = known(one_upstream, 269999);

	(void)state;
	ask(w, &question);
	told(w, 2);
	assert_int_equal(w->n_sent, 1);
	wait_ms(w, 1001);
	ask(w, &question);
	assert_string_equal(told(w, 3), "NOERROR rd ra\na.example. 29 IN A 8.8.8.8\nOPT 1232\n");
	assert_int_equal(w->n_sent, 2);
	ask(w, &question); /* once is enough */
	told(w, 4);
	assert_int_equal(w->n_sent, 2);
	answer(w, 1, &other_a);
	ask(w, &question);
	assert_string_equal(told(w, 5), "NOERROR rd ra\na.example. 300 IN A 9.9.9.9\nOPT 1232\n");
	assert_int_equal(counter_read(&w->stats.prefetches), 1);
	world_free(w);
}

static void short_lives_are_not_renewed(void **state)
{
	struct world *w = world_new(one_upstream);

	(void)state;
	ask_plain(w, "a.example. IN A");
	answer(w, 0, &(struct text){ .answer = { "a.example. 9 IN A 8.8.8.8" } });
	wait_ms(w, 8900);
	ask_plain(w, "a.example. IN A");
	told(w, 2);
	assert_int_equal(w->n_sent, 1);
	world_free(w);
}

/* RFC 4074 4: servers that know A and never answer AAAA. */
static void a_server_silent_about_aaaa_costs_the_timeout_once(void **state)
{
	struct world *w = world_new(one_upstream);
	unsigned n;

	(void)state;
	ask_plain(w, "a.example. IN AAAA");
	answer(w, 1, &a_record);
	wait_ms(w, CLIENT_TIMEOUT_MS);
	assert_memory_equal(told(w, 1), "NOERROR", 7);
	wait_ms(w, 10);
	ask_plain(w, "a.example. IN AAAA"); /* it is still being asked, and has had its time */
	assert_memory_equal(told(w, 2), "NOERROR", 7);
	wait_ms(w, LOOKUP_TIME_MS);
	ask_plain(w, "b.example. IN A"); /* the upstream lives */
	answer(w, w->n_sent - 1, &(struct text){ .flags = DNS_NXDOMAIN });
	n = w->n_sent;
	ask_plain(w, "a.example. IN AAAA");
	assert_memory_equal(told(w, 4), "NOERROR", 7);
	assert_int_equal(w->n_sent, n);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_silent_upstream_takes_no_name_away_rfc8767_5),
		cmocka_unit_test(a_fresh_answer_in_time_is_better_than_a_stale_one),
		cmocka_unit_test(what_comes_after_the_stale_answer_is_kept),
		cmocka_unit_test(servfail_is_answered_with_what_was_known),
		cmocka_unit_test(failed_validation_is_an_answer_and_no_failure),
		cmocka_unit_test(nxdomain_is_an_answer_and_ends_the_old_one),
		cmocka_unit_test(after_a_failure_nobody_is_asked_for_30_seconds_rfc8767_5),
		cmocka_unit_test(while_every_upstream_rests_nobody_waits),
		cmocka_unit_test(a_day_is_the_end_of_it),
		cmocka_unit_test(serve_stale_off_serves_none),
		cmocka_unit_test(synthesis_goes_on_from_stale_legs),
		cmocka_unit_test(a_stale_aaaa_is_preferred_to_a_made_one),
		cmocka_unit_test(what_is_in_use_is_renewed_in_its_last_tenth),
		cmocka_unit_test(short_lives_are_not_renewed),
		cmocka_unit_test(a_server_silent_about_aaaa_costs_the_timeout_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
