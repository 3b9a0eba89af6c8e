#!/usr/bin/python3
"""Writes the first seeds of the packet, pipeline and pcap corpora: one lawful packet of each kind."""
import pathlib
import struct

from scapy.all import (ICMP, IP, TCP, UDP, ICMPv6DestUnreach, ICMPv6EchoRequest, ICMPv6PacketTooBig,
                       IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, Raw)

HERE = pathlib.Path(__file__).parent
HOST, POOL, FAR, VIP4, VIP6, NODE = ("2001:db8:1::9", "198.51.100.10", "203.0.113.7", "198.51.100.20",
                                     "2001:db8:ffff::20", "2001:db8:1::5")
VIA = "64:ff9b::203.0.113.7"
IN, OUT = 0, 1

PACKETS = {
    "udp6": (IN, IPv6(src=HOST, dst=VIA) / UDP(sport=4000, dport=53) / b"question"),
    "tcp6-syn": (IN, IPv6(src=HOST, dst=VIA) / TCP(sport=4000, dport=80, flags="S",
                                                   options=[("MSS", 1440)])),
    "echo6": (IN, IPv6(src=HOST, dst=VIA) / ICMPv6EchoRequest(id=7, seq=1, data=b"x" * 16)),
    "udp4": (OUT, IP(src=FAR, dst=POOL) / UDP(sport=53, dport=5000) / b"answer"),
    "udp4-no-checksum": (OUT, IP(src=FAR, dst=POOL) / UDP(sport=53, dport=5000, chksum=0) / b"answer"),
    "tcp4": (OUT, IP(src=FAR, dst=POOL, options=[]) / TCP(sport=80, dport=5000, flags="SA")),
    "echo4": (OUT, IP(src=FAR, dst=POOL) / ICMP(id=7) / b"x"),
    "error4": (OUT, IP(src="203.0.113.1", dst=POOL) / ICMP(type=3, code=4, nexthopmtu=1400) /
               IP(src=POOL, dst=FAR) / UDP(sport=5000, dport=53)),
    "error6": (IN, IPv6(src=HOST, dst=VIA) / ICMPv6DestUnreach(code=4) /
               IPv6(src=VIA, dst=HOST) / UDP(sport=53, dport=4000)),
    "too-big6": (IN, IPv6(src="2001:db8:1::1", dst=VIA) / ICMPv6PacketTooBig(mtu=1280) /
                 IPv6(src=VIA, dst=HOST) / TCP(sport=80, dport=4000)),
    "fragment6": (IN, IPv6(src=HOST, dst=VIA) / IPv6ExtHdrFragment(id=1, m=1, offset=0) /
                  UDP(sport=4000, dport=53, len=1000) / (b"y" * 56)),
    "fragment6-last": (IN, IPv6(src=HOST, dst=VIA) / IPv6ExtHdrFragment(id=1, m=0, offset=8, nh=17) /
                       Raw(b"z" * 24)),
    "fragment4": (OUT, IP(src=FAR, dst=POOL, flags="MF", id=9) / UDP(sport=53, dport=5000, len=900) /
                  (b"y" * 56)),
    "extensions": (IN, IPv6(src=HOST, dst="2001:db8:2::1") / IPv6ExtHdrHopByHop() /
                   IPv6ExtHdrDestOpt() / UDP(sport=1, dport=2)),
    "egress6": (IN, IPv6(src=HOST, dst="2001:db8:2::1") / TCP(sport=4001, dport=443, flags="S")),
    "unsolicited": (OUT, IPv6(src="2001:db8:2::1", dst=HOST) / TCP(sport=443, dport=22, flags="S")),
    "vip4": (OUT, IP(src=FAR, dst=VIP4) / TCP(sport=4000, dport=9000, flags="S", seq=100)),
    "vip6": (OUT, IPv6(src="2001:db8:2::7", dst=VIP6) / TCP(sport=4000, dport=9000, flags="S")),
    "node-refuses": (IN, IPv6(src=NODE, dst="2001:db8:64:20::203.0.113.7") /
                     TCP(sport=9000, dport=4000, flags="RA", ack=101)),
    "hairpin": (IN, IPv6(src=HOST, dst="64:ff9b::198.51.100.10") / UDP(sport=4000, dport=5000)),
}
SEQUENCES = [["udp6", "udp4", "error4"], ["tcp6-syn", "tcp4"], ["echo6", "echo4"],
             ["fragment6", "fragment6-last"], ["fragment6-last", "fragment6"],
             ["vip4", "node-refuses"], ["egress6", "unsolicited"], ["udp6", "hairpin"]]


