/* bed.h - a NAT64 of one or more workers to test on: configuration in text, packets as tuples. */
#pragma once
#include <sys/mman.h>
#include "test.h"
#include "build.h"
#include "sixgate/base/must.h"
#include "sixgate/flow/table.h"
#include "sixgate/flow/tcp.h"
#include "sixgate/nat64/lend.h"
#include "sixgate/nat64/nat64.h"

enum { BED_WORKERS = 8, BED_ENTRIES = 2048, BED_ICMP = 0 };

/**
 * struct bed - everything of one test; bed_up() after the configuration is written
 * @now_ms: of all calls
 * @link: a prefix on the link, whose hosts are each a subscriber; or NULL
 * @t: the table in use; @old: the one before, after bed_reload()
 */
struct bed {
	struct hash_key key;
	struct nat64_conf conf;
	struct prefix prefix[NAT64_PREFIXES_MAX + 1];
	struct pool4_conf pool4[BED_ENTRIES];
	struct static_conf entry[BED_ENTRIES];
	struct steering *steer, *steer_old;
	struct nat64_table *t, *old;
	struct nat64 *n[BED_WORKERS];
	unsigned n_workers;
	const char *link;
	struct flow_table flows; /* with a bucket, and never a flow in it */
	struct index_bucket bucket;
	struct arena arena;
	struct err err;
	uint64_t now_ms;
};

static inline struct addr addr_of(const char *text)
{
	struct addr a;

	must(addr_parse(text, &a) == 0);
	return a;
}

static inline void bed_prefix(struct bed *b, const char *text)
{
	must(prefix_parse(text, &b->prefix[b->conf.n_prefix++]) == 0);
}

static inline void bed_pool(struct bed *b, const char *first, const char *last, uint16_t from,
			    uint16_t to)
{
	b->pool4[b->conf.n_pool4++] = (struct pool4_conf){
		.first = addr_of(first), .last = addr_of(last), .port_first = from, .port_last = to,
		.protocols = NAT64_TCP | NAT64_UDP | NAT64_ICMP };
}

static inline void bed_static(struct bed *b, uint8_t protocol, const char *inside, uint16_t x,
			      const char *outside, uint16_t t)
{
	b->entry[b->conf.n_static++] = (struct static_conf){
		.protocol = protocol, .inside = addr_of(inside), .outside = addr_of(outside),
		.inside_port = x, .outside_port = t };
}

static inline struct bed *bed_new(unsigned n_workers)
{
	struct bed *b = calloc(1, sizeof(*b));

	must(b);
	for (uint64_t i = 0; i < 8; i++)
		b->key.word[i] = 0x9e3779b97f4a7c15 * (i + 1);
	b->n_workers = n_workers;
	b->flows = (struct flow_table){ .key = b->key, .index = { &b->bucket, 1 } };
	b->now_ms = 1;
	b->conf.prefix = b->prefix;
	b->conf.pool4 = b->pool4;
	b->conf.static_entry = b->entry;
	return b;
}

static inline int bed_compile(struct bed *b)
{
	struct pool4_conf *pool4;
	struct nat64_conf conf;
	struct prefix inside;
	int rc;

	b->steer = calloc(1, sizeof(*b->steer));
	must(b->steer && prefix_parse("2001:db8:1::/48", &inside) == 0);
	steering_init(b->steer, b->n_workers, &b->key);
	b->steer->inside[b->steer->n_prefix++] = (struct steer_prefix){ inside, 64 };
	if (b->link) {
		must(prefix_parse(b->link, &inside) == 0);
		b->steer->inside[b->steer->n_prefix++] = (struct steer_prefix){ inside, 128 };
	}
	/* nothing stands behind the last entry: who reads it is found out */
	pool4 = malloc(b->conf.n_pool4 * sizeof(*pool4) + !b->conf.n_pool4);
	must(pool4);
	memcpy(pool4, b->conf.pool4, b->conf.n_pool4 * sizeof(*pool4));
	conf = b->conf;
	conf.pool4 = pool4;
	rc = nat64_table_new(&b->t, &conf, b->old, b->steer, &b->err);
	free(pool4);
	return rc;
}

/* All of the table at once. */
static inline void bed_use(struct bed *b, unsigned worker)
{
	nat64_use_table(b->n[worker], b->t, b->now_ms);
	while (nat64_adopt(b->n[worker], b->t))
		;
}

static inline void bed_up(struct bed *b, uint32_t n_mappings)
{
	struct arena measure = { 0 };

	for (unsigned i = 0; i < b->n_workers; i++)
		nat64_layout(&measure, n_mappings, i, &b->key);
	b->arena = (struct arena){ .base = mmap(NULL, measure.used, PROT_READ | PROT_WRITE,
						MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0),
				   .size = measure.used };
	must(b->arena.base != MAP_FAILED && bed_compile(b) == 0);
	for (unsigned i = 0; i < b->n_workers; i++) {
		b->n[i] = nat64_layout(&b->arena, n_mappings, i, &b->key);
		bed_use(b, i);
	}
}

/* bed_begin() - compile b->conf again and let every worker begin with it: most addresses of a big pool
 * wait. bed_finish(): none does. */
static inline void bed_begin(struct bed *b)
{
	nat64_table_free(b->old);
	free(b->steer_old);
	b->old = b->t;
	b->steer_old = b->steer;
	must(bed_compile(b) == 0);
	for (unsigned i = 0; i < b->n_workers; i++)
		nat64_use_table(b->n[i], b->t, b->now_ms);
}

static inline void bed_finish(struct bed *b)
{
	for (unsigned i = 0; i < b->n_workers; i++)
		bed_use(b, i);
}

