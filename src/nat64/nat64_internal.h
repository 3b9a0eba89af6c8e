/*
 * nat64_internal.h - what the files of this room share.
 *
 * Glossary: a *slot* is the place of a pool address, in the table and in every worker; a *block*
 * is 64 ports of one address, owned by one worker; a *permit* says that a mapping has sessions with
 * an outside address (address-dependent filtering only). Ports are host integers in here.
 */
#pragma once
#include <netinet/in.h>
#include "sixgate/base/must.h"
#include "sixgate/base/pool.h"
#include "sixgate/flow/index.h"
#include "sixgate/nat64/event.h"
#include "sixgate/nat64/lend.h"
#include "sixgate/nat64/nat64.h"
#include "supply_internal.h"

enum {
	SLOT_MAP_SIZE = 2 * NAT64_POOL_MAX, /* open addressing, at most half full */
	SLOT_RANGES_MAX = 8,                /* of one protocol on one address, merged */
	TOLD_MAX = 64,
	RING_SIZE = 4096,                   /* which address an inside host is paired with */
	BIB_NONE = UINT32_MAX,
	NO_SLOT = UINT16_MAX
};

struct port_range {
	uint16_t first, last; /* inclusive */
};

/** struct pool_slot - a pool address; @generation changes when the address goes. @kept: it was there
 *  in the table before. */
struct pool_slot {
	struct addr addr;
	uint16_t generation;
	bool used, kept;
	uint8_t n_range[N_PROTOS];
	struct port_range range[N_PROTOS][SLOT_RANGES_MAX]; /* ascending, apart from one another */
};

/* table__range_add() - ranges that touch or overlap become one. Return: -ENOSPC when there would be
 * more than SLOT_RANGES_MAX of @proto. */
int table__range_add(struct pool_slot *s, enum protocol_index proto, struct port_range add);

/** struct static_entry - one entry of `static:`; @worker holds its mapping. */
struct static_entry {
	struct addr inside;
	uint16_t inside_port, outside_port;
	uint16_t slot;
	uint8_t proto; /* enum protocol_index */
	uint8_t worker;
};

/** struct lent_block - the block, over all slots, is to be @worker's. */
struct lent_block {
	uint32_t block;
	uint8_t worker;
};

/**
 * struct nat64_table - see nat64.h
 * @prefix: in the order of the configuration: the first is for peers of hosts that have used none
 * @prefix_place: of each prefix, which it keeps from table to table; @prefix_at: which has this
 * place, and 0 where none does
 * @map:    pool address -> slot + 1, 0 when empty
 * @ring:   keyed hash of an inside address -> the slot it is paired with; NO_SLOT without a pool
 * @serial: no other table's
 * @lent:   blocks that the next table gives to others; the control thread's
 * @given:  [n_slots] blocks that have ports, by protocol
 * @any:    has ports at all, by protocol and class
 * @entry:  by slot, protocol, outside port
 * @block:  owner of each port block; the steering borrows it
 * @moved:  [n_slots] blocks whose ports hosts of another worker may have had when they came to
 * their owner: not those that were lent
 * @refs:   snapshots that own it; the control thread's
 * @changed: serial of the first table in which the slot was what it is here; 0: never used
 * @pool_changed: serial of the first table with these addresses and ports, whichever worker has
 * them
 * @statics_changed: the same for static entries and all that says whose they are
 * @conf:   what it was made of; arrays are ours
 * @steer:  copy of the steering as far as it was built, to tell whose an inside host is
 */
struct nat64_table {
	struct pool6 prefix[NAT64_PREFIXES_MAX];
	uint8_t prefix_place[NAT64_PREFIXES_MAX], prefix_at[NAT64_PREFIXES_MAX];
	uint32_t n_prefix;
	bool allow_private;
	bool address_dependent;
	uint32_t serial;
	uint32_t n_lent;
	struct lent_block lent[4 * NAT64_LOAN_MAX];
	uint32_t n_slots; /* highest used + 1 */
	uint32_t n_static;
	struct pool_slot slot[NAT64_POOL_MAX];
	uint16_t map[SLOT_MAP_SIZE];
	uint16_t ring[RING_SIZE];
	uint64_t (*given)[N_PROTOS][BLOCK_WORDS];
	bool any[N_PROTOS][N_CLASSES];
	struct nat64_limits limits;
	struct nat64_quarantine quarantine;
	bool port_parity;
	uint8_t log_what;
	uint32_t shared_slot; /* whose address is the alias of @shared_real; or NO_SLOT */
	struct addr shared_real;
	uint32_t n_exempt;
	struct exempt_conf exempt[NAT64_EXEMPT_MAX];
	struct static_entry entry[NAT64_STATIC_MAX];
	uint8_t (*block)[STEER_BLOCKS];
	uint64_t (*moved)[BLOCK_WORDS];
	uint32_t refs;
	uint32_t changed[NAT64_POOL_MAX];
	uint32_t pool_changed, statics_changed;
	struct nat64_conf conf;
	struct steering steer;
};

