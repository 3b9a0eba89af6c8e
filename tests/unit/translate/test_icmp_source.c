/* test_icmp_source.c - ICMP errors whose source has no address in the other family: RFC 6791, and
 * the RFC 5837 object that names it; outer destinations other than the embedded source. */
#include "rig.h"
#include <netinet/in.h>

#define POOL4 "198.51.100.200"
#define POOL6 "2001:db8:9999::1"

enum { NAMED6 = 24, NAMED4 = 12, HEAD = 4 };

/* An error about a packet of @n payload bytes, @quoted bytes of it quoted, with @ext behind. */
struct about {
	uint8_t type;
	uint32_t n, quoted, rest;
	const uint8_t *ext;
	uint32_t ext_len;
};

static struct verdict send_named(struct rig *r, bool v6, const struct about *a)
{
	struct tuple inner = v6 ? in6(53, 4000, IPPROTO_UDP) : out4(5000, 53, IPPROTO_UDP);
	struct tuple to = v6 ? out4(5000, 53, IPPROTO_UDP) : in6(53, 4000, IPPROTO_UDP);
	struct addr router = addr_of(v6 ? ROUTER6 : ROUTER4), dst = inner.src;
	struct rewrite rw = { .to = to,
			      .outer_src = addr_of(v6 ? POOL4 : POOL6),
			      .outer_src_shared = true,
			      .out_side = v6 ? SIDE_OUTSIDE : SIDE_INSIDE };
	uint8_t quote[2000] = { 0 };

	build_udp(quote, &inner, a->n);
	if (a->ext_len)
		memcpy(quote + a->quoted, a->ext, a->ext_len);
	r->len = build_error(r->bytes, &router, &dst, a->type, 0, a->rest, quote,
			     a->quoted + a->ext_len);
	assert_int_equal(rig_receive(r, v6 ? SIDE_INSIDE : SIDE_OUTSIDE, NULL).next,
			 VERDICT_CONTINUE);
	return translate_packet(&r->env, &r->st, &r->p, &rw, &r->out);
}

/* RFC 5837 4: class 2, role 0, an address and nothing else. */
static void assert_names(const uint8_t *object, const char *who)
{
	struct addr a = addr_of(who);
	bool v6 = !addr_is_v4(&a);
	uint32_t n = v6 ? 16 : 4;

	assert_int_equal(load16(object), 8 + n);
	assert_int_equal(object[2], 2);
	assert_int_equal(object[3], 0x04);
	assert_int_equal(load16(object + 4), v6 ? 2 : 1); /* address family numbers */
	assert_int_equal(load16(object + 6), 0);
	assert_memory_equal(object + 8, a.octet + 16 - n, n);
}

/* RFC 4884 7: version 2, checksum right over the whole. */
static void assert_structure(const uint8_t *ext, uint32_t len)
{
	assert_int_equal(load16(ext), 0x2000);
	assert_int_equal(checksum_fold(checksum_add(0, ext, len)), 0xffff);
}

static void rfc6791_an_ipv6_router_is_named_in_ipv4(void **state)
{
	struct rig *r = *state;
	struct about a = { .type = 3, .n = 40, .quoted = 88 };
	struct packet f;
	struct addr src, pool = addr_of(POOL4);

	assert_forwarded(send_named(r, true, &a));
	f = rig_facts(&r->p);
	src = packet_source(&f);
	assert_true(addr_equal(&src, &pool));
	assert_int_equal(f.len, 28 + 128 + HEAD + NAMED6);
	assert_int_equal(f.data[25], 128 / 4);
	for (uint32_t at = 28 + 68; at < 28 + 128; at++)
		assert_int_equal(f.data[at], 0);
	assert_structure(f.data + 28 + 128, HEAD + NAMED6);
	assert_names(f.data + 28 + 128 + HEAD, ROUTER6);
}

static void rfc6791_an_ipv4_router_is_named_in_ipv6(void **state)
{
	struct rig *r = *state;
	struct about a = { .type = 11, .n = 200, .quoted = 228 };
	struct packet f;

	assert_forwarded(send_named(r, false, &a));
	f = rig_facts(&r->p);
	assert_int_equal(f.len, 48 + 248 + HEAD + NAMED4);
	assert_int_equal(f.data[44], 248 / 8);
	assert_structure(f.data + 48 + 248, HEAD + NAMED4);
	assert_names(f.data + 48 + 248 + HEAD, ROUTER4);
}

