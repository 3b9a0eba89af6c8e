/* test_zones.c - names of `dns64: zones:`: what they are answered with, and which addresses of a
 * service an answer holds. */
#include "fixture.h"
#include "sixgate/dns64/zone.h"

static struct addr addr(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

/* --- the choice ------------------------------------------------------------------------------ */

enum { TRIES = 400, NODES_MAX = 24 };

struct fleet {
	struct dns64_service service;
	struct dns64_node node[NODES_MAX];
};

static void add_node(struct fleet *f, const char *address, enum dns64_node_state state, bool near)
{
	f->node[f->service.n_node++] = (struct dns64_node){ .address = addr(address),
							    .state = (uint8_t)state,
							    .share_percent = 100,
							    .near = near };
	f->service.node = f->node;
}

static struct fleet *fleet(void)
{
	static struct fleet f;

	f = (struct fleet){ .service = { .name = "s3", .n_address = 2, .spill_percent = 80 } };
	f.service.address[0] = addr("198.51.100.20");
	f.service.address[1] = addr("2001:db8::20");
	return &f;
}

/* How often each node is first, and whether it is told at all, over many answers. */
struct seen {
	unsigned first[NODES_MAX], any[NODES_MAX], own;
	size_t most, least;
};

static struct seen look(struct fleet *f, enum dns64_family family)
{
	struct seen s = { .least = SIZE_MAX };

	for (uint64_t seed = 1; seed <= TRIES; seed++) {
		struct addr out[DNS64_CHOSEN_MAX];
		size_t n = dns64_choose(&f->service, DNS64_ANSWER_NODES, family, seed, out);

		s.most = n > s.most ? n : s.most;
		s.least = n < s.least ? n : s.least;
		for (size_t i = 0; i < n; i++) {
			for (size_t j = 0; j < f->service.n_node; j++)
				if (addr_equal(&out[i], &f->node[j].address)) {
					s.any[j]++;
					s.first[j] += i == 0;
				}
			for (size_t j = 0; j < f->service.n_address; j++)
				s.own += addr_equal(&out[i], &f->service.address[j]);
		}
	}
	return s;
}

static void nodes_that_are_up_are_told_in_random_order(void **state)
{
	struct fleet *f = fleet();
	struct seen s;

	(void)state;
	add_node(f, "2001:db8:5::1", DNS64_NODE_UP, false);
	add_node(f, "2001:db8:5::2", DNS64_NODE_UP, false);
	add_node(f, "2001:db8:5::3", DNS64_NODE_DOWN, false);
	add_node(f, "2001:db8:5::4", DNS64_NODE_LEAVING, false);
	add_node(f, "192.0.2.31", DNS64_NODE_UP, false);
	s = look(f, DNS64_V6);
	assert_int_equal(s.least, 2);
	assert_int_equal(s.most, 2);
	assert_in_range(s.first[0], TRIES / 3, TRIES * 2 / 3);
	assert_int_equal(s.first[0] + s.first[1], TRIES);
	assert_int_equal(s.any[2] + s.any[3] + s.any[4] + s.own, 0);
	s = look(f, DNS64_V4);
	assert_int_equal(s.any[4], TRIES);
	assert_int_equal(s.most, 1);
}

static void an_answer_holds_eight_of_many_and_all_get_their_turn(void **state)
{
	struct fleet *f = fleet();
	struct seen s;
	char text[32];

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		snprintf(text, sizeof(text), "2001:db8:5::%x", i + 1);
		add_node(f, text, DNS64_NODE_UP, false);
	}
	s = look(f, DNS64_V6);
	assert_int_equal(s.least, DNS64_CHOSEN_MAX);
	assert_int_equal(s.most, DNS64_CHOSEN_MAX);
	for (unsigned i = 0; i < 20; i++)
		assert_in_range(s.any[i], TRIES * 8 / 20 * 6 / 10, TRIES * 8 / 20 * 14 / 10);
}

