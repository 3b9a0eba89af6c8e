/*
 * tables.c - every key of the file: which member it is, what may stand there, what it means.
 *
 * Defaults are not here: each room's x_conf_default() says them, and the example file shows what it
 * said. Ranges are the rooms' own constants.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "fields.h"
#include "sixgate/base/must.h"
#include "sixgate/egress6/egress6.h"
#include "sixgate/nat64/event.h"
#include "sixgate/nat64/nat64.h"

/* A row says what it needs; the rest is zero. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define AT(type, member)   .at = offsetof(type, member), .size = sizeof(((type *)0)->member)
#define COUNT(type, member)                                                                        \
	.count_at = offsetof(type, member), .count_size = sizeof(((type *)0)->member)
#define FIELDS(table) .field = (table), .n = ARRAY_LEN(table)
#define WORDS(...) (const struct word[]){ __VA_ARGS__, { 0 } }

/* ---- gateway ---- */

static const struct field metrics_fields[] = {
	{ "address", FIELD_ADDRESS, 0, AT(struct endpoint_conf, address), .help = "the address" },
	{ "port", FIELD_NUMBER, 0, AT(struct endpoint_conf, port), 1, 65535, .help = "the port" },
};

static const struct record metrics_record = {
	.what = "an address", FIELDS(metrics_fields), .size = sizeof(struct endpoint_conf),
	.short_key = "address", .flow = true,
};

static const struct field gateway_fields[] = {
	{ "name", FIELD_NAME, 0, AT(struct gateway_conf, name), .example = "edge-1",
	  .help = "in logs and metrics; default: the host's name" },
	{ "workers", FIELD_NUMBER, 0, AT(struct gateway_conf, workers), 1, STEER_WORKERS_MAX,
	  .words = WORDS({ "auto", 0 }), .restart = "gateway.workers",
	  .help = "data-plane threads" },
	{ "flows", FIELD_SIZE, 0, AT(struct gateway_conf, flows), 1 << 10, 64 << 20,
	  .restart = "gateway.flows", .help = "flow table capacity, all workers together" },
	{ "user", FIELD_NAME, 0, AT(struct gateway_conf, user), .restart = "gateway.user",
	  .help = "who the gateway runs as after start-up" },
	{ "control", FIELD_PATH, 0, .at = offsetof(struct gateway_conf, control), .size = 108,
	  .restart = "gateway.control",
	  .help = "the socket that sixgatectl talks to" },
	{ "metrics", FIELD_RECORD, 0, AT(struct gateway_conf, metrics_listen),
	  .record = &metrics_record, .present_at = offsetof(struct gateway_conf, metrics),
	  .help = "Prometheus metrics over HTTP, if this key is there" },
};

static const struct record gateway_record = {
	.what = "the gateway's settings", FIELDS(gateway_fields),
	.size = sizeof(struct gateway_conf),
};

/* ---- interfaces ---- */

static const struct field interface_item = { .kind = FIELD_INTERFACE, .size = INTERFACE_NAME_MAX };

static const struct list inside_list = {
	.item = &interface_item, COUNT(struct interfaces_conf, n_inside), .max = INTERFACES_MAX,
	.in_place = true,
};

static const struct list outside_list = {
	.item = &interface_item, COUNT(struct interfaces_conf, n_outside), .max = INTERFACES_MAX,
	.in_place = true,
};

static const struct field interfaces_fields[] = {
	{ "inside", FIELD_LIST, 0, AT(struct interfaces_conf, inside), .list = &inside_list,
	  .example = "[lan0]", .help = "the side we serve" },
	{ "outside", FIELD_LIST, 0, AT(struct interfaces_conf, outside), .list = &outside_list,
	  .example = "[wan0]",
	  .help = "the rest of the world (may be the same interface: one-armed)" },
	{ "io", FIELD_CHOICE, 0, AT(struct interfaces_conf, io),
	  .words = WORDS({ "auto", IO_AUTO }, { "tun", IO_TUN }, { "xdp", IO_XDP }),
	  .restart = "interfaces.io",
	  .help = "how packets come and go; xdp: past the kernel's forwarding and firewall; auto: the log says why" },
	{ "tun", FIELD_INTERFACE, 0, AT(struct interfaces_conf, tun), .restart = "interfaces.tun",
	  .help = "name of the inside device; the outside one has an o behind it" },
	{ "manage", FIELD_BOOL, 0, AT(struct interfaces_conf, manage),
	  .help = "set up routes, rules and proxy neighbours ourselves" },
};

static const struct record interfaces_record = {
	.what = "interfaces", FIELDS(interfaces_fields), .size = sizeof(struct interfaces_conf),
};

/* ---- nat64 ---- */

static const struct field prefix6_item = { .kind = FIELD_PREFIX, .flags = FIELD_IPV6_ONLY,
					   .size = sizeof(struct prefix) };

static const struct list nat64_prefix_list = {
	.item = &prefix6_item, COUNT(struct nat64_conf, n_prefix), .max = NAT64_PREFIXES_MAX,
};

#define NAT64_PROTOCOLS WORDS({ "tcp", NAT64_TCP }, { "udp", NAT64_UDP }, { "icmp", NAT64_ICMP })

static const struct field pool4_fields[] = {
	{ "address", FIELD_POOL4, FIELD_REQUIRED, .at = 0,
	  .size = offsetof(struct pool4_conf, port_first), .example = "198.51.100.10",
	  .help = "an address, prefix or range; outside: the outside interface's own, shared" },
	{ "ports", FIELD_PORTS, 0, .at = offsetof(struct pool4_conf, port_first),
	  .size = 2 * sizeof(uint16_t), .min = 1, .max = 65535, .example = "1024-65535",
	  .help = "default 1024-65535, for outside 10000-29999" },
	{ "protocols", FIELD_SET, 0, AT(struct pool4_conf, protocols), .words = NAT64_PROTOCOLS,
	  .help = "what the entry is for" },
};
_Static_assert(offsetof(struct pool4_conf, port_last) ==
		       offsetof(struct pool4_conf, port_first) + sizeof(uint16_t),
	       "FIELD_PORTS is two neighbours");

static void pool4_init(void *base)
{
	*(struct pool4_conf *)base =
		(struct pool4_conf){ .protocols = NAT64_TCP | NAT64_UDP | NAT64_ICMP };
}

static void pool4_finish(struct reader *r, struct tree *t, void *base)
{
	struct pool4_conf *p = base;

	(void)r, (void)t;
	if (p->port_first)
		return;
	p->port_first = p->outside ? 10000 : 1024;
	p->port_last = p->outside ? 29999 : 65535;
}

static const struct record pool4_record = {
	.what = "a part of the pool", FIELDS(pool4_fields), .size = sizeof(struct pool4_conf),
	.short_key = "address", .flow = true, .init = pool4_init, .finish = pool4_finish,
};
static const struct field pool4_item = { .kind = FIELD_RECORD, .record = &pool4_record,
					 .size = sizeof(struct pool4_conf) };
static const struct list pool4_list = {
	.item = &pool4_item, COUNT(struct nat64_conf, n_pool4), .max = NAT64_POOL_MAX,
};

static const struct field static_inside_fields[] = {
	{ "address", FIELD_ADDRESS, FIELD_REQUIRED | FIELD_IPV6_ONLY,
	  AT(struct static_conf, inside), .example = "2001:db8:1::80", .help = "the host's address" },
	{ "port", FIELD_NUMBER, FIELD_REQUIRED, AT(struct static_conf, inside_port), 1, 65535,
	  .example = "443", .help = "its port; for icmp the identifier" },
};
static const struct field static_outside_fields[] = {
	{ "address", FIELD_ADDRESS, FIELD_REQUIRED | FIELD_IPV4_ONLY,
	  AT(struct static_conf, outside), .example = "198.51.100.10", .help = "an address of pool4" },
	{ "port", FIELD_NUMBER, FIELD_REQUIRED, AT(struct static_conf, outside_port), 1, 65535,
	  .example = "443", .help = "its port; for icmp the identifier" },
};
static const struct record static_inside_record = {
	.what = "an address and a port", FIELDS(static_inside_fields), .flow = true,
};
static const struct record static_outside_record = {
	.what = "an address and a port", FIELDS(static_outside_fields), .flow = true,
};

