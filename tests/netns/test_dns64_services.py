"""Names of services: what DNS64 says of them while real nodes fail, drain and come back.

Runs as root; SIXGATE_BUILD names the build directory. The topology is drawn in
netns-scripts/lab/topology.py; health and nodes are those of test_services.py.
"""
import os
import signal

import pytest

from test_services import HEALTH, config, fetch, states, stop, wait_nodes, wait_until
from lab import servers, topology
from lab.gateway import Gateway

STORE1, STORE2, STORE3 = topology.STORES.values()
SYNTHETIC3 = "64:ff9b::c000:21f"  # 192.0.2.31
ZONES = """
    - {name: s3.lan, service: s3}
    - {name: nodes.lan, service: s3, answer: nodes, ttl: 1s}
    - {name: www.lan, cname: nodes.lan}
    - {name: printer.lan, a: 192.0.2.9, txt: "first floor"}
    - {name: 9.2.0.192.in-addr.arpa, ptr: printer.lan}
"""


def text(gw, zones=ZONES, **kw):
    # nobody listens upstream: local names need nobody
    return config(gw, **kw) + f"""
nat64: {{pool4: {topology.POOL4}, allow-private: true}}
dns64:
  upstream: {topology.DNS6}
  zones: {zones}
"""


@pytest.fixture(scope="module")
def module_net():
    with topology.Network(prefix=f"sg-dsv{os.getpid()}") as n:
        n.nginx = servers.start_stores(n)
        n.write("objects/hello", "hello\n")
        n.gateway = Gateway(n.gw)
        n.gateway.start(text(n.gateway))
        yield n
        n.gateway.check_alive()


@pytest.fixture
def net(module_net):
    module_net.gateway.write(text(module_net.gateway))
    module_net.gateway.ctl("reload")
    wait_nodes(module_net, up=("store1", "store2", "store3"))
    return module_net


def ask(net, name, kind):
    """What a host inside is told: addresses in their order."""
    return net.host6.out("dig", "+short", "+time=2", "+tries=1", f"@{topology.GW_LAN}", name,
                         kind).split()


def whole(net, name, kind):
    return net.host6.out("dig", "+time=2", "+tries=1", f"@{topology.GW_LAN}", name, kind)


def told(net, name, kind, want, why):
    wait_until(lambda: set(ask(net, name, kind)) == set(want), why, timeout=15)


def test_a_service_has_its_own_addresses_and_all_nodes_that_are_up(net):
    assert ask(net, "s3.lan", "A") == [topology.VIP4]
    assert ask(net, "s3.lan", "AAAA") == [topology.VIP6]
    told(net, "nodes.lan", "AAAA", [STORE1, STORE2], "both IPv6 nodes")
    assert ask(net, "nodes.lan", "A") == [STORE3]
    first = {ask(net, "nodes.lan", "AAAA")[0] for _ in range(25)}
    assert first == {STORE1, STORE2}
    answer = whole(net, "nodes.lan", "AAAA")
    assert "flags: qr aa rd ra" in answer and "nodes.lan.\t\t1\tIN\tAAAA" in answer
    assert ask(net, "www.lan", "A") == ["nodes.lan.", STORE3]


def test_other_types_are_denied_with_an_soa(net):
    answer = whole(net, "nodes.lan", "TXT")
    assert "status: NOERROR" in answer and "ANSWER: 0" in answer
    assert "nodes.lan.\t\t1\tIN\tSOA" in answer


def test_local_records_are_synthesised_from(net):
    assert ask(net, "printer.lan", "AAAA") == ["64:ff9b::c000:209"]
    assert ask(net, "printer.lan", "TXT") == ['"first', 'floor"']
    assert ask(net, "9.2.0.192.in-addr.arpa", "PTR") == ["printer.lan."]
    reverse = net.host6.out("dig", "+short", f"@{topology.GW_LAN}", "-x", "64:ff9b::192.0.2.9")
    assert reverse.split() == ["9.2.0.192.in-addr.arpa.", "printer.lan."]


def test_a_host_fetches_by_the_services_name(net):
    out = net.host6.out("curl", "-gsS", "-m", "8", f"http://s3.lan:{topology.S3_PORT}/hello")
    assert out == "hello"
    assert fetch(net.host6, "s3.lan")[0] in topology.STORES
    found = net.host6.out("getent", "ahostsv6", "nodes.lan").splitlines()
    assert {line.split()[0] for line in found} == {STORE1, STORE2}


def test_a_node_that_fails_is_no_longer_told_and_comes_back(net):
    stop(net.nginx["store1"], how=signal.SIGKILL)
    try:
        told(net, "nodes.lan", "AAAA", [STORE2], "store1 has failed")
        assert states(net)["store1"]["state"] == "down"
        stop(net.nginx["store2"], how=signal.SIGKILL)
        told(net, "nodes.lan", "AAAA", [SYNTHETIC3], "only the IPv4 node is left")
        stop(net.nginx["store3"], how=signal.SIGKILL)
        told(net, "nodes.lan", "AAAA", [topology.VIP6], "nobody is left: the service itself")
        told(net, "nodes.lan", "A", [topology.VIP4], "for IPv4, too")
    finally:
        net.nginx = servers.start_stores(net)
    told(net, "nodes.lan", "AAAA", [STORE1, STORE2], "they are back")
    told(net, "nodes.lan", "A", [STORE3], "the third one, too")


def test_a_drained_node_is_no_longer_told(net):
    net.gateway.ctl("drain", "store2")
    try:
        told(net, "nodes.lan", "AAAA", [STORE1], "store2 drains")
        net.gateway.ctl("drain", "store3")
        told(net, "nodes.lan", "A", [topology.VIP4], "IPv4 clients are translated to store1")
    finally:
        for node in ("store2", "store3"):
            net.gateway.ctl("undrain", node)
    told(net, "nodes.lan", "AAAA", [STORE1, STORE2], "store2 is back")


def test_a_reload_moves_names_and_prefers_a_zone(net):
    zoned = text(net.gateway, zones=ZONES.replace("www.lan, cname: nodes.lan", "store.lan, service: s3"))
    for store, zone in (("store1", "a"), ("store2", "b"), ("store3", "a")):
        zoned = zoned.replace(f"{{name: {store},", f"{{name: {store}, zone: {zone},")
    zoned = zoned.replace("scheduler: p2c", "scheduler: p2c\n    zones: {prefer: a, spill: 80%}")
    net.gateway.write(zoned)
    net.gateway.ctl("reload")
    told(net, "nodes.lan", "AAAA", [STORE1], "the preferred zone alone")
    assert ask(net, "store.lan", "AAAA") == [topology.VIP6]
    net.gateway.ctl("drain", "store3")
    told(net, "nodes.lan", "AAAA", [STORE1, STORE2], "half of the zone is not enough")
    assert {ask(net, "nodes.lan", "AAAA")[0] for _ in range(12)} == {STORE1}
    net.gateway.ctl("undrain", "store3")
