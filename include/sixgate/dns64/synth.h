/*
 * synth.h - DNS64 from bytes to bytes (RFC 6147 5): what an upstream's answer says, what to do
 * next, and the messages that are made of it. No I/O, no clock; building allocates through ldns.
 *
 * A *leg* is one of the two questions behind an AAAA query: the AAAA leg and the A leg.
 */
#pragma once
#include "sixgate/base/err.h"
#include "sixgate/dns64/conf.h"
#include "sixgate/dns64/message.h"
#include "sixgate/dns64/shape.h"
#include "sixgate/translate/rfc6052.h"

enum {
	DNS64_NO_SOA_TTL_S = 600,   /* RFC 6147 5.1.7: without the SOA of the negative answer */
	DNS64_RECORDS_MAX = 2000,   /* AAAA records made for one answer: they must fit 65,535 bytes */
	DNS64_REBUILT_MAX = 256,    /* records of an answer that is taken apart for each client */
	DNS64_LOCAL_TTL_S = 600,    /* ipv4only.arpa and PTR aliases: how stale a prefix may get */
	DNS64_NEGATIVE_TTL_MAX_S = 10800, /* RFC 2308 5: one to three hours */
	DNS64_STALE_TTL_S = 30,     /* RFC 8767 4 */
	DNS64_WITHHELD_TTL_S = 30,  /* that there is no AAAA, while no translator works */
};

/** struct dns64_mapped - @to: where the addresses in @v4 are written into, unless @hidden. */
struct dns64_mapped {
	struct prefix v4;
	struct pool6 to;
	bool hidden;
};

/**
 * struct dns64_upstream - a resolver to ask, as dns64_upstream_conf says
 * @name: without the final dot, owned; NULL: none
 */
struct dns64_upstream {
	struct endpoint_conf at;
	bool tls;
	char *name;
	uint8_t pin[DNS64_PINS_MAX][DNS64_PIN_LEN];
	size_t n_pin;
	char ca[DNS64_CA_PATH_MAX];
	struct dns_name *domain; /* owned */
	size_t n_domain;
};

/** dns64_upstream_serves() - how well @u fits @name. Return: 0: it must not be asked; 1: it is asked for
 *  what no other upstream is asked for by name; more: the longer the domain that fits. */
unsigned dns64_upstream_serves(const struct dns64_upstream *u, const struct dns_name *name);

/** dns64_upstream_equal() - the same in everything but the domains: another server, if it is not. */
bool dns64_upstream_equal(const struct dns64_upstream *a, const struct dns64_upstream *b);

/**
 * struct dns64_policy - dns64_conf in the form that answering needs. Immutable.
 * @view: policies of their own, for the @clients with these prefixes and queries to these addresses
 * (@listen); none of either: any. Views have no views
 */
struct dns64_policy {
	struct pool6 *prefix;
	struct prefix *exclude;
	struct dns_name *never, *always;
	struct dns64_mapped *mapped;
	struct dns64_upstream *upstream;
	struct dns64_policy **view;
	struct dns64_zone *zone; /* sorted; views have none of their own */
	struct prefix *clients;
	struct addr *listen;
	size_t n_prefix, n_exclude, n_never, n_always, n_mapped, n_upstream, n_view, n_clients,
		n_listen, n_zone;
	unsigned view_index; /* 0: the section itself, then its views */
	uint32_t stale_s, client_timeout_ms;
	bool parallel, break_dnssec, synthesize_on_error, allow_private, allow_outside, withheld;
	bool cookies, randomize_case;
};

/** dns64_policy_new() - a copy that needs @conf no more. Return: 0, -EINVAL or -ENOMEM; on success
 *  the caller owns *@out and gives it to dns64_policy_free(). */
int dns64_policy_new(struct dns64_policy **out, const struct dns64_conf *conf, struct err *e);
void dns64_policy_free(struct dns64_policy *p); /* NULL is allowed */

/** dns64_policy_for() - the policy for a client and our address that it has asked (::, if none): of
 * the first view with both, or @p itself. */
const struct dns64_policy *dns64_policy_for(const struct dns64_policy *p, const struct addr *client,
					    const struct addr *asked);

/** dns64_never() - true if @name is in a domain of `never`. dns64_always(): the same of `always`. */
bool dns64_never(const struct dns64_policy *p, const struct dns_name *name);
bool dns64_always(const struct dns64_policy *p, const struct dns_name *name);

/** struct dns_view - an upstream's answer without its OPT, whole and well-formed
 *  (dns_message_check()); @age_s: seconds since it came, still to be taken off its TTLs;
 *  @is_stale: its time is over, and its TTLs are to be DNS64_STALE_TTL_S (RFC 8767 4).
 *  @shape: dns_shape_read() of it, or NULL: it spares taking apart and putting together. */
