/*
 * claims.c - from the plan's routes to the prefixes that the XDP program takes.
 *
 * The same objects that lead a packet to our devices say here that it is ours, so that both ways in
 * agree. Pure.
 */
#include "sixgate/netlink/hops.h"
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include "netlink_internal.h"

/* Only these two tables are asked about what comes in by a data interface; node rules are below. */
static bool side_of_table(uint32_t table, uint8_t *side)
{
	*side = table == NETLINK_TABLE_INSIDE ? SIDE_INSIDE : SIDE_OUTSIDE;
	return table == NETLINK_TABLE_INSIDE || table == NETLINK_TABLE_OUTSIDE;
}

static void add(struct netlink_claims *c, const struct prefix *p, uint8_t side, uint8_t way)
{
	c->claim[c->all.n_claim++] = (struct xdp_claim_conf){ .prefix = *p, .side = side, .way = way };
}

/* In the 16-byte form ::/0 would hold IPv4, too. What follows may say otherwise. */
static void add_v4_apart(struct netlink_claims *c)
{
	static const struct prefix any4 = { .addr.octet = { [10] = 0xff, [11] = 0xff }, .len = 96 };

	add(c, &any4, SIDE_INSIDE, XDP_TO_KERNEL);
	add(c, &any4, SIDE_OUTSIDE, XDP_TO_KERNEL);
}

static void add_routes(struct netlink_claims *c, const struct netlink_plan *plan)
{
	for (size_t i = 0; i < plan->objects.n; i++) {
		const struct netlink_object *o = &plan->objects.at[i];
		uint8_t side;

		if (o->kind == NETLINK_KIND_ROUTE && side_of_table(o->table, &side))
			add(c, &o->prefix, side, o->type == RTN_UNICAST ? XDP_TO_US : XDP_TO_KERNEL);
	}
}

/* The local table comes before all others. A prefix that is both is a conflict that the plan names. */
static void add_local(struct netlink_claims *c, const struct netlink_facts *f)
{
	for (size_t i = 0; i < f->n_local; i++) {
		const struct prefix host = { .addr = f->local[i].addr, .len = 128 };

		add(c, &host, SIDE_INSIDE, XDP_TO_HOST);
		add(c, &host, SIDE_OUTSIDE, XDP_TO_HOST);
	}
}

static void add_repliers(struct netlink_claims *c, const struct netlink_plan *plan)
{
	for (size_t i = 0; i < plan->objects.n; i++) {
		const struct netlink_object *o = &plan->objects.at[i];

		if (o->kind != NETLINK_KIND_RULE || o->preference != NETLINK_RULE_NODES)
			continue;
		c->replier[c->all.n_replier++] = (struct xdp_replier_conf){
			.addr = o->prefix.addr,
			.port = be16_from(o->sport),
			.proto = o->ipproto,
			.side = o->table == NETLINK_TABLE_NODES_INSIDE ? SIDE_INSIDE : SIDE_OUTSIDE,
		};
	}
}

int netlink_claims_build(const struct netlink_input *in, const struct netlink_plan *plan,
			 struct netlink_claims *out)
{
	struct netlink_claims c = { .all = { .n_claim = 0 } };

	c.claim = calloc(plan->objects.n + 2 * in->facts->n_local + 2, sizeof(*c.claim));
	c.replier = calloc(plan->objects.n + 1, sizeof(*c.replier));
	if (!c.claim || !c.replier) {
		netlink_claims_free(&c);
		return -ENOMEM;
	}
	add_v4_apart(&c);
	add_routes(&c, plan);
	add_local(&c, in->facts);
	add_repliers(&c, plan);
	c.all.claim = c.claim;
	c.all.replier = c.replier;
	if (in->probe)
		c.all.probe = *in->probe;
	*out = c;
	return 0;
}

void netlink_claims_free(struct netlink_claims *c)
{
	free(c->claim);
	free(c->replier);
	*c = (struct netlink_claims){ .claim = NULL };
}
