/* test_read.c - what the file says is what the structs hold: names, short forms, units, defaults. */
#include <errno.h>
#include <netinet/in.h>
#include "fixture.h"

#define LINKS "interfaces: {inside: lan0, outside: wan0}\n"

static void assert_addr(const struct addr *a, const char *text)
{
	char got[ADDR_TEXT_MAX];

	assert_string_equal(addr_format(a, got), text);
}

static void assert_prefix(const struct prefix *p, const char *text)
{
	char got[PREFIX_TEXT_MAX];

	assert_string_equal(prefix_format(p, got), text);
}

static void smallest_file_is_the_four_lines(void **state)
{
	char *text = read_test_file("smallest.yaml");
	struct config *c = parse_good(text);

	(void)state;
	assert_string_equal(c->interfaces.inside[0], "lan0");
	assert_string_equal(c->interfaces.outside[0], "wan0");
	assert_int_equal(c->interfaces.n_inside, 1);
	assert_true(c->has_nat64 && c->has_dns64 && c->has_egress6);
	assert_false(c->has_services);
	assert_int_equal(c->nat64.n_pool4, 1);
	assert_true(c->nat64.pool4[0].outside);
	assert_int_equal(c->nat64.pool4[0].port_first, 10000);
	assert_int_equal(c->nat64.pool4[0].port_last, 29999);
	assert_int_equal(c->nat64.pool4[0].protocols, NAT64_TCP | NAT64_UDP | NAT64_ICMP);
	assert_prefix(&c->nat64.prefix[0], "64:ff9b::/96");
	assert_int_equal(c->dns64.n_upstream, 1);
	assert_addr(&c->dns64.upstream[0].address, "2001:db8:ffff::53");
	assert_int_equal(c->dns64.upstream[0].port, 53);
	assert_prefix(&c->dns64.prefix[0], "64:ff9b::/96");
	assert_true(c->egress6.follow_inside);
	config_free(c);
	free(text);
}

static void what_is_not_written_has_its_default(void **state)
{
	struct config *c = parse_good(LEAST);

	(void)state;
	assert_false(c->has_nat64 || c->has_dns64 || c->has_services);
	assert_int_equal(c->gateway.workers, 0);
	assert_int_equal(c->gateway.flows, 1048576);
	assert_string_equal(c->gateway.user, "sixgate");
	assert_string_equal(c->gateway.control, "/run/sixgate/control.sock");
	assert_false(c->gateway.metrics);
	assert_addr(&c->gateway.metrics_listen.address, "::1");
	assert_int_equal(c->gateway.metrics_listen.port, 9664);
	assert_int_equal(c->interfaces.io, IO_AUTO);
	assert_string_equal(c->interfaces.tun, "sixgate0");
	assert_true(c->interfaces.manage);
	assert_int_equal(c->translation.lowest_ipv6_mtu, 1280);
	assert_int_equal(c->translation.mss_clamp, MSS_CLAMP_AUTO);
	assert_true(c->translation.copy_traffic_class);
	assert_false(c->translation.udp_zero_checksum_drop);
	assert_true(strlen(c->gateway.name) > 0);
	config_free(c);
}

static void nat64_of_the_whole_sample(void **state)
{
	char *text = read_test_file("everything.yaml");
	struct config *c = parse_good(text);
	const struct nat64_conf *n = &c->nat64;

	(void)state;
	assert_int_equal(n->n_pool4, 3);
	assert_addr(&n->pool4[0].first, "198.51.100.10");
	assert_addr(&n->pool4[0].last, "198.51.100.10");
	assert_int_equal(n->pool4[0].port_first, 1024);
	assert_int_equal(n->pool4[0].port_last, 65535);
	assert_int_equal(n->pool4[1].port_first, 1);
	assert_int_equal(n->pool4[1].port_last, 3000);
	assert_true(n->pool4[2].outside);
	assert_int_equal(n->n_static, 2);
	assert_int_equal(n->static_entry[0].protocol, NAT64_TCP);
	assert_addr(&n->static_entry[0].inside, "2001:db8:1::80");
	assert_int_equal(n->static_entry[0].inside_port, 443);
	assert_addr(&n->static_entry[0].outside, "198.51.100.10");
	assert_int_equal(n->static_entry[1].protocol, NAT64_ICMP);
	assert_int_equal(n->static_entry[1].outside_port, 1);
	assert_int_equal(n->timeouts.tcp_established_s, 7440);
	assert_int_equal(n->timeouts.fragment_s, 2);
	config_free(c);
	free(text);
}

