/* test_reply.c - the message a client gets: its spelling, its flags, its size (RFC 1035 4.1.1, RFC
 * 2181 9, RFC 6840 5.7, RFC 6891). */
#include "fixture.h"
#include <stdio.h>
#include "sixgate/base/must.h"
#include "sixgate/base/wire.h"
#include "test.h"

static uint8_t out[DNS_MESSAGE_MAX];
static bool truncated;

static struct dns_query query_of(const char *name, uint16_t flags)
{
	struct dns_query q = { .id = 0xbeef,
			       .flags = flags,
			       .udp_size = DNS_UDP_CLASSIC,
			       .question = { .type = DNS_TYPE_AAAA, .class = 1 } };

	assert_int_equal(dns_name_parse(name, &q.question.name), 0);
	return q;
}

static const char *reply(const struct dns_query *q, const struct text *t, size_t most)
{
	static uint8_t wire[DNS_MESSAGE_MAX];
	struct dns_view v = { .wire = wire, .len = wire_of(t, 0, wire) };
	struct reply r = { .body = &v, .ede = DNS_EDE_NONE };
	size_t len = dns64__reply_write(q, &r, most, out, &truncated);

	assert_true(len <= most);
	assert_int_equal(load16(out), 0xbeef);
	assert_true(dns_message_check(out, len));
	return text_of(out, len);
}

static void the_question_is_spelled_as_the_client_did(void **state)
{
	struct dns_query q = query_of("WwW.eXample.", DNS_RD);
	struct text t = { .question = "www.example. IN AAAA",
			  .flags = DNS_QR | DNS_RA,
			  .answer = { "www.example. 5 IN AAAA 2001:db8::1" } };

	(void)state;
	assert_string_equal(reply(&q, &t, 512), "NOERROR rd ra\nWwW.eXample. 5 IN AAAA 2001:db8::1\n");
	assert_memory_equal(out + 12, "\3WwW\7eXample", 13);
}