static void near_nodes_come_alone_while_enough_of_them_are_up(void **state)
{
	struct fleet *f = fleet();
	struct seen s;

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		char text[32];

		snprintf(text, sizeof(text), "2001:db8:5::%x", i + 1);
		add_node(f, text, DNS64_NODE_UP, true);
	}
	add_node(f, "2001:db8:6::1", DNS64_NODE_UP, false);
	s = look(f, DNS64_V6);
	assert_int_equal(s.any[5], 0);
	f->node[0].state = DNS64_NODE_DOWN; /* 80 % */
	assert_int_equal(look(f, DNS64_V6).any[5], 0);
	f->node[1].state = DNS64_NODE_DOWN; /* 60 %: the others, too, but behind them */
	s = look(f, DNS64_V6);
	assert_int_equal(s.any[5], TRIES);
	assert_int_equal(s.first[5], 0);
	assert_int_equal(s.any[0] + s.any[1], 0);
	for (unsigned i = 2; i < 5; i++)
		f->node[i].state = DNS64_NODE_DOWN;
	s = look(f, DNS64_V6);
	assert_int_equal(s.first[5], TRIES);
	assert_int_equal(s.most, 1);
}

/* Each row takes something away; while anything is left, it is told. */
static void an_answer_is_never_empty_while_anything_is_alive(void **state)
{
	struct fleet *f = fleet();
	struct seen s;

	(void)state;
	add_node(f, "2001:db8:5::1", DNS64_NODE_DOWN, false);
	add_node(f, "2001:db8:5::2", DNS64_NODE_LEAVING, false);
	add_node(f, "192.0.2.31", DNS64_NODE_UP, false);
	s = look(f, DNS64_V6); /* the service translates to the node that is up */
	assert_int_equal(s.own, TRIES);
	assert_int_equal(s.most, 1);
	f->node[2].state = DNS64_NODE_DOWN;
	s = look(f, DNS64_V6); /* who leaves still works */
	assert_int_equal(s.any[1], TRIES);
	assert_int_equal(s.any[0] + s.own, 0);
	f->node[1].state = DNS64_NODE_DOWN;
	assert_int_equal(look(f, DNS64_V6).own, TRIES);
	f->service.n_address = 0;
	s = look(f, DNS64_V6); /* the checks may be wrong */
	assert_int_equal(s.any[0], TRIES);
	assert_int_equal(s.any[1], TRIES);
}

static void a_node_that_starts_slowly_is_in_its_share_of_the_answers(void **state)
{
	struct fleet *f = fleet();
	struct seen s;

	(void)state;
	add_node(f, "2001:db8:5::1", DNS64_NODE_UP, false);
	add_node(f, "2001:db8:5::2", DNS64_NODE_UP, false);
	f->node[1].share_percent = 25;
	s = look(f, DNS64_V6);
	assert_int_equal(s.any[0], TRIES);
	assert_in_range(s.any[1], TRIES * 15 / 100, TRIES * 35 / 100);
	f->node[0].state = DNS64_NODE_DOWN;
	assert_int_equal(look(f, DNS64_V6).any[1], TRIES);
}

static void nodes_of_one_host_are_one_address(void **state)
{
	struct fleet *f = fleet();

	(void)state;
	add_node(f, "2001:db8:5::1", DNS64_NODE_UP, false);
	add_node(f, "2001:db8:5::1", DNS64_NODE_UP, false);
	assert_int_equal(look(f, DNS64_V6).most, 1);
}

static void the_services_own_addresses_do_not_depend_on_nodes(void **state)
{
	struct fleet *f = fleet();
	struct addr out[DNS64_CHOSEN_MAX];

	(void)state;
	add_node(f, "2001:db8:5::1", DNS64_NODE_DOWN, false);
	assert_int_equal(dns64_choose(&f->service, DNS64_ANSWER_ADDRESSES, DNS64_V4, 1, out), 1);
	assert_true(addr_equal(&out[0], &f->service.address[0]));
	assert_int_equal(dns64_choose(&f->service, DNS64_ANSWER_ADDRESSES, DNS64_V6, 1, out), 1);
	assert_true(addr_equal(&out[0], &f->service.address[1]));
}

/* --- answers --------------------------------------------------------------------------------- */

