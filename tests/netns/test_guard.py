"""The guard: nothing goes directly between inside and outside, whatever happens to us."""
import os
import signal
import subprocess
import sys
import time

import pytest
from netlink_lab import Driver, Lab, build_driver, wait_for

EGRESS = ("inside=lan0", "outside=wan0", "egress6=inside", "nat64=64:ff9b::/96",
          "pool4=198.51.100.10-198.51.100.11", "vip=198.51.100.20", "vip=2001:db8:f::20")
FIXED = ("inside=lan0", "outside=wan0", "egress6=2001:db8:1::/64")
NAT64_ONLY = ("inside=lan0", "outside=wan0", "nat64=64:ff9b::/96", "pool4=198.51.100.10")

# A TCP SYN every 10 ms from a fresh port; what the target's stack answers does not matter.
SPRAY = """
import socket, sys, time
from scapy.layers.inet import TCP
from scapy.layers.inet6 import IPv6
s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
port = 1024
while True:
    p = IPv6(src="2001:db8:f::2", dst=sys.argv[1]) / TCP(sport=port, dport=22, flags="S")
    try:
        s.sendto(bytes(p), (sys.argv[1], 0))
    except OSError:
        pass
    port = 1024 + (port - 1023) % 60000
    time.sleep(0.01)
"""


@pytest.fixture(scope="session")
def program():
    return build_driver()


@pytest.fixture
def lab():
    lab = Lab()
    lab.router.sysctl("net.ipv6.conf.all.forwarding", 1)
    lab.router.sysctl("net.ipv4.ip_forward", 1)
    yield lab
    lab.close()


class Count:
    """How many packets that match have come in on eth0: an nftables counter."""

    def __init__(self, ns, match):
        self.ns = ns
        ns.nft("table inet count { counter seen {}\n chain c { type filter hook prerouting "
               f"priority -500; iifname eth0 {match} counter name seen\n }}\n}}")

    def __call__(self):
        text = self.ns("nft list counter inet count seen")
        return int(text.split("packets")[1].split()[0])


def spray(lab, target):
    return lab.net.start([sys.executable, "-c", SPRAY, target], stderr=subprocess.DEVNULL)


def guard(lab, program, *conf):
    out = lab.router(f"{program} guard {lab.state} {' '.join(conf)}")
    assert out == ""


def passes(lab, seen):
    """Packets come through, so that the test could have failed."""
    before = seen()
    wait_for(lambda: seen() > before, what="packets that pass")


def stands(lab, seen, seconds=0.5):
    before = seen()
    time.sleep(seconds)  # nothing to wait for: the claim is that nothing happens
    assert seen() == before


def test_nobody_gets_in_through_boot_start_flush_kill_restart_and_stop(lab, program):
    seen = Count(lab.host, "tcp flags & (syn | ack) == syn")
    spray(lab, "2001:db8:1::2")
    passes(lab, seen)
    guard(lab, program, *EGRESS)
    before = seen()
    d = Driver(lab, program, *EGRESS)
    d.settle()
    for command in ("ip rule flush", "ip -6 rule flush", "ip -6 route flush table 6465"):
        lab.router(command)
        d.settle()
    d.process.send_signal(signal.SIGKILL)
    d.process.wait()
    stands(lab, seen)
    d = Driver(lab, program, *EGRESS)
    d.settle()
    d.stop()
    stands(lab, seen)
    assert seen() == before
    lab.router(f"{program} teardown {lab.state} {' '.join(EGRESS)}")
    passes(lab, seen)


def test_the_guard_stands_before_there_is_any_interface(lab, program):
    seen = Count(lab.host, "tcp flags & (syn | ack) == syn")
    lab.router("ip link del lan0")
    lab.router("ip link del wan0")
    guard(lab, program, *EGRESS)
    lab.link(lab.host, "eth0", lab.router, "lan0")
    lab.link(lab.net, "eth0", lab.router, "wan0")
    for ns, dev, v6 in ((lab.host, "eth0", "2001:db8:1::2/64"), (lab.net, "eth0", "2001:db8:f::2/64"),
                        (lab.router, "lan0", "2001:db8:1::1/64"),
                        (lab.router, "wan0", "2001:db8:f::1/64")):
        ns(f"ip addr add {v6} dev {dev} nodad")
    lab.net("ip route add default via 2001:db8:f::1")
    spray(lab, "2001:db8:1::2")
    stands(lab, seen)
    lab.router("nft delete table inet sixgate")
    passes(lab, seen)


