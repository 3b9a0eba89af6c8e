"""The gateway between real kernels: NAT64, egress6, sizes, sides, its whole life. The topology is
drawn in netns-scripts/lab/topology.py; services, DNS64 and control have files of their own."""
import hashlib
import os
import pathlib
import signal

import pytest
from lab import servers
from lab.gateway import Gateway
from lab.netns import Failed, stop, tail, wait_until
from lab.topology import (CLIENT4, DNS6, GW_LAN, GW_WAN4, HOST6, INET4, POOL4, WEB4, WEB6, Network, nat64)

PEERS = pathlib.Path(__file__).parent / "peers.py"
STATIC_PORT = 8080


def config(gateway, workers=1):
    return f"""
gateway: {{name: lab, workers: {workers}, flows: 64k, user: nobody, control: {gateway.control}}}
interfaces: {{inside: [lan0, sto0], outside: wan0}}
nat64:
  pool4: {POOL4}
  allow-private: true
  static:
    - {{protocol: tcp, inside: {{address: "{HOST6}", port: 80}}, outside: {{address: {POOL4}, port: {STATIC_PORT}}}}}
egress6: {{prefixes: inside}}
"""


class Net(Network):
    def start_all(self, workers):
        servers.web(self.web4, WEB4)
        servers.web(self.web6, WEB6, v6=True)
        servers.web(self.host6, HOST6, v6=True)
        self.gateway = Gateway(self.gw)
        self.gateway.start(config(self.gateway, workers))

    def peer(self, host, *words):
        return host.start("/usr/bin/python3", PEERS, *words, log=f"{host.name}-{words[0]}.log")

    def ask(self, host, *words, check=True):
        return host.run("/usr/bin/python3", PEERS, *words, check=check)

    def counter(self, name):
        for line in self.gateway.ctl("counters", "--all").splitlines():
            words = line.split()
            if words[:1] == [name]:
                return int(words[1])
        raise Failed(f"no counter {name}")

    def wait_sent_by(self, kernel):
        """Until the workers know that the kernel is to send what comes by AF_XDP, or that it is not."""
        def known():
            hops = self.gateway.ctl_json("status").get("next_hops")
            return not hops or (hops["settled"] and hops["direct"] == (not kernel))
        wait_until(known, f"packets leave {'by way of the kernel' if kernel else 'directly'}")

    def last_log_line(self, host):
        with open(self.path(f"{host.name}-access.log")) as f:
            return (f.readlines() or [""])[-1]


@pytest.fixture(scope="module", params=[1, 2], ids=["1-worker", "2-workers"])
def net(request):
    with Net(f"sg-gw{os.getpid()}") as n:
        n.start_all(request.param)
        yield n
        n.gateway.check_alive()
        assert n.gateway.stop() == 0


@pytest.fixture
def fresh():
    """A network of its own, for tests that disturb it."""
    with Net(f"sg-gf{os.getpid()}") as n:
        n.start_all(1)
        yield n


def fetch(host, url, check=True, seconds=5):
    return host.run("curl", "-gsS", "-m", seconds, url, check=check)


def wait_logged(net, host, start):
    wait_until(lambda: net.last_log_line(host).startswith(start), f"{host.name} has logged {start}",
               timeout=3)


# ---- NAT64 ----

def test_tcp_reaches_an_ipv4_server_from_a_pool_address(net):
    assert fetch(net.host6, f"http://[{nat64(WEB4)}]/").stdout == "hello from web4\n"
    wait_logged(net, net.web4, f"{POOL4} ")


@pytest.mark.parametrize("size, n_lost", [(1, 0), (512, 0), (1400, 0), (1472, 1), (3000, 0), (20000, 0)])
def test_udp_of_any_size_comes_back_whole(net, size, n_lost):
    """1472: the answer fills an IPv4 packet with DF, and the server must learn that it grows."""
    echo = net.peer(net.web4, "echo", WEB4, 7)
    net.web4.wait_listening(7, udp=True, program=echo)
    assert net.ask(net.host6, "probe", nat64(WEB4), 7, size, 5).stdout.strip() == \
        f"whole, {n_lost} lost"
    stop(echo)
    net.web4.ip("route", "flush", "cache")


