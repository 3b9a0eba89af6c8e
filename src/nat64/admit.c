/*
 * admit.c - RFC 6146 3.5: may this packet open a session, and by which mapping?
 *
 * Asked once per session. Mapping is endpoint-independent (3.5.1.1, 3.5.2.3): whatever the
 * destination, an inside transport address has one mapping per protocol. Filtering is
 * endpoint-independent, or address-dependent where configured. Sessions begin only with a packet
 * that can begin one: a SYN, any UDP packet, an echo request.
 *
 * Not here: a V4 SYN that is refused is kept for a simultaneous open by the data plane (3.5.2.2,
 * CLOSED); errors never come here.
 */
#include "nat64_internal.h"
#include "sixgate/flow/table.h"
#include "sixgate/flow/tcp.h"

enum { ECHO_REQUEST4 = 8, ECHO_REQUEST6 = 128, IPPROTO6_ICMP = 58 };

static const uint8_t wire_proto4[N_PROTOS] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP };
static const uint8_t wire_proto6[N_PROTOS] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO6_ICMP };

static int protocol_of(const struct packet *p)
{
	const uint8_t *wire = addr_is_v4(&p->key.dst) ? wire_proto4 : wire_proto6;

	for (int i = 0; i < N_PROTOS; i++)
		if (p->key.proto == wire[i])
			return i;
	return -1;
}

/** struct opening - a packet that asks for a session @to an IPv4 address, @key its inside end. */
struct opening {
	struct bib_key key;
	const struct packet *p;
	const struct addr *to;
	const struct flow_table *flows;
};

