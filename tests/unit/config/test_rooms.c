/* test_rooms.c - each room's own check, asked without a file: defaults are good, the bounds are the
 * ones the tables say, and what a program may build wrongly is refused. */
#include <errno.h>
#include <netinet/in.h>
#include "fields.h"
#include "fixture.h"
#include "sixgate/egress6/egress6.h"
#include "sixgate/nat64/nat64.h"
#include "sixgate/services/services.h"

static struct addr address(const char *text)
{
	struct addr a = { 0 };

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static struct prefix prefix(const char *text)
{
	struct prefix p = { 0 };

	assert_int_equal(prefix_parse(text, &p), 0);
	return p;
}

/* One value of every section, good as it stands. */
struct sample {
	struct config c;
	struct pool4_conf pool4;
	struct dns64_upstream_conf upstream;
	struct prefix prefix;
	struct service_conf service;
	struct node_conf node;
};

static void sample_init(struct sample *s)
{
	*s = (struct sample){ 0 };
	config__default(&s->c);
	s->pool4 = (struct pool4_conf){ false, address("192.0.2.1"), address("192.0.2.9"), 1024,
					65535, NAT64_TCP | NAT64_UDP | NAT64_ICMP };
	s->c.nat64.pool4 = &s->pool4;
	s->c.nat64.n_pool4 = 1;
	s->upstream = (struct dns64_upstream_conf){ .address = address("192.0.2.53"), .port = 53 };
	s->prefix = prefix("64:ff9b::/96");
	s->c.dns64.upstream = &s->upstream;
	s->c.dns64.n_upstream = 1;
	s->c.dns64.prefix = &s->prefix;
	s->c.dns64.n_prefix = 1;
	s->c.dns64.has_probe = true;
	s->c.dns64.probe.address = address("192.0.2.9");
	s->c.dns64.has_ra = true;
	strcpy(s->c.dns64.ra.interface[0], "lan0");
	s->c.dns64.ra.n_interface = 1;
	s->c.egress6.follow_inside = true;
	service_conf_default(&s->service);
	node_conf_default(&s->node);
	strcpy(s->service.name, "a");
	strcpy(s->node.name, "n");
	s->node.address = address("192.0.2.20");
	s->service.address[0] = address("192.0.2.10");
	s->service.n_address = 1;
	s->service.port = 80;
	s->service.node = &s->node;
	s->service.n_node = 1;
	s->c.services = (struct services_conf){ &s->service, 1 };
}

static int check_all(const struct sample *s, struct err *e)
{
	if (translation_conf_check(&s->c.translation, e) || nat64_conf_check(&s->c.nat64, e) ||
	    dns64_conf_check(&s->c.dns64, e) || egress6_conf_check(&s->c.egress6, e) ||
	    services_conf_check(&s->c.services, e))
		return -EINVAL;
	return 0;
}

static void defaults_are_good(void **state)
{
	struct sample s;
	struct err e = { "" };
	int rc;

	(void)state;
	sample_init(&s);
	rc = check_all(&s, &e);
	if (rc)
		print_message("%s\n", e.text);
	assert_int_equal(rc, 0);
	assert_int_equal(check_all(&s, NULL), 0);
}

/* The room says no one past each bound of the table that the file is read by, and yes at it. */
static unsigned assert_bounds(struct sample *s, const struct record *record, void *base)
{
	unsigned n = 0;

	for (size_t i = 0; i < record->n; i++) {
		const struct field *f = &record->field[i];
		char *member = field__member(f, base);
		int64_t old;

		if (f->kind == FIELD_RECORD)
			n += assert_bounds(s, f->record, member);
		if (f->kind < FIELD_NUMBER || f->kind > FIELD_MILLISECONDS || f->flags & FIELD_OPTIONAL)
			continue;
		if (!strcmp(f->key, "timeout") || !strcmp(f->key, "interval") ||
		    !strcmp(f->key, "lifetime") || !strcmp(f->key, "default-router"))
			continue; /* bound by each other: test_checks */
		print_message("%s\n", f->key);
		old = integer__get(member, f->size);
		integer__set(member, f->size, (int64_t)f->min);
		assert_int_equal(check_all(s, NULL), 0);
		integer__set(member, f->size, (int64_t)f->max);
		assert_int_equal(check_all(s, NULL), 0);
		if (f->size > 2) { /* else there is no number above */
			integer__set(member, f->size, (int64_t)f->max + 1);
			assert_int_equal(check_all(s, NULL), -EINVAL);
		}
		if (f->min > 0) {
			integer__set(member, f->size, (int64_t)f->min - 1);
			if (!f->words || !word__of(f->words, (int64_t)f->min - 1))
				assert_int_equal(check_all(s, NULL), -EINVAL);
		}
		integer__set(member, f->size, old);
		n++;
	}
	return n;
}

static const struct record *record_of(const char *key)
{
	for (size_t i = 0; i < config__record.n; i++)
		if (!strcmp(config__record.field[i].key, key))
			return config__record.field[i].kind == FIELD_LIST ?
				       config__record.field[i].list->item->record :
				       config__record.field[i].record;
	return NULL;
}

static void rooms_and_tables_agree_on_bounds(void **state)
{
	struct sample s;
	unsigned n = 0;

	(void)state;
	sample_init(&s);
	n += assert_bounds(&s, record_of("translation"), &s.c.translation);
	n += assert_bounds(&s, record_of("nat64"), &s.c.nat64);
	n += assert_bounds(&s, record_of("dns64"), &s.c.dns64);
	n += assert_bounds(&s, record_of("egress6"), &s.c.egress6);
	n += assert_bounds(&s, record_of("services"), &s.service);
	assert_true(n >= 20);
}

#define REFUSED(check, change, part)                                                               \
	do {                                                                                       \
		struct sample s;                                                                   \
		struct err e = { "" };                                                             \
		sample_init(&s);                                                                   \
		change;                                                                            \
		assert_int_equal(check, -EINVAL);                                                  \
		print_message("%s\n", e.text);                                                     \
		assert_non_null(strstr(e.text, part));                                             \
	} while (0)

static void first_fault_is_named_with_its_key(void **state)
{
	(void)state;
	REFUSED(nat64_conf_check(&s.c.nat64, &e), s.c.nat64.n_pool4 = 0, "nat64.pool4: is missing");
	REFUSED(nat64_conf_check(&s.c.nat64, &e), s.c.nat64.n_prefix = 0, "nat64.prefix: ");
	REFUSED(nat64_conf_check(&s.c.nat64, &e), s.pool4.protocols = 0, "nat64.pool4: ");
	REFUSED(nat64_conf_check(&s.c.nat64, &e), s.pool4.last = address("224.0.0.1"),
		"that a host can have");
	REFUSED(nat64_conf_check(&s.c.nat64, &e), s.pool4.first = address("0.0.0.1"),
		"that a host can have");
	REFUSED(nat64_conf_check(&s.c.nat64, &e), s.pool4.last = address("192.0.2.0"),
		"ends before it begins");
	REFUSED(nat64_conf_check(&s.c.nat64, &e), s.c.nat64.timeouts.udp_s = 0,
		"nat64.timeouts.udp: ");
	REFUSED(dns64_conf_check(&s.c.dns64, &e), s.c.dns64.n_listen = 0, "dns64.listen: ");
	REFUSED(dns64_conf_check(&s.c.dns64, &e), s.upstream.address = address("::"),
		"dns64.upstream: ");
	REFUSED(egress6_conf_check(&s.c.egress6, &e), s.c.egress6.follow_inside = false,
		"egress6.prefixes: is missing");
	REFUSED(services_conf_check(&s.c.services, &e), s.service.protocol = IPPROTO_SCTP,
		"services.protocol: ");
	REFUSED(services_conf_check(&s.c.services, &e), s.node.weight = 257,
		"services.nodes.weight: ");
	REFUSED(services_conf_check(&s.c.services, &e), s.service.n_address = 0,
		"services.addresses: ");
	REFUSED(services_conf_check(&s.c.services, &e),
		s.service.health.kind = HEALTH_HTTP; s.service.health.status_first = 99,
		"services.health.http.status: ");
}

static void numbers_of_entries_are_bounded(void **state)
{
	static struct prefix prefixes[DNS64_EXCLUDE_MAX + 1];
	static struct static_conf statics[NAT64_STATIC_MAX + 1];
	static struct pinhole_conf pinholes[EGRESS6_PINHOLES_MAX + 1];
	struct sample s;

	(void)state;
	sample_init(&s);
	s.c.dns64.exclude = prefixes;
	s.c.dns64.n_exclude = DNS64_EXCLUDE_MAX;
	assert_int_equal(check_all(&s, NULL), 0);
	s.c.dns64.n_exclude++;
	assert_int_equal(check_all(&s, NULL), -EINVAL);

	sample_init(&s);
	for (size_t i = 0; i <= NAT64_STATIC_MAX; i++)
		statics[i] = (struct static_conf){ NAT64_UDP, address("2001:db8::1"),
						   address("192.0.2.1"), (uint16_t)(i + 1),
						   (uint16_t)(i + 1) };
	s.c.nat64.static_entry = statics;
	s.c.nat64.n_static = NAT64_STATIC_MAX;
	assert_int_equal(check_all(&s, NULL), 0);
	s.c.nat64.n_static++;
	assert_int_equal(check_all(&s, NULL), -EINVAL);

	sample_init(&s);
	for (size_t i = 0; i <= EGRESS6_PINHOLES_MAX; i++)
		pinholes[i] = (struct pinhole_conf){ .protocol = IPPROTO_TCP,
						     .destination = prefix("2001:db8::/64") };
	s.c.egress6.allow = pinholes;
	s.c.egress6.n_allow = EGRESS6_PINHOLES_MAX;
	assert_int_equal(check_all(&s, NULL), 0);
	s.c.egress6.n_allow++;
	assert_int_equal(check_all(&s, NULL), -EINVAL);
}

static void numbers_of_prefixes_are_bounded(void **state)
{
	static struct prefix prefixes[EGRESS6_PREFIXES_MAX + 1];
	struct sample s;

	(void)state;
	for (unsigned i = 0; i <= EGRESS6_PREFIXES_MAX; i++) {
		char text[PREFIX_TEXT_MAX];

		snprintf(text, sizeof(text), "2001:db8:%x::/48", i);
		prefixes[i] = prefix(text);
	}
	sample_init(&s);
	s.c.nat64.prefix = s.c.dns64.prefix = prefixes;
	s.c.nat64.n_prefix = NAT64_PREFIXES_MAX;
	s.c.dns64.n_prefix = DNS64_PREFIXES_MAX;
	assert_int_equal(check_all(&s, NULL), 0);
	s.c.nat64.n_prefix++;
	assert_int_equal(nat64_conf_check(&s.c.nat64, NULL), -EINVAL);
	s.c.dns64.n_prefix++;
	assert_int_equal(dns64_conf_check(&s.c.dns64, NULL), -EINVAL);
	s.c.egress6.prefix = prefixes;
	s.c.egress6.n_prefix = EGRESS6_PREFIXES_MAX;
	s.c.egress6.follow_inside = false;
	assert_int_equal(egress6_conf_check(&s.c.egress6, NULL), 0);
	s.c.egress6.n_prefix++;
	assert_int_equal(egress6_conf_check(&s.c.egress6, NULL), -EINVAL);
}

static void numbers_of_services_and_nodes_are_bounded(void **state)
{
	static struct service_conf services[SERVICES_MAX + 1];
	static struct node_conf nodes[SERVICE_NODES_MAX + 1];
	struct services_conf c = { services, SERVICES_MAX };
	struct sample s;

	(void)state;
	sample_init(&s);
	for (unsigned i = 0; i <= SERVICE_NODES_MAX; i++) {
		node_conf_default(&nodes[i]);
		snprintf(nodes[i].name, sizeof(nodes[i].name), "n%u", i);
		nodes[i].address = addr_from_ip4_host(0xcb007100 + i);
	}
	for (unsigned i = 0; i <= SERVICES_MAX; i++) {
		services[i] = s.service;
		snprintf(services[i].name, sizeof(services[i].name), "s%u", i);
		services[i].port = (uint16_t)(i + 1);
		services[i].node = nodes;
	}
	assert_int_equal(services_conf_check(&c, NULL), 0);
	c.n_service++;
	assert_int_equal(services_conf_check(&c, NULL), -EINVAL);
	c.n_service = SERVICES_NODE_SLOTS / SERVICE_NODES_MAX + 1;
	for (unsigned i = 0; i < c.n_service; i++)
		services[i].n_node = SERVICE_NODES_MAX;
	assert_int_equal(services_conf_check(&c, NULL), -EINVAL);
	c.n_service--;
	assert_int_equal(services_conf_check(&c, NULL), 0);
	services[0].n_node++;
	assert_int_equal(services_conf_check(&c, NULL), -EINVAL);
}

static void addresses_that_no_host_has_are_refused(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} rows[] = {
		{ "0.0.0.1", false },         { "1.0.0.0", true },   { "126.255.255.255", true },
		{ "127.0.0.1", false },       { "128.0.0.0", true }, { "223.255.255.255", true },
		{ "224.0.0.1", false },       { "240.0.0.1", false }, { "255.255.255.255", false },
		{ "::", false },              { "::1", false },      { "2001:db8::99", true },
		{ "fe80::1", false },         { "ff02::1", false },  { "fd00::1", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct addr a = address(rows[i].text);
		struct sample s;

		print_message("%s\n", rows[i].text);
		sample_init(&s);
		s.service.address[0] = s.node.address = a;
		s.node.address.octet[15] ^= 2; /* of the same family, and no VIP */
		assert_int_equal(services_conf_check(&s.c.services, NULL),
				 rows[i].good ? 0 : -EINVAL);
		if (!addr_is_v4(&a))
			continue;
		s.pool4.first = s.pool4.last = a;
		assert_int_equal(nat64_conf_check(&s.c.nat64, NULL), rows[i].good ? 0 : -EINVAL);
	}
}

static void pool_entries_may_touch_but_not_overlap(void **state)
{
	static const struct {
		const char *what, *first, *last;
		uint16_t port_first, port_last;
		uint8_t protocols;
		bool good;
	} rows[] = { /* beside 192.0.2.10-192.0.2.20, ports 1000-2000, tcp */
		{ "below", "192.0.2.1", "192.0.2.9", 1000, 2000, NAT64_TCP, true },
		{ "its first", "192.0.2.1", "192.0.2.10", 1000, 2000, NAT64_TCP, false },
		{ "its last", "192.0.2.20", "192.0.2.30", 1000, 2000, NAT64_TCP, false },
		{ "above", "192.0.2.21", "192.0.2.30", 1000, 2000, NAT64_TCP, true },
		{ "ports below", "192.0.2.15", "192.0.2.15", 1, 999, NAT64_TCP, true },
		{ "first port", "192.0.2.15", "192.0.2.15", 1, 1000, NAT64_TCP, false },
		{ "last port", "192.0.2.15", "192.0.2.15", 2000, 3000, NAT64_TCP, false },
		{ "ports above", "192.0.2.15", "192.0.2.15", 2001, 3000, NAT64_TCP, true },
		{ "other protocols", "192.0.2.15", "192.0.2.15", 1000, 2000, NAT64_UDP, true },
		{ "one protocol", "192.0.2.15", "192.0.2.15", 1000, 2000, 7, false },
	};
	struct sample s;

	(void)state;
	sample_init(&s);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pool4_conf pool[] = {
			{ false, address("192.0.2.10"), address("192.0.2.20"), 1000, 2000, NAT64_TCP },
			{ false, address(rows[i].first), address(rows[i].last), rows[i].port_first,
			  rows[i].port_last, rows[i].protocols },
		};

		print_message("%s\n", rows[i].what);
		s.c.nat64.pool4 = pool;
		s.c.nat64.n_pool4 = 2;
		assert_int_equal(nat64_conf_check(&s.c.nat64, NULL), rows[i].good ? 0 : -EINVAL);
	}
}

