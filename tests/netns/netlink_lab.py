"""netlink_lab - namespaces and the netlink driver, for test_netlink.py and test_guard.py.

    host ---- lan0 [router] wan0 ---- net
    2001:db8:1::2/64                  2001:db8:f::2/64
    10.0.0.2/24      .1        .1     198.51.100.2/24
"""
import os
import pathlib
import queue
import re
import shlex
import subprocess
import tempfile
import threading
import time

from lab.netns import queues

ROOT = pathlib.Path(__file__).resolve().parents[2]
DRIVER = "tests/unit/netlink/netlink_driver"


def build_driver():
    """The driver from $SIXGATE_BUILD or ./build, or one built here for the occasion."""
    for d in (os.environ.get("SIXGATE_BUILD"), ROOT / "build"):
        if d and (pathlib.Path(d) / DRIVER).exists():
            return str(pathlib.Path(d) / DRIVER)
    d = tempfile.mkdtemp(prefix="sixgate-netlink-")
    subprocess.run(["meson", "setup", d, str(ROOT)], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", d, DRIVER], check=True, stdout=subprocess.DEVNULL)
    return str(pathlib.Path(d) / DRIVER)


def wait_for(check, timeout=5.0, what="condition"):
    """Ask again until check() is true; its value is returned."""
    end = time.monotonic() + timeout
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"timeout: {what or check}")
        time.sleep(0.02)


