/* request.c - decoding of the messages between child and parent. Pure: bytes in, a checked value
 * out. Which answer a request gets is parent_serve.c. */
#include "sixgate/control/request.h"
#include <errno.h>
#include <string.h>

/* Fields that a kind uses; all others must be zero. */
enum { USES_INDEX = 1, USES_WHICH = 2, USES_TRANSPORT = 4 };

static const struct {
	const char *name;
	unsigned uses;
} kinds[N_REQUEST_KINDS] = {
	[REQUEST_READY] = { "ready", 0 },
	[REQUEST_RELOAD] = { "reload", 0 },
	[REQUEST_COMMIT] = { "commit", 0 },
	[REQUEST_ABORT] = { "abort", 0 },
	[REQUEST_LISTENER] = { "listener", USES_INDEX | USES_WHICH | USES_TRANSPORT },
	[REQUEST_METRICS] = { "metrics", USES_WHICH },
	[REQUEST_FINDINGS] = { "findings", 0 },
	[REQUEST_EVENT_LOG] = { "event log", USES_WHICH | USES_INDEX },
	[REQUEST_TRUST] = { "trust anchors", USES_INDEX | USES_WHICH },
	[REQUEST_ADVERTISER] = { "advertiser", USES_INDEX | USES_WHICH | USES_TRANSPORT },
	[REQUEST_PING] = { "ping", USES_WHICH },
};

const char *request_kind_name(unsigned kind)
{
	return kind < N_REQUEST_KINDS && kinds[kind].name ? kinds[kind].name : "unknown";
}

static bool all_zero(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

int request_decode(const void *bytes, size_t len, unsigned n_fd, struct request *out)
{
	struct request r;

	if (len != sizeof(r) || n_fd != 0)
		return -EPROTO;
	memcpy(&r, bytes, sizeof(r));
	if (r.magic != REQUEST_MAGIC || r.kind == 0 || r.kind >= N_REQUEST_KINDS)
		return -EPROTO;
	if (r.which >= N_REQUEST_WHICH || r.transport >= N_REQUEST_TRANSPORTS)
		return -EPROTO;
	if ((r.index && !(kinds[r.kind].uses & USES_INDEX)) ||
	    (r.which && !(kinds[r.kind].uses & USES_WHICH)) ||
	    (r.transport && !(kinds[r.kind].uses & USES_TRANSPORT)))
		return -EPROTO;
	if (!all_zero(r.zero, sizeof(r.zero)))
		return -EPROTO;
	*out = r;
	return 0;
}

int notice_decode(const void *bytes, size_t len, struct notice *out)
{
	struct notice n;

	if (len != sizeof(n))
		return -EPROTO;
	memcpy(&n, bytes, sizeof(n));
	if (n.magic != REQUEST_MAGIC || n.kind == 0 || n.kind >= N_NOTICE_KINDS)
		return -EPROTO;
	if (!memchr(n.text, 0, sizeof(n.text)))
		return -EPROTO;
	*out = n;
	return 0;
}
