/*
 * fuzz_pipeline.c - hostile packets, with hostile offload facts, through the whole data plane:
 * NAT64, egress6 and a service at once, two workers, time going on between packets.
 *
 * Input: records {kind, length high, length low, bytes}. Kind: bit 0 the side, bits 1-2 the worker
 * it arrives at, bit 3 offload facts precede the bytes, bits 4-7 how much time passes before.
 *
 * Not only "does not crash": what leaves is a packet that our own parser takes, each input packet
 * has a verdict with a reason of the table, and no flow is left after all timers have run.
 */
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "gateway.h"
#include "sixgate/base/must.h"
#include "sixgate/packet/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PACKETS_MAX = 32, N_WORKERS = 2, RECORD_HEADER = 3, OFFLOAD_BYTES = 9 };

static struct gateway g;

static struct addr a(const char *text)
{
	struct addr out;

	must(addr_parse(text, &out) == 0);
	return out;
}

static const struct services_conf *one_service(void)
{
	static struct node_conf nodes[2];
	static struct service_conf s;
	static struct services_conf all = { .service = &s, .n_service = 1 };

	service_conf_default(&s);
	memcpy(s.name, "s3", 3);
	s.address[s.n_address++] = a("198.51.100.20");
	s.address[s.n_address++] = a("2001:db8:ffff::20");
	s.protocol = IPPROTO_TCP;
	s.port = 9000;
	node_conf_default(&nodes[0]);
	node_conf_default(&nodes[1]);
	memcpy(nodes[0].name, "one", 4);
	memcpy(nodes[1].name, "two", 4);
	nodes[0].address = a("2001:db8:1::5");
	nodes[1].address = a("192.0.2.31");
	s.node = nodes;
	s.n_node = 2;
	s.source_v4 = a("198.51.100.21");
	s.source_v6 = a("2001:db8:64:21::");
	must(prefix_parse("2001:db8:64:20::/96", &s.embed_prefix) == 0);
	return &all;
}

static void start(void)
{
	static struct pool4_conf pool = { .port_first = 1024,
					  .port_last = 65535,
					  .protocols = NAT64_TCP | NAT64_UDP | NAT64_ICMP };
	static struct nat64_conf nat64;
	static struct egress6_conf egress6;
	static struct prefix inside;

	nat64_conf_default(&nat64);
	pool.first = pool.last = a("198.51.100.10");
	nat64.pool4 = &pool;
	nat64.n_pool4 = 1;
	nat64.allow_private = true;
	egress6_conf_default(&egress6);
	must(prefix_parse("2001:db8:1::/64", &inside) == 0);
	egress6.prefix = &inside;
	egress6.n_prefix = 1;
	gateway_init(&g, &(struct gateway_args){ .n_workers = N_WORKERS,
						 .flows = 256,
						 .nat64 = &nat64,
						 .egress6 = &egress6,
						 .services = one_service(),
						 .inside = { "2001:db8:1::/64" } });
}

static void take_offload(const uint8_t *at, struct offload *off)
{
	off->gso = at[0] % (GSO_UDP + 1);
	off->gso_ecn = at[0] >> 7;
	off->csum_partial = at[0] >> 6 & 1;
	off->gso_size = (uint16_t)(at[1] << 8 | at[2]);
	off->csum_start = (uint16_t)(at[3] << 8 | at[4]);
	off->csum_offset = (uint16_t)(at[5] << 8 | at[6]);
	off->hdr_len = (uint16_t)(at[7] << 8 | at[8]);
}

/* What leaves must be something that we would take ourselves. */
static void check_sent(struct packet *p, uint16_t n)
{
	for (struct packet *end = p + n; p < end; p++) {
		struct packet again = { .data = p->data,
					.len = p->len,
					.room = p->room,
					.headroom = p->headroom,
					.off = p->off,
					.side = p->out_side };
		struct verdict v;

		if (p->verdict.next != VERDICT_FORWARD)
			continue;
		must(p->out_side < N_SIDES && p->len > 0 && p->len <= PACKET_LEN_MAX);
		v = packet_parse(&again);
		must(v.next == VERDICT_CONTINUE || v.why == DROP_BAD_ICMP_CHECKSUM ||
		     v.why == DROP_ICMP_INNER);
		must(again.len == p->len);
	}
}

static void run_workers_dry(void)
{
	for (int round = 0; round < 4; round++)
		for (unsigned i = 0; i < N_WORKERS; i++) {
			while (pipeline_take(g.worker[i], g.snapshot, BATCH_MAX, g.now_ms))
				check_sent(g.worker[i]->out.packet, g.worker[i]->out.n);
			timers_advance(g.worker[i], g.snapshot, g.now_ms);
			check_sent(g.worker[i]->out.packet, g.worker[i]->out.n);
		}
}

/* In a block of exactly the room a port gives, so that ASan sees a step beside it. */
static void send_one(const uint8_t *data, uint32_t len, uint8_t kind)
{
	static struct batch b;
	struct worker *w = g.worker[(kind >> 1 & 3) % N_WORKERS];
	struct packet *p = &b.packet[0];
	uint8_t *mem;

	memset(p, 0, sizeof(*p));
	if (kind & 8 && len > OFFLOAD_BYTES) {
		take_offload(data, &p->off);
		data += OFFLOAD_BYTES;
		len -= OFFLOAD_BYTES;
	}
	mem = malloc(PACKET_HEADROOM + len);
	must(mem);
	memcpy(mem + PACKET_HEADROOM, data, len);
	p->data = mem + PACKET_HEADROOM;
	p->len = p->room = len;
	p->headroom = PACKET_HEADROOM;
	p->side = kind & 1;
	must(owner_of(&g.snapshot->steer, p->data, p->len, p->side) < g.n_workers);
	b.n = 1;
	pipeline_run(w, g.snapshot, &b, g.now_ms);
	must(p->verdict.why < DROP_N_REASONS);
	must(p->verdict.next != VERDICT_CONTINUE);
	must((p->verdict.next == VERDICT_DROP) == (p->verdict.why != DROP_NONE));
	check_sent(p, 1);
	check_sent(w->out.packet, w->out.n);
	free(mem);
	run_workers_dry();
}

static void forget_all_flows(void)
{
	for (int i = 0; i < 64 && gateway_flows(&g) > 0; i++) {
		g.now_ms += 4u << 20; /* an hour and more: longer than any timeout after a few */
		run_workers_dry();
	}
	must(gateway_flows(&g) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!g.snapshot)
		start();
	for (unsigned n = 0; n < PACKETS_MAX && size > RECORD_HEADER; n++) {
		uint8_t kind = data[0];
		uint32_t len = (uint32_t)data[1] << 8 | data[2];

		data += RECORD_HEADER;
		size -= RECORD_HEADER;
		len = len < size ? len : (uint32_t)size;
		g.now_ms += (uint64_t)(kind >> 4) * (kind >> 4) * 100;
		send_one(data, len, kind);
		data += len;
		size -= len;
	}
	forget_all_flows();
	return 0;
}
