/* test_plain.c - the straight line does to a packet what the long way does, or leaves it alone. */
#include "rig.h"
#include "../../../src/translate/translate_internal.h"

enum { ROUNDS = 60000 };

static uint64_t seed;

static uint32_t below(uint32_t n)
{
	return (uint32_t)(rnd(&seed) >> 32) % n;
}

static uint32_t one_of(const uint32_t *of, size_t n)
{
	return of[below((uint32_t)n)];
}

/* Payload lengths about every limit there is, and small ones. */
static uint32_t some_length(void)
{
	static const uint32_t near[] = { 1212, 1232, 1240, 1260, 1452, 1460, 1472, 1480 };

	return below(3) ? below(40) : one_of(near, ARRAY_LEN(near)) - 24 + below(48);
}

static struct translate_env some_env(const struct rig *r)
{
	static const uint32_t mtu[] = { 1280, 1300, 1480, 1500, 9000 }, lowest[] = { 1280, 1400, 9000 };
	struct translate_env env = r->env;

	env.mtu[0] = one_of(mtu, ARRAY_LEN(mtu));
	env.mtu[1] = one_of(mtu, ARRAY_LEN(mtu));
	env.conf.lowest_ipv6_mtu = one_of(lowest, ARRAY_LEN(lowest));
	env.conf.copy_traffic_class = below(2);
	env.conf.tos = (uint8_t)below(256);
	env.conf.udp_zero_checksum_drop = below(2);
	env.hops = below(2) ? -1 : (int)below(2);
	return env;
}

static uint32_t build_some(uint8_t *at, const struct tuple *t)
{
	static const uint8_t flags[] = { TCP_ACK, TCP_ACK | TCP_PSH, TCP_SYN, TCP_SYN | TCP_ACK,
					 TCP_RST, TCP_FIN | TCP_ACK, 0xff };

	if (t->proto == IPPROTO_UDP)
		return build_udp(at, t, some_length());
	if (t->proto != IPPROTO_TCP)
		return build_echo(at, t, below(2), some_length());
	return build_tcp(at, t, (struct tcp_args){ flags[below(sizeof(flags))], below(UINT32_MAX), 1 },
			 some_length());
}

/* IPv4: DF or not, a fragment, an option; both: TTL, class, a checksum that is wrong or 0. */
static void vary(struct rig *r, bool v4, uint8_t proto)
{
	uint8_t *ip = r->bytes;
	uint32_t head = v4 ? 20 : 40, field = head + (proto == IPPROTO_UDP ? 6 : 16);

	if (below(4) == 0 && (proto == IPPROTO_UDP || proto == IPPROTO_TCP))
		store16(ip + field, below(2) ? 0 : (uint16_t)below(65536));
	if (v4) {
		ip[1] = (uint8_t)below(256);
		store16(ip + 6, (uint16_t)(below(2) ? 0x4000 : below(8) ? 0 : 0x2000));
		ip[8] = (uint8_t)(1 + below(255));
		if (below(8) == 0) {
			memmove(ip + 24, ip + 20, r->len - 20);
			memset(ip + 20, 1, 4);
			ip[0] = 0x46;
			r->len += 4;
			store16(ip + 2, (uint16_t)r->len);
		}
		rig_sum_ip4(ip);
		return;
	}
	ip[0] = (uint8_t)(0x60 | below(16));
	ip[1] = (uint8_t)below(256);
	ip[7] = (uint8_t)(1 + below(255));
	if (below(8) == 0) /* an atomic fragment */
		rig_insert(r, 44, (uint8_t[]){ ip[6], 0, 0, 0, 1, 2, 3, 4 }, 8);
}

static struct offload some_offload(const struct packet *p)
{
	if (p->proto != IPPROTO_TCP || below(6))
		return (struct offload){ 0 };
	return (struct offload){ .csum_partial = true, .csum_start = p->l4_at, .csum_offset = 16 };
}

