/* cookie.c - the server's half of DNS cookies (RFC 9018 4). */
#include "sixgate/dns64/cookie.h"
#include <string.h>
#include "sixgate/base/wire.h"

enum { VERSION = 1, STAMP_LEN = 8 }; /* version, three reserved octets, time */

struct dns_cookie_keys dns_cookie_keys_at(const struct hash_key *secret, uint64_t unix_s)
{
	uint64_t day = unix_s / DNS_COOKIE_KEY_S;

	return (struct dns_cookie_keys){ .now = hash_key_derive(secret, day),
					 .before = hash_key_derive(secret, day - 1) };
}

/* RFC 9018 4.4: client cookie, version to time, address in its own length; the result's octets in
 * the order of SipHash's authors, lowest first. */
static void put_hash(const struct hash_key *key, const struct dns_cookie_from *from,
		     const uint8_t *stamp, uint8_t *out)
{
	bool v4 = addr_is_v4(&from->address);
	uint8_t input[DNS_COOKIE_CLIENT_LEN + STAMP_LEN + 16];
	size_t at = DNS_COOKIE_CLIENT_LEN + STAMP_LEN, address_len = v4 ? 4 : 16;
	uint64_t hash;

	memcpy(input, from->client, DNS_COOKIE_CLIENT_LEN);
	memcpy(input + DNS_COOKIE_CLIENT_LEN, stamp, STAMP_LEN);
	memcpy(input + at, from->address.octet + 16 - address_len, address_len);
	hash = siphash(key, input, at + address_len);
	for (unsigned i = 0; i < 8; i++)
		out[i] = (uint8_t)(hash >> 8 * i);
}

void dns_cookie_make(const struct hash_key *key, const struct dns_cookie_from *from,
		     uint32_t unix_s, uint8_t out[DNS_COOKIE_SERVER_LEN])
{
	memset(out, 0, 4);
	out[0] = VERSION;
	store32(out + 4, unix_s);
	put_hash(key, from, out, out + STAMP_LEN);
}

static bool is_of_key(const struct hash_key *key, const struct dns_cookie_from *from,
		      const uint8_t *server)
{
	uint8_t want[8], differs = 0;

	put_hash(key, from, server, want);
	for (unsigned i = 0; i < sizeof(want); i++)
		differs |= (uint8_t)(want[i] ^ server[STAMP_LEN + i]);
	return !differs;
}

bool dns_cookie_is_ours(const struct dns_cookie_keys *keys, const struct dns_cookie_from *from,
			const uint8_t server[DNS_COOKIE_SERVER_LEN], uint32_t unix_s)
{
	int32_t age = (int32_t)(unix_s - load32(server + 4)); /* serial numbers: RFC 1982 */

	return server[0] == VERSION && age <= DNS_COOKIE_OLD_S && age >= -DNS_COOKIE_AHEAD_S &&
	       (is_of_key(&keys->now, from, server) || is_of_key(&keys->before, from, server));
}

bool dns_cookie_answer(const struct dns_cookie_keys *keys, const struct addr *client,
		       uint32_t unix_s, struct dns_query *q)
{
	const struct dns_cookie_from from = { .client = q->cookie, .address = *client };
	uint8_t *server = q->cookie + DNS_COOKIE_CLIENT_LEN;
	bool good;

	if (!q->cookie_len)
		return false;
	good = q->cookie_len == DNS_COOKIE_LEN && dns_cookie_is_ours(keys, &from, server, unix_s);
	dns_cookie_make(&keys->now, &from, unix_s, server);
	q->cookie_len = DNS_COOKIE_LEN;
	return good;
}
