/* test_probe.c - probes of real servers on loopback addresses: when a translator counts as broken, and
 * when it does again as working. Pings need a privilege: netns/test_translator.py. */
#include "test.h"
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include "sixgate/health/probe.h"

enum { PATIENCE_MS = 10000, CROWD = 8 };

/** struct server - one that does not accept: beyond its queue connections are left without answer.
 *  @crowd: who fills the queue */
struct server {
	int listener, crowd[CROWD];
	uint16_t port;
};

struct world {
	uv_loop_t loop;
	uv_timer_t watchdog;
	struct health_probes *probes;
	int n_changed;
	bool timed_out;
};

static struct addr addr_of(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static struct sockaddr_in loopback(uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static void open_server(struct server *s)
{
	struct sockaddr_in at = loopback(0);
	socklen_t len = sizeof(at);

	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(s->listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(s->listener, 0), 0);
	assert_int_equal(getsockname(s->listener, (struct sockaddr *)&at, &len), 0);
	s->port = ntohs(at.sin_port);
	for (int i = 0; i < CROWD; i++) {
		s->crowd[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		assert_true(connect(s->crowd[i], (struct sockaddr *)&at, sizeof(at)) == 0 ||
			    errno == EINPROGRESS);
	}
}

static void close_crowd(struct server *s)
{
	for (int i = 0; i < CROWD; i++)
		close(s->crowd[i]);
}

/* From here on every connection is refused. */
static void close_server(struct server *s)
{
	close(s->listener);
}

static void on_changed(void *owner)
{
	struct world *w = owner;

	w->n_changed++;
	uv_stop(&w->loop);
}

static void on_watchdog(uv_timer_t *t)
{
	struct world *w = t->data;

	w->timed_out = true;
	uv_stop(&w->loop);
}

static void begin(struct world *w, const struct addr *to, size_t n, uint16_t port)
{
	const struct health_probes_setup setup = {
		.loop = &w->loop, .changed = on_changed, .owner = w, .to = to, .n = n, .port = port,
		.ping = -1, .interval_ms = 30, .timeout_ms = 20, .rise = 2, .fall = 3,
	};
	struct err e;

	memset(w, 0, sizeof(*w));
	assert_int_equal(uv_loop_init(&w->loop), 0);
	uv_timer_init(&w->loop, &w->watchdog);
	w->watchdog.data = w;
	assert_int_equal(health_probes_new(&w->probes, &setup, &e), 0);
}

/* Return: false if nothing has changed within @ms. */
static bool run_until_changed(struct world *w, uint64_t ms)
{
	int before = w->n_changed;

	w->timed_out = false;
	uv_timer_start(&w->watchdog, on_watchdog, ms, 0);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	return w->n_changed > before;
}

static void end(struct world *w)
{
	health_probes_close(w->probes);
	uv_close((uv_handle_t *)&w->watchdog, NULL);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w->loop), 0);
}

static void what_is_not_known_to_be_broken_works(void **state)
{
	struct addr to[2] = { addr_of("127.0.0.1"), addr_of("255.255.255.255") };
	struct world w;

	(void)state;
	begin(&w, to, 2, 9);
	assert_true(health_probes_up(w.probes, 0));
	assert_true(health_probes_up(w.probes, 1));
	assert_true(run_until_changed(&w, PATIENCE_MS)); /* nobody can be connected to there */
	assert_true(health_probes_up(w.probes, 0));
	assert_false(health_probes_up(w.probes, 1));
	assert_string_not_equal(health_probes_why(w.probes, 1), "");
	end(&w);
}

static void silence_takes_it_down_and_a_refusal_brings_it_back(void **state)
{
	struct addr to = addr_of("127.0.0.1");
	struct server s;
	struct world w;

	(void)state;
	open_server(&s);
	begin(&w, &to, 1, s.port);
	assert_true(run_until_changed(&w, PATIENCE_MS));
	assert_false(health_probes_up(w.probes, 0));
	assert_string_equal(health_probes_why(w.probes, 0), "timeout after 20 ms");
	close_server(&s);
	close_crowd(&s);
	assert_true(run_until_changed(&w, PATIENCE_MS));
	assert_true(health_probes_up(w.probes, 0));
	assert_string_equal(health_probes_why(w.probes, 0), "");
	assert_false(run_until_changed(&w, 200)); /* told once */
	end(&w);
}

static void it_can_be_closed_at_any_moment(void **state)
{
	struct addr to = addr_of("127.0.0.1");
	struct server s;

	(void)state;
	open_server(&s);
	for (uint64_t ms = 0; ms < 60; ms += 5) {
		struct world w;

		begin(&w, &to, 1, s.port);
		run_until_changed(&w, ms);
		end(&w);
	}
	close_server(&s);
	close_crowd(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_known_to_be_broken_works),
		cmocka_unit_test(silence_takes_it_down_and_a_refusal_brings_it_back),
		cmocka_unit_test(it_can_be_closed_at_any_moment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
