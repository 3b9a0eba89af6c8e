"""Paths through the gateway, between real kernels: who is seen on the way, how long a packet may be,
what becomes of fragments. The topology is drawn in netns-scripts/lab/chain.py."""
import re

import pytest
from lab.chain import C1, GW4, GW6, MID, POOL4, R1, RIN1, S4
from path_lab import SSH_PORT, TRACE_PORTS, LabelRouter, nat64

INWARD = [RIN1, GW6, nat64(R1), nat64(MID), nat64(S4)]
OUTWARD = ["192.0.2.1", "203.0.113.1", GW4, POOL4, POOL4]  # who has no IPv4 address shows ours
HOW = {"udp": [], "icmp": ["-I"], "tcp": ["-T", "-p", "8080"]}


def hops(out):
    return [line.split()[1] for line in out.splitlines()[1:]]


def traceroute(host, *words):
    return host.out("traceroute", "-n", "-q1", "-N1", "-w3", *words)


@pytest.mark.parametrize("how", HOW)
def test_traceroute_outward_sees_every_router_once(line, how):
    out = traceroute(line.c1, "-6", *HOW[how], nat64(S4))
    assert hops(out) == INWARD, out


def test_traceroute_inward_to_a_static_entry_by_tcp(line):
    out = traceroute(line.s4, "-T", "-p", SSH_PORT, POOL4)
    assert hops(out) == OUTWARD, out


def test_traceroute_inward_to_a_static_entry_by_udp(line):
    out = traceroute(line.s4, "-U", "-p", TRACE_PORTS[0], POOL4)
    assert hops(out) == OUTWARD, out


def tracepath_hops(out):
    """Who answered for each hop; the line `1?` is the host's own."""
    found = re.findall(r"^ *(\d+): +([0-9a-f.:]+) ", out, re.MULTILINE)
    return list(dict(found).values())


def test_tracepath_outward(line):
    out = line.c1.out("tracepath", "-6", "-n", nat64(S4))
    assert tracepath_hops(out) == INWARD, out
    assert "reached" in out and "pmtu 1500" in out, out


def test_tracepath_outward_finds_the_narrow_link(line):
    line.narrow(r1_mid=1400)
    out = line.c1.out("tracepath", "-6", "-n", nat64(S4))
    assert tracepath_hops(out)[-1] == nat64(S4), out
    assert re.search(r"reached", out) and "pmtu 1420" in out, out


def test_tracepath_inward(line):
    out = line.s4.out("tracepath", "-4", "-n", "-p", TRACE_PORTS[0], POOL4)
    assert tracepath_hops(out) == OUTWARD, out
    assert "reached" in out and "pmtu 1480" in out, out


LABEL = re.compile(r"<MPLS:L=(\d+),E=(\d+),S=(\d+),T=(\d+)>")


@pytest.mark.parametrize("how", ["udp", "tcp"])
def test_labels_of_an_ipv4_router_are_seen_inside(line, how):
    """RFC 4884: the extension survives, its quotation padded as IPv6 asks."""
    with LabelRouter(line.mid, "r1", False, MID, 16001):
        out = traceroute(line.c1, "-6", "-e", *HOW[how], nat64(S4))
    assert hops(out) == INWARD, out
    assert LABEL.findall(out.splitlines()[4]) == [("16001", "5", "1", "1")], out


def test_labels_of_an_ipv6_router_are_seen_outside(line):
    with LabelRouter(line.rin, "up0", True, "2001:db8:1::2", 16002):
        out = traceroute(line.s4, "-e", "-T", "-p", SSH_PORT, POOL4)
    assert hops(out) == OUTWARD, out
    assert ("16002", "5", "1", "1") in LABEL.findall(out.splitlines()[4]), out
