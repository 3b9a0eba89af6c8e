/* test_icmp_same.c - ICMP errors that stay in their family (RFC 5508 4.2), and RFC 4884 extensions
 * in all directions. */
#include "rig.h"
#include <netinet/in.h>

static void rfc5508_4_2_ipv4_outer_and_embedded_are_rewritten(void **state)
{
	struct rig *r = *state;
	/* a host behind 198.51.100.1:5000 is really 10.0.0.7:4000 */
	struct tuple inner = out4(5000, 80, IPPROTO_TCP),
		     to = tuple_of(SERVER4, "10.0.0.7", 80, 4000, IPPROTO_TCP);
	struct tuple sent = tuple_of("10.0.0.7", SERVER4, 4000, 80, IPPROTO_TCP);
	struct addr router = addr_of(ROUTER4), host = addr_of(HOST4), dst;
	uint8_t quote[200], want[200];
	struct packet f;

	build_tcp(quote, &inner, (struct tcp_args){ 0x10, 5, 6 }, 40);
	r->len = build_error(r->bytes, &router, &host, 3, 4, 1400, quote, 80);
	assert_int_equal(rig_receive(r, SIDE_OUTSIDE, NULL).next, VERDICT_CONTINUE);
	assert_forwarded(rig_rewrite(r, &to, ROUTER4));
	f = rig_facts(&r->p);
	dst = packet_destination(&f);
	assert_true(addr_equal(&dst, &to.dst));
	assert_int_equal(f.ttl, 63);
	assert_int_equal(load32(f.data + 20 + 4), 1400);
	build_tcp(want, &sent, (struct tcp_args){ 0x10, 5, 6 }, 40);
	assert_int_equal(f.len, 20 + 8 + 80);
	assert_memory_equal(f.data + 28, want, 80); /* checksums of both headers, too */
}

static void rfc5508_4_2_ipv6_outer_and_embedded_are_rewritten(void **state)
{
	struct rig *r = *state;
	struct tuple inner = tuple_of("2001:db8:9::1", "2001:db8:2::1", 5000, 53, IPPROTO_UDP);
	struct tuple to = tuple_of("2001:db8:7::1", HOST6, 5353, 4000, IPPROTO_UDP);
	struct tuple sent = tuple_reverse(&to);
	struct addr router = addr_of(ROUTER6), host = addr_of("2001:db8:9::1");
	uint8_t quote[200], want[200];
	struct packet f;

	build_udp(quote, &inner, 40);
	r->len = build_error(r->bytes, &router, &host, 2, 0, 1400, quote, 88);
	assert_int_equal(rig_receive(r, SIDE_OUTSIDE, NULL).next, VERDICT_CONTINUE);
	assert_forwarded(rig_rewrite(r, &to, ROUTER6));
	f = rig_facts(&r->p);
	assert_int_equal(f.icmp_type, 2);
	assert_int_equal(load32(f.data + 44), 1400);
	build_udp(want, &sent, 40);
	assert_int_equal(f.len, 48 + 88);
	assert_memory_equal(f.data + 48, want, 88);
}

static void an_embedded_echo_within_ipv6(void **state)
{
	struct rig *r = *state;
	struct tuple inner = tuple_of("2001:db8:9::1", "2001:db8:2::1", 5, 5, IPPROTO_ICMPV6);
	struct tuple to = tuple_of("2001:db8:7::1", HOST6, 6, 6, IPPROTO_ICMPV6),
		     sent = tuple_reverse(&to);
	struct addr router = addr_of(ROUTER6), host = addr_of("2001:db8:9::1");
	uint8_t quote[200], want[200];

	build_echo(quote, &inner, false, 40);
	r->len = build_error(r->bytes, &router, &host, 3, 0, 0, quote, 88);
	rig_receive(r, SIDE_OUTSIDE, NULL);
	assert_forwarded(rig_rewrite(r, &to, ROUTER6));
	build_echo(want, &sent, false, 40);
	assert_memory_equal(r->p.data + 48, want, 88);
}

