/*
 * netlink.c - compare the plan with the kernel and send the difference; undo it; keep it so.
 *
 * Theory of operation: everything of ours in the kernel can be listed (by protocol number), so
 * there is no memory of what was added that could be wrong: what is listed and not planned is
 * removed, be it from a crash or from an older configuration, and what is planned and not listed is
 * added, be it new or deleted by somebody. Only sysctls need a journal (sysctl.c), and nftables
 * the listing of what we made (nft.c).
 */
#include "sixgate/netlink/netlink.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "netlink_internal.h"
#include "sixgate/log/log.h"

/**
 * struct netlink
 * @planned:  proxies of the last plan, and the links they are on, for netlink_announce()
 * @started:  the first plan has been applied
 * @had_main: the rule for table main was seen
 * @warned:   interfaces that were reported as missing
 * @n_announce_again, @announced_ms: how often all proxies are still to be announced, and when they
 *            were last
 */
struct netlink {
	struct rtnl *rtnl;
	struct sysctls *sysctls;
	struct watch *watch;
	struct nft_memory guard, shared, fragments;
	struct netlink_plan planned;
	struct netlink_applied last;
	bool started, had_main[2];
	size_t n_warned;
	char warned[NETLINK_INTERFACES_MAX][INTERFACE_NAME_MAX];
	char conflict[512];
	struct log_limit repair_limit;
	unsigned n_announce_again;
	uint64_t announced_ms;
};

/* A frame may be lost, and a switch may need a while before it forwards: announcements are
 * repeated (RFC 5227 1.1: ANNOUNCE_NUM, RFC 4861 10: MAX_NEIGHBOR_ADVERTISEMENT). */
enum { ANNOUNCE_AGAIN = 2, ANNOUNCE_INTERVAL_MS = 1000 };

int netlink_new(struct netlink **out, const char *state_path, struct err *e)
{
	struct netlink *nl = calloc(1, sizeof(*nl));
	int rc;

	if (!nl)
		return err_set(e, -ENOMEM, "out of memory");
	rc = rtnl__new(&nl->rtnl, e);
	if (rc == 0)
		rc = sysctls__new(&nl->sysctls, state_path, e);
	if (rc == 0)
		rc = watch__new(&nl->watch, e);
	if (rc) {
		netlink_free(nl);
		return rc;
	}
	*out = nl;
	return 0;
}

void netlink_free(struct netlink *nl)
{
	if (!nl)
		return;
	netlink_plan_free(&nl->planned);
	nft__forget(&nl->guard);
	nft__forget(&nl->shared);
	nft__forget(&nl->fragments);
	watch__free(nl->watch);
	sysctls__free(nl->sysctls);
	rtnl__free(nl->rtnl);
	free(nl);
}

struct netlink_applied netlink_last(const struct netlink *nl)
{
	return nl->last;
}

int netlink_watch_fd(const struct netlink *nl)
{
	return watch__fd(nl->watch);
}

