"""AF_XDP on veth pairs: that packets take it, that nothing is lost beside it, and that what ends with it
leaves the network closed. The functional tests of TUN run over it, too: see netns-xdp in tests/run.py.
"""
import os
import pathlib
import platform
import re
import signal
import subprocess

import pytest
from control_lab import HOST_IN_64, ControlLab, build_programs
from netlink_lab import wait_for

XDP = """
gateway: {user: nobody, control: @DIR@/run/control.sock, workers: @N@, flows: 64k}
interfaces: {inside: lan0, outside: wan0, io: xdp}
nat64: {pool4: 198.51.100.10, allow-private: true}
egress6: {prefixes: inside}
"""
NET6 = "2001:db8:f::2"


@pytest.fixture(scope="session")
def programs():
    return build_programs()


@pytest.fixture
def lab(programs):
    lab = ControlLab(programs)
    yield lab
    lab.close()


def start(lab, workers=1, text=XDP):
    for device in ("lan0", "wan0"):
        if workers > 1:  # each with a queue of its own
            lab.router(f"ethtool -L {device} rx {workers} tx {workers}")
    g = lab.gateway(text.replace("@N@", str(workers)))
    for ns, to in ((lab.host, HOST_IN_64), (lab.host, NET6)):
        # until the neighbours are known packets go through the kernel
        wait_for(lambda ns=ns, to=to: moved(g, lambda: lab.ping(ns, to, 3))[1] >= 6,
                 what=f"packets to {to} are sent by AF_XDP")
    return g


def moved(g, action):
    """(received, sent) by AF_XDP while something is done."""
    before = g.counters()
    assert action()
    now = g.counters()
    return tuple(now[k] - before[k] for k in ("rx_packets_xdp", "tx_packets_xdp"))


def has_program(lab, device):
    return "xdp" in lab.router(f"ip link show dev {device}").split("\n")[0] or \
        "prog/xdp" in lab.router(f"ip -d link show dev {device}")


def fetch(lab, url, code=0):
    p = lab.host.start(["curl", "-gsS", "-m", "20", url], stdout=subprocess.PIPE)
    out = p.communicate()[0]
    assert p.returncode == code
    return out


@pytest.mark.parametrize("workers", [1, 2])
def test_packets_take_the_port_they_name(lab, workers):
    g = start(lab, workers)
    for to in (HOST_IN_64, NET6):
        rx, tx = moved(g, lambda to=to: lab.ping(lab.host, to, 20))
        assert rx >= 40 and tx >= 40


@pytest.mark.parametrize("workers", [1, 2])
def test_unfinished_checksums_of_local_stacks_are_finished(lab, workers):
    """TCP of hosts on veth carries the pseudo-header's sum only; what comes out must be whole."""
    g = start(lab, workers)
    blob = os.urandom(3 << 20)
    with open(lab.dir.name + "/blob", "wb") as f:
        f.write(blob)
    lab.serve(lab.net, "198.51.100.2", 8080)
    lab.serve(lab.net, NET6, 8081)
    before = g.counters()
    assert fetch(lab, f"http://[{HOST_IN_64}]:8080/blob") == blob
    assert fetch(lab, f"http://[{NET6}]:8081/blob") == blob
    assert g.counters()["rx_packets_xdp"] - before["rx_packets_xdp"] > 2 * len(blob) / 1500
    for family in ("Tcp", "Udp"):
        text = lab.net(f"nstat -az {family}InCsumErrors")
        assert re.search(rf"{family}InCsumErrors\s+0\b", text)


def test_udp_of_all_lengths_passes(lab):
    start(lab)
    code = ("import socket, sys\n"
            "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
            "s.bind(('198.51.100.2', 7))\n"
            "print('here', flush=True)\n"
            "while True:\n    d, a = s.recvfrom(70000)\n    s.sendto(d, a)\n")
    p = lab.net.start(["python3", "-c", code], stdout=subprocess.PIPE, text=True)
    assert p.stdout.readline() == "here\n"
    # a first answer may be too long for the way back: the server learns, and sends the next in pieces
    probe = ("import os, socket\n"
             "s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)\n"
             f"s.connect(('{HOST_IN_64}', 7))\ns.settimeout(1)\n"
             "def echo(d):\n"
             "    for i in range(3):\n"
             "        s.send(d)\n"
             "        try:\n            return s.recv(70000)\n"
             "        except TimeoutError:\n            pass\n"
             "for n in [1, 2, 17, 1000, 1231, 1232, 1233, 1432, 1433, 1452, 1453, 1472, 3000, 9000, 60000]:\n"
             "    d = os.urandom(n)\n    assert echo(d) == d, n\n")
    lab.host("python3 -", stdin=probe)


