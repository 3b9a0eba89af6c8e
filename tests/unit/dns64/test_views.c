/* test_views.c - answers that differ by who asks, by domain, and by IPv4 range. */
#include <arpa/inet.h>
#include "fixture.h"
#include "sixgate/base/must.h"
#include "test.h"

static const struct text nodata = {
	.authority = { "example. 120 IN SOA ns.example. m.example. 1 3600 600 86400 120" }
};
static const struct text public_a = { .answer = { "a.example. 300 IN A 8.8.8.8" } };
static const struct text real_aaaa = { .answer = { "a.example. 300 IN AAAA 2001:db8::1" } };
static const struct text aaaa = { .question = "a.example. IN AAAA", .flags = DNS_RD };
#define OURS "NOERROR rd ra\na.example. 120 IN AAAA 64:ff9b::808:808\n"
#define DENIED                                                                                     \
	"NOERROR rd ra\n-- authority\nexample. 120 IN SOA ns.example. m.example. 1 3600 600 86400 120\n"

static struct prefix prefix(const char *text)
{
	struct prefix p;

	must(prefix_parse(text, &p) == 0);
	return p;
}

/* Clients of 2001:db8:1::/48 have a prefix of their own, those of 2001:db8:2::/48 and 192.0.2.0/24
 * none at all. */
static void with_views(struct dns64_conf *c)
{
	static struct prefix own, clients[3];
	static struct dns64_view_conf view[2];

	own = prefix("2001:db8:64::/96");
	clients[0] = prefix("2001:db8:1::/48");
	clients[1] = prefix("2001:db8:2::/48");
	clients[2] = prefix("192.0.2.0/24");
	view[0] = (struct dns64_view_conf){ .clients = clients, .n_clients = 1, .prefix = &own,
					    .n_prefix = 1, .synthesize = true };
	view[1] = (struct dns64_view_conf){ .clients = clients + 1, .n_clients = 2 };
	c->view = view;
	c->n_view = 2;
}

static void each_client_sees_its_own_prefix_from_one_cache(void **state)
{
	struct world *w = world_new(with_views);

	(void)state;
	ask_from(w, &aaaa, "2001:db8:1::5", 0);
	answer(w, 0, &nodata);
	answer(w, 1, &public_a);
	assert_string_equal(told(w, 1), "NOERROR rd ra\n"
					"a.example. 120 IN AAAA 2001:db8:64::808:808\n");
	ask_from(w, &aaaa, "2001:db8:9::5", 0);
	assert_string_equal(told(w, 2), OURS);
	ask_from(w, &aaaa, "2001:db8:2::5", 0);
	assert_string_equal(told(w, 3), DENIED);
	ask_from(w, &aaaa, "::ffff:192.0.2.7", 0);
	assert_string_equal(told(w, 4), DENIED);
	assert_int_equal(w->n_sent, 2);
	world_free(w);
}

/* Who asks 2001:db8::53 gets a prefix of its own; who asks 192.0.2.54 and is of 2001:db8:2::/48,
 * none. */
static void with_listeners(struct dns64_conf *c)
{
	static struct prefix own, clients;
	static struct dns64_view_conf view[2];
	static struct addr at[2];

	own = prefix("2001:db8:64::/96");
	clients = prefix("2001:db8:2::/48");
	must(addr_parse("2001:db8::53", &at[0]) == 0 && addr_parse("192.0.2.54", &at[1]) == 0);
	view[0] = (struct dns64_view_conf){
		.listen = at, .n_listen = 1, .prefix = &own, .n_prefix = 1, .synthesize = true
	};
	view[1] = (struct dns64_view_conf){
		.clients = &clients, .n_clients = 1, .listen = at + 1, .n_listen = 1
	};
	c->view = view;
	c->n_view = 2;
}

static void each_address_that_is_asked_has_a_view_of_its_own(void **state)
{
	static const struct {
		const char *asked, *client, *want;
	} rows[] = {
		{ "2001:db8::53", "2001:db8:2::5",
		  "NOERROR rd ra\na.example. 120 IN AAAA 2001:db8:64::808:808\n" },
		{ "2001:db8::54", "2001:db8:2::5", OURS },
		{ "::ffff:192.0.2.54", "2001:db8:2::5", DENIED },
		{ "::ffff:192.0.2.54", "2001:db8:9::5", OURS },
		{ "::ffff:192.0.2.53", "2001:db8:2::5", OURS },
		{ "::", "2001:db8:2::5", OURS }, /* nobody's: sixgatectl dns lookup */
	};
	struct world *w = world_new(with_listeners);

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		must(inet_pton(AF_INET6, rows[i].asked, &w->asked) == 1);
		ask_from(w, &aaaa, rows[i].client, 0);
		if (i == 0) {
			answer(w, 0, &nodata);
			answer(w, 1, &public_a);
		}
		assert_string_equal(told(w, i + 1), rows[i].want);
	}
	assert_int_equal(w->n_sent, 2);
	world_free(w);
}

