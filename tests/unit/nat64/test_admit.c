/* test_admit.c - RFC 6146 3.5: which packets open sessions, and what the sessions look like. */
#include "bed.h"

static const char *const host = "2001:db8:1::5";
static const char *const server = "64:ff9b:1::203.0.113.9";

static void assert_tuple(const struct tuple *got, const struct tuple *want)
{
	assert_memory_equal(got, want, sizeof(*want));
}

/* 3.5.1, 3.5.2.2, 3.5.3: the session of each protocol, translated as 3.6 says. */
static void session_from_inside_has_both_tuples_of_rfc6146_3_5(void **state)
{
	static const uint8_t proto[][2] = { { 6, 6 }, { 17, 17 }, { 58, 1 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(proto); i++) {
		struct bed *b = bed_usual();
		bool icmp = proto[i][0] == 58;
		struct tuple t = tuple_of(host, server, 5000, icmp ? 5000 : 80, proto[i][0]);
		struct flow_plan plan = bed_must_open(b, &t);
		uint16_t port = mapped_port(&plan);
		struct tuple back =
			tuple_of("203.0.113.9", "192.0.2.1", icmp ? port : 80, port, proto[i][1]);

		assert_tuple(&plan.key[0], &t);
		assert_tuple(&plan.key[1], &back);
		assert_int_equal(plan.dir, 0);
		assert_int_equal(plan.policy, POLICY_NAT64);
		assert_int_equal(plan.flags, FLOW_OUT_INSIDE_1);
		assert_int_equal(nat64_mappings(b->n[0]), 1);
		assert_int_equal(nat64_ports_used(b->n[0]), 1);
		bed_end(b, &plan);
		assert_int_equal(nat64_mappings(b->n[0]), 0);
		assert_int_equal(nat64_ports_used(b->n[0]), 0);
		bed_free(b);
	}
}

/* RFC 4787 REQ-1, RFC 5382 REQ-1, RFC 5508: and RFC 7857 5: each protocol by itself. */
static void mapping_is_endpoint_independent_and_per_protocol(void **state)
{
	struct bed *b = bed_usual();
	struct tuple t1 = tuple_of(host, "64:ff9b:1::203.0.113.9", 5000, 80, 6);
	struct tuple t2 = tuple_of(host, "64:ff9b:1::203.0.113.10", 5000, 443, 6);
	struct tuple u = tuple_of(host, "64:ff9b:1::203.0.113.9", 5000, 80, 17);
	struct tuple other = tuple_of(host, "64:ff9b:1::203.0.113.9", 5001, 80, 6);
	struct flow_plan p1 = bed_must_open(b, &t1), p2 = bed_must_open(b, &t2);
	struct flow_plan pu = bed_must_open(b, &u), po = bed_must_open(b, &other);

	(void)state;
	assert_int_equal(mapped_port(&p1), mapped_port(&p2));
	assert_int_equal(p1.object, p2.object);
	assert_int_not_equal(p1.object, pu.object);
	assert_int_not_equal(mapped_port(&p1), mapped_port(&po));
	assert_int_equal(nat64_mappings(b->n[0]), 3);

	bed_end(b, &p1); /* the mapping lives while p2 does */
	assert_int_equal(nat64_mappings(b->n[0]), 3);
	bed_end(b, &p2);
	assert_int_equal(nat64_mappings(b->n[0]), 2);
	bed_free(b);
}

/* 3.5.2.2 CLOSED and 3.5.3: what does not begin a session makes no state. */
static void packets_that_begin_nothing_make_no_state(void **state)
{
	static const struct {
		uint8_t proto, tcp_flags, icmp_type;
		const char *name;
	} row[] = {
		{ 6, TCP_ACK, 0, "ACK" },
		{ 6, TCP_FIN | TCP_ACK, 0, "FIN" },
		{ 6, TCP_RST, 0, "RST" },
		{ 6, TCP_RST | TCP_SYN, 0, "SYN with RST" },
		{ 6, TCP_SYN | TCP_ACK, 0, "SYN with ACK answers a session we do not know" },
		{ 6, 0, 0, "no flags" },
		{ 58, 0, 129, "echo reply" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct bed *b = bed_usual();
		struct tuple t = tuple_of(host, server, 7, 7, row[i].proto);
		struct packet p = first_packet(&t);
		struct flow_plan plan;

		p.tcp_flags = row[i].tcp_flags;
		p.icmp_type = row[i].icmp_type;
		print_message("%s\n", row[i].name);
		assert_dropped(bed_ask(b, &p, &plan), DROP_NO_FLOW, REPLY_NONE);
		assert_int_equal(nat64_mappings(b->n[0]), 0);
		bed_free(b);
	}
}

/* 3.5: source under the prefix; RFC 6052 3.1; addresses no host has; 3.4: other protocols. */
static void bad_packets_from_inside_are_refused_with_their_reason(void **state)
{
	static const struct {
		const char *src, *dst;
		uint8_t proto;
		enum drop_reason why;
		enum icmp_reply reply;
	} row[] = {
		{ "64:ff9b::1.2.3.4", "64:ff9b::8.8.8.8", 17, DROP_SPOOFED_POOL6, REPLY_NONE },
		{ "2001:db8:1::5", "64:ff9b::10.0.0.1", 17, DROP_PRIVATE_IPV4,
		  REPLY_ADMIN_PROHIBITED },
		{ "2001:db8:1::5", "64:ff9b::192.168.3.4", 6, DROP_PRIVATE_IPV4,
		  REPLY_ADMIN_PROHIBITED },
		{ "2001:db8:1::5", "64:ff9b::100.64.0.1", 58, DROP_PRIVATE_IPV4,
		  REPLY_ADMIN_PROHIBITED },
		{ "2001:db8:1::5", "64:ff9b:1::224.0.0.1", 17, DROP_BAD_ADDRESS, REPLY_NONE },
		{ "2001:db8:1::5", "64:ff9b:1::0.1.2.3", 17, DROP_BAD_ADDRESS, REPLY_NONE },
		{ "2001:db8:1::5", "64:ff9b:1::127.0.0.1", 17, DROP_BAD_ADDRESS, REPLY_NONE },
		{ "2001:db8:1::5", "64:ff9b:1::240.0.0.1", 17, DROP_BAD_ADDRESS, REPLY_NONE },
		{ "2001:db8:1::5", "64:ff9b:1::255.255.255.255", 17, DROP_BAD_ADDRESS, REPLY_NONE },
		{ "2001:db8:1::5", "64:ff9b:1::169.254.1.1", 17, DROP_LINK_LOCAL, REPLY_NONE },
		{ "fe80::1", "64:ff9b:1::8.8.8.8", 17, DROP_LINK_LOCAL, REPLY_NONE },
		{ "2001:db8:1::5", "64:ff9b:1::8.8.8.8", 132, DROP_UNKNOWN_PROTOCOL, REPLY_NONE },
		{ "2001:db8:1::5", "64:ff9b:1::8.8.8.8", 1, DROP_UNKNOWN_PROTOCOL, REPLY_NONE },
		{ "2001:db8:1::5", "2001:db8::1", 17, DROP_NO_POLICY, REPLY_NONE },
	};
	struct bed *b = bed_new(1);

	(void)state;
	bed_prefix(b, "64:ff9b::/96");
	bed_prefix(b, "64:ff9b:1::/96");
	bed_pool(b, "192.0.2.1", "192.0.2.1", 1024, 65535);
	bed_up(b, 100);
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct tuple t = tuple_of(row[i].src, row[i].dst, 7, 7, row[i].proto);
		struct flow_plan plan;

		print_message("row %zu\n", i);
		assert_dropped(bed_open(b, &t, &plan), row[i].why, row[i].reply);
		assert_int_equal(nat64_mappings(b->n[0]), 0);
	}
	bed_free(b);
}

static void private_ipv4_passes_where_allowed_or_not_well_known(void **state)
{
	static const struct {
		const char *prefix;
		bool allow;
		enum verdict_next next;
	} row[] = {
		{ "64:ff9b::/96", false, VERDICT_DROP },
		{ "64:ff9b::/96", true, VERDICT_CONTINUE },
		{ "64:ff9b:1::/96", false, VERDICT_CONTINUE }, /* RFC 8215 */
		{ "2001:db8:64::/96", false, VERDICT_CONTINUE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct bed *b = bed_new(1);
		struct tuple t = { .sport = be16_from(9), .dport = be16_from(9), .proto = 17 };
		struct flow_plan plan;

		bed_prefix(b, row[i].prefix);
		bed_pool(b, "192.0.2.1", "192.0.2.1", 1024, 65535);
		b->conf.allow_private = row[i].allow;
		bed_up(b, 100);
		t.src = addr_of(host);
		t.dst = b->prefix[0].addr;
		memcpy(t.dst.octet + 12, (const uint8_t[]){ 192, 168, 1, 1 }, 4);
		assert_int_equal(bed_open(b, &t, &plan).next, row[i].next);
		bed_free(b);
	}
}

/* 3.5.1, V4 side: "no BIB entry: MUST be dropped"; with one, endpoint-independent filtering. */
static void outside_needs_a_mapping_and_any_outside_may_use_it(void **state)
{
	struct bed *b = bed_usual();
	struct tuple t = tuple_of(host, server, 5000, 53, 17);
	struct flow_plan plan, in;
	struct tuple from, want;

	(void)state;
	from = tuple_of("198.51.100.77", "192.0.2.1", 4444, 2000, 17);
	assert_dropped(bed_open(b, &from, &in), DROP_NO_BIB_ENTRY, REPLY_NONE);

	plan = bed_must_open(b, &t);
	from.dport = plan.key[1].dport;
	in = bed_must_open(b, &from);
	want = tuple_of(host, "64:ff9b:1::198.51.100.77", 5000, 4444, 17);
	assert_tuple(&in.key[0], &want);
	assert_tuple(&in.key[1], &from);
	assert_int_equal(in.dir, 1);
	assert_int_equal(in.flags, FLOW_OUT_INSIDE_1 | FLOW_FROM_OUTSIDE);
	assert_int_equal(in.object, plan.object);

	from.proto = 6; /* RFC 7857 5: the UDP mapping is not one for TCP */
	assert_dropped(bed_open(b, &from, &in), DROP_NO_BIB_ENTRY, REPLY_NONE);
	bed_free(b);
}

/* 3.5.2.2, 3.5.3 from the V4 side. */
static void outside_begins_with_syn_or_echo_request_only(void **state)
{
	struct bed *b = bed_usual();
	struct tuple t = tuple_of(host, server, 5000, 80, 6),
		     ping = tuple_of(host, server, 9, 9, 58);
	struct flow_plan tcp = bed_must_open(b, &t), echo = bed_must_open(b, &ping), plan;
	struct tuple syn = tuple_of("198.51.100.7", "192.0.2.1", 80, mapped_port(&tcp), 6);
	struct tuple req =
		tuple_of("198.51.100.7", "192.0.2.1", mapped_port(&echo), mapped_port(&echo), 1);
	struct packet p = first_packet(&syn);
	struct tuple want;

	(void)state;
	p.tcp_flags = TCP_SYN | TCP_ACK; /* 3.5.2.2: once, by the mapping */
	assert_int_equal(bed_ask(b, &p, &plan).next, VERDICT_CONTINUE);
	assert_true(plan.once);
	p.tcp_flags = TCP_ACK;
	assert_int_equal(bed_ask(b, &p, &plan).next, VERDICT_CONTINUE);
	assert_true(plan.once);
	plan = bed_must_open(b, &syn);
	assert_false(plan.once);

	p = first_packet(&req);
	p.icmp_type = 0;
	assert_dropped(bed_ask(b, &p, &plan), DROP_NO_FLOW, REPLY_NONE);
	plan = bed_must_open(b, &req);
	want = tuple_of(host, "64:ff9b:1::198.51.100.7", 9, 9, 58);
	assert_tuple(&plan.key[0], &want);
	bed_free(b);
}

static void bad_packets_from_outside_are_refused_with_their_reason(void **state)
{
	static const struct {
		const char *src, *dst;
		uint8_t proto;
		enum drop_reason why;
	} row[] = {
		{ "198.51.100.7", "192.0.2.9", 17, DROP_NO_POLICY },
		{ "192.0.2.1", "192.0.2.1", 17, DROP_LOOP },
		{ "127.0.0.1", "192.0.2.1", 17, DROP_BAD_ADDRESS },
		{ "0.0.0.0", "192.0.2.1", 17, DROP_BAD_ADDRESS },
		{ "224.0.0.5", "192.0.2.1", 17, DROP_BAD_ADDRESS },
		{ "169.254.0.5", "192.0.2.1", 17, DROP_LINK_LOCAL },
		{ "198.51.100.7", "192.0.2.1", 132, DROP_UNKNOWN_PROTOCOL },
		{ "198.51.100.7", "192.0.2.1", 58, DROP_UNKNOWN_PROTOCOL },
	};
	struct bed *b = bed_usual();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct tuple t = tuple_of(row[i].src, row[i].dst, 7, 7, row[i].proto);
		struct flow_plan plan;

		print_message("row %zu\n", i);
		assert_dropped(bed_open(b, &t, &plan), row[i].why, REPLY_NONE);
	}
	bed_free(b);
}

/* RFC 6052 3.1 holds for sources too: the well-known prefix cannot show a private one. */
static void private_source_from_outside_is_not_embedded_in_the_well_known_prefix(void **state)
{
	struct bed *b = bed_new(1);
	struct tuple t = tuple_of(host, "64:ff9b::8.8.8.8", 5000, 53, 17);
	struct tuple from = tuple_of("10.0.0.1", "192.0.2.1", 53, 0, 17);
	struct flow_plan plan;

	(void)state;
	bed_prefix(b, "64:ff9b::/96");
	bed_pool(b, "192.0.2.1", "192.0.2.1", 1024, 65535);
	bed_up(b, 100);
	plan = bed_must_open(b, &t);
	from.dport = plan.key[1].dport;
	assert_dropped(bed_open(b, &from, &plan), DROP_PRIVATE_IPV4, REPLY_NONE);
	from.src = addr_of("9.9.9.9");
	bed_must_open(b, &from);
	bed_free(b);
}

/* 3.8, RFC 4787 REQ-9: external source address and port; both flows go round. */
static void hairpin_joins_two_inside_hosts_by_their_mappings(void **state)
{
	struct bed *b = bed_usual();
	struct tuple t = tuple_of("2001:db8:1::5", server, 5000, 53, 17), call, round, want;
	struct flow_plan callee = bed_must_open(b, &t), caller, second;
	struct packet p;

	(void)state;
	call = tuple_of("2001:db8:1::6", "64:ff9b:1::192.0.2.1", 6000, mapped_port(&callee), 17);
	caller = bed_must_open(b, &call);
	assert_int_equal(caller.flags, FLOW_OUT_INSIDE_1 | FLOW_HAIRPIN_0);

	round = tuple_reverse(&caller.key[1]); /* what leaves in direction 0 */
	p = first_packet(&round);
	p.flags |= PACKET_HAIRPIN;
	assert_int_equal(bed_ask(b, &p, &second).next, VERDICT_CONTINUE);
	want = tuple_of("2001:db8:1::5", "64:ff9b:1::192.0.2.1", 5000, mapped_port(&caller), 17);
	assert_tuple(&second.key[0], &want);
	assert_int_equal(second.flags, FLOW_OUT_INSIDE_1 | FLOW_FROM_OUTSIDE | FLOW_HAIRPIN_0);
	/* the answer of the callee, gone round, is the caller's direction 1 */
	want = tuple_reverse(&second.key[1]);
	assert_tuple(&want, &caller.key[1]);
	bed_free(b);
}

/* The same by an address that the host has, too: hosts know that address, the pool its alias. */
static void hairpin_by_the_shared_address_shows_no_alias(void **state)
{
	struct bed *b = bed_new(1);
	struct tuple t = tuple_of("2001:db8:1::5", "64:ff9b::9.9.9.9", 5000, 53, 17), call, round,
		     want;
	struct flow_plan callee, caller, second;
	struct packet p;

	(void)state;
	bed_prefix(b,
		   "64:ff9b::/96"); /* the alias under it is not for translation (RFC 6052 3.1) */
	bed_pool(b, "192.0.0.6", "192.0.0.6", 20000, 29999);
	b->pool4[0].outside = true;
	b->conf.shared_real = addr_of("9.9.9.1");
	bed_up(b, 100);
	callee = bed_must_open(b, &t);
	call = tuple_of("2001:db8:1::6", "64:ff9b::9.9.9.1", 6000, mapped_port(&callee), 17);
	caller = bed_must_open(b, &call);
	assert_int_equal(caller.flags, FLOW_OUT_INSIDE_1 | FLOW_HAIRPIN_0);

	round = tuple_reverse(&caller.key[1]);
	p = first_packet(&round);
	p.flags |= PACKET_HAIRPIN;
	assert_int_equal(bed_ask(b, &p, &second).next, VERDICT_CONTINUE);
	want = tuple_of("2001:db8:1::5", "64:ff9b::9.9.9.1", 5000, mapped_port(&caller), 17);
	assert_tuple(&second.key[0], &want);
	assert_int_equal(second.flags, FLOW_OUT_INSIDE_1 | FLOW_FROM_OUTSIDE | FLOW_HAIRPIN_0);
	want = tuple_reverse(&second.key[1]);
	assert_tuple(&want, &caller.key[1]);

	call.dport = be16_from(22); /* the host's own: it goes there */
	caller = bed_must_open(b, &call);
	assert_int_equal(caller.flags, FLOW_OUT_INSIDE_1);
	assert_true(addr_equal(&caller.key[1].src, &b->conf.shared_real));
	bed_free(b);
}

/* RFC 6888 REQ-11, RFC 5508 REQ-8: told why, and nothing is left behind. */
static void full_pool_and_full_bib_are_refused_with_address_unreachable(void **state)
{
	struct bed *b = bed_new(1);
	struct flow_plan plan, last;
	struct tuple t;

	(void)state;
	bed_prefix(b, "64:ff9b:1::/96");
	bed_pool(b, "192.0.2.1", "192.0.2.1", 2000, 2009);
	bed_up(b, 12);
	for (uint16_t i = 0; i < 10; i++) {
		t = tuple_of(host, server, (uint16_t)(5000 + i), 80, 17);
		last = bed_must_open(b, &t);
	}
	t = tuple_of(host, server, 6000, 80, 17);
	assert_dropped(bed_open(b, &t, &plan), DROP_POOL4_EXHAUSTED, REPLY_ADDR_UNREACHABLE);
	assert_int_equal(nat64_mappings(b->n[0]), 10);
	bed_end(b, &last); /* and it works again as soon as one port is back */
	plan = bed_must_open(b, &t);
	assert_int_equal(mapped_port(&plan), mapped_port(&last));

	t = tuple_of(host, server, 6000, 80, 6); /* other protocols have ports of their own */
	bed_must_open(b, &t);
	t.sport = be16_from(6001);
	bed_must_open(b, &t);
	t.sport = be16_from(6002);
	assert_dropped(bed_open(b, &t, &plan), DROP_BIB_FULL, REPLY_ADDR_UNREACHABLE);
	assert_int_equal(nat64_ports_used(b->n[0]), 12);
	bed_free(b);
}

/* 3.6, RFC 7915 5.1: errors of third parties. */
static void error_source_is_under_the_prefix_or_the_pool_address(void **state)
{
	struct bed *b = bed_new(1);
	struct tuple t = tuple_of(host, "2001:db8:64::203.0.113.9", 5000, 80, 17);
	struct addr router4 = addr_of("198.51.100.1"), router6 = addr_of("2001:db8:1::1"), got,
		    want;
	struct flow_plan plan;
	struct flow f;

	(void)state;
	bed_prefix(b, "64:ff9b:1::/96");
	bed_prefix(b, "2001:db8:64::/96");
	bed_pool(b, "192.0.2.1", "192.0.2.1", 1024, 65535);
	bed_up(b, 100);
	plan = bed_must_open(b, &t);
	f = flow_of(&plan);
	f.key[0].dst = addr_of("64:ff9b:1::203.0.113.9");
	got = nat64_error_source(b->t, &f, 1, &router4);
	want = addr_of("64:ff9b:1::198.51.100.1");
	assert_true(addr_equal(&got, &want));
	f = flow_of(&plan);
	got = nat64_error_source(b->t, &f, 1, &router4);
	want = addr_of("2001:db8:64::198.51.100.1");
	assert_true(addr_equal(&got, &want));
	got = nat64_error_source(b->t, &f, 0, &router6);
	want = addr_of("192.0.2.1");
	assert_true(addr_equal(&got, &want));
	bed_free(b);
}

static void addresses_that_look_like_bad_ones_in_part_pass(void **state)
{
	static const char *const good[] = { "169.253.1.1", "10.254.1.1", "126.255.0.1",
					    "128.0.0.1",   "1.0.0.0",    "223.255.255.255" };
	struct bed *b = bed_usual();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct flow_plan plan;
		struct tuple t, from;
		char text[64];

		print_message("%s\n", good[i]);
		snprintf(text, sizeof(text), "64:ff9b:1::%s", good[i]);
		t = tuple_of(host, text, 5000, 53, 17);
		plan = bed_must_open(b, &t);
		from = tuple_of(good[i], "192.0.2.1", 54, mapped_port(&plan), 17);
		bed_must_open(b, &from);
	}
	bed_free(b);
}

