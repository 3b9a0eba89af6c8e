/* control.c - the control loop's own work: snapshots, what the parent tells, and the clock. */
#include "control.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "advertise.h"
#include "dns_see.h"
#include "handover.h"
#include "lend.h"
#include "nodes.h"
#include "plat.h"
#include "privileges.h"
#include "question.h"
#include "sixgate/log/log.h"
#include "translator.h"

const struct snapshot *control__running(const struct control *c)
{
	return atomic_load_explicit(&c->workers.slot.current, memory_order_relaxed);
}

int control__build(struct control *c, const struct config *conf, const struct netlink_facts *facts,
		   const struct node_status *nodes, struct snapshot **out, struct err *e)
{
	const struct snapshot_input in = {
		.conf = conf,
		.facts = facts,
		.status = nodes,
		.running = control__running(c),
		.plat = plat__prefix(c),
		.key = &c->key,
		.n_workers = c->workers.n,
		.hops = 1, /* the kernel decrements before and after us (design 4) */
	};

	return snapshot_build(out, &in, e);
}

static void free_retired(struct control *c)
{
	size_t kept = 0;

	for (size_t i = 0; i < c->n_retired; i++)
		if (snapshot_unused(&c->workers.slot, c->retired[i], c->workers.n))
			snapshot_free(c->retired[i]);
		else
			c->retired[kept++] = c->retired[i];
	c->n_retired = kept;
}

void control__publish(struct control *c, struct snapshot *fresh)
{
	struct snapshot *old = snapshot_publish(&c->workers.slot, fresh);

	if (c->steering)
		tun_steering_tell(c->steering, &fresh->steer);
	if (old)
		c->retired[c->n_retired++] = old;
	workers__wake(&c->workers);
}

/* With the configuration that runs: interfaces or nodes have changed. */
static void rebuild(struct control *c)
{
	struct snapshot *fresh;
	struct err e = { "" };

	if (c->n_retired == SNAPSHOTS_RETIRED_MAX)
		return; /* a worker has not moved on yet; the tick comes back to it */
	c->want_snapshot = false;
	if (control__build(c, c->config, &c->facts, nodes__now(c, NULL), &fresh, &e) != 0)
		log_error("the network's changes are not followed: %s", e.text);
	else
		control__publish(c, fresh);
	dns__set_services(c, c->config);
}

static void reload_by_signal(struct control *c)
{
	struct err e = { "" };
	char *lines = NULL;

	accounting__reopen(c); /* whatever becomes of the rest: the file may have been renamed */
	control__reload(c, &lines, &e); /* has logged what is wrong */
	free(lines);
}

static void look_around(struct control *c)
{
	c->want_look = false;
	translator__look(c);
	advertise__look(c);
}

static void settle(uv_timer_t *t)
{
	struct control *c = t->data;

	if (c->want_stop) {
		if (!c->stopping && !advertise__farewell(c))
			uv_stop(&c->loop);
		c->stopping = true;
		return;
	}
	if (c->want_reload) {
		c->want_reload = false;
		reload_by_signal(c);
	}
	if (c->want_snapshot)
		rebuild(c);
	if (c->want_look)
		look_around(c);
}

void control__settle_soon(struct control *c)
{
	uv_timer_start(&c->settle, settle, 0, 0);
}

static void take_facts(struct control *c, int fd, enum request_which which)
{
	struct netlink_facts fresh;
	int rc = handover__read_facts(fd, &fresh);

	if (rc) {
		log_error("facts from the parent: %s", strerror(-rc));
		return;
	}
	if (which == REQUEST_PENDING) {
		netlink_facts_free(&c->fresh_facts);
		c->fresh_facts = fresh;
		return;
	}
	linger__follow(&c->linger, &c->facts, &fresh, uv_now(&c->loop));
	c->want_snapshot |= snapshot_changes(&c->facts, &fresh);
	netlink_facts_free(&c->facts);
	c->facts = fresh;
	c->facts_told = true;
	dns__set_inside(c);
	c->want_look = true;
}

