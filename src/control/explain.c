/*
 * explain.c - sixgatectl explain: what would happen to such a packet, asked of the worker that would
 * get it, and of the next one when it is handed on.
 */
#include "sixgate/dataplane/explain.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "question.h"
#include "record.h"

struct explain_question {
	struct question q; /* first */
	struct explain x;
	unsigned worker;
	char foreign[INTERFACE_NAME_MAX]; /* interface of the sender that is none of ours, or empty */
};

static bool is_ours(const struct netlink_facts *f, int ifindex)
{
	for (size_t i = 0; i < f->n_interface; i++)
		if (f->interface[i].ifindex == ifindex)
			return true;
	return f->device[NETLINK_DEVICE_INSIDE].ifindex == ifindex ||
	       f->device[NETLINK_DEVICE_OUTSIDE].ifindex == ifindex;
}

struct nearest {
	uint8_t len;
	int ifindex; /* 0: none */
};

static void take_nearer(struct nearest *n, const struct prefix *p, int ifindex, const struct addr *a)
{
	if (prefix_contains(p, a) && p->len > n->len)
		*n = (struct nearest){ p->len, ifindex };
}

/* By the prefixes of the interfaces and, for IPv6, by the routes. */
static void find_foreign(const struct netlink_facts *f, const struct addr *a, char out[INTERFACE_NAME_MAX])
{
	struct nearest n = { 0 };

	for (size_t i = 0; i < f->n_local; i++)
		take_nearer(&n, &f->local[i].on_link, f->local[i].ifindex, a);
	for (size_t i = 0; i < f->n_route; i++)
		take_nearer(&n, &f->route[i].prefix, f->route[i].ifindex, a);
	for (size_t i = 0; n.ifindex && !is_ours(f, n.ifindex) && i < f->n_local; i++)
		if (f->local[i].ifindex == n.ifindex)
			memcpy(out, f->local[i].interface, INTERFACE_NAME_MAX);
	for (char *p = out; *p; p++) /* the kernel takes any byte, JSON does not */
		if (*p <= ' ' || *p > '~')
			*p = '?';
}

static bool comes_from_inside(const struct snapshot *s, const struct ctl_subject *about)
{
	for (uint32_t i = 0; i < s->n_inside; i++)
		if (prefix_contains(&s->inside[i], &about->host[0]))
			return true;
	return s->n_inside == 0 && s->nat64 && !addr_is_v4(&about->host[1]) &&
	       nat64_claims_pool6(s->nat64, &about->host[1], NULL);
}

static void set_packet(struct explain *x, const struct control *c, const struct ctl_subject *about)
{
	struct tuple t = { .src = about->host[0], .dst = about->host[1],
			   .sport = be16_from(about->port[0]), .dport = be16_from(about->port[1]),
			   .proto = about->protocol };
	bool inside = about->side == CTL_SIDE_INSIDE ||
		      (about->side == CTL_SIDE_AUTO && comes_from_inside(control__running(c), about));

	if (t.proto == 1 && !addr_is_v4(&t.src))
		t.proto = 58;
	x->side = inside ? SIDE_INSIDE : SIDE_OUTSIDE;
	if (!inside)
		shared__to_alias(c, &t.dst);
	explain_set_packet(x, &t, about->reply);
	if (about->fragment != CTL_FRAGMENT_NONE)
		explain_cut_packet(x, about->fragment == CTL_FRAGMENT_LATER ? EXPLAIN_FRAGMENT_AT : 0);
}

static const char *verdict_name(struct verdict v)
{
	return v.next == VERDICT_FORWARD ? "forwarded" : v.next == VERDICT_DROP ? "dropped" : "held";
}

/* Of the service that has taken it, how the node was chosen; null if none has. */
static json_t *choice(const struct explain_question *e)
{
	json_t *v = NULL;

	for (uint32_t i = 0; i < e->x.n_step && !v; i++)
		if (e->x.step[i].step == TRACE_OPENED && e->x.step[i].policy == POLICY_SERVICES)
			v = choice__json(e->q.control, e->x.step[i].object);
	return v ? v : json_null();
}

static void tell(struct explain_question *e, struct client *cl)
{
	const struct control *c = e->q.control;
	const enum drop_reason why = (enum drop_reason)e->x.verdict.why;

	for (uint32_t i = 0; i < e->x.n_step; i++)
		client__send(cl, step__json(c, &e->x.step[i]));
	client__send(cl, json_pack("{s:b,s:s,s:s,s:s,s:b,s:o,s:I,s:b,s:s}", "ok", 1, "verdict",
				   verdict_name(e->x.verdict), "reason", drop_reason_name(why), "help",
				   drop_reason_help(why), "cut", (int)e->x.cut, "choice", choice(e),
				   "loaded", (json_int_t)c->loaded_s, "changing",
				   (int)(c->want_reload || c->want_snapshot || c->n_retired),
				   "foreign_interface", e->foreign));
	client__finish(cl);
}

static enum stream_step more(struct question *q, struct client *cl)
{
	struct explain_question *e = (struct explain_question *)q;

	if (!question__has_answer(q)) {
		question__ask(q, e->worker);
		return STREAM_WAIT;
	}
	if (q->request.n == 0) {
		client__fail(cl, "no memory for a copy of the worker");
		return STREAM_END;
	}
	if (e->x.verdict.next == VERDICT_HELD && e->x.next != UINT32_MAX) {
		e->worker = e->x.next;
		return STREAM_MORE;
	}
	tell(e, cl);
	return STREAM_END;
}

static bool abandoned(struct question *q)
{
	(void)q;
	return true;
}

void explain__start(struct control *c, struct client *cl, const struct ctl_subject *about)
{
	struct explain_question *e = calloc(1, sizeof(*e));

	if (!e) {
		client__fail(cl, "out of memory");
		return;
	}
	set_packet(&e->x, c, about);
	if (about->side == CTL_SIDE_AUTO && e->x.side == SIDE_OUTSIDE)
		find_foreign(&c->facts, &about->host[0], e->foreign);
	e->worker = owner_of(&control__running(c)->steer, e->x.bytes, e->x.len, (enum side)e->x.side);
	e->q.more = more;
	e->q.abandoned = abandoned;
	e->q.request.kind = WORKER_EXPLAIN;
	e->q.request.explain = &e->x;
	question__start(c, cl, &e->q);
}
