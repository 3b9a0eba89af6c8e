/*
 * dns64.h - the DNS64 server: a caching forwarder that makes AAAA records of A records.
 *
 * It lives on one libuv loop, in one thread: every function here is called on that thread, except
 * the two that open sockets, and reading the counters. It makes its upstream sockets itself and
 * needs no privilege.
 *
 * - client:   who asks, over UDP or TCP, at a listener
 * - task:     one client's query until it is answered
 * - lookup:   one question to the upstreams, shared by all tasks that wait for it
 * - upstream: a recursive resolver
 */
#pragma once
#include <uv.h>
#include "sixgate/base/counter.h"
#include "sixgate/base/err.h"
#include "sixgate/base/hash.h"
#include "sixgate/dns64/conf.h"
#include "sixgate/dns64/zone.h"

/* Bounds. What is beyond them is dropped and counted. */
enum {
	DNS64_TASKS_MAX = 4096,	  /* queries being answered */
	DNS64_LOOKUPS_MAX = 4096, /* different questions under way to upstreams */
	DNS64_CLIENT_TASKS_MAX = 512, /* queries of one client: an IPv4 address or an IPv6 /64 */
	DNS64_TCP_CLIENTS_MAX = 256,
	DNS64_TCP_CLIENT_MAX = 128, /* connections of one client, who is as above */
	DNS64_TCP_QUERIES_MAX = 32, /* of one connection, unanswered */
	DNS64_TCP_IDLE_MS = 10000,  /* RFC 7766 6.2.3: a few seconds */
	DNS64_TCP_UPSTREAM_MAX = 64, /* connections */
	DNS64_LISTENERS_MAX = 64, /* of each kind */
};

