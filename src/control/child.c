/*
 * child.c - the unprivileged half: from the fork to the control loop.
 *
 * Privileges go first. Then come the parent's gifts (text of the configuration, queues, sockets),
 * the threads, each with its own list of system calls, and last this thread's own.
 */
#include "child.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "advertise.h"
#include "control.h"
#include "handover.h"
#include "nodes.h"
#include "plat.h"
#include "sixgate/io/tun.h"
#include "sixgate/log/log.h"
#include "translator.h"

/** struct gifts - what the parent has sent before GO; descriptors are -1 while they are missing. */
struct gifts {
	int config, control, metrics;
	int queue[N_SIDES][TUN_QUEUES_MAX];
	struct xdp_share share[XDP_WORKERS_MAX];
	unsigned n_workers, offload[N_SIDES];
	struct netlink_facts facts;
	struct steer_shared *steering;
	bool has_facts;
};

static void keep(int *place, int fd)
{
	if (*place >= 0)
		close(*place);
	*place = fd;
}

static int take_xdp_socket(struct gifts *g, const struct notice *n, int fd, struct err *e)
{
	struct xdp_share *s = &g->share[n->index < XDP_WORKERS_MAX ? n->index : 0];

	if (n->index >= XDP_WORKERS_MAX || s->n == XDP_SHARE_SOCKETS_MAX || n->side >= N_SIDES || fd < 0)
		return err_set(e, -EPROTO, "an AF_XDP socket that does not exist");
	s->socket[s->n++] = (struct xdp_socket){ .fd = fd, .ifindex = (int32_t)n->value[0],
						 .queue = (uint16_t)n->value[1], .side = n->side,
						 .flags = n->flags };
	return 0;
}

static int take_gift(struct gifts *g, const struct notice *n, int fd, struct err *e)
{
	switch ((enum notice_kind)n->kind) {
	case NOTICE_CONFIG:
		keep(&g->config, fd);
		return 0;
	case NOTICE_CONTROL:
		keep(&g->control, fd);
		return 0;
	case NOTICE_METRICS:
		keep(&g->metrics, fd);
		return 0;
	case NOTICE_TUN:
		if (n->side >= N_SIDES || n->index >= TUN_QUEUES_MAX)
			return err_set(e, -EPROTO, "a queue that does not exist");
		keep(&g->queue[n->side][n->index], fd);
		g->n_workers = n->value[0];
		g->offload[n->side] = n->value[1];
		return 0;
	case NOTICE_XDP_MEMORY:
		if (n->index >= XDP_WORKERS_MAX)
			return err_set(e, -EPROTO, "memory of a worker that does not exist");
		keep(&g->share[n->index].memory, fd);
		g->share[n->index].n_frames = n->value[0];
		return 0;
	case NOTICE_XDP_SOCKET:
		return take_xdp_socket(g, n, fd, e);
	case NOTICE_STEERING:
		g->steering = fd < 0 ? NULL : tun_steering_table(fd);
		return 0;
	case NOTICE_FACTS:
		g->has_facts = handover__read_facts(fd, &g->facts) == 0;
		return 0;
	default:
		keep(&fd, -1);
		return 0;
	}
}

/* Until GO. A STOP before it is an orderly end. */
static int take_gifts(struct link *l, struct gifts *g, struct err *e)
{
	struct pollfd wait = { .fd = l->fd, .events = POLLIN };
	struct notice n;
	int fd;

	for (;;) {
		int rc;

		if (poll(&wait, 1, -1) < 0)
			continue;
		rc = link__read(l, &n, &fd, MSG_DONTWAIT);
		if (rc == 0)
			continue;
		if (rc < 0)
			exit(0); /* the parent has said why */
		if (n.kind == NOTICE_GO)
			break;
		if (n.kind == NOTICE_STOP)
			exit(0);
		rc = take_gift(g, &n, fd, e);
		if (rc)
			return rc;
	}
	if (g->config < 0 || g->control < 0 || !g->has_facts || g->n_workers == 0)
		return err_set(e, -EPROTO, "the parent did not send everything");
	return 0;
}

static int parse_config(struct control *c, int fd, struct err *e)
{
	struct config_errors *errors = calloc(1, sizeof(*errors));
	char *text = NULL;
	size_t len;
	int rc = errors ? handover__read(fd, &text, &len) : -ENOMEM;

	if (rc == 0)
		rc = config_parse("configuration", text, len, &c->config, errors);
	if (rc)
		err_set(e, rc, "configuration: %s",
			errors && errors->n ? errors->error[0].text : strerror(-rc));
	free(errors);
	free(text);
	return rc;
}

static struct control *ended_control; /* for the callback that has no context of its own */

static void on_worker_end(struct worker_loop *l)
{
	(void)l;
	uv_async_send(&ended_control->worker_ended);
}

