/*
 * test_loop.c - two worker threads around the real pipeline, on ports that are socket pairs: they
 * sleep, are woken, hand packets over, answer questions, let snapshots go, and end. Runs under
 * TSan.
 */
#include "test.h"
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "build.h"
#include "gateway.h"
#include "sixgate/base/must.h"
#include "sixgate/io/loop.h"
#include "sixgate/io/view.h"

enum { N_WORKERS = 2, FAR = 0, NEAR = 1, PATIENCE_MS = 5000 };

/** struct pair_port - a datagram is a packet, behind one byte with its side. */
struct pair_port {
	struct port port;
	int fd[2]; /* FAR: the test's end; NEAR: the worker's */
	uint8_t bytes[4096];
	bool broken;
};

static bool pair_rx(struct port *port, struct batch *b)
{
	struct pair_port *t = (struct pair_port *)port;
	ssize_t n = recv(t->fd[NEAR], t->bytes + PACKET_HEADROOM - 1, 2048, MSG_DONTWAIT);
	struct packet *p = &b->packet[0];

	b->n = 0;
	if (n == 0)
		return false; /* the far end is closed: as a device that is removed */
	if (n < 0)
		return true;
	p->side = t->bytes[PACKET_HEADROOM - 1];
	p->data = t->bytes + PACKET_HEADROOM;
	p->len = (uint32_t)n - 1;
	p->headroom = PACKET_HEADROOM;
	p->room = 2048;
	p->off = (struct offload){ .gso = GSO_NONE };
	b->n = 1;
	return true;
}

static void pair_tx(struct port *port, const struct packet *p, uint16_t n, struct port_counts *c)
{
	struct pair_port *t = (struct pair_port *)port;

	for (uint16_t i = 0; i < n; i++) {
		uint8_t datagram[2049] = { p[i].out_side };

		if (p[i].verdict.next != VERDICT_FORWARD)
			continue;
		memcpy(datagram + 1, p[i].data, p[i].len);
		if (send(t->fd[NEAR], datagram, p[i].len + 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			c->n_full++;
	}
}

static int pair_fds(const struct port *port, int *fd, int max)
{
	must(max >= 1);
	*fd = ((const struct pair_port *)port)->fd[NEAR];
	return 1;
}

static void pair_close(struct port *port)
{
	(void)port;
}

static const struct port_ops pair_ops = { "pair", pair_rx, pair_tx, pair_fds, pair_close };

static struct gateway g;
static struct pool4_conf pool;
static struct nat64_conf nat64;
static struct gateway_args args;
static struct snapshot_slot slot;
static struct worker_loop loop[N_WORKERS], *loops[N_WORKERS];
static struct pair_port port[N_WORKERS];
static pthread_t thread[N_WORKERS];
static bool joined[N_WORKERS];
static _Atomic unsigned n_ended;

static void note_end(struct worker_loop *l)
{
	(void)l;
	atomic_fetch_add(&n_ended, 1);
}

static void *run_loop(void *arg)
{
	worker_loop_run(arg);
	return NULL;
}

static struct addr a(const char *text)
{
	struct addr out;

	assert_int_equal(addr_parse(text, &out), 0);
	return out;
}

static int setup(void **state)
{
	struct err e;

	(void)state;
	nat64_conf_default(&nat64);
	pool = (struct pool4_conf){ .first = a("198.51.100.10"),
				    .last = a("198.51.100.10"),
				    .port_first = 1024,
				    .port_last = 65535,
				    .protocols = NAT64_TCP | NAT64_UDP | NAT64_ICMP };
	nat64.pool4 = &pool;
	nat64.n_pool4 = 1;
	nat64.allow_private = true;
	args = (struct gateway_args){ .n_workers = N_WORKERS,
				      .nat64 = &nat64,
				      .inside = { "2001:db8:1::/64" } };
	gateway_init(&g, &args);
	memset(&slot, 0, sizeof(slot));
	atomic_store(&n_ended, 0);
	snapshot_publish(&slot, g.snapshot);
	for (unsigned i = 0; i < N_WORKERS; i++) {
		port[i].port.ops = &pair_ops;
		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, port[i].fd),
				 0);
		assert_int_equal(worker_loop_init(&loop[i], g.worker[i], &slot, &port[i].port, &e),
				 0);
		loop[i].memory = g.memory;
		loop[i].memory_bytes = g.memory_size;
		loops[i] = &loop[i];
		loop[i].peer = loops;
		loop[i].on_end = note_end;
		joined[i] = false;
	}
	for (unsigned i = 0; i < N_WORKERS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, run_loop, &loop[i]), 0);
	return 0;
}

