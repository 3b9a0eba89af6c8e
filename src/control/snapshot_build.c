/*
 * snapshot_build.c - steps that may fail, one per job, and none that touches the running snapshot.
 *
 * What comes from the file is taken as it is: it has been checked. What comes from the kernel
 * (addresses, MTUs, prefixes) is filled in here, into copies.
 */
#include "sixgate/control/snapshot_build.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	MTU_UNKNOWN = 1500,       /* of a side none of whose interfaces is there */
	PREFIXES_MAX = STEER_PREFIXES_MAX,
	INTERFACE_PREFIXES_MIN = 32 /* room for what the interfaces have beside a full list in the file */
};

_Static_assert((int)STEER_PREFIXES_MAX > (int)EGRESS6_PREFIXES_MAX + (int)INTERFACE_PREFIXES_MIN,
	       "what the configuration takes, the data plane has room for");
_Static_assert((int)STEER_PREFIXES_MAX >= (int)SERVICES_MAX, "each service may have an embed-prefix");

/* With `pool4: outside` and no kernel to ask: 192.0.0.0/29 is IPv4 for translators (RFC 7335). */
static const uint8_t replay_alias[4] = { 192, 0, 0, 1 };
/* Whence a replay's errors come: the dummy addresses of RFC 7600 and RFC 9780. */
static const uint8_t replay_own4[4] = { 192, 0, 0, 8 };
static const struct addr replay_own6 = { .octet = { 0x01, 0, 0, 0, 0, 0, 0, 1, [15] = 1 } };

static bool interface_is_on(const struct netlink_interface *i, enum side side)
{
	return i->present && (side == SIDE_INSIDE ? i->inside : i->outside);
}

static uint32_t side_mtu(const struct netlink_facts *f, enum side side)
{
	uint32_t mtu = 0;

	for (size_t i = 0; f && i < f->n_interface; i++)
		if (interface_is_on(&f->interface[i], side) &&
		    (mtu == 0 || f->interface[i].mtu < mtu))
			mtu = f->interface[i].mtu;
	return mtu ? mtu : MTU_UNKNOWN;
}

/* The first address of a side's interfaces that may stand as the source of an error. */
static struct addr side_address(const struct netlink_facts *f, enum side side, bool v4)
{
	if (!f)
		return v4 ? addr_from_v4(replay_own4) : replay_own6;
	for (size_t i = 0; i < f->n_interface; i++) {
		if (!interface_is_on(&f->interface[i], side))
			continue;
		for (size_t l = 0; l < f->n_local; l++) {
			const struct netlink_local *at = &f->local[l];

			if (at->ifindex == f->interface[i].ifindex && !at->deprecated &&
			    addr_is_v4(&at->addr) == v4 && !addr_is_link_local6(&at->addr))
				return at->addr;
		}
	}
	return (struct addr){ 0 };
}

static bool is_set(const struct addr *a)
{
	static const struct addr none;

	return !addr_equal(a, &none);
}

static struct addr shared_alias(const struct netlink_facts *f)
{
	return f ? f->shared_alias : addr_from_v4(replay_alias);
}

/*
 * Errors to the outside come from a pool address or a VIP where there is one: the kernel refuses
 * IPv4 packets from our devices that carry an address of the host itself.
 */
static struct addr outside_error_source4(const struct snapshot_input *in)
{
	const struct config *c = in->conf;

	if (c->has_nat64 && c->nat64.n_pool4)
		return c->nat64.pool4[0].outside ? shared_alias(in->facts) : c->nat64.pool4[0].first;
	for (size_t s = 0; c->has_services && s < c->services.n_service; s++)
		for (size_t a = 0; a < c->services.service[s].n_address; a++)
			if (addr_is_v4(&c->services.service[s].address[a]))
				return c->services.service[s].address[a];
	return side_address(in->facts, SIDE_OUTSIDE, true);
}

static void build_env(struct snapshot *s, const struct snapshot_input *in)
{
	s->env.conf = in->conf->translation;
	s->env.hops = in->hops;
	for (int side = 0; side < N_SIDES; side++) {
		s->env.mtu[side] = side_mtu(in->facts, (enum side)side);
		s->env.own4[side] = side_address(in->facts, (enum side)side, true);
		s->env.own6[side] = side_address(in->facts, (enum side)side, false);
	}
	s->env.own4[SIDE_OUTSIDE] = outside_error_source4(in);
	if (!is_set(&s->env.own4[SIDE_OUTSIDE]) && in->conf->has_siit && in->conf->siit.n_icmp4_source)
		s->env.own4[SIDE_OUTSIDE] = in->conf->siit.icmp4_source[0].addr;
	s->error_rate = in->conf->translation.icmp_error_rate;
}