/* The longest prefix is the one that an address is under, in whatever order they are listed. */
static void nested_prefixes_are_told_apart_by_length(void **state)
{
	(void)state;
	for (unsigned order = 0; order < 2; order++) {
		struct bed *b = bed_new(1);
		struct tuple t = tuple_of(host, "2001:db8:64::203.0.113.9", 5000, 53, 17);
		struct tuple wide = tuple_of(host, "2001:db8:cb00:7109::", 5000, 53, 17);
		struct addr want = addr_of("203.0.113.9");
		struct flow_plan plan;

		bed_prefix(b, order ? "2001:db8::/32" : "2001:db8:64::/96");
		bed_prefix(b, order ? "2001:db8:64::/96" : "2001:db8::/32");
		bed_pool(b, "192.0.2.1", "192.0.2.1", 1024, 65535);
		bed_up(b, 100);
		t.src = wide.src = addr_of("2001:db9::1");
		plan = bed_must_open(b, &t);
		assert_true(addr_equal(&plan.key[1].src, &want));
		plan = bed_must_open(b, &wide);
		assert_true(addr_equal(&plan.key[1].src, &want));
		bed_free(b);
	}
}

static void session_from_outside_uses_the_prefix_the_host_used(void **state)
{
	struct bed *b = bed_new(1);
	struct tuple t = tuple_of(host, "2001:db8:64::203.0.113.9", 5000, 80, 17), from;
	struct flow_plan plan;
	struct addr want = addr_of("2001:db8:64::198.51.100.7");

	(void)state;
	bed_prefix(b, "64:ff9b:1::/96");
	bed_prefix(b, "2001:db8:64::/96");
	bed_pool(b, "192.0.2.1", "192.0.2.1", 1024, 65535);
	bed_up(b, 100);
	plan = bed_must_open(b, &t);
	from = tuple_of("198.51.100.7", "192.0.2.1", 1, mapped_port(&plan), 17);
	plan = bed_must_open(b, &from);
	assert_true(addr_equal(&plan.key[0].dst, &want));
	bed_free(b);
}

