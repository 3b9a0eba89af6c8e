/*
 * core.c - what pipeline_run() costs: established UDP flows of each policy in random order, 64-byte
 * class, batches of 256 in memory, one core; flow creation, in memory that was never touched and
 * again after all have expired; expiry; bytes a flow.
 *
 * Clocks are those of the TSC. A batch is built before the clock starts and thrown away after it
 * stops, so what is measured is the whole path but the generator. *Quiet* is what the quickest tenth
 * of the batches cost at most: on a machine that others use it moves less than the median of the
 * rounds. Prints a table, or JSON.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>
#include "build.h"
#include "gateway.h"
#include "sixgate/base/must.h"
#include "sixgate/packet/parse.h"

enum { PAYLOAD = 18, PACKET_BYTES = 128, ROUNDS = 5, BATCHES = 4000, BATCHES_MANY = 8000,
       MANY = 200000, A_HOST = 60000, AGAIN_MIN = 100000, AGAIN_MOST = 2000000, IDLE_MS = 1000000,
       BYTES_A_FLOW = 320 /* resident at most, our own list included */ };

enum load { LOAD_NAT64, LOAD_EGRESS6, LOAD_SERVICES, LOAD_MIXED, N_LOADS };
enum way { THERE, BACK, BOTH, N_WAYS };

/* By a pointer that the compiler cannot see through: a function that is inlined here would have no name
 * for who counts its instructions. */
static void (*volatile run_pipeline)(struct worker *w, const struct snapshot *s, struct batch *b,
				     uint64_t now_ms) = pipeline_run;

static const char *const load_name[N_LOADS] = { "nat64", "egress6", "services", "mixed" };
static const char *const way_name[N_WAYS] = { "6to4", "4to6", "both" };

/** struct answer - what comes back to a flow. */
struct answer {
	struct tuple key;
	uint8_t side;
};

/** struct clocks - of one packet, or one flow. */
struct clocks {
	double median, least, most, quiet;
};

/** struct figures - of one row. */
struct figures {
	struct clocks way[N_WAYS], again;
	double creation, creation_quiet, expiry, bytes;
};

static struct gateway g;
static struct batch batch;
static struct answer *answers; /* one a flow */
static uint8_t buffers[BATCH_MAX][PACKET_HEADROOM + PACKET_BYTES];
static double each[ROUNDS * BATCHES_MANY]; /* clocks a packet, or a flow made, of each batch */
static uint32_t n_each;
static uint64_t seed = 88172645463325252;

static uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* Resident bytes of the process. */
static size_t resident(void)
{
	unsigned long size = 0, pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	must(f && fscanf(f, "%lu %lu", &size, &pages) == 2);
	fclose(f);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static bool is_enough_memory(enum load load, uint32_t n)
{
	size_t need = (size_t)n * BYTES_A_FLOW >> 20, have = 0;
	FILE *f = fopen("/proc/meminfo", "r");
	char line[128];

	must(f);
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, "MemAvailable:", 13))
			have = strtoull(line + 13, NULL, 10) >> 10;
	fclose(f);
	if (have < need)
		fprintf(stderr, "core: %s with %u flows left out: it needs %zu MiB of memory, %zu are free\n",
			load_name[load], n, need, have);
	return have >= need;
}

static struct tuple flow_tuple(enum load load, uint32_t i)
{
	static const char *const to[] = { "64:ff9b::203.0.113.1", "2001:db8:2::1", "2001:db8:3::1" };
	static struct addr from, dst[LOAD_MIXED];
	enum load policy = load == LOAD_MIXED ? i % LOAD_MIXED : load;
	struct tuple t = { .proto = 17, .dport = be16_from(53) };

	if (!from.word[0]) {
		must(addr_parse("2001:db8:1::", &from) == 0);
		for (int k = 0; k < LOAD_MIXED; k++)
			must(addr_parse(to[k], &dst[k]) == 0);
	}
	t.src = from;
	t.dst = dst[policy];
	store32(t.src.octet + 12, i / A_HOST + 1);
	t.sport = be16_from((uint16_t)(1024 + i % A_HOST));
	return t;
}

