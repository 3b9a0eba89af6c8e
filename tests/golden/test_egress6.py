"""egress6: flows begin inside, nobody begins one from outside (RFC 6092, 4890, BCP 38)."""
from scapy.layers.inet import TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6PacketTooBig,
    ICMPv6ParamProblem, ICMPv6TimeExceeded, ICMPv6Unknown, IPv6, IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment, IPv6ExtHdrRouting)
from scapy.packet import Raw
from golden import ANY, case, each, inside, outside, to_inside, to_outside, wait
from net import GATEWAY6

EGRESS = "egress6: {prefixes: ['2001:db8:100::/56']}\n"
REJECT = "egress6: {prefixes: ['2001:db8:100::/56'], unsolicited: reject}\n"
RESET = "egress6: {prefixes: ['2001:db8:100::/56'], unsolicited: reset}\n"
PING = "egress6: {prefixes: ['2001:db8:100::/56'], ping-inside: true}\n"
PINHOLE = """\
egress6:
  prefixes: ['2001:db8:100::/56']
  allow:
    - {protocol: tcp, destination: 2001:db8:100::80, port: [80, 443]}
    - {protocol: udp, destination: "2001:db8:100:2::/64"}
"""
HOST = "2001:db8:100::5"
WEB = "2001:db8:100::80"
PEER = "3fff:2::1"  # outside
ROUTER = "3fff:1::1"

UDP_OUT = (
    inside(IPv6(src=HOST, dst=PEER) / UDP(sport=4000, dport=53) / b"question"),
    to_outside(IPv6(src=HOST, dst=PEER, hlim=63) / UDP(sport=4000, dport=53) / b"question"),
)
SYN_OUT = (
    inside(IPv6(src=HOST, dst=PEER) / TCP(sport=4000, dport=80, seq=100)),
    to_outside(IPv6(src=HOST, dst=PEER, hlim=63) / TCP(sport=4000, dport=80, seq=100)),
)
PING_OUT = (
    inside(IPv6(src=HOST, dst=PEER) / ICMPv6EchoRequest(id=7, seq=1, data=b"p")),
    to_outside(IPv6(src=HOST, dst=PEER, hlim=63) / ICMPv6EchoRequest(id=7, seq=1, data=b"p")),
)
SEEN = IPv6(src=HOST, dst=PEER, hlim=60) / UDP(sport=4000, dport=53) / b"question"


def peer(packet):
    return outside(IPv6(src=PEER, dst=HOST) / packet)


def peer_seen(packet):
    return to_inside(IPv6(src=PEER, dst=HOST, hlim=63) / packet)


def error(icmp, embedded=SEEN):
    return outside(IPv6(src=ROUTER, dst=HOST, hlim=64) / icmp / embedded)


def passes(what, icmp):
    return case(f"{what} about a flow passes unchanged (RFC 6092 REC-10, 4890 4.3)", EGRESS,
                *UDP_OUT, error(icmp), to_inside(IPv6(src=ROUTER, dst=HOST, hlim=63) /
                                                 icmp / SEEN))


def unsolicited(what, packet):
    return case(f"{what} from outside is dropped (RFC 6092)", EGRESS, peer(packet),
                drops={"unsolicited": 1})


def refused(what, side, packet, reason):
    return case(f"{what}: {reason}", EGRESS, *UDP_OUT, side(packet), drops={reason: 1})


def rejected(what, config, packet, *answer):
    whole = IPv6(src=PEER, dst=HOST) / packet
    return case(f"{what} (RFC 6092 REC-34)", config, outside(whole),
                to_outside(*[a(whole) for a in answer]), drops={"unsolicited": 1})


def prohibited(whole):
    return (IPv6(src=GATEWAY6, dst=PEER, hlim=ANY) / ICMPv6DestUnreach(code=1) /
            Raw(bytes(whole)))


SEGMENT = bytes(range(200)) * 5
FIRST = IPv6ExtHdrFragment(nh=17, id=77, m=1)
LAST = IPv6ExtHdrFragment(nh=17, id=77, offset=63)
LONG = bytes(IPv6(src=HOST, dst=PEER) / UDP(sport=4000, dport=53) / SEGMENT)[40:]
LONG_BACK = bytes(IPv6(src=PEER, dst=HOST) / UDP(sport=53, dport=4000) / SEGMENT)[40:]

