"""NAT64's sides, mappings, filtering, lifetimes and hairpinning (RFC 6146, 6052, 4787, 5382)."""
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6EchoRequest, IPv6
from scapy.packet import Raw
from golden import ANY, Var, case, each, inside, outside, to_inside, to_outside, wait
from net import GATEWAY6, HOST, NAT64, POOL, PORT, SERVER4, SERVER6, UDP_OUT

WELL_KNOWN = NAT64.replace("2001:db8:64::/96", "64:ff9b::/96")
ADDRESS_DEPENDENT = NAT64 + "  filtering: address-dependent\n"
HOST2 = "2001:db8:1::80"
STATIC = NAT64 + """\
  static:
    - {protocol: udp, inside: {address: 2001:db8:1::80, port: 53},
       outside: {address: 198.51.100.10, port: 5353}}
    - {protocol: tcp, inside: {address: 2001:db8:1::80, port: 80},
       outside: {address: 198.51.100.10, port: 8080}}
    - {protocol: icmp, inside: {address: 2001:db8:1::80, port: 9},
       outside: {address: 198.51.100.10, port: 700}}
"""
POOL6 = "2001:db8:64::198.51.100.10"
OTHER4, OTHER6 = "192.0.2.77", "2001:db8:64::192.0.2.77"
ROUND = Var("hlim", lambda h: h in (62, 63))  # twice through us, but one router

ANSWER = (
    outside(IP(src=SERVER4, dst=POOL) / UDP(sport=53, dport=PORT) / b"answer"),
    to_inside(IPv6(src=SERVER6, dst=HOST, hlim=63) / UDP(sport=53, dport=4000) / b"answer"),
)
LATE_ANSWER = outside(IP(src=SERVER4, dst=POOL) / UDP(sport=53, dport=PORT) / b"answer")


def host(**tcp):
    return inside(IPv6(src=HOST, dst=SERVER6) / TCP(sport=4000, dport=80, **tcp))


def host_seen(**tcp):
    return to_outside(IP(src=POOL, dst=SERVER4, ttl=63, id=ANY) /
                      TCP(sport=PORT, dport=80, **tcp))


def server(**tcp):
    return outside(IP(src=SERVER4, dst=POOL) / TCP(sport=80, dport=PORT, **tcp))


def server_seen(**tcp):
    return to_inside(IPv6(src=SERVER6, dst=HOST, hlim=63) / TCP(sport=80, dport=4000, **tcp))


SYN = dict(flags="S", seq=100)
SYN_ACK = dict(flags="SA", seq=900, ack=101)
ACK = dict(flags="A", seq=101, ack=901)
DATA = dict(flags="PA", seq=901, ack=101)
CONNECTED = (host(**SYN), host_seen(**SYN), server(**SYN_ACK), server_seen(**SYN_ACK),
             host(**ACK), host_seen(**ACK))
# RFC 6146 3.5.2.2: an empty segment towards the host
PROBE = to_inside(IPv6(src=SERVER6, dst=HOST, hlim=ANY) /
                  TCP(sport=80, dport=4000, flags="A", seq=ANY, ack=ANY, window=ANY))


def private(address):
    packet = IPv6(src=HOST, dst=f"64:ff9b::{address}") / UDP(sport=4000, dport=53)
    return case(f"{address} is not reached by the well-known prefix (RFC 6052 3.1, RFC 7915 5.4)",
                WELL_KNOWN, inside(packet),
                to_inside(IPv6(src=GATEWAY6, dst=HOST, hlim=ANY) / ICMPv6DestUnreach(code=1) /
                          Raw(bytes(packet))), drops={"private-ipv4": 1})


def nowhere(address, reason):
    return case(f"{address} is no host's address: {reason} (RFC 6890)", WELL_KNOWN,
                inside(IPv6(src=HOST, dst=f"64:ff9b::{address}") / UDP(sport=4000, dport=53)),
                drops={reason: 1})


def refused(what, side, packet, reason):
    return case(f"{what}: {reason}", NAT64, *UDP_OUT, side(packet), drops={reason: 1})


