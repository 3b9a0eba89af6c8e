/* test_lend.c - port blocks lent between workers: who helps whom, and no block is two workers'. */
#include "bed.h"
#include "sixgate/nat64/lend.h"
#include "nat64_internal.h"

static const char *const server = "64:ff9b:1::203.0.113.9";

static struct tuple from(uint32_t which, uint16_t port)
{
	struct tuple t = tuple_of("2001:db8:1::1", server, port, 80, 17);

	t.src.octet[6] = (uint8_t)(which >> 8);
	t.src.octet[7] = (uint8_t)which;
	return t;
}

static void worker_that_is_short_is_helped_by_one_that_has_plenty(void **state)
{
	static const struct {
		struct nat64_need need[3];
		unsigned n_workers;
		uint32_t n;
		uint8_t from, to;
	} row[] = {
		{ { { 100, 100, 0, false }, { 100, 100, 0, false }, { 100, 100, 0, false } }, 3, 0, 0, 0 },
		{ { { 100, 100, 0, false }, { 100, 13, 0, false }, { 100, 100, 0, false } }, 3, 0, 0, 0 },
		{ { { 100, 90, 0, false }, { 100, 12, 0, false }, { 100, 95, 0, false } }, 3, 41, 2, 1 },
		{ { { 100, 0, 0, false }, { 100, 40, 0, false }, { 100, 30, 0, false } }, 3, 15, 1, 0 }, /* it keeps a quarter */
		{ { { 100, 0, 0, false }, { 100, 25, 0, false }, { 100, 20, 0, false } }, 3, 0, 0, 0 },
		{ { { 0, 0, 0, false }, { 4, 4, 0, false } }, 2, 2, 1, 0 },
		{ { { 0, 0, 0, false }, { 1, 1, 0, false } }, 2, 0, 0, 0 }, /* its only one */
		{ { { 4000, 0, 0, false }, { 4000, 4000, 0, false } }, 2, NAT64_LOAN_MAX, 1, 0 },
		{ { { 100, 0, 0, false } }, 1, 0, 0, 0 },
		{ { { 100, 100, 0, false }, { 100, 0, 0, false } }, 2, 50, 0, 1 },
		{ { { 100, 90, 0, false }, { 100, 89, 0, false }, { 100, 0, 0, false } }, 3, 45, 0, 2 },
		{ { { 104, 100, 0, false }, { 104, 13, 0, false } }, 2, 43, 0, 1 }, /* an eighth is little, ... */
		{ { { 104, 100, 0, false }, { 104, 14, 0, false } }, 2, 0, 0, 0 },  /* ... more is not */
		{ { { 104, 28, 0, false }, { 104, 0, 0, false } }, 2, 2, 0, 1 },    /* 26 of them it keeps */
		{ { { 104, 27, 0, false }, { 104, 0, 0, false } }, 2, 1, 0, 1 },
		{ { { 104, 26, 0, false }, { 104, 0, 0, false } }, 2, 0, 0, 0 },
		{ { { 1000, 20, 0, false }, { 10, 10, 0, false } }, 2, 0, 0, 0 }, /* who has least is not short */
		{ { { 10, 0, 0, false }, { 10, 0, 0, false } }, 2, 0, 0, 0 },     /* nobody can help */
		{ { { 400, 128 + 100, 0, false }, { 100, 0, 0, false } }, 2, NAT64_LOAN_MAX, 0, 1 },
		{ { { 100, 63 + 25, 0, false }, { 100, 0, 0, false } }, 2, 44, 0, 1 },
		/* nobody has plenty: by what there is for each subscriber */
		{ { { 100, 12, 25, false }, { 100, 12, 15, false }, { 100, 12, 20, false } }, 3, 6, 1, 0 }, /* keeps 6 */
		{ { { 100, 12, 25, false }, { 300, 37, 15, false }, { 100, 12, 20, false } }, 3, 19, 1, 0 },
		{ { { 800, 0, 30, false }, { 1600, 200, 50, false } }, 2, NAT64_LOAN_MAX, 1, 0 },
		{ { { 100, 12, 20, false }, { 100, 12, 18, false } }, 2, 0, 0, 0 }, /* nearly even */
		{ { { 100, 12, 20, false }, { 100, 6, 10, false } }, 2, 0, 0, 0 },  /* it has nothing left to give */
		{ { { 100, 13, 20, false }, { 100, 12, 10, false } }, 2, 0, 0, 0 }, /* it is not short */
		{ { { 100, 12, 0, false }, { 1000, 99, 1, false } }, 2, 0, 0, 0 },  /* nobody is there */
		/* nor short, but somebody was refused what others have */
		{ { { 100, 30, 20, true }, { 400, 90, 10, false } }, 2, NAT64_LOAN_MAX, 1, 0 },
		{ { { 100, 30, 20, false }, { 400, 90, 10, false } }, 2, 0, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct nat64_deal deal = { 0 };
		bool yes = nat64_deal(row[i].need, row[i].n_workers, &deal);

		print_message("row %zu\n", i);
		assert_int_equal(yes, row[i].n > 0);
		if (!yes)
			continue;
		assert_int_equal(deal.n, row[i].n);
		assert_int_equal(deal.from, row[i].from);
		assert_int_equal(deal.to, row[i].to);
	}
}

static struct bed *bed_two(void)
{
	struct bed *b = bed_new(2);

	bed_prefix(b, "64:ff9b:1::/96");
	bed_pool(b, "192.0.2.1", "192.0.2.1", 1024, 1024 + 200 * 64 - 1);
	bed_up(b, 20000);
	bed_advance(b, 1);
	return b;
}

/* A subscriber of worker @w. */
static uint32_t subscriber_of(const struct bed *b, unsigned w, uint32_t after)
{
	for (uint32_t i = after + 1;; i++) {
		struct tuple t = from(i, 1);

		if (owner_of_tuple(b->steer, &t, SIDE_INSIDE) == w)
			return i;
	}
}

static uint32_t collect(struct bed *b, unsigned w, unsigned to, uint32_t *set_aside)
{
	struct nat64_loan loan[2 * NAT64_LOAN_MAX];
	uint32_t n = nat64_take_loans(b->n[w], loan, ARRAY_LEN(loan)), n_lent = 0;

	for (uint32_t i = 0; i < n; i++)
		n_lent += nat64_table_lend(b->t, &loan[i], to);
	*set_aside = n;
	return n_lent;
}

static void lent_blocks_serve_the_other_worker_and_only_it(void **state)
{
	struct bed *b = bed_two();
	struct nat64_need before[2], after[2];
	struct nat64_deal deal;
	struct flow_plan plan, kept;
	uint32_t s = subscriber_of(b, 0, 0), n, other = subscriber_of(b, 1, 0);
	bool seen[65536] = { 0 };
	struct tuple t = from(other, 5000);

	(void)state;
	kept = bed_must_open(b, &t); /* the donor's: must not be disturbed */
	for (uint16_t i = 0;; i++) {
		t = from(s, (uint16_t)(1024 + i));
		if (bed_open(b, &t, &plan).next != VERDICT_CONTINUE)
			break;
		seen[mapped_port(&plan)] = true;
	}
	bed_advance(b, 1);
	before[0] = nat64_need(b->n[0], NAT64_UDP);
	before[1] = nat64_need(b->n[1], NAT64_UDP);
	assert_int_equal(before[0].blocks + before[1].blocks, 200);
	assert_in_range(before[0].blocks, 95, 105); /* dealt evenly */
	deal.protocol = NAT64_UDP;
	assert_true(nat64_deal(before, 2, &deal));
	assert_int_equal(deal.from, 1);
	nat64_ask_loan(b->n[1], &deal);
	bed_advance(b, 1);
	assert_int_equal(collect(b, 1, 0, &n), deal.n);
	bed_reload(b);
	bed_advance(b, 1);
	after[0] = nat64_need(b->n[0], NAT64_UDP);
	after[1] = nat64_need(b->n[1], NAT64_UDP);
	assert_int_equal(after[0].blocks, before[0].blocks + deal.n);
	assert_int_equal(after[1].blocks, before[1].blocks - deal.n);
	assert_int_equal(after[1].free, before[1].free - deal.n);
	assert_false(bed_stale(b, &kept));
	for (uint16_t i = 0; i < 64; i++) {
		t = from(s, (uint16_t)(40000 + i));
		plan = bed_must_open(b, &t);
		assert_int_equal(bed_owner(b, &plan), 0);
		assert_false(seen[mapped_port(&plan)]);
		seen[mapped_port(&plan)] = true;
	}
	bed_reload(b); /* they stay where they are */
	bed_advance(b, 1);
	assert_int_equal(nat64_need(b->n[0], NAT64_UDP).blocks, after[0].blocks);
	assert_false(bed_stale(b, &plan));
	bed_free(b);
}

/* What was set aside under a table that has gone is the donor's again, and lent to nobody. */
static void loan_is_void_after_another_table(void **state)
{
	struct bed *b = bed_two();
	struct nat64_deal deal = { NAT64_UDP, 0, 1, 10, false };
	uint32_t free = nat64_need(b->n[0], NAT64_UDP).free, n;

	(void)state;
	nat64_ask_loan(b->n[0], &deal);
	bed_advance(b, 1);
	bed_advance(b, 1);
	assert_int_equal(nat64_need(b->n[0], NAT64_UDP).free, free - 10);
	b->conf.limits.flows = 1000;
	bed_reload(b);
	bed_advance(b, 1);
	assert_int_equal(nat64_need(b->n[0], NAT64_UDP).free, free);
	assert_int_equal(collect(b, 0, 1, &n), 0);
	assert_int_equal(n, 10);
	bed_reload(b);
	bed_advance(b, 1);
	assert_int_equal(nat64_need(b->n[0], NAT64_UDP).free, free);
	bed_free(b);
}

/* A static entry pins its block to the worker of its host, lent or not. */
static void static_entry_wins_over_a_loan(void **state)
{
	struct bed *b = bed_two();
	struct nat64_deal deal = { NAT64_UDP, 0, 1, 1, false };
	struct nat64_loan loan;
	char inside[64];
	struct tuple in;
	uint16_t port;

	(void)state;
	nat64_ask_loan(b->n[0], &deal);
	bed_advance(b, 1);
	assert_int_equal(nat64_take_loans(b->n[0], &loan, 1), 1);
	assert_true(nat64_table_lend(b->t, &loan, 1));
	port = (uint16_t)(loan.block % STEER_BLOCKS * 64 + 5);
	snprintf(inside, sizeof(inside), "2001:db8:1:%x::1", subscriber_of(b, 0, 0));
	bed_static(b, NAT64_UDP, inside, 53, "192.0.2.1", port);
	bed_reload(b);
	in = tuple_of("198.51.100.7", "192.0.2.1", 9, port, 17);
	assert_int_equal(owner_of_tuple(b->steer, &in, SIDE_OUTSIDE), 0);
	bed_must_open(b, &in);
	bed_free(b);
}

/* System ports are given out one by one, by whoever has them: their blocks are nobody's loan. */
static void blocks_of_system_ports_are_not_lent(void **state)
{
	struct bed *b = bed_new(2);
	struct nat64_deal deal = { NAT64_UDP, 0, 1, NAT64_LOAN_MAX, false };
	struct nat64_loan loan[2 * NAT64_LOAN_MAX];
	uint32_t n, all = 0;

	(void)state;
	bed_prefix(b, "64:ff9b:1::/96");
	bed_pool(b, "192.0.2.1", "192.0.2.2", 1, 1024 + 40 * 64 - 1);
	bed_up(b, 1000);
	bed_advance(b, 1);
	do {
		nat64_ask_loan(b->n[0], &deal);
		bed_advance(b, 1);
		n = nat64_take_loans(b->n[0], loan, ARRAY_LEN(loan));
		for (uint32_t i = 0; i < n; i++)
			assert_true(loan[i].block % STEER_BLOCKS >= 1024 / 64);
		all += n;
	} while (n);
	assert_in_range(all, 25, 35); /* three quarters of its half of 80 */
	bed_free(b);
}

/* Nothing to set aside, nothing asked for: nothing happens, however often. */
static void a_worker_keeps_a_quarter_whatever_is_asked_of_it(void **state)
{
	struct bed *b = bed_two();
	struct nat64_deal deal = { NAT64_UDP, 0, 1, NAT64_LOAN_MAX, false };
	struct nat64_need need;
	uint32_t n;

	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		nat64_ask_loan(b->n[0], &deal);
		bed_advance(b, 1);
		collect(b, 0, 1, &n);
	}
	bed_advance(b, 1);
	need = nat64_need(b->n[0], NAT64_UDP);
	assert_int_equal(need.free, need.blocks / 4);
	deal.protocol = NAT64_TCP; /* the same blocks */
	nat64_ask_loan(b->n[0], &deal);
	bed_advance(b, 1);
	collect(b, 0, 1, &n);
	assert_int_equal(n, 0);
	bed_free(b);
}

