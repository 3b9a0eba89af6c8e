/* workers.c - one thread for each shard, each under its own list of system calls. */
#include "workers.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "privileges.h"
#include "sixgate/io/tun.h"
#include "sixgate/io/view.h"
#include "sixgate/log/log.h"

/* Of memory at start: the indexes of 4 M flows. Where a virtual machine's own memory has to be found first,
 * 2 MiB take milliseconds. */
enum { TOUCHED_MAX = 128 << 20 };

/* One layout function measures (arena without memory) and places. */
static void lay_out(struct workers *w, struct arena *a, const struct worker_sizes *sizes,
		    const struct hash_key *key)
{
	for (unsigned i = 0; i < w->n; i++)
		w->t[i].worker = worker_layout(a, i, w->n, sizes, key);
	for (unsigned i = 0; i < w->n; i++)
		for (unsigned k = 0; k < w->n; k++) {
			struct handoff *ring = i != k ? handoff_layout(a) : NULL;

			if (ring)
				w->t[i].worker->to[k] = w->t[k].worker->from[i] = ring;
		}
}

int workers__init(struct workers *w, unsigned n, uint64_t flows, const struct hash_key *key,
		  struct err *e)
{
	/* every mapping has a flow, so there are never more of them */
	const uint32_t share = (uint32_t)((flows + n - 1) / n);
	const struct worker_sizes sizes = { .flows = share, .mappings = share };
	struct arena a = { .base = NULL };

	memset(w, 0, sizeof(*w));
	w->n = n;
	lay_out(w, &a, &sizes, key);
	w->memory_bytes = a.used;
	w->memory = mmap(NULL, w->memory_bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (w->memory == MAP_FAILED) {
		w->memory = NULL;
		return err_set(e, -ENOMEM, "%zu MiB for %llu flows: %s", w->memory_bytes >> 20,
			       (unsigned long long)flows, strerror(errno));
	}
	view_prepare();
	madvise(w->memory, w->memory_bytes, MADV_HUGEPAGE);
	a = (struct arena){ .base = w->memory, .size = w->memory_bytes, .touch = TOUCHED_MAX };
	lay_out(w, &a, &sizes, key);
	return 0;
}

int workers__add_port(struct workers *w, unsigned id, int inside_fd, int outside_fd,
		      const struct xdp_share *share, struct err *e)
{
	struct worker_thread *t = &w->t[id];
	int rc = tun_port_new(&t->port, inside_fd, outside_fd, e);

	if (rc == 0 && share->n) {
		struct port *tun = t->port;

		t->port = NULL;
		rc = xdp_port_new(&t->port, share, tun, e);
	}
	if (rc == 0)
		rc = worker_loop_init(&t->loop, t->worker, &w->slot, t->port, e);
	if (rc)
		return rc;
	w->peer[id] = &t->loop;
	t->loop.memory = w->memory;
	t->loop.memory_bytes = w->memory_bytes;
	t->loop.peer = w->n > 1 ? w->peer : NULL;
	return 0;
}

static void *worker_main(void *arg)
{
	struct worker_thread *t = arg;
	struct err e;

	if (seccomp__enter(ROLE_WORKER, &e) != 0) {
		log_error("%s", e.text);
		exit(1);
	}
	worker_loop_run(&t->loop);
	return NULL;
}

int workers__start(struct workers *w, void (*on_end)(struct worker_loop *l), struct err *e)
{
	for (unsigned i = 0; i < w->n; i++) {
		struct worker_thread *t = &w->t[i];
		char name[16];
		int rc;

		t->loop.on_end = on_end;
		rc = pthread_create(&t->thread, NULL, worker_main, t);
		if (rc)
			return err_set(e, -rc, "starting worker %u: %s", i, strerror(rc));
		t->running = true;
		snprintf(name, sizeof(name), "worker%u", i % STEER_WORKERS_MAX);
		pthread_setname_np(t->thread, name);
	}
	return 0;
}

void workers__wake_one(struct workers *w, unsigned id)
{
	if (w->t[id].running)
		worker_loop_wake(&w->t[id].loop);
}

void workers__wake(struct workers *w)
{
	for (unsigned i = 0; i < w->n; i++)
		workers__wake_one(w, i);
}

void workers__stop(struct workers *w)
{
	for (unsigned i = 0; i < w->n; i++)
		if (w->t[i].running)
			worker_loop_stop(&w->t[i].loop);
	for (unsigned i = 0; i < w->n; i++)
		if (w->t[i].running) {
			pthread_join(w->t[i].thread, NULL);
			w->t[i].running = false;
		}
	for (unsigned i = 0; i < w->n; i++)
		if (w->t[i].port) {
			worker_loop_fini(&w->t[i].loop);
			w->t[i].port->ops->close(w->t[i].port);
			w->t[i].port = NULL;
		}
	if (w->memory)
		munmap(w->memory, w->memory_bytes);
	w->memory = NULL;
}

uint64_t workers__drops(const struct workers *w, enum drop_reason why)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < w->n; i++)
		sum += counter_read(&w->t[i].worker->drop[why]);
	return sum;
}

uint64_t workers__count(const struct workers *w, enum worker_counter c)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < w->n; i++)
		sum += counter_read(&w->t[i].worker->count[c]);
	return sum;
}