static const struct field static_fields[] = {
	{ "protocol", FIELD_CHOICE, FIELD_REQUIRED, AT(struct static_conf, protocol),
	  .words = NAT64_PROTOCOLS, .example = "tcp", .help = "one protocol" },
	{ "inside", FIELD_RECORD, FIELD_REQUIRED, .record = &static_inside_record,
	  .help = "where it goes" },
	{ "outside", FIELD_RECORD, FIELD_REQUIRED, .record = &static_outside_record,
	  .help = "what reaches this address and port" },
};
static const struct record static_record = {
	.what = "a static entry", FIELDS(static_fields), .size = sizeof(struct static_conf),
	.flow = true,
};
static const struct field static_item = { .kind = FIELD_RECORD, .record = &static_record,
					  .size = sizeof(struct static_conf) };
static const struct list static_list = {
	.item = &static_item, COUNT(struct nat64_conf, n_static), .max = NAT64_STATIC_MAX,
};

static const struct field limits_fields[] = {
	{ "subscriber-prefix", FIELD_NUMBER, 0, AT(struct nat64_limits, subscriber_prefix),
	  NAT64_SUBSCRIBER_MIN, 128, .words = WORDS({ "auto", 0 }),
	  .help = "bits; auto: 128 on the links of inside interfaces, 64 where routed" },
	{ "flows", FIELD_NUMBER, 0, AT(struct nat64_limits, flows), 1, NAT64_LIMIT_MAX,
	  .words = WORDS({ "off", 0 }),
	  .help = "at a time; off: a fair share once the table is half full" },
	{ "ports", FIELD_NUMBER, 0, AT(struct nat64_limits, ports), 1, NAT64_LIMIT_MAX,
	  .words = WORDS({ "off", 0 }),
	  .help = "and identifiers; off: a fair share once half of the pool is given out" },
	{ "new-flows", FIELD_RATE, 0, AT(struct nat64_limits, new_flows), 1, NAT64_NEW_FLOWS_MAX,
	  .words = WORDS({ "off", 0 }), .help = "500/s; those of one second may come at once" },
};
static const struct record limits_record = {
	.what = "limits", FIELDS(limits_fields), .size = sizeof(struct nat64_limits),
};

static const struct field quarantine_fields[] = {
	{ "time", FIELD_SECONDS, 0, AT(struct nat64_quarantine, time_s), 1, NAT64_QUARANTINE_MAX_S,
	  .words = WORDS({ "off", 0 }), .help = "until another subscriber may have a freed port" },
	{ "ports", FIELD_NUMBER, 0, AT(struct nat64_quarantine, ports), 64, NAT64_LIMIT_MAX,
	  .words = WORDS({ "off", 0 }),
	  .help = "at most, of each worker; beyond it the oldest is free; off: no bound" },
};
static const struct record quarantine_record = {
	.what = "the quarantine of ports", FIELDS(quarantine_fields),
	.size = sizeof(struct nat64_quarantine),
};

static const struct field exempt_fields[] = {
	{ "destination", FIELD_PREFIX, FIELD_REQUIRED | FIELD_IPV4_ONLY,
	  AT(struct exempt_conf, destination), .example = "203.0.113.0/24",
	  .help = "IPv4 addresses that nobody reaches through NAT64" },
	{ "ports", FIELD_PORTS, 0, .at = offsetof(struct exempt_conf, port_first),
	  .size = 2 * sizeof(uint16_t), .min = 0, .max = 65535, .example = "25",
	  .help = "of TCP and UDP; default: all, and ICMP" },
};
static void exempt_init(void *base)
{
	*(struct exempt_conf *)base = (struct exempt_conf){ .port_last = 65535 };
}
static const struct record exempt_record = {
	.what = "an exempt destination", FIELDS(exempt_fields), .size = sizeof(struct exempt_conf),
	.short_key = "destination", .flow = true, .init = exempt_init,
};
static const struct field exempt_item = { .kind = FIELD_RECORD, .record = &exempt_record,
					  .size = sizeof(struct exempt_conf) };
static const struct list exempt_list = {
	.item = &exempt_item, COUNT(struct nat64_conf, n_exempt), .max = NAT64_EXEMPT_MAX,
};

#define TIMEOUT(key, type, member, min, max, help_text)                                            \
	{                                                                                          \
		key, FIELD_SECONDS, 0, AT(type, member), min, max, .help = help_text               \
	}

static const struct field nat64_timeouts_fields[] = {
	TIMEOUT("tcp-established", struct nat64_timeouts, tcp_established_s,
		NAT64_TCP_ESTABLISHED_MIN_S, NAT64_TIMEOUT_MAX_S, "TCP_EST"),
	TIMEOUT("tcp-transitory", struct nat64_timeouts, tcp_transitory_s,
		NAT64_TCP_TRANSITORY_MIN_S, NAT64_TIMEOUT_MAX_S, "TCP_TRANS"),
	TIMEOUT("tcp-incoming-syn", struct nat64_timeouts, tcp_incoming_syn_s,
		NAT64_TCP_INCOMING_SYN_MIN_S, NAT64_TCP_INCOMING_SYN_MAX_S,
		"TCP_INCOMING_SYN: how long a session from outside waits for an answer"),
	TIMEOUT("udp", struct nat64_timeouts, udp_s, NAT64_UDP_MIN_S, NAT64_TIMEOUT_MAX_S,
		"UDP_DEFAULT"),
	TIMEOUT("icmp", struct nat64_timeouts, icmp_s, NAT64_ICMP_MIN_S, NAT64_TIMEOUT_MAX_S,
		"ICMP_DEFAULT"),
	TIMEOUT("fragment", struct nat64_timeouts, fragment_s, NAT64_FRAGMENT_MIN_S,
		NAT64_FRAGMENT_MAX_S, "FRAGMENT_MIN"),
};
static const struct record nat64_timeouts_record = {
	.what = "timeouts", FIELDS(nat64_timeouts_fields), .size = sizeof(struct nat64_timeouts),
};

static const struct field nat64_log_fields[] = {
	{ "sink", FIELD_TOKEN, FIELD_REQUIRED, AT(struct nat64_conf, log_sink), .example = "journal",
	  .placed = "nat64.log",
	  .help = "journal, an absolute path, or socket:PATH for datagrams; lines of JSON" },
	{ "what", FIELD_SET, 0, AT(struct nat64_conf, log_what),
	  .words = WORDS({ "port-blocks", NAT64_LOG_BLOCKS }, { "sessions", NAT64_LOG_SESSIONS }),
	  .example = "[port-blocks]",
	  .help = "port-blocks: few lines; sessions: two for each (RFC 6888 REQ-12, REQ-14)" },
	{ "destinations", FIELD_BOOL, 0, AT(struct nat64_conf, log_destinations),
	  .help = "with sessions: whom they are with, too" },
};

static void init_nat64_log(void *base)
{
	struct nat64_conf *c = base;

	c->log_what = NAT64_LOG_BLOCKS;
	c->log_destinations = false;
}

static void check_sink(struct reader *r, struct tree *t, const char *name)
{
	const char *path = strncmp(name, "socket:", 7) == 0 ? name + 7 : name;
	struct tree *sink = tree__find(t, "sink");

	if (sink && !sink->bad && strcmp(name, "journal") != 0 && *path != '/')
		problems__at(r->problems, sink,
			     "expected journal, an absolute path, or socket: and one, not \"%s\"", name);
}

static void finish_nat64_log(struct reader *r, struct tree *t, void *base)
{
	struct nat64_conf *c = base;

	check_sink(r, t, c->log_sink);
	if (c->log_destinations && !(c->log_what & NAT64_LOG_SESSIONS))
		problems__at(r->problems, tree__find(t, "destinations"),
			     "port blocks have no destination: it goes with what: [sessions]");
	if (c->log_destinations)
		c->log_what |= NAT64_LOG_DESTINATIONS;
}

static const struct record nat64_log_record = {
	.what = "what is logged, and where", FIELDS(nat64_log_fields), .init = init_nat64_log,
	.finish = finish_nat64_log,
};