CASES = [
    # addresses and sides
    refused("source in the NAT64 prefix from inside (RFC 6146 3.5, 5.2)", inside,
            IPv6(src="2001:db8:64::192.0.2.9", dst=SERVER6) / UDP(sport=4000, dport=53),
            "spoofed-pool6"),
    refused("NAT64 prefix as destination from outside", outside,
            IPv6(src="3fff::1", dst=SERVER6) / UDP(sport=4000, dport=53), "spoofed-pool6"),
    refused("source in the NAT64 prefix from outside", outside,
            IPv6(src=SERVER6, dst=HOST) / UDP(sport=53, dport=4000), "spoofed-pool6"),
    refused("address that is nobody's from outside", outside,
            IP(src=SERVER4, dst="198.51.100.11") / UDP(sport=53, dport=PORT), "no-policy"),
    case("IPv6 that is nobody's from inside: no route (RFC 4443 3.1)", NAT64,
         inside(IPv6(src=HOST, dst="3fff::1") / UDP(sport=4000, dport=53)),
         to_inside(IPv6(src=GATEWAY6, dst=HOST, hlim=ANY) / ICMPv6DestUnreach(code=0) /
                   IPv6(src=HOST, dst="3fff::1") / UDP(sport=4000, dport=53)),
         drops={"no-policy": 1}),
    refused("link-local source (RFC 4291 2.5.6)", inside,
            IPv6(src="fe80::1", dst=SERVER6) / UDP(sport=4000, dport=53), "link-local"),
    refused("unspecified source (RFC 4291 2.5.2)", inside,
            IPv6(src="::", dst=SERVER6) / UDP(sport=4000, dport=53), "bad-address"),
    refused("loopback source (RFC 4291 2.5.3)", inside,
            IPv6(src="::1", dst=SERVER6) / UDP(sport=4000, dport=53), "bad-address"),
    refused("multicast source (RFC 4291 2.7)", inside,
            IPv6(src="ff0e::1", dst=SERVER6) / UDP(sport=4000, dport=53), "bad-address"),
    refused("multicast destination (RFC 7915 6)", inside,
            IPv6(src=HOST, dst="ff0e::1") / UDP(sport=4000, dport=53), "multicast"),
    refused("multicast destination of IPv4 in the prefix (RFC 7915 6)", inside,
            IPv6(src=HOST, dst="2001:db8:64::224.0.0.5") / UDP(sport=4000, dport=53),
            "bad-address"),
    refused("loopback source of IPv4 (RFC 1122 3.2.1.3)", outside,
            IP(src="127.0.0.1", dst=POOL) / UDP(sport=53, dport=PORT), "bad-address"),
    refused("multicast source of IPv4 (RFC 1122 3.2.1.3)", outside,
            IP(src="224.0.0.5", dst=POOL) / UDP(sport=53, dport=PORT), "bad-address"),
    refused("unspecified source of IPv4 (RFC 1122 3.2.1.3)", outside,
            IP(src="0.0.0.0", dst=POOL) / UDP(sport=53, dport=PORT), "bad-address"),
    refused("multicast from outside", outside,
            IP(src=SERVER4, dst="224.0.0.5") / UDP(sport=53, dport=PORT), "multicast"),
    *[private(address) for address in (
        "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.0.1", "100.64.0.1", "100.127.255.255",
        "192.0.2.33", "198.51.100.99", "203.0.113.1", "198.18.0.1", "198.19.255.255")],
    nowhere("169.254.1.1", "link-local"),
    *[nowhere(address, "bad-address") for address in (
        "127.0.0.1", "0.0.0.1", "224.0.0.5", "240.0.0.1", "255.255.255.255")],
    case("172.32.0.1 and 198.20.0.1 are global (RFC 6890)", WELL_KNOWN,
         *[step for address in ("172.32.0.1", "198.20.0.1", "100.128.0.1", "11.0.0.1") for step in (
             inside(IPv6(src=HOST, dst=f"64:ff9b::{address}") / UDP(sport=4000, dport=53)),
             to_outside(IP(src=POOL, dst=address, ttl=63, id=ANY) / UDP(sport=PORT, dport=53)))]),
    case("10.1.2.3 is reached by the well-known prefix if configured",
         WELL_KNOWN + "  allow-private: true\n",
         inside(IPv6(src=HOST, dst="64:ff9b::10.1.2.3") / UDP(sport=4000, dport=53)),
         to_outside(IP(src=POOL, dst="10.1.2.3", ttl=63, id=ANY) / UDP(sport=PORT, dport=53))),
    case("10.1.2.3 is reached by a prefix of one's own (RFC 6052 3.1, RFC 8215)",
         NAT64.replace("2001:db8:64::/96", "64:ff9b:1::/96"),
         inside(IPv6(src=HOST, dst="64:ff9b:1::10.1.2.3") / UDP(sport=4000, dport=53)),
         to_outside(IP(src=POOL, dst="10.1.2.3", ttl=63, id=ANY) / UDP(sport=PORT, dport=53))),
    case("two prefixes: answers come from the one that was asked",
         NAT64.replace("2001:db8:64::/96", "[2001:db8:64::/96, 64:ff9b:1::/96]"),
         inside(IPv6(src=HOST, dst="64:ff9b:1::192.0.2.33") / UDP(sport=4000, dport=53)),
         to_outside(IP(src=POOL, dst=SERVER4, ttl=63, id=ANY) / UDP(sport=PORT, dport=53)),
         outside(IP(src=SERVER4, dst=POOL) / UDP(sport=53, dport=PORT) / b"a"),
         to_inside(IPv6(src="64:ff9b:1::192.0.2.33", dst=HOST, hlim=63) /
                   UDP(sport=53, dport=4000) / b"a")),
    # mappings and filtering
    case("UDP from outside without a mapping is dropped (RFC 6146 3.5.1)", NAT64,
         LATE_ANSWER, drops={"no-bib-entry": 1}),
    case("anybody may answer through a mapping (RFC 6146 3, endpoint-independent)", NAT64,
         *UDP_OUT, outside(IP(src=OTHER4, dst=POOL) / UDP(sport=99, dport=PORT) / b"x"),
         to_inside(IPv6(src=OTHER6, dst=HOST, hlim=63) / UDP(sport=99, dport=4000) / b"x")),
    case("address-dependent: only who was asked may answer (RFC 6146 3.5.1)", ADDRESS_DEPENDENT,
         *UDP_OUT, outside(IP(src=OTHER4, dst=POOL) / UDP(sport=53, dport=PORT) / b"x"),
         *ANSWER, drops={"filtered": 1}),
    case("address-dependent: from any port of whom was asked (RFC 6146 3.5.1)",
         ADDRESS_DEPENDENT, *UDP_OUT,
         outside(IP(src=SERVER4, dst=POOL) / UDP(sport=99, dport=PORT) / b"x"),
         to_inside(IPv6(src=SERVER6, dst=HOST, hlim=63) / UDP(sport=99, dport=4000) / b"x")),
    case("one mapping for all destinations of a host's port (RFC 4787 REQ-1)", NAT64, *UDP_OUT,
         inside(IPv6(src=HOST, dst=OTHER6) / UDP(sport=4000, dport=99) / b"x"),
         to_outside(IP(src=POOL, dst=OTHER4, ttl=63, id=ANY) / UDP(sport=PORT, dport=99) / b"x"),
         counts={"flows_created_nat64": 2}),
    case("no port left: the host is told address unreachable (RFC 6888 REQ-11)", NAT64, *UDP_OUT,
         inside(IPv6(src=HOST2, dst=SERVER6) / UDP(sport=4000, dport=53)),
         to_inside(IPv6(src=GATEWAY6, dst=HOST2, hlim=ANY) / ICMPv6DestUnreach(code=3) /
                   Raw(bytes(IPv6(src=HOST2, dst=SERVER6) / UDP(sport=4000, dport=53)))),
         drops={"pool4-exhausted": 1}),
    case("static entries are open from outside, for TCP, UDP and echo", STATIC,
         outside(IP(src=SERVER4, dst=POOL) / UDP(sport=99, dport=5353) / b"q"),
         to_inside(IPv6(src=SERVER6, dst=HOST2, hlim=63) / UDP(sport=99, dport=53) / b"q"),
         inside(IPv6(src=HOST2, dst=SERVER6) / UDP(sport=53, dport=99) / b"a"),
         to_outside(IP(src=POOL, dst=SERVER4, ttl=63, id=ANY) / UDP(sport=5353, dport=99) / b"a"),
         outside(IP(src=SERVER4, dst=POOL) / TCP(sport=99, dport=8080)),
         to_inside(IPv6(src=SERVER6, dst=HOST2, hlim=63) / TCP(sport=99, dport=80)),
         inside(IPv6(src=HOST2, dst=SERVER6) / TCP(sport=80, dport=99, flags="SA", ack=1)),
         to_outside(IP(src=POOL, dst=SERVER4, ttl=63, id=ANY) /
                    TCP(sport=8080, dport=99, flags="SA", ack=1)),
         outside(IP(src=SERVER4, dst=POOL) / ICMP(type=8, id=700, seq=1)),
         to_inside(IPv6(src=SERVER6, dst=HOST2, hlim=63) / ICMPv6EchoRequest(id=9, seq=1)),
         counts={"flows_created_nat64": 3}),
    case("host with a static entry leaves from it (RFC 6146 3.1)", STATIC,
         inside(IPv6(src=HOST2, dst=SERVER6) / UDP(sport=53, dport=99) / b"q"),
         to_outside(IP(src=POOL, dst=SERVER4, ttl=63, id=ANY) / UDP(sport=5353, dport=99) / b"q")),
    # TCP without state
    case("TCP from inside that is no SYN makes no session (RFC 6146 3.5.2.2)", NAT64,
         host(**ACK), drops={"no-flow": 1}),
    case("TCP from outside that is no SYN makes no session (RFC 6146 3.5.2.2)", NAT64,
         server(**SYN_ACK), drops={"no-bib-entry": 1}),
    case("SYN from outside without a mapping is not answered for 6 seconds (RFC 5382 REQ-4)", NAT64,
         server(flags="S", seq=900), wait(5.9), server(flags="S", seq=900),
         drops={"no-bib-entry": 1}, counts={"syns_kept": 1}),
    case("SYN from outside without a mapping is told after 6 seconds (RFC 6146 3.5.2.2)", NAT64,
         server(flags="S", seq=900), wait(10),
         to_outside(IP(src=POOL, dst=SERVER4, ttl=ANY, id=ANY, tos=ANY) /
                    ICMP(type=3, code=3) /
                    IP(src=SERVER4, dst=POOL) / TCP(sport=80, dport=PORT, flags="S", seq=900)),
         server(flags="R", seq=901), drops={"no-bib-entry": 2}),
    case("SYN from outside, then one from inside to the same: it is ours (RFC 6146 3.5.2.2)",
         ADDRESS_DEPENDENT, *UDP_OUT, host(**SYN), host_seen(**SYN),
         outside(IP(src=OTHER4, dst=POOL) / TCP(sport=80, dport=PORT, seq=900)),
         wait(3),
         inside(IPv6(src=HOST, dst=OTHER6) / TCP(sport=4000, dport=80, seq=100)),
         to_outside(IP(src=POOL, dst=OTHER4, ttl=63, id=ANY) /
                    TCP(sport=PORT, dport=80, seq=100)), wait(10), host(**SYN), host_seen(**SYN),
         counts={"simultaneous_opens": 1, "syns_kept": 1}),
    case("SYN that nobody inside asked for is told after 6 seconds (RFC 6146 3.5.2.2)",
         ADDRESS_DEPENDENT, *UDP_OUT, host(**SYN), host_seen(**SYN),
         outside(IP(src=OTHER4, dst=POOL) / TCP(sport=80, dport=PORT, seq=900)),
         wait(10),
         to_outside(IP(src=POOL, dst=OTHER4, ttl=ANY, id=ANY, tos=ANY) /
                    ICMP(type=3, code=3) /
                    IP(src=OTHER4, dst=POOL) / TCP(sport=80, dport=PORT, seq=900)),
         host(**SYN), host_seen(**SYN), drops={"filtered": 1}),
    # lifetimes
    case("UDP mapping lives 5 minutes from the last packet out (RFC 6146 4)", NAT64, *UDP_OUT,
         wait(290), *UDP_OUT, wait(290), *ANSWER, wait(700), LATE_ANSWER,
         drops={"no-bib-entry": 1}),
    case("ICMP mapping lives 60 seconds (RFC 6146 4)", NAT64,
         inside(IPv6(src=HOST, dst=SERVER6) / ICMPv6EchoRequest(id=7, seq=3)),
         to_outside(IP(src=POOL, dst=SERVER4, ttl=63, id=ANY) / ICMP(type=8, id=PORT, seq=3)),
         wait(61), outside(IP(src=SERVER4, dst=POOL) / ICMP(type=0, id=PORT, seq=3)),
         drops={"no-bib-entry": 1}),
    case("SYN that is not answered lives 4 minutes (RFC 6146 3.5.2.2 V6 INIT)", NAT64,
         host(**SYN), host_seen(**SYN), wait(239), server(**SYN_ACK), server_seen(**SYN_ACK)),
    case("SYN that was not answered is forgotten after 4 minutes (RFC 6146 3.5.2.2)", NAT64,
         host(**SYN), host_seen(**SYN), wait(241), server(**SYN_ACK), drops={"no-bib-entry": 1}),
    case("established connection lives two hours (RFC 6146 3.5.2.2)", NAT64, *CONNECTED,
         wait(7430), server(**DATA), server_seen(**DATA), wait(7430), host(**ACK),
         host_seen(**ACK)),
    case("idle connection is probed after 2 h 4 min, and lives if answered (RFC 6146 3.5.2.2)",
         NAT64, *CONNECTED, wait(7450), PROBE, host(**ACK), host_seen(**ACK),
         wait(7400), server(**DATA), server_seen(**DATA), counts={"probes_sent": 1}),
    case("idle connection is forgotten 4 minutes after the probe (RFC 6146 3.5.2.2)", NAT64,
         *CONNECTED, wait(7450), PROBE, wait(260), server(**DATA), drops={"no-bib-entry": 1}),
    case("RST ends a connection after 4 minutes (RFC 6146 3.5.2.2)", NAT64, *CONNECTED,
         server(flags="R", seq=901), server_seen(flags="R", seq=901),
         wait(200), server(flags="R", seq=901), server_seen(flags="R", seq=901),
         wait(300), server(**DATA), drops={"no-bib-entry": 1}),
    case("data after RST makes it established again (RFC 6146 3.5.2.2 TRANS)", NAT64, *CONNECTED,
         server(flags="R", seq=901), server_seen(flags="R", seq=901), wait(10),
         server(**DATA), server_seen(**DATA), wait(7000), server(**DATA), server_seen(**DATA)),
    case("both FINs: forgotten after 4 minutes, not before (RFC 6146 3.5.2.2)", NAT64, *CONNECTED,
         host(flags="FA", seq=101, ack=901), host_seen(flags="FA", seq=101, ack=901),
         server(flags="FA", seq=901, ack=102), server_seen(flags="FA", seq=901, ack=102),
         wait(230), host(flags="A", seq=102, ack=902), host_seen(flags="A", seq=102, ack=902),
         wait(300), server(**DATA), drops={"no-bib-entry": 1}),
    case("one FIN: the other direction lives on (RFC 6146 3.5.2.2 V6 FIN RCV)", NAT64, *CONNECTED,
         host(flags="FA", seq=101, ack=901), host_seen(flags="FA", seq=101, ack=901),
         wait(7000), server(**DATA), server_seen(**DATA)),
    case("simultaneous open: SYN from outside answers a SYN (RFC 6146 3.5.2.2)", NAT64,
         host(**SYN), host_seen(**SYN), server(flags="S", seq=900),
         server_seen(flags="S", seq=900), wait(300), server(**DATA), server_seen(**DATA)),
    # hairpinning
    case("host reaches another's static entry through us, UDP (RFC 6146 3.8)", STATIC,
         inside(IPv6(src=HOST, dst=POOL6) / UDP(sport=4000, dport=5353) / b"q"),
         to_inside(IPv6(src=POOL6, dst=HOST2, hlim=ROUND) / UDP(sport=PORT, dport=53) / b"q"),
         inside(IPv6(src=HOST2, dst=POOL6) / UDP(sport=53, dport=PORT) / b"a"),
         to_inside(IPv6(src=POOL6, dst=HOST, hlim=ROUND) / UDP(sport=5353, dport=4000) / b"a"),
         counts={"hairpins": 2}),
    case("host reaches another's static entry through us, TCP (RFC 6146 3.8)", STATIC,
         inside(IPv6(src=HOST, dst=POOL6) / TCP(sport=4000, dport=8080)),
         to_inside(IPv6(src=POOL6, dst=HOST2, hlim=ROUND) / TCP(sport=PORT, dport=80)),
         inside(IPv6(src=HOST2, dst=POOL6) / TCP(sport=80, dport=PORT, flags="SA", ack=1)),
         to_inside(IPv6(src=POOL6, dst=HOST, hlim=ROUND) /
                   TCP(sport=8080, dport=4000, flags="SA", ack=1))),
    case("error comes back the same way (RFC 6146 3.8, RFC 5508 REQ-7)", STATIC,
         inside(IPv6(src=HOST, dst=POOL6) / UDP(sport=4000, dport=5353) / b"q"),
         to_inside(IPv6(src=POOL6, dst=HOST2, hlim=ROUND) / UDP(sport=PORT, dport=53) / b"q"),
         inside(IPv6(src=HOST2, dst=POOL6) / ICMPv6DestUnreach(code=4) /
                IPv6(src=POOL6, dst=HOST2, hlim=60) / UDP(sport=PORT, dport=53) / b"q"),
         to_inside(IPv6(src=POOL6, dst=HOST, hlim=ROUND) / ICMPv6DestUnreach(code=4) /
                   IPv6(src=HOST, dst=POOL6, hlim=60) / UDP(sport=4000, dport=5353) / b"q")),
    case("pool address and no mapping behind it (RFC 6146 3.8)", STATIC,
         inside(IPv6(src=HOST, dst=POOL6) / UDP(sport=4000, dport=9999) / b"q"),
         drops={"no-bib-entry": 1}),
]


@each(CASES)
def test_nat64(case, spacing, tmp_path):
    case.check(spacing, tmp_path)
