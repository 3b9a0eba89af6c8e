"""Router advertisements with PREF64 (RFC 8781) between real kernels: a host with the Linux kernel's own reading of them,
rdisc6, and radvd beside us on the same interface.

    host eth0 ---- lan0 [gateway, radvd] wan0 ---- net      (the drawing of netlink_lab)

A host knows a router by its link-local address, so whatever we do beside radvd, its default route must stay.
"""
import contextlib
import os
import pathlib
import queue
import re
import signal
import socket
import struct
import threading
import time

import pytest
from control_lab import BASIC, ControlLab, build_programs
from netlink_lab import wait_for

RA_CONF = """
dns64:
  upstream: 198.51.100.2
  router-advertisement: {interface: lan0, interval: 4s%s}
"""
RADVD = """
interface lan0 {
  AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4; AdvDefaultLifetime 1800;
  prefix 2001:db8:1::/64 {};
};
"""
PREFIX = socket.inet_pton(socket.AF_INET6, "64:ff9b::")[:12]
RTMGRP_ND_USEROPT, RTMGRP_IPV6_ROUTE = 1 << (20 - 1), 1 << (11 - 1)
RTM_DELROUTE, RTM_NEWNDUSEROPT = 25, 68
FINALS, LISTENING = 3, 5

OTHER_ROUTER = """
import socket, struct
s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
s.setsockopt(41, socket.IPV6_MULTICAST_HOPS, 255)
s.setsockopt(41, socket.IPV6_MULTICAST_LOOP, 0)
s.setsockopt(41, 78, 1)  # IPV6_FREEBIND
info = struct.pack("@16sI", socket.inet_pton(socket.AF_INET6, "%s"), socket.if_nametoindex("eth0"))
s.sendmsg([struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 0, 0, 0) + struct.pack("!BBH12s", 38, 2, 1800,
          socket.inet_pton(socket.AF_INET6, "2001:db8:64::"))], [(41, socket.IPV6_PKTINFO, info)], 0,
          ("ff02::1%%eth0", 0))
"""


class Advertisement:
    """One as it came, taken apart here and not by what we test."""

    def __init__(self, wire, source, hop_limit):
        self.source, self.hop_limit = source.split("%")[0], hop_limit
        self.flags, self.router_lifetime = wire[5], struct.unpack_from("!H", wire, 6)[0]
        self.pref64, self.mac, at = [], None, 16
        while at < len(wire):
            kind, length = wire[at], wire[at + 1] * 8
            assert length
            if kind == 38:
                assert length == 16
                scaled, plc = struct.unpack_from("!H", wire, at + 2)[0] >> 3, wire[at + 3] & 7
                self.pref64.append((wire[at + 4:at + 16], [96, 64, 56, 48, 40, 32][plc], scaled * 8))
            elif kind == 1:
                self.mac = wire[at + 2:at + 8].hex(":")
            at += length
        self.when = time.monotonic()


@contextlib.contextmanager
def entered(name):
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{name}", os.O_RDONLY)
    libc = __import__("ctypes").CDLL(None, use_errno=True)
    assert libc.setns(there, 0) == 0
    try:
        yield
    finally:
        assert libc.setns(here, 0) == 0
        os.close(here)
        os.close(there)


class Ear:
    """Everything a host is told: advertisements, and what its kernel makes of them."""

    def __init__(self, ns):
        with entered(ns.name):
            self.raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
            self.raw.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0\0")
            self.raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
            self.kernel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
            self.kernel.bind((0, RTMGRP_ND_USEROPT | RTMGRP_IPV6_ROUTE))
        self.queue, self.heard, self.lost_routes, self.options = queue.Queue(), [], [], []
        self.closed = False
        for read, s in ((self.read_raw, self.raw), (self.read_kernel, self.kernel)):
            s.settimeout(0.2)
            threading.Thread(target=self.loop, args=(read,), daemon=True).start()

    def loop(self, read):
        while not self.closed:
            try:
                read()
            except TimeoutError:
                pass
            except OSError:
                return

    def read_raw(self):
        wire, more, _, source = self.raw.recvmsg(2048, 256)
        if wire[0] == 134:
            self.queue.put(Advertisement(wire, source[0], struct.unpack("@i", more[0][2])[0]))

    def read_kernel(self):
        data = self.kernel.recv(65536)
        while len(data) >= 16:
            length, kind = struct.unpack_from("@IH", data)
            if kind == RTM_DELROUTE and data[17] == 0:  # dst_len: a default route
                self.lost_routes.append(data[:length])
            if kind == RTM_NEWNDUSEROPT:
                n = struct.unpack_from("@H", data, 18)[0]
                self.options.append(data[32:32 + n])
            data = data[(length + 3) & ~3:]

    def expect(self, claim, what, timeout=12.0):
        end = time.monotonic() + timeout
        while True:
            try:
                ra = self.queue.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no advertisement: {what}; heard "
                                     f"{[vars(h) for h in self.heard[-5:]]}") from None
            self.heard.append(ra)
            if claim(ra):
                return ra

    def so_far(self):
        while not self.queue.empty():
            self.heard.append(self.queue.get())
        return self.heard

    def close(self):
        self.closed = True
        self.raw.close()
        self.kernel.close()


