/* test_decide.c - RFC 6147 5.1 as a table: what the two legs say, and what the client gets. */
#include "fixture.h"
#include "sixgate/base/must.h"
#include "test.h"

#define IDLE       .state = LEG_IDLE
#define WAITING    .state = LEG_WAITING
#define FAILED     .state = LEG_FAILED
#define BARRED     .state = LEG_BARRED
#define RECORDS    .state = LEG_ANSWERED, .facts = { .n_usable = 1 }
#define SIGNED     .state = LEG_ANSWERED, .facts = { .n_usable = 1, .is_signed = true }
#define EXCLUDED   .state = LEG_ANSWERED, .facts = { .n_excluded = 2 }
#define NODATA     .state = LEG_ANSWERED, .facts = { .has_soa = true }
#define SIGNED_NO  .state = LEG_ANSWERED, .facts = { .has_soa = true, .is_signed = true }
#define NXDOMAIN   .state = LEG_ANSWERED, .facts = { .rcode = DNS_NXDOMAIN }
#define SERVFAIL   .state = LEG_ANSWERED, .facts = { .rcode = DNS_SERVFAIL }
#define REFUSED    .state = LEG_ANSWERED, .facts = { .rcode = DNS_REFUSED }
#define BOGUS      .state = LEG_ANSWERED, .facts = { .rcode = DNS_SERVFAIL, .bogus = true }

enum { SERIAL = 1, ON_ERROR_SERVFAIL = 2, BREAK_DNSSEC = 4, NO_PREFIX = 8 };

struct leg_row {
	enum leg_state state;
	struct dns64_facts facts;
};

