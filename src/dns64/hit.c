/* hit.c - the answer to a question whose answer is known, from wire to wire: no record of the query
 * is made, nothing is allocated, nothing is taken apart. What is not of the usual kind goes the long
 * way through task.c, which would say the same: every rule there is either kept here or a reason to
 * decline. */
#include <limits.h>
#include <string.h>
#include "sixgate/base/wire.h"
#include "dns64_internal.h"
#include "resolver.h"
#include "zones.h"

enum {
	OF_INTEREST = DNS_QR | DNS_OPCODE | DNS_RD,
	OPT_VERSION = 6, /* where it stands */
	OPT_DO = 0x8000,
	OPTION_HEAD = 4, /* code, length */
	ARPA_LEN = 6, /* label, root */
};

/* Labels only, no pointer: it is the first name. Return: octets with the root label, 0 if wrong. */
static size_t name_len(const uint8_t *name, size_t room)
{
	size_t at = 0;

	if (room > DNS_NAME_MAX)
		room = DNS_NAME_MAX;
	while (at < room && name[at] && name[at] <= DNS_LABEL_MAX)
		at += 1u + name[at];
	return at < room && !name[at] ? at + 1 : 0;
}

static void copy_name(const uint8_t *from, size_t len, struct hit *h)
{
	struct dns_name *asked = &h->query.question.name, *folded = &h->name;

	asked->len = folded->len = (uint8_t)len;
	memcpy(asked->octet, from, len);
	for (size_t i = 0; i < len; i++) {
		uint8_t c = from[i];

		folded->octet[i] = (uint8_t)(c + ((uint8_t)(c - 'A') < 26 ? 'a' - 'A' : 0));
	}
}

/* RFC 7873 4. A wrong length is an error, which is told the long way. */
static bool read_cookie(const uint8_t *option, size_t len, struct dns_query *q)
{
	if (len != DNS_COOKIE_CLIENT_LEN && (len < DNS_COOKIE_LEN_MIN || len > DNS_COOKIE_MAX))
		return false;
	memcpy(q->cookie, option + OPTION_HEAD, len);
	q->cookie_len = (uint8_t)len;
	return true;
}

/* All of them are whole, and of cookies the first one counts. The others are nothing to us. */
static bool read_options(const uint8_t *p, size_t left, struct dns_query *q)
{
	while (left) {
		size_t len = left < OPTION_HEAD ? left : load16(p + 2);

		if (left < OPTION_HEAD + len ||
		    (load16(p) == DNS_OPTION_COOKIE && !q->cookie_len && !read_cookie(p, len, q)))
			return false;
		p += OPTION_HEAD + len;
		left -= OPTION_HEAD + len;
	}
	return true;
}

/* RFC 6891 6.1.2; @len: all that is left of the message. */
static bool read_opt(const uint8_t *opt, size_t len, struct dns_query *q)
{
	uint16_t size;

	if (len < DNS_OPT_LEN || opt[0] || load16(opt + 1) != DNS_TYPE_OPT ||
	    opt[OPT_VERSION] || len != DNS_OPT_LEN + (size_t)load16(opt + 9))
		return false;
	size = load16(opt + 3);
	q->has_opt = true;
	q->dnssec_ok = load16(opt + 7) & OPT_DO;
	q->udp_size = size < DNS_UDP_CLASSIC ? DNS_UDP_CLASSIC :
		      size > DNS_UDP_PAYLOAD ? DNS_UDP_PAYLOAD : size;
	return read_options(opt + DNS_OPT_LEN, len - DNS_OPT_LEN, q);
}

/* A plain recursive question for data, in class IN, and an OPT or not; nothing behind. Bits that mean
 * nothing in a query are not looked at. */
static bool read_query(const uint8_t *wire, size_t len, struct hit *h)
{
	struct dns_query *q = &h->query;
	size_t n, opt;

	if (len < DNS_HEADER_LEN + 5 || load16(wire + 4) != 1 || load32(wire + 6))
		return false;
	n = name_len(wire + DNS_HEADER_LEN, len - DNS_HEADER_LEN - 4);
	opt = DNS_HEADER_LEN + n + 4;
	if (!n || load16(wire + 10) != (len != opt))
		return false;
	q->id = load16(wire);
	q->flags = load16(wire + 2);
	q->question.type = load16(wire + opt - 4);
	q->question.class = load16(wire + opt - 2);
	if ((q->flags & OF_INTEREST) != DNS_RD || q->question.class != DNS_CLASS_IN)
		return false;
	q->has_opt = q->dnssec_ok = false;
	q->cookie_len = 0;
	q->udp_size = DNS_UDP_CLASSIC;
	copy_name(wire + DNS_HEADER_LEN, n, h);
	return len == opt || read_opt(wire + opt, len - opt, q);
}

