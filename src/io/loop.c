/* loop.c - what a data-plane thread does all day. Policy, tables and protocols are below, in
 * pipeline_run(); devices are behind the port. */
#include "sixgate/io/loop.h"
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include "io_internal.h"
#include "sixgate/base/must.h"
#include "sixgate/io/view.h"
#include "sixgate/io/xdp.h"

enum { FDS_MAX = XDP_SHARE_SOCKETS_MAX + N_SIDES };

/* Stands in the request slot once nobody will answer any more. */
static struct worker_request closed;

const uint64_t loop_turn_ns[] = { 100000, 1000000, 10000000, 100000000, 1000000000 };

static uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void count_turn(struct loop_turns *t, uint64_t ns)
{
	int i = 0;

	while (i < LOOP_TURN_CLASSES - 1 && ns > loop_turn_ns[i])
		i++;
	counter_add(&t->n[i], 1);
	counter_add(&t->sum_ns, ns);
}

/* Return: 1, or 0 without memory. */
static uint32_t explain(const struct worker_loop *l, struct explain *x, const struct snapshot *s,
			uint64_t now_ms)
{
	const size_t n_extra = worker_explain_bytes(l->worker);
	struct view v;
	struct arena extra;

	if (!l->memory ||
	    view_open(&v, l->memory, l->memory_bytes, &l->worker->pointers, n_extra) != 0)
		return 0;
	extra = (struct arena){ .base = v.extra, .size = n_extra };
	worker_explain(view_of(&v, l->worker), s, now_ms, x, &extra);
	view_close(&v);
	return 1;
}

static void answer(struct worker_loop *l, struct worker_request *r, const struct snapshot *s,
		   uint64_t now_ms)
{
	struct worker *w = l->worker;

	r->n = 0;
	switch ((enum worker_request_kind)r->kind) {
	case WORKER_DUMP_FLOWS:
		r->n = worker_dump_flows(w, now_ms, &r->cursor, r->flows, r->max);
		break;
	case WORKER_DUMP_BIB:
		if (w->nat64 && s->nat64)
			r->n = nat64_dump(w->nat64, s->nat64, &r->cursor, r->bib, r->max);
		else
			r->cursor = UINT32_MAX;
		break;
	case WORKER_EXPLAIN:
		r->n = explain(l, r->explain, s, now_ms);
		break;
	case WORKER_TRACE_START:
		trace_start(w, r->filter);
		break;
	case WORKER_TRACE_STOP:
		trace_stop(w);
		break;
	}
}

static void finish_request(struct worker_request *r)
{
	void (*on_done)(struct worker_request *) = r->on_done;

	atomic_store_explicit(&r->done, true, memory_order_release);
	if (on_done)
		on_done(r);
}

static void answer_request(struct worker_loop *l, const struct snapshot *s, uint64_t now_ms)
{
	struct worker_request *r = atomic_load_explicit(&l->request, memory_order_acquire);

	if (likely(!r))
		return;
	if (r->kind == WORKER_EXPLAIN && s->generation != l->worker->seen_generation)
		return; /* next time: first the worker itself takes up the new configuration */
	answer(l, r, s, now_ms);
	/* the slot first: whoever sees the answer may ask the next question */
	atomic_store_explicit(&l->request, NULL, memory_order_release);
	finish_request(r);
}

/* An asleep flag and a ring are written and read crosswise by two threads: both sides need the
 * full fence, so that at least one of them sees what the other has written. */
static void wake_peers(struct worker_loop *l, uint64_t *handed)
{
	uint64_t n = counter_read(&l->worker->count[COUNT_HANDOFFS]);

	if (likely(n == *handed) || !l->peer)
		return;
	*handed = n;
	atomic_thread_fence(memory_order_seq_cst);
	for (unsigned i = 0; i < l->worker->n_workers; i++)
		if (l->peer[i] != l &&
		    atomic_load_explicit(&l->peer[i]->asleep, memory_order_relaxed))
			worker_loop_wake(l->peer[i]);
}

/* Only this thread writes them. */
static void count_direct(const struct worker_loop *l)
{
	counter_set(&l->worker->count[COUNT_RX_PACKETS_XDP], l->port->n_rx_direct);
	counter_set(&l->worker->count[COUNT_TX_PACKETS_XDP], l->port->n_tx_direct);
}

static bool has_order(const struct worker_loop *l)
{
	return atomic_load_explicit(&l->stop, memory_order_relaxed) ||
	       atomic_load_explicit(&l->request, memory_order_relaxed);
}

static int port_fds(const struct worker_loop *l, int fd[FDS_MAX])
{
	return l->port->ops->fds(l->port, fd, FDS_MAX);
}

