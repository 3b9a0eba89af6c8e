/*
 * test_reload.c - the compiled section: what is refused, slots that follow addresses, and what
 * becomes of mappings when the pool changes. Also dump and memory.
 */
#include "bed.h"
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

static const char *const server = "64:ff9b:1::203.0.113.9";

static struct bed *bed_plain(unsigned n_workers)
{
	struct bed *b = bed_new(n_workers);

	bed_prefix(b, "64:ff9b:1::/96");
	return b;
}

static struct tuple from_host(unsigned host, uint16_t port)
{
	char text[64];

	snprintf(text, sizeof(text), "2001:db8:1:%x::1", host);
	return tuple_of(text, server, port, 80, 17);
}

static void too_much_or_wrong_is_refused_and_says_so(void **state)
{
	struct bed *b = bed_plain(1);

	(void)state;
	bed_pool(b, "10.0.0.0", "10.0.4.0", 1024, 65535); /* 1025 */
	assert_int_equal(bed_compile(b), -ENOSPC);
	assert_non_null(strstr(b->err.text, "1024 addresses"));
	assert_null(b->steer->block);
	free(b->steer);
	b->conf.n_pool4 = 0;
	bed_pool(b, "10.0.0.0", "10.0.1.255", 1024, 65535);
	bed_pool(b, "10.0.4.0", "10.0.6.0", 1024, 65535);
	assert_int_equal(bed_compile(b), -ENOSPC);
	free(b->steer);
	bed_pool(b, "0.0.0.0", "255.255.255.255", 1024, 65535);
	assert_int_equal(bed_compile(b), -ENOSPC);
	free(b->steer);

	b->conf.n_pool4 = 0;
	bed_pool(b, "192.0.2.1", "192.0.2.1", 1024, 65535);
	bed_static(b, NAT64_TCP, "2001:db8:1::80", 80, "192.0.2.2", 80);
	assert_int_equal(bed_compile(b), -EINVAL);
	assert_non_null(strstr(b->err.text, "192.0.2.2"));
	free(b->steer);
	b->entry[0].outside = addr_of("192.0.2.1");
	bed_static(b, NAT64_TCP, "2001:db8:1::81", 80, "192.0.2.1", 80);
	assert_int_equal(bed_compile(b), -EINVAL);
	free(b->steer);
	b->entry[1] = b->entry[0];
	b->entry[1].outside_port = 81;
	assert_int_equal(bed_compile(b), -EINVAL);
	free(b->steer);
	b->conf.n_static = NAT64_STATIC_MAX + 1;
	assert_int_equal(bed_compile(b), -ENOSPC);
	free(b->steer);
	b->conf.n_static = 0;

	for (unsigned i = 0; i < 8; i++) /* with the first one nine, one too many */
		bed_pool(b, "192.0.2.1", "192.0.2.1", (uint16_t)(100 * i + 100),
			 (uint16_t)(100 * i + 150));
	b->conf.n_pool4--;
	assert_int_equal(bed_compile(b), 0);
	nat64_table_free(b->t);
	b->t = NULL;
	free(b->steer);
	b->conf.n_pool4++;
	assert_int_equal(bed_compile(b), -ENOSPC);
	assert_non_null(strstr(b->err.text, "ranges on 192.0.2.1"));
	free(b->steer);
	b->conf.n_pool4 = 1;

	b->prefix[0].len = 95;
	assert_int_equal(bed_compile(b), -EINVAL);
	free(b->steer);
	b->prefix[0].len = 96;
	assert_int_equal(bed_compile(b), 0);
	bed_free(b);
}

static void claims_are_those_of_pool4_and_the_prefixes(void **state)
{
	static const struct {
		const char *addr;
		bool pool4, pool6;
	} row[] = {
		{ "192.0.2.1", true, false },         { "192.0.2.9", true, false },
		{ "192.0.2.0", false, false },        { "192.0.2.10", false, false },
		{ "198.51.100.1", true, false },      { "64:ff9b:1::1.2.3.4", false, true },
		{ "64:ff9b::1.2.3.4", false, false }, { "2001:db8::1", false, false },
	};
	struct bed *b = bed_plain(1);
	struct addr a, v4, want = addr_of("1.2.3.4");

	(void)state;
	bed_pool(b, "192.0.2.1", "192.0.2.9", 1024, 65535);
	bed_pool(b, "198.51.100.1", "198.51.100.1", 1024, 65535);
	bed_up(b, 10);
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		print_message("%s\n", row[i].addr);
		a = addr_of(row[i].addr);
		assert_int_equal(nat64_claims_pool4(b->t, &a), row[i].pool4);
		assert_int_equal(nat64_claims_pool6(b->t, &a, NULL), row[i].pool6);
	}
	a = addr_of("64:ff9b:1::1.2.3.4");
	assert_true(nat64_claims_pool6(b->t, &a, &v4));
	assert_true(addr_equal(&v4, &want));
	bed_free(b);
}