CASES = [
    case("from inside for an inside host goes nowhere, nor comes anything in its name (BCP 38)", EGRESS,
         inside(IPv6(src=HOST, dst=WEB) / UDP(sport=4000, dport=53) / b"q"),
         to_inside(IPv6(src=GATEWAY6, dst=HOST, hlim=ANY) / ICMPv6DestUnreach(code=0) /
                   Raw(bytes(IPv6(src=HOST, dst=WEB) / UDP(sport=4000, dport=53) / b"q"))),
         outside(IPv6(src=WEB, dst=HOST) / UDP(sport=53, dport=4000) / b"a"),
         drops={"no-policy": 1, "spoofed-inside": 1}),
    case("UDP from inside and its answer pass, only the hop limit changes (RFC 6092 REC-14)",
         EGRESS,
         inside(IPv6(src=HOST, dst=PEER, tc=0x2e, fl=0x12345) / UDP(sport=4000, dport=53) / b"q"),
         to_outside(IPv6(src=HOST, dst=PEER, tc=0x2e, fl=0x12345, hlim=63) /
                    UDP(sport=4000, dport=53) / b"q"),
         outside(IPv6(src=PEER, dst=HOST, tc=0x2e, fl=0x54321) / UDP(sport=53, dport=4000) / b"a"),
         to_inside(IPv6(src=PEER, dst=HOST, tc=0x2e, fl=0x54321, hlim=63) /
                   UDP(sport=53, dport=4000) / b"a"), counts={"flows_created_egress6": 1}),
    case("TCP connection passes (RFC 6092 REC-31)", EGRESS, *SYN_OUT,
         peer(TCP(sport=80, dport=4000, flags="SA", seq=900, ack=101)),
         peer_seen(TCP(sport=80, dport=4000, flags="SA", seq=900, ack=101)),
         inside(IPv6(src=HOST, dst=PEER) /
                TCP(sport=4000, dport=80, flags="A", seq=101, ack=901) / b"x"),
         to_outside(IPv6(src=HOST, dst=PEER, hlim=63) /
                    TCP(sport=4000, dport=80, flags="A", seq=101, ack=901) / b"x"),
         counts={"flows_created_egress6": 1}),
    case("simultaneous open passes (RFC 6092 REC-31)", EGRESS, *SYN_OUT,
         peer(TCP(sport=80, dport=4000, flags="S", seq=900)),
         peer_seen(TCP(sport=80, dport=4000, flags="S", seq=900))),
    case("connection begun before we were there is picked up from inside (RFC 6092 REC-32)",
         EGRESS,
         inside(IPv6(src=HOST, dst=PEER) / TCP(sport=4000, dport=80, flags="A", seq=5, ack=6)),
         to_outside(IPv6(src=HOST, dst=PEER, hlim=63) /
                    TCP(sport=4000, dport=80, flags="A", seq=5, ack=6)),
         peer(TCP(sport=80, dport=4000, flags="A", seq=6, ack=5) / b"x"),
         peer_seen(TCP(sport=80, dport=4000, flags="A", seq=6, ack=5) / b"x")),
    case("MSS is not clamped: nothing is translated", EGRESS,
         inside(IPv6(src=HOST, dst=PEER) / TCP(sport=4000, dport=80, options=[("MSS", 1440)])),
         to_outside(IPv6(src=HOST, dst=PEER, hlim=63) /
                    TCP(sport=4000, dport=80, options=[("MSS", 1440)]))),
    case("echo from inside and its reply pass", EGRESS, *PING_OUT,
         peer(ICMPv6EchoReply(id=7, seq=1, data=b"p")),
         peer_seen(ICMPv6EchoReply(id=7, seq=1, data=b"p"))),
    case("ESP, SCTP and others from inside and their answers pass (RFC 6092 REC-11, 21)", EGRESS,
         *[step for nh in (50, 47, 132, 136, 253) for step in (
             inside(IPv6(src=HOST, dst=PEER, nh=nh) / Raw(bytes([nh, 4, 1, 2] * 8))),
             to_outside(IPv6(src=HOST, dst=PEER, nh=nh, hlim=63) / Raw(bytes([nh, 4, 1, 2] * 8))),
             outside(IPv6(src=PEER, dst=HOST, nh=nh) / Raw(bytes([nh, 4, 1, 2] * 8))),
             to_inside(IPv6(src=PEER, dst=HOST, nh=nh, hlim=63) / Raw(bytes([nh, 4, 1, 2] * 8))))]),
    case("wrong checksum is not ours to judge nor to mend (RFC 1812 5.2.2)", EGRESS,
         inside(IPv6(src=HOST, dst=PEER) / UDP(sport=4000, dport=53, chksum=0x1234) / b"q"),
         to_outside(IPv6(src=HOST, dst=PEER, hlim=63) /
                    UDP(sport=4000, dport=53, chksum=0x1234) / b"q")),
    case("UDP without a checksum, as tunnels send it, passes as it is (RFC 6936)", EGRESS,
         inside(IPv6(src=HOST, dst=PEER) / UDP(sport=4000, dport=4789, chksum=0) / b"q"),
         to_outside(IPv6(src=HOST, dst=PEER, hlim=63) / UDP(sport=4000, dport=4789, chksum=0) /
                    b"q"),
         peer(UDP(sport=4789, dport=4000, chksum=0) / b"a"),
         peer_seen(UDP(sport=4789, dport=4000, chksum=0) / b"a")),
    case("extension headers pass as they are (RFC 8200 4)", EGRESS,
         inside(IPv6(src=HOST, dst=PEER) / IPv6ExtHdrDestOpt() / UDP(sport=4000, dport=53) / b"q"),
         to_outside(IPv6(src=HOST, dst=PEER, hlim=63) / IPv6ExtHdrDestOpt() /
                    UDP(sport=4000, dport=53) / b"q")),
    case("fragments pass as they are, both ways", EGRESS,
         inside(IPv6(src=HOST, dst=PEER) / FIRST / Raw(LONG[:504])),
         to_outside(IPv6(src=HOST, dst=PEER, hlim=63) / FIRST / Raw(LONG[:504])),
         inside(IPv6(src=HOST, dst=PEER) / LAST /
                Raw(LONG[504:])),
         to_outside(IPv6(src=HOST, dst=PEER, hlim=63) /
                    LAST / Raw(LONG[504:])),
         outside(IPv6(src=PEER, dst=HOST) / FIRST / Raw(LONG_BACK[:504])),
         to_inside(IPv6(src=PEER, dst=HOST, hlim=63) / FIRST / Raw(LONG_BACK[:504])),
         outside(IPv6(src=PEER, dst=HOST) / LAST /
                 Raw(LONG_BACK[504:])),
         to_inside(IPv6(src=PEER, dst=HOST, hlim=63) /
                   LAST / Raw(LONG_BACK[504:]))),
    case("later fragment from outside before the first waits for it", EGRESS, *UDP_OUT,
         outside(IPv6(src=PEER, dst=HOST) / LAST /
                 Raw(LONG_BACK[504:])),
         outside(IPv6(src=PEER, dst=HOST) / FIRST / Raw(LONG_BACK[:504])),
         to_inside(IPv6(src=PEER, dst=HOST, hlim=63) / FIRST / Raw(LONG_BACK[:504]),
                   IPv6(src=PEER, dst=HOST, hlim=63) /
                   LAST / Raw(LONG_BACK[504:]))),
    case("fragments from outside that nobody asked for", EGRESS,
         outside(IPv6(src=PEER, dst=HOST) / FIRST / Raw(LONG_BACK[:504])),
         outside(IPv6(src=PEER, dst=HOST) / LAST / Raw(LONG_BACK[504:])),
         drops={"unsolicited": 2}),
    # nobody begins a flow from outside
    unsolicited("UDP", UDP(sport=53, dport=4000) / b"x"),
    unsolicited("SYN", TCP(sport=80, dport=4000)),
    unsolicited("SYN and ACK", TCP(sport=80, dport=4000, flags="SA", ack=1)),
    unsolicited("ACK", TCP(sport=80, dport=4000, flags="A", ack=1)),
    unsolicited("echo request", ICMPv6EchoRequest(id=1, seq=1)),
    unsolicited("echo reply", ICMPv6EchoReply(id=1, seq=1)),
    case("another peer, another port, another protocol: none of them is an answer (REC-17, 33)",
         EGRESS, *UDP_OUT, outside(IPv6(src=ROUTER, dst=HOST) / UDP(sport=53, dport=4000)),
         peer(UDP(sport=54, dport=4000)), peer(UDP(sport=53, dport=4001)),
         peer(TCP(sport=53, dport=4000)), drops={"unsolicited": 4}),
    rejected("UDP is told prohibited if configured", REJECT, UDP(sport=53, dport=4000) / b"x",
             prohibited),
    rejected("SYN is told prohibited if configured", REJECT, TCP(sport=80, dport=4000),
             prohibited),
    rejected("SYN is reset if configured", RESET, TCP(sport=80, dport=4000, seq=900),
             lambda whole: IPv6(src=HOST, dst=PEER, hlim=ANY) /
             TCP(sport=4000, dport=80, flags="RA", seq=0, ack=901, window=0)),
    rejected("ACK is reset at its sequence number if configured (RFC 9293 3.5.2)", RESET,
             TCP(sport=80, dport=4000, flags="A", seq=900, ack=77),
             lambda whole: IPv6(src=HOST, dst=PEER, hlim=ANY) /
             TCP(sport=4000, dport=80, flags="R", seq=77, window=0)),
    case("RST is never answered by one (RFC 9293 3.5.2)", RESET,
         peer(TCP(sport=80, dport=4000, flags="R", seq=900)), drops={"unsolicited": 1}),
    # pinholes
    case("pinhole for TCP opens its host and ports only", PINHOLE,
         outside(IPv6(src=PEER, dst=WEB) / TCP(sport=99, dport=443)),
         to_inside(IPv6(src=PEER, dst=WEB, hlim=63) / TCP(sport=99, dport=443)),
         inside(IPv6(src=WEB, dst=PEER) / TCP(sport=443, dport=99, flags="SA", ack=1)),
         to_outside(IPv6(src=WEB, dst=PEER, hlim=63) /
                    TCP(sport=443, dport=99, flags="SA", ack=1)),
         outside(IPv6(src=PEER, dst=WEB) / TCP(sport=99, dport=22)),
         outside(IPv6(src=PEER, dst=WEB) / UDP(sport=99, dport=443)),
         peer(TCP(sport=99, dport=443)), drops={"unsolicited": 3}),
    case("pinhole for UDP to a prefix opens all its ports", PINHOLE,
         outside(IPv6(src=PEER, dst="2001:db8:100:2::9") / UDP(sport=99, dport=1234)),
         to_inside(IPv6(src=PEER, dst="2001:db8:100:2::9", hlim=63) / UDP(sport=99, dport=1234)),
         outside(IPv6(src=PEER, dst="2001:db8:100:3::9") / UDP(sport=99, dport=1234)),
         drops={"unsolicited": 1}),
    case("echo request from outside passes if configured, its reply too", PING,
         peer(ICMPv6EchoRequest(id=1, seq=1)), peer_seen(ICMPv6EchoRequest(id=1, seq=1)),
         inside(IPv6(src=HOST, dst=PEER) / ICMPv6EchoReply(id=1, seq=1)),
         to_outside(IPv6(src=HOST, dst=PEER, hlim=63) / ICMPv6EchoReply(id=1, seq=1))),
    # ICMPv6 errors
    *[passes(f"destination unreachable code {c}", ICMPv6DestUnreach(code=c)) for c in range(7)],
    passes("packet too big", ICMPv6PacketTooBig(mtu=1400)),
    passes("hop limit exceeded", ICMPv6TimeExceeded(code=0)),
    passes("reassembly time exceeded", ICMPv6TimeExceeded(code=1)),
    passes("parameter problem", ICMPv6ParamProblem(code=0, ptr=40)),
    passes("unknown next header", ICMPv6ParamProblem(code=1, ptr=6)),
    case("error about no flow is dropped (RFC 6092 REC-10)", EGRESS, *UDP_OUT,
         error(ICMPv6PacketTooBig(mtu=1280),
               IPv6(src=HOST, dst=PEER) / UDP(sport=4001, dport=53)),
         error(ICMPv6DestUnreach(code=4), IPv6(src=HOST, dst=ROUTER) / UDP(sport=4000, dport=53)),
         drops={"no-flow-icmp": 2}),
    case("error in an error is dropped", EGRESS, *UDP_OUT,
         error(ICMPv6DestUnreach(code=0), IPv6(src=HOST, dst=PEER) / ICMPv6TimeExceeded() /
               IPv6(src=PEER, dst=HOST) / UDP(sport=53, dport=4000)), drops={"icmp-inner": 1}),
    case("error about an extension header's packet passes (RFC 6092 REC-10)", EGRESS,
         inside(IPv6(src=HOST, dst=PEER) / IPv6ExtHdrDestOpt() / UDP(sport=4000, dport=53)),
         to_outside(IPv6(src=HOST, dst=PEER, hlim=63) / IPv6ExtHdrDestOpt() /
                    UDP(sport=4000, dport=53)),
         error(ICMPv6TimeExceeded(), IPv6(src=HOST, dst=PEER, hlim=0) / IPv6ExtHdrDestOpt() /
               UDP(sport=4000, dport=53)),
         to_inside(IPv6(src=ROUTER, dst=HOST, hlim=63) / ICMPv6TimeExceeded() /
                   IPv6(src=HOST, dst=PEER, hlim=0) / IPv6ExtHdrDestOpt() /
                   UDP(sport=4000, dport=53))),
    case("error from a host inside about an answer passes", EGRESS, *UDP_OUT,
         inside(IPv6(src=HOST, dst=PEER) / ICMPv6DestUnreach(code=4) /
                IPv6(src=PEER, dst=HOST) / UDP(sport=53, dport=4000) / b"a"),
         to_outside(IPv6(src=HOST, dst=PEER, hlim=63) / ICMPv6DestUnreach(code=4) /
                    IPv6(src=PEER, dst=HOST) / UDP(sport=53, dport=4000) / b"a")),
    case("error does not end the flow (RFC 6092 REC-19)", EGRESS, *UDP_OUT,
         error(ICMPv6DestUnreach(code=4)),
         to_inside(IPv6(src=ROUTER, dst=HOST, hlim=63) / ICMPv6DestUnreach(code=4) / SEEN),
         peer(UDP(sport=53, dport=4000) / b"a"), peer_seen(UDP(sport=53, dport=4000) / b"a")),
    case("neighbour discovery and MLD are not forwarded (RFC 4890 4.3.4)", EGRESS,
         *[inside(IPv6(src=HOST, dst=PEER, hlim=255) / ICMPv6Unknown(type=t, msgbody=bytes(20)))
           for t in (130, 131, 132, 133, 134, 135, 136, 137, 143)], drops={"icmp-type": 9}),
    # addresses
    case("source that is not ours from inside is told so (RFC 6092 REC-5, RFC 4443 3.1)", EGRESS,
         inside(IPv6(src="3fff:9::1", dst=PEER) / UDP(sport=1, dport=2)),
         to_inside(IPv6(src=GATEWAY6, dst="3fff:9::1", hlim=ANY) / ICMPv6DestUnreach(code=5) /
                   IPv6(src="3fff:9::1", dst=PEER) / UDP(sport=1, dport=2)),
         drops={"source-not-inside": 1}),
    refused("source of ours from outside (RFC 6092 REC-6)", outside,
            IPv6(src="2001:db8:100::9", dst=HOST) / UDP(sport=1, dport=2), "spoofed-inside"),
    refused("multicast source (RFC 6092 REC-1)", outside,
            IPv6(src="ff0e::1", dst=HOST) / UDP(sport=1, dport=2), "bad-address"),
    refused("multicast destination from outside (RFC 6092 REC-2)", outside,
            IPv6(src=PEER, dst="ff05::1") / UDP(sport=1, dport=2), "multicast"),
    refused("multicast destination from inside (RFC 6092 REC-2)", inside,
            IPv6(src=HOST, dst="ff05::1") / UDP(sport=1, dport=2), "multicast"),
    refused("mapped source (RFC 6092 REC-3, RFC 4291 2.5.5.2)", outside,
            IPv6(src="::ffff:192.0.2.1", dst=HOST) / UDP(sport=1, dport=2), "bad-address"),
    refused("mapped destination (RFC 6092 REC-3)", inside,
            IPv6(src=HOST, dst="::ffff:192.0.2.1") / UDP(sport=1, dport=2), "bad-address"),
    refused("link-local destination (RFC 4291 2.5.6)", inside,
            IPv6(src=HOST, dst="fe80::1") / UDP(sport=1, dport=2), "link-local"),
    refused("link-local source from outside (RFC 4291 2.5.6)", outside,
            IPv6(src="fe80::1", dst=HOST) / UDP(sport=1, dport=2), "link-local"),
    case("routing header type 0 with segments left is refused (RFC 6092 REC-4, RFC 5095)", EGRESS,
         *UDP_OUT, outside(IPv6(src=PEER, dst=HOST) /
                           IPv6ExtHdrRouting(type=0, segleft=1, addresses=["2001:db8:100::6"]) /
                           UDP(sport=53, dport=4000)),
         to_outside(IPv6(src=GATEWAY6, dst=PEER, hlim=ANY) / ICMPv6ParamProblem(ptr=43) /
                    Raw(bytes(IPv6(src=PEER, dst=HOST) / IPv6ExtHdrRouting(
                        type=0, segleft=1, addresses=["2001:db8:100::6"]) /
                              UDP(sport=53, dport=4000)))), drops={"source-route": 1}),
    # hop limit, lifetimes
    case("hop limit expires for who is inside (RFC 4443 3.3)", EGRESS,
         inside(IPv6(src=HOST, dst=PEER, hlim=1) / UDP(sport=4000, dport=53)),
         to_inside(IPv6(src=GATEWAY6, dst=HOST, hlim=ANY) / ICMPv6TimeExceeded() /
                   IPv6(src=HOST, dst=PEER, hlim=1) / UDP(sport=4000, dport=53)),
         drops={"hop-limit": 1}),
    case("UDP flow lives 5 minutes, refreshed by packets out (RFC 6092 REC-14, 16)", EGRESS,
         *UDP_OUT, wait(290), *UDP_OUT, wait(290), peer(UDP(sport=53, dport=4000)),
         peer_seen(UDP(sport=53, dport=4000)), wait(700), peer(UDP(sport=53, dport=4000)),
         drops={"unsolicited": 1}),
    case("established connection lives two hours (RFC 6092 REC-35)", EGRESS, *SYN_OUT,
         peer(TCP(sport=80, dport=4000, flags="SA", seq=900, ack=101)),
         peer_seen(TCP(sport=80, dport=4000, flags="SA", seq=900, ack=101)), wait(1),
         inside(IPv6(src=HOST, dst=PEER) / TCP(sport=4000, dport=80, flags="A", seq=101, ack=901)),
         to_outside(IPv6(src=HOST, dst=PEER, hlim=63) /
                    TCP(sport=4000, dport=80, flags="A", seq=101, ack=901)), wait(7400),
         peer(TCP(sport=80, dport=4000, flags="A", seq=901, ack=101) / b"x"),
         peer_seen(TCP(sport=80, dport=4000, flags="A", seq=901, ack=101) / b"x")),
    case("SYN that was not answered is forgotten after 4 minutes (RFC 6092 REC-35)", EGRESS,
         *SYN_OUT, wait(241), peer(TCP(sport=80, dport=4000, flags="SA", seq=900, ack=101)),
         drops={"unsolicited": 1}),
]


@each(CASES)
def test_egress6(case, spacing, tmp_path):
    case.check(spacing, tmp_path)
