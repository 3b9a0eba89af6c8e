/* test_message.c - reading DNS messages: what is taken, what is refused, and nothing beyond the end. */
#include "fixture.h"
#include <errno.h>
#include <stdlib.h>
#include "sixgate/base/must.h"
#include "sixgate/base/wire.h"
#include "test.h"

static struct dns_name name(const char *text)
{
	struct dns_name n;

	if (dns_name_parse(text, &n))
		fail_msg("not a name: %s", text);
	return n;
}

static void names_are_read_to_their_end_and_no_further_rfc1035_3_1(void **state)
{
	static const struct {
		const char *why;
		uint8_t wire[40]; /* behind a header of 12 zero bytes */
		size_t len, at, end; /* end 0: refused */
	} rows[] = {
		{ "root", { 0 }, 1, 12, 13 },
		{ "one label", { 1, 'a', 0 }, 3, 12, 15 },
		{ "no end", { 1, 'a' }, 2, 12, 0 },
		{ "label longer than the message", { 5, 'a', 'b' }, 3, 12, 0 },
		{ "label type 0x40", { 0x41, 'a', 0 }, 3, 12, 0 },
		{ "label type 0x80", { 0x81, 'a', 0 }, 3, 12, 0 },
		{ "pointer back", { 1, 'a', 0, 0xc0, 12 }, 5, 15, 17 },
		{ "label, then pointer back", { 1, 'a', 0, 1, 'b', 0xc0, 12 }, 7, 15, 19 },
		{ "pointer to itself", { 0xc0, 12 }, 2, 12, 0 },
		{ "pointer forward", { 0xc0, 14, 0 }, 3, 12, 0 },
		{ "pointer into the header", { 0xc0, 4 }, 2, 12, 0 },
		{ "half a pointer", { 1, 'a', 0, 0xc0 }, 4, 15, 0 },
		{ "two pointers that meet", { 0xc0, 14, 0xc0, 12 }, 4, 14, 0 },
		{ "starts behind the end", { 0 }, 1, 13, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t *wire = calloc(1, 12 + rows[i].len); /* exact, for the sanitizer */
		struct dns_name n;

		print_message("%s\n", rows[i].why);
		memcpy(wire + 12, rows[i].wire, rows[i].len);
		assert_int_equal(dns_name_read(wire, 12 + rows[i].len, rows[i].at, &n), rows[i].end);
		free(wire);
	}
}

/* 3 labels of 63 and one of @last, made through pointers. */
static size_t long_name(unsigned last, struct dns_name *out)
{
	uint8_t wire[400] = { 0 };
	size_t at = 12;

	for (int i = 0; i < 3; i++) {
		wire[at] = 63;
		memset(wire + at + 1, 'x', 63);
		at += 64;
	}
	wire[at++] = 0;
	wire[at] = (uint8_t)last;
	memset(wire + at + 1, 'y', last);
	store16(wire + at + 1 + last, 0xc000 | 12);
	return dns_name_read(wire, sizeof(wire), at, out);
}

static void names_have_at_most_255_octets_rfc1035_2_3_4(void **state)
{
	struct dns_name n;

	(void)state;
	assert_true(long_name(61, &n) != 0);
	assert_int_equal(n.len, 255);
	assert_int_equal(long_name(62, &n), 0);
}

static void texts_become_names(void **state)
{
	char label63[66], label64[67], longest[255];
	struct dns_name n;

	(void)state;
	memset(label63, 'a', sizeof(label63));
	memset(label64, 'a', sizeof(label64));
	strcpy(label63 + 63, ".b");
	strcpy(label64 + 64, ".b");
	assert_int_equal(name(".").len, 1);
	assert_int_equal(name("example.").len, 9);
	assert_int_equal(name("example").len, 9);
	assert_int_equal(dns_name_parse(label63, &n), 0);
	assert_int_equal(dns_name_parse(label64, &n), -EINVAL);
	memset(longest, 'a', sizeof(longest)); /* 3 * 64 + 62 + 1 = 255 octets on the wire */
	longest[63] = longest[127] = longest[191] = '.';
	longest[253] = '\0';
	assert_int_equal(dns_name_parse(longest, &n), 0);
	assert_int_equal(n.len, 255);
	longest[253] = 'a';
	longest[254] = '\0';
	assert_int_equal(dns_name_parse(longest, &n), -EINVAL);
	assert_int_equal(dns_name_parse("", &n), -EINVAL);
	assert_int_equal(dns_name_parse("a..b", &n), -EINVAL);
	assert_int_equal(dns_name_parse(".a", &n), -EINVAL);
}

static void names_are_compared_without_case_rfc4343(void **state)
{
	struct dns_name a = name("WwW.Example."), b = name("wWw.eXAMPLE."), c = name("wvw.example.");

	(void)state;
	assert_true(dns_name_equal(&a, &b));
	assert_false(dns_name_equal(&a, &c));
	dns_name_fold(&a);
	dns_name_fold(&b);
	assert_memory_equal(a.octet, b.octet, a.len);
	a = name("a[b."); /* '[' is 'Z' + 1, '{' is 'z' + 1: not letters */
	b = name("a{b.");
	assert_false(dns_name_equal(&a, &b));
}

static void being_below_a_domain_goes_by_labels(void **state)
{
	struct dns_name zone = name("example.com."), root = name(".");
	struct dns_name in = name("a.B.EXAMPLE.com."), same = name("Example.Com."),
			near = name("badexample.com."), up = name("com.");

	(void)state;
	assert_true(dns_name_is_under(&in, &zone));
	assert_true(dns_name_is_under(&same, &zone));
	assert_false(dns_name_is_under(&near, &zone));
	assert_false(dns_name_is_under(&up, &zone));
	assert_true(dns_name_is_under(&up, &root));
}

/* What a client sends, byte for byte. The question is "a. IN AAAA". */
#define HEADER(flags, qd, an, ns, ar)                                                              \
	0x12, 0x34, (flags) >> 8, (flags)&0xff, 0, qd, 0, an, 0, ns, 0, ar
#define QUESTION 1, 'a', 0, 0, 28, 0, 1
#define OPT(size, version, flags, len)                                                             \
	0, 0, 41, (size) >> 8, (size)&0xff, 0, version, (flags) >> 8, (flags)&0xff, 0, len

static const struct {
	const char *why;
	uint8_t wire[80];
	size_t len;
	int rcode;
	bool opt, dnssec_ok;
	uint16_t udp_size;
} queries[] = {
	{ "plain", { HEADER(0x100, 1, 0, 0, 0), QUESTION }, 19, DNS_NOERROR, false, false, 512 },
	{ "EDNS", { HEADER(0x100, 1, 0, 0, 1), QUESTION, OPT(1000, 0, 0, 0) }, 30, DNS_NOERROR,
	  true, false, 1000 },
	{ "EDNS with DO, more than we send", { HEADER(0x100, 1, 0, 0, 1), QUESTION,
	  OPT(4096, 0, 0x8000, 0) }, 30, DNS_NOERROR, true, true, 1232 },
	{ "EDNS below 512 means 512, RFC 6891 6.2.3", { HEADER(0x100, 1, 0, 0, 1), QUESTION,
	  OPT(100, 0, 0, 0) }, 30, DNS_NOERROR, true, false, 512 },
	{ "EDNS version 1, RFC 6891 6.1.3", { HEADER(0x100, 1, 0, 0, 1), QUESTION,
	  OPT(1232, 1, 0, 0) }, 30, DNS_BADVERS, true, false, 1232 },
	{ "two OPT, RFC 6891 6.1.1", { HEADER(0x100, 1, 0, 0, 2), QUESTION, OPT(1232, 0, 0, 0),
	  OPT(1232, 0, 0, 0) }, 41, DNS_FORMERR, true, false, 1232 },
	{ "OPT owned by a name", { HEADER(0x100, 1, 0, 0, 1), QUESTION, 1, 'b',
	  OPT(1232, 0, 0, 0) }, 32, DNS_FORMERR, false, false, 512 },
	{ "OPT in the authority section", { HEADER(0x100, 1, 0, 1, 0), QUESTION,
	  OPT(1232, 0, 0, 0) }, 30, DNS_FORMERR, false, false, 512 },
	{ "an option", { HEADER(0x100, 1, 0, 0, 1), QUESTION, OPT(1232, 0, 0, 6), 0, 12, 0, 2, 1, 2 },
	  36, DNS_NOERROR, true, false, 1232 },
	{ "an option of no length", { HEADER(0x100, 1, 0, 0, 1), QUESTION, OPT(1232, 0, 0, 4), 0, 11,
	  0, 0 }, 34, DNS_NOERROR, true, false, 1232 },
	{ "an option longer than OPT", { HEADER(0x100, 1, 0, 0, 1), QUESTION, OPT(1232, 0, 0, 6),
	  0, 10, 0, 3, 1, 2 }, 36, DNS_FORMERR, true, false, 1232 },
	{ "half an option", { HEADER(0x100, 1, 0, 0, 1), QUESTION, OPT(1232, 0, 0, 3), 0, 10, 0 },
	  33, DNS_FORMERR, true, false, 1232 },
	{ "nothing but bytes", { 1, 2, 3 }, 3, -1, false, false, 0 },
	{ "one byte short of a header", { HEADER(0x100, 1, 0, 0, 0) }, 11, -1, false, false, 0 },
	{ "an answer is not answered", { HEADER(0x8100, 1, 0, 0, 0), QUESTION }, 19, -1, false,
	  false, 0 },
	{ "header only", { HEADER(0x100, 0, 0, 0, 0) }, 12, DNS_FORMERR, false, false, 512 },
	{ "no question but one announced", { HEADER(0x100, 1, 0, 0, 0) }, 12, DNS_FORMERR, false,
	  false, 512 },
	{ "two questions", { HEADER(0x100, 2, 0, 0, 0), QUESTION, QUESTION }, 26, DNS_FORMERR, false,
	  false, 512 },
	{ "question cut short", { HEADER(0x100, 1, 0, 0, 0), 1, 'a', 0, 0, 28, 0 }, 18, DNS_FORMERR,
	  false, false, 512 },
	{ "an answer record in a query", { HEADER(0x100, 1, 1, 0, 0), QUESTION,
	  OPT(1232, 0, 0, 0) }, 30, DNS_FORMERR, false, false, 512 },
	{ "a record announced that is not there", { HEADER(0x100, 1, 0, 0, 1), QUESTION }, 19,
	  DNS_FORMERR, false, false, 512 },
	{ "bytes behind the end", { HEADER(0x100, 1, 0, 0, 0), QUESTION, 0 }, 20, DNS_FORMERR, false,
	  false, 512 },
	{ "opcode NOTIFY", { HEADER(0x2000, 1, 0, 0, 0), QUESTION }, 19, DNS_NOTIMP, false, false,
	  512 },
	{ "opcode NOTIFY with OPT, RFC 6891 6.1.1", { HEADER(0x2000, 1, 0, 0, 1), QUESTION,
	  OPT(1232, 0, 0, 0) }, 30, DNS_NOTIMP, true, false, 1232 },
	{ "opcode STATUS without a question", { HEADER(0x1000, 0, 0, 0, 0) }, 12, DNS_NOTIMP, false,
	  false, 512 },
};

static void queries_are_taken_or_refused_with_the_right_code(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
		uint8_t *wire = malloc(queries[i].len);
		struct dns_query q;

		print_message("%s\n", queries[i].why);
		memcpy(wire, queries[i].wire, queries[i].len);
		assert_int_equal(dns_query_read(wire, queries[i].len, &q), queries[i].rcode);
		if (queries[i].rcode >= 0) {
			assert_int_equal(q.id, 0x1234);
			assert_int_equal(q.has_opt, queries[i].opt);
			assert_int_equal(q.dnssec_ok, queries[i].dnssec_ok);
			assert_int_equal(q.udp_size, queries[i].udp_size);
		}
		free(wire);
	}
}