def test_ping_works_and_keeps_identifier_and_data(net):
    out = net.host6.out("ping", "-6", "-c3", "-i0.2", "-s", "1400", nat64(WEB4))
    assert " 0% packet loss" in out


@pytest.mark.parametrize("upload", [False, True], ids=["download", "upload"])
def test_a_big_transfer_arrives_unchanged(net, upload):
    body = os.urandom(64 << 20)
    root = net.path("web4-www" if not upload else "up")
    os.makedirs(root, exist_ok=True)
    with open(os.path.join(root, "big"), "wb") as f:
        f.write(body)
    if upload:
        listener = net.web4.start("sh", "-c", f"exec python3 -c 'import socket,hashlib;"
                                  f's=socket.create_server(("{WEB4}",5000));c=s.accept()[0];'
                                  "h=hashlib.sha256();[h.update(d) for d in "
                                  'iter(lambda:c.recv(1<<20),b"")];print(h.hexdigest())\'',
                                  log="upload.log")
        net.web4.wait_listening(5000, program=listener)
        net.host6.run("/usr/bin/python3", "-c", "import socket,sys;"
                      "s=socket.create_connection((sys.argv[1],5000));"
                      "s.sendall(open(sys.argv[2],'rb').read());s.close()",
                      nat64(WEB4), os.path.join(root, "big"))
        listener.wait(30)
        with open(listener.log_path) as f:
            got = f.read().split()[-1]
    else:
        got = net.host6.sh(f"curl -gsSf -m 60 'http://[{nat64(WEB4)}]/big' | sha256sum").stdout.split()[0]
    assert got == hashlib.sha256(body).hexdigest()


def test_a_static_entry_lets_an_ipv4_client_in(net):
    assert fetch(net.client4, f"http://{POOL4}:{STATIC_PORT}/").stdout == "hello from host6\n"
    wait_logged(net, net.host6, f"{servers.embedded(CLIENT4, '64:ff9b::')} ")


def test_tun_puts_packets_into_the_queue_of_their_owner(net):
    """From both sides and of every kind; without the steering program a half would be handed over."""
    if os.environ.get("SIXGATE_IO") == "xdp":
        pytest.skip("the network card deals the packets, not TUN")
    names = ("handoffs", "rx_packets_inside", "rx_packets_outside")
    before = [net.counter(name) for name in names]
    for _ in range(10):
        net.host6.out("ping", "-6", "-c3", "-i0.02", nat64(WEB4))
        fetch(net.host6, f"http://[{nat64(WEB4)}]/")
        fetch(net.host6, f"http://[{WEB6}]/")
        fetch(net.client4, f"http://{POOL4}:{STATIC_PORT}/")
    handed, inside, outside = (net.counter(name) - b for name, b in zip(names, before))
    assert inside >= 100 and outside >= 100
    assert handed <= (inside + outside) / 50


def test_what_no_static_entry_names_stays_closed(net):
    before = net.counter("no-bib-entry")
    assert fetch(net.client4, f"http://{POOL4}:81/", check=False, seconds=2).returncode != 0
    assert net.counter("no-bib-entry") > before


def test_inside_hosts_meet_at_the_pool_address(net):
    """RFC 6146 3.8: hairpinning, here a host that reaches itself by its static entry."""
    before = net.counter("hairpins")
    assert fetch(net.host6, f"http://[{nat64(POOL4)}]:{STATIC_PORT}/").stdout == "hello from host6\n"
    assert net.counter("hairpins") > before


# ---- sizes ----

def test_a_narrow_link_beyond_is_learned_by_the_inside_host(net):
    """ICMP Fragmentation Needed becomes Packet Too Big with 20 bytes more (RFC 7915 4.2)."""
    net.inet.ip("link", "set", "net0", "mtu", "1400")
    try:
        out = net.host6.run("ping", "-6", "-M", "do", "-c3", "-i0.2", "-s", "1440", nat64(WEB4),
                            check=False).stdout
        assert "mtu=1420" in out.replace("mtu = ", "mtu=")
        assert " 0% packet loss" in net.host6.out("ping", "-6", "-c2", "-i0.2", "-s", "1300", nat64(WEB4))
        fetch(net.host6, f"http://[{nat64(WEB4)}]/")
    finally:
        net.inet.ip("link", "set", "net0", "mtu", "1500")
        net.host6.ip("-6", "route", "flush", "cache")


