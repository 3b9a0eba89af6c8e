/*
 * nat64_bib.c - laws of the BIB under random sessions and reloads, against a naive list of sessions
 * (RFC 6146 3.1, 3.5; RFC 4787 REQ-1): an inside transport address has one outside one; no outside
 * one is given twice; who may come in from outside follows from the sessions alone; and when all
 * have ended, nothing is left.
 */
#include "../unit/nat64/bed.h"
#include "sixgate/nat64/event.h"
#include "sixgate/nat64/lend.h"

enum { SESSIONS_MAX = 600, HOSTS = 24, PORTS = 6, STEPS = 20000, ROUNDS = 6, WORKERS = 3 };

/** struct session - one that the gateway believes in; @worker opened it. */
struct session {
	bool live;
	unsigned worker;
	struct flow_plan plan;
};

struct model {
	struct bed *b;
	uint64_t seed;
	unsigned n_live;
	struct session session[SESSIONS_MAX];
	uint64_t n_in, n_out, n_answered, n_refused, n_reloads, n_stale, n_lent;
	uint64_t n_told[NAT64_EVENT_POOL_EXHAUSTED + 1];
};

static bool stale(const struct model *m, const struct session *s)
{
	struct flow f = flow_of(&s->plan);

	return nat64_flow_stale(m->b->t, m->b->n[s->worker], &f);
}

static bool from_outside(const struct session *s)
{
	return s->plan.flags & FLOW_FROM_OUTSIDE;
}

/* The inside transport address of both, protocol included. */
static bool same_inside(const struct session *a, const struct session *b)
{
	return addr_equal(&a->plan.key[0].src, &b->plan.key[0].src) &&
	       be16_equal(a->plan.key[0].sport, b->plan.key[0].sport) &&
	       a->plan.key[0].proto == b->plan.key[0].proto;
}

static bool same_outside(const struct session *a, const struct session *b)
{
	return addr_equal(&a->plan.key[1].dst, &b->plan.key[1].dst) &&
	       be16_equal(a->plan.key[1].dport, b->plan.key[1].dport) &&
	       a->plan.key[1].proto == b->plan.key[1].proto;
}

static bool static_owns(const struct model *m, const struct session *s)
{
	static const uint8_t proto[] = { [1] = 6, [2] = 17, [4] = 58 };

	for (size_t i = 0; i < m->b->conf.n_static; i++) {
		const struct static_conf *c = &m->b->entry[i];

		if (addr_equal(&c->outside, &s->plan.key[1].dst) &&
		    c->outside_port == be16_to(s->plan.key[1].dport) &&
		    proto[c->protocol] == s->plan.key[0].proto &&
		    addr_equal(&c->inside, &s->plan.key[0].src) &&
		    c->inside_port == be16_to(s->plan.key[0].sport))
			return true;
	}
	return false;
}

/* Address and port are what the configuration gives out, or a static entry's. */
static void check_configured(const struct model *m, const struct session *s)
{
	uint16_t port = be16_to(s->plan.key[1].dport);

	if (static_owns(m, s))
		return;
	for (size_t i = 0; i < m->b->conf.n_pool4; i++) {
		const struct pool4_conf *c = &m->b->pool4[i];

		if (addr_compare(&c->first, &s->plan.key[1].dst) <= 0 &&
		    addr_compare(&s->plan.key[1].dst, &c->last) <= 0 && port >= c->port_first &&
		    port <= c->port_last)
			return;
	}
	fail_msg("port %u is not in pool4", port);
}

static void check_against_all(const struct model *m, const struct session *fresh)
{
	check_configured(m, fresh);
	/* both directions are steered to the worker that has it */
	assert_int_equal(owner_of_tuple(m->b->steer, &fresh->plan.key[0], SIDE_INSIDE),
			 fresh->worker);
	assert_int_equal(owner_of_tuple(m->b->steer, &fresh->plan.key[1], SIDE_OUTSIDE),
			 fresh->worker);
	for (unsigned i = 0; i < SESSIONS_MAX; i++) {
		const struct session *s = &m->session[i];

		if (s == fresh || !s->live || stale(m, s))
			continue;
		assert_int_equal(same_inside(s, fresh), same_outside(s, fresh));
	}
}

