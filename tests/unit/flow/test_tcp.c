/*
 * test_tcp.c - RFC 6146 3.5.2.2: all eight states by all eight events, each row written from the
 * subsection of its state. Rows that follow another RFC name it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdbool.h>
#include <string.h>
#include <cmocka.h>
#include "sixgate/base/must.h"
#include "sixgate/flow/tcp.h"

static const struct row {
	enum tcp_state now;
	enum tcp_event ev;
	enum tcp_state next;
	enum tcp_timer timer;
	const char *why;
} rows[] = {
	/* CLOSED */
	{ TCP_CLOSED, EV_V6_SYN, TCP_V6_INIT, TIMER_TRANS, "V6 SYN: V6 INIT, TCP_TRANS" },
	{ TCP_CLOSED, EV_V4_SYN, TCP_V4_INIT, TIMER_INCOMING_SYN, "V4 SYN: V4 INIT" },
	{ TCP_CLOSED, EV_V6_FIN, TCP_CLOSED, TIMER_KEEP, "any other: state unchanged" },
	{ TCP_CLOSED, EV_V4_FIN, TCP_CLOSED, TIMER_KEEP, "any other: state unchanged" },
	{ TCP_CLOSED, EV_V6_RST, TCP_CLOSED, TIMER_KEEP, "any other: state unchanged" },
	{ TCP_CLOSED, EV_V4_RST, TCP_CLOSED, TIMER_KEEP, "any other: state unchanged" },
	{ TCP_CLOSED, EV_V6_OTHER, TCP_CLOSED, TIMER_KEEP, "any other: state unchanged" },
	{ TCP_CLOSED, EV_V4_OTHER, TCP_CLOSED, TIMER_KEEP, "any other: state unchanged" },
	/* V4 INIT */
	{ TCP_V4_INIT, EV_V6_SYN, TCP_ESTABLISHED, TIMER_EST, "V6 SYN: ESTABLISHED, TCP_EST" },
	{ TCP_V4_INIT, EV_V4_SYN, TCP_V4_INIT, TIMER_KEEP, "any other: unchanged" },
	{ TCP_V4_INIT, EV_V6_FIN, TCP_V4_INIT, TIMER_KEEP, "any other: unchanged" },
	{ TCP_V4_INIT, EV_V4_FIN, TCP_V4_INIT, TIMER_KEEP, "any other: unchanged" },
	{ TCP_V4_INIT, EV_V6_RST, TCP_V4_INIT, TIMER_KEEP, "any other: unchanged" },
	{ TCP_V4_INIT, EV_V4_RST, TCP_V4_INIT, TIMER_KEEP, "any other: unchanged" },
	{ TCP_V4_INIT, EV_V6_OTHER, TCP_V4_INIT, TIMER_KEEP, "any other: unchanged" },
	{ TCP_V4_INIT, EV_V4_OTHER, TCP_V4_INIT, TIMER_KEEP, "any other: unchanged" },
	/* V6 INIT */
	{ TCP_V6_INIT, EV_V6_SYN, TCP_V6_INIT, TIMER_TRANS, "V6 SYN: TCP_TRANS again" },
	{ TCP_V6_INIT, EV_V4_SYN, TCP_ESTABLISHED, TIMER_EST, "V4 SYN: ESTABLISHED, TCP_EST" },
	{ TCP_V6_INIT, EV_V6_FIN, TCP_V6_INIT, TIMER_KEEP, "any other: unchanged" },
	{ TCP_V6_INIT, EV_V4_FIN, TCP_V6_INIT, TIMER_KEEP, "any other: unchanged" },
	{ TCP_V6_INIT, EV_V6_RST, TCP_V6_INIT, TIMER_KEEP, "any other: unchanged" },
	{ TCP_V6_INIT, EV_V4_RST, TCP_V6_INIT, TIMER_KEEP, "any other: unchanged" },
	{ TCP_V6_INIT, EV_V6_OTHER, TCP_V6_INIT, TIMER_KEEP, "any other: unchanged" },
	{ TCP_V6_INIT, EV_V4_OTHER, TCP_V6_INIT, TIMER_KEEP, "any other: unchanged" },
	/* ESTABLISHED */
	{ TCP_ESTABLISHED, EV_V6_SYN, TCP_ESTABLISHED, TIMER_EST, "any other: TCP_EST" },
	{ TCP_ESTABLISHED, EV_V4_SYN, TCP_ESTABLISHED, TIMER_EST, "any other: TCP_EST" },
	{ TCP_ESTABLISHED, EV_V6_FIN, TCP_V6_FIN_RCV, TIMER_KEEP, "V6 FIN: V6 FIN RCV" },
	{ TCP_ESTABLISHED, EV_V4_FIN, TCP_V4_FIN_RCV, TIMER_KEEP, "V4 FIN: V4 FIN RCV" },
	{ TCP_ESTABLISHED, EV_V6_RST, TCP_TRANS, TIMER_TRANS, "RST: TRANS, TCP_TRANS" },
	{ TCP_ESTABLISHED, EV_V4_RST, TCP_TRANS, TIMER_TRANS, "RST: TRANS, TCP_TRANS" },
	{ TCP_ESTABLISHED, EV_V6_OTHER, TCP_ESTABLISHED, TIMER_EST, "any other: TCP_EST" },
	{ TCP_ESTABLISHED, EV_V4_OTHER, TCP_ESTABLISHED, TIMER_EST, "any other: TCP_EST" },
	/* V4 FIN RCV */
	{ TCP_V4_FIN_RCV, EV_V6_SYN, TCP_V4_FIN_RCV, TIMER_EST, "not V6 FIN: TCP_EST" },
	{ TCP_V4_FIN_RCV, EV_V4_SYN, TCP_V4_FIN_RCV, TIMER_EST, "not V6 FIN: TCP_EST" },
	{ TCP_V4_FIN_RCV, EV_V6_FIN, TCP_V4_FIN_V6_FIN_RCV, TIMER_TRANS, "V6 FIN: TCP_TRANS" },
	{ TCP_V4_FIN_RCV, EV_V4_FIN, TCP_V4_FIN_RCV, TIMER_EST, "not V6 FIN: TCP_EST" },
	{ TCP_V4_FIN_RCV, EV_V6_RST, TCP_V4_FIN_RCV, TIMER_TRANS, "RFC 7857 2.2" },
	{ TCP_V4_FIN_RCV, EV_V4_RST, TCP_V4_FIN_RCV, TIMER_TRANS, "RFC 7857 2.2" },
	{ TCP_V4_FIN_RCV, EV_V6_OTHER, TCP_V4_FIN_RCV, TIMER_EST, "not V6 FIN: TCP_EST" },
	{ TCP_V4_FIN_RCV, EV_V4_OTHER, TCP_V4_FIN_RCV, TIMER_EST, "not V6 FIN: TCP_EST" },
	/* V6 FIN RCV */
	{ TCP_V6_FIN_RCV, EV_V6_SYN, TCP_V6_FIN_RCV, TIMER_EST, "not V4 FIN: TCP_EST" },
	{ TCP_V6_FIN_RCV, EV_V4_SYN, TCP_V6_FIN_RCV, TIMER_EST, "not V4 FIN: TCP_EST" },
	{ TCP_V6_FIN_RCV, EV_V6_FIN, TCP_V6_FIN_RCV, TIMER_EST, "not V4 FIN: TCP_EST" },
	{ TCP_V6_FIN_RCV, EV_V4_FIN, TCP_V4_FIN_V6_FIN_RCV, TIMER_TRANS, "V4 FIN: TCP_TRANS" },
	{ TCP_V6_FIN_RCV, EV_V6_RST, TCP_V6_FIN_RCV, TIMER_TRANS, "RFC 7857 2.2" },
	{ TCP_V6_FIN_RCV, EV_V4_RST, TCP_V6_FIN_RCV, TIMER_TRANS, "RFC 7857 2.2" },
	{ TCP_V6_FIN_RCV, EV_V6_OTHER, TCP_V6_FIN_RCV, TIMER_EST, "not V4 FIN: TCP_EST" },
	{ TCP_V6_FIN_RCV, EV_V4_OTHER, TCP_V6_FIN_RCV, TIMER_EST, "not V4 FIN: TCP_EST" },
	/* V4 FIN + V6 FIN RCV */
	{ TCP_V4_FIN_V6_FIN_RCV, EV_V6_SYN, TCP_V6_INIT, TIMER_TRANS, "RFC 5382 REQ-2: re-opened" },
	{ TCP_V4_FIN_V6_FIN_RCV, EV_V4_SYN, TCP_V4_INIT, TIMER_KEEP, "RFC 5382 REQ-2: re-opened" },
	{ TCP_V4_FIN_V6_FIN_RCV, EV_V6_FIN, TCP_V4_FIN_V6_FIN_RCV, TIMER_KEEP, "only forwarded" },
	{ TCP_V4_FIN_V6_FIN_RCV, EV_V4_FIN, TCP_V4_FIN_V6_FIN_RCV, TIMER_KEEP, "only forwarded" },
	{ TCP_V4_FIN_V6_FIN_RCV, EV_V6_RST, TCP_V4_FIN_V6_FIN_RCV, TIMER_KEEP, "only forwarded" },
	{ TCP_V4_FIN_V6_FIN_RCV, EV_V4_RST, TCP_V4_FIN_V6_FIN_RCV, TIMER_KEEP, "only forwarded" },
	{ TCP_V4_FIN_V6_FIN_RCV, EV_V6_OTHER, TCP_V4_FIN_V6_FIN_RCV, TIMER_KEEP, "only forwarded" },
	{ TCP_V4_FIN_V6_FIN_RCV, EV_V4_OTHER, TCP_V4_FIN_V6_FIN_RCV, TIMER_KEEP, "only forwarded" },
	/* TRANS */
	{ TCP_TRANS, EV_V6_SYN, TCP_ESTABLISHED, TIMER_EST, "not RST: ESTABLISHED, TCP_EST" },
	{ TCP_TRANS, EV_V4_SYN, TCP_ESTABLISHED, TIMER_EST, "not RST: ESTABLISHED, TCP_EST" },
	{ TCP_TRANS, EV_V6_FIN, TCP_ESTABLISHED, TIMER_EST, "not RST: ESTABLISHED, TCP_EST" },
	{ TCP_TRANS, EV_V4_FIN, TCP_ESTABLISHED, TIMER_EST, "not RST: ESTABLISHED, TCP_EST" },
	{ TCP_TRANS, EV_V6_RST, TCP_TRANS, TIMER_KEEP, "RST: unchanged" },
	{ TCP_TRANS, EV_V4_RST, TCP_TRANS, TIMER_KEEP, "RST: unchanged" },
	{ TCP_TRANS, EV_V6_OTHER, TCP_ESTABLISHED, TIMER_EST, "not RST: ESTABLISHED, TCP_EST" },
	{ TCP_TRANS, EV_V4_OTHER, TCP_ESTABLISHED, TIMER_EST, "not RST: ESTABLISHED, TCP_EST" },
};

