/*
 * steer.c - the owner of a packet, from its first bytes.
 *
 * Written with plain loops of known bounds over one flat table, reading the window by index only,
 * so that it can be compiled for eBPF as it stands.
 */
#include "sixgate/flow/steer.h"
#include <errno.h>

enum { STEER_PROBES = 64, STEER_EXTENSIONS = 4 };

static inline uint64_t mix(uint64_t a, uint64_t b)
{
	a ^= b;
	a ^= a >> 32;
	a *= 0xd6e8feb86659fd93;
	a ^= a >> 32;
	a *= 0xd6e8feb86659fd93;
	return a ^ a >> 32;
}

static inline uint64_t hash_addr(const struct steering *s, const struct addr *a)
{
	return mix(mix(s->key[0], a->word[0]), a->word[1] ^ s->key[1]);
}

static inline unsigned worker_of(const struct steering *s, uint64_t hash)
{
	return (unsigned)(((hash >> 32) * s->n_workers) >> 32);
}

void steering_init(struct steering *s, uint32_t n_workers, const struct hash_key *key)
{
	memset(s, 0, sizeof(*s));
	s->n_workers = n_workers;
	s->n_homes = n_workers;
	s->subscriber_len = 64;
	s->key[0] = key->word[0];
	s->key[1] = key->word[1];
}

static uint32_t map_home(const struct steering *s, enum steer_kind kind, const struct addr *a,
			 be16 port, uint8_t proto)
{
	uint64_t rest = (uint64_t)kind << 24 | (uint64_t)proto << 16 | port.raw;

	return (uint32_t)mix(hash_addr(s, a), rest) & (STEER_MAP_SIZE - 1);
}

static const struct steer_entry *map_find(const struct steering *s, enum steer_kind kind,
					  const struct addr *a, be16 port, uint8_t proto)
{
	uint32_t at = map_home(s, kind, a, port, proto);

	for (unsigned i = 0; i < STEER_PROBES; i++, at = (at + 1) & (STEER_MAP_SIZE - 1)) {
		const struct steer_entry *e = &s->map[at];

		if (e->kind == STEER_FREE)
			return NULL;
		if (e->kind == kind && e->proto == proto && be16_equal(e->port, port) &&
		    addr_equal(&e->addr, a))
			return e;
	}
	return NULL;
}

int steering_add(struct steering *s, enum steer_kind kind, const struct addr *a, be16 port,
		 uint8_t proto, uint32_t value)
{
	uint32_t at = map_home(s, kind, a, port, proto);

	for (unsigned i = 0; i < STEER_PROBES; i++, at = (at + 1) & (STEER_MAP_SIZE - 1)) {
		struct steer_entry *e = &s->map[at];

		if (e->kind == STEER_FREE) {
			*e = (struct steer_entry){ .addr = *a, .port = port, .proto = proto,
						   .kind = (uint8_t)kind, .value = value };
			return 0;
		}
		if (e->kind == kind && e->proto == proto && be16_equal(e->port, port) &&
		    addr_equal(&e->addr, a)) {
			e->value = value;
			return 0;
		}
	}
	return -ENOSPC;
}

unsigned steering_block_default(const struct steering *s, uint32_t pool_slot, unsigned block)
{
	return (unsigned)((mix(s->key[0], pool_slot) + block) % s->n_workers);
}

uint8_t steering_subscriber_len(const struct steering *s, const struct addr *a)
{
	uint8_t len = s->subscriber_len;
	int longest = -1;

	for (uint32_t i = 0; i < s->n_prefix && i < STEER_PREFIXES_MAX; i++) {
		const struct steer_prefix *p = &s->inside[i];

		if (p->prefix.len > longest && prefix_contains(&p->prefix, a)) {
			longest = p->prefix.len;
			len = p->subscriber_len;
		}
	}
	return len;
}

struct addr steering_subscriber(const struct steering *s, const struct addr *a)
{
	return addr_mask(a, steering_subscriber_len(s, a));
}

void steering_set_subscriber(struct steering *s, uint8_t len)
{
	s->subscriber_len = len;
	for (uint32_t i = 0; i < s->n_prefix; i++)
		s->inside[i].subscriber_len = len;
}

static unsigned owner_of_subscriber(const struct steering *s, const struct addr *a)
{
	struct addr subscriber = steering_subscriber(s, a);
	const struct steer_entry *pinned = map_find(s, STEER_PINNED, &subscriber, (be16){ 0 }, 0);

	return pinned ? pinned->value :
			(unsigned)(((hash_addr(s, &subscriber) >> 32) * s->n_homes) >> 32);
}

static bool owner_of_pool(const struct steering *s, const struct addr *a, be16 port, unsigned *out)
{
	const struct steer_entry *e = map_find(s, STEER_POOL, a, (be16){ 0 }, 0);

	if (!e || e->value >= s->n_pools)
		return false;
	*out = s->block[e->value][be16_to(port) >> 6];
	return true;
}

/* The client's address as it is, from the form in which a node sees it. A client may be one of our
 * own pool addresses: it then belongs to the owner of its port. */
