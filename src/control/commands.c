/* commands.c - what sixgated can do besides being the gateway: look at a file, install the guard,
 * replay a capture. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include "handover.h"
#include "sixgate/control/daemon.h"
#include "sixgate/control/snapshot_build.h"
#include "sixgate/io/replay.h"
#include "sixgate/log/log.h"
#include "sixgate/netlink/guard.h"

enum { REPLAY_FLOWS_MAX = 1 << 20 };

static int load(const char *path, struct config **out)
{
	struct config_errors *errors = calloc(1, sizeof(*errors));
	char line[CONFIG_ERROR_LINE_MAX];
	int rc = errors ? config_load(path, out, errors) : -ENOMEM;

	for (size_t i = 0; rc && errors && i < errors->n; i++)
		fprintf(stderr, "%s\n", config__error_line(&errors->error[i], line));
	if (rc && errors && errors->n_more)
		fprintf(stderr, "%zu more errors\n", errors->n_more);
	free(errors);
	return rc ? DAEMON_BAD_CONFIG : DAEMON_OK;
}

int daemon_check_config(const char *path)
{
	struct config *c = NULL;
	int rc = load(path, &c);

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
	if (guard_install(c, &e) != 0) {
		log_error("%s", e.text);
		rc = DAEMON_FAILED;
	}
	config_free(c);
	return rc;
}

/** struct replay - one worker without threads or kernel. */
struct replay {
	struct config *conf;
	struct snapshot *snapshot;
	struct worker *worker;
	struct port *port;
	struct hash_key key;
	struct node_status *nodes;
	void *memory;
	size_t memory_bytes;
};

/* Nodes are not checked in a replay: all are up. */
static int assume_nodes_up(struct replay *r, struct err *e)
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

static int make_worker(struct replay *r, struct err *e)
{
	const uint64_t wanted = r->conf->gateway.flows;
	const uint32_t flows = wanted < REPLAY_FLOWS_MAX ? (uint32_t)wanted : REPLAY_FLOWS_MAX;
	const struct worker_sizes sizes = { .flows = flows, .mappings = flows };
	struct arena a = { .base = NULL };

	worker_layout(&a, 0, 1, &sizes, &r->key);
	r->memory_bytes = a.used;
	r->memory = mmap(NULL, a.used, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (r->memory == MAP_FAILED) {
		r->memory = NULL;
		return err_set(e, -ENOMEM, "memory for the flow table: %s", strerror(errno));
	}
	a = (struct arena){ .base = r->memory, .size = r->memory_bytes };
	r->worker = worker_layout(&a, 0, 1, &sizes, &r->key);
	return 0;
}

static int prepare(struct replay *r, const struct pcap_paths *paths, struct err *e)
{
	struct snapshot_input in = { .conf = r->conf, .key = &r->key, .n_workers = 1,
				     .hops = -1 /* there is no kernel that does it */ };
	int rc = getrandom(&r->key, sizeof(r->key), 0) == sizeof(r->key) ?
			 0 : err_set(e, -EIO, "no random numbers");

	if (rc == 0)
		rc = assume_nodes_up(r, e);
	in.status = r->nodes;
	if (rc == 0)
		rc = snapshot_build(&r->snapshot, &in, e);
	if (rc == 0) {
		r->snapshot->generation = 1; /* as if published: the worker has seen 0 */
		rc = make_worker(r, e);
	}
	if (rc == 0)
		rc = pcap_port_new(&r->port, paths, e);
	return rc;
}

static void print_counters(const struct worker *w)
{
	for (int i = 0; i < N_WORKER_COUNTERS; i++)
		if (counter_read(&w->count[i]))
			printf("%-24s %12llu  %s\n", worker_counter_name((enum worker_counter)i),
			       (unsigned long long)counter_read(&w->count[i]),
			       worker_counter_help((enum worker_counter)i));
	for (int why = DROP_NONE + 1; why < DROP_N_REASONS; why++)
		if (counter_read(&w->drop[why]))
			printf("dropped %-16s %12llu  %s\n", drop_reason_name((enum drop_reason)why),
			       (unsigned long long)counter_read(&w->drop[why]),
			       drop_reason_help((enum drop_reason)why));
}

static void release(struct replay *r)
{
	if (r->port)
		r->port->ops->close(r->port);
	snapshot_free(r->snapshot);
	free(r->nodes);
	if (r->memory)
		munmap(r->memory, r->memory_bytes);
	config_free(r->conf);
}

int daemon_replay(const char *config_path, const struct pcap_paths *paths)
{
	struct replay r = { .conf = NULL };
	struct err e = { "" };
	int code = load(config_path, &r.conf);
	int rc;

	if (code)
		return code;
	rc = prepare(&r, paths, &e);
	if (rc == 0) {
		replay_run(r.worker, r.snapshot, r.port);
		print_counters(r.worker);
		rc = pcap_port_failed(r.port, &e);
	}
	if (rc)
		log_error("%s", e.text);
	release(&r);
	return rc ? DAEMON_FAILED : DAEMON_OK;
}
