/* synth.c - takes upstream answers apart with ldns and builds the ones that DNS64 makes of them.
 * The slow path: what is served unchanged never comes here. */
#include <stdbool.h> /* before ldns, which has one of its own */
#include <ldns/ldns.h>
#include <string.h>
#include "sixgate/base/must.h"
#include "sixgate/base/wire.h"
#include "dns64_internal.h"

/* Return: NULL also for what would take too long. */
static ldns_pkt *parse(const struct dns_view *view)
{
	const uint8_t *counts = view->wire + 6;
	ldns_pkt *pkt;

	if (load16(counts) + load16(counts + 2) + load16(counts + 4) > DNS64_REBUILT_MAX)
		return NULL;
	return ldns_wire2pkt(&pkt, view->wire, view->len) == LDNS_STATUS_OK ? pkt : NULL;
}

static void age_section(ldns_rr_list *list, const struct dns_view *view)
{
	for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
		ldns_rr *rr = ldns_rr_list_rr(list, i);
		uint32_t ttl = ldns_rr_ttl(rr) > INT32_MAX ? 0 : ldns_rr_ttl(rr);

		ttl = ttl > view->age_s ? ttl - view->age_s : 0;
		ldns_rr_set_ttl(rr, view->is_stale ? DNS64_STALE_TTL_S : ttl);
	}
}

static void age(ldns_pkt *pkt, const struct dns_view *view)
{
	age_section(ldns_pkt_answer(pkt), view);
	age_section(ldns_pkt_authority(pkt), view);
	age_section(ldns_pkt_additional(pkt), view);
}

static void clear_edns(ldns_pkt *pkt)
{
	pkt->_edns_present = 0;
	ldns_pkt_set_edns_udp_size(pkt, 0);
	ldns_pkt_set_edns_extended_rcode(pkt, 0);
	ldns_pkt_set_edns_version(pkt, 0);
	ldns_pkt_set_edns_z(pkt, 0);
	ldns_rdf_deep_free(ldns_pkt_edns_data(pkt));
	ldns_pkt_set_edns_data(pkt, NULL);
	ldns_edns_option_list_deep_free(pkt->_edns_list);
	pkt->_edns_list = NULL;
}

/* To wire form; if that is too long, without what is only helpful. */
static size_t write_out(ldns_pkt *pkt, uint8_t *out)
{
	uint8_t *wire = NULL;
	size_t len = 0;

	ldns_pkt_set_id(pkt, 0);
	ldns_pkt_set_aa(pkt, false);
	ldns_pkt_set_ra(pkt, true);
	clear_edns(pkt);
	if (ldns_pkt2wire(&wire, pkt, &len) != LDNS_STATUS_OK || len > DNS_MESSAGE_MAX)
		len = 0;
	if (len)
		memcpy(out, wire, len);
	free(wire);
	return len;
}

static bool owned_by(const ldns_rr *rr, const struct dns_name *name)
{
	const ldns_rdf *owner = ldns_rr_owner(rr);
	struct dns_name n = { .len = (uint8_t)ldns_rdf_size(owner) };

	if (ldns_rdf_size(owner) > DNS_NAME_MAX)
		return false;
	memcpy(n.octet, ldns_rdf_data(owner), n.len);
	return dns_name_equal(&n, name);
}

static bool covers(const ldns_rr *rr, ldns_rr_type type)
{
	return ldns_rr_get_type(rr) == LDNS_RR_TYPE_RRSIG && ldns_rr_rd_count(rr) > 0 &&
	       ldns_rdf2rr_type(ldns_rr_rrsig_typecovered(rr)) == type;
}

static const uint8_t *sole_rdata(const ldns_rr *rr, size_t size)
{
	const ldns_rdf *rdf = ldns_rr_rd_count(rr) == 1 ? ldns_rr_rdf(rr, 0) : NULL;

	return rdf && ldns_rdf_size(rdf) == size ? ldns_rdf_data(rdf) : NULL;
}

static bool push_aaaa(ldns_rr_list *list, const ldns_rr *a, const struct addr *v6, uint32_t ttl)
{
	ldns_rr *rr = ldns_rr_new();
	ldns_rdf *owner = ldns_rdf_clone(ldns_rr_owner(a));
	ldns_rdf *data = ldns_rdf_new_frm_data(LDNS_RDF_TYPE_AAAA, 16, v6->octet);

	if (!rr || !owner || !data || !ldns_rr_push_rdf(rr, data)) {
		ldns_rdf_deep_free(data);
		ldns_rdf_deep_free(owner);
		ldns_rr_free(rr);
		return false;
	}
	ldns_rr_set_owner(rr, owner);
	ldns_rr_set_type(rr, LDNS_RR_TYPE_AAAA);
	ldns_rr_set_class(rr, LDNS_RR_CLASS_IN);
	ldns_rr_set_ttl(rr, ttl);
	if (ldns_rr_list_push_rr(list, rr))
		return true;
	ldns_rr_free(rr);
	return false;
}

