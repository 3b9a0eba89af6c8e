/*
 * services.h - dual-stack load balancing by rewriting packets: VIPs, nodes, schedulers.
 *
 * Glossary: a *VIP* is an address of a service; a *node* (backend) serves it. Direction 0 of a flow
 * comes from the client, direction 1 from the node. A node is *up*, *down*, or *draining*.
 */
#pragma once
#include <stdbool.h>
#include "sixgate/base/arena.h"
#include "sixgate/base/counter.h"
#include "sixgate/flow/flow.h"
#include "sixgate/flow/steer.h"
#include "sixgate/flow/table.h"
#include "sixgate/services/conf.h"

enum node_state { NODE_UP, NODE_DOWN, NODE_DRAINING, N_NODE_STATES };

/** At most this many nodes and services over all, by slot. */
enum { SERVICES_NODE_SLOTS = 4096, MAGLEV_SIZE = 65537 };

/**
 * struct services_table - section `services:` with node states, compiled; immutable, part of a
 * snapshot. A node keeps its slot, named by service and node name, while it is configured.
 */
struct services_table;

/**
 * struct node_status - what health and the operator say of one node now
 * @ramp_percent: slow start: the share of its weight that it gets for now; 0 stands for all of it
 * @why: for `nodes`: never NULL; copied
 */
struct node_status {
	enum node_state state;
	uint8_t ramp_percent;
	const char *why;
};

/**
 * struct services_input - what a table is made of; all borrowed for the call
 * @status: of the nodes in the order of @conf (service by service)
 * @prev:   running table, whose slots are kept, or NULL
 * @onlink: prefixes on-link on inside interfaces, either family: a client on its node's own link
 *          is translated, for the node would answer it directly
 */
struct services_input {
	const struct services_conf *conf;
	const struct node_status *status;
	const struct services_table *prev;
	const struct prefix *onlink;
	uint32_t n_onlink;
};

/**
 * services_table_new() - compile
 * @s: steering under construction, nat64's pool already in it: VIPs, nodes, sources and
 *     embed-prefixes are added. With sources its block tables are copied into a longer array, which
 *     belongs to the new services_table and so lives as long as the snapshot of both.
 *
 * Return: 0 with @out owned by the caller; -EINVAL, -ENOSPC, -ENOMEM. Control thread.
 */
int services_table_new(struct services_table **out, const struct services_input *in,
		       struct steering *s, struct err *e);
void services_table_free(struct services_table *t);

/**
 * services_probe_address() - where a check of one node *through the data plane* connects to, on
 * the node's service port: an internal address that only this host uses, whose flow always goes to
 * that node, with a source that the node sees as it sees a client (so that it must answer through
 * us). @service, @node: places in the configuration; the node's within its service.
 */
struct addr services_probe_address(unsigned service, unsigned node);
/** services_probe_prefix() - the /64 of these addresses: routed to our inside device. */
struct prefix services_probe_prefix(void);
/** services_probe_client() - the host's own end of these checks: an address of the inside device,
 *  in the same /64. */
struct addr services_probe_client(void);

/** services_probe_source() - the client that a node sees in these checks when the service has
 *  neither an IPv4 VIP nor a source: in the same /64, and the only address of it that a wire carries. */
struct addr services_probe_source(void);

/** services_claims_vip() - @a is a VIP (of any service, any port) or a probe address. */
bool services_claims_vip(const struct services_table *t, const struct addr *a);
/** services_claims_node() - (@a, @port, @proto) is a node's service endpoint: packets from there
 *  without a flow are dropped, never taken by another policy. */
bool services_claims_node(const struct services_table *t, const struct addr *a, be16 port,
			  uint8_t proto);
/** services_has_node() - @a is the address of some node: for what has no port to tell by. */
bool services_has_node(const struct services_table *t, const struct addr *a);
/** services_stands_for_client() - @a is in an embed-prefix: an IPv4 client, as nodes see it. */
bool services_stands_for_client(const struct services_table *t, const struct addr *a);
/** services_claims_client() - @a is an address we give to clients (source, embed-prefix, probes). */
bool services_claims_client(const struct services_table *t, const struct addr *a);

/** struct services - one worker's share: live flows per node, stored SYNs, sweep position. */
struct services;
struct services *services_layout(struct arena *a, unsigned worker, const struct hash_key *key);

/** services_admit() - a first packet to a VIP. As nat64_admit_inside(): the node's count is held.
 *  @flows: to find a free port when the source is translated (services own no port blocks: a key
 *  that is free in this worker's blocks of the table will do). */
struct verdict services_admit(struct services *v, const struct services_table *t,
			      const struct steering *steer, const struct flow_table *flows,
			      const struct packet *p, struct flow_plan *plan, uint64_t now_ms);

/**
 * services_tcp_event() - called for each TCP packet of a flow before it is rewritten, and for each
 * ICMP error about one
 *
 * Moves a SYN that was refused (by a RST from the node, or an ICMP error of the kind unreachable
 * from its side: a firewall, or our own kernel that does not find it on the link) or is retransmitted unanswered to another node,
 * by flow_table_rekey() and, for a refusal, by sending the stored SYN again through @again (a copy
 * of the client's packet, to be translated by the caller as direction 0).
 * Return: verdict_continue() to go on and forward the packet, or a drop (DROP_NODE_REFUSED) for a
 * refusal that the client must not see.
 */
struct verdict services_tcp_event(struct services *v, const struct services_table *t,
				  struct flow_table *flows, uint32_t index, unsigned dir,
				  const struct packet *p, struct outbox *out,
				  struct packet **again, uint64_t now_ms);

/** services_flow_ended() - @f goes, or could not be made: its node's count is given back. */
void services_flow_ended(struct services *v, const struct flow *f);
/** services_flow_stale() - its node is down or gone: both ends get a reset. Draining nodes keep
 *  their flows: when their time is up, health says that they are down. A connection attempt that no
 *  node has answered yet is not stale: the client's next SYN moves it. */
bool services_flow_stale(const struct services_table *t, const struct flow *f);
/** services_idle_timeout_ms() - of the flow's service. */
uint32_t services_idle_timeout_ms(const struct services_table *t, const struct flow *f);

/** services_error_source() - outer source of an ICMP error in direction @dir. */
struct addr services_error_source(const struct services_table *t, const struct flow *f,
				  unsigned dir, const struct addr *src);

/** struct node_record - a node as shown to people; counters summed over workers by the caller. */
struct node_record {
	const char *service, *name, *zone, *why;
	struct addr address;
	uint16_t port;
	enum node_state state;
	uint32_t weight, slot;
};
/** services_node_records() - Return: number written, at most @max. Borrows from @t. */
uint32_t services_node_records(const struct services_table *t, struct node_record *out, uint32_t max);
/** services_node_flows() - live flows of node slot @slot in this worker; any thread. */
uint64_t services_node_flows(const struct services *v, uint32_t slot);
/** services_node_total() - flows ever given to the node in this worker; any thread. */
uint64_t services_node_total(const struct services *v, uint32_t slot);
/** services_node_failed() - connection attempts it refused or left unanswered; any thread. */
uint64_t services_node_failed(const struct services *v, uint32_t slot);
