/*
 * teardown.c - take everything away, the guard too: from here on the kernel forwards by itself.
 *
 * Done by the tool, as root, and not by the daemon at the tool's request: nothing that speaks to
 * the network may be able to lift the guard.
 */
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "ctl.h"
#include "sixgate/config/config.h"
#include "sixgate/netlink/netlink.h"

#define DEFAULT_DEVICE "sixgate0"

enum { END_MS = 15000 };

static int end_daemon(pid_t pid, struct err *e)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	int rc = 0;

	if (fd < 0)
		return errno == ESRCH ? 0 : err_set(e, -errno, "process %d: %s", pid, strerror(errno));
	if (syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0) < 0 && errno != ESRCH)
		rc = err_set(e, -errno, "stopping sixgated (process %d): %s", pid, strerror(errno));
	else if (poll(&wait, 1, END_MS) == 0)
		rc = err_set(e, -ETIMEDOUT, "sixgated (process %d) does not end", pid);
	close(fd);
	return rc;
}

static void state_path(const char *socket_path, char out[PATH_TEXT_MAX + 16])
{
	const char *slash = strrchr(socket_path, '/');

	snprintf(out, PATH_TEXT_MAX + 16, "%.*s/kernel.state",
		 slash ? (int)(slash - socket_path) : 1, slash ? socket_path : ".");
}

/* A daemon that answers at another socket would put everything back. */
static int refuse_survivor(int pid, struct err *e)
{
	if (pid > 0 || !if_nametoindex(DEFAULT_DEVICE))
		return 0;
	return err_set(e, -EBUSY, DEFAULT_DEVICE " is still there: a sixgated runs that does not answer "
				  "here; name its socket with -s");
}

int ctl_teardown(const char *socket_path)
{
	char state[PATH_TEXT_MAX + 16];
	struct netlink *nl = NULL;
	struct err e = { "" };
	int pid, rc;

	if (geteuid() != 0) {
		fprintf(stderr, "sixgatectl: teardown must be run as root\n");
		return CTL_FAILED;
	}
	pid = ctl_daemon(socket_path, &e);
	rc = pid > 0 ? end_daemon(pid, &e) : pid == -ENOENT || pid == -ECONNREFUSED ? 0 : pid;
	state_path(socket_path, state);
	if (rc == 0)
		rc = netlink_new(&nl, state, &e);
	if (rc == 0)
		rc = netlink_teardown(nl, &e);
	netlink_free(nl);
	if (rc == 0)
		rc = refuse_survivor(pid, &e);
	if (rc) {
		fprintf(stderr, "sixgatectl: %s\n", e.text);
		return CTL_FAILED;
	}
	puts("guard, routes and rules are gone");
	return CTL_OK;
}