static const struct field nat64_fields[] = {
	{ "prefix", FIELD_LIST, 0, AT(struct nat64_conf, prefix), .list = &nat64_prefix_list,
	  .help = "one or more; any RFC 6052 length" },
	{ "pool4", FIELD_LIST, 0, AT(struct nat64_conf, pool4), .list = &pool4_list,
	  .help = "IPv4 addresses to share; `outside` is the router's own" },
	{ "allow-private", FIELD_BOOL, 0, AT(struct nat64_conf, allow_private),
	  .help = "RFC 6052 3.1: non-global IPv4 under the well-known prefix" },
	{ "filtering", FIELD_CHOICE, 0, AT(struct nat64_conf, filtering),
	  .words = WORDS({ "endpoint-independent", NAT64_ENDPOINT_INDEPENDENT },
			 { "address-dependent", NAT64_ADDRESS_DEPENDENT }),
	  .help = "who may answer through a mapping (RFC 6146 3)" },
	{ "static", FIELD_LIST, 0, AT(struct nat64_conf, static_entry), .list = &static_list,
	  .help = "ways in from outside that are always open" },
	{ "exempt", FIELD_LIST, 0, AT(struct nat64_conf, exempt), .list = &exempt_list,
	  .help = "destinations that are not translated to (RFC 6888 REQ-6)" },
	{ "limits", FIELD_RECORD, 0, AT(struct nat64_conf, limits), .record = &limits_record,
	  .help = "per subscriber" },
	{ "quarantine", FIELD_RECORD, 0, AT(struct nat64_conf, quarantine),
	  .record = &quarantine_record, .help = "freed ports rest (RFC 6888 REQ-8)" },
	{ "port-parity", FIELD_BOOL, 0, AT(struct nat64_conf, port_parity),
	  .help = "an even port for an even one (RFC 4787 REQ-4)" },
	{ "timeouts", FIELD_RECORD, 0, AT(struct nat64_conf, timeouts),
	  .record = &nat64_timeouts_record, .help = "RFC 6146 4" },
	{ "log", FIELD_RECORD, 0, .record = &nat64_log_record, .words = WORDS({ "off", 0 }),
	  .present_at = offsetof(struct nat64_conf, log),
	  .help = "who has which outside port, for sixgatectl who; if this key is there" },
};
static const struct record nat64_record = {
	.what = "NAT64's settings", FIELDS(nat64_fields), .size = sizeof(struct nat64_conf),
};

/* ---- siit ---- */

static const struct list siit_prefix_list = {
	.item = &prefix6_item, COUNT(struct siit_conf, n_prefix), .max = SIIT_PREFIXES_MAX,
};

static const struct field eam_fields[] = {
	{ "v4", FIELD_PREFIX, FIELD_REQUIRED | FIELD_IPV4_ONLY, AT(struct eam_conf, v4),
	  .example = "192.0.2.0/24", .help = "an IPv4 prefix or address" },
	{ "v6", FIELD_PREFIX, FIELD_REQUIRED | FIELD_IPV6_ONLY, AT(struct eam_conf, v6),
	  .example = "2001:db8:3::/120", .help = "its IPv6 prefix, with at least as long a suffix" },
};
static const struct record eam_record = {
	.what = "a mapping", FIELDS(eam_fields), .size = sizeof(struct eam_conf), .flow = true,
};
static const struct field eam_item = { .kind = FIELD_RECORD, .record = &eam_record,
				       .size = sizeof(struct eam_conf) };
static const struct list eam_list = {
	.item = &eam_item, COUNT(struct siit_conf, n_eam), .max = SIIT_EAM_MAX,
};

static const struct field prefix4_item = { .kind = FIELD_PREFIX, .flags = FIELD_IPV4_ONLY,
					   .size = sizeof(struct prefix) };
static const struct list icmp4_list = {
	.item = &prefix4_item, COUNT(struct siit_conf, n_icmp4_source), .max = SIIT_ICMP4_MAX,
};
static const struct list clat_hosts_list = {
	.item = &prefix4_item, COUNT(struct clat_conf, n_hosts), .max = SIIT_CLAT_HOSTS_MAX,
};

static const struct field resolver_item = { .kind = FIELD_ADDRESS, .size = sizeof(struct addr) };
static const struct list clat_resolvers_list = {
	.item = &resolver_item, COUNT(struct clat_conf, n_resolver), .max = SIIT_RESOLVERS_MAX,
};

static const struct field clat_fields[] = {
	{ "plat-prefix", FIELD_PREFIX, FIELD_OPTIONAL | FIELD_IPV6_ONLY, AT(struct clat_conf, plat),
	  .example = "2001:db8:ff64::/96", .help = "the provider's NAT64 prefix" },
	{ "resolvers", FIELD_LIST, FIELD_OPTIONAL | FIELD_ALTERNATIVE, AT(struct clat_conf, resolver),
	  .list = &clat_resolvers_list, .example = "[2001:db8:ffff::53]",
	  .help = "without plat-prefix: who is asked for it (RFC 7050)" },
	{ "source", FIELD_PREFIX, FIELD_REQUIRED | FIELD_IPV6_ONLY, AT(struct clat_conf, source),
	  .example = "2001:db8:464::/96",
	  .help = "what our IPv4 hosts are seen under: an RFC 6052 prefix, or one address for one host" },
	{ "hosts", FIELD_LIST, FIELD_REQUIRED, AT(struct clat_conf, hosts), .list = &clat_hosts_list,
	  .example = "[192.168.0.0/24]", .help = "IPv4 networks or hosts inside" },
};
static const struct record clat_record = {
	.what = "the CLAT's settings", FIELDS(clat_fields), .size = sizeof(struct clat_conf),
};

static const struct field siit_fields[] = {
	{ "prefix", FIELD_LIST, FIELD_OPTIONAL, AT(struct siit_conf, prefix), .list = &siit_prefix_list,
	  .example = "[2001:db8:100::/40]",
	  .help = "one or more; any RFC 6052 length; for addresses without a mapping" },
	{ "eam", FIELD_LIST, FIELD_OPTIONAL, AT(struct siit_conf, eam), .list = &eam_list,
	  .help = "explicit address mappings; the longest match wins (RFC 7757)" },
	{ "hairpin", FIELD_CHOICE, 0, AT(struct siit_conf, hairpin),
	  .words = WORDS({ "intrinsic", SIIT_INTRINSIC }, { "simple", SIIT_SIMPLE }),
	  .help = "between mapped hosts: in here, or by a router outside (RFC 7757 4.2)" },
	{ "allow-private", FIELD_BOOL, 0, AT(struct siit_conf, allow_private),
	  .help = "RFC 6052 3.1: non-global IPv4 under the well-known prefix" },
	{ "icmp4-source", FIELD_LIST, FIELD_OPTIONAL, AT(struct siit_conf, icmp4_source),
	  .list = &icmp4_list, .example = "[203.0.113.8]",
	  .help = "sources of ICMP errors of routers without an IPv4 address (RFC 6791)" },
	{ "icmp6-source", FIELD_ADDRESS, FIELD_OPTIONAL | FIELD_IPV6_ONLY,
	  AT(struct siit_conf, icmp6_source), .example = "2001:db8::2",
	  .help = "the same the other way round" },
	{ "clat", FIELD_RECORD, 0, AT(struct siit_conf, clat), .record = &clat_record,
	  .present_at = offsetof(struct siit_conf, has_clat),
	  .help = "IPv4 hosts inside reach IPv4 through an IPv6-only provider (RFC 6877)" },
};
static const struct record siit_record = {
	.what = "SIIT's settings", FIELDS(siit_fields), .size = sizeof(struct siit_conf),
};

/* ---- translation ---- */

static const struct field translation_fields[] = {
	{ "lowest-ipv6-mtu", FIELD_NUMBER, 0, AT(struct translation_conf, lowest_ipv6_mtu),
	  LOWEST_IPV6_MTU_MIN, LOWEST_IPV6_MTU_MAX,
	  .help = "bytes; what may be fragmented is cut to it" },
	{ "mss-clamp", FIELD_NUMBER, 0, AT(struct translation_conf, mss_clamp), MSS_CLAMP_MIN,
	  MSS_CLAMP_MAX, .words = WORDS({ "auto", MSS_CLAMP_AUTO }, { "off", MSS_CLAMP_OFF }),
	  .help = "bytes; auto: by the MTU of both sides" },
	{ "copy-traffic-class", FIELD_BOOL, 0, AT(struct translation_conf, copy_traffic_class),
	  .help = "RFC 7915 4.1; false: `tos` is written instead" },
	{ "tos", FIELD_NUMBER, FIELD_OPTIONAL | FIELD_ALTERNATIVE, AT(struct translation_conf, tos), 0, 255,
	  .example = "0", .help = "with `copy-traffic-class: false`" },
	{ "udp-zero-checksum", FIELD_CHOICE, 0,
	  AT(struct translation_conf, udp_zero_checksum_drop),
	  .words = WORDS({ "compute", false }, { "drop", true }),
	  .help = "IPv4 UDP without a checksum (RFC 7915 4.5)" },
	{ "allow-zero-udp-fragments", FIELD_BOOL, 0,
	  AT(struct translation_conf, allow_zero_udp_fragments),
	  .help = "the same in fragments" },
	{ "icmp-errors", FIELD_RATE, 0, AT(struct translation_conf, icmp_error_rate), 1,
	  ICMP_ERROR_RATE_MAX, .help = "errors that each worker may send (RFC 4443 2.4)" },
};
static const struct record translation_record = {
	.what = "settings of translation", FIELDS(translation_fields),
	.size = sizeof(struct translation_conf),
};

