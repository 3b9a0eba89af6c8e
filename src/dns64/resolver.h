/*
 * resolver.h - the query engine, without sockets and without a clock: messages go in and out as
 * bytes, time is a number it is told. So it can be tested and fuzzed whole.
 *
 * Tasks (one per client query) wait on legs; a leg is answered from the cache or by a lookup; a
 * lookup sends asks to upstreams until one answers.
 */
#pragma once
#include <netinet/in.h>
#include "sixgate/base/pool.h"
#include "sixgate/dns64/cache.h"
#include "sixgate/dns64/cookie.h"
#include "sixgate/dns64/dns64.h"
#include "sixgate/dns64/synth.h"
#include "sixgate/dns64/zone.h"
#include "sixgate/log/log.h"

enum {
	ASKS_MAX = 12,		 /* of one lookup */
	ASK_WIRE_MAX = 512,
	ASK_BUCKETS = 8192,
	LOOKUP_BUCKETS = 4096,
	CLIENT_SLOTS = 4096,
	DOMAIN_SLOTS = 4096,
	DOMAIN_PLACES = 2,	 /* of one domain */
	DOMAIN_DEPTHS = 2,	 /* two labels, and three */
	DOMAIN_LOOKUPS_MIN = 16, /* that every domain may have */
	TASKS = DNS64_TASKS_MAX + 1, /* those that wait, and one that is answered at once */
	LOOKUP_TIME_MS = 4500,	 /* stub resolvers give up after 5 s: answer before */
	RECHECK_MS = 30000,	 /* RFC 8767 5: nobody knew, so nobody is asked for a while */
	PREFETCH_PART = 10,	 /* in the last tenth of its time an answer in use is renewed ... */
	PREFETCH_MIN_S = 10,	 /* ... if it had so long */
	RTO_FIRST_MS = 400,
	RTO_MIN_MS = 100,
	RTO_TOP_MS = 1500,	 /* of who is far away */
	RTO_MAX_MS = 500,	 /* grown by waiting: a lossy path gets its chances in time */
	TLS_WAIT_MIN_MS = 600,
	TCP_ASK_TIME_MS = 2000,
	UPSTREAM_FAILS_MAX = 3,	 /* unanswered in a row, then it is passed over for a while */
	UPSTREAM_REST_MIN_MS = 1000,
	UPSTREAM_REST_MAX_MS = 30000,
	UPSTREAM_LOST_MS = 8000, /* at rests as long as that it is taken for gone */
	CHOICE_BAND_MS = 8,	 /* no faster by more than that: the operator's order counts */
	PROBE_SHARE = 16,	 /* of so many lookups one sends a copy to another upstream */
	PROBE_TIME_MS = 3000,
	WITHOUT_TIME_MS = 900000, /* then an upstream may have learned something */
	MUTE_NAMES = 3,	 /* names in a row left without AAAA, while other questions are answered, ... */
	MUTE_AFTER_MS = 300000,	 /* ... by who has answered none for so long: else it is the names */
	MUTE_WAIT_MS = 200,	 /* then nobody waits longer for that */
	CASE_MISSES_MAX = 3,	 /* lookups in a row, then it is asked as it can bear it */
};

struct dns64_told;

/**
 * struct client - where an answer goes
 * @via:        the listener or connection, for the I/O side
 * @generation: of a connection slot
 * @most:       bytes that its answer may have; 0: as the query's EDNS says
 * @told:       who wants it explained, lent until the reply; mostly NULL
 * @local:      our address that was asked, and on which interface; ::, if it was none
 */
struct client {
	void *via;
	uint32_t generation;
	size_t most;
	struct dns64_told *told;
	struct sockaddr_in6 peer;
	struct in6_pktinfo local;
};

/** struct datagram_out - borrowed for the call; @id is in @wire, too. */
struct datagram_out {
	const struct endpoint_conf *to;
	const uint8_t *wire;
	size_t len;
	uint16_t id;
};

/**
 * struct resolver_io - what the engine asks of the world. None of these may call the engine.
 * @reply:  exactly once for every resolver_query(), maybe before it returns; @len 0: no answer
 * @pick:   a UDP socket to ask from. Return: its number, or negative errno
 * @send:   one datagram, now or before the loop sleeps. Return: 0 or negative errno; if it fails
 *          later, resolver__send_failed() follows
 * @unpick: the ask that was sent from @socket is over
 * @tcp_start:  send @wire over a connection to @to; resolver_tcp_answer() or
 *              resolver_tcp_failed() follows, never from inside the call. Return: 0 or -errno
 * @tcp_cancel: forget about it; neither of the two follows
 * @tls_start, @tls_cancel: the same over TLS, to upstream number @upstream of the policy
 */
