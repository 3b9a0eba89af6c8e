/*
 * shares.c - how much of a service's new flows each node should get: weight, state, slow start,
 * preferred zone. The schedulers see only the result.
 */
#include "services_internal.h"

enum { SHARES_TOTAL_MAX = 1 << 30 };

/* Sums over one group of nodes: the preferred zone, or the rest. */
struct group {
	uint64_t share;
	uint32_t n, n_up;
};

static uint64_t weighed(const struct node_conf *c, const struct node_status *st)
{
	uint64_t full = (uint64_t)c->weight * SHARE_UNIT;

	if (st->state != NODE_UP)
		return 0;
	if (st->ramp_percent == 0 || st->ramp_percent >= 100 || full == 0)
		return full;
	return full * st->ramp_percent / 100;
}

static bool in_preferred_zone(const struct service_conf *c, const struct node_conf *node)
{
	return strcmp(c->prefer_zone, node->zone) == 0;
}

/* The preferred zone keeps all its traffic while enough of its nodes are up; below that, the part
 * that is missing goes to the others, in proportion. */
static void weigh_zones(const struct service_conf *c, uint64_t *share)
{
	struct group zone = { 0 }, rest = { 0 };
	uint64_t wanted, up; /* in hundredths of the zone's nodes */

	for (size_t i = 0; i < c->n_node; i++) {
		struct group *g = in_preferred_zone(c, &c->node[i]) ? &zone : &rest;

		g->share += share[i];
		g->n += c->node[i].weight > 0;
		g->n_up += share[i] > 0;
	}
	if (zone.share == 0 || rest.share == 0)
		return;
	wanted = (uint64_t)c->spill_percent * zone.n;
	up = (uint64_t)zone.n_up * 100;
	for (size_t i = 0; i < c->n_node; i++) {
		if (share[i] == 0 || in_preferred_zone(c, &c->node[i]))
			continue;
		if (up >= wanted)
			share[i] = 0;
		else if ((share[i] = share[i] * zone.share / rest.share * (wanted - up) / up) == 0)
			share[i] = 1;
	}
}

/* So that all sums fit 32 bits with room to multiply. */
static void scale_down(uint64_t *share, size_t n)
{
	uint64_t total = 0, by;

	for (size_t i = 0; i < n; i++)
		total += share[i];
	by = total / SHARES_TOTAL_MAX + 1;
	for (size_t i = 0; i < n; i++)
		if (share[i] > 0)
			share[i] = share[i] < by ? 1 : share[i] / by;
}

void services__shares(struct services_table *t, struct service *s, const struct service_conf *c,
		      const struct node_status *status)
{
	uint64_t share[SERVICE_NODES_MAX];
	uint32_t end = 0;

	for (size_t i = 0; i < c->n_node; i++)
		share[i] = weighed(&c->node[i], &status[i]);
	if (c->prefer_zone[0])
		weigh_zones(c, share);
	scale_down(share, c->n_node);

	s->n_candidate = 0;
	for (uint32_t i = 0; i < s->n_node; i++) {
		t->node[s->node_at + i].share = (uint32_t)share[i];
		if (share[i] == 0)
			continue;
		end += (uint32_t)share[i];
		s->candidate[s->n_candidate] = (uint16_t)(s->node_at + i);
		s->ends[s->n_candidate++] = end;
	}
}
