/*
 * parent.c - the life of the privileged parent.
 *
 * Guard first; then the child is forked, before anything is open that it should not inherit; then
 * devices and sockets, which it is given; and when it says that it works, the routes. On every way
 * out the routes go and the guard stays.
 */
#include "parent.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "channel.h"
#include "child.h"
#include "handover.h"
#include "sixgate/flow/steer.h"
#include "sixgate/netlink/guard.h"

enum { STOP_MS = 5000 }; /* what the child may take to end */

void parent__end(struct parent *p, int code)
{
	if (p->ending)
		return;
	p->ending = true;
	p->exit_code = code;
}

bool parent__tell(struct parent *p, enum notice_kind kind, int pass)
{
	struct notice n = { .magic = REQUEST_MAGIC, .kind = (uint16_t)kind };
	int rc = channel__send(p->channel, &n, sizeof(n), pass, MSG_DONTWAIT);

	if (pass >= 0)
		close(pass);
	return rc == 0;
}

bool parent__send_facts(struct parent *p, const struct netlink_facts *f, uint8_t flags)
{
	struct notice n = { .magic = REQUEST_MAGIC, .kind = NOTICE_FACTS, .flags = flags };
	int fd = handover__write_facts(f);
	int rc;

	if (fd < 0)
		return false;
	rc = channel__send(p->channel, &n, sizeof(n), fd, MSG_DONTWAIT);
	close(fd);
	return rc == 0;
}

static int open_log(const struct parent *p, struct err *e)
{
	int fd;

	if (!p->options->log_path)
		return 0;
	fd = open(p->options->log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
	if (fd < 0)
		return err_set(e, -errno, "%s: %s", p->options->log_path, strerror(errno));
	dup2(fd, STDERR_FILENO);
	close(fd);
	log_look_again();
	return 0;
}

static unsigned count_workers(const struct config *c)
{
	cpu_set_t cpus;
	int n = 1;

	if (c->gateway.workers)
		return c->gateway.workers;
	if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
		n = CPU_COUNT(&cpus);
	return n < 1 ? 1 : n > STEER_WORKERS_MAX ? STEER_WORKERS_MAX : (unsigned)n;
}

/* Signals become readable, in the parent and until the child has set its own. */
static int take_signals(struct parent *p, struct err *e)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	p->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (p->signals < 0)
		return err_set(e, -errno, "signalfd: %s", strerror(errno));
	return 0;
}

static int fork_child(struct parent *p, struct err *e)
{
	int fd[2];
	int rc = channel__pair(fd, e);

	if (rc)
		return rc;
	p->child = fork();
	if (p->child < 0) {
		close(fd[0]);
		close(fd[1]);
		p->child = 0;
		return err_set(e, -errno, "fork: %s", strerror(errno));
	}
	if (p->child == 0) {
		close(fd[0]);
		close(p->signals);
		close(p->lock);
		child__run(fd[1], &p->who);
	}
	close(fd[1]);
	p->channel = fd[0];
	return 0;
}

static bool send_queues(struct parent *p)
{
	for (unsigned side = 0; side < N_SIDES; side++)
		for (unsigned i = 0; i < p->tun[side].n; i++) {
			struct notice n = { .magic = REQUEST_MAGIC, .kind = NOTICE_TUN,
					    .index = (uint16_t)i, .side = (uint8_t)side,
					    .value = { p->n_workers, p->tun[side].offload } };
			int rc = channel__send(p->channel, &n, sizeof(n), p->tun[side].fd[i], 0);

			close(p->tun[side].fd[i]); /* the device ends with the child */
			p->tun[side].fd[i] = -1;
			if (rc)
				return false;
		}
	return true;
}

static bool send_steering(struct parent *p)
{
	bool sent = p->steering.map < 0 || parent__tell(p, NOTICE_STEERING, p->steering.map);

	p->steering.map = -1; /* told, and closed */
	tun_steering_close(&p->steering);
	return sent;
}

