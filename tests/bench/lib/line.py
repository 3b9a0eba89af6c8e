"""One gateway between two hosts, and who can stand there.

    client (IPv6 only) --- lan0 [gw] wan0 --- server (IPv4; IPv6 too, for what does not translate)

  kernel     plain IPv6 forwarding by the kernel of gw
  nftables   the same with connection tracking, outward flows only: what keeps state in the kernel
  tayga      Debian's TAYGA, NAT64 (stateless: enough for one client)
  floor-*    our port, tun or xdp, with an empty pipeline
  egress6-*  sixgated, stateful IPv6
  nat64-*    sixgated, IPv6 to IPv4
"""
import os
import re

from .bench import Failed, alone, on_cores, program, ready, wait_until
from .cpu import process_ns
from lab.gateway import Gateway
from lab.netns import stop

SERVER4, SERVER6, CLIENT6 = "198.51.100.80", "2001:db8:2::80", "2001:db8:1::10"
PREFIX = "2001:db8:64::"  # not the well-known one: it may not stand for these IPv4 addresses
VIA_NAT64 = f"{PREFIX}{SERVER4}"
OUTWARD_ONLY = """table inet bench {
 chain forward {
  type filter hook forward priority 0; policy drop
  ct state established,related accept
  iifname "lan0" ct state new accept
 }
}
"""


def build(lab):
    client, gw, server = lab.host("client"), lab.host("gw"), lab.host("server")
    lab.link(client, "eth0", gw, "lan0")
    lab.link(gw, "wan0", server, "eth0")
    client.address("eth0", f"{CLIENT6}/64")
    gw.address("lan0", "2001:db8:1::1/64")
    gw.address("wan0", "198.51.100.2/24", "2001:db8:2::2/64")
    server.address("eth0", f"{SERVER4}/24", f"{SERVER6}/64")
    client.route("default", "2001:db8:1::1")
    server.route("default", "2001:db8:2::2")
    server.route("192.168.255.0/24", "198.51.100.2")  # tayga's pool
    gw.forwarding()
    return client, gw, server


def reachable(client, target):
    """Also: the neighbours are known."""
    ping = ["ping", "-6", "-c3", "-i0.1", "-W1", target]
    wait_until(lambda: client.run(*ping, check=False).returncode == 0, f"{target} answers", timeout=15)


class Contestant:
    """Stands in gw from begin() to end(). target: the server, as its client reaches it."""
    target, packages, io = SERVER6, {}, None

    def __init__(self, gw, options):
        self.gw, self.options, self.program = gw, options, None

    def begin(self):
        pass

    def start(self, *command):
        """On core 0, if cores are to be kept apart."""
        with on_cores({0} if self.options.pin else range(os.cpu_count())):
            self.program = self.gw.start(*command, log=f"{self.name}.log")
        alone(self.program.pid)
        return self.program

    def cpu_ns(self):
        """Of its process; what the kernel does for it elsewhere is not in it."""
        return process_ns(self.program.pid) if self.program else 0

    def end(self):
        if self.program:
            stop(self.program)
            os.truncate(self.program.log_path, 0)


class Kernel(Contestant):
    name = "kernel"


class Nftables(Contestant):
    name, packages = "nftables", {"nft": "nftables"}

    def begin(self):
        self.gw.run("nft", "-f", "-", text_in=OUTWARD_ONLY)

    def end(self):
        self.gw.run("nft", "delete", "table", "inet", "bench")


class Tayga(Contestant):
    name, target, packages = "tayga", VIA_NAT64, {"tayga": "tayga"}

    def begin(self):
        self.conf = self.gw.lab.write("tayga.conf", "tun-device nat64\nipv4-addr 192.168.255.1\n"
                                      f"prefix {PREFIX}/96\ndynamic-pool 192.168.255.0/24\n"
                                      f"ipv6-addr 2001:db8:1:ffff::1\ndata-dir {self.gw.lab.dir}\n")
        self.gw.run("tayga", "-c", self.conf, "--mktun")
        self.gw.ip("link", "set", "nat64", "up")
        self.gw.ip("route", "add", "192.168.255.0/24", "dev", "nat64")
        self.gw.ip("-6", "route", "add", f"{PREFIX}/96", "dev", "nat64")
        self.start("tayga", "-c", self.conf, "--nodetach")

    def end(self):
        super().end()
        self.gw.run("tayga", "-c", self.conf, "--rmtun")


class FloorTun(Contestant):
    """inside: all that comes from there; outside: what goes to `hosts`."""
    name, io = "floor-tun", "tun"
    inside, outside, hosts = ("lan0",), "wan0", "2001:db8:1::/64"

    def begin(self):
        ready(self.start(program(self.options, "floor_tun"), "floor0", "floor0o", self.options.workers))
        for device, table, to in (("floor0", "100", "default"), ("floor0o", "101", self.hosts)):
            self.gw.ip("link", "set", device, "mtu", "65535", "up")
            self.gw.ip("-6", "route", "add", to, "dev", device, "table", table)
        for iif in (*self.inside, self.outside):
            table = "101" if iif == self.outside else "100"
            self.gw.ip("-6", "rule", "add", "pref", "100", "iif", iif, "lookup", table)

    def end(self):
        super().end()
        for iif in (*self.inside, self.outside):
            self.gw.ip("-6", "rule", "del", "pref", "100", "iif", iif)


class FloorXdp(Contestant):
    """neighbours: all that it sends to; it reads the kernel's once."""
    name, io = "floor-xdp", "xdp"
    inside, outside, neighbours = ("lan0",), "wan0", (CLIENT6, SERVER6)

    def begin(self):
        for neighbour in self.neighbours:
            reachable(self.gw, neighbour)
        ready(self.start(program(self.options, "floor_xdp"), ",".join(self.inside), self.outside,
                         self.options.workers))


class Sixgate(Contestant):
    """sixgated. Subclasses say what its job is."""
    interfaces = "inside: lan0, outside: wan0"

    def begin(self):
        self.gateway = Gateway(self.gw, self.options.build)
        with on_cores({0} if self.options.pin else range(os.cpu_count())):
            self.gateway.start(f"""
gateway: {{workers: {self.options.workers}, user: nobody, control: {self.gateway.control}}}
interfaces: {{{self.interfaces}, io: {self.io}}}
{self.job}
""")
        self.program = self.gateway.program
        alone(self.program.pid)

    def end(self):
        """Also: packets went the way that the name says."""
        moved = self.gateway.ctl("counters")
        if (self.io == "xdp") != bool(re.search(r"tx_packets_xdp +\d{4}", moved)):
            raise Failed(f"packets of {self.name} did not go by {self.io}:\n{moved}")
        self.gateway.stop()
        self.gateway.teardown()


class Egress6Tun(Sixgate):
    name, io, job = "egress6-tun", "tun", "egress6: {prefixes: inside}"


class Nat64Tun(Sixgate):
    name, io, target = "nat64-tun", "tun", VIA_NAT64
    job = f"nat64: {{pool4: 198.51.100.10, prefix: '{PREFIX}/96'}}"


class Egress6Xdp(Egress6Tun):
    name, io = "egress6-xdp", "xdp"


class Nat64Xdp(Nat64Tun):
    name, io = "nat64-xdp", "xdp"


CONTESTANTS = (Kernel, Nftables, Tayga, FloorTun, Egress6Tun, Nat64Tun, FloorXdp, Egress6Xdp, Nat64Xdp)
