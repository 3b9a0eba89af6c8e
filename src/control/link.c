/* link.c - synchronous on purpose: the parent answers within milliseconds, and while it works on
 * the kernel there is nothing for the control thread to do that may not wait as long. */
#include "link.h"
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "channel.h"

enum { ANSWER_MS = 30000 };

int link__read(struct link *l, struct notice *n, int *fd, int flags)
{
	uint8_t bytes[NOTICE_BYTES + 1];
	unsigned n_fd;
	int len = channel__receive(l->fd, bytes, sizeof(bytes), fd, &n_fd, flags);

	if (len == -EAGAIN)
		return 0;
	if (len <= 0)
		return len ? len : -EPIPE;
	return notice_decode(bytes, (size_t)len, n) == 0 ? 1 : -EPROTO;
}

/* @n is no answer that somebody waits for. */
static void hand_on(struct link *l, const struct notice *n, int fd)
{
	if (n->kind != NOTICE_REPLY) {
		l->stopping |= n->kind == NOTICE_STOP;
		l->on_notice(l->owner, n, fd);
	} else if (fd >= 0) {
		close(fd); /* an answer that came too late */
	}
}

void link__poll(struct link *l)
{
	struct notice n;
	int fd, rc;

	while ((rc = link__read(l, &n, &fd, MSG_DONTWAIT)) > 0)
		hand_on(l, &n, fd);
	if (rc < 0)
		l->on_gone(l->owner);
}

int link__call(struct link *l, struct request r, int *fd, struct err *e)
{
	struct pollfd wait = { .fd = l->fd, .events = POLLIN };
	struct notice n;
	int rc;

	*fd = -1;
	r.magic = REQUEST_MAGIC;
	r.serial = ++l->serial;
	rc = l->stopping ? 0 : channel__send(l->fd, &r, sizeof(r), -1, 0);
	while (rc >= 0) {
		int got;

		if (l->stopping)
			return err_set(e, -ECANCELED, "the gateway is stopping");
		if (poll(&wait, 1, ANSWER_MS) == 0)
			return err_set(e, -ETIMEDOUT, "the parent does not answer");
		rc = link__read(l, &n, &got, MSG_DONTWAIT);
		if (rc <= 0)
			continue;
		if (n.kind == NOTICE_REPLY && n.serial == r.serial) {
			*fd = got;
			return n.code ? err_set(e, n.code, "%s", n.text) : 0;
		}
		hand_on(l, &n, got);
	}
	return err_set(e, rc, "the parent is gone: %s", strerror(-rc));
}