static void place(const struct tuple *t, enum side side)
{
	uint8_t *at = buffers[batch.n] + PACKET_HEADROOM;

	batch.packet[batch.n++] = (struct packet){ .data = at,
						   .len = build_udp(at, t, PAYLOAD),
						   .room = PACKET_BYTES,
						   .headroom = PACKET_HEADROOM,
						   .side = (uint8_t)side };
}

/* Return: clocks of the batch; each packet of it went through. */
static uint64_t run_batch(void)
{
	uint64_t t0 = __rdtsc(), spent;

	run_pipeline(g.worker[0], g.snapshot, &batch, g.now_ms);
	spent = __rdtsc() - t0;
	for (uint16_t k = 0; k < batch.n; k++)
		must(batch.packet[k].verdict.next == VERDICT_FORWARD);
	return spent;
}

static struct nat64_conf nat64_of(void)
{
	static struct pool4_conf range;
	struct nat64_conf c;

	nat64_conf_default(&c);
	range = (struct pool4_conf){ .port_first = 1024, .port_last = 65535,
				     .protocols = NAT64_TCP | NAT64_UDP | NAT64_ICMP };
	must(addr_parse("198.51.100.0", &range.first) == 0);
	must(addr_parse("198.51.100.255", &range.last) == 0);
	c.pool4 = &range;
	c.n_pool4 = 1;
	c.allow_private = true;
	return c;
}

static struct egress6_conf egress6_of(void)
{
	static struct prefix inside;
	struct egress6_conf c;

	must(prefix_parse("2001:db8:1::/64", &inside) == 0);
	egress6_conf_default(&c);
	c.prefix = &inside;
	c.n_prefix = 1;
	return c;
}

static struct services_conf services_of(void)
{
	static struct service_conf service;
	static struct node_conf node[4];

	service_conf_default(&service);
	strcpy(service.name, "bench");
	must(addr_parse("2001:db8:3::1", &service.address[0]) == 0);
	service.n_address = 1;
	service.protocol = 17;
	service.port = 53;
	service.client_address = CLIENT_KEEP;
	service.node = node;
	service.n_node = ARRAY_LEN(node);
	for (size_t i = 0; i < ARRAY_LEN(node); i++) {
		node_conf_default(&node[i]);
		snprintf(node[i].name, sizeof(node[i].name), "node%zu", i);
		must(addr_parse("2001:db8:4::1", &node[i].address) == 0);
		node[i].address.octet[15] = (uint8_t)(i + 1);
	}
	return (struct services_conf){ .service = &service, .n_service = 1 };
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void sort(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), compare);
}

static uint64_t note_batch(void)
{
	uint64_t spent = run_batch();

	if (n_each < ARRAY_LEN(each))
		each[n_each++] = (double)spent / batch.n;
	return spent;
}

/* Open every flow once; what comes back to it is noted. Return: clocks a flow. */
static double open_flows(enum load load, uint32_t n)
{
	uint64_t spent = 0;

	for (uint32_t i = 0; i < n;) {
		uint32_t first = i;

		for (batch.n = 0; batch.n < BATCH_MAX && i < n; i++) {
			struct tuple t = flow_tuple(load, i);

			place(&t, SIDE_INSIDE);
		}
		spent += note_batch();
		for (uint16_t k = 0; k < batch.n; k++) {
			struct packet *p = &batch.packet[k], out = { .data = p->data, .len = p->len,
								     .room = p->len };

			must(packet_parse(&out).next == VERDICT_CONTINUE);
			answers[first + k] = (struct answer){ tuple_reverse(&out.key), p->out_side };
		}
	}
	return (double)spent / n;
}