static void rfc6791_not_named_unless_asked_for(void **state)
{
	struct rig *r = *state;
	struct tuple inner = in6(53, 4000, IPPROTO_UDP), to = out4(5000, 53, IPPROTO_UDP);
	struct addr router = addr_of(ROUTER6), server = addr_of(SERVER6);
	uint8_t quote[200];

	build_udp(quote, &inner, 40);
	r->len = build_error(r->bytes, &router, &server, 3, 0, 0, quote, 88);
	rig_receive(r, SIDE_INSIDE, NULL);
	assert_forwarded(rig_rewrite(r, &to, POOL4));
	assert_int_equal(r->p.len, 28 + 68);
	assert_int_equal(r->p.data[25], 0);
}

/* RFC 4884 4: Packet Too Big and ICMPv6's Parameter Problem have no place for it. */
static void rfc5837_types_without_length_name_nobody(void **state)
{
	struct rig *r = *state;
	struct about a = { .type = 12, .n = 40, .quoted = 68 };

	assert_forwarded(send_named(r, false, &a));
	assert_int_equal(r->p.data[40], 4);
	assert_int_equal(r->p.len, 48 + 88);
	a = (struct about){ .type = 2, .n = 1400, .quoted = 200, .rest = 1280 };
	assert_forwarded(send_named(r, true, &a)); /* Fragmentation Needed has one */
	assert_int_equal(r->p.data[21], 4);
	assert_int_equal(load16(r->p.data + 26), 1260);
	assert_int_equal(r->p.data[25], 180 / 4);
	assert_names(r->p.data + 28 + 180 + HEAD, ROUTER6);
}

static uint32_t sum_structure(uint8_t *ext, uint32_t len)
{
	uint16_t csum = 0;

	memcpy(ext + 2, &csum, 2);
	csum = (uint16_t)~checksum_fold(checksum_add(0, ext, len));
	memcpy(ext + 2, &csum, 2);
	return len;
}

static void rfc5837_appended_behind_the_objects_that_are_there(void **state)
{
	uint8_t mpls[] = { 0x20, 0, 0, 0, 0, 8, 1, 1, 0, 6, 0x51, 0x40 };
	struct rig *r = *state;
	struct about a = { .type = 11, .n = 600, .quoted = 128, .rest = 32 << 16, .ext = mpls };
	const uint8_t *ext;

	a.ext_len = sum_structure(mpls, sizeof(mpls));
	assert_forwarded(send_named(r, false, &a));
	rig_facts(&r->p);
	assert_int_equal(r->p.data[44], 152 / 8);
	assert_int_equal(r->p.len, 48 + 152 + sizeof(mpls) + NAMED4);
	ext = r->p.data + 48 + 152;
	assert_structure(ext, sizeof(mpls) + NAMED4);
	assert_memory_equal(ext + 4, mpls + 4, 8);
	assert_names(ext + sizeof(mpls), ROUTER4);
	memset(mpls + 2, 0, 2); /* RFC 4884 7: it has no checksum, and gets none */
	assert_forwarded(send_named(r, false, &a));
	assert_int_equal(load16(r->p.data + 48 + 152 + 2), 0);
	assert_names(r->p.data + 48 + 152 + sizeof(mpls), ROUTER4);
}

/* What is no well-formed structure with a place for us is carried as it is. */
static void rfc7915_4_2_other_extensions_are_opaque(void **state)
{
	static const struct {
		const char *what;
		uint8_t ext[24];
		uint32_t len;
		bool sum;
	} row[] = {
		{ "a wrong checksum", { 0x20, 0, 1, 1, 0, 8, 1, 1, 0, 6, 0x51, 0x40 }, 12, false },
		{ "another version", { 0x10, 0, 0, 0, 0, 8, 1, 1, 0, 6, 0x51, 0x40 }, 12, true },
		{ "an object beyond the end",
		  { 0x20, 0, 0, 0, 0, 12, 1, 1, 0, 6, 1, 4 },
		  12,
		  true },
		{ "an object of no length",
		  { 0x20, 0, 0, 0, 0, 0, 1, 1, 0, 6, 0x51, 4 },
		  12,
		  true },
		{ "an object of 6 bytes", { 0x20, 0, 0, 0, 0, 6, 1, 1, 0, 6 }, 10, true },
		{ "bytes behind the last object", { 0x20, 0, 0, 0, 0, 4, 1, 1, 0, 6 }, 10, true },
		{ "an interface in our role (RFC 5837 4.2)",
		  { 0x20, 0, 0, 0, 0, 8, 2, 0x08, 0, 0, 0, 7 },
		  12,
		  true },
		{ "two bytes", { 0x20, 0 }, 2, false },
	};
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		uint8_t ext[24];
		struct about a = { .type = 11,
				   .n = 600,
				   .quoted = 128,
				   .rest = 32 << 16,
				   .ext = ext,
				   .ext_len = row[i].len };

		print_message("%s\n", row[i].what);
		memcpy(ext, row[i].ext, sizeof(ext));
		if (row[i].sum)
			sum_structure(ext, row[i].len);
		assert_forwarded(send_named(r, false, &a));
		rig_facts(&r->p);
		assert_int_equal(r->p.len, 48 + 152 + row[i].len);
		assert_int_equal(r->p.data[44], 152 / 8);
		assert_memory_equal(r->p.data + 48 + 152, ext, row[i].len);
	}
}

