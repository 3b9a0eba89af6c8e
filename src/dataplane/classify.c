/*
 * classify.c - a packet that belongs to no flow: may it start one, and whose is it?
 *
 * The order of decision is the architecture's: VIPs and nodes, pool4 and explicit mappings, the
 * NAT64 prefix, siit's prefix, egress6, nobody. Static entries are mappings of nat64 and found
 * there. Only siit answers without a flow; what it takes it takes by addresses alone.
 */
#include "dataplane_internal.h"

bool classify__is_inside(const struct snapshot *s, const struct addr *a)
{
	for (uint32_t i = 0; i < s->n_inside; i++)
		if (prefix_contains(&s->inside[i], a))
			return true;
	return false;
}

struct verdict classify__check_side(const struct snapshot *s, const struct packet *p,
				    const struct addr *src, const struct addr *dst)
{
	bool hairpin = p->flags & PACKET_HAIRPIN;

	if (s->nat64 && !addr_is_v4(src) && nat64_claims_pool6(s->nat64, src, NULL))
		return verdict_drop(DROP_SPOOFED_POOL6);
	if (p->side == SIDE_INSIDE) {
		if (s->n_inside && !classify__is_inside(s, src) && !stateless__is_host(s, src))
			return verdict_reject(DROP_SOURCE_NOT_INSIDE, REPLY_SOURCE_POLICY);
		return verdict_continue();
	}
	if (!hairpin && classify__is_inside(s, src))
		return verdict_drop(DROP_SPOOFED_INSIDE);
	if (!hairpin && s->nat64 && addr_is_v4(src) && nat64_claims_pool4(s->nat64, src))
		return verdict_drop(DROP_LOOP);
	if (!hairpin && s->siit && siit_has_pool6(s->siit, src))
		return verdict_drop(DROP_SPOOFED_POOL6);
	/* a node would take it for the IPv4 client that the address stands for */
	if (!hairpin && s->services && !addr_is_v4(src) && services_stands_for_client(s->services, src))
		return verdict_drop(DROP_SPOOFED_POOL6);
	if (s->nat64 && !addr_is_v4(dst) && nat64_claims_pool6(s->nat64, dst, NULL))
		return verdict_drop(DROP_SPOOFED_POOL6);
	return verdict_continue();
}

static struct verdict ask_services(struct worker *w, const struct snapshot *s,
				   const struct packet *p, struct flow_plan *plan, uint64_t now_ms)
{
	if (services_claims_vip(s->services, &p->key.dst) && answer__is_echo_request(p))
		return verdict_drop(DROP_CONSUMED);
	if (services_claims_vip(s->services, &p->key.dst))
		return services_admit(w->services, s->services, &s->steer, &w->flows, p, plan,
				      now_ms);
	if (services_claims_node(s->services, &p->key.src, p->key.sport, p->proto))
		return verdict_drop(DROP_NODE_NO_FLOW);
	if (services_claims_client(s->services, &p->key.dst))
		return verdict_drop(DROP_NO_FLOW);
	return verdict_continue();
}

/* RFC 5508 REQ-10: an echo request that no mapping takes is for the pool address itself. */
static struct verdict ask_pool4(struct worker *w, const struct snapshot *s, const struct packet *p,
				struct flow_plan *plan, uint64_t now_ms)
{
	struct verdict v = nat64_admit_outside(w->nat64, s->nat64, p, plan, now_ms);

	return v.why == DROP_NO_BIB_ENTRY && answer__is_echo_request(p) ?
		       verdict_drop(DROP_CONSUMED) : v;
}

static struct verdict ask_nat64(struct worker *w, const struct snapshot *s, const struct packet *p,
				struct flow_plan *plan, uint64_t now_ms)
{
	if (addr_is_v4(&p->key.dst)) {
		if (p->side == SIDE_OUTSIDE && nat64_claims_pool4(s->nat64, &p->key.dst))
			return ask_pool4(w, s, p, plan, now_ms);
		return verdict_continue();
	}
	if (p->side == SIDE_INSIDE && nat64_claims_pool6(s->nat64, &p->key.dst, NULL)) {
		session__note_flows(w);
		return nat64_admit_inside(w->nat64, s->nat64, &w->flows, p, plan, now_ms);
	}
	return verdict_continue();
}

static struct verdict ask_egress6(const struct snapshot *s, const struct packet *p,
				  struct flow_plan *plan)
{
	if (addr_is_v4(&p->key.dst))
		return verdict_continue();
	/* for an inside host it is no way out: with a flow, answers from outside could be in its name */
	if (p->side == SIDE_INSIDE && classify__is_inside(s, &p->key.dst))
		return verdict_continue();
	if (p->side == SIDE_INSIDE)
		return egress6_admit_inside(&s->egress6, p, plan);
	if (egress6_claims(&s->egress6, &p->key.dst))
		return egress6_admit_outside(&s->egress6, p, plan);
	return verdict_continue();
}

static struct verdict noted(struct worker *w, enum policy_id policy, const struct flow_plan *plan,
			    struct verdict v)
{
	if (unlikely(w->traced))
		trace__asked(w, policy, v, plan->policy == policy);
	return v;
}

/* Which policy takes it: a plan with its policy set, or a drop. siit has been asked: it takes
 * nothing that a policy before it would. */
