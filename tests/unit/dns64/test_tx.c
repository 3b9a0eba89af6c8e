/* test_tx.c - answers on their way through a real kernel, over the loopback of a network namespace of
 * this test's own: what is sent in one go comes as it would one by one. */
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "sixgate/base/must.h"
#include "io.h"
#include "test.h"

static struct sockaddr_in6 address(const char *text)
{
	struct sockaddr_in6 sa = { .sin6_family = AF_INET6 };
	struct addr a;

	must(addr_parse(text, &a) == 0);
	memcpy(&sa.sin6_addr, a.octet, 16);
	return sa;
}

static int open_at(const char *text)
{
	struct sockaddr_in6 sa = address(text);
	int fd = io__socket(SOCK_DGRAM);

	must(fd >= 0 && bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) == 0);
	return fd;
}

static struct sockaddr_in6 name_of(int fd)
{
	struct sockaddr_in6 sa;
	socklen_t len = sizeof(sa);

	must(getsockname(fd, (struct sockaddr *)&sa, &len) == 0);
	return sa;
}

static void set_mtu(int mtu)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_mtu = mtu };
	int s = socket(AF_INET6, SOCK_DGRAM, 0);

	must(s >= 0 && ioctl(s, SIOCSIFMTU, &lo) == 0);
	close(s);
}

/* An answer of @len octets, all of them @mark. */
static bool add(struct batch_tx *tx, const struct client *c, size_t len, int mark)
{
	memset(tx->wire[tx->n], mark, len);
	return tx__add(tx, c, len);
}

/* What came to @fd, whose order is nobody's concern, as "lengthXmark lengthXmark", ascending. */
static const char *received(int fd)
{
	static char text[2048];
	unsigned count[128] = { 0 }, length[128] = { 0 };
	uint8_t wire[2048];
	char *p = text;
	ssize_t n;

	while ((n = recv(fd, wire, sizeof(wire), MSG_DONTWAIT)) > 0) {
		assert_true(wire[0] == wire[n - 1] && wire[0] < 128);
		count[wire[0]]++;
		length[wire[0]] = (unsigned)n;
	}
	*p = 0;
	for (unsigned mark = 0; mark < 128; mark++)
		for (unsigned i = 0; i < count[mark]; i++)
			p += sprintf(p, "%s%u%c", p == text ? "" : " ", length[mark], (int)mark);
	return text;
}

struct room_for_tests {
	struct batch_tx tx;
	int server;
	int fd[3];
	struct client c[3];
};

static struct room_for_tests *start(const char *at)
{
	struct room_for_tests *r = calloc(1, sizeof(*r));

	must(r);
	r->server = open_at(at);
	r->tx.with_local = io__is_wildcard(r->server);
	for (int i = 0; i < 3; i++) {
		r->fd[i] = open_at(strchr(at, '.') ? "127.0.0.1" : "::1");
		r->c[i].peer = name_of(r->fd[i]);
	}
	return r;
}

static void end(struct room_for_tests *r)
{
	for (int i = 0; i < 3; i++)
		close(r->fd[i]);
	close(r->server);
	free(r);
}

static void answers_to_one_client_leave_in_one_go(void **state)
{
	struct room_for_tests *r = start("::1");

	(void)state;
	add(&r->tx, &r->c[0], 100, 'a');
	add(&r->tx, &r->c[0], 80, 'b');
	add(&r->tx, &r->c[0], 100, 'c');
	add(&r->tx, &r->c[0], 100, 'd');
	tx__send(&r->tx, r->server, 0);
	assert_int_equal(r->tx.n_headers, 1);
	assert_string_equal(received(r->fd[0]), "100a 80b 100c 100d");
	end(r);
}

static void only_the_last_one_may_be_shorter(void **state)
{
	struct room_for_tests *r = start("::1");

	(void)state;
	add(&r->tx, &r->c[0], 80, 'a');
	add(&r->tx, &r->c[0], 60, 'b');
	add(&r->tx, &r->c[0], 80, 'c');
	add(&r->tx, &r->c[0], 60, 'd');
	tx__send(&r->tx, r->server, 0);
	assert_int_equal(r->tx.n_headers, 2); /* 80 80 60, 60 */
	assert_string_equal(received(r->fd[0]), "80a 60b 80c 60d");
	end(r);
}

static void everybody_gets_their_own(void **state)
{
	struct room_for_tests *r = start("::1");

	(void)state;
	for (int i = 0; i < 9; i++)
		add(&r->tx, &r->c[i % 3], 100, 'a' + i);
	tx__send(&r->tx, r->server, 0);
	assert_int_equal(r->tx.n_headers, 3);
	assert_string_equal(received(r->fd[0]), "100a 100d 100g");
	assert_string_equal(received(r->fd[1]), "100b 100e 100h");
	assert_string_equal(received(r->fd[2]), "100c 100f 100i");
	end(r);
}

