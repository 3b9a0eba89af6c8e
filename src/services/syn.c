/*
 * syn.c - connection attempts that move to another node, unseen by the client.
 *
 * The client's SYN is kept until its node answers. When the node refuses it, by a reset or an ICMP
 * error, the copy goes to another node at once and the refusal is dropped; when the client has to
 * send it again, the repetition goes to another node. The store is bounded and has no list: an
 * attempt lives in one of the two slots that its tuple hashes to, a newer one takes the place of
 * an older, and one that has lost its place can still move, only later.
 */
#include "services_internal.h"
#include "sixgate/flow/tcp.h"
#include "sixgate/packet/icmp.h"

enum {
	TCP_SEQ_AT = 4,
	TCP_ACK_AT = 8,
	TCP_CHECKSUM_AT = 16,
	ICMP4_CODE_FRAGMENTATION_NEEDED = 4
};

/* One packet of an attempt. */
struct attempt {
	struct services *v;
	const struct services_table *t;
	const struct service *s;
	struct flow_table *flows;
	uint32_t index;
	struct flow *f;
	struct syn *syn;
	uint64_t now_ms;
};

static uint64_t hash_of(const struct services *v, const struct tuple *client)
{
	return tuple_hash(&v->key, client) | 1; /* 0 marks a free slot */
}

static struct syn *pair_of(struct services *v, uint64_t hash)
{
	return &v->syn[hash_range(hash, SYN_SLOTS / 2) * 2];
}

static struct syn *find(struct services *v, const struct tuple *client)
{
	uint64_t hash = hash_of(v, client);
	struct syn *y = pair_of(v, hash);

	return y[0].hash == hash ? &y[0] : y[1].hash == hash ? &y[1] : NULL;
}

void services__syn_forget(struct services *v, const struct tuple *client)
{
	struct syn *y = find(v, client);

	if (y)
		y->hash = 0;
}

static struct syn *slot_for(struct services *v, uint64_t hash)
{
	struct syn *y = pair_of(v, hash);

	for (unsigned i = 0; i < 2; i++)
		if (y[i].hash == hash || y[i].hash == 0)
			return &y[i];
	return (int32_t)(y[0].sent_ms - y[1].sent_ms) <= 0 ? &y[0] : &y[1];
}

static struct syn begun(uint64_t hash, uint32_t node_slot, uint64_t now_ms)
{
	return (struct syn){ .hash = hash, .sent_ms = (uint32_t)now_ms, .n_tried = 1,
			     .tried = { (uint16_t)node_slot } };
}

/* Only what can be rebuilt exactly: whole, short, and without IPv6 extension headers. */
static bool can_keep(const struct packet *p)
{
	return p->len <= SYN_BYTES && !(p->flags & PACKET_FRAGMENT) && p->off.gso == GSO_NONE &&
	       (p->family == 4 || p->l4_at == 40);
}

void services__syn_store(struct services *v, const struct packet *p, uint32_t node_slot,
			 uint64_t now_ms)
{
	uint64_t hash = hash_of(v, &p->key);
	struct syn *y = slot_for(v, hash);

	*y = begun(hash, node_slot, now_ms);
	y->seq = load32(p->data + p->l4_at + TCP_SEQ_AT);
	if (!can_keep(p))
		return;
	y->len = (uint8_t)p->len;
	y->side = p->side;
	y->csum_partial = p->off.csum_partial;
	memcpy(y->bytes, p->data, p->len);
}

static uint32_t stored_l4_at(const struct syn *y)
{
	return y->bytes[0] >> 4 == 4 ? (y->bytes[0] & 15u) * 4 : 40;
}

/* The stored SYN as a packet that has just come in, not yet parsed. */
static struct packet *restore(const struct syn *y, struct outbox *out)
{
	struct packet *p = y->len ? outbox_add(out, y->len) : NULL;

	if (!p)
		return NULL;
	memcpy(p->data, y->bytes, y->len);
	p->side = y->side;
	if (y->csum_partial) {
		p->off.csum_partial = true;
		p->off.csum_start = (uint16_t)stored_l4_at(y);
		p->off.csum_offset = TCP_CHECKSUM_AT;
	}
	return p;
}

static void move_counts(struct services *v, uint32_t from, uint32_t to)
{
	counter_add(&v->load[from].live, (uint64_t)-1);
	counter_add(&v->load[to].live, 1);
	counter_add(&v->load[to].total, 1);
}

/* The flow is the new node's from here on; the old one's late answers find no flow. */
static bool give_to(struct attempt *a, const struct node *n)
{
	struct admission ad = { .v = a->v, .t = a->t, .flows = a->flows };
	struct tuple back;

	if (services__way_back(&ad, a->s, n, &a->f->key[0], &back).next != VERDICT_CONTINUE ||
	    !flow_table_rekey(a->flows, a->index, 1, &back))
		return false;
	move_counts(a->v, a->f->object, n->slot);
	a->f->object = n->slot;
	a->f->generation = n->generation;
	a->f->seq_next[1] = 0;
	a->f->ack_last[1] = 0;
	return true;
}

/* Another node that takes the attempt. Return: false when there is none. */
static bool move_on(struct attempt *a)
{
	struct wish wish = { .key = &a->f->key[0], .n_tried = a->syn->n_tried, .now_ms = a->now_ms };

	memcpy(wish.tried, a->syn->tried, sizeof(wish.tried));
	while (wish.n_tried < SYN_TRIED_MAX) {
		uint32_t at = services__choose(a->v, a->t, a->s, &wish);
		bool moved;

		if (at == NODE_NONE)
			return false;
		moved = give_to(a, &a->t->node[at]);
		wish.tried[wish.n_tried++] = a->t->node[at].slot;
		memcpy(a->syn->tried, wish.tried, sizeof(wish.tried));
		a->syn->n_tried = (uint8_t)wish.n_tried;
		if (moved)
			return true;
	}
	return false;
}

