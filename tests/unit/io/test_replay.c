/* test_replay.c - captures through a whole NAT64, on the captures' own clock: what comes out, when,
 * and what has expired meanwhile. */
#include "test.h"
#include <netinet/in.h>
#include <unistd.h>
#include "build.h"
#include "gateway.h"
#include "sixgate/io/pcap.h"
#include "sixgate/io/replay.h"

static struct gateway g;
static char in_path[] = "/tmp/sixgate-in-XXXXXX", out_path[] = "/tmp/sixgate-out-XXXXXX",
	    written[] = "/tmp/sixgate-written-XXXXXX";

static FILE *capture(char *path)
{
	FILE *f = fdopen(mkstemp(path), "wb");

	assert_non_null(f);
	assert_true(pcap_write_header(f));
	return f;
}

static void add(FILE *f, uint64_t at_ms, const struct tuple *t)
{
	uint8_t bytes[256];
	uint32_t n = build_udp(bytes, t, 20);

	assert_true(pcap_write_record(f, 1000000000000ull + at_ms * 1000000, bytes, n));
}

/* The pool has one port, so the test knows what the answer must be sent to. */
static void start(void)
{
	static struct pool4_conf pool = { .port_first = 5000,
					  .port_last = 5000,
					  .protocols = NAT64_UDP };
	static struct nat64_conf nat64;

	nat64_conf_default(&nat64);
	assert_int_equal(addr_parse("198.51.100.10", &pool.first), 0);
	pool.last = pool.first;
	nat64.pool4 = &pool;
	nat64.n_pool4 = 1;
	nat64.allow_private = true;
	gateway_init(&g,
		     &(struct gateway_args){ .nat64 = &nat64, .inside = { "2001:db8:1::/64" } });
}

static void replay(void)
{
	struct pcap_paths paths = { in_path, out_path, written };
	struct port *port;
	struct err e;

	close(mkstemp(written));
	if (pcap_port_new(&port, &paths, &e) < 0)
		fail_msg("%s", e.text);
	replay_run(&(struct replay){ .worker = g.worker,
				     .n_workers = g.n_workers,
				     .snapshot = g.snapshot,
				     .port = port });
	assert_int_equal(pcap_port_failed(port, &e), 0);
	port->ops->close(port);
}

static void expect(struct pcap_reader *r, uint64_t at_ms, unsigned version)
{
	struct pcap_record got;
	struct err e;

	assert_int_equal(pcap_read(r, &got, &e), 1);
	assert_true(got.time_ns == 1000000000000ull + at_ms * 1000000);
	assert_int_equal(got.data[0] >> 4, version);
}

static void answers_pass_until_the_mapping_expires_on_the_clock_of_the_capture(void **state)
{
	struct tuple query =
		tuple_of("2001:db8:1::7", "64:ff9b::203.0.113.9", 4000, 53, IPPROTO_UDP);
	struct tuple answer = tuple_of("203.0.113.9", "198.51.100.10", 53, 5000, IPPROTO_UDP);
	struct pcap_record got;
	struct pcap_reader *r;
	FILE *in, *out;
	struct err e;

	(void)state;
	start();
	in = capture(in_path);
	out = capture(out_path);
	add(in, 0, &query);
	add(out, 40, &answer);     /* passes */
	add(out, 299900, &answer); /* RFC 6146 4: UDP_DEFAULT is 5 minutes */
	add(out, 310000, &answer); /* too late */
	fclose(in);
	fclose(out);
	replay();
	assert_int_equal(pcap_reader_new(&r, fopen(written, "rb"), &e), 0);
	expect(r, 0, 4);
	expect(r, 40, 6);
	expect(r, 299900, 6);
	assert_int_equal(pcap_read(r, &got, &e), 0);
	pcap_reader_free(r);
	assert_int_equal(counter_read(&g.worker[0]->count[COUNT_TX_PACKETS_INSIDE]), 2);
	assert_int_equal(gateway_flows(&g), 0);
	gateway_fini(&g);
	unlink(in_path);
	unlink(out_path);
	unlink(written);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			answers_pass_until_the_mapping_expires_on_the_clock_of_the_capture),
	};

	return cmocka_run_group_tests_name("replay", tests, NULL, NULL);
}
