/* services_internal.h - what the files of this room share. */
#pragma once
#include "sixgate/services/services.h"
#include "sixgate/translate/rfc6052.h"

enum {
	NODE_NONE = UINT16_MAX,   /* no such node */
	SHARE_UNIT = 4096,        /* share of a node of weight 1 */
	SYN_SLOTS = 4096,         /* connection attempts remembered, per worker; power of two */
	SYN_BYTES = 100,          /* the longest SYN that is kept: 40 of IPv6, 60 of TCP */
	SYN_TRIED_MAX = 4,        /* nodes that one attempt may use */
	SYN_PATIENCE_MS = 200,    /* a copy that comes sooner is no retransmission */
	SYN_HALF_OPEN_MS = 30000, /* lifetime until the client has answered the node's SYN-ACK */
	SUSPECT_AFTER = 3,        /* attempts in a row that a node may fail */
	SUSPECT_MS = 2000,        /* then it is passed over, doubling up to ... */
	SUSPECT_DOUBLINGS = 4,    /* ... this many times */
	PORT_TRIES = 512,         /* ports looked at for one flow */
	PORT_FIRST = 1024,        /* the lowest that a translated client gets */
	WHY_MAX = 128
};

/**
 * struct node - hot part of a node, in the order of the configuration
 * @service: index into the table's services
 * @share:   what the schedulers weigh it by; 0: takes no new flows
 */
struct node {
	struct addr address;
	be16 port;
	uint16_t service;
	uint16_t slot, generation;
	uint32_t share;
	uint8_t state; /* enum node_state */
	bool is_v4;
};

/** struct node_text - the part that is only shown. */
struct node_text {
	char name[SERVICE_NAME_MAX], zone[SERVICE_NAME_MAX], why[WHY_MAX];
	uint32_t weight;
};

/**
 * struct service - one service, compiled
 * @node_at, @n_node: its nodes in the table's array
 * @candidate:  indexes of the nodes that take new flows; @ends[i] is the sum of the shares of
 *              candidate[0..i]
 * @maglev:     MAGLEV_SIZE entries, each a position in @candidate; NULL with other schedulers and
 *              without candidates. @maglev_mark: of what it was built from
 */
struct service {
	char name[SERVICE_NAME_MAX];
	uint32_t slot;
	uint8_t protocol, scheduler, client_address;
	bool has_embed, has_source_v4, has_source_v6, has_v4_vip;
	be16 port;
	struct pool6 embed;
	struct addr source_v4, source_v6;
	uint32_t row_v4, row_v6; /* of the sources, in the table's @block */
	uint32_t idle_timeout_ms;
	uint32_t node_at, n_node;
	uint32_t n_candidate;
	uint16_t *candidate;
	uint32_t *ends;
	uint16_t *maglev;
	uint64_t maglev_mark;
};

/** enum place_kind - what an address, perhaps with a port, is to us. */
enum place_kind { PLACE_FREE, PLACE_VIP_ADDRESS, PLACE_VIP, PLACE_NODE, PLACE_NODE_ADDRESS, PLACE_CLIENT };

/** struct place - one entry of the map; @port and @proto are 0 for whole addresses. */
struct place {
	struct addr addr;
	be16 port;
	uint8_t proto, kind;
	uint32_t value; /* PLACE_VIP: index of the service */
};

/** struct place_map - open addressing, at most half full. */
struct place_map {
	struct place *place;
	uint32_t mask;
};

struct services_table {
	uint32_t n_service, n_node, n_onlink;
	struct service *service;
	struct node *node;
	struct node_text *text;
	struct prefix *onlink;
	struct place_map map;
	uint8_t (*block)[STEER_BLOCKS]; /* of the whole steering; @own_row: our first in it */
	uint32_t own_row, n_own_row, probe_row;
	uint8_t service_of_slot[SERVICES_MAX];        /* index + 1; 0 when free */
	uint16_t node_of_slot[SERVICES_NODE_SLOTS];   /* index; NODE_NONE when free */
	uint16_t generation[SERVICES_NODE_SLOTS];     /* of every slot, free ones too */
};

/**
 * struct node_load - what one worker knows of a node slot
 * @live, @total, @failed: written by the worker, read by anybody
 * @turn:       round-robin's running balance
 * @n_failures: attempts that failed in a row; @suspect_until_ms: passed over until then
 */
struct node_load {
	counter64 live, total, failed;
	int64_t turn;
	uint64_t suspect_until_ms;
	uint32_t n_failures;
};

/**
 * struct syn - one connection attempt that its node has not answered
 * @hash: of the client's tuple under the worker's key; 0 when the slot is free
 * @sent_ms: when its SYN went to a node last
 * @seq:  of the SYN; another one is another attempt
 * @tried: node slots
 * @len:  bytes kept; 0 when the SYN was too long to keep: then it can move only when the client
 *        sends it again
 */
struct syn {
	uint64_t hash;
	uint32_t sent_ms, seq;
	uint16_t tried[SYN_TRIED_MAX];
	uint8_t n_tried, len, side;
	bool csum_partial;
	uint8_t bytes[SYN_BYTES];
};
_Static_assert(sizeof(struct syn) == 128, "a stored SYN is two cache lines");