/* One row per counter: member, name, help text. */
#define DNS64_COUNTERS(_)                                                                          \
	_(queries_udp, "queries-udp", "queries that came over UDP")                                \
	_(queries_tcp, "queries-tcp", "queries that came over TCP")                                \
	_(replies, "replies", "answers sent to clients")                                           \
	_(replies_lost, "replies-lost", "answers that the kernel or a gone client did not take")   \
	_(truncated, "truncated", "answers too long for the client's UDP size, sent with TC")      \
	_(malformed, "malformed", "messages dropped unanswered: no header, or no query")           \
	_(formerr, "formerr", "queries answered FORMERR")                                          \
	_(refused, "refused", "queries answered REFUSED: not recursive, or a transfer")            \
	_(notimp, "notimp", "queries answered NOTIMP or BADVERS")                                  \
	_(cookies_good, "cookies-good", "queries with a cookie that we had given (RFC 7873)")        \
	_(cookies_new, "cookies-new", "queries with a cookie of the client alone, or a wrong one") \
	_(servfail, "servfail", "queries answered SERVFAIL")                                       \
	_(not_inside, "not-inside", "queries dropped that came in by no inside interface")         \
	_(tasks_full, "tasks-full", "queries dropped: too many being answered")                    \
	_(client_full, "client-full", "queries dropped: too many of one client")                   \
	_(lookups_full, "lookups-full", "questions not asked: too many under way")                 \
	_(domain_full, "domain-full", "questions not asked: too many of one domain under way")             \
	_(cache_hits, "cache-hits", "questions answered from the cache")                           \
	_(cache_misses, "cache-misses", "questions not in the cache")                              \
	_(stale, "stale", "questions answered with what was known, past its time (RFC 8767)")       \
	_(prefetches, "prefetches", "questions asked to renew what is in use")                     \
	_(coalesced, "coalesced", "questions that joined one already under way")                   \
	_(synthesized, "synthesized", "answers with AAAA made of A (RFC 6147)")                    \
	_(passed, "passed", "answers of an upstream that were passed on as they came")              \
	_(filtered, "filtered", "answers from which excluded AAAA were taken")                     \
	_(reverse, "reverse", "PTR queries answered by an alias into in-addr.arpa")                \
	_(local, "local", "queries for ipv4only.arpa and its reverse names (RFC 8880)")            \
	_(upstream_queries, "upstream-queries", "questions sent to upstreams over UDP")            \
	_(upstream_tcp, "upstream-tcp", "questions sent over TCP after a truncated answer")        \
	_(upstream_tcp_conns, "upstream-tcp-connections", "connections begun to upstreams over TCP") \
	_(upstream_tcp_moved, "upstream-tcp-moved", "questions asked again over TCP or TLS: their connection closed") \
	_(upstream_tls, "upstream-tls", "questions sent over TLS")                                 \
	_(tls_connections, "tls-connections", "connections begun to upstreams over TLS")           \
	_(tls_resumed, "tls-resumed", "TLS sessions resumed")                                      \
	_(tls_failures, "tls-failures", "TLS connections that failed: not reached, not trusted")   \
	_(upstream_probes, "upstream-probes", "copies sent to measure other upstreams")            \
	_(case_misses, "case-misses", "answers whose name was not spelled as it was asked")        \
	_(badcookie, "badcookie", "answers of BADCOOKIE: an upstream wanted another cookie")       \
	_(upstream_timeouts, "upstream-timeouts", "questions an upstream did not answer in time")  \
	_(upstream_unreachable, "upstream-unreachable", "questions that the network gave back: nobody there (ICMP)") \
	_(unreachable_ignored, "unreachable-ignored", "ICMP errors ignored: they quote no open question of ours") \
	_(upstream_errors, "upstream-errors", "questions that could not be sent, or TCP failures") \
	_(upstream_failures, "upstream-failures", "answers of SERVFAIL, REFUSED and the like")     \
	_(upstream_malformed, "upstream-malformed", "answers that matched but could not be read")  \
	_(spoofed, "spoofed", "answers ignored: late, or wrong in sender, id or question")         \
	_(tcp_accepted, "tcp-accepted", "TCP connections accepted")                                \
	_(tcp_refused, "tcp-refused", "TCP connections closed at once: too many, or not inside")   \
	_(tcp_client_full, "tcp-client-full", "TCP connections closed at once: too many of one client")    \
	_(tcp_shed, "tcp-shed", "TCP connections of who had the most, closed for others when all were taken") \
	_(tcp_idle, "tcp-idle", "TCP connections closed because nothing happened")                 \
	_(cache_bytes, "cache-bytes", "gauge: bytes in the cache, index included")                 \
	_(cache_entries, "cache-entries", "gauge: answers in the cache")                           \
	_(tasks, "tasks", "gauge: queries being answered")

enum {
	DNS64_RCODES = 17, /* BADVERS is the last */
	DNS64_LATENCIES = 12,
};

/** dns64_latency_ms - upper ends of the histogram's buckets, inclusive; the last one has none. */
extern const uint32_t dns64_latency_ms[DNS64_LATENCIES - 1];

/** struct dns64_histogram - how long an upstream took to answer. @bucket: not cumulative. */
struct dns64_histogram {
	counter64 bucket[DNS64_LATENCIES], sum_ms;
};

/** struct dns64_stats - written by the server's thread, read by any. */
struct dns64_stats {
#define _(member, name, help) counter64 member;
	DNS64_COUNTERS(_)
#undef _
	counter64 rcode[DNS64_VIEWS_MAX + 1][DNS64_RCODES]; /* of answers; the section, then its views */
	struct dns64_histogram latency[DNS64_UPSTREAM_MAX]; /* as they stand in the file */
	counter64 silent[DNS64_UPSTREAM_MAX]; /* 1: it does not answer; summed over threads */
};

/** dns64_stats_latency() - an upstream has answered after @ms. */
void dns64_stats_latency(struct dns64_histogram *h, uint32_t ms);

/** dns64_rcode_name() - static text. */
const char *dns64_rcode_name(unsigned rcode);

/** dns64_stats_each() - calls @each with name, help and value of every counter. */
void dns64_stats_each(const struct dns64_stats *s,
		      void (*each)(void *ctx, const char *name, const char *help, uint64_t value),
		      void *ctx);