def test_hops_are_counted_as_by_a_router(lab):
    g = start(lab)
    for to in (HOST_IN_64, NET6):
        out = lab.host(f"ping -n -c 1 -W 2 {to}")
        assert "ttl=63" in out
        assert "Time exceeded: Hop limit" in lab.host(f"ping -n -c 1 -W 2 -t 1 {to}", check=False)
    assert g.counters()["rx_packets_xdp"] > 0


def test_the_hosts_own_packets_take_the_tun_devices(lab):
    g = start(lab)
    assert lab.ping(lab.router, HOST_IN_64, 3)
    assert lab.ping(lab.router, NET6, 3)
    assert lab.ping(lab.host, "2001:db8:1::1", 3)
    assert lab.ping(lab.host, "10.0.0.1", 3)
    assert g.process.poll() is None


def test_a_neighbour_that_is_not_known_costs_no_packet(lab):
    start(lab)
    for _ in range(3):
        lab.router("ip neigh flush dev wan0")
        lab.router("ip -6 neigh flush dev wan0")
        lab.router("ip -6 neigh flush dev lan0")
        assert lab.ping(lab.host, HOST_IN_64, 5)
        assert lab.ping(lab.host, NET6, 5)


def test_a_neighbour_that_moves_is_followed(lab):
    g = start(lab)
    lab.net("ip link set eth0 address 02:00:00:00:00:77")
    lab.net("sysctl -qw net.ipv4.conf.eth0.arp_notify=1 net.ipv6.conf.eth0.ndisc_notify=1")
    lab.net("ip link set eth0 down")
    lab.net("ip link set eth0 up")
    lab.net("ip addr add 2001:db8:f::2/64 dev eth0 nodad", check=False)
    lab.net("ip route replace default via 198.51.100.1")
    lab.net("ip route replace default via 2001:db8:f::1")
    # as long as what the kernel believes of a neighbour: up to 45 s
    wait_for(lambda: lab.ping(lab.host, HOST_IN_64) and lab.ping(lab.host, NET6), 100, "pings pass again")
    wait_for(lambda: moved(g, lambda: lab.ping(lab.host, HOST_IN_64, 3))[1] >= 6, 20, "by AF_XDP")


def test_routes_and_addresses_are_followed(lab):
    g = start(lab)
    lab.net("ip addr add 203.0.113.9/32 dev lo")
    lab.net("ip addr add 198.51.100.3/24 dev eth0")
    to = "64:ff9b::203.0.113.9"
    for via in ("198.51.100.2", "198.51.100.3"):
        lab.router(f"ip route replace 203.0.113.9 via {via}")
        assert lab.ping(lab.host, to, 3)
        wait_for(lambda: moved(g, lambda: lab.ping(lab.host, to, 3))[1] >= 6, what=f"by AF_XDP via {via}")
    lab.router("ip route replace blackhole 203.0.113.9")
    wait_for(lambda: not lab.ping(lab.host, to, 1), what="nothing goes there any more")
    lab.router("ip route replace 203.0.113.9 via 198.51.100.2")
    wait_for(lambda: moved(g, lambda: lab.ping(lab.host, to, 3))[1] >= 6, what="by AF_XDP again")


def test_a_reload_claims_what_is_new_and_nothing_else(lab):
    g = start(lab)
    g.write(XDP.replace("@N@", "1").replace("pool4: 198.51.100.10", "pool4: 198.51.100.30"))
    g.ctl("reload")
    assert lab.ping(lab.host, HOST_IN_64, 3)
    rx, tx = moved(g, lambda: lab.ping(lab.host, HOST_IN_64, 5))
    assert rx >= 10 and tx >= 10
    lab.net("ping -n -c 2 -i 0.05 -W 1 198.51.100.10", check=False)
    assert g.counters()["rx_packets_xdp"] >= rx