#define PIN "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

/* RFC 7858 3.1: port 853 goes with TLS. */
static void upstreams_over_tls_are_read_and_written(void **state)
{
	struct config *c = parse_with_job("dns64:\n  prefix: 64:ff9b::/96\n  upstream:\n"
					  "    - {address: 192.0.2.1, tls: {name: DNS.example}}\n"
					  "    - {address: 192.0.2.2, port: 8853, tls: {pin: " PIN "}}\n"
					  "    - {address: 192.0.2.3, tls: {name: a.example, pin: [" PIN ", "
					  PIN "], ca: /etc/ca.pem}}\n    - 192.0.2.4\n"
					  "  cookies: false\n  randomize-case: true\n");
	const struct dns64_upstream_conf *u = c->dns64.upstream;
	char *text = printed(c);
	struct config *again = parse_good(text);
	static const uint8_t zeros[DNS64_PIN_LEN];
	uint8_t pin[DNS64_PIN_LEN];

	(void)state;
	assert_int_equal(c->dns64.n_upstream, 4);
	assert_true(u[0].tls && u[1].tls && u[2].tls && !u[3].tls);
	assert_int_equal(u[0].port, 853);
	assert_int_equal(u[1].port, 8853);
	assert_int_equal(u[2].port, 853);
	assert_int_equal(u[3].port, 53);
	assert_string_equal(u[0].name, "dns.example.");
	assert_null(u[1].name);
	assert_int_equal(u[1].n_pin, 1);
	assert_int_equal(u[2].n_pin, 2);
	assert_string_equal(u[2].ca, "/etc/ca.pem");
	assert_int_equal(dns64_pin_parse(u[2].pin[1].text, pin), 0);
	assert_memory_equal(pin, zeros, sizeof(pin));
	assert_false(c->dns64.cookies);
	assert_true(c->dns64.randomize_case);
	assert_true(config_equal(c, again));
	config_free(again);
	config_free(c);
	free(text);
}

/* RFC 4648 4 and 3.5: bits left over are zero. */
static void pins_are_32_bytes_of_base64(void **state)
{
	static const struct {
		const char *text;
		int rc;
	} rows[] = {
		{ PIN, 0 },
		{ "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", 0 },
		{ "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=", -EINVAL },
		{ "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", -EINVAL },
		{ "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", -EINVAL },
		{ "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", -EINVAL },
		{ "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", -EINVAL },
		{ "sha256/AAAAAAAAAAAAAAAAAAAAA-AAAAAAAAAAAAAAAAAAAAA=", -EINVAL },
		{ "sha1/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", -EINVAL },
		{ "sha256/", -EINVAL }, { "", -EINVAL },
	};
	static const uint8_t of_nothing[4] = { 0xe3, 0xb0, 0xc4, 0x42 };
	uint8_t pin[DNS64_PIN_LEN];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		print_message("%s\n", rows[i].text);
		assert_int_equal(dns64_pin_parse(rows[i].text, pin), rows[i].rc);
	}
	assert_int_equal(dns64_pin_parse(rows[1].text, pin), 0);
	assert_memory_equal(pin, of_nothing, sizeof(of_nothing));
}

