/*
 * parent_kernel.c - devices, routes and rules: what the parent does to the kernel, and when.
 *
 * netlink_sync() does the work and may be called at any time; here is only the order of things at
 * start, on a change, and at the end.
 */
#include <net/if.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "handover.h"
#include "parent.h"
#include "sixgate/control/snapshot_build.h"
#include "sixgate/netlink/finding.h"

enum {
	SYNC_INTERVAL_MS = 10000, /* for what the kernel does not report */
	SYNC_PAUSE_MS = 100	  /* between two looks, however much changes */
};

void parent__runtime_dir(const struct config *c, char out[PATH_TEXT_MAX])
{
	char *slash;

	snprintf(out, PATH_TEXT_MAX, "%s", c->gateway.control);
	slash = strrchr(out, '/');
	if (slash && slash != out)
		*slash = 0;
}

/* The health checks that go through the data plane: their addresses, and the host's own end. */
struct probe_addresses {
	struct prefix prefix;
	struct addr client;
};

static struct netlink_input input_of(const struct config *c, const struct netlink_facts *f,
				     struct probe_addresses *probe)
{
	probe->prefix = services_probe_prefix();
	probe->client = services_probe_client();
	return (struct netlink_input){
		.conf = c,
		.facts = f,
		.probe = c->has_services ? &probe->prefix : NULL,
		.probe_client = c->has_services ? &probe->client : NULL,
	};
}

static int open_devices(struct parent *p, struct err *e)
{
	char outside[TUN_NAME_MAX];
	int rc;

	snprintf(outside, sizeof(outside), "%so", p->config->interfaces.tun);
	rc = tun_open(&p->tun[SIDE_INSIDE], p->config->interfaces.tun, p->n_workers, TUN_OFFLOAD_USO,
		      e);
	if (rc)
		return rc;
	rc = tun_open(&p->tun[SIDE_OUTSIDE], outside, p->n_workers, TUN_OFFLOAD_USO, e);
	if (rc)
		return rc;
	for (int side = 0; side < N_SIDES; side++)
		log_info("%s: %u queues; the kernel leaves to us: %s", p->tun[side].name, p->tun[side].n,
			 tun_offload_text(p->tun[side].offload));
	return 0;
}

/* Without it, what comes to the wrong worker is handed over. */
static void steer_queues(struct parent *p)
{
	struct err e = { "" };
	int rc;

	p->steering = (struct tun_steering){ -1, -1 };
	if (p->n_workers == 1)
		return;
	rc = tun_steering_load(&p->steering, (int)if_nametoindex(p->tun[SIDE_INSIDE].name), &e);
	for (int side = 0; side < N_SIDES && rc == 0; side++) {
		rc = tun_steering_attach(&p->steering, &p->tun[side]);
		if (rc)
			err_set(&e, rc, "%s: %s", p->tun[side].name, strerror(-rc));
	}
	if (rc == 0)
		return;
	log_notice("packets are not steered to their workers, which hand them over: %s", e.text);
	tun_steering_close(&p->steering);
}

int parent__kernel_begin(struct parent *p, struct err *e)
{
	char dir[PATH_TEXT_MAX], state[PATH_TEXT_MAX + 16];
	int rc;

	parent__runtime_dir(p->config, dir);
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return err_set(e, -errno, "%s: %s", dir, strerror(errno));
	rc = open_devices(p, e);
	if (rc)
		return rc;
	steer_queues(p);
	snprintf(state, sizeof(state), "%s/kernel.state", dir);
	rc = netlink_new(&p->nl, state, e);
	if (rc)
		return rc;
	rc = netlink_facts_read(p->config, &p->facts, e);
	if (rc)
		return rc;
	p->facts_known = true;
	return parent__xdp_begin(p, e);
}

/* That one is missing, or is there again, is said by the netlink room. */
static void report_carrier(const struct netlink_facts *old, const struct netlink_facts *now)
{
	for (size_t i = 0; i < now->n_interface; i++) {
		const struct netlink_interface *n = &now->interface[i];

		for (size_t k = 0; k < old->n_interface; k++)
			if (strcmp(old->interface[k].name, n->name) == 0 &&
			    old->interface[k].present && n->present && old->interface[k].up != n->up)
				log_notice("interface %s is %s", n->name, n->up ? "up" : "down");
	}
}

/* Status, health and advertisements look at these, snapshots do not. */
static bool links_differ(const struct netlink_facts *a, const struct netlink_facts *b)
{
	return a->n_interface != b->n_interface ||
	       memcmp(a->interface, b->interface, a->n_interface * sizeof(a->interface[0])) != 0 ||
	       memcmp(a->device, b->device, sizeof(a->device)) != 0;
}

