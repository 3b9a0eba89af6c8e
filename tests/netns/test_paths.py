"""Paths through the gateway, between real kernels: who is seen on the way, how long a packet may be,
what becomes of fragments. The topology is drawn in netns-scripts/lab/chain.py."""
import contextlib
import itertools
import json
import os
import random
import re
import socket
import struct
import time

import pytest
from lab.chain import C1, GW4, GW6, MID, POOL4, R1, RIN1, S4
from lab.netns import wait_until
from path_lab import (SSH_PORT, TRACE_PORTS, LabelRouter, datagram, ipv4_fragment, ipv6_fragment, nat64,
                      open_socket, packed, pieces, send_fragments, udp)

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


# ---- long transfers over narrow links ----

IP_MTU_DISCOVER, IP_PMTUDISC_PROBE = 10, 3
RETRANSMITS_MAX = 150  # of 17,000 segments: what is on its way when a link turns out to be narrow


def transfer(client, server, retransmits_max=RETRANSMITS_MAX, steady=True):
    """TCP both ways at once for two seconds. @steady: something arrives in each half of one."""
    out = client.run("iperf3", "--bidir", "-t", "2", "-i", "0.5", "-b", "100M", "--json", "-c", server,
                     check=False, timeout=20).stdout
    result = json.loads(out)
    assert "error" not in result, result["error"]
    end = result["end"]
    assert end["sum_sent"]["retransmits"] + end["sum_sent_bidir_reverse"]["retransmits"] <= \
        retransmits_max, out
    for name in ("sum", "sum_bidir_reverse") if steady else ():
        seconds = [i[name]["bytes"] for i in result["intervals"] if i[name]["seconds"] > 0.1]
        assert len(seconds) >= 3 and min(seconds) > 0, (name, seconds)
    for name in ("sum_received", "sum_received_bidir_reverse"):
        assert end[name]["bytes"] > 1 << 20, (name, end)


def known_mtu(host, address):
    """What the host has learned about the path, or None."""
    found = re.search(r"\bmtu (\d+)", host.ip("route", "get", address))
    return int(found[1]) if found else None


def below(mtu, most):
    return mtu if mtu < most else None


NARROW = [(1500, 1500), (1280, 1500), (1400, 1500), (1480, 1500), (1500, 1280), (1500, 1400),
          (1500, 1480), (1280, 1280), (1480, 1280), (1400, 1480), (1280, 1400)]
SENT = 1480  # c1 claims 1500 bytes of IPv6: so long is what s4 sends for it


@pytest.mark.parametrize("inside, outside", NARROW)
def test_transfers_do_not_stall_where_a_link_is_narrow(line, inside, outside):
    """The narrow links are not the gateway's own, so that only their routers' errors tell."""
    line.narrow(c1_rin=inside, r1_mid=outside)
    transfer(line.c1, nat64(S4))
    assert known_mtu(line.c1, nat64(S4)) == below(outside + 20, min(inside, 1500))
    assert known_mtu(line.s4, POOL4) == below(min(outside, inside - 20), SENT)


OWN = [(1280, 1500), (1400, 1500), (1500, 1400), (1480, 1280)]


@pytest.mark.parametrize("inside, outside", OWN)
def test_where_our_own_link_is_narrow_the_clamp_spares_everybody_an_error(line, inside, outside):
    line.narrow(rin_gw=inside, gw_r1=outside)
    transfer(line.c1, nat64(S4))
    assert known_mtu(line.c1, nat64(S4)) is None
    assert known_mtu(line.s4, POOL4) is None


@pytest.mark.parametrize("inside, outside", OWN)
def test_without_the_clamp_they_learn_it_from_errors(line, inside, outside):
    line.configure(translation="{mss-clamp: off}")
    line.narrow(rin_gw=inside, gw_r1=outside)
    # super-packets, as links of this machine carry them, are sent on in smaller segments; a segment
    # alone is told to be smaller, and its sender takes all the larger ones on their way for lost
    transfer(line.c1, nat64(S4), retransmits_max=2000, steady=False)
    assert known_mtu(line.c1, nat64(S4)) in (min(inside, outside + 20), below(inside, 1500))
    assert known_mtu(line.s4, POOL4) in (min(outside, inside - 20), below(outside, SENT))


