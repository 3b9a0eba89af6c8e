/* test_static.c - static entries: RFC 6146 3.2 (a BIB entry by configuration), workers, reloads. */
#include "bed.h"
#include <errno.h>
#include "sixgate/nat64/event.h"

static const char *const web = "2001:db8:1::80";
static const char *const server = "64:ff9b:1::203.0.113.9";

static struct bed *bed_with_pool(unsigned n_workers, uint16_t first, uint16_t last)
{
	struct bed *b = bed_new(n_workers);

	bed_prefix(b, "64:ff9b:1::/96");
	bed_pool(b, "192.0.2.1", "192.0.2.4", first, last);
	return b;
}

static void static_entry_works_from_both_sides_for_each_protocol(void **state)
{
	static const struct {
		uint8_t conf, v6, v4;
	} row[] = { { NAT64_TCP, 6, 6 }, { NAT64_UDP, 17, 17 }, { NAT64_ICMP, 58, 1 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct bed *b = bed_with_pool(1, 1024, 65535);
		bool icmp = row[i].conf == NAT64_ICMP;
		struct flow_plan plan;
		struct tuple t;

		bed_static(b, row[i].conf, web, 8443, "192.0.2.3", 443); /* outside the range */
		bed_up(b, 100);
		t = tuple_of("198.51.100.7", "192.0.2.3", icmp ? 443 : 999, 443, row[i].v4);
		plan = bed_must_open(b, &t);
		assert_int_equal(be16_to(plan.key[0].sport), 8443);
		assert_true(addr_equal(&plan.key[0].src, &b->entry[0].inside));
		assert_int_equal(be16_to(plan.key[0].dport), icmp ? 8443 : 999);

		t = tuple_of(web, server, 8443, icmp ? 8443 : 80, row[i].v6);
		plan = bed_must_open(b, &t);
		assert_int_equal(mapped_port(&plan), 443);
		assert_true(addr_equal(&plan.key[1].dst, &b->entry[0].outside));
		bed_end(b, &plan);
		assert_int_equal(nat64_mappings(b->n[0]), 1);

		t.sport = be16_from(8444); /* the host's other ports are ordinary */
		t.dport = icmp ? t.sport : t.dport;
		plan = bed_must_open(b, &t);
		assert_int_not_equal(mapped_port(&plan), 443);
		bed_free(b);
	}
}

static void port_of_a_static_entry_is_given_to_nobody_else(void **state)
{
	struct bed *b = bed_new(1);
	struct flow_plan plan;
	struct tuple t;

	(void)state;
	bed_prefix(b, "64:ff9b:1::/96");
	bed_pool(b, "192.0.2.1", "192.0.2.1", 2000, 2007);
	bed_static(b, NAT64_UDP, web, 53, "192.0.2.1", 2003);
	bed_up(b, 100);
	for (unsigned i = 0; i < 7; i++) {
		t = tuple_of("2001:db8:1::9", server, (uint16_t)(4000 + i), 80, 17);
		plan = bed_must_open(b, &t);
		assert_int_not_equal(mapped_port(&plan), 2003);
	}
	t.sport = be16_from(5000);
	assert_dropped(bed_open(b, &t, &plan), DROP_POOL4_EXHAUSTED, REPLY_ADDR_UNREACHABLE);
	t.proto = 6; /* the same port of another protocol is not taken */
	for (unsigned i = 0; i < 8; i++) {
		t.sport = be16_from((uint16_t)(4000 + i));
		bed_must_open(b, &t);
	}
	bed_free(b);
}

/* Design 3: both directions of a static entry are steered to one worker, whatever is shared. */
static void blocks_and_hosts_of_static_entries_are_pinned_together(void **state)
{
	uint64_t seed = test_seed();

	(void)state;
	for (unsigned round = 0; round < 50; round++) {
		struct bed *b = bed_with_pool(4, 1024, 65535);
		unsigned n = 1 + (unsigned)(rnd(&seed) % 60);

		for (unsigned i = 0; i < n; i++) { /* few blocks and few hosts: much is shared */
			char inside[64], outside[32];

			snprintf(inside, sizeof(inside), "2001:db8:1:%x::%x",
				 (unsigned)(rnd(&seed) % 12), (unsigned)(rnd(&seed) % 3));
			snprintf(outside, sizeof(outside), "192.0.2.%u",
				 1 + (unsigned)(rnd(&seed) % 4));
			bed_static(b, NAT64_TCP, inside, (uint16_t)(i + 1), outside,
				   (uint16_t)(i * 23 + 1));
		}
		bed_up(b, 100);
		for (unsigned i = 0; i < n; i++) {
			struct tuple in = { .src = b->entry[i].inside,
					    .sport = be16_from(b->entry[i].inside_port),
					    .dport = be16_from(80),
					    .proto = 6 };
			struct tuple out = tuple_of("198.51.100.7", "192.0.2.1", 999, 0, 6);
			struct flow_plan plan;

			in.dst = addr_of(server);
			out.dst = b->entry[i].outside;
			out.dport = be16_from(b->entry[i].outside_port);
			assert_int_equal(owner_of_tuple(b->steer, &in, SIDE_INSIDE),
					 owner_of_tuple(b->steer, &out, SIDE_OUTSIDE));
			plan = bed_must_open(b, &out);
			assert_true(addr_equal(&plan.key[0].src, &in.src));
			plan = bed_must_open(b, &in);
			assert_int_equal(mapped_port(&plan), b->entry[i].outside_port);
		}
		bed_free(b);
	}
}

static void lone_static_host_stays_with_its_worker(void **state)
{
	struct bed *b = bed_with_pool(4, 1024, 65535);
	struct tuple t = { .src = addr_of("2001:db8:1:7::80") };
	unsigned before;

	(void)state;
	bed_up(b, 100);
	before = owner_of_tuple(b->steer, &t, SIDE_INSIDE);
	bed_static(b, NAT64_TCP, "2001:db8:1:7::80", 80, "192.0.2.1", 5000);
	bed_reload(b);
	assert_int_equal(owner_of_tuple(b->steer, &t, SIDE_INSIDE), before);
	bed_free(b);
}

/* Steering moves a subscriber: what it had at its old worker must not linger as if it worked. */
static void sessions_of_a_host_that_is_pinned_elsewhere_are_stale(void **state)
{
	struct bed *b = bed_with_pool(4, 1024, 65535);
	struct tuple mine = tuple_of("2001:db8:1:7::80", server, 5000, 53, 17), other = mine;
	struct flow_plan old, new;
	unsigned from, w = 0;
	struct flow f;

	(void)state;
	bed_up(b, 100);
	from = owner_of_tuple(b->steer, &mine, SIDE_INSIDE);
	while (owner_of_tuple(b->steer, &other, SIDE_INSIDE) == from)
		other.src.octet[6]++;
	w = owner_of_tuple(b->steer, &other, SIDE_INSIDE);
	old = bed_must_open(b, &mine);
	f = flow_of(&old);
	assert_false(nat64_flow_stale(b->t, b->n[from], &f));

	bed_static(b, NAT64_TCP, "2001:db8:1:7::80", 81, "192.0.2.1", 641);
	bed_static(b, NAT64_TCP, "2001:db8:1:7::80", 80, "192.0.2.1", 640); /* the same block */
	b->entry[1].inside = other.src;
	bed_reload(b);
	assert_int_equal(owner_of_tuple(b->steer, &mine, SIDE_INSIDE), w);
	assert_true(nat64_flow_stale(b->t, b->n[from], &f));
	new = bed_must_open(b, &mine);
	assert_int_equal(bed_owner(b, &new), w);
	nat64_flow_ended(b->n[from], &f, 1);
	assert_int_equal(nat64_mappings(b->n[from]), 0);
	bed_free(b);
}

static void reload_adds_and_removes_static_entries(void **state)
{
	struct bed *b = bed_with_pool(1, 1024, 65535);
	struct tuple in = tuple_of("198.51.100.7", "192.0.2.1", 999, 8080, 6);
	struct tuple in2 = tuple_of("198.51.100.7", "192.0.2.1", 999, 8081, 6);
	struct flow_plan plan, kept, none;

	(void)state;
	bed_static(b, NAT64_TCP, web, 80, "192.0.2.1", 8080);
	bed_up(b, 100);
	plan = bed_must_open(b, &in);
	bed_static(b, NAT64_TCP, web, 81, "192.0.2.1", 8081);
	bed_reload(b);
	assert_false(bed_stale(b, &plan)); /* untouched by the other's coming */
	kept = bed_must_open(b, &in2);
	assert_int_equal(nat64_mappings(b->n[0]), 2);

	b->entry[0] = b->entry[1];
	b->conf.n_static = 1;
	bed_reload(b);
	assert_true(bed_stale(b, &plan));
	assert_false(bed_stale(b, &kept));
	in.sport = be16_from(1);
	assert_dropped(bed_open(b, &in, &none), DROP_NO_BIB_ENTRY, REPLY_NONE);
	bed_end(b, &plan);
	assert_int_equal(nat64_mappings(b->n[0]), 1);
	bed_reload(b); /* nothing changed: nothing changes */
	assert_false(bed_stale(b, &kept));
	assert_int_equal(nat64_mappings(b->n[0]), 1);
	assert_int_equal(nat64_ports_used(b->n[0]), 1);
	bed_free(b);
}

/* The same outside address for another host: sessions of the first end, those of the second begin.
 */
static void changed_static_entry_belongs_to_the_new_host(void **state)
{
	struct bed *b = bed_with_pool(1, 1024, 65535);
	struct tuple in = tuple_of("198.51.100.7", "192.0.2.1", 999, 8080, 6);
	struct flow_plan old, new;

	(void)state;
	bed_static(b, NAT64_TCP, web, 80, "192.0.2.1", 8080);
	bed_up(b, 100);
	old = bed_must_open(b, &in);
	b->entry[0].inside = addr_of("2001:db8:1::81");
	bed_reload(b);
	assert_true(bed_stale(b, &old));
	new = bed_must_open(b, &in);
	assert_true(addr_equal(&new.key[0].src, &b->entry[0].inside));
	bed_end(b, &old);
	assert_false(bed_stale(b, &new));
	bed_end(b, &new);
	assert_int_equal(nat64_mappings(b->n[0]), 1);
	bed_free(b);
}

/* A host has the port by chance, or the static host has another port by chance. */
static void new_static_entry_takes_over_from_dynamic_mappings(void **state)
{
	struct bed *b = bed_with_pool(1, 1024, 65535);
	struct tuple other = tuple_of("2001:db8:1::9", server, 4000, 80, 17);
	struct tuple own = tuple_of(web, server, 53, 80, 17);
	struct flow_plan p_other, p_own, again;
	char outside[ADDR_TEXT_MAX];

	(void)state;
	bed_up(b, 100);
	p_other = bed_must_open(b, &other);
	p_own = bed_must_open(b, &own);
	bed_static(b, NAT64_UDP, web, 53, addr_format(&p_other.key[1].dst, outside),
		   mapped_port(&p_other));
	bed_reload(b);
	assert_true(bed_stale(b, &p_other));
	assert_true(bed_stale(b, &p_own));
	again = bed_must_open(b, &own);
	assert_int_equal(mapped_port(&again), mapped_port(&p_other));
	again = bed_must_open(b, &other);
	assert_int_not_equal(mapped_port(&again), mapped_port(&p_other));
	assert_int_equal(nat64_mappings(b->n[0]), 4);
	bed_end(b, &p_other);
	bed_end(b, &p_own);
	assert_int_equal(nat64_mappings(b->n[0]), 2);
	assert_int_equal(nat64_ports_used(b->n[0]), 2);
	bed_free(b);
}

/* A mapping that is already what the entry says keeps its sessions. */
static void static_entry_equal_to_a_dynamic_mapping_adopts_it(void **state)
{
	struct bed *b = bed_with_pool(1, 1024, 65535);
	struct tuple own = tuple_of(web, server, 5353, 80, 17),
		     second = tuple_of(web, server, 5354, 80, 17),
		     third = tuple_of(web, server, 5355, 80, 17);
	struct flow_plan plan, other, late;
	char outside[ADDR_TEXT_MAX];

	(void)state;
	b->conf.quarantine.time_s = 120;
	bed_up(b, 100);
	plan = bed_must_open(b, &own);
	other = bed_must_open(b, &second);
	bed_static(b, NAT64_UDP, web, 5353, addr_format(&plan.key[1].dst, outside),
		   mapped_port(&plan));
	bed_reload(b);
	assert_false(bed_stale(b, &plan));
	bed_end(b, &plan);
	assert_int_equal(nat64_mappings(b->n[0]), 2);
	bed_advance(b, 600000); /* the block is in use, by the other one */
	assert_false(bed_stale(b, &other));
	late = bed_must_open(b, &third);
	assert_int_equal(mapped_port(&late) / 64, mapped_port(&other) / 64);
	bed_end(b, &other);
	bed_end(b, &late);
	assert_int_equal(nat64_mappings(b->n[0]), 1);
	bed_free(b);
}

/* Static entries have records of their own: a full BIB does not keep them out. */
static void static_entries_fit_beside_a_full_bib(void **state)
{
	struct bed *b = bed_with_pool(1, 1024, 65535);
	struct flow_plan plan;
	struct tuple t;

	(void)state;
	bed_up(b, 50);
	for (unsigned i = 0; i < 50; i++) {
		t = tuple_of("2001:db8:1::9", server, (uint16_t)(4000 + i), 80, 17);
		bed_must_open(b, &t);
	}
	for (unsigned i = 0; i < NAT64_STATIC_MAX; i++)
		bed_static(b, NAT64_TCP, web, (uint16_t)(i + 1), "192.0.2.2", (uint16_t)(i + 1));
	bed_reload(b);
	assert_int_equal(nat64_mappings(b->n[0]), 50 + NAT64_STATIC_MAX);
	t = tuple_of("198.51.100.7", "192.0.2.2", 999, NAT64_STATIC_MAX, 6);
	bed_must_open(b, &t);
	t = tuple_of("2001:db8:1::9", server, 9, 80, 17);
	assert_dropped(bed_open(b, &t, &plan), DROP_BIB_FULL, REPLY_ADDR_UNREACHABLE);
	b->conf.n_static = 0;
	bed_reload(b);
	assert_int_equal(nat64_mappings(b->n[0]), 51); /* one has a session left */
	bed_free(b);
}

/* Nothing but the address changes: they go with it. */
static void static_entries_move_to_another_address(void **state)
{
	static const char *const at[] = { "192.0.2.1", "192.0.2.9" };
	enum { N = NAT64_STATIC_MAX / 2 + 1 };
	struct bed *b = bed_new(1);
	struct flow_plan plan;

	(void)state;
	bed_prefix(b, "64:ff9b:1::/96");
	bed_pool(b, at[0], at[0], 1024, 65535);
	for (uint16_t i = 0; i < N; i++)
		bed_static(b, NAT64_TCP, web, (uint16_t)(8000 + i), at[0], (uint16_t)(2000 + i));
	bed_up(b, 10000);
	for (unsigned round = 1; round < 5; round++) {
		struct tuple before = tuple_of("198.51.100.7", at[!(round % 2)], 999, 2000, 6),
			     after = tuple_of("198.51.100.7", at[round % 2], 999, 2000, 6);

		b->pool4[0].first = b->pool4[0].last = after.dst;
		for (unsigned i = 0; i < N; i++)
			b->entry[i].outside = after.dst;
		bed_reload(b);
		assert_int_not_equal(bed_open(b, &before, &plan).next, VERDICT_CONTINUE);
		plan = bed_must_open(b, &after);
		assert_int_equal(be16_to(plan.key[0].sport), 8000);
		bed_end(b, &plan);
		assert_int_equal(nat64_mappings(b->n[0]), N);
	}
	bed_free(b);
}

/* Each of many is found from both sides, in whatever order they are written. */
static void every_one_of_many_static_entries_works(void **state)
{
	static const uint8_t conf[] = { NAT64_TCP, NAT64_UDP, NAT64_ICMP }, v4[] = { 6, 17, 1 },
			     v6[] = { 6, 17, 58 };
	static const char *const outside[] = { "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4" };
	struct bed *b = bed_with_pool(1, 1024, 65535);
	struct flow_plan kept[300];

	(void)state;
	for (unsigned i = 0; i < 300; i++) {
		unsigned k = i * 7 % 300; /* out of order */

		bed_static(b, conf[k % 3], k % 2 ? "2001:db8:1::80" : "2001:db8:1:7::80",
			   (uint16_t)(100 + k), outside[k / 3 % 4], (uint16_t)(3000 + k));
	}
	bed_up(b, 1000);
	assert_int_equal(nat64_mappings(b->n[0]), 300);
	for (unsigned k = 0; k < 300; k++) {
		uint16_t port = (uint16_t)(3000 + k), x = (uint16_t)(100 + k);
		struct tuple in = tuple_of("198.51.100.7", outside[k / 3 % 4],
					   k % 3 == 2 ? port : 9, port, v4[k % 3]);
		struct tuple out = tuple_of(k % 2 ? "2001:db8:1::80" : "2001:db8:1:7::80", server,
					    x, k % 3 == 2 ? x : 80, v6[k % 3]);
		struct flow_plan plan = bed_must_open(b, &in);

		assert_int_equal(be16_to(plan.key[0].sport), x);
		kept[k] = bed_must_open(b, &out);
		assert_int_equal(mapped_port(&kept[k]), port);
		assert_true(addr_equal(&kept[k].key[1].dst, &in.dst));
	}
	assert_int_equal(nat64_mappings(b->n[0]), 300);
	bed_reload(b); /* and stays as it is */
	assert_int_equal(nat64_mappings(b->n[0]), 300);
	bed_static(b, NAT64_UDP, "2001:db8:1:7::81", 1, outside[0], 1500); /* others, too */
	bed_reload(b);
	assert_int_equal(nat64_mappings(b->n[0]), 301);
	for (unsigned k = 0; k < 300; k++)
		assert_false(bed_stale(b, &kept[k]));
	bed_free(b);
}

/* One transport address twice is no mapping (RFC 6146 3.1), wherever the two stand in the list. */
static void doubles_among_many_static_entries_are_refused(void **state)
{
	static const uint8_t conf[] = { NAT64_TCP, NAT64_UDP, NAT64_ICMP };
	struct bed *b = bed_with_pool(1, 1024, 65535);
	uint64_t seed = test_seed();

	(void)state;
	for (unsigned k = 0; k < 120; k++) {
		char inside[40], outside[20];

		snprintf(inside, sizeof(inside), "2001:db8:1::%x", 1 + k % 5);
		snprintf(outside, sizeof(outside), "192.0.2.%u", 1 + k % 4);
		bed_static(b, conf[k % 3], inside, (uint16_t)(1000 + k * 7919 % 500), outside,
			   (uint16_t)(3000 + k * 104729 % 500));
	}
	for (unsigned round = 0; round < 100; round++) {
		unsigned x = (unsigned)(rnd(&seed) % 120),
			 y = (x + 1 + (unsigned)(rnd(&seed) % 119)) % 120;
		struct static_conf was = b->entry[x];
		bool by_inside = round % 2;

		b->entry[x].protocol = b->entry[y].protocol;
		if (by_inside) {
			b->entry[x].inside = b->entry[y].inside;
			b->entry[x].inside_port = b->entry[y].inside_port;
		} else {
			b->entry[x].outside = b->entry[y].outside;
			b->entry[x].outside_port = b->entry[y].outside_port;
		}
		if (bed_compile(b) != -EINVAL)
			fail_msg("%u like %u", x, y);
		assert_non_null(strstr(b->err.text, by_inside ? "inside" : "outside"));
		free(b->steer);
		b->entry[x] = was;
	}
	bed_up(b, 1000);
	assert_int_equal(nat64_mappings(b->n[0]), 120);
	bed_free(b);
}

/* Static entries come on top of what hosts may have, however often they are loaded: not one mapping
 * more, not one less. */
static void reloads_change_nothing_of_what_hosts_may_have(void **state)
{
	struct bed *b = bed_with_pool(1, 1024, 65535);
	struct flow_plan plan[11];

	(void)state;
	bed_static(b, NAT64_TCP, web, 80, "192.0.2.1", 80);
	bed_static(b, NAT64_TCP, web, 81, "192.0.2.1", 81);
	bed_up(b, 10);
	for (unsigned i = 0; i < 6; i++) {
		for (uint16_t k = 0; k <= 10; k++) {
			struct tuple t = tuple_of(web, server, (uint16_t)(5000 + k), 80, 17);
			struct verdict v = bed_open(b, &t, &plan[k]);

			assert_int_equal(v.next, k < 10 ? VERDICT_CONTINUE : VERDICT_DROP);
		}
		for (unsigned k = 0; k < 10; k++)
			bed_end(b, &plan[k]);
		assert_int_equal(nat64_mappings(b->n[0]), 2);
		bed_reload(b);
	}
	bed_free(b);
}

/* Sessions of entries of before hold their records: what finds none waits for one, and is counted. */
static void static_entry_that_found_no_record_gets_the_next_one(void **state)
{
	enum { N = NAT64_STATIC_MAX, ROUNDS = 3, HOSTS = 10 };
	static struct flow_plan plan[ROUNDS][N];
	struct bed *b = bed_with_pool(1, 1024, 65535);

	(void)state;
	bed_up(b, HOSTS);
	for (unsigned i = 0; i < N; i++)
		bed_static(b, NAT64_TCP, web, 0, "192.0.2.1", 0);
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned i = 0; i < N; i++) {
			b->entry[i].inside_port = (uint16_t)(10000 + round * N + i);
			b->entry[i].outside_port = (uint16_t)(20000 + round * N + i);
		}
		bed_reload(b);
		for (unsigned i = 0; i < N && round < 2; i++) {
			struct tuple t = tuple_of(web, server, b->entry[i].inside_port, 80, 6);

			plan[round][i] = bed_must_open(b, &t);
		}
	}
	assert_int_equal(nat64_mappings(b->n[0]), 2 * N + HOSTS);
	assert_int_equal(nat64_statics_missing(b->n[0]), N - HOSTS);
	assert_false(nat64_adopt(b->n[0], b->t)); /* nothing to be done */
	b->conf.n_static = N / 2;
	bed_reload(b);
	assert_int_equal(nat64_statics_missing(b->n[0]), N / 2 - HOSTS);
	b->conf.n_static = N;
	bed_reload(b);
	assert_int_equal(nat64_statics_missing(b->n[0]), N - HOSTS);
	for (unsigned i = 0; i < N; i++) {
		bed_end(b, &plan[0][i]);
		nat64_adopt(b->n[0], b->t);
		assert_int_equal(nat64_statics_missing(b->n[0]), i < N - HOSTS ? N - HOSTS - 1 - i : 0);
	}
	for (unsigned i = 0; i < N; i++) {
		struct tuple in = tuple_of("198.51.100.7", "192.0.2.1", 999, b->entry[i].outside_port, 6);
		struct flow_plan found = bed_must_open(b, &in);

		assert_int_equal(be16_to(found.key[0].sport), b->entry[i].inside_port);
		bed_end(b, &plan[1][i]);
	}
	assert_int_equal(nat64_mappings(b->n[0]), N);
	b->conf.n_static = 0;
	bed_reload(b);
	assert_int_equal(nat64_statics_missing(b->n[0]), 0);
	bed_free(b);
}

