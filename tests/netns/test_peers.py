"""Peers through the gateway: two hosts inside that meet at the pool address, what a mapping looks like
from many places and whom it lets in, and programs that people use. The topology is drawn in
netns-scripts/lab/chain.py."""
import errno
import hashlib
import os
import socket
import struct
import time

import pytest
from lab import servers
from lab.chain import C1, C2, GW6, POOL4, RIN2, S4, S4B, T4
from lab.netns import stop, wait_until
from path_lab import (PING4, PING_ID, SSH_PORT, nat64, open_socket, tcp_connect, tcp_listen, udp)
from test_paths import hops, known_mtu, traceroute, transfer

HERE = nat64(POOL4)  # the pool address as the inside sees it


def exchange(a, b, data):
    """@data there and @data back over two connected TCP sockets."""
    for x, y in ((a, b), (b, a)):
        x.settimeout(5)
        y.settimeout(5)
        x.sendall(data)
        got = b""
        while len(got) < len(data):
            got += y.recv(65536) or pytest.fail(f"ended after {len(got)} bytes")
        assert got == data


# ---- two hosts inside, by way of the pool (RFC 6146 3.8) ----

def test_hairpin_tcp_comes_from_the_outside_address(line):
    """RFC 4787 REQ-9, RFC 5382 REQ-8: the listener sees the caller as everybody outside does."""
    with tcp_listen(line.c1, C1, 8080) as door, tcp_listen(line.s4, S4, 8081) as outer:
        caller = tcp_connect(line.c2, nat64(S4), 8081)
        port, (far, seen) = caller.getsockname()[1], outer.accept()
        with caller, far:
            with tcp_connect(line.c2, HERE, 8080, source_port=port) as again:
                near, peer = door.accept()
                with near:
                    assert peer[:2] == (HERE, seen[1])
                    exchange(again, near, os.urandom(100_000))


@pytest.mark.parametrize("size", [1, 1400, 4000])
def test_hairpin_udp_there_and_back(line, size):
    with udp(line.c1, C1, 7000) as door, udp(line.c2, C2) as caller, udp(line.s4, S4, 3478) as stun:
        caller.sendto(b"?", (nat64(S4), 3478))
        seen = stun.recvfrom(10)[1]
        caller.connect((HERE, 7000))
        data = os.urandom(size)
        caller.send(data)
        got, peer = door.recvfrom(65535)
        assert (got, peer[:2]) == (data, (HERE, seen[1]))
        door.sendto(data[::-1], peer)
        assert caller.recv(65535) == data[::-1]


def test_hairpin_ping_of_a_static_identifier(line):
    """RFC 7857 12. With an identifier for both ends and one address there is no telling them apart."""
    before = line.counter("hairpins")
    out = line.c2.out("ping", "-6", "-n", "-c3", "-i0.1", "-W3", "-e", PING_ID, nat64(PING4))
    assert " 0% packet loss" in out and nat64(PING4) in out, out
    assert line.counter("hairpins") > before


def test_ping_of_the_pool_address_is_answered(line):
    """RFC 5508 REQ-10, from inside; the identifier is one's own, so one answers oneself."""
    assert " 0% packet loss" in line.c2.out("ping", "-6", "-n", "-c3", "-i0.1", "-W3", HERE)


@pytest.mark.parametrize("how", [["-T", "-p", "8080"], ["-U", "-p", "7000"]], ids=["tcp", "udp"])
def test_hairpin_traceroute_sees_the_gateway_once(line, how):
    """The errors of routers behind the second translation find their way (RFC 5508 REQ-7)."""
    out = traceroute(line.c2, "-6", *how, HERE)
    assert hops(out) == [RIN2, GW6, HERE, HERE], out


def test_hairpin_errors_reach_the_sender(line):
    with udp(line.c2, C2) as caller:
        caller.connect((HERE, 7000))  # nobody listens
        caller.send(b"x")
        with pytest.raises(ConnectionRefusedError):
            caller.recv(10)


