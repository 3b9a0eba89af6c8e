/*
 * dns64_server.c - the dns64 room as a program, for tests that need it without the daemon.
 *
 *   dns64_server [option value]...
 *     listen ADDRESS  port PORT  upstream ADDRESS[,PORT]  upstream-tls ADDRESS[,PORT]
 *     tls-name NAME  tls-pin PIN  tls-ca FILE (of the last upstream-tls)
 *     cookies yes|no  randomize-case yes|no  prefix PREFIX  exclude PREFIX  never NAME
 *     always NAME  mapped IPV4-PREFIX,PREFIX|none
 *     inside INTERFACE  lookup serial|parallel  on-error synthesize|servfail  break-dnssec yes
 *     allow-private yes  cache BYTES
 *
 * Prints "ready" when it listens, the counters on SIGUSR1. SIGHUP reads "key value" lines from the
 * file named by `reload` over what the command line says. SIGTERM ends it.
 */
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "sixgate/base/must.h"
#include "sixgate/dns64/dns64.h"

enum { LIST_MAX = 16 };

struct options {
	struct dns64_conf conf;
	struct endpoint_conf listen[LIST_MAX];
	struct dns64_upstream_conf upstream[LIST_MAX];
	struct prefix prefix[LIST_MAX], exclude[LIST_MAX];
	struct dns64_mapped_conf mapped[LIST_MAX];
	char *never[LIST_MAX], *always[LIST_MAX], text[2 * LIST_MAX][256];
	char tls_name[LIST_MAX][256];
	unsigned inside[LIST_MAX];
	size_t n_inside;
	uint16_t port;
	char reload[256];
};

struct program {
	struct options options;
	struct dns64 *server;
	int udp[LIST_MAX], tcp[LIST_MAX];
	struct endpoint_conf opened[LIST_MAX];
	size_t n_opened;
	uv_signal_t signal[3];
};

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "dns64_server: %s\n", what);
	exit(1);
}

static struct endpoint_conf endpoint(const char *text, uint16_t port)
{
	struct endpoint_conf e = { .port = port };
	char address[64];
	const char *comma = strchr(text, ',');

	snprintf(address, sizeof(address), "%.*s", comma ? (int)(comma - text) : 63, text);
	if (comma)
		e.port = (uint16_t)atoi(comma + 1);
	if (addr_parse(address, &e.address))
		die(text);
	return e;
}

static struct dns64_upstream_conf upstream(const char *text)
{
	struct endpoint_conf e = endpoint(text, 53);

	return (struct dns64_upstream_conf){ .address = e.address, .port = e.port };
}

static char *keep(char text[256], const char *name)
{
	snprintf(text, 256, "%s", name);
	return text;
}

static struct dns64_upstream_conf *last(struct options *o)
{
	if (!o->conf.n_upstream)
		die("upstream-tls comes first");
	return &o->upstream[o->conf.n_upstream - 1];
}

static void set_tls(struct options *o, const char *key, const char *value)
{
	struct dns64_upstream_conf *u;

	if (!strcmp(key, "upstream-tls")) {
		o->upstream[o->conf.n_upstream++] = upstream(value);
		last(o)->tls = true;
		return;
	}
	u = last(o);
	if (!strcmp(key, "tls-name"))
		u->name = keep(o->tls_name[u - o->upstream], value);
	else if (!strcmp(key, "tls-pin"))
		snprintf(u->pin[u->n_pin++].text, sizeof(u->pin[0].text), "%s", value);
	else if (!strcmp(key, "tls-ca"))
		snprintf(u->ca, sizeof(u->ca), "%s", value);
	else
		die(key);
}

static void add_prefix(struct prefix *list, size_t *n, const char *text)
{
	if (*n == LIST_MAX || prefix_parse(text, &list[(*n)++]))
		die(text);
}

static void add_mapped(struct options *o, const char *text)
{
	struct dns64_mapped_conf *m = &o->mapped[o->conf.n_mapped++];
	const char *comma = strchr(text, ',');
	char v4[64];

	snprintf(v4, sizeof(v4), "%.*s", comma ? (int)(comma - text) : 63, text);
	if (!comma || prefix_parse(v4, &m->v4) ||
	    (strcmp(comma + 1, "none") && prefix_parse(comma + 1, &m->v6)))
		die(text);
}

static void set_flag(struct dns64_conf *c, const char *key, const char *value)
{
	if (!strcmp(key, "lookup"))
		c->parallel = !strcmp(value, "parallel");
	else if (!strcmp(key, "on-error"))
		c->synthesize_on_error = !strcmp(value, "synthesize");
	else if (!strcmp(key, "break-dnssec"))
		c->break_dnssec = !strcmp(value, "yes");
	else if (!strcmp(key, "allow-private"))
		c->allow_private = !strcmp(value, "yes");
	else if (!strcmp(key, "cookies"))
		c->cookies = !strcmp(value, "yes");
	else if (!strcmp(key, "randomize-case"))
		c->randomize_case = !strcmp(value, "yes");
	else if (!strcmp(key, "cache"))
		c->cache_bytes = strtoull(value, NULL, 0);
	else
		die(key);
}

