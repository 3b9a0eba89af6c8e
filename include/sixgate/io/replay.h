/* replay.h - capture files through the workers, on the files' own clock: `sixgated --replay`. */
#pragma once
#include "sixgate/dataplane/port.h"
#include "sixgate/dataplane/worker.h"

/**
 * struct replay - who takes part
 * @worker: the shards, [n_workers], their rings connected
 * @port:   of pcap_port_new()
 * @seed:   0: each packet comes in at the worker that owns it, as a NIC that knows the steering
 *          table would have it; else at one drawn at random from this, so that most are handed on
 */
struct replay {
	struct worker *const *worker;
	unsigned n_workers;
	const struct snapshot *snapshot;
	struct port *port;
	uint64_t seed;
};

/**
 * replay_run() - feed a pcap port to the workers until it is at its end
 *
 * All in the caller's thread. The clock is the packets' time: it begins with the first packet at
 * 1 s, never goes back, and timers run in the gaps. One worker takes all packets of a millisecond
 * as one batch; several take them one after the other, each followed through all rings to its end,
 * so that they keep their order whoever gets them. Ask pcap_port_failed() afterwards.
 */
void replay_run(const struct replay *r);
