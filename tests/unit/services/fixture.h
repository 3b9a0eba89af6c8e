/*
 * fixture.h - one service `s3` with a VIP of each family and nodes of both, one worker's table and
 * share. Packets go through it as the pipeline would send them.
 */
#pragma once
#include "build.h"
#include "sixgate/flow/tcp.h"
#include "sixgate/services/services.h"

enum { NODES_MAX = 8, WORKERS = 4, FLOWS = 100000, TCP = 6, UDP = 17 };

/** struct fixture - change @conf, @node and @status, then fixture_build(). */
struct fixture {
	struct service_conf conf[2];
	struct services_conf services;
	struct node_conf node[2][NODES_MAX];
	struct node_status status[2 * NODES_MAX];
	struct prefix onlink[4];
	uint32_t n_onlink;

	struct steering *steer;
	struct services_table *table;
	struct flow_table flows;
	struct services *v;
	struct outbox out;
	uint8_t *memory[2];
	struct packet packets[64];
	uint8_t bytes[2048];
	struct packet p;
	uint64_t now_ms;
};

struct addr addr_of(const char *text);
struct prefix prefix_of(const char *text);

/** fixture_new() - not built yet: all nodes up, scheduler p2c, client addresses embedded. Owned by
 *  the caller. @worker: 0 to WORKERS - 1; @n_workers: 1 to WORKERS. */
struct fixture *fixture_new(unsigned worker, unsigned n_workers);
void fixture_free(struct fixture *x);

/** fixture_build() - a table from the present values, its slots kept from the last one. Return: as
 *  services_table_new(). */
int fixture_build(struct fixture *x);
struct node_conf *fixture_add_node(struct fixture *x, unsigned service, const char *name,
				   const char *address);

/** fixture_syn() - x->p becomes a parsed SYN from @client to @vip (port 9000) that came in outside. */
void fixture_syn(struct fixture *x, const char *client, uint16_t port, const char *vip);
void fixture_segment(struct fixture *x, const struct tuple *t, struct tcp_args args, enum side side);
/** fixture_open() - SYN, admission, flow. Return: its index, FLOW_NONE with the verdict in x->p. */
uint32_t fixture_open(struct fixture *x, const char *client, uint16_t port, const char *vip);
void fixture_end(struct fixture *x, uint32_t index);
/** fixture_event() - a segment of flow @index in direction @dir to services_tcp_event(). */
struct verdict fixture_event(struct fixture *x, uint32_t index, unsigned dir, struct tcp_args args,
			     struct packet **again);

/** fixture_name() - of the node that flow @index belongs to now. */
const char *fixture_name(const struct fixture *x, uint32_t index);
uint32_t fixture_slot(const struct fixture *x, const char *service, const char *node);
