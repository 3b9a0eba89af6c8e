/*
 * snapshot_build.h - from a configuration, and what the kernel and the nodes look like now, to what
 * the workers read.
 */
#pragma once
#include "sixgate/config/config.h"
#include "sixgate/dataplane/snapshot.h"
#include "sixgate/netlink/facts.h"

/**
 * struct snapshot_input - all borrowed
 * @facts:     of @conf; NULL when there is no kernel around (replay)
 * @status:    of the nodes in the order of @conf, service by service
 * @running:   the snapshot that is being replaced, whose slots are kept, or NULL
 * @plat:      the provider's NAT64 prefix where it has to be learned, length 0 while it is not known;
 *             NULL stands for that
 * @key:       secret of the process, constant over its life
 * @n_workers: 1 to STEER_WORKERS_MAX
 * @hops:      added to TTL and hop limit; see struct translate_env
 */
struct snapshot_input {
	const struct config *conf;
	const struct netlink_facts *facts;
	const struct node_status *status;
	const struct snapshot *running;
	const struct prefix *plat;
	const struct hash_key *key;
	uint32_t n_workers;
	int hops;
};

/**
 * snapshot_build() - touches nothing that runs
 * @out: written on success; owned by the caller until it is published
 *
 * Return: 0; -ENOMEM; -ENOSPC when something is more than the data plane has room for; -EINVAL when
 * @conf needs facts and there are none. Control thread.
 */
int snapshot_build(struct snapshot **out, const struct snapshot_input *in, struct err *e);

/** snapshot_changes() - the facts differ in something that a snapshot is made from. */
bool snapshot_changes(const struct netlink_facts *a, const struct netlink_facts *b);
