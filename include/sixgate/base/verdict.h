/*
 * verdict.h - what becomes of a packet, and why.
 *
 * The packet world's only currency. A row of DROP_REASONS is the enum, the name that `sixgatectl
 * counters` and the metrics show, and the documentation of both.
 */
#pragma once
#include <stdint.h>

#define DROP_REASONS(_)                                                                            \
	_(NONE, "none", "not dropped")                                                             \
	/* parse */                                                                                \
	_(TRUNCATED, "truncated", "shorter than its own headers say")                              \
	_(BAD_VERSION, "bad-version", "neither IPv4 nor IPv6, or the wrong one for its device")    \
	_(BAD_HEADER, "bad-header", "an IPv4 or IPv6 header that contradicts itself")              \
	_(BAD_IPV4_CHECKSUM, "bad-ipv4-checksum", "IPv4 header checksum wrong")                    \
	_(BAD_ICMP_CHECKSUM, "bad-icmp-checksum", "ICMP error with a wrong checksum; RFC 5508 3.2") \
	_(BAD_ADDRESS, "bad-address", "an address that never appears on the wire in this place")   \
	_(EXT_HEADERS, "extension-headers", "IPv6 extension header chain too long or malformed")   \
	_(SOURCE_ROUTE, "source-route", "unexpired source route; RFC 7915 4.1, 5.1")               \
	_(BAD_OFFLOAD, "bad-offload", "offload facts that contradict the packet")                  \
	_(UNKNOWN_PROTOCOL, "unknown-protocol", "a transport protocol that is not translated")     \
	_(ICMP_TYPE, "icmp-type", "an ICMP type or code that is not translated; RFC 7915 4.2, 5.2") \
	_(ICMP_INNER, "icmp-inner", "ICMP error whose embedded packet cannot be read")             \
	/* fragments */                                                                            \
	_(FRAGMENT_NO_FIRST, "fragment-no-first", "its first fragment did not come in time")       \
	_(FRAGMENT_OVERLAP, "fragment-overlap", "overlapping fragments; RFC 5722")                 \
	_(FRAGMENT_TINY, "fragment-tiny", "first fragment without the whole transport header")     \
	_(FRAGMENT_BAD, "fragment-bad", "fragment beyond 65535 bytes or with a bad length")        \
	_(FRAGMENT_STORE_FULL, "fragment-store-full", "no room to remember another fragment")      \
	_(FRAGMENT_ICMP, "fragment-icmp", "fragmented ICMP that cannot be translated")             \
	_(FRAGMENT_ZERO_CHECKSUM, "fragment-zero-checksum",                                        \
	  "fragmented UDP without checksum; RFC 7915 4.5")                                         \
	_(UDP_ZERO_CHECKSUM, "udp-zero-checksum",                                                  \
	  "UDP over IPv4 without checksum, which the configuration refuses; RFC 7915 4.5")         \
	/* sides, addresses and policies */                                                        \
	_(LOOP, "loop", "a packet that we wrote came back")                                        \
	_(SPOOFED_INSIDE, "spoofed-inside", "an inside source address arriving from outside")      \
	_(SPOOFED_POOL6, "spoofed-pool6", "an address that stands for an IPv4 one, in the wrong place; RFC 6146 5.2") \
	_(SOURCE_NOT_INSIDE, "source-not-inside", "from inside with a foreign source; BCP 38")     \
	_(WRONG_SIDE, "wrong-side", "matches a flow, but arrived on the other side")               \
	_(MULTICAST, "multicast", "multicast is not forwarded")                                    \
	_(LINK_LOCAL, "link-local", "link-local addresses are not forwarded")                      \
	_(NO_POLICY, "no-policy", "no policy takes packets with these addresses")                  \
	_(PRIVATE_IPV4, "private-ipv4", "non-global IPv4 under 64:ff9b::/96; RFC 6052 3.1")        \
	_(UNMAPPED, "unmapped", "siit: no mapping for its source or destination; RFC 7915 4.4, 5.4") \
	_(HAIRPIN_LOOP, "hairpin-loop", "would pass through us a third time")                      \
	_(NO_BIB_ENTRY, "no-bib-entry", "from outside without a mapping; RFC 6146 3.5")            \
	_(FILTERED, "filtered", "address-dependent filtering; RFC 6146 3.5")                       \
	_(NO_FLOW, "no-flow", "not the start of a flow, and none is known")                        \
	_(NO_FLOW_ICMP, "no-flow-icmp", "ICMP error about a flow that is not known")               \
	_(UNSOLICITED, "unsolicited", "egress6: opened from outside")                              \
	_(POOL4_EXHAUSTED, "pool4-exhausted", "no free port or identifier in pool4")               \
	_(BIB_FULL, "bib-full", "no room for another mapping")                                     \
	_(QUOTA_FLOWS, "quota-flows", "the subscriber has as many flows as limits.flows")          \
	_(QUOTA_PORTS, "quota-ports", "the subscriber has as many ports as limits.ports")          \
	_(QUOTA_NEW_FLOWS, "quota-new-flows", "the subscriber opens more than limits.new-flows")   \
	_(FAIR_SHARE, "fair-share", "little is left, and the subscriber has its share of it")      \
	_(EXEMPT, "exempt", "a destination that nat64.exempt names; RFC 6888 REQ-6")               \
	_(FLOW_TABLE_FULL, "flow-table-full", "no room for another flow")                          \
	_(FLOW_CONFLICT, "flow-conflict", "another flow already has one of its keys")              \
	_(INBOUND_LIMIT, "inbound-limit", "a mapping has as many sessions as can be counted")        \
	_(NOT_READY, "not-ready", "the object it needs is being set up or gone")                   \
	/* services */                                                                             \
	_(SERVICE_PROTOCOL, "service-protocol", "a VIP, but not this protocol or port")            \
	_(NO_NODE, "no-node", "no node of the service can take it")                                \
	_(NODE_NO_FLOW, "node-no-flow", "from a node's service port, without a flow")              \
	_(NODE_FAMILY, "node-family", "no source address to reach a node of the other family")     \
	_(NODE_ON_LINK, "node-on-link", "on its node's link, so replies need services: source:")      \
	_(NODE_REFUSED, "node-refused", "a refusal that moved its connection to another node")     \
	_(STALE_OBJECT, "stale-object", "its flow belonged to something no longer configured")     \
	/* sizes and output */                                                                     \
	_(HOP_LIMIT, "hop-limit", "hop limit or TTL expired here")                                 \
	_(TOO_BIG, "too-big", "does not fit the next link and may not be fragmented")              \
	_(NO_BUFFER, "no-buffer", "no room for packets made while translating")                    \
	_(HANDOFF_FULL, "handoff-full", "the ring to the owning worker is full")                   \
	_(TX_FULL, "tx-full", "the device would not take it")                                      \
	_(TX_ERROR, "tx-error", "the device refused it")                                           \
	_(CONSUMED, "consumed", "meant for Sixgate itself")

