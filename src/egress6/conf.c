/* conf.c - defaults and rules of section `egress6:` (RFC 6092). Looks at no other section. */
#include "sixgate/egress6/conf.h"
#include "sixgate/base/must.h"
#include "sixgate/egress6/egress6.h"

enum { PROTO_TCP = 6, PROTO_UDP = 17, PROTO_ICMPV6 = 58 };

void egress6_conf_default(struct egress6_conf *c)
{
	*c = (struct egress6_conf){
		.unsolicited = EGRESS6_DROP,
		.timeouts = {
			.tcp_established_s = 7440,
			.tcp_transitory_s = 240,
			.udp_s = 300,
			.icmp_s = 60,
			.other_s = 300,
		},
		.flow_log_interval_s = 60,
	};
}

/* A prefix that hosts inside may have: IPv6, not multicast, not link-local, not everything. */
static bool usable_prefix(const struct prefix *p)
{
	return p->len >= 8 && !addr_is_v4(&p->addr) && !addr_is_multicast(&p->addr) &&
	       !addr_is_link_local6(&p->addr);
}

static void complain_of_prefixes(const struct egress6_conf *c, struct complaints *to)
{
	if (!c->follow_inside && !c->n_prefix)
		complain(to, &c->prefix, "egress6.prefixes",
			 "is missing: IPv6 prefixes, or `inside` for the inside interfaces' own");
	if (c->n_prefix > EGRESS6_PREFIXES_MAX)
		complain(to, &c->prefix, "egress6.prefixes", "expected at most %d prefixes",
			 EGRESS6_PREFIXES_MAX);
	for (size_t i = 0; i < c->n_prefix && i < EGRESS6_PREFIXES_MAX; i++) {
		if (!usable_prefix(&c->prefix[i]))
			complain(to, &c->prefix[i], "egress6.prefixes",
				 "expected a unicast IPv6 prefix of at least 8 bits");
		for (size_t j = 0; j < i; j++)
			if (prefix_overlaps(&c->prefix[i], &c->prefix[j]))
				complain(to, &c->prefix[i], "egress6.prefixes",
					 "overlaps the prefix number %zu of the list", j + 1);
	}
}

static bool covered(const struct egress6_conf *c, const struct prefix *p)
{
	for (size_t i = 0; i < c->n_prefix; i++)
		if (c->prefix[i].len <= p->len && prefix_contains(&c->prefix[i], &p->addr))
			return true;
	return false;
}

static void complain_of_pinhole(const struct egress6_conf *c, const struct pinhole_conf *p,
				struct complaints *to)
{
	if (p->protocol != PROTO_TCP && p->protocol != PROTO_UDP && p->protocol != PROTO_ICMPV6)
		complain(to, &p->protocol, "egress6.allow", "expected tcp, udp or icmpv6");
	if (!usable_prefix(&p->destination))
		complain(to, &p->destination, "egress6.allow",
			 "expected a unicast IPv6 address or prefix");
	else if (!c->follow_inside && !covered(c, &p->destination))
		complain(to, &p->destination, "egress6.allow", "is in none of egress6.prefixes");
	if (p->n_port && p->protocol == PROTO_ICMPV6)
		complain(to, &p->port, "egress6.allow", "icmpv6 has no ports");
	if (p->n_port > ARRAY_LEN(p->port))
		complain(to, &p->port, "egress6.allow", "expected at most %zu ports",
			 ARRAY_LEN(p->port));
	for (size_t i = 0; i < p->n_port && i < ARRAY_LEN(p->port); i++)
		if (!p->port[i])
			complain(to, &p->port[i], "egress6.allow", "expected 1 to 65535, found 0");
}

static void complain_of_timeouts(const struct egress6_timeouts *t, struct complaints *to)
{
	const struct {
		const char *key;
		const uint32_t *value;
		uint32_t min;
	} rule[] = {
		{ "egress6.timeouts.tcp-established", &t->tcp_established_s,
		  EGRESS6_TCP_ESTABLISHED_MIN_S },
		{ "egress6.timeouts.tcp-transitory", &t->tcp_transitory_s,
		  EGRESS6_TCP_TRANSITORY_MIN_S },
		{ "egress6.timeouts.udp", &t->udp_s, EGRESS6_UDP_MIN_S },
		{ "egress6.timeouts.icmp", &t->icmp_s, EGRESS6_ICMP_MIN_S },
		{ "egress6.timeouts.other", &t->other_s, EGRESS6_OTHER_MIN_S },
	};

	for (size_t i = 0; i < ARRAY_LEN(rule); i++)
		if (*rule[i].value < rule[i].min || *rule[i].value > EGRESS6_TIMEOUT_MAX_S)
			complain(to, rule[i].value, rule[i].key,
				 "expected %u to %u seconds (RFC 6092), found %u", rule[i].min,
				 EGRESS6_TIMEOUT_MAX_S, *rule[i].value);
}

void egress6_conf_complain(const struct egress6_conf *c, struct complaints *to)
{
	complain_of_prefixes(c, to);
	if (c->n_allow > EGRESS6_PINHOLES_MAX)
		complain(to, &c->allow, "egress6.allow", "expected at most %d entries",
			 EGRESS6_PINHOLES_MAX);
	for (size_t i = 0; i < c->n_allow && i < EGRESS6_PINHOLES_MAX; i++)
		complain_of_pinhole(c, &c->allow[i], to);
	complain_of_timeouts(&c->timeouts, to);
	if (!c->flow_log)
		return;
	if (c->flow_log_interval_s < 1 || c->flow_log_interval_s > EGRESS6_FLOW_LOG_MAX_S)
		complain(to, &c->flow_log_interval_s, "egress6.flow-log.interval",
			 "expected 1s to %ds, found %us", EGRESS6_FLOW_LOG_MAX_S, c->flow_log_interval_s);
}

int egress6_conf_check(const struct egress6_conf *c, struct err *e)
{
	struct first_complaint first = first_complaint(e);

	egress6_conf_complain(c, &first.to);
	return first.code;
}
