/* show.c - answers for people: one line per thing, aligned, nothing that is zero or absent. */
#include <stdio.h>
#include <string.h>
#include "ctl.h"

static const char *text(const json_t *v, const char *key)
{
	const char *s = json_string_value(json_object_get(v, key));

	return s ? s : "";
}

static long long number(const json_t *v, const char *key)
{
	return (long long)json_integer_value(json_object_get(v, key));
}

static bool flag(const json_t *v, const char *key)
{
	return json_is_true(json_object_get(v, key));
}

static void print_duration(long long s)
{
	if (s >= 86400)
		printf("%lldd ", s / 86400);
	if (s >= 3600)
		printf("%lldh ", s / 3600 % 24);
	if (s >= 60)
		printf("%lldm ", s / 60 % 60);
	printf("%llds", s % 60);
}

static void show_interfaces(const json_t *list)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v) {
		printf("%-10s %s: ", text(v, "side"), text(v, "name"));
		if (!flag(v, "present"))
			puts("missing, waiting for it");
		else
			printf("%s, mtu %lld, by %s\n", flag(v, "up") ? "up" : "down", number(v, "mtu"),
			       text(v, "io"));
	}
}

static void show_devices(const json_t *list)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
		printf("%-10s %s: %s, offloads: %s\n", "device", text(v, "name"), text(v, "side"),
		       text(v, "offloads"));
}

/* How packets leave that came by AF_XDP. */
static void show_next_hops(const json_t *v)
{
	if (!v)
		return;
	if (flag(v, "direct"))
		printf("%-10s %lld routes, %lld neighbours\n", "next hops", number(v, "routes"),
		       number(v, "neighbours"));
	else
		printf("%-10s by way of the kernel: %s\n", "next hops", text(v, "why"));
}

static void show_dns(const json_t *list)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
		printf("%-10s [%s]:%lld/%s%s\n", "dns64", text(v, "address"), number(v, "port"),
		       text(v, "transport"), flag(v, "open") ? "" : ": not open, trying again");
}

static void show_upstreams(const json_t *list)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
		printf("%-10s [%s]:%lld%s%s\n", "upstream", text(v, "address"), number(v, "port"),
		       flag(v, "tls") ? " over TLS" : "",
		       flag(v, "answers") ? "" : ": does not answer; is it up, and is there a route to it? See the log");
}

static void show_translators(const json_t *list)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
		printf("%-10s %s: %s%s\n", "translator", text(v, "prefix"),
		       flag(v, "works") ? "works" : "does not work: ", text(v, "why"));
}

static void show_advertisers(const json_t *list)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
		printf("%-10s %s: %s%s%s%s%s\n", "ra", text(v, "interface"), text(v, "state"),
		       *text(v, "source") ? ", from " : "", text(v, "source"),
		       *text(v, "why") ? ": " : "", text(v, "why"));
}

static void show_findings(const json_t *list)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
		printf("%s: %s\n", text(v, "severity"), text(v, "text"));
}

static void show_pool(const json_t *pool, long long mappings)
{
	const json_t *shared = json_object_get(pool, "shared");

	printf("%-10s %lld mappings; %lld address%s with %lld ports per protocol", "pool4", mappings,
	       number(pool, "addresses"), number(pool, "addresses") == 1 ? "" : "es",
	       number(pool, "ports"));
	if (json_is_string(shared))
		printf(", sharing %s with the host", json_string_value(shared));
	else if (shared)
		printf("; the outside interface has no address to share yet");
	putchar('\n');
}

static void show_status(const json_t *v)
{
	const json_t *flows = json_object_get(v, "flows"), *pool = json_object_get(v, "pool4");
	const json_t *nodes = json_object_get(v, "nodes"), *on;
	const char *job;

	printf("%s: sixgate %s, up ", text(v, "name"), text(v, "version"));
	print_duration(number(v, "uptime_s"));
	printf(", %lld worker%s, configuration %lld\n", number(v, "workers"),
	       number(v, "workers") == 1 ? "" : "s", number(v, "reloads") + 1);
	printf("%-10s", "jobs");
	json_object_foreach(json_object_get(v, "jobs"), job, on)
		if (json_is_true(on))
			printf(" %s", job);
	putchar('\n');
	show_interfaces(json_object_get(v, "interfaces"));
	show_devices(json_object_get(v, "devices"));
	show_next_hops(json_object_get(v, "next_hops"));
	printf("%-10s %lld of %lld\n", "flows", number(flows, "used"), number(flows, "capacity"));
	if (pool)
		show_pool(pool, number(flows, "mappings"));
	if (nodes)
		printf("%-10s %lld up, %lld down, %lld draining\n", "nodes", number(nodes, "up"),
		       number(nodes, "down"), number(nodes, "draining"));
	show_dns(json_object_get(v, "dns64"));
	show_upstreams(json_object_get(v, "upstreams"));
	show_translators(json_object_get(v, "translators"));
	show_advertisers(json_object_get(v, "router-advertisement"));
	show_findings(json_object_get(v, "findings"));
}

