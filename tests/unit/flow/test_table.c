/* test_table.c - the flow table against a deliberately naive model, and filled to the brim. */
#include "test.h"
#include "sixgate/flow/table.h"
#include "sixgate/translate/translate.h"

enum { CAPACITY = 1000, TUPLES = 3000, TWO_BUCKETS = 2 * INDEX_ENTRIES };

static void *zeroed(size_t n)
{
	void *p = calloc(1, n);

	assert_non_null(p);
	return p;
}

static struct arena make_table(struct flow_table *t, uint32_t n)
{
	struct hash_key seed = { .word = { 1, 2 } }, key = hash_key_derive(&seed, 0);
	struct arena a = { 0 };

	flow_table_layout(t, n, &key, &a);
	a.size = a.used + 64;
	a.base = zeroed(a.size);
	a.used = 0;
	flow_table_layout(t, n, &key, &a);
	return a;
}

static struct tuple numbered(uint32_t i)
{
	struct tuple t = { .proto = 17 };

	t.src.octet[0] = 0x20;
	t.dst.octet[0] = 0x20;
	memcpy(t.src.octet + 12, &i, 4);
	t.sport = be16_from((uint16_t)(i * 7));
	return t;
}

static struct flow_plan plan_of(uint32_t a, uint32_t b)
{
	return (struct flow_plan){ .key = { numbered(a), numbered(b) }, .policy = POLICY_EGRESS6 };
}

static uint32_t find(const struct flow_table *t, const struct tuple *k)
{
	return flow_table_find(t, k, tuple_hash(&t->key, k));
}

static void both_keys_find_the_flow_and_its_direction(void **state)
{
	struct flow_table t;
	struct arena a = make_table(&t, 4);
	struct flow_plan p = plan_of(1, 2);
	enum drop_reason why;
	uint32_t i = flow_table_add(&t, &p, &why);

	(void)state;
	assert_int_not_equal(i, FLOW_NONE);
	assert_int_equal(find(&t, &p.key[0]), i << 1);
	assert_int_equal(find(&t, &p.key[1]), i << 1 | 1);
	flow_table_remove(&t, i);
	assert_int_equal(find(&t, &p.key[0]), FLOW_NONE);
	assert_int_equal(find(&t, &p.key[1]), FLOW_NONE);
	free(a.base);
}

static void a_flow_of_which_either_key_exists_is_refused(void **state)
{
	struct flow_table t;
	struct arena a = make_table(&t, 8);
	struct flow_plan first = plan_of(1, 2),
			 rows[] = { plan_of(1, 3), plan_of(3, 1), plan_of(2, 3), plan_of(3, 2),
				    plan_of(4, 4) };
	enum drop_reason why;

	(void)state;
	assert_int_not_equal(flow_table_add(&t, &first, &why), FLOW_NONE);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(flow_table_add(&t, &rows[i], &why), FLOW_NONE);
		assert_int_equal(why, DROP_FLOW_CONFLICT);
	}
	assert_int_equal(t.pool.used, 1);
	free(a.base);
}

static void a_table_takes_its_whole_capacity_and_one_more_is_refused(void **state)
{
	enum { N = 100000 };
	struct flow_table t;
	struct arena a = make_table(&t, N);
	struct flow_plan extra = plan_of(3 * N, 3 * N + 1);
	enum drop_reason why;

	(void)state;
	for (uint32_t i = 0; i < N; i++) {
		struct flow_plan p = plan_of(2 * i, 2 * i + 1);

		assert_int_not_equal(flow_table_add(&t, &p, &why), FLOW_NONE);
	}
	assert_int_equal(flow_table_add(&t, &extra, &why), FLOW_NONE);
	assert_int_equal(why, DROP_FLOW_TABLE_FULL);
	for (uint32_t i = 0; i < 2 * N; i++) {
		struct tuple k = numbered(i);
		uint32_t ref = find(&t, &k);

		assert_int_not_equal(ref, FLOW_NONE);
		assert_int_equal(ref & 1, i & 1);
	}
	free(a.base);
}

