/*
 * test_health.c - checks of real servers on loopback addresses, in the same loop: what makes a node
 * go up and down, when, and for which reason.
 */
#include "test.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "sixgate/base/must.h"
#include "health_internal.h"

enum { PATIENCE_MS = 10000, NODES_MAX = 4, INTERVAL_MS = 40, TIMEOUT_MS = 30 };

/** struct server - a node: answers every request with @answer, @delay_ms later, or not at all when
 *  NULL. @request: the last one. */
struct server {
	uv_tcp_t listener;
	uint16_t port;
	const char *answer;
	unsigned delay_ms;
	int n_open, n_open_most, n_accepted;
	uint64_t accepted_ms;
	char request[1024];
};

struct connection {
	uv_tcp_t tcp;
	uv_write_t write;
	uv_timer_t later;
	int n_handles;
	struct server *server;
	char input[4096];
};

struct world {
	uv_loop_t loop;
	uv_timer_t watchdog;
	struct services_conf conf;
	struct service_conf service[2];
	struct node_conf node[2][NODES_MAX];
	struct health_setup setup;
	struct health *health;
	struct server server[NODES_MAX];
	int n_changed;
	bool timed_out;
};

static struct addr through_now;

static struct addr addr_of(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static struct addr probe_address(unsigned service, unsigned node)
{
	(void)service;
	(void)node;
	return through_now;
}

static void on_changed(void *owner)
{
	struct world *w = owner;

	w->n_changed++;
}

static void on_watchdog(uv_timer_t *t)
{
	struct world *w = t->data;

	w->timed_out = true;
}

/* Run the loop until @done says so; fails when that takes too long. */
static void run_until(struct world *w, bool (*done)(struct world *))
{
	w->timed_out = false;
	uv_update_time(&w->loop);
	uv_timer_start(&w->watchdog, on_watchdog, PATIENCE_MS, 0);
	while (!done(w) && !w->timed_out)
		uv_run(&w->loop, UV_RUN_ONCE);
	uv_timer_stop(&w->watchdog);
	assert_false(w->timed_out);
}

static int new_world(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	uv_loop_init(&w->loop);
	uv_timer_init(&w->loop, &w->watchdog);
	w->watchdog.data = w;
	service_conf_default(&w->service[0]);
	strcpy(w->service[0].name, "s3");
	w->service[0].protocol = 6;
	w->service[0].node = w->node[0];
	w->service[0].health = (struct health_conf){ .kind = HEALTH_TCP, .path = "/", .status_first = 200,
						     .status_last = 299, .interval_ms = INTERVAL_MS,
						     .timeout_ms = TIMEOUT_MS, .rise = 2, .fall = 3 };
	w->conf = (struct services_conf){ .service = w->service, .n_service = 1 };
	w->setup = (struct health_setup){ .loop = &w->loop, .changed = on_changed, .owner = w,
					  .probe_address = probe_address,
					  .probe_client = addr_of("127.0.0.1") };
	*state = w;
	return 0;
}

static void close_any(uv_handle_t *handle, void *arg)
{
	(void)arg;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

static bool no_connection_is_open(struct world *w)
{
	for (int i = 0; i < NODES_MAX; i++)
		if (w->server[i].n_open)
			return false;
	return true;
}

static int free_world(void **state)
{
	struct world *w = *state;

	health_close(w->health);
	while (uv_run(&w->loop, UV_RUN_NOWAIT) && !no_connection_is_open(w))
		;
	uv_walk(&w->loop, close_any, NULL);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w->loop), 0);
	free(w);
	return 0;
}

static void connection_closed(uv_handle_t *handle)
{
	struct connection *c = handle->data;

	if (--c->n_handles)
		return;
	c->server->n_open--;
	free(c);
}

static void answer_now(uv_timer_t *timer)
{
	struct connection *c = timer->data;
	uv_buf_t out = uv_buf_init((char *)(uintptr_t)c->server->answer,
				   (unsigned)strlen(c->server->answer));

	assert_int_equal(uv_write(&c->write, (uv_stream_t *)&c->tcp, &out, 1, NULL), 0);
}