/* RFC 6147 5.1.7, under every prefix that may carry the address. */
static bool push_synthetic(const struct dns64_policy *p, ldns_rr_list *list, const ldns_rr *a,
			   uint32_t ttl_max)
{
	uint32_t ttl = ldns_rr_ttl(a) < ttl_max ? ldns_rr_ttl(a) : ttl_max;
	const uint8_t *octets = sole_rdata(a, 4);
	struct addr v4, v6[DNS64_PREFIXES_MAX];
	size_t n;

	if (!octets)
		return true;
	v4 = addr_from_v4(octets);
	n = dns64__addresses(p, &v4, v6);
	for (size_t i = 0; i < n && ldns_rr_list_rr_count(list) < DNS64_RECORDS_MAX; i++)
		if (!push_aaaa(list, a, &v6[i], ttl))
			return false;
	return true;
}

/* The answer section for AAAA: chain records in their order, A replaced, signatures of A gone. */
static ldns_rr_list *synthetic_answer(const struct dns64_policy *p, ldns_rr_list *from,
				      const struct dns_name *end, uint32_t ttl_max)
{
	ldns_rr_list *to = ldns_rr_list_new();
	bool good = to != NULL;

	for (size_t i = 0; good && i < ldns_rr_list_rr_count(from); i++) {
		ldns_rr *rr = ldns_rr_list_rr(from, i);

		if (covers(rr, LDNS_RR_TYPE_A))
			continue;
		if (ldns_rr_get_type(rr) != LDNS_RR_TYPE_A)
			good = ldns_rr_list_push_rr(to, ldns_rr_clone(rr));
		else if (ldns_rr_get_class(rr) == LDNS_RR_CLASS_IN && owned_by(rr, end))
			good = push_synthetic(p, to, rr, ttl_max);
	}
	if (good)
		return to;
	ldns_rr_list_deep_free(to);
	return NULL;
}

static void replace_answer(ldns_pkt *pkt, ldns_rr_list *list)
{
	ldns_rr_list_deep_free(ldns_pkt_answer(pkt));
	ldns_pkt_set_answer(pkt, list);
	ldns_pkt_set_ancount(pkt, (uint16_t)ldns_rr_list_rr_count(list));
}

static void drop_section(ldns_pkt *pkt, ldns_pkt_section section)
{
	if (section == LDNS_SECTION_AUTHORITY) {
		ldns_rr_list_deep_free(ldns_pkt_authority(pkt));
		ldns_pkt_set_authority(pkt, ldns_rr_list_new());
	} else {
		ldns_rr_list_deep_free(ldns_pkt_additional(pkt));
		ldns_pkt_set_additional(pkt, ldns_rr_list_new());
	}
	ldns_pkt_set_section_count(pkt, section, 0);
}

/* By ldns: for answers that no shape describes. */
static size_t rebuild_with_aaaa(const struct dns64_policy *p, const struct dns_view *a,
				uint32_t ttl_max, uint8_t *out)
{
	ldns_pkt *pkt = parse(a);
	ldns_rr_list *answer;
	struct dns_name end;
	size_t len = 0;

	if (!pkt)
		return 0;
	age(pkt, a);
	dns64__chain_end(a, &end);
	answer = synthetic_answer(p, ldns_pkt_answer(pkt), &end, ttl_max);
	if (answer) {
		replace_answer(pkt, answer);
		ldns_rr_set_type(ldns_rr_list_rr(ldns_pkt_question(pkt), 0), LDNS_RR_TYPE_AAAA);
		ldns_pkt_set_ad(pkt, false); /* RFC 6147 5.5, 3: nobody signed this */
		len = write_out(pkt, out);
		if (!len) { /* too long: A records grow by 12 bytes each */
			drop_section(pkt, LDNS_SECTION_AUTHORITY);
			drop_section(pkt, LDNS_SECTION_ADDITIONAL);
			len = write_out(pkt, out);
		}
	}
	ldns_pkt_free(pkt);
	return len;
}