/* The n-th tuple, counted from *@from, whose two places are buckets @one and @two of @t. */
static struct tuple tuple_in(const struct flow_table *t, uint32_t *from, uint32_t one, uint32_t two)
{
	for (;;) {
		struct tuple k = numbered((*from)++);
		uint64_t h = tuple_hash(&t->key, &k);

		if (hash_range(h, t->index.n_buckets) == one &&
		    hash_range(h << 32 | h >> 32, t->index.n_buckets) == two)
			return k;
	}
}

static uint32_t add_pair(struct flow_table *t, const struct tuple *a, const struct tuple *b,
			 enum drop_reason *why)
{
	struct flow_plan p = { .key = { *a, *b }, .policy = POLICY_EGRESS6 };

	return flow_table_add(t, &p, why);
}

/* So many tuples have place in two buckets; with one more the flow is refused as a whole, and all
 * others are found as before, whichever of its tuples it is. */
static void tuples_that_collide_are_refused_and_leave_nothing(void **state)
{
	struct flow_table t;
	struct arena a = make_table(&t, 64);
	struct tuple in[TWO_BUCKETS], extra[2], rekeyed, fine;
	uint32_t from = 0, last = FLOW_NONE;
	enum drop_reason why;

	(void)state;
	for (unsigned i = 0; i < TWO_BUCKETS; i++)
		in[i] = tuple_in(&t, &from, 3, 5);
	for (unsigned i = 0; i < TWO_BUCKETS; i += 2)
		assert_int_not_equal(last = add_pair(&t, &in[i], &in[i + 1], &why), FLOW_NONE);
	extra[0] = tuple_in(&t, &from, 3, 5);
	extra[1] = fine = tuple_in(&t, &from, 7, 9);
	for (unsigned turn = 0; turn < 100; turn++) {
		assert_int_equal(add_pair(&t, &extra[turn % 2], &extra[!(turn % 2)], &why),
				 FLOW_NONE);
		assert_int_equal(why, DROP_FLOW_TABLE_FULL);
		assert_int_equal(t.pool.used, TWO_BUCKETS / 2);
		assert_int_equal(find(&t, &extra[0]), FLOW_NONE);
		assert_int_equal(find(&t, &extra[1]), FLOW_NONE);
		assert_false(flow_table_used(&t, TWO_BUCKETS / 2));
	}
	/* nor can another be given such a tuple: it keeps its own */
	rekeyed = tuple_in(&t, &from, 11, 13);
	last = add_pair(&t, &rekeyed, &fine, &why);
	assert_int_not_equal(last, FLOW_NONE);
	assert_false(flow_table_rekey(&t, last, 0, &extra[0]));
	assert_int_equal(find(&t, &rekeyed), last << 1);
	assert_int_equal(find(&t, &extra[0]), FLOW_NONE);
	assert_true(tuple_equal(&t.flow[last].key[0], &rekeyed));
	for (unsigned i = 0; i < TWO_BUCKETS; i++)
		assert_int_equal(find(&t, &in[i]) & 1, i & 1);
	flow_table_remove(&t, last);
	/* its first place is full, and nothing there can move, but its second has room */
	extra[0] = tuple_in(&t, &from, 3, 9);
	extra[1] = tuple_in(&t, &from, 5, 9);
	last = add_pair(&t, &extra[0], &extra[1], &why);
	assert_int_not_equal(last, FLOW_NONE);
	assert_int_equal(find(&t, &extra[0]), last << 1);
	assert_int_equal(find(&t, &extra[1]), last << 1 | 1);
	assert_int_equal(find(&t, &rekeyed), FLOW_NONE);
	assert_int_equal(find(&t, &fine), FLOW_NONE);
	free(a.base);
}

/* A full first bucket: the second takes what comes, and when that is full, too, one that has
 * another place moves there. All are found, and all can go. */
