/* test_pcap.c - capture files as they are found in the wild, and as an attacker would write them.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "sixgate/base/must.h"
#include "sixgate/io/pcap.h"

static const uint8_t ping4[28] = { 0x45, 0, 0, 28, 0, 1, 0, 0, 64, 1 };
static const uint8_t ping6[48] = { 0x60, 0, 0, 0, 0, 8, 58, 64 };

/* A file in memory, written field by field in either byte order. */
struct image {
	uint8_t bytes[4096];
	size_t n;
	bool swapped;
};

static void put32(struct image *i, uint32_t v)
{
	v = i->swapped ? __builtin_bswap32(v) : v;
	memcpy(i->bytes + i->n, &v, 4);
	i->n += 4;
}

static void put_header(struct image *i, uint32_t magic, uint32_t linktype)
{
	put32(i, magic);
	put32(i, 2 | 4 << 16);
	put32(i, 0);
	put32(i, 0);
	put32(i, 65535);
	put32(i, linktype);
}

static void put_record(struct image *i, uint32_t s, uint32_t fraction, const void *data,
		       uint32_t len)
{
	put32(i, s);
	put32(i, fraction);
	put32(i, len);
	put32(i, len);
	memcpy(i->bytes + i->n, data, len);
	i->n += len;
}

static struct pcap_reader *reader_of(const struct image *i)
{
	struct pcap_reader *r = NULL;
	struct err e;
	FILE *f = fmemopen((void *)(uintptr_t)i->bytes, i->n, "rb");

	assert_non_null(f);
	if (pcap_reader_new(&r, f, &e) < 0)
		fail_msg("%s", e.text);
	return r;
}

static void both_byte_orders_and_resolutions_are_read(void **state)
{
	static const struct {
		uint32_t magic, fraction;
		uint64_t time_ns;
	} rows[] = {
		{ 0xa1b2c3d4, 250000, 7250000000 },    /* microseconds */
		{ 0xa1b23c4d, 250000000, 7250000000 }, /* nanoseconds */
	};

	(void)state;
	for (unsigned k = 0; k < 2 * ARRAY_LEN(rows); k++) {
		struct image i = { .swapped = k & 1 };
		struct pcap_record got;
		struct pcap_reader *r;
		struct err e;

		put_header(&i, rows[k / 2].magic, 101);
		put_record(&i, 7, rows[k / 2].fraction, ping4, sizeof(ping4));
		r = reader_of(&i);
		assert_int_equal(pcap_read(r, &got, &e), 1);
		assert_true(got.time_ns == rows[k / 2].time_ns);
		assert_int_equal(got.len, sizeof(ping4));
		assert_memory_equal(got.data, ping4, sizeof(ping4));
		assert_int_equal(pcap_read(r, &got, &e), 0);
		pcap_reader_free(r);
	}
}

static void link_headers_are_taken_off_and_frames_without_ip_passed_over(void **state)
{
	static const uint8_t plain4[14] = { [12] = 0x08, [13] = 0x00 };
	static const uint8_t arp[14] = { [12] = 0x08, [13] = 0x06 };
	static const uint8_t vlan6[18] = { [12] = 0x81, [16] = 0x86, [17] = 0xdd };
	static const uint8_t qinq6[22] = {
		[12] = 0x88, [13] = 0xa8, [16] = 0x81, [20] = 0x86, [21] = 0xdd
	};
	static const uint8_t vlan3[26] = { [12] = 0x81, [16] = 0x81, [20] = 0x81, [24] = 0x08 };
	static const uint8_t sll6[16] = { [14] = 0x86, [15] = 0xdd };
	static const uint8_t sll2_4[20] = { [0] = 0x08 };
	static const struct {
		const char *name;
		uint32_t linktype;
		const uint8_t *head;
		uint32_t head_len;
		bool ip;
	} rows[] = {
		{ "raw", 101, NULL, 0, true },
		{ "ipv4", 228, NULL, 0, true },
		{ "ipv6", 229, NULL, 0, true },
		{ "ethernet", 1, plain4, sizeof(plain4), true },
		{ "ethernet arp", 1, arp, sizeof(arp), false },
		{ "ethernet cut in its header", 1, plain4, 10, false },
		{ "802.1Q", 1, vlan6, sizeof(vlan6), true },
		{ "802.1ad", 1, qinq6, sizeof(qinq6), true },
		{ "one tag too many", 1, vlan3, sizeof(vlan3), false },
		{ "sll", 113, sll6, sizeof(sll6), true },
		{ "sll2", 276, sll2_4, sizeof(sll2_4), true },
	};

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		struct image i = { .n = 0 };
		uint8_t frame[128];
		struct pcap_record got;
		struct pcap_reader *r;
		struct err e;
		uint32_t len = rows[k].head_len;

		print_message("row %s\n", rows[k].name);
		if (len)
			memcpy(frame, rows[k].head, len);
		if (len != 10) {
			memcpy(frame + len, ping6, sizeof(ping6));
			len += (uint32_t)sizeof(ping6);
		}
		put_header(&i, 0xa1b2c3d4, rows[k].linktype);
		put_record(&i, 1, 0, frame, len);
		r = reader_of(&i);
		assert_int_equal(pcap_read(r, &got, &e), rows[k].ip);
		if (rows[k].ip) {
			assert_int_equal(got.len, sizeof(ping6));
			assert_memory_equal(got.data, ping6, sizeof(ping6));
		}
		pcap_reader_free(r);
	}
}