def test_datagrams_too_long_for_our_own_links_are_told_their_mtu(line):
    line.narrow(rin_gw=1400, gw_r1=1300)
    inner, outer, seen = meet(line, 4013)
    with inner, outer:
        inner.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_DONTFRAG, 1)
        inner.send(bytes(1380 - 48))
        wait_until(lambda: known_mtu(line.c1, nat64(S4)) == 1320, "c1 has been told")
        outer.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE)
        line.narrow(gw_r1=1500)
        outer.sendto(bytes(1390 - 28), seen)
        wait_until(lambda: known_mtu(line.s4, POOL4) == 1380, "s4 has been told")


def test_a_server_behind_a_very_narrow_link_is_reached(line):
    """RFC 7915 7: an IPv4 path below 1260 bytes; what cannot be told in IPv6 is cut on the way."""
    line.narrow(r1_mid=1006)
    transfer(line.c1, nat64(S4))
    assert known_mtu(line.c1, nat64(S4)) == 1280
    assert known_mtu(line.s4, POOL4) == 1006


# ---- datagrams in fragments ----

SIZES = [1024, 1233, 1500, 2048, 4096, 8192]


def meet(line, port):
    """A socket of c1 that has spoken with one of s4. Returns both and how s4 sees c1."""
    inner, outer = udp(line.c1, C1), udp(line.s4, S4, port)
    inner.connect((nat64(S4), port))
    inner.send(b"hello")
    data, seen = outer.recvfrom(100)
    assert data == b"hello"
    return inner, outer, seen


def test_datagrams_of_1_to_8_kib_cross_both_ways(line):
    inner, outer, seen = meet(line, 4001)
    with inner, outer:
        for size in SIZES:
            data = os.urandom(size)
            inner.send(data)
            assert outer.recvfrom(65535) == (data, seen), size
            outer.sendto(data, seen)
            assert inner.recv(65535) == data, size


ORDERS = {"in-order": lambda a, b: a + b,
          "last-first": lambda a, b: a[::-1] + b[::-1],
          "first-last": lambda a, b: a[1:] + a[:1] + b[1:] + b[:1],
          "mingled": lambda a, b: [f for pair in itertools.zip_longest(a[::-1], b) for f in pair if f]}


@pytest.mark.parametrize("size", [2048, 8192])
@pytest.mark.parametrize("order", ORDERS)
def test_fragments_of_ipv6_in_any_order(line, order, size):
    inner, outer, seen = meet(line, 4002)
    with inner, outer:
        port, to, sent = inner.getsockname()[1], nat64(S4), [os.urandom(size), os.urandom(size)]
        cut = [[ipv6_fragment(C1, to, os.getpid() + n, piece)
                for piece in pieces(datagram(C1, to, port, 4002, data), 1232)]
               for n, data in enumerate(sent)]
        send_fragments(line.c1, C1, to, ORDERS[order](*cut))
        assert sorted([outer.recvfrom(65535), outer.recvfrom(65535)]) == \
            sorted((data, seen) for data in sent)


@pytest.mark.parametrize("size", [2048, 8192])
@pytest.mark.parametrize("order", ORDERS)
def test_fragments_of_ipv4_in_any_order(line, order, size):
    inner, outer, seen = meet(line, 4003)
    with inner, outer:
        sent = [os.urandom(size), os.urandom(size)]
        cut = [[ipv4_fragment(S4, POOL4, 7 + n, piece)
                for piece in pieces(datagram(S4, POOL4, 4003, seen[1], data), 1480)]
               for n, data in enumerate(sent)]
        send_fragments(line.s4, S4, POOL4, ORDERS[order](*cut))
        assert sorted([inner.recv(65535), inner.recv(65535)]) == sorted(sent)


@pytest.mark.parametrize("outward", [True, False], ids=["outward", "inward"])
def test_fragments_of_many_datagrams_shuffled(line, outward):
    """As a bundle of links of different lengths delivers them."""
    seed = int(os.environ.get("SIXGATE_TEST_SEED", time.time_ns() & 0xffffffff))
    print("SIXGATE_TEST_SEED", seed)
    inner, outer, seen = meet(line, 4004)
    with inner, outer:
        port, sent, cut = inner.getsockname()[1], [os.urandom(size) for size in SIZES * 3], []
        for n, data in enumerate(sent):
            ident = (seed + n) & 0xffff
            if outward:
                cut += [ipv6_fragment(C1, nat64(S4), ident, piece)
                        for piece in pieces(datagram(C1, nat64(S4), port, 4004, data), 1232)]
            else:
                cut += [ipv4_fragment(S4, POOL4, ident, piece)
                        for piece in pieces(datagram(S4, POOL4, 4004, seen[1], data), 1480)]
        random.Random(seed).shuffle(cut)
        send_fragments(line.c1 if outward else line.s4, C1 if outward else S4,
                       nat64(S4) if outward else POOL4, cut)
        assert sorted((outer if outward else inner).recv(65535) for _ in sent) == sorted(sent)