/* What the interface says later is an address like any other. */
static void outside_entries_overlap_each_other_and_what_they_are_filled_with(void **state)
{
	struct pool4_conf pool[] = {
		{ .outside = true, .port_first = 1000, .port_last = 2000, .protocols = NAT64_TCP },
		{ .outside = true, .port_first = 2000, .port_last = 3000, .protocols = NAT64_TCP },
	};
	struct sample s;

	(void)state;
	sample_init(&s);
	s.c.nat64.pool4 = pool;
	s.c.nat64.n_pool4 = 2;
	assert_int_equal(nat64_conf_check(&s.c.nat64, NULL), -EINVAL);
	pool[1].port_first = 2001;
	assert_int_equal(nat64_conf_check(&s.c.nat64, NULL), 0);
	pool[1] = (struct pool4_conf){ false, address("192.0.2.1"), address("192.0.2.9"), 1000, 2000,
				       NAT64_TCP };
	assert_int_equal(nat64_conf_check(&s.c.nat64, NULL), 0);
	pool[0].first = pool[0].last = address("192.0.2.5");
	assert_int_equal(nat64_conf_check(&s.c.nat64, NULL), -EINVAL);
}

static int check_static(struct static_conf *entry, struct pool4_conf *pool)
{
	struct sample s;

	sample_init(&s);
	s.c.nat64.pool4 = pool ? pool : &s.pool4;
	s.c.nat64.static_entry = entry;
	s.c.nat64.n_static = 1;
	return nat64_conf_check(&s.c.nat64, NULL);
}

