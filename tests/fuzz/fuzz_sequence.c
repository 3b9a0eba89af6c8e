/*
 * fuzz_sequence.c - sequences of packets through the whole data plane, with laws as oracles.
 *
 * Input: four bytes that choose the configuration (workers, pool, tables, policies, where packets
 * come in), then steps of a few bytes each: a host opens something, somebody outside sends
 * something, somebody answers what left, a router sends an error about it, a datagram comes in
 * pieces, time goes on, the configuration changes, raw bytes come; and any packet may come with its
 * checksum unfinished, or uncut: a super-packet. Missing bytes are zero.
 *
 * The laws are in sequence_law.h; those here are about pairs of packets: an answer reaches the one
 * who asked, as what he asked; an error quotes what he sent; pieces add up to the datagram.
 */
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include "build.h"
#include "sequence_law.h"
#include "sixgate/nat64/event.h"
#include "sixgate/nat64/lend.h"
#include "sixgate/base/must.h"
#include "sixgate/packet/checksum.h"
#include "sixgate/packet/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STEPS_MAX = 100, LEAVE_OVER = 0xf8, MEMORY = 16, PACKET_BYTES = 2048, FRESH_MS = 5000,
       PIECES = 3 };

/* Bits of the first byte; the two lowest are the workers. */
enum { ADDRESS_DEPENDENT = 4, TINY_TABLES = 8, TINY_POOL = 16, WITH_SIIT = 32, NARROW_INSIDE = 64,
       MISDELIVER = 128 };
/* ... of the second. */
enum { WITH_SERVICES = 1, NO_EGRESS6 = 2, WITH_STATIC = 4, ODD_TRANSLATION = 8, PING_INSIDE = 16,
       NARROW_OUTSIDE = 32, HIDE_CLIENTS = 64, REJECT = 128 };

/* ... of the third; with MISDELIVER the third and fourth also say where packets come in. */
enum { WITH_EXEMPT = 16, WITH_LIMITS = 32, MAGLEV = 64, WIDE_POOL = 128 };

/* How a packet is dressed: bits of one byte each. */
enum { WRONG_CHECKSUM = 1, LAST_HOP = 2, MAY_FRAGMENT = 4, LONG = 8, NO_CHECKSUM = 16, CLASS = 32,
       EXTENSION = 64, OTHER_SIDE = 128 };

/* What is left undone: a checksum, segments; a reduced window is told (RFC 3168); and lies. */
enum { LEFT_CHECKSUM = 1, LEFT_SEGMENTS = 2, LEFT_CWR = 4, LEFT_LESS_START = 16,
       LEFT_OTHER_OFFSET = 32, LEFT_OTHER_KIND = 64, LEFT_NO_SIZE = 128 };

/** struct sent - a packet that left, and the one that made it leave. */
struct sent {
	uint8_t bytes[PACKET_BYTES];
	uint32_t len;
	enum side side;
	struct tuple asked; /* key of what came in */
	uint64_t at_ms, generation;
	bool forwarded;
};

/** struct left_over - what the kernel of whoever sends the next packet has left undone
 * @how:  a LEFT_* bit set; 0: nothing
 * @size: of the payload; of bytes that are not built here: csum_start
 * @gso:  of a segment; of bytes that are not built here: csum_offset
 */
struct left_over {
	uint8_t how, size, gso;
};

static struct {
	const uint8_t *at, *end;
	uint8_t config[4];
	struct gateway g;
	struct gateway_args args;
	struct sequence_world world;
	struct sent sent[MEMORY];
	unsigned n_sent;
	struct left_over left_over;
	struct offload off; /* of the packet that is sent next */
	uint8_t bytes[PACKET_HEADROOM + 70000];
} f;

static struct gateway *const g = &f.g;

static uint8_t take(void)
{
	return f.at < f.end ? *f.at++ : 0;
}

static struct addr a(const char *text)
{
	struct addr out;

	must(addr_parse(text, &out) == 0);
	return out;
}

static struct prefix pf(const char *text)
{
	struct prefix out;

	must(prefix_parse(text, &out) == 0);
	return out;
}

/* -- the configuration -------------------------------------------------------------------------- */

static const char *const inside_hosts[] = { "2001:db8:1::1", "2001:db8:1::2", "2001:db8:1:0:4::3",
					    "2001:db8:1::e4", "2001:db8:1::5", "2001:db8:1:0:8::6",
					    "2001:db8:9::1",  "64:ff9b::1.2.3.4" };
static const char *const servers4[] = { "192.0.2.33", "192.0.2.34", "192.0.2.35", "10.0.0.1" };
static const char *const peers6[] = { "2001:db8:ffff::100", "2001:db8:ffff::101",
				      "2001:db8:fffe::1", "2001:db8:1::77" };
static const uint16_t host_ports[] = { 4000, 4001, 53, 9000 }, far_ports[] = { 53, 80, 9000, 5060 };

