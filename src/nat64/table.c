/*
 * table.c - section `nat64:` compiled: address slots, port ranges, prefixes, static entries.
 *
 * Control thread only. A pool address keeps its slot for as long as it is configured, because
 * flows and ports in use name the slot.
 */
#include <errno.h>
#include <stdlib.h>
#include "nat64_internal.h"

enum { BLOCKS_PER_WORKER_MIN = 4 };

/** struct walk - every address of every entry of pool4 in turn. */
struct walk {
	const struct nat64_conf *conf;
	size_t entry;
	uint32_t at;
};

static bool walk_next(struct walk *w, struct addr *a, const struct pool4_conf **c)
{
	for (; w->entry < w->conf->n_pool4; w->entry++, w->at = 0) {
		const struct pool4_conf *p = &w->conf->pool4[w->entry];

		/* an `outside` entry may have no address yet */
		if (!addr_is_v4(&p->first) || !addr_is_v4(&p->last) ||
		    w->at > addr_ip4_host(&p->last) - addr_ip4_host(&p->first))
			continue;
		*a = addr_from_ip4_host(addr_ip4_host(&p->first) + w->at++);
		*c = p;
		return true;
	}
	return false;
}

static int check_sizes(const struct nat64_conf *conf, struct err *e)
{
	if (conf->n_prefix > NAT64_PREFIXES_MAX)
		return err_set(e, -ENOSPC, "nat64: more than %d prefixes", NAT64_PREFIXES_MAX);
	if (conf->n_static > NAT64_STATIC_MAX)
		return err_set(e, -ENOSPC, "nat64: more than %d static entries", NAT64_STATIC_MAX);
	for (size_t i = 0; i < conf->n_pool4; i++) {
		const struct pool4_conf *c = &conf->pool4[i];

		if (addr_is_v4(&c->first) && addr_is_v4(&c->last) &&
		    addr_ip4_host(&c->last) - addr_ip4_host(&c->first) >= NAT64_POOL_MAX)
			return err_set(e, -ENOSPC, "nat64: pool4 has more than %d addresses",
				       NAT64_POOL_MAX);
	}
	return 0;
}

/* Mappings know the prefix that their host used by its place: that of before, one that was nobody's, or
 * one that is left. Both are sets of places. */
static uint8_t place_for(const struct prefix *p, const struct nat64_table *prev, unsigned *left,
			 unsigned *fresh)
{
	unsigned place;

	for (uint32_t i = 0; prev && i < prev->n_prefix; i++)
		if (prefix_equal(&prev->conf.prefix[i], p))
			return prev->prefix_place[i];
	place = (unsigned)__builtin_ctz(*fresh ? *fresh : *left);
	*left &= ~(1u << place);
	*fresh &= ~(1u << place);
	return (uint8_t)place;
}

static void add_places(struct nat64_table *t, const struct nat64_conf *conf,
		       const struct nat64_table *prev)
{
	unsigned left = (1u << NAT64_PREFIXES_MAX) - 1, fresh = left;

	for (uint32_t i = 0; prev && i < prev->n_prefix; i++) {
		fresh &= ~(1u << prev->prefix_place[i]);
		for (uint32_t k = 0; k < t->n_prefix; k++)
			if (prefix_equal(&prev->conf.prefix[i], &conf->prefix[k]))
				left &= ~(1u << prev->prefix_place[i]);
	}
	for (uint32_t i = 0; i < t->n_prefix; i++) {
		t->prefix_place[i] = place_for(&conf->prefix[i], prev, &left, &fresh);
		t->prefix_at[t->prefix_place[i]] = (uint8_t)i;
	}
}

static int add_prefixes(struct nat64_table *t, const struct nat64_conf *conf,
			const struct nat64_table *prev, struct err *e)
{
	for (size_t i = 0; i < conf->n_prefix; i++) {
		int rc = pool6_init(&t->prefix[i], &conf->prefix[i], e);

		if (rc)
			return err_wrap(e, rc, "nat64.prefix");
		t->n_prefix++;
	}
	add_places(t, conf, prev);
	return 0;
}

static void slot_begin(struct nat64_table *t, uint32_t i, const struct addr *a)
{
	uint32_t at = table__map_home(a);

	t->slot[i].addr = *a;
	t->slot[i].used = true;
	if (i >= t->n_slots)
		t->n_slots = i + 1;
	while (t->map[at])
		at = (at + 1) % SLOT_MAP_SIZE;
	t->map[at] = (uint16_t)(i + 1);
}

