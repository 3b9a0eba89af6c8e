/*
 * translator.c - whether the NAT64 behind each prefix that DNS64 uses works.
 *
 * Our own is judged by what the kernel looks like: devices, an outside interface that is up, an
 * address in the pool. Any may be asked through, too (`dns64: probe:`). While one does not work, its
 * prefix is withdrawn from hosts (advertise.c) and, with `require-nat64`, no address is made under it:
 * what cannot be reached is better not found.
 */
#include "translator.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "advertise.h"
#include "sixgate/health/probe.h"
#include "sixgate/log/log.h"
#include "sixgate/translate/rfc6052.h"

enum {
	SETTLE_MS = 2000, /* of the kernel: interfaces go down and up while they are set up */
	WHY_MAX = 160
};

/**
 * struct watched - one prefix
 * @own:   translated here
 * @works: as it is used; @since_ms: from when on it has looked otherwise, 0: it has not
 * @unsaid: the log does not know yet
 */
struct watched {
	struct prefix prefix;
	bool own, works, unsaid;
	uint64_t since_ms;
	char why[WHY_MAX];
};

/**
 * struct translator
 * @probes: one for each of @watched, in their order, or NULL
 * @arena:  arrays of @usable
 */
struct translator {
	struct watched watched[TRANSLATOR_PREFIXES_MAX];
	size_t n;
	struct health_probes *probes;
	struct dns64_probe_conf probe;
	struct dns64_conf usable;
	void *arena[3 + 2 * DNS64_VIEWS_MAX];
	size_t n_arena;
};

static const struct watched *find(const struct translator *t, const struct prefix *p)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->watched[i].prefix.len == p->len &&
		    addr_equal(&t->watched[i].prefix.addr, &p->addr))
			return &t->watched[i];
	return NULL;
}

bool translator__works(const struct control *c, const struct prefix *p)
{
	const struct watched *w = find(c->translator, p);

	return !w || w->works;
}

/* ---- our own ---- */

static bool is_ours(const struct config *c, const struct prefix *p)
{
	for (size_t i = 0; c->has_nat64 && i < c->nat64.n_prefix; i++)
		if (c->nat64.prefix[i].len == p->len &&
		    addr_equal(&c->nat64.prefix[i].addr, &p->addr))
			return true;
	for (size_t i = 0; c->has_siit && i < c->siit.n_prefix; i++)
		if (c->siit.prefix[i].len == p->len && addr_equal(&c->siit.prefix[i].addr, &p->addr))
			return true;
	return false;
}

static bool has_pool(const struct config *c, const struct netlink_facts *f)
{
	for (size_t i = 0; c->has_nat64 && i < c->nat64.n_pool4; i++)
		if (!c->nat64.pool4[i].outside || f->has_shared)
			return true;
	return !c->has_nat64;
}

static bool has_outside(const struct netlink_facts *f)
{
	for (size_t i = 0; i < f->n_interface; i++)
		if (f->interface[i].outside && f->interface[i].present && f->interface[i].up)
			return true;
	return false;
}

/* Return: what is wrong, or NULL. (A worker that ends, ends the process.) */
static const char *own_fault(const struct config *c, const struct netlink_facts *f)
{
	if (!f->device[SIDE_INSIDE].present || !f->device[SIDE_INSIDE].up)
		return "the inside device is down";
	if (!f->device[SIDE_OUTSIDE].present || !f->device[SIDE_OUTSIDE].up)
		return "the outside device is down";
	if (!has_outside(f))
		return "no outside interface is up";
	if (!has_pool(c, f))
		return "the outside interface has no IPv4 address to share";
	return NULL;
}

/* ---- judging ---- */

/* Return: what is wrong now, or NULL; @at_once: it has been found out with patience already. */
static const char *fault_of(const struct control *c, const struct translator *t, size_t i,
			    bool *at_once)
{
	const char *own = t->watched[i].own ? own_fault(c->config, &c->facts) : NULL;

	*at_once = !own && t->probes;
	if (own || !t->probes || health_probes_up(t->probes, i))
		return own;
	return health_probes_why(t->probes, i);
}

static bool has_settled(struct watched *w, bool looks_well, bool at_once, uint64_t now)
{
	if (looks_well == w->works) {
		w->since_ms = 0;
		return false;
	}
	if (!w->since_ms)
		w->since_ms = now;
	return at_once || now - w->since_ms >= SETTLE_MS;
}

static void turn(struct watched *w, const char *fault)
{
	w->works = !fault;
	w->since_ms = 0;
	w->unsaid = true;
	snprintf(w->why, sizeof(w->why), "%s", fault ? fault : "");
}

