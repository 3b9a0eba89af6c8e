/* sequence_law.c - see sequence_law.h. */
#include "sequence_law.h"
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include "sixgate/base/must.h"
#include "sixgate/flow/tcp.h"
#include "sixgate/nat64/event.h"
#include "sixgate/nat64/lend.h"
#include "sixgate/packet/checksum.h"
#include "sixgate/packet/parse.h"

enum { RECORDS_MAX = 4096 };

/* What is being judged, for whoever has to find out why. */
static const struct packet *now_in, *now_out;

static void show(const char *what, const struct packet *p)
{
	if (!p)
		return;
	fprintf(stderr, "%s, side %d, %u bytes:", what, p->side, p->len);
	for (uint32_t i = 0; i < p->len && i < 160; i++)
		fprintf(stderr, "%s%02x", i % 4 ? "" : " ", p->data[i]);
	fprintf(stderr, "\n");
}

void sequence_law_broken(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: law broken: %s\n", file, line, what);
	show("came in", now_in);
	show("went out", now_out);
	abort();
}

static bool is_icmp(const struct packet *p)
{
	return p->proto == IPPROTO_ICMP || p->proto == IPPROTO_ICMPV6;
}

static bool is_error(const struct packet *p)
{
	return is_icmp(p) && (p->family == 4 ? p->icmp_type == 3 || p->icmp_type == 11 ||
						       p->icmp_type == 12 :
					       p->icmp_type < 128);
}

static bool is_request(const struct packet *p)
{
	return p->icmp_type == (p->family == 4 ? 8 : 128);
}

/* Has its l4 header, with a checksum over all of what is here. */
static bool is_whole(const struct packet *p)
{
	return !(p->flags & PACKET_FRAGMENT) &&
	       (is_icmp(p) || p->proto == IPPROTO_TCP || p->proto == IPPROTO_UDP);
}

static bool is_udp_without_checksum(const struct packet *p)
{
	return p->proto == IPPROTO_UDP && load16(p->data + p->l4_at + 6) == 0;
}

/* What the l4 checksum is wrong by, one's complement; 0xffff when it is right. */
static uint16_t wrong_by(const struct packet *p)
{
	struct addr src = packet_source(p), dst = packet_destination(p);
	uint32_t len = p->len - p->l4_at;
	uint64_t sum = p->proto == IPPROTO_ICMP ? 0 : checksum_pseudo(&src, &dst, p->proto, len);

	sum = checksum_fold(checksum_add(sum, p->data + p->l4_at, len));
	return sum ? (uint16_t)sum : 0xffff;
}

static uint32_t l4_header_len(const struct packet *p)
{
	return p->proto == IPPROTO_TCP ? (p->data[p->l4_at + 12] >> 4) * 4u : 8;
}

static bool same_payload(const struct packet *a, const struct packet *b)
{
	uint32_t x = a->l4_at + l4_header_len(a), y = b->l4_at + l4_header_len(b);

	return a->len - x == b->len - y && memcmp(a->data + x, b->data + y, a->len - x) == 0;
}

bool sequence_law_is_forwarded(const struct packet *out, const struct packet *in)
{
	if (is_icmp(out) != is_icmp(in) || (!is_icmp(in) && out->proto != in->proto))
		return false;
	if (is_error(in) || is_error(out))
		return is_error(in) && is_error(out) && !(out->side == in->side &&
							  in->side == SIDE_OUTSIDE);
	if (is_icmp(in)) /* a pool address may answer an echo itself */
		return is_request(in) == is_request(out);
	if (in->proto == IPPROTO_TCP && (out->tcp_flags != in->tcp_flags ||
					 memcmp(out->data + out->l4_at + 4, in->data + in->l4_at + 4, 8)))
		return false; /* a reset, or a SYN that goes to another node */
	return true;
}

static bool may_be_source(const struct sequence_world *w, const struct addr *a)
{
	for (unsigned i = 0; i < w->n_own; i++)
		if (addr_equal(a, &w->own[i]))
			return true;
	for (unsigned i = 0; i < w->n_own_range; i++)
		if (prefix_contains(&w->own_range[i], a))
			return true;
	return false;
}

static bool is_inside(const struct sequence_world *w, const struct addr *a)
{
	for (unsigned i = 0; i < w->n_inside; i++)
		if (prefix_contains(&w->inside[i], a))
			return true;
	return false;
}

