"""CPU time of everything that a benchmark makes the machine do, wherever the kernel books it.

Whatever the benchmark starts is in a control group of its own, whose time the kernel counts to the
nanosecond, softirqs that ran in its processes' time included. Network softirqs that ran in nobody's time
(ksoftirqd's, the idle task's) are timed by a BPF program and added. So neither can work hide in a softirq,
nor does another program of the machine count, unless its own traffic is so heavy that ksoftirqd helps.
"""
import os
import subprocess

from .bench import Failed, program


def unified_hierarchy():
    with open("/proc/mounts") as f:
        for line in f:
            if line.split()[2] == "cgroup2":
                return line.split()[1]
    raise Failed("no cgroup2 is mounted: CPU time cannot be counted")


def own_group():
    with open("/proc/self/cgroup") as f:
        return next(line.strip()[3:] for line in f if line.startswith("0::"))


def join(group):
    with open(os.path.join(group, "cgroup.procs"), "w") as f:
        f.write(str(os.getpid()))


class Meter:
    """Counts what starts while its context lasts."""

    def __init__(self, options):
        self.program = program(options, "meter")

    def __enter__(self):
        top = unified_hierarchy()
        self.home = os.path.join(top, own_group().lstrip("/"))
        self.group = os.path.join(top, f"sixgate-bench-{os.getpid()}")
        os.makedirs(self.group, exist_ok=True)
        self.softirqs = subprocess.Popen([self.program], text=True, stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE)
        join(self.group)
        return self

    def __exit__(self, *exc):
        join(self.home)
        self.softirqs.stdin.close()
        self.softirqs.wait()
        os.rmdir(self.group)

    def nobodys_softirq_ns(self):
        self.softirqs.stdin.write("\n")
        self.softirqs.stdin.flush()
        line = self.softirqs.stdout.readline()
        if not line:
            raise Failed(f"{self.program} has ended")
        return int(line)

    def read_ns(self):
        with open(os.path.join(self.group, "cpu.stat")) as f:
            usage = next(int(line.split()[1]) for line in f if line.startswith("usage_usec"))
        return usage * 1000 + self.nobodys_softirq_ns()


def process_ns(pid):
    """Of all threads of a process and of its children, softirqs in their time included."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat") as f:
            total += int(f.read().split()[0])
        with open(f"/proc/{pid}/task/{task}/children") as f:
            total += sum(process_ns(child) for child in f.read().split())
    return total
