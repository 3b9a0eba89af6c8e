/* test_print.c - what is printed reads back as the same; the example file is true; what needs a
 * restart is named. */
#include <netinet/in.h>
#include "fields.h"
#include "fixture.h"
#include "sixgate/nat64/nat64.h"
#include "sixgate/services/services.h"

static void assert_reads_back(const struct config *c)
{
	char *text = printed(c), *again;
	struct config *copy = parse_good(text);

	assert_true(config_equal(c, copy));
	again = printed(copy);
	assert_string_equal(text, again);
	config_free(copy);
	free(again);
	free(text);
}

static void sample_files_read_back(void **state)
{
	static const char *const names[] = { "smallest.yaml", "everything.yaml",
					     CONFIG_DIR "/sixgate.yaml" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char *text = read_test_file(names[i]);
		struct config *c = parse_good(text);

		assert_reads_back(c);
		config_free(c);
		free(text);
	}
}

/* ---- law: parse(print(c)) equals c ---- */

enum { N_ITEMS = 4 };

struct random_config {
	struct config c;
	struct prefix nat64_prefix[2], egress6_prefix[2], exclude[2];
	struct pool4_conf pool4[N_ITEMS];
	struct exempt_conf exempt[N_ITEMS];
	struct static_conf static_entry[N_ITEMS];
	struct endpoint_conf listen[2];
	struct dns64_upstream_conf upstream[N_ITEMS];
	char never_text[2][16], *never[2];
	struct pinhole_conf allow[N_ITEMS];
	struct service_conf service[2];
	struct node_conf node[2][N_ITEMS];
};

static uint64_t below(uint64_t *s, uint64_t n)
{
	return rnd(s) % n;
}

static uint64_t pick(uint64_t *s, uint64_t min, uint64_t max)
{
	uint64_t kind = below(s, 4);

	return kind == 0 ? min : kind == 1 ? max : min + below(s, max - min + 1);
}

static struct addr address(const char *fmt, unsigned n)
{
	char text[ADDR_TEXT_MAX];
	struct addr a = { 0 };