static void a_batch_may_be_longer_than_a_datagram(void **state)
{
	struct room_for_tests *r = start("::1");
	unsigned n = 0;

	(void)state;
	for (int i = 0; i < UDP_BATCH - 1; i++)
		assert_false(add(&r->tx, &r->c[0], DNS_UDP_PAYLOAD, 'a'));
	assert_true(add(&r->tx, &r->c[0], DNS_UDP_PAYLOAD, 'a'));
	tx__send(&r->tx, r->server, 0);
	assert_int_equal(r->tx.n_headers, 2);
	for (const char *p = received(r->fd[0]); (p = strstr(p, "1232a")) != NULL; p++)
		n++;
	assert_int_equal(n, UDP_BATCH);
	assert_int_equal(r->tx.n_lost, 0);
	end(r);
}

/* Segments longer than the MTU the kernel does not cut; answers it does. */
static void what_the_kernel_does_not_cut_goes_one_by_one(void **state)
{
	struct room_for_tests *r = start("127.0.0.1");

	(void)state;
	set_mtu(600);
	for (int i = 0; i < 3; i++)
		add(&r->tx, &r->c[0], 1000, 'a' + i);
	tx__send(&r->tx, r->server, 5000);
	assert_string_equal(received(r->fd[0]), "1000a 1000b 1000c");
	set_mtu(65536);
	for (int i = 0; i < 3; i++)
		add(&r->tx, &r->c[0], 1000, 'a' + i);
	tx__send(&r->tx, r->server, 5999);
	assert_int_equal(r->tx.n_headers, 3);
	assert_string_equal(received(r->fd[0]), "1000a 1000b 1000c");
	for (int i = 0; i < 3; i++)
		add(&r->tx, &r->c[0], 1000, 'a' + i);
	tx__send(&r->tx, r->server, 6000);
	assert_int_equal(r->tx.n_headers, 1);
	assert_string_equal(received(r->fd[0]), "1000a 1000b 1000c");
	assert_int_equal(r->tx.n_lost, 0);
	end(r);
}

static void who_cannot_be_reached_keeps_nobody_from_an_answer(void **state)
{
	struct room_for_tests *r = start("::1");
	struct client far = { .peer = address("2001:db8::1") };

	(void)state;
	far.peer.sin6_port = 0x3500;
	add(&r->tx, &r->c[0], 100, 'a');
	add(&r->tx, &far, 100, 'b');
	add(&r->tx, &far, 100, 'c');
	add(&r->tx, &r->c[1], 100, 'd');
	tx__send(&r->tx, r->server, 0);
	assert_int_equal(r->tx.n_lost, 2);
	assert_string_equal(received(r->fd[0]), "100a");
	assert_string_equal(received(r->fd[1]), "100d");
	end(r);
}

/* RFC 1123 6.1.3.2: from where it was asked; so two addresses of ours are two pieces. */
static void each_leaves_from_the_address_that_was_asked_rfc1123_6_1_3_2(void **state)
{
	struct room_for_tests *r = start("::");
	struct sockaddr_in6 from, one = address("127.0.0.1"), two = address("127.0.0.2");
	uint8_t wire[256];

	(void)state;
	close(r->fd[0]);
	r->fd[0] = open_at("127.0.0.1");
	r->c[0].peer = name_of(r->fd[0]);
	for (int i = 0; i < 4; i++) {
		r->c[0].local.ipi6_addr = i % 2 ? two.sin6_addr : one.sin6_addr;
		add(&r->tx, &r->c[0], 100, 'a' + i);
	}
	tx__send(&r->tx, r->server, 0);
	assert_int_equal(r->tx.n_headers, 2);
	for (int i = 0; i < 4; i++) {
		socklen_t len = sizeof(from);

		must(recvfrom(r->fd[0], wire, sizeof(wire), MSG_DONTWAIT, (struct sockaddr *)&from,
			      &len) == 100);
		assert_memory_equal(&from.sin6_addr,
				    (wire[0] - 'a') % 2 ? &two.sin6_addr : &one.sin6_addr, 16);
	}
	end(r);
}

static void enter_namespace(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int s;

	must(unshare(CLONE_NEWNET) == 0 || unshare(CLONE_NEWNET | CLONE_NEWUSER) == 0);
	s = socket(AF_INET6, SOCK_DGRAM, 0);
	must(s >= 0 && ioctl(s, SIOCSIFFLAGS, &lo) == 0);
	close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_to_one_client_leave_in_one_go),
		cmocka_unit_test(only_the_last_one_may_be_shorter),
		cmocka_unit_test(everybody_gets_their_own),
		cmocka_unit_test(a_batch_may_be_longer_than_a_datagram),
		cmocka_unit_test(who_cannot_be_reached_keeps_nobody_from_an_answer),
		cmocka_unit_test(each_leaves_from_the_address_that_was_asked_rfc1123_6_1_3_2),
		cmocka_unit_test(what_the_kernel_does_not_cut_goes_one_by_one), /* the end of IPv6 */
	};

	enter_namespace();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
