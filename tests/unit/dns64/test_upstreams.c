/* test_upstreams.c - who is asked, when again, whose answer counts (RFC 5452, RFC 6891 7, RFC 7766
 * 5, RFC 8020's neighbours in spirit: an answer is proof, silence is not). */
#include "fixture.h"
#include <errno.h>
#include <stdio.h>
#include "sixgate/base/must.h"
#include "sixgate/base/wire.h"
#include "test.h"

static const struct text a_record = { .answer = { "a.example. 300 IN A 8.8.8.8" } };
static const struct text servfail = { .flags = DNS_SERVFAIL };
#define TOLD "NOERROR rd ra\na.example. 300 IN A 8.8.8.8\n"

static void one_upstream(struct dns64_conf *c)
{
	c->n_upstream = 1;
}

static const char *asked(const struct world *w, unsigned i)
{
	static char text[ADDR_TEXT_MAX];

	assert_true(i < w->n_sent);
	return addr_format(&w->sent[i].to.address, text);
}

static void the_first_upstream_is_asked_first_the_next_when_it_is_silent(void **state)
{
	struct world *w = world_new(NULL);

	(void)state;
	ask_plain(w, "a.example. IN A");
	assert_string_equal(asked(w, 0), "2001:db8::53");
	wait_ms(w, RTO_FIRST_MS - 1);
	assert_int_equal(w->n_sent, 1);
	wait_ms(w, 1);
	assert_string_equal(asked(w, 1), "192.0.2.53");
	answer(w, 1, &a_record);
	assert_string_equal(told(w, 1), TOLD);
	assert_int_equal(counter_read(&w->stats.upstream_timeouts), 1);
	world_free(w);
}

static void a_late_answer_is_an_answer(void **state)
{
	struct world *w = world_new(NULL);

	(void)state;
	ask_plain(w, "a.example. IN A");
	wait_ms(w, 1000);
	assert_true(w->n_sent >= 2);
	answer(w, 0, &a_record);
	assert_string_equal(told(w, 1), TOLD);
	answer(w, 1, &a_record); /* the other one comes too late */
	assert_int_equal(counter_read(&w->stats.spoofed), 1);
	world_free(w);
}

static void after_one_answer_the_others_are_too_late(void **state)
{
	struct world *w = world_new(NULL);

	(void)state;
	ask_plain(w, "a.example. IN A");
	wait_ms(w, 1000);
	answer(w, 1, &a_record);
	assert_string_equal(told(w, 1), TOLD);
	ask_plain(w, "b.example. IN A"); /* may well use the same slot */
	answer(w, 0, &(struct text){ .answer = { "a.example. 300 IN A 6.6.6.6" } });
	assert_int_equal(counter_read(&w->stats.spoofed), 1);
	ask_plain(w, "a.example. IN A");
	assert_string_equal(told(w, 2), TOLD);
	world_free(w);
}

static void retries_are_bounded_and_spread_over_the_time(void **state)
{
	struct world *w = world_new(one_upstream);

	(void)state;
	ask_plain(w, "a.example. IN A");
	wait_ms(w, LOOKUP_TIME_MS);
	assert_in_range(w->n_sent, 3, ASKS_MAX);
	assert_string_equal(told(w, 1), "SERVFAIL rd ra\n");
	wait_ms(w, 60000);
	assert_in_range(w->n_sent, 3, ASKS_MAX);
	world_free(w);
}

static void fast_upstreams_are_retried_sooner_rfc6298(void **state)
{
	struct world *w = world_new(one_upstream);
	char name[64];

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "n%u.example. IN A", i);
		ask_plain(w, name);
		wait_ms(w, 10);
		answer(w, i, &(struct text){ .flags = DNS_NXDOMAIN });
	}
	ask_plain(w, "a.example. IN A");
	wait_ms(w, RTO_MIN_MS);
	assert_int_equal(w->n_sent, 22);
	world_free(w);
}

/* First sample 100 ms: SRTT 100, RTTVAR 50, so RTO 300 (RFC 6298 2.2). Second, 200 ms: RTTVAR (150 +
 * 100) / 4 = 62, SRTT (700 + 200) / 8 = 112, so RTO 360 (2.3), and RTO_MAX_MS, which is less than
 * twice that, for the retry. */
static void the_time_to_wait_follows_rfc6298_2(void **state)
{
	struct world *w = world_new(one_upstream);

	(void)state;
	ask_plain(w, "a.example. IN A");
	wait_ms(w, 100);
	answer(w, 0, &a_record);
	ask_plain(w, "b.example. IN A");
	wait_ms(w, 200);
	answer(w, 1, &(struct text){ .flags = DNS_NXDOMAIN });
	ask_plain(w, "c.example. IN A");
	wait_ms(w, 359);
	assert_int_equal(w->n_sent, 3);
	wait_ms(w, 1);
	assert_int_equal(w->n_sent, 4);
	wait_ms(w, RTO_MAX_MS - 1);
	assert_int_equal(w->n_sent, 4);
	wait_ms(w, 1);
	assert_int_equal(w->n_sent, 5);
	world_free(w);
}

