/* dns64_world.h - the query engine of dns64 with a world that only keeps what the engine sent, and
 * aborts when it breaks a promise. */
#pragma once
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include "sixgate/base/must.h"
#include "sixgate/base/wire.h"
#include "../unit/dns64/hit_law.h"
#include "resolver.h"

#define WORLD_ASKED "2001:db8:53::1"

enum { ASKED_MAX = 64, WORLD_CLIENTS = 6 /* one of no view, one of each */ };

struct asked {
	bool tcp, over;
	int socket;
	uint32_t ask;
	struct endpoint_conf to;
	uint8_t wire[512];
	size_t len;
};

static struct fuzz_world {
	struct resolver *r;
	struct dns64_stats stats;
	struct asked asked[ASKED_MAX];
	unsigned n_asked, n_open;
	size_t most;
	uint64_t now_ms;
	struct hit_law law;
} world;

/* RFC 7873 5.4: no question, an OPT with a cookie. */
static inline bool is_cookie(const uint8_t *wire, size_t len)
{
	return len == DNS_HEADER_LEN + DNS_OPT_LEN + 4 + DNS_COOKIE_LEN && !load32(wire + 4) &&
	       load32(wire + 8) == 1 && load16(wire + DNS_HEADER_LEN + 1) == DNS_TYPE_OPT;
}

/* What a client gets is a whole message that fits, whatever came in. */
static inline void world_reply(void *ctx, const struct client *c, const uint8_t *wire, size_t len)
{
	(void)ctx;
	must(world.n_open > 0);
	world.n_open--;
	hit_law_heard(&world.law, wire, len);
	if (!len)
		return;
	must(len >= DNS_HEADER_LEN && len <= (c->most ? c->most : DNS_UDP_PAYLOAD));
	must(load16(wire + 2) & DNS_QR);
	must(len == DNS_HEADER_LEN || dns_message_check(wire, len) || is_cookie(wire, len));
}

static inline int world_pick(void *ctx)
{
	(void)ctx;
	return 0;
}

static inline void world_unpick(void *ctx, int socket)
{
	(void)ctx;
	must(socket == 0);
}

static inline int keep(const struct asked *a, const uint8_t *wire, size_t len)
{
	if (world.n_asked == ASKED_MAX)
		return -1;
	must(len <= sizeof(a->wire) && dns_message_check(wire, len));
	world.asked[world.n_asked] = *a;
	memcpy(world.asked[world.n_asked].wire, wire, len);
	world.asked[world.n_asked++].len = len;
	return 0;
}

static inline int world_send(void *ctx, int socket, const struct datagram_out *d)
{
	struct asked a = { .socket = socket, .to = *d->to };

	(void)ctx;
	return keep(&a, d->wire, d->len);
}

static inline int world_tcp_start(void *ctx, uint32_t ask, const struct endpoint_conf *to,
				  const uint8_t *wire, size_t len)
{
	struct asked a = { .tcp = true, .ask = ask, .to = *to };

	(void)ctx;
	return keep(&a, wire, len);
}

static inline int world_tls_start(void *ctx, uint32_t ask, size_t upstream, const uint8_t *wire,
				  size_t len)
{
	return world_tcp_start(ctx, ask, &world.r->policy->upstream[upstream].at, wire, len);
}

static inline void world_tcp_cancel(void *ctx, uint32_t ask)
{
	(void)ctx;
	for (unsigned i = 0; i < world.n_asked; i++)
		if (world.asked[i].tcp && world.asked[i].ask == ask)
			world.asked[i].over = true;
}

static inline struct prefix world_prefix(const char *text)
{
	struct prefix p;

	must(prefix_parse(text, &p) == 0);
	return p;
}

/* By the client's third group: a prefix of their own, and real AAAA are as if they were not; nothing
 * made; every AAAA excluded, some A to other prefixes or to none; withheld; one AAAA in two excluded. */
static inline void world_views(struct dns64_conf *c)
{
	static char name[] = "example.", *always[] = { name };
	static struct prefix clients[WORLD_CLIENTS - 1], own, exclude[2];
	static struct dns64_mapped_conf mapped[3];
	static struct dns64_view_conf view[WORLD_CLIENTS - 1];
	static struct addr asked;

	own = world_prefix("2001:db8:64::/96");
	exclude[0] = world_prefix("::/0");
	exclude[1] = world_prefix("8000::/1");
	mapped[0] = (struct dns64_mapped_conf){ .v4 = world_prefix("0.0.0.0/1"),
						.v6 = world_prefix("2001:db8:7::/48") };
	mapped[1] = (struct dns64_mapped_conf){ .v4 = world_prefix("8.8.8.0/29") };
	mapped[2] = (struct dns64_mapped_conf){ .v4 = world_prefix("192.0.2.0/24") };
	view[0] = (struct dns64_view_conf){ .synthesize = true, .prefix = &own, .n_prefix = 1,
					    .always = always, .n_always = 1 };
	view[2] = (struct dns64_view_conf){ .synthesize = true, .exclude = exclude, .n_exclude = 1,
					    .mapped = mapped, .n_mapped = 3 };
	view[3].withheld = true;
	view[4] = (struct dns64_view_conf){ .synthesize = true, .exclude = exclude + 1,
					    .n_exclude = 1 };
	for (size_t i = 0; i < WORLD_CLIENTS - 1; i++) {
		clients[i] = world_prefix("2001:db8::/48");
		clients[i].addr.octet[5] = (uint8_t)(i + 1);
		view[i].clients = &clients[i];
		view[i].n_clients = 1;
	}
	must(addr_parse(WORLD_ASKED, &asked) == 0);
	view[1].listen = &asked;
	view[1].n_listen = 1;
	c->view = view;
	c->n_view = WORLD_CLIENTS - 1;
}