static const struct services_conf *services(void)
{
	static struct node_conf nodes[3];
	static struct service_conf s[2];
	static struct services_conf all = { .service = s, .n_service = 2 };
	static const char *const name[] = { "one", "two", "three" };
	static const char *const at[] = { "2001:db8:1::5", "192.0.2.31", "2001:db8:1:0:8::6" };

	for (int i = 0; i < 3; i++) {
		node_conf_default(&nodes[i]);
		memcpy(nodes[i].name, name[i], strlen(name[i]) + 1);
		nodes[i].address = a(at[i]);
	}
	for (int i = 0; i < 2; i++) {
		service_conf_default(&s[i]);
		memcpy(s[i].name, i ? "dns" : "s3", 4 - !i);
		s[i].address[s[i].n_address++] = a("198.51.100.20");
		s[i].address[s[i].n_address++] = a("2001:db8:ffff::20");
		s[i].protocol = i ? IPPROTO_UDP : IPPROTO_TCP;
		s[i].port = i ? 53 : 9000;
		s[i].node = nodes + i;
		s[i].n_node = 2;
		s[i].scheduler = f.config[2] & MAGLEV ? SCHEDULER_MAGLEV : SCHEDULER_P2C; /* slow to build */
		s[i].source_v4 = a("198.51.100.21");
		s[i].source_v6 = a("2001:db8:64:21::");
		s[i].embed_prefix = pf("2001:db8:64:20::/96");
		if (f.config[1] & HIDE_CLIENTS)
			s[i].client_address = CLIENT_HIDE;
	}
	return &all;
}

/* A static entry for the port that something has left by, whoever has it: what is configured takes it
 * from him. @c: without it. Return: false when it fits not in, or nothing has left. */
static bool take_over(const struct nat64_conf *c, unsigned which, struct static_conf *out)
{
	const struct sent *s = &f.sent[(f.n_sent + MEMORY - which) % MEMORY];
	struct err e;

	if (!s->len || s->side != SIDE_OUTSIDE || s->bytes[0] != 0x45)
		return false;
	*out = (struct static_conf){ .protocol = s->bytes[9] == IPPROTO_TCP ? NAT64_TCP :
						 s->bytes[9] == IPPROTO_UDP ? NAT64_UDP : NAT64_ICMP,
				     .inside = a(inside_hosts[which % 3 + 1]), .inside_port = 53,
				     .outside = addr_from_v4(s->bytes + 12),
				     .outside_port = load16(s->bytes + (s->bytes[9] == 1 ? 24 : 20)) };
	return nat64_conf_check(c, &e) == 0;
}

/* @variant: four bits that choose the pools and more; above them which port a static entry takes. */
static const struct nat64_conf *nat64(unsigned variant)
{
	static struct prefix prefix[2];
	static struct pool4_conf pool[2];
	static struct static_conf fixed[2];
	static struct exempt_conf exempt;
	struct err e;
	static struct nat64_conf c;

	nat64_conf_default(&c);
	prefix[0] = pf("64:ff9b::/96");
	prefix[1] = pf("2001:db8:64::/96");
	c.prefix = prefix;
	c.n_prefix = 2;
	pool[0] = (struct pool4_conf){ .first = a("198.51.100.10"), .last = a("198.51.100.10"),
				       .port_first = 1024, .port_last = 65535,
				       .protocols = NAT64_TCP | NAT64_UDP | NAT64_ICMP };
	if (f.config[0] & TINY_POOL)
		pool[0].port_last = 1024 + 64 * 5;
	pool[1] = pool[0];
	pool[1].first = pool[1].last = a("198.51.100.11");
	if (f.config[2] & WIDE_POOL) { /* more than is adopted at once; each is slow to build */
		pool[0].first = a("198.51.100.8");
		pool[0].last = a("198.51.100.11");
		pool[1].first = a("198.51.100.128");
		pool[1].last = a("198.51.100.143");
	}
	c.pool4 = variant & 2 ? pool + 1 : pool;
	c.n_pool4 = variant & 1 ? 2 - (variant >> 1 & 1) : 1;
	c.allow_private = !(variant & 4);
	c.filtering = f.config[0] & ADDRESS_DEPENDENT ? NAT64_ADDRESS_DEPENDENT :
							NAT64_ENDPOINT_INDEPENDENT;
	fixed[0] = (struct static_conf){ .protocol = NAT64_UDP, .inside = a(inside_hosts[0]),
				      .outside = c.pool4[0].first, .inside_port = 53,
				      .outside_port = 5353 };
	c.static_entry = fixed;
	c.n_static = !!(f.config[1] & WITH_STATIC);
	if (f.config[2] & WITH_EXEMPT) {
		exempt = (struct exempt_conf){ pf("192.0.2.35/32"), 53, 80 };
		c.exempt = &exempt;
		c.n_exempt = 1;
	}
	if (f.config[2] & WITH_LIMITS) {
		c.limits = (struct nat64_limits){ 128, 4, 3, 8 };
		c.port_parity = true;
		c.log_what = NAT64_LOG_SESSIONS | NAT64_LOG_BLOCKS;
	}
	if (variant >> 4) {
		c.n_static++;
		c.n_static -= !take_over(&c, variant >> 4, &fixed[c.n_static - 1]);
	}
	must(nat64_conf_check(&c, &e) == 0);
	return &c;
}

