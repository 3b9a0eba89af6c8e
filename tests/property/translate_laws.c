/*
 * translate_laws.c - the laws of tests/lib/translate_law.h over the product of families, protocols,
 * lengths, DF, MTUs, offloads, and over ICMP errors; then over the same with some bits flipped.
 */
#include "test.h"
#include <netinet/in.h>
#include "build.h"
#include "sixgate/base/must.h"
#include "sixgate/packet/checksum.h"
#include "translate_law.h"

enum { ROUNDS = 60000, BYTES = 70000 };

static uint64_t seed;
static uint8_t bytes[BYTES];

static uint32_t pick(uint32_t n)
{
	return (uint32_t)(rnd(&seed) >> 33) % n;
}

static struct tuple tuple(bool v4, bool reverse, uint8_t proto)
{
	struct tuple t = v4 ? tuple_of("198.51.100.1", "192.0.2.33", 0, 0, proto)
			    : tuple_of("2001:db8:1::10", "64:ff9b::192.0.2.33", 0, 0, proto);

	t.sport = (be16){ (uint16_t)rnd(&seed) };
	t.dport = (be16){ (uint16_t)rnd(&seed) };
	return reverse ? tuple_reverse(&t) : t;
}

/* Lengths where something happens, and any. */
static uint32_t payload(void)
{
	static const uint32_t edge[] = { 0,    1,    7,    1232, 1233, 1252, 1253,
					 1424, 1452, 1453, 1472, 1473, 8000, 65000 };

	return pick(3) ? pick(1600) : edge[pick(ARRAY_LEN(edge))];
}

enum { PROTO_DCCP = 33, PROTO_ESP = 50, PROTO_SCTP = 132, PROTO_UDPLITE = 136 };

/* Something with UDP's header under another name. */
static uint32_t build_other(const struct tuple *t, uint32_t n)
{
	struct tuple udp = *t;
	bool v4 = addr_is_v4(&t->src);
	uint32_t len;

	udp.proto = IPPROTO_UDP;
	len = build_udp(bytes, &udp, n);
	bytes[v4 ? 9 : 6] = t->proto;
	if (!pick(16))
		store16(bytes + (v4 ? 26 : 46), 0);
	return len;
}

static uint32_t build(const struct tuple *t, uint32_t n)
{
	switch (t->proto) {
	case PROTO_DCCP:
	case PROTO_ESP:
	case PROTO_SCTP:
	case PROTO_UDPLITE:
		return build_other(t, n);
	case IPPROTO_TCP:
		return build_tcp(bytes, t,
				 (struct tcp_args){ (uint8_t)(pick(4) ? 0x10 : 0x02), 1, 2 }, n);
	case IPPROTO_UDP:
		return build_udp(bytes, t, n);
	default:
		return build_echo(bytes, t, pick(2), n);
	}
}

static void sum_ip4_again(void)
{
	uint16_t csum = 0;

	memcpy(bytes + 10, &csum, 2);
	csum = (uint16_t)~checksum_fold(checksum_add(0, bytes, 20));
	memcpy(bytes + 10, &csum, 2);
}

static void vary_header(bool v4, uint8_t proto)
{
	if (!v4) {
		bytes[7] = (uint8_t)rnd(&seed);
		store16(bytes, (uint16_t)(0x6000 | (rnd(&seed) & 0xfff)));
		return;
	}
	bytes[1] = (uint8_t)rnd(&seed);
	bytes[8] = (uint8_t)rnd(&seed);
	store16(bytes + 4, (uint16_t)rnd(&seed));
	store16(bytes + 6, pick(2) ? 0x4000 : pick(4) ? 0 : (uint16_t)(rnd(&seed) & 0x7fff));
	if (proto == IPPROTO_UDP && !pick(8))
		store16(bytes + 26, 0);
	sum_ip4_again();
}

