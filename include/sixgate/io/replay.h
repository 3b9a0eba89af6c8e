/* replay.h - capture files through a worker, on the files' own clock: `sixgated --replay`. */
#pragma once
#include "sixgate/dataplane/port.h"
#include "sixgate/dataplane/worker.h"

/**
 * replay_run() - feed a pcap port to a worker until it is at its end
 * @port:  of pcap_port_new()
 *
 * The clock is the packets' time: it begins with the first packet at 1 s, never goes back, and
 * timers run in the gaps. Ask pcap_port_failed() afterwards.
 */
void replay_run(struct worker *w, const struct snapshot *s, struct port *port);
