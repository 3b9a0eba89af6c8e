/* test_syns.c - RFC 6146 3.5.2.2, RFC 5382 REQ-4: first SYNs from outside that wait. */
#include "test.h"
#include "build.h"
#include "sixgate/flow/syns.h"

enum { TIMEOUT_MS = 6000 };

static struct arena arena;
static struct packet got;
static struct syns *syns;
static enum drop_reason shed;

static int setup(void **state)
{
	struct hash_key key = { .word = { 9, 8, 7, 6, 5, 4, 3, 2 } };

	(void)state;
	arena = (struct arena){ 0 };
	syns_layout(&arena, &key);
	arena.size = arena.used + 64;
	arena.used = 0;
	arena.base = calloc(1, arena.size);
	syns = syns_layout(&arena, &key);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(arena.base);
	return 0;
}

/* A SYN from host @i to port @port of the pool. */
static struct packet syn(uint32_t i, uint16_t port)
{
	static uint8_t bytes[SYN_BYTES + 1];
	struct tuple t = tuple_of("203.0.113.7", "198.51.100.10", 80, port, 6);
	struct packet p;

	store32(t.src.octet + 12, 0x0b000000 | i);
	t.sport = be16_from((uint16_t)(80 + i));
	p = (struct packet){ .data = bytes, .family = 4, .proto = 6, .l4_at = 20, .key = t,
			     .len = build_tcp(bytes, &t, (struct tcp_args){ 2, 4711 + i, 0 }, 0) };
	return p;
}

static struct verdict keep(uint32_t i, uint16_t port, uint64_t now)
{
	struct packet p = syn(i, port);

	return syns_keep(syns, &p, DROP_FILTERED, now, &shed);
}

static bool take(uint32_t i, uint16_t port)
{
	struct packet p = syn(i, port);
	uint32_t seq = 0;
	bool was = syns_take(syns, &p.key, &seq);

	if (was)
		assert_int_equal(seq, 4711 + i);
	return was;
}

static void a_syn_waits_and_is_taken_once(void **state)
{
	(void)state;
	assert_false(take(1, 1000));
	assert_int_equal(keep(1, 1000, 1).next, VERDICT_HELD);
	assert_int_equal(shed, DROP_NONE);
	assert_int_equal(syns_count(syns), 1);
	assert_false(take(2, 1000));
	assert_false(take(1, 1001));
	assert_true(take(1, 1000));
	assert_false(take(1, 1000));
	assert_int_equal(syns_count(syns), 0);
}

static void a_syn_is_overdue_after_the_time_and_whole(void **state)
{
	struct packet p = syn(1, 1000);

	(void)state;
	assert_int_equal(keep(1, 1000, 1000).next, VERDICT_HELD);
	assert_int_equal(keep(2, 1000, 1001).next, VERDICT_HELD);
	p = syn(1, 1000);
	assert_false(syns_overdue(syns, 1000 + TIMEOUT_MS - 1, TIMEOUT_MS, &got));
	assert_true(syns_overdue(syns, 1000 + TIMEOUT_MS, TIMEOUT_MS, &got));
	assert_int_equal(got.len, p.len);
	assert_memory_equal(got.data, p.data, p.len);
	assert_int_equal(got.verdict.next, VERDICT_DROP);
	assert_int_equal(got.verdict.why, DROP_FILTERED);
	assert_false(syns_overdue(syns, 1000 + TIMEOUT_MS, TIMEOUT_MS, &got));
	assert_true(syns_overdue(syns, 1001 + TIMEOUT_MS, TIMEOUT_MS, &got));
	assert_false(syns_overdue(syns, 99999, TIMEOUT_MS, &got));
}

/* RFC 6146 3.5.2.2, V4 INIT: another V4 SYN changes nothing. */
static void a_repetition_is_dropped_and_does_not_wait_longer(void **state)
{
	(void)state;
	keep(1, 1000, 1);
	assert_int_equal(keep(1, 1000, 3001).next, VERDICT_DROP);
	assert_int_equal(keep(1, 1000, 3001).why, DROP_FILTERED);
	assert_int_equal(syns_count(syns), 1);
	assert_true(syns_overdue(syns, 1 + TIMEOUT_MS, TIMEOUT_MS, &got));
}

static void one_destination_has_its_share_and_sheds_its_oldest(void **state)
{
	(void)state;
	keep(100, 999, 1); /* older, but somebody else's */
	for (uint32_t i = 0; i < SYNS_PER_DESTINATION; i++) {
		assert_int_equal(keep(i, 1000, 2 + i).next, VERDICT_HELD);
		assert_int_equal(shed, DROP_NONE);
	}
	assert_int_equal(keep(50, 1000, 20).next, VERDICT_HELD);
	assert_int_equal(shed, DROP_FILTERED);
	assert_int_equal(syns_count(syns), SYNS_PER_DESTINATION + 1);
	assert_false(take(0, 1000));
	assert_true(take(1, 1000));
	assert_true(take(50, 1000));
	assert_true(take(100, 999));
}

