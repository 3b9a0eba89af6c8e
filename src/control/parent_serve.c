/*
 * parent_serve.c - one function per request that the child may make.
 *
 * The child names things by their place in the file that the parent has read, so each answer is
 * decided here. Nothing in a request is trusted: it has been decoded by request_decode(), and
 * places in the file are checked against the file.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "accounting.h"
#include "channel.h"
#include "handover.h"
#include "parent.h"
#include "sixgate/dns64/dns64.h"
#include "sixgate/health/probe.h"
#include "sixgate/netlink/guard.h"
#include "sixgate/ra/socket.h"

/* @pass: closed after sending, or -1. */
static void answer(struct parent *p, const struct request *r, int code, const char *text, int pass)
{
	struct notice n = { .magic = REQUEST_MAGIC, .kind = NOTICE_REPLY, .serial = r->serial,
			    .code = code };

	snprintf(n.text, sizeof(n.text), "%s", text);
	if (channel__send(p->channel, &n, sizeof(n), pass, MSG_DONTWAIT) != 0) {
		log_error("the child does not take the answer to its request \"%s\"",
			  request_kind_name(r->kind));
		parent__end(p, DAEMON_FAILED);
	}
	if (pass >= 0)
		close(pass);
}

/* @fd: what to pass, or negative errno. */
static void answer_with(struct parent *p, const struct request *r, int fd, const struct err *e)
{
	if (fd < 0)
		answer(p, r, fd, e->text, -1);
	else
		answer(p, r, 0, "", fd);
}

static void log_findings(struct parent *p)
{
	int fd = parent__kernel_findings(p);
	char *text, *line, *rest;
	size_t len;

	if (fd < 0 || handover__read(fd, &text, &len) != 0)
		return;
	rest = text;
	while ((line = strsep(&rest, "\n")))
		if (*line)
			log_warning("host: %s", line);
	free(text);
}

static void serve_ready(struct parent *p, const struct request *r)
{
	struct err e = { "" };
	int rc;

	if (p->ready) {
		answer(p, r, 0, "", -1);
		return;
	}
	p->ready = true;
	rc = parent__kernel_sync(p, &e);
	/* only now: the checks of the nodes, which the child begins next, need the routes */
	answer(p, r, 0, "", -1);
	if (rc)
		parent__kernel_report(p, &e);
	if (rc == -EADDRINUSE) { /* the local table would take our packets: it cannot work */
		parent__end(p, DAEMON_FAILED);
		return;
	}
	p->routed = true;
	log_findings(p);
	log_notice("ready");
	notify__send("READY=1");
}

static void drop_pending(struct parent *p)
{
	config_free(p->pending);
	p->pending = NULL;
}

/* A line for each of @keys that the file has, cut apart on the way. */
static int write_places(const struct config *fresh, char *keys)
{
	char text[CONFIG_RESTART_KEYS_MAX + 16 * (CONFIG_PLACE_MAX + 32)], place[CONFIG_PLACE_MAX];
	char *key, *rest = keys;
	size_t n = 0;

	while ((key = strsep(&rest, ", ")))
		if (*key && *config_place(fresh, key, place) && n < sizeof(text))
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s: needs a restart\n", place,
					      key);
	return handover__write(text, n < sizeof(text) ? n : sizeof(text));
}

static int check_restart(const struct config *running, const struct config *fresh, int *errors_fd,
			 struct err *e)
{
	char keys[CONFIG_RESTART_KEYS_MAX];
	size_t n = config_needs_restart(running, fresh, keys, sizeof(keys));

	if (n == 0)
		return 0;
	*errors_fd = write_places(fresh, keys);
	config_needs_restart(running, fresh, keys, sizeof(keys));
	return err_set(e, -EPERM, "%s %s changed, which needs a restart", keys, n == 1 ? "has" : "have");
}

static int read_file_again(struct parent *p, struct config **fresh, int *errors_fd, struct err *e)
{
	struct config_errors *errors = calloc(1, sizeof(*errors));
	int rc;

	if (!errors)
		return err_set(e, -ENOMEM, "out of memory");
	rc = config_load(p->config_path, fresh, errors);
	if (rc) {
		err_set(e, rc, "the file is wrong");
		*errors_fd = handover__write_errors(errors);
	}
	free(errors);
	return rc;
}

