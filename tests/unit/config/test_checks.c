/* test_checks.c - a configuration that cannot work is refused with the reason; what is not built
 * yet is refused by name. Each row has a twin that is accepted: the rule is where it says it is. */
#include "fixture.h"
#include <stdio.h>

#define LINKS "interfaces: {inside: lan0, outside: wan0}\n"

/* @at: "line:column: path", exactly; @good: NULL where the built rows of other tests show the other side. */
struct row {
	const char *what, *bad, *at, *part, *good;
};

static void assert_at(const struct config_error *e, const char *at)
{
	char place[CONFIG_ERROR_LINE_MAX];
	int n = snprintf(place, sizeof(place), "%d:%d: %s", e->line, e->column, e->text);

	assert_in_range(n, strlen(at) + 2, sizeof(place) - 1);
	place[strlen(at) + 2] = '\0';
	n = (int)strlen(at);
	assert_string_equal(place + n, ": ");
	place[n] = '\0';
	assert_string_equal(place, at);
}

static void assert_rows(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct config_errors *e;

		print_message("row %zu: %s\n", i, rows[i].what);
		e = parse_bad(rows[i].bad);
		assert_true(has_error(e, 0, 0, rows[i].part));
		if (e->n != 1)
			print_errors(e);
		assert_int_equal(e->n, 1);
		assert_at(&e->error[0], rows[i].at);
		if (rows[i].good)
			config_free(parse_good(rows[i].good));
	}
}

#define ASSERT_ROWS(rows) assert_rows(rows, sizeof(rows) / sizeof((rows)[0]))

static void the_log_of_nat64_says_where_and_what(void **state)
{
#define LOG(text) LINKS "nat64: {pool4: outside, log: {" text "}}\n"
	static const struct row rows[] = {
		{ "no sink", LOG("what: [sessions]"), "2:25: nat64.log", "`sink` is missing",
		  LOG("sink: journal, what: [sessions]") },
		{ "a relative path", LOG("sink: nat64.log"), "2:37: nat64.log.sink", "an absolute path",
		  LOG("sink: /var/log/nat64.log") },
		{ "a relative socket", LOG("sink: socket:journal"), "2:37: nat64.log.sink", "socket: and one",
		  LOG("sink: socket:/run/log") },
		{ "what", LOG("sink: journal, what: [everything]"), "2:53: nat64.log.what[0]", "port-blocks",
		  LOG("sink: journal, what: [port-blocks, sessions]") },
		{ "destinations of blocks", LOG("sink: journal, destinations: true"),
		  "2:60: nat64.log.destinations", "have no destination",
		  LOG("sink: journal, what: sessions, destinations: true") },
	};

	(void)state;
	ASSERT_ROWS(rows);
#undef LOG
}

static void quarantine_of_no_time_has_no_ports(void **state)
{
#define REST(text) LINKS "nat64: {pool4: outside, quarantine: {" text "}}\n"
	static const struct row rows[] = {
		{ "ports that do not rest", REST("ports: 100, time: off"), "2:45: nat64.quarantine.ports",
		  "with `time: off` none do", REST("ports: 100, time: 1s") },
		{ "the same, no bound", REST("ports: 63, time: 1s"), "2:45: nat64.quarantine.ports", "expected off or a number",
		  REST("ports: off, time: off") },
	};

	(void)state;
	ASSERT_ROWS(rows);
#undef REST
}

static void names_of_dns64_zones_are_checked(void **state)
{
#define ZONE(text)                                                                                 \
	LINKS "nat64: {pool4: outside}\ndns64: {upstream: 192.0.2.53, zones: [" text "]}\n"
#define ZONE_OF_SERVICE(text)                                                                      \
	ZONE(text)                                                                                 \
	"services: [{name: s3, addresses: 192.0.2.1, port: 80, nodes: "                            \
	"{name: n, address: 192.0.2.2}}]\n"
	static const struct row rows[] = {
		{ "a service that is not there", ZONE("{name: a.example, service: s3}"),
		  "3:66: dns64.zones[0].service", "there is no service s3",
		  ZONE_OF_SERVICE("{name: a.example, service: s3, answer: nodes, ttl: 1s}") },
		{ "nothing", ZONE("{name: a.example}"), "3:39: dns64.zones[0]",
		  "neither a service nor a record", ZONE("{name: a.example, txt: none}") },
		{ "an alias beside a record", ZONE("{name: a.example, cname: b.example, a: 192.0.2.1}"),
		  "3:64: dns64.zones[0].cname", "cannot stand beside other records",
		  ZONE("{name: a.example, cname: b.example}") },
		{ "addresses beside a service", ZONE_OF_SERVICE("{name: a.example, service: s3, a: 192.0.2.1}"),
		  "3:66: dns64.zones[0].service", "they are the service's",
		  ZONE_OF_SERVICE("{name: a.example, service: s3, txt: \"a: b\"}") },
		{ "the name of RFC 8880", ZONE("{name: ipv4only.arpa, a: 192.0.2.1}"), "3:46: dns64.zones[0].name",
		  "is answered here", ZONE("{name: ipv4only.example, a: 192.0.2.1}") },
		{ "a name twice", ZONE("{name: a.example, a: 192.0.2.1}, {name: A.example., aaaa: 2001:db8::1}"),
		  "3:79: dns64.zones[1].name", "a.example. is there twice",
		  ZONE("{name: a.example, a: 192.0.2.1, aaaa: 2001:db8::1}") },
		{ "an alias of an alias", ZONE("{name: a.example, cname: b.example}, {name: b.example, cname: c.example}"),
		  "3:64: dns64.zones[0].cname", "leads to another alias: say c.example.",
		  ZONE("{name: a.example, cname: c.example}, {name: b.example, cname: c.example}") },
		{ "IPv6 among the IPv4 addresses", ZONE("{name: a.example, a: 2001:db8::1}"),
		  "3:60: dns64.zones[0].a", "IPv4", ZONE("{name: a.example, a: 192.0.2.1}") },
		{ "the name of no address", ZONE("{name: 9.2.0.192, ptr: a.example}"), "3:62: dns64.zones[0].ptr",
		  "or one below ip6.arpa, not for 9.2.0.192.",
		  ZONE("{name: 9.2.0.192.in-addr.arpa, ptr: a.example}") },
		{ "a name that ends like one", ZONE("{name: 8.xip6.arpa, ptr: a.example}"), "3:64: dns64.zones[0].ptr",
		  "is for the name of an address", ZONE("{name: 8.ip6.arpa, ptr: a.example}") },
		{ "the zone of all addresses", ZONE("{name: ip6.arpa, ptr: a.example}"), "3:61: dns64.zones[0].ptr",
		  "is for the name of an address", ZONE("{name: ip6.arpa, a: 192.0.2.1}") },
		{ "a long lifetime", ZONE("{name: a.example, a: 192.0.2.1, ttl: 2d}"),
		  "3:76: dns64.zones[0].ttl", "a duration from 1s to 1d",
		  ZONE("{name: a.example, a: 192.0.2.1, ttl: 1d}") },
	};

	(void)state;
	ASSERT_ROWS(rows);
#undef ZONE
#undef ZONE_OF_SERVICE
}

