/* test_hops.c - next hops: the longest prefix, its neighbour, and what is left to the kernel; beside a
 * model that looks at every route. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>
#include "sixgate/base/must.h"
#include "sixgate/io/hops.h"

static struct addr address(const char *text)
{
	struct addr a;

	must(addr_parse(text, &a) == 0);
	return a;
}

static struct hops_route route(const char *prefix, uint8_t interface, const char *via)
{
	struct hops_route r = { .interface = interface };

	must(prefix_parse(prefix, &r.prefix) == 0);
	if (via)
		r.via = address(via);
	return r;
}

static struct hops_neighbour neighbour(const char *text, uint8_t interface, uint8_t mac)
{
	return (struct hops_neighbour){ .addr = address(text), .interface = interface,
					.mac = { 2, 0, 0, 0, 0, mac } };
}

static struct hops *example(void)
{
	struct hops_route routes[] = {
		route("2001:db8:1::1/128", HOPS_BY_KERNEL, NULL), /* first: it counts */
		route("2001:db8:1::1/128", 0, NULL),
		route("0.0.0.0/0", 1, "198.51.100.1"),
		route("::/0", 1, "fe80::1"),
		route("2001:db8:1::/64", 0, NULL),
		route("2001:db8:1:2::/64", 0, "2001:db8:1::2"),
		route("198.51.100.0/24", 1, NULL),
		route("203.0.113.0/24", HOPS_BY_KERNEL, NULL),
	};
	struct hops_neighbour neighbours[] = {
		neighbour("fe80::1", 1, 1),	   neighbour("198.51.100.1", 1, 2),
		neighbour("2001:db8:1::2", 0, 3),  neighbour("198.51.100.7", 1, 4),
		neighbour("198.51.100.8", 0, 5),   neighbour("2001:db8:1::1", 0, 6),
	};
	struct hops_parts p = {
		.interface = { { .ifindex = 10, .mtu = 1500 }, { .ifindex = 20, .mtu = 1400 } },
		.n_interface = 2,
		.route = routes, .n_route = ARRAY_LEN(routes),
		.neighbour = neighbours, .n_neighbour = ARRAY_LEN(neighbours),
	};
	struct hops *h;

	routes[4].mtu = 1300;
	routes[6].mtu = 9000;
	h = hops_pack(&p);
	must(h && hops_check(h, h->bytes));
	return h;
}

static void the_longest_prefix_names_the_neighbour(void **state)
{
	static const struct {
		const char *dst;
		uint8_t mac; /* 0: the kernel's */
		int32_t ifindex;
		uint32_t mtu;
	} rows[] = {
		{ "2001:db8:1::2", 3, 10, 1300 },  /* on the link; the route's MTU */
		{ "2001:db8:1:2::9", 3, 10, 1500 }, /* by a gateway */
		{ "2001:db8:9::9", 1, 20, 1400 },  /* default route, link-local gateway */
		{ "192.0.2.1", 2, 20, 1400 },      /* IPv4 has a default of its own */
		{ "198.51.100.7", 4, 20, 1400 },   /* never more than the interface takes */
		{ "198.51.100.8", 0, 0, 0 },       /* known on another interface only */
		{ "198.51.100.9", 0, 0, 0 },       /* not resolved */
		{ "2001:db8:1::1", 0, 0, 0 },      /* this host */
		{ "203.0.113.7", 0, 0, 0 },        /* a route that we do not follow */
	};
	struct hops *h = example();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct addr dst = address(rows[i].dst);
		struct hop hop;

		print_message("%s\n", rows[i].dst);
		assert_int_equal(hops_find(h, &dst, &hop), rows[i].mac != 0);
		if (!rows[i].mac)
			continue;
		assert_int_equal(hop.neighbour->mac[5], rows[i].mac);
		assert_int_equal(hop.interface->ifindex, rows[i].ifindex);
		assert_int_equal(hop.mtu, rows[i].mtu);
	}
	free(h);
}

static void ipv4_never_takes_a_default_route_of_ipv6(void **state)
{
	struct hops_route routes[] = { route("::/0", 0, "fe80::1") };
	struct hops_neighbour neighbours[] = { neighbour("fe80::1", 0, 1) };
	struct hops_parts p = { .n_interface = 1, .route = routes, .n_route = 1,
				.neighbour = neighbours, .n_neighbour = 1 };
	struct hops *h = hops_pack(&p);
	const struct addr four = address("192.0.2.1"), six = address("2001:db8::1");
	struct hop hop;

	(void)state;
	assert_false(hops_find(h, &four, &hop));
	assert_true(hops_find(h, &six, &hop));
	free(h);
}

static void an_empty_table_leaves_everything_to_the_kernel(void **state)
{
	struct hops_parts p = { .n_interface = 0 };
	struct hops *h = hops_pack(&p);
	const struct addr any = address("2001:db8::1");
	struct hop hop;

	(void)state;
	assert_true(hops_check(h, h->bytes));
	assert_false(hops_find(h, &any, &hop));
	free(h);
}