static const struct {
	const char *why;
	struct leg_row aaaa, a;
	bool dnssec_ok, impatient;
	int conf;
	enum dns64_next want;
} rows[] = {
	{ "5.1.8: both at once", { WAITING }, { IDLE }, 0, 0, 0, DNS64_ASK_A },
	{ "serial: AAAA first", { WAITING }, { IDLE }, 0, 0, SERIAL, DNS64_WAIT },
	{ "A came first: AAAA decides", { WAITING }, { RECORDS }, 0, 0, 0, DNS64_WAIT },
	{ "5.1.1: AAAA exists", { RECORDS }, { IDLE }, 0, 0, 0, DNS64_REPLY_ORIGINAL },
	{ "5.1.1: AAAA exists, A still out", { RECORDS }, { WAITING }, 0, 0, 0, DNS64_REPLY_ORIGINAL },
	{ "5.1.1: AAAA exists, and A", { RECORDS }, { RECORDS }, 0, 0, 0, DNS64_REPLY_ORIGINAL },
	{ "5.1.2: name error", { NXDOMAIN }, { WAITING }, 0, 0, 0, DNS64_REPLY_ORIGINAL },
	{ "5.1.2: name error, even with A", { NXDOMAIN }, { RECORDS }, 0, 0, 0, DNS64_REPLY_ORIGINAL },
	{ "5.1.6: no AAAA", { NODATA }, { IDLE }, 0, 0, SERIAL, DNS64_ASK_A },
	{ "5.1.6: no AAAA, A out", { NODATA }, { WAITING }, 0, 0, 0, DNS64_WAIT },
	{ "5.1.6: no AAAA, A there", { NODATA }, { RECORDS }, 0, 0, 0, DNS64_REPLY_SYNTHESIZED },
	{ "5.4: neither", { NODATA }, { NODATA }, 0, 0, 0, DNS64_REPLY_ORIGINAL },
	{ "no AAAA, A says no such name", { NODATA }, { NXDOMAIN }, 0, 0, 0, DNS64_REPLY_ORIGINAL },
	{ "5.1.6: A fails", { NODATA }, { SERVFAIL }, 0, 0, 0, DNS64_REPLY_SERVFAIL },
	{ "A refused", { NODATA }, { REFUSED }, 0, 0, 0, DNS64_REPLY_SERVFAIL },
	{ "A times out", { NODATA }, { FAILED }, 0, 0, 0, DNS64_REPLY_SERVFAIL },
	{ "5.1.4: only excluded AAAA", { EXCLUDED }, { IDLE }, 0, 0, SERIAL, DNS64_ASK_A },
	{ "5.1.4: only excluded AAAA, A there", { EXCLUDED }, { RECORDS }, 0, 0, 0,
	  DNS64_REPLY_SYNTHESIZED },
	{ "5.1.4: only excluded AAAA, no A", { EXCLUDED }, { NODATA }, 0, 0, 0, DNS64_REPLY_ORIGINAL },
	{ "5.1.2: other errors are empty answers", { SERVFAIL }, { RECORDS }, 0, 0, 0,
	  DNS64_REPLY_SYNTHESIZED },
	{ "5.1.2: REFUSED too", { REFUSED }, { RECORDS }, 0, 0, 0, DNS64_REPLY_SYNTHESIZED },
	{ "both fail", { SERVFAIL }, { SERVFAIL }, 0, 0, 0, DNS64_REPLY_SERVFAIL },
	{ "AAAA fails, no A: the failure", { SERVFAIL }, { NODATA }, 0, 0, 0, DNS64_REPLY_ORIGINAL },
	{ "5.1.3: AAAA times out", { FAILED }, { RECORDS }, 0, 0, 0, DNS64_REPLY_SYNTHESIZED },
	{ "AAAA times out, no A", { FAILED }, { NODATA }, 0, 0, 0, DNS64_REPLY_SERVFAIL },
	{ "AAAA times out, A says no such name", { FAILED }, { NXDOMAIN }, 0, 0, 0,
	  DNS64_REPLY_SERVFAIL },
	{ "both time out", { FAILED }, { FAILED }, 0, 0, 0, DNS64_REPLY_SERVFAIL },
	{ "on-error servfail: the error", { SERVFAIL }, { RECORDS }, 0, 0, ON_ERROR_SERVFAIL,
	  DNS64_REPLY_ORIGINAL },
	{ "on-error servfail: time-out", { FAILED }, { RECORDS }, 0, 0, ON_ERROR_SERVFAIL,
	  DNS64_REPLY_SERVFAIL },
	{ "on-error servfail: NODATA is none", { NODATA }, { RECORDS }, 0, 0, ON_ERROR_SERVFAIL,
	  DNS64_REPLY_SYNTHESIZED },
	{ "validation failed: never A in its place", { BOGUS }, { RECORDS }, 0, 0, 0,
	  DNS64_REPLY_ORIGINAL },
	{ "5.5: signed denial and DO", { SIGNED_NO }, { RECORDS }, 1, 0, 0, DNS64_REPLY_ORIGINAL },
	{ "5.5: signed denial and DO, A not asked", { SIGNED_NO }, { IDLE }, 1, 0, SERIAL,
	  DNS64_REPLY_ORIGINAL },
	{ "signed denial without DO", { SIGNED_NO }, { RECORDS }, 0, 0, 0, DNS64_REPLY_SYNTHESIZED },
	{ "signed denial, DO, break-dnssec", { SIGNED_NO }, { RECORDS }, 1, 0, BREAK_DNSSEC,
	  DNS64_REPLY_SYNTHESIZED },
	{ "unsigned denial and DO", { NODATA }, { RECORDS }, 1, 0, 0, DNS64_REPLY_SYNTHESIZED },
	{ "signed A and DO", { NODATA }, { SIGNED }, 1, 0, 0, DNS64_REPLY_ORIGINAL },
	{ "signed A, DO, break-dnssec", { NODATA }, { SIGNED }, 1, 0, BREAK_DNSSEC,
	  DNS64_REPLY_SYNTHESIZED },
	{ "impatient: A instead", { WAITING }, { RECORDS }, 0, 1, 0, DNS64_REPLY_SYNTHESIZED },
	{ "impatient: ask A in serial mode", { WAITING }, { IDLE }, 0, 1, SERIAL, DNS64_ASK_A },
	{ "impatient but A is no help", { WAITING }, { NODATA }, 0, 1, 0, DNS64_WAIT },
	{ "AAAA could not be asked for", { BARRED }, { RECORDS }, 0, 0, 0, DNS64_REPLY_SERVFAIL },
	{ "nor waited for", { BARRED }, { RECORDS }, 0, 1, 0, DNS64_REPLY_SERVFAIL },
	{ "A could not be asked for", { NODATA }, { BARRED }, 0, 0, 0, DNS64_REPLY_SERVFAIL },
	{ "impatient but A could not be", { WAITING }, { BARRED }, 0, 1, 0, DNS64_WAIT },
	{ "impatient but A failed", { WAITING }, { FAILED }, 0, 1, 0, DNS64_WAIT },
	{ "impatient but A is out", { WAITING }, { WAITING }, 0, 1, 0, DNS64_WAIT },
	{ "impatient, on-error servfail", { WAITING }, { RECORDS }, 0, 1, ON_ERROR_SERVFAIL, DNS64_WAIT },
	{ "nothing is made: AAAA only", { WAITING }, { IDLE }, 0, 0, NO_PREFIX, DNS64_WAIT },
	{ "nothing is made, no AAAA", { NODATA }, { IDLE }, 0, 0, NO_PREFIX, DNS64_REPLY_ORIGINAL },
	{ "nothing is made, AAAA fails", { SERVFAIL }, { IDLE }, 0, 0, NO_PREFIX, DNS64_REPLY_ORIGINAL },
	{ "nothing is made, AAAA times out", { FAILED }, { IDLE }, 0, 0, NO_PREFIX,
	  DNS64_REPLY_SERVFAIL },
	{ "nothing is made, impatient", { WAITING }, { IDLE }, 0, 1, NO_PREFIX, DNS64_WAIT },
	{ "nothing is made, only excluded AAAA: A has the SOA", { EXCLUDED }, { IDLE }, 0, 0, NO_PREFIX,
	  DNS64_ASK_A },
	{ "impatient, serial, on-error servfail", { WAITING }, { IDLE }, 0, 1,
	  SERIAL | ON_ERROR_SERVFAIL, DNS64_WAIT },
};

