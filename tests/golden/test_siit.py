"""Stateless translation: explicit mappings, RFC 6052, hairpins, errors, fragments (RFC 7757, 7915, 6791)."""
import socket
import struct

from scapy.layers.inet import ICMP, IP, TCP, UDP, in4_chksum
from scapy.layers.inet6 import (ICMPv6DestUnreach, ICMPv6EchoRequest, ICMPv6TimeExceeded, IPv6, IPv6ExtHdrFragment, in6_chksum)
from scapy.packet import Raw
from scapy.utils import checksum
from golden import ANY, case, each, inside, outside, to_inside, to_outside

SIIT = """\
siit:
  prefix: 2001:db8:100::/40
  eam:
    - {v4: 1.0.0.0/24, v6: 2001:db8:3::/120}
  icmp4-source: [203.0.113.8]
  icmp6-source: 2001:db8::2
"""
EAM_ONLY = """\
siit:
  eam: [{v4: 1.0.0.0/24, v6: 2001:db8:3::/120}, {v4: 2.0.0.0/24, v6: 2001:db8:4::/120}]
  icmp4-source: [203.0.113.8]
  icmp6-source: 2001:db8::2
"""
CLAT = """\
siit:
  clat: {plat-prefix: 64:ff9b::/96, source: 2001:db8:464::/96, hosts: [192.168.0.0/24]}
"""
CLAT_SINGLE = """\
siit:
  clat: {plat-prefix: 64:ff9b::/96, source: 2001:db8:464::1, hosts: 192.0.0.1}
"""
LAN4, LAN6 = "192.168.0.7", "2001:db8:464::c0a8:7"  # an IPv4 host inside, and how the provider sees it
FAR4, FAR6 = "9.9.9.9", "64:ff9b::909:909"
HOST6, HOST4 = "2001:db8:1c0:2:21::", "192.0.2.33"  # an IPv6 host with an IPv4-translatable address
PEER6, PEER4 = "2001:db8:1c6:3364:2::", "198.51.100.2"  # an IPv4 host, and how the inside sees it
EAM6, EAM4 = "2001:db8:3::5", "1.0.0.5"
ROUTER6 = "4000::1"  # has no IPv4 address
GATEWAY4, GATEWAY6 = "192.0.0.8", "100:0:0:1::1"  # whence errors of ours come in a replay
ZERO_FRAGMENTS = SIIT + "translation: {allow-zero-udp-fragments: true}\n"


def from6(l4, src=HOST6, dst=PEER6, **ip):
    return IPv6(src=src, dst=dst, **ip) / l4


def from4(l4, src=PEER4, dst=HOST4, **ip):
    return IP(src=src, dst=dst, **ip) / l4


def seen4(l4, src=HOST4, dst=PEER4, **ip):
    return IP(**{"src": src, "dst": dst, "ttl": 63, "id": ANY, **ip}) / l4


def seen6(l4, src=PEER6, dst=HOST6, **ip):
    return IPv6(**{"src": src, "dst": dst, "hlim": 63, **ip}) / l4


def named(quote, address):
    """RFC 4884: the quote padded to 128 bytes; RFC 5837: an interface information object with the
    address of who sent the error."""
    family, afi = (socket.AF_INET6, 2) if ":" in address else (socket.AF_INET, 1)
    info = struct.pack("!HH", afi, 0) + socket.inet_pton(family, address)
    extension = struct.pack("!BBHHBB", 0x20, 0, 0, 4 + len(info), 2, 4) + info
    extension = extension[:2] + struct.pack("!H", checksum(extension)) + extension[4:]
    return Raw(bytes(quote).ljust(128, b"\0") + extension)


DNS = UDP(sport=4000, dport=53) / b"question"
SYN = TCP(sport=4000, dport=80, flags="S", seq=7, options=[("MSS", 1220)])
ECHO6, ECHO4 = ICMPv6EchoRequest(id=7, seq=1, data=b"ping"), ICMP(type=8, id=7, seq=1) / b"ping"


def both_ways(what, there6, there4, l4, back4, back6):
    """One packet out and one back in, as if neither had ever been seen."""
    return [
        case(f"{what}: 6 to 4", SIIT, inside(there6), to_outside(there4),
             counts={"siit_to_ipv4": 1}),
        case(f"{what}: 4 to 6", SIIT, outside(back4), to_inside(back6),
             counts={"siit_to_ipv6": 1}),
    ]