def test_hairpin_transfers_over_a_narrow_link(line):
    server = servers.iperf(line.c2)
    line.narrow(c2_rin=1280)
    transfer(line.c1, HERE)
    assert known_mtu(line.c1, HERE) == 1280
    stop(server)


# ---- what a mapping is like (RFC 4787 4, 5; RFC 5382; RFC 6146 3.5) ----

PLACES = [("s4", S4, 3478), ("s4", S4, 3479), ("s4", S4B, 3478), ("t4", T4, 3478)]


def seen_from(line, inner, places=PLACES):
    """Where each of @places sees the UDP socket @inner."""
    seen = []
    for host, address, port in places:
        with udp(line.hosts[host], address, port) as outer:
            inner.sendto(b"who am I?", (nat64(address), port))
            seen.append(outer.recvfrom(100)[1])
    return seen


def test_udp_mapping_is_the_same_from_everywhere(line):
    with udp(line.c1, C1) as one, udp(line.c1, C1) as two:
        seen, others = seen_from(line, one), seen_from(line, two)
    assert len(set(seen)) == len(set(others)) == 1 and seen[0][0] == others[0][0] == POOL4
    assert seen[0] != others[0]


def test_tcp_mapping_is_the_same_from_everywhere(line):
    seen, port, held = set(), 0, []
    for host, address, to in PLACES:
        with tcp_listen(line.hosts[host], address, to) as door:
            held += [tcp_connect(line.c1, nat64(address), to, source_port=port), *door.accept()[:1]]
            port = held[-2].getsockname()[1]
            seen.add(held[-1].getpeername())
    for s in held:
        s.close()
    assert len(seen) == 1 and POOL4 in next(iter(seen))


