/* conf.h - the operator's choices about stateful NAT64 (RFC 6146), section `nat64:`. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "sixgate/base/addr.h"
#include "sixgate/base/complaint.h"
#include "sixgate/base/err.h"

enum nat64_protocol { NAT64_TCP = 1, NAT64_UDP = 2, NAT64_ICMP = 4 }; /* bits of a set */

enum nat64_filtering { NAT64_ENDPOINT_INDEPENDENT, NAT64_ADDRESS_DEPENDENT };

/**
 * struct pool4_conf - one entry of `pool4:`
 * @outside:   true: the outside interface's own IPv4 address, shared with the host; @first and
 *             @last are filled in from the interface before the tables are built
 * @first, @last: IPv4, inclusive
 * @port_first, @port_last: ports and ICMP identifiers, inclusive; default 1024 to 65535, for an
 *             `outside` entry 10000 to 29999
 * @protocols: set of enum nat64_protocol; default all
 */
struct pool4_conf {
	bool outside;
	struct addr first, last;
	uint16_t port_first, port_last;
	uint8_t protocols;
};

/** struct static_conf - one entry of `static:`: what reaches @outside goes to @inside, and back.
 *  For icmp the ports are identifiers. @outside is an address of pool4; its port need not be one of
 *  those that pool4 hands out, unless the address is shared with the host. */
struct static_conf {
	uint8_t protocol; /* one enum nat64_protocol */
	struct addr inside;
	struct addr outside;
	uint16_t inside_port, outside_port;
};

/** Seconds: least values by RFC 6146 4, and the most that any timeout may be. */
enum {
	NAT64_TCP_ESTABLISHED_MIN_S = 7440,
	NAT64_TCP_TRANSITORY_MIN_S = 240,
	NAT64_TCP_INCOMING_SYN_MIN_S = 6,
	NAT64_TCP_INCOMING_SYN_MAX_S = 10,
	NAT64_UDP_MIN_S = 120,
	NAT64_ICMP_MIN_S = 60,
	NAT64_FRAGMENT_MIN_S = 2,
	NAT64_FRAGMENT_MAX_S = 60,
	NAT64_TIMEOUT_MAX_S = 604800
};

/** Bytes of the name of a log, NUL included: those of a socket are shortest. */
enum { NAT64_SINK_MAX = 100 };

struct nat64_timeouts {
	uint32_t tcp_established_s;  /* default 7440, at least 7440 (TCP_EST) */
	uint32_t tcp_transitory_s;   /* default 240, at least 240 (TCP_TRANS) */
	uint32_t tcp_incoming_syn_s; /* default 6, 6 to 10 (TCP_INCOMING_SYN): how long any session that
				      * was opened from outside waits for an answer from inside */
	uint32_t udp_s;              /* default 300, at least 120 (UDP_MIN) */
	uint32_t icmp_s;             /* default 60, at least 60 (ICMP_DEFAULT) */
	uint32_t fragment_s;         /* default 2, at least 2 (FRAGMENT_MIN) */
};

/**
 * struct nat64_limits - what one subscriber may have; 0: as much as is fair
 * @subscriber_prefix: bits of an inside address that make a subscriber; 0: 128 in prefixes on the
 *                     link of an inside interface, 64 in routed ones
 * @ports:     ports and identifiers, of all protocols together
 * @new_flows: a second; as many at once
 */
struct nat64_limits {
	uint8_t subscriber_prefix;
	uint32_t flows, ports, new_flows;
};

enum {
	NAT64_SUBSCRIBER_MIN = 32, /* bits */
	NAT64_LIMIT_MAX = 1 << 26,
	NAT64_NEW_FLOWS_MAX = 4000000,
	NAT64_QUARANTINE_MAX_S = 3600,
	NAT64_EXEMPT_MAX = 64
};

/**
 * struct nat64_quarantine - freed ports rest before somebody else gets them (RFC 6888 REQ-8)
 * @time_s: default 120; 0: they do not
 * @ports:  at most so many of each worker's at a time, 0: without bound; beyond it the one that has
 *          rested longest is free
 */
struct nat64_quarantine {
	uint32_t time_s, ports;
};

/** struct exempt_conf - destinations that are not translated to (RFC 6888 REQ-6): IPv4, and of TCP
 *  and UDP the ports @port_first to @port_last; ICMP is exempt only when those are all. They win over
 *  everything: mappings, static entries, and sessions of before the reload that exempts them, which
 *  are stale. */
struct exempt_conf {
	struct prefix destination;
	uint16_t port_first, port_last;
};

/**
 * struct nat64_conf - the whole section; arrays belong to the configuration's arena (the default
 * prefix is static)
 */
struct nat64_conf {
	struct prefix *prefix; /* at least one; default 64:ff9b::/96 */
	size_t n_prefix;
	struct pool4_conf *pool4;
	size_t n_pool4;
	bool allow_private;
	enum nat64_filtering filtering;
	struct static_conf *static_entry;
	size_t n_static;
	struct nat64_limits limits;
	struct nat64_quarantine quarantine;
	bool port_parity; /* RFC 4787 REQ-4: an even port for an even one, where there is a choice */
	struct exempt_conf *exempt;
	size_t n_exempt;
	struct nat64_timeouts timeouts;
	bool log;         /* `log:` is there */
	char log_sink[NAT64_SINK_MAX]; /* `journal`, an absolute path, or `socket:` and one; not
					* looked at here */
	uint8_t log_what; /* set of enum nat64_log_what (event.h); default 0: no events are made */
	bool log_destinations; /* the operator's choice; NAT64_LOG_DESTINATIONS follows it */
	/* Not of the file: the address that the `outside` entries of pool4 stand for, once they hold its
	 * alias; zero if there is none. */
	struct addr shared_real;
};

void nat64_conf_default(struct nat64_conf *c);
/** nat64_conf_complain() - everything that is wrong, each with its member. */
void nat64_conf_complain(const struct nat64_conf *c, struct complaints *to);

/** nat64_conf_pool4_has() - @a (IPv4) is in some entry of pool4. An `outside` entry that is not
 *  filled in yet has no address. */
bool nat64_conf_pool4_has(const struct nat64_conf *c, const struct addr *a);

/** nat64_conf_ephemeral_left() - how many ports of the host's ephemeral range, @first to @last
 *  inclusive, the `outside` entries leave to the host. It needs NAT64_HOST_PORTS_MIN. */
uint32_t nat64_conf_ephemeral_left(const struct nat64_conf *c, uint16_t first, uint16_t last);
enum { NAT64_HOST_PORTS_MIN = 4096 };

/** nat64_conf_check() - everything that can be said without looking at other sections: prefixes,
 *  ranges, static entries inside the pool and not twice, timeouts. Return: 0 or -EINVAL. */
int nat64_conf_check(const struct nat64_conf *c, struct err *e);
