/* handover.c - memfds between parent and child. What the child reads was written by its own parent:
 * sizes are checked, contents are trusted. */
#include "handover.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int write_all(int fd, const char *p, size_t len)
{
	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int handover__write(const void *data, size_t len)
{
	int fd = memfd_create("sixgate", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int rc;

	if (fd < 0)
		return -errno;
	rc = write_all(fd, data, len);
	if (rc == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK) < 0)
		rc = -errno;
	if (rc) {
		close(fd);
		return rc;
	}
	return fd;
}

static int read_all(int fd, char *p, size_t len)
{
	size_t at = 0;

	while (at < len) {
		ssize_t n = pread(fd, p + at, len - at, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		at += (size_t)n;
	}
	return 0;
}

int handover__read(int fd, char **out, size_t *len)
{
	struct stat st;
	char *p;
	int rc;

	if (fstat(fd, &st) < 0 || st.st_size > HANDOVER_BYTES_MAX) {
		close(fd);
		return -EFBIG;
	}
	p = calloc(1, (size_t)st.st_size + 1);
	rc = p ? read_all(fd, p, (size_t)st.st_size) : -ENOMEM;
	close(fd);
	if (rc) {
		free(p);
		return rc;
	}
	*out = p;
	*len = (size_t)st.st_size;
	return 0;
}

int handover__write_facts(const struct netlink_facts *f)
{
	struct netlink_facts head = *f;
	size_t local = f->n_local * sizeof(*f->local), inside = f->n_inside * sizeof(*f->inside);
	char *p = malloc(sizeof(head) + local + inside);
	int fd;

	if (!p)
		return -ENOMEM;
	head.local = NULL;
	head.inside = NULL;
	head.route = NULL;
	head.n_route = 0;
	memcpy(p, &head, sizeof(head));
	if (local)
		memcpy(p + sizeof(head), f->local, local);
	if (inside)
		memcpy(p + sizeof(head) + local, f->inside, inside);
	fd = handover__write(p, sizeof(head) + local + inside);
	free(p);
	return fd;
}

static void *copy_array(const char *from, size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	if (p && n)
		memcpy(p, from, n * size);
	return p;
}

int handover__read_facts(int fd, struct netlink_facts *out)
{
	struct netlink_facts f;
	char *p = NULL;
	size_t len = 0;
	int rc = handover__read(fd, &p, &len);

	if (rc)
		return rc;
	rc = -EPROTO;
	if (len < sizeof(f))
		goto free_text;
	memcpy(&f, p, sizeof(f));
	if (f.n_local > HANDOVER_BYTES_MAX || f.n_inside > HANDOVER_BYTES_MAX ||
	    len != sizeof(f) + f.n_local * sizeof(*f.local) + f.n_inside * sizeof(*f.inside))
		goto free_text;
	f.local = copy_array(p + sizeof(f), f.n_local, sizeof(*f.local));
	f.inside = copy_array(p + sizeof(f) + f.n_local * sizeof(*f.local), f.n_inside,
			      sizeof(*f.inside));
	rc = f.local && f.inside ? 0 : -ENOMEM;
	if (rc)
		netlink_facts_free(&f);
	else
		*out = f;
free_text:
	free(p);
	return rc;
}

int handover__write_config(const struct config *c)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	int fd;

	if (!f)
		return -ENOMEM;
	config_print(c, f);
	fd = fclose(f) == 0 ? handover__write(text, len) : -ENOMEM;
	free(text);
	return fd;
}

int handover__write_errors(const struct config_errors *errors)
{
	char line[CONFIG_ERROR_LINE_MAX];
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	int fd;

	if (!f)
		return -ENOMEM;
	for (size_t i = 0; i < errors->n; i++)
		fprintf(f, "%s\n", config_error_line(&errors->error[i], line));
	if (errors->n_more)
		fprintf(f, "%zu more errors\n", errors->n_more);
	fd = fclose(f) == 0 ? handover__write(text, len) : -ENOMEM;
	free(text);
	return fd;
}
