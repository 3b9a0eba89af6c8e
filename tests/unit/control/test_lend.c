/* test_lend.c - control's side of port blocks lent between workers: who is waited for, and how long. */
#define _NETINET_TCP_H 1 /* uv.h includes it: its states have the names of ours */
#include "../nat64/bed.h"
#include <sys/eventfd.h>
#include <unistd.h>
#include "lend.h"
#include "sixgate/dataplane/worker.h"

enum { ALL = 100, SHORT_OF = 0, HELPER = 1 };

static struct bed *b;
static struct control c;
static struct worker worker[2];
static struct snapshot snapshot;

static uint32_t free_of(unsigned w)
{
	return nat64_need(b->n[w], NAT64_UDP).free;
}

static void advance(unsigned w)
{
	nat64_advance(b->n[w], ++b->now_ms);
}

static bool woken(unsigned w)
{
	uint64_t n;

	return read(c.workers.t[w].loop.wake_fd, &n, sizeof(n)) == sizeof(n);
}

/* A host of worker @w takes all that it has. */
static void use_up(unsigned w)
{
	struct flow_plan plan;
	uint32_t i = 1;
	struct tuple t;

	do {
		t = tuple_of("2001:db8:1::1", "64:ff9b:1::203.0.113.9", 1, 80, 17);
		t.src.octet[7] = (uint8_t)i++;
	} while (owner_of_tuple(b->steer, &t, SIDE_INSIDE) != w);
	for (uint16_t port = 1024;; port++) {
		t.sport = be16_from(port);
		if (bed_open(b, &t, &plan).next != VERDICT_CONTINUE)
			break;
	}
	bed_advance(b, 1);
	bed_advance(b, 1);
}

static int start(void **state)
{
	(void)state;
	b = bed_new(2);
	bed_prefix(b, "64:ff9b:1::/96");
	bed_pool(b, "192.0.2.1", "192.0.2.1", 1024, 1024 + 2 * ALL * 64 - 1);
	bed_up(b, 20000);
	c = (struct control){ .workers.n = 2 };
	snapshot = (struct snapshot){ .nat64 = b->t, .steer.n_homes = 2 };
	atomic_store(&c.workers.slot.current, &snapshot);
	for (unsigned i = 0; i < 2; i++) {
		worker[i] = (struct worker){ .nat64 = b->n[i] };
		c.workers.t[i] = (struct worker_thread){
			.worker = &worker[i], .loop.wake_fd = eventfd(0, EFD_NONBLOCK), .running = true };
	}
	use_up(SHORT_OF);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++)
		close(c.workers.t[i].loop.wake_fd);
	bed_free(b);
	return 0;
}

static void who_is_asked_is_woken(void **state)
{
	(void)state;
	lend__look(&c);
	assert_int_equal(c.deal.from, HELPER);
	assert_true(c.deal.n > 0);
	assert_true(woken(HELPER));
	assert_false(woken(SHORT_OF));
}

/* A small pool serves everybody from the first worker: what it lends would be nobody's. */
static void nothing_is_lent_to_who_has_no_subscribers(void **state)
{
	(void)state;
	use_up(HELPER); /* which would be short, too, if it had any */
	snapshot.steer.n_homes = 1;
	lend__look(&c);
	assert_int_equal(c.deal.n, 0);
	assert_false(woken(HELPER) || woken(SHORT_OF));
}

static void a_worker_that_is_late_is_waited_for(void **state)
{
	uint32_t free = free_of(HELPER), n;

	(void)state;
	lend__look(&c);
	n = c.deal.n;
	for (unsigned i = 0; i < LEND_LOOKS_MAX - 1; i++)
		lend__look(&c);
	assert_false(c.want_snapshot);
	advance(HELPER);
	lend__look(&c);
	assert_true(c.want_snapshot);
	assert_int_equal(c.deal.n, 0);
	bed_reload(b);
	bed_advance(b, 1);
	assert_int_equal(free_of(HELPER), free - n);
	assert_true(free_of(SHORT_OF) >= n);
}

static void of_a_deal_that_has_lapsed_nothing_is_left(void **state)
{
	uint32_t free = free_of(HELPER);

	(void)state;
	for (unsigned i = 0; i <= LEND_LOOKS_MAX; i++)
		lend__look(&c);
	assert_int_equal(c.deal.n, 0);
	advance(HELPER);
	advance(HELPER);
	assert_int_equal(free_of(HELPER), free);
	assert_false(c.want_snapshot);
}

/* It had begun with it when it was withdrawn: all that is free again, and can be lent again. */
static void what_comes_after_its_deal_is_the_lenders_again(void **state)
{
	struct nat64_deal deal = { .protocol = NAT64_UDP, .from = HELPER, .to = SHORT_OF, .n = 30 };
	uint32_t free = free_of(HELPER);

	(void)state;
	nat64_ask_loan(b->n[HELPER], &deal); /* nobody collects it */
	advance(HELPER);
	advance(HELPER);
	assert_int_equal(free_of(HELPER), free - 30);
	lend__look(&c); /* returns it, and asks anew */
	assert_true(woken(HELPER));
	nat64_withdraw_loan(b->n[HELPER]);
	advance(HELPER);
	assert_int_equal(free_of(HELPER), free);
	lend__look(&c);
	assert_false(c.want_snapshot);
	assert_int_equal(c.deal.n, 0);
}

/* Nothing to spare any more: nobody is waited for. */
static void a_worker_that_says_no_ends_the_deal(void **state)
{
	(void)state;
	lend__look(&c);
	assert_true(c.deal.n > 0);
	use_up(HELPER);
	lend__look(&c);
	assert_int_equal(c.deal.n, 0);
	assert_false(c.want_snapshot);
}

/* Who is alone on his worker may have nearly all, unless there are others elsewhere. */
static void workers_are_told_of_each_others_subscribers(void **state)
{
	(void)state;
	c.want_snapshot = true; /* nothing is lent while one is made */
	lend__look(&c);
	use_up(HELPER);
	assert_in_range(free_of(HELPER), ALL / 8, ALL / 4);
	assert_in_range(free_of(SHORT_OF), 0, ALL / 16); /* he came when nobody else was there */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(who_is_asked_is_woken, start, teardown),
		cmocka_unit_test_setup_teardown(nothing_is_lent_to_who_has_no_subscribers, start, teardown),
		cmocka_unit_test_setup_teardown(a_worker_that_is_late_is_waited_for, start, teardown),
		cmocka_unit_test_setup_teardown(of_a_deal_that_has_lapsed_nothing_is_left, start, teardown),
		cmocka_unit_test_setup_teardown(what_comes_after_its_deal_is_the_lenders_again, start,
						teardown),
		cmocka_unit_test_setup_teardown(a_worker_that_says_no_ends_the_deal, start, teardown),
		cmocka_unit_test_setup_teardown(workers_are_told_of_each_others_subscribers, start, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