static void a_failure_is_passed_on_only_when_nobody_does_better(void **state)
{
	struct world *w = world_new(NULL);

	(void)state;
	ask_plain(w, "a.example. IN A");
	answer(w, 0, &servfail);
	assert_string_equal(asked(w, 1), "192.0.2.53");
	answer(w, 1, &a_record);
	assert_string_equal(told(w, 1), TOLD);
	ask_plain(w, "b.example. IN A");
	answer(w, 2, &(struct text){ .flags = DNS_REFUSED });
	answer(w, 3, &servfail);
	assert_string_equal(told(w, 2), "SERVFAIL rd ra\n");
	assert_int_equal(counter_read(&w->stats.upstream_failures), 3);
	world_free(w);
}

static void a_resting_upstream_is_still_better_than_a_failure(void **state)
{
	struct world *w = world_new(NULL);
	char name[64];

	(void)state;
	for (unsigned i = 0; i < UPSTREAM_FAILS_MAX; i++) {
		snprintf(name, sizeof(name), "n%u.example. IN A", i);
		ask_plain(w, name);
		wait_ms(w, RTO_FIRST_MS);
		answer(w, w->n_sent - 1, &(struct text){ .flags = DNS_NXDOMAIN });
	}
	ask_plain(w, "a.example. IN A");
	assert_string_equal(asked(w, w->n_sent - 1), "192.0.2.53");
	answer(w, w->n_sent - 1, &servfail);
	assert_string_equal(asked(w, w->n_sent - 1), "2001:db8::53");
	answer(w, w->n_sent - 1, &a_record);
	assert_string_equal(told(w, UPSTREAM_FAILS_MAX + 1), TOLD);
	world_free(w);
}

static void rests_grow_longer_up_to_a_bound(void **state)
{
	struct world *w = world_new(one_upstream);
	uint64_t before;
	char name[64];

	(void)state;
	for (unsigned i = 0; i < 12; i++) {
		before = w->r->upstream[0].rest_ms;
		snprintf(name, sizeof(name), "n%u.example. IN A", i);
		ask_plain(w, name);
		wait_ms(w, LOOKUP_TIME_MS + UPSTREAM_REST_MAX_MS);
		assert_in_range(w->r->upstream[0].rest_ms, before, UPSTREAM_REST_MAX_MS);
	}
	assert_int_equal(w->r->upstream[0].rest_ms, UPSTREAM_REST_MAX_MS);
	world_free(w);
}

static void failed_validation_is_final(void **state)
{
	static const struct text bogus = { .flags = DNS_SERVFAIL, .opt = true, .has_ede = true, .ede = 6 };
	struct text q = { .question = "a.example. IN A", .flags = DNS_RD, .opt = true };
	struct world *w = world_new(NULL);

	(void)state;
	ask(w, &q);
	answer(w, 0, &bogus);
	assert_string_equal(told(w, 1), "SERVFAIL rd ra\nOPT 1232 ede 6\n");
	assert_int_equal(w->n_sent, 1);
	world_free(w);
}

static void an_upstream_without_edns_is_asked_without_rfc6891_7(void **state)
{
	struct world *w = world_new(one_upstream);

	(void)state;
	ask_plain(w, "a.example. IN A");
	assert_int_equal(load16(w->sent[0].wire + 10), 1);
	answer(w, 0, &(struct text){ .flags = DNS_FORMERR });
	assert_int_equal(w->n_sent, 2);
	assert_int_equal(load16(w->sent[1].wire + 10), 0);
	answer(w, 1, &a_record);
	assert_string_equal(told(w, 1), TOLD);
	ask_plain(w, "b.example. IN A"); /* an error with OPT is about something else */
	answer(w, 2, &(struct text){ .flags = DNS_FORMERR, .opt = true });
	assert_string_equal(told(w, 2), "FORMERR rd ra\n");
	world_free(w);
}

static void an_error_without_question_is_an_error(void **state)
{
	uint8_t wire[12] = { 0, 0, 0x80, DNS_REFUSED };
	struct world *w = world_new(one_upstream);

	(void)state;
	ask_plain(w, "a.example. IN A");
	memcpy(wire, w->sent[0].wire, 2);
	answer_wire(w, 0, wire, sizeof(wire));
	assert_string_equal(told(w, 1), "SERVFAIL rd ra\n");
	ask_plain(w, "b.example. IN A");
	memcpy(wire, w->sent[1].wire, 2);
	wire[3] = DNS_NOERROR; /* but it cannot deny anything */
	answer_wire(w, 1, wire, sizeof(wire));
	assert_int_equal(w->n_replies, 1);
	assert_int_equal(counter_read(&w->stats.spoofed), 1);
	world_free(w);
}

enum forgery { ADDRESS, PORT, SOCKET, ID, NAME, TYPE, CLASS, QUERY, OPCODE, EMPTY, SHORT, N_FORGERIES };