static const struct egress6_conf *egress6(void)
{
	static struct prefix inside;
	static struct egress6_conf c;

	egress6_conf_default(&c);
	inside = pf("2001:db8:1::/64");
	c.prefix = &inside;
	c.n_prefix = 1;
	c.ping_inside = f.config[1] & PING_INSIDE;
	c.unsolicited = f.config[1] & REJECT ? EGRESS6_REJECT : EGRESS6_DROP;
	return &c;
}

static const struct siit_conf *siit(void)
{
	static struct prefix prefix, pool;
	static struct eam_conf eam;
	static struct siit_conf c;

	siit_conf_default(&c);
	prefix = pf("2001:db8:46::/96");
	pool = pf("203.0.113.128/28");
	eam = (struct eam_conf){ .v4 = pf("203.0.113.0/28"), .v6 = pf("2001:db8:1::e0/124") };
	c.prefix = &prefix;
	c.n_prefix = 1;
	c.eam = &eam;
	c.n_eam = 1;
	c.icmp4_source = &pool;
	c.n_icmp4_source = 1;
	c.allow_private = true;
	return &c;
}

static void describe(unsigned variant)
{
	f.args = (struct gateway_args){
		.n_workers = 1 + (f.config[0] & 3),
		.flows = f.config[0] & TINY_TABLES ? 4 : 64,
		.nat64 = nat64(variant),
		.egress6 = f.config[1] & NO_EGRESS6 ? NULL : egress6(),
		.services = f.config[1] & WITH_SERVICES && !(variant & 8) ? services() : NULL,
		.siit = f.config[0] & WITH_SIIT ? siit() : NULL,
		.inside = { "2001:db8:1::/64", "192.0.2.24/29" },
	};
}

static void list_world(void)
{
	static const char *const own[] = { "198.51.100.10", "198.51.100.11", "198.51.100.20",
					   "198.51.100.21", "2001:db8:64:21::", "2001:db8:ffff::20",
					   "192.0.2.254", "198.51.100.1", "2001:db8:1::fe",
					   "2001:db8:ffff::fe" };
	static const char *const embed[] = { "64:ff9b::/96", "2001:db8:64::/96",
					     "2001:db8:64:20::/96", "2001:db8:46::/96" };
	struct sequence_world *w = &f.world;

	*w = (struct sequence_world){ .n_own = 0 };
	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		w->own[w->n_own++] = a(own[i]);
	for (size_t i = 0; i < ARRAY_LEN(embed) - !(f.config[0] & WITH_SIIT); i++)
		w->embed[w->n_embed++] = pf(embed[i]);
	w->own_range[w->n_own_range++] = pf("203.0.113.0/28");
	w->own_range[w->n_own_range++] = pf("203.0.113.128/28");
	if (f.config[2] & WIDE_POOL) {
		w->own_range[w->n_own_range++] = pf("198.51.100.8/30");
		w->own_range[w->n_own_range++] = pf("198.51.100.128/28");
	}
	w->inside[w->n_inside++] = pf("2001:db8:1::/64");
	w->inside[w->n_inside++] = pf("192.0.2.24/29");
}

/* What gateway_publish() does not take from its arguments. */
static void adjust_snapshot(void)
{
	struct translate_env *env = &g->snapshot->env;

	if (f.config[0] & NARROW_INSIDE)
		env->mtu[SIDE_INSIDE] = 1280;
	if (f.config[1] & NARROW_OUTSIDE)
		env->mtu[SIDE_OUTSIDE] = 576;
	if (f.config[1] & ODD_TRANSLATION) {
		env->conf.lowest_ipv6_mtu = 1400;
		env->conf.allow_zero_udp_fragments = true;
		env->conf.mss_clamp = 1000;
	}
}

static void start(void)
{
	for (int i = 0; i < 4; i++)
		f.config[i] = take();
	memset(f.sent, 0, sizeof(f.sent)); /* or an input answers what an earlier one's gateway sent */
	f.n_sent = 0;
	f.left_over = (struct left_over){ 0 };
	describe(f.config[2] & WIDE_POOL ? 1 : 0);
	gateway_init(g, &f.args);
	adjust_snapshot();
	if (f.config[0] & MISDELIVER)
		g->misdeliver = 1 + ((uint64_t)f.config[2] << 8 | f.config[3]);
	list_world();
}

/* -- packets ------------------------------------------------------------------------------------ */