static void full_pool_of_1024_addresses_is_found(void **state)
{
	struct bed *b = bed_plain(1);
	struct addr a;

	(void)state;
	bed_pool(b, "10.0.0.0", "10.0.3.255", 1024, 65535);
	assert_int_equal(bed_compile(b), 0);
	for (uint32_t i = 0; i < 1024; i++) {
		a = addr_from_ip4_host(0x0a000000 + i);
		assert_true(nat64_claims_pool4(b->t, &a));
	}
	a = addr_from_ip4_host(0x0a000400);
	assert_false(nat64_claims_pool4(b->t, &a));
	bed_free(b);
}

static void sessions_of_addresses_that_stay_survive_a_reload(void **state)
{
	struct bed *b = bed_plain(4);
	struct flow_plan plan[200];
	unsigned stale = 0;

	(void)state;
	bed_pool(b, "192.0.2.1", "192.0.2.4", 1024, 65535);
	bed_up(b, 1000);
	for (unsigned i = 0; i < 200; i++) {
		struct tuple t = from_host(i, 5000);

		plan[i] = bed_must_open(b, &t);
	}
	b->pool4[0].first = addr_of("192.0.2.2"); /* .1 goes, .5 to .8 come */
	b->pool4[0].last = addr_of("192.0.2.8");
	bed_reload(b);
	for (unsigned i = 0; i < 200; i++) {
		bool gone = plan[i].key[1].dst.octet[15] == 1;
		struct tuple t = from_host(i, 5000);
		struct flow_plan again;

		if (gone) {
			stale++;
		} else { /* steered to the same worker as before */
			assert_false(bed_stale(b, &plan[i]));
			again = bed_must_open(b, &t);
			assert_int_equal(again.object, plan[i].object);
			assert_true(tuple_equal(&again.key[1], &plan[i].key[1]));
		}
	}
	assert_in_range(stale, 20, 90);
	bed_free(b);
}

static void mapping_of_a_gone_address_makes_way(void **state)
{
	struct bed *b = bed_plain(1);
	struct tuple t = from_host(1, 5000), in;
	struct flow_plan old, new, none;

	(void)state;
	bed_pool(b, "192.0.2.1", "192.0.2.1", 2000, 2000);
	bed_up(b, 10);
	old = bed_must_open(b, &t);
	b->pool4[0].first = b->pool4[0].last = addr_of("192.0.2.9"); /* the same slot, perhaps */
	bed_reload(b);
	assert_true(bed_stale(b, &old));
	in = tuple_of("198.51.100.7", "192.0.2.9", 9, 2000, 17);
	assert_dropped(bed_open(b, &in, &none), DROP_NO_BIB_ENTRY, REPLY_NONE);
	new = bed_must_open(b, &t); /* the only port of the pool: the old one does not hold it */
	assert_int_equal(mapped_port(&new), 2000);
	assert_false(bed_stale(b, &new));
	assert_true(bed_stale(b, &old));
	bed_end(b, &old);
	assert_false(bed_stale(b, &new));
	bed_must_open(b, &in);
	assert_int_equal(nat64_mappings(b->n[0]), 1);
	assert_int_equal(nat64_ports_used(b->n[0]), 1);
	bed_free(b);
}

/* There and back again: what was made before the address went stays stale. */
static void address_that_comes_back_is_a_new_one(void **state)
{
	struct bed *b = bed_plain(1);
	struct tuple t = from_host(1, 5000);
	struct flow_plan old;

	(void)state;
	bed_pool(b, "192.0.2.1", "192.0.2.2", 1024, 65535);
	bed_up(b, 10);
	old = bed_must_open(b, &t);
	for (unsigned i = 0; i < 2; i++) {
		b->pool4[0].first = b->pool4[0].last = addr_of(i ? "192.0.2.1" : "192.0.2.77");
		if (i)
			b->pool4[0].last = addr_of("192.0.2.2");
		bed_reload(b);
		assert_true(bed_stale(b, &old));
	}
	bed_end(b, &old);
	assert_int_equal(nat64_mappings(b->n[0]), 0);
	bed_free(b);
}

