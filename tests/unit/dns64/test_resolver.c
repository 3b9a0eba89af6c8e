/* test_resolver.c - a client asks, upstreams answer, the client is told: whole exchanges, from bytes
 * to bytes, with time as a number. */
#include "fixture.h"
#include <stdio.h>
#include "sixgate/base/must.h"
#include "sixgate/base/wire.h"
#include "test.h"

#define NODATA_SOA .authority = { "example. 300 IN SOA n. m. 1 2 3 4 120" }

static const struct text nodata = { NODATA_SOA };
static const struct text nxdomain = { .flags = DNS_NXDOMAIN, NODATA_SOA };
static const struct text a_record = { .answer = { "a.example. 300 IN A 8.8.8.8" } };
static const struct text aaaa_record = { .answer = { "a.example. 300 IN AAAA 2001:db8::1" } };
static const struct text servfail = { .flags = DNS_SERVFAIL };
static const struct text bogus = { .flags = DNS_SERVFAIL, .opt = true, .has_ede = true, .ede = 6 };
static const struct text unreachable = {
	.flags = DNS_SERVFAIL, .opt = true, .has_ede = true, .ede = 22
};
static const struct text other = { .flags = DNS_SERVFAIL, .opt = true, .has_ede = true, .ede = 0 };
#define SYNTHESIZED(ttl) "NOERROR rd ra\na.example. " ttl " IN AAAA 64:ff9b::808:808\n"
#define DENIED "-- authority\nexample. 120 IN SOA n. m. 1 2 3 4 120\n"

static void serial(struct dns64_conf *c)
{
	c->parallel = false;
}

static void one_upstream(struct dns64_conf *c)
{
	c->n_upstream = 1;
}

static void on_error_servfail(struct dns64_conf *c)
{
	c->synthesize_on_error = false;
}

static void break_dnssec(struct dns64_conf *c)
{
	c->break_dnssec = true;
}

static void never_example(struct dns64_conf *c)
{
	static char name[] = "example.", *list[] = { name };

	c->never = list;
	c->n_never = 1;
}

static void both_legs_are_asked_at_once_rfc6147_5_1_8(void **state)
{
	struct world *w = world_new(NULL);

	(void)state;
	ask_plain(w, "a.example. IN AAAA");
	assert_int_equal(w->n_sent, 2);
	assert_string_equal(sent_question(w, 0), "a.example. AAAA");
	assert_string_equal(sent_question(w, 1), "a.example. A");
	answer(w, 1, &a_record);
	assert_int_equal(w->n_replies, 0);
	answer(w, 0, &nodata);
	assert_string_equal(told(w, 1), SYNTHESIZED("120"));
	world_free(w);
}

static void in_serial_mode_a_is_asked_on_need(void **state)
{
	struct world *w = world_new(serial);

	(void)state;
	ask_plain(w, "a.example. IN AAAA");
	assert_int_equal(w->n_sent, 1);
	answer(w, 0, &nodata);
	assert_int_equal(w->n_sent, 2);
	assert_string_equal(sent_question(w, 1), "a.example. A");
	answer(w, 1, &a_record);
	assert_string_equal(told(w, 1), SYNTHESIZED("120"));
	ask_plain(w, "b.example. IN AAAA");
	answer(w, 2, &(struct text){ .answer = { "b.example. 5 IN AAAA 2001:db8::b" } });
	assert_string_equal(told(w, 2), "NOERROR rd ra\nb.example. 5 IN AAAA 2001:db8::b\n");
	assert_int_equal(w->n_sent, 3);
	world_free(w);
}

static const struct text signed_mapped = {
	.answer = { "a.example. 300 IN AAAA ::ffff:1.2.3.4",
		    "a.example. 300 IN RRSIG AAAA 13 2 300 20300101000000 20200101000000 1 example. "
		    "AAAA" },
};

