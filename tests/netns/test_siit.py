"""Stateless translation between real kernels (RFC 7915, 7757, 6791).

  h6 2001:db8:3::5 -------- ::1 rin 2001:db8:1::2 -- 2001:db8:1::1 gw 198.51.100.1 -- .254 r4 ---- 203.0.113.9 h4
     2001:db8:3::9               |                   lan0          wan0             203.0.113.254
  t6 2001:db8:1c0:2:21:: -- 2001:db8:1c0:2:1:: (192.0.2.33 as IPv4)

EAM: 1.0.0.0/24 is 2001:db8:3::/120. Everything else is under 2001:db8:100::/40. rin has no address
that can be translated.
"""
import os
import pathlib

import pytest
from lab import servers
from lab.gateway import Gateway
from lab.netns import Failed, Lab, stop, wait_until

PEERS = pathlib.Path(__file__).parent / "peers.py"
EAM6, EAM4, EAM6B, EAM4B = "2001:db8:3::5", "1.0.0.5", "2001:db8:3::9", "1.0.0.9"
T6, T4 = "2001:db8:1c0:2:21::", "192.0.2.33"
H4, H4AS6 = "203.0.113.9", "2001:db8:1cb:71:9::"
R4, R4AS6 = "198.51.100.254", "2001:db8:1c6:3364:fe::"
ROUTER_POOL, GW6, GW4 = "192.0.2.200", "2001:db8:1::1", "198.51.100.1"


def config(gateway, workers=1, more=""):
    return f"""
gateway: {{name: siit, workers: {workers}, flows: 1k, user: nobody, control: {gateway.control}}}
interfaces: {{inside: lan0, outside: wan0}}
siit:
  prefix: 2001:db8:100::/40
  eam: [{{v4: 1.0.0.0/24, v6: 2001:db8:3::/120}}]
  icmp4-source: {ROUTER_POOL}
  icmp6-source: 2001:db8::2
{more}
"""


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
        for name in ("h6", "t6", "rin", "gw", "r4", "h4"):
            setattr(self, name, self.host(name))
        self.link(self.h6, "eth0", self.rin, "h6")
        self.link(self.t6, "eth0", self.rin, "t6")
        self.link(self.rin, "up0", self.gw, "lan0")
        self.link(self.gw, "wan0", self.r4, "gw0")
        self.link(self.r4, "h4", self.h4, "eth0")
        self.h6.address("eth0", f"{EAM6}/120", f"{EAM6B}/120")
        self.t6.address("eth0", f"{T6}/64")
        self.rin.address("h6", "2001:db8:3::1/120")
        self.rin.address("t6", "2001:db8:1c0:2:1::/64")
        self.rin.address("up0", "2001:db8:1::2/64")
        self.gw.address("lan0", f"{GW6}/64")
        self.gw.address("wan0", f"{GW4}/24")
        self.r4.address("gw0", f"{R4}/24")
        self.r4.address("h4", "203.0.113.254/24")
        self.h4.address("eth0", f"{H4}/24")
        for host in self.hosts.values():
            host.sysctl("net.ipv4.icmp_ratelimit", 0)
            host.sysctl("net.ipv6.icmp.ratelimit", 0)
        for host in (self.rin, self.gw, self.r4):
            host.forwarding()
        self.h6.route("default", "2001:db8:3::1")
        self.t6.route("default", "2001:db8:1c0:2:1::")
        self.rin.route("default", GW6)
        self.gw.route("2001:db8:3::/120", "2001:db8:1::2")
        self.gw.route("2001:db8:1c0:2::/64", "2001:db8:1::2")
        self.gw.ip("route", "replace", "203.0.113.0/24", "via", R4)
        self.h4.ip("route", "replace", "default", "via", "203.0.113.254")
        for net in ("1.0.0.0/24", "192.0.2.0/24"):
            self.r4.route(net, GW4)

    def start_all(self, workers):
        self.workers = workers
        servers.web(self.h4, H4)
        servers.web(self.h6, EAM6, v6=True)
        servers.web(self.t6, T6, v6=True)
        self.gateway = Gateway(self.gw)
        self.gateway.start(config(self.gateway, workers))

    def peer(self, host, *words):
        return host.start("/usr/bin/python3", PEERS, *words, log=f"{host.name}-{words[0]}.log")

    def counter(self, name):
        for line in self.gateway.ctl("counters", "--all").splitlines():
            words = line.split()
            if words[:1] == [name]:
                return int(words[1])
        raise Failed(f"no counter {name}")

    def seen_by(self, host):
        with open(self.path(f"{host.name}-access.log")) as f:
            return (f.readlines() or [""])[-1]