static void discovery_and_reverse_names_follow_the_view_rfc7050_3(void **state)
{
	struct text q = { .question = "ipv4only.arpa. IN AAAA", .flags = DNS_RD };
	struct text ptr = { .question = "8.0.8.0.8.0.8.0.0.0.0.0.0.0.0.0.0.0.0.0.4.6.0.0.8.b.d.0.1.0."
					"0.2.ip6.arpa. IN PTR",
			    .flags = DNS_RD };
	struct world *w = world_new(with_views);

	(void)state;
	ask_from(w, &q, "2001:db8:1::5", 0);
	assert_string_equal(told(w, 1), "NOERROR aa rd ra\n"
					"ipv4only.arpa. 600 IN AAAA 2001:db8:64::c000:aa\n"
					"ipv4only.arpa. 600 IN AAAA 2001:db8:64::c000:ab\n");
	ask_from(w, &q, "2001:db8:2::5", 0);
	assert_memory_equal(told(w, 2), "NOERROR aa rd ra\n-- authority", 29);
	ask_from(w, &ptr, "2001:db8:9::5", 0); /* nothing special to others */
	assert_memory_equal(sent_question(w, 0), "8.0.8.0.", 8);
	ask_from(w, &ptr, "2001:db8:1::5", 0);
	assert_string_equal(sent_question(w, 1), "8.8.8.8.in-addr.arpa. PTR");
	world_free(w);
}

static void always_for(struct dns64_conf *c)
{
	static char domain[] = "example.", *always[] = { domain };

	c->always = always;
	c->n_always = 1;
}

static void an_aaaa_of_an_always_domain_is_as_if_it_were_not(void **state)
{
	struct text other = { .question = "b.test. IN AAAA", .flags = DNS_RD };
	struct world *w = world_new(always_for);

	(void)state;
	ask(w, &aaaa);
	answer(w, 0, &real_aaaa);
	answer(w, 1, &public_a);
	assert_string_equal(told(w, 1), "NOERROR rd ra\na.example. 300 IN AAAA 64:ff9b::808:808\n");
	ask(w, &other);
	answer(w, 2, &(struct text){ .answer = { "b.test. 300 IN AAAA 2001:db8::2" } });
	assert_string_equal(told(w, 2), "NOERROR rd ra\nb.test. 300 IN AAAA 2001:db8::2\n");
	world_free(w);
}

static void nobody_here(struct dns64_conf *c)
{
	static struct prefix clients;
	static struct dns64_view_conf view;

	always_for(c);
	clients = prefix("2001:db8:2::/48");
	view = (struct dns64_view_conf){ .clients = &clients, .n_clients = 1 };
	c->view = &view;
	c->n_view = 1;
}

static void who_gets_nothing_made_keeps_what_is_real(void **state)
{
	struct world *w = world_new(nobody_here);

	(void)state;
	ask_from(w, &aaaa, "2001:db8:2::5", 0);
	answer(w, 0, &real_aaaa);
	assert_string_equal(told(w, 1), "NOERROR rd ra\na.example. 300 IN AAAA 2001:db8::1\n");
	world_free(w);
}

static void nothing_always(struct dns64_conf *c)
{
	static struct prefix clients;
	static struct dns64_view_conf view;

	always_for(c);
	clients = prefix("2001:db8:2::/48");
	view = (struct dns64_view_conf){ .clients = &clients, .n_clients = 1, .synthesize = true,
					 .has_always = true };
	c->view = &view;
	c->n_view = 1;
}

/* `always: []` in a view: the section has some, these clients have none. */
static void an_empty_list_of_a_view_is_not_the_sections(void **state)
{
	struct world *w = world_new(nothing_always);

	(void)state;
	ask_from(w, &aaaa, "2001:db8:2::5", 0);
	answer(w, 0, &real_aaaa);
	assert_string_equal(told(w, 1), "NOERROR rd ra\na.example. 300 IN AAAA 2001:db8::1\n");
	world_free(w);
}

/* Without A there is nothing to make; the AAAA stays out of sight. */
static void an_always_domain_without_a_has_no_address(void **state)
{
	struct world *w = world_new(always_for);

	(void)state;
	ask(w, &aaaa);
	answer(w, 0, &real_aaaa);
	answer(w, 1, &nodata);
	assert_string_equal(told(w, 1), "NOERROR rd ra\n-- authority\n"
					   "example. 120 IN SOA ns.example. m.example. 1 3600 600 "
					   "86400 120\n");
	world_free(w);
}

/* 10/8 is under another prefix, but for 10.9/16, which nobody may see. */
static void with_ranges(struct dns64_conf *c)
{
	static struct dns64_mapped_conf mapped[2];

	mapped[0] = (struct dns64_mapped_conf){ .v4 = prefix("10.0.0.0/8"),
						.v6 = prefix("2001:db8:a::/96") };
	mapped[1] = (struct dns64_mapped_conf){ .v4 = prefix("10.9.0.0/16") };
	c->mapped = mapped;
	c->n_mapped = 2;
}

