"""Corners: numbers that fold to zero, who is never told, several jobs at once, what comes back."""
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6TimeExceeded, IPv6,
    IPv6ExtHdrFragment)
from golden import (
    ANY, ONE, Var, carried, case, checksum_of, each, inside, outside, to_inside, to_outside)
from net import (
    GATEWAY6, HOST, NAT64, POOL, PORT, SERVER4, SERVER6, UDP_OUT)

ALL = NAT64 + """\
egress6:
  prefixes: ['2001:db8:1::/48']
  allow: [{protocol: tcp, destination: 2001:db8:1::80, port: 80}]
services:
  - name: store
    addresses: [198.51.100.20, 2001:db8:20::20]
    protocol: tcp
    port: 9000
    nodes: [{name: store1, address: 2001:db8:1::9, port: 9001}]
    embed-prefix: 2001:db8:64:20::/96
"""
WELL_KNOWN = NAT64.replace("2001:db8:64::/96", "64:ff9b::/96")
TWO_ADDRESSES = """\
nat64: {prefix: 2001:db8:64::/96, pool4: [198.51.100.10-198.51.100.11]}
"""
ANY_PORT = NAT64.replace("5000-5000", "1-65535")
PEER = "3fff:2::1"


def ending(build, at):
    """The payload of two bytes that makes the sum behind the checksum at @at all ones."""
    return checksum_of(build(b"\0\0"), at).to_bytes(2, "big")


def out6(payload):
    return IPv6(src=HOST, dst=SERVER6) / UDP(sport=4000, dport=53) / payload


def out4(payload):
    return IP(src=POOL, dst=SERVER4, ttl=63, id=ANY) / UDP(sport=PORT, dport=53) / payload


def plain4(payload):
    return IP(src=POOL, dst=SERVER4) / UDP(sport=PORT, dport=53) / payload


def back4(payload):
    return IP(src=SERVER4, dst=POOL) / UDP(sport=53, dport=PORT) / payload


def back6(payload):
    return IPv6(src=SERVER6, dst=HOST, hlim=63) / UDP(sport=53, dport=4000) / payload


def tcp6(payload):
    return IPv6(src=HOST, dst=SERVER6) / TCP(sport=4000, dport=80) / payload


def tcp4(payload):
    return IP(src=POOL, dst=SERVER4, ttl=63, id=1) / TCP(sport=PORT, dport=80) / payload


def ping6(payload):
    return IPv6(src=HOST, dst=SERVER6) / ICMPv6EchoRequest(id=7, seq=1, data=payload)


def ping4(payload):
    return IP(src=POOL, dst=SERVER4, ttl=63, id=1) / ICMP(type=8, id=PORT, seq=1) / payload


def zeroes(what, before, after, at):
    """A packet whose checksum folds to zero after translation."""
    payload = ending(after, at)
    packet = after(payload)
    if packet.version == 4:
        packet.id = ANY
    return case(f"{what}, checksum folds to zero (RFC 768, RFC 1624 3)", NAT64,
                inside(before(payload)), to_outside(packet))


OUT_ZERO4, OUT_ZERO6 = ending(plain4, 26), ending(out6, 46)
BACK_ZERO6, BACK_ZERO4 = ending(back6, 46), ending(back4, 26)
QUESTION = UDP(sport=4000, dport=53) / b"q"
SEEN4 = IP(src=POOL, dst=SERVER4, ttl=61, id=99) / UDP(sport=PORT, dport=53) / b"question"
SEEN6 = IPv6(src=HOST, dst=SERVER6, hlim=61) / UDP(sport=4000, dport=53) / b"question"