def jumbo(lab, mtu=9000):
    for ns, dev in ((lab.host, "eth0"), (lab.router, "lan0"), (lab.router, "wan0"), (lab.net, "eth0")):
        ns(f"ip link set {dev} mtu {mtu}")


def test_frames_that_no_buffer_holds_go_through_the_kernel(lab):
    jumbo(lab, 20000)
    g = start(lab)
    before = g.counters()
    assert lab.ping(lab.host, HOST_IN_64, 3, "-s 9900 -M do")
    assert lab.ping(lab.host, NET6, 3, "-s 19000 -M do")
    now = g.counters()
    assert now["rx_packets_inside"] - before["rx_packets_inside"] >= 6
    assert now["rx_packets_xdp"] - before["rx_packets_xdp"] < 12  # the long ones came by TUN


@pytest.mark.skipif(tuple(map(int, platform.release().split(".")[:2])) < (6, 6),
                    reason="frames in several buffers came with Linux 6.6; before, the kernel carries them")
@pytest.mark.parametrize("workers", [1, 2])
def test_frames_in_several_buffers(lab, workers):
    jumbo(lab)
    g = start(lab, workers)
    for to in (HOST_IN_64, NET6):
        for size in (1700, 1744, 1745, 1746, 1792, 2000, 2048, 3584, 8000, 8932):
            rx, tx = moved(g, lambda to=to, size=size: lab.ping(lab.host, to, 4, f"-s {size} -M do"))
            assert rx >= 8 and tx >= 8, (to, size)
    blob = os.urandom(3 << 20)
    with open(lab.dir.name + "/blob", "wb") as f:
        f.write(blob)
    lab.serve(lab.net, "198.51.100.2", 8080)
    lab.serve(lab.net, NET6, 8081)
    before = g.counters()
    assert fetch(lab, f"http://[{HOST_IN_64}]:8080/blob") == blob
    assert fetch(lab, f"http://[{NET6}]:8081/blob") == blob
    n = g.counters()["rx_packets_xdp"] - before["rx_packets_xdp"]
    assert 2 * len(blob) / 9000 < n < 2 * len(blob) / 3000
    for family in ("Tcp", "Udp"):
        assert re.search(rf"{family}InCsumErrors\s+0\b", lab.net(f"nstat -az {family}InCsumErrors"))


def test_too_long_for_the_next_link_is_reported(lab):
    lab.net("ip link set eth0 mtu 1400")
    lab.router("ip link set wan0 mtu 1400")
    start(lab)
    assert "mtu" in lab.host(f"ping -n -c 2 -i 0.1 -W 2 -s 1440 -M do {NET6}", check=False)
    assert lab.ping(lab.host, NET6)


@pytest.mark.parametrize("who", ["parent", "child"])
def test_killed_it_leaves_the_network_closed(lab, who):
    g = start(lab)
    assert not lab.gets_in()
    child = g.child()
    os.kill(g.pid() if who == "parent" else child, signal.SIGKILL)
    g.wait_end()
    wait_for(lambda: not os.path.exists(f"/proc/{child}"), what="the child has ended")
    wait_for(lambda: not has_program(lab, "lan0") and not has_program(lab, "wan0"),
             what="the programs have gone")
    assert not lab.gets_in()
    assert not lab.ping(lab.host, NET6)
    assert "table inet sixgate" in lab.router("nft list tables")
    assert lab.ping(lab.host, "2001:db8:1::1")  # the host itself is reached as before
    start(lab)


def test_a_stop_detaches_the_programs(lab):
    g = start(lab)
    assert has_program(lab, "lan0") and has_program(lab, "wan0")
    assert g.stop() == 0
    assert not has_program(lab, "lan0") and not has_program(lab, "wan0")