	snprintf(text, sizeof(text), fmt, n);
	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static struct prefix prefix(const char *fmt, unsigned n)
{
	char text[PREFIX_TEXT_MAX];
	struct prefix p = { 0 };

	snprintf(text, sizeof(text), fmt, n);
	assert_int_equal(prefix_parse(text, &p), 0);
	return p;
}

static const struct word *random_word(uint64_t *s, const struct word *words)
{
	size_t n = 0, at;

	while (words[n].text)
		n++;
	do {
		at = (size_t)below(s, n);
	} while (words[at].unbuilt);
	return &words[at];
}

static void random_name(uint64_t *s, char *out, size_t size)
{
	static const char letters[] = "abcXYZ019._-";
	size_t n = 1 + (size_t)below(s, size - 1);

	memset(out, 0, size);
	for (size_t i = 0; i < n; i++)
		out[i] = letters[below(s, i ? sizeof(letters) - 1 : 6)];
}

/* Every value that depends on no other: by the tables themselves. */
static void random_values(uint64_t *s, const struct record *record, void *base)
{
	for (size_t i = 0; i < record->n; i++) {
		const struct field *f = &record->field[i];
		void *member = field__member(f, base);

		if (f->kind == FIELD_RECORD)
			random_values(s, f->record, member);
		else if (f->words && f->kind <= FIELD_NUMBER && below(s, 2))
			integer__set(member, f->size, random_word(s, f->words)->value);
		else if (f->kind == FIELD_BOOL)
			integer__set(member, 1, (int64_t)below(s, 2));
		else if (f->kind >= FIELD_NUMBER && f->kind <= FIELD_MILLISECONDS)
			integer__set(member, f->size, (int64_t)pick(s, f->min, f->max));
		else if (f->kind == FIELD_NAME || f->kind == FIELD_INTERFACE)
			random_name(s, member, f->size);
	}
}

static const struct record *section(const char *key)
{
	for (size_t i = 0; i < config__record.n; i++)
		if (!strcmp(config__record.field[i].key, key))
			return config__record.field[i].kind == FIELD_LIST ?
				       config__record.field[i].list->item->record :
				       config__record.field[i].record;
	return NULL;
}

static void random_nat64(uint64_t *s, struct random_config *r)
{
	struct nat64_conf *n = &r->c.nat64;

	random_values(s, section("nat64"), n);
	r->nat64_prefix[0] = prefix("64:ff9b::/96", 0);
	r->nat64_prefix[1] = prefix("2001:db8:%x::/48", 0x65);
	n->prefix = r->nat64_prefix;
	n->n_prefix = 1 + (size_t)below(s, 2);
	n->pool4 = r->pool4;
	n->n_pool4 = 1 + (size_t)below(s, N_ITEMS);
	n->static_entry = r->static_entry;
	n->n_static = (size_t)below(s, N_ITEMS);
	n->exempt = r->exempt;
	n->n_exempt = (size_t)below(s, N_ITEMS);
	for (unsigned i = 0; i < N_ITEMS; i++) {
		r->exempt[i].destination = prefix("::ffff:198.51.%u.0/120", i);
		r->exempt[i].port_first = (uint16_t)pick(s, 0, 65535);
		r->exempt[i].port_last = (uint16_t)pick(s, r->exempt[i].port_first, 65535);
	}
	for (unsigned i = 0; i < N_ITEMS; i++) {
		uint16_t first = (uint16_t)pick(s, 1, 65535);

		r->pool4[i] = (struct pool4_conf){ false, address("192.0.2.%u", 10 * i),
						   address("192.0.2.%u", 10 * i + (unsigned)below(s, 10)),
						   first, (uint16_t)pick(s, first, 65535),
						   (uint8_t)(1 + below(s, 7)) };
		r->static_entry[i] = (struct static_conf){ NAT64_UDP, address("2001:db8::%x", i + 1),
							   address("192.0.2.%u", 0),
							   (uint16_t)pick(s, 1, 65535),
							   (uint16_t)(1 + i + below(s, 60000)) };
	}
	r->pool4[0].protocols |= NAT64_UDP;
	if (n->n_pool4 == N_ITEMS)
		r->pool4[3] = (struct pool4_conf){ .outside = true, .port_first = 9000,
						   .port_last = (uint16_t)pick(s, 9000, 56000),
						   .protocols = (uint8_t)(1 + below(s, 7)) };
	for (unsigned i = 1; i < N_ITEMS; i++) /* no two on one port */
		if (r->static_entry[i].outside_port == r->static_entry[i - 1].outside_port ||
		    r->static_entry[i].outside_port == r->static_entry[0].outside_port)
			n->n_static = n->n_static > i ? i : n->n_static;
}

static void random_dns64(uint64_t *s, struct random_config *r)
{
	struct dns64_conf *d = &r->c.dns64;

	random_values(s, section("dns64"), d);
	d->listen = r->listen;
	d->n_listen = 1 + (size_t)below(s, 2);
	d->upstream = r->upstream;
	d->n_upstream = 1 + (size_t)below(s, N_ITEMS);
	d->prefix = r->nat64_prefix;
	d->n_prefix = 1;
	d->exclude = r->exclude;
	d->n_exclude = (size_t)below(s, 3);
	d->never = r->never;
	d->n_never = (size_t)below(s, 3);
	d->allow_private = r->c.nat64.allow_private;
	r->exclude[0] = prefix("::ffff:0:0/96", 0);
	r->exclude[1] = prefix("2001:db8:%x::/48", (unsigned)below(s, 65536));
	for (unsigned i = 0; i < N_ITEMS; i++)
		r->upstream[i] = (struct dns64_upstream_conf){
			.address = address(below(s, 2) ? "2001:db8:53::%x" : "2001:db8:53:%x::", i + 1),
			.port = (uint16_t)pick(s, 1, 65535)
		};
	for (unsigned i = 0; i < 2; i++) {
		r->listen[i] = (struct endpoint_conf){ address(i ? "::" : "10.0.0.%u", 1),
						       (uint16_t)pick(s, 1, 65535) };
		snprintf(r->never_text[i], sizeof(r->never_text[i]), "d%u.example.",
			 (unsigned)below(s, 1000));
		r->never[i] = r->never_text[i];
	}
}

static void random_egress6(uint64_t *s, struct random_config *r)
{
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMPV6 };
	struct egress6_conf *e = &r->c.egress6;

