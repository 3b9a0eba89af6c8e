/* tun.c - the port on two TUN devices. Opening is for the privileged parent, the rest runs without
 * any privilege. Knows the virtio-net header, and nothing of addresses, routes or policies. */
#include "sixgate/io/tun.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>
#include "io_internal.h"
#include "sixgate/base/must.h"

#ifndef TUN_F_USO4 /* Linux 6.2 */
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

_Static_assert(TUN_NAME_MAX == IFNAMSIZ, "an interface name");

static const struct {
	unsigned flags;
	const char *text;
} offloads[] = {
	[TUN_OFFLOAD_NONE] = { 0, "no offloads" },
	[TUN_OFFLOAD_CSUM] = { TUN_F_CSUM, "checksums" },
	[TUN_OFFLOAD_TSO] = { TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN,
			      "checksums and TCP super-packets" },
	/* USO4 without USO6 is EINVAL */
	[TUN_OFFLOAD_USO] = { TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN | TUN_F_USO4 |
				      TUN_F_USO6,
			      "checksums, TCP and UDP super-packets" },
};

const char *tun_offload_text(enum tun_offload offload)
{
	return offloads[offload].text;
}

/* Return: a descriptor, or negative errno. IFF_TUN_EXCL makes sure that the first queue does not
 * join a device that somebody else has made. */
static int open_queue(const char *name, bool first, struct err *e)
{
	struct ifreq ifr = { .ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR };
	int fd, rc;

	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		rc = errno == ENOENT || errno == ENXIO ? -ENODEV : -errno;
		return err_set(e, rc, "open /dev/net/tun: %s%s", strerror(errno),
			       rc == -ENODEV ? " (modprobe tun; a container needs the device: podman run "
					       "--device /dev/net/tun)" : "");
	}
	ifr.ifr_flags = (short)(ifr.ifr_flags | IFF_MULTI_QUEUE | (first ? IFF_TUN_EXCL : 0));
	memcpy(ifr.ifr_name, name, strlen(name) + 1);
	if (ioctl(fd, TUNSETIFF, &ifr) == 0)
		return fd;
	rc = -errno;
	close(fd);
	if (first && if_nametoindex(name))
		return err_set(e, -EEXIST, "an interface of this name exists already");
	return err_set(e, rc, "TUNSETIFF: %s", strerror(-rc));
}

/* The header size and the offloads belong to the device: set once, for all of its queues. */
static int negotiate(int fd, enum tun_offload most, enum tun_offload *got, struct err *e)
{
	int size = sizeof(struct virtio_net_hdr);

	if (ioctl(fd, TUNSETVNETHDRSZ, &size) < 0)
		return err_set(e, -errno, "TUNSETVNETHDRSZ: %s", strerror(errno));
	for (int level = (int)most; level >= 0; level--) {
		if (ioctl(fd, TUNSETOFFLOAD, (unsigned long)offloads[level].flags) == 0) {
			*got = (enum tun_offload)level;
			return 0;
		}
	}
	return err_set(e, -errno, "TUNSETOFFLOAD: %s", strerror(errno));
}

int tun_open(struct tun_queues *out, const char *name, unsigned n, enum tun_offload most,
	     struct err *e)
{
	struct tun_queues q = { .n = 0 };
	int rc = 0;

	must(n >= 1 && n <= TUN_QUEUES_MAX && most <= TUN_OFFLOAD_USO);
	if (!name[0] || strlen(name) >= sizeof(q.name))
		return err_set(e, -EINVAL, "tun %s: not an interface name", name);
	memcpy(q.name, name, strlen(name) + 1);
	while (rc == 0 && q.n < n) {
		int fd = open_queue(name, q.n == 0, e);

		if (fd < 0) {
			rc = fd;
			break;
		}
		q.fd[q.n++] = fd;
		if (q.n == 1)
			rc = negotiate(fd, most, &q.offload, e);
	}
	if (rc == 0) {
		*out = q;
		return 0;
	}
	tun_queues_close(&q);
	return err_wrap(e, rc, "tun %s", name);
}

void tun_queues_close(struct tun_queues *q)
{
	for (unsigned i = 0; i < q->n; i++)
		if (q->fd[i] >= 0)
			close(q->fd[i]);
	q->n = 0;
}

/* Room behind each packet, for what is appended in place. */
enum { TAILROOM = PACKET_TAILROOM };

/**
 * struct tun_port - packets stand one behind the other in @mem, each with its headroom
 * @mem: TUN_BATCH_BYTES and one more packet of any size: a read always has room for it
 */
struct tun_port {
	struct port port;
	int fd[N_SIDES];
	uint8_t *mem;
};