/* Nothing leaves in the name of an address that is not configured, and whoever is outside appears
 * inside as himself or as what stands for him. */
static void law_of_sources(const struct sequence_world *w, const struct packet *out,
			   const struct packet *in)
{
	struct addr src = packet_source(out), was = in ? packet_source(in) : src;

	if (may_be_source(w, &src))
		return;
	for (unsigned i = 0; i < w->n_embed; i++) {
		struct addr v4 = addr_from_v4(src.octet + 12);

		if (!prefix_contains(&w->embed[i], &src))
			continue;
		law(out->side == SIDE_INSIDE);
		law(!in || addr_equal(&v4, &was) || may_be_source(w, &v4) ||
		    out->proto == IPPROTO_TCP || (in->flags & (PACKET_FRAGMENT | PACKET_ICMP_ERROR)));
		return;
	}
	if (is_inside(w, &src)) {
		law(!in || in->side == SIDE_INSIDE || out->proto == IPPROTO_TCP);
		return;
	}
	if (!in) { /* the probe of an idle connection, in the name of its far end */
		law(out->proto == IPPROTO_TCP && out->side == SIDE_INSIDE);
		return;
	}
	law(in->side == SIDE_OUTSIDE || out->proto == IPPROTO_TCP);
	law(addr_equal(&src, &was) || out->proto == IPPROTO_TCP ||
	    in->flags & PACKET_FRAGMENT);
}

static void law_of_headers(const struct packet *out)
{
	law(out->verdict.next == VERDICT_CONTINUE || out->verdict.why == DROP_BAD_ICMP_CHECKSUM ||
	    out->verdict.why == DROP_ICMP_INNER);
	if (out->family == 4) {
		uint32_t head = (out->data[0] & 15) * 4u;

		law(checksum_fold(checksum_add(0, out->data, head)) == 0xffff);
		law(load16(out->data + 2) == out->len);
	} else {
		law(load16(out->data + 4) + 40u == out->len);
	}
}

static void law_of_checksums(const struct packet *out, const struct packet *in)
{
	if (!is_whole(out))
		return;
	if (!in || (is_whole(in) && !sequence_law_is_forwarded(out, in))) {
		/* an echo that we answer, a SYN that moves: as wrong as it came */
		if (out->proto != IPPROTO_TCP && !(in && is_icmp(in) && is_request(in)))
			law(wrong_by(out) == 0xffff);
		return;
	}
	if (!is_whole(in))
		return;
	if (is_udp_without_checksum(in)) {
		law(is_udp_without_checksum(out) || in->family == 6 || wrong_by(out) == 0xffff);
		return;
	}
	law(wrong_by(out) == wrong_by(in) || is_error(out));
}

static void law_of_what_is_forwarded(const struct packet *out, const struct packet *in)
{
	if (!is_whole(out) || !is_whole(in) || !sequence_law_is_forwarded(out, in))
		return;
	law(out->ttl == in->ttl - 1);
	if (is_error(in))
		return;
	law(same_payload(out, in));
	law(out->tclass == in->tclass);
}

static bool is_super(const struct packet *p)
{
	return p->off.gso != GSO_NONE;
}

static uint32_t payload_len(const struct packet *p)
{
	return p->len - packet_headers_len(p);
}

static void sum_ip4_again(uint8_t *ip)
{
	uint16_t sum = 0;

	memcpy(ip + 10, &sum, 2);
	sum = (uint16_t)~checksum_fold(checksum_add(0, ip, (ip[0] & 15) * 4u));
	memcpy(ip + 10, &sum, 2);
}

/* The pseudo-header's length in the unfinished checksum: -@was +@is, one's complement. */
static void change_length(uint8_t *field, uint32_t was, uint32_t is)
{
	uint32_t sum = load16(field) + (is & 0xffff) + (~was & 0xffff);

	sum = (sum & 0xffff) + (sum >> 16);
	store16(field, (uint16_t)((sum & 0xffff) + (sum >> 16)));
}

struct packet sequence_law_segment(const struct packet *p, uint32_t at, uint32_t len, uint8_t *to)
{
	uint32_t head = packet_headers_len(p), last = at + len == p->len - head;
	struct packet q = { .data = to, .len = head + len, .room = head + len, .side = p->side,
			    .off = p->off };
	uint8_t *l4 = to + p->l4_at;