def protocol(number, name, payload, after_6to4=None, after_4to6=None, payload4=None):
    return [
        case(f"{name} to IPv4 with correct headers (RFC 7915 4.5)", SIIT,
             inside(IPv6(src=HOST6, dst=PEER6, nh=number) / payload),
             to_outside(IP(src=HOST4, dst=PEER4, ttl=63, id=ANY, proto=number) /
                        (after_6to4 or payload))),
        case(f"{name} to IPv6 with correct headers (RFC 7915 5.5)", SIIT,
             outside(IP(src=PEER4, dst=HOST4, proto=number) / (payload4 or payload)),
             to_inside(IPv6(src=PEER6, dst=HOST6, hlim=63, nh=number) / (after_4to6 or payload))),
    ]


def with_checksum(proto, src, dst, packet):
    """@packet, whose checksum is in UDP's place, with the sum over it and its pseudo-header."""
    if ":" in src:
        pseudo = in6_chksum(proto, IPv6(src=src, dst=dst), packet)
    else:
        pseudo = in4_chksum(proto, IP(src=src, dst=dst), packet)
    return packet[:6] + struct.pack("!H", pseudo) + packet[8:]


def quoted(proto, src, dst):
    return with_checksum(proto, src, dst, bytes.fromhex("003503e800100000") + b"12345678")


def with_ports_like_udp(number, name):
    bare = bytes.fromhex("0fa0003500200000") + bytes(range(40))
    return protocol(number, name, Raw(with_checksum(number, HOST6, PEER6, bare)),
                    Raw(with_checksum(number, HOST4, PEER4, bare)),
                    Raw(with_checksum(number, PEER6, HOST6, bare)),
                    Raw(with_checksum(number, PEER4, HOST4, bare)))


SCTP = Raw(bytes.fromhex("0fa0005000000001deadbeef") + bytes(20))
PLAIN = Raw(bytes(range(64)))