/* Return: clocks a flow. */
static double expire_flows(uint32_t n)
{
	uint64_t t0, spent = 0;

	must(gateway_flows(&g) == n);
	g.now_ms += IDLE_MS;
	while (gateway_flows(&g)) {
		t0 = __rdtsc();
		timers_advance(g.worker[0], g.snapshot, g.now_ms);
		spent += __rdtsc() - t0;
	}
	g.now_ms += IDLE_MS; /* ports have rested */
	while (timers_advance(g.worker[0], g.snapshot, g.now_ms) == 0)
		;
	return (double)spent / n;
}

/* Expire and open again what is open, until enough was. */
static void renew_flows(enum load load, uint32_t n, struct figures *f)
{
	double opened[AGAIN_MIN], expired[AGAIN_MIN];
	size_t rounds = 0;

	n_each = 0;
	do {
		expired[rounds] = expire_flows(n);
		opened[rounds++] = open_flows(load, n);
	} while (rounds * n < AGAIN_MIN || (rounds < ROUNDS && rounds * n < AGAIN_MOST));
	sort(opened, rounds);
	sort(each, n_each);
	sort(expired, rounds);
	f->again = (struct clocks){ .median = opened[rounds / 2], .least = opened[0],
				    .most = opened[rounds - 1], .quiet = each[n_each / 10] };
	f->expiry = expired[rounds / 2];
}

static void fill_batch(enum load load, uint32_t n, enum way way)
{
	for (batch.n = 0; batch.n < BATCH_MAX;) {
		uint64_t r = rnd();
		uint32_t i = (uint32_t)(r % n);
		bool there = way == THERE || (way == BOTH && r >> 63);
		struct tuple t = there ? flow_tuple(load, i) : answers[i].key;

		place(&t, there ? SIDE_INSIDE : (enum side)answers[i].side);
	}
}

static struct clocks clocks_a_packet(enum load load, uint32_t n, enum way way)
{
	uint32_t batches = n > MANY ? BATCHES_MANY : BATCHES;
	double round[ROUNDS] = { 0 };

	n_each = 0;
	for (uint32_t b = 0; b < ROUNDS * batches; b++) {
		fill_batch(load, n, way);
		round[b / batches] += (double)note_batch() / BATCH_MAX / batches;
	}
	sort(round, ROUNDS);
	sort(each, n_each);
	return (struct clocks){ .median = round[ROUNDS / 2], .least = round[0],
				.most = round[ROUNDS - 1], .quiet = each[n_each / 10] };
}