static void forge(struct world *w, enum forgery what)
{
	struct text t = a_record;
	uint8_t wire[512];
	struct sockaddr_in6 from = { .sin6_family = AF_INET6, .sin6_port = be16_from(53).raw };
	struct datagram d = { .socket = w->sent[0].socket, .from = &from, .wire = wire };

	t.flags = DNS_QR;
	t.question = what == NAME  ? "b.example. IN A" :
		     what == TYPE  ? "a.example. IN AAAA" :
		     what == CLASS ? "a.example. CH A" :
				     "a.example. IN A";
	d.len = wire_of(&t, load16(w->sent[0].wire), wire);
	memcpy(from.sin6_addr.s6_addr, w->sent[0].to.address.octet, 16);
	if (what == ADDRESS)
		from.sin6_addr.s6_addr[15] ^= 1;
	if (what == PORT)
		from.sin6_port = be16_from(54).raw;
	if (what == SOCKET)
		d.socket ^= 1;
	if (what == ID)
		wire[1] ^= 1;
	if (what == QUERY)
		wire[2] &= 0x7f;
	if (what == OPCODE)
		wire[2] |= 0x28;
	if (what == EMPTY)
		d.len = 0;
	if (what == SHORT)
		d.len = 11;
	resolver__answer(w->r, &d);
}

static void only_an_answer_from_whom_and_to_what_was_asked_counts_rfc5452_9(void **state)
{
	struct world *w = world_new(one_upstream);

	(void)state;
	ask_plain(w, "a.example. IN A");
	for (unsigned what = 0; what < N_FORGERIES; what++) {
		forge(w, what);
		assert_int_equal(w->n_replies, 0);
		assert_int_equal(counter_read(&w->stats.spoofed), what + 1);
	}
	answer(w, 0, &a_record);
	assert_string_equal(told(w, 1), TOLD);
	world_free(w);
}

static void ids_are_not_to_be_guessed(void **state)
{
	struct world *w = world_new(one_upstream);
	char name[64];
	unsigned seen[16] = { 0 };
	uint16_t last = 0;

	(void)state;
	for (unsigned i = 0; i < 400; i++) {
		uint16_t id;

		snprintf(name, sizeof(name), "n%u.example. IN A", i);
		ask_plain(w, name);
		id = load16(w->sent[i].wire);
		seen[id >> 12]++;
		assert_true((uint16_t)(id - last) != 1 || i == 0);
		last = id;
	}
	for (unsigned i = 0; i < 16; i++)
		assert_in_range(seen[i], 8, 50); /* 25 expected; 8 has probability 1e-4 at worst */
	world_free(w);
}

static void malformed_answers_are_not_passed_on(void **state)
{
	struct world *w = world_new(NULL);
	uint8_t wire[512];
	struct text t = a_record;

	(void)state;
	ask_plain(w, "a.example. IN A");
	t.question = "a.example. IN A";
	t.flags = DNS_QR;
	answer_wire(w, 0, wire, wire_of(&t, load16(w->sent[0].wire), wire) - 1);
	assert_int_equal(counter_read(&w->stats.upstream_malformed), 1);
	assert_int_equal(w->n_sent, 2);
	answer(w, 1, &a_record);
	assert_string_equal(told(w, 1), TOLD);
	world_free(w);
}

static void a_truncated_answer_is_asked_for_again_over_tcp(void **state)
{
	struct world *w = world_new(NULL);

	(void)state;
	ask_plain(w, "a.example. IN A");
	answer(w, 0, &(struct text){ .flags = DNS_TC });
	assert_int_equal(w->n_sent, 2);
	assert_true(w->sent[1].tcp);
	assert_string_equal(asked(w, 1), "2001:db8::53");
	assert_int_not_equal(load16(w->sent[0].wire), load16(w->sent[1].wire));
	answer(w, 1, &a_record);
	assert_string_equal(told(w, 1), TOLD);
	assert_int_equal(counter_read(&w->stats.upstream_tcp), 1);
	world_free(w);
}

static void tcp_that_fails_or_hangs_or_lies_leads_to_the_next_upstream(void **state)
{
	struct world *w = world_new(NULL);
	uint8_t wire[512];
	struct text t = a_record;

	(void)state;
	ask_plain(w, "a.example. IN A");
	answer(w, 0, &(struct text){ .flags = DNS_TC });
	w->sent[1].over = true;
	resolver__tcp_failed(w->r, w->sent[1].ask); /* refused */
	assert_string_equal(asked(w, 2), "192.0.2.53");
	answer(w, 2, &(struct text){ .flags = DNS_TC });
	wait_ms(w, TCP_ASK_TIME_MS); /* silent */
	assert_true(w->sent[3].over);
	assert_int_equal(w->n_sent, 5);
	answer(w, 4, &(struct text){ .flags = DNS_TC });
	t.question = "a.example. IN A";
	t.flags = DNS_QR;
	answer_wire(w, 5, wire, wire_of(&t, (uint16_t)(load16(w->sent[5].wire) + 1), wire));
	assert_int_equal(w->n_sent, 7);
	assert_false(w->sent[6].tcp);
	wait_ms(w, LOOKUP_TIME_MS);
	assert_string_equal(told(w, 1), "SERVFAIL rd ra\n");
	world_free(w);
}