static void say_what_turned(struct translator *t)
{
	char text[PREFIX_TEXT_MAX];

	for (size_t i = 0; i < t->n; i++) {
		struct watched *w = &t->watched[i];

		if (!w->unsaid)
			continue;
		w->unsaid = false;
		prefix_format(&w->prefix, text);
		if (w->works)
			log_notice("dns64: the translator of %s works again", text);
		else
			log_warning("dns64: the translator of %s does not work: %s", text, w->why);
	}
}

/* What is said has happened: who reads the log may rely on it. */
void translator__look(struct control *c)
{
	struct translator *t = c->translator;
	bool turned = false;

	for (size_t i = 0; i < t->n; i++) {
		bool at_once;
		const char *fault = fault_of(c, t, i, &at_once);

		if (!has_settled(&t->watched[i], !fault, at_once, uv_now(&c->loop)))
			continue;
		turn(&t->watched[i], fault);
		turned = true;
	}
	if (!turned)
		return;
	if (c->config->dns64.require_nat64)
		dns__refresh(c);
	advertise__refresh(c);
	say_what_turned(t);
}

static void on_probe(void *owner)
{
	translator__look(owner);
}

/* ---- what is watched ---- */

static void watch_prefixes(struct translator *t, const struct config *conf, const struct prefix *p,
			   size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (find(t, &p[i]) || t->n == TRANSLATOR_PREFIXES_MAX)
			continue;
		t->watched[t->n++] = (struct watched){ .prefix = p[i], .own = is_ours(conf, &p[i]),
						       .works = true };
	}
}

static void watch_mapped(struct translator *t, const struct config *conf,
			 const struct dns64_mapped_conf *m, size_t n)
{
	for (size_t i = 0; i < n; i++)
		watch_prefixes(t, conf, &m[i].v6, m[i].v6.len ? 1 : 0);
}

static void watch_all(struct translator *t, const struct config *conf)
{
	const struct dns64_conf *d = &conf->dns64;

	if (!conf->has_dns64 || (!d->require_nat64 && !d->has_ra && !d->has_probe))
		return;
	watch_prefixes(t, conf, d->prefix, d->n_prefix);
	watch_mapped(t, conf, d->mapped, d->n_mapped);
	for (size_t i = 0; i < d->n_view; i++) {
		watch_prefixes(t, conf, d->view[i].prefix, d->view[i].n_prefix);
		watch_mapped(t, conf, d->view[i].mapped, d->view[i].n_mapped);
	}
	if (d->has_ra)
		watch_prefixes(t, conf, d->ra.prefix, d->ra.n_prefix);
}

static int ask_for_ping(struct control *c, struct err *e)
{
	struct request r = { .kind = REQUEST_PING };
	int fd;
	int rc = link__call(&c->link, r, &fd, e);

	if (rc && fd >= 0)
		close(fd);
	return rc ? rc : fd;
}

/* The address that stands for the one that is probed, under each prefix. */
static int list_targets(const struct translator *t, struct addr *to, struct err *e)
{
	for (size_t i = 0; i < t->n; i++) {
		struct pool6 pool6;
		int rc = pool6_init(&pool6, &t->watched[i].prefix, e);

		if (rc)
			return rc;
		to[i] = rfc6052_embed(&pool6, &t->probe.address);
	}
	return 0;
}

static int begin_probes(struct control *c, struct translator *t, struct err *e)
{
	struct addr to[TRANSLATOR_PREFIXES_MAX];
	struct health_probes_setup setup = {
		.loop = &c->loop, .changed = on_probe, .owner = c, .to = to, .n = t->n,
		.port = t->probe.port, .ping = -1, .interval_ms = t->probe.interval_ms,
		.timeout_ms = t->probe.timeout_ms, .rise = t->probe.rise, .fall = t->probe.fall,
	};
	int rc = list_targets(t, to, e);

	if (rc)
		return rc;
	if (!setup.port)
		setup.ping = ask_for_ping(c, e);
	if (!setup.port && setup.ping < 0)
		return setup.ping;
	rc = health_probes_new(&t->probes, &setup, e);
	if (rc && setup.ping >= 0)
		close(setup.ping);
	return rc;
}

static bool same_watched(const struct translator *a, const struct translator *b)
{
	for (size_t i = 0; i < a->n && a->n == b->n; i++)
		if (a->watched[i].own != b->watched[i].own || !find(b, &a->watched[i].prefix) ||
		    !addr_equal(&a->watched[i].prefix.addr, &b->watched[i].prefix.addr))
			return false;
	return a->n == b->n;
}

static bool same_probe(const struct dns64_probe_conf *a, const struct dns64_probe_conf *b)
{
	return addr_equal(&a->address, &b->address) && a->port == b->port &&
	       a->interval_ms == b->interval_ms && a->timeout_ms == b->timeout_ms &&
	       a->rise == b->rise && a->fall == b->fall;
}

