"""services: one address of each family in front of nodes of either family (RFC 7915 and 7755)."""
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6DestUnreach, ICMPv6EchoRequest, ICMPv6PacketTooBig, ICMPv6TimeExceeded, IPv6,
    IPv6ExtHdrFragment)
from scapy.packet import Raw
from golden import ANY, Var, case, each, inside, outside, to_inside, to_outside, wait
from net import GATEWAY6


def service(nodes, more="", protocol="tcp"):
    return f"""\
services:
  - name: store
    addresses: [198.51.100.20, 2001:db8:20::20]
    protocol: {protocol}
    port: 9000
    nodes: [{nodes}]
    embed-prefix: 2001:db8:64:20::/96
    source: {{v4: 198.51.100.21, v6: "2001:db8:64:21::1"}}
{more}"""


NODE6 = "2001:db8:5::1"
NODE4 = "192.0.2.31"
ON6 = service("{name: store1, address: 2001:db8:5::1, port: 9001}")
ON4 = service("{name: store1, address: 192.0.2.31, port: 9001}")
UDP6 = service("{name: store1, address: 2001:db8:5::1, port: 9001}", protocol="udp")
TWO_NODES = ("{name: a, address: 2001:db8:5::1, port: 9001}, "
             "{name: b, address: 2001:db8:5::2, port: 9001}")
VIP4, VIP6 = "198.51.100.20", "2001:db8:20::20"
CLIENT4, CLIENT6 = "203.0.113.7", "3fff:7::9"
EMBEDDED = "2001:db8:64:20::203.0.113.7"
SOURCE4 = "198.51.100.21"


def syn(**more):
    return TCP(sport=4000, seq=100, **more)


OPEN_4TO6 = (
    outside(IP(src=CLIENT4, dst=VIP4) / syn(dport=9000)),
    to_inside(IPv6(src=EMBEDDED, dst=NODE6, hlim=63) / syn(dport=9001)),
)
OPEN_6TO6 = (
    outside(IPv6(src=CLIENT6, dst=VIP6) / syn(dport=9000)),
    to_inside(IPv6(src=CLIENT6, dst=NODE6, hlim=63) / syn(dport=9001)),
)
OPEN_4TO4 = (
    outside(IP(src=CLIENT4, dst=VIP4, id=7) / syn(dport=9000)),
    to_inside(IP(src=CLIENT4, dst=NODE4, ttl=63, id=7) / syn(dport=9001)),
)
SYN_ACK = dict(dport=4000, flags="SA", seq=900, ack=101)

