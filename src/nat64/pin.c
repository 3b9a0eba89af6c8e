/*
 * pin.c - which worker has a static entry.
 *
 * What comes from outside is steered by port block, what comes from inside by subscriber: an entry
 * works only if both lead to one worker. So entries that share a block or a subscriber form a
 * group, and a group gets the worker that its first subscriber has anyway. Control thread only.
 */
#include <errno.h>
#include <stdlib.h>
#include "nat64_internal.h"

/** struct pin - @parent: index of an entry of the same group, its own at the group's head. */
struct pin {
	struct addr subscriber;
	uint32_t block; /* over all slots */
	uint32_t parent;
};

static uint32_t head_of(struct pin *pin, uint32_t i)
{
	while (pin[i].parent != i)
		i = pin[i].parent = pin[pin[i].parent].parent;
	return i;
}

static void join(struct pin *pin, uint32_t a, uint32_t b)
{
	uint32_t x = head_of(pin, a), y = head_of(pin, b);

	if (x < y)
		pin[y].parent = x;
	else
		pin[x].parent = y;
}

/** struct place - an entry by what it may share with others. */
struct place {
	const struct pin *pin;
	uint32_t at;
};

static int by_subscriber(const void *a, const void *b)
{
	return addr_compare(&((const struct place *)a)->pin->subscriber,
			    &((const struct place *)b)->pin->subscriber);
}

static int by_block(const void *a, const void *b)
{
	uint32_t x = ((const struct place *)a)->pin->block, y = ((const struct place *)b)->pin->block;

	return (x > y) - (x < y);
}

static void join_equals(struct pin *pin, struct place *place, uint32_t n,
			int (*compare)(const void *, const void *))
{
	qsort(place, n, sizeof(*place), compare);
	for (uint32_t i = 1; i < n; i++)
		if (compare(&place[i - 1], &place[i]) == 0)
			join(pin, place[i - 1].at, place[i].at);
}

static unsigned worker_of(const struct steering *s, const struct addr *inside)
{
	struct tuple t = { .src = *inside };

	return owner_of_tuple(s, &t, SIDE_INSIDE);
}

static int publish(struct nat64_table *t, struct steering *s, const struct pin *pin, struct err *e)
{
	for (uint32_t i = 0; i < t->n_static; i++) {
		const struct static_entry *entry = &t->entry[i];

		t->block[entry->slot][entry->outside_port / BLOCK_BITS] = entry->worker;
		if (steering_add(s, STEER_PINNED, &pin[i].subscriber, (be16){ 0 }, 0,
				 entry->worker))
			return err_set(e, -ENOSPC, "nat64: too many static entries to steer by");
	}
	return 0;
}

int pin__statics(struct nat64_table *t, struct steering *s, struct err *e)
{
	uint32_t n = t->n_static;
	struct pin *pin = calloc(n + 1, sizeof(*pin));
	struct place *place = calloc(n + 1, sizeof(*place));
	int rc = err_set(e, -ENOMEM, "nat64: no memory for static entries");

	if (!pin || !place)
		goto out;
	for (uint32_t i = 0; i < n; i++) {
		pin[i] = (struct pin){ .subscriber = steering_subscriber(s, &t->entry[i].inside),
				       .block = t->entry[i].slot * STEER_BLOCKS +
						t->entry[i].outside_port / BLOCK_BITS,
				       .parent = i };
		place[i] = (struct place){ .pin = &pin[i], .at = i };
	}
	join_equals(pin, place, n, by_subscriber);
	join_equals(pin, place, n, by_block);
	for (uint32_t i = 0; i < n; i++)
		t->entry[i].worker =
			(uint8_t)worker_of(s, &t->entry[head_of(pin, i)].inside);
	rc = publish(t, s, pin, e);
out:
	free(place);
	free(pin);
	return rc;
}
