"""Services on real kernels: clients of both families, nodes that die, go silent or answer past us.

Runs as root; SIXGATE_BUILD names the build directory. The topology is drawn in
netns-scripts/lab/topology.py.
"""
import json
import os
import pathlib
import signal
import socket
import sys
import threading
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "netns-scripts"))

from lab import configs, load, servers, topology  # noqa: E402
from lab.gateway import Gateway  # noqa: E402
from lab.netns import stop, wait_until  # noqa: E402

INTERVAL_S, TIMEOUT_S, FALL = 1.0, 0.5, 2
HEALTH = ("http: {path: /health}, interval: 1s, timeout: 500ms, rise: 1, "
          f"fall: {FALL}")
RATE, SECONDS = 150, 8


def config(gw, health=HEALTH, **kw):
    return f"""
gateway: {{name: lab, workers: 2, flows: 64k, user: nobody, control: {gw.control}}}
interfaces: {{inside: [lan0, sto0], outside: wan0}}
egress6: {{prefixes: inside}}
""" + configs.services(health=health, **kw)


@pytest.fixture
def net():
    with topology.Network(prefix=f"sg-svc{os.getpid()}") as n:
        n.nginx = servers.start_stores(n)
        n.write("objects/hello", "hello\n")
        n.gateway = Gateway(n.gw)
        n.gateway.start(config(n.gateway))
        wait_nodes(n, up=("store1", "store2", "store3"))
        yield n
        n.gateway.check_alive()


def states(net):
    return {node["node"]: node for node in net.gateway.ctl_json("nodes")["nodes"]}


def wait_nodes(net, up=(), down=()):
    def claim():
        now = states(net)
        return (all(now[n]["state"] == "up" for n in up)
                and all(now[n]["state"] == "down" for n in down) and now)
    return wait_until(claim, f"up: {up}, down: {down}", timeout=15)


def fetch(host, vip, n=1):
    """@n new connections from a host; the nodes that answered."""
    at = f"[{vip}]" if ":" in vip else vip
    return [host.out("curl", "-gsS", "-m", "8", "-o", "/dev/null", "-w", "%header{x-node}",
                     f"http://{at}:{topology.S3_PORT}/hello") for _ in range(n)]


def seen_by(net, store):
    with open(net.nginx[store].access_log) as f:
        return {line.split()[0] for line in f}


def close_to_new(store, how):
    """No new connections, and wait for those that are being answered: at the moment a host dies
    they are lost, and no gateway can save them."""
    store.run("nft", "-f", "-", text_in=f"""
table inet gone {{
  chain new {{ type filter hook input priority -300; tcp flags & (syn | ack) == syn {how}; }}
}}""")
    wait_until(lambda: not busy(store), f"{store.name} has answered what it has begun")


def silence(store):
    """The host is gone: nothing in, nothing out, no refusal."""
    close_to_new(store, "drop")
    vanish(store)


def kill(store, program):
    """The server is gone, its host refuses."""
    close_to_new(store, "reject with tcp reset")
    stop(program, how=signal.SIGKILL)
    revive(store)


def vanish(store):
    store.run("nft", "-f", "-", text_in="""
table inet gone {
  chain in { type filter hook input priority -300; policy drop; }
  chain out { type filter hook output priority -300; policy drop; }
}""")


def revive(store):
    store.run("nft", "delete", "table", "inet", "gone")


def busy(store):
    return store.out("ss", "-Htn", "state", "syn-recv", "state", "established", "state", "close-wait",
                     f"sport = :{topology.S3_PORT}")


class Load:
    """load.py on one host while something else happens."""

    def __init__(self, host, vip, seconds=SECONDS, rate=RATE):
        at = f"[{vip}]" if ":" in vip else vip
        self.name = f"load-{host.name}-{time.monotonic_ns()}.log"
        self.program = host.start(sys.executable, load.__file__, f"http://{at}:{topology.S3_PORT}/hello",
                                  rate, seconds, log=self.name)
        wait_until(lambda: "started" in self.text(), "load starts")

    def text(self):
        with open(self.program.log_path) as f:
            return f.read()

    def result(self):
        assert self.program.wait(60) == 0, self.text()
        return json.loads(self.text().strip().splitlines()[-1])


