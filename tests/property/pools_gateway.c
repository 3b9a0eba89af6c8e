/*
 * pools_gateway.c - a pool that is too small, through the whole data plane: everybody gets a fair
 * share, errors are prompt, and when the timers have run out all ports are back (RFC 6888 REQ-4,
 * REQ-8, REQ-11; RFC 6146 5.3). And with several workers no port is given twice, wherever packets
 * arrive.
 */
#include "../lib/test.h"
#include "build.h"
#include "gateway.h"
#include "sixgate/base/must.h"
#include "sixgate/nat64/lend.h"

enum { SUBSCRIBERS = 200, ASKED = 400, ASK_MS = 250, POOL_PORTS = 64512, FLOWS = 131072 };

static struct gateway g;
static struct nat64_conf nat64;
static struct pool4_conf pool;
static uint8_t bytes[PACKET_LEN_MAX];

static struct gateway_args args;

static void up(unsigned n_workers, uint16_t first, uint16_t last)
{
	args = (struct gateway_args){ .n_workers = n_workers, .flows = FLOWS, .nat64 = &nat64 };

	nat64_conf_default(&nat64);
	pool = (struct pool4_conf){ .port_first = first, .port_last = last,
				    .protocols = NAT64_TCP | NAT64_UDP | NAT64_ICMP };
	must(addr_parse("198.51.100.10", &pool.first) == 0);
	pool.last = pool.first;
	nat64.pool4 = &pool;
	nat64.n_pool4 = 1;
	nat64.allow_private = true;
	gateway_init(&g, &args);
}

/* One datagram of subscriber @which, a /64, from port @port. Return: the outside port, or 0. */
static uint16_t ask(uint32_t which, uint16_t port)
{
	struct tuple t = tuple_of("2001:db8:1::1", "64:ff9b::203.0.113.7", port, 53, 17);

	t.src.octet[5] = (uint8_t)(which >> 8);
	t.src.octet[6] = (uint8_t)which;
	gateway_send(&g, SIDE_INSIDE, bytes, build_udp(bytes, &t, 20));
	if (g.n_out != 1 || g.out[0].side != SIDE_OUTSIDE)
		return 0;
	return be16_to(g.out[0].packet.key.sport);
}

/* The last packet was refused, and who sent it hears of it at once, unless too many errors were. */
static bool refused_promptly(void)
{
	return g.n_out == 1 && g.out[0].side == SIDE_INSIDE && g.out[0].packet.proto == 58 &&
	       g.out[0].data[40] == 1 && g.out[0].data[41] == 3;
}

static uint32_t ports_used(void)
{
	uint32_t n = 0;

	for (unsigned i = 0; i < g.n_workers; i++)
		n += nat64_ports_used(g.worker[i]->nat64);
	return n;
}

static void nothing_is_left(void)
{
	for (unsigned i = 0; i < g.n_workers; i++) {
		assert_int_equal(nat64_mappings(g.worker[i]->nat64), 0);
		assert_int_equal(nat64_subscribers(g.worker[i]->nat64), 0);
	}
	assert_int_equal(gateway_flows(&g), 0);
	assert_int_equal(ports_used(), 0);
}

/* As the control thread does, once a second: it asks for a loan, and collects it the next time. */
static void look_for_loans(struct nat64_deal *deal)
{
	struct nat64_need need[STEER_WORKERS_MAX];
	struct nat64_loan loan[NAT64_LOAN_MAX];
	struct nat64 *all[STEER_WORKERS_MAX];
	uint32_t n = 0, n_lent = 0;

	for (unsigned i = 0; i < g.n_workers; i++)
		all[i] = g.worker[i]->nat64;
	nat64_tell_others(all, g.snapshot->steer.n_homes);
	if (deal->n) {
		n = nat64_take_loans(g.worker[deal->from]->nat64, loan, NAT64_LOAN_MAX);
		for (uint32_t i = 0; i < n; i++)
			n_lent += nat64_table_lend(g.snapshot->nat64, &loan[i], deal->to);
		deal->n = 0;
		if (n_lent)
			gateway_publish(&g, &args);
		return;
	}
	deal->protocol = NAT64_UDP;
	for (unsigned i = 0; i < g.n_workers; i++)
		need[i] = nat64_need(g.worker[i]->nat64, NAT64_UDP);
	if (nat64_deal(need, g.snapshot->steer.n_homes, deal))
		nat64_ask_loan(g.worker[deal->from]->nat64, deal);
}

