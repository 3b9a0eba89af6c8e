/*
 * tcp.c - the TCP session states of RFC 6146 3.5.2.2: one case per subsection, to be read side by
 * side with it. What lifetimes are in seconds, and what becomes of the packet, is not here.
 *
 * Where this is not the letter of RFC 6146:
 *  - CLOSED + V4 SYN starts the TCP_INCOMING_SYN lifetime in every case. The RFC has it only for a
 *    stored SYN and TCP_TRANS for one that was let in; a session that the outside opened must not
 *    live four minutes on a packet that nobody answered.
 *  - RST while one FIN was seen starts the transitory lifetime (RFC 7857 2.2, later and stricter);
 *    the RFC would keep a connection that was reset while closing for 2 h 4 min. Any packet that
 *    shows the RST was not believed starts TCP_EST again, as the RFC says.
 *  - A SYN after both FINs opens the next connection on the same tuple (RFC 9293 3.6.1 allows it
 *    out of TIME-WAIT, RFC 5382 REQ-2 wants every valid sequence to work); the RFC would let the
 *    lifetime run out under it. From the V4 side it buys no lifetime until V6 answers.
 *  - A SYN of the V6 side (without ACK) in TRANS does the same, by the data plane, which then asks as
 *    from CLOSED: V6 INIT, TCP_TRANS. The RFC has ESTABLISHED for any packet but an RST, which here
 *    would keep a SYN that nobody has answered, and nobody may, for 2 h 4 min.
 */
#include "sixgate/flow/tcp.h"
#include <stdbool.h>
#include "sixgate/base/must.h"

enum tcp_event tcp_event(uint8_t flags, unsigned dir)
{
	enum tcp_event v6 = EV_V6_OTHER;

	if (flags & TCP_RST)
		v6 = EV_V6_RST;
	else if (flags & TCP_SYN)
		v6 = EV_V6_SYN;
	else if (flags & TCP_FIN)
		v6 = EV_V6_FIN;
	return v6 + (dir ? 1 : 0);
}

static struct tcp_step go(enum tcp_state next, enum tcp_timer timer)
{
	return (struct tcp_step){ .next = next, .timer = timer };
}

static bool is_rst(enum tcp_event ev)
{
	return ev == EV_V6_RST || ev == EV_V4_RST;
}

static struct tcp_step step_closed(enum tcp_event ev)
{
	if (ev == EV_V6_SYN)
		return go(TCP_V6_INIT, TIMER_TRANS);
	if (ev == EV_V4_SYN)
		return go(TCP_V4_INIT, TIMER_INCOMING_SYN);
	return go(TCP_CLOSED, TIMER_KEEP);
}

static struct tcp_step step_v4_init(enum tcp_event ev)
{
	if (ev == EV_V6_SYN)
		return go(TCP_ESTABLISHED, TIMER_EST);
	return go(TCP_V4_INIT, TIMER_KEEP);
}

static struct tcp_step step_v6_init(enum tcp_event ev)
{
	if (ev == EV_V4_SYN)
		return go(TCP_ESTABLISHED, TIMER_EST);
	if (ev == EV_V6_SYN)
		return go(TCP_V6_INIT, TIMER_TRANS);
	return go(TCP_V6_INIT, TIMER_KEEP);
}

static struct tcp_step step_established(enum tcp_event ev)
{
	if (ev == EV_V4_FIN)
		return go(TCP_V4_FIN_RCV, TIMER_KEEP);
	if (ev == EV_V6_FIN)
		return go(TCP_V6_FIN_RCV, TIMER_KEEP);
	if (is_rst(ev))
		return go(TCP_TRANS, TIMER_TRANS);
	return go(TCP_ESTABLISHED, TIMER_EST);
}

/* V4 FIN RCV and V6 FIN RCV are mirror images: @other is the FIN still missing. */
static struct tcp_step step_fin_rcv(enum tcp_state now, enum tcp_event other, enum tcp_event ev)
{
	if (ev == other)
		return go(TCP_V4_FIN_V6_FIN_RCV, TIMER_TRANS);
	if (is_rst(ev))
		return go(now, TIMER_TRANS);
	return go(now, TIMER_EST);
}

static struct tcp_step step_both_fin(enum tcp_event ev)
{
	if (ev == EV_V6_SYN)
		return go(TCP_V6_INIT, TIMER_TRANS);
	if (ev == EV_V4_SYN)
		return go(TCP_V4_INIT, TIMER_KEEP);
	return go(TCP_V4_FIN_V6_FIN_RCV, TIMER_KEEP);
}

static struct tcp_step step_trans(enum tcp_event ev)
{
	return is_rst(ev) ? go(TCP_TRANS, TIMER_KEEP) : go(TCP_ESTABLISHED, TIMER_EST);
}

/* No default: -Wswitch names a state that is added and forgotten here. */
struct tcp_step tcp_step(enum tcp_state now, enum tcp_event ev)
{
	switch (now) {
	case TCP_CLOSED:
		return step_closed(ev);
	case TCP_V4_INIT:
		return step_v4_init(ev);
	case TCP_V6_INIT:
		return step_v6_init(ev);
	case TCP_ESTABLISHED:
		return step_established(ev);
	case TCP_V4_FIN_RCV:
		return step_fin_rcv(now, EV_V6_FIN, ev);
	case TCP_V6_FIN_RCV:
		return step_fin_rcv(now, EV_V4_FIN, ev);
	case TCP_V4_FIN_V6_FIN_RCV:
		return step_both_fin(ev);
	case TCP_TRANS:
		return step_trans(ev);
	case TCP_N_STATES:
		break;
	}
	abort(); /* a state that does not exist: our bug, not the network's */
}

const char *tcp_state_name(enum tcp_state s)
{
	static const char *const name[] = {
		[TCP_CLOSED] = "CLOSED",
		[TCP_V4_INIT] = "V4 INIT",
		[TCP_V6_INIT] = "V6 INIT",
		[TCP_ESTABLISHED] = "ESTABLISHED",
		[TCP_V4_FIN_RCV] = "V4 FIN RCV",
		[TCP_V6_FIN_RCV] = "V6 FIN RCV",
		[TCP_V4_FIN_V6_FIN_RCV] = "V4 FIN + V6 FIN RCV",
		[TCP_TRANS] = "TRANS",
	};
	_Static_assert(ARRAY_LEN(name) == TCP_N_STATES, "every state has a name");

	must(s < TCP_N_STATES);
	return name[s];
}
