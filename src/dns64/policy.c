/* policy.c - turns the checked configuration into what answering needs, copied, so that a reload
 * may free the configuration at once. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "sixgate/dns64/synth.h"
#include "zones.h"

static void *copy_array(const void *from, size_t n, size_t size)
{
	void *to = calloc(n ? n : 1, size);

	if (to && n)
		memcpy(to, from, n * size);
	return to;
}

static int convert_names(struct dns_name *to, char *const *from, size_t n, const char *key,
			 struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		if (dns_name_parse(from[i], &to[i]))
			return err_set(e, -EINVAL, "dns64: %s: %s: not a domain name", key, from[i]);
		dns_name_fold(&to[i]);
	}
	return 0;
}

static int convert_prefixes(struct dns64_policy *p, const struct dns64_conf *conf, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < conf->n_prefix && rc == 0; i++)
		rc = pool6_init(&p->prefix[i], &conf->prefix[i], e);
	for (size_t i = 0; i < conf->n_mapped && rc == 0; i++) {
		struct dns64_mapped *m = &p->mapped[i];

		m->v4 = conf->mapped[i].v4;
		m->hidden = conf->mapped[i].v6.len == 0;
		if (!m->hidden)
			rc = pool6_init(&m->to, &conf->mapped[i].v6, e);
	}
	return rc ? err_wrap(e, rc, "dns64: prefix") : 0;
}

static int convert_upstream(struct dns64_upstream *to, const struct dns64_upstream_conf *from,
			    struct err *e)
{
	int rc;

	to->at = (struct endpoint_conf){ .address = from->address, .port = from->port };
	to->tls = from->tls;
	memcpy(to->ca, from->ca, sizeof(to->ca));
	for (size_t i = 0; i < from->n_pin; i++)
		if (dns64_pin_parse(from->pin[i].text, to->pin[i]))
			return err_set(e, -EINVAL, "dns64: upstream: %s: not a pin", from->pin[i].text);
	to->n_pin = from->n_pin;
	to->domain = calloc(from->n_domain + 1, sizeof(*to->domain));
	if (!to->domain)
		return err_set(e, -ENOMEM, "dns64: out of memory");
	to->n_domain = from->n_domain;
	rc = convert_names(to->domain, from->domain, from->n_domain, "upstream.domains", e);
	if (rc || !from->name)
		return rc;
	to->name = strdup(from->name);
	if (!to->name)
		return err_set(e, -ENOMEM, "dns64: out of memory");
	if (*to->name && to->name[strlen(to->name) - 1] == '.')
		to->name[strlen(to->name) - 1] = 0;
	return 0;
}

unsigned dns64_upstream_serves(const struct dns64_upstream *u, const struct dns_name *name)
{
	unsigned best = u->n_domain == 0;

	for (size_t i = 0; i < u->n_domain; i++)
		if (u->domain[i].len > best && dns_name_is_under(name, &u->domain[i]))
			best = u->domain[i].len;
	return best;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

bool dns64_upstream_equal(const struct dns64_upstream *a, const struct dns64_upstream *b)
{
	return a->at.port == b->at.port && addr_equal(&a->at.address, &b->at.address) &&
	       a->tls == b->tls && a->n_pin == b->n_pin && same_text(a->name, b->name) &&
	       memcmp(a->pin, b->pin, sizeof(a->pin)) == 0 && strcmp(a->ca, b->ca) == 0;
}

static int convert(struct dns64_policy *p, const struct dns64_conf *conf, struct err *e)
{
	int rc = convert_prefixes(p, conf, e);

	if (rc == 0)
		rc = convert_names(p->never, conf->never, conf->n_never, "never", e);
	if (rc == 0)
		rc = convert_names(p->always, conf->always, conf->n_always, "always", e);
	for (size_t i = 0; i < conf->n_upstream && rc == 0; i++)
		rc = convert_upstream(&p->upstream[i], &conf->upstream[i], e);
	return rc;
}

static void copy_choices(struct dns64_policy *p, const struct dns64_conf *conf)
{
	p->n_prefix = conf->n_prefix;
	p->n_exclude = conf->n_exclude;
	p->n_never = conf->n_never;
	p->n_always = conf->n_always;
	p->n_mapped = conf->n_mapped;
	p->n_upstream = conf->n_upstream;
	p->stale_s = conf->stale_s;
	p->client_timeout_ms = conf->client_timeout_ms;
	p->parallel = conf->parallel;
	p->break_dnssec = conf->break_dnssec;
	p->synthesize_on_error = conf->synthesize_on_error;
	p->allow_private = conf->allow_private;
	p->allow_outside = conf->allow_outside;
	p->withheld = conf->withheld;
	p->cookies = conf->cookies;
	p->randomize_case = conf->randomize_case;
}

static bool allocate(struct dns64_policy *p, const struct dns64_conf *conf)
{
	p->prefix = calloc(p->n_prefix + 1, sizeof(*p->prefix));
	p->never = calloc(p->n_never + 1, sizeof(*p->never));
	p->always = calloc(p->n_always + 1, sizeof(*p->always));
	p->mapped = calloc(p->n_mapped + 1, sizeof(*p->mapped));
	p->view = calloc(conf->n_view + 1, sizeof(struct dns64_policy *));
	p->exclude = copy_array(conf->exclude, p->n_exclude, sizeof(*p->exclude));
	p->upstream = calloc(p->n_upstream + 1, sizeof(*p->upstream));
	return p->prefix && p->never && p->always && p->mapped && p->view && p->exclude &&
	       p->upstream;
}

/* What the view leaves open is as the section says. */
static struct dns64_conf view_as_section(const struct dns64_conf *conf,
					 const struct dns64_view_conf *v)
{
	struct dns64_conf c = *conf;

	c.n_view = 0;
	c.withheld = v->synthesize ? conf->withheld && !v->n_prefix && !v->has_prefix : v->withheld;
	c.n_zone = 0;
	if (v->n_prefix || v->has_prefix) {
		c.prefix = v->prefix;
		c.n_prefix = v->n_prefix;
	}
	if (v->n_exclude || v->has_exclude) {
		c.exclude = v->exclude;
		c.n_exclude = v->n_exclude;
	}
	if (v->n_never || v->has_never) {
		c.never = v->never;
		c.n_never = v->n_never;
	}
	if (v->n_always || v->has_always) {
		c.always = v->always;
		c.n_always = v->n_always;
	}
	if (v->n_mapped || v->has_mapped) {
		c.mapped = v->mapped;
		c.n_mapped = v->n_mapped;
	}
	if (!v->synthesize)
		c.n_prefix = 0;
	return c;
}

