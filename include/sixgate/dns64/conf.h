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
	DNS64_UPSTREAM_MAX = 16,
	DNS64_PREFIXES_MAX = 8,
	DNS64_EXCLUDE_MAX = 64,
	DNS64_NEVER_MAX = 1024,
	DNS64_ALWAYS_MAX = 1024,
	DNS64_MAPPED_MAX = 64,
	DNS64_VIEWS_MAX = 64,
	DNS64_CLIENTS_MAX = 64, /* prefixes of one view */
	DNS64_PINS_MAX = 4, /* of one upstream */
	DNS64_PIN_TEXT_MAX = 64,
	DNS64_PIN_LEN = 32, /* a SHA-256 */
	DNS64_CA_PATH_MAX = 256,
	DNS64_CACHE_MIN_BYTES = 1 << 20,
	DNS64_STALE_MAX_S = 604800, /* RFC 8767 5: one to three days; a week at most */
	DNS64_CLIENT_TIMEOUT_MIN_MS = 100,
	DNS64_CLIENT_TIMEOUT_MAX_MS = 4000
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
 */
struct dns64_upstream_conf {
	struct addr address;
	uint16_t port;
	bool tls;
	char *name;
	struct dns64_pin pin[DNS64_PINS_MAX];
	size_t n_pin;
	char ca[DNS64_CA_PATH_MAX];
};

/** struct dns64_mapped_conf - IPv4 addresses in @v4 are written into @v6; @v6.len 0: they are not
 *  shown at all. */
struct dns64_mapped_conf {
	struct prefix v4, v6;
};

/**
 * struct dns64_view_conf - other answers for some clients. A list that is empty is the section's.
 * @clients:    at least one prefix of client addresses, of either family
 * @synthesize: false: these clients get no AAAA made of A
 */
struct dns64_view_conf {
	struct prefix *clients;
	size_t n_clients;
	bool synthesize;
	struct prefix *prefix;
	size_t n_prefix;
	struct prefix *exclude;
	size_t n_exclude;
	char **never, **always;
	size_t n_never, n_always;
	struct dns64_mapped_conf *mapped;
	size_t n_mapped;
};

/**
 * struct dns64_conf - the whole section; arrays belong to the configuration's arena (default ones
 * are static)
 *
 * Of the names in the file, zones and router-advertisement are refused by the configuration until
 * they are built.
 */
struct dns64_conf {
	struct endpoint_conf *listen; /* default [::]:53, inside interfaces only */
	size_t n_listen;
	bool allow_outside;
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
	bool parallel;          /* lookup: parallel (default) or serial */
	bool break_dnssec;      /* default false */
	bool synthesize_on_error; /* on-error: synthesize (default) or servfail */
	bool allow_private;     /* nat64's: non-global IPv4 under the well-known prefix */
	uint64_t cache_bytes;   /* default 64 MiB, at least 1 MiB */
	uint32_t stale_s;       /* default one day: how long past its time an answer does for want of
				 * a better one (RFC 8767); 0: never */
	uint32_t client_timeout_ms; /* default 1500: then a client is told what is known, a stale
				     * answer or one made of A alone */
};

/** dns64_pin_parse() - Return: 0, or -EINVAL if @text is no pin. */
int dns64_pin_parse(const char *text, uint8_t out[DNS64_PIN_LEN]);

void dns64_conf_default(struct dns64_conf *c);
/** dns64_conf_complain() - everything that is wrong, each with its member. */
void dns64_conf_complain(const struct dns64_conf *c, struct complaints *to);
/** dns64_conf_check() - Return: 0 or -EINVAL with the first fault. */
int dns64_conf_check(const struct dns64_conf *c, struct err *e);
