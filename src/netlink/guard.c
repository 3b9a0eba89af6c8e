/*
 * guard.c - the chains that keep inside and outside apart, and our health checks to ourselves.
 *
 * Written as nft commands, replaced in one transaction. Whether it still stands is found by
 * comparing the kernel's listing with the one seen right after it was installed.
 */
#include "sixgate/netlink/guard.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "netlink_internal.h"
#include "sixgate/base/must.h"
#include "sixgate/services/services.h"

#define ALIASES "192.0.0.0/29"

static void add_names(struct text *t, const char (*name)[INTERFACE_NAME_MAX], size_t n)
{
	text__add(t, "{ ");
	for (size_t i = 0; i < n; i++)
		text__add(t, "%s\"%s\"", i ? ", " : "", name[i]);
	text__add(t, " }");
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
	text__add(t, "\tset guarded%d {\n\t\ttype ipv%d_addr\n\t\tflags interval\n\t\tauto-merge\n",
		  v4 ? 4 : 6, v4 ? 4 : 6);
	if (elements)
		text__add(t, "\t\telements = { %s }\n", elements);
	text__add(t, "\t}\n");
	free(elements);
}

static void add_direction(struct text *t, const struct interfaces_conf *c, bool from_inside,
			  const char *verdict)
{
	text__add(t, "\t\tiifname ");
	add_names(t, from_inside ? c->inside : c->outside, from_inside ? c->n_inside : c->n_outside);
	text__add(t, " oifname ");
	add_names(t, from_inside ? c->outside : c->inside, from_inside ? c->n_outside : c->n_inside);
	text__add(t, " %s\n", verdict);
}

/* Under a siit prefix stand both hosts inside and IPv4: nothing goes out to it, nothing comes in
 * from it. */
static void add_siit_rules(struct text *t, const struct config *c)
{
	char p[PREFIX_TEXT_MAX], rule[PREFIX_TEXT_MAX + 24];

	for (size_t i = 0; c->has_siit && i < c->siit.n_prefix; i++) {
		prefix_format(&c->siit.prefix[i], p);
		snprintf(rule, sizeof(rule), "ip6 daddr %s drop", p);
		add_direction(t, &c->interfaces, true, rule);
		snprintf(rule, sizeof(rule), "ip6 saddr %s drop", p);
		add_direction(t, &c->interfaces, false, rule);
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

/* Every packet of ours passes here twice, so it is sorted out by two names, before all that is about
 * others. What we wrote and the kernel routes back to us would go round for ever, for the hop that
 * each pass costs is given back; nothing that is right takes this way. */
static void add_own_rules(struct text *t, const struct interfaces_conf *i)
{
	text__add(t, "\t\tiifname { \"%s\", \"%so\" } goto written\n", i->tun, i->tun);
	text__add(t, "\t\toifname { \"%s\", \"%so\" } accept\n", i->tun, i->tun);
}

static void add_loop_chain(struct text *t, const struct interfaces_conf *i)
{
	text__add(t, "\tchain written {\n\t\toifname { \"%s\", \"%so\" } counter name looped drop\n\t}\n",
		  i->tun, i->tun);
}

/* Who sends from these addresses is taken for our health checks, and only this host may be: before
 * connection tracking, and so before everything else. Nodes answer to one of them. The names come last:
 * they cost the most, and hardly a packet gets that far. */
static void add_probe_chain(struct text *t, const struct interfaces_conf *i)
{
	const struct prefix prefix = services_probe_prefix();
	const struct addr source = services_probe_source();
	char p[PREFIX_TEXT_MAX], a[ADDR_TEXT_MAX], wire[3 * INTERFACE_NAME_MAX + 40];

	prefix_format(&prefix, p);
	snprintf(wire, sizeof(wire), "iifname != { \"lo\", \"%s\", \"%so\" }", i->tun, i->tun);
	text__add(t, "\tchain probes {\n\t\ttype filter hook prerouting priority -310; policy accept;\n");
	text__add(t, "\t\tip6 saddr %s %s drop\n", p, wire);
	text__add(t, "\t\tip6 daddr %s ip6 daddr != %s %s drop\n\t}\n", p, addr_format(&source, a), wire);
}

char *guard_text(const struct config *conf)
{
	const struct interfaces_conf *i = &conf->interfaces;
	struct text t = { 0 };

	text__add(&t, "table inet " GUARD_TABLE "\ndelete table inet " GUARD_TABLE "\n"
		      "table inet " GUARD_TABLE " {\n");
	text__add(&t, "\tcounter looped { }\n");
	add_set(&t, conf, true);
	add_set(&t, conf, false);
	text__add(&t, "\tchain touched {\n"
		      "\t\tip saddr @guarded4 drop\n\t\tip daddr @guarded4 drop\n"
		      "\t\tip6 saddr @guarded6 drop\n\t\tip6 daddr @guarded6 drop\n\t}\n");
	add_loop_chain(&t, i);
	text__add(&t, "\tchain guard {\n\t\ttype filter hook forward priority -250; policy accept;\n");
	add_alias_rules(&t, conf);
	add_own_rules(&t, i);
	if (i->n_inside && i->n_outside) {
		if (conf->has_egress6)
			add_direction(&t, i, true, "meta nfproto ipv6 drop");
		if (conf->has_egress6 && conf->egress6.follow_inside)
			add_direction(&t, i, false, "meta nfproto ipv6 drop");
		add_siit_rules(&t, conf);
		add_direction(&t, i, true, "jump touched");
		add_direction(&t, i, false, "jump touched");
	}
	text__add(&t, "\t}\n");
	if (conf->has_services)
		add_probe_chain(&t, i);
	text__add(&t, "}\n");
	return text__take(&t);
}

int guard_install(const struct config *conf, struct err *e)
{
	char *text = guard_text(conf);
	int rc = nft__run(text, e);

	free(text);
	return rc ? err_wrap(e, rc, "guard") : 0;
}

int guard_remove(struct err *e)
{
	/* Made if it is not there, so that removing it cannot fail for that. */
	int rc = nft__run("table inet " GUARD_TABLE "\ndelete table inet " GUARD_TABLE "\n", e);

	return rc ? err_wrap(e, rc, "guard") : 0;
}

int guard__ensure(struct nft_memory *m, const struct config *conf, bool *written, struct err *e)
{
	struct nft_wanted w = { .text = guard_text(conf), .list = "list table inet " GUARD_TABLE };
	int rc = nft__ensure(m, &w, written, e);

	return rc ? err_wrap(e, rc, "guard") : 0;
}
