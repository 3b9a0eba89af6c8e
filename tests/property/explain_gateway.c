/*
 * explain_gateway.c - what explain says of a packet is what then happens to it, and saying it
 * changes nothing: the live memory is read-only meanwhile. All pointers of that memory are known: a
 * twin at another address, which does the same, has no others that are as far away as it is.
 */
#include "test.h"
#include <netinet/in.h>
#include <sys/mman.h>
#include "build.h"
#include "gateway.h"
#include "sixgate/base/must.h"
#include "sixgate/dataplane/explain.h"
#include "sixgate/flow/tcp.h"
#include "sixgate/io/view.h"

enum { ROUNDS = 4000, PAGES_MAX = 256 };

static struct gateway g, twin;
static struct explain x;
static uint8_t bytes[PACKET_LEN_MAX];
static uint64_t n_pages, n_questions, n_verdicts[4], n_handed, n_stateless;

static struct addr a(const char *text)
{
	struct addr out;

	must(addr_parse(text, &out) == 0);
	return out;
}

static void ask_worker(unsigned id)
{
	const struct worker *w = g.worker[id];
	const size_t n_extra = worker_explain_bytes(w);
	struct view v;
	struct arena extra;

	assert_int_equal(view_open(&v, g.memory, g.memory_size, &w->pointers, n_extra), 0);
	extra = (struct arena){ .base = v.extra, .size = n_extra };
	worker_explain(view_of(&v, w), g.snapshot, g.now_ms, &x, &extra);
	n_pages += v.n_pages;
	n_questions++;
	assert_in_range(v.n_pages, 1, PAGES_MAX);
	view_close(&v);
}

/* Whoever writes to the live memory while the question is answered is ended by the fault. */
static void ask(enum side side, uint32_t len)
{
	x = (struct explain){ .len = len, .side = (uint8_t)side };
	memcpy(x.bytes, bytes, len);
	must(mprotect(g.memory, g.memory_size, PROT_READ) == 0);
	ask_worker(owner_of(&g.snapshot->steer, bytes, len, side));
	while (x.verdict.next == VERDICT_HELD && x.next != UINT32_MAX) {
		n_handed++;
		ask_worker(x.next);
	}
	must(mprotect(g.memory, g.memory_size, PROT_READ | PROT_WRITE) == 0);
	n_verdicts[x.verdict.next]++;
}

static uint64_t drops_of_all(void)
{
	uint64_t n = 0;

	for (int why = DROP_NONE + 1; why < DROP_N_REASONS; why++)
		n += gateway_drops(&g, (enum drop_reason)why);
	return n;
}

static void verdict_is(uint64_t all_before, uint64_t why_before)
{
	bool drop = x.verdict.next == VERDICT_DROP;

	assert_int_equal(drops_of_all() - all_before, drop);
	if (drop)
		assert_int_equal(gateway_drops(&g, (enum drop_reason)x.verdict.why) - why_before, 1);
}

/* Everything that left, in its order: the packet itself and what was sent because of it. */
static void output_is(void)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < x.n_step; i++) {
		const struct trace_record *r = &x.step[i];

		n_stateless += r->step == TRACE_STATELESS && r->verdict.next == VERDICT_CONTINUE;
		if (r->step != TRACE_REWRITTEN && r->step != TRACE_MADE)
			continue;
		assert_true(n < g.n_out);
		assert_int_equal(r->side, g.out[n].side);
		assert_int_equal(r->len, g.out[n].len);
		assert_memory_equal(&r->tuple, &g.out[n].packet.key, sizeof(r->tuple));
		n++;
	}
	assert_int_equal(n, g.n_out);
	assert_int_equal(x.step[0].step, TRACE_ARRIVED);
	assert_int_equal(x.step[x.n_step - 1].step, TRACE_ENDED);
	assert_false(x.cut);
}

static const char *const inside[] = { "2001:db8:1::5", "2001:db8:1::6", "2001:db8:1:2::7",
				      "2001:db8:2::1" };
static const char *const outside6[] = { "64:ff9b::203.0.113.7", "64:ff9b::198.51.100.10",
					"2001:db8:ffff::1", "64:ff9b::10.0.0.1", "2001:db8:1::6",
					"2001:db8:64:64::203.0.113.7",
					"2001:db8:64:64::198.51.100.11" };
static const char *const outside4[] = { "203.0.113.7", "192.0.2.99", "198.51.100.10" };