/** dns64_tls_init() - before the calling process gives up reading files; once, any thread. */
void dns64_tls_init(void);

/** struct dns64_trust - trust anchors for one upstream: certificates in PEM, borrowed. */
struct dns64_trust {
	const char *pem;
	size_t len;
};

/** dns64_stats_add() - @sum becomes what it was and @s together. @sum is the caller's alone. */
void dns64_stats_add(struct dns64_stats *sum, const struct dns64_stats *s);

/**
 * struct dns64_sockets - what the server listens on
 * @udp: from dns64_open_udp(); @tcp: from dns64_open_tcp()
 * @inside: indexes of the inside interfaces; with @n_inside 0, or `allow-outside`, queries from
 *          anywhere are taken. Else a listener, whatever address it has, takes only what came in by
 *          one of these or by the loopback interface.
 *
 * @trust:  for each upstream of the configuration, in its order; needed where `tls` has a name. NULL:
 *          there are none
 * @cookie_secret: the same for all servers behind one address, so that each knows the cookies of the
 *          others (RFC 9018 5); looked at when a server is made. NULL: its own
 *
 * The arrays are borrowed for the call. The descriptors become the server's when the call
 * succeeds, and stay the caller's when it fails.
 */
struct dns64_sockets {
	const int *udp, *tcp;
	size_t n_udp, n_tcp;
	const unsigned *inside;
	size_t n_inside;
	const struct dns64_trust *trust;
	const struct hash_key *cookie_secret;
};

/** dns64_open_udp() - a bound, non-blocking socket that tells where each query came to. IPv4
 *  addresses live on it in v4-mapped form. Return: descriptor or negative errno. */
int dns64_open_udp(const struct endpoint_conf *at, struct err *e);

/** dns64_open_udp_shared(), dns64_open_tcp_shared() - one of several sockets at the same address, among
 *  which the kernel deals out the clients (SO_REUSEPORT). Nobody of another user can join them. */
int dns64_open_udp_shared(const struct endpoint_conf *at, struct err *e);
int dns64_open_tcp_shared(const struct endpoint_conf *at, struct err *e);

/** dns64_open_tcp() - the same, listening. */
int dns64_open_tcp(const struct endpoint_conf *at, struct err *e);

struct dns64;

/**
 * dns64_new() - start serving
 * @loop:   borrowed until dns64_close() has called back
 * @conf:   checked by dns64_conf_check(); copied
 * @secret: keys for hashing and for unpredictable ids are derived from it
 *
 * Return: 0 or negative errno; on failure nothing is left behind.
 */
int dns64_new(struct dns64 **out, uv_loop_t *loop, const struct dns64_conf *conf,
	      const struct dns64_sockets *s, const struct hash_key *secret, struct err *e);

/**
 * dns64_reload() - new configuration and listeners
 * @s: the complete new set. A descriptor number that the server has already is kept as it is; new
 *     ones are added; those that are missing are closed once their queries are answered.
 *
 * Queries under way are finished under the new configuration. Return: 0 or negative errno; on
 * failure nothing has changed.
 */
int dns64_reload(struct dns64 *d, const struct dns64_conf *conf, const struct dns64_sockets *s,
		 struct err *e);

/** dns64_set_inside() - the inside interfaces have other indexes now. Return: 0 or -ENOMEM. */
int dns64_set_inside(struct dns64 *d, const unsigned *inside, size_t n);

/** dns64_set_services() - how the services are now that `zones:` names; copied. Until the first call
 *  there are none. Return: 0 or -ENOMEM. */
int dns64_set_services(struct dns64 *d, const struct dns64_service *s, size_t n);

/** dns64_close() - stop, close everything, free @d, then call @closed (may be NULL). Queries under
 *  way stay unanswered. */
void dns64_close(struct dns64 *d, void (*closed)(void *ctx), void *ctx);

/** dns64_stats() - valid until dns64_close(). */
const struct dns64_stats *dns64_stats(const struct dns64 *d);
