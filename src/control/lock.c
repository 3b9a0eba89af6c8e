/*
 * lock.c - one gateway in a network namespace.
 *
 * Guard, tables and rules carry fixed names and numbers: a second gateway would take them over. The
 * lock is a socket with an abstract name, which belongs to the network namespace and ends with the
 * process, however it ends. It listens, so that whoever is refused learns who holds it.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "parent.h"

#define LOCK_NAME "sixgate-gateway" /* after a NUL, which makes it abstract (unix(7)) */

union unix_address {
	struct sockaddr_un un;
	struct sockaddr sa;
};

static socklen_t lock_address(union unix_address *out)
{
	*out = (union unix_address){ .un = { .sun_family = AF_UNIX } };
	memcpy(out->un.sun_path + 1, LOCK_NAME, sizeof(LOCK_NAME) - 1);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + sizeof(LOCK_NAME));
}

static int explain_holder(const union unix_address *at, socklen_t len, struct err *e)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct ucred peer = { .pid = 0 };
	socklen_t size = sizeof(peer);
	bool known = fd >= 0 && connect(fd, &at->sa, len) == 0 &&
		     getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0;

	if (fd >= 0)
		close(fd);
	if (known && peer.uid != 0)
		return err_set(e, -EADDRINUSE,
			       "the name @" LOCK_NAME " is held by process %d of user %u, which is no "
			       "gateway: end it", (int)peer.pid, (unsigned)peer.uid);
	if (known && peer.pid != 0)
		return err_set(e, -EADDRINUSE,
			       "another gateway runs in this network namespace (process %d): one at a "
			       "time", (int)peer.pid);
	return err_set(e, -EADDRINUSE,
		       "another gateway runs in this network namespace: one at a time");
}

int lock__take(struct err *e)
{
	union unix_address at;
	socklen_t len = lock_address(&at);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int rc;

	if (fd < 0)
		return err_set(e, -errno, "socket: %s", strerror(errno));
	if (bind(fd, &at.sa, len) == 0 && listen(fd, 1) == 0)
		return fd;
	rc = -errno;
	close(fd);
	if (rc == -EADDRINUSE)
		return explain_holder(&at, len, e);
	return err_set(e, rc, "the lock of the network namespace: %s", strerror(-rc));
}
