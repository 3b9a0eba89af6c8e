/*
 * maglev.c - the look-up table of "Maglev: A Fast and Reliable Software Network Load Balancer"
 * (NSDI 2016) section 3.4, with weights: an entry takes its turn as often as its share says.
 *
 * Every gateway with the same names and shares builds the same table and places a client's flow the
 * same way, without sharing state; therefore nothing here is keyed with a secret.
 */
#include "services_internal.h"

static const struct hash_key public_key = { .word = { 0x736978676174652d, 0x6d61676c65762d31 } };

enum { MAGLEV_FREE = UINT16_MAX };

/* Where an entry's own permutation of the table stands. */
struct walk {
	uint32_t at, skip, credit;
};

static struct walk walk_start(uint64_t id)
{
	uint64_t h = siphash(&public_key, &id, sizeof(id));

	return (struct walk){ .at = (uint32_t)(h % MAGLEV_SIZE),
			      .skip = (uint32_t)((h >> 32) % (MAGLEV_SIZE - 1)) + 1 };
}

/* The size is prime, so the walk visits every place before it repeats. */
static void take_next_free(uint16_t *table, struct walk *w, uint16_t position)
{
	while (table[w->at] != MAGLEV_FREE)
		w->at = (w->at + w->skip) % MAGLEV_SIZE;
	table[w->at] = position;
}

static uint32_t largest_share(const struct maglev_entry *entry, uint32_t n)
{
	uint32_t most = 1;

	for (uint32_t i = 0; i < n; i++)
		if (entry[i].share > most)
			most = entry[i].share;
	return most;
}

/* By name, so that the order in which the file lists them does not matter. */
static void sort_by_id(uint16_t *order, const struct maglev_entry *entry, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = i;

		for (; at > 0 && entry[order[at - 1]].id > entry[i].id; at--)
			order[at] = order[at - 1];
		order[at] = (uint16_t)i;
	}
}

void services__maglev_build(uint16_t *table, const struct maglev_entry *entry, uint32_t n)
{
	uint32_t most = largest_share(entry, n), n_taken = 0;
	struct walk walk[SERVICE_NODES_MAX];
	uint16_t order[SERVICE_NODES_MAX];

	must(n > 0 && n <= SERVICE_NODES_MAX);
	memset(table, 0xff, MAGLEV_SIZE * sizeof(*table));
	sort_by_id(order, entry, n);
	for (uint32_t i = 0; i < n; i++)
		walk[i] = walk_start(entry[i].id);

	for (uint32_t turn = 0;; turn = turn + 1 < n ? turn + 1 : 0) {
		uint16_t i = order[turn];
		uint64_t credit = (uint64_t)walk[i].credit + entry[i].share;

		walk[i].credit = (uint32_t)(credit < most ? credit : credit - most);
		if (credit < most)
			continue;
		take_next_free(table, &walk[i], i);
		if (++n_taken == MAGLEV_SIZE)
			return;
	}
}

uint32_t services__maglev_hash(const struct tuple *key, uint32_t attempt)
{
	uint64_t w[6];

	memcpy(w, key, sizeof(*key));
	w[5] = attempt;
	return (uint32_t)(siphash(&public_key, w, sizeof(w)) % MAGLEV_SIZE);
}