static void upstreams_of_domains_leave_one_for_the_rest(void **state)
{
#define UPSTREAMS(text) LINKS "nat64: {pool4: outside}\ndns64: {upstream: [" text "]}\n"
#define FOR_ALL UPSTREAMS("192.0.2.53, {address: 192.0.2.54, domains: [corp.example, 10.in-addr.arpa]}")
	static const struct row rows[] = {
		{ "nobody for the rest", UPSTREAMS("{address: 192.0.2.54, domains: corp.example}"),
		  "3:9: dns64.upstream", "expected one without, to ask for all other names", FOR_ALL },
		{ "no name of a domain",
		  UPSTREAMS("192.0.2.53, {address: 192.0.2.54, domains: [a..b]}"),
		  "3:64: dns64.upstream[1].domains[0]", "expected a domain name", FOR_ALL },
		{ "TLS without a name or a pin",
		  UPSTREAMS("192.0.2.53, {address: 192.0.2.54, tls: {}}"), "3:54: dns64.upstream[1].tls",
		  "expected a name for its certificate",
		  UPSTREAMS("192.0.2.53, {address: 192.0.2.54, tls: {name: a.example}}") },
		{ "one of them twice", UPSTREAMS("192.0.2.53, 192.0.2.54, 192.0.2.53"),
		  "3:44: dns64.upstream[2]", "stands twice in the list",
		  UPSTREAMS("192.0.2.53, {address: 192.0.2.53, port: 5353}, "
			    "{address: 192.0.2.53, domains: corp.example}") },
		{ "one of them twice for a domain",
		  UPSTREAMS("192.0.2.53, {address: 192.0.2.54, domains: [a.example, b.example]}, "
			    "{address: 192.0.2.54, domains: [c.example, B.example.]}"),
		  "3:98: dns64.upstream[2].address", "stands twice in the list for b.example.",
		  UPSTREAMS("192.0.2.53, {address: 192.0.2.54, domains: [a.example, b.example]}, "
			    "{address: 192.0.2.54, port: 54, domains: b.example}, "
			    "{address: 192.0.2.54, domains: [c.example, x.b.example]}") },
	};

	(void)state;
	ASSERT_ROWS(rows);
#undef UPSTREAMS
#undef FOR_ALL
}

static void an_upstream_is_not_the_gateway_itself(void **state)
{
#define OWN "is an address of this machine, and dns64.listen takes port "
#define DNS64(text) LINKS "nat64: {pool4: outside}\ndns64: {" text "}\n"
	static const struct row rows[] = {
		{ "::1 and the default listener", DNS64("upstream: '::1'"), "3:20: dns64.upstream", OWN "53",
		  DNS64("upstream: {address: '::1', port: 5353}") },
		{ "all of 127.0.0.0/8 comes to [::]", DNS64("upstream: [192.0.2.53, 127.255.255.254]"),
		  "3:32: dns64.upstream[1]", OWN "53", DNS64("upstream: [192.0.2.53, 128.0.0.1]") },
		{ "IPv4 comes to 0.0.0.0", DNS64("upstream: 127.0.0.1, listen: 0.0.0.0"), "3:19: dns64.upstream",
		  OWN "53", DNS64("upstream: '::1', listen: 0.0.0.0") },
		{ "one listener of several",
		  DNS64("upstream: {address: '::1', port: 54}, listen: [192.0.2.1, {address: '::', port: 54}]"),
		  "3:30: dns64.upstream.address", OWN "54", DNS64("upstream: '::1', listen: [192.0.2.1, 2001:db8:1::1]") },
		{ "an address that another listener names",
		  DNS64("upstream: 192.0.2.1, listen: [{address: 192.0.2.1, port: 54}, '::']"),
		  "3:19: dns64.upstream", OWN "53",
		  DNS64("upstream: 192.0.2.2, listen: [{address: 192.0.2.1, port: 54}, '::']") },
		{ "the next after ::1 is nobody's", DNS64("upstream: '::1', listen: '::'"), "3:20: dns64.upstream",
		  OWN "53", DNS64("upstream: '::2', listen: '::'") },
	};

	(void)state;
	ASSERT_ROWS(rows);
#undef OWN
#undef DNS64
}

static void link_local_addresses_without_an_interface_are_refused(void **state)
{
#define DNS64(text) LINKS "nat64: {pool4: outside}\ndns64: {" text "}\n"
	static const struct row rows[] = {
		{ "an upstream", DNS64("upstream: fe80::53"), "3:19: dns64.upstream",
		  "cannot be a link-local address", DNS64("upstream: fec0::53") },
		{ "the last of fe80::/10, second upstream", DNS64("upstream: [192.0.2.53, febf::53]"),
		  "3:32: dns64.upstream[1]", "give another address of the resolver",
		  DNS64("upstream: [192.0.2.53, 169.254.169.253]") },
		{ "a listener", DNS64("upstream: 192.0.2.53, listen: fe80::1"), "3:39: dns64.listen",
		  "cannot be a link-local address", DNS64("upstream: 192.0.2.53, listen: fd00::1") },
	};

	(void)state;
	ASSERT_ROWS(rows);
#undef DNS64
}

static void unbuilt_features_are_refused_by_name(void **state)
{
#define SERVICE(text)                                                                              \
	LINKS "services: [{name: a, addresses: 192.0.2.1, port: 80, nodes: "                       \
	      "{name: n, address: 192.0.2.2}, " text "}]\n"
	static const struct row rows[] = {
		{ "proxy-v2", SERVICE("client-address: proxy-v2"), "2:108: services[0].client-address",
		  "proxy-v2 is not built yet", SERVICE("client-address: keep") },
	};

	(void)state;
	ASSERT_ROWS(rows);
#undef SERVICE
}

/* Reloading to an empty file would take the guard away and open the network. */
static void a_file_without_interfaces_or_a_job_is_refused(void **state)
{
	static const char *const files[] = {
		"",
		"# nothing\n",
		"{}\n",
		"gateway: {workers: 2}\n",
		"translation: {mss-clamp: off}\n",
		LINKS,
		"interfaces: {}\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		const struct config_errors *e = parse_bad(files[i]);

		print_message("row %zu\n", i);
		assert_int_equal(e->n, 1);
		assert_true(has_error(e, 0, 0, "nothing to do: expected `interfaces`"));
		assert_ptr_equal(strstr(e->error[0].text, "nothing"), e->error[0].text);
	}
}

static void every_job_needs_an_inside_and_an_outside_interface(void **state)
{
	static const char *const jobs[] = {
		"nat64: {pool4: outside}\n",
		"egress6: {prefixes: inside}\n",
		"siit: {prefix: 2001:db8:100::/40}\n",
		"dns64: {upstream: 192.0.2.53, prefix: 2001:db8:64::/96, allow-outside: true}\n",
		("services: [{name: a, addresses: 192.0.2.1, port: 80, nodes: "
		 "{name: n, address: 192.0.2.2}}]\n"),
	};
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof(jobs) / sizeof(jobs[0]); i++) {
		print_message("%s", jobs[i]);
		assert_true(has_error(parse_bad(jobs[i]), 0, 0, "`interfaces.inside` is missing"));
		assert_true(has_error(parse_bad(jobs[i]), 0, 0, "`interfaces.outside` is missing"));
		snprintf(text, sizeof(text), "interfaces: {inside: lan0}\n%s", jobs[i]);
		assert_true(has_error(parse_bad(text), 1, 1, "`outside` is missing"));
		assert_int_equal(parse_bad(text)->n, 1);
		snprintf(text, sizeof(text), "interfaces: {outside: wan0}\n%s", jobs[i]);
		assert_true(has_error(parse_bad(text), 1, 1, "`inside` is missing"));
		snprintf(text, sizeof(text), LINKS "%s", jobs[i]);
		config_free(parse_good(text));
	}
}

