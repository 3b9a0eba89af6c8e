/*
 * steer.bpf.c - which queue of a TUN device gets a packet: that of the worker who owns it, told by the
 * data plane's own function over a copy of its table.
 *
 * A steering program is a socket filter: it may not look into the packet, only have bytes copied.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <string.h>

/* There is no C library; what the headers compare is short and of a fixed length. */
static __always_inline int compare_bytes(const void *a, const void *b, size_t n)
{
	const __u8 *x = a, *y = b;
	int differ = 0;

	for (size_t i = 0; i < n; i++)
		differ |= x[i] ^ y[i];
	return differ;
}
#define memcmp compare_bytes

#include "steer_shared.h"
#include "flow/steer_owner.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct steer_shared);
} shared SEC(".maps");

/** struct scratch - the window, and room behind it: see STEER_AT() */
struct scratch {
	__u8 window[2 * STEER_WINDOW];
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} scratch SEC(".maps");

STEER_INLINE unsigned steer__block(const struct steering *s, uint32_t slot, uint32_t block)
{
	const __u32 zero = 0;
	const struct steer_shared *x = bpf_map_lookup_elem(&shared, &zero);

	if (!x)
		return 0;
	return x->block[s != &x->table[0]][slot & (STEER_POOL_MAX - 1)][block & (STEER_BLOCKS - 1)];
}

const volatile int inside = 0;

SEC("socket")
int steer(struct __sk_buff *skb)
{
	const __u32 zero = 0;
	const struct steer_shared *x = bpf_map_lookup_elem(&shared, &zero);
	struct scratch *at = bpf_map_lookup_elem(&scratch, &zero);
	const enum side side = (int)skb->ifindex == inside ? SIDE_INSIDE : SIDE_OUTSIDE;
	__u32 len = skb->len;

	if (!x || !at)
		return 0;
	if (len >= STEER_WINDOW)
		len = STEER_WINDOW;
	else if (len == 0)
		return 0;
	if (bpf_skb_load_bytes(skb, 0, at->window, len) < 0)
		return 0;
	return (int)steer__owner_of(&x->table[x->active & 1], at->window, len, side);
}

char program_license[] SEC("license") = "Apache-2.0";