/* 1.2.3, 3.5: with address-dependent filtering a session with that very address is needed. */
static void address_dependent_filtering_wants_a_session_with_that_address(void **state)
{
	struct bed *b = bed_new(1);
	struct tuple t = tuple_of(host, server, 5000, 53, 17), again, same, other;
	struct flow_plan plan, second, in, none;

	(void)state;
	bed_prefix(b, "64:ff9b:1::/96");
	bed_pool(b, "192.0.2.1", "192.0.2.1", 1024, 65535);
	bed_static(b, NAT64_UDP, "2001:db8:1::80", 80, "192.0.2.1", 80);
	b->conf.filtering = NAT64_ADDRESS_DEPENDENT;
	bed_up(b, 100);
	plan = bed_must_open(b, &t);
	again = tuple_of(host, server, 5000, 54, 17);
	second = bed_must_open(b, &again);
	same = tuple_of("203.0.113.9", "192.0.2.1", 999, mapped_port(&plan), 17);
	other = tuple_of("203.0.113.10", "192.0.2.1", 53, mapped_port(&plan), 17);
	assert_dropped(bed_open(b, &other, &none), DROP_FILTERED, REPLY_NONE);
	in = bed_must_open(b, &same);

	bed_end(b, &plan); /* one of two sessions with it: still permitted */
	same.sport = be16_from(998);
	bed_must_open(b, &same);
	again = tuple_of(host, "64:ff9b:1::203.0.113.77", 5000, 54, 17);
	plan = bed_must_open(b, &again); /* keeps the mapping */
	bed_end(b, &second);
	same.sport = be16_from(997);
	assert_dropped(bed_open(b, &same, &none), DROP_FILTERED, REPLY_NONE);
	bed_end(b, &in);

	other = tuple_of("203.0.113.10", "192.0.2.1", 53, 80, 17);
	bed_must_open(b, &other); /* a static entry is there to be reached */
	assert_int_equal(nat64_mappings(b->n[0]), 2);
	bed_end(b, &plan);
	bed_free(b);
}

