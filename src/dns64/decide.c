/* decide.c - what the answers of the two legs say, and what follows from them (RFC 6147 5.1). Pure
 * functions over wire bytes; nothing is built here. */
#include "sixgate/base/must.h"
#include "sixgate/base/wire.h"
#include "dns64_internal.h"

/* struct links - the CNAMEs of an answer: where owner and target stand; @n of them */
struct links {
	struct link {
		size_t owner_at, target_at, end;
	} of[DNS_CHAIN_MAX];
	unsigned n;
};

static void find_links(const struct dns_view *view, struct links *l)
{
	struct dns_walk w;
	struct dns_rr rr;

	l->n = 0;
	dns_walk_start(&w, view->wire, view->len);
	while (l->n < DNS_CHAIN_MAX && dns_walk_next(&w, &rr) && rr.section == DNS_ANSWER)
		if (rr.type == DNS_TYPE_CNAME && rr.class == DNS_CLASS_IN)
			l->of[l->n++] =
				(struct link){ rr.owner_at, rr.rdata_at, rr.rdata_at + rr.rdlen };
}

void dns64__chain_end(const struct dns_view *view, struct dns_name *end)
{
	struct dns_question q;
	struct links l;
	bool moved = true;

	must(dns_question_read(view->wire, view->len, &q));
	*end = q.name;
	find_links(view, &l);
	/* Chains come in order, so one pass is the rule; their number bounds both disorder and
	 * loops. */
	for (unsigned n = 0; moved && n < l.n;) {
		moved = false;
		for (unsigned i = 0; i < l.n && n < l.n; i++) {
			const struct link *k = &l.of[i];
			struct dns_name owner, target;

			if (!dns_name_read(view->wire, view->len, k->owner_at, &owner) ||
			    !dns_name_equal(&owner, end) ||
			    !dns_name_read(view->wire, k->end, k->target_at, &target))
				continue;
			*end = target;
			moved = true;
			n++;
		}
	}
}

bool dns64__excluded(const struct dns64_policy *p, const uint8_t octets[16])
{
	struct addr a = addr_from_v6(octets);

	for (size_t i = 0; i < p->n_exclude; i++)
		if (prefix_contains(&p->exclude[i], &a))
			return true;
	return false;
}

static bool may_carry(const struct dns64_policy *p, const struct pool6 *prefix,
		      const struct addr *v4)
{
	return p->allow_private || !pool6_is_well_known(prefix) || addr_is_global_v4(v4);
}

static const struct dns64_mapped *mapped_of(const struct dns64_policy *p, const struct addr *v4)
{
	const struct dns64_mapped *best = NULL;

	for (size_t i = 0; i < p->n_mapped; i++)
		if (prefix_contains(&p->mapped[i].v4, v4) &&
		    (!best || p->mapped[i].v4.len > best->v4.len))
			best = &p->mapped[i];
	return best;
}

size_t dns64__addresses(const struct dns64_policy *p, const struct addr *v4, struct addr *out)
{
	const struct dns64_mapped *m = mapped_of(p, v4);
	size_t n = 0;

	if (m && (m->hidden || !may_carry(p, &m->to, v4) || !p->n_prefix))
		return 0;
	if (m) {
		out[0] = rfc6052_embed(&m->to, v4);
		return 1;
	}
	for (size_t i = 0; i < p->n_prefix && n < DNS64_PREFIXES_MAX; i++)
		if (may_carry(p, &p->prefix[i], v4))
			out[n++] = rfc6052_embed(&p->prefix[i], v4);
	return n;
}

static bool is_carried(const struct dns64_policy *p, const uint8_t octets[4])
{
	struct addr v4 = addr_from_v4(octets), v6[DNS64_PREFIXES_MAX];

	return dns64__addresses(p, &v4, v6) > 0;
}

/* RFC 2308 5: the lesser of the SOA's own TTL and its last field, which ends the data. */
static uint32_t soa_negative_ttl(const uint8_t *wire, const struct dns_rr *soa)
{
	uint32_t minimum;

	if (soa->rdlen < 22)
		return 0;
	minimum = load32(wire + soa->rdata_at + soa->rdlen - 4);
	return minimum < soa->ttl ? minimum : soa->ttl;
}

static void examine_answer(const struct dns64_policy *p, const uint8_t *wire,
			   const struct dns_rr *rr, bool always, struct dns64_facts *f)
{
	const uint8_t *data = wire + rr->rdata_at;

	if (rr->type == DNS_TYPE_AAAA && rr->rdlen == 16 && (always || dns64__excluded(p, data)))
		f->n_excluded++;
	else if (rr->type == DNS_TYPE_AAAA && rr->rdlen == 16)
		f->n_usable++;
	else if (rr->type == DNS_TYPE_A && rr->rdlen == 4 &&
		 (f->n_usable >= DNS64_RECORDS_MAX || is_carried(p, data)))
		f->n_usable++;
}

/* struct owned - whether the last owner that was looked at is the end of the chain; -1: not known */
struct owned {
	const struct dns_view *view;
	const struct dns_name *end;
	int by_end;
};

static bool is_owned(struct owned *o, const struct dns_rr *rr)
{
	struct dns_name owner;

	if (o->by_end < 0)
		o->by_end = dns_name_read(o->view->wire, o->view->len, rr->owner_at, &owner) &&
			    dns_name_equal(&owner, o->end);
	return o->by_end;
}

