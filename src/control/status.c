/* status.c - what runs, how full it is, what is wrong: the answers to status, counters and nodes. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "advertise.h"
#include "control.h"
#include "plat.h"
#include "handover.h"
#include "nodes.h"
#include "record.h"
#include "sixgate/io/tun.h"
#include "translator.h"

enum { NODE_RECORDS = SERVICES_NODE_SLOTS };

/* How its packets come: what the parent has opened for it at the start. */
static const char *io_of(const struct control *c, const struct netlink_interface *on)
{
	for (unsigned k = 0; k < c->workers.n; k++)
		for (unsigned i = 0; i < c->share[k].n; i++) {
			const struct xdp_socket *s = &c->share[k].socket[i];

			if (s->ifindex == on->ifindex)
				return s->flags & XDP_FLAG_ZEROCOPY ? "xdp, native, zero-copy" :
				       s->flags & XDP_FLAG_NATIVE   ? "xdp, native" :
								      "xdp, generic";
		}
	return "tun";
}

static json_t *interface_json(const struct control *c, const struct netlink_interface *i)
{
	json_t *v = json_pack("{s:s,s:s,s:b,s:b}", "name", i->name, "side",
			      i->inside && i->outside ? "both" :
			      i->inside		      ? "inside" :
							"outside",
			      "present", i->present, "up", i->present && i->up);

	if (v && i->present) {
		json_object_set_new(v, "mtu", json_integer(i->mtu));
		json_object_set_new(v, "io", json_string(io_of(c, i)));
	}
	return v;
}

static json_t *interfaces_json(const struct control *c)
{
	json_t *list = json_array();

	for (size_t i = 0; i < c->facts.n_interface; i++)
		json_array_append_new(list, interface_json(c, &c->facts.interface[i]));
	return list;
}

static bool uses_xdp(const struct control *c)
{
	for (unsigned i = 0; i < c->workers.n; i++)
		if (c->share[i].n)
			return true;
	return false;
}

/* What comes by AF_XDP leaves by it ("direct"), or by way of the kernel, and why. @settled: every worker
 * knows the latest. */
static json_t *next_hops_json(const struct control *c)
{
	const struct hops *h = c->hops.running;

	if (!h)
		return json_pack("{s:b,s:s,s:i,s:i,s:b}", "direct", false, "why", "not read yet", "routes",
				 0, "neighbours", 0, "settled", false);
	return json_pack("{s:b,s:s,s:i,s:i,s:b}", "direct", h->none == HOPS_HERE, "why",
			 hops_none_text(h->none), "routes", (int)h->n_route, "neighbours",
			 (int)h->n_neighbour, "settled", next_hops__settled(&c->hops, &c->workers));
}

static json_t *devices_json(const struct control *c)
{
	json_t *list = json_array();

	for (int side = 0; side < N_SIDES; side++) {
		const struct netlink_interface *d = &c->facts.device[side];

		json_array_append_new(
			list, json_pack("{s:s+,s:s,s:i,s:s}", "name", c->config->interfaces.tun,
					side == SIDE_INSIDE ? "" : "o", "side",
					side == SIDE_INSIDE ? "inside" : "outside", "mtu", (int)d->mtu,
					"offloads",
					tun_offload_text((enum tun_offload)c->offload[side])));
	}
	return list;
}

static json_t *jobs_json(const struct config *c)
{
	return json_pack("{s:b,s:b,s:b,s:b,s:b}", "nat64", c->has_nat64, "siit", c->has_siit,
			 "egress6", c->has_egress6, "services", c->has_services, "dns64",
			 c->has_dns64);
}

/* null while it is not known */
static json_t *plat_json(const struct control *c)
{
	const struct prefix *given = &c->config->siit.clat.plat;
	const struct prefix *p = given->len ? given : plat__prefix(c);
	char text[PREFIX_TEXT_MAX];

	return p && p->len ? json_string(prefix_format(p, text)) : json_null();
}

static json_t *flows_json(const struct control *c)
{
	uint64_t flows = 0, mappings = 0, capacity = 0;

	for (unsigned i = 0; i < c->workers.n; i++) {
		const struct worker *w = c->workers.t[i].worker;

		flows += counter_read(&w->flows_used);
		mappings += counter_read(&w->mappings_used);
		capacity += w->flows.pool.n;
	}
	return json_pack("{s:I,s:I,s:I}", "used", (json_int_t)flows, "capacity",
			 (json_int_t)capacity, "mappings", (json_int_t)mappings);
}

/* Ports of pool4 over all addresses, of one protocol: what mappings are taken from. "shared": the
 * host's own address among them; null while the outside interface has none. */
