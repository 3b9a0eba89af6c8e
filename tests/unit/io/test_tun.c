/*
 * test_tun.c - the tun port between two real kernels' TCP and UDP stacks, at every offload level.
 *
 *   namespace A                                     namespace B
 *   sgt-in  10.77.0.1, fd77::1  <-- port: mover --> sgt-out  10.77.0.2, fd77::2
 *
 * The two TUN devices live in namespaces of their own and only our port joins them: each packet
 * that arrives was read and written by it. Needs root.
 */
#include "test.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>
#include "sixgate/base/must.h"
#include "sixgate/io/tun.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

enum { PORT = 7007, TCP_BYTES = 16 << 20, MTU = 1500 };

/**
 * struct link - the two namespaces and the thread between them
 * @longest, @n_gso, @n_partial: what the port has seen, per kind of super-packet
 */
struct link {
	struct port *port;
	enum tun_offload got;
	int ns[N_SIDES];
	pthread_t mover;
	_Atomic bool stop;
	uint32_t longest;
	uint64_t n_gso[GSO_UDP + 1], n_partial, n_dropped;
};

static void run(const char *command)
{
	if (system(command) != 0)
		fail_msg("%s", command);
}

static void enter_new_namespace(void)
{
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	run("ip link set lo up");
}

static int namespace_now(void)
{
	int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void note(struct link *l, const struct packet *p)
{
	l->longest = p->len > l->longest ? p->len : l->longest;
	l->n_gso[p->off.gso]++;
	l->n_partial += p->off.csum_partial;
}

/* Everything crosses to the other side untouched. */
static void *move(void *arg)
{
	static struct batch b;
	struct link *l = arg;
	struct pollfd set[N_SIDES];
	int fd[N_SIDES];

	must(l->port->ops->fds(l->port, fd, N_SIDES) == N_SIDES);
	for (int i = 0; i < N_SIDES; i++)
		set[i] = (struct pollfd){ .fd = fd[i], .events = POLLIN };
	while (!atomic_load(&l->stop)) {
		struct port_counts c = { 0 };

		must(l->port->ops->rx(l->port, &b));
		for (uint16_t i = 0; i < b.n; i++) {
			must(b.packet[i].headroom >= PACKET_HEADROOM);
			note(l, &b.packet[i]);
			b.packet[i].verdict = verdict_forward();
			b.packet[i].out_side = !b.packet[i].side;
		}
		l->port->ops->tx(l->port, b.packet, b.n, &c);
		l->n_dropped += c.n_full + c.n_error;
		if (b.n == 0)
			poll(set, N_SIDES, 20);
	}
	return NULL;
}

static void link_up(struct link *l, enum tun_offload most)
{
	struct tun_queues q[N_SIDES];
	struct err e;

	memset(l, 0, sizeof(*l));
	enter_new_namespace();
	l->ns[SIDE_INSIDE] = namespace_now();
	if (tun_open(&q[SIDE_INSIDE], "sgt-in", 1, most, &e) < 0)
		fail_msg("%s", e.text);
	run("ip link set sgt-in mtu 1500 up && ip addr add 10.77.0.1/24 dev sgt-in && "
	    "ip addr add fd77::1/64 dev sgt-in nodad");
	enter_new_namespace();
	l->ns[SIDE_OUTSIDE] = namespace_now();
	if (tun_open(&q[SIDE_OUTSIDE], "sgt-out", 1, most, &e) < 0)
		fail_msg("%s", e.text);
	run("ip link set sgt-out mtu 1500 up && ip addr add 10.77.0.2/24 dev sgt-out && "
	    "ip addr add fd77::2/64 dev sgt-out nodad");
	assert_int_equal(q[0].offload, q[1].offload);
	l->got = q[0].offload;
	print_message("asked for %s, got %s\n", tun_offload_text(most), tun_offload_text(l->got));
	assert_int_equal(tun_port_new(&l->port, q[0].fd[0], q[1].fd[0], &e), 0);
	assert_int_equal(pthread_create(&l->mover, NULL, move, l), 0);
}

static void link_down(struct link *l)
{
	atomic_store(&l->stop, true);
	pthread_join(l->mover, NULL);
	l->port->ops->close(l->port);
	close(l->ns[0]);
	close(l->ns[1]);
}

/* A socket in the namespace of @side. */
static int socket_in(const struct link *l, enum side side, int family, int type)
{
	int fd;

	assert_int_equal(setns(l->ns[side], CLONE_NEWNET), 0);
	fd = socket(family, type | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	return fd;
}

static socklen_t far_end(int family, struct sockaddr_storage *ss)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ss;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ss;

	memset(ss, 0, sizeof(*ss));
	ss->ss_family = (sa_family_t)family;
	if (family == AF_INET) {
		v4->sin_port = htons(PORT);
		inet_pton(AF_INET, "10.77.0.2", &v4->sin_addr);
		return sizeof(*v4);
	}
	v6->sin6_port = htons(PORT);
	inet_pton(AF_INET6, "fd77::2", &v6->sin6_addr);
	return sizeof(*v6);
}

static uint8_t byte_at(size_t i)
{
	return (uint8_t)(i * 31 + (i >> 11));
}

static void *send_stream(void *arg)
{
	int fd = *(int *)arg;
	static uint8_t chunk[1 << 18];

	for (size_t at = 0; at < TCP_BYTES; at += sizeof(chunk)) {
		for (size_t i = 0; i < sizeof(chunk); i++)
			chunk[i] = byte_at(at + i);
		for (size_t done = 0; done < sizeof(chunk);) {
			ssize_t n = write(fd, chunk + done, sizeof(chunk) - done);

			must(n > 0);
			done += (size_t)n;
		}
	}
	shutdown(fd, SHUT_WR);
	return NULL;
}

static void move_tcp(const struct link *l, int family)
{
	static uint8_t got[1 << 18];
	struct sockaddr_storage to;
	socklen_t len = far_end(family, &to);
	int server = socket_in(l, SIDE_OUTSIDE, family, SOCK_STREAM), one = 1, peer;
	int client = socket_in(l, SIDE_INSIDE, family, SOCK_STREAM);
	size_t at = 0;
	pthread_t sender;
	ssize_t n;

	setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(server, (struct sockaddr *)&to, len), 0);
	assert_int_equal(listen(server, 1), 0);
	assert_int_equal(connect(client, (struct sockaddr *)&to, len), 0);
	peer = accept(server, NULL, NULL);
	assert_true(peer >= 0);
	assert_int_equal(pthread_create(&sender, NULL, send_stream, &client), 0);
	while ((n = read(peer, got, sizeof(got))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			if (got[i] != byte_at(at + (size_t)i))
				fail_msg("byte %zu is wrong", at + (size_t)i);
		at += (size_t)n;
	}
	pthread_join(sender, NULL);
	assert_int_equal(at, TCP_BYTES);
	close(peer);
	close(client);
	close(server);
}

/* Twenty datagrams in one call: the kernel may leave it to us to cut them. */
static void move_udp(const struct link *l, int family)
{
	enum { SEGMENT = 1200, N = 20 };
	struct timeval patience = { .tv_sec = 10 };
	struct sockaddr_storage to;
	socklen_t len = far_end(family, &to);
	int server = socket_in(l, SIDE_OUTSIDE, family, SOCK_DGRAM), size = SEGMENT;
	int client = socket_in(l, SIDE_INSIDE, family, SOCK_DGRAM);
	uint8_t burst[SEGMENT * N], got[SEGMENT + 1];

	for (size_t i = 0; i < sizeof(burst); i++)
		burst[i] = byte_at(i);
	assert_int_equal(bind(server, (struct sockaddr *)&to, len), 0);
	setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	assert_int_equal(setsockopt(client, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size)), 0);
	assert_int_equal(sendto(client, burst, sizeof(burst), 0, (struct sockaddr *)&to, len),
			 sizeof(burst));
	for (size_t i = 0; i < N; i++) {
		assert_int_equal(recv(server, got, sizeof(got), 0), SEGMENT);
		assert_memory_equal(got, burst + i * SEGMENT, SEGMENT);
	}
	close(client);
	close(server);
}