static void dns64_and_egress6_of_the_whole_sample(void **state)
{
	char *text = read_test_file("everything.yaml");
	struct config *c = parse_good(text);

	(void)state;
	assert_int_equal(c->dns64.n_upstream, 2);
	assert_addr(&c->dns64.upstream[1].address, "1.1.1.1");
	assert_addr(&c->dns64.listen[0].address, "::");
	assert_int_equal(c->dns64.n_exclude, 1);
	assert_int_equal(c->dns64.exclude[0].len, 96);
	assert_string_equal(c->dns64.never[0], "example.internal.");
	assert_true(c->dns64.parallel && c->dns64.synthesize_on_error);
	assert_int_equal(c->dns64.cache_bytes, 64 << 20);
	assert_int_equal(c->egress6.n_prefix, 1);
	assert_prefix(&c->egress6.prefix[0], "2001:db8:100::/56");
	assert_false(c->egress6.follow_inside);
	assert_int_equal(c->egress6.n_allow, 1);
	assert_int_equal(c->egress6.allow[0].protocol, IPPROTO_TCP);
	assert_int_equal(c->egress6.allow[0].n_port, 2);
	assert_int_equal(c->egress6.allow[0].port[1], 443);
	assert_prefix(&c->egress6.allow[0].destination, "2001:db8:100::80/128");
	config_free(c);
	free(text);
}

static void service_of_the_whole_sample(void **state)
{
	char *text = read_test_file("everything.yaml");
	struct config *c = parse_good(text);
	const struct service_conf *s = &c->services.service[0];

	(void)state;
	assert_int_equal(c->services.n_service, 1);
	assert_string_equal(s->name, "s3");
	assert_int_equal(s->n_address, 2);
	assert_addr(&s->address[0], "198.51.100.20");
	assert_addr(&s->address[1], "2001:db8::20");
	assert_int_equal(s->protocol, IPPROTO_TCP);
	assert_int_equal(s->port, 9000);
	assert_int_equal(s->n_node, 3);
	assert_string_equal(s->node[2].name, "store3");
	assert_addr(&s->node[2].address, "192.0.2.31");
	assert_string_equal(s->node[1].zone, "b");
	assert_string_equal(s->prefer_zone, "a");
	assert_int_equal(s->spill_percent, 80);
	assert_int_equal(s->slow_start_ms, 30000);
	assert_int_equal(s->node[1].weight, 1);
	assert_int_equal(s->scheduler, SCHEDULER_P2C);
	assert_int_equal(s->client_address, CLIENT_EMBED);
	assert_addr(&s->source_v4, "198.51.100.21");
	assert_addr(&s->source_v6, "2001:db8:64:21::");
	assert_prefix(&s->embed_prefix, "2001:db8:64:20::/96");
	assert_int_equal(s->health.kind, HEALTH_HTTP);
	assert_string_equal(s->health.path, "/minio/health/live");
	assert_int_equal(s->health.interval_ms, 2000);
	assert_int_equal(s->drain_ms, 300000);
	assert_int_equal(s->idle_timeout_ms, 350000);
	config_free(c);
	free(text);
}

static void pool4_takes_addresses_prefixes_and_ranges(void **state)
{
	struct config *c = parse_good(LINKS "nat64:\n"
					    "  pool4: [198.51.100.0/30, 192.0.2.5-192.0.2.9]\n");

	(void)state;
	assert_addr(&c->nat64.pool4[0].first, "198.51.100.0");
	assert_addr(&c->nat64.pool4[0].last, "198.51.100.3");
	assert_addr(&c->nat64.pool4[1].first, "192.0.2.5");
	assert_addr(&c->nat64.pool4[1].last, "192.0.2.9");
	config_free(c);
}

static void list_of_one_may_be_the_value_itself(void **state)
{
	struct config *c = parse_good(
		LINKS "nat64: {pool4: {address: 198.51.100.1, protocols: tcp}, prefix: "
		      "'64:ff9b::/96', static: {protocol: tcp, inside: {address: 2001:db8::1, "
		      "port: 80}, outside: {address: 198.51.100.1, port: 80}}}\n"
		      "services: {name: a, addresses: 192.0.2.1, port: 80, "
		      "nodes: {name: n, address: 192.0.2.2}}\n");

	(void)state;
	assert_int_equal(c->nat64.pool4[0].protocols, NAT64_TCP);
	assert_int_equal(c->nat64.n_static, 1);
	assert_int_equal(c->services.n_service, 1);
	assert_int_equal(c->services.service[0].n_address, 1);
	assert_int_equal(c->services.service[0].n_node, 1);
	config_free(c);
}