SO_NO_CHECK, UDP_NO_CHECK6_RX = 11, 102


def test_datagrams_without_checksum_get_one(line):
    """RFC 7915 4.5; c1's kernel takes none without. In fragments there is nobody who could compute it."""
    inner, outer, seen = meet(line, 4005)
    with inner, outer:
        outer.setsockopt(socket.SOL_SOCKET, SO_NO_CHECK, 1)
        for size in (1, 512, 1024, 1452):
            data = os.urandom(size)
            outer.sendto(data, seen)
            assert inner.recv(65535) == data, size
        before = line.counter("fragment-zero-checksum")
        outer.sendto(os.urandom(4000), seen)
        line.wait_counter("fragment-zero-checksum", before)
        outer.sendto(b"last", seen)
        assert inner.recv(65535) == b"last"


def test_fragments_without_checksum_pass_if_allowed(line):
    line.configure(translation="{allow-zero-udp-fragments: true}")
    inner, outer, seen = meet(line, 4006)
    with inner, outer:
        inner.setsockopt(socket.IPPROTO_UDP, UDP_NO_CHECK6_RX, 1)
        outer.setsockopt(socket.SOL_SOCKET, SO_NO_CHECK, 1)
        data = os.urandom(4000)
        outer.sendto(data, seen)
        assert inner.recv(65535) == data


def test_datagrams_of_one_flow_stay_in_order(line):
    """RFC 7915 4, 5 (after RFC 2474): a worker that gets a packet for another hands it on in turn."""
    inner, outer, seen = meet(line, 4007)
    with inner, outer:
        for round in range(20):
            for send, receive in ((inner.send, outer), (lambda d: outer.sendto(d, seen), inner)):
                for n in range(100):
                    send(struct.pack("!I", n))
                assert [struct.unpack("!I", receive.recv(10))[0] for n in range(100)] == [*range(100)]


# ---- our own errors ----

ERRORS_MAX = 64 + 10 * 3  # a worker's burst, and what its rate adds meanwhile


def test_our_own_errors_are_limited(line):
    """RFC 4443 2.4 (f), RFC 1812 4.3.2.8: 300 datagrams that are too big get some answers, not 300."""
    line.configure(translation="{icmp-errors: 10/s}")
    inner, outer, seen = meet(line, 4008)
    errors = open_socket(line.s4, socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    with inner, outer, errors:
        outer.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE)
        before, limited = line.counter("too-big"), line.counter("errors_limited")
        for _ in range(300):
            try:
                outer.sendto(bytes(1472), seen)
            except OSError:
                pass  # the error about an earlier one
        line.wait_counter("too-big", before + 100)
        assert line.counter("errors_limited") > limited
        errors.setblocking(False)
        kinds = []
        with contextlib.suppress(BlockingIOError):
            while True:
                kinds.append(errors.recv(1500)[20:22])
        assert 0 < len(kinds) <= ERRORS_MAX and set(kinds) == {b"\3\4"}


# ---- what real senders do besides ----

UDP_SEGMENT, IP_PMTUDISC_DONT = 103, 0


@pytest.mark.parametrize("size", [1, 512, 1232, 1452])
def test_datagrams_sent_as_one_super_packet_stay_apart(line, size):
    """QUIC servers let the kernel cut; each datagram is a boundary."""
    inner, outer, seen = meet(line, 4009)
    with inner, outer:
        sent = [os.urandom(size) for _ in range(20)]
        for s in (inner, outer):
            s.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, size)
        inner.send(b"".join(sent))
        assert [outer.recv(65535) for _ in sent] == sent
        outer.sendto(b"".join(sent), seen)
        assert [inner.recv(65535) for _ in sent] == sent


