/* domain.c - how many lookups the names of one domain may have under way: never more than are free
 * then, so that a domain whose servers are dead leaves half of them to others, two such domains a
 * third, and so on; while there is much room nobody is limited. Which names are registered cannot be
 * seen, so this holds for the last two labels (example.com); and half of it for the last three
 * (example.co.uk), so that one name under co.uk leaves something to the others there. New labels in
 * front change neither. */
#include "sixgate/base/must.h"
#include "resolver.h"

enum { LABELS_MAX = 127 }; /* RFC 1035 2.3.4 */

/* Where the last @n labels of @name begin; 0: it has no more than those. */
static size_t last_labels(const struct dns_name *name, unsigned n)
{
	uint8_t at[LABELS_MAX + 1];
	unsigned n_labels = 0;

	for (size_t i = 0; i < name->len && name->octet[i]; i += 1u + name->octet[i]) {
		must(n_labels < ARRAY_LEN(at));
		at[n_labels++] = (uint8_t)i;
	}
	return n_labels > n ? at[n_labels - n] : 0;
}

/* Two places for each domain, of which the emptier counts: where a dead domain has one of them, a
 * stranger still has the other. */
static void places_of(const struct resolver *r, const struct dns_name *name, unsigned n_labels,
		      uint16_t place[DOMAIN_PLACES])
{
	size_t at = last_labels(name, n_labels);
	uint64_t hash = siphash(&r->secret, name->octet + at, name->len - at);

	place[0] = (uint16_t)(hash % DOMAIN_SLOTS);
	place[1] = (uint16_t)(DOMAIN_SLOTS + (hash >> 32) % DOMAIN_SLOTS);
}

static unsigned under_way(const uint16_t *lookups, const uint16_t place[DOMAIN_PLACES])
{
	unsigned a = lookups[place[0]], b = lookups[place[1]];

	return a < b ? a : b;
}

bool domain__enter(struct resolver *r, struct lookup *l)
{
	unsigned n_free = DNS64_LOOKUPS_MAX - r->idle_lookups.used;

	for (unsigned i = 0; i < DOMAIN_DEPTHS; i++) {
		unsigned n;

		places_of(r, &l->key.question.name, 2 + i, l->domain[i]);
		n = under_way(r->domain_lookups[i], l->domain[i]);
		if (n >= DOMAIN_LOOKUPS_MIN && n >= n_free >> i)
			return false;
	}
	for (unsigned i = 0; i < DOMAIN_DEPTHS; i++)
		for (unsigned k = 0; k < DOMAIN_PLACES; k++)
			r->domain_lookups[i][l->domain[i][k]]++;
	return true;
}

void domain__leave(struct resolver *r, const struct lookup *l)
{
	for (unsigned i = 0; i < DOMAIN_DEPTHS; i++)
		for (unsigned k = 0; k < DOMAIN_PLACES; k++) {
			must(r->domain_lookups[i][l->domain[i][k]]);
			r->domain_lookups[i][l->domain[i][k]]--;
		}
}
