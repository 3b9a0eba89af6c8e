/* worker.c - one worker's share of the services: counts per node and remembered SYNs. */
#include "services_internal.h"

enum { KEY_SERVICES = 0x7365727669636573 };

struct services *services_layout(struct arena *a, unsigned worker, const struct hash_key *key)
{
	struct services *v = arena_take(a, sizeof(*v));
	struct node_load *load = arena_take(a, SERVICES_NODE_SLOTS * sizeof(*load));
	struct syn *syn = arena_take(a, SYN_SLOTS * sizeof(*syn));

	if (!v)
		return NULL;
	*v = (struct services){ .worker = worker, .load = load, .syn = syn };
	arena_points(a, &v->load);
	arena_points(a, &v->syn);
	v->key = hash_key_derive(key, KEY_SERVICES + worker);
	v->random = v->key.word[7];
	return v;
}

void services_flow_ended(struct services *v, const struct flow *f)
{
	if (services__is_probe(&f->key[0].dst))
		return;
	must(f->object < SERVICES_NODE_SLOTS && counter_read(&v->load[f->object].live) > 0);
	counter_add(&v->load[f->object].live, (uint64_t)-1);
	services__syn_forget(v, &f->key[0]);
}

uint64_t services_node_flows(const struct services *v, uint32_t slot)
{
	return counter_read(&v->load[slot].live);
}

uint64_t services_node_total(const struct services *v, uint32_t slot)
{
	return counter_read(&v->load[slot].total);
}

uint64_t services_node_failed(const struct services *v, uint32_t slot)
{
	return counter_read(&v->load[slot].failed);
}