static void every_row_of_rfc6147_5_1_is_decided(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct dns64_policy p = {
			.parallel = !(rows[i].conf & SERIAL),
			.synthesize_on_error = !(rows[i].conf & ON_ERROR_SERVFAIL),
			.break_dnssec = rows[i].conf & BREAK_DNSSEC,
			.n_prefix = !(rows[i].conf & NO_PREFIX),
		};
		struct dns64_legs legs = { .aaaa_state = rows[i].aaaa.state,
					   .a_state = rows[i].a.state,
					   .aaaa = rows[i].aaaa.facts,
					   .a = rows[i].a.facts,
					   .dnssec_ok = rows[i].dnssec_ok,
					   .impatient = rows[i].impatient };

		print_message("%s\n", rows[i].why);
		assert_int_equal(dns64_decide(&p, &legs), rows[i].want);
	}
}

static struct dns64_facts facts(const struct text *t, uint32_t age_s, int ede)
{
	struct dns64_policy *p = policy_of(NULL);
	static uint8_t wire[DNS_MESSAGE_MAX];
	struct dns_view v = { .wire = wire, .len = wire_of(t, 0, wire), .age_s = age_s };
	struct dns64_facts f = dns64_examine(p, &v, ede);

	dns64_policy_free(p);
	return f;
}

static void records_count_at_the_end_of_the_chain_only(void **state)
{
	struct text t = { .question = "a. IN AAAA",
			  .flags = DNS_QR,
			  .answer = { "c. 5 IN AAAA 2001:db8::3", "b. 5 IN CNAME c.",
				      "a. 5 IN CNAME b.", "a. 5 IN AAAA 2001:db8::1",
				      "c. 5 IN AAAA ::ffff:1.2.3.4", "c. 5 IN A 8.8.8.8" } };

	(void)state;
	assert_int_equal(facts(&t, 0, -1).n_usable, 1);
	assert_int_equal(facts(&t, 0, -1).n_excluded, 2); /* the mapped one, and A */
	t.question = "A. IN A";
	assert_int_equal(facts(&t, 0, -1).n_usable, 1);
	t.answer[5] = "c. 5 IN A 10.8.8.8"; /* RFC 6052 3.1: no prefix may carry it */
	assert_int_equal(facts(&t, 0, -1).n_usable, 0);
}

