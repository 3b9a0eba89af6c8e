/*
 * test_fair.c - a pool that is too small for all who come, one after another: as sessions end,
 * everybody gets to an even share, and in the end nothing is missing (RFC 6888 REQ-4).
 *
 * Why a factor of two: whole blocks are given out, of which an even share is 4 of 64 ports for 200
 * subscribers and 1008 blocks, beside up to 64 ports one by one for who came late; a block or a part
 * of that more or less is less than twice. (Of a tiny pool each has 4 ports, one more or less.)
 */
#include "bed.h"
#include "nat64_internal.h"

enum { EARLY = 100, ALL = 200, ROUND_MS = 60000, DEALS_PER_ROUND = 30, SESSIONS_MAX = 65536 };

/** struct crowd - everybody's sessions; @next_port: of the host, so that each is a new mapping */
struct crowd {
	struct bed *b;
	uint64_t seed;
	uint32_t n;
	uint32_t has[ALL], next_port[ALL];
	struct {
		struct flow_plan plan;
		uint32_t who;
	} session[SESSIONS_MAX];
};

static bool ask(struct crowd *c, uint32_t who)
{
	struct tuple t = tuple_of("2001:db8:1::1", "64:ff9b:1::203.0.113.9",
				  (uint16_t)(1024 + c->next_port[who]), 80, 17);
	struct flow_plan plan;

	t.src.octet[7] = (uint8_t)who;
	t.src.octet[15] = (uint8_t)(c->next_port[who] / 60000 + 1);
	if (bed_open(c->b, &t, &plan).next != VERDICT_CONTINUE)
		return false;
	c->next_port[who] = (c->next_port[who] + 1) % 600000;
	c->session[c->n].plan = plan;
	c->session[c->n++].who = who;
	c->has[who]++;
	return true;
}

/* Everybody in turn, until nobody gets any more. */
static void all_ask(struct crowd *c, uint32_t n_hosts)
{
	bool refused[ALL] = { false };
	uint32_t left = n_hosts;

	while (left)
		for (uint32_t who = 0; who < n_hosts; who++) {
			if (refused[who] || ask(c, who))
				continue;
			refused[who] = true;
			left--;
		}
}

static void end_session(struct crowd *c, uint32_t i)
{
	bed_end(c->b, &c->session[i].plan);
	c->has[c->session[i].who]--;
	c->session[i] = c->session[--c->n];
}

/* RFC 4787 REQ-5: an idle session ends after five minutes: one in five each minute. Meanwhile control lends
 * blocks where it should. */
static void minutes_go_by(struct crowd *c, unsigned n, uint32_t n_hosts)
{
	while (n--) {
		for (uint32_t i = 0; i < c->n;)
			if (rnd(&c->seed) % 5 == 0)
				end_session(c, i);
			else
				i++;
		bed_advance(c->b, ROUND_MS);
		for (unsigned i = 0; i < DEALS_PER_ROUND && bed_lend(c->b, NAT64_UDP); i++)
			;
		all_ask(c, n_hosts);
	}
}

static void assert_even(const struct crowd *c, uint32_t n_ports, uint32_t n_hosts)
{
	uint32_t least = UINT32_MAX, most = 0, sum = 0;

	for (uint32_t i = 0; i < n_hosts; i++) {
		least = c->has[i] < least ? c->has[i] : least;
		most = c->has[i] > most ? c->has[i] : most;
		sum += c->has[i];
	}
	print_message("%u ports: %u in use, %u to %u each\n", n_ports, sum, least, most);
	assert_in_range(most, least, 2 * least + 1);
	assert_in_range(sum, n_ports / 2, n_ports);
}

static struct crowd *crowd_of(unsigned n_workers, uint16_t first, uint16_t last)
{
	struct crowd *c = calloc(1, sizeof(*c));

	must(c);
	c->seed = 7;
	c->b = bed_new(n_workers);
	bed_prefix(c->b, "64:ff9b:1::/96");
	bed_pool(c->b, "192.0.2.1", "192.0.2.1", first, last);
	c->b->conf.quarantine.time_s = 120;
	bed_up(c->b, 100000);
	return c;
}

static void all_go(struct crowd *c)
{
	while (c->n)
		end_session(c, c->n - 1);
	bed_advance(c->b, 121000);
	for (unsigned i = 0; i < c->b->n_workers; i++) {
		const struct nat64 *n = c->b->n[i];
		const struct supply *s = &n->ports.supply[PROTO_UDP][CLASS_OTHER];

		assert_int_equal(nat64_subscribers(n), 0);
		assert_int_equal(nat64_ports_used(n), 0);
		assert_int_equal(nat64_mappings(n), 0);
		assert_int_equal(n->ports.n_holders, 0);
		assert_int_equal(s->free, s->blocks);
		assert_int_equal(s->singles, 0);
	}
	bed_free(c->b);
	free(c);
}

static void late_subscribers_get_to_an_even_share(void **state)
{
	struct crowd *c = crowd_of(1, 1024, 65535);

	(void)state;
	all_ask(c, EARLY); /* they take everything, an eighth apart */
	for (uint32_t i = 0; i < EARLY; i++)
		assert_in_range(c->has[i], 300, 700);
	all_ask(c, ALL);
	for (uint32_t i = EARLY; i < ALL; i++)
		assert_in_range(c->has[i], 16, 100);
	minutes_go_by(c, 60, ALL);
	assert_even(c, 64512, ALL);
	all_go(c);
}

