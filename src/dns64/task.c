/* task.c - one client's query from its arrival to its answer: what is never asked, what is asked
 * as it is, AAAA (RFC 6147 5.1), PTR (5.3.1). */
#include <stdio.h>
#include <string.h>
#include "sixgate/base/must.h"
#include "dns64_internal.h"
#include "resolver.h"
#include "told.h"
#include "zones.h"

uint16_t resolver__client_slot(const struct resolver *r, const struct sockaddr_in6 *peer)
{
	struct addr a = addr_from_v6(peer->sin6_addr.s6_addr);
	bool link_local = IN6_IS_ADDR_LINKLOCAL(&peer->sin6_addr);
	uint64_t hash = addr_is_v4(&a) ? siphash(&r->secret, a.octet + 12, 4) :
					 siphash(&r->secret, a.octet, link_local ? 16 : 8);

	return hash % CLIENT_SLOTS;
}

const struct dns64_policy *resolver__policy_for(const struct resolver *r, const struct client *c)
{
	struct addr client, asked;

	if (!r->policy->n_view)
		return r->policy;
	client = addr_from_v6(c->peer.sin6_addr.s6_addr);
	asked = addr_from_v6(c->local.ipi6_addr.s6_addr);
	return dns64_policy_for(r->policy, &client, &asked);
}

/* A reload may come between two steps of a task. */
static const struct dns64_policy *policy_of(const struct resolver *r, struct task *t)
{
	if (t->generation != r->generation) {
		t->policy = resolver__policy_for(r, &t->client);
		t->generation = r->generation;
	}
	return t->policy;
}

static void send_reply(struct resolver *r, const struct client *c, const struct dns_query *q,
		       const struct reply *reply)
{
	size_t most = c->most ? c->most : q->udp_size, len;
	unsigned rcode;
	bool truncated;

	len = dns64__reply_write(q, reply, most, r->out, &truncated);
	if (truncated)
		counter_add(&r->stats->truncated, 1);
	rcode = reply->body ? (unsigned)r->out[3] & DNS_RCODE : (unsigned)reply->rcode;
	counter_add(&r->stats->replies, 1);
	counter_add(&r->stats->rcode[resolver__policy_for(r, c)->view_index][rcode % DNS64_RCODES],
		    1);
	r->io->reply(r->io->ctx, c, r->out, len);
}

static void reply_rcode(struct resolver *r, const struct client *c, const struct dns_query *q,
			int rcode)
{
	struct reply reply = { .rcode = rcode, .ede = DNS_EDE_NONE };

	switch (rcode) {
	case DNS_FORMERR:
		counter_add(&r->stats->formerr, 1);
		break;
	case DNS_REFUSED:
		counter_add(&r->stats->refused, 1);
		break;
	default:
		counter_add(&r->stats->notimp, 1);
	}
	send_reply(r, c, q, &reply);
}

static void no_reply(struct resolver *r, const struct client *c, counter64 *why)
{
	counter_add(why, 1);
	r->io->reply(r->io->ctx, c, NULL, 0);
}

static void end_leg(struct leg *leg)
{
	lookup__leave(leg);
	dns64_answer_put(leg->answer);
	dns64_answer_put(leg->stale);
}

static void end_task(struct resolver *r, struct task *t)
{
	timers__stop(&r->timers, &t->timer);
	end_leg(&t->main);
	end_leg(&t->a);
	end_leg(&t->check);
	if (t->admitted)
		r->client_tasks[t->client_slot]--;
	t->refused = NULL;
	*(t->newer ? &t->newer->older : &r->running) = t->older;
	if (t->older)
		t->older->newer = t->newer;
	pool_put(&r->idle_tasks, (uint32_t)(t - r->task));
	counter_set(&r->stats->tasks, r->idle_tasks.used);
}

void task__drop_all(struct resolver *r)
{
	while (r->running) {
		r->io->reply(r->io->ctx, &r->running->client, NULL, 0);
		end_task(r, r->running);
	}
}

/* What was found of the name behind an alias of ours becomes an answer about the alias. */
static struct dns_view make_alias(struct resolver *r, const struct task *t,
				  const struct dns_view *body)
{
	return (struct dns_view){ .wire = r->made,
				  .len = body ? dns64_alias(&t->target, t->alias_ttl_s, body,
							    r->made) :
						0 };
}

