/*
 * gateway.h - a whole data plane without I/O, for tests and benchmarks: workers, one snapshot, and
 * what came out.
 */
#pragma once
#include "sixgate/dataplane/worker.h"

enum { GATEWAY_OUT_MAX = 4096, GATEWAY_OUT_BYTES = 4 << 20 };

/** struct gateway_out - a packet that left; @data is valid until the next call. */
struct gateway_out {
	enum side side;
	uint8_t *data;
	uint32_t len;
	struct packet packet; /* parsed again: facts of what left */
};

struct gateway_args {
	unsigned n_workers; /* default 1 */
	uint32_t flows;     /* of each worker; default 1024 */
	bool huge_pages;    /* as the program asks for them; tests touch little of the memory */
	const struct nat64_conf *nat64;
	const struct siit_conf *siit;
	const struct egress6_conf *egress6;
	const struct services_conf *services;
	const char *inside[4]; /* prefixes whose sources may come from inside */
};

/**
 * struct gateway - owned by the test, released by gateway_fini()
 * @misdeliver: 0, or the state of a generator that picks the worker a packet arrives at
 * @room:       bytes behind the start of a packet that may be written; 0: as many as it has
 * @why:        of the packet that was sent last
 */
struct gateway {
	unsigned n_workers;
	struct worker *worker[STEER_WORKERS_MAX];
	struct snapshot *snapshot;
	void *memory;
	size_t memory_size;
	uint64_t now_ms, misdeliver;
	uint32_t room;
	struct verdict last;
	struct gateway_out out[GATEWAY_OUT_MAX];
	uint32_t n_out;
	uint8_t *out_bytes;
	uint32_t out_used;
};

void gateway_init(struct gateway *g, const struct gateway_args *args);
void gateway_fini(struct gateway *g);

/** gateway_publish() - a new snapshot from @args; the old one is freed. */
void gateway_publish(struct gateway *g, const struct gateway_args *args);

/** gateway_send() - one packet in on @side; afterwards out[0..n_out) is what left because of it.
 *  Return: its verdict where it was decided (VERDICT_HELD when it was handed on). */
struct verdict gateway_send(struct gateway *g, enum side side, const uint8_t *data, uint32_t len);

/** gateway_send_offload() - the same for a packet with work left over, as a TUN device hands it on. */
struct verdict gateway_send_offload(struct gateway *g, enum side side, const uint8_t *data,
				    uint32_t len, const struct offload *off);

/** gateway_advance() - time goes on by @ms, timers run to their end; out[] is what they sent. */
void gateway_advance(struct gateway *g, uint64_t ms);

/** gateway_drops() - over all workers. gateway_flows(): live now. */
uint64_t gateway_drops(const struct gateway *g, enum drop_reason why);
uint32_t gateway_flows(const struct gateway *g);