/* Of whichever worker: blocks come from those that have more for each of theirs. */
static void late_subscribers_of_several_workers_get_to_an_even_share(void **state)
{
	(void)state;
	for (unsigned n_workers = 4; n_workers <= 8; n_workers *= 2) {
		struct crowd *c = crowd_of(n_workers, 1024, 65535);

		print_message("%u workers\n", n_workers);
		all_ask(c, EARLY);
		all_ask(c, ALL);
		minutes_go_by(c, 60, ALL);
		assert_even(c, 64512, ALL);
		all_go(c);
	}
}

static unsigned worker_of(const struct crowd *c, uint32_t who)
{
	struct tuple t = tuple_of("2001:db8:1::1", "64:ff9b:1::203.0.113.9", 1024, 80, 17);

	t.src.octet[7] = (uint8_t)who;
	return table__worker_of(c->b->t, &t.src);
}

/* One is alone on his worker and takes all he gets; those of the other worker come late. */
static void who_is_alone_on_a_worker_leaves_others_an_even_share(void **state)
{
	struct crowd *c = crowd_of(2, 1024, 1024 + 320 * 64 - 1);
	uint32_t hog = 0, least = UINT32_MAX;

	(void)state;
	while (worker_of(c, hog) != 0)
		hog++;
	for (unsigned i = 0; i < 100; i++) {
		while (ask(c, hog))
			;
		bed_lend(c->b, NAT64_UDP);
	}
	for (unsigned round = 0; round < 120; round++) { /* of half a minute: nobody's wish is forgotten */
		for (uint32_t i = 0; i < c->n;)
			if (rnd(&c->seed) % 10 == 0)
				end_session(c, i);
			else
				i++;
		bed_advance(c->b, ROUND_MS / 2);
		for (unsigned i = 0; i < DEALS_PER_ROUND && bed_lend(c->b, NAT64_UDP); i++)
			;
		for (uint32_t who = 0; who < ALL; who++)
			while ((who == hog || worker_of(c, who) == 1) && ask(c, who))
				;
	}
	for (uint32_t who = 0; who < ALL; who++)
		if (worker_of(c, who) == 1 && c->has[who] < least)
			least = c->has[who];
	print_message("alone: %u, of the others at least %u\n", c->has[hog], least);
	assert_in_range(c->has[hog], least, 2 * least + 1);
	all_go(c);
}

/* Workers look at the clock one after another. */
static void wish_of_a_worker_counts_whose_clock_is_ahead(void **state)
{
	struct crowd *c = crowd_of(2, 1024, 65535);
	struct bed *b = c->b;

	(void)state;
	b->now_ms = 9999;
	nat64_advance(b->n[0], b->now_ms);
	b->n[1]->ports.wanted_s[PROTO_UDP] = 10 + 1;
	nat64_advance(b->n[1], 10000);
	nat64_tell_others(b->n, 2);
	assert_true(share__is_wanted(b->n[0], PROTO_UDP));
	assert_false(share__is_wanted(b->n[0], PROTO_TCP));
	nat64_advance(b->n[0], 70 * 1000);
	assert_false(share__is_wanted(b->n[0], PROTO_UDP));
	all_go(c);
}

static void late_subscribers_of_a_tiny_pool_get_to_an_even_share(void **state)
{
	struct crowd *c = crowd_of(1, 40010, 40010 + 800 - 1);

	(void)state;
	all_ask(c, EARLY);
	assert_int_equal(c->n, 800);
	assert_false(ask(c, ALL - 1));
	minutes_go_by(c, 30, ALL);
	assert_even(c, 800, ALL);
	all_go(c);
}

/* Who is alone again with what he has keeps it: nobody wants it. */
static void big_share_that_nobody_wants_stays(void **state)
{
	struct crowd *c = crowd_of(1, 1024, 65535);
	uint32_t had;

	(void)state;
	while (ask(c, 0))
		;
	had = c->has[0];
	assert_in_range(had, 60000, 64512);
	ask(c, 1);
	for (unsigned i = 0; i < 1000; i++) {
		end_session(c, 1 + i); /* the newcomer's takes the first one's place */
		assert_true(ask(c, 0));
	}
	assert_in_range(c->has[0], had - 1, had + 1);
	all_go(c);
}

/* A second one has too little beside one who had all, until there is enough for both. */
static void bigger_pool_is_there_at_once(void **state)
{
	struct crowd *c = crowd_of(1, 1024, 1024 + 400 * 64 - 1);
	uint32_t had;

	(void)state;
	while (ask(c, 0))
		;
	all_ask(c, 2);
	had = c->has[0];
	bed_reload(c->b); /* as when blocks are lent */
	assert_false(ask(c, 0));
	bed_pool(c->b, "192.0.2.2", "192.0.2.2", 1024, 1024 + 300 * 64 - 1);
	bed_reload(c->b);
	bed_advance(c->b, 1);
	for (unsigned i = 0; i < 1000; i++)
		assert_true(ask(c, 0));
	assert_int_equal(c->has[0], had + 1000);
	all_go(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(late_subscribers_get_to_an_even_share),
		cmocka_unit_test(late_subscribers_of_several_workers_get_to_an_even_share),
		cmocka_unit_test(who_is_alone_on_a_worker_leaves_others_an_even_share),
		cmocka_unit_test(wish_of_a_worker_counts_whose_clock_is_ahead),
		cmocka_unit_test(late_subscribers_of_a_tiny_pool_get_to_an_even_share),
		cmocka_unit_test(bigger_pool_is_there_at_once),
		cmocka_unit_test(big_share_that_nobody_wants_stays),
	};

	return cmocka_run_group_tests_name("nat64/fair", tests, NULL, NULL);
}
