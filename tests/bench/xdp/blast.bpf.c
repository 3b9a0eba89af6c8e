/* blast.bpf.c - the generator's and the receiver's programs. The generator's sends every frame out of one
 * interface, its UDP source port counting through the flows; the receiver's counts UDP to port 9 and
 * drops it. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

enum { DISCARD = 9, FIRST_PORT = 1024 };

volatile __u32 out_ifindex, n_flows = 1, next_flow;
volatile __u8 to_mac[6];
volatile __u32 sum; /* of everything in the UDP checksum but the source port */

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} received SEC(".maps");

/* Return: the UDP header of a frame of either family, or NULL. */
static __always_inline struct udphdr *udp_of(struct xdp_md *ctx)
{
	void *at = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = at;
	struct ipv6hdr *six = at + sizeof(*eth);
	struct iphdr *four = at + sizeof(*eth);
	struct udphdr *udp;

	if (at + sizeof(*eth) + sizeof(*four) + sizeof(*udp) > end)
		return 0;
	if (eth->h_proto == bpf_htons(ETH_P_IP))
		return four->protocol == IPPROTO_UDP ? (void *)(four + 1) : 0;
	udp = (void *)(six + 1);
	if (eth->h_proto != bpf_htons(ETH_P_IPV6) || (void *)(udp + 1) > end)
		return 0;
	return six->nexthdr == IPPROTO_UDP ? udp : 0;
}

SEC("xdp")
int blast(struct xdp_md *ctx)
{
	void *at = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = at;
	struct ipv6hdr *ip = at + sizeof(*eth);
	struct udphdr *udp = (void *)(ip + 1);
	__u32 n = next_flow + 1;

	next_flow = n >= n_flows ? 0 : n;
	if ((void *)(udp + 1) > end)
		return XDP_DROP;
	/* the frame may be one that was forwarded before: as new */
	for (int i = 0; i < 6; i++)
		eth->h_dest[i] = to_mac[i];
	ip->hop_limit = 64;
	udp->source = bpf_htons(FIRST_PORT + next_flow);
	n = sum + udp->source;
	n = (n & 0xffff) + (n >> 16);
	udp->check = ~((n & 0xffff) + (n >> 16));
	return bpf_redirect(out_ifindex, 0);
}

SEC("xdp")
int count(struct xdp_md *ctx)
{
	const struct udphdr *udp = udp_of(ctx);
	__u32 zero = 0;
	__u64 *n;

	if (!udp || udp->dest != bpf_htons(DISCARD))
		return XDP_PASS;
	n = bpf_map_lookup_elem(&received, &zero);
	if (n)
		++*n;
	return XDP_DROP;
}

/* Merely there: with a program a veth takes frames that are redirected to its peer. */
SEC("xdp")
int pass(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}

char program_license[] SEC("license") = "Apache-2.0";