/* @aaaa and @a are what upstreams say to the two legs; NULL: nothing. */
static const struct {
	const char *why;
	void (*change)(struct dns64_conf *c);
	uint16_t flags;
	bool dnssec_ok;
	const struct text *aaaa, *a;
	const char *want;
} exchanges[] = {
	{ "existing AAAA wins, 5.1.1", NULL, 0, 0, &aaaa_record, &a_record,
	  "NOERROR rd ra\na.example. 300 IN AAAA 2001:db8::1\n" },
	{ "NXDOMAIN is passed on, 5.1.2", NULL, 0, 0, &nxdomain, &a_record, "NXDOMAIN rd ra\n" DENIED },
	{ "NODATA and NODATA: the original, 5.4", NULL, 0, 0, &nodata, &nodata, "NOERROR rd ra\n" DENIED },
	{ "A fails: no client may remember NODATA", NULL, 0, 0, &nodata, &servfail,
	  "SERVFAIL rd ra\n" },
	{ "AAAA fails: as if empty, 5.1.2", NULL, 0, 0, &servfail, &a_record, SYNTHESIZED("300") },
	{ "AAAA fails, on-error servfail", on_error_servfail, 0, 0, &servfail, &a_record,
	  "SERVFAIL rd ra\n" },
	{ "AAAA bogus: never A instead", NULL, 0, 0, &bogus, &a_record, "SERVFAIL rd ra\n" },
	{ "AAAA is lost: A after a while, 5.1.3", NULL, 0, 0, NULL, &a_record, SYNTHESIZED("299") },
	{ "AAAA is lost, on-error servfail", on_error_servfail, 0, 0, NULL, &a_record,
	  "SERVFAIL rd ra\n" },
	{ "A is lost", NULL, 0, 0, &nodata, NULL, "SERVFAIL rd ra\n" },
	{ "both are lost", NULL, 0, 0, NULL, NULL, "SERVFAIL rd ra\n" },
	{ "CD: nothing is made up, 5.5", NULL, DNS_CD, 0, &nodata, NULL, "NOERROR rd ra cd\n" DENIED },
	{ "a domain of `never`", never_example, 0, 0, &nodata, NULL, "NOERROR rd ra\n" DENIED },
	{ "DO without signatures", NULL, 0, 1, &nodata, &a_record,
	  SYNTHESIZED("120") "OPT 1232 do ede 29\n" },
	{ "a mapped address only, 5.1.4", NULL, 0, 0,
	  &(struct text){ .answer = { "a.example. 300 IN AAAA ::ffff:1.2.3.4" } }, &a_record,
	  SYNTHESIZED("300") },
	{ "a mapped address only and no A: it is not shown, 5.1.4; the denial is A's", NULL, 0, 0,
	  &(struct text){ .answer = { "a.example. 300 IN AAAA ::ffff:1.2.3.4" } }, &nodata,
	  "NOERROR rd ra\n" DENIED },
	{ "signed mapped addresses for who sends DO: as they came, 5.5", NULL, 0, 1, &signed_mapped,
	  &nodata,
	  "NOERROR rd ra\na.example. 300 IN AAAA ::ffff:1.2.3.4\n"
	  "a.example. 300 IN RRSIG AAAA 13 2 300 20300101000000 20200101000000 1 example. AAAA\n"
	  "OPT 1232 do\n" },
	{ "a mapped address among others, 5.1.4", NULL, 0, 0,
	  &(struct text){ .answer = { "a.example. 300 IN AAAA ::ffff:1.2.3.4",
				      "a.example. 300 IN AAAA 2001:db8::1" } }, &a_record,
	  "NOERROR rd ra\na.example. 300 IN AAAA 2001:db8::1\n" },
	{ "A records in the AAAA answer do not pass", NULL, 0, 0, &a_record, &nodata,
	  "NOERROR rd ra\n" DENIED },
	{ "private address: as if there were no A, RFC 6052 3.1", NULL, 0, 0, &nodata,
	  &(struct text){ .answer = { "a.example. 300 IN A 10.0.0.1" } }, "NOERROR rd ra\n" DENIED },
};

static void every_exchange_ends_as_rfc6147_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(exchanges); i++) {
		struct world *w = world_new(exchanges[i].change);
		struct text q = { .question = "a.example. IN AAAA",
				  .flags = DNS_RD | exchanges[i].flags,
				  .opt = exchanges[i].dnssec_ok,
				  .dnssec_ok = exchanges[i].dnssec_ok };

		print_message("%s\n", exchanges[i].why);
		ask(w, &q);
		/* Whatever is asked, of whichever upstream, is answered alike. */
		for (unsigned n = 0; n < 100; n++) {
			for (unsigned s = 0; s < w->n_sent; s++) {
				bool a = !strcmp(sent_question(w, s), "a.example. A");
				const struct text *t = a ? exchanges[i].a : exchanges[i].aaaa;

				if (t && !w->sent[s].over)
					answer(w, s, t);
				w->sent[s].over = true;
			}
			wait_ms(w, 50);
		}
		assert_string_equal(told(w, 1), exchanges[i].want);
		world_free(w);
	}
}

/* Returns how long the client waits, ms; 20 ms after that the AAAA question is answered, too, if
 * @late. */
static uint64_t ask_whoever_says_nothing_to_aaaa(struct world *w, const char *name, bool late)
{
	unsigned first = w->n_sent, n = w->n_replies;
	uint64_t start = w->now_ms, waited;
	char question[64], record[64];

	snprintf(question, sizeof(question), "%s IN AAAA", name);
	snprintf(record, sizeof(record), "%s 300 IN A 8.8.8.8", name);
	ask_plain(w, question);
	assert_int_equal(w->n_sent, first + 2);
	answer(w, first + 1, &(struct text){ .answer = { record } });
	while (w->n_replies == n)
		wait_ms(w, 10);
	waited = w->now_ms - start;
	wait_ms(w, 20);
	if (late)
		answer(w, first, &nodata);
	return waited;
}

/* RFC 4074 4: there are servers like that. */
static void who_says_nothing_to_aaaa_is_soon_known_for_it(void **state)
{
	struct world *w = world_new(one_upstream);
	char name[32];

	(void)state;
	for (unsigned i = 0; i < MUTE_NAMES; i++) {
		snprintf(name, sizeof(name), "n%u.example.", i);
		assert_int_equal(ask_whoever_says_nothing_to_aaaa(w, name, false), CLIENT_TIMEOUT_MS);
	}
	assert_int_equal(ask_whoever_says_nothing_to_aaaa(w, "x.example.", false), MUTE_WAIT_MS);
	wait_ms(w, LOOKUP_TIME_MS);
	assert_int_equal(w->r->upstream[0].rest_ms, 0); /* it is not taken for gone */
	assert_int_equal(ask_whoever_says_nothing_to_aaaa(w, "y.example.", true), MUTE_WAIT_MS);
	assert_int_equal(ask_whoever_says_nothing_to_aaaa(w, "z.example.", false), CLIENT_TIMEOUT_MS);
	world_free(w);
}

