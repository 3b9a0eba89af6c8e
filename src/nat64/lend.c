/*
 * lend.c - see lend.h: the worker's side, and what control asks for.
 *
 * A worker is short when no more than an eighth of its blocks is free; who has more than a quarter of
 * his free can help, and does not go below that. When nobody can, and little is left everywhere, or
 * subscribers of a worker were refused what others have, all are to have as much, whatever worker they
 * belong to: who has more blocks for each of them helps with what it keeps for newcomers, down to half
 * of that, and has it again before its own get more. So each worker is told what the others have.
 */
#include "nat64_internal.h"
#include "sixgate/nat64/lend.h"

enum {
	SHORT = 8,
	PLENTY = 4,
	KEPT = 16,      /* one in so many stays free with who helps for fairness ... */
	EVEN = 8,       /* ... when the other has less than seven eighths of what its subscribers have */
	ASKED_SHIFT = 8,
	ASKED_EVEN = 1 << 7
};

static enum protocol_index index_of(uint8_t protocol)
{
	return protocol == NAT64_TCP ? PROTO_TCP : protocol == NAT64_UDP ? PROTO_UDP : PROTO_ICMP;
}

struct nat64_need nat64_need(const struct nat64 *n, uint8_t protocol)
{
	const struct lend_gauges *own = &n->lending.own;
	const counter64 *of = own->of[index_of(protocol)];

	return (struct nat64_need){ (uint32_t)counter_read(&of[GAUGE_BLOCKS]),
				    (uint32_t)counter_read(&of[GAUGE_FREE]),
				    (uint32_t)counter_read(&own->holders),
				    counter_read(&of[GAUGE_WANTED]) != 0 };
}

static void tell_gauge(struct nat64 *const *n, unsigned n_workers, enum protocol_index i, unsigned g)
{
	for (unsigned w = 0; w < n_workers; w++) {
		uint64_t sum = 0, latest = 0;

		for (unsigned k = 0; k < n_workers; k++) {
			uint64_t v = k == w ? 0 : counter_read(&n[k]->lending.own.of[i][g]);

			sum += v;
			latest = v > latest ? v : latest;
		}
		counter_set(&n[w]->lending.others.of[i][g], g < GAUGE_WANTED ? sum : latest);
	}
}

void nat64_tell_others(struct nat64 *const *n, unsigned n_workers)
{
	uint64_t holders = 0;

	for (unsigned w = 0; w < n_workers; w++)
		holders += counter_read(&n[w]->lending.own.holders);
	for (unsigned w = 0; w < n_workers; w++)
		counter_set(&n[w]->lending.others.holders,
			    holders - counter_read(&n[w]->lending.own.holders));
	for (enum protocol_index i = 0; i < N_PROTOS; i++)
		for (unsigned g = 0; g < N_GAUGES; g++)
			tell_gauge(n, n_workers, i, g);
}

static uint32_t to_spare(const struct nat64_need *need)
{
	uint32_t kept = need->blocks / PLENTY;

	return need->free > kept ? need->free - kept : 0;
}

static bool is_short(const struct nat64_need *need)
{
	return need->free <= need->blocks / SHORT;
}

static uint64_t holders_of(const struct nat64_need *need)
{
	return need->holders ? need->holders : 1;
}

/* Blocks that @from has for each of its subscribers are more than @to has. */
static bool has_more(const struct nat64_need *from, const struct nat64_need *to)
{
	return from->blocks * holders_of(to) > to->blocks * holders_of(from);
}

/* Blocks after which both have as many for each subscriber; 0: they nearly have, or there are none. */
static uint32_t to_be_even(const struct nat64_need *from, const struct nat64_need *to)
{
	uint64_t a = from->blocks * holders_of(to), b = to->blocks * holders_of(from), n;
	uint32_t kept = from->blocks / KEPT;

	if (!to->holders || from->free <= kept || b * EVEN >= a * (EVEN - 1))
		return 0;
	n = (a - b) / (holders_of(from) + holders_of(to));
	return n < from->free - kept ? (uint32_t)n : from->free - kept;
}