static void take_facts(struct parent *p, struct netlink_facts *fresh)
{
	bool tell = !p->facts_known || snapshot_changes(&p->facts, fresh) ||
		    links_differ(&p->facts, fresh);

	report_carrier(&p->facts, fresh);
	netlink_facts_free(&p->facts);
	p->facts = *fresh;
	p->facts_known = true;
	p->facts_unsent |= tell;
}

int parent__kernel_sync(struct parent *p, struct err *e)
{
	struct netlink_facts fresh = { .n_local = 0 };
	struct probe_addresses probe;
	struct netlink_input in = input_of(p->config, NULL, &probe);
	struct err more;
	int follow_rc = 0, rc = netlink_sync(p->nl, &in, &fresh, e);

	p->last_sync_ms = now__ms();
	p->next_sync_ms = p->last_sync_ms + SYNC_INTERVAL_MS;
	if (fresh.n_interface)
		take_facts(p, &fresh);
	else
		netlink_facts_free(&fresh);
	if (rc != -EADDRINUSE) {
		in.facts = &p->facts;
		follow_rc = parent__xdp_follow(p, &in, rc ? &more : e);
	}
	/* last, so that what status shows is what packets meet */
	if (p->facts_unsent)
		p->facts_unsent = !parent__send_facts(p, &p->facts, REQUEST_RUNNING);
	return rc ? rc : follow_rc;
}

void parent__kernel_changed(struct parent *p)
{
	uint64_t soon = p->last_sync_ms + SYNC_PAUSE_MS;

	if (soon < p->next_sync_ms)
		p->next_sync_ms = soon;
}

/* Once, however long it lasts. */
void parent__kernel_report(struct parent *p, const struct err *e)
{
	uint64_t skipped;

	if (strcmp(p->failing.text, e->text) == 0)
		return;
	if (!e->text[0])
		log_notice("mended: %s", p->failing.text);
	else if (log_allowed(&p->sync_limit, now__ms(), &skipped))
		log_error("%s", e->text);
	else
		return;
	p->failing = *e;
}

void parent__kernel_watch(struct parent *p)
{
	struct err e = { "" };

	parent__xdp_refresh(p);
	if (parent__kernel_sync(p, &e) == 0)
		e.text[0] = '\0';
	parent__kernel_report(p, &e);
}

void parent__kernel_end(struct parent *p)
{
	struct err e = { "" };

	parent__xdp_end(p);
	if (p->nl && netlink_undo(p->nl, &e) != 0)
		log_error("undoing routes and rules: %s", e.text);
	netlink_free(p->nl);
	p->nl = NULL;
	tun_queues_close(&p->tun[SIDE_INSIDE]);
	tun_queues_close(&p->tun[SIDE_OUTSIDE]);
	netlink_facts_free(&p->facts);
}

int parent__kernel_check(const struct config *conf, struct netlink_facts *facts, struct err *e)
{
	struct netlink_plan plan;
	struct probe_addresses probe;
	struct netlink_input in = input_of(conf, facts, &probe);
	int rc = netlink_facts_read(conf, facts, e);

	if (rc)
		return rc;
	rc = netlink_plan_build(&in, &plan, e);
	if (rc == 0) {
		if (plan.conflict[0])
			rc = err_set(e, -EADDRINUSE, "%s", plan.conflict);
		netlink_plan_free(&plan);
	}
	if (rc)
		netlink_facts_free(facts);
	return rc;
}

static int write_findings(const struct netlink_finding *found, size_t n)
{
	static const char *const severity[] = { "notice", "warning", "error" };
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	int fd;

	if (!f)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		fprintf(f, "%s: %s\n", severity[found[i].severity], found[i].text);
	fd = fclose(f) == 0 ? handover__write(text, len) : -ENOMEM;
	free(text);
	return fd;
}

int parent__kernel_findings(struct parent *p)
{
	struct netlink_finding found[NETLINK_FINDINGS_MAX];
	struct netlink_plan plan;
	struct probe_addresses probe;
	struct netlink_input in = input_of(p->config, &p->facts, &probe);
	struct err e;
	size_t n;
	int rc = netlink_plan_build(&in, &plan, &e);

	if (rc)
		return rc;
	n = netlink_findings(&in, &plan, found, NETLINK_FINDINGS_MAX);
	netlink_plan_free(&plan);
	return write_findings(found, n);
}
