/* table.c - section `siit:` compiled, on the control thread. */
#include <errno.h>
#include <stdlib.h>
#include "siit_internal.h"

_Static_assert((int)STEER_EMBEDDED_MAX > (int)SIIT_PREFIXES_MAX, "and the CLAT's source");

static int entry_order(const void *a, const void *b)
{
	const struct eam_entry *x = a, *y = b;
	int order = addr_compare(&x->from.addr, &y->from.addr);

	return order ? order : x->from.len - y->from.len;
}

static void sort_mappings(struct eam_index *x)
{
	qsort(x->entry, x->n, sizeof(*x->entry), entry_order);
	for (uint32_t i = 0; i < x->n; i++) {
		uint32_t up = i ? i - 1 : EAM_NONE;

		while (up != EAM_NONE && !prefix_contains(&x->entry[up].from, &x->entry[i].from.addr))
			up = x->entry[up].parent;
		x->entry[i].parent = up;
	}
}

static void fill_eam(struct siit_table *t, const struct siit_conf *c)
{
	for (uint32_t i = 0; i < c->n_eam; i++) {
		const struct eam_conf *m = &c->eam[i];
		uint8_t n_bits = (uint8_t)(128 - m->v4.len);

		t->by4.entry[i] = (struct eam_entry){ m->v4, m->v6, EAM_NONE, n_bits };
		t->by6.entry[i] = (struct eam_entry){ m->v6, m->v4, EAM_NONE, n_bits };
	}
	t->by4.n = t->by6.n = (uint32_t)c->n_eam;
	sort_mappings(&t->by4);
	sort_mappings(&t->by6);
}

static void fill_icmp4(struct siit_table *t, const struct siit_conf *c)
{
	for (size_t i = 0; i < c->n_icmp4_source; i++) {
		const struct prefix *p = &c->icmp4_source[i];
		struct icmp4_range r = { addr_ip4_host(&p->addr), 1u << (128 - p->len) };

		t->icmp4[t->n_icmp4++] = r;
		t->n_icmp4_addresses += r.n;
	}
}

static int fill_clat(struct siit_table *t, const struct clat_conf *c, struct err *e)
{
	int rc = c->plat.len ? pool6_init(&t->plat, &c->plat, e) : 0;

	t->has_plat = c->plat.len;
	if (rc == 0 && c->source.len != 128)
		rc = pool6_init(&t->clat_pool, &c->source, e);
	t->has_clat = true;
	t->clat_source = c->source;
	for (size_t i = 0; i < c->n_hosts; i++)
		t->host[t->n_hosts++] = c->hosts[i];
	return rc;
}

static int fill(struct siit_table *t, const struct siit_conf *c, struct err *e)
{
	int rc = 0;

	t->allow_private = c->allow_private;
	t->simple = c->hairpin == SIIT_SIMPLE;
	t->icmp6_source = c->icmp6_source;
	for (size_t i = 0; i < c->n_prefix && rc == 0; i++)
		rc = pool6_init(&t->prefix[t->n_prefix++], &c->prefix[i], e);
	if (rc == 0 && c->has_clat)
		rc = fill_clat(t, &c->clat, e);
	fill_eam(t, c);
	fill_icmp4(t, c);
	return rc;
}

int siit_table_new(struct siit_table **out, const struct siit_conf *conf, struct err *e)
{
	struct siit_table *t;
	int rc = siit_conf_check(conf, e);

	if (rc)
		return rc;
	t = calloc(1, sizeof(*t));
	if (!t)
		return err_set(e, -ENOMEM, "siit: out of memory");
	t->by4.entry = calloc(conf->n_eam + 1, sizeof(*t->by4.entry));
	t->by6.entry = calloc(conf->n_eam + 1, sizeof(*t->by6.entry));
	rc = t->by4.entry && t->by6.entry ? fill(t, conf, e) :
					    err_set(e, -ENOMEM, "siit: out of memory");
	if (rc) {
		siit_table_free(t);
		return rc;
	}
	*out = t;
	return 0;
}

static void steer_embedded(struct steer_stateless *x, const struct pool6 *pool)
{
	x->embedded[x->n_embedded++] = (struct prefix){ .addr = pool->prefix, .len = pool->len };
}

void siit_steer(const struct siit_table *t, struct steering *s)
{
	struct steer_stateless *x = &s->stateless;

	x->on = true;
	for (uint32_t i = 0; i < t->by6.n; i++) {
		const struct eam_entry *e = &t->by6.entry[i];

		(void)steering_add_mapping(s, &e->from, &e->to.addr, e->n_bits);
	}
	for (uint32_t i = 0; i < t->n_prefix; i++)
		steer_embedded(x, &t->prefix[i]);
	if (!t->has_clat)
		return;
	x->clat = t->clat_source;
	if (x->clat.len == 128)
		(void)steering_add_mapping(s, &x->clat, &t->host[0].addr, 0);
	else
		steer_embedded(x, &t->clat_pool);
}

void siit_table_free(struct siit_table *t)
{
	if (!t)
		return;
	free(t->by4.entry);
	free(t->by6.entry);
	free(t);
}