static void the_longest_range_says_which_prefix_or_none(void **state)
{
	static const struct text all = { .answer = { "a.example. 300 IN A 10.1.1.1",
						     "a.example. 300 IN A 10.9.1.1",
						     "a.example. 300 IN A 192.168.1.1",
						     "a.example. 300 IN A 8.8.8.8" } };
	static const struct text hidden = { .answer = { "a.example. 300 IN A 10.9.1.1" } };
	struct world *w = world_new(with_ranges);

	(void)state;
	ask(w, &aaaa);
	answer(w, 0, &nodata);
	answer(w, 1, &all);
	assert_string_equal(told(w, 1), "NOERROR rd ra\n"
					"a.example. 120 IN AAAA 2001:db8:a::a01:101\n"
					"a.example. 120 IN AAAA 64:ff9b::808:808\n");
	world_free(w);
	w = world_new(with_ranges);
	ask(w, &aaaa);
	answer(w, 0, &nodata);
	answer(w, 1, &hidden);
	assert_string_equal(told(w, 1), DENIED);
	world_free(w);
}

static void reverse_names_under_a_range_are_its_own_addresses_only(void **state)
{
#define UNDER(v4) v4 ".0.0.0.0.0.0.0.0.0.0.0.0.a.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. IN PTR"
	struct world *w = world_new(with_ranges);

	(void)state;
	ask_plain(w, UNDER("1.0.1.0.1.0.a.0")); /* 10.1.1.1 */
	assert_string_equal(sent_question(w, 0), "1.1.1.10.in-addr.arpa. PTR");
	ask_plain(w, UNDER("8.0.8.0.8.0.8.0")); /* 8.8.8.8 is not written there */
	assert_memory_equal(sent_question(w, 1), "8.0.8.0.", 8);
	world_free(w);
#undef UNDER
}

/* The section's prefix is withheld, for no translator works; a view has domains of its own. */
static void withheld_beside_always(struct dns64_conf *c)
{
	static char domain[] = "example.", *always = domain;
	static struct dns64_view_conf view;
	static struct prefix clients;

	clients = prefix("2001:db8:2::/48");
	view = (struct dns64_view_conf){ .clients = &clients, .n_clients = 1, .synthesize = true,
					 .always = &always, .n_always = 1, .has_always = true };
	c->n_prefix = 0;
	c->withheld = true;
	c->always = &always;
	c->n_always = 1;
	c->view = &view;
	c->n_view = 1;
}

/* The section's domains hold for a view that has no prefix. */
static void always_without_a_prefix(struct dns64_conf *c)
{
	static char domain[] = "example.", *always = domain;
	static struct dns64_view_conf view;
	static struct prefix clients;

	clients = prefix("2001:db8:2::/48");
	view = (struct dns64_view_conf){ .clients = &clients, .n_clients = 1, .synthesize = true,
					 .has_prefix = true };
	c->always = &always;
	c->n_always = 1;
	c->view = &view;
	c->n_view = 1;
}

static void assert_what_is_real(struct world *w, const char *client)
{
	unsigned n = w->n_replies;

	ask_from(w, &aaaa, client, 0);
	if (w->n_sent)
		answer(w, 0, &real_aaaa);
	if (w->n_sent > 1)
		answer(w, 1, &public_a);
	assert_string_equal(told(w, n + 1), "NOERROR rd ra\na.example. 300 IN AAAA 2001:db8::1\n");
}

static void nothing_real_is_hidden_where_nothing_is_made(void **state)
{
	struct world *w = world_new(withheld_beside_always);

	(void)state;
	assert_what_is_real(w, "2001:db8:2::5");
	world_free(w);
	w = world_new(withheld_beside_always);
	assert_what_is_real(w, "2001:db8:9::5");
	world_free(w);
	w = world_new(always_without_a_prefix);
	assert_what_is_real(w, "2001:db8:2::5");
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_client_sees_its_own_prefix_from_one_cache),
		cmocka_unit_test(each_address_that_is_asked_has_a_view_of_its_own),
		cmocka_unit_test(discovery_and_reverse_names_follow_the_view_rfc7050_3),
		cmocka_unit_test(an_aaaa_of_an_always_domain_is_as_if_it_were_not),
		cmocka_unit_test(an_empty_list_of_a_view_is_not_the_sections),
		cmocka_unit_test(an_always_domain_without_a_has_no_address),
		cmocka_unit_test(who_gets_nothing_made_keeps_what_is_real),
		cmocka_unit_test(nothing_real_is_hidden_where_nothing_is_made),
		cmocka_unit_test(the_longest_range_says_which_prefix_or_none),
		cmocka_unit_test(reverse_names_under_a_range_are_its_own_addresses_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
