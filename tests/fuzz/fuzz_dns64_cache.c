/*
 * fuzz_dns64_cache.c - the input is an answer to A that is kept, and how old it is when it is served.
 * What is made of it by patching octets parses with ldns, and is what ldns makes of it: AAAA in place
 * of A, TTLs lowered.
 *
 * Octets: flags (1: stale, 2: the prefixes may carry private addresses, 4: one prefix only), age in
 * units of 8 s, negative TTL in units of 16 s, then the message; its question is made right.
 */
#include <stdbool.h> /* before ldns, which has one of its own */
#include <ldns/ldns.h>
#include <stdlib.h>
#include "dns64_internal.h"
#include "sixgate/base/must.h"
#include "sixgate/base/wire.h"
#include "sixgate/dns64/cache.h"

static struct dns64_policy *policy_of(uint8_t how)
{
	struct dns64_upstream_conf upstream = { .port = 53 };
	struct dns64_mapped_conf mapped[2];
	struct prefix prefix[2];
	struct dns64_policy *p;
	struct dns64_conf c;
	struct err e;

	dns64_conf_default(&c);
	must(prefix_parse("64:ff9b::/96", &prefix[0]) == 0);
	must(prefix_parse("2001:db8:122::/48", &prefix[1]) == 0);
	must(prefix_parse("198.18.0.0/15", &mapped[0].v4) == 0);
	must(prefix_parse("203.0.113.0/24", &mapped[1].v4) == 0);
	must(prefix_parse("2001:db8:7::/48", &mapped[0].v6) == 0);
	mapped[1].v6.len = 0;
	c.prefix = prefix;
	c.n_prefix = how & 4 ? 1 : 2;
	c.mapped = mapped;
	c.n_mapped = 2;
	c.allow_private = (how & 2) != 0;
	c.upstream = &upstream;
	c.n_upstream = 1;
	must(dns64_policy_new(&p, &c, &e) == 0);
	return p;
}

static void same_records(ldns_rr_list *a, ldns_rr_list *b)
{
	must(ldns_rr_list_rr_count(a) == ldns_rr_list_rr_count(b));
	for (size_t i = 0; i < ldns_rr_list_rr_count(a); i++) {
		uint8_t *wire[2] = { NULL, NULL };
		size_t len[2];

		/* ldns spells a name as it stood where it points to. */
		ldns_rr2canonical(ldns_rr_list_rr(a, i));
		ldns_rr2canonical(ldns_rr_list_rr(b, i));
		must(ldns_rr2wire(&wire[0], ldns_rr_list_rr(a, i), LDNS_SECTION_ANSWER, &len[0]) == 0);
		must(ldns_rr2wire(&wire[1], ldns_rr_list_rr(b, i), LDNS_SECTION_ANSWER, &len[1]) == 0);
		must(len[0] == len[1] && memcmp(wire[0], wire[1], len[0]) == 0);
		free(wire[0]);
		free(wire[1]);
	}
}

/* The same to whoever takes them apart; compression may differ. */
static void same(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	ldns_pkt *x, *y;

	must(ldns_wire2pkt(&x, a, a_len) == LDNS_STATUS_OK);
	must(ldns_wire2pkt(&y, b, b_len) == LDNS_STATUS_OK);
	must(memcmp(a, b, DNS_HEADER_LEN) == 0); /* flags, counts */
	must(ldns_rr_compare(ldns_rr_list_rr(ldns_pkt_question(x), 0),
			     ldns_rr_list_rr(ldns_pkt_question(y), 0)) == 0);
	same_records(ldns_pkt_answer(x), ldns_pkt_answer(y));
	same_records(ldns_pkt_authority(x), ldns_pkt_authority(y));
	same_records(ldns_pkt_additional(x), ldns_pkt_additional(y));
	ldns_pkt_free(x);
	ldns_pkt_free(y);
}

static void check_synthesis(const struct dns64_policy *p, const struct dns_view *v, uint32_t ttl_max)
{
	static uint8_t grafted[DNS_MESSAGE_MAX], built[DNS_MESSAGE_MAX];
	struct dns_view plain = *v;
	size_t n, m;

	if (!v->shape->is_a || v->shape->n_records > DNS64_REBUILT_MAX)
		return;
	n = dns64_synthesize(p, v, ttl_max, grafted);
	plain.shape = NULL;
	m = dns64_synthesize(p, &plain, ttl_max, built);
	must(m);
	if (!n) { /* none may be carried */
		must(dns64_examine(p, v, DNS_EDE_NONE).n_usable == 0);
		return;
	}
	same(grafted, n, built, m);
}

/* The places that the shape knows are all that a walk finds, and what the facts say is so. */
static void check_shape(const struct dns64_policy *p, const struct dns_view *v)
{
	struct dns64_facts f = dns64_examine(p, v, DNS_EDE_NONE);
	uint8_t *a = malloc(v->len), *b = malloc(v->len);

	must(a && b);
	memcpy(a, v->wire, v->len);
	memcpy(b, v->wire, v->len);
	dns64__put_ttls(v, 0, v->shape->n_records, a);
	if (v->is_stale)
		dns_set_ttls(b, v->len, DNS64_STALE_TTL_S);
	else
		dns_age(b, v->len, v->age_s);
	must(memcmp(a, b, v->len) == 0);
	free(a);
	free(b);
	if (v->shape->no_addresses)
		must(!f.n_usable && !f.n_excluded && !f.is_signed);
	if (v->shape->is_a)
		must(!f.is_signed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct dns64_policy *policies[8];
	struct dns64_key key = { .question = { .type = DNS_TYPE_A, .class = DNS_CLASS_IN } };
	struct dns64_policy **policy;
	struct dns64_answer *a;
	struct dns_question q;
	struct dns_view v;

	if (size < 3 || !dns_question_read(data + 3, size - 3, &q))
		return 0;
	policy = &policies[data[0] & 7];
	if (!*policy)
		*policy = policy_of(data[0]);
	key.question.name = q.name;
	dns_name_fold(&key.question.name);
	if (q.type != DNS_TYPE_A || q.class != DNS_CLASS_IN)
		return 0;
	a = dns64_answer_new(&key, data + 3, size - 3, 0);
	if (!a)
		return 0;
	v = (struct dns_view){ .wire = a->wire, .len = a->len, .shape = &a->shape,
			       .age_s = 8u * data[1], .is_stale = data[0] & 1 };
	if (a->shape.known) {
		check_shape(*policy, &v);
		check_synthesis(*policy, &v, 16u * data[2]);
	}
	dns64_answer_put(a);
	return 0;
}