static void section_off_and_on_forgets_other_addresses_sessions(void **state)
{
	struct bed *b = bed_plain(1);
	struct tuple t = from_host(1, 5000), in;
	struct flow_plan old, none;

	(void)state;
	bed_pool(b, "192.0.2.1", "192.0.2.1", 1024, 65535);
	bed_static(b, NAT64_UDP, "2001:db8:1:9::1", 9, "192.0.2.1", 2000);
	bed_up(b, 10);
	old = bed_must_open(b, &t);
	nat64_table_free(b->t);
	b->t = NULL; /* no previous table: as after a snapshot without the section */
	b->conf.n_static = 0;
	b->pool4[0].first = b->pool4[0].last = addr_of("192.0.2.2");
	bed_reload(b);
	assert_true(bed_stale(b, &old));
	in = tuple_of("198.51.100.7", "192.0.2.2", 9, 2000, 17);
	assert_dropped(bed_open(b, &in, &none), DROP_NO_BIB_ENTRY, REPLY_NONE);
	bed_end(b, &old);
	assert_int_equal(nat64_mappings(b->n[0]), 0);
	bed_free(b);
}

static void narrower_port_range_makes_ports_beyond_it_stale(void **state)
{
	struct bed *b = bed_plain(1);
	struct flow_plan plan[100];

	(void)state;
	bed_pool(b, "192.0.2.1", "192.0.2.1", 2000, 2199);
	bed_up(b, 1000);
	for (unsigned i = 0; i < 100; i++) {
		struct tuple t = from_host(i, 5000);

		plan[i] = bed_must_open(b, &t);
	}
	b->pool4[0].port_last = 2099;
	bed_reload(b);
	for (unsigned i = 0; i < 100; i++) {
		struct tuple t = from_host(i, 5000);
		struct flow_plan again;
		bool beyond = mapped_port(&plan[i]) > 2099;

		assert_int_equal(bed_stale(b, &plan[i]), beyond);
		again = bed_must_open(b, &t);
		assert_in_range(mapped_port(&again), 2000, 2099);
		bed_end(b, &again);
		bed_end(b, &plan[i]);
	}
	assert_int_equal(nat64_mappings(b->n[0]), 0);
	bed_free(b);
}

static void flow_under_a_prefix_that_went_is_stale(void **state)
{
	struct bed *b = bed_plain(1);
	struct tuple t = from_host(1, 5000);
	struct flow_plan plan;

	(void)state;
	bed_pool(b, "192.0.2.1", "192.0.2.1", 2000, 2199);
	bed_up(b, 1000);
	plan = bed_must_open(b, &t);
	assert_false(bed_stale(b, &plan));
	assert_int_equal(prefix_parse("2001:db8:64::/96", &b->prefix[0]), 0);
	bed_reload(b);
	assert_true(bed_stale(b, &plan));
	bed_free(b);
}

/* RFC 4787 REQ-2 across a reload: who has ports stays with their address; who comes back without
 * any is moved only where a new address takes its place. */
static void growing_pool_moves_few_subscribers(void **state)
{
	struct bed *b = bed_plain(1);
	struct flow_plan plan[3][1000];
	unsigned moved[2] = { 0 };

	(void)state;
	bed_pool(b, "192.0.2.1", "192.0.2.9", 1024, 65535);
	bed_up(b, 5000);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 1000; i++) {
			struct tuple t = from_host(i, (uint16_t)(5000 + round));

			plan[round][i] = bed_must_open(b, &t);
			if (round)
				moved[round - 1] += !addr_equal(&plan[0][i].key[1].dst,
								&plan[round][i].key[1].dst);
			if (round == 1) {
				bed_end(b, &plan[0][i]);
				bed_end(b, &plan[1][i]);
			}
		}
		b->pool4[0].last = addr_of("192.0.2.10");
		bed_reload(b);
	}
	assert_int_equal(moved[0], 0);
	assert_in_range(moved[1], 50, 170); /* a tenth */
	bed_free(b);
}

