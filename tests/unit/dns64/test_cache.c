/* test_cache.c - what is kept of answers, how long, and what goes when there is too much
 * (RFC 2308; RFC 2181 5.4, 8). */
#include "fixture.h"
#include <stdio.h>
#include <stdlib.h>
#include "sixgate/base/must.h"
#include "sixgate/base/wire.h"
#include "test.h"

static const struct hash_key secret = { { 9, 8, 7, 6, 5, 4, 3, 2 } };

static struct dns64_key key_of(const char *name, uint16_t type, uint8_t flags)
{
	struct dns64_key k = { .question = { .type = type, .class = 1 }, .flags = flags };

	assert_int_equal(dns_name_parse(name, &k.question.name), 0);
	return k;
}

static struct dns64_answer *answer_of(const struct text *t, const struct dns64_key *k)
{
	static uint8_t wire[DNS_MESSAGE_MAX];

	return dns64_answer_new(k, wire, wire_of(t, 0x4242, wire), 0);
}

static uint32_t lifetime(const struct text *t, uint16_t type)
{
	struct dns64_key k = key_of("a.", type, 0);
	struct dns64_answer *a = answer_of(t, &k);
	uint32_t ttl;

	assert_non_null(a);
	ttl = a->ttl_s;
	dns64_answer_put(a);
	return ttl;
}

#define SOA(ttl, minimum) "a. " ttl " IN SOA n. m. 1 2 3 4 " minimum