/* Control looks before a worker that sleeps has woken, and waits for it no longer. */
static void what_is_set_aside_too_late_is_free_again(void **state)
{
	struct bed *b = bed_two();
	struct nat64_deal deal = { .protocol = NAT64_UDP, .from = 1, .to = 0, .n = 30 };
	const uint32_t free = nat64_need(b->n[1], NAT64_UDP).free;
	struct nat64_loan loan[NAT64_LOAN_MAX];

	(void)state;
	for (unsigned round = 0; round < 20; round++) { /* more than there is room for */
		nat64_ask_loan(b->n[1], &deal);
		assert_true(nat64_loan_asked(b->n[1]));
		bed_advance(b, 1);
		assert_false(nat64_loan_asked(b->n[1]));
		bed_advance(b, 1);
		assert_int_equal(nat64_need(b->n[1], NAT64_UDP).free, free - 30);
		assert_int_equal(nat64_take_loans(b->n[1], loan, NAT64_LOAN_MAX), 30);
		assert_int_equal(nat64_return_loans(b->n[1], b->t, loan, 30), 30);
		bed_advance(b, 1);
		assert_int_equal(nat64_need(b->n[1], NAT64_UDP).free, free);
	}
	nat64_ask_loan(b->n[1], &deal);
	nat64_withdraw_loan(b->n[1]);
	bed_advance(b, 1);
	bed_advance(b, 1);
	assert_int_equal(nat64_need(b->n[1], NAT64_UDP).free, free);
	assert_int_equal(nat64_take_loans(b->n[1], loan, NAT64_LOAN_MAX), 0);
	bed_free(b);
}

