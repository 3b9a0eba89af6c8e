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
	struct packet p = { .data = bytes,
			    .len = 40 + 8 + len,
			    .l4_at = 48,
			    .proto = 17,
			    .family = 6,
			    .flags = PACKET_FRAGMENT,
			    .frag_offset = (uint16_t)offset,
			    .more_fragments = more,
			    .frag_id = id };

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
		{ 800, 801, true, DROP_FRAGMENT_BAD },  /* not a multiple of 8 */
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

/* One datagram after the other may have the same identification: once the first is whole it is
 * forgotten, and what is left of one that is not goes with its time (RFC 6864 4, RFC 4963). */
static void an_identification_can_be_used_again(void **state)
{
	struct arena a;
	struct fragments *fs = make(&a);

	(void)state;
	for (uint32_t round = 0; round < 3; round++) {
		struct packet p0 = piece(7, 0, 800, true), p1 = piece(7, 800, 8, false);

		assert_int_equal(track(fs, &p0, 1).next, VERDICT_CONTINUE);
		assert_int_equal(track(fs, &p1, 1).next, VERDICT_CONTINUE);
	}
	for (uint32_t round = 0; round < 3; round++) {
		struct packet p1 = piece(7, 800, 8, false), lost = piece(7, 800, 16, false);

		assert_int_equal(track(fs, &p1, 10 + round * TIMEOUT_MS).next, VERDICT_HELD);
		if (round == 2)
			assert_int_equal(track(fs, &lost, 10 + round * TIMEOUT_MS).why,
					 DROP_FRAGMENT_OVERLAP);
	}
	free(a.base);
}

/* RFC 1858 3.2.2, RFC 3128: early or late, it does not reach a host. */
static void a_piece_that_reaches_into_the_tcp_header_is_dropped(void **state)
{
	struct arena a;
	struct fragments *fs = make(&a);
	struct packet first = piece(7, 0, 24, true), evil = piece(7, 8, 40, false),
		      sixteen = piece(7, 16, 40, false), next = piece(7, 24, 40, false);

	(void)state;
	first.proto = evil.proto = sixteen.proto = next.proto = 6;
	assert_int_equal(track(fs, &evil, 1).why, DROP_FRAGMENT_TINY);
	assert_int_equal(track(fs, &first, 1).next, VERDICT_CONTINUE);
	assert_int_equal(track(fs, &sixteen, 1).why, DROP_FRAGMENT_TINY);
	assert_int_equal(track(fs, &next, 1).next,
			 VERDICT_CONTINUE); /* the rest is not condemned */
	evil.proto = 17;
	assert_int_equal(track(fs, &evil, 1).next, VERDICT_HELD); /* UDP's header has 8 bytes */
	free(a.base);
}

static void a_datagram_has_so_many_pieces_and_no_more(void **state)
{
	struct arena a;
	struct fragments *fs = make(&a);
	struct packet p;

	(void)state;
	for (uint32_t i = 0; i < FRAGMENT_PER_DATAGRAM; i++) {
		p = piece(7, i * 8, 8, true);
		assert_int_equal(track(fs, &p, 1).next, VERDICT_CONTINUE);
	}
	p = piece(7, FRAGMENT_PER_DATAGRAM * 8, 8, false);
	assert_int_equal(track(fs, &p, 1).why, DROP_FRAGMENT_STORE_FULL);
	p = piece(8, 0, 8, true); /* others are not touched */
	assert_int_equal(track(fs, &p, 1).next, VERDICT_CONTINUE);
	free(a.base);
}

static void the_longest_waits_and_one_byte_more_does_not(void **state)
{
	struct arena a;
	struct fragments *fs = make(&a);
	struct packet fits = piece(7, 800, FRAGMENT_HELD_BYTES - 48, true),
		      more = piece(8, 800, FRAGMENT_HELD_BYTES - 48 + 1, false);

	(void)state;
	assert_int_equal(fits.len, FRAGMENT_HELD_BYTES);
	assert_int_equal(track(fs, &fits, 1).next, VERDICT_HELD);
	assert_int_equal(track(fs, &more, 1).why, DROP_FRAGMENT_STORE_FULL);
	free(a.base);
}

