/* conf.c - defaults and rules of section `services:`, health presets. Looks at no other section;
 * compiles nothing. Names are compared as whole arrays: they are filled with zeros. */
#include "sixgate/services/conf.h"
#include "sixgate/base/must.h"
#include "sixgate/services/services.h"
#include "sixgate/translate/rfc6052.h"

enum { PROTO_TCP = 6, PROTO_UDP = 17 };

void health_conf_default(struct health_conf *c)
{
	*c = (struct health_conf){
		.kind = HEALTH_TCP,
		.path = "/",
		.status_first = 200,
		.status_last = 299,
		.interval_ms = 2000,
		.timeout_ms = 1000,
		.rise = 2,
		.fall = 3,
		.through_dataplane = true,
	};
}

void node_conf_default(struct node_conf *c)
{
	*c = (struct node_conf){ .weight = 1 };
}

void service_conf_default(struct service_conf *c)
{
	*c = (struct service_conf){
		.protocol = PROTO_TCP,
		.scheduler = SCHEDULER_P2C,
		.client_address = CLIENT_EMBED,
		.spill_percent = 80,
		.drain_ms = 300000,
		.idle_timeout_ms = 350000,
	};
	health_conf_default(&c->health);
}

/* What each object store answers cheaply and without a signature when it can serve. */
static const struct {
	char name[16];
	enum health_kind kind;
	char path[32];
	uint16_t port, status_last;
} presets[] = {
	{ "minio", HEALTH_HTTP, "/minio/health/live", 0, 200 },
	{ "rgw", HEALTH_HTTP, "/swift/healthcheck", 0, 200 },
	{ "garage", HEALTH_HTTP, "/health", 3903, 200 }, /* its admin port */
	{ "seaweedfs", HEALTH_HTTP, "/healthz", 0, 200 },
	{ "tcp", HEALTH_TCP, "/", 0, 299 },
	{ "http", HEALTH_HTTP, "/", 0, 299 },
};

/* Without libc: this library may use memory functions only. */
static bool names_preset(const char *name, const char *preset)
{
	size_t i = 0;

	while (preset[i] && preset[i] == name[i])
		i++;
	return preset[i] == name[i];
}

int health_conf_preset(struct health_conf *c, const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(presets); i++) {
		if (!names_preset(name, presets[i].name))
			continue;
		c->kind = presets[i].kind;
		memset(c->path, 0, sizeof(c->path));
		memcpy(c->path, presets[i].path, sizeof(presets[i].path));
		c->port = presets[i].port;
		c->status_first = 200;
		c->status_last = presets[i].status_last;
		return 0;
	}
	return -ENOENT;
}

static bool is_set(const struct addr *a)
{
	static const struct addr none;

	return !addr_equal(a, &none);
}

/* An address that a host can have: not unspecified, multicast, loopback or link-local. */
static bool usable(const struct addr *a)
{
	static const struct addr loopback = { .octet = { [15] = 1 } };

	if (addr_is_multicast(a) || !is_set(a))
		return false;
	if (addr_is_v4(a))
		return a->octet[12] != 0 && a->octet[12] != 127 && a->octet[12] < 240;
	return !addr_equal(a, &loopback) && !addr_is_link_local6(a);
}

static bool has_vip(const struct service_conf *s, bool v4)
{
	for (size_t i = 0; i < s->n_address; i++)
		if (addr_is_v4(&s->address[i]) == v4)
			return true;
	return false;
}

/* Why clients of the service's VIPs of one family (@v4) cannot be shown to @node, or NULL. */
static const char *untranslatable(const struct service_conf *s, const struct node_conf *node, bool v4)
{
	bool node_v4 = addr_is_v4(&node->address);
	bool hide = s->client_address == CLIENT_HIDE;
	bool source = is_set(node_v4 ? &s->source_v4 : &s->source_v6);

	if (!has_vip(s, v4))
		return NULL;
	if (hide && !source)
		return node_v4 ? "`client-address: hide` needs source.v4 for this IPv4 node" :
				 "`client-address: hide` needs source.v6 for this IPv6 node";
	if (node_v4 == v4 || hide)
		return NULL;
	if (s->client_address == CLIENT_KEEP)
		return node_v4 ?
			       "IPv6 clients of the service cannot keep their address towards this "
			       "IPv4 node: use `client-address: embed` with source.v4, or `hide`" :
			       "IPv4 clients of the service cannot keep their address towards this "
			       "IPv6 node: use `client-address: embed` with embed-prefix, or `hide`";
	if (node_v4)
		return source ? NULL :
				"IPv6 clients of the service cannot be translated to this IPv4 "
				"node: source.v4 is missing";
	return s->embed_prefix.len ? NULL :
				     "IPv4 clients of the service cannot be translated to this "
				     "IPv6 node: embed-prefix is missing";
}

static bool is_vip(const struct services_conf *c, const struct addr *a)
{
	for (size_t i = 0; i < c->n_service; i++)
		for (size_t j = 0; j < c->service[i].n_address; j++)
			if (addr_equal(&c->service[i].address[j], a))
				return true;
	return false;
}