static void nat64_that_cannot_work_is_refused(void **state)
{
#define STATIC(pool, outside_address, outside_port)                                                \
	LINKS "nat64: {pool4: " pool ", static: [{protocol: tcp, inside: {address: 2001:db8::1, "  \
	      "port: 80}, outside: {address: " outside_address ", port: " outside_port "}}]}\n"
	static const struct row rows[] = {
		{ "static entry outside the pool", STATIC("192.0.2.1", "192.0.2.2", "80"),
		  "2:113: nat64.static[0].outside.address", "192.0.2.2 port 80 is in no entry of nat64.pool4",
		  STATIC("192.0.2.1", "192.0.2.1", "80") },
		{ "static entry on the host's own ports", STATIC("outside", "192.0.2.2", "80"),
		  "2:111: nat64.static[0].outside.address", "in no entry of nat64.pool4",
		  STATIC("outside", "192.0.2.2", "10000") },
		{ "static entry of a protocol the pool has not",
		  STATIC("{address: 192.0.2.1, protocols: udp}", "192.0.2.1", "80"),
		  "2:140: nat64.static[0].outside.address", "for this protocol",
		  STATIC("{address: 192.0.2.1, protocols: [udp, tcp]}", "192.0.2.1", "80") },
		{ "static entry under the NAT64 prefix (RFC 6146 3.5)",
		  LINKS "nat64: {pool4: 192.0.2.1, static: [{protocol: tcp, inside: {address: "
			"64:ff9b::1, port: 80}, outside: {address: 192.0.2.1, port: 80}}]}\n",
		  "2:70: nat64.static[0].inside.address", "NAT64 prefix", NULL },
		{ "two static entries on one port",
		  LINKS "nat64: {pool4: 192.0.2.1, static: [{protocol: tcp, inside: {address: "
			"2001:db8::1, port: 80}, outside: {address: 192.0.2.1, port: 80}}, "
			"{protocol: tcp, inside: {address: 2001:db8::2, port: 80}, outside: "
			"{address: 192.0.2.1, port: 80}}]}\n",
		  "2:213: nat64.static[1].outside.address", "entry 1 has the same outside address and port",
		  NULL },
		{ "4,095 ephemeral ports left to the host",
		  LINKS "nat64: {pool4: {address: outside, ports: 10000-56904}}\n",
		  "2:42: nat64.pool4.ports", "leaves the host itself 4095 of its ephemeral ports 32768-60999",
		  LINKS "nat64: {pool4: {address: outside, ports: 10000-56903}}\n" },
		{ "pool entries that overlap",
		  LINKS "nat64: {pool4: [192.0.2.0/24, {address: 192.0.2.9, ports: 2000}]}\n",
		  "2:41: nat64.pool4[1].address", "that entry 1 has too",
		  LINKS "nat64: {pool4: [{address: 192.0.2.0/24, ports: 1024-1999}, {address: "
			"192.0.2.9, ports: 2000}]}\n" },
		{ "more than 1,024 addresses", LINKS "nat64: {pool4: [198.18.0.0/22, 192.0.2.1]}\n",
		  "2:9: nat64.pool4", "at most 1024 addresses, found 1025",
		  LINKS "nat64: {pool4: 198.18.0.0/22}\n" },
		{ "multicast in the pool", LINKS "nat64: {pool4: 224.0.0.1}\n", "2:16: nat64.pool4",
		  "that a host can have", NULL },
		{ "prefixes that overlap",
		  LINKS "nat64: {pool4: outside, prefix: ['2001:db8::/32', '2001:db8:64::/96']}\n",
		  "2:52: nat64.prefix[1]", "overlaps the prefix number 1",
		  LINKS "nat64: {pool4: outside, prefix: ['2001:db8::/32', '2001:db9:64::/96']}\n" },
	};

	(void)state;
	ASSERT_ROWS(rows);
#undef STATIC
}

static void siit_that_cannot_work_is_refused(void **state)
{
#define SIIT(text) LINKS "siit: {" text "}\n"
#define EAM(v4, v6) SIIT("eam: [{v4: " v4 ", v6: '" v6 "'}]")
#define CLAT(plat, source, hosts) SIIT("clat: {plat-prefix: " plat ", source: '" source "', hosts: " hosts "}")
	static const struct row rows[] = {
		{ "nothing to translate", SIIT("hairpin: simple"), "2:1: siit", "expected `prefix`, `eam` or `clat`",
		  SIIT("hairpin: simple, prefix: 2001:db8:100::/40") },
		{ "a length that RFC 6052 does not know", SIIT("prefix: 2001:db8:100::/41"), "2:16: siit.prefix",
		  "the length must be 32, 40, 48, 56, 64 or 96", SIIT("prefix: 2001:db8:100::/40") },
		{ "RFC 7757 3.2: a shorter suffix in IPv6", EAM("192.0.2.0/24", "2001:db8::/121"),
		  "2:38: siit.eam[0].v6", "leaves 7 bits for a suffix of 8", EAM("192.0.2.0/24", "2001:db8::/120") },
		{ "a mapping without its other side", SIIT("eam: [{v4: 192.0.2.0/24}]"), "2:14: siit.eam[0]",
		  "`v6` is missing", NULL },
		{ "families swapped", EAM("2001:db8::/120", "2001:db8::/120"), "2:19: siit.eam[0].v4",
		  "expected an IPv4 prefix", NULL },
		{ "IPv4 in the form of IPv6", EAM("::ffff:192.0.2.0/120", "2001:db8::/120"), "2:19: siit.eam[0].v4",
		  "expected an IPv4 prefix", NULL },
		{ "mapped twice", SIIT("eam: [{v4: 192.0.2.1, v6: 2001:db8::1}, {v4: 192.0.2.1, v6: 2001:db8::2}]"),
		  "2:53: siit.eam[1].v4", "entry 1 has the same prefix",
		  SIIT("eam: [{v4: 192.0.2.1, v6: 2001:db8::1}, {v4: 192.0.2.2, v6: 2001:db8::2}]") },
		{ "a CLAT with one address and many hosts", CLAT("64:ff9b::/96", "2001:db8::1", "192.168.0.0/24"),
		  "2:72: siit.clat.hosts", "expected one IPv4 address",
		  CLAT("64:ff9b::/96", "2001:db8::1", "192.0.0.1") },
		{ "a PLAT both given and learned (RFC 7050)",
		  SIIT("clat: {plat-prefix: '64:ff9b::/96', resolvers: 192.0.2.53, source: '2001:db8:464::/96', hosts: "
		       "192.168.0.0/24}"),
		  "2:29: siit.clat.plat-prefix", "either the provider's prefix, or `resolvers`",
		  SIIT("clat: {resolvers: 192.0.2.53, source: '2001:db8:464::/96', hosts: 192.168.0.0/24}") },
		{ "a PLAT neither given nor learned",
		  SIIT("clat: {source: '2001:db8:464::/96', hosts: 192.168.0.0/24}"), "2:8: siit.clat",
		  "either the provider's prefix, or `resolvers`", NULL },
		{ "a CLAT under its PLAT", CLAT("2001:db8::/32", "2001:db8:464::/96", "192.168.0.0/24"),
		  "2:52: siit.clat.source", "overlaps plat-prefix",
		  CLAT("2001:db8::/32", "2001:db9:464::/96", "192.168.0.0/24") },
	};

	(void)state;
	ASSERT_ROWS(rows);
#undef SIIT
#undef EAM
#undef CLAT
}