	memcpy(to, p->data, head);
	memcpy(to + head, p->data + head + at, len);
	change_length(to + p->off.csum_start + p->off.csum_offset, p->len - p->l4_at,
		      q.len - p->l4_at);
	if (p->proto == IPPROTO_UDP) {
		store16(l4 + 4, (uint16_t)(q.len - p->l4_at));
	} else {
		store32(l4 + 4, load32(l4 + 4) + at);
		l4[13] &= (uint8_t)~((last ? 0 : 0x09) | (at ? 0x80 : 0)); /* FIN, PSH; CWR */
	}
	if (p->family == 6) {
		store16(to + 4, (uint16_t)(q.len - 40));
	} else {
		store16(to + 2, (uint16_t)q.len);
		sum_ip4_again(to);
	}
	packet_finish_checksum(&q);
	q.off = (struct offload){ .gso = GSO_NONE };
	q.verdict = packet_parse(&q);
	return q;
}

struct packet sequence_law_first_segment(const struct packet *p, uint8_t *to)
{
	uint32_t n = payload_len(p);

	return sequence_law_segment(p, 0, is_super(p) && p->off.gso_size < n ? p->off.gso_size : n, to);
}

/** struct judged - packets in, packets out, one plain segment at a time
 * @next:      in the payload of @in: where the UDP datagram that leaves next begins at the earliest
 * @forwarded: bytes of its payload that have left
 */
struct judged {
	const struct gateway *g;
	const struct sequence_world *w;
	const struct packet *in;
	uint32_t next, forwarded;
};

/* The datagram of the super-packet that @out was: they leave in their order. */
static struct packet datagram_of(struct judged *j, const struct packet *out, uint8_t *to)
{
	uint32_t n = payload_len(j->in);
	struct packet q;

	for (; j->next < n; j->next += j->in->off.gso_size) {
		uint32_t left = n - j->next, size = j->in->off.gso_size;

		q = sequence_law_segment(j->in, j->next, left < size ? left : size, to);
		if (same_payload(out, &q))
			break;
	}
	law(j->next < n);
	j->next += j->in->off.gso_size;
	return q;
}

/* Return: what @out was when it came in, as a plain packet. */
static struct packet counterpart(struct judged *j, const struct packet *out)
{
	static uint8_t bytes[SEQUENCE_PLAIN_BYTES];
	const struct packet *in = j->in;
	uint32_t at, n;

	if (!in->off.csum_partial)
		return *in;
	if (!is_super(in) || !is_whole(out) || out->proto != in->proto)
		return sequence_law_first_segment(in, bytes);
	if (in->proto == IPPROTO_UDP)
		return datagram_of(j, out, bytes);
	at = load32(out->data + out->l4_at + 4) - load32(in->data + in->l4_at + 4);
	n = payload_len(out);
	if (at >= payload_len(in) || n > payload_len(in) - at)
		return sequence_law_first_segment(in, bytes);
	return sequence_law_segment(in, at, n, bytes);
}

/* No link has to carry what is too long for it; IPv6 asks for 1280 bytes of every link. An echo goes
 * back as long as it came. */
static void law_of_mtus(const struct judged *j, const struct packet *out)
{
	uint32_t mtu = j->g->snapshot->env.mtu[out->side];

	if (now_in && now_in->side == out->side && out->len <= now_in->len && is_icmp(out))
		return;
	law(out->len <= (out->family == 6 && mtu < 1280 ? 1280 : mtu));
}

static void judge_plain(struct judged *j, const struct packet *out)
{
	struct packet was;

	now_in = j->in;
	now_out = out;
	if (j->in) {
		was = counterpart(j, out);
		now_in = &was;
	}
	law_of_headers(out);
	law_of_mtus(j, out);
	law_of_sources(j->w, out, now_in);
	law_of_checksums(out, now_in);
	if (!now_in)
		return;
	law_of_what_is_forwarded(out, now_in);
	if (is_whole(out) && is_super(j->in) && sequence_law_is_forwarded(out, now_in))
		j->forwarded += payload_len(out);
}

