/*
 * supply_internal.h - who has which ports: subscribers, their blocks, single ports, what rests.
 *
 * Glossary: a *subscriber* is an inside prefix; a *block* is 64 ports of one pool address, of all
 * protocols; it is *free*, *held* by a subscriber, or *shared*: its ports are then given out one by
 * one, as *singles*. System ports always are. An *idle* block is held, but has no port in use: after
 * the quarantine it is free. A *resting* port is a single that was freed: the same, for one port.
 * A *resting* block was another worker's until now: idle, too, and nobody's.
 * *Supply* counts what this worker has of a protocol.
 */
#pragma once
#include "sixgate/base/pool.h"
#include "sixgate/nat64/nat64.h"

struct mapping;

enum protocol_index { PROTO_TCP, PROTO_UDP, PROTO_ICMP, N_PROTOS };

/* RFC 4787 REQ-3: system ports map to system ports, all others to others. */
enum port_class { CLASS_SYSTEM, CLASS_OTHER, N_CLASSES };

enum {
	BLOCK_BITS = 64,
	BLOCK_WORDS = STEER_BLOCKS / 64,
	SYSTEM_BLOCKS = 1024 / BLOCK_BITS, /* ports 0 to 1023 */
	SLOT_WORDS = NAT64_POOL_MAX / 64,
	RESTING_MAX = 16384,               /* single ports; beyond it the oldest is free */
	TINY = 16,                         /* blocks: a supply below it is given out one by one */
	QUARANTINE_SHIFT = 8,              /* ticks of 256 ms */
	SUPPLY_BUDGET = 1024,              /* blocks and ports freed by one nat64_advance() */
	LOOKS_MAX = 64,                    /* blocks looked at to find one port ... */
	LOOKS_FOR_PARITY = 16,             /* ... and before that, one of the same parity */
	LOOKS_AT_PENDING = 16              /* a slot that waits costs as much as so many blocks */
};

#define UNLINKED     UINT32_MAX /* in a `prev` member: not in that list */
#define HOLDER_NONE  0u
#define HOLDER_SHARED UINT32_MAX
#define HOLDER_LENT  (UINT32_MAX - 1)
#define HOLDER_RESTING (UINT32_MAX - 2)
#define SUBSCRIBER_BITS 27
#define SUBSCRIBER_NONE ((1u << SUBSCRIBER_BITS) - 1)

/**
 * struct port_block - 64 ports of one address
 * @used:   in use or resting, by protocol
 * @next, @prev: list of its holder's blocks that may have a free port of a protocol
 * @holder: subscriber + 1, or HOLDER_*
 * @idle_next, @idle_prev: list of idle blocks, in the order of their age
 * @idle_at: quarantine tick at which it became idle; its last 16 bits, of which the longest
 *           quarantine needs 14
 * @n_static: of the ports in use, those of static entries
 * @closing: its subscriber has more than others, who want it: he gets no more ports of it
 *
 * Links are numbers of blocks over all slots, + 1; 0 at the end.
 */
struct port_block {
	uint64_t used[N_PROTOS];
	uint32_t next[N_PROTOS], prev[N_PROTOS];
	uint32_t holder;
	uint32_t idle_next, idle_prev;
	uint16_t idle_at;
	uint8_t n_static;
	bool closing;
};
_Static_assert(sizeof(struct port_block) == 64, "a block is one cache line");

/**
 * struct pool_ports - one address, as one worker sees it
 * @n_resting: ports of it that rest
 * @given:  blocks that are this worker's and have ports, by protocol
 * @held:   blocks with a holder of any kind
 * @room:   shared blocks that may have a free port: a hint, proved when one is taken
 */
struct pool_ports {
	struct addr addr;
	uint32_t n_resting;
	uint16_t generation; /* of the slot whose ports these are */
	bool used;
	uint64_t given[N_PROTOS][BLOCK_WORDS];
	uint64_t held[BLOCK_WORDS];
	uint64_t room[N_PROTOS][BLOCK_WORDS];
};

/**
 * struct subscriber - exists while it has ports or flows, or something of it rests
 * @len_less_1: bits of @prefix that count, by the table under which it was made, less one: under
 *              another one it is another subscriber
 * @room:     first of its blocks with a free port, by protocol, + 1
 * @resting:  the youngest of its resting ports, + 1
 * @n_closing: of its blocks
 * @n_ports:  mappings; @n_single: singles, resting ones included
 * @credit:   thousandths of flows that it may open now, as of @credit_ms
 * @home:     slot it is paired with while it has blocks or singles
 */
struct subscriber {
	struct addr prefix;
	uint32_t next; /* in the index, + 1 */
	uint32_t room[N_PROTOS];
	uint32_t resting : 15, home : 10, len_less_1 : 7;
	uint32_t n_flows, n_ports;
	uint32_t credit, credit_ms;
	uint16_t n_single[N_PROTOS];
	uint16_t n_blocks, n_closing;
	uint16_t home_generation;
};
_Static_assert(sizeof(struct subscriber) == 64, "a subscriber is one cache line");
_Static_assert(RESTING_MAX < 1 << 15, "its number + 1 fits");
_Static_assert(NAT64_POOL_MAX <= 1 << 10, "ten bits name a slot");