static void repair_ip4(uint8_t *p)
{
	uint16_t sum = 0;

	memcpy(p + 10, &sum, 2);
	sum = (uint16_t)~checksum_fold(checksum_add(0, p, (p[0] & 15) * 4u));
	memcpy(p + 10, &sum, 2);
}

/* Options or a header between; the packet grows to the front. */
static uint8_t *extend(uint8_t *p, uint32_t *len)
{
	uint8_t *to = p - 8;

	if (p[0] >> 4 == 4) {
		to = p - 4;
		memmove(to, p, 20);
		memset(to + 20, 1, 4); /* No Operation */
		to[0]++;
		store16(to + 2, (uint16_t)(load16(p + 2) + 4));
		*len += 4;
		return to;
	}
	memmove(to, p, 40);
	store16(to + 4, (uint16_t)(load16(to + 4) + 8));
	memset(to + 40, 0, 8);
	to[40] = to[6];
	to[42] = 1; /* PadN of four */
	to[43] = 4;
	to[6] = 60;
	*len += 8;
	return to;
}

static uint8_t *dress(uint8_t *p, uint32_t *len, uint8_t dress)
{
	uint32_t head = p[0] >> 4 == 4 ? 20 : 40;
	uint8_t proto = p[head == 20 ? 9 : 6];
	uint8_t *sum = p + head + (proto == IPPROTO_TCP ? 16 : proto == IPPROTO_UDP ? 6 : 2);

	if (dress & WRONG_CHECKSUM)
		sum[1] ^= 0x55;
	if (dress & NO_CHECKSUM && proto == IPPROTO_UDP)
		sum[0] = sum[1] = 0;
	if (dress & EXTENSION)
		p = extend(p, len);
	if (p[0] >> 4 == 6) {
		if (dress & LAST_HOP)
			p[7] = 1;
		if (dress & CLASS)
			p[1] = 0xb0;
		if (dress & CLASS)
			p[0] = 0x6a;
		return p;
	}
	if (dress & LAST_HOP)
		p[8] = 1;
	if (dress & MAY_FRAGMENT)
		p[6] = 0;
	if (dress & CLASS)
		p[1] = 0xb8;
	repair_ip4(p);
	return p;
}

static struct packet parse(uint8_t *data, uint32_t len, enum side side)
{
	struct packet p = { .data = data, .len = len, .room = len, .side = (uint8_t)side,
			    .off = f.off };

	p.verdict = packet_parse(&p);
	return p;
}

static void remember(const struct gateway_out *o, const struct packet *in)
{
	static uint8_t bytes[SEQUENCE_PLAIN_BYTES];
	struct sent *s = &f.sent[f.n_sent % MEMORY];
	struct packet plain = o->packet;

	if (plain.off.csum_partial)
		plain = sequence_law_first_segment(&o->packet, bytes);
	if (plain.len > PACKET_BYTES)
		return;
	memcpy(s->bytes, plain.data, plain.len);
	s->len = plain.len;
	s->side = o->side;
	s->asked = in->key;
	s->at_ms = g->now_ms;
	s->generation = g->snapshot->generation;
	s->forwarded = in->verdict.next == VERDICT_CONTINUE &&
		       o->packet.verdict.next == VERDICT_CONTINUE &&
		       !((in->flags | o->packet.flags) & (PACKET_FRAGMENT | PACKET_ICMP_ERROR)) &&
		       sequence_law_is_forwarded(&o->packet, in);
	f.n_sent++;
}

static struct packet arrive(enum side side, uint8_t *p, uint32_t len)
{
	static uint8_t copy[70000];
	struct packet in;

	memcpy(copy, p, len);
	gateway_send_offload(g, side, p, len, &f.off);
	in = parse(copy, len, side);
	f.off = (struct offload){ .gso = GSO_NONE };
	sequence_law_out(g, &f.world, in.verdict.next == VERDICT_CONTINUE ? &in : NULL);
	for (uint32_t i = 0; i < g->n_out; i++)
		remember(&g->out[i], &in);
	return in;
}

static uint32_t build(uint8_t *at, struct tuple *t, uint8_t how, uint32_t n)
{
	bool v4 = addr_is_v4(&t->src);

	switch (how & 3) {
	case 0:
		t->proto = IPPROTO_TCP;
		return build_tcp(at, t, (struct tcp_args){ take() & 31, take() * 100u, take() }, n);
	case 1:
	case 2:
		t->proto = IPPROTO_UDP;
		return build_udp(at, t, n);
	}
	t->proto = v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	return build_echo(at, t, how & 4, n);
}

static uint8_t other_kind(uint8_t kind)
{
	return (uint8_t)((kind + 1) % (GSO_UDP + 1));
}

static uint32_t checksum_at(uint8_t proto)
{
	return proto == IPPROTO_TCP ? 16 : proto == IPPROTO_UDP ? 6 : 2;
}

/* Bytes of payload of a packet that is cut later, or now. The longest fills what IPv6 can say. */
static uint32_t super_payload(bool v4)
{
	return f.left_over.size < 255 ? 1 + f.left_over.size * 256u : 65535 - 28 - (v4 ? 24 : 0);
}

