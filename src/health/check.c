/*
 * check.c - one node: its rounds of checks, and what follows from their results.
 *
 * A round is one attempt straight to the node and, if that is good, one through the data plane; both
 * together have one timeout. The state shown to the schedulers is the streak of rounds, overridden by draining and eased by slow
 * start.
 */
#include "health_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include "sixgate/log/log.h"

enum {
	PROTO_TCP = 6,
	ROUND_LEAST_PERCENT = 85, /* rounds begin 85 to 97 % of their period apart: never later */
	ROUND_MOST_PERCENT = 97,
	NOTICED_MS = 750, /* of the second after the last interval; the rest is for the resets */
	NO_WAY_LOG_MS = 600000
};

/* Slow start: shares, and when they begin in percent of its time. Few steps, for each one rebuilds
 * the tables of the schedulers. */
static const struct {
	uint8_t share_percent, at_percent;
} ramp[] = { { 10, 0 }, { 25, 25 }, { 50, 50 }, { 0, 100 } };

enum { RAMP_DONE = ARRAY_LEN(ramp) - 1 };

static void begin_round(uv_timer_t *timer);

static void say(const struct check *c)
{
	struct node_status st = health__check_status(c, &c->conf);
	static const char *const names[] = { "up", "down", "draining" };

	log_notice("service %s: node %s is %s%s%s", c->conf.service, c->conf.node, names[st.state],
		   st.why[0] ? ": " : "", st.why);
}

/*
 * A node that falls silent right after a good round is found out by the last of `fall` rounds, each
 * of which takes a timeout. Where that would be later than fall x interval + 1 s, rounds begin
 * closer together, so that the promise holds for every timeout up to the interval.
 */
uint32_t health__round_period_ms(const struct health_conf *c)
{
	uint64_t bound = (uint64_t)c->fall * c->interval_ms + NOTICED_MS, timeout = c->timeout_ms;
	uint64_t period;

	if ((c->fall + 1) * timeout <= bound)
		period = (bound - timeout) / c->fall; /* rounds end before the next is due */
	else
		period = bound - c->fall * timeout; /* bad rounds follow each other at once */
	return period < c->interval_ms ? (uint32_t)period : c->interval_ms;
}

static uint32_t jittered(const struct check *c)
{
	uint32_t span = ROUND_MOST_PERCENT - ROUND_LEAST_PERCENT + 1;
	uint64_t percent = ROUND_LEAST_PERCENT + health__random(c->h, span);

	return (uint32_t)(health__round_period_ms(&c->conf.health) * percent / 100);
}

static void plan_next_round(struct check *c)
{
	uint64_t due = c->round_began_ms + jittered(c), now = uv_now(c->setup->loop);

	if (c->conf.health.kind == HEALTH_NONE)
		return;
	uv_timer_start(&c->round, begin_round, due > now ? due - now : 0, 0);
}

static void set_why(struct check *c, const char *why, bool *changed)
{
	if (strcmp(c->why, why) == 0)
		return;
	snprintf(c->why, sizeof(c->why), "%s", why);
	*changed = true;
}

static void plan_ramp_step(struct check *c);

static void next_ramp_step(uv_timer_t *timer)
{
	struct check *c = timer->data;

	c->ramp_step++;
	plan_ramp_step(c);
	health__changed(c->h);
}

static void plan_ramp_step(struct check *c)
{
	uint64_t due, now = uv_now(c->setup->loop);

	if (c->ramp_step == RAMP_DONE)
		return;
	due = c->ramp_began_ms + (uint64_t)c->conf.slow_start_ms * ramp[c->ramp_step + 1].at_percent / 100;
	uv_timer_start(&c->later, next_ramp_step, due > now ? due - now : 0, 0);
}

static void begin_ramp(struct check *c)
{
	if (!c->conf.slow_start_ms || c->is_draining)
		return;
	c->ramp_step = 0;
	c->ramp_began_ms = uv_now(c->setup->loop);
	plan_ramp_step(c);
}

static void end_ramp(struct check *c)
{
	if (c->ramp_step != RAMP_DONE)
		uv_timer_stop(&c->later);
	c->ramp_step = RAMP_DONE;
}