def test_an_ipv4_server_learns_of_the_translated_length(net):
    """A full IPv4 packet with DF grows by 20 and no longer fits: Fragmentation Needed, 1480."""
    server = net.peer(net.web4, "shout", WEB4, 9, 1472)
    wait_until(lambda: "ready" in open(server.log_path).read(), "the server is ready")
    net.host6.run("/usr/bin/python3", "-c", "import socket,sys;"
                  "s=socket.socket(socket.AF_INET6,socket.SOCK_DGRAM);s.settimeout(5);"
                  "s.sendto(b'x',(sys.argv[1],9));print(len(s.recv(65535)))", nat64(WEB4))
    server.wait(10)
    with open(server.log_path) as f:
        assert f.read().split("mtu ")[1].strip() == "1480"
    net.web4.ip("route", "flush", "cache")


# ---- one hop ----

@pytest.mark.parametrize("how", [[], ["-I"], ["-T", "-p", "80"]], ids=["udp", "icmp", "tcp"])
def test_the_router_is_exactly_one_hop_from_inside(net, how):
    out = net.host6.out("traceroute", "-6", "-n", "-q1", "-N1", "-w2", *how, nat64(WEB4))
    hops = [line.split()[1] for line in out.splitlines()[1:]]
    assert hops[0].startswith("2001:db8:1:") and len(hops) == 3, out
    assert hops[1:] == [servers.embedded(a, "64:ff9b::") for a in (INET4, WEB4)], out


def test_the_router_is_exactly_one_hop_from_outside(net):
    out = net.client4.out("traceroute", "-n", "-q1", "-N1", "-w2", "-T", "-p", STATIC_PORT, POOL4)
    hops = [line.split()[1] for line in out.splitlines()[1:]]
    assert len(hops) == 3 and hops[0] == "203.0.113.1" and hops[2] == POOL4, out


def test_egress6_is_one_hop_too(net):
    out = net.host6.out("traceroute", "-6", "-n", "-q1", "-N1", "-w2", WEB6)
    assert [line.split()[1] for line in out.splitlines()[1:]] == \
        ["2001:db8:1::1", "2001:db8:ffff::1", WEB6], out


# ---- egress6 and sides ----

def test_an_ipv6_server_sees_the_hosts_own_address(net):
    assert fetch(net.host6, f"http://[{WEB6}]/").stdout == "hello from web6\n"
    wait_logged(net, net.web6, f"{HOST6} ")


@pytest.mark.parametrize("how", ["tcp", "udp", "icmp"])
def test_nothing_unsolicited_comes_in(net, how):
    before = net.counter("unsolicited")
    command = {"tcp": ["curl", "-gsS", "-m2", f"http://[{HOST6}]/"],
               "udp": ["dig", "+time=1", "+tries=1", f"@{HOST6}", "."],
               "icmp": ["ping", "-6", "-c2", "-i0.2", "-W1", HOST6]}[how]
    assert net.web6.run(*command, check=False).returncode != 0
    assert net.counter("unsolicited") > before


def test_errors_about_a_flow_come_back_through_it(net):
    """Port unreachable from the far end of an egress6 flow (RFC 4890) and of a NAT64 session."""
    for address in (WEB6, nat64(WEB4)):
        out = net.host6.run("/usr/bin/python3", "-c", "import socket,sys,time;"
                            "s=socket.socket(socket.AF_INET6,socket.SOCK_DGRAM);s.settimeout(2);"
                            "s.connect((sys.argv[1],999));s.send(b'x');s.recv(9)", address,
                            check=False).stdout
        assert "Connection refused" in out, (address, out)


def test_a_foreign_source_from_inside_is_refused(net):
    """BCP 38."""
    # a neighbour that is not known would be asked for from the foreign source, and never be learned
    net.host6.run("ping", "-6", "-c1", "-W1", WEB6)
    before = net.counter("source-not-inside")
    net.host6.ip("addr", "add", "2001:db8:66::1/128", "dev", "lo")
    try:
        out = net.host6.run("ping", "-6", "-c2", "-i0.2", "-W1", "-I", "2001:db8:66::1", WEB6, check=False)
        assert out.returncode != 0
    finally:
        net.host6.ip("addr", "del", "2001:db8:66::1/128", "dev", "lo")
    assert net.counter("source-not-inside") >= before + 2


