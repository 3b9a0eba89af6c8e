/* conf.h - the operator's choices about DNS64 (RFC 6147), section `dns64:`. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "sixgate/base/addr.h"
#include "sixgate/base/complaint.h"
#include "sixgate/base/err.h"

enum {
	DNS64_LISTEN_MAX = 16,
	DNS64_THREADS_MAX = 16,
	DNS64_UPSTREAM_MAX = 16,
	DNS64_UPSTREAM_DOMAINS_MAX = 64, /* of one upstream */
	DNS64_PREFIXES_MAX = 8,
	DNS64_WATCHED_MAX = 128, /* prefixes in all, whose translators are watched */
	DNS64_EXCLUDE_MAX = 64,
	DNS64_NEVER_MAX = 1024,
	DNS64_ALWAYS_MAX = 1024,
	DNS64_MAPPED_MAX = 64,
	DNS64_VIEWS_MAX = 64,
	DNS64_CLIENTS_MAX = 64, /* prefixes of one view */
	DNS64_ZONES_MAX = 1024,
	DNS64_ZONE_ADDRESSES_MAX = 16, /* of one entry and family */
	DNS64_ZONE_TEXTS_MAX = 16,
	DNS64_TEXT_MAX = 256,	  /* with the final zero: RFC 1035 3.3.14 */
	DNS64_ZONE_TTL_S = 300,	  /* default for records that stand in the file ... */
	DNS64_SERVICE_TTL_S = 5,  /* ... and for what changes with the health of nodes */
	DNS64_SERVICE_NAME_MAX = 64,
	DNS64_PINS_MAX = 4, /* of one upstream */
	DNS64_PIN_TEXT_MAX = 64,
	DNS64_PIN_LEN = 32, /* a SHA-256 */
	DNS64_CA_PATH_MAX = 256,
	DNS64_CACHE_MIN_BYTES = 1 << 20,
	DNS64_STALE_MAX_S = 604800, /* RFC 8767 5: one to three days; a week at most */
	DNS64_CLIENT_TIMEOUT_MIN_MS = 100,
	DNS64_CLIENT_TIMEOUT_MAX_MS = 4000,
	DNS64_RA_INTERFACES_MAX = 32,
	DNS64_RA_INTERFACE_NAME_MAX = 16,
	DNS64_RA_INTERVAL_MIN_S = 4, /* RFC 4861 6.2.1 */
	DNS64_RA_INTERVAL_MAX_S = 1800,
	DNS64_RA_ROUTER_LIFETIME_MAX_S = 9000,
	DNS64_RA_LIFETIME_MAX_S = 65528, /* RFC 8781 4 */
	DNS64_RA_TIMES = 3, /* lifetimes are so many intervals unless told otherwise */
	DNS64_RA_AUTO = 1,  /* router_lifetime_s: that */
	DNS64_PROBE_INTERVAL_MIN_MS = 500,
	DNS64_PROBE_INTERVAL_MAX_MS = 3600000,
	DNS64_PROBE_TIMEOUT_MIN_MS = 100,
	DNS64_PROBE_COUNT_MAX = 100
};
#define DNS64_CACHE_MAX_BYTES ((uint64_t)64 << 30)

/** struct endpoint_conf - an address with a port; default port 53. */
struct endpoint_conf {
	struct addr address;
	uint16_t port;
};

/** struct dns64_pin - "sha256/" and the base64 of a SHA-256 over a SubjectPublicKeyInfo (RFC 7858
 *  4.2), 32 bytes. */
struct dns64_pin {
	char text[DNS64_PIN_TEXT_MAX];
};

/**
 * struct dns64_upstream_conf - a resolver to ask
 * @port: default 53, with @tls 853
 * @tls:  DNS over TLS and nothing else (RFC 7858, RFC 8310 5: strict privacy)
 * @name: what its certificate is checked for against the trust anchors; NULL: only @pin counts
 * @pin:  its key, or with @name one of its certified chain, has to be one of these; none: any
 * @ca:   file of trust anchors, PEM; empty: the system's
 * @domain: asked for these names and what is below them, and for nothing else; the longest match of all
 *          upstreams wins, and nobody else hears of such a name. None: asked for all other names
 */
struct dns64_upstream_conf {
	struct addr address;
	uint16_t port;
	bool tls;
	char *name;
	struct dns64_pin pin[DNS64_PINS_MAX];
	size_t n_pin;
	char ca[DNS64_CA_PATH_MAX];
	char **domain; /* as `never` */
	size_t n_domain;
};

/** struct dns64_mapped_conf - IPv4 addresses in @v4 are written into @v6; @v6.len 0: they are not
 *  shown at all. */
struct dns64_mapped_conf {
	struct prefix v4, v6;
};

/**
 * struct dns64_view_conf - other answers for some clients
 * @has_*:      a list that is given counts, also an empty one; else the section's
 * @clients:    prefixes of client addresses, of either family; none: any client
 * @listen:     our addresses that queries came to; none: any. One of the two at least is given, and
 * of both both must hold
 * @synthesize: false: these clients get no AAAA made of A
 * @withheld:   as in the section; not for the file to say
 */
struct dns64_view_conf {
	struct prefix *clients;
	size_t n_clients;
	struct addr *listen;
	size_t n_listen;
	bool synthesize, withheld;
	struct prefix *prefix;
	size_t n_prefix;
	struct prefix *exclude;
	size_t n_exclude;
	char **never, **always;
	size_t n_never, n_always;
	struct dns64_mapped_conf *mapped;
	size_t n_mapped;
	bool has_prefix, has_exclude, has_never, has_always, has_mapped;
};

