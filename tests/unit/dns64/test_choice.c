/* test_choice.c - which upstream is asked, in virtual time: upstreams answer after a delay of their
 * own, lose a share of what they get, or say nothing. */
#include "fixture.h"
#include <stdio.h>
#include <stdlib.h>
#include "sixgate/base/must.h"
#include "sixgate/base/wire.h"
#include "test.h"

enum { N_UPSTREAMS = 3, RECENT = 400, SILENT = -1, GAP_MS = 30, NOT_ANSWERED = 10000 };

/**
 * struct sim - @delay_ms: of each upstream's answers; @loss: of 1000 datagrams each way
 * @rcode: what it answers; @next: sent[] before it are done or too old
 */
struct sim {
	struct world *w;
	int delay_ms[N_UPSTREAMS];
	unsigned loss[N_UPSTREAMS];
	uint16_t rcode[N_UPSTREAMS];
	bool done[SENT_MAX];
	unsigned serial;
	uint64_t seed;
};

static void three_upstreams(struct dns64_conf *c)
{
	static struct dns64_upstream_conf three[N_UPSTREAMS];

	for (unsigned i = 0; i < N_UPSTREAMS; i++) {
		char text[64];

		snprintf(text, sizeof(text), "2001:db8:53::%u", i);
		three[i] = (struct dns64_upstream_conf){ .port = 53 };
		must(addr_parse(text, &three[i].address) == 0);
	}
	c->upstream = three;
	c->n_upstream = N_UPSTREAMS;
}

static void one_of_three(struct dns64_conf *c)
{
	three_upstreams(c);
	c->n_upstream = 1;
}

static unsigned upstream_of(const struct world *w, unsigned i)
{
	return w->sent[i].to.address.octet[15];
}

static uint64_t chance(struct sim *s, unsigned range)
{
	s->seed = s->seed * 6364136223846793005u + 1442695040888963407u;
	return (s->seed >> 33) % range;
}

static struct sim *sim_new(void (*change)(struct dns64_conf *c))
{
	const char *seed = getenv("SIXGATE_TEST_SEED");
	struct sim *s = calloc(1, sizeof(*s));

	s->seed = seed ? strtoull(seed, NULL, 0) : 5452;
	print_message("SIXGATE_TEST_SEED=%llu\n", (unsigned long long)s->seed);
	s->w = world_new(change);
	return s;
}

static void sim_free(struct sim *s)
{
	world_free(s->w);
	free(s);
}

static void sim_answer(struct sim *s, unsigned i)
{
	unsigned u = upstream_of(s->w, i);

	s->done[i] = true;
	if (s->w->sent[i].tcp && s->w->sent[i].over)
		return; /* nobody listens any more */
	if (chance(s, 1000) < s->loss[u] || chance(s, 1000) < s->loss[u])
		return;
	if (s->rcode[u])
		answer(s->w, i, &(struct text){ .flags = s->rcode[u] });
	else
		answer(s->w, i, &(struct text){ .flags = DNS_NXDOMAIN });
}

static void sim_step(struct sim *s)
{
	struct world *w = s->w;

	for (unsigned i = w->n_sent > RECENT ? w->n_sent - RECENT : 0; i < w->n_sent; i++) {
		int delay = s->delay_ms[upstream_of(w, i)];

		if (!s->done[i] && delay != SILENT && w->now_ms >= w->sent[i].at_ms + (uint64_t)delay)
			sim_answer(s, i);
	}
	wait_ms(w, 1);
}

/* One cold name. Return: ms until the client had its answer, NOT_ANSWERED for SERVFAIL. */
static uint64_t cold_name(struct sim *s)
{
	struct world *w = s->w;
	uint64_t start = w->now_ms, took;
	unsigned replies = w->n_replies;
	char name[64];

	snprintf(name, sizeof(name), "cold%u.example. IN A", s->serial++);
	ask_plain(w, name);
	while (w->n_replies == replies)
		sim_step(s);
	took = w->now_ms - start;
	for (unsigned i = 0; i < GAP_MS; i++)
		sim_step(s);
	return (w->reply[3] & DNS_RCODE) == DNS_SERVFAIL ? NOT_ANSWERED : took;
}

/* Return: the slowest of @n, ms. */
static uint64_t cold_names(struct sim *s, unsigned n)
{
	uint64_t slowest = 0;

	for (unsigned i = 0; i < n; i++) {
		uint64_t took = cold_name(s);

		slowest = took > slowest ? took : slowest;
	}
	return slowest;
}

static unsigned n_asked(const struct sim *s, unsigned upstream, unsigned from)
{
	unsigned n = 0;

	for (unsigned i = from; i < s->w->n_sent; i++)
		n += upstream_of(s->w, i) == upstream;
	return n;
}

static void set_delays(struct sim *s, int first, int second, int third)
{
	s->delay_ms[0] = first;
	s->delay_ms[1] = second;
	s->delay_ms[2] = third;
}

