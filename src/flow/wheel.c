/*
 * wheel.c - hierarchical timing wheel.
 *
 * Time stands at @now until every list that is due then has been drained, the coarse levels
 * included, so that one call can stop anywhere and the next one goes on there.
 */
#include "sixgate/flow/wheel.h"
#include "sixgate/base/must.h"

enum { SLOT_BITS = 6, IS_SLOT = 1u << 31 };
#define WHEEL_REACH ((1u << (SLOT_BITS * WHEEL_LEVELS)) - 1)

void wheel_init(struct wheel *w, struct flow *flows, uint32_t now_tick)
{
	*w = (struct wheel){ .flow = flows, .now = now_tick };
	for (unsigned l = 0; l < WHEEL_LEVELS; l++)
		for (unsigned s = 0; s < WHEEL_SLOTS; s++)
			w->head[l][s] = WHEEL_NIL;
}

static uint32_t *head_of(struct wheel *w, uint32_t slot)
{
	return &w->head[slot / WHEEL_SLOTS][slot % WHEEL_SLOTS];
}

/* A deadline that has passed goes to the next tick: the list of this one may be drained already. */
static uint32_t slot_for(const struct wheel *w, uint32_t deadline)
{
	uint32_t ahead = (int32_t)(deadline - w->now) > 0 ? deadline - w->now : 1;
	uint32_t at, level = 0;

	if (ahead > WHEEL_REACH)
		ahead = WHEEL_REACH;
	at = w->now + ahead;
	while (ahead >= 1u << (SLOT_BITS * (level + 1)))
		level++;
	return level * WHEEL_SLOTS + (at >> (SLOT_BITS * level) & (WHEEL_SLOTS - 1));
}

void wheel_add(struct wheel *w, uint32_t index)
{
	struct wheel_node *n = &w->flow[index].timer;
	uint32_t slot = slot_for(w, w->flow[index].deadline);
	uint32_t *head = head_of(w, slot);

	n->next = *head;
	n->prev = IS_SLOT | slot;
	if (*head != WHEEL_NIL)
		w->flow[*head].timer.prev = index;
	*head = index;
	w->n++;
}

void wheel_remove(struct wheel *w, uint32_t index)
{
	struct wheel_node *n = &w->flow[index].timer;

	must(w->n > 0);
	if (n->prev & IS_SLOT)
		*head_of(w, n->prev & ~IS_SLOT) = n->next;
	else
		w->flow[n->prev].timer.next = n->next;
	if (n->next != WHEEL_NIL)
		w->flow[n->next].timer.prev = n->prev;
	w->n--;
}

/* The first node of a list that is due at w->now: coarse levels before fine ones. */
static uint32_t first_due(const struct wheel *w)
{
	for (unsigned l = WHEEL_LEVELS; l-- > 0;) {
		uint32_t below = (1u << (SLOT_BITS * l)) - 1;
		uint32_t i;

		if (w->now & below)
			continue;
		i = w->head[l][w->now >> (SLOT_BITS * l) & (WHEEL_SLOTS - 1)];
		if (i != WHEEL_NIL)
			return i;
	}
	return WHEEL_NIL;
}

uint32_t wheel_expire(struct wheel *w, uint32_t now_tick, uint32_t *budget)
{
	if (w->n == 0)
		w->now = now_tick;
	for (;;) {
		uint32_t i;

		while ((i = first_due(w)) != WHEEL_NIL) {
			if (*budget == 0)
				return WHEEL_NIL;
			--*budget;
			wheel_remove(w, i);
			if ((int32_t)(w->flow[i].deadline - w->now) <= 0)
				return i;
			wheel_add(w, i);
		}
		if ((int32_t)(now_tick - w->now) <= 0)
			return WHEEL_NIL;
		w->now++;
	}
}

uint32_t wheel_next(const struct wheel *w, uint32_t now_tick)
{
	if (w->n == 0)
		return UINT32_MAX;
	if (w->now != now_tick)
		return 1;
	for (uint32_t ahead = 1; ahead < WHEEL_SLOTS; ahead++) {
		uint32_t at = now_tick + ahead;

		if (w->head[0][at & (WHEEL_SLOTS - 1)] != WHEEL_NIL || !(at & (WHEEL_SLOTS - 1)))
			return ahead;
	}
	return WHEEL_SLOTS;
}
