/* test_ident.c - IPv4 Identifications: RFC 7915 5.1, RFC 6864 4.3, RFC 7739 5.3. */
#include "rig.h"
#include <netinet/in.h>

enum { ALL = 65536 };

static const struct hash_key secret = { { 11, 12, 13, 14, 15, 16, 17, 18 } };

/* The Identification of a small packet to @server6 at this time. */
static uint16_t identification(struct rig *r, const char *server6, const char *server4)
{
	struct tuple from = tuple_of(HOST6, server6, 4000, 53, IPPROTO_UDP);
	struct tuple to = tuple_of(HOST4, server4, 5000, 53, IPPROTO_UDP);

	r->len = build_udp(r->bytes, &from, 10);
	assert_forwarded(rig_translate(r, &to));
	assert_int_equal(load16(r->p.data + 6), 0); /* no DF: it counts */
	return load16(r->p.data + 4);
}

static uint16_t next_id(struct rig *r)
{
	return identification(r, SERVER6, SERVER4);
}

static uint32_t repeats(struct rig *r, uint32_t n, uint32_t every_ms)
{
	static uint8_t seen[ALL];
	uint32_t again = 0;

	memset(seen, 0, sizeof(seen));
	for (uint32_t i = 0; i < n; i++) {
		uint16_t id = next_id(r);

		again += seen[id];
		seen[id] = 1;
		r->st.now_ms += every_ms;
	}
	return again;
}

static void rfc6864_4_3_at_full_speed_all_65536_values_come_before_one_repeats(void **state)
{
	assert_int_equal(repeats(*state, ALL, 0), 0);
}

/* The Maximum Datagram Lifetime: two minutes. */
static void rfc6864_4_3_150_packets_a_second_do_not_repeat_in_two_minutes(void **state)
{
	assert_int_equal(repeats(*state, 120000 / 7, 7), 0);
}

/* The steps that an observer of one value would have to guess. */
static void rfc7739_5_3_the_next_value_is_not_known(void **state)
{
	struct rig *r = *state;
	uint32_t steps[5] = { 0 }, far = 0;
	uint16_t last = next_id(r);

	for (int i = 0; i < 400; i++) {
		uint16_t id;

		r->st.now_ms += 5;
		id = next_id(r);
		assert_in_range((uint16_t)(id - last), 1, 4);
		steps[(uint16_t)(id - last)]++;
		last = id;
	}
	for (int i = 1; i <= 4; i++)
		assert_in_range(steps[i], 50, 150);
	for (int i = 0; i < 400; i++) {
		uint16_t id;

		r->st.now_ms += 1000;
		id = next_id(r);
		assert_in_range((uint16_t)(id - last), 1, 1024);
		far += (uint16_t)(id - last) > 512;
		last = id;
	}
	assert_in_range(far, 150, 250);
}

static void rfc7739_5_3_other_addresses_have_another_counter(void **state)
{
	struct rig *r = *state;
	uint16_t here = next_id(r), there = identification(r, "64:ff9b::192.0.2.34", "192.0.2.34");
	uint16_t again = next_id(r);

	assert_int_equal((uint16_t)(again - here), 1);
	assert_true((uint16_t)(there - here) > 8 && (uint16_t)(here - there) > 8);
}

static void another_secret_starts_elsewhere(void **state)
{
	struct rig *r = *state;
	struct hash_key other = secret;
	uint16_t a, b;

	translate_state_init(&r->st, &secret, 0, 1);
	a = next_id(r);
	other.word[0]++;
	translate_state_init(&r->st, &other, 0, 1);
	b = next_id(r);
	assert_true((uint16_t)(a - b) > 8 && (uint16_t)(b - a) > 8);
}

/* They may translate to the same addresses without knowing of one another. */
static void rfc6864_4_3_no_two_workers_use_the_same_value(void **state)
{
	static uint8_t owner[ALL];
	struct rig *r = *state;

	memset(owner, 0, sizeof(owner));
	for (unsigned worker = 0; worker < 3; worker++) {
		translate_state_init(&r->st, &secret, worker, 3);
		for (uint32_t i = 0; i < ALL / 4; i++) {
			uint16_t id = next_id(r);

			assert_int_equal(owner[id], 0);
			owner[id] = (uint8_t)(worker + 1);
		}
	}
}

