/* test_speaker.c - when what is said on an interface (RFC 4861 6.2), in virtual time. */
#include "test.h"
#include "sixgate/base/must.h"
#include "sixgate/ra/speaker.h"

enum { MAX_MS = 600000, SAID_MAX = 512 };

static const struct addr unspecified;

/** struct sent - what a speaker wanted to be sent, and when. */
struct sent {
	uint64_t at;
	struct ra_order order;
};

struct world {
	struct ra_speaker speaker;
	uint64_t now;
	struct sent sent[SAID_MAX];
	size_t n;
	bool link_is_down;
};

static struct world w;

static struct prefix prefix_of(const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(text, &p), 0);
	return p;
}

static struct addr addr_of(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static struct ra_conf conf_of(const char *prefix, uint32_t lifetime_s)
{
	struct ra_conf c = { .max_ms = MAX_MS, .message.n_pref64 = 1 };

	c.message.pref64[0] = (struct ra_pref64){ prefix_of(prefix), lifetime_s };
	return c;
}

static void begin(const struct ra_conf *c, uint64_t seed)
{
	memset(&w, 0, sizeof(w));
	w.now = 1000000;
	ra_speaker_begin(&w.speaker, c, seed, w.now);
}

static void step(void)
{
	struct ra_order order;

	while (ra_speaker_step(&w.speaker, w.now, &order)) {
		if (w.link_is_down) {
			ra_speaker_not_sent(&w.speaker, &order, w.now);
			continue;
		}
		assert_true(w.n < SAID_MAX);
		w.sent[w.n++] = (struct sent){ w.now, order };
	}
}

/* To @until by the speaker's own wakings, as a loop would. */
static void run_to(uint64_t until)
{
	step();
	while (ra_speaker_next(&w.speaker) <= until) {
		uint64_t next = ra_speaker_next(&w.speaker);

		assert_true(next >= w.now);
		w.now = next;
		step();
	}
	w.now = until;
}

static void run_for(uint64_t ms)
{
	run_to(w.now + ms);
}

static size_t count(enum ra_order_kind kind)
{
	size_t n = 0;

	for (size_t i = 0; i < w.n; i++)
		n += w.sent[i].order.kind == kind;
	return n;
}

static const struct sent *last(void)
{
	assert_true(w.n > 0);
	return &w.sent[w.n - 1];
}

/* Past the round of listening, with nobody there. */
static void begin_speaking(const struct ra_conf *c, uint64_t seed)
{
	begin(c, seed);
	run_for(RA_LISTEN_MS);
	assert_int_equal(w.speaker.state, RA_SPEAKING);
	assert_int_equal(last()->order.kind, RA_SEND_MULTICAST);
}

static const struct ra_message default_router = { .router_lifetime_s = 1800 };
static const struct ra_message router_farewell = { .router_lifetime_s = 0 };

static void nothing_is_said_before_a_round_of_listening(void **state)
{
	struct ra_conf c = conf_of("64:ff9b::/96", 1800);

	(void)state;
	begin(&c, 1);
	run_for(RA_LISTEN_MS - 1);
	assert_int_equal(count(RA_SEND_SOLICITATION), RA_SOLICITATIONS);
	assert_int_equal(w.n, RA_SOLICITATIONS);
	assert_int_equal(w.sent[1].at - w.sent[0].at, RA_SOLICIT_INTERVAL_MS);
	/* whoever was asked last has time to answer (RFC 4861 6.2.6) */
	assert_true(w.sent[0].at + RA_BETWEEN_MS + RA_DELAY_MS < w.now);
	run_for(1);
	assert_int_equal(count(RA_SEND_MULTICAST), 1);
	assert_int_equal(last()->order.message.n_pref64, 1);
	assert_int_equal(last()->order.message.pref64[0].lifetime_s, 1800);
	assert_int_equal(last()->order.message.router_lifetime_s, 0);
}

static void rfc4861_6_2_4_the_first_are_close_together_the_rest_apart(void **state)
{
	struct ra_conf c = conf_of("64:ff9b::/96", 1800);
	uint64_t seed = test_seed();

	(void)state;
	for (int round = 0; round < 50; round++) {
		uint64_t least = UINT64_MAX, most = 0;

		begin_speaking(&c, rnd(&seed));
		run_for(3600000ull * 6);
		w.n -= RA_SOLICITATIONS;
		memmove(w.sent, w.sent + RA_SOLICITATIONS, w.n * sizeof(*w.sent));
		for (size_t i = 1; i < w.n; i++) {
			uint64_t gap = w.sent[i].at - w.sent[i - 1].at;

			if (i < RA_INITIAL) {
				assert_int_equal(gap, RA_INITIAL_INTERVAL_MS);
				continue;
			}
			least = gap < least ? gap : least;
			most = gap > most ? gap : most;
		}
		assert_true(least >= MAX_MS / 3 && most <= MAX_MS);
		assert_true(most - least > MAX_MS / 4); /* 6.2.4: they are random */
	}
}

static void rfc4861_6_2_1_short_intervals_are_kept_too(void **state)
{
	struct ra_conf c = conf_of("64:ff9b::/96", 1800);

	(void)state;
	c.max_ms = RA_INTERVAL_MIN_S * 1000;
	begin_speaking(&c, 7);
	run_for(60000);
	for (size_t i = RA_SOLICITATIONS + 1; i < w.n; i++) {
		uint64_t gap = w.sent[i].at - w.sent[i - 1].at;

		assert_true(gap >= RA_BETWEEN_MS && gap <= c.max_ms);
	}
}

static void rfc4861_6_2_6_who_asks_is_answered_alone_and_soon(void **state)
{
	struct ra_conf c = conf_of("64:ff9b::/96", 1800);
	struct addr host = addr_of("fe80::5");
	size_t before;
	uint64_t asked;

	(void)state;
	begin_speaking(&c, 3);
	run_for(100000);
	before = w.n;
	asked = w.now;
	ra_speaker_solicited(&w.speaker, &host, w.now);
	ra_speaker_solicited(&w.speaker, &host, w.now); /* one answer is enough */
	run_for(RA_DELAY_MS);
	assert_int_equal(w.n, before + 1);
	assert_int_equal(last()->order.kind, RA_SEND_UNICAST);
	assert_memory_equal(&last()->order.to, &host, 16);
	assert_int_equal(last()->order.message.pref64[0].lifetime_s, 1800);
	assert_true(last()->at - asked <= RA_DELAY_MS);
}

static void rfc4861_6_2_6_who_has_no_address_is_answered_with_all(void **state)
{
	struct ra_conf c = conf_of("64:ff9b::/96", 1800);
	size_t before;
	uint64_t first;

	(void)state;
	begin_speaking(&c, 3);
	run_for(100000);
	before = w.n;
	for (int i = 0; i < 20; i++) {
		ra_speaker_solicited(&w.speaker, &unspecified, w.now);
		run_for(25);
	}
	run_for(RA_DELAY_MS);
	assert_int_equal(w.n, before + 1);
	assert_int_equal(last()->order.kind, RA_SEND_MULTICAST);
	first = last()->at;
	/* 6.2.6: not again within MIN_DELAY_BETWEEN_RAS */
	ra_speaker_solicited(&w.speaker, &unspecified, w.now);
	run_for(10000);
	assert_int_equal(w.n, before + 2);
	assert_true(last()->at >= first + RA_BETWEEN_MS);
	assert_true(last()->at <= first + RA_BETWEEN_MS + RA_DELAY_MS);
}

static void a_flood_of_solicitations_is_answered_with_one_to_all(void **state)
{
	struct ra_conf c = conf_of("64:ff9b::/96", 1800);
	struct addr host = addr_of("fe80::5:0");
	size_t before, n_multicast;

	(void)state;
	begin_speaking(&c, 3);
	run_for(100000);
	before = count(RA_SEND_UNICAST);
	n_multicast = count(RA_SEND_MULTICAST);
	for (unsigned i = 0; i < 10000; i++) { /* in one second */
		host.octet[14] = (uint8_t)(i >> 8);
		host.octet[15] = (uint8_t)i;
		ra_speaker_solicited(&w.speaker, &host, w.now);
		if (i % 10 == 0)
			run_for(1);
	}
	run_for(2000);
	assert_int_equal(count(RA_SEND_MULTICAST), n_multicast + 1);
	assert_true(count(RA_SEND_UNICAST) - before <= 200);
	assert_true(w.speaker.n_answer <= RA_ANSWERS_MAX);
}

static void solicitations_change_nothing_before_we_speak(void **state)
{
	struct ra_conf c = conf_of("64:ff9b::/96", 1800);
	struct addr host = addr_of("fe80::5");

	(void)state;
	begin(&c, 3);
	run_for(1000);
	ra_speaker_solicited(&w.speaker, &host, w.now);
	ra_speaker_solicited(&w.speaker, &unspecified, w.now);
	run_for(RA_LISTEN_MS - 1001);
	assert_int_equal(w.n, count(RA_SEND_SOLICITATION));
}

static void a_daemon_with_our_address_is_heard_while_listening(void **state)
{
	struct ra_conf c = conf_of("64:ff9b::/96", 1800);

	(void)state;
	begin(&c, 3);
	run_for(700);
	assert_true(ra_speaker_heard(&w.speaker, &default_router, true, w.now));
	assert_false(ra_speaker_heard(&w.speaker, &default_router, true, w.now)); /* said once */
	assert_int_equal(w.speaker.state, RA_SILENT);
	for (int i = 0; i < 100; i++) { /* it goes on for hours */
		run_for(600000);
		assert_false(ra_speaker_heard(&w.speaker, &default_router, true, w.now));
	}
	assert_int_equal(w.n, 1); /* the solicitation */
	ra_speaker_end(&w.speaker, RA_FINAL_GAP_MS, w.now);
	run_for(10000);
	assert_int_equal(w.n, 1);
	assert_int_equal(w.speaker.state, RA_ENDED);
}

static void a_daemon_that_comes_later_silences_us_without_a_farewell(void **state)
{
	struct ra_conf c = conf_of("64:ff9b::/96", 1800), none = { .max_ms = MAX_MS };
	struct addr host = addr_of("fe80::5");
	size_t before;

	(void)state;
	begin_speaking(&c, 3);
	run_for(100000);
	ra_speaker_solicited(&w.speaker, &host, w.now);
	before = w.n;
	assert_true(ra_speaker_heard(&w.speaker, &default_router, true, w.now));
	ra_speaker_change(&w.speaker, &none, w.now); /* nor is a prefix withdrawn */
	ra_speaker_solicited(&w.speaker, &unspecified, w.now);
	run_for(RA_SILENT_MIN_MS - 1);
	assert_int_equal(w.n, before);
	ra_speaker_end(&w.speaker, RA_BETWEEN_MS, w.now);
	run_for(60000);
	assert_int_equal(w.n, before);
}

static void a_daemon_is_believed_as_long_as_its_lifetime(void **state)
{
	struct ra_conf c = conf_of("64:ff9b::/96", 1800);
	const struct ra_message long_lived = { .router_lifetime_s = 9000 };

	(void)state;
	begin(&c, 3);
	step();
	ra_speaker_heard(&w.speaker, &long_lived, true, w.now);
	run_for(8999999);
	assert_int_equal(w.n, 1);
	run_for(1 + RA_LISTEN_MS); /* then it is asked for, and not there */
	assert_int_equal(count(RA_SEND_SOLICITATION), 1 + RA_SOLICITATIONS);
	assert_int_equal(w.speaker.state, RA_SPEAKING);
}

static void after_a_daemons_farewell_we_listen_again_and_speak(void **state)
{
	struct ra_conf c = conf_of("64:ff9b::/96", 1800);

	(void)state;
	begin(&c, 3);
	step();
	ra_speaker_heard(&w.speaker, &default_router, true, w.now);
	run_for(5000);
	ra_speaker_heard(&w.speaker, &router_farewell, true, w.now);
	run_for(RA_GONE_MS - 1);
	assert_int_equal(w.n, 1);
	run_for(1);
	assert_int_equal(w.speaker.state, RA_LISTENING);
	run_for(RA_LISTEN_MS);
	assert_int_equal(count(RA_SEND_MULTICAST), 1);
}

static void another_router_does_not_silence_us(void **state)
{
	struct ra_conf c = conf_of("64:ff9b::/96", 1800);
	const struct ra_message managed = { .router_lifetime_s = 1800, .managed = true, .other = true };

	(void)state;
	begin(&c, 3);
	step();
	assert_false(ra_speaker_heard(&w.speaker, &managed, false, w.now));
	run_for(RA_LISTEN_MS);
	assert_int_equal(last()->order.kind, RA_SEND_MULTICAST);
	assert_int_equal(last()->order.message.router_lifetime_s, 0);
	/* RFC 4861 6.2.7: flags of routers on one link must not differ */
	assert_true(last()->order.message.managed);
	assert_true(last()->order.message.other);
	ra_speaker_heard(&w.speaker, &default_router, false, w.now);
	run_for(20000);
	assert_false(last()->order.message.managed);
	assert_false(last()->order.message.other);
	ra_speaker_heard(&w.speaker, &managed, false, w.now);
	ra_speaker_heard(&w.speaker, &router_farewell, false, w.now); /* says nothing of the link */
	run_for(20000);
	assert_true(last()->order.message.managed);
}

static void rfc8781_4_1_farewells_have_lifetime_zero_and_are_repeated(void **state)
{
	struct ra_conf c = conf_of("64:ff9b::/96", 1800);
	size_t before;

	(void)state;
	c.message.router_lifetime_s = 1800;
	begin_speaking(&c, 3);
	run_for(100000);
	before = w.n;
	ra_speaker_end(&w.speaker, RA_FINAL_GAP_MS, w.now);
	run_for(RA_FINAL_GAP_MS * RA_FINAL);
	assert_int_equal(w.n, before + RA_FINAL);
	for (size_t i = before; i < w.n; i++) {
		assert_int_equal(w.sent[i].order.kind, RA_SEND_MULTICAST);
		assert_int_equal(w.sent[i].order.message.n_pref64, 1);
		assert_int_equal(w.sent[i].order.message.pref64[0].lifetime_s, 0);
		assert_int_equal(w.sent[i].order.message.router_lifetime_s, 0);
	}
	assert_int_equal(w.speaker.state, RA_ENDED);
	assert_true(ra_speaker_next(&w.speaker) == UINT64_MAX);
}

static void rfc4861_6_2_5_with_time_farewells_keep_their_distance(void **state)
{
	struct ra_conf c = conf_of("64:ff9b::/96", 1800);
	size_t before;

	(void)state;
	begin_speaking(&c, 3);
	before = w.n;
	ra_speaker_end(&w.speaker, RA_BETWEEN_MS, w.now);
	run_for(60000);
	assert_int_equal(w.n, before + RA_FINAL);
	for (size_t i = before; i < w.n; i++)
		assert_true(w.sent[i].at - w.sent[i - 1].at >= RA_BETWEEN_MS);
}

static void a_farewell_under_way_can_be_hurried(void **state)
{
	struct ra_conf c = conf_of("64:ff9b::/96", 1800);
	size_t before;

	(void)state;
	begin_speaking(&c, 3);
	run_for(100000);
	before = w.n;
	ra_speaker_end(&w.speaker, RA_BETWEEN_MS, w.now);
	step();
	ra_speaker_end(&w.speaker, RA_FINAL_GAP_MS, w.now);
	ra_speaker_end(&w.speaker, RA_BETWEEN_MS, w.now); /* not slowed down again */
	run_for(RA_FINAL_GAP_MS * RA_FINAL);
	assert_int_equal(w.n, before + RA_FINAL);
}

static void before_anything_was_said_there_is_no_farewell(void **state)
{
	struct ra_conf c = conf_of("64:ff9b::/96", 1800);

	(void)state;
	begin(&c, 3);
	run_for(3000);
	ra_speaker_end(&w.speaker, RA_FINAL_GAP_MS, w.now);
	run_for(10000);
	assert_int_equal(count(RA_SEND_MULTICAST), 0);
	assert_int_equal(w.speaker.state, RA_ENDED);
}

static void a_daemon_heard_among_farewells_ends_them(void **state)
{
	struct ra_conf c = conf_of("64:ff9b::/96", 1800);
	size_t before;

	(void)state;
	begin_speaking(&c, 3);
	run_for(100000);
	ra_speaker_end(&w.speaker, RA_FINAL_GAP_MS, w.now);
	step();
	before = w.n;
	ra_speaker_heard(&w.speaker, &default_router, true, w.now);
	run_for(10000);
	assert_int_equal(w.n, before);
	assert_int_equal(w.speaker.state, RA_ENDED);
}

static void rfc8781_4_1_a_changed_prefix_is_withdrawn_beside_the_new_one(void **state)
{
	struct ra_conf c = conf_of("64:ff9b::/96", 1800), other = conf_of("2001:db8:64::/96", 1800);
	size_t before, n_withdrawn = 0;

	(void)state;
	begin_speaking(&c, 3);
	run_for(100000);
	before = w.n;
	ra_speaker_change(&w.speaker, &other, w.now);
	run_for(1);
	assert_int_equal(w.n, before + 1); /* at once */
	run_for(3600000);
	for (size_t i = before; i < w.n; i++) {
		const struct ra_message *m = &w.sent[i].order.message;

		assert_int_equal(m->pref64[0].lifetime_s, 1800);
		assert_memory_equal(&m->pref64[0].prefix.addr, &other.message.pref64[0].prefix.addr, 16);
		if (m->n_pref64 == 1)
			continue;
		assert_int_equal(m->n_pref64, 2);
		assert_int_equal(m->pref64[1].lifetime_s, 0);
		assert_memory_equal(&m->pref64[1].prefix.addr, &c.message.pref64[0].prefix.addr, 16);
		assert_int_equal(i, before + n_withdrawn++);
	}
	assert_int_equal(n_withdrawn, RA_FINAL);
}

static void a_prefix_that_comes_back_is_withdrawn_no_more(void **state)
{
	struct ra_conf c = conf_of("64:ff9b::/96", 1800), other = conf_of("2001:db8:64::/96", 1800);

	(void)state;
	begin_speaking(&c, 3);
	run_for(100000);
	ra_speaker_change(&w.speaker, &other, w.now);
	run_for(4000);
	ra_speaker_change(&w.speaker, &c, w.now);
	run_for(4000);
	assert_int_equal(last()->order.message.n_pref64, 2);
	assert_memory_equal(&last()->order.message.pref64[0].prefix.addr,
			    &c.message.pref64[0].prefix.addr, 16);
	assert_int_equal(last()->order.message.pref64[0].lifetime_s, 1800);
	assert_int_equal(last()->order.message.pref64[1].lifetime_s, 0);
}

static void what_changes_is_said_soon_and_repeated(void **state)
{
	struct ra_conf c = conf_of("64:ff9b::/96", 1800), ill = conf_of("64:ff9b::/96", 0);
	size_t before;

	(void)state;
	begin_speaking(&c, 3);
	run_for(100000);
	before = w.n;
	ra_speaker_change(&w.speaker, &ill, w.now);
	run_for(RA_INITIAL_INTERVAL_MS * 2 + 1);
	assert_int_equal(w.n, before + RA_INITIAL);
	for (size_t i = before; i < w.n; i++)
		assert_int_equal(w.sent[i].order.message.pref64[0].lifetime_s, 0);
	/* 6.2.4: and not more often than every three seconds, however often it changes */
	before = w.n;
	for (int i = 0; i < 100; i++) {
		ra_speaker_change(&w.speaker, i % 2 ? &ill : &c, w.now);
		run_for(100);
	}
	assert_true(w.n - before <= 10000 / RA_BETWEEN_MS + 1);
	before = w.n;
	ra_speaker_change(&w.speaker, &ill, w.now); /* nothing new */
	run_for(100);
	assert_int_equal(w.n, before);
}

static void while_the_link_is_down_nobody_was_listened_to(void **state)
{
	struct ra_conf c = conf_of("64:ff9b::/96", 1800);

	(void)state;
	begin(&c, 3);
	w.link_is_down = true;
	run_for(60000);
	assert_int_equal(w.speaker.state, RA_LISTENING);
	w.link_is_down = false;
	run_for(RA_RETRY_MS + RA_LISTEN_MS - 1);
	assert_int_equal(count(RA_SEND_SOLICITATION), RA_SOLICITATIONS);
	run_for(1000);
	assert_int_equal(count(RA_SEND_MULTICAST), 1);
}

static void after_the_link_was_down_the_first_are_close_together_again(void **state)
{
	struct ra_conf c = conf_of("64:ff9b::/96", 1800);
	size_t before;

	(void)state;
	begin_speaking(&c, 3);
	run_for(100000);
	before = w.n;
	w.link_is_down = true;
	run_for(MAX_MS * 2);
	w.link_is_down = false;
	run_for(RA_INITIAL_INTERVAL_MS * 2 + RA_RETRY_MS);
	assert_int_equal(w.n, before + RA_INITIAL);
	w.link_is_down = true; /* a farewell that cannot be sent is not waited for */
	ra_speaker_end(&w.speaker, RA_FINAL_GAP_MS, w.now);
	run_for(RA_FINAL_GAP_MS * RA_FINAL);
	assert_int_equal(w.speaker.state, RA_ENDED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_said_before_a_round_of_listening),
		cmocka_unit_test(rfc4861_6_2_4_the_first_are_close_together_the_rest_apart),
		cmocka_unit_test(rfc4861_6_2_1_short_intervals_are_kept_too),
		cmocka_unit_test(rfc4861_6_2_6_who_asks_is_answered_alone_and_soon),
		cmocka_unit_test(rfc4861_6_2_6_who_has_no_address_is_answered_with_all),
		cmocka_unit_test(a_flood_of_solicitations_is_answered_with_one_to_all),
		cmocka_unit_test(solicitations_change_nothing_before_we_speak),
		cmocka_unit_test(a_daemon_with_our_address_is_heard_while_listening),
		cmocka_unit_test(a_daemon_that_comes_later_silences_us_without_a_farewell),
		cmocka_unit_test(a_daemon_is_believed_as_long_as_its_lifetime),
		cmocka_unit_test(after_a_daemons_farewell_we_listen_again_and_speak),
		cmocka_unit_test(another_router_does_not_silence_us),
		cmocka_unit_test(rfc8781_4_1_farewells_have_lifetime_zero_and_are_repeated),
		cmocka_unit_test(rfc4861_6_2_5_with_time_farewells_keep_their_distance),
		cmocka_unit_test(a_farewell_under_way_can_be_hurried),
		cmocka_unit_test(before_anything_was_said_there_is_no_farewell),
		cmocka_unit_test(a_daemon_heard_among_farewells_ends_them),
		cmocka_unit_test(rfc8781_4_1_a_changed_prefix_is_withdrawn_beside_the_new_one),
		cmocka_unit_test(a_prefix_that_comes_back_is_withdrawn_no_more),
		cmocka_unit_test(what_changes_is_said_soon_and_repeated),
		cmocka_unit_test(while_the_link_is_down_nobody_was_listened_to),
		cmocka_unit_test(after_the_link_was_down_the_first_are_close_together_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