/* Take the checksum's end back, and say so: truly, or not. */
static void leave_over(uint8_t *p, uint32_t len, const struct tuple *t, struct left_over l)
{
	uint32_t head = p[0] >> 4 == 4 ? 20 : 40, size = 8 + l.gso * 8u;
	uint8_t *l4 = p + head;
	uint16_t sum = t->proto == IPPROTO_ICMP ?
			       0 :
			       checksum_fold(checksum_pseudo(&t->src, &t->dst, t->proto, len - head));

	memcpy(l4 + checksum_at(t->proto), &sum, sizeof(sum));
	if (t->proto == IPPROTO_TCP && l.how & LEFT_CWR)
		l4[13] |= 0x80;
	f.off = (struct offload){ .csum_partial = true, .csum_start = (uint16_t)head,
				  .csum_offset = (uint16_t)checksum_at(t->proto) };
	if (!(l.how & LEFT_SEGMENTS))
		return;
	f.off.gso = t->proto != IPPROTO_TCP ? GSO_UDP : head == 20 ? GSO_TCP4 : GSO_TCP6;
	f.off.gso_ecn = t->proto == IPPROTO_TCP && l.how & LEFT_CWR;
	f.off.gso_size = (uint16_t)(size < len / 1000 ? len / 1000 : size);
	f.off.hdr_len = (uint16_t)(head + l.size);
}

static void lie(struct left_over l)
{
	f.off.csum_partial = l.how & LEFT_CHECKSUM;
	f.off.csum_start -= l.how & LEFT_LESS_START ? 8 : 0;
	f.off.csum_offset += l.how & LEFT_OTHER_OFFSET ? 2 : 0;
	if (l.how & LEFT_OTHER_KIND)
		f.off.gso = other_kind(f.off.gso);
	if (l.how & LEFT_NO_SIZE)
		f.off.gso_size = 0;
}

static struct packet build_and_send(struct tuple *t, enum side side, uint8_t how)
{
	uint8_t clothes = take(), *p = f.bytes + PACKET_HEADROOM, *bare = p;
	uint32_t n = clothes & LONG ? 1440 - (how >> 4) * 20u : how >> 4, len;
	struct left_over l = f.left_over;

	if (l.how & LEFT_SEGMENTS)
		n = super_payload(addr_is_v4(&t->src));
	len = build(p, t, how, n);
	if (l.how)
		leave_over(p, len, t, l);
	p = dress(p, &len, clothes);
	f.off.csum_start += l.how ? (uint16_t)(bare - p) : 0;
	if (l.how)
		lie(l);
	f.left_over = (struct left_over){ 0 };
	return arrive(clothes & OTHER_SIDE ? !side : side, p, len);
}

/* -- steps -------------------------------------------------------------------------------------- */

static struct addr embed(const char *prefix, const char *v4)
{
	struct addr p = a(prefix), four = a(v4);

	memcpy(p.octet + 12, four.octet + 12, 4);
	return p;
}

/* Somebody inside opens something. */
static void step_inside(void)
{
	uint8_t who = take(), how = take();
	struct tuple t = { .src = a(inside_hosts[who & 7]),
			   .sport = be16_from(host_ports[who >> 3 & 3]),
			   .dport = be16_from(far_ports[who >> 5 & 3]) };
	unsigned far = take();

	switch (far >> 3 & 7) {
	case 0:
		t.dst = embed("64:ff9b::", servers4[far & 3]);
		break;
	case 1:
		t.dst = embed("2001:db8:64::", servers4[far & 3]);
		break;
	case 2:
		t.dst = a(peers6[far & 3]);
		break;
	case 3: /* a hairpin */
		t.dst = embed("2001:db8:64::", far & 1 ? "198.51.100.11" : "198.51.100.10");
		if (f.n_sent)
			t.dport = load_be16(f.sent[(f.n_sent - 1) % MEMORY].bytes + 20);
		break;
	case 4:
		t.dst = embed("2001:db8:46::", far & 4 ? "203.0.113.2" : servers4[far & 3]);
		break;
	case 5:
		t.dst = far & 1 ? a("2001:db8:ffff::20") : embed("64:ff9b::", "198.51.100.20");
		break;
	case 6:
		t.dst = embed("64:ff9b::", far & 1 ? "203.0.113.4" : "255.255.255.255");
		break;
	default: /* an IPv4 node inside */
		t.src = a("192.0.2.31");
		t.dst = a(far & 1 ? "192.0.2.33" : "198.51.100.20");
		break;
	}
	if (far >> 6 & 1)
		t.dport = be16_from(5353);
	build_and_send(&t, SIDE_INSIDE, how);
}