/* ---- dns64 ---- */

static const struct field pin_item = { .kind = FIELD_TOKEN, .size = sizeof(struct dns64_pin) };
static const struct list pin_list = {
	.item = &pin_item, COUNT(struct dns64_upstream_conf, n_pin), .max = DNS64_PINS_MAX,
	.in_place = true,
};
static const struct field upstream_tls_fields[] = {
	{ "name", FIELD_DOMAIN, FIELD_OPTIONAL, AT(struct dns64_upstream_conf, name),
	  .example = "dns.example", .help = "its certificate has to be for this name" },
	{ "pin", FIELD_LIST, FIELD_OPTIONAL, AT(struct dns64_upstream_conf, pin), .list = &pin_list,
	  .example = "[sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=]",
	  .help = "its key, or with a name one of its chain, has to be one of these (RFC 7858 4.2)" },
	{ "ca", FIELD_PATH, FIELD_OPTIONAL, AT(struct dns64_upstream_conf, ca),
	  .example = "/etc/ssl/certs/ca-certificates.crt",
	  .help = "trust anchors, PEM; without it the system's" },
};
static const struct record upstream_tls_record = {
	.what = "a name, a pin, or both", FIELDS(upstream_tls_fields), .flow = true,
};

static const struct field domain_item = { .kind = FIELD_DOMAIN, .size = sizeof(char *) };
static const struct list upstream_domains_list = {
	.item = &domain_item, COUNT(struct dns64_upstream_conf, n_domain),
	.min = 1, .max = DNS64_UPSTREAM_DOMAINS_MAX,
};
static const struct field upstream_fields[] = {
	{ "address", FIELD_ADDRESS, FIELD_REQUIRED, AT(struct dns64_upstream_conf, address),
	  .example = "2001:db8:ffff::53", .help = "the address" },
	{ "port", FIELD_NUMBER, 0, AT(struct dns64_upstream_conf, port), 1, 65535,
	  .example = "53", .help = "the port; with tls the default is 853" },
	{ "tls", FIELD_RECORD, FIELD_OPTIONAL | FIELD_ALTERNATIVE, .record = &upstream_tls_record,
	  .present_at = offsetof(struct dns64_upstream_conf, tls),
	  .help = "asked over TLS alone (RFC 7858)" },
	{ "domains", FIELD_LIST, FIELD_OPTIONAL | FIELD_ALTERNATIVE,
	  AT(struct dns64_upstream_conf, domain), .list = &upstream_domains_list,
	  .help = "asked for names below these alone, and nobody else is, as [corp.example, 10.in-addr.arpa]" },
};

static void dns_endpoint_init(void *base)
{
	*(struct endpoint_conf *)base = (struct endpoint_conf){ .port = 53 };
}

static void dns_upstream_init(void *base)
{
	*(struct dns64_upstream_conf *)base = (struct dns64_upstream_conf){ .port = 53 };
}

/* RFC 7858 3.1 */
static void dns_upstream_finish(struct reader *r, struct tree *t, void *base)
{
	struct dns64_upstream_conf *u = base;

	(void)r;
	if (u->tls && !tree__find(t, "port"))
		u->port = 853;
}

static const struct record upstream_record = {
	.what = "an address", FIELDS(upstream_fields), .size = sizeof(struct dns64_upstream_conf),
	.short_key = "address", .flow = true, .init = dns_upstream_init,
	.finish = dns_upstream_finish,
};
static const struct field upstream_item = { .kind = FIELD_RECORD,
						.record = &upstream_record,
						.size = sizeof(struct dns64_upstream_conf) };
static const struct field listen_fields[] = {
	{ "address", FIELD_ADDRESS, FIELD_REQUIRED, AT(struct endpoint_conf, address),
	  .example = "\"::\"", .help = "the address" },
	{ "port", FIELD_NUMBER, 0, AT(struct endpoint_conf, port), 1, 65535, .help = "the port" },
};
static const struct record listen_record = {
	.what = "an address", FIELDS(listen_fields), .size = sizeof(struct endpoint_conf),
	.short_key = "address", .flow = true, .init = dns_endpoint_init,
};
static const struct field listen_item = { .kind = FIELD_RECORD, .record = &listen_record,
					  .size = sizeof(struct endpoint_conf) };
static const struct list listen_list = {
	.item = &listen_item, COUNT(struct dns64_conf, n_listen), .max = DNS64_LISTEN_MAX,
};
static const struct list upstream_list = {
	.item = &upstream_item, COUNT(struct dns64_conf, n_upstream),
	.max = DNS64_UPSTREAM_MAX,
};
static const struct list dns64_prefix_list = {
	.item = &prefix6_item, COUNT(struct dns64_conf, n_prefix), .min = 1, .max = DNS64_PREFIXES_MAX,
};
static const struct list exclude_list = {
	.item = &prefix6_item, COUNT(struct dns64_conf, n_exclude), .max = DNS64_EXCLUDE_MAX,
};
static const struct list never_list = {
	.item = &domain_item, COUNT(struct dns64_conf, n_never), .max = DNS64_NEVER_MAX,
};

static const struct list always_list = {
	.item = &domain_item, COUNT(struct dns64_conf, n_always), .max = DNS64_ALWAYS_MAX,
};

static const struct field mapped_fields[] = {
	{ "ipv4", FIELD_PREFIX, FIELD_REQUIRED | FIELD_IPV4_ONLY, AT(struct dns64_mapped_conf, v4),
	  .example = "10.0.0.0/8", .help = "addresses that are written into the prefix here" },
	{ "prefix", FIELD_PREFIX, FIELD_OPTIONAL | FIELD_IPV6_ONLY, AT(struct dns64_mapped_conf, v6),
	  .example = "2001:db8:100::/40",
	  .help = "one of nat64 or siit, where those are here; without it they are not shown at all" },
};
static const struct record mapped_record = {
	.what = "a range", FIELDS(mapped_fields), .size = sizeof(struct dns64_mapped_conf),
	.flow = true,
};
static const struct field mapped_item = { .kind = FIELD_RECORD, .record = &mapped_record,
					  .size = sizeof(struct dns64_mapped_conf) };
static const struct list mapped_list = {
	.item = &mapped_item, COUNT(struct dns64_conf, n_mapped), .max = DNS64_MAPPED_MAX,
};

static const struct field client_item = { .kind = FIELD_PREFIX, .size = sizeof(struct prefix) };
static const struct list view_clients_list = {
	.item = &client_item, COUNT(struct dns64_view_conf, n_clients), .min = 1, .max = DNS64_CLIENTS_MAX,
};
static const struct field view_listen_item = { .kind = FIELD_ADDRESS, .size = sizeof(struct addr) };
static const struct list view_listen_list = {
	.item = &view_listen_item,
	COUNT(struct dns64_view_conf, n_listen),
	.min = 1,
	.max = DNS64_LISTEN_MAX,
};
static const struct list view_prefix_list = {
	.item = &prefix6_item, COUNT(struct dns64_view_conf, n_prefix), .max = DNS64_PREFIXES_MAX,
};
static const struct list view_exclude_list = {
	.item = &prefix6_item, COUNT(struct dns64_view_conf, n_exclude), .max = DNS64_EXCLUDE_MAX,
};
static const struct list view_never_list = {
	.item = &domain_item, COUNT(struct dns64_view_conf, n_never), .max = DNS64_NEVER_MAX,
};
static const struct list view_always_list = {
	.item = &domain_item, COUNT(struct dns64_view_conf, n_always), .max = DNS64_ALWAYS_MAX,
};
static const struct list view_mapped_list = {
	.item = &mapped_item, COUNT(struct dns64_view_conf, n_mapped), .max = DNS64_MAPPED_MAX,
};
static const struct field view_fields[] = {
	{ "clients", FIELD_LIST, FIELD_OPTIONAL, AT(struct dns64_view_conf, clients),
	  .list = &view_clients_list, .example = "[2001:db8:1::/48]",
	  .help = "who is answered so; this or listen, or both" },
	{ "listen", FIELD_LIST, FIELD_OPTIONAL, AT(struct dns64_view_conf, listen),
	  .list = &view_listen_list, .example = "[2001:db8:1::53]",
	  .help = "for queries to these addresses only" },
	{ "synthesize", FIELD_BOOL, 0, AT(struct dns64_view_conf, synthesize),
	  .help = "false: no AAAA is made for them" },
	{ "prefix", FIELD_LIST, 0, AT(struct dns64_view_conf, prefix),
	  .present_at = offsetof(struct dns64_view_conf, has_prefix), .list = &view_prefix_list,
	  .example = "[64:ff9b::/96]",
	  .help = "default, as of what follows: the section's; [] is none at all" },
	{ "exclude", FIELD_LIST, 0, AT(struct dns64_view_conf, exclude),
	  .present_at = offsetof(struct dns64_view_conf, has_exclude), .list = &view_exclude_list,
	  .example = "[::ffff:0:0/96]", .help = "as in the section" },
	{ "never", FIELD_LIST, 0, AT(struct dns64_view_conf, never),
	  .present_at = offsetof(struct dns64_view_conf, has_never), .list = &view_never_list,
	  .example = "[example.internal]", .help = "as in the section" },
	{ "always", FIELD_LIST, 0, AT(struct dns64_view_conf, always),
	  .present_at = offsetof(struct dns64_view_conf, has_always), .list = &view_always_list,
	  .example = "[broken.example]", .help = "as in the section" },
	{ "mapped", FIELD_LIST, 0, AT(struct dns64_view_conf, mapped),
	  .present_at = offsetof(struct dns64_view_conf, has_mapped), .list = &view_mapped_list,
	  .help = "as in the section" },
};

