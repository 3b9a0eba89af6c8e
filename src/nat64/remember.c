/*
 * remember.c - what a table was made of, so that the next one need not be made when that is the same:
 * most snapshots are for the sake of a node's health or an interface. Control thread only.
 */
#include <stdlib.h>
#include "nat64_internal.h"

static void *copy(const void *from, size_t n, size_t size, bool *ok)
{
	void *to = malloc(n ? n * size : 1);

	*ok &= to != NULL;
	if (to && n)
		memcpy(to, from, n * size);
	return to;
}

bool remember__conf(struct nat64_conf *to, const struct nat64_conf *from)
{
	bool ok = true;

	*to = *from;
	to->prefix = copy(from->prefix, from->n_prefix, sizeof(*from->prefix), &ok);
	to->pool4 = copy(from->pool4, from->n_pool4, sizeof(*from->pool4), &ok);
	to->static_entry = copy(from->static_entry, from->n_static, sizeof(*from->static_entry), &ok);
	to->exempt = copy(from->exempt, from->n_exempt, sizeof(*from->exempt), &ok);
	return ok;
}

void remember__forget(struct nat64_conf *c)
{
	free(c->prefix);
	free(c->pool4);
	free(c->static_entry);
	free(c->exempt);
}

static bool same_pool4(const struct pool4_conf *a, const struct pool4_conf *b)
{
	return a->outside == b->outside && addr_equal(&a->first, &b->first) &&
	       addr_equal(&a->last, &b->last) && a->port_first == b->port_first &&
	       a->port_last == b->port_last && a->protocols == b->protocols;
}

static bool same_static(const struct static_conf *a, const struct static_conf *b)
{
	return a->protocol == b->protocol && addr_equal(&a->inside, &b->inside) &&
	       addr_equal(&a->outside, &b->outside) && a->inside_port == b->inside_port &&
	       a->outside_port == b->outside_port;
}

static bool same_exempt(const struct exempt_conf *a, const struct exempt_conf *b)
{
	return prefix_equal(&a->destination, &b->destination) && a->port_first == b->port_first &&
	       a->port_last == b->port_last;
}

static bool same_choices(const struct nat64_conf *a, const struct nat64_conf *b)
{
	return a->allow_private == b->allow_private && a->filtering == b->filtering &&
	       a->limits.subscriber_prefix == b->limits.subscriber_prefix &&
	       a->limits.flows == b->limits.flows && a->limits.ports == b->limits.ports &&
	       a->limits.new_flows == b->limits.new_flows &&
	       a->quarantine.time_s == b->quarantine.time_s &&
	       a->quarantine.ports == b->quarantine.ports && a->port_parity == b->port_parity &&
	       a->log_what == b->log_what && addr_equal(&a->shared_real, &b->shared_real);
}

bool remember__same(const struct nat64_conf *a, const struct nat64_conf *b)
{
	if (!same_choices(a, b) || a->n_prefix != b->n_prefix || a->n_pool4 != b->n_pool4 ||
	    a->n_static != b->n_static || a->n_exempt != b->n_exempt)
		return false;
	for (size_t i = 0; i < a->n_prefix; i++)
		if (!prefix_equal(&a->prefix[i], &b->prefix[i]))
			return false;
	for (size_t i = 0; i < a->n_pool4; i++)
		if (!same_pool4(&a->pool4[i], &b->pool4[i]))
			return false;
	for (size_t i = 0; i < a->n_static; i++)
		if (!same_static(&a->static_entry[i], &b->static_entry[i]))
			return false;
	for (size_t i = 0; i < a->n_exempt; i++)
		if (!same_exempt(&a->exempt[i], &b->exempt[i]))
			return false;
	return true;
}
