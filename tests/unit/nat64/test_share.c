/* test_share.c - what a subscriber may have ends where its counters do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "nat64_internal.h"

/* A pool of 1024 addresses, and one subscriber alone. */
static struct nat64 *plenty(void)
{
	struct nat64 *n = calloc(1, sizeof(*n));

	assert_non_null(n);
	for (unsigned proto = 0; proto < N_PROTOS; proto++)
		for (unsigned class = 0; class < N_CLASSES; class++)
			n->ports.supply[proto][class] =
				(struct supply){ .blocks = 1 << 20, .free = 1 << 20, .ports = 1 << 26 };
	n->ports.n_holders = 1;
	return n;
}

static void who_is_alone_has_as_many_blocks_as_can_be_counted(void **state)
{
	struct nat64 *n = plenty();
	struct subscriber s = { .n_blocks = UINT16_MAX - 1 };

	(void)state;
	assert_true(share__allows_block(n, &s, PROTO_UDP));
	s.n_blocks++;
	assert_false(share__allows_block(n, &s, PROTO_UDP));
	free(n);
}

static void who_is_alone_has_as_many_single_ports_as_can_be_counted(void **state)
{
	struct nat64 *n = plenty();
	struct subscriber s = { .n_single[PROTO_UDP] = UINT16_MAX - 1 };

	(void)state;
	assert_true(share__allows_single(n, &s, PROTO_UDP, CLASS_SYSTEM));
	s.n_single[PROTO_UDP]++;
	assert_false(share__allows_single(n, &s, PROTO_UDP, CLASS_SYSTEM));
	assert_true(share__allows_single(n, &s, PROTO_TCP, CLASS_SYSTEM));
	free(n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_alone_has_as_many_blocks_as_can_be_counted),
		cmocka_unit_test(who_is_alone_has_as_many_single_ports_as_can_be_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
