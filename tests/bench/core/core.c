/*
 * core.c - what pipeline_run() costs: established NAT64 UDP flows in random order, 64-byte class,
 * batches of 256 in memory, one core; flow creation; bytes a flow.
 *
 * Clocks are those of the TSC. A batch is copied in before the clock starts and thrown away after
 * it stops, so what is measured is the whole path but the generator. Prints a table, or JSON.
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

enum { PAYLOAD = 18, PACKET_BYTES = 128, ROUNDS = 5 };

static struct gateway g;
static struct batch batch;
static uint8_t *frames; /* one built packet a flow */
static uint8_t buffers[BATCH_MAX][PACKET_HEADROOM + PACKET_BYTES];
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

static struct tuple flow_tuple(uint32_t i)
{
	struct tuple t = tuple_of("2001:db8:1::", "64:ff9b::203.0.113.1", 0, 53, 17);

	store32(t.src.octet + 12, i / 60000 + 1);
	t.sport = be16_from((uint16_t)(1024 + i % 60000));
	return t;
}

static void place(uint16_t slot, const uint8_t *frame, uint32_t len, enum side side)
{
	memcpy(buffers[slot] + PACKET_HEADROOM, frame, len);
	batch.packet[slot] = (struct packet){ .data = buffers[slot] + PACKET_HEADROOM,
					      .len = len,
					      .room = PACKET_BYTES,
					      .headroom = PACKET_HEADROOM,
					      .side = (uint8_t)side };
}

static struct nat64_conf pool(void)
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

/* Open every flow; frames[] becomes the packets of @side for established flows. */
static double open_flows(uint32_t n, uint8_t *back)
{
	uint64_t t0, spent = 0;

	for (uint32_t i = 0; i < n;) {
		uint32_t first = i;

		for (batch.n = 0; batch.n < BATCH_MAX && i < n; batch.n++, i++) {
			struct tuple t = flow_tuple(i);
			uint32_t len = build_udp(frames + (size_t)i * PACKET_BYTES, &t, PAYLOAD);

			place(batch.n, frames + (size_t)i * PACKET_BYTES, len, SIDE_INSIDE);
		}
		t0 = __rdtsc();
		pipeline_run(g.worker[0], g.snapshot, &batch, g.now_ms);
		spent += __rdtsc() - t0;
		for (uint16_t k = 0; k < batch.n; k++) {
			const struct packet *p = &batch.packet[k];
			struct tuple t = { .proto = 17 };

			must(p->verdict.next == VERDICT_FORWARD);
			t.src = addr_from_v4(p->data + 16);
			t.dst = addr_from_v4(p->data + 12);
			t.sport = load_be16(p->data + 22);
			t.dport = load_be16(p->data + 20);
			build_udp(back + (size_t)(first + k) * PACKET_BYTES, &t, PAYLOAD);
		}
	}
	return (double)spent / n;
}

static double clocks_a_packet(const uint8_t *from, uint32_t n, enum side side)
{
	uint32_t len = side == SIDE_INSIDE ? 48 + PAYLOAD : 28 + PAYLOAD;
	uint32_t batches = n > 200000 ? 8000 : 4000;
	uint64_t spent = 0;

	for (uint32_t b = 0; b < batches; b++) {
		uint64_t t0;

		for (batch.n = 0; batch.n < BATCH_MAX; batch.n++)
			place(batch.n, from + (size_t)(rnd() % n) * PACKET_BYTES, len, side);
		t0 = __rdtsc();
		pipeline_run(g.worker[0], g.snapshot, &batch, g.now_ms);
		spent += __rdtsc() - t0;
		for (uint16_t k = 0; k < BATCH_MAX; k++)
			must(batch.packet[k].verdict.next == VERDICT_FORWARD);
	}
	return (double)spent / batches / BATCH_MAX;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median_clocks(const uint8_t *from, uint32_t n, enum side side, double *least,
			    double *most)
{
	double round[ROUNDS];

	for (int i = 0; i < ROUNDS; i++)
		round[i] = clocks_a_packet(from, n, side);
	qsort(round, ROUNDS, sizeof(*round), compare);
	*least = round[0];
	*most = round[ROUNDS - 1];
	return round[ROUNDS / 2];
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

static void run(uint32_t n, double hz, bool json)
{
	struct nat64_conf conf = pool();
	struct gateway_args args = { .flows = n, .huge_pages = true, .nat64 = &conf, .inside = { "2001:db8:1::/64" } };
	double least[2], most[2], clocks[2], creation, bytes;
	uint8_t *back = calloc(n, PACKET_BYTES);
	size_t before;

	frames = calloc(n, PACKET_BYTES);
	must(frames && back);
	memset(frames, 1, (size_t)n * PACKET_BYTES);
	memset(back, 1, (size_t)n * PACKET_BYTES);
	gateway_init(&g, &args);
	before = resident();
	creation = open_flows(n, back);
	bytes = (double)(resident() - before) / n;
	clocks[0] = median_clocks(frames, n, SIDE_INSIDE, &least[0], &most[0]);
	clocks[1] = median_clocks(back, n, SIDE_OUTSIDE, &least[1], &most[1]);
	if (json)
		printf("{\"flows\": %u, \"clocks_6to4\": %.1f, \"clocks_4to6\": %.1f, "
		       "\"mpps_6to4\": %.2f, \"mpps_4to6\": %.2f, \"creations_per_s\": %.0f, "
		       "\"resident_bytes_per_flow_and_mapping\": %.1f}\n",
		       n, clocks[0], clocks[1], hz / clocks[0] / 1e6, hz / clocks[1] / 1e6,
		       hz / creation, bytes);
	else
		printf("%9u  %5.0f (%.0f-%.0f)  %5.2f   %5.0f (%.0f-%.0f)  %5.2f   %5.2f   %6.0f\n", n,
		       clocks[0], least[0], most[0], hz / clocks[0] / 1e6, clocks[1], least[1],
		       most[1], hz / clocks[1] / 1e6, hz / creation / 1e6, bytes);
	fflush(stdout);
	gateway_fini(&g);
	free(frames);
	free(back);
}

int main(int argc, char **argv)
{
	static const uint32_t counts[] = { 1, 1000, 100000, 1000000 };
	bool json = argc > 1 && !strcmp(argv[1], "--json");
	bool one = argc == 3 && !strcmp(argv[1], "--one");
	double hz = tsc_hz();

	if (argc > 1 && !json && !one) {
		fprintf(stderr, "usage: core [--json | --one FLOWS]\n");
		return 64;
	}
	if (one) {
		run((uint32_t)strtoul(argv[2], NULL, 10), hz, true);
		return 0;
	}
	if (!json)
		printf("TSC %.0f MHz; clocks a packet (least-most), Mpps; creations in M/s; bytes a flow "
		       "with its mapping\n"
		       "    flows  6->4            Mpps    4->6            Mpps    new/s  bytes\n",
		       hz / 1e6);
	for (size_t i = 0; i < ARRAY_LEN(counts); i++)
		run(counts[i], hz, json);
	return 0;
}