/* The share is of the destination, from whichever networks its SYNs come. */
static void networks_of_ipv6_share_one_destination(void **state)
{
	(void)state;
	for (uint32_t i = 0; i <= SYNS_PER_DESTINATION; i++) {
		struct packet p = syn(i, 1000);

		p.family = 6;
		p.l4_at = 40;
		p.key = tuple_of("2001:db8:1::7", "2001:db8:ffff::10", 80, 1000, 6);
		store32(p.key.src.octet + 4, i);
		p.len = build_tcp(p.data, &p.key, (struct tcp_args){ 2, 4711 + i, 0 }, 0);
		assert_int_equal(syns_keep(syns, &p, DROP_FILTERED, 1 + i, &shed).next, VERDICT_HELD);
		assert_int_equal(shed, i < SYNS_PER_DESTINATION ? DROP_NONE : DROP_FILTERED);
	}
	assert_int_equal(syns_count(syns), SYNS_PER_DESTINATION);
}

static void the_store_is_bounded_and_sheds_the_oldest(void **state)
{
	(void)state;
	for (uint16_t i = 0; i < SYNS_MAX; i++) {
		assert_int_equal(keep(i, (uint16_t)(1000 + i), i).next, VERDICT_HELD);
		assert_int_equal(shed, DROP_NONE);
	}
	assert_int_equal(keep(SYNS_MAX, 1000 + SYNS_MAX, SYNS_MAX).next, VERDICT_HELD);
	assert_int_equal(shed, DROP_FILTERED);
	assert_int_equal(syns_count(syns), SYNS_MAX);
	assert_false(take(0, 1000));
	for (uint16_t i = 1; i <= SYNS_MAX; i++)
		assert_true(take(i, (uint16_t)(1000 + i)));
	assert_int_equal(syns_count(syns), 0);
}

static void the_longest_fits_and_one_byte_more_does_not(void **state)
{
	struct packet p = syn(1, 1000);

	(void)state;
	p.len = SYN_BYTES + 1;
	assert_int_equal(syns_keep(syns, &p, DROP_NO_BIB_ENTRY, 1, &shed).why, DROP_NO_BIB_ENTRY);
	assert_int_equal(syns_count(syns), 0);
	p.len = SYN_BYTES;
	assert_int_equal(syns_keep(syns, &p, DROP_NO_BIB_ENTRY, 1, &shed).next, VERDICT_HELD);
}

/* Whatever comes and goes, the store holds what a list would. */
static void random_comings_and_goings_agree_with_a_list(void **state)
{
	struct {
		uint32_t i;
		uint64_t since;
	} list[SYNS_MAX];
	uint64_t seed = test_seed(), now = 1;
	uint32_t n = 0, k;

	(void)state;
	for (int step = 0; step < 20000; step++) {
		uint32_t i = (uint32_t)(rnd(&seed) % 400);
		bool known;

		now += rnd(&seed) % 50;
		for (; n && now - list[0].since >= TIMEOUT_MS; n--) {
			assert_true(syns_overdue(syns, now, TIMEOUT_MS, &got));
			memmove(list, list + 1, (n - 1) * sizeof(list[0]));
		}
		assert_false(syns_overdue(syns, now, TIMEOUT_MS, &got));
		for (k = 0; k < n && list[k].i != i; k++)
			;
		known = k < n;
		if (rnd(&seed) % 3 == 0) {
			assert_int_equal(take(i, (uint16_t)(1000 + i)), known);
			if (known)
				memmove(list + k, list + k + 1, (--n - k) * sizeof(list[0]));
			continue;
		}
		assert_int_equal(keep(i, (uint16_t)(1000 + i), now).next,
				 known ? VERDICT_DROP : VERDICT_HELD);
		if (known)
			continue;
		if (n == SYNS_MAX)
			memmove(list, list + 1, --n * sizeof(list[0]));
		list[n].i = i;
		list[n++].since = now;
		assert_int_equal(syns_count(syns), n);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_syn_waits_and_is_taken_once),
		T(a_syn_is_overdue_after_the_time_and_whole),
		T(a_repetition_is_dropped_and_does_not_wait_longer),
		T(one_destination_has_its_share_and_sheds_its_oldest),
		T(networks_of_ipv6_share_one_destination),
		T(the_store_is_bounded_and_sheds_the_oldest),
		T(the_longest_fits_and_one_byte_more_does_not),
		T(random_comings_and_goings_agree_with_a_list),
	};

	return cmocka_run_group_tests_name("syns", tests, NULL, NULL);
}