/* An address, and an alias of what is elsewhere. */
static inline void world_zones(struct dns64_conf *c)
{
	static char here[] = "z.example.", alias[] = "y.example.", elsewhere[] = "a.example.";
	static struct addr v4;
	static struct dns64_zone_conf zone[] = { { .name = here, .a = &v4, .n_a = 1 },
						 { .name = alias, .cname = elsewhere } };

	must(addr_parse("8.8.4.4", &v4) == 0);
	c->zone = zone;
	c->n_zone = 2;
}

/* Two prefixes, so that private addresses have somewhere to go; excludes and never in use. */
static inline struct dns64_policy *world_policy(void)
{
	static char never[] = "never.example.", *nevers[] = { never };
	static char name[] = "dns.example.";
	struct dns64_upstream_conf upstream[3] = { { .port = 53 },
						   { .port = 53 },
						   { .port = 853, .tls = true, .name = name } };
	struct prefix prefix[2];
	struct dns64_policy *p;
	struct dns64_conf c;
	struct err e;

	dns64_conf_default(&c);
	must(prefix_parse("64:ff9b::/96", &prefix[0]) == 0);
	must(prefix_parse("2001:db8:122:300::/56", &prefix[1]) == 0);
	must(addr_parse("2001:db8::53", &upstream[0].address) == 0);
	must(addr_parse("192.0.2.53", &upstream[1].address) == 0);
	c.prefix = prefix;
	c.n_prefix = 2;
	c.upstream = upstream;
	must(addr_parse("192.0.2.54", &upstream[2].address) == 0);
	c.n_upstream = 3;
	c.randomize_case = true;
	c.never = nevers;
	c.n_never = 1;
	world_views(&c);
	world_zones(&c);
	must(dns64_policy_new(&p, &c, &e) == 0);
	return p;
}

static inline void world_start(void)
{
	static const struct resolver_io io = { .reply = world_reply,
					       .pick = world_pick,
					       .send = world_send,
					       .unpick = world_unpick,
					       .tcp_start = world_tcp_start,
					       .tcp_cancel = world_tcp_cancel,
					       .tls_start = world_tls_start,
					       .tls_cancel = world_tcp_cancel };
	static const struct hash_key secret = { { 1, 2, 3, 4, 5, 6, 7, 8 } };
	struct resolver_setup setup = { .policy = world_policy(),
					.io = &io,
					.stats = &world.stats,
					.secret = &secret,
					.cache_bytes = 1 << 20 };
	struct err e;

	log_open("fuzz", LOG_LEVEL_ERROR);
	must(resolver__new(&world.r, &setup, &e) == 0);
}

static inline void world_pass(uint64_t ms)
{
	world.now_ms += ms;
	resolver__time(world.r, world.now_ms);
	resolver__advance(world.r);
}

/* @client: below WORLD_CLIENTS; 0: of no view. Whether the one view of an address is theirs who are in it
 * depends on @len. */
static inline void world_query(unsigned client, const uint8_t *wire, size_t len, size_t most)
{
	struct client c = { .most = most, .peer = { .sin6_family = AF_INET6, .sin6_port = 1 } };
	uint8_t *address = c.peer.sin6_addr.s6_addr;

	store32(address, 0x20010db8);
	store16(address + 4, (uint16_t)client);
	if (len % 4)
		must(inet_pton(AF_INET6, WORLD_ASKED, &c.local.ipi6_addr) == 1);
	world.n_open++;
	hit_law_try(&world.law, world.r, &c, wire, len);
	resolver__query(world.r, &c, wire, len);
	hit_law_judge(&world.law, world.r);
}

/* Whatever is open comes to its end; then nothing may be left, and the cache is emptied now and
 * then so that one input does not lean on another. */
static inline void world_settle(void)
{
	for (int i = 0; i < 10; i++)
		world_pass(500);
	must(world.n_open == 0);
	must(resolver__next(world.r) == UINT64_MAX);
	dns64_cache_limit(world.r->cache, 0);
	dns64_cache_limit(world.r->cache, 1 << 20);
	world.n_asked = 0;
}