/* There are names, too, whose own servers are like that, behind a resolver that is not. */
static void who_answers_aaaa_of_others_is_waited_for(void **state)
{
	struct world *w = world_new(one_upstream);
	char name[32];

	(void)state;
	assert_int_equal(ask_whoever_says_nothing_to_aaaa(w, "real.example.", true), CLIENT_TIMEOUT_MS);
	for (unsigned i = 0; i < 3 * MUTE_NAMES; i++) {
		snprintf(name, sizeof(name), "n%u.evil.example.", i);
		assert_int_equal(ask_whoever_says_nothing_to_aaaa(w, name, false), CLIENT_TIMEOUT_MS);
	}
	wait_ms(w, MUTE_AFTER_MS);
	for (unsigned i = 0; i < MUTE_NAMES; i++) {
		snprintf(name, sizeof(name), "m%u.example.", i);
		assert_int_equal(ask_whoever_says_nothing_to_aaaa(w, name, false), CLIENT_TIMEOUT_MS);
	}
	assert_int_equal(ask_whoever_says_nothing_to_aaaa(w, "x.example.", false), MUTE_WAIT_MS);
	world_free(w);
}

/* Three questions: AAAA, A, and AAAA with CD, once SERVFAIL of the first is known. */
static const struct {
	const char *why;
	const struct text *aaaa, *unchecked;
	unsigned n_sent;
	const char *want;
} failures[] = {
	{ "it can be answered without validation: that was what failed", &servfail, &nodata, 3,
	  "SERVFAIL rd ra\n" },
	{ "records without validation", &servfail, &aaaa_record, 3, "SERVFAIL rd ra\n" },
	{ "no such name without validation", &servfail, &nxdomain, 3, "SERVFAIL rd ra\n" },
	{ "it fails without validation, too", &servfail, &servfail, 3, SYNTHESIZED("300") },
	{ "no answer in time", &servfail, NULL, 3, SYNTHESIZED("299") },
	{ "the reason is known: nobody answers", &unreachable, NULL, 2, SYNTHESIZED("300") },
	{ "the reason is known: validation", &bogus, NULL, 2, "SERVFAIL rd ra\n" },
	{ "the reason is \"other\"", &other, &nodata, 3, "SERVFAIL rd ra\n" },
};

static bool has_cd(const struct sent *s)
{
	return s->wire[3] & DNS_CD;
}

static void a_failure_without_a_reason_may_be_one_of_validation(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
		struct world *w = world_new(one_upstream);

		print_message("%s\n", failures[i].why);
		ask_plain(w, "a.example. IN AAAA");
		answer(w, 1, &a_record);
		answer(w, 0, failures[i].aaaa);
		assert_int_equal(w->n_sent, failures[i].n_sent);
		if (w->n_sent == 3) {
			assert_string_equal(sent_question(w, 2), "a.example. AAAA");
			assert_true(has_cd(&w->sent[2]) && !has_cd(&w->sent[0]));
			assert_int_equal(w->n_replies, 0);
		}
		if (failures[i].unchecked)
			answer(w, 2, failures[i].unchecked);
		else
			wait_ms(w, CLIENT_TIMEOUT_MS);
		assert_string_equal(told(w, 1), failures[i].want);
		world_free(w);
	}
}

static const struct text signed_nodata = {
	.flags = DNS_AD,
	.authority = { "example. 300 IN SOA n. m. 1 2 3 4 120",
		       "example. 300 IN RRSIG SOA 13 1 300 20300101000000 20200101000000 1 "
		       "example. AAAA" }
};

static void a_signed_denial_is_left_alone_for_who_sets_do_rfc6147_5_5(void **state)
{
	struct text q = { .question = "a.example. IN AAAA",
			  .flags = DNS_RD,
			  .opt = true,
			  .dnssec_ok = true };
	struct world *w = world_new(NULL);
	struct dns_rr opt;

	(void)state;
	ask(w, &q);
	assert_true(dns_opt_find(w->sent[0].wire, w->sent[0].len, &opt));
	assert_true(opt.ttl & 0x8000); /* DO goes on */
	answer(w, 1, &a_record);
	answer(w, 0, &signed_nodata);
	assert_non_null(strstr(told(w, 1), "RRSIG SOA"));
	assert_non_null(strstr(told(w, 1), "NOERROR rd ra ad\n"));
	world_free(w);
	w = world_new(break_dnssec);
	ask(w, &q);
	answer(w, 1, &a_record);
	answer(w, 0, &signed_nodata);
	assert_string_equal(told(w, 1), SYNTHESIZED("120") "OPT 1232 do ede 29\n");
	world_free(w);
}

static void a_lost_aaaa_leg_costs_the_timeout_not_five_seconds(void **state)
{
	struct world *w = world_new(one_upstream);

	(void)state;
	ask_plain(w, "a.example. IN AAAA");
	answer(w, 1, &a_record);
	wait_ms(w, CLIENT_TIMEOUT_MS - 1);
	assert_int_equal(w->n_replies, 0);
	wait_ms(w, 1);
	assert_string_equal(told(w, 1), SYNTHESIZED("299"));
	world_free(w);
	w = world_new(serial);
	ask_plain(w, "a.example. IN AAAA");
	wait_ms(w, CLIENT_TIMEOUT_MS);
	answer(w, w->n_sent - 1, &a_record);
	assert_string_equal(told(w, 1), SYNTHESIZED("300"));
	world_free(w);
}

static void a_late_aaaa_still_wins_while_a_is_out(void **state)
{
	struct world *w = world_new(one_upstream);

	(void)state;
	ask_plain(w, "a.example. IN AAAA");
	wait_ms(w, CLIENT_TIMEOUT_MS + 500);
	answer(w, 0, &aaaa_record);
	assert_string_equal(told(w, 1), "NOERROR rd ra\na.example. 300 IN AAAA 2001:db8::1\n");
	world_free(w);
}