static void join(unsigned i)
{
	if (!joined[i])
		pthread_join(thread[i], NULL);
	joined[i] = true;
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < N_WORKERS; i++) {
		worker_loop_stop(&loop[i]);
		join(i);
	}
	for (unsigned i = 0; i < N_WORKERS; i++) {
		worker_loop_fini(&loop[i]);
		close(port[i].fd[NEAR]);
		if (port[i].fd[FAR] >= 0)
			close(port[i].fd[FAR]);
	}
	gateway_fini(&g);
	return 0;
}

static uint64_t clock_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Until both are in poll(): then only a wake can make them look around. */
static void wait_asleep(void)
{
	for (unsigned i = 0; i < N_WORKERS; i++)
		while (!atomic_load(&loop[i].asleep))
			sched_yield();
}

/* UDP from a subscriber that worker @owner serves. */
static struct tuple tuple_owned_by(unsigned owner)
{
	char text[64];

	for (unsigned i = 1; i < 200; i++) {
		struct tuple t;

		snprintf(text, sizeof(text), "2001:db8:1::%x", i);
		t = tuple_of(text, "64:ff9b::203.0.113.7", 4000, 53, IPPROTO_UDP);
		if (owner_of_tuple(&g.snapshot->steer, &t, SIDE_INSIDE) == owner)
			return t;
	}
	fail_msg("no subscriber for worker %u", owner);
	return (struct tuple){ .proto = 0 };
}

static void put(unsigned at, const struct tuple *t)
{
	uint8_t datagram[512] = { SIDE_INSIDE };
	uint32_t n = build_udp(datagram + 1, t, 20);

	assert_int_equal(send(port[at].fd[FAR], datagram, n + 1, 0), n + 1);
}

/* Which worker sends something, after how many milliseconds. */
static unsigned which_sends(uint64_t *after_ms)
{
	struct pollfd set[N_WORKERS];
	uint64_t start = clock_ms();
	uint8_t datagram[512];

	for (unsigned i = 0; i < N_WORKERS; i++)
		set[i] = (struct pollfd){ .fd = port[i].fd[FAR], .events = POLLIN };
	assert_int_equal(poll(set, N_WORKERS, PATIENCE_MS), 1);
	*after_ms = clock_ms() - start;
	for (unsigned i = 0; i < N_WORKERS; i++) {
		if (!set[i].revents)
			continue;
		assert_true(recv(set[i].fd, datagram, sizeof(datagram), 0) > 28);
		assert_int_equal(datagram[0], SIDE_OUTSIDE);
		assert_int_equal(datagram[1] >> 4, 4);
		return i;
	}
	return N_WORKERS;
}

static void a_packet_goes_through_the_worker_that_owns_it(void **state)
{
	(void)state;
	for (unsigned owner = 0; owner < N_WORKERS; owner++) {
		struct tuple t = tuple_owned_by(owner);
		uint64_t after;

		put(owner, &t);
		assert_int_equal(which_sends(&after), owner);
	}
}

static uint64_t n_turns(const struct worker_loop *l)
{
	uint64_t n = 0;

	for (int i = 0; i < LOOP_TURN_CLASSES; i++)
		n += counter_read(&l->turns.n[i]);
	return n;
}

static void turns_are_counted_with_the_time_they_took(void **state)
{
	struct tuple t = tuple_owned_by(0);
	uint64_t start = clock_ms(), after, before = n_turns(&loop[0]);

	(void)state;
	put(0, &t);
	which_sends(&after);
	while (n_turns(&loop[0]) == before)
		assert_true(clock_ms() - start < PATIENCE_MS);
	assert_true(counter_read(&loop[0].turns.sum_ns) > 0);
}

