/* zones.c - names whose records the operator has written down, and names of services. */
#include "zones.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "made.h"
#include "sixgate/base/wire.h"

static int take_name(struct dns_name *to, const char *from, struct err *e)
{
	if (!from)
		return 0;
	if (dns_name_parse(from, to))
		return err_set(e, -EINVAL, "dns64: zones: %s: not a domain name", from);
	dns_name_fold(to);
	return 0;
}

static void *copy_list(const void *from, size_t n, size_t size)
{
	void *to = calloc(n + 1, size);

	if (to && n)
		memcpy(to, from, n * size);
	return to;
}

static int take_entry(struct dns64_zone *z, const struct dns64_zone_conf *c, struct err *e)
{
	int rc = take_name(&z->name, c->name, e);

	if (rc == 0)
		rc = take_name(&z->cname, c->cname, e);
	if (rc == 0)
		rc = take_name(&z->ptr, c->ptr, e);
	if (rc)
		return rc;
	z->a = copy_list(c->a, c->n_a, sizeof(*z->a));
	z->aaaa = copy_list(c->aaaa, c->n_aaaa, sizeof(*z->aaaa));
	z->txt = copy_list(c->txt, c->n_txt, sizeof(*z->txt));
	z->n_a = c->n_a;
	z->n_aaaa = c->n_aaaa;
	z->n_txt = c->n_txt;
	memcpy(z->service, c->service, sizeof(z->service));
	z->answer = (enum dns64_zone_answer)c->answer;
	z->ttl_s = c->ttl_s ? c->ttl_s : *c->service ? DNS64_SERVICE_TTL_S : DNS64_ZONE_TTL_S;
	return z->a && z->aaaa && z->txt ? 0 : err_set(e, -ENOMEM, "dns64: out of memory");
}

static int compare_names(const struct dns_name *a, const struct dns_name *b)
{
	return a->len != b->len ? a->len - b->len : memcmp(a->octet, b->octet, a->len);
}

static int by_name(const void *a, const void *b)
{
	return compare_names(&((const struct dns64_zone *)a)->name,
			     &((const struct dns64_zone *)b)->name);
}

int zones__take(struct dns64_policy *p, const struct dns64_conf *conf, struct err *e)
{
	int rc = 0;

	p->zone = calloc(conf->n_zone + 1, sizeof(*p->zone));
	if (!p->zone)
		return err_set(e, -ENOMEM, "dns64: out of memory");
	for (size_t i = 0; i < conf->n_zone && rc == 0; i++)
		rc = take_entry(&p->zone[p->n_zone++], &conf->zone[i], e);
	if (rc == 0)
		qsort(p->zone, p->n_zone, sizeof(*p->zone), by_name);
	return rc;
}

void zones__free(struct dns64_policy *p)
{
	for (size_t i = 0; i < p->n_zone; i++) {
		free(p->zone[i].a);
		free(p->zone[i].aaaa);
		free(p->zone[i].txt);
	}
	free(p->zone);
}

const struct dns64_zone *zones__find(const struct dns64_policy *p, const struct dns_name *name)
{
	struct dns64_zone key;

	if (!p->n_zone)
		return NULL;
	key.name = *name;
	dns_name_fold(&key.name);
	return bsearch(&key, p->zone, p->n_zone, sizeof(key), by_name);
}

static const struct dns64_service *service_of(const struct resolver *r, const struct dns64_zone *z)
{
	for (size_t i = 0; i < r->n_services; i++)
		if (strcmp(r->service[i].name, z->service) == 0)
			return &r->service[i];
	return NULL;
}

/* struct chosen - the addresses of one family that an entry has now. */
struct chosen {
	struct addr addr[DNS64_ZONE_ADDRESSES_MAX];
	size_t n;
};

static void choose_of_list(const struct addr *list, size_t n, struct chosen *c)
{
	for (c->n = 0; c->n < n && c->n < DNS64_ZONE_ADDRESSES_MAX; c->n++)
		c->addr[c->n] = list[c->n];
}

static void choose_now(struct resolver *r, const struct dns64_zone *z, enum dns64_family family,
		       struct chosen *c)
{
	const struct dns64_service *s;

	if (!*z->service) {
		choose_of_list(family == DNS64_V4 ? z->a : z->aaaa,
			       family == DNS64_V4 ? z->n_a : z->n_aaaa, c);
		return;
	}
	s = service_of(r, z);
	c->n = s ? dns64_choose(s, z->answer, family, resolver__random(r), c->addr) : 0;
}

static bool no_ipv6_node_is_up(struct resolver *r, const struct dns64_zone *z)
{
	const struct dns64_service *s = *z->service ? service_of(r, z) : NULL;
	struct addr up[DNS64_CHOSEN_MAX];

	return s && z->answer == DNS64_ANSWER_NODES && !dns64_choose_up(s, DNS64_V6, 0, up) &&
	       dns64_choose_up(s, DNS64_V4, 0, up);
}

