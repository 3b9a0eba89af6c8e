/*
 * findings.c - what of the host's own set-up gets in our way, and the command that helps.
 *
 * Looks at nftables (iptables of the nft kind included), at ports in use and at settings; changes
 * nothing. Rules are read as text and judged with caution: one that might hit our packets is told.
 */
#include "netlink_internal.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "sixgate/base/must.h"

enum { CHAINS_MAX = 16, COVERED_MAX = 16, CONDITION_MAX = 256, EPHEMERAL_MIN = 4096, MAPPINGS_TOLD = 3 };

struct looking {
	const struct netlink_input *in;
	const struct netlink_plan *plan;
	struct netlink_finding *out;
	size_t n, max;

	/* forward chains that drop, and which of our directions their tables accept */
	struct dropping {
		char family[8], table[64], chain[64];
		bool accepts_in, accepts_out;
	} dropping[CHAINS_MAX];
	size_t n_dropping;
	char last_rule[CONDITION_MAX];

	/* conditions of NAT rules with a range of ports, without their protocol */
	char covered[COVERED_MAX][CONDITION_MAX];
	size_t n_covered;
	bool tracks;
};

static void found(struct looking *k, enum netlink_severity severity, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void found(struct looking *k, enum netlink_severity severity, const char *fmt, ...)
{
	va_list ap;

	if (k->n == k->max)
		return;
	k->out[k->n].severity = severity;
	va_start(ap, fmt);
	vsnprintf(k->out[k->n].text, sizeof(k->out[k->n].text), fmt, ap);
	va_end(ap);
	k->n++;
}

static bool is_ours(const struct ruleset_rule *r)
{
	return strcmp(r->table, GUARD_TABLE) == 0 || strcmp(r->table, SHARED_TABLE) == 0 ||
	       strcmp(r->table, FRAGMENTS_TABLE) == 0;
}

static const char *tun_name(const struct looking *k)
{
	return k->plan->device[NETLINK_DEVICE_INSIDE].name;
}

/* ---- forward chains that drop ---- */

/* A rule without conditions that ends the chain badly. */
static bool drops_all(const char *rule)
{
	if (strncmp(rule, "counter ", 8) == 0)
		rule += 8;
	return strcmp(rule, "drop") == 0 || strncmp(rule, "reject", 6) == 0;
}

/* The value of @key ("iifname") in @rule names @device or begins with it. */
static bool names_device(const char *rule, const char *key, const char *device)
{
	const char *at = strstr(rule, key);
	char quoted[INTERFACE_NAME_MAX + 2];
	size_t len;

	if (!at)
		return false;
	at += strlen(key);
	len = strncmp(at, " {", 2) == 0 ? strcspn(at, "}") : strcspn(at + 1, " ") + 1;
	snprintf(quoted, sizeof(quoted), "\"%s", device);
	return memmem(at, len, quoted, strlen(quoted)) != NULL;
}

static void look_for_dropping_rule(const struct ruleset_rule *r, void *arg)
{
	struct looking *k = arg;

	if (!is_ours(r) && (strncmp(r->text, "ct ", 3) == 0 || strstr(r->text, " ct ") ||
			    strcmp(r->type, "nat") == 0))
		k->tracks = true;
	snprintf(k->last_rule, sizeof(k->last_rule), "%s", r->text);
}

static void look_for_dropping_chain(const struct ruleset_rule *r, void *arg)
{
	struct looking *k = arg;
	struct dropping *d = &k->dropping[k->n_dropping];

	if (!is_ours(r) && strcmp(r->hook, "forward") == 0 && k->n_dropping < CHAINS_MAX &&
	    (r->policy_drop || drops_all(k->last_rule))) {
		*d = (struct dropping){ .accepts_in = false };
		memcpy(d->family, r->family, sizeof(d->family));
		memcpy(d->table, r->table, sizeof(d->table));
		memcpy(d->chain, r->chain, sizeof(d->chain));
		k->n_dropping++;
	}
	k->last_rule[0] = '\0';
}

static void look_for_accepts(const struct ruleset_rule *r, void *arg)
{
	struct looking *k = arg;

	for (size_t i = 0; i < k->n_dropping && strstr(r->text, "accept"); i++) {
		struct dropping *d = &k->dropping[i];

		if (strcmp(d->table, r->table) != 0 || strcmp(d->family, r->family) != 0)
			continue;
		d->accepts_in |= names_device(r->text, "iifname", tun_name(k));
		d->accepts_out |= names_device(r->text, "oifname", tun_name(k));
	}
}

static void tell_dropping(struct looking *k, const struct dropping *d)
{
	/* What iptables made is better changed with iptables. */
	bool iptables = strcmp(d->table, "filter") == 0 && strcmp(d->chain, "FORWARD") == 0;
	const char *program = strcmp(d->family, "ip6") == 0 ? "ip6tables" : "iptables";
	const char *tun = tun_name(k);

	if (d->accepts_in && d->accepts_out)
		return;
	if (iptables)
		found(k, NETLINK_WARNING,
		      "the host's firewall drops forwarded packets (table %s %s, chain %s), ours too: "
		      "%s -I FORWARD -i %s+ -j ACCEPT; %s -I FORWARD -o %s+ -j ACCEPT",
		      d->family, d->table, d->chain, program, tun, program, tun);
	else
		found(k, NETLINK_WARNING,
		      "the host's firewall drops forwarded packets (table %s %s, chain %s), ours too: "
		      "nft 'insert rule %s %s %s iifname \"%s*\" accept; "
		      "insert rule %s %s %s oifname \"%s*\" accept'",
		      d->family, d->table, d->chain, d->family, d->table, d->chain, tun, d->family,
		      d->table, d->chain, tun);
}

/* ---- address translation ---- */

/* Where the conditions of a NAT rule end and its statement begins; NULL: not a NAT rule. */
static const char *nat_statement(const char *rule)
{
	static const char *const words[] = { "masquerade", "snat ", "xt target \"MASQUERADE\"",
					     "xt target \"SNAT\"" };

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		const char *at = strstr(rule, words[i]);

		if (at)
			return at;
	}
	return NULL;
}