static int add_inside(struct snapshot *s, const struct prefix *p, bool on_link, struct err *e)
{
	if (s->n_inside == PREFIXES_MAX || s->steer.n_prefix == PREFIXES_MAX)
		return err_set(e, -ENOSPC, "more than %d inside prefixes", PREFIXES_MAX);
	s->inside[s->n_inside++] = *p;
	s->steer.inside[s->steer.n_prefix++] =
		(struct steer_prefix){ .prefix = *p, .subscriber_len = on_link ? 128 : 64 };
	return 0;
}

/* Subscribers only, and only as many as there is room for: a network on a link within a prefix of the
 * file, whose other parts are behind routers. */
static void add_link(struct snapshot *s, const struct prefix *p)
{
	if (s->steer.n_prefix < PREFIXES_MAX)
		s->steer.inside[s->steer.n_prefix++] =
			(struct steer_prefix){ .prefix = *p, .subscriber_len = 128 };
}

static bool follows_interfaces(const struct config *c)
{
	return !c->has_egress6 || c->egress6.follow_inside;
}

/* Is @p, written in the file, a network on a link of ours, all of it? */
static bool is_on_link(const struct netlink_facts *f, const struct prefix *p)
{
	for (size_t i = 0; f && i < f->n_inside; i++)
		if (f->inside[i].on_link && f->inside[i].prefix.len <= p->len &&
		    prefix_contains(&f->inside[i].prefix, &p->addr))
			return true;
	return false;
}

/*
 * Which sources may come from inside (BCP 38), and what makes a subscriber. With egress6 and
 * prefixes in the file it is those; IPv4 and unique local networks, which egress6 does not serve
 * but services and nat64 do, are taken from the interfaces all the same.
 */
static int build_inside(struct snapshot *s, const struct snapshot_input *in, struct err *e)
{
	static const struct prefix nowhere = { .len = 128 };
	const struct prefix prober = { .addr = services_probe_client(), .len = 128 };
	const struct config *c = in->conf;
	int rc = 0;

	if (c->has_services && in->facts) /* our own health checks come in on the inside, too */
		rc = add_inside(s, &prober, true, e);
	for (size_t i = 0; !follows_interfaces(c) && i < c->egress6.n_prefix && rc == 0; i++)
		rc = add_inside(s, &c->egress6.prefix[i],
				is_on_link(in->facts, &c->egress6.prefix[i]), e);
	for (size_t i = 0; in->facts && i < in->facts->n_inside && rc == 0; i++) {
		const struct netlink_inside_prefix *p = &in->facts->inside[i];

		if (follows_interfaces(c) || p->local || prefix_is_v4(&p->prefix))
			rc = add_inside(s, &p->prefix, p->on_link, e);
	}
	for (size_t i = 0; in->facts && !follows_interfaces(c) && i < in->facts->n_inside; i++) {
		const struct netlink_inside_prefix *p = &in->facts->inside[i];

		if (p->on_link && !p->local && !prefix_is_v4(&p->prefix))
			add_link(s, &p->prefix);
	}
	/* nothing known yet: nobody may send. A replay has no interfaces and checks nothing. */
	if (rc == 0 && s->n_inside == 0 && in->facts)
		s->inside[s->n_inside++] = nowhere;
	return rc;
}

static int build_egress6(struct snapshot *s, const struct snapshot_input *in, struct err *e)
{
	struct egress6_conf conf = in->conf->egress6;
	struct prefix followed[PREFIXES_MAX];

	if (!in->conf->has_egress6)
		return 0;
	if (conf.follow_inside && !in->facts)
		return err_set(e, -EINVAL,
			       "egress6: prefixes: inside: there are no interfaces to follow in a "
			       "replay; write the prefixes into the file");
	if (conf.follow_inside) {
		conf.prefix = followed;
		conf.n_prefix = 0;
		for (size_t i = 0; i < in->facts->n_inside && conf.n_prefix < PREFIXES_MAX; i++)
			if (!in->facts->inside[i].local && !prefix_is_v4(&in->facts->inside[i].prefix))
				followed[conf.n_prefix++] = in->facts->inside[i].prefix;
	}
	s->has_egress6 = true;
	return egress6_table_build(&s->egress6, &conf, e);
}

