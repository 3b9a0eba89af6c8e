/*
 * crowd.h - flows that wait at one object of their policy, oldest first.
 *
 * Where too many wait at one object the oldest of them makes room, and who waits elsewhere does not
 * notice. There is a place for each flow that waits, and none for the others. One owner thread; all
 * fixed at start, in zeroed memory that is touched only when used.
 */
#pragma once
#include "sixgate/base/arena.h"
#include "sixgate/base/pool.h"

#define CROWD_NONE UINT32_MAX

struct crowd_place;

/**
 * struct crowds - @head: chains of the oldest place of each object
 */
struct crowds {
	struct crowd_place *place;
	uint32_t *head, n_heads;
	struct pool pool;
};

/** crowds_layout() - for at most @n flows that wait at a time, at objects 0 to @n_objects - 1;
 *  measuring arena: only the size is counted. */
void crowds_layout(struct crowds *c, uint32_t n, uint32_t n_objects, struct arena *a);

/** crowd_join() - @flow is the youngest that waits at @object. There must be room. Return: its place. */
uint32_t crowd_join(struct crowds *c, uint32_t object, uint32_t flow);

/** crowd_leave() - who has @place waits no longer. */
void crowd_leave(struct crowds *c, uint32_t place);

/** crowd_oldest() - Return: the flow that has waited longest at @object, CROWD_NONE if none does. */
uint32_t crowd_oldest(const struct crowds *c, uint32_t object);