/* Datagrams that keep nothing, however old, are no room for a packet: they are left alone. */
static void room_is_made_by_who_waits_longest(void **state)
{
	struct arena a;
	struct fragments *fs = make(&a);
	struct packet open = piece(1000, 0, 800, true), p;

	(void)state;
	assert_int_equal(track(fs, &open, 1).next, VERDICT_CONTINUE); /* the oldest of all */
	for (uint32_t i = 0; i <= FRAGMENT_HELD; i++) {
		p = piece(i, 800, 100, false);
		assert_int_equal(track(fs, &p, 2).next, VERDICT_HELD);
	}
	assert_int_equal(fragments_dropped(fs), 1);
	p = piece(1000, 800, 100, false);
	assert_int_equal(track(fs, &p, 3).next, VERDICT_CONTINUE); /* its first is remembered */
	p = piece(0, 0, 800, true); /* shed: what waited is gone, and so is what was known of it */
	assert_int_equal(track(fs, &p, 3).next, VERDICT_CONTINUE);
	assert_null(fragments_release(fs, &p, &out));
	free(a.base);
}

static void who_waits_longest_sheds_itself_for_more(void **state)
{
	struct arena a;
	struct fragments *fs = make(&a);
	struct packet p = piece(0, 800, 96, true);

	(void)state;
	for (uint32_t i = 0; i < FRAGMENT_HELD; i++) {
		p = piece(i, 800, 96, true);
		assert_int_equal(track(fs, &p, 1).next, VERDICT_HELD);
	}
	p = piece(0, 1600, 100, false);
	assert_int_equal(track(fs, &p, 2).why, DROP_FRAGMENT_STORE_FULL);
	assert_int_equal(fragments_dropped(fs), 1);
	p = piece(FRAGMENT_HELD, 800, 100, false); /* and there is room again */
	assert_int_equal(track(fs, &p, 2).next, VERDICT_HELD);
	assert_int_equal(fragments_dropped(fs), 0);
	free(a.base);
}

/* RFC 791 3.2, RFC 8200 4.5: source, destination, protocol and identification make a datagram; what
 * differs in one of them is another. */
static void datagrams_differ_by_each_part_of_their_name(void **state)
{
	struct arena a;
	struct fragments *fs = make(&a);
	struct packet first = piece(7, 0, 800, true);

	(void)state;
	assert_int_equal(track(fs, &first, 1).next, VERDICT_CONTINUE);
	for (unsigned part = 0; part < 5; part++) {
		struct packet next = piece(7, 800, 8, false);

		switch (part) {
		case 0:
			next.key.src.octet[3] = 1;
			break;
		case 1:
			next.key.dst.octet[15] = 1;
			break;
		case 2:
			next.proto = 6;
			break;
		case 3:
			next.frag_id = 7 + 65536;
			break;
		}
		assert_int_equal(track(fs, &next, 2).next,
				 part < 4 ? VERDICT_HELD : VERDICT_CONTINUE);
		if (part < 4)
			assert_null(fragments_release(fs, &next,
						      &out)); /* its own first has not come */
	}
	free(a.base);
}