static void on_input(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct connection *c = handle->data;

	(void)suggested;
	*buf = uv_buf_init(c->input, sizeof(c->input));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct connection *c = stream->data;

	if (n < 0) {
		uv_close((uv_handle_t *)stream, connection_closed);
		uv_close((uv_handle_t *)&c->later, connection_closed);
		return;
	}
	snprintf(c->server->request, sizeof(c->server->request), "%.*s", (int)n, buf->base);
	if (c->server->answer && n > 0)
		uv_timer_start(&c->later, answer_now, c->server->delay_ms, 0);
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct server *s = listener->data;
	struct connection *c = calloc(1, sizeof(*c));

	assert_int_equal(status, 0);
	c->server = s;
	c->tcp.data = c->later.data = c;
	c->n_handles = 2;
	s->accepted_ms = uv_now(listener->loop);
	uv_timer_init(listener->loop, &c->later);
	uv_tcp_init(listener->loop, &c->tcp);
	assert_int_equal(uv_accept(listener, (uv_stream_t *)&c->tcp), 0);
	assert_int_equal(uv_read_start((uv_stream_t *)&c->tcp, on_input, on_read), 0);
	s->n_accepted++;
	if (++s->n_open > s->n_open_most)
		s->n_open_most = s->n_open;
}

static uint16_t port_of(const uv_tcp_t *tcp)
{
	struct sockaddr_storage name;
	struct sockaddr_in6 in6;
	int len = sizeof(name);

	assert_int_equal(uv_tcp_getsockname(tcp, (struct sockaddr *)&name, &len), 0);
	memcpy(&in6, &name, sizeof(in6)); /* the port stands in one place for both families */
	return ntohs(in6.sin6_port);
}

/* @port 0: any free one. */
static void listen_on(struct world *w, struct server *s, const char *address, uint16_t port)
{
	struct sockaddr_in in4;
	struct sockaddr_in6 in6;
	bool v4 = uv_ip4_addr(address, port, &in4) == 0;

	assert_true(v4 || uv_ip6_addr(address, port, &in6) == 0);
	uv_tcp_init(&w->loop, &s->listener);
	s->listener.data = s;
	assert_int_equal(uv_tcp_bind(&s->listener, v4 ? (struct sockaddr *)&in4 : (struct sockaddr *)&in6,
				     0), 0);
	assert_int_equal(uv_listen((uv_stream_t *)&s->listener, 16, on_connection), 0);
	s->port = port_of(&s->listener);
}

/** struct mute - an address that drops SYNs, as a dead host does: a listener whose queue is full. */
struct mute {
	int fd, filler[3];
	uint16_t port;
};

