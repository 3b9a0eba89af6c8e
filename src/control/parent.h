/*
 * parent.h - the privileged half: what its files share.
 *
 * It holds what only root may hold (devices, routes, rules, the guard, low ports, the file), serves
 * the closed list of request.h, and touches no byte that came from the network.
 */
#pragma once
#include <stdbool.h>
#include <sys/types.h>
#include "privileges.h"
#include "sixgate/config/config.h"
#include "sixgate/control/daemon.h"
#include "sixgate/control/request.h"
#include "sixgate/io/tun.h"
#include "sixgate/log/log.h"
#include "sixgate/io/steer.h"
#include "sixgate/netlink/hops.h"
#include "sixgate/netlink/netlink.h"

/**
 * struct parent
 * @pending:  what the last RELOAD read and no COMMIT or ABORT has ended; or NULL
 * @lock:     see lock__take(); never the child's
 * @child:    0 once it has been waited for
 * @facts_unsent: the child must be told of @facts whether or not they differ from the last
 * @routed:   the kernel sends us packets: the child has said that it is ready
 * @exit_code: decided when @ending is set
 * @xdp, @hops_watch: NULL without AF_XDP; @hops: what the child was told last; @no_hops: why there are
 *            none; @next_hops_ms: when to look again, 0: nothing has changed
 */
struct parent {
	const struct daemon_options *options;
	char *config_path; /* absolute, owned */
	struct config *config, *pending;
	struct identity who;
	pid_t child;
	int channel, signals, lock;
	struct tun_queues tun[2];
	unsigned n_workers;
	struct netlink *nl;
	struct netlink_facts facts;
	bool facts_known, facts_unsent, routed;
	bool ready, ending, owns_control;
	int exit_code;
	uint64_t last_sync_ms, next_sync_ms; /* 0: none yet */
	struct log_limit sync_limit;
	struct err failing; /* what the last look could not set up, empty: nothing */
	struct tun_steering steering; /* @map is the child's once it has been sent */
	struct xdp *xdp;
	struct netlink_hops_watch *hops_watch;
	struct hops *hops;
	enum hops_none no_hops;
	uint64_t next_hops_ms, refreshed_ms;
};

/** parent__kernel_begin() - state directory, devices, netlink, first facts. The kernel sends us
 *  nothing yet. Return: 0 or negative errno. */
int parent__kernel_begin(struct parent *p, struct err *e);

/** parent__kernel_sync() - make the kernel follow the running file; tell the child what it looks
 *  like. Return: 0; -EADDRINUSE: it must not be done; another negative errno: part of it failed. */
int parent__kernel_sync(struct parent *p, struct err *e);

/** parent__kernel_report() - log @e, the outcome of a look, when it is another than the last one's
 *  (empty: all is set up). */
void parent__kernel_report(struct parent *p, const struct err *e);

/** parent__kernel_changed() - the watcher has seen something: look soon, but, while a routing daemon
 *  is busy, not more than ten times a second. */
void parent__kernel_changed(struct parent *p);

/** parent__kernel_watch() - @next_sync_ms has come: look at the kernel, repair what is wrong. */
void parent__kernel_watch(struct parent *p);

/** parent__kernel_end() - undo all but the guard. */
void parent__kernel_end(struct parent *p);

/** parent__kernel_findings() - Return: descriptor of text, a finding a line, or negative errno. */
int parent__kernel_findings(struct parent *p);

/** parent__kernel_check() - could @conf be applied, without doing it? And its facts.
 *  Return: 0, facts to be freed by the caller; -EADDRINUSE with the reason. */
int parent__kernel_check(const struct config *conf, struct netlink_facts *facts, struct err *e);

/** parent__xdp_begin() - open AF_XDP where the file wants it; the facts are known. Return: 0, also
 *  without it; negative errno when it was asked for and cannot be. */
int parent__xdp_begin(struct parent *p, struct err *e);

/** parent__xdp_equip() - give the child its sockets. Return: false if it does not take them. */
bool parent__xdp_equip(struct parent *p);

/** parent__xdp_follow() - claim what the plan of @in leads to us, and look at the next hops. */
int parent__xdp_follow(struct parent *p, const struct netlink_input *in, struct err *e);

/** parent__xdp_fd() - readable when routes or neighbours have changed: parent__xdp_changed(); -1
 *  without AF_XDP. parent__xdp_look(): when @next_hops_ms has come. */
int parent__xdp_fd(const struct parent *p);
void parent__xdp_changed(struct parent *p);
void parent__xdp_look(struct parent *p);

/** parent__xdp_refresh() - have the kernel ask the neighbours that are in use; now and then. */
void parent__xdp_refresh(struct parent *p);

/** parent__xdp_end() - detach the programs: from then on everything is the kernel's. */
void parent__xdp_end(struct parent *p);

/** parent__tell() - a notice without answer; @pass: a descriptor, closed after sending, or -1.
 *  Return: false if the child does not take it. */
bool parent__tell(struct parent *p, enum notice_kind kind, int pass);

/** parent__send_facts() - @flags: REQUEST_RUNNING or REQUEST_PENDING. */
bool parent__send_facts(struct parent *p, const struct netlink_facts *f, uint8_t flags);

/** parent__serve() - one request; @r has been decoded. */
void parent__serve(struct parent *p, const struct request *r);

/** parent__end() - leave the loop soon with @code; only the first call counts. */
void parent__end(struct parent *p, int code);

/** parent__runtime_dir() - where the control socket is; sysctl values are remembered there, too. */
void parent__runtime_dir(const struct config *c, char out[PATH_TEXT_MAX]);

/* Sockets (those of DNS are opened by dns64's own functions); each returns a descriptor of the caller's, or negative errno. */
int listener__open_control(const char *path, struct err *e);
/** listener__check_control() - does another daemon listen on @path? Changes nothing. Return: 0 or
 *  -EADDRINUSE. */
int listener__check_control(const char *path, struct err *e);
int listener__open_metrics(const struct endpoint_conf *at, struct err *e);

/** lock__take() - be the only gateway of this network namespace until lock__release(), or until the
 *  process ends. Return: a descriptor, the caller's; -EADDRINUSE with who is it already; another
 *  negative errno. */
int lock__take(struct err *e);
void lock__release(int fd);

/** sink__open() - what the log @key names, for writing: a regular file, made if it is not there, or a
 *  datagram socket that is connected. Return: descriptor of the caller's, or negative errno. */
int sink__open(const char *key, const char *name, struct err *e);

/** notify__send() - @state to the service manager (sd_notify(3)), if there is one. */
void notify__send(const char *state);

/** now__ms() - CLOCK_MONOTONIC. */
uint64_t now__ms(void);
