/* test_admit.c - the answer to one packet: both plans, errors and their sources, what is refused. */
#include "fixture.h"
#include <netinet/in.h>
#include "build.h"
#include "sixgate/packet/icmp.h"
#include "sixgate/packet/parse.h"

static struct section section;
static struct siit_table *table;
static uint8_t bytes[2048], inner[1024];
static struct packet packet;
static struct siit_answer answer;

static int setup(void **state)
{
	(void)state;
	section_init(&section);
	add_prefix(&section, "2001:db8:100::/40");
	add_eam(&section, "1.0.0.0/24", "2001:db8:3::/120");
	add_icmp4(&section, "203.0.113.8/30");
	add_icmp4(&section, "203.0.113.77");
	section.conf.icmp6_source = address("2001:db8::2");
	add_clat(&section, "2001:db8:ff64::/96", "2001:db8:464::/96", "192.168.0.0/24");
	table = table_of(&section);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	siit_table_free(table);
	return 0;
}

static struct verdict ask(uint32_t len, enum side side, unsigned flags)
{
	packet = (struct packet){ .data = bytes, .len = len, .room = sizeof(bytes), .side = side };
	assert_int_equal(packet_parse(&packet).next, VERDICT_CONTINUE);
	packet.flags |= (uint8_t)flags;
	return siit_admit(table, &packet, false, &answer);
}

static struct verdict ask_udp(const char *src, const char *dst, enum side side, unsigned flags)
{
	struct tuple t = tuple_of(src, dst, 1000, 53, IPPROTO_UDP);

	return ask(build_udp(bytes, &t, 20), side, flags);
}

static void becomes(const char *src, const char *dst, enum side out)
{
	assert_addr(&answer.rewrite.to.src, src);
	assert_addr(&answer.rewrite.to.dst, dst);
	assert_int_equal(answer.rewrite.out_side, out);
	assert_int_equal(be16_to(answer.rewrite.to.sport), 1000);
	assert_int_equal(be16_to(answer.rewrite.to.dport), 53);
}