static size_t add_synthetic(struct made *m, const struct dns64_policy *p, const struct chosen *c)
{
	size_t made = 0;

	for (size_t i = 0; i < c->n; i++) {
		struct addr v6[DNS64_PREFIXES_MAX];
		size_t n = dns64__addresses(p, &c->addr[i], v6);

		for (size_t j = 0; j < n && made < DNS64_ZONE_ADDRESSES_MAX; j++, made++)
			made__answer(m, DNS_TYPE_AAAA, v6[j].octet, 16);
	}
	return made;
}

/* RFC 6147 5.1, of records that are known here. A service's IPv4 nodes that are up are better than
 * its IPv6 nodes that are not. */
static void add_aaaa(struct resolver *r, const struct zone_ask *ask, const struct dns64_zone *z,
		     struct made *m)
{
	bool may = !ask->checking_disabled && !dns64_never(ask->policy, &z->name);
	struct chosen v4, v6;

	choose_now(r, z, DNS64_V4, &v4);
	choose_now(r, z, DNS64_V6, &v6);
	if (may && (!v6.n || dns64_always(ask->policy, &z->name) || no_ipv6_node_is_up(r, z)) &&
	    add_synthetic(m, ask->policy, &v4)) {
		counter_add(&r->stats->synthesized, 1);
		return;
	}
	for (size_t i = 0; i < v6.n; i++)
		made__answer(m, DNS_TYPE_AAAA, v6.addr[i].octet, 16);
}

static void add_a(struct resolver *r, const struct dns64_zone *z, struct made *m)
{
	struct chosen v4;

	choose_now(r, z, DNS64_V4, &v4);
	for (size_t i = 0; i < v4.n; i++)
		made__answer(m, DNS_TYPE_A, v4.addr[i].octet + 12, 4);
}

static void add_text(const struct dns64_zone *z, struct made *m)
{
	for (size_t i = 0; i < z->n_txt; i++) {
		size_t len = strlen(z->txt[i].text);
		uint8_t data[DNS64_TEXT_MAX];

		data[0] = (uint8_t)len;
		memcpy(data + 1, z->txt[i].text, len);
		made__answer(m, DNS_TYPE_TXT, data, 1 + len);
	}
}

static void add_records(struct resolver *r, const struct zone_ask *ask, const struct dns64_zone *z,
			struct made *m)
{
	uint16_t type = ask->question->type;
	bool any = type == DNS_TYPE_ANY;

	if (any || type == DNS_TYPE_A)
		add_a(r, z, m);
	if (type == DNS_TYPE_AAAA)
		add_aaaa(r, ask, z, m);
	for (size_t i = 0; any && i < z->n_aaaa; i++)
		made__answer(m, DNS_TYPE_AAAA, z->aaaa[i].octet, 16);
	if (any || type == DNS_TYPE_TXT)
		add_text(z, m);
	if (z->ptr.len && (any || type == DNS_TYPE_PTR))
		made__answer(m, DNS_TYPE_PTR, z->ptr.octet, z->ptr.len);
}

static bool asks_for_alias(const struct dns_question *q)
{
	return q->type == DNS_TYPE_CNAME || q->type == DNS_TYPE_ANY;
}

const struct dns64_zone *zones__alias(const struct resolver *r, const struct dns_question *q)
{
	const struct dns64_zone *z =
		q->class == DNS_CLASS_IN ? zones__find(r->policy, &q->name) : NULL;

	if (!z || !z->cname.len || asks_for_alias(q) || zones__find(r->policy, &z->cname))
		return NULL;
	return z;
}

size_t zones__answer(struct resolver *r, const struct zone_ask *ask, uint8_t *out)
{
	const struct dns_question *q = ask->question;
	const struct dns64_zone *z =
		q->class == DNS_CLASS_IN ? zones__find(r->policy, &q->name) : NULL;
	struct made m;

	if (!z || zones__alias(r, q))
		return 0;
	if (*z->service && !service_of(r, z)) /* not told yet: no client may remember anything */
		return made__start(q, out, DNS_SERVFAIL).at;
	m = made__start(q, out, DNS_NOERROR);
	m.ttl_s = z->ttl_s;
	if (z->cname.len) {
		made__alias(&m, &z->cname);
		if (asks_for_alias(q))
			return m.at;
		z = zones__find(r->policy, &z->cname);
		m.ttl_s = z->ttl_s;
	}
	add_records(r, ask, z, &m);
	if (m.owner == MADE_OWNER_IS_QNAME ? !load16(out + 6) : load16(out + 6) == 1)
		made__soa(&m, &z->name);
	return m.at;
}