static void complain_of_node_twins(const struct service_conf *s, size_t at, struct complaints *to)
{
	const struct node_conf *n = &s->node[at];
	uint16_t port = n->port ? n->port : s->port;

	for (size_t i = 0; i < at; i++) {
		const struct node_conf *m = &s->node[i];

		if (!memcmp(m->name, n->name, sizeof(n->name)))
			complain(to, n->name, "services.nodes.name",
				 "node %zu has the name %s too", i + 1, n->name);
		if (addr_equal(&m->address, &n->address) && (m->port ? m->port : s->port) == port)
			complain(to, &n->address, "services.nodes.address",
				 "node %zu has the same address and port", i + 1);
	}
}

static void complain_of_node(const struct services_conf *c, const struct service_conf *s,
			     const struct node_conf *n, struct complaints *to)
{
	const char *why = untranslatable(s, n, true);

	if (!why)
		why = untranslatable(s, n, false);
	if (!n->name[0])
		complain(to, n->name, "services.nodes.name", "is missing");
	if (!usable(&n->address))
		complain(to, &n->address, "services.nodes.address",
			 "expected the address of a host, IPv4 or IPv6");
	else if (is_vip(c, &n->address))
		complain(to, &n->address, "services.nodes.address",
			 "is an address of a service: a node cannot be behind itself");
	else if (why)
		complain(to, &n->address, "services.nodes.address", "%s", why);
	if (n->weight > NODE_WEIGHT_MAX)
		complain(to, &n->weight, "services.nodes.weight", "expected 0 to %d, found %u",
			 NODE_WEIGHT_MAX, n->weight);
}

static void complain_of_nodes(const struct services_conf *c, const struct service_conf *s,
			      struct complaints *to)
{
	if (!s->n_node || s->n_node > SERVICE_NODES_MAX)
		complain(to, &s->node, "services.nodes", "expected 1 to %d nodes, found %zu",
			 SERVICE_NODES_MAX, s->n_node);
	for (size_t i = 0; i < s->n_node && i < SERVICE_NODES_MAX; i++) {
		complain_of_node(c, s, &s->node[i], to);
		complain_of_node_twins(s, i, to);
	}
}

static void complain_of_addresses(const struct service_conf *s, struct complaints *to)
{
	if (!s->n_address || s->n_address > SERVICE_ADDRESSES_MAX)
		complain(to, s->address, "services.addresses", "expected 1 to %d addresses, found %zu",
			 SERVICE_ADDRESSES_MAX, s->n_address);
	for (size_t i = 0; i < s->n_address && i < SERVICE_ADDRESSES_MAX; i++) {
		if (!usable(&s->address[i]))
			complain(to, &s->address[i], "services.addresses",
				 "expected an address that a host can have, IPv4 or IPv6");
		for (size_t j = 0; j < i; j++)
			if (addr_equal(&s->address[i], &s->address[j]))
				complain(to, &s->address[i], "services.addresses",
					 "stands twice in the list");
	}
}

static void complain_of_source(const struct service_conf *s, struct complaints *to)
{
	struct pool6 pool6;
	struct err e;

	if (is_set(&s->source_v4) && (!addr_is_v4(&s->source_v4) || !usable(&s->source_v4)))
		complain(to, &s->source_v4, "services.source.v4", "expected an IPv4 address");
	if (is_set(&s->source_v6) && (addr_is_v4(&s->source_v6) || !usable(&s->source_v6)))
		complain(to, &s->source_v6, "services.source.v6", "expected an IPv6 address");
	if (!s->embed_prefix.len)
		return;
	if (s->embed_prefix.len != 96)
		complain(to, &s->embed_prefix, "services.embed-prefix",
			 "expected an IPv6 prefix of 96 bits, found %u", s->embed_prefix.len);
	else if (pool6_init(&pool6, &s->embed_prefix, &e))
		complain(to, &s->embed_prefix, "services.embed-prefix", "%s", e.text);
}

static void complain_of_health(const struct health_conf *h, struct complaints *to)
{
	if (h->kind == HEALTH_NONE)
		return;
	if (h->kind == HEALTH_HTTP && h->path[0] != '/')
		complain(to, h->path, "services.health.http.path", "expected a path from / on");
	if (h->kind == HEALTH_HTTP && (h->status_first < 100 || h->status_last > 599 ||
				       h->status_first > h->status_last))
		complain(to, &h->status_first, "services.health.http.status",
			 "expected status codes from 100 to 599, found %u-%u", h->status_first,
			 h->status_last);
	if (h->interval_ms < HEALTH_INTERVAL_MIN_MS || h->interval_ms > HEALTH_INTERVAL_MAX_MS)
		complain(to, &h->interval_ms, "services.health.interval", "expected %d to %d ms",
			 HEALTH_INTERVAL_MIN_MS, HEALTH_INTERVAL_MAX_MS);
	if (h->timeout_ms < HEALTH_TIMEOUT_MIN_MS || h->timeout_ms > h->interval_ms)
		complain(to, &h->timeout_ms, "services.health.timeout",
			 "expected %d ms to the interval, which is %u ms, found %u ms",
			 HEALTH_TIMEOUT_MIN_MS, h->interval_ms, h->timeout_ms);
	if (h->rise < 1 || h->rise > HEALTH_COUNT_MAX)
		complain(to, &h->rise, "services.health.rise", "expected 1 to %d",
			 HEALTH_COUNT_MAX);
	if (h->fall < 1 || h->fall > HEALTH_COUNT_MAX)
		complain(to, &h->fall, "services.health.fall", "expected 1 to %d",
			 HEALTH_COUNT_MAX);
}