static void silence_becomes_servfail_before_a_stub_gives_up(void **state)
{
	struct text q = { .question = "a.example. IN A", .flags = DNS_RD, .opt = true };
	struct world *w = world_new(NULL);

	(void)state;
	ask(w, &q);
	wait_ms(w, LOOKUP_TIME_MS - 1);
	assert_int_equal(w->n_replies, 0);
	wait_ms(w, 1);
	assert_string_equal(told(w, 1), "SERVFAIL rd ra\nOPT 1232 ede 22\n");
	assert_int_equal(counter_read(&w->stats.servfail), 1);
	world_free(w);
}

static void a_cached_answer_needs_no_upstream_and_grows_old(void **state)
{
	struct world *w = world_new(NULL);

	(void)state;
	ask_plain(w, "a.example. IN AAAA");
	answer(w, 0, &nodata);
	answer(w, 1, &a_record);
	told(w, 1);
	wait_ms(w, 100000);
	ask_plain(w, "A.Example. IN AAAA");
	assert_string_equal(told(w, 2), "NOERROR rd ra\nA.Example. 20 IN AAAA 64:ff9b::808:808\n");
	ask_plain(w, "a.example. IN A");
	assert_string_equal(told(w, 3), "NOERROR rd ra\na.example. 200 IN A 8.8.8.8\n");
	assert_int_equal(w->n_sent, 2);
	wait_ms(w, 20000); /* the denial is over, A is not */
	ask_plain(w, "a.example. IN AAAA");
	assert_int_equal(w->n_sent, 3);
	assert_string_equal(sent_question(w, 2), "a.example. AAAA");
	answer(w, 2, &nodata);
	assert_string_equal(told(w, 4), SYNTHESIZED("120"));
	assert_int_equal(counter_read(&w->stats.cache_hits), 4);
	world_free(w);
}

static void only_originals_are_cached(void **state)
{
	struct world *w = world_new(NULL);
	struct text cd = { .question = "a.example. IN AAAA", .flags = DNS_RD | DNS_CD };

	(void)state;
	ask_plain(w, "a.example. IN AAAA");
	answer(w, 0, &nodata);
	answer(w, 1, &a_record);
	assert_string_equal(told(w, 1), SYNTHESIZED("120"));
	ask(w, &cd); /* another question: what a validator sees may differ */
	assert_int_equal(w->n_sent, 3);
	answer(w, 2, &nodata);
	assert_string_equal(told(w, 2), "NOERROR rd ra cd\n" DENIED);
	world_free(w);
}

static void equal_questions_are_asked_once(void **state)
{
	struct world *w = world_new(NULL);

	(void)state;
	for (int i = 0; i < 10; i++)
		ask_plain(w, i % 2 ? "a.example. IN AAAA" : "A.EXAMPLE. IN AAAA");
	ask_plain(w, "a.example. IN A");
	assert_int_equal(w->n_sent, 2);
	assert_int_equal(counter_read(&w->stats.coalesced), 19);
	answer(w, 0, &nodata);
	assert_int_equal(w->n_replies, 0);
	answer(w, 1, &a_record);
	assert_int_equal(w->n_replies, 11);
	world_free(w);
}

static void ptr_under_a_prefix_is_an_alias_into_in_addr_arpa_rfc6147_5_3_1(void **state)
{
#define NIBBLES "8.0.8.0.8.0.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.b.9.f.f.4.6.0.0.ip6.arpa."
	static const struct text ptr = { .answer = { "8.8.8.8.in-addr.arpa. 60 IN PTR dns.example." } };
	static const struct text none = { .flags = DNS_NXDOMAIN,
					  .authority = { "8.in-addr.arpa. 9 IN SOA n. m. 1 2 3 4 9" } };
	struct world *w = world_new(NULL);

	(void)state;
	ask_plain(w, NIBBLES " IN PTR");
	assert_string_equal(sent_question(w, 0), "8.8.8.8.in-addr.arpa. PTR");
	answer(w, 0, &ptr);
	assert_string_equal(told(w, 1), "NOERROR rd ra\n" NIBBLES
					" 600 IN CNAME 8.8.8.8.in-addr.arpa.\n"
					"8.8.8.8.in-addr.arpa. 60 IN PTR dns.example.\n");
	wait_ms(w, 61000);
	ask_plain(w, NIBBLES " IN PTR");
	answer(w, 1, &none);
	assert_string_equal(told(w, 2), "NXDOMAIN rd ra\n" NIBBLES
					" 600 IN CNAME 8.8.8.8.in-addr.arpa.\n"
					"-- authority\n8.in-addr.arpa. 9 IN SOA n. m. 1 2 3 4 9\n");
	ask_plain(w, NIBBLES " IN A"); /* not PTR: as any other name */
	assert_string_equal(sent_question(w, 2), NIBBLES " A");
	wait_ms(w, 2 * 86400000); /* a failure behind the alias: told about the question that was asked */
	ask_plain(w, NIBBLES " IN PTR");
	answer(w, w->n_sent - 1, &(struct text){ .flags = DNS_REFUSED });
	answer(w, w->n_sent - 1, &(struct text){ .flags = DNS_REFUSED });
	assert_string_equal(told(w, 4), "SERVFAIL rd ra\n");
	assert_memory_equal(w->reply + DNS_HEADER_LEN, "\0018\0010\0018", 6);
	ask_plain(w, NIBBLES " IN PTR");
	wait_ms(w, LOOKUP_TIME_MS);
	assert_string_equal(told(w, 5), "SERVFAIL rd ra\n");
	world_free(w);
}