static void go_mute(struct mute *m, const char *address, uint16_t port)
{
	struct sockaddr_in at;
	socklen_t len = sizeof(at);
	const int on = 1;

	assert_int_equal(uv_ip4_addr(address, port, &at), 0);
	m->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(m->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	assert_int_equal(bind(m->fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(m->fd, 0), 0);
	assert_int_equal(getsockname(m->fd, (struct sockaddr *)&at, &len), 0);
	m->port = ntohs(at.sin_port);
	for (int i = 0; i < 3; i++) {
		m->filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | (i ? SOCK_NONBLOCK : 0), 0);
		if (connect(m->filler[i], (struct sockaddr *)&at, sizeof(at)) != 0)
			assert_int_not_equal(i, 0);
	}
}

static void end_mute(struct mute *m)
{
	for (int i = 0; i < 3; i++)
		close(m->filler[i]);
	close(m->fd);
}

static void add_node(struct world *w, const char *name, const char *address, uint16_t port)
{
	struct node_conf *n = &w->node[0][w->service[0].n_node++];

	node_conf_default(n);
	strcpy(n->name, name);
	n->address = addr_of(address);
	n->port = port;
}

static void begin(struct world *w)
{
	assert_int_equal(health_new(&w->health, &w->setup, &w->conf, NULL), 0);
}

static struct node_status status_of(const struct world *w, size_t node)
{
	size_t n;
	const struct node_status *st = health_status(w->health, &n);

	assert_true(node < n);
	return st[node];
}

static bool first_is_up(struct world *w)
{
	return status_of(w, 0).state == NODE_UP;
}

static bool first_is_down_for_a_reason(struct world *w)
{
	struct node_status st = status_of(w, 0);

	return st.state == NODE_DOWN && strcmp(st.why, "not checked yet") != 0;
}

static bool all_are_up(struct world *w)
{
	size_t n;
	const struct node_status *st = health_status(w->health, &n);

	for (size_t i = 0; i < n; i++)
		if (st[i].state != NODE_UP)
			return false;
	return true;
}

static void a_node_is_down_until_its_first_check(void **state)
{
	struct world *w = *state;
	struct server *s = &w->server[0];

	listen_on(w, s, "127.0.0.1", 0);
	add_node(w, "a", "127.0.0.1", s->port);
	begin(w);
	assert_int_equal(status_of(w, 0).state, NODE_DOWN);
	assert_string_equal(status_of(w, 0).why, "not checked yet");
	run_until(w, first_is_up);
	assert_int_equal(s->n_accepted <= 1, 1); /* rise is 2, but the first counts at once */
	assert_string_equal(status_of(w, 0).why, "");
	assert_int_equal(w->n_changed, 1);
}

static void nodes_of_both_families_are_checked(void **state)
{
	struct world *w = *state;
	struct server *s4 = &w->server[0], *s6 = &w->server[1];

	listen_on(w, s4, "127.0.0.1", 0);
	listen_on(w, s6, "::1", 0);
	add_node(w, "a", "127.0.0.1", s4->port);
	add_node(w, "b", "::1", s6->port);
	begin(w);
	run_until(w, all_are_up);
}

static void a_refused_connection_is_named(void **state)
{
	struct world *w = *state;
	struct sockaddr_in at;
	uv_tcp_t bound;

	uv_tcp_init(&w->loop, &bound);
	uv_ip4_addr("127.0.0.1", 0, &at);
	assert_int_equal(uv_tcp_bind(&bound, (struct sockaddr *)&at, 0), 0); /* and does not listen */
	add_node(w, "a", "127.0.0.1", port_of(&bound));
	begin(w);
	run_until(w, first_is_down_for_a_reason);
	assert_string_equal(status_of(w, 0).why, "connection refused");
	uv_close((uv_handle_t *)&bound, NULL);
	uv_run(&w->loop, UV_RUN_NOWAIT);
}

static void a_silent_node_times_out(void **state)
{
	struct world *w = *state;
	struct mute m;

	go_mute(&m, "127.0.0.1", 0);
	add_node(w, "a", "127.0.0.1", m.port);
	begin(w);
	run_until(w, first_is_down_for_a_reason);
	assert_string_equal(status_of(w, 0).why, "timeout after 30 ms");
	end_mute(&m);
}

static uint64_t down_at;

static bool went_down(struct world *w)
{
	down_at = uv_now(&w->loop);
	return status_of(w, 0).state == NODE_DOWN;
}

static void a_node_goes_down_after_fall_and_up_after_rise(void **state)
{
	struct world *w = *state;
	struct server *s = &w->server[0], *again = &w->server[1];
	uint64_t killed_at;

	listen_on(w, s, "127.0.0.1", 0);
	add_node(w, "a", "127.0.0.1", s->port);
	begin(w);
	run_until(w, first_is_up);
	uv_close((uv_handle_t *)&s->listener, NULL);
	uv_update_time(&w->loop);
	killed_at = uv_now(&w->loop);
	run_until(w, went_down);
	/* the third bad result: two whole intervals of at least 85 % after the first */
	assert_true(down_at - killed_at >= 2 * (INTERVAL_MS * 85 / 100));
	assert_string_equal(status_of(w, 0).why, "connection refused");
	assert_int_equal(w->n_changed, 2);
	listen_on(w, again, "127.0.0.1", s->port);
	run_until(w, first_is_up);
	assert_true(again->n_accepted + 1 >= 2);
}

static void silence_is_noticed_within_fall_intervals_and_one_timeout(void **state)
{
	struct world *w = *state;
	struct server *s = &w->server[0];
	uint64_t killed_at;

	s->answer = "HTTP/1.1 200 OK\r\n\r\n";
	w->service[0].health.kind = HEALTH_HTTP;
	w->service[0].health.interval_ms = 200;
	w->service[0].health.timeout_ms = 100;
	listen_on(w, s, "127.0.0.1", 0);
	add_node(w, "a", "127.0.0.1", s->port);
	begin(w);
	run_until(w, first_is_up);
	s->answer = NULL;
	killed_at = uv_now(&w->loop);
	run_until(w, went_down);
	print_message("down after %llu ms\n", (unsigned long long)(down_at - killed_at));
	/* the rounds are planned closer than that; the rest is for a busy machine */
	assert_true(down_at - killed_at <= 3 * 200 + 100 + 100);
	assert_in_range(s->n_accepted, 1 + 3, 1 + 3);
	assert_string_equal(status_of(w, 0).why, "timeout after 100 ms");
}

static const struct {
	const char *answer, *why;
} answers[] = {
	{ "HTTP/1.1 503 Busy\r\nRetry-After: 1\r\n\r\n", "HTTP status 503" },
	{ "HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", "HTTP status 302" },
	{ "HTTP/1.1 200 OK\r\nX-Minio-Server-Status: offline\r\n\r\n", "says that it is offline" },
	{ "220 mail.example ESMTP\r\n", "does not answer as HTTP does" },
};

static void http_answers_that_are_not_good_are_named(void **state)
{
	struct world *w = *state;
	struct server *s = w->server;

	w->service[0].health.kind = HEALTH_HTTP;
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		char name[8];

		snprintf(name, sizeof(name), "n%zu", i);
		s[i].answer = answers[i].answer;
		listen_on(w, &s[i], "127.0.0.1", 0);
		add_node(w, name, "127.0.0.1", s[i].port);
	}
	begin(w);
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		while (strcmp(status_of(w, i).why, "not checked yet") == 0)
			uv_run(&w->loop, UV_RUN_ONCE);
		assert_int_equal(status_of(w, i).state, NODE_DOWN);
		assert_string_equal(status_of(w, i).why, answers[i].why);
	}
}