static bool opens_session(const struct packet *p, enum protocol_index proto)
{
	uint8_t request = addr_is_v4(&p->key.dst) ? ECHO_REQUEST4 : ECHO_REQUEST6;

	switch (proto) {
	case PROTO_TCP:
		return (p->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN;
	case PROTO_UDP:
		return true;
	case PROTO_ICMP:
		return p->flags & PACKET_ICMP_QUERY && p->icmp_type == request;
	case N_PROTOS:
		break;
	}
	return false;
}

/* RFC 6052 3.1: the well-known prefix does not stand for addresses that are not global. */
static bool may_embed(const struct nat64_table *t, uint32_t prefix, const struct addr *v4)
{
	return t->allow_private || !pool6_is_well_known(&t->prefix[prefix]) || addr_is_global_v4(v4);
}

/* Never a host's address: 0/8, 127/8, multicast, class E and broadcast. */
static bool is_no_host(const struct addr *v4)
{
	uint8_t first = v4->octet[12];

	return first == 0 || first == 127 || first >= 224;
}

static bool is_link_local4(const struct addr *v4)
{
	return v4->octet[12] == 169 && v4->octet[13] == 254;
}

static struct verdict check_inside(const struct nat64_table *t, const struct packet *p,
				   uint32_t prefix, const struct addr *v4)
{
	if (nat64_claims_pool6(t, &p->key.src, NULL))
		return verdict_drop(DROP_SPOOFED_POOL6);
	if (is_no_host(v4) || addr_is_multicast(&p->key.src))
		return verdict_drop(DROP_BAD_ADDRESS);
	if (is_link_local4(v4) || addr_is_link_local6(&p->key.src))
		return verdict_drop(DROP_LINK_LOCAL); /* RFC 3927 7, RFC 4291 2.5.6 */
	if (!may_embed(t, prefix, v4))
		return verdict_reject(DROP_PRIVATE_IPV4, REPLY_ADMIN_PROHIBITED);
	return verdict_continue();
}

/* The mapping of an inside transport address as long as it is of use; one that is not makes way. */
static uint32_t current_mapping(struct nat64 *n, const struct nat64_table *t,
				const struct bib_key *k)
{
	uint32_t index;

	if (unlikely(n->statics.waiting))
		statics__find(n, t, k);
	index = bib__find_inside(n, k);
	if (index == BIB_NONE || bib__valid(n, t, &n->mapping[index]))
		return index;
	bib__detach(n, index);
	return BIB_NONE;
}

/* What comes back from outside to a packet from inside. */
static struct tuple answer_to(const struct nat64_table *t, const struct mapping *m,
			      const struct packet *p, const struct addr *v4)
{
	enum protocol_index proto = m->proto_plus - 1u;
	be16 mapped = be16_from(m->outside_port);

	return (struct tuple){ .src = *v4, .dst = t->slot[m->slot].addr,
			       .sport = proto == PROTO_ICMP ? mapped : p->key.dport, .dport = mapped,
			       .proto = wire_proto4[proto] };
}

/* From here on it is known where the mapping and the way back will stand: both come from memory at once. */
static void fetch_outside(const struct nat64 *n, const struct nat64_table *t, const struct mapping *m,
			  const struct opening *o)
{
	struct tuple back = answer_to(t, m, o->p, o->to);

	bib__prefetch_outside(n, m);
	flow_table_prefetch(o->flows, tuple_hash(&o->flows->key, &back));
}

static uint32_t new_mapping(struct nat64 *n, const struct nat64_table *t, const struct opening *o,
			    uint32_t subscriber, enum drop_reason *why)
{
	const struct bib_key *k = &o->key;
	struct port_request want = { subscriber, k->port, k->proto };
	struct mapping m = { .inside = k->inside, .inside_port = k->port, .subscriber = subscriber,
			     .proto_plus = (uint8_t)(k->proto + 1) };
	struct subscriber *s = &n->ports.subscriber[subscriber];
	uint32_t index;

	s->n_flows++; /* an address that has gone may take its last blocks with it: it is still needed */
	*why = ports__take(n, t, &want, &m);
	s->n_flows--;
	if (*why != DROP_NONE)
		return BIB_NONE;
	fetch_outside(n, t, &m, o);
	s->n_ports++;
	index = bib__find_outside(n, m.slot, m.outside_port, k->proto);
	if (index != BIB_NONE) /* left from an address that had this slot */
		bib__detach(n, index);
	index = bib__add(n, &m);
	if (index == BIB_NONE) {
		*why = DROP_BIB_FULL;
		s->n_flows++;
		ports__release(n, &m);
		s->n_flows--;
	}
	return index;
}

/* One more session of the inside host on mapping @index: what its flow holds, or BIB_NONE. One
 * from outside holds the mapping only: it must not keep up the permit that let it in. */
static uint32_t hold(struct nat64 *n, const struct nat64_table *t, uint32_t index,
		     const struct addr *outside)
{
	if (unlikely(n->mapping[index].n_sessions >= MAPPING_SESSIONS_MAX))
		return BIB_NONE;
	if (t->address_dependent && !(n->mapping[index].flags & MAPPING_STATIC))
		return permit__hold(n, index, outside);
	return index;
}

static uint8_t hairpin_flag(const struct nat64_table *t, const struct addr *outside)
{
	return nat64_claims_pool4(t, outside) ? FLOW_HAIRPIN_0 : 0;
}

static void plan_inside(const struct nat64_table *t, const struct mapping *m,
			const struct packet *p, const struct addr *v4, struct flow_plan *plan)
{
	*plan = (struct flow_plan){
		.key = { p->key, answer_to(t, m, p, v4) },
		.dir = 0,
		.policy = POLICY_NAT64,
		.flags = (uint8_t)(FLOW_OUT_INSIDE_1 | hairpin_flag(t, v4)),
		.generation = m->generation,
	};
}

/* RFC 7915 1.2: it could not be translated, so it opens nothing. */
static bool is_piece_of_a_query(const struct packet *p, enum protocol_index proto)
{
	return unlikely(p->flags & PACKET_FRAGMENT) && proto == PROTO_ICMP;
}

/* RFC 5508 REQ-8, RFC 6888 REQ-11: who is refused hears of it. */
static struct verdict refuse(struct nat64 *n, uint32_t subscriber, enum drop_reason why)
{
	bool quota = why == DROP_QUOTA_FLOWS || why == DROP_QUOTA_PORTS || why == DROP_QUOTA_NEW_FLOWS;

	if (subscriber != SUBSCRIBER_NONE) {
		event__refused(n, why, subscriber);
		subscriber__settle(n, subscriber);
	}
	return verdict_reject(why, quota ? REPLY_ADMIN_PROHIBITED : REPLY_ADDR_UNREACHABLE);
}

/* Whose flow it will be; what a static entry has is the operator's, and without limits. */
static uint32_t subscriber_of(struct nat64 *n, const struct nat64_table *t, uint32_t mapping,
			      const struct addr *inside)
{
	return mapping == BIB_NONE ? subscriber__get(n, t, inside) : n->mapping[mapping].subscriber;
}

/* One more flow of an inside transport address: its mapping, made if need be; BIB_NONE when @v
 * says why not. */
static uint32_t admit_flow(struct nat64 *n, const struct nat64_table *t, const struct opening *o,
			   struct verdict *v)
{
	uint32_t index = current_mapping(n, t, &o->key);
	uint32_t subscriber = subscriber_of(n, t, index, &o->key.inside);
	enum drop_reason why = DROP_NONE;

	if (index != BIB_NONE && n->mapping[index].flags & MAPPING_STATIC)
		return index;
	if (subscriber == SUBSCRIBER_NONE)
		why = DROP_BIB_FULL;
	if (why == DROP_NONE)
		why = subscriber__admit(n, t, subscriber, index == BIB_NONE);
	if (why == DROP_NONE && index == BIB_NONE)
		index = new_mapping(n, t, o, subscriber, &why);
	if (why == DROP_NONE)
		return index;
	*v = refuse(n, subscriber, why);
	return BIB_NONE;
}

/* The flow holds the mapping, or a permit of it. */
static struct verdict hold_for(struct nat64 *n, const struct nat64_table *t, uint32_t index,
			       const struct addr *v4, struct flow_plan *plan)
{
	plan->object = hold(n, t, index, v4);
	if (plan->object == BIB_NONE) {
		bib__settle(n, index);
		return verdict_reject(DROP_BIB_FULL, REPLY_ADDR_UNREACHABLE);
	}
	bib__hold(n, &n->mapping[index]);
	return verdict_continue();
}

/* RFC 6146 3.5.2.2, CLOSED: a segment that is no SYN goes through by the mapping there is, without
 * a session. (RFC 6146 leaves it to policy; ours is that of the filtering.) */
static struct verdict pass_inside(struct nat64 *n, const struct nat64_table *t,
				  const struct bib_key *k, const struct packet *p,
				  struct flow_plan *plan)
{
	uint32_t index = current_mapping(n, t, k);
	struct addr v4;

	if (index == BIB_NONE || !nat64_claims_pool6(t, &p->key.dst, &v4))
		return verdict_drop(DROP_NO_FLOW);
	plan_inside(t, &n->mapping[index], p, &v4, plan);
	plan->once = true;
	return verdict_continue();
}

struct verdict nat64_admit_inside(struct nat64 *n, const struct nat64_table *t,
				  const struct flow_table *flows, const struct packet *p,
				  struct flow_plan *plan, uint64_t now_ms)
{
	int prefix = table__prefix_of(t, &p->key.dst), proto = protocol_of(p);
	struct opening o = { .p = p, .flows = flows };
	struct verdict v;
	struct addr v4;
	uint32_t index;

	n->now_ms = now_ms;
	if (prefix < 0 || !rfc6052_extract(&t->prefix[prefix], &p->key.dst, &v4))
		return verdict_drop(DROP_NO_POLICY);
	v = check_inside(t, p, (uint32_t)prefix, &v4);
	if (v.next != VERDICT_CONTINUE)
		return v;
	if (proto < 0)
		return verdict_drop(DROP_UNKNOWN_PROTOCOL);
	if (proto != PROTO_TCP && !opens_session(p, proto))
		return verdict_drop(DROP_NO_FLOW);
	if (is_piece_of_a_query(p, proto))
		return verdict_reject(DROP_FRAGMENT_ICMP, REPLY_ADMIN_PROHIBITED);
	if (table__is_exempt(t, &v4, proto, be16_to(p->key.dport)))
		return verdict_reject(DROP_EXEMPT, REPLY_ADMIN_PROHIBITED);

	table__take_shared(t, proto, be16_to(p->key.dport), &v4);
	o.key = (struct bib_key){ p->key.src, be16_to(p->key.sport), proto };
	o.to = &v4;
	if (!opens_session(p, proto))
		return pass_inside(n, t, &o.key, p, plan);
	index = admit_flow(n, t, &o, &v);
	if (index == BIB_NONE)
		return v;
	plan_inside(t, &n->mapping[index], p, &v4, plan);
	n->mapping[index].prefix = t->prefix_place[prefix] & (NAT64_PREFIXES_MAX - 1);
	return hold_for(n, t, index, &v4, plan);
}

/* A mapping that lets @p in, or why not. */
static struct verdict filter_outside(const struct nat64 *n, const struct nat64_table *t,
				     const struct packet *p, uint32_t index)
{
	const struct mapping *m;

	if (index == BIB_NONE)
		return verdict_drop(DROP_NO_BIB_ENTRY);
	m = &n->mapping[index];
	/* without a session of the inside host it only waits for others to end */
	if (!bib__valid(n, t, m) || (!(m->flags & MAPPING_STATIC) && !m->n_sessions))
		return verdict_drop(DROP_NO_BIB_ENTRY);
	if (m->proto_plus - 1u != PROTO_TCP && !opens_session(p, m->proto_plus - 1u))
		return verdict_drop(DROP_NO_FLOW);
	if (t->address_dependent && !(m->flags & MAPPING_STATIC) &&
	    !permit__exists(n, index, &p->key.src))
		return verdict_drop(DROP_FILTERED);
	if (!opens_session(p, m->proto_plus - 1u))
		return verdict_continue(); /* makes none */
	if (m->n_sessions >= MAPPING_SESSIONS_MAX)
		return verdict_drop(DROP_INBOUND_LIMIT);
	return verdict_continue();
}

/* One more is let in all the same: who was here first may be nobody. */
static bool is_crowded(const struct mapping *m)
{
	return m->n_inbound >= (m->flags & MAPPING_STATIC ? NAT64_INBOUND_PER_STATIC :
							    NAT64_INBOUND_PER_MAPPING);
}

static void plan_outside(const struct nat64_table *t, const struct mapping *m,
			 const struct packet *p, const struct pool6 *prefix, struct flow_plan *plan)
{
	enum protocol_index proto = m->proto_plus - 1u;
	be16 inside_port = be16_from(m->inside_port);
	struct addr shown = table__shown(t, &p->key.src);

	*plan = (struct flow_plan){
		.key = { { .src = m->inside, .dst = rfc6052_embed(prefix, &shown),
			   .sport = inside_port,
			   .dport = proto == PROTO_ICMP ? inside_port : p->key.sport,
			   .proto = wire_proto6[proto] },
			 p->key },
		.dir = 1,
		.policy = POLICY_NAT64,
		.flags = (uint8_t)(FLOW_OUT_INSIDE_1 | FLOW_FROM_OUTSIDE |
				   hairpin_flag(t, &p->key.src)),
		.generation = m->generation,
	};
}

struct verdict nat64_admit_outside(struct nat64 *n, const struct nat64_table *t,
				   const struct packet *p, struct flow_plan *plan, uint64_t now_ms)
{
	uint32_t slot = table__slot_of(t, &p->key.dst), index, prefix;
	int proto = protocol_of(p);
	struct addr shown;
	struct verdict v;

	n->now_ms = now_ms;
	if (slot == NO_SLOT || !t->n_prefix)
		return verdict_drop(DROP_NO_POLICY);
	if (!(p->flags & PACKET_HAIRPIN) && nat64_claims_pool4(t, &p->key.src))
		return verdict_drop(DROP_LOOP);
	if (is_no_host(&p->key.src))
		return verdict_drop(DROP_BAD_ADDRESS);
	if (is_link_local4(&p->key.src))
		return verdict_drop(DROP_LINK_LOCAL);
	if (proto < 0)
		return verdict_drop(DROP_UNKNOWN_PROTOCOL);
	if (unlikely(n->statics.waiting) && bit_test(n->ports.pending, slot))
		ports__adopt_at_once(n, t, slot);
	index = bib__find_outside(n, slot, be16_to(p->key.dport), proto);
	v = filter_outside(n, t, p, index);
	if (v.next != VERDICT_CONTINUE)
		return v;
	if (table__is_exempt(t, &p->key.src, proto, be16_to(p->key.sport)))
		return verdict_drop(DROP_EXEMPT);
	if (is_piece_of_a_query(p, proto))
		return verdict_reject(DROP_FRAGMENT_ICMP, REPLY_ADMIN_PROHIBITED);
	prefix = t->prefix_at[n->mapping[index].prefix];
	shown = table__shown(t, &p->key.src);
	if (!may_embed(t, prefix, &shown))
		return verdict_drop(DROP_PRIVATE_IPV4);
	plan_outside(t, &n->mapping[index], p, &t->prefix[prefix], plan);
	plan->once = !opens_session(p, proto); /* CLOSED, as in pass_inside() */
	if (plan->once)
		return v;
	plan->object = index;
	plan->crowded = is_crowded(&n->mapping[index]);
	n->mapping[index].n_inbound++; /* told once the inside has answered: anybody can send this */
	return verdict_continue();
}

/* RFC 6146 5.3, RFC 6888 REQ-4, REQ-5: whoever began it, it is one more flow of the host. What nobody
 * has answered is not, nor what nobody has shown to have read the answer of: else anybody outside
 * could use up a host's limit. */
struct verdict nat64_may_answer(struct nat64 *n, const struct nat64_table *t, const struct flow *f,
				uint64_t now_ms)
{
	uint32_t subscriber = n->mapping[permit__mapping(n, f->object)].subscriber;
	enum drop_reason why = DROP_NONE;

	n->now_ms = now_ms;
	if (subscriber != SUBSCRIBER_NONE) /* not a static entry's */
		why = subscriber__check_flows(n, t, subscriber);
	return why == DROP_NONE ? verdict_continue() : refuse(n, subscriber, why);
}

struct verdict nat64_flow_answered(struct nat64 *n, const struct nat64_table *t, struct flow *f,
				   uint64_t now_ms)
{
	struct mapping *m = &n->mapping[f->object];
	enum drop_reason why = DROP_NONE;
	uint32_t object;

	n->now_ms = now_ms;
	must(m->n_inbound > 0);
	if (m->subscriber != SUBSCRIBER_NONE)
		why = subscriber__admit(n, t, m->subscriber, false);
	if (why != DROP_NONE)
		return verdict_drop(refuse(n, m->subscriber, why).why); /* the outside is told nothing */
	object = hold(n, t, f->object, &f->key[1].src);
	if (object != BIB_NONE) /* else its peer is let in as long as other sessions say so */
		f->object = object;
	m->n_inbound--;
	bib__hold(n, m);
	if (n->log_what & NAT64_LOG_SESSIONS)
		event__session(n, NAT64_EVENT_SESSION_CREATED, m, &f->key[1]);
	return verdict_continue();
}