@pytest.fixture(scope="module", params=[1, 2], ids=["1-worker", "2-workers"])
def net(request):
    with Net(f"sg-si{os.getpid()}") as n:
        n.start_all(request.param)
        yield n
        n.gateway.check_alive()
        assert n.gateway.stop() == 0


def fetch(host, url, *more):
    return host.run("curl", "-gsS", "-m", 5, *more, url).stdout


@pytest.mark.parametrize("host, to, source", [
    ("h6", H4AS6, EAM6), ("t6", H4AS6, T6), ("h4", EAM4, H4), ("h4", T4, H4)])
def test_ping_passes_in_both_directions(net, host, to, source):
    out = net.hosts[host].out("ping", "-c3", "-i0.2", "-I", source, "-s", "1400", to)
    assert " 0% packet loss" in out


@pytest.mark.parametrize("host, url, server, source", [
    ("h6", f"http://[{H4AS6}]/", "h4", EAM4), ("t6", f"http://[{H4AS6}]/", "h4", T4),
    ("h4", f"http://{EAM4}/", "h6", H4AS6), ("h4", f"http://{T4}/", "t6", H4AS6)])
def test_tcp_is_seen_with_the_mapped_source(net, host, url, server, source):
    bind = ["--interface", EAM6] if host == "h6" else []
    assert fetch(net.hosts[host], url, *bind) == f"hello from {server}\n"
    wait_until(lambda: net.seen_by(net.hosts[server]).startswith(f"{source} "), f"{server} saw {source}")


@pytest.mark.parametrize("size", [1, 1252, 1400, 3000, 8000])
@pytest.mark.parametrize("client, server, bound, to", [
    ("t6", "h4", H4, H4AS6), ("h4", "t6", T6, T4)], ids=["out", "in"])
def test_udp_of_any_size_comes_back_whole(net, client, server, bound, to, size):
    echo = net.peer(net.hosts[server], "echo", bound, 7)
    net.hosts[server].wait_listening(7, udp=True, program=echo)
    out = net.hosts[client].out("/usr/bin/python3", PEERS, "probe", to, 7, size, 5)
    assert out.startswith("whole")
    stop(echo)


@pytest.mark.parametrize("how", [[], ["-I"], ["-T", "-p", "80"]], ids=["udp", "icmp", "tcp"])
def test_traceroute_from_ipv6_sees_one_hop_and_the_ipv4_routers(net, how):
    out = net.t6.out("traceroute", "-6", "-n", "-q1", "-N1", "-w2", *how, H4AS6)
    hops = [line.split()[1] for line in out.splitlines()[1:]]
    assert hops == ["2001:db8:1c0:2:1::", GW6, R4AS6, H4AS6], out


@pytest.mark.parametrize("how", [[], ["-I"], ["-T", "-p", "80"]], ids=["udp", "icmp", "tcp"])
def test_traceroute_from_ipv4_sees_one_hop_and_the_pool_for_ipv6_routers(net, how):
    """RFC 6791: rin answers with 2001:db8:1::2, which is nobody's IPv4."""
    out = net.h4.out("traceroute", "-n", "-q1", "-N1", "-w2", *how, T4)
    hops = [line.split()[1] for line in out.splitlines()[1:]]
    assert hops == ["203.0.113.254", GW4, ROUTER_POOL, T4], out


def test_two_mapped_hosts_meet_by_their_ipv4_addresses(net):
    """RFC 7757 4.2.2; here one host that has both addresses, forced through the gateway."""
    before = net.counter("hairpins")
    out = fetch(net.h6, "http://[2001:db8:101:0:5::]/", "--interface", EAM6B)
    assert out == "hello from h6\n"
    wait_until(lambda: net.seen_by(net.h6).startswith("2001:db8:101:0:9:: "), "its source by RFC 6052")
    assert net.counter("hairpins") > before


@pytest.mark.parametrize("cable", [("r4", "h4", "h4", "eth0"), ("rin", "t6", "t6", "eth0")],
                         ids=["narrow-ipv4", "narrow-ipv6"])