/* The end of every task but the dropped ones. */
static void finish(struct resolver *r, struct task *t, const struct dns_view *body, int ede)
{
	struct reply reply = { .body = body, .rcode = DNS_SERVFAIL, .ede = ede };
	struct dns_view view;

	if (!body || (body->wire[3] & DNS_RCODE) == DNS_SERVFAIL)
		counter_add(&r->stats->servfail, 1);
	if (t->alias_ttl_s) {
		view = make_alias(r, t, body);
		reply.body = view.len ? &view : NULL;
		t->query.question.name = t->target;
	}
	send_reply(r, &t->client, &t->query, &reply);
	end_task(r, t);
}

static void finish_made(struct resolver *r, struct task *t, size_t len, int ede)
{
	struct dns_view view = { .wire = r->made, .len = len };

	finish(r, t, len ? &view : NULL, len ? ede : DNS_EDE_NONE);
}

static struct dns_view view_of(const struct resolver *r, const struct leg *leg)
{
	return (struct dns_view){ .wire = leg->answer->wire,
				  .len = leg->answer->len,
				  .shape = &leg->answer->shape,
				  .age_s = dns64_answer_age(leg->answer, r->now_ms),
				  .is_stale = leg->is_stale };
}

/* RFC 8914 4.4, 4.20 */
static int ede_of(const struct leg *leg)
{
	if (!leg->is_stale)
		return leg->answer->ede;
	return (leg->answer->wire[3] & DNS_RCODE) == DNS_NXDOMAIN ? DNS_EDE_STALE_NXDOMAIN :
								   DNS_EDE_STALE;
}

static void finish_as_is(struct resolver *r, struct task *t, const struct leg *leg)
{
	struct dns_view view;

	if (leg->state != LEG_ANSWERED) {
		finish(r, t, NULL, DNS_EDE_NO_REACHABLE_AUTHORITY);
		return;
	}
	view = view_of(r, leg);
	counter_add(&r->stats->passed, 1);
	finish(r, t, &view, ede_of(leg));
}

static void take(struct leg *leg, struct dns64_answer *a)
{
	leg->answer = dns64_answer_get(a);
	leg->state = LEG_ANSWERED;
}

/* RFC 8767 5: for want of a better one. */
static void take_stale(struct resolver *r, struct leg *leg)
{
	counter_add(&r->stats->stale, 1);
	lookup__leave(leg);
	dns64_answer_put(leg->answer);
	leg->answer = leg->stale;
	leg->stale = NULL;
	leg->state = LEG_ANSWERED;
	leg->is_stale = true;
}

/* Whoever uses a name should never have to wait for it: it is renewed before its time is over. */
static void renew(struct resolver *r, struct dns64_answer *a, const struct dns64_key *key)
{
	if (!resolver__is_to_renew(r, a))
		return;
	a->recheck_ms = r->now_ms + LOOKUP_TIME_MS;
	lookup__refresh(r, key);
}

/* Nobody is asked while that is known to be in vain; then somebody is, but not waited for. */
static bool answer_stale(struct resolver *r, struct leg *leg, const struct dns64_key *key)
{
	bool put_off = r->now_ms < leg->stale->recheck_ms;

	if (!put_off && !leg->task->impatient && !choice__all_silent(r, &key->question.name))
		return false;
	if (!put_off)
		lookup__refresh(r, key);
	take_stale(r, leg);
	return true;
}

/* The time of a question that somebody else asked before counts. */
static void be_patient(struct resolver *r, struct task *t, const struct leg *leg)
{
	uint64_t wait = r->policy->client_timeout_ms, until;

	if (wait > MUTE_WAIT_MS && t->kind == TASK_AAAA && choice__is_mute(r, &t->query.question.name))
		wait = MUTE_WAIT_MS;
	until = leg->lookup->started_ms + wait;
	if (!t->impatient && !t->timer.place)
		timers__set(&r->timers, &t->timer, until > r->now_ms ? until : r->now_ms);
}

/* Who has to wait for an upstream takes something from others, so there is a limit. The pool has
 * one task more than may wait: there is always one for what is known. */