static void the_health_port_may_be_another(void **state)
{
	struct world *w = *state;
	struct server *s = &w->server[0];

	s->answer = "HTTP/1.1 200 OK\r\n\r\n";
	w->service[0].health.kind = HEALTH_HTTP;
	listen_on(w, s, "127.0.0.1", 0);
	w->service[0].health.port = s->port;
	add_node(w, "a", "127.0.0.1", 9);
	begin(w);
	run_until(w, first_is_up);
}

static void checks_go_on_through_the_data_plane(void **state)
{
	struct world *w = *state;
	struct server *s = &w->server[0], *through = &w->server[1];

	w->service[0].health.through_dataplane = true;
	listen_on(w, s, "127.0.0.1", 0);
	listen_on(w, through, "127.0.0.2", s->port);
	through_now = addr_of("127.0.0.2");
	add_node(w, "a", "127.0.0.1", s->port);
	begin(w);
	run_until(w, first_is_up);
	assert_in_range(through->n_accepted, 0, 1); /* accepted by the kernel, perhaps not by us yet */
	assert_in_range(s->n_accepted, 1, 1);
}

static void a_node_that_answers_past_us_is_down_for_that_reason(void **state)
{
	struct world *w = *state;
	struct server *s = &w->server[0];
	struct mute m;

	w->service[0].health.through_dataplane = true;
	listen_on(w, s, "127.0.0.1", 0);
	go_mute(&m, "127.0.0.2", s->port);
	through_now = addr_of("127.0.0.2");
	add_node(w, "a", "127.0.0.1", s->port);
	begin(w);
	run_until(w, first_is_down_for_a_reason);
	assert_string_equal(status_of(w, 0).why, "replies bypass this gateway");
	end_mute(&m);
}