/* Types with rules of their own, and all below arpa: RFC 8880, RFC 6147 5.3.1. */
static bool is_special(const struct hit *h)
{
	const struct dns_name *name = &h->name;
	uint16_t type = h->query.question.type;

	return type == DNS_TYPE_OPT || type == DNS_TYPE_PTR ||
	       (type >= DNS_TYPE_TKEY && type <= DNS_TYPE_ANY) ||
	       (name->len >= ARPA_LEN &&
		memcmp(name->octet + name->len - ARPA_LEN, "\4arpa", ARPA_LEN) == 0);
}

static struct dns64_answer *known(struct hit *h, uint16_t type)
{
	struct dns64_answer *a;
	unsigned rcode;

	h->probe.type = type;
	a = dns64_cache_probe(h->r->cache, &h->probe, h->r->now_ms);
	if (!a || !a->shape.known || resolver__is_to_renew(h->r, a))
		return NULL;
	rcode = a->wire[3] & DNS_RCODE;
	return rcode == DNS_NOERROR || rcode == DNS_NXDOMAIN ? a : NULL;
}

static struct dns_view view_of(const struct hit *h, const struct dns64_answer *a)
{
	return (struct dns_view){ .wire = a->wire,
				  .len = a->len,
				  .shape = &a->shape,
				  .age_s = dns64_answer_age(a, h->r->now_ms) };
}

static size_t room_of(const struct hit *h)
{
	size_t opt = h->query.has_opt ? DNS64_OPT_MAX : 0;

	if (h->query.cookie_len && h->r->policy->cookies)
		opt += DNS64_OPT_COOKIE;
	return h->query.udp_size - opt;
}

/* The client's spelling, id, flags and OPT around what stands in @out. */
static size_t finish(struct hit *h, size_t len, int ede)
{
	const struct dns_name *name = &h->query.question.name;
	unsigned rcode = h->out[3] & DNS_RCODE;

	memcpy(h->out + DNS_HEADER_LEN, name->octet, name->len);
	dns64__put_flags(&h->query, rcode, h->out);
	counter_add(&h->r->stats->replies, 1);
	counter_add(&h->r->stats->rcode[h->policy->view_index][rcode], 1);
	dns64__turn(&h->query, h->out, len);
	if (!h->query.has_opt)
		return len;
	resolver__answer_cookie(h->r, h->peer, &h->query);
	return dns64__put_opt(&h->query, rcode, ede, h->out, len);
}

/* Nothing but the question, for what does not fit; @made: its flags. */
static size_t say_cut(struct hit *h, uint16_t made, int ede)
{
	const struct dns_question *q = &h->query.question;
	size_t at = DNS_HEADER_LEN + q->name.len, len;

	memset(h->out, 0, DNS_HEADER_LEN);
	store16(h->out + 2, made);
	store16(h->out + 4, 1);
	store16(h->out + at, q->type);
	store16(h->out + at + 2, q->class);
	counter_add(&h->r->stats->truncated, 1);
	len = finish(h, at + 4, ede);
	store16(h->out + 2, load16(h->out + 2) | DNS_TC);
	return len;
}

static size_t say_as_is(struct hit *h, const struct dns64_answer *a, unsigned n_legs)
{
	const struct dns_shape *s = &a->shape;
	struct dns_view view = view_of(h, a);
	size_t answer_end = dns_shape_end(s, a->wire, s->n_answer), len;
	unsigned n = dns64__fitting(&h->query, &view, answer_end, room_of(h));

	counter_add(&h->r->stats->cache_hits, n_legs);
	counter_add(&h->r->stats->passed, 1);
	if (n > s->n_records)
		return say_cut(h, load16(a->wire + 2), a->ede);
	len = dns_shape_end(s, a->wire, n);
	memcpy(h->out, a->wire, len);
	dns64__put_ttls(&view, 0, n, h->out);
	if (n < s->n_records)
		store16(h->out + 10, 0);
	if (n == s->n_answer)
		store16(h->out + 8, 0);
	return finish(h, len, a->ede);
}

static size_t say_synthesized(struct hit *h, const struct dns64_answer *aaaa,
			      const struct dns64_answer *a)
{
	const struct room room = { .out = h->out, .most = room_of(h) };
	struct dns_view view = view_of(h, a);
	uint32_t age_s = dns64_answer_age(aaaa, h->r->now_ms);
	/* There is an SOA: a denial without is not kept. */
	uint32_t ttl_max = aaaa->shape.negative_ttl > age_s ? aaaa->shape.negative_ttl - age_s : 0;
	size_t len = dns64__graft(h->policy, &view, ttl_max, &room);
	unsigned n = UINT_MAX;

	/* what has no AAAA, or would be too long even by TCP, is said in another way */
	if (!len || a->len - a->shape.a_end > DNS_MESSAGE_MAX - room.most)
		return 0;
	counter_add(&h->r->stats->cache_hits, 2);
	counter_add(&h->r->stats->synthesized, 1);
	if (len <= room.most)
		n = dns64__fitting(&h->query, &view, len, room.most);
	if (n == UINT_MAX)
		return say_cut(h, DNS_QR | DNS_RA, DNS_EDE_SYNTHESIZED);
	return finish(h, dns64__graft_more(&view, n, h->out, len), DNS_EDE_SYNTHESIZED);
}