static void full_buckets_make_room(void **state)
{
	struct flow_table t;
	struct arena a = make_table(&t, 64);
	struct tuple k[TWO_BUCKETS + 8];
	uint32_t from = 0, flow[TWO_BUCKETS / 2 + 4], n = 0;
	enum drop_reason why;

	(void)state;
	while (n < TWO_BUCKETS / 2) /* bucket 3 full of tuples that have 5 besides, ... */
		k[n++] = tuple_in(&t, &from, 3, 5);
	while (n < TWO_BUCKETS - 2) /* ... and bucket 5 but for two */
		k[n++] = tuple_in(&t, &from, 5, 3);
	while (n < TWO_BUCKETS + 2) /* the first two go to 5, or their first bucket's entries do */
		k[n++] = tuple_in(&t, &from, 3, 9);
	while (n < ARRAY_LEN(k))
		k[n++] = tuple_in(&t, &from, 5, 9);
	for (unsigned i = 0; i < ARRAY_LEN(flow); i++) {
		flow[i] = add_pair(&t, &k[2 * i], &k[2 * i + 1], &why);
		if (flow[i] == FLOW_NONE)
			fail_msg("flow %u has no place", i);
		for (unsigned j = 0; j <= 2 * i + 1; j++)
			assert_int_equal(find(&t, &k[j]), flow[j / 2] << 1 | (j & 1));
	}
	for (unsigned i = 0; i < ARRAY_LEN(flow); i++) {
		flow_table_remove(&t, flow[i]);
		for (unsigned j = 0; j < ARRAY_LEN(k); j++)
			assert_int_equal(find(&t, &k[j]),
					 j / 2 <= i ? FLOW_NONE : flow[j / 2] << 1 | (j & 1));
	}
	for (unsigned b = 0; b < t.index.n_buckets; b++)
		assert_int_equal(t.index.bucket[b].n_elsewhere, 0);
	free(a.base);
}

/* RFC 1624: what the addresses change of a checksum is settled when a flow's tuples are. */
static void a_flow_is_what_its_plan_says_and_nothing_of_the_last(void **state)
{
	struct flow_table t;
	struct arena a = make_table(&t, 4);
	struct flow_plan p = plan_of(1, 2);
	struct flow zero = { 0 }, *f;
	struct tuple moved = numbered(77);
	enum drop_reason why;

	(void)state;
	p.key[1].src.octet[3] = 9;
	p.object = 5;
	p.aux = 6;
	p.generation = 7;
	p.flags = FLOW_HAIRPIN_0;
	for (unsigned round = 0; round < 2; round++) {
		uint32_t i = flow_table_add(&t, &p, &why);

		f = &t.flow[i];
		assert_int_equal(f->object, 5);
		assert_int_equal(f->aux, 6);
		assert_int_equal(f->generation, 7);
		assert_int_equal(f->flags, FLOW_HAIRPIN_0);
		assert_int_equal(f->policy, POLICY_EGRESS6);
		assert_int_equal(f->state, 0);
		assert_int_equal(f->deadline, 0);
		assert_memory_equal(f->seq_next, zero.seq_next, sizeof(zero.seq_next));
		assert_memory_equal(f->ack_last, zero.ack_last, sizeof(zero.ack_last));
		for (unsigned moves = 0; moves < 2; moves++) {
			for (unsigned dir = 0; dir < 2; dir++) {
				struct tuple out = tuple_reverse(&f->key[!dir]);

				assert_int_equal(f->delta[dir],
						 rewrite_addr_delta(&f->key[dir], &out));
			}
			assert_int_not_equal(f->delta[0], f->delta[1]);
			flow_table_rekey(&t, i, 1, &moved);
		}
		f->state = 3;
		f->deadline = 9;
		f->seq_next[0] = f->seq_next[1] = f->ack_last[0] = f->ack_last[1] = 1;
		flow_table_remove(&t, i);
		assert_false(flow_table_used(&t, i));
	}
	assert_int_equal(t.pool.used, 0);
	free(a.base);
}

/* The model: which flow index, if any, holds each numbered tuple. */
struct model {
	uint32_t ref[TUPLES];
	uint32_t a[CAPACITY], b[CAPACITY];
};

