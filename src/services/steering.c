/*
 * steering.c - what the room tells owner_of(): VIPs and node endpoints, so that both directions of
 * a flow are steered by the client's address, and port blocks for sources that stand for many.
 */
#include "services_internal.h"
#include <errno.h>

static const be16 no_port;

/* Owners must not depend on which other pools there are: the address itself stands for the slot. */
static void fill_row(uint8_t row[STEER_BLOCKS], const struct steering *s, const struct addr *a)
{
	uint64_t h = a->word[0] * 0x9e3779b97f4a7c15 ^ a->word[1];

	for (unsigned b = 0; b < STEER_BLOCKS; b++)
		row[b] = (uint8_t)steering_block_default(s, (uint32_t)(h ^ h >> 32), b);
}

static int add_source(struct services_table *t, struct steering *s, const struct addr *a,
		      uint32_t *row)
{
	struct place place = { .addr = *a, .kind = PLACE_CLIENT, .value = t->own_row + t->n_own_row };
	const struct place *known = services__map_find(&t->map, PLACE_CLIENT, a, no_port, 0);

	if (known) {
		*row = known->value;
		return 0;
	}
	*row = place.value;
	t->n_own_row++;
	services__map_add(&t->map, &place);
	fill_row(t->block[*row], s, a);
	return steering_add(s, STEER_POOL, a, no_port, 0, *row);
}

static int add_sources(struct services_table *t, struct steering *s)
{
	struct addr probe6 = services_probe_source();
	int rc = add_source(t, s, &probe6, &t->probe_row);

	for (uint32_t i = 0; i < t->n_service && rc == 0; i++) {
		struct service *v = &t->service[i];

		if (v->has_source_v4)
			rc = add_source(t, s, &v->source_v4, &v->row_v4);
		if (v->has_source_v6 && rc == 0)
			rc = add_source(t, s, &v->source_v6, &v->row_v6);
	}
	return rc;
}

static int copy_blocks(struct services_table *t, struct steering *s, struct err *e)
{
	uint32_t most = s->n_pools + 1 + t->n_service * 2;

	if (most > STEER_POOL_MAX)
		return err_set(e, -ENOSPC, "more than %d pool and source addresses", STEER_POOL_MAX);
	t->block = calloc(most, sizeof(*t->block));
	if (!t->block)
		return err_set(e, -ENOMEM, "no memory for port blocks");
	if (s->n_pools)
		memcpy(t->block, s->block, s->n_pools * sizeof(*t->block));
	t->own_row = s->n_pools;
	return 0;
}

static int add_embed(struct steering *s, const struct service *v)
{
	struct prefix p = { .addr = v->embed.prefix, .len = v->embed.len };

	for (uint32_t i = 0; i < s->n_embed; i++)
		if (addr_equal(&s->embed[i].addr, &p.addr))
			return 0;
	if (s->n_embed == STEER_PREFIXES_MAX)
		return -ENOSPC;
	s->embed[s->n_embed++] = p;
	return 0;
}

static int add_places(const struct services_table *t, const struct services_conf *conf,
		      struct steering *s)
{
	int rc = 0;

	for (uint32_t i = 0; i < t->n_service && rc == 0; i++) {
		const struct service_conf *c = &conf->service[i];
		const struct service *v = &t->service[i];

		for (size_t k = 0; k < c->n_address && rc == 0; k++)
			rc = steering_add(s, STEER_VIP, &c->address[k], no_port, 0, 0);
		for (uint32_t k = 0; k < v->n_node && rc == 0; k++) {
			const struct node *n = &t->node[v->node_at + k];

			rc = steering_add(s, STEER_NODE, &n->address, n->port, v->protocol, 0);
		}
		if (v->has_embed && rc == 0)
			rc = add_embed(s, v);
	}
	return rc;
}

/* A probe leaves the host from its own address and comes back to the one a node has seen: both must
 * be one worker's. What a node sees as a source is steered by its port, which that worker chooses. */
static int pin_probes(struct steering *s, const struct services_conf *conf)
{
	struct tuple as_client = { .src = services__probe_source4(), .proto = 6 };
	struct addr client = services_probe_client(), subscriber = steering_subscriber(s, &client);
	unsigned worker;
	int rc;

	if (conf->n_service == 0)
		return 0;
	as_client.dst = conf->service[0].address[0];
	worker = owner_of_tuple(s, &as_client, SIDE_INSIDE);
	rc = steering_add(s, STEER_PINNED, &subscriber, no_port, 0, worker);
	return rc ? rc : steering_add(s, STEER_PINNED, &client, no_port, 0, worker);
}

int services__add_steering(struct services_table *t, const struct services_conf *conf,
			   struct steering *s, struct err *e)
{
	int rc = copy_blocks(t, s, e);

	if (rc)
		return rc;
	rc = add_sources(t, s);
	s->block = t->block;
	s->n_pools += t->n_own_row;
	if (rc == 0)
		rc = add_places(t, conf, s);
	if (rc == 0)
		rc = pin_probes(s, conf);
	if (rc)
		return err_set(e, rc, "too many VIPs, nodes and sources for the steering table");
	return 0;
}