def test_every_pair_of_families_is_served_and_clients_are_seen_as_promised(net):
    assert set(fetch(net.client4, topology.VIP4, 20)) == set(topology.STORES)
    assert set(fetch(net.web6, topology.VIP6, 20)) == set(topology.STORES)
    assert seen_by(net, "store1") == {servers.embedded(), topology.WEB6}
    assert seen_by(net, "store3") == {topology.CLIENT4, topology.SERVICE_SOURCE4}


def test_a_client_inside_is_served_too(net):
    assert set(fetch(net.host6, topology.VIP6, 20)) == set(topology.STORES)
    assert topology.HOST6 in seen_by(net, "store1")


def test_a_node_that_is_its_own_client_is_answered(net):
    assert len(fetch(net.store["store1"], topology.VIP6, 10)) == 10


@pytest.mark.parametrize("scheduler", ["p2c", "maglev", "round-robin", "least-flows"])
def test_no_connection_fails_when_a_node_is_killed_and_another_goes_silent(net, scheduler):
    net.gateway.write(config(net.gateway, scheduler=scheduler))
    net.gateway.ctl("reload")
    loads = [Load(net.client4, topology.VIP4, rate=RATE / 2), Load(net.web6, topology.VIP6, rate=RATE / 2)]
    time.sleep(1)  # of load before anything happens
    kill(net.store["store1"], net.nginx["store1"])
    silence(net.store["store2"])
    results = [one.result() for one in loads]
    assert [r["failed"] for r in results] == [{}, {}]
    assert all(r["tried"] == RATE / 2 * SECONDS for r in results)
    now = wait_nodes(net, up=("store3",), down=("store1", "store2"))
    assert now["store1"]["why"] == "connection refused"
    assert now["store2"]["why"].startswith(("timeout after", "host is unreachable"))


def test_a_node_that_is_refused_by_icmp_is_not_noticed(net):
    close_to_new(net.store["store1"], "reject with icmpx type host-unreachable")
    for host, vip in ((net.client4, topology.VIP4), (net.web6, topology.VIP6)):
        assert set(fetch(host, vip, 12)) == {"store2", "store3"}


def connected(net, host, vip):
    """A socket of another namespace, connected and idle, and the node it is connected to."""
    made = []

    def inside():
        with open(f"/run/netns/{host.ns}") as ns:
            assert libc_setns(ns.fileno()) == 0
        s = socket.create_connection((vip, topology.S3_PORT), timeout=10)
        s.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
        made.append((s, s.recv(65536)))
    t = threading.Thread(target=inside)
    t.start()
    t.join(20)
    s, answer = made[0]
    node = next(line.split(b": ")[1] for line in answer.split(b"\r\n") if line.startswith(b"X-Node"))
    return s, node.decode()


def libc_setns(fd):
    import ctypes
    return ctypes.CDLL(None, use_errno=True).setns(fd, 0x40000000)


def reset_in_time(net, host, vip):
    """Idle connections to store2, which vanishes, are reset in time, and others are left alone."""
    all_ = [connected(net, host, vip) for _ in range(12)]
    struck = [s for s, node in all_ if node == "store2"]
    others = [s for s, node in all_ if node != "store2"]
    assert struck and others
    start = time.monotonic()
    vanish(net.store["store2"])
    for s in struck:
        s.settimeout(FALL * INTERVAL_S + 1.0 - (time.monotonic() - start))
        with pytest.raises(ConnectionResetError):
            s.recv(1)
    for s in others:
        s.setblocking(False)
        with pytest.raises(BlockingIOError):
            s.recv(1)
    for s, _ in all_:
        s.close()


@pytest.mark.parametrize("where", ["client4", "web6"])
def test_idle_connections_to_a_node_that_went_silent_are_reset(net, where):
    reset_in_time(net, net.hosts[where], topology.VIP4 if where == "client4" else topology.VIP6)


def test_they_are_reset_in_time_where_the_timeout_is_the_interval(net):
    net.gateway.write(config(net.gateway, health=HEALTH.replace("500ms", "1s")))
    net.gateway.ctl("reload")
    for _ in range(3):  # at another moment between two checks each time
        reset_in_time(net, net.client4, topology.VIP4)
        revive(net.store["store2"])
        wait_nodes(net, up=("store2",))


