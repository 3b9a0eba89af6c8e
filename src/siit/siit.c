/*
 * siit.c - what becomes of one packet: addresses mapped, nothing remembered.
 *
 * Two address plans can be on at once: plain SIIT, whose hosts speak IPv6 inside and IPv4 outside,
 * and the CLAT's, whose hosts speak IPv4 inside and IPv6 outside. The side and family of a packet
 * say which one it is under.
 */
#include "siit_internal.h"

enum { PROTO_IGMP = 2 };

/* ---- addresses ---- */

static const struct pool6 *pool_of(const struct siit_table *t, const struct addr *v6)
{
	for (uint32_t i = 0; i < t->n_prefix; i++)
		if (memcmp(v6->octet, t->prefix[i].prefix.octet, t->prefix[i].len / 8) == 0)
			return &t->prefix[i];
	return NULL;
}

enum siit_method siit_to4(const struct siit_table *t, const struct addr *v6, struct addr *out)
{
	const struct eam_entry *e = eam__find(&t->by6, v6);
	const struct pool6 *pool;

	if (e) {
		*out = eam__apply(e, v6);
		return SIIT_BY_EAM;
	}
	pool = pool_of(t, v6);
	return pool && rfc6052_extract(pool, v6, out) ? SIIT_BY_PREFIX : SIIT_UNMAPPED;
}

bool siit_lies_within(const struct siit_table *t, const struct prefix *p)
{
	for (uint32_t i = 0; i < t->n_prefix; i++)
		if (p->len <= t->prefix[i].len && prefix_contains(p, &t->prefix[i].prefix))
			return true;
	return false;
}

static enum siit_method embed(const struct siit_table *t, const struct addr *v4, struct addr *out)
{
	if (!t->n_prefix)
		return SIIT_UNMAPPED;
	*out = rfc6052_embed(&t->prefix[0], v4);
	return SIIT_BY_PREFIX;
}

enum siit_method siit_to6(const struct siit_table *t, const struct addr *v4, struct addr *out)
{
	const struct eam_entry *e = eam__find(&t->by4, v4);

	if (!e)
		return embed(t, v4, out);
	*out = eam__apply(e, v4);
	return SIIT_BY_EAM;
}

bool siit_has_eam4(const struct siit_table *t, const struct addr *a)
{
	return addr_is_v4(a) && eam__find(&t->by4, a);
}

bool siit_has_eam6(const struct siit_table *t, const struct addr *a)
{
	return !addr_is_v4(a) && eam__find(&t->by6, a);
}

bool siit_has_pool6(const struct siit_table *t, const struct addr *a)
{
	return !addr_is_v4(a) && pool_of(t, a);
}

bool siit_has_host(const struct siit_table *t, const struct addr *a)
{
	for (uint32_t i = 0; i < t->n_hosts; i++)
		if (prefix_contains(&t->host[i], a))
			return true;
	return false;
}

/* ---- claims ---- */

bool siit_claims_eam(const struct siit_table *t, enum side side, const struct addr *dst)
{
	return side == SIDE_INSIDE ? siit_has_eam6(t, dst) : siit_has_eam4(t, dst);
}

bool siit_claims_prefix(const struct siit_table *t, enum side side, const struct addr *src,
			const struct addr *dst)
{
	bool v4 = addr_is_v4(dst);

	if (side == SIDE_INSIDE)
		return v4 ? t->has_clat && siit_has_host(t, src) : siit_has_pool6(t, dst);
	return v4 ? t->n_prefix > 0 : t->has_clat && prefix_contains(&t->clat_source, dst);
}

bool siit_turns_round(const struct siit_table *t, enum siit_method how, const struct addr *dst)
{
	return !t->simple && how == SIIT_BY_PREFIX && siit_has_eam4(t, dst);
}

/* ---- the address plan of one packet ---- */

/**
 * struct plan - how the addresses of a packet are mapped
 * @clat: the CLAT's plan; @to6: IPv4 comes in
 * @plain_source: sources are not looked up among the explicit mappings (RFC 7757 4.2)
 */
struct plan {
	const struct siit_table *t;
	bool clat, to6, plain_source;
};

