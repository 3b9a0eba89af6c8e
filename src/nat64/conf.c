/* conf.c - defaults and rules of section `nat64:` (RFC 6146, RFC 6052). Looks at no other section;
 * compiles nothing. */
#include "sixgate/nat64/conf.h"
#include "nat64_internal.h"
#include "sixgate/base/must.h"
#include "sixgate/base/wire.h"
#include "sixgate/nat64/nat64.h"
#include "sixgate/translate/rfc6052.h"

enum { ALL_PROTOCOLS = NAT64_TCP | NAT64_UDP | NAT64_ICMP };

/* Shared by everybody who has not written a prefix; nobody writes to it. */
static struct prefix well_known[] = {
	{ .addr = { .octet = { 0x00, 0x64, 0xff, 0x9b } }, .len = 96 },
};

void nat64_conf_default(struct nat64_conf *c)
{
	*c = (struct nat64_conf){
		.prefix = well_known,
		.n_prefix = 1,
		.filtering = NAT64_ENDPOINT_INDEPENDENT,
		.quarantine = { .time_s = 120 },
		.timeouts = {
			.tcp_established_s = 7440,
			.tcp_transitory_s = 240,
			.tcp_incoming_syn_s = 6,
			.udp_s = 300,
			.icmp_s = 60,
			.fragment_s = 2,
		},
	};
}

static bool is_set(const struct addr *a)
{
	static const struct addr none;

	return !addr_equal(a, &none);
}

/* An `outside` entry has its address only when the interface has been asked. */
static bool has_address(const struct pool4_conf *p)
{
	return !p->outside || is_set(&p->first);
}

static bool entry_has(const struct pool4_conf *p, const struct addr *a)
{
	return has_address(p) && addr_compare(&p->first, a) <= 0 && addr_compare(a, &p->last) <= 0;
}

bool nat64_conf_pool4_has(const struct nat64_conf *c, const struct addr *a)
{
	for (size_t i = 0; i < c->n_pool4; i++)
		if (entry_has(&c->pool4[i], a))
			return true;
	return false;
}

uint32_t nat64_conf_ephemeral_left(const struct nat64_conf *c, uint16_t first, uint16_t last)
{
	uint8_t taken[65536 / 8] = { 0 };
	uint32_t left = 0;

	for (size_t i = 0; i < c->n_pool4; i++) {
		const struct pool4_conf *p = &c->pool4[i];

		if (!p->outside || !(p->protocols & (NAT64_TCP | NAT64_UDP)))
			continue;
		for (uint32_t port = p->port_first; port <= p->port_last; port++)
			taken[port / 8] |= (uint8_t)(1u << port % 8);
	}
	for (uint32_t port = first; port <= last; port++)
		left += !(taken[port / 8] & 1u << port % 8);
	return left;
}

static void complain_of_prefixes(const struct nat64_conf *c, struct complaints *to)
{
	if (c->n_prefix < 1 || c->n_prefix > NAT64_PREFIXES_MAX)
		complain(to, &c->prefix, "nat64.prefix", "expected 1 to %d prefixes, found %zu",
			 NAT64_PREFIXES_MAX, c->n_prefix);
	for (size_t i = 0; i < c->n_prefix; i++) {
		struct pool6 pool6;
		struct err e;

		if (pool6_init(&pool6, &c->prefix[i], &e))
			complain(to, &c->prefix[i], "nat64.prefix", "%s", e.text);
		for (size_t j = 0; j < i; j++)
			if (prefix_overlaps(&c->prefix[i], &c->prefix[j]))
				complain(to, &c->prefix[i], "nat64.prefix",
					 "overlaps the prefix number %zu of the list", j + 1);
	}
}

static bool usable_v4(const struct addr *a)
{
	uint32_t ip = addr_is_v4(a) ? addr_ip4_host(a) : 0;

	return ip >> 24 != 0 && ip >> 24 != 127 && ip >> 28 < 0xe;
}