static json_t *pool_json(const struct config *c, const struct netlink_facts *f)
{
	char text[ADDR_TEXT_MAX];
	bool shared = false;
	json_t *v;
	uint64_t ports = 0, addresses = 0;

	for (size_t i = 0; c->has_nat64 && i < c->nat64.n_pool4; i++) {
		const struct pool4_conf *p = &c->nat64.pool4[i];
		uint64_t n = p->outside ? 1 : (uint64_t)addr_ip4_host(&p->last) -
						      addr_ip4_host(&p->first) + 1;

		shared |= p->outside;
		addresses += n;
		ports += n * (uint64_t)(p->port_last - p->port_first + 1);
	}
	v = json_pack("{s:I,s:I}", "addresses", (json_int_t)addresses, "ports", (json_int_t)ports);
	if (v && shared)
		json_object_set_new(v, "shared",
				    f->has_shared ? json_string(addr_format(&f->shared_real, text)) :
						    json_null());
	return v;
}

static json_t *node_counts_json(const struct control *c)
{
	int n[N_NODE_STATES] = { 0 };
	size_t n_nodes;
	const struct node_status *nodes = nodes__now(c, &n_nodes);

	for (size_t i = 0; i < n_nodes; i++)
		n[nodes[i].state]++;
	return json_pack("{s:i,s:i,s:i}", "up", n[NODE_UP], "down", n[NODE_DOWN], "draining",
			 n[NODE_DRAINING]);
}

/* In every thread. */
static bool is_open(const struct dns_sockets *s, const struct dns_socket *first)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->at[i].listener == first->listener && s->at[i].transport == first->transport &&
		    s->at[i].fd < 0)
			return false;
	return true;
}

static json_t *dns_json(const struct control *c)
{
	json_t *list = json_array();
	char text[ADDR_TEXT_MAX];

	for (size_t i = 0; i < c->dns_sockets.n; i++) {
		const struct dns_socket *s = &c->dns_sockets.at[i];

		if (s->thread != 0)
			continue;
		json_array_append_new(list,
				      json_pack("{s:s,s:i,s:s,s:b}", "address",
						addr_format(&s->at.address, text), "port", s->at.port,
						"transport",
						s->transport == REQUEST_TCP ? "tcp" : "udp", "open",
						is_open(&c->dns_sockets, s)));
	}
	return list;
}

/* Silent is who is so for all threads. */
static json_t *upstreams_json(const struct control *c)
{
	const struct dns64_conf *conf = &c->config->dns64;
	struct dns64_stats sum;
	const struct dns64_stats *s = dns_threads__stats(&c->dns, &sum);
	char text[ADDR_TEXT_MAX];
	json_t *list = json_array();

	for (size_t i = 0; s && i < conf->n_upstream && i < DNS64_UPSTREAM_MAX; i++) {
		const struct dns64_upstream_conf *u = &conf->upstream[i];

		json_array_append_new(list, json_pack("{s:s,s:i,s:b,s:b}", "address",
						      addr_format(&u->address, text), "port", u->port,
						      "tls", u->tls, "answers",
						      counter_read(&s->silent[i]) < c->dns.n));
	}
	return list;
}

static void add_translator(void *ctx, const struct prefix *p, bool works, const char *why)
{
	char text[PREFIX_TEXT_MAX];

	json_array_append_new(ctx, json_pack("{s:s,s:b,s:o}", "prefix", prefix_format(p, text), "works",
					     works, "why", text__json(why)));
}

static json_t *translators_json(const struct control *c)
{
	json_t *list = json_array();

	translator__each(c, add_translator, list);
	return list;
}

static void add_advertiser(void *ctx, const struct advertise_status *s)
{
	char text[ADDR_TEXT_MAX];

	json_array_append_new(ctx, json_pack("{s:s,s:s,s:s,s:o,s:I,s:I,s:I}", "interface", s->interface,
					     "state", s->state, "source",
					     s->has_from ? addr_format(&s->from, text) : "", "why",
					     text__json(s->why), "sent", (json_int_t)s->n_sent,
					     "solicited", (json_int_t)s->n_solicited, "heard",
					     (json_int_t)s->n_heard));
}

static json_t *advertisers_json(const struct control *c)
{
	json_t *list = json_array();

	advertise__each(c, add_advertiser, list);
	return list;
}

static void add_warning(void *list, const char *text)
{
	json_array_append_new(
		list, json_pack("{s:s,s:o}", "severity", "warning", "text", text__json(text)));
}

