/* What `io: auto` is decided by; the host's rules and the log are asked in tests/netns/test_xdp.py. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>
#include "sixgate/io/xdp.h"

static void cards_whose_drivers_do_it_get_af_xdp(void **state)
{
	static const struct xdp_nature card = { "ixgbe", true };
	const struct xdp_interface opened = { .flags = XDP_FLAG_NATIVE, .n_queues = 4 };

	(void)state;
	assert_null(xdp_why_not(&card));
	assert_null(xdp_why_not_as_opened(&opened, 1));
	assert_null(xdp_why_not_as_opened(&opened, 4));
}

static void everything_else_gets_tun_and_a_reason(void **state)
{
	static const struct xdp_nature veth = { "veth", false };
	struct xdp_interface opened = { .flags = XDP_FLAG_NATIVE, .n_queues = 1 };

	(void)state;
	assert_non_null(strstr(xdp_why_not(&veth), "is no network card"));
	assert_non_null(strstr(xdp_why_not_as_opened(&opened, 2), "fewer queues than there are workers"));
	opened.flags = XDP_FLAG_ZEROCOPY;
	assert_non_null(strstr(xdp_why_not_as_opened(&opened, 1), "runs no XDP program itself"));
}

static void what_is_not_there_is_no_card(void **state)
{
	const struct xdp_nature n = xdp_nature_of("sg-nowhere"), lo = xdp_nature_of("lo");

	(void)state;
	assert_false(n.hardware);
	assert_string_equal(n.driver, "");
	assert_false(lo.hardware);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cards_whose_drivers_do_it_get_af_xdp),
		cmocka_unit_test(everything_else_gets_tun_and_a_reason),
		cmocka_unit_test(what_is_not_there_is_no_card),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