static void every_cut_of_a_good_query_is_refused(void **state)
{
	static const uint8_t whole[] = { HEADER(0x100, 1, 0, 0, 1), QUESTION,
					 OPT(1232, 0, 0, 6),	    0, 10, 0, 2, 1, 2 };

	(void)state;
	for (size_t len = 0; len < sizeof(whole); len++) {
		uint8_t *wire = malloc(len + 1);
		struct dns_query q;

		memcpy(wire, whole, len);
		assert_int_equal(dns_query_read(wire, len, &q),
				 len < DNS_HEADER_LEN ? -1 : DNS_FORMERR);
		free(wire);
	}
}

static void a_query_that_was_written_is_read_back(void **state)
{
	struct dns_query q = { .question = { .name = name("www.example."), .type = 28, .class = 1 },
			       .flags = DNS_CD,
			       .dnssec_ok = true },
			 back;
	uint8_t wire[512];
	size_t len = dns_query_write(&q, 77, true, wire);

	(void)state;
	assert_int_equal(dns_query_read(wire, len, &back), DNS_NOERROR);
	assert_int_equal(back.id, 77);
	assert_int_equal(back.flags, DNS_RD | DNS_AD | DNS_CD);
	assert_true(back.has_opt && back.dnssec_ok);
	assert_int_equal(back.udp_size, DNS_UDP_PAYLOAD);
	assert_true(dns_question_equal(&q.question, &back.question));
	len = dns_query_write(&q, 77, false, wire);
	assert_int_equal(dns_query_read(wire, len, &back), DNS_NOERROR);
	assert_false(back.has_opt);
}