static void share_one_address(unsigned n_workers)
{
	static uint32_t got[SUBSCRIBERS];
	uint32_t total = 0, n_prompt = 0, n_refused = 0, least = UINT32_MAX, n_least = 0;
	struct nat64_deal deal = { .n = 0 };

	memset(got, 0, sizeof(got));
	up(n_workers, 1024, 65535);
	for (unsigned i = 0; i < ASKED; i++) {
		gateway_advance(&g, ASK_MS);
		if (i % (1000 / ASK_MS) == 0)
			look_for_loans(&deal);
		for (uint32_t s = 0; s < SUBSCRIBERS; s++) {
			if (ask(s, (uint16_t)(2000 + i))) {
				got[s]++;
				continue;
			}
			n_refused++;
			n_prompt += refused_promptly();
		}
	}
	for (uint32_t s = 0; s < SUBSCRIBERS; s++) {
		total += got[s];
		least = got[s] < least ? got[s] : least;
		n_least += got[s] < POOL_PORTS / SUBSCRIBERS * 3 / 4;
	}
	print_message("%u workers: %u ports given out, %u refused, %u told, %u to one at least\n", n_workers,
		      total, n_refused, n_prompt, least);
	assert_int_equal(n_least, 0);
	/* each worker keeps some for newcomers, in whole blocks */
	assert_true(total >= (n_workers == 1 ? POOL_PORTS / 8 * 7 : POOL_PORTS / 16 * 13));
	assert_int_equal(total + n_refused, SUBSCRIBERS * ASKED);
	assert_int_equal(ports_used(), total);
	assert_true(n_prompt >= 64); /* as many as the rate limit lets go at once */
	assert_int_equal(gateway_drops(&g, DROP_FAIR_SHARE) +
			 gateway_drops(&g, DROP_POOL4_EXHAUSTED), n_refused);
	for (uint32_t s = SUBSCRIBERS; s < SUBSCRIBERS + 50; s++)
		assert_true(ask(s, 2000) != 0); /* newcomers find something */

	gateway_advance(&g, 300000 + 2000); /* UDP_DEFAULT: all flows are over ... */
	assert_int_equal(gateway_flows(&g), 0);
	assert_int_equal(ports_used(), 0);
	gateway_advance(&g, 120000 + 2000); /* ... and all ports have rested */
	nothing_is_left();
	for (uint32_t i = 0; n_workers == 1 && i < POOL_PORTS - 31 * 64; i++) /* all are back for one alone */
		assert_true(ask(1000, (uint16_t)(1 + i)) != 0);
	gateway_fini(&g);
}

static void two_hundred_subscribers_share_one_address(void **state)
{
	(void)state;
	share_one_address(1);
}

static void two_hundred_subscribers_of_several_workers_share_one_address(void **state)
{
	(void)state;
	share_one_address(4);
	share_one_address(8);
}

/* The same one after another: who comes late finds something, too. */
static void late_subscribers_are_not_shut_out(void **state)
{
	uint32_t got, least = UINT32_MAX;

	(void)state;
	up(1, 1024, 65535);
	for (uint32_t s = 0; s < SUBSCRIBERS; s++) {
		got = 0;
		for (unsigned i = 0; i < ASKED; i++)
			got += ask(s, (uint16_t)(2000 + i)) != 0;
		least = got < least ? got : least;
	}
	print_message("least: %u\n", least);
	assert_true(least >= 16);
	gateway_advance(&g, 300000 + 2000);
	gateway_advance(&g, 120000 + 2000);
	nothing_is_left();
	gateway_fini(&g);
}

/* Whatever worker a packet arrives at, an outside port is one inside port's. */
static void no_port_is_given_twice_with_any_number_of_workers(void **state)
{
	static uint32_t owner[65536];
	uint64_t seed = test_seed();

	(void)state;
	for (unsigned n_workers = 1; n_workers <= 4; n_workers++) {
		uint32_t total = 0;

		up(n_workers, 1024, 9215); /* 128 blocks */
		g.misdeliver = rnd(&seed) | 1;
		memset(owner, 0, sizeof(owner));
		for (unsigned i = 0; i < 12000; i++) {
			uint32_t s = (uint32_t)(rnd(&seed) % 60);
			uint16_t inside = (uint16_t)(1 + rnd(&seed) % 300), port = ask(s, inside);
			uint32_t who = s << 16 | inside;

			if (!port)
				continue;
			assert_in_range(port, 1024, 9215);
			assert_true(owner[port] == 0 || owner[port] == who);
			total += owner[port] == 0;
			owner[port] = who;
		}
		assert_int_equal(ports_used(), total);
		print_message("%u workers: %u of 8192 ports\n", n_workers, total);
		assert_true(total > 4096);
		gateway_advance(&g, 300000 + 2000);
		gateway_advance(&g, 120000 + 2000);
		nothing_is_left();
		gateway_fini(&g);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_hundred_subscribers_share_one_address),
		cmocka_unit_test(two_hundred_subscribers_of_several_workers_share_one_address),
		cmocka_unit_test(late_subscribers_are_not_shut_out),
		cmocka_unit_test(no_port_is_given_twice_with_any_number_of_workers),
	};

	return cmocka_run_group_tests_name("pools_gateway", tests, NULL, NULL);
}
