/*
 * seen.c - the address and port by which a node sees a client.
 *
 * A client of the node's own family keeps its address, an IPv4 client of an IPv6 node stands behind
 * embed-prefix, everybody else comes from one of our sources. The node's answers must come back to
 * the worker that has the flow: those to a client's own address do by that address, those to a
 * source by its port block.
 */
#include "services_internal.h"

enum { PORTS_PER_BLOCK = 65536 / STEER_BLOCKS };

static bool on_one_link(const struct services_table *t, const struct addr *a, const struct addr *b)
{
	if (addr_equal(a, b))
		return true;
	for (uint32_t i = 0; i < t->n_onlink; i++)
		if (prefix_contains(&t->onlink[i], a) && prefix_contains(&t->onlink[i], b))
			return true;
	return false;
}

static bool from_source(const struct services_table *t, const struct service *s, bool v4,
			struct seen *seen)
{
	if (!(v4 ? s->has_source_v4 : s->has_source_v6))
		return false;
	*seen = (struct seen){ .addr = v4 ? s->source_v4 : s->source_v6,
			       .owner = t->block[v4 ? s->row_v4 : s->row_v6] };
	return true;
}

bool services__seen_as(const struct services_table *t, const struct service *s,
		       const struct node *n, const struct addr *client, struct seen *seen)
{
	bool client_v4 = addr_is_v4(client);

	if (s->client_address == CLIENT_HIDE)
		return from_source(t, s, n->is_v4, seen);
	if (client_v4 == n->is_v4) {
		if (on_one_link(t, client, &n->address))
			return from_source(t, s, n->is_v4, seen);
		*seen = (struct seen){ .addr = *client };
		return true;
	}
	if (client_v4 && s->has_embed) {
		*seen = (struct seen){ .addr = rfc6052_embed(&s->embed, client) };
		return true;
	}
	return from_source(t, s, n->is_v4, seen);
}

static bool is_free(const struct flow_table *flows, const struct tuple *back)
{
	return flow_table_find(flows, back, tuple_hash(&flows->key, back)) == FLOW_NONE;
}

static bool free_port_in_block(const struct flow_table *flows, struct tuple *back, uint32_t block,
			       uint32_t first)
{
	for (uint32_t i = 0; i < PORTS_PER_BLOCK; i++) {
		uint32_t port = block * PORTS_PER_BLOCK + (first + i) % PORTS_PER_BLOCK;

		back->dport = be16_from((uint16_t)port);
		if (port > 0 && is_free(flows, back))
			return true;
	}
	return false;
}

/* Random by a keyed hash (RFC 6056 3.3.1): who sees one port cannot guess the next. */
static bool free_port_of_source(const struct admission *a, const uint8_t *owner, struct tuple *back)
{
	enum { FIRST = PORT_FIRST / PORTS_PER_BLOCK, N = STEER_BLOCKS - FIRST };
	uint64_t h = siphash(&a->v->key, &a->v->n_ports, sizeof(a->v->n_ports));
	uint32_t start = hash_range(h, N), n_tried = 0;

	a->v->n_ports++;
	for (uint32_t i = 0; i < N && n_tried < PORT_TRIES; i++) {
		uint32_t block = FIRST + (start + i) % N;

		if (owner[block] != a->v->worker)
			continue;
		if (free_port_in_block(a->flows, back, block, (uint32_t)h))
			return true;
		n_tried += PORTS_PER_BLOCK;
	}
	return false;
}

/* A client that keeps its address keeps its port, too, unless it uses it towards this node already
 * (by another VIP): then one of the same block, which has the same owner even if the client is one
 * of our own pool addresses. */
static bool free_port_of_client(const struct admission *a, be16 client_port, struct tuple *back)
{
	back->dport = client_port;
	if (is_free(a->flows, back))
		return true;
	return free_port_in_block(a->flows, back, be16_to(client_port) / PORTS_PER_BLOCK,
				  services__random(a->v, PORTS_PER_BLOCK));
}

bool services__free_port(const struct admission *a, const struct seen *seen, be16 client_port,
			 struct tuple *back)
{
	if (seen->owner)
		return free_port_of_source(a, seen->owner, back);
	return free_port_of_client(a, client_port, back);
}

struct verdict services__way_back(const struct admission *a, const struct service *s,
				  const struct node *n, const struct tuple *client,
				  struct tuple *back)
{
	struct seen seen;

	if (!services__seen_as(a->t, s, n, &client->src, &seen))
		return verdict_drop(DROP_NODE_FAMILY);
	*back = (struct tuple){ .src = n->address, .dst = seen.addr, .sport = n->port,
				.proto = client->proto };
	if (!services__free_port(a, &seen, client->sport, back))
		return verdict_drop(DROP_FLOW_CONFLICT);
	return verdict_continue();
}