static void view_init(void *base)
{
	*(struct dns64_view_conf *)base = (struct dns64_view_conf){ .synthesize = true };
}

static const struct record view_record = {
	.what = "a view", FIELDS(view_fields), .size = sizeof(struct dns64_view_conf),
	.init = view_init,
};
static const struct field view_item = { .kind = FIELD_RECORD, .record = &view_record,
					.size = sizeof(struct dns64_view_conf) };
static const struct list view_list = {
	.item = &view_item, COUNT(struct dns64_conf, n_view), .max = DNS64_VIEWS_MAX,
};

static const struct field v4_item = { .kind = FIELD_ADDRESS, .flags = FIELD_IPV4_ONLY,
				      .size = sizeof(struct addr) };
static const struct field v6_item = { .kind = FIELD_ADDRESS, .flags = FIELD_IPV6_ONLY,
				      .size = sizeof(struct addr) };
static const struct field text_item = { .kind = FIELD_TEXT, .size = DNS64_TEXT_MAX };
static const struct list zone_a_list = {
	.item = &v4_item, COUNT(struct dns64_zone_conf, n_a), .max = DNS64_ZONE_ADDRESSES_MAX,
};
static const struct list zone_aaaa_list = {
	.item = &v6_item, COUNT(struct dns64_zone_conf, n_aaaa), .max = DNS64_ZONE_ADDRESSES_MAX,
};
static const struct list zone_txt_list = {
	.item = &text_item, COUNT(struct dns64_zone_conf, n_txt), .max = DNS64_ZONE_TEXTS_MAX,
};
static bool zone_has_service(const void *base)
{
	return *((const struct dns64_zone_conf *)base)->service;
}

static const struct field dns64_zone_fields[] = {
	{ "name", FIELD_DOMAIN, FIELD_REQUIRED, AT(struct dns64_zone_conf, name),
	  .example = "s3.example.internal", .help = "nobody else is asked for it" },
	{ "service", FIELD_NAME, FIELD_OPTIONAL, AT(struct dns64_zone_conf, service),
	  .example = "s3", .help = "its addresses, in random order" },
	{ "answer", FIELD_CHOICE, 0, AT(struct dns64_zone_conf, answer),
	  .shown = zone_has_service,
	  .words = WORDS({ "addresses", DNS64_ANSWER_ADDRESSES }, { "nodes", DNS64_ANSWER_NODES }),
	  .help = "those of the service, or of up to eight nodes that are up" },
	{ "a", FIELD_LIST, FIELD_OPTIONAL | FIELD_ALTERNATIVE, AT(struct dns64_zone_conf, a), .list = &zone_a_list,
	  .help = "IPv4 addresses; AAAA is made of them where there is none" },
	{ "aaaa", FIELD_LIST, FIELD_OPTIONAL | FIELD_ALTERNATIVE, AT(struct dns64_zone_conf, aaaa),
	  .list = &zone_aaaa_list, .help = "IPv6 addresses" },
	{ "cname", FIELD_DOMAIN, FIELD_OPTIONAL | FIELD_ALTERNATIVE, AT(struct dns64_zone_conf, cname),
	  .help = "another name, here or elsewhere" },
	{ "txt", FIELD_LIST, FIELD_OPTIONAL | FIELD_ALTERNATIVE, AT(struct dns64_zone_conf, txt),
	  .list = &zone_txt_list, .help = "texts" },
	{ "ptr", FIELD_DOMAIN, FIELD_OPTIONAL | FIELD_ALTERNATIVE, AT(struct dns64_zone_conf, ptr),
	  .help = "the name, where this one is in in-addr.arpa or ip6.arpa" },
	{ "ttl", FIELD_SECONDS, FIELD_OPTIONAL | FIELD_ALTERNATIVE, AT(struct dns64_zone_conf, ttl_s), 1, 86400,
	  .help = "default: 5s for a service, 5m for records" },
};
static const struct record dns64_zone_record = {
	.what = "a name", FIELDS(dns64_zone_fields), .size = sizeof(struct dns64_zone_conf),
	.flow = true,
};
static const struct field dns64_zone_item = { .kind = FIELD_RECORD, .record = &dns64_zone_record,
					      .size = sizeof(struct dns64_zone_conf) };
static const struct list dns64_zone_list = {
	.item = &dns64_zone_item, COUNT(struct dns64_conf, n_zone), .max = DNS64_ZONES_MAX,
};

static const struct field cache_fields[] = {
	{ "size", FIELD_SIZE, 0, AT(struct dns64_conf, cache_bytes), DNS64_CACHE_MIN_BYTES,
	  DNS64_CACHE_MAX_BYTES, .help = "bytes of answers" },
	{ "serve-stale", FIELD_SECONDS, 0, AT(struct dns64_conf, stale_s), 0, DNS64_STALE_MAX_S,
	  .words = WORDS({ "off", 0 }),
	  .help = "how long past its time an answer does while no upstream knows better (RFC 8767)" },
};
static const struct record cache_record = {
	.what = "a size", FIELDS(cache_fields), .short_key = "size",
};

static const struct field ra_interface_item = { .kind = FIELD_INTERFACE,
						.size = DNS64_RA_INTERFACE_NAME_MAX };
static const struct list ra_interface_list = {
	.item = &ra_interface_item, COUNT(struct dns64_ra_conf, n_interface),
	.max = DNS64_RA_INTERFACES_MAX, .in_place = true,
};
static const struct list ra_prefix_list = {
	.item = &prefix6_item, COUNT(struct dns64_ra_conf, n_prefix), .max = DNS64_PREFIXES_MAX,
};
static const struct field ra_fields[] = {
	{ "interface", FIELD_LIST, FIELD_REQUIRED, AT(struct dns64_ra_conf, interface),
	  .list = &ra_interface_list, .example = "[lan0]", .help = "inside interfaces" },
	{ "pref64", FIELD_BOOL, 0, AT(struct dns64_ra_conf, pref64), .help = "tell the NAT64 prefixes" },
	{ "prefix", FIELD_LIST, 0, AT(struct dns64_ra_conf, prefix), .list = &ra_prefix_list,
	  .example = "[64:ff9b::/96]", .help = "which; default: the section's" },
	{ "interval", FIELD_SECONDS, 0, AT(struct dns64_ra_conf, interval_s),
	  DNS64_RA_INTERVAL_MIN_S, DNS64_RA_INTERVAL_MAX_S,
	  .help = "between two advertisements, at most" },
	{ "lifetime", FIELD_SECONDS, 0, AT(struct dns64_ra_conf, lifetime_s), 1,
	  DNS64_RA_LIFETIME_MAX_S, .words = WORDS({ "auto", 0 }),
	  .help = "how long hosts keep a prefix after the last one; auto: three intervals" },
	{ "source", FIELD_ADDRESS, FIELD_OPTIONAL | FIELD_IPV6_ONLY, AT(struct dns64_ra_conf, source),
	  .example = "fe80::64",
	  .help = "a link-local address that no interface has, beside another daemon of this host that "
		  "advertises" },
	{ "default-router", FIELD_SECONDS, 0, AT(struct dns64_ra_conf, router_lifetime_s),
	  DNS64_RA_INTERVAL_MIN_S, DNS64_RA_ROUTER_LIFETIME_MAX_S,
	  .words = WORDS({ "false", 0 }, { "true", DNS64_RA_AUTO }, { "off", 0 }),
	  .help = "hosts' default route leads here: for three intervals, or for a time that is given" },
};
static const struct record ra_record = {
	.what = "an interface and what is said on it", FIELDS(ra_fields),
	.size = sizeof(struct dns64_ra_conf),
};