static void options_and_extension_headers_of_the_same_family_stay(void **state)
{
	static const uint8_t hop[8] = { 58, 0, 1, 4, 0, 0, 0, 0 };
	struct rig *r = *state;
	struct tuple inner = tuple_of("2001:db8:9::1", "2001:db8:2::1", 5000, 53, IPPROTO_UDP);
	struct tuple to = tuple_of("2001:db8:7::1", HOST6, 5353, 4000, IPPROTO_UDP);
	struct addr router = addr_of(ROUTER6), host = addr_of("2001:db8:9::1");
	uint8_t quote[200];
	struct packet f;

	build_udp(quote, &inner, 40);
	r->len = build_error(r->bytes, &router, &host, 1, 4, 0, quote, 88);
	rig_insert(r, 0, hop, 8);
	rig_receive(r, SIDE_OUTSIDE, NULL);
	assert_forwarded(rig_rewrite(r, &to, ROUTER6));
	f = rig_facts(&r->p);
	assert_int_equal(f.l4_at, 48);
	assert_memory_equal(f.data + 40, hop, 8);
	assert_int_equal(f.len, 56 + 88);
}

/* An error must hold the embedded headers and enough behind them to be of use. */
static void embedded_headers_that_fill_the_error_are_too_many(void **state)
{
	struct rig *r = *state;
	struct tuple inner = tuple_of("2001:db8:9::1", "2001:db8:2::1", 5000, 53, IPPROTO_UDP);
	struct tuple to = tuple_of("2001:db8:7::1", HOST6, 5353, 4000, IPPROTO_UDP);
	struct addr router = addr_of(ROUTER6), host = addr_of("2001:db8:9::1");

	for (uint32_t ext = 936; ext <= 944; ext += 8) { /* 48 + 40 + 936 + 256 = 1280 */
		uint8_t quote[2000] = { 0 };

		build_udp(quote, &inner, 40);
		memmove(quote + 40 + ext, quote + 40, 48);
		memset(quote + 40, 0, ext);
		quote[6] = 60;
		quote[40] = IPPROTO_UDP;
		quote[41] = (uint8_t)(ext / 8 - 1);
		r->len = build_error(r->bytes, &router, &host, 1, 4, 0, quote, 40 + ext + 8);
		assert_int_equal(rig_receive(r, SIDE_OUTSIDE, NULL).next, VERDICT_CONTINUE);
		if (ext == 936) {
			assert_forwarded(rig_rewrite(r, &to, ROUTER6));
			rig_facts(&r->p);
		} else {
			assert_dropped(rig_rewrite(r, &to, ROUTER6), DROP_ICMP_INNER);
			assert_untouched(r);
		}
	}
}

/* RFC 4884 3: the original datagram field of an error, @field bytes, then an extension structure.
 */
static uint32_t with_extension(struct rig *r, uint8_t type, uint32_t field, uint32_t ext_len)
{
	struct tuple inner = out4(5000, 53, IPPROTO_UDP);
	struct addr router = addr_of(ROUTER4), host = addr_of(HOST4);
	uint8_t quote[2000];

	build_udp(quote, &inner, 600);
	memset(quote + field, 0, ext_len);
	quote[field] = 0x20;
	for (uint32_t i = 4; i < ext_len; i++)
		quote[field + i] = (uint8_t)(0x80 + i);
	r->len = build_error(r->bytes, &router, &host, type, 0, field / 4 << 16, quote,
			     field + ext_len);
	assert_int_equal(rig_receive(r, SIDE_OUTSIDE, NULL).next, VERDICT_CONTINUE);
	return field + ext_len;
}

static void rfc4884_5_1_length_counts_in_8_bytes_in_ipv6(void **state)
{
	static const struct {
		uint32_t field, grown;
		uint32_t ext;
	} row[] = { { 128, 152, 12 }, { 132, 152, 4 }, { 136, 160, 8 }, { 400, 424, 100 } };
	struct rig *r = *state;
	struct tuple to = in6(53, 4000, IPPROTO_UDP);

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		const uint8_t *icmp;

		print_message("%u bytes before the extensions\n", row[i].field);
		with_extension(r, 11, row[i].field, row[i].ext);
		assert_forwarded(rig_rewrite(r, &to, "64:ff9b::192.0.2.254"));
		rig_facts(&r->p);
		icmp = r->p.data + 40;
		assert_int_equal(icmp[0], 3);
		assert_int_equal(icmp[4], row[i].grown / 8);
		assert_int_equal(icmp[5], 0);
		assert_int_equal(r->p.len, 48 + row[i].grown + row[i].ext);
		assert_memory_equal(icmp + 8 + row[i].grown, r->bytes + 28 + row[i].field,
				    row[i].ext);
		for (uint32_t at = row[i].field + 20; at < row[i].grown; at++)
			assert_int_equal(icmp[8 + at], 0); /* padding */
	}
}