static void a_truncated_answer_over_tcp_is_none(void **state)
{
	struct world *w = world_new(NULL);

	(void)state;
	ask_plain(w, "a.example. IN A");
	answer(w, 0, &(struct text){ .flags = DNS_TC });
	answer(w, 1, &(struct text){ .flags = DNS_TC });
	assert_int_equal(w->n_replies, 0);
	assert_int_equal(counter_read(&w->stats.upstream_malformed), 1);
	assert_string_equal(asked(w, 2), "192.0.2.53");
	assert_false(w->sent[2].tcp);
	world_free(w);
}

/* RFC 1035 3.4.1: nobody could read it. */
static void an_address_of_another_length_is_no_answer(void **state)
{
	static const uint16_t lengths[] = { 0, 3, 5 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		const struct text t = { .question = "a.example. IN A", .flags = DNS_QR,
					.answer = { "a.example. 300 IN A 8.8.8.8" } };
		struct world *w = world_new(NULL);
		uint8_t wire[512] = { 0 };
		size_t len;

		ask_plain(w, "a.example. IN A");
		len = wire_of(&t, load16(w->sent[0].wire), wire);
		store16(wire + len - 6, lengths[i]);
		answer_wire(w, 0, wire, len - 4 + lengths[i]);
		assert_int_equal(w->n_replies, 0);
		assert_int_equal(counter_read(&w->stats.upstream_malformed), 1);
		assert_string_equal(asked(w, 1), "192.0.2.53");
		answer(w, 1, &a_record);
		assert_string_equal(told(w, 1), TOLD);
		world_free(w);
	}
}

static void tcp_may_not_be_had(void **state)
{
	struct world *w = world_new(NULL);

	(void)state;
	w->tcp_result = -EAGAIN;
	ask_plain(w, "a.example. IN A");
	answer(w, 0, &(struct text){ .flags = DNS_TC });
	answer(w, 1, &a_record);
	assert_string_equal(told(w, 1), TOLD);
	world_free(w);
}

static void what_cannot_be_sent_is_tried_again_in_time(void **state)
{
	struct world *w = world_new(NULL);

	(void)state;
	w->send_result = -ENETUNREACH;
	ask_plain(w, "a.example. IN A");
	assert_int_equal(w->n_replies, 0);
	assert_int_equal(counter_read(&w->stats.upstream_errors), 2); /* each upstream once */
	wait_ms(w, RTO_FIRST_MS - 1);
	assert_int_equal(counter_read(&w->stats.upstream_errors), 2);
	wait_ms(w, 1);
	assert_int_equal(counter_read(&w->stats.upstream_errors), 4);
	w->send_result = 0; /* there is a route now */
	wait_ms(w, RTO_MAX_MS);
	answer(w, 0, &a_record);
	assert_string_equal(told(w, 1), TOLD);
	world_free(w);
}

static void when_nothing_can_be_sent_the_client_is_told_in_time(void **state)
{
	struct world *w = world_new(NULL);

	(void)state;
	w->send_result = -ENETUNREACH;
	ask_plain(w, "a.example. IN A");
	wait_ms(w, LOOKUP_TIME_MS);
	assert_string_equal(told(w, 1), "SERVFAIL rd ra\n");
	assert_in_range(counter_read(&w->stats.upstream_errors), 8, ASKS_MAX);
	assert_true(w->r->upstream[0].rest_ms > 0); /* more than three times each */
	world_free(w);
}

/* Our own limit says nothing about an upstream, and does not use up the tries at once. */
static void a_place_that_is_not_to_be_had_speaks_against_nobody(void **state)
{
	struct world *w = world_new(one_upstream);

	(void)state;
	w->tcp_result = -EAGAIN;
	ask_plain(w, "a.example. IN A");
	for (unsigned i = 0; i < 4; i++) {
		answer(w, w->n_sent - 1, &(struct text){ .flags = DNS_TC });
		assert_int_equal(w->n_sent, i + 1);
		wait_ms(w, RTO_MIN_MS << i < RTO_MAX_MS ? RTO_MIN_MS << i : RTO_MAX_MS);
	}
	assert_int_equal(w->n_replies, 0);
	assert_int_equal(w->n_sent, 5);
	assert_int_equal(w->r->upstream[0].rest_ms, 0);
	w->tcp_result = 0;
	answer(w, 4, &(struct text){ .flags = DNS_TC });
	assert_true(w->sent[5].tcp);
	answer(w, 5, &a_record);
	assert_string_equal(told(w, 1), TOLD);
	world_free(w);
}

static void a_reload_remembers_how_an_upstream_did(void **state)
{
	struct world *w = world_new(NULL);
	char name[64];

	(void)state;
	for (unsigned i = 0; i < UPSTREAM_FAILS_MAX; i++) {
		snprintf(name, sizeof(name), "n%u.example. IN A", i);
		ask_plain(w, name);
		wait_ms(w, RTO_FIRST_MS);
		answer(w, w->n_sent - 1, &(struct text){ .flags = DNS_NXDOMAIN });
	}
	assert_int_equal(resolver__reload(w->r, policy_of(NULL), 1 << 20), 0);
	ask_plain(w, "a.example. IN A"); /* the first still rests */
	assert_string_equal(asked(w, w->n_sent - 1), "192.0.2.53");
	world_free(w);
}