/* One member of one key, for tables of "this text is that number". */
static uint32_t udp_timeout(const char *value)
{
	char text[256];
	struct config *c;
	uint32_t got;

	snprintf(text, sizeof(text), LINKS "nat64: {pool4: outside, timeouts: {udp: %s}}\n", value);
	c = parse_good(text);
	got = c->nat64.timeouts.udp_s;
	config_free(c);
	return got;
}

static void durations_have_units(void **state)
{
	(void)state;
	assert_int_equal(udp_timeout("120s"), 120);
	assert_int_equal(udp_timeout("2m"), 120);
	assert_int_equal(udp_timeout("2h4m"), 7440);
	assert_int_equal(udp_timeout("1d"), 86400);
	assert_int_equal(udp_timeout("1d1h1m1s"), 90061);
	assert_int_equal(udp_timeout("150000ms"), 150);
	assert_int_equal(udp_timeout("\"5m\""), 300);
}

static uint64_t flows(const char *value)
{
	char text[64];
	struct config *c;
	uint64_t got;

	snprintf(text, sizeof(text), "gateway: {flows: %s}\n", value);
	c = parse_with_job(text);
	got = c->gateway.flows;
	config_free(c);
	return got;
}

static void sizes_have_suffixes_of_1024(void **state)
{
	(void)state;
	assert_int_equal(flows("64k"), 65536);
	assert_int_equal(flows("1m"), 1048576);
	assert_int_equal(flows("4M"), 4194304);
	assert_int_equal(flows("5000"), 5000);
}

static void rates_are_per_second(void **state)
{
	struct config *c = parse_with_job("translation: {icmp-errors: 3500/s}\n");

	(void)state;
	assert_int_equal(c->translation.icmp_error_rate, 3500);
	config_free(c);
}

static void words_stand_for_numbers(void **state)
{
	struct config *c = parse_with_job("gateway: {workers: 4}\ntranslation: {mss-clamp: off}\n");

	(void)state;
	assert_int_equal(c->gateway.workers, 4);
	assert_int_equal(c->translation.mss_clamp, MSS_CLAMP_OFF);
	config_free(c);
	c = parse_with_job("translation: {mss-clamp: 1400, copy-traffic-class: false, tos: 16}\n");
	assert_int_equal(c->translation.mss_clamp, 1400);
	assert_int_equal(c->translation.tos, 16);
	config_free(c);
}

static struct health_conf health(const char *value)
{
	char text[512];
	struct config *c;
	struct health_conf got;

	snprintf(text, sizeof(text),
		 LINKS "services: [{name: a, addresses: 192.0.2.1, port: 80, %s, "
		       "nodes: [{name: n, address: 192.0.2.2}]}]\n",
		 value);
	c = parse_good(text);
	got = c->services.service[0].health;
	config_free(c);
	return got;
}

static void health_has_presets_and_short_forms(void **state)
{
	struct health_conf h = health("health: garage");

	(void)state;
	assert_int_equal(h.kind, HEALTH_HTTP);
	assert_int_equal(h.port, 3903);
	assert_int_equal(health("health: off").kind, HEALTH_NONE);
	assert_int_equal(health("health: {tcp: true}").kind, HEALTH_TCP);
	h = health("health: {http: {path: /x, status: 200-399, host: store}, interval: 500ms, "
		   "timeout: 300ms}");
	assert_int_equal(h.kind, HEALTH_HTTP);
	assert_string_equal(h.path, "/x");
	assert_string_equal(h.host, "store");
	assert_int_equal(h.status_last, 399);
	assert_int_equal(h.interval_ms, 500);
	assert_int_equal(health("health: {preset: rgw, http: {path: /mine}}").status_last, 200);
	assert_string_equal(health("health: {preset: rgw, http: {path: /mine}}").path, "/mine");
	assert_int_equal(health("health: {rise: 5}").kind, HEALTH_TCP);
}

static void udp_services_are_not_checked_unless_told(void **state)
{
	(void)state;
	assert_int_equal(health("protocol: tcp").kind, HEALTH_TCP);
	assert_int_equal(health("protocol: udp").kind, HEALTH_NONE);
	assert_int_equal(health("protocol: udp, health: http").kind, HEALTH_HTTP);
}