static void segments_of_a_super_packet_stay_within_the_workers_share(void **state)
{
	struct rig *r = *state;
	struct tuple from = out6(4000, 443, IPPROTO_UDP), to = out4(5000, 443, IPPROTO_UDP);
	struct offload off = { .gso = GSO_UDP,
			       .gso_size = 1000,
			       .csum_partial = true,
			       .csum_start = 40,
			       .csum_offset = 6 };

	translate_state_init(&r->st, &secret, 1, 4);
	for (int i = 0; i < 3000; i++) {
		uint16_t first;

		r->len = build_udp(r->bytes, &from, 20000);
		assert_int_equal(rig_receive(r, SIDE_INSIDE, &off).next, VERDICT_CONTINUE);
		assert_forwarded(rig_rewrite(r, &to, NULL));
		first = load16(r->p.data + 4);
		assert_in_range(first, 0x4000, 0x7fff);
		assert_in_range(first + 19, 0x4000, 0x7fff);
	}
}

/* RFC 7739 5.3: no counter starts where it can be known. */
static void rfc7739_5_3_every_counter_starts_somewhere_else(void **state)
{
	static struct translate_state one, two;
	struct hash_key other = secret;
	uint32_t equal = 0;

	(void)state;
	translate_state_init(&one, &secret, 0, 1);
	for (uint32_t i = 0; i < IDENT_SLOTS; i++) {
		bool moves = false;

		for (uint64_t k = 1; k <= 3; k++) {
			other.word[0] = secret.word[0] + k;
			translate_state_init(&two, &other, 0, 1);
			moves |= one.ident[i].next != two.ident[i].next;
		}
		assert_true(moves);
		equal += i && one.ident[i].next == one.ident[i - 1].next;
	}
	assert_true(equal < 4);
}

/* RFC 6864 4.3: values are few; super-packets waste none of the worker's share, the last included,
 * and use none twice before all were used. */
static void rfc6864_4_3_super_packets_waste_no_values(void **state)
{
	enum { SHARE = ALL / 4 };
	static uint8_t seen[ALL];
	struct rig *r = *state;
	struct tuple from = out6(4000, 443, IPPROTO_UDP), to = out4(5000, 443, IPPROTO_UDP);
	struct offload off = { .gso = GSO_UDP,
			       .gso_size = 1000,
			       .csum_partial = true,
			       .csum_start = 40,
			       .csum_offset = 6 };
	unsigned used = 0;

	translate_state_init(&r->st, &secret, 3, 4);
	memset(seen, 0, sizeof(seen));
	for (int i = 0; i < SHARE; i++) {
		uint16_t first;

		if (i == SHARE / 2) { /* twice round: the first may have begun with an odd one */
			memset(seen, 0, sizeof(seen));
			used = 0;
		}
		r->len = build_udp(r->bytes, &from, 2000);
		assert_int_equal(rig_receive(r, SIDE_INSIDE, &off).next, VERDICT_CONTINUE);
		assert_forwarded(rig_rewrite(r, &to, NULL));
		first = load16(r->p.data + 4);
		assert_in_range(first, 0xc000, 0xfffe);
		used += !seen[first] + !seen[first + 1];
		seen[first] = seen[first + 1] = 1;
	}
	assert_int_equal(used, SHARE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(rfc6864_4_3_at_full_speed_all_65536_values_come_before_one_repeats),
		RIG_TEST(rfc6864_4_3_150_packets_a_second_do_not_repeat_in_two_minutes),
		RIG_TEST(rfc7739_5_3_the_next_value_is_not_known),
		RIG_TEST(rfc7739_5_3_other_addresses_have_another_counter),
		RIG_TEST(another_secret_starts_elsewhere),
		RIG_TEST(rfc6864_4_3_no_two_workers_use_the_same_value),
		RIG_TEST(segments_of_a_super_packet_stay_within_the_workers_share),
		RIG_TEST(rfc7739_5_3_every_counter_starts_somewhere_else),
		RIG_TEST(rfc6864_4_3_super_packets_waste_no_values),
	};

	return cmocka_run_group_tests_name("translate/ident", tests, NULL, NULL);
}