/* Somebody outside, unasked. */
static void step_outside(void)
{
	uint8_t who = take(), how = take(), far = take();
	struct tuple t = { .src = a(servers4[who & 3]),
			   .sport = be16_from(far_ports[who >> 2 & 3]),
			   .dport = be16_from(host_ports[who >> 4 & 3]) };

	switch (far & 7) {
	case 0:
		t.dst = a("198.51.100.10");
		t.dport = be16_from((uint16_t)(far & 8 ? 5353 : 1024 + (far >> 3)));
		break;
	case 1:
		t.dst = a("198.51.100.20");
		t.dport = be16_from(far & 8 ? 53 : 9000);
		break;
	case 2:
		t.src = a(peers6[who & 3]);
		t.dst = a("2001:db8:ffff::20");
		t.dport = be16_from(far & 8 ? 53 : 9000);
		break;
	case 3:
		t.src = a(peers6[who & 3]);
		t.dst = a(inside_hosts[far >> 3 & 7]);
		break;
	case 4:
		t.dst = a(far & 8 ? "203.0.113.5" : "203.0.113.4");
		break;
	case 5: /* to a mapping, from elsewhere */
		t.dst = a("198.51.100.10");
		t.dport = load_be16(f.sent[(f.n_sent + MEMORY - 1 - (far >> 3)) % MEMORY].bytes + 20);
		break;
	case 6:
		t.src = a("198.51.100.10");
		t.dst = a("192.0.2.33");
		break;
	default:
		t.dst = a("192.0.2.31");
		break;
	}
	build_and_send(&t, SIDE_OUTSIDE, how);
}

static struct sent *pick(uint8_t which)
{
	struct sent *s = f.n_sent ? &f.sent[(f.n_sent - 1 - which % MEMORY) % MEMORY] : NULL;

	return s && s->len ? s : NULL;
}

static bool is_fresh(const struct sent *s)
{
	return s->forwarded && s->generation == g->snapshot->generation &&
	       g->now_ms - s->at_ms < FRESH_MS && !(f.config[0] & (TINY_TABLES | TINY_POOL));
}

/* Whoever asked gets the answer, from whom he asked. A TCP connection may have begun anew. */
static void law_of_answers(const struct sent *s, const struct packet *answer)
{
	struct tuple asked = tuple_reverse(&s->asked);

	if (!is_fresh(s) || asked.proto == IPPROTO_TCP || answer->verdict.next != VERDICT_CONTINUE ||
	    answer->side != s->side)
		return;
	for (uint32_t i = 0; i < g->n_out; i++)
		if (g->out[i].packet.verdict.next == VERDICT_CONTINUE &&
		    !(g->out[i].packet.flags & (PACKET_FRAGMENT | PACKET_ICMP_ERROR)) &&
		    sequence_law_is_forwarded(&g->out[i].packet, answer))
			law(tuple_equal(&g->out[i].packet.key, &asked));
}

/* An answer to something that left, or another packet like it. */
static void step_answer(void)
{
	struct sent *s = pick(take()), was;
	uint8_t how = take();
	struct packet seen, in;
	struct tuple t;

	if (!s)
		return;
	was = *s;
	seen = parse(was.bytes, was.len, was.side);
	t = tuple_reverse(&seen.key);
	how = (uint8_t)((how & 0xf0) | (seen.proto == IPPROTO_TCP ? 0 : seen.proto == IPPROTO_UDP ? 1 : 3));
	if ((how & 3) == 3 && (seen.icmp_type == 8 || seen.icmp_type == 128))
		how |= 4;
	in = build_and_send(&t, was.side, how);
	t = tuple_reverse(&seen.key);
	if (tuple_equal(&in.key, &t)) /* not of what cannot be built, or was damaged on the way */
		law_of_answers(&was, &in);
}

/* To the sender, with what he sent. */
static void law_of_quotes(const struct sent *s)
{
	struct tuple asked = tuple_reverse(&s->asked);

	if (!is_fresh(s) || s->asked.proto == IPPROTO_TCP)
		return;
	for (uint32_t i = 0; i < g->n_out; i++) {
		const struct packet *p = &g->out[i].packet;

		if (p->verdict.next == VERDICT_CONTINUE && p->flags & PACKET_ICMP_ERROR &&
		    g->out[i].side != s->side)
			law(tuple_equal(&p->key, &asked));
	}
}

