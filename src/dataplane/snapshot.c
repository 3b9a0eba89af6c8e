/* snapshot.c - publishing a configuration to the workers, and knowing when the old one is free. */
#include "sixgate/dataplane/snapshot.h"
#include <stdlib.h>

const struct snapshot *snapshot_enter(struct snapshot_slot *slot, unsigned worker)
{
	const struct snapshot *s = atomic_load_explicit(&slot->current, memory_order_acquire);

	atomic_store_explicit(&slot->seen[worker].generation, s ? s->generation : 0,
			      memory_order_release);
	return s;
}

struct snapshot *snapshot_publish(struct snapshot_slot *slot, struct snapshot *fresh)
{
	struct snapshot *old = atomic_load_explicit(&slot->current, memory_order_relaxed);

	fresh->generation = old ? old->generation + 1 : 1;
	atomic_store_explicit(&slot->current, fresh, memory_order_release);
	return old;
}

bool snapshot_unused(const struct snapshot_slot *slot, const struct snapshot *old,
		     unsigned n_workers)
{
	for (unsigned i = 0; i < n_workers; i++)
		if (atomic_load_explicit(&slot->seen[i].generation, memory_order_acquire) <=
		    old->generation)
			return false;
	return true;
}

void snapshot_free(struct snapshot *s)
{
	if (!s)
		return;
	nat64_table_free(s->nat64);
	siit_table_free(s->siit);
	services_table_free(s->services);
	free(s);
}
