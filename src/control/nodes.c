/* nodes.c - between the health room and the snapshots. The checks exist even without services, so
 * that a reload may add some. */
#include "nodes.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "sixgate/health/health.h"
#include "sixgate/log/log.h"

static const struct services_conf no_services;

static const struct services_conf *services_of(const struct config *c)
{
	return c->has_services ? &c->services : &no_services;
}

static void on_changed(void *owner)
{
	struct control *c = owner;

	c->want_snapshot = true;
	control__settle_soon(c);
}

int nodes__start(struct control *c, struct err *e)
{
	const struct health_setup setup = {
		.loop = &c->loop,
		.changed = on_changed,
		.owner = c,
		.probe_address = services_probe_address,
		.probe_client = services_probe_client(),
	};

	return health_new(&c->health, &setup, services_of(c->config), e);
}

const struct node_status *nodes__now(const struct control *c, size_t *n)
{
	return health_status(c->health, n);
}

int nodes__for(const struct control *c, const struct config *conf, struct node_status **out,
	       struct err *e)
{
	const struct services_conf *s = services_of(conf);
	size_t n = 0;

	for (size_t i = 0; i < s->n_service; i++)
		n += s->service[i].n_node;
	*out = calloc(n + 1, sizeof(**out));
	if (!*out)
		return err_set(e, -ENOMEM, "out of memory");
	health_status_for(c->health, s, *out);
	return 0;
}

void nodes__follow(struct control *c, const struct config *conf)
{
	struct err e = { "" };

	if (health_reload(c->health, services_of(conf), &e) != 0)
		log_error("the checks of the nodes keep their old configuration: %s", e.text);
}

unsigned nodes__drain(struct control *c, const char *service, const char *node, bool drain)
{
	const struct services_conf *s = services_of(c->config);
	unsigned n = 0;

	for (size_t i = 0; i < s->n_service; i++)
		if (!*service || strcmp(s->service[i].name, service) == 0)
			n += health_drain(c->health, s->service[i].name, node, drain) == 0;
	if (n)
		on_changed(c);
	return n;
}

void nodes__stop(struct control *c)
{
	health_close(c->health);
	c->health = NULL;
}