static void check_level(enum tun_offload most)
{
	static struct link l;

	link_up(&l, most);
	assert_int_equal(l.got, most); /* Linux 6.2 and later has them all */
	move_tcp(&l, AF_INET);
	move_tcp(&l, AF_INET6);
	move_udp(&l, AF_INET);
	move_udp(&l, AF_INET6);
	link_down(&l);
	print_message("longest %u, TSO %llu + %llu, USO %llu, unfinished checksums %llu\n",
		      l.longest, (unsigned long long)l.n_gso[GSO_TCP4],
		      (unsigned long long)l.n_gso[GSO_TCP6], (unsigned long long)l.n_gso[GSO_UDP],
		      (unsigned long long)l.n_partial);
	assert_int_equal(l.n_dropped, 0);
	assert_int_equal(l.n_partial > 0, most >= TUN_OFFLOAD_CSUM);
	assert_int_equal(l.n_gso[GSO_TCP4] > 0, most >= TUN_OFFLOAD_TSO);
	assert_int_equal(l.n_gso[GSO_TCP6] > 0, most >= TUN_OFFLOAD_TSO);
	assert_int_equal(l.n_gso[GSO_UDP], most >= TUN_OFFLOAD_USO ? 2 : 0);
	assert_int_equal(l.longest > MTU, most >= TUN_OFFLOAD_TSO);
}