static void rfc4884_5_4_types_without_length_lose_their_extensions(void **state)
{
	struct rig *r = *state;
	struct tuple to = in6(53, 4000, IPPROTO_UDP);

	with_extension(r, 12, 128, 12); /* pointer 0 */
	assert_forwarded(rig_rewrite(r, &to, "64:ff9b::192.0.2.254"));
	rig_facts(&r->p);
	assert_int_equal(r->p.data[40], 4);
	assert_int_equal(load32(r->p.data + 44), 0);
	assert_int_equal(r->p.len, 48 + 148); /* no byte of the extensions is quoted */
}

static void rfc7915_4_3_the_quote_is_cut_before_the_extensions_are(void **state)
{
	struct rig *r = *state;
	struct tuple to = in6(53, 4000, IPPROTO_UDP);
	struct tuple inner = out4(5000, 53, IPPROTO_UDP);
	struct addr router = addr_of(ROUTER4), host = addr_of(HOST4);
	uint8_t quote[2000];
	const uint8_t *icmp;

	build_udp(quote, &inner, 1400);
	memset(quote + 1020, 0, 252);
	quote[1020] = 0x20;
	quote[1020 + 251] = 0x77;
	r->len = build_error(r->bytes, &router, &host, 11, 0, 255 << 16, quote, 1020 + 252);
	assert_int_equal(rig_receive(r, SIDE_OUTSIDE, NULL).next, VERDICT_CONTINUE);
	assert_forwarded(rig_rewrite(r, &to, "64:ff9b::192.0.2.254"));
	rig_facts(&r->p);
	icmp = r->p.data + 40;
	assert_true(r->p.len <= 1280);
	assert_int_equal(icmp[4], 976 / 8); /* the most that leaves room for 252 */
	assert_int_equal(r->p.len, 48 + 976 + 252);
	assert_int_equal(r->p.data[r->p.len - 1], 0x77);
}

static void rfc4884_5_1_length_counts_in_4_bytes_in_ipv4(void **state)
{
	struct rig *r = *state;
	struct tuple inner = in6(53, 4000, IPPROTO_UDP), to = out4(5000, 53, IPPROTO_UDP);
	struct addr router = addr_of(ROUTER6), server = addr_of(SERVER6);
	uint8_t quote[2000];
	const uint8_t *icmp;

	build_udp(quote, &inner, 600);
	memset(quote + 136, 0, 12);
	quote[136] = 0x20;
	quote[136 + 11] = 0x77;
	r->len = build_error(r->bytes, &router, &server, 3, 0, 136 / 8 << 24, quote, 136 + 12);
	assert_int_equal(rig_receive(r, SIDE_INSIDE, NULL).next, VERDICT_CONTINUE);
	assert_forwarded(rig_rewrite(r, &to, HOST4));
	rig_facts(&r->p);
	icmp = r->p.data + 20;
	assert_int_equal(icmp[0], 11);
	assert_int_equal(icmp[4], 0);
	assert_int_equal(icmp[5], 128 / 4); /* 116 bytes are left, the field has at least 128 */
	assert_int_equal(r->p.len, 28 + 128 + 12);
	assert_int_equal(r->p.data[r->p.len - 1], 0x77);
	assert_int_equal(icmp[8 + 116], 0);
}

/* What pads a short packet is no part of it: its translation is padded anew, to the least, where
 * traceroute looks for labels. */
static void rfc4884_3_padding_is_not_translated(void **state)
{
	static const struct {
		uint32_t data, grown; /* of the embedded datagram; the field of the translation */
	} row[] = { { 0, 128 }, { 40, 128 }, { 80, 128 }, { 81, 136 }, { 99, 152 }, { 100, 152 } };
	struct rig *r = *state;
	struct tuple inner = out4(5000, 53, IPPROTO_UDP), to = in6(53, 4000, IPPROTO_UDP);
	struct addr router = addr_of(ROUTER4), host = addr_of(HOST4);

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		uint8_t quote[140] = { 0 };

		print_message("%u bytes of data\n", row[i].data);
		build_udp(quote, &inner, row[i].data);
		memset(quote + 128, 0x20, 12);
		r->len = build_error(r->bytes, &router, &host, 11, 0, 128 / 4 << 16, quote, 140);
		assert_int_equal(rig_receive(r, SIDE_OUTSIDE, NULL).next, VERDICT_CONTINUE);
		assert_forwarded(rig_rewrite(r, &to, "64:ff9b::192.0.2.254"));
		rig_facts(&r->p);
		assert_int_equal(r->p.data[44], row[i].grown / 8);
		assert_int_equal(r->p.len, 48 + row[i].grown + 12);
		assert_int_equal(r->p.data[48 + row[i].grown], 0x20);
	}
}

