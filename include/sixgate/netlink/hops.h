/*
 * hops.h - what AF_XDP needs to know of the kernel around us: which packets it would lead to us, and
 * where it would send those that we have.
 */
#pragma once
#include "sixgate/io/xdp.h"
#include "sixgate/netlink/plan.h"

/**
 * netlink_hops_read() - table main, the neighbours on the data interfaces, and the local addresses
 * @facts: whose interfaces are the ones to send by
 * @out:   allocated for the caller (free())
 *
 * A host with policy routing rules of its own, and one with more routes than HOPS_ROUTES_MAX, gets an
 * empty table, which says why: then the kernel sends everything.
 *
 * Blocking, some milliseconds. Return: 0; -ENOMEM; the kernel's errno.
 */
int netlink_hops_read(const struct netlink_facts *facts, struct hops **out, struct err *e);

/**
 * netlink_hops_refresh() - have the kernel ask those neighbours that are in use and have grown stale
 * @marks: [HOPS_MARKS], by hops_mark()
 *
 * It does by itself only for packets that it sends itself; without, one that moves would be followed
 * late, one that goes never.
 */
int netlink_hops_refresh(const struct netlink_facts *facts, const uint8_t *marks, struct err *e);

struct netlink_hops_watch;

/** netlink_hops_watch_new() - hear of every change of what netlink_hops_read() reads. */
int netlink_hops_watch_new(struct netlink_hops_watch **out, struct err *e);
void netlink_hops_watch_free(struct netlink_hops_watch *w);
int netlink_hops_watch_fd(const struct netlink_hops_watch *w);

/** netlink_hops_watch_read() - read all there is, never blocks. Return: did anything change? */
bool netlink_hops_watch_read(struct netlink_hops_watch *w);

/** struct netlink_claims - @all: points into the arrays; owned */
struct netlink_claims {
	struct xdp_claims all;
	struct xdp_claim_conf *claim;
	struct xdp_replier_conf *replier;
};

/**
 * netlink_claims_build() - what the plan's rules and routes lead to us from the data interfaces
 *
 * Pure. What is told by its source alone (the hosts of a CLAT) is left to the kernel and its rules.
 * Return: 0 or -ENOMEM.
 */
int netlink_claims_build(const struct netlink_input *in, const struct netlink_plan *plan,
			 struct netlink_claims *out);
void netlink_claims_free(struct netlink_claims *c);
