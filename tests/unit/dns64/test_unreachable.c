/* test_unreachable.c - the network gives a question back (ICMP): the next upstream is asked at once, and
 * nothing else comes of it, for anybody who has seen the question can say so (RFC 5927). */
#include "fixture.h"
#include <stdio.h>
#include "sixgate/base/must.h"
#include "sixgate/base/wire.h"

static const struct text a_record = { .answer = { "a.example. 300 IN A 8.8.8.8" } };
#define TOLD "NOERROR rd ra\na.example. 300 IN A 8.8.8.8\n"
enum { WHOLE = 4096 };

/* struct quoted - of sent[@i]: @len octets at most, octet @flip changed, from another socket or to another
 * address or port. */
struct quoted {
	unsigned i;
	size_t len, flip;
	bool flipped, other_socket, other_address, other_port;
};

static void give_back(struct world *w, struct quoted q)
{
	const struct sent *s = &w->sent[q.i];
	struct sockaddr_in6 to = { .sin6_family = AF_INET6 };
	uint8_t wire[512];
	struct datagram d = { .socket = (s->socket + q.other_socket) % 4,
			      .from = &to,
			      .wire = wire,
			      .len = q.len < s->len ? q.len : s->len };

	assert_true(q.i < w->n_sent && !s->tcp);
	memcpy(wire, s->wire, s->len);
	wire[q.flip] ^= q.flipped;
	memcpy(to.sin6_addr.s6_addr, s->to.address.octet, 16);
	to.sin6_addr.s6_addr[15] ^= q.other_address;
	to.sin6_port = be16_from((uint16_t)(s->to.port + q.other_port)).raw;
	resolver__unreachable(w->r, &d);
}

static const char *asked(const struct world *w, unsigned i)
{
	static char text[ADDR_TEXT_MAX];

	assert_true(i < w->n_sent);
	return addr_format(&w->sent[i].to.address, text);
}

static uint64_t n_believed(const struct world *w)
{
	return counter_read(&w->stats.upstream_unreachable);
}

static uint64_t n_ignored(const struct world *w)
{
	return counter_read(&w->stats.unreachable_ignored);
}

static void one_upstream(struct dns64_conf *c)
{
	c->n_upstream = 1;
}

static void mixed_case(struct dns64_conf *c)
{
	c->randomize_case = true;
}

static void the_next_upstream_is_asked_at_once(void **state)
{
	struct world *w = world_new(NULL);

	(void)state;
	ask_plain(w, "a.example. IN A");
	give_back(w, (struct quoted){ .i = 0, .len = WHOLE });
	assert_int_equal(w->n_sent, 2);
	assert_string_equal(asked(w, 1), "192.0.2.53");
	assert_int_equal(w->sent[1].at_ms, w->sent[0].at_ms);
	assert_int_equal(n_believed(w), 1);
	answer(w, 1, &a_record);
	assert_string_equal(told(w, 1), TOLD);
	assert_int_equal(counter_read(&w->stats.upstream_timeouts), 0);
	assert_int_equal(n_ignored(w), 0);
	world_free(w);
}

/* The header alone is what the shortest useful quotation has; RFC 1812 4.3.2.3 has all of it. */
static void the_name_is_compared_as_far_as_it_is_quoted(void **state)
{
	static const size_t lens[] = { DNS_HEADER_LEN, DNS_HEADER_LEN + 1, DNS_HEADER_LEN + 5, WHOLE };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
		struct world *w = world_new(NULL);

		ask_plain(w, "a.example. IN A");
		give_back(w, (struct quoted){ .i = 0, .len = lens[i] });
		assert_int_equal(n_believed(w), 1);
		assert_int_equal(w->n_sent, 2);
		world_free(w);
	}
}