static void tcp_and_udp_cross_without_offloads(void **state)
{
	(void)state;
	check_level(TUN_OFFLOAD_NONE);
}

static void tcp_and_udp_cross_with_unfinished_checksums(void **state)
{
	(void)state;
	check_level(TUN_OFFLOAD_CSUM);
}

static void tcp_crosses_in_super_packets_with_tso(void **state)
{
	(void)state;
	check_level(TUN_OFFLOAD_TSO);
}

static void udp_crosses_in_super_packets_with_uso(void **state)
{
	(void)state;
	check_level(TUN_OFFLOAD_USO);
}

static void a_name_that_is_taken_is_refused_by_name(void **state)
{
	struct tun_queues q, again;
	struct err e;

	(void)state;
	enter_new_namespace();
	assert_int_equal(tun_open(&q, "sgt-twice", 2, TUN_OFFLOAD_USO, &e), 0);
	assert_int_equal(q.n, 2);
	assert_string_equal(q.name, "sgt-twice");
	assert_int_equal(tun_open(&again, "sgt-twice", 1, TUN_OFFLOAD_USO, &e), -EEXIST);
	assert_non_null(strstr(e.text, "sgt-twice"));
	tun_queues_close(&q);
	assert_int_equal(tun_open(&again, "sgt-twice", 1, TUN_OFFLOAD_USO, &e), 0);
	tun_queues_close(&again);
	run("ip link add sgt-veth type veth peer name sgt-peer");
	assert_int_equal(tun_open(&q, "sgt-veth", 1, TUN_OFFLOAD_USO, &e), -EEXIST);
	assert_int_equal(tun_open(&q, "a-name-that-is-too-long", 1, TUN_OFFLOAD_USO, &e), -EINVAL);
}

/* As the loop finds out that somebody ran `ip link del`. */
static void a_device_that_is_removed_ends_the_port(void **state)
{
	struct tun_queues in, out;
	static struct batch b;
	struct port *port;
	struct err e;

	(void)state;
	enter_new_namespace();
	assert_int_equal(tun_open(&in, "sgt-in", 1, TUN_OFFLOAD_USO, &e), 0);
	assert_int_equal(tun_open(&out, "sgt-out", 1, TUN_OFFLOAD_USO, &e), 0);
	assert_int_equal(tun_port_new(&port, in.fd[0], out.fd[0], &e), 0);
	assert_true(port->ops->rx(port, &b));
	assert_int_equal(b.n, 0);
	run("ip link del sgt-out");
	assert_false(port->ops->rx(port, &b));
	port->ops->close(port);
}

