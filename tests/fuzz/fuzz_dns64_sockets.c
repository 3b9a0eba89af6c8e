/*
 * fuzz_dns64_sockets.c - the whole server on a real loop and real sockets, in a network namespace
 * of its own: streams that come in pieces, end in the middle or are reset, upstreams that do the
 * same over TCP or are gone, so that the kernel gives questions back, reloads between. The input is a
 * list of steps: one byte says what and with which client, a length byte and data follow where a step
 * sends something. Where the first step is one of TLS (13), the upstream is asked over TLS, and what it
 * says is encrypted before it is sent; else step 13 answers questions over TCP.
 */
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "sixgate/base/must.h"
#include "sixgate/base/wire.h"
#include "sixgate/dns64/dns64.h"
#include "sixgate/dns64/message.h"
#include "sixgate/log/log.h"
#include "tls_server.h"

enum { CLIENTS = 4, STEPS_MAX = 64 };

static struct bed {
	uv_loop_t loop;
	struct dns64 *server;
	int udp, tcp; /* the server's; udp is -1 after a reload without it */
	struct sockaddr_in6 udp_at, tcp_at, upstream_at;
	int upstream_udp, upstream_tcp, upstream_conn;
	int client[CLIENTS], asker;
	bool closed, with_tls;
} bed;

static void enter_namespace(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int s;

	if (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET)) {
		perror("a network namespace of its own");
		exit(1);
	}
	s = socket(AF_INET6, SOCK_DGRAM, 0);
	must(s >= 0 && ioctl(s, SIOCSIFFLAGS, &lo) == 0);
	close(s);
	log_open("fuzz", LOG_LEVEL_ERROR);
}

static struct sockaddr_in6 name_of(int fd)
{
	struct sockaddr_in6 sa;
	socklen_t len = sizeof(sa);

	must(getsockname(fd, (struct sockaddr *)&sa, &len) == 0);
	return sa;
}