static void warn_of_statics(const struct control *c, json_t *list)
{
	char text[160];
	uint32_t n = 0;

	for (unsigned i = 0; i < c->workers.n; i++)
		if (c->workers.t[i].worker->nat64)
			n += nat64_statics_missing(c->workers.t[i].worker->nat64);
	if (!n)
		return;
	snprintf(text, sizeof(text), "nat64: %u entries of static are not in force yet: sessions of entries that "
		 "were there before still hold their places", n);
	add_warning(list, text);
}

/* The parent looks at the host each time: it is asked for by people, not by the packet path. */
static json_t *findings_json(struct control *c)
{
	struct request r = { .kind = REQUEST_FINDINGS };
	json_t *list = json_array();
	char *text = NULL, *rest, *line;
	struct err e = { "" };
	size_t len;
	int fd;
	int rc = link__call(&c->link, r, &fd, &e);

	watch__each(&c->watch, uv_now(&c->loop), add_warning, list);
	accounting__each_trouble(c, add_warning, list);
	warn_of_statics(c, list);
	if (rc || handover__read(fd, &text, &len) != 0) {
		if (rc && fd >= 0)
			close(fd);
		add_warning(list, e.text);
		return list;
	}
	rest = text;
	while ((line = strsep(&rest, "\n"))) {
		char *colon = strstr(line, ": ");

		if (!colon)
			continue;
		*colon = 0;
		json_array_append_new(list, json_pack("{s:s,s:o}", "severity", line, "text",
						      text__json(colon + 2)));
	}
	free(text);
	return list;
}

json_t *status__json(struct control *c)
{
	json_t *v = json_pack(
		"{s:o,s:s,s:I,s:i,s:I,s:I,s:I}", "name", text__json(c->config->gateway.name),
		"version", SIXGATE_VERSION, "uptime_s",
		(json_int_t)((uv_now(&c->loop) - c->started_ms) / 1000), "workers",
		(int)c->workers.n, "generation", (json_int_t)control__running(c)->generation,
		"reloads", (json_int_t)c->n_reloads, "reloads_failed",
		(json_int_t)c->n_reloads_failed);

	if (!v)
		return NULL;
	json_object_set_new(v, "jobs", jobs_json(c->config));
	json_object_set_new(v, "interfaces", interfaces_json(c));
	json_object_set_new(v, "devices", devices_json(c));
	if (uses_xdp(c))
		json_object_set_new(v, "next_hops", next_hops_json(c));
	json_object_set_new(v, "flows", flows_json(c));
	if (c->config->has_nat64)
		json_object_set_new(v, "pool4", pool_json(c->config, &c->facts));
	if (c->config->has_services)
		json_object_set_new(v, "nodes", node_counts_json(c));
	if (c->config->has_dns64)
		json_object_set_new(v, "dns64", dns_json(c));
	if (c->config->has_dns64)
		json_object_set_new(v, "upstreams", upstreams_json(c));
	if (c->config->has_dns64)
		json_object_set_new(v, "translators", translators_json(c));
	if (c->config->has_dns64 && c->config->dns64.has_ra)
		json_object_set_new(v, "router-advertisement", advertisers_json(c));
	if (c->config->has_siit && c->config->siit.has_clat)
		json_object_set_new(v, "plat-prefix", plat_json(c));
	json_object_set_new(v, "findings", findings_json(c));
	return v;
}

static void add_counter(json_t *list, const char *name, const char *help, uint64_t value, bool all)
{
	if (value || all)
		json_array_append_new(list, json_pack("{s:s,s:I,s:s}", "name", name, "value",
						      (json_int_t)value, "help", help));
}

struct dns_list {
	json_t *list;
	bool all;
};

static void add_dns_counter(void *ctx, const char *name, const char *help, uint64_t value)
{
	struct dns_list *d = ctx;

	add_counter(d->list, name, help, value, d->all);
}

json_t *counters__json(const struct control *c, bool all)
{
	struct dns64_stats sum;
	const struct dns64_stats *dns = dns_threads__stats(&c->dns, &sum);
	json_t *drops = json_array(), *workers = json_array();
	struct dns_list d = { json_array(), all };

	for (int why = DROP_NONE + 1; why < DROP_N_REASONS; why++)
		add_counter(drops, drop_reason_name((enum drop_reason)why),
			    drop_reason_help((enum drop_reason)why),
			    workers__drops(&c->workers, (enum drop_reason)why), all);
	for (int i = 0; i < N_WORKER_COUNTERS; i++)
		add_counter(workers, worker_counter_name((enum worker_counter)i),
			    worker_counter_help((enum worker_counter)i),
			    workers__count(&c->workers, (enum worker_counter)i), all);
	if (dns)
		dns64_stats_each(dns, add_dns_counter, &d);
	return json_pack("{s:o,s:o,s:o}", "drops", drops, "workers", workers, "dns64", d.list);
}

