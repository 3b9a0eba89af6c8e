/* test_fragments.c - RFC 6146 3.4 and RFC 5722: which fragments pass, wait, or are dropped. */
#include "test.h"
#include "sixgate/flow/fragments.h"

enum { TIMEOUT_MS = 2000 };

static uint8_t bytes[70000];
static uint8_t out_mem[1 << 20];
static struct packet out_packets[1024];
static struct outbox out;

static struct fragments *make(struct arena *a)
{
	struct hash_key key = { .word = { 9, 8, 7, 6, 5, 4, 3, 2 } };

	*a = (struct arena){ 0 };
	fragments_layout(a, &key);
	a->size = a->used + 64;
	a->used = 0;
	a->base = calloc(1, a->size);
	outbox_init(&out, out_mem, sizeof(out_mem), out_packets, 1024);
	return fragments_layout(a, &key);
}

static struct packet piece(uint32_t id, uint32_t offset, uint32_t len, bool more)
{
	struct packet p = { .data = bytes, .len = 40 + 8 + len, .l4_at = 48, .proto = 17, .family = 6,
			    .flags = PACKET_FRAGMENT, .frag_offset = (uint16_t)offset,
			    .more_fragments = more, .frag_id = id };

	p.key.src.octet[0] = 0x20;
	p.key.dst.octet[0] = 0x26;
	p.key.proto = 17;
	if (offset == 0) {
		p.flags |= PACKET_FIRST_FRAGMENT;
		p.key.sport = be16_from(1234);
		p.key.dport = be16_from(53);
	}
	return p;
}

static struct verdict track(struct fragments *fs, struct packet *p, uint64_t now)
{
	return fragments_track(fs, p, now, TIMEOUT_MS);
}

static void in_order_fragments_get_the_ports_of_the_first(void **state)
{
	struct arena a;
	struct fragments *fs = make(&a);
	struct packet p0 = piece(7, 0, 800, true), p1 = piece(7, 800, 800, true),
		      p2 = piece(7, 1600, 100, false);

	(void)state;
	assert_int_equal(track(fs, &p0, 1).next, VERDICT_CONTINUE);
	assert_null(fragments_release(fs, &p0, &out));
	assert_int_equal(track(fs, &p1, 2).next, VERDICT_CONTINUE);
	assert_int_equal(be16_to(p1.key.sport), 1234);
	assert_int_equal(track(fs, &p2, 3).next, VERDICT_CONTINUE);
	assert_int_equal(be16_to(p2.key.dport), 53);
	free(a.base);
}

static void early_fragments_wait_and_follow_in_order_of_arrival(void **state)
{
	struct arena a;
	struct fragments *fs = make(&a);
	struct packet p0 = piece(7, 0, 800, true), p1 = piece(7, 800, 800, true),
		      p2 = piece(7, 1600, 100, false), *got;

	(void)state;
	assert_int_equal(track(fs, &p2, 1).next, VERDICT_HELD);
	assert_int_equal(track(fs, &p1, 2).next, VERDICT_HELD);
	assert_int_equal(track(fs, &p0, 3).next, VERDICT_CONTINUE);
	got = fragments_release(fs, &p0, &out);
	assert_non_null(got);
	assert_int_equal(got->frag_offset, 1600);
	assert_int_equal(be16_to(got->key.sport), 1234);
	got = fragments_release(fs, &p0, &out);
	assert_non_null(got);
	assert_int_equal(got->frag_offset, 800);
	assert_null(fragments_release(fs, &p0, &out));
	assert_int_equal(fragments_dropped(fs), 0);
	free(a.base);
}

static void fragments_without_a_first_are_dropped_after_the_timeout_and_counted(void **state)
{
	struct arena a;
	struct fragments *fs = make(&a);
	struct packet p1 = piece(7, 800, 800, true), p0 = piece(7, 0, 800, true);

	(void)state;
	assert_int_equal(track(fs, &p1, 1000).next, VERDICT_HELD);
	fragments_expire(fs, 1000 + TIMEOUT_MS - 1, TIMEOUT_MS, 10);
	assert_int_equal(fragments_dropped(fs), 0);
	fragments_expire(fs, 1000 + TIMEOUT_MS, TIMEOUT_MS, 10);
	assert_int_equal(fragments_dropped(fs), 1);
	assert_int_equal(track(fs, &p0, 3001).next, VERDICT_CONTINUE);
	assert_null(fragments_release(fs, &p0, &out));
	free(a.base);
}

