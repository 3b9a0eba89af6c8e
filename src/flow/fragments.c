/*
 * fragments.c - datagrams being followed, and the fragments that wait for their first.
 *
 * Datagrams stand in a chained hash and in one list by age: the timeout is the same for all, so
 * the oldest is always the first to go, by time or to make room. What waits stands in a list by age
 * of its own: room for a packet is made by the datagram that has kept one the longest.
 */
#include "sixgate/flow/fragments.h"
#include <netinet/in.h>
#include "sixgate/base/pool.h"

enum { FRAGMENT_CHAINS = 2048, NIL = POOL_NONE, TCP_HEADER_MIN = 20 };

/* One piece seen, in bytes of the datagram's payload. */
struct piece {
	uint16_t from, to;
};

struct datagram {
	struct addr src, dst;
	uint32_t id;
	uint8_t proto;
	bool has_first, condemned;
	uint8_t n_pieces;
	be16 sport, dport;
	uint32_t total; /* payload bytes, 0 until the last fragment was seen */
	uint32_t seen;
	uint32_t chain_next;
	uint32_t older, younger;
	uint32_t held, held_last; /* waiting packets, in order of arrival */
	uint64_t since_ms;
	struct piece piece[FRAGMENT_PER_DATAGRAM];
};

struct held {
	struct packet packet; /* data is set when it is copied out */
	uint32_t datagram;
	uint32_t older, younger;
	uint8_t bytes[FRAGMENT_HELD_BYTES];
};

struct fragments {
	struct hash_key key;
	struct pool datagrams, helds;
	struct datagram *datagram;
	struct held *held;
	uint32_t oldest, youngest;
	uint32_t held_oldest, held_youngest;
	uint32_t dropped;
	uint32_t chain[FRAGMENT_CHAINS];
	uint32_t datagram_next[FRAGMENT_DATAGRAMS], held_next[FRAGMENT_HELD];
};

struct fragments *fragments_layout(struct arena *a, const struct hash_key *key)
{
	struct fragments *fs = arena_take(a, sizeof(*fs));
	struct datagram *datagrams = arena_take(a, FRAGMENT_DATAGRAMS * sizeof(*datagrams));
	struct held *helds = arena_take(a, FRAGMENT_HELD * sizeof(*helds));

	if (!fs)
		return NULL;
	fs->key = hash_key_derive(key, 0x66726167);
	fs->datagram = datagrams;
	fs->held = helds;
	fs->oldest = fs->youngest = NIL;
	fs->held_oldest = fs->held_youngest = NIL;
	pool_init(&fs->datagrams, fs->datagram_next, FRAGMENT_DATAGRAMS);
	pool_init(&fs->helds, fs->held_next, FRAGMENT_HELD);
	arena_points(a, &fs->datagram);
	arena_points(a, &fs->held);
	arena_points(a, &fs->datagrams.next);
	arena_points(a, &fs->helds.next);
	for (unsigned i = 0; i < FRAGMENT_CHAINS; i++)
		fs->chain[i] = NIL;
	return fs;
}

static uint32_t *chain_of(struct fragments *fs, const struct addr *src, const struct addr *dst,
			  uint8_t proto, uint32_t id)
{
	uint64_t w[5] = { src->word[0], src->word[1], dst->word[0], dst->word[1],
			  (uint64_t)proto << 32 | id };

	return &fs->chain[hash_range(hash40(&fs->key, w), FRAGMENT_CHAINS)];
}

/* The first that waits for @d is no longer kept. */
static void put_held(struct fragments *fs, struct datagram *d)
{
	uint32_t i = d->held;
	const struct held *h = &fs->held[i];

	*(h->older != NIL ? &fs->held[h->older].younger : &fs->held_oldest) = h->younger;
	*(h->younger != NIL ? &fs->held[h->younger].older : &fs->held_youngest) = h->older;
	d->held = fs->held_next[i];
	pool_put(&fs->helds, i);
}

static void drop_held(struct fragments *fs, struct datagram *d)
{
	for (; d->held != NIL; fs->dropped++)
		put_held(fs, d);
}

