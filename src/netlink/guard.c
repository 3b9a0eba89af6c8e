/*
 * guard.c - the chains that keep inside and outside apart, and our health checks to ourselves.
 *
 * Written as nft commands. Chains and sets stay, and are replaced by what is in them: of two chains, one that
 * comes and one that goes, a packet may see neither's rules. Elements come first, in a transaction of their
 * own: rules that begin at the same instant may find a set empty (Linux 6.18: one packet went through
 * in two of three replacements). Nameless sets are always new, so there are none.
 *
 * Whether the guard still stands is found by comparing the kernel's listing with the one seen right after
 * it was installed.
 */
#include "sixgate/netlink/guard.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "netlink_internal.h"
#include "sixgate/base/must.h"
#include "sixgate/services/services.h"

#define ALIASES "192.0.0.0/29"
#define GUARD_HOOK "type filter hook forward priority -250; policy accept;"
#define PROBES_HOOK "type filter hook prerouting priority -310; policy accept;"
#define REMOVAL "table inet " GUARD_TABLE "\ndelete table inet " GUARD_TABLE "\n"

static void add_names(struct text *t, const char *set, const char (*name)[INTERFACE_NAME_MAX], size_t n)
{
	if (n == 0)
		return;
	text__add(t, "\tset %s {\n\t\ttype ifname\n\t\telements = { ", set);
	for (size_t i = 0; i < n; i++)
		text__add(t, "%s\"%s\"", i ? ", " : "", name[i]);
	text__add(t, " }\n\t}\n");
}

/* One element of a set; @first: nothing is in it yet. */
static void add_element(struct text *t, bool *first, const char *element)
{
	text__add(t, "%s%s", *first ? "" : ", ", element);
	*first = false;
}

static void add_prefix(struct text *t, bool *first, const struct prefix *p, bool v4)
{
	char text[PREFIX_TEXT_MAX];

	if (p->len && prefix_is_v4(p) == v4)
		add_element(t, first, prefix_format(p, text));
}

static void add_addr(struct text *t, bool *first, const struct addr *a, bool v4)
{
	static const struct addr none;
	char text[ADDR_TEXT_MAX];

	if (!addr_equal(a, &none) && addr_is_v4(a) == v4)
		add_element(t, first, addr_format(a, text));
}

static void add_pool(struct text *t, bool *first, const struct pool4_conf *p)
{
	char a[ADDR_TEXT_MAX], b[ADDR_TEXT_MAX], range[2 * ADDR_TEXT_MAX];

	if (p->outside)
		return; /* the host's own traffic uses it too; its alias is guarded below */
	snprintf(range, sizeof(range), "%s-%s", addr_format(&p->first, a), addr_format(&p->last, b));
	add_element(t, first, addr_equal(&p->first, &p->last) ? a : range);
}

/* RFC 8215 5: the whole block is this network's own; what no prefix of ours takes must not leave. */
static void add_nat64_prefix(struct text *t, bool *first, const struct prefix *p, bool v4)
{
	static const struct prefix local_use = {
		.addr.octet = { 0, 0x64, 0xff, 0x9b, 0, 1 }, .len = 48
	};

	add_prefix(t, first, p, v4);
	if (prefix_overlaps(p, &local_use))
		add_prefix(t, first, &local_use, v4);
}

static void add_services(struct text *t, bool *first, const struct services_conf *c, bool v4)
{
	for (size_t i = 0; i < c->n_service; i++) {
		const struct service_conf *s = &c->service[i];

		for (size_t k = 0; k < s->n_address; k++)
			add_addr(t, first, &s->address[k], v4);
		add_addr(t, first, &s->source_v4, v4);
		add_addr(t, first, &s->source_v6, v4);
		add_prefix(t, first, &s->embed_prefix, v4);
	}
}

/* IPv6 hosts with mapped addresses go on speaking IPv6 past us; the IPv4 side of a mapping, and the
 * CLAT's prefix, are nobody's but ours. */
static void add_siit(struct text *t, bool *first, const struct siit_conf *c, bool v4)
{
	for (size_t i = 0; i < c->n_eam; i++)
		add_prefix(t, first, &c->eam[i].v4, v4);
	for (size_t i = 0; i < c->n_icmp4_source; i++)
		add_prefix(t, first, &c->icmp4_source[i], v4);
	if (c->has_clat)
		add_prefix(t, first, &c->clat.source, v4);
}