/* Another role is another interface: both are named. */
static void rfc5837_4_2_one_object_of_each_role(void **state)
{
	uint8_t next_hop[] = { 0x20, 0, 0, 0, 0, 8, 2, 0xc8, 0, 0, 0, 7 };
	struct rig *r = *state;
	struct about a = { .type = 11, .n = 600, .quoted = 128, .rest = 32 << 16, .ext = next_hop };

	a.ext_len = sum_structure(next_hop, sizeof(next_hop));
	assert_forwarded(send_named(r, false, &a));
	assert_int_equal(r->p.len, 48 + 152 + sizeof(next_hop) + NAMED4);
}

/* RFC 4884 5.5: of a sender older than the length attribute, the structure is where its readers
 * expect it, so nothing is put behind it. */
static void rfc4884_5_5_a_structure_that_is_not_declared_is_left_alone(void **state)
{
	uint8_t mpls[] = { 0x20, 0, 0, 0, 0, 8, 1, 1, 0, 6, 0x51, 0x40 };
	struct rig *r = *state;
	struct about a = { .type = 11, .n = 600, .quoted = 128, .ext = mpls };

	a.ext_len = sum_structure(mpls, sizeof(mpls));
	assert_forwarded(send_named(r, false, &a));
	rig_facts(&r->p);
	assert_int_equal(r->p.data[44], 0);
	assert_int_equal(r->p.len, 48 + 148 + sizeof(mpls));
	assert_memory_equal(r->p.data + r->p.len - sizeof(mpls), mpls, sizeof(mpls));
	mpls[11] ^= 1; /* not one, then: payload like any other */
	assert_forwarded(send_named(r, false, &a));
	assert_int_equal(r->p.data[44], 160 / 8);
	assert_names(r->p.data + 48 + 160 + HEAD, ROUTER4);
}

static void rfc7915_5_2_the_quote_makes_room_for_the_name(void **state)
{
	struct rig *r = *state;
	struct about a = { .type = 1, .n = 1400, .quoted = 1232 };

	assert_forwarded(send_named(r, true, &a));
	rig_facts(&r->p);
	assert_int_equal(r->p.len, 576);
	assert_int_equal(r->p.data[25], (576 - 28 - HEAD - NAMED6) / 4);
	assert_names(r->p.data + 576 - NAMED6, ROUTER6);
}

/* First the name goes, then what came, and the packet last. */
static void rfc7915_5_2_extensions_that_leave_no_room_are_left_out(void **state)
{
	static uint8_t ext[440];
	struct rig *r = *state;
	struct about a = { .type = 1, .n = 600, .quoted = 128, .rest = 16u << 24, .ext = ext };

	memset(ext, 0, sizeof(ext));
	ext[0] = 0x20;
	for (uint32_t len = 392; len <= 424; len += 4) {
		store16(ext + 4, (uint16_t)(len - 4));
		ext[6] = 1;
		a.ext_len = sum_structure(ext, len);
		assert_forwarded(send_named(r, true, &a));
		rig_facts(&r->p);
		print_message("%u bytes\n", len);
		if (len + NAMED6 + 128 <= 548)
			assert_int_equal(r->p.len, 28 + 128 + len + NAMED6);
		else if (len + 128 <= 548)
			assert_int_equal(r->p.len, 28 + 128 + len);
		else
			assert_int_equal(r->p.len, 28 + 108);
		assert_int_equal(r->p.data[25], len + 128 <= 548 ? 32 : 0);
	}
}