static void keep_slots(struct nat64_table *t, const struct nat64_conf *conf,
		       const struct nat64_table *prev)
{
	struct walk w = { .conf = conf };
	const struct pool4_conf *c;
	struct addr a;

	for (uint32_t i = 0; i < NAT64_POOL_MAX; i++)
		t->slot[i].generation = prev->slot[i].generation;
	while (walk_next(&w, &a, &c)) {
		uint32_t i = table__slot_of(prev, &a);

		if (i != NO_SLOT && !t->slot[i].used) {
			slot_begin(t, i, &a);
			t->slot[i].kept = true;
		}
	}
}

/* Without a previous table a generation comes from the address, so that what workers remember of
 * a section that was switched off and on again does not pass for another address's: those of one /16
 * all differ. */
static uint16_t first_generation(const struct addr *a)
{
	uint32_t host = addr_ip4_host(a);

	return (uint16_t)(host ^ host >> 16);
}

static int add_slots(struct nat64_table *t, const struct nat64_conf *conf,
		     const struct nat64_table *prev, struct err *e)
{
	struct walk w = { .conf = conf };
	const struct pool4_conf *c;
	struct addr a;
	uint32_t free = 0;

	while (walk_next(&w, &a, &c)) {
		if (table__slot_of(t, &a) != NO_SLOT)
			continue;
		while (free < NAT64_POOL_MAX && t->slot[free].used)
			free++;
		if (free == NAT64_POOL_MAX)
			return err_set(e, -ENOSPC, "nat64: pool4 has more than %d addresses",
				       NAT64_POOL_MAX);
		slot_begin(t, free, &a);
		t->slot[free].generation =
			prev ? (uint16_t)(t->slot[free].generation + 1) : first_generation(&a);
	}
	return 0;
}

int table__range_add(struct pool_slot *s, enum protocol_index proto, struct port_range add)
{
	struct port_range out[SLOT_RANGES_MAX + 1];
	unsigned n = 0, i = 0;

	for (; i < s->n_range[proto] && s->range[proto][i].last + 1 < add.first; i++)
		out[n++] = s->range[proto][i];
	for (; i < s->n_range[proto] && s->range[proto][i].first <= add.last + 1; i++) {
		if (s->range[proto][i].first < add.first)
			add.first = s->range[proto][i].first;
		if (s->range[proto][i].last > add.last)
			add.last = s->range[proto][i].last;
	}
	out[n++] = add;
	for (; i < s->n_range[proto]; i++)
		out[n++] = s->range[proto][i];
	if (n > SLOT_RANGES_MAX)
		return -ENOSPC;
	memcpy(s->range[proto], out, n * sizeof(out[0]));
	s->n_range[proto] = (uint8_t)n;
	return 0;
}

static const uint8_t conf_protocol[N_PROTOS] = { NAT64_TCP, NAT64_UDP, NAT64_ICMP };

static int add_ranges(struct nat64_table *t, const struct nat64_conf *conf, struct err *e)
{
	struct walk w = { .conf = conf };
	const struct pool4_conf *c;
	struct addr a;

	while (walk_next(&w, &a, &c)) {
		struct pool_slot *s = &t->slot[table__slot_of(t, &a)];
		char text[ADDR_TEXT_MAX];

		for (unsigned proto = 0; proto < N_PROTOS; proto++)
			if (c->protocols & conf_protocol[proto] &&
			    table__range_add(s, proto, (struct port_range){ c->port_first, c->port_last }))
				return err_set(e, -ENOSPC,
					       "nat64: more than %d port ranges on %s",
					       SLOT_RANGES_MAX, addr_format(&a, text));
	}
	return 0;
}

static void give_blocks(struct nat64_table *t, uint32_t slot, enum protocol_index proto)
{
	const struct pool_slot *s = &t->slot[slot];

	for (unsigned r = 0; r < s->n_range[proto]; r++)
		for (unsigned b = s->range[proto][r].first / BLOCK_BITS;
		     b <= s->range[proto][r].last / BLOCK_BITS; b++)
			if (b || table__ports_of(s, proto, b)) { /* port 0 is nobody's */
				bit_set(t->given[slot][proto], b);
				t->any[proto][class_of(b * BLOCK_BITS)] = true;
			}
}

/* Which blocks have ports at all. */
static int note_given(struct nat64_table *t, struct err *e)
{
	t->given = calloc(t->n_slots ? t->n_slots : 1, sizeof(*t->given));
	if (!t->given)
		return err_set(e, -ENOMEM, "nat64: no memory for the port blocks");
	for (enum protocol_index proto = 0; proto < N_PROTOS; proto++)
		for (uint32_t i = 0; i < t->n_slots; i++)
			give_blocks(t, i, proto);
	return 0;
}