/* A hundred times half of LOOP_SLEEP_MAX_MS would be five seconds: so it was the wake. */
static void a_sleeping_worker_is_woken_by_a_hand_over(void **state)
{
	uint64_t sum = 0;

	(void)state;
	for (unsigned round = 0; round < 100; round++) {
		unsigned owner = round % N_WORKERS;
		struct tuple t = tuple_owned_by(owner);
		uint64_t after;

		wait_asleep();
		put(!owner, &t);
		assert_int_equal(which_sends(&after), owner);
		sum += after;
	}
	print_message("100 hand-overs took %llu ms\n", (unsigned long long)sum);
	assert_true(sum < 2500);
}

static void an_idle_worker_lets_an_old_snapshot_go(void **state)
{
	static struct gateway other;
	struct snapshot *old;
	uint64_t start;

	(void)state;
	gateway_init(&other, &args);
	wait_asleep();
	old = snapshot_publish(&slot, other.snapshot);
	start = clock_ms();
	while (!snapshot_unused(&slot, old, N_WORKERS)) {
		assert_true(clock_ms() - start < PATIENCE_MS);
		usleep(1000);
	}
	print_message("retired after %llu ms\n", (unsigned long long)(clock_ms() - start));
	assert_ptr_equal(old, g.snapshot);
	g.snapshot = other.snapshot; /* freed by teardown, when the threads have ended */
	other.snapshot = NULL;
	snapshot_free(old);
	gateway_fini(&other);
}

static void wait_done(struct worker_request *r)
{
	uint64_t start = clock_ms();

	while (!atomic_load(&r->done)) {
		assert_true(clock_ms() - start < PATIENCE_MS);
		sched_yield();
	}
}

static _Atomic unsigned n_done;

static void note_done(struct worker_request *r)
{
	(void)r;
	atomic_fetch_add(&n_done, 1);
}

static void flows_and_mappings_are_listed_on_request(void **state)
{
	struct flow_record flows[8];
	struct bib_record bib[8];
	struct worker_request r = {
		.kind = WORKER_DUMP_FLOWS, .max = 8, .flows = flows, .on_done = note_done
	};
	struct tuple t = tuple_owned_by(0);
	uint64_t after;
	uint32_t n = 0;

	(void)state;
	atomic_store(&n_done, 0);
	put(0, &t);
	which_sends(&after);
	while (r.cursor != UINT32_MAX) {
		assert_true(worker_loop_ask(&loop[0], &r));
		wait_done(&r);
		if (r.n)
			assert_true(tuple_equal(&flows[0].key[0], &t));
		n += r.n;
	}
	assert_int_equal(n, 1);
	r = (struct worker_request){ .kind = WORKER_DUMP_BIB, .max = 8, .bib = bib };
	for (n = 0; r.cursor != UINT32_MAX; n += r.n) {
		assert_true(worker_loop_ask(&loop[0], &r));
		wait_done(&r);
		if (r.n)
			assert_true(addr_equal(&bib[0].inside, &t.src));
	}
	assert_int_equal(n, 1);
	assert_true(atomic_load(&n_done) > 0);
}

/* The worker explains between two batches, while the other one goes on; its own state stays as it is. */
static void a_packet_is_explained_and_changes_nothing(void **state)
{
	static struct explain x;
	struct tuple t = tuple_owned_by(0);
	struct worker_request r = { .kind = WORKER_EXPLAIN, .explain = &x };

	(void)state;
	view_prepare(); /* here: cmocka has a handler of its own for each test */
	for (unsigned i = 0; i < 20; i++) {
		x = (struct explain){ .side = SIDE_INSIDE };
		explain_set_packet(&x, &t, false);
		put(1, &(struct tuple){ 0 });
		assert_true(worker_loop_ask(&loop[0], &r));
		wait_done(&r);
		assert_int_equal(r.n, 1);
		assert_int_equal(x.verdict.next, VERDICT_FORWARD);
		assert_int_equal(x.step[0].step, TRACE_ARRIVED);
		assert_int_equal(x.step[x.n_step - 1].step, TRACE_ENDED);
	}
	assert_int_equal(counter_read(&g.worker[0]->count[COUNT_FLOWS_CREATED_NAT64]), 0);
}