static void metrics_are_on_when_written(void **state)
{
	struct config *c = parse_with_job("gateway: {metrics: {port: 9100}}\n");

	(void)state;
	assert_true(c->gateway.metrics);
	assert_addr(&c->gateway.metrics_listen.address, "::1");
	assert_int_equal(c->gateway.metrics_listen.port, 9100);
	config_free(c);
	c = parse_with_job("gateway: {metrics: 127.0.0.1}\n");
	assert_addr(&c->gateway.metrics_listen.address, "127.0.0.1");
	assert_int_equal(c->gateway.metrics_listen.port, 9664);
	config_free(c);
}

static void advertisements_have_their_defaults(void **state)
{
	struct config *c = parse_good("interfaces: {inside: [lan0, lan1], outside: wan0}\n"
				      "nat64: {pool4: outside}\n"
				      "dns64: {upstream: 192.0.2.53, probe: 192.0.2.1, "
				      "router-advertisement: {interface: [lan1, lan0]}}\n");

	(void)state;
	assert_true(c->dns64.has_ra);
	assert_int_equal(c->dns64.ra.n_interface, 2);
	assert_string_equal(c->dns64.ra.interface[0], "lan1");
	assert_true(c->dns64.ra.pref64);
	assert_int_equal(c->dns64.ra.n_prefix, 0);
	assert_int_equal(dns64_conf_ra_lifetime_s(&c->dns64.ra), 1800);
	assert_int_equal(dns64_conf_router_lifetime_s(&c->dns64.ra), 0);
	assert_false(c->dns64.require_nat64);
	assert_true(c->dns64.has_probe);
	assert_int_equal(c->dns64.probe.port, 0);
	assert_int_equal(c->dns64.probe.interval_ms, 10000);
	config_free(c);
	c = parse_good("interfaces: {inside: lan0, outside: wan0}\nnat64: {pool4: outside}\n"
		       "dns64: {upstream: 192.0.2.53, router-advertisement: {interface: lan0, "
		       "interval: 20s, lifetime: 5m, default-router: true}}\n");
	assert_int_equal(dns64_conf_ra_lifetime_s(&c->dns64.ra), 300);
	assert_int_equal(dns64_conf_router_lifetime_s(&c->dns64.ra), 60);
	config_free(c);
}

static void built_alternatives_are_accepted(void **state)
{
	struct config *c = parse_good(
		"interfaces: {inside: lan0, outside: wan0, io: tun, manage: false}\n"
		"nat64: {pool4: outside, filtering: address-dependent, limits: {flows: off, "
		"ports: off, new-flows: off, subscriber-prefix: auto}}\n"
		"dns64: {upstream: 192.0.2.53, lookup: serial, on-error: servfail, views: [], "
		"zones: [], always: [a.example], cache: {serve-stale: off}, mapped: {ipv4: 10.0.0.0/8}, "
		"router-advertisement: off, client-timeout: 2s}\n"
		"egress6: {prefixes: inside, unsolicited: reject, flow-log: off}\n");

	(void)state;
	assert_int_equal(c->interfaces.io, IO_TUN);
	assert_false(c->interfaces.manage);
	assert_int_equal(c->nat64.filtering, NAT64_ADDRESS_DEPENDENT);
	assert_false(c->dns64.parallel);
	assert_false(c->dns64.synthesize_on_error);
	assert_int_equal(c->dns64.stale_s, 0);
	assert_int_equal(c->dns64.client_timeout_ms, 2000);
	assert_int_equal(c->dns64.n_always, 1);
	assert_string_equal(c->dns64.always[0], "a.example.");
	assert_int_equal(c->dns64.mapped[0].v6.len, 0);
	assert_false(c->dns64.has_ra);
	assert_int_equal(c->egress6.unsolicited, EGRESS6_REJECT);
	config_free(c);
}