@pytest.fixture(scope="module")
def programs():
    return build_programs()


@pytest.fixture
def lab(programs):
    lab = ControlLab(programs)
    lab.host("ip -6 route del default")
    lab.host("sysctl -qw net.ipv6.conf.eth0.accept_ra=2")
    # as whoever runs radvd has set: else we switch it on and, when we end, off again, and radvd follows
    lab.router.sysctl("net.ipv6.conf.all.forwarding", 1)
    lab.ear = Ear(lab.host)
    yield lab
    lab.ear.close()
    lab.close()


def link_local(ns, device):
    return re.search(r"inet6 (fe80::\S+)/64", ns(f"ip -6 addr show dev {device} scope link"))[1]


def default_routes(lab):
    return re.findall(r"^default via (\S+) .*proto ra", lab.host("ip -6 route show default"), re.M)


def start_radvd(lab):
    conf = pathlib.Path(lab.dir.name) / "radvd.conf"
    conf.write_text(RADVD)
    p = lab.router.start(f"radvd -n -m logfile -l {lab.dir.name}/radvd.log -C {conf} "
                         f"-p {lab.dir.name}/radvd.pid")
    return p


def radvd_answers(lab):
    """Whatever was sent before has been heard then, too."""
    assert "Router lifetime           :         1800" in lab.host("rdisc6 -1 -w 3000 eth0")


def tells(prefix_lifetime):
    return lambda ra: [x[2] for x in ra.pref64] == [prefix_lifetime]


def advertising(gateway):
    return gateway.ask("status")[-1]["router-advertisement"][0]


def test_hosts_learn_the_prefix_and_that_it_goes(lab):
    g = lab.gateway(BASIC + RA_CONF % "")
    ra = lab.ear.expect(tells(16), "the first one")  # 3 x 4 s, rounded up to 8 s
    assert ra.hop_limit == 255 and ra.router_lifetime == 0 and ra.flags == 0
    assert ra.pref64 == [(PREFIX, 96, 16)]
    assert ra.source == link_local(lab.router, "lan0")
    assert ra.mac == lab.router("cat /sys/class/net/lan0/address").strip()
    # the kernel passes the option on to whoever wants it: that is how networkd and clatd get it
    wait_for(lambda: any(o[:1] == b"\x26" for o in lab.ear.options), what="the kernel tells of the option")
    assert lab.ear.options[0] == bytes([38, 2]) + struct.pack("!H", 16) + PREFIX
    # RFC 4861 6.2.6: who asks is answered at once
    said = lab.host("rdisc6 -1 -w 2000 eth0")
    assert ra.source in said and re.search(r"Router lifetime\s*:\s*0 ", said), said
    assert default_routes(lab) == []
    assert advertising(g)["state"] == "advertising"
    # RFC 8781 5.2: another router that says otherwise is told of
    lab.host(f"python3 -c '{OTHER_ROUTER % '::'}'")
    g.expect(f"router {link_local(lab.host, 'eth0')} tells hosts the NAT64 prefix 2001:db8:64::/96, which is not ours")
    g.write(BASIC + "dns64: {upstream: 198.51.100.2}\n")
    g.ctl("reload")
    gone = lab.ear.expect(tells(0), "withdrawn by a reload")
    assert gone.pref64[0][:2] == (PREFIX, 96)
    g.write(BASIC + RA_CONF % ", default-router: 40s")
    g.ctl("reload")
    ra = lab.ear.expect(tells(16), "there again")
    assert ra.router_lifetime == 40
    wait_for(lambda: default_routes(lab) == [ra.source], what="a default route to us")
    assert g.stop() == 0
    for _ in range(FINALS):
        ra = lab.ear.expect(lambda ra: True, "farewell", timeout=2)
        assert ra.pref64 == [(PREFIX, 96, 0)] and ra.router_lifetime == 0
    wait_for(lambda: default_routes(lab) == [], what="the default route is gone")


