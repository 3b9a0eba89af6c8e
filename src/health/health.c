/*
 * health.c - all nodes of a configuration: which checks go on, which begin and which end when it
 * changes, and the list that the control room reads.
 */
#include "sixgate/health/health.h"
#include <errno.h>
#include <stdlib.h>
#include "health_internal.h"

enum { SPREAD_MS = 100 }; /* first rounds of new checks begin within this */

struct health {
	struct health_setup setup;
	struct check **check;
	struct node_status *status;
	size_t n;
	uint64_t random;
};

static size_t count_nodes(const struct services_conf *conf)
{
	size_t n = 0;

	for (size_t i = 0; i < conf->n_service; i++)
		n += conf->service[i].n_node;
	return n;
}

static struct check_conf conf_of(const struct service_conf *s, const struct node_conf *n)
{
	struct check_conf c = { .address = n->address,
				.port = n->port ? n->port : s->port,
				.protocol = s->protocol,
				.weight = n->weight,
				.drain_ms = s->drain_ms,
				.slow_start_ms = s->slow_start_ms,
				.health = s->health };

	memcpy(c.service, s->name, sizeof(c.service));
	memcpy(c.node, n->name, sizeof(c.node));
	return c;
}

static bool same_node(const struct check *c, const struct check_conf *conf)
{
	return addr_equal(&c->conf.address, &conf->address) && c->conf.port == conf->port &&
	       c->conf.protocol == conf->protocol && strcmp(c->conf.node, conf->node) == 0 &&
	       strcmp(c->conf.service, conf->service) == 0;
}

/* @hint: where it stands if the order has not changed. */
static size_t find_same(const struct health *h, const struct check_conf *conf, size_t hint)
{
	for (size_t i = 0; i < h->n; i++) {
		size_t at = (hint + i) % h->n;

		if (h->check[at] && same_node(h->check[at], conf))
			return at;
	}
	return h->n;
}

void health__changed(struct health *h)
{
	h->setup.changed(h->setup.owner);
}

uint32_t health__random(struct health *h, uint32_t n)
{
	h->random = h->random * 6364136223846793005 + 1442695040888963407;
	return (uint32_t)((h->random >> 33) % n);
}

/* Fresh checks for the nodes that have none in @h; NULL stands for those that have. */
static int make_missing(struct health *h, const struct services_conf *conf, struct check **fresh)
{
	size_t at = 0;

	for (size_t s = 0; s < conf->n_service; s++)
		for (size_t k = 0; k < conf->service[s].n_node; k++, at++) {
			struct check_conf c = conf_of(&conf->service[s], &conf->service[s].node[k]);

			if (find_same(h, &c, at) < h->n)
				continue;
			fresh[at] = health__check_new(h, &h->setup, &c);
			if (!fresh[at])
				return -ENOMEM;
		}
	return 0;
}

static void close_all(struct check **check, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (check[i])
			health__check_close(check[i]);
}

/* Cannot fail: moves the checks that stay into @fresh and starts the others. */
static void settle(struct health *h, const struct services_conf *conf, struct check **fresh)
{
	size_t at = 0;

	for (size_t s = 0; s < conf->n_service; s++)
		for (size_t k = 0; k < conf->service[s].n_node; k++, at++) {
			struct check_conf c = conf_of(&conf->service[s], &conf->service[s].node[k]);

			if (fresh[at]) {
				health__check_start(fresh[at], health__random(h, SPREAD_MS));
			} else {
				size_t was = find_same(h, &c, at);

				fresh[at] = h->check[was];
				h->check[was] = NULL;
				health__check_change(fresh[at], &c);
			}
			fresh[at]->at.service = (unsigned)s;
			fresh[at]->at.node = (unsigned)k;
		}
	close_all(h->check, h->n);
	free(h->check);
	h->check = fresh;
	h->n = at;
}

int health_reload(struct health *h, const struct services_conf *conf, struct err *e)
{
	size_t n = count_nodes(conf);
	struct check **fresh = calloc(n + 1, sizeof(struct check *));
	struct node_status *status = calloc(n + 1, sizeof(*status));

	if (!fresh || !status || make_missing(h, conf, fresh)) {
		if (fresh)
			close_all(fresh, n);
		free(fresh);
		free(status);
		return err_set(e, -ENOMEM, "no memory for health checks");
	}
	settle(h, conf, fresh);
	free(h->status);
	h->status = status;
	return 0;
}

int health_new(struct health **out, const struct health_setup *setup,
	       const struct services_conf *conf, struct err *e)
{
	struct health *h = calloc(1, sizeof(*h));
	int rc;

	if (!h)
		return err_set(e, -ENOMEM, "no memory for health checks");
	h->setup = *setup;
	h->random = uv_hrtime();
	rc = health_reload(h, conf, e);
	if (rc) {
		free(h);
		return rc;
	}
	*out = h;
	return 0;
}

void health_close(struct health *h)
{
	if (!h)
		return;
	close_all(h->check, h->n);
	free(h->check);
	free(h->status);
	free(h);
}

const struct node_status *health_status(const struct health *h, size_t *n)
{
	for (size_t i = 0; i < h->n; i++)
		h->status[i] = health__check_status(h->check[i], &h->check[i]->conf);
	if (n)
		*n = h->n;
	return h->status;
}

void health_status_for(const struct health *h, const struct services_conf *conf,
		       struct node_status *out)
{
	size_t at = 0;

	for (size_t s = 0; s < conf->n_service; s++)
		for (size_t k = 0; k < conf->service[s].n_node; k++, at++) {
			struct check_conf c = conf_of(&conf->service[s], &conf->service[s].node[k]);
			size_t was = find_same(h, &c, at);

			out[at] = was < h->n ? health__check_status(h->check[was], &c) :
					       health__unchecked_status(&c);
		}
}

int health_drain(struct health *h, const char *service, const char *node, bool drain)
{
	for (size_t i = 0; i < h->n; i++) {
		struct check *c = h->check[i];

		if (strcmp(c->conf.service, service) != 0 || strcmp(c->conf.node, node) != 0)
			continue;
		health__check_drain(c, drain);
		return 0;
	}
	return -ENOENT;
}