static void http_is_asked_through_the_data_plane_too(void **state)
{
	struct world *w = *state;
	struct server *s = &w->server[0], *through = &w->server[1];
	char host[64];

	w->service[0].health.kind = HEALTH_HTTP;
	w->service[0].health.through_dataplane = true;
	s->answer = through->answer = "HTTP/1.1 200 OK\r\n\r\n";
	listen_on(w, s, "127.0.0.1", 0);
	listen_on(w, through, "127.0.0.2", s->port);
	through_now = addr_of("127.0.0.2");
	add_node(w, "a", "127.0.0.1", s->port);
	begin(w);
	run_until(w, first_is_up);
	snprintf(host, sizeof(host), "\r\nHost: 127.0.0.1:%u\r\n", s->port);
	assert_non_null(strstr(through->request, "GET / HTTP/1.1\r\n"));
	assert_non_null(strstr(through->request, host)); /* the node's name, not that of the check */
	through->answer = "HTTP/1.1 500 No\r\n\r\n";
	run_until(w, first_is_down_for_a_reason);
	assert_string_equal(status_of(w, 0).why, "through this gateway: HTTP status 500");
}

static void a_node_whose_http_answers_bypass_us_is_down_for_that_reason(void **state)
{
	struct world *w = *state;
	struct server *s = &w->server[0], *through = &w->server[1];

	w->service[0].health.kind = HEALTH_HTTP;
	w->service[0].health.through_dataplane = true;
	s->answer = "HTTP/1.1 200 OK\r\n\r\n";
	listen_on(w, s, "127.0.0.1", 0);
	listen_on(w, through, "127.0.0.2", s->port); /* connects, and says nothing */
	through_now = addr_of("127.0.0.2");
	add_node(w, "a", "127.0.0.1", s->port);
	begin(w);
	run_until(w, first_is_down_for_a_reason);
	assert_string_equal(status_of(w, 0).why, "replies bypass this gateway");
}

static void http_at_another_port_is_not_asked_of_the_service(void **state)
{
	struct world *w = *state;
	struct server *s = &w->server[0], *through = &w->server[1];

	w->service[0].health.kind = HEALTH_HTTP;
	w->service[0].health.through_dataplane = true;
	s->answer = "HTTP/1.1 200 OK\r\n\r\n";
	listen_on(w, s, "127.0.0.1", 0);
	listen_on(w, through, "127.0.0.2", 0);
	w->service[0].health.port = s->port;
	through_now = addr_of("127.0.0.2");
	add_node(w, "a", "127.0.0.1", through->port);
	begin(w);
	run_until(w, first_is_up);
	assert_string_equal(through->request, "");
}

static void both_attempts_of_a_round_share_one_timeout(void **state)
{
	struct world *w = *state;
	struct server *s = &w->server[0], *through = &w->server[1];

	w->service[0].health.kind = HEALTH_HTTP;
	w->service[0].health.through_dataplane = true;
	w->service[0].health.interval_ms = w->service[0].health.timeout_ms = 400;
	s->answer = "HTTP/1.1 200 OK\r\n\r\n";
	s->delay_ms = 300;
	listen_on(w, s, "127.0.0.1", 0);
	listen_on(w, through, "127.0.0.2", s->port);
	through_now = addr_of("127.0.0.2");
	add_node(w, "a", "127.0.0.1", s->port);
	begin(w);
	run_until(w, first_is_down_for_a_reason);
	assert_string_equal(status_of(w, 0).why, "slow: both checks together take more than 400 ms");
	assert_in_range(uv_now(&w->loop) - s->accepted_ms, 350, 600); /* and not 700 */
}

/* From a good check on: a period of silence, rounds that fail, and the last one's timeout. */
static uint64_t silent_for_ms(const struct health_conf *c)
{
	uint64_t period = health__round_period_ms(c);
	uint64_t step = period > c->timeout_ms ? period : c->timeout_ms;

	return period + (c->fall - 1) * step + c->timeout_ms;
}

static void a_silent_node_is_down_in_time_whatever_the_timeout(void **state)
{
	static const uint32_t intervals[] = { 100, 500, 1000, 2000, 5000, 30000, 3600000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(intervals); i++)
		for (uint32_t fall = 1; fall <= HEALTH_COUNT_MAX; fall++)
			for (uint32_t tenths = 1; tenths <= 10; tenths++) {
				struct health_conf c = { .interval_ms = intervals[i], .fall = fall,
							 .timeout_ms = intervals[i] / 10 * tenths };

				assert_true(silent_for_ms(&c) + 200 <= fall * (uint64_t)c.interval_ms + 1000);
				assert_true(health__round_period_ms(&c) <= c.interval_ms);
				assert_true(health__round_period_ms(&c) >= 100);
			}
}