static void addresses_by_side_and_family(void **state)
{
	static const struct {
		const char *what, *src, *dst;
		enum side side;
		const char *to_src, *to_dst;
	} row[] = {
		{ "6 to 4", "2001:db8:1c0:2:21::", "2001:db8:1c6:3364:2::", SIDE_INSIDE, "192.0.2.33",
		  "198.51.100.2" },
		{ "4 to 6", "198.51.100.2", "192.0.2.33", SIDE_OUTSIDE, "2001:db8:1c6:3364:2::",
		  "2001:db8:1c0:2:21::" },
		{ "mapped host out", "2001:db8:3::5", "2001:db8:1c6:3364:2::", SIDE_INSIDE, "1.0.0.5",
		  "198.51.100.2" },
		{ "mapped host in", "198.51.100.2", "1.0.0.5", SIDE_OUTSIDE, "2001:db8:1c6:3364:2::",
		  "2001:db8:3::5" },
		{ "RFC 6877: CLAT out", "192.168.0.7", "198.51.100.2", SIDE_INSIDE,
		  "2001:db8:464::c0a8:7", "2001:db8:ff64::c633:6402" },
		{ "RFC 6877: CLAT in", "2001:db8:ff64::c633:6402", "2001:db8:464::c0a8:7", SIDE_OUTSIDE,
		  "198.51.100.2", "192.168.0.7" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		print_message("%s\n", row[i].what);
		assert_int_equal(ask_udp(row[i].src, row[i].dst, row[i].side, 0).next,
				 VERDICT_CONTINUE);
		becomes(row[i].to_src, row[i].to_dst,
			row[i].side == SIDE_INSIDE ? SIDE_OUTSIDE : SIDE_INSIDE);
		assert_int_equal(answer.rewrite.addr_delta,
				 rewrite_addr_delta(&packet.key, &answer.rewrite.to));
	}
}

static void what_is_refused_and_how(void **state)
{
	static const struct {
		const char *src, *dst;
		enum side side;
		enum drop_reason why;
		enum icmp_reply reply;
	} row[] = {
		{ "2001:db8:9::1", "2001:db8:1c6:3364:2::", SIDE_INSIDE, DROP_UNMAPPED, REPLY_ADMIN_PROHIBITED },
		{ "2001:db8:3::5", "2001:db8:9::1", SIDE_INSIDE, DROP_UNMAPPED, REPLY_ADMIN_PROHIBITED },
		{ "2001:db8:3::5", "2001:db8:17f:0:1::", SIDE_INSIDE, DROP_BAD_ADDRESS, REPLY_NONE },
		{ "2001:db8:3::5", "2001:db8:100::", SIDE_INSIDE, DROP_BAD_ADDRESS, REPLY_NONE },
		{ "2001:db8:3::5", "2001:db8:1e0:0:1::", SIDE_INSIDE, DROP_BAD_ADDRESS, REPLY_NONE },
		{ "2001:db8:3::5", "2001:db8:1a9:fe00:1::", SIDE_INSIDE, DROP_LINK_LOCAL, REPLY_NONE },
		{ "192.168.1.7", "198.51.100.2", SIDE_INSIDE, DROP_UNMAPPED, REPLY_ADMIN_PROHIBITED },
		{ "2001:db8:9::1", "2001:db8:464::c0a8:7", SIDE_OUTSIDE, DROP_UNMAPPED, REPLY_ADMIN_PROHIBITED },
		{ "2001:db8:ff64::c633:6402", "2001:db8:464::c0a9:7", SIDE_OUTSIDE, DROP_UNMAPPED,
		  REPLY_ADMIN_PROHIBITED },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct verdict v = ask_udp(row[i].src, row[i].dst, row[i].side, 0);

		print_message("%s to %s\n", row[i].src, row[i].dst);
		assert_int_equal(v.next, VERDICT_DROP);
		assert_int_equal(v.why, row[i].why);
		assert_int_equal(v.reply, row[i].reply);
	}
}

static void rfc6052_3_1_private_addresses_are_not_under_the_well_known_prefix(void **state)
{
	struct verdict v;

	(void)state;
	siit_table_free(table);
	section_init(&section);
	add_prefix(&section, "64:ff9b::/96");
	add_eam(&section, "1.0.0.0/24", "2001:db8:3::/120");
	table = table_of(&section);
	v = ask_udp("2001:db8:3::5", "64:ff9b::a00:1", SIDE_INSIDE, 0);
	assert_int_equal(v.why, DROP_PRIVATE_IPV4);
	assert_int_equal(v.reply, REPLY_ADMIN_PROHIBITED);
	assert_int_equal(ask_udp("10.0.0.1", "1.0.0.5", SIDE_OUTSIDE, 0).why, DROP_PRIVATE_IPV4);
	assert_int_equal(ask_udp("2001:db8:3::5", "64:ff9b::808:808", SIDE_INSIDE, 0).next, VERDICT_CONTINUE);
	section.conf.allow_private = true;
	siit_table_free(table);
	table = table_of(&section);
	assert_int_equal(ask_udp("2001:db8:3::5", "64:ff9b::a00:1", SIDE_INSIDE, 0).next, VERDICT_CONTINUE);
}

static void rfc7757_4_2_2_a_hairpins_source_is_embedded(void **state)
{
	struct addr mapped = address("1.0.0.9"), other = address("192.0.2.33");

	(void)state;
	assert_int_equal(ask_udp("2001:db8:3::5", "2001:db8:101:0:9::", SIDE_INSIDE, 0).next, VERDICT_CONTINUE);
	becomes("1.0.0.5", "1.0.0.9", SIDE_OUTSIDE);
	assert_true(siit_turns_round(table, answer.dst, &answer.rewrite.to.dst));
	assert_int_equal(ask_udp("1.0.0.5", "1.0.0.9", SIDE_OUTSIDE, PACKET_HAIRPIN).next, VERDICT_CONTINUE);
	becomes("2001:db8:101:0:5::", "2001:db8:3::9", SIDE_INSIDE);
	assert_int_equal(ask_udp("1.0.0.5", "1.0.0.9", SIDE_OUTSIDE, 0).next, VERDICT_CONTINUE);
	becomes("2001:db8:3::5", "2001:db8:3::9", SIDE_INSIDE);
	assert_false(siit_turns_round(table, SIIT_BY_EAM, &mapped)); /* it stands for an IPv4 host */
	assert_false(siit_turns_round(table, SIIT_BY_PREFIX, &other));
}

static void rfc7757_4_2_1_simple_hairpinning_embeds_every_ipv4_source(void **state)
{
	struct addr mapped = address("1.0.0.9");

	(void)state;
	siit_table_free(table);
	section.conf.hairpin = SIIT_SIMPLE;
	table = table_of(&section);
	assert_false(siit_turns_round(table, SIIT_BY_PREFIX, &mapped));
	assert_int_equal(ask_udp("1.0.0.5", "1.0.0.9", SIDE_OUTSIDE, 0).next, VERDICT_CONTINUE);
	becomes("2001:db8:101:0:5::", "2001:db8:3::9", SIDE_INSIDE);
}

/* ---- errors ---- */

static struct verdict ask_error6(const char *from, uint8_t hops, bool foreign)
{
	struct tuple t = tuple_of("2001:db8:1c6:3364:2::", "2001:db8:3::5", 53, 1000, IPPROTO_UDP);
	struct addr src = address(from);
	uint32_t n = build_udp(inner, &t, 20);
	struct verdict v;

	n = build_error(bytes, &src, &t.src, ICMP6_TYPE_TIME_EXCEEDED, 0, 0, inner, n);
	packet = (struct packet){ .data = bytes, .len = n, .room = sizeof(bytes), .side = SIDE_INSIDE };
	v = packet_parse(&packet);
	assert_int_equal(v.next, VERDICT_CONTINUE);
	packet.ttl = hops;
	return siit_admit(table, &packet, foreign, &answer);
}

static void rfc7915_5_3_an_error_is_mapped_with_what_it_quotes(void **state)
{
	(void)state;
	assert_int_equal(ask_error6("2001:db8:3::5", 64, false).next, VERDICT_CONTINUE);
	becomes("1.0.0.5", "198.51.100.2", SIDE_OUTSIDE);
	assert_addr(&answer.rewrite.outer_src, "1.0.0.5");
	assert_int_equal(ask_error6("2001:db8:1c0:2:1::", 64, false).next, VERDICT_CONTINUE);
	assert_addr(&answer.rewrite.outer_src, "192.0.2.1");
	assert_false(answer.replaced);
	assert_false(answer.rewrite.outer_src_shared); /* nor is it named (RFC 6791 3): it says itself who it is */
}

static void rfc6791_4_sources_without_a_mapping_are_from_the_pool_by_hop(void **state)
{
	static const char *const pool[] = { "203.0.113.8", "203.0.113.9", "203.0.113.10",
					    "203.0.113.11", "203.0.113.77" };

	(void)state;
	for (uint8_t hops = 1; hops < 20; hops++) {
		assert_int_equal(ask_error6("4000::1", hops, false).next, VERDICT_CONTINUE);
		assert_true(answer.replaced);
		assert_true(answer.rewrite.outer_src_shared);
		assert_addr(&answer.rewrite.outer_src, pool[hops % ARRAY_LEN(pool)]);
	}
}

static void a_source_that_is_none_of_its_side_is_replaced_though_it_could_be_mapped(void **state)
{
	(void)state;
	assert_int_equal(ask_error6("2001:db8:108:808:8::", 5, true).next, VERDICT_CONTINUE);
	assert_true(answer.replaced);
	assert_addr(&answer.rewrite.outer_src, "203.0.113.8");
}

static void an_address_that_no_host_has_is_no_source_of_an_error(void **state)
{
	(void)state;
	assert_int_equal(ask_error6("2001:db8:17f:0:1::", 5, false).next, VERDICT_CONTINUE);
	assert_true(answer.replaced);
}

static struct verdict ask_error4(const char *from, unsigned flags)
{
	struct tuple t = tuple_of("1.0.0.5", "198.51.100.2", 1000, 53, IPPROTO_UDP);
	struct addr src = address(from);
	uint32_t n = build_udp(inner, &t, 20);
	struct verdict v;

	n = build_error(bytes, &src, &t.src, ICMP4_TYPE_TIME_EXCEEDED, 0, 0, inner, n);
	packet = (struct packet){ .data = bytes, .len = n, .room = sizeof(bytes), .side = SIDE_OUTSIDE };
	v = packet_parse(&packet);
	assert_int_equal(v.next, VERDICT_CONTINUE);
	packet.flags |= (uint8_t)flags;
	return siit_admit(table, &packet, false, &answer);
}

static void rfc7915_4_1_errors_from_illegal_sources_are_embedded(void **state)
{
	(void)state;
	assert_int_equal(ask_error4("127.0.0.1", 0).next, VERDICT_CONTINUE);
	assert_addr(&answer.rewrite.outer_src, "2001:db8:17f:0:1::");
	assert_int_equal(ask_error4("1.0.0.99", 0).next, VERDICT_CONTINUE);
	assert_addr(&answer.rewrite.outer_src, "2001:db8:3::63");
}

static void rfc6791_the_other_way_round_without_a_prefix(void **state)
{
	(void)state;
	siit_table_free(table);
	section.conf.n_prefix = 0;
	section.conf.has_clat = false;
	add_eam(&section, "198.51.100.0/24", "2001:db8:5::/120");
	table = table_of(&section);
	assert_int_equal(ask_error4("192.0.2.1", 0).next, VERDICT_CONTINUE);
	assert_true(answer.replaced);
	assert_addr(&answer.rewrite.outer_src, "2001:db8::2");
	assert_addr(&answer.rewrite.to.dst, "2001:db8:3::5");
	assert_addr(&answer.rewrite.to.src, "2001:db8:5::2");
}

static void igmp_is_not_translated(void **state)
{
	(void)state;
	struct tuple t = tuple_of("198.51.100.2", "1.0.0.5", 0, 0, IPPROTO_UDP);
	uint32_t n = build_udp(bytes, &t, 20);

	packet = (struct packet){ .data = bytes, .len = n, .room = sizeof(bytes), .side = SIDE_OUTSIDE };
	assert_int_equal(packet_parse(&packet).next, VERDICT_CONTINUE);
	packet.proto = packet.key.proto = 2;
	assert_int_equal(siit_admit(table, &packet, false, &answer).why, DROP_UNKNOWN_PROTOCOL);
}

/* ---- claims ---- */

static void claims_follow_side_and_family(void **state)
{
	static const struct {
		const char *src, *dst;
		enum side side;
		bool eam, prefix;
	} row[] = {
		{ "2001:db8:3::5", "2001:db8:3::9", SIDE_INSIDE, true, false },
		{ "2001:db8:9::1", "2001:db8:3::9", SIDE_OUTSIDE, false, false },
		{ "198.51.100.2", "1.0.0.9", SIDE_OUTSIDE, true, true },
		{ "198.51.100.2", "1.0.0.9", SIDE_INSIDE, false, false },
		{ "2001:db8:3::5", "2001:db8:1c6:3364:2::", SIDE_INSIDE, false, true },
		{ "2001:db8:9::1", "2001:db8:1c6:3364:2::", SIDE_OUTSIDE, false, false },
		{ "198.51.100.2", "192.0.2.33", SIDE_OUTSIDE, false, true },
		{ "192.168.0.7", "198.51.100.2", SIDE_INSIDE, false, true },
		{ "192.168.1.7", "198.51.100.2", SIDE_INSIDE, false, false },
		{ "2001:db8:9::1", "2001:db8:464::1", SIDE_OUTSIDE, false, true },
		{ "2001:db8:9::1", "2001:db8:464::1", SIDE_INSIDE, false, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct addr src = address(row[i].src), dst = address(row[i].dst);

		print_message("%s to %s\n", row[i].src, row[i].dst);
		assert_int_equal(siit_claims_eam(table, row[i].side, &dst), row[i].eam);
		assert_int_equal(siit_claims_prefix(table, row[i].side, &src, &dst), row[i].prefix);
	}
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(addresses_by_side_and_family),
		TEST(what_is_refused_and_how),
		TEST(rfc6052_3_1_private_addresses_are_not_under_the_well_known_prefix),
		TEST(rfc7757_4_2_2_a_hairpins_source_is_embedded),
		TEST(rfc7757_4_2_1_simple_hairpinning_embeds_every_ipv4_source),
		TEST(rfc7915_5_3_an_error_is_mapped_with_what_it_quotes),
		TEST(rfc6791_4_sources_without_a_mapping_are_from_the_pool_by_hop),
		TEST(a_source_that_is_none_of_its_side_is_replaced_though_it_could_be_mapped),
		TEST(an_address_that_no_host_has_is_no_source_of_an_error),
		TEST(rfc7915_4_1_errors_from_illegal_sources_are_embedded),
		TEST(rfc6791_the_other_way_round_without_a_prefix),
		TEST(igmp_is_not_translated),
		TEST(claims_follow_side_and_family),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