/* ---- accountability (RFC 6888 REQ-12) ---- */

static struct bed *bed_that_logs(uint8_t what)
{
	struct bed *b = bed_with_pool(1, 1024, 65535);

	b->conf.log_what = what;
	b->conf.quarantine.time_s = 120;
	bed_up(b, 100);
	b->now_ms = 5000;
	return b;
}

static void assert_next_is_static(struct bed *b, enum nat64_event_kind kind, uint16_t port,
				  const char *inside)
{
	struct addr outside = addr_of("192.0.2.1"), host = addr_of(inside);
	struct nat64_event e = { 0 };

	assert_true(nat64_event_read(nat64_events(b->n[0]), &e));
	assert_int_equal(e.kind, kind);
	assert_int_equal(e.port_first, port);
	assert_int_equal(e.port_last, port);
	assert_int_equal(e.protocol, NAT64_UDP);
	assert_int_equal(e.inside_port, 53);
	assert_int_equal(e.subscriber_len, 128);
	assert_int_equal(e.time_ms, b->now_ms);
	assert_true(addr_equal(&e.outside, &outside));
	assert_true(addr_equal(&e.inside, &host));
}

static void assert_nothing_told(struct bed *b)
{
	struct nat64_event e;

	assert_false(nat64_event_read(nat64_events(b->n[0]), &e));
}