static void complain_of_entry(const struct pool4_conf *p, struct complaints *to)
{
	if (has_address(p) && (!usable_v4(&p->first) || !usable_v4(&p->last)))
		complain(to, &p->first, "nat64.pool4",
			 "expected IPv4 addresses that a host can have, found others");
	else if (has_address(p) && addr_compare(&p->first, &p->last) > 0)
		complain(to, &p->first, "nat64.pool4", "the range ends before it begins");
	if (p->port_first < 1 || p->port_first > p->port_last)
		complain(to, &p->port_first, "nat64.pool4",
			 "expected ports from 1 to 65535, the first not above the last, found %u-%u",
			 p->port_first, p->port_last);
	if (!p->protocols || p->protocols & ~ALL_PROTOCOLS)
		complain(to, &p->protocols, "nat64.pool4",
			 "expected at least one of tcp, udp, icmp");
}

static bool entries_overlap(const struct pool4_conf *a, const struct pool4_conf *b)
{
	bool addresses;

	if (!has_address(a) || !has_address(b))
		addresses = a->outside && b->outside;
	else
		addresses = addr_compare(&a->first, &b->last) <= 0 &&
			    addr_compare(&b->first, &a->last) <= 0;
	return addresses && a->port_first <= b->port_last && b->port_first <= a->port_last &&
	       a->protocols & b->protocols;
}

static uint64_t entry_addresses(const struct pool4_conf *p)
{
	if (p->outside || !addr_is_v4(&p->first) || !addr_is_v4(&p->last) ||
	    addr_compare(&p->first, &p->last) > 0)
		return 1;
	return (uint64_t)addr_ip4_host(&p->last) - addr_ip4_host(&p->first) + 1;
}

/* @a is in entry @p. Return: false if the entries give it more ranges than it may have. */
static bool ranges_are_few(const struct nat64_conf *c, const struct pool4_conf *p, const struct addr *a)
{
	static const uint8_t protocol[N_PROTOS] = { NAT64_TCP, NAT64_UDP, NAT64_ICMP };
	struct pool_slot slot = { .n_range = { 0 } };

	for (size_t i = 0; i < c->n_pool4 && i < NAT64_POOL_MAX; i++) {
		const struct pool4_conf *q = &c->pool4[i];

		if (has_address(p) ? !entry_has(q, a) : has_address(q))
			continue;
		for (unsigned k = 0; k < N_PROTOS; k++)
			if (q->protocols & protocol[k] &&
			    table__range_add(&slot, k, (struct port_range){ q->port_first, q->port_last }))
				return false;
	}
	return true;
}

static struct addr after(const struct addr *a)
{
	struct addr next = *a;

	store32(next.octet + 12, addr_ip4_host(a) + 1);
	return next;
}

/* Which entries an address is in changes where one begins, and behind where one ends. */
static void complain_of_ranges(const struct nat64_conf *c, struct complaints *to)
{
	char text[ADDR_TEXT_MAX];

	for (size_t i = 0; i < c->n_pool4 && i < NAT64_POOL_MAX; i++) {
		const struct pool4_conf *p = &c->pool4[i];
		struct addr at[2] = { p->first, after(&p->last) };

		for (unsigned k = 0; k < 2; k++)
			if ((k == 0 || nat64_conf_pool4_has(c, &at[k])) && !ranges_are_few(c, p, &at[k])) {
				complain(to, &p->port_first, "nat64.pool4",
					 "more than %d port ranges on %s", SLOT_RANGES_MAX,
					 has_address(p) ? addr_format(&at[k], text) : "`outside`");
				return;
			}
	}
}

static void complain_of_pool4(const struct nat64_conf *c, struct complaints *to)
{
	uint64_t n = 0;

	if (!c->n_pool4)
		complain(to, &c->pool4, "nat64.pool4",
			 "is missing: IPv4 addresses to share, or `outside` for the router's own");
	for (size_t i = 0; i < c->n_pool4 && i < NAT64_POOL_MAX; i++) {
		const struct pool4_conf *p = &c->pool4[i];

		complain_of_entry(p, to);
		n += entry_addresses(p);
		for (size_t j = 0; j < i; j++)
			if (entries_overlap(p, &c->pool4[j]))
				complain(to, p, "nat64.pool4",
					 "has addresses, ports and protocols that entry %zu has too",
					 j + 1);
	}
	if (n > NAT64_POOL_MAX || c->n_pool4 > NAT64_POOL_MAX)
		complain(to, &c->pool4, "nat64.pool4", "expected at most %d addresses, found %llu",
			 NAT64_POOL_MAX, (unsigned long long)n);
}