static void an_ordinary_timeout_leaves_the_interval_alone(void **state)
{
	struct health_conf c = { .interval_ms = 2000, .timeout_ms = 700, .fall = 3 };

	(void)state;
	assert_int_equal(health__round_period_ms(&c), 2000);
	c.timeout_ms = 1000;
	assert_in_range(health__round_period_ms(&c), 1900, 2000);
	c.timeout_ms = 2000;
	assert_int_equal(health__round_period_ms(&c), 750);
}

static void a_refusal_through_the_data_plane_is_told_apart(void **state)
{
	struct world *w = *state;
	struct server *s = &w->server[0];

	w->service[0].health.through_dataplane = true;
	listen_on(w, s, "127.0.0.1", 0);
	through_now = addr_of("127.0.0.2"); /* nobody listens there */
	add_node(w, "a", "127.0.0.1", s->port);
	begin(w);
	run_until(w, first_is_down_for_a_reason);
	assert_string_equal(status_of(w, 0).why, "through this gateway: connection refused");
}

static void without_our_own_end_the_direct_check_has_to_do(void **state)
{
	struct world *w = *state;
	struct server *s = &w->server[0];

	w->service[0].health.through_dataplane = true;
	w->setup.probe_client = addr_of("192.0.2.1"); /* not an address of this host */
	listen_on(w, s, "127.0.0.1", 0);
	through_now = addr_of("127.0.0.2");
	add_node(w, "a", "127.0.0.1", s->port);
	begin(w);
	run_until(w, first_is_up);
}

static int rounds_wanted;
static struct server *watched;

static bool many_rounds(struct world *w)
{
	(void)w;
	return watched->n_accepted >= rounds_wanted;
}

static void one_check_at_a_time(void **state)
{
	struct world *w = *state;
	struct server *s = &w->server[0]; /* never answers, so that every check runs into its time */

	w->service[0].health.kind = HEALTH_HTTP;
	w->service[0].health.interval_ms = w->service[0].health.timeout_ms = 20;
	listen_on(w, s, "127.0.0.1", 0);
	add_node(w, "a", "127.0.0.1", s->port);
	begin(w);
	watched = s;
	rounds_wanted = 12;
	run_until(w, many_rounds);
	/* the server sees the end of one connection a moment after the beginning of the next */
	assert_in_range(s->n_open_most, 1, 2);
}

static void a_service_without_checks_is_up(void **state)
{
	struct world *w = *state;

	w->service[0].health.kind = HEALTH_NONE;
	add_node(w, "a", "127.0.0.1", 9);
	begin(w);
	assert_int_equal(status_of(w, 0).state, NODE_UP);
	assert_string_equal(status_of(w, 0).why, "not checked");
}

static void a_reload_keeps_what_is_known_of_a_node(void **state)
{
	struct world *w = *state;
	struct node_status st[2];
	struct server *s = &w->server[0], *t = &w->server[1];

	listen_on(w, s, "127.0.0.1", 0);
	listen_on(w, t, "127.0.0.1", 0);
	add_node(w, "a", "127.0.0.1", s->port);
	begin(w);
	run_until(w, first_is_up);
	w->node[0][1] = w->node[0][0];
	w->node[0][0].port = t->port;
	strcpy(w->node[0][0].name, "new");
	w->service[0].n_node = 2;
	health_status_for(w->health, &w->conf, st);
	assert_int_equal(st[0].state, NODE_DOWN);
	assert_int_equal(st[1].state, NODE_UP);
	assert_int_equal(health_reload(w->health, &w->conf, NULL), 0);
	assert_int_equal(status_of(w, 0).state, NODE_DOWN);
	assert_string_equal(status_of(w, 0).why, "not checked yet");
	assert_int_equal(status_of(w, 1).state, NODE_UP);
	run_until(w, all_are_up);
}