static void static_entries_lead_to_hosts_inside(void **state)
{
	static const char *const bad[] = { "::", "fe80::1", "ff02::1", "192.0.2.1", "64:ff9b::1" };
	struct static_conf e = { NAT64_TCP, address("2001:db8::1"), address("192.0.2.1"), 1, 1 };

	(void)state;
	assert_int_equal(check_static(&e, NULL), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		e.inside = address(bad[i]);
		assert_int_equal(check_static(&e, NULL), -EINVAL);
	}
}

static void static_entries_on_the_shared_address_keep_to_its_ports(void **state)
{
	struct pool4_conf pool = { true, address("192.0.2.1"), address("192.0.2.1"), 10000, 20000,
				   NAT64_TCP };
	static const struct {
		uint16_t port;
		bool good;
	} rows[] = { { 9999, false }, { 10000, true }, { 20000, true }, { 20001, false } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct static_conf e = { NAT64_TCP, address("2001:db8::1"), address("192.0.2.1"), 1,
					 rows[i].port };

		assert_int_equal(check_static(&e, &pool), rows[i].good ? 0 : -EINVAL);
		e.outside = address("192.0.2.2");
		assert_int_equal(check_static(&e, &pool), -EINVAL);
	}
}

static void services_have_one_to_eight_addresses_and_a_node(void **state)
{
	struct sample s;

	(void)state;
	sample_init(&s);
	for (unsigned i = 0; i < SERVICE_ADDRESSES_MAX; i++)
		s.service.address[i] = addr_from_ip4_host(0xcb007101 + i);
	s.service.n_address = SERVICE_ADDRESSES_MAX;
	assert_int_equal(services_conf_check(&s.c.services, NULL), 0);
	s.service.n_address = 0;
	assert_int_equal(services_conf_check(&s.c.services, NULL), -EINVAL);
	s.service.n_address = 1;
	s.service.n_node = 0;
	assert_int_equal(services_conf_check(&s.c.services, NULL), -EINVAL);
}