static void second_only(struct dns64_conf *c)
{
	c->upstream++;
	c->n_upstream = 1;
}

static void a_reload_changes_upstreams_without_losing_questions(void **state)
{
	struct world *w = world_new(one_upstream);

	(void)state;
	ask_plain(w, "a.example. IN A");
	ask_plain(w, "b.example. IN A");
	assert_string_equal(asked(w, 0), "2001:db8::53");
	assert_int_equal(resolver__reload(w->r, policy_of(second_only), 1 << 20), 0);
	answer(w, 0, &a_record); /* the old one still answers */
	assert_string_equal(told(w, 1), TOLD);
	wait_ms(w, RTO_FIRST_MS);
	assert_string_equal(asked(w, 2), "192.0.2.53");
	answer(w, 2, &(struct text){ .answer = { "b.example. 5 IN A 8.8.4.4" } });
	assert_string_equal(told(w, 2), "NOERROR rd ra\nb.example. 5 IN A 8.8.4.4\n");
	world_free(w);
}

static void questions_nobody_waits_for_any_more_still_fill_the_cache(void **state)
{
	static const struct text aaaa = { .answer = { "a.example. 300 IN AAAA 2001:db8::1" } };
	struct world *w = world_new(NULL);

	(void)state;
	ask_plain(w, "a.example. IN AAAA");
	answer(w, 0, &aaaa);
	told(w, 1);
	answer(w, 1, &a_record);
	ask_plain(w, "a.example. IN A");
	assert_string_equal(told(w, 2), TOLD);
	assert_int_equal(w->n_sent, 2);
	world_free(w);
}

/* ---- what an upstream does not bear ---- */

static bool sent_edns(const struct world *w, unsigned i)
{
	struct dns_rr opt;

	return dns_opt_find(w->sent[i].wire, w->sent[i].len, &opt);
}

static void the_one_without_edns_is_asked_again_itself_and_known_for_a_while(void **state)
{
	struct world *w = world_new(NULL);

	(void)state;
	ask_plain(w, "a.example. IN A");
	answer(w, 0, &(struct text){ .flags = DNS_NOTIMP });
	assert_string_equal(asked(w, 1), "2001:db8::53"); /* the other one may well know EDNS */
	assert_false(sent_edns(w, 1));
	answer(w, 1, &a_record);
	ask_plain(w, "b.example. IN A");
	assert_string_equal(asked(w, 2), "2001:db8::53");
	assert_false(sent_edns(w, 2));
	wait_ms(w, WITHOUT_TIME_MS);
	ask_plain(w, "c.example. IN A");
	assert_true(sent_edns(w, w->n_sent - 1));
	world_free(w);
}

static void silence_says_nothing_about_edns_rfc6891_6_2_2(void **state)
{
	struct world *w = world_new(one_upstream);

	(void)state;
	ask_plain(w, "a.example. IN A");
	wait_ms(w, LOOKUP_TIME_MS);
	for (unsigned i = 0; i < w->n_sent; i++)
		assert_true(sent_edns(w, i));
	world_free(w);
}

static void an_extended_failure_is_a_failure_rfc6891_6_1_3(void **state)
{
	struct world *w = world_new(one_upstream);
	struct text t = { .question = "a.example. IN A", .flags = DNS_QR, .opt = true };
	uint8_t wire[512];
	size_t len;

	(void)state;
	ask_plain(w, "a.example. IN A");
	len = wire_of(&t, load16(w->sent[0].wire), wire);
	wire[len - 6] = 1; /* BADVERS, whose low four bits are those of NOERROR */
	answer_wire(w, 0, wire, len);
	assert_string_equal(told(w, 1), "SERVFAIL rd ra\n");
	world_free(w);
}

/* ---- 0x20 ---- */

static void mixed_case(struct dns64_conf *c)
{
	c->randomize_case = true;
	c->n_upstream = 1;
}

static unsigned n_upper(const struct world *w, unsigned i)
{
	unsigned n = 0;

	for (size_t at = DNS_HEADER_LEN; w->sent[i].wire[at]; at++)
		n += w->sent[i].wire[at] >= 'A' && w->sent[i].wire[at] <= 'Z';
	return n;
}

#define LONG_NAME "abcdefghijklmnopqrstuvwxyz.abcdefghijklmnopqrstuvwxyz." \
		  "abcdefghijklmnopqrstuvwxyz.abcdefghijklmnopqrstuvwxyz.example."

