/* workers.h - the data-plane threads: their memory, their start and their end. */
#pragma once
#include <pthread.h>
#include "sixgate/flow/steer.h"
#include "sixgate/io/loop.h"
#include "sixgate/io/xdp.h"

/** struct worker_thread - @loop is what its thread runs. */
struct worker_thread {
	struct worker *worker;
	struct worker_loop loop;
	struct port *port;
	pthread_t thread;
	bool running;
};

/**
 * struct workers - all of them
 * @slot:   where they find the configuration
 * @memory: one block for all shards, zero and untouched at first
 */
struct workers {
	unsigned n;
	struct snapshot_slot slot;
	struct worker_thread t[STEER_WORKERS_MAX];
	struct worker_loop *peer[STEER_WORKERS_MAX];
	void *memory;
	size_t memory_bytes;
};

/** workers__init() - lay out @n shards for @flows flows in all. Return: 0 or negative errno. */
int workers__init(struct workers *w, unsigned n, uint64_t flows, const struct hash_key *key,
		  struct err *e);

/** workers__add_port() - worker @id's queues; descriptors are owned from here on. @share: its AF_XDP
 *  sockets, if it has any. */
int workers__add_port(struct workers *w, unsigned id, int inside_fd, int outside_fd,
		      const struct xdp_share *share, struct err *e);

/** workers__start() - a snapshot has been published. @on_end: called in a thread that has ended. */
int workers__start(struct workers *w, void (*on_end)(struct worker_loop *l), struct err *e);

/** workers__stop() - end all threads, close their ports, free the memory. */
void workers__stop(struct workers *w);

/** workers__wake() - a new snapshot is there. */
void workers__wake(struct workers *w);

/** workers__wake_one() - something else is there for worker @id. */
void workers__wake_one(struct workers *w, unsigned id);

/** workers__drops(), workers__count() - summed over all. */
uint64_t workers__drops(const struct workers *w, enum drop_reason why);
uint64_t workers__count(const struct workers *w, enum worker_counter c);
