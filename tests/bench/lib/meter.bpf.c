/* meter.bpf.c - time spent in the network's softirqs that no program pays for: in ksoftirqd's and the
 * idle task's. In a program's own time the kernel runs what that program has set off.
 *
 * Runs at every softirq, of which some contestants have one a packet: names are read when the task changes. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

enum { NET_TX = 2, NET_RX = 3 }; /* of the kernel's softirq numbers */

struct spent {
	__u64 begun, ns;
	__u64 task, nobody; /* who ran last time, and whether that is nobody */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct spent);
} spent SEC(".maps");

static const char ksoftirqd[] = "ksoftirqd"; /* its name goes on with the CPU's number */

static __always_inline int nobody_pays(struct spent *s)
{
	__u64 task = bpf_get_current_pid_tgid();
	char name[16] = { 0 };

	if (task == 0 || task == s->task)
		return task == 0 || s->nobody;
	bpf_get_current_comm(name, sizeof(name));
	s->task = task;
	s->nobody = bpf_strncmp(name, sizeof(ksoftirqd) - 1, ksoftirqd) == 0;
	return (int)s->nobody;
}

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
		s->begun = nobody_pays(s) ? bpf_ktime_get_ns() : 0;
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
