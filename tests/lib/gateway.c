/* gateway.c - see gateway.h. */
#include "gateway.h"
#include <stdlib.h>
#include <sys/mman.h>
#include "sixgate/base/must.h"
#include "sixgate/packet/parse.h"

static const struct hash_key secret = { .word = { 0x0123456789abcdef, 0xfedcba9876543210 } };

static struct prefix parse_prefix(const char *text)
{
	struct prefix p;

	must(prefix_parse(text, &p) == 0);
	return p;
}

static void parse_addr(const char *text, struct addr *out)
{
	must(addr_parse(text, out) == 0);
}

static void add_inside(struct snapshot *s, struct prefix p)
{
	s->inside[s->n_inside++] = p;
	s->steer.inside[s->steer.n_prefix++] = (struct steer_prefix){ p, 128 };
}

static void build_services(struct snapshot *s, const struct gateway_args *args,
			   const struct snapshot *prev)
{
	struct node_status up[SERVICE_NODES_MAX];
	struct services_input in = { .conf = args->services, .status = up,
				     .prev = prev ? prev->services : NULL };

	for (size_t i = 0; i < SERVICE_NODES_MAX; i++)
		up[i] = (struct node_status){ .state = NODE_UP, .why = "" };
	must(services_table_new(&s->services, &in, &s->steer, NULL) == 0);
	add_inside(s, (struct prefix){ .addr = services_probe_client(), .len = 128 });
}

static struct snapshot *build(const struct gateway_args *args, const struct snapshot *prev)
{
	struct snapshot *s = calloc(1, sizeof(*s));
	struct nat64_conf defaults;
	struct err e = { "" };

	must(s);
	steering_init(&s->steer, args->n_workers ? args->n_workers : 1, &secret);
	nat64_conf_default(&defaults);
	translation_conf_default(&s->env.conf);
	s->nat64_timeouts = args->nat64 ? args->nat64->timeouts : defaults.timeouts;
	s->env.mtu[SIDE_INSIDE] = s->env.mtu[SIDE_OUTSIDE] = 1500;
	s->env.hops = -1;
	parse_addr("192.0.2.254", &s->env.own4[SIDE_INSIDE]);
	parse_addr("198.51.100.1", &s->env.own4[SIDE_OUTSIDE]);
	parse_addr("2001:db8:1::fe", &s->env.own6[SIDE_INSIDE]);
	parse_addr("2001:db8:ffff::fe", &s->env.own6[SIDE_OUTSIDE]);
	s->error_rate = 1000;
	for (size_t i = 0; i < 4 && args->inside[i]; i++)
		add_inside(s, parse_prefix(args->inside[i]));
	if (args->nat64)
		must(nat64_table_new(&s->nat64, args->nat64, prev ? prev->nat64 : NULL, &s->steer,
				     &e) == 0);
	if (args->siit)
		must(siit_table_new(&s->siit, args->siit, &e) == 0);
	if (args->services)
		build_services(s, args, prev);
	if (s->siit)
		siit_steer(s->siit, &s->steer);
	if (args->egress6) {
		s->has_egress6 = true;
		must(egress6_table_build(&s->egress6, args->egress6, &e) == 0);
	}
	return s;
}

static void layout(struct gateway *g, struct arena *a, const struct worker_sizes *sizes)
{
	for (unsigned i = 0; i < g->n_workers; i++)
		g->worker[i] = worker_layout(a, i, g->n_workers, sizes, &secret);
	for (unsigned i = 0; i < g->n_workers; i++)
		for (unsigned j = 0; j < g->n_workers; j++) {
			struct handoff *h = i == j ? NULL : handoff_layout(a);

			if (!h)
				continue;
			g->worker[i]->to[j] = h;
			g->worker[j]->from[i] = h;
		}
}

/* Of the last gateway: under ASan a mapping of this size is slow to make, and a fuzzer makes many. */
static struct {
	void *mem;
	size_t size;
} spare;

static void *zeroed(size_t *size)
{
	void *mem = spare.mem;

	if (mem && spare.size >= *size) {
		*size = spare.size;
		spare.mem = NULL;
		return mem;
	}
	if (mem)
		munmap(mem, spare.size);
	spare.mem = NULL;
	mem = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		   -1, 0);
	must(mem != MAP_FAILED);
	return mem;
}

void gateway_init(struct gateway *g, const struct gateway_args *args)
{
	uint32_t flows = args->flows ? args->flows : 1024;
	struct worker_sizes sizes = { .flows = flows, .mappings = args->nat64 ? flows : 0 };
	struct arena a = { 0 };

	memset(g, 0, sizeof(*g));
	g->n_workers = args->n_workers ? args->n_workers : 1;
	layout(g, &a, &sizes);
	g->memory_size = a.used + 4096;
	g->memory = zeroed(&g->memory_size);
	if (args->huge_pages)
		madvise(g->memory, g->memory_size, MADV_HUGEPAGE);
	a = (struct arena){ .base = g->memory, .size = g->memory_size };
	layout(g, &a, &sizes);
	g->out_bytes = malloc(GATEWAY_OUT_BYTES);
	must(g->out_bytes);
	g->now_ms = 1000;
	gateway_publish(g, args);
}