static void letters_are_mixed_anew_for_each_ask(void **state)
{
	struct world *w = world_new(mixed_case);
	unsigned upper = 0;

	(void)state;
	ask_plain(w, LONG_NAME " IN A");
	wait_ms(w, LOOKUP_TIME_MS);
	assert_in_range(w->n_sent, 4, ASKS_MAX);
	for (unsigned i = 0; i < w->n_sent; i++) {
		upper += n_upper(w, i);
		for (unsigned j = 0; j < i; j++)
			assert_memory_not_equal(w->sent[i].wire + DNS_HEADER_LEN,
						w->sent[j].wire + DNS_HEADER_LEN, 110);
	}
	assert_in_range(upper, w->n_sent * 111 * 2 / 5, w->n_sent * 111 * 3 / 5); /* of 111 letters */
	world_free(w);
}

static void an_answer_that_repeats_the_letters_counts(void **state)
{
	struct world *w = world_new(mixed_case);

	(void)state;
	ask_plain(w, "a.example. IN A");
	answer(w, 0, &(struct text){ .answer = { "a.example. 300 IN A 8.8.8.8" } });
	assert_string_equal(told(w, 1), TOLD); /* as the client wrote it */
	assert_int_equal(counter_read(&w->stats.case_misses), 0);
	ask_plain(w, "A.eXample. IN A");
	assert_string_equal(told(w, 2), "NOERROR rd ra\nA.eXample. 300 IN A 8.8.8.8\n");
	world_free(w);
}

static void respelled(struct world *w, unsigned i)
{
	struct text t = { .question = LONG_NAME " IN A", .flags = DNS_QR | DNS_NXDOMAIN };
	uint8_t wire[512];

	answer_wire(w, i, wire, wire_of(&t, load16(w->sent[i].wire), wire));
}

static void one_that_does_not_is_asked_again_where_nobody_can_forge(void **state)
{
	struct world *w = world_new(mixed_case);

	(void)state;
	ask_plain(w, LONG_NAME " IN A");
	respelled(w, 0);
	assert_int_equal(w->n_replies, 0);
	assert_int_equal(counter_read(&w->stats.case_misses), 1);
	assert_true(w->sent[1].tcp);
	assert_int_equal(n_upper(w, 1), 0);
	w->sent[1].over = true;
	resolver__tcp_failed(w->r, w->sent[1].ask); /* it has no TCP */
	assert_false(w->sent[2].tcp);
	assert_int_equal(n_upper(w, 2), 0); /* so it is asked as it can bear it */
	respelled(w, 2);
	assert_string_equal(told(w, 1), "NXDOMAIN rd ra\n");
	world_free(w);
}

static void an_upstream_that_never_repeats_letters_is_known_for_a_while(void **state)
{
	struct world *w = world_new(mixed_case);
	char name[64];

	(void)state;
	for (unsigned i = 0; i < CASE_MISSES_MAX; i++) {
		struct text t = { .question = name, .flags = DNS_QR | DNS_NXDOMAIN };
		uint8_t wire[512];

		snprintf(name, sizeof(name), "abcdefghijklmnopqrstuvwxyz%u.example. IN A", i);
		ask_plain(w, name);
		answer_wire(w, w->n_sent - 1, wire,
			    wire_of(&t, load16(w->sent[w->n_sent - 1].wire), wire));
		answer(w, w->n_sent - 1, &(struct text){ .flags = DNS_NXDOMAIN });
	}
	assert_int_equal(w->n_replies, CASE_MISSES_MAX);
	ask_plain(w, LONG_NAME " IN A");
	assert_int_equal(n_upper(w, w->n_sent - 1), 0);
	respelled(w, w->n_sent - 1);
	assert_int_equal(w->n_replies, CASE_MISSES_MAX + 1);
	wait_ms(w, WITHOUT_TIME_MS);
	ask_plain(w, LONG_NAME "org. IN A");
	assert_int_not_equal(n_upper(w, w->n_sent - 1), 0);
	world_free(w);
}

/* ---- domains with upstreams of their own ---- */

static void split(struct dns64_conf *c)
{
	static char corp[] = "corp.example.", eu[] = "eu.corp.example.", reverse[] = "10.in-addr.arpa.";
	static char *of_corp[] = { corp, reverse }, *of_eu[] = { eu };
	static struct dns64_upstream_conf list[3];

	list[0] = c->upstream[0];
	list[1] = c->upstream[1];
	list[1].domain = of_corp;
	list[1].n_domain = ARRAY_LEN(of_corp);
	list[2] = c->upstream[1];
	list[2].port = 5353;
	list[2].domain = of_eu;
	list[2].n_domain = ARRAY_LEN(of_eu);
	c->upstream = list;
	c->n_upstream = ARRAY_LEN(list);
}

static unsigned place(const struct world *w, unsigned i)
{
	if (w->sent[i].to.port == 5353)
		return 2;
	return strcmp(asked(w, i), "192.0.2.53") == 0;
}