static struct translate_env env(void)
{
	static const uint32_t mtu[] = { 1280, 1400, 1500, 9000, 65535 };
	struct translate_env e = { .hops = pick(2) ? 1 : -1 };

	translation_conf_default(&e.conf);
	e.conf.lowest_ipv6_mtu = pick(2) ? 1280 : 1280 + pick(7000);
	e.conf.allow_zero_udp_fragments = pick(2);
	e.conf.udp_zero_checksum_drop = !pick(4);
	for (int i = 0; i < N_SIDES; i++) {
		e.mtu[i] = mtu[pick(ARRAY_LEN(mtu))];
		must(addr_parse("203.0.113.1", &e.own4[i]) == 0);
		must(addr_parse("2001:db8:aaaa::1", &e.own6[i]) == 0);
	}
	return e;
}

/* As the kernel gives it: the field holds the pseudo-header, gso_size a segment. */
static void leave_unfinished(struct law_case *c, const struct tuple *t, bool v4)
{
	uint16_t head = v4 ? 20 : 40, sum;
	bool tcp = t->proto == IPPROTO_TCP;

	c->off = (struct offload){ .csum_partial = true,
				   .csum_start = head,
				   .csum_offset = tcp ? 16 : 6 };
	sum = checksum_fold(checksum_pseudo(&t->src, &t->dst, t->proto, c->len - head));
	memcpy(bytes + head + c->off.csum_offset, &sum, 2);
	if (pick(2))
		return;
	c->off.gso = tcp ? (v4 ? GSO_TCP4 : GSO_TCP6) : GSO_UDP;
	c->off.gso_size = (uint16_t)(200 + pick(1400));
}

/* Router Alert, record route with room, padding. Return: bytes. */
static uint32_t put_options(uint32_t len)
{
	static const uint8_t options[] = { 148, 4, 0, 0, 7, 7, 4, 0, 0, 0, 0, 0 };
	uint32_t n = 4 * (1 + pick(3));

	memmove(bytes + 20 + n, bytes + 20, len - 20);
	memcpy(bytes + 20, options + (n == 8 ? 4 : 0), n);
	bytes[0] = (uint8_t)(0x45 + n / 4);
	store16(bytes + 2, (uint16_t)(len + n));
	store16(bytes + 10, 0);
	store16(bytes + 10,
		__builtin_bswap16((uint16_t)~checksum_fold(checksum_add(0, bytes, 20 + n))));
	return len + n;
}

/* Hop-by-Hop, Destination Options, Routing, Fragment in their order, each or not. Return: bytes. */
static uint32_t put_extensions(uint32_t len)
{
	static const uint8_t kinds[] = { 0, 60, 43, 44 };
	uint8_t chain[64] = { 0 }, *next = &bytes[6], last = bytes[6];
	uint32_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (pick(2))
			continue;
		*next = kinds[i];
		next = chain + n;
		if (kinds[i] == 44) {
			store16(chain + n + 2, (uint16_t)(pick(3) ? rnd(&seed) & 0x3ff9 : 0));
			store32(chain + n + 4, (uint32_t)rnd(&seed));
		} else {
			chain[n + 1] = 0;
			chain[n + 2] = kinds[i] == 43 ? 0 : 1;
			chain[n + 3] = kinds[i] == 43 ? !pick(8) : 4;
		}
		n += 8;
	}
	*next = last;
	memmove(bytes + 40 + n, bytes + 40, len - 40);
	memcpy(bytes + 40, chain, n);
	store16(bytes + 4, (uint16_t)(len + n - 40));
	return len + n;
}

/* Return: the verdict of a random packet. */
static struct verdict try_packet(bool flip)
{
	static const uint8_t protos[] = { IPPROTO_TCP,   IPPROTO_UDP, IPPROTO_TCP, IPPROTO_UDP, 0,
					  PROTO_UDPLITE, PROTO_DCCP,  PROTO_SCTP,  PROTO_ESP };
	bool v4 = pick(2), to_v4 = pick(2), reverse = pick(2);
	struct tuple t = tuple(v4, reverse, protos[pick(ARRAY_LEN(protos))]);
	struct law_case c = {
		.data = bytes, .env = env(), .side = (uint8_t)pick(2), .repair = flip
	};