struct dns_view {
	const uint8_t *wire;
	size_t len;
	const struct dns_shape *shape;
	uint32_t age_s;
	bool is_stale;
};

/**
 * struct dns64_facts - what one leg's answer says
 * @n_usable:     records at the end of the CNAME chain that count: AAAA outside `exclude` of a
 *                name outside `always`, A that at least one prefix may carry (RFC 6052 3.1)
 * @n_excluded:   records that must not be shown: AAAA that count as absent (RFC 6147 5.1.4), and A
 *                in an answer to AAAA
 * @is_signed:    the records or the denial carry RRSIGs
 * @bogus:        an extended error says that DNSSEC validation failed (RFC 8914 4.6 to 4.13)
 * @negative_ttl: min(TTL of SOA, its MINIMUM) less the age; DNS64_NO_SOA_TTL_S without SOA
 */
struct dns64_facts {
	uint8_t rcode;
	unsigned n_usable, n_excluded;
	bool is_signed, bogus, has_soa;
	uint32_t negative_ttl;
};

/** dns64_examine() - @view answers its own question, of type A or AAAA. @ede: its extended error
 *  or DNS_EDE_NONE. */
struct dns64_facts dns64_examine(const struct dns64_policy *p, const struct dns_view *view,
				 int ede);

/** enum leg_state - LEG_FAILED: no upstream gave any answer in time. LEG_BARRED: none was asked, for a limit
 *  of ours; that says nothing of the name, and nothing is made because of it. */
enum leg_state { LEG_IDLE, LEG_WAITING, LEG_ANSWERED, LEG_FAILED, LEG_BARRED };

/** struct dns64_legs - how far an AAAA query has come. @impatient: the AAAA leg has had its time;
 *  it counts as failed unless its answer comes before A's. */
struct dns64_legs {
	enum leg_state aaaa_state, a_state;
	struct dns64_facts aaaa, a;
	bool dnssec_ok, impatient;
};

enum dns64_next {
	DNS64_WAIT,
	DNS64_ASK_A,
	DNS64_REPLY_ORIGINAL, /* the AAAA leg's answer, without its excluded records */
	DNS64_REPLY_SYNTHESIZED,
	DNS64_REPLY_SERVFAIL,
};

/** dns64_untouchable() - @f, of one of @l, is for who sent DO to validate (RFC 6147 5.5): as it came
 *  or not at all. */
bool dns64_untouchable(const struct dns64_policy *p, const struct dns64_legs *l,
		       const struct dns64_facts *f);

/** dns64_decide() - RFC 6147 5.1 as a function. */
enum dns64_next dns64_decide(const struct dns64_policy *p, const struct dns64_legs *legs);

/*
 * Builders. Each writes a whole message without OPT: id 0, QR and RA set, AA and AD clear. @out has
 * room for DNS_MESSAGE_MAX bytes. Return: bytes written, or 0 if the material cannot be parsed or
 * the result would be too long.
 */

/** dns64_synthesize() - the A leg's answer with AAAA records in place of A (RFC 6147 5.1.7, 5.4).
 *  @ttl_max: negative TTL of the AAAA leg. */
size_t dns64_synthesize(const struct dns64_policy *p, const struct dns_view *a, uint32_t ttl_max,
			uint8_t *out);

/** dns64_filter() - the AAAA leg's answer without excluded records and their RRSIGs. */
size_t dns64_filter(const struct dns64_policy *p, const struct dns_view *aaaa, uint8_t *out);

/** dns64_reverse() - @q, a PTR query under a prefix, answered by a CNAME to the name that @ptr
 *  answers, and by @ptr's records (RFC 6147 5.3.1, second option). */
size_t dns64_reverse(const struct dns_question *q, const struct dns_view *ptr, uint8_t *out);

/** dns64_alias() - @from is an alias, for @ttl_s, of the name that @view answers: a CNAME before its
 *  records, AD clear. @out may be where @view lies. */
size_t dns64_alias(const struct dns_name *from, uint32_t ttl_s, const struct dns_view *view,
		   uint8_t *out);

/** dns64_rebuild() - the same message, its TTLs aged and its OPT gone wherever it stood. */
size_t dns64_rebuild(const struct dns_view *view, uint8_t *out);

/** dns64_reverse_target() - true if @name is the ip6.arpa name of an address under one of the
 *  prefixes; @target is then the in-addr.arpa name of the IPv4 address in it. */
bool dns64_reverse_target(const struct dns64_policy *p, const struct dns_name *name,
			  struct dns_name *target);

/** dns64_local() - ipv4only.arpa and the reverse names of its two addresses (RFC 7050, RFC 8880
 *  7.1). Return: as the builders, with AA set; 0 if @q is about none of these names. */
size_t dns64_local(const struct dns64_policy *p, const struct dns_question *q, uint8_t *out);