static void ipv4only_arpa_is_never_asked_upstream_rfc8880_7_1(void **state)
{
	static const char *const names[] = {
		"ipv4only.arpa. IN A",		  "ipv4only.arpa. IN AAAA",
		"ipv4only.arpa. IN TXT",	  "x.ipv4only.arpa. IN AAAA",
		"170.0.0.192.in-addr.arpa. IN PTR", "171.0.0.192.in-addr.arpa. IN SOA",
		"a.a.0.0.0.0.0.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.b.9.f.f.4.6.0.0.ip6.arpa. IN PTR",
	};
	struct world *w = world_new(NULL);

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
		ask_plain(w, names[i]);
		assert_int_equal(w->n_replies, i + 1);
	}
	assert_int_equal(w->n_sent, 0);
	assert_non_null(strstr(told(w, ARRAY_LEN(names)), "170.0.0.192.in-addr.arpa. 600 IN PTR "
							  "ipv4only.arpa."));
	world_free(w);
}

static void other_questions_are_passed_on_untouched(void **state)
{
	static const struct text any = { .answer = { "a.example. 300 IN A 8.8.8.8",
						     "a.example. 300 IN AAAA ::ffff:1.2.3.4" } };
	static const struct text https = {
		.answer = { "a.example. 300 IN TYPE65 \\# 11 0001 00 0004 0004 08080808" }
	};
	struct world *w = world_new(NULL);

	(void)state;
	ask_plain(w, "a.example. IN ANY");
	assert_int_equal(w->n_sent, 1);
	answer(w, 0, &(struct text){ .question = "a.example. IN ANY",
				     .answer = { any.answer[0], any.answer[1] } });
	assert_string_equal(told(w, 1), "NOERROR rd ra\na.example. 300 IN A 8.8.8.8\n"
					"a.example. 300 IN AAAA ::ffff:1.2.3.4\n");
	ask_plain(w, "a.example. IN TYPE65"); /* RFC 9460 7.3: ipv4hint stays as it is */
	answer(w, 1, &(struct text){ .question = "a.example. IN TYPE65", .answer = { https.answer[0] } });
	assert_memory_equal(w->reply + w->reply_len - 4, "\x08\x08\x08\x08", 4);
	ask_plain(w, "a.example. HS AAAA"); /* RFC 6147 5.1: class IN only */
	assert_int_equal(w->n_sent, 3);
	world_free(w);
}

static void what_a_forwarder_does_not_do_is_refused(void **state)
{
	static const struct {
		struct text q;
		const char *want;
	} rows[] = {
		{ { .question = "a.example. IN A" }, "REFUSED ra\n" }, /* RD=0 */
		{ { .question = "a.example. IN AXFR", .flags = DNS_RD }, "REFUSED rd ra\n" },
		{ { .question = "version.bind. CH TXT", .flags = DNS_RD }, "REFUSED rd ra\n" },
		{ { .question = "a.example. CH AAAA", .flags = DNS_RD }, "REFUSED rd ra\n" },
		{ { .question = "a.example. IN IXFR", .flags = DNS_RD }, "REFUSED rd ra\n" },
		{ { .question = "a.example. IN TYPE41", .flags = DNS_RD }, "REFUSED rd ra\n" },
		{ { .question = "a.example. IN TYPE249", .flags = DNS_RD }, "REFUSED rd ra\n" },
		{ { .question = "a.example. IN MAILA", .flags = DNS_RD }, "REFUSED rd ra\n" },
		{ { .question = "a.example. IN TSIG", .flags = DNS_RD, .opt = true },
		  "REFUSED rd ra\nOPT 1232\n" },
	};
	struct world *w = world_new(NULL);

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		ask(w, &rows[i].q);
		assert_string_equal(told(w, i + 1), rows[i].want);
	}
	assert_int_equal(w->n_sent, 0);
	assert_int_equal(counter_read(&w->stats.refused), ARRAY_LEN(rows));
	world_free(w);
}

static void nonsense_is_counted_and_not_answered(void **state)
{
	struct world *w = world_new(NULL);
	struct client c = { 0 };

	(void)state;
	resolver__query(w->r, &c, (const uint8_t *)"hello", 5);
	resolver__query(w->r, &c, (const uint8_t *)"", 0);
	assert_int_equal(counter_read(&w->stats.malformed), 2);
	assert_int_equal(w->n_lost, 2);
	assert_int_equal(w->n_replies, 0);
	world_free(w);
}

/* What a client's UDP size cannot hold goes out truncated; over TCP it is whole. */
static void a_set_that_grew_too_long_is_truncated_for_udp_only(void **state)
{
	struct text a = { 0 }, q = { .question = "a.example. IN AAAA", .flags = DNS_RD };
	char line[16][64];
	struct world *w = world_new(NULL);

	(void)state;
	for (int i = 0; i < 16; i++) { /* 26 + 16 * 16 fits 512, 26 + 16 * 28 does too, 18 not */
		snprintf(line[i], sizeof(line[i]), "a.example. 300 IN A 8.8.8.%d", i);
		a.answer[i] = line[i];
	}
	a.answer[16] = "a.example. 300 IN A 8.8.4.1";
	a.answer[17] = "a.example. 300 IN A 8.8.4.2";
	ask(w, &q);
	answer(w, 0, &nodata);
	answer(w, 1, &a);
	assert_string_equal(told(w, 1), "NOERROR tc rd ra\n");
	assert_int_equal(counter_read(&w->stats.truncated), 1);
	ask_from(w, &q, "2001:db8:1::1", DNS_MESSAGE_MAX);
	assert_null(strstr(told(w, 2), " tc "));
	assert_int_equal(load16(w->reply + 6), 18);
	q.opt = true;
	ask(w, &q);
	assert_int_equal(load16(w->reply + 6), 18);
	world_free(w);
}

