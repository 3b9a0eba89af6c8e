"""Packets too big for the other side (RFC 7915 4, 5), and fragments both ways and in any order."""
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6DestUnreach, ICMPv6EchoRequest, ICMPv6PacketTooBig, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment)
from scapy.packet import Raw
from golden import (
    ANY, case, each, inside, outside, to_inside, to_outside, wait)
from net import GATEWAY6, HOST, NAT64, POOL, PORT, SERVER4, SERVER6, UDP_OUT


def payload(n):
    return bytes(i % 251 for i in range(n))


def from4(data, **ip):
    """A piece of the answer on the IPv4 side; @data from the UDP header on."""
    return IP(src=SERVER4, dst=POOL, proto=17, id=0xabcd, **ip) / Raw(data)


def to6(data, **fragment):
    return (IPv6(src=SERVER6, dst=HOST, hlim=63) /
            IPv6ExtHdrFragment(nh=17, id=0xabcd, **fragment) / Raw(data))


def from6(data, **fragment):
    return (IPv6(src=HOST, dst=SERVER6) /
            IPv6ExtHdrFragment(nh=17, id=0x12345678, **fragment) / Raw(data))


def to4(data, **ip):
    return IP(src=POOL, dst=SERVER4, ttl=63, proto=17, id=0x5678, **ip) / Raw(data)


def answer4(n):
    """UDP header and n bytes, as bytes, with the checksum of the whole."""
    return bytes(IP(src=SERVER4, dst=POOL) / UDP(sport=53, dport=PORT) / payload(n))[20:]


def answer6(n):
    return bytes(IPv6(src=SERVER6, dst=HOST) / UDP(sport=53, dport=4000) / payload(n))[40:]


def question6(n):
    return bytes(IPv6(src=HOST, dst=SERVER6) / UDP(sport=4000, dport=53) / payload(n))[40:]


def question4(n):
    return bytes(IP(src=POOL, dst=SERVER4) / UDP(sport=PORT, dport=53) / payload(n))[20:]


def whole6(n):
    return IPv6(src=SERVER6, dst=HOST, hlim=63, nh=17) / Raw(answer6(n))


A4, A6 = answer4(1472), answer6(1472)  # 1480 bytes: with a header, 1500
L4, L6 = answer4(2000), answer6(2000)  # 2008 bytes, in two fragments of 1480 and 528
Q6, Q4 = question6(2000), question4(2000)
TOO_BIG4 = IP(src=SERVER4, dst=POOL, proto=17, flags="DF", id=9) / Raw(A4)
TOO_BIG6 = IPv6(src=HOST, dst=SERVER6) / UDP(sport=4000, dport=53) / payload(1600)
TOLD6 = IPv6(src=GATEWAY6, dst=HOST, hlim=64)
TOLD4 = IP(src=POOL, dst=SERVER4, ttl=64, id=ANY, tos=0xc0)
ZERO_FIRST = bytes(UDP(sport=53, dport=PORT, len=2008, chksum=0)) + payload(1472)
ECHO_OUT = (
    inside(IPv6(src=HOST, dst=SERVER6) / ICMPv6EchoRequest(id=7, seq=1, data=b"p")),
    to_outside(IP(src=POOL, dst=SERVER4, ttl=63, id=ANY) / ICMP(type=8, id=PORT, seq=1) / b"p"),
)
ECHO_FRAGMENT4 = IP(src=SERVER4, dst=POOL, id=3, flags="MF") / ICMP(
    type=0, id=PORT, seq=1) / payload(800)
ECHO_FRAGMENT6 = IPv6(src=HOST, dst=SERVER6) / IPv6ExtHdrFragment(nh=58, id=1, m=1) / Raw(
    b"\x80\0\0\0\0\7\0\1" + payload(800))


def behind_fragment(**fragment):
    return (IPv6(src=HOST, dst=SERVER6) / IPv6ExtHdrFragment(id=0x12345678, **fragment) /
            IPv6ExtHdrDestOpt() / Raw(Q6[:1232]))


