/*
 * meter.c - how long network softirqs ran in the time of tasks outside of a control group.
 *
 *   meter CGROUP2-DIRECTORY
 *
 * Answers each line it reads with the nanoseconds since its start; ends with its input.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <meter.skel.h>
#include "sixgate/base/must.h"

enum { CPUS_MAX = 256 };

struct spent {
	uint64_t begun, ns;
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

int main(int argc, char **argv)
{
	struct meter_bpf *m = meter_bpf__open_and_load();
	int group = argc == 2 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
	uint32_t zero = 0;
	char line[16];

	if (!m || group < 0 ||
	    bpf_map_update_elem(bpf_map__fd(m->maps.ours), &zero, &group, BPF_ANY) ||
	    meter_bpf__attach(m)) {
		fprintf(stderr, "usage: %s CGROUP2-DIRECTORY (%s)\n", argv[0], strerror(errno));
		return 1;
	}
	while (fgets(line, sizeof(line), stdin)) {
		printf("%llu\n", (unsigned long long)read_ns(m));
		fflush(stdout);
	}
	meter_bpf__destroy(m);
	close(group);
	return 0;
}