static void a_loop_of_cnames_comes_to_an_end(void **state)
{
	struct text t = { .question = "a. IN AAAA",
			  .flags = DNS_QR,
			  .answer = { "a. 5 IN CNAME b.", "b. 5 IN CNAME a.", "a. 5 IN CNAME a." } };

	(void)state;
	assert_int_equal(facts(&t, 0, -1).n_usable, 0);
}

static void chains_are_followed_for_32_steps_and_no_further(void **state)
{
	struct text t = { .question = "n0. IN AAAA", .flags = DNS_QR };
	char line[RECORDS_MAX][64];

	(void)state;
	for (int i = 0; i < DNS_CHAIN_MAX; i++) {
		snprintf(line[i], sizeof(line[i]), "n%d. 5 IN CNAME n%d.", i, i + 1);
		t.answer[i] = line[i];
	}
	t.answer[DNS_CHAIN_MAX] = "n32. 5 IN AAAA 2001:db8::1";
	assert_int_equal(facts(&t, 0, -1).n_usable, 1);
	t.answer[DNS_CHAIN_MAX] = "n32. 5 IN CNAME n33.";
	t.answer[DNS_CHAIN_MAX + 1] = "n33. 5 IN AAAA 2001:db8::1";
	assert_int_equal(facts(&t, 0, -1).n_usable, 0);
}

static void the_negative_ttl_is_the_soas_rfc2308_5(void **state)
{
	struct text t = { .question = "a. IN AAAA",
			  .flags = DNS_QR,
			  .authority = { "a. 300 IN SOA n. m. 1 2 3 4 120" } };

	(void)state;
	assert_int_equal(facts(&t, 0, -1).negative_ttl, 120);
	assert_int_equal(facts(&t, 20, -1).negative_ttl, 100);
	assert_int_equal(facts(&t, 121, -1).negative_ttl, 0);
	t.authority[0] = "a. 60 IN SOA n. m. 1 2 3 4 120";
	assert_int_equal(facts(&t, 0, -1).negative_ttl, 60);
	t.authority[0] = NULL;
	assert_int_equal(facts(&t, 50, -1).negative_ttl, 600); /* RFC 6147 5.1.7 */
}

static void signatures_and_failed_validation_are_seen(void **state)
{
	struct text t = { .question = "a. IN AAAA",
			  .flags = DNS_QR,
			  .authority = { "a. 300 IN SOA n. m. 1 2 3 4 120",
					 "a. 300 IN RRSIG SOA 13 1 300 20300101000000 "
					 "20200101000000 1 a. AAAA" } };

	(void)state;
	assert_true(facts(&t, 0, -1).is_signed);
	t.authority[1] = NULL;
	assert_false(facts(&t, 0, -1).is_signed);
	t.answer[0] = "a. 300 IN RRSIG CNAME 13 1 300 20300101000000 20200101000000 1 a. AAAA";
	assert_false(facts(&t, 0, -1).is_signed); /* the alias is, the denial is not */
	t.answer[0] = "a. 300 IN RRSIG AAAA 13 1 300 20300101000000 20200101000000 1 a. AAAA";
	assert_true(facts(&t, 0, -1).is_signed);
	for (int ede = 0; ede < 30; ede++)
		assert_int_equal(facts(&t, 0, ede).bogus, ede >= 5 && ede <= 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_of_rfc6147_5_1_is_decided),
		cmocka_unit_test(records_count_at_the_end_of_the_chain_only),
		cmocka_unit_test(a_loop_of_cnames_comes_to_an_end),
		cmocka_unit_test(chains_are_followed_for_32_steps_and_no_further),
		cmocka_unit_test(the_negative_ttl_is_the_soas_rfc2308_5),
		cmocka_unit_test(signatures_and_failed_validation_are_seen),
	};

	return cmocka_run_group_tests_name("dns64/decide", tests, NULL, NULL);
}
