/*
 * crowd.c - rings of flows, one for each object at which some wait, and chains to find them.
 *
 * Objects are numbers that their pool gives out from 0 on, so they need no hash to be spread, and
 * nobody outside can choose them: a chain has at most OBJECTS_PER_HEAD rings.
 */
#include "sixgate/flow/crowd.h"

enum { OBJECTS_PER_HEAD = 16 };

/**
 * struct crowd_place - @flow waits at @object
 * @younger, @older: in the ring; the oldest comes after the youngest
 * @next: of the oldest of a ring: that of the next one in the chain, + 1
 */
struct crowd_place {
	uint32_t flow, object;
	uint32_t younger, older;
	uint32_t next;
};

void crowds_layout(struct crowds *c, uint32_t n, uint32_t n_objects, struct arena *a)
{
	*c = (struct crowds){ .n_heads = n_objects / OBJECTS_PER_HEAD + 1 };
	c->place = arena_take(a, (size_t)n * sizeof(*c->place));
	c->head = arena_take(a, (size_t)c->n_heads * sizeof(*c->head));
	pool_init_within(&c->pool, c->place ? &c->place->flow : NULL, sizeof(*c->place), n);
	if (!c->place)
		return;
	arena_points(a, &c->place);
	arena_points(a, &c->head);
	arena_points(a, &c->pool.next);
}

/* Where the number of the oldest place of @object stands, + 1; 0 when nobody waits there. */
static uint32_t *oldest_of(const struct crowds *c, uint32_t object)
{
	uint32_t *at = &c->head[object % c->n_heads];

	while (*at && c->place[*at - 1].object != object)
		at = &c->place[*at - 1].next;
	return at;
}

uint32_t crowd_join(struct crowds *c, uint32_t object, uint32_t flow)
{
	uint32_t *at = oldest_of(c, object), i = pool_get(&c->pool), oldest;
	struct crowd_place *p = &c->place[i];

	must(i != POOL_NONE);
	oldest = *at ? *at - 1 : i;
	if (!*at)
		*at = i + 1;
	*p = (struct crowd_place){ .flow = flow, .object = object, .younger = i, .older = i };
	if (oldest == i)
		return i;
	p->younger = oldest;
	p->older = c->place[oldest].older;
	c->place[p->older].younger = i;
	c->place[oldest].older = i;
	return i;
}

void crowd_leave(struct crowds *c, uint32_t place)
{
	struct crowd_place *p = &c->place[place];
	uint32_t *at = oldest_of(c, p->object);

	must(*at);
	if (*at == place + 1 && p->younger == place) {
		*at = p->next;
	} else if (*at == place + 1) {
		*at = p->younger + 1;
		c->place[p->younger].next = p->next;
	}
	c->place[p->older].younger = p->younger;
	c->place[p->younger].older = p->older;
	pool_put(&c->pool, place);
}

uint32_t crowd_oldest(const struct crowds *c, uint32_t object)
{
	uint32_t at = *oldest_of(c, object);

	return at ? c->place[at - 1].flow : CROWD_NONE;
}