/* What was set aside under a table that has gone is not freed twice: it may be aside again. */
static void a_return_from_an_old_table_changes_nothing(void **state)
{
	struct bed *b = bed_two();
	struct nat64_deal deal = { .protocol = NAT64_UDP, .from = 1, .to = 0, .n = NAT64_LOAN_MAX };
	struct nat64_loan loan[NAT64_LOAN_MAX], again[NAT64_LOAN_MAX];
	uint32_t n, aside;

	(void)state;
	nat64_ask_loan(b->n[1], &deal);
	bed_advance(b, 1);
	n = nat64_take_loans(b->n[1], loan, NAT64_LOAN_MAX);
	assert_in_range(n, 30, NAT64_LOAN_MAX);
	assert_int_equal(nat64_return_loans(b->n[1], b->t, loan, n), n); /* and it sleeps on */
	b->conf.limits.flows = 1000;
	bed_reload(b);
	assert_int_equal(nat64_return_loans(b->n[1], b->t, loan, n), 0);
	nat64_ask_loan(b->n[1], &deal);
	bed_advance(b, 1);
	aside = nat64_take_loans(b->n[1], again, NAT64_LOAN_MAX);
	assert_int_equal(aside, n);
	bed_advance(b, 1);
	assert_int_equal(nat64_need(b->n[1], NAT64_UDP).free,
			 nat64_need(b->n[1], NAT64_UDP).blocks - aside);
	bed_free(b);
}

