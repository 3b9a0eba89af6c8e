/*
 * share.c - who may have more, when little is left and no limit says so (RFC 6888 REQ-4, 6146 5.3).
 *
 * Nobody knows who will come, and what has been given cannot be taken back. So: while more than half
 * is free, everybody gets what he asks for. Then a subscriber may have up to eight times what is
 * free, divided by all that have something, and an eighth of the blocks is kept for those who have
 * none yet: it is given out port by port, and the less is left of it the fewer to one. Who is alone
 * may have nearly everything. A tiny supply is divided evenly, port by port. Of flows nothing is kept:
 * who has less than an even share of the table may always have more.
 *
 * Who came first may so have more than an even share when others come. While one of these was refused
 * in the last minute, who has blocks beyond an even share gets no new ports of those: they empty as
 * their sessions end, rest, and go to who has less. Of a tiny supply it is the same, port by port.
 */
#include "nat64_internal.h"

enum {
	KEPT = 8,           /* one block in so many is for newcomers ... */
	KEPT_ALONE = 32,    /* ... even when only one is here */
	STEEP = 8,
	EVEN = 8, /* as in lend.c */
	WANTED_S = 60
};

/**
 * struct even - an even share, of blocks or of ports
 * @may_have:    who has more gives to others; @should_have: who has less gets from them. Both are the
 *               worker's own even share, unless that of all workers' is less, or more.
 */
struct even {
	uint32_t may_have, should_have;
};

uint32_t share__singles(uint32_t blocks)
{
	return blocks < TINY ? blocks : blocks / KEPT;
}

static bool is_alone_here(const struct nat64 *n, const struct subscriber *s)
{
	return n->ports.n_holders <= (subscriber__held(s) ? 1 : 0);
}

static bool is_alone(const struct nat64 *n, const struct subscriber *s)
{
	return is_alone_here(n, s) && !counter_read(&n->lending.others.holders);
}

static bool is_below(uint32_t has, uint32_t n_holders, uint32_t free)
{
	return ((uint64_t)has + 1) * n_holders <= (uint64_t)free * STEEP;
}

/* Another worker's clock may be ahead by a millisecond, in which a second begins. */
static bool is_recent(const struct nat64 *n, uint32_t at)
{
	return unlikely(at) && (int32_t)((uint32_t)(n->now_ms / 1000) + 1 - at) < WANTED_S;
}

uint32_t share__recent(const struct nat64 *n, uint32_t at)
{
	return is_recent(n, at) ? at : 0;
}

static uint32_t of_others(const struct nat64 *n, enum protocol_index proto, enum lend_gauge g)
{
	return (uint32_t)counter_read(&n->lending.others.of[proto][g]);
}

bool share__is_wanted(const struct nat64 *n, enum protocol_index proto)
{
	return is_recent(n, n->ports.wanted_s[proto]) ||
	       is_recent(n, of_others(n, proto, GAUGE_WANTED));
}

/* Among whom this worker's supply is divided: one more while somebody wants some who has nothing. */
static uint32_t n_sharing(const struct nat64 *n, enum protocol_index proto)
{
	return n->ports.n_holders + is_recent(n, n->ports.newcomer_s[proto]);
}

/* The same for all workers' together. */
static uint32_t n_sharing_all(const struct nat64 *n, enum protocol_index proto)
{
	uint32_t newcomer = is_recent(n, n->ports.newcomer_s[proto]) ||
			    is_recent(n, of_others(n, proto, GAUGE_NEWCOMER));

	return n->ports.n_holders + (uint32_t)counter_read(&n->lending.others.holders) + newcomer;
}

/* An even share of this worker's @own, and of that and what the other workers have. They count as the
 * same where lending would not move anything. */
static struct even even_of(const struct nat64 *n, enum protocol_index proto, uint64_t own,
			   uint64_t others)
{
	uint64_t here = n_sharing(n, proto), all = n_sharing_all(n, proto);
	struct even e;

	if (!here)
		return (struct even){ (uint32_t)own, (uint32_t)own };
	e = (struct even){ (uint32_t)(own / here), (uint32_t)(own / here) };
	others += own;
	if (own * all * (EVEN - 1) > others * here * EVEN)
		e.may_have = (uint32_t)(others / all);
	if (others * here * (EVEN - 1) > own * all * EVEN)
		e.should_have = (uint32_t)(others / all);
	return e;
}

static uint32_t whole_blocks(uint32_t blocks, uint32_t singles)
{
	return blocks > singles / BLOCK_BITS ? blocks - singles / BLOCK_BITS : 0;
}

/* Of blocks, beside what is given out port by port. */
static struct even even_blocks(const struct nat64 *n, enum protocol_index proto)
{
	const struct supply *sup = &n->ports.supply[proto][CLASS_OTHER];

	return even_of(n, proto, whole_blocks(sup->blocks, sup->singles),
		       whole_blocks(of_others(n, proto, GAUGE_BLOCKS),
				    of_others(n, proto, GAUGE_SINGLES)));
}