enum {
	LENT_MAX = PACKET_HEADROOM + PACKET_LEN_MAX + TAILROOM,
	MEM_BYTES = TUN_BATCH_BYTES + LENT_MAX + 64
};

enum read_result { READ_PACKET, READ_NOTHING, READ_DRY, READ_BROKEN /* device removed */ };

/* Read one packet into @mem, which has LENT_MAX bytes. The kernel's header stands in the headroom:
 * a vector of two would cost as much as a short packet's copy. */
static enum read_result read_packet(int fd, uint8_t *mem, struct packet *p)
{
	struct virtio_net_hdr hdr;
	uint8_t *at = mem + PACKET_HEADROOM - sizeof(hdr);
	ssize_t n = read(fd, at, sizeof(hdr) + PACKET_LEN_MAX);

	if (n < 0)
		return errno == EBADFD || errno == EBADF || errno == EIO ? READ_BROKEN : READ_DRY;
	if ((size_t)n <= sizeof(hdr))
		return READ_NOTHING;
	memcpy(&hdr, at, sizeof(hdr));
	p->data = mem + PACKET_HEADROOM;
	p->len = (uint32_t)((size_t)n - sizeof(hdr));
	p->headroom = PACKET_HEADROOM;
	p->room = p->len + TAILROOM;
	p->off = io__offload_from_virtio(&hdr, p->len);
	return READ_PACKET;
}

static bool tun_rx(struct port *port, struct batch *b)
{
	struct tun_port *t = (struct tun_port *)port;
	bool dry[N_SIDES] = { false, false };
	unsigned side = SIDE_INSIDE;
	size_t used = 0;

	b->n = 0;
	while (b->n < BATCH_MAX && used < TUN_BATCH_BYTES && !(dry[0] && dry[1])) {
		struct packet *p = &b->packet[b->n];
		enum read_result got;

		if (dry[side])
			side = !side;
		got = read_packet(t->fd[side], t->mem + used, p);
		if (got == READ_BROKEN)
			return false;
		dry[side] = got == READ_DRY;
		if (got == READ_PACKET) {
			p->side = (uint8_t)side;
			used += (PACKET_HEADROOM + p->room + 63) & ~(size_t)63;
			b->n++;
		}
		side = !side;
	}
	return true;
}

static ssize_t write_packet(int fd, const struct packet *p)
{
	struct virtio_net_hdr hdr = io__offload_to_virtio(&p->off);
	const struct iovec iov[2] = {
		{ .iov_base = &hdr, .iov_len = sizeof(hdr) },
		{ .iov_base = p->data, .iov_len = p->len },
	};

	if (unlikely(p->headroom < sizeof(hdr)))
		return writev(fd, iov, 2);
	memcpy(p->data - sizeof(hdr), &hdr, sizeof(hdr));
	return write(fd, p->data - sizeof(hdr), sizeof(hdr) + p->len);
}

static void tun_tx(struct port *port, const struct packet *p, uint16_t n, struct port_counts *c)
{
	const struct tun_port *t = (const struct tun_port *)port;

	for (const struct packet *end = p + n; p < end; p++) {
		if (p->verdict.next != VERDICT_FORWARD)
			continue;
		if (write_packet(t->fd[p->out_side], p) >= 0)
			continue;
		if (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM)
			c->n_full++;
		else
			c->n_error++;
	}
}

static int tun_fds(const struct port *port, int *fd, int max)
{
	const struct tun_port *t = (const struct tun_port *)port;

	must(max >= N_SIDES);
	memcpy(fd, t->fd, sizeof(t->fd));
	return N_SIDES;
}

static void tun_close(struct port *port)
{
	struct tun_port *t = (struct tun_port *)port;

	close(t->fd[SIDE_INSIDE]);
	close(t->fd[SIDE_OUTSIDE]);
	munmap(t->mem, MEM_BYTES);
	free(t);
}

static const struct port_ops tun_ops = {
	.name = "tun",
	.rx = tun_rx,
	.tx = tun_tx,
	.fds = tun_fds,
	.close = tun_close,
};

int tun_port_new(struct port **out, int inside_fd, int outside_fd, struct err *e)
{
	struct tun_port *t = malloc(sizeof(*t));
	void *mem;

	if (!t)
		goto close_fds;
	mem = mmap(NULL, MEM_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		goto free_port;
	*t = (struct tun_port){ .port = { .ops = &tun_ops }, .mem = mem };
	t->fd[SIDE_INSIDE] = inside_fd;
	t->fd[SIDE_OUTSIDE] = outside_fd;
	*out = &t->port;
	return 0;

free_port:
	free(t);
close_fds:
	close(inside_fd);
	close(outside_fd);
	return err_set(e, -ENOMEM, "no memory for packet buffers");
}