static void a_file_that_is_no_capture_is_refused_with_the_reason(void **state)
{
	static const struct {
		const char *why;
		uint8_t bytes[32];
		size_t n;
	} rows[] = {
		{ "too short", { 0xd4, 0xc3, 0xb2, 0xa1 }, 23 },
		{ "pcapng", { 0x0a, 0x0d, 0x0d, 0x0a }, 32 },
		{ "not a capture", { 1, 2, 3, 4 }, 32 },
		{ "link type 99", { 0xd4, 0xc3, 0xb2, 0xa1, [20] = 99 }, 24 },
	};

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		FILE *f = fmemopen((void *)(uintptr_t)rows[k].bytes, rows[k].n, "rb");
		struct pcap_reader *r;
		struct err e;

		assert_int_equal(pcap_reader_new(&r, f, &e), -EINVAL);
		assert_non_null(strstr(e.text, rows[k].why));
	}
}

static void a_record_longer_than_any_packet_is_refused(void **state)
{
	struct image i = { .n = 0 };
	struct pcap_record got;
	struct pcap_reader *r;
	struct err e;

	(void)state;
	put_header(&i, 0xa1b2c3d4, 101);
	put_record(&i, 1, 0, ping4, sizeof(ping4));
	put32(&i, 2);
	put32(&i, 0);
	put32(&i, 0x80000000);
	put32(&i, 60);
	r = reader_of(&i);
	assert_int_equal(pcap_read(r, &got, &e), 1);
	assert_int_equal(pcap_read(r, &got, &e), -EINVAL);
	assert_non_null(strstr(e.text, "record 2"));
	pcap_reader_free(r);
}

static void a_record_with_an_impossible_time_is_refused(void **state)
{
	struct image i = { .n = 0 };
	struct pcap_record got;
	struct pcap_reader *r;
	struct err e;

	(void)state;
	put_header(&i, 0xa1b2c3d4, 101);
	put_record(&i, 1, 999999, ping4, sizeof(ping4));
	put_record(&i, 1, 1000000, ping4, sizeof(ping4));
	r = reader_of(&i);
	assert_int_equal(pcap_read(r, &got, &e), 1);
	assert_int_equal(pcap_read(r, &got, &e), -EINVAL);
	pcap_reader_free(r);
}

static void a_cut_last_record_is_the_end(void **state)
{
	struct image i = { .n = 0 };
	struct pcap_record got;
	struct pcap_reader *r;
	struct err e;

	(void)state;
	put_header(&i, 0xa1b2c3d4, 101);
	put_record(&i, 1, 0, ping4, sizeof(ping4));
	put_record(&i, 2, 0, ping6, sizeof(ping6));
	i.n -= 5;
	r = reader_of(&i);
	assert_int_equal(pcap_read(r, &got, &e), 1);
	assert_int_equal(pcap_read(r, &got, &e), 0);
	pcap_reader_free(r);
}

static void write_file(char *path, const struct image *i)
{
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, i->bytes, i->n), i->n);
	close(fd);
}

static void two_captures_are_merged_by_time_in_batches_of_a_millisecond(void **state)
{
	static const struct {
		uint16_t n;
		uint8_t side[3];
	} batches[] = { { 1, { SIDE_INSIDE } },
			{ 3, { SIDE_OUTSIDE, SIDE_INSIDE, SIDE_OUTSIDE } },
			{ 1, { SIDE_INSIDE } } };
	struct image in = { .n = 0 }, out = { .n = 0, .swapped = true };
	char in_path[] = "/tmp/sixgate-in-XXXXXX", out_path[] = "/tmp/sixgate-out-XXXXXX";
	static struct batch b;
	struct port *port;
	struct err e;

	(void)state;
	put_header(&in, 0xa1b2c3d4, 101);
	put_record(&in, 100, 0, ping6, sizeof(ping6));
	put_record(&in, 100, 5500, ping6, sizeof(ping6));
	put_record(&in, 100, 6000, ping6, sizeof(ping6));
	put_header(&out, 0xa1b23c4d, 101);
	put_record(&out, 100, 5100000, ping4, sizeof(ping4));
	put_record(&out, 100, 5999999, ping4, sizeof(ping4));
	write_file(in_path, &in);
	write_file(out_path, &out);
	assert_int_equal(pcap_port_new(&port, &(struct pcap_paths){ in_path, out_path, NULL }, &e),
			 0);
	assert_true(pcap_port_next_ns(port) == 100000000000);
	for (size_t k = 0; k < ARRAY_LEN(batches); k++) {
		assert_true(port->ops->rx(port, &b));
		assert_int_equal(b.n, batches[k].n);
		for (uint16_t p = 0; p < b.n; p++) {
			assert_int_equal(b.packet[p].side, batches[k].side[p]);
			assert_true(b.packet[p].headroom >= PACKET_HEADROOM);
			assert_int_equal(b.packet[p].data[0] >> 4,
					 b.packet[p].side == SIDE_INSIDE ? 6 : 4);
		}
	}
	assert_true(pcap_port_next_ns(port) == UINT64_MAX);
	assert_false(port->ops->rx(port, &b));
	assert_int_equal(pcap_port_failed(port, &e), 0);
	port->ops->close(port);
	unlink(in_path);
	unlink(out_path);
}