/* In a block that somebody holds, too: the log would name him. */
static void ports_of_static_entries_are_told_one_by_one(void **state)
{
	struct bed *b = bed_that_logs(NAT64_LOG_BLOCKS);
	struct tuple t = tuple_of("2001:db8:1:9::1", server, 5000, 80, 17);
	struct flow_plan plan = bed_must_open(b, &t);
	struct static_conf *entry = &b->entry[0];
	struct nat64_event e = { 0 };

	(void)state;
	assert_true(nat64_event_read(nat64_events(b->n[0]), &e));
	assert_int_equal(e.kind, NAT64_EVENT_BLOCK_ALLOCATED);
	bed_static(b, NAT64_UDP, "2001:db8:1:2::80", 53, "192.0.2.1", mapped_port(&plan) ^ 1);
	entry->outside = plan.key[1].dst;
	b->now_ms = 7000;
	bed_reload(b);
	assert_true(nat64_event_read(nat64_events(b->n[0]), &e));
	assert_int_equal(e.kind, NAT64_EVENT_STATIC_ASSIGNED);
	assert_int_equal(e.port_first, mapped_port(&plan) ^ 1);
	assert_true(addr_equal(&e.inside, &entry->inside));
	assert_true(addr_equal(&e.outside, &plan.key[1].dst));
	assert_int_equal(e.time_ms, 7000);
	assert_nothing_told(b);
	b->conf.n_static = 0;
	bed_reload(b);
	assert_true(nat64_event_read(nat64_events(b->n[0]), &e));
	assert_int_equal(e.kind, NAT64_EVENT_STATIC_RELEASED);
	assert_int_equal(e.port_first, mapped_port(&plan) ^ 1);
	assert_nothing_told(b);
	bed_free(b);
}

