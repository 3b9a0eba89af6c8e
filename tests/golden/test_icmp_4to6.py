"""ICMPv4 to ICMPv6: every row of RFC 7915 4.2, embedded packets (4.3), what is never translated."""
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6DestUnreach, ICMPv6EchoRequest, ICMPv6PacketTooBig, ICMPv6ParamProblem,
    ICMPv6TimeExceeded, IPv6, IPv6ExtHdrFragment)
from scapy.packet import Raw
from golden import ANY, case, each, inside, outside, to_inside, to_outside
from net import HOST, NAT64, POOL, PORT, ROUTER4, ROUTER6, SERVER4, SERVER6, UDP_OUT

# The question of UDP_OUT as a router on the IPv4 side saw it, and what the host must be shown.
SEEN4 = IP(src=POOL, dst=SERVER4, ttl=61, id=99) / UDP(sport=PORT, dport=53) / b"question"
SEEN6 = IPv6(src=HOST, dst=SERVER6, hlim=61) / UDP(sport=4000, dport=53) / b"question"

PING = (
    inside(IPv6(src=HOST, dst=SERVER6) / ICMPv6EchoRequest(id=77, seq=1)),
    to_outside(IP(src=POOL, dst=SERVER4, ttl=63, id=ANY) / ICMP(type=8, id=PORT, seq=1)),
)


def error4(icmp, embedded=SEEN4):
    return outside(IP(src=ROUTER4, dst=POOL, ttl=250) / icmp / embedded)


def error6(icmp, embedded=SEEN6):
    return to_inside(IPv6(src=ROUTER6, dst=HOST, hlim=249) / icmp / embedded)


def row(what, icmp4, icmp6):
    """A row of the table; icmp6 None: dropped."""
    name = f"{icmp4.type}/{icmp4.code} {what} (RFC 7915 4.2)"
    if icmp6 is None:
        return case(name, NAT64, *UDP_OUT, error4(icmp4), drops={"icmp-type": 1})
    return case(name, NAT64, *UDP_OUT, error4(icmp4), error6(icmp6))


def pointer_row(pointer4, pointer6):
    name = f"parameter problem at {pointer4} points at {pointer6} (RFC 7915 4.2 figure 3)"
    steps = [*UDP_OUT, error4(ICMP(type=12, code=0, ptr=pointer4))]
    if pointer6 is None:
        return case(name, NAT64, *steps, drops={"icmp-type": 1})
    return case(name, NAT64, *steps, error6(ICMPv6ParamProblem(code=0, ptr=pointer6)))


def mtu_row(what, mtu4, mtu6, length=1500):
    return case(
        f"fragmentation needed, {what} (RFC 7915 4.2)", NAT64, *UDP_OUT,
        error4(ICMP(type=3, code=4, nexthopmtu=mtu4),
               Raw(bytes(IP(src=POOL, dst=SERVER4, ttl=61, id=99, flags="DF", len=length) /
                         UDP(sport=PORT, dport=53, len=length - 20, chksum=0x1111)))),
        error6(ICMPv6PacketTooBig(mtu=mtu6),
               Raw(bytes(IPv6(src=HOST, dst=SERVER6, hlim=61, plen=length - 20) /
                         UDP(sport=4000, dport=53, len=length - 20, chksum=CHECKSUM6)))))


# 0x1111 under (POOL, SERVER4, 5000) is this under (HOST, SERVER6, 4000).
def _checksum6():
    def folded(packet):
        return int.from_bytes(bytes(packet), "big") % 0xffff
    before = IP(src=POOL, dst=SERVER4) / UDP(sport=PORT)
    after = IPv6(src=HOST, dst=SERVER6) / UDP(sport=4000)
    change = (folded(bytes(before)[12:22]) - folded(bytes(after)[8:42])) % 0xffff
    return (0x1111 + change) % 0xffff