CASES = [
    case("IPv4 client and IPv6 node: client embedded, answer from the VIP (RFC 7755)", ON6,
         *OPEN_4TO6,
         inside(IPv6(src=NODE6, dst=EMBEDDED) / TCP(sport=9001, **SYN_ACK)),
         to_outside(IP(src=VIP4, dst=CLIENT4, ttl=63, id=ANY) / TCP(sport=9000, **SYN_ACK)),
         outside(IP(src=CLIENT4, dst=VIP4, tos=0x20) /
                 TCP(sport=4000, dport=9000, flags="PA", seq=101, ack=901) / b"GET /"),
         to_inside(IPv6(src=EMBEDDED, dst=NODE6, hlim=63, tc=0x20) /
                   TCP(sport=4000, dport=9001, flags="PA", seq=101, ack=901) / b"GET /"),
         counts={"flows_created_services": 1}),
    case("IPv6 client and IPv6 node: client kept", ON6, *OPEN_6TO6,
         inside(IPv6(src=NODE6, dst=CLIENT6) / TCP(sport=9001, **SYN_ACK)),
         to_outside(IPv6(src=VIP6, dst=CLIENT6, hlim=63) / TCP(sport=9000, **SYN_ACK))),
    case("IPv4 client and IPv4 node: client kept", ON4, *OPEN_4TO4,
         inside(IP(src=NODE4, dst=CLIENT4, flags="DF", id=3) / TCP(sport=9001, **SYN_ACK)),
         to_outside(IP(src=VIP4, dst=CLIENT4, ttl=63, flags="DF", id=3) /
                    TCP(sport=9000, **SYN_ACK))),
    case("IPv6 client and IPv4 node: from the source address, one port per connection", ON4,
         outside(IPv6(src=CLIENT6, dst=VIP6) / syn(dport=9000)),
         to_inside(IP(src=SOURCE4, dst=NODE4, ttl=63, id=ANY) /
                   TCP(sport=Var("port", lambda p: p >= 1024), dport=9001, seq=100)),
         outside(IPv6(src=CLIENT6, dst=VIP6) /
                 TCP(sport=4000, dport=9000, seq=101, ack=1, flags="A")),
         to_inside(IP(src=SOURCE4, dst=NODE4, ttl=63, id=ANY) /
                   TCP(sport=Var("port"), dport=9001, seq=101, ack=1, flags="A")),
         counts={"flows_created_services": 1}),
    case("client hidden behind the source address if configured",
         service("{name: store1, address: 192.0.2.31, port: 9001}", "    client-address: hide\n"),
         outside(IP(src=CLIENT4, dst=VIP4, id=7) / syn(dport=9000)),
         to_inside(IP(src=SOURCE4, dst=NODE4, ttl=63, id=7) /
                   TCP(sport=Var("port", lambda p: p >= 1024), dport=9001, seq=100))),
    case("UDP service of the other family", UDP6,
         outside(IP(src=CLIENT4, dst=VIP4) / UDP(sport=4000, dport=9000) / b"q"),
         to_inside(IPv6(src=EMBEDDED, dst=NODE6, hlim=63) / UDP(sport=4000, dport=9001) / b"q"),
         inside(IPv6(src=NODE6, dst=EMBEDDED) / UDP(sport=9001, dport=4000) / b"a"),
         to_outside(IP(src=VIP4, dst=CLIENT4, ttl=63, id=ANY) /
                    UDP(sport=9000, dport=4000) / b"a")),
    case("MSS of a translated connection is clamped, both ways", ON6,
         outside(IP(src=CLIENT4, dst=VIP4) / syn(dport=9000, options=[("MSS", 1460)])),
         to_inside(IPv6(src=EMBEDDED, dst=NODE6, hlim=63) /
                   syn(dport=9001, options=[("MSS", 1440)])),
         inside(IPv6(src=NODE6, dst=EMBEDDED) /
                TCP(sport=9001, options=[("MSS", 8940)], **SYN_ACK)),
         to_outside(IP(src=VIP4, dst=CLIENT4, ttl=63, id=ANY) /
                    TCP(sport=9000, options=[("MSS", 1440)], **SYN_ACK))),
    case("a node's connections to a third party are none of the service's", ON6, *OPEN_4TO6,
         inside(IPv6(src=NODE6, dst="3fff::1") / TCP(sport=4444, dport=80)),
         to_inside(IPv6(src=GATEWAY6, dst=NODE6, hlim=ANY) / ICMPv6DestUnreach(code=0) /
                   IPv6(src=NODE6, dst="3fff::1") / TCP(sport=4444, dport=80)),
         drops={"no-policy": 1}),
    # what is refused
    case("another port of the VIP is refused", ON6,
         outside(IP(src=CLIENT4, dst=VIP4) / syn(dport=22)),
         to_outside(IP(src=VIP4, dst=CLIENT4, ttl=ANY, id=ANY, flags="DF") /
                    TCP(sport=22, dport=4000, flags="RA", seq=0, ack=101, window=0)),
         outside(IPv6(src=CLIENT6, dst=VIP6) / syn(dport=22)),
         to_outside(IPv6(src=VIP6, dst=CLIENT6, hlim=ANY) /
                    TCP(sport=22, dport=4000, flags="RA", seq=0, ack=101, window=0)),
         drops={"service-protocol": 2}),
    case("another protocol to the VIP is port unreachable (RFC 1122 3.2.2.1)", ON6,
         outside(IP(src=CLIENT4, dst=VIP4) / UDP(sport=4000, dport=9000)),
         to_outside(IP(src=VIP4, dst=CLIENT4, ttl=ANY, id=ANY, tos=ANY) /
                    ICMP(type=3, code=3) / IP(src=CLIENT4, dst=VIP4) /
                    UDP(sport=4000, dport=9000)), drops={"service-protocol": 1}),
    case("ACK without a connection is not the start of one (RFC 9293 3.5.2)", ON6,
         outside(IP(src=CLIENT4, dst=VIP4) / TCP(sport=4000, dport=9000, flags="A", ack=77)),
         to_outside(IP(src=VIP4, dst=CLIENT4, ttl=ANY, id=ANY, flags="DF") /
                    TCP(sport=9000, dport=4000, flags="R", seq=77, window=0)),
         drops={"no-flow": 1}),
    case("node without a flow is not heard", ON6,
         inside(IPv6(src=NODE6, dst=EMBEDDED) / TCP(sport=9001, **SYN_ACK)),
         drops={"node-no-flow": 1}),
    case("no node of a weight: refused", service(
        "{name: store1, address: 2001:db8:5::1, port: 9001, weight: 0}"),
         outside(IP(src=CLIENT4, dst=VIP4) / syn(dport=9000)),
         to_outside(IP(src=VIP4, dst=CLIENT4, ttl=ANY, id=ANY, flags="DF") /
                    TCP(sport=9000, dport=4000, flags="RA", seq=0, ack=101, window=0)),
         drops={"no-node": 1}),
    case("node's address is not reached from outside", ON6,
         outside(IPv6(src=CLIENT6, dst=NODE6) / syn(dport=9001)), drops={"no-policy": 1}),
    # errors and sizes
    case("error about an answer reaches the node: embedded packet translated (RFC 7915 4.3)", ON6,
         *OPEN_4TO6,
         inside(IPv6(src=NODE6, dst=EMBEDDED) / TCP(sport=9001, **SYN_ACK)),
         to_outside(IP(src=VIP4, dst=CLIENT4, ttl=63, id=ANY) / TCP(sport=9000, **SYN_ACK)),
         outside(IP(src="203.0.113.1", dst=VIP4) / ICMP(type=3, code=4, nexthopmtu=1400) /
                 IP(src=VIP4, dst=CLIENT4, ttl=60, id=1) / TCP(sport=9000, **SYN_ACK)),
         to_inside(IPv6(src="2001:db8:64:20::203.0.113.1", dst=NODE6, hlim=63) /
                   ICMPv6PacketTooBig(mtu=1420) /
                   IPv6(src=NODE6, dst=EMBEDDED, hlim=60) / TCP(sport=9001, **SYN_ACK))),
    case("error about an answer within a family reaches the node (RFC 5508 REQ-4)", ON6,
         *OPEN_6TO6,
         outside(IPv6(src="3fff:7::1", dst=VIP6) / ICMPv6PacketTooBig(mtu=1400) /
                 IPv6(src=VIP6, dst=CLIENT6, hlim=60) / TCP(sport=9000, **SYN_ACK)),
         to_inside(IPv6(src="3fff:7::1", dst=NODE6, hlim=63) / ICMPv6PacketTooBig(mtu=1400) /
                   IPv6(src=NODE6, dst=CLIENT6, hlim=60) / TCP(sport=9001, **SYN_ACK))),
    case("error from a router before the node reaches the client from the VIP", ON6, *OPEN_4TO6,
         inside(IPv6(src="2001:db8:5::ff", dst=EMBEDDED) / ICMPv6DestUnreach(code=3) /
                IPv6(src=EMBEDDED, dst=NODE6, hlim=60) / syn(dport=9001)),
         to_outside(IP(src=VIP4, dst=CLIENT4, ttl=63, id=ANY) / ICMP(type=3, code=1) /
                    IP(src=CLIENT4, dst=VIP4, ttl=60, id=ANY) / syn(dport=9000))),
    case("error within IPv4 keeps type and MTU (RFC 5508 REQ-4)", ON4, *OPEN_4TO4,
         outside(IP(src="203.0.113.1", dst=VIP4, id=5) / ICMP(type=3, code=4, nexthopmtu=1400) /
                 IP(src=VIP4, dst=CLIENT4, ttl=60, id=1) / TCP(sport=9000, **SYN_ACK)),
         to_inside(IP(src="203.0.113.1", dst=NODE4, ttl=63, id=5) /
                   ICMP(type=3, code=4, nexthopmtu=1400) /
                   IP(src=NODE4, dst=CLIENT4, ttl=60, id=1) / TCP(sport=9001, **SYN_ACK))),
    case("time to live expires for the client, told by the VIP", ON6,
         outside(IP(src=CLIENT4, dst=VIP4, ttl=1) / syn(dport=9000)),
         to_outside(IP(src=VIP4, dst=CLIENT4, ttl=ANY, id=ANY, tos=ANY) /
                    ICMP(type=11) / IP(src=CLIENT4, dst=VIP4, ttl=1) / syn(dport=9000)),
         drops={"hop-limit": 1}),
    case("hop limit expires for the node", ON6, *OPEN_4TO6,
         inside(IPv6(src=NODE6, dst=EMBEDDED, hlim=1) / TCP(sport=9001, **SYN_ACK)),
         to_inside(IPv6(src=GATEWAY6, dst=NODE6, hlim=ANY) / ICMPv6TimeExceeded() /
                   IPv6(src=NODE6, dst=EMBEDDED, hlim=1) / TCP(sport=9001, **SYN_ACK)),
         drops={"hop-limit": 1}),
    case("fragments to a UDP service, the first last", UDP6,
         outside(IP(src=CLIENT4, dst=VIP4, proto=17, id=9, frag=10) / Raw(b"x" * 20)),
         outside(IP(src=CLIENT4, dst=VIP4, id=9, flags="MF") /
                 UDP(sport=4000, dport=9000, len=100) / bytes(72)),
         to_inside(
             lambda seen: IPv6(src=EMBEDDED, dst=NODE6, hlim=63) /
             IPv6ExtHdrFragment(nh=17, id=9, m=1) /
             UDP(sport=4000, dport=9001, len=100, chksum=ANY) / bytes(72),
             IPv6(src=EMBEDDED, dst=NODE6, hlim=63) /
             IPv6ExtHdrFragment(nh=17, id=9, offset=10) / Raw(b"x" * 20))),
    case("echo request to the VIP is answered by it (RFC 1122 3.2.2.6)", ON6,
         outside(IP(src=CLIENT4, dst=VIP4) / ICMP(type=8, id=1, seq=1)),
         to_outside(IP(src=VIP4, dst=CLIENT4, ttl=ANY, id=ANY) / ICMP(type=0, id=1, seq=1)),
         outside(IPv6(src=CLIENT6, dst=VIP6) / ICMPv6EchoRequest(id=1, seq=1)),
         to_outside(IPv6(src=VIP6, dst=CLIENT6, hlim=ANY) / ICMPv6EchoRequest(
             type=129, id=1, seq=1))),
    # schedulers and lifetimes
    case("round robin gives each node its turn; a connection stays where it is", service(
        TWO_NODES,
        "    scheduler: round-robin\n"), *[step for n in (1, 2, 3, 4) for step in (
            outside(IPv6(src=CLIENT6, dst=VIP6) / TCP(sport=4000 + n, dport=9000)),
            to_inside(IPv6(src=CLIENT6, dst=Var(f"node{n % 2}"), hlim=63) /
                      TCP(sport=4000 + n, dport=9001)),
            outside(IPv6(src=CLIENT6, dst=VIP6) /
                    TCP(sport=4000 + n, dport=9000, seq=1, flags="A")),
            to_inside(IPv6(src=CLIENT6, dst=Var(f"node{n % 2}"), hlim=63) /
                      TCP(sport=4000 + n, dport=9001, seq=1, flags="A")))], batch=False),
    case("maglev gives one client's port always the same node", service(
        TWO_NODES,
        "    scheduler: maglev\n"), *[step for n in (1, 2, 3) for step in (
            outside(IPv6(src=CLIENT6, dst=VIP6) / TCP(sport=4000, dport=9000)),
            to_inside(IPv6(src=CLIENT6, dst=Var("node"), hlim=63) /
                      TCP(sport=4000, dport=9001)), wait(1000))]),
]


@each(CASES)
def test_services(case, spacing, tmp_path):
    case.check(spacing, tmp_path)
