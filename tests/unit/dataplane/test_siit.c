/*
 * test_siit.c - stateless translation by more than one worker: both directions of a host's traffic are
 * one worker's, so what that one learns of a path holds for what it sends there.
 */
#include "test.h"
#include <netinet/in.h>
#include <stdio.h>
#include "build.h"
#include "gateway.h"
#include "sixgate/base/must.h"
#include "sixgate/base/wire.h"
#include "sixgate/packet/checksum.h"

enum { WORKERS = 4, HOSTS = 100, MTU = 1000 };

static struct gateway g;
static uint8_t bytes[4096], quote[1500];
static struct prefix prefix;
static struct eam_conf eam;
static struct siit_conf siit;

static void clear_df(uint8_t *ip)
{
	uint16_t sum = 0;

	store16(ip + 6, 0);
	memcpy(ip + 10, &sum, sizeof(sum));
	sum = (uint16_t)~checksum_fold(checksum_add(0, ip, 20));
	memcpy(ip + 10, &sum, sizeof(sum));
}

static void start(unsigned n_workers)
{
	const struct gateway_args args = { .siit = &siit, .n_workers = n_workers,
					   .inside = { "2001:db8:3::/64" } };

	siit_conf_default(&siit);
	must(prefix_parse("2001:db8:100::/40", &prefix) == 0);
	must(prefix_parse("1.0.0.0/24", &eam.v4) == 0);
	must(prefix_parse("2001:db8:3::/120", &eam.v6) == 0);
	siit.prefix = &prefix;
	siit.eam = &eam;
	siit.n_prefix = siit.n_eam = 1;
	gateway_init(&g, &args);
}

static unsigned owner(const char *src, const char *dst, enum side side)
{
	const struct tuple t = tuple_of(src, dst, 4000, 53, IPPROTO_UDP);

	return owner_of_tuple(&g.snapshot->steer, &t, side);
}

static void both_directions_are_one_workers_and_hosts_are_spread(void **state)
{
	unsigned n[WORKERS] = { 0 };

	(void)state;
	start(WORKERS);
	for (unsigned i = 0; i < HOSTS; i++) {
		char v4[32], v6[64], embedded[64];

		snprintf(v4, sizeof(v4), "1.0.0.%u", i);
		snprintf(v6, sizeof(v6), "2001:db8:3::%x", i);
		n[owner("203.0.113.9", v4, SIDE_OUTSIDE)]++;
		assert_int_equal(owner(v6, "2001:db8:1cb:71:9::", SIDE_INSIDE),
				 owner("203.0.113.9", v4, SIDE_OUTSIDE));
		snprintf(v4, sizeof(v4), "192.0.2.%u", i);
		snprintf(embedded, sizeof(embedded), "2001:db8:1c0:2:%x::", i);
		assert_int_equal(owner(embedded, "2001:db8:1cb:71:9::", SIDE_INSIDE),
				 owner("203.0.113.9", v4, SIDE_OUTSIDE));
	}
	for (unsigned w = 0; w < WORKERS; w++)
		assert_in_range(n[w], HOSTS / WORKERS / 2, HOSTS / WORKERS * 2);
	gateway_fini(&g);
}

/* 1240 bytes without DF to a host. Return: the longest packet that left. */
static uint32_t send_to(unsigned host)
{
	uint32_t longest = 0;
	struct tuple t;
	char dst[32];

	snprintf(dst, sizeof(dst), "1.0.0.%u", host);
	t = tuple_of("203.0.113.9", dst, 4000, 53, IPPROTO_UDP);
	build_udp(bytes, &t, 1212);
	clear_df(bytes);
	gateway_send(&g, SIDE_OUTSIDE, bytes, 1240);
	for (uint32_t i = 0; i < g.n_out; i++)
		longest = g.out[i].len > longest ? g.out[i].len : longest;
	return longest;
}

/* A router inside says of the first packet that left: @type. */
static void send_error(uint8_t type, uint32_t rest)
{
	uint32_t len = g.out[0].len < MTU ? g.out[0].len : MTU;
	struct addr router, to;

	must(addr_parse("2001:db8:3::fe", &router) == 0);
	memcpy(quote, g.out[0].data, len);
	to = addr_from_v6(quote + 8);
	len = build_error(bytes, &router, &to, type, 0, rest, quote, len);
	gateway_send(&g, SIDE_INSIDE, bytes, len);
}

static void rfc7915_4_a_narrow_path_is_remembered_with_any_number_of_workers(void **state)
{
	(void)state;
	for (unsigned n = 1; n <= WORKERS; n++) {
		start(n);
		for (unsigned host = 1; host <= HOSTS; host++) {
			assert_int_equal(send_to(host), 1260);
			send_error(2, MTU);
			assert_int_equal(g.n_out, 1);
			assert_in_range(send_to(host), 1, MTU);
		}
		gateway_fini(&g);
	}
}

/* An echo without DF that we cut ourselves: routers complain of the fragments. */
static void rfc7915_5_3_errors_about_our_own_fragments_of_an_echo_pass(void **state)
{
	static const uint8_t type[] = { 2, 3 };
	const struct tuple t = tuple_of("203.0.113.9", "1.0.0.5", 77, 77, 0);

	(void)state;
	for (unsigned i = 0; i < sizeof(type); i++) {
		start(1);
		for (unsigned round = 0; round < 2; round++) {
			const uint32_t len = build_echo(bytes, &t, false, 1400);

			clear_df(bytes);
			gateway_send(&g, SIDE_OUTSIDE, bytes, len);
			assert_in_range(g.n_out, 2, 3);
			send_error(type[i], type[i] == 2 ? MTU : 0);
			assert_int_equal(g.n_out, 1);
			assert_int_equal(g.out[0].side, SIDE_OUTSIDE);
			assert_int_equal(g.out[0].data[48], 8); /* the echo request it was */
			assert_int_equal(load16(g.out[0].data + 52), 77);
		}
		gateway_fini(&g);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_directions_are_one_workers_and_hosts_are_spread),
		cmocka_unit_test(rfc7915_5_3_errors_about_our_own_fragments_of_an_echo_pass),
		cmocka_unit_test(rfc7915_4_a_narrow_path_is_remembered_with_any_number_of_workers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