static void a_trace_begins_and_ends_on_request(void **state)
{
	static const struct trace_filter everything;
	struct worker_request r = { .kind = WORKER_TRACE_START, .filter = &everything };
	struct tuple t = tuple_owned_by(0);
	struct trace_record step;
	uint64_t after;
	unsigned n = 0;

	(void)state;
	assert_true(worker_loop_ask(&loop[0], &r));
	wait_done(&r);
	put(0, &t);
	which_sends(&after);
	r.kind = WORKER_TRACE_STOP;
	assert_true(worker_loop_ask(&loop[0], &r));
	wait_done(&r);
	while (trace_read(g.worker[0]->trace, &step))
		n++;
	assert_in_range(n, 3, 10);
	put(0, &t);
	which_sends(&after);
	assert_false(trace_read(g.worker[0]->trace, &step));
}

static void one_question_at_a_time_and_none_after_the_end(void **state)
{
	struct flow_record flows[8];
	struct worker_request first = { .kind = WORKER_DUMP_FLOWS, .max = 8, .flows = flows };
	struct worker_request second = first;
	bool took_second;

	(void)state;
	assert_true(worker_loop_ask(&loop[0], &first));
	took_second = worker_loop_ask(&loop[0], &second);
	wait_done(&first);
	if (took_second) /* the worker was faster than we */
		wait_done(&second);
	worker_loop_stop(&loop[0]);
	join(0);
	assert_false(worker_loop_ask(&loop[0], &first));
	assert_true(slot.seen[0].generation == UINT64_MAX);
}

/* Whenever the question comes while the loop ends: refused or answered, never left lying. */
static void a_question_at_the_end_is_answered_or_refused(void **state)
{
	struct flow_record flows[8];
	struct worker_request r = { .kind = WORKER_DUMP_FLOWS, .max = 8, .flows = flows };

	(void)state;
	worker_loop_stop(&loop[0]);
	if (worker_loop_ask(&loop[0], &r))
		wait_done(&r);
	join(0);
	assert_false(loop[0].failed);
}

static void a_broken_port_ends_the_loop_and_says_so(void **state)
{
	(void)state;
	close(port[1].fd[FAR]);
	port[1].fd[FAR] = -1;
	join(1);
	assert_true(loop[1].failed);
	assert_int_equal(atomic_load(&n_ended), 1);
	assert_false(loop[0].failed);
}

static void what_was_sent_is_counted(void **state)
{
	struct tuple t = tuple_owned_by(1);
	uint64_t after;

	(void)state;
	put(1, &t);
	which_sends(&after);
	worker_loop_stop(&loop[1]);
	join(1);
	assert_int_equal(counter_read(&g.worker[1]->count[COUNT_TX_PACKETS_OUTSIDE]), 1);
	assert_int_equal(counter_read(&g.worker[1]->count[COUNT_TX_BYTES_OUTSIDE]), 20 + 8 + 20);
	assert_int_equal(counter_read(&g.worker[1]->count[COUNT_TX_PACKETS_INSIDE]), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_packet_goes_through_the_worker_that_owns_it),
		TEST(turns_are_counted_with_the_time_they_took),
		TEST(a_sleeping_worker_is_woken_by_a_hand_over),
		TEST(an_idle_worker_lets_an_old_snapshot_go),
		TEST(flows_and_mappings_are_listed_on_request),
		TEST(a_packet_is_explained_and_changes_nothing),
		TEST(a_trace_begins_and_ends_on_request),
		TEST(one_question_at_a_time_and_none_after_the_end),
		TEST(a_question_at_the_end_is_answered_or_refused),
		TEST(a_broken_port_ends_the_loop_and_says_so),
		TEST(what_was_sent_is_counted),
	};

	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
