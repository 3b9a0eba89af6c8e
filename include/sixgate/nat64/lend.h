/*
 * lend.h - port blocks move from a worker that has many free ones to one that has few.
 *
 * A block is never taken from a worker: control asks, the worker sets free blocks aside and names
 * them, and the next table gives them to the other worker. What was set aside under one table is
 * free again under the next, unless it was given away by it, and at once when control returns it. So
 * no port is ever two workers'.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "sixgate/nat64/nat64.h"

enum { NAT64_LOAN_MAX = 64 }; /* blocks at a time */

/** struct nat64_need - what a worker has of a protocol: blocks above the system ports; and how many
 *  subscribers it has that have something of any protocol. @wanted: in the last minute one with less
 *  than an even share was refused. */
struct nat64_need {
	uint32_t blocks, free;
	uint32_t holders;
	bool wanted;
};

/** struct nat64_loan - a block that was set aside. @serial: of the table that was in use then. */
struct nat64_loan {
	uint32_t block; /* slot * STEER_BLOCKS + block */
	uint32_t serial;
};

/** struct nat64_deal - @from is to set aside @n blocks with ports of @protocol for @to. @even: not of
 *  plenty, but so that all subscribers have as much: it keeps fewer free. */
struct nat64_deal {
	uint8_t protocol; /* one enum nat64_protocol */
	uint8_t from, to;
	uint32_t n;
	bool even;
};

/** nat64_need() - as of its last nat64_advance(). Any thread. */
struct nat64_need nat64_need(const struct nat64 *n, uint8_t protocol);

/** nat64_deal() - is one worker short of blocks that another has plenty of, or has more of for each of
 *  its subscribers, and free ones? @need: [@n_workers].
 *  Return: false when all is well, or nobody can help. @deal: all but the protocol is set. */
bool nat64_deal(const struct nat64_need *need, unsigned n_workers, struct nat64_deal *deal);

/** nat64_tell_others() - each of @n [@n_workers] knows from now on what the others have and wish, as of
 *  their last nat64_advance(): its subscribers are not to have more than those of others. Control
 *  thread. */
void nat64_tell_others(struct nat64 *const *n, unsigned n_workers);

/** nat64_ask_loan() - the worker is to set blocks aside in its next nat64_advance(). Control
 *  thread. */
void nat64_ask_loan(struct nat64 *n, const struct nat64_deal *deal);

/** nat64_loan_asked() - it has not done so yet. When it has, all that it has set aside can be taken.
 *  Control thread. */
bool nat64_loan_asked(const struct nat64 *n);

/** nat64_withdraw_loan() - it need not do so any more; what it sets aside all the same, because it is
 *  about to, is to be taken and returned. Control thread. */
void nat64_withdraw_loan(struct nat64 *n);

/** nat64_take_loans() - what was set aside since. Return: how many of @out were filled. Control
 *  thread. */
uint32_t nat64_take_loans(struct nat64 *n, struct nat64_loan *out, uint32_t max);

/** nat64_table_lend() - under the table that is made after @t, which runs, the block is to be
 *  @worker's (unless its address goes, or a static entry pins it). Return: false if it was set aside
 *  under another table than @t. Control thread; workers do not look at what this writes. */
bool nat64_table_lend(struct nat64_table *t, const struct nat64_loan *loan, unsigned worker);

/** nat64_return_loans() - taken from @n, lent to nobody: free again with its next nat64_advance().
 *  @t: the table that runs; what was set aside under another is free already. Return: how many of
 *  @loan were returned. Control thread. */
uint32_t nat64_return_loans(struct nat64 *n, const struct nat64_table *t,
			    const struct nat64_loan *loan, uint32_t n_loans);