/** struct resting - a single port that was freed at @since; links + 1. @generation: of its slot then;
 *  when that has changed, nothing rests but the record. @same: the next whose port has the same hash. */
struct resting {
	uint32_t subscriber;
	uint32_t since;
	uint32_t younger, older;         /* of all */
	uint16_t sub_younger, sub_older; /* of its subscriber */
	uint16_t slot, port;
	uint16_t generation;
	uint16_t same;
	uint8_t proto;
	bool used;
};
_Static_assert(sizeof(struct resting) == 32, "two to a cache line");

/** struct supply - of one protocol and class, of this worker. @ports, @singles: see singles. */
struct supply {
	uint32_t blocks, free; /* ours; without a holder */
	uint32_t ports;        /* that may be given out one by one, about */
	uint32_t singles;      /* given out so, or resting */
};

/**
 * struct ports - the part of struct nat64 about ports
 * @block:    [NAT64_POOL_MAX]
 * @has_free: slots with a free block; @has_room: with a shared one that has a free port
 * @n_holders: subscribers with blocks or singles
 * @n_split:   slots with blocks that have ports of one protocol and not of another
 * @wanted_s:  when somebody with less than an even share was refused more, + 1; 0: never.
 * @newcomer_s: the same of somebody who had nothing
 * @pending:   slots that are not yet what they are in the table in use; nothing is taken from them
 * @looks:     left of the allocation that is under way
 */
struct ports {
	struct port_block (*block)[STEER_BLOCKS];
	struct pool_ports *slot; /* [NAT64_POOL_MAX] */
	uint64_t has_free[N_PROTOS][N_CLASSES][SLOT_WORDS];
	uint64_t has_room[N_PROTOS][N_CLASSES][SLOT_WORDS];
	struct supply supply[N_PROTOS][N_CLASSES];
	uint64_t pending[SLOT_WORDS];
	uint32_t n_split;
	uint32_t looks;
	uint32_t wanted_s[N_PROTOS], newcomer_s[N_PROTOS];
	uint32_t n_holders;
	uint32_t n_used; /* ports of all protocols that are in use */
	uint32_t idle_oldest, idle_youngest, n_idle;

	struct subscriber *subscriber;
	uint32_t *subscriber_head, n_subscriber_heads;
	struct pool subscriber_pool;

	struct resting *resting; /* [RESTING_MAX] */
	uint16_t *resting_head;  /* [RESTING_MAX] by a hash of the port, + 1 */
	struct pool resting_pool;
	uint32_t resting_oldest, resting_youngest;
	uint32_t dead_at; /* next record to look at for one of an address that has gone */
};


/** struct port_request - @inside_port: for its class and parity; @index: of the subscriber. */
struct port_request {
	uint32_t index;
	uint16_t inside_port;
	enum protocol_index proto;
};

/** struct port_choice - @mask: bits of a block that will do, for parity. */
struct port_choice {
	enum port_class class;
	uint64_t mask;
};

/** struct event_ports - @protocol: set of enum nat64_protocol, 0 for all. */
struct event_ports {
	uint32_t slot;
	uint16_t first, last;
	uint8_t protocol;
};

/* subscriber.c */
/* The record of @inside's subscriber, made if need be; SUBSCRIBER_NONE when there is no room. */
uint32_t subscriber__get(struct nat64 *n, const struct nat64_table *t, const struct addr *inside);
/* It has lost something: the record goes when it has nothing left. */
void subscriber__settle(struct nat64 *n, uint32_t index);
/* It has got or lost a block or a single: counts those that have any. */
void subscriber__gain(struct nat64 *n, struct subscriber *s, uint16_t *what);
void subscriber__lose(struct nat64 *n, struct subscriber *s, uint16_t *what);
uint32_t subscriber__held(const struct subscriber *s);
/* May it have one more flow, however fast it got the others? DROP_NONE, or why not. */
enum drop_reason subscriber__check_flows(const struct nat64 *n, const struct nat64_table *t,
					 uint32_t index);
/* May it open one more flow, and (@new_port) have one more port? DROP_NONE, or why not. */
enum drop_reason subscriber__admit(struct nat64 *n, const struct nat64_table *t, uint32_t index,
				   bool new_port);

/* block.c */
static inline uint32_t block__number(uint32_t slot, unsigned block)
{
	return slot * STEER_BLOCKS + block;
}
static inline uint32_t block__slot(uint32_t number)
{
	return number / STEER_BLOCKS;
}
static inline unsigned block__first_port(uint32_t number)
{
	return number % STEER_BLOCKS * BLOCK_BITS;
}
struct port_block *block__at(const struct nat64 *n, uint32_t number);
/* Ports of a block that @proto may have and nobody has. */
uint64_t block__free_ports(const struct nat64 *n, const struct nat64_table *t, uint32_t number,
			   enum protocol_index proto);
