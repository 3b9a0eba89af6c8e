"""One gateway in a chain of routers, shared by test_paths.py and test_peers.py: the topology is drawn
in netns-scripts/lab/chain.py. Sockets are opened in the hosts' namespaces by the test itself."""
import contextlib
import ctypes
import os
import socket
import struct
import threading

from lab import servers
from lab.chain import C1, C2, POOL4, Chain
from lab.gateway import Gateway
from lab.netns import Failed, wait_until

CLONE_NEWNET = 0x40000000
PREFIX = "64:ff9b::"
SSH_PORT, TRACE_PORTS = 2222, range(44441, 44461)
PING4, PING_ID = "198.51.100.11", 77  # where c1 answers echo requests of this identifier
LIBC = ctypes.CDLL(None, use_errno=True)


def nat64(v4):
    """@v4 as the inside sees it, written as traceroute writes it."""
    return socket.inet_ntop(socket.AF_INET6,
                            socket.inet_pton(socket.AF_INET6, PREFIX)[:12] + socket.inet_aton(v4))


def config(gateway, workers, filtering="endpoint-independent", translation="{}"):
    entries = [("tcp", C1, 8080, 8080), ("udp", C1, 7000, 7000), ("tcp", C1, 22, SSH_PORT),
               ("tcp", C2, 5201, 5201), ("icmp", C2, PING_ID, PING_ID)]
    entries += [("udp", C1, port, port) for port in TRACE_PORTS]
    entries = [(*entry, POOL4) for entry in entries] + [("icmp", C1, PING_ID, PING_ID, PING4)]
    static = "\n".join(f"    - {{protocol: {protocol}, inside: {{address: \"{inside}\", port: {port}}}, "
                       f"outside: {{address: {address}, port: {outside}}}}}"
                       for protocol, inside, port, outside, address in entries)
    return f"""
gateway: {{name: chain, workers: {workers}, flows: 64k, user: nobody, control: {gateway.control}}}
interfaces: {{inside: lan0, outside: wan0}}
nat64:
  pool4: [{POOL4}, {{address: {PING4}, ports: {PING_ID}, protocols: icmp}}]
  allow-private: true
  filtering: {filtering}
  static:
{static}
translation: {translation}
"""


class Line(Chain):
    """The chain with a gateway that runs; configure() reloads it, restore() takes that back."""

    def start_gateway(self, workers):
        self.workers, self.changed = workers, False
        self.gateway = Gateway(self.gw)
        self.gateway.start(config(self.gateway, workers))
        servers.iperf(self.s4)

    def configure(self, **what):
        self.gateway.write(config(self.gateway, self.workers, **what))
        self.gateway.ctl("reload")
        self.changed = bool(what)

    def restore(self):
        self.widen()
        if self.changed:
            self.configure()

    def set_mtu(self, cable, mtu):
        super().set_mtu(cable, mtu)
        if "gw" in cable.split("-"):
            device = {"rin-gw": "lan0", "gw-r1": "wan0"}[cable]
            wait_until(lambda: self.gateway_mtu(device) == mtu, f"the gateway knows the MTU of {device}")

    def gateway_mtu(self, device):
        listed = self.gateway.ctl_json("status")["interfaces"]
        return next(i["mtu"] for i in listed if i["name"] == device)

    def counter(self, name):
        for line in self.gateway.ctl("counters", "--all").splitlines():
            words = line.split()
            if words[:1] == [name]:
                return int(words[1])
        raise Failed(f"no counter {name}")

    def wait_counter(self, name, more_than):
        wait_until(lambda: self.counter(name) > more_than, f"{name} counts")


@contextlib.contextmanager
def inside_of(host):
    """What this thread opens meanwhile belongs to the host's namespace."""
    back, there = (os.open(path, os.O_RDONLY) for path in ("/proc/thread-self/ns/net",
                                                           f"/run/netns/{host.ns}"))
    try:
        if LIBC.setns(there, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot enter {host.ns}")
        yield
    finally:
        if LIBC.setns(back, CLONE_NEWNET):
            os._exit(1)  # nothing that follows would be where it belongs
        os.close(back)
        os.close(there)


def open_socket(host, family, kind, protocol=0):
    with inside_of(host):
        return socket.socket(family, kind, protocol)


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def udp(host, address, port=0, timeout=3.0):
    """A UDP socket of @host, bound."""
    s = open_socket(host, family_of(address), socket.SOCK_DGRAM)
    s.bind((address, port))
    s.settimeout(timeout)
    return s


def tcp_listen(host, address, port):
    s = open_socket(host, family_of(address), socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, port))
    s.listen(8)
    s.settimeout(5)
    return s