/* Of an address shared with the host only the pool's ports of TCP and UDP are the pool's;
 * identifiers and all other ports are the host's. */
static void only_the_pools_ports_of_a_shared_address_are_taken(void **state)
{
	static const struct {
		uint16_t port;
		uint8_t proto;
		bool ours;
	} row[] = {
		{ 20000, 6, true },   { 19999, 6, false }, { 29999, 17, true },
		{ 30000, 17, false }, { 20031, 17, true }, { 20032, 6, true },
		{ 25000, 58, false }, { 53, 17, false },
	};
	struct bed *b = bed_new(1);

	(void)state;
	bed_prefix(b, "64:ff9b::/96");
	bed_pool(b, "198.51.100.1", "198.51.100.1", 1024, 2047); /* another entry, before it */
	bed_pool(b, "192.0.0.6", "192.0.0.6", 20000, 29999);
	b->pool4[1].outside = true;
	b->conf.shared_real = addr_of("9.9.9.1");
	bed_up(b, 100);
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		bool icmp = row[i].proto == 58;
		struct tuple t = tuple_of(host, "64:ff9b::9.9.9.1", icmp ? row[i].port : 5000,
					  row[i].port, row[i].proto);
		struct flow_plan plan = bed_must_open(b, &t);
		struct addr to = addr_of(row[i].ours ? "192.0.0.6" : "9.9.9.1");

		if (!addr_equal(&plan.key[1].src, &to) ||
		    !(plan.flags & FLOW_HAIRPIN_0) != !row[i].ours)
			fail_msg("port %u of protocol %u", row[i].port, row[i].proto);
	}
	bed_free(b);
}

