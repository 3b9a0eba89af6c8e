"""Prefixes whose translator does not work: not synthesised under (`require-nat64`), withdrawn from hosts (RFC 8781), told to the
operator; and all of it back once it works again. Our own NAT64, and a foreign one: tayga, in the namespace `net`.

    host eth0 ---- lan0 [gateway] wan0 ---- net: a DNS server, tayga      (the drawing of netlink_lab)
"""
import pathlib
import re
import socket
import subprocess
import time

import pytest
from control_lab import BASIC, ControlLab, build_programs
from netlink_lab import wait_for
from test_ra import Ear, entered

OWN = """
dns64:
  upstream: 198.51.100.2
  require-nat64: true
  views: [{clients: 2001:db8:77::/48, synthesize: false}]
  router-advertisement: {interface: lan0, interval: 4s}
"""
FOREIGN = """
gateway: {user: nobody, control: @DIR@/run/control.sock, workers: 1, flows: 4k, metrics: {address: "::1", port: 9664}}
interfaces: {inside: lan0, outside: wan0}
egress6: {prefixes: inside}
dns64:
  upstream: 198.51.100.2
  prefix: [2001:db8:64::/96, 2001:db8:65::/96]
  require-nat64: true
  probe: {address: 198.51.100.2, interval: 500ms, timeout: 300ms, rise: 2, fall: 2%s}
  router-advertisement: {interface: lan0, interval: 4s}
"""
# Knows one IPv4 address for every name, and no IPv6 address, for an hour.
DNS = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("198.51.100.2", 53))
while True:
    q, peer = s.recvfrom(4096)
    end = 12
    while q[end]:
        end += q[end] + 1
    end += 5
    question = q[12:end]
    head = lambda an, ns: q[:2] + b"\\x81\\x80\\0\\1" + bytes([0, an, 0, ns, 0, 0]) + question
    if question[-3] == 1:
        s.sendto(head(1, 0) + b"\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\x0e\\x10\\0\\4" + bytes([198, 51, 100, 2]), peer)
    else:
        soa = b"\\0\\0" + b"\\0\\0\\0\\1" + b"\\0\\0\\x0e\\x10" * 4
        s.sendto(head(0, 1) + b"\\0\\0\\6\\0\\1\\0\\0\\x0e\\x10" + bytes([0, len(soa)]) + soa, peer)
