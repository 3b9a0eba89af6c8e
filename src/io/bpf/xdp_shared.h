/* xdp_shared.h - what the XDP program and its loader agree on. Fixed-width types only: this file is
 * compiled for both machines. */
#pragma once
#include <linux/types.h>

enum {
	XDP_CLAIMS_MAX = 65536,    /* prefixes, each side */
	XDP_REPLIERS_MAX = 16384,  /* nodes of services: address, protocol, port */
	XDP_SOCKETS_MAX = 1024     /* interfaces x queues */
};

/** enum xdp_claim - what is to become of a packet for a prefix; the longest prefix decides. */
enum xdp_claim {
	XDP_CLAIM_NONE,  /* the kernel's, unless a node sent it */
	XDP_CLAIM_OURS,
	XDP_CLAIM_LOCAL  /* the host's own address: the kernel's, whoever sent it */
};

/** enum xdp_passed - why the kernel got a packet; indexes of the counters. */
enum xdp_passed {
	XDP_REDIRECTED,     /* it did not */
	XDP_PASSED_OTHER,   /* not claimed: ARP, local addresses, everything else */
	XDP_PASSED_LONG,    /* claimed, but longer than what we take, or in several buffers */
	XDP_PASSED_HOPS,    /* claimed, but at its last hop: the kernel answers */
	XDP_PASSED_OPTIONS, /* IPv4 options, hop-by-hop options */
	XDP_PASSED_PIECES,  /* a fragment while nodes are told by their ports: to be put together */
	XDP_PASSED_QUEUE,   /* claimed, but no worker listens on this queue */
	N_XDP_PASSED
};

/** struct xdp_prefix - key of a claim. @addr: IPv4 in the 16-byte form, @len counts its 96 bits. */
struct xdp_prefix {
	__u32 len;
	__u8 addr[16];
};

/** struct xdp_replier - a node's address, as packets from it have it. @port: network order. */
struct xdp_replier {
	__u8 addr[16];
	__be16 port;
	__u8 proto;
	__u8 zero;
};

/**
 * struct xdp_place - one interface, as its program sees it
 * @mac:       frames for others are left alone
 * @max_bytes: longest frame that is ours; @many: in one or several buffers, else in one
 * @first, @n: its sockets in the map, by receive queue
 * @repliers:  there are nodes: look at sources, too
 * @probe, @probe_mask: sources that nobody on a wire may have; the kernel's guard drops them
 */
struct xdp_place {
	__u8 mac[6];
	__u16 max_bytes;
	__u32 first, n;
	__u32 many, repliers;
	__u32 probe[4], probe_mask[4];
};