void gateway_fini(struct gateway *g)
{
	snapshot_free(g->snapshot);
	if (spare.mem)
		munmap(spare.mem, spare.size);
	spare.mem = g->memory;
	spare.size = g->memory_size;
	madvise(spare.mem, spare.size, MADV_DONTNEED);
	free(g->out_bytes);
}

void gateway_publish(struct gateway *g, const struct gateway_args *args)
{
	struct snapshot *old = g->snapshot, *fresh = build(args, old);

	fresh->generation = old ? old->generation + 1 : 1;
	g->snapshot = fresh;
	for (unsigned i = 0; i < g->n_workers; i++)
		timers_advance(g->worker[i], fresh, g->now_ms);
	snapshot_free(old);
}

static void keep(struct gateway *g, const struct packet *p)
{
	struct gateway_out *o = &g->out[g->n_out];

	if (p->verdict.next != VERDICT_FORWARD)
		return;
	must(g->n_out < GATEWAY_OUT_MAX && g->out_used + p->len <= GATEWAY_OUT_BYTES);
	*o = (struct gateway_out){ .side = (enum side)p->out_side, .len = p->len,
				   .data = g->out_bytes + g->out_used };
	memcpy(o->data, p->data, p->len);
	o->packet = (struct packet){ .data = o->data, .len = p->len, .room = p->len, .off = p->off,
				     .side = p->out_side };
	o->packet.verdict = packet_parse(&o->packet);
	g->out_used += p->len;
	g->n_out++;
}

static void keep_all(struct gateway *g, const struct worker *w)
{
	for (uint16_t i = 0; i < w->out.n; i++)
		keep(g, &w->out.packet[i]);
}

static void run_until_quiet(struct gateway *g)
{
	uint32_t n;

	do {
		n = 0;
		for (unsigned i = 0; i < g->n_workers; i++) {
			n += pipeline_take(g->worker[i], g->snapshot, 64, g->now_ms);
			keep_all(g, g->worker[i]);
		}
	} while (n);
}

static unsigned arrives_at(struct gateway *g)
{
	g->misdeliver ^= g->misdeliver << 13;
	g->misdeliver ^= g->misdeliver >> 7;
	g->misdeliver ^= g->misdeliver << 17;
	return (unsigned)(g->misdeliver % g->n_workers);
}

struct verdict gateway_send(struct gateway *g, enum side side, const uint8_t *data, uint32_t len)
{
	return gateway_send_offload(g, side, data, len, &(struct offload){ 0 });
}

struct verdict gateway_send_offload(struct gateway *g, enum side side, const uint8_t *data,
				    uint32_t len, const struct offload *off)
{
	static struct batch b;
	static uint8_t bytes[PACKET_HEADROOM + PACKET_LEN_MAX];
	unsigned at = g->misdeliver ? arrives_at(g) :
				      owner_of(&g->snapshot->steer, data, len, side);
	struct worker *w = g->worker[at];

	must(len <= PACKET_LEN_MAX);
	memcpy(bytes + PACKET_HEADROOM, data, len);
	b.n = 1;
	b.packet[0] = (struct packet){ .data = bytes + PACKET_HEADROOM, .len = len,
				       .room = g->room ? g->room : len,
				       .headroom = PACKET_HEADROOM, .off = *off,
				       .side = (uint8_t)side };
	g->n_out = g->out_used = 0;
	pipeline_run(w, g->snapshot, &b, g->now_ms);
	g->last = b.packet[0].verdict;
	keep(g, &b.packet[0]);
	keep_all(g, w);
	run_until_quiet(g);
	return g->last;
}

/* Return: ms until one of them wants to be called again, at least a second. */
static uint32_t run_timers(struct gateway *g)
{
	uint32_t next = UINT32_MAX;

	for (unsigned i = 0; i < g->n_workers; i++) {
		uint32_t wait;

		do {
			wait = timers_advance(g->worker[i], g->snapshot, g->now_ms);
			keep_all(g, g->worker[i]);
		} while (wait == 0);
		next = wait < next ? wait : next;
	}
	return next > 1000 ? next : 1000;
}

void gateway_advance(struct gateway *g, uint64_t ms)
{
	uint64_t end = g->now_ms + ms;
	uint32_t step = 1000;

	g->n_out = g->out_used = 0;
	do {
		g->now_ms = end - g->now_ms > step ? g->now_ms + step : end;
		step = run_timers(g);
		run_until_quiet(g);
		if (gateway_flows(g) == 0)
			step = UINT32_MAX;
	} while (g->now_ms < end);
}

uint64_t gateway_drops(const struct gateway *g, enum drop_reason why)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < g->n_workers; i++)
		n += counter_read(&g->worker[i]->drop[why]);
	return n;
}

uint32_t gateway_flows(const struct gateway *g)
{
	uint32_t n = 0;

	for (unsigned i = 0; i < g->n_workers; i++)
		n += g->worker[i]->flows.pool.used;
	return n;
}