static void limits_quarantine_parity_and_exempt_destinations_are_read(void **state)
{
	struct config *c = parse_good(
		LINKS "nat64: {pool4: outside, limits: {flows: 2000, ports: 1000, new-flows: 500/s, "
		      "subscriber-prefix: 56}, quarantine: {time: 3m, ports: 6400}, "
		      "port-parity: true, exempt: [203.0.113.0/24, "
		      "{destination: 198.51.100.7, ports: 25}]}\n");
	const struct nat64_conf *n = &c->nat64;

	(void)state;
	assert_int_equal(n->limits.flows, 2000);
	assert_int_equal(n->limits.ports, 1000);
	assert_int_equal(n->limits.new_flows, 500);
	assert_int_equal(n->limits.subscriber_prefix, 56);
	assert_int_equal(n->quarantine.time_s, 180);
	assert_int_equal(n->quarantine.ports, 6400);
	assert_true(n->port_parity);
	assert_int_equal(n->n_exempt, 2);
	assert_int_equal(n->exempt[0].destination.len, 120);
	assert_int_equal(n->exempt[0].port_first, 0);
	assert_int_equal(n->exempt[0].port_last, 65535);
	assert_int_equal(n->exempt[1].destination.len, 128);
	assert_int_equal(n->exempt[1].port_first, 25);
	assert_int_equal(n->exempt[1].port_last, 25);
	config_free(c);
	c = parse_good(LINKS "nat64: {pool4: outside, exempt: 203.0.113.9, quarantine: {time: off}}\n");
	assert_int_equal(c->nat64.n_exempt, 1);
	assert_int_equal(c->nat64.quarantine.time_s, 0);
	config_free(c);
	c = parse_good(LINKS "nat64: {pool4: outside}\n");
	assert_int_equal(c->nat64.quarantine.time_s, 120); /* RFC 6888 REQ-8 */
	assert_int_equal(c->nat64.limits.subscriber_prefix, 0);
	config_free(c);
}

static void dns64_takes_prefixes_and_leave_from_nat64(void **state)
{
	struct config *c = parse_good(LINKS "nat64: {pool4: outside, allow-private: true, prefix: "
					    "[64:ff9b::/96, '2001:db8:64::/48']}\n"
					    "dns64: {upstream: 192.0.2.53}\n");

	(void)state;
	assert_int_equal(c->dns64.n_prefix, 2);
	assert_prefix(&c->dns64.prefix[1], "2001:db8:64::/48");
	assert_true(c->dns64.allow_private);
	config_free(c);
	c = parse_good(LINKS "dns64: {upstream: 192.0.2.53, prefix: 2001:db8:64::/96}\n");
	assert_int_equal(c->dns64.n_prefix, 1);
	assert_false(c->dns64.allow_private);
	config_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(smallest_file_is_the_four_lines),
		cmocka_unit_test(what_is_not_written_has_its_default),
		cmocka_unit_test(upstreams_over_tls_are_read_and_written),
		cmocka_unit_test(pins_are_32_bytes_of_base64),
		cmocka_unit_test(nat64_of_the_whole_sample),
		cmocka_unit_test(dns64_and_egress6_of_the_whole_sample),
		cmocka_unit_test(service_of_the_whole_sample),
		cmocka_unit_test(pool4_takes_addresses_prefixes_and_ranges),
		cmocka_unit_test(list_of_one_may_be_the_value_itself),
		cmocka_unit_test(durations_have_units),
		cmocka_unit_test(sizes_have_suffixes_of_1024),
		cmocka_unit_test(rates_are_per_second),
		cmocka_unit_test(words_stand_for_numbers),
		cmocka_unit_test(health_has_presets_and_short_forms),
		cmocka_unit_test(udp_services_are_not_checked_unless_told),
		cmocka_unit_test(metrics_are_on_when_written),
		cmocka_unit_test(advertisements_have_their_defaults),
		cmocka_unit_test(built_alternatives_are_accepted),
		cmocka_unit_test(limits_quarantine_parity_and_exempt_destinations_are_read),
		cmocka_unit_test(dns64_takes_prefixes_and_leave_from_nat64),
	};
	return cmocka_run_group_tests_name("config/read", tests, NULL, NULL);
}