static void one_client_cannot_take_all_the_places(void **state)
{
	struct world *w = world_new(NULL);
	char question[64];
	struct text q = { .question = question, .flags = DNS_RD };

	(void)state;
	for (unsigned i = 0; i < DNS64_CLIENT_TASKS_MAX + 10; i++) {
		char client[64];

		snprintf(client, sizeof(client), "2001:db8:1:0:%x::%x", i << 6, i); /* one /64 */
		snprintf(question, sizeof(question), "n%u.example. IN A", i);
		ask_from(w, &q, client, 0);
	}
	assert_int_equal(counter_read(&w->stats.client_full), 10);
	assert_int_equal(w->n_lost, 10);
	ask_from(w, &q, "2001:db8:2::1", 0);
	assert_int_equal(counter_read(&w->stats.client_full), 10);
	wait_ms(w, LOOKUP_TIME_MS); /* places come back */
	ask_from(w, &q, "2001:db8:1::1", 0);
	assert_int_equal(counter_read(&w->stats.client_full), 10);
	world_free(w);
}

static void queries_beyond_the_limit_are_dropped_and_counted(void **state)
{
	struct world *w = world_new(one_upstream);
	char question[64];
	struct text q = { .question = question, .flags = DNS_RD };

	(void)state;
	for (unsigned i = 0; i < DNS64_TASKS_MAX + 1; i++) {
		char client[64];

		snprintf(client, sizeof(client), "2001:db8:%x::1", i / 100);
		snprintf(question, sizeof(question), "n%u.example. IN A", i);
		ask_from(w, &q, client, 0);
	}
	assert_int_equal(counter_read(&w->stats.tasks_full), 1);
	assert_int_equal(counter_read(&w->stats.tasks), DNS64_TASKS_MAX);
	wait_ms(w, LOOKUP_TIME_MS);
	assert_int_equal(counter_read(&w->stats.tasks), 0);
	assert_int_equal(w->n_replies, DNS64_TASKS_MAX);
	world_free(w);
}

/* What is half known would have to wait. */
static void what_is_known_is_answered_beyond_the_limits(void **state)
{
	struct world *w = world_new(one_upstream);
	char question[64];
	struct text q = { .question = question, .flags = DNS_RD };
	const struct text any = { .question = "known.example. IN TXT",
				  .answer = { "known.example. 300 IN TXT \"x\"" } };
	const struct text half = { .question = "half.example. IN AAAA", .flags = DNS_RD };
	const struct text known = { .question = "known.example. IN TXT", .flags = DNS_RD };
	unsigned n;

	(void)state;
	ask(w, &half);
	answer(w, 0, &nodata);
	wait_ms(w, LOOKUP_TIME_MS + 6000); /* nobody knows its address, and that is forgotten */
	ask(w, &known);
	answer(w, w->n_sent - 1, &any);
	n = w->n_replies;
	for (unsigned i = 0; i < DNS64_TASKS_MAX; i++) {
		char client[64];

		snprintf(client, sizeof(client), "2001:db8:%x::1", i / DNS64_CLIENT_TASKS_MAX);
		snprintf(question, sizeof(question), "n%u.example. IN A", i);
		ask_from(w, &q, client, 0);
	}
	assert_int_equal(counter_read(&w->stats.tasks), DNS64_TASKS_MAX);
	assert_int_equal(w->n_replies, n);
	for (unsigned i = 0; i < 3; i++)
		ask_from(w, &known, i ? "2001:db8:0::1" : "2001:db8:99::1", 0);
	assert_int_equal(w->n_replies, n + 3);
	assert_non_null(strstr(told(w, w->n_replies), "TXT"));
	assert_int_equal(counter_read(&w->stats.tasks_full) + counter_read(&w->stats.client_full),
			 0);
	ask_from(w, &half, "2001:db8:99::1", 0);
	assert_int_equal(counter_read(&w->stats.tasks_full), 1);
	ask_from(w, &half, "2001:db8:0::1", 0);
	assert_int_equal(counter_read(&w->stats.client_full), 1);
	assert_int_equal(w->n_replies, n + 3);
	assert_int_equal(counter_read(&w->stats.tasks), DNS64_TASKS_MAX);
	world_free(w);
}

/* Neighbours on one link are not one client, though their addresses have the same first half. */
static void link_local_clients_are_counted_one_by_one(void **state)
{
	struct world *w = world_new(one_upstream);
	char question[64];
	struct text q = { .question = question, .flags = DNS_RD };

	(void)state;
	for (unsigned i = 0; i < DNS64_CLIENT_TASKS_MAX + 1; i++) {
		snprintf(question, sizeof(question), "n%u.example. IN A", i);
		ask_from(w, &q, i < DNS64_CLIENT_TASKS_MAX ? "fe80::1" : "fe80::2", 0);
	}
	assert_int_equal(counter_read(&w->stats.client_full), 0);
	snprintf(question, sizeof(question), "more.example. IN A");
	ask_from(w, &q, "fe80::1", 0);
	assert_int_equal(counter_read(&w->stats.client_full), 1);
	world_free(w);
}

static void questions_beyond_the_limit_fail_but_do_not_hang(void **state)
{
	struct world *w = world_new(one_upstream);
	char question[64];
	struct text q = { .question = question, .flags = DNS_RD };

	(void)state;
	for (unsigned i = 0; i < DNS64_LOOKUPS_MAX / 2 + 1; i++) {
		char client[64];

		snprintf(client, sizeof(client), "2001:db8:%x::1", i / 100);
		snprintf(question, sizeof(question), "n%u.example. IN AAAA", i);
		ask_from(w, &q, client, 0);
	}
	assert_int_equal(counter_read(&w->stats.lookups_full), 1); /* A need not be asked for then */
	assert_int_equal(w->n_replies, 1);
	assert_string_equal(told(w, 1), "SERVFAIL rd ra\n");
	world_free(w);
}

