/* admit.c - a first packet to a VIP: choose a node and a way back from it, hold its count. */
#include "services_internal.h"
#include "sixgate/flow/tcp.h"

enum { PROTO_TCP = 6, PROTO_UDP = 17 };

void services__plan(struct services *v, const struct services_table *t, const struct node *n,
		    enum side client_side, struct flow_plan *plan)
{
	plan->dir = 0;
	plan->policy = POLICY_SERVICES;
	plan->flags = FLOW_OUT_INSIDE_0 | FLOW_REFRESH_BOTH;
	if (client_side == SIDE_INSIDE)
		plan->flags |= FLOW_OUT_INSIDE_1;
	plan->object = n->slot;
	plan->generation = n->generation;
	plan->aux = t->service[n->service].slot;
	if (services__is_probe(&plan->key[0].dst))
		return;
	counter_add(&v->load[n->slot].live, 1);
	counter_add(&v->load[n->slot].total, 1);
}

/* A reset is what S3 clients understand best: they try again, and elsewhere. */
static struct verdict refuse(enum drop_reason why, uint8_t proto)
{
	if (proto == PROTO_TCP)
		return verdict_reject(why, REPLY_TCP_RESET);
	if (proto == PROTO_UDP)
		return verdict_reject(why, REPLY_PORT_UNREACHABLE);
	return verdict_drop(why);
}

/* No node was to be had. With hidden clients there is always a source: that of a node on the client's
 * own link is what misses, or else one of the other family. */
static enum drop_reason why_none(const struct admission *a, const struct service *s,
				 const struct addr *client)
{
	if (s->n_candidate == 0)
		return DROP_NO_NODE;
	for (uint32_t i = 0; i < s->n_candidate; i++)
		if (a->t->node[s->candidate[i]].is_v4 == addr_is_v4(client))
			return DROP_NODE_ON_LINK;
	return DROP_NODE_FAMILY;
}

static struct verdict place_flow(const struct admission *a, const struct service *s,
				 const struct packet *p, struct flow_plan *plan, uint64_t now_ms)
{
	enum drop_reason why = DROP_NO_NODE;
	struct wish wish = { .key = &p->key, .now_ms = now_ms };

	while (wish.n_tried < SYN_TRIED_MAX) {
		uint32_t index = services__choose(a->v, a->t, s, &wish);
		const struct node *n = &a->t->node[index];
		struct verdict v;

		if (index == NODE_NONE) {
			why = wish.n_tried ? why : why_none(a, s, &p->key.src);
			break;
		}
		*plan = (struct flow_plan){ .key = { p->key } };
		v = services__way_back(a, s, n, &p->key, &plan->key[1]);
		if (v.next == VERDICT_CONTINUE) {
			services__plan(a->v, a->t, n, p->side, plan);
			return v;
		}
		why = v.why;
		wish.tried[wish.n_tried++] = n->slot;
	}
	return refuse(why, p->key.proto);
}

static bool opens_connection(const struct packet *p)
{
	return (p->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN;
}

struct verdict services_admit(struct services *v, const struct services_table *t,
			      const struct steering *steer, const struct flow_table *flows,
			      const struct packet *p, struct flow_plan *plan, uint64_t now_ms)
{
	struct admission a = { .v = v, .t = t, .flows = flows };
	const struct service *s;
	struct verdict verdict;

	(void)steer; /* the table knows the owners of its own ports */
	if (services__is_probe(&p->key.dst))
		return services__admit_probe(&a, p, plan);
	s = services__service_of_vip(t, &p->key);
	if (!s)
		return refuse(DROP_SERVICE_PROTOCOL, p->key.proto);
	if (p->key.proto == PROTO_TCP && !opens_connection(p))
		return refuse(DROP_NO_FLOW, PROTO_TCP);
	verdict = place_flow(&a, s, p, plan, now_ms);
	if (verdict.next == VERDICT_CONTINUE && p->key.proto == PROTO_TCP)
		services__syn_store(v, p, plan->object, now_ms);
	return verdict;
}