def test_a_narrow_link_is_learned_across(net, cable):
    a, a_dev, b, b_dev = cable
    for host, dev in ((a, a_dev), (b, b_dev)):
        net.hosts[host].ip("link", "set", dev, "mtu", "1400")
    try:
        if a == "r4":
            out = net.t6.run("ping", "-M", "do", "-c3", "-i0.2", "-s", "1440", H4AS6, check=False).stdout
            assert "mtu=1420" in out.replace("mtu = ", "mtu="), out
        else:
            out = net.h4.run("ping", "-M", "do", "-c3", "-i0.2", "-s", "1440", T4, check=False).stdout
            assert "mtu=1380" in out.replace("mtu = ", "mtu="), out
    finally:
        for host, dev in ((a, a_dev), (b, b_dev)):
            net.hosts[host].ip("link", "set", dev, "mtu", "1500")
        for host in (net.t6, net.h4):
            host.ip("route", "flush", "cache")
            host.ip("-6", "route", "flush", "cache")


def test_a_closed_port_is_heard_of_on_the_other_side(net):
    for host, to in ((net.t6, H4AS6), (net.h4, T4), (net.h4, EAM4)):
        out = host.run("/usr/bin/python3", "-c", "import socket,sys;"
                       "s=socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET,"
                       "socket.SOCK_DGRAM);s.settimeout(2);"
                       "s.connect((sys.argv[1],999));s.send(b'x');s.recv(9)", to, check=False).stdout
        assert "Connection refused" in out, (to, out)


def test_sctp_crosses(net):
    """What has no ports for us: the host answers INIT with ABORT or ICMP; here it is seen to arrive."""
    seen = net.counter("siit_to_ipv4")
    net.t6.run("/usr/bin/python3", "-c", "import socket,sys;"
               "s=socket.socket(socket.AF_INET6,socket.SOCK_RAW,132);"
               "s.sendto(bytes(32),(sys.argv[1],0))", H4AS6)
    wait_until(lambda: net.counter("siit_to_ipv4") > seen, "SCTP is translated")


def test_no_flow_was_made_for_any_of_it(net):
    assert net.gateway.ctl_json("status")["flows"]["used"] == 0


def test_nested_mappings_are_pointed_out(net):
    """RFC 7757 5; and a reload takes mappings over."""
    running = config(net.gateway, net.workers)
    net.gateway.write(running.replace("eam: [", "eam: [{v4: 1.0.0.64/26, v6: 2001:db8:33::/122}, "))
    net.gateway.ctl("reload")
    said = [f["text"] for f in net.gateway.ctl_json("status")["findings"]]
    assert any("1.0.0.64/26 with 2001:db8:33::/122 lies within entry 2" in text for text in said), said
    assert " 0% packet loss" in net.h4.out("ping", "-c2", "-i0.2", EAM4)
    net.gateway.write(running)
    net.gateway.ctl("reload")
    assert not any("siit.eam" in f["text"] for f in net.gateway.ctl_json("status")["findings"])


def test_a_network_inside_may_be_the_whole_prefix():
    """Hosts that can be translated and the gateway on one /40: no router between them."""
    with Lab(f"sg-sw{os.getpid()}") as lab:
        h6, gw, h4 = lab.host("h6"), lab.host("gw"), lab.host("h4")
        lab.link(h6, "eth0", gw, "lan0")
        lab.link(gw, "wan0", h4, "eth0")
        h6.address("eth0", f"{T6}/40", f"{EAM6}/120")
        gw.address("lan0", "2001:db8:1c0:2:1::/40", "2001:db8:3::1/120")
        gw.address("wan0", f"{GW4}/24")
        h4.address("eth0", f"{R4}/24")
        h6.route(R4AS6, "2001:db8:1c0:2:1::")
        for net4 in ("192.0.2.0/24", "1.0.0.0/24"):
            h4.route(net4, GW4)
        gw.forwarding()
        gateway = Gateway(gw)
        gateway.start(config(gateway))
        for source in (T6, EAM6):
            assert " 0% packet loss" in h6.out("ping", "-c2", "-i0.2", "-I", source, R4AS6)
        for host in (T4, EAM4):
            assert " 0% packet loss" in h4.out("ping", "-c2", "-i0.2", host)
        hops = [line.split()[1] for line in
                h4.out("traceroute", "-n", "-q1", "-N1", "-w2", T4).splitlines()[1:]]
        assert hops == [GW4, T4]
        assert gateway.stop() == 0
