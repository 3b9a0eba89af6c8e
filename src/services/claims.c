/*
 * claims.c - what a table knows of addresses and flows: which are ours, which flows may stay.
 */
#include "services_internal.h"
#include "sixgate/flow/tcp.h"

static const be16 no_port;

bool services_claims_vip(const struct services_table *t, const struct addr *a)
{
	return services__is_probe(a) ||
	       services__map_find(&t->map, PLACE_VIP_ADDRESS, a, no_port, 0) != NULL;
}

bool services_claims_node(const struct services_table *t, const struct addr *a, be16 port,
			  uint8_t proto)
{
	return services__map_find(&t->map, PLACE_NODE, a, port, proto) != NULL;
}

bool services_has_node(const struct services_table *t, const struct addr *a)
{
	return services__map_find(&t->map, PLACE_NODE_ADDRESS, a, no_port, 0) != NULL;
}

bool services_stands_for_client(const struct services_table *t, const struct addr *a)
{
	for (uint32_t i = 0; i < t->n_service; i++)
		if (t->service[i].has_embed && rfc6052_extract(&t->service[i].embed, a, &(struct addr){ 0 }))
			return true;
	return false;
}

bool services_claims_client(const struct services_table *t, const struct addr *a)
{
	return services__map_find(&t->map, PLACE_CLIENT, a, no_port, 0) ||
	       services_stands_for_client(t, a);
}

const struct service *services__service_of_vip(const struct services_table *t,
					       const struct tuple *client)
{
	const struct place *p =
		services__map_find(&t->map, PLACE_VIP, &client->dst, client->dport, client->proto);

	return p ? &t->service[p->value] : NULL;
}

static const struct service *service_of_slot(const struct services_table *t, uint32_t slot)
{
	if (slot >= SERVICES_MAX || !t->service_of_slot[slot])
		return NULL;
	return &t->service[t->service_of_slot[slot] - 1];
}

/* Return: NULL when the node that the flow names is gone. */
static const struct node *node_of_flow(const struct services_table *t, const struct flow *f)
{
	uint32_t at = f->object < SERVICES_NODE_SLOTS ? t->node_of_slot[f->object] : NODE_NONE;

	if (at == NODE_NONE || t->node[at].generation != f->generation)
		return NULL;
	return &t->node[at];
}

/* The client, as the node sees it, still has an address of ours, if it ever had. */
static bool way_back_stands(const struct services_table *t, const struct flow *f)
{
	return addr_equal(&f->key[1].dst, &f->key[0].src) || services_claims_client(t, &f->key[1].dst);
}

static bool still_awaits_node(const struct flow *f)
{
	return f->key[0].proto == 6 && f->state == TCP_V6_INIT;
}

bool services_flow_stale(const struct services_table *t, const struct flow *f)
{
	const struct node *n = node_of_flow(t, f);
	const struct service *s;

	if (services__is_probe(&f->key[0].dst))
		return !n;
	s = services__service_of_vip(t, &f->key[0]);
	if (!s || s->slot != f->aux)
		return true;
	if (still_awaits_node(f))
		return false; /* the client's next SYN moves it */
	return !n || n->state == NODE_DOWN || !way_back_stands(t, f);
}

uint32_t services_idle_timeout_ms(const struct services_table *t, const struct flow *f)
{
	const struct service *s = service_of_slot(t, f->aux);
	uint32_t idle = s ? s->idle_timeout_ms : SYN_HALF_OPEN_MS;

	if (f->key[0].proto == 6 && f->ack_last[0] == 0 && idle > SYN_HALF_OPEN_MS)
		return SYN_HALF_OPEN_MS; /* the client has not answered the node's SYN-ACK */
	return idle;
}

/* From the node's side everything that is not a client's comes from the VIP: the client need not
 * know what is behind it, and need not be able to reach it. Towards the node an error comes from
 * where the node sees that sender, or else the client. */
struct addr services_error_source(const struct services_table *t, const struct flow *f,
				  unsigned dir, const struct addr *src)
{
	const struct service *s = service_of_slot(t, f->aux);
	const struct addr *seen = &f->key[1].dst;

	if (dir == 1)
		return f->key[0].dst;
	if (addr_equal(src, &f->key[0].src) || !s)
		return *seen;
	if (addr_equal(seen, &f->key[0].src))
		return *src;
	if (addr_is_v4(src) && s->has_embed && rfc6052_extract(&s->embed, seen, &(struct addr){ 0 }))
		return rfc6052_embed(&s->embed, src);
	return *seen;
}

uint32_t services_node_records(const struct services_table *t, struct node_record *out, uint32_t max)
{
	uint32_t n = t->n_node < max ? t->n_node : max;

	for (uint32_t i = 0; i < n; i++) {
		const struct node *node = &t->node[i];
		const struct node_text *text = &t->text[i];

		out[i] = (struct node_record){ .service = t->service[node->service].name,
					       .name = text->name,
					       .zone = text->zone,
					       .why = text->why,
					       .address = node->address,
					       .port = be16_to(node->port),
					       .state = (enum node_state)node->state,
					       .weight = text->weight,
					       .slot = node->slot };
	}
	return n;
}