def record(side, data, seconds=1):
    return struct.pack("!BH", side | seconds << 4, len(data)) + data


# The ways in which a connection ends, by flags; upper case from inside, lower case from outside.
ENDINGS = ["S sa A F a f A", "S sa A f A F a", "S sa A F f S", "S sa A f F s", "S sa A R A", "S sa A r a",
           "S sa A f R A", "S sa A F r a", "S sa A F f R a", "S sa A R r S sa", "S r S sa A", "S sa A f r",
           "S sa A F R S"]
HELD_FRAGMENTS = [(8, 1, 16), (16, 1, 24), (8, 0, 8), (24, 0, 8), (0, 1, 16)]


def connection(number, ending):
    """An egress6 connection: both ends keep their ports."""
    ours = IPv6(src=HOST, dst="2001:db8:2::1"), {"sport": 5000 + number, "dport": 443}
    theirs = IPv6(src="2001:db8:2::1", dst=HOST), {"sport": 443, "dport": 5000 + number}
    data = b""
    for flags in ending.split():
        ip, ports = ours if flags.isupper() else theirs
        packet = ip / TCP(**ports, flags=flags.upper(), seq=1, ack=2)
        data += record(IN if flags.isupper() else OUT, bytes(packet))
    return data


def fragments():
    """Of one datagram: early ones, one that overlaps, one behind the last."""
    return b"".join(record(IN, bytes(IPv6(src=HOST, dst=VIA) /
                                     IPv6ExtHdrFragment(id=7, m=more, offset=at // 8, nh=17) /
                                     Raw(b"\x0f\xa0\0\x35\0\x40\0\0" + b"y" * (size - 8))))
                    for at, more, size in HELD_FRAGMENTS)


def super_packet():
    """A TSO packet with its facts in front, as fuzz_pipeline takes them."""
    data = bytes(IPv6(src=HOST, dst=VIA) / TCP(sport=4000, dport=80, flags="A") / (b"d" * 4000))
    facts = struct.pack("!BHHHH", 2 | 0x40, 1428, 40, 16, 60)
    return struct.pack("!BH", IN | 8, len(facts + data)) + facts + data


def main():
    for name, (side, packet) in PACKETS.items():
        data = bytes(packet)
        (HERE / "corpus/packet" / name).write_bytes(bytes([side]) + data)
        (HERE / "corpus/pipeline" / name).write_bytes(record(side, data))
    for names in SEQUENCES:
        data = b"".join(record(PACKETS[n][0], bytes(PACKETS[n][1])) for n in names)
        (HERE / "corpus/pipeline" / "-then-".join(names)).write_bytes(data)
    for number, ending in enumerate(ENDINGS):
        (HERE / f"corpus/pipeline/ends-{number}").write_bytes(connection(number, ending))
    (HERE / "corpus/pipeline/fragments-overlap").write_bytes(fragments())
    (HERE / "corpus/pipeline/tso6").write_bytes(record(*[(s, bytes(p)) for s, p in
                                                        [PACKETS["tcp6-syn"]]][0]) + super_packet())
    for name, order, link in (("raw-ns", "<", 101), ("ethernet-swapped", ">", 1), ("sll2", "<", 276)):
        head = {101: b"", 1: b"\0" * 12 + b"\x81\0\0\1\x86\xdd", 276: b"\x86\xdd" + b"\0" * 18}[link]
        data = head + bytes(PACKETS["udp6"][1])
        magic = 0xa1b23c4d if link == 101 else 0xa1b2c3d4
        (HERE / "corpus/pcap" / name).write_bytes(
            struct.pack(order + "IHHIIII", magic, 2, 4, 0, 0, 65535, link) +
            struct.pack(order + "IIII", 1, 5, len(data), len(data)) + data)


if __name__ == "__main__":
    main()
