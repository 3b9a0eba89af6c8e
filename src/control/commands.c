/* commands.c - what sixgated can do besides being the gateway: look at a file, install the guard,
 * replay a capture. */
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include "accounting.h"
#include "handover.h"
#include "privileges.h"
#include "sixgate/control/daemon.h"
#include "sixgate/control/snapshot_build.h"
#include "sixgate/io/replay.h"
#include "sixgate/log/log.h"
#include "sixgate/netlink/guard.h"
#include "workers.h"

enum { REPLAY_FLOWS_MAX = 1 << 20 };

static int load(const char *path, struct config **out)
{
	struct config_errors *errors = calloc(1, sizeof(*errors));
	char line[CONFIG_ERROR_LINE_MAX];
	int rc = errors ? config_load(path, out, errors) : -ENOMEM;

	for (size_t i = 0; rc && errors && i < errors->n; i++)
		fprintf(stderr, "%s\n", config_error_line(&errors->error[i], line));
	if (rc && errors && errors->n_more)
		fprintf(stderr, "%zu more errors\n", errors->n_more);
	free(errors);
	return rc ? DAEMON_BAD_CONFIG : DAEMON_OK;
}

static void warn(const char *place, const char *what)
{
	fprintf(stderr, "%swarning: %s\n", place, what);
}

static void warn_of_user(const struct config *c)
{
	char place[CONFIG_PLACE_MAX];
	struct identity who;
	struct err e;

	if (identity__find(&who, c->gateway.user, &e) != 0)
		warn(config_place(c, "gateway.user", place), e.text);
}

static void warn_of_sink(const struct config *c, enum request_log which)
{
	const char *sink = accounting__sink(c, which), *end = sink ? strrchr(sink, '/') : NULL;
	char place[CONFIG_PLACE_MAX], folder[PATH_TEXT_MAX], text[PATH_TEXT_MAX + 128];

	if (!end || *sink != '/')
		return;
	snprintf(folder, sizeof(folder), "%.*s", end == sink ? 1 : (int)(end - sink), sink);
	if (access(folder, F_OK) == 0)
		return;
	snprintf(text, sizeof(text),
		 "%s: %s here: the gateway would start without this log, and refuse "
		 "reloads",
		 folder, strerror(errno));
	warn(config_place(c, accounting__key(which), place), text);
}

static bool is_on(const struct ifaddrs *link, const struct addr *a)
{
	struct sockaddr_storage ss = { 0 };
	int family = link->ifa_addr ? link->ifa_addr->sa_family : AF_UNSPEC;
	struct addr own;

	if (family == AF_INET)
		memcpy(&ss, link->ifa_addr, sizeof(struct sockaddr_in));
	else if (family == AF_INET6)
		memcpy(&ss, link->ifa_addr, sizeof(struct sockaddr_in6));
	else
		return false;
	own = family == AF_INET ? addr_from_v4((const uint8_t *)&((struct sockaddr_in *)&ss)->sin_addr) :
				  addr_from_v6(((struct sockaddr_in6 *)&ss)->sin6_addr.s6_addr);
	return addr_equal(&own, a);
}

static bool is_of_this_machine(const struct ifaddrs *links, const struct addr *a)
{
	for (; links; links = links->ifa_next)
		if (is_on(links, a))
			return true;
	return false;
}

/* Addresses that every machine has, or that the file itself names, dns64_conf_complain() has refused. */
static void warn_of_own_upstreams(const struct config *c)
{
	struct ifaddrs *links = NULL;
	char text[128];

	if (!c->has_dns64 || getifaddrs(&links) != 0)
		return;
	for (size_t i = 0; i < c->dns64.n_upstream; i++) {
		if (!dns64_conf_listens_on(&c->dns64, &c->dns64.upstream[i].address,
					   c->dns64.upstream[i].port) ||
		    !is_of_this_machine(links, &c->dns64.upstream[i].address))
			continue;
		snprintf(text, sizeof(text),
			 "dns64.upstream[%zu]: is an address of this machine, on a port of dns64.listen: it "
			 "would ask itself",
			 i);
		warn("", text);
	}
	freeifaddrs(links);
}

static void warn_of_anchors(const struct config *c)
{
	for (size_t i = 0; c->has_dns64 && i < c->dns64.n_upstream; i++) {
		const char *ca = c->dns64.upstream[i].ca;
		char text[DNS64_CA_PATH_MAX + 128];

		if (!*ca || access(ca, R_OK) == 0)
			continue;
		snprintf(text, sizeof(text), "dns64.upstream[%zu].tls.ca: %s: %s here", i, ca, strerror(errno));
		warn("", text);
	}
}

/* What is not wrong with the file, but would keep this machine from running it: it may be another
 * machine's. */
static void warn_of_machine(const struct config *c)
{
	warn_of_user(c);
	for (enum request_log which = 0; which < N_REQUEST_LOGS; which++)
		warn_of_sink(c, which);
	warn_of_own_upstreams(c);
	warn_of_anchors(c);
}

int daemon_check_config(const char *path)
{
	struct config *c = NULL;
	int rc = load(path, &c);

	if (rc == DAEMON_OK)
		warn_of_machine(c);
	config_free(c);
	return rc;
}

