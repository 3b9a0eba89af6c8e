/* test_cookie.c - DNS cookies: those we give to clients (RFC 7873 5.2, RFC 9018 with its vectors) and
 * those that upstreams give to us (RFC 7873 5.3). */
#include "fixture.h"
#include <stdio.h>
#include "sixgate/base/must.h"
#include "sixgate/base/wire.h"
#include "test.h"

enum { COOKIE_AT = DNS_COOKIE_CLIENT_LEN };

static size_t unhex(const char *text, uint8_t *out)
{
	size_t n = 0;
	unsigned byte;

	while (text[2 * n] && sscanf(text + 2 * n, "%2x", &byte) == 1)
		out[n++] = (uint8_t)byte;
	return n;
}

static struct hash_key key_of(const char *text)
{
	struct hash_key key = { { 0 } };
	uint8_t bytes[16];

	must(unhex(text, bytes) == sizeof(bytes));
	for (unsigned i = 0; i < 16; i++)
		key.word[i / 8] |= (uint64_t)bytes[i] << 8 * (i % 8);
	return key;
}

static struct dns_query query_with(const char *cookie)
{
	struct dns_query q = { .has_opt = true };

	q.cookie_len = (uint8_t)unhex(cookie, q.cookie);
	return q;
}

/* RFC 9018 A.1 to A.4. */
static void the_vectors_of_rfc9018_a(void **state)
{
	static const struct {
		const char *old_key, *key, *client, *cookie;
		uint32_t at;
		bool good;
		const char *answer;
	} rows[] = {
		{ "e5e973e5a6b2a43f48e7dc849e37bfcf", "e5e973e5a6b2a43f48e7dc849e37bfcf",
		  "198.51.100.100", "2464c4abcf10c957", 1559731985, false,
		  "2464c4abcf10c957010000005cf79f111f8130c3eee29480" },
		{ "e5e973e5a6b2a43f48e7dc849e37bfcf", "e5e973e5a6b2a43f48e7dc849e37bfcf",
		  "198.51.100.100", "2464c4abcf10c957010000005cf79f111f8130c3eee29480", 1559734385,
		  true, "2464c4abcf10c957010000005cf7a871d4a564a1442aca77" },
		{ "e5e973e5a6b2a43f48e7dc849e37bfcf", "e5e973e5a6b2a43f48e7dc849e37bfcf",
		  "203.0.113.203", "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5", 1559734700,
		  false /* too old by then */, "fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e" },
		{ "e5e973e5a6b2a43f48e7dc849e37bfcf", "e5e973e5a6b2a43f48e7dc849e37bfcf",
		  "203.0.113.203", "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5", 1559728033,
		  true /* whatever its reserved bits */, NULL },
		{ "dd3bdf9344b678b185a6f5cb60fca715", "445536bcd2513298075a5d379663c962",
		  "2001:db8:220:1:59de:d0f4:8769:82b8",
		  "22681ab97d52c298010000005cf7c57926556bd0934c72f8", 1559741961, true,
		  "22681ab97d52c298010000005cf7c609a6bb79d16625507a" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct dns_cookie_keys keys = { key_of(rows[i].key), key_of(rows[i].old_key) };
		struct dns_query q = query_with(rows[i].cookie);
		struct addr client;
		uint8_t want[DNS_COOKIE_LEN];

		print_message("row %zu\n", i);
		must(addr_parse(rows[i].client, &client) == 0);
		assert_int_equal(dns_cookie_answer(&keys, &client, rows[i].at, &q), rows[i].good);
		assert_int_equal(q.cookie_len, DNS_COOKIE_LEN);
		if (!rows[i].answer)
			continue;
		unhex(rows[i].answer, want);
		assert_memory_equal(q.cookie, want, sizeof(want));
	}
}

static void a_cookie_is_of_one_client_one_address_and_a_time_rfc9018_4(void **state)
{
	const struct hash_key secret = { { 1, 2 } };
	struct dns_cookie_keys keys = dns_cookie_keys_at(&secret, 1000000000);
	uint8_t client[8] = { 1, 2, 3 }, server[DNS_COOKIE_SERVER_LEN], spoilt[sizeof(server)];
	struct dns_cookie_from from = { .client = client };
	const uint32_t at = 1000000000;

	(void)state;
	must(addr_parse("2001:db8::1", &from.address) == 0);
	dns_cookie_make(&keys.now, &from, at, server);
	assert_true(dns_cookie_is_ours(&keys, &from, server, at));
	assert_true(dns_cookie_is_ours(&keys, &from, server, at + DNS_COOKIE_OLD_S));
	assert_false(dns_cookie_is_ours(&keys, &from, server, at + DNS_COOKIE_OLD_S + 1));
	assert_true(dns_cookie_is_ours(&keys, &from, server, at - DNS_COOKIE_AHEAD_S));
	assert_false(dns_cookie_is_ours(&keys, &from, server, at - DNS_COOKIE_AHEAD_S - 1));
	for (unsigned bit = 0; bit < 8 * sizeof(server); bit++) {
		memcpy(spoilt, server, sizeof(server));
		spoilt[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(dns_cookie_is_ours(&keys, &from, spoilt, at));
	}
	client[7] ^= 1;
	assert_false(dns_cookie_is_ours(&keys, &from, server, at));
	client[7] ^= 1;
	from.address.octet[15] ^= 1;
	assert_false(dns_cookie_is_ours(&keys, &from, server, at));
}

/* RFC 9018 5: what was made just before the change still counts for its hour. */
static void keys_change_daily_and_yesterdays_verifies_rfc9018_5(void **state)
{
	const struct hash_key secret = { { 1, 2 } };
	const uint64_t midnight = 20000ull * DNS_COOKIE_KEY_S;
	struct dns_cookie_keys before = dns_cookie_keys_at(&secret, midnight - 1);
	struct dns_cookie_keys after = dns_cookie_keys_at(&secret, midnight);
	struct dns_cookie_keys later = dns_cookie_keys_at(&secret, midnight + DNS_COOKIE_KEY_S);
	const uint8_t client[8] = { 0 };
	struct dns_cookie_from from = { .client = client };
	uint8_t server[DNS_COOKIE_SERVER_LEN];

	(void)state;
	assert_memory_not_equal(&before.now, &after.now, sizeof(before.now));
	dns_cookie_make(&before.now, &from, (uint32_t)(midnight - 1), server);
	assert_true(dns_cookie_is_ours(&after, &from, server, (uint32_t)midnight));
	assert_false(dns_cookie_is_ours(&later, &from, server, (uint32_t)midnight));
}

/* A query with an OPT that carries @option; @question: or none. Return: bytes. */
static size_t query_of(bool question, const uint8_t *option, size_t len, uint8_t *out)
{
	struct dns_query q = { .flags = DNS_RD };
	size_t at;

	must(dns_name_parse("a.example", &q.question.name) == 0);
	q.question.type = DNS_TYPE_A;
	q.question.class = DNS_CLASS_IN;
	at = dns_query_write(&q, 7, true, out);
	store16(out + at - 2, (uint16_t)len);
	memcpy(out + at, option, len);
	if (question)
		return at + len;
	store16(out + 4, 0);
	memmove(out + DNS_HEADER_LEN, out + at - DNS_OPT_LEN, DNS_OPT_LEN + len);
	return DNS_HEADER_LEN + DNS_OPT_LEN + len;
}

static void send_query(struct world *w, const uint8_t *wire, size_t len)
{
	ask_wire(w, wire, len, "::9");
}

/* Return: the length of the cookie in the last reply, -1: none. */
static int replied_cookie(const struct world *w, uint8_t *out)
{
	const uint8_t *opt = w->reply + w->reply_len - DNS_OPT_LEN - 4 - DNS_COOKIE_LEN;

	if (w->reply_len < DNS_HEADER_LEN + DNS_OPT_LEN + 4 + DNS_COOKIE_LEN ||
	    load16(opt + DNS_OPT_LEN) != DNS_OPTION_COOKIE)
		return -1;
	memcpy(out, opt + DNS_OPT_LEN + 4, load16(opt + DNS_OPT_LEN + 2));
	return load16(opt + DNS_OPT_LEN + 2);
}

static void clients_are_given_cookies_and_know_them_again_rfc7873_5_2(void **state)
{
	uint8_t option[4 + DNS_COOKIE_LEN] = { 0, DNS_OPTION_COOKIE, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8 };
	uint8_t wire[512], cookie[DNS_COOKIE_MAX];
	struct world *w = world_new(NULL);

	(void)state;
	resolver__wall(w->r, 1700000000);
	send_query(w, wire, query_of(true, option, 12, wire));
	answer(w, 0, &(struct text){ .answer = { "a.example. 300 IN A 8.8.8.8" } });
	assert_int_equal(w->n_replies, 1);
	assert_int_equal(replied_cookie(w, cookie), DNS_COOKIE_LEN);
	assert_memory_equal(cookie, option + 4, DNS_COOKIE_CLIENT_LEN);
	assert_int_equal(counter_read(&w->stats.cookies_new), 1);
	option[3] = DNS_COOKIE_LEN;
	memcpy(option + 4, cookie, DNS_COOKIE_LEN);
	send_query(w, wire, query_of(true, option, sizeof(option), wire));
	assert_int_equal(w->n_replies, 2);
	assert_int_equal(w->law.n_hits, 1); /* known: from wire to wire */
	assert_int_equal(counter_read(&w->stats.cookies_good), 1);
	option[sizeof(option) - 1] ^= 1; /* wrong: answered all the same, with a right one */
	send_query(w, wire, query_of(true, option, sizeof(option), wire));
	assert_int_equal(w->n_replies, 3);
	assert_int_equal(counter_read(&w->stats.cookies_new), 2);
	assert_int_equal(replied_cookie(w, cookie), DNS_COOKIE_LEN);
	world_free(w);
}

static void cookies_of_wrong_length_are_errors_rfc7873_5_2_2(void **state)
{
	static const struct {
		uint8_t len;
		bool good;
	} rows[] = { { 0, false }, { 7, false }, { 8, true }, { 9, false }, { 15, false },
		     { 16, true }, { 40, true }, { 41, false } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t option[64] = { 0, DNS_OPTION_COOKIE, 0, rows[i].len }, wire[512];
		size_t len = query_of(true, option, 4u + rows[i].len, wire);
		struct dns_query q;

		assert_int_equal(dns_query_read(wire, len, &q),
				 rows[i].good ? DNS_NOERROR : DNS_FORMERR);
		assert_int_equal(q.cookie_len, rows[i].good ? rows[i].len : 0);
	}
}

static void without_cookies(struct dns64_conf *c)
{
	c->cookies = false;
}

static void a_cookie_may_be_asked_for_alone_rfc7873_5_4(void **state)
{
	const uint8_t option[12] = { 0, DNS_OPTION_COOKIE, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8 };
	uint8_t wire[512], cookie[DNS_COOKIE_MAX];
	struct world *w = world_new(NULL);
	size_t len = query_of(false, option, sizeof(option), wire);

	(void)state;
	send_query(w, wire, len);
	assert_int_equal(w->n_replies, 1);
	assert_int_equal(w->n_sent, 0);
	assert_int_equal(load16(w->reply + 2) & DNS_RCODE, DNS_NOERROR);
	assert_int_equal(replied_cookie(w, cookie), DNS_COOKIE_LEN);
	send_query(w, wire, query_of(false, option, 0, wire));
	assert_int_equal(load16(w->reply + 2) & DNS_RCODE, DNS_FORMERR);
	assert_int_equal(w->reply_len, DNS_HEADER_LEN); /* nothing of it was understood */
	world_free(w);
	w = world_new(without_cookies);
	send_query(w, wire, query_of(false, option, sizeof(option), wire));
	assert_int_equal(load16(w->reply + 2) & DNS_RCODE, DNS_FORMERR);
	send_query(w, wire, query_of(true, option, sizeof(option), wire));
	answer(w, 0, &(struct text){ .flags = DNS_NXDOMAIN });
	assert_int_equal(w->n_replies, 2);
	assert_int_equal(replied_cookie(w, cookie), -1);
	world_free(w);
}

/* ---- the client's half, towards upstreams ---- */

static void one_upstream(struct dns64_conf *c)
{
	c->n_upstream = 1;
}

/* The cookie of sent[@i]. Return: its length, -1: none. */
static int sent_cookie(const struct world *w, unsigned i, const uint8_t **cookie)
{
	struct dns_rr opt;
	size_t at;
	int len;

	if (!dns_opt_find(w->sent[i].wire, w->sent[i].len, &opt))
		return -1;
	len = dns_option_find(w->sent[i].wire, &opt, DNS_OPTION_COOKIE, &at);
	*cookie = w->sent[i].wire + at;
	return len;
}

/**
 * struct said - an upstream's answer to sent[@i]
 * @rcode:  12 bits
 * @server: length of its cookie, all octets @octet; 0: no COOKIE option
 * @spoil:  the client cookie is not ours
 */
struct said {
	unsigned rcode, server;
	uint8_t octet;
	bool spoil, truncated;
};

static void say(struct world *w, unsigned i, const struct said *s)
{
	struct text t = { .answer = { "a.example. 300 IN A 8.8.8.8" }, .flags = DNS_QR, .opt = true };
	static uint8_t wire[DNS_MESSAGE_MAX];
	char question[300];
	const uint8_t *ours;
	size_t len;

	snprintf(question, sizeof(question), "%s", sent_question(w, i));
	*strrchr(question, ' ') = 0;
	strcat(question, " IN A");
	t.question = question;
	if (s->rcode || strcmp(question, "a.example. IN A") != 0)
		t.answer[0] = NULL;
	t.flags |= (uint16_t)((s->rcode ? s->rcode & 15 : t.answer[0] ? 0 : DNS_NXDOMAIN) |
			      (s->truncated ? DNS_TC : 0));
	len = wire_of(&t, load16(w->sent[i].wire), wire);
	wire[len - 6] = (uint8_t)(s->rcode >> 4);
	if (s->server) {
		must(sent_cookie(w, i, &ours) >= DNS_COOKIE_CLIENT_LEN);
		store16(wire + len - 2, (uint16_t)(4 + DNS_COOKIE_CLIENT_LEN + s->server));
		store16(wire + len, DNS_OPTION_COOKIE);
		store16(wire + len + 2, (uint16_t)(DNS_COOKIE_CLIENT_LEN + s->server));
		memcpy(wire + len + 4, ours, DNS_COOKIE_CLIENT_LEN);
		wire[len + 4] ^= s->spoil;
		memset(wire + len + 12, s->octet, s->server);
		len += 12 + s->server;
	}
	answer_wire(w, i, wire, len);
}

static void upstreams_are_shown_their_cookie_again_rfc7873_5_3(void **state)
{
	struct world *w = world_new(one_upstream);
	const uint8_t *first = NULL, *second = NULL, want[16] = { [0 ... 15] = 0x55 };

	(void)state;
	ask_plain(w, "a.example. IN A");
	assert_int_equal(sent_cookie(w, 0, &first), DNS_COOKIE_CLIENT_LEN);
	say(w, 0, &(struct said){ .server = 16, .octet = 0x55 });
	assert_int_equal(w->n_replies, 1);
	ask_plain(w, "b.example. IN A");
	assert_int_equal(sent_cookie(w, 1, &second), DNS_COOKIE_LEN);
	assert_memory_equal(second, first, DNS_COOKIE_CLIENT_LEN);
	assert_memory_equal(second + COOKIE_AT, want, sizeof(want));
	world_free(w);
}

static void each_upstream_has_a_client_cookie_of_its_own_rfc9018_3(void **state)
{
	struct world *w = world_new(NULL);
	const uint8_t *first = NULL, *second = NULL;

	(void)state;
	ask_plain(w, "a.example. IN A");
	wait_ms(w, RTO_FIRST_MS);
	assert_int_equal(sent_cookie(w, 0, &first), DNS_COOKIE_CLIENT_LEN);
	assert_int_equal(sent_cookie(w, 1, &second), DNS_COOKIE_CLIENT_LEN);
	assert_memory_not_equal(first, second, DNS_COOKIE_CLIENT_LEN);
	world_free(w);
}

static void an_answer_with_another_cookie_is_forged_rfc7873_5_3(void **state)
{
	static const struct said wrong[] = {
		{ .server = 16, .spoil = true }, { .server = 7 }, { .server = 33 },
	};
	struct world *w = world_new(one_upstream);

	(void)state;
	ask_plain(w, "a.example. IN A");
	for (unsigned i = 0; i < ARRAY_LEN(wrong); i++) {
		say(w, 0, &wrong[i]);
		assert_int_equal(w->n_replies, 0);
		assert_int_equal(counter_read(&w->stats.spoofed), i + 1);
	}
	say(w, 0, &(struct said){ .server = 8 });
	assert_int_equal(w->n_replies, 1);
	world_free(w);
}

static void badcookie_is_asked_again_with_the_new_one_then_over_tcp_rfc7873_5_3(void **state)
{
	struct world *w = world_new(one_upstream);
	const uint8_t *cookie = NULL;

	(void)state;
	ask_plain(w, "a.example. IN A");
	say(w, 0, &(struct said){ .rcode = DNS_BADCOOKIE, .server = 16, .octet = 1 });
	assert_int_equal(w->n_sent, 2);
	assert_false(w->sent[1].tcp);
	assert_int_equal(sent_cookie(w, 1, &cookie), DNS_COOKIE_LEN);
	assert_int_equal(cookie[COOKIE_AT], 1);
	say(w, 1, &(struct said){ .rcode = DNS_BADCOOKIE, .server = 16, .octet = 2 });
	assert_int_equal(w->n_sent, 3);
	assert_true(w->sent[2].tcp);
	say(w, 2, &(struct said){ .server = 16, .octet = 3 });
	assert_int_equal(w->n_replies, 1);
	assert_int_equal(load16(w->reply + 2) & DNS_RCODE, DNS_NOERROR);
	assert_int_equal(counter_read(&w->stats.badcookie), 2);
	world_free(w);
}

static void who_had_a_cookie_and_has_none_is_asked_over_tcp(void **state)
{
	struct world *w = world_new(one_upstream);
	const uint8_t *cookie = NULL;

	(void)state;
	ask_plain(w, "a.example. IN A");
	say(w, 0, &(struct said){ .server = 8 });
	ask_plain(w, "b.example. IN A");
	say(w, 1, &(struct said){ 0 }); /* forged, or another machine at the same address? */
	assert_int_equal(w->n_replies, 1);
	assert_true(w->sent[2].tcp);
	say(w, 2, &(struct said){ 0 });
	assert_int_equal(w->n_replies, 2);
	ask_plain(w, "c.example. IN A"); /* the latter: it is believed again */
	assert_int_equal(sent_cookie(w, 3, &cookie), DNS_COOKIE_CLIENT_LEN);
	say(w, 3, &(struct said){ 0 });
	assert_int_equal(w->n_replies, 3);
	world_free(w);
}

static void who_does_not_bear_cookies_is_asked_without_for_a_while(void **state)
{
	struct world *w = world_new(one_upstream);
	const uint8_t *cookie = NULL;

	(void)state;
	ask_plain(w, "a.example. IN A");
	say(w, 0, &(struct said){ .rcode = DNS_FORMERR }); /* with an OPT: it is the option */
	assert_int_equal(w->n_sent, 2);
	assert_int_equal(sent_cookie(w, 1, &cookie), -1);
	assert_int_equal(load16(w->sent[1].wire + 10), 1);
	say(w, 1, &(struct said){ 0 });
	assert_int_equal(w->n_replies, 1);
	ask_plain(w, "b.example. IN A");
	assert_int_equal(sent_cookie(w, 2, &cookie), -1);
	say(w, 2, &(struct said){ 0 });
	wait_ms(w, WITHOUT_TIME_MS);
	ask_plain(w, "c.example. IN A");
	assert_int_equal(sent_cookie(w, 3, &cookie), DNS_COOKIE_CLIENT_LEN);
	world_free(w);
}

static void cookies_may_be_switched_off(void **state)
{
	struct world *w = world_new(without_cookies);
	const uint8_t *cookie = NULL;

	(void)state;
	ask_plain(w, "a.example. IN A");
	assert_int_equal(sent_cookie(w, 0, &cookie), -1);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_vectors_of_rfc9018_a),
		cmocka_unit_test(a_cookie_is_of_one_client_one_address_and_a_time_rfc9018_4),
		cmocka_unit_test(keys_change_daily_and_yesterdays_verifies_rfc9018_5),
		cmocka_unit_test(clients_are_given_cookies_and_know_them_again_rfc7873_5_2),
		cmocka_unit_test(cookies_of_wrong_length_are_errors_rfc7873_5_2_2),
		cmocka_unit_test(a_cookie_may_be_asked_for_alone_rfc7873_5_4),
		cmocka_unit_test(upstreams_are_shown_their_cookie_again_rfc7873_5_3),
		cmocka_unit_test(each_upstream_has_a_client_cookie_of_its_own_rfc9018_3),
		cmocka_unit_test(an_answer_with_another_cookie_is_forged_rfc7873_5_3),
		cmocka_unit_test(badcookie_is_asked_again_with_the_new_one_then_over_tcp_rfc7873_5_3),
		cmocka_unit_test(who_had_a_cookie_and_has_none_is_asked_over_tcp),
		cmocka_unit_test(who_does_not_bear_cookies_is_asked_without_for_a_while),
		cmocka_unit_test(cookies_may_be_switched_off),
	};

	return cmocka_run_group_tests_name("dns64/cookie", tests, NULL, NULL);
}
