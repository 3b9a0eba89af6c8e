/* test_synth.c - what DNS64 makes of upstream answers, from bytes to bytes (RFC 6147 5.1.7, 5.3, 5.4;
 * RFC 6052 2.4; RFC 7050; RFC 8880). */
#include "fixture.h"
#include <stdlib.h>
#include "sixgate/base/must.h"
#include "test.h"

static uint8_t in[DNS_MESSAGE_MAX], out[DNS_MESSAGE_MAX];
static struct prefix chosen[8];
static size_t n_chosen;

static void with_chosen(struct dns64_conf *c)
{
	c->prefix = chosen;
	c->n_prefix = n_chosen;
}

static void with_chosen_and_private(struct dns64_conf *c)
{
	with_chosen(c);
	c->allow_private = true;
}

static void choose(const char *prefix)
{
	assert_true(n_chosen < ARRAY_LEN(chosen));
	assert_int_equal(prefix_parse(prefix, &chosen[n_chosen++]), 0);
}

static int forget_choice(void **state)
{
	(void)state;
	n_chosen = 0;
	return 0;
}

static struct dns_view view_of(const struct text *t, uint32_t age_s)
{
	return (struct dns_view){ .wire = in, .len = wire_of(t, 0, in), .age_s = age_s };
}

static const char *synthesized(struct dns64_policy *p, const struct text *t, uint32_t ttl_max)
{
	struct dns_view v = view_of(t, 0);
	size_t len = dns64_synthesize(p, &v, ttl_max, out);

	dns64_policy_free(p);
	return text_of(out, len);
}

