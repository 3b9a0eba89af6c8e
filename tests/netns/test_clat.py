"""464XLAT between real kernels (RFC 6877): one gateway is the CLAT, another, with nat64, the PLAT.

  c4 192.168.0.7 -- .1 clat 2001:db8:2::2 -- ::1 plat 198.51.100.2 -- .1 r4 203.0.113.254 -- 203.0.113.9 s4
  d4 192.168.0.8 --' lan0    wan0           lan0      wan0

The network between CLAT and PLAT is IPv6 only; the CLAT has no IPv4 route but that of its LAN.
"""
import os
import pathlib

import pytest
from lab import servers
from lab.gateway import Gateway
from lab.netns import Failed, Lab, stop, wait_until

PEERS = pathlib.Path(__file__).parent / "peers.py"
C4, D4, S4, POOL4 = "192.168.0.7", "192.168.0.8", "203.0.113.9", "198.51.100.10"
CLAT6 = "2001:db8:464::c0a8:7"  # c4, as the provider sees it
POOL_CLAT = "192.0.2.200"  # for the provider's IPv6 routers


class Net(Lab):
    def __enter__(self):
        super().__enter__()
        try:
            self.build()
        except BaseException:
            self.close()
            raise
        return self

    def build(self):
        for name in ("c4", "d4", "clat", "plat", "r4", "s4"):
            setattr(self, name, self.host(name))
        self.switch(self.clat, "lan0", (self.c4, "eth0"), (self.d4, "eth0"))
        self.link(self.clat, "wan0", self.plat, "lan0")
        self.link(self.plat, "wan0", self.r4, "plat0")
        self.link(self.r4, "s4", self.s4, "eth0")
        self.c4.address("eth0", f"{C4}/24")
        self.d4.address("eth0", f"{D4}/24")
        self.clat.address("lan0", "192.168.0.1/24")
        self.clat.address("wan0", "2001:db8:2::2/64")
        self.plat.address("lan0", "2001:db8:2::1/64")
        self.plat.address("wan0", "198.51.100.2/24")
        self.r4.address("plat0", "198.51.100.1/24")
        self.r4.address("s4", "203.0.113.254/24")
        self.s4.address("eth0", f"{S4}/24")
        for host in self.hosts.values():
            host.sysctl("net.ipv4.icmp_ratelimit", 0)
            host.sysctl("net.ipv6.icmp.ratelimit", 0)
        for host in (self.clat, self.plat, self.r4):
            host.forwarding()
        for host in (self.c4, self.d4):
            host.route("default", "192.168.0.1")
        self.clat.ip("-6", "route", "replace", "default", "via", "2001:db8:2::1")
        self.plat.route("2001:db8:464::/96", "2001:db8:2::2")
        self.plat.ip("route", "replace", "default", "via", "198.51.100.1")
        self.s4.ip("route", "replace", "default", "via", "203.0.113.254")

    def start_all(self, plat):
        servers.web(self.s4, S4)
        self.gateways = {}
        for name, job in (("plat", f"nat64: {{pool4: {POOL4}, allow-private: true}}\n"
                           "translation: {lowest-ipv6-mtu: 1500}\n"
                           "dns64: {upstream: 203.0.113.53}"), ("clat", f"""
siit:
  clat: {{{plat}, source: 2001:db8:464::/96, hosts: 192.168.0.0/24}}
  allow-private: true
  icmp4-source: {POOL_CLAT}""")):
            gateway = self.gateways[name] = Gateway(self.hosts[name])
            gateway.start(f"""
gateway: {{name: {name}, flows: 4k, workers: 1, user: nobody, control: {gateway.control}}}
interfaces: {{inside: lan0, outside: wan0}}
{job}
""")

    def counter(self, name):
        for line in self.gateways["clat"].ctl("counters", "--all").splitlines():
            words = line.split()
            if words[:1] == [name]:
                return int(words[1])
        raise Failed(f"no counter {name}")


@pytest.fixture(scope="module", params=["plat-prefix: 64:ff9b::/96", 'resolvers: ["2001:db8:2::1"]'],
                ids=["given", "learned"])
def net(request):
    """The PLAT's own DNS64 tells the prefix (RFC 7050); its upstream is not asked for that."""
    with Net(f"sg-cl{os.getpid()}") as n:
        n.start_all(request.param)
        wait_until(lambda: n.gateways["clat"].ctl_json("status")["plat-prefix"] == "64:ff9b::/96",
                   "the CLAT knows the PLAT's prefix")
        yield n
        for gateway in n.gateways.values():
            gateway.check_alive()
            assert gateway.stop() == 0