static void open_set(struct text *t, int family)
{
	text__add(t, "\tset guarded%d {\n\t\ttype ipv%d_addr\n\t\tflags interval\n\t\tauto-merge\n", family,
		  family);
}

/* What rules and elements stand in, whether or not it was there, and without them. */
static void add_empty_table(struct text *t, bool has_probes)
{
	static const char *const set[] = { "guarded4", "guarded6", "inside", "outside" };

	text__add(t, "table inet " GUARD_TABLE " {\n\tcounter looped { }\n");
	for (int family = 4; family <= 6; family += 2) {
		open_set(t, family);
		text__add(t, "\t}\n");
	}
	text__add(t, "\tset inside {\n\t\ttype ifname\n\t}\n\tset outside {\n\t\ttype ifname\n\t}\n");
	text__add(t, "\tchain touched { }\n\tchain written { }\n\tchain guard {\n\t\t" GUARD_HOOK "\n\t}\n"
		     "\tchain probes {\n\t\t" PROBES_HOOK "\n\t}\n}\n"
		     "flush table inet " GUARD_TABLE "\n");
	for (size_t i = 0; i < ARRAY_LEN(set); i++)
		text__add(t, "flush set inet " GUARD_TABLE " %s\n", set[i]);
	if (!has_probes)
		text__add(t, "delete chain inet " GUARD_TABLE " probes\n");
}

/* Intervals that touch or overlap are merged: two services may share a VIP. */
static void add_set(struct text *t, const struct config *c, bool v4)
{
	struct text e = { 0 };
	bool first = true;
	char *elements;

	for (size_t i = 0; c->has_nat64 && v4 && i < c->nat64.n_pool4; i++)
		add_pool(&e, &first, &c->nat64.pool4[i]);
	for (size_t i = 0; c->has_nat64 && i < c->nat64.n_prefix; i++)
		add_nat64_prefix(&e, &first, &c->nat64.prefix[i], v4);
	if (c->has_services)
		add_services(&e, &first, &c->services, v4);
	if (c->has_siit)
		add_siit(&e, &first, &c->siit, v4);
	for (size_t i = 0; c->has_egress6 && !v4 && i < c->egress6.n_prefix; i++)
		add_prefix(&e, &first, &c->egress6.prefix[i], v4);
	elements = first ? NULL : text__take(&e);
	t->failed |= e.failed || (!first && !elements);
	open_set(t, v4 ? 4 : 6);
	if (elements)
		text__add(t, "\t\telements = { %s }\n", elements);
	text__add(t, "\t}\n");
	free(elements);
}

/* All that rules ask. */
static void add_sets(struct text *t, const struct config *c)
{
	add_set(t, c, true);
	add_set(t, c, false);
	add_names(t, "inside", c->interfaces.inside, c->interfaces.n_inside);
	add_names(t, "outside", c->interfaces.outside, c->interfaces.n_outside);
}

/* Besides what may be there already. */
static char *sets_text(const struct config *c)
{
	struct text t = { 0 };

	text__add(&t, "table inet " GUARD_TABLE " {\n");
	add_sets(&t, c);
	text__add(&t, "}\n");
	return text__take(&t);
}

static void add_direction(struct text *t, bool from_inside, const char *verdict)
{
	text__add(t, "\t\tiifname @%s oifname @%s %s\n", from_inside ? "inside" : "outside",
		  from_inside ? "outside" : "inside", verdict);
}

/* Under a siit prefix stand both hosts inside and IPv4: nothing goes out to it, nothing comes in
 * from it. */
static void add_siit_rules(struct text *t, const struct config *c)
{
	char p[PREFIX_TEXT_MAX], rule[PREFIX_TEXT_MAX + 24];

	for (size_t i = 0; c->has_siit && i < c->siit.n_prefix; i++) {
		prefix_format(&c->siit.prefix[i], p);
		snprintf(rule, sizeof(rule), "ip6 daddr %s drop", p);
		add_direction(t, true, rule);
		snprintf(rule, sizeof(rule), "ip6 saddr %s drop", p);
		add_direction(t, false, rule);
	}
}

static bool shares_address(const struct config *c)
{
	for (size_t i = 0; c->has_nat64 && i < c->nat64.n_pool4; i++)
		if (c->nat64.pool4[i].outside)
			return true;
	return false;
}