static void all_prefix_lengths_embed_as_in_rfc6052_2_4(void **state)
{
	static const struct {
		const char *prefix, *want;
	} rows[] = {
		{ "2001:db8::/32", "2001:db8:c000:221::" },
		{ "2001:db8:100::/40", "2001:db8:1c0:2:21::" },
		{ "2001:db8:122::/48", "2001:db8:122:c000:2:2100::" },
		{ "2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::" },
		{ "2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100:0" },
		{ "2001:db8:122:344::/96", "2001:db8:122:344::c000:221" },
	};
	struct text t = { .question = "v4.example. IN A",
			  .flags = DNS_QR,
			  .answer = { "v4.example. 300 IN A 192.0.2.33" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct addr want, got;
		const char *text, *last;

		print_message("%s\n", rows[i].prefix);
		forget_choice(NULL);
		choose(rows[i].prefix);
		text = synthesized(policy_of(with_chosen), &t, 600);
		last = strrchr(text, ' ') + 1;
		*strchr(last, '\n') = '\0';
		assert_int_equal(addr_parse(last, &got), 0);
		assert_int_equal(addr_parse(rows[i].want, &want), 0);
		assert_true(addr_equal(&got, &want));
	}
}

static void every_prefix_gives_a_record_for_every_address(void **state)
{
	struct text t = { .question = "v4.example. IN A",
			  .flags = DNS_QR,
			  .answer = { "v4.example. 300 IN A 8.8.8.8", "v4.example. 300 IN A 8.8.4.4" } };

	(void)state;
	choose("64:ff9b::/96");
	choose("2001:db8:64::/96");
	assert_string_equal(synthesized(policy_of(with_chosen), &t, 600),
			    "NOERROR ra\n"
			    "v4.example. 300 IN AAAA 64:ff9b::808:808\n"
			    "v4.example. 300 IN AAAA 2001:db8:64::808:808\n"
			    "v4.example. 300 IN AAAA 64:ff9b::808:404\n"
			    "v4.example. 300 IN AAAA 2001:db8:64::808:404\n");
}

static void private_ipv4_never_goes_under_the_well_known_prefix_rfc6052_3_1(void **state)
{
	struct text t = { .question = "v4.example. IN A",
			  .flags = DNS_QR,
			  .answer = { "v4.example. 300 IN A 10.0.0.1", "v4.example. 300 IN A 8.8.4.4" } };

	(void)state;
	choose("64:ff9b::/96");
	assert_string_equal(synthesized(policy_of(with_chosen), &t, 600),
			    "NOERROR ra\n"
			    "v4.example. 300 IN AAAA 64:ff9b::808:404\n");
	choose("2001:db8:64::/96");
	assert_string_equal(synthesized(policy_of(with_chosen), &t, 600),
			    "NOERROR ra\n"
			    "v4.example. 300 IN AAAA 2001:db8:64::a00:1\n"
			    "v4.example. 300 IN AAAA 64:ff9b::808:404\n"
			    "v4.example. 300 IN AAAA 2001:db8:64::808:404\n");
	forget_choice(NULL);
	choose("64:ff9b::/96");
	assert_string_equal(synthesized(policy_of(with_chosen_and_private), &t, 600),
			    "NOERROR ra\n"
			    "v4.example. 300 IN AAAA 64:ff9b::a00:1\n"
			    "v4.example. 300 IN AAAA 64:ff9b::808:404\n");
}

static void ttl_is_the_lesser_of_a_and_the_negative_answer_rfc6147_5_1_7(void **state)
{
	struct text t = { .question = "v4.example. IN A",
			  .flags = DNS_QR,
			  .answer = { "v4.example. 300 IN A 8.8.8.8" } };

	(void)state;
	assert_string_equal(synthesized(policy_of(NULL), &t, 299),
			    "NOERROR ra\nv4.example. 299 IN AAAA 64:ff9b::808:808\n");
	assert_string_equal(synthesized(policy_of(NULL), &t, 301),
			    "NOERROR ra\nv4.example. 300 IN AAAA 64:ff9b::808:808\n");
	assert_string_equal(synthesized(policy_of(NULL), &t, 0),
			    "NOERROR ra\nv4.example. 0 IN AAAA 64:ff9b::808:808\n");
}

static void an_old_answer_has_less_time_left(void **state)
{
	struct text t = { .question = "v4.example. IN A",
			  .flags = DNS_QR,
			  .answer = { "v4.example. 300 IN A 8.8.8.8" } };
	struct dns64_policy *p = policy_of(NULL);
	struct dns_view v = view_of(&t, 250);

	(void)state;
	assert_string_equal(text_of(out, dns64_synthesize(p, &v, 600, out)),
			    "NOERROR ra\nv4.example. 50 IN AAAA 64:ff9b::808:808\n");
	v.age_s = 301;
	assert_string_equal(text_of(out, dns64_synthesize(p, &v, 600, out)),
			    "NOERROR ra\nv4.example. 0 IN AAAA 64:ff9b::808:808\n");
	dns64_policy_free(p);
}

static void cname_and_dname_chains_stay_in_order_rfc6147_5_1_5(void **state)
{
	struct text t = { .question = "a.old.example. IN A",
			  .flags = DNS_QR,
			  .answer = { "old.example. 900 IN DNAME new.example.",
				      "a.old.example. 900 IN CNAME a.new.example.",
				      "a.new.example. 60 IN CNAME end.example.",
				      "end.example. 300 IN A 8.8.8.8" },
			  .authority = { "example. 1000 IN NS ns.example." },
			  .additional = { "ns.example. 1000 IN A 192.0.2.1" } };

	(void)state;
	assert_string_equal(synthesized(policy_of(NULL), &t, 120),
			    "NOERROR ra\n"
			    "old.example. 900 IN DNAME new.example.\n"
			    "a.old.example. 900 IN CNAME a.new.example.\n"
			    "a.new.example. 60 IN CNAME end.example.\n"
			    "end.example. 120 IN AAAA 64:ff9b::808:808\n"
			    "-- authority\n"
			    "example. 1000 IN NS ns.example.\n"
			    "-- additional\n"
			    "ns.example. 1000 IN A 192.0.2.1\n");
}

static void a_record_that_is_not_at_the_end_of_the_chain_makes_nothing(void **state)
{
	struct text t = { .question = "a.example. IN A",
			  .flags = DNS_QR,
			  .answer = { "a.example. 900 IN CNAME b.example.",
				      "evil.example. 300 IN A 8.8.4.4", "b.example. 300 IN A 8.8.8.8" } };

	(void)state;
	assert_string_equal(synthesized(policy_of(NULL), &t, 600),
			    "NOERROR ra\n"
			    "a.example. 900 IN CNAME b.example.\n"
			    "b.example. 300 IN AAAA 64:ff9b::808:808\n");
}

static void the_signature_of_a_and_the_ad_bit_do_not_survive_rfc6147_5_5(void **state)
{
	struct text t = { .question = "a.example. IN A",
			  .flags = DNS_QR | DNS_AD | DNS_AA,
			  .answer = { "a.example. 300 IN CNAME b.example.",
				      "a.example. 300 IN RRSIG CNAME 13 2 300 20300101000000 "
				      "20200101000000 1 example. AAAA",
				      "b.example. 300 IN A 8.8.8.8",
				      "b.example. 300 IN RRSIG A 13 2 300 20300101000000 "
				      "20200101000000 1 example. AAAA" } };

	(void)state;
	assert_string_equal(synthesized(policy_of(NULL), &t, 600),
			    "NOERROR ra\n"
			    "a.example. 300 IN CNAME b.example.\n"
			    "a.example. 300 IN RRSIG CNAME 13 2 300 20300101000000 20200101000000 1 "
			    "example. AAAA\n"
			    "b.example. 300 IN AAAA 64:ff9b::808:808\n");
}

static void an_answer_that_outgrows_64k_is_cut_to_what_fits(void **state)
{
	struct text t = { .question = "big.example. IN A", .flags = DNS_QR };
	struct dns64_policy *p = policy_of(NULL);
	size_t len = wire_of(&t, 0, in), made;
	static uint16_t ttl_at[4000];
	struct dns_shape shape = { .ttl_at = ttl_at };
	struct dns_view v = { .wire = in, .shape = &shape };

	(void)state;
	for (unsigned n = 0; n < 4000; n++) {
		static const uint8_t rr[16] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 0, 0, 4, 8 };

		memcpy(in + len, rr, sizeof(rr));
		in[len + 14] = (uint8_t)(n >> 8);
		in[len + 15] = (uint8_t)n;
		len += sizeof(rr);
	}
	in[6] = 4000 >> 8;
	in[7] = 4000 & 0xff;
	v.len = len;
	assert_int_equal(dns64_synthesize(p, &(struct dns_view){ .wire = in, .len = len }, 600, out), 0);
	dns_shape_read(in, len, &shape);
	made = dns64_synthesize(p, &v, 600, out);
	assert_true(made > 0 && made <= DNS_MESSAGE_MAX);
	assert_true(dns_message_check(out, made));
	assert_int_equal(out[6] << 8 | out[7], DNS64_RECORDS_MAX);
	dns64_policy_free(p);
}

