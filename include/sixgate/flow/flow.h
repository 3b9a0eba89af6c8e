/*
 * flow.h - the record of one flow, the same for every policy.
 *
 * A flow is two tuples, one per direction, and what its policy needs to remember. The packet that
 * leaves in one direction carries the other tuple reversed, so nothing is stored twice.
 * Direction 0 is what RFC 6146 calls the V6 side: packets from the host that we serve (nat64,
 * egress6) or from the client (services). Direction 1 is the way back.
 */
#pragma once
#include "sixgate/packet/packet.h"

enum policy_id { POLICY_NONE, POLICY_NAT64, POLICY_EGRESS6, POLICY_SERVICES, N_POLICIES };

enum flow_flag {
	FLOW_HAIRPIN_0 = 1 << 0,      /* what leaves in direction 0 comes round once more */
	FLOW_HAIRPIN_1 = 1 << 1,
	FLOW_OUT_INSIDE_0 = 1 << 2,   /* direction 0 leaves inside; else outside */
	FLOW_OUT_INSIDE_1 = 1 << 3,
	FLOW_FROM_OUTSIDE = 1 << 4,   /* opened from outside, and not complete: see FLOW_ANSWERED */
	FLOW_REFRESH_BOTH = 1 << 5,   /* packets of direction 1 refresh too (TCP always does) */
	FLOW_ANSWERED = 1 << 6,       /* ... the other end has answered; the opener's next completes it */
	FLOW_PROBED = 1 << 7          /* RFC 6146 3.5.2.2: the probe of an idle flow is out */
};

/** struct wheel_node - place in the timing wheel; owned by it. */
struct wheel_node {
	uint32_t next, prev;
};

/**
 * struct flow - 128 bytes, two cache lines; lives in the flow table, named by its index
 * @key:      tuples of the packets that come in, per direction
 * @deadline: wheel tick at which it ends unless refreshed
 * @object:   slot of the policy's own record (nat64: the BIB entry; services: node; egress6: 0); the
 *            table's while the flow is free
 * @aux:      the policy's own (services: service slot; nat64: the place in its mapping's crowd while it is
 *            FLOW_FROM_OUTSIDE)
 * @generation: of the object when the flow was made: differs once the object is gone
 * @state:    enum tcp_state for TCP; else 0
 * @delta:    addr_delta of each direction
 * @seq_next: highest sequence number + length sent in each direction, @ack_last: latest
 *            acknowledgement sent in each direction; TCP only, host order
 */
struct flow {
	struct tuple key[2];
	struct wheel_node timer;
	uint32_t deadline;
	uint32_t object;
	uint32_t aux;
	uint32_t seq_next[2], ack_last[2];
	uint16_t delta[2];
	uint16_t generation;
	uint8_t policy;
	uint8_t state;
	uint8_t flags;
	uint8_t spare[3];
};
_Static_assert(sizeof(struct flow) == 128, "a flow is two cache lines");

/** flow_out_tuple() - what packets of direction @dir become. */
static inline struct tuple flow_out_tuple(const struct flow *f, unsigned dir)
{
	return tuple_reverse(&f->key[!dir]);
}

static inline enum side flow_out_side(const struct flow *f, unsigned dir)
{
	return f->flags & (FLOW_OUT_INSIDE_0 << dir) ? SIDE_INSIDE : SIDE_OUTSIDE;
}

/**
 * struct flow_plan - a policy's answer "admit": the flow to make
 * @dir:  which direction the packet that asked has
 * @once: only this packet goes through, as such a flow would have it; none is made, nothing is held
 * @crowded: as many as may wait at @object already do: the oldest of them goes
 */
struct flow_plan {
	struct tuple key[2];
	uint8_t dir;
	bool once, crowded;
	uint8_t policy, flags;
	uint16_t generation;
	uint32_t object, aux;
};