/* Asks "@before<n>@after" for A, as from many clients. Return: how many failed at once. */
static unsigned flood(struct world *w, unsigned n, const char *before, const char *after)
{
	char question[128], client[64];
	struct text q = { .question = question, .flags = DNS_RD };
	unsigned replies = w->n_replies;

	for (unsigned i = 0; i < n; i++) {
		snprintf(client, sizeof(client), "2001:db8:%x::1", 0x100 + i / 256);
		snprintf(question, sizeof(question), "%s%u%s IN A", before, i, after);
		ask_from(w, &q, client, 0);
	}
	return w->n_replies - replies;
}

static void a_dead_domain_leaves_half_of_the_lookups_to_others(void **state)
{
	struct world *w = world_new(one_upstream);

	(void)state;
	assert_int_equal(flood(w, DNS64_LOOKUPS_MAX / 2, "www.n", ".dead.example."), 0);
	/* whatever stands in front, and however deep */
	assert_int_equal(flood(w, 100, "x", ".DEAD.example."), 100);
	assert_int_equal(flood(w, 100, "a.b.c.d", ".other.dead.example."), 100);
	assert_int_equal(counter_read(&w->stats.domain_full), 200);
	assert_string_equal(told(w, 200), "SERVFAIL rd ra\n");
	/* the second one: a half of what is left */
	assert_int_equal(flood(w, DNS64_LOOKUPS_MAX / 2, "n", ".second.example."),
			 DNS64_LOOKUPS_MAX / 4);
	assert_int_equal(flood(w, 500, "n", ".example."), 0);
	assert_int_equal(counter_read(&w->stats.lookups_full), 0);
	wait_ms(w, LOOKUP_TIME_MS); /* places come back */
	assert_int_equal(flood(w, DNS64_LOOKUPS_MAX / 2, "again", ".dead.example."), 0);
	world_free(w);
}

static void one_name_under_a_suffix_leaves_some_of_it_to_others(void **state)
{
	struct world *w = world_new(one_upstream);
	const unsigned third = (DNS64_LOOKUPS_MAX + 2) / 3;
	unsigned failed;

	(void)state;
	failed = flood(w, DNS64_LOOKUPS_MAX / 2, "n", ".dead.co.example.");
	assert_in_range(failed, DNS64_LOOKUPS_MAX / 2 - third - 1, DNS64_LOOKUPS_MAX / 2 - third + 1);
	assert_int_equal(flood(w, 600, "good", ".co.example."), 0);
	assert_int_equal(flood(w, 1000, "n", ".example."), 0);
	world_free(w);
}

static void a_big_domain_is_not_limited_while_there_is_room(void **state)
{
	struct world *w = world_new(one_upstream);

	(void)state;
	assert_int_equal(flood(w, DNS64_LOOKUPS_MAX / 4, "n", ".big.example."), 0);
	assert_int_equal(flood(w, DNS64_LOOKUPS_MAX / 4, "n", ".example."), 0);
	assert_int_equal(flood(w, DNS64_LOOKUPS_MAX / 8, "m", ".big.example."), 0);
	assert_int_equal(counter_read(&w->stats.domain_full), 0);
	world_free(w);
}

static void few_names_of_a_domain_are_asked_however_full_it_is(void **state)
{
	struct world *w = world_new(one_upstream);

	(void)state;
	assert_int_equal(flood(w, DNS64_LOOKUPS_MAX - DOMAIN_LOOKUPS_MIN / 2, "n", ".example."), 0);
	assert_int_equal(flood(w, DOMAIN_LOOKUPS_MIN / 2, "n", ".late.example."), 0);
	assert_int_equal(counter_read(&w->stats.domain_full), 0);
	assert_int_equal(counter_read(&w->stats.tasks), DNS64_TASKS_MAX);
	world_free(w);
}

static void prefix_two(struct dns64_conf *c)
{
	static struct prefix p;

	assert_int_equal(prefix_parse("2001:db8:64::/96", &p), 0);
	c->prefix = &p;
}

static void a_reload_changes_prefixes_under_queries_in_flight(void **state)
{
	struct world *w = world_new(NULL);

	(void)state;
	ask_plain(w, "a.example. IN AAAA");
	answer(w, 0, &nodata);
	assert_int_equal(resolver__reload(w->r, policy_of(prefix_two), 1 << 20), 0);
	answer(w, 1, &a_record);
	assert_string_equal(told(w, 1), "NOERROR rd ra\na.example. 120 IN AAAA 2001:db8:64::808:808\n");
	ask_plain(w, "a.example. IN AAAA"); /* and nothing was forgotten */
	assert_int_equal(w->n_sent, 2);
	world_free(w);
}

static void nothing_works(struct dns64_conf *c)
{
	c->n_prefix = 0;
	c->withheld = true;
}