static void siit_that_meets_another_section_is_refused(void **state)
{
#define WITH_NAT64(text) LINKS "nat64: {prefix: '2001:db8:64::/96', pool4: 198.51.100.8/30}\nsiit: {" text "}\n"
#define WITH_SERVICE(vip, more, text)                                                              \
	LINKS "services: [{name: a, addresses: ['" vip "'], port: 80, nodes: "                       \
	      "{name: n, address: 2001:db8:5::1}" more "}]\nsiit: {" text "}\n"
#define PREFIX "prefix: 2001:db8:100::/40"
	static const struct row rows[] = {
		{ "prefix over NAT64's", WITH_NAT64("prefix: 2001:db8::/32"), "3:16: siit.prefix",
		  "overlaps a NAT64 prefix", WITH_NAT64(PREFIX) },
		{ "a mapped address in the pool", WITH_NAT64("eam: [{v4: 198.51.100.11, v6: 2001:db8:3::1}]"),
		  "3:19: siit.eam[0].v4", "is in nat64.pool4", WITH_NAT64("eam: [{v4: 198.51.100.12, v6: 2001:db8:3::1}]") },
		{ "mapped addresses around the pool", WITH_NAT64("eam: [{v4: 198.51.100.0/24, v6: '2001:db8:3::/120'}]"),
		  "3:19: siit.eam[0].v4", "is in nat64.pool4", NULL },
		{ "a mapping under NAT64's prefix", WITH_NAT64("eam: [{v4: 192.0.2.1, v6: 2001:db8:64::1}]"),
		  "3:34: siit.eam[0].v6", "overlaps a NAT64 prefix", NULL },
		{ "our own NAT64 is no PLAT",
		  WITH_NAT64("clat: {plat-prefix: '2001:db8:64::/96', source: '2001:db8:464::/96', hosts: 192.168.0.0/24}"),
		  "3:29: siit.clat.plat-prefix", "overlaps a NAT64 prefix of our own",
		  WITH_NAT64("clat: {plat-prefix: '64:ff9b::/96', source: '2001:db8:464::/96', hosts: 192.168.0.0/24}") },
		{ "a VIP under the prefix", WITH_SERVICE("2001:db8:1c0:2:21::", "", PREFIX),
		  "2:35: services[0].addresses[0]", "is under siit.prefix", WITH_SERVICE("2001:db8:9::1", "", PREFIX) },
		{ "a mapped VIP", WITH_SERVICE("2001:db8:3::1", "", "eam: {v4: 192.0.2.1, v6: 2001:db8:3::1}"),
		  "2:35: services[0].addresses[0]", "is in siit.eam", NULL },
		{ "embed-prefix under the prefix",
		  WITH_SERVICE("192.0.2.9", ", embed-prefix: '2001:db8:120::/96'", PREFIX),
		  "2:115: services[0].embed-prefix", "overlaps siit.prefix",
		  WITH_SERVICE("192.0.2.9", ", embed-prefix: '2001:db8:20::/96'", PREFIX) },
	};

	(void)state;
	ASSERT_ROWS(rows);
#undef WITH_NAT64
#undef WITH_SERVICE
#undef PREFIX
}

static void a_flow_log_has_a_sink_of_its_own(void **state)
{
#define LOG(text) LINKS "nat64: {pool4: outside, log: {sink: /var/log/a}}\n"                      \
			"egress6: {prefixes: inside, flow-log: " text "}\n"
	static const struct row rows[] = {
		{ "no sink", LOG("{interval: 1m}"), "3:29: egress6.flow-log", "`sink` is missing",
		  LOG("{sink: /var/log/b, interval: 1m}") },
		{ "a relative path", LOG("{sink: flows.log}"), "3:46: egress6.flow-log.sink",
		  "expected journal, an absolute path", LOG("{sink: 'socket:/run/x'}") },
		{ "that of nat64", LOG("{sink: /var/log/a}"), "3:46: egress6.flow-log.sink",
		  "is that of nat64.log", LOG("off") },
		{ "no interval", LOG("{sink: journal, interval: 0s}"), "3:65: egress6.flow-log.interval",
		  "expected", LOG("{sink: journal, interval: 1s}") },
		{ "more than a day", LOG("{sink: journal, interval: 25h}"), "3:65: egress6.flow-log.interval",
		  "expected", LOG("{sink: journal, interval: 24h}") },
	};

	(void)state;
	ASSERT_ROWS(rows);
#undef LOG
}

static void zones_and_slow_start_are_checked(void **state)
{
#define ZONED(text)                                                                                \
	LINKS "services: [{name: a, addresses: 192.0.2.1, port: 80, nodes: "                       \
	      "{name: n, address: 192.0.2.2, zone: east}, " text "}]\n"
	static const struct row rows[] = {
		{ "a zone that no node has", ZONED("zones: {prefer: west}"),
		  "2:120: services[0].zones.prefer", "no node has the zone west",
		  ZONED("zones: {prefer: east}") },
		{ "spill alone", ZONED("zones: {spill: 80%}"), "2:104: services[0].zones",
		  "`prefer` is missing", ZONED("zones: {prefer: east, spill: 80%}") },
		{ "spill without its sign", ZONED("zones: {prefer: east, spill: 80}"),
		  "2:133: services[0].zones.spill", "expected a percentage from 1% to 100%", NULL },
		{ "spill above all", ZONED("zones: {prefer: east, spill: 101%}"),
		  "2:133: services[0].zones.spill", "expected a percentage",
		  ZONED("zones: {prefer: east, spill: 100%}") },
		{ "slow start of days", ZONED("slow-start: 61m"), "2:116: services[0].slow-start",
		  "expected off or a duration", ZONED("slow-start: 1h") },
	};

	(void)state;
	ASSERT_ROWS(rows);
#undef ZONED
}