static bool has_zone(const struct service_conf *s, const char *zone)
{
	for (size_t i = 0; i < s->n_node; i++)
		if (!memcmp(s->node[i].zone, zone, SERVICE_NAME_MAX))
			return true;
	return false;
}

static void complain_of_zones(const struct service_conf *s, struct complaints *to)
{
	if (s->prefer_zone[0] && !has_zone(s, s->prefer_zone))
		complain(to, s->prefer_zone, "services.zones.prefer", "no node has the zone %s",
			 s->prefer_zone);
	if (s->spill_percent < 1 || s->spill_percent > 100)
		complain(to, &s->spill_percent, "services.zones.spill", "expected 1 to 100 %%");
}

static void complain_of_service(const struct services_conf *c, const struct service_conf *s,
				struct complaints *to)
{
	if (!s->name[0])
		complain(to, s->name, "services.name", "is missing");
	if (s->protocol != PROTO_TCP && s->protocol != PROTO_UDP)
		complain(to, &s->protocol, "services.protocol", "expected tcp or udp");
	if (!s->port)
		complain(to, &s->port, "services.port", "is missing: 1 to 65535");
	complain_of_addresses(s, to);
	complain_of_source(s, to);
	complain_of_nodes(c, s, to);
	complain_of_health(&s->health, to);
	complain_of_zones(s, to);
	if (s->drain_ms > DRAIN_MAX_MS)
		complain(to, &s->drain_ms, "services.drain", "expected at most %d ms",
			 DRAIN_MAX_MS);
	if (s->slow_start_ms > SLOW_START_MAX_MS)
		complain(to, &s->slow_start_ms, "services.slow-start", "expected at most %d ms",
			 SLOW_START_MAX_MS);
	if (s->idle_timeout_ms < IDLE_TIMEOUT_MIN_MS || s->idle_timeout_ms > IDLE_TIMEOUT_MAX_MS)
		complain(to, &s->idle_timeout_ms, "services.idle-timeout", "expected %d to %d ms",
			 IDLE_TIMEOUT_MIN_MS, IDLE_TIMEOUT_MAX_MS);
}

/* Two services may share an address if its protocol and port tell them apart. */
static void complain_of_overlap(const struct service_conf *s, const struct service_conf *other,
				struct complaints *to)
{
	if (s->name[0] && !memcmp(s->name, other->name, sizeof(s->name)))
		complain(to, s->name, "services.name", "another service has the name %s too",
			 s->name);
	if (s->protocol != other->protocol || s->port != other->port)
		return;
	for (size_t i = 0; i < s->n_address; i++)
		for (size_t j = 0; j < other->n_address; j++)
			if (addr_equal(&s->address[i], &other->address[j]))
				complain(to, &s->address[i], "services.addresses",
					 "service %s has this address, protocol and port too",
					 other->name);
}

static void complain_of_embed_prefixes(const struct services_conf *c, size_t at,
				       struct complaints *to)
{
	const struct prefix *p = &c->service[at].embed_prefix;

	for (size_t i = 0; p->len && i < c->n_service; i++)
		for (size_t j = 0; j < c->service[i].n_address; j++)
			if (prefix_contains(p, &c->service[i].address[j]))
				complain(to, p, "services.embed-prefix",
					 "contains an address of service %s", c->service[i].name);
}

void services_conf_complain(const struct services_conf *c, struct complaints *to)
{
	size_t n_node = 0;

	if (c->n_service > SERVICES_MAX) {
		complain(to, &c->service, "services", "expected at most %d services", SERVICES_MAX);
		return;
	}
	for (size_t i = 0; i < c->n_service; i++) {
		complain_of_service(c, &c->service[i], to);
		complain_of_embed_prefixes(c, i, to);
		for (size_t j = 0; j < i; j++)
			complain_of_overlap(&c->service[i], &c->service[j], to);
		n_node += c->service[i].n_node;
	}
	if (n_node > SERVICES_NODE_SLOTS)
		complain(to, &c->service, "services", "expected at most %d nodes in all, found %zu",
			 SERVICES_NODE_SLOTS, n_node);
}

int services_conf_check(const struct services_conf *c, struct err *e)
{
	struct first_complaint first = first_complaint(e);

	services_conf_complain(c, &first.to);
	return first.code;
}
