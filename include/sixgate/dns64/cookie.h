/*
 * cookie.h - DNS cookies as a server gives them (RFC 7873, in the interoperable form of RFC 9018):
 * who sends one back that we have made can receive at the address he writes from. Pure.
 *
 * - client cookie: 8 octets that a client has chosen
 * - server cookie: 16 octets that only who knows the key can make of it, the address and the time
 */
#pragma once
#include <stdbool.h>
#include "sixgate/base/addr.h"
#include "sixgate/base/hash.h"
#include "sixgate/dns64/message.h"

enum {
	DNS_COOKIE_OLD_S = 3600,   /* RFC 9018 4.3: older ones count as none */
	DNS_COOKIE_AHEAD_S = 300,  /* clocks of an anycast set may differ */
	DNS_COOKIE_KEY_S = 86400,  /* keys last a day; yesterday's still verifies */
};

/** struct dns_cookie_keys - @now makes and verifies, @before verifies. SipHash-2-4, 128 bits each. */
struct dns_cookie_keys {
	struct hash_key now, before;
};

/** dns_cookie_keys_at() - those of the day of @unix_s, from a secret: the same wherever the secret is.
 */
struct dns_cookie_keys dns_cookie_keys_at(const struct hash_key *secret, uint64_t unix_s);

/** struct dns_cookie_from - whose cookie: what the client chose, and where it writes from. */
struct dns_cookie_from {
	const uint8_t *client; /* DNS_COOKIE_CLIENT_LEN octets */
	struct addr address;
};

/** dns_cookie_make() - the server cookie for @from at @unix_s. */
void dns_cookie_make(const struct hash_key *key, const struct dns_cookie_from *from,
		     uint32_t unix_s, uint8_t out[DNS_COOKIE_SERVER_LEN]);

/** dns_cookie_is_ours() - @server was made by one of @keys for @from, not too long before @unix_s. */
bool dns_cookie_is_ours(const struct dns_cookie_keys *keys, const struct dns_cookie_from *from,
			const uint8_t server[DNS_COOKIE_SERVER_LEN], uint32_t unix_s);

/**
 * dns_cookie_answer() - @q's cookie becomes the one that the reply carries
 * @q: with @q->cookie as it came; without one nothing happens
 *
 * Return: true if it came with a cookie of ours that is still good.
 */
bool dns_cookie_answer(const struct dns_cookie_keys *keys, const struct addr *client,
		       uint32_t unix_s, struct dns_query *q);