CHECKSUM6 = _checksum6()
ECHO_OUT = (
    inside(IPv6(src=HOST, dst=SERVER6) / ICMPv6EchoRequest(id=7, seq=3, data=b"ping")),
    to_outside(IP(src=POOL, dst=SERVER4, ttl=63, id=ANY) /
               ICMP(type=8, id=PORT, seq=3) / b"ping"),
)
SYN_OUT = (
    inside(IPv6(src=HOST, dst=SERVER6) / TCP(sport=4000, dport=80, seq=100)),
    to_outside(IP(src=POOL, dst=SERVER4, ttl=63, id=ANY) / TCP(sport=PORT, dport=80, seq=100)),
)
LONG4 = IP(src=POOL, dst=SERVER4, ttl=61, id=99) / UDP(sport=PORT, dport=53) / bytes(1300)
LONG6 = IPv6(src=HOST, dst=SERVER6, hlim=61) / UDP(sport=4000, dport=53) / bytes(1300)
LONG_OUT = (
    inside(IPv6(src=HOST, dst=SERVER6) / UDP(sport=4000, dport=53) / bytes(1300)),
    to_outside(IP(src=POOL, dst=SERVER4, ttl=63, id=ANY, flags="DF") /
               UDP(sport=PORT, dport=53) / bytes(1300)),
)
# An extension structure (RFC 4884 7) with one MPLS object, its checksum right.
EXTENSION = bytes.fromhex("2000" "8f9c" "00080101" "00065140")
EXTENSION = EXTENSION[:2] + (0xffff - sum(
    int.from_bytes(EXTENSION[i:i + 2], "big") for i in (0, 4, 6, 8, 10)) % 0xffff
).to_bytes(2, "big") + EXTENSION[4:]

