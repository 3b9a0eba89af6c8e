/* test_statics.c - a static entry added by a reload takes a port that a host has: from then on nobody
 * else sends from it (RFC 6146 3.5: one outside address and port, one host). */
#include "test.h"
#include <netinet/in.h>
#include <stdio.h>
#include "build.h"
#include "gateway.h"

enum { N = 60, OTHERS = 6900, FIRST_OTHER = 100, REST_MS = 200000, IDLE_MS = 110000 };

static struct gateway g;
static uint8_t bytes[2048];

static struct addr a(const char *text)
{
	struct addr out;

	assert_int_equal(addr_parse(text, &out), 0);
	return out;
}

static struct tuple of_host(unsigned i)
{
	char src[64];

	snprintf(src, sizeof(src), "2001:db8:1:%x::5", i);
	return tuple_of(src, "2001:db8:64::cb00:7109", 4000, 53, IPPROTO_UDP);
}

static void send_from(unsigned i)
{
	struct tuple t = of_host(i);

	gateway_send(&g, SIDE_INSIDE, bytes, build_udp(bytes, &t, 20));
}

/* Blocks of earlier hosts rest, so that the pool is taken up step by step, long after the sweep has
 * looked at all flows. */
static void whom_a_static_entry_displaces_sends_no_more(void **state)
{
	struct pool4_conf pool = { .first = a("198.51.100.1"), .last = a("198.51.100.8"),
				   .port_first = 1024, .port_last = 65535,
				   .protocols = NAT64_TCP | NAT64_UDP | NAT64_ICMP };
	static struct nat64_conf nat64;
	static struct static_conf entry[N];
	static struct prefix prefix;
	struct tuple out[N];
	struct gateway_args args = { .nat64 = &nat64, .inside = { "2001:db8:1::/48" }, .flows = 16384 };

	(void)state;
	nat64_conf_default(&nat64);
	assert_int_equal(prefix_parse("2001:db8:64::/96", &prefix), 0);
	nat64.prefix = &prefix;
	nat64.n_prefix = 1;
	nat64.pool4 = &pool;
	nat64.n_pool4 = 1;
	gateway_init(&g, &args);
	for (unsigned i = 0; i < N; i++) {
		send_from(i);
		assert_int_equal(g.n_out, 1);
		out[i] = g.out[0].packet.key;
	}
	for (unsigned i = 0; i < OTHERS; i++)
		send_from(FIRST_OTHER + i);
	gateway_advance(&g, REST_MS);
	for (unsigned i = 0; i < N; i++)
		send_from(i);
	gateway_advance(&g, IDLE_MS);
	for (unsigned i = 0; i < N; i++) {
		char inside[64];

		snprintf(inside, sizeof(inside), "2001:db8:1:ff%02x::80", i);
		entry[i] = (struct static_conf){ .protocol = NAT64_UDP, .inside = a(inside),
						 .inside_port = 443, .outside = out[i].src,
						 .outside_port = be16_to(out[i].sport) };
	}
	nat64.static_entry = entry;
	nat64.n_static = N;
	gateway_publish(&g, &args);
	gateway_advance(&g, 5000);
	for (unsigned i = 0; i < N; i++) {
		send_from(i);
		for (unsigned k = 0; k < g.n_out; k++)
			assert_false(addr_equal(&g.out[k].packet.key.src, &out[i].src) &&
				     be16_equal(g.out[k].packet.key.sport, out[i].sport));
	}
	gateway_fini(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whom_a_static_entry_displaces_sends_no_more),
	};

	return cmocka_run_group_tests_name("statics", tests, NULL, NULL);
}