unsigned netlink_watch_read(struct netlink *nl)
{
	return watch__read(nl->watch);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- apply ---- */

/* The first failure is the one that is told; the rest is done nevertheless. */
struct outcome {
	int rc;
	struct err *e;
};

static struct err *only_first(struct outcome *o)
{
	return o->rc ? NULL : o->e;
}

static void note(struct outcome *o, int rc)
{
	if (rc < 0 && !o->rc)
		o->rc = rc;
}

static const uint8_t *mac_of_link(const struct netlink_plan *p, int ifindex)
{
	for (size_t i = 0; i < p->n_link; i++)
		if (p->link[i].ifindex == ifindex && p->link[i].up)
			return p->link[i].mac;
	return NULL;
}

static bool was_up(const struct netlink_plan *p, int ifindex)
{
	return mac_of_link(p, ifindex);
}

/* All proxies, or, with @had, those that are new and those on a link that has just come up. */
static void announce(struct netlink *nl, const struct netlink_plan *p,
		     const struct netlink_objects *had)
{
	int fd = -1;

	for (size_t i = 0; i < p->objects.n; i++) {
		const struct netlink_object *o = &p->objects.at[i];
		const uint8_t *mac = mac_of_link(p, o->ifindex);

		if (o->kind != NETLINK_KIND_PROXY || !mac ||
		    (had && object__in(o, had) && was_up(&nl->planned, o->ifindex)))
			continue;
		if (fd < 0)
			fd = announce__open();
		if (fd >= 0 && announce__send(fd, o->ifindex, mac, &o->prefix.addr) == 0)
			nl->last.n_announced++;
	}
	if (fd >= 0)
		close(fd);
}

static void announce_when_due(struct netlink *nl, const struct netlink_plan *p,
			      const struct netlink_objects *had)
{
	uint64_t now = now_ms();

	announce(nl, p, had);
	if (nl->last.n_announced) {
		nl->n_announce_again = ANNOUNCE_AGAIN;
		nl->announced_ms = now;
	} else if (nl->n_announce_again && now - nl->announced_ms >= ANNOUNCE_INTERVAL_MS) {
		announce(nl, p, NULL);
		nl->n_announce_again--;
		nl->announced_ms = now;
	}
}

static void remove_unplanned(struct netlink *nl, const struct netlink_plan *p,
			     const struct netlink_objects *have, struct outcome *o)
{
	for (size_t i = have->n; i > 0; i--) {
		if (object__in(&have->at[i - 1], &p->objects))
			continue;
		note(o, rtnl__remove(nl->rtnl, &have->at[i - 1], only_first(o)));
		nl->last.n_removed++;
	}
}

static void add_missing(struct netlink *nl, const struct netlink_plan *p,
			const struct netlink_objects *have, struct outcome *o)
{
	for (size_t i = 0; i < p->objects.n; i++) {
		if (object__in(&p->objects.at[i], have))
			continue;
		note(o, rtnl__add(nl->rtnl, &p->objects.at[i], only_first(o)));
		nl->last.n_added++;
	}
}

/* Only what was there before: a host without that rule may want it so. */
static void restore_main_rule(struct netlink *nl, const struct netlink_plan *p, struct outcome *o)
{
	for (int i = 0; i < 2; i++) {
		nl->had_main[i] |= p->main_rule[i];
		if (p->main_rule[i] || !nl->had_main[i])
			continue;
		note(o, rtnl__main_rule(nl->rtnl, i ? AF_INET6 : AF_INET, only_first(o)));
		nl->last.main_rule = true;
	}
}

static void set_up_devices(struct netlink *nl, const struct netlink_plan *p, struct outcome *o)
{
	for (size_t i = 0; i < N_NETLINK_DEVICES; i++)
		if (p->device[i].ifindex && !p->device[i].ready)
			note(o, rtnl__device_up(nl->rtnl, p->device[i].ifindex, p->device[i].name,
						only_first(o)));
}

static int keep_plan(struct netlink *nl, const struct netlink_plan *p, struct err *e)
{
	struct netlink_plan copy = *p;

	copy.sysctls = (struct netlink_sysctls){ 0 };
	copy.objects = (struct netlink_objects){ 0 };
	for (size_t i = 0; i < p->objects.n; i++)
		object__add(&copy.objects, &p->objects.at[i]);
	if (copy.objects.failed) {
		netlink_plan_free(&copy);
		return err_set(e, -ENOMEM, "out of memory");
	}
	netlink_plan_free(&nl->planned);
	nl->planned = copy;
	return 0;
}

int netlink_apply(struct netlink *nl, const struct netlink_plan *plan, struct err *e)
{
	const int device[] = { plan->device[0].ifindex, plan->device[1].ifindex };
	struct netlink_objects have = { 0 };
	struct outcome o = { .e = e };

	nl->last = (struct netlink_applied){ 0 };
	note(&o, sysctls__apply(nl->sysctls, &plan->sysctls, &nl->last.n_sysctl, only_first(&o)));
	set_up_devices(nl, plan, &o);
	note(&o, fragments__apply(&nl->fragments, plan, &nl->last.firewall, only_first(&o)));
	note(&o, shared__apply(&nl->shared, plan, &nl->last.firewall, only_first(&o)));
	note(&o, rtnl__ours(device, &have, only_first(&o)));
	if (!have.failed) {
		add_missing(nl, plan, &have, &o);
		remove_unplanned(nl, plan, &have, &o);
		restore_main_rule(nl, plan, &o);
		announce_when_due(nl, plan, &have);
	}
	free(have.at);
	note(&o, keep_plan(nl, plan, only_first(&o)));
	return o.rc;
}

void netlink_announce(struct netlink *nl)
{
	announce(nl, &nl->planned, NULL);
}

/* ---- sync ---- */

static bool warned_about(const struct netlink *nl, const char *name)
{
	for (size_t i = 0; i < nl->n_warned; i++)
		if (strcmp(nl->warned[i], name) == 0)
			return true;
	return false;
}

/* One line when an interface is missing, one when it has come. */
static void report_interfaces(struct netlink *nl, const struct netlink_facts *f)
{
	char missing[NETLINK_INTERFACES_MAX][INTERFACE_NAME_MAX];
	size_t n = 0;

	for (size_t i = 0; i < f->n_interface; i++) {
		const struct netlink_interface *x = &f->interface[i];

		if (x->present && warned_about(nl, x->name))
			log_notice("interface %s is there now", x->name);
		if (x->present)
			continue;
		if (!warned_about(nl, x->name))
			log_warning("interface %s is missing: going on without it until it appears",
				    x->name);
		memcpy(missing[n++], x->name, INTERFACE_NAME_MAX);
	}
	memcpy(nl->warned, missing, sizeof(missing[0]) * n);
	nl->n_warned = n;
}

static void report_repairs(struct netlink *nl, bool first)
{
	const struct netlink_applied *a = &nl->last;
	uint64_t skipped;
	char more[64] = "";

	if (first || (!a->n_added && !a->n_removed && !a->n_sysctl && !a->firewall && !a->main_rule))
		return;
	if (!log_allowed(&nl->repair_limit, now_ms(), &skipped))
		return;
	if (skipped)
		snprintf(more, sizeof(more), "; %llu more repairs since the last line",
			 (unsigned long long)skipped);
	log_notice("kernel brought back in line: %u added, %u removed, %u settings%s%s%s", a->n_added,
		   a->n_removed, a->n_sysctl, a->firewall ? ", firewall rules" : "",
		   a->main_rule ? ", the rule for table main (somebody had deleted it)" : "", more);
}

/* A conflict at start is refused. Later the local address is lost to us, the rest works on. */
static void report_conflict(struct netlink *nl, const struct netlink_plan *p)
{
	if (strcmp(nl->conflict, p->conflict) == 0)
		return;
	memcpy(nl->conflict, p->conflict, sizeof(nl->conflict));
	if (p->conflict[0])
		log_error("%s", p->conflict);
	else
		log_notice("addresses are free again");
}

/* What makes it senseless to start. */
static int refuse_start(const struct netlink_input *in, const struct netlink_plan *p, struct err *e)
{
	struct netlink_finding *list = calloc(NETLINK_FINDINGS_MAX, sizeof(*list));
	size_t n;
	int rc = 0;

	if (!list)
		return err_set(e, -ENOMEM, "out of memory");
	n = netlink_findings(in, p, list, NETLINK_FINDINGS_MAX);
	for (size_t i = 0; i < n && rc == 0; i++)
		if (list[i].severity == NETLINK_REFUSE)
			rc = err_set(e, -EADDRINUSE, "%s", list[i].text);
	free(list);
	return rc;
}

static int apply_and_report(struct netlink *nl, const struct netlink_input *in,
			    const struct netlink_plan *p, bool guard_written, struct err *e)
{
	bool first = !nl->started;
	int rc = first ? refuse_start(in, p, e) : 0;

	if (rc)
		return rc;
	report_conflict(nl, p);
	rc = netlink_apply(nl, p, e);
	nl->started = true;
	nl->last.firewall |= guard_written;
	report_repairs(nl, first);
	return rc;
}

int netlink_sync(struct netlink *nl, const struct netlink_input *in, struct netlink_facts *facts,
		 struct err *e)
{
	struct netlink_input input = *in;
	struct netlink_plan plan;
	bool guard_written = false;
	int rc;

	*facts = (struct netlink_facts){ 0 };
	rc = guard__ensure(&nl->guard, in->conf, &guard_written, e);
	if (rc)
		return rc;
	rc = netlink_facts_read(in->conf, facts, e);
	if (rc)
		return rc;
	report_interfaces(nl, facts);
	watch__remember(nl->watch, facts);
	input.facts = facts;
	rc = netlink_plan_build(&input, &plan, e);
	if (rc)
		return rc;
	rc = apply_and_report(nl, &input, &plan, guard_written, e);
	netlink_plan_free(&plan);
	return rc;
}

/* ---- undo ---- */

int netlink_undo(struct netlink *nl, struct err *e)
{
	static const int no_device[N_NETLINK_DEVICES];
	struct netlink_objects have = { 0 };
	const struct netlink_plan nothing = { 0 };
	struct outcome o = { .e = e };

	nl->last = (struct netlink_applied){ 0 };
	note(&o, rtnl__ours(no_device, &have, only_first(&o)));
	remove_unplanned(nl, &nothing, &have, &o);
	free(have.at);
	nft__forget(&nl->shared);
	nft__forget(&nl->fragments);
	note(&o, shared__remove(only_first(&o)));
	note(&o, fragments__remove(only_first(&o)));
	note(&o, sysctls__restore(nl->sysctls, only_first(&o)));
	netlink_plan_free(&nl->planned);
	nl->started = false;
	return o.rc;
}

int netlink_teardown(struct netlink *nl, struct err *e)
{
	int rc = netlink_undo(nl, e);
	int guard = guard_remove(rc ? NULL : e);

	nft__forget(&nl->guard);
	return rc ? rc : guard;
}