static struct session *free_session(struct model *m)
{
	for (unsigned i = 0; i < SESSIONS_MAX; i++)
		if (!m->session[i].live)
			return &m->session[i];
	return NULL;
}

static struct session *random_session(struct model *m)
{
	for (unsigned i = 0; i < 64; i++) {
		struct session *s = &m->session[rnd(&m->seed) % SESSIONS_MAX];

		if (s->live)
			return s;
	}
	return NULL;
}

static void random_host(struct model *m, struct addr *host, uint16_t *port)
{
	*host = addr_of("2001:db8:1::1");
	host->octet[7] = (uint8_t)(rnd(&m->seed) % HOSTS);
	*port = (uint16_t)(4000 + rnd(&m->seed) % PORTS);
}

static struct session *accept_session(struct model *m, const struct packet *p, const struct flow_plan *plan)
{
	struct session *s = free_session(m);

	*s = (struct session){ .live = true, .plan = *plan,
			       .worker = owner_of_tuple(m->b->steer, &p->key,
							(enum side)p->side) };
	m->n_live++;
	check_against_all(m, s);
	return s;
}

static void open_inside(struct model *m)
{
	static const uint8_t protos[] = { 6, 17, 58 };
	struct tuple t = { .dst = addr_of("64:ff9b:1::203.0.113.0"),
			   .proto = protos[rnd(&m->seed) % 3] };
	struct flow_plan plan;
	struct packet p;
	uint16_t port;

	random_host(m, &t.src, &port);
	t.dst.octet[15] = (uint8_t)(rnd(&m->seed) % 200);
	t.sport = be16_from(port);
	t.dport = t.proto == 58 ? t.sport : be16_from(80);
	p = first_packet(&t);
	if (bed_ask(m->b, &p, &plan).next == VERDICT_CONTINUE) {
		m->n_in++;
		accept_session(m, &p, &plan);
	} else {
		m->n_refused++;
	}
}

/* May somebody outside use the mapping of @like? By the sessions alone. */
static bool may_enter(const struct model *m, const struct session *like)
{
	unsigned inside = 0;

	for (unsigned i = 0; i < SESSIONS_MAX; i++) {
		const struct session *s = &m->session[i];

		inside += s->live && same_outside(s, like) && same_inside(s, like) && !stale(m, s) &&
			  !from_outside(s);
	}
	return inside || static_owns(m, like);
}

static void end_session(struct model *m, struct session *s)
{
	struct flow f = flow_of(&s->plan);

	nat64_flow_ended(m->b->n[s->worker], &f, m->b->now_ms);
	s->live = false;
	m->n_live--;
}

/* Sessions that are not complete and wait at the mapping of @like; *@one is one of them. */
static unsigned strangers(struct model *m, const struct session *like, struct session **one)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SESSIONS_MAX; i++) {
		struct session *s = &m->session[i];

		if (!s->live || !from_outside(s) || s->worker != like->worker ||
		    s->plan.object != like->plan.object)
			continue;
		n++;
		*one = s;
	}
	return n;
}

/* As many as may wait do, and one more: one goes. */
static void check_crowd(struct model *m, const struct session *fresh)
{
	struct session *one = NULL;

	if (static_owns(m, fresh)) /* may have more than there are here */
		return;
	assert_int_equal(strangers(m, fresh, &one) > NAT64_INBOUND_PER_MAPPING, fresh->plan.crowded);
	if (fresh->plan.crowded)
		end_session(m, one);
}

static void open_outside(struct model *m)
{
	struct session *like = random_session(m);
	struct flow_plan plan;
	struct verdict v;
	struct packet p;
	struct tuple t;

	if (!like || stale(m, like))
		return;
	t = like->plan.key[1];
	t.src = addr_from_ip4_host(0xc6336400 + (uint32_t)rnd(&m->seed) % 250);
	if (t.proto != 1)
		t.sport = be16_from((uint16_t)rnd(&m->seed));
	p = first_packet(&t);
	v = bed_ask(m->b, &p, &plan);
	assert_int_equal(v.next == VERDICT_CONTINUE, may_enter(m, like));
	if (v.next != VERDICT_CONTINUE)
		return;
	m->n_out++;
	assert_true(addr_equal(&plan.key[0].src, &like->plan.key[0].src));
	check_crowd(m, accept_session(m, &p, &plan));
}