static void only_forwarded_packets_are_written_with_the_time_of_the_clock(void **state)
{
	struct image in = { .n = 0 };
	char in_path[] = "/tmp/sixgate-in-XXXXXX", out_path[] = "/tmp/sixgate-out-XXXXXX";
	struct image empty = { .n = 0 };
	static struct batch b;
	struct port_counts c = { 0 };
	struct pcap_reader *r;
	struct pcap_record got;
	struct port *port;
	struct err e;

	(void)state;
	put_header(&in, 0xa1b23c4d, 101);
	put_record(&in, 3, 17, ping6, sizeof(ping6));
	put_record(&in, 3, 18, ping4, sizeof(ping4));
	write_file(in_path, &in);
	write_file(out_path, &empty);
	assert_int_equal(pcap_port_new(&port, &(struct pcap_paths){ in_path, NULL, out_path }, &e),
			 0);
	assert_true(port->ops->rx(port, &b));
	assert_int_equal(b.n, 2);
	b.packet[0].verdict = verdict_drop(DROP_NO_POLICY);
	b.packet[1].verdict = verdict_forward();
	port->ops->tx(port, b.packet, b.n, &c);
	pcap_port_set_clock(port, 5000000001);
	b.packet[0].verdict = verdict_forward();
	port->ops->tx(port, b.packet, 1, &c);
	assert_int_equal(c.n_full + c.n_error, 0);
	assert_int_equal(pcap_port_failed(port, &e), 0);
	port->ops->close(port);

	assert_int_equal(pcap_reader_new(&r, fopen(out_path, "rb"), &e), 0);
	assert_int_equal(pcap_read(r, &got, &e), 1);
	assert_true(got.time_ns == 3000000018);
	assert_memory_equal(got.data, ping4, sizeof(ping4));
	assert_int_equal(pcap_read(r, &got, &e), 1);
	assert_true(got.time_ns == 5000000001);
	assert_memory_equal(got.data, ping6, sizeof(ping6));
	assert_int_equal(pcap_read(r, &got, &e), 0);
	pcap_reader_free(r);
	unlink(in_path);
	unlink(out_path);
}

static void a_full_disk_is_reported(void **state)
{
	struct image in = { .n = 0 };
	char in_path[] = "/tmp/sixgate-in-XXXXXX";
	struct port_counts c = { 0 };
	static struct batch b;
	struct port *port;
	struct err e;

	(void)state;
	put_header(&in, 0xa1b23c4d, 101);
	put_record(&in, 3, 17, ping6, sizeof(ping6));
	write_file(in_path, &in);
	assert_int_equal(
		pcap_port_new(&port, &(struct pcap_paths){ in_path, NULL, "/dev/full" }, &e), 0);
	assert_true(port->ops->rx(port, &b));
	b.packet[0].verdict = verdict_forward();
	port->ops->tx(port, b.packet, 1, &c);
	assert_int_equal(pcap_port_failed(port, &e), -ENOSPC);
	port->ops->close(port);
	assert_int_equal(
		pcap_port_new(&port, &(struct pcap_paths){ "/nowhere/x.pcap", NULL, NULL }, &e),
		-ENOENT);
	assert_non_null(strstr(e.text, "/nowhere/x.pcap"));
	unlink(in_path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_byte_orders_and_resolutions_are_read),
		cmocka_unit_test(link_headers_are_taken_off_and_frames_without_ip_passed_over),
		cmocka_unit_test(a_file_that_is_no_capture_is_refused_with_the_reason),
		cmocka_unit_test(a_record_longer_than_any_packet_is_refused),
		cmocka_unit_test(a_record_with_an_impossible_time_is_refused),
		cmocka_unit_test(a_cut_last_record_is_the_end),
		cmocka_unit_test(two_captures_are_merged_by_time_in_batches_of_a_millisecond),
		cmocka_unit_test(only_forwarded_packets_are_written_with_the_time_of_the_clock),
		cmocka_unit_test(a_full_disk_is_reported),
	};

	return cmocka_run_group_tests_name("pcap", tests, NULL, NULL);
}
