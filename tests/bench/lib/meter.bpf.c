/* meter.bpf.c - time spent in the network's softirqs while a task outside of one control group was
 * current: ksoftirqd, the idle task, a bystander. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

enum { NET_TX = 2, NET_RX = 3 }; /* of the kernel's softirq numbers */

struct spent {
	__u64 begun, ns;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct spent);
} spent SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} ours SEC(".maps");

static __always_inline struct spent *here(__u64 vector)
{
	__u32 zero = 0;

	return vector == NET_RX || vector == NET_TX ? bpf_map_lookup_elem(&spent, &zero) : 0;
}

SEC("tp_btf/softirq_entry")
int enter(const __u64 *argument)
{
	struct spent *s = here(argument[0]);

	if (s)
		s->begun = bpf_current_task_under_cgroup(&ours, 0) ? 0 : bpf_ktime_get_ns();
	return 0;
}

SEC("tp_btf/softirq_exit")
int leave(const __u64 *argument)
{
	struct spent *s = here(argument[0]);

	if (s && s->begun)
		s->ns += bpf_ktime_get_ns() - s->begun;
	return 0;
}

char program_license[] SEC("license") = "Apache-2.0";