def test_beside_radvd_on_one_address_nothing_is_sent(lab):
    """Whichever of the two comes first."""
    start_radvd(lab)
    us = link_local(lab.router, "lan0")
    wait_for(lambda: default_routes(lab) == [us], 10, "radvd's default route")
    g = lab.gateway(BASIC + RA_CONF % "")
    wait_for(lambda: advertising(g)["state"] == "silent", what="it has heard radvd")
    line = next(x for x in g.said() if "none are sent from here" in x)
    assert "nat64prefix 64:ff9b::/96 { AdvValidLifetime 12; };" in line and "source: fe80::64" in line
    assert "`option ra_pref64 '64:ff9b::/96'`" in line
    # 12 s are 2 units of 8 s, /96 is code 0 (RFC 8781 4)
    assert "custom option type 38 value hex:0010" + "0064ff9b" + 16 * "0" + ";" in line
    assert advertising(g)["state"] == "silent" and us in advertising(g)["why"]
    g.ctl("reload")
    time_of_reload = time.monotonic()
    # a whole round of listening, and what would have followed it
    lab.ear.expect(lambda ra: ra.when > time_of_reload + LISTENING, "radvd goes on", 15)
    assert g.stop() == 0
    g.start()
    wait_for(lambda: advertising(g)["state"] == "silent", what="it has heard radvd")
    g.process.kill()
    g.wait_end()
    radvd_answers(lab)
    assert [vars(ra) for ra in lab.ear.so_far() if ra.pref64 or not ra.router_lifetime] == []
    assert lab.ear.lost_routes == [] and default_routes(lab) == [us]


def test_a_radvd_that_comes_later_silences_us(lab):
    g = lab.gateway(BASIC + RA_CONF % "")
    lab.ear.expect(tells(16), "ours")
    start_radvd(lab)
    g.expect(r"router advertisements on lan0: .*none are sent")
    us = link_local(lab.router, "lan0")
    wait_for(lambda: default_routes(lab) == [us], 10, "radvd's default route")
    first = next(ra for ra in lab.ear.so_far() if ra.router_lifetime)
    lab.ear.expect(lambda ra: ra.when > first.when + 5, "radvd goes on", 10)  # our interval is 4 s
    assert g.stop() == 0
    radvd_answers(lab)
    assert [vars(ra) for ra in lab.ear.so_far() if ra.when > first.when and not ra.router_lifetime] == []
    assert lab.ear.lost_routes == [] and default_routes(lab) == [us]


def test_beside_radvd_from_an_address_of_its_own(lab):
    start_radvd(lab)
    us = link_local(lab.router, "lan0")
    wait_for(lambda: default_routes(lab) == [us], 10, "radvd's default route")
    g = lab.gateway(BASIC + RA_CONF % ", source: fe80::64")
    ra = lab.ear.expect(tells(16), "ours")
    assert ra.source == "fe80::64" and ra.router_lifetime == 0 and ra.hop_limit == 255
    # a host that asks hears both
    said = lab.host("rdisc6 -w 2000 -r 2 eth0", check=False)
    assert "from fe80::64" in said and f"from {us}" in said, said
    # radvd would take a link-local address that is new for its own
    assert "fe80::64/" not in lab.router("ip -6 addr show dev lan0")
    # another gateway on the link with the same address: no default route is in danger, so both go on
    lab.host(f"python3 -c '{OTHER_ROUTER % 'fe80::64'}'")
    g.expect("another router advertises from fe80::64, too")
    assert advertising(g)["state"] == "advertising"
    g.ctl("reload")
    g.write(BASIC + RA_CONF % ", source: fe80::64, lifetime: 2m")
    g.ctl("reload")
    lab.ear.expect(tells(120), "another lifetime")
    assert g.stop() == 0
    for _ in range(FINALS):
        ra = lab.ear.expect(lambda ra: ra.source == "fe80::64", "farewell", timeout=2)
        assert ra.pref64 == [(PREFIX, 96, 0)]
    g.start()
    lab.ear.expect(tells(120), "there again")
    g.process.kill()  # no farewell: hosts keep the prefix for its lifetime
    g.wait_end()
    killed = time.monotonic()
    radvd_answers(lab)
    assert [ra for ra in lab.ear.so_far() if ra.when > killed and ra.pref64] == []
    assert {ra.source for ra in lab.ear.heard if ra.router_lifetime} == {us}
    assert lab.ear.lost_routes == [] and default_routes(lab) == [us]


# Of daemons like BIRD: multicasts are not shown to their own host.
UNSEEN = """
import socket, struct, sys, time
s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lan0\\0")
s.setsockopt(41, socket.IPV6_MULTICAST_HOPS, 255)
s.setsockopt(41, socket.IPV6_MULTICAST_LOOP, 0)
while True:
    s.sendto(struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0), ("ff02::1%lan0", 0))
    time.sleep(1)
"""


def test_a_daemon_that_does_not_loop_back_is_heard_too(lab):
    g = lab.gateway(BASIC + RA_CONF % "")
    lab.ear.expect(tells(16), "ours")
    lab.router.start(["python3", "-c", UNSEEN])
    g.expect(r"router advertisements on lan0: .*none are sent")
    before = len(lab.ear.so_far())
    assert g.stop() == 0
    lab.ear.expect(lambda ra: ra.router_lifetime, "the other one goes on")
    lab.ear.expect(lambda ra: ra.router_lifetime, "the other one goes on")
    assert [vars(ra) for ra in lab.ear.heard[before:] if not ra.router_lifetime] == []
    assert lab.ear.lost_routes == []