static void judge(struct judged *j, const struct packet *out)
{
	static uint8_t bytes[SEQUENCE_PLAIN_BYTES];
	struct packet q;
	uint32_t n, size;

	now_in = j->in;
	now_out = out;
	law_of_headers(out);
	if (!out->off.csum_partial) {
		judge_plain(j, out);
		return;
	}
	n = payload_len(out);
	size = is_super(out) ? out->off.gso_size : n;
	for (uint32_t at = 0; at == 0 || at < n; at += size) {
		q = sequence_law_segment(out, at, n - at < size ? n - at : size, bytes);
		judge_plain(j, &q);
		if (!size)
			break;
	}
}

void sequence_law_out(const struct gateway *g, const struct sequence_world *w,
		      const struct packet *in)
{
	struct judged j = { .g = g, .w = w, .in = in };

	for (uint32_t i = 0; i < g->n_out; i++)
		judge(&j, &g->out[i].packet);
	now_in = in;
	if (in && is_super(in) && in->proto == IPPROTO_TCP && !gateway_drops(g, DROP_NO_BUFFER))
		law(j.forwarded == 0 || j.forwarded == payload_len(in));
	now_in = now_out = NULL;
}

/** struct census - what stands in the tables of all workers. */
struct census {
	uint32_t flows, nat64_flows, records, is_static, sessions;
	struct bib_record record[RECORDS_MAX];
};

/* Flows made less flows ended. */
static uint64_t still_there(const struct worker *w)
{
	return counter_read(&w->count[COUNT_FLOWS_CREATED_NAT64]) +
	       counter_read(&w->count[COUNT_FLOWS_CREATED_EGRESS6]) +
	       counter_read(&w->count[COUNT_FLOWS_CREATED_SERVICES]) -
	       counter_read(&w->count[COUNT_FLOWS_ENDED]);
}

/* What is shown to people is what there is. */
static void law_of_dumps(const struct gateway *g, const struct worker *w)
{
	static struct flow_record record[64];
	uint32_t cursor = 0, n = 0;

	while (cursor != UINT32_MAX) {
		uint32_t got = worker_dump_flows(w, g->now_ms, &cursor, record, ARRAY_LEN(record));

		for (uint32_t i = 0; i < got; i++)
			law(record[i].state < TCP_N_STATES &&
			    tcp_state_name((enum tcp_state)record[i].state));
		n += got;
	}
	law(n == w->flows.pool.used);
}

static void law_of_events(struct nat64 *n)
{
	struct nat64_event e;

	while (nat64_event_read(nat64_events(n), &e)) {
		law(e.kind >= NAT64_EVENT_BLOCK_ALLOCATED && e.kind <= NAT64_EVENT_POOL_EXHAUSTED);
		law(e.port_first <= e.port_last);
		law(!addr_is_v4(&e.inside));
	}
}

static void count_worker(struct census *c, const struct gateway *g, unsigned id)
{
	const struct worker *w = g->worker[id];
	uint32_t used = 0, cursor = 0;

	for (uint32_t i = 0; i < w->flows.pool.n; i++) {
		if (!flow_table_used(&w->flows, i))
			continue;
		used++;
		c->nat64_flows += w->flows.flow[i].policy == POLICY_NAT64;
	}
	law(used == w->flows.pool.used);
	law(still_there(w) == used);
	law_of_dumps(g, w);
	if (w->nat64)
		law_of_events(w->nat64);
	c->flows += used;
	while (w->nat64 && g->snapshot->nat64 && cursor != UINT32_MAX && c->records < RECORDS_MAX)
		c->records += nat64_dump(w->nat64, g->snapshot->nat64, &cursor,
					 c->record + c->records, RECORDS_MAX - c->records);
}

static int by_outside(const void *a, const void *b)
{
	const struct bib_record *x = a, *y = b;
	int order = addr_compare(&x->outside, &y->outside);

	if (order == 0)
		order = x->protocol - y->protocol;
	return order ? order : x->outside_port - y->outside_port;
}

static int by_inside(const void *a, const void *b)
{
	const struct bib_record *x = a, *y = b;
	int order = addr_compare(&x->inside, &y->inside);

	if (order == 0)
		order = x->protocol - y->protocol;
	return order ? order : x->inside_port - y->inside_port;
}

