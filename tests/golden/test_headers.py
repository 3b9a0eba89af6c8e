"""What surrounds the payload: options, extension headers, hop limits; what is broken or cut."""
from scapy.layers.inet import (
    ICMP, IP, TCP, UDP, IPOption_LSRR, IPOption_NOP, IPOption_RR, IPOption_Router_Alert,
    IPOption_SSRR)
from scapy.layers.inet6 import (
    ICMPv6EchoRequest, ICMPv6ParamProblem, ICMPv6TimeExceeded, IPv6, IPv6ExtHdrDestOpt,
    IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, PadN)
from scapy.packet import Raw
from golden import ANY, case, checksum_of, each, inside, outside, to_inside, to_outside
from net import GATEWAY6, HOST, NAT64, POOL, PORT, SERVER4, SERVER6, UDP_OUT

ANSWER6 = IPv6(src=SERVER6, dst=HOST, hlim=63) / UDP(sport=53, dport=4000) / b"answer"
SENT4 = IP(src=POOL, dst=SERVER4, ttl=63, id=ANY) / UDP(sport=PORT, dport=53) / b"q"
# Scapy would reckon a source route's checksum with another destination.
ANSWER = UDP(sport=53, dport=PORT, chksum=checksum_of(
    IP(src=SERVER4, dst=POOL) / UDP(sport=53, dport=PORT) / b"answer", 26)) / b"answer"
QUESTION = UDP(sport=4000, dport=53) / b"q"


def with_options(what, options):
    return case(f"{what} is ignored (RFC 7915 4.1)", NAT64, *UDP_OUT,
                outside(IP(src=SERVER4, dst=POOL, options=options) / ANSWER), to_inside(ANSWER6))


def with_headers(what, *headers):
    packet = IPv6(src=HOST, dst=SERVER6)
    for header in headers:
        packet /= header
    return case(f"{what} skipped (RFC 7915 5.1)", NAT64,
                inside(packet / QUESTION), to_outside(SENT4))


def source_route(what, option):
    """Not translated; the sender is told (source route failed) if the gateway may."""
    packet = IP(src=SERVER4, dst=POOL, options=[option]) / ANSWER
    return case(f"{what} is refused (RFC 7915 4.1)", NAT64, *UDP_OUT, outside(packet),
                to_outside(IP(src=POOL, dst=SERVER4, ttl=64, id=ANY, tos=0xc0) /
                           ICMP(type=3, code=5) / Raw(bytes(packet))),
                drops={"source-route": 1})


def routing_left(what, pointer, *headers):
    packet = IPv6(src=HOST, dst=SERVER6)
    for header in headers:
        packet /= header
    packet /= QUESTION
    return case(f"{what} with segments left is refused (RFC 7915 5.1)", NAT64, inside(packet),
                to_inside(IPv6(src=GATEWAY6, dst=HOST, hlim=ANY) /
                          ICMPv6ParamProblem(code=0, ptr=pointer) / Raw(bytes(packet))),
                drops={"source-route": 1})


def broken6(what, reason, data):
    return case(f"{what} is dropped: {reason} (IPv6)", NAT64, inside(bytes(data)),
                drops={reason: 1})


def broken4(what, reason, data):
    return case(f"{what} is dropped: {reason} (IPv4)", NAT64, *UDP_OUT, outside(bytes(data)),
                drops={reason: 1})


def header4(**fields):
    return IP(src=SERVER4, dst=POOL, **fields)


LSRR = IPOption_LSRR(pointer=4, routers=["192.0.2.9"])
LSRR_PAST = IPOption_LSRR(pointer=8, routers=["192.0.2.9"])
GOOD6 = bytes(IPv6(src=HOST, dst=SERVER6) / QUESTION)
GOOD4 = bytes(IP(src=SERVER4, dst=POOL) / ANSWER)
EXPIRES6 = IPv6(src=HOST, dst=SERVER6, hlim=1) / QUESTION
EXPIRES4 = IP(src=SERVER4, dst=POOL, ttl=1, id=5) / ANSWER

