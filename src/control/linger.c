/* linger.c - see linger.h. */
#include "linger.h"

void linger__add(const struct linger_list *l, struct netlink_facts *f)
{
	for (size_t i = 0; i < l->n; i++)
		netlink_facts_add_inside(f, &l->left[i].what);
}

static bool lingers(const struct linger_list *l, const struct prefix *p)
{
	for (size_t i = 0; i < l->n; i++)
		if (prefix_equal(&l->left[i].what.prefix, p))
			return true;
	return false;
}

void linger__follow(struct linger_list *l, const struct netlink_facts *before, struct netlink_facts *now,
		    uint64_t now_ms)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		if (!netlink_facts_inside(now, &l->left[i].what.prefix))
			l->left[n++] = l->left[i];
	l->n = n;
	for (size_t i = 0; i < before->n_inside && l->n < LINGER_MAX; i++) {
		const struct netlink_inside_prefix *p = &before->inside[i];

		if (netlink_facts_inside(now, &p->prefix) || lingers(l, &p->prefix))
			continue;
		l->left[l->n].what = *p;
		l->left[l->n++].until_ms = now_ms + LINGER_MS;
	}
	linger__add(l, now);
}

bool linger__expire(struct linger_list *l, struct netlink_facts *f, uint64_t now_ms)
{
	size_t n = 0, before = l->n;

	for (size_t i = 0; i < l->n; i++)
		if (l->left[i].until_ms > now_ms)
			l->left[n++] = l->left[i];
		else
			netlink_facts_drop_inside(f, &l->left[i].what.prefix);
	l->n = n;
	return n < before;
}