static void serve_reload(struct parent *p, const struct request *r)
{
	struct netlink_facts facts = { .n_local = 0 };
	struct err e = { "" };
	int errors_fd = -1;
	int rc;

	drop_pending(p);
	if (p->options->log_path)
		log_info("reading %s again", p->config_path);
	rc = read_file_again(p, &p->pending, &errors_fd, &e);
	if (rc == 0)
		rc = check_restart(p->config, p->pending, &errors_fd, &e);
	if (rc == 0)
		rc = parent__kernel_check(p->pending, &facts, &e);
	if (rc) {
		drop_pending(p);
		answer(p, r, rc, e.text, errors_fd);
		return;
	}
	parent__send_facts(p, &facts, REQUEST_PENDING);
	netlink_facts_free(&facts);
	answer_with(p, r, handover__write_config(p->pending), &e);
}

static int follow(struct parent *p, struct config *conf, struct err *e)
{
	int rc;

	p->config = conf;
	p->facts_unsent = true; /* whatever the child was told before may be of another file, or older */
	rc = guard_install(conf, e);
	if (rc == 0)
		rc = parent__kernel_sync(p, e);
	return rc;
}

static void serve_commit(struct parent *p, const struct request *r)
{
	struct config *old = p->config;
	struct err e = { "" }, back = { "" };
	int rc;

	if (!p->pending) {
		answer(p, r, -EINVAL, "there is nothing to commit", -1);
		return;
	}
	rc = follow(p, p->pending, &e);
	if (rc) {
		if (follow(p, old, &back) != 0)
			log_error("going back to the running configuration: %s", back.text);
		drop_pending(p);
		answer(p, r, rc, e.text, -1);
		return;
	}
	p->pending = NULL;
	config_free(old);
	answer(p, r, 0, "", -1);
	log_findings(p);
}

static const struct config *config_named(const struct parent *p, const struct request *r)
{
	return r->which == REQUEST_PENDING ? p->pending : p->config;
}

/* Several threads have a socket each at one address; one alone shares it with nobody, so that a second
 * daemon at the same address is noticed. */
static int open_listener(const struct config *c, const struct request *r, struct err *e)
{
	const struct endpoint_conf *at = &c->dns64.listen[r->index];

	if (r->transport == REQUEST_TCP)
		return c->dns64.threads > 1 ? dns64_open_tcp_shared(at, e) : dns64_open_tcp(at, e);
	return c->dns64.threads > 1 ? dns64_open_udp_shared(at, e) : dns64_open_udp(at, e);
}

/* One that runs takes all addresses, or @at is to, and they have one port: both cannot be open at once. */
static bool is_in_the_way(const struct config *running, struct endpoint_conf *at)
{
	const struct dns64_conf fresh = { .listen = at, .n_listen = 1 };

	if (!running->has_dns64)
		return false;
	for (size_t i = 0; i < running->dns64.n_listen; i++) {
		const struct endpoint_conf *l = &running->dns64.listen[i];

		if (dns64_conf_listens_on(&fresh, &l->address, l->port))
			return true;
	}
	return dns64_conf_listens_on(&running->dns64, &at->address, at->port);
}

static void serve_listener(struct parent *p, const struct request *r)
{
	const struct config *c = config_named(p, r);
	struct err e = { "" };
	int fd;

	if (!c || !c->has_dns64 || r->index >= c->dns64.n_listen) {
		answer(p, r, -EINVAL, "there is no such listener in the file", -1);
		return;
	}
	fd = open_listener(c, r, &e);
	if (fd == -EADDRINUSE && c != p->config && is_in_the_way(p->config, &c->dns64.listen[r->index])) {
		const struct err why = e;

		err_set(&e, fd, "%.400s, by ours that run: this change of dns64.listen needs a restart", why.text);
	}
	answer_with(p, r, fd, &e);
}

/* Where systems keep what they trust: Debian, Red Hat, Alpine. */
static const char *const system_anchors[] = {
	"/etc/ssl/certs/ca-certificates.crt",
	"/etc/pki/tls/certs/ca-bundle.crt",
	"/etc/ssl/cert.pem",
};

static int open_anchors(const struct dns64_upstream_conf *u)
{
	int fd = -ENOENT;

	if (*u->ca)
		return open(u->ca, O_RDONLY | O_CLOEXEC);
	for (size_t i = 0; i < sizeof(system_anchors) / sizeof(*system_anchors); i++) {
		fd = open(system_anchors[i], O_RDONLY | O_CLOEXEC);
		if (fd >= 0)
			break;
	}
	return fd;
}