CASES = [
    with_options("no operation", [IPOption_NOP()] * 4),
    with_options("record route", [IPOption_RR(routers=["0.0.0.0"] * 3)]),
    with_options("router alert", [IPOption_Router_Alert()]),
    with_options("forty bytes of options", [IPOption_RR(routers=["0.0.0.0"] * 9)]),
    with_options("a source route that is done", [LSRR_PAST]),
    source_route("loose source route", LSRR),
    source_route("strict source route", IPOption_SSRR(pointer=4, routers=["192.0.2.9"])),
    source_route("source route with one hop behind it and one to go",
                 IPOption_LSRR(pointer=8, routers=["192.0.2.9", "192.0.2.10"])),
    with_headers("hop-by-hop options are", IPv6ExtHdrHopByHop(options=[PadN(optdata=bytes(4))])),
    with_headers("destination options are", IPv6ExtHdrDestOpt()),
    with_headers("routing header without segments left is", IPv6ExtHdrRouting(
        type=3, segleft=0, addresses=["2001:db8:9::1"])),
    with_headers("all three are", IPv6ExtHdrHopByHop(), IPv6ExtHdrDestOpt(),
                 IPv6ExtHdrRouting(type=3, segleft=0), IPv6ExtHdrDestOpt()),
    routing_left("routing header", 43,
                 IPv6ExtHdrRouting(type=3, segleft=1, addresses=["2001:db8:9::1"])),
    routing_left("routing header behind others", 40 + 8 + 8 + 3, IPv6ExtHdrHopByHop(),
                 IPv6ExtHdrDestOpt(),
                 IPv6ExtHdrRouting(type=3, segleft=1, addresses=["2001:db8:9::1"])),
    broken6("hop-by-hop options behind others", "extension-headers",
            IPv6(src=HOST, dst=SERVER6) / IPv6ExtHdrDestOpt() / IPv6ExtHdrHopByHop() / QUESTION),
    broken6("extension header longer than the packet", "extension-headers",
            IPv6(src=HOST, dst=SERVER6) / IPv6ExtHdrDestOpt(len=20) / QUESTION),
    # hop limit and time to live
    case("hop limit of 2 is enough (RFC 7915 5.1)", NAT64,
         inside(IPv6(src=HOST, dst=SERVER6, hlim=2) / QUESTION),
         to_outside(IP(src=POOL, dst=SERVER4, ttl=1, id=ANY) / UDP(sport=PORT, dport=53) / b"q")),
    case("hop limit of 1 expires: the host is told (RFC 7915 5.1, RFC 4443 3.3)", NAT64,
         inside(EXPIRES6),
         to_inside(IPv6(src=GATEWAY6, dst=HOST, hlim=ANY) / ICMPv6TimeExceeded(code=0) /
                   Raw(bytes(EXPIRES6))), drops={"hop-limit": 1}),
    case("hop limit of 0 expires, too", NAT64,
         inside(IPv6(src=HOST, dst=SERVER6, hlim=0) / QUESTION),
         to_inside(IPv6(src=GATEWAY6, dst=HOST, hlim=ANY) / ICMPv6TimeExceeded(code=0) /
                   Raw(bytes(IPv6(src=HOST, dst=SERVER6, hlim=0) / QUESTION))),
         drops={"hop-limit": 1}),
    case("time to live of 2 is enough (RFC 7915 4.1)", NAT64, *UDP_OUT,
         outside(header4(ttl=2) / ANSWER),
         to_inside(IPv6(src=SERVER6, dst=HOST, hlim=1) / UDP(sport=53, dport=4000) / b"answer")),
    case("time to live of 1 expires: the server is told (RFC 7915 4.1, RFC 792)", NAT64, *UDP_OUT,
         outside(EXPIRES4),
         to_outside(IP(src=POOL, dst=SERVER4, ttl=64, id=ANY, tos=0xc0) /
                    ICMP(type=11, code=0) / Raw(bytes(EXPIRES4))), drops={"hop-limit": 1}),
    case("echo request of traceroute expires here: the host is told (RFC 4443 3.3)", NAT64,
         inside(IPv6(src=HOST, dst=SERVER6, hlim=1) / ICMPv6EchoRequest(id=7, seq=1)),
         to_inside(IPv6(src=GATEWAY6, dst=HOST, hlim=ANY) / ICMPv6TimeExceeded(code=0) /
                   Raw(bytes(IPv6(src=HOST, dst=SERVER6, hlim=1) /
                             ICMPv6EchoRequest(id=7, seq=1)))), drops={"hop-limit": 1}),
    case("errors are never sent about errors (RFC 4443 2.4 e, RFC 1812 4.3.2.7)", NAT64, *UDP_OUT,
         outside(IP(src=SERVER4, dst=POOL, ttl=1) / ICMP(type=3, code=3) /
                 IP(src=POOL, dst=SERVER4) / UDP(sport=PORT, dport=53) / b"question"),
         inside(IPv6(src=HOST, dst=SERVER6, hlim=1) / ICMPv6TimeExceeded(code=1) /
                IPv6(src=SERVER6, dst=HOST) / UDP(sport=53, dport=4000) / b"answer"),
         drops={"hop-limit": 2}),
    # broken
    broken4("wrong header checksum", "bad-ipv4-checksum", header4(chksum=0x1234) / ANSWER),
    broken4("header length below 20", "bad-header", b"\x44" + GOOD4[1:]),
    broken4("header longer than the packet", "bad-header", header4(ihl=15) / b"x"),
    broken4("total length longer than the packet", "truncated", header4(len=100) / ANSWER),
    broken4("total length shorter than the header", "bad-header", header4(len=16) / ANSWER),
    broken4("less than a header", "truncated", GOOD4[:19]),
    broken4("UDP header cut", "truncated", header4(proto=17) / b"\x00\x35\x13\x88\x00\x0e"),
    broken4("UDP length beyond the packet", "bad-header",
            header4() / UDP(sport=53, dport=PORT, len=20) / b"answer"),
    broken4("UDP length below 8", "bad-header",
            header4() / UDP(sport=53, dport=PORT, len=7) / b"answer"),
    broken4("TCP header cut", "truncated",
            header4(proto=6) / bytes(TCP(sport=53, dport=PORT))[:19]),
    broken4("TCP data offset below 5", "bad-header",
            header4() / TCP(sport=53, dport=PORT, dataofs=4)),
    broken4("TCP data offset beyond the packet", "truncated",
            header4() / TCP(sport=53, dport=PORT, dataofs=15)),
    broken4("ICMP header cut", "truncated", header4(proto=1) / b"\x08\x00\x00\x00"),
    broken4("other protocol", "unknown-protocol", header4(proto=47) / bytes(16)),
    broken4("version 5", "bad-version", b"\x55" + GOOD4[1:]),
    broken6("less than a header", "truncated", GOOD6[:39]),
    broken6("payload length longer than the packet", "truncated",
            IPv6(src=HOST, dst=SERVER6, plen=100) / QUESTION),
    broken6("UDP header cut", "truncated",
            IPv6(src=HOST, dst=SERVER6, nh=17) / b"\x0f\xa0\x00\x35"),
    broken6("TCP header cut", "truncated",
            IPv6(src=HOST, dst=SERVER6, nh=6) / bytes(TCP(sport=4000))[:19]),
    broken6("TCP data offset below 5", "bad-header",
            IPv6(src=HOST, dst=SERVER6) / TCP(sport=4000, dataofs=2)),
    broken6("UDP length beyond the packet", "bad-header",
            IPv6(src=HOST, dst=SERVER6) / UDP(sport=4000, dport=53, len=30) / b"q"),
    broken6("version 7", "bad-version", b"\x70" + GOOD6[1:]),
    broken6("no next header", "unknown-protocol", IPv6(src=HOST, dst=SERVER6, nh=59)),
    case("bytes behind the packet are no part of it", NAT64,
         inside(GOOD6 + b"padding"), to_outside(SENT4),
         outside(bytes(IP(src=SERVER4, dst=POOL) / ANSWER) + b"padding"), to_inside(ANSWER6)),
    case("an empty record is dropped", NAT64, inside(b"\x60"), drops={"truncated": 1}),
]


@each(CASES)
def test_headers(case, spacing, tmp_path):
    case.check(spacing, tmp_path)
