/* test_offload.c - what the kernel left undone: facts that are true, and facts that are not. */
#include "fixture.h"
#include <netinet/in.h>

static struct tuple tuple(bool v6, uint8_t proto)
{
	return v6 ? tuple_of("2001:db8:1::10", "2001:db8:2::20", 4000, 53, proto)
		  : tuple_of("198.51.100.1", "192.0.2.33", 4000, 53, proto);
}

static void tcp(struct fixture *f, bool v6, uint32_t n)
{
	struct tuple t = tuple(v6, IPPROTO_TCP);

	f->len = build_tcp(f->bytes, &t, (struct tcp_args){ 0x10, 1, 2 }, n);
	f->off = (struct offload){ .csum_partial = true,
				   .csum_start = v6 ? 40 : 20,
				   .csum_offset = 16 };
}

static void udp(struct fixture *f, bool v6, uint32_t n)
{
	struct tuple t = tuple(v6, IPPROTO_UDP);

	f->len = build_udp(f->bytes, &t, n);
	f->off = (struct offload){ .csum_partial = true,
				   .csum_start = v6 ? 40 : 20,
				   .csum_offset = 6 };
}

static void tcp_and_udp_stay_unfinished(void **state)
{
	struct fixture *f = *state;

	for (int v6 = 0; v6 <= 1; v6++) {
		tcp(f, v6, 10);
		assert_parsed(parse(f));
		assert_true(f->p.off.csum_partial);
		assert_memory_equal(f->p.data, f->bytes, f->len);
		udp(f, v6, 10);
		assert_parsed(parse(f));
		assert_true(f->p.off.csum_partial);
		assert_memory_equal(f->p.data, f->bytes, f->len);
	}
}

/* ICMP, tunnels: what we cannot carry on unfinished is finished at once. */
static void anything_else_is_finished(void **state)
{
	struct fixture *f = *state;
	struct tuple t = tuple(true, IPPROTO_ICMPV6);
	uint16_t sum;

	f->len = build_echo(f->bytes, &t, false, 21);
	sum = checksum_fold(checksum_pseudo(&t.src, &t.dst, IPPROTO_ICMPV6, 29));
	memcpy(f->bytes + 42, &sum, 2);
	f->off = (struct offload){ .csum_partial = true, .csum_start = 40, .csum_offset = 2 };
	assert_parsed(parse(f));
	assert_false(f->p.off.csum_partial);
	assert_true(l4_checksum_is_right(&f->p));
	/* within GRE: the field becomes the complement of the sum from csum_start on, itself
	 * included */
	tcp(f, true, 10);
	f->bytes[6] = 47;
	f->off.csum_start = 44;
	memcpy(f->bytes + 60, "\x12\x34", 2);
	sum = (uint16_t)~checksum_fold(checksum_add(0, f->bytes + 44, f->len - 44));
	assert_parsed(parse(f));
	assert_false(f->p.off.csum_partial);
	assert_memory_equal(f->p.data + 60, &sum, 2);
}

static void a_checksum_outside_the_l4_packet_is_a_lie(void **state)
{
	static const struct {
		const char *what;
		uint16_t start, offset;
	} row[] = {
		{ "in the IP header", 8, 2 },
		{ "one byte beyond the end", 40, 29 },
		{ "far beyond the end", 65535, 65535 },
		{ "before the l4 header", 39, 17 },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		print_message("%s\n", row[i].what);
		tcp(f, true, 10);
		f->off.csum_start = row[i].start;
		f->off.csum_offset = row[i].offset;
		assert_dropped(parse(f), DROP_BAD_OFFLOAD);
	}
	tcp(f, true, 10);
	f->off.csum_offset = 28; /* the last two bytes */
	assert_parsed(parse(f));
	assert_false(f->p.off.csum_partial);
}

static void a_finished_zero_is_ffff(void **state)
{
	struct fixture *f = *state;

	udp(f, true, 2);
	memset(f->bytes + 40, 0, 10);
	f->off.csum_start = 48;
	f->off.csum_offset = 0;
	store16(f->bytes + 44, 10);
	store16(f->bytes + 48, 0xffff); /* sums to ffff, complemented to 0 */
	assert_parsed(parse(f));
	assert_int_equal(load16(f->p.data + 48), 0xffff);
}

static void fragments_have_nothing_left_undone(void **state)
{
	struct fixture *f = *state;

	udp(f, false, 16);
	store16(f->bytes + 6, 0x2000);
	sum_ip4(f);
	assert_dropped(parse(f), DROP_BAD_OFFLOAD);
}

