/* test_owner.c - owner_of() from a packet's first bytes says what owner_of_tuple() says of the parsed
 * packet, for both families, and for errors by what they quote. Steering is keyed. */
#include "test.h"
#include <netinet/in.h>
#include "build.h"
#include "sixgate/flow/steer.h"
#include "sixgate/packet/parse.h"

static uint8_t blocks[1][STEER_BLOCKS];
static const char *const outside4[] = { "192.0.2.33", "192.0.2.34", "203.0.113.77" };
static const char *const inside6[] = { "2001:db8:1::1", "2001:db8:1::2", "2001:db8:1:0:5::3" };

static void prepare(struct steering *s, uint64_t secret)
{
	struct hash_key key = { .word = { secret, 7 } };
	struct addr pool;

	steering_init(s, 4, &key);
	assert_int_equal(prefix_parse("2001:db8:1::/64", &s->inside[0].prefix), 0);
	s->inside[0].subscriber_len = 128;
	s->n_prefix = 1;
	for (unsigned b = 0; b < STEER_BLOCKS; b++)
		blocks[0][b] = (uint8_t)(b % 4);
	assert_int_equal(addr_parse("198.51.100.10", &pool), 0);
	assert_int_equal(steering_add(s, STEER_POOL, &pool, (be16){ 0 }, 0, 0), 0);
	s->block = blocks;
	s->n_pools = 1;
}

static void both_say_the_same(const struct steering *s, uint8_t *bytes, uint32_t len, enum side side)
{
	struct packet p = { .data = bytes, .len = len, .room = len, .side = (uint8_t)side };

	assert_int_equal(packet_parse(&p).next, VERDICT_CONTINUE);
	assert_int_equal(owner_of(s, bytes, len, side), owner_of_tuple(s, &p.key, side));
}

static void first_bytes_lead_where_the_parsed_tuple_leads(void **state)
{
	static struct steering s;
	uint8_t bytes[512], error[512];

	(void)state;
	prepare(&s, 1);
	for (unsigned i = 0; i < 64 * 3; i++) {
		struct tuple in4 = tuple_of(outside4[i % 3], "198.51.100.10", 53,
					    (uint16_t)(1024 + i * 61), IPPROTO_UDP);
		struct tuple in6 = tuple_of(inside6[i % 3], "64:ff9b::192.0.2.33",
					    (uint16_t)(4000 + i), 80, IPPROTO_TCP);
		struct tuple out4 = tuple_reverse(&in4);
		struct addr router;
		uint32_t n;

		both_say_the_same(&s, bytes, build_udp(bytes, &in4, 9), SIDE_OUTSIDE);
		both_say_the_same(&s, bytes, build_tcp(bytes, &in6, (struct tcp_args){ 2, 1, 0 }, 0),
				  SIDE_INSIDE);
		n = build_udp(bytes, &out4, 9); /* what we sent, quoted by a router on its way */
		assert_int_equal(addr_parse("192.0.2.99", &router), 0);
		n = build_error(error, &router, &out4.src, 11, 0, 0, bytes, n);
		both_say_the_same(&s, error, n, SIDE_OUTSIDE);
		assert_int_equal(owner_of(&s, error, n, SIDE_OUTSIDE), (1024 + i * 61) / 64 % 4);
	}
}

/* Both words of the secret count: nobody outside can choose which worker he burdens. */
static void another_secret_steers_otherwise(void **state)
{
	static struct steering one, two;
	unsigned n_other = 0;

	(void)state;
	prepare(&one, 1);
	prepare(&two, 0x9e3779b97f4a7c15);
	for (unsigned i = 0; i < 64; i++) {
		struct tuple t = tuple_of("2001:db8:1::1", "64:ff9b::192.0.2.33", 4000, 80, IPPROTO_TCP);

		t.src.octet[15] = (uint8_t)i;
		n_other += owner_of_tuple(&one, &t, SIDE_INSIDE) != owner_of_tuple(&two, &t, SIDE_INSIDE);
	}
	assert_true(n_other > 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_bytes_lead_where_the_parsed_tuple_leads),
		cmocka_unit_test(another_secret_steers_otherwise),
	};

	return cmocka_run_group_tests_name("owner", tests, NULL, NULL);
}