/* The rule cannot see packets that leave by an outside interface. */
static bool other_interface(const struct looking *k, const char *rule)
{
	const struct interfaces_conf *c = &k->in->conf->interfaces;

	if (!strstr(rule, "oifname \"") && !strstr(rule, "oifname {"))
		return false;
	for (size_t i = 0; i < c->n_outside; i++)
		if (names_device(rule, "oifname", c->outside[i]))
			return false;
	return true;
}

/* The rule is for sources that are none of the pool's. Only a plain prefix is understood. */
static bool other_source(const struct looking *k, const char *rule)
{
	const struct nat64_conf *c = &k->in->conf->nat64;
	const char *at = strstr(rule, "ip saddr ");
	char text[PREFIX_TEXT_MAX];
	struct prefix p;

	if (!at)
		return false;
	at += strlen("ip saddr ");
	snprintf(text, sizeof(text), "%.*s", (int)strcspn(at, " "), at);
	if (prefix_parse(text, &p))
		return false;
	for (size_t i = 0; i < c->n_pool4; i++) {
		const struct pool4_conf *e = &c->pool4[i];

		if (!e->outside && addr_compare(&e->last, &p.addr) >= 0 &&
		    (addr_compare(&e->first, &p.addr) <= 0 || prefix_contains(&p, &e->first)))
			return false;
	}
	return true;
}

static bool has_own_pool(const struct looking *k)
{
	for (size_t i = 0; k->in->conf->has_nat64 && i < k->in->conf->nat64.n_pool4; i++)
		if (!k->in->conf->nat64.pool4[i].outside)
			return true;
	return false;
}

/* "masquerade to :30000-60999": ports that the statement keeps to. */
static bool port_range(const char *statement, unsigned *first, unsigned *last)
{
	const char *colon = strstr(statement, " to ");

	colon = colon ? strrchr(colon, ':') : NULL;
	return colon && sscanf(colon, ":%u-%u", first, last) == 2;
}

static bool clear_of_ours(const struct netlink_shared *s, unsigned first, unsigned last)
{
	for (size_t i = 0; i < s->n_range; i++)
		if (first <= s->range[i].last && s->range[i].first <= last)
			return false;
	return true;
}

