/*
 * statics.c - static entries of the configuration as mappings of a worker.
 */
#include "nat64_internal.h"

static bool same_entry(const struct static_entry *s, const struct mapping *m)
{
	return s->inside_port == m->inside_port && addr_equal(&s->inside, &m->inside);
}

/* What is left of an old static entry, once it is not configured any more, is a mapping that is
 * no longer valid: its flows are stale. */
static void keep_or_drop(struct nat64 *n, const struct nat64_table *t, uint32_t index)
{
	struct mapping *m = &n->mapping[index];
	const struct static_entry like = { .slot = m->slot, .proto = m->proto_plus - 1,
					   .outside_port = m->outside_port };
	const struct static_entry *s = table__static_find(t, &like);

	if (!(m->flags & MAPPING_STATIC))
		return; /* taken down meanwhile; the record may be somebody else's */
	if (s && same_entry(s, m) && bib__valid(n, t, m)) {
		n->static_at[n->n_static++] = index;
		return;
	}
	bib__detach(n, index);
}

static void make_way(struct nat64 *n, uint32_t index)
{
	if (index != BIB_NONE)
		bib__detach(n, index);
}

/* A static entry becomes a mapping; a host's own that stands in its way is taken down. */
static void install(struct nat64 *n, const struct nat64_table *t, const struct static_entry *s)
{
	struct bib_key k = { s->inside, s->inside_port, s->proto };
	struct mapping m = { .inside = s->inside, .inside_port = s->inside_port,
			     .outside_port = s->outside_port, .slot = s->slot,
			     .generation = t->slot[s->slot].generation,
			     .subscriber = SUBSCRIBER_NONE,
			     .proto_plus = (uint8_t)(s->proto + 1), .flags = MAPPING_STATIC };
	uint32_t index = bib__find_outside(n, s->slot, s->outside_port, s->proto);

	if (bit_test(n->ports.pending, s->slot))
		block__adopt(n, t, s->slot);
	if (index != BIB_NONE && same_entry(s, &n->mapping[index]) &&
	    bib__valid(n, t, &n->mapping[index])) {
		if (n->mapping[index].flags & MAPPING_STATIC)
			return; /* it was there before */
		n->mapping[index].flags |= MAPPING_STATIC;
		ports__pin(n, &n->mapping[index]);
	} else {
		make_way(n, index);
		make_way(n, bib__find_inside(n, &k));
		index = bib__add(n, &m);
		if (index == BIB_NONE)
			return;
		ports__reserve(n, &m);
	}
	n->static_at[n->n_static++] = index;
}

void statics__use_table(struct nat64 *n, const struct nat64_table *t)
{
	uint32_t n_before = n->n_static;

	n->n_static = 0;
	for (uint32_t i = 0; i < n_before; i++)
		keep_or_drop(n, t, n->static_at[i]);
	for (uint32_t i = 0; i < t->n_static; i++)
		if (t->entry[i].worker == n->worker)
			install(n, t, &t->entry[i]);
}