def test_a_node_whose_replies_bypass_the_gateway_is_down_for_that_reason(net):
    store1 = net.store["store1"]
    store1.route("default", topology.STORES["store2"])
    wait_nodes(net, up=("store2", "store3"), down=("store1",))
    # a busy machine is slow to answer, and that may be seen first
    wait_until(lambda: states(net)["store1"].get("why") == "replies bypass this gateway", "the reason")
    assert set(fetch(net.client4, topology.VIP4, 12)) == {"store2", "store3"}
    store1.route("default", "2001:db8:5::ff")
    wait_nodes(net, up=("store1",))


def test_a_node_whose_http_answers_alone_bypass_the_gateway_is_down_for_that_reason(net):
    """Connections are made by way of us, and what is then said goes another way: a rule on the node."""
    store1 = net.store["store1"]
    store1.ip("-6", "route", "add", "default", "via", topology.STORES["store2"], "table", "77")
    store1.ip("-6", "rule", "add", "fwmark", "7", "table", "77")
    store1.run("nft", "-f", "-", text_in=f"""
table inet gone {{
  chain out {{
    type route hook output priority mangle;
    ip6 daddr != 2001:db8:5::/64 tcp sport {topology.S3_PORT} meta length > 120 meta mark set 7;
  }}
}}""")
    wait_nodes(net, up=("store2", "store3"), down=("store1",))
    # a busy machine is slow to answer, and that may be seen first
    wait_until(lambda: states(net)["store1"].get("why") == "replies bypass this gateway", "the reason")
    revive(store1)
    wait_nodes(net, up=("store1",))


def test_a_node_that_comes_back_serves_again(net):
    vanish(net.store["store2"])
    wait_nodes(net, down=("store2",))
    revive(net.store["store2"])
    wait_nodes(net, up=("store2",))
    assert "store2" in fetch(net.client4, topology.VIP4, 20)


def test_a_drained_node_gets_no_new_flows_and_keeps_those_it_has_for_its_time(net):
    net.gateway.write(config(net.gateway).replace("scheduler: p2c", "scheduler: p2c\n    drain: 4s"))
    net.gateway.ctl("reload")
    held = [connected(net, net.client4, topology.VIP4) for _ in range(12)]
    on_store2 = [s for s, node in held if node == "store2"]
    assert on_store2
    said = net.gateway.ctl("drain", "store2")
    began = time.monotonic()
    assert "service s3: node store2 is draining: by the operator" in said and "after 4s" in said
    wait_until(lambda: states(net)["store2"]["state"] == "draining", "the snapshot follows", timeout=1)
    assert set(fetch(net.client4, topology.VIP4, 20)) == {"store1", "store3"}
    for s in on_store2:  # still served
        s.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
        s.settimeout(2)
        assert s.recv(65536).startswith(b"HTTP/1.1 200")
    assert time.monotonic() - began < 3.5
    for s in on_store2:
        s.settimeout(max(0.1, 6 - (time.monotonic() - began)))
        with pytest.raises(ConnectionResetError):
            s.recv(1)
    assert time.monotonic() - began >= 3.5
    now = states(net)["store2"]
    assert (now["state"], now["why"]) == ("down", "drained by the operator")
    net.gateway.ctl("reload")
    assert states(net)["store2"]["why"] == "drained by the operator"  # no reload forgets it
    assert "node store2 is up" in net.gateway.ctl("undrain", "store2", "--service", "s3")
    wait_nodes(net, up=("store2",))
    assert "store2" in fetch(net.client4, topology.VIP4, 20)
    for s, _ in held:
        s.close()


def test_a_node_or_service_that_does_not_exist_is_not_drained(net):
    for words in (("store9",), ("store1", "--service", "s9")):
        done = net.gw.run(net.gateway.binary("sixgatectl"), "-s", net.gateway.control, "drain", *words,
                          check=False)
        assert done.returncode == 1 and f'there is no node "{words[0]}"' in done.stdout
    assert {n["state"] for n in states(net).values()} == {"up"}