static void static_entries_are_told_from_the_start_and_while_they_stay_no_more(void **state)
{
	struct bed *b = bed_with_pool(1, 1024, 65535);

	(void)state;
	bed_static(b, NAT64_UDP, "2001:db8:1:2::80", 53, "192.0.2.1", 53);
	b->conf.log_what = NAT64_LOG_BLOCKS;
	b->now_ms = 5000;
	bed_up(b, 100);
	assert_next_is_static(b, NAT64_EVENT_STATIC_ASSIGNED, 53, "2001:db8:1:2::80");
	b->conf.limits.flows = 7;
	bed_reload(b);
	assert_nothing_told(b);
	b->entry[0].inside = addr_of("2001:db8:1:3::80"); /* another takes its place */
	b->now_ms = 6000;
	bed_reload(b);
	assert_next_is_static(b, NAT64_EVENT_STATIC_RELEASED, 53, "2001:db8:1:2::80");
	assert_next_is_static(b, NAT64_EVENT_STATIC_ASSIGNED, 53, "2001:db8:1:3::80");
	b->pool4[0].first = addr_of("192.0.2.2"); /* its address goes */
	b->conf.n_static = 0;
	bed_reload(b);
	assert_next_is_static(b, NAT64_EVENT_STATIC_RELEASED, 53, "2001:db8:1:3::80");
	bed_free(b);
}

