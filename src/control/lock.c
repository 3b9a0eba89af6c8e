/*
 * lock.c - one gateway in a network namespace.
 *
 * Guard, tables and rules carry fixed names and numbers: a second gateway would take them over. The
 * lock is a file that only root can open, named after the namespace's inode, so that nobody else can
 * take it and gateways in several namespaces of one machine do not meet. flock(2) ends with the
 * process, however it ends. Of processes that share a namespace but not /run, the second fails later,
 * at the first's devices.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "parent.h"

#define LOCK_DIR "/run/sixgate" /* whatever the configuration says: all gateways must meet there */

enum { LOCK_PATH_MAX = 64, TRIES_MAX = 8 };

static int lock_path(char path[LOCK_PATH_MAX])
{
	struct stat st;

	if (stat("/proc/self/ns/net", &st) < 0)
		return -errno;
	snprintf(path, LOCK_PATH_MAX, LOCK_DIR "/netns-%llu.lock", (unsigned long long)st.st_ino);
	return 0;
}

/* Who can write in the directory can put another file in the place of the lock. */
static int check_directory(struct err *e)
{
	struct stat st;

	if (mkdir(LOCK_DIR, 0755) < 0 && errno != EEXIST)
		return err_set(e, -errno, LOCK_DIR ": %s", strerror(errno));
	if (lstat(LOCK_DIR, &st) < 0)
		return err_set(e, -errno, LOCK_DIR ": %s", strerror(errno));
	if (!S_ISDIR(st.st_mode) || st.st_uid != 0 || st.st_mode & (S_IWGRP | S_IWOTH))
		return err_set(e, -EPERM, LOCK_DIR " must be a directory that only root can write in, for "
			       "the lock of the gateway stands there; mend it with: chown root " LOCK_DIR
			       " && chmod go-w " LOCK_DIR);
	return 0;
}

static int explain_holder(int fd, struct err *e)
{
	char text[16] = "";
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	int pid = n > 0 ? atoi(text) : 0;

	if (pid > 0)
		return err_set(e, -EADDRINUSE,
			       "another gateway runs in this network namespace (process %d): one at a time", pid);
	return err_set(e, -EADDRINUSE, "another gateway runs in this network namespace: one at a time");
}

/* Is @fd what stands at @path? The holder before us removes its file as it ends. */
static bool is_at(int fd, const char *path)
{
	struct stat ours, there;

	return fstat(fd, &ours) == 0 && lstat(path, &there) == 0 && ours.st_ino == there.st_ino &&
	       ours.st_dev == there.st_dev;
}

static int name_holder(int fd)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	return ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)n, 0) != n ? -errno : 0;
}

/* Return: a descriptor with the lock; -EAGAIN: the file has just gone, try again. */
static int try_lock(const char *path, struct err *e)
{
	int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct stat st;
	int rc;

	if (fd < 0)
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != 0 || st.st_mode & 077)
		rc = err_set(e, -EPERM, "%s is no lock of ours: remove it", path);
	else if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		rc = errno == EWOULDBLOCK ? explain_holder(fd, e) :
					    err_set(e, -errno, "%s: %s", path, strerror(errno));
	else
		rc = !is_at(fd, path) ? -EAGAIN : name_holder(fd);
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}

int lock__take(struct err *e)
{
	char path[LOCK_PATH_MAX];
	int fd = -EAGAIN, rc = lock_path(path);

	if (rc)
		return err_set(e, rc, "/proc/self/ns/net: %s; is /proc mounted?", strerror(-rc));
	rc = check_directory(e);
	if (rc)
		return rc;
	err_set(e, -EAGAIN, "%s comes and goes: other gateways are started at this moment", path);
	for (int i = 0; i < TRIES_MAX && fd == -EAGAIN; i++)
		fd = try_lock(path, e);
	return fd;
}

void lock__release(int fd)
{
	char path[LOCK_PATH_MAX];

	if (lock_path(path) == 0 && is_at(fd, path))
		unlink(path);
	close(fd);
}
