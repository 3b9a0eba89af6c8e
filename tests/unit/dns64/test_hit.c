/* test_hit.c - which questions are answered from wire to wire, and that the answers are right. That
 * they are those of the long way is held at every query of every test here: hit_law.h. */
#include "fixture.h"
#include "sixgate/base/must.h"
#include "sixgate/base/wire.h"
#include "test.h"

static const struct text nodata = {
	.authority = { "example. 120 IN SOA ns.example. m.example. 1 3600 600 86400 120" }
};
static const struct text no_name = {
	.flags = DNS_NXDOMAIN,
	.authority = { "example. 120 IN SOA ns.example. m.example. 1 3600 600 86400 120" }
};
static const struct text a_record = { .answer = { "a.example. 300 IN A 8.8.8.8" } };
static const struct text aaaa_record = { .answer = { "a.example. 300 IN AAAA 2001:db8::1" } };
static const struct text chain = { .answer = { "a.example. 60 IN CNAME b.example.",
					       "b.example. 50 IN CNAME c.test.",
					       "c.test. 300 IN A 8.8.8.8", "c.test. 300 IN A 9.9.9.9" } };

/* A world in which a.example's AAAA leg says @aaaa and its A leg @a, if that is asked for. */
static struct world *known(void (*change)(struct dns64_conf *c), const struct text *aaaa,
			   const struct text *a)
{
	struct world *w = world_new(change);
	unsigned n;

	ask_plain(w, "a.example. IN AAAA");
	n = w->n_sent;
	for (unsigned i = 0; i < n; i++)
		answer(w, i, strstr(sent_question(w, i), "AAAA") ? aaaa : a);
	if (w->n_sent > n)
		answer(w, n, strstr(sent_question(w, n), "AAAA") ? aaaa : a);
	told(w, 1);
	return w;
}

/* Asks once more. Return: what was said; @fast: was it from wire to wire? */
static const char *again(struct world *w, const struct text *t, const char *client, bool fast)
{
	uint64_t hits = w->law.n_hits;
	unsigned n = w->n_replies;

	ask_from(w, t, client, 0);
	assert_int_equal(w->law.n_hits - hits, fast);
	return w->n_replies == n ? NULL : text_of(w->reply, w->reply_len);
}

static const char *again_plain(struct world *w, const char *question, bool fast)
{
	struct text t = { .question = question, .flags = DNS_RD };

	return again(w, &t, "2001:db8:1::1", fast);
}

static void aaaa_are_made_of_a_from_wire_to_wire_rfc6147_5_1_7(void **state)
{
	struct world *w = known(NULL, &nodata, &a_record);

	(void)state;
	wait_ms(w, 20000);
	assert_string_equal(again_plain(w, "a.example. IN AAAA", true),
			    "NOERROR rd ra\na.example. 100 IN AAAA 64:ff9b::808:808\n");
	world_free(w);
}

static void a_chain_is_kept_and_each_ttl_lowered(void **state)
{
	struct world *w = known(NULL, &nodata, &chain);

	(void)state;
	wait_ms(w, 10000);
	assert_string_equal(again_plain(w, "a.example. IN AAAA", true),
			    "NOERROR rd ra\na.example. 50 IN CNAME b.example.\n"
			    "b.example. 40 IN CNAME c.test.\n"
			    "c.test. 110 IN AAAA 64:ff9b::808:808\n"
			    "c.test. 110 IN AAAA 64:ff9b::909:909\n");
	world_free(w);
}

static void an_answer_is_spelled_as_its_question(void **state)
{
	struct world *w = known(NULL, &nodata, &a_record);

	(void)state;
	assert_non_null(again_plain(w, "A.eXample. IN AAAA", true));
	assert_memory_equal(w->reply + DNS_HEADER_LEN, "\1A\7eXample", 10);
	world_free(w);
}

static void edns_gets_an_opt_and_the_extended_error_rfc8914_4(void **state)
{
	struct world *w = known(NULL, &nodata, &a_record);
	const struct text t = { .question = "a.example. IN AAAA", .flags = DNS_RD, .opt = true,
				.udp_size = 1232 };

	(void)state;
	assert_string_equal(again(w, &t, "2001:db8:1::1", true),
			    "NOERROR rd ra\na.example. 120 IN AAAA 64:ff9b::808:808\nOPT 1232 ede 29\n");
	world_free(w);
}