static bool admit(struct resolver *r, struct task *t)
{
	if (t->admitted)
		return true;
	if (r->client_tasks[t->client_slot] >= DNS64_CLIENT_TASKS_MAX)
		t->refused = &r->stats->client_full;
	else if (r->idle_tasks.used > DNS64_TASKS_MAX)
		t->refused = &r->stats->tasks_full;
	else
		r->client_tasks[t->client_slot]++;
	t->admitted = !t->refused;
	return t->admitted;
}

/* Have @leg answered, from the cache if that can be. */
static void ask(struct resolver *r, struct task *t, struct leg *leg, const struct dns_question *q)
{
	struct dns_query as = t->query;
	struct dns64_key key;
	struct dns64_answer *a;

	as.question = *q;
	if (leg == &t->check)
		as.flags |= DNS_CD;
	dns64_key_of(&as, &key);
	leg->task = t;
	a = dns64_cache_find(r->cache, &key, r->now_ms);
	if (a) {
		counter_add(&r->stats->cache_hits, 1);
		take(leg, a);
		told__leg(t->client.told, r, leg, q, "in the cache,");
		renew(r, a, &key);
		return;
	}
	counter_add(&r->stats->cache_misses, 1);
	a = dns64_cache_find_stale(r->cache, &key, r->now_ms);
	leg->stale = a ? dns64_answer_get(a) : NULL;
	if (leg->stale && answer_stale(r, leg, &key)) {
		told__leg(t->client.told, r, leg, q, "in the cache,");
		return;
	}
	if (!admit(r, t) && !leg->stale) {
		leg->state = LEG_WAITING; /* in no lookup: start() drops the task */
		return;
	}
	if (t->admitted && lookup__ask(r, leg, &key)) {
		told__leg(t->client.told, r, leg, q, "");
		be_patient(r, t, leg);
		return;
	}
	leg->state = LEG_BARRED;
	if (leg->stale)
		take_stale(r, leg);
}

static struct dns64_facts facts_of(const struct resolver *r, const struct dns64_policy *policy,
				   const struct leg *leg)
{
	struct dns_view view;

	if (leg->state != LEG_ANSWERED)
		return (struct dns64_facts){ .negative_ttl = DNS64_NO_SOA_TTL_S };
	view = view_of(r, leg);
	return dns64_examine(policy, &view, leg->answer->ede);
}

static void finish_synthesized(struct resolver *r, struct task *t, uint32_t ttl_max)
{
	struct dns_view a = view_of(r, &t->a);

	counter_add(&r->stats->synthesized, 1);
	finish_made(r, t, dns64_synthesize(policy_of(r, t), &a, ttl_max, r->made),
		    t->a.is_stale ? DNS_EDE_STALE : DNS_EDE_SYNTHESIZED);
}

/* Of nothing but excluded records nothing is left, not even an SOA for the client to remember that
 * by; the A leg has one if it knows no address either. */
static bool is_withheld(const struct dns64_policy *p, const struct dns64_legs *l)
{
	return p->withheld && l->aaaa_state == LEG_ANSWERED && l->aaaa.rcode == DNS_NOERROR &&
	       !l->aaaa.n_usable && !l->aaaa.n_excluded && !dns64_untouchable(p, l, &l->aaaa);
}

/* There may be AAAA in a moment, and hosts should not remember for long that there is none. */
static void finish_withheld(struct resolver *r, struct task *t)
{
	struct dns_view view = view_of(r, &t->main);

	must(view.len <= sizeof(r->made));
	memcpy(r->made, view.wire, view.len);
	if (view.is_stale)
		dns_set_ttls(r->made, view.len, DNS64_STALE_TTL_S);
	dns_age(r->made, view.len, view.is_stale ? 0 : view.age_s);
	dns_cap_ttls(r->made, view.len, DNS64_WITHHELD_TTL_S);
	finish_made(r, t, view.len, ede_of(&t->main));
}