static void an_empty_table_says_why_it_is_empty(void **state)
{
	struct hops_parts p = { .none = HOPS_NONE_FOR_RULES };
	struct hops *h = hops_pack(&p);

	(void)state;
	assert_true(hops_check(h, h->bytes));
	assert_string_equal(hops_none_text(h->none), "the host has policy routing rules of its own");
	h->none = N_HOPS_NONE;
	assert_false(hops_check(h, h->bytes));
	free(h);
	h = example();
	h->none = HOPS_NONE_FOR_RULES; /* and yet there are routes */
	assert_false(hops_check(h, h->bytes));
	free(h);
}

static void a_block_that_does_not_fit_is_refused(void **state)
{
	struct hops *h = example(), bad;

	(void)state;
	assert_false(hops_check(h, h->bytes - 1));
	assert_false(hops_check(h, sizeof(*h) - 1));
#define REFUSED(member, value)                                                                     \
	do {                                                                                       \
		memcpy(&bad, h, sizeof(bad));                                                      \
		h->member = (value);                                                               \
		assert_false(hops_check(h, h->bytes));                                             \
		memcpy(h, &bad, sizeof(bad));                                                      \
	} while (0)
	REFUSED(magic, 1);
	REFUSED(n_route, h->n_route + 1);
	REFUSED(n_neighbour, h->n_neighbour + 1);
	REFUSED(n_interface, HOPS_INTERFACES_MAX + 1);
	REFUSED(n_interface, 1); /* a route names the second */
	REFUSED(by_len[0].n, h->n_route + 1);
	REFUSED(by_len[64].first, h->n_route);
#undef REFUSED
	assert_true(hops_check(h, h->bytes));
	free(h);
}

/* ---- beside a model ---- */

static uint32_t next(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*seed >> 33);
}

/* Few bits that vary, so that prefixes nest and repeat. */
static struct addr random_address(uint64_t *seed)
{
	struct addr a = next(seed) % 2 ? address("10.0.0.0") : address("2001:db8::");

	a.octet[13] = next(seed) % 4 * 64;
	a.octet[14] = next(seed) % 4 * 64;
	a.octet[15] = next(seed) % 4;
	return a;
}

static const struct hops_route *model_find(const struct hops_route *r, unsigned n, const struct addr *a)
{
	const struct hops_route *best = NULL;

	for (unsigned i = 0; i < n; i++)
		if (prefix_contains(&r[i].prefix, a) && addr_is_v4(a) == prefix_is_v4(&r[i].prefix) &&
		    (!best || r[i].prefix.len > best->prefix.len))
			best = &r[i];
	return best;
}

static void any_table_answers_as_a_look_at_every_route_does(void **state)
{
	const char *text = getenv("SIXGATE_TEST_SEED");
	uint64_t seed = text ? strtoull(text, NULL, 0) : (uint64_t)time(NULL);
	enum { ROUTES = 60, ROUNDS = 300, QUESTIONS = 60 };

	(void)state;
	print_message("SIXGATE_TEST_SEED=%llu\n", (unsigned long long)seed);
	for (int round = 0; round < ROUNDS; round++) {
		struct hops_route routes[ROUTES], copy[ROUTES];
		struct hops_neighbour at = neighbour("fe80::1", 0, 1);
		struct hops_parts p = { .n_interface = 1, .route = routes, .neighbour = &at,
					.n_neighbour = 1, .n_route = next(&seed) % ROUTES };
		struct hops *h;

		for (unsigned i = 0; i < p.n_route; i++) {
			struct addr a = random_address(&seed);
			uint8_t low = addr_is_v4(&a) ? 96 : 0;

			routes[i] = (struct hops_route){ .interface = next(&seed) % 3 ? 0 : HOPS_BY_KERNEL,
							 .via = at.addr };
			routes[i].prefix.len = (uint8_t)(low + next(&seed) % (129u - low));
			routes[i].prefix.addr = addr_mask(&a, routes[i].prefix.len);
		}
		memcpy(copy, routes, sizeof(copy));
		h = hops_pack(&p);
		assert_true(hops_check(h, h->bytes));
		for (int i = 0; i < QUESTIONS; i++) {
			const struct addr a = random_address(&seed);
			const struct hops_route *want = model_find(copy, p.n_route, &a);
			struct hop hop;

			assert_int_equal(hops_find(h, &a, &hop), want && want->interface == 0);
		}
		free(h);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_longest_prefix_names_the_neighbour),
		cmocka_unit_test(ipv4_never_takes_a_default_route_of_ipv6),
		cmocka_unit_test(an_empty_table_leaves_everything_to_the_kernel),
		cmocka_unit_test(an_empty_table_says_why_it_is_empty),
		cmocka_unit_test(a_block_that_does_not_fit_is_refused),
		cmocka_unit_test(any_table_answers_as_a_look_at_every_route_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