static void excluded_records_and_broken_signatures_are_taken_out_rfc6147_5_1_4(void **state)
{
	struct text t = { .question = "a.example. IN AAAA",
			  .flags = DNS_QR | DNS_AD,
			  .answer = { "a.example. 300 IN CNAME b.example.",
				      "b.example. 300 IN AAAA ::ffff:8.8.8.8",
				      "b.example. 300 IN AAAA 2001:db8::1",
				      "b.example. 300 IN RRSIG AAAA 13 2 300 20300101000000 "
				      "20200101000000 1 example. AAAA" } };
	struct dns64_policy *p = policy_of(NULL);
	struct dns_view v = view_of(&t, 100);

	(void)state;
	assert_string_equal(text_of(out, dns64_filter(p, &v, out)),
			    "NOERROR ra\n"
			    "a.example. 200 IN CNAME b.example.\n"
			    "b.example. 200 IN AAAA 2001:db8::1\n");
	dns64_policy_free(p);
}

static struct dns_question question(const char *name, uint16_t type)
{
	struct dns_question q = { .type = type, .class = DNS_CLASS_IN };

	assert_int_equal(dns_name_parse(name, &q.name), 0);
	return q;
}

static void reverse_names_under_a_prefix_become_in_addr_arpa_rfc6147_5_3_1(void **state)
{
	static const struct {
		const char *prefix, *name, *target; /* target NULL: none of ours */
	} rows[] = {
		{ "64:ff9b::/96",
		  "1.2.0.0.0.0.0.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.b.9.f.f.4.6.0.0.ip6.arpa",
		  "33.0.0.192.in-addr.arpa" },
		{ "64:ff9b::/96", /* case */
		  "1.2.0.0.0.0.0.C.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.B.9.F.F.4.6.0.0.IP6.aRPa",
		  "33.0.0.192.in-addr.arpa" },
		{ "2001:db8:122:300::/56", /* 2001:db8:122:3c0:0:221:: */
		  "0.0.0.0.0.0.0.0.1.2.2.0.0.0.0.0.0.c.3.0.2.2.1.0.8.b.d.0.1.0.0.2.ip6.arpa",
		  "33.2.0.192.in-addr.arpa" },
		{ "64:ff9b::/96", /* 64:ff9b:1:: is another prefix */
		  "1.2.0.0.0.0.0.c.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.b.9.f.f.4.6.0.0.ip6.arpa", NULL },
		{ "64:ff9b::/96", /* a nibble too few */
		  "2.0.0.0.0.0.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.b.9.f.f.4.6.0.0.ip6.arpa", NULL },
		{ "64:ff9b::/96", /* a label of two */
		  "12.0.0.0.0.0.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.b.9.f.f.4.6.0.0.ip6.arpa", NULL },
		{ "64:ff9b::/96", /* not a hexadecimal digit */
		  "g.2.0.0.0.0.0.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.b.9.f.f.4.6.0.0.ip6.arpa", NULL },
		{ "64:ff9b::/96", "33.0.0.192.in-addr.arpa", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct dns_question q = question(rows[i].name, DNS_TYPE_PTR);
		struct dns_name got, want;
		struct dns64_policy *p;

		print_message("%s\n", rows[i].name);
		forget_choice(NULL);
		choose(rows[i].prefix);
		p = policy_of(with_chosen);
		assert_int_equal(dns64_reverse_target(p, &q.name, &got), rows[i].target != NULL);
		if (rows[i].target) {
			assert_int_equal(dns_name_parse(rows[i].target, &want), 0);
			assert_true(dns_name_equal(&got, &want));
		}
		dns64_policy_free(p);
	}
}

static void a_reverse_answer_is_an_alias_and_what_it_leads_to(void **state)
{
	struct dns_question q = question("1.2.ip6.arpa", DNS_TYPE_PTR);
	struct text t = { .question = "8.8.8.8.in-addr.arpa. IN PTR",
			  .flags = DNS_QR | DNS_AD,
			  .answer = { "8.8.8.8.in-addr.arpa. 99 IN PTR dns.example." } };
	struct dns_view v = view_of(&t, 9);

	(void)state;
	assert_string_equal(text_of(out, dns64_reverse(&q, &v, out)),
			    "NOERROR ra\n"
			    "1.2.ip6.arpa. 600 IN CNAME 8.8.8.8.in-addr.arpa.\n"
			    "8.8.8.8.in-addr.arpa. 90 IN PTR dns.example.\n");
}

static const char *local(const char *name, uint16_t type)
{
	struct dns_question q = question(name, type);
	struct dns64_policy *p = policy_of(n_chosen ? with_chosen : NULL);
	size_t len = dns64_local(p, &q, out);

	dns64_policy_free(p);
	return len ? text_of(out, len) : "not local";
}

#define SOA(zone)                                                                                  \
	"-- authority\n" zone " 600 IN SOA " zone " nobody.invalid. 1 3600 1200 604800 600\n"

static void ipv4only_arpa_is_answered_here_with_every_prefix_rfc7050_3_rfc8880_7_1(void **state)
{
	(void)state;
	choose("64:ff9b::/96");
	choose("2001:db8:122:300::/56");
	assert_string_equal(local("ipv4only.arpa", DNS_TYPE_A),
			    "NOERROR aa ra\n"
			    "ipv4only.arpa. 600 IN A 192.0.0.170\n"
			    "ipv4only.arpa. 600 IN A 192.0.0.171\n");
	assert_string_equal(local("ipv4only.arpa", DNS_TYPE_AAAA),
			    "NOERROR aa ra\n"
			    "ipv4only.arpa. 600 IN AAAA 64:ff9b::c000:aa\n"
			    "ipv4only.arpa. 600 IN AAAA 64:ff9b::c000:ab\n"
			    "ipv4only.arpa. 600 IN AAAA 2001:db8:122:3c0:0:aa::\n"
			    "ipv4only.arpa. 600 IN AAAA 2001:db8:122:3c0:0:ab::\n");
	assert_string_equal(local("ipv4only.arpa", 15), "NOERROR aa ra\n" SOA("ipv4only.arpa."));
	assert_string_equal(local("ipv4only.arpa", DNS_TYPE_ANY),
			    "NOERROR aa ra\n" SOA("ipv4only.arpa."));
	assert_string_equal(local("a.b.ipv4only.arpa", DNS_TYPE_A),
			    "NXDOMAIN aa ra\n" SOA("ipv4only.arpa."));
	assert_string_equal(local("xipv4only.arpa", DNS_TYPE_A), "not local");
	assert_string_equal(local("arpa", DNS_TYPE_A), "not local");
}

static void the_reverse_names_of_its_addresses_too_rfc8880_7_2(void **state)
{
	(void)state;
	assert_string_equal(local("170.0.0.192.in-addr.arpa", DNS_TYPE_PTR),
			    "NOERROR aa ra\n"
			    "170.0.0.192.in-addr.arpa. 600 IN PTR ipv4only.arpa.\n");
	assert_string_equal(local("171.0.0.192.IN-ADDR.arpa", DNS_TYPE_PTR),
			    "NOERROR aa ra\n"
			    "171.0.0.192.IN-ADDR.arpa. 600 IN PTR ipv4only.arpa.\n");
	assert_string_equal(local("170.0.0.192.in-addr.arpa", DNS_TYPE_A),
			    "NOERROR aa ra\n" SOA("170.0.0.192.in-addr.arpa."));
	assert_string_equal(local("x.171.0.0.192.in-addr.arpa", DNS_TYPE_PTR),
			    "NXDOMAIN aa ra\n" SOA("171.0.0.192.in-addr.arpa."));
	assert_string_equal(local("172.0.0.192.in-addr.arpa", DNS_TYPE_PTR), "not local");
}

static void a_rebuilt_message_is_the_same_but_older_and_without_opt(void **state)
{
	struct text t = { .question = "a. IN MX",
			  .flags = DNS_QR | DNS_AD | DNS_NXDOMAIN,
			  .answer = { "a. 50 IN MX 1 b." },
			  .additional = { "b. 60 IN A 192.0.2.1" },
			  .opt = true,
			  .dnssec_ok = true };
	struct dns_view v = view_of(&t, 55);

	(void)state;
	assert_string_equal(text_of(out, dns64_rebuild(&v, out)),
			    "NXDOMAIN ra ad\na. 0 IN MX 1 b.\n-- additional\nb. 5 IN A 192.0.2.1\n");
}

static void what_ldns_cannot_read_makes_no_answer(void **state)
{
	struct text t = { .question = "a. IN A", .flags = DNS_QR, .answer = { "a. 5 IN A 192.0.2.1" } };
	struct dns64_policy *p = policy_of(NULL);
	struct dns_view v = view_of(&t, 0);

	(void)state;
	in[v.len - 5] = 3; /* an A record of three bytes, and one behind the end */
	v.len--;
	assert_true(dns_message_check(v.wire, v.len));
	assert_int_equal(dns64_synthesize(p, &v, 600, out), 0);
	assert_int_equal(dns64_filter(p, &v, out), 0);
	assert_int_equal(dns64_rebuild(&v, out), 0);
	dns64_policy_free(p);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, forget_choice)
	const struct CMUnitTest tests[] = {
		T(all_prefix_lengths_embed_as_in_rfc6052_2_4),
		T(every_prefix_gives_a_record_for_every_address),
		T(private_ipv4_never_goes_under_the_well_known_prefix_rfc6052_3_1),
		T(ttl_is_the_lesser_of_a_and_the_negative_answer_rfc6147_5_1_7),
		T(an_old_answer_has_less_time_left),
		T(cname_and_dname_chains_stay_in_order_rfc6147_5_1_5),
		T(a_record_that_is_not_at_the_end_of_the_chain_makes_nothing),
		T(the_signature_of_a_and_the_ad_bit_do_not_survive_rfc6147_5_5),
		T(an_answer_that_outgrows_64k_is_cut_to_what_fits),
		T(excluded_records_and_broken_signatures_are_taken_out_rfc6147_5_1_4),
		T(reverse_names_under_a_prefix_become_in_addr_arpa_rfc6147_5_3_1),
		T(a_reverse_answer_is_an_alias_and_what_it_leads_to),
		T(ipv4only_arpa_is_answered_here_with_every_prefix_rfc7050_3_rfc8880_7_1),
		T(the_reverse_names_of_its_addresses_too_rfc8880_7_2),
		T(a_rebuilt_message_is_the_same_but_older_and_without_opt),
		T(what_ldns_cannot_read_makes_no_answer),
	};

	return cmocka_run_group_tests_name("dns64/synth", tests, NULL, NULL);
}