static void finish_original(struct resolver *r, struct task *t, const struct dns64_legs *legs)
{
	const struct dns64_policy *policy = policy_of(r, t);
	bool empty = !legs->aaaa.n_usable && t->a.state == LEG_ANSWERED &&
		     legs->a.rcode == DNS_NOERROR && !legs->a.n_usable && legs->a.has_soa;
	const struct leg *leg = empty ? &t->a : &t->main;
	struct dns_view view;
	size_t len;

	if (is_withheld(policy, legs)) {
		finish_withheld(r, t);
		return;
	}
	if (!legs->aaaa.n_excluded || dns64_untouchable(policy, legs, &legs->aaaa)) {
		finish_as_is(r, t, &t->main);
		return;
	}
	counter_add(&r->stats->filtered, 1);
	view = view_of(r, leg);
	len = empty ? dns64_synthesize(policy, &view, legs->a.negative_ttl, r->made) :
		      dns64_filter(policy, &view, r->made);
	finish_made(r, t, len, ede_of(leg));
}

static struct dns64_legs legs_of(const struct resolver *r, struct task *t)
{
	const struct dns64_policy *policy = policy_of(r, t);

	return (struct dns64_legs){ .aaaa_state = t->main.state,
				    .a_state = t->a.state,
				    .aaaa = facts_of(r, policy, &t->main),
				    .a = facts_of(r, policy, &t->a),
				    .dnssec_ok = t->query.dnssec_ok,
				    .impatient = t->impatient };
}

/* Many resolvers say SERVFAIL and no more, be it that nobody answers or that validation failed. */
static bool gave_no_reason(const struct task *t, const struct dns64_legs *l)
{
	return t->main.state == LEG_ANSWERED && l->aaaa.rcode == DNS_SERVFAIL &&
	       (t->main.answer->ede == DNS_EDE_NONE || t->main.answer->ede == DNS_EDE_OTHER);
}

/* Whoever can break a signature must not be able to turn IPv6 into NAT64: if the upstream does know
 * the answer when asked not to validate, that was what failed (RFC 4035 3.2.2). */
static enum dns64_next decide_by_check(struct resolver *r, struct task *t)
{
	if (t->check.state == LEG_IDLE) {
		told__note(t->client.told, "rule: SERVFAIL without a reason: AAAA is asked with CD, "
					   "to see whether validation failed");
		ask(r, t, &t->check, &t->query.question);
	}
	if (t->check.state == LEG_WAITING && !t->impatient)
		return DNS64_WAIT;
	if (t->check.state != LEG_ANSWERED || t->check.is_stale ||
	    dns64_answer_failed(t->check.answer))
		return DNS64_REPLY_SYNTHESIZED;
	told__note(t->client.told, "rule: it did; an A record is no substitute for that");
	return DNS64_REPLY_ORIGINAL;
}

static void step_aaaa(struct resolver *r, struct task *t)
{
	struct dns_question a = t->query.question;
	struct dns64_legs legs = legs_of(r, t);
	enum dns64_next next = dns64_decide(policy_of(r, t), &legs);

	if (next == DNS64_ASK_A) {
		a.type = DNS_TYPE_A;
		ask(r, t, &t->a, &a);
		legs = legs_of(r, t);
		next = dns64_decide(policy_of(r, t), &legs);
	}
	if (next == DNS64_REPLY_SYNTHESIZED && gave_no_reason(t, &legs))
		next = decide_by_check(r, t);
	told__decision(t->client.told, policy_of(r, t), &legs, next);
	switch (next) {
	case DNS64_WAIT:
		return;
	case DNS64_REPLY_SYNTHESIZED:
		finish_synthesized(r, t, legs.aaaa.negative_ttl);
		return;
	case DNS64_REPLY_ORIGINAL:
		finish_original(r, t, &legs);
		return;
	case DNS64_REPLY_SERVFAIL:
		finish(r, t, NULL, DNS_EDE_NO_REACHABLE_AUTHORITY);
		return;
	case DNS64_ASK_A:
		break;
	}
	must(!"a leg that was asked is idle");
}

/* A failure of the other name is a failure of this one; its message is about another question. */
static void step_reverse(struct resolver *r, struct task *t)
{
	const struct dns64_answer *a = t->main.answer;
	struct dns_view view;
	unsigned rcode;

	if (t->main.state == LEG_WAITING)
		return;
	rcode = a ? a->wire[3] & DNS_RCODE : DNS_SERVFAIL;
	if (rcode != DNS_NOERROR && rcode != DNS_NXDOMAIN) {
		finish(r, t, NULL, a ? a->ede : DNS_EDE_NO_REACHABLE_AUTHORITY);
		return;
	}
	view = view_of(r, &t->main);
	counter_add(&r->stats->reverse, 1);
	finish_made(r, t, dns64_reverse(&t->query.question, &view, r->made),
		    t->main.is_stale ? DNS_EDE_STALE : DNS_EDE_NONE);
}