static void log_that_begins_with_a_reload_knows_the_static_entries(void **state)
{
	struct bed *b = bed_with_pool(1, 1024, 65535);

	(void)state;
	bed_static(b, NAT64_UDP, "2001:db8:1:2::80", 53, "192.0.2.1", 53);
	bed_up(b, 100);
	b->conf.log_what = NAT64_LOG_SESSIONS;
	bed_reload(b);
	assert_nothing_told(b); /* its sessions will be */
	b->conf.log_what = NAT64_LOG_BLOCKS;
	b->now_ms = 9000;
	bed_reload(b);
	assert_next_is_static(b, NAT64_EVENT_STATIC_ASSIGNED, 53, "2001:db8:1:2::80");
	b->conf.log_what = 0;
	bed_reload(b);
	b->conf.n_static = 0;
	bed_reload(b);
	assert_nothing_told(b);
	bed_free(b);
}

/* A mapping that a reload makes static had its port with a block before. */
static void mapping_that_becomes_static_is_told_as_such(void **state)
{
	struct bed *b = bed_that_logs(NAT64_LOG_BLOCKS);
	struct tuple t = tuple_of("2001:db8:1:9::1", server, 53, 80, 17);
	struct flow_plan plan = bed_must_open(b, &t);
	struct nat64_event e = { 0 };

	(void)state;
	assert_true(nat64_event_read(nat64_events(b->n[0]), &e));
	bed_static(b, NAT64_UDP, "2001:db8:1:9::1", 53, "192.0.2.1", mapped_port(&plan));
	b->entry[0].outside = plan.key[1].dst;
	bed_reload(b);
	assert_true(nat64_event_read(nat64_events(b->n[0]), &e));
	assert_int_equal(e.kind, NAT64_EVENT_STATIC_ASSIGNED);
	assert_int_equal(e.port_first, mapped_port(&plan));
	b->conf.n_static = 0;
	bed_reload(b);
	while (nat64_event_read(nat64_events(b->n[0]), &e) && e.kind != NAT64_EVENT_STATIC_RELEASED)
		;
	assert_int_equal(e.kind, NAT64_EVENT_STATIC_RELEASED);
	assert_int_equal(e.port_first, mapped_port(&plan));
	bed_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(static_entry_works_from_both_sides_for_each_protocol),
		cmocka_unit_test(port_of_a_static_entry_is_given_to_nobody_else),
		cmocka_unit_test(blocks_and_hosts_of_static_entries_are_pinned_together),
		cmocka_unit_test(lone_static_host_stays_with_its_worker),
		cmocka_unit_test(sessions_of_a_host_that_is_pinned_elsewhere_are_stale),
		cmocka_unit_test(reload_adds_and_removes_static_entries),
		cmocka_unit_test(changed_static_entry_belongs_to_the_new_host),
		cmocka_unit_test(new_static_entry_takes_over_from_dynamic_mappings),
		cmocka_unit_test(static_entry_equal_to_a_dynamic_mapping_adopts_it),
		cmocka_unit_test(static_entries_fit_beside_a_full_bib),
		cmocka_unit_test(static_entries_move_to_another_address),
		cmocka_unit_test(every_one_of_many_static_entries_works),
		cmocka_unit_test(doubles_among_many_static_entries_are_refused),
		cmocka_unit_test(static_entry_that_found_no_record_gets_the_next_one),
		cmocka_unit_test(reloads_change_nothing_of_what_hosts_may_have),
		cmocka_unit_test(ports_of_static_entries_are_told_one_by_one),
		cmocka_unit_test(static_entries_are_told_from_the_start_and_while_they_stay_no_more),
		cmocka_unit_test(log_that_begins_with_a_reload_knows_the_static_entries),
		cmocka_unit_test(mapping_that_becomes_static_is_told_as_such),
	};

	return cmocka_run_group_tests_name("nat64/static", tests, NULL, NULL);
}
