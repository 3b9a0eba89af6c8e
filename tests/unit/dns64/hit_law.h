/*
 * hit_law.h - what resolver__hit() says is what resolver__query() says, octet for octet, and it counts
 * the same. Held at every query that a test or a fuzzer asks over UDP: hit_law_try() before the query,
 * hit_law_heard() with its first reply, hit_law_judge() after it.
 */
#pragma once
#include <string.h>
#include "sixgate/base/must.h"
#include "resolver.h"

struct hit_law {
	size_t len;
	bool heard;
	uint8_t wire[DNS_UDP_PAYLOAD];
	struct dns64_stats after;
	uint64_t n_hits; /* of all its life: that it was held at all */
};

static inline void hit_law_try(struct hit_law *law, struct resolver *r, const struct client *c,
			       const uint8_t *wire, size_t len)
{
	struct dns64_stats before = *r->stats;

	law->heard = false;
	law->len = c->most ? 0 : resolver__hit(r, c, wire, len, law->wire);
	law->after = *r->stats;
	*r->stats = before;
	if (!law->len)
		must(memcmp(&law->after, &before, sizeof(before)) == 0);
	law->n_hits += law->len != 0;
}

static inline void hit_law_heard(struct hit_law *law, const uint8_t *wire, size_t len)
{
	if (!law->len || law->heard)
		return;
	law->heard = true;
	must(len == law->len && memcmp(wire, law->wire, len) == 0);
}

static inline void hit_law_judge(struct hit_law *law, const struct resolver *r)
{
	must(!law->len || (law->heard && memcmp(&law->after, r->stats, sizeof(law->after)) == 0));
	law->len = 0;
}