/* An operator writes the shared address as it is; the data plane only ever sees its alias. */
static void use_alias(const struct nat64_conf *from, const struct netlink_facts *f,
		      struct pool4_conf *pool, struct static_conf *entry)
{
	bool shares = false;

	for (size_t i = 0; i < from->n_pool4; i++) {
		pool[i] = from->pool4[i];
		shares |= pool[i].outside;
		if (pool[i].outside)
			pool[i].first = pool[i].last = shared_alias(f);
	}
	for (size_t i = 0; i < from->n_static; i++) {
		entry[i] = from->static_entry[i];
		if (shares && f && f->has_shared && addr_equal(&entry[i].outside, &f->shared_real))
			entry[i].outside = shared_alias(f);
	}
}

static int build_nat64(struct snapshot *s, const struct snapshot_input *in, struct err *e)
{
	struct nat64_conf conf = in->conf->nat64;
	struct static_conf *entry;
	struct pool4_conf *pool;
	int rc;

	s->nat64_timeouts = conf.timeouts; /* that of fragments holds for every job */
	if (!in->conf->has_nat64)
		return 0;
	pool = calloc(conf.n_pool4 + 1, sizeof(*pool));
	entry = calloc(conf.n_static + 1, sizeof(*entry));
	if (pool && entry) {
		use_alias(&in->conf->nat64, in->facts, pool, entry);
		conf.pool4 = pool;
		if (in->facts && in->facts->has_shared)
			conf.shared_real = in->facts->shared_real;
		conf.static_entry = entry;
		rc = nat64_table_new(&s->nat64, &conf, in->running ? in->running->nat64 : NULL,
				     &s->steer, e);
	} else {
		rc = err_set(e, -ENOMEM, "nat64: out of memory");
	}
	free(entry);
	free(pool);
	return rc;
}

static int build_siit(struct snapshot *s, const struct snapshot_input *in, struct err *e)
{
	struct siit_conf conf = in->conf->siit;

	if (!in->conf->has_siit)
		return 0;
	if (conf.has_clat && !conf.clat.plat.len && in->plat && in->plat->len) {
		conf.clat.plat = *in->plat;
		conf.clat.n_resolver = 0;
	}
	return siit_table_new(&s->siit, &conf, e);
}

static int build_services(struct snapshot *s, const struct snapshot_input *in, struct err *e)
{
	struct prefix onlink[PREFIXES_MAX];
	struct services_input input = {
		.conf = &in->conf->services,
		.status = in->status,
		.prev = in->running ? in->running->services : NULL,
		.onlink = onlink,
	};

	if (!in->conf->has_services)
		return 0;
	for (size_t i = 0; in->facts && i < in->facts->n_inside; i++)
		if (in->facts->inside[i].on_link && input.n_onlink < PREFIXES_MAX)
			onlink[input.n_onlink++] = in->facts->inside[i].prefix;
	return services_table_new(&s->services, &input, &s->steer, e);
}

int snapshot_build(struct snapshot **out, const struct snapshot_input *in, struct err *e)
{
	struct snapshot *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return err_set(e, -ENOMEM, "snapshot: out of memory");
	steering_init(&s->steer, in->n_workers, in->key);
	build_env(s, in);
	rc = build_inside(s, in, e);
	if (rc == 0)
		rc = build_nat64(s, in, e);
	if (rc == 0)
		rc = build_siit(s, in, e);
	if (rc == 0)
		rc = build_services(s, in, e);
	if (rc == 0)
		rc = build_egress6(s, in, e);
	if (rc) {
		snapshot_free(s);
		return rc;
	}
	if (s->siit)
		siit_steer(s->siit, &s->steer);
	*out = s;
	return 0;
}

bool snapshot_changes(const struct netlink_facts *a, const struct netlink_facts *b)
{
	if (!netlink_facts_same_inside(a, b) ||
	    !addr_equal(&a->shared_alias, &b->shared_alias) ||
	    !addr_equal(&a->shared_real, &b->shared_real))
		return true;
	for (int side = 0; side < N_SIDES; side++) {
		for (int v4 = 0; v4 < 2; v4++) {
			struct addr x = side_address(a, (enum side)side, v4);
			struct addr y = side_address(b, (enum side)side, v4);

			if (!addr_equal(&x, &y))
				return true;
		}
		if (side_mtu(a, (enum side)side) != side_mtu(b, (enum side)side))
			return true;
	}
	return false;
}
