/* test_steer.c - the program that deals packets to the queues of a TUN device gives the answer of
 * owner_of(), asked of the kernel itself. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <cmocka.h>
#include "sixgate/base/must.h"
#include "sixgate/io/steer.h"

enum { LOOPBACK = 1, ELSEWHERE = 2, PACKETS = 20000, ETHERNET = 14 };

static uint64_t state;

static uint32_t chance(uint32_t n)
{
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(((state >> 32) * n) >> 32);
}

/* Few addresses, so that tables are hit. */
static struct addr some_addr(void)
{
	static const char *const text[] = { "198.51.100.10", "198.51.100.11", "203.0.113.9", "192.0.2.31",
					    "2001:db8:1::2", "2001:db8:1:2::3", "2001:db8:5::1",
					    "64:ff9b::c633:640a", "2001:db8:64:20::cb00:7109" };
	struct addr a;

	must(addr_parse(text[chance(sizeof(text) / sizeof(text[0]))], &a) == 0);
	if (chance(4) == 0)
		a.octet[15] = (uint8_t)chance(256);
	return a;
}

static struct prefix some_prefix(unsigned len)
{
	struct addr a = some_addr();

	return (struct prefix){ .addr = addr_mask(&a, len), .len = (uint8_t)len };
}

/* siit's: explicit mappings of a few shapes, prefixes, a CLAT. */
static void fill_stateless(struct steering *s)
{
	static const uint8_t lens[] = { 32, 40, 48, 56, 64, 96 };
	const unsigned n = chance(STEER_SHAPES_MAX + 1);
	const struct addr v4 = addr_from_v4((const uint8_t[]){ 203, 0, 113, 0 });

	s->stateless.on = chance(3);
	for (unsigned i = 0; i < n; i++) {
		const uint8_t n_bits = (uint8_t)chance(33), len = (uint8_t)chance(129 - n_bits);
		const struct prefix v6 = some_prefix(len);
		const int rc = steering_add_mapping(s, &v6, &v4, n_bits);

		must(rc == 0);
	}
	for (unsigned i = chance(STEER_EMBEDDED_MAX + 1); i; i--)
		s->stateless.embedded[s->stateless.n_embedded++] = some_prefix(lens[chance(sizeof(lens))]);
	if (chance(2))
		s->stateless.clat = some_prefix(chance(129));
}

static void fill(struct steering *s, uint8_t (*block)[STEER_BLOCKS])
{
	const struct hash_key key = { .word = { 0x1234567890abcdef ^ state, 77 } };

	steering_init(s, 2 + chance(7), &key);
	s->block = block;
	s->n_homes = 1 + chance(s->n_workers);
	s->n_pools = 3;
	for (unsigned i = 0; i < 3 * STEER_BLOCKS; i++)
		block[i / STEER_BLOCKS][i % STEER_BLOCKS] = (uint8_t)chance(s->n_workers);
	for (unsigned i = 0; i < 40; i++) {
		const struct addr a = some_addr();
		const enum steer_kind kind = STEER_VIP + chance(4);
		const bool node = kind == STEER_NODE;

		const be16 port = be16_from(node ? (uint16_t)chance(4) : 0);
		const uint8_t proto = node ? (chance(2) ? 6 : 17) : 0;
		const int rc = steering_add(s, kind, &a, port, proto,
					    chance(kind == STEER_POOL ? 4 : s->n_workers));

		must(rc == 0);
	}
	for (s->n_prefix = 0; s->n_prefix < 5; s->n_prefix++)
		s->inside[s->n_prefix] = (struct steer_prefix){ some_prefix(chance(129)),
								(uint8_t)chance(129) };
	for (s->n_embed = 0; s->n_embed < 3; s->n_embed++)
		s->embed[s->n_embed] = some_prefix(96);
	fill_stateless(s);
}

