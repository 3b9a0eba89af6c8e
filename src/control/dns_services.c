/* dns_services.c - the services as the names in `dns64: zones:` show them: told to the DNS64 threads
 * whenever the health of a node has changed. */
#include "control.h"
#include <stdlib.h>
#include <string.h>
#include "nodes.h"
#include "sixgate/log/log.h"

static struct dns64_node node_of(const struct service_conf *s, const struct node_conf *n,
				 const struct node_status *status)
{
	static const uint8_t states[N_NODE_STATES] = { [NODE_UP] = DNS64_NODE_UP,
						       [NODE_DOWN] = DNS64_NODE_DOWN,
						       [NODE_DRAINING] = DNS64_NODE_LEAVING };

	return (struct dns64_node){
		.address = n->address,
		.state = states[status->state],
		.share_percent = status->ramp_percent ? status->ramp_percent : 100,
		.near = *s->prefer_zone && strcmp(s->prefer_zone, n->zone) == 0,
	};
}

static void fill(const struct service_conf *s, const struct node_status *status,
		 struct dns64_node *node, struct dns64_service *out)
{
	*out = (struct dns64_service){ .node = node,
				       .n_node = s->n_node,
				       .n_address = s->n_address,
				       .spill_percent = (uint8_t)s->spill_percent };
	memcpy(out->name, s->name, sizeof(out->name));
	memcpy(out->address, s->address, s->n_address * sizeof(s->address[0]));
	for (size_t i = 0; i < s->n_node; i++)
		node[i] = node_of(s, &s->node[i], &status[i]);
}

void dns__set_services(struct control *c, const struct config *file)
{
	const struct services_conf *conf = &file->services;
	size_t n = file->has_services ? conf->n_service : 0, n_nodes, at = 0;
	const struct node_status *status = nodes__now(c, &n_nodes);
	struct dns64_service *service;
	struct dns64_node *node;

	if (!file->has_dns64 || !file->dns64.n_zone)
		return;
	service = calloc(n + 1, sizeof(*service));
	node = calloc(n_nodes + 1, sizeof(*node));
	for (size_t i = 0; service && node && i < n; i++) {
		fill(&conf->service[i], status + at, node + at, &service[i]);
		at += conf->service[i].n_node;
	}
	if (!service || !node || dns_threads__set_services(&c->dns, service, n) != 0)
		log_error("dns64: out of memory; names of services keep their old nodes");
	free(service);
	free(node);
}
