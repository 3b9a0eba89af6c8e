/* fixture.c - see fixture.h. */
#include "test.h"
#include "fixture.h"
#include "sixgate/packet/parse.h"

static const struct hash_key secret = { .word = { 0x1234567890abcdef, 0xfedcba0987654321, 3, 5, 7,
						  11, 13, 17 } };

struct addr addr_of(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

struct prefix prefix_of(const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(text, &p), 0);
	return p;
}

static void lay_out(struct fixture *x, unsigned worker)
{
	struct arena a = { 0 };

	for (int pass = 0; pass < 2; pass++) {
		flow_table_layout(&x->flows, FLOWS, &secret, &a);
		x->v = services_layout(&a, worker, &secret);
		if (a.base)
			return;
		x->memory[0] = calloc(1, a.used + 64);
		a = (struct arena){ .base = (uint8_t *)(((uintptr_t)x->memory[0] + 63) & ~(uintptr_t)63),
				    .size = a.used };
	}
}

struct fixture *fixture_new(unsigned worker, unsigned n_workers)
{
	struct fixture *x = calloc(1, sizeof(*x));

	for (int i = 0; i < 2; i++) {
		service_conf_default(&x->conf[i]);
		x->conf[i].node = x->node[i];
		x->conf[i].protocol = TCP;
		x->conf[i].client_address = CLIENT_EMBED;
		x->conf[i].scheduler = SCHEDULER_P2C;
	}
	strcpy(x->conf[0].name, "s3");
	x->conf[0].port = 9000;
	x->conf[0].address[0] = addr_of("198.51.100.20");
	x->conf[0].address[1] = addr_of("2001:db8::20");
	x->conf[0].n_address = 2;
	x->conf[0].source_v4 = addr_of("198.51.100.21");
	x->conf[0].source_v6 = addr_of("2001:db8:64:21::");
	x->conf[0].embed_prefix = prefix_of("2001:db8:64:20::/96");
	x->services = (struct services_conf){ .service = x->conf, .n_service = 1 };
	fixture_add_node(x, 0, "store1", "2001:db8:5::1");
	fixture_add_node(x, 0, "store2", "2001:db8:5::2");
	fixture_add_node(x, 0, "store3", "192.0.2.31");

	x->now_ms = 1000;
	x->memory[1] = malloc(65536);
	outbox_init(&x->out, x->memory[1], 65536, x->packets, 64);
	x->steer = calloc(1, sizeof(*x->steer));
	steering_init(x->steer, n_workers, &secret);
	lay_out(x, worker);
	return x;
}

void fixture_free(struct fixture *x)
{
	services_table_free(x->table);
	free(x->steer);
	free(x->memory[0]);
	free(x->memory[1]);
	free(x);
}

struct node_conf *fixture_add_node(struct fixture *x, unsigned service, const char *name,
				   const char *address)
{
	struct node_conf *n = &x->node[service][x->conf[service].n_node++];
	size_t at = 0;

	node_conf_default(n);
	strcpy(n->name, name);
	n->address = addr_of(address);
	for (unsigned i = 0; i < 2; i++)
		at += x->conf[i].n_node;
	x->status[at - 1] = (struct node_status){ .state = NODE_UP, .why = "test" };
	return n;
}

int fixture_build(struct fixture *x)
{
	struct services_input in = { .conf = &x->services, .status = x->status, .prev = x->table,
				     .onlink = x->onlink, .n_onlink = x->n_onlink };
	struct services_table *fresh;
	struct err e = { 0 };
	int rc;

	steering_init(x->steer, x->steer->n_workers, &secret);
	rc = services_table_new(&fresh, &in, x->steer, &e);
	if (rc) {
		print_message("services_table_new: %s\n", e.text);
		return rc;
	}
	services_table_free(x->table);
	x->table = fresh;
	return 0;
}

void fixture_segment(struct fixture *x, const struct tuple *t, struct tcp_args args, enum side side)
{
	x->p = (struct packet){ .data = x->bytes + 64, .headroom = 64, .room = sizeof(x->bytes) - 64,
				.side = (uint8_t)side };
	x->p.len = build_tcp(x->p.data, t, args, 0);
	x->p.verdict = packet_parse(&x->p);
	assert_int_equal(x->p.verdict.next, VERDICT_CONTINUE);
}

void fixture_syn(struct fixture *x, const char *client, uint16_t port, const char *vip)
{
	struct tuple t = tuple_of(client, vip, port, 9000, TCP);

	fixture_segment(x, &t, (struct tcp_args){ TCP_SYN, 100, 0 }, SIDE_OUTSIDE);
}

uint32_t fixture_open(struct fixture *x, const char *client, uint16_t port, const char *vip)
{
	struct flow_plan plan;
	enum drop_reason why;
	uint32_t index;

	fixture_syn(x, client, port, vip);
	x->p.verdict = services_admit(x->v, x->table, x->steer, &x->flows, &x->p, &plan, x->now_ms);
	if (x->p.verdict.next != VERDICT_CONTINUE)
		return FLOW_NONE;
	index = flow_table_add(&x->flows, &plan, &why);
	assert_int_not_equal(index, FLOW_NONE);
	x->flows.flow[index].state = TCP_V6_INIT;
	return index;
}

void fixture_end(struct fixture *x, uint32_t index)
{
	services_flow_ended(x->v, &x->flows.flow[index]);
	flow_table_remove(&x->flows, index);
}

struct verdict fixture_event(struct fixture *x, uint32_t index, unsigned dir, struct tcp_args args,
			     struct packet **again)
{
	struct tuple t = x->flows.flow[index].key[dir];

	fixture_segment(x, &t, args, dir == 0 ? SIDE_OUTSIDE : SIDE_INSIDE);
	return services_tcp_event(x->v, x->table, &x->flows, index, dir, &x->p, &x->out, again,
				  x->now_ms);
}

static const struct node_record *records(const struct fixture *x, uint32_t *n)
{
	static struct node_record r[2 * NODES_MAX];

	*n = services_node_records(x->table, r, 2 * NODES_MAX);
	return r;
}

const char *fixture_name(const struct fixture *x, uint32_t index)
{
	uint32_t n;
	const struct node_record *r = records(x, &n);

	for (uint32_t i = 0; i < n; i++)
		if (r[i].slot == x->flows.flow[index].object)
			return r[i].name;
	return "nobody";
}

uint32_t fixture_slot(const struct fixture *x, const char *service, const char *node)
{
	uint32_t n;
	const struct node_record *r = records(x, &n);

	for (uint32_t i = 0; i < n; i++)
		if (strcmp(r[i].service, service) == 0 && strcmp(r[i].name, node) == 0)
			return r[i].slot;
	fail_msg("no node %s/%s", service, node);
	return UINT32_MAX;
}
