/* sink.c - opens what events are written to. Runs in the parent: the child may open nothing. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "parent.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

static int open_socket(const char *key, const char *path, struct err *e)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	union {
		const struct sockaddr_un *un;
		const struct sockaddr *sa;
	} to = { .un = &sa };
	int fd = -1, rc = -ENAMETOOLONG;

	if (strlen(path) < sizeof(sa.sun_path)) {
		memcpy(sa.sun_path, path, strlen(path) + 1);
		fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		rc = fd < 0 || connect(fd, to.sa, sizeof(sa)) < 0 ? -errno : 0;
	}
	if (rc == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return err_set(e, rc, "%s: %s: %s", key, path, strerror(-rc));
}

/* A FIFO or device could block whoever writes; a link could lead where nobody meant to write. */
static int open_file(const char *key, const char *path, struct err *e)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0640);
	struct stat st;

	if (fd < 0)
		return err_set(e, -errno, "%s: %s: %s", key, path, strerror(errno));
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	close(fd);
	return err_set(e, -EINVAL, "%s: %s: not a regular file", key, path);
}

int sink__open(const char *key, const char *name, struct err *e)
{
	if (strcmp(name, "journal") == 0)
		return open_socket(key, JOURNAL_SOCKET, e);
	if (strncmp(name, "socket:", 7) == 0)
		return open_socket(key, name + 7, e);
	return open_file(key, name, e);
}
