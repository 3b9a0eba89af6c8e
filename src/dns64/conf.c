/* conf.c - defaults and rules of section `dns64:` (RFC 6147). Looks at no other section. */
#include "sixgate/dns64/conf.h"
#include <errno.h>
#include <string.h>
#include "sixgate/base/must.h"
#include "sixgate/translate/rfc6052.h"
#include "zone_conf.h"

enum { DNS_PORT = 53, LABEL_MAX = 63, DOMAIN_MAX = 254 };

/* Shared by everybody who has written nothing else; nobody writes to them. */
static struct endpoint_conf anywhere[] = { { .port = DNS_PORT } };
static struct prefix every_v4[] = { { .addr = { .octet = { [10] = 0xff, [11] = 0xff } }, .len = 96 } };

void dns64_conf_default(struct dns64_conf *c)
{
	*c = (struct dns64_conf){
		.listen = anywhere,
		.n_listen = ARRAY_LEN(anywhere),
		.exclude = every_v4,
		.n_exclude = ARRAY_LEN(every_v4),
		.threads = 1,
		.parallel = true,
		.synthesize_on_error = true,
		.cache_bytes = (uint64_t)64 << 20,
		.stale_s = 86400,
		.client_timeout_ms = 1500,
		.probe = { .interval_ms = 10000, .timeout_ms = 2000, .rise = 2, .fall = 3 },
		.ra = { .pref64 = true, .interval_s = 600 },
		.cookies = true,
	};
}

static bool is_unspecified(const struct addr *a)
{
	static const struct addr any6;
	static const struct addr any4 = { .octet = { [10] = 0xff, [11] = 0xff } };

	return addr_equal(a, &any6) || addr_equal(a, &any4);
}

static bool is_loopback(const struct addr *a)
{
	static const struct addr one6 = { .octet = { [15] = 1 } };

	return addr_equal(a, &one6) || (addr_is_v4(a) && a->octet[12] == 127);
}

static bool is_link_local(const struct addr *a)
{
	return a->octet[0] == 0xfe && (a->octet[1] & 0xc0) == 0x80;
}

static void complain_of_listen(const struct dns64_conf *c, struct complaints *to)
{
	if (!c->n_listen || c->n_listen > DNS64_LISTEN_MAX)
		complain(to, &c->listen, "dns64.listen", "expected 1 to %d addresses, found %zu",
			 DNS64_LISTEN_MAX, c->n_listen);
	for (size_t i = 0; i < c->n_listen && i < DNS64_LISTEN_MAX; i++) {
		const struct endpoint_conf *l = &c->listen[i];

		if (addr_is_multicast(&l->address) || !l->port)
			complain(to, l, "dns64.listen", "expected a unicast address and a port");
		if (is_link_local(&l->address))
			complain(to, l, "dns64.listen",
				 "cannot be a link-local address, for the interface cannot be named: "
				 "[::]:53 takes what comes to those, too");
		for (size_t j = 0; j < i; j++)
			if (addr_equal(&l->address, &c->listen[j].address) &&
			    l->port == c->listen[j].port)
				complain(to, l, "dns64.listen", "stands twice in the list");
	}
}

