/* socket.c - opens, sends and receives; see socket.h. */
#include "sixgate/ra/socket.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include "sixgate/base/must.h"
#include "sixgate/base/wire.h"

enum {
	OUR_MARK = 0x36525a36, /* of our packets, for the filter of the tap; any number */
	IP6_HEADER_LEN = 40,
	IP6_NEXT_HEADER_AT = 6,
	IP6_HOP_LIMIT_AT = 7,
	IP6_SOURCE_AT = 8,
	DISCARD_PORT = 9
};

static const uint8_t all_nodes[16] = { 0xff, 0x02, [15] = 1 };
static const uint8_t all_routers[16] = { 0xff, 0x02, [15] = 2 };

static int set_int(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) == 0 ? 0 : -errno;
}

/* Only what this room reads; ff02::1 every interface is in. */
static int choose_what_to_hear(int fd, unsigned ifindex)
{
	struct ipv6_mreq routers = { .ipv6mr_interface = ifindex };
	struct icmp6_filter filter;

	memcpy(&routers.ipv6mr_multiaddr, all_routers, 16);
	ICMP6_FILTER_SETBLOCKALL(&filter);
	ICMP6_FILTER_SETPASS(ND_ROUTER_SOLICIT, &filter);
	ICMP6_FILTER_SETPASS(ND_ROUTER_ADVERT, &filter);
	if (setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof(filter)) ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &routers, sizeof(routers)))
		return -errno;
	return 0;
}

/* IPV6_FREEBIND: `source:` is deliberately no address of the interface; see README.md. */
static int set_up(int fd, const char *name, unsigned ifindex)
{
	static const struct {
		int level, option, value;
	} wanted[] = {
		{ IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1 },
		{ IPPROTO_IPV6, IPV6_MULTICAST_HOPS, RA_HOP_LIMIT },
		{ IPPROTO_IPV6, IPV6_UNICAST_HOPS, RA_HOP_LIMIT },
		{ IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0 },
		{ IPPROTO_IPV6, IPV6_FREEBIND, 1 },
		{ SOL_SOCKET, SO_MARK, OUR_MARK },
	};
	int rc = 0;

	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, (socklen_t)strlen(name) + 1))
		return -errno;
	for (size_t i = 0; i < ARRAY_LEN(wanted) && rc == 0; i++)
		rc = set_int(fd, wanted[i].level, wanted[i].option, wanted[i].value);
	return rc ? rc : choose_what_to_hear(fd, ifindex);
}

/* Return: @fd, or @rc after closing it. */
static int finish(int fd, int rc, const char *name, struct err *e)
{
	if (rc == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return err_set(e, rc, "router advertisements on %s: %s%s", name, strerror(-rc),
		       rc == -EPERM ? " (it takes CAP_NET_RAW)" : "");
}

int ra_open(const char *name, struct err *e)
{
	unsigned ifindex = if_nametoindex(name);
	int fd;

	if (!ifindex)
		return finish(-1, -ENODEV, name, e);
	fd = socket(AF_INET6, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_ICMPV6);
	return finish(fd, fd < 0 ? -errno : set_up(fd, name, ifindex), name, e);
}

/* In a datagram socket of this family offsets count from the network header. */
static const struct sock_filter only_foreign_advertisements[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 0, 9),
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)(SKF_AD_OFF + SKF_AD_PROTOCOL)),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IPV6, 0, 7),
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, IP6_NEXT_HEADER_AT),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_ICMPV6, 0, 5),
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, IP6_HEADER_LEN),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ND_ROUTER_ADVERT, 0, 3),
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)(SKF_AD_OFF + SKF_AD_MARK)),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OUR_MARK, 1, 0),
	BPF_STMT(BPF_RET | BPF_K, RA_RECEIVE_MAX),
	BPF_STMT(BPF_RET | BPF_K, 0),
};

/* The filter before the packets: protocol 0 hears none until bind() says which. */
static int set_up_tap(int fd, unsigned ifindex)
{
	struct sock_filter code[ARRAY_LEN(only_foreign_advertisements)];
	const struct sock_fprog program = { .len = ARRAY_LEN(code), .filter = code };
	const struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_ifindex = (int)ifindex,
					/* what leaves is shown to those only who want all */
					.sll_protocol = be16_from(ETH_P_ALL).raw };
	int rc;

	memcpy(code, only_foreign_advertisements, sizeof(code));
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)))
		return -errno;
	rc = set_int(fd, SOL_SOCKET, SO_LOCK_FILTER, 1);
	if (rc == 0 && bind(fd, (const struct sockaddr *)&at, sizeof(at)))
		rc = -errno;
	return rc;
}