/* What was known of a prefix is not forgotten by a reload. */
static void keep_known(struct translator *fresh, const struct translator *old)
{
	for (size_t i = 0; i < fresh->n; i++) {
		const struct watched *w = find(old, &fresh->watched[i].prefix);

		if (w && w->own == fresh->watched[i].own)
			fresh->watched[i] = *w;
	}
}

void translator__follow(struct control *c, const struct config *conf)
{
	static const struct dns64_probe_conf no_probe;
	struct translator *t = c->translator, *fresh = calloc(1, sizeof(*fresh));
	bool wanted = conf->has_dns64 && conf->dns64.has_probe;
	struct err e = { "" };
	bool same;

	if (!fresh) {
		log_error("dns64: out of memory; its translators are watched as before");
		return;
	}
	watch_all(fresh, conf);
	fresh->probe = wanted ? conf->dns64.probe : no_probe;
	same = same_watched(fresh, t) && same_probe(&fresh->probe, &t->probe);
	keep_known(fresh, t);
	memcpy(t->watched, fresh->watched, sizeof(t->watched));
	t->n = fresh->n;
	t->probe = fresh->probe;
	free(fresh);
	if (same)
		return;
	health_probes_close(t->probes);
	t->probes = NULL;
	if (wanted && t->n && begin_probes(c, t, &e) != 0)
		log_error("dns64: its translators are not probed: %s", e.text);
}

/* ---- what is left to use ---- */

static void *keep(struct translator *t, size_t n, size_t size)
{
	void *p = calloc(n + 1, size);

	if (p)
		t->arena[t->n_arena++] = p;
	return p;
}

static void forget_usable(struct translator *t)
{
	while (t->n_arena)
		free(t->arena[--t->n_arena]);
}

static bool filter_prefixes(struct control *c, struct prefix **list, size_t *n)
{
	struct prefix *kept = keep(c->translator, *n, sizeof(*kept));
	size_t n_kept = 0;

	if (!kept)
		return false;
	for (size_t i = 0; i < *n; i++)
		if (translator__works(c, &(*list)[i]))
			kept[n_kept++] = (*list)[i];
	*list = kept;
	*n = n_kept;
	return true;
}

/* What is written into a prefix that does not work is not shown. */
static bool filter_mapped(struct control *c, struct dns64_mapped_conf **list, size_t n)
{
	struct dns64_mapped_conf *kept = keep(c->translator, n, sizeof(*kept));

	if (!kept)
		return false;
	for (size_t i = 0; i < n; i++) {
		kept[i] = (*list)[i];
		if (kept[i].v6.len && !translator__works(c, &kept[i].v6))
			kept[i].v6 = (struct prefix){ 0 };
	}
	*list = kept;
	return true;
}

/* A view without a prefix of its own that works makes nothing; an empty list would be the section's. */
static bool filter_view(struct control *c, struct dns64_view_conf *v)
{
	bool had = v->n_prefix > 0;

	if (!filter_prefixes(c, &v->prefix, &v->n_prefix) || !filter_mapped(c, &v->mapped, v->n_mapped))
		return false;
	if (had && !v->n_prefix) {
		v->synthesize = false;
		v->withheld = true;
	}
	return true;
}

static bool filter_views(struct control *c, struct dns64_conf *d)
{
	struct dns64_view_conf *views = keep(c->translator, d->n_view, sizeof(*views));

	if (!views)
		return false;
	for (size_t i = 0; i < d->n_view; i++) {
		views[i] = d->view[i];
		if (!filter_view(c, &views[i]))
			return false;
	}
	d->view = views;
	return true;
}

const struct dns64_conf *translator__usable(struct control *c, const struct dns64_conf *conf)
{
	struct translator *t = c->translator;
	struct dns64_conf *d = &t->usable;

	if (!conf->require_nat64)
		return conf;
	forget_usable(t);
	*d = *conf;
	if (!filter_prefixes(c, &d->prefix, &d->n_prefix) ||
	    !filter_mapped(c, &d->mapped, d->n_mapped) || !filter_views(c, d))
		return NULL;
	d->withheld = conf->n_prefix && !d->n_prefix;
	return d;
}

void translator__each(const struct control *c,
		      void (*each)(void *ctx, const struct prefix *p, bool works, const char *why),
		      void *ctx)
{
	const struct translator *t = c->translator;

	for (size_t i = 0; i < t->n; i++)
		each(ctx, &t->watched[i].prefix, t->watched[i].works, t->watched[i].why);
}

int translator__start(struct control *c, struct err *e)
{
	c->translator = calloc(1, sizeof(*c->translator));
	return c->translator ? 0 : err_set(e, -ENOMEM, "out of memory");
}

void translator__stop(struct control *c)
{
	if (!c->translator)
		return;
	health_probes_close(c->translator->probes);
	forget_usable(c->translator);
	free(c->translator);
	c->translator = NULL;
}
