/* test_message.c - advertisements and the PREF64 option as bytes (RFC 4861 4.1, 4.2; RFC 8781 4). */
#include "test.h"
#include "sixgate/base/must.h"
#include "sixgate/ra/message.h"

static struct prefix prefix_of(const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(text, &p), 0);
	return p;
}

static struct addr addr_of(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static enum ra_kind read_from(const char *from, const void *bytes, size_t len,
			      struct ra_message *out)
{
	const struct ra_packet p = { .bytes = bytes, .len = len, .source = addr_of(from),
				     .hop_limit = RA_HOP_LIMIT };

	return ra_read(&p, out);
}

/* The option as RFC 8781 4 draws it: type 38, length 2, 13 bits of lifetime in units of 8 s, 3 bits of
 * PLC, 96 bits of prefix. */
static const struct {
	const char *prefix;
	uint32_t lifetime_s;
	uint8_t option[16];
} vectors[] = {
	{ "64:ff9b::/96", 1800, { 38, 2, 0x07, 0x08, 0x00, 0x64, 0xff, 0x9b } },
	{ "64:ff9b::/96", 0, { 38, 2, 0x00, 0x00, 0x00, 0x64, 0xff, 0x9b } },
	{ "2001:db8:1:2::/64", 1800,
	  { 38, 2, 0x07, 0x09, 0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 2 } },
	{ "2001:db8:1:200::/56", 600, { 38, 2, 0x02, 0x5a, 0x20, 0x01, 0x0d, 0xb8, 0, 1, 2 } },
	{ "64:ff9b:1::/48", 65528, { 38, 2, 0xff, 0xfb, 0x00, 0x64, 0xff, 0x9b, 0, 1 } },
	{ "2001:db8:100::/40", 8, { 38, 2, 0x00, 0x0c, 0x20, 0x01, 0x0d, 0xb8, 1 } },
	{ "2001:db8::/32", 9000, { 38, 2, 0x23, 0x2d, 0x20, 0x01, 0x0d, 0xb8 } },
	{ "2001:db8:1:2:0:3::/96", 16,
	  { 38, 2, 0x00, 0x10, 0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 2, 0, 0, 0, 3 } },
};

static void rfc8781_4_every_prefix_length_stands_as_drawn(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		struct ra_message m = { .n_pref64 = 1 }, back;
		uint8_t bytes[RA_BYTES_MAX];

		m.pref64[0] = (struct ra_pref64){ prefix_of(vectors[i].prefix),
						  vectors[i].lifetime_s };
		assert_int_equal(ra_write(&m, bytes), 32);
		assert_memory_equal(bytes + 16, vectors[i].option, 16);
		assert_int_equal(read_from("fe80::1", bytes, 32, &back), RA_ADVERTISEMENT);
		assert_int_equal(back.n_pref64, 1);
		assert_int_equal(back.pref64[0].lifetime_s, vectors[i].lifetime_s);
		assert_int_equal(back.pref64[0].prefix.len, m.pref64[0].prefix.len);
		assert_memory_equal(&back.pref64[0].prefix.addr, &m.pref64[0].prefix.addr, 16);
	}
}

static void rfc8781_4_other_lengths_have_no_code(void **state)
{
	(void)state;
	for (unsigned len = 0; len <= 128; len++) {
		struct prefix p = { .len = (uint8_t)len };
		bool possible = len == 96 || len == 64 || len == 56 || len == 48 || len == 40 ||
				len == 32;

		assert_int_equal(ra_pref64_is_possible(&p), possible);
	}
}