static void dump_shows_each_mapping_once_in_bounded_steps(void **state)
{
	struct bed *b = bed_plain(1);
	struct bib_record rec[7];
	bool seen[6000] = { 0 };
	uint32_t cursor = 0, total = 0, n_static = 0;
	const struct tuple t = from_host(1, 1);
	struct flow_plan plan;

	(void)state;
	bed_pool(b, "192.0.2.1", "192.0.2.1", 1024, 65535);
	bed_static(b, NAT64_ICMP, "2001:db8:1::7", 7, "192.0.2.1", 77);
	bed_up(b, 6000);
	for (uint16_t i = 0; i < 6000; i++) {
		struct tuple u = t;

		u.sport = be16_from(i);
		plan = bed_must_open(b, &u);
		if (i % 2)
			bed_end(b, &plan);
	}
	while (cursor != UINT32_MAX) {
		uint32_t n = nat64_dump(b->n[0], b->t, &cursor, rec, ARRAY_LEN(rec));

		for (uint32_t i = 0; i < n; i++) {
			if (rec[i].is_static) {
				n_static++;
				assert_int_equal(rec[i].protocol, NAT64_ICMP);
				assert_int_equal(rec[i].outside_port, 77);
				assert_int_equal(rec[i].n_sessions, 0);
				continue;
			}
			assert_false(seen[rec[i].inside_port]);
			seen[rec[i].inside_port] = true;
			assert_int_equal(rec[i].inside_port % 2, 0);
			assert_int_equal(rec[i].protocol, NAT64_UDP);
			assert_int_equal(rec[i].n_sessions, 1);
			assert_true(addr_equal(&rec[i].inside, &t.src));
			total++;
		}
	}
	assert_int_equal(total, 3000);
	assert_int_equal(n_static, 1);
	bed_free(b);
}

/* Design 1: at most 64 bytes a mapping, index included; ports in use apart. */
static void mapping_costs_at_most_64_bytes_resident(void **state)
{
	struct bed *b = bed_plain(1);
	const uint32_t n = 200000;
	struct arena measure = { 0 };
	size_t empty;
	void *mem;

	(void)state;
	bed_pool(b, "192.0.2.1", "192.0.2.8", 1024, 65535);
	assert_int_equal(bed_compile(b), 0);
	nat64_layout(&measure, n, 0, &b->key);
	mem = fresh_memory(measure.used);
	b->arena = (struct arena){ .base = mem, .size = measure.used };
	b->n[0] = nat64_layout(&b->arena, n, 0, &b->key);
	nat64_use_table(b->n[0], b->t, b->now_ms);
	empty = resident(mem, measure.used);
	for (uint32_t i = 0; i < n; i++) {
		struct tuple t = from_host(i >> 14, (uint16_t)i);
		struct packet p = first_packet(&t);
		struct flow_plan plan;

		assert_int_equal(nat64_admit_inside(b->n[0], b->t, &b->flows, &p, &plan, 1).next,
				 VERDICT_CONTINUE);
	}
	print_message("%zu bytes empty, %.1f a mapping\n", empty,
		      (double)(resident(mem, measure.used) - empty) / n);
	assert_in_range(resident(mem, measure.used) - empty, 40 * n, 64 * n);
	munmap(mem, measure.used);
	b->arena.base = NULL;
	bed_free(b);
}

/* A mapping whose address has gone is none, though sessions may still hold its record. */
static void dump_shows_no_mapping_that_is_not_valid(void **state)
{
	struct bed *b = bed_plain(1);
	struct tuple t = from_host(1, 5000), u = from_host(2, 5000);
	struct flow_plan gone, stays;
	struct bib_record r[4];
	uint32_t cursor = 0;

	(void)state;
	bed_pool(b, "192.0.2.1", "192.0.2.1", 1024, 65535);
	bed_up(b, 10);
	gone = bed_must_open(b, &t);
	b->pool4[0].first = b->pool4[0].last = addr_of("192.0.2.2");
	bed_reload(b);
	stays = bed_must_open(b, &u);
	assert_int_equal(nat64_mappings(b->n[0]), 2);
	assert_int_equal(nat64_dump(b->n[0], b->t, &cursor, r, 4), 1);
	assert_int_equal(cursor, UINT32_MAX);
	assert_true(addr_equal(&r[0].inside, &u.src));
	gone.generation = 0;
	bed_end(b, &stays);
	cursor = 0;
	assert_int_equal(nat64_dump(b->n[0], b->t, &cursor, r, 4), 0);
	bed_end(b, &gone);
	assert_int_equal(nat64_mappings(b->n[0]), 0);
	bed_free(b);
}