/* RFC 6146 3.1: one mapping for each transport address, either way. */
static void law_of_mappings(struct census *c)
{
	qsort(c->record, c->records, sizeof(c->record[0]), by_outside);
	for (uint32_t i = 1; i < c->records; i++)
		law(by_outside(&c->record[i - 1], &c->record[i]) != 0);
	qsort(c->record, c->records, sizeof(c->record[0]), by_inside);
	for (uint32_t i = 1; i < c->records; i++)
		law(by_inside(&c->record[i - 1], &c->record[i]) != 0);
}

void sequence_law_tables(const struct gateway *g, bool settled)
{
	static struct census c;
	uint32_t ports = 0, mappings = 0;

	c.flows = c.nat64_flows = c.records = c.is_static = c.sessions = 0;
	for (unsigned i = 0; i < g->n_workers; i++) {
		count_worker(&c, g, i);
		if (g->worker[i]->nat64) {
			ports += nat64_ports_used(g->worker[i]->nat64);
			mappings += nat64_mappings(g->worker[i]->nat64);
		}
	}
	law(c.flows == gateway_flows(g));
	for (uint32_t i = 0; i < c.records; i++) {
		c.is_static += c.record[i].is_static;
		c.sessions += c.record[i].n_sessions;
	}
	law(c.sessions <= c.nat64_flows);
	law_of_mappings(&c);
	if (!settled)
		return;
	law(mappings == c.records);
	law(ports == c.records);
	law(mappings - c.is_static <= c.nat64_flows);
}

static bool has_swept(const struct gateway *g)
{
	for (unsigned i = 0; i < g->n_workers; i++)
		if (g->worker[i]->seen_generation != g->snapshot->generation ||
		    g->worker[i]->sweep_at != FLOW_NONE)
			return false;
	return true;
}

static bool is_of(const struct flow *f, const struct bib_record *r)
{
	const uint8_t proto = f->key[1].proto;

	return r->outside_port == be16_to(f->key[1].dport) && addr_equal(&r->outside, &f->key[1].dst) &&
	       r->inside_port == be16_to(f->key[0].sport) && addr_equal(&r->inside, &f->key[0].src) &&
	       r->protocol == (proto == 6 ? NAT64_TCP : proto == 17 ? NAT64_UDP : NAT64_ICMP);
}

void sequence_law_owners(const struct gateway *g)
{
	static struct census c;

	c.records = 0;
	if (!g->snapshot->nat64 || !has_swept(g))
		return;
	for (unsigned i = 0; i < g->n_workers; i++)
		count_worker(&c, g, i);
	law(c.records < RECORDS_MAX);
	for (unsigned i = 0; i < g->n_workers; i++)
		for (uint32_t k = 0; k < g->worker[i]->flows.pool.n; k++) {
			const struct flow *f = &g->worker[i]->flows.flow[k];
			uint32_t r = 0;

			if (!flow_table_used(&g->worker[i]->flows, k) || f->policy != POLICY_NAT64)
				continue;
			while (r < c.records && !is_of(f, &c.record[r]))
				r++;
			law(r < c.records);
		}
}

/* Nobody has a block or a port any more, or rests on one: only what static entries are in is shared. Who had
 * the mapping that became one is still known. */
static void law_of_supply(const struct nat64 *n, uint32_t n_static)
{
	static const uint8_t protocols[] = { NAT64_TCP, NAT64_UDP, NAT64_ICMP };

	law(nat64_subscribers(n) <= n_static);
	for (unsigned i = 0; i < sizeof(protocols); i++) {
		struct nat64_need need = nat64_need(n, protocols[i]);

		law(need.free <= need.blocks);
		law(need.blocks - need.free <= n_static);
	}
}

void sequence_law_end(const struct gateway *g, uint32_t n_static)
{
	uint32_t ports = 0, mappings = 0;

	law(gateway_flows(g) == 0);
	for (unsigned i = 0; i < g->n_workers; i++) {
		law(g->worker[i]->wheel.n == 0);
		if (!g->worker[i]->nat64)
			continue;
		ports += nat64_ports_used(g->worker[i]->nat64);
		mappings += nat64_mappings(g->worker[i]->nat64);
		if (g->snapshot->nat64) /* else no time goes by for it */
			law_of_supply(g->worker[i]->nat64, n_static);
	}
	law(ports == n_static);
	law(mappings == n_static);
}