static void rfc8781_4_1_lifetimes_are_rounded_up_and_bounded(void **state)
{
	static const struct {
		uint32_t s;
		uint16_t scaled;
	} row[] = { { 0, 0 },	      { 1, 1 },		{ 8, 1 },	 { 9, 2 },
		    { 1800, 225 },    { 1801, 226 },	{ 65520, 8190 }, { 65521, 8191 },
		    { 65528, 8191 },  { 65529, 8191 },	{ UINT32_MAX, 8191 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(row); i++)
		assert_int_equal(ra_pref64_scale(row[i].s), row[i].scaled);
}

static void rfc8781_4_1_each_prefix_has_an_option_of_its_own(void **state)
{
	struct ra_message m = { .router_lifetime_s = 1800, .has_mac = true,
				.mac = { 2, 0, 0, 0, 0, 7 }, .n_pref64 = RA_PREF64_MAX }, back;
	uint8_t bytes[RA_BYTES_MAX];
	size_t len;

	(void)state;
	for (unsigned i = 0; i < RA_PREF64_MAX; i++) {
		m.pref64[i] = (struct ra_pref64){ prefix_of("2001:db8:64::/96"), 8 * i };
		m.pref64[i].prefix.addr.octet[11] = (uint8_t)i;
	}
	len = ra_write(&m, bytes);
	assert_int_equal(len, 16 + 8 + 16 * RA_PREF64_MAX);
	assert_int_equal(read_from("fe80::1", bytes, len, &back), RA_ADVERTISEMENT);
	assert_memory_equal(back.mac, m.mac, 6);
	assert_true(back.has_mac);
	assert_int_equal(back.router_lifetime_s, 1800);
	assert_int_equal(back.n_pref64, RA_PREF64_MAX);
	for (unsigned i = 0; i < RA_PREF64_MAX; i++) {
		assert_int_equal(back.pref64[i].lifetime_s, 8 * i);
		assert_int_equal(back.pref64[i].prefix.addr.octet[11], i);
	}
}

static void rfc4861_4_2_what_is_not_said_is_zero(void **state)
{
	static const uint8_t expected[16] = { 134 };
	static const struct ra_message nothing;
	uint8_t bytes[RA_BYTES_MAX];

	(void)state;
	memset(bytes, 0xaa, sizeof(bytes));
	assert_int_equal(ra_write(&nothing, bytes), 16);
	assert_memory_equal(bytes, expected, 16);
}

static void rfc4861_4_2_flags_and_times_of_a_router_are_read(void **state)
{
	static const uint8_t bytes[] = { 134, 0, 0, 0, 64, 0xc8, 0x07, 0x08, 0, 0, 0, 0, 0, 0, 0, 0,
					 /* MTU, Prefix Information, MAC */
					 5, 1, 0, 0, 0, 0, 0x05, 0xdc, 3, 4, 64, 0xc0, 0, 1, 2, 3, 0,
					 0, 1, 2, 0, 0, 0, 0, 0x20, 1, 0xd, 0xb8, 0, 1, 0, 0, 0, 0, 0,
					 0, 0, 0, 0, 0, 1, 1, 2, 0, 0, 0, 0, 1 };
	struct ra_message m;

	(void)state;
	assert_int_equal(read_from("fe80::1", bytes, sizeof(bytes), &m), RA_ADVERTISEMENT);
	assert_int_equal(m.hop_limit, 64);
	assert_true(m.managed);
	assert_true(m.other);
	assert_int_equal(m.router_lifetime_s, 1800);
	assert_true(m.has_mac);
	assert_int_equal(m.n_pref64, 0);
}

static void rfc8781_4_options_with_a_code_or_length_that_does_not_exist_are_passed_over(void **state)
{
	uint8_t bytes[16 + 16 + 24 + 8 + 16] = { 134 };
	uint8_t *option = bytes + 16;
	struct ra_message m;

	(void)state;
	memcpy(option, vectors[0].option, 16);
	option[3] |= 6; /* PLC 6 */
	option += 16;
	memcpy(option, vectors[0].option, 16);
	option[1] = 3;
	option += 24;
	memcpy(option, vectors[0].option, 8);
	option[1] = 1;
	option += 8;
	memcpy(option, vectors[4].option, 16);
	assert_int_equal(read_from("fe80::1", bytes, sizeof(bytes), &m), RA_ADVERTISEMENT);
	assert_int_equal(m.n_pref64, 1);
	assert_int_equal(m.pref64[0].prefix.len, 48);
	bytes[16 + 3] |= 7;
	assert_int_equal(read_from("fe80::1", bytes, sizeof(bytes), &m), RA_ADVERTISEMENT);
	assert_int_equal(m.n_pref64, 1);
}

static void rfc8781_4_bits_behind_the_prefix_are_not_looked_at(void **state)
{
	uint8_t bytes[32] = { 134 };
	struct prefix p = prefix_of("2001:db8::/32");
	struct ra_message m;

	(void)state;
	memcpy(bytes + 16, vectors[6].option, 16);
	memset(bytes + 24, 0xff, 8);
	assert_int_equal(read_from("fe80::1", bytes, sizeof(bytes), &m), RA_ADVERTISEMENT);
	assert_memory_equal(&m.pref64[0].prefix.addr, &p.addr, 16);
}

static void more_prefixes_than_are_kept_do_no_harm(void **state)
{
	uint8_t bytes[16 + 16 * (RA_PREF64_MAX + 1)] = { 134 };
	struct ra_message m;

	(void)state;
	for (size_t i = 0; i <= RA_PREF64_MAX; i++)
		memcpy(bytes + 16 + 16 * i, vectors[0].option, 16);
	assert_int_equal(read_from("fe80::1", bytes, sizeof(bytes), &m), RA_ADVERTISEMENT);
	assert_int_equal(m.n_pref64, RA_PREF64_MAX);
}

static void rfc4861_6_1_2_invalid_advertisements_are_refused(void **state)
{
	uint8_t good[24] = { 134, [16] = 1, [17] = 1, [18] = 2 }, bad[24];
	struct ra_packet p = { .bytes = good, .len = sizeof(good), .source = addr_of("fe80::1"),
			       .hop_limit = 255 };
	struct ra_message m;

	(void)state;
	assert_int_equal(ra_read(&p, &m), RA_ADVERTISEMENT);
	p.source = addr_of("2001:db8::1");
	assert_int_equal(ra_read(&p, &m), RA_INVALID);
	p.source = addr_of("fec0::1");
	assert_int_equal(ra_read(&p, &m), RA_INVALID);
	p.source = addr_of("febf::1");
	assert_int_equal(ra_read(&p, &m), RA_ADVERTISEMENT);
	for (int hops = -1; hops < 255; hops++) {
		p.hop_limit = hops;
		assert_int_equal(ra_read(&p, &m), RA_INVALID);
	}
	p.hop_limit = 255;
	p.len = 15;
	assert_int_equal(ra_read(&p, &m), RA_INVALID);
	p.len = 16;
	assert_int_equal(ra_read(&p, &m), RA_ADVERTISEMENT);
	for (p.len = 17; p.len < 24; p.len++)
		assert_int_equal(ra_read(&p, &m), RA_INVALID);
	p.bytes = bad;
	memcpy(bad, good, sizeof(bad));
	bad[1] = 1; /* code */
	assert_int_equal(ra_read(&p, &m), RA_INVALID);
	memcpy(bad, good, sizeof(bad));
	bad[17] = 0; /* length of an option */
	assert_int_equal(ra_read(&p, &m), RA_INVALID);
	bad[17] = 2; /* past the end */
	assert_int_equal(ra_read(&p, &m), RA_INVALID);
	bad[0] = 136; /* Neighbor Advertisement */
	bad[17] = 1;
	assert_int_equal(ra_read(&p, &m), RA_INVALID);
}

static void rfc4861_6_1_1_invalid_solicitations_are_refused(void **state)
{
	uint8_t bytes[RA_BYTES_MAX];
	static const uint8_t with_mac[16] = { 133, [8] = 1, [9] = 1, [10] = 2 };
	static const uint8_t no_length[16] = { 133, [8] = 1 };
	struct ra_message m;
	struct ra_packet p = { .bytes = bytes, .source = addr_of("fe80::1"), .hop_limit = 254 };

	(void)state;
	p.len = ra_write_solicitation(bytes);
	assert_int_equal(p.len, 8);
	assert_int_equal(ra_read(&p, &m), RA_INVALID);
	assert_int_equal(read_from("fe80::1", bytes, 8, &m), RA_SOLICITATION);
	assert_int_equal(read_from("::", bytes, 8, &m), RA_SOLICITATION);
	assert_int_equal(read_from("2001:db8::1", bytes, 8, &m), RA_SOLICITATION);
	assert_int_equal(read_from("ff02::1", bytes, 8, &m), RA_INVALID);
	assert_int_equal(read_from("fe80::1", with_mac, 16, &m), RA_SOLICITATION);
	assert_int_equal(read_from("::", with_mac, 16, &m), RA_INVALID);
	assert_int_equal(read_from("fe80::1", with_mac, 12, &m), RA_INVALID);
	assert_int_equal(read_from("fe80::1", no_length, 16, &m), RA_INVALID);
	for (size_t len = 0; len < 8; len++)
		assert_int_equal(read_from("fe80::1", bytes, len, &m), RA_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc8781_4_every_prefix_length_stands_as_drawn),
		cmocka_unit_test(rfc8781_4_other_lengths_have_no_code),
		cmocka_unit_test(rfc8781_4_1_lifetimes_are_rounded_up_and_bounded),
		cmocka_unit_test(rfc8781_4_1_each_prefix_has_an_option_of_its_own),
		cmocka_unit_test(rfc8781_4_bits_behind_the_prefix_are_not_looked_at),
		cmocka_unit_test(
			rfc8781_4_options_with_a_code_or_length_that_does_not_exist_are_passed_over),
		cmocka_unit_test(more_prefixes_than_are_kept_do_no_harm),
		cmocka_unit_test(rfc4861_4_2_what_is_not_said_is_zero),
		cmocka_unit_test(rfc4861_4_2_flags_and_times_of_a_router_are_read),
		cmocka_unit_test(rfc4861_6_1_2_invalid_advertisements_are_refused),
		cmocka_unit_test(rfc4861_6_1_1_invalid_solicitations_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