static void model_step(struct flow_table *t, struct model *m, uint64_t *seed)
{
	uint32_t x = (uint32_t)(rnd(seed) % TUPLES), y = (uint32_t)(rnd(seed) % TUPLES);
	enum drop_reason why;

	if (rnd(seed) % 3 == 0 && m->ref[x] != FLOW_NONE) {
		uint32_t i = m->ref[x] >> 1;

		flow_table_remove(t, i);
		m->ref[m->a[i]] = m->ref[m->b[i]] = FLOW_NONE;
	} else if (rnd(seed) % 4 == 0 && m->ref[x] != FLOW_NONE) {
		uint32_t i = m->ref[x] >> 1, dir = m->ref[x] & 1;
		struct tuple k = numbered(y);
		bool want = m->ref[y] == FLOW_NONE;

		assert_int_equal(flow_table_rekey(t, i, dir, &k), want);
		if (want) {
			m->ref[x] = FLOW_NONE;
			m->ref[y] = i << 1 | dir;
			*(dir ? &m->b[i] : &m->a[i]) = y;
		}
	} else {
		struct flow_plan p = plan_of(x, y);
		bool want = x != y && m->ref[x] == FLOW_NONE && m->ref[y] == FLOW_NONE &&
			    t->pool.used < CAPACITY;
		uint32_t i = flow_table_add(t, &p, &why);

		if ((i != FLOW_NONE) != want)
			fail_msg("add of %u and %u: %s, %u flows", x, y, drop_reason_name(why),
				 t->pool.used);
		if (want) {
			m->ref[x] = i << 1;
			m->ref[y] = i << 1 | 1;
			m->a[i] = x;
			m->b[i] = y;
		}
	}
}

static void the_table_agrees_with_a_naive_model(void **state)
{
	uint64_t seed = test_seed();
	struct flow_table t;
	struct arena arena = make_table(&t, CAPACITY);
	struct model *m = zeroed(sizeof(*m));

	(void)state;
	for (uint32_t i = 0; i < TUPLES; i++)
		m->ref[i] = FLOW_NONE;
	for (int step = 0; step < 200000; step++) {
		model_step(&t, m, &seed);
		if (step % 1000)
			continue;
		for (uint32_t i = 0; i < TUPLES; i++) {
			struct tuple k = numbered(i);

			assert_int_equal(find(&t, &k), m->ref[i]);
		}
	}
	free(m);
	free(arena.base);
}

/* 192 together with a mapping of its own, which takes 45 with its share of two indexes */
static void a_flow_costs_at_most_146_bytes(void **state)
{
	struct hash_key key = { 0 };
	struct flow_table t;
	struct arena a = { 0 };

	(void)state;
	flow_table_layout(&t, 1 << 20, &key, &a);
	print_message("%.1f bytes a flow\n", (double)a.used / (1 << 20));
	assert_true(a.used <= (size_t)146 << 20);
}

/* The daemon's memory: the first flows do not wait for the kernel. */
static void index_is_there_from_the_start_and_records_when_used(void **state)
{
	enum { MANY = 1 << 17 };
	struct hash_key key = { .word = { 1 } };
	struct arena a = { 0 };
	struct flow_table t;
	uint8_t *mem, *index;

	(void)state;
	flow_table_layout(&t, MANY, &key, &a);
	mem = fresh_memory(a.used);
	a = (struct arena){ .base = mem, .size = a.used, .touch = a.used };
	flow_table_layout(&t, MANY, &key, &a);
	index = mem + (size_t)((uint8_t *)t.index.bucket - mem) / 4096 * 4096;
	assert_in_range(index - mem, MANY * sizeof(struct flow) - 4096, a.used);
	assert_int_equal(resident(mem, (size_t)(index - mem)), 4096);
	assert_in_range(resident(index, (size_t)(mem + a.used - index)), mem + a.used - index,
			mem + a.used - index + 4096);
	munmap(mem, a.used);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_keys_find_the_flow_and_its_direction),
		cmocka_unit_test(a_flow_of_which_either_key_exists_is_refused),
		cmocka_unit_test(a_table_takes_its_whole_capacity_and_one_more_is_refused),
		cmocka_unit_test(the_table_agrees_with_a_naive_model),
		cmocka_unit_test(a_flow_costs_at_most_146_bytes),
		cmocka_unit_test(tuples_that_collide_are_refused_and_leave_nothing),
		cmocka_unit_test(full_buckets_make_room),
		cmocka_unit_test(index_is_there_from_the_start_and_records_when_used),
		cmocka_unit_test(a_flow_is_what_its_plan_says_and_nothing_of_the_last),
	};

	return cmocka_run_group_tests_name("flow table", tests, NULL, NULL);
}
