"""TCP, UDP and echo through NAT64: addresses, ports, checksums, traffic class, Identification."""
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, IPv6
from golden import (
    ANY, Var, carried, case, checksum_of, each, inside, outside, to_inside, to_outside)
from net import HOST, NAT64, NAT64_MANY_PORTS, POOL, PORT, SERVER4, SERVER6, UDP_OUT

SYN_OUT = (
    inside(IPv6(src=HOST, dst=SERVER6) / TCP(sport=4000, dport=80, seq=100)),
    to_outside(IP(src=POOL, dst=SERVER4, ttl=63, id=ANY) / TCP(sport=PORT, dport=80, seq=100)),
)


def prefix_case(length, server6):
    return case(
        f"prefix of {length} bits embeds the address around bits 64 to 71 (RFC 6052 2.2)",
        NAT64.replace("2001:db8:64::/96", f"'{PREFIXES[length]}/{length}'"),
        inside(IPv6(src="3fff:1::5", dst=server6) / UDP(sport=4000, dport=53) / b"q"),
        to_outside(IP(src=POOL, dst="192.0.2.33", ttl=63, id=ANY) /
                   UDP(sport=PORT, dport=53) / b"q"),
        outside(IP(src="192.0.2.33", dst=POOL) / UDP(sport=53, dport=PORT) / b"a"),
        to_inside(IPv6(src=server6, dst="3fff:1::5", hlim=63) / UDP(sport=53, dport=4000) / b"a"))


# The table of RFC 6052 2.4, for 192.0.2.33.
PREFIXES = {32: "2001:db8::", 40: "2001:db8:100::", 48: "2001:db8:122::",
            56: "2001:db8:122:300::", 64: "2001:db8:122:344::", 96: "2001:db8:122:344::"}
EMBEDDED = {32: "2001:db8:c000:221::", 40: "2001:db8:1c0:2:21::", 48: "2001:db8:122:c000:2:2100::",
            56: "2001:db8:122:3c0:0:221::", 64: "2001:db8:122:344:c0:2:2100::",
            96: "2001:db8:122:344::192.0.2.33"}