/* Every field, of each protocol; sessions of either side are counted. */
static void dump_tells_all_of_a_mapping(void **state)
{
	static const uint8_t wire[] = { 6, 17, 58 }, shown[] = { NAT64_TCP, NAT64_UDP, NAT64_ICMP };
	struct bed *b = bed_plain(1);

	(void)state;
	bed_pool(b, "192.0.2.1", "192.0.2.9", 1024, 65535);
	bed_static(b, NAT64_UDP, "2001:db8:1:9::9", 9, "192.0.2.4", 99);
	bed_up(b, 10);
	for (unsigned i = 0; i < 3; i++) {
		struct tuple t = tuple_of("2001:db8:1::77", server, 4000, wire[i] == 58 ? 4000 : 80,
					  wire[i]),
			     in;
		struct flow_plan plan = bed_must_open(b, &t), other;
		struct bib_record r[2];
		uint32_t cursor = 0, n = nat64_dump(b->n[0], b->t, &cursor, r, 2);
		unsigned at = r[0].is_static;

		in = plan.key[1];
		in.src = addr_of("198.51.100.7");
		other = bed_must_open(b, &in);
		cursor = 0;
		n = nat64_dump(b->n[0], b->t, &cursor, r, 2);
		assert_int_equal(n, 2);
		assert_true(addr_equal(&r[at].inside, &t.src));
		assert_true(addr_equal(&r[at].outside, &plan.key[1].dst));
		assert_int_equal(r[at].inside_port, 4000);
		assert_int_equal(r[at].outside_port, be16_to(plan.key[1].dport));
		assert_int_equal(r[at].protocol, shown[i]);
		assert_false(r[at].is_static);
		assert_int_equal(r[at].n_sessions, 2);
		assert_true(r[!at].is_static);
		assert_int_equal(r[!at].outside_port, 99);
		assert_int_equal(r[!at].n_sessions, 0);
		bed_end(b, &other);
		bed_end(b, &plan);
	}
	bed_free(b);
}

/* As many prefixes, addresses, static entries and exempt destinations as there may be; one more is
 * refused. */
static void each_list_is_as_long_as_it_says_and_no_longer(void **state)
{
	static struct exempt_conf exempt[NAT64_EXEMPT_MAX + 1];
	struct bed *b = bed_new(1);

	(void)state;
	bed_pool(b, "10.0.0.0", "10.0.3.255", 1024, 65535);
	for (unsigned i = 0; i <= NAT64_PREFIXES_MAX; i++) {
		char text[40];

		snprintf(text, sizeof(text), "2001:db8:%x::/96", i);
		bed_prefix(b, text);
	}
	for (unsigned i = 0; i <= NAT64_STATIC_MAX; i++)
		bed_static(b, NAT64_TCP, "2001:db8:1::80", (uint16_t)(1 + i), "10.0.0.1",
			   (uint16_t)(1 + i));
	b->conf.exempt = exempt;
	for (unsigned i = 0; i <= NAT64_EXEMPT_MAX; i++)
		assert_int_equal(prefix_parse("203.0.113.9/32", &exempt[i].destination), 0);
	for (unsigned which = 0; which < 4; which++) {
		b->conf.n_prefix = NAT64_PREFIXES_MAX + (which == 1);
		b->conf.n_static = NAT64_STATIC_MAX + (which == 2);
		b->conf.n_exempt = NAT64_EXEMPT_MAX + (which == 3);
		assert_int_equal(bed_compile(b), which ? -ENOSPC : 0);
		if (!which) {
			struct addr a = addr_of("2001:db8:7::1.2.3.4"),
				    one_more = addr_of("2001:db8:8::1.2.3.4");

			assert_true(nat64_claims_pool6(b->t, &a, NULL));
			assert_false(nat64_claims_pool6(b->t, &one_more, NULL));
			nat64_table_free(b->t);
			b->t = NULL;
		}
		free(b->steer);
		b->steer = NULL;
	}
	bed_free(b);
}