static void services_that_cannot_work_are_refused(void **state)
{
#define SERVICE(vips, node, more)                                                                  \
	LINKS "services: [{name: a, addresses: [" vips "], port: 80, nodes: [{name: n, address: "  \
	      node "}]" more "}]\n"
	static const struct row rows[] = {
		{ "v4 clients, v6 node, nothing to embed in", SERVICE("192.0.2.1", "2001:db8::2", ""),
		  "2:83: services[0].nodes[0].address", "embed-prefix is missing",
		  SERVICE("192.0.2.1", "2001:db8::2", ", embed-prefix: 2001:db8:1::/96") },
		{ "v6 clients, v4 node, no source", SERVICE("2001:db8::1", "192.0.2.2", ""),
		  "2:85: services[0].nodes[0].address", "source.v4 is missing",
		  SERVICE("2001:db8::1", "192.0.2.2", ", source: {v4: 192.0.2.3}") },
		{ "hide without a source", SERVICE("192.0.2.1", "192.0.2.2", ", client-address: hide"),
		  "2:83: services[0].nodes[0].address", "needs source.v4",
		  SERVICE("192.0.2.1", "192.0.2.2", ", client-address: hide, source: {v4: 192.0.2.3}") },
		{ "hide across families",
		  SERVICE("192.0.2.1", "2001:db8::2", ", client-address: hide, source: {v4: 192.0.2.3}"),
		  "2:83: services[0].nodes[0].address", "needs source.v6",
		  SERVICE("192.0.2.1", "2001:db8::2",
			  ", client-address: hide, source: {v6: 2001:db8::3}") },
		{ "keep, v4 clients of a v6 node",
		  SERVICE("192.0.2.1", "2001:db8::2",
			  ", client-address: keep, embed-prefix: 2001:db8:1::/96"),
		  "2:83: services[0].nodes[0].address", "cannot keep their address",
		  SERVICE("2001:db8::1", "2001:db8::2", ", client-address: keep") },
		{ "keep, v6 clients of a v4 node",
		  SERVICE("2001:db8::1", "192.0.2.2", ", client-address: keep, source: {v4: 192.0.2.3}"),
		  "2:85: services[0].nodes[0].address", "cannot keep their address", NULL },
		{ "one of two VIPs", SERVICE("192.0.2.1, 2001:db8::1", "2001:db8::2", ""),
		  "2:96: services[0].nodes[0].address", "IPv4 clients", NULL },
		{ "a node that is a VIP", SERVICE("192.0.2.1", "192.0.2.1", ""),
		  "2:83: services[0].nodes[0].address", "cannot be behind itself", NULL },
		{ "embed-prefix of another length",
		  SERVICE("192.0.2.1", "2001:db8::2", ", embed-prefix: 2001:db8:1::/64"),
		  "2:112: services[0].embed-prefix", "96 bits", NULL },
		{ "embed-prefix with a VIP in it",
		  SERVICE("192.0.2.1, 2001:db8::1", "2001:db8:1::2", ", embed-prefix: '2001:db8::/96'"),
		  "2:128: services[0].embed-prefix", "contains an address of service a", NULL },
		{ "the same VIP twice", SERVICE("192.0.2.1, 192.0.2.1", "192.0.2.2", ""),
		  "2:45: services[0].addresses[1]", "stands twice", NULL },
		{ "health timeout above the interval",
		  SERVICE("192.0.2.1", "192.0.2.2", ", health: {interval: 500ms, timeout: 501ms}"),
		  "2:131: services[0].health.timeout", "the interval, which is 500 ms",
		  SERVICE("192.0.2.1", "192.0.2.2", ", health: {interval: 500ms, timeout: 500ms}") },
		{ "an interval below the default timeout",
		  SERVICE("192.0.2.1", "192.0.2.2", ", health: {interval: 500ms}"),
		  "2:96: services[0].health", "found 1000 ms", NULL },
		{ "tcp and http",
		  SERVICE("192.0.2.1", "192.0.2.2", ", health: {tcp: true, http: {path: /}}"),
		  "2:116: services[0].health.http", "either tcp or http", NULL },
		{ "health path", SERVICE("192.0.2.1", "192.0.2.2", ", health: {http: {path: x}}"),
		  "2:118: services[0].health.http.path", "a path from / on", NULL },
	};

	(void)state;
	ASSERT_ROWS(rows);
#undef SERVICE
}

static void services_that_meet_are_refused(void **state)
{
#define TWO(first, second)                                                                         \
	LINKS "services:\n"                                                                        \
	      "  - {" first ", nodes: {name: n, address: 192.0.2.8}}\n"                             \
	      "  - {" second ", nodes: {name: n, address: 192.0.2.9}}\n"
#define NODES(text) LINKS "services: [{name: a, addresses: 192.0.2.1, port: 80, nodes: [" text "]}]\n"
	static const struct row rows[] = {
		{ "overlapping services",
		  TWO("name: a, addresses: 192.0.2.1, port: 80",
		      "name: b, addresses: [192.0.2.2, 192.0.2.1], port: 80"),
		  "4:38: services[1].addresses[1]", "service a has this address, protocol and port too",
		  TWO("name: a, addresses: 192.0.2.1, port: 80",
		      "name: b, addresses: [192.0.2.2, 192.0.2.1], port: 81") },
		{ "the same name",
		  TWO("name: a, addresses: 192.0.2.1, port: 80",
		      "name: a, addresses: 192.0.2.1, port: 81"),
		  "4:12: services[1].name", "another service has the name a",
		  TWO("name: a, addresses: 192.0.2.1, port: 80",
		      "name: b, addresses: 192.0.2.1, port: 80, protocol: udp") },
		{ "two nodes of one name",
		  NODES("{name: n, address: 192.0.2.2}, {name: n, address: 192.0.2.3}"),
		  "2:100: services[0].nodes[1].name", "node 1 has the name n too",
		  NODES("{name: n, address: 192.0.2.2}, {name: m, address: 192.0.2.3}") },
		{ "two nodes on one address and port",
		  NODES("{name: n, address: 192.0.2.2}, {name: m, address: 192.0.2.2, port: 80}"),
		  "2:112: services[0].nodes[1].address", "node 1 has the same address and port",
		  NODES("{name: n, address: 192.0.2.2}, {name: m, address: 192.0.2.2, port: 81}") },
	};

	(void)state;
	ASSERT_ROWS(rows);
#undef TWO
#undef NODES
}

static void advertisements_that_cannot_work_are_refused(void **state)
{
#define RA(text)                                                                                   \
	LINKS "nat64: {pool4: outside}\ndns64: {upstream: 192.0.2.53, router-advertisement: {"      \
	      "interface: lan0" text "}}\n"
	static const struct row rows[] = {
		{ "no interface",
		  LINKS "nat64: {pool4: outside}\ndns64: {upstream: 192.0.2.53, "
			"router-advertisement: {pref64: true}}\n",
		  "3:31: dns64.router-advertisement", "`interface` is missing", RA("") },
		{ "on the outside",
		  LINKS "nat64: {pool4: outside}\ndns64: {upstream: 192.0.2.53, "
			"router-advertisement: {interface: wan0}}\n",
		  "3:65: dns64.router-advertisement.interface", "wan0 is no inside interface", RA("") },
		{ "an interface twice",
		  LINKS "nat64: {pool4: outside}\ndns64: {upstream: 192.0.2.53, "
			"router-advertisement: {interface: [lan0, lan0]}}\n",
		  "3:72: dns64.router-advertisement.interface[1]", "stands twice", RA("") },
		{ "nothing to say", RA(", pref64: false"), "3:79: dns64.router-advertisement.pref64",
		  "nothing to advertise", RA(", pref64: false, default-router: true") },
		{ "a prefix that is not to be said",
		  RA(", pref64: false, default-router: true, prefix: 64:ff9b::/96"),
		  "3:79: dns64.router-advertisement.pref64", "there is a `prefix`, which would not be advertised",
		  RA(", pref64: true, default-router: true, prefix: 64:ff9b::/96") },
		{ "RFC 4861 6.2.1: too often", RA(", interval: 3s"),
		  "3:81: dns64.router-advertisement.interval", "a duration from 4s to 30m",
		  RA(", interval: 4s") },
		{ "RFC 4861 6.2.1: too seldom", RA(", interval: 1801s"),
		  "3:81: dns64.router-advertisement.interval", "a duration from 4s to 30m",
		  RA(", interval: 30m") },
		{ "RFC 8781 4: longer than 13 bits say", RA(", lifetime: 65529s"),
		  "3:81: dns64.router-advertisement.lifetime", "a duration from 1s to", RA(", lifetime: 65528s") },
		{ "RFC 8781 4.1: ends before the next one", RA(", lifetime: 599s"),
		  "3:81: dns64.router-advertisement.lifetime", "at least the interval",
		  RA(", lifetime: 600s") },
		{ "a default router that ends before the next one", RA(", default-router: 599s"),
		  "3:87: dns64.router-advertisement.default-router", "at least the interval",
		  RA(", default-router: 600s") },
		{ "a default router for too long", RA(", default-router: 9001s"),
		  "3:87: dns64.router-advertisement.default-router", "a duration from 4s to 2h30m",
		  RA(", default-router: 9000s") },
		{ "a source that is not link-local", RA(", source: 2001:db8::64"),
		  "3:79: dns64.router-advertisement.source", "expected a link-local address",
		  RA(", source: fe80::64") },
		{ "a source that nobody answers for", RA(", source: fe80::64, default-router: true"),
		  "3:79: dns64.router-advertisement.source", "cannot be a default router",
		  RA(", default-router: true") },
		{ "a prefix that nobody translates", RA(", prefix: 2001:db8:64::/96"),
		  "3:79: dns64.router-advertisement.prefix", "is no prefix of nat64",
		  RA(", prefix: 64:ff9b::/96") },
		{ "a length without a code (RFC 8781 4)", RA(", prefix: 2001:db8:64::/72"),
		  "3:79: dns64.router-advertisement.prefix", "", NULL },
	};

	(void)state;
	ASSERT_ROWS(rows);
#undef RA
}