/* The conditions without those on the protocol: what is left tells two rules apart. */
static void conditions(const char *rule, const char *end, char out[CONDITION_MAX], bool *tcp_udp)
{
	static const char *const protocols[] = { "meta l4proto { 6, 17 } ", "meta l4proto { tcp, udp } ",
						 "ip protocol { 6, 17 } ", "ip protocol { tcp, udp } " };

	snprintf(out, CONDITION_MAX, "%.*s", (int)(end - rule), rule);
	*tcp_udp = false;
	for (size_t i = 0; i < ARRAY_LEN(protocols); i++) {
		char *at = strstr(out, protocols[i]);

		if (!at)
			continue;
		*tcp_udp = true;
		memmove(at, at + strlen(protocols[i]), strlen(at + strlen(protocols[i])) + 1);
	}
}

static bool not_tcp_or_udp(const char *rule)
{
	return strstr(rule, "meta l4proto 1 ") || strstr(rule, "meta l4proto icmp ") ||
	       strstr(rule, "ip protocol 1 ") || strstr(rule, "ip protocol icmp ");
}

static bool is_covered(const struct looking *k, const char *condition)
{
	for (size_t i = 0; i < k->n_covered; i++)
		if (strcmp(k->covered[i], condition) == 0)
			return true;
	return false;
}

/* NAT that could give a connection of the host's or of a container's a port of ours. */
static void look_at_shared_ports(struct looking *k, const struct ruleset_rule *r,
				 const char *statement)
{
	const struct netlink_shared *s = &k->plan->shared;
	char condition[CONDITION_MAX];
	unsigned first, last;
	bool tcp_udp;

	conditions(r->text, statement, condition, &tcp_udp);
	if (port_range(statement, &first, &last) && clear_of_ours(s, first, last)) {
		if (k->n_covered < COVERED_MAX)
			memcpy(k->covered[k->n_covered++], condition, sizeof(condition));
		return;
	}
	if (not_tcp_or_udp(r->text) || (!tcp_udp && is_covered(k, condition)))
		return;
	found(k, NETLINK_REFUSE,
	      "nat64.pool4: outside: the host's own NAT (table %s %s, chain %s: %s) may use ports %u-%u "
	      "of the shared address: keep it off them, for example: nft 'insert rule %s %s %s "
	      "%smeta l4proto { tcp, udp } masquerade to :30000-60999'",
	      r->family, r->table, r->chain, r->text, s->range[0].first, s->range[0].last, r->family,
	      r->table, r->chain, condition);
}

static void look_at_nat(const struct ruleset_rule *r, void *arg)
{
	struct looking *k = arg;
	const char *statement = is_ours(r) ? NULL : nat_statement(r->text);
	bool v6 = strcmp(r->family, "ip6") == 0;

	if (!statement || other_interface(k, r->text))
		return;
	if (!v6 && k->plan->shared.on)
		look_at_shared_ports(k, r, statement);
	if ((!v6 && has_own_pool(k) && !other_source(k, r->text)) ||
	    (strcmp(r->family, "ip") != 0 && k->in->conf->has_egress6 && !strstr(r->text, "ip saddr")))
		found(k, NETLINK_WARNING,
		      "the host's NAT (table %s %s, chain %s: %s) also replaces the source of our "
		      "packets: nft 'insert rule %s %s %s iifname \"%s*\" accept'",
		      r->family, r->table, r->chain, r->text, r->family, r->table, r->chain,
		      tun_name(k));
}

/* ---- reverse path checks by nftables (firewalld's IPv6_rpfilter) ---- */

static void look_for_path_check(const struct ruleset_rule *r, void *arg)
{
	struct looking *k = arg;

	if (!is_ours(r) && strstr(r->text, "fib saddr") && strstr(r->text, "drop") &&
	    !names_device(r->text, "iifname !=", tun_name(k)))
		found(k, NETLINK_WARNING,
		      "a reverse path check (table %s %s, chain %s: %s) drops packets that we send: "
		      "nft 'insert rule %s %s %s iifname \"%s*\" accept', or with firewalld "
		      "IPv6_rpfilter=no",
		      r->family, r->table, r->chain, r->text, r->family, r->table, r->chain,
		      tun_name(k));
}

/* ---- the whole ruleset ---- */

