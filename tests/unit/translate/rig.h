/*
 * rig.h - one packet through packet_parse() and translate_packet(), and what came out.
 *
 * Documentation addresses: the inside host is 2001:db8:1::10, its face to IPv4 198.51.100.1; the
 * IPv4 server is 192.0.2.33, its face to IPv6 64:ff9b::192.0.2.33.
 */
#pragma once
#include "test.h"
#include "build.h"
#include "sixgate/base/must.h"
#include "sixgate/packet/checksum.h"
#include "sixgate/packet/parse.h"
#include "sixgate/translate/translate.h"

#define HOST6   "2001:db8:1::10"
#define SERVER6 "64:ff9b::192.0.2.33"
#define HOST4   "198.51.100.1"
#define SERVER4 "192.0.2.33"
#define ROUTER4 "192.0.2.254"
#define ROUTER6 "2001:db8:ffff::1"

enum { RIG_BYTES = 70000, RIG_OUT = 128 };

/**
 * struct rig - @bytes: the packet as received, so that a drop can be shown to leave it alone
 */
struct rig {
	struct translate_env env;
	struct translate_state st;
	struct packet p;
	uint32_t len;
	uint8_t bytes[RIG_BYTES], room[PACKET_HEADROOM + RIG_BYTES + 256];
	struct outbox out;
	struct packet made[RIG_OUT];
	uint8_t *made_bytes;
};

static inline struct addr addr_of(const char *text)
{
	struct addr a;

	must(addr_parse(text, &a) == 0);
	return a;
}

static inline struct rig *rig_new(void)
{
	struct rig *r = calloc(1, sizeof(*r));

	must(r);
	r->made_bytes = malloc(4 << 20);
	must(r->made_bytes);
	outbox_init(&r->out, r->made_bytes, 4 << 20, r->made, RIG_OUT);
	translation_conf_default(&r->env.conf);
	r->env.mtu[SIDE_INSIDE] = r->env.mtu[SIDE_OUTSIDE] = 1500;
	r->env.hops = -1;
	r->env.own4[SIDE_OUTSIDE] = r->env.own4[SIDE_INSIDE] = addr_of("203.0.113.1");
	r->env.own6[SIDE_OUTSIDE] = r->env.own6[SIDE_INSIDE] = addr_of("2001:db8:aaaa::1");
	translate_state_init(&r->st, &(struct hash_key){ { 1, 2, 3, 4, 5, 6, 7, 8 } }, 0, 1);
	r->st.now_ms = 1;
	return r;
}

static inline void rig_free(struct rig *r)
{
	free(r->made_bytes);
	free(r);
}

/* IPv4 header checksum of the packet in @bytes, again. */
static inline void rig_sum_ip4(uint8_t *ip)
{
	uint32_t head = (ip[0] & 15) * 4u;
	uint16_t csum = 0;

	memcpy(ip + 10, &csum, 2);
	csum = (uint16_t)~checksum_fold(checksum_add(0, ip, head));
	memcpy(ip + 10, &csum, 2);
}

/* What is in @bytes comes in on @side with @off. */
static inline struct verdict rig_receive(struct rig *r, enum side side, const struct offload *off)
{
	memset(r->room, 0xa5, PACKET_HEADROOM); /* what is not written is seen */
	memcpy(r->room + PACKET_HEADROOM, r->bytes, r->len);
	memset(r->room + PACKET_HEADROOM + r->len, 0xa5, 256); /* and what is read behind it */
	r->p = (struct packet){ .data = r->room + PACKET_HEADROOM,
				.len = r->len,
				.headroom = PACKET_HEADROOM,
				.room = RIG_BYTES,
				.side = (uint8_t)side };
	if (off)
		r->p.off = *off;
	outbox_reset(&r->out);
	return packet_parse(&r->p);
}

static inline struct verdict rig_rewrite(struct rig *r, const struct tuple *to,
					 const char *outer_src)
{
	struct rewrite rw = { .to = *to,
			      .addr_delta = rewrite_addr_delta(&r->p.key, to),
			      .out_side = r->p.side == SIDE_INSIDE ? SIDE_OUTSIDE : SIDE_INSIDE };

	if (outer_src)
		rw.outer_src = addr_of(outer_src);
	r->p.verdict = translate_packet(&r->env, &r->st, &r->p, &rw, &r->out);
	return r->p.verdict;
}

/* From the inside host to the server, or back when @side is outside; @to in the other family. */
static inline struct verdict rig_translate(struct rig *r, const struct tuple *to)
{
	enum side side = addr_is_v4(&to->dst) ? SIDE_OUTSIDE : SIDE_INSIDE;

	assert_int_equal(
		rig_receive(r, side == SIDE_OUTSIDE ? SIDE_INSIDE : SIDE_OUTSIDE, NULL).next,
		VERDICT_CONTINUE);
	return rig_rewrite(r, to, NULL);
}

#define assert_forwarded(v) assert_int_equal((v).next, VERDICT_FORWARD)
#define assert_dropped(v, reason)                                                                  \
	do {                                                                                       \
		struct verdict v_ = (v);                                                           \
		assert_int_equal(v_.next, VERDICT_DROP);                                           \
		assert_string_equal(drop_reason_name(v_.why), drop_reason_name(reason));           \
	} while (0)

/* A drop leaves every byte as it came, or a reply would quote something else. */
static inline void assert_untouched(const struct rig *r)
{
	assert_int_equal(r->p.len, r->len);
	assert_ptr_equal(r->p.data, r->room + PACKET_HEADROOM);
	assert_memory_equal(r->p.data, r->bytes, r->len);
}

/* The facts of what came out, found by the parser again: it must accept it. */
static inline struct packet rig_facts(const struct packet *q)
{
	struct packet f = *q;

	assert_int_equal(packet_parse(&f).next, VERDICT_CONTINUE);
	assert_int_equal(f.len, q->len);
	return f;
}

static inline struct tuple out6(uint16_t sport, uint16_t dport, uint8_t proto)
{
	return tuple_of(HOST6, SERVER6, sport, dport, proto);
}

static inline struct tuple out4(uint16_t sport, uint16_t dport, uint8_t proto)
{
	return tuple_of(HOST4, SERVER4, sport, dport, proto);
}

static inline struct tuple in6(uint16_t sport, uint16_t dport, uint8_t proto)
{
	return tuple_of(SERVER6, HOST6, sport, dport, proto);
}

static inline struct tuple in4(uint16_t sport, uint16_t dport, uint8_t proto)
{
	return tuple_of(SERVER4, HOST4, sport, dport, proto);
}

/* Puts @n bytes of extension headers, first of them @first, before the l4 header. */
static inline void rig_insert(struct rig *r, uint8_t first, const uint8_t *ext, uint32_t n)
{
	memmove(r->bytes + 40 + n, r->bytes + 40, r->len - 40);
	memcpy(r->bytes + 40, ext, n);
	r->bytes[6] = first;
	r->len += n;
	store16(r->bytes + 4, (uint16_t)(r->len - 40));
}

static inline int rig_setup(void **state)
{
	*state = rig_new();
	return 0;
}

static inline int rig_teardown(void **state)
{
	rig_free(*state);
	return 0;
}

#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
