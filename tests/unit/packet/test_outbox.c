/* test_outbox.c - packets out of fixed memory. */
#include "test.h"
#include "sixgate/packet/packet.h"

static void packets_have_headroom_and_do_not_overlap(void **state)
{
	uint8_t mem[1024];
	struct packet packets[4], *a, *b;
	struct outbox o;

	(void)state;
	outbox_init(&o, mem, sizeof(mem), packets, 4);
	a = outbox_add(&o, 100);
	b = outbox_add(&o, 1);
	assert_non_null(a);
	assert_non_null(b);
	assert_int_equal(a->len, 100);
	assert_int_equal(a->room, 100);
	assert_int_equal(a->headroom, PACKET_HEADROOM);
	assert_true(a->data - a->headroom >= mem);
	assert_true(b->data - b->headroom >= a->data + a->room);
	assert_int_equal(a->off.gso, GSO_NONE);
	assert_int_equal(o.n, 2);
	outbox_reset(&o);
	assert_ptr_equal(outbox_add(&o, 100), a);
}

static void a_full_outbox_says_so(void **state)
{
	uint8_t mem[256];
	struct packet packets[2];
	struct outbox o;

	(void)state;
	outbox_init(&o, mem, sizeof(mem), packets, 2);
	assert_null(outbox_add(&o, 257 - PACKET_HEADROOM));
	assert_null(outbox_add(&o, UINT32_MAX));
	assert_non_null(outbox_add(&o, 256 - PACKET_HEADROOM)); /* exactly */
	assert_null(outbox_add(&o, 0));
	outbox_reset(&o);
	assert_non_null(outbox_add(&o, 1));
	assert_non_null(outbox_add(&o, 1));
	assert_null(outbox_add(&o, 0)); /* no third packet */
}

static void room_is_what_can_be_added(void **state)
{
	uint8_t mem[1024];
	struct packet packets[8];
	struct outbox o;

	(void)state;
	outbox_init(&o, mem, sizeof(mem), packets, 8);
	for (uint32_t len = 0; len < 1100; len += 3) {
		for (uint32_t n = 1; n <= 9; n++) {
			bool all = true;

			outbox_reset(&o);
			outbox_add(&o, 10);
			all = outbox_has_room(&o, n, len);
			for (uint32_t i = 0; i < n; i++)
				assert_true(outbox_add(&o, len) || !all);
			outbox_reset(&o);
			outbox_add(&o, 10);
			for (uint32_t i = 0; i < n && !all; i++)
				all = !outbox_add(&o, len);
			assert_true(all); /* "no" is not said without need */
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_have_headroom_and_do_not_overlap),
		cmocka_unit_test(a_full_outbox_says_so),
		cmocka_unit_test(room_is_what_can_be_added),
	};

	return cmocka_run_group_tests_name("packet/outbox", tests, NULL, NULL);
}
