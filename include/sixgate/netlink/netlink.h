/*
 * netlink.h - make the kernel look like the plan, keep it so, and undo it.
 *
 * Runs in the privileged parent, one thread. Calls block for some milliseconds at most. The order
 * at start: guard_install(), io opens the devices, netlink_new(), netlink_sync(). Then, whenever
 * netlink_watch_fd() is readable, netlink_watch_read() and netlink_sync() again; and netlink_sync()
 * every ten seconds for what the kernel does not report (proxy neighbours).
 */
#pragma once
#include "sixgate/netlink/plan.h"

struct netlink;

/**
 * netlink_new() - open sockets, remember nothing of the kernel yet
 * @state_path: file (on tmpfs) that remembers sysctl values from before us, so that undo works
 *              after a crash; its directory must exist; copied
 * @out:        owned by the caller, released by netlink_free()
 */
int netlink_new(struct netlink **out, const char *state_path, struct err *e);

/** netlink_free() - close; the kernel keeps everything. NULL is allowed. */
void netlink_free(struct netlink *nl);

/**
 * netlink_apply() - add what is missing, remove what carries our protocol and is not in the plan
 *
 * Idempotent: nothing is sent when all is right. Neighbours are told (gratuitous ARP, unsolicited
 * NA) about what we newly answer for. What failed does not stop the rest.
 * Return: 0, or the errno of the first failure with its text.
 */
int netlink_apply(struct netlink *nl, const struct netlink_plan *plan, struct err *e);

/** struct netlink_applied - what the last netlink_apply() did. */
struct netlink_applied {
	unsigned n_added, n_removed, n_sysctl, n_announced;
	bool firewall;  /* the shared address's rules were written */
	bool main_rule; /* the rule for table main had been deleted and was put back */
};
struct netlink_applied netlink_last(const struct netlink *nl);

/**
 * netlink_sync() - facts, plan, apply; also the guard, if something of it is gone
 * @in:    its facts are not looked at
 * @facts: written on success, as by netlink_facts_read()
 *
 * Return: 0; -EADDRINUSE the first time, when a finding is NETLINK_REFUSE, with its text (@facts are
 * valid, nothing was applied); a conflict that comes up later is logged, once, and the rest
 * applied; the first
 * failure's errno otherwise (@facts are valid, or zero if they could not be read). @facts are to be
 * freed in every case.
 */
int netlink_sync(struct netlink *nl, const struct netlink_input *in, struct netlink_facts *facts,
		 struct err *e);

/** netlink_announce() - tell the neighbours again, of everything we answer for. */
void netlink_announce(struct netlink *nl);

/** netlink_undo() - all but the guard: rules, routes, proxies, sysctls as they were, the shared
 *  address's rules. Also what a crashed predecessor left behind. */
int netlink_undo(struct netlink *nl, struct err *e);

/** netlink_teardown() - netlink_undo() and guard_remove(). */
int netlink_teardown(struct netlink *nl, struct err *e);

enum netlink_change {
	NETLINK_CHANGED_LINK = 1 << 0,     /* an interface came, went, or changed */
	NETLINK_CHANGED_ADDRESS = 1 << 1,
	NETLINK_CHANGED_ROUTE = 1 << 2,    /* ours, or one that tells inside from outside */
	NETLINK_CHANGED_RULE = 1 << 3,
	NETLINK_CHANGED_SYSCTL = 1 << 4,   /* forwarding or rp_filter */
	NETLINK_CHANGED_FIREWALL = 1 << 5, /* nftables, by others or by us */
	NETLINK_CHANGED_UNKNOWN = 1 << 6   /* messages were lost: look at everything */
};

/** netlink_watch_fd() - one descriptor to poll for reading; owned by @nl. */
int netlink_watch_fd(const struct netlink *nl);

/** netlink_watch_read() - read all there is, never blocks. Return: set of enum netlink_change;
 *  0: nothing that matters. */
unsigned netlink_watch_read(struct netlink *nl);
