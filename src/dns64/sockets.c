/* sockets.c - opens the listening sockets (in the process that may bind port 53) and reads
 * batches of datagrams. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "sixgate/base/wire.h"
#include "io.h"

enum { TCP_BACKLOG = 128, UDP_BUFFER_BYTES = 4 << 20 };

struct sockaddr_in6 io__sockaddr(const struct endpoint_conf *at)
{
	struct sockaddr_in6 sa = { .sin6_family = AF_INET6,
				   .sin6_port = be16_from(at->port).raw };

	memcpy(sa.sin6_addr.s6_addr, at->address.octet, 16);
	return sa;
}

int io__socket(int type)
{
	int fd = socket(AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), off = 0;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) == 0)
		return fd;
	off = -errno;
	close(fd);
	return off;
}

static bool is_any(const struct addr *a)
{
	static const struct addr any6;
	static const struct addr any4 = { .octet = { [10] = 0xff, [11] = 0xff } };

	return addr_equal(a, &any6) || addr_equal(a, &any4);
}

/* Where queries came in is of interest for every listener: an address of the inside is reached from
 * outside, too. */
static int set_up(int fd, const struct endpoint_conf *at, int option, struct err *e)
{
	struct sockaddr_in6 sa = io__sockaddr(at);
	char text[ADDR_TEXT_MAX];
	int on = 1;

	if (option && setsockopt(fd, SOL_SOCKET, option, &on, sizeof(on)))
		return err_set(e, -errno, "socket option %d: %s", option, strerror(errno));
	if (setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)))
		return err_set(e, -errno, "IPV6_RECVPKTINFO: %s", strerror(errno));
	if (bind(fd, (const struct sockaddr *)&sa, sizeof(sa)))
		return err_set(e, -errno, "%s port %u: %s", addr_format(&at->address, text),
			       at->port, strerror(errno));
	return 0;
}

/* @option: SO_REUSEPORT or 0 */
static int open_udp(const struct endpoint_conf *at, int option, struct err *e)
{
	int fd = io__socket(SOCK_DGRAM), bytes = UDP_BUFFER_BYTES, rc;

	if (fd < 0)
		return err_set(e, fd, "dns64: UDP socket: %s", strerror(-fd));
	/* Bursts of queries wait here, everybody's. Less than asked for is no error; without
	 * CAP_NET_ADMIN it is what net.core.rmem_max allows. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	rc = set_up(fd, at, option, e);
	if (!rc)
		return fd;
	close(fd);
	return err_wrap(e, rc, "dns64: UDP listener");
}

static int open_tcp(const struct endpoint_conf *at, int option, struct err *e)
{
	int fd = io__socket(SOCK_STREAM), on = 1, rc;

	if (fd < 0)
		return err_set(e, fd, "dns64: TCP socket: %s", strerror(-fd));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	rc = set_up(fd, at, option, e);
	if (!rc && listen(fd, TCP_BACKLOG))
		rc = err_set(e, -errno, "listen: %s", strerror(errno));
	if (!rc)
		return fd;
	close(fd);
	return err_wrap(e, rc, "dns64: TCP listener");
}

int dns64_open_udp(const struct endpoint_conf *at, struct err *e)
{
	return open_udp(at, 0, e);
}

int dns64_open_tcp(const struct endpoint_conf *at, struct err *e)
{
	return open_tcp(at, 0, e);
}

int dns64_open_udp_shared(const struct endpoint_conf *at, struct err *e)
{
	return open_udp(at, SO_REUSEPORT, e);
}

int dns64_open_tcp_shared(const struct endpoint_conf *at, struct err *e)
{
	return open_tcp(at, SO_REUSEPORT, e);
}

bool io__is_wildcard(int fd)
{
	struct sockaddr_in6 sa = { 0 };
	socklen_t len = sizeof(sa);
	struct addr a;

	if (getsockname(fd, (struct sockaddr *)&sa, &len) || sa.sin6_family != AF_INET6)
		return true; /* the strict reading of what we do not know */
	a = addr_from_v6(sa.sin6_addr.s6_addr);
	return is_any(&a);
}

bool io__inside(const struct dns64 *d, unsigned index)
{
	if (d->allow_outside || !d->n_inside || index == LOOPBACK_INDEX)
		return true;
	for (size_t i = 0; i < d->n_inside; i++)
		if (d->inside[i] == index)
			return true;
	return false;
}

static void make_room(struct batch_rx *rx)
{
	for (unsigned i = 0; i < rx->used; i++) {
		struct msghdr *h = &rx->header[i].msg_hdr;

		rx->iov[i] = (struct iovec){ rx->wire[i], UDP_MESSAGE_MAX };
		h->msg_name = &rx->from[i];
		h->msg_namelen = sizeof(rx->from[i]);
		h->msg_iov = &rx->iov[i];
		h->msg_iovlen = 1;
		h->msg_control = rx->control[i];
		h->msg_controllen = sizeof(rx->control[i]);
	}
}

unsigned io__rx(struct dns64 *d, int fd, int flags)
{
	struct batch_rx *rx = &d->rx;
	int n;

	make_room(rx);
	n = recvmmsg(fd, rx->header, UDP_BATCH, flags, NULL);
	rx->used = n > 0 ? (unsigned)n : 0;
	return rx->used;
}

bool io__nap(struct dns64 *d)
{
	const struct timespec nap = { .tv_nsec = (long)gather__nap_ns(&d->gather) };

	if (nap.tv_nsec)
		nanosleep(&nap, NULL);
	return nap.tv_nsec != 0;
}

void io__poll_again(uv_poll_t *p, int fd, uv_poll_cb cb)
{
	int error;
	socklen_t len = sizeof(error);

	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
	uv_poll_start(p, UV_READABLE, cb);
}