	random_values(s, section("egress6"), e);
	e->follow_inside = below(s, 2);
	e->prefix = r->egress6_prefix;
	e->n_prefix = e->follow_inside ? 0 : 1 + (size_t)below(s, 2);
	r->egress6_prefix[0] = prefix("2001:db8:8000::/40", 0);
	r->egress6_prefix[1] = prefix("fd00:%x::/32", (unsigned)below(s, 65536));
	e->allow = r->allow;
	e->n_allow = (size_t)below(s, N_ITEMS);
	for (unsigned i = 0; i < N_ITEMS; i++) {
		struct pinhole_conf *p = &r->allow[i];

		p->protocol = protocols[below(s, 3)];
		p->destination = prefix("2001:db8:80%02x::/48", (unsigned)below(s, 256));
		p->n_port = p->protocol == IPPROTO_ICMPV6 ? 0 : (uint8_t)below(s, 17);
		for (unsigned k = 0; k < p->n_port; k++)
			p->port[k] = (uint16_t)pick(s, 1, 65535);
	}
}

static void random_health(uint64_t *s, struct health_conf *h)
{
	h->kind = (enum health_kind)below(s, 3);
	snprintf(h->path, sizeof(h->path), "/%s", below(s, 2) ? "a?b=\"c\\d\",{}[]#:'" : "");
	snprintf(h->host, sizeof(h->host), "%s", below(s, 2) ? "store:9000" : "");
	h->status_first = (uint16_t)pick(s, 100, 599);
	h->status_last = (uint16_t)pick(s, h->status_first, 599);
	h->timeout_ms = (uint32_t)pick(s, HEALTH_TIMEOUT_MIN_MS, h->interval_ms);
}

static void random_service(uint64_t *s, struct random_config *r, unsigned at)
{
	struct service_conf *v = &r->service[at];
	bool v4 = below(s, 2), v6 = !v4 || below(s, 2);

	service_conf_default(v);
	random_values(s, section("services"), v);
	snprintf(v->name, sizeof(v->name), "s%u", at);
	if (v4)
		v->address[v->n_address++] = address("198.51.100.%u", at);
	if (v6)
		v->address[v->n_address++] = address("2001:db8:20::%x", at + 1);
	v->source_v4 = address("198.51.100.%u", 100 + at);
	v->source_v6 = address("2001:db8:64:%x::", 0x21 + at);
	v->embed_prefix = prefix("2001:db8:64:%x::/96", 0x40 + at);
	v->node = r->node[at];
	v->n_node = 1 + (size_t)below(s, N_ITEMS);
	random_health(s, &v->health);
	for (unsigned i = 0; i < v->n_node; i++) {
		struct node_conf *n = &v->node[i];

		node_conf_default(n);
		snprintf(n->name, sizeof(n->name), "n%u", i);
		n->address = address(v->client_address == CLIENT_KEEP ? v6 ? "2001:db8:5::%x" :
									     "203.0.113.%u" :
				     below(s, 2) ? "2001:db8:5::%x" : "203.0.113.%u",
				     i + 1);
		n->port = (uint16_t)below(s, 2) * 9000;
		n->weight = (uint32_t)pick(s, 0, NODE_WEIGHT_MAX);
		if (below(s, 2))
			random_name(s, n->zone, sizeof(n->zone));
	}
	if (below(s, 2))
		random_name(s, v->prefer_zone, sizeof(v->prefer_zone));
	else
		memset(v->prefer_zone, 0, sizeof(v->prefer_zone));
	memcpy(v->node[0].zone, v->prefer_zone, sizeof(v->prefer_zone));
	if (!v->prefer_zone[0])
		v->spill_percent = 80; /* not printed */
	if (v->client_address == CLIENT_KEEP && v4 && v6)
		v->client_address = CLIENT_HIDE;
}