/* Ranges that touch or overlap are one: there may be more of them than can be kept apart. */
static void ranges_that_touch_are_one(void **state)
{
	static const uint16_t start[] = { 1000, 3000, 2000, 1500, 2500, 4000,
					  3500, 5000, 4500, 6000, 5500 };

	(void)state;
	for (unsigned overlap = 0; overlap < 2; overlap++) {
		struct bed *b = bed_plain(1);

		for (unsigned i = 0; i < ARRAY_LEN(start); i++) /* each behind the one before */
			bed_pool(b, "192.0.2.1", "192.0.2.1", (uint16_t)(1000 + 500 * i),
				 (uint16_t)(1499 + 500 * i + overlap));
		bed_up(b, 10);
		bed_free(b);
		b = bed_plain(1);
		for (unsigned i = 0; i < ARRAY_LEN(start); i++)
			bed_pool(b, "192.0.2.1", "192.0.2.1", start[i],
				 (uint16_t)(start[i] + 499 + overlap));
		bed_up(b, 10);
		bed_free(b);
		b = bed_plain(1);
		for (unsigned i = 0; i < ARRAY_LEN(start); i++) /* one port between them: eleven */
			bed_pool(b, "192.0.2.1", "192.0.2.1", start[i], (uint16_t)(start[i] + 498));
		assert_int_equal(bed_compile(b), -ENOSPC);
		bed_free(b);
	}
}

/* Who has nothing but resting blocks, on addresses that go, loses them while it is served. */
static void who_is_served_while_its_addresses_go_has_one_record(void **state)
{
	struct bed *b = bed_plain(1);
	struct flow_plan plan[64];

	(void)state;
	bed_pool(b, "192.0.2.1", "192.0.2.32", 1024, 65535);
	bed_up(b, 1000);
	for (unsigned i = 0; i < 64; i++) {
		struct tuple t = from_host(i, 5000);

		plan[i] = bed_must_open(b, &t);
	}
	for (unsigned i = 0; i < 64; i++)
		bed_end(b, &plan[i]);
	b->pool4[0].first = addr_of("198.51.100.1");
	b->pool4[0].last = addr_of("198.51.100.32");
	b->old = b->t;
	b->steer_old = b->steer;
	must(bed_compile(b) == 0);
	nat64_use_table(b->n[0], b->t, b->now_ms); /* the rest is done packet by packet */
	for (unsigned i = 0; i < 64; i++) {
		struct tuple t = from_host(i, 5000);

		plan[i] = bed_must_open(b, &t);
	}
	assert_int_equal(nat64_subscribers(b->n[0]), 64);
	while (nat64_adopt(b->n[0], b->t))
		;
	for (unsigned i = 0; i < 64; i++)
		bed_end(b, &plan[i]);
	bed_advance(b, 200000);
	assert_int_equal(nat64_subscribers(b->n[0]), 0);
	bed_free(b);
}

/* An address that has not been looked at yet is, when its subscriber needs another port. */
static void host_keeps_to_its_block_while_addresses_wait(void **state)
{
	enum { N_HOSTS = 60 };
	struct bed *b = bed_plain(1);
	struct flow_plan plan[N_HOSTS], next;

	(void)state;
	bed_pool(b, "192.0.2.0", "192.0.4.255", 1024, 65535);
	bed_up(b, 1000);
	for (unsigned i = 0; i < N_HOSTS; i++) {
		struct tuple t = from_host(i, 5000);

		plan[i] = bed_must_open(b, &t);
	}
	b->pool4[0].port_last = 65400;
	bed_begin(b);
	for (unsigned i = 0; i < N_HOSTS; i++) {
		struct tuple t = from_host(i, 5001);

		next = bed_must_open(b, &t);
		assert_true(addr_equal(&next.key[1].dst, &plan[i].key[1].dst));
		assert_int_equal(mapped_port(&next) / 64, mapped_port(&plan[i]) / 64);
	}
	bed_free(b);
}