def test_an_inside_source_from_outside_is_refused(net):
    net.web6.run("ping", "-6", "-c1", "-W1", nat64(WEB4), check=False)  # as above
    before = net.counter("spoofed-inside")
    net.web6.ip("addr", "add", "2001:db8:1::77/128", "dev", "lo")
    try:
        net.web6.run("ping", "-6", "-c2", "-i0.2", "-W1", "-I", "2001:db8:1::77", HOST6, check=False)
    finally:
        net.web6.ip("addr", "del", "2001:db8:1::77/128", "dev", "lo")
    assert net.counter("spoofed-inside") >= before + 2


# ---- the kernel around us ----

FIREWALL = """
table inet filter {
  chain forward {
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    ct state invalid counter drop
    iifname { lan0, sto0 } accept
    iifname "sixgate0*" accept
    oifname "sixgate0*" accept
  }
}
table ip nat {
  chain post {
    type nat hook postrouting priority srcnat; policy accept;
    oifname wan0 ip saddr 192.0.2.0/24 masquerade
  }
}
"""


def test_main_flows_pass_a_stateful_firewall_that_masquerades(fresh):
    fresh.gw.run("nft", "-f", "-", text_in=FIREWALL)
    assert fetch(fresh.host6, f"http://[{nat64(WEB4)}]/").stdout == "hello from web4\n"
    assert fetch(fresh.host6, f"http://[{WEB6}]/").stdout == "hello from web6\n"
    assert fetch(fresh.client4, f"http://{POOL4}:{STATIC_PORT}/").stdout == "hello from host6\n"
    assert " 0% packet loss" in fresh.host6.out("ping", "-6", "-c3", "-i0.2", nat64(WEB4))
    echo = fresh.peer(fresh.web4, "echo", WEB4, 7)
    fresh.web4.wait_listening(7, udp=True, program=echo)
    fresh.ask(fresh.host6, "probe", nat64(WEB4), 7, 3000, 3)
    assert fetch(fresh.store["store3"], f"http://{WEB4}/").stdout == "hello from web4\n"
    wait_logged(fresh, fresh.web4, f"{GW_WAN4} ")  # what is not ours is still masqueraded
    assert fetch(fresh.web6, f"http://[{HOST6}]/", check=False, seconds=2).returncode != 0


def looped(net):
    """Passes of our own output that somebody leads back to us: the guard's count and our own."""
    out = net.gw.out("nft", "list", "counter", "inet", "sixgate", "looped")
    return int(out.split("packets ")[1].split()[0]) + net.counter("loop")


@pytest.mark.parametrize("back", ["sixgate0", "sixgate0o"])
@pytest.mark.parametrize("leaves, family, target", [
    ("sixgate0o", "-4", nat64(WEB4)), ("sixgate0o", "-6", WEB6), ("sixgate0", "-6", nat64(WEB4))])
def test_our_output_led_back_to_us_is_counted_and_does_not_loop(net, leaves, family, target, back):
    """Somebody's rule sends what leaves one of our devices into one of them again."""
    ping = ["ping", "-6", "-c5", "-i0.2", "-W1", target]
    net.gw.ip(family, "route", "add", "default", "dev", back, "table", "999")
    net.gw.ip(family, "rule", "add", "pref", "0", "iif", leaves, "lookup", "999")
    try:
        net.wait_sent_by(kernel=True)
        before, sent = looped(net), net.counter("tx_packets_outside")
        assert net.host6.run(*ping, check=False).returncode != 0
    finally:
        net.gw.ip(family, "rule", "del", "pref", "0", "iif", leaves, "lookup", "999")
        net.gw.ip(family, "route", "flush", "table", "999")
        net.wait_sent_by(kernel=False)
    assert looped(net) - before >= 5
    assert net.counter("tx_packets_outside") - sent < 20
    assert " 0% packet loss" in net.host6.out(*ping)


