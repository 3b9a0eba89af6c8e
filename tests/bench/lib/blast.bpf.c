/* blast.bpf.c - the generator's and the receiver's programs. The generator's sends every frame out
 * of one interface, its UDP source port, and every 60,000 the address, counting through the flows;
 * the receivers' drop UDP to port 9: one counts what comes as a socket buffer, the other sees
 * frames before there is one. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

enum { DISCARD = 9, FIRST_PORT = 1024, PORTS = 60000, TOGETHER = 64, SPINS_MAX = 1 << 22 };

volatile __u32 out_ifindex, n_flows = 1, next_flow;
volatile __u8 to_mac[6];
volatile __u32
	sum; /* of everything in the UDP checksum but the source port and the address's end */
volatile __u16 first_host;
volatile __u64 gap_ns; /* between two lots of TOGETHER packets; 0: none */
volatile __u64 waited_ns, due_ns;
volatile __u32 n_together;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} received SEC(".maps");

/* Whether a frame of either family is UDP to port 9. */
static __always_inline int is_ours(void *at, void *end)
{
	struct ethhdr *eth = at;
	struct ipv6hdr *six = at + sizeof(*eth);
	struct iphdr *four = at + sizeof(*eth);
	struct udphdr *udp = (void *)(four + 1);

	if ((void *)(udp + 1) > end)
		return 0;
	if (eth->h_proto == bpf_htons(ETH_P_IP))
		return four->protocol == IPPROTO_UDP && udp->dest == bpf_htons(DISCARD);
	udp = (void *)(six + 1);
	if (eth->h_proto != bpf_htons(ETH_P_IPV6) || (void *)(udp + 1) > end)
		return 0;
	return six->nexthdr == IPPROTO_UDP && udp->dest == bpf_htons(DISCARD);
}

static long spin(__u32 i, void *arg)
{
	(void)i;
	(void)arg;
	return bpf_ktime_get_ns() >= due_ns;
}

/* In time for the next lot. What is late is not made up for: that would be a burst. */
static __always_inline void keep_pace(void)
{
	__u64 begun = bpf_ktime_get_ns();

	if (begun < due_ns)
		bpf_loop(SPINS_MAX, spin, 0, 0);
	else
		due_ns = begun;
	waited_ns += due_ns - begun;
	due_ns += gap_ns;
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
	if (gap_ns && n_together++ % TOGETHER == 0)
		keep_pace();
	if ((void *)(udp + 1) > end)
		return XDP_DROP;
	/* the frame may be one that was forwarded before: as new */
	for (int i = 0; i < 6; i++)
		eth->h_dest[i] = to_mac[i];
	ip->hop_limit = 64;
	udp->source = bpf_htons(FIRST_PORT + next_flow % PORTS);
	ip->saddr.in6_u.u6_addr16[7] = bpf_htons(first_host + next_flow / PORTS);
	n = sum + udp->source + ip->saddr.in6_u.u6_addr16[7];
	n = (n & 0xffff) + (n >> 16);
	udp->check = ~((n & 0xffff) + (n >> 16));
	return bpf_redirect(out_ifindex, 0);
}

SEC("tc")
int count(struct __sk_buff *skb)
{
	__u32 zero = 0;
	__u64 *n;

	if (!is_ours((void *)(long)skb->data, (void *)(long)skb->data_end))
		return TC_ACT_OK;
	n = bpf_map_lookup_elem(&received, &zero);
	if (n)
		++*n;
	return TC_ACT_SHOT;
}

SEC("xdp")
int drop(struct xdp_md *ctx)
{
	return is_ours((void *)(long)ctx->data, (void *)(long)ctx->data_end) ? XDP_DROP : XDP_PASS;
}

/* Merely there: with a program a veth takes frames that are redirected to its peer. */
SEC("xdp")
int pass(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}

char program_license[] SEC("license") = "Apache-2.0";