static void note(struct check *c, bool good, const char *why)
{
	bool first = !c->streak.checked, changed = first, turned;

	turned = health__streak_note(&c->streak, &c->conf.health, good);
	if (turned || !c->streak.up)
		set_why(c, good ? "" : why, &changed);
	if (turned && c->streak.up && !first)
		begin_ramp(c);
	if (turned && !c->streak.up)
		end_ramp(c);
	if (turned || first)
		say(c);
	if (turned || changed)
		health__changed(c->h);
}

/* A round that could not be made says nothing of the node; it is told of only while it matters. */
static void note_unknown(struct check *c, const char *why)
{
	bool changed = false;

	if (c->streak.up)
		return;
	set_why(c, why, &changed);
	if (!changed)
		return;
	say(c);
	health__changed(c->h);
}

/* The host's own end of these checks is not there: then the direct check has to do. */
static void note_no_way_through(struct check *c, const char *why)
{
	uint64_t n_skipped;

	if (log_allowed(&c->no_way_through, uv_now(c->setup->loop), &n_skipped))
		log_warning("service %s: node %s: no check through the data plane: %s",
			    c->conf.service, c->conf.node, why);
	note(c, true, "");
}

static uint16_t health_port(const struct check_conf *conf)
{
	return conf->health.port ? conf->health.port : conf->port;
}

/* What is left of the time of a round: one timeout for both of its attempts. */
static uint32_t time_left_ms(const struct check *c)
{
	uint64_t end = c->round_began_ms + c->conf.health.timeout_ms, now = uv_now(c->setup->loop);

	return end > now ? (uint32_t)(end - now) : 1;
}

/* The same question as a client would ask it. Only the service port is carried to the node: where
 * HTTP is asked at another port, the service port need not know the path, and a connection does. */
static void through_dataplane(struct check *c)
{
	struct attempt_target t = { .to = c->setup->probe_address(c->at.service, c->at.node),
				    .port = c->conf.port,
				    .from = &c->setup->probe_client,
				    .host = &c->conf.address,
				    .timeout_ms = time_left_ms(c) };

	if (c->conf.health.kind == HEALTH_HTTP && health_port(&c->conf) == c->conf.port)
		t.http = &c->conf.health;
	c->through = true;
	health__attempt_start(&c->attempt, &t);
}

static void straight(struct check *c)
{
	const struct health_conf *conf = &c->conf.health;
	struct attempt_target t = { .to = c->conf.address,
				    .port = health_port(&c->conf),
				    .host = &c->conf.address,
				    .timeout_ms = conf->timeout_ms };

	if (conf->kind == HEALTH_HTTP)
		t.http = conf;
	c->through = false;
	health__attempt_start(&c->attempt, &t);
}

static void begin_round(uv_timer_t *timer)
{
	struct check *c = timer->data;

	c->round_began_ms = uv_now(c->setup->loop);
	straight(c);
}

/* The node itself is well: what is wrong lies on the way of its clients. Unless the direct check
 * took most of the time: then it is a slow node. */
static void explain_through(const struct check *c, const struct attempt *a, char why[REASON_MAX])
{
	if (a->error == UV_ETIMEDOUT && a->timeout_ms < c->conf.health.timeout_ms / 2)
		snprintf(why, REASON_MAX, "slow: both checks together take more than %u ms",
			 c->conf.health.timeout_ms);
	else if (a->error == UV_ETIMEDOUT)
		snprintf(why, REASON_MAX, "replies bypass this gateway");
	else
		snprintf(why, REASON_MAX, "through this gateway: %s", a->why);
}

static bool goes_through(const struct check *c)
{
	return c->conf.health.through_dataplane && c->conf.protocol == PROTO_TCP;
}

static struct check *check_of(struct attempt *a)
{
	return (struct check *)((char *)a - offsetof(struct check, attempt));
}

static void let_go(struct check *c)
{
	if (--c->n_open == 0)
		free(c);
}

static void note_attempt(struct check *c, const struct attempt *a)
{
	char why[REASON_MAX];

	if (a->outcome == OUTCOME_GOOD) {
		note(c, true, "");
	} else if (a->outcome == OUTCOME_UNKNOWN && c->through) {
		note_no_way_through(c, a->why);
	} else if (a->outcome == OUTCOME_UNKNOWN) {
		note_unknown(c, a->why);
	} else if (c->through) {
		explain_through(c, a, why);
		note(c, false, why);
	} else {
		note(c, false, a->why);
	}
}

