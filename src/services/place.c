/* place.c - which addresses and ports are ours: one open-addressing map, filled once. Its contents
 * come from the operator, so nobody can make its chains long; it needs no secret. */
#include "services_internal.h"
#include <errno.h>

static uint32_t home_of(const struct place_map *m, const struct place *p)
{
	uint64_t rest = (uint64_t)p->kind << 24 | (uint64_t)p->proto << 16 | p->port.raw;
	uint64_t h = hash__fold(p->addr.word[0] ^ 0x9ae16a3b2f90404f, p->addr.word[1] ^ 0xc3a5c85c97cb3127);

	return (uint32_t)(hash__fold(h ^ rest, 0xb492b66fbe98f273) >> 16) & m->mask;
}

static bool same_place(const struct place *a, const struct place *b)
{
	return a->kind == b->kind && a->proto == b->proto && be16_equal(a->port, b->port) &&
	       addr_equal(&a->addr, &b->addr);
}

static struct place *slot_for(const struct place_map *m, const struct place *p)
{
	uint32_t at = home_of(m, p);

	while (m->place[at].kind != PLACE_FREE && !same_place(&m->place[at], p))
		at = (at + 1) & m->mask;
	return &m->place[at];
}

int services__map_new(struct place_map *m, uint32_t n)
{
	uint32_t size = 16;

	while (size < n * 2)
		size *= 2;
	m->place = calloc(size, sizeof(*m->place));
	m->mask = size - 1;
	return m->place ? 0 : -ENOMEM;
}

void services__map_add(struct place_map *m, const struct place *p)
{
	*slot_for(m, p) = *p;
}

const struct place *services__map_find(const struct place_map *m, enum place_kind kind,
				       const struct addr *a, be16 port, uint8_t proto)
{
	struct place wanted = { .addr = *a, .port = port, .proto = proto, .kind = (uint8_t)kind };
	const struct place *found = slot_for(m, &wanted);

	return found->kind == PLACE_FREE ? NULL : found;
}
