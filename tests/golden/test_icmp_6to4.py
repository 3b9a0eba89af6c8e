"""ICMPv6 to ICMPv4: every row of RFC 7915 5.2, embedded packets (5.3), what is never translated."""
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6PacketTooBig,
    ICMPv6ParamProblem, ICMPv6TimeExceeded, ICMPv6Unknown, IPv6, IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment)
from scapy.packet import Raw
from golden import ANY, carried, case, checksum_of, each, inside, outside, to_inside, to_outside
from net import HOST, NAT64, POOL, PORT, SERVER4, SERVER6, UDP_OUT

ROUTER = "2001:db8:1::1"  # on the way to the host
ANSWERED = (
    *UDP_OUT,
    outside(IP(src=SERVER4, dst=POOL, ttl=50) / UDP(sport=53, dport=PORT) / b"answer"),
    to_inside(IPv6(src=SERVER6, dst=HOST, hlim=49) / UDP(sport=53, dport=4000) / b"answer"),
)
# The answer as it reached the host, and what the server must be shown.
SEEN6 = IPv6(src=SERVER6, dst=HOST, hlim=48) / UDP(sport=53, dport=4000) / b"answer"
SEEN4 = IP(src=SERVER4, dst=POOL, ttl=48, id=ANY) / UDP(sport=53, dport=PORT) / b"answer"


def error6(icmp, embedded=SEEN6):
    return inside(IPv6(src=ROUTER, dst=SERVER6, hlim=64) / icmp / embedded)


def error4(icmp, embedded=SEEN4):
    return to_outside(IP(src=POOL, dst=SERVER4, ttl=63, id=ANY) / icmp / embedded)


def row(what, icmp6, icmp4):
    """A row of the table; icmp4 None: dropped."""
    name = f"{icmp6.type}/{icmp6.code} {what} (RFC 7915 5.2)"
    if icmp4 is None:
        return case(name, NAT64, *ANSWERED, error6(icmp6), drops={"icmp-type": 1})
    return case(name, NAT64, *ANSWERED, error6(icmp6), error4(icmp4))


def pointer_row(pointer6, pointer4):
    name = f"parameter problem at {pointer6} points at {pointer4} (RFC 7915 5.2 figure 6)"
    steps = [*ANSWERED, error6(ICMPv6ParamProblem(code=0, ptr=pointer6))]
    if pointer4 is None:
        return case(name, NAT64, *steps, drops={"icmp-type": 1})
    return case(name, NAT64, *steps, error4(ICMP(type=12, code=0, ptr=pointer4)))


def mtu_row(what, mtu6, mtu4):
    """About an answer of 1300 bytes, of which the error has all: it was DF, so DF is shown."""
    return case(
        f"packet too big, {what} (RFC 7915 5.2)", NAT64, *UDP_OUT,
        error6(ICMPv6PacketTooBig(mtu=mtu6), Raw(bytes(BIG6)[:200])),
        to_outside(lambda seen: IP(src=POOL, dst=SERVER4, ttl=63, id=ANY) /
                   ICMP(type=3, code=4, nexthopmtu=mtu4) /
                   IP(src=SERVER4, dst=POOL, ttl=48, id=ANY, flags="DF", len=1300) /
                   UDP(sport=53, dport=PORT, len=1280, chksum=BIG_CHECKSUM4) /
                   bytes(200 - 48)))


BIG6 = IPv6(src=SERVER6, dst=HOST, hlim=48) / UDP(sport=53, dport=4000) / bytes(1272)
BIG4 = IP(src=SERVER4, dst=POOL, ttl=48, id=1) / UDP(sport=53, dport=PORT) / bytes(1272)
BIG_CHECKSUM4 = checksum_of(BIG4, 26)
ECHO_OUT = (
    inside(IPv6(src=HOST, dst=SERVER6) / ICMPv6EchoRequest(id=7, seq=3, data=b"ping")),
    to_outside(IP(src=POOL, dst=SERVER4, ttl=63, id=ANY) /
               ICMP(type=8, id=PORT, seq=3) / b"ping"),
)
SYN_OUT = (
    inside(IPv6(src=HOST, dst=SERVER6) / TCP(sport=4000, dport=80, seq=100)),
    to_outside(IP(src=POOL, dst=SERVER4, ttl=63, id=ANY) / TCP(sport=PORT, dport=80, seq=100)),
)
EXTENSION = bytes.fromhex("20000000" "00080101" "00065140")
EXTENSION = EXTENSION[:2] + (0xffff - sum(
    int.from_bytes(EXTENSION[i:i + 2], "big") for i in (0, 4, 6, 8, 10)) % 0xffff
).to_bytes(2, "big") + EXTENSION[4:]

