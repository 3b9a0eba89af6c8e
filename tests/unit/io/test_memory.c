/* test_memory.c - the memory port keeps the contract of dataplane/port.h. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>
#include "sixgate/io/memory.h"

static const uint8_t one[20] = { 0x45, 1 }, two[40] = { 0x60, 2 }, three[24] = { 0x45, 3 };
static const struct memory_packet in[] = {
	{ .data = one, .len = sizeof(one), .side = SIDE_OUTSIDE },
	{ .data = two,
	  .len = sizeof(two),
	  .side = SIDE_INSIDE,
	  .off = { .csum_partial = true, .csum_start = 40 } },
	{ .data = three, .len = sizeof(three), .side = SIDE_INSIDE },
};

static void packets_come_in_order_in_batches_and_then_end(void **state)
{
	static struct batch b;
	struct port *port;
	struct err e;

	(void)state;
	assert_int_equal(memory_port_new(&port, in, 3, 2, &e), 0);
	assert_true(port->ops->rx(port, &b));
	assert_int_equal(b.n, 2);
	assert_memory_equal(b.packet[0].data, one, sizeof(one));
	assert_int_equal(b.packet[0].side, SIDE_OUTSIDE);
	assert_memory_equal(b.packet[1].data, two, sizeof(two));
	assert_int_equal(b.packet[1].len, sizeof(two));
	assert_true(b.packet[1].off.csum_partial);
	assert_true(b.packet[1].headroom >= PACKET_HEADROOM && b.packet[1].room >= sizeof(two));
	memset(b.packet[1].data - b.packet[1].headroom, 0xee,
	       b.packet[1].headroom + b.packet[1].room);
	assert_memory_equal(b.packet[0].data, one, sizeof(one));
	assert_true(port->ops->rx(port, &b));
	assert_int_equal(b.n, 1);
	assert_memory_equal(b.packet[0].data, three, sizeof(three));
	assert_false(port->ops->rx(port, &b));
	memory_port_rewind(port);
	assert_true(port->ops->rx(port, &b));
	assert_memory_equal(b.packet[1].data, two, sizeof(two));
	port->ops->close(port);
}

static void what_was_forwarded_is_kept_and_nothing_else(void **state)
{
	const struct memory_packet *sent;
	struct port_counts c = { 0 };
	static struct batch b;
	struct port *port;
	struct err e;

	(void)state;
	assert_int_equal(memory_port_new(&port, in, 3, 3, &e), 0);
	assert_true(port->ops->rx(port, &b));
	b.packet[0].verdict = verdict_drop(DROP_LOOP);
	b.packet[1].verdict = verdict_forward();
	b.packet[1].out_side = SIDE_OUTSIDE;
	b.packet[2].verdict = verdict_held();
	port->ops->tx(port, b.packet, b.n, &c);
	assert_int_equal(memory_port_sent(port, &sent), 1);
	assert_int_equal(sent[0].len, sizeof(two));
	assert_int_equal(sent[0].side, SIDE_OUTSIDE);
	assert_memory_equal(sent[0].data, two, sizeof(two));
	assert_int_equal(c.n_full + c.n_error, 0);
	port->ops->close(port);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_come_in_order_in_batches_and_then_end),
		cmocka_unit_test(what_was_forwarded_is_kept_and_nothing_else),
	};

	return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