/* RFC 9293 3.10.7.3: in SYN-SENT a reset counts only if it acknowledges the SYN. What does not is
 * for the client to ignore. */
static bool reset_is_of(const struct syn *y, const struct packet *p)
{
	uint32_t acked;

	if (!(p->tcp_flags & TCP_ACK))
		return false;
	if (!y->hash)
		return true; /* forgotten */
	acked = load32(p->data + p->l4_at + TCP_ACK_AT) - y->seq;
	/* it may carry data: RFC 7413 */
	return acked >= 1 && acked <= (y->len ? (uint32_t)SYN_BYTES : UINT16_MAX);
}

/* RFC 5927 4.1: an error counts only if it quotes the sequence number that is on its way. */
static bool error_is_of(const struct syn *y, const struct packet *p)
{
	return !y->hash || load32(p->data + p->inner_l4_at + TCP_SEQ_AT) == y->seq;
}

/* RFC 1122 4.2.3.9 lets no ICMP error but these end an attempt. */
static bool is_unreachable(const struct packet *p)
{
	if (p->family == 6)
		return p->icmp_type == ICMP6_TYPE_UNREACHABLE;
	return p->icmp_type == ICMP4_TYPE_UNREACHABLE &&
	       p->icmp_code != ICMP4_CODE_FRAGMENTATION_NEEDED;
}

static bool refuses_the_syn(const struct attempt *a, const struct packet *p)
{
	return p->flags & PACKET_ICMP_ERROR ? error_is_of(a->syn, p) : reset_is_of(a->syn, p);
}

static struct verdict refused(struct attempt *a, const struct packet *p, struct outbox *out,
			      struct packet **again)
{
	struct syn forgotten = begun(0, a->f->object, a->now_ms);

	if (!a->syn)
		a->syn = &forgotten;
	if (!refuses_the_syn(a, p))
		return verdict_continue();
	services__node_failed(a->v, a->t, a->s, a->f->object, a->now_ms);
	if (!move_on(a))
		return verdict_continue();
	a->syn->sent_ms = (uint32_t)a->now_ms;
	*again = restore(a->syn, out);
	return verdict_drop(DROP_NODE_REFUSED);
}

/* The tuple is used anew before its last attempt was answered: every node may be tried again. */
static void start_over(struct attempt *a, const struct packet *p)
{
	uint32_t sent_ms = a->syn->sent_ms;

	services__syn_store(a->v, p, a->f->object, a->now_ms);
	a->syn->sent_ms = sent_ms; /* as long as that the node has kept silent */
}

static struct verdict sent_again(struct attempt *a, const struct packet *p)
{
	if (a->s->n_candidate == 0)
		return verdict_reject(DROP_NO_NODE, REPLY_TCP_RESET);
	if (!a->syn) {
		services__syn_store(a->v, p, a->f->object, a->now_ms);
		return verdict_continue();
	}
	if (load32(p->data + p->l4_at + TCP_SEQ_AT) != a->syn->seq)
		start_over(a, p);
	if ((uint32_t)a->now_ms - a->syn->sent_ms < SYN_PATIENCE_MS)
		return verdict_continue();
	services__node_failed(a->v, a->t, a->s, a->f->object, a->now_ms);
	move_on(a);
	a->syn->sent_ms = (uint32_t)a->now_ms;
	return verdict_continue();
}

static struct verdict from_client(struct attempt *a, const struct packet *p)
{
	if ((p->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) != TCP_SYN)
		return verdict_continue();
	return a->f->state == TCP_V6_INIT ? sent_again(a, p) : verdict_continue();
}

static struct verdict from_node(struct attempt *a, const struct packet *p, struct outbox *out,
				struct packet **again)
{
	if (p->tcp_flags & TCP_RST || p->flags & PACKET_ICMP_ERROR)
		return a->f->state == TCP_V6_INIT ? refused(a, p, out, again) : verdict_continue();
	if ((p->tcp_flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK)) {
		services__node_answered(a->v, a->f->object);
		if (a->syn)
			a->syn->hash = 0;
	}
	return verdict_continue();
}

static bool concerns_attempt(const struct packet *p, unsigned dir)
{
	if (unlikely(p->flags & PACKET_ICMP_ERROR))
		return dir == 1 && is_unreachable(p);
	return p->tcp_flags & (TCP_SYN | TCP_RST);
}

struct verdict services_tcp_event(struct services *v, const struct services_table *t,
				  struct flow_table *flows, uint32_t index, unsigned dir,
				  const struct packet *p, struct outbox *out,
				  struct packet **again, uint64_t now_ms)
{
	struct flow *f = &flows->flow[index];
	struct attempt a = { .v = v, .t = t, .flows = flows, .index = index, .f = f,
			     .now_ms = now_ms };

	*again = NULL;
	if (likely(!concerns_attempt(p, dir)) || services__is_probe(&f->key[0].dst))
		return verdict_continue();
	a.s = services__service_of_vip(t, &f->key[0]);
	if (!a.s)
		return verdict_continue(); /* it is stale, and about to be swept */
	a.syn = find(v, &f->key[0]);
	return dir == 0 ? from_client(&a, p) : from_node(&a, p, out, again);
}
