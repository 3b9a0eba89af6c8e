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

/* Longest first. Return: false when there are too many. */
static bool add_shape(struct steer_stateless *x, struct steer_shape shape)
{
	uint8_t at = 0;

	while (at < x->n_shapes && x->shape[at].len > shape.len)
		at++;
	for (uint8_t i = at; i < x->n_shapes && x->shape[i].len == shape.len; i++)
		if (x->shape[i].n_bits == shape.n_bits)
			return true;
	if (x->n_shapes == STEER_SHAPES_MAX)
		return false;
	memmove(&x->shape[at + 1], &x->shape[at], (x->n_shapes - at) * sizeof(shape));
	x->shape[at] = shape;
	x->n_shapes++;
	return true;
}

int steering_add_mapping(struct steering *s, const struct prefix *v6, const struct addr *v4,
			 uint8_t n_bits)
{
	const struct steer_shape shape = { v6->len, n_bits };

	if (!add_shape(&s->stateless, shape))
		return -ENOSPC;
	return steering_add(s, STEER_EAM, &v6->addr, steer__shape_port(shape), 0, load32(v4->octet + 12));
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