static uint64_t rank_of(const struct nat64_table *t, const struct steering *s, uint32_t at,
			uint32_t slot)
{
	struct hash_key key = { .word = { s->key[0], s->key[1] } };
	uint32_t in[2] = { at, addr_ip4_host(&t->slot[slot].addr) };

	return siphash(&key, in, sizeof(in));
}

/* The slot with the highest rank at @at: @best, or one of @candidate. */
static uint16_t best_slot(const struct nat64_table *t, const struct steering *s, uint32_t at,
			  uint32_t best, const uint64_t candidate[SLOT_WORDS])
{
	uint64_t highest = best == NO_SLOT ? 0 : rank_of(t, s, at, best);

	for (unsigned w = 0; w < SLOT_WORDS; w++)
		for (uint64_t v = candidate[w]; v; v &= v - 1) {
			uint32_t i = w * 64 + (unsigned)__builtin_ctzll(v);
			uint64_t rank = rank_of(t, s, at, i);

			if (best != NO_SLOT && rank <= highest)
				continue;
			highest = rank;
			best = i;
		}
	return (uint16_t)best;
}

/* RFC 4787 REQ-2, paired pooling: each place of the ring belongs to the address with the highest
 * hash there, so that a change of the pool moves only the hosts it must. Where the winner of before
 * is still there, only new addresses can beat it. */
static void fill_ring(struct nat64_table *t, const struct nat64_table *prev,
		      const struct steering *s)
{
	uint64_t all[SLOT_WORDS] = { 0 }, fresh[SLOT_WORDS] = { 0 };

	for (uint32_t i = 0; i < t->n_slots; i++) {
		if (!t->slot[i].used)
			continue;
		bit_set(all, i);
		if (!t->slot[i].kept)
			bit_set(fresh, i);
	}
	for (uint32_t at = 0; at < RING_SIZE; at++) {
		uint32_t was = prev ? prev->ring[at] : NO_SLOT;

		t->ring[at] = was != NO_SLOT && t->slot[was].kept ?
				      best_slot(t, s, at, was, fresh) :
				      best_slot(t, s, at, NO_SLOT, all);
	}
}

static int by_outside(const void *a, const void *b)
{
	return table__entry_compare(a, b);
}

static int by_inside(const void *a, const void *b)
{
	const struct static_entry *x = a, *y = b;
	int order = addr_compare(&x->inside, &y->inside);

	if (order)
		return order;
	if (x->proto != y->proto)
		return x->proto < y->proto ? -1 : 1;
	return (x->inside_port > y->inside_port) - (x->inside_port < y->inside_port);
}

static int add_statics(struct nat64_table *t, const struct nat64_conf *conf, struct err *e)
{
	for (size_t i = 0; i < conf->n_static; i++) {
		const struct static_conf *c = &conf->static_entry[i];
		uint32_t slot = table__slot_of(t, &c->outside);
		char text[ADDR_TEXT_MAX];

		if (slot == NO_SLOT)
			return err_set(e, -EINVAL, "nat64.static: %s is not in pool4",
				       addr_format(&c->outside, text));
		t->entry[t->n_static++] = (struct static_entry){
			.inside = c->inside,
			.inside_port = c->inside_port,
			.outside_port = c->outside_port,
			.slot = (uint16_t)slot,
			.proto = c->protocol == NAT64_TCP ? PROTO_TCP :
				 c->protocol == NAT64_UDP ? PROTO_UDP :
							    PROTO_ICMP,
		};
	}
	qsort(t->entry, t->n_static, sizeof(t->entry[0]), by_inside);
	for (uint32_t i = 1; i < t->n_static; i++)
		if (by_inside(&t->entry[i - 1], &t->entry[i]) == 0)
			return err_set(e, -EINVAL, "nat64.static: one inside address and port twice");
	qsort(t->entry, t->n_static, sizeof(t->entry[0]), by_outside);
	for (uint32_t i = 1; i < t->n_static; i++)
		if (by_outside(&t->entry[i - 1], &t->entry[i]) == 0)
			return err_set(e, -EINVAL, "nat64.static: one outside address and port twice");
	return 0;
}

/* Blocks that the scarcest protocol has. */
static uint32_t fewest_blocks(const struct nat64_table *t)
{
	uint32_t fewest = UINT32_MAX;

	for (enum protocol_index proto = 0; proto < N_PROTOS; proto++) {
		uint32_t n = 0;

		for (uint32_t i = 0; i < t->n_slots; i++)
			for (unsigned w = 0; w < BLOCK_WORDS; w++)
				n += count_bits(t->given[i][proto][w]);
		if (n && n < fewest)
			fewest = n;
	}
	return fewest;
}

