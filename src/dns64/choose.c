/* choose.c - which addresses of a service one answer holds. Pure: chance is an argument. */
#include "sixgate/dns64/zone.h"
#include "sixgate/base/must.h"

enum { SERVICE_NODES_SEEN_MAX = 512 };

/* splitmix64: an order nobody depends on, not a secret. */
static uint64_t next(uint64_t *seed)
{
	uint64_t x = *seed += 0x9e3779b97f4a7c15u;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

static void shuffle(struct addr *a, size_t n, uint64_t *seed)
{
	for (size_t i = n; i > 1; i--) {
		size_t j = (size_t)(next(seed) % i);
		struct addr t = a[i - 1];

		a[i - 1] = a[j];
		a[j] = t;
	}
}

static bool is_of(const struct addr *a, enum dns64_family family)
{
	return addr_is_v4(a) == (family == DNS64_V4);
}

/* Several ports of one host are one address. */
static size_t add_once(struct addr *list, size_t n, const struct addr *a)
{
	for (size_t i = 0; i < n; i++)
		if (addr_equal(&list[i], a))
			return n;
	if (n < SERVICE_NODES_SEEN_MAX)
		list[n++] = *a;
	return n;
}

/* struct wanted - which nodes: of which family, at most how bad; near ones or the others. */
struct wanted {
	enum dns64_family family;
	enum dns64_node_state worst;
	bool near;
};

static size_t collect(const struct dns64_service *s, const struct wanted *w, uint64_t *seed,
		      struct addr *list)
{
	size_t n = 0, n_slow = 0;
	struct addr slow = { 0 };

	for (size_t i = 0; i < s->n_node; i++) {
		const struct dns64_node *node = &s->node[i];

		if (!is_of(&node->address, w->family) || node->state > w->worst ||
		    node->near != w->near)
			continue;
		if (next(seed) % 100 < node->share_percent)
			n = add_once(list, n, &node->address);
		else if (next(seed) % ++n_slow == 0)
			slow = node->address;
	}
	if (!n && n_slow) /* starting slowly, but alone */
		list[n++] = slow;
	shuffle(list, n, seed);
	return n;
}

static bool near_ones_do(const struct dns64_service *s)
{
	size_t n = 0, n_up = 0;

	for (size_t i = 0; i < s->n_node; i++) {
		n += s->node[i].near;
		n_up += s->node[i].near && s->node[i].state == DNS64_NODE_UP;
	}
	return n_up && n_up * 100 >= n * s->spill_percent;
}

static size_t nodes(const struct dns64_service *s, enum dns64_family family,
		    enum dns64_node_state worst, uint64_t seed, struct addr *out)
{
	struct addr list[SERVICE_NODES_SEEN_MAX];
	struct wanted w = { .family = family, .worst = worst, .near = true };
	size_t n = 0, found = collect(s, &w, &seed, list);

	for (size_t i = 0; i < found && n < DNS64_CHOSEN_MAX; i++)
		out[n++] = list[i];
	if (n && near_ones_do(s))
		return n;
	w.near = false;
	found = collect(s, &w, &seed, list);
	for (size_t i = 0; i < found && n < DNS64_CHOSEN_MAX; i++)
		out[n++] = list[i];
	return n;
}

static size_t own(const struct dns64_service *s, enum dns64_family family, uint64_t seed,
		  struct addr *out)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_address && n < DNS64_CHOSEN_MAX; i++)
		if (is_of(&s->address[i], family))
			out[n++] = s->address[i];
	shuffle(out, n, &seed);
	return n;
}

size_t dns64_choose_up(const struct dns64_service *s, enum dns64_family family, uint64_t seed,
		       struct addr out[DNS64_CHOSEN_MAX])
{
	return nodes(s, family, DNS64_NODE_UP, seed, out);
}

static bool any_up(const struct dns64_service *s)
{
	for (size_t i = 0; i < s->n_node; i++)
		if (s->node[i].state == DNS64_NODE_UP)
			return true;
	return false;
}

size_t dns64_choose(const struct dns64_service *s, enum dns64_zone_answer answer,
		    enum dns64_family family, uint64_t seed, struct addr out[DNS64_CHOSEN_MAX])
{
	size_t n;

	if (answer == DNS64_ANSWER_ADDRESSES)
		return own(s, family, seed, out);
	n = nodes(s, family, DNS64_NODE_UP, seed, out);
	if (!n && any_up(s))
		n = own(s, family, seed, out);
	if (!n)
		n = nodes(s, family, DNS64_NODE_LEAVING, seed, out);
	if (!n)
		n = own(s, family, seed, out);
	return n ? n : nodes(s, family, DNS64_NODE_DOWN, seed, out);
}