static double tsc_hz(void)
{
	struct timespec a, b, wait = { .tv_nsec = 100000000 };
	uint64_t t0 = __rdtsc();

	clock_gettime(CLOCK_MONOTONIC, &a);
	nanosleep(&wait, NULL);
	clock_gettime(CLOCK_MONOTONIC, &b);
	return (double)(__rdtsc() - t0) /
	       ((double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9);
}

static void print_json(enum load load, uint32_t n, double hz, const struct figures *f)
{
	printf("{\"load\": \"%s\", \"flows\": %u", load_name[load], n);
	for (int w = 0; w < N_WAYS && f->way[w].median; w++)
		printf(", \"clocks_%s\": %.1f, \"clocks_%s_quiet\": %.1f, \"mpps_%s\": %.2f",
		       way_name[w], f->way[w].median, way_name[w], f->way[w].quiet, way_name[w],
		       hz / f->way[w].median / 1e6);
	printf(", \"creations_per_s\": %.0f, \"creations_per_s_quiet\": %.0f", hz / f->creation,
	       hz / f->creation_quiet);
	if (f->expiry)
		printf(", \"creations_again_per_s\": %.0f, \"creations_again_per_s_quiet\": %.0f, "
		       "\"expiries_per_s\": %.0f",
		       hz / f->again.median, hz / f->again.quiet, hz / f->expiry);
	printf(", \"resident_bytes_per_flow_and_mapping\": %.1f}\n", f->bytes);
	fflush(stdout);
}

static void print_row(enum load load, uint32_t n, double hz, const struct figures *f)
{
	printf("%-8s %9u", load_name[load], n);
	for (int w = 0; w < N_WAYS; w++)
		printf("  %4.0f (%.0f-%.0f) %.0f", f->way[w].median, f->way[w].least, f->way[w].most,
		       f->way[w].quiet);
	printf("  %5.2f %5.2f (%.2f) %5.2f  %6.0f\n", hz / f->creation / 1e6,
	       hz / f->again.median / 1e6, hz / f->again.quiet / 1e6, hz / f->expiry / 1e6, f->bytes);
	fflush(stdout);
}

/* @all: or only what --one prints, whose instructions are counted: creation, there and back. */
static struct figures measure(enum load load, uint32_t n, bool all)
{
	struct nat64_conf nat64 = nat64_of();
	struct egress6_conf egress6 = egress6_of();
	struct services_conf services = services_of();
	struct gateway_args args = {
		.flows = n,
		.huge_pages = true,
		.nat64 = load == LOAD_NAT64 || load == LOAD_MIXED ? &nat64 : NULL,
		.egress6 = load == LOAD_EGRESS6 || load == LOAD_MIXED ? &egress6 : NULL,
		.services = load == LOAD_SERVICES || load == LOAD_MIXED ? &services : NULL,
		.inside = { "2001:db8:1::/64", "2001:db8:4::/64" } };
	struct figures f = { 0 };
	size_t before;

	answers = malloc(n * sizeof(*answers));
	must(answers);
	memset(answers, 1, n * sizeof(*answers));
	gateway_init(&g, &args);
	before = resident();
	n_each = 0;
	f.creation = open_flows(load, n);
	sort(each, n_each);
	f.creation_quiet = each[n_each / 10];
	f.bytes = (double)(resident() - before) / n;
	for (enum way w = 0; w < (all ? N_WAYS : BOTH); w++)
		f.way[w] = clocks_a_packet(load, n, w);
	if (all)
		renew_flows(load, n, &f);
	gateway_fini(&g);
	free(answers);
	return f;
}

static void run_all(double hz, bool json)
{
	static const struct {
		enum load load;
		uint32_t flows;
	} row[] = {
		{ LOAD_NAT64, 1 }, { LOAD_NAT64, 1000 }, { LOAD_NAT64, 100000 }, { LOAD_NAT64, 1000000 },
		{ LOAD_NAT64, 10000000 }, { LOAD_EGRESS6, 1000 }, { LOAD_EGRESS6, 1000000 },
		{ LOAD_SERVICES, 1000 }, { LOAD_SERVICES, 1000000 }, { LOAD_MIXED, 1000 },
		{ LOAD_MIXED, 1000000 },
	};

	if (!json)
		printf("TSC %.0f MHz; clocks a packet: median (least-most) quiet; M/s: flows made, made again "
		       "(quiet), expired; bytes a flow\n"
		       "load         flows  6->4 / there        4->6 / back         both                 "
		       "new   again        ended  bytes\n",
		       hz / 1e6);
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct figures f;

		if (!is_enough_memory(row[i].load, row[i].flows))
			continue;
		f = measure(row[i].load, row[i].flows, true);
		(json ? print_json : print_row)(row[i].load, row[i].flows, hz, &f);
	}
}

int main(int argc, char **argv)
{
	bool json = argc == 2 && !strcmp(argv[1], "--json");
	bool one = (argc == 3 || argc == 4) && !strcmp(argv[1], "--one");
	enum load load = LOAD_NAT64;
	double hz = tsc_hz();

	while (one && argc == 4 && load < N_LOADS && strcmp(argv[3], load_name[load]))
		load++;
	if ((argc > 1 && !json && !one) || load == N_LOADS) {
		fprintf(stderr, "usage: core [--json | --one FLOWS [nat64 | egress6 | services | mixed]]\n");
		return 64;
	}
	if (one) {
		uint32_t n = (uint32_t)strtoul(argv[2], NULL, 10);
		struct figures f = measure(load, n, false);

		print_json(load, n, hz, &f);
		return 0;
	}
	run_all(hz, json);
	return 0;
}