static void an_extended_error_is_found_among_other_options_rfc8914_2(void **state)
{
	static const struct {
		uint8_t options[20];
		uint16_t len;
		int want;
	} rows[] = {
		{ { 0, 15, 0, 2, 0, 6 }, 6, 6 },
		{ { 0, 10, 0, 3, 1, 2, 3, 0, 15, 0, 4, 1, 2, 'h', 'i' }, 15, 0x102 },
		{ { 0, 15, 0, 2, 0, 6, 0, 15, 0, 2, 0, 9 }, 12, 6 }, /* the first */
		{ { 0, 15, 0, 1, 6 }, 5, DNS_EDE_NONE },
		{ { 0, 15, 0, 9, 0, 6 }, 6, DNS_EDE_NONE },
		{ { 0, 10, 0, 2, 0, 15 }, 6, DNS_EDE_NONE },
		{ { 0 }, 0, DNS_EDE_NONE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t *wire = malloc(rows[i].len + 100u);
		struct dns_rr opt = { .rdata_at = 100, .rdlen = rows[i].len };

		memcpy(wire + 100, rows[i].options, rows[i].len);
		assert_int_equal(dns_ede_read(wire, &opt), rows[i].want);
		free(wire);
	}
}

static const struct text sample = {
	.question = "a.example. IN A",
	.flags = DNS_QR,
	.answer = { "a.example. 300 IN CNAME b.example.", "b.example. 60 IN A 192.0.2.1" },
	.authority = { "example. 86400 IN NS ns.example." },
	.additional = { "ns.example. 30 IN A 192.0.2.2" },
	.opt = true,
};

static void every_record_is_walked_in_its_section(void **state)
{
	static const struct {
		uint16_t type;
		unsigned section;
		uint32_t ttl;
	} want[] = { { 5, DNS_ANSWER, 300 },
		     { 1, DNS_ANSWER, 60 },
		     { 2, DNS_AUTHORITY, 86400 },
		     { 1, DNS_ADDITIONAL, 30 },
		     { 41, DNS_ADDITIONAL, 0 } };
	uint8_t wire[2048];
	size_t len = wire_of(&sample, 1, wire);
	struct dns_walk w;
	struct dns_rr rr;

	(void)state;
	dns_walk_start(&w, wire, len);
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		assert_true(dns_walk_next(&w, &rr));
		assert_int_equal(rr.type, want[i].type);
		assert_int_equal(rr.section, want[i].section);
		assert_int_equal(rr.ttl, want[i].ttl);
	}
	assert_false(dns_walk_next(&w, &rr));
	assert_false(w.failed);
	assert_true(dns_message_check(wire, len));
}

