/*
 * stateless.c - siit among the other policies: which packets are its own, which addresses may come
 * from which side, what goes round once more.
 *
 * By the order of decision (VIPs and nodes; pool4 and explicit mappings; the NAT64 prefix; siit's)
 * a packet can be told by its addresses, so a fragment without ports can be, too.
 */
#include "dataplane_internal.h"

static bool services_take(const struct services_table *t, const struct packet *p)
{
	bool no_port = (p->flags & (PACKET_FRAGMENT | PACKET_FIRST_FRAGMENT)) == PACKET_FRAGMENT;

	if (services_claims_vip(t, &p->key.dst) || services_claims_client(t, &p->key.dst))
		return true;
	return no_port ? services_has_node(t, &p->key.src)
		       : services_claims_node(t, &p->key.src, p->key.sport, p->proto);
}

static bool in_pool4(const struct nat64_table *t, const struct packet *p)
{
	return t && p->side == SIDE_OUTSIDE && nat64_claims_pool4(t, &p->key.dst);
}

static bool in_pool6(const struct nat64_table *t, const struct packet *p)
{
	return t && p->side == SIDE_INSIDE && nat64_claims_pool6(t, &p->key.dst, NULL);
}

bool stateless__takes(const struct snapshot *s, const struct packet *p)
{
	enum side side = (enum side)p->side;

	if (likely(!s->siit) || (s->services && services_take(s->services, p)))
		return false;
	if (in_pool4(s->nat64, p))
		return false;
	if (siit_claims_eam(s->siit, side, &p->key.dst))
		return true;
	return !in_pool6(s->nat64, p) &&
	       siit_claims_prefix(s->siit, side, &p->key.src, &p->key.dst);
}

bool stateless__is_host(const struct snapshot *s, const struct addr *a)
{
	if (likely(!s->siit))
		return false;
	return addr_is_v4(a) ? siit_has_host(s->siit, a) : siit_has_eam6(s->siit, a);
}

/* The routers of the inside answer with addresses of their own, which nobody lists (RFC 6791); they
 * are replaced, so nothing can be pretended with them. */
static bool is_foreign(const struct snapshot *s, const struct packet *p)
{
	struct addr src;

	if (!(p->flags & PACKET_ICMP_ERROR) || p->side != SIDE_INSIDE || !s->n_inside)
		return false;
	src = packet_source(p);
	return !classify__is_inside(s, &src) && !stateless__is_host(s, &src);
}

static bool can_only_be_inside(const struct snapshot *s, const struct addr *a)
{
	for (uint32_t i = 0; i < s->n_inside; i++)
		if (prefix_contains(&s->inside[i], a) && !siit_lies_within(s->siit, &s->inside[i]))
			return true;
	return false;
}

/* From outside to IPv6: nobody may be what only an inside host can be, and what is mapped without
 * having been listed must be there. */
static struct verdict check_mapped(const struct snapshot *s, const struct packet *p,
				   const struct siit_answer *a)
{
	const struct rewrite *rw = &a->rewrite;
	bool error = p->flags & PACKET_ICMP_ERROR;

	if (p->side != SIDE_OUTSIDE || addr_is_v4(&rw->to.dst) || !s->n_inside)
		return verdict_continue();
	if (!(p->flags & PACKET_HAIRPIN) && !a->replaced &&
	    can_only_be_inside(s, error ? &rw->outer_src : &rw->to.src))
		return verdict_drop(DROP_SPOOFED_INSIDE);
	if (a->dst == SIIT_BY_PREFIX && !classify__is_inside(s, siit_answer_to(a)))
		return verdict_reject(DROP_UNMAPPED, REPLY_ADMIN_PROHIBITED);
	return verdict_continue();
}

/* The dummy addresses of RFC 7600 and RFC 9780: an error never vanishes for want of a source. */
static struct addr source_of_last_resort(const struct snapshot *s, const struct rewrite *rw)
{
	static const struct addr none, dummy6 = { .octet = { 0x01, [7] = 1, [15] = 1 } };
	static const uint8_t dummy4[4] = { 192, 0, 0, 8 };
	bool v4 = addr_is_v4(&rw->to.dst);
	const struct addr *own = v4 ? &s->env.own4[rw->out_side] : &s->env.own6[rw->out_side];

	if (!addr_equal(own, &none))
		return *own;
	return v4 ? addr_from_v4(dummy4) : dummy6;
}

struct verdict stateless__admit(const struct snapshot *s, const struct packet *p,
				struct siit_answer *out)
{
	static const struct addr none;
	struct verdict v = siit_admit(s->siit, p, is_foreign(s, p), out);

	if (v.next != VERDICT_CONTINUE)
		return v;
	if (out->replaced && addr_equal(&out->rewrite.outer_src, &none))
		out->rewrite.outer_src = source_of_last_resort(s, &out->rewrite);
	return check_mapped(s, p, out);
}

bool stateless__turns_round(const struct snapshot *s, const struct siit_answer *a)
{
	const struct addr *to = siit_answer_to(a);

	if (!addr_is_v4(to) || a->rewrite.out_side != SIDE_OUTSIDE)
		return false;
	return siit_turns_round(s->siit, a->dst, to) ||
	       (s->nat64 && nat64_claims_pool4(s->nat64, to)) ||
	       (s->services && services_claims_vip(s->services, to));
}