static void print_endpoint(const json_t *v)
{
	const char *address = text(v, "address");

	printf(strchr(address, ':') ? "[%s]:%lld" : "%s:%lld", address, number(v, "port"));
}

static void show_flow(const json_t *v)
{
	printf("%-8s %-6s ", text(v, "policy"), text(v, "protocol"));
	print_endpoint(json_object_get(v, "source"));
	printf(" > ");
	print_endpoint(json_object_get(v, "destination"));
	printf("  as  ");
	print_endpoint(json_object_get(v, "new_source"));
	printf(" > ");
	print_endpoint(json_object_get(v, "new_destination"));
	printf("  %s%s%llds\n", text(v, "state"), *text(v, "state") ? " " : "",
	       number(v, "expires_s"));
}

static void show_mapping(const json_t *v)
{
	printf("%-5s ", text(v, "protocol"));
	print_endpoint(json_object_get(v, "inside"));
	printf(" = ");
	print_endpoint(json_object_get(v, "outside"));
	printf("  %lld sessions%s\n", number(v, "sessions"), flag(v, "static") ? ", static" : "");
}

static void show_nodes(const json_t *list)
{
	const json_t *v;
	size_t i;

	if (json_array_size(list) == 0) {
		puts("no nodes are configured");
		return;
	}
	json_array_foreach(list, i, v) {
		printf("%-12s %-12s %-9s [%s]:%lld  %lld flows, %lld ever, weight %lld  %s\n",
		       text(v, "service"), text(v, "node"), text(v, "state"), text(v, "address"),
		       number(v, "port"), number(v, "flows"), number(v, "flows_total"),
		       number(v, "weight"), text(v, "why"));
	}
}

static void show_drained(const json_t *list)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v) {
		printf("service %s: node %s is %s%s%s", text(v, "service"), text(v, "node"),
		       text(v, "state"), *text(v, "why") ? ": " : "", text(v, "why"));
		if (strcmp(text(v, "state"), "draining") == 0) {
			printf("; no new flows, those that are left are reset after ");
			print_duration(number(v, "drain_s"));
		}
		putchar('\n');
	}
}

static void show_counter_list(const char *title, const json_t *list)
{
	const json_t *v;
	size_t i;

	if (json_array_size(list) == 0)
		return;
	printf("%s\n", title);
	json_array_foreach(list, i, v)
		printf("  %-24s %14lld  %s\n", text(v, "name"), number(v, "value"), text(v, "help"));
}

static void show_counters(const json_t *v)
{
	show_counter_list("packets", json_object_get(v, "workers"));
	show_counter_list("dropped", json_object_get(v, "drops"));
	show_counter_list("dns64", json_object_get(v, "dns64"));
}

static void show_refusal(const json_t *v)
{
	const json_t *line;
	size_t i;

	json_array_foreach(json_object_get(v, "errors"), i, line)
		fprintf(stderr, "%s\n", json_string_value(line));
	fprintf(stderr, "sixgatectl: %s\n", text(v, "error"));
}

void ctl_show(enum ctl_command command, const json_t *line, bool last)
{
	if (last && !flag(line, "ok")) {
		show_refusal(line);
		return;
	}
	switch (command) {
	case CTL_STATUS:
		show_status(line);
		break;
	case CTL_FLOWS:
		if (!last)
			show_flow(json_object_get(line, "flow"));
		break;
	case CTL_BIB:
	case CTL_WHO:
		if (!last)
			show_mapping(json_object_get(line, "mapping"));
		break;
	case CTL_DNS_CACHE:
	case CTL_DNS_LOOKUP:
	case CTL_DNS_FLUSH:
		ctl_show_dns(command, line, last);
		break;
	case CTL_NODES:
		show_nodes(json_object_get(line, "nodes"));
		break;
	case CTL_COUNTERS:
		show_counters(line);
		break;
	case CTL_CONFIG:
		fputs(text(line, "config"), stdout);
		break;
	case CTL_RELOAD:
		puts("reloaded");
		break;
	case CTL_DRAIN:
	case CTL_UNDRAIN:
		show_drained(json_object_get(line, "nodes"));
		break;
	case CTL_EXPLAIN:
	case CTL_TRACE:
		ctl_show_step(command, line, last);
		break;
	case N_CTL_COMMANDS:
		break;
	}
}
