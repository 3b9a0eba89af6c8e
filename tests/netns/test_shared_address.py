"""`pool4: outside`: the router's only IPv4 address is used by the host and by us at once."""
import re
import subprocess
import sys

import pytest
from netlink_lab import Driver, Lab, build_driver, wait_for
from scapy.compat import raw
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPerror, UDPerror, fragment
from scapy.packet import Raw

ALIAS = "192.0.0.6"
REAL = "198.51.100.1"
NET = "198.51.100.2"
HOST = "10.0.0.2"
CONF = ("inside=lan0", "outside=wan0", "nat64=64:ff9b::/96", "pool4=outside:20000-29999")
# The host's side of each flow goes to the driver, which stands in for the data plane.
FORWARD = CONF + (f"forward={HOST}", f"node={HOST},20000", f"node={HOST},20001")


@pytest.fixture(scope="session")
def program():
    return build_driver()


@pytest.fixture
def lab():
    lab = Lab()
    lab.host("ip -6 addr flush dev eth0")
    yield lab
    lab.close()


@pytest.fixture(params=["without conntrack", "with conntrack", "typical firewall"])
def firewall(request, lab):
    """The host's own rules: none; connection tracking; a stateful filter and NAT with a range."""
    if request.param == "with conntrack":
        lab.router.nft("table inet t {\n chain c { type filter hook forward priority 0\n"
                       " ct state new counter\n }\n}")
    elif request.param == "typical firewall":
        lab.router.nft("""
table inet filter {
    chain input {
        type filter hook input priority 0; policy drop
        ct state established,related accept
        iif lo accept
        tcp dport 22 accept
        meta l4proto { icmp, ipv6-icmp } accept
    }
    chain forward {
        type filter hook forward priority 0; policy drop
        ct state established,related accept
        iifname { "lan0", "sixgate0", "sixgate0o" } accept
        oifname { "sixgate0", "sixgate0o" } accept
    }
}
table ip nat {
    chain postrouting {
        type nat hook postrouting priority 100
        oifname "wan0" meta l4proto { tcp, udp } masquerade to :30000-60999
        oifname "wan0" masquerade
    }
}
""")
    return request.param


def python(ns, code, **kw):
    return ns.start([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, **kw)


SERVE = """
import socket
s = socket.create_server(("{address}", {port}))
print("listening", flush=True)
while True:
    c, peer = s.accept()
    print(peer[0], peer[1], flush=True)
    while data := c.recv(65536):
        c.sendall(data)
    c.close()
"""

FETCH = """
import hashlib, os, socket, threading
s = socket.socket(); s.settimeout(10)
s.bind(("{source}", {sport})); s.connect(("{address}", {port}))
sent = os.urandom(3_000_000)
threading.Thread(target=lambda: (s.sendall(sent), s.shutdown(socket.SHUT_WR))).start()
got = b""
while data := s.recv(65536):
    got += data
print("same" if got == sent else "different", flush=True)
"""

UDP_ECHO = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("{address}", {port}))
print("listening", flush=True)
while True:
    data, peer = s.recvfrom(65536)
    print(peer[0], peer[1], len(data), flush=True)
    s.sendto(data, peer)
"""

UDP_ASK = """
import os, socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(3)
s.bind(("{source}", {sport}))
for n in (1, 512, 1472, 1473, 5000, 30000, 60000):
    sent = os.urandom(n)
    s.sendto(sent, ("{address}", {port}))
    assert s.recvfrom(65536)[0] == sent, n