static void poll_port(struct worker_loop *l, uint32_t ms)
{
	struct pollfd set[FDS_MAX + 1];
	int fd[FDS_MAX], n = port_fds(l, fd);
	uint64_t wakes;

	if (n == 0)
		return; /* always ready */
	for (int i = 0; i < n; i++)
		set[i] = (struct pollfd){ .fd = fd[i], .events = POLLIN };
	set[n] = (struct pollfd){ .fd = l->wake_fd, .events = POLLIN };
	if (poll(set, (nfds_t)n + 1, (int)ms) > 0 && set[n].revents)
		while (read(l->wake_fd, &wakes, sizeof(wakes)) < 0 && errno == EINTR)
			;
}

/* Sleep until there is work, at most @ms. What another worker hands over after the last look into
 * the rings finds @asleep set. */
static void sleep_until_work(struct worker_loop *l, const struct snapshot *s, uint64_t now_ms,
			     uint32_t ms)
{
	uint64_t handed = counter_read(&l->worker->count[COUNT_HANDOFFS]);

	atomic_store_explicit(&l->asleep, true, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
	if (!has_order(l) && pipeline_take(l->worker, s, BATCH_MAX, now_ms) == 0)
		poll_port(l, ms < LOOP_SLEEP_MAX_MS ? ms : LOOP_SLEEP_MAX_MS);
	wake_peers(l, &handed); /* what was taken may have been handed on */
	io__send_outbox(l->worker, l->port);
	atomic_store_explicit(&l->asleep, false, memory_order_relaxed);
}

static void end(struct worker_loop *l)
{
	struct worker_request *r = atomic_exchange(&l->request, &closed);

	if (r) {
		r->n = 0;
		r->cursor = UINT32_MAX;
		finish_request(r);
	}
	atomic_store_explicit(&l->slot->seen[l->worker->id].generation, UINT64_MAX,
			      memory_order_release);
	if (l->on_end)
		l->on_end(l);
}

/* One turn. Return: milliseconds to sleep, 0 when there may be more to do at once. */
static uint32_t turn(struct worker_loop *l, const struct snapshot *s, uint64_t now_ms)
{
	struct worker *w = l->worker;
	struct batch *b = &l->batch;
	uint64_t handed = counter_read(&w->count[COUNT_HANDOFFS]);
	uint32_t n_taken, next_ms;

	pipeline_run(w, s, b, now_ms);
	wake_peers(l, &handed);
	io__send(w, l->port, b->packet, b->n);
	io__send_outbox(w, l->port);
	n_taken = pipeline_take(w, s, BATCH_MAX, now_ms);
	wake_peers(l, &handed);
	io__send_outbox(w, l->port);
	next_ms = timers_advance(w, s, now_ms);
	wake_peers(l, &handed);
	io__send_outbox(w, l->port);
	count_direct(l);
	return b->n == 0 && n_taken == 0 ? next_ms : 0;
}

void worker_loop_run(struct worker_loop *l)
{
	uint64_t began = clock_ns();
	int fd[FDS_MAX];

	while (!atomic_load_explicit(&l->stop, memory_order_relaxed)) {
		const struct snapshot *s = snapshot_enter(l->slot, l->worker->id);
		uint64_t now, now_ms = began / 1000000 + 1;
		uint32_t sleep_ms;

		answer_request(l, s, now_ms);
		if (!l->port->ops->rx(l->port, &l->batch)) {
			l->failed = port_fds(l, fd) != 0; /* files merely end */
			break;
		}
		sleep_ms = turn(l, s, now_ms);
		now = clock_ns();
		count_turn(&l->turns, now - began);
		began = now;
		if (sleep_ms > 0) {
			sleep_until_work(l, s, now_ms, sleep_ms);
			began = clock_ns();
		}
	}
	end(l);
}

int worker_loop_init(struct worker_loop *l, struct worker *worker, struct snapshot_slot *slot,
		     struct port *port, struct err *e)
{
	memset(l, 0, sizeof(*l));
	l->worker = worker;
	l->slot = slot;
	l->port = port;
	l->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (l->wake_fd < 0)
		return err_set(e, -errno, "eventfd: %s", strerror(errno));
	return 0;
}

void worker_loop_fini(struct worker_loop *l)
{
	close(l->wake_fd);
}

void worker_loop_wake(struct worker_loop *l)
{
	const uint64_t one = 1;

	while (write(l->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		; /* EAGAIN: it is awake enough */
}

void worker_loop_stop(struct worker_loop *l)
{
	atomic_store_explicit(&l->stop, true, memory_order_relaxed);
	worker_loop_wake(l);
}

bool worker_loop_ask(struct worker_loop *l, struct worker_request *r)
{
	struct worker_request *none = NULL;

	atomic_store_explicit(&r->done, false, memory_order_relaxed);
	if (!atomic_compare_exchange_strong(&l->request, &none, r))
		return false;
	worker_loop_wake(l);
	return true;
}