int ra_open_tap(const char *name, struct err *e)
{
	unsigned ifindex = if_nametoindex(name);
	int fd;

	if (!ifindex)
		return finish(-1, -ENODEV, name, e);
	fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return finish(fd, fd < 0 ? -errno : set_up_tap(fd, ifindex), name, e);
}

static struct sockaddr_in6 on_link(const struct addr *to, unsigned ifindex, uint16_t port)
{
	struct sockaddr_in6 sa = { .sin6_family = AF_INET6, .sin6_scope_id = ifindex,
				   .sin6_port = be16_from(port).raw };

	memcpy(&sa.sin6_addr, to->octet, 16);
	return sa;
}

/* The kernel's own choice, asked for without sending anything. */
int ra_local_address(unsigned ifindex, struct addr *out)
{
	struct addr nodes = addr_from_v6(all_nodes);
	struct sockaddr_in6 sa = on_link(&nodes, ifindex, DISCARD_PORT);
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc = 0;

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) ||
	    getsockname(fd, (struct sockaddr *)&sa, &len))
		rc = -errno;
	close(fd);
	if (rc)
		return rc;
	*out = addr_from_v6(sa.sin6_addr.s6_addr);
	return IN6_IS_ADDR_LINKLOCAL(&sa.sin6_addr) ? 0 : -EADDRNOTAVAIL;
}

union control {
	char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

int ra_send(const struct ra_way *way, const uint8_t *bytes, size_t len)
{
	struct sockaddr_in6 to = on_link(&way->to, way->ifindex, 0);
	struct in6_pktinfo from = { .ipi6_ifindex = way->ifindex };
	union control control = { .bytes = { 0 } };
	uint8_t copy[RA_BYTES_MAX];
	struct iovec iov = { .iov_base = copy, .iov_len = len };
	struct msghdr mh = { .msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = &iov,
			     .msg_iovlen = 1, .msg_control = control.bytes,
			     .msg_controllen = CMSG_SPACE(sizeof(from)) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&mh);
	int rc;

	must(len <= sizeof(copy));
	memcpy(copy, bytes, len);
	memcpy(&from.ipi6_addr, way->from.octet, 16);
	c->cmsg_level = IPPROTO_IPV6;
	c->cmsg_type = IPV6_PKTINFO;
	c->cmsg_len = CMSG_LEN(sizeof(from));
	memcpy(CMSG_DATA(c), &from, sizeof(from));
	/* questions are for the daemons of this host, too; what we say is for the others */
	rc = set_int(way->fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, !memcmp(way->to.octet, all_routers, 16));
	if (rc == 0 && sendmsg(way->fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		rc = -errno;
	return rc;
}

static int hop_limit_of(struct msghdr *mh)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
		int value;

		if (c->cmsg_level != IPPROTO_IPV6 || c->cmsg_type != IPV6_HOPLIMIT ||
		    c->cmsg_len != CMSG_LEN(sizeof(value)))
			continue;
		memcpy(&value, CMSG_DATA(c), sizeof(value));
		return value;
	}
	return -1;
}

/* Return: bytes; 0 for none; negative errno. */
static ssize_t receive(int fd, struct msghdr *mh)
{
	ssize_t n;

	do
		n = recvmsg(fd, mh, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return n;
	return errno == EAGAIN ? -EAGAIN : -errno;
}

int ra_receive(int fd, uint8_t *bytes, struct ra_packet *out)
{
	struct sockaddr_in6 from = { 0 };
	union control control;
	struct iovec iov = { .iov_base = bytes, .iov_len = RA_RECEIVE_MAX };
	struct msghdr mh = { .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov,
			     .msg_iovlen = 1, .msg_control = control.bytes,
			     .msg_controllen = sizeof(control.bytes) };
	ssize_t n = receive(fd, &mh);

	if (n < 0)
		return n == -EAGAIN ? 0 : (int)n;
	*out = (struct ra_packet){ .bytes = bytes, .len = (size_t)n,
				   .source = addr_from_v6(from.sin6_addr.s6_addr),
				   .hop_limit = hop_limit_of(&mh) };
	return 1;
}

int ra_receive_tap(int fd, uint8_t *bytes, struct ra_packet *out)
{
	struct iovec iov = { .iov_base = bytes, .iov_len = RA_RECEIVE_MAX };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n = receive(fd, &mh);

	if (n < 0)
		return n == -EAGAIN ? 0 : (int)n;
	*out = (struct ra_packet){ .bytes = bytes };
	if (n < IP6_HEADER_LEN)
		return 1; /* nothing that ra_read() takes */
	out->bytes = bytes + IP6_HEADER_LEN;
	out->len = (size_t)n - IP6_HEADER_LEN;
	out->source = addr_from_v6(bytes + IP6_SOURCE_AT);
	out->hop_limit = bytes[IP6_HOP_LIMIT_AT];
	return 1;
}