/* Every fragment that passes has both ports, early or late. */
static void every_fragment_gets_both_ports(void **state)
{
	struct arena a;
	struct fragments *fs = make(&a);
	struct packet early = piece(7, 1600, 100, false), first = piece(7, 0, 800, true),
		      late = piece(7, 800, 800, true), *got;

	(void)state;
	outbox_reset(&out);
	early.verdict = verdict_drop(DROP_FRAGMENT_BAD); /* of an earlier step, whatever it was */
	for (uint32_t i = 0; i < early.len; i++)
		bytes[i] = (uint8_t)(i * 3);
	assert_int_equal(track(fs, &early, 1).next, VERDICT_HELD);
	memset(bytes, 0, early.len); /* a copy waits: the packet's memory is its port's again */
	assert_int_equal(track(fs, &first, 1).next, VERDICT_CONTINUE);
	assert_int_equal(be16_to(first.key.sport), 1234);
	assert_int_equal(be16_to(first.key.dport), 53);
	got = fragments_release(fs, &first, &out);
	assert_non_null(got);
	assert_int_equal(be16_to(got->key.sport), 1234);
	assert_int_equal(be16_to(got->key.dport), 53);
	assert_int_equal(got->verdict.next, VERDICT_CONTINUE);
	assert_int_equal(got->len, early.len);
	assert_int_equal(got->headroom, PACKET_HEADROOM);
	assert_true(got->room >= got->len && got->data >= out_mem + PACKET_HEADROOM);
	assert_int_equal(got->frag_id, 7);
	assert_int_equal(got->l4_at, early.l4_at);
	assert_false(got->more_fragments);
	for (uint32_t i = 0; i < got->len; i++)
		assert_int_equal(got->data[i], (uint8_t)(i * 3));
	assert_int_equal(track(fs, &late, 1).next, VERDICT_CONTINUE);
	assert_int_equal(be16_to(late.key.sport), 1234);
	assert_int_equal(be16_to(late.key.dport), 53);
	free(a.base);
}

/* RFC 5722 4: by one byte at either end, within, around; side by side is no overlap. Of bytes 800
 * to 1600 of the datagram. */
