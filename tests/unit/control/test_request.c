/* test_request.c - what the parent accepts from a child that may have been taken over. */
#include "sixgate/control/request.h"
#include "sixgate/base/must.h"
#include "test.h"
#include <errno.h>
#include <string.h>

static struct request lawful(enum request_kind kind)
{
	return (struct request){ .magic = REQUEST_MAGIC, .serial = 7, .kind = (uint16_t)kind };
}

static int decode(const struct request *r)
{
	struct request out;

	return request_decode(r, sizeof(*r), 0, &out);
}

static void every_kind_is_accepted_in_its_plainest_form(void **state)
{
	(void)state;
	for (int k = 1; k < N_REQUEST_KINDS; k++) {
		struct request r = lawful((enum request_kind)k), out;

		assert_int_equal(request_decode(&r, sizeof(r), 0, &out), 0);
		assert_memory_equal(&r, &out, sizeof(r));
		assert_string_not_equal(request_kind_name((unsigned)k), "unknown");
	}
}

static void kinds_that_do_not_exist_are_refused(void **state)
{
	static const uint16_t kind[] = { 0, N_REQUEST_KINDS, N_REQUEST_KINDS + 1, 255, 0xffff };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kind); i++) {
		struct request r = lawful(REQUEST_READY);

		r.kind = kind[i];
		assert_int_equal(decode(&r), -EPROTO);
		assert_string_equal(request_kind_name(kind[i]), "unknown");
	}
}

static void another_size_is_refused(void **state)
{
	uint8_t bytes[REQUEST_BYTES + 8] = { 0 };
	struct request r = lawful(REQUEST_RELOAD), out;

	(void)state;
	memcpy(bytes, &r, sizeof(r));
	for (size_t len = 0; len <= sizeof(bytes); len++)
		assert_int_equal(request_decode(bytes, len, 0, &out),
				 len == REQUEST_BYTES ? 0 : -EPROTO);
}

static void a_descriptor_from_the_child_is_refused(void **state)
{
	struct request r = lawful(REQUEST_RELOAD), out;

	(void)state;
	assert_int_equal(request_decode(&r, sizeof(r), 1, &out), -EPROTO);
	assert_int_equal(request_decode(&r, sizeof(r), 4, &out), -EPROTO);
}

static void the_magic_must_be_right(void **state)
{
	struct request r = lawful(REQUEST_RELOAD);

	(void)state;
	r.magic ^= 1;
	assert_int_equal(decode(&r), -EPROTO);
}

static void bytes_that_a_kind_does_not_use_must_be_zero(void **state)
{
	(void)state;
	for (int k = 1; k < N_REQUEST_KINDS; k++)
		for (size_t i = 0; i < sizeof(((struct request *)0)->zero); i++) {
			struct request r = lawful((enum request_kind)k);

			r.zero[i] = 1;
			assert_int_equal(decode(&r), -EPROTO);
		}
}

static void what_a_kind_does_not_use_is_zero(void **state)
{
	static const struct {
		bool index, which, transport;
	} uses[N_REQUEST_KINDS] = {
		[REQUEST_LISTENER] = { true, true, true },
		[REQUEST_METRICS] = { .which = true },
		[REQUEST_EVENT_LOG] = { .index = true, .which = true },
		[REQUEST_TRUST] = { .index = true, .which = true },
		[REQUEST_ADVERTISER] = { true, true, true },
		[REQUEST_PING] = { .which = true },
	};

	(void)state;
	for (int k = 1; k < N_REQUEST_KINDS; k++) {
		struct request r = lawful((enum request_kind)k);

		r.index = 1;
		assert_int_equal(decode(&r), uses[k].index ? 0 : -EPROTO);
		r.index = 0;
		r.transport = REQUEST_TCP;
		assert_int_equal(decode(&r), uses[k].transport ? 0 : -EPROTO);
		r.transport = 0;
		r.which = REQUEST_PENDING;
		assert_int_equal(decode(&r), uses[k].which ? 0 : -EPROTO);
	}
}

static void enums_are_checked_at_their_limit(void **state)
{
	struct request r = lawful(REQUEST_LISTENER);

	(void)state;
	r.which = N_REQUEST_WHICH - 1;
	r.transport = N_REQUEST_TRANSPORTS - 1;
	r.index = 0xffff; /* in range of its type; the file decides what exists */
	assert_int_equal(decode(&r), 0);
	r.which = N_REQUEST_WHICH;
	assert_int_equal(decode(&r), -EPROTO);
	r.which = 0;
	r.transport = N_REQUEST_TRANSPORTS;
	assert_int_equal(decode(&r), -EPROTO);
}

static void nothing_is_written_on_failure(void **state)
{
	struct request r = lawful(REQUEST_RELOAD), out, before;

	(void)state;
	memset(&out, 0xa5, sizeof(out));
	before = out;
	r.kind = 0;
	assert_int_equal(request_decode(&r, sizeof(r), 0, &out), -EPROTO);
	assert_memory_equal(&out, &before, sizeof(out));
}

static void notices_have_one_size_and_a_terminated_text(void **state)
{
	struct notice n = { .magic = REQUEST_MAGIC, .kind = NOTICE_REPLY }, out;

	(void)state;
	assert_int_equal(notice_decode(&n, sizeof(n), &out), 0);
	assert_int_equal(notice_decode(&n, sizeof(n) - 1, &out), -EPROTO);
	n.kind = N_NOTICE_KINDS;
	assert_int_equal(notice_decode(&n, sizeof(n), &out), -EPROTO);
	n.kind = NOTICE_REPLY;
	memset(n.text, 'x', sizeof(n.text));
	assert_int_equal(notice_decode(&n, sizeof(n), &out), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_is_accepted_in_its_plainest_form),
		cmocka_unit_test(kinds_that_do_not_exist_are_refused),
		cmocka_unit_test(another_size_is_refused),
		cmocka_unit_test(a_descriptor_from_the_child_is_refused),
		cmocka_unit_test(the_magic_must_be_right),
		cmocka_unit_test(bytes_that_a_kind_does_not_use_must_be_zero),
		cmocka_unit_test(what_a_kind_does_not_use_is_zero),
		cmocka_unit_test(enums_are_checked_at_their_limit),
		cmocka_unit_test(nothing_is_written_on_failure),
		cmocka_unit_test(notices_have_one_size_and_a_terminated_text),
	};

	return cmocka_run_group_tests_name("control/request", tests, NULL, NULL);
}