/* Everything the child needs to start, in the order in which it waits for it. */
static int equip_child(struct parent *p, struct err *e)
{
	int config = handover__write_config(p->config);
	int control = listener__open_control(p->config->gateway.control, e);
	int metrics;

	if (config < 0)
		return err_set(e, config, "handing over the configuration: %s", strerror(-config));
	if (control < 0) {
		close(config);
		return control;
	}
	p->owns_control = true;
	if (!parent__tell(p, NOTICE_CONFIG, config) || !parent__tell(p, NOTICE_CONTROL, control) ||
	    !send_queues(p) || !send_steering(p) || !parent__xdp_equip(p) || !parent__send_facts(p, &p->facts, REQUEST_RUNNING))
		return err_set(e, -EPIPE, "the child did not start");
	if (p->config->gateway.metrics) {
		metrics = listener__open_metrics(&p->config->gateway.metrics_listen, e);
		if (metrics < 0)
			log_error("%s; going on without metrics", e->text);
		else
			parent__tell(p, NOTICE_METRICS, metrics);
	}
	return parent__tell(p, NOTICE_GO, -1) ? 0 : err_set(e, -EPIPE, "the child did not start");
}

static void tell_end_of_child(int status)
{
	if (WIFSIGNALED(status))
		log_error("the unprivileged process was ended by signal %d (%s); the guard stays",
			  WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		log_error("the unprivileged process ended with code %d; the guard stays",
			  WEXITSTATUS(status));
}

static void reap(struct parent *p)
{
	int status = 0;

	if (!p->child || waitpid(p->child, &status, WNOHANG) != p->child)
		return;
	p->child = 0;
	if (p->ending)
		return;
	tell_end_of_child(status);
	parent__end(p, DAEMON_FAILED);
}

static void hang_up(struct parent *p)
{
	struct err e = { "" };
	int fd;

	if (open_log(p, &e) != 0)
		log_error("%s; going on with the old log file", e.text);
	fd = p->options->log_path ? fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3) : -1;
	if (fd >= 0)
		parent__tell(p, NOTICE_LOG, fd);
	parent__tell(p, NOTICE_RELOAD, -1);
}

static void take_signal(struct parent *p)
{
	struct signalfd_siginfo s;

	while (read(p->signals, &s, sizeof(s)) == sizeof(s)) {
		switch (s.ssi_signo) {
		case SIGCHLD:
			reap(p);
			break;
		case SIGHUP:
			hang_up(p);
			break;
		default:
			log_notice("stopping");
			parent__end(p, DAEMON_OK);
		}
	}
}

static void take_request(struct parent *p)
{
	uint8_t bytes[REQUEST_BYTES + 1];
	struct request r;
	unsigned n_fd;
	int fd;
	int n = channel__receive(p->channel, bytes, sizeof(bytes), &fd, &n_fd, MSG_DONTWAIT);

	if (fd >= 0)
		close(fd);
	if (n == -EAGAIN)
		return;
	if (n <= 0) { /* it is ending, and SIGCHLD says how; or it is made to */
		close(p->channel);
		p->channel = -1;
		kill(p->child, SIGKILL);
		return;
	}
	if (request_decode(bytes, (size_t)n, n_fd, &r) != 0) {
		log_error("the unprivileged process asked for what does not exist; ending it");
		kill(p->child, SIGKILL);
		parent__end(p, DAEMON_FAILED);
		return;
	}
	parent__serve(p, &r);
}

static int wait_ms(const struct parent *p)
{
	uint64_t now = now__ms();

	uint64_t next = p->next_sync_ms;

	if (!p->routed)
		return -1;
	if (p->next_hops_ms && p->next_hops_ms < next)
		next = p->next_hops_ms;
	return next > now ? (int)(next - now) : 0;
}

static void serve_until_the_end(struct parent *p)
{
	while (!p->ending) {
		struct pollfd fds[4] = {
			{ .fd = p->signals, .events = POLLIN },
			{ .fd = p->channel, .events = POLLIN },
			{ .fd = netlink_watch_fd(p->nl), .events = POLLIN },
			{ .fd = parent__xdp_fd(p), .events = POLLIN },
		};

		if (poll(fds, 4, wait_ms(p)) < 0 && errno != EINTR)
			parent__end(p, DAEMON_FAILED);
		if (fds[0].revents)
			take_signal(p);
		if (fds[1].revents && !p->ending)
			take_request(p);
		if (fds[2].revents && netlink_watch_read(p->nl))
			parent__kernel_changed(p);
		if (fds[3].revents)
			parent__xdp_changed(p);
		if (p->routed && p->next_hops_ms && now__ms() >= p->next_hops_ms)
			parent__xdp_look(p);
		if (p->routed && !p->ending && now__ms() >= p->next_sync_ms)
			parent__kernel_watch(p);
	}
}

