/* steer_shared.h - the memory through which the data plane tells the steering programs whose a packet
 * is: one value of one map, which the unprivileged half has mapped. */
#pragma once
#include "sixgate/flow/steer.h"

/**
 * struct steer_shared - two tables, of which one is in use while the other is written
 * @active: which; anything else than 0 and 1 counts by its last bit
 * @block:  [table][pool address][port block] the worker
 *
 * A program that reads a table while it is written again gives a wrong answer at worst, and the packet
 * is handed over to its owner.
 */
struct steer_shared {
	uint32_t active;
	uint32_t zero;
	struct steering table[2];
	uint8_t block[2][STEER_POOL_MAX][STEER_BLOCKS];
};