static void take_log(int fd)
{
	if (fd < 0)
		return;
	dup2(fd, STDERR_FILENO);
	close(fd);
	log_look_again();
	log_notice("log opened again");
}

static void on_notice(void *owner, const struct notice *n, int fd)
{
	struct control *c = owner;

	switch ((enum notice_kind)n->kind) {
	case NOTICE_FACTS:
		take_facts(c, fd, n->flags ? REQUEST_PENDING : REQUEST_RUNNING);
		break;
	case NOTICE_HOPS:
		next_hops__take(&c->hops, &c->workers, fd);
		break;
	case NOTICE_RELOAD:
		c->want_reload = true;
		break;
	case NOTICE_LOG:
		take_log(fd);
		break;
	case NOTICE_STOP:
		c->want_stop = true;
		break;
	default: /* only sent before the start */
		if (fd >= 0)
			close(fd);
	}
	control__settle_soon(c);
}

static void on_parent_gone(void *owner)
{
	struct control *c = owner;

	log_error("the parent is gone");
	c->broken = true;
	uv_poll_stop(&c->link_poll);
	uv_stop(&c->loop);
}

static void on_link(uv_poll_t *p, int status, int events)
{
	struct control *c = p->data;

	(void)events;
	if (status < 0)
		on_parent_gone(c);
	else
		link__poll(&c->link);
}

enum { TICK_MS = 250, TICKS_WATCH = 4, TICKS_DNS_RETRY = 40 };

static void on_tick(uv_timer_t *t)
{
	struct control *c = t->data;
	struct dns64_stats sum;
	static unsigned ticks;

	ticks++;
	accounting__drain(c);
	free_retired(c);
	next_hops__retire(&c->hops, &c->workers);
	if (ticks % TICKS_WATCH == 0)
		lend__look(c);
	if (linger__expire(&c->linger, &c->facts, uv_now(&c->loop)))
		c->want_snapshot = true;
	if (ticks % TICKS_WATCH == 0 && !c->want_stop)
		look_around(c);
	if (c->want_snapshot)
		control__settle_soon(c);
	question__wake(c);
	dns_lookup__wake(c);
	if (ticks % TICKS_WATCH == 0)
		watch__look(&c->watch, &c->workers, dns_threads__stats(&c->dns, &sum),
			    uv_now(&c->loop));
	if (ticks % TICKS_DNS_RETRY == 0)
		dns__retry(c);
}

static void on_worker_ended(uv_async_t *a)
{
	struct control *c = a->data;

	if (c->want_stop)
		return;
	log_error("a worker has ended: its device is gone");
	c->broken = true;
	uv_stop(&c->loop);
}

static void on_dump_done(uv_async_t *a)
{
	question__wake(a->data);
	dns_lookup__wake(a->data);
}

int control__open_loop(struct control *c, int channel, struct err *e)
{
	int rc = uv_loop_init(&c->loop);

	if (rc)
		return err_set(e, rc, "event loop: %s", uv_strerror(rc));
	loop__warm(&c->loop);
	uv_update_time(&c->loop);
	c->started_ms = uv_now(&c->loop);
	c->loaded_s = time(NULL);
	c->link = (struct link){ .fd = channel, .owner = c, .on_notice = on_notice,
				 .on_gone = on_parent_gone };
	uv_timer_init(&c->loop, &c->tick);
	uv_timer_init(&c->loop, &c->settle);
	uv_async_init(&c->loop, &c->worker_ended, on_worker_ended);
	uv_async_init(&c->loop, &c->dump_done, on_dump_done);
	uv_poll_init(&c->loop, &c->link_poll, channel);
	c->tick.data = c->settle.data = c->worker_ended.data = c->dump_done.data = c;
	c->link_poll.data = c;
	uv_timer_start(&c->tick, on_tick, TICK_MS, TICK_MS);
	uv_poll_start(&c->link_poll, UV_READABLE, on_link);
	return 0;
}
