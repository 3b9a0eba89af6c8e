/*
 * loop.h - the life of a data-plane thread: packets in, pipeline, packets out, sleep.
 *
 * Here, and nowhere below, the worker meets the clock, the configuration and the kernel.
 */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include "sixgate/base/counter.h"
#include "sixgate/base/err.h"
#include "sixgate/dataplane/explain.h"
#include "sixgate/dataplane/port.h"
#include "sixgate/dataplane/worker.h"

/** A worker never sleeps longer than this: a snapshot that is replaced must retire. */
enum { LOOP_SLEEP_MAX_MS = 100 };

enum worker_request_kind {
	WORKER_DUMP_FLOWS,
	WORKER_DUMP_BIB,
	WORKER_EXPLAIN,     /* @explain: on a view of the worker, see view.h */
	WORKER_TRACE_START, /* @filter */
	WORKER_TRACE_STOP
};

/**
 * struct worker_request - a question from the control thread, answered between two batches
 * @kind:   enum worker_request_kind
 * @cursor: where to go on from, 0 at first; on return where to go on next, UINT32_MAX at the end
 * @flows, @bib: the one that @kind asks for: room for @max records
 * @n:      records filled in; may be 0 although the end is not reached. EXPLAIN: 1, or 0 when there
 *          was no memory for it
 * @on_done: called by the worker's thread, as its last touch of the request; may do no more than
 *          wake the asker (uv_async_send()). May be NULL: then @done is to be looked at.
 */
struct worker_request {
	uint8_t kind;
	uint32_t cursor, max, n;
	union {
		struct flow_record *flows;
		struct bib_record *bib;
		struct explain *explain;
		const struct trace_filter *filter;
	};
	_Atomic bool done;
	void (*on_done)(struct worker_request *r);
};

/** What a turn of the loop may take to be counted in each class but the last, in nanoseconds. */
enum { LOOP_TURN_CLASSES = 6 };
extern const uint64_t loop_turn_ns[LOOP_TURN_CLASSES - 1];

/**
 * struct loop_turns - how long the loop was away from its port: a batch through the pipeline, timers
 * that ran out, a step of a new configuration. Time, not CPU time: what others did on its core is in it.
 * @n: turns by class, the last one longer than all of loop_turn_ns[]
 */
struct loop_turns {
	counter64 n[LOOP_TURN_CLASSES], sum_ns;
};

/**
 * struct worker_loop - one thread's; set up by worker_loop_init()
 * @worker, @slot, @port: borrowed while the loop runs
 * @peer:    the loops of all workers by id, [worker->n_workers], to wake those that packets were
 *           handed to; NULL with one worker. Set before the threads start.
 * @memory, @memory_bytes: that @worker lies in with all it points to; page-aligned. NULL: nothing can
 *           be explained. Set before the threads start.
 * @failed:  the port broke (its device was removed); read after the thread has ended
 * @on_end:  called by the worker's thread when the loop has ended, whatever the reason; or NULL
 */
struct worker_loop {
	struct worker *worker;
	struct snapshot_slot *slot;
	struct port *port;
	struct worker_loop *const *peer;
	void *memory;
	size_t memory_bytes;
	bool failed;
	void (*on_end)(struct worker_loop *l);

	int wake_fd; /* eventfd, owned */
	_Atomic bool stop, asleep;
	_Atomic(struct worker_request *) request;
	struct loop_turns turns; /* any thread may read it */
	struct batch batch;
};

/** worker_loop_init() - @slot must have a snapshot before the loop runs. Return: 0 or negative
 *  errno (no descriptor left). */
int worker_loop_init(struct worker_loop *l, struct worker *worker, struct snapshot_slot *slot,
		     struct port *port, struct err *e);

/** worker_loop_fini() - after the threads of all workers have ended. The port is not closed. */
void worker_loop_fini(struct worker_loop *l);

/** worker_loop_run() - the thread's body: returns after worker_loop_stop(), at the end of a port of
 *  files, or when the port is broken. The worker then reads no snapshot any more. */
void worker_loop_run(struct worker_loop *l);

/** worker_loop_stop() - any thread, signal handlers included. */
void worker_loop_stop(struct worker_loop *l);

/** worker_loop_wake() - cut its sleep short: for a new snapshot. Any thread. */
void worker_loop_wake(struct worker_loop *l);

/**
 * worker_loop_ask() - hand @r to the worker, which borrows it until it is done
 * Return: false when another request is under way, or the loop has ended. Control thread.
 */
bool worker_loop_ask(struct worker_loop *l, struct worker_request *r);