static int start_workers(struct control *c, struct gifts *g, struct err *e)
{
	struct snapshot *first;
	int rc = workers__init(&c->workers, g->n_workers, c->config->gateway.flows, &c->key, e);

	for (unsigned i = 0; i < g->n_workers && rc == 0; i++)
		rc = workers__add_port(&c->workers, i, g->queue[SIDE_INSIDE][i],
				       g->queue[SIDE_OUTSIDE][i], &g->share[i], e);
	if (rc == 0)
		rc = nodes__start(c, e);
	if (rc == 0)
		rc = plat__start(c, e);
	if (rc == 0)
		rc = translator__start(c, e);
	if (rc == 0)
		rc = control__build(c, c->config, &c->facts, nodes__now(c, NULL), &first, e);
	if (rc)
		return rc;
	control__publish(c, first);
	ended_control = c;
	return workers__start(&c->workers, on_worker_end, e);
}

static int start_serving(struct control *c, struct gifts *g, struct err *e)
{
	struct request ready = { .kind = REQUEST_READY };
	int fd;
	int rc = seccomp__enter(ROLE_CONTROL, e);

	if (rc)
		return rc;
	dns__start(c);
	plat__follow(c, c->config);
	translator__follow(c, c->config);
	advertise__follow(c, c->config);
	rc = server__start(&c->server, &c->loop, g->control, answer__request, c);
	if (rc)
		return err_set(e, rc, "control socket: %s", strerror(-rc));
	if (g->metrics >= 0) {
		c->metrics = metrics__start(c, g->metrics, e);
		if (!c->metrics)
			log_error("%s; going on without metrics", e->text);
	}
	accounting__start(c);
	return link__call(&c->link, ready, &fd, e);
}

static int begin(struct control *c, int channel, const struct identity *who, struct err *e)
{
	struct gifts g = { .config = -1, .control = -1, .metrics = -1 };
	int rc = privileges__drop(who, e);

	memset(g.queue, -1, sizeof(g.queue));
	for (unsigned i = 0; i < XDP_WORKERS_MAX; i++)
		g.share[i].memory = -1;
	json_object_seed(0); /* opens /dev/urandom; */
	dns64_tls_init();
	tzset();	     /* reads /etc/localtime: later this thread may not */
	if (rc == 0 && getrandom(&c->key, sizeof(c->key), 0) != sizeof(c->key))
		rc = err_set(e, -EIO, "no random numbers");
	if (rc == 0)
		rc = control__open_loop(c, channel, e);
	if (rc == 0)
		rc = take_gifts(&c->link, &g, e);
	if (rc == 0)
		rc = parse_config(c, g.config, e);
	if (rc)
		return rc;
	c->facts = g.facts;
	c->steering = g.steering;
	memcpy(c->offload, g.offload, sizeof(c->offload));
	memcpy(c->share, g.share, sizeof(c->share));
	rc = start_workers(c, &g, e);
	if (rc == 0)
		rc = dns_threads__start(&c->dns, c->config->dns64.threads, &c->key, e);
	if (rc == 0)
		rc = start_serving(c, &g, e);
	return rc;
}

/* The loop has ended: close what still has a thread or a client, and let the last callbacks run. */
static void end(struct control *c)
{
	accounting__end(c);
	workers__stop(&c->workers);
	dns_threads__stop(&c->dns);
	nodes__stop(c);
	plat__stop(c);
	translator__stop(c);
	advertise__stop(c);
	server__stop(c->server);
	metrics__stop(c->metrics);
	uv_close((uv_handle_t *)&c->tick, NULL);
	uv_close((uv_handle_t *)&c->settle, NULL);
	uv_close((uv_handle_t *)&c->link_poll, NULL);
	uv_close((uv_handle_t *)&c->worker_ended, NULL);
	uv_close((uv_handle_t *)&c->dump_done, NULL);
	uv_run(&c->loop, UV_RUN_DEFAULT);
	for (size_t i = 0; i < c->n_retired; i++)
		snapshot_free(c->retired[i]);
	snapshot_free(atomic_exchange(&c->workers.slot.current, NULL));
	next_hops__free(&c->hops);
	config_free(c->config);
	netlink_facts_free(&c->facts);
	netlink_facts_free(&c->fresh_facts);
}

_Noreturn void child__run(int channel, const struct identity *who)
{
	struct control *c = calloc(1, sizeof(*c));
	struct err e = { "" };

	/* what is sent to the whole group is the parent's business */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	if (!c || begin(c, channel, who, &e) != 0) {
		log_error("%s", c ? e.text : "out of memory");
		_exit(1);
	}
	if (!c->want_stop && !c->broken)
		uv_run(&c->loop, UV_RUN_DEFAULT);
	end(c);
	exit(c->broken ? 1 : 0);
}