static void a_device_that_is_down_refuses_packets_and_they_are_counted(void **state)
{
	static uint8_t bytes[PACKET_HEADROOM + 28] = { [PACKET_HEADROOM] = 0x45 };
	struct packet p = { .data = bytes + PACKET_HEADROOM,
			    .len = 28,
			    .headroom = PACKET_HEADROOM,
			    .room = 28,
			    .verdict = verdict_forward(),
			    .out_side = SIDE_OUTSIDE };
	struct port_counts c = { 0 };
	struct tun_queues in, out;
	struct port *port;
	struct err e;

	(void)state;
	enter_new_namespace();
	assert_int_equal(tun_open(&in, "sgt-in", 1, TUN_OFFLOAD_USO, &e), 0);
	assert_int_equal(tun_open(&out, "sgt-out", 1, TUN_OFFLOAD_USO, &e), 0);
	assert_int_equal(tun_port_new(&port, in.fd[0], out.fd[0], &e), 0);
	port->ops->tx(port, &p, 1, &c);
	assert_int_equal(c.n_error, 1);
	assert_int_equal(c.n_full, 0);
	port->ops->close(port);
}

static int listen_on(const char *device)
{
	const struct sockaddr_ll on = { .sll_family = AF_PACKET,
					.sll_protocol = htons(ETH_P_IP),
					.sll_ifindex = (int)if_nametoindex(device) };
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_IP));

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&on, sizeof(on)), 0);
	return fd;
}

/* The kernel's header is put before a packet where there is room for it, and never further ahead.
 */
static void a_packet_leaves_whole_whatever_headroom_it_has(void **state)
{
	const uint32_t headroom[] = { 0, sizeof(struct virtio_net_hdr) - 1,
				      sizeof(struct virtio_net_hdr), PACKET_HEADROOM };
	struct tun_queues in, out;
	struct port *port;
	struct err e;
	int fd;

	(void)state;
	enter_new_namespace();
	assert_int_equal(tun_open(&in, "sgt-in", 1, TUN_OFFLOAD_USO, &e), 0);
	assert_int_equal(tun_open(&out, "sgt-out", 1, TUN_OFFLOAD_USO, &e), 0);
	assert_int_equal(tun_port_new(&port, in.fd[0], out.fd[0], &e), 0);
	run("ip link set sgt-out up");
	fd = listen_on("sgt-out");
	for (size_t i = 0; i < ARRAY_LEN(headroom); i++) {
		uint8_t bytes[2 * PACKET_HEADROOM + 28], got[64],
			*data = bytes + 2 * PACKET_HEADROOM;
		struct packet p = { .data = data,
				    .len = 28,
				    .headroom = headroom[i],
				    .room = 28,
				    .verdict = verdict_forward(),
				    .out_side = SIDE_OUTSIDE };
		struct port_counts c = { 0 };

		memset(bytes, 0xa5, sizeof(bytes));
		data[0] = 0x45;
		port->ops->tx(port, &p, 1, &c);
		assert_int_equal(c.n_error + c.n_full, 0);
		assert_int_equal(recv(fd, got, sizeof(got), 0), 28);
		assert_memory_equal(got, data, 28);
		for (const uint8_t *at = bytes; at < data - headroom[i]; at++)
			assert_int_equal(*at, 0xa5);
	}
	close(fd);
	port->ops->close(port);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tcp_and_udp_cross_without_offloads),
		cmocka_unit_test(tcp_and_udp_cross_with_unfinished_checksums),
		cmocka_unit_test(tcp_crosses_in_super_packets_with_tso),
		cmocka_unit_test(udp_crosses_in_super_packets_with_uso),
		cmocka_unit_test(a_name_that_is_taken_is_refused_by_name),
		cmocka_unit_test(a_device_that_is_removed_ends_the_port),
		cmocka_unit_test(a_packet_leaves_whole_whatever_headroom_it_has),
		cmocka_unit_test(a_device_that_is_down_refuses_packets_and_they_are_counted),
	};

	if (geteuid() != 0)
		return 77; /* meson: skipped */
	return cmocka_run_group_tests_name("tun", tests, NULL, NULL);
}
