/*
 * steer_owner.h - the owner of a packet, from its first bytes.
 *
 * Compiled twice: into the data plane (steer.c), and into the program that deals packets to the queues
 * of a TUN device (io/bpf/steer.bpf.c), which must give the same answer. So it has plain loops of known
 * bounds over one flat table, reads the window by index only, and calls nothing but inline functions.
 * The kernel's verifier cannot follow why an index is in bounds; for it the two accessors below say so
 * once more.
 */
#pragma once
#include "sixgate/flow/steer.h"

#ifdef __bpf__
#define STEER_INLINE static inline __attribute__((always_inline))
/* looked at once, for any arguments: the whole in one piece has too many ways through it */
#define STEER_PART __attribute__((noinline))
#define STEER_GIVEN(a, b) ((a) && (b))
/* what is behind the window is readable, too: an index that is cut off reads what nobody looks at */
#define STEER_AT(w, at) ((w) + ((at) & (STEER_WINDOW - 1)))
STEER_INLINE unsigned steer__block(const struct steering *s, uint32_t slot, uint32_t block);
#else
#define STEER_INLINE static inline
#define STEER_PART static inline
#define STEER_GIVEN(a, b) true
#define STEER_AT(w, at) ((w) + (at))
STEER_INLINE unsigned steer__block(const struct steering *s, uint32_t slot, uint32_t block)
{
	return s->block[slot][block];
}
#endif

enum { STEER_PROBES = 64, STEER_EXTENSIONS = 4 };

STEER_INLINE uint64_t mix(uint64_t a, uint64_t b)
{
	a ^= b;
	a ^= a >> 32;
	a *= 0xd6e8feb86659fd93;
	a ^= a >> 32;
	a *= 0xd6e8feb86659fd93;
	return a ^ a >> 32;
}

STEER_INLINE uint64_t hash_addr(const struct steering *s, const struct addr *a)
{
	return mix(mix(s->key[0], a->word[0]), a->word[1] ^ s->key[1]);
}

STEER_INLINE unsigned worker_of(const struct steering *s, uint64_t hash)
{
	return (unsigned)(((hash >> 32) * s->n_workers) >> 32);
}

STEER_INLINE uint32_t steer__rest(uint8_t kind, be16 port, uint8_t proto)
{
	return (uint32_t)kind << 24 | (uint32_t)proto << 16 | port.raw;
}

STEER_INLINE uint32_t steer__home(const struct steering *s, const struct addr *a, uint32_t rest)
{
	return (uint32_t)mix(hash_addr(s, a), rest) & (STEER_MAP_SIZE - 1);
}

/* Return: its place in the map; negative when it is not there. @rest: as steer__rest() has it. */
STEER_PART int steer__find_at(const struct steering *s, const struct addr *a, uint32_t rest)
{
	uint32_t at;

	if (!STEER_GIVEN(s, a))
		return -1;
	at = steer__home(s, a, rest);
	for (unsigned i = 0; i < STEER_PROBES; i++, at = (at + 1) & (STEER_MAP_SIZE - 1)) {
		const struct steer_entry *e = &s->map[at];

		if (e->kind == STEER_FREE)
			return -1;
		if (steer__rest(e->kind, e->port, e->proto) == rest && e->addr.word[0] == a->word[0] &&
		    e->addr.word[1] == a->word[1])
			return (int)at;
	}
	return -1;
}

/* Of a VIP, a pool address or a pinned subscriber: those have no port. Return: its value; negative when
 * it is not there. */
STEER_INLINE int steer__value(const struct steering *s, enum steer_kind kind, const struct addr *a)
{
	const int at = steer__find_at(s, a, steer__rest(kind, (be16){ 0 }, 0));

	return at < 0 ? -1 : (int)s->map[at & (STEER_MAP_SIZE - 1)].value;
}

STEER_INLINE struct addr steer__cut(const struct addr *a, unsigned len)
{
	struct addr out = *a;

	if (len < 64)
		out.word[0] &= len ? htobe64(~0ull << (64 - len)) : 0;
	if (len <= 64)
		out.word[1] = 0;
	else
		out.word[1] &= htobe64(~0ull << ((128 - len) & 63));
	return out;
}

STEER_INLINE uint8_t steer__subscriber_len(const struct steering *s, const struct addr *a)
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

STEER_PART unsigned steer__owner_of_subscriber(const struct steering *s, const struct addr *a)
{
	struct addr subscriber;
	int pinned;

	if (!STEER_GIVEN(s, a))
		return 0;
	subscriber = steer__cut(a, steer__subscriber_len(s, a));
	pinned = steer__value(s, STEER_PINNED, &subscriber);
	return pinned >= 0 ? (unsigned)pinned :
			     (unsigned)(((hash_addr(s, &subscriber) >> 32) * s->n_homes) >> 32);
}