static void end_nothing(const struct ruleset_rule *r, void *arg)
{
	(void)r;
	(void)arg;
}

static void look_at_firewall(struct looking *k)
{
	const struct ruleset_walk walks[] = {
		{ look_for_dropping_rule, look_for_dropping_chain, k },
		{ look_for_accepts, end_nothing, k },
		{ look_at_nat, end_nothing, k },
		{ look_for_path_check, end_nothing, k },
	};
	struct err e = { "" };
	char *ruleset;

	if (nft__list("list ruleset", 0, &ruleset, &e)) {
		found(k, NETLINK_NOTICE, "the host's firewall cannot be looked at: %s", e.text);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(walks); i++)
		ruleset__walk(ruleset, &walks[i]);
	free(ruleset);
	for (size_t i = 0; i < k->n_dropping; i++)
		tell_dropping(k, &k->dropping[i]);
}

/* Tables of the old iptables are not in nft's listing. */
static const char *const legacy_tables[] = { "/proc/net/ip_tables_names",
					     "/proc/net/ip6_tables_names" };

static bool has_a_line(const char *path)
{
	FILE *f = fopen(path, "re");
	char line[32];
	bool has = f && fgets(line, sizeof(line), f);

	if (f)
		fclose(f);
	return has;
}

static void look_at_legacy_iptables(struct looking *k)
{
	for (size_t i = 0; i < ARRAY_LEN(legacy_tables); i++)
		if (has_a_line(legacy_tables[i]))
			found(k, NETLINK_NOTICE,
			      "iptables-legacy rules are in use (%s) and are not looked at: packets "
			      "from and to %s* must be accepted and not be translated by them",
			      legacy_tables[i], tun_name(k));
}

/* ---- rules that AF_XDP would pass by ---- */

struct filtered {
	char *where;
	size_t size;
	bool found;
};

static void look_for_forwarded(const struct ruleset_rule *r, void *arg)
{
	struct filtered *f = arg;

	if (f->found || is_ours(r) || !*r->hook || strcmp(r->hook, "input") == 0 ||
	    strcmp(r->hook, "output") == 0)
		return;
	f->found = true;
	snprintf(f->where, f->size, "table %s %s, chain %s", r->family, r->table, r->chain);
}

/* A chain without rules whose policy is to drop. */
static void look_for_policy(const struct ruleset_rule *r, void *arg)
{
	if (r->policy_drop)
		look_for_forwarded(r, arg);
}

bool netlink_filters_forwarded(char *where, size_t size)
{
	struct filtered f = { .where = where, .size = size };
	const struct ruleset_walk walk = { look_for_forwarded, look_for_policy, &f };
	struct err e = { "" };
	char *ruleset;

	if (nft__list("list ruleset", 0, &ruleset, &e)) {
		snprintf(where, size, "%s", e.text);
		return true;
	}
	ruleset__walk(ruleset, &walk);
	free(ruleset);
	for (size_t i = 0; i < ARRAY_LEN(legacy_tables) && !f.found; i++) {
		f.found = has_a_line(legacy_tables[i]);
		snprintf(where, size, "iptables-legacy, %s", legacy_tables[i]);
	}
	return f.found;
}

static void look_at_tracking(struct looking *k)
{
	int max = sysctl__read_int("net/netfilter/nf_conntrack_max", 0);
	uint64_t flows = k->in->conf->gateway.flows;

	/* One entry on each side of us. */
	if (k->tracks && max > 0 && (uint64_t)max < 2 * flows)
		found(k, NETLINK_NOTICE,
		      "the host tracks our flows too (nf_conntrack_max is %d, two for each of up to "
		      "%llu flows): sysctl -w net.netfilter.nf_conntrack_max=%llu, or notrack "
		      "packets from and to %s*",
		      max, (unsigned long long)flows, (unsigned long long)(2 * flows), tun_name(k));
}

/* ---- ports of the shared address ---- */