CASES = [
    *both_ways("UDP between translatable addresses (RFC 6052)", from6(DNS), seen4(DNS), None,
               from4(DNS), seen6(DNS)),
    *both_ways("TCP between translatable addresses", from6(SYN), seen4(SYN), None, from4(SYN), seen6(SYN)),
    *both_ways("echo between translatable addresses", from6(ECHO6), seen4(ECHO4), None,
               from4(ECHO4), seen6(ECHO6)),
    *both_ways("an explicit mapping (RFC 7757 3.3)", from6(DNS, src=EAM6), seen4(DNS, src=EAM4), None,
               from4(DNS, dst=EAM4), seen6(DNS, dst=EAM6)),
    case("both ends by explicit mappings, RFC 7757 3.3 before 6052", EAM_ONLY,
         inside(from6(DNS, src=EAM6, dst="2001:db8:4::9")),
         to_outside(seen4(DNS, src=EAM4, dst="2.0.0.9")),
         outside(from4(DNS, src="2.0.0.9", dst=EAM4)),
         to_inside(seen6(DNS, src="2001:db8:4::9", dst=EAM6))),
    *protocol(132, "SCTP", SCTP),
    *with_ports_like_udp(33, "DCCP"),
    *with_ports_like_udp(136, "UDP-Lite"),
    *protocol(47, "GRE", PLAIN),
    *protocol(50, "ESP", PLAIN),
    *protocol(253, "an experimental protocol", PLAIN),
    case("IGMP is not translated (RFC 7915 4.2)", SIIT,
         outside(IP(src=PEER4, dst=HOST4, proto=2) / Raw(bytes(8))), drops={"unknown-protocol": 1}),

    # untranslatable
    case("a source without a mapping is told so (RFC 7915 5.4)", SIIT,
         inside(from6(DNS, src=ROUTER6)),
         to_inside(IPv6(src=GATEWAY6, dst=ROUTER6, hlim=ANY) / ICMPv6DestUnreach(code=1) /
                   Raw(bytes(from6(DNS, src=ROUTER6)))), drops={"unmapped": 1}),
    case("without a prefix, so is an IPv4 source (RFC 7915 4.4)", EAM_ONLY,
         outside(from4(DNS, dst=EAM4)),
         to_outside(IP(src=GATEWAY4, dst=PEER4, ttl=64, id=ANY, tos=0xc0) /
                    ICMP(type=3, code=13) / Raw(bytes(from4(DNS, dst=EAM4)))), drops={"unmapped": 1}),
    case("a destination that no host can have", SIIT,
         inside(from6(DNS, dst="2001:db8:17f:0:1::")), drops={"bad-address": 1}),
    case("a link-local destination is not embedded (RFC 3927 7)", SIIT,
         inside(from6(DNS, dst="2001:db8:1a9:fe01:1::")), drops={"link-local": 1}),
    case("TTL expires at one hop, and not before (RFC 7915 4.1)", SIIT,
         outside(from4(DNS, ttl=1)),
         to_outside(IP(src=GATEWAY4, dst=PEER4, ttl=64, id=ANY, tos=0xc0) /
                    ICMP(type=11, code=0) / Raw(bytes(from4(DNS, ttl=1)))),
         outside(from4(DNS, ttl=2)), to_inside(seen6(DNS, hlim=1)), drops={"hop-limit": 1}),

    # errors
    case("an error about a packet of ours, from its far end (RFC 7915 5.2, 5.3)", SIIT,
         inside(from6(ICMPv6DestUnreach(code=4) / seen6(DNS))),
         to_outside(seen4(ICMP(type=3, code=3) / from4(DNS, ttl=63, id=0)))),
    case("an error from a router without an IPv4 address has one of the pool (RFC 6791)", SIIT,
         inside(from6(ICMPv6TimeExceeded() / seen6(DNS), src=ROUTER6)),
         to_outside(seen4(ICMP(type=11, code=0, length=32) / named(from4(DNS, ttl=63, id=0), ROUTER6),
                          src="203.0.113.8"))),
    case("without a pool, one of ours: it never vanishes (RFC 6791)",
         "siit: {prefix: 2001:db8:100::/40}\n",
         inside(from6(ICMPv6TimeExceeded() / seen6(DNS), src=ROUTER6)),
         to_outside(seen4(ICMP(type=11, code=0, length=32) / named(from4(DNS, ttl=63, id=0), ROUTER6),
                          src=GATEWAY4))),
    case("an error goes where it says, not where it quotes (RFC 7915 5.2)", SIIT,
         inside(from6(ICMPv6DestUnreach(code=4) / seen6(DNS, src="2001:db8:1c6:3364:9::"))),
         to_outside(seen4(ICMP(type=3, code=3) / from4(DNS, ttl=63, id=0, src="198.51.100.9")))),
    case("of DCCP and UDP-Lite the quoted checksum follows the addresses", SIIT,
         *[step for proto in (33, 136) for step in (
             inside(from6(ICMPv6DestUnreach(code=4) / IPv6(src=PEER6, dst=HOST6, hlim=9, nh=proto) /
                          Raw(quoted(proto, PEER6, HOST6)))),
             to_outside(seen4(ICMP(type=3, code=3) / IP(src=PEER4, dst=HOST4, ttl=9, id=0, proto=proto) /
                              Raw(quoted(proto, PEER4, HOST4)))))]),
    case("an error from IPv4 (RFC 7915 4.2, 4.3)", SIIT,
         outside(from4(ICMP(type=3, code=3) / seen4(DNS, id=9), src="192.0.2.1")),
         to_inside(seen6(ICMPv6DestUnreach(code=4) / from6(DNS, hlim=63),
                         src="2001:db8:1c0:2:1::"))),
    case("an error from IPv4 that nothing maps has the source that was configured", EAM_ONLY,
         outside(IP(src=PEER4, dst=EAM4) / ICMP(type=11) / seen4(DNS, src=EAM4, dst="2.0.0.9", id=9)),
         to_inside(seen6(ICMPv6TimeExceeded(length=16) /
                         named(from6(DNS, src=EAM6, dst="2001:db8:4::9", hlim=63), PEER4),
                         src="2001:db8::2", dst=EAM6))),
    case("an error that embeds what cannot be mapped is dropped", SIIT,
         inside(from6(ICMPv6DestUnreach(code=4) / seen6(DNS, dst=ROUTER6))), drops={"unmapped": 1}),

    # hairpins
    case("RFC 7757 4.2.2: two mapped hosts, the source by RFC 6052 so that answers come back", SIIT,
         inside(from6(DNS, src=EAM6, dst="2001:db8:101:0:9::")),
         to_inside(seen6(DNS, src="2001:db8:101:0:5::", dst="2001:db8:3::9")),
         inside(from6(DNS, src="2001:db8:3::9", dst="2001:db8:101:0:5::")),
         to_inside(seen6(DNS, src="2001:db8:101:0:9::", dst=EAM6)),
         counts={"hairpins": 2, "siit_to_ipv4": 2, "siit_to_ipv6": 2}),
    case("RFC 7757 4.2.2: and the error about it", SIIT,
         inside(from6(ICMPv6DestUnreach(code=4) / seen6(DNS, src="2001:db8:101:0:5::", dst="2001:db8:3::9"),
                      src="2001:db8:3::9", dst="2001:db8:101:0:5::")),
         to_inside(seen6(ICMPv6DestUnreach(code=4) / from6(DNS, src=EAM6, dst="2001:db8:101:0:9::", hlim=63),
                         src="2001:db8:101:0:9::", dst=EAM6))),
    case("RFC 7757 4.2.1: simple hairpinning leaves, and comes back with its source embedded",
         SIIT + "  hairpin: simple\n",
         inside(from6(DNS, src=EAM6, dst="2001:db8:101:0:9::")),
         to_outside(seen4(DNS, src=EAM4, dst="1.0.0.9")),
         outside(from4(DNS, src=EAM4, dst="1.0.0.9", ttl=62)),
         to_inside(seen6(DNS, src="2001:db8:101:0:5::", dst="2001:db8:3::9", hlim=61))),

    # RFC 6877
    case("RFC 6877 6.3: an IPv4 host inside reaches IPv4 over IPv6", CLAT,
         inside(from4(DNS, src=LAN4, dst=FAR4)), to_outside(seen6(DNS, src=LAN6, dst=FAR6)),
         outside(from6(DNS, src=FAR6, dst=LAN6)), to_inside(seen4(DNS, src=FAR4, dst=LAN4))),
    case("RFC 6877: TCP and echo, too", CLAT,
         inside(from4(SYN, src=LAN4, dst=FAR4)), to_outside(seen6(SYN, src=LAN6, dst=FAR6)),
         inside(from4(ECHO4, src=LAN4, dst=FAR4)), to_outside(seen6(ECHO6, src=LAN6, dst=FAR6))),
    case("RFC 6877 6.3: a single address for a single host", CLAT_SINGLE,
         inside(from4(DNS, src="192.0.0.1", dst=FAR4)),
         to_outside(seen6(DNS, src="2001:db8:464::1", dst=FAR6)),
         outside(from6(DNS, src=FAR6, dst="2001:db8:464::1")),
         to_inside(seen4(DNS, src=FAR4, dst="192.0.0.1"))),
    case("RFC 6877: an error from the IPv4 Internet", CLAT,
         outside(from6(ICMPv6TimeExceeded() / seen6(DNS, src=LAN6, dst=FAR6), src="64:ff9b::808:808",
                       dst=LAN6)),
         to_inside(seen4(ICMP(type=11, code=0) / from4(DNS, src=LAN4, dst=FAR4, ttl=63, id=0),
                         src="8.8.8.8", dst=LAN4))),
    case("RFC 6877, RFC 6791: an error from a router of the provider", CLAT + "  icmp4-source: 203.0.113.8\n",
         outside(from6(ICMPv6TimeExceeded() / seen6(DNS, src=LAN6, dst=FAR6), src=ROUTER6, dst=LAN6)),
         to_inside(seen4(ICMP(type=11, code=0, length=32) /
                         named(from4(DNS, src=LAN4, dst=FAR4, ttl=63, id=0), ROUTER6),
                         src="203.0.113.8", dst=LAN4))),
    case("RFC 6877: others than its hosts are not the CLAT's", CLAT,
         inside(from4(DNS, src="192.168.1.7", dst=FAR4)),
         to_inside(IP(src=GATEWAY4, dst="192.168.1.7", ttl=64, id=ANY, tos=0xc0) /
                   ICMP(type=3, code=0) / Raw(bytes(from4(DNS, src="192.168.1.7", dst=FAR4)))),
         drops={"no-policy": 1}),
    case("RFC 6877: nor is who does not come from the PLAT", CLAT,
         outside(from6(DNS, src=ROUTER6, dst=LAN6)),
         to_outside(IPv6(src=GATEWAY6, dst=ROUTER6, hlim=64) / ICMPv6DestUnreach(code=1) /
                    Raw(bytes(from6(DNS, src=ROUTER6, dst=LAN6)))), drops={"unmapped": 1}),
    case("RFC 6052 3.1: private IPv4 beyond the well-known prefix is told so", CLAT,
         inside(from4(DNS, src=LAN4, dst="10.0.0.1")),
         to_inside(IP(src=GATEWAY4, dst=LAN4, ttl=64, id=ANY, tos=0xc0) /
                   ICMP(type=3, code=13) / Raw(bytes(from4(DNS, src=LAN4, dst="10.0.0.1")))),
         drops={"private-ipv4": 1}),

    # fragments
    case("fragments are translated one by one, the last without the first (RFC 7915 5.1.1)", SIIT,
         inside(IPv6(src=HOST6, dst=PEER6) / IPv6ExtHdrFragment(nh=17, offset=100, m=0, id=0x12345) /
                Raw(b"tail")),
         to_outside(IP(src=HOST4, dst=PEER4, ttl=63, id=0x2345, frag=100, proto=17) / Raw(b"tail"))),
    case("and from IPv4, with a Fragment Header (RFC 7915 4.1)", SIIT,
         outside(IP(src=PEER4, dst=HOST4, id=77, frag=100, flags="MF", proto=17) / Raw(bytes(64))),
         to_inside(IPv6(src=PEER6, dst=HOST6, hlim=63) /
                   IPv6ExtHdrFragment(nh=17, offset=100, m=1, id=77) / Raw(bytes(64)))),
    case("a middle fragment of ICMP is dropped: its checksum cannot be (RFC 7915 1.2)", SIIT,
         outside(IP(src=PEER4, dst=HOST4, id=77, frag=100, proto=1) / Raw(bytes(64))),
         drops={"fragment-icmp": 1}),
    case("a first fragment of UDP without a checksum: told (RFC 7915 4.5, 4.4)", SIIT,
         outside(IP(src=PEER4, dst=HOST4, id=77, flags="MF") / UDP(sport=1, dport=2, len=100, chksum=0) /
                 bytes(40)),
         to_outside(IP(src=GATEWAY4, dst=PEER4, ttl=64, id=ANY, tos=0xc0) / ICMP(type=3, code=13) /
                    IP(src=PEER4, dst=HOST4, id=77, flags="MF") /
                    UDP(sport=1, dport=2, len=100, chksum=0) / bytes(40)), drops={"fragment-zero-checksum": 1}),
    case("the same where it is allowed", ZERO_FRAGMENTS,
         outside(IP(src=PEER4, dst=HOST4, id=77, flags="MF") / UDP(sport=1, dport=2, len=100, chksum=0) /
                 bytes(40)),
         to_inside(IPv6(src=PEER6, dst=HOST6, hlim=63) / IPv6ExtHdrFragment(nh=17, offset=0, m=1, id=77) /
                   UDP(sport=1, dport=2, len=100, chksum=0) / bytes(40))),
    case("what is too long without DF is cut to the lowest MTU (RFC 7915 4)", SIIT,
         outside(from4(UDP(sport=1, dport=2) / bytes(1400), id=5)),
         to_inside(*(lambda whole: [
             IPv6(src=PEER6, dst=HOST6, hlim=63) / IPv6ExtHdrFragment(nh=17, offset=0, m=1, id=5) /
             Raw(whole[:1232]),
             IPv6(src=PEER6, dst=HOST6, hlim=63) / IPv6ExtHdrFragment(nh=17, offset=154, m=0, id=5) /
             Raw(whole[1232:])])(bytes(seen6(UDP(sport=1, dport=2) / bytes(1400)))[40:]))),
]

@each(CASES)
def test_siit(case, spacing, tmp_path):
    case.check(spacing, tmp_path)