/* Return: negative when @a is no pool address. @port: in the machine's byte order. */
STEER_PART int steer__owner_of_pool(const struct steering *s, const struct addr *a, uint32_t port)
{
	int slot;

	if (!STEER_GIVEN(s, a))
		return -1;
	slot = steer__value(s, STEER_POOL, a);
	if (slot < 0 || (uint32_t)slot >= s->n_pools)
		return -1;
	return (int)steer__block(s, (uint32_t)slot, port >> 6);
}

STEER_INLINE be16 steer__shape_port(struct steer_shape x)
{
	return be16_from((uint16_t)(x.len << 8 | x.n_bits));
}

/* The @n bits of @a behind the first @len, as a number; at most 32. */
STEER_INLINE uint32_t steer__suffix(const struct addr *a, unsigned len, unsigned n)
{
	const uint64_t high = be64toh(a->word[0]), low = be64toh(a->word[1]);
	const unsigned behind = (128 - len - n) & 127;
	uint64_t bits;

	if (behind >= 64)
		bits = high >> (behind - 64);
	else
		bits = behind ? low >> behind | high << (64 - behind) : low;
	return (uint32_t)(bits & ((1ull << (n & 63)) - 1));
}

/* RFC 6052 2.2: octet 8 is none of the address's. */
STEER_INLINE uint32_t steer__embedded(const struct addr *a, unsigned len)
{
	unsigned at = len / 8;
	uint32_t v4 = 0;

	for (unsigned i = 0; i < 4; i++, at++) {
		at += at == 8;
		v4 = v4 << 8 | a->octet[at & 15];
	}
	return v4;
}

/* Return: the IPv4 address that siit maps @a to (RFC 7757 3.3.2), as a number; negative: none. */
STEER_PART int64_t steer__mapped(const struct steering *s, const struct addr *a)
{
	if (!STEER_GIVEN(s, a))
		return -1;
	for (unsigned i = 0; i < STEER_SHAPES_MAX && i < s->stateless.n_shapes; i++) {
		const struct steer_shape x = s->stateless.shape[i];
		const struct addr cut = steer__cut(a, x.len);
		const int at = steer__find_at(s, &cut, steer__rest(STEER_EAM, steer__shape_port(x), 0));

		if (at >= 0)
			return s->map[at & (STEER_MAP_SIZE - 1)].value | steer__suffix(a, x.len, x.n_bits);
	}
	for (unsigned i = 0; i < STEER_EMBEDDED_MAX && i < s->stateless.n_embedded; i++)
		if (prefix_contains(&s->stateless.embedded[i], a))
			return steer__embedded(a, s->stateless.embedded[i].len);
	return -1;
}

/* What is neither a VIP's nor pool4's and has IPv4 addresses can only be siit's. From inside its host
 * is the source, from outside the destination; the worker is that of the host's IPv4 address.
 * Return: negative when it is not siit's. */
STEER_PART int steer__owner_of_stateless(const struct steering *s, const struct tuple *t, enum side side)
{
	struct addr host;
	uint8_t v4[4];
	int64_t mapped;

	if (!STEER_GIVEN(s, t) || !s->stateless.on)
		return -1;
	host = side == SIDE_INSIDE ? t->src : t->dst;
	if (addr_is_v4(&t->dst))
		return (int)worker_of(s, hash_addr(s, &host));
	if (side == SIDE_INSIDE ? steer__mapped(s, &t->dst) < 0 :
				  !s->stateless.clat.len || !prefix_contains(&s->stateless.clat, &host))
		return -1;
	mapped = steer__mapped(s, &host);
	if (mapped < 0)
		return -1;
	store32(v4, (uint32_t)mapped);
	host = addr_from_v4(v4);
	return (int)worker_of(s, hash_addr(s, &host));
}

/* The client's address as it is, from the form in which a node sees it. A client may be one of our
 * own pool addresses: it then belongs to the owner of its port. */
STEER_PART unsigned steer__owner_of_client(const struct steering *s, const struct addr *seen,
					   uint32_t port)
{
	struct addr client;
	int w;

	if (!STEER_GIVEN(s, seen))
		return 0;
	client = *seen;
	for (uint32_t i = 0; i < s->n_embed && i < STEER_PREFIXES_MAX; i++)
		if (prefix_contains(&s->embed[i], seen))
			client = addr_from_v4(seen->octet + 12);
	w = steer__owner_of_pool(s, &client, port);
	return w >= 0 ? (unsigned)w : worker_of(s, hash_addr(s, &client));
}

STEER_PART unsigned steer__owner_of_tuple(const struct steering *s, const struct tuple *t,
					  enum side side)
{
	int w = -1;