static void forget(struct fragments *fs, uint32_t index)
{
	struct datagram *d = &fs->datagram[index];
	uint32_t *link = chain_of(fs, &d->src, &d->dst, d->proto, d->id);

	drop_held(fs, d);
	while (*link != index)
		link = &fs->datagram[*link].chain_next;
	*link = d->chain_next;
	if (d->older != NIL)
		fs->datagram[d->older].younger = d->younger;
	else
		fs->oldest = d->younger;
	if (d->younger != NIL)
		fs->datagram[d->younger].older = d->older;
	else
		fs->youngest = d->older;
	pool_put(&fs->datagrams, index);
}

static uint32_t find(struct fragments *fs, const struct packet *p)
{
	uint32_t i = *chain_of(fs, &p->key.src, &p->key.dst, p->proto, p->frag_id);

	for (; i != NIL; i = fs->datagram[i].chain_next) {
		struct datagram *d = &fs->datagram[i];

		if (d->id == p->frag_id && d->proto == p->proto && addr_equal(&d->src, &p->key.src) &&
		    addr_equal(&d->dst, &p->key.dst))
			break;
	}
	return i;
}

static uint32_t begin(struct fragments *fs, const struct packet *p, uint64_t now_ms)
{
	uint32_t *chain = chain_of(fs, &p->key.src, &p->key.dst, p->proto, p->frag_id);
	struct datagram *d;
	uint32_t i;

	if (fs->datagrams.used == FRAGMENT_DATAGRAMS)
		forget(fs, fs->oldest);
	i = pool_get(&fs->datagrams);
	must(i != POOL_NONE);
	d = &fs->datagram[i];
	d->src = p->key.src;
	d->dst = p->key.dst;
	d->id = p->frag_id;
	d->proto = p->proto;
	d->has_first = d->condemned = false;
	d->n_pieces = 0;
	d->total = d->seen = 0;
	d->held = d->held_last = NIL;
	d->since_ms = now_ms;
	d->chain_next = *chain;
	*chain = i;
	d->older = fs->youngest;
	d->younger = NIL;
	if (fs->youngest != NIL)
		fs->datagram[fs->youngest].younger = i;
	else
		fs->oldest = i;
	fs->youngest = i;
	return i;
}

/* RFC 5722: overlapping fragments, and with them everything else of the datagram, are discarded.
 * An exact duplicate is one that the network made: the copy alone is dropped. */
static struct verdict add_piece(struct datagram *d, uint32_t from, uint32_t to, bool last)
{
	for (unsigned i = 0; i < d->n_pieces; i++) {
		if (from == d->piece[i].from && to == d->piece[i].to)
			return verdict_drop(DROP_FRAGMENT_OVERLAP);
		if (from < d->piece[i].to && to > d->piece[i].from) {
			d->condemned = true;
			return verdict_drop(DROP_FRAGMENT_OVERLAP);
		}
	}
	if ((d->total && to > d->total) || (last && d->total)) {
		d->condemned = true;
		return verdict_drop(DROP_FRAGMENT_BAD);
	}
	if (d->n_pieces == FRAGMENT_PER_DATAGRAM) {
		d->condemned = true;
		return verdict_drop(DROP_FRAGMENT_STORE_FULL);
	}
	d->piece[d->n_pieces++] = (struct piece){ (uint16_t)from, (uint16_t)to };
	d->seen += to - from;
	if (last)
		d->total = to;
	return verdict_continue();
}

/* Room for one more of @d. When @d itself has kept one the longest, it is shed. */
static uint32_t room_for(struct fragments *fs, struct datagram *d)
{
	uint32_t i = pool_get(&fs->helds), shed;

	if (i != POOL_NONE)
		return i;
	shed = fs->held[fs->held_oldest].datagram;
	if (&fs->datagram[shed] == d) {
		d->condemned = true;
		drop_held(fs, d);
		return NIL;
	}
	forget(fs, shed);
	return pool_get(&fs->helds);
}