/* What was lent was of an address: whichever takes its place is dealt out anew. */
static void loan_ends_with_the_address(void **state)
{
	struct bed *b = bed_two(), *fresh = bed_two();
	struct nat64_deal deal = { NAT64_UDP, 0, 1, 10, false };
	uint32_t n;

	(void)state;
	nat64_ask_loan(b->n[0], &deal);
	bed_advance(b, 1);
	assert_int_equal(collect(b, 0, 1, &n), 10);
	b->conf.pool4[0].first = b->conf.pool4[0].last = addr_of("192.0.2.9");
	bed_reload(b);
	assert_int_equal(b->t->n_slots, 1);
	assert_memory_equal(b->t->block[0], fresh->t->block[0], STEER_BLOCKS);
	bed_free(b);
	bed_free(fresh);
}

/* Only of what was lent it is known that nobody has had its ports. */
static void block_that_moves_without_a_loan_is_noted(void **state)
{
	char inside[64];

	(void)state;
	for (unsigned n_workers = 2; n_workers <= BED_WORKERS; n_workers++) {
		struct bed *b = bed_new(n_workers);

		bed_prefix(b, "64:ff9b:1::/96");
		bed_pool(b, "192.0.2.1", "192.0.2.1", 1, 65535);
		bed_up(b, 1000);
		snprintf(inside, sizeof(inside), "2001:db8:1:%x::1", subscriber_of(b, 0, 0));
		if (b->t->block[0][0] != 0) {
			bed_static(b, NAT64_UDP, inside, 53, "192.0.2.1", 53);
			bed_reload(b);
			assert_int_equal(b->t->block[0][0], 0);
			assert_true(bit_test(b->t->moved[0], 0));
			bed_free(b);
			return;
		}
		bed_free(b);
	}
	fail_msg("the first block is the first worker's among however many");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(worker_that_is_short_is_helped_by_one_that_has_plenty),
		cmocka_unit_test(what_is_set_aside_too_late_is_free_again),
		cmocka_unit_test(a_return_from_an_old_table_changes_nothing),
		cmocka_unit_test(lent_blocks_serve_the_other_worker_and_only_it),
		cmocka_unit_test(loan_is_void_after_another_table),
		cmocka_unit_test(loan_ends_with_the_address),
		cmocka_unit_test(block_that_moves_without_a_loan_is_noted),
		cmocka_unit_test(static_entry_wins_over_a_loan),
		cmocka_unit_test(blocks_of_system_ports_are_not_lent),
		cmocka_unit_test(a_worker_keeps_a_quarter_whatever_is_asked_of_it),
	};

	return cmocka_run_group_tests_name("nat64/lend", tests, NULL, NULL);
}
