/*
 * health.h - which storage nodes are fit to serve, found out by asking them.
 *
 * Every node is checked by itself: a connection (or an HTTP request) from this host, and when that
 * went well the same through the data plane, as a client's would go: a node that answers its
 * clients past this gateway fails only there. One round at a time per node, within one `timeout`;
 * rounds begin at most `interval` apart, a little less so that nodes do not move in step, and less
 * where the timeout is long: a silent node is down within fall x interval + 1 s.
 *
 * A node is down until its first check, which is made at once and counts for `rise`. All calls
 * belong to the thread of the loop.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>
#include "sixgate/base/err.h"
#include "sixgate/services/services.h"

struct health;

/**
 * struct health_setup - what the checks need from their surroundings; copied
 * @loop:    borrowed until all handles are closed (see health_close())
 * @changed: a state, a reason or a share has changed: read health_status() and build a snapshot.
 *           Called from the loop, never from inside a health_ function.
 * @probe_address, @probe_client: where checks through the data plane go to and come from;
 *           services_probe_address() and services_probe_client()
 */
struct health_setup {
	uv_loop_t *loop;
	void (*changed)(void *owner);
	void *owner;
	struct addr (*probe_address)(unsigned service, unsigned node);
	struct addr probe_client;
};

/** health_new() - begin to check the nodes of @conf (copied). Return: 0 with @out owned by the
 *  caller, or -ENOMEM. */
int health_new(struct health **out, const struct health_setup *setup,
	       const struct services_conf *conf, struct err *e);

/** health_close() - stop. @h is gone at once; the loop must run until its handles are closed. NULL
 *  is allowed. */
void health_close(struct health *h);

/**
 * health_reload() - check the nodes of @conf from now on; to be called when the snapshot with them
 * is published. Nodes with the same service, name and endpoint keep what is known of them.
 *
 * Return: 0, or -ENOMEM; then nothing has changed.
 */
int health_reload(struct health *h, const struct services_conf *conf, struct err *e);

/** health_status() - of each node, in the order of the configuration that is checked. Borrowed;
 *  the reasons in it, too: valid until the loop runs on or the next health_ call. @n may be NULL. */
const struct node_status *health_status(const struct health *h, size_t *n);

/** health_status_for() - what health_status() would say right after a reload to @conf, to build its
 *  snapshot. @out: room for all its nodes. Borrowed as above. */
void health_status_for(const struct health *h, const struct services_conf *conf,
		       struct node_status *out);

/**
 * health_drain() - the operator takes a node out of (or back into) service: it gets no new flows;
 * after the service's `drain` it counts as down, which resets the flows that are left. A node with
 * weight 0 is drained the same way. Forgotten when the node leaves the configuration.
 *
 * Return: 0, or -ENOENT when there is no such node.
 */
int health_drain(struct health *h, const char *service, const char *node, bool drain);