static void answer_one(struct model *m)
{
	struct session *s = random_session(m);
	struct flow f;

	if (!s || !from_outside(s))
		return;
	f = flow_of(&s->plan);
	must(nat64_flow_answered(m->b->n[s->worker], m->b->t, &f, m->b->now_ms).next ==
	     VERDICT_CONTINUE);
	m->n_answered++;
	s->plan.flags &= (uint8_t)~FLOW_FROM_OUTSIDE;
}

static void end_some(struct model *m, unsigned n)
{
	while (n--) {
		struct session *s = random_session(m);

		if (s)
			end_session(m, s);
	}
}

static void random_pool(struct model *m)
{
	struct bed *b = m->b;
	uint32_t n = 1 + (uint32_t)rnd(&m->seed) % 2;

	b->conf.n_pool4 = 0;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t first = 0xc0000200 + (uint32_t)rnd(&m->seed) % 6;
		uint16_t port = (uint16_t)(1024 + rnd(&m->seed) % 4000);

		b->pool4[b->conf.n_pool4++] = (struct pool4_conf){
			.first = addr_from_ip4_host(first),
			.last = addr_from_ip4_host(first + (uint32_t)rnd(&m->seed) % 3),
			.port_first = port,
			.port_last = (uint16_t)(port + rnd(&m->seed) % 1500),
			.protocols = NAT64_TCP | NAT64_UDP | NAT64_ICMP };
	}
}

static bool entry_clashes(const struct bed *b, const struct static_conf *s)
{
	for (size_t i = 0; i < b->conf.n_static; i++) {
		const struct static_conf *c = &b->entry[i];

		if (c->protocol == s->protocol &&
		    ((addr_equal(&c->inside, &s->inside) && c->inside_port == s->inside_port) ||
		     (addr_equal(&c->outside, &s->outside) && c->outside_port == s->outside_port)))
			return true;
	}
	return false;
}

static void random_statics(struct model *m)
{
	struct bed *b = m->b;
	unsigned n = (unsigned)rnd(&m->seed) % 20;

	b->conf.n_static = 0;
	for (unsigned i = 0; i < n; i++) {
		struct static_conf s = { .protocol = (uint8_t)(1u << rnd(&m->seed) % 3),
					 .outside = b->pool4[0].first,
					 .outside_port = (uint16_t)(b->pool4[0].port_first +
								    rnd(&m->seed) % 300) };

		random_host(m, &s.inside, &s.inside_port);
		if (!entry_clashes(b, &s))
			b->entry[b->conf.n_static++] = s;
	}
}

/* Free blocks of one worker are set aside for another, and some of them go to it. */
static void lend_some(struct model *m)
{
	struct nat64_deal deal = { .protocol = (uint8_t)(1u << rnd(&m->seed) % 3),
				   .from = (uint8_t)(rnd(&m->seed) % WORKERS),
				   .to = (uint8_t)(rnd(&m->seed) % WORKERS),
				   .n = 1 + (uint32_t)rnd(&m->seed) % 5 };
	struct nat64_loan loan[NAT64_LOAN_MAX];
	uint32_t n;

	nat64_ask_loan(m->b->n[deal.from], &deal);
	bed_advance(m->b, 1);
	n = nat64_take_loans(m->b->n[deal.from], loan, NAT64_LOAN_MAX);
	for (uint32_t i = 0; i < n; i++)
		if (rnd(&m->seed) % 4)
			m->n_lent += nat64_table_lend(m->b->t, &loan[i], deal.to);
}