/* Who is short, or has subscribers that were refused, and has least for each of them, and who has most of those that have any to give. */
static bool deal_evenly(const struct nat64_need *need, unsigned n_workers, struct nat64_deal *deal)
{
	unsigned from = n_workers, to = n_workers;

	for (unsigned i = 0; i < n_workers; i++)
		if ((is_short(&need[i]) || need[i].wanted) && need[i].holders &&
		    (to == n_workers || has_more(&need[to], &need[i])))
			to = i;
	for (unsigned i = 0; i < n_workers && to < n_workers; i++)
		if (to_be_even(&need[i], &need[to]) &&
		    (from == n_workers || has_more(&need[i], &need[from])))
			from = i;
	if (from == n_workers)
		return false;
	deal->from = (uint8_t)from;
	deal->to = (uint8_t)to;
	deal->n = to_be_even(&need[from], &need[to]);
	deal->n = deal->n < NAT64_LOAN_MAX ? deal->n : NAT64_LOAN_MAX;
	deal->even = true;
	return true;
}

static bool deal_plenty(const struct nat64_need *need, unsigned n_workers, struct nat64_deal *deal)
{
	unsigned from = 0, to = 0;
	uint32_t n;

	for (unsigned i = 1; i < n_workers; i++) {
		if (to_spare(&need[i]) > to_spare(&need[from]))
			from = i;
		if (need[i].free < need[to].free)
			to = i;
	}
	if (!is_short(&need[to]) || need[from].free <= need[to].free)
		return false;
	n = (need[from].free - need[to].free) / 2;
	n = n < to_spare(&need[from]) ? n : to_spare(&need[from]);
	if (!n)
		return false;
	deal->from = (uint8_t)from;
	deal->to = (uint8_t)to;
	deal->n = n < NAT64_LOAN_MAX ? n : NAT64_LOAN_MAX;
	deal->even = false;
	return true;
}

bool nat64_deal(const struct nat64_need *need, unsigned n_workers, struct nat64_deal *deal)
{
	return deal_plenty(need, n_workers, deal) || deal_evenly(need, n_workers, deal);
}

void nat64_ask_loan(struct nat64 *n, const struct nat64_deal *deal)
{
	atomic_store_explicit(&n->lending.asked,
			      (uint32_t)index_of(deal->protocol) | (deal->even ? ASKED_EVEN : 0) |
				      deal->n << ASKED_SHIFT,
			      memory_order_release);
}

bool nat64_loan_asked(const struct nat64 *n)
{
	return atomic_load_explicit(&n->lending.asked, memory_order_acquire) != 0;
}

void nat64_withdraw_loan(struct nat64 *n)
{
	atomic_store_explicit(&n->lending.asked, 0, memory_order_relaxed);
}

uint32_t nat64_take_loans(struct nat64 *n, struct nat64_loan *out, uint32_t max)
{
	struct lending *l = &n->lending;
	uint32_t i, n_out = 0;

	while (n_out < max && (i = spsc_begin_read(&l->ring)) != UINT32_MAX) {
		out[n_out++] = l->loan[i];
		spsc_commit_read(&l->ring);
	}
	return n_out;
}

uint32_t nat64_return_loans(struct nat64 *n, const struct nat64_table *t,
			    const struct nat64_loan *loan, uint32_t n_loans)
{
	struct lending *l = &n->lending;
	uint32_t i, n_back = 0;

	for (uint32_t k = 0; k < n_loans; k++) {
		if (loan[k].serial != t->serial || (i = spsc_begin_write(&l->back_ring)) == UINT32_MAX)
			continue;
		l->back[i] = loan[k];
		spsc_commit_write(&l->back_ring);
		n_back++;
	}
	return n_back;
}

/* ---- the worker ---- */

static int free_block_of(struct nat64 *n, uint32_t slot, enum protocol_index proto)
{
	const struct pool_ports *pp = &n->ports.slot[slot];
	uint64_t words[BLOCK_WORDS];

	for (unsigned i = 0; i < BLOCK_WORDS; i++)
		words[i] = pp->given[proto][i] & ~pp->held[i];
	words[0] &= ~0ull << SYSTEM_BLOCKS;
	return ports__pick_bit(words, BLOCK_WORDS, ports__draw(n));
}

static bool set_aside(struct nat64 *n, enum protocol_index proto)
{
	struct lending *l = &n->lending;
	uint32_t at = spsc_begin_write(&l->ring), slot, number;
	uint64_t slots[SLOT_WORDS];

	for (unsigned i = 0; i < SLOT_WORDS; i++)
		slots[i] = n->ports.has_free[proto][CLASS_OTHER][i] & ~n->ports.pending[i];
	slot = ports__next_slot(slots, hash_range(ports__draw(n), NAT64_POOL_MAX));
	if (at == UINT32_MAX || slot == NO_SLOT || l->n_aside == ARRAY_LEN(l->aside))
		return false;
	number = block__number(slot, (unsigned)free_block_of(n, slot, proto));
	block__set_holder(n, number, HOLDER_LENT);
	l->aside[l->n_aside++] = number;
	l->loan[at] = (struct nat64_loan){ number, l->serial };
	spsc_commit_write(&l->ring);
	return true;
}

