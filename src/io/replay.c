/* replay.c - the worker loop without a kernel: time comes from the packets. */
#include "sixgate/io/replay.h"
#include "io_internal.h"
#include "sixgate/io/pcap.h"

enum { NS_PER_MS = 1000000, FIRST_MS = 1000 };

/**
 * struct replay - a worker on the clock of a capture
 * @origin_ns: time of the first packet, in whole milliseconds: FIRST_MS of the worker's clock
 */
struct replay {
	struct worker *worker;
	const struct snapshot *snapshot;
	struct port *port;
	uint64_t origin_ns, now_ms;
};

static void run_timers(struct replay *r, uint64_t until_ms)
{
	struct worker *w = r->worker;

	for (;;) {
		uint32_t wait_ms = timers_advance(w, r->snapshot, r->now_ms);

		pcap_port_set_clock(r->port, r->origin_ns + (r->now_ms - FIRST_MS) * NS_PER_MS);
		io__send_outbox(w, r->port);
		if (wait_ms == 0)
			continue;
		if (r->now_ms == until_ms)
			return;
		if (until_ms - r->now_ms > wait_ms && w->flows.pool.used > 0)
			r->now_ms += wait_ms;
		else
			r->now_ms = until_ms;
	}
}

static uint64_t next_packet_ms(const struct replay *r)
{
	uint64_t next_ns = pcap_port_next_ns(r->port);

	if (next_ns == UINT64_MAX || next_ns < r->origin_ns)
		return r->now_ms;
	return FIRST_MS + (next_ns - r->origin_ns) / NS_PER_MS;
}

void replay_run(struct worker *w, const struct snapshot *s, struct port *port)
{
	uint64_t first_ns = pcap_port_next_ns(port);
	struct replay r = { .worker = w,
			    .snapshot = s,
			    .port = port,
			    .now_ms = FIRST_MS,
			    .origin_ns = first_ns - first_ns % NS_PER_MS };
	static struct batch b;

	run_timers(&r, r.now_ms); /* as a worker does before its first packet */
	for (;;) {
		uint64_t at_ms = next_packet_ms(&r);

		if (at_ms > r.now_ms)
			run_timers(&r, at_ms);
		if (!port->ops->rx(port, &b))
			return;
		pipeline_run(w, s, &b, r.now_ms);
		io__send(w, port, b.packet, b.n);
		io__send_outbox(w, port);
	}
}