static void the_fastest_is_asked_whatever_its_place(void **state)
{
	struct sim *s = sim_new(three_upstreams);
	unsigned from;

	(void)state;
	set_delays(s, 80, 40, 5);
	cold_names(s, 4 * PROBE_SHARE); /* copies have measured the others */
	from = s->w->n_sent;
	assert_in_range(cold_names(s, 320), 0, 7);
	assert_int_equal(n_asked(s, 2, from), 320);
	assert_int_equal(n_asked(s, 0, from), 320 / PROBE_SHARE / 2); /* copies, in turn */
	assert_int_equal(n_asked(s, 1, from), 320 / PROBE_SHARE / 2);
	assert_int_equal(counter_read(&s->w->stats.upstream_probes), 384 / PROBE_SHARE);
	sim_free(s);
}

static void of_equals_the_first_in_the_operators_order(void **state)
{
	struct sim *s = sim_new(three_upstreams);
	unsigned from;

	(void)state;
	set_delays(s, 9, 5, 7);
	cold_names(s, 4 * PROBE_SHARE);
	from = s->w->n_sent;
	cold_names(s, 160);
	assert_int_equal(n_asked(s, 0, from), 160);
	sim_free(s);
}

static void who_becomes_faster_is_found_out_and_who_becomes_slower(void **state)
{
	struct sim *s = sim_new(three_upstreams);

	(void)state;
	set_delays(s, 20, 60, 90);
	cold_names(s, 200);
	set_delays(s, 20, 60, 2);
	cold_names(s, 40 * PROBE_SHARE); /* a copy in every second PROBE_SHARE, smoothed by 1/8 */
	assert_in_range(cold_name(s), 0, 4);
	set_delays(s, 20, 60, 300);
	cold_names(s, 20);
	assert_in_range(cold_name(s), 20, 22);
	sim_free(s);
}

/* RFC 6298 times would have clients wait for it again and again. */
static void nobody_waits_for_who_is_silent(void **state)
{
	struct sim *s = sim_new(three_upstreams);
	unsigned from;

	(void)state;
	set_delays(s, SILENT, 30, 30);
	assert_in_range(cold_names(s, 2 * PROBE_SHARE), RTO_FIRST_MS, RTO_FIRST_MS + 31);
	from = s->w->n_sent;
	assert_in_range(cold_names(s, 100), 0, 32);
	assert_in_range(n_asked(s, 0, from), 0, 100 / PROBE_SHARE + 1); /* copies alone */
	set_delays(s, 2, 30, 30); /* it is back: a copy finds out */
	cold_names(s, 1000);
	assert_in_range(cold_name(s), 0, 4);
	sim_free(s);
}

static void a_dead_one_is_found_dead_in_three_questions_and_alive_by_a_copy(void **state)
{
	struct sim *s = sim_new(three_upstreams);
	unsigned from;

	(void)state;
	set_delays(s, 2, 30, 60);
	cold_names(s, 4 * PROBE_SHARE);
	set_delays(s, SILENT, 30, 60);
	cold_names(s, UPSTREAM_FAILS_MAX);
	assert_true(s->w->r->upstream[0].resting_until_ms > s->w->now_ms);
	from = s->w->n_sent;
	assert_in_range(cold_names(s, 100), 0, 32);
	assert_in_range(n_asked(s, 0, from), 1, 2); /* when its rest is over, a copy */
	assert_true(s->w->r->upstream[0].rest_ms > UPSTREAM_REST_MIN_MS);
	set_delays(s, 2, 30, 60);
	wait_ms(s->w, UPSTREAM_REST_MAX_MS);
	assert_in_range(cold_name(s), 29, 32);
	assert_in_range(cold_names(s, 10), 0, 4);
	sim_free(s);
}

static void a_lossy_path_costs_more_than_its_round_trip(void **state)
{
	struct sim *s = sim_new(three_upstreams);
	unsigned from;

	(void)state;
	set_delays(s, 2, 25, 100);
	s->loss[0] = 333; /* two thirds squared: 4 of 9 come through; each miss costs 100 ms */
	cold_names(s, 10 * PROBE_SHARE);
	from = s->w->n_sent;
	cold_names(s, 100);
	assert_in_range(n_asked(s, 1, from), 80, 110);
	sim_free(s);
}

/* A question fails only if all its attempts do. Lost are 5 of 9 exchanges, a third each way, and
 * there are at least ten attempts: at 0, 0.4 and from then on every half second, or at 0, 0.1, 0.3
 * and 0.7 once the time is measured. (5/9)^10 is 0.3 %, so of 1000 names 3 are expected to fail and
 * more than 20 in none of 10^10 runs. */
static void names_come_through_an_upstream_that_loses_a_third_each_way(void **state)
{
	struct sim *s = sim_new(one_of_three);
	unsigned good = 0;

	(void)state;
	set_delays(s, 20, 0, 0);
	s->loss[0] = 333;
	for (unsigned i = 0; i < 1000; i++)
		good += cold_name(s) < 5000;
	assert_in_range(good, 980, 1000);
	sim_free(s);
}