struct resolver_io {
	void *ctx;
	void (*reply)(void *ctx, const struct client *c, const uint8_t *wire, size_t len);
	int (*pick)(void *ctx);
	int (*send)(void *ctx, int socket, const struct datagram_out *d);
	void (*unpick)(void *ctx, int socket);
	int (*tcp_start)(void *ctx, uint32_t ask, const struct endpoint_conf *to,
			 const uint8_t *wire, size_t len);
	void (*tcp_cancel)(void *ctx, uint32_t ask);
	int (*tls_start)(void *ctx, uint32_t ask, size_t upstream, const uint8_t *wire, size_t len);
	void (*tls_cancel)(void *ctx, uint32_t ask);
};

struct resolver;

/** struct timer - in a heap by deadline. @place: its index there plus one, 0 when not set. */
struct timer {
	uint64_t at_ms;
	uint32_t place;
	void (*fire)(struct resolver *r, struct timer *t);
};

struct timers {
	struct timer **heap;
	uint32_t n, most;
};

void timers__set(struct timers *ts, struct timer *t, uint64_t at_ms);
void timers__stop(struct timers *ts, struct timer *t);

struct task;
struct lookup;

/** struct leg - one question of a task. @next, @link: in the list of its lookup's waiters; @lookup: NULL
 *  too where a task waits that was not admitted. */
struct leg {
	struct leg *next, **link;
	struct task *task;
	struct lookup *lookup;
	struct dns64_answer *answer; /* one reference, when LEG_ANSWERED */
	struct dns64_answer *stale;  /* the same: what does if nothing better comes, or NULL */
	enum leg_state state;
	bool is_stale; /* of @answer */
};

/**
 * struct task - one client's query
 * @kind:   TASK_PLAIN passes an answer on; TASK_AAAA is RFC 6147 5.1, TASK_REVERSE 5.3.1
 * @check:  AAAA once more, with CD: whether a failure that gave no reason was one of validation
 * @target: TASK_REVERSE: the in-addr.arpa name; with @alias_ttl_s, the name that the client asked
 *          for: it is an alias of ours for the question's
 * @policy: this client's, valid while @generation is the resolver's
 * @admitted: it waits for an upstream, within the limits; @refused: it may not: what counts that
 */
struct task {
	struct timer timer; /* first: the client's patience */
	struct task *newer, *older;
	struct client client;
	struct dns_query query;
	enum task_kind { TASK_PLAIN, TASK_AAAA, TASK_REVERSE } kind;
	struct dns_name target;
	struct leg main, a, check;
	bool impatient, admitted;
	counter64 *refused;
	uint16_t client_slot;
	uint32_t generation, alias_ttl_s;
	const struct dns64_policy *policy;
};

enum way { WAY_UDP, WAY_TCP, WAY_TLS };

/* What an upstream may not bear. */
enum { WITHOUT_EDNS = 1, WITHOUT_COOKIE = 2, WITHOUT_CASE = 4 };

/**
 * struct ask - one question sent to one upstream, while an answer may still come
 * @next:     in its bucket
 * @upstream: index, valid while @generation is the resolver's
 * @socket:   -1: over a connection
 * @without:  WITHOUT_...: what is left out for this upstream's sake
 * @mixed:    the case of its letters was drawn from @case_seed (0x20)
 * @cookie:   it has a COOKIE option (RFC 7873)
 * @counted:  as unanswered
 * @poor:     it was answered by a failure
 * @unsent:   it did not get out, or its connection broke: no answer is to be waited for
 */
struct ask {
	struct endpoint_conf to;
	uint64_t sent_ms, case_seed;
	uint32_t next, upstream, generation;
	int socket;
	enum way way;
	uint16_t id;
	uint8_t without;
	bool open, mixed, cookie, counted, poor, unsent;
};

/** struct lookup - @is_probe: a copy, for the measure alone; it is in no bucket, and nobody waits.
 *  @unheard: choice__unheard() was told. @domain: where it is counted, by domain__enter(). */
