/*
 * services_gateway.c - laws of services over the whole data plane, with random clients, nodes that
 * answer, refuse, cannot be reached or keep silent, and one to four workers that packets reach by accident:
 *
 * - a client whose service has a node that answers gets a connection, and never a reset
 *   or an ICMP error;
 * - the node sees the client by the address it is promised, and bytes pass both ways;
 * - when everything is over no flow is left and no node is counted as busy.
 */
#include "test.h"
#include <netinet/in.h>
#include "build.h"
#include "gateway.h"
#include "sixgate/flow/tcp.h"

enum { ROUNDS = 60, CLIENTS = 40, N_NODES = 4, SENDS_MAX = 8, QUEUE_MAX = 64, PORT = 9000 };

enum behaviour { ANSWERS, REFUSES, UNREACHABLE, SILENT, N_BEHAVIOURS };

enum client_kind { CLIENT_V4, CLIENT_V6, CLIENT_BEHIND_NAT64, N_CLIENT_KINDS };

/** struct node_model - how a storage node behaves. */
struct node_model {
	struct addr address;
	enum behaviour behaviour;
};

/** struct client_model - one connection, as its client sees it. */
struct client_model {
	enum client_kind kind;
	enum side side;
	struct tuple sends; /* what its own packets say */
	struct tuple at_node; /* what the node that answered saw */
	bool connected, was_reset;
	uint32_t n_sent, n_at_node, n_at_client;
};

struct queued {
	enum side side;
	uint32_t len;
	uint8_t data[200];
};

static uint64_t seed;
static struct gateway g;
static struct gateway_args args;
static struct nat64_conf nat64;
static struct pool4_conf pool;
static struct service_conf service;
static struct services_conf services;
static struct node_conf node_conf[N_NODES];
static struct node_model node[N_NODES];
static struct queued queue[QUEUE_MAX];
static uint32_t n_queued;