/* lookup.c */
uint32_t table__map_home(const struct addr *a); /* where the search in @map begins */
uint32_t table__slot_of(const struct nat64_table *t, const struct addr *a); /* or NO_SLOT */
int table__prefix_of(const struct nat64_table *t, const struct addr *a);    /* or -1 */
/* The address that hosts know for @a: the shared address instead of its alias. */
struct addr table__shown(const struct nat64_table *t, const struct addr *a);
/* Nothing is translated to @v4, as hosts know it, and @port of @proto. */
bool table__is_exempt(const struct nat64_table *t, const struct addr *v4, enum protocol_index proto,
		      uint16_t port);
/* Becomes the alias where @a is the shared address and @port, of TCP or UDP, is ours and not the host's. */
void table__take_shared(const struct nat64_table *t, enum protocol_index proto, uint16_t port,
			struct addr *a);
/* Ports of @block that the configuration gives to @proto, as bits. */
uint64_t table__ports_of(const struct pool_slot *s, enum protocol_index proto, unsigned block);
/* The worker to which packets of an inside host go. */
unsigned table__worker_of(const struct nat64_table *t, const struct addr *inside);
/* By slot, protocol, outside port. */
int table__entry_compare(const struct static_entry *x, const struct static_entry *y);
/* The entry for the outside transport address of @like, or NULL. */
const struct static_entry *table__static_find(const struct nat64_table *t,
					      const struct static_entry *like);

/* remember.c: what a table was made of. Return: false without memory. */
bool remember__conf(struct nat64_conf *to, const struct nat64_conf *from);
void remember__forget(struct nat64_conf *c);
/* A table of the one would be a table of the other. */
bool remember__same(const struct nat64_conf *a, const struct nat64_conf *b);

/* pin.c: workers of static entries, their blocks and their inside hosts. */
int pin__statics(struct nat64_table *t, struct steering *s, struct err *e);

static inline bool bit_test(const uint64_t *words, unsigned bit)
{
	return words[bit >> 6] >> (bit & 63) & 1;
}

static inline void bit_set(uint64_t *words, unsigned bit)
{
	words[bit >> 6] |= 1ull << (bit & 63);
}

static inline void bit_clear(uint64_t *words, unsigned bit)
{
	words[bit >> 6] &= ~(1ull << (bit & 63));
}

static inline unsigned count_bits(uint64_t v)
{
	v -= v >> 1 & 0x5555555555555555;
	v = (v & 0x3333333333333333) + (v >> 2 & 0x3333333333333333);
	v = (v + (v >> 4)) & 0x0f0f0f0f0f0f0f0f;
	return (unsigned)(v * 0x0101010101010101 >> 56);
}

/* Ticks that are at least @time_s: the first one may have begun long before. */
static inline uint32_t quarantine_ticks(uint32_t time_s)
{
	return ((time_s * 1000 + (1u << QUARANTINE_SHIFT) - 1) >> QUARANTINE_SHIFT) + 1;
}

static inline enum port_class class_of(unsigned port)
{
	return port < 1024 ? CLASS_SYSTEM : CLASS_OTHER;
}

enum mapping_flag {
	MAPPING_STATIC = 1 << 0,
	MAPPING_SINGLE = 1 << 2, /* its port was given out by itself, not with a block */
	MAPPING_GONE = 1 << 1 /* off the indexes, without a port; held by sessions that are stale */
};

/**
 * struct mapping - a BIB entry
 * @inside:     of a free record the pool's
 * @n_sessions: that hold it: opened from inside, or from outside and complete
 * @n_inbound:  opened from outside and not complete; they hold nothing but the memory
 * @subscriber: whose it is; SUBSCRIBER_NONE for static entries
 * @proto_plus: enum protocol_index + 1; 0 for a free record
 * @prefix:     place of the NAT64 prefix that the inside host used last
 */