def tcp_connect(host, address, port, source_port=0):
    s = open_socket(host, family_of(address), socket.SOCK_STREAM)
    s.settimeout(5)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("", source_port))  # several may come from one port
    s.connect((address, port))
    return s


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff


def packed(address):
    return socket.inet_pton(family_of(address), address)


def pseudo_checksum(source, destination, protocol, body):
    size = struct.pack("!I", len(body)) if ":" in source else struct.pack("!H", len(body))
    rest = size + bytes([0, 0, 0, protocol]) if ":" in source else bytes([0, protocol]) + size
    return checksum(packed(source) + packed(destination) + rest + body)


# ---- routers that answer with MPLS labels ----

def extended(quote, unit, label):
    """The rest of an ICMP error after its checksum: RFC 4884 length and extensions, RFC 4950 labels."""
    quote = quote[:128].ljust(128, b"\0")
    stack = struct.pack("!I", label << 12 | 5 << 9 | 1 << 8 | 1)
    objects = struct.pack("!HBB", 4 + len(stack), 1, 1) + stack
    extension = struct.pack("!BBH", 2 << 4, 0, 0) + objects
    extension = extension[:2] + struct.pack("!H", checksum(extension)) + objects
    length = bytes([128 // unit]) if unit == 8 else bytes([0, 128 // unit])
    return length.ljust(4, b"\0") + quote + extension


class LabelRouter:
    """A router of label-switched paths: what expires at @host is answered by us, not by its kernel,
    with an MPLS label stack. A context manager."""

    def __init__(self, host, device, v6, address, label):
        self.host, self.v6, self.address, self.label = host, v6, address, label
        field, proto = ("ip6 hoplimit", "ip6") if v6 else ("ip ttl", "ip")
        host.run("nft", "-f", "-", text_in=f"""
table {proto} labels {{
  chain early {{
    type filter hook prerouting priority raw; policy accept;
    iifname {device} {field} 1 meta l4proto {{ tcp, udp }} drop
  }}
}}""")
        self.family = proto
        self.seen = open_socket(host, socket.AF_PACKET, socket.SOCK_DGRAM)
        self.seen.bind((device, 0x86dd if v6 else 0x0800))
        self.seen.settimeout(0.2)
        self.out = open_socket(host, socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_RAW,
                               socket.IPPROTO_ICMPV6 if v6 else socket.IPPROTO_ICMP)
        self.out.bind((address, 0))
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.answer, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.done.set()
        self.thread.join()
        self.seen.close()
        self.out.close()
        self.host.run("nft", "delete", "table", self.family, "labels")

    def answer(self):
        while not self.done.is_set():
            try:
                data, where = self.seen.recvfrom(2048)
            except socket.timeout:
                continue
            if where[2] != socket.PACKET_HOST:
                continue
            if self.v6 and data[7] == 1 and data[6] in (6, 17):
                body = b"\3\0\0\0" + extended(data, 8, self.label)  # the kernel fills in the checksum
                self.out.sendto(body, (socket.inet_ntop(socket.AF_INET6, data[8:24]), 0))
            elif not self.v6 and data[8] == 1 and data[9] in (6, 17):
                body = b"\13\0\0\0" + extended(data, 4, self.label)
                body = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
                self.out.sendto(body, (socket.inet_ntoa(data[12:16]), 0))


# ---- datagrams cut by hand ----

def datagram(source, destination, source_port, port, data, with_checksum=True):
    size = 8 + len(data)
    head = struct.pack("!HHHH", source_port, port, size, 0)
    if not with_checksum:
        return head + data
    total = pseudo_checksum(source, destination, 17, head + data) or 0xffff
    return head[:6] + struct.pack("!H", total) + data


def pieces(body, most):
    """(offset, more, bytes) of each fragment; @most is a multiple of 8."""
    return [(at, at + most < len(body), body[at:at + most]) for at in range(0, len(body), most)]


def ipv4_fragment(source, destination, ident, piece):
    at, more, data = piece
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(data), ident, more << 13 | at >> 3, 64, 17, 0,
                       packed(source), packed(destination))
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + data


def ipv6_fragment(source, destination, ident, piece):
    at, more, data = piece
    return (struct.pack("!IHBB16s16s", 6 << 28, 8 + len(data), 44, 64, packed(source),
                        packed(destination)) +
            struct.pack("!BBHI", 17, 0, at | more, ident) + data)


def send_fragments(host, source, destination, fragments):
    """Whole IP packets, as they are."""
    s = open_socket(host, family_of(source), socket.SOCK_RAW, socket.IPPROTO_RAW)
    with s:
        for packet in fragments:
            s.sendto(packet, (destination, 0))