enum drop_reason {
#define _(id, name, help) DROP_##id,
	DROP_REASONS(_)
#undef _
	DROP_N_REASONS
};

/** drop_reason_name() - for people and metrics; static text. */
const char *drop_reason_name(enum drop_reason why);
/** drop_reason_help() - one sentence; static text. */
const char *drop_reason_help(enum drop_reason why);

/** enum icmp_reply - the error that goes back to the sender with a drop; NONE for silence. The
 *  family follows the packet's (RFC 792, RFC 4443). */
enum icmp_reply {
	REPLY_NONE,
	REPLY_NO_ROUTE,         /* 3/0,  1/0 */
	REPLY_ADMIN_PROHIBITED, /* 3/13, 1/1 */
	REPLY_ADDR_UNREACHABLE, /* 3/1,  1/3 */
	REPLY_PORT_UNREACHABLE, /* 3/3,  1/4 */
	REPLY_SOURCE_POLICY,    /* 3/13, 1/5 */
	REPLY_SOURCE_ROUTE,     /* 3/5,  4/0 at Segments Left */
	REPLY_HOP_LIMIT,        /* 11/0, 3/0 */
	REPLY_TOO_BIG,          /* 3/4,  2/0 with an MTU */
	REPLY_TCP_RESET         /* a TCP RST instead of an ICMP error */
};

enum verdict_next {
	VERDICT_CONTINUE, /* go on with the next stage */
	VERDICT_FORWARD,  /* send it on its out_side */
	VERDICT_DROP,     /* with why, and perhaps a reply */
	VERDICT_HELD      /* somebody kept a copy (fragments, stored SYN, hand-off): forget it */
};

/* A struct, not an int: `return -EINVAL;` from a packet function must not compile. Built by the
 * constructors below only. */
struct verdict {
	_Alignas(4) uint8_t next; /* enum verdict_next; aligned: a whole word travels in a register */
	uint8_t why;              /* enum drop_reason */
	uint8_t reply;            /* enum icmp_reply */
	uint8_t spare;
};

#define verdict_continue()           ((struct verdict){ VERDICT_CONTINUE, DROP_NONE, REPLY_NONE, 0 })
#define verdict_forward()            ((struct verdict){ VERDICT_FORWARD, DROP_NONE, REPLY_NONE, 0 })
#define verdict_held()               ((struct verdict){ VERDICT_HELD, DROP_NONE, REPLY_NONE, 0 })
#define verdict_drop(reason)         ((struct verdict){ VERDICT_DROP, (reason), REPLY_NONE, 0 })
#define verdict_reject(reason, kind) ((struct verdict){ VERDICT_DROP, (reason), (kind), 0 })