struct lookup {
	struct timer timer; /* first: next attempt, or the end */
	struct lookup *next;
	struct dns64_key key;
	uint64_t hash, started_ms;
	struct leg *waiting;
	struct dns64_answer *fallback; /* a failure, unless somebody does better */
	struct ask ask[ASKS_MAX];
	uint16_t domain[DOMAIN_DEPTHS][DOMAIN_PLACES];
	unsigned n_asks;
	bool is_probe, unheard;
};

/**
 * struct upstream_state - how one upstream does
 * @told_silent: the log's last word about it
 * @measured:    @srtt_ms and @rttvar_ms hold something (RFC 6298 2)
 * @loss:        questions unanswered, smoothed, in 1/1024
 * @fails:       unanswered in a row
 * @rest_ms:     it is silent, and how long it rests this time; 0: it is not
 * @asked_ms, @heard_ms: last time
 * @mute:        names in a row for which it said nothing to AAAA (RFC 4074 4), though it said
 *               something else meanwhile, up to MUTE_NAMES
 * @aaaa_ms:     when it last answered a question for AAAA; 0: never
 * @probed:      a copy is under way
 * @without:     WITHOUT_...: known until @without_until_ms
 * @case_misses: lookups in a row whose answers were spelled another way
 * @client_cookie, @cookie, @cookie_len: RFC 7873: ours for it, and what it wants to see
 */
struct upstream_state {
	struct log_limit limit;
	bool told_silent, measured, probed;
	uint32_t srtt_ms, rttvar_ms, loss, rest_ms;
	unsigned fails, mute, without, case_misses;
	uint64_t resting_until_ms, asked_ms, heard_ms, without_until_ms, aaaa_ms;
	uint8_t client_cookie[8], cookie[32], cookie_len;
};

struct resolver {
	const struct resolver_io *io;
	struct dns64_policy *policy; /* owned */
	struct dns64_service *service; /* owned, with their nodes in one piece */
	size_t n_services;
	struct dns64_stats *stats;
	struct dns64_cache *cache; /* owned */
	struct upstream_state *upstream; /* one for each of the policy's */
	uint32_t generation;
	uint64_t now_ms;
	struct hash_key secret, case_secret, cookie_secret;
	struct dns_cookie_keys cookie_keys; /* of the day of @unix_s */
	uint64_t unix_s;
	uint64_t n_random, n_choices;
	struct timers timers;
	struct task *task, *running;
	struct lookup *lookup;
	struct pool idle_tasks, idle_lookups; /* which records of the two arrays are free */
	uint32_t *next_index;		      /* for both pools */
	struct lookup *lookup_bucket[LOOKUP_BUCKETS];
	uint32_t ask_bucket[ASK_BUCKETS];
	uint16_t client_tasks[CLIENT_SLOTS];
	uint16_t domain_lookups[DOMAIN_DEPTHS][DOMAIN_PLACES * DOMAIN_SLOTS];
	uint8_t made[DNS_MESSAGE_MAX], out[DNS_MESSAGE_MAX];
};

/** struct resolver_setup - @policy is taken over by a successful resolver__new(). */
struct resolver_setup {
	struct dns64_policy *policy;
	const struct resolver_io *io; /* borrowed, as are the counters */
	struct dns64_stats *stats;
	const struct hash_key *secret; /* borrowed for the call */
	const struct hash_key *cookie_secret; /* the same; NULL: @secret */
	uint64_t salt; /* another one for each engine that has the same secret */
	uint64_t cache_bytes;
};

/** resolver__new() - Return: 0 or -ENOMEM. */
int resolver__new(struct resolver **out, const struct resolver_setup *setup, struct err *e);

/** resolver__free() - every query that is still open gets its reply call with @len 0. NULL is
 *  allowed. */
void resolver__free(struct resolver *r);

/** resolver__reload() - takes @policy. Return: 0, or -ENOMEM: nothing has changed. */
int resolver__reload(struct resolver *r, struct dns64_policy *policy, uint64_t cache_bytes);

/** resolver__set_services() - how the services are now; copied. Return: 0 or -ENOMEM. */
int resolver__set_services(struct resolver *r, const struct dns64_service *s, size_t n);

/** resolver__time() - the time is now @now_ms; it never goes back. Tell before telling events. */
static inline void resolver__time(struct resolver *r, uint64_t now_ms)
{
	if (now_ms > r->now_ms)
		r->now_ms = now_ms;
}

