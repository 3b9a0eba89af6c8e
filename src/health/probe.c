/*
 * probe.c - rounds of pings or connections through translators, by the machinery of the nodes'
 * checks: attempt.c makes the connections, streak.c counts.
 */
#include "sixgate/health/probe.h"
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>
#include "health_internal.h"
#include "sixgate/base/must.h"
#include "sixgate/base/wire.h"

enum {
	COOKIE_LEN = 16,
	PING_LEN = 8 + COOKIE_LEN,
	PING_TYPE = 128,
	PONG_TYPE = 129,
	PING_RECEIVE_MAX = 256
};

/**
 * struct probe - one address
 * @waiting: its ping is out; @cookie: in it, so that nobody can answer who has not seen it
 */
struct probe {
	struct health_probes *all;
	struct addr to;
	uv_timer_t round, deadline;
	struct attempt attempt;
	struct streak streak;
	bool waiting;
	uint16_t serial;
	uint8_t cookie[COOKIE_LEN];
	char why[REASON_MAX];
};

/** struct health_probes - on the heap; frees itself when @n_open handles are closed */
struct health_probes {
	struct health_probes_setup setup;
	struct health_conf conf; /* rise and fall */
	uv_poll_t poll;
	bool has_poll, closing;
	size_t n_open;
	struct probe probe[];
};

int health_open_ping(struct err *e)
{
	int fd = socket(AF_INET6, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_ICMPV6);
	struct icmp6_filter only_replies;
	int rc;

	if (fd < 0)
		return err_set(e, -errno, "pinging: %s%s", strerror(errno),
			       errno == EPERM ? " (it takes CAP_NET_RAW)" : "");
	ICMP6_FILTER_SETBLOCKALL(&only_replies);
	ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &only_replies);
	if (setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &only_replies, sizeof(only_replies)) == 0)
		return fd;
	rc = err_set(e, -errno, "pinging: %s", strerror(errno));
	close(fd);
	return rc;
}

static void begin_round(uv_timer_t *timer);

static void note(struct probe *p, bool good, const char *why)
{
	bool turned = health__streak_note(&p->streak, &p->all->conf, good);

	snprintf(p->why, sizeof(p->why), "%s", good ? "" : why);
	if (turned)
		p->all->setup.changed(p->all->setup.owner);
}

static void plan_round(struct probe *p, uint64_t ms)
{
	if (!p->all->closing)
		uv_timer_start(&p->round, begin_round, ms, 0);
}

static struct probe *probe_of(struct attempt *a)
{
	return (struct probe *)((char *)a - offsetof(struct probe, attempt));
}

static void let_go(struct health_probes *all)
{
	if (--all->n_open)
		return;
	if (all->setup.ping >= 0)
		close(all->setup.ping);
	free(all);
}

static void connected(struct attempt *a)
{
	struct probe *p = probe_of(a);

	if (p->all->closing) {
		let_go(p->all);
		return;
	}
	if (a->outcome == OUTCOME_GOOD || a->error == UV_ECONNREFUSED)
		note(p, true, "");
	else if (a->outcome == OUTCOME_BAD)
		note(p, false, a->why);
}

static void connect_to(struct probe *p)
{
	const struct attempt_target t = { .to = p->to, .port = p->all->setup.port,
					  .timeout_ms = p->all->setup.timeout_ms };

	if (!p->attempt.is_open)
		health__attempt_start(&p->attempt, &t);
}

static void on_deadline(uv_timer_t *timer)
{
	struct probe *p = timer->data;
	char why[REASON_MAX];

	p->waiting = false;
	snprintf(why, sizeof(why), "no answer to a ping within %u ms", p->all->setup.timeout_ms);
	note(p, false, why);
}

/* Not the translator's fault. */
static bool is_ours(int error)
{
	return error == ENOBUFS || error == EAGAIN || error == ENOMEM || error == EPERM;
}

static size_t write_ping(const struct probe *p, uint8_t out[PING_LEN])
{
	memset(out, 0, 8);
	out[0] = PING_TYPE;
	store16(out + 4, load16(p->cookie));
	store16(out + 6, p->serial);
	memcpy(out + 8, p->cookie, COOKIE_LEN);
	return PING_LEN;
}

static void ping(struct probe *p)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6 };
	uint8_t bytes[PING_LEN];
	size_t len;

	memcpy(&to.sin6_addr, p->to.octet, 16);
	p->serial++;
	if (getrandom(p->cookie, sizeof(p->cookie), 0) != sizeof(p->cookie))
		return;
	len = write_ping(p, bytes);
	if (sendto(p->all->setup.ping, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL,
		   (const struct sockaddr *)&to, sizeof(to)) == (ssize_t)len) {
		p->waiting = true;
		uv_timer_start(&p->deadline, on_deadline, p->all->setup.timeout_ms, 0);
	} else if (!is_ours(errno)) {
		note(p, false, strerror(errno));
	}
}