/* A port may leave no more room than PACKET_HEADROOM. */
static void without_room_in_the_buffer_nobody_is_named(void **state)
{
	struct rig *r = *state;
	struct about a = { .type = 11, .n = 0, .quoted = 28 };
	struct tuple to = in6(53, 4000, IPPROTO_UDP);
	struct rewrite rw = { .to = to, .outer_src = addr_of(POOL6), .outer_src_shared = true };

	assert_forwarded(send_named(r, false, &a));
	assert_int_equal(r->p.len, 48 + 128 + HEAD + NAMED4);
	rig_receive(r, SIDE_OUTSIDE, NULL);
	r->p.room = r->p.len;
	assert_forwarded(translate_packet(&r->env, &r->st, &r->p, &rw, &r->out));
	assert_int_equal(r->p.len, 48 + 48);
	assert_int_equal(r->p.data[44], 0);
	rig_receive(r, SIDE_OUTSIDE, NULL);
	r->p.headroom = 63;
	r->p.room = r->p.len;
	assert_dropped(translate_packet(&r->env, &r->st, &r->p, &rw, &r->out), DROP_NO_BUFFER);
	assert_untouched(r);
}

/* Stateless translators map it like any destination. */
static void an_error_may_go_to_somebody_else_than_the_embedded_source(void **state)
{
	struct rig *r = *state;
	static const char *const there[] = { "198.51.100.77", "2001:db8:1::77" };

	for (int v6 = 0; v6 <= 1; v6++) {
		struct tuple inner = v6 ? in6(53, 4000, IPPROTO_UDP) : out4(5000, 53, IPPROTO_UDP);
		struct rewrite rw = { .to = v6 ? out4(5000, 53, IPPROTO_UDP)
					       : in6(53, 4000, IPPROTO_UDP),
				      .outer_src = addr_of(v6 ? POOL4 : POOL6),
				      .outer_dst = addr_of(there[!v6]) };
		struct addr router = addr_of(v6 ? ROUTER6 : ROUTER4), dst;
		uint8_t quote[200];
		struct packet f;

		build_udp(quote, &inner, 40);
		r->len = build_error(r->bytes, &router, &inner.src, v6 ? 1 : 3, 0, 0, quote,
				     v6 ? 88 : 68);
		rig_receive(r, SIDE_INSIDE, NULL);
		assert_forwarded(translate_packet(&r->env, &r->st, &r->p, &rw, &r->out));
		f = rig_facts(&r->p); /* the checksum is right */
		dst = packet_destination(&f);
		assert_true(addr_equal(&dst, &rw.outer_dst));
		assert_true(addr_equal(&f.key.src, &rw.to.src)); /* the embedded one, reversed */
		assert_true(addr_equal(&f.key.dst, &rw.to.dst));
	}
}

/* RFC 4884 8: a structure without objects is one, too, and has a place for the first. */
static void rfc5837_appended_to_an_empty_structure(void **state)
{
	uint8_t empty[] = { 0x20, 0, 0, 0 };
	struct rig *r = *state;
	struct about a = { .type = 11, .n = 600, .quoted = 128, .rest = 32 << 16, .ext = empty };
	const uint8_t *ext;

	a.ext_len = sum_structure(empty, sizeof(empty));
	assert_forwarded(send_named(r, false, &a));
	rig_facts(&r->p);
	ext = r->p.data + 48 + r->p.data[44] * 8;
	assert_int_equal(r->p.len, ext - r->p.data + sizeof(empty) + NAMED4);
	assert_structure(ext, sizeof(empty) + NAMED4);
	assert_names(ext + sizeof(empty), ROUTER4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(rfc6791_an_ipv6_router_is_named_in_ipv4),
		RIG_TEST(rfc6791_an_ipv4_router_is_named_in_ipv6),
		RIG_TEST(rfc6791_not_named_unless_asked_for),
		RIG_TEST(rfc5837_types_without_length_name_nobody),
		RIG_TEST(rfc5837_appended_behind_the_objects_that_are_there),
		RIG_TEST(rfc7915_4_2_other_extensions_are_opaque),
		RIG_TEST(rfc5837_4_2_one_object_of_each_role),
		RIG_TEST(rfc4884_5_5_a_structure_that_is_not_declared_is_left_alone),
		RIG_TEST(rfc7915_5_2_the_quote_makes_room_for_the_name),
		RIG_TEST(rfc7915_5_2_extensions_that_leave_no_room_are_left_out),
		RIG_TEST(without_room_in_the_buffer_nobody_is_named),
		RIG_TEST(an_error_may_go_to_somebody_else_than_the_embedded_source),
		RIG_TEST(rfc5837_appended_to_an_empty_structure),
	};

	return cmocka_run_group_tests_name("translate/icmp_source", tests, NULL, NULL);
}