static void is_same(const struct packet *x, const struct packet *y)
{
	assert_int_equal(x->len, y->len);
	assert_memory_equal(x->data, y->data, x->len);
	assert_int_equal(x->headroom, y->headroom);
	assert_int_equal(x->room, y->room);
	assert_int_equal(x->out_side, y->out_side);
}

/* Return: true if the packet was plain. */
static bool both_ways(struct rig *r, struct rig *other, const struct tuple *to)
{
	struct rewrite rw = { .to = *to, .addr_delta = rewrite_addr_delta(&r->p.key, to),
			      .out_side = r->p.side == SIDE_INSIDE ? SIDE_OUTSIDE : SIDE_INSIDE };
	struct job j = { .env = &r->env, .st = &other->st, .p = &other->p, .rw = &rw,
			 .out = &other->out };

	other->st = r->st;
	memcpy(other->room, r->room, PACKET_HEADROOM + r->len);
	other->p = r->p;
	other->p.data = other->room + PACKET_HEADROOM;
	if (!translate__plain(&r->env, &r->st, &r->p, &rw)) {
		assert_untouched(r);
		assert_memory_equal(&other->st, &r->st, sizeof(r->st));
		return false;
	}
	assert_forwarded(translate__one(&j));
	assert_int_equal(other->out.n, 0);
	is_same(&r->p, &other->p);
	assert_memory_equal(&other->st, &r->st, sizeof(r->st));
	return true;
}

static void the_straight_line_and_the_long_way_agree(void **state)
{
	static const uint8_t protos[] = { IPPROTO_UDP, IPPROTO_UDP, IPPROTO_TCP, IPPROTO_TCP, 0 };
	struct rig *r = *state, *other = rig_new();
	uint32_t plain = 0;

	seed = test_seed();
	for (uint32_t i = 0; i < ROUNDS; i++) {
		uint8_t proto = protos[below(sizeof(protos))];
		uint16_t a = (uint16_t)(1 + below(65535)), b = (uint16_t)(1 + below(65535));
		bool v4 = below(2), change = below(16);
		struct tuple from = v4 ? in4(a, b, proto) : out6(a, b, proto);
		struct tuple to = v4 == change ? in6(b, a, proto) : out4(b, a, proto);

		r->env = some_env(r);
		r->st.now_ms = 1 + i / 100;
		r->st.paths_until_ms = below(16) ? 0 : UINT64_MAX;
		r->len = build_some(r->bytes, &from);
		vary(r, v4, from.proto);
		if (rig_receive(r, v4 ? SIDE_OUTSIDE : SIDE_INSIDE, NULL).next != VERDICT_CONTINUE)
			continue;
		r->p.off = some_offload(&r->p);
		plain += both_ways(r, other, &to);
	}
	assert_true(plain > ROUNDS / 4);
	assert_true(plain < ROUNDS);
	rig_free(other);
}

static void what_needs_a_decision_is_not_plain(void **state)
{
	struct rig *r = *state;
	struct tuple from = in4(53, 4000, IPPROTO_UDP), to = in6(53, 4000, IPPROTO_UDP);
	struct rewrite rw = { .to = to, .out_side = SIDE_INSIDE };

	r->len = build_udp(r->bytes, &from, 20);
	rig_receive(r, SIDE_OUTSIDE, NULL);
	r->p.flags |= PACKET_HAIRPIN;
	assert_false(translate__plain(&r->env, &r->st, &r->p, &rw));
	r->p.flags = 0;
	r->p.off.gso = GSO_UDP;
	assert_false(translate__plain(&r->env, &r->st, &r->p, &rw));
	r->p.off.gso = GSO_NONE;
	assert_true(translate__plain(&r->env, &r->st, &r->p, &rw));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(the_straight_line_and_the_long_way_agree),
		RIG_TEST(what_needs_a_decision_is_not_plain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