static unsigned owner_of_client(const struct steering *s, const struct addr *seen, be16 port)
{
	struct addr client = *seen;
	unsigned w;

	for (uint32_t i = 0; i < s->n_embed && i < STEER_PREFIXES_MAX; i++)
		if (prefix_contains(&s->embed[i], seen))
			client = addr_from_v4(seen->octet + 12);
	if (owner_of_pool(s, &client, port, &w))
		return w;
	return worker_of(s, hash_addr(s, &client));
}

unsigned owner_of_tuple(const struct steering *s, const struct tuple *t, enum side side)
{
	unsigned w;

	if (s->n_workers <= 1)
		return 0;
	if (map_find(s, STEER_NODE, &t->src, t->sport, t->proto))
		return owner_of_client(s, &t->dst, t->dport);
	if (map_find(s, STEER_VIP, &t->dst, (be16){ 0 }, 0))
		return owner_of_client(s, &t->src, t->sport);
	/* also from inside: there it is an answer on the wrong side, which its flow must see */
	if (addr_is_v4(&t->dst) && owner_of_pool(s, &t->dst, t->dport, &w))
		return w;
	if (side == SIDE_INSIDE)
		return owner_of_subscriber(s, &t->src);
	return owner_of_subscriber(s, &t->dst);
}

unsigned owner_of_fragment(const struct steering *s, const struct tuple *t, uint32_t id)
{
	return worker_of(s, mix(hash_addr(s, &t->src), hash_addr(s, &t->dst) ^ id));
}

/* What the window says, as far as it goes. */
struct peek {
	struct tuple t;
	uint32_t l4_at, frag_id;
	bool fragment, icmp_error;
	bool more; /* l4_at is inside the window */
};

static bool peek_v4(const uint8_t *w, uint32_t at, uint32_t len, struct peek *k)
{
	uint32_t ihl;

	if (at + 20 > len)
		return false;
	ihl = (w[at] & 15u) * 4;
	k->t.src = addr_from_v4(w + at + 12);
	k->t.dst = addr_from_v4(w + at + 16);
	k->t.proto = w[at + 9];
	k->fragment = (load16(w + at + 6) & 0x3fff) != 0;
	k->frag_id = load16(w + at + 4);
	k->l4_at = at + ihl;
	k->more = ihl >= 20 && !(load16(w + at + 6) & 0x1fff);
	return true;
}

static bool peek_v6(const uint8_t *w, uint32_t at, uint32_t len, struct peek *k)
{
	uint8_t next;

	if (at + 40 > len)
		return false;
	k->t.src = addr_from_v6(w + at + 8);
	k->t.dst = addr_from_v6(w + at + 24);
	next = w[at + 6];
	at += 40;
	k->more = true;
	for (unsigned i = 0; i < STEER_EXTENSIONS; i++) {
		if (at + 8 > len)
			break;
		if (next == IPPROTO_FRAGMENT6) {
			k->fragment = (load16(w + at + 2) & 0xfff9) != 0;
			k->more = !(load16(w + at + 2) & 0xfff8);
			k->frag_id = load32(w + at + 4);
			next = w[at];
			at += 8;
		} else if (next == 0 || next == 43 || next == 60) {
			next = w[at];
			at += 8 + w[at + 1] * 8u;
		} else {
			break;
		}
	}
	k->t.proto = next;
	k->l4_at = at;
	return true;
}

static void peek_ports(const uint8_t *w, uint32_t len, struct peek *k)
{
	uint32_t at = k->l4_at;

	if (!k->more || at + 8 > len)
		return;
	if (k->t.proto == 6 || k->t.proto == 17) {
		k->t.sport = load_be16(w + at);
		k->t.dport = load_be16(w + at + 2);
	} else if (k->t.proto == 1) {
		k->icmp_error = w[at] == 3 || w[at] == 11 || w[at] == 12;
		k->t.sport = k->t.dport = load_be16(w + at + 4);
	} else if (k->t.proto == 58) {
		k->icmp_error = w[at] < 128;
		k->t.sport = k->t.dport = load_be16(w + at + 4);
	}
}

static bool peek_at(const uint8_t *w, uint32_t at, uint32_t len, struct peek *k)
{
	*k = (struct peek){ 0 };
	if (at >= len)
		return false;
	if (w[at] >> 4 == 4 ? !peek_v4(w, at, len, k) :
			      w[at] >> 4 != 6 || !peek_v6(w, at, len, k))
		return false;
	peek_ports(w, len, k);
	return true;
}

unsigned owner_of(const struct steering *s, const uint8_t *window, uint32_t len, enum side side)
{
	struct peek k, inner;

	if (s->n_workers <= 1)
		return 0;
	if (len > STEER_WINDOW)
		len = STEER_WINDOW;
	if (!peek_at(window, 0, len, &k))
		return 0;
	if (k.fragment)
		return owner_of_fragment(s, &k.t, k.frag_id);
	if (!k.icmp_error)
		return owner_of_tuple(s, &k.t, side);
	if (!peek_at(window, k.l4_at + 8, len, &inner))
		return 0;
	inner.t = tuple_reverse(&inner.t);
	return owner_of_tuple(s, &inner.t, side);
}