/* One line of /proc/net/tcp or its like: a socket without a peer on a port of ours. */
static void look_at_socket(struct looking *k, const char *line, const char *name)
{
	const struct netlink_shared *s = &k->plan->shared;
	uint8_t bit = name[0] == 't' ? NAT64_TCP : NAT64_UDP;
	unsigned port, peer;

	if (sscanf(line, " %*u: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%x", &port, &peer) != 2 || peer != 0)
		return;
	for (size_t i = 0; i < s->n_range; i++)
		if (s->range[i].protocols & bit && port >= s->range[i].first && port <= s->range[i].last)
			found(k, NETLINK_WARNING,
			      "a program of the host listens on %.3s port %u, which is in the shared "
			      "range %u-%u: over IPv4 from outside it is not reached",
			      name, port, s->range[i].first, s->range[i].last);
}

static void look_at_sockets(struct looking *k)
{
	static const char *const names[] = { "tcp", "tcp6", "udp", "udp6" };
	char path[32], line[512];

	for (size_t i = 0; k->plan->shared.on && i < ARRAY_LEN(names); i++) {
		FILE *f;

		snprintf(path, sizeof(path), "/proc/net/%s", names[i]);
		f = fopen(path, "re");
		while (f && fgets(line, sizeof(line), f))
			look_at_socket(k, line, names[i]);
		if (f)
			fclose(f);
	}
}

static bool reserved(const struct netlink_shared *s, const char *list, unsigned port)
{
	unsigned a, b;

	for (size_t i = 0; i < s->n_range; i++)
		if (s->range[i].protocols & (NAT64_TCP | NAT64_UDP) && port >= s->range[i].first &&
		    port <= s->range[i].last)
			return true;
	for (const char *at = list; *at; at += strcspn(at, ","), at += *at == ',') {
		int n = sscanf(at, "%u-%u", &a, &b);

		if (n == 2 ? port >= a && port <= b : n == 1 && port == a)
			return true;
	}
	return false;
}

static void look_at_ephemeral_ports(struct looking *k)
{
	char range[64], list[4096];
	unsigned first, last, n = 0;

	if (!k->plan->shared.on ||
	    sysctl__read("net/ipv4/ip_local_port_range", range, sizeof(range)) < 0 ||
	    sysctl__read("net/ipv4/ip_local_reserved_ports", list, sizeof(list)) < 0 ||
	    sscanf(range, "%u %u", &first, &last) != 2)
		return;
	for (unsigned port = first; port <= last && port <= 65535; port++)
		n += !reserved(&k->plan->shared, list, port);
	if (n < EPHEMERAL_MIN)
		found(k, NETLINK_REFUSE,
		      "nat64.pool4: outside: the host would be left with %u ports of its own (at least "
		      "%d): take a smaller range, or widen net.ipv4.ip_local_port_range (%u %u)",
		      n, EPHEMERAL_MIN, first, last);
}

/* ---- interfaces and routes ---- */

static void look_at_interfaces(struct looking *k)
{
	const struct netlink_facts *f = k->in->facts;
	const struct config *c = k->in->conf;

	for (size_t i = 0; i < f->n_interface; i++) {
		if (!f->interface[i].present)
			found(k, NETLINK_WARNING, "interface %s is missing", f->interface[i].name);
		else if (!f->interface[i].up)
			found(k, NETLINK_WARNING, "interface %s is down: ip link set %s up",
			      f->interface[i].name, f->interface[i].name);
	}
	if (c->has_nat64 && !f->default_route[0])
		found(k, NETLINK_NOTICE, "there is no IPv4 default route: nat64 reaches only what "
					 "has a route");
	if (c->has_egress6 && !f->default_route[1])
		found(k, NETLINK_NOTICE, "there is no IPv6 default route: egress6 reaches only what "
					 "has a route");
	if (c->has_siit && c->siit.has_clat && !f->default_route[1])
		found(k, NETLINK_NOTICE,
		      "there is no IPv6 default route: siit.clat reaches its "
		      "provider's translator only if that has a route");
	if (c->has_egress6 && c->egress6.follow_inside && f->n_inside == 0)
		found(k, NETLINK_WARNING, "egress6.prefixes: inside: no inside interface has a global "
					  "IPv6 prefix yet");
	for (size_t i = 0; c->has_nat64 && !f->has_shared && i < c->nat64.n_pool4; i++)
		if (c->nat64.pool4[i].outside)
			found(k, NETLINK_WARNING, "nat64.pool4: outside: no outside interface has an "
						  "IPv4 address to share");
}