/** resolver__wall() - it is @unix_s by the calendar: for cookies, which others read, too. */
void resolver__wall(struct resolver *r, uint64_t unix_s);

/** resolver__advance() - do what is due. */
void resolver__advance(struct resolver *r);

/** resolver__client_slot() - who has sent something: one IPv4 address, one IPv6 /64, or one link-local
 *  address. Unlucky clients may share a number; nobody can choose with whom. */
uint16_t resolver__client_slot(const struct resolver *r, const struct sockaddr_in6 *peer);

/** resolver__next() - ms until something is due; UINT64_MAX when nothing is. */
uint64_t resolver__next(const struct resolver *r);

/** resolver__query() - a client's message. */
void resolver__query(struct resolver *r, const struct client *c, const uint8_t *wire, size_t len);

/** resolver__is_to_renew() - @a, which is not stale, is in use and near its end: somebody should ask
 *  before it is there. */
static inline bool resolver__is_to_renew(const struct resolver *r, const struct dns64_answer *a)
{
	uint32_t left_s = a->ttl_s - dns64_answer_age(a, r->now_ms);

	return a->ttl_s >= PREFETCH_MIN_S && left_s * PREFETCH_PART <= a->ttl_s &&
	       r->now_ms >= a->recheck_ms;
}

/**
 * struct hit - a client's message on its way through hit.c
 * @usual: it is of the usual kind; else the others mean nothing
 * @name:  the question's, folded; @probe refers to it
 */
struct hit {
	struct resolver *r;
	const struct dns64_policy *policy;
	const struct sockaddr_in6 *peer;
	struct dns64_probe probe;
	struct dns_query query;
	struct dns_name name;
	uint8_t *out;
	bool usual;
};

/** resolver__policy_for() - of the view that @c is in, or the section's. */
const struct dns64_policy *resolver__policy_for(const struct resolver *r, const struct client *c);

/**
 * resolver__hit_read(), resolver__hit_fetch(), resolver__hit_say() - resolver__hit() in three steps:
 * when the first one has been done for a batch, then the second one, the memory that the third one
 * reads is on its way for all of them at once.
 * @h: must stay where it is
 */
void resolver__hit_read(struct resolver *r, const uint8_t *wire, size_t len, struct hit *h);
void resolver__hit_fetch(struct hit *h);
size_t resolver__hit_say(struct hit *h, const struct client *c, uint8_t *out);

/**
 * resolver__hit() - answers a client's message if the cache has all for it and it is of the usual
 * kind; says and counts what resolver__query() would.
 * @out: DNS_UDP_PAYLOAD octets; where the answer is sent from
 *
 * Return: octets of the answer; 0: resolver__query() must look at it, nothing has been counted.
 */
size_t resolver__hit(struct resolver *r, const struct client *c, const uint8_t *wire, size_t len,
		     uint8_t *out);

/** struct datagram - what came to UDP socket @socket from an upstream, or somebody who says so. */
struct datagram {
	int socket;
	const struct sockaddr_in6 *from;
	const uint8_t *wire;
	size_t len;
};
void resolver__answer(struct resolver *r, const struct datagram *d);

/** resolver__unreachable() - an ICMP error says that nobody is where @d went: @d->from is where to, @d->wire
 *  what it quotes of the question. Whoever knows the question can say so: it is no more than a hint. */
void resolver__unreachable(struct resolver *r, const struct datagram *d);

/** resolver__send_failed() - what send() took from @socket with @id has not left after all. */
void resolver__send_failed(struct resolver *r, int socket, uint16_t id);

/** resolver__tcp_answer() - one message over the connection that tcp_start() or tls_start() chose
 *  for @ask; the ask is over. */
void resolver__tcp_answer(struct resolver *r, uint32_t ask, const uint8_t *wire, size_t len);
void resolver__tcp_failed(struct resolver *r, uint32_t ask);

/* Between the engine's own files. */

/** resolver__answer_cookie() - the cookie of @q, which came from @peer, becomes the one to answer
 *  with (RFC 7873 5.2), or none where cookies are off. Counts. */
void resolver__answer_cookie(struct resolver *r, const struct sockaddr_in6 *peer,
			     struct dns_query *q);

/** lookup__ask() - have @leg answered for @key. Return: false if there is no room; the leg is
 *  unchanged then. Answers later, by task__wake(). */
bool lookup__ask(struct resolver *r, struct leg *leg, const struct dns64_key *key);