static void rfc4884_5_within_ipv4_the_length_is_kept(void **state)
{
	struct rig *r = *state;
	struct tuple to = tuple_of(SERVER4, "10.0.0.7", 53, 4000, IPPROTO_UDP);

	with_extension(r, 3, 128, 12);
	assert_forwarded(rig_rewrite(r, &to, ROUTER4));
	rig_facts(&r->p);
	assert_int_equal(r->p.len, r->len);
	assert_int_equal(r->p.data[25], 32);
	assert_memory_equal(r->p.data + 28 + 128, r->bytes + 28 + 128, 12);
}

/* What says "length" but cannot be one is quoted as if nothing were said. */
static void a_length_that_makes_no_sense_is_zeroed(void **state)
{
	static const uint8_t length[] = { 1, 31, 38, 255 };
	struct rig *r = *state;
	struct tuple inner = out4(5000, 53, IPPROTO_UDP), to = in6(53, 4000, IPPROTO_UDP);
	struct addr router = addr_of(ROUTER4), host = addr_of(HOST4);
	uint8_t quote[200];

	for (size_t i = 0; i < ARRAY_LEN(length); i++) {
		build_udp(quote, &inner, 120);
		r->len = build_error(r->bytes, &router, &host, 3, 3, (uint32_t)length[i] << 16,
				     quote, 148);
		rig_receive(r, SIDE_OUTSIDE, NULL);
		assert_forwarded(rig_rewrite(r, &to, "64:ff9b::192.0.2.254"));
		rig_facts(&r->p);
		assert_int_equal(load32(r->p.data + 44), 0);
		assert_int_equal(r->p.len, 48 + 168);
	}
}

/* The policy says whom the error is from: a router's address may not be shown, in either family. */
static void the_outer_source_is_what_the_policy_says(void **state)
{
	static const struct {
		const char *client, *service, *node, *router, *shown;
		uint8_t type;
	} row[] = {
		{ HOST4, SERVER4, "10.0.0.7", ROUTER4, "203.0.113.77", 11 },
		{ HOST6, "2001:db8:9::1", "2001:db8:7::1", ROUTER6, "2001:db8:9::1", 3 },
	};
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct tuple inner = tuple_of(row[i].client, row[i].node, 5000, 80, IPPROTO_UDP);
		struct tuple to = tuple_of(row[i].service, row[i].client, 443, 5000, IPPROTO_UDP);
		struct addr router = addr_of(row[i].router), shown = addr_of(row[i].shown), got;
		uint8_t quote[200];
		struct packet f;

		r->len = build_udp(quote, &inner, 40);
		r->len = build_error(r->bytes, &router, &inner.src, row[i].type, 0, 0, quote,
				     r->len);
		assert_int_equal(rig_receive(r, SIDE_INSIDE, NULL).next, VERDICT_CONTINUE);
		assert_forwarded(rig_rewrite(r, &to, row[i].shown));
		f = rig_facts(&r->p);
		got = packet_source(&f);
		assert_true(addr_equal(&got, &shown));
		got = packet_destination(&f);
		assert_true(addr_equal(&got, &to.dst));
		assert_true(addr_equal(&f.key.src, &to.src) && addr_equal(&f.key.dst, &to.dst));
	}
}

/* RFC 4884 3, 5.5: a field that holds the embedded header and 8 bytes is believed if a structure
 * follows it; one that holds less, or that nothing of the kind follows, is not. */