struct dns64_text_conf {
	char text[DNS64_TEXT_MAX];
};

enum dns64_zone_answer { DNS64_ANSWER_ADDRESSES, DNS64_ANSWER_NODES };

/**
 * struct dns64_zone_conf - a name whose records are known here; nobody else is asked for any type
 * @name, @cname, @ptr: absolute, lower case; @cname and @ptr may be NULL. With @cname there is
 *          nothing else
 * @a, @aaaa: both in our form; AAAA is made of A where there is none
 * @service: if not empty, the addresses are this service's: its own, or those of its nodes
 * @ttl_s:  0: DNS64_ZONE_TTL_S, DNS64_SERVICE_TTL_S
 */
struct dns64_zone_conf {
	char *name, *cname, *ptr;
	struct addr *a, *aaaa;
	struct dns64_text_conf *txt;
	size_t n_a, n_aaaa, n_txt;
	char service[DNS64_SERVICE_NAME_MAX];
	uint8_t answer; /* enum dns64_zone_answer */
	uint32_t ttl_s;
};

/**
 * struct dns64_ra_conf - `router-advertisement:`, the prefixes told on inside links (RFC 8781)
 * @prefix:     none: the section's own
 * @source:     all zero: the interface's link-local address; else one that no interface has
 * @interval_s: at most so far apart
 * @lifetime_s: of a prefix; 0: DNS64_RA_TIMES intervals
 * @router_lifetime_s: 0: not a default router; DNS64_RA_AUTO: DNS64_RA_TIMES intervals
 */
struct dns64_ra_conf {
	char interface[DNS64_RA_INTERFACES_MAX][DNS64_RA_INTERFACE_NAME_MAX];
	size_t n_interface;
	bool pref64;
	struct prefix *prefix;
	size_t n_prefix;
	struct addr source;
	uint32_t interval_s, lifetime_s, router_lifetime_s;
};

/**
 * struct dns64_probe_conf - `probe:`, how a translator is asked whether it works
 * @address: IPv4; asked under each prefix
 * @port:    0: by ping; else by a TCP connection
 */
struct dns64_probe_conf {
	struct addr address;
	uint16_t port;
	uint32_t interval_ms, timeout_ms, rise, fall;
};

/**
 * struct dns64_conf - the whole section; arrays belong to the configuration's arena (default ones
 * are static)
 */
struct dns64_conf {
	struct endpoint_conf *listen; /* default [::]:53, inside interfaces only */
	size_t n_listen;
	bool allow_outside;
	unsigned threads; /* default 1; each with its share of the cache */
	struct dns64_upstream_conf *upstream; /* at least one */
	size_t n_upstream;
	bool cookies;        /* default true: RFC 7873, towards clients and towards upstreams */
	bool randomize_case; /* default false: questions over UDP in mixed case (0x20) */
	struct prefix *prefix; /* default: nat64's */
	size_t n_prefix;
	struct prefix *exclude; /* default ::ffff:0:0/96, which is every IPv4 address in our form */
	size_t n_exclude;
	char **never; /* domains, absolute, lower case, with the final dot */
	size_t n_never;
	char **always; /* the same: real AAAA records are as if they were not */
	size_t n_always;
	struct dns64_mapped_conf *mapped; /* the longest match counts */
	size_t n_mapped;
	struct dns64_view_conf *view; /* the first one that has the client counts */
	size_t n_view;
	struct dns64_zone_conf *zone;
	size_t n_zone;
	bool parallel;          /* lookup: parallel (default) or serial */
	bool break_dnssec;      /* default false */
	bool synthesize_on_error; /* on-error: synthesize (default) or servfail */
	bool allow_private;     /* nat64's: non-global IPv4 under the well-known prefix */
	uint64_t cache_bytes;   /* default 64 MiB, at least 1 MiB */
	uint32_t stale_s;       /* default one day: how long past its time an answer does for want of
				 * a better one (RFC 8767); 0: never */
	uint32_t client_timeout_ms; /* default 1500: then a client is told what is known, a stale
				     * answer or one made of A alone */
	bool require_nat64;     /* default false: synthesise only what a working translator takes */
	bool withheld;          /* not for the file to say: there are no prefixes because none works now,
				 * so that there is no AAAA is true for a short time only */
	bool has_probe;
	struct dns64_probe_conf probe;
	bool has_ra;
	struct dns64_ra_conf ra;
};

/** dns64_pin_parse() - Return: 0, or -EINVAL if @text is no pin. */
int dns64_pin_parse(const char *text, uint8_t out[DNS64_PIN_LEN]);

void dns64_conf_default(struct dns64_conf *c);
/** dns64_conf_complain() - everything that is wrong, each with its member. */
void dns64_conf_complain(const struct dns64_conf *c, struct complaints *to);
/** dns64_conf_ra_lifetime_s() - of a prefix that is advertised, DNS64_RA_LIFETIME_MAX_S at most.
 *  dns64_conf_router_lifetime_s(): of the default router; 0: it is none. */
uint32_t dns64_conf_ra_lifetime_s(const struct dns64_ra_conf *c);
uint32_t dns64_conf_router_lifetime_s(const struct dns64_ra_conf *c);
/** dns64_conf_listens_on() - would queries to @a and @port come to a listener, if @a is ours? */
bool dns64_conf_listens_on(const struct dns64_conf *c, const struct addr *a, uint16_t port);
/** dns64_conf_check() - Return: 0 or -EINVAL with the first fault. */
int dns64_conf_check(const struct dns64_conf *c, struct err *e);