@pytest.mark.parametrize("mode", ["xdpdrv", "xdpgeneric"])
def test_somebody_elses_program_is_named_and_left_alone(lab, mode):
    program = pathlib.Path(lab.programs[0]).parents[2] / "src/io/bpf/xdp.bpf.o"  # any will do
    lab.router(f"ip link set dev lan0 {mode} obj {program} sec xdp.frags")
    g = lab.gateway(XDP.replace("@N@", "1"), wait=False)
    g.expect("lan0 has an XDP program of somebody else's")
    assert g.wait_end() != 0
    assert has_program(lab, "lan0") and not has_program(lab, "wan0")


def test_an_interface_that_is_made_anew_is_served(lab):
    """Its sockets have gone with the old one; the TUN devices take over."""
    g = start(lab)
    lab.router("ip link del lan0")
    lab.link(lab.host, "eth0", lab.router, "lan0")
    for ns, dev, v6 in ((lab.host, "eth0", "2001:db8:1::2/64"), (lab.router, "lan0", "2001:db8:1::1/64")):
        ns(f"ip addr add {v6} dev {dev} nodad")
    lab.host("ip route add default via 2001:db8:1::1")
    wait_for(lab.gets_out, 15, "pings pass again")
    assert g.process.poll() is None


def test_an_interface_without_xdp_of_its_own_is_served(lab):
    """A bridge: the kernel's generic code runs the program."""
    lab.router("ip addr flush dev lan0")
    lab.router("ip link add br0 type bridge")
    lab.router("ip link set lan0 master br0")
    lab.router("ip link set br0 up")
    lab.router("ip addr add 2001:db8:1::1/64 dev br0 nodad")
    g = start(lab, text=XDP.replace("inside: lan0", "inside: br0"))
    lab.serve(lab.net, "198.51.100.2", 8080)
    with open(lab.dir.name + "/blob", "wb") as f:
        f.write(os.urandom(1 << 20))
    assert len(fetch(lab, f"http://[{HOST_IN_64}]:8080/blob")) == 1 << 20
    assert any("br0: AF_XDP on 1 queues, generic mode" in line for line in g.said())


def test_one_interface_for_both_sides_is_served_by_tun(lab):
    text = XDP.replace("@N@", "1").replace("outside: wan0", "outside: lan0").replace("egress6", "#")
    g = lab.gateway(text, wait=False)
    g.expect(r"lan0 is both inside and outside.* its packets come through sixgate0")
    g.expect(r"ready$")


def test_auto_is_tun_where_interfaces_are_virtual_and_says_why(lab):
    g = lab.gateway(XDP.replace("@N@", "1").replace("io: xdp", "io: auto"),
                    wait=False)
    g.expect(r"io: auto: packets come by TUN: lan0 is no network card")
    g.expect(r"ready$")
    assert [i["io"] for i in g.ask("status")[0]["interfaces"]] == ["tun", "tun"]
    assert "next_hops" not in g.ask("status")[0]
    assert not has_program(lab, "lan0") and not has_program(lab, "wan0")
    assert lab.gets_out()


def sends_directly(g):
    """None until every worker knows."""
    hops = g.ask("status")[0]["next_hops"]
    return hops["direct"] if hops["settled"] else None


def test_rules_of_the_host_leave_the_sending_to_the_kernel(lab):
    """As long as they are there; status says so, too."""
    g = start(lab)
    assert sends_directly(g)
    lab.router("ip -6 rule add pref 9000 from 2001:db8:77::/48 lookup 900")
    g.expect(r"policy routing rules of its own: what comes by AF_XDP leaves by way of the kernel")
    wait_for(lambda: sends_directly(g) is False, what="the workers know of the rule")
    assert g.ask("status")[0]["next_hops"]["why"] == "the host has policy routing rules of its own"
    assert "by way of the kernel: the host has policy routing rules" in g.ctl("status")
    rx, tx = moved(g, lambda: lab.ping(lab.host, NET6, 5))
    assert rx >= 10 and tx == 0
    lab.router("ip -6 rule del pref 9000")
    g.expect(r"what comes by AF_XDP leaves by it again")
    wait_for(lambda: sends_directly(g), what="the workers know that it has gone")
    assert moved(g, lambda: lab.ping(lab.host, NET6, 5))[1] >= 10