static void a_reload_to_a_shorter_interval_takes_effect_at_once(void **state)
{
	struct world *w = *state;
	struct server *s = &w->server[0];

	w->service[0].health.interval_ms = 3600000;
	listen_on(w, s, "127.0.0.1", 0);
	add_node(w, "a", "127.0.0.1", s->port);
	begin(w);
	run_until(w, first_is_up);
	uv_close((uv_handle_t *)&s->listener, NULL);
	w->service[0].health.interval_ms = INTERVAL_MS;
	assert_int_equal(health_reload(w->health, &w->conf, NULL), 0);
	run_until(w, went_down);
}

static void checks_may_be_switched_off_and_on(void **state)
{
	struct world *w = *state;
	struct server *s = &w->server[0];

	w->service[0].health.kind = HEALTH_NONE;
	listen_on(w, s, "127.0.0.1", 0);
	add_node(w, "a", "127.0.0.1", s->port);
	begin(w);
	w->service[0].health.kind = HEALTH_TCP;
	assert_int_equal(health_reload(w->health, &w->conf, NULL), 0);
	assert_int_equal(status_of(w, 0).state, NODE_DOWN);
	run_until(w, first_is_up);
	uv_close((uv_handle_t *)&s->listener, NULL);
	run_until(w, went_down);
	w->service[0].health.kind = HEALTH_NONE;
	assert_int_equal(health_reload(w->health, &w->conf, NULL), 0);
	assert_int_equal(status_of(w, 0).state, NODE_UP);
}

static void a_new_node_of_weight_0_is_checked_like_any(void **state)
{
	struct world *w = *state;
	struct server *s = &w->server[0];
	struct node_status st;

	listen_on(w, s, "127.0.0.1", 0);
	begin(w);
	add_node(w, "a", "127.0.0.1", s->port);
	w->node[0][0].weight = 0;
	health_status_for(w->health, &w->conf, &st);
	assert_int_equal(st.state, NODE_DOWN);
	assert_string_equal(st.why, "not checked yet");
	w->service[0].health.kind = HEALTH_NONE;
	health_status_for(w->health, &w->conf, &st);
	assert_int_equal(st.state, NODE_DRAINING);
}

static void a_node_at_another_address_is_another_node(void **state)
{
	struct world *w = *state;
	struct node_status st;
	struct server *s = &w->server[0];

	listen_on(w, s, "127.0.0.1", 0);
	add_node(w, "a", "127.0.0.1", s->port);
	begin(w);
	run_until(w, first_is_up);
	w->node[0][0].address = addr_of("127.0.0.2");
	health_status_for(w->health, &w->conf, &st);
	assert_int_equal(st.state, NODE_DOWN);
}

static void reloads_and_ends_in_mid_check_leave_nothing_behind(void **state)
{
	struct world *w = *state;
	struct server *s = &w->server[0];

	w->service[0].health.kind = HEALTH_HTTP;
	listen_on(w, s, "127.0.0.1", 0);
	add_node(w, "a", "127.0.0.1", s->port);
	begin(w);
	watched = s;
	rounds_wanted = 1;
	run_until(w, many_rounds); /* a request is out */
	for (int i = 0; i < 20; i++) {
		snprintf(w->node[0][0].name, SERVICE_NAME_MAX, "a%d", i);
		assert_int_equal(health_reload(w->health, &w->conf, NULL), 0);
		uv_run(&w->loop, UV_RUN_NOWAIT);
	}
	w->service[0].n_node = 0;
	assert_int_equal(health_reload(w->health, &w->conf, NULL), 0);
}

static bool first_is_drained(struct world *w)
{
	return status_of(w, 0).state == NODE_DOWN;
}

static void a_drained_node_counts_as_down_after_its_time(void **state)
{
	struct world *w = *state;
	struct server *s = &w->server[0];

	listen_on(w, s, "127.0.0.1", 0);
	w->service[0].drain_ms = 100;
	add_node(w, "a", "127.0.0.1", s->port);
	begin(w);
	run_until(w, first_is_up);
	assert_int_equal(health_drain(w->health, "s3", "b", true), -ENOENT);
	assert_int_equal(health_drain(w->health, "s3", "a", true), 0);
	assert_int_equal(status_of(w, 0).state, NODE_DRAINING);
	run_until(w, first_is_drained);
	assert_string_equal(status_of(w, 0).why, "drained by the operator");
	assert_int_equal(health_drain(w->health, "s3", "a", false), 0);
	assert_int_equal(status_of(w, 0).state, NODE_UP);
}