class Knocking:
    """SYNs every 10 ms from outside, and how many of them the inside host has seen."""

    def __init__(self, net):
        self.net, self.n = net, 0
        net.host6.run("nft", "-f", "-", text_in=f"""
table inet door {{
  chain in {{
    type filter hook prerouting priority raw; policy accept;
    ip6 saddr {WEB6} tcp flags & (syn | ack) == syn tcp dport 22 counter
  }}
}}""")
        self.program = net.peer(net.web6, "knock", WEB6, HOST6, 22)
        self.wait_sent()

    def wait_sent(self, n=30):
        """Until @n more have been sent: counted where they leave."""
        path = f"/sys/class/net/eth0/statistics/tx_packets"
        start = int(self.net.web6.out("cat", path))
        wait_until(lambda: int(self.net.web6.out("cat", path)) >= start + n, f"{n} SYNs are sent")

    def seen(self):
        out = self.net.host6.out("nft", "list", "table", "inet", "door")
        return int(out.split("counter packets ")[1].split()[0])


def test_nobody_gets_in_from_boot_to_restart(fresh):
    gw, gateway = fresh.gw, fresh.gateway
    gateway.stop()
    door = Knocking(fresh)
    for what, act in [
        ("stopped by SIGTERM", lambda: None),
        ("the guard alone, as at boot", lambda: gw.run(gateway.binary("sixgated"), "-c",
                                                       gateway.config, "--guard")),
        ("started", gateway.start),
        ("its rules flushed", lambda: gw.sh("ip -6 rule flush; ip -6 rule add pref 32766 lookup main; "
                                            "ip rule flush; ip rule add pref 32766 lookup main; "
                                            "ip rule add pref 0 lookup local; "
                                            "ip -6 rule add pref 0 lookup local", check=False)),
        ("killed", lambda: gateway.stop(signal.SIGKILL)),
        ("started after the kill", gateway.start),
        ("stopped", gateway.stop),
        ("started again", gateway.start),
    ]:
        act()
        door.wait_sent()
        assert door.seen() == 0, f"{door.seen()} SYNs came in: {what}"
    assert fetch(fresh.host6, f"http://[{WEB6}]/").stdout == "hello from web6\n"
    gateway.stop()
    gateway.teardown()
    door.wait_sent()
    assert door.seen() > 0, "the test could not have failed"


def test_established_connections_outlive_a_reload(fresh):
    server = servers.iperf(fresh.web4)
    client = fresh.host6.start("iperf3", "-6", "-c", nat64(WEB4), "-t", "4", "-b", "50M", "--json")
    wait_until(lambda: int(fresh.web4.out("cat", "/sys/class/net/eth0/statistics/rx_packets")) > 500,
               "the transfer runs")
    fresh.gateway.write(config(fresh.gateway) + f'dns64: {{upstream: "{DNS6}"}}\n')
    fresh.gateway.ctl("reload")
    assert client.wait(15) == 0
    fresh.gateway.check_alive()
    stop(server)


def test_established_connections_outlive_a_link_that_goes_down_and_up(fresh):
    """Down, it loses its IPv6 addresses: nobody is inside on it then."""
    gw, transfers = fresh.gw, []
    for host, address in ((fresh.web4, nat64(WEB4)), (fresh.web6, WEB6)):
        server = servers.iperf(host)
        transfers.append((server, fresh.host6.start("iperf3", "-6", "-c", address, "-t", "5", "-b", "20M", "--json")))
        wait_until(lambda host=host: int(host.out("cat", "/sys/class/net/eth0/statistics/rx_packets")) > 200,
                   "the transfer runs")
    generation = fresh.gateway.ctl_json("status")["generation"]
    gw.ip("link", "set", "lan0", "down")
    wait_until(lambda: fresh.gateway.ctl_json("status")["generation"] > generation, "the gateway knows")
    flows = fresh.gateway.ctl("flows")
    assert flows.count(":5201") >= 4, flows
    gw.ip("link", "set", "lan0", "up")
    gw.ip("addr", "replace", f"{GW_LAN}/64", "dev", "lan0", "nodad")
    for server, client in transfers:
        assert client.wait(30) == 0, tail(client)
        stop(server)
    fresh.gateway.check_alive()
