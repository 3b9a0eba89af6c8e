/*
 * reload.c - read, check, build, publish: all or nothing. SIGHUP and `sixgatectl reload` both end
 * here.
 *
 * Everything that can fail comes first and touches nothing that runs: the parent reads and checks
 * the file, we build the snapshot and have the new sockets opened. Then the kernel follows (the
 * parent puts it back if that fails), and last what cannot fail: publish.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "advertise.h"
#include "control.h"
#include "handover.h"
#include "nodes.h"
#include "plat.h"
#include "sixgate/log/log.h"
#include "translator.h"

/** struct fresh - what a reload has got together so far. */
struct fresh {
	struct config *config;
	struct snapshot *snapshot;
	struct node_status *nodes;
	struct dns_sockets dns;
	struct accounting_fds logs;
	int metrics_fd;
	bool dns_open;
};

static int ask(struct control *c, enum request_kind kind, int *fd, struct err *e)
{
	return link__call(&c->link, (struct request){ .kind = (uint16_t)kind }, fd, e);
}

static void log_lines(char *lines)
{
	char *copy = strdup(lines), *rest = copy, *line;

	while (rest && (line = strsep(&rest, "\n")))
		if (*line)
			log_error("%s", line);
	free(copy);
}

static int read_file(struct control *c, struct fresh *f, char **lines, struct err *e)
{
	struct config_errors *errors;
	char *text = NULL;
	size_t len;
	int fd = -1;
	int rc = ask(c, REQUEST_RELOAD, &fd, e);

	if (fd < 0)
		return rc ? rc : err_set(e, -EPROTO, "the parent did not send the configuration");
	if (handover__read(fd, &text, &len) != 0)
		return err_set(e, -EIO, "the parent's answer cannot be read");
	if (rc) {
		log_lines(text);
		*lines = text;
		return rc;
	}
	errors = calloc(1, sizeof(*errors));
	rc = errors ? config_parse("configuration", text, len, &f->config, errors) : -ENOMEM;
	if (rc)
		err_set(e, rc, "configuration: %s", errors && errors->n ? errors->error[0].text : "");
	free(errors);
	free(text);
	return rc;
}

static bool same_metrics(const struct gateway_conf *a, const struct gateway_conf *b)
{
	return a->metrics == b->metrics &&
	       (!a->metrics || (addr_equal(&a->metrics_listen.address, &b->metrics_listen.address) &&
				a->metrics_listen.port == b->metrics_listen.port));
}

static int open_metrics(struct control *c, struct fresh *f, struct err *e)
{
	struct request r = { .kind = REQUEST_METRICS, .which = REQUEST_PENDING };
	int rc;

	if (!f->config->gateway.metrics ||
	    (c->metrics && same_metrics(&c->config->gateway, &f->config->gateway)))
		return 0;
	rc = link__call(&c->link, r, &f->metrics_fd, e);
	if (rc && f->metrics_fd >= 0)
		close(f->metrics_fd);
	if (rc)
		f->metrics_fd = -1;
	return rc;
}

static bool same_inside(const struct config *a, const struct config *b)
{
	const struct interfaces_conf *x = &a->interfaces, *y = &b->interfaces;

	return x->n_inside == y->n_inside &&
	       memcmp(x->inside, y->inside, x->n_inside * sizeof(x->inside[0])) == 0;
}

/* Everything that may fail. */
static int prepare(struct control *c, struct fresh *f, char **lines, struct err *e)
{
	int rc = read_file(c, f, lines, e);

	if (rc == 0)
		rc = nodes__for(c, f->config, &f->nodes, e);
	if (rc == 0 && same_inside(c->config, f->config))
		linger__add(&c->linger, &c->fresh_facts);
	if (rc == 0)
		rc = c->n_retired < SNAPSHOTS_RETIRED_MAX ?
			     control__build(c, f->config, &c->fresh_facts, f->nodes, &f->snapshot, e) :
			     err_set(e, -EBUSY, "the last changes are still on their way; try again");
	if (rc == 0) {
		rc = dns__prepare(c, f->config, &f->dns, e);
		f->dns_open = rc == 0;
	}
	if (rc == 0)
		rc = open_metrics(c, f, e);
	if (rc == 0)
		rc = accounting__prepare(c, f->config, &f->logs, e);
	return rc;
}

static void forget(struct control *c, struct fresh *f)
{
	struct err e;
	int fd;

	if (f->dns_open)
		dns__forget(c, &f->dns);
	if (f->metrics_fd >= 0)
		close(f->metrics_fd);
	accounting__forget(&f->logs);
	snapshot_free(f->snapshot);
	free(f->nodes);
	config_free(f->config);
	ask(c, REQUEST_ABORT, &fd, &e);
}

static void switch_metrics(struct control *c, struct fresh *f)
{
	struct err e = { "" };

	if (f->metrics_fd < 0 && f->config->gateway.metrics)
		return;
	metrics__stop(c->metrics);
	c->metrics = NULL;
	if (f->metrics_fd < 0)
		return;
	c->metrics = metrics__start(c, f->metrics_fd, &e);
	if (!c->metrics)
		log_error("%s; going on without metrics", e.text);
}

/* The parent has looked at the kernel again since the snapshot was built: what it told last is newer
 * than what the snapshot was built from. */
static void switch_facts(struct control *c)
{
	if (c->facts_told) {
		c->want_snapshot |= snapshot_changes(&c->fresh_facts, &c->facts);
		netlink_facts_free(&c->fresh_facts);
	} else {
		netlink_facts_free(&c->facts);
		c->facts = c->fresh_facts;
	}
	memset(&c->fresh_facts, 0, sizeof(c->fresh_facts));
	if (c->want_snapshot)
		control__settle_soon(c);
}

static void switch_over(struct control *c, struct fresh *f)
{
	if (!same_inside(c->config, f->config)) /* a network taken out of the file is gone */
		linger__expire(&c->linger, &c->facts, UINT64_MAX);
	switch_facts(c);
	c->reloaded_ms = uv_now(&c->loop);
	control__publish(c, f->snapshot);
	nodes__follow(c, f->config);
	plat__follow(c, f->config);
	translator__follow(c, f->config);
	dns__switch(c, f->config, &f->dns);
	switch_metrics(c, f);
	accounting__leave(c, f->config);
	config_free(c->config);
	c->config = f->config;
	advertise__follow(c, c->config);
	accounting__switch(c, &f->logs);
	free(f->nodes);
}

int control__reload(struct control *c, char **lines, struct err *e)
{
	struct fresh f = { .metrics_fd = -1, .logs = { { -1, -1 } } };
	int fd = -1;
	int rc = prepare(c, &f, lines, e);

	c->facts_told = false;
	if (rc == 0)
		rc = ask(c, REQUEST_COMMIT, &fd, e);
	if (rc) {
		forget(c, &f);
		c->n_reloads_failed++;
		log_error("keeping the running configuration: %s", e->text);
		return rc;
	}
	switch_over(c, &f);
	c->n_reloads++;
	c->loaded_s = time(NULL);
	log_notice("configuration reloaded");
	return 0;
}