static void what_quotes_no_question_of_ours_is_ignored_rfc5927(void **state)
{
	static const struct quoted forged[] = {
		{ .len = 0 },
		{ .len = 2 },
		{ .len = DNS_HEADER_LEN - 1 },
		{ .len = WHOLE, .flipped = true, .flip = 0 },  /* the id */
		{ .len = WHOLE, .flipped = true, .flip = 1 },
		{ .len = WHOLE, .flipped = true, .flip = 3 },  /* flags */
		{ .len = WHOLE, .flipped = true, .flip = 13 }, /* the name */
		{ .len = DNS_HEADER_LEN + 2, .flipped = true, .flip = 13 },
		{ .len = WHOLE, .flipped = true, .flip = 24 }, /* the type */
		{ .len = WHOLE, .flipped = true, .flip = 26 }, /* the class */
		{ .len = WHOLE, .other_socket = true },
		{ .len = WHOLE, .other_address = true },
		{ .len = WHOLE, .other_port = true },
	};
	struct world *w = world_new(NULL);

	(void)state;
	ask_plain(w, "a.example. IN A");
	for (size_t i = 0; i < ARRAY_LEN(forged); i++) {
		give_back(w, forged[i]);
		assert_int_equal(n_ignored(w), i + 1);
	}
	assert_int_equal(n_believed(w), 0);
	assert_int_equal(w->n_sent, 1);
	assert_int_equal(w->r->upstream[0].fails, 0);
	assert_int_equal(w->r->upstream[0].loss, 0);
	answer(w, 0, &a_record);
	assert_string_equal(told(w, 1), TOLD);
	give_back(w, (struct quoted){ .len = WHOLE }); /* over */
	assert_int_equal(n_ignored(w), ARRAY_LEN(forged) + 1);
	world_free(w);
}

static void the_letters_have_to_be_right_too(void **state)
{
	struct world *w = world_new(mixed_case);

	(void)state;
	ask_plain(w, "abcdefghijklmnopqrstuvwxyz.example. IN A");
	w->sent[0].wire[13] ^= 0x20;
	give_back(w, (struct quoted){ .len = WHOLE });
	assert_int_equal(n_ignored(w), 1);
	w->sent[0].wire[13] ^= 0x20;
	give_back(w, (struct quoted){ .len = WHOLE });
	assert_int_equal(n_believed(w), 1);
	world_free(w);
}

static void an_answer_that_comes_after_all_counts(void **state)
{
	struct world *w = world_new(NULL);

	(void)state;
	ask_plain(w, "a.example. IN A");
	give_back(w, (struct quoted){ .i = 0, .len = WHOLE });
	wait_ms(w, 20);
	answer(w, 0, &a_record);
	assert_string_equal(told(w, 1), TOLD);
	assert_int_equal(w->r->upstream[0].fails, 0); /* it lives, and is measured */
	assert_true(w->r->upstream[0].measured);
	assert_int_equal(w->r->upstream[0].srtt_ms, 20);
	world_free(w);
}

static void it_counts_against_an_upstream_like_a_timeout(void **state)
{
	struct world *w = world_new(one_upstream), *late = world_new(one_upstream);

	(void)state;
	for (unsigned i = 0; i < UPSTREAM_FAILS_MAX; i++) {
		char name[64];

		snprintf(name, sizeof(name), "n%u.example. IN A", i);
		ask_plain(w, name);
		ask_plain(late, name);
		give_back(w, (struct quoted){ .i = i, .len = WHOLE });
		give_back(w, (struct quoted){ .i = i, .len = WHOLE }); /* counts once */
		assert_int_equal(w->r->upstream[0].fails, i + 1);
	}
	wait_ms(late, RTO_FIRST_MS);
	assert_int_equal(n_believed(w), 2 * UPSTREAM_FAILS_MAX);
	assert_int_equal(w->r->upstream[0].fails, late->r->upstream[0].fails);
	assert_int_equal(w->r->upstream[0].loss, late->r->upstream[0].loss);
	assert_int_equal(w->r->upstream[0].rest_ms, UPSTREAM_REST_MIN_MS);
	assert_int_equal(late->r->upstream[0].rest_ms, UPSTREAM_REST_MIN_MS);
	world_free(w);
	world_free(late);
}

/* Who has been asked already is asked again in his time: no storm, and a forger ends nothing early. */
static void when_all_are_unreachable_they_are_asked_again_in_time(void **state)
{
	struct world *w = world_new(NULL);
	unsigned i = 0;

	(void)state;
	ask_plain(w, "a.example. IN A");
	for (; i < 2; i++)
		give_back(w, (struct quoted){ .i = i, .len = WHOLE });
	assert_int_equal(w->n_sent, 2);
	assert_int_equal(w->n_replies, 0);
	for (unsigned ms = 0; ms < LOOKUP_TIME_MS; ms++) {
		wait_ms(w, 1);
		for (; i < w->n_sent; i++)
			give_back(w, (struct quoted){ .i = i, .len = WHOLE });
	}
	assert_in_range(w->n_sent, 4, ASKS_MAX);
	assert_string_equal(told(w, 1), "SERVFAIL rd ra\n");
	assert_int_equal(counter_read(&w->stats.upstream_timeouts), 0);
	world_free(w);
}