static const struct field probe_fields[] = {
	{ "address", FIELD_ADDRESS, FIELD_REQUIRED | FIELD_IPV4_ONLY,
	  AT(struct dns64_probe_conf, address), .example = "192.0.2.1",
	  .help = "an IPv4 address that answers, reached under each prefix" },
	{ "port", FIELD_NUMBER, FIELD_OPTIONAL, AT(struct dns64_probe_conf, port), 1, 65535,
	  .example = "443", .help = "asked by TCP; default: by ping" },
	{ "interval", FIELD_MILLISECONDS, 0, AT(struct dns64_probe_conf, interval_ms),
	  DNS64_PROBE_INTERVAL_MIN_MS, DNS64_PROBE_INTERVAL_MAX_MS, .help = "between two probes" },
	{ "timeout", FIELD_MILLISECONDS, 0, AT(struct dns64_probe_conf, timeout_ms),
	  DNS64_PROBE_TIMEOUT_MIN_MS, DNS64_PROBE_INTERVAL_MAX_MS, .help = "for an answer" },
	{ "rise", FIELD_NUMBER, 0, AT(struct dns64_probe_conf, rise), 1, DNS64_PROBE_COUNT_MAX,
	  .help = "good ones in a row bring a translator up" },
	{ "fall", FIELD_NUMBER, 0, AT(struct dns64_probe_conf, fall), 1, DNS64_PROBE_COUNT_MAX,
	  .help = "bad ones take it down" },
};
static const struct record probe_record = {
	.what = "an IPv4 address", FIELDS(probe_fields), .size = sizeof(struct dns64_probe_conf),
	.short_key = "address",
};

static const struct field dns64_fields[] = {
	{ "lookup", FIELD_CHOICE, 0, AT(struct dns64_conf, parallel),
	  .words = WORDS({ "parallel", true }, { "serial", false }),
	  .help = "AAAA and A at once, or one after the other" },
	{ "client-timeout", FIELD_MILLISECONDS, 0, AT(struct dns64_conf, client_timeout_ms),
	  DNS64_CLIENT_TIMEOUT_MIN_MS, DNS64_CLIENT_TIMEOUT_MAX_MS,
	  .help = "then a client is told what is known: of A alone, or past its time" },
	{ "listen", FIELD_LIST, 0, AT(struct dns64_conf, listen), .list = &listen_list,
	  .help = "on the inside interfaces only, unless allow-outside" },
	{ "allow-outside", FIELD_BOOL, 0, AT(struct dns64_conf, allow_outside),
	  .help = "answer questions from outside too" },
	{ "upstream", FIELD_LIST, 0, AT(struct dns64_conf, upstream), .list = &upstream_list,
	  .help = "resolvers to ask" },
	{ "cookies", FIELD_BOOL, 0, AT(struct dns64_conf, cookies),
	  .help = "shown to clients and to upstreams, against forged addresses (RFC 7873)" },
	{ "randomize-case", FIELD_BOOL, 0, AT(struct dns64_conf, randomize_case),
	  .help = "ask upstreams in mixed case, which their answers have to repeat" },
	{ "prefix", FIELD_LIST, 0, AT(struct dns64_conf, prefix), .list = &dns64_prefix_list,
	  .example = "[64:ff9b::/96]", .help = "default: nat64's" },
	{ "exclude", FIELD_LIST, 0, AT(struct dns64_conf, exclude), .list = &exclude_list,
	  .help = "AAAA records that count as absent (RFC 6147 5.1.4)" },
	{ "never", FIELD_LIST, 0, AT(struct dns64_conf, never), .list = &never_list,
	  .example = "[example.internal]", .help = "domains never synthesised" },
	{ "always", FIELD_LIST, 0, AT(struct dns64_conf, always), .list = &always_list,
	  .example = "[broken.example]", .help = "domains whose own AAAA records are ignored" },
	{ "mapped", FIELD_LIST, 0, AT(struct dns64_conf, mapped), .list = &mapped_list,
	  .help = "IPv4 addresses with a prefix of their own, or none" },
	{ "views", FIELD_LIST, 0, AT(struct dns64_conf, view), .list = &view_list,
	  .help = "other answers for some clients; the first one with the client counts" },
	{ "zones", FIELD_LIST, 0, AT(struct dns64_conf, zone), .list = &dns64_zone_list,
	  .help = "names that are answered here: records, or a service whose nodes are watched" },
	{ "threads", FIELD_NUMBER, 0, AT(struct dns64_conf, threads), 1, DNS64_THREADS_MAX,
	  .restart = "dns64.threads",
	  .help = "that answer, each with its share of the cache" },
	{ "break-dnssec", FIELD_BOOL, 0, AT(struct dns64_conf, break_dnssec),
	  .help = "synthesise for clients that validate, too" },
	{ "on-error", FIELD_CHOICE, 0, AT(struct dns64_conf, synthesize_on_error),
	  .words = WORDS({ "synthesize", true }, { "servfail", false }),
	  .help = "when the AAAA question failed or got no answer" },
	{ "cache", FIELD_RECORD, 0, .record = &cache_record, .help = "answers kept" },
	{ "require-nat64", FIELD_BOOL, 0, AT(struct dns64_conf, require_nat64),
	  .help = "make addresses only under prefixes whose translator works" },
	{ "probe", FIELD_RECORD, 0, AT(struct dns64_conf, probe), .record = &probe_record,
	  .present_at = offsetof(struct dns64_conf, has_probe),
	  .help = "ask through each prefix whether its translator works" },
	{ "router-advertisement", FIELD_RECORD, 0, AT(struct dns64_conf, ra), .record = &ra_record,
	  .words = WORDS({ "off", 0 }), .present_at = offsetof(struct dns64_conf, has_ra),
	  .help = "tell the prefixes to hosts (PREF64, RFC 8781)" },
};
static const struct record dns64_record = {
	.what = "DNS64's settings", FIELDS(dns64_fields), .size = sizeof(struct dns64_conf),
};

/* ---- egress6 ---- */

static const struct list egress6_prefix_list = {
	.item = &prefix6_item, COUNT(struct egress6_conf, n_prefix), .max = EGRESS6_PREFIXES_MAX,
	.word = "inside", .word_at = offsetof(struct egress6_conf, follow_inside),
};
static const struct field port_item = { .kind = FIELD_NUMBER, .size = sizeof(uint16_t),
					.min = 1, .max = 65535 };
static const struct list port_list = {
	.item = &port_item, COUNT(struct pinhole_conf, n_port),
	.max = ARRAY_LEN(((struct pinhole_conf *)0)->port), .in_place = true,
};
static const struct field pinhole_fields[] = {
	{ "protocol", FIELD_CHOICE, FIELD_REQUIRED, AT(struct pinhole_conf, protocol),
	  .words = WORDS({ "tcp", IPPROTO_TCP }, { "udp", IPPROTO_UDP },
			 { "icmpv6", IPPROTO_ICMPV6 }),
	  .example = "tcp", .help = "one protocol" },
	{ "destination", FIELD_PREFIX, FIELD_REQUIRED | FIELD_IPV6_ONLY,
	  AT(struct pinhole_conf, destination), .example = "2001:db8:100::80",
	  .help = "a host or prefix inside" },
	{ "port", FIELD_LIST, 0, AT(struct pinhole_conf, port), .list = &port_list,
	  .example = "[80, 443]", .help = "ports; none: all" },
};
static const struct record pinhole_record = {
	.what = "a pinhole", FIELDS(pinhole_fields), .size = sizeof(struct pinhole_conf),
	.flow = true,
};
static const struct field pinhole_item = { .kind = FIELD_RECORD, .record = &pinhole_record,
					   .size = sizeof(struct pinhole_conf) };
static const struct list pinhole_list = {
	.item = &pinhole_item, COUNT(struct egress6_conf, n_allow), .max = EGRESS6_PINHOLES_MAX,
};

static const struct field egress6_timeouts_fields[] = {
	TIMEOUT("tcp-established", struct egress6_timeouts, tcp_established_s,
		EGRESS6_TCP_ESTABLISHED_MIN_S, EGRESS6_TIMEOUT_MAX_S, "REC-35"),
	TIMEOUT("tcp-transitory", struct egress6_timeouts, tcp_transitory_s,
		EGRESS6_TCP_TRANSITORY_MIN_S, EGRESS6_TIMEOUT_MAX_S, "connections not open"),
	TIMEOUT("udp", struct egress6_timeouts, udp_s, EGRESS6_UDP_MIN_S, EGRESS6_TIMEOUT_MAX_S,
		"REC-14"),
	TIMEOUT("icmp", struct egress6_timeouts, icmp_s, EGRESS6_ICMP_MIN_S,
		EGRESS6_TIMEOUT_MAX_S, "echo"),
	TIMEOUT("other", struct egress6_timeouts, other_s, EGRESS6_OTHER_MIN_S,
		EGRESS6_TIMEOUT_MAX_S, "other protocols"),
};
static const struct record egress6_timeouts_record = {
	.what = "timeouts", FIELDS(egress6_timeouts_fields),
	.size = sizeof(struct egress6_timeouts),
};