def test_a_super_packet_of_datagrams_that_grow_too_long_is_cut_one_by_one(line):
    inner, outer, seen = meet(line, 4010)
    with inner, outer:
        outer.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT)
        outer.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 1472)
        sent = [os.urandom(1472) for _ in range(20)]
        outer.sendto(b"".join(sent), seen)
        assert [inner.recv(65535) for _ in sent] == sent


def test_extension_headers_are_left_behind(line):
    """RFC 7915 5.1: padding options in a Hop-by-Hop and a Destination Options header."""
    inner, outer, seen = meet(line, 4011)
    with inner, outer:
        for option in (socket.IPV6_HOPOPTS, socket.IPV6_DSTOPTS):
            inner.setsockopt(socket.IPPROTO_IPV6, option, bytes([0, 0, 1, 4, 0, 0, 0, 0]))
        for size in (100, 3000):
            data = os.urandom(size)
            inner.send(data)
            assert outer.recvfrom(65535) == (data, seen)


def test_many_connections_at_once_outlive_reloads(line):
    """All arrive whole while the configuration is read again and again."""
    client = line.c1.start("iperf3", "-c", nat64(S4), "-P", "8", "-t", "2", "-b", "10M", "--bidir", "--json",
                           log="many.json")
    n = 0
    while client.poll() is None:
        n += 1
        line.configure(translation=f"{{lowest-ipv6-mtu: {1280 + n % 2}}}")
    with open(client.log_path) as f:
        result = json.load(f)
    assert client.returncode == 0 and n > 2, result.get("error")
    assert len(result["end"]["streams"]) == 16
    for stream in result["end"]["streams"]:
        sent, got = (stream["sender"]["bytes"], stream["receiver"]["bytes"])
        assert got > 0.5 * sent > 0, stream


def test_a_stream_of_datagrams_loses_none(line):
    # so few that a socket holds what comes while its reader waits for a processor
    out = line.c1.run("iperf3", "-c", nat64(S4), "-u", "-b", "5M", "-l", "1200", "-t", "1", "--bidir",
                      "--json", check=False).stdout
    result = json.loads(out)
    for name in ("sum", "sum_bidir_reverse"):
        assert result["end"][name]["lost_packets"] == 0, result["end"][name]
        assert result["end"][name]["packets"] > 250


def packet_too_big(line, quoted, mtu):
    """Sent by rin, about a packet that was on its way to c1."""
    source = socket.inet_ntop(socket.AF_INET6, quoted[8:24])
    with open_socket(line.rin, socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as s:
        s.sendto(struct.pack("!BBHI", 2, 0, 0, mtu) + quoted, (source, 0))


def test_fragments_fit_an_ipv6_path_below_1280(line):
    """RFC 7915 4, 7: what may be cut is cut to what a router inside has asked for, although IPv6 links
    carry more. It is told in IPv4 too, for who listens."""
    inner, outer, seen = meet(line, 4012)
    wire = open_socket(line.c1, socket.AF_PACKET, socket.SOCK_DGRAM)
    with inner, outer, wire:
        wire.bind(("eth0", 0x86dd))
        data = os.urandom(1200)
        udp6 = datagram(nat64(S4), C1, 4012, inner.getsockname()[1], data)
        packet_too_big(line, struct.pack("!IHBB16s16s", 6 << 28, len(udp6), 17, 60, packed(nat64(S4)),
                                         packed(C1)) + udp6[:500], 1000)
        wait_until(lambda: known_mtu(line.s4, POOL4) == 980, "s4 has been told")
        send_fragments(line.s4, S4, POOL4, [ipv4_fragment(
            S4, POOL4, 99, (0, False, datagram(S4, POOL4, 4012, seen[1], data)))])
        assert inner.recv(65535) == data
        wire.setblocking(False)
        lengths = []
        with contextlib.suppress(BlockingIOError):
            while True:
                packet, where = wire.recvfrom(65535)
                if where[2] == socket.PACKET_HOST and packet[8:24] == packed(nat64(S4)):
                    lengths.append(len(packet))
        assert max(lengths) == 1000, lengths  # s4 sends 980, which would have become 1008


def test_the_pool_address_answers_who_pings_it_from_outside(line):
    """RFC 5508 REQ-10, RFC 1122 3.2.2.6."""
    assert " 0% packet loss" in line.s4.out("ping", "-n", "-c3", "-i0.1", "-W3", POOL4)
