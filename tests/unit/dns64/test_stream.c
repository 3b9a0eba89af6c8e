/* test_stream.c - several questions at once on one connection, each answer matched by its id (RFC 7766
 * 6.2.1.1, 7, 8), and what a server that cannot do that is known by. */
#include "fixture.h"
#include <stdlib.h>
#include "sixgate/base/must.h"
#include "sixgate/base/wire.h"
#include "stream.h"

enum { WIDE = 32, LEN = DNS_HEADER_LEN + 7 };

/* struct bed - @sent: what stream__give() gave last, its frames one by one. */
struct bed {
	struct world *w;
	struct stream s;
	uint64_t now_ms;
	unsigned n_sent;
	uint16_t id[STREAM_MAX];
	uint8_t out[STREAM_MAX * (2 + LEN)];
};

static struct bed *bed_new(unsigned window)
{
	struct bed *b = calloc(1, sizeof(*b));

	must(b);
	b->w = world_new(NULL);
	b->now_ms = 5000;
	stream__init(&b->s, b->w->r, window, b->now_ms);
	return b;
}

static void bed_free(struct bed *b)
{
	world_free(b->w);
	free(b);
}

static void add(struct bed *b, uint32_t ask_number, uint16_t id)
{
	uint8_t wire[LEN] = { 0 };

	store16(wire, id);
	wire[DNS_HEADER_LEN] = (uint8_t)ask_number;
	stream__add(&b->s, ask_number, wire, sizeof(wire), b->now_ms);
}

/* Return: how many questions went out; their ids there are in b->id. */
static unsigned give(struct bed *b, size_t size)
{
	size_t len = stream__give(&b->s, b->out, size, b->now_ms), at = 0;

	for (b->n_sent = 0; at < len; b->n_sent++) {
		assert_int_equal(load16(b->out + at), LEN);
		b->id[b->n_sent] = load16(b->out + at + 2);
		at += 2 + LEN;
	}
	assert_int_equal(at, len);
	return b->n_sent;
}

static void come(struct bed *b, const uint8_t *octets, size_t len)
{
	while (len) {
		size_t size;
		uint8_t *space = stream__space(&b->s, &size);
		size_t n = len < size ? len : size;

		assert_int_not_equal(n, 0);
		memcpy(space, octets, n);
		stream__came(&b->s, n, b->now_ms);
		octets += n;
		len -= n;
	}
}

static void come_answer(struct bed *b, uint16_t id)
{
	uint8_t frame[2 + LEN] = { 0 };

	store16(frame, LEN);
	store16(frame + 2, id);
	come(b, frame, sizeof(frame));
}

static enum stream_took take(struct bed *b, struct stream_answer *a)
{
	return stream__take(&b->s, a, b->now_ms);
}

static void answers_come_in_any_order_rfc7766_7(void **state)
{
	static const unsigned order[] = { 2, 0, 3, 1 };
	struct bed *b = bed_new(WIDE);
	struct stream_answer a;

	(void)state;
	for (uint32_t i = 0; i < 4; i++)
		add(b, 100 + i, (uint16_t)(7 * i));
	assert_true(stream__wants_out(&b->s));
	assert_int_equal(give(b, sizeof(b->out)), 4);
	assert_false(stream__wants_out(&b->s));
	for (unsigned i = 0; i < 4; i++)
		come_answer(b, b->id[order[i]]);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(take(b, &a), STREAM_ANSWER);
		assert_int_equal(a.ask, 100 + order[i]);
		assert_int_equal(a.len, LEN);
		assert_int_equal(load16(a.wire), 7 * order[i]); /* the engine's */
	}
	assert_int_equal(take(b, &a), STREAM_NOTHING);
	assert_int_equal(b->s.n, 0);
	assert_int_equal(b->s.n_answered, 4);
	bed_free(b);
}

static void equal_ids_are_told_apart_rfc7766_6_2_1(void **state)
{
	struct bed *b = bed_new(WIDE);
	struct stream_answer a;

	(void)state;
	for (uint32_t i = 0; i < 20; i++)
		add(b, i, 0x1234);
	assert_int_equal(give(b, sizeof(b->out)), 20);
	assert_int_equal(b->id[0], 0x1234);
	for (unsigned i = 0; i < 20; i++)
		for (unsigned j = 0; j < i; j++)
			assert_int_not_equal(b->id[i], b->id[j]);
	for (unsigned i = 20; i-- > 0;) {
		come_answer(b, b->id[i]);
		assert_int_equal(take(b, &a), STREAM_ANSWER);
		assert_int_equal(a.ask, i);
		assert_int_equal(load16(a.wire), 0x1234);
	}
	bed_free(b);
}

