/*
 * statics.c - static entries of the configuration as mappings of a worker.
 *
 * Entries of a new table are installed when their pool address is taken up, in its turn; a packet that
 * needs one has that address taken up at once. One that finds no record, for sessions of others that
 * were configured before hold them still, gets the next that is free.
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
	if (index == BIB_NONE)
		return;
	bib__detach(n, index);
	n->statics.displaced = true;
}

/* A static entry becomes a mapping; a host's own that stands in its way is taken down. Return: false
 * without a record for it. */
static bool install(struct nat64 *n, const struct nat64_table *t, const struct static_entry *s)
{
	struct bib_key k = { s->inside, s->inside_port, s->proto };
	struct mapping m = { .inside = s->inside, .inside_port = s->inside_port,
			     .outside_port = s->outside_port, .slot = s->slot,
			     .generation = t->slot[s->slot].generation,
			     .subscriber = SUBSCRIBER_NONE, .prefix = t->prefix_place[0] & (NAT64_PREFIXES_MAX - 1),
			     .proto_plus = (uint8_t)(s->proto + 1), .flags = MAPPING_STATIC };
	uint32_t index = bib__find_outside(n, s->slot, s->outside_port, s->proto);

	if (index != BIB_NONE && same_entry(s, &n->mapping[index]) &&
	    bib__valid(n, t, &n->mapping[index])) {
		if (n->mapping[index].flags & MAPPING_STATIC)
			return true; /* it was there before */
		n->mapping[index].flags |= MAPPING_STATIC;
		ports__pin(n, &n->mapping[index]);
	} else {
		make_way(n, index);
		make_way(n, bib__find_inside(n, &k));
		index = bib__add(n, &m);
		if (index == BIB_NONE)
			return false;
		ports__reserve(n, &m);
	}
	must(n->n_static < NAT64_STATIC_MAX);
	n->static_at[n->n_static++] = index;
	event__static(n, NAT64_EVENT_STATIC_ASSIGNED, &n->mapping[index]);
	return true;
}

/* The first entry of @slot, or of a later one. */
static uint32_t first_of(const struct nat64_table *t, uint32_t slot)
{
	uint32_t low = 0, high = t->n_static;

	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (t->entry[mid].slot < slot)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

uint32_t statics__install(struct nat64 *n, const struct nat64_table *t, uint32_t slot)
{
	uint32_t first = first_of(t, slot), i = first;

	for (; i < t->n_static && t->entry[i].slot == slot; i++)
		if (t->entry[i].worker == n->worker && !install(n, t, &t->entry[i]))
			n->statics.incomplete = true;
	return i - first;
}

void statics__find(struct nat64 *n, const struct nat64_table *t, const struct bib_key *k)
{
	for (uint32_t i = 0; i < t->n_static; i++) {
		const struct static_entry *s = &t->entry[i];

		if (s->inside_port == k->port && s->proto == k->proto &&
		    addr_equal(&s->inside, &k->inside)) {
			if (bit_test(n->ports.pending, s->slot))
				ports__adopt_at_once(n, t, s->slot);
			return;
		}
	}
}

/* When a record may be free for some of those that are missing, or they were not yet counted. */
static void install_missing(struct nat64 *n, const struct nat64_table *t)
{
	uint32_t missing = 0;

	if (n->pool.used == n->pool.n && counter_read(&n->statics.n_missing))
		return;
	for (uint32_t i = 0; i < t->n_static; i++)
		missing += t->entry[i].worker == n->worker && !install(n, t, &t->entry[i]);
	n->statics.incomplete = missing;
	counter_set(&n->statics.n_missing, missing);
}

void statics__all_adopted(struct nat64 *n, const struct nat64_table *t)
{
	n->statics.waiting = false;
	if (unlikely(n->statics.incomplete))
		install_missing(n, t);
}

void statics__use_table(struct nat64 *n, const struct nat64_table *t)
{
	uint32_t n_before = n->n_static;

	n->n_static = 0;
	for (uint32_t i = 0; i < n_before; i++)
		keep_or_drop(n, t, n->static_at[i]);
	for (uint32_t i = 0; i < t->n_static; i++)
		if (t->entry[i].worker == n->worker)
			bit_set(n->ports.pending, t->entry[i].slot);
	n->statics.waiting = t->n_static;
	counter_set(&n->statics.n_missing, 0); /* counted anew, if any */
}

void statics__tell(struct nat64 *n)
{
	for (uint32_t i = 0; i < n->n_static; i++)
		event__static(n, NAT64_EVENT_STATIC_ASSIGNED, &n->mapping[n->static_at[i]]);
}

uint32_t nat64_statics_missing(const struct nat64 *n)
{
	return (uint32_t)counter_read(&n->statics.n_missing);
}
