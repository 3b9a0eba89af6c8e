/* metrics_text.c - counters, summed when somebody asks, as Prometheus text. Workers share nothing:
 * each counter has one writer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "advertise.h"
#include "metrics.h"
#include "metrics_text.h"
#include "translator.h"

void metrics__head(FILE *f, const char *name, const char *type, const char *help)
{
	fprintf(f, "# HELP sixgate_%s %s\n# TYPE sixgate_%s %s\n", name, help, name, type);
}

/* Label values: backslash, quote and newline are escaped. */
static void label(FILE *f, const char *key, const char *value)
{
	fprintf(f, "%s=\"", key);
	for (; *value; value++) {
		if (*value == '\\' || *value == '"')
			fputc('\\', f);
		if (*value == '\n')
			fputs("\\n", f);
		else
			fputc(*value, f);
	}
	fputc('"', f);
}

static void write_drops(FILE *f, const struct control *c)
{
	metrics__head(f, "dropped_packets_total", "counter", "Packets dropped, by reason");
	for (int why = DROP_NONE + 1; why < DROP_N_REASONS; why++)
		fprintf(f, "sixgate_dropped_packets_total{reason=\"%s\"} %llu\n",
			drop_reason_name((enum drop_reason)why),
			(unsigned long long)workers__drops(&c->workers, (enum drop_reason)why));
}

static void write_worker_counters(FILE *f, const struct control *c)
{
	for (int i = 0; i < N_WORKER_COUNTERS; i++) {
		char name[96];

		snprintf(name, sizeof(name), "%s_total", worker_counter_name((enum worker_counter)i));
		metrics__head(f, name, "counter", worker_counter_help((enum worker_counter)i));
		for (unsigned w = 0; w < c->workers.n; w++)
			fprintf(f, "sixgate_%s{worker=\"%u\"} %llu\n", name, w,
				(unsigned long long)counter_read(&c->workers.t[w].worker->count[i]));
	}
}

static void write_turns(FILE *f, const struct control *c)
{
	static const char name[] = "sixgate_worker_turn_seconds";

	metrics__head(f, "worker_turn_seconds", "histogram",
		      "How long a worker was away from its devices at a stretch");
	for (unsigned w = 0; w < c->workers.n; w++) {
		const struct loop_turns *t = &c->workers.t[w].loop.turns;
		unsigned long long n = 0;

		for (int i = 0; i < LOOP_TURN_CLASSES - 1; i++) {
			n += counter_read(&t->n[i]);
			fprintf(f, "%s_bucket{worker=\"%u\",le=\"%g\"} %llu\n", name, w,
				(double)loop_turn_ns[i] / 1e9, n);
		}
		n += counter_read(&t->n[LOOP_TURN_CLASSES - 1]);
		fprintf(f, "%s_bucket{worker=\"%u\",le=\"+Inf\"} %llu\n", name, w, n);
		fprintf(f, "%s_sum{worker=\"%u\"} %.6f\n", name, w,
			(double)counter_read(&t->sum_ns) / 1e9);
		fprintf(f, "%s_count{worker=\"%u\"} %llu\n", name, w, n);
	}
}

static uint32_t statics_missing(const struct worker *w)
{
	return w->nat64 ? nat64_statics_missing(w->nat64) : 0;
}

static void write_gauges(FILE *f, const struct control *c)
{
	metrics__head(f, "flows", "gauge", "Flows in the table");
	for (unsigned w = 0; w < c->workers.n; w++)
		fprintf(f, "sixgate_flows{worker=\"%u\"} %llu\n", w,
			(unsigned long long)counter_read(&c->workers.t[w].worker->flows_used));
	metrics__head(f, "flows_capacity", "gauge", "Flows that the table has room for");
	for (unsigned w = 0; w < c->workers.n; w++)
		fprintf(f, "sixgate_flows_capacity{worker=\"%u\"} %u\n", w,
			c->workers.t[w].worker->flows.pool.n);
	metrics__head(f, "mappings", "gauge", "NAT64 mappings (BIB entries)");
	for (unsigned w = 0; w < c->workers.n; w++)
		fprintf(f, "sixgate_mappings{worker=\"%u\"} %llu\n", w,
			(unsigned long long)counter_read(&c->workers.t[w].worker->mappings_used));
	metrics__head(f, "static_entries_missing", "gauge",
		      "Static entries of nat64 that wait for sessions of earlier ones to end");
	for (unsigned w = 0; w < c->workers.n; w++)
		fprintf(f, "sixgate_static_entries_missing{worker=\"%u\"} %u\n", w,
			statics_missing(c->workers.t[w].worker));
}

static void node_sample(FILE *f, const char *name, const struct node_record *r, uint64_t value)
{
	fprintf(f, "sixgate_%s{", name);
	label(f, "service", r->service);
	fputc(',', f);
	label(f, "node", r->name);
	fprintf(f, "} %llu\n", (unsigned long long)value);
}

static uint64_t sum_nodes(const struct control *c, uint32_t slot,
			  uint64_t (*read)(const struct services *, uint32_t))
{
	uint64_t sum = 0;

	for (unsigned w = 0; w < c->workers.n; w++)
		if (c->workers.t[w].worker->services)
			sum += read(c->workers.t[w].worker->services, slot);
	return sum;
}

