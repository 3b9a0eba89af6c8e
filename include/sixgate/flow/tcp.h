/* tcp.h - the TCP state machine of RFC 6146 3.5.2.2 as a pure function: no clock, flow or packet. */
#pragma once
#include <stdint.h>

/* Names as in the RFC. V6 is direction 0 of a flow, V4 is direction 1. */
enum tcp_state {
	TCP_CLOSED, TCP_V4_INIT, TCP_V6_INIT, TCP_ESTABLISHED, TCP_V4_FIN_RCV, TCP_V6_FIN_RCV,
	TCP_V4_FIN_V6_FIN_RCV, TCP_TRANS, TCP_N_STATES
};

enum tcp_event {
	EV_V6_SYN, EV_V4_SYN, EV_V6_FIN, EV_V4_FIN, EV_V6_RST, EV_V4_RST, EV_V6_OTHER, EV_V4_OTHER,
	TCP_N_EVENTS
};

/* Which lifetime starts again. */
enum tcp_timer { TIMER_KEEP, TIMER_TRANS, TIMER_EST, TIMER_INCOMING_SYN };

struct tcp_step {
	uint8_t next;  /* enum tcp_state */
	uint8_t timer; /* enum tcp_timer */
};

enum { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_PSH = 8, TCP_ACK = 16, TCP_URG = 32 };

/** tcp_event() - @flags: the TCP flags byte; @dir: 0 for V6, 1 for V4. RST wins over SYN, SYN over
 *  FIN. */
enum tcp_event tcp_event(uint8_t flags, unsigned dir);

/** tcp_step() - one transition. */
struct tcp_step tcp_step(enum tcp_state now, enum tcp_event ev);

/** tcp_state_name() - as the RFC writes it; static text. */
const char *tcp_state_name(enum tcp_state s);