/** lookup__refresh() - the same for the cache's sake alone. */
void lookup__refresh(struct resolver *r, const struct dns64_key *key);

/** lookup__leave() - @leg waits no longer; the lookup goes on for the cache's sake. */
void lookup__leave(struct leg *leg);

void lookup__cancel_all(struct resolver *r);

/** lookup__next_upstream() - the next attempt, or the end of the lookup. */
void lookup__next_upstream(struct resolver *r, struct lookup *l);

/** lookup__again() - the same upstream as @a, which is closed, another way or with less. */
void lookup__again(struct resolver *r, struct lookup *l, const struct ask *a, enum way way);

/** domain__enter() - one lookup more for the domain of @l's name, whose record is taken already.
 *  Return: false: it has too many, and nothing is counted. */
bool domain__enter(struct resolver *r, struct lookup *l);
void domain__leave(struct resolver *r, const struct lookup *l);

/** lookup__finish() - tells everybody who waits. @answer: borrowed; NULL: nobody answered. */
void lookup__finish(struct resolver *r, struct lookup *l, struct dns64_answer *answer);

/** ask__send() - @l's question to @upstream; over TLS if that is how it is asked. Return: NULL if
 *  it cannot be sent; that is counted. */
struct ask *ask__send(struct resolver *r, struct lookup *l, size_t upstream, enum way way);

/** ask__write() - the question as it goes out. Return: bytes, at most ASK_WIRE_MAX. */
size_t ask__write(struct resolver *r, const struct lookup *l, const struct ask *a, uint8_t *out);

/** ask__spelled() - true if @got is the name as it was sent, letter by letter. */
bool ask__spelled(const struct resolver *r, const struct lookup *l, const struct ask *a,
		  const struct dns_name *got);

uint32_t ask__index(const struct resolver *r, const struct lookup *l, const struct ask *a);

/** ask__of() - by its number. */
struct ask *ask__of(struct resolver *r, uint32_t ask, struct lookup **l);

/** ask__find() - the open one that was sent from @socket with @id, or NULL. */
struct ask *ask__find(struct resolver *r, int socket, uint16_t id, struct lookup **l);

/** ask__close() - no answer to @a is expected any more. */
void ask__close(struct resolver *r, struct lookup *l, struct ask *a);

/** choice__set() - the upstreams that may be asked for @name, as bits. At least one. */
uint32_t choice__set(const struct resolver *r, const struct dns_name *name);

/** choice__next() - the upstream to ask next. There is at least one. */
size_t choice__next(const struct resolver *r, const struct lookup *l);

/** choice__probe() - the upstream to send a copy of @of's question to while @asked is asked. Return: n_upstream: none
 *  now. */
size_t choice__probe(struct resolver *r, const struct lookup *of, size_t asked);

/** choice__tries_left() - true if some upstream has not been asked yet. */
bool choice__tries_left(const struct resolver *r, const struct lookup *l);

/** choice__all_silent() - every upstream for @name is resting: it will hardly answer in time. */
bool choice__all_silent(const struct resolver *r, const struct dns_name *name);

/** choice__rto() - ms after which an answer of @upstream is late (RFC 6298 2). */
uint32_t choice__rto(const struct resolver *r, size_t upstream);

/** choice__heard() - the upstream of @a, of @l, lives. */
void choice__heard(struct resolver *r, const struct lookup *l, const struct ask *a);

/** choice__unheard() - @l has no answer in the time that a client waits. Counts once. */
void choice__unheard(struct resolver *r, struct lookup *l);

/** choice__is_mute() - whoever is asked for @name says nothing to questions for AAAA. */
bool choice__is_mute(const struct resolver *r, const struct dns_name *name);

/** choice__failed() - @a of @l has not been answered in time. Counts once. */
void choice__failed(struct resolver *r, const struct lookup *l, struct ask *a);

/** choice__poor() - another upstream knew what that of @a did not. */
void choice__poor(struct resolver *r, const struct ask *a);

/** choice__state() - of @a's upstream; NULL: a reload has come between. */
struct upstream_state *choice__state(struct resolver *r, const struct ask *a);

/** task__drop_all() - every task ends without an answer. */
void task__drop_all(struct resolver *r);

/** task__wake() - @leg has got its answer, or has failed. */
void task__wake(struct resolver *r, struct leg *leg);

/** resolver__random() - unpredictable to whoever does not know the secret. */
uint64_t resolver__random(struct resolver *r);