/* The prefix that the host used has gone since: what comes from outside is shown under the first.
 */
static void a_prefix_that_went_is_not_used_from_outside(void **state)
{
	struct bed *b = bed_new(1);
	struct tuple t = tuple_of(host, "2001:db8:64::203.0.113.9", 5000, 80, 17), in;
	struct tuple first = tuple_of(host, "64:ff9b:1::203.0.113.9", 5000, 80, 17);
	struct flow_plan plan;
	struct addr want;

	(void)state;
	bed_prefix(b, "64:ff9b:1::/96");
	bed_prefix(b, "2001:db8:64::/96");
	bed_pool(b, "192.0.2.1", "192.0.2.1", 1024, 65535);
	bed_up(b, 100);
	plan = bed_must_open(b, &first);
	plan = bed_must_open(b, &t);
	in = plan.key[1];
	in.src = addr_of("198.51.100.7");
	plan = bed_must_open(b, &in);
	want = addr_of("2001:db8:64::198.51.100.7");
	assert_true(addr_equal(&plan.key[0].dst, &want));
	b->conf.n_prefix = 1;
	bed_reload(b);
	in.sport = be16_from(9);
	plan = bed_must_open(b, &in);
	want = addr_of("64:ff9b:1::198.51.100.7");
	assert_true(addr_equal(&plan.key[0].dst, &want));
	bed_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(session_from_inside_has_both_tuples_of_rfc6146_3_5),
		cmocka_unit_test(mapping_is_endpoint_independent_and_per_protocol),
		cmocka_unit_test(packets_that_begin_nothing_make_no_state),
		cmocka_unit_test(bad_packets_from_inside_are_refused_with_their_reason),
		cmocka_unit_test(private_ipv4_passes_where_allowed_or_not_well_known),
		cmocka_unit_test(outside_needs_a_mapping_and_any_outside_may_use_it),
		cmocka_unit_test(outside_begins_with_syn_or_echo_request_only),
		cmocka_unit_test(bad_packets_from_outside_are_refused_with_their_reason),
		cmocka_unit_test(
			private_source_from_outside_is_not_embedded_in_the_well_known_prefix),
		cmocka_unit_test(hairpin_joins_two_inside_hosts_by_their_mappings),
		cmocka_unit_test(hairpin_by_the_shared_address_shows_no_alias),
		cmocka_unit_test(full_pool_and_full_bib_are_refused_with_address_unreachable),
		cmocka_unit_test(error_source_is_under_the_prefix_or_the_pool_address),
		cmocka_unit_test(addresses_that_look_like_bad_ones_in_part_pass),
		cmocka_unit_test(nested_prefixes_are_told_apart_by_length),
		cmocka_unit_test(session_from_outside_uses_the_prefix_the_host_used),
		cmocka_unit_test(address_dependent_filtering_wants_a_session_with_that_address),
		cmocka_unit_test(only_the_pools_ports_of_a_shared_address_are_taken),
		cmocka_unit_test(a_prefix_that_went_is_not_used_from_outside),
	};

	return cmocka_run_group_tests_name("nat64/admit", tests, NULL, NULL);
}