/* RFC 5722 4: overlap condemns the datagram, held pieces included. */
static void an_overlap_condemns_the_whole_datagram(void **state)
{
	struct arena a;
	struct fragments *fs = make(&a);
	struct packet p2 = piece(7, 1600, 100, false), bad = piece(7, 1592, 16, true),
		      p0 = piece(7, 0, 1592, true);

	(void)state;
	assert_int_equal(track(fs, &p2, 1).next, VERDICT_HELD);
	assert_int_equal(track(fs, &bad, 2).why, DROP_FRAGMENT_OVERLAP);
	assert_int_equal(fragments_dropped(fs), 1);
	assert_int_equal(track(fs, &p0, 3).why, DROP_FRAGMENT_OVERLAP);
	free(a.base);
}

static void a_duplicate_is_dropped_and_the_datagram_lives(void **state)
{
	struct arena a;
	struct fragments *fs = make(&a);
	struct packet p0 = piece(7, 0, 800, true), again = p0, p1 = piece(7, 800, 8, false);

	(void)state;
	assert_int_equal(track(fs, &p0, 1).next, VERDICT_CONTINUE);
	assert_int_equal(track(fs, &again, 1).why, DROP_FRAGMENT_OVERLAP);
	assert_int_equal(track(fs, &p1, 1).next, VERDICT_CONTINUE);
	free(a.base);
}

static void impossible_lengths_are_dropped(void **state)
{
	static const struct {
		uint32_t offset, len;
		bool more;
		uint8_t why;
	} rows[] = {
		{ 65528, 8, false, DROP_FRAGMENT_BAD }, /* ends at 65536: one past the limit */
		{ 800, 801, true, DROP_FRAGMENT_BAD },	/* not a multiple of 8 */
		{ 800, 0, true, DROP_FRAGMENT_BAD },
	};
	struct arena a;
	struct fragments *fs = make(&a);
	struct packet fits = piece(8, 65528, 7, false);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct packet p = piece(7, rows[i].offset, rows[i].len, rows[i].more);

		assert_int_equal(track(fs, &p, 1).why, rows[i].why);
	}
	assert_int_equal(track(fs, &fits, 1).next, VERDICT_HELD);
	free(a.base);
}

static void the_store_is_bounded_and_sheds_the_oldest(void **state)
{
	struct arena a;
	struct fragments *fs = make(&a);
	struct packet p0;

	(void)state;
	for (uint32_t i = 0; i < FRAGMENT_HELD; i++) {
		struct packet p = piece(i, 800, 100, false);

		assert_int_equal(track(fs, &p, 1).next, VERDICT_HELD);
	}
	assert_int_equal(fragments_dropped(fs), 0);
	p0 = piece(FRAGMENT_HELD, 800, 100, false);
	assert_int_equal(track(fs, &p0, 1).next, VERDICT_HELD);
	assert_int_equal(fragments_dropped(fs), 1);
	p0 = piece(0, 0, 800, true); /* the oldest lost what waited */
	assert_int_equal(track(fs, &p0, 1).next, VERDICT_CONTINUE);
	assert_null(fragments_release(fs, &p0, &out));
	p0 = piece(1, 0, 800, true);
	assert_int_equal(track(fs, &p0, 1).next, VERDICT_CONTINUE);
	assert_non_null(fragments_release(fs, &p0, &out));
	free(a.base);
}

static void more_datagrams_than_are_followed_shed_the_oldest(void **state)
{
	struct arena a;
	struct fragments *fs = make(&a);
	struct packet p;

	(void)state;
	for (uint32_t i = 0; i <= FRAGMENT_DATAGRAMS; i++) {
		p = piece(i, 0, 800, true);
		assert_int_equal(track(fs, &p, 1).next, VERDICT_CONTINUE);
	}
	p = piece(1, 800, 8, false); /* still followed: its first was seen */
	assert_int_equal(track(fs, &p, 1).next, VERDICT_CONTINUE);
	p = piece(0, 800, 8, false); /* shed */
	assert_int_equal(track(fs, &p, 1).next, VERDICT_HELD);
	free(a.base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_order_fragments_get_the_ports_of_the_first),
		cmocka_unit_test(early_fragments_wait_and_follow_in_order_of_arrival),
		cmocka_unit_test(fragments_without_a_first_are_dropped_after_the_timeout_and_counted),
		cmocka_unit_test(an_overlap_condemns_the_whole_datagram),
		cmocka_unit_test(a_duplicate_is_dropped_and_the_datagram_lives),
		cmocka_unit_test(impossible_lengths_are_dropped),
		cmocka_unit_test(the_store_is_bounded_and_sheds_the_oldest),
		cmocka_unit_test(more_datagrams_than_are_followed_shed_the_oldest),
	};

	return cmocka_run_group_tests_name("fragments", tests, NULL, NULL);
}