/* A copy: the child gets no descriptor of a file. */
static int read_anchors(const struct dns64_upstream_conf *u, struct err *e)
{
	int fd = open_anchors(u), rc = fd < 0 ? -errno : 0;
	char *text = NULL;
	size_t len = 0;

	if (rc == 0)
		rc = handover__read(fd, &text, &len);
	if (rc == 0)
		rc = handover__write(text, len);
	free(text);
	return rc >= 0 ? rc : err_set(e, rc, "dns64: trust anchors of an upstream: %s: %s",
				      *u->ca ? u->ca : "the system's", strerror(-rc));
}

static void serve_trust(struct parent *p, const struct request *r)
{
	const struct config *c = config_named(p, r);
	struct err e = { "" };

	if (!c || !c->has_dns64 || r->index >= c->dns64.n_upstream ||
	    !c->dns64.upstream[r->index].tls || !c->dns64.upstream[r->index].name) {
		answer(p, r, -EINVAL, "there is no such upstream in the file", -1);
		return;
	}
	answer_with(p, r, read_anchors(&c->dns64.upstream[r->index], &e), &e);
}

static void serve_metrics(struct parent *p, const struct request *r)
{
	const struct config *c = config_named(p, r);
	struct err e = { "" };

	if (!c || !c->gateway.metrics) {
		answer(p, r, -EINVAL, "there is no metrics listener in the file", -1);
		return;
	}
	answer_with(p, r, listener__open_metrics(&c->gateway.metrics_listen, &e), &e);
}

static int place_error(int rc, const char *place, struct err *e)
{
	struct err what = *e;

	return err_set(e, rc, "%s%s", place, what.text);
}

static void serve_event_log(struct parent *p, const struct request *r)
{
	const struct config *c = config_named(p, r);
	const char *sink = c && r->index < N_REQUEST_LOGS ? accounting__sink(c, r->index) : NULL;
	char place[CONFIG_PLACE_MAX];
	struct err e = { "" };
	int fd;

	if (!sink) {
		answer(p, r, -EINVAL, "there is no such log in the file", -1);
		return;
	}
	fd = sink__open(accounting__key(r->index), sink, &e);
	if (fd < 0)
		fd = place_error(fd, config_place(c, accounting__key(r->index), place), &e);
	answer_with(p, r, fd, &e);
}

static void serve_advertiser(struct parent *p, const struct request *r)
{
	const struct config *c = config_named(p, r);
	struct err e = { "" };
	const char *name;

	if (!c || !c->has_dns64 || !c->dns64.has_ra || r->index >= c->dns64.ra.n_interface) {
		answer(p, r, -EINVAL, "there is no such interface that advertises in the file", -1);
		return;
	}
	name = c->dns64.ra.interface[r->index];
	answer_with(p, r, r->transport == REQUEST_RA_TAP ? ra_open_tap(name, &e) : ra_open(name, &e),
		    &e);
}

static void serve_ping(struct parent *p, const struct request *r)
{
	const struct config *c = config_named(p, r);
	struct err e = { "" };

	if (!c || !c->has_dns64 || !c->dns64.has_probe || c->dns64.probe.port) {
		answer(p, r, -EINVAL, "there is no probe that pings in the file", -1);
		return;
	}
	answer_with(p, r, health_open_ping(&e), &e);
}

static void serve_findings(struct parent *p, const struct request *r)
{
	struct err e;

	err_set(&e, 0, "the host could not be looked at");
	answer_with(p, r, parent__kernel_findings(p), &e);
}

static void serve_abort(struct parent *p, const struct request *r)
{
	drop_pending(p);
	answer(p, r, 0, "", -1);
}

void parent__serve(struct parent *p, const struct request *r)
{
	static void (*const serve[N_REQUEST_KINDS])(struct parent *, const struct request *) = {
		[REQUEST_READY] = serve_ready,       [REQUEST_RELOAD] = serve_reload,
		[REQUEST_COMMIT] = serve_commit,     [REQUEST_ABORT] = serve_abort,
		[REQUEST_LISTENER] = serve_listener, [REQUEST_METRICS] = serve_metrics,
		[REQUEST_FINDINGS] = serve_findings, [REQUEST_EVENT_LOG] = serve_event_log,
		[REQUEST_TRUST] = serve_trust,
		[REQUEST_ADVERTISER] = serve_advertiser, [REQUEST_PING] = serve_ping,
	};

	serve[r->kind](p, r);
}