static void what_is_passed_on_goes_the_short_way_too(void **state)
{
	struct world *w = known(NULL, &aaaa_record, &a_record);

	(void)state;
	assert_string_equal(again_plain(w, "a.example. IN AAAA", true),
			    "NOERROR rd ra\na.example. 300 IN AAAA 2001:db8::1\n");
	assert_string_equal(again_plain(w, "a.example. IN A", true),
			    "NOERROR rd ra\na.example. 300 IN A 8.8.8.8\n");
	world_free(w);
}

static void denials_go_the_short_way_too_rfc2308_5(void **state)
{
	struct world *w = known(NULL, &no_name, &no_name);

	(void)state;
	wait_ms(w, 7000);
	assert_string_equal(again_plain(w, "a.example. IN AAAA", true),
			    "NXDOMAIN rd ra\n-- authority\n"
			    "example. 113 IN SOA ns.example. m.example. 1 3600 600 86400 120\n");
	world_free(w);
	w = known(NULL, &nodata, &nodata);
	assert_string_equal(again_plain(w, "a.example. IN AAAA", true),
			    "NOERROR rd ra\n-- authority\n"
			    "example. 120 IN SOA ns.example. m.example. 1 3600 600 86400 120\n");
	world_free(w);
}

static void never_and_always(struct dns64_conf *c)
{
	static char domain[] = "example.", *domains[] = { domain };

	c->never = domains;
	c->always = domains;
	c->n_always = 1;
}

static void with_never(struct dns64_conf *c)
{
	never_and_always(c);
	c->n_always = 0;
	c->n_never = 1;
}

static void domains_with_rules_keep_them(void **state)
{
	struct world *w = known(with_never, &nodata, &a_record);

	(void)state;
	assert_null(strstr(again_plain(w, "a.example. IN AAAA", true), "AAAA"));
	world_free(w);
	w = known(never_and_always, &aaaa_record, &a_record);
	assert_non_null(strstr(again_plain(w, "a.example. IN AAAA", false), "64:ff9b::808:808"));
	world_free(w);
}

static void two_views(struct dns64_conf *c)
{
	static struct prefix clients, other, excluded;
	static struct dns64_view_conf view;

	must(prefix_parse("2001:db8:2::/48", &clients) == 0);
	must(prefix_parse("2001:db8:64::/96", &other) == 0);
	must(prefix_parse("2001:db8::/64", &excluded) == 0);
	view = (struct dns64_view_conf){ .clients = &clients, .n_clients = 1, .synthesize = true,
					 .prefix = &other, .n_prefix = 1,
					 .exclude = &excluded, .n_exclude = 1 };
	c->view = &view;
	c->n_view = 1;
}

static void each_client_is_told_what_its_view_says(void **state)
{
	const struct text t = { .question = "a.example. IN AAAA", .flags = DNS_RD };
	struct world *w = known(two_views, &nodata, &a_record);

	(void)state;
	assert_string_equal(again(w, &t, "2001:db8:2::1", true),
			    "NOERROR rd ra\na.example. 120 IN AAAA 2001:db8:64::808:808\n");
	assert_string_equal(again(w, &t, "2001:db8:3::1", true),
			    "NOERROR rd ra\na.example. 120 IN AAAA 64:ff9b::808:808\n");
	world_free(w);
	w = known(two_views, &aaaa_record, &a_record);
	assert_non_null(again(w, &t, "2001:db8:3::1", true));
	again(w, &t, "2001:db8:2::1", false); /* excluded there */
	world_free(w);
}

static void nothing_works(struct dns64_conf *c)
{
	c->n_prefix = 0;
	c->withheld = true;
}

static void no_prefix(struct dns64_conf *c)
{
	c->n_prefix = 0;
}

static void without_a_prefix_nothing_is_made(void **state)
{
	struct world *w = known(nothing_works, &nodata, &a_record);

	(void)state;
	assert_string_equal(again_plain(w, "a.example. IN AAAA", false),
			    "NOERROR rd ra\n-- authority\n"
			    "example. 30 IN SOA ns.example. m.example. 1 3600 600 86400 120\n");
	world_free(w);
	w = known(no_prefix, &nodata, &a_record);
	assert_int_equal(w->n_sent, 1); /* nobody asks for A in vain */
	assert_string_equal(again_plain(w, "a.example. IN AAAA", true),
			    "NOERROR rd ra\n-- authority\n"
			    "example. 120 IN SOA ns.example. m.example. 1 3600 600 86400 120\n");
	world_free(w);
}