static struct addr addr_of(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static void configure(void)
{
	static const char *const addresses[N_NODES] = { "2001:db8:5::1", "2001:db8:5::2", "192.0.2.31",
							"192.0.2.32" };

	nat64_conf_default(&nat64);
	pool = (struct pool4_conf){ .first = addr_of("198.51.100.10"), .last = addr_of("198.51.100.10"),
				    .port_first = 1024, .port_last = 65535,
				    .protocols = NAT64_TCP | NAT64_UDP | NAT64_ICMP };
	nat64.pool4 = &pool;
	nat64.n_pool4 = 1;
	nat64.allow_private = true;
	service_conf_default(&service);
	strcpy(service.name, "s3");
	service.protocol = IPPROTO_TCP;
	service.port = PORT;
	service.address[0] = addr_of("198.51.100.20");
	service.address[1] = addr_of("2001:db8::20");
	service.n_address = 2;
	service.source_v4 = addr_of("198.51.100.21");
	service.source_v6 = addr_of("2001:db8:64:21::");
	assert_int_equal(prefix_parse("2001:db8:64:20::/96", &service.embed_prefix), 0);
	service.node = node_conf;
	service.n_node = N_NODES;
	for (int i = 0; i < N_NODES; i++) {
		node_conf_default(&node_conf[i]);
		snprintf(node_conf[i].name, sizeof(node_conf[i].name), "store%d", i);
		node[i].address = node_conf[i].address = addr_of(addresses[i]);
	}
	services = (struct services_conf){ .service = &service, .n_service = 1 };
}

static struct node_model *node_at(const struct addr *a)
{
	for (int i = 0; i < N_NODES; i++)
		if (addr_equal(&node[i].address, a))
			return &node[i];
	return NULL;
}

static void enqueue(enum side side, const struct tuple *t, struct tcp_args tcp, uint32_t n)
{
	struct queued *q = &queue[n_queued++];

	assert_true(n_queued <= QUEUE_MAX);
	q->side = side;
	q->len = build_tcp(q->data, t, tcp, n);
}

/* A router on the node's side, or our own kernel, says that the node is not there. */
static void enqueue_unreachable(const struct packet *about)
{
	bool v4 = addr_is_v4(&about->key.src);
	struct addr router = addr_of(v4 ? "192.0.2.254" : "2001:db8:5::fe");
	struct queued *q = &queue[n_queued++];

	assert_true(n_queued <= QUEUE_MAX);
	q->side = SIDE_INSIDE;
	q->len = build_error(q->data, &router, &about->key.src, v4 ? 3 : 1, v4 ? 1 : 3, 0, about->data,
			     about->len);
}

static uint32_t payload_of(const struct packet *p)
{
	return p->len - p->l4_at - (p->data[p->l4_at + 12] >> 4) * 4u;
}

static void assert_seen_as_promised(const struct client_model *c, const struct tuple *t)
{
	if (addr_is_v4(&t->dst)) {
		if (c->kind == CLIENT_V6)
			assert_true(addr_equal(&t->src, &service.source_v4));
		else if (c->kind == CLIENT_V4)
			assert_true(addr_equal(&t->src, &c->sends.src));
		else
			assert_true(addr_equal(&t->src, &pool.first));
	} else if (c->kind == CLIENT_V6) {
		assert_true(addr_equal(&t->src, &c->sends.src));
	} else {
		const struct addr *v4 = c->kind == CLIENT_V4 ? &c->sends.src : &pool.first;

		assert_memory_equal(t->src.octet, service.embed_prefix.addr.octet, 12);
		assert_memory_equal(t->src.octet + 12, v4->octet + 12, 4);
	}
}

static void at_node(struct client_model *c, const struct node_model *n, const struct packet *p)
{
	struct tuple back = tuple_reverse(&p->key);
	uint32_t seq = load32(p->data + p->l4_at + 4);

	assert_seen_as_promised(c, &p->key);
	if (p->tcp_flags == TCP_SYN && n->behaviour == REFUSES) {
		enqueue(SIDE_INSIDE, &back, (struct tcp_args){ TCP_RST | TCP_ACK, 0, seq + 1 }, 0);
	} else if (p->tcp_flags == TCP_SYN && n->behaviour == UNREACHABLE) {
		enqueue_unreachable(p);
	} else if (p->tcp_flags == TCP_SYN && n->behaviour == ANSWERS) {
		c->at_node = p->key;
		enqueue(SIDE_INSIDE, &back, (struct tcp_args){ TCP_SYN | TCP_ACK, 7000, seq + 1 }, 0);
	} else {
		c->n_at_node += payload_of(p);
	}
}

static void at_client(struct client_model *c, const struct packet *p)
{
	struct tuple expected = tuple_reverse(&c->sends);

	assert_true(tuple_equal(&p->key, &expected));
	assert_false(p->flags & PACKET_ICMP_ERROR);
	c->was_reset |= (p->tcp_flags & TCP_RST) != 0;
	c->connected |= p->tcp_flags == (TCP_SYN | TCP_ACK);
	c->n_at_client += payload_of(p);
}

static void deliver_all(struct client_model *c)
{
	for (uint32_t i = 0; i < g.n_out; i++) {
		const struct packet *p = &g.out[i].packet;
		const struct node_model *n = node_at(&p->key.dst);

		assert_int_equal(p->verdict.next, VERDICT_CONTINUE);
		assert_true(l4_checksum_is_right(p));
		assert_int_equal(g.out[i].side, n ? SIDE_INSIDE : c->side);
		if (n)
			at_node(c, n, p);
		else
			at_client(c, p);
	}
}

/* One segment in, and everything that follows from it. */
static void exchange(struct client_model *c, enum side side, const struct tuple *t,
		     struct tcp_args tcp, uint32_t n)
{
	uint32_t at = n_queued;

	enqueue(side, t, tcp, n);
	for (; at < n_queued; at++) {
		gateway_send(&g, queue[at].side, queue[at].data, queue[at].len);
		deliver_all(c);
	}
	n_queued = 0;
}

static struct client_model random_client(uint32_t i)
{
	struct client_model c = { .kind = (enum client_kind)(rnd(&seed) % N_CLIENT_KINDS),
				  .side = SIDE_OUTSIDE };
	uint16_t port = (uint16_t)(1024 + rnd(&seed) % 60000);
	char text[64];

	switch (c.kind) {
	case CLIENT_V4:
		snprintf(text, sizeof(text), "203.0.113.%u", 1 + i);
		c.sends = tuple_of(text, "198.51.100.20", port, PORT, IPPROTO_TCP);
		break;
	case CLIENT_V6:
		snprintf(text, sizeof(text), "2001:db8:9::%x", 1 + i);
		c.sends = tuple_of(text, "2001:db8::20", port, PORT, IPPROTO_TCP);
		break;
	default:
		snprintf(text, sizeof(text), "2001:db8:1::%x", 1 + i);
		c.sends = tuple_of(text, "64:ff9b::198.51.100.20", port, PORT, IPPROTO_TCP);
		c.side = SIDE_INSIDE;
	}
	return c;
}

static void connect_client(struct client_model *c)
{
	uint32_t wait_ms = 1000;

	while (!c->connected && !c->was_reset && c->n_sent < SENDS_MAX) {
		if (c->n_sent++)
			gateway_advance(&g, wait_ms *= 2);
		exchange(c, c->side, &c->sends, (struct tcp_args){ TCP_SYN, 100, 0 }, 0);
	}
}

static void send_both_ways(struct client_model *c)
{
	struct tuple back = tuple_reverse(&c->at_node);

	exchange(c, c->side, &c->sends, (struct tcp_args){ TCP_ACK, 101, 7001 }, 0);
	exchange(c, c->side, &c->sends, (struct tcp_args){ TCP_ACK, 101, 7001 }, 30);
	exchange(c, SIDE_INSIDE, &back, (struct tcp_args){ TCP_ACK, 7001, 131 }, 50);
	assert_int_equal(c->n_at_node, 30);
	assert_int_equal(c->n_at_client, 50);
}

static void choose_behaviours(void)
{
	for (int i = 0; i < N_NODES; i++)
		node[i].behaviour = (enum behaviour)(rnd(&seed) % N_BEHAVIOURS);
	node[rnd(&seed) % N_NODES].behaviour = ANSWERS;
}

static uint64_t busy(void)
{
	uint64_t n = 0;

	for (unsigned w = 0; w < g.n_workers; w++)
		for (uint32_t slot = 0; slot < SERVICES_NODE_SLOTS; slot++)
			n += services_node_flows(g.worker[w]->services, slot);
	return n;
}

static void one_round(int round)
{
	uint64_t started = seed;

	service.scheduler = (enum scheduler_kind)(rnd(&seed) % 4);
	args = (struct gateway_args){ .n_workers = 1 + (unsigned)(rnd(&seed) % 4), .nat64 = &nat64,
				      .services = &services,
				      .inside = { "2001:db8:1::/64", "2001:db8:5::/64", "192.0.2.0/24" } };
	gateway_init(&g, &args);
	g.misdeliver = rnd(&seed) | 1;
	choose_behaviours();
	for (uint32_t i = 0; i < CLIENTS; i++) {
		struct client_model c = random_client(i);

		connect_client(&c);
		if (!c.connected || c.was_reset)
			fail_msg("round %d (from %llu), client %u of kind %d, %u workers: no connection",
				 round, (unsigned long long)started, i, c.kind, g.n_workers);
		send_both_ways(&c);
	}
	gateway_advance(&g, 8000000);
	assert_int_equal(gateway_flows(&g), 0);
	assert_int_equal(busy(), 0);
	gateway_fini(&g);
}

static void clients_are_served_while_one_node_answers(void **state)
{
	(void)state;
	configure();
	for (int round = 0; round < ROUNDS; round++)
		one_round(round);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(clients_are_served_while_one_node_answers) };

	seed = test_seed();
	return cmocka_run_group_tests_name("services over the data plane", tests, NULL, NULL);
}