static void lifetimes_follow_rfc2308_and_rfc2181(void **state)
{
	static const struct {
		const char *why;
		struct text t;
		uint32_t want;
	} rows[] = {
		{ "least TTL of all records",
		  { .answer = { "a. 300 IN A 192.0.2.1" },
		    .authority = { "a. 200 IN NS n." },
		    .additional = { "n. 100 IN A 192.0.2.2" } }, 100 },
		{ "a day at most", { .answer = { "a. 604800 IN A 192.0.2.1" } }, 86400 },
		{ "TTL 0 is not kept", { .answer = { "a. 0 IN A 192.0.2.1" } }, 0 },
		{ "NODATA: SOA's minimum, 2308 5", { .authority = { SOA("300", "60") } }, 60 },
		{ "NODATA: SOA's TTL, 2308 5", { .authority = { SOA("50", "60") } }, 50 },
		{ "NODATA behind an alias", { .answer = { "a. 40 IN CNAME b." },
					      .authority = { SOA("300", "60") } }, 40 },
		{ "NODATA without SOA is not kept, 2308 5", { 0 }, 0 },
		{ "alias that leads to nothing", { .answer = { "a. 40 IN CNAME b." } }, 0 },
		{ "NODATA with NS, however long, and no SOA",
		  { .authority = { "a. 40 IN NS a-name-of-more-than-22-octets.example." } }, 0 },
		{ "an SOA in the additional section does not count",
		  { .additional = { SOA("300", "60") } }, 0 },
		{ "NXDOMAIN", { .flags = DNS_NXDOMAIN, .authority = { SOA("300", "60") } }, 60 },
		{ "NXDOMAIN without SOA", { .flags = DNS_NXDOMAIN }, 0 },
		{ "negative: three hours at most, 2308 5",
		  { .flags = DNS_NXDOMAIN, .authority = { SOA("86400", "86400") } }, 10800 },
		{ "SERVFAIL: seconds, 2308 7.1", { .flags = DNS_SERVFAIL }, 5 },
		{ "REFUSED: too, 9520 3.2", { .flags = DNS_REFUSED }, 5 },
		{ "NOTIMP: too", { .flags = DNS_NOTIMP }, 5 },
		{ "FORMERR: too", { .flags = DNS_FORMERR }, 5 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct text t = rows[i].t;

		print_message("%s\n", rows[i].why);
		t.question = "a. IN A";
		t.flags |= DNS_QR;
		assert_int_equal(lifetime(&t, DNS_TYPE_A), rows[i].want);
		t.opt = true; /* OPT's "TTL" is none */
		assert_int_equal(lifetime(&t, DNS_TYPE_A), rows[i].want);
	}
}

static void the_soa_of_a_kept_negative_answer_counts_down_rfc2308_5(void **state)
{
	struct text t = { .question = "a. IN A", .flags = DNS_QR, .authority = { SOA("300", "60") } };
	struct dns64_key k = key_of("a.", DNS_TYPE_A, 0);
	struct dns64_answer *a = answer_of(&t, &k);

	(void)state;
	assert_string_equal(text_of(a->wire, a->len),
			    "NOERROR ra\n-- authority\na. 60 IN SOA n. m. 1 2 3 4 60\n");
	dns64_answer_put(a);
}

static void opt_goes_and_other_additional_records_stay(void **state)
{
	struct text t = { .question = "a. IN A",
			  .flags = DNS_QR,
			  .additional = { "b. 5 IN A 192.0.2.1", "b. 5 IN A 192.0.2.2" },
			  .opt = true };
	struct dns64_key k = key_of("a.", DNS_TYPE_A, 0);
	struct dns64_answer *a = answer_of(&t, &k);

	(void)state;
	assert_string_equal(text_of(a->wire, a->len), "NOERROR ra\n-- additional\n"
						      "b. 5 IN A 192.0.2.1\nb. 5 IN A 192.0.2.2\n");
	dns64_answer_put(a);
}

static void opt_is_taken_off_and_its_error_remembered(void **state)
{
	struct text t = { .question = "a. IN A",
			  .flags = DNS_QR | DNS_AA | DNS_RD | DNS_AD | DNS_CD | DNS_SERVFAIL,
			  .opt = true,
			  .has_ede = true,
			  .ede = 7 };
	struct dns64_key k = key_of("a.", DNS_TYPE_A, 0);
	struct dns64_answer *a = answer_of(&t, &k);

	(void)state;
	assert_string_equal(text_of(a->wire, a->len), "SERVFAIL ra ad\n");
	assert_int_equal(a->ede, 7);
	assert_int_equal(load16(a->wire), 0);
	dns64_answer_put(a);
}

/* Question, then OPT, then an A record whose owner points behind OPT. */
static void opt_in_the_middle_is_taken_out_too(void **state)
{
	struct text t = { .question = "a. IN A", .flags = DNS_QR, .opt = true };
	struct dns64_key k = key_of("a.", DNS_TYPE_A, 0);
	static const uint8_t tail[] = { 1, 'x', 0, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 1, 2, 3, 4 };
	static const uint8_t more[] = { 0xc0, 0, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 1, 2, 3, 5 };
	struct dns64_answer *a;
	uint8_t wire[512];
	size_t len = wire_of(&t, 1, wire);

	(void)state;
	memcpy(wire + len, tail, sizeof(tail));
	memcpy(wire + len + sizeof(tail), more, sizeof(more));
	wire[len + sizeof(tail) + 1] = (uint8_t)len;
	store16(wire + 10, 3);
	a = dns64_answer_new(&k, wire, len + sizeof(tail) + sizeof(more), 0);
	assert_non_null(a);
	assert_string_equal(text_of(a->wire, a->len),
			    "NOERROR ra\n-- additional\nx. 9 IN A 1.2.3.4\nx. 9 IN A 1.2.3.5\n");
	dns64_answer_put(a);
}

static void malformed_answers_are_refused(void **state)
{
	struct text t = { .question = "a. IN A",
			  .flags = DNS_QR,
			  .answer = { "a. 300 IN A 192.0.2.1" },
			  .opt = true };
	struct dns64_key k = key_of("a.", DNS_TYPE_A, 0);
	uint8_t wire[512], two[512];
	size_t len = wire_of(&t, 1, wire);

	(void)state;
	for (size_t cut = 0; cut < len; cut++) {
		uint8_t *part = malloc(cut + 1);

		memcpy(part, wire, cut);
		assert_null(dns64_answer_new(&k, part, cut, 0));
		free(part);
	}
	memcpy(two, wire, len);
	memcpy(two + len, wire + len - DNS_OPT_LEN, DNS_OPT_LEN);
	store16(two + 10, 2);
	assert_null(dns64_answer_new(&k, two, len + DNS_OPT_LEN, 0)); /* RFC 6891 6.1.1 */
	store16(wire + 6, 2); /* OPT as the second answer */
	store16(wire + 10, 0);
	assert_null(dns64_answer_new(&k, wire, len, 0));
}

static void chains_longer_than_anybody_follows_are_refused(void **state)
{
	struct text t = { .question = "n0. IN A", .flags = DNS_QR };
	struct dns64_key k = key_of("n0.", DNS_TYPE_A, 0);
	char line[DNS_CHAIN_MAX + 1][64];

	(void)state;
	for (int i = 0; i <= DNS_CHAIN_MAX; i++) {
		struct dns64_answer *a;
		uint8_t wire[4096];

		snprintf(line[i], sizeof(line[i]), "n%d. 5 IN CNAME n%d.", i, i + 1);
		t.answer[i] = line[i];
		a = dns64_answer_new(&k, wire, wire_of(&t, 1, wire), 0);
		assert_int_equal(a != NULL, i + 1 <= DNS_CHAIN_MAX);
		dns64_answer_put(a);
	}
}

/* "a. 98 IN A 192.0.2.1", then an A record whose owner points into that TTL: to the two bytes 0, 98
 * (the root), or to a label that runs over them. */
static void names_that_point_into_ttls_are_refused_rfc1035_4_1_4(void **state)
{
	struct text t = { .question = "a. IN A",
			  .flags = DNS_QR,
			  .answer = { "a. 98 IN A 192.0.2.1", "b. 98 IN A 192.0.2.2" } };
	struct dns64_key k = key_of("a.", DNS_TYPE_A, 0);
	static const uint8_t rr[] = { 0xc0, 0, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 1, 2, 3, 4 };
	uint8_t wire[512];
	size_t len = wire_of(&t, 1, wire), ttl_at = 12 + 7 + 2 + 4;
	struct dns64_answer *good;

	(void)state;
	memcpy(wire + len, rr, sizeof(rr));
	store16(wire + 6, 3);
	wire[len + 1] = 12; /* a good pointer: the question */
	good = dns64_answer_new(&k, wire, len + sizeof(rr), 0);
	assert_non_null(good);
	dns64_answer_put(good);
	for (size_t at = ttl_at; at < ttl_at + 3; at++) {
		wire[len + 1] = (uint8_t)at;
		assert_true(dns_message_check(wire, len + sizeof(rr)));
		assert_null(dns64_answer_new(&k, wire, len + sizeof(rr), 0));
	}
}

static struct dns64_cache *cache_of(uint64_t bytes)
{
	struct dns64_cache *c;
	struct err e;

	assert_int_equal(dns64_cache_new(&c, bytes, &secret, &e), 0);
	return c;
}

static struct dns64_key add(struct dns64_cache *c, const char *name, uint8_t flags)
{
	struct dns64_key k = key_of(name, DNS_TYPE_A, flags);
	struct dns64_answer *a;
	char question[80], record[80];
	struct text t = { .question = question, .flags = DNS_QR, .answer = { record } };

	snprintf(question, sizeof(question), "%s IN A", name);
	snprintf(record, sizeof(record), "%s 300 IN A 192.0.2.1", name);
	a = answer_of(&t, &k);
	dns64_cache_add(c, &k, a);
	dns64_answer_put(a);
	return k;
}

static void an_answer_is_found_until_its_time_is_over(void **state)
{
	struct dns64_cache *c = cache_of(1 << 20);
	struct dns64_key k = add(c, "a.", 0), other;

	(void)state;
	assert_non_null(dns64_cache_find(c, &k, 0));
	assert_non_null(dns64_cache_find(c, &k, 299999));
	other = key_of("b.", DNS_TYPE_A, 0);
	assert_null(dns64_cache_find(c, &other, 0));
	other = key_of("a.", DNS_TYPE_AAAA, 0);
	assert_null(dns64_cache_find(c, &other, 0));
	assert_null(dns64_cache_find(c, &k, 300000));
	assert_int_equal(dns64_cache_entries(c), 0);
	dns64_cache_free(c);
}

static void do_and_cd_are_other_questions(void **state)
{
	struct dns64_cache *c = cache_of(1 << 20);
	struct dns64_key k[4];

	(void)state;
	for (uint8_t flags = 0; flags < 4; flags++) {
		k[flags] = key_of("a.", DNS_TYPE_A, flags);
		assert_null(dns64_cache_find(c, &k[flags], 0));
		add(c, "a.", flags);
	}
	for (uint8_t flags = 0; flags < 4; flags++)
		assert_int_equal(dns64_cache_find(c, &k[flags], 0)->flags, flags);
	dns64_cache_free(c);
}

static void a_new_answer_takes_the_place_of_the_old(void **state)
{
	struct dns64_cache *c = cache_of(1 << 20);
	struct dns64_key k = add(c, "a.", 0);
	uint64_t bytes = dns64_cache_bytes(c);

	(void)state;
	for (int i = 0; i < 10; i++)
		add(c, "a.", 0);
	assert_int_equal(dns64_cache_entries(c), 1);
	assert_int_equal(dns64_cache_bytes(c), bytes);
	assert_non_null(dns64_cache_find(c, &k, 0));
	dns64_cache_free(c);
}

static void the_least_recently_used_goes_when_there_is_too_much(void **state)
{
	struct dns64_cache *c = cache_of(1 << 20);
	struct dns64_key k[4000];

	(void)state;
	for (int i = 0; i < 4000; i++) {
		char name[20];

		snprintf(name, sizeof(name), "n%04d.", i);
		k[i] = add(c, name, 0);
		assert_non_null(dns64_cache_find(c, &k[0], 0)); /* always in use */
	}
	for (int i = 0; i < 4000; i++) {
		char name[20];

		snprintf(name, sizeof(name), "m%04d.", i);
		k[i == 0 ? 1 : i] = add(c, name, 0);
		assert_non_null(dns64_cache_find(c, &k[0], 0));
		assert_true(dns64_cache_bytes(c) <= 1 << 20);
	}
	assert_true(dns64_cache_entries(c) > 4000 && dns64_cache_entries(c) < 8000);
	assert_non_null(dns64_cache_find(c, &k[3999], 0));
	dns64_cache_free(c);
}

static void a_smaller_limit_holds_at_once(void **state)
{
	struct dns64_cache *c = cache_of(4 << 20);

	(void)state;
	for (int i = 0; i < 10000; i++) {
		char name[20];

		snprintf(name, sizeof(name), "n%d.", i);
		add(c, name, 0);
	}
	assert_true(dns64_cache_bytes(c) > 1 << 20);
	dns64_cache_limit(c, 1 << 20);
	assert_true(dns64_cache_bytes(c) <= 1 << 20);
	dns64_cache_free(c);
}

static void what_is_forgotten_stays_with_who_holds_it(void **state)
{
	struct dns64_cache *c = cache_of(1 << 20);
	struct dns64_key k = add(c, "a.", 0);
	struct dns64_answer *a = dns64_answer_get(dns64_cache_find(c, &k, 0));

	(void)state;
	dns64_cache_limit(c, 0);
	assert_null(dns64_cache_find(c, &k, 0));
	assert_string_equal(text_of(a->wire, a->len), "NOERROR ra\na. 300 IN A 192.0.2.1\n");
	dns64_answer_put(a);
	dns64_cache_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lifetimes_follow_rfc2308_and_rfc2181),
		cmocka_unit_test(the_soa_of_a_kept_negative_answer_counts_down_rfc2308_5),
		cmocka_unit_test(opt_is_taken_off_and_its_error_remembered),
		cmocka_unit_test(opt_goes_and_other_additional_records_stay),
		cmocka_unit_test(opt_in_the_middle_is_taken_out_too),
		cmocka_unit_test(malformed_answers_are_refused),
		cmocka_unit_test(chains_longer_than_anybody_follows_are_refused),
		cmocka_unit_test(names_that_point_into_ttls_are_refused_rfc1035_4_1_4),
		cmocka_unit_test(an_answer_is_found_until_its_time_is_over),
		cmocka_unit_test(do_and_cd_are_other_questions),
		cmocka_unit_test(a_new_answer_takes_the_place_of_the_old),
		cmocka_unit_test(the_least_recently_used_goes_when_there_is_too_much),
		cmocka_unit_test(a_smaller_limit_holds_at_once),
		cmocka_unit_test(what_is_forgotten_stays_with_who_holds_it),
	};

	return cmocka_run_group_tests_name("dns64/cache", tests, NULL, NULL);
}
