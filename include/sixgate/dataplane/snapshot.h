/*
 * snapshot.h - everything a worker may read about the configuration, frozen.
 *
 * Built by the control thread, published to the workers, freed when the last one has moved on.
 */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include "sixgate/egress6/egress6.h"
#include "sixgate/flow/steer.h"
#include "sixgate/nat64/nat64.h"
#include "sixgate/services/services.h"
#include "sixgate/siit/siit.h"
#include "sixgate/translate/translate.h"

/**
 * struct snapshot - one configuration as the data plane sees it
 * @nat64, @siit, @services: owned; NULL when the job is off
 * @has_egress6:      @egress6 is valid
 * @inside:           prefixes of the inside networks: sources from inside must be in one of them
 *                    (with egress6, its prefixes; n_inside 0 switches the check off)
 * @block:            the steering's block tables; owned
 * @error_rate:       ICMP errors a second that a worker may send
 */
struct snapshot {
	uint64_t generation;
	struct translate_env env;
	struct nat64_timeouts nat64_timeouts;
	struct nat64_table *nat64;
	struct siit_table *siit;
	struct services_table *services;
	bool has_egress6;
	struct egress6_table egress6;
	struct prefix inside[STEER_PREFIXES_MAX];
	uint32_t n_inside;
	struct steering steer;
	uint32_t error_rate;
};

/** snapshot_free() - with all it owns. NULL is allowed. */
void snapshot_free(struct snapshot *s);

/** struct snapshot_slot - where the current snapshot hangs; one writer (control), many readers.
 *  @seen: generation each worker has entered last; a worker that has ended says UINT64_MAX. */
struct snapshot_slot {
	_Atomic(struct snapshot *) current;
	struct {
		_Alignas(64) _Atomic uint64_t generation;
	} seen[STEER_WORKERS_MAX];
};

/** snapshot_enter() - worker, between two batches: it holds no older snapshot from here on. */
const struct snapshot *snapshot_enter(struct snapshot_slot *slot, unsigned worker);

/** snapshot_publish() - ownership of @fresh moves in; its generation is set. Return: the previous
 *  one (owned again, not to be freed before snapshot_unused()), or NULL. Control thread. */
struct snapshot *snapshot_publish(struct snapshot_slot *slot, struct snapshot *fresh);

/** snapshot_unused() - no worker can still be reading @old. */
bool snapshot_unused(const struct snapshot_slot *slot, const struct snapshot *old,
		     unsigned n_workers);