static void what_is_not_of_the_usual_kind_goes_the_long_way(void **state)
{
	struct world *w = known(NULL, &nodata, &a_record);
	const struct text odd[] = {
		{ .question = "a.example. IN AAAA" },		       /* not recursive */
		{ .question = "a.example. CH AAAA", .flags = DNS_RD },
		{ .question = "a.example. IN ANY", .flags = DNS_RD },
		{ .question = "ipv4only.arpa. IN AAAA", .flags = DNS_RD },
		{ .question = "1.0.0.127.in-addr.arpa. IN PTR", .flags = DNS_RD },
		{ .question = "b.example. IN AAAA", .flags = DNS_RD }, /* not known */
		{ .question = "a.example. IN AAAA", .flags = DNS_RD | DNS_CD },
		{ .question = "a.example. IN AAAA", .flags = DNS_RD, .opt = true, .dnssec_ok = true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(odd); i++)
		again(w, &odd[i], "2001:db8:1::1", false);
	world_free(w);
}

/* RFC 1035 4.1.1, RFC 6891 6.1.3: what means nothing in a query is not looked at, nor are records beside
 * the OPT; a sender who sets or adds them does not make us work harder. */
static void what_means_nothing_in_a_query_costs_nothing(void **state)
{
	static const uint8_t txt[] = { 1, 'x', 0, 0, 16, 0, 1, 0, 0, 0, 0, 0, 1, 0 };
	const struct text t = { .question = "a.example. IN AAAA", .flags = DNS_RD, .opt = true,
				.udp_size = 1232 };
	struct world *w = known(NULL, &nodata, &a_record);
	uint8_t wire[512];
	size_t len = wire_of(&t, 1, wire);
	unsigned n = 0;

	(void)state;
	for (unsigned bit = 0; bit < 11; bit++) { /* RCODE, CD, AD, Z, RA, RD, TC, AA */
		store16(wire + 2, DNS_RD | 1u << bit);
		if (1u << bit == DNS_CD)
			continue;
		ask_wire(w, wire, len, "2001:db8:1::1");
		assert_int_equal(w->law.n_hits, ++n);
		assert_int_equal(load16(w->reply + 2) & ~DNS_AD, DNS_QR | DNS_RD | DNS_RA);
	}
	store16(wire + 2, DNS_RD);
	for (unsigned bit = 0; bit < 15; bit++) { /* Z of OPT */
		store16(wire + len - 4, (uint16_t)(1u << bit));
		ask_wire(w, wire, len, "2001:db8:1::1");
		assert_int_equal(w->law.n_hits, ++n);
	}
	store16(wire + len - 4, 0);
	wire[len - 6] = 9; /* extended RCODE */
	ask_wire(w, wire, len, "2001:db8:1::1");
	assert_int_equal(w->law.n_hits, ++n);
	wire[len - 5] = 1; /* a version that there is not */
	ask_wire(w, wire, len, "2001:db8:1::1");
	assert_int_equal(w->law.n_hits, n);
	wire[len - 5] = 0;
	memcpy(wire + len, txt, sizeof(txt));
	store16(wire + 10, 2);
	ask_wire(w, wire, len + sizeof(txt), "2001:db8:1::1");
	assert_int_equal(w->law.n_hits, ++n);
	ask_wire(w, wire, len + sizeof(txt) - 1, "2001:db8:1::1"); /* not whole */
	assert_int_equal(w->law.n_hits, n);
	assert_int_equal(w->reply[3] & DNS_RCODE, DNS_FORMERR);
	world_free(w);
}

struct option {
	uint16_t code;
	uint8_t len, data[DNS_COOKIE_MAX + 1];
};

enum { CODE_NSID = 3, CODE_SUBNET = 8, CODE_KEEPALIVE = 11 };

/* A query for a.example's AAAA with options, of which the last one ends @cut octets early. */
static size_t query_with(const struct option *o, size_t n, size_t cut, uint8_t *wire)
{
	const struct text t = { .question = "a.example. IN AAAA", .flags = DNS_RD, .opt = true,
				.udp_size = 1232 };
	size_t len = wire_of(&t, 1, wire), opt_end = len;

	for (size_t i = 0; i < n; i++) {
		store16(wire + len, o[i].code);
		store16(wire + len + 2, o[i].len);
		memcpy(wire + len + 4, o[i].data, o[i].len);
		len += 4u + o[i].len;
	}
	store16(wire + opt_end - 2, (uint16_t)(len - cut - opt_end));
	return len - cut;
}

/* The only option of the reply besides an extended error. Return: its length, 0: there is none. */
static size_t replied_option(const struct world *w, uint16_t code, uint8_t *out)
{
	struct dns_rr opt;
	size_t at;
	int len;

	assert_true(dns_opt_find(w->reply, w->reply_len, &opt));
	len = dns_option_find(w->reply, &opt, code, &at);
	if (len > 0)
		memcpy(out, w->reply + at, (size_t)len);
	return len > 0 ? (size_t)len : 0;
}

static void cookies_are_answered_from_wire_to_wire_rfc7873_5_2(void **state)
{
	struct world *w = known(NULL, &nodata, &a_record);
	struct option cookie = { DNS_OPTION_COOKIE, 8, { 1, 2, 3, 4, 5, 6, 7, 8 } };
	uint8_t wire[512], first[DNS_COOKIE_MAX], second[DNS_COOKIE_MAX];

	(void)state;
	resolver__wall(w->r, 1700000000);
	ask_wire(w, wire, query_with(&cookie, 1, 0, wire), "2001:db8:1::1");
	assert_int_equal(w->law.n_hits, 1);
	assert_int_equal(replied_option(w, DNS_OPTION_COOKIE, first), DNS_COOKIE_LEN);
	assert_memory_equal(first, cookie.data, 8);
	assert_int_equal(counter_read(&w->stats.cookies_new), 1);
	memcpy(cookie.data, first, cookie.len = DNS_COOKIE_LEN);
	ask_wire(w, wire, query_with(&cookie, 1, 0, wire), "2001:db8:1::1");
	assert_int_equal(w->law.n_hits, 2);
	assert_int_equal(counter_read(&w->stats.cookies_good), 1);
	ask_wire(w, wire, query_with(&cookie, 1, 0, wire), "2001:db8:1::2"); /* somebody else's */
	assert_int_equal(w->law.n_hits, 3);
	assert_int_equal(counter_read(&w->stats.cookies_new), 2);
	assert_int_equal(replied_option(w, DNS_OPTION_COOKIE, second), DNS_COOKIE_LEN);
	assert_memory_not_equal(first, second, DNS_COOKIE_LEN);
	world_free(w);
}

static void other_options_are_nothing_to_us_rfc6891_6_1_2(void **state)
{
	struct world *w = known(NULL, &nodata, &a_record);
	const struct option o[] = {
		{ CODE_NSID, 0, { 0 } },
		{ CODE_SUBNET, 7, { 0, 1, 24, 0, 192, 0, 2 } },
		{ DNS_OPTION_COOKIE, 8, { 1, 2, 3, 4, 5, 6, 7, 8 } },
		{ CODE_KEEPALIVE, 0, { 0 } },
		{ DNS_OPTION_COOKIE, 8, { 8, 7, 6, 5, 4, 3, 2, 1 } }, /* the first one counts */
		{ DNS_OPTION_PADDING, 40, { 0 } },
	};
	uint8_t wire[512], cookie[DNS_COOKIE_MAX];

	(void)state;
	ask_wire(w, wire, query_with(o, ARRAY_LEN(o), 0, wire), "2001:db8:1::1");
	assert_int_equal(w->law.n_hits, 1);
	assert_int_equal(replied_option(w, DNS_OPTION_COOKIE, cookie), DNS_COOKIE_LEN);
	assert_memory_equal(cookie, o[2].data, 8);
	assert_int_equal(replied_option(w, CODE_NSID, cookie), 0);
	world_free(w);
}

static void options_that_are_wrong_go_the_long_way(void **state)
{
	struct world *w = known(NULL, &nodata, &a_record);
	static const uint8_t lengths[] = { 0, 7, 8, 9, 15, 16, 40, 41 };
	static const bool good[] = { false, false, true, false, false, true, true, false };
	uint8_t wire[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		const struct option o = { DNS_OPTION_COOKIE, lengths[i], { 1 } };
		uint64_t hits = w->law.n_hits;

		ask_wire(w, wire, query_with(&o, 1, 0, wire), "2001:db8:1::1");
		assert_int_equal(w->law.n_hits - hits, good[i]);
		assert_int_equal(w->reply[3] & DNS_RCODE, good[i] ? DNS_NOERROR : DNS_FORMERR);
	}
	for (size_t cut = 1; cut < 12; cut++) { /* all but none of it */
		const struct option o = { DNS_OPTION_COOKIE, 8, { 1 } };
		uint64_t hits = w->law.n_hits;

		ask_wire(w, wire, query_with(&o, 1, cut, wire), "2001:db8:1::1");
		assert_int_equal(w->law.n_hits, hits);
		assert_int_equal(w->reply[3] & DNS_RCODE, DNS_FORMERR);
	}
	world_free(w);
}

static void without_cookies(struct dns64_conf *c)
{
	c->cookies = false;
}

static void cookies_that_are_off_are_not_answered(void **state)
{
	struct world *w = known(without_cookies, &nodata, &a_record);
	const struct option o = { DNS_OPTION_COOKIE, 8, { 1 } };
	uint8_t wire[512], cookie[DNS_COOKIE_MAX];

	(void)state;
	ask_wire(w, wire, query_with(&o, 1, 0, wire), "2001:db8:1::1");
	assert_int_equal(w->law.n_hits, 1);
	assert_int_equal(replied_option(w, DNS_OPTION_COOKIE, cookie), 0);
	world_free(w);
}

/* The law compares what is said at the limit, and one octet on either side of it. */
static void an_answer_and_its_cookie_fit_together(void **state)
{
	const struct option o = { DNS_OPTION_COOKIE, 8, { 1 } };
	const struct text many = { .answer = { "a.example. 300 IN A 8.8.8.1", "a.example. 300 IN A 8.8.8.2",
					       "a.example. 300 IN A 8.8.8.3", "a.example. 300 IN A 8.8.8.4",
					       "a.example. 300 IN A 8.8.8.5", "a.example. 300 IN A 8.8.8.6",
					       "a.example. 300 IN A 8.8.8.7", "a.example. 300 IN A 8.8.8.8",
					       "a.example. 300 IN A 8.8.8.9", "a.example. 300 IN A 8.8.9.1",
					       "a.example. 300 IN A 8.8.9.2", "a.example. 300 IN A 8.8.9.3",
					       "a.example. 300 IN A 8.8.9.4", "a.example. 300 IN A 8.8.9.5",
					       "a.example. 300 IN A 8.8.9.6", "a.example. 300 IN A 8.8.9.7",
					       "a.example. 300 IN A 8.8.9.8", "a.example. 300 IN A 8.8.9.9" } };
	struct world *w = known(NULL, &nodata, &many);
	unsigned whole[2] = { 0 };
	uint8_t wire[512];

	(void)state;
	for (unsigned size = 512; size <= 700; size++)
		for (unsigned with = 0; with < 2; with++) {
			uint64_t hits = w->law.n_hits;
			size_t len = query_with(&o, with, 0, wire);

			store16(wire + DNS_HEADER_LEN + 11 + 4 + 3, (uint16_t)size);
			ask_wire(w, wire, len, "2001:db8:1::1");
			assert_int_equal(w->law.n_hits - hits, 1);
			whole[with] += !(load16(w->reply + 2) & DNS_TC);
			assert_true(w->reply_len <= size);
		}
	assert_in_range(whole[0], 40, 180);
	assert_int_equal(whole[0] - whole[1], 4 + DNS_COOKIE_LEN);
	world_free(w);
}

static void what_is_near_its_end_is_renewed_by_the_long_way(void **state)
{
	struct world *w = known(NULL, &nodata, &a_record);
	unsigned sent = w->n_sent;

	(void)state;
	wait_ms(w, 109000);
	assert_non_null(again_plain(w, "a.example. IN AAAA", false));
	assert_int_equal(w->n_sent, sent + 1);
	assert_non_null(again_plain(w, "a.example. IN AAAA", true)); /* that is under way */
	wait_ms(w, 12000);
	world_free(w);
}

static void what_is_stale_goes_the_long_way_rfc8767_5(void **state)
{
	struct world *w = known(NULL, &nodata, &a_record);

	(void)state;
	wait_ms(w, 121000);
	again_plain(w, "a.example. IN AAAA", false);
	world_free(w);
}

static void answers_too_long_for_the_client_are_truncated_from_wire_to_wire(void **state)
{
	struct text many = { .answer = { NULL } };
	char record[20][64];
	struct world *w;
	uint64_t n_cut;

	(void)state;
	for (int i = 0; i < 20; i++) {
		snprintf(record[i], sizeof(record[i]), "a.example. 300 IN A 8.8.8.%d", i + 1);
		many.answer[i] = record[i];
	}
	w = known(NULL, &nodata, &many);
	n_cut = counter_read(&w->stats.truncated);
	again_plain(w, "a.example. IN AAAA", true);
	assert_true(load16(w->reply + 2) & DNS_TC);
	assert_int_equal(counter_read(&w->stats.truncated) - n_cut, 1);
	again(w, &(struct text){ .question = "a.example. IN AAAA", .flags = DNS_RD, .opt = true,
				 .udp_size = 1232 }, "2001:db8:1::1", true);
	assert_int_equal(load16(w->reply + 6), 20);
	world_free(w);
}

/* The law compares, at every size that a client may have. */
static void every_size(struct world *w, const char *question)
{
	struct text q = { .question = question, .flags = DNS_RD, .opt = true };
	unsigned n_whole = 0, n_less = 0;

	for (unsigned size = 512; size <= 1232; size++) {
		q.udp_size = (uint16_t)size;
		again(w, &q, "2001:db8:1::1", true);
		assert_true(w->reply_len <= size);
		n_whole += load16(w->reply + 8) + load16(w->reply + 10) == 9; /* with OPT */
		n_less += load16(w->reply + 8) + load16(w->reply + 10) < 9;
	}
	assert_true(n_whole && n_less && n_whole + n_less == 1232 - 512 + 1);
}

static void sections_that_do_not_fit_go_without_a_word_rfc2181_9(void **state)
{
	struct text a = { .answer = { "a.example. 300 IN A 8.8.8.8", "a.example. 300 IN A 8.8.8.9" } };
	char server[8][200], glue[4][200], label[62];
	struct world *w;

	(void)state;
	memset(label, 'x', 60);
	label[60] = '\0';
	for (int i = 0; i < 8; i++) {
		snprintf(server[i], sizeof(server[i]), "example. 300 IN NS n%d%s.n%d%s.", i, label, i, label);
		a.authority[i] = server[i];
	}
	w = known(NULL, &nodata, &a);
	every_size(w, "a.example. IN AAAA");
	every_size(w, "a.example. IN A");
	world_free(w);
	for (int i = 0; i < 4; i++) {
		snprintf(glue[i], sizeof(glue[i]), "n%d%s.m%d%s. 300 IN A 9.9.9.%d", i, label, i, label, i);
		a.authority[4 + i] = NULL;
		a.additional[i] = glue[i];
	}
	w = known(NULL, &nodata, &a);
	every_size(w, "a.example. IN A");
	world_free(w);
}

/* A validator gets the whole authority section or TC (RFC 4035 3.1). */
static void a_validator_is_not_spared_a_section_rfc2181_9(void **state)
{
	struct text a = { .answer = { "a.example. 300 IN A 8.8.8.8" } };
	char server[8][200], label[62];
	struct text q = { .question = "a.example. IN A", .flags = DNS_RD, .opt = true, .dnssec_ok = true,
			  .udp_size = 1232 };
	struct world *w = world_new(NULL);

	(void)state;
	memset(label, 'x', 60);
	label[60] = '\0';
	for (int i = 0; i < 8; i++) {
		snprintf(server[i], sizeof(server[i]), "example. 300 IN NS n%d%s.n%d%s.", i, label, i, label);
		a.authority[i] = server[i];
	}
	ask_from(w, &q, "2001:db8:1::1", 0);
	answer(w, 0, &a);
	for (unsigned size = 512; size <= 1232; size++) {
		q.udp_size = (uint16_t)size;
		again(w, &q, "2001:db8:1::1", true);
		assert_int_equal(load16(w->reply + 6), load16(w->reply + 8) == 8);
		assert_int_equal(!!(load16(w->reply + 2) & DNS_TC), load16(w->reply + 8) == 0);
	}
	assert_int_equal(load16(w->reply + 8), 8);
	world_free(w);
}

static void a_thousand_addresses_are_said_from_wire_to_wire(void **state)
{
	static char record[1000][48];
	static struct text many;
	struct world *w;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		snprintf(record[i], sizeof(record[i]), "a.example. 300 IN A 8.8.%d.%d", 1 + i / 250, 1 + i % 250);
		many.answer[i] = record[i];
	}
	w = known(NULL, &nodata, &many);
	again_plain(w, "a.example. IN AAAA", true);
	assert_true(load16(w->reply + 2) & DNS_TC);
	again_plain(w, "a.example. IN A", true);
	assert_true(load16(w->reply + 2) & DNS_TC);
	world_free(w);
}

