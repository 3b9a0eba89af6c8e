/* test_virtio.c - the virtio-net header, checked as if a stranger had written it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>
#include "io_internal.h"
#include "sixgate/base/must.h"

enum { NONE = 0, TCP4 = 1, UFO = 3, TCP6 = 4, USO = 5, ECN = 0x80, NEEDS_CSUM = 1 };

static bool is_refused(const struct offload *off)
{
	return off->gso != GSO_NONE && off->gso_size == 0;
}

static void facts_of_the_kernel_become_ours_and_back(void **state)
{
	static const struct {
		const char *name;
		struct virtio_net_hdr hdr;
		uint8_t gso;
	} rows[] = {
		{ "plain", { .gso_type = NONE }, GSO_NONE },
		{ "unfinished checksum",
		  { .flags = NEEDS_CSUM, .csum_start = 20, .csum_offset = 16 },
		  GSO_NONE },
		{ "TSO, IPv4",
		  { .flags = NEEDS_CSUM,
		    .gso_type = TCP4,
		    .hdr_len = 52,
		    .gso_size = 1448,
		    .csum_start = 20,
		    .csum_offset = 16 },
		  GSO_TCP4 },
		{ "TSO, IPv6, ECN",
		  { .flags = NEEDS_CSUM,
		    .gso_type = TCP6 | ECN,
		    .hdr_len = 72,
		    .gso_size = 1428,
		    .csum_start = 40,
		    .csum_offset = 16 },
		  GSO_TCP6 },
		{ "USO",
		  { .flags = NEEDS_CSUM,
		    .gso_type = USO,
		    .hdr_len = 48,
		    .gso_size = 1200,
		    .csum_start = 40,
		    .csum_offset = 6 },
		  GSO_UDP },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct offload off = io__offload_from_virtio(&rows[i].hdr, 9000);
		struct virtio_net_hdr back = io__offload_to_virtio(&off);

		print_message("row %s\n", rows[i].name);
		assert_int_equal(off.gso, rows[i].gso);
		assert_int_equal(off.gso_size, rows[i].hdr.gso_size);
		assert_int_equal(off.csum_partial, rows[i].hdr.flags & NEEDS_CSUM);
		assert_int_equal(off.gso_ecn, (rows[i].hdr.gso_type & ECN) != 0);
		assert_false(is_refused(&off));
		assert_memory_equal(&back, &rows[i].hdr, sizeof(back));
	}
}

static void facts_that_cannot_be_are_refused(void **state)
{
	static const struct {
		const char *name;
		struct virtio_net_hdr hdr;
	} rows[] = {
		{ "UDP fragmentation offload",
		  { .flags = NEEDS_CSUM, .gso_type = UFO, .gso_size = 100 } },
		{ "unknown kind", { .flags = NEEDS_CSUM, .gso_type = 2, .gso_size = 100 } },
		{ "all bits", { .flags = 0xff, .gso_type = 0xff, .gso_size = 100 } },
		{ "segments of no size",
		  { .flags = NEEDS_CSUM, .gso_type = TCP4, .csum_start = 20 } },
		{ "segments with a finished checksum", { .gso_type = TCP4, .gso_size = 1448 } },
		{ "checksum field one byte behind the end",
		  { .flags = NEEDS_CSUM, .csum_start = 80, .csum_offset = 19 } },
		{ "sum of offsets beyond 16 bits",
		  { .flags = NEEDS_CSUM, .csum_start = 0xffff, .csum_offset = 0xffff } },
	};
	const struct virtio_net_hdr last = { .flags = NEEDS_CSUM,
					     .csum_start = 80,
					     .csum_offset = 18 };
	struct offload off = io__offload_from_virtio(&last, 100);

	(void)state;
	assert_true(off.csum_partial); /* the last two bytes are still inside */
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		off = io__offload_from_virtio(&rows[i].hdr, 100);
		print_message("row %s\n", rows[i].name);
		assert_true(is_refused(&off));
	}
}

static void the_header_length_is_cut_to_the_packet(void **state)
{
	const struct virtio_net_hdr hdr = { .flags = NEEDS_CSUM,
					    .gso_type = TCP4,
					    .hdr_len = 60000,
					    .gso_size = 10,
					    .csum_start = 20,
					    .csum_offset = 16 };
	struct offload off = io__offload_from_virtio(&hdr, 100);

	(void)state;
	assert_int_equal(off.hdr_len, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(facts_of_the_kernel_become_ours_and_back),
		cmocka_unit_test(facts_that_cannot_be_are_refused),
		cmocka_unit_test(the_header_length_is_cut_to_the_packet),
	};

	return cmocka_run_group_tests_name("virtio", tests, NULL, NULL);
}