static void random_config(uint64_t *s, struct random_config *r)
{
	struct config *c = &r->c;

	*r = (struct random_config){ 0 };
	config__default(c);
	random_values(s, section("gateway"), &c->gateway);
	random_values(s, section("interfaces"), &c->interfaces);
	random_values(s, section("translation"), &c->translation);
	snprintf(c->gateway.control, sizeof(c->gateway.control), "/run/%s",
		 below(s, 2) ? "x{y}" : "sixgate.sock");
	c->gateway.metrics = below(s, 2);
	if (c->translation.copy_traffic_class)
		c->translation.tos = 0;
	c->interfaces.n_inside = c->interfaces.n_outside = 1 + (size_t)below(s, 3);
	for (unsigned i = 0; i < 3; i++) {
		snprintf(c->interfaces.inside[i], INTERFACE_NAME_MAX, "in.%u", i);
		snprintf(c->interfaces.outside[i], INTERFACE_NAME_MAX, "-out@%u", i);
	}
	c->has_nat64 = true;
	c->has_dns64 = below(s, 2);
	c->has_egress6 = below(s, 2);
	c->has_services = below(s, 2);
	random_nat64(s, r);
	random_dns64(s, r);
	random_egress6(s, r);
	c->services = (struct services_conf){ r->service, 1 + (size_t)below(s, 2) };
	random_service(s, r, 0);
	random_service(s, r, 1);
}

static void random_configs_read_back(void **state)
{
	uint64_t seed = test_seed();
	struct random_config *r = calloc(1, sizeof(*r));

	(void)state;
	assert_non_null(r);
	for (int i = 0; i < 1000; i++) {
		random_config(&seed, r);
		assert_reads_back(&r->c);
	}
	free(r);
}

/* config_equal() must be able to say no, or the law above says nothing. */
static void any_changed_value_is_a_difference(void **state)
{
	uint64_t seed = test_seed();
	struct random_config *a = calloc(1, sizeof(*a)), *b = calloc(1, sizeof(*b));

	(void)state;
	assert_true(a && b);
	random_config(&seed, a);
	*b = *a;
	assert_true(config_equal(&a->c, &b->c));
	b->c.nat64.timeouts.icmp_s++;
	assert_false(config_equal(&a->c, &b->c));
	*b = *a;
	b->c.has_dns64 = !a->c.has_dns64;
	assert_false(config_equal(&a->c, &b->c));
	*b = *a;
	b->c.nat64.n_pool4--;
	assert_false(config_equal(&a->c, &b->c));
	*b = *a;
	b->pool4[0].protocols ^= NAT64_TCP;
	b->c.nat64.pool4 = b->pool4;
	assert_false(config_equal(&a->c, &b->c));
	free(a);
	free(b);
}

/* ---- the largest ---- */

static void *many(size_t n, size_t size)
{
	void *p = calloc(n, size);

	assert_non_null(p);
	return p;
}

static void largest_services(struct services_conf *s)
{
	enum { FULL = SERVICES_NODE_SLOTS / SERVICE_NODES_MAX };

	*s = (struct services_conf){ many(FULL, sizeof(*s->service)), FULL };
	for (unsigned i = 0; i < FULL; i++) {
		struct service_conf *v = &s->service[i];

		service_conf_default(v);
		snprintf(v->name, sizeof(v->name), "%063u", i);
		v->address[v->n_address++] = address("2001:db8:1111:2222:3333:4444:5555:%x", 0x1000 + i);
		v->port = 65535;
		v->node = many(SERVICE_NODES_MAX, sizeof(*v->node));
		v->n_node = SERVICE_NODES_MAX;
		for (unsigned k = 0; k < SERVICE_NODES_MAX; k++) {
			struct node_conf *n = &v->node[k];

			snprintf(n->name, sizeof(n->name), "%063u", k);
			snprintf(n->zone, sizeof(n->zone), "%063u", k);
			n->address = address("2001:db8:1111:2222:3333:4444:6666:%x", 0x1000 + k);
			n->port = 65535;
			n->weight = NODE_WEIGHT_MAX;
		}
	}
}

static void largest_nat64(struct nat64_conf *n)
{
	n->pool4 = many(NAT64_POOL_MAX, sizeof(*n->pool4));
	n->n_pool4 = NAT64_POOL_MAX;
	n->static_entry = many(NAT64_STATIC_MAX, sizeof(*n->static_entry));
	n->n_static = NAT64_STATIC_MAX;
	for (unsigned i = 0; i < NAT64_POOL_MAX; i++) {
		struct addr a = addr_from_ip4_host(0xc6336400 + i);

		n->pool4[i] = (struct pool4_conf){ false, a, a, 10000, 65535, 7 };
		n->static_entry[i] = (struct static_conf){
			NAT64_ICMP, address("2001:db8:1111:2222:3333:4444:7777:%x", 0x1000 + i), a,
			65535, 65535
		};
	}
}