static void write_nodes(FILE *f, const struct control *c)
{
	const struct services_table *t = control__running(c)->services;
	struct node_record *r = t ? calloc(SERVICES_NODE_SLOTS, sizeof(*r)) : NULL;
	uint32_t n = r ? services_node_records(t, r, SERVICES_NODE_SLOTS) : 0;

	if (n == 0) {
		free(r);
		return;
	}
	metrics__head(f, "node_up", "gauge", "1 if the node takes new flows");
	for (uint32_t i = 0; i < n; i++)
		node_sample(f, "node_up", &r[i], r[i].state == NODE_UP);
	metrics__head(f, "node_flows", "gauge", "Flows on the node now");
	for (uint32_t i = 0; i < n; i++)
		node_sample(f, "node_flows", &r[i], sum_nodes(c, r[i].slot, services_node_flows));
	metrics__head(f, "node_flows_total", "counter", "Flows ever given to the node");
	for (uint32_t i = 0; i < n; i++)
		node_sample(f, "node_flows_total", &r[i], sum_nodes(c, r[i].slot, services_node_total));
	free(r);
}

static void write_dns(void *ctx, const char *name, const char *help, uint64_t value)
{
	bool gauge = strncmp(help, "gauge: ", 7) == 0;
	char metric[96];

	snprintf(metric, sizeof(metric), "dns64_%s%s", name, gauge ? "" : "_total");
	for (char *p = metric; *p; p++)
		if (*p == '-')
			*p = '_';
	metrics__head(ctx, metric, gauge ? "gauge" : "counter", gauge ? help + 7 : help);
	fprintf(ctx, "sixgate_%s %llu\n", metric, (unsigned long long)value);
}

static void write_info(FILE *f, const struct control *c)
{
	metrics__head(f, "info", "gauge", "Always 1; who this is");
	fprintf(f, "sixgate_info{version=\"%s\",", SIXGATE_VERSION);
	label(f, "name", c->config->gateway.name);
	fprintf(f, "} 1\n");
	metrics__head(f, "uptime_seconds", "gauge", "Seconds since the start");
	fprintf(f, "sixgate_uptime_seconds %llu\n",
		(unsigned long long)((uv_now(&c->loop) - c->started_ms) / 1000));
	metrics__head(f, "config_reloads_total", "counter", "Configurations taken over since the start");
	fprintf(f, "sixgate_config_reloads_total %llu\n", (unsigned long long)c->n_reloads);
	metrics__head(f, "config_reload_failures_total", "counter", "Configurations refused since the start");
	fprintf(f, "sixgate_config_reload_failures_total %llu\n",
		(unsigned long long)c->n_reloads_failed);
}

static void write_log(FILE *f, const struct control *c, enum request_log which)
{
	static const char *const name[N_REQUEST_LOGS] = { "nat64_log", "egress6_flow_log" };
	char metric[64], help[64];

	if (!c->accounting.log[which].on)
		return;
	snprintf(metric, sizeof(metric), "%s_events_total", name[which]);
	snprintf(help, sizeof(help), "Lines written to %s", accounting__key(which));
	metrics__head(f, metric, "counter", help);
	fprintf(f, "sixgate_%s %llu\n", metric,
		(unsigned long long)c->accounting.log[which].lines.n_written);
	snprintf(metric, sizeof(metric), "%s_lost_total", name[which]);
	snprintf(help, sizeof(help), "Events that are missing in %s", accounting__key(which));
	metrics__head(f, metric, "counter", help);
	fprintf(f, "sixgate_%s %llu\n", metric, (unsigned long long)accounting__lost(c, which));
}

static void write_translator(void *ctx, const struct prefix *p, bool works, const char *why)
{
	char text[PREFIX_TEXT_MAX];

	(void)why;
	fprintf(ctx, "sixgate_translator_up{prefix=\"%s\"} %d\n", prefix_format(p, text), works);
}

static void write_advertising(void *ctx, const struct advertise_status *s)
{
	fputs("sixgate_router_advertising{", ctx);
	label(ctx, "interface", s->interface);
	fprintf(ctx, "} %d\n", s->advertising);
}

static void write_advertised(void *ctx, const struct advertise_status *s)
{
	fputs("sixgate_router_advertisements_total{", ctx);
	label(ctx, "interface", s->interface);
	fprintf(ctx, "} %llu\n", (unsigned long long)s->n_sent);
}

static void write_solicited(void *ctx, const struct advertise_status *s)
{
	fputs("sixgate_router_solicitations_total{", ctx);
	label(ctx, "interface", s->interface);
	fprintf(ctx, "} %llu\n", (unsigned long long)s->n_solicited);
}

static void write_prefixes(FILE *f, const struct control *c)
{
	if (!c->config->has_dns64)
		return;
	metrics__head(f, "translator_up", "gauge", "1 unless the NAT64 behind the prefix is known not to work");
	translator__each(c, write_translator, f);
	if (!c->config->dns64.has_ra)
		return;
	metrics__head(f, "router_advertising", "gauge", "1 if advertisements are sent; 0 beside another daemon");
	advertise__each(c, write_advertising, f);
	metrics__head(f, "router_advertisements_total", "counter", "Router Advertisements sent");
	advertise__each(c, write_advertised, f);
	metrics__head(f, "router_solicitations_total", "counter", "Router Solicitations from hosts");
	advertise__each(c, write_solicited, f);
}

char *metrics__text(const struct control *c, size_t *len)
{
	struct dns64_stats sum;
	const struct dns64_stats *dns = dns_threads__stats(&c->dns, &sum);
	char *text = NULL;
	FILE *f = open_memstream(&text, len);

	if (!f)
		return NULL;
	write_info(f, c);
	write_gauges(f, c);
	write_worker_counters(f, c);
	write_turns(f, c);
	write_drops(f, c);
	write_nodes(f, c);
	for (unsigned i = 0; i < N_REQUEST_LOGS; i++)
		write_log(f, c, i);
	write_prefixes(f, c);
	if (dns) {
		dns64_stats_each(dns, write_dns, f);
		dns_metrics__write(f, c, dns);
	}
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