static void a_crowd_that_waits_keeps_nobody_from_what_is_known(void **state)
{
	struct world *w = known(NULL, &nodata, &a_record);
	char question[64];

	(void)state;
	assert_non_null(again_plain(w, "a.example. IN AAAA", true));
	for (int i = 0; i < DNS64_CLIENT_TASKS_MAX; i++) {
		snprintf(question, sizeof(question), "n%d.example. IN A", i);
		ask_plain(w, question);
	}
	assert_non_null(again_plain(w, "a.example. IN AAAA", true));
	assert_int_equal(counter_read(&w->stats.client_full), 0);
	ask_plain(w, "one-more.example. IN A");
	assert_int_equal(counter_read(&w->stats.client_full), 1);
	world_free(w);
}

static void bits_out_of_place_go_the_long_way(void **state)
{
	struct world *w = known(NULL, &nodata, &a_record);
	const struct text t = { .question = "a.example. IN AAAA", .flags = DNS_RD, .opt = true };
	const struct client c = { .peer = { .sin6_family = AF_INET6 } };
	uint8_t wire[512], out[DNS_UDP_PAYLOAD], changed[512];
	size_t len = wire_of(&t, 1, wire);
	static const uint8_t at[] = { 4, 5, 6, 7, 8, 9, 10, 24, 26, 27, 33, 36, 37, 38 };

	(void)state;
	assert_int_not_equal(resolver__hit(w->r, &c, wire, len, out), 0);
	for (size_t n = 0; n < len; n++)
		assert_int_equal(resolver__hit(w->r, &c, wire, n, out), 0);
	memcpy(changed, wire, len);
	changed[len] = 0;
	assert_int_equal(resolver__hit(w->r, &c, changed, len + 1, out), 0);
	for (size_t i = 0; i < ARRAY_LEN(at) && at[i] < len; i++) {
		memcpy(changed, wire, len);
		changed[at[i]] ^= 0x40;
		assert_int_equal(resolver__hit(w->r, &c, changed, len, out), 0);
	}
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(aaaa_are_made_of_a_from_wire_to_wire_rfc6147_5_1_7),
		cmocka_unit_test(a_chain_is_kept_and_each_ttl_lowered),
		cmocka_unit_test(an_answer_is_spelled_as_its_question),
		cmocka_unit_test(edns_gets_an_opt_and_the_extended_error_rfc8914_4),
		cmocka_unit_test(what_is_passed_on_goes_the_short_way_too),
		cmocka_unit_test(denials_go_the_short_way_too_rfc2308_5),
		cmocka_unit_test(domains_with_rules_keep_them),
		cmocka_unit_test(each_client_is_told_what_its_view_says),
		cmocka_unit_test(without_a_prefix_nothing_is_made),
		cmocka_unit_test(what_is_not_of_the_usual_kind_goes_the_long_way),
		cmocka_unit_test(what_means_nothing_in_a_query_costs_nothing),
		cmocka_unit_test(cookies_are_answered_from_wire_to_wire_rfc7873_5_2),
		cmocka_unit_test(other_options_are_nothing_to_us_rfc6891_6_1_2),
		cmocka_unit_test(options_that_are_wrong_go_the_long_way),
		cmocka_unit_test(cookies_that_are_off_are_not_answered),
		cmocka_unit_test(an_answer_and_its_cookie_fit_together),
		cmocka_unit_test(what_is_near_its_end_is_renewed_by_the_long_way),
		cmocka_unit_test(what_is_stale_goes_the_long_way_rfc8767_5),
		cmocka_unit_test(answers_too_long_for_the_client_are_truncated_from_wire_to_wire),
		cmocka_unit_test(sections_that_do_not_fit_go_without_a_word_rfc2181_9),
		cmocka_unit_test(a_validator_is_not_spared_a_section_rfc2181_9),
		cmocka_unit_test(a_thousand_addresses_are_said_from_wire_to_wire),
		cmocka_unit_test(a_crowd_that_waits_keeps_nobody_from_what_is_known),
		cmocka_unit_test(bits_out_of_place_go_the_long_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