/* Each is paired with an address of its own, those that wait among them. */
static void new_addresses_serve_before_their_turn_comes(void **state)
{
	enum { N_HOSTS = 50 };
	struct bed *b = bed_plain(1);
	struct flow_plan plan[N_HOSTS];
	unsigned n_alone = 0;

	(void)state;
	bed_pool(b, "198.51.100.1", "198.51.100.1", 1024, 65535);
	bed_up(b, 1000);
	b->conf.n_pool4 = 0;
	bed_pool(b, "192.0.2.0", "192.0.4.255", 1024, 65535);
	bed_begin(b);
	for (unsigned i = 0; i < N_HOSTS; i++) {
		struct tuple t = from_host(i, 5000);
		bool alone = true;

		plan[i] = bed_must_open(b, &t);
		for (unsigned j = 0; j < i; j++)
			alone &= !addr_equal(&plan[j].key[1].dst, &plan[i].key[1].dst);
		n_alone += alone;
	}
	assert_in_range(n_alone, N_HOSTS - 10, N_HOSTS);
	bed_free(b);
}

/* ---- prefixes ---- */

static const char *const many[NAT64_PREFIXES_MAX] = {
	"64:ff9b:1::/96", "2001:db8:64::/96", "2001:db8:65::/96", "2001:db8:66::/96",
	"2001:db8:67::/96", "2001:db8:68::/96", "2001:db8:69::/96", "2001:db8:6a::/96",
};

/* The first @n prefixes of the list from @from on, round its end. */
static void use_prefixes(struct bed *b, unsigned from, unsigned n)
{
	b->conf.n_prefix = 0;
	for (unsigned i = 0; i < n; i++)
		bed_prefix(b, many[(from + i) % NAT64_PREFIXES_MAX]);
}

/* Under which prefix a new peer of the mapping is shown. */
static struct addr shown_to(struct bed *b, const struct flow_plan *plan)
{
	struct tuple t = plan->key[1];
	struct flow_plan in;

	t.src = addr_of("203.0.113.99");
	in = bed_must_open(b, &t);
	bed_end(b, &in);
	return addr_mask(&in.key[0].dst, 96);
}

static struct tuple by_prefix(unsigned i)
{
	struct prefix p;
	struct tuple t = tuple_of("2001:db8:1::1", "64:ff9b:1::203.0.113.9", (uint16_t)(5000 + i), 80, 17);

	must(prefix_parse(many[i], &p) == 0);
	memcpy(t.dst.octet, p.addr.octet, 12);
	return t;
}

/* RFC 6146 3.5: the prefix that the host itself used, whatever became of the order in the file. */
static void peers_stay_under_the_prefix_that_the_host_used(void **state)
{
	struct bed *b = bed_new(1);
	struct flow_plan plan[NAT64_PREFIXES_MAX];
	struct addr want, shown;

	(void)state;
	use_prefixes(b, 0, NAT64_PREFIXES_MAX);
	bed_pool(b, "192.0.2.1", "192.0.2.1", 1024, 65535);
	bed_up(b, 100);
	for (unsigned i = 0; i < NAT64_PREFIXES_MAX; i++) {
		struct tuple t = by_prefix(i);

		plan[i] = bed_must_open(b, &t);
	}
	for (unsigned n = NAT64_PREFIXES_MAX; n > 0; n--)
		for (unsigned from = 0; from < NAT64_PREFIXES_MAX; from++) {
			use_prefixes(b, from, n);
			bed_reload(b);
			for (unsigned i = 0; i < n; i++) {
				unsigned which = (from + i) % NAT64_PREFIXES_MAX;

				want = addr_of("::");
				memcpy(want.octet, by_prefix(which).dst.octet, 12);
				shown = shown_to(b, &plan[which]);
				if (n == NAT64_PREFIXES_MAX) /* none has gone yet */
					assert_true(addr_equal(&shown, &want));
			}
		}
	bed_free(b);
}

/* Its prefix has gone: the first one, not whichever has come into its place. */
static void peers_come_under_the_first_prefix_when_the_one_used_has_gone(void **state)
{
	struct bed *b = bed_new(1);
	struct tuple t = by_prefix(1);
	struct flow_plan plan;
	struct addr want, shown;

	(void)state;
	use_prefixes(b, 0, 2);
	bed_pool(b, "192.0.2.1", "192.0.2.1", 1024, 65535);
	bed_up(b, 100);
	plan = bed_must_open(b, &t);
	use_prefixes(b, 2, 3);
	bed_reload(b);
	want = addr_of("2001:db8:65::");
	shown = shown_to(b, &plan);
	assert_true(addr_equal(&shown, &want));
	bed_free(b);
}

/* A section that was switched off and is on again with the next address: what was of the one is not of
 * the other. */