void lend__use_table(struct nat64 *n, const struct nat64_table *t)
{
	struct lending *l = &n->lending;

	for (uint32_t i = 0; i < l->n_aside; i++)
		if (block__at(n, l->aside[i])->holder == HOLDER_LENT)
			block__set_holder(n, l->aside[i], HOLDER_NONE);
	l->n_aside = 0;
	l->serial = t->serial;
}

static void take_back(struct nat64 *n, const struct nat64_loan *loan)
{
	struct lending *l = &n->lending;
	uint32_t i = 0;

	if (loan->serial != l->serial)
		return;
	while (i < l->n_aside && l->aside[i] != loan->block)
		i++;
	if (i == l->n_aside)
		return;
	l->aside[i] = l->aside[--l->n_aside];
	if (block__at(n, loan->block)->holder == HOLDER_LENT)
		block__set_holder(n, loan->block, HOLDER_NONE);
}

static void take_all_back(struct nat64 *n)
{
	struct lending *l = &n->lending;
	uint32_t i;

	while (unlikely((i = spsc_begin_read(&l->back_ring)) != UINT32_MAX)) {
		take_back(n, &l->back[i]);
		spsc_commit_read(&l->back_ring);
	}
}

static void set_all_aside(struct nat64 *n, uint32_t asked)
{
	enum protocol_index proto = asked & (ASKED_EVEN - 1);
	uint32_t kept = asked & ASKED_EVEN ? KEPT : PLENTY;

	for (uint32_t wanted = asked >> ASKED_SHIFT; wanted; wanted--) {
		const struct supply *s = &n->ports.supply[proto][CLASS_OTHER];

		if (s->free <= s->blocks / kept || !set_aside(n, proto))
			break;
	}
}

static void measure(struct nat64 *n, enum protocol_index i)
{
	const struct supply *s = &n->ports.supply[i][CLASS_OTHER];
	counter64 *of = n->lending.own.of[i];

	counter_set(&of[GAUGE_BLOCKS], s->blocks);
	counter_set(&of[GAUGE_FREE], s->free);
	counter_set(&of[GAUGE_PORTS], s->ports);
	counter_set(&of[GAUGE_SINGLES], s->singles);
	counter_set(&of[GAUGE_WANTED], share__recent(n, n->ports.wanted_s[i]));
	counter_set(&of[GAUGE_NEWCOMER], share__recent(n, n->ports.newcomer_s[i]));
}

void lend__advance(struct nat64 *n)
{
	struct lending *l = &n->lending;
	uint32_t asked = atomic_load_explicit(&l->asked, memory_order_acquire);

	take_all_back(n);
	for (enum protocol_index i = 0; i < N_PROTOS; i++)
		measure(n, i);
	counter_set(&l->own.holders, n->ports.n_holders);
	if (likely(!asked))
		return;
	set_all_aside(n, asked);
	/* fails when it was withdrawn meanwhile: what is asked next stays */
	atomic_compare_exchange_strong_explicit(&l->asked, &asked, 0, memory_order_release,
						memory_order_relaxed);
}

/* ---- the table ---- */

bool nat64_table_lend(struct nat64_table *t, const struct nat64_loan *loan, unsigned worker)
{
	if (loan->serial != t->serial || t->n_lent == ARRAY_LEN(t->lent))
		return false;
	t->lent[t->n_lent++] = (struct lent_block){ loan->block, (uint8_t)worker };
	return true;
}

static bool is_here(const struct nat64_table *t, const struct lent_block *l)
{
	uint32_t slot = block__slot(l->block);

	return slot < t->n_slots && t->slot[slot].kept;
}

void lend__fulfil(struct nat64_table *t, const struct nat64_table *prev)
{
	for (uint32_t i = 0; i < prev->n_lent; i++)
		if (is_here(t, &prev->lent[i]))
			t->block[block__slot(prev->lent[i].block)]
				[prev->lent[i].block % STEER_BLOCKS] = prev->lent[i].worker;
}

void lend__note(struct nat64_table *t, const struct nat64_table *prev)
{
	for (uint32_t i = 0; i < prev->n_lent; i++) {
		const struct lent_block *l = &prev->lent[i];
		uint32_t slot = block__slot(l->block), block = l->block % STEER_BLOCKS;

		if (is_here(t, l) && t->block[slot][block] == l->worker)
			bit_clear(t->moved[slot], block);
	}
}