#define ONE_OF(list, s) ((list)[rnd(s) % ARRAY_LEN(list)])

static struct tuple random_tuple(uint64_t *s, enum side side)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP, 0 };
	uint8_t proto = ONE_OF(protos, s);
	uint16_t sport = (uint16_t)(2000 + rnd(s) % 12), dport = (uint16_t)(rnd(s) % 3 ? 53 : 80);

	if (proto == 0)
		dport = sport;
	if (side == SIDE_INSIDE)
		return tuple_of(ONE_OF(inside, s), ONE_OF(outside6, s), sport, dport, proto);
	if (rnd(s) % 3 == 0)
		return tuple_of(ONE_OF(outside6, s), ONE_OF(inside, s), dport, sport, proto);
	return tuple_of(ONE_OF(outside4, s), rnd(s) % 4 ? "198.51.100.10" : "198.51.100.11", dport,
			(uint16_t)(rnd(s) % 2 ? 443 : 1024 + rnd(s) % 64), proto);
}

static uint32_t build_random(uint64_t *s, const struct tuple *t)
{
	static const uint8_t flags[] = { TCP_SYN, TCP_SYN | TCP_ACK, TCP_ACK, TCP_FIN | TCP_ACK, TCP_RST };
	uint32_t n = (uint32_t)(rnd(s) % 1400);

	if (t->proto == IPPROTO_TCP)
		return build_tcp(bytes, t, (struct tcp_args){ ONE_OF(flags, s), (uint32_t)rnd(s), 7 }, n);
	if (t->proto == IPPROTO_UDP)
		return build_udp(bytes, t, n);
	return build_echo(bytes, t, rnd(s) & 1, n);
}

/* An answer to something that left, or an error about it: what meets a flow that exists. */
static uint32_t build_answer(uint64_t *s, enum side *side)
{
	const struct gateway_out *o = &g.out[rnd(s) % g.n_out];
	struct tuple back = tuple_reverse(&o->packet.key);
	struct addr from = a(o->packet.family == 4 ? "203.0.113.254" : "2001:db8:1::9");

	*side = o->side;
	if (o->packet.flags & PACKET_ICMP_ERROR)
		back = random_tuple(s, *side);
	else if (rnd(s) % 4 == 0)
		return build_error(bytes, &from, &back.dst, o->packet.family == 4 ? 3 : 1, 1, 0,
				   o->data, o->len < 300 ? o->len : 300);
	return build_random(s, &back);
}

static uint32_t random_packet(uint64_t *s, enum side *side)
{
	struct tuple t;
	uint32_t len;

	if (g.n_out && rnd(s) % 2)
		return build_answer(s, side);
	*side = rnd(s) % 3 ? SIDE_INSIDE : SIDE_OUTSIDE;
	t = random_tuple(s, *side);
	len = build_random(s, &t);
	if (rnd(s) % 50 == 0)
		bytes[rnd(s) % (len < 40 ? len : 40)] ^= (uint8_t)rnd(s);
	return len;
}

static bool is_known(const struct worker *w, size_t at)
{
	for (uint32_t i = 0; i < w->pointers.n; i++)
		if (w->pointers.at[i] == at)
			return true;
	return false;
}

/* What worker_explain() makes anew: rings, and the packets of the outbox. */
static bool is_of_no_copy(const struct worker *w, const void *slot)
{
	return (slot >= (const void *)w->to &&
		slot < (const void *)(w->from + ARRAY_LEN(w->from))) ||
	       (slot >= (const void *)w->out.packet &&
		slot < (const void *)(w->out.packet + w->out.max));
}

/* Of the words of @w, and of those that no worker's list has between it and @end. */
static void pointers_of(const struct worker *w, size_t from, size_t end)
{
	const uintptr_t *mine = (const void *)((const uint8_t *)g.memory + from);
	const uintptr_t *other = (const void *)((const uint8_t *)twin.memory + from);
	const uintptr_t away = (uintptr_t)twin.memory - (uintptr_t)g.memory;

	for (size_t i = 0; i < (end - from) / sizeof(*mine); i++) {
		if (is_known(w, from + i * sizeof(*mine)))
			assert_int_equal(other[i] - mine[i], mine[i] ? away : 0);
		else if (!is_of_no_copy(w, &mine[i]))
			assert_true(other[i] - mine[i] != away);
	}
}