/* An address of our own is ours with all its ports; of the host's only the range is. */
static bool entry_serves(const struct pool4_conf *p, const struct static_conf *s)
{
	if (!(p->protocols & s->protocol) || (has_address(p) && !entry_has(p, &s->outside)))
		return false;
	return !p->outside ||
	       (p->port_first <= s->outside_port && s->outside_port <= p->port_last);
}

static bool pool4_serves(const struct nat64_conf *c, const struct static_conf *s)
{
	for (size_t i = 0; i < c->n_pool4; i++)
		if (entry_serves(&c->pool4[i], s))
			return true;
	return false;
}

static bool is_embedded(const struct nat64_conf *c, const struct addr *a)
{
	for (size_t i = 0; i < c->n_prefix; i++)
		if (prefix_contains(&c->prefix[i], a))
			return true;
	return false;
}

static void complain_of_inside(const struct nat64_conf *c, const struct static_conf *s,
			       struct complaints *to)
{
	if (addr_is_v4(&s->inside) || addr_is_multicast(&s->inside) ||
	    addr_is_link_local6(&s->inside) || !is_set(&s->inside))
		complain(to, &s->inside, "nat64.static", "expected the IPv6 address of a host");
	else if (is_embedded(c, &s->inside)) /* RFC 6146 3.5: no loops */
		complain(to, &s->inside, "nat64.static", "is an address of a NAT64 prefix");
}

static void complain_of_static(const struct nat64_conf *c, const struct static_conf *s,
			       struct complaints *to)
{
	char text[ADDR_TEXT_MAX];

	complain_of_inside(c, s, to);
	if (s->protocol != NAT64_TCP && s->protocol != NAT64_UDP && s->protocol != NAT64_ICMP)
		complain(to, &s->protocol, "nat64.static", "expected tcp, udp or icmp");
	else if (!usable_v4(&s->outside))
		complain(to, &s->outside, "nat64.static", "expected an IPv4 address of pool4");
	else if (!pool4_serves(c, s))
		complain(to, &s->outside, "nat64.static",
			 "%s port %u is in no entry of nat64.pool4 for this protocol",
			 addr_format(&s->outside, text), s->outside_port);
}

static void complain_of_twins(const struct nat64_conf *c, size_t i, struct complaints *to)
{
	const struct static_conf *s = &c->static_entry[i];

	for (size_t j = 0; j < i; j++) {
		const struct static_conf *t = &c->static_entry[j];

		if (t->protocol != s->protocol)
			continue;
		if (addr_equal(&t->outside, &s->outside) && t->outside_port == s->outside_port)
			complain(to, &s->outside, "nat64.static",
				 "entry %zu has the same outside address and port", j + 1);
		if (addr_equal(&t->inside, &s->inside) && t->inside_port == s->inside_port)
			complain(to, &s->inside, "nat64.static",
				 "entry %zu has the same inside address and port", j + 1);
	}
}

static void complain_of_exempt(const struct nat64_conf *c, struct complaints *to)
{
	if (c->n_exempt > NAT64_EXEMPT_MAX)
		complain(to, &c->exempt, "nat64.exempt", "expected at most %d entries",
			 NAT64_EXEMPT_MAX);
	for (size_t i = 0; i < c->n_exempt && i < NAT64_EXEMPT_MAX; i++) {
		const struct exempt_conf *e = &c->exempt[i];

		if (!prefix_is_v4(&e->destination))
			complain(to, &e->destination, "nat64.exempt", "expected an IPv4 prefix");
		if (e->port_first > e->port_last)
			complain(to, &e->port_first, "nat64.exempt",
				 "the range of ports ends before it begins");
	}
}

