/* answer.c - what is kept of an upstream's message: checked, without OPT, with its lifetime. */
#include <stdlib.h>
#include <string.h>
#include "sixgate/base/must.h"
#include "sixgate/base/wire.h"
#include "sixgate/dns64/cache.h"
#include "sixgate/dns64/synth.h"

/* struct survey - one walk over a message that is about to be kept. */
struct survey {
	struct dns_rr opt;
	size_t n_opt, n_aliases, soa_ttl_at;
	uint32_t lowest_ttl, soa_ttl;
	bool opt_is_last, has_soa, has_data, has_tsig, is_cut;
};

static uint32_t at_most(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static void survey_rr(const uint8_t *wire, uint16_t qtype, const struct dns_rr *rr,
		      struct survey *s)
{
	s->opt_is_last = rr->type == DNS_TYPE_OPT;
	if (rr->type == DNS_TYPE_OPT) {
		s->opt = *rr;
		s->n_opt += rr->section == DNS_ADDITIONAL && wire[rr->owner_at] == 0 ? 1 : 2;
		return;
	}
	s->has_tsig |= rr->type == DNS_TYPE_TSIG;
	s->n_aliases += rr->type == DNS_TYPE_CNAME && rr->section == DNS_ANSWER;
	s->lowest_ttl = at_most(s->lowest_ttl, rr->ttl);
	if (rr->class == DNS_CLASS_IN)
		s->is_cut |= (rr->type == DNS_TYPE_A && rr->rdlen != 4) ||
			     (rr->type == DNS_TYPE_AAAA && rr->rdlen != 16);
	if (rr->section == DNS_ANSWER && (rr->type == qtype || qtype == DNS_TYPE_ANY))
		s->has_data = true;
	if (rr->section == DNS_AUTHORITY && rr->type == DNS_TYPE_SOA && rr->rdlen >= 22 &&
	    !s->has_soa) {
		s->has_soa = true;
		s->soa_ttl_at = rr->ttl_at;
		s->soa_ttl = at_most(rr->ttl, load32(wire + rr->rdata_at + rr->rdlen - 4));
	}
}

static bool survey(const uint8_t *wire, size_t len, uint16_t qtype, struct survey *s)
{
	struct dns_walk w;
	struct dns_rr rr;

	*s = (struct survey){ .lowest_ttl = DNS64_TTL_MAX_S };
	dns_walk_start(&w, wire, len);
	while (dns_walk_next(&w, &rr))
		survey_rr(wire, qtype, &rr, s);
	/* RFC 8945 5.3: who did not sign its question gets no signed answer. ldns would lose memory
	 * over two of them. Longer chains of aliases than anybody follows are to make work. */
	return !w.failed && w.at == len && s->n_opt <= 1 && s->n_aliases <= DNS_CHAIN_MAX &&
	       !s->has_tsig && !s->is_cut;
}

static uint16_t count_records(const uint8_t *wire)
{
	return (uint16_t)(load16(wire + 6) + load16(wire + 8) + load16(wire + 10));
}

/* The counts in the header are those of the records that are there: survey(). */
static struct dns64_answer *copy(const uint8_t *wire, size_t len)
{
	const size_t offsets_at = (len + 1) & ~(size_t)1, n = count_records(wire);
	struct dns64_answer *a = malloc(sizeof(*a) + offsets_at + n * sizeof(*a->shape.ttl_at));

	_Static_assert(offsetof(struct dns64_answer, wire) % 2 == 0, "offsets are aligned");
	if (!a)
		return NULL;
	*a = (struct dns64_answer){ .refs = 1, .len = (uint32_t)len, .n_records = (uint16_t)n };
	a->shape.ttl_at = (void *)(a->wire + offsets_at);
	memcpy(a->wire, wire, len);
	return a;
}

/* An OPT in the middle cannot just be cut out: later names may be pointed at. */
static struct dns64_answer *copy_rebuilt(const uint8_t *wire, size_t len)
{
	struct dns_view view = { .wire = wire, .len = len };
	uint8_t *out = malloc(DNS_MESSAGE_MAX);
	struct dns64_answer *a = NULL;
	size_t n = out ? dns64_rebuild(&view, out) : 0;

	if (n)
		a = copy(out, n);
	free(out);
	return a;
}

static struct dns64_answer *copy_without_opt(const uint8_t *wire, size_t len,
					     const struct survey *s)
{
	struct dns64_answer *a;

	if (!s->n_opt)
		return copy(wire, len);
	if (!s->opt_is_last)
		return copy_rebuilt(wire, len);
	a = copy(wire, s->opt.owner_at);
	if (a)
		store16(a->wire + 10, (uint16_t)(load16(a->wire + 10) - 1));
	return a;
}

/* RFC 2308 5: a negative answer lives as its SOA says, and the SOA in it counts down from there;
 * without SOA it is not kept. RFC 9520 3.2: failures of all kinds are, for seconds. */
static uint32_t lifetime(struct dns64_answer *a, const struct survey *s)
{
	unsigned rcode = load16(a->wire + 2) & DNS_RCODE;

	if (rcode != DNS_NOERROR && rcode != DNS_NXDOMAIN)
		return DNS64_FAILURE_TTL_S;
	if (rcode == DNS_NOERROR && s->has_data)
		return s->lowest_ttl;
	if (!s->has_soa)
		return 0;
	return at_most(at_most(s->lowest_ttl, s->soa_ttl), DNS64_NEGATIVE_TTL_MAX_S);
}

/* Of the flags, what the upstream validated and the response code stay. With an OPT the code has 12
 * bits (RFC 6891 6.1.3); those above 15 are all failures. */
static void reduce_flags(struct dns64_answer *a, const struct survey *s)
{
	unsigned rcode = load16(a->wire + 2) & DNS_RCODE;
	unsigned flags = DNS_QR | DNS_RA | (load16(a->wire + 2) & DNS_AD);

	if (s->n_opt && s->opt.ttl >> 24)
		rcode = DNS_SERVFAIL;
	store16(a->wire + 2, (uint16_t)(flags | rcode));
}

static void flip_ttls(const struct dns64_answer *a, uint8_t *copy)
{
	struct dns_walk w;
	struct dns_rr rr;

	dns_walk_start(&w, a->wire, a->len);
	while (dns_walk_next(&w, &rr))
		store32(copy + rr.ttl_at, ~load32(a->wire + rr.ttl_at));
}

static bool same_owners(const struct dns64_answer *a, const uint8_t *copy)
{
	struct dns_walk w[2];
	struct dns_rr rr[2];
	struct dns_name owner[2];

	dns_walk_start(&w[0], a->wire, a->len);
	dns_walk_start(&w[1], copy, a->len);
	while (dns_walk_next(&w[0], &rr[0]))
		if (!dns_walk_next(&w[1], &rr[1]))
			return false;
		else if (rr[0].same_owner && rr[1].same_owner)
			continue;
		else if (!dns_name_read(a->wire, a->len, rr[0].owner_at, &owner[0]) ||
		    !dns_name_read(copy, a->len, rr[1].owner_at, &owner[1]) ||
		    !dns_name_equal(&owner[0], &owner[1]))
			return false;
	return true;
}

/* TTLs are counted down in place. A name that points into one (RFC 1035 4.1.4: pointers are to
 * names) would change with it: no server writes such a message. */
static bool names_outlive_ttls(const struct dns64_answer *a)
{
	uint8_t *copy = malloc(a->len);
	bool good = false;

	if (copy) {
		memcpy(copy, a->wire, a->len);
		flip_ttls(a, copy);
		good = same_owners(a, copy);
	}
	free(copy);
	return good;
}

struct dns64_answer *dns64_answer_new(const struct dns64_key *key, const uint8_t *wire, size_t len,
				      uint64_t now_ms)
{
	const struct dns_name *name = &key->question.name;
	struct dns64_answer *a;
	struct survey s;

	if (!survey(wire, len, key->question.type, &s))
		return NULL;
	a = copy_without_opt(wire, len, &s);
	if (!a)
		return NULL;
	must(a->len >= DNS_HEADER_LEN + name->len + 4u);
	if (!names_outlive_ttls(a)) {
		dns64_answer_put(a);
		return NULL;
	}
	reduce_flags(a, &s);
	store16(a->wire, 0);
	memcpy(a->wire + DNS_HEADER_LEN, name->octet, name->len);
	a->at_ms = now_ms;
	a->flags = key->flags;
	a->ede = (int16_t)(s.n_opt ? dns_ede_read(wire, &s.opt) : DNS_EDE_NONE);
	/* The SOA's place may have moved in a rebuilt message: such a one is used, not kept. */
	a->ttl_s = s.n_opt && !s.opt_is_last ? 0 : lifetime(a, &s);
	if (s.has_soa && a->ttl_s)
		store32(a->wire + s.soa_ttl_at, at_most(s.soa_ttl, DNS64_NEGATIVE_TTL_MAX_S));
	dns_shape_read(a->wire, a->len, &a->shape);
	return a;
}

struct dns64_answer *dns64_answer_get(struct dns64_answer *a)
{
	a->refs++;
	return a;
}

void dns64_answer_put(struct dns64_answer *a)
{
	if (!a)
		return;
	must(a->refs > 0);
	if (--a->refs == 0)
		free(a);
}

bool dns64_answer_failed(const struct dns64_answer *a)
{
	unsigned rcode = a->wire[3] & DNS_RCODE;

	return rcode != DNS_NOERROR && rcode != DNS_NXDOMAIN &&
	       !(a->ede >= DNS_EDE_DNSSEC_FIRST && a->ede <= DNS_EDE_DNSSEC_LAST);
}

uint32_t dns64_answer_age(const struct dns64_answer *a, uint64_t now_ms)
{
	uint64_t s = now_ms > a->at_ms ? (now_ms - a->at_ms) / 1000 : 0;

	return s > UINT32_MAX ? UINT32_MAX : (uint32_t)s;
}