struct mapping {
	struct addr inside;
	uint64_t subscriber : SUBSCRIBER_BITS, n_sessions : 21, slot : 10, flags : 3, prefix : 3;
	uint16_t inside_port, outside_port;
	uint16_t generation;
	uint16_t n_inbound : 14, proto_plus : 2;
};
_Static_assert(sizeof(struct mapping) == 32, "32 bytes, and 13 in two indexes: 45");
_Static_assert(NAT64_INBOUND_PER_STATIC + 1 < 1 << 14, "n_inbound counts them, and one that comes");
_Static_assert(NAT64_PREFIXES_MAX <= 1 << 3, "three bits name one");
_Static_assert(NAT64_POOL_MAX <= 1 << 10, "ten bits name a slot");

/* Sessions on one mapping beyond which it takes no others; those that are not complete may follow. */
#define MAPPING_SESSIONS_MAX ((1u << 21) - 2 - NAT64_INBOUND_PER_STATIC)

/** struct permit - sessions of @mapping with the IPv4 address @outside (machine order). */
struct permit {
	uint32_t mapping;
	uint32_t outside;
	uint32_t n_sessions; /* 0: free */
	uint32_t next;       /* + 1 */
};

/* What a flow holds: a mapping, or a permit (and by it a mapping). */
enum { OBJECT_PERMIT = 1u << 31 };

/** enum lend_gauge - of ports above the system ports. The first four are summed up, of the others (seconds,
 *  see struct ports) the latest counts. */
enum lend_gauge {
	GAUGE_BLOCKS,
	GAUGE_FREE,
	GAUGE_PORTS,
	GAUGE_SINGLES,
	GAUGE_WANTED,
	GAUGE_NEWCOMER,
	N_GAUGES
};

/** struct lend_gauges - @holders: subscribers that have something of any protocol */
struct lend_gauges {
	counter64 of[N_PROTOS][N_GAUGES];
	counter64 holders;
};

/**
 * struct lending - between a worker and the control thread
 * @asked:  protocol and number of blocks that the worker is to set aside; 0: none
 * @own:    this worker's; @others: of all others together, which control tells it
 * @serial: of the table in use; 0: none
 * @aside:  what was set aside under it
 * @ring:   of @loan, to the control thread; @back_ring: of @back, from it
 */
struct lending {
	_Atomic uint32_t asked;
	struct lend_gauges own, others;
	uint32_t serial;
	uint32_t n_aside, aside[4 * NAT64_LOAN_MAX];
	struct spsc ring;
	struct nat64_loan loan[2 * NAT64_LOAN_MAX];
	struct spsc back_ring;
	struct nat64_loan back[4 * NAT64_LOAN_MAX]; /* as many as can be aside */
};

/**
 * struct statics - static entries that are not mappings yet
 * @waiting:    their addresses wait for their turn
 * @incomplete: there was no record for some
 * @displaced:  one has taken a host's place, whose flows nobody has looked for yet
 * @n_missing:  how many those are, once they were counted
 */
struct statics {
	bool waiting, incomplete, displaced;
	counter64 n_missing;
};

/**
 * struct nat64 - see nat64.h
 * @n_max:   mappings that hosts may have; static ones come on top
 * @inside, @outside: of mappings, by either transport address
 * @counter: how many random numbers were drawn
 * @static_at: mappings of the static entries
 * @now_ms:  of the call that is under way; @quarantine: of the table in use
 * @flows_free, @flows_all: room in the flow table, as it was told last; 0 and 0 at first
 * @told_s: when a quota or exhaustion was told last, by a hash of whose
 */
struct nat64 {
	struct hash_key index_key, pair_key, random_key;
	uint64_t counter;
	unsigned worker;
	uint32_t n_max, n_static;
	struct pool pool, permit_pool;
	struct mapping *mapping;
	struct index inside, outside;
	uint32_t *permit_head, n_permit_heads;
	struct permit *permit;
	struct ports ports;
	struct lending lending;
	struct statics statics;
	uint64_t now_ms;
	struct nat64_quarantine quarantine;
	uint8_t log_what;
	uint32_t flows_free, flows_all;
	uint32_t told_s[TOLD_MAX];
	struct nat64_event_ring *events;
	uint32_t static_at[NAT64_STATIC_MAX];
};

/* ports.c */
/* @slot, which waits, becomes what it is in @t. Return: blocks and static entries looked at; after the
 * last one block__count() is due. At once: with it, for a packet. */