static void end_child(struct parent *p)
{
	uint64_t end = now__ms() + STOP_MS;

	if (p->channel >= 0 && !parent__tell(p, NOTICE_STOP, -1)) {
		close(p->channel); /* says it, too, where nothing more fits into it */
		p->channel = -1;
	}
	while (p->child && now__ms() < end) {
		struct pollfd fd = { .fd = p->signals, .events = POLLIN };
		struct signalfd_siginfo s;

		poll(&fd, 1, (int)(end - now__ms()));
		if (read(p->signals, &s, sizeof(s)) == sizeof(s) && s.ssi_signo == SIGCHLD)
			reap(p);
	}
	if (p->child) {
		log_warning("the unprivileged process does not end; killing it");
		kill(p->child, SIGKILL);
		waitpid(p->child, NULL, 0);
		p->child = 0;
	}
}

/* Routes first, so that the kernel sends nothing more; the guard is left alone. */
static void end_everything(struct parent *p)
{
	p->ending = true;
	notify__send("STOPPING=1");
	parent__kernel_end(p);
	end_child(p);
	if (p->owns_control)
		unlink(p->config->gateway.control);
	if (p->channel >= 0)
		close(p->channel);
	if (p->signals >= 0)
		close(p->signals);
	lock__release(p->lock);
}

static int begin(struct parent *p, struct err *e)
{
	int rc = take_signals(p, e);

	if (rc == 0)
		rc = fork_child(p, e);
	if (rc == 0)
		rc = parent__kernel_begin(p, e);
	if (rc == 0)
		rc = equip_child(p, e);
	if (rc == 0)
		rc = seccomp__enter(ROLE_PARENT, e);
	return rc;
}

static int prepare(struct parent *p, const struct daemon_options *o)
{
	struct config_errors *errors = calloc(1, sizeof(*errors));
	char line[CONFIG_ERROR_LINE_MAX];
	int rc;

	p->config_path = realpath(o->config_path, NULL);
	if (!errors || !p->config_path) {
		log_error("%s: %s", o->config_path, strerror(errno));
		free(errors);
		return DAEMON_BAD_CONFIG;
	}
	rc = config_load(p->config_path, &p->config, errors);
	for (size_t i = 0; rc && i < errors->n; i++)
		log_error("%s", config_error_line(&errors->error[i], line));
	free(errors);
	return rc ? DAEMON_BAD_CONFIG : DAEMON_OK;
}

/* Another gateway here, or another daemon at our socket: before anything is touched, for what there
 * is is theirs. */
static int be_the_only_one(struct parent *p, struct err *e)
{
	int rc;

	p->lock = lock__take(e);
	if (p->lock < 0)
		return p->lock;
	rc = listener__check_control(p->config->gateway.control, e);
	if (rc)
		lock__release(p->lock);
	return rc;
}

/* From the guard on: whatever happens, routes are undone and the guard stays. */
static int run(struct parent *p)
{
	struct err e = { "" };
	int rc;

	rc = be_the_only_one(p, &e);
	if (rc) {
		log_error("%s", e.text);
		return DAEMON_FAILED;
	}
	p->n_workers = count_workers(p->config);
	rc = guard_install(p->config, &e);
	if (rc == 0)
		rc = identity__find(&p->who, p->config->gateway.user, &e);
	if (rc == 0)
		rc = open_log(p, &e);
	if (rc) {
		log_error("%s", e.text);
		lock__release(p->lock);
		return DAEMON_FAILED;
	}
	rc = begin(p, &e);
	if (rc == 0)
		serve_until_the_end(p);
	else
		log_error("%s", e.text);
	end_everything(p);
	return rc ? DAEMON_FAILED : p->exit_code;
}

int daemon_run(const struct daemon_options *o)
{
	struct parent p = { .options = o, .channel = -1, .signals = -1 };
	struct err e = { "" };
	int code = prepare(&p, o);

	if (code == DAEMON_OK && privileges__check(&e) != 0) {
		log_error("%s", e.text);
		code = DAEMON_NOT_ROOT;
	}
	if (code == DAEMON_OK)
		code = run(&p);
	config_free(p.pending);
	config_free(p.config);
	free(p.config_path);
	return code;
}