static void a_record_with_a_wrong_owner_ends_the_walk(void **state)
{
	uint8_t wire[2048];
	size_t len = wire_of(&sample, 1, wire);
	struct dns_walk w;
	struct dns_rr rr;

	(void)state;
	dns_walk_start(&w, wire, len);
	assert_true(dns_walk_next(&w, &rr));
	assert_true(dns_walk_next(&w, &rr));
	wire[rr.owner_at] = 0x80;
	dns_walk_start(&w, wire, len);
	assert_true(dns_walk_next(&w, &rr));
	assert_false(dns_walk_next(&w, &rr));
	assert_true(w.failed);
	assert_false(dns_walk_next(&w, &rr));
	assert_false(dns_message_check(wire, len));
}

static void a_message_that_is_cut_or_longer_is_not_whole(void **state)
{
	uint8_t wire[2048];
	size_t len = wire_of(&sample, 1, wire);

	(void)state;
	for (size_t cut = 0; cut < len; cut++) {
		uint8_t *part = malloc(cut + 1);

		memcpy(part, wire, cut);
		assert_false(dns_message_check(part, cut));
		free(part);
	}
	wire[len] = 0;
	assert_false(dns_message_check(wire, len + 1));
}

static void ageing_lowers_every_ttl_but_that_of_opt(void **state)
{
	uint8_t wire[2048];
	size_t len = wire_of(&sample, 1, wire);

	(void)state;
	dns_age(wire, len, 60);
	assert_string_equal(text_of(wire, len), "NOERROR\n"
						"a.example. 240 IN CNAME b.example.\n"
						"b.example. 0 IN A 192.0.2.1\n"
						"-- authority\n"
						"example. 86340 IN NS ns.example.\n"
						"-- additional\n"
						"ns.example. 0 IN A 192.0.2.2\n"
						"OPT 1232\n");
}

