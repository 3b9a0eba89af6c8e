/* ask.c - the tool's end of the control socket. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "ctl.h"

static int connect_to(const char *path, struct err *e)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	union {
		const struct sockaddr_un *un;
		const struct sockaddr *sa;
	} to = { .un = &sa };
	int fd, rc;

	if (strlen(path) >= sizeof(sa.sun_path))
		return err_set(e, -ENAMETOOLONG, "%s: the path is too long", path);
	memcpy(sa.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_set(e, -errno, "socket: %s", strerror(errno));
	if (connect(fd, to.sa, sizeof(sa)) == 0)
		return fd;
	rc = -errno;
	close(fd);
	if (rc == -ENOENT || rc == -ECONNREFUSED)
		return err_set(e, rc, "sixgated is not running (nobody listens on %s)", path);
	return err_set(e, rc, "%s: %s", path, strerror(-rc));
}

int ctl_daemon(const char *socket_path, struct err *e)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	int fd = connect_to(socket_path, e);
	int rc;

	if (fd < 0)
		return fd;
	rc = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 ? -errno : (int)peer.pid;
	close(fd);
	if (rc > 0 && peer.uid == 0)
		return rc;
	return err_set(e, -EPERM,
		       "whoever listens on %s is not a sixgated that can be stopped from here; stop "
		       "it first", socket_path);
}

static int read_answer(FILE *f, ctl_each *each, void *ctx, struct err *e)
{
	char *line = NULL;
	size_t size = 0;
	bool last = false;

	while (!last && getline(&line, &size, f) > 0) {
		json_error_t why;
		json_t *v = json_loads(line, 0, &why);

		if (!v) {
			free(line);
			return err_set(e, -EPROTO, "the daemon's answer is not JSON: %s", why.text);
		}
		last = json_object_get(v, "ok") != NULL;
		each(ctx, v, last);
		json_decref(v);
	}
	free(line);
	return last ? 0 : err_set(e, -EPROTO, "the daemon closed the connection early");
}

int ctl_ask(const char *socket_path, const struct ctl_request *r, ctl_each *each, void *ctx,
	    struct err *e)
{
	char line[CTL_LINE_MAX];
	size_t len = ctl_request_encode(r, line, sizeof(line));
	int fd = connect_to(socket_path, e);
	FILE *f;
	int rc;

	if (fd < 0)
		return fd;
	/* a daemon that does not take it (too many clients) may have said why: read on */
	if (send(fd, line, len, MSG_NOSIGNAL) != (ssize_t)len && errno != EPIPE) {
		close(fd);
		return err_set(e, -EIO, "the daemon does not take the request");
	}
	f = fdopen(fd, "r");
	if (!f) {
		close(fd);
		return err_set(e, -errno, "%s", strerror(errno));
	}
	rc = read_answer(f, each, ctx, e);
	fclose(f);
	return rc;
}
