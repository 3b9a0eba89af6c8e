#!/usr/bin/python3
"""Writes the first seeds of the translate corpus: each packet of make_seeds.py to either family, the
ones with offload facts, and a few that only a translator minds."""
import pathlib
import struct

from make_seeds import FAR, HOST, PACKETS, POOL, VIA
from scapy.all import (ICMP, IP, TCP, UDP, ICMPv6ParamProblem, ICMPv6TimeExceeded, IPv6,
                       IPv6ExtHdrFragment, IPv6ExtHdrRouting)

HERE = pathlib.Path(__file__).parent / "corpus/translate"
TO_IPV4, OUTSIDE, FACTS, REPAIR = 1, 2, 8, 0x40
PORTS = struct.pack("!HH", 5000, 53)
INNER4, INNER6 = IP(src=POOL, dst=FAR) / UDP(sport=5000, dport=53), IPv6(src=VIA, dst=HOST) / TCP()

MORE = {
    "routing": IPv6(src=HOST, dst=VIA) / IPv6ExtHdrRouting(addresses=[VIA], segleft=1) / UDP(),
    "atomic": IPv6(src=HOST, dst=VIA) / IPv6ExtHdrFragment(id=1, m=0, offset=0) / UDP() / b"x",
    "no-df-long": IP(src=FAR, dst=POOL) / UDP() / (b"z" * 1400),
    "df-long": IP(src=FAR, dst=POOL, flags="DF") / UDP() / (b"z" * 1460),
    "options": IP(src=FAR, dst=POOL, options=[("NOP")]) / UDP() / b"x",
    "parameter4": IP(src=FAR, dst=POOL) / ICMP(type=12, ptr=9) / INNER4,
    "parameter6": IPv6(src=HOST, dst=VIA) / ICMPv6ParamProblem(ptr=7) / INNER6,
    "exceeded-extension4": IP(src=FAR, dst=POOL) / ICMP(type=11, length=32) /
                           (INNER4 / (b"q" * 100)) / (b"\x20\0\xde\xad" + b"\0\x08\x01\x01abcd"),
    "exceeded-extension6": IPv6(src=HOST, dst=VIA) / ICMPv6TimeExceeded(length=16) /
                           (INNER6 / (b"q" * 68)) / (b"\x20\0\xde\xad" + b"\0\x08\x01\x01abcd"),
}
# kind, gso_size, csum_start, csum_offset
SUPERS = {
    "tso4": (IP(src=FAR, dst=POOL, flags="DF") / TCP() / (b"d" * 3000), (1, 1460, 20, 16)),
    "tso6": (IPv6(src=HOST, dst=VIA) / TCP() / (b"d" * 3000), (2, 1440, 40, 16)),
    "uso4": (IP(src=FAR, dst=POOL) / UDP() / (b"d" * 3000), (3, 1472, 20, 6)),
    "uso6": (IPv6(src=HOST, dst=VIA) / UDP() / (b"d" * 3000), (3, 1452, 40, 6)),
}


def main():
    HERE.mkdir(parents=True, exist_ok=True)
    plain = {name: packet for name, (_, packet) in PACKETS.items()} | MORE
    for name, packet in plain.items():
        for family in (0, TO_IPV4):
            choices = REPAIR | family | OUTSIDE * (packet.version == 4)
            (HERE / f"{name}-to-{4 if family else 6}").write_bytes(
                bytes([choices]) + PORTS + bytes(packet))
    for name, (packet, (kind, *sizes)) in SUPERS.items():
        for family in (0, TO_IPV4):
            choices = REPAIR | FACTS | family | OUTSIDE * (packet.version == 4)
            facts = struct.pack("!BHHHH", kind | 0x40, *sizes, sizes[1] + 20)
            (HERE / f"{name}-to-{4 if family else 6}").write_bytes(
                bytes([choices]) + PORTS + facts + bytes(packet))


if __name__ == "__main__":
    main()