static int sextet(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* RFC 4648 4: 32 bytes are 43 characters, of which the last carries four bits, and one "=". */
int dns64_pin_parse(const char *text, uint8_t out[DNS64_PIN_LEN])
{
	static const char head[] = "sha256/";
	unsigned bits = 0, n_bits = 0, n = 0;

	if (strncmp(text, head, sizeof(head) - 1) != 0)
		return -EINVAL;
	for (text += sizeof(head) - 1; sextet(*text) >= 0; text++) {
		bits = bits << 6 | (unsigned)sextet(*text);
		n_bits += 6;
		if (n_bits < 8)
			continue;
		n_bits -= 8;
		if (n == DNS64_PIN_LEN)
			return -EINVAL;
		out[n++] = (uint8_t)(bits >> n_bits);
		bits &= (1u << n_bits) - 1;
	}
	return n == DNS64_PIN_LEN && n_bits == 2 && !bits && strcmp(text, "=") == 0 ? 0 : -EINVAL;
}

static void complain_of_tls(const struct dns64_upstream_conf *u, struct complaints *to)
{
	uint8_t pin[DNS64_PIN_LEN];

	if (!u->name && !u->n_pin)
		complain(to, &u->tls, "dns64.upstream.tls",
			 "expected a name for its certificate, a pin of its key, or both");
	if (*u->ca && !u->name)
		complain(to, &u->ca, "dns64.upstream.tls.ca", "is for a name, and there is none");
	if (u->n_pin > DNS64_PINS_MAX)
		complain(to, u, "dns64.upstream.tls.pin", "expected at most %d pins",
			 DNS64_PINS_MAX);
	for (size_t i = 0; i < u->n_pin && i < DNS64_PINS_MAX; i++)
		if (dns64_pin_parse(u->pin[i].text, pin))
			complain(to, &u->pin[i], "dns64.upstream.tls.pin",
				 "expected sha256/ and 44 characters of base64");
}

static bool is_an_address_of_listen(const struct dns64_conf *c, const struct addr *a)
{
	for (size_t i = 0; i < c->n_listen && i < DNS64_LISTEN_MAX; i++)
		if (addr_equal(a, &c->listen[i].address))
			return true;
	return false;
}

/* [::] takes IPv4, too. */
static bool takes_all(const struct endpoint_conf *l, const struct addr *to)
{
	return is_unspecified(&l->address) && (!addr_is_v4(&l->address) || addr_is_v4(to));
}

bool dns64_conf_listens_on(const struct dns64_conf *c, const struct addr *a, uint16_t port)
{
	for (size_t i = 0; i < c->n_listen && i < DNS64_LISTEN_MAX; i++)
		if (c->listen[i].port == port &&
		    (addr_equal(&c->listen[i].address, a) || takes_all(&c->listen[i], a)))
			return true;
	return false;
}

/* Which other addresses are ours the host knows. */
static void complain_of_asking_itself(const struct dns64_conf *c, const struct dns64_upstream_conf *u,
				      struct complaints *to)
{
	bool own = is_loopback(&u->address) || is_an_address_of_listen(c, &u->address);

	for (size_t i = 0; i < c->n_listen && i < DNS64_LISTEN_MAX; i++) {
		const struct endpoint_conf *l = &c->listen[i];

		if (u->port != l->port || is_unspecified(&u->address))
			continue;
		if (addr_equal(&u->address, &l->address))
			complain(to, u, "dns64.upstream",
				 "is an address of dns64.listen: it would ask itself");
		else if (own && takes_all(l, &u->address))
			complain(to, u, "dns64.upstream",
				 "is an address of this machine, and dns64.listen takes port %u of all "
				 "of them: it would ask itself; give `listen` its addresses, or the "
				 "resolver another port",
				 u->port);
	}
}

/* Return: a domain that both are asked for, "" if for all others, NULL if there is none. */
static const char *common_domain(const struct dns64_upstream_conf *a, const struct dns64_upstream_conf *b)
{
	if (!a->n_domain && !b->n_domain)
		return "";
	for (size_t i = 0; i < a->n_domain && i < DNS64_UPSTREAM_DOMAINS_MAX; i++)
		for (size_t j = 0; j < b->n_domain && j < DNS64_UPSTREAM_DOMAINS_MAX; j++)
			if (a->domain[i] && b->domain[j] && strcmp(a->domain[i], b->domain[j]) == 0)
				return a->domain[i];
	return NULL;
}

static void complain_of_twins(const struct dns64_conf *c, size_t upstream, struct complaints *to)
{
	const struct dns64_upstream_conf *u = &c->upstream[upstream];

	for (size_t i = 0; i < upstream; i++) {
		const struct dns64_upstream_conf *v = &c->upstream[i];
		const char *domain = common_domain(u, v);

		if (!domain || u->port != v->port || !addr_equal(&u->address, &v->address))
			continue;
		complain(to, u, "dns64.upstream", "stands twice in the list%s%s", *domain ? " for " : "",
			 domain);
		return;
	}
}

static void complain_of_upstream(const struct dns64_conf *c, struct complaints *to)
{
	if (!c->n_upstream)
		complain(to, &c->upstream, "dns64.upstream",
			 "is missing: the addresses of one or more resolvers");
	if (c->n_upstream > DNS64_UPSTREAM_MAX)
		complain(to, &c->upstream, "dns64.upstream", "expected at most %d addresses",
			 DNS64_UPSTREAM_MAX);
	for (size_t i = 0; i < c->n_upstream && i < DNS64_UPSTREAM_MAX; i++) {
		const struct dns64_upstream_conf *u = &c->upstream[i];

		if (u->tls)
			complain_of_tls(u, to);
		if (addr_is_multicast(&u->address) || is_unspecified(&u->address) || !u->port)
			complain(to, u, "dns64.upstream", "expected the address of a resolver");
		if (is_link_local(&u->address))
			complain(to, u, "dns64.upstream",
				 "cannot be a link-local address, for the interface cannot be named: "
				 "give another address of the resolver");
		complain_of_asking_itself(c, u, to);
		complain_of_twins(c, i, to);
	}
}

/* What the section and each of its views have. */
struct choices {
	const struct prefix *prefix, *exclude;
	char *const *never, *const *always;
	const struct dns64_mapped_conf *mapped;
	size_t n_prefix, n_exclude, n_never, n_always, n_mapped;
};

static void complain_of_prefixes(const struct choices *c, const char *key, struct complaints *to)
{
	if (c->n_prefix > DNS64_PREFIXES_MAX)
		complain(to, &c->prefix[0], key, "expected at most %d prefixes",
			 DNS64_PREFIXES_MAX);
	for (size_t i = 0; i < c->n_prefix && i < DNS64_PREFIXES_MAX; i++) {
		struct pool6 pool6;
		struct err e;

		if (pool6_init(&pool6, &c->prefix[i], &e))
			complain(to, &c->prefix[i], key, "%s", e.text);
		for (size_t j = 0; j < i; j++)
			if (prefix_overlaps(&c->prefix[i], &c->prefix[j]))
				complain(to, &c->prefix[i], key,
					 "overlaps the prefix number %zu of the list", j + 1);
	}
}

static void complain_of_mapped(const struct choices *c, const char *key, struct complaints *to)
{
	if (c->n_mapped > DNS64_MAPPED_MAX)
		complain(to, &c->mapped[0], key, "expected at most %d ranges", DNS64_MAPPED_MAX);
	for (size_t i = 0; i < c->n_mapped && i < DNS64_MAPPED_MAX; i++) {
		const struct dns64_mapped_conf *m = &c->mapped[i];
		struct pool6 pool6;
		struct err e;

		if (m->v6.len && pool6_init(&pool6, &m->v6, &e))
			complain(to, &m->v6, key, "%s", e.text);
		for (size_t j = 0; j < i; j++)
			if (c->mapped[j].v4.len == m->v4.len &&
			    addr_equal(&c->mapped[j].v4.addr, &m->v4.addr))
				complain(to, &m->v4, key, "is there twice");
	}
}

bool dns64__is_domain(const char *name)
{
	size_t n = strlen(name), label = 0;

	if (!n || n > DOMAIN_MAX || name[n - 1] != '.')
		return false;
	for (const char *p = name; *p; p++) {
		bool letter = (*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') || *p == '-' ||
			      *p == '_';

		if (*p == '.' ? !label : !letter || ++label > LABEL_MAX)
			return false;
		if (*p == '.')
			label = 0;
	}
	return true;
}

static void complain_of_domains(char *const *name, size_t n, const char *key,
				struct complaints *to)
{
	for (size_t i = 0; i < n; i++)
		if (!name[i] || !dns64__is_domain(name[i]))
			complain(to, &name[i], key,
				 "expected a domain name of letters, digits, hyphens and dots");
}

static void complain_of_upstream_domains(const struct dns64_conf *c, struct complaints *to)
{
	bool rest = c->n_upstream == 0;

	for (size_t i = 0; i < c->n_upstream && i < DNS64_UPSTREAM_MAX; i++) {
		const struct dns64_upstream_conf *u = &c->upstream[i];

		rest |= u->n_domain == 0;
		if (u->n_domain > DNS64_UPSTREAM_DOMAINS_MAX)
			complain(to, u, "dns64.upstream.domains", "expected at most %d domains",
				 DNS64_UPSTREAM_DOMAINS_MAX);
		else
			complain_of_domains(u->domain, u->n_domain, "dns64.upstream.domains", to);
	}
	if (!rest)
		complain(to, &c->upstream, "dns64.upstream",
			 "all have `domains`: expected one without, to ask for all other names");
}

static void complain_of_choices(const struct choices *c, struct complaints *to)
{
	complain_of_prefixes(c, "dns64.prefix", to);
	complain_of_mapped(c, "dns64.mapped", to);
	if (c->n_exclude > DNS64_EXCLUDE_MAX)
		complain(to, &c->exclude[0], "dns64.exclude", "expected at most %d prefixes",
			 DNS64_EXCLUDE_MAX);
	if (c->n_never > DNS64_NEVER_MAX)
		complain(to, &c->never[0], "dns64.never", "expected at most %d domains",
			 DNS64_NEVER_MAX);
	else
		complain_of_domains(c->never, c->n_never, "dns64.never", to);
	if (c->n_always > DNS64_ALWAYS_MAX)
		complain(to, &c->always[0], "dns64.always", "expected at most %d domains",
			 DNS64_ALWAYS_MAX);
	else
		complain_of_domains(c->always, c->n_always, "dns64.always", to);
}

static void complain_of_view(const struct dns64_view_conf *v, struct complaints *to)
{
	const struct choices c = { .prefix = v->prefix, .n_prefix = v->n_prefix,
				   .exclude = v->exclude, .n_exclude = v->n_exclude,
				   .never = v->never, .n_never = v->n_never,
				   .always = v->always, .n_always = v->n_always,
				   .mapped = v->mapped, .n_mapped = v->n_mapped };

	if (!v->n_clients && !v->n_listen)
		complain(to, v, "dns64.views",
			 "`clients` is missing, or `listen`: whose view is it?");
	if (v->n_clients > DNS64_CLIENTS_MAX)
		complain(to, v, "dns64.views", "expected at most %d prefixes of clients",
			 DNS64_CLIENTS_MAX);
	if (v->n_listen > DNS64_LISTEN_MAX)
		complain(to, &v->listen, "dns64.views", "expected at most %d addresses to listen on",
			 DNS64_LISTEN_MAX);
	if (!v->synthesize && (v->n_prefix || v->n_mapped))
		complain(to, &v->synthesize, "dns64.views.synthesize", "is false, and there are prefixes");
	if (!v->synthesize && v->n_always)
		complain(to, &v->synthesize, "dns64.views.synthesize", "is false, and there is `always`");
	if (v->has_prefix && !v->n_prefix && (v->n_always || v->n_mapped))
		complain(to, &v->has_prefix, "dns64.views.prefix",
			 "is [], so that nothing is made: expected neither `always` nor `mapped`");
	complain_of_choices(&c, to);
}

/* A query can come to it: it is one of dns64.listen, or may come to one that takes all. */
static bool is_listened_on(const struct dns64_conf *c, const struct addr *a)
{
	if (is_unspecified(a) || addr_is_multicast(a))
		return false;
	for (size_t i = 0; i < c->n_listen && i < DNS64_LISTEN_MAX; i++)
		if (addr_equal(&c->listen[i].address, a) || takes_all(&c->listen[i], a))
			return true;
	return false;
}

static bool has_clients(const struct dns64_view_conf *v, const struct prefix *p)
{
	for (size_t i = 0; i < v->n_clients && i < DNS64_CLIENTS_MAX; i++)
		if (v->clients[i].len <= p->len && prefix_contains(&v->clients[i], &p->addr))
			return true;
	return !v->n_clients;
}

static bool has_listen(const struct dns64_view_conf *v, const struct addr *a)
{
	for (size_t i = 0; i < v->n_listen && i < DNS64_LISTEN_MAX; i++)
		if (addr_equal(&v->listen[i], a))
			return true;
	return !v->n_listen;
}

/* Clients in @p that ask @a (NULL: any address) are in a view before, which counts. */
static bool is_in_one_before(const struct dns64_conf *c, size_t view, const struct prefix *p,
			     const struct addr *a)
{
	for (size_t i = 0; i < view; i++)
		if (has_clients(&c->view[i], p) &&
		    (a ? has_listen(&c->view[i], a) : !c->view[i].n_listen))
			return true;
	return false;
}

/* All who would be in it are in views before. */
static bool is_nobodys(const struct dns64_conf *c, size_t view)
{
	static const struct prefix everybody;
	const struct dns64_view_conf *v = &c->view[view];
	size_t n_clients = v->n_clients ? v->n_clients : 1, n_listen = v->n_listen ? v->n_listen : 1;

	if (n_clients > DNS64_CLIENTS_MAX || n_listen > DNS64_LISTEN_MAX)
		return false; /* that is said elsewhere */
	for (size_t i = 0; i < n_clients; i++)
		for (size_t j = 0; j < n_listen; j++)
			if (!is_in_one_before(c, view, v->n_clients ? &v->clients[i] : &everybody,
					      v->n_listen ? &v->listen[j] : NULL))
				return false;
	return true;
}

static void complain_of_view_listen(const struct dns64_conf *c,
				    const struct dns64_view_conf *v, struct complaints *to)
{
	for (size_t j = 0; j < v->n_listen && j < DNS64_LISTEN_MAX; j++) {
		if (!is_listened_on(c, &v->listen[j]))
			complain(to, &v->listen[j], "dns64.views.listen",
				 "is no address of dns64.listen: no query comes to it");
		for (size_t k = 0; k < j; k++)
			if (addr_equal(&v->listen[k], &v->listen[j]))
				complain(to, &v->listen[j], "dns64.views.listen", "is there twice");
	}
}

/* struct watched - the prefixes of a configuration, each once; @n: DNS64_WATCHED_MAX + 1 when there are more */
struct watched {
	const struct prefix *prefix[DNS64_WATCHED_MAX + 1];
	size_t n;
};

static void count_prefixes(struct watched *w, const struct prefix *p, size_t n)
{
	for (size_t i = 0; i < n && w->n <= DNS64_WATCHED_MAX; i++) {
		size_t k = 0;

		while (k < w->n && !prefix_equal(w->prefix[k], &p[i]))
			k++;
		if (k == w->n)
			w->prefix[w->n++] = &p[i];
	}
}

static void count_mapped(struct watched *w, const struct dns64_mapped_conf *m, size_t n)
{
	for (size_t i = 0; i < n; i++)
		count_prefixes(w, &m[i].v6, m[i].v6.len ? 1 : 0);
}

static void complain_of_watched(const struct dns64_conf *c, struct complaints *to)
{
	struct watched w = { .n = 0 };

	if (!c->require_nat64)
		return;
	count_prefixes(&w, c->prefix, c->n_prefix);
	count_mapped(&w, c->mapped, c->n_mapped);
	for (size_t i = 0; i < c->n_view; i++) {
		count_prefixes(&w, c->view[i].prefix, c->view[i].n_prefix);
		count_mapped(&w, c->view[i].mapped, c->view[i].n_mapped);
	}
	if (w.n > DNS64_WATCHED_MAX)
		complain(to, &c->require_nat64, "dns64.require-nat64",
			 "more than %d prefixes in all: they cannot all be watched", DNS64_WATCHED_MAX);
}

static void complain_of_views(const struct dns64_conf *c, struct complaints *to)
{
	if (c->n_view > DNS64_VIEWS_MAX)
		complain(to, &c->view, "dns64.views", "expected at most %d views", DNS64_VIEWS_MAX);
	for (size_t i = 0; i < c->n_view && i < DNS64_VIEWS_MAX; i++) {
		complain_of_view(&c->view[i], to);
		complain_of_view_listen(c, &c->view[i], to);
		if (!is_nobodys(c, i))
			continue;
		if (c->view[i].n_clients)
			complain(to, &c->view[i].clients[0], "dns64.views.clients",
				 "are clients of views before, whose they are: put the narrower "
				 "one first");
		else
			complain(to, &c->view[i].listen, "dns64.views.listen",
				 "is that of views before, whose all its clients are: put the "
				 "narrower one first");
	}
}

uint32_t dns64_conf_ra_lifetime_s(const struct dns64_ra_conf *c)
{
	return c->lifetime_s ? c->lifetime_s : DNS64_RA_TIMES * c->interval_s;
}

uint32_t dns64_conf_router_lifetime_s(const struct dns64_ra_conf *c)
{
	return c->router_lifetime_s == DNS64_RA_AUTO ? DNS64_RA_TIMES * c->interval_s :
						       c->router_lifetime_s;
}

static void complain_of_source(const struct dns64_ra_conf *c, struct complaints *to)
{
	const char *key = "dns64.router-advertisement.source";

	if (is_unspecified(&c->source))
		return;
	if (!is_link_local(&c->source))
		complain(to, &c->source, key,
			 "expected a link-local address (RFC 4861 4.2), such as fe80::64");
	else if (c->router_lifetime_s)
		complain(to, &c->source, key,
			 "cannot be a default router: no interface has this address, so nobody "
			 "would answer for it; leave out either source or default-router");
}

/* RFC 4861 6.2.1, RFC 8781 4.1: what outlives no interval would come and go. */
static void complain_of_lifetimes(const struct dns64_ra_conf *c, struct complaints *to)
{
	if (c->interval_s < DNS64_RA_INTERVAL_MIN_S || c->interval_s > DNS64_RA_INTERVAL_MAX_S)
		complain(to, &c->interval_s, "dns64.router-advertisement.interval",
			 "expected 4s to 30m");
	if (dns64_conf_ra_lifetime_s(c) < c->interval_s || c->lifetime_s > DNS64_RA_LIFETIME_MAX_S)
		complain(to, &c->lifetime_s, "dns64.router-advertisement.lifetime",
			 "expected at least the interval (RFC 8781 4.1) and at most %d s",
			 DNS64_RA_LIFETIME_MAX_S);
	if (c->router_lifetime_s && (dns64_conf_router_lifetime_s(c) < c->interval_s ||
				     dns64_conf_router_lifetime_s(c) > DNS64_RA_ROUTER_LIFETIME_MAX_S))
		complain(to, &c->router_lifetime_s, "dns64.router-advertisement.default-router",
			 "expected a lifetime of at least the interval and at most %d s (RFC 4861 "
			 "6.2.1)",
			 DNS64_RA_ROUTER_LIFETIME_MAX_S);
}

static void complain_of_ra(const struct dns64_ra_conf *c, struct complaints *to)
{
	const struct choices choices = { .prefix = c->prefix, .n_prefix = c->n_prefix };

	if (!c->n_interface || c->n_interface > DNS64_RA_INTERFACES_MAX)
		complain(to, c->interface, "dns64.router-advertisement.interface",
			 "expected 1 to %d interfaces", DNS64_RA_INTERFACES_MAX);
	for (size_t i = 1; i < c->n_interface && i < DNS64_RA_INTERFACES_MAX; i++)
		for (size_t j = 0; j < i; j++)
			if (!strncmp(c->interface[i], c->interface[j], sizeof(c->interface[i])))
				complain(to, c->interface[i], "dns64.router-advertisement.interface",
					 "%s stands twice in the list", c->interface[i]);
	if (!c->pref64 && !c->router_lifetime_s)
		complain(to, &c->pref64, "dns64.router-advertisement.pref64",
			 "is false, and there is no default-router: there would be nothing to "
			 "advertise");
	if (!c->pref64 && c->n_prefix)
		complain(to, &c->pref64, "dns64.router-advertisement.pref64",
			 "is false, and there is a `prefix`, which would not be advertised");
	complain_of_prefixes(&choices, "dns64.router-advertisement.prefix", to);
	complain_of_source(c, to);
	complain_of_lifetimes(c, to);
}

static void complain_of_probe(const struct dns64_probe_conf *c, struct complaints *to)
{
	if (!addr_is_v4(&c->address) || addr_is_multicast(&c->address) || is_unspecified(&c->address))
		complain(to, &c->address, "dns64.probe", "expected an IPv4 address that answers");
	if (c->interval_ms < DNS64_PROBE_INTERVAL_MIN_MS ||
	    c->interval_ms > DNS64_PROBE_INTERVAL_MAX_MS)
		complain(to, &c->interval_ms, "dns64.probe.interval", "expected 500ms to 1h");
	if (c->timeout_ms < DNS64_PROBE_TIMEOUT_MIN_MS || c->timeout_ms > c->interval_ms)
		complain(to, &c->timeout_ms, "dns64.probe.timeout",
			 "expected 100ms to the interval");
	if (!c->rise || !c->fall || c->rise > DNS64_PROBE_COUNT_MAX || c->fall > DNS64_PROBE_COUNT_MAX)
		complain(to, c->rise && c->rise <= DNS64_PROBE_COUNT_MAX ? &c->fall : &c->rise,
			 "dns64.probe", "expected 1 to %d results in a row", DNS64_PROBE_COUNT_MAX);
}

void dns64_conf_complain(const struct dns64_conf *c, struct complaints *to)
{
	const struct choices choices = { .prefix = c->prefix, .n_prefix = c->n_prefix,
					 .exclude = c->exclude, .n_exclude = c->n_exclude,
					 .never = c->never, .n_never = c->n_never,
					 .always = c->always, .n_always = c->n_always,
					 .mapped = c->mapped, .n_mapped = c->n_mapped };

	complain_of_listen(c, to);
	complain_of_upstream(c, to);
	complain_of_upstream_domains(c, to);
	if (!c->n_prefix)
		complain(to, &c->prefix, "dns64.prefix",
			 "is missing: there is no section `nat64` to take it from");
	complain_of_choices(&choices, to);
	complain_of_views(c, to);
	complain_of_watched(c, to);
	zones__complain(c, to);
	if (c->threads < 1 || c->threads > DNS64_THREADS_MAX)
		complain(to, &c->threads, "dns64.threads", "expected 1 to %d", DNS64_THREADS_MAX);
	if (c->cache_bytes < DNS64_CACHE_MIN_BYTES || c->cache_bytes > DNS64_CACHE_MAX_BYTES)
		complain(to, &c->cache_bytes, "dns64.cache.size", "expected 1m to 64g bytes");
	if (c->stale_s > DNS64_STALE_MAX_S)
		complain(to, &c->stale_s, "dns64.cache.serve-stale", "expected at most 7d");
	if (c->client_timeout_ms < DNS64_CLIENT_TIMEOUT_MIN_MS ||
	    c->client_timeout_ms > DNS64_CLIENT_TIMEOUT_MAX_MS)
		complain(to, &c->client_timeout_ms, "dns64.client-timeout",
			 "expected 100ms to 4s");
	if (c->has_probe)
		complain_of_probe(&c->probe, to);
	if (c->has_ra)
		complain_of_ra(&c->ra, to);
}

int dns64_conf_check(const struct dns64_conf *c, struct err *e)
{
	struct first_complaint first = first_complaint(e);

	dns64_conf_complain(c, &first.to);
	return first.code;
}