static void attempt_done(struct attempt *a)
{
	struct check *c = check_of(a);

	if (!c->h) {
		let_go(c);
		return;
	}
	if (!c->through && a->outcome == OUTCOME_GOOD && goes_through(c)) {
		through_dataplane(c);
		return;
	}
	note_attempt(c, a);
	plan_next_round(c);
}

static void drain_over(uv_timer_t *timer)
{
	struct check *c = timer->data;

	c->is_drained = true;
	say(c);
	health__changed(c->h);
}

static void update_draining(struct check *c)
{
	bool drain = c->drained_by_operator || c->conf.weight == 0;

	if (drain == c->is_draining)
		return;
	end_ramp(c);
	c->is_draining = drain;
	c->is_drained = drain && c->conf.drain_ms == 0;
	if (drain && c->conf.drain_ms)
		uv_timer_start(&c->later, drain_over, c->conf.drain_ms, 0);
	else
		uv_timer_stop(&c->later);
}

struct check *health__check_new(struct health *h, const struct health_setup *setup,
				const struct check_conf *conf)
{
	struct check *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->h = h;
	c->setup = setup;
	c->conf = *conf;
	c->ramp_step = RAMP_DONE;
	c->no_way_through.interval_ms = NO_WAY_LOG_MS;
	snprintf(c->why, sizeof(c->why), "not checked yet");
	uv_timer_init(setup->loop, &c->round);
	uv_timer_init(setup->loop, &c->later);
	c->round.data = c->later.data = c;
	health__attempt_init(&c->attempt, setup->loop, attempt_done);
	return c;
}

void health__check_start(struct check *c, uint64_t first_ms)
{
	update_draining(c);
	if (c->conf.health.kind != HEALTH_NONE)
		uv_timer_start(&c->round, begin_round, first_ms, 0);
}

/* An attempt under way goes on as it was begun; the next round is as the new file wants it. */
void health__check_change(struct check *c, const struct check_conf *conf)
{
	c->conf = *conf;
	update_draining(c);
	uv_timer_stop(&c->round);
	if (!c->attempt.is_open)
		plan_next_round(c);
}

void health__check_drain(struct check *c, bool by_operator)
{
	bool was = c->is_draining;

	c->drained_by_operator = by_operator;
	update_draining(c);
	if (was != c->is_draining)
		say(c);
}

static void handle_closed(uv_handle_t *handle)
{
	let_go(handle->data);
}

static void attempt_handle_closed(uv_handle_t *handle)
{
	let_go(check_of(handle->data));
}

void health__check_close(struct check *c)
{
	c->h = NULL;
	c->n_open = 2;
	uv_close((uv_handle_t *)&c->round, handle_closed);
	uv_close((uv_handle_t *)&c->later, handle_closed);
	c->n_open += health__attempt_stop(&c->attempt, attempt_handle_closed);
}

static const char *drained_why(const struct check *c, bool is_drained)
{
	if (c->drained_by_operator)
		return is_drained ? "drained by the operator" : "by the operator";
	return is_drained ? "drained: weight 0" : "weight 0";
}

struct node_status health__check_status(const struct check *c, const struct check_conf *conf)
{
	bool unchecked = conf->health.kind == HEALTH_NONE, up = c->streak.up || unchecked;
	bool draining = c->drained_by_operator || conf->weight == 0;
	bool drained = draining && (c->is_draining ? c->is_drained : conf->drain_ms == 0);

	if (drained || (draining && up))
		return (struct node_status){ .state = drained ? NODE_DOWN : NODE_DRAINING,
					     .why = drained_why(c, drained) };
	if (!up)
		return (struct node_status){ .state = NODE_DOWN, .why = c->why };
	return (struct node_status){ .state = NODE_UP,
				     .ramp_percent = ramp[c->ramp_step].share_percent,
				     .why = unchecked ? "not checked" : "" };
}

struct node_status health__unchecked_status(const struct check_conf *conf)
{
	if (conf->health.kind == HEALTH_NONE && conf->weight == 0)
		return (struct node_status){ .state = conf->drain_ms ? NODE_DRAINING : NODE_DOWN,
					     .why = conf->drain_ms ? "weight 0" : "drained: weight 0" };
	if (conf->health.kind == HEALTH_NONE)
		return (struct node_status){ .state = NODE_UP, .why = "not checked" };
	return (struct node_status){ .state = NODE_DOWN, .why = "not checked yet" };
}
