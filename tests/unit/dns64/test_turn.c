/* test_turn.c - addresses begin with another one for each query; nothing else of an answer moves.
 */
#include "fixture.h"
#include "sixgate/base/wire.h"
#include "test.h"

enum { MX = 15 };

static const char *reply(uint16_t id, uint16_t type, const struct text *t, bool ordered)
{
	static uint8_t wire[DNS_MESSAGE_MAX], out[DNS_MESSAGE_MAX];
	struct dns_query q = { .id = id,
			       .udp_size = DNS_UDP_CLASSIC,
			       .has_opt = true,
			       .question = { .type = type, .class = 1 } };
	struct dns_view v = { .wire = wire, .len = wire_of(t, 0, wire) };
	struct reply r = { .body = &v, .ede = DNS_EDE_NONE, .ordered = ordered };
	bool truncated;
	size_t len;

	assert_int_equal(dns_name_parse("a.example.", &q.question.name), 0);
	len = dns64__reply_write(&q, &r, DNS_UDP_CLASSIC, out, &truncated);
	assert_true(dns_message_check(out, len));
	return text_of(out, len);
}

static const struct text three = {
	.question = "a.example. IN A",
	.flags = DNS_QR,
	.answer = { "a.example. 5 IN CNAME b.example.", "b.example. 5 IN A 192.0.2.1",
		    "b.example. 5 IN A 192.0.2.2", "b.example. 5 IN A 192.0.2.3" },
	.authority = { "example. 5 IN NS ns.example." },
	.additional = { "ns.example. 5 IN A 192.0.2.9" },
};

#define TOLD(x, y, z)                                                                              \
	"NOERROR ra\na.example. 5 IN CNAME b.example.\nb.example. 5 IN A 192.0.2." x               \
	"\nb.example. 5 IN A 192.0.2." y "\nb.example. 5 IN A 192.0.2." z                          \
	"\n-- authority\nexample. 5 IN NS ns.example.\n-- additional\nns.example. 5 IN A "         \
	"192.0.2.9\nOPT 1232\n"

static void every_address_is_first_in_its_turn(void **state)
{
	static const char *const want[] = { TOLD("1", "2", "3"), TOLD("2", "3", "1"),
					    TOLD("3", "1", "2") };

	(void)state;
	for (uint16_t id = 0; id < 9; id++)
		assert_string_equal(reply(id, DNS_TYPE_A, &three, false), want[id % 3]);
}

static void order_that_says_something_is_kept(void **state)
{
	(void)state;
	for (uint16_t id = 0; id < 3; id++)
		assert_string_equal(reply(id, DNS_TYPE_A, &three, true), TOLD("1", "2", "3"));
}

static void other_types_and_other_owners_stay(void **state)
{
	static const struct text mail = { .question = "a.example. IN MX",
					  .flags = DNS_QR,
					  .answer = { "a.example. 5 IN MX 1 b.example.",
						      "a.example. 5 IN MX 2 c.example." } };
	static const struct text mixed = { .question = "a.example. IN A",
					   .flags = DNS_QR,
					   .answer = { "a.example. 5 IN A 192.0.2.1",
						       "b.example. 5 IN A 192.0.2.2" } };

	(void)state;
	for (uint16_t id = 0; id < 2; id++) {
		assert_string_equal(reply(id, MX, &mail, false),
				    "NOERROR ra\na.example. 5 IN MX 1 b.example.\n"
				    "a.example. 5 IN MX 2 c.example.\nOPT 1232\n");
		assert_string_equal(reply(id, DNS_TYPE_A, &mixed, false),
				    "NOERROR ra\na.example. 5 IN A 192.0.2.1\n"
				    "b.example. 5 IN A 192.0.2.2\nOPT 1232\n");
	}
}

/* The owner of the additional record goes on in the first address: "\1x" and the root there, a
 * label that ends nowhere in the second. */
static void a_name_that_leans_on_an_address_keeps_it_in_place(void **state)
{
	static const uint8_t wire[] = { 0,    0,    0x80, 0,    0,  1, 0, 2,    0,   0, 0, 1,
					1,    'a',  0,    0,    1,  0, 1, 0xc0, 12,  0, 1, 0,
					1,    0,    0,    0,    5,  0, 4, 1,    'x', 0, 0, 0xc0,
					12,   0,    1,    0,    1,  0, 0, 0,    5,   0, 4, 0xff,
					0xff, 0xff, 0xff, 0xc0, 31, 0, 1, 0,    1,   0, 0, 0,
					5,    0,    4,    192,  0,  2, 1 };
	struct dns_query q = { .id = 1, .question = { .type = DNS_TYPE_A, .class = 1 } };
	uint8_t out[sizeof(wire)];

	(void)state;
	memcpy(out, wire, sizeof(wire));
	assert_true(dns_message_check(out, sizeof(out)));
	dns64__turn(&q, out, sizeof(out));
	assert_memory_equal(out, wire, sizeof(wire));
	memcpy(out + 51, "\300\014", 2); /* without it they do turn */
	dns64__turn(&q, out, sizeof(out));
	assert_memory_equal(out + 31, "\377\377\377\377", 4);
	assert_memory_equal(out + 47, "\1x\0\0", 4);
}

static void what_was_made_up_turns_too(void **state)
{
	static const struct text two = { .question = "a.example. IN A",
					 .flags = DNS_QR | DNS_RA,
					 .answer = { "a.example. 300 IN A 8.8.8.8",
						     "a.example. 300 IN A 9.9.9.9" } };
	static const struct text none = { .question = "a.example. IN AAAA",
					  .flags = DNS_QR | DNS_RA,
					  .authority = {
						  "example. 300 IN SOA a. b. 1 2 3 4 300" } };
	struct world *w = world_new(NULL);
	unsigned first[2] = { 0, 0 };
	const struct text again = { .question = "a.example. IN AAAA", .flags = DNS_RD };

	(void)state;
	ask_plain(w, "a.example. IN AAAA");
	for (unsigned i = 0; i < 2; i++)
		answer(w, i, strstr(sent_question(w, i), "AAAA") ? &none : &two);
	for (uint16_t i = 0; i < 16;
	     i++) { /* known now: the fast way, which the law holds to the slow one */
		uint8_t wire[512];
		const char *text;

		ask_wire(w, wire, wire_of(&again, i, wire), "2001:db8:1::1");
		text = told(w, i + 2);
		first[strstr(text, "808:808") > strstr(text, "909:909")]++;
	}
	assert_true(first[0] && first[1]);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_address_is_first_in_its_turn),
		cmocka_unit_test(order_that_says_something_is_kept),
		cmocka_unit_test(other_types_and_other_owners_stay),
		cmocka_unit_test(a_name_that_leans_on_an_address_keeps_it_in_place),
		cmocka_unit_test(what_was_made_up_turns_too),
	};

	return cmocka_run_group_tests_name("dns64/turn", tests, NULL, NULL);
}