def zoned(net):
    """store1 and store2 in zone a, store3 in zone b."""
    text = config(net.gateway, scheduler="round-robin")
    for store, zone in (("store1", "a"), ("store2", "a"), ("store3", "b")):
        text = text.replace(f"{{name: {store},", f"{{name: {store}, zone: {zone},")
    return text.replace("scheduler: round-robin",
                        "scheduler: round-robin\n    zones: {prefer: a, spill: 80%}")


def test_the_preferred_zone_serves_and_spills_what_it_cannot_carry(net):
    net.gateway.write(zoned(net))
    net.gateway.ctl("reload")
    assert set(fetch(net.client4, topology.VIP4, 12)) == {"store1", "store2"}
    net.gateway.ctl("drain", "store1")
    wait_until(lambda: states(net)["store1"]["state"] == "draining", "store1 drains")
    nodes = fetch(net.client4, topology.VIP4, 40)
    # half of the zone is up of 80 % that are wanted: 5 of 8 stay, the rest goes to zone b
    assert set(nodes) == {"store2", "store3"}
    assert 0.4 <= nodes.count("store2") / 40 <= 0.85
    net.gateway.ctl("drain", "store2")
    wait_until(lambda: states(net)["store2"]["state"] == "draining", "store2 drains")
    assert set(fetch(net.client4, topology.VIP4, 6)) == {"store3"}
    for store in ("store1", "store2"):
        net.gateway.ctl("undrain", store)
    wait_nodes(net, up=("store1", "store2"))
    assert set(fetch(net.client4, topology.VIP4, 12)) == {"store1", "store2"}


def test_a_node_that_comes_back_is_given_flows_slowly(net):
    net.gateway.write(config(net.gateway, scheduler="round-robin").replace(
        "scheduler: round-robin", "scheduler: round-robin\n    slow-start: 16s"))
    net.gateway.ctl("reload")
    vanish(net.store["store2"])
    wait_nodes(net, down=("store2",))
    revive(net.store["store2"])
    wait_nodes(net, up=("store2",))
    began = time.monotonic()
    early = fetch(net.client4, topology.VIP4, 30)
    assert time.monotonic() - began < 8, "too slow to see the first half of the slow start"
    assert early.count("store2") <= 6  # 10 and 25 % of its weight: not the 10 of an equal share
    assert early.count("store1") >= 10 and early.count("store3") >= 10
    wait_until(lambda: fetch(net.client4, topology.VIP4, 12).count("store2") >= 3, "its whole weight", 30)


def test_with_no_node_left_clients_are_refused_at_once(net):
    for p in net.nginx.values():
        stop(p)
    wait_nodes(net, down=tuple(topology.STORES))
    for host, vip in ((net.client4, topology.VIP4), (net.web6, topology.VIP6)):
        done = host.run("curl", "-gsS", "-m", "5", f"http://{f'[{vip}]' if ':' in vip else vip}:9000/",
                        check=False)
        assert done.returncode == 7, done.stdout  # could not connect, which is not a timeout (28)


def test_reloads_under_load_lose_nothing(net):
    under = Load(net.client4, topology.VIP4, seconds=6)
    for i in range(5):
        net.gateway.write(config(net.gateway, scheduler=["maglev", "p2c"][i % 2]))
        net.gateway.ctl("reload")
        time.sleep(0.5)  # of load between two reloads
    assert under.result()["failed"] == {}


def test_packets_from_a_nodes_port_without_a_flow_go_nowhere(net):
    before = drops(net, "node-no-flow")
    send_stray(net)
    wait_until(lambda: drops(net, "node-no-flow") > before, "stray answers are counted")


def drops(net, reason):
    return {d["name"]: d["value"] for d in net.gateway.ctl_json("counters")["drops"]}.get(reason, 0)


def send_stray(net):
    """A SYN-ACK from store3's service port to a client that never asked."""
    script = f"""
import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
t = struct.pack('!HHIIBBHHH', {topology.S3_PORT}, 40000, 1, 1, 0x50, 0x12, 1000, 0, 0)
s.sendto(t, ('{topology.CLIENT4}', 0))
"""
    net.store["store3"].run(sys.executable, "-c", script)
