/*
 * trace.c - records of what the pipeline does to a packet.
 *
 * Nothing here decides anything. The steps that only a packet without a flow takes are noted where
 * they happen; those of every packet are found out by looking before and after, so that the path
 * of a packet that nobody traces has one branch for it and no more.
 */
#include "dataplane_internal.h"
#include "sixgate/packet/parse.h"

struct trace *trace_layout(struct arena *a)
{
	struct trace *t = arena_take(a, sizeof(*t));

	if (!t)
		return NULL;
	spsc_init(&t->ring, TRACE_SLOTS);
	return t;
}

void trace_start(struct worker *w, const struct trace_filter *filter)
{
	w->trace->filter = *filter;
	w->trace_on = true;
}

void trace_stop(struct worker *w)
{
	w->trace_on = false;
}

bool trace_read(struct trace *t, struct trace_record *out)
{
	uint32_t i = spsc_begin_read(&t->ring);

	if (i == UINT32_MAX)
		return false;
	*out = t->slot[i];
	spsc_commit_read(&t->ring);
	return true;
}

static bool proto_is(uint8_t proto, uint8_t wanted)
{
	return proto == wanted || (wanted == IPPROTO_ICMP && proto == IPPROTO_ICMPV6);
}

bool trace_filter_picks(const struct trace_filter *f, const struct tuple *t)
{
	if (f->proto && !proto_is(t->proto, f->proto))
		return false;
	for (unsigned i = 0; i < f->n_host; i++)
		if (!addr_equal(&f->host[i], &t->src) && !addr_equal(&f->host[i], &t->dst))
			return false;
	for (unsigned i = 0; i < f->n_port; i++)
		if (!be16_equal(f->port[i], t->sport) && !be16_equal(f->port[i], t->dport))
			return false;
	return true;
}

static void put(struct worker *w, struct trace_record r)
{
	struct trace *t = w->trace;
	uint32_t i = spsc_begin_write(&t->ring);

	if (i == UINT32_MAX) {
		counter_add(&t->lost, 1);
		return;
	}
	r.packet = t->packet;
	r.worker = (uint8_t)w->id;
	t->slot[i] = r;
	spsc_commit_write(&t->ring);
}

static struct trace_record of_packet(enum trace_step step, const struct packet *p, uint8_t side)
{
	return (struct trace_record){ .step = (uint8_t)step, .side = side, .tuple = p->key,
				      .len = p->len, .flags = p->flags, .tcp_flags = p->tcp_flags,
				      .icmp_type = p->icmp_type, .icmp_code = p->icmp_code };
}

/* What the parser refused may have no facts: the outer header is shown, as far as it is there. */
static void show_outer(struct packet *shown, const struct packet *p)
{
	*shown = (struct packet){ .data = p->data, .len = p->len };
	if (p->len >= 20 && p->data[0] >> 4 == 4)
		shown->key = (struct tuple){ .src = addr_from_v4(p->data + 12),
					     .dst = addr_from_v4(p->data + 16),
					     .proto = p->data[9] };
	else if (p->len >= 40 && p->data[0] >> 4 == 6)
		shown->key = (struct tuple){ .src = addr_from_v6(p->data + 8),
					     .dst = addr_from_v6(p->data + 24),
					     .proto = p->data[6] };
}

static uint32_t find(const struct worker *w, const struct tuple *key)
{
	return flow_table_find(&w->flows, key, tuple_hash(&w->flows.key, key));
}

static void note_flow(struct worker *w, uint32_t ref)
{
	const struct flow *f;

	if (ref == FLOW_NONE)
		return;
	f = &w->flows.flow[ref >> 1];
	put(w, (struct trace_record){ .step = TRACE_FOUND, .policy = f->policy, .state = f->state,
				      .dir = ref & 1, .value = ref >> 1 });
}

/* The IPv4 address that @a stands for, if it does: of a packet that was refused no flow says so. */
static void show_embedded(const struct snapshot *s, struct addr *a)
{
	struct addr v4;

	if (addr_is_v4(a))
		return;
	if ((s->nat64 && nat64_claims_pool6(s->nat64, a, &v4)) || (s->siit && siit_to4(s->siit, a, &v4)))
		*a = v4;
}