static void while_no_translator_works_there_is_no_aaaa_for_a_short_time(void **state)
{
	struct world *w = world_new(nothing_works);

	(void)state;
	ask_plain(w, "a.example. IN AAAA");
	answer(w, 0, &nodata);
	answer(w, 1, &a_record);
	assert_string_equal(told(w, 1), "NOERROR rd ra\n-- authority\n"
					"example. 30 IN SOA n. m. 1 2 3 4 120\n");
	ask_plain(w, "a.example. IN A"); /* what is real is as it was */
	assert_string_equal(told(w, 2), "NOERROR rd ra\na.example. 300 IN A 8.8.8.8\n");
	ask_plain(w, "b.example. IN AAAA");
	answer(w, 2, &(struct text){ .answer = { "b.example. 300 IN AAAA 2001:db8::b" } });
	assert_string_equal(told(w, 3), "NOERROR rd ra\nb.example. 300 IN AAAA 2001:db8::b\n");
	ask_plain(w, "ipv4only.arpa. IN AAAA"); /* RFC 7050 3: there is no NAT64 */
	assert_non_null(strstr(told(w, 4), " 30 IN SOA"));
	assert_null(strstr(told(w, 4), " AAAA "));
	/* it is back; nobody has to be asked again */
	assert_int_equal(resolver__reload(w->r, policy_of(NULL), 1 << 20), 0);
	ask_plain(w, "a.example. IN AAAA");
	assert_string_equal(told(w, 5), SYNTHESIZED("120"));
	ask_plain(w, "ipv4only.arpa. IN AAAA");
	assert_non_null(strstr(told(w, 6), " 600 IN AAAA 64:ff9b::c000:aa"));
	world_free(w);
}

static void nothing_is_stale(struct dns64_conf *c)
{
	c->stale_s = 0;
}

/* RFC 6147 5.1.1: that we ask for too much already says nothing of the name. A is known for longer. */
static void a_limit_of_ours_does_not_turn_ipv6_into_nat64(void **state)
{
	struct world *w = world_new(nothing_is_stale);
	char question[64], client[64];

	(void)state;
	ask_plain(w, "a.example. IN AAAA");
	answer(w, 0, &(struct text){ .answer = { "a.example. 5 IN AAAA 2001:db8::1" } });
	ask_plain(w, "a.example. IN A");
	for (unsigned i = 1; i < w->n_sent && w->n_replies < 2; i++)
		answer(w, i, &a_record);
	wait_ms(w, 6000);
	for (unsigned i = 0; w->n_replies == 2; i++) { /* until one is refused */
		const struct text t = { .question = question, .flags = DNS_RD };

		assert_int_not_equal(i, DNS64_LOOKUPS_MAX + 1);
		snprintf(question, sizeof(question), "x%u.example. IN TXT", i);
		snprintf(client, sizeof(client), "2001:db8:%x::1", 100 + i / 400);
		ask_from(w, &t, client, 0);
	}
	ask_plain(w, "a.example. IN AAAA");
	assert_string_equal(text_of(w->reply, w->reply_len), "SERVFAIL rd ra\n");
	world_free(w);
}

static void at_the_end_open_queries_are_let_go(void **state)
{
	struct world *w = world_new(NULL);

	(void)state;
	ask_plain(w, "a.example. IN AAAA");
	ask_plain(w, "b.example. IN A");
	answer(w, 1, &a_record);
	world_free(w); /* compares */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_legs_are_asked_at_once_rfc6147_5_1_8),
		cmocka_unit_test(in_serial_mode_a_is_asked_on_need),
		cmocka_unit_test(every_exchange_ends_as_rfc6147_says),
		cmocka_unit_test(who_says_nothing_to_aaaa_is_soon_known_for_it),
		cmocka_unit_test(who_answers_aaaa_of_others_is_waited_for),
		cmocka_unit_test(a_failure_without_a_reason_may_be_one_of_validation),
		cmocka_unit_test(a_signed_denial_is_left_alone_for_who_sets_do_rfc6147_5_5),
		cmocka_unit_test(a_lost_aaaa_leg_costs_the_timeout_not_five_seconds),
		cmocka_unit_test(a_late_aaaa_still_wins_while_a_is_out),
		cmocka_unit_test(silence_becomes_servfail_before_a_stub_gives_up),
		cmocka_unit_test(a_cached_answer_needs_no_upstream_and_grows_old),
		cmocka_unit_test(only_originals_are_cached),
		cmocka_unit_test(equal_questions_are_asked_once),
		cmocka_unit_test(ptr_under_a_prefix_is_an_alias_into_in_addr_arpa_rfc6147_5_3_1),
		cmocka_unit_test(ipv4only_arpa_is_never_asked_upstream_rfc8880_7_1),
		cmocka_unit_test(other_questions_are_passed_on_untouched),
		cmocka_unit_test(what_a_forwarder_does_not_do_is_refused),
		cmocka_unit_test(nonsense_is_counted_and_not_answered),
		cmocka_unit_test(a_set_that_grew_too_long_is_truncated_for_udp_only),
		cmocka_unit_test(one_client_cannot_take_all_the_places),
		cmocka_unit_test(queries_beyond_the_limit_are_dropped_and_counted),
		cmocka_unit_test(questions_beyond_the_limit_fail_but_do_not_hang),
		cmocka_unit_test(a_dead_domain_leaves_half_of_the_lookups_to_others),
		cmocka_unit_test(one_name_under_a_suffix_leaves_some_of_it_to_others),
		cmocka_unit_test(a_big_domain_is_not_limited_while_there_is_room),
		cmocka_unit_test(few_names_of_a_domain_are_asked_however_full_it_is),
		cmocka_unit_test(what_is_known_is_answered_beyond_the_limits),
		cmocka_unit_test(link_local_clients_are_counted_one_by_one),
		cmocka_unit_test(a_reload_changes_prefixes_under_queries_in_flight),
		cmocka_unit_test(while_no_translator_works_there_is_no_aaaa_for_a_short_time),
		cmocka_unit_test(a_limit_of_ours_does_not_turn_ipv6_into_nat64),
		cmocka_unit_test(at_the_end_open_queries_are_let_go),
	};

	return cmocka_run_group_tests_name("dns64/resolver", tests, NULL, NULL);
}