static void a_foreign_translator_has_to_be_probed(void **state)
{
#define DNS64(text) LINKS "dns64: {upstream: 192.0.2.53, prefix: 2001:db8:64::/96, " text "}\n"
	static const struct row rows[] = {
		{ "required, and nobody knows", DNS64("require-nat64: true"), "2:72: dns64.require-nat64",
		  "2001:db8:64::/96 is not translated here: `probe` is needed",
		  DNS64("require-nat64: true, probe: 192.0.2.1") },
		{ "in a view",
		  LINKS "siit: {prefix: 2001:db8:46::/96}\ndns64: {upstream: 192.0.2.53, prefix: "
			"2001:db8:46::/96, require-nat64: true, views: [{clients: 2001:db8:1::/48, "
			"prefix: 2001:db8:64::/96}]}\n",
		  "3:72: dns64.require-nat64", "2001:db8:64::/96 is not translated here",
		  LINKS "siit: {prefix: 2001:db8:46::/96}\ndns64: {upstream: 192.0.2.53, prefix: "
			"2001:db8:46::/96, require-nat64: true}\n" },
		{ "an IPv6 address", DNS64("probe: 2001:db8::1"), "2:64: dns64.probe", "expected an IPv4",
		  DNS64("probe: {address: 192.0.2.1, port: 443}") },
		{ "multicast", DNS64("probe: 224.0.0.1"), "2:64: dns64.probe",
		  "expected an IPv4 address that answers", NULL },
		{ "a timeout above the interval",
		  DNS64("probe: {address: 192.0.2.1, interval: 1s, timeout: 2s}"),
		  "2:108: dns64.probe.timeout", "100ms to the interval",
		  DNS64("probe: {address: 192.0.2.1, interval: 2s, timeout: 2s}") },
		{ "never up", DNS64("probe: {address: 192.0.2.1, rise: 0}"), "2:91: dns64.probe.rise",
		  "a number from 1 to 100", DNS64("probe: {address: 192.0.2.1, rise: 1, fall: 100}") },
	};

	(void)state;
	ASSERT_ROWS(rows);
#undef DNS64
}

static void views_of_dns64_that_nobody_gets_to_are_refused(void **state)
{
#define VIEWS(text)                                                                                \
	LINKS "nat64: {pool4: outside}\ndns64: {upstream: 192.0.2.53, views: [" text "]}\n"
	static const struct row rows[] = {
		{ "a view of all addresses at once", VIEWS("{listen: '::'}"),
		  "3:49: dns64.views[0].listen", "is no address of dns64.listen",
		  VIEWS("{listen: 2001:db8::1}") },
		{ "a view of a group", VIEWS("{listen: ff02::1}"), "3:48: dns64.views[0].listen",
		  "is no address of dns64.listen", VIEWS("{listen: 192.0.2.1}") },
		{ "IPv6 where only IPv4 is listened on",
		  LINKS "nat64: {pool4: outside}\ndns64: {upstream: 192.0.2.53, listen: 0.0.0.0, "
			"views: [{listen: 2001:db8::1}]}\n",
		  "3:65: dns64.views[0].listen", "is no address of dns64.listen",
		  LINKS "nat64: {pool4: outside}\ndns64: {upstream: 192.0.2.53, listen: 0.0.0.0, "
			"views: [{listen: 192.0.2.1}]}\n" },
		{ "an address of a view twice", VIEWS("{listen: [2001:db8::1, 2001:db8::1]}"),
		  "3:62: dns64.views[0].listen[1]", "is there twice",
		  VIEWS("{listen: [2001:db8::1, 2001:db8::2]}") },
		{ "clients, but none", VIEWS("{clients: [], listen: 2001:db8::1}"),
		  "3:40: dns64.views[0].clients", "expected at least 1 entry",
		  VIEWS("{clients: ['::/0'], listen: 2001:db8::1}") },
		{ "addresses, but none", VIEWS("{clients: 2001:db8:1::/48, listen: []}"),
		  "3:66: dns64.views[0].listen", "expected at least 1 entry",
		  VIEWS("{clients: 2001:db8:1::/48}") },
		{ "an address of two views", VIEWS("{listen: 2001:db8::1}, {listen: 2001:db8::1}"),
		  "3:71: dns64.views[1].listen", "is that of views before",
		  VIEWS("{listen: 2001:db8::1}, {listen: [2001:db8::1, 2001:db8::2]}") },
		{ "clients of an address that is a view's before",
		  VIEWS("{listen: 2001:db8::1}, {listen: 2001:db8::1, clients: 2001:db8:1::/48}"),
		  "3:93: dns64.views[1].clients", "are clients of views before",
		  VIEWS("{listen: 2001:db8::1, clients: 2001:db8:1::/48}, {listen: 2001:db8::1}") },
		{ "ranges without a prefix",
		  VIEWS("{clients: 2001:db8:1::/48, prefix: [], mapped: {ipv4: 10.0.0.0/8}}"),
		  "3:66: dns64.views[0].prefix", "is [], so that nothing is made",
		  VIEWS("{clients: 2001:db8:1::/48, prefix: []}") },
	};

	(void)state;
	ASSERT_ROWS(rows);
#undef VIEWS
}

/* @n prefixes in all: the section's, and eight in each view. */
static const char *prefixes_in_views(unsigned n)
{
	static char text[16384];
	size_t at = (size_t)snprintf(text, sizeof(text), LINKS "dns64: {upstream: 192.0.2.53, probe: 192.0.2.1, "
							       "prefix: 2001:db8::/96, require-nat64: true, views: [");

	for (unsigned i = 1; i < n; i++) {
		if (i % 8 == 1)
			at += (size_t)snprintf(text + at, sizeof(text) - at,
					       "{clients: 2001:db8:%x::/48, prefix: [", i);
		at += (size_t)snprintf(text + at, sizeof(text) - at, "2001:db8:0:%x::/96%s", i,
				       i % 8 == 0 || i + 1 == n ? "]}, " : ", ");
	}
	snprintf(text + at, sizeof(text) - at, "]}\n");
	return text;
}

