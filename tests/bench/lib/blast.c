/*
 * blast.c - small UDP packets at a steady rate or as fast as can be, from XDP frames that no socket
 * and no stack has touched, and a receiver that counts and drops them where a driver would hand
 * them to the stack.
 *
 *   blast send DEVICE SOURCE DESTINATION MAC PACKETS FLOWS RATE
 *   blast count DEVICE      counts until SIGTERM; prints how many
 *   blast drop DEVICE       drops them until SIGTERM, as early as can be
 *   blast pass DEVICE       holds an empty program there until SIGTERM
 *
 * send takes the RATE (packets a second, in lots of 64; 0: as fast as can be), and prints how many
 * it has sent, how long that took, and how much of it it has merely waited (ns). It waits by
 * spinning: that is CPU time, which whoever counts CPU time takes off.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <blast.skel.h>
#include "sixgate/base/must.h"
#include "sixgate/packet/checksum.h"

enum { PAYLOAD = 18, TOGETHER = 64, CPUS_MAX = 256 };

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static size_t make_frame(uint8_t *f, const char *src, const char *dst, const uint8_t mac[6])
{
	uint8_t *ip = f + 14, *udp = ip + 40;

	memcpy(f, mac, 6);
	store16(f + 12, ETHERTYPE_IPV6);
	ip[0] = 0x60;
	store16(ip + 4, 8 + PAYLOAD);
	ip[6] = 17;
	ip[7] = 64;
	must(inet_pton(AF_INET6, src, ip + 8) == 1 && inet_pton(AF_INET6, dst, ip + 24) == 1);
	store16(udp + 2, 9);
	store16(udp + 4, 8 + PAYLOAD);
	return 14 + 40 + 8 + PAYLOAD;
}

/* Of the checksum, without the source port and the last word of the source's address. */
static uint16_t sum_of_rest(const uint8_t *frame, size_t len)
{
	const uint8_t *ip = frame + 14;
	const struct addr dst = addr_from_v6(ip + 24);
	struct addr src = addr_from_v6(ip + 8);
	const uint32_t l4 = (uint32_t)len - 14 - 40;

	store16(src.octet + 14, 0);
	return checksum_fold(checksum_add(checksum_pseudo(&src, &dst, 17, l4), ip + 40, l4));
}

static int send_frames(int program, const uint8_t *frame, size_t len, uint32_t n)
{
	struct xdp_md ctx = { .data_end = (uint32_t)len };
	LIBBPF_OPTS(bpf_test_run_opts, how, .data_in = frame, .data_size_in = (uint32_t)len,
		    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx), .repeat = (int)n,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = TOGETHER);

	return bpf_prog_test_run_opts(program, &how);
}

static int send_all(struct blast_bpf *b, char **arg)
{
	const uint32_t n = (uint32_t)strtoul(arg[4], NULL, 0),
		       rate = (uint32_t)strtoul(arg[6], NULL, 0);
	uint64_t begun;
	uint8_t frame[128] = { 0 }, mac[6];
	size_t len;

	must(sscanf(arg[3], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac[0], &mac[1], &mac[2], &mac[3],
		    &mac[4], &mac[5]) == 6);
	len = make_frame(frame, arg[1], arg[2], mac);
	b->bss->out_ifindex = if_nametoindex(arg[0]);
	for (int i = 0; i < 6; i++)
		b->bss->to_mac[i] = mac[i];
	b->bss->sum = sum_of_rest(frame, len);
	b->bss->first_host = load16(frame + 14 + 8 + 14);
	b->data->n_flows = (uint32_t)strtoul(arg[5], NULL, 0);
	b->bss->gap_ns = rate ? TOGETHER * 1000000000ull / rate : 0;
	begun = now_ns();
	if (send_frames(bpf_program__fd(b->progs.blast), frame, len, n) < 0) {
		perror("send");
		return 1;
	}
	printf("%u %llu %llu\n", n, (unsigned long long)(now_ns() - begun),
	       (unsigned long long)b->bss->waited_ns);
	return 0;
}

/* Stands there until SIGTERM. */
static void hold(void)
{
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	printf("ready\n");
	fflush(stdout);
	sigwait(&set, &sig);
}

static int hold_xdp(struct bpf_program *program, const char *device)
{
	struct bpf_link *link = bpf_program__attach_xdp(program, (int)if_nametoindex(device));

	if (!link) {
		fprintf(stderr, "%s: %s\n", device, strerror(errno));
		return 1;
	}
	hold();
	return bpf_link__destroy(link) < 0;
}

static uint64_t counted(struct blast_bpf *b)
{
	uint64_t each[CPUS_MAX], sum = 0;
	uint32_t zero = 0;

	must(libbpf_num_possible_cpus() <= CPUS_MAX);
	must(bpf_map_lookup_elem(bpf_map__fd(b->maps.received), &zero, each) == 0);
	for (int i = 0; i < libbpf_num_possible_cpus(); i++)
		sum += each[i];
	return sum;
}

/* By tc, not XDP: for a program of XDP veth copies each packet that comes from a socket, at the
 * cost of the receiver, which no gateway pays where the receiver is another machine. */
static int count(struct blast_bpf *b, const char *device)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)if_nametoindex(device),
		    .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, how, .prog_fd = bpf_program__fd(b->progs.count));

	if (bpf_tc_hook_create(&hook) < 0 || bpf_tc_attach(&hook, &how) < 0) {
		fprintf(stderr, "%s: %s\n", device, strerror(errno));
		return 1;
	}
	hold();
	printf("%llu\n", (unsigned long long)counted(b));
	hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS; /* all of it: the qdisc, too */
	return bpf_tc_hook_destroy(&hook) < 0;
}

int main(int argc, char **argv)
{
	struct blast_bpf *b = blast_bpf__open_and_load();

	if (!b)
		return 1;
	if (argc == 9 && strcmp(argv[1], "send") == 0)
		return send_all(b, argv + 2);
	if (argc == 3 && strcmp(argv[1], "count") == 0)
		return count(b, argv[2]);
	if (argc == 3 && strcmp(argv[1], "drop") == 0)
		return hold_xdp(b->progs.drop, argv[2]);
	if (argc == 3 && strcmp(argv[1], "pass") == 0)
		return hold_xdp(b->progs.pass, argv[2]);
	fprintf(stderr, "usage: see blast.c\n");
	return 2;
}
