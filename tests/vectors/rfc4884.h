/* rfc4884.h - lengths of the original datagram field, by the rules of RFC 4884 3 and 4: at least
 * 128 bytes, in units of 4 bytes in ICMPv4 and of 8 in ICMPv6, the embedded IP header growing or
 * shrinking by 20 on the way (RFC 7915 4.2, 5.2). */
#pragma once
#include <stdint.h>

/**
 * struct rfc4884_row - an error with extensions and what becomes of it
 * @declared: bytes of the embedded packet, its header included
 * @length:   attribute as received, in its family's unit: bytes / 4 or / 8
 * @ext:      bytes of the extension structure
 * @to_length, @to_total: attribute and bytes of the whole packet as sent
 */
struct rfc4884_row {
	uint16_t declared;
	uint8_t length;
	uint16_t ext;
	uint8_t to_length;
	uint16_t to_total;
};

static const struct rfc4884_row rfc4884_4to6[] = {
	{ 1500, 32, 12, 19, 48 + 152 + 12 },      /* 128 bytes quoted: 148, padded to 152 */
	{ 1500, 33, 12, 19, 48 + 152 + 12 },      /* 132: 152 */
	{ 1500, 34, 12, 20, 48 + 160 + 12 },      /* 136: 156, 160 */
	{ 1500, 137, 4, 71, 48 + 568 + 4 },       /* 548: 568 */
	{ 1500, 255, 4, 130, 48 + 1040 + 4 },     /* 1020: 1040, the most that can be said */
	{ 1500, 255, 232, 125, 48 + 1000 + 232 }, /* 1280 in all: the quote is cut */
	{ 28, 32, 12, 16, 48 + 128 + 12 },        /* padding is made anew: 48, 128 */
	{ 108, 32, 12, 16, 48 + 128 + 12 },       /* 128 */
	{ 109, 32, 12, 17, 48 + 136 + 12 },       /* 129, 136 */
	{ 1500, 32, 1104, 16, 48 + 128 + 1104 },  /* the quote is cut to its least */
	{ 1500, 32, 1108, 0, 48 + 148 },          /* no room for both: the packet is worth more */
};

static const struct rfc4884_row rfc4884_6to4[] = {
	{ 1500, 16, 12, 32, 28 + 128 + 12 }, /* 128 bytes quoted: 108, padded to 128 */
	{ 1500, 18, 12, 32, 28 + 128 + 12 }, /* 144: 124, 128 */
	{ 1500, 19, 12, 33, 28 + 132 + 12 }, /* 152: 132 */
	{ 1500, 70, 4, 135, 28 + 540 + 4 },  /* 560: 540 */
	{ 1500, 150, 4, 136, 28 + 544 + 4 }, /* 576 in all: the quote is cut */
	{ 1500, 150, 100, 112, 28 + 448 + 100 },
	{ 48, 16, 12, 32, 28 + 128 + 12 },     /* padding is made anew */
	{ 1500, 16, 420, 32, 28 + 128 + 420 }, /* just the least of both */
	{ 1500, 16, 424, 0, 28 + 108 },        /* no room for both */
};