static void what_was_not_asked_here_is_no_answer(void **state)
{
	struct bed *b = bed_new(1);
	struct stream_answer a;

	(void)state;
	add(b, 1, 0x1111);
	add(b, 2, 0x2222);
	come_answer(b, 0x1111); /* not out yet */
	assert_int_equal(take(b, &a), STREAM_STRAY);
	assert_int_equal(give(b, sizeof(b->out)), 1);
	come_answer(b, 0x2222); /* waits */
	come_answer(b, 0x3333);
	come(b, (const uint8_t[]){ 0, 1, 0x11 }, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(take(b, &a), STREAM_STRAY);
	come_answer(b, 0x1111);
	assert_int_equal(take(b, &a), STREAM_ANSWER);
	assert_int_equal(a.ask, 1);
	come_answer(b, 0x1111); /* twice */
	assert_int_equal(take(b, &a), STREAM_STRAY);
	assert_int_equal(b->s.n_answered, 1);
	come(b, (const uint8_t[]){ 0, 0 }, 2);
	assert_int_equal(take(b, &a), STREAM_BROKEN);
	bed_free(b);
}

static void messages_come_in_pieces_of_any_size(void **state)
{
	(void)state;
	for (size_t piece = 1; piece <= 2 * (2 + LEN) + 1; piece++) {
		struct bed *b = bed_new(WIDE);
		uint8_t octets[5 * (2 + LEN)] = { 0 };
		uint32_t n = 0;

		for (uint32_t i = 0; i < 5; i++) {
			add(b, i, (uint16_t)(i + 1));
			store16(octets + i * (2 + LEN), LEN);
			store16(octets + i * (2 + LEN) + 2, (uint16_t)(i + 1));
		}
		give(b, sizeof(b->out));
		for (size_t at = 0; at < sizeof(octets); at += piece) {
			size_t left = sizeof(octets) - at;
			struct stream_answer a;

			come(b, octets + at, left < piece ? left : piece);
			while (take(b, &a) == STREAM_ANSWER)
				assert_int_equal(a.ask, n++);
		}
		assert_int_equal(n, 5);
		bed_free(b);
	}
}

static void the_longest_message_fits(void **state)
{
	static uint8_t octets[2 * (2 + DNS_MESSAGE_MAX)];
	struct bed *b = bed_new(WIDE);
	struct stream_answer a;
	size_t size, n;

	(void)state;
	add(b, 1, 0x0101);
	give(b, sizeof(b->out));
	for (unsigned i = 0; i < 2; i++)
		store16(octets + i * (2 + DNS_MESSAGE_MAX), DNS_MESSAGE_MAX);
	store16(octets + 2, 0x0101);
	come(b, octets, 2 + DNS_MESSAGE_MAX);
	assert_int_equal(take(b, &a), STREAM_ANSWER);
	assert_int_equal(a.len, DNS_MESSAGE_MAX);
	come(b, octets + 2 + DNS_MESSAGE_MAX, 1 + DNS_MESSAGE_MAX); /* all but one octet */
	assert_int_equal(take(b, &a), STREAM_NOTHING);
	stream__space(&b->s, &size);
	assert_int_equal(size, 1);
	n = 1;
	come(b, octets, n);
	assert_int_equal(take(b, &a), STREAM_STRAY);
	bed_free(b);
}

static void no_more_go_out_than_the_window_allows(void **state)
{
	struct bed *b = bed_new(1);
	struct stream_answer a;

	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		add(b, i, (uint16_t)i);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(give(b, sizeof(b->out)), 1);
		assert_false(stream__wants_out(&b->s));
		assert_false(stream__any_behind(&b->s));
		come_answer(b, (uint16_t)i);
		assert_int_equal(take(b, &a), STREAM_ANSWER);
		assert_int_equal(a.ask, i);
	}
	assert_int_equal(give(b, sizeof(b->out)), 0);
	bed_free(b);
}

static void only_whole_questions_go_out(void **state)
{
	struct bed *b = bed_new(WIDE);

	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		add(b, i, (uint16_t)i);
	assert_int_equal(give(b, 2 * (2 + LEN) - 1), 1);
	assert_int_equal(give(b, 2 + LEN - 1), 0);
	assert_int_equal(give(b, 2 * (2 + LEN)), 2);
	bed_free(b);
}