size_t dns64_synthesize(const struct dns64_policy *p, const struct dns_view *a, uint32_t ttl_max,
			uint8_t *out)
{
	const struct room room = { .out = out, .most = DNS_MESSAGE_MAX };
	size_t len = SIZE_MAX;

	if (a->shape && a->shape->is_a)
		len = dns64__graft(p, a, ttl_max, &room);
	if (len > room.most)
		return rebuild_with_aaaa(p, a, ttl_max, out);
	if (len && len + (a->len - a->shape->a_end) <= room.most)
		return dns64__graft_more(a, a->shape->n_records, out, len);
	return len;
}

static bool is_excluded(const struct dns64_policy *p, const ldns_rr *rr, bool always)
{
	const uint8_t *octets;

	if (covers(rr, LDNS_RR_TYPE_AAAA))
		return true; /* the set it signs is no longer whole */
	if (ldns_rr_get_type(rr) == LDNS_RR_TYPE_A)
		return true; /* a wrong answer to AAAA */
	if (ldns_rr_get_type(rr) != LDNS_RR_TYPE_AAAA)
		return false;
	octets = sole_rdata(rr, 16);
	return octets && (always || dns64__excluded(p, octets));
}

size_t dns64_filter(const struct dns64_policy *p, const struct dns_view *aaaa, uint8_t *out)
{
	ldns_pkt *pkt = parse(aaaa);
	ldns_rr_list *from, *to;
	struct dns_question q;
	size_t len = 0;
	bool always;

	if (!pkt)
		return 0;
	must(dns_question_read(aaaa->wire, aaaa->len, &q));
	always = dns64_always(p, &q.name);
	age(pkt, aaaa);
	from = ldns_pkt_answer(pkt);
	to = ldns_rr_list_new();
	for (size_t i = 0; to && i < ldns_rr_list_rr_count(from); i++)
		if (!is_excluded(p, ldns_rr_list_rr(from, i), always))
			ldns_rr_list_push_rr(to, ldns_rr_clone(ldns_rr_list_rr(from, i)));
	if (to) {
		replace_answer(pkt, to);
		ldns_pkt_set_ad(pkt, false);
		len = write_out(pkt, out);
	}
	ldns_pkt_free(pkt);
	return len;
}

static ldns_rdf *name_rdf(const struct dns_name *name)
{
	return ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, name->len, name->octet);
}

static ldns_rr *alias(const struct dns_name *from, const struct dns_name *to, uint32_t ttl)
{
	ldns_rr *rr = ldns_rr_new();

	if (!rr)
		return NULL;
	ldns_rr_set_owner(rr, name_rdf(from));
	ldns_rr_set_type(rr, LDNS_RR_TYPE_CNAME);
	ldns_rr_set_class(rr, LDNS_RR_CLASS_IN);
	ldns_rr_set_ttl(rr, ttl);
	ldns_rr_push_rdf(rr, name_rdf(to));
	return rr;
}

size_t dns64_alias(const struct dns_name *from, uint32_t ttl_s, const struct dns_view *view,
		   uint8_t *out)
{
	ldns_pkt *pkt = parse(view);
	struct dns_question target;
	ldns_rr_list *answer;
	size_t len = 0;

	if (!pkt)
		return 0;
	must(dns_question_read(view->wire, view->len, &target));
	age(pkt, view);
	answer = ldns_rr_list_new();
	if (answer && ldns_rr_list_push_rr(answer, alias(from, &target.name, ttl_s))) {
		ldns_rr *question = ldns_rr_list_rr(ldns_pkt_question(pkt), 0);

		for (size_t i = 0; i < ldns_rr_list_rr_count(ldns_pkt_answer(pkt)); i++)
			ldns_rr_list_push_rr(
				answer,
				ldns_rr_clone(ldns_rr_list_rr(ldns_pkt_answer(pkt), i)));
		replace_answer(pkt, answer);
		ldns_rdf_deep_free(ldns_rr_owner(question));
		ldns_rr_set_owner(question, name_rdf(from));
		ldns_pkt_set_ad(pkt, false);
		len = write_out(pkt, out);
	}
	ldns_pkt_free(pkt);
	return len;
}

size_t dns64_reverse(const struct dns_question *q, const struct dns_view *ptr, uint8_t *out)
{
	return dns64_alias(&q->name, DNS64_LOCAL_TTL_S, ptr, out);
}

size_t dns64_rebuild(const struct dns_view *view, uint8_t *out)
{
	ldns_pkt *pkt = parse(view);
	size_t len;

	if (!pkt)
		return 0;
	age(pkt, view);
	len = write_out(pkt, out);
	ldns_pkt_free(pkt);
	return len;
}
