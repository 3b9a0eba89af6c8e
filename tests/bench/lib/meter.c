/*
 * meter.c - how long network softirqs ran in nobody's time, on all CPUs.
 *
 * Answers each line it reads with the nanoseconds since its start; ends with its input.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <meter.skel.h>
#include "sixgate/base/must.h"

enum { CPUS_MAX = 256 };

struct spent {
	uint64_t begun, ns, task, nobody;
};

static uint64_t read_ns(struct meter_bpf *m)
{
	struct spent each[CPUS_MAX];
	uint32_t zero = 0;
	uint64_t sum = 0;

	must(libbpf_num_possible_cpus() <= CPUS_MAX);
	must(bpf_map_lookup_elem(bpf_map__fd(m->maps.spent), &zero, each) == 0);
	for (int i = 0; i < libbpf_num_possible_cpus(); i++)
		sum += each[i].ns;
	return sum;
}

int main(void)
{
	struct meter_bpf *m = meter_bpf__open_and_load();
	char line[16];

	if (!m || meter_bpf__attach(m) < 0) {
		perror("meter");
		return 1;
	}
	while (fgets(line, sizeof(line), stdin)) {
		printf("%llu\n", (unsigned long long)read_ns(m));
		fflush(stdout);
	}
	meter_bpf__destroy(m);
	return 0;
}