/* After a reload: what is not stale obeys the new configuration; what is, goes in time. */
static void reload(struct model *m)
{
	if (rnd(&m->seed) % 2)
		random_pool(m);
	random_statics(m);
	m->b->conf.port_parity = rnd(&m->seed) % 2;
	m->b->conf.limits.ports = rnd(&m->seed) % 2 ? 0 : 20;
	if (rnd(&m->seed) % 2)
		lend_some(m);
	bed_reload(m->b);
	m->n_reloads++;
	for (unsigned i = 0; i < SESSIONS_MAX; i++) {
		struct session *s = &m->session[i];

		if (!s->live)
			continue;
		if (!stale(m, s))
			check_against_all(m, s);
		else if (rnd(&m->seed) % 2)
			end_session(m, s);
		m->n_stale += s->live && stale(m, s);
	}
}

static void step(struct model *m)
{
	unsigned dice = (unsigned)(rnd(&m->seed) % 1000);

	bed_advance(m->b, rnd(&m->seed) % 1000);
	if (dice < 450 && m->n_live < SESSIONS_MAX)
		open_inside(m);
	else if (dice < 600 && m->n_live < SESSIONS_MAX)
		open_outside(m);
	else if (dice < 650)
		answer_one(m);
	else if (dice < 998)
		end_some(m, m->n_live > SESSIONS_MAX / 2 ? 3 : 1);
	else
		reload(m);
}

static void hear_events(struct model *m)
{
	struct nat64_event e;

	for (unsigned w = 0; w < WORKERS; w++) {
		while (nat64_event_read(nat64_events(m->b->n[w]), &e))
			m->n_told[e.kind]++;
		assert_int_equal(counter_read(&nat64_events(m->b->n[w])->lost), 0);
	}
}

static void step_and_hear(struct model *m, unsigned i)
{
	step(m);
	if (i % 500 == 0)
		hear_events(m);
}

static void nothing_is_left_when_all_have_ended(struct model *m)
{
	uint32_t mappings = 0, ports = 0;

	for (unsigned i = 0; i < SESSIONS_MAX; i++)
		if (m->session[i].live)
			end_session(m, &m->session[i]);
	m->b->conf.n_static = 0;
	bed_reload(m->b);
	bed_advance(m->b, 121000);
	hear_events(m);
	assert_int_equal(m->n_told[NAT64_EVENT_SESSION_CREATED],
			 m->n_told[NAT64_EVENT_SESSION_DELETED]);
	assert_int_equal(m->n_told[NAT64_EVENT_SESSION_CREATED], m->n_in + m->n_answered);
	for (unsigned w = 0; w < WORKERS; w++) {
		assert_int_equal(nat64_subscribers(m->b->n[w]), 0);
		mappings += nat64_mappings(m->b->n[w]);
		ports += nat64_ports_used(m->b->n[w]);
	}
	assert_int_equal(mappings, 0);
	assert_int_equal(ports, 0);
}

static void sessions_and_reloads_obey_the_laws_of_the_bib(void **state)
{
	uint64_t seed = test_seed();

	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct model *m = calloc(1, sizeof(*m));

		assert_non_null(m);
		m->seed = rnd(&seed);
		m->b = bed_new(WORKERS);
		bed_prefix(m->b, "64:ff9b:1::/96");
		m->b->conf.filtering = NAT64_ENDPOINT_INDEPENDENT;
		random_pool(m);
		random_statics(m);
		m->b->conf.quarantine.time_s = round % 2 ? 120 : 0;
		m->b->conf.log_what = NAT64_LOG_BLOCKS | NAT64_LOG_SESSIONS;
		bed_up(m->b, 200);
		for (unsigned i = 0; i < STEPS; i++)
			step_and_hear(m, i);
		nothing_is_left_when_all_have_ended(m);
		print_message("round %u: %llu from inside, %llu from outside, %llu refused, "
			      "%llu reloads, %llu stale, %llu lent\n", round, (unsigned long long)m->n_in,
			      (unsigned long long)m->n_out, (unsigned long long)m->n_refused,
			      (unsigned long long)m->n_reloads, (unsigned long long)m->n_stale,
			      (unsigned long long)m->n_lent);
		assert_true(m->n_in > STEPS / 10 && m->n_out > STEPS / 50);
		bed_free(m->b);
		free(m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sessions_and_reloads_obey_the_laws_of_the_bib),
	};

	return cmocka_run_group_tests_name("nat64_bib", tests, NULL, NULL);
}