static void complain_of_limits(const struct nat64_conf *c, struct complaints *to)
{
	const uint8_t bits = c->limits.subscriber_prefix;
	const struct {
		const char *key;
		const uint32_t *value;
		uint32_t min, max;
	} rule[] = {
		{ "nat64.limits.flows", &c->limits.flows, 1, NAT64_LIMIT_MAX },
		{ "nat64.limits.ports", &c->limits.ports, 1, NAT64_LIMIT_MAX },
		{ "nat64.limits.new-flows", &c->limits.new_flows, 1, NAT64_NEW_FLOWS_MAX },
		{ "nat64.quarantine.time", &c->quarantine.time_s, 1, NAT64_QUARANTINE_MAX_S },
		{ "nat64.quarantine.ports", &c->quarantine.ports, 64, NAT64_LIMIT_MAX },
	};

	if (bits && (bits < NAT64_SUBSCRIBER_MIN || bits > 128))
		complain(to, &c->limits.subscriber_prefix, "nat64.limits.subscriber-prefix",
			 "expected auto or %d to 128 bits, found %u", NAT64_SUBSCRIBER_MIN, bits);
	for (size_t i = 0; i < ARRAY_LEN(rule); i++)
		if (*rule[i].value && (*rule[i].value < rule[i].min || *rule[i].value > rule[i].max))
			complain(to, rule[i].value, rule[i].key, "expected off or %u to %u, found %u",
				 rule[i].min, rule[i].max, *rule[i].value);
	if (c->quarantine.ports && !c->quarantine.time_s)
		complain(to, &c->quarantine.ports, "nat64.quarantine.ports",
			 "bounds how many ports rest, but with `time: off` none do");
}

static void complain_of_timeouts(const struct nat64_timeouts *t, struct complaints *to)
{
	const struct {
		const char *key;
		const uint32_t *value;
		uint32_t min, max;
	} rule[] = {
		{ "nat64.timeouts.tcp-established", &t->tcp_established_s,
		  NAT64_TCP_ESTABLISHED_MIN_S, NAT64_TIMEOUT_MAX_S },
		{ "nat64.timeouts.tcp-transitory", &t->tcp_transitory_s, NAT64_TCP_TRANSITORY_MIN_S,
		  NAT64_TIMEOUT_MAX_S },
		{ "nat64.timeouts.tcp-incoming-syn", &t->tcp_incoming_syn_s,
		  NAT64_TCP_INCOMING_SYN_MIN_S, NAT64_TCP_INCOMING_SYN_MAX_S },
		{ "nat64.timeouts.udp", &t->udp_s, NAT64_UDP_MIN_S, NAT64_TIMEOUT_MAX_S },
		{ "nat64.timeouts.icmp", &t->icmp_s, NAT64_ICMP_MIN_S, NAT64_TIMEOUT_MAX_S },
		{ "nat64.timeouts.fragment", &t->fragment_s, NAT64_FRAGMENT_MIN_S,
		  NAT64_FRAGMENT_MAX_S },
	};

	for (size_t i = 0; i < ARRAY_LEN(rule); i++)
		if (*rule[i].value < rule[i].min || *rule[i].value > rule[i].max)
			complain(to, rule[i].value, rule[i].key,
				 "expected %u to %u seconds (RFC 6146 4), found %u", rule[i].min,
				 rule[i].max, *rule[i].value);
}

void nat64_conf_complain(const struct nat64_conf *c, struct complaints *to)
{
	complain_of_prefixes(c, to);
	complain_of_pool4(c, to);
	complain_of_ranges(c, to);
	if (c->n_static > NAT64_STATIC_MAX)
		complain(to, &c->static_entry, "nat64.static", "expected at most %d entries",
			 NAT64_STATIC_MAX);
	for (size_t i = 0; i < c->n_static && i < NAT64_STATIC_MAX; i++) {
		complain_of_static(c, &c->static_entry[i], to);
		complain_of_twins(c, i, to);
	}
	complain_of_exempt(c, to);
	complain_of_limits(c, to);
	complain_of_timeouts(&c->timeouts, to);
}

int nat64_conf_check(const struct nat64_conf *c, struct err *e)
{
	struct first_complaint first = first_complaint(e);

	nat64_conf_complain(c, &first.to);
	return first.code;
}