static void any_byte_twice_is_an_overlap(void **state)
{
	static const struct {
		uint32_t offset, len;
		bool overlap;
	} rows[] = {
		{ 0, 800, false },  { 0, 808, true },   { 1600, 80, false }, { 1592, 80, true },
		{ 808, 80, true },  { 792, 816, true }, { 800, 792, true },  { 808, 792, true },
		{ 800, 808, true }, { 792, 808, true }, { 8, 784, false },   { 1608, 80, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct arena a;
		struct fragments *fs = make(&a);
		struct packet p = piece(7, 800, 800, true),
			      other = piece(7, rows[i].offset, rows[i].len, true);
		struct verdict v;

		assert_int_equal(track(fs, &p, 1).next, VERDICT_HELD);
		v = track(fs, &other, 1);
		if ((v.next == VERDICT_DROP && v.why == DROP_FRAGMENT_OVERLAP) != rows[i].overlap)
			fail_msg("row %zu: verdict %d, reason %d", i, v.next, v.why);
		assert_int_equal(fragments_dropped(fs), rows[i].overlap);
		p = piece(7, 2400, 80, true); /* condemned with all that comes, or not */
		v = track(fs, &p, 1);
		assert_int_equal(v.next == VERDICT_DROP, rows[i].overlap);
		free(a.base);
	}
}

/* RFC 791 3.2: the fragment without "more" says how long the datagram is, once. */
static void a_datagram_has_one_end(void **state)
{
	static const struct {
		uint32_t offset, len;
		bool more, bad;
	} rows[] = {
		{ 1592, 8, true, false }, /* up to the end of what lies before the last */
		{ 1700, 8, true, true },  /* behind the end */
		{ 1704, 8, true, true },  { 2400, 8, false, true }, /* another end */
		{ 800, 80, false, true },                           /* ... before the first */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct arena a;
		struct fragments *fs = make(&a);
		struct packet p = piece(7, 1600, 100, false),
			      other = piece(7, rows[i].offset, rows[i].len, rows[i].more),
			      first = piece(7, 0, 80, true);
		struct verdict v;

		assert_int_equal(track(fs, &p, 1).next, VERDICT_HELD);
		v = track(fs, &other, 1);
		assert_int_equal(v.next, rows[i].bad ? VERDICT_DROP : VERDICT_HELD);
		if (rows[i].bad)
			assert_int_equal(v.why, DROP_FRAGMENT_BAD);
		assert_int_equal(fragments_dropped(fs), rows[i].bad);
		assert_int_equal(track(fs, &first, 1).next,
				 rows[i].bad ? VERDICT_DROP : VERDICT_CONTINUE);
		free(a.base);
	}
}

/* Whole, in whatever order, it is forgotten: its identification can be used at once, and it takes
 * no place among those that are followed. */
static void a_whole_datagram_is_forgotten_in_whatever_order_it_came(void **state)
{
	static const uint8_t orders[][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
					     { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
	struct arena a;
	struct fragments *fs = make(&a);
	struct packet old = piece(5000, 0, 800, true), next = piece(5000, 800, 8, false);

	(void)state;
	assert_int_equal(track(fs, &old, 1).next, VERDICT_CONTINUE);
	for (unsigned round = 0; round < FRAGMENT_DATAGRAMS + 6; round++) {
		unsigned passed = 0;

		outbox_reset(&out);
		for (unsigned i = 0; i < 3; i++) {
			uint8_t at = orders[round % 6][i];
			struct packet p = piece(round / 6, at * 800u, 800, at < 2);
			struct verdict v = track(fs, &p, 1);

			passed += v.next == VERDICT_CONTINUE;
			if (v.next == VERDICT_DROP)
				fail_msg("round %u, piece %u: reason %d", round, at, v.why);
			while (at == 0 && fragments_release(fs, &p, &out))
				passed++;
		}
		assert_int_equal(passed, 3);
	}
	assert_int_equal(fragments_dropped(fs), 0);
	assert_int_equal(track(fs, &next, 1).next, VERDICT_CONTINUE);
	free(a.base);
}

/* Each waits for itself: what was released is room for others, what was condemned, too. */
static void what_has_left_makes_room(void **state)
{
	struct arena a;
	struct fragments *fs = make(&a);
	struct packet p, first;

	(void)state;
	for (uint32_t i = 0; i < 3 * FRAGMENT_HELD; i++) {
		outbox_reset(&out);
		p = piece(i, 800, 100, false);
		assert_int_equal(track(fs, &p, 1).next, VERDICT_HELD);
		if (i % 2 == 0) {
			first = piece(i, 0, 800, true);
			assert_int_equal(track(fs, &first, 1).next, VERDICT_CONTINUE);
			assert_non_null(fragments_release(fs, &first, &out));
			continue;
		}
		p = piece(i, 792, 80, true);
		assert_int_equal(track(fs, &p, 1).why, DROP_FRAGMENT_OVERLAP);
		assert_int_equal(fragments_dropped(fs), 1);
	}
	for (uint32_t i = 0; i < FRAGMENT_HELD; i++) {
		p = piece(10000 + i, 800, 100, false);
		assert_int_equal(track(fs, &p, 1).next, VERDICT_HELD);
	}
	assert_int_equal(fragments_dropped(fs), 0);
	free(a.base);
}

static void the_work_of_forgetting_is_bounded(void **state)
{
	struct arena a;
	struct fragments *fs = make(&a);

	(void)state;
	for (uint32_t i = 0; i < 20; i++) {
		struct packet p = piece(i, 800, 100, false);

		assert_int_equal(track(fs, &p, 1).next, VERDICT_HELD);
	}
	fragments_expire(fs, 5000, TIMEOUT_MS, 0);
	assert_int_equal(fragments_dropped(fs), 0);
	fragments_expire(fs, 5000, TIMEOUT_MS, 7);
	assert_int_equal(fragments_dropped(fs), 7);
	fragments_expire(fs, 5000, TIMEOUT_MS, 13);
	assert_int_equal(fragments_dropped(fs), 13);
	fragments_expire(fs, 5000, TIMEOUT_MS, 1);
	assert_int_equal(fragments_dropped(fs), 0);
	free(a.base);
}

/* Nothing to release: no such datagram, nothing waits, no first yet, no room in the outbox (then it
 * waits on). */
static void release_gives_only_what_may_go(void **state)
{
	struct arena a;
	struct fragments *fs = make(&a);
	struct packet p = piece(7, 800, 100, false), first = piece(7, 0, 800, true);
	struct outbox none;

	(void)state;
	outbox_init(&none, out_mem, 64, out_packets, 1);
	assert_null(fragments_release(fs, &first, &out));
	assert_int_equal(track(fs, &p, 1).next, VERDICT_HELD);
	assert_null(fragments_release(fs, &first, &out));
	assert_int_equal(track(fs, &first, 1).next, VERDICT_CONTINUE);
	assert_null(fragments_release(fs, &first, &none));
	outbox_init(&out, out_mem, sizeof(out_mem), out_packets, 1024);
	assert_non_null(fragments_release(fs, &first, &out));
	assert_null(fragments_release(fs, &first, &out));
	free(a.base);
}

/* Whatever comes, in whatever order: nothing that waits is lost without being counted. */
static void random_fragments_are_released_dropped_or_still_waiting(void **state)
{
	struct arena a;
	struct fragments *fs = make(&a);
	uint64_t seed = test_seed(), now = 1, held = 0, released = 0, dropped = 0;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		uint32_t at = (uint32_t)(rnd(&seed) % 4);
		struct packet p = piece((uint32_t)(rnd(&seed) % 700), at * 80, 80, at < 3);
		struct verdict v = track(fs, &p, now);

		now += rnd(&seed) % 4;
		held += v.next == VERDICT_HELD;
		outbox_reset(&out);
		while (at == 0 && v.next == VERDICT_CONTINUE && fragments_release(fs, &p, &out))
			released++;
		dropped += fragments_dropped(fs);
	}
	fragments_expire(fs, now + TIMEOUT_MS, TIMEOUT_MS, FRAGMENT_DATAGRAMS);
	dropped += fragments_dropped(fs);
	assert_true(released > 1000 && dropped > 1000);
	assert_int_equal(held, released + dropped);
	free(a.base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_order_fragments_get_the_ports_of_the_first),
		cmocka_unit_test(early_fragments_wait_and_follow_in_order_of_arrival),
		cmocka_unit_test(
			fragments_without_a_first_are_dropped_after_the_timeout_and_counted),
		cmocka_unit_test(an_overlap_condemns_the_whole_datagram),
		cmocka_unit_test(a_duplicate_is_dropped_and_the_datagram_lives),
		cmocka_unit_test(impossible_lengths_are_dropped),
		cmocka_unit_test(the_store_is_bounded_and_sheds_the_oldest),
		cmocka_unit_test(more_datagrams_than_are_followed_shed_the_oldest),
		cmocka_unit_test(an_identification_can_be_used_again),
		cmocka_unit_test(a_piece_that_reaches_into_the_tcp_header_is_dropped),
		cmocka_unit_test(a_datagram_has_so_many_pieces_and_no_more),
		cmocka_unit_test(the_longest_waits_and_one_byte_more_does_not),
		cmocka_unit_test(room_is_made_by_who_waits_longest),
		cmocka_unit_test(who_waits_longest_sheds_itself_for_more),
		cmocka_unit_test(random_fragments_are_released_dropped_or_still_waiting),
		cmocka_unit_test(datagrams_differ_by_each_part_of_their_name),
		cmocka_unit_test(every_fragment_gets_both_ports),
		cmocka_unit_test(any_byte_twice_is_an_overlap),
		cmocka_unit_test(a_datagram_has_one_end),
		cmocka_unit_test(a_whole_datagram_is_forgotten_in_whatever_order_it_came),
		cmocka_unit_test(what_has_left_makes_room),
		cmocka_unit_test(the_work_of_forgetting_is_bounded),
		cmocka_unit_test(release_gives_only_what_may_go),
	};

	return cmocka_run_group_tests_name("fragments", tests, NULL, NULL);
}