/* Of ports, where they are given out one by one. System ports are not lent. */
static struct even even_ports(const struct nat64 *n, enum protocol_index proto,
			      enum port_class class)
{
	uint32_t own = n->ports.supply[proto][class].ports;

	if (class == CLASS_OTHER)
		return even_of(n, proto, own, of_others(n, proto, GAUGE_PORTS));
	own = n_sharing(n, proto) ? own / n_sharing(n, proto) : own;
	return (struct even){ own, own };
}

/* Of the blocks that are kept for newcomers, those that they have not got yet. */
static uint32_t kept(const struct supply *sup)
{
	uint32_t all = share__singles(sup->blocks), gone = sup->singles / BLOCK_BITS;

	return all > gone ? all - gone : 0;
}

/* Somebody may come who wants no more than a port or two. */
static uint32_t kept_alone(const struct supply *sup)
{
	return sup->blocks < KEPT_ALONE ? 1 : sup->blocks / KEPT_ALONE;
}

bool share__allows_block(const struct nat64 *n, const struct subscriber *s,
			 enum protocol_index proto)
{
	const struct supply *sup = &n->ports.supply[proto][CLASS_OTHER];

	if (sup->blocks < TINY || s->n_blocks == UINT16_MAX)
		return false;
	if (is_alone(n, s))
		return sup->free > kept_alone(sup);
	if (sup->free > sup->blocks / 2)
		return true;
	if (sup->free <= kept(sup))
		return false;
	return !s->n_blocks || s->n_blocks < even_blocks(n, proto).may_have ||
	       (!share__is_wanted(n, proto) &&
		is_below(s->n_blocks, n->ports.n_holders, sup->free));
}

/* Of what is kept for newcomers: the less is left, the fewer. */
static uint32_t newcomer_share(const struct supply *sup)
{
	uint32_t left = (sup->free + 1) * BLOCK_BITS; /* who was alone may have had some of it */
	uint32_t free = sup->ports > sup->singles ? sup->ports - sup->singles : 0;

	free = left < free ? left : free;
	if (free > sup->ports / 2)
		return 64;
	if (free > sup->ports / 4)
		return 16;
	return free > sup->ports / 8 ? 4 : 1;
}

static bool is_divided(const struct supply *sup, enum port_class class)
{
	return class == CLASS_SYSTEM || sup->blocks < TINY;
}

bool share__allows_single(const struct nat64 *n, const struct subscriber *s,
			  enum protocol_index proto, enum port_class class)
{
	const struct supply *sup = &n->ports.supply[proto][class];
	uint32_t has = s->n_single[proto];

	if (has == UINT16_MAX)
		return false;
	if (is_divided(sup, class))
		return !has || (class == CLASS_SYSTEM ? is_alone_here(n, s) : is_alone(n, s)) ||
		       has < even_ports(n, proto, class).may_have;
	/* who has blocks has ports of this protocol in them, unless the pool is split by protocol */
	return (!s->n_blocks || n->ports.n_split) && has < newcomer_share(sup);
}

void share__refused(struct nat64 *n, const struct subscriber *s, enum protocol_index proto)
{
	const struct supply *sup = &n->ports.supply[proto][CLASS_OTHER];
	bool has_less;

	if (sup->blocks < TINY)
		has_less = s->n_single[proto] < even_ports(n, proto, CLASS_OTHER).should_have;
	else
		has_less = (uint32_t)s->n_blocks - s->n_closing < even_blocks(n, proto).should_have;
	if (!has_less || is_alone(n, s))
		return;
	n->ports.wanted_s[proto] = (uint32_t)(n->now_ms / 1000) + 1;
	if (!subscriber__held(s))
		n->ports.newcomer_s[proto] = n->ports.wanted_s[proto];
}

void share__forget_wishes(struct nat64 *n)
{
	memset(n->ports.wanted_s, 0, sizeof(n->ports.wanted_s));
	memset(n->ports.newcomer_s, 0, sizeof(n->ports.newcomer_s));
}

bool share__has_blocks_to_spare(const struct nat64 *n, const struct subscriber *s,
				enum protocol_index proto)
{
	uint32_t even;

	if (likely(!share__is_wanted(n, proto)))
		return false;
	even = even_blocks(n, proto).may_have;
	return (uint32_t)s->n_blocks - s->n_closing > (even ? even : 1);
}

bool share__has_singles_to_spare(const struct nat64 *n, const struct subscriber *s,
				 enum protocol_index proto, enum port_class class)
{
	const struct supply *sup = &n->ports.supply[proto][class];

	return share__is_wanted(n, proto) && is_divided(sup, class) && s->n_single[proto] > 1 &&
	       s->n_single[proto] > even_ports(n, proto, class).may_have;
}

bool share__allows_flow(const struct nat64 *n, const struct subscriber *s)
{
	uint32_t free = n->flows_free, all = n->flows_all;

	if (!s->n_flows || !free || free > all / 2)
		return true; /* of a full table its owner says so himself */
	return is_alone_here(n, s) || is_below(s->n_flows, n->ports.n_holders, free) ||
	       ((uint64_t)s->n_flows + 1) * n->ports.n_holders <= all;
}