"""
TAYGA = """
tun-device nat64
ipv4-addr 192.168.255.1
prefix {prefix}
dynamic-pool 192.168.255.0/24
data-dir {dir}
"""


class Lab(ControlLab):
    def __init__(self, programs):
        super().__init__(programs)
        self.router.sysctl("net.ipv6.conf.all.forwarding", 1)
        self.net.start(["python3", "-c", DNS])
        wait_for(lambda: ":53 " in self.net("ss -Hlnu"), what="the DNS server")
        self.ear = Ear(self.host)
        with entered(self.host.name):
            self.client = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self.client.settimeout(3)

    def ask(self, name, kind):
        """(answers as addresses, SOA's TTL in the authority section or None) of a query without errors."""
        question = b"".join(bytes([len(x)]) + x.encode() for x in name.split(".")) + bytes([0, 0, kind, 0, 1])
        self.client.sendto(b"\7\7\1\0\0\1\0\0\0\0\0\0" + question, ("2001:db8:1::1", 53))
        a = self.client.recv(4096)
        assert a[:2] == b"\7\7" and a[3] & 15 == 0, a.hex()
        answers, at, ttl = [], 12 + len(question), None
        for section in (6, 8):
            for _ in range(a[section + 1]):
                while a[at] and a[at] < 0xc0:
                    at += a[at] + 1
                at += 2 if a[at] else 1
                length = int.from_bytes(a[at + 8:at + 10], "big")
                if section == 6 and a[at + 1] == 28:
                    answers.append(socket.inet_ntop(socket.AF_INET6, a[at + 10:at + 26]))
                if section == 8 and a[at + 1] == 6:
                    ttl = int.from_bytes(a[at + 4:at + 8], "big")
                at += 10 + length
        return sorted(answers), ttl

    def tayga(self, prefix):
        d = pathlib.Path(self.dir.name) / "tayga"
        d.mkdir(exist_ok=True)
        conf = d / "tayga.conf"
        conf.write_text(TAYGA.format(prefix=prefix, dir=d))
        p = self.net.start(f"tayga -d -c {conf}", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: "nat64" in self.net("ip link"), what="tayga's device")
        self.net.sysctl("net.ipv4.conf.all.forwarding", 1)
        self.net.sysctl("net.ipv6.conf.all.forwarding", 1)
        for command in ("link set nat64 up", f"route replace {prefix} dev nat64",
                        "route replace 192.168.255.0/24 dev nat64"):
            self.net(f"ip {command}")
        return p

    def metric(self, prefix):
        text = self.router("curl -gs http://[::1]:9664/metrics")
        return re.search(rf'^sixgate_translator_up{{prefix="{re.escape(prefix)}"}} (\d)$', text, re.M)[1]

    def close(self):
        self.client.close()
        self.ear.close()
        super().close()


@pytest.fixture(scope="module")
def programs():
    return build_programs()


@pytest.fixture
def lab(programs):
    lab = Lab(programs)
    yield lab
    lab.close()


def lifetimes(ra):
    return [x[2] for x in ra.pref64]


def test_without_our_own_nat64_nothing_is_synthesised(lab):
    g = lab.gateway(BASIC + OWN)
    assert lab.ask("a.example", 28)[0] == ["64:ff9b::c633:6402"]
    assert lab.ask("ipv4only.arpa", 28)[0] == ["64:ff9b::c000:aa", "64:ff9b::c000:ab"]
    lab.ear.expect(lambda ra: lifetimes(ra) == [16], "PREF64")
    lab.router("ip link set wan0 down")
    g.expect("translator of 64:ff9b::/96 does not work: no outside interface is up")
    answers, ttl = lab.ask("a.example", 28)
    assert answers == [] and ttl is not None
    assert ttl <= 60, "hosts would remember for long that there is nothing"
    assert lab.ask("ipv4only.arpa", 28)[0] == []
    lab.ear.expect(lambda ra: lifetimes(ra) == [0], "withdrawn")
    assert "does not work: no outside interface is up" in g.ctl("status")
    # what is known is kept: a reload starts with it
    g.ctl("reload")
    assert lab.ask("a.example", 28)[0] == []
    lab.router("ip link set wan0 up")
    lab.router("ip addr replace 2001:db8:f::1/64 dev wan0 nodad")
    lab.router("ip route replace default via 2001:db8:f::2")
    g.expect("translator of 64:ff9b::/96 works again")
    assert lab.ask("a.example", 28)[0] == ["64:ff9b::c633:6402"]
    assert lab.ask("ipv4only.arpa", 28)[0] == ["64:ff9b::c000:aa", "64:ff9b::c000:ab"]
    lab.ear.expect(lambda ra: lifetimes(ra) == [16], "PREF64 again")
    # without the key everything stays as it is said in the file
    g.write((BASIC + OWN).replace("require-nat64: true", "require-nat64: false"))
    g.ctl("reload")
    lab.router("ip link set wan0 down")
    g.expect("translator of 64:ff9b::/96 does not work")
    assert lab.ask("a.example", 28)[0] == ["64:ff9b::c633:6402"]
    assert g.stop() == 0


def test_our_own_nat64_can_be_asked_through_too(lab):
    """What only a packet can find out: the kernel looks well, and nobody answers behind it."""
    lab.net("ip addr add 198.51.100.3/24 dev eth0")
    g = lab.gateway(BASIC + OWN + "  probe: {address: 198.51.100.3, interval: 500ms, timeout: 300ms, fall: 2}\n")
    assert lab.ask("a.example", 28)[0] == ["64:ff9b::c633:6402"]
    wait_for(lambda: g.ask("status")[-1]["flows"]["mappings"], what="a ping goes through us")
    assert g.ask("status")[-1]["translators"] == [{"prefix": "64:ff9b::/96", "works": True, "why": ""}]
    lab.net("ip addr del 198.51.100.3/24 dev eth0")
    g.expect("translator of 64:ff9b::/96 does not work: no answer to a ping within 300 ms")
    assert lab.ask("a.example", 28)[0] == []
    lab.net("ip addr add 198.51.100.3/24 dev eth0")
    g.expect("translator of 64:ff9b::/96 works again")
    assert lab.ask("a.example", 28)[0] == ["64:ff9b::c633:6402"]
    assert g.stop() == 0


def test_a_foreign_translator_that_dies_is_not_used_until_it_is_back(lab):
    tayga = lab.tayga("2001:db8:64::/96")
    g = lab.gateway(FOREIGN % "")
    # nobody translates the second prefix: it is left out, and the first one used
    g.expect("translator of 2001:db8:65::/96 does not work: no answer to a ping")
    assert lab.ask("b.example", 28)[0] == ["2001:db8:64::c633:6402"]
    assert lab.ask("ipv4only.arpa", 28)[0] == ["2001:db8:64::c000:aa", "2001:db8:64::c000:ab"]
    assert (lab.metric("2001:db8:64::/96"), lab.metric("2001:db8:65::/96")) == ("1", "0")
    lab.ear.expect(lambda ra: lifetimes(ra) == [16, 0], "the first lives, the second does not")
    for more in ("", ", port: 9"):  # by ping; by TCP, where a refusal is as good as a connection
        g.write(FOREIGN % more)
        g.ctl("reload")
        tayga.kill()
        tayga.wait()
        g.expect("translator of 2001:db8:64::/96 does not work")
        assert lab.ask("b.example", 28)[0] == []
        assert lab.ask("ipv4only.arpa", 28)[0] == []
        assert lab.metric("2001:db8:64::/96") == "0"
        lab.ear.expect(lambda ra: lifetimes(ra) == [0, 0], "both withdrawn")
        tayga = lab.tayga("2001:db8:64::/96")
        g.expect("translator of 2001:db8:64::/96 works again")
        assert lab.ask("b.example", 28)[0] == ["2001:db8:64::c633:6402"]
        assert lab.metric("2001:db8:64::/96") == "1"
    assert g.stop() == 0