static void a_name_is_asked_of_the_upstream_of_the_longest_domain(void **state)
{
	static const struct {
		const char *question;
		unsigned upstream;
	} row[] = {
		{ "corp.example. IN A", 1 },	     { "A.CORP.Example. IN A", 1 },
		{ "a.eu.corp.example. IN A", 2 },    { "eu.corp.example. IN A", 2 },
		{ "notcorp.example. IN A", 0 },	     { "a.neu.corp.example. IN A", 1 },
		{ "1.0.0.10.in-addr.arpa. IN PTR", 1 }, { "example. IN A", 0 },
		{ "corp.example.org. IN A", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct world *w = world_new(split);

		ask_plain(w, row[i].question);
		assert_int_equal(place(w, 0), row[i].upstream);
		world_free(w);
	}
}

/* However silent its own are, nobody else hears of it; nor do they of others' names. */
static void nobody_else_hears_of_a_name(void **state)
{
	static const char *const question[] = { "a.example. IN A", "a.corp.example. IN A",
						"a.eu.corp.example. IN A" };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(question); i++) {
		struct world *w = world_new(split);

		ask_plain(w, question[i]);
		wait_ms(w, LOOKUP_TIME_MS);
		assert_string_equal(told(w, 1), "SERVFAIL rd ra\n");
		assert_true(w->n_sent > 1);
		for (unsigned j = 0; j < w->n_sent; j++)
			assert_int_equal(place(w, j), i);
		world_free(w);
	}
}

static void copies_go_to_who_may_be_asked_alone(void **state)
{
	struct world *w = world_new(split);
	char question[64];

	(void)state;
	for (unsigned i = 0; i < 3 * PROBE_SHARE; i++) {
		snprintf(question, sizeof(question), "n%u.corp.example. IN A", i);
		w->n_sent = 0;
		ask_plain(w, question);
		assert_int_equal(w->n_sent, 1);
		assert_int_equal(place(w, 0), 1);
		answer(w, 0, &(struct text){ .flags = DNS_NXDOMAIN });
	}
	world_free(w);
}

/* A silent one says nothing about the upstreams of other names: theirs are waited for. */
static void silence_is_told_by_domain(void **state)
{
	struct world *w = world_new(split);
	struct dns_name corp, other;

	(void)state;
	assert_int_equal(dns_name_parse("corp.example.", &corp), 0);
	assert_int_equal(dns_name_parse("example.", &other), 0);
	ask_plain(w, "a.corp.example. IN A");
	wait_ms(w, LOOKUP_TIME_MS);
	assert_true(choice__all_silent(w->r, &corp));
	assert_false(choice__all_silent(w->r, &other));
	world_free(w);
}

/* ---- over TLS ---- */

static void tls_first(struct dns64_conf *c)
{
	static char name[] = "dns.example.";

	c->upstream[0].tls = true;
	c->upstream[0].name = name;
	c->upstream[0].port = 853;
}

static void tls_only(struct dns64_conf *c)
{
	tls_first(c);
	c->n_upstream = 1;
}

/* RFC 7858 and 8310 5: never in the clear, whatever happens; RFC 8467 4.1: padded to 128. */
static void an_upstream_over_tls_is_asked_over_tls_alone(void **state)
{
	struct world *w = world_new(tls_only);

	(void)state;
	ask_plain(w, "a.example. IN A");
	assert_true(w->sent[0].tls);
	assert_int_equal(w->sent[0].len, 128);
	answer(w, 0, &(struct text){ .flags = DNS_TC }); /* nonsense there */
	for (unsigned i = 1; i < 4; i++) {
		assert_int_equal(w->n_sent, i + 1);
		w->sent[i].over = true;
		resolver__tcp_failed(w->r, w->sent[i].ask);
		assert_int_equal(w->n_sent, i + 1); /* a daemon that restarts is there in a moment */
		wait_ms(w, RTO_MAX_MS);
	}
	wait_ms(w, LOOKUP_TIME_MS);
	assert_string_equal(told(w, 1), "SERVFAIL rd ra\n");
	for (unsigned i = 0; i < w->n_sent; i++)
		assert_true(w->sent[i].tls);
	assert_int_equal(counter_read(&w->stats.upstream_queries), 0);
	world_free(w);
}

static void a_question_over_tls_is_not_repeated_while_the_connection_may_answer(void **state)
{
	struct world *w = world_new(tls_only);

	(void)state;
	ask_plain(w, "a.example. IN A");
	wait_ms(w, TCP_ASK_TIME_MS - 1);
	assert_int_equal(w->n_sent, 1);
	wait_ms(w, 1);
	assert_int_equal(w->n_sent, 2);
	assert_true(w->sent[0].over); /* given up: another connection may do better */
	answer(w, 1, &a_record);
	assert_string_equal(told(w, 1), TOLD);
	world_free(w);
}

static void other_upstreams_are_asked_soon_while_tls_hangs(void **state)
{
	struct world *w = world_new(tls_first);

	(void)state;
	ask_plain(w, "a.example. IN A");
	wait_ms(w, TLS_WAIT_MIN_MS);
	assert_string_equal(asked(w, 1), "192.0.2.53");
	assert_false(w->sent[1].tls);
	answer(w, 0, &a_record); /* a late answer is an answer here, too */
	assert_string_equal(told(w, 1), TOLD);
	world_free(w);
}

