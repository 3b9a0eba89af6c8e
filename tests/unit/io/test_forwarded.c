/* test_forwarded.c - what the kernel's forwarding does to a packet, done to those that pass it by. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>
#include "forwarded.h"
#include "sixgate/base/must.h"
#include "sixgate/packet/checksum.h"

enum { TCP = 6, UDP = 17, ICMP = 1 };

static const struct addr src4 = { .octet = { [10] = 0xff, 0xff, 192, 0, 2, 1 } };
static const struct addr dst4 = { .octet = { [10] = 0xff, 0xff, 198, 51, 100, 7 } };
static const struct addr src6 = { .octet = { 0x20, 1, 0xd, 0xb8, [15] = 1 } };
static const struct addr dst6 = { .octet = { 0x20, 1, 0xd, 0xb8, [15] = 2 } };

/* A packet with @l4_len bytes behind its IP header, counting up; its checksum field is zero. */
static struct packet make(uint8_t *mem, int family, uint8_t proto, uint32_t l4_len)
{
	const uint32_t at = family == 4 ? 20 : 40;
	struct packet p = { .data = mem, .len = at + l4_len };
	uint64_t sum;

	memset(mem, 0, at);
	for (uint32_t i = 0; i < l4_len; i++)
		mem[at + i] = (uint8_t)(i * 7 + 1);
	if (l4_len > 17)
		memset(mem + at + (proto == TCP ? 16 : 6), 0, 2);
	if (family == 6) {
		mem[0] = 0x60;
		store16(mem + 4, (uint16_t)l4_len);
		mem[6] = proto;
		mem[7] = 64;
		memcpy(mem + 8, &src6, 16);
		memcpy(mem + 24, &dst6, 16);
		return p;
	}
	mem[0] = 0x45;
	store16(mem + 2, (uint16_t)p.len);
	mem[8] = 64;
	mem[9] = proto;
	memcpy(mem + 12, src4.octet + 12, 4);
	memcpy(mem + 16, dst4.octet + 12, 4);
	sum = checksum_add(0, mem, 20);
	sum = (uint16_t)~checksum_fold(sum);
	memcpy(mem + 10, &sum, 2);
	return p;
}

static uint16_t pseudo_of(int family, uint8_t proto, uint32_t len)
{
	return checksum_fold(family == 4 ? checksum_pseudo(&src4, &dst4, proto, len)
					 : checksum_pseudo(&src6, &dst6, proto, len));
}

static void the_header_checksum_follows_the_hop_count(void **state)
{
	uint8_t mem[64];
	struct packet p = make(mem, 4, UDP, 20);

	(void)state;
	for (int ttl = 64; ttl > 1; ttl--) {
		assert_int_equal(forwarded__hops(&p), ttl);
		forwarded__count_hop(p.data);
		assert_int_equal(checksum_fold(checksum_add(0, mem, 20)), 0xffff);
	}
	assert_int_equal(mem[8], 1);
	p = make(mem, 6, UDP, 20);
	forwarded__count_hop(p.data);
	assert_int_equal(forwarded__hops(&p), 63);
}

static void only_whole_headers_are_looked_at(void **state)
{
	uint8_t mem[80];
	struct packet p = make(mem, 6, UDP, 20);

	(void)state;
	assert_true(forwarded__is_ip(&p));
	p.len = 39;
	assert_false(forwarded__is_ip(&p));
	p = make(mem, 4, UDP, 20);
	assert_true(forwarded__is_ip(&p));
	p.len = 19;
	assert_false(forwarded__is_ip(&p));
	p.len = 40;
	mem[0] = 0x44;
	assert_false(forwarded__is_ip(&p));
	mem[0] = 0x55;
	assert_false(forwarded__is_ip(&p));
}

static void a_pseudo_header_sum_is_an_unfinished_checksum(void **state)
{
	static const struct {
		int family;
		uint8_t proto;
		uint32_t at, offset;
	} rows[] = { { 4, TCP, 20, 16 }, { 4, UDP, 20, 6 }, { 6, TCP, 40, 16 }, { 6, UDP, 40, 6 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const int family = rows[i].family;
		const uint8_t proto = rows[i].proto;
		uint8_t mem[128];
		struct packet p = make(mem, family, proto, 41);
		uint16_t pseudo = pseudo_of(family, proto, 41);
		uint8_t *field = mem + rows[i].at + rows[i].offset;
		uint64_t sum;

		forwarded__note_unfinished(&p);
		assert_false(p.off.csum_partial); /* any other value is left alone */
		memcpy(field, &pseudo, 2);
		forwarded__note_unfinished(&p);
		assert_true(p.off.csum_partial);
		assert_int_equal(p.off.csum_start, rows[i].at);
		assert_int_equal(p.off.csum_offset, rows[i].offset);
		packet_finish_checksum(&p);
		sum = family == 4 ? checksum_pseudo(&src4, &dst4, proto, 41)
				  : checksum_pseudo(&src6, &dst6, proto, 41);
		assert_int_equal(checksum_fold(checksum_add(sum, mem + rows[i].at, 41)), 0xffff);
	}
}

static void what_has_no_such_field_is_left_alone(void **state)
{
	uint8_t mem[128];
	struct packet p;
	uint16_t pseudo;

	(void)state;
	p = make(mem, 4, ICMP, 41);
	pseudo = pseudo_of(4, ICMP, 41);
	memcpy(mem + 36, &pseudo, 2);
	forwarded__note_unfinished(&p);
	assert_false(p.off.csum_partial);
	for (uint32_t len = 0; len < 18; len++) { /* too short for the field */
		p = make(mem, 4, TCP, len);
		pseudo = pseudo_of(4, TCP, len);
		memcpy(mem + 36, &pseudo, 2);
		forwarded__note_unfinished(&p);
		assert_false(p.off.csum_partial);
	}
	p = make(mem, 4, TCP, 41); /* a fragment */
	pseudo = pseudo_of(4, TCP, 41);
	memcpy(mem + 36, &pseudo, 2);
	store16(mem + 6, 0x2000);
	forwarded__note_unfinished(&p);
	assert_false(p.off.csum_partial);
	p = make(mem, 6, TCP, 41); /* longer than it is */
	pseudo = pseudo_of(6, TCP, 41);
	memcpy(mem + 56, &pseudo, 2);
	p.len--;
	forwarded__note_unfinished(&p);
	assert_false(p.off.csum_partial);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_header_checksum_follows_the_hop_count),
		cmocka_unit_test(only_whole_headers_are_looked_at),
		cmocka_unit_test(a_pseudo_header_sum_is_an_unfinished_checksum),
		cmocka_unit_test(what_has_no_such_field_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