/* What stands for the shared address must never be seen on a wire. */
static void add_alias_rules(struct text *t, const struct config *c)
{
	if (!shares_address(c))
		return;
	text__add(t, "\t\tip daddr " ALIASES " oifname != \"%so\" drop\n", c->interfaces.tun);
	text__add(t, "\t\tip saddr " ALIASES " iifname != \"%so\" drop\n", c->interfaces.tun);
}

/* Every packet of ours passes here twice, so it is sorted out by the group of its devices, which is one
 * number, before all that is about others. What we wrote and the kernel routes back to us would go round for ever, for the hop that
 * each pass costs is given back; nothing that is right takes this way. */
static void add_own_rules(struct text *t)
{
	text__add(t, "\t\tiifgroup %d goto written\n", NETLINK_DEVICE_GROUP);
	text__add(t, "\t\toifgroup %d accept\n", NETLINK_DEVICE_GROUP);
}

static void add_loop_chain(struct text *t)
{
	text__add(t, "\tchain written {\n\t\toifgroup %d counter name looped drop\n\t}\n",
		  NETLINK_DEVICE_GROUP);
}

/* Who sends from these addresses is taken for our health checks, and only this host may be: before
 * connection tracking, and so before everything else. Nodes answer to one of them. The names come last:
 * they cost the most, and hardly a packet gets that far. */
static void add_probe_chain(struct text *t, const struct interfaces_conf *i)
{
	const struct prefix prefix = services_probe_prefix();
	const struct addr source = services_probe_source();
	char p[PREFIX_TEXT_MAX], a[ADDR_TEXT_MAX], wire[3 * INTERFACE_NAME_MAX + 64];

	prefix_format(&prefix, p);
	snprintf(wire, sizeof(wire), "iifname != \"lo\" iifname != \"%s\" iifname != \"%so\"", i->tun, i->tun);
	text__add(t, "\tchain probes {\n");
	text__add(t, "\t\tip6 saddr %s %s drop\n", p, wire);
	text__add(t, "\t\tip6 daddr %s ip6 daddr != %s %s drop\n\t}\n", p, addr_format(&source, a), wire);
}

char *guard_text(const struct config *conf)
{
	const struct interfaces_conf *i = &conf->interfaces;
	struct text t = { 0 };

	add_empty_table(&t, conf->has_services);
	text__add(&t, "table inet " GUARD_TABLE " {\n");
	add_sets(&t, conf);
	text__add(&t, "\tchain touched {\n"
		      "\t\tip saddr @guarded4 drop\n\t\tip daddr @guarded4 drop\n"
		      "\t\tip6 saddr @guarded6 drop\n\t\tip6 daddr @guarded6 drop\n\t}\n");
	add_loop_chain(&t);
	text__add(&t, "\tchain guard {\n");
	add_alias_rules(&t, conf);
	add_own_rules(&t);
	if (i->n_inside && i->n_outside) {
		if (conf->has_egress6)
			add_direction(&t, true, "meta nfproto ipv6 drop");
		if (conf->has_egress6 && conf->egress6.follow_inside)
			add_direction(&t, false, "meta nfproto ipv6 drop");
		add_siit_rules(&t, conf);
		add_direction(&t, true, "jump touched");
		add_direction(&t, false, "jump touched");
	}
	text__add(&t, "\t}\n");
	if (conf->has_services)
		add_probe_chain(&t, i);
	text__add(&t, "}\n");
	return text__take(&t);
}

static struct nft_wanted wanted(const struct config *conf)
{
	return (struct nft_wanted){ .sets = sets_text(conf),
				    .text = guard_text(conf),
				    .clear = REMOVAL,
				    .list = "list table inet " GUARD_TABLE };
}

int guard_install(const struct config *conf, struct err *e)
{
	struct nft_wanted w = wanted(conf);
	int rc = nft__replace(&w, e);

	nft__wanted_free(&w);
	return rc ? err_wrap(e, rc, "guard") : 0;
}

int guard_remove(struct err *e)
{
	/* Made if it is not there, so that removing it cannot fail for that. */
	int rc = nft__run(REMOVAL, e);

	return rc ? err_wrap(e, rc, "guard") : 0;
}

int guard__ensure(struct nft_memory *m, const struct config *conf, bool *written, struct err *e)
{
	struct nft_wanted w = wanted(conf);
	int rc = nft__ensure(m, &w, written, e);

	return rc ? err_wrap(e, rc, "guard") : 0;
}
