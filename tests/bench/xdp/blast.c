/*
 * blast.c - bursts of small UDP packets, from XDP frames that no socket and no stack has touched, and a
 * receiver that counts and drops them as early.
 *
 *   blast send DEVICE SOURCE DESTINATION MAC PACKETS FLOWS
 *   blast count DEVICE      counts until SIGTERM; prints how many
 *   blast pass DEVICE       holds an empty program there until SIGTERM
 *
 * send prints how many it has sent and what CPU time (ns) it took, all work below it in the kernel
 * included: on veth the receiving side's work is done in the sender's time.
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

/* A burst fits into the rings of all that is measured; between two the kernel takes some 30 ms. */
enum { PAYLOAD = 18, BATCH = 64, BURST = 1024 };

static uint64_t now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
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

static uint16_t sum_without_port(const uint8_t *frame, size_t len)
{
	const uint8_t *ip = frame + 14;
	const struct addr src = addr_from_v6(ip + 8), dst = addr_from_v6(ip + 24);
	const uint32_t l4 = (uint32_t)len - 14 - 40;

	return checksum_fold(checksum_add(checksum_pseudo(&src, &dst, 17, l4), ip + 40, l4));
}

static int send_burst(int program, uint8_t *frame, size_t len)
{
	struct xdp_md ctx = { .data_end = (uint32_t)len };
	LIBBPF_OPTS(bpf_test_run_opts, how, .data_in = frame, .data_size_in = (uint32_t)len,
		    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx), .repeat = BURST,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = BATCH);

	return bpf_prog_test_run_opts(program, &how);
}

static int send_all(struct blast_bpf *b, char **arg)
{
	const uint64_t total = strtoull(arg[4], NULL, 0);
	uint64_t sent = 0, cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID);
	uint8_t frame[128] = { 0 }, mac[6];
	size_t len;

	must(sscanf(arg[3], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac[0], &mac[1], &mac[2], &mac[3], &mac[4],
		    &mac[5]) == 6);
	len = make_frame(frame, arg[1], arg[2], mac);
	b->bss->out_ifindex = if_nametoindex(arg[0]);
	for (int i = 0; i < 6; i++)
		b->bss->to_mac[i] = mac[i];
	b->bss->sum = sum_without_port(frame, len);
	b->data->n_flows = (uint32_t)strtoul(arg[5], NULL, 0);
	for (; sent < total; sent += BURST)
		if (send_burst(bpf_program__fd(b->progs.blast), frame, len) < 0) {
			perror("send");
			return 1;
		}
	cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	printf("%llu %llu\n", (unsigned long long)sent, (unsigned long long)cpu);
	return 0;
}

static int hold(struct blast_bpf *b, struct bpf_program *program, const char *device)
{
	struct bpf_link *link = bpf_program__attach_xdp(program, (int)if_nametoindex(device));
	uint64_t each[256], sum = 0;
	uint32_t zero = 0;
	sigset_t set;
	int sig;

	if (!link) {
		fprintf(stderr, "%s: %s\n", device, strerror(errno));
		return 1;
	}
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	printf("ready\n");
	fflush(stdout);
	sigwait(&set, &sig);
	must(libbpf_num_possible_cpus() <= 256);
	must(bpf_map_lookup_elem(bpf_map__fd(b->maps.received), &zero, each) == 0);
	for (int i = 0; i < libbpf_num_possible_cpus(); i++)
		sum += each[i];
	printf("%llu\n", (unsigned long long)sum);
	return 0;
}

int main(int argc, char **argv)
{
	struct blast_bpf *b = blast_bpf__open_and_load();

	if (!b)
		return 1;
	if (argc == 8 && strcmp(argv[1], "send") == 0)
		return send_all(b, argv + 2);
	if (argc == 3 && strcmp(argv[1], "count") == 0)
		return hold(b, b->progs.count, argv[2]);
	if (argc == 3 && strcmp(argv[1], "pass") == 0)
		return hold(b, b->progs.pass, argv[2]);
	fprintf(stderr, "usage: see blast.c\n");
	return 2;
}