static enum siit_method clat_ours(const struct siit_table *t, const struct addr *a, bool to6,
				  struct addr *out)
{
	bool single = t->clat_source.len == 128;

	if (to6) {
		if (!siit_has_host(t, a))
			return SIIT_UNMAPPED;
		*out = single ? t->clat_source.addr : rfc6052_embed(&t->clat_pool, a);
		return SIIT_BY_PREFIX;
	}
	if (!prefix_contains(&t->clat_source, a))
		return SIIT_UNMAPPED;
	if (single)
		*out = t->host[0].addr;
	else
		rfc6052_extract(&t->clat_pool, a, out);
	return siit_has_host(t, out) ? SIIT_BY_PREFIX : SIIT_UNMAPPED;
}

static enum siit_method clat_theirs(const struct siit_table *t, const struct addr *a, bool to6,
				    struct addr *out)
{
	if (!to6)
		return rfc6052_extract(&t->plat, a, out) ? SIIT_BY_PREFIX : SIIT_UNMAPPED;
	*out = rfc6052_embed(&t->plat, a);
	return SIIT_BY_PREFIX;
}

static enum siit_method map_source(const struct plan *m, const struct addr *a, struct addr *out)
{
	if (m->clat)
		return m->to6 ? clat_ours(m->t, a, true, out) : clat_theirs(m->t, a, false, out);
	if (!m->to6)
		return siit_to4(m->t, a, out);
	return m->plain_source ? embed(m->t, a, out) : siit_to6(m->t, a, out);
}

static enum siit_method map_destination(const struct plan *m, const struct addr *a,
					struct addr *out)
{
	if (m->clat)
		return m->to6 ? clat_theirs(m->t, a, true, out) : clat_ours(m->t, a, false, out);
	return m->to6 ? siit_to6(m->t, a, out) : siit_to4(m->t, a, out);
}

/* ---- what may not be an address ---- */

/* The prefix that stands for the far side under @m, if it is the well-known one. */
static bool under_well_known(const struct plan *m, const struct addr *v6)
{
	const struct pool6 *pool = m->clat ? &m->t->plat : pool_of(m->t, v6);

	return pool && pool6_is_well_known(pool) &&
	       memcmp(v6->octet, pool->prefix.octet, pool->len / 8) == 0;
}

/* RFC 6052 3.1; @v6 and @v4 are the same host. */
static bool may_stand(const struct plan *m, const struct addr *v6, const struct addr *v4)
{
	return m->t->allow_private || addr_is_global_v4(v4) || !under_well_known(m, v6);
}

static enum drop_reason odd_v4(const struct addr *v4)
{
	uint8_t first = v4->octet[12];

	if (first == 0 || first == 127 || first >= 224)
		return DROP_BAD_ADDRESS;
	return first == 169 && v4->octet[13] == 254 ? DROP_LINK_LOCAL : DROP_NONE;
}

static struct verdict check_pair(const struct plan *m, const struct addr *old,
				 const struct addr *fresh)
{
	const struct addr *v4 = m->to6 ? old : fresh, *v6 = m->to6 ? fresh : old;
	enum drop_reason why = odd_v4(v4);

	if (why != DROP_NONE)
		return verdict_drop(why);
	return may_stand(m, v6, v4) ? verdict_continue()
				    : verdict_reject(DROP_PRIVATE_IPV4, REPLY_ADMIN_PROHIBITED);
}

/* ---- errors ---- */

/* RFC 6791 4: by the hops it has left, so that the routers of a path look different. */
static struct addr pool_source4(const struct siit_table *t, uint8_t hops)
{
	uint32_t n = t->n_icmp4_addresses ? hops % t->n_icmp4_addresses : 0;

	for (uint32_t i = 0; i < t->n_icmp4; n -= t->icmp4[i++].n)
		if (n < t->icmp4[i].n)
			return addr_from_ip4_host(t->icmp4[i].first + n);
	return (struct addr){ 0 };
}