static void every_transition_is_that_of_rfc6146_3_5_2_2(void **state)
{
	bool seen[TCP_N_STATES][TCP_N_EVENTS] = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];
		struct tcp_step got = tcp_step(r->now, r->ev);

		if (got.next != r->next || got.timer != r->timer)
			fail_msg("row %zu, %s + event %d (%s): got %s, timer %d", i,
				 tcp_state_name(r->now), r->ev, r->why, tcp_state_name(got.next),
				 got.timer);
		assert_false(seen[r->now][r->ev]);
		seen[r->now][r->ev] = true;
	}
	for (size_t s = 0; s < TCP_N_STATES; s++)
		for (size_t e = 0; e < TCP_N_EVENTS; e++)
			assert_true(seen[s][e]);
}

static void event_is_rst_before_syn_before_fin(void **state)
{
	static const struct {
		uint8_t flags;
		enum tcp_event v6, v4;
	} table[] = {
		{ TCP_SYN, EV_V6_SYN, EV_V4_SYN },
		{ TCP_SYN | TCP_ACK, EV_V6_SYN, EV_V4_SYN },
		{ TCP_FIN, EV_V6_FIN, EV_V4_FIN },
		{ TCP_FIN | TCP_ACK | TCP_PSH, EV_V6_FIN, EV_V4_FIN },
		{ TCP_RST, EV_V6_RST, EV_V4_RST },
		{ TCP_RST | TCP_ACK, EV_V6_RST, EV_V4_RST },
		{ TCP_RST | TCP_SYN | TCP_FIN, EV_V6_RST, EV_V4_RST },
		{ TCP_SYN | TCP_FIN, EV_V6_SYN, EV_V4_SYN },
		{ TCP_ACK, EV_V6_OTHER, EV_V4_OTHER },
		{ TCP_PSH | TCP_URG, EV_V6_OTHER, EV_V4_OTHER },
		{ 0, EV_V6_OTHER, EV_V4_OTHER },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		assert_int_equal(tcp_event(table[i].flags, 0), table[i].v6);
		assert_int_equal(tcp_event(table[i].flags, 1), table[i].v4);
	}
}