def refused4(packet):
    """Communication administratively prohibited, with as much as 576 bytes hold (RFC 1812)."""
    return to_outside(TOLD4 / ICMP(type=3, code=13) / Raw(bytes(packet)[:576 - 28]))


def refused6(packet):
    return to_inside(TOLD6 / ICMPv6DestUnreach(code=1) / Raw(bytes(packet)[:1280 - 48]))

NARROW6 = (IPv6(src="2001:db8:1::1", dst=SERVER6) / ICMPv6PacketTooBig(mtu=1000) /
           Raw(bytes(whole6(1212))[:540]))

CASES = [
    # IPv4 to IPv6, unfragmented
    case("DF clear and 1280 bytes of IPv6: whole, without Fragment Header (RFC 7915 4)", NAT64,
         *UDP_OUT, outside(from4(answer4(1260 - 28))), to_inside(whole6(1260 - 28))),
    case("DF clear and 1281 bytes of IPv6: fragments of at most 1280 (RFC 7915 4.1)", NAT64,
         *UDP_OUT, outside(from4(answer4(1261 - 28))),
         to_inside(to6(answer6(1261 - 28)[:1232], m=1),
                   to6(answer6(1261 - 28)[1232:], offset=154))),
    case("DF clear and 1500 bytes: two fragments, Identification kept (RFC 7915 4.1)", NAT64,
         *UDP_OUT, outside(from4(A4)),
         to_inside(to6(A6[:1232], m=1), to6(A6[1232:], offset=154))),
    case("lowest IPv6 MTU of 1400: fragments of at most 1400 (RFC 7915 4)",
         NAT64 + "translation: {lowest-ipv6-mtu: 1400}\n", *UDP_OUT, outside(from4(A4)),
         to_inside(to6(A6[:1352], m=1), to6(A6[1352:], offset=169)),
         outside(from4(answer4(1380 - 28))),
         to_inside(whole6(1380 - 28))),
    case("DF set and what fits the link: whole (RFC 7915 4.1)", NAT64, *UDP_OUT,
         outside(from4(answer4(1480 - 28), flags="DF")),
         to_inside(whole6(1480 - 28))),
    case("DF set and one byte too many: told the MTU of 1480 (RFC 7915 4.1)", NAT64, *UDP_OUT,
         outside(from4(answer4(1481 - 28), flags="DF")),
         to_outside(TOLD4 / ICMP(type=3, code=4, nexthopmtu=1480) /
                    Raw(bytes(from4(answer4(1481 - 28), flags="DF"))[:548])),
         drops={"too-big": 1}),
    case("DF set and 1500 bytes: error holds as much as 576 bytes allow (RFC 1812 4.3.2.3)",
         NAT64, *UDP_OUT, outside(TOO_BIG4),
         to_outside(TOLD4 / ICMP(type=3, code=4, nexthopmtu=1480) / Raw(bytes(TOO_BIG4)[:548])),
         drops={"too-big": 1}),
    case("TCP with DF set and too big is told, too (RFC 7915 4.1)", NAT64,
         inside(IPv6(src=HOST, dst=SERVER6) / TCP(sport=4000, dport=80)),
         to_outside(IP(src=POOL, dst=SERVER4, ttl=63, id=ANY) / TCP(sport=PORT, dport=80)),
         outside(IP(src=SERVER4, dst=POOL, flags="DF") /
                 TCP(sport=80, dport=PORT, flags="A") / payload(1460)),
         to_outside(TOLD4 / ICMP(type=3, code=4, nexthopmtu=1480) /
                    Raw(bytes(IP(src=SERVER4, dst=POOL, flags="DF") /
                              TCP(sport=80, dport=PORT, flags="A") / payload(1460))[:548])),
         drops={"too-big": 1}),
    case("UDP without checksum, DF clear, 1500 bytes: has one in its fragments (RFC 7915 4.5)",
         NAT64, *UDP_OUT, outside(from4(A4[:6] + b"\0\0" + A4[8:])),
         to_inside(to6(A6[:1232], m=1), to6(A6[1232:], offset=154))),
    case("echo reply of 1500 bytes, DF clear: fragments (RFC 7915 4.1)", NAT64,
         *ECHO_OUT,
         outside(IP(src=SERVER4, dst=POOL, id=0xabcd) /
                 ICMP(type=0, id=PORT, seq=1) / payload(1472)),
         to_inside(*[IPv6(src=SERVER6, dst=HOST, hlim=63) /
                     IPv6ExtHdrFragment(nh=58, id=0xabcd, m=m, offset=offset) / Raw(
                         bytes(IPv6(src=SERVER6, dst=HOST) / ICMPv6EchoRequest(
                             type=129, id=7, seq=1, data=payload(1472)))[40 + start:40 + end])
                     for m, offset, start, end in ((1, 0, 0, 1232), (0, 154, 1232, 1480))])),
    # IPv6 to IPv4, unfragmented
    case("IPv6 of 1648 bytes does not fit IPv4 of 1500: told 1520 (RFC 7915 5)", NAT64,
         inside(TOO_BIG6),
         to_inside(TOLD6 / ICMPv6PacketTooBig(mtu=1520) /
                   Raw(bytes(TOO_BIG6)[:1232])), drops={"too-big": 1}),
    case("IPv6 of 1520 bytes fits IPv4 of 1500 (RFC 7915 5)", NAT64,
         inside(IPv6(src=HOST, dst=SERVER6) / UDP(sport=4000, dport=53) / payload(1472)),
         to_outside(IP(src=POOL, dst=SERVER4, ttl=63, id=ANY, flags="DF") /
                    UDP(sport=PORT, dport=53) / payload(1472))),
    # IPv4 fragments
    case("fragments of IPv4 in order (RFC 7915 4.1)", NAT64, *UDP_OUT,
         outside(from4(L4[:1208], flags="MF")), to_inside(to6(L6[:1208], m=1)),
         outside(from4(L4[1208:], frag=151)), to_inside(to6(L6[1208:], offset=151))),
    case("later fragment of IPv4 before the first waits for it (RFC 6146 3.4)", NAT64, *UDP_OUT,
         outside(from4(L4[1208:], frag=151)),
         outside(from4(L4[:1208], flags="MF")),
         to_inside(to6(L6[:1208], m=1), to6(L6[1208:], offset=151))),
    case("three fragments of IPv4, the first last (RFC 6146 3.4)", NAT64, *UDP_OUT,
         outside(from4(L4[1600:], frag=200)),
         outside(from4(L4[800:1600], frag=100, flags="MF")),
         outside(from4(L4[:800], flags="MF")),
         to_inside(to6(L6[:800], m=1), to6(L6[1600:], offset=200),
                   to6(L6[800:1600], offset=100, m=1))),
    case("fragment of IPv4 above the lowest IPv6 MTU is cut again (RFC 7915 4.1)", NAT64,
         *UDP_OUT, outside(from4(L4[:1480], flags="MF")),
         to_inside(to6(L6[:1232], m=1), to6(L6[1232:1480], offset=154, m=1)),
         outside(from4(L4[1480:], frag=185)), to_inside(to6(L6[1480:], offset=185))),
    case("fragment of IPv4 with DF set that fits is not cut (RFC 7915 4.1)", NAT64, *UDP_OUT,
         outside(from4(L4[:1440], flags="MF+DF")), to_inside(to6(L6[:1440], m=1)),
         outside(from4(L4[1440:], frag=180, flags="DF")), to_inside(to6(L6[1440:], offset=180))),
    case("fragment of IPv4 with DF set too big for the link: told 1472 (RFC 7915 4.1)", NAT64,
         *UDP_OUT, outside(from4(L4[:1480], flags="MF+DF")),
         to_outside(TOLD4 / ICMP(type=3, code=4, nexthopmtu=1472) /
                    Raw(bytes(from4(L4[:1480], flags="MF+DF"))[:548])), drops={"too-big": 1}),
    case("fragments of two datagrams, mixed, are told apart by Identification (RFC 6146 3.4)",
         NAT64, *UDP_OUT,
         outside(from4(L4[1208:], frag=151)),
         outside(IP(src=SERVER4, dst=POOL, proto=17, id=2, frag=151) / Raw(L4[1208:])),
         outside(IP(src=SERVER4, dst=POOL, proto=17, id=2, flags="MF") / Raw(L4[:1208])),
         to_inside(IPv6(src=SERVER6, dst=HOST, hlim=63) /
                   IPv6ExtHdrFragment(nh=17, id=2, m=1) / Raw(L6[:1208]),
                   IPv6(src=SERVER6, dst=HOST, hlim=63) /
                   IPv6ExtHdrFragment(nh=17, id=2, offset=151) / Raw(L6[1208:])),
         outside(from4(L4[:1208], flags="MF")),
         to_inside(to6(L6[:1208], m=1), to6(L6[1208:], offset=151))),
    case("later fragment whose first never comes is forgotten (RFC 6146 4 FRAGMENT_MIN)", NAT64,
         *UDP_OUT, outside(from4(L4[1208:], frag=151)), wait(1.9),
         outside(from4(L4[:1208], flags="MF")),
         to_inside(to6(L6[:1208], m=1), to6(L6[1208:], offset=151)),
         outside(IP(src=SERVER4, dst=POOL, proto=17, id=2, frag=151) / Raw(L4[1208:])), wait(10),
         outside(from4(answer4(9))), to_inside(whole6(9)), drops={"fragment-no-first": 1}),
    case("overlapping fragments of IPv4 (RFC 5722)", NAT64, *UDP_OUT,
         outside(from4(L4[:1208], flags="MF")), to_inside(to6(L6[:1208], m=1)),
         outside(from4(L4[1200:], frag=150)), drops={"fragment-overlap": 1}),
    case("first fragment without the whole transport header (RFC 6146 3.4, RFC 1858)", NAT64,
         *UDP_OUT, outside(IP(src=SERVER4, dst=POOL, proto=6, id=5, flags="MF") /
                           Raw(bytes(TCP(sport=53, dport=PORT))[:16])),
         drops={"fragment-tiny": 1}),
    case("fragment beyond 65535 bytes", NAT64, *UDP_OUT,
         outside(from4(bytes(1000), frag=8189)), drops={"fragment-bad": 1}),
    case("fragment but the last with a length that is no multiple of 8", NAT64, *UDP_OUT,
         outside(from4(L4[:1207], flags="MF")), drops={"fragment-bad": 1}),
    case("fragmented echo is not translated: the server is told (RFC 7915 1.2, 4.4)", NAT64,
         *ECHO_OUT, outside(ECHO_FRAGMENT4), refused4(ECHO_FRAGMENT4),
         drops={"fragment-icmp": 1}),
    case("fragmented UDP without checksum is dropped: the server is told (RFC 7915 4.5, 4.4)",
         NAT64, *UDP_OUT, outside(from4(ZERO_FIRST[:1208], flags="MF")),
         refused4(from4(ZERO_FIRST[:1208], flags="MF")), drops={"fragment-zero-checksum": 1}),
    case("fragmented UDP without checksum passes when configured (RFC 7915 4.5)",
         NAT64 + "translation: {allow-zero-udp-fragments: true}\n", *UDP_OUT,
         outside(from4(ZERO_FIRST[:1208], flags="MF")),
         to_inside(to6(bytes(UDP(sport=53, dport=4000, len=2008, chksum=0)) + payload(1200),
                       m=1))),
    case("DF clear on a path below 1280: cut to what a router said, for ten minutes (RFC 7915 4, 7)",
         NAT64, *UDP_OUT, outside(from4(answer4(1212))), to_inside(whole6(1212)),
         inside(NARROW6), to_outside(
             IP(src=POOL, dst=SERVER4, ttl=63, id=ANY) / ICMP(type=3, code=4, nexthopmtu=980) /
             IP(src=SERVER4, dst=POOL, ttl=63, id=ANY, proto=17, len=1240) /
             Raw(answer4(1212)[:500])),
         outside(from4(answer4(1212))),
         to_inside(to6(answer6(1212)[:952], m=1), to6(answer6(1212)[952:], offset=119)),
         outside(from4(answer4(1212), flags="DF")), to_inside(whole6(1212)),
         wait(200), *UDP_OUT, wait(200), *UDP_OUT, wait(199), outside(from4(answer4(1212))),
         to_inside(to6(answer6(1212)[:952], m=1), to6(answer6(1212)[952:], offset=119)),
         wait(1), outside(from4(answer4(1212))), to_inside(whole6(1212))),
    # IPv6 fragments
    case("fragments of IPv6 in order (RFC 7915 5.1.1)", NAT64,
         inside(from6(Q6[:1232], m=1)), to_outside(to4(Q4[:1232], flags="MF")),
         inside(from6(Q6[1232:], offset=154)), to_outside(to4(Q4[1232:], frag=154))),
    case("later fragment of IPv6 before the first waits for it (RFC 6146 3.4)", NAT64,
         inside(from6(Q6[1232:], offset=154)),
         inside(from6(Q6[:1232], m=1)),
         to_outside(to4(Q4[:1232], flags="MF"), to4(Q4[1232:], frag=154))),
    case("fragment of IPv6 above 1260 bytes of IPv4 has DF clear all the same (RFC 7915 5.1.1)",
         NAT64, inside(from6(Q6[:1440], m=1)), to_outside(to4(Q4[:1440], flags="MF"))),
    case("atomic fragment: Identification kept, no fragment (RFC 7915 5.1.1, RFC 6946)", NAT64,
         inside(from6(question6(9))), to_outside(to4(question4(9)))),
    case("destination options before the Fragment Header are skipped (RFC 7915 5.1)", NAT64,
         inside(IPv6(src=HOST, dst=SERVER6) / IPv6ExtHdrDestOpt() /
                IPv6ExtHdrFragment(nh=17, id=0x12345678, m=1) / Raw(Q6[:1232])),
         to_outside(to4(Q4[:1232], flags="MF"))),
    case("extension header behind the Fragment Header: refused, told (RFC 7915 5.1.1, 5.4)", NAT64,
         inside(behind_fragment(m=1)), refused6(behind_fragment(m=1)),
         drops={"extension-headers": 1}),
    case("the same in a later fragment is refused in silence (RFC 7915 5.1.1)", NAT64,
         inside(behind_fragment(m=1, offset=8)), drops={"extension-headers": 1}),
    case("AH behind the Fragment Header is refused (RFC 7915 5.1.1)", NAT64,
         inside(IPv6(src=HOST, dst=SERVER6) / IPv6ExtHdrFragment(nh=51, id=1, m=1) /
                Raw(bytes(800))), drops={"unknown-protocol": 1}),
    case("overlapping fragments of IPv6 (RFC 5722)", NAT64,
         inside(from6(Q6[:1232], m=1)), to_outside(to4(Q4[:1232], flags="MF")),
         inside(from6(Q6[1224:], offset=153)), drops={"fragment-overlap": 1}),
    case("first fragment of IPv6 without the transport header (RFC 7112)", NAT64,
         inside(from6(b"\x0f\xa0\x00\x35", m=0, offset=0)),
         drops={"truncated": 1}),
    case("fragmented ICMPv6 echo is not translated: the host is told (RFC 7915 1.2, 5.4)", NAT64,
         inside(ECHO_FRAGMENT6), refused6(ECHO_FRAGMENT6), drops={"fragment-icmp": 1}),
]


@each(CASES)
def test_sizes(case, spacing, tmp_path):
    case.check(spacing, tmp_path)