static int add_view(struct dns64_policy *p, const struct dns64_conf *conf,
		    const struct dns64_view_conf *v, struct err *e)
{
	struct dns64_conf section = view_as_section(conf, v);
	struct dns64_policy *view;
	int rc = dns64_policy_new(&view, &section, e);

	if (rc)
		return rc;
	p->view[p->n_view++] = view;
	view->view_index = (unsigned)p->n_view;
	view->n_clients = v->n_clients;
	view->clients = copy_array(v->clients, v->n_clients, sizeof(*v->clients));
	view->n_listen = v->n_listen;
	view->listen = copy_array(v->listen, v->n_listen, sizeof(*v->listen));
	return view->clients && view->listen ? 0 : err_set(e, -ENOMEM, "dns64: out of memory");
}

/* Where nothing can be made nothing real is hidden to make room for it. */
static struct dns64_conf as_it_works(const struct dns64_conf *conf)
{
	struct dns64_conf c = *conf;

	if (!c.n_prefix)
		c.n_always = 0;
	return c;
}

int dns64_policy_new(struct dns64_policy **out, const struct dns64_conf *conf, struct err *e)
{
	const struct dns64_conf own = as_it_works(conf);
	struct dns64_policy *p = calloc(1, sizeof(*p));
	int rc;

	if (!p)
		return err_set(e, -ENOMEM, "dns64: out of memory");
	copy_choices(p, &own);
	rc = allocate(p, &own) ? convert(p, &own, e) : err_set(e, -ENOMEM, "dns64: out of memory");
	if (rc == 0)
		rc = zones__take(p, conf, e);
	for (size_t i = 0; i < conf->n_view && rc == 0; i++)
		rc = add_view(p, conf, &conf->view[i], e);
	if (rc) {
		dns64_policy_free(p);
		return rc;
	}
	*out = p;
	return 0;
}

void dns64_policy_free(struct dns64_policy *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n_view; i++)
		dns64_policy_free(p->view[i]); /* views have no views: one level */
	zones__free(p);
	free(p->view);
	free(p->clients);
	free(p->listen);
	free(p->prefix);
	free(p->never);
	free(p->always);
	free(p->mapped);
	free(p->exclude);
	for (size_t i = 0; p->upstream && i < p->n_upstream; i++) {
		free(p->upstream[i].name);
		free(p->upstream[i].domain);
	}
	free(p->upstream);
	free(p);
}

static bool has_client(const struct dns64_policy *view, const struct addr *client)
{
	for (size_t i = 0; i < view->n_clients; i++)
		if (prefix_contains(&view->clients[i], client))
			return true;
	return !view->n_clients;
}

static bool has_listener(const struct dns64_policy *view, const struct addr *asked)
{
	for (size_t i = 0; i < view->n_listen; i++)
		if (addr_equal(&view->listen[i], asked))
			return true;
	return !view->n_listen;
}

const struct dns64_policy *dns64_policy_for(const struct dns64_policy *p, const struct addr *client,
					    const struct addr *asked)
{
	for (size_t i = 0; i < p->n_view; i++)
		if (has_client(p->view[i], client) && has_listener(p->view[i], asked))
			return p->view[i];
	return p;
}

static bool is_under_any(const struct dns_name *name, const struct dns_name *domain, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (dns_name_is_under(name, &domain[i]))
			return true;
	return false;
}

bool dns64_never(const struct dns64_policy *p, const struct dns_name *name)
{
	return is_under_any(name, p->never, p->n_never);
}

bool dns64_always(const struct dns64_policy *p, const struct dns_name *name)
{
	return is_under_any(name, p->always, p->n_always);
}