/* A free block becomes held by subscriber @index; shared; lent (HOLDER_SHARED, HOLDER_LENT). */
void block__hold(struct nat64 *n, uint32_t number, uint32_t index);
void block__set_holder(struct nat64 *n, uint32_t number, uint32_t holder);
/* A port of a held or shared block comes into use, or out of it. */
void block__use(struct nat64 *n, uint32_t number, enum protocol_index proto, unsigned bit);
void block__unuse(struct nat64 *n, uint32_t number, enum protocol_index proto, unsigned bit);
/* A port comes into use for a static entry: in whatever block it is. */
void block__reserve(struct nat64 *n, uint32_t number, enum protocol_index proto, unsigned bit);
/* A port in use is a static entry's from now on, or no longer. */
void block__pin(struct nat64 *n, uint32_t number);
void block__unpin(struct nat64 *n, uint32_t number);
/* Its subscriber gets no more ports of it. */
void block__close(struct nat64 *n, uint32_t number);
/* It has no free port of @proto, as it turned out. */
void block__is_full(struct nat64 *n, uint32_t number, enum protocol_index proto);
/* Free blocks that have been idle for long enough, at most @budget. Return: how many. */
uint32_t block__expire(struct nat64 *n, uint32_t budget);
/* Slots that are not in @t what they were in the table in use wait. */
void block__use_table(struct nat64 *n, const struct nat64_table *t);
/* What @t, which is in use, makes of the blocks of a slot. Return: how many were looked at. */
uint32_t block__adopt(struct nat64 *n, const struct nat64_table *t, uint32_t slot);
/* After that: ports that are given out one by one. */
void block__count(struct nat64 *n, const struct nat64_table *t);

/* single.c */
/* A single of @class for @want, ports in @mask only. Return: false if there is none for it. */
bool single__take(struct nat64 *n, const struct nat64_table *t, const struct port_request *want,
		  const struct port_choice *c, struct mapping *out);
void single__release(struct nat64 *n, const struct mapping *m);
uint32_t single__expire(struct nat64 *n, uint32_t budget);
/* Records of addresses that have gone go, too. Return: true if there are more to look at. */
bool single__bury(struct nat64 *n);
/* This port does not rest any more. Return: how many that rest were looked at. */
uint32_t single__wake(struct nat64 *n, const struct mapping *m);

/* Blocks out of @blocks that are given out port by port. */
uint32_t share__singles(uint32_t blocks);
/* share.c: who may have more, when little is left. */
bool share__allows_block(const struct nat64 *n, const struct subscriber *s,
			 enum protocol_index proto);
bool share__allows_single(const struct nat64 *n, const struct subscriber *s,
			  enum protocol_index proto, enum port_class class);
/* Somebody who has less wants some of what @s has: blocks beyond an even share are closed, and resting
 * singles beyond it are not taken again. */
bool share__has_blocks_to_spare(const struct nat64 *n, const struct subscriber *s,
				enum protocol_index proto);
bool share__has_singles_to_spare(const struct nat64 *n, const struct subscriber *s,
				 enum protocol_index proto, enum port_class class);
/* Somebody with less than an even share was refused more lately. */
bool share__is_wanted(const struct nat64 *n, enum protocol_index proto);
/* There was no port for @s. */
void share__refused(struct nat64 *n, const struct subscriber *s, enum protocol_index proto);

/* The pool is another one: who still has too little will be refused again. */
void share__forget_wishes(struct nat64 *n);
/* @at, of a wish, or 0 when that is a minute ago. */
uint32_t share__recent(const struct nat64 *n, uint32_t at);
bool share__allows_flow(const struct nat64 *n, const struct subscriber *s);

/* ports.c */
/* One more block is looked at. Return: false when that were too many for one packet. */
static inline bool ports__look(struct ports *p)
{
	if (!p->looks)
		return false;
	p->looks--;
	return true;
}
/* @slot can be taken from: it does not wait, or not any more. */
bool ports__ready(struct nat64 *n, const struct nat64_table *t, uint32_t slot);
uint64_t ports__draw(struct nat64 *n);
/* A random set bit of @n_words words, or -1. */
int ports__pick_bit(const uint64_t *words, unsigned n_words, uint64_t random);
/* The first set bit from @start on, round the end; or NO_SLOT. */
uint32_t ports__next_slot(const uint64_t *words, uint32_t start);
/* The slot that @s is paired with, or would be; NO_SLOT without a pool. */
/* The address of @m's slot is still the one it was made under. */
bool ports__alive(const struct nat64 *n, const struct mapping *m);
uint32_t ports__home(const struct nat64 *n, const struct nat64_table *t, const struct subscriber *s);
/* It gets something of @slot: if that is the first, it is paired with it. */
void ports__settle_in(const struct nat64 *n, struct subscriber *s, uint32_t slot);