static void weight_0_drains_and_another_weight_brings_it_back(void **state)
{
	struct world *w = *state;
	struct node_status st;
	struct server *s = &w->server[0];

	listen_on(w, s, "127.0.0.1", 0);
	add_node(w, "a", "127.0.0.1", s->port);
	begin(w);
	run_until(w, first_is_up);
	w->node[0][0].weight = 0;
	health_status_for(w->health, &w->conf, &st);
	assert_int_equal(st.state, NODE_DRAINING);
	assert_int_equal(health_reload(w->health, &w->conf, NULL), 0);
	assert_int_equal(status_of(w, 0).state, NODE_DRAINING);
	assert_string_equal(status_of(w, 0).why, "weight 0");
	w->node[0][0].weight = 3;
	assert_int_equal(health_reload(w->health, &w->conf, NULL), 0);
	assert_int_equal(status_of(w, 0).state, NODE_UP);
}

static uint8_t shares[8];
static int n_shares;

static bool ramped_up(struct world *w)
{
	struct node_status st = status_of(w, 0);

	if (st.state == NODE_UP && (n_shares == 0 || shares[n_shares - 1] != st.ramp_percent))
		shares[n_shares++] = st.ramp_percent;
	return st.state == NODE_UP && st.ramp_percent == 0;
}

static void a_node_that_comes_back_starts_slowly(void **state)
{
	static const uint8_t want[] = { 10, 25, 50, 0 };
	struct world *w = *state;
	struct server *s = &w->server[0], *again = &w->server[1];

	listen_on(w, s, "127.0.0.1", 0);
	w->service[0].slow_start_ms = 200;
	add_node(w, "a", "127.0.0.1", s->port);
	begin(w);
	run_until(w, first_is_up);
	assert_int_equal(status_of(w, 0).ramp_percent, 0); /* at start all begin together */
	uv_close((uv_handle_t *)&s->listener, NULL);
	run_until(w, went_down);
	listen_on(w, again, "127.0.0.1", s->port);
	n_shares = 0;
	run_until(w, ramped_up);
	assert_int_equal(n_shares, 4);
	assert_memory_equal(shares, want, 4);
}

#define T(f) cmocka_unit_test_setup_teardown(f, new_world, free_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_node_is_down_until_its_first_check),
		T(nodes_of_both_families_are_checked),
		T(a_refused_connection_is_named),
		T(a_silent_node_times_out),
		T(a_node_goes_down_after_fall_and_up_after_rise),
		T(silence_is_noticed_within_fall_intervals_and_one_timeout),
		T(http_answers_that_are_not_good_are_named),
		T(the_health_port_may_be_another),
		T(checks_go_on_through_the_data_plane),
		T(a_node_that_answers_past_us_is_down_for_that_reason),
		T(http_is_asked_through_the_data_plane_too),
		T(a_node_whose_http_answers_bypass_us_is_down_for_that_reason),
		T(http_at_another_port_is_not_asked_of_the_service),
		T(both_attempts_of_a_round_share_one_timeout),
		T(a_silent_node_is_down_in_time_whatever_the_timeout),
		T(an_ordinary_timeout_leaves_the_interval_alone),
		T(a_refusal_through_the_data_plane_is_told_apart),
		T(without_our_own_end_the_direct_check_has_to_do),
		T(one_check_at_a_time),
		T(a_service_without_checks_is_up),
		T(a_reload_keeps_what_is_known_of_a_node),
		T(a_reload_to_a_shorter_interval_takes_effect_at_once),
		T(checks_may_be_switched_off_and_on),
		T(a_new_node_of_weight_0_is_checked_like_any),
		T(a_node_at_another_address_is_another_node),
		T(reloads_and_ends_in_mid_check_leave_nothing_behind),
		T(a_drained_node_counts_as_down_after_its_time),
		T(weight_0_drains_and_another_weight_brings_it_back),
		T(a_node_that_comes_back_starts_slowly),
	};

	return cmocka_run_group_tests_name("health", tests, NULL, NULL);
}
