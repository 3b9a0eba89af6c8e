/* listener.c - the sockets that need root or a place in the file system. */
#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "parent.h"

enum { BACKLOG = 128 };

union any_address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static socklen_t to_sockaddr(const struct endpoint_conf *at, union any_address *out)
{
	memset(out, 0, sizeof(*out));
	if (addr_is_v4(&at->address)) {
		out->in.sin_family = AF_INET;
		out->in.sin_port = htons(at->port);
		memcpy(&out->in.sin_addr, at->address.octet + 12, 4);
		return sizeof(out->in);
	}
	out->in6.sin6_family = AF_INET6;
	out->in6.sin6_port = htons(at->port);
	memcpy(&out->in6.sin6_addr, at->address.octet, 16);
	return sizeof(out->in6);
}

static void set_options(int fd, int family)
{
	const int on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on));
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
}

int listener__open_metrics(const struct endpoint_conf *at, struct err *e)
{
	union any_address sa;
	socklen_t len = to_sockaddr(at, &sa);
	char text[ADDR_TEXT_MAX];
	int fd = socket(sa.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int rc = 0;

	if (fd < 0)
		return err_set(e, -errno, "metrics: socket: %s", strerror(errno));
	set_options(fd, sa.sa.sa_family);
	if (bind(fd, &sa.sa, len) < 0 || listen(fd, BACKLOG) < 0)
		rc = -errno;
	if (rc == 0)
		return fd;
	close(fd);
	return err_set(e, rc, "metrics listener [%s]:%u: %s", addr_format(&at->address, text), at->port,
		       strerror(-rc));
}

/* Return: 0 when somebody takes connections there, or the negative errno of the attempt. */
static int try_connect(const struct sockaddr_un *sa)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	union {
		const struct sockaddr_un *un;
		const struct sockaddr *sa;
	} to = { .un = sa };
	int rc;

	if (fd < 0)
		return -errno;
	rc = connect(fd, to.sa, sizeof(*sa)) < 0 ? -errno : 0;
	close(fd);
	return rc == -EAGAIN ? 0 : rc; /* its queue is full: somebody is there */
}

static int address_of(const char *path, struct sockaddr_un *out, struct err *e)
{
	*out = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(out->sun_path))
		return err_set(e, -ENAMETOOLONG, "control socket %s: the path is too long", path);
	memcpy(out->sun_path, path, strlen(path) + 1);
	return 0;
}

int listener__check_control(const char *path, struct err *e)
{
	struct sockaddr_un sa;

	if (address_of(path, &sa, e) != 0 || try_connect(&sa) != 0)
		return 0;
	return err_set(e, -EADDRINUSE, "control socket %s: another sixgated is listening on it", path);
}

/* A socket that nobody listens on any more is left by a crash and may go. */
static int remove_stale(const struct sockaddr_un *sa, struct err *e)
{
	int rc = try_connect(sa);

	if (rc == 0)
		return err_set(e, -EADDRINUSE, "another sixgated is listening on it");
	if (rc == -ECONNREFUSED && unlink(sa->sun_path) < 0)
		return err_set(e, -errno, "a stale socket cannot be removed: %s", strerror(errno));
	return 0;
}

/* Members of the group "sixgate", where there is one, may ask; else root only. */
static void set_owner(const char *path)
{
	const struct group *g = getgrnam("sixgate");

	if (g && chown(path, 0, g->gr_gid) == 0)
		chmod(path, 0660);
	else
		chmod(path, 0600);
}

static int bind_control(int fd, const struct sockaddr_un *sa, struct err *e)
{
	union {
		const struct sockaddr_un *un;
		const struct sockaddr *sa;
	} to = { .un = sa };
	mode_t mask = umask(0177);
	int rc = bind(fd, to.sa, sizeof(*sa)) < 0 ? -errno : 0;

	umask(mask);
	if (rc)
		return err_set(e, rc, "bind: %s", strerror(-rc));
	set_owner(sa->sun_path);
	if (listen(fd, BACKLOG) < 0)
		return err_set(e, -errno, "listen: %s", strerror(errno));
	return 0;
}

int listener__open_control(const char *path, struct err *e)
{
	struct sockaddr_un sa;
	int fd, rc = address_of(path, &sa, e);

	if (rc)
		return rc;
	rc = remove_stale(&sa, e);
	if (rc)
		return err_wrap(e, rc, "control socket %s", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_set(e, -errno, "control socket: %s", strerror(errno));
	rc = bind_control(fd, &sa, e);
	if (rc) {
		close(fd);
		return err_wrap(e, rc, "control socket %s", path);
	}
	return fd;
}