CASES = [
    case("UDP from inside leaves from the pool, its answer comes back (RFC 6146 3.5.1)", NAT64,
         *UDP_OUT,
         outside(IP(src=SERVER4, dst=POOL, ttl=50, id=77) / UDP(sport=53, dport=PORT) / b"answer"),
         to_inside(IPv6(src=SERVER6, dst=HOST, hlim=49) / UDP(sport=53, dport=4000) / b"answer"),
         counts={"flows_created_nat64": 1}),
    case("port from the whole pool is kept for the host (RFC 6146 3.5.1)", NAT64_MANY_PORTS,
         inside(IPv6(src=HOST, dst=SERVER6) / UDP(sport=4000, dport=53) / b"1"),
         to_outside(IP(src=POOL, dst=SERVER4, ttl=63, id=ANY) /
                    UDP(sport=Var("port", lambda p: p >= 1024), dport=53) / b"1"),
         inside(IPv6(src=HOST, dst="2001:db8:64::c000:222") / UDP(sport=4000, dport=5353) / b"2"),
         to_outside(IP(src=POOL, dst="192.0.2.34", ttl=63, id=ANY) /
                    UDP(sport=Var("port"), dport=5353) / b"2"),
         counts={"flows_created_nat64": 2}),
    case("TCP handshake, data and end pass both ways unchanged (RFC 6146 3.5.2)", NAT64,
         *SYN_OUT,
         outside(IP(src=SERVER4, dst=POOL, flags="DF", id=1) /
                 TCP(sport=80, dport=PORT, flags="SA", seq=900, ack=101)),
         to_inside(IPv6(src=SERVER6, dst=HOST, hlim=63) /
                   TCP(sport=80, dport=4000, flags="SA", seq=900, ack=101)),
         inside(IPv6(src=HOST, dst=SERVER6) /
                TCP(sport=4000, dport=80, flags="PA", seq=101, ack=901) / b"GET /"),
         to_outside(IP(src=POOL, dst=SERVER4, ttl=63, id=ANY) /
                    TCP(sport=PORT, dport=80, flags="PA", seq=101, ack=901) / b"GET /"),
         outside(IP(src=SERVER4, dst=POOL, flags="DF", id=2) /
                 TCP(sport=80, dport=PORT, flags="FPA", seq=901, ack=106) / b"hello"),
         to_inside(IPv6(src=SERVER6, dst=HOST, hlim=63) /
                   TCP(sport=80, dport=4000, flags="FPA", seq=901, ack=106) / b"hello"),
         inside(IPv6(src=HOST, dst=SERVER6) /
                TCP(sport=4000, dport=80, flags="FA", seq=106, ack=907)),
         to_outside(IP(src=POOL, dst=SERVER4, ttl=63, id=ANY) /
                    TCP(sport=PORT, dport=80, flags="FA", seq=106, ack=907)),
         outside(IP(src=SERVER4, dst=POOL, flags="DF", id=3) /
                 TCP(sport=80, dport=PORT, flags="A", seq=907, ack=107)),
         to_inside(IPv6(src=SERVER6, dst=HOST, hlim=63) /
                   TCP(sport=80, dport=4000, flags="A", seq=907, ack=107))),
    case("echo from inside and its reply, identifier mapped (RFC 6146 3.5.3, RFC 7915 4.2, 5.2)",
         NAT64,
         inside(IPv6(src=HOST, dst=SERVER6) / ICMPv6EchoRequest(id=7, seq=3, data=b"ping")),
         to_outside(IP(src=POOL, dst=SERVER4, ttl=63, id=ANY) /
                    ICMP(type=8, id=PORT, seq=3) / b"ping"),
         outside(IP(src=SERVER4, dst=POOL) / ICMP(type=0, id=PORT, seq=3) / b"ping"),
         to_inside(IPv6(src=SERVER6, dst=HOST, hlim=63) /
                   ICMPv6EchoReply(id=7, seq=3, data=b"ping"))),
    case("TCP, UDP and ICMP have mappings of their own (RFC 6146 3.1)", NAT64,
         *UDP_OUT, *SYN_OUT,
         inside(IPv6(src=HOST, dst=SERVER6) / ICMPv6EchoRequest(id=4000, seq=1)),
         to_outside(IP(src=POOL, dst=SERVER4, ttl=63, id=ANY) / ICMP(type=8, id=PORT, seq=1)),
         counts={"flows_created_nat64": 3}),
    case("payload of odd length and no payload keep right checksums (RFC 1624)", NAT64,
         inside(IPv6(src=HOST, dst=SERVER6) / UDP(sport=4000, dport=53) / b"odd"),
         to_outside(IP(src=POOL, dst=SERVER4, ttl=63, id=ANY) /
                    UDP(sport=PORT, dport=53) / b"odd"),
         inside(IPv6(src=HOST, dst=SERVER6) / UDP(sport=4000, dport=53)),
         to_outside(IP(src=POOL, dst=SERVER4, ttl=63, id=ANY) / UDP(sport=PORT, dport=53))),
    case("traffic class becomes type of service and back (RFC 7915 4.1, 5.1)", NAT64,
         inside(IPv6(src=HOST, dst=SERVER6, tc=0xb9) / UDP(sport=4000, dport=53) / b"q"),
         to_outside(IP(src=POOL, dst=SERVER4, ttl=63, id=ANY, tos=0xb9) /
                    UDP(sport=PORT, dport=53) / b"q"),
         outside(IP(src=SERVER4, dst=POOL, tos=0x2b) / UDP(sport=53, dport=PORT) / b"a"),
         to_inside(IPv6(src=SERVER6, dst=HOST, hlim=63, tc=0x2b) /
                   UDP(sport=53, dport=4000) / b"a")),
    case("traffic class is replaced when configured (RFC 7915 4.1, 5.1)",
         NAT64 + "translation: {copy-traffic-class: false, tos: 0x10}\n".replace("0x10", "16"),
         inside(IPv6(src=HOST, dst=SERVER6, tc=0xb9) / UDP(sport=4000, dport=53) / b"q"),
         to_outside(IP(src=POOL, dst=SERVER4, ttl=63, id=ANY, tos=16) /
                    UDP(sport=PORT, dport=53) / b"q"),
         outside(IP(src=SERVER4, dst=POOL, tos=0x2b) / UDP(sport=53, dport=PORT) / b"a"),
         to_inside(IPv6(src=SERVER6, dst=HOST, hlim=63, tc=16) /
                   UDP(sport=53, dport=4000) / b"a")),
    case("flow label is ignored, and zero in what is made (RFC 7915 4.1)", NAT64,
         inside(IPv6(src=HOST, dst=SERVER6, fl=0x12345) / UDP(sport=4000, dport=53) / b"q"),
         to_outside(IP(src=POOL, dst=SERVER4, ttl=63, id=ANY) / UDP(sport=PORT, dport=53) / b"q"),
         outside(IP(src=SERVER4, dst=POOL, flags="DF", id=9) / UDP(sport=53, dport=PORT) / b"a"),
         to_inside(IPv6(src=SERVER6, dst=HOST, hlim=63) / UDP(sport=53, dport=4000) / b"a")),
    case("IPv4 of 1260 bytes may be fragmented further, of 1261 not (RFC 7915 5.1)", NAT64,
         inside(IPv6(src=HOST, dst=SERVER6) / UDP(sport=4000, dport=53) / bytes(1260 - 28)),
         to_outside(IP(src=POOL, dst=SERVER4, ttl=63, id=ANY) /
                    UDP(sport=PORT, dport=53) / bytes(1260 - 28)),
         inside(IPv6(src=HOST, dst=SERVER6) / UDP(sport=4000, dport=53) / bytes(1261 - 28)),
         to_outside(IP(src=POOL, dst=SERVER4, ttl=63, id=ANY, flags="DF") /
                    UDP(sport=PORT, dport=53) / bytes(1261 - 28))),
    case("Identifications of datagrams that may be fragmented differ (RFC 7915 5.1, RFC 6864 4)",
         NAT64, *[step for n in range(4) for step in (
             inside(IPv6(src=HOST, dst=SERVER6) / UDP(sport=4000, dport=53) / bytes([n])),
             to_outside(lambda seen, n=n: IP(
                 src=POOL, dst=SERVER4, ttl=63,
                 id=Var(f"id{n}", lambda i: i not in [seen.get(f"id{k}") for k in range(n)])) /
                        UDP(sport=PORT, dport=53) / bytes([n])))]),
    case("wrong UDP checksum stays wrong by as much (RFC 7915 4.5, 5.5)", NAT64,
         inside(IPv6(src=HOST, dst=SERVER6) / UDP(sport=4000, dport=53) / b"\x12\x34abcdef"),
         to_outside(IP(src=POOL, dst=SERVER4, ttl=63, id=ANY) /
                    UDP(sport=PORT, dport=53) / b"\x12\x34abcdef"),
         # 0x1234 changed to 0x1204 on the way: the checksum is that of the packet before
         inside(bytes(IPv6(src=HOST, dst=SERVER6) / UDP(sport=4000, dport=53) / b"\x12\x34abcdef"
                      ).replace(b"\x12\x34abcdef", b"\x12\x04abcdef")),
         to_outside(IP(src=POOL, dst=SERVER4, ttl=63, id=ANY) /
                    UDP(sport=PORT, dport=53, chksum=checksum_of(
                        IP(src=POOL, dst=SERVER4) / UDP(sport=PORT, dport=53) /
                        b"\x12\x34abcdef", 26)) / b"\x12\x04abcdef")),
    case("wrong TCP checksum from outside stays wrong by as much (RFC 7915 4.5)", NAT64,
         *SYN_OUT,
         outside(bytes(IP(src=SERVER4, dst=POOL) / TCP(sport=80, dport=PORT, flags="SA", ack=101,
                                                       window=8192))[:-6] + b"\x20\x01" +
                 bytes(IP(src=SERVER4, dst=POOL) / TCP(sport=80, dport=PORT, flags="SA", ack=101,
                                                       window=8192))[-4:]),
         to_inside(bytes(IPv6(src=SERVER6, dst=HOST, hlim=63) /
                         TCP(sport=80, dport=4000, flags="SA", ack=101, window=8192))[:-6] +
                   b"\x20\x01" +
                   bytes(IPv6(src=SERVER6, dst=HOST, hlim=63) /
                         TCP(sport=80, dport=4000, flags="SA", ack=101, window=8192))[-4:])),
    case("UDP without a checksum gets one (RFC 7915 4.5)", NAT64, *UDP_OUT,
         outside(IP(src=SERVER4, dst=POOL) / UDP(sport=53, dport=PORT, chksum=0) / b"answer"),
         to_inside(IPv6(src=SERVER6, dst=HOST, hlim=63) / UDP(sport=53, dport=4000) / b"answer")),
    case("UDP without a checksum is dropped when configured: told (RFC 7915 4.5, 4.4)",
         NAT64 + "translation: {udp-zero-checksum: drop}\n", *UDP_OUT,
         outside(IP(src=SERVER4, dst=POOL) / UDP(sport=53, dport=PORT, chksum=0) / b"answer"),
         to_outside(IP(src=POOL, dst=SERVER4, ttl=64, id=ANY, tos=0xc0) / ICMP(type=3, code=13) /
                    IP(src=SERVER4, dst=POOL) / UDP(sport=53, dport=PORT, chksum=0) / b"answer"),
         drops={"udp-zero-checksum": 1}),
    case("UDP over IPv6 without a checksum stays as wrong as that is (RFC 8200 8.1)", NAT64,
         inside(IPv6(src=HOST, dst=SERVER6) / UDP(sport=4000, dport=53, chksum=0) / b"q"),
         to_outside(IP(src=POOL, dst=SERVER4, ttl=63, id=ANY) /
                    UDP(sport=PORT, dport=53, chksum=carried(
                        0,
                        checksum_of(IPv6(src=HOST, dst=SERVER6) / UDP(sport=4000) / b"q", 46),
                        checksum_of(IP(src=POOL, dst=SERVER4) / UDP(sport=PORT) / b"q", 26))) /
                    b"q")),
    case("MSS is clamped to what fits both sides (mss-clamp: auto)", NAT64,
         inside(IPv6(src=HOST, dst=SERVER6) / TCP(sport=4000, dport=80, options=[("MSS", 8940)])),
         to_outside(IP(src=POOL, dst=SERVER4, ttl=63, id=ANY) /
                    TCP(sport=PORT, dport=80, options=[("MSS", 1440)])),
         outside(IP(src=SERVER4, dst=POOL) /
                 TCP(sport=80, dport=PORT, flags="SA", ack=1,
                     options=[("SAckOK", b""), ("MSS", 1460), ("NOP", None), ("NOP", None)])),
         to_inside(IPv6(src=SERVER6, dst=HOST, hlim=63) /
                   TCP(sport=80, dport=4000, flags="SA", ack=1,
                       options=[("SAckOK", b""), ("MSS", 1440), ("NOP", None), ("NOP", None)]))),
    case("smaller MSS is left alone; MSS outside a SYN, too", NAT64,
         inside(IPv6(src=HOST, dst=SERVER6) / TCP(sport=4000, dport=80, options=[("MSS", 1220)])),
         to_outside(IP(src=POOL, dst=SERVER4, ttl=63, id=ANY) /
                    TCP(sport=PORT, dport=80, options=[("MSS", 1220)])),
         inside(IPv6(src=HOST, dst=SERVER6) /
                TCP(sport=4000, dport=80, flags="A", options=[("MSS", 8940)])),
         to_outside(IP(src=POOL, dst=SERVER4, ttl=63, id=ANY) /
                    TCP(sport=PORT, dport=80, flags="A", options=[("MSS", 8940)]))),
    case("MSS is clamped to the number configured", NAT64 + "translation: {mss-clamp: 1200}\n",
         inside(IPv6(src=HOST, dst=SERVER6) / TCP(sport=4000, dport=80, options=[("MSS", 1440)])),
         to_outside(IP(src=POOL, dst=SERVER4, ttl=63, id=ANY) /
                    TCP(sport=PORT, dport=80, options=[("MSS", 1200)]))),
    case("MSS is left alone with the clamp off", NAT64 + "translation: {mss-clamp: off}\n",
         inside(IPv6(src=HOST, dst=SERVER6) / TCP(sport=4000, dport=80, options=[("MSS", 8940)])),
         to_outside(IP(src=POOL, dst=SERVER4, ttl=63, id=ANY) /
                    TCP(sport=PORT, dport=80, options=[("MSS", 8940)]))),
    case("well-known prefix reaches global IPv4 (RFC 6052 2.1)",
         NAT64.replace("2001:db8:64::/96", "64:ff9b::/96"),
         inside(IPv6(src=HOST, dst="64:ff9b::9.9.9.9") / UDP(sport=4000, dport=53) / b"q"),
         to_outside(IP(src=POOL, dst="9.9.9.9", ttl=63, id=ANY) /
                    UDP(sport=PORT, dport=53) / b"q"),
         outside(IP(src="9.9.9.9", dst=POOL) / UDP(sport=53, dport=PORT) / b"a"),
         to_inside(IPv6(src="64:ff9b::9.9.9.9", dst=HOST, hlim=63) /
                   UDP(sport=53, dport=4000) / b"a")),
    *[prefix_case(length, server6) for length, server6 in EMBEDDED.items()],
    case("bits behind the embedded address are ignored (RFC 6052 2.2)",
         NAT64.replace("2001:db8:64::/96", "'2001:db8::/32'"),
         inside(IPv6(src="3fff:1::5", dst="2001:db8:c000:221::ffff:1") / UDP(sport=4000, dport=53)),
         to_outside(IP(src=POOL, dst=SERVER4, ttl=63, id=ANY) / UDP(sport=PORT, dport=53))),
]


@each(CASES)
def test_transport(case, spacing, tmp_path):
    case.check(spacing, tmp_path)