static void set(struct options *o, const char *key, const char *value)
{
	struct dns64_conf *c = &o->conf;

	if (!strcmp(key, "listen") && c->n_listen < LIST_MAX)
		o->listen[c->n_listen++] = endpoint(value, o->port);
	else if (!strcmp(key, "upstream") && c->n_upstream < LIST_MAX)
		o->upstream[c->n_upstream++] = upstream(value);
	else if (!strncmp(key, "upstream-tls", 12) || !strncmp(key, "tls-", 4))
		set_tls(o, key, value);
	else if (!strcmp(key, "prefix"))
		add_prefix(o->prefix, &c->n_prefix, value);
	else if (!strcmp(key, "exclude"))
		add_prefix(o->exclude, &c->n_exclude, value);
	else if (!strcmp(key, "never") && c->n_never < LIST_MAX)
		o->never[c->n_never] = keep(o->text[c->n_never], value), c->n_never++;
	else if (!strcmp(key, "always") && c->n_always < LIST_MAX)
		o->always[c->n_always] = keep(o->text[LIST_MAX + c->n_always], value), c->n_always++;
	else if (!strcmp(key, "mapped") && c->n_mapped < LIST_MAX)
		add_mapped(o, value);
	else if (!strcmp(key, "inside") && o->n_inside < LIST_MAX)
		o->inside[o->n_inside++] = if_nametoindex(value);
	else if (!strcmp(key, "port"))
		o->port = (uint16_t)atoi(value);
	else if (!strcmp(key, "reload"))
		snprintf(o->reload, sizeof(o->reload), "%s", value);
	else
		set_flag(c, key, value);
}

static void defaults(struct options *o)
{
	*o = (struct options){ .port = 53 };
	dns64_conf_default(&o->conf);
	o->exclude[0] = o->conf.exclude[0];
	o->conf.listen = o->listen;
	o->conf.upstream = o->upstream;
	o->conf.prefix = o->prefix;
	o->conf.exclude = o->exclude;
	o->conf.never = o->never;
	o->conf.always = o->always;
	o->conf.mapped = o->mapped;
	o->conf.n_listen = 0;
}

static const struct dns64_trust *trust_for(const struct dns64_conf *c)
{
	static struct dns64_trust trust[LIST_MAX];
	static char text[LIST_MAX][65536];

	for (size_t i = 0; i < c->n_upstream; i++) {
		FILE *f = *c->upstream[i].ca ? fopen(c->upstream[i].ca, "r") : NULL;

		trust[i] = (struct dns64_trust){ .pem = text[i] };
		if (!f)
			continue;
		trust[i].len = fread(text[i], 1, sizeof(text[i]), f);
		fclose(f);
	}
	return trust;
}

static struct dns64_sockets sockets_for(struct program *p)
{
	const struct dns64_conf *c = &p->options.conf;
	struct program old = *p;
	struct err e;

	for (size_t i = 0; i < c->n_listen; i++) {
		size_t j = 0;

		while (j < old.n_opened && memcmp(&old.opened[j], &c->listen[i], sizeof(old.opened[j])))
			j++;
		p->udp[i] = j < old.n_opened ? old.udp[j] : dns64_open_udp(&c->listen[i], &e);
		p->tcp[i] = j < old.n_opened ? old.tcp[j] : dns64_open_tcp(&c->listen[i], &e);
		if (p->udp[i] < 0 || p->tcp[i] < 0)
			die(e.text);
		p->opened[i] = c->listen[i];
	}
	p->n_opened = c->n_listen;
	return (struct dns64_sockets){ .udp = p->udp,
				       .tcp = p->tcp,
				       .n_udp = c->n_listen,
				       .n_tcp = c->n_listen,
				       .inside = p->options.inside,
				       .n_inside = p->options.n_inside,
				       .trust = trust_for(c) };
}

static void reload(struct program *p)
{
	struct dns64_sockets s;
	struct err e;
	char key[32], value[256];
	FILE *f = fopen(p->options.reload, "r");

	if (!f)
		die(p->options.reload);
	defaults(&p->options);
	while (fscanf(f, "%31s %255s", key, value) == 2)
		set(&p->options, key, value);
	fclose(f);
	s = sockets_for(p);
	if (dns64_reload(p->server, &p->options.conf, &s, &e))
		die(e.text);
	puts("reloaded");
}

static void print_counter(void *ctx, const char *name, const char *help, uint64_t value)
{
	(void)ctx;
	(void)help;
	printf("%s %llu\n", name, (unsigned long long)value);
}

static void on_signal(uv_signal_t *h, int number)
{
	struct program *p = h->data;

	if (number == SIGHUP) {
		reload(p);
	} else if (number == SIGUSR1) {
		dns64_stats_each(dns64_stats(p->server), print_counter, NULL);
		puts("end");
	} else {
		for (size_t i = 0; i < ARRAY_LEN(p->signal); i++)
			uv_close((uv_handle_t *)&p->signal[i], NULL);
		dns64_close(p->server, NULL, NULL);
	}
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static const int signals[] = { SIGHUP, SIGUSR1, SIGTERM };
	static struct program p;
	struct hash_key secret;
	struct dns64_sockets s;
	struct err e;
	uv_loop_t loop;

	defaults(&p.options);
	for (int i = 1; i + 1 < argc; i += 2)
		set(&p.options, argv[i], argv[i + 1]);
	dns64_tls_init();
	must(getentropy(&secret, sizeof(secret)) == 0);
	must(uv_loop_init(&loop) == 0);
	s = sockets_for(&p);
	if (dns64_new(&p.server, &loop, &p.options.conf, &s, &secret, &e))
		die(e.text);
	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		uv_signal_init(&loop, &p.signal[i]);
		p.signal[i].data = &p;
		uv_signal_start(&p.signal[i], on_signal, signals[i]);
	}
	puts("ready");
	fflush(stdout);
	uv_run(&loop, UV_RUN_DEFAULT);
	must(uv_loop_close(&loop) == 0);
	return 0;
}