/* RFC 7757 5: allowed, and yet perhaps not meant. */
static void look_at_mappings(struct looking *k)
{
	const struct siit_conf *c = &k->in->conf->siit;
	char v4[PREFIX_TEXT_MAX], v6[PREFIX_TEXT_MAX];
	size_t n = 0;

	for (size_t i = 0; k->in->conf->has_siit && i < c->n_eam && n < MAPPINGS_TOLD; i++) {
		int around = siit_conf_nested(c, i);

		if (around < 0)
			continue;
		n++;
		found(k, NETLINK_NOTICE,
		      "siit.eam: %s with %s lies within entry %d of the list: the longest match wins, "
		      "and answers to addresses of the larger one may come back as others (RFC 7757 5)",
		      prefix_format(&c->eam[i].v4, v4), prefix_format(&c->eam[i].v6, v6), around + 1);
	}
}

/* ---- what the guard does not cover ---- */

static bool is_data_interface(const struct netlink_facts *f, const char *name)
{
	for (size_t i = 0; i < f->n_interface; i++)
		if (strcmp(f->interface[i].name, name) == 0)
			return true;
	for (size_t i = 0; i < N_NETLINK_DEVICES; i++)
		if (strcmp(f->device[i].name, name) == 0)
			return true;
	return false;
}

static bool is_first_of_its_interface(const struct netlink_facts *f, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (f->local[i].ifindex == f->local[at].ifindex &&
		    !addr_is_link_local6(&f->local[i].addr))
			return false;
	return true;
}

/* Interfaces with an address, which the kernel therefore forwards from and to. */
static void look_at_third_interfaces(struct looking *k)
{
	const struct netlink_facts *f = k->in->facts;
	char names[256] = "";
	size_t len = 0;

	for (size_t i = 0; i < f->n_local; i++) {
		const struct netlink_local *l = &f->local[i];

		if (strcmp(l->interface, "lo") == 0 || addr_is_link_local6(&l->addr) ||
		    is_data_interface(f, l->interface) || !is_first_of_its_interface(f, i) ||
		    len + INTERFACE_NAME_MAX + 2 > sizeof(names))
			continue;
		len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s", len ? ", " : "",
					l->interface);
	}
	if (len)
		found(k, NETLINK_NOTICE,
		      "neither inside nor outside: %s. What the kernel forwards between there and the "
		      "inside is not guarded: name it in interfaces:, or drop it in the host's firewall",
		      names);
}

static bool node_is_guarded(const struct config *c, const struct addr *node)
{
	if (addr_is_v4(node) || !c->has_egress6)
		return false;
	for (size_t i = 0; i < c->egress6.n_prefix; i++)
		if (prefix_contains(&c->egress6.prefix[i], node))
			return true;
	return c->egress6.follow_inside;
}

/* Clients are meant to come by the VIPs; a route to the nodes themselves leads past us. */
static void look_at_nodes(struct looking *k)
{
	const struct config *c = k->in->conf;
	char first[ADDR_TEXT_MAX] = "";
	size_t n = 0;

	for (size_t s = 0; c->has_services && s < c->services.n_service; s++)
		for (size_t i = 0; i < c->services.service[s].n_node; i++) {
			const struct addr *node = &c->services.service[s].node[i].address;

			if (!node_is_guarded(c, node) && n++ == 0)
				addr_format(node, first);
		}
	if (n)
		found(k, NETLINK_NOTICE,
		      "services: the own addresses of %zu nodes (%s%s) are not guarded: who has a route "
		      "to them gets there past us. Switch on egress6 for IPv6; drop it in the host's "
		      "firewall for IPv4",
		      n, first, n > 1 ? ", ..." : "");
}

static const struct netlink_local *link_of(const struct netlink_facts *f, const struct addr *node)
{
	for (size_t i = 0; i < f->n_local; i++)
		if (strcmp(f->local[i].interface, "lo") != 0 && prefix_contains(&f->local[i].on_link, node))
			return &f->local[i];
	return NULL;
}