static void step(struct resolver *r, struct task *t)
{
	switch (t->kind) {
	case TASK_AAAA:
		step_aaaa(r, t);
		break;
	case TASK_REVERSE:
		step_reverse(r, t);
		break;
	case TASK_PLAIN:
		if (t->main.state != LEG_WAITING)
			finish_as_is(r, t, &t->main);
	}
}

static void tell_of_answer(const struct resolver *r, const struct task *t, const struct leg *leg)
{
	struct dns64_told *told = t->client.told;
	struct dns_question q = t->query.question;
	char how[64];

	if (leg == &t->a)
		q.type = DNS_TYPE_A;
	if (t->kind == TASK_REVERSE)
		q.type = DNS_TYPE_PTR;
	snprintf(how, sizeof(how), "after %llu ms an upstream said",
		 (unsigned long long)(r->now_ms - told->started_ms));
	told__leg(told, r, leg, &q, how);
}

void task__wake(struct resolver *r, struct leg *leg)
{
	struct task *t = leg->task;

	if (leg->stale && (leg->state == LEG_FAILED || dns64_answer_failed(leg->answer)))
		take_stale(r, leg);
	if (t->client.told)
		tell_of_answer(r, t, leg);
	step(r, t);
}

/* RFC 8767 5, client response timer: what is known is better than to be late. */
static void patience_over(struct resolver *r, struct timer *timer)
{
	struct task *t = (struct task *)timer;

	t->impatient = true;
	if (t->kind == TASK_AAAA && t->main.state == LEG_WAITING)
		choice__unheard(r, t->main.lookup);
	if (t->main.state == LEG_WAITING && t->main.stale)
		take_stale(r, &t->main);
	if (t->a.state == LEG_WAITING && t->a.stale)
		take_stale(r, &t->a);
	step(r, t);
}

static struct task *new_task(struct resolver *r, const struct client *c, const struct dns_query *q,
			     const struct dns64_policy *policy)
{
	uint32_t i = pool_get(&r->idle_tasks);
	struct task *t;

	must(i != POOL_NONE);
	t = &r->task[i];
	*t = (struct task){ .timer = { .fire = patience_over },
			    .client = *c,
			    .query = *q,
			    .client_slot = resolver__client_slot(r, &c->peer),
			    .generation = r->generation,
			    .policy = policy,
			    .older = r->running };
	if (r->running)
		r->running->newer = t;
	r->running = t;
	counter_set(&r->stats->tasks, r->idle_tasks.used);
	return t;
}

/* From what stands in the file or follows from it: nobody has to be asked. */
static size_t answer_here(struct resolver *r, const struct zone_ask *ask, uint8_t *out)
{
	size_t len = dns64_local(ask->policy, ask->question, out);

	return len ? len : zones__answer(r, ask, out);
}

/* Local reverse names are local also behind an alias. */
static void start_reverse(struct resolver *r, struct task *t)
{
	struct dns_question q = { .type = DNS_TYPE_PTR, .class = DNS_CLASS_IN, .name = t->target };
	/* r->out is free until the reply is written. */
	const struct zone_ask local = { .policy = policy_of(r, t), .question = &q };
	struct dns_view view = { .wire = r->out, .len = answer_here(r, &local, r->out) };

	if (view.len) {
		counter_add(&r->stats->reverse, 1);
		finish_made(r, t, dns64_reverse(&t->query.question, &view, r->made), DNS_EDE_NONE);
		return;
	}
	ask(r, t, &t->main, &q);
	step(r, t);
}

