/* conf.h - the operator's choices about egress-only IPv6 (RFC 6092), section `egress6:`. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "sixgate/base/addr.h"
#include "sixgate/base/complaint.h"
#include "sixgate/base/err.h"

enum egress6_unsolicited { EGRESS6_DROP, EGRESS6_REJECT, EGRESS6_RESET };

/** struct pinhole_conf - one entry of `allow:`: flows from outside that may start.
 *  @protocol: IANA number (6, 17, 58); @n_port 0: all ports. */
struct pinhole_conf {
	uint8_t protocol;
	struct prefix destination;
	uint16_t port[16];
	uint8_t n_port;
};

enum { EGRESS6_SINK_MAX = 100, EGRESS6_FLOW_LOG_MAX_S = 86400 };

/** Seconds: least values, and the most that any timeout may be. */
enum {
	EGRESS6_TCP_ESTABLISHED_MIN_S = 7440,
	EGRESS6_TCP_TRANSITORY_MIN_S = 240,
	EGRESS6_UDP_MIN_S = 120,
	EGRESS6_ICMP_MIN_S = 60,
	EGRESS6_OTHER_MIN_S = 120,
	EGRESS6_TIMEOUT_MAX_S = 604800
};

struct egress6_timeouts {
	uint32_t tcp_established_s; /* default 7440, at least 7440 (RFC 6092 REC-35) */
	uint32_t tcp_transitory_s;  /* default 240, at least 240 */
	uint32_t udp_s;             /* default 300, at least 120 (REC-14) */
	uint32_t icmp_s;            /* default 60, at least 60 */
	uint32_t other_s;           /* default 300, at least 120 (REC-12) */
};

/**
 * struct egress6_conf - the whole section; arrays belong to the configuration's arena
 * @follow_inside: `prefixes: inside`; @prefix is then filled from the interfaces before the
 *                 tables are built
 */
struct egress6_conf {
	bool follow_inside;
	struct prefix *prefix;
	size_t n_prefix;
	enum egress6_unsolicited unsolicited;
	struct pinhole_conf *allow;
	size_t n_allow;
	bool ping_inside;
	struct egress6_timeouts timeouts;
	bool flow_log; /* `flow-log:` is there */
	char flow_log_sink[EGRESS6_SINK_MAX]; /* as nat64's */
	uint32_t flow_log_interval_s; /* default 60 */
};

void egress6_conf_default(struct egress6_conf *c);
/** egress6_conf_complain() - everything that is wrong, each with its member. */
void egress6_conf_complain(const struct egress6_conf *c, struct complaints *to);
/** egress6_conf_check() - Return: 0 or -EINVAL with the first fault. */
int egress6_conf_check(const struct egress6_conf *c, struct err *e);
