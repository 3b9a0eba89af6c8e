/* replay.c - the worker loop without a kernel: time comes from the packets. */
#include "sixgate/io/replay.h"
#include "io_internal.h"
#include "sixgate/io/pcap.h"

enum { NS_PER_MS = 1000000, FIRST_MS = 1000 };

/* Let time pass from @now_ms to @until_ms. */
static void run_timers(struct worker *w, const struct snapshot *s, struct port *port,
		       uint64_t now_ms, uint64_t until_ms, uint64_t origin_ns)
{
	while (now_ms <= until_ms) {
		uint32_t wait_ms = timers_advance(w, s, now_ms);

		pcap_port_set_clock(port, origin_ns + (now_ms - FIRST_MS) * NS_PER_MS);
		io__send_outbox(w, port);
		if (wait_ms == 0)
			continue;
		if (now_ms == until_ms)
			return;
		if (until_ms - now_ms > wait_ms && w->flows.pool.used > 0)
			now_ms += wait_ms;
		else
			now_ms = until_ms;
	}
}

void replay_run(struct worker *w, const struct snapshot *s, struct port *port)
{
	uint64_t origin_ns = pcap_port_next_ns(port) / NS_PER_MS * NS_PER_MS, now_ms = FIRST_MS;
	static struct batch b;

	for (;;) {
		uint64_t next_ns = pcap_port_next_ns(port), at_ms = now_ms;

		if (next_ns != UINT64_MAX && next_ns > origin_ns)
			at_ms = FIRST_MS + (next_ns - origin_ns) / NS_PER_MS;
		if (at_ms > now_ms) {
			run_timers(w, s, port, now_ms, at_ms, origin_ns);
			now_ms = at_ms;
		}
		if (!port->ops->rx(port, &b))
			return;
		pipeline_run(w, s, &b, now_ms);
		io__send(w, port, b.packet, b.n);
		io__send_outbox(w, port);
	}
}