static void egress6_prefixes_are_unicast_ipv6(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} rows[] = {
		{ "2001:db8::/32", true }, { "2000::/8", true },  { "2000::/7", false },
		{ "fd00::/8", true },      { "ff00::/8", false }, { "fe80::/64", false },
		{ "192.0.2.0/24", false }, { "2001:db8::1", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct prefix p = prefix(rows[i].text);
		struct pinhole_conf hole = { .protocol = IPPROTO_UDP, .destination = p };
		struct sample s;

		print_message("%s\n", rows[i].text);
		sample_init(&s);
		s.c.egress6.allow = &hole;
		s.c.egress6.n_allow = 1;
		assert_int_equal(egress6_conf_check(&s.c.egress6, NULL), rows[i].good ? 0 : -EINVAL);
		s.c.egress6.follow_inside = false;
		s.c.egress6.prefix = &p;
		s.c.egress6.n_prefix = 1;
		assert_int_equal(egress6_conf_check(&s.c.egress6, NULL), rows[i].good ? 0 : -EINVAL);
	}
}

static void pinholes_are_checked(void **state)
{
	struct prefix inside = prefix("2001:db8::/48");
	struct pinhole_conf hole = { .protocol = IPPROTO_TCP, .destination = inside };
	struct sample s;

	(void)state;
	sample_init(&s);
	s.c.egress6 = (struct egress6_conf){ .prefix = &inside, .n_prefix = 1, .allow = &hole,
					     .n_allow = 1, .timeouts = s.c.egress6.timeouts };
	assert_int_equal(egress6_conf_check(&s.c.egress6, NULL), 0);
	hole.destination = prefix("2001:db8::/47"); /* more than the prefix */
	assert_int_equal(egress6_conf_check(&s.c.egress6, NULL), -EINVAL);
	hole.destination = prefix("2001:db8:0:1::/64");
	hole.n_port = 1;
	assert_int_equal(egress6_conf_check(&s.c.egress6, NULL), -EINVAL); /* port 0 */
	hole.port[0] = 80;
	assert_int_equal(egress6_conf_check(&s.c.egress6, NULL), 0);
	hole.protocol = IPPROTO_ICMPV6;
	assert_int_equal(egress6_conf_check(&s.c.egress6, NULL), -EINVAL);
	hole.n_port = 0;
	assert_int_equal(egress6_conf_check(&s.c.egress6, NULL), 0);
	hole.protocol = IPPROTO_SCTP;
	assert_int_equal(egress6_conf_check(&s.c.egress6, NULL), -EINVAL);
	hole.protocol = IPPROTO_UDP;
	assert_int_equal(egress6_conf_check(&s.c.egress6, NULL), 0);
}