/* An ICMP error about something that left. */
static void step_error(void)
{
	static const uint8_t types4[] = { 3, 3, 11, 12 }, types6[] = { 1, 2, 3, 4 };
	struct sent *s = pick(take()), was;
	uint8_t kind = take(), more = take(), *p = f.bytes + PACKET_HEADROOM;
	bool v4;
	struct addr from, to;
	uint32_t n, rest, len;

	if (!s)
		return;
	was = *s;
	v4 = was.bytes[0] >> 4 == 4;
	from = more & 1 ? (v4 ? addr_from_v4(was.bytes + 16) : addr_from_v6(was.bytes + 24)) :
	       was.side == SIDE_OUTSIDE ? a(v4 ? "192.0.2.99" : "2001:db8:ffff::99") :
					  a(v4 ? "192.0.2.30" : "2001:db8:1::99");
	to = v4 ? addr_from_v4(was.bytes + 12) : addr_from_v6(was.bytes + 8);
	n = more & 2 ? (uint32_t)take() * 8 : was.len;
	n = n > was.len ? was.len : n;
	n = n > 1200 ? 1200 : n;
	memset(was.bytes + was.len, 0, PACKET_BYTES - was.len);
	rest = more & 4 ? 1280 + take() : take();
	if (more & 8) { /* RFC 4884: an extension behind what was padded to 128 bytes */
		n = 136;
		rest = v4 ? 32u << 16 : 16u << 24;
		memcpy(was.bytes + 128, "\x20\0\xdf\xff\0\x04\1\1", 8);
	}
	len = build_error(p, &from, &to, (v4 ? types4 : types6)[kind & 3], kind >> 2 & 15, rest,
			  was.bytes, n);
	p = dress(p, &len, more & 0xf0);
	arrive(more & OTHER_SIDE ? !was.side : was.side, p, len);
	law_of_quotes(&was);
}

/** struct piece - of one datagram, offsets behind the IP header */
struct piece {
	uint32_t from, to;
};

static uint32_t build_piece(uint8_t *to, const uint8_t *whole, struct piece c, uint32_t total,
			    uint8_t id)
{
	bool v4 = whole[0] >> 4 == 4, more = c.to < total;
	uint32_t head = v4 ? 20 : 48;

	memcpy(to, whole, v4 ? 20 : 40);
	memcpy(to + head, whole + (v4 ? 20 : 40) + c.from, c.to - c.from);
	if (v4) {
		store16(to + 2, (uint16_t)(20 + c.to - c.from));
		store16(to + 4, id);
		store16(to + 6, (uint16_t)(c.from / 8 | (more ? 0x2000 : 0)));
		repair_ip4(to);
		return head + c.to - c.from;
	}
	store16(to + 4, (uint16_t)(8 + c.to - c.from));
	to[6] = 44;
	to[40] = whole[6];
	to[41] = 0;
	store16(to + 42, (uint16_t)(c.from | more));
	store32(to + 44, id);
	return head + c.to - c.from;
}

/** struct puzzle - what has come out of a datagram in pieces. */
struct puzzle {
	uint8_t payload[4096];
	uint32_t have, total;
};

static void collect(struct puzzle *z)
{
	for (uint32_t i = 0; i < g->n_out; i++) {
		const struct packet *p = &g->out[i].packet;
		uint32_t n = p->len - p->l4_at;

		if (p->verdict.next != VERDICT_CONTINUE || p->proto != IPPROTO_UDP ||
		    !(p->flags & PACKET_FRAGMENT))
			continue;
		law(p->frag_offset + n <= z->total);
		memcpy(z->payload + p->frag_offset, p->data + p->l4_at, n);
		z->have += n;
	}
}

