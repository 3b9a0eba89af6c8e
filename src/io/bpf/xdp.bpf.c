/*
 * xdp.bpf.c - what comes in on a data interface: ours, or the kernel's?
 *
 * Ours is what the routes into our TUN devices would lead to us, told by the same prefixes; every
 * doubt goes to the kernel, whose routes lead there, too. So nothing here needs to be complete, only
 * never to claim too much. One program for each interface, the maps in common.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "xdp_shared.h"

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, XDP_CLAIMS_MAX);
	__type(key, struct xdp_prefix);
	__type(value, __u32); /* enum xdp_claim */
} claims SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, XDP_REPLIERS_MAX);
	__type(key, struct xdp_replier);
	__type(value, __u32);
} repliers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, XDP_SOCKETS_MAX);
	__type(key, __u32);
	__type(value, __u32);
} sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, N_XDP_PASSED);
	__type(key, __u32);
	__type(value, __u64);
} passed SEC(".maps");

volatile struct xdp_place place = {};

/** struct facts - of one packet; @from, @to: as the maps have them. */
struct facts {
	struct xdp_prefix to;
	struct xdp_replier from;
	__u32 hops, options, piece;
};

static __always_inline int pass(__u32 why)
{
	__u64 *n = bpf_map_lookup_elem(&passed, &why);

	if (n)
		++*n;
	return XDP_PASS;
}

/* Return: 1, to end a reader with. */
static __always_inline int read_port(struct facts *f, const void *l4, const void *end)
{
	if (l4 + 2 <= end && (f->from.proto == IPPROTO_TCP || f->from.proto == IPPROTO_UDP))
		f->from.port = *(const __be16 *)l4;
	return 1;
}

static __always_inline int read4(struct facts *f, const void *at, const void *end)
{
	const struct iphdr *ip = at;

	if (at + sizeof(*ip) > end || ip->version != 4)
		return 0;
	f->to.len = 128;
	__builtin_memset(f->to.addr, 0, 10);
	f->to.addr[10] = f->to.addr[11] = 0xff;
	__builtin_memcpy(f->to.addr + 12, &ip->daddr, 4);
	__builtin_memcpy(f->from.addr, f->to.addr, 12);
	__builtin_memcpy(f->from.addr + 12, &ip->saddr, 4);
	f->from.proto = ip->protocol;
	f->hops = ip->ttl;
	f->options = ip->ihl != 5;
	f->piece = (ip->frag_off & bpf_htons(0x3fff)) != 0;
	/* multicast; and 192.0.0.0/29, our names for addresses of the host, which the guard drops */
	if ((bpf_ntohl(ip->daddr) >> 28) == 0xe || (bpf_ntohl(ip->saddr) & ~7u) == 0xc0000000)
		return 0;
	return read_port(f, at + sizeof(*ip), end);
}

static __always_inline int read6(struct facts *f, const void *at, const void *end)
{
	const struct ipv6hdr *ip = at;

	if (at + sizeof(*ip) > end || ip->version != 6)
		return 0;
	f->to.len = 128;
	__builtin_memcpy(f->to.addr, &ip->daddr, 16);
	__builtin_memcpy(f->from.addr, &ip->saddr, 16);
	f->from.proto = ip->nexthdr;
	f->hops = ip->hop_limit;
	f->options = ip->nexthdr == IPPROTO_HOPOPTS;
	f->piece = ip->nexthdr == IPPROTO_FRAGMENT;
	/* multicast and link-local never leave their link */
	if (f->to.addr[0] == 0xff || (f->to.addr[0] == 0xfe && (f->to.addr[1] & 0xc0) == 0x80) ||
	    (f->from.addr[0] == 0xfe && (f->from.addr[1] & 0xc0) == 0x80))
		return 0;
	return read_port(f, at + sizeof(*ip), end);
}

/* Somebody poses as this host's health checks: the guard knows what to do. */
static __always_inline int poses(const struct facts *f)
{
	const __u32 *from = (const void *)f->from.addr;

	if (!place.probe_mask[0])
		return 0;
	for (int i = 0; i < 4; i++)
		if ((from[i] & place.probe_mask[i]) != place.probe[i])
			return 0;
	return 1;
}

static __always_inline int is_for_us(const struct ethhdr *eth)
{
	const __u16 *to = (const void *)eth->h_dest;
	const volatile __u16 *mac = (const volatile void *)place.mac;

	return ((to[0] ^ mac[0]) | (to[1] ^ mac[1]) | (to[2] ^ mac[2])) == 0;
}

static __always_inline int claimed(struct facts *f)
{
	const __u32 *claim = bpf_map_lookup_elem(&claims, &f->to);

	if (claim && *claim == XDP_CLAIM_LOCAL)
		return 0;
	if (claim && *claim == XDP_CLAIM_OURS)
		return 1;
	return place.repliers && bpf_map_lookup_elem(&repliers, &f->from) != 0;
}

SEC("xdp.frags")
int sixgate_xdp(struct xdp_md *ctx)
{
	const void *at = (const void *)(long)ctx->data, *end = (const void *)(long)ctx->data_end;
	const struct ethhdr *eth = at;
	struct facts f = {};
	__u32 queue = ctx->rx_queue_index;

	if (at + sizeof(*eth) > end || !is_for_us(eth))
		return pass(XDP_PASSED_OTHER);
	at += sizeof(*eth);
	if (eth->h_proto == bpf_htons(ETH_P_IPV6)) {
		if (!read6(&f, at, end))
			return pass(XDP_PASSED_OTHER);
	} else if (eth->h_proto != bpf_htons(ETH_P_IP) || !read4(&f, at, end)) {
		return pass(XDP_PASSED_OTHER);
	}
	if (f.piece && place.repliers)
		return pass(XDP_PASSED_PIECES);
	if (!claimed(&f) || poses(&f))
		return pass(XDP_PASSED_OTHER);
	if (f.hops <= 1)
		return pass(XDP_PASSED_HOPS);
	if (f.options)
		return pass(XDP_PASSED_OPTIONS);
	if (bpf_xdp_get_buff_len(ctx) > place.max_bytes ||
	    (!place.many && end - (const void *)(long)ctx->data != (long)bpf_xdp_get_buff_len(ctx)))
		return pass(XDP_PASSED_LONG);
	if (queue >= place.n)
		return pass(XDP_PASSED_QUEUE);
	return bpf_redirect_map(&sockets, place.first + queue, XDP_PASS);
}

char program_license[] SEC("license") = "Apache-2.0";