	c.len = build(&t, payload());
	vary_header(v4, t.proto);
	c.to = tuple(to_v4, reverse, IPPROTO_UDP);
	if ((t.proto == IPPROTO_TCP || t.proto == IPPROTO_UDP) && !pick(3))
		leave_unfinished(&c, &t, v4);
	else if (c.len < 60000 && pick(2))
		c.len = v4 ? put_options(c.len) : put_extensions(c.len);
	for (uint32_t n = flip ? 1 + pick(4) : 0; n; n--)
		bytes[pick(c.len < 80 ? c.len : 80)] ^= (uint8_t)(1 << pick(8));
	return translate_laws_hold(&c);
}

static struct verdict try_error(bool flip)
{
	static const uint8_t types[2][4] = { { 1, 2, 3, 4 }, { 3, 11, 12, 3 } };
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP, 0, PROTO_UDPLITE, PROTO_ESP };
	bool v4 = pick(2), to_v4 = pick(2);
	struct tuple inner = tuple(v4, true, protos[pick(ARRAY_LEN(protos))]);
	struct law_case c = { .data = bytes,
			      .env = env(),
			      .side = (uint8_t)pick(2),
			      .repair = flip,
			      .name_source = pick(2) };
	static uint8_t quote[BYTES];
	uint32_t n = build(&inner, payload() % 1700);

	vary_header(v4, inner.proto);
	if (!v4 && !pick(3))
		n = put_extensions(n);
	memcpy(quote, bytes, n);
	n = n < 60 ? n : 60 + pick(n - 59);
	c.len = build_error(bytes, &inner.dst, &inner.src, types[v4][pick(4)], (uint8_t)pick(6),
			    pick(3) ? pick(2000) : (uint32_t)rnd(&seed), quote, n);
	c.to = tuple(to_v4, false, IPPROTO_UDP);
	for (uint32_t k = flip ? 1 + pick(4) : 0; k; k--)
		bytes[pick(c.len < 140 ? c.len : 140)] ^= (uint8_t)(1 << pick(8));
	return translate_laws_hold(&c);
}

/* Laws that are never put to the test hold always: some of each outcome must have come about. */
static void the_laws_hold(struct verdict (*try)(bool flip), bool flip, bool cuts)
{
	uint32_t n[4] = { 0 };

	for (int i = 0; i < ROUNDS; i++)
		n[try(flip).next]++;
	print_message("%u sent, %u dropped, %u cut\n", n[VERDICT_FORWARD], n[VERDICT_DROP],
		      n[VERDICT_HELD]);
	assert_true(n[VERDICT_FORWARD] > ROUNDS / 20);
	assert_true(n[VERDICT_DROP] > ROUNDS / 50);
	assert_true(!cuts || n[VERDICT_HELD] > ROUNDS / 100);
}

static void for_packets(void **state)
{
	(void)state;
	the_laws_hold(try_packet, false, true);
}

static void for_damaged_packets(void **state)
{
	(void)state;
	the_laws_hold(try_packet, true, true);
}

static void for_icmp_errors(void **state)
{
	(void)state;
	the_laws_hold(try_error, false, false);
}

static void for_damaged_icmp_errors(void **state)
{
	(void)state;
	the_laws_hold(try_error, true, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(for_packets),
		cmocka_unit_test(for_damaged_packets),
		cmocka_unit_test(for_icmp_errors),
		cmocka_unit_test(for_damaged_icmp_errors),
	};

	seed = test_seed();
	return cmocka_run_group_tests_name("translate_laws", tests, NULL, NULL);
}