/* A datagram in up to three pieces, in any order; perhaps not all of them, perhaps overlapping. */
static void step_pieces(void)
{
	static const uint8_t order[6][PIECES] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
						  { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
	static uint8_t whole[4096];
	struct sent *s = pick(take());
	uint8_t how = take(), id = take();
	struct packet seen = { .data = NULL };
	struct tuple t = { .src = a(inside_hosts[how & 3]), .dst = a("64:ff9b::192.0.2.33"),
			   .sport = be16_from(4000), .dport = be16_from(53) };
	struct puzzle z = { .total = 8 + 64 + (uint32_t)take() * 8 };
	enum side side = SIDE_INSIDE;
	uint32_t head, cut = z.total / 24 * 8;
	struct piece piece[PIECES] = { { 0, cut }, { cut, 2 * cut }, { 2 * cut, z.total } };

	if (s && how & 4) {
		seen = parse(s->bytes, s->len, s->side);
		t = tuple_reverse(&seen.key);
		side = s->side;
	}
	t.proto = IPPROTO_UDP;
	build_udp(whole, &t, z.total - 8);
	head = whole[0] >> 4 == 4 ? 20 : 40;
	if (how & 0x40) /* RFC 5722 */
		piece[1].from -= 8;
	for (int i = 0; i < PIECES; i++) {
		uint8_t *p = f.bytes + PACKET_HEADROOM;

		if (how & 0x80 && i == (id & 3))
			continue;
		arrive(side, p, build_piece(p, whole, piece[order[(how >> 3 & 7) % 6][i]], z.total, id));
		collect(&z);
	}
	if (z.have == z.total && !(how & 0xc0)) /* all of it: in the middle of the ports it changed */
		law(memcmp(z.payload + 8, whole + head + 8, z.total - 8) == 0);
}

static void step_time(void)
{
	static const uint32_t ms[] = { 1, 100, 1000, 2100, 7000, 12000, 61000, 125000,
				       241000, 301000, 3600000, 7441000 };

	gateway_advance(g, ms[take() % ARRAY_LEN(ms)]);
	sequence_law_out(g, &f.world, NULL);
	gateway_advance(g, 0); /* nothing comes between the timers and what they leave */
	sequence_law_owners(g);
}

static void step_publish(void)
{
	describe(take());
	gateway_publish(g, &f.args);
	adjust_snapshot();
}

/* A worker sets port blocks aside, another has them under the next snapshot. */
static void step_lend(void)
{
	static const uint8_t protocols[] = { NAT64_TCP, NAT64_UDP, NAT64_ICMP };
	struct nat64_loan loan[NAT64_LOAN_MAX];
	struct nat64_need need[STEER_WORKERS_MAX];
	struct nat64 *all[STEER_WORKERS_MAX];
	struct nat64_deal deal = { .protocol = protocols[take() % 3] };
	uint8_t who = take();
	uint32_t n;

	for (unsigned i = 0; i < g->n_workers; i++) {
		all[i] = g->worker[i]->nat64;
		need[i] = nat64_need(all[i], deal.protocol);
	}
	nat64_tell_others(all, g->n_workers);
	if (!nat64_deal(need, g->n_workers, &deal))
		deal = (struct nat64_deal){ deal.protocol, (uint8_t)((who & 3) % g->n_workers),
					    (uint8_t)((who >> 2 & 3) % g->n_workers),
					    1 + (who >> 4), who & 1 };
	nat64_ask_loan(g->worker[deal.from]->nat64, &deal);
	gateway_advance(g, 1000);
	n = nat64_take_loans(g->worker[deal.from]->nat64, loan, NAT64_LOAN_MAX);
	for (uint32_t i = 0; i < n; i++)
		nat64_table_lend(g->snapshot->nat64, &loan[i], deal.to);
	step_publish();
}

/* Bytes that were not built here: where their checksum is, somebody says. */
static void leave_any_over(void)
{
	struct left_over l = f.left_over;

	f.left_over = (struct left_over){ 0 };
	if (!l.how)
		return;
	f.off = (struct offload){ .gso = l.how & LEFT_SEGMENTS ? 1 + l.gso % GSO_UDP : GSO_NONE,
				  .csum_partial = l.how & LEFT_CHECKSUM,
				  .gso_size = l.how & LEFT_NO_SIZE ? 0 : l.gso,
				  .csum_start = l.size,
				  .csum_offset = l.gso & 31 };
}

/* What left comes back with a few bytes changed, turned round or as it is. */
static void step_mutated(void)
{
	struct sent *s = pick(take()), was;
	uint8_t how = take();
	uint32_t at;

	if (!s)
		return;
	was = *s;
	for (unsigned n = 0; n < 1 + (how & 3u); n++) {
		at = take() % was.len;
		was.bytes[at] = take();
	}
	if (how & 4 && was.len >= 20 && was.bytes[0] >> 4 == 4 && (was.bytes[0] & 15) >= 5 &&
	    (was.bytes[0] & 15) * 4u <= was.len)
		repair_ip4(was.bytes);
	leave_any_over();
	arrive(how & 8 ? SIDE_INSIDE : SIDE_OUTSIDE, was.bytes, was.len);
}

static void step_raw(void)
{
	enum side side = take() & 1 ? SIDE_OUTSIDE : SIDE_INSIDE;
	uint32_t len = take();

	len = len < (uint32_t)(f.end - f.at) ? len : (uint32_t)(f.end - f.at);
	if (!len)
		return;
	memcpy(f.bytes + PACKET_HEADROOM, f.at, len);
	f.at += len;
	leave_any_over();
	arrive(side, f.bytes + PACKET_HEADROOM, len);
}

/* The next packet comes with work left over. */
static void step_leave_over(void)
{
	f.left_over = (struct left_over){ .how = take(), .size = take() };
	f.left_over.gso = take();
}

static void one_step(void)
{
	static void (*const steps[])(void) = { step_inside, step_inside,  step_outside, step_answer,
					       step_answer, step_error,   step_pieces,  step_time,
					       step_mutated, step_publish, step_raw,     step_lend };
	uint8_t step = take();

	if (step >= LEAVE_OVER)
		step_leave_over();
	else
		steps[step % ARRAY_LEN(steps)]();
	sequence_law_tables(g, g->snapshot->generation == 1);
}

static void finish(void)
{
	for (int i = 0; i < 16 && gateway_flows(g) > 0; i++)
		gateway_advance(g, 7500000);
	gateway_advance(g, 300000); /* whatever rests for a while when it is free */
	gateway_advance(g, 1);
	sequence_law_tables(g, false);
	sequence_law_end(g, (uint32_t)f.args.nat64->n_static);
	gateway_fini(g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	f.at = data;
	f.end = data + size;
	start();
	for (int i = 0; i < STEPS_MAX && f.at < f.end; i++)
		one_step();
	finish();
	return 0;
}