def test_echo_identifier_is_the_same_from_everywhere(line):
    """RFC 5508 REQ-1; three targets see one identifier of one ping socket."""
    seen = set()
    with open_socket(line.c1, socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as inner:
        for host, address in (("s4", S4), ("s4", S4B), ("t4", T4)):
            with open_socket(line.hosts[host], socket.AF_INET, socket.SOCK_RAW,
                             socket.IPPROTO_ICMP) as outer:
                outer.settimeout(3)
                inner.sendto(struct.pack("!BBHHH", 128, 0, 0, 4711, 1), (nat64(address), 0))
                data = outer.recv(100)
                while data[20] != 8:
                    data = outer.recv(100)
                seen.add((socket.inet_ntoa(data[12:16]), data[24:26]))
    assert len(seen) == 1


def test_endpoint_independent_filtering_lets_a_third_party_in(line):
    with udp(line.c1, C1) as inner, udp(line.t4, T4, 5000) as third:
        (seen,) = seen_from(line, inner, PLACES[:1])
        third.sendto(b"from a stranger", seen)
        data, peer = inner.recvfrom(100)
        assert (data, peer[:2]) == (b"from a stranger", (nat64(T4), 5000))


def test_address_dependent_filtering_does_not(line):
    line.configure(filtering="address-dependent")
    with udp(line.c1, C1) as inner, udp(line.t4, T4, 5000) as third, udp(line.s4, S4, 5001) as known:
        (seen,) = seen_from(line, inner, PLACES[:1])
        before = line.counter("filtered")
        third.sendto(b"from a stranger", seen)
        line.wait_counter("filtered", before)
        known.sendto(b"from the same address", seen)
        assert inner.recv(100) == b"from the same address"
        seen_from(line, inner, PLACES[3:])  # and now it is no stranger
        third.sendto(b"from a friend", seen)
        assert inner.recv(100) == b"from a friend"


def listen_on_a_mapping(line):
    """c1 listens where it has called from. Returns the listener, what holds the mapping, and where."""
    with tcp_listen(line.s4, S4, 3478) as outer:
        door = tcp_listen(line.c1, C1, 0)
        call = open_socket(line.c1, socket.AF_INET6, socket.SOCK_STREAM)
        for s in (door, call):
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        call.bind((C1, door.getsockname()[1]))
        call.settimeout(5)
        call.connect((nat64(S4), 3478))
        far, seen = outer.accept()
    return door, (call, far), seen


def test_endpoint_independent_filtering_lets_tcp_in(line):
    door, held, seen = listen_on_a_mapping(line)
    with door, held[0], held[1], tcp_connect(line.t4, *seen) as third:
        near, peer = door.accept()
        with near:
            assert peer[:2] == (nat64(T4), third.getsockname()[1])
            exchange(third, near, b"hello")


def test_address_dependent_filtering_keeps_tcp_out(line):
    line.configure(filtering="address-dependent")
    door, held, seen = listen_on_a_mapping(line)
    third = open_socket(line.t4, socket.AF_INET, socket.SOCK_STREAM)
    third.setblocking(False)
    with door, held[0], held[1], third:
        assert third.connect_ex(seen) == errno.EINPROGRESS
        with tcp_connect(line.s4, *seen) as known:
            near, peer = door.accept()
            with near:
                assert peer[:2] == (nat64(S4), known.getsockname()[1])
        door.setblocking(False)
        with pytest.raises(BlockingIOError):
            door.accept()


# ---- two subscribers that find each other ----

@pytest.mark.parametrize("filtering", ["endpoint-independent", "address-dependent"])
def test_two_subscribers_punch_holes(line, filtering):
    """As WebRTC does: each learns its mapping from a server, and sends to the other's until answered."""
    line.configure(filtering=filtering)
    with udp(line.c1, C1, timeout=0.3) as a, udp(line.c2, C2, timeout=0.3) as b:
        at = {a: seen_from(line, a, PLACES[:1])[0], b: seen_from(line, b, PLACES[:1])[0]}
        heard = set()
        for _ in range(10):
            for me, you in ((a, b), (b, a)):
                me.sendto(b"check", (nat64(at[you][0]), at[you][1]))
            for me, you in ((a, b), (b, a)):
                try:
                    assert me.recvfrom(100)[1][:2] == (nat64(at[you][0]), at[you][1])
                    heard.add(me)
                except socket.timeout:
                    pass
            if len(heard) == 2:
                break
        assert len(heard) == 2
        drain(a, b)
        for size in (1, 100, 1200, 1452, 3000) * 4:
            for me, you in ((a, b), (b, a)):
                data = os.urandom(size)
                me.sendto(data, (nat64(at[you][0]), at[you][1]))
                assert you.recv(65535) == data


def drain(*sockets):
    for s in sockets:
        s.setblocking(False)
        while True:
            try:
                s.recv(65535)
            except BlockingIOError:
                break
        s.settimeout(3)


@pytest.mark.parametrize("filtering", ["endpoint-independent", "address-dependent"])
def test_two_subscribers_open_tcp_at_the_same_time(line, filtering):
    """RFC 5382 REQ-2: both call, nobody listens."""
    line.configure(filtering=filtering)
    stun = [("s4", S4, 3480), ("t4", T4, 3481)]
    ends = []
    for (host, address, port), (inside, own) in zip(stun, ((line.c1, C1), (line.c2, C2))):
        with tcp_listen(line.hosts[host], address, port) as door:
            call = tcp_connect(inside, nat64(address), port)
            ends.append((inside, own, call.getsockname()[1], call, *door.accept()))
    calls = []
    for (inside, own, port, *_), other in zip(ends, reversed(ends)):
        s = open_socket(inside, socket.AF_INET6, socket.SOCK_STREAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((own, port))
        calls.append((s, (nat64(other[-1][0]), other[-1][1])))
    for s, to in calls:
        s.setblocking(False)
        assert s.connect_ex(to) == errno.EINPROGRESS
    wait_until(lambda: all([connected(s, to) for s, to in calls]), "both are connected", timeout=8)
    exchange(calls[0][0], calls[1][0], os.urandom(10_000))
    for s in [s for s, _ in calls] + [s for end in ends for s in end[3:5]]:
        s.close()


def connected(s, to):
    """Whether it is. Who was refused, by an end that had not called yet, calls again at once: two ends that waited
    in turn would refuse each other for ever."""
    said = s.connect_ex(to)
    if said == errno.ECONNREFUSED:
        said = s.connect_ex(to)
    return said in (0, errno.EISCONN)


def test_a_subscriber_and_a_server_open_tcp_at_the_same_time(line):
    """RFC 5382 REQ-2, 4: the server's SYN is filtered and kept; it is answered by the subscriber's."""
    line.configure(filtering="address-dependent")
    with tcp_listen(line.s4, S4, 3482) as door:
        call = tcp_connect(line.c1, nat64(S4), 3482)
        port, (far, seen) = call.getsockname()[1], door.accept()
    server = open_socket(line.t4, socket.AF_INET, socket.SOCK_STREAM)
    with call, far, server:
        server.bind((T4, 3483))
        server.setblocking(False)
        before = line.counter("rx_packets_outside")
        assert server.connect_ex(seen) == errno.EINPROGRESS
        line.wait_counter("rx_packets_outside", before)
        with tcp_connect(line.c1, nat64(T4), 3483, source_port=port) as subscriber:
            wait_until(lambda: connected(server, seen), "the server is connected")
            exchange(subscriber, server, os.urandom(10_000))


def test_who_calls_nobody_is_told_after_six_seconds(line):
    """RFC 6146 3.5.2.2, RFC 5382 REQ-4: no sooner, for somebody inside might call as well."""
    with open_socket(line.t4, socket.AF_INET, socket.SOCK_STREAM) as s:
        s.settimeout(20)
        start = time.monotonic()
        with pytest.raises(ConnectionRefusedError):
            s.connect((POOL4, 9999))
        assert 5.5 < time.monotonic() - start < 12


# ---- programs ----

BIG = 8 << 20


def test_ssh_outward(line):
    server, options = servers.sshd(line.s4, S4)
    data = line.path("big")
    with open(data, "wb") as f:
        f.write(os.urandom(BIG))
    digest = hashlib.sha256(open(data, "rb").read()).hexdigest()
    out = line.c1.sh(f"ssh {' '.join(options)} root@{nat64(S4)} sha256sum < {data}")
    assert out.stdout.split()[0] == digest
    out = line.c1.sh(f"ssh {' '.join(options)} root@{nat64(S4)} cat {data} | sha256sum")
    assert out.stdout.split()[0] == digest
    stop(server)


def test_ssh_inward_by_a_static_entry(line):
    server, options = servers.sshd(line.c1, C1)
    options[options.index("-p") + 1] = str(SSH_PORT)
    out = line.s4.sh(f"ssh {' '.join(options)} root@{POOL4} 'echo $SSH_CLIENT'")
    assert out.stdout.split()[0] == nat64(S4)
    out = line.c2.sh(f"ssh {' '.join(options)} root@{HERE} 'echo $SSH_CLIENT'")  # and by hairpin
    assert out.stdout.split()[0] == HERE
    stop(server)


def test_ftp_passive(line):
    """curl says EPSV over IPv6; the answer holds a port and no address (RFC 2428), so nobody need
    change it."""
    root = line.path("ftp")
    os.makedirs(root, exist_ok=True)
    body = os.urandom(BIG)
    with open(os.path.join(root, "big"), "wb") as f:
        f.write(body)
    server = servers.ftp(line.s4, S4, 2121, root)
    line.c1.run("curl", "-gsS", "-m", 20, "-o", line.path("got"), f"ftp://[{nat64(S4)}]:2121/big")
    with open(line.path("got"), "rb") as f:
        assert f.read() == body
    with open(server.log_path) as f:
        assert "EPSV" in f.read()
    stop(server)