static bool picked(const struct worker *w, const struct snapshot *s, const struct tuple *key,
		   uint32_t ref)
{
	const struct trace_filter *filter = &w->trace->filter;
	struct tuple out = *key;

	if (trace_filter_picks(filter, key))
		return true;
	show_embedded(s, &out.src);
	show_embedded(s, &out.dst);
	if (trace_filter_picks(filter, &out))
		return true;
	if (ref == FLOW_NONE)
		return false;
	out = flow_out_tuple(&w->flows.flow[ref >> 1], ref & 1);
	return trace_filter_picks(filter, &out);
}

void trace__begin(struct worker *w, const struct snapshot *s, const struct packet *p)
{
	struct trace *t = w->trace;
	struct packet shown = *p;
	uint32_t ref;

	if (p->verdict.next == VERDICT_DROP && p->verdict.reply == REPLY_NONE)
		show_outer(&shown, p);
	ref = find(w, &shown.key);
	t->packet++;
	t->made_at = w->out.n;
	t->handed = false;
	t->key = shown.key;
	w->traced = picked(w, s, &shown.key, ref);
	if (!w->traced)
		return;
	put(w, of_packet(TRACE_ARRIVED, &shown, p->side));
	note_flow(w, ref);
}

void trace__round(struct worker *w, const struct packet *p)
{
	put(w, of_packet(TRACE_ROUND, p, p->side));
	note_flow(w, find(w, &p->key));
}

void trace__asked(struct worker *w, enum policy_id policy, struct verdict v, bool admitted)
{
	put(w, (struct trace_record){ .step = TRACE_ASKED, .policy = (uint8_t)policy, .verdict = v,
				      .value = admitted });
}

void trace__stateless(struct worker *w, struct verdict v)
{
	put(w, (struct trace_record){ .step = TRACE_STATELESS, .verdict = v });
}

void trace__renewed(struct worker *w)
{
	put(w, (struct trace_record){ .step = TRACE_RENEWED });
}

void trace__opened(struct worker *w, uint32_t index, unsigned dir)
{
	const struct flow *f = &w->flows.flow[index];

	put(w, (struct trace_record){ .step = TRACE_OPENED, .policy = f->policy, .value = index,
				      .dir = (uint8_t)dir, .tuple = flow_out_tuple(f, dir),
				      .side = (uint8_t)flow_out_side(f, dir),
				      .object = (uint16_t)f->object });
}

void trace__handed(struct worker *w, unsigned owner)
{
	w->trace->handed = true;
	put(w, (struct trace_record){ .step = TRACE_HANDED, .value = owner });
}

/* The bytes as they leave, read again: what was decided and what was written are two things. */
static void note_sent(struct worker *w, enum trace_step step, const struct packet *p, uint8_t state)
{
	struct packet again = { .data = p->data, .len = p->len, .room = p->len, .off = p->off,
				.side = p->out_side };
	struct trace_record r;

	if (packet_parse(&again).next == VERDICT_DROP)
		show_outer(&again, p);
	r = of_packet(step, &again, p->out_side);
	r.state = state;
	put(w, r);
}

/* @p is as it came in: what is held is not rewritten, and of what was cut the pieces are elsewhere. */
static enum trace_held held_why(const struct worker *w, const struct packet *p)
{
	if (answer__is_echo_request(p))
		return TRACE_HELD_ANSWERED;
	if (w->out.n > w->trace->made_at)
		return TRACE_HELD_CUT;
	return p->flags & PACKET_FRAGMENT ? TRACE_HELD_FRAGMENT : TRACE_HELD_SYN;
}

void trace__end(struct worker *w, const struct packet *p)
{
	uint32_t ref;

	if (!w->traced)
		return;
	ref = find(w, &w->trace->key);
	if (p->verdict.next == VERDICT_FORWARD)
		note_sent(w, TRACE_REWRITTEN, p,
			  ref == FLOW_NONE ? 0 : w->flows.flow[ref >> 1].state);
	for (uint16_t i = w->trace->made_at; i < w->out.n; i++)
		if (&w->out.packet[i] != p && w->out.packet[i].verdict.next == VERDICT_FORWARD)
			note_sent(w, TRACE_MADE, &w->out.packet[i], 0);
	w->traced = false;
	if (p->verdict.next == VERDICT_HELD && w->trace->handed)
		return; /* it ends where it was handed to */
	put(w, (struct trace_record){ .step = TRACE_ENDED, .verdict = p->verdict,
				      .value = p->verdict.next == VERDICT_HELD ? held_why(w, p) : 0 });
}