static void neighbours_differ_in_generation_without_a_table_before(void **state)
{
	(void)state;
	for (unsigned i = 1; i < 255; i++) {
		struct bed *b = bed_new(1);
		struct tuple t = tuple_of("2001:db8:1::1", "64:ff9b:1::203.0.113.9", 5000, 80, 17);
		struct flow_plan plan;

		bed_prefix(b, "64:ff9b:1::/96");
		bed_pool(b, "198.51.100.0", "198.51.100.0", 1024, 65535);
		b->pool4[0].first.octet[15] = b->pool4[0].last.octet[15] = (uint8_t)i;
		bed_up(b, 100);
		plan = bed_must_open(b, &t);
		nat64_table_free(b->t);
		b->t = b->old = NULL;
		b->steer_old = b->steer;
		b->pool4[0].first.octet[15] = b->pool4[0].last.octet[15] = (uint8_t)(i + 1);
		assert_int_equal(bed_compile(b), 0);
		bed_use(b, 0);
		assert_true(bed_stale(b, &plan));
		bed_free(b);
	}
}

/* System ports are given out one by one, from blocks that have room for others. */
static void next_address_keeps_what_it_has_when_one_goes(void **state)
{
	enum { N_HOSTS = 30 };
	struct bed *b = bed_plain(1);
	struct flow_plan plan[N_HOSTS];
	uint32_t n_kept = 0;

	(void)state;
	bed_pool(b, "192.0.2.1", "192.0.2.2", 1, 63);
	bed_up(b, 1000);
	for (unsigned i = 0; i < N_HOSTS; i++) {
		struct tuple t = from_host(i, 53);

		t.proto = i % 2 ? 6 : 17;
		plan[i] = bed_must_open(b, &t);
	}
	b->conf.pool4[0].first = addr_of("192.0.2.2");
	bed_reload(b);
	for (unsigned i = 0; i < N_HOSTS; i++)
		n_kept += !bed_stale(b, &plan[i]);
	assert_in_range(n_kept, 1, N_HOSTS - 1);
	assert_int_equal(nat64_ports_used(b->n[0]), n_kept);
	for (unsigned i = 0; i < N_HOSTS; i++)
		bed_end(b, &plan[i]);
	assert_int_equal(nat64_ports_used(b->n[0]), 0);
	assert_int_equal(nat64_subscribers(b->n[0]), 0);
	bed_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(peers_stay_under_the_prefix_that_the_host_used),
		cmocka_unit_test(peers_come_under_the_first_prefix_when_the_one_used_has_gone),
		cmocka_unit_test(neighbours_differ_in_generation_without_a_table_before),
		cmocka_unit_test(who_is_served_while_its_addresses_go_has_one_record),
		cmocka_unit_test(too_much_or_wrong_is_refused_and_says_so),
		cmocka_unit_test(claims_are_those_of_pool4_and_the_prefixes),
		cmocka_unit_test(full_pool_of_1024_addresses_is_found),
		cmocka_unit_test(sessions_of_addresses_that_stay_survive_a_reload),
		cmocka_unit_test(mapping_of_a_gone_address_makes_way),
		cmocka_unit_test(address_that_comes_back_is_a_new_one),
		cmocka_unit_test(section_off_and_on_forgets_other_addresses_sessions),
		cmocka_unit_test(narrower_port_range_makes_ports_beyond_it_stale),
		cmocka_unit_test(flow_under_a_prefix_that_went_is_stale),
		cmocka_unit_test(next_address_keeps_what_it_has_when_one_goes),
		cmocka_unit_test(growing_pool_moves_few_subscribers),
		cmocka_unit_test(dump_shows_each_mapping_once_in_bounded_steps),
		cmocka_unit_test(mapping_costs_at_most_64_bytes_resident),
		cmocka_unit_test(dump_shows_no_mapping_that_is_not_valid),
		cmocka_unit_test(dump_tells_all_of_a_mapping),
		cmocka_unit_test(each_list_is_as_long_as_it_says_and_no_longer),
		cmocka_unit_test(ranges_that_touch_are_one),
		cmocka_unit_test(new_addresses_serve_before_their_turn_comes),
		cmocka_unit_test(host_keeps_to_its_block_while_addresses_wait),
	};

	return cmocka_run_group_tests_name("nat64/reload", tests, NULL, NULL);
}