static uint8_t *put_v4(uint8_t *p, uint8_t proto)
{
	const struct addr src = some_addr(), dst = some_addr();

	p[0] = (uint8_t)(0x40 | (chance(8) ? 5 : chance(16)));
	store16(p + 4, (uint16_t)chance(4));
	store16(p + 6, chance(4) ? 0 : (uint16_t)chance(65536));
	p[9] = proto;
	memcpy(p + 12, src.octet + 12, 4);
	memcpy(p + 16, dst.octet + 12, 4);
	return p + (p[0] & 15) * 4;
}

static uint8_t *put_v6(uint8_t *p, uint8_t proto)
{
	static const uint8_t extension[] = { 0, 43, 44, 60 };
	const struct addr src = some_addr(), dst = some_addr();
	uint8_t *next = p + 6;

	p[0] = 0x60;
	memcpy(p + 8, src.octet, 16);
	memcpy(p + 24, dst.octet, 16);
	p += 40;
	for (unsigned n = chance(4) ? 0 : chance(6); n; n--) {
		*next = extension[chance(4)];
		next = p;
		p[1] = *next == 44 ? 0 : (uint8_t)(chance(8) ? 0 : chance(256));
		store16(p + 2, (uint16_t)chance(65536));
		p += 8;
	}
	*next = proto;
	return p;
}

/* A packet, and in an ICMP error the packet it quotes; now and then anything else. */
static uint32_t some_packet(uint8_t *bytes)
{
	static const uint8_t protos[] = { 1, 6, 17, 58, 58, 1 };
	uint8_t *p = bytes;

	for (unsigned i = 0; i < 256; i++)
		bytes[i] = (uint8_t)chance(256);
	if (chance(50) == 0)
		return 1 + chance(200);
	for (unsigned depth = 0; depth < 2; depth++) {
		const uint8_t proto = protos[chance(sizeof(protos))];

		p = chance(2) ? put_v4(p, proto) : put_v6(p, proto);
		if (proto == 1 || proto == 58)
			p[0] = (uint8_t)(chance(2) ? 3 : 128);
		else
			store32(p, chance(4) << 16 | chance(4));
		p += 8;
	}
	return chance(4) ? 256 : 1 + chance(255);
}

static unsigned ask_kernel(const struct tun_steering *t, const uint8_t *bytes, uint32_t len)
{
	uint8_t frame[ETHERNET + 512] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = ETHERNET + len, .repeat = 1);

	frame[12] = 0x88; /* a type that the kernel has no opinion about */
	memcpy(frame + ETHERNET, bytes, len);
	if (bpf_prog_test_run_opts(t->program, &run) != 0)
		fail_msg("%u bytes: errno %d", len, errno);
	return run.retval;
}

static void the_kernel_answers_as_owner_of_does(void **unused)
{
	static struct steering s;
	static uint8_t block[STEER_POOL_MAX][STEER_BLOCKS];
	const char *given = getenv("SIXGATE_TEST_SEED");
	uint32_t seen = 0;

	(void)unused;
	state = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
	print_message("SIXGATE_TEST_SEED=%llu\n", (unsigned long long)state);
	for (int side = SIDE_INSIDE; side < N_SIDES; side++) {
		struct tun_steering t;
		struct steer_shared *shared;
		struct err e = { "" };

		if (tun_steering_load(&t, side == SIDE_INSIDE ? LOOPBACK : ELSEWHERE, &e) != 0) {
			print_message("%s\n", e.text);
			skip();
		}
		shared = tun_steering_table(dup(t.map));
		assert_non_null(shared);
		for (unsigned i = 0; i < PACKETS; i++) {
			uint8_t bytes[512] = { 0 };
			const uint32_t len = some_packet(bytes);
			unsigned owner;

			if (i % 500 == 0) {
				fill(&s, block);
				tun_steering_tell(shared, &s);
			}
			owner = owner_of(&s, bytes, len, (enum side)side);
			seen |= 1u << owner;
			if (ask_kernel(&t, bytes, len) != owner)
				fail_msg("packet %u on side %d: %u bytes, owner %u", i, side, len, owner);
		}
		tun_steering_close(&t);
	}
	assert_int_equal(seen, 0xff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_kernel_answers_as_owner_of_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