static void what_cannot_be_sent_after_all_is_asked_elsewhere(void **state)
{
	struct world *w = world_new(NULL);

	(void)state;
	ask_plain(w, "a.example. IN A");
	resolver__send_failed(w->r, w->sent[0].socket, load16(w->sent[0].wire));
	assert_string_equal(asked(w, 1), "192.0.2.53");
	resolver__send_failed(w->r, w->sent[0].socket, load16(w->sent[0].wire)); /* known already */
	assert_int_equal(w->n_sent, 2);
	answer(w, 1, &a_record);
	assert_string_equal(told(w, 1), TOLD);
	assert_int_equal(counter_read(&w->stats.upstream_errors), 1);
	world_free(w);
}

/* One server, for the names of a domain and for others. */
static void one_address_twice(struct dns64_conf *c)
{
	static char domain[] = "corp.example.", *domains = domain;

	c->upstream[1] = c->upstream[0];
	c->upstream[1].domain = &domains;
	c->upstream[1].n_domain = 1;
}

static void a_reload_keeps_what_is_known_of_each(void **state)
{
	struct world *w = world_new(one_address_twice);

	(void)state;
	counter_add(&w->stats.latency[0].sum_ms, 5);
	counter_add(&w->stats.latency[1].sum_ms, 7);
	assert_int_equal(resolver__reload(w->r, policy_of(one_address_twice), 1 << 20), 0);
	assert_int_equal(counter_read(&w->stats.latency[0].sum_ms), 5);
	assert_int_equal(counter_read(&w->stats.latency[1].sum_ms), 7);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_upstream_is_asked_first_the_next_when_it_is_silent),
		cmocka_unit_test(a_late_answer_is_an_answer),
		cmocka_unit_test(after_one_answer_the_others_are_too_late),
		cmocka_unit_test(retries_are_bounded_and_spread_over_the_time),
		cmocka_unit_test(fast_upstreams_are_retried_sooner_rfc6298),
		cmocka_unit_test(the_time_to_wait_follows_rfc6298_2),
		cmocka_unit_test(a_failure_is_passed_on_only_when_nobody_does_better),
		cmocka_unit_test(a_resting_upstream_is_still_better_than_a_failure),
		cmocka_unit_test(rests_grow_longer_up_to_a_bound),
		cmocka_unit_test(failed_validation_is_final),
		cmocka_unit_test(an_upstream_without_edns_is_asked_without_rfc6891_7),
		cmocka_unit_test(an_error_without_question_is_an_error),
		cmocka_unit_test(only_an_answer_from_whom_and_to_what_was_asked_counts_rfc5452_9),
		cmocka_unit_test(ids_are_not_to_be_guessed),
		cmocka_unit_test(malformed_answers_are_not_passed_on),
		cmocka_unit_test(a_truncated_answer_is_asked_for_again_over_tcp),
		cmocka_unit_test(tcp_that_fails_or_hangs_or_lies_leads_to_the_next_upstream),
		cmocka_unit_test(a_truncated_answer_over_tcp_is_none),
		cmocka_unit_test(an_address_of_another_length_is_no_answer),
		cmocka_unit_test(tcp_may_not_be_had),
		cmocka_unit_test(what_cannot_be_sent_is_tried_again_in_time),
		cmocka_unit_test(when_nothing_can_be_sent_the_client_is_told_in_time),
		cmocka_unit_test(a_place_that_is_not_to_be_had_speaks_against_nobody),
		cmocka_unit_test(a_reload_remembers_how_an_upstream_did),
		cmocka_unit_test(a_reload_changes_upstreams_without_losing_questions),
		cmocka_unit_test(questions_nobody_waits_for_any_more_still_fill_the_cache),
		cmocka_unit_test(the_one_without_edns_is_asked_again_itself_and_known_for_a_while),
		cmocka_unit_test(silence_says_nothing_about_edns_rfc6891_6_2_2),
		cmocka_unit_test(an_extended_failure_is_a_failure_rfc6891_6_1_3),
		cmocka_unit_test(letters_are_mixed_anew_for_each_ask),
		cmocka_unit_test(an_answer_that_repeats_the_letters_counts),
		cmocka_unit_test(one_that_does_not_is_asked_again_where_nobody_can_forge),
		cmocka_unit_test(an_upstream_that_never_repeats_letters_is_known_for_a_while),
		cmocka_unit_test(a_name_is_asked_of_the_upstream_of_the_longest_domain),
		cmocka_unit_test(nobody_else_hears_of_a_name),
		cmocka_unit_test(copies_go_to_who_may_be_asked_alone),
		cmocka_unit_test(silence_is_told_by_domain),
		cmocka_unit_test(an_upstream_over_tls_is_asked_over_tls_alone),
		cmocka_unit_test(a_question_over_tls_is_not_repeated_while_the_connection_may_answer),
		cmocka_unit_test(other_upstreams_are_asked_soon_while_tls_hangs),
		cmocka_unit_test(what_cannot_be_sent_after_all_is_asked_elsewhere),
		cmocka_unit_test(a_reload_keeps_what_is_known_of_each),
	};

	return cmocka_run_group_tests_name("dns64/upstreams", tests, NULL, NULL);
}