uint32_t ports__adopt(struct nat64 *n, const struct nat64_table *t, uint32_t slot);
void ports__adopt_at_once(struct nat64 *n, const struct nat64_table *t, uint32_t slot);
/* A random free port for @want: of its subscriber's blocks, of a new one, or a single; on the
 * address the subscriber is paired with, or on another. Return: DROP_NONE, or why not. */
enum drop_reason ports__take(struct nat64 *n, const struct nat64_table *t,
			     const struct port_request *want, struct mapping *out);
/* This very port, for a static entry. The caller has made sure that it is free. */
void ports__reserve(struct nat64 *n, const struct mapping *m);
/* A host's mapping, which has its port, becomes a static entry's: nothing of it counts for its
 * subscriber any more. */
void ports__pin(struct nat64 *n, struct mapping *m);
void ports__release(struct nat64 *n, const struct mapping *m);
/* The port is still this worker's to use. */
bool ports__owned(const struct nat64 *n, const struct nat64_table *t, const struct mapping *m);

struct bib_key;

/* statics.c */
/* Mappings of entries that are not in @t do not stay; slots with entries wait. */
void statics__use_table(struct nat64 *n, const struct nat64_table *t);
/* Entries on @slot become mappings. Return: how many were looked at. */
uint32_t statics__install(struct nat64 *n, const struct nat64_table *t, uint32_t slot);
/* The log begins: those that are mappings are told. */
void statics__tell(struct nat64 *n);
/* While entries wait: the one for the inside transport address @k, if any, is a mapping now. */
void statics__find(struct nat64 *n, const struct nat64_table *t, const struct bib_key *k);
/* No slot waits: what found no record is tried again when there is one. */
void statics__all_adopted(struct nat64 *n, const struct nat64_table *t);

/* lend.c: what was lent under @prev is the borrower's in @t. */
void lend__fulfil(struct nat64_table *t, const struct nat64_table *prev);
/* It has rested where it was. */
void lend__note(struct nat64_table *t, const struct nat64_table *prev);
/* A loan is over with its table. */
void lend__use_table(struct nat64 *n, const struct nat64_table *t);
/* Gauges, and what control has asked for. */
void lend__advance(struct nat64 *n);

/* event.c: each of them does nothing unless it is asked for. */
void event__ports(struct nat64 *n, enum nat64_event_kind kind, const struct subscriber *s,
		  const struct event_ports *what);
void event__static(struct nat64 *n, enum nat64_event_kind kind, const struct mapping *m);
void event__session(struct nat64 *n, enum nat64_event_kind kind, const struct mapping *m,
		    const struct tuple *key1);
void event__refused(struct nat64 *n, enum drop_reason why, uint32_t subscriber);

/* bib.c */
struct bib_key {
	struct addr inside;
	uint16_t port;
	enum protocol_index proto;
};

uint32_t bib__find_inside(const struct nat64 *n, const struct bib_key *k);
uint32_t bib__find_outside(const struct nat64 *n, uint32_t slot, uint16_t port,
			   enum protocol_index proto);
/* Where a mapping like @m will be found by its outside port. */
void bib__prefetch_outside(const struct nat64 *n, const struct mapping *m);
/* @like: both transport addresses, slot, generation, flags. Return: BIB_NONE when full. */
uint32_t bib__add(struct nat64 *n, const struct mapping *like);
/* Off the indexes, its port free; the record goes with its last session. */
void bib__detach(struct nat64 *n, uint32_t index);
/* One more session of the inside host, or that it has answered. */
void bib__hold(struct nat64 *n, struct mapping *m);
/* One session less. */
void bib__let_go(struct nat64 *n, struct mapping *m);
/* Free @index if nothing holds it any more. */
void bib__settle(struct nat64 *n, uint32_t index);
/* Usable under @t: in the indexes, its address and port still ours, and so is its host. */
bool bib__valid(const struct nat64 *n, const struct nat64_table *t, const struct mapping *m);

/* permit.c */
bool permit__exists(const struct nat64 *n, uint32_t mapping, const struct addr *outside);
/* One more session of @mapping with @outside. Return: object for the flow, BIB_NONE when full. */
uint32_t permit__hold(struct nat64 *n, uint32_t mapping, const struct addr *outside);
void permit__drop(struct nat64 *n, uint32_t index);
uint32_t permit__mapping(const struct nat64 *n, uint32_t object);
