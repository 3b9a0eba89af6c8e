"""Peers that no Debian package provides; each is started inside a namespace by its name.

    peers.py echo ADDRESS PORT                  answers each datagram with itself
    peers.py probe ADDRESS PORT SIZE COUNT      sends datagrams, waits for each to come back whole,
                                                sends again what does not
    peers.py shout ADDRESS PORT SIZE            waits for a datagram; answers with SIZE bytes and Don't
                                                Fragment until they fit, then says what fitted
    peers.py knock SOURCE DESTINATION PORT      a TCP SYN every 10 ms, each from another port, for ever
"""
import os
import socket
import struct
import sys
import time

IP_MTU_DISCOVER, IP_PMTUDISC_DO, IP_MTU = 10, 2, 14


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def echo(address, port):
    s = socket.socket(family(address), socket.SOCK_DGRAM)
    s.bind((address, int(port)))
    while True:
        data, peer = s.recvfrom(65535)
        s.sendto(data, peer)


def probe(address, port, size, count):
    s = socket.socket(family(address), socket.SOCK_DGRAM)
    s.settimeout(1)
    s.connect((address, int(port)))
    n_lost = 0
    for n in range(int(count)):
        data, got = os.urandom(int(size)), None
        while got is None and n_lost < 3:
            s.send(data)
            try:
                got = s.recv(65535)
            except socket.timeout:
                n_lost += 1
        if got != data:
            sys.exit(f"datagram {n} came back {'different' if got else 'never'}")
    print(f"whole, {n_lost} lost", flush=True)


def shout(address, port, size):
    s = socket.socket(family(address), socket.SOCK_DGRAM)
    s.bind((address, int(port)))
    print("ready", flush=True)
    _, peer = s.recvfrom(65535)
    s.connect(peer)
    s.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)
    data = bytes(int(size))
    end = time.monotonic() + 5
    while time.monotonic() < end:
        try:
            s.send(data)
            time.sleep(0.05)  # for the error to come, if one does
            s.send(data)
            break
        except OSError:
            data = bytes(s.getsockopt(socket.IPPROTO_IP, IP_MTU) - 28)
    print(f"mtu {s.getsockopt(socket.IPPROTO_IP, IP_MTU)}", flush=True)


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff


def knock(source, destination, port):
    s = socket.socket(family(source), socket.SOCK_RAW, socket.IPPROTO_TCP)
    s.bind((source, 0))
    n = 0
    while True:
        n += 1
        head = struct.pack("!HHIIBBHHH", 1024 + n % 60000, int(port), n, 0, 5 << 4, 2, 65535, 0, 0)
        addresses = b"".join(socket.inet_pton(family(source), a) for a in (source, destination))
        tail = struct.pack("!II", len(head), 6) if ":" in source else struct.pack("!BBH", 0, 6, 20)
        c = checksum(addresses + tail + head)
        try:
            s.sendto(head[:16] + struct.pack("!H", c) + head[18:], (destination, 0))
        except OSError:
            pass  # no route at the moment
        time.sleep(0.01)


if __name__ == "__main__":
    {f.__name__: f for f in (echo, probe, shout, knock)}[sys.argv[1]](*sys.argv[2:])