static int loopback(int type, uint16_t port)
{
	struct sockaddr_in6 sa = { .sin6_family = AF_INET6, .sin6_port = port };
	int fd = socket(AF_INET6, type | SOCK_NONBLOCK, 0), on = 1;

	sa.sin6_addr.s6_addr[15] = 1;
	must(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* The same port for UDP and TCP, as upstreams have it. */
static void open_upstream(void)
{
	for (int tries = 0; tries < 100; tries++) {
		bed.upstream_udp = loopback(SOCK_DGRAM, 0);
		bed.upstream_at = name_of(bed.upstream_udp);
		bed.upstream_tcp = loopback(SOCK_STREAM, bed.upstream_at.sin6_port);
		if (bed.upstream_tcp >= 0 && listen(bed.upstream_tcp, 16) == 0)
			return;
		close(bed.upstream_udp);
	}
	abort();
}

static struct dns64_conf conf_of(struct dns64_upstream_conf *upstream, struct prefix *prefix)
{
	struct dns64_conf c;

	dns64_conf_default(&c);
	must(prefix_parse("64:ff9b::/96", prefix) == 0);
	*upstream = (struct dns64_upstream_conf){ .port = be16_to(
							  (be16){ bed.upstream_at.sin6_port }) };
	upstream->address.octet[15] = 1;
	if (bed.with_tls) {
		upstream->tls = true;
		upstream->n_pin = 1;
		tls_server_pin(&upstream->pin[0]);
	}
	c.prefix = prefix;
	c.upstream = upstream;
	c.n_prefix = c.n_upstream = 1;
	c.cache_bytes = DNS64_CACHE_MIN_BYTES;
	return c;
}

static void start(void)
{
	static const struct hash_key secret = { { 1, 2, 3 } };
	struct endpoint_conf at = { .address = { .octet = { [15] = 1 } } };
	struct dns64_upstream_conf upstream;
	struct prefix prefix;
	struct dns64_conf c;
	struct err e;

	must(uv_loop_init(&bed.loop) == 0);
	open_upstream();
	bed.udp = dns64_open_udp(&at, &e);
	bed.tcp = dns64_open_tcp(&at, &e);
	must(bed.udp >= 0 && bed.tcp >= 0);
	bed.udp_at = name_of(bed.udp);
	bed.tcp_at = name_of(bed.tcp);
	c = conf_of(&upstream, &prefix);
	must(dns64_new(&bed.server, &bed.loop, &c,
		       &(struct dns64_sockets){
			       .udp = &bed.udp, .tcp = &bed.tcp, .n_udp = 1, .n_tcp = 1 },
		       &secret, &e) == 0);
	bed.asker = loopback(SOCK_DGRAM, 0);
	bed.upstream_conn = -1;
	for (int i = 0; i < CLIENTS; i++)
		bed.client[i] = -1;
}

static void spin(void)
{
	for (int i = 0; i < 3; i++)
		uv_run(&bed.loop, UV_RUN_NOWAIT);
}

static void reset(int *fd)
{
	const struct linger now = { .l_onoff = 1 };

	if (*fd < 0)
		return;
	setsockopt(*fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)); /* no TIME_WAIT in thousands */
	close(*fd);
	*fd = -1;
}

static void connect_client(int *fd)
{
	reset(fd);
	*fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (connect(*fd, (const struct sockaddr *)&bed.tcp_at, sizeof(bed.tcp_at)) &&
	    errno != EINPROGRESS)
		reset(fd);
}

/* What the server says is whole messages. */
static void read_answers(void)
{
	uint8_t wire[4096];
	ssize_t n;

	while ((n = recv(bed.asker, wire, sizeof(wire), MSG_DONTWAIT)) > 0)
		must(n == DNS_HEADER_LEN || dns_message_check(wire, (size_t)n));
	for (int i = 0; i < CLIENTS; i++)
		while (bed.client[i] >= 0 &&
		       recv(bed.client[i], wire, sizeof(wire), MSG_DONTWAIT) > 0)
			;
}

/* An answer to the oldest question: its id and question, then what the input says. */
static void answer_udp(const uint8_t *data, size_t len, bool truncated)
{
	struct sockaddr_in6 from;
	socklen_t from_len = sizeof(from);
	struct dns_question q;
	uint8_t wire[1024];
	ssize_t n = recvfrom(bed.upstream_udp, wire, sizeof(wire), MSG_DONTWAIT,
			     (struct sockaddr *)&from, &from_len);
	size_t end;

	if (n <= 0)
		return;
	end = dns_question_read(wire, (size_t)n, &q);
	must(end);
	memset(wire + 2, 0, 10);
	wire[5] = 1;
	if (len >= 8) {
		memcpy(wire + 6, data, 6);
		memcpy(wire + end, data + 6, len - 6);
		end += len - 6;
	}
	wire[2] = truncated ? 0x82 : 0x80;
	sendto(bed.upstream_udp, wire, end, MSG_DONTWAIT, (struct sockaddr *)&from, from_len);
}

/* One message of the server's, whole, with its length. Return: bytes, or 0: it has said no more. */
static size_t read_framed(uint8_t *out)
{
	size_t n = tls_server_read(out, 2), more = n == 2 ? load16(out) : 0;

	must(more <= 512);
	return more && tls_server_read(out + 2, more) == more ? 2 + more : 0;
}

/* The question's id and itself, then what the input says, in one record or in two. */
static void answer_tls(const uint8_t *data, size_t len, bool apart)
{
	struct dns_question q;
	uint8_t wire[2 + 1024];
	size_t n = read_framed(wire), end;

	if (!n || len < 6)
		return;
	end = dns_question_read(wire + 2, n - 2, &q);
	must(end);
	memset(wire + 4, 0, 10);
	wire[4] = 0x80;
	wire[7] = 1;
	memcpy(wire + 8, data, 6);
	memcpy(wire + 2 + end, data + 6, len - 6);
	store16(wire, (uint16_t)(end + len - 6));
	n = 2 + end + len - 6;
	tls_server_write(wire, apart ? data[5] % n : n);
	if (apart)
		tls_server_write(wire + data[5] % n, n - data[5] % n);
}

/* One whole question that has come over TCP, with its length. Return: octets, or 0. */
static size_t read_question(uint8_t out[2 + 512])
{
	ssize_t n = recv(bed.upstream_conn, out, 2 + 512, MSG_DONTWAIT | MSG_PEEK);
	size_t len = n >= 2 ? 2u + load16(out) : 0;

	if (len < 2 || (size_t)n < len)
		return 0;
	must(len <= 2 + 512);
	return recv(bed.upstream_conn, out, len, MSG_DONTWAIT) == (ssize_t)len ? len : 0;
}

/* The next @n questions' ids and themselves, then what the input says; the last one first. */
static void answer_tcp(const uint8_t *data, size_t len, unsigned n)
{
	uint8_t wire[2 + 1024];
	struct dns_question q;
	size_t got = bed.upstream_conn < 0 ? 0 : read_question(wire), end;

	if (!got || len < 6)
		return;
	end = dns_question_read(wire + 2, got - 2, &q);
	must(end);
	if (n > 1)
		answer_tcp(data, len, n - 1);
	memset(wire + 4, 0, 10);
	wire[4] = 0x80;
	wire[7] = 1;
	memcpy(wire + 8, data, 6);
	memcpy(wire + 2 + end, data + 6, len - 6);
	store16(wire, (uint16_t)(end + len - 6));
	send(bed.upstream_conn, wire, 2 + end + len - 6, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void accept_upstream(void)
{
	int on = 1;

	tls_server_take(-1);
	reset(&bed.upstream_conn);
	bed.upstream_conn = accept4(bed.upstream_tcp, NULL, NULL, SOCK_NONBLOCK);
	if (bed.upstream_conn >= 0) /* nothing waits for an acknowledgement */
		setsockopt(bed.upstream_conn, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static void shake_hands(void)
{
	if (bed.upstream_conn < 0)
		return;
	tls_server_take(bed.upstream_conn);
	for (int i = 0; i < 8 && !tls_server_shake(); i++)
		spin();
}

static void do_tls_step(uint8_t what, const uint8_t *data, size_t len)
{
	switch (what) {
	case 0:
		accept_upstream();
		shake_hands();
		break;
	case 1:
		tls_server_write(data, len);
		break;
	case 2:
	case 3:
		answer_tls(data, len, what == 3);
		break;
	case 4:
		tls_server_bye();
		break;
	case 5: /* a handshake that the input goes on with */
		tls_server_shake();
		break;
	case 6:
		if (bed.upstream_conn >= 0)
			tls_server_take(bed.upstream_conn);
		break;
	default:
		break;
	}
}

/* Nobody is at its port for UDP, or somebody is again. */
static void move_upstream(bool away)
{
	if (bed.upstream_udp >= 0)
		close(bed.upstream_udp);
	bed.upstream_udp = away ? -1 : loopback(SOCK_DGRAM, bed.upstream_at.sin6_port);
}

static void reload(bool with_udp)
{
	struct dns64_upstream_conf upstream;
	struct prefix prefix;
	struct dns64_conf c = conf_of(&upstream, &prefix);
	struct dns64_sockets s = { .udp = &bed.udp, .tcp = &bed.tcp, .n_tcp = 1 };
	struct err e;

	s.n_udp = with_udp && bed.udp >= 0;
	must(dns64_reload(bed.server, &c, &s, &e) == 0);
	if (!s.n_udp)
		bed.udp = -1;
}

static void do_step(uint8_t step, const uint8_t *data, size_t len)
{
	int *client = &bed.client[step >> 4 & 3];

	switch (step & 15) {
	case 0:
		connect_client(client);
		break;
	case 1:
		if (*client >= 0)
			send(*client, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		break;
	case 2:
		if (*client >= 0)
			shutdown(*client, SHUT_WR);
		break;
	case 3:
		reset(client);
		break;
	case 4:
		sendto(bed.asker, data, len, MSG_DONTWAIT, (const struct sockaddr *)&bed.udp_at,
		       sizeof(bed.udp_at));
		break;
	case 5:
	case 6:
		answer_udp(data, len, (step & 15) == 6);
		break;
	case 7:
		accept_upstream();
		break;
	case 8:
		if (bed.upstream_conn >= 0)
			send(bed.upstream_conn, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		break;
	case 9:
		tls_server_take(-1);
		reset(&bed.upstream_conn);
		break;
	case 10:
	case 11:
		reload((step & 15) == 10);
		break;
	case 12:
		dns64_set_inside(bed.server, (const unsigned[]){ 7 }, step >> 4 & 1);
		break;
	case 13:
		if (bed.with_tls)
			do_tls_step(step >> 4, data, len);
		else
			answer_tcp(data, len, 1 + (step >> 4));
		break;
	case 14:
		move_upstream(step >> 4 & 1);
		break;
	default:
		read_answers();
	}
}

static void on_closed(void *ctx)
{
	(void)ctx;
	bed.closed = true;
}

static void stop(void)
{
	bed.closed = false;
	dns64_close(bed.server, on_closed, NULL);
	uv_run(&bed.loop, UV_RUN_DEFAULT);
	must(bed.closed && uv_loop_close(&bed.loop) == 0);
	for (int i = 0; i < CLIENTS; i++)
		reset(&bed.client[i]);
	tls_server_take(-1);
	reset(&bed.upstream_conn);
	reset(&bed.upstream_tcp);
	move_upstream(true);
	close(bed.asker);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool inside;

	if (!inside) {
		dns64_tls_init();
		signal(SIGPIPE, SIG_IGN); /* of our own end of TLS */
		enter_namespace();
	}
	inside = true;
	bed.with_tls = size && (data[0] & 15) == 13;
	start();
	for (int n = 0; n < STEPS_MAX && size >= 2; n++) {
		uint8_t step = data[0];
		size_t len = data[1];

		data += 2;
		size -= 2;
		if (len > size)
			len = size;
		do_step(step, data, len);
		spin();
		data += len;
		size -= len;
	}
	read_answers();
	stop();
	return 0;
}
