/* test_base.c - addresses, prefixes, hashes, errors. */
#include "test.h"
#include <errno.h>
#include "sixgate/base/addr.h"
#include "sixgate/base/err.h"
#include "sixgate/base/hash.h"
#include "sixgate/base/verdict.h"

static struct addr a(const char *text)
{
	struct addr out;

	assert_int_equal(addr_parse(text, &out), 0);
	return out;
}

static void addresses_survive_text(void **state)
{
	static const char *const rows[] = { "0.0.0.0", "192.0.2.33", "255.255.255.255", "::", "::1",
					    "2001:db8::1", "fe80::1:2:3:4" };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct addr got = a(rows[i]);
		char text[ADDR_TEXT_MAX];

		assert_string_equal(addr_format(&got, text), rows[i]);
	}
}

static void what_is_no_address_is_refused(void **state)
{
	static const char *const rows[] = { "", "1.2.3", "1.2.3.4.5", "256.1.1.1", "::g", "1::2::3",
					    "fe80::1%eth0", "1.2.3.4 " };
	struct addr out;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(addr_parse(rows[i], &out), -EINVAL);
}

static void prefixes_count_bits_in_their_own_family(void **state)
{
	static const struct {
		const char *text;
		int rc;
		uint8_t len;
	} rows[] = {
		{ "192.0.2.0/24", 0, 120 },	{ "192.0.2.1", 0, 128 },  { "0.0.0.0/0", 0, 96 },
		{ "2001:db8::/32", 0, 32 },	{ "::/0", 0, 0 },	  { "2001:db8::1", 0, 128 },
		{ "::ffff:0:0/96", 0, 96 },	{ "192.0.2.1/24", -EDOM, 0 },
		{ "2001:db8::1/32", -EDOM, 0 }, { "192.0.2.0/33", -EINVAL, 0 },
		{ "::/129", -EINVAL, 0 },	{ "192.0.2.0/", -EINVAL, 0 },
		{ "192.0.2.0/+8", -EINVAL, 0 }, { "192.0.2.0/ 8", -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct prefix p = { .len = 0 };

		print_message("row %zu: %s\n", i, rows[i].text);
		assert_int_equal(prefix_parse(rows[i].text, &p), rows[i].rc);
		assert_int_equal(p.len, rows[i].len);
	}
}

static void a_prefix_contains_exactly_its_addresses(void **state)
{
	struct prefix p;
	struct addr in = a("2001:db8:8000::1"), out = a("2001:db8:4000::1"), v4in = a("10.1.2.3"),
		    v4out = a("11.1.2.3");

	(void)state;
	assert_int_equal(prefix_parse("2001:db8:8000::/33", &p), 0);
	assert_true(prefix_contains(&p, &in));
	assert_false(prefix_contains(&p, &out));
	assert_int_equal(prefix_parse("10.0.0.0/8", &p), 0);
	assert_true(prefix_contains(&p, &v4in));
	assert_false(prefix_contains(&p, &v4out));
}

/* RFC 6890 and its updates; both ends of a block and their neighbours. */
static void blocks_that_are_not_global_are_known(void **state)
{
	static const struct {
		const char *text;
		bool global;
	} rows[] = {
		{ "9.255.255.255", true },    { "10.0.0.0", false },	  { "10.255.255.255", false },
		{ "11.0.0.0", true },	      { "100.63.255.255", true }, { "100.64.0.0", false },
		{ "100.127.255.255", false }, { "100.128.0.0", true },	  { "127.0.0.1", false },
		{ "169.254.1.1", false },     { "172.15.255.255", true }, { "172.16.0.0", false },
		{ "172.31.255.255", false },  { "172.32.0.0", true },	  { "192.0.0.8", false },
		{ "192.0.2.1", false },	      { "192.168.0.1", false },	  { "198.17.255.255", true },
		{ "198.18.0.0", false },      { "198.19.255.255", false }, { "198.20.0.0", true },
		{ "198.51.100.1", false },    { "203.0.113.1", false },	  { "223.255.255.255", true },
		{ "224.0.0.1", false },	      { "240.0.0.1", false },	  { "255.255.255.255", false },
		{ "0.1.2.3", false },	      { "8.8.8.8", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct addr x = a(rows[i].text);

		if (addr_is_global_v4(&x) != rows[i].global)
			fail_msg("%s", rows[i].text);
	}
}

/* The first and the 16th of the authors' vectors for SipHash-2-4: key 00..0f, message 00..n-1. */
static void siphash_agrees_with_its_authors(void **state)
{
	struct hash_key k;
	uint8_t key[16], message[15];

	(void)state;
	for (unsigned i = 0; i < 16; i++)
		key[i] = (uint8_t)i;
	for (unsigned i = 0; i < 15; i++)
		message[i] = (uint8_t)i;
	memset(&k, 0, sizeof(k));
	memcpy(k.word, key, 16);
	assert_true(siphash(&k, message, 0) == 0x726fdb47dd0e0e31);
	assert_true(siphash(&k, message, 15) == 0xa129ca6149be45e5);
}

static void errors_are_wrapped_outermost_first(void **state)
{
	struct err e;
	char longer[600];

	(void)state;
	memset(longer, 'x', sizeof(longer));
	longer[599] = '\0';
	assert_int_equal(err_set(&e, -EPERM, "TUNSETIFF: %s", "no"), -EPERM);
	assert_int_equal(err_wrap(&e, -EPERM, "tun %s", "sixgate0"), -EPERM);
	assert_string_equal(e.text, "tun sixgate0: TUNSETIFF: no");
	err_wrap(&e, -1, "%s", longer);
	assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
	assert_int_equal(err_set(NULL, -EINVAL, "nobody listens"), -EINVAL);
}

static void drop_reasons_have_different_names(void **state)
{
	(void)state;
	for (unsigned i = 0; i < DROP_N_REASONS; i++)
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(drop_reason_name(i), drop_reason_name(j));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_survive_text),
		cmocka_unit_test(what_is_no_address_is_refused),
		cmocka_unit_test(prefixes_count_bits_in_their_own_family),
		cmocka_unit_test(a_prefix_contains_exactly_its_addresses),
		cmocka_unit_test(blocks_that_are_not_global_are_known),
		cmocka_unit_test(siphash_agrees_with_its_authors),
		cmocka_unit_test(errors_are_wrapped_outermost_first),
		cmocka_unit_test(drop_reasons_have_different_names),
	};

	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
