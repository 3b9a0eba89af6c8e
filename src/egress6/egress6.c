/*
 * egress6.c - who may open an IPv6 flow, and which way (RFC 6092).
 *
 * Stateless decisions: the flow engine keeps the flows. A TCP segment from inside that is not a
 * SYN may open one too (RFC 6092 REC-31 asks for all valid sequences; this is what lets
 * connections outlive a restart of ours): the flow is transitory until the other side answers.
 */
#include "sixgate/egress6/egress6.h"
#include <errno.h>
#include <netinet/in.h>
#include "sixgate/base/must.h"
#include "sixgate/flow/tcp.h"

int egress6_table_build(struct egress6_table *t, const struct egress6_conf *conf, struct err *e)
{
	if (conf->n_prefix > EGRESS6_PREFIXES_MAX)
		return err_set(e, -ENOSPC, "egress6.prefixes: more than %d prefixes",
			       EGRESS6_PREFIXES_MAX);
	if (conf->n_allow > EGRESS6_PINHOLES_MAX)
		return err_set(e, -ENOSPC, "egress6.allow: more than %d entries",
			       EGRESS6_PINHOLES_MAX);
	*t = (struct egress6_table){ .timeouts = conf->timeouts,
				     .unsolicited = conf->unsolicited,
				     .ping_inside = conf->ping_inside,
				     .flow_log_ms = conf->flow_log ? conf->flow_log_interval_s * 1000 : 0,
				     .n_prefix = (uint32_t)conf->n_prefix,
				     .n_pinhole = (uint32_t)conf->n_allow };
	if (conf->n_prefix)
		memcpy(t->prefix, conf->prefix, conf->n_prefix * sizeof(*t->prefix));
	if (conf->n_allow)
		memcpy(t->pinhole, conf->allow, conf->n_allow * sizeof(*t->pinhole));
	return 0;
}

bool egress6_claims(const struct egress6_table *t, const struct addr *a)
{
	for (uint32_t i = 0; i < t->n_prefix; i++)
		if (prefix_contains(&t->prefix[i], a))
			return true;
	return false;
}

/* fc00::/7: not to or from outside unless asked (RFC 6092 REC-7). */
static bool is_unique_local(const struct addr *a)
{
	return (a->octet[0] & 0xfe) == 0xfc;
}

static void plan_flow(struct flow_plan *plan, const struct packet *p, unsigned dir)
{
	*plan = (struct flow_plan){ .dir = (uint8_t)dir,
				    .policy = POLICY_EGRESS6,
				    .flags = FLOW_OUT_INSIDE_1 };
	plan->key[dir] = p->key;
	plan->key[!dir] = tuple_reverse(&p->key);
}

struct verdict egress6_admit_inside(const struct egress6_table *t, const struct packet *p,
				    struct flow_plan *plan)
{
	if (!egress6_claims(t, &p->key.src))
		return verdict_reject(DROP_SOURCE_NOT_INSIDE, REPLY_SOURCE_POLICY);
	if (is_unique_local(&p->key.dst))
		return verdict_reject(DROP_NO_POLICY, REPLY_NO_ROUTE);
	if (p->proto == IPPROTO_TCP && p->tcp_flags & TCP_RST)
		return verdict_drop(DROP_NO_FLOW);
	if (p->proto == IPPROTO_ICMPV6 &&
	    !(p->flags & PACKET_ICMP_QUERY && p->icmp_type == 128))
		return verdict_drop(DROP_NO_FLOW);
	plan_flow(plan, p, 0);
	return verdict_continue();
}

static bool pinhole_matches(const struct pinhole_conf *h, const struct packet *p)
{
	if (h->protocol != p->proto || !prefix_contains(&h->destination, &p->key.dst))
		return false;
	for (unsigned i = 0; i < h->n_port; i++)
		if (h->port[i] == be16_to(p->key.dport))
			return true;
	return h->n_port == 0;
}

static bool may_enter(const struct egress6_table *t, const struct packet *p)
{
	bool echo = p->proto == IPPROTO_ICMPV6;

	if (echo && (!(p->flags & PACKET_ICMP_QUERY) || p->icmp_type != 128))
		return false;
	if (echo && t->ping_inside)
		return true;
	if (p->proto == IPPROTO_TCP && (p->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST)) != TCP_SYN)
		return false;
	for (uint32_t i = 0; i < t->n_pinhole; i++)
		if (pinhole_matches(&t->pinhole[i], p))
			return true;
	return false;
}

struct verdict egress6_admit_outside(const struct egress6_table *t, const struct packet *p,
				     struct flow_plan *plan)
{
	if (may_enter(t, p)) {
		plan_flow(plan, p, 1);
		return verdict_continue();
	}
	switch (t->unsolicited) {
	case EGRESS6_DROP:
		return verdict_drop(DROP_UNSOLICITED);
	case EGRESS6_REJECT:
		return verdict_reject(DROP_UNSOLICITED, REPLY_ADMIN_PROHIBITED);
	case EGRESS6_RESET:
		return verdict_reject(DROP_UNSOLICITED, p->proto == IPPROTO_TCP ?
								REPLY_TCP_RESET :
								REPLY_ADMIN_PROHIBITED);
	}
	must(!"unsolicited is one of three");
	return verdict_drop(DROP_UNSOLICITED);
}