static void replace_source(const struct plan *m, const struct packet *p, struct siit_answer *out)
{
	out->replaced = out->rewrite.outer_src_shared = true;
	out->rewrite.outer_src = m->to6 ? m->t->icmp6_source : pool_source4(m->t, p->ttl);
}

/* RFC 7915 4.1 wants errors from illegal IPv4 addresses translated, too; those that no IPv6 address
 * may stand for get the source of RFC 6791. */
static void map_error_source(const struct plan *m, const struct packet *p, bool foreign,
			     struct siit_answer *out)
{
	struct addr src = packet_source(p), fresh;
	struct plan own = *m;
	enum siit_method how;

	if (addr_equal(&src, &p->key.src)) {
		out->rewrite.outer_src = out->rewrite.to.src;
		return;
	}
	own.plain_source = false; /* RFC 7757 4.2: of errors only where it is the embedded destination */
	how = map_source(&own, &src, &fresh);
	if (foreign || how == SIIT_UNMAPPED || (!m->to6 && odd_v4(&fresh) != DROP_NONE) ||
	    !may_stand(m, m->to6 ? &fresh : &src, m->to6 ? &src : &fresh))
		replace_source(m, p, out);
	else
		out->rewrite.outer_src = fresh;
}

/* It goes where its own header says, should that not be where the quoted packet came from. */
static struct verdict map_error_destination(const struct plan *m, const struct packet *p,
					    struct siit_answer *out)
{
	struct addr dst = packet_destination(p);

	if (addr_equal(&dst, &p->key.dst))
		return verdict_continue();
	out->dst = map_destination(m, &dst, &out->rewrite.outer_dst);
	if (out->dst == SIIT_UNMAPPED)
		return verdict_drop(DROP_UNMAPPED);
	return check_pair(m, &dst, &out->rewrite.outer_dst);
}

/* ---- the answer ---- */

static uint8_t protocol_of(const struct packet *p)
{
	if (p->key.proto == IPPROTO_ICMP)
		return IPPROTO_ICMPV6;
	return p->key.proto == IPPROTO_ICMPV6 ? IPPROTO_ICMP : p->key.proto;
}

static struct verdict map_tuple(const struct plan *m, const struct packet *p,
				struct siit_answer *out)
{
	struct tuple *to = &out->rewrite.to;
	struct verdict v;

	*to = p->key;
	to->proto = protocol_of(p);
	out->dst = map_destination(m, &p->key.dst, &to->dst);
	out->src = map_source(m, &p->key.src, &to->src);
	if (out->dst == SIIT_UNMAPPED || out->src == SIIT_UNMAPPED)
		return verdict_reject(DROP_UNMAPPED, REPLY_ADMIN_PROHIBITED);
	v = check_pair(m, &p->key.dst, &to->dst);
	return v.next == VERDICT_CONTINUE ? check_pair(m, &p->key.src, &to->src) : v;
}

struct verdict siit_admit(const struct siit_table *t, const struct packet *p, bool foreign,
			  struct siit_answer *out)
{
	bool v4 = addr_is_v4(&p->key.dst);
	struct plan m = { .t = t, .clat = v4 == (p->side == SIDE_INSIDE), .to6 = v4 };
	struct verdict v;

	*out = (struct siit_answer){ 0 };
	m.plain_source = v4 && (t->simple || p->flags & PACKET_HAIRPIN);
	if (m.clat && !t->has_plat)
		return verdict_reject(DROP_NOT_READY, REPLY_NO_ROUTE);
	if (v4 && p->key.proto == PROTO_IGMP)
		return verdict_drop(DROP_UNKNOWN_PROTOCOL); /* RFC 7915 4.2 */
	v = map_tuple(&m, p, out);
	if (v.next != VERDICT_CONTINUE)
		return v;
	out->rewrite.addr_delta = rewrite_addr_delta(&p->key, &out->rewrite.to);
	out->rewrite.out_side = p->side == SIDE_INSIDE ? SIDE_OUTSIDE : SIDE_INSIDE;
	if (likely(!(p->flags & PACKET_ICMP_ERROR)))
		return verdict_continue();
	map_error_source(&m, p, foreign, out);
	return map_error_destination(&m, p, out);
}