static uint8_t default_worker(const struct steering *s, uint32_t slot, unsigned block)
{
	return s->n_homes == 1 ? 0 : (uint8_t)steering_block_default(s, slot, block);
}

static bool had_ports(const struct nat64_table *prev, uint32_t slot, unsigned block)
{
	return bit_test(prev->given[slot][PROTO_TCP], block) ||
	       bit_test(prev->given[slot][PROTO_UDP], block) ||
	       bit_test(prev->given[slot][PROTO_ICMP], block);
}

/* Blocks that have another owner than before: the ports of one that was not lent must rest. */
static void note_moves(struct nat64_table *t, const struct nat64_table *prev)
{
	for (uint32_t i = 0; i < t->n_slots; i++) {
		if (!t->slot[i].kept)
			continue;
		memcpy(t->moved[i], prev->moved[i], sizeof(t->moved[i]));
		if (memcmp(t->block[i], prev->block[i], sizeof(t->block[i])) == 0)
			continue;
		for (unsigned b = 0; b < STEER_BLOCKS; b++)
			if (t->block[i][b] != prev->block[i][b] && had_ports(prev, i, b))
				bit_set(t->moved[i], b);
	}
	lend__note(t, prev);
}

/* Blocks stay with whom they were lent to. */
static int add_steering(struct nat64_table *t, const struct nat64_table *prev, struct steering *s,
			struct err *e)
{
	bool same_homes = prev && prev->steer.n_homes == s->n_homes;
	int rc;

	t->block = calloc(t->n_slots ? t->n_slots : 1, sizeof(*t->block));
	t->moved = calloc(t->n_slots ? t->n_slots : 1, sizeof(*t->moved));
	if (!t->block || !t->moved)
		return err_set(e, -ENOMEM, "nat64: no memory for the port blocks");
	for (uint32_t i = 0; i < t->n_slots; i++) {
		if (t->slot[i].kept && same_homes)
			memcpy(t->block[i], prev->block[i], sizeof(t->block[i]));
		for (unsigned b = 0; b < STEER_BLOCKS && !(t->slot[i].kept && same_homes); b++)
			t->block[i][b] = default_worker(s, i, b);
		if (t->slot[i].used &&
		    steering_add(s, STEER_POOL, &t->slot[i].addr, (be16){ 0 }, 0, i))
			return err_set(e, -ENOSPC, "nat64: too many addresses to steer by");
	}
	if (same_homes)
		lend__fulfil(t, prev);
	s->block = t->block;
	s->n_pools = t->n_slots;
	rc = pin__statics(t, s, e);
	if (rc == 0 && prev)
		note_moves(t, prev);
	return rc;
}

static int add_choices(struct nat64_table *t, const struct nat64_conf *conf, struct steering *s,
		       struct err *e)
{
	if (conf->n_exempt > NAT64_EXEMPT_MAX)
		return err_set(e, -ENOSPC, "nat64: more than %d exempt destinations",
			       NAT64_EXEMPT_MAX);
	t->allow_private = conf->allow_private;
	t->address_dependent = conf->filtering == NAT64_ADDRESS_DEPENDENT;
	t->limits = conf->limits;
	t->quarantine = conf->quarantine;
	t->port_parity = conf->port_parity;
	t->log_what = conf->log_what;
	t->shared_real = conf->shared_real;
	t->shared_slot = NO_SLOT;
	for (size_t i = 0; i < conf->n_pool4; i++)
		if (conf->pool4[i].outside && (conf->shared_real.word[0] | conf->shared_real.word[1]))
			t->shared_slot = table__slot_of(t, &conf->pool4[i].first);
	t->n_exempt = (uint32_t)conf->n_exempt;
	if (t->n_exempt)
		memcpy(t->exempt, conf->exempt, t->n_exempt * sizeof(*t->exempt));
	/* a pool that is too small to be cut up serves everybody from one worker */
	s->n_homes = fewest_blocks(t) < s->n_workers * BLOCKS_PER_WORKER_MIN ? 1 : s->n_workers;
	if (conf->limits.subscriber_prefix)
		steering_set_subscriber(s, conf->limits.subscriber_prefix);
	return 0;
}

/* Control thread only; 0 is no table. */
static uint32_t next_serial(void)
{
	static uint32_t last;

	return ++last ? last : ++last;
}

static bool same_ranges(const struct pool_slot *a, const struct pool_slot *b)
{
	for (enum protocol_index i = 0; i < N_PROTOS; i++)
		if (a->n_range[i] != b->n_range[i] ||
		    memcmp(a->range[i], b->range[i], a->n_range[i] * sizeof(a->range[i][0])))
			return false;
	return true;
}