static void super_packets_of_each_kind(void **state)
{
	struct fixture *f = *state;

	for (int v6 = 0; v6 <= 1; v6++) {
		tcp(f, v6, 3000);
		f->off.gso = v6 ? GSO_TCP6 : GSO_TCP4;
		f->off.gso_size = 1400;
		assert_parsed(parse(f));
		assert_int_equal(f->p.off.gso_size, 1400);
		udp(f, v6, 3000);
		f->off.gso = GSO_UDP;
		f->off.gso_size = 1400;
		assert_parsed(parse(f));
		assert_int_equal(f->p.off.gso, GSO_UDP);
	}
}

static void super_packets_that_are_a_lie(void **state)
{
	static const struct {
		const char *what;
		uint8_t gso;
		uint16_t size;
		bool udp, v6, finished;
	} row[] = {
		{ "TCP4 in IPv6", GSO_TCP4, 1400, false, true, false },
		{ "TCP6 in IPv4", GSO_TCP6, 1400, false, false, false },
		{ "TCP in UDP", GSO_TCP6, 1400, true, true, false },
		{ "UDP in TCP", GSO_UDP, 1400, false, true, false },
		{ "segments of nothing", GSO_TCP6, 0, false, true, false },
		{ "a finished checksum", GSO_TCP6, 1400, false, true, true },
		{ "no such kind", 77, 1400, false, true, false },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		print_message("%s\n", row[i].what);
		if (row[i].udp)
			udp(f, row[i].v6, 3000);
		else
			tcp(f, row[i].v6, 3000);
		f->off.gso = row[i].gso;
		f->off.gso_size = row[i].size;
		f->off.csum_partial = !row[i].finished;
		assert_dropped(parse(f), DROP_BAD_OFFLOAD);
	}
}

static void one_segment_is_no_super_packet(void **state)
{
	struct fixture *f = *state;

	for (uint32_t n = 0; n <= 1401; n += n ? 1 : 1400) {
		tcp(f, true, n);
		f->off.gso = GSO_TCP6;
		f->off.gso_size = 1400;
		f->off.gso_ecn = true;
		assert_parsed(parse(f));
		assert_int_equal(f->p.off.gso, n == 1401 ? GSO_TCP6 : GSO_NONE);
		assert_int_equal(f->p.off.gso_size, n == 1401 ? 1400 : 0);
		assert_int_equal(f->p.off.gso_ecn, n == 1401);
	}
}

/* What cuts super-packets has room for so much. */
static void super_packets_have_at_most_256_bytes_of_headers(void **state)
{
	uint8_t ext[200] = { 6, 24 };
	struct fixture *f = *state;

	for (uint32_t n = 192; n <= 200; n += 8) { /* 40 + 192 + 24 is all */
		ext[1] = (uint8_t)(n / 8 - 1);
		tcp(f, true, 3000);
		f->bytes[52] = 0x60;
		put_in(f, 40, ext, n);
		f->bytes[6] = 60;
		f->off.csum_start = (uint16_t)(40 + n);
		f->off.gso = GSO_TCP6;
		f->off.gso_size = 1400;
		if (n == 192)
			assert_parsed(parse(f));
		else
			assert_dropped(parse(f), DROP_BAD_OFFLOAD);
	}
}

static void a_short_header_is_seen_before_its_checksum(void **state)
{
	struct fixture *f = *state;

	tcp(f, true, 0);
	f->len = 50;
	store16(f->bytes + 4, 10);
	assert_dropped(parse(f), DROP_TRUNCATED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(tcp_and_udp_stay_unfinished),
		FIXTURE_TEST(anything_else_is_finished),
		FIXTURE_TEST(a_checksum_outside_the_l4_packet_is_a_lie),
		FIXTURE_TEST(a_finished_zero_is_ffff),
		FIXTURE_TEST(fragments_have_nothing_left_undone),
		FIXTURE_TEST(super_packets_of_each_kind),
		FIXTURE_TEST(super_packets_that_are_a_lie),
		FIXTURE_TEST(one_segment_is_no_super_packet),
		FIXTURE_TEST(super_packets_have_at_most_256_bytes_of_headers),
		FIXTURE_TEST(a_short_header_is_seen_before_its_checksum),
	};

	return cmocka_run_group_tests_name("packet/offload", tests, NULL, NULL);
}