print("same", flush=True)
"""


def serve(ns, code, address, port):
    p = python(ns, code.format(address=address, port=port))
    assert p.stdout.readline() == "listening\n"
    return p


def ask(ns, code, source, sport, address, port):
    p = python(ns, code.format(source=source, sport=sport, address=address, port=port))
    return p.stdout.readline()


# ---- TCP and UDP, both directions, fragments included ----

def test_tcp_from_inside_leaves_with_the_routers_address(lab, program, firewall):
    d = Driver(lab, program, *FORWARD)
    server = serve(lab.net, SERVE, NET, 80)
    assert ask(lab.host, FETCH, HOST, 20000, NET, 80) == "same\n"
    peer, port = server.stdout.readline().split()
    assert peer == REAL and (port == "20000" or firewall == "typical firewall")
    d.stop()


def test_tcp_from_outside_reaches_a_port_of_ours(lab, program, firewall):
    d = Driver(lab, program, *FORWARD)
    server = serve(lab.host, SERVE, HOST, 20000)
    assert ask(lab.net, FETCH, NET, 5000, REAL, 20000) == "same\n"
    assert server.stdout.readline().split()[0] == NET
    d.stop()


def test_udp_of_any_size_passes_both_ways(lab, program, firewall):
    d = Driver(lab, program, *FORWARD, "protocol=17")
    server = serve(lab.net, UDP_ECHO, NET, 53)
    assert ask(lab.host, UDP_ASK, HOST, 20000, NET, 53) == "same\n"
    assert server.stdout.readline().split()[0] == REAL
    serve(lab.host, UDP_ECHO, HOST, 20001)
    assert ask(lab.net, UDP_ASK, NET, 5000, REAL, 20001) == "same\n"
    d.stop()


# ---- ICMP ----

def to_us(packet):
    return IP(packet).dst == ALIAS


def checked(packet):
    """The packet, after a look at the checksums of its header, of ICMP, and of a quoted header."""
    p = IP(packet)
    fresh = IP(packet)
    del fresh.chksum
    del fresh[ICMP].chksum
    assert raw(fresh) == packet
    if p.haslayer(IPerror):
        header = raw(p[IPerror])[:20]
        quoted = IP(header)
        del quoted.chksum
        assert raw(quoted) == header
    return p


def send_from_net(lab, packet):
    """A packet of ours, from the outside host, as it is."""
    code = ("import socket, sys; s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 255);"
            f"s.sendto(bytes.fromhex('{raw(packet).hex()}'), ('{REAL}', 0))")
    assert lab.net.start([sys.executable, "-c", code]).wait(5) == 0


def test_our_echo_requests_are_answered(lab, program, firewall):
    d = Driver(lab, program, *CONF)
    for ident in (20000, 25000, 29999):
        d.tx("outside", IP(src=ALIAS, dst=NET) / ICMP(type=8, id=ident) / Raw(b"x" * 1000))
        p = checked(d.rx("outside", to_us))
        assert p.src == NET and p[ICMP].type == 0 and p[ICMP].id == ident
    # In fragments, both ways.
    for part in fragment(IP(src=ALIAS, dst=NET, id=9) / ICMP(type=8, id=20001) / Raw(b"x" * 3000), 1400):
        d.tx("outside", part)
    parts = [IP(d.rx("outside", to_us)) for _ in range(3)]
    assert sum(len(p.payload) for p in parts) == 3008 and parts[0][ICMP].id == 20001
    d.stop()


@pytest.mark.parametrize("ident", [1, 19999, 20000, 25000, 29999, 30000, 65535])
def test_the_routers_own_ping_works_whatever_its_identifier(lab, program, firewall, ident):
    d = Driver(lab, program, *CONF)
    lab.router(f"ping -c 2 -i 0.1 -W 2 -e {ident} {NET}")
    lab.net(f"ping -c 2 -i 0.1 -W 2 -e {ident} {REAL}")
    d.stop()


def test_echo_requests_for_a_static_entry_are_ours(lab, program):
    d = Driver(lab, program, *CONF, "echo=20007")
    lab.net.start(f"ping -c 3 -i 0.2 -e 20007 {REAL}", stdout=subprocess.DEVNULL)
    p = checked(d.rx("outside", to_us))
    assert p[ICMP].type == 8 and p[ICMP].id == 20007
    lab.net(f"ping -c 2 -i 0.1 -W 2 -e 20008 {REAL}")
    d.stop()


QUOTED = {
    "udp": UDP(sport=20000, dport=9),
    "tcp": TCP(sport=29999, dport=9),
    "echo": ICMP(type=8, id=25000),
}


@pytest.mark.parametrize("quoted", list(QUOTED))
@pytest.mark.parametrize("error", [(3, 1), (3, 3), (3, 4), (11, 0), (12, 0)])
def test_icmp_errors_about_our_packets_come_to_us(lab, program, firewall, quoted, error):
    d = Driver(lab, program, *CONF)
    about = IP(src=REAL, dst="203.0.113.7", id=77) / QUOTED[quoted] / Raw(b"payload")
    if firewall == "typical firewall" or error[0] == 12:
        # Connection tracking lets errors pass about what it has seen leave.
        d.tx("outside", IP(src=ALIAS, dst="203.0.113.7") / QUOTED[quoted] / Raw(b"payload"))
    send_from_net(lab, IP(src=NET, dst=REAL) / ICMP(type=error[0], code=error[1], nexthopmtu=1400)
                  / raw(about))
    p = checked(d.rx("outside", lambda x: to_us(x) and IP(x)[ICMP].type == error[0]))
    assert p[IPerror].src == ALIAS and p[IPerror].dst == "203.0.113.7"
    assert raw(p[IPerror].payload)[:8] == raw(about.payload)[:8]
    d.stop()


@pytest.mark.parametrize("layer", [UDP(sport=19999, dport=9), TCP(sport=30000, dport=9),
                                   ICMP(type=8, id=19999)])
def test_icmp_errors_about_the_routers_own_packets_stay_with_it(lab, program, layer):
    d = Driver(lab, program, *CONF)
    about = IP(src=REAL, dst="203.0.113.7") / layer / Raw(b"payload")
    send_from_net(lab, IP(src=NET, dst=REAL) / ICMP(type=3, code=3) / raw(about))
    # One for us behind it: had the first come to us, it would be seen first.
    about = IP(src=REAL, dst="203.0.113.7") / QUOTED["udp"] / Raw(b"payload")
    send_from_net(lab, IP(src=NET, dst=REAL) / ICMP(type=3, code=3) / raw(about))
    p = IP(d.rx("outside", lambda x: x[0] >> 4 == 4))
    assert p[IPerror].payload.sport == 20000
    d.stop()


def test_an_error_about_the_routers_own_ping_stays_with_it(lab, program):
    d = Driver(lab, program, *CONF)
    ping = lab.router.start("ping -c 1 -W 3 -e 20100 203.0.113.7", stdout=subprocess.PIPE, text=True)
    wait_for(lambda: "203.0.113.7 . 20100" in lab.router("nft list set ip sixgate-shared own_echo"))
    about = IP(src=REAL, dst="203.0.113.7") / ICMP(type=8, id=20100, seq=1) / Raw(b"x" * 56)
    send_from_net(lab, IP(src=NET, dst=REAL) / ICMP(type=3, code=1) / raw(about))
    assert "Destination Host Unreachable" in ping.communicate()[0]
    d.stop()


def test_icmp_errors_that_we_send_bear_the_routers_address(lab, program, firewall):
    d = Driver(lab, program, *CONF)
    sniff = lab.net.start("timeout 5 tcpdump -i eth0 -n -U -x -c 1 icmp and src host " + REAL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert any("listening" in line for line in iter(sniff.stderr.readline, ""))
    # The packet it is about, so that connection tracking knows it.
    lab.net.start([sys.executable, "-c", "import socket; s = socket.socket(socket.AF_INET, "
                   f"socket.SOCK_DGRAM); s.bind(('{NET}', 53)); s.sendto(b'x', ('{REAL}', 20000))"])
    about = d.rx("outside", to_us)
    d.tx("outside", IP(src=ALIAS, dst=NET) / ICMP(type=3, code=3) / about)
    text = "".join(re.findall(r"0x[0-9a-f]{4}:\s+(.*)", sniff.communicate()[0]))
    p = checked(bytes.fromhex(re.sub(r"\s", "", text)))
    assert p.src == REAL and p[IPerror].dst == REAL and p[IPerror].src == NET
    d.stop()


def test_the_kernels_own_errors_about_our_packets_come_to_us(lab, program, firewall):
    d = Driver(lab, program, *CONF)
    d.tx("outside", IP(src=ALIAS, dst=NET, flags="DF") / UDP(sport=20000, dport=9) / Raw(b"x" * 2000))
    p = checked(d.rx("outside", to_us))
    assert (p[ICMP].type, p[ICMP].code, p[ICMP].nexthopmtu) == (3, 4, 1500)
    assert p[IPerror].src == ALIAS and p[UDPerror].sport == 20000
    d.stop()


# ---- the router itself ----

def test_the_routers_own_ports_stay_clear_of_ours(lab, program, firewall):
    lab.router.sysctl("net.ipv4.ip_local_port_range", "29000 34999")
    d = Driver(lab, program, *CONF)
    server = serve(lab.net, SERVE, NET, 80)
    code = ("import socket\nfor i in range(60):\n"
            f" s = socket.create_connection(('{NET}', 80), 3); s.sendall(b'x'); s.recv(1)\n"
            "print('same')")
    assert python(lab.router, code).stdout.readline() == "same\n"
    ports = [int(server.stdout.readline().split()[1]) for _ in range(60)]
    assert all(not 20000 <= p <= 29999 for p in ports)
    d.stop()


def test_the_router_can_be_reached_on_its_own_ports(lab, program, firewall):
    d = Driver(lab, program, *CONF)
    serve(lab.router, SERVE, "0.0.0.0", 22)
    assert ask(lab.net, FETCH, NET, 20000, REAL, 22) == "same\n"
    d.stop()


def test_a_new_address_is_shared_at_once(lab, program):
    d = Driver(lab, program, *CONF)
    d.settle()
    lab.router("ip addr del 198.51.100.1/24 dev wan0")
    lab.router("ip addr add 198.51.100.77/24 dev wan0")
    wait_for(lambda: "198.51.100.77" in lab.router("nft list table ip sixgate-shared", check=False))
    d.tx("outside", IP(src=ALIAS, dst=NET) / ICMP(type=8, id=20000))
    assert checked(d.rx("outside", to_us)).src == NET
    d.send("facts")
    d.expect(r"^shared 198.51.100.77$")
    d.stop()