int daemon_print_config(const char *path)
{
	struct config *c = NULL;
	int rc = load(path, &c);

	if (rc)
		return rc;
	config_print(c, stdout);
	config_free(c);
	return fflush(stdout) == 0 ? DAEMON_OK : DAEMON_FAILED;
}

int daemon_install_guard(const char *path)
{
	struct config *c = NULL;
	struct err e = { "" };
	int rc = load(path, &c);

	if (rc)
		return rc;
	if (privileges__check(&e) != 0)
		rc = DAEMON_NOT_ROOT;
	else if (guard_install(c, &e) != 0)
		rc = DAEMON_FAILED;
	if (rc)
		log_error("%s", e.text);
	config_free(c);
	return rc;
}

/** struct stage - workers without threads or kernel. */
struct stage {
	struct config *conf;
	struct snapshot *snapshot;
	struct workers workers;
	struct port *port;
	struct hash_key key;
	struct node_status *nodes;
};

/* Nodes are not checked in a replay: all are up. */
static int assume_nodes_up(struct stage *r, struct err *e)
{
	size_t n = 0;

	for (size_t s = 0; r->conf->has_services && s < r->conf->services.n_service; s++)
		n += r->conf->services.service[s].n_node;
	r->nodes = calloc(n + 1, sizeof(*r->nodes));
	if (!r->nodes)
		return err_set(e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++)
		r->nodes[i] = (struct node_status){ .state = NODE_UP, .why = "replay" };
	return 0;
}

static int make_workers(struct stage *r, unsigned n, struct err *e)
{
	const uint64_t wanted = r->conf->gateway.flows;

	return workers__init(&r->workers, n, wanted < REPLAY_FLOWS_MAX ? wanted : REPLAY_FLOWS_MAX,
			     &r->key, e);
}

/* What is random in the data plane comes from this; with a seed, a replay can be repeated. */
static int choose_key(struct hash_key *key, uint64_t seed, struct err *e)
{
	for (size_t i = 0; seed && i < ARRAY_LEN(key->word); i++) {
		uint64_t in[2] = { seed, i };

		key->word[i] = siphash(&(struct hash_key){ .word = { seed } }, in, sizeof(in));
	}
	if (seed || getrandom(key, sizeof(*key), 0) == sizeof(*key))
		return 0;
	return err_set(e, -EIO, "no random numbers");
}

static int prepare(struct stage *r, const struct replay_options *o, struct err *e)
{
	struct snapshot_input in = { .conf = r->conf, .key = &r->key, .n_workers = o->n_workers,
				     .hops = -1 /* there is no kernel that does it */ };
	int rc = choose_key(&r->key, o->misdeliver, e);

	if (rc == 0)
		rc = assume_nodes_up(r, e);
	in.status = r->nodes;
	if (rc == 0)
		rc = snapshot_build(&r->snapshot, &in, e);
	if (rc == 0) {
		r->snapshot->generation = 1; /* as if published: the workers have seen 0 */
		rc = make_workers(r, o->n_workers, e);
	}
	if (rc == 0)
		rc = pcap_port_new(&r->port, &o->paths, e);
	return rc;
}

static uint64_t counted(const struct stage *r, int counter)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < r->workers.n; i++)
		n += counter_read(&r->workers.t[i].worker->count[counter]);
	return n;
}

static uint64_t dropped(const struct stage *r, int why)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < r->workers.n; i++)
		n += counter_read(&r->workers.t[i].worker->drop[why]);
	return n;
}

static void print_counters(const struct stage *r)
{
	for (int i = 0; i < N_WORKER_COUNTERS; i++)
		if (counted(r, i))
			printf("%-24s %12llu  %s\n", worker_counter_name((enum worker_counter)i),
			       (unsigned long long)counted(r, i),
			       worker_counter_help((enum worker_counter)i));
	for (int why = DROP_NONE + 1; why < DROP_N_REASONS; why++)
		if (dropped(r, why))
			printf("dropped %-16s %12llu  %s\n", drop_reason_name((enum drop_reason)why),
			       (unsigned long long)dropped(r, why),
			       drop_reason_help((enum drop_reason)why));
}

static void play(struct stage *r, const struct replay_options *o)
{
	struct worker *worker[STEER_WORKERS_MAX];

	for (unsigned i = 0; i < r->workers.n; i++)
		worker[i] = r->workers.t[i].worker;
	replay_run(&(struct replay){ .worker = worker,
				     .n_workers = r->workers.n,
				     .snapshot = r->snapshot,
				     .port = r->port,
				     .seed = o->misdeliver });
}

static void release(struct stage *r)
{
	if (r->port)
		r->port->ops->close(r->port);
	snapshot_free(r->snapshot);
	free(r->nodes);
	workers__stop(&r->workers);
	config_free(r->conf);
}

int daemon_replay(const char *config_path, const struct replay_options *o)
{
	struct stage r = { .conf = NULL };
	struct err e = { "" };
	int code = load(config_path, &r.conf);
	int rc;

	if (code)
		return code;
	rc = prepare(&r, o, &e);
	if (rc == 0) {
		play(&r, o);
		print_counters(&r);
		rc = pcap_port_failed(r.port, &e);
	}
	if (rc)
		log_error("%s", e.text);
	release(&r);
	return rc ? DAEMON_FAILED : DAEMON_OK;
}