static bool none_excluded(const struct hit *h, const struct dns64_answer *aaaa)
{
	const struct dns_shape *s = &aaaa->shape;

	if (h->policy->n_always && dns64_always(h->policy, &h->name))
		return false;
	for (unsigned i = 0; i < s->n_answer; i++) {
		const uint8_t *ttl = aaaa->wire + s->ttl_at[i];

		if (load16(ttl - 4) == DNS_TYPE_AAAA && dns64__excluded(h->policy, ttl + 6))
			return false;
	}
	return true;
}

/* RFC 6147 5.1, the cases in which everything is known and nothing failed: dns64_decide(). */
static size_t say_aaaa(struct hit *h, const struct dns64_answer *aaaa)
{
	const struct dns64_answer *a;

	if (aaaa->shape.is_aaaa && (aaaa->wire[3] & DNS_RCODE) == DNS_NOERROR)
		return none_excluded(h, aaaa) ? say_as_is(h, aaaa, 1) : 0;
	if (!aaaa->shape.no_addresses)
		return 0;
	if ((aaaa->wire[3] & DNS_RCODE) == DNS_NXDOMAIN)
		return say_as_is(h, aaaa, 1);
	if (h->policy->withheld) /* and that is not to be remembered for long */
		return 0;
	if (!h->policy->n_prefix)
		return say_as_is(h, aaaa, 1);
	a = known(h, DNS_TYPE_A);
	if (!a)
		return 0;
	if (a->shape.no_addresses)
		return say_as_is(h, aaaa, 2);
	if (!a->shape.is_a || (a->wire[3] & DNS_RCODE) != DNS_NOERROR)
		return 0;
	return say_synthesized(h, aaaa, a);
}

/* For the question's type, and the other one that an AAAA query may need. */
static void each_probe(struct hit *h, void (*fetch)(const struct dns64_cache *c,
						    const struct dns64_probe *p))
{
	uint16_t type = h->query.question.type;

	h->probe.type = type;
	fetch(h->r->cache, &h->probe);
	h->probe.type = DNS_TYPE_A;
	if (type == DNS_TYPE_AAAA)
		fetch(h->r->cache, &h->probe);
}

/* Other records than an OPT are nothing to us, but have to be looked at. */
static bool read_odd_query(const uint8_t *wire, size_t len, struct hit *h)
{
	struct dns_query *q = &h->query;

	if (dns_query_read(wire, len, q) != DNS_NOERROR || !q->question.name.len)
		return false;
	copy_name(wire + DNS_HEADER_LEN, q->question.name.len, h);
	return q->flags & DNS_RD && q->question.class == DNS_CLASS_IN;
}

void resolver__hit_read(struct resolver *r, const uint8_t *wire, size_t len, struct hit *h)
{
	h->usual = (read_query(wire, len, h) || read_odd_query(wire, len, h)) && !is_special(h);
	if (!h->usual)
		return;
	h->r = r;
	h->probe = dns64_cache_probe_of(r->cache, &h->name);
	h->probe.flags = (h->query.dnssec_ok ? DNS64_KEY_DO : 0) |
			 (h->query.flags & DNS_CD ? DNS64_KEY_CD : 0);
	each_probe(h, dns64_cache_fetch_index);
}

void resolver__hit_fetch(struct hit *h)
{
	if (h->usual)
		each_probe(h, dns64_cache_fetch);
}

size_t resolver__hit_say(struct hit *h, const struct client *c, uint8_t *out)
{
	const struct resolver *r = h->r;
	const struct dns64_answer *a;

	if (!h->usual)
		return 0;
	if (r->policy->n_zone && zones__find(r->policy, &h->name))
		return 0; /* ours, whatever was heard before it was */
	h->policy = resolver__policy_for(r, c);
	h->peer = &c->peer;
	h->out = out;
	a = known(h, h->query.question.type);
	if (!a)
		return 0;
	if (h->query.question.type != DNS_TYPE_AAAA || h->query.flags & DNS_CD ||
	    (h->policy->n_never && dns64_never(h->policy, &h->name)))
		return say_as_is(h, a, 1);
	return say_aaaa(h, a);
}

size_t resolver__hit(struct resolver *r, const struct client *c, const uint8_t *wire, size_t len,
		     uint8_t *out)
{
	struct hit h;

	resolver__hit_read(r, wire, len, &h);
	resolver__hit_fetch(&h);
	return resolver__hit_say(&h, c, out);
}