CASES = [
    case("UDP checksums that fold to zero are written as all ones, both ways (RFC 768)", NAT64,
         inside(out6(OUT_ZERO4)), to_outside(out4(OUT_ZERO4)),
         inside(out6(OUT_ZERO6)), to_outside(out4(OUT_ZERO6)),
         outside(back4(BACK_ZERO6)), to_inside(back6(BACK_ZERO6)),
         outside(back4(BACK_ZERO4)), to_inside(back6(BACK_ZERO4))),
    zeroes("TCP to IPv4", tcp6, tcp4, 36),
    zeroes("echo to IPv4", ping6, ping4, 22),
    case("every sum of a UDP checksum survives the way out (RFC 1624)", NAT64,
         *[step for n in range(0, 0x10000, 0x0fff) for step in (
             inside(out6(n.to_bytes(2, "big"))), to_outside(out4(n.to_bytes(2, "big"))))]),
    # who is never told
    case("nobody is told about a later fragment (RFC 1812 4.3.2.7)", NAT64, *UDP_OUT,
         outside(IP(src=SERVER4, dst=POOL, id=9, flags="MF") /
                 UDP(sport=53, dport=PORT, len=100, chksum=0x1234) / bytes(72)),
         to_inside(IPv6(src=SERVER6, dst=HOST, hlim=63) / IPv6ExtHdrFragment(nh=17, id=9, m=1) /
                   UDP(sport=53, dport=4000, len=100, chksum=carried(
                       0x1234, checksum_of(back4(b""), 26), checksum_of(back6(b""), 46))) /
                   bytes(72)),
         outside(IP(src=SERVER4, dst=POOL, id=9, frag=10, ttl=1, proto=17) / bytes(20)),
         drops={"hop-limit": 1}),
    # sources of errors
    case("error from a private router is shown all the same (RFC 7915 4.1)", WELL_KNOWN,
         inside(IPv6(src=HOST, dst="64:ff9b::9.9.9.9") / UDP(sport=4000, dport=53) / b"q"),
         to_outside(IP(src=POOL, dst="9.9.9.9", ttl=63, id=ANY) / UDP(sport=PORT, dport=53) / b"q"),
         outside(IP(src="10.1.1.1", dst=POOL) / ICMP(type=11) /
                 IP(src=POOL, dst="9.9.9.9", ttl=1) / UDP(sport=PORT, dport=53) / b"q"),
         to_inside(IPv6(src="64:ff9b::10.1.1.1", dst=HOST, hlim=63) / ICMPv6TimeExceeded() /
                   IPv6(src=HOST, dst="64:ff9b::9.9.9.9", hlim=1) /
                   UDP(sport=4000, dport=53) / b"q")),
    case("error with an illegal source is shown all the same (RFC 7915 4.1)", NAT64, *UDP_OUT,
         outside(IP(src="127.0.0.1", dst=POOL) / ICMP(type=11) / SEEN4),
         to_inside(IPv6(src="2001:db8:64::127.0.0.1", dst=HOST, hlim=63) /
                   ICMPv6TimeExceeded() / SEEN6)),
    # pools
    case("host keeps one address for all protocols (RFC 4787 REQ-2, RFC 6888 REQ-2)",
         TWO_ADDRESSES,
         inside(IPv6(src=HOST, dst=SERVER6) / QUESTION),
         to_outside(IP(src=Var("address"), dst=SERVER4, ttl=63, id=ANY) /
                    UDP(sport=ANY, dport=53) / b"q"),
         inside(IPv6(src=HOST, dst=SERVER6) / TCP(sport=4000, dport=80)),
         to_outside(IP(src=Var("address"), dst=SERVER4, ttl=63, id=ANY) /
                    TCP(sport=ANY, dport=80)),
         inside(IPv6(src=HOST, dst=SERVER6) / ICMPv6EchoRequest(id=7, seq=1)),
         to_outside(IP(src=Var("address"), dst=SERVER4, ttl=63, id=ANY) /
                    ICMP(type=8, id=ANY, seq=1))),
    case("system port gets a system port (RFC 4787 REQ-3 a, RFC 6146 3.5.1.1)", ANY_PORT,
         inside(IPv6(src=HOST, dst=SERVER6) / UDP(sport=123, dport=123) / b"q"),
         to_outside(IP(src=POOL, dst=SERVER4, ttl=63, id=ANY) /
                    UDP(sport=Var("low", lambda p: p < 1024), dport=123) / b"q"),
         inside(IPv6(src=HOST, dst=SERVER6) / UDP(sport=1024, dport=123) / b"q"),
         to_outside(IP(src=POOL, dst=SERVER4, ttl=63, id=ANY) /
                    UDP(sport=Var("high", lambda p: p >= 1024), dport=123) / b"q")),
    case("pool for UDP only has nothing for TCP", NAT64.replace(
        "5000-5000", "5000-5000, protocols: [udp]"), *UDP_OUT,
         inside(IPv6(src=HOST, dst=SERVER6) / TCP(sport=4000, dport=80)),
         to_inside(IPv6(src=GATEWAY6, dst=HOST, hlim=ANY) / ICMPv6DestUnreach(code=3) /
                   IPv6(src=HOST, dst=SERVER6) / TCP(sport=4000, dport=80)),
         drops={"pool4-exhausted": 1}),
    # the wrong side
    case("answer that arrives on the inside is not an answer", NAT64, *UDP_OUT,
         inside(IP(src=SERVER4, dst=POOL) / UDP(sport=53, dport=PORT) / b"a"),
         drops={"wrong-side": 1}),
    case("question that arrives on the outside is not a question", NAT64, *UDP_OUT,
         outside(IPv6(src=HOST, dst=SERVER6) / UDP(sport=4000, dport=53) / b"q"),
         # of several workers one that does not know the flow may get it: as silent, "spoofed-pool6"
         drops={"wrong-side": 1}, workers=ONE),
    case("packet that we sent and that comes back goes nowhere", NAT64, *UDP_OUT,
         outside(IP(src=POOL, dst=SERVER4, ttl=63) / UDP(sport=PORT, dport=53) / b"question"),
         drops={"loop": 1}),
    # all jobs at once
    case("host of egress6 has NAT64, IPv6 and the service at once", ALL, *UDP_OUT,
         inside(IPv6(src=HOST, dst=PEER) / UDP(sport=4000, dport=53) / b"q"),
         to_outside(IPv6(src=HOST, dst=PEER, hlim=63) / UDP(sport=4000, dport=53) / b"q"),
         outside(IPv6(src=PEER, dst="2001:db8:20::20") / TCP(sport=99, dport=9000)),
         to_inside(IPv6(src=PEER, dst="2001:db8:1::9", hlim=63) / TCP(sport=99, dport=9001)),
         inside(IPv6(src="2001:db8:1::9", dst=PEER) /
                TCP(sport=9001, dport=99, flags="SA", ack=1)),
         to_outside(IPv6(src="2001:db8:20::20", dst=PEER, hlim=63) /
                    TCP(sport=9000, dport=99, flags="SA", ack=1)),
         outside(IP(src=SERVER4, dst="198.51.100.20") / TCP(sport=99, dport=9000)),
         to_inside(IPv6(src="2001:db8:64:20::c000:221", dst="2001:db8:1::9", hlim=63) /
                   TCP(sport=99, dport=9001)),
         outside(IPv6(src=PEER, dst="2001:db8:1::80") / TCP(sport=99, dport=80)),
         to_inside(IPv6(src=PEER, dst="2001:db8:1::80", hlim=63) / TCP(sport=99, dport=80)),
         counts={"flows_created_nat64": 1, "flows_created_egress6": 2,
                 "flows_created_services": 2}),
    case("node itself opens connections by egress6 and NAT64", ALL,
         inside(IPv6(src="2001:db8:1::9", dst=PEER) / TCP(sport=4000, dport=80)),
         to_outside(IPv6(src="2001:db8:1::9", dst=PEER, hlim=63) / TCP(sport=4000, dport=80)),
         inside(IPv6(src="2001:db8:1::9", dst=SERVER6) / TCP(sport=4000, dport=80)),
         to_outside(IP(src=POOL, dst=SERVER4, ttl=63, id=ANY) / TCP(sport=PORT, dport=80))),
    case("NAT64 takes no foreign sources when there are inside prefixes (BCP 38)", ALL,
         inside(IPv6(src="3fff:9::1", dst=SERVER6) / QUESTION),
         to_inside(IPv6(src=GATEWAY6, dst="3fff:9::1", hlim=ANY) / ICMPv6DestUnreach(code=5) /
                   IPv6(src="3fff:9::1", dst=SERVER6) / QUESTION),
         drops={"source-not-inside": 1}),
    case("host reaches the service from inside by IPv6", ALL,
         inside(IPv6(src=HOST, dst="2001:db8:20::20") / TCP(sport=99, dport=9000)),
         to_inside(IPv6(src=HOST, dst="2001:db8:1::9", hlim=63) / TCP(sport=99, dport=9001)),
         inside(IPv6(src="2001:db8:1::9", dst=HOST) /
                TCP(sport=9001, dport=99, flags="SA", ack=1)),
         to_inside(IPv6(src="2001:db8:20::20", dst=HOST, hlim=63) /
                   TCP(sport=9000, dport=99, flags="SA", ack=1))),
    case("host reaches the service from inside by NAT64 (design: a second round)", ALL,
         inside(IPv6(src=HOST, dst="2001:db8:64::198.51.100.20") / TCP(sport=99, dport=9000)),
         to_inside(IPv6(src="2001:db8:64:20::198.51.100.10", dst="2001:db8:1::9",
                        hlim=Var("hlim", lambda h: h in (62, 63))) /
                   TCP(sport=PORT, dport=9001)),
         counts={"hairpins": 1}),
    case("echo through egress6 and through NAT64 with one identifier are two flows", ALL,
         inside(IPv6(src=HOST, dst=PEER) / ICMPv6EchoRequest(id=7, seq=1)),
         to_outside(IPv6(src=HOST, dst=PEER, hlim=63) / ICMPv6EchoRequest(id=7, seq=1)),
         inside(IPv6(src=HOST, dst=SERVER6) / ICMPv6EchoRequest(id=7, seq=1)),
         to_outside(IP(src=POOL, dst=SERVER4, ttl=63, id=ANY) / ICMP(type=8, id=PORT, seq=1)),
         outside(IPv6(src=PEER, dst=HOST) / ICMPv6EchoReply(id=7, seq=1)),
         to_inside(IPv6(src=PEER, dst=HOST, hlim=63) / ICMPv6EchoReply(id=7, seq=1)),
         outside(IP(src=SERVER4, dst=POOL) / ICMP(type=0, id=PORT, seq=1)),
         to_inside(IPv6(src=SERVER6, dst=HOST, hlim=63) / ICMPv6EchoReply(id=7, seq=1))),
]


@each(CASES)
def test_corners(case, spacing, tmp_path):
    case.check(spacing, tmp_path)
