/* table.c - section `services:` and the state of its nodes, compiled for the data plane. Control
 * thread only: nothing here is called for a packet. */
#include "services_internal.h"
#include <errno.h>
#include <stdio.h>

static bool is_set(const struct addr *a)
{
	return (a->word[0] | a->word[1]) != 0;
}

/* Exactly as much as is used, so that tools see every step beyond it. */
static void *zeroed(size_t n, size_t size)
{
	return calloc(n ? n : 1, size);
}

static int fill_service(struct service *s, const struct service_conf *c, struct err *e)
{
	memcpy(s->name, c->name, sizeof(s->name));
	s->slot = SERVICES_MAX;
	s->protocol = c->protocol;
	s->port = be16_from(c->port);
	s->scheduler = (uint8_t)c->scheduler;
	s->client_address = (uint8_t)c->client_address;
	s->source_v4 = c->source_v4;
	s->source_v6 = c->source_v6;
	s->has_source_v4 = is_set(&c->source_v4);
	s->has_source_v6 = is_set(&c->source_v6);
	s->idle_timeout_ms = c->idle_timeout_ms;
	for (size_t i = 0; i < c->n_address; i++)
		s->has_v4_vip |= addr_is_v4(&c->address[i]);
	if (c->embed_prefix.len == 0)
		return 0;
	s->has_embed = true;
	if (c->embed_prefix.len != 96)
		return err_set(e, -EINVAL, "service %s: embed-prefix must be a /96", c->name);
	return pool6_init(&s->embed, &c->embed_prefix, e);
}

static void fill_node(struct services_table *t, uint32_t at, const struct node_conf *c,
		      const struct node_status *status)
{
	struct node_text *text = &t->text[at];
	struct node *n = &t->node[at];

	n->address = c->address;
	if (c->port)
		n->port = be16_from(c->port);
	n->state = (uint8_t)status->state;
	n->is_v4 = addr_is_v4(&c->address);
	n->slot = NODE_NONE;
	memcpy(text->name, c->name, sizeof(text->name));
	memcpy(text->zone, c->zone, sizeof(text->zone));
	snprintf(text->why, sizeof(text->why), "%s", status->why);
	text->weight = c->weight;
}

static int fill_services(struct services_table *t, const struct services_input *in, struct err *e)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < t->n_service; i++) {
		const struct service_conf *c = &in->conf->service[i];
		struct service *s = &t->service[i];
		int rc = fill_service(s, c, e);

		if (rc)
			return rc;
		s->node_at = at;
		s->n_node = (uint32_t)c->n_node;
		for (size_t k = 0; k < c->n_node; k++, at++) {
			t->node[at].service = (uint16_t)i;
			t->node[at].port = s->port;
			fill_node(t, at, &c->node[k], &in->status[at]);
		}
		s->candidate = zeroed(c->n_node, sizeof(*s->candidate));
		s->ends = zeroed(c->n_node, sizeof(*s->ends));
		if (!s->candidate || !s->ends)
			return err_set(e, -ENOMEM, "no memory for service %s", c->name);
		services__shares(t, s, c, &in->status[s->node_at]);
	}
	return 0;
}

static void fill_entries(const struct services_table *t, const struct service *s,
			 struct maglev_entry *entry)
{
	static const struct hash_key names = { .word = { 0x6e6f64652d6e616d, 0x65732d6f6e6c7921 } };

	for (uint32_t i = 0; i < s->n_candidate; i++) {
		const char *name = t->text[s->candidate[i]].name;

		entry[i] = (struct maglev_entry){ .id = siphash(&names, name, strlen(name)),
						  .share = t->node[s->candidate[i]].share };
	}
}

/* Built anew only when it would differ: health changes of other services cost nothing. */
static int fill_maglev(const struct services_table *t, struct service *s,
		       const struct services_table *prev)
{
	static const struct hash_key mark_key = { .word = { 1, 2 } };
	struct maglev_entry entry[SERVICE_NODES_MAX];

	if (s->scheduler != SCHEDULER_MAGLEV || s->n_candidate == 0)
		return 0;
	s->maglev = malloc(MAGLEV_SIZE * sizeof(*s->maglev));
	if (!s->maglev)
		return -ENOMEM;
	memset(entry, 0, sizeof(entry));
	fill_entries(t, s, entry);
	s->maglev_mark = siphash(&mark_key, entry, s->n_candidate * sizeof(*entry));
	for (uint32_t i = 0; prev && i < prev->n_service; i++) {
		const struct service *old = &prev->service[i];

		if (old->maglev && old->maglev_mark == s->maglev_mark &&
		    old->n_candidate == s->n_candidate) {
			memcpy(s->maglev, old->maglev, MAGLEV_SIZE * sizeof(*s->maglev));
			return 0;
		}
	}
	services__maglev_build(s->maglev, entry, s->n_candidate);
	return 0;
}

