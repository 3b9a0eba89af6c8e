/* test_share.c - what a subscriber may have ends where its counters do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "nat64_internal.h"

/* A pool of 1024 addresses, and one subscriber alone. */
static struct nat64 *plenty(void)
{
	struct nat64 *n = aligned_alloc(_Alignof(struct nat64), sizeof(*n));

	assert_non_null(n);
	memset(n, 0, sizeof(*n));
	for (unsigned proto = 0; proto < N_PROTOS; proto++)
		for (unsigned class = 0; class < N_CLASSES; class ++)
			n->ports.supply[proto][class] = (struct supply){ .blocks = 1 << 20,
									 .free = 1 << 20,
									 .ports = 1 << 26 };
	n->ports.n_holders = 1;
	return n;
}

static void who_is_alone_has_as_many_blocks_as_can_be_counted(void **state)
{
	struct nat64 *n = plenty();
	struct subscriber s = { .n_blocks = UINT16_MAX - 1 };

	(void)state;
	assert_true(share__allows_block(n, &s, PROTO_UDP));
	s.n_blocks++;
	assert_false(share__allows_block(n, &s, PROTO_UDP));
	free(n);
}

static void who_is_alone_has_as_many_single_ports_as_can_be_counted(void **state)
{
	struct nat64 *n = plenty();
	struct subscriber s = { .n_single[PROTO_UDP] = UINT16_MAX - 1 };

	(void)state;
	assert_true(share__allows_single(n, &s, PROTO_UDP, CLASS_SYSTEM));
	s.n_single[PROTO_UDP]++;
	assert_false(share__allows_single(n, &s, PROTO_UDP, CLASS_SYSTEM));
	assert_true(share__allows_single(n, &s, PROTO_TCP, CLASS_SYSTEM));
	free(n);
}

/** struct row - @s has @has of @n_holders subscribers' things; @free of @all are free. */
struct row {
	uint32_t all, free, n_holders, has;
	bool more;
	const char *why;
};

static void may_have_another_block(const struct row *r)
{
	struct nat64 *n = plenty();
	struct subscriber s = { .n_blocks = (uint16_t)r->has };
	bool more;

	n->ports.supply[PROTO_TCP][CLASS_OTHER] =
		(struct supply){ .blocks = r->all, .free = r->free };
	n->ports.n_holders = r->n_holders;
	more = share__allows_block(n, &s, PROTO_TCP);
	free(n);
	if (more != r->more)
		fail_msg("%u of %u free, %u holders, has %u: %s", r->free, r->all, r->n_holders,
			 r->has, r->why);
}