static void rfc4884_5_the_shortest_length_that_is_believed(void **state)
{
	static const struct {
		uint8_t words, version, carried;
	} row[] = {
		{ 7, 0x20, 1 }, { 6, 0x20, 0 }, { 8, 0x20, 1 }, { 7, 0x10, 0 }, { 7, 0x00, 0 }
	};
	struct rig *r = *state;
	struct tuple inner = out4(5000, 53, IPPROTO_UDP), to = in6(53, 4000, IPPROTO_UDP);
	struct addr router = addr_of(ROUTER4), host = addr_of(HOST4);

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		uint8_t quote[200] = { 0 },
			ext[12] = { row[i].version, 0, 0, 0, 0, 8, 1, 1, 0xde, 0xad, 0xbe, 0xef };
		uint32_t n = row[i].words * 4u;

		print_message("row %zu\n", i);
		build_udp(quote, &inner, 40);
		memcpy(quote + n, ext, sizeof(ext));
		r->len = build_error(r->bytes, &router, &host, 3, 3, (uint32_t)row[i].words << 16,
				     quote, n + 12);
		assert_int_equal(rig_receive(r, SIDE_OUTSIDE, NULL).next, VERDICT_CONTINUE);
		assert_forwarded(rig_rewrite(r, &to, "64:ff9b::192.0.2.254"));
		rig_facts(&r->p);
		assert_int_equal(r->p.data[44] != 0, row[i].carried);
		if (row[i].carried) {
			assert_int_equal(r->p.len, 48 + r->p.data[44] * 8u + 12);
			assert_memory_equal(r->p.data + r->p.len - 12, ext, 12);
		}
	}
}

static void embedded_options_and_extension_headers_stay(void **state)
{
	static const uint8_t hop[8] = { IPPROTO_UDP, 0, 1, 4, 0, 0, 0, 0 };
	static const uint8_t options[4] = { 7, 3, 4, 0 };
	struct rig *r = *state;
	struct tuple inner6 = tuple_of("2001:db8:9::1", "2001:db8:2::1", 5000, 53, IPPROTO_UDP);
	struct tuple to6 = tuple_of("2001:db8:7::1", HOST6, 5353, 4000, IPPROTO_UDP);
	struct tuple inner4 = out4(5000, 80, IPPROTO_UDP),
		     to4 = tuple_of(SERVER4, "10.0.0.7", 80, 4000, IPPROTO_UDP);
	struct addr router = addr_of(ROUTER6), host = addr_of("2001:db8:9::1");
	uint8_t quote[200];

	build_udp(quote, &inner6, 40);
	memmove(quote + 48, quote + 40, 48);
	memcpy(quote + 40, hop, 8);
	quote[6] = 0;
	store16(quote + 4, 56);
	r->len = build_error(r->bytes, &router, &host, 3, 0, 0, quote, 96);
	assert_int_equal(rig_receive(r, SIDE_OUTSIDE, NULL).next, VERDICT_CONTINUE);
	assert_forwarded(rig_rewrite(r, &to6, ROUTER6));
	assert_memory_equal(r->p.data + 48 + 40, hop, 8);

	router = addr_of(ROUTER4);
	host = addr_of(HOST4);
	build_udp(quote, &inner4, 40);
	memmove(quote + 24, quote + 20, 48);
	memcpy(quote + 20, options, 4);
	quote[0] = 0x46;
	store16(quote + 2, 72);
	rig_sum_ip4(quote);
	r->len = build_error(r->bytes, &router, &host, 11, 0, 0, quote, 72);
	assert_int_equal(rig_receive(r, SIDE_OUTSIDE, NULL).next, VERDICT_CONTINUE);
	assert_forwarded(rig_rewrite(r, &to4, ROUTER4));
	assert_memory_equal(r->p.data + 28 + 20, options, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(rfc5508_4_2_ipv4_outer_and_embedded_are_rewritten),
		RIG_TEST(rfc5508_4_2_ipv6_outer_and_embedded_are_rewritten),
		RIG_TEST(an_embedded_echo_within_ipv6),
		RIG_TEST(options_and_extension_headers_of_the_same_family_stay),
		RIG_TEST(embedded_options_and_extension_headers_stay),
		RIG_TEST(embedded_headers_that_fill_the_error_are_too_many),
		RIG_TEST(rfc4884_5_1_length_counts_in_8_bytes_in_ipv6),
		RIG_TEST(rfc4884_5_4_types_without_length_lose_their_extensions),
		RIG_TEST(rfc7915_4_3_the_quote_is_cut_before_the_extensions_are),
		RIG_TEST(rfc4884_5_1_length_counts_in_4_bytes_in_ipv4),
		RIG_TEST(rfc4884_3_padding_is_not_translated),
		RIG_TEST(rfc4884_5_within_ipv4_the_length_is_kept),
		RIG_TEST(a_length_that_makes_no_sense_is_zeroed),
		RIG_TEST(the_outer_source_is_what_the_policy_says),
		RIG_TEST(rfc4884_5_the_shortest_length_that_is_believed),
	};

	return cmocka_run_group_tests_name("translate/icmp_same", tests, NULL, NULL);
}