static void with_one_upstream_time_is_what_counts(void **state)
{
	struct world *w = world_new(one_upstream);

	(void)state;
	ask_plain(w, "a.example. IN A");
	give_back(w, (struct quoted){ .len = WHOLE });
	wait_ms(w, RTO_FIRST_MS - 1);
	assert_int_equal(w->n_sent, 1);
	wait_ms(w, 1);
	assert_int_equal(w->n_sent, 2);
	answer(w, 1, &a_record);
	assert_string_equal(told(w, 1), TOLD);
	world_free(w);
}

/* That one was late already, and the next one is being waited for. */
static void one_that_comes_late_changes_nothing(void **state)
{
	struct world *w = world_new(NULL);

	(void)state;
	ask_plain(w, "a.example. IN A");
	wait_ms(w, RTO_FIRST_MS);
	assert_int_equal(w->n_sent, 2);
	give_back(w, (struct quoted){ .i = 0, .len = WHOLE });
	assert_int_equal(n_believed(w), 1);
	assert_int_equal(w->n_sent, 2);
	assert_int_equal(w->r->upstream[0].fails, 1);
	world_free(w);
}

static void after_a_reload_it_is_nobodys_fault(void **state)
{
	struct world *w = world_new(NULL);

	(void)state;
	ask_plain(w, "a.example. IN A");
	assert_int_equal(resolver__reload(w->r, policy_of(one_upstream), 1 << 20), 0);
	give_back(w, (struct quoted){ .i = 0, .len = WHOLE });
	assert_int_equal(n_believed(w), 1);
	assert_int_equal(w->r->upstream[0].fails, 0);
	assert_int_equal(w->n_sent, 2); /* of the new ones none has been asked */
	give_back(w, (struct quoted){ .i = 0, .len = WHOLE });
	assert_int_equal(w->n_sent, 2);
	world_free(w);
}

static void a_copy_that_is_given_back_only_counts(void **state)
{
	struct world *w = world_new(NULL);
	unsigned copy = 0, n_replies;
	char name[64];

	(void)state;
	for (unsigned i = 0; counter_read(&w->stats.upstream_probes) == 0; i++) {
		snprintf(name, sizeof(name), "n%u.example. IN A", i);
		copy = w->n_sent;
		ask_plain(w, name);
		if (counter_read(&w->stats.upstream_probes) == 0)
			answer(w, copy, &(struct text){ .flags = DNS_NXDOMAIN });
	}
	n_replies = w->n_replies;
	assert_string_equal(asked(w, copy), "192.0.2.53");
	give_back(w, (struct quoted){ .i = copy, .len = WHOLE });
	assert_int_equal(w->n_sent, copy + 2);
	assert_int_equal(w->n_replies, n_replies);
	assert_int_equal(w->r->upstream[1].fails, 1);
	answer(w, copy + 1, &(struct text){ .flags = DNS_NXDOMAIN });
	wait_ms(w, PROBE_TIME_MS);
	assert_int_equal(w->r->upstream[1].fails, 1);
	assert_false(w->r->upstream[1].probed);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_next_upstream_is_asked_at_once),
		cmocka_unit_test(the_name_is_compared_as_far_as_it_is_quoted),
		cmocka_unit_test(what_quotes_no_question_of_ours_is_ignored_rfc5927),
		cmocka_unit_test(the_letters_have_to_be_right_too),
		cmocka_unit_test(an_answer_that_comes_after_all_counts),
		cmocka_unit_test(it_counts_against_an_upstream_like_a_timeout),
		cmocka_unit_test(when_all_are_unreachable_they_are_asked_again_in_time),
		cmocka_unit_test(with_one_upstream_time_is_what_counts),
		cmocka_unit_test(one_that_comes_late_changes_nothing),
		cmocka_unit_test(after_a_reload_it_is_nobodys_fault),
		cmocka_unit_test(a_copy_that_is_given_back_only_counts),
	};

	return cmocka_run_group_tests_name("dns64/unreachable", tests, NULL, NULL);
}
