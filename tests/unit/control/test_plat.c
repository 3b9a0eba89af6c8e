/* test_plat.c - the question for the provider's prefix, and which bytes are an answer to it. */
#include "test.h"
#include "plat.h"
#include "sixgate/base/must.h"
#include "sixgate/dns64/message.h"

enum { ID = 0x1234 };

static uint8_t wire[DNS_UDP_PAYLOAD];

/* An answer with the addresses @a, up to NULL. */
static size_t answer(uint16_t flags, const char *const *a, uint32_t ttl_s)
{
	size_t n = plat__question(ID, wire);
	uint16_t count = 0;

	store16(wire + 2, (uint16_t)(DNS_QR | DNS_RD | DNS_RA | flags));
	for (; *a; a++, count++) {
		struct addr addr;

		must(addr_parse(*a, &addr) == 0);
		store16(wire + n, 0xc000 | DNS_HEADER_LEN);
		store16(wire + n + 2, DNS_TYPE_AAAA);
		store16(wire + n + 4, DNS_CLASS_IN);
		store32(wire + n + 6, ttl_s);
		store16(wire + n + 10, 16);
		memcpy(wire + n + 12, addr.octet, 16);
		n += 28;
	}
	store16(wire + 6, count);
	return n;
}

static const char *const synthesised[] = { "64:ff9b::192.0.0.170", "64:ff9b::192.0.0.171", NULL };
static const char *const none[] = { NULL };

static void rfc7050_3_an_answer_tells_prefix_and_lifetime(void **state)
{
	struct plat_reply r;
	char text[PREFIX_TEXT_MAX];

	(void)state;
	assert_true(plat__read(wire, answer(0, synthesised, 600), ID, &r));
	assert_string_equal(prefix_format(&r.prefix, text), "64:ff9b::/96");
	assert_int_equal(r.ttl_s, 600);
}

static void rfc7050_3_the_first_usable_of_several_prefixes_is_taken(void **state)
{
	static const char *const several[] = { "2001:db8::1", "2001:db8:64::192.0.0.171",
					       "64:ff9b::192.0.0.170", NULL };
	struct plat_reply r;
	char text[PREFIX_TEXT_MAX];

	(void)state;
	assert_true(plat__read(wire, answer(0, several, 60), ID, &r));
	assert_string_equal(prefix_format(&r.prefix, text), "2001:db8:64::/96");
}

static void rfc7050_3_no_address_is_no_nat64(void **state)
{
	struct plat_reply r;

	(void)state;
	assert_true(plat__read(wire, answer(0, none, 0), ID, &r));
	assert_int_equal(r.prefix.len, 0);
	assert_true(plat__read(wire, answer(DNS_NXDOMAIN, none, 0), ID, &r));
	assert_int_equal(r.prefix.len, 0);
	assert_true(r.ttl_s > 0);
}

static void what_is_no_answer_is_not_believed(void **state)
{
	struct plat_reply r;
	size_t n = answer(0, synthesised, 600);

	(void)state;
	assert_false(plat__read(wire, n, ID + 1, &r));
	assert_false(plat__read(wire, answer(DNS_TC, synthesised, 600), ID, &r));
	assert_false(plat__read(wire, answer(DNS_SERVFAIL, none, 0), ID, &r));
	assert_false(plat__read(wire, answer(DNS_REFUSED, none, 0), ID, &r));
	n = answer(0, synthesised, 600);
	wire[DNS_HEADER_LEN + 1] ^= 1; /* of another name */
	assert_false(plat__read(wire, n, ID, &r));
	n = plat__question(ID, wire); /* an echo of the question */
	assert_false(plat__read(wire, n, ID, &r));
}

static void every_shortened_answer_is_refused(void **state)
{
	size_t n = answer(0, synthesised, 600);
	struct plat_reply r;

	(void)state;
	for (size_t len = 0; len < n; len++) {
		uint8_t *exact = malloc(len ? len : 1); /* for the sanitizer */

		must(exact);
		memcpy(exact, wire, len);
		assert_false(plat__read(exact, len, ID, &r));
		free(exact);
	}
}

static void damaged_answers_are_read_within_their_bounds(void **state)
{
	uint64_t seed = test_seed();
	struct plat_reply r;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		size_t n = answer(0, synthesised, 600);

		for (unsigned k = 1 + rnd(&seed) % 6; k > 0; k--)
			wire[2 + rnd(&seed) % (n - 2)] = (uint8_t)rnd(&seed);
		if (plat__read(wire, n, ID, &r) && r.prefix.len)
			assert_true(r.prefix.len >= 32 && r.prefix.len <= 96);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc7050_3_an_answer_tells_prefix_and_lifetime),
		cmocka_unit_test(rfc7050_3_the_first_usable_of_several_prefixes_is_taken),
		cmocka_unit_test(rfc7050_3_no_address_is_no_nat64),
		cmocka_unit_test(what_is_no_answer_is_not_believed),
		cmocka_unit_test(every_shortened_answer_is_refused),
		cmocka_unit_test(damaged_answers_are_read_within_their_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