class Namespace:
    def __init__(self, name):
        self.name = name
        self.children = []
        subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL)
        subprocess.run(["ip", "netns", "add", name], check=True)
        self("ip link set lo up")

    def __call__(self, command, check=True, stdin=None):
        """Run a command inside; its standard output is returned."""
        p = subprocess.run(["ip", "netns", "exec", self.name] + shlex.split(command), text=True,
                           input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert not check or p.returncode == 0, f"{self.name}: {command}: {p.stdout}"
        return p.stdout

    def start(self, command, **kw):
        argv = command if isinstance(command, list) else shlex.split(command)
        p = subprocess.Popen(["ip", "netns", "exec", self.name] + argv, **kw)
        self.children.append(p)
        return p

    def sysctl(self, name, value=None):
        if value is not None:
            self(f"sysctl -qw {name}='{value}'")
        return self(f"sysctl -n {name}").strip()

    def nft(self, text):
        self("nft -f -", stdin=text)

    def close(self):
        for p in self.children:
            if p.poll() is None:
                p.kill()
            p.wait()
        subprocess.run(["ip", "netns", "del", self.name])


class Lab:
    """The drawing above. Addresses are there at once (no duplicate address detection)."""

    def __init__(self):
        tag = f"sg-nl{os.getpid()}"
        self.spaces = []
        self.dir = tempfile.TemporaryDirectory(prefix="sixgate-netlink-")
        self.host, self.router, self.net = (self.space(f"{tag}-{n}") for n in ("h", "r", "n"))
        self.link(self.host, "eth0", self.router, "lan0")
        self.link(self.net, "eth0", self.router, "wan0")
        for ns, dev, v4, v6 in ((self.host, "eth0", "10.0.0.2/24", "2001:db8:1::2/64"),
                                (self.router, "lan0", "10.0.0.1/24", "2001:db8:1::1/64"),
                                (self.router, "wan0", "198.51.100.1/24", "2001:db8:f::1/64"),
                                (self.net, "eth0", "198.51.100.2/24", "2001:db8:f::2/64")):
            ns(f"ip addr add {v4} dev {dev}")
            ns(f"ip addr add {v6} dev {dev} nodad")
        self.host("ip route add default via 10.0.0.1")
        self.host("ip route add default via 2001:db8:1::1")
        self.net("ip route add default via 198.51.100.1")
        self.net("ip route add default via 2001:db8:f::1")
        self.router("ip route add default via 198.51.100.2")
        self.router("ip route add default via 2001:db8:f::2")

    def space(self, name):
        ns = Namespace(name)
        self.spaces.append(ns)
        return ns

    @staticmethod
    def link(a, a_dev, b, b_dev):
        subprocess.run(["ip", "-n", a.name, "link", "add", a_dev, *queues(), "type", "veth",
                        "peer", "name", b_dev, *queues(), "netns", b.name], check=True)
        for ns, dev in ((a, a_dev), (b, b_dev)):
            ns(f"sysctl -qw net.ipv6.conf.{dev}.accept_dad=0")
            ns(f"ip link set {dev} up")
        for ns, dev in ((a, a_dev), (b, b_dev)):
            wait_for(lambda ns=ns, dev=dev: "LOWER_UP" in ns(f"ip link show {dev}"))

    @property
    def state(self):
        return self.dir.name + "/sysctls"

    def close(self):
        for ns in self.spaces:
            ns.close()
        self.dir.cleanup()


class Driver:
    """netlink_driver run: lines it prints are kept; expect() waits for one."""

    def __init__(self, lab, program, *conf, prefix=(), wait=True):
        self.lab = lab
        self.lines = []
        self.queue = queue.Queue()
        self.process = lab.router.start(list(prefix) + [program, "run", lab.state, *conf], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        if wait:
            self.expect(r"^ready$")

    def read(self):
        for line in self.process.stdout:
            self.queue.put((time.monotonic(), line.rstrip("\n")))
        self.queue.put((time.monotonic(), None))

    def expect(self, pattern, timeout=10.0):
        """The next line that matches, and when it came; lines before it are passed over."""
        end = time.monotonic() + timeout
        while True:
            try:
                when, line = self.queue.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no line {pattern!r} in {self.lines[-20:]}") from None
            assert line is not None, f"driver ended: {self.lines[-20:]}"
            self.lines.append(line)
            m = re.search(pattern, line)
            if m:
                self.when = when
                return m

    def drain(self):
        """All lines so far."""
        while True:
            try:
                line = self.queue.get_nowait()[1]
            except queue.Empty:
                return self.lines
            if line is not None:
                self.lines.append(line)

    def send(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def tx(self, side, packet):
        self.send(f"tx {side} {bytes(packet).hex()}")

    def rx(self, side, check, timeout=5.0):
        """The next packet read from a device for which check() is true."""
        end = time.monotonic() + timeout
        while True:
            m = self.expect(rf"^rx {side} ([0-9a-f]+)$", timeout=end - time.monotonic())
            packet = bytes.fromhex(m[1])
            if check(packet):
                return packet

    def settle(self):
        """Wait until a look at the kernel finds nothing to do."""
        self.drain()
        self.expect(r"^sync .* rc=0 added=0 removed=0 sysctl=0 firewall=0")

    def stop(self):
        self.process.stdin.close()
        self.expect(r"^undone$")
        assert self.process.wait(10) == 0
        self.reader.join()

    def crash(self):
        self.process.kill()
        self.process.wait(10)
        self.reader.join()


def ours(ns):
    """Everything in the kernel that carries our protocol number."""
    text = ""
    for family in ("-4", "-6"):
        text += ns(f"ip -d {family} rule show")
        text += ns(f"ip -d {family} route show table all", check=False)
        text += ns(f"ip -d {family} neigh show proxy")
    return sorted({line.strip() for line in text.splitlines() if re.search(r"\bproto 164\b", line)})


SETTINGS = ("net.ipv4.conf.{}.forwarding", "net.ipv4.conf.{}.rp_filter",
            "net.ipv6.conf.{}.forwarding", "net.ipv6.conf.{}.accept_ra",
            "net.ipv6.conf.{}.proxy_ndp", "net.ipv4.neigh.{}.proxy_delay",
            "net.ipv6.neigh.{}.proxy_delay")


def picture(ns):
    """What undo has to bring back: rules, routes, proxies, tables of nftables, settings."""
    text = [ns("ip rule"), ns("ip -6 rule"), ns("ip neigh show proxy"), ns("ip -6 neigh show proxy")]
    for family in ("-4", "-6"):
        text.append("\n".join(sorted(ns(f"ip {family} route show table all").splitlines())))
    names = [s.format(dev) for dev in ("all", "default", "lan0", "wan0") for s in SETTINGS]
    text.append(ns(f"sysctl -e {' '.join(names)}", check=False))
    text.append(ns.sysctl("net.ipv4.ip_local_reserved_ports"))
    return "\n".join(text)