/* One whole life, as a reader of the RFC would draw it. */
static void connection_that_is_reset_in_vain_lives_on(void **state)
{
	static const enum tcp_event life[] = { EV_V6_SYN, EV_V4_SYN, EV_V6_OTHER, EV_V4_RST,
					       EV_V4_OTHER, EV_V6_FIN, EV_V4_OTHER, EV_V4_FIN };
	static const enum tcp_state want[] = { TCP_V6_INIT, TCP_ESTABLISHED, TCP_ESTABLISHED,
					       TCP_TRANS, TCP_ESTABLISHED, TCP_V6_FIN_RCV,
					       TCP_V6_FIN_RCV, TCP_V4_FIN_V6_FIN_RCV };
	enum tcp_state s = TCP_CLOSED;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(life); i++) {
		s = tcp_step(s, life[i]).next;
		assert_int_equal(s, want[i]);
	}
}

static void states_are_named_as_in_the_rfc(void **state)
{
	(void)state;
	assert_string_equal(tcp_state_name(TCP_CLOSED), "CLOSED");
	assert_string_equal(tcp_state_name(TCP_V4_INIT), "V4 INIT");
	assert_string_equal(tcp_state_name(TCP_V6_INIT), "V6 INIT");
	assert_string_equal(tcp_state_name(TCP_ESTABLISHED), "ESTABLISHED");
	assert_string_equal(tcp_state_name(TCP_V4_FIN_RCV), "V4 FIN RCV");
	assert_string_equal(tcp_state_name(TCP_V6_FIN_RCV), "V6 FIN RCV");
	assert_string_equal(tcp_state_name(TCP_V4_FIN_V6_FIN_RCV), "V4 FIN + V6 FIN RCV");
	assert_string_equal(tcp_state_name(TCP_TRANS), "TRANS");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_transition_is_that_of_rfc6146_3_5_2_2),
		cmocka_unit_test(event_is_rst_before_syn_before_fin),
		cmocka_unit_test(connection_that_is_reset_in_vain_lives_on),
		cmocka_unit_test(states_are_named_as_in_the_rfc),
	};

	return cmocka_run_group_tests_name("flow/tcp", tests, NULL, NULL);
}