CASES = [
    row("no route is host unreachable", ICMPv6DestUnreach(code=0), ICMP(type=3, code=1)),
    row("prohibited is host prohibited", ICMPv6DestUnreach(code=1), ICMP(type=3, code=10)),
    row("beyond scope is host unreachable", ICMPv6DestUnreach(code=2), ICMP(type=3, code=1)),
    row("address unreachable is host unreachable", ICMPv6DestUnreach(code=3),
        ICMP(type=3, code=1)),
    row("port unreachable is port unreachable", ICMPv6DestUnreach(code=4), ICMP(type=3, code=3)),
    row("source policy is dropped", ICMPv6DestUnreach(code=5), None),
    row("reject route is dropped", ICMPv6DestUnreach(code=6), None),
    row("unknown code is dropped", ICMPv6DestUnreach(code=7), None),
    row("hop limit exceeded is TTL exceeded", ICMPv6TimeExceeded(code=0), ICMP(type=11, code=0)),
    row("reassembly time exceeded stays", ICMPv6TimeExceeded(code=1), ICMP(type=11, code=1)),
    row("unknown next header is protocol unreachable", ICMPv6ParamProblem(code=1, ptr=6),
        ICMP(type=3, code=2)),
    row("unknown option is dropped", ICMPv6ParamProblem(code=2, ptr=40), None),
    row("unknown code is dropped", ICMPv6ParamProblem(code=3), None),
    *[pointer_row(p6, p4) for p6, p4 in (
        (0, 0), (1, 1), (2, None), (3, None), (4, 2), (5, 2), (6, 9), (7, 8), (8, 12), (15, 12),
        (23, 12), (24, 16), (31, 16), (39, 16), (40, None), (0x1000006, None))],
    mtu_row("1400 is 1380 with IPv4's shorter header", 1400, 1380),
    mtu_row("the smallest IPv6 MTU is 1260", 1280, 1260),
    mtu_row("not more than the links here take", 9000, 1480),
    mtu_row("the reporter may say less than 1280", 1000, 980),
    case("unknown error types are dropped in silence (RFC 7915 5.2)", NAT64, *ANSWERED,
         *[inside(IPv6(src=ROUTER, dst=SERVER6) /
                  ICMPv6Unknown(type=t, msgbody=bytes(4) + bytes(SEEN6)))
           for t in (0, 5, 100, 101, 127)], drops={"icmp-type": 5}),
    case("neighbour discovery, MLD and unknown queries are dropped in silence (RFC 7915 5.2)",
         NAT64, *[inside(IPv6(src=HOST, dst=SERVER6, hlim=255) /
                         ICMPv6Unknown(type=t, msgbody=bytes(20)))
                  for t in (*range(130, 155), 200, 255)], drops={"icmp-type": 27}),
    case("echo reply from inside answers through a static entry (RFC 7915 5.2)", NAT64 + """\
  static: [{protocol: icmp, inside: {address: "2001:db8:1::5", port: 9},
            outside: {address: 198.51.100.10, port: 700}}]
""", outside(IP(src=SERVER4, dst=POOL) / ICMP(type=8, id=700, seq=1) / b"ping"),
         to_inside(IPv6(src=SERVER6, dst=HOST, hlim=63) /
                   ICMPv6EchoRequest(id=9, seq=1, data=b"ping")),
         inside(IPv6(src=HOST, dst=SERVER6) / ICMPv6EchoReply(id=9, seq=1, data=b"ping")),
         to_outside(IP(src=POOL, dst=SERVER4, ttl=63, id=ANY) /
                    ICMP(type=0, id=700, seq=1) / b"ping")),
    case("error from the host itself leaves from its pool address (RFC 6146 3.6)", NAT64,
         *ANSWERED, inside(IPv6(src=HOST, dst=SERVER6) / ICMPv6DestUnreach(code=4) / SEEN6),
         error4(ICMP(type=3, code=3))),
    case("error about TCP: ports and sequence number are shown (RFC 7915 5.3)", NAT64, *SYN_OUT,
         error6(ICMPv6DestUnreach(code=0), IPv6(src=SERVER6, dst=HOST, hlim=48) /
                TCP(sport=80, dport=4000, seq=900, flags="SA", ack=101)),
         error4(ICMP(type=3, code=1), IP(src=SERVER4, dst=POOL, ttl=48, id=ANY) /
                TCP(sport=80, dport=PORT, seq=900, flags="SA", ack=101))),
    case("error about an echo reply: identifier and checksum translated (RFC 7915 5.3)", NAT64,
         *ECHO_OUT,
         error6(ICMPv6TimeExceeded(), IPv6(src=SERVER6, dst=HOST, hlim=1) /
                ICMPv6EchoReply(id=7, seq=3, data=b"ping")),
         error4(ICMP(type=11), IP(src=SERVER4, dst=POOL, ttl=1, id=ANY) /
                ICMP(type=0, id=PORT, seq=3) / b"ping")),
    case("error about a packet with extension headers: they are skipped (RFC 7915 5.3)", NAT64,
         *ANSWERED,
         error6(ICMPv6TimeExceeded(), IPv6(src=SERVER6, dst=HOST, hlim=1) / IPv6ExtHdrDestOpt() /
                UDP(sport=53, dport=4000) / b"answer"),
         error4(ICMP(type=11), IP(src=SERVER4, dst=POOL, ttl=1, id=ANY) /
                UDP(sport=53, dport=PORT) / b"answer")),
    case("error about a first fragment shows fragment fields (RFC 7915 5.3, 5.1.1)", NAT64,
         *ANSWERED,
         error6(ICMPv6TimeExceeded(code=1), IPv6(src=SERVER6, dst=HOST, hlim=48) /
                IPv6ExtHdrFragment(nh=17, id=0x12345678, m=1) /
                UDP(sport=53, dport=4000) / b"answer!!"),
         error4(ICMP(type=11, code=1), IP(src=SERVER4, dst=POOL, ttl=48, id=0x5678, flags="MF") /
                UDP(sport=53, dport=PORT) / b"answer!!")),
    case("error about a later fragment has no ports: dropped (RFC 6146 3.4)", NAT64, *ANSWERED,
         error6(ICMPv6TimeExceeded(code=1), IPv6(src=SERVER6, dst=HOST, hlim=48) /
                IPv6ExtHdrFragment(nh=17, id=0x12345678, offset=154) / bytes(32)),
         drops={"no-flow-icmp": 1}),
    case("error in an error is dropped (RFC 7915 5.3)", NAT64, *ANSWERED,
         error6(ICMPv6DestUnreach(code=0), IPv6(src=SERVER6, dst=HOST) / ICMPv6TimeExceeded() /
                IPv6(src=HOST, dst=SERVER6) / UDP(sport=4000, dport=53)), drops={"icmp-inner": 1}),
    case("error about a packet that was not ours is dropped (RFC 5508 REQ-4)", NAT64, *ANSWERED,
         error6(ICMPv6DestUnreach(code=0), IPv6(src=SERVER6, dst=HOST) /
                UDP(sport=53, dport=4001)), drops={"no-flow-icmp": 1}),
    case("error with a wrong checksum is dropped (RFC 5508 REQ-3)", NAT64, *ANSWERED,
         error6(ICMPv6DestUnreach(code=0, cksum=0x1234)), drops={"bad-icmp-checksum": 1}),
    case("wrong checksum of an echo stays wrong by as much (RFC 7915 5.5)", NAT64,
         inside(IPv6(src=HOST, dst=SERVER6) /
                ICMPv6EchoRequest(id=7, seq=3, data=b"ping", cksum=0x1234)),
         to_outside(IP(src=POOL, dst=SERVER4, ttl=63, id=ANY) / ICMP(
             type=8, id=PORT, seq=3,
             chksum=carried(0x1234,
                            checksum_of(IPv6(src=HOST, dst=SERVER6) /
                                        ICMPv6EchoRequest(id=7, seq=3, data=b"ping"), 42),
                            checksum_of(IP(src=POOL, dst=SERVER4) /
                                        ICMP(type=8, id=PORT, seq=3) / b"ping", 22))) / b"ping")),
    case("ICMPv4 error is not longer than 576 bytes (RFC 1812 4.3.2.3)", NAT64, *UDP_OUT,
         error6(ICMPv6DestUnreach(code=4), Raw(bytes(BIG6)[:1232])),
         to_outside(IP(src=POOL, dst=SERVER4, ttl=63, id=ANY) / ICMP(type=3, code=3) /
                    IP(src=SERVER4, dst=POOL, ttl=48, id=ANY, flags="DF", len=1300) /
                    UDP(sport=53, dport=PORT, len=1280, chksum=BIG_CHECKSUM4) /
                    bytes(576 - 56))),
    case("extension behind the datagram: length in units of 4 bytes (RFC 4884 4.4, 7915 5.2)",
         NAT64, *ANSWERED,
         error6(ICMPv6TimeExceeded(length=19), Raw(bytes(SEEN6).ljust(152, b"\0") + EXTENSION)),
         to_outside(IP(src=POOL, dst=SERVER4, ttl=63, id=ANY) / ICMP(type=11, length=32) /
                    IP(src=SERVER4, dst=POOL, ttl=48, id=ANY, len=34) /
                    UDP(sport=53, dport=PORT, len=14, chksum=checksum_of(
                        IP(src=SERVER4, dst=POOL) / UDP(sport=53, dport=PORT) / b"answer", 26)) /
                    (b"answer".ljust(128 - 28, b"\0") + EXTENSION))),
]


@each(CASES)
def test_icmp_6to4(case, spacing, tmp_path):
    case.check(spacing, tmp_path)