static void begin_round(uv_timer_t *timer)
{
	struct probe *p = timer->data;

	plan_round(p, p->all->setup.interval_ms);
	if (p->all->setup.port)
		connect_to(p);
	else if (!p->waiting)
		ping(p);
}

/* @bytes: hostile; whoever answers must have seen the question. */
static void take_pong(struct health_probes *all, const struct addr *from, const uint8_t *bytes,
		      size_t len)
{
	for (size_t i = 0; i < all->setup.n; i++) {
		struct probe *p = &all->probe[i];
		uint8_t expected[PING_LEN];

		if (!p->waiting || len != write_ping(p, expected) || bytes[0] != PONG_TYPE ||
		    !addr_equal(from, &p->to) || memcmp(bytes + 4, expected + 4, PING_LEN - 4) != 0)
			continue;
		p->waiting = false;
		uv_timer_stop(&p->deadline);
		note(p, true, "");
	}
}

static void on_pong(uv_poll_t *poll, int status, int events)
{
	struct health_probes *all = poll->data;
	struct sockaddr_in6 from;
	uint8_t bytes[PING_RECEIVE_MAX];

	(void)status, (void)events;
	for (;;) {
		socklen_t from_len = sizeof(from);
		ssize_t n = recvfrom(all->setup.ping, bytes, sizeof(bytes), MSG_DONTWAIT,
				     (struct sockaddr *)&from, &from_len);
		struct addr source;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		source = addr_from_v6(from.sin6_addr.s6_addr);
		take_pong(all, &source, bytes, (size_t)n);
	}
}

static void init_probe(struct probe *p, struct health_probes *all, const struct addr *to)
{
	p->all = all;
	p->to = *to;
	p->streak = (struct streak){ .up = true, .checked = true };
	uv_timer_init(all->setup.loop, &p->round);
	uv_timer_init(all->setup.loop, &p->deadline);
	p->round.data = p->deadline.data = p;
	health__attempt_init(&p->attempt, all->setup.loop, connected);
	plan_round(p, 0);
}

int health_probes_new(struct health_probes **out, const struct health_probes_setup *setup,
		      struct err *e)
{
	struct health_probes *all = calloc(1, sizeof(*all) + setup->n * sizeof(all->probe[0]));
	int rc;

	must(setup->n > 0 && setup->n <= HEALTH_PROBES_MAX && (setup->port || setup->ping >= 0));
	if (!all)
		return err_set(e, -ENOMEM, "out of memory");
	all->setup = *setup;
	all->setup.to = NULL;
	all->conf = (struct health_conf){ .rise = setup->rise, .fall = setup->fall };
	if (setup->ping >= 0) {
		rc = uv_poll_init(setup->loop, &all->poll, setup->ping);
		if (rc) {
			free(all);
			return err_set(e, rc, "pinging: %s", uv_strerror(rc));
		}
		all->has_poll = true;
		all->poll.data = all;
		uv_poll_start(&all->poll, UV_READABLE, on_pong);
	}
	for (size_t i = 0; i < setup->n; i++)
		init_probe(&all->probe[i], all, &setup->to[i]);
	*out = all;
	return 0;
}

static void handle_closed(uv_handle_t *handle)
{
	struct probe *p = handle->data;

	let_go(p->all);
}

static void poll_closed(uv_handle_t *handle)
{
	let_go(handle->data);
}

static void attempt_handle_closed(uv_handle_t *handle)
{
	let_go(probe_of(handle->data)->all);
}

void health_probes_close(struct health_probes *all)
{
	if (!all)
		return;
	all->closing = true;
	all->n_open = all->setup.n * 2 + all->has_poll;
	for (size_t i = 0; i < all->setup.n; i++) {
		struct probe *p = &all->probe[i];

		uv_close((uv_handle_t *)&p->round, handle_closed);
		uv_close((uv_handle_t *)&p->deadline, handle_closed);
		all->n_open += (size_t)health__attempt_stop(&p->attempt, attempt_handle_closed);
	}
	if (all->has_poll)
		uv_close((uv_handle_t *)&all->poll, poll_closed);
}

bool health_probes_up(const struct health_probes *p, size_t i)
{
	return p->probe[i].streak.up;
}

const char *health_probes_why(const struct health_probes *p, size_t i)
{
	return p->probe[i].why;
}