static void who_knows_nothing_is_asked_less_however_fast(void **state)
{
	struct sim *s = sim_new(three_upstreams);
	unsigned from;

	(void)state;
	set_delays(s, 1, 30, 60);
	s->rcode[0] = DNS_REFUSED;
	cold_names(s, 4 * PROBE_SHARE);
	from = s->w->n_sent;
	cold_names(s, 100);
	assert_in_range(n_asked(s, 0, from), 0, 100 / PROBE_SHARE + 1);
	sim_free(s);
}

/* RFC 5452 5: a copy is no second chance for who forges answers. */
static void a_copy_answers_nobody(void **state)
{
	struct world *w = world_new(NULL);
	unsigned i = 0, copy = 0;
	char name[64];

	(void)state;
	while (counter_read(&w->stats.upstream_probes) == 0) {
		snprintf(name, sizeof(name), "n%u.example. IN A", i++);
		copy = w->n_sent;
		ask_plain(w, name);
		if (counter_read(&w->stats.upstream_probes) == 0)
			answer(w, copy, &(struct text){ .flags = DNS_NXDOMAIN });
	}
	assert_int_equal(w->n_sent, copy + 2);
	assert_int_not_equal(load16(w->sent[copy].wire), load16(w->sent[copy + 1].wire));
	answer(w, copy, &(struct text){ .flags = DNS_NXDOMAIN });
	assert_int_equal(w->n_replies, i - 1);
	answer(w, copy + 1, &(struct text){ .flags = DNS_NXDOMAIN });
	assert_int_equal(w->n_replies, i);
	world_free(w);
}

static void copies_leave_room_and_end(void **state)
{
	struct world *w = world_new(NULL);
	char name[64];

	(void)state;
	for (unsigned i = 0; i < 20 * PROBE_SHARE; i++) {
		snprintf(name, sizeof(name), "n%u.example. IN A", i);
		ask_from(w, &(struct text){ .question = name, .flags = DNS_RD }, "2001:db8:7::1", 0);
	}
	assert_int_equal(counter_read(&w->stats.upstream_probes), 1); /* one at a time */
	wait_ms(w, PROBE_TIME_MS + LOOKUP_TIME_MS);
	assert_int_equal(w->r->idle_lookups.used, 0);
	assert_int_equal(resolver__next(w->r), UINT64_MAX);
	world_free(w);
}

static void the_third_over_tls(struct dns64_conf *c)
{
	static char name[] = "dns.example.";

	three_upstreams(c);
	c->upstream[2].tls = true;
	c->upstream[2].name = name;
}

/* RFC 8310 5: no question leaves in the clear while TLS works, however slow it is. */
static void who_asks_over_tls_is_not_overheard(void **state)
{
	struct sim *s = sim_new(the_third_over_tls);
	unsigned from;

	(void)state;
	set_delays(s, 2, 2, 150);
	cold_names(s, 4 * PROBE_SHARE);
	assert_int_equal(n_asked(s, 0, 0) + n_asked(s, 1, 0), 0);
	set_delays(s, 2, 2, SILENT);
	cold_names(s, 20); /* the last resort */
	assert_in_range(cold_names(s, 100), 0, 4);
	set_delays(s, 2, 2, 150);
	wait_ms(s->w, UPSTREAM_REST_MAX_MS);
	cold_names(s, 20); /* a copy of what went in the clear may go over TLS */
	from = s->w->n_sent;
	cold_names(s, 100);
	assert_int_equal(n_asked(s, 2, from), 100);
	sim_free(s);
}

/* What we ask comes back as a question: it joins its own lookup and ends with it. */
static void a_loop_of_upstreams_ends_rfc1035_7_1(void **state)
{
	struct world *w = world_new(one_of_three);
	struct client c = { .peer = { .sin6_family = AF_INET6 } };
	unsigned n;

	(void)state;
	ask_plain(w, "a.example. IN A");
	n = w->n_sent;
	for (unsigned i = 0; i < 100; i++)
		resolver__query(w->r, &c, w->sent[0].wire, w->sent[0].len);
	assert_int_equal(w->n_sent, n);
	wait_ms(w, LOOKUP_TIME_MS);
	assert_in_range(w->n_sent, n, ASKS_MAX);
	assert_int_equal(w->n_replies, 101);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_fastest_is_asked_whatever_its_place),
		cmocka_unit_test(of_equals_the_first_in_the_operators_order),
		cmocka_unit_test(who_becomes_faster_is_found_out_and_who_becomes_slower),
		cmocka_unit_test(nobody_waits_for_who_is_silent),
		cmocka_unit_test(a_dead_one_is_found_dead_in_three_questions_and_alive_by_a_copy),
		cmocka_unit_test(a_lossy_path_costs_more_than_its_round_trip),
		cmocka_unit_test(names_come_through_an_upstream_that_loses_a_third_each_way),
		cmocka_unit_test(who_knows_nothing_is_asked_less_however_fast),
		cmocka_unit_test(a_copy_answers_nobody),
		cmocka_unit_test(who_asks_over_tls_is_not_overheard),
		cmocka_unit_test(copies_leave_room_and_end),
		cmocka_unit_test(a_loop_of_upstreams_ends_rfc1035_7_1),
	};

	return cmocka_run_group_tests_name("dns64/choice", tests, NULL, NULL);
}