static void add_place(struct services_table *t, enum place_kind kind, const struct addr *a, be16 port,
		      const struct service *s)
{
	struct place p = { .addr = *a, .port = port, .kind = (uint8_t)kind,
			   .value = (uint32_t)(s - t->service) };

	if (kind == PLACE_VIP || kind == PLACE_NODE)
		p.proto = s->protocol;
	services__map_add(&t->map, &p);
}

static int fill_map(struct services_table *t, const struct services_conf *conf)
{
	struct addr probe4 = services__probe_source4();
	uint32_t n = 2 * t->n_node + 2;

	for (uint32_t i = 0; i < t->n_service; i++)
		n += 2 * (uint32_t)conf->service[i].n_address + 2;
	if (services__map_new(&t->map, n))
		return -ENOMEM;
	for (uint32_t i = 0; i < t->n_service; i++) {
		const struct service_conf *c = &conf->service[i];
		const struct service *s = &t->service[i];

		for (size_t k = 0; k < c->n_address; k++) {
			add_place(t, PLACE_VIP_ADDRESS, &c->address[k], (be16){ 0 }, s);
			add_place(t, PLACE_VIP, &c->address[k], s->port, s);
		}
		for (uint32_t k = 0; k < s->n_node; k++) {
			const struct node *node = &t->node[s->node_at + k];

			add_place(t, PLACE_NODE, &node->address, node->port, s);
			add_place(t, PLACE_NODE_ADDRESS, &node->address, (be16){ 0 }, s);
		}
	}
	services__map_add(&t->map, &(struct place){ .addr = probe4, .kind = PLACE_CLIENT });
	return 0;
}

static int allocate(struct services_table *t, const struct services_input *in, struct err *e)
{
	size_t n_node = 0;

	for (size_t i = 0; i < in->conf->n_service; i++)
		n_node += in->conf->service[i].n_node;
	if (in->conf->n_service > SERVICES_MAX || n_node > SERVICES_NODE_SLOTS)
		return err_set(e, -ENOSPC, "more than %d services or %d nodes", SERVICES_MAX,
			       SERVICES_NODE_SLOTS);
	t->n_service = (uint32_t)in->conf->n_service;
	t->n_node = (uint32_t)n_node;
	t->n_onlink = in->n_onlink;
	t->service = zeroed(t->n_service, sizeof(*t->service));
	t->node = zeroed(n_node, sizeof(*t->node));
	t->text = zeroed(n_node, sizeof(*t->text));
	t->onlink = zeroed(t->n_onlink, sizeof(*t->onlink));
	if (!t->service || !t->node || !t->text || !t->onlink)
		return err_set(e, -ENOMEM, "no memory for services");
	if (t->n_onlink)
		memcpy(t->onlink, in->onlink, t->n_onlink * sizeof(*t->onlink));
	return 0;
}

static int fill(struct services_table *t, const struct services_input *in, struct err *e)
{
	int rc = allocate(t, in, e);

	if (rc == 0)
		rc = fill_services(t, in, e);
	if (rc == 0)
		rc = services__keep_slots(t, in->prev, e);
	if (rc)
		return rc;
	for (uint32_t i = 0; i < t->n_service && rc == 0; i++)
		rc = fill_maglev(t, &t->service[i], in->prev);
	if (rc == 0)
		rc = fill_map(t, in->conf);
	if (rc)
		return err_set(e, rc, "no memory for services");
	return 0;
}

int services_table_new(struct services_table **out, const struct services_input *in,
		       struct steering *s, struct err *e)
{
	struct services_table *t = calloc(1, sizeof(*t));
	int rc;

	if (!t)
		return err_set(e, -ENOMEM, "no memory for services");
	rc = fill(t, in, e);
	if (rc == 0)
		rc = services__add_steering(t, in->conf, s, e);
	if (rc) {
		services_table_free(t);
		return rc;
	}
	*out = t;
	return 0;
}

void services_table_free(struct services_table *t)
{
	if (!t)
		return;
	for (uint32_t i = 0; t->service && i < t->n_service; i++) {
		free(t->service[i].candidate);
		free(t->service[i].ends);
		free(t->service[i].maglev);
	}
	free(t->service);
	free(t->node);
	free(t->text);
	free(t->onlink);
	free(t->map.place);
	free(t->block);
	free(t);
}