/* RFC 6888 REQ-4, RFC 6146 5.3: nobody can take what others will need. */
static void blocks_are_shared_as_they_become_few(void **state)
{
	static const struct row rows[] = {
		{ 15, 15, 0, 0, false, "a tiny supply is given out port by port" },
		{ 16, 16, 0, 0, true, "sixteen blocks are not tiny" },
		{ 1024, 513, 8, 500, true, "more than half is free" },
		{ 1024, 512, 8, 511, true, "eight times what is free, by all: 512 each" },
		{ 1024, 512, 8, 512, false, "one past it" },
		{ 1024, 256, 16, 127, true, "8 * 256 / 16" },
		{ 1024, 256, 16, 128, false, "one past it" },
		{ 1024, 129, 2000, 0, true,
		  "who has none gets one, while more than an eighth is free" },
		{ 1024, 128, 2000, 0, false, "an eighth is kept, to be given out singly" },
		{ 1024, 129, 2000, 1, false, "for 2000 that is not enough" },
		{ 1024, 33, 1, 900, true, "who is alone has nearly everything" },
		{ 1024, 32, 1, 900, false, "but not the last thirty-second" },
		{ 16, 2, 1, 14, true, "of sixteen, too" },
		{ 16, 1, 1, 15, false, "one of them is kept" },
		{ 1024, 33, 0, 0, true, "the first of all is alone, too" },
		{ 1024, 33, 1, 0, false, "who has nothing beside one who has is not alone" },
		{ 1024, 33, 2, 900, false, "nor who has something beside another" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		may_have_another_block(&rows[i]);
}

static bool may_have_another_single(struct supply sup, struct subscriber s, uint32_t n_holders,
				    enum port_class class)
{
	struct nat64 *n = plenty();
	bool more;

	n->ports.supply[PROTO_TCP][class] = sup;
	n->ports.n_holders = n_holders;
	more = share__allows_single(n, &s, PROTO_TCP, class);
	free(n);
	return more;
}

/* A tiny supply, and system ports, are divided evenly; who is alone or has none gets one anyway. */
static void few_ports_are_divided_evenly(void **state)
{
	static const struct row rows[] = {
		{ 640, 0, 10, 63, true, "64 each" },
		{ 640, 0, 10, 64, false, "one past it" },
		{ 640, 0, 1000, 0, true, "who has none may have one" },
		{ 640, 0, 1000, 1, false, "one past it" },
		{ 640, 0, 1, 640, true, "alone" },
		{ 641, 0, 10, 64, false, "a whole one for each" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];
		struct subscriber s = { .n_single[PROTO_TCP] = (uint16_t)r->has };
		struct supply tiny = { .blocks = 15, .ports = r->all },
			      many = { .blocks = 16, .ports = r->all };

		if (may_have_another_single(tiny, s, r->n_holders, CLASS_OTHER) != r->more ||
		    may_have_another_single(many, s, r->n_holders, CLASS_SYSTEM) != r->more)
			fail_msg("%s", r->why);
	}
}

/* Of what is kept for newcomers, the less is left the fewer: 64, 16, 4, 1. */
static void newcomers_get_less_as_less_is_left(void **state)
{
	static const struct {
		uint32_t left, most;
	} rows[] = { { 8192, 64 }, { 4097, 64 }, { 4096, 16 }, { 2049, 16 }, { 2048, 4 },
		     { 1025, 4 },  { 1024, 1 },  { 1, 1 },     { 0, 1 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct supply sup = {
			.blocks = 1024, .free = 128, .ports = 8192, .singles = 8192 - rows[i].left
		};
		struct subscriber s = { .n_single[PROTO_TCP] = (uint16_t)(rows[i].most - 1) };

		assert_true(may_have_another_single(sup, s, 9, CLASS_OTHER));
		s.n_single[PROTO_TCP]++;
		assert_false(may_have_another_single(sup, s, 9, CLASS_OTHER));
		s = (struct subscriber){ .n_blocks = 1 }; /* no newcomer */
		assert_false(may_have_another_single(sup, s, 9, CLASS_OTHER));
	}
}

/* More was given out than is kept, or blocks are fewer than that: it is what is there that counts.
 */
static void what_is_kept_may_have_gone(void **state)
{
	static const struct {
		uint32_t free, singles, most;
	} rows[] = { { 63, 0, 16 }, { 64, 0, 64 }, { 31, 0, 4 }, { 32, 0, 16 },
		     { 0, 0, 1 },   { 15, 0, 1 },  { 16, 0, 4 }, { 128, 9000, 1 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct supply sup = { .blocks = 1024,
				      .free = rows[i].free,
				      .ports = 8192,
				      .singles = rows[i].singles };
		struct subscriber s = { .n_single[PROTO_TCP] = (uint16_t)(rows[i].most - 1) };

		if (!may_have_another_single(sup, s, 9, CLASS_OTHER))
			fail_msg("row %zu: fewer", i);
		s.n_single[PROTO_TCP]++;
		if (may_have_another_single(sup, s, 9, CLASS_OTHER))
			fail_msg("row %zu: more", i);
	}
}

/* Of flows nothing is kept: who is below an even share of the table may always have more. */
static void flows_are_shared_as_they_become_few(void **state)
{
	static const struct row rows[] = {
		{ 1000, 501, 1000, 400, true, "more than half is free" },
		{ 1000, 500, 100, 39, true, "eight times what is free, by all: 40 each" },
		{ 1000, 500, 100, 40, false, "one past it" },
		{ 1000, 10, 100, 9, true, "an even share: 10 each" },
		{ 1000, 10, 100, 10, false, "one past it" },
		{ 1000, 1, 10000, 0, true, "who has none" },
		{ 1000, 0, 100, 900, true, "of a full table its owner says so" },
		{ 0, 0, 100, 900, true, "nobody has told" },
		{ 1000, 1, 1, 900, true, "alone" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];
		struct nat64 *n = plenty();
		struct subscriber s = { .n_flows = r->has, .n_blocks = 1 };

		n->ports.n_holders = r->n_holders;
		n->flows_free = r->free;
		n->flows_all = r->all;
		if (share__allows_flow(n, &s) != r->more)
			fail_msg("%s", r->why);
		free(n);
	}
}

/* An eighth of the blocks, all of a tiny supply. */
static void an_eighth_is_given_out_singly(void **state)
{
	(void)state;
	assert_int_equal(share__singles(0), 0);
	assert_int_equal(share__singles(15), 15);
	assert_int_equal(share__singles(16), 2);
	assert_int_equal(share__singles(1023), 127);
	assert_int_equal(share__singles(1024), 128);
}

/* Any bit that is set, as likely as another; none that is not. */
static void ports_are_drawn_evenly(void **state)
{
	static uint64_t words[BLOCK_WORDS];
	static const unsigned sparse[] = { 0, 5, 63, 64, 500, 1022, 1023 };
	unsigned hits[ARRAY_LEN(sparse)] = { 0 };
	struct nat64 *n = plenty();

	(void)state;
	assert_int_equal(ports__pick_bit(words, BLOCK_WORDS, ports__draw(n)), -1);
	for (size_t i = 0; i < ARRAY_LEN(sparse); i++)
		bit_set(words, sparse[i]);
	for (unsigned draw = 0; draw < 7000; draw++) {
		int bit = ports__pick_bit(words, BLOCK_WORDS, ports__draw(n));
		size_t i = 0;

		while (i < ARRAY_LEN(sparse) && sparse[i] != (unsigned)bit)
			i++;
		assert_true(i < ARRAY_LEN(sparse));
		hits[i]++;
	}
	for (size_t i = 0; i < ARRAY_LEN(sparse); i++)
		assert_in_range(hits[i], 850, 1150);
	for (unsigned i = 0; i < 64; i++) { /* of one word, alone and full */
		uint64_t one = 1ull << i;

		assert_int_equal(ports__pick_bit(&one, 1, ports__draw(n)), i);
	}
	free(n);
}

/* Round the end, from anywhere. */
static void the_next_slot_is_found_round_the_end(void **state)
{
	(void)state;
	for (unsigned set = 0; set < NAT64_POOL_MAX; set += 31) {
		uint64_t words[SLOT_WORDS] = { 0 };

		assert_int_equal(ports__next_slot(words, set), NO_SLOT);
		bit_set(words, set);
		for (unsigned start = 0; start < NAT64_POOL_MAX; start += 7)
			assert_int_equal(ports__next_slot(words, start), set);
		bit_set(words, (set + 100) % NAT64_POOL_MAX);
		assert_int_equal(ports__next_slot(words, set), set);
		assert_int_equal(ports__next_slot(words, (set + 1) % NAT64_POOL_MAX),
				 (set + 100) % NAT64_POOL_MAX);
		assert_int_equal(ports__next_slot(words, (set + 100) % NAT64_POOL_MAX),
				 (set + 100) % NAT64_POOL_MAX);
		assert_int_equal(ports__next_slot(words, (set + 101) % NAT64_POOL_MAX), set);
	}
}

/* Others' blocks are closed only for the sake of somebody who has less than an even share of them. */
static void who_has_an_even_share_wants_nothing_of_others(void **state)
{
	static const struct {
		uint32_t blocks, ports;
		uint16_t n_blocks, n_single;
		bool wants;
		const char *why;
	} rows[] = {
		{ 100, 0, 49, 0, true, "one block less than half of them" },
		{ 100, 0, 50, 0, false, "half of them" },
		{ 8, 100, 0, 49, true, "tiny: one port less than half" },
		{ 8, 100, 0, 50, false, "tiny: half of the ports" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nat64 *n = plenty();
		struct subscriber s = { .n_blocks = rows[i].n_blocks,
					.n_single[PROTO_UDP] = rows[i].n_single };

		print_message("%s\n", rows[i].why);
		n->ports.n_holders = 2;
		n->ports.supply[PROTO_UDP][CLASS_OTHER] =
			(struct supply){ .blocks = rows[i].blocks, .ports = rows[i].ports };
		share__refused(n, &s, PROTO_UDP);
		assert_int_equal(share__is_wanted(n, PROTO_UDP), rows[i].wants);
		assert_false(share__is_wanted(n, PROTO_TCP));
		free(n);
	}
}

/* Others' wish is remembered for a minute. */
static void wish_is_forgotten_after_a_minute(void **state)
{
	struct nat64 *n = plenty();
	const struct subscriber s = { 0 };

	(void)state;
	n->now_ms = 7999;
	n->ports.n_holders = 2;
	share__refused(n, &s, PROTO_UDP);
	for (n->now_ms = 7999; n->now_ms < 7000 + 60000; n->now_ms += 1000)
		assert_true(share__is_wanted(n, PROTO_UDP));
	n->now_ms = 7000 + 60000;
	assert_false(share__is_wanted(n, PROTO_UDP));
	free(n);
}

/* With more subscribers than blocks an even share is less than one: who has one keeps it. */
static void who_has_one_block_has_none_to_spare(void **state)
{
	struct nat64 *n = plenty();
	const struct subscriber wants = { 0 };
	struct subscriber s = { .n_blocks = 1 };

	(void)state;
	n->ports.n_holders = 2;
	n->ports.supply[PROTO_UDP][CLASS_OTHER] = (struct supply){ .blocks = 100 };
	share__refused(n, &wants, PROTO_UDP);
	n->ports.n_holders = 200;
	assert_false(share__has_blocks_to_spare(n, &s, PROTO_UDP));
	s.n_blocks = 2;
	assert_true(share__has_blocks_to_spare(n, &s, PROTO_UDP));
	s.n_closing = 1;
	assert_false(share__has_blocks_to_spare(n, &s, PROTO_UDP));
	free(n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_alone_has_as_many_blocks_as_can_be_counted),
		cmocka_unit_test(who_is_alone_has_as_many_single_ports_as_can_be_counted),
		cmocka_unit_test(blocks_are_shared_as_they_become_few),
		cmocka_unit_test(few_ports_are_divided_evenly),
		cmocka_unit_test(newcomers_get_less_as_less_is_left),
		cmocka_unit_test(what_is_kept_may_have_gone),
		cmocka_unit_test(flows_are_shared_as_they_become_few),
		cmocka_unit_test(who_has_an_even_share_wants_nothing_of_others),
		cmocka_unit_test(wish_is_forgotten_after_a_minute),
		cmocka_unit_test(who_has_one_block_has_none_to_spare),
		cmocka_unit_test(an_eighth_is_given_out_singly),
		cmocka_unit_test(ports_are_drawn_evenly),
		cmocka_unit_test(the_next_slot_is_found_round_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