static void start(struct resolver *r, struct task *t)
{
	const struct dns64_policy *policy = policy_of(r, t);
	const struct dns_question *q = &t->query.question;
	bool ours = q->class == DNS_CLASS_IN && !(t->query.flags & DNS_CD);

	if (ours && q->type == DNS_TYPE_PTR && !t->alias_ttl_s &&
	    dns64_reverse_target(policy, &q->name, &t->target)) {
		t->kind = TASK_REVERSE;
		told__note(t->client.told, "rule: a name under a prefix is an alias into in-addr.arpa (RFC 6147 5.3.1)");
		start_reverse(r, t);
		return;
	}
	if (ours && q->type == DNS_TYPE_AAAA && !dns64_never(policy, &q->name))
		t->kind = TASK_AAAA;
	else
		told__note(t->client.told, "rule: %s: the upstream's answer is passed on",
			   q->type == DNS_TYPE_AAAA ? "the name is in a domain of `never`" :
						      "only AAAA, and PTR under a prefix, are made here");
	ask(r, t, &t->main, q);
	step(r, t);
}

static void follow_alias(const struct resolver *r, struct task *t)
{
	struct dns_question *q = &t->query.question;
	const struct dns64_zone *z = zones__alias(r, q);

	if (!z)
		return;
	told__note(t->client.told, "zones: the name is an alias for another one, which is asked for");
	t->target = q->name;
	t->alias_ttl_s = z->ttl_s;
	q->name = z->cname;
}

/* CHAOS asks for the server itself, which is not to be the upstream. */
static bool not_for_a_forwarder(const struct dns_question *q)
{
	return q->class == DNS_CLASS_CHAOS || q->type == DNS_TYPE_OPT || (q->type >= DNS_TYPE_TKEY && q->type <= DNS_TYPE_MAILA);
}

static void answer_locally(struct resolver *r, const struct client *c, const struct dns_query *q,
			   size_t len)
{
	struct dns_view view = { .wire = r->made, .len = len };
	struct reply reply = { .body = &view, .ede = DNS_EDE_NONE, .ordered = true };

	told__note(c->told, "answer: known here, from %s; nobody is asked",
		   zones__find(r->policy, &q->question.name) ? "`zones`" : "RFC 8880");
	counter_add(&r->stats->local, 1);
	send_reply(r, c, q, &reply);
}

/* RFC 7873 5.2: a cookie is answered with ours, whatever becomes of the question. */
void resolver__answer_cookie(struct resolver *r, const struct sockaddr_in6 *peer, struct dns_query *q)
{
	struct addr from = addr_from_v6(peer->sin6_addr.s6_addr);

	if (!q->cookie_len)
		return;
	if (!r->policy->cookies) {
		q->cookie_len = 0;
		return;
	}
	counter_add(dns_cookie_answer(&r->cookie_keys, &from, (uint32_t)r->unix_s, q) ?
			    &r->stats->cookies_good : &r->stats->cookies_new, 1);
}

void resolver__query(struct resolver *r, const struct client *c, const uint8_t *wire, size_t len)
{
	struct zone_ask local;
	struct dns_query q;
	int rcode = dns_query_read(wire, len, &q);
	struct task *t;
	size_t made;

	if (rcode < 0) {
		no_reply(r, c, &r->stats->malformed);
		return;
	}
	resolver__answer_cookie(r, &c->peer, &q);
	if (rcode == DNS_NOERROR && !q.question.name.len) {
		if (!q.cookie_len)
			rcode = DNS_FORMERR;
		else
			send_reply(r, c, &q, &(struct reply){ .ede = DNS_EDE_NONE });
	}
	if (rcode != DNS_NOERROR)
		reply_rcode(r, c, &q, rcode);
	if (rcode != DNS_NOERROR || !q.question.name.len)
		return;
	local = (struct zone_ask){ .policy = resolver__policy_for(r, c),
				   .question = &q.question,
				   .checking_disabled = q.flags & DNS_CD };
	told__policy(c->told, local.policy);
	made = answer_here(r, &local, r->made);
	if (made) {
		answer_locally(r, c, &q, made);
		return;
	}
	if (!(q.flags & DNS_RD) || not_for_a_forwarder(&q.question)) {
		reply_rcode(r, c, &q, DNS_REFUSED);
		return;
	}
	t = new_task(r, c, &q, local.policy);
	follow_alias(r, t);
	start(r, t);
	if (t->refused) { /* and not over: it waits for what nobody was asked */
		no_reply(r, c, t->refused);
		end_task(r, t);
	}
	resolver__advance(r);
}
