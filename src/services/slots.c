/*
 * slots.c - the numbers by which flows name nodes and services, kept by name from one table to the
 * next; and what a new table makes stale.
 */
#include "services_internal.h"
#include <errno.h>

static uint32_t service_named(const struct services_table *t, const char *name, uint32_t hint)
{
	for (uint32_t i = 0; i < t->n_service; i++) {
		uint32_t at = (hint + i) % t->n_service;

		if (strcmp(t->service[at].name, name) == 0)
			return at;
	}
	return t->n_service;
}

/* @hint: where it stands if the configuration has not changed. */
static uint32_t node_named(const struct services_table *t, const struct service *s,
			   const char *name, uint32_t hint)
{
	for (uint32_t i = 0; i < s->n_node; i++) {
		uint32_t at = s->node_at + (hint + i) % s->n_node;

		if (strcmp(t->text[at].name, name) == 0)
			return at;
	}
	return NODE_NONE;
}

static bool same_endpoint(const struct node *a, const struct node *b)
{
	return addr_equal(&a->address, &b->address) && be16_equal(a->port, b->port);
}

static void keep_node_slot(struct services_table *t, uint32_t at, const struct services_table *prev,
			   const struct service *was)
{
	struct node *n = &t->node[at];
	uint32_t old = node_named(prev, was, t->text[at].name, at - t->service[n->service].node_at);

	if (old == NODE_NONE)
		return;
	n->slot = prev->node[old].slot;
	if (!same_endpoint(n, &prev->node[old]) ||
	    t->service[n->service].protocol != was->protocol)
		t->generation[n->slot]++;
	t->node_of_slot[n->slot] = (uint16_t)at;
}

static void keep_service_slots(struct services_table *t, const struct services_table *prev)
{
	for (uint32_t i = 0; i < t->n_service; i++) {
		struct service *s = &t->service[i];
		uint32_t old = service_named(prev, s->name, i);

		if (old == prev->n_service)
			continue;
		s->slot = prev->service[old].slot;
		t->service_of_slot[s->slot] = (uint8_t)(i + 1);
		for (uint32_t k = 0; k < s->n_node; k++)
			keep_node_slot(t, s->node_at + k, prev, &prev->service[old]);
	}
}

static uint32_t free_service_slot(const struct services_table *t, const struct services_table *prev)
{
	for (uint32_t i = 0; prev && i < SERVICES_MAX; i++)
		if (!t->service_of_slot[i] && !prev->service_of_slot[i])
			return i;
	for (uint32_t i = 0; i < SERVICES_MAX; i++)
		if (!t->service_of_slot[i])
			return i;
	abort(); /* there are as many slots as services may be */
}

/* A slot that nobody had just now comes first: its old flows are gone, and the counts are its own. */
static uint32_t free_node_slot(const struct services_table *t, const struct services_table *prev,
			       uint32_t *from)
{
	for (; *from < SERVICES_NODE_SLOTS; (*from)++)
		if (t->node_of_slot[*from] == NODE_NONE &&
		    (!prev || prev->node_of_slot[*from] == NODE_NONE))
			return (*from)++;
	for (uint32_t i = 0; i < SERVICES_NODE_SLOTS; i++)
		if (t->node_of_slot[i] == NODE_NONE)
			return i;
	return NODE_NONE;
}

/* Not the same for two nodes that one slot may be given to, even by tables that do not know of each
 * other: flows of a table that has gone may still be there unswept. */
static uint16_t first_generation(const struct services_table *t, uint32_t at)
{
	static const struct hash_key key = { .word = { 0x66697273742d6765, 0x6e65726174696f6e } };
	const struct node *n = &t->node[at];
	const struct service *s = &t->service[n->service];
	const uint64_t of[] = { siphash(&key, s->name, strlen(s->name)),
				siphash(&key, t->text[at].name, strlen(t->text[at].name)),
				n->address.word[0], n->address.word[1],
				(uint64_t)be16_to(n->port) << 8 | s->protocol };
	uint16_t g = (uint16_t)siphash(&key, of, sizeof(of));

	return g ? g : 1; /* 0 marks a slot that nobody has had */
}

int services__keep_slots(struct services_table *t, const struct services_table *prev, struct err *e)
{
	uint32_t from = 0;

	memset(t->node_of_slot, 0xff, sizeof(t->node_of_slot));
	if (prev) {
		memcpy(t->generation, prev->generation, sizeof(t->generation));
		keep_service_slots(t, prev);
	}
	for (uint32_t i = 0; i < t->n_service; i++) {
		struct service *s = &t->service[i];

		if (s->slot < SERVICES_MAX)
			continue;
		s->slot = free_service_slot(t, prev);
		t->service_of_slot[s->slot] = (uint8_t)(i + 1);
	}
	for (uint32_t i = 0; i < t->n_node; i++) {
		struct node *n = &t->node[i];

		if (n->slot == NODE_NONE) {
			n->slot = (uint16_t)free_node_slot(t, prev, &from);
			if (n->slot == NODE_NONE)
				return err_set(e, -ENOSPC, "more than %d nodes", SERVICES_NODE_SLOTS);
			t->node_of_slot[n->slot] = (uint16_t)i;
			if (t->generation[n->slot]++ == 0)
				t->generation[n->slot] = first_generation(t, i);
		}
		n->generation = t->generation[n->slot];
	}
	return 0;
}