static void a_full_one_takes_no_more_and_places_come_back(void **state)
{
	struct bed *b = bed_new(WIDE);
	struct stream_question q;

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < STREAM_MAX; i++) {
			assert_false(stream__is_full(&b->s));
			add(b, i, (uint16_t)i);
		}
		assert_true(stream__is_full(&b->s));
		assert_int_equal(give(b, sizeof(b->out)), WIDE);
		assert_int_not_equal(stream__cancel(&b->s, 5, b->now_ms), STREAM_ABSENT);
		assert_int_not_equal(stream__cancel(&b->s, STREAM_MAX - 1, b->now_ms), STREAM_ABSENT);
		assert_int_equal(stream__cancel(&b->s, 5, b->now_ms), STREAM_ABSENT);
		assert_int_equal(b->s.n_sent, WIDE - 1);
		for (uint32_t i = 0; i < STREAM_MAX - 1; i++) {
			if (i == 5)
				continue;
			assert_true(stream__pop(&b->s, &q)); /* in the order they came */
			assert_int_equal(q.ask, i);
			assert_int_equal(load16(q.wire), i);
			assert_int_equal(q.wire[DNS_HEADER_LEN], i);
		}
		assert_false(stream__pop(&b->s, &q));
		assert_int_equal(b->s.n_sent, 0);
	}
	bed_free(b);
}

static void a_late_answer_to_what_was_given_up_is_none(void **state)
{
	struct bed *b = bed_new(WIDE);
	struct stream_answer a;

	(void)state;
	add(b, 1, 1);
	add(b, 2, 2);
	give(b, sizeof(b->out));
	assert_int_equal(stream__cancel(&b->s, 1, b->now_ms), STREAM_FINE);
	come_answer(b, 1);
	assert_int_equal(take(b, &a), STREAM_STRAY);
	come_answer(b, 2);
	assert_int_equal(take(b, &a), STREAM_ANSWER);
	bed_free(b);
}

static void what_is_given_up_tells_of_the_connection(void **state)
{
	struct bed *b = bed_new(2);
	struct stream_answer a;

	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		add(b, i, (uint16_t)i);
	give(b, sizeof(b->out));
	assert_true(stream__any_behind(&b->s));
	b->now_ms += STREAM_STALL_MS;
	assert_int_equal(stream__cancel(&b->s, 2, b->now_ms), STREAM_DEAD); /* waits, and nothing is heard */
	add(b, 2, 2);
	come_answer(b, 0);
	assert_int_equal(take(b, &a), STREAM_ANSWER);
	assert_int_equal(stream__cancel(&b->s, 1, b->now_ms), STREAM_SKIPPED);
	assert_int_equal(stream__cancel(&b->s, 2, b->now_ms), STREAM_FINE);
	add(b, 3, 3);
	give(b, sizeof(b->out));
	b->now_ms += STREAM_STALL_MS - 1;
	add(b, 4, 4);
	give(b, sizeof(b->out));
	assert_int_equal(stream__cancel(&b->s, 4, b->now_ms), STREAM_FINE); /* too early to tell */
	b->now_ms += 1;
	assert_int_equal(stream__cancel(&b->s, 3, b->now_ms), STREAM_DEAD);
	bed_free(b);
}

/* Within the millisecond in which they were sent: a clock does not tell before from after. */
static void an_answer_at_once_shows_that_the_other_is_lost(void **state)
{
	struct bed *b = bed_new(WIDE);
	struct stream_answer a;

	(void)state;
	add(b, 1, 1);
	add(b, 2, 2);
	add(b, 3, 3);
	give(b, sizeof(b->out));
	come_answer(b, 1);
	assert_int_equal(take(b, &a), STREAM_ANSWER);
	b->now_ms += STREAM_STALL_MS;
	assert_int_equal(stream__cancel(&b->s, 3, b->now_ms), STREAM_SKIPPED);
	come(b, (const uint8_t[]){ 0, LEN, 0 }, 3); /* a beginning: it lives */
	assert_int_equal(stream__cancel(&b->s, 2, b->now_ms), STREAM_SKIPPED);
	bed_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_come_in_any_order_rfc7766_7),
		cmocka_unit_test(equal_ids_are_told_apart_rfc7766_6_2_1),
		cmocka_unit_test(what_was_not_asked_here_is_no_answer),
		cmocka_unit_test(messages_come_in_pieces_of_any_size),
		cmocka_unit_test(the_longest_message_fits),
		cmocka_unit_test(no_more_go_out_than_the_window_allows),
		cmocka_unit_test(only_whole_questions_go_out),
		cmocka_unit_test(a_full_one_takes_no_more_and_places_come_back),
		cmocka_unit_test(a_late_answer_to_what_was_given_up_is_none),
		cmocka_unit_test(what_is_given_up_tells_of_the_connection),
		cmocka_unit_test(an_answer_at_once_shows_that_the_other_is_lost),
	};

	return cmocka_run_group_tests_name("dns64/stream", tests, NULL, NULL);
}