@pytest.mark.parametrize("conf,source", [(EGRESS, "2001:db8:1::2"), (FIXED, "2001:db8:1::2"),
                                         (EGRESS, "2001:db8:77::2"), (FIXED, "2001:db8:77::2")])
def test_nobody_inside_gets_out_past_us(lab, program, conf, source):
    """Not with an inside source, nor with one that is none of ours (BCP 38)."""
    lab.host("ip addr add 2001:db8:77::2/64 dev eth0 nodad")
    lab.net("ip -6 route add 2001:db8:77::/64 via 2001:db8:f::1")
    seen = Count(lab.net, "meta l4proto ipv6-icmp icmpv6 type echo-request")
    lab.host.start(f"ping -q -i 0.05 -I {source} 2001:db8:f::2", stdout=subprocess.DEVNULL)
    passes(lab, seen)
    guard(lab, program, *conf)
    stands(lab, seen)
    d = Driver(lab, program, *conf)
    stands(lab, seen)
    lab.router("ip -6 rule flush")
    stands(lab, seen)
    d.crash()
    stands(lab, seen)


@pytest.mark.parametrize("address", ["198.51.100.10", "198.51.100.11", "198.51.100.20"])
@pytest.mark.parametrize("inward", [True, False])
def test_pool_addresses_and_vips_are_guarded_as_source_and_destination(lab, program, address, inward):
    """A host inside has taken one of them, and the router a route to it."""
    lab.host(f"ip addr add {address}/32 dev eth0")
    lab.router(f"ip route add {address}/32 dev lan0")
    lab.net(f"ip route add {address}/32 via 198.51.100.1")
    if inward:
        seen = Count(lab.host, "icmp type echo-request")
        lab.net.start(f"ping -q -i 0.05 {address}", stdout=subprocess.DEVNULL)
    else:
        seen = Count(lab.net, "icmp type echo-request")
        lab.host.start(f"ping -q -i 0.05 -I {address} 198.51.100.2", stdout=subprocess.DEVNULL)
    passes(lab, seen)
    guard(lab, program, *EGRESS)
    stands(lab, seen)


def test_what_is_not_guarded_passes(lab, program):
    guard(lab, program, *NAT64_ONLY)
    lab.host("ping -c 1 -W 2 2001:db8:f::2")
    lab.host("ping -c 1 -W 2 198.51.100.2")
    guard(lab, program, *EGRESS)
    lab.host("ping -c 1 -W 2 198.51.100.2")
    lab.host("ping -c 1 -W 2 2001:db8:1::1")
    lab.net("ping -c 1 -W 2 2001:db8:f::1")


def test_a_flushed_ruleset_is_replaced_in_the_blink_of_an_eye(lab, program):
    d = Driver(lab, program, *EGRESS)
    d.settle()
    start = time.monotonic()
    lab.router("nft flush ruleset")
    wait_for(lambda: "inet sixgate" in lab.router("nft list tables"))
    assert time.monotonic() - start < 0.5
    d.stop()


def test_the_guard_is_replaced_without_a_gap(lab, program):
    seen = Count(lab.host, "tcp flags & (syn | ack) == syn")
    guard(lab, program, *EGRESS)
    spray(lab, "2001:db8:1::2")
    before = seen()
    for _ in range(20):
        guard(lab, program, *EGRESS)
        guard(lab, program, *FIXED)
    assert seen() == before
    lab.router("nft delete table inet sixgate")
    passes(lab, seen)


def test_without_privilege_the_guard_says_so(lab, program):
    out = lab.router(f"setpriv --bounding-set -net_admin --inh-caps -net_admin {program} guard "
                     f"{lab.state} {' '.join(EGRESS)}", check=False)
    assert "Operation not permitted" in out and os.linesep in out


def test_the_alias_of_the_shared_address_is_never_seen_on_a_wire(lab, program):
    seen = Count(lab.net, "ip daddr 192.0.0.0/29")
    lab.host.start("ping -q -i 0.05 192.0.0.6", stdout=subprocess.DEVNULL)
    passes(lab, seen)
    guard(lab, program, "inside=lan0", "outside=wan0", "pool4=outside:20000-20999")
    stands(lab, seen)