struct services {
	unsigned worker;
	struct hash_key key;
	uint64_t random;  /* state of the schedulers' generator */
	uint64_t n_ports; /* ports asked for; makes each choice independent */
	struct node_load *load; /* [SERVICES_NODE_SLOTS] */
	struct syn *syn;        /* [SYN_SLOTS] */
};

/* place.c */

/** services__map_new() - room for @n places. Return: 0 or -ENOMEM. */
int services__map_new(struct place_map *m, uint32_t n);
void services__map_add(struct place_map *m, const struct place *p);
const struct place *services__map_find(const struct place_map *m, enum place_kind kind,
				       const struct addr *a, be16 port, uint8_t proto);

/* maglev.c */

/** struct maglev_entry - one that shares a table; @id: of its name, the same on every gateway. */
struct maglev_entry {
	uint64_t id;
	uint32_t share; /* at least 1 */
};

/** services__maglev_build() - fill @table (MAGLEV_SIZE) with positions in @entry, @n at least 1
 *  and at most SERVICE_NODES_MAX. Pure. */
void services__maglev_build(uint16_t *table, const struct maglev_entry *entry, uint32_t n);
/** services__maglev_hash() - place in the table for attempt number @attempt of a client's flow. */
uint32_t services__maglev_hash(const struct tuple *key, uint32_t attempt);

/* claims.c */

/** services__service_of_vip() - of a client's tuple. NULL: not a VIP, or not with this port. */
const struct service *services__service_of_vip(const struct services_table *t,
					       const struct tuple *client);

/* slots.c */

/** services__keep_slots() - give each service and node of @t its slot and generation. @prev: NULL
 *  or the running table. Return: 0 or -ENOSPC. */
int services__keep_slots(struct services_table *t, const struct services_table *prev, struct err *e);

/* steering.c */

/** services__add_steering() - VIPs, nodes, sources and embed-prefixes. */
int services__add_steering(struct services_table *t, const struct services_conf *conf,
			   struct steering *s, struct err *e);

/* shares.c */

/** services__shares() - set share of each node of service @s (state, weight, zone, slow start) and
 *  its candidates. */
void services__shares(struct services_table *t, struct service *s, const struct service_conf *c,
		      const struct node_status *status);

/* schedule.c */

/** struct wish - what a node is wanted for; @tried: node slots that it must not be. */
struct wish {
	const struct tuple *key;
	uint16_t tried[SYN_TRIED_MAX];
	uint32_t n_tried;
	uint64_t now_ms;
};

/** services__choose() - Return: node index, or NODE_NONE when every candidate was tried. */
uint32_t services__choose(struct services *v, const struct services_table *t,
			  const struct service *s, const struct wish *wish);
void services__node_failed(struct services *v, const struct services_table *t,
			   const struct service *s, uint32_t slot, uint64_t now_ms);
static inline void services__node_answered(struct services *v, uint32_t slot)
{
	v->load[slot].n_failures = 0;
}

/* seen.c */

/**
 * struct seen - how a node sees a client
 * @owner: worker of each port block, when the address is one of our sources; NULL when it is the
 *         client's own or holds it
 */
struct seen {
	struct addr addr;
	const uint8_t *owner;
};

/** services__seen_as() - Return: false without an address to show to this node. */
bool services__seen_as(const struct services_table *t, const struct service *s,
		       const struct node *n, const struct addr *client, struct seen *seen);

/** struct admission - what is the same for every try to place one flow. */
struct admission {
	struct services *v;
	const struct services_table *t;
	const struct flow_table *flows;
};

/** services__way_back() - tuple of the packets that come from node @n for the client with tuple
 *  @client. Return: a continue; DROP_NODE_FAMILY without an address to show to the node;
 *  DROP_FLOW_CONFLICT without a free port. */
struct verdict services__way_back(const struct admission *a, const struct service *s,
				  const struct node *n, const struct tuple *client,
				  struct tuple *back);
/** services__free_port() - choose back->dport so that @back is free and comes to this worker.
 *  Return: false when the ports that may be looked at are all taken. */
bool services__free_port(const struct admission *a, const struct seen *seen, be16 client_port,
			 struct tuple *back);

/* admit.c */

/** services__plan() - fill @plan, but for its keys, for a flow to @n and hold its counts. */
void services__plan(struct services *v, const struct services_table *t, const struct node *n,
		    enum side client_side, struct flow_plan *plan);

/* probe.c */

bool services__is_probe(const struct addr *a);
struct verdict services__admit_probe(const struct admission *a, const struct packet *p,
				     struct flow_plan *plan);
struct addr services__probe_source4(void); /* the client that probes stand for, of a v4 VIP */

/* syn.c */

void services__syn_store(struct services *v, const struct packet *p, uint32_t node_slot,
			 uint64_t now_ms);
void services__syn_forget(struct services *v, const struct tuple *client);

/* Uniform in 0..n-1; n at least 1. For spreading load: not secret. */
static inline uint32_t services__random(struct services *v, uint32_t n)
{
	uint64_t z = v->random += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return hash_range(z ^ z >> 31, n);
}
