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
	struct endpoint_conf upstream;
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
	s->upstream = (struct endpoint_conf){ address("192.0.2.53"), 53 };
	s->prefix = prefix("64:ff9b::/96");
	s->c.dns64.upstream = &s->upstream;
	s->c.dns64.n_upstream = 1;
	s->c.dns64.prefix = &s->prefix;
	s->c.dns64.n_prefix = 1;
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
		if (!strcmp(f->key, "timeout") || !strcmp(f->key, "interval"))
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
		cmocka_unit_test(presets_of_health_checks),
		cmocka_unit_test(pool4_has_what_is_between_first_and_last),
		cmocka_unit_test(ephemeral_ports_left_are_counted_once),
	};
	return cmocka_run_group_tests_name("config/rooms", tests, NULL, NULL);
}