static const struct field flow_log_fields[] = {
	{ "sink", FIELD_TOKEN, FIELD_REQUIRED, AT(struct egress6_conf, flow_log_sink),
	  .placed = "egress6.flow-log",
	  .example = "/var/log/sixgate/flows.log",
	  .help = "journal, an absolute path, or socket:PATH for datagrams; lines of JSON" },
	TIMEOUT("interval", struct egress6_conf, flow_log_interval_s, 1, EGRESS6_FLOW_LOG_MAX_S,
		"between two lines about a flow that goes on"),
};

static void finish_flow_log(struct reader *r, struct tree *t, void *base)
{
	check_sink(r, t, ((struct egress6_conf *)base)->flow_log_sink);
}

static const struct record flow_log_record = {
	.what = "the flow log's settings", FIELDS(flow_log_fields), .finish = finish_flow_log,
};

static const struct field egress6_fields[] = {
	{ "prefixes", FIELD_LIST, 0, AT(struct egress6_conf, prefix), .list = &egress6_prefix_list,
	  .example = "inside",
	  .help = "our networks, or inside: the inside interfaces' prefixes, followed" },
	{ "unsolicited", FIELD_CHOICE, 0, AT(struct egress6_conf, unsolicited),
	  .words = WORDS({ "drop", EGRESS6_DROP }, { "reject", EGRESS6_REJECT },
			 { "reset", EGRESS6_RESET }),
	  .help = "what meets who knocks from outside" },
	{ "allow", FIELD_LIST, 0, AT(struct egress6_conf, allow), .list = &pinhole_list,
	  .help = "pinholes: flows from outside that may start" },
	{ "ping-inside", FIELD_BOOL, 0, AT(struct egress6_conf, ping_inside),
	  .help = "echo requests from outside reach hosts inside" },
	{ "timeouts", FIELD_RECORD, 0, AT(struct egress6_conf, timeouts),
	  .record = &egress6_timeouts_record, .help = "RFC 6092" },
	{ "flow-log", FIELD_RECORD, 0, .record = &flow_log_record, .words = WORDS({ "off", 0 }),
	  .present_at = offsetof(struct egress6_conf, flow_log),
	  .help = "flows as they begin, go on and end; if this key is there" },
};
static const struct record egress6_record = {
	.what = "egress6's settings", FIELDS(egress6_fields), .size = sizeof(struct egress6_conf),
};

/* ---- services ---- */

static const struct field address_item = { .kind = FIELD_ADDRESS, .size = sizeof(struct addr) };
static const struct list address_list = {
	.item = &address_item, COUNT(struct service_conf, n_address),
	.max = SERVICE_ADDRESSES_MAX, .in_place = true,
};

static const struct field node_fields[] = {
	{ "name", FIELD_NAME, FIELD_REQUIRED, AT(struct node_conf, name), .example = "store1",
	  .help = "unique in the service" },
	{ "address", FIELD_ADDRESS, FIELD_REQUIRED, AT(struct node_conf, address),
	  .example = "2001:db8:5::1", .help = "of either family" },
	{ "port", FIELD_NUMBER, FIELD_OPTIONAL, AT(struct node_conf, port), 1, 65535,
	  .example = "9000", .help = "default: the service's" },
	{ "zone", FIELD_NAME, FIELD_OPTIONAL, AT(struct node_conf, zone), .example = "a",
	  .help = "where it stands, for zones" },
	{ "weight", FIELD_NUMBER, 0, AT(struct node_conf, weight), 0, NODE_WEIGHT_MAX,
	  .help = "share of new flows; 0: none" },
};

static void node_init(void *base)
{
	node_conf_default(base);
}

static const struct record node_record = {
	.what = "a node", FIELDS(node_fields), .size = sizeof(struct node_conf), .flow = true,
	.init = node_init,
};
static const struct field node_item = { .kind = FIELD_RECORD, .record = &node_record,
					.size = sizeof(struct node_conf) };
static const struct list node_list = {
	.item = &node_item, COUNT(struct service_conf, n_node), .max = SERVICE_NODES_MAX,
};

static const struct field source_fields[] = {
	{ "v4", FIELD_ADDRESS, FIELD_OPTIONAL | FIELD_IPV4_ONLY,
	  AT(struct service_conf, source_v4), .example = "198.51.100.21", .help = "towards IPv4 nodes" },
	{ "v6", FIELD_ADDRESS, FIELD_OPTIONAL | FIELD_IPV6_ONLY,
	  AT(struct service_conf, source_v6), .example = "\"2001:db8:64:21::\"",
	  .help = "towards IPv6 nodes" },
};
static const struct record source_record = {
	.what = "addresses v4 and v6", FIELDS(source_fields), .flow = true,
};

static const struct field http_fields[] = {
	{ "path", FIELD_TOKEN, 0, AT(struct health_conf, path), .help = "what is asked for" },
	{ "status", FIELD_PORTS, 0, .at = offsetof(struct health_conf, status_first),
	  .size = 2 * sizeof(uint16_t), .min = 100, .max = 599,
	  .help = "codes that mean healthy" },
	{ "host", FIELD_TOKEN, FIELD_OPTIONAL, AT(struct health_conf, host), .example = "store",
	  .help = "default: the node's address" },
};
_Static_assert(offsetof(struct health_conf, status_last) ==
		       offsetof(struct health_conf, status_first) + sizeof(uint16_t),
	       "FIELD_PORTS is two neighbours");

static void http_init(void *base)
{
	((struct health_conf *)base)->kind = HEALTH_HTTP;
}

static const struct record http_record = {
	.what = "path, status and host", FIELDS(http_fields), .flow = true, .init = http_init,
};

static bool health_is_off(const void *base)
{
	return ((const struct health_conf *)base)->kind == HEALTH_NONE;
}

static bool health_is_tcp(const void *base)
{
	return ((const struct health_conf *)base)->kind == HEALTH_TCP;
}

static bool health_is_http(const void *base)
{
	return ((const struct health_conf *)base)->kind == HEALTH_HTTP;
}

static const struct field health_fields[] = {
	{ "preset", FIELD_PRESET, 0, .at = 0, .size = sizeof(struct health_conf),
	  .shown = health_is_off, .example = "minio",
	  .help = "how these stores are asked: minio, rgw, garage, seaweedfs, tcp, http; off" },
	{ "tcp", FIELD_CHOICE, FIELD_ALTERNATIVE, AT(struct health_conf, kind), .shown = health_is_tcp,
	  .words = WORDS({ "true", HEALTH_TCP }), .help = "a connection is enough" },
	{ "http", FIELD_RECORD, FIELD_ALTERNATIVE, .record = &http_record, .shown = health_is_http,
	  .help = "a question over HTTP" },
	{ "port", FIELD_NUMBER, FIELD_OPTIONAL, AT(struct health_conf, port), 1, 65535,
	  .example = "9000", .help = "default: the node's" },
	{ "interval", FIELD_MILLISECONDS, 0, AT(struct health_conf, interval_ms),
	  HEALTH_INTERVAL_MIN_MS, HEALTH_INTERVAL_MAX_MS, .help = "between two checks" },
	{ "timeout", FIELD_MILLISECONDS, 0, AT(struct health_conf, timeout_ms),
	  HEALTH_TIMEOUT_MIN_MS, HEALTH_INTERVAL_MAX_MS,
	  .help = "of a whole round of checks; not more than the interval" },
	{ "rise", FIELD_NUMBER, 0, AT(struct health_conf, rise), 1, HEALTH_COUNT_MAX,
	  .help = "good checks in a row that bring a node up" },
	{ "fall", FIELD_NUMBER, 0, AT(struct health_conf, fall), 1, HEALTH_COUNT_MAX,
	  .help = "failed ones that take it down" },
	{ "through-dataplane", FIELD_BOOL, 0, AT(struct health_conf, through_dataplane),
	  .help = "also as a client would come: the node must answer through us" },
};

static void health_finish(struct reader *r, struct tree *t, void *base)
{
	struct tree *http = t->kind == TREE_MAP ? tree__find(t, "http") : NULL;

	(void)base;
	if (http && tree__find(t, "tcp"))
		problems__at(r->problems, http, "expected either tcp or http, found both");
}