static bool same_ports(const struct nat64_table *t, const struct nat64_table *prev, uint32_t i)
{
	if (!t->slot[i].used)
		return !prev->slot[i].used;
	return t->slot[i].kept && same_ranges(&t->slot[i], &prev->slot[i]);
}

static bool same_owners(const struct nat64_table *t, const struct nat64_table *prev, uint32_t i)
{
	return !t->slot[i].used || memcmp(t->block[i], prev->block[i], sizeof(t->block[i])) == 0;
}

static bool same_statics(const struct nat64_table *t, const struct nat64_table *prev)
{
	if (t->n_static != prev->n_static ||
	    memcmp(t->entry, prev->entry, t->n_static * sizeof(t->entry[0])))
		return false;
	for (uint32_t i = 0; i < t->n_static; i++)
		if (!t->slot[t->entry[i].slot].kept)
			return false;
	return true;
}
_Static_assert(sizeof(struct static_entry) == 16 + 3 * 2 + 2, "compared as octets");

/* What is as it was needs no worker's attention. */
static void note_changes(struct nat64_table *t, const struct nat64_table *prev)
{
	t->pool_changed = prev ? prev->pool_changed : t->serial;
	for (uint32_t i = 0; i < NAT64_POOL_MAX; i++) {
		bool same = prev && same_ports(t, prev, i);

		t->pool_changed = same ? t->pool_changed : t->serial;
		t->changed[i] = same && same_owners(t, prev, i) ? prev->changed[i] : t->serial;
	}
	t->statics_changed = prev && same_statics(t, prev) ? prev->statics_changed : t->serial;
}

static int build(struct nat64_table *t, const struct nat64_conf *conf,
		 const struct nat64_table *prev, struct steering *s, struct err *e)
{
	int rc = check_sizes(conf, e);

	t->serial = next_serial();
	if (rc == 0)
		rc = add_prefixes(t, conf, prev, e);
	if (rc == 0 && prev)
		keep_slots(t, conf, prev);
	if (rc == 0)
		rc = add_slots(t, conf, prev, e);
	if (rc == 0)
		rc = add_ranges(t, conf, e);
	if (rc == 0)
		rc = add_statics(t, conf, e);
	if (rc == 0)
		rc = note_given(t, e);
	if (rc == 0)
		rc = add_choices(t, conf, s, e);
	if (rc == 0)
		rc = add_steering(t, prev, s, e);
	if (rc)
		return rc;
	note_changes(t, prev);
	t->steer = *s;
	fill_ring(t, prev, s);
	return remember__conf(&t->conf, conf) ? 0 : err_set(e, -ENOMEM, "nat64: no memory");
}

/* The inside prefixes, and how they are cut: with the section they say who is whose. */
static bool same_inside(const struct nat64_table *prev, const struct steering *s)
{
	if (prev->steer.n_workers != s->n_workers || prev->steer.n_prefix != s->n_prefix ||
	    memcmp(prev->steer.key, s->key, sizeof(s->key)))
		return false;
	for (uint32_t i = 0; i < s->n_prefix; i++) {
		const struct steer_prefix *a = &prev->steer.inside[i], *b = &s->inside[i];

		if (a->prefix.len != b->prefix.len || !addr_equal(&a->prefix.addr, &b->prefix.addr) ||
		    (!prev->limits.subscriber_prefix && a->subscriber_len != b->subscriber_len))
			return false;
	}
	return true;
}

int nat64_table_new(struct nat64_table **out, const struct nat64_conf *conf,
		    struct nat64_table *prev, struct steering *s, struct err *e)
{
	struct nat64_table *t;
	int rc;

	if (prev && !prev->n_lent && same_inside(prev, s) && remember__same(&prev->conf, conf)) {
		prev->refs++;
		*s = prev->steer;
		*out = prev;
		return 0;
	}
	t = calloc(1, sizeof(*t));
	if (!t)
		return err_set(e, -ENOMEM, "nat64: no memory for the table");
	rc = build(t, conf, prev, s, e);
	if (rc) {
		s->block = NULL;
		s->n_pools = 0;
		nat64_table_free(t);
		return rc;
	}
	t->refs = 1;
	*out = t;
	return 0;
}

void nat64_table_free(struct nat64_table *t)
{
	if (!t || (t->refs && --t->refs))
		return;
	remember__forget(&t->conf);
	free(t->moved);
	free(t->block);
	free(t->given);
	free(t);
}