static void a_ttl_with_its_top_bit_set_is_zero_rfc2181_8(void **state)
{
	struct text t = { .question = "a. IN A", .flags = DNS_QR, .answer = { "a. 5 IN A 192.0.2.1" } };
	uint8_t wire[512];
	size_t len = wire_of(&t, 1, wire);
	struct dns_walk w;
	struct dns_rr rr;

	(void)state;
	dns_walk_start(&w, wire, len);
	assert_true(dns_walk_next(&w, &rr));
	store32(wire + rr.ttl_at, 0x80000001);
	dns_walk_start(&w, wire, len);
	assert_true(dns_walk_next(&w, &rr));
	assert_int_equal(rr.ttl, 0);
}

/* Empty records whose owners are pointers to @a and @b in turn. */
static bool is_walked(unsigned n, uint16_t a, uint16_t b)
{
	static uint8_t wire[65535];
	const struct text t = { .question = "a.example. IN A" };
	size_t len = wire_of(&t, 1, wire);

	store16(wire + 6, (uint16_t)n);
	for (unsigned i = 0; i < n; i++, len += 12) {
		memset(wire + len, 0, 12);
		store16(wire + len, i % 2 ? b : a);
		store16(wire + len + 2, 65280);
	}
	return dns_message_check(wire, len);
}

/* "a.example" is at 12, "example" at 14. Of a set the owner is one and the same pointer. */
static void owners_that_only_make_work_are_no_message(void **state)
{
	(void)state;
	assert_true(is_walked(5000, 0xc00c, 0xc00c));
	assert_true(is_walked(DNS_HOPS_MAX, 0xc00c, 0xc00e));
	assert_false(is_walked(DNS_HOPS_MAX + 1, 0xc00c, 0xc00e));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_read_to_their_end_and_no_further_rfc1035_3_1),
		cmocka_unit_test(names_have_at_most_255_octets_rfc1035_2_3_4),
		cmocka_unit_test(texts_become_names),
		cmocka_unit_test(names_are_compared_without_case_rfc4343),
		cmocka_unit_test(being_below_a_domain_goes_by_labels),
		cmocka_unit_test(queries_are_taken_or_refused_with_the_right_code),
		cmocka_unit_test(every_cut_of_a_good_query_is_refused),
		cmocka_unit_test(a_query_that_was_written_is_read_back),
		cmocka_unit_test(an_extended_error_is_found_among_other_options_rfc8914_2),
		cmocka_unit_test(every_record_is_walked_in_its_section),
		cmocka_unit_test(a_record_with_a_wrong_owner_ends_the_walk),
		cmocka_unit_test(a_message_that_is_cut_or_longer_is_not_whole),
		cmocka_unit_test(ageing_lowers_every_ttl_but_that_of_opt),
		cmocka_unit_test(a_ttl_with_its_top_bit_set_is_zero_rfc2181_8),
		cmocka_unit_test(owners_that_only_make_work_are_no_message),
	};

	return cmocka_run_group_tests_name("dns64/message", tests, NULL, NULL);
}
