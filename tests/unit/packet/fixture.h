/* fixture.h - bytes in an exactly sized heap block, parsed: a read one byte too far is seen. */
#pragma once
#include "test.h"
#include "build.h"
#include "sixgate/base/must.h"
#include "sixgate/packet/checksum.h"
#include "sixgate/packet/parse.h"

struct fixture {
	uint8_t bytes[70000];
	uint32_t len;
	uint8_t *heap;
	struct offload off;
	struct packet p;
};

static inline int fixture_new(void **state)
{
	*state = calloc(1, sizeof(struct fixture));
	must(*state);
	return 0;
}

static inline int fixture_free(void **state)
{
	struct fixture *f = *state;

	free(f->heap);
	free(f);
	return 0;
}

static inline struct verdict parse(struct fixture *f)
{
	free(f->heap);
	f->heap = malloc(PACKET_HEADROOM + f->len + !f->len);
	must(f->heap);
	memcpy(f->heap + PACKET_HEADROOM, f->bytes, f->len);
	memset(&f->p, 0xa5, sizeof(f->p)); /* nothing may rely on zeros */
	f->p.data = f->heap + PACKET_HEADROOM;
	f->p.len = f->p.room = f->len;
	f->p.headroom = PACKET_HEADROOM;
	f->p.off = f->off;
	f->p.side = SIDE_INSIDE;
	return packet_parse(&f->p);
}

static inline void sum_ip4(struct fixture *f)
{
	uint16_t csum = 0;

	memcpy(f->bytes + 10, &csum, 2);
	csum = (uint16_t)~checksum_fold(checksum_add(0, f->bytes, (f->bytes[0] & 15) * 4u));
	memcpy(f->bytes + 10, &csum, 2);
}

/* @n bytes behind the IP header @at bytes long, which is told of its new length. */
static inline void put_in(struct fixture *f, uint32_t at, const uint8_t *what, uint32_t n)
{
	memmove(f->bytes + at + n, f->bytes + at, f->len - at);
	memcpy(f->bytes + at, what, n);
	f->len += n;
	if (f->bytes[0] >> 4 == 6) {
		store16(f->bytes + 4, (uint16_t)(f->len - 40));
		return;
	}
	f->bytes[0] = (uint8_t)(0x40 | (at + n) / 4);
	store16(f->bytes + 2, (uint16_t)f->len);
	sum_ip4(f);
}

#define assert_parsed(v) assert_string_equal(drop_reason_name((v).why), "none")
#define assert_dropped(v, reason)                                                                  \
	do {                                                                                       \
		struct verdict v_ = (v);                                                           \
		assert_string_equal(drop_reason_name(v_.why), drop_reason_name(reason));           \
		assert_int_equal(v_.next, VERDICT_DROP);                                           \
	} while (0)

#define FIXTURE_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_new, fixture_free)