CASES = [
    row("net unreachable is no route", ICMP(type=3, code=0), ICMPv6DestUnreach(code=0)),
    row("host unreachable is no route", ICMP(type=3, code=1), ICMPv6DestUnreach(code=0)),
    row("protocol unreachable is parameter problem at next header", ICMP(type=3, code=2),
        ICMPv6ParamProblem(code=1, ptr=6)),
    row("port unreachable is port unreachable", ICMP(type=3, code=3), ICMPv6DestUnreach(code=4)),
    row("source route failed is no route", ICMP(type=3, code=5), ICMPv6DestUnreach(code=0)),
    row("network unknown is no route", ICMP(type=3, code=6), ICMPv6DestUnreach(code=0)),
    row("host unknown is no route", ICMP(type=3, code=7), ICMPv6DestUnreach(code=0)),
    row("source isolated is no route", ICMP(type=3, code=8), ICMPv6DestUnreach(code=0)),
    row("network prohibited is prohibited", ICMP(type=3, code=9), ICMPv6DestUnreach(code=1)),
    row("host prohibited is prohibited", ICMP(type=3, code=10), ICMPv6DestUnreach(code=1)),
    row("net unreachable for TOS is no route", ICMP(type=3, code=11), ICMPv6DestUnreach(code=0)),
    row("host unreachable for TOS is no route", ICMP(type=3, code=12), ICMPv6DestUnreach(code=0)),
    row("communication prohibited is prohibited", ICMP(type=3, code=13),
        ICMPv6DestUnreach(code=1)),
    row("host precedence violation is dropped", ICMP(type=3, code=14), None),
    row("precedence cutoff is prohibited", ICMP(type=3, code=15), ICMPv6DestUnreach(code=1)),
    row("unknown code is dropped", ICMP(type=3, code=16), None),
    row("TTL exceeded is hop limit exceeded", ICMP(type=11, code=0), ICMPv6TimeExceeded(code=0)),
    row("reassembly time exceeded stays", ICMP(type=11, code=1), ICMPv6TimeExceeded(code=1)),
    row("missing option is dropped", ICMP(type=12, code=1), None),
    row("bad length is parameter problem", ICMP(type=12, code=2, ptr=2),
        ICMPv6ParamProblem(code=0, ptr=4)),
    row("unknown code is dropped", ICMP(type=12, code=3), None),
    row("source quench is dropped", ICMP(type=4, code=0), None),
    row("redirect is dropped", ICMP(type=5, code=1, gw="192.0.2.9"), None),
    row("alternate host address is dropped", ICMP(type=6, code=0), None),
    row("unknown type is dropped", ICMP(type=41, code=0), None),
    *[pointer_row(p4, p6) for p4, p6 in (
        (0, 0), (1, 1), (2, 4), (3, 4), (4, None), (5, None), (6, None), (7, None), (8, 7), (9, 6),
        (10, None), (11, None), (12, 8), (13, 8), (14, 8), (15, 8), (16, 24), (17, 24), (18, 24),
        (19, 24), (20, None))],
    mtu_row("1400 is 1420 with IPv6's longer header", 1400, 1420),
    mtu_row("not more than the next link inside takes", 1490, 1500),
    mtu_row("1260 is just the smallest IPv6 MTU", 1260, 1280),
    mtu_row("never below the smallest IPv6 MTU", 576, 1280),
    mtu_row("without an MTU it is the plateau below the length: 1492, and 20", 0, 1500, 1500),
    mtu_row("without an MTU and 1492 long there is no plateau from 1280", 0, 1280, 1492),
    mtu_row("without an MTU and 1281 long it is 1280", 0, 1280, 1281),
    case("queries other than echo are dropped in silence (RFC 7915 4.2)", NAT64, *ECHO_OUT,
         *[outside(IP(src=SERVER4, dst=POOL) / ICMP(type=t, id=PORT, seq=1))
           for t in (9, 10, 13, 14, 15, 16, 17, 18)], drops={"icmp-type": 8}),
    case("echo request that no mapping takes is answered by the pool address (RFC 5508 REQ-10)",
         NAT64, outside(IP(src=SERVER4, dst=POOL, tos=0x2b) /
                        ICMP(type=8, id=PORT, seq=1) / b"is it you?"),
         to_outside(IP(src=POOL, dst=SERVER4, tos=0x28, ttl=64, id=ANY) /
                    ICMP(type=0, id=PORT, seq=1) / b"is it you?"), counts={"echoes_answered": 1}),
    case("echo reply that no mapping takes reaches nobody (RFC 6146 3.5.3)", NAT64,
         outside(IP(src=SERVER4, dst=POOL) / ICMP(type=0, id=PORT, seq=1)),
         drops={"no-bib-entry": 1}),
    case("echo request is the host's where a mapping takes it (RFC 6146 3.5.3)", NAT64, *PING,
         outside(IP(src="192.0.2.99", dst=POOL) / ICMP(type=8, id=PORT, seq=1)),
         to_inside(IPv6(src="2001:db8:64::192.0.2.99", dst=HOST, hlim=63) /
                   ICMPv6EchoRequest(id=77, seq=1)), counts={"echoes_answered": 0}),
    case("IGMP is dropped (RFC 7915 4.2)", NAT64,
         outside(IP(src=SERVER4, dst=POOL, proto=2) / bytes.fromhex("1164ee9b00000000")),
         drops={"unknown-protocol": 1}),
    case("error about TCP: ports and sequence number are shown (RFC 7915 4.3)", NAT64, *SYN_OUT,
         error4(ICMP(type=3, code=1), IP(src=POOL, dst=SERVER4, ttl=61, id=99) /
                TCP(sport=PORT, dport=80, seq=100)),
         error6(ICMPv6DestUnreach(code=0), IPv6(src=HOST, dst=SERVER6, hlim=61) /
                TCP(sport=4000, dport=80, seq=100))),
    case("error with eight bytes of TCP, as RFC 792 asks for (RFC 7915 4.3)", NAT64, *SYN_OUT,
         error4(ICMP(type=11), Raw(bytes(IP(src=POOL, dst=SERVER4, ttl=1, id=99) /
                                         TCP(sport=PORT, dport=80, seq=100))[:28])),
         error6(ICMPv6TimeExceeded(), Raw(bytes(IPv6(src=HOST, dst=SERVER6, hlim=1) /
                                                TCP(sport=4000, dport=80, seq=100))[:48]))),
    case("error with eight bytes of UDP: checksum translated (RFC 7915 4.3)", NAT64, *UDP_OUT,
         error4(ICMP(type=11), Raw(bytes(SEEN4)[:28])),
         error6(ICMPv6TimeExceeded(), Raw(bytes(SEEN6)[:48]))),
    case("error about an echo request: identifier and checksum translated (RFC 7915 4.3)", NAT64,
         *ECHO_OUT,
         error4(ICMP(type=11), IP(src=POOL, dst=SERVER4, ttl=1, id=99) /
                ICMP(type=8, id=PORT, seq=3) / b"ping"),
         error6(ICMPv6TimeExceeded(), IPv6(src=HOST, dst=SERVER6, hlim=1) /
                ICMPv6EchoRequest(id=7, seq=3, data=b"ping"))),
    case("error about a datagram sent without checksum shows it so (RFC 7915 4.3)", NAT64,
         *UDP_OUT,
         error4(ICMP(type=3, code=3), IP(src=POOL, dst=SERVER4, ttl=61, id=99) /
                UDP(sport=PORT, dport=53, chksum=0) / b"question"),
         error6(ICMPv6DestUnreach(code=4), IPv6(src=HOST, dst=SERVER6, hlim=61) /
                UDP(sport=4000, dport=53, chksum=0) / b"question")),
    case("error about a first fragment shows a Fragment Header (RFC 7915 4.3)", NAT64, *UDP_OUT,
         error4(ICMP(type=11, code=1), IP(src=POOL, dst=SERVER4, ttl=61, id=99, flags="MF") /
                UDP(sport=PORT, dport=53) / b"question"),
         error6(ICMPv6TimeExceeded(code=1), IPv6(src=HOST, dst=SERVER6, hlim=61) /
                IPv6ExtHdrFragment(nh=17, id=99, m=1) / UDP(sport=4000, dport=53) / b"question")),
    case("error about a later fragment has no ports: dropped (RFC 6146 3.4)", NAT64, *UDP_OUT,
         error4(ICMP(type=11, code=1), IP(src=POOL, dst=SERVER4, ttl=61, id=99, frag=185,
                                          proto=17) / bytes(32)), drops={"no-flow-icmp": 1}),
    case("error with traffic class outside and within (RFC 7915 4.1, 4.3)", NAT64, *UDP_OUT,
         outside(IP(src=ROUTER4, dst=POOL, ttl=250, tos=0xc0) / ICMP(type=3, code=1) /
                 IP(src=POOL, dst=SERVER4, ttl=61, id=99, tos=0x28) /
                 UDP(sport=PORT, dport=53) / b"question"),
         to_inside(IPv6(src=ROUTER6, dst=HOST, hlim=249, tc=0xc0) / ICMPv6DestUnreach(code=0) /
                   IPv6(src=HOST, dst=SERVER6, hlim=61, tc=0x28) /
                   UDP(sport=4000, dport=53) / b"question")),
    case("error in an error is dropped (RFC 7915 4.3)", NAT64, *UDP_OUT,
         error4(ICMP(type=3, code=1), IP(src=POOL, dst=SERVER4) / ICMP(type=11) /
                IP(src=SERVER4, dst=POOL) / UDP(sport=53, dport=PORT)), drops={"icmp-inner": 1}),
    case("error about a packet that was not ours is dropped (RFC 5508 REQ-4)", NAT64, *UDP_OUT,
         error4(ICMP(type=3, code=1), IP(src=POOL, dst=SERVER4) / UDP(sport=5001, dport=53)),
         drops={"no-flow-icmp": 1}),
    case("error to us about a packet to us contradicts itself and is dropped (RFC 6146 3.4)",
         NAT64, *UDP_OUT,
         error4(ICMP(type=3, code=1), IP(src=SERVER4, dst=POOL) / UDP(sport=53, dport=PORT)),
         drops={"no-flow-icmp": 1}),
    case("error with a wrong checksum is dropped (RFC 5508 REQ-3)", NAT64, *UDP_OUT,
         error4(ICMP(type=3, code=1, chksum=0x1234)), drops={"bad-icmp-checksum": 1}),
    case("error does not end the session (RFC 5508 REQ-6)", NAT64, *UDP_OUT,
         error4(ICMP(type=3, code=3)), error6(ICMPv6DestUnreach(code=4)),
         outside(IP(src=SERVER4, dst=POOL) / UDP(sport=53, dport=PORT) / b"answer"),
         to_inside(IPv6(src=SERVER6, dst=HOST, hlim=63) / UDP(sport=53, dport=4000) / b"answer")),
    case("error from the server itself comes from its address (RFC 7915 4.1)", NAT64, *UDP_OUT,
         outside(IP(src=SERVER4, dst=POOL, ttl=64) / ICMP(type=3, code=3) / SEEN4),
         to_inside(IPv6(src=SERVER6, dst=HOST, hlim=63) / ICMPv6DestUnreach(code=4) / SEEN6)),
    case("ICMPv6 error is not longer than 1280 bytes (RFC 4443 2.4 c)", NAT64, *LONG_OUT,
         error4(ICMP(type=3, code=3), LONG4),
         error6(ICMPv6DestUnreach(code=4), Raw(bytes(LONG6)[:1232]))),
    case("extension behind the datagram: length in units of 8 bytes (RFC 4884 4.4, 7915 4.2)",
         NAT64, *UDP_OUT,
         error4(ICMP(type=11, length=32), Raw(bytes(SEEN4).ljust(128, b"\0") + EXTENSION)),
         error6(ICMPv6TimeExceeded(length=16), Raw(bytes(SEEN6).ljust(128, b"\0") + EXTENSION))),
]


@each(CASES)
def test_icmp_4to6(case, spacing, tmp_path):
    case.check(spacing, tmp_path)
