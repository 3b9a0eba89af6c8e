/* replay.c - the workers' loop without a kernel or a thread: time comes from the packets. */
#include "sixgate/io/replay.h"
#include "io_internal.h"
#include "sixgate/io/pcap.h"

enum { NS_PER_MS = 1000000, FIRST_MS = 1000 };

/**
 * struct player - a replay under way
 * @origin_ns: time of the first packet, in whole milliseconds: FIRST_MS of the workers' clock
 * @random:    of xorshift64, while packets go astray
 */
struct player {
	const struct replay *r;
	uint64_t origin_ns, now_ms, random;
};

/* What was handed on, and what comes of it, until all rings are empty. */
static void run_rings(struct player *p)
{
	const struct replay *r = p->r;
	uint32_t n;

	do {
		n = 0;
		for (unsigned i = 0; i < r->n_workers; i++) {
			n += pipeline_take(r->worker[i], r->snapshot, BATCH_MAX, p->now_ms);
			io__send_outbox(r->worker[i], r->port);
		}
	} while (n);
}

/* Return: ms until the first of them wants to be called again. */
static uint32_t advance_all(struct player *p, bool *has_timers)
{
	const struct replay *r = p->r;
	uint32_t wait_ms = UINT32_MAX;

	*has_timers = false;
	for (unsigned i = 0; i < r->n_workers; i++) {
		uint32_t ms = timers_advance(r->worker[i], r->snapshot, p->now_ms);

		wait_ms = ms < wait_ms ? ms : wait_ms;
		*has_timers |= r->worker[i]->flows.pool.used > 0 || syns_count(r->worker[i]->syns) > 0;
		io__send_outbox(r->worker[i], r->port);
	}
	return wait_ms;
}

static void run_timers(struct player *p, uint64_t until_ms)
{
	for (;;) {
		bool has_timers;
		uint32_t wait_ms;

		pcap_port_set_clock(p->r->port, p->origin_ns + (p->now_ms - FIRST_MS) * NS_PER_MS);
		wait_ms = advance_all(p, &has_timers);
		run_rings(p);
		if (wait_ms == 0)
			continue;
		if (p->now_ms == until_ms)
			return;
		if (until_ms - p->now_ms > wait_ms && has_timers)
			p->now_ms += wait_ms;
		else
			p->now_ms = until_ms;
	}
}

static uint64_t next_packet_ms(const struct player *p)
{
	uint64_t next_ns = pcap_port_next_ns(p->r->port);

	if (next_ns == UINT64_MAX || next_ns < p->origin_ns)
		return p->now_ms;
	return FIRST_MS + (next_ns - p->origin_ns) / NS_PER_MS;
}

static void run_batch(struct player *p, struct worker *w, struct batch *b)
{
	pipeline_run(w, p->r->snapshot, b, p->now_ms);
	io__send(w, p->r->port, b->packet, b->n);
	io__send_outbox(w, p->r->port);
}

static unsigned comes_in_at(struct player *p, const struct packet *packet)
{
	if (!p->random)
		return owner_of(&p->r->snapshot->steer, packet->data, packet->len,
				(enum side)packet->side);
	p->random ^= p->random << 13;
	p->random ^= p->random >> 7;
	p->random ^= p->random << 17;
	return (unsigned)(p->random % p->r->n_workers);
}

static void run_one_by_one(struct player *p, const struct batch *b)
{
	static struct batch one;

	for (uint16_t i = 0; i < b->n; i++) {
		one.n = 1;
		one.packet[0] = b->packet[i];
		run_batch(p, p->r->worker[comes_in_at(p, &one.packet[0])], &one);
		run_rings(p);
	}
}

void replay_run(const struct replay *r)
{
	uint64_t first_ns = pcap_port_next_ns(r->port);
	struct player p = { .r = r,
			    .now_ms = FIRST_MS,
			    .origin_ns = first_ns - first_ns % NS_PER_MS,
			    .random = r->seed };
	static struct batch b;

	run_timers(&p, p.now_ms); /* as a worker does before its first packet */
	for (;;) {
		uint64_t at_ms = next_packet_ms(&p);

		if (at_ms > p.now_ms)
			run_timers(&p, at_ms);
		if (!r->port->ops->rx(r->port, &b))
			return;
		if (r->n_workers == 1)
			run_batch(&p, r->worker[0], &b);
		else
			run_one_by_one(&p, &b);
	}
}