/* A client there would be answered by the node itself, from an address that it has not asked. */
static void look_at_node_links(struct looking *k, const struct service_conf *s)
{
	static const struct addr none;
	char prefix[PREFIX_TEXT_MAX];

	for (size_t i = 0; i < s->n_node; i++) {
		const struct node_conf *n = &s->node[i];
		const bool v4 = addr_is_v4(&n->address);
		const struct netlink_local *at = link_of(k->in->facts, &n->address);

		if (!at || !addr_equal(v4 ? &s->source_v4 : &s->source_v6, &none))
			continue;
		found(k, NETLINK_NOTICE,
		      "services: %s: clients in %s, on the link of node %s (%s), are refused "
		      "(node-on-link), for its answers would not come by us: if there are any, give the "
		      "service source: {%s: ADDRESS}",
		      s->name, prefix_format(&at->on_link, prefix), n->name, at->interface, v4 ? "v4" : "v6");
		return;
	}
}

static void look_at_manage(struct looking *k)
{
	if (!k->plan->manage)
		found(k, NETLINK_NOTICE,
		      "interfaces.manage is false: rules, routes, proxy neighbours and forwarding are "
		      "not set up by us; without them no packet comes to %s and %s",
		      k->plan->device[NETLINK_DEVICE_INSIDE].name,
		      k->plan->device[NETLINK_DEVICE_OUTSIDE].name);
}

/* ---- settings that cannot be written ---- */

/* Devices of ours are made later than the container is: they take what `default` has. */
static void name_setting(const struct looking *k, const struct netlink_sysctl *w, char *out, size_t size)
{
	char family[8], kind[8], name[INTERFACE_NAME_MAX], key[32];

	if (sscanf(w->path, "net/%7[^/]/%7[^/]/%15[^/]/%31s", family, kind, name, key) != 4) {
		snprintf(out, size, "%s", w->path);
		for (char *at = out; (at = strchr(at, '/')) != NULL;)
			*at = '.';
	} else if (strcmp(family, "ipv4") == 0 && strcmp(key, "forwarding") == 0) {
		snprintf(out, size, "net.ipv4.ip_forward");
	} else {
		for (size_t i = 0; i < N_NETLINK_DEVICES; i++)
			if (strcmp(name, k->plan->device[i].name) == 0)
				snprintf(name, sizeof(name), "default");
		snprintf(out, size, "net.%s.%s.%s.%s", family, kind, name, key);
	}
}

/* One line with all of them, as they are given to what makes the container. */
static void look_at_settings(struct looking *k, bool soft)
{
	char list[400] = "", one[320], name[128];

	for (size_t i = 0; i < k->plan->sysctls.n; i++) {
		const struct netlink_sysctl *w = &k->plan->sysctls.at[i];
		size_t len = strlen(list);

		if (w->soft != soft || !sysctl__stuck(w))
			continue;
		name_setting(k, w, name, sizeof(name));
		snprintf(one, sizeof(one), " %s=%s", name, w->value);
		if (!strstr(list, one) && len + strlen(one) < sizeof(list))
			memcpy(list + len, one, strlen(one) + 1);
	}
	if (list[0])
		found(k, soft ? NETLINK_NOTICE : NETLINK_WARNING,
		      soft ? "/proc/sys is read-only, better would be:%s" :
			     "/proc/sys is read-only: packets will not pass before these are set on the host or "
			     "where the container is made:%s", list);
}

size_t netlink_findings(const struct netlink_input *in, const struct netlink_plan *plan,
			struct netlink_finding *out, size_t max)
{
	struct looking k = { .in = in, .plan = plan, .out = out, .max = max };

	if (plan->conflict[0])
		found(&k, NETLINK_REFUSE, "%s", plan->conflict);
	look_at_ephemeral_ports(&k);
	look_at_interfaces(&k);
	look_at_mappings(&k);
	look_at_manage(&k);
	look_at_settings(&k, false);
	look_at_settings(&k, true);
	look_at_third_interfaces(&k);
	look_at_nodes(&k);
	for (size_t i = 0; in->conf->has_services && i < in->conf->services.n_service; i++)
		look_at_node_links(&k, &in->conf->services.service[i]);
	look_at_firewall(&k);
	look_at_legacy_iptables(&k);
	look_at_tracking(&k);
	look_at_sockets(&k);
	return k.n;
}