static json_t *node_json(const struct control *c, const struct node_record *r)
{
	static const char *const state[N_NODE_STATES] = { "up", "down", "draining" };
	uint64_t flows = 0, total = 0;
	char text[ADDR_TEXT_MAX];

	for (unsigned i = 0; i < c->workers.n; i++) {
		const struct services *v = c->workers.t[i].worker->services;

		flows += v ? services_node_flows(v, r->slot) : 0;
		total += v ? services_node_total(v, r->slot) : 0;
	}
	return json_pack("{s:s,s:s,s:s,s:s,s:i,s:s,s:o,s:i,s:I,s:I}", "service", r->service, "node",
			 r->name, "zone", r->zone ? r->zone : "", "address",
			 addr_format(&r->address, text), "port", r->port, "state", state[r->state],
			 "why", text__json(r->why), "weight", (int)r->weight, "flows",
			 (json_int_t)flows, "flows_total", (json_int_t)total);
}

bool node__by_slot(const struct control *c, uint32_t slot, struct node_record *out)
{
	const struct services_table *t = control__running(c)->services;
	struct node_record *r = t ? calloc(NODE_RECORDS, sizeof(*r)) : NULL;
	uint32_t n = r ? services_node_records(t, r, NODE_RECORDS) : 0, i = 0;

	while (i < n && r[i].slot != slot)
		i++;
	if (i < n)
		*out = r[i];
	free(r);
	return i < n;
}

/* How it is chosen, in the words of the file; and for whom it stands in. */
static json_t *choice_json(const struct service_conf *s, const struct node_record *chosen)
{
	static const char *const scheduler[] = {
		[SCHEDULER_P2C] = "p2c", [SCHEDULER_MAGLEV] = "maglev",
		[SCHEDULER_ROUND_ROBIN] = "round-robin", [SCHEDULER_LEAST_FLOWS] = "least-flows",
	};

	return json_pack("{s:s,s:s,s:s,s:s,s:o}", "service", chosen->service, "node", chosen->name,
			 "scheduler", scheduler[s->scheduler], "prefer_zone", s->prefer_zone, "passed_over",
			 json_array());
}

json_t *choice__json(const struct control *c, uint32_t slot)
{
	const struct services_table *t = control__running(c)->services;
	struct node_record *r = t ? calloc(NODE_RECORDS, sizeof(*r)) : NULL, chosen;
	const uint32_t n = r ? services_node_records(t, r, NODE_RECORDS) : 0;
	json_t *v = NULL;

	if (!node__by_slot(c, slot, &chosen))
		goto out;
	for (size_t i = 0; i < c->config->services.n_service; i++)
		if (strcmp(c->config->services.service[i].name, chosen.service) == 0)
			v = choice_json(&c->config->services.service[i], &chosen);
	for (uint32_t i = 0; v && i < n; i++)
		if (strcmp(r[i].service, chosen.service) == 0 && (r[i].state != NODE_UP || !r[i].weight))
			json_array_append_new(json_object_get(v, "passed_over"),
					      json_pack("{s:s,s:o}", "node", r[i].name, "why",
							text__json(r[i].state == NODE_UP ? "weight 0" : r[i].why)));
out:
	free(r);
	return v;
}

json_t *nodes__json(const struct control *c)
{
	const struct services_table *t = control__running(c)->services;
	struct node_record *r = calloc(NODE_RECORDS, sizeof(*r));
	json_t *list = json_array();
	uint32_t n = 0;

	if (r && t)
		n = services_node_records(t, r, NODE_RECORDS);
	for (uint32_t i = 0; i < n; i++)
		json_array_append_new(list, node_json(c, &r[i]));
	free(r);
	return json_pack("{s:o}", "nodes", list);
}

json_t *drained__json(const struct control *c, const char *service, const char *node)
{
	static const char *const state[N_NODE_STATES] = { "up", "down", "draining" };
	const struct node_status *status = nodes__now(c, NULL);
	json_t *list = json_array();

	for (size_t i = 0; i < c->config->services.n_service; i++) {
		const struct service_conf *s = &c->config->services.service[i];
		bool named = !*service || strcmp(s->name, service) == 0;

		for (size_t k = 0; k < s->n_node; k++, status++)
			if (named && strcmp(s->node[k].name, node) == 0)
				json_array_append_new(
					list, json_pack("{s:s,s:s,s:s,s:s,s:i}", "service", s->name,
							"node", node, "state", state[status->state],
							"why", status->why, "drain_s",
							(int)(s->drain_ms / 1000)));
	}
	return json_pack("{s:o}", "nodes", list);
}