static void with_zones(struct dns64_conf *c)
{
	static struct addr v4, v6, private;
	static struct dns64_text_conf text[] = { { "one: two" }, { "" } };
	static char name[][24] = { "both.lan.", "v4.lan.",    "private.lan.",
				   "here.lan.", "there.lan.", "8.8.8.8.in-addr.arpa.",
				   "s3.lan.",   "nodes.lan.", "lost.lan.",
				   "never.lan." };
	static char elsewhere[] = "a.example.", never_name[] = "never.lan.";
	static struct dns64_zone_conf zone[] = {
		{ /* both.lan. */ .n_a = 1, .n_aaaa = 1, .a = &v4, .aaaa = &v6 },
		{ /* v4.lan. */ .n_a = 1, .a = &v4, .txt = text, .n_txt = 2, .ttl_s = 60 },
		{ /* private.lan. */ .n_a = 1, .a = &private },
		{ /* here.lan. */ .cname = name[1] },
		{ /* there.lan. */ .cname = elsewhere, .ttl_s = 9 },
		{ /* 8.8.8.8.in-addr.arpa. */ .ptr = name[1] },
		{ /* s3.lan. */ .service = "s3" },
		{ /* nodes.lan. */ .service = "s3", .answer = DNS64_ANSWER_NODES },
		{ /* lost.lan. */ .service = "lost" },
		{ /* never.lan. */ .n_a = 1, .a = &v4 },
	};
	static char *never[] = { never_name };

	v4 = addr("8.8.8.8");
	v6 = addr("2001:db8::8");
	private = addr("10.0.0.1");
	for (size_t i = 0; i < sizeof(zone) / sizeof(zone[0]); i++)
		zone[i].name = name[i];
	c->zone = zone;
	c->n_zone = sizeof(zone) / sizeof(zone[0]);
	c->never = never;
	c->n_never = 1;
}

static struct world *world_with_fleet(void)
{
	struct world *w = world_new(with_zones);
	struct fleet *f = fleet();

	add_node(f, "192.0.2.31", DNS64_NODE_UP, false);
	add_node(f, "2001:db8:5::1", DNS64_NODE_DOWN, false);
	f->service.address[0] = addr("9.9.9.9");
	f->service.n_address = 1;
	assert_int_equal(resolver__set_services(w->r, &f->service, 1), 0);
	return w;
}

#define SOA(name, ttl)                                                                             \
	"-- authority\n" name " " ttl " IN SOA " name " nobody.invalid. 1 3600 1200 604800 " ttl   \
	"\n"

static void local_names_are_answered_here_and_synthesised_from(void **state)
{
	static const struct {
		const char *question;
		uint16_t flags;
		const char *want;
	} rows[] = {
		{ "both.lan. IN AAAA", DNS_RD,
		  "NOERROR aa rd ra\nboth.lan. 300 IN AAAA 2001:db8::8\n" },
		{ "both.lan. IN A", DNS_RD, "NOERROR aa rd ra\nboth.lan. 300 IN A 8.8.8.8\n" },
		{ "BOTH.lan. IN A", 0, "NOERROR aa ra\nBOTH.lan. 300 IN A 8.8.8.8\n" },
		{ "v4.lan. IN AAAA", DNS_RD,
		  "NOERROR aa rd ra\nv4.lan. 60 IN AAAA 64:ff9b::808:808\n" },
		{ "v4.lan. IN AAAA", DNS_RD | DNS_CD,
		  "NOERROR aa rd ra cd\n" SOA("v4.lan.", "60") },
		{ "v4.lan. IN TXT", DNS_RD,
		  "NOERROR aa rd ra\nv4.lan. 60 IN TXT \"one: two\"\nv4.lan. 60 IN TXT \"\"\n" },
		{ "v4.lan. IN MX", DNS_RD, "NOERROR aa rd ra\n" SOA("v4.lan.", "60") },
		{ "private.lan. IN AAAA", DNS_RD, "NOERROR aa rd ra\n" SOA("private.lan.", "300") },
		{ "never.lan. IN AAAA", DNS_RD, "NOERROR aa rd ra\n" SOA("never.lan.", "300") },
		{ "here.lan. IN CNAME", DNS_RD,
		  "NOERROR aa rd ra\nhere.lan. 300 IN CNAME v4.lan.\n" },
		{ "here.lan. IN AAAA", DNS_RD,
		  "NOERROR aa rd ra\nhere.lan. 300 IN CNAME v4.lan.\n"
		  "v4.lan. 60 IN AAAA 64:ff9b::808:808\n" },
		{ "here.lan. IN MX", DNS_RD,
		  "NOERROR aa rd ra\nhere.lan. 300 IN CNAME v4.lan.\n" SOA("v4.lan.", "60") },
		{ "8.8.8.8.in-addr.arpa. IN PTR", DNS_RD,
		  "NOERROR aa rd ra\n8.8.8.8.in-addr.arpa. 300 IN PTR v4.lan.\n" },
		{ "s3.lan. IN A", DNS_RD, "NOERROR aa rd ra\ns3.lan. 5 IN A 9.9.9.9\n" },
		{ "s3.lan. IN AAAA", DNS_RD,
		  "NOERROR aa rd ra\ns3.lan. 5 IN AAAA 64:ff9b::909:909\n" },
		{ "s3.lan. IN HTTPS", DNS_RD, "NOERROR aa rd ra\n" SOA("s3.lan.", "5") },
		{ "nodes.lan. IN A", DNS_RD, "NOERROR aa rd ra\nnodes.lan. 5 IN A 192.0.2.31\n" },
		{ "lost.lan. IN A", DNS_RD, "SERVFAIL aa rd ra\n" },
	};
	struct world *w = world_with_fleet();

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct text q = { .question = rows[i].question, .flags = rows[i].flags };

		ask(w, &q);
		assert_string_equal(told(w, i + 1), rows[i].want);
	}
	assert_int_equal(w->n_sent, 0);
	world_free(w);
}