static void more_prefixes_than_can_be_watched_are_refused(void **state)
{
	const struct config_errors *e;

	(void)state;
	config_free(parse_good(prefixes_in_views(DNS64_WATCHED_MAX)));
	e = parse_bad(prefixes_in_views(DNS64_WATCHED_MAX + 1));
	assert_int_equal(e->n, 1);
	assert_at(&e->error[0], "2:87: dns64.require-nat64");
	assert_non_null(strstr(e->error[0].text, "more than 128 prefixes"));
}

static void views_and_ranges_of_dns64_that_cannot_work_are_refused(void **state)
{
	static const struct row rows[] = {
		{ "prefix of a view unlike nat64's",
		  LINKS "nat64: {pool4: outside}\ndns64: {upstream: 192.0.2.53, views: [{clients: "
			"2001:db8:1::/48, prefix: 2001:db8:64::/96}]}\n",
		  "3:74: dns64.views[0].prefix", "2001:db8:64::/96 is no prefix of nat64",
		  LINKS "nat64: {pool4: outside, prefix: [64:ff9b::/96, 2001:db8:64::/96]}\ndns64: "
			"{upstream: 192.0.2.53, views: [{clients: 2001:db8:1::/48, prefix: "
			"2001:db8:64::/96}]}\n" },
		{ "a view without clients",
		  LINKS "nat64: {pool4: outside}\ndns64: {upstream: 192.0.2.53, views: [{prefix: "
			"64:ff9b::/96}]}\n",
		  "3:39: dns64.views[0]", "`clients` is missing",
		  LINKS "nat64: {pool4: outside}\ndns64: {upstream: 192.0.2.53, views: [{clients: "
			"192.0.2.0/24, prefix: 64:ff9b::/96}]}\n" },
		{ "a view of an address that nobody listens on",
		  LINKS
		  "nat64: {pool4: outside}\ndns64: {upstream: 192.0.2.53, listen: ['2001:db8::1', "
		  "'2001:db8::2'], views: [{listen: [2001:db8::1, 2001:db8::3]}]}\n",
		  "3:102: dns64.views[0].listen[1]", "is no address of dns64.listen",
		  LINKS
		  "nat64: {pool4: outside}\ndns64: {upstream: 192.0.2.53, listen: ['2001:db8::1', "
		  "'2001:db8::2'], views: [{listen: 2001:db8::1, clients: 2001:db8:7::/48}, "
		  "{clients: 2001:db8:7::/48}, {listen: 2001:db8::2}]}\n" },
		{ "a view that nobody gets to",
		  LINKS "nat64: {pool4: outside}\ndns64: {upstream: 192.0.2.53, views: [{clients: "
			"[2001:db8::/32, 192.0.2.0/24]}, {clients: [192.0.2.0/25, 2001:db8:1::/48]}]}\n",
		  "3:92: dns64.views[1].clients[0]", "clients of views before",
		  LINKS "nat64: {pool4: outside}\ndns64: {upstream: 192.0.2.53, views: [{clients: "
			"2001:db8::/32}, {clients: [192.0.2.0/24, 2001:db8:1::/48]}]}\n" },
		{ "a view with prefixes that makes nothing",
		  LINKS "nat64: {pool4: outside}\ndns64: {upstream: 192.0.2.53, views: [{clients: "
			"2001:db8::/32, synthesize: false, prefix: 64:ff9b::/96}]}\n",
		  "3:76: dns64.views[0].synthesize", "is false, and there are prefixes",
		  LINKS "nat64: {pool4: outside}\ndns64: {upstream: 192.0.2.53, views: [{clients: "
			"2001:db8::/32, synthesize: false}]}\n" },
		{ "a view that makes nothing, with domains to make addresses for",
		  LINKS "nat64: {pool4: outside}\ndns64: {upstream: 192.0.2.53, views: [{clients: "
			"2001:db8::/32, synthesize: false, always: a.example}]}\n",
		  "3:76: dns64.views[0].synthesize", "is false, and there is `always`",
		  LINKS "nat64: {pool4: outside}\ndns64: {upstream: 192.0.2.53, always: a.example, "
			"views: [{clients: 2001:db8::/32, synthesize: false}]}\n" },
		{ "one range twice",
		  LINKS "dns64: {upstream: 192.0.2.53, prefix: 64:ff9b::/96, mapped: [{ipv4: "
			"10.0.0.0/8}, {ipv4: 10.0.0.0/8, prefix: 2001:db8:a::/96}]}\n",
		  "2:89: dns64.mapped[1].ipv4", "is there twice",
		  LINKS "dns64: {upstream: 192.0.2.53, prefix: 64:ff9b::/96, mapped: [{ipv4: "
			"10.0.0.0/8}, {ipv4: 10.0.0.0/9, prefix: 2001:db8:a::/96}]}\n" },
		{ "a range under a prefix that nobody translates",
		  LINKS "nat64: {pool4: outside}\ndns64: {upstream: 192.0.2.53, mapped: {ipv4: "
			"10.0.0.0/8, prefix: 2001:db8:a::/96}}\n",
		  "3:66: dns64.mapped.prefix", "2001:db8:a::/96 is no prefix of nat64",
		  LINKS "nat64: {pool4: outside}\nsiit: {prefix: 2001:db8:a::/96}\n"
			"dns64: {upstream: 192.0.2.53, mapped: {ipv4: 10.0.0.0/8, prefix: "
			"2001:db8:a::/96}}\n" },
		{ "a view's range under a prefix that nobody translates",
		  LINKS "nat64: {pool4: outside}\ndns64: {upstream: 192.0.2.53, views: [{clients: "
			"2001:db8::/32, mapped: {ipv4: 10.0.0.0/8, prefix: 2001:db8:a::/96}}]}\n",
		  "3:99: dns64.views[0].mapped.prefix", "2001:db8:a::/96 is no prefix of nat64",
		  LINKS "nat64: {pool4: outside, prefix: [64:ff9b::/96, 2001:db8:a::/96]}\n"
			"dns64: {upstream: 192.0.2.53, views: [{clients: 2001:db8::/32, mapped: "
			"{ipv4: 10.0.0.0/8, prefix: 2001:db8:a::/96}}]}\n" },
		{ "a list of prefixes without one",
		  LINKS "nat64: {pool4: outside}\ndns64: {upstream: 192.0.2.53, prefix: []}\n",
		  "3:31: dns64.prefix", "expected at least 1 entry",
		  LINKS "nat64: {pool4: outside}\ndns64: {upstream: 192.0.2.53}\n" },
		{ "a list of domains without one: not those of everybody",
		  LINKS "nat64: {pool4: outside}\ndns64: {upstream: [192.0.2.53, {address: "
			"192.0.2.54, domains: []}]}\n",
		  "3:54: dns64.upstream[1].domains", "expected at least 1 entry",
		  LINKS "nat64: {pool4: outside}\ndns64: {upstream: [192.0.2.53, {address: "
			"192.0.2.54, domains: [a.example]}]}\n" },
	};

	(void)state;
	ASSERT_ROWS(rows);
}