static const struct record health_record = {
	.what = "a preset, tcp or http", FIELDS(health_fields), .size = sizeof(struct health_conf),
	.short_key = "preset", .finish = health_finish,
};

static bool prefers_a_zone(const void *base)
{
	return ((const struct service_conf *)base)->prefer_zone[0];
}

static const struct field zones_fields[] = {
	{ "prefer", FIELD_NAME, FIELD_REQUIRED | FIELD_OPTIONAL,
	  AT(struct service_conf, prefer_zone), .example = "a",
	  .help = "the zone whose nodes get new flows" },
	{ "spill", FIELD_PERCENT, 0, AT(struct service_conf, spill_percent), 1, 100,
	  .shown = prefers_a_zone, .example = "80%",
	  .help = "while fewer of its nodes are up, the others get what is missing" },
};
static const struct record zones_record = {
	.what = "prefer and spill", FIELDS(zones_fields), .flow = true,
};

static const struct field service_fields[] = {
	{ "name", FIELD_NAME, FIELD_REQUIRED, AT(struct service_conf, name), .example = "s3",
	  .help = "in logs and metrics" },
	{ "addresses", FIELD_LIST, FIELD_REQUIRED, AT(struct service_conf, address),
	  .list = &address_list, .example = "[198.51.100.20, 2001:db8::20]",
	  .help = "the VIPs, of either family or both" },
	{ "protocol", FIELD_CHOICE, 0, AT(struct service_conf, protocol),
	  .words = WORDS({ "tcp", IPPROTO_TCP }, { "udp", IPPROTO_UDP }), .help = "of the service" },
	{ "port", FIELD_NUMBER, FIELD_REQUIRED, AT(struct service_conf, port), 1, 65535,
	  .example = "9000", .help = "what clients connect to" },
	{ "nodes", FIELD_LIST, FIELD_REQUIRED, AT(struct service_conf, node), .list = &node_list,
	  .help = "who serves it" },
	{ "scheduler", FIELD_CHOICE, 0, AT(struct service_conf, scheduler),
	  .words = WORDS({ "p2c", SCHEDULER_P2C }, { "maglev", SCHEDULER_MAGLEV },
			 { "round-robin", SCHEDULER_ROUND_ROBIN },
			 { "least-flows", SCHEDULER_LEAST_FLOWS }),
	  .help = "which node gets a new flow" },
	{ "client-address", FIELD_CHOICE, 0, AT(struct service_conf, client_address),
	  .words = WORDS({ "embed", CLIENT_EMBED }, { "keep", CLIENT_KEEP },
			 { "hide", CLIENT_HIDE }, { "proxy-v2", 0, true }),
	  .help = "what nodes see of clients" },
	{ "source", FIELD_RECORD, 0, .record = &source_record,
	  .help = "where translated clients come from" },
	{ "embed-prefix", FIELD_PREFIX, FIELD_OPTIONAL | FIELD_IPV6_ONLY,
	  AT(struct service_conf, embed_prefix), .example = "2001:db8:64:20::/96",
	  .help = "IPv6 nodes see the IPv4 client a.b.c.d as <prefix>a.b.c.d" },
	{ "health", FIELD_RECORD, 0, AT(struct service_conf, health), .record = &health_record,
	  .help = "how nodes are checked; default tcp, for udp off" },
	{ "zones", FIELD_RECORD, 0, .record = &zones_record,
	  .help = "where new flows go first" },
	{ "drain", FIELD_MILLISECONDS, 0, AT(struct service_conf, drain_ms), 0, DRAIN_MAX_MS,
	  .help = "how long flows of a node that was taken out may go on" },
	{ "slow-start", FIELD_MILLISECONDS, 0, AT(struct service_conf, slow_start_ms), 0,
	  SLOW_START_MAX_MS, .words = WORDS({ "off", 0 }),
	  .help = "a node that comes back gets its share little by little over this time" },
	{ "idle-timeout", FIELD_MILLISECONDS, 0, AT(struct service_conf, idle_timeout_ms),
	  IDLE_TIMEOUT_MIN_MS, IDLE_TIMEOUT_MAX_MS, .help = "of a flow" },
};

static void service_init(void *base)
{
	service_conf_default(base);
}

/* A TCP connection says nothing of a UDP service: without `health:` it is not checked. */
static void service_finish(struct reader *r, struct tree *t, void *base)
{
	struct service_conf *s = base;

	(void)r;
	if (s->protocol == IPPROTO_UDP && !tree__find(t, "health"))
		s->health.kind = HEALTH_NONE;
}

static const struct record service_record = {
	.what = "a service", FIELDS(service_fields), .size = sizeof(struct service_conf),
	.init = service_init, .finish = service_finish,
};
static const struct field service_item = { .kind = FIELD_RECORD, .record = &service_record,
					   .size = sizeof(struct service_conf) };
static const struct list service_list = {
	.item = &service_item, .count_at = offsetof(struct config, services.n_service),
	.count_size = sizeof(size_t), .max = SERVICES_MAX,
};

/* ---- the file ---- */

static const struct field config_fields[] = {
	{ "include", FIELD_INCLUDE },
	{ "gateway", FIELD_RECORD, 0, AT(struct config, gateway), .record = &gateway_record,
	  .help = "the process itself" },
	{ "interfaces", FIELD_RECORD, 0, AT(struct config, interfaces),
	  .record = &interfaces_record, .help = "where packets come from" },
	{ "nat64", FIELD_RECORD, 0, AT(struct config, nat64), .record = &nat64_record,
	  .present_at = offsetof(struct config, has_nat64),
	  .help = "IPv6-only hosts reach IPv4 servers (RFC 6146)" },
	{ "siit", FIELD_RECORD, 0, AT(struct config, siit), .record = &siit_record,
	  .present_at = offsetof(struct config, has_siit),
	  .help = "stateless translation (RFC 7915, 7757) and 464XLAT's customer side (RFC 6877)" },
	{ "translation", FIELD_RECORD, 0, AT(struct config, translation),
	  .record = &translation_record, .help = "shared by nat64, siit and services (RFC 7915)" },
	{ "dns64", FIELD_RECORD, 0, AT(struct config, dns64), .record = &dns64_record,
	  .present_at = offsetof(struct config, has_dns64),
	  .help = "names with only A records get AAAA (RFC 6147)" },
	{ "egress6", FIELD_RECORD, 0, AT(struct config, egress6), .record = &egress6_record,
	  .present_at = offsetof(struct config, has_egress6),
	  .help = "IPv6 hosts open flows, nobody opens one to them (RFC 6092)" },
	{ "services", FIELD_LIST, 0, AT(struct config, services.service), .list = &service_list,
	  .present_at = offsetof(struct config, has_services),
	  .help = "one address in front of many nodes" },
};

static void config_finish(struct reader *r, struct tree *t, void *base)
{
	struct config *c = base;

	(void)r, (void)t;
	if (c->has_dns64 && !c->dns64.n_prefix && !c->has_nat64 && c->has_siit) {
		c->dns64.prefix = c->siit.prefix;
		c->dns64.n_prefix = c->siit.n_prefix ? 1 : 0; /* the one that we write ourselves */
	}
	if (c->has_dns64 && !c->dns64.n_prefix && c->has_nat64) {
		c->dns64.prefix = c->nat64.prefix;
		c->dns64.n_prefix = c->nat64.n_prefix;
	}
	c->dns64.allow_private = c->has_nat64 && c->nat64.allow_private;
}

const struct record config__record = {
	.what = "sections", FIELDS(config_fields), .size = sizeof(struct config),
	.finish = config_finish,
};

/* ---- defaults of the sections that are this room's own ---- */

static void host_name(char *out, size_t size)
{
	memset(out, 0, size);
	if (gethostname(out, size - 1) || !*out)
		snprintf(out, size, "sixgate");
	for (; *out; out++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-",
			    *out))
			*out = '-';
}

void config__default(struct config *c)
{
	static const struct addr loopback = { .octet = { [15] = 1 } };

	*c = (struct config){
		.gateway = {
			.flows = 1 << 20,
			.user = "sixgate",
			.control = "/run/sixgate/control.sock",
			.metrics_listen = { loopback, 9664 },
		},
		.interfaces = { .io = IO_AUTO, .tun = "sixgate0", .manage = true },
	};
	host_name(c->gateway.name, sizeof(c->gateway.name));
	translation_conf_default(&c->translation);
	nat64_conf_default(&c->nat64);
	siit_conf_default(&c->siit);
	dns64_conf_default(&c->dns64);
	egress6_conf_default(&c->egress6);
}