static void append(struct fragments *fs, struct datagram *d, uint32_t i)
{
	struct held *h = &fs->held[i];

	fs->held_next[i] = NIL;
	*(d->held != NIL ? &fs->held_next[d->held_last] : &d->held) = i;
	d->held_last = i;
	h->datagram = (uint32_t)(d - fs->datagram);
	h->older = fs->held_youngest;
	h->younger = NIL;
	*(h->older != NIL ? &fs->held[h->older].younger : &fs->held_oldest) = i;
	fs->held_youngest = i;
}

static struct verdict hold(struct fragments *fs, struct datagram *d, const struct packet *p)
{
	uint32_t i;

	if (p->len > FRAGMENT_HELD_BYTES)
		return verdict_drop(DROP_FRAGMENT_STORE_FULL);
	i = room_for(fs, d);
	if (i == NIL)
		return verdict_drop(DROP_FRAGMENT_STORE_FULL);
	fs->held[i].packet = *p;
	memcpy(fs->held[i].bytes, p->data, p->len);
	append(fs, d, i);
	return verdict_held();
}

static bool is_complete(const struct datagram *d)
{
	return d->has_first && d->total && d->seen == d->total && d->held == NIL;
}

/* RFC 1858 3, RFC 3128: a piece that would write into the TCP header, which the first has whole. */
static bool reaches_into_header(const struct packet *p)
{
	return p->proto == IPPROTO_TCP && p->frag_offset > 0 && p->frag_offset < TCP_HEADER_MIN;
}

struct verdict fragments_track(struct fragments *fs, struct packet *p, uint64_t now_ms,
			       uint32_t timeout_ms)
{
	uint32_t from = p->frag_offset, to = from + (p->len - p->l4_at), i;
	struct datagram *d;
	struct verdict v;

	fragments_expire(fs, now_ms, timeout_ms, 4);
	if (to > 65535 || to == from || (p->more_fragments && (to - from) % 8))
		return verdict_drop(DROP_FRAGMENT_BAD);
	if (reaches_into_header(p))
		return verdict_drop(DROP_FRAGMENT_TINY);
	i = find(fs, p);
	if (i == NIL)
		i = begin(fs, p, now_ms);
	d = &fs->datagram[i];
	if (d->condemned)
		return verdict_drop(DROP_FRAGMENT_OVERLAP);
	v = add_piece(d, from, to, !p->more_fragments);
	if (d->condemned)
		drop_held(fs, d);
	if (v.next != VERDICT_CONTINUE)
		return v;

	if (p->flags & PACKET_FIRST_FRAGMENT) {
		d->has_first = true;
		d->sport = p->key.sport;
		d->dport = p->key.dport;
	} else if (!d->has_first) {
		return hold(fs, d, p);
	}
	p->key.sport = d->sport;
	p->key.dport = d->dport;
	if (is_complete(d))
		forget(fs, i);
	return verdict_continue();
}

struct packet *fragments_release(struct fragments *fs, const struct packet *first,
				 struct outbox *out)
{
	uint32_t i = find(fs, first), h;
	struct packet *p;
	struct datagram *d;
	uint8_t *data;
	uint32_t headroom;

	if (i == NIL || fs->datagram[i].held == NIL || !fs->datagram[i].has_first)
		return NULL;
	d = &fs->datagram[i];
	h = d->held;
	p = outbox_add(out, fs->held[h].packet.len);
	if (!p)
		return NULL;
	data = p->data;
	headroom = p->headroom;
	*p = fs->held[h].packet;
	p->data = data;
	p->headroom = headroom;
	p->room = p->len;
	memcpy(p->data, fs->held[h].bytes, p->len);
	p->key.sport = d->sport;
	p->key.dport = d->dport;
	p->verdict = verdict_continue();
	put_held(fs, d);
	if (is_complete(d))
		forget(fs, i);
	return p;
}

void fragments_expire(struct fragments *fs, uint64_t now_ms, uint32_t timeout_ms, uint32_t budget)
{
	while (budget-- && fs->oldest != NIL &&
	       now_ms - fs->datagram[fs->oldest].since_ms >= timeout_ms)
		forget(fs, fs->oldest);
}

uint32_t fragments_dropped(struct fragments *fs)
{
	uint32_t n = fs->dropped;

	fs->dropped = 0;
	return n;
}
