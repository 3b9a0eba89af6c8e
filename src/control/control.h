/*
 * control.h - the control thread: what its files share.
 *
 * One uv loop in the child. It owns the configuration, builds and publishes snapshots, answers
 * sixgatectl and the metrics, checks the nodes, and reports counters that move. It never blocks on
 * a worker.
 */
#pragma once
#include <jansson.h>
#include <uv.h>
#include "accounting.h"
#include "dns_threads.h"
#include "linger.h"
#include "link.h"
#include "server.h"
#include "sixgate/config/config.h"
#include "sixgate/control/snapshot_build.h"
#include "sixgate/nat64/lend.h"
#include "next_hops.h"
#include "sixgate/io/steer.h"
#include "watch.h"
#include "workers.h"

enum { SNAPSHOTS_RETIRED_MAX = 64 };

/** struct dns_socket - a listener that the parent opened for us; fd -1: it could not (yet). */
struct dns_socket {
	struct endpoint_conf at;
	uint16_t listener; /* its place in the file */
	uint8_t transport; /* enum request_transport */
	uint8_t thread;
	int fd;
};

/** struct dns_trust - trust anchors for each upstream of the file; texts NULL: none needed. */
struct dns_trust {
	struct dns64_trust of[DNS64_UPSTREAM_MAX];
};

/** struct dns_sockets - what the DNS server is given by the parent. @trust: owned by the set that is
 *  in use. */
struct dns_sockets {
	struct dns_socket at[N_REQUEST_TRANSPORTS * DNS64_LISTEN_MAX * DNS64_THREADS_MAX];
	size_t n;
	struct dns_trust *trust;
};

/**
 * struct control
 * @facts:   of @config, as the parent last saw the kernel; during COMMIT already of the file that is
 *           being loaded, and @facts_told once it has sent them; @fresh_facts: of that file as it was
 *           checked, set by the notice that comes before the answer to RELOAD
 * @retired: snapshots that a worker may still be reading
 * @settle:  runs what notices have asked for, once the stack is empty
 * @deal:    port blocks that one worker was asked to lend to another; n 0: none
 * @deal_looks: how often its answer was looked for in vain
 */
struct control {
	uv_loop_t loop;
	struct link link;
	uv_poll_t link_poll;
	uv_timer_t tick, settle;
	uv_async_t worker_ended, dump_done;

	struct config *config;
	struct netlink_facts facts, fresh_facts;
	struct linger_list linger; /* of facts */
	struct hash_key key;
	struct workers workers;
	unsigned offload[N_SIDES];
	struct xdp_share share[XDP_WORKERS_MAX]; /* to be shown: the descriptors are the ports' */
	struct next_hops hops;
	struct steer_shared *steering; /* NULL without a steering program */
	struct snapshot *retired[SNAPSHOTS_RETIRED_MAX];
	size_t n_retired;
	struct dns_threads dns;
	struct dns_sockets dns_sockets;
	struct server *server;
	struct metrics *metrics;
	struct health *health; /* see nodes.h */
	struct plat *plat;     /* see plat.h */
	struct translator *translator;  /* see translator.h */
	struct advertiser *advertisers; /* see advertise.h */
	struct watch watch;
	struct nat64_deal deal;
	unsigned deal_looks;
	struct question *questions; /* see question.h */
	struct dns_job *dns_jobs;   /* see dns_see.h */
	bool tracing;
	struct accounting accounting;

	uint64_t started_ms, reloaded_ms; /* of the loop's clock */
	int64_t loaded_s; /* since 1970: when the running configuration was taken over */
	uint64_t n_reloads, n_reloads_failed;
	bool facts_told;
	bool want_reload, want_snapshot, want_look, want_stop, stopping, broken;
};

/** control__open_loop() - the loop, its timers, and the line to the parent. */
int control__open_loop(struct control *c, int channel, struct err *e);

/** control__settle_soon() - look at the want_ members before the loop sleeps again. */
void control__settle_soon(struct control *c);

/** control__publish() - @fresh becomes what the workers read; the old one is retired. */
void control__publish(struct control *c, struct snapshot *fresh);

/** control__build() - a snapshot of @conf and @facts beside the running one. */
int control__build(struct control *c, const struct config *conf, const struct netlink_facts *facts,
		   const struct node_status *nodes, struct snapshot **out, struct err *e);

/** control__running() - the snapshot that is published. */
const struct snapshot *control__running(const struct control *c);

/**
 * control__reload() - read, check, build, publish: all or nothing
 * @lines: the errors of the file, one a line, allocated for the caller; NULL if there are none
 *
 * Return: 0, or negative errno with the reason; then nothing has changed.
 */
int control__reload(struct control *c, char **lines, struct err *e);

/** dns__start() - open the listeners in the file and start serving; what cannot be opened is
 *  logged, and tried again by dns__retry(). */
void dns__start(struct control *c);
void dns__retry(struct control *c);
/** dns__prepare() - sockets for @conf: those that run are kept, the others opened. On failure none
 *  is left open. dns__switch() - serve @conf with them; cannot fail for a reason that lies in the
 *  file. dns__forget() - close those that @sockets has and the running set has not. */
int dns__prepare(struct control *c, const struct config *conf, struct dns_sockets *out,
		 struct err *e);
void dns__switch(struct control *c, const struct config *conf, const struct dns_sockets *sockets);
void dns__forget(const struct control *c, const struct dns_sockets *sockets);
/** dns__refresh() - serve the configuration that runs anew: what it may use has changed. */
void dns__refresh(struct control *c);
/** dns__set_services() - tell the server how the nodes of the services are now; @conf: whose nodes are
 *  checked. */
void dns__set_services(struct control *c, const struct config *conf);
/** dns__set_inside() - tell the server which interfaces are inside now. */
void dns__set_inside(struct control *c);

/** answer__request() - a server_answer(): from a request to its lines. */
void answer__request(void *owner, struct client *cl, const struct ctl_request *r);

/** dump__start() - flows, bib or who, streamed from the workers. */
void dump__start(struct control *c, struct client *cl, const struct ctl_request *r);

/** explain__start(), trace__start() - streamed, too; see question.h. */
void explain__start(struct control *c, struct client *cl, const struct ctl_subject *about);
void trace__start(struct control *c, struct client *cl, const struct ctl_request *r);

/** shared__to_real(), shared__to_alias() - the shared address is known to the data plane by its
 *  alias; people know the real one. Other addresses are left as they are. */
void shared__to_real(const struct control *c, struct addr *a);
void shared__to_alias(const struct control *c, struct addr *a);

/** step__json() - a step of a packet, for people's eyes: {"step": ...}; NULL when out of memory. */
json_t *step__json(const struct control *c, const struct trace_record *r);

/** status__json() and so on - the answers; owned by the caller, NULL when out of memory. */
json_t *status__json(struct control *c);
json_t *counters__json(const struct control *c, bool all);
json_t *nodes__json(const struct control *c);
/** choice__json() - why a flow was given to the node with this slot; NULL if there is none. */
json_t *choice__json(const struct control *c, uint32_t slot);
/** node__by_slot() - Return: false if there is none. @out borrows from the running snapshot. */
bool node__by_slot(const struct control *c, uint32_t slot, struct node_record *out);
/** drained__json() - the nodes that drain or undrain was about, as they are now. */
json_t *drained__json(const struct control *c, const char *service, const char *node);

/** metrics__start() - @fd: listening, owned from here on. Return: NULL if it cannot. */
struct metrics *metrics__start(struct control *c, int fd, struct err *e);
/** metrics__stop() - NULL is allowed. */
void metrics__stop(struct metrics *m);