static void sections_that_contradict_each_other_are_refused(void **state)
{
#define BOTH(nat64, service)                                                                       \
	LINKS "nat64: {" nat64 "}\nservices: [{name: a, port: 80, " service "}]\n"
	static const struct row rows[] = {
		{ "dns64 prefix unlike nat64's",
		  LINKS "nat64: {pool4: outside}\ndns64: {upstream: 192.0.2.53, prefix: "
			"2001:db8:64::/96}\n",
		  "3:39: dns64.prefix", "2001:db8:64::/96 is no prefix of nat64",
		  LINKS "nat64: {pool4: outside, prefix: 2001:db8:64::/96}\ndns64: {upstream: "
			"192.0.2.53, prefix: 2001:db8:64::/96}\n" },
		{ "embed-prefix equal to a NAT64 prefix",
		  BOTH("pool4: outside", "addresses: 192.0.2.1, embed-prefix: 64:ff9b::/96, nodes: "
					 "{name: n, address: 2001:db8::2}"),
		  "3:68: services[0].embed-prefix", "overlaps the NAT64 prefix 64:ff9b::/96",
		  BOTH("pool4: outside", "addresses: 192.0.2.1, embed-prefix: 2001:db8:1::/96, "
					 "nodes: {name: n, address: 2001:db8::2}") },
		{ "embed-prefix inside a NAT64 prefix",
		  BOTH("pool4: outside, prefix: '2001:db8::/32'",
		       "addresses: 192.0.2.1, embed-prefix: 2001:db8:1::/96, nodes: {name: n, "
		       "address: 2001:db9::2}"),
		  "3:68: services[0].embed-prefix", "overlaps the NAT64 prefix 2001:db8::/32", NULL },
		{ "VIP in pool4",
		  BOTH("pool4: 192.0.2.0/24", "addresses: 192.0.2.1, nodes: {name: n, address: "
					      "198.51.100.2}"),
		  "3:43: services[0].addresses", "is in nat64.pool4",
		  BOTH("pool4: 192.0.2.2", "addresses: 192.0.2.1, nodes: {name: n, address: "
					   "198.51.100.2}") },
		{ "VIP under a NAT64 prefix",
		  BOTH("pool4: outside", "addresses: 64:ff9b::1, nodes: {name: n, address: 2001:db8::2}"),
		  "3:43: services[0].addresses", "is under a NAT64 prefix", NULL },
		{ "source in pool4",
		  BOTH("pool4: 192.0.2.0/24", "addresses: 2001:db8::1, source: {v4: 192.0.2.1}, "
					      "nodes: {name: n, address: 198.51.100.2}"),
		  "3:69: services[0].source.v4", "is in nat64.pool4", NULL },
		{ "node in pool4",
		  BOTH("pool4: 192.0.2.0/24", "addresses: 198.51.100.1, nodes: {name: n, address: "
					      "192.0.2.9}"),
		  "3:83: services[0].nodes.address", "that is the gateway itself", NULL },
		{ "one-armed with egress6",
		  "interfaces: {inside: eth0, outside: eth0}\negress6: {prefixes: inside}\n",
		  "1:37: interfaces.outside", "one-armed",
		  "interfaces: {inside: eth0, outside: eth0}\nnat64: {pool4: outside}\n" },
		{ "an interface twice", "interfaces: {inside: [a, b, a], outside: c}\n",
		  "1:29: interfaces.inside[2]", "a stands twice",
		  "interfaces: {inside: [a, b], outside: c}\n"
		  "egress6: {prefixes: inside}\n" },
		{ "our device as an inside interface",
		  "interfaces: {inside: sixgate0o, outside: c}\ngateway: {}\n", "1:1: interfaces",
		  "sixgate0o are made by us", NULL },
		{ "device name with no room for the o",
		  "interfaces: {inside: a, outside: c, tun: abcdefghijklmno}\n", "1:42: interfaces.tun",
		  "at most 14 letters", "interfaces: {inside: a, outside: c, tun: abcdefghijklmn}\n"
		  "egress6: {prefixes: inside}\n" },
		{ "tos with a copied traffic class", "translation: {tos: 3}\n", "1:20: translation.tos",
		  "copy-traffic-class: false",
		  "translation: {copy-traffic-class: false, tos: 3}\n" LEAST },
		{ "dns64 that asks itself",
		  LINKS "nat64: {pool4: outside}\ndns64: {upstream: 192.0.2.53, listen: 192.0.2.53}\n",
		  "3:19: dns64.upstream", "it would ask itself",
		  LINKS "nat64: {pool4: outside}\ndns64: {upstream: {address: 192.0.2.53, port: "
			"54}, listen: 192.0.2.53}\n" },
		{ "pinhole to nobody's address",
		  LINKS "egress6: {prefixes: '2001:db8:1::/48', allow: {protocol: tcp, destination: "
			"2001:db8:2::1}}\n",
		  "2:76: egress6.allow.destination", "is in none of egress6.prefixes",
		  LINKS "egress6: {prefixes: '2001:db8:1::/48', allow: {protocol: tcp, destination: "
			"2001:db8:1::1}}\n" },
		{ "pinhole with ports of icmpv6",
		  LINKS "egress6: {prefixes: inside, allow: {protocol: icmpv6, destination: "
			"2001:db8:2::1, port: 80}}\n",
		  "2:89: egress6.allow.port", "icmpv6 has no ports", NULL },
	};

	(void)state;
	ASSERT_ROWS(rows);
#undef BOTH
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_log_of_nat64_says_where_and_what),
		cmocka_unit_test(quarantine_of_no_time_has_no_ports),
		cmocka_unit_test(names_of_dns64_zones_are_checked),
		cmocka_unit_test(upstreams_of_domains_leave_one_for_the_rest),
		cmocka_unit_test(an_upstream_is_not_the_gateway_itself),
		cmocka_unit_test(link_local_addresses_without_an_interface_are_refused),
		cmocka_unit_test(unbuilt_features_are_refused_by_name),
		cmocka_unit_test(a_file_without_interfaces_or_a_job_is_refused),
		cmocka_unit_test(every_job_needs_an_inside_and_an_outside_interface),
		cmocka_unit_test(nat64_that_cannot_work_is_refused),
		cmocka_unit_test(siit_that_cannot_work_is_refused),
		cmocka_unit_test(siit_that_meets_another_section_is_refused),
		cmocka_unit_test(a_flow_log_has_a_sink_of_its_own),
		cmocka_unit_test(zones_and_slow_start_are_checked),
		cmocka_unit_test(services_that_cannot_work_are_refused),
		cmocka_unit_test(services_that_meet_are_refused),
		cmocka_unit_test(views_of_dns64_that_nobody_gets_to_are_refused),
		cmocka_unit_test(more_prefixes_than_can_be_watched_are_refused),
		cmocka_unit_test(views_and_ranges_of_dns64_that_cannot_work_are_refused),
		cmocka_unit_test(advertisements_that_cannot_work_are_refused),
		cmocka_unit_test(a_foreign_translator_has_to_be_probed),
		cmocka_unit_test(sections_that_contradict_each_other_are_refused),
	};
	return cmocka_run_group_tests_name("config/checks", tests, NULL, NULL);
}