static void largest_configuration_reads_back(void **state)
{
	struct config c;
	char name[255];

	(void)state;
	config__default(&c);
	strcpy(c.interfaces.inside[0], "a");
	strcpy(c.interfaces.outside[0], "b");
	c.interfaces.n_inside = c.interfaces.n_outside = 1;
	c.has_services = c.has_nat64 = c.has_dns64 = true;
	largest_services(&c.services);
	largest_nat64(&c.nat64);
	memset(name, 'x', sizeof(name) - 1);
	for (size_t i = 0; i < sizeof(name); i++)
		if (i % 64 == 63 || i == 253)
			name[i] = '.';
	name[254] = '\0';
	c.dns64.never = many(DNS64_NEVER_MAX, sizeof(char *));
	c.dns64.n_never = DNS64_NEVER_MAX;
	for (size_t i = 0; i < DNS64_NEVER_MAX; i++)
		c.dns64.never[i] = name;
	c.dns64.upstream = &(struct dns64_upstream_conf){ .address = address("192.0.2.%u", 53), .port = 53 };
	c.dns64.n_upstream = 1;
	c.dns64.prefix = c.nat64.prefix;
	c.dns64.n_prefix = c.nat64.n_prefix;
	assert_reads_back(&c);
	for (size_t i = 0; i < c.services.n_service; i++)
		free(c.services.service[i].node);
	free(c.services.service);
	free(c.nat64.pool4);
	free(c.nat64.static_entry);
	free(c.dns64.never);
}

/* ---- the example file ---- */

static char *example(void)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	assert_non_null(f);
	config_print_example(f);
	fclose(f);
	return text;
}

/* Takes one # from lines that have just one, drops lines that have two. */
static void uncomment(char *text)
{
	char *to = text;
	bool start = true, skip = false;

	for (char *p = text; *p; p++) {
		if (start) {
			skip = p[0] == '#' && p[1] == '#';
			start = false;
			if (*p == '#')
				continue;
		}
		start = *p == '\n';
		if (!skip)
			*to++ = *p;
	}
	*to = '\0';
}

static void example_file_is_what_it_says(void **state)
{
	char *text = example();
	struct config *c;

	(void)state;
	assert_true(has_error(parse_bad(text), 0, 0, "nothing to do"));
	config_free(parse_with_job(text));
	uncomment(text);
	c = parse_good(text);
	assert_true(c->has_nat64 && c->has_dns64 && c->has_egress6 && c->has_services);
	assert_true(c->gateway.metrics);
	assert_int_equal(c->nat64.timeouts.tcp_established_s, 7440);
	config_free(c);
	free(text);
}

static bool line_has_key(const char *text, const char *key)
{
	size_t n = strlen(key);

	for (const char *p = strstr(text, key); p; p = strstr(p + 1, key))
		if (p[n] == ':' && p > text && strchr("# {", p[-1]))
			return true;
	print_message("not in the example: %s\n", key);
	return false;
}

static void assert_keys_shown(const char *text, const struct record *record)
{
	for (size_t i = 0; i < record->n; i++) {
		const struct field *f = &record->field[i];

		assert_true(line_has_key(text, f->key));
		if (f->kind == FIELD_RECORD)
			assert_keys_shown(text, f->record);
		if (f->kind == FIELD_LIST && f->list->item->kind == FIELD_RECORD)
			assert_keys_shown(text, f->list->item->record);
	}
}

static void example_file_shows_every_key(void **state)
{
	char *text = example();

	(void)state;
	assert_keys_shown(text, &config__record);
	assert_null(strstr(text, "(null)"));
	free(text);
}

/* SIXGATE_TEST_REGEN=1 writes it anew. */
static void shipped_example_is_the_printed_one(void **state)
{
	static const char path[] = CONFIG_DIR "/sixgate.example.yaml";
	char *text = example(), *shipped;

	(void)state;
	if (getenv("SIXGATE_TEST_REGEN")) {
		FILE *f = fopen(path, "w");

		assert_non_null(f);
		fputs(text, f);
		fclose(f);
	}
	shipped = read_test_file(path);
	assert_string_equal(shipped, text);
	free(shipped);
	free(text);
}