static void pointers_are_known(void)
{
	for (unsigned i = 0; i < g.n_workers; i++) {
		const struct worker *w = g.worker[i];
		const uint8_t *end = i + 1 < g.n_workers ? (const void *)g.worker[i + 1]
				     : i                 ? (const void *)g.worker[0]->to[1]
					 : (const uint8_t *)g.memory + g.memory_size;
		const size_t at = (size_t)((const uint8_t *)w - (const uint8_t *)g.memory);

		assert_true(w->pointers.n > 20);
		pointers_of(w, at, (size_t)(end - (const uint8_t *)g.memory));
	}
}

static void run(unsigned n_workers, enum nat64_filtering filtering, uint64_t *seed)
{
	struct nat64_conf nat64;
	struct egress6_conf egress6;
	struct pool4_conf pool = { .first = a("198.51.100.10"), .last = a("198.51.100.10"),
				   .port_first = 1024, .port_last = n_workers > 1 ? 2047 : 1087,
				   .protocols = NAT64_TCP | NAT64_UDP | NAT64_ICMP };
	struct static_conf web = { .protocol = NAT64_TCP, .inside = a("2001:db8:1::6"),
				   .outside = a("198.51.100.10"), .inside_port = 443, .outside_port = 443 };
	struct prefix prefix, siit_prefix;
	struct eam_conf eam;
	struct siit_conf siit;
	struct gateway_args args = { .n_workers = n_workers, .flows = 64, .nat64 = &nat64,
				     .egress6 = &egress6, .siit = &siit, .inside = { "2001:db8:1::/48" } };

	nat64_conf_default(&nat64);
	nat64.pool4 = &pool;
	nat64.n_pool4 = 1;
	nat64.static_entry = &web;
	nat64.n_static = 1;
	nat64.filtering = filtering;
	nat64.allow_private = true;
	egress6_conf_default(&egress6);
	must(prefix_parse("2001:db8:1::/48", &prefix) == 0);
	egress6.prefix = &prefix;
	egress6.n_prefix = 1;
	siit_conf_default(&siit);
	must(prefix_parse("2001:db8:64:64::/96", &siit_prefix) == 0);
	must(prefix_parse("198.51.100.11", &eam.v4) == 0 && prefix_parse("2001:db8:1::6", &eam.v6) == 0);
	siit.prefix = &siit_prefix;
	siit.n_prefix = siit.n_eam = 1;
	siit.eam = &eam;
	gateway_init(&g, &args);
	gateway_init(&twin, &args);
	g.room = twin.room =
		HANDOFF_BYTES; /* as explain: what may grow in its place is the port's business */
	for (int i = 0; i < ROUNDS; i++) {
		enum side side;
		uint32_t len = random_packet(seed, &side);
		uint64_t all = drops_of_all(), why;

		ask(side, len);
		why = gateway_drops(&g, (enum drop_reason)x.verdict.why);
		gateway_send(&g, side, bytes, len);
		gateway_send(&twin, side, bytes, len);
		verdict_is(all, why);
		output_is();
		if (rnd(seed) % 64 == 0) {
			uint64_t ms = rnd(seed) % 400000;

			gateway_advance(&g, ms);
			gateway_advance(&twin, ms);
		}
	}
	pointers_are_known();
	gateway_fini(&g);
	gateway_fini(&twin);
}

static void explain_says_what_then_happens(void **state)
{
	uint64_t seed = test_seed();

	(void)state;
	view_prepare(); /* here: cmocka has a handler of its own for each test */
	for (unsigned n = 1; n <= 3; n++) {
		run(n, NAT64_ENDPOINT_INDEPENDENT, &seed);
		run(n, NAT64_ADDRESS_DEPENDENT, &seed);
	}
	print_message("%llu pages a question; forwarded %llu, dropped %llu, held %llu, handed on %llu\n",
		      (unsigned long long)(n_pages / n_questions),
		      (unsigned long long)n_verdicts[VERDICT_FORWARD],
		      (unsigned long long)n_verdicts[VERDICT_DROP],
		      (unsigned long long)n_verdicts[VERDICT_HELD], (unsigned long long)n_handed);
	assert_true(n_verdicts[VERDICT_FORWARD] > 1000 && n_verdicts[VERDICT_DROP] > 1000);
	assert_true(n_handed > 0 && n_stateless > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(explain_says_what_then_happens) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