static struct verdict ask_policies(struct worker *w, const struct snapshot *s,
				   const struct packet *p, struct flow_plan *plan, uint64_t now_ms)
{
	struct verdict v = verdict_continue();

	*plan = (struct flow_plan){ 0 };
	if (s->services)
		v = noted(w, POLICY_SERVICES, plan, ask_services(w, s, p, plan, now_ms));
	if (v.next == VERDICT_CONTINUE && !plan->policy && s->nat64)
		v = noted(w, POLICY_NAT64, plan, ask_nat64(w, s, p, plan, now_ms));
	if (v.next == VERDICT_CONTINUE && !plan->policy && s->has_egress6)
		v = noted(w, POLICY_EGRESS6, plan, ask_egress6(s, p, plan));
	if (v.next == VERDICT_CONTINUE && !plan->policy)
		v = p->side == SIDE_INSIDE ? verdict_reject(DROP_NO_POLICY, REPLY_NO_ROUTE) :
					     verdict_drop(DROP_NO_POLICY);
	return v;
}

/* What leaves and is addressed to one of our own pools comes round once more. */
static void mark_hairpins(const struct snapshot *s, struct flow_plan *plan)
{
	for (unsigned dir = 0; dir < 2; dir++) {
		const struct addr *to = &plan->key[!dir].src;

		if ((s->nat64 && addr_is_v4(to) && nat64_claims_pool4(s->nat64, to)) ||
		    (s->siit && siit_has_eam4(s->siit, to)) ||
		    (s->services && services_claims_vip(s->services, to)))
			plan->flags |= (uint8_t)(FLOW_HAIRPIN_0 << dir);
	}
}

static void give_back(struct worker *w, const struct flow_plan *plan, uint64_t now_ms)
{
	struct flow f = { .policy = plan->policy, .object = plan->object, .aux = plan->aux,
			  .generation = plan->generation, .flags = plan->flags,
			  .key = { plan->key[0], plan->key[1] } };

	if (plan->policy == POLICY_NAT64)
		nat64_flow_refused(w->nat64, &f, now_ms);
	else if (plan->policy == POLICY_SERVICES)
		services_flow_ended(w->services, &f);
}

/* An incomplete session from outside makes room, nothing else does. */
static bool evict(struct worker *w, uint32_t index, uint64_t now_ms)
{
	if (index == FLOW_NONE)
		return false;
	session__end(w, index, now_ms);
	count(w, COUNT_FLOWS_EVICTED, 1);
	return true;
}

static uint32_t add_flow(struct worker *w, const struct flow_plan *plan, uint64_t now_ms,
			 enum drop_reason *why)
{
	bool made_room = plan->crowded && evict(w, crowd_oldest(&w->strangers, plan->object), now_ms);
	uint32_t index;

	if (!made_room && plan->flags & FLOW_FROM_OUTSIDE &&
	    session__n_incomplete(w) >= w->flows.pool.n / FROM_OUTSIDE_SHARE)
		evict(w, session__expendable(w), now_ms);
	index = flow_table_add(&w->flows, plan, why);
	if (index == FLOW_NONE && *why == DROP_FLOW_TABLE_FULL &&
	    evict(w, session__expendable(w), now_ms))
		index = flow_table_add(&w->flows, plan, why);
	return index;
}

/* RFC 5508 REQ-4: it opens nothing. Its sender is judged as that of any packet; the embedded packet,
 * whoever sent it, is not on its way here. */
static struct verdict drop_error_without_flow(const struct snapshot *s, const struct packet *p)
{
	struct addr src = packet_source(p), dst = packet_destination(p);
	struct verdict v = classify__check_side(s, p, &src, &dst);

	return v.next == VERDICT_CONTINUE ? verdict_drop(DROP_NO_FLOW_ICMP) : v;
}

struct verdict classify__open(struct worker *w, const struct snapshot *s, const struct packet *p,
			      uint64_t now_ms, struct decision *out)
{
	static const uint8_t created[N_POLICIES] = {
		[POLICY_NAT64] = COUNT_FLOWS_CREATED_NAT64,
		[POLICY_EGRESS6] = COUNT_FLOWS_CREATED_EGRESS6,
		[POLICY_SERVICES] = COUNT_FLOWS_CREATED_SERVICES,
	};
	struct flow_plan *plan = &out->plan;
	enum drop_reason why;
	struct verdict v;

	out->index = FLOW_NONE;
	plan->once = false;
	if (unlikely(p->flags & PACKET_ICMP_ERROR) && !stateless__takes(s, p))
		return drop_error_without_flow(s, p);
	v = classify__check_side(s, p, &p->key.src, &p->key.dst);
	if (v.next != VERDICT_CONTINUE)
		return v;
	if (unlikely(stateless__takes(s, p)))
		return stateless__noted(w, stateless__admit(s, p, &out->once));
	v = ask_policies(w, s, p, plan, now_ms);
	if (v.next != VERDICT_CONTINUE)
		return v;
	mark_hairpins(s, plan);
	if (plan->once)
		return verdict_continue();
	if (plan->policy == POLICY_SERVICES)
		plan->flags |= FLOW_REFRESH_BOTH;
	if (p->side == SIDE_OUTSIDE && plan->policy != POLICY_NAT64)
		plan->flags |= FLOW_FROM_OUTSIDE; /* nat64 has said so itself */
	out->index = add_flow(w, plan, now_ms, &why);
	if (out->index == FLOW_NONE) {
		give_back(w, plan, now_ms);
		return p->side == SIDE_INSIDE ? verdict_reject(why, REPLY_ADMIN_PROHIBITED) :
						verdict_drop(why);
	}
	out->dir = plan->dir;
	count(w, created[plan->policy], 1);
	session__start(w, s, out->index, p, now_ms);
	if (unlikely(w->traced))
		trace__opened(w, out->index, out->dir);
	if (unlikely(syns_count(w->syns)))
		session__meet_syn(w, out->index, plan->dir);
	return verdict_continue();
}