struct dns64_facts dns64_examine(const struct dns64_policy *p, const struct dns_view *view, int ede)
{
	struct dns64_facts f = { .rcode = load16(view->wire + 2) & DNS_RCODE,
				 .negative_ttl = DNS64_NO_SOA_TTL_S };
	struct dns_question q;
	struct dns_name end;
	struct owned owned = { view, &end, -1 };
	struct dns_walk w;
	struct dns_rr rr;
	bool always;

	must(dns_question_read(view->wire, view->len, &q));
	f.bogus = ede >= DNS_EDE_DNSSEC_FIRST && ede <= DNS_EDE_DNSSEC_LAST;
	always = dns64_always(p, &q.name);
	dns64__chain_end(view, &end);
	dns_walk_start(&w, view->wire, view->len);
	while (dns_walk_next(&w, &rr)) {
		uint16_t covered = rr.type == DNS_TYPE_RRSIG && rr.rdlen >= 2 ?
					   load16(view->wire + rr.rdata_at) :
					   0;

		if (!rr.same_owner)
			owned.by_end = -1;
		if (rr.section == DNS_ANSWER && covered == q.type)
			f.is_signed = true;
		if (rr.section == DNS_AUTHORITY && covered)
			f.is_signed = true;
		if (rr.section == DNS_AUTHORITY && rr.type == DNS_TYPE_SOA && !f.has_soa) {
			uint32_t ttl = soa_negative_ttl(view->wire, &rr);

			f.has_soa = true;
			f.negative_ttl = ttl > view->age_s ? ttl - view->age_s : 0;
			if (view->is_stale)
				f.negative_ttl = DNS64_STALE_TTL_S;
		}
		/* Some servers answer AAAA with A: that is no data, and not to be shown. */
		if (rr.section == DNS_ANSWER && q.type == DNS_TYPE_AAAA && rr.type == DNS_TYPE_A)
			f.n_excluded++;
		if (rr.section == DNS_ANSWER && rr.type == q.type && rr.class == DNS_CLASS_IN &&
		    is_owned(&owned, &rr))
			examine_answer(p, view->wire, &rr, always, &f);
	}
	return f;
}

bool dns64_untouchable(const struct dns64_policy *p, const struct dns64_legs *l,
		       const struct dns64_facts *f)
{
	return l->dnssec_ok && f->is_signed && !p->break_dnssec;
}

/* Whatever A says. While prefixes are withheld A is asked: they may come back. */
static bool makes_nothing(const struct dns64_policy *p)
{
	return !p->n_prefix && !p->withheld;
}

/* The AAAA leg gave nothing: what the A leg makes of it (RFC 6147 5.1.6). */
static enum dns64_next decide_by_a(const struct dns64_policy *p, const struct dns64_legs *l)
{
	bool answered = l->aaaa_state == LEG_ANSWERED;

	/* Of nothing but excluded records nothing is left that says how long to remember that; the
	 * A answer may have an SOA. */
	if (makes_nothing(p) && !l->aaaa.n_excluded)
		return answered ? DNS64_REPLY_ORIGINAL : DNS64_REPLY_SERVFAIL;
	switch (l->a_state) {
	case LEG_IDLE:
		return DNS64_ASK_A;
	case LEG_WAITING:
		return DNS64_WAIT;
	case LEG_FAILED:
	case LEG_BARRED:
		return DNS64_REPLY_SERVFAIL;
	case LEG_ANSWERED:
		break;
	}
	/* An error here must not become "no such data": a client would remember that. */
	if (l->a.rcode != DNS_NOERROR && l->a.rcode != DNS_NXDOMAIN)
		return DNS64_REPLY_SERVFAIL;
	if (l->a.rcode == DNS_NOERROR && l->a.n_usable && !dns64_untouchable(p, l, &l->a))
		return DNS64_REPLY_SYNTHESIZED;
	return answered ? DNS64_REPLY_ORIGINAL : DNS64_REPLY_SERVFAIL;
}

static enum dns64_next decide_by_aaaa(const struct dns64_policy *p, const struct dns64_legs *l)
{
	const struct dns64_facts *f = &l->aaaa;

	if (f->rcode == DNS_NXDOMAIN)
		return DNS64_REPLY_ORIGINAL; /* 5.1.2 */
	if (f->rcode == DNS_NOERROR)
		return f->n_usable || dns64_untouchable(p, l, f) ? DNS64_REPLY_ORIGINAL :
								   decide_by_a(p, l);
	/* Whoever can break a signature must not be able to turn IPv6 into NAT64. */
	if (f->bogus || !p->synthesize_on_error)
		return DNS64_REPLY_ORIGINAL;
	return decide_by_a(p, l);
}

enum dns64_next dns64_decide(const struct dns64_policy *p, const struct dns64_legs *l)
{
	enum dns64_next next;

	switch (l->aaaa_state) {
	case LEG_ANSWERED:
		return decide_by_aaaa(p, l);
	case LEG_FAILED:
		return p->synthesize_on_error ? decide_by_a(p, l) : DNS64_REPLY_SERVFAIL;
	case LEG_BARRED:
		return DNS64_REPLY_SERVFAIL;
	case LEG_IDLE:
	case LEG_WAITING:
		break;
	}
	if (l->a_state == LEG_IDLE && !makes_nothing(p))
		return p->parallel || (l->impatient && p->synthesize_on_error) ? DNS64_ASK_A :
										 DNS64_WAIT;
	if (!l->impatient || !p->synthesize_on_error)
		return DNS64_WAIT;
	/* 5.1.3: out of time. Nothing but a good A answer settles it; else the AAAA leg may still
	 * come. */
	next = decide_by_a(p, l);
	return next == DNS64_REPLY_SYNTHESIZED ? next : DNS64_WAIT;
}
