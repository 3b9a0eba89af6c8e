/* steer.c - the table that says whose a packet is; the answer itself is in steer_owner.h. */
#include "steer_owner.h"
#include <errno.h>

void steering_init(struct steering *s, uint32_t n_workers, const struct hash_key *key)
{
	memset(s, 0, sizeof(*s));
	s->n_workers = n_workers;
	s->n_homes = n_workers;
	s->subscriber_len = 64;
	s->key[0] = key->word[0];
	s->key[1] = key->word[1];
}

int steering_add(struct steering *s, enum steer_kind kind, const struct addr *a, be16 port,
		 uint8_t proto, uint32_t value)
{
	uint32_t at = steer__home(s, a, steer__rest(kind, port, proto));

	for (unsigned i = 0; i < STEER_PROBES; i++, at = (at + 1) & (STEER_MAP_SIZE - 1)) {
		struct steer_entry *e = &s->map[at];

		if (e->kind == STEER_FREE) {
			*e = (struct steer_entry){ .addr = *a, .port = port, .proto = proto,
						   .kind = (uint8_t)kind, .value = value };
			return 0;
		}
		if (e->kind == kind && e->proto == proto && be16_equal(e->port, port) &&
		    addr_equal(&e->addr, a)) {
			e->value = value;
			return 0;
		}
	}
	return -ENOSPC;
}

unsigned steering_block_default(const struct steering *s, uint32_t pool_slot, unsigned block)
{
	return (unsigned)((mix(s->key[0], pool_slot) + block) % s->n_workers);
}

uint8_t steering_subscriber_len(const struct steering *s, const struct addr *a)
{
	return steer__subscriber_len(s, a);
}

struct addr steering_subscriber(const struct steering *s, const struct addr *a)
{
	return addr_mask(a, steer__subscriber_len(s, a));
}

void steering_set_subscriber(struct steering *s, uint8_t len)
{
	s->subscriber_len = len;
	for (uint32_t i = 0; i < s->n_prefix; i++)
		s->inside[i].subscriber_len = len;
}

unsigned owner_of_tuple(const struct steering *s, const struct tuple *t, enum side side)
{
	return steer__owner_of_tuple(s, t, side);
}

unsigned owner_of_fragment(const struct steering *s, const struct tuple *t, uint32_t id)
{
	return steer__owner_of_fragment(s, t, id);
}

unsigned owner_of(const struct steering *s, const uint8_t *window, uint32_t len, enum side side)
{
	return steer__owner_of(s, window, len, side);
}