/* bed_reload() - all of a new table at once. */
static inline void bed_reload(struct bed *b)
{
	bed_begin(b);
	bed_finish(b);
}

/* bed_lend() - a second or two of the control thread: one deal, if there is any, of @protocol. Return:
 * false if there is none. */
static inline bool bed_lend(struct bed *b, uint8_t protocol)
{
	struct nat64_need need[BED_WORKERS];
	struct nat64_deal deal = { .protocol = protocol };
	struct nat64_loan loan[NAT64_LOAN_MAX];
	uint32_t n;

	for (unsigned i = 0; i < b->n_workers; i++) {
		nat64_advance(b->n[i], b->now_ms);
		need[i] = nat64_need(b->n[i], protocol);
	}
	nat64_tell_others(b->n, b->steer->n_homes);
	if (!nat64_deal(need, b->steer->n_homes, &deal))
		return false;
	nat64_ask_loan(b->n[deal.from], &deal);
	nat64_advance(b->n[deal.from], b->now_ms);
	n = nat64_take_loans(b->n[deal.from], loan, NAT64_LOAN_MAX);
	for (uint32_t i = 0; i < n; i++)
		must(nat64_table_lend(b->t, &loan[i], deal.to));
	if (n)
		bed_reload(b);
	return n;
}

static inline void bed_free(struct bed *b)
{
	nat64_table_free(b->t);
	nat64_table_free(b->old);
	free(b->steer);
	free(b->steer_old);
	if (b->arena.base)
		munmap(b->arena.base, b->arena.size);
	free(b);
}

/* The usual one: 64:ff9b:1::/96, which may hold any address, and one pool address. */
static inline struct bed *bed_usual(void)
{
	struct bed *b = bed_new(1);

	bed_prefix(b, "64:ff9b:1::/96");
	bed_pool(b, "192.0.2.1", "192.0.2.1", 1024, 65535);
	bed_up(b, 1000);
	return b;
}

/* A packet as the parser leaves it, as far as admission looks: TCP is a SYN, ICMP a request. */
static inline struct packet first_packet(const struct tuple *t)
{
	bool v4 = addr_is_v4(&t->dst), icmp = t->proto == (v4 ? 1 : 58);

	return (struct packet){ .key = *t, .family = v4 ? 4 : 6, .proto = t->proto,
				.side = v4 ? SIDE_OUTSIDE : SIDE_INSIDE,
				.tcp_flags = t->proto == 6 ? TCP_SYN : 0,
				.flags = icmp ? PACKET_ICMP_QUERY : 0,
				.icmp_type = icmp ? (v4 ? 8 : 128) : 0 };
}

static inline struct flow flow_of(const struct flow_plan *plan)
{
	return (struct flow){ .key = { plan->key[0], plan->key[1] },
			      .object = plan->object,
			      .generation = plan->generation,
			      .policy = plan->policy,
			      .flags = plan->flags };
}

/* Ask the worker that owns it; what is let in is a flow. */
static inline struct verdict bed_ask(struct bed *b, const struct packet *p, struct flow_plan *plan)
{
	unsigned w = owner_of_tuple(b->steer, &p->key, (enum side)p->side);
	struct verdict v;
	struct flow f;

	*plan = (struct flow_plan){ 0 };
	v = addr_is_v4(&p->key.dst) ? nat64_admit_outside(b->n[w], b->t, p, plan, b->now_ms)
				    : nat64_admit_inside(b->n[w], b->t, &b->flows, p, plan, b->now_ms);
	f = flow_of(plan);
	if (v.next == VERDICT_CONTINUE && !plan->once)
		nat64_flow_began(b->n[w], &f, b->now_ms);
	return v;
}

static inline struct verdict bed_open(struct bed *b, const struct tuple *t, struct flow_plan *plan)
{
	struct packet p = first_packet(t);

	return bed_ask(b, &p, plan);
}

/* A session that must be let in. */
static inline struct flow_plan bed_must_open(struct bed *b, const struct tuple *t)
{
	struct flow_plan plan;
	struct verdict v = bed_open(b, t, &plan);

	if (v.next != VERDICT_CONTINUE)
		fail_msg("dropped: %s", drop_reason_name(v.why));
	return plan;
}

static inline unsigned bed_owner(const struct bed *b, const struct flow_plan *plan)
{
	return owner_of_tuple(b->steer, &plan->key[1], SIDE_OUTSIDE);
}

static inline void bed_end(struct bed *b, const struct flow_plan *plan)
{
	struct flow f = { .key = { plan->key[0], plan->key[1] }, .object = plan->object,
			  .flags = plan->flags };

	nat64_flow_ended(b->n[bed_owner(b, plan)], &f, b->now_ms);
}

/* Time goes on, and what has rested long enough is free. */
static inline void bed_advance(struct bed *b, uint64_t ms)
{
	b->now_ms += ms;
	for (unsigned i = 0; i < b->n_workers; i++)
		while (nat64_advance(b->n[i], b->now_ms))
			;
}

static inline bool bed_stale(const struct bed *b, const struct flow_plan *plan)
{
	struct flow f = flow_of(plan);

	return nat64_flow_stale(b->t, b->n[bed_owner(b, plan)], &f);
}

static inline void assert_dropped(struct verdict v, enum drop_reason why, enum icmp_reply reply)
{
	if (v.next != VERDICT_DROP || v.why != why || v.reply != reply)
		fail_msg("wanted drop %s reply %d, got next %d %s reply %d", drop_reason_name(why),
			 reply, v.next, drop_reason_name(v.why), v.reply);
}

static inline uint16_t mapped_port(const struct flow_plan *plan)
{
	return be16_to(plan->key[1].dport);
}