static void an_alias_to_a_name_elsewhere_is_followed_and_synthesised(void **state)
{
	struct world *w = world_new(with_zones);

	(void)state;
	ask_plain(w, "There.lan. IN AAAA");
	assert_string_equal(sent_question(w, 0), "a.example. AAAA");
	answer(w, 0, &(struct text){ .authority = { "example. 120 IN SOA n. m. 1 2 3 4 120" } });
	answer(w, 1, &(struct text){ .answer = { "a.example. 300 IN A 1.2.3.4" } });
	assert_string_equal(told(w, 1), "NOERROR rd ra\nThere.lan. 9 IN CNAME a.example.\n"
					"a.example. 120 IN AAAA 64:ff9b::102:304\n");
	ask_plain(w, "there.lan. IN A"); /* now from the cache */
	assert_string_equal(told(w, 2), "NOERROR rd ra\nthere.lan. 9 IN CNAME a.example.\n"
					"a.example. 300 IN A 1.2.3.4\n");
	ask_plain(w, "there.lan. IN MX");
	wait_ms(w, LOOKUP_TIME_MS);
	assert_string_equal(told(w, 3), "SERVFAIL rd ra\n");
	world_free(w);
}

static void a_reverse_name_under_the_prefix_leads_to_a_local_one(void **state)
{
	struct world *w = world_new(with_zones);

	(void)state;
	ask_plain(
		w,
		"8.0.8.0.8.0.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.b.9.f.f.4.6.0.0.ip6.arpa. IN PTR");
	assert_int_equal(w->n_sent, 0);
	assert_non_null(strstr(told(w, 1), "8.8.8.8.in-addr.arpa. 300 IN PTR v4.lan.\n"));
	world_free(w);
}

/* What was heard of a name before it became a local one is not served, also not from wire form. */
static void a_reload_makes_a_name_local(void **state)
{
	struct world *w = world_new(NULL);
	struct text q = { .question = "v4.lan. IN A", .flags = DNS_RD };

	(void)state;
	ask(w, &q);
	answer(w, 0, &(struct text){ .answer = { "v4.lan. 300 IN A 1.2.3.4" } });
	assert_int_equal(resolver__reload(w->r, policy_of(with_zones), 1 << 20), 0);
	ask(w, &q);
	assert_string_equal(told(w, 2), "NOERROR aa rd ra\nv4.lan. 60 IN A 8.8.8.8\n");
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nodes_that_are_up_are_told_in_random_order),
		cmocka_unit_test(an_answer_holds_eight_of_many_and_all_get_their_turn),
		cmocka_unit_test(near_nodes_come_alone_while_enough_of_them_are_up),
		cmocka_unit_test(an_answer_is_never_empty_while_anything_is_alive),
		cmocka_unit_test(a_node_that_starts_slowly_is_in_its_share_of_the_answers),
		cmocka_unit_test(nodes_of_one_host_are_one_address),
		cmocka_unit_test(the_services_own_addresses_do_not_depend_on_nodes),
		cmocka_unit_test(local_names_are_answered_here_and_synthesised_from),
		cmocka_unit_test(an_alias_to_a_name_elsewhere_is_followed_and_synthesised),
		cmocka_unit_test(a_reverse_name_under_the_prefix_leads_to_a_local_one),
		cmocka_unit_test(a_reload_makes_a_name_local),
	};

	return cmocka_run_group_tests_name("dns64/zones", tests, NULL, NULL);
}