static void dns64_endpoints_are_checked(void **state)
{
	static const struct {
		const char *text;
		bool listen, upstream;
	} rows[] = {
		{ "::", true, false },      { "0.0.0.0", true, false }, { "192.0.2.5", true, true },
		{ "224.0.0.1", false, false }, { "ff02::fb", false, false }, { "2001:db8::5", true, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct endpoint_conf e = { address(rows[i].text), 5353 };
		struct dns64_upstream_conf u = { .address = e.address, .port = 5353 };
		struct sample s;

		print_message("%s\n", rows[i].text);
		sample_init(&s);
		s.c.dns64.listen = &e;
		assert_int_equal(dns64_conf_check(&s.c.dns64, NULL), rows[i].listen ? 0 : -EINVAL);
		sample_init(&s);
		s.c.dns64.upstream = &u;
		assert_int_equal(dns64_conf_check(&s.c.dns64, NULL), rows[i].upstream ? 0 : -EINVAL);
		u.port = e.port = 0;
		assert_int_equal(dns64_conf_check(&s.c.dns64, NULL), -EINVAL);
		sample_init(&s);
		s.c.dns64.listen = &e;
		assert_int_equal(dns64_conf_check(&s.c.dns64, NULL), -EINVAL);
	}
}

#define PIN "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

/* RFC 8310 5: a strict client has to know whom it means. */
static void upstreams_over_tls_are_checked(void **state)
{
	static char name[] = "dns.example.";
	static const struct {
		char *name;
		const char *pin, *ca;
		size_t n_pin;
		bool good;
	} rows[] = {
		{ name, "", "", 0, true },
		{ NULL, PIN, "", 1, true },
		{ NULL, PIN, "", DNS64_PINS_MAX, true },
		{ name, PIN, "/etc/ca.pem", 1, true },
		{ NULL, "", "", 0, false },
		{ NULL, PIN, "/etc/ca.pem", 1, false },
		{ NULL, "sha256/AAAA=", "", 1, false },
		{ name, PIN, "", DNS64_PINS_MAX + 1, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct dns64_upstream_conf u = { .address = address("192.0.2.5"), .port = 853,
						 .tls = true, .name = rows[i].name,
						 .n_pin = rows[i].n_pin };
		struct sample s;

		print_message("row %zu\n", i);
		for (size_t j = 0; j < rows[i].n_pin && j < DNS64_PINS_MAX; j++)
			snprintf(u.pin[j].text, sizeof(u.pin[j].text), "%s", rows[i].pin);
		snprintf(u.ca, sizeof(u.ca), "%s", rows[i].ca);
		sample_init(&s);
		s.c.dns64.upstream = &u;
		assert_int_equal(dns64_conf_check(&s.c.dns64, NULL), rows[i].good ? 0 : -EINVAL);
	}
}

static void numbers_of_dns64_endpoints_are_bounded(void **state)
{
	struct dns64_upstream_conf upstreams[DNS64_UPSTREAM_MAX + 1];
	struct endpoint_conf many[DNS64_UPSTREAM_MAX + 1];
	struct sample s;

	(void)state;
	for (unsigned i = 0; i <= DNS64_UPSTREAM_MAX; i++) {
		many[i] = (struct endpoint_conf){ addr_from_ip4_host(0xcb007101 + i), 5353 };
		upstreams[i] = (struct dns64_upstream_conf){ .address = many[i].address, .port = 5353 };
	}
	sample_init(&s);
	s.c.dns64.upstream = upstreams;
	s.c.dns64.n_upstream = DNS64_UPSTREAM_MAX;
	assert_int_equal(dns64_conf_check(&s.c.dns64, NULL), 0);
	s.c.dns64.n_upstream++;
	assert_int_equal(dns64_conf_check(&s.c.dns64, NULL), -EINVAL);
	sample_init(&s);
	s.c.dns64.listen = many;
	s.c.dns64.n_listen = DNS64_LISTEN_MAX;
	assert_int_equal(dns64_conf_check(&s.c.dns64, NULL), 0);
	s.c.dns64.n_listen++;
	assert_int_equal(dns64_conf_check(&s.c.dns64, NULL), -EINVAL);
}

/* RFC 1035 2.3.4: labels of at most 63 letters. */
#define LABEL63 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff123"

static void domains_are_absolute_and_in_lower_case(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} rows[] = {
		{ "a.", true },      { "example.internal.", true }, { "_tcp.a-z0-9.", true },
		{ LABEL63 ".", true }, { LABEL63 "4.", false },     { "a", false },
		{ "", false },       { ".", false },               { "a..", false },
		{ ".a.", false },    { "A.", false },              { "a b.", false },
		{ "az09.", true },   { "`.", false },              { "{.", false },
		{ "/.", false },     { ":.", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[80];
		char *name = text;
		struct sample s;

		print_message("'%s'\n", rows[i].text);
		snprintf(text, sizeof(text), "%s", rows[i].text);
		sample_init(&s);
		s.c.dns64.never = &name;
		s.c.dns64.n_never = 1;
		assert_int_equal(dns64_conf_check(&s.c.dns64, NULL), rows[i].good ? 0 : -EINVAL);
	}
}

static void presets_of_health_checks(void **state)
{
	static const struct {
		const char *name, *path;
		enum health_kind kind;
		uint16_t port;
	} rows[] = {
		{ "minio", "/minio/health/live", HEALTH_HTTP, 0 },
		{ "rgw", "/swift/healthcheck", HEALTH_HTTP, 0 },
		{ "garage", "/health", HEALTH_HTTP, 3903 },
		{ "seaweedfs", "/healthz", HEALTH_HTTP, 0 },
		{ "http", "/", HEALTH_HTTP, 0 },
		{ "tcp", "/", HEALTH_TCP, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct health_conf h;

		health_conf_default(&h);
		h.interval_ms = 7000;
		assert_int_equal(health_conf_preset(&h, rows[i].name), 0);
		assert_int_equal(h.kind, rows[i].kind);
		assert_string_equal(h.path, rows[i].path);
		assert_int_equal(h.port, rows[i].port);
		assert_int_equal(h.interval_ms, 7000);
	}
	assert_int_equal(health_conf_preset(&(struct health_conf){ 0 }, "mini"), -ENOENT);
	assert_int_equal(health_conf_preset(&(struct health_conf){ 0 }, "minio2"), -ENOENT);
	assert_int_equal(health_conf_preset(&(struct health_conf){ 0 }, ""), -ENOENT);
}

static void pool4_has_what_is_between_first_and_last(void **state)
{
	struct sample s;

	(void)state;
	sample_init(&s);
	assert_true(nat64_conf_pool4_has(&s.c.nat64, &(struct addr){ 0 }) == false);
	for (unsigned i = 0; i < 12; i++) {
		char text[16];
		struct addr a;

		snprintf(text, sizeof(text), "192.0.2.%u", i);
		a = address(text);
		assert_int_equal(nat64_conf_pool4_has(&s.c.nat64, &a), i >= 1 && i <= 9);
	}
}

static void ephemeral_ports_left_are_counted_once(void **state)
{
	struct pool4_conf pool[] = {
		{ .outside = true, .port_first = 1000, .port_last = 1999, .protocols = NAT64_TCP },
		{ .outside = true, .port_first = 1500, .port_last = 2499, .protocols = NAT64_UDP },
		{ .outside = true, .port_first = 3000, .port_last = 3999, .protocols = NAT64_ICMP },
		{ .port_first = 1, .port_last = 65535, .protocols = NAT64_TCP },
	};
	struct nat64_conf n = { .pool4 = pool, .n_pool4 = 4 };

	(void)state;
	assert_int_equal(nat64_conf_ephemeral_left(&n, 1000, 65535), 65535 - 1000 + 1 - 1500);
	assert_int_equal(nat64_conf_ephemeral_left(&n, 1000, 2499), 0);
	assert_int_equal(nat64_conf_ephemeral_left(&n, 0, 999), 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_good),
		cmocka_unit_test(rooms_and_tables_agree_on_bounds),
		cmocka_unit_test(first_fault_is_named_with_its_key),
		cmocka_unit_test(numbers_of_entries_are_bounded),
		cmocka_unit_test(numbers_of_prefixes_are_bounded),
		cmocka_unit_test(numbers_of_services_and_nodes_are_bounded),
		cmocka_unit_test(addresses_that_no_host_has_are_refused),
		cmocka_unit_test(pool_entries_may_touch_but_not_overlap),
		cmocka_unit_test(outside_entries_overlap_each_other_and_what_they_are_filled_with),
		cmocka_unit_test(static_entries_lead_to_hosts_inside),
		cmocka_unit_test(static_entries_on_the_shared_address_keep_to_its_ports),
		cmocka_unit_test(services_have_one_to_eight_addresses_and_a_node),
		cmocka_unit_test(egress6_prefixes_are_unicast_ipv6),
		cmocka_unit_test(pinholes_are_checked),
		cmocka_unit_test(dns64_endpoints_are_checked),
		cmocka_unit_test(upstreams_over_tls_are_checked),
		cmocka_unit_test(numbers_of_dns64_endpoints_are_bounded),
		cmocka_unit_test(domains_are_absolute_and_in_lower_case),
		cmocka_unit_test(presets_of_health_checks),
		cmocka_unit_test(pool4_has_what_is_between_first_and_last),
		cmocka_unit_test(ephemeral_ports_left_are_counted_once),
	};
	return cmocka_run_group_tests_name("config/rooms", tests, NULL, NULL);
}