	if (!STEER_GIVEN(s, t) || s->n_workers <= 1)
		return 0;
	if (steer__find_at(s, &t->src, steer__rest(STEER_NODE, t->sport, t->proto)) >= 0)
		return steer__owner_of_client(s, &t->dst, be16_to(t->dport));
	if (steer__value(s, STEER_VIP, &t->dst) >= 0)
		return steer__owner_of_client(s, &t->src, be16_to(t->sport));
	/* also from inside: there it is an answer on the wrong side, which its flow must see */
	if (addr_is_v4(&t->dst))
		w = steer__owner_of_pool(s, &t->dst, be16_to(t->dport));
	if (w < 0)
		w = steer__owner_of_stateless(s, t, side);
	if (w >= 0)
		return (unsigned)w;
	return steer__owner_of_subscriber(s, side == SIDE_INSIDE ? &t->src : &t->dst);
}

STEER_INLINE unsigned steer__owner_of_fragment(const struct steering *s, const struct tuple *t,
					       uint32_t id)
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

STEER_INLINE bool peek_v4(const uint8_t *w, uint32_t at, uint32_t len, struct peek *k)
{
	uint32_t ihl;

	if (at + 20 > len)
		return false;
	ihl = (*STEER_AT(w, at) & 15u) * 4;
	k->t.src = addr_from_v4(STEER_AT(w, at + 12));
	k->t.dst = addr_from_v4(STEER_AT(w, at + 16));
	k->t.proto = *STEER_AT(w, at + 9);
	k->fragment = (load16(STEER_AT(w, at + 6)) & 0x3fff) != 0;
	k->frag_id = load16(STEER_AT(w, at + 4));
	k->l4_at = at + ihl;
	k->more = ihl >= 20 && !(load16(STEER_AT(w, at + 6)) & 0x1fff);
	return true;
}

STEER_INLINE bool peek_v6(const uint8_t *w, uint32_t at, uint32_t len, struct peek *k)
{
	uint8_t next;

	if (at + 40 > len)
		return false;
	k->t.src = addr_from_v6(STEER_AT(w, at + 8));
	k->t.dst = addr_from_v6(STEER_AT(w, at + 24));
	next = *STEER_AT(w, at + 6);
	at += 40;
	k->more = true;
	for (unsigned i = 0; i < STEER_EXTENSIONS; i++) {
		if (at + 8 > len)
			break;
		if (next == IPPROTO_FRAGMENT6) {
			k->fragment = (load16(STEER_AT(w, at + 2)) & 0xfff9) != 0;
			k->more = !(load16(STEER_AT(w, at + 2)) & 0xfff8);
			k->frag_id = load32(STEER_AT(w, at + 4));
			next = *STEER_AT(w, at);
			at += 8;
		} else if (next == 0 || next == 43 || next == 60) {
			next = *STEER_AT(w, at);
			at += 8 + *STEER_AT(w, at + 1) * 8u;
		} else {
			break;
		}
	}
	k->t.proto = next;
	k->l4_at = at;
	return true;
}

STEER_INLINE void peek_ports(const uint8_t *w, uint32_t len, struct peek *k)
{
	uint32_t at = k->l4_at;

	if (!k->more || at + 8 > len)
		return;
	if (k->t.proto == 6 || k->t.proto == 17) {
		k->t.sport = load_be16(STEER_AT(w, at));
		k->t.dport = load_be16(STEER_AT(w, at + 2));
	} else if (k->t.proto == 1) {
		k->icmp_error = *STEER_AT(w, at) == 3 || *STEER_AT(w, at) == 11 || *STEER_AT(w, at) == 12;
		k->t.sport = k->t.dport = load_be16(STEER_AT(w, at + 4));
	} else if (k->t.proto == 58) {
		k->icmp_error = *STEER_AT(w, at) < 128;
		k->t.sport = k->t.dport = load_be16(STEER_AT(w, at + 4));
	}
}

STEER_INLINE bool peek_at(const uint8_t *w, uint32_t at, uint32_t len, struct peek *k)
{
	*k = (struct peek){ 0 };
	if (at >= len)
		return false;
	if (*STEER_AT(w, at) >> 4 == 4 ? !peek_v4(w, at, len, k) :
			      *STEER_AT(w, at) >> 4 != 6 || !peek_v6(w, at, len, k))
		return false;
	peek_ports(w, len, k);
	return true;
}

STEER_INLINE unsigned steer__owner_of(const struct steering *s, const uint8_t *window, uint32_t len,
				      enum side side)
{
	struct peek k, inner;

	if (s->n_workers <= 1)
		return 0;
	if (len > STEER_WINDOW)
		len = STEER_WINDOW;
	if (!peek_at(window, 0, len, &k))
		return 0;
	if (k.fragment)
		return steer__owner_of_fragment(s, &k.t, k.frag_id);
	if (!k.icmp_error)
		return steer__owner_of_tuple(s, &k.t, side);
	if (!peek_at(window, k.l4_at + 8, len, &inner))
		return 0;
	inner.t = tuple_reverse(&inner.t);
	return steer__owner_of_tuple(s, &inner.t, side);
}