/* ---- restart ---- */

static void assert_restart(const char *a, const char *b, const char *keys)
{
	struct config *old = parse_good(a), *fresh = parse_good(b);
	char got[CONFIG_RESTART_KEYS_MAX], little[16];
	size_t n = config_needs_restart(old, fresh, got, sizeof(got));

	print_message("%s -> %s: %s\n", a, b, n ? got : "no restart");
	assert_string_equal(got, keys);
	assert_int_equal(n == 0, *keys == 0);
	assert_int_equal(config_needs_restart(old, fresh, little, sizeof(little)), n);
	assert_int_equal(strncmp(little, got, sizeof(little) - 1), 0);
	config_free(old);
	config_free(fresh);
}

static void keys_that_need_a_restart_are_named(void **state)
{
#define LINKS_AND(text)                                                                            \
	"interfaces: {inside: lan0, outside: wan0, " text "}\negress6: {prefixes: inside}\n"
	(void)state;
	assert_restart(LEAST, "gateway: {workers: 2}\n" LEAST, "gateway.workers");
	assert_restart(LEAST, "gateway: {flows: 2m}\n" LEAST, "gateway.flows");
	assert_restart(LEAST, "gateway: {user: nobody}\n" LEAST, "gateway.user");
	assert_restart(LEAST, "gateway: {control: /run/x.sock}\n" LEAST, "gateway.control");
	assert_restart(LEAST,
		       "gateway: {user: a, control: /run/x.sock, workers: 2, flows: 2m}\n"
		       "interfaces: {inside: lan0, outside: wan0, io: tun, tun: gate}\n"
		       "egress6: {prefixes: inside}\n",
		       "gateway.workers, gateway.flows, gateway.user, gateway.control, interfaces.io, "
		       "interfaces.tun");
	assert_restart(LEAST, LINKS_AND("io: tun"), "interfaces.io");
	assert_restart(LEAST, LINKS_AND("tun: gate"), "interfaces.tun");
	assert_restart(LEAST, "gateway: {workers: auto, flows: 1024k}\n" LEAST, "");
	assert_restart(LEAST,
		       "gateway: {name: x, metrics: {}}\ninterfaces: {inside: a, outside: b}\n"
		       "nat64: {pool4: outside}\n",
		       "");
#undef LINKS_AND
}

/* What the parent hands over as text must say the same to the child. */
static void a_view_with_an_empty_list_is_not_one_without(void **state)
{
#define VIEW(text) "interfaces: {inside: lan0, outside: wan0}\nnat64: {pool4: outside}\n"             \
		   "dns64: {upstream: 192.0.2.53, exclude: 2001:db8::/32, views: "                   \
		   "{clients: 2001:db8:1::/48" text "}}\n"
	struct config *given = parse_good(VIEW(", exclude: []")), *left_out = parse_good(VIEW(""));

	(void)state;
	assert_false(config_equal(given, left_out));
	assert_true(given->dns64.view[0].has_exclude);
	assert_int_equal(given->dns64.view[0].n_exclude, 0);
	assert_false(left_out->dns64.view[0].has_exclude);
	for (int i = 0; i < 2; i++) {
		struct config *c = i ? given : left_out, *again;
		char *text = printed(c);

		again = parse_good(text);
		assert_true(config_equal(c, again));
		config_free(again);
		free(text);
	}
	config_free(given);
	config_free(left_out);
#undef VIEW
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_view_with_an_empty_list_is_not_one_without),
		cmocka_unit_test(sample_files_read_back),
		cmocka_unit_test(random_configs_read_back),
		cmocka_unit_test(any_changed_value_is_a_difference),
		cmocka_unit_test(largest_configuration_reads_back),
		cmocka_unit_test(example_file_is_what_it_says),
		cmocka_unit_test(example_file_shows_every_key),
		cmocka_unit_test(shipped_example_is_the_printed_one),
		cmocka_unit_test(keys_that_need_a_restart_are_named),
	};
	return cmocka_run_group_tests_name("config/print", tests, NULL, NULL);
}