def test_an_ipv4_host_fetches_from_an_ipv4_server_over_ipv6(net):
    assert net.c4.out("curl", "-gsS", "-m", 5, f"http://{S4}/") == "hello from s4"
    with open(net.path("s4-access.log")) as f:
        assert f.readlines()[-1].startswith(f"{POOL4} ")


@pytest.mark.parametrize("size", [56, 1400, 1452])
def test_ping(net, size):
    """Without DF what is longer than lowest-ipv6-mtu becomes fragments, which of ICMP no second
    translator takes (RFC 7915 1.2): hence DF here, and 1500 at the PLAT for the answers."""
    assert " 0% packet loss" in net.c4.out("ping", "-M", "do", "-c3", "-i0.2", "-s", size, S4)


@pytest.mark.parametrize("size", [1, 1400, 3000, 8000])
def test_udp_of_any_size_comes_back_whole(net, size):
    echo = net.s4.start("/usr/bin/python3", PEERS, "echo", S4, 7)
    net.s4.wait_listening(7, udp=True, program=echo)
    assert net.c4.out("/usr/bin/python3", PEERS, "probe", S4, 7, size, 5).startswith("whole")
    stop(echo)


def test_a_full_packet_with_df_is_told_the_mtu_that_fits(net):
    """RFC 7915 4: 1500 bytes grow by 20."""
    out = net.c4.run("ping", "-M", "do", "-c3", "-i0.2", "-s", "1472", S4, check=False).stdout
    assert "mtu=1480" in out.replace("mtu = ", "mtu="), out
    net.c4.ip("route", "flush", "cache")


def test_traceroute_sees_every_hop_once(net):
    out = net.c4.out("traceroute", "-n", "-q1", "-N1", "-w2", S4)
    hops = [line.split()[1] for line in out.splitlines()[1:]]
    assert hops == ["192.168.0.1", POOL_CLAT, "198.51.100.1", S4], out


def test_neighbours_speak_past_the_clat(net):
    before = net.counter("rx_packets_inside")
    assert " 0% packet loss" in net.c4.out("ping", "-c2", "-i0.2", D4)
    assert " 0% packet loss" in net.c4.out("ping", "-c2", "-i0.2", "192.168.0.1")
    assert net.counter("rx_packets_inside") == before


def test_a_closed_port_is_heard_of(net):
    out = net.c4.run("/usr/bin/python3", "-c", "import socket,sys;"
                     "s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM);s.settimeout(2);"
                     "s.connect((sys.argv[1],999));s.send(b'x');s.recv(9)", S4, check=False).stdout
    assert "Connection refused" in out, out


def test_a_prefix_is_learned_by_a_reload_and_forgotten_by_one(net):
    """RFC 7050; while it is not known, the hosts are told."""
    clat = net.gateways["clat"]
    with open(clat.config) as f:
        running = f.read()
    given = "plat-prefix: 64:ff9b::/96"
    silent = running.replace(given, "resolvers: 2001:db8:2::99").replace("2001:db8:2::1\"", "2001:db8:2::99\"")
    clat.write(silent)
    clat.ctl("reload")
    if given in running:
        assert clat.ctl_json("status")["plat-prefix"] is None
        assert "Net Unreachable" in net.c4.run("ping", "-c1", "-W1", S4, check=False).stdout
    clat.write(silent.replace("2001:db8:2::99", "2001:db8:2::1"))
    clat.ctl("reload")
    wait_until(lambda: clat.ctl_json("status")["plat-prefix"] == "64:ff9b::/96", "it is learned")
    wait_until(lambda: net.c4.run("ping", "-c1", "-W1", S4, check=False).returncode == 0, "it is used")
    clat.write(running)
    clat.ctl("reload")
    assert " 0% packet loss" in net.c4.out("ping", "-c2", "-i0.2", S4)


def test_nobody_but_the_plat_reaches_the_hosts(net):
    before = net.counter("unmapped")
    net.plat.run("ping", "-6", "-c2", "-i0.2", "-W1", CLAT6, check=False)
    wait_until(lambda: net.counter("unmapped") >= before + 2, "the pings are refused")