static void flags_are_the_clients_where_they_are_copied(void **state)
{
	static const struct {
		uint16_t asked, made;
		bool dnssec_ok;
		const char *want;
	} rows[] = {
		{ DNS_RD, DNS_AD, false, "NOERROR rd ra\n" },
		{ DNS_RD | DNS_AD, DNS_AD, false, "NOERROR rd ra ad\n" }, /* RFC 6840 5.7 */
		{ DNS_RD | DNS_AD, 0, false, "NOERROR rd ra\n" },
		{ DNS_RD, DNS_AD, true, "NOERROR rd ra ad\nOPT 1232 do\n" },
		{ DNS_RD | DNS_CD, 0, false, "NOERROR rd ra cd\n" },
		{ 0, DNS_AA, false, "NOERROR aa ra\n" },
		{ DNS_RD, DNS_NXDOMAIN, false, "NXDOMAIN rd ra\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct dns_query q = query_of("a.", rows[i].asked);
		struct text t = { .question = "a. IN AAAA", .flags = DNS_QR | rows[i].made };

		q.has_opt = q.dnssec_ok = rows[i].dnssec_ok;
		assert_string_equal(reply(&q, &t, 512), rows[i].want);
	}
}

static void opt_is_ours_and_only_for_who_sent_one_rfc6891_7(void **state)
{
	struct dns_query q = query_of("a.", DNS_RD);
	struct reply r = { .rcode = DNS_SERVFAIL, .ede = DNS_EDE_NO_REACHABLE_AUTHORITY };

	(void)state;
	assert_string_equal(text_of(out, dns64__reply_write(&q, &r, 512, out, &truncated)),
			    "SERVFAIL rd ra\n");
	assert_memory_equal(out + 4, "\0\1\0\0\0\0\0\0\1a\0\0\34\0\1", 15);
	q.has_opt = true;
	assert_string_equal(text_of(out, dns64__reply_write(&q, &r, 512, out, &truncated)),
			    "SERVFAIL rd ra\nOPT 1232 ede 22\n");
	r = (struct reply){ .rcode = DNS_BADVERS, .ede = DNS_EDE_NONE };
	assert_string_equal(text_of(out, dns64__reply_write(&q, &r, 512, out, &truncated)),
			    "NOERROR rd ra\nOPT 1232 rcode+16\n");
}

static struct text sized(unsigned n_answers)
{
	static char line[RECORDS_MAX][64];
	struct text t = { .question = "a. IN AAAA",
			  .flags = DNS_QR,
			  .authority = { "a. 5 IN NS n." },
			  .additional = { "n. 5 IN AAAA 2001:db8::53" } };

	for (unsigned i = 0; i < n_answers; i++) {
		snprintf(line[i], sizeof(line[i]), "a. 5 IN AAAA 2001:db8::%x", i);
		t.answer[i] = line[i];
	}
	return t;
}

/* Header and question 19, an AAAA record 28, the NS 16 (n. is 3, pointer 2), its AAAA 28. */
static void what_is_only_helpful_goes_before_tc_is_set_rfc2181_9(void **state)
{
	struct dns_query q = query_of("a.", DNS_RD);
	struct text t = sized(4);
	size_t answers = 19 + 4 * 28, with_authority = answers + 15, all = with_authority + 28;

	(void)state;
	assert_non_null(strstr(reply(&q, &t, all), "-- additional"));
	assert_false(truncated);
	assert_null(strstr(reply(&q, &t, all - 1), "-- additional"));
	assert_non_null(strstr(reply(&q, &t, with_authority), "-- authority"));
	assert_null(strstr(reply(&q, &t, with_authority - 1), "-- authority"));
	assert_false(truncated);
	assert_non_null(strstr(reply(&q, &t, answers), "2001:db8::3"));
	assert_string_equal(reply(&q, &t, answers - 1), "NOERROR tc rd ra\n");
	assert_true(truncated);
}

static void who_validates_gets_the_proofs_or_tc(void **state)
{
	struct dns_query q = query_of("a.", DNS_RD);
	struct text t = sized(4);

	(void)state;
	q.has_opt = q.dnssec_ok = true;
	assert_string_equal(reply(&q, &t, 19 + 4 * 28 + 11 + 6), "NOERROR tc rd ra\nOPT 1232 do\n");
	assert_true(truncated);
}

static void a_negative_answer_keeps_its_soa_or_is_truncated(void **state)
{
	struct dns_query q = query_of("a.", DNS_RD);
	struct text t = { .question = "a. IN AAAA",
			  .flags = DNS_QR | DNS_NXDOMAIN,
			  .authority = { "a. 5 IN SOA n. m. 1 2 3 4 5" } };

	(void)state;
	assert_non_null(strstr(reply(&q, &t, 200), "SOA"));
	assert_string_equal(reply(&q, &t, 40), "NXDOMAIN tc rd ra\n");
	t.answer[0] = "a. 5 IN CNAME b.";
	assert_string_equal(reply(&q, &t, 50), "NXDOMAIN tc rd ra\n");
}

static void an_error_to_who_has_no_question_is_a_header(void **state)
{
	struct dns_query q = { .id = 0xbeef, .flags = DNS_RD, .udp_size = 512 };
	struct reply r = { .rcode = DNS_FORMERR, .ede = DNS_EDE_NONE };

	(void)state;
	assert_int_equal(dns64__reply_write(&q, &r, 512, out, &truncated), DNS_HEADER_LEN);
	assert_int_equal(load16(out + 2), DNS_QR | DNS_RD | DNS_RA | DNS_FORMERR);
	assert_int_equal(load16(out + 4), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_question_is_spelled_as_the_client_did),
		cmocka_unit_test(flags_are_the_clients_where_they_are_copied),
		cmocka_unit_test(opt_is_ours_and_only_for_who_sent_one_rfc6891_7),
		cmocka_unit_test(what_is_only_helpful_goes_before_tc_is_set_rfc2181_9),
		cmocka_unit_test(who_validates_gets_the_proofs_or_tc),
		cmocka_unit_test(a_negative_answer_keeps_its_soa_or_is_truncated),
		cmocka_unit_test(an_error_to_who_has_no_question_is_a_header),
	};

	return cmocka_run_group_tests_name("dns64/reply", tests, NULL, NULL);
}
