/*
 * cache.h - answers of upstreams, as they came, found by what was asked. One thread.
 *
 * Only originals are kept, never what DNS64 made of them: so a change of prefixes needs no flush,
 * and both legs of an AAAA query are remembered with their own lifetimes.
 */
#pragma once
#include "sixgate/base/err.h"
#include "sixgate/base/hash.h"
#include "sixgate/dns64/message.h"
#include "sixgate/dns64/shape.h"

enum {
	DNS64_TTL_MAX_S = 86400,  /* nothing is kept longer */
	DNS64_FAILURE_TTL_S = 5,  /* SERVFAIL, REFUSED, ... of an upstream; RFC 2308 7.1, RFC 9520 3.2 */
	DNS64_ANSWER_OVERHEAD = 192, /* bytes accounted beside an answer's wire form */
};

/** struct dns64_key - what an answer depends on. @flags: DNS64_KEY_DO, DNS64_KEY_CD. */
struct dns64_key {
	struct dns_question question; /* name folded */
	uint8_t flags;
};
enum { DNS64_KEY_DO = 1, DNS64_KEY_CD = 2 };

/** dns64_key_of() - the key of a client's query. */
void dns64_key_of(const struct dns_query *q, struct dns64_key *key);
bool dns64_key_equal(const struct dns64_key *a, const struct dns64_key *b);
uint64_t dns64_key_hash(const struct hash_key *secret, const struct dns64_key *key);

/** struct dns64_probe - a key by reference, its name hashed once for all types that are looked up.
 *  @name: @name_len octets, folded. */
struct dns64_probe {
	const uint8_t *name;
	uint64_t name_hash;
	uint16_t type, class;
	uint8_t name_len, flags;
};

/**
 * struct dns64_answer - one answer of an upstream, counted by references
 * @ttl_s: seconds from @at_ms that it may be used; 0: only by those who already wait for it
 * @recheck_ms: until then nobody is asked for a newer one on its account: asking was in vain, or
 *         has just begun (RFC 8767 5, failure recheck timer)
 * @ede:   its extended error, or DNS_EDE_NONE
 * @shape: of @wire
 * @n_records: of @wire
 * @wire:  @len bytes, whole, without OPT, id 0; its question's name is folded; behind them the shape's
 *         offsets
 *
 * The other members belong to the cache; what every hit reads comes first.
 */
struct dns64_answer {
	struct dns64_answer *next;
	uint64_t hash, at_ms, recheck_ms;
	uint32_t ttl_s, len;
	int16_t ede;
	uint8_t flags;
	bool linked, used;
	uint16_t n_records;
	uint32_t refs, uses;
	struct dns64_answer *newer, *older;
	struct dns_shape shape;
	uint8_t wire[];
};

/**
 * dns64_answer_new() - a checked copy of what an upstream sent
 * @wire: from the network: hostile. Its question has been compared with @key's already.
 *
 * Return: one reference, given back with dns64_answer_put(); NULL if the message is malformed or
 * memory is short.
 */
struct dns64_answer *dns64_answer_new(const struct dns64_key *key, const uint8_t *wire, size_t len,
				      uint64_t now_ms);
struct dns64_answer *dns64_answer_get(struct dns64_answer *a);
void dns64_answer_put(struct dns64_answer *a); /* NULL is allowed */

/** dns64_answer_age() - whole seconds since it came. */
uint32_t dns64_answer_age(const struct dns64_answer *a, uint64_t now_ms);

/** dns64_answer_failed() - it says that the upstream could not find out. That validation failed
 *  is no such answer: that is known, and must be passed on. */
bool dns64_answer_failed(const struct dns64_answer *a);

struct dns64_cache;

/** dns64_cache_new() - @bytes: for everything, index included; @secret keys the hash. Return: 0 or
 *  -ENOMEM. */
int dns64_cache_new(struct dns64_cache **out, uint64_t bytes, const struct hash_key *secret,
		    struct err *e);
void dns64_cache_free(struct dns64_cache *c); /* NULL is allowed */

/** dns64_cache_find() - Return: borrowed until the next call on @c; NULL if nothing usable. */
struct dns64_answer *dns64_cache_find(struct dns64_cache *c, const struct dns64_key *key,
				      uint64_t now_ms);

/** dns64_cache_probe_of() - @name: folded, borrowed as long as the probe is used. Set the type. */
struct dns64_probe dns64_cache_probe_of(const struct dns64_cache *c, const struct dns_name *name);

/** dns64_cache_probe() - as dns64_cache_find(). */
struct dns64_answer *dns64_cache_probe(struct dns64_cache *c, const struct dns64_probe *p,
				       uint64_t now_ms);

/** dns64_cache_fetch_index(), dns64_cache_fetch() - dns64_cache_probe() will soon be called: have the
 *  processor fetch what it reads first, then what that leads to. Nothing changes. */
void dns64_cache_fetch_index(const struct dns64_cache *c, const struct dns64_probe *p);
void dns64_cache_fetch(const struct dns64_cache *c, const struct dns64_probe *p);

/** dns64_cache_find_stale() - as above, but one that may be used no longer except for want of a
 *  better one (RFC 8767). */
struct dns64_answer *dns64_cache_find_stale(struct dns64_cache *c, const struct dns64_key *key,
					    uint64_t now_ms);

/** dns64_cache_keep_stale() - answers are kept @seconds beyond their time; 0, as at first: not. */
void dns64_cache_keep_stale(struct dns64_cache *c, uint32_t seconds);

/** dns64_cache_put_off() - @key was asked in vain: what stale answer there is does until
 *  @until_ms. */
void dns64_cache_put_off(struct dns64_cache *c, const struct dns64_key *key, uint64_t until_ms);

/** dns64_cache_add() - takes a reference of its own, replaces an answer to the same key, and
 *  forgets what has not been used for long (CLOCK) while there is too much. Answers with @ttl_s 0 are not kept; a
 *  failure takes the place of no answer that can still be served at @a->at_ms. */
void dns64_cache_add(struct dns64_cache *c, const struct dns64_key *key, struct dns64_answer *a);

/** dns64_cache_limit() - a new bound; shrinking forgets at once. The index keeps its size. */
void dns64_cache_limit(struct dns64_cache *c, uint64_t bytes);

/** dns64_cache_walk() - @forget is shown at most @most answers, the ones that came last first, and
 *  says which are to go. Return: how many went. */
uint64_t dns64_cache_walk(struct dns64_cache *c, size_t most,
			  bool (*forget)(void *ctx, const struct dns64_answer *a), void *ctx);

/** dns64_cache_bound() - what dns64_cache_limit() set. */
uint64_t dns64_cache_bound(const struct dns64_cache *c);

uint64_t dns64_cache_bytes(const struct dns64_cache *c);
uint64_t dns64_cache_entries(const struct dns64_cache *c);
