"""What gets in our way is named, and the command named with it helps."""
import re
import sys

import pytest
from netlink_lab import Driver, Lab, build_driver, wait_for
from scapy.layers.inet import IP, UDP

CONF = ("inside=lan0", "outside=wan0", "nat64=64:ff9b::/96", "egress6=inside",
        "pool4=198.51.100.10-198.51.100.11")
SHARED = ("inside=lan0", "outside=wan0", "nat64=64:ff9b::/96", "pool4=outside:20000-29999")


@pytest.fixture(scope="session")
def program():
    return build_driver()


@pytest.fixture
def lab():
    lab = Lab()
    yield lab
    lab.close()


def findings(lab, program, *conf):
    return lab.router(f"{program} findings {lab.state} {' '.join(conf)}").splitlines()


def run_fix(lab, line):
    """What the finding tells to do, as a shell would run it."""
    m = re.search(r": (nft '.*'|ip6?tables .*)$", line) or re.search(r": (nft '[^']*')", line)
    lab.router.start(["sh", "-ec", m[1]]).wait(5)


def test_a_plain_host_gives_nothing_to_find(lab, program):
    assert findings(lab, program, *CONF) == []
    assert findings(lab, program, *SHARED) == []


FORWARDED = {  # what a chain is, and whether packets that are forwarded meet a rule in it
    "type filter hook forward priority 0; policy drop": True,
    "type nat hook postrouting priority 100; oif lo masquerade": True,
    "type filter hook prerouting priority 0; jump used": True,
    "type filter hook input priority 0; policy drop; tcp dport 22 accept": False,
    "type filter hook forward priority 0; policy accept": False,
}


@pytest.mark.parametrize("chain", list(FORWARDED))
def test_rules_that_af_xdp_would_pass_by(lab, program, chain):
    """`io: auto` looks for them. Our own tables are none."""
    lab.router.nft(f"table inet fw {{\n chain used {{\n counter\n }}\n chain c {{\n {chain}\n }}\n}}")
    lab.router(f"{program} guard {lab.state} {' '.join(CONF)}")
    assert lab.router(f"{program} filters {lab.state}").strip() == \
        ("table inet fw, chain c" if FORWARDED[chain] else "none")


DROPPING = {
    "policy": "type filter hook forward priority 0; policy drop;\n ct state established accept",
    "last rule": "type filter hook forward priority 0;\n iifname lan0 accept\n counter reject",
}


@pytest.mark.parametrize("chain", list(DROPPING))
def test_a_firewall_that_drops_what_we_forward(lab, program, chain):
    lab.router.nft(f"table inet fw {{\n chain forwarding {{\n {DROPPING[chain]}\n }}\n}}")
    (line,) = [x for x in findings(lab, program, *CONF) if "tracks" not in x]
    assert line.startswith("warning ") and "(table inet fw, chain forwarding)" in line
    d = Driver(lab, program, *CONF)
    lab.net.start("ping -c 2 -W 1 198.51.100.10").wait()
    assert not [x for x in d.drain() if x.startswith("rx outside 45")]
    run_fix(lab, line)
    assert [x for x in findings(lab, program, *CONF) if "tracks" not in x] == []
    lab.net.start("ping -c 2 -W 1 198.51.100.10")
    d.rx("outside", lambda p: p[0] >> 4 == 4)
    d.stop()


@pytest.mark.parametrize("family,command", [("ip", "iptables"), ("ip6", "ip6tables")])
def test_what_iptables_made_is_to_be_changed_with_iptables(lab, program, family, command):
    """Docker sets the policy of this chain."""
    lab.router.nft(f"table {family} filter {{\n chain FORWARD {{\n"
                   " type filter hook forward priority 0; policy drop;\n }\n}")
    (line,) = findings(lab, program, *CONF)
    assert line.endswith(f"ours too: {command} -I FORWARD -i sixgate0+ -j ACCEPT; "
                         f"{command} -I FORWARD -o sixgate0+ -j ACCEPT")
    lab.router.nft(f"insert rule {family} filter FORWARD iifname \"sixgate0*\" counter accept\n"
                   f"insert rule {family} filter FORWARD oifname \"sixgate0*\" counter accept")
    assert findings(lab, program, *CONF) == []


def test_masquerading_that_would_hit_our_pool(lab, program):
    lab.router.nft("table ip nat {\n chain post {\n type nat hook postrouting priority 100\n"
                   " oifname wan0 masquerade\n }\n}")
    (line,) = findings(lab, program, *CONF)
    assert line.startswith("warning ") and 'chain post: oifname "wan0" masquerade' in line
    run_fix(lab, line)
    seen = "table ip count {\n chain c {\n type filter hook prerouting priority 0\n" \
           " ip saddr 198.51.100.10 counter\n }\n}"
    lab.net.nft(seen)
    d = Driver(lab, program, *CONF)
    d.tx("outside", IP(src="198.51.100.10", dst="198.51.100.2") / UDP())
    wait_for(lambda: "packets 1 " in lab.net("nft list table ip count"))
    d.stop()


@pytest.mark.parametrize("rule", ["ip saddr 10.0.0.0/8 masquerade", "oifname lan0 masquerade",
                                  "oifname wan0 ip saddr 192.168.0.0/16 snat to 198.51.100.1"])
def test_nat_of_others_is_not_reported(lab, program, rule):
    lab.router.nft("table ip nat {\n chain post {\n type nat hook postrouting priority 100\n"
                   f" {rule}\n }}\n}}")
    assert findings(lab, program, *CONF) == []


@pytest.mark.parametrize("rule", [
    "masquerade", "oifname wan0 masquerade", "meta l4proto tcp oifname wan0 masquerade to :25000-35000",
    "ip saddr 172.17.0.0/16 oifname != docker0 masquerade", "oifname wan0 snat to 198.51.100.1"])
def test_host_nat_that_could_use_ports_of_ours_is_refused(lab, program, rule):
    lab.router.nft("table ip nat {\n chain post {\n type nat hook postrouting priority 100\n"
                   f" {rule}\n }}\n}}")
    (line,) = [x for x in findings(lab, program, *SHARED) if x.startswith("refuse")]
    assert "ports 20000-29999 of the shared address" in line
    d = Driver(lab, program, *SHARED, wait=False)
    assert "the host's own NAT" in d.expect(r"^sync .*rc=-98").string
    assert d.process.wait(5) == 1
    run_fix(lab, re.sub(" to :30000", " to :30000", line))
    if "to :25000" not in rule:
        assert not [x for x in findings(lab, program, *SHARED) if x.startswith("refuse")]


@pytest.mark.parametrize("rule", ["oifname wan0 masquerade to :30000-60999", "oifname lan0 masquerade",
                                  "meta l4proto icmp masquerade"])
def test_host_nat_that_keeps_off_our_ports_is_allowed(lab, program, rule):
    lab.router.nft("table ip nat {\n chain post {\n type nat hook postrouting priority 100\n"
                   f" {'meta l4proto tcp ' if ' to :' in rule else ''}{rule}\n }}\n}}")
    assert not [x for x in findings(lab, program, *SHARED) if x.startswith("refuse")]


def test_a_reverse_path_check_by_the_firewall(lab, program):
    lab.router.nft("table inet fw {\n chain pre {\n type filter hook prerouting priority -290\n"
                   " meta nfproto ipv6 fib saddr . iif oif missing drop\n }\n}")
    (line,) = findings(lab, program, *CONF)
    assert "reverse path check (table inet fw, chain pre" in line
    run_fix(lab, line)
    lab.router("nft list table inet fw")


def test_too_few_ports_left_for_the_host(lab, program):
    lab.router.sysctl("net.ipv4.ip_local_port_range", "18000 32000")
    (line,) = findings(lab, program, *SHARED)
    assert line.startswith("refuse") and "left with 4001 ports" in line
    lab.router.sysctl("net.ipv4.ip_local_port_range", "18000 32095")
    assert findings(lab, program, *SHARED) == []


def test_programs_that_listen_on_shared_ports(lab, program):
    code = ("import socket, time; t = socket.create_server(('0.0.0.0', 20001));"
            "u = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); u.bind(('::', 29999));"
            "o = socket.create_server(('0.0.0.0', 30000)); time.sleep(60)")
    lab.router.start([sys.executable, "-c", code])
    lines = wait_for(lambda: (x := findings(lab, program, *SHARED)) and len(x) >= 2 and x)
    assert len(lines) == 2
    assert "tcp port 20001" in lines[0] and "udp port 29999" in lines[1]


def test_missing_interfaces_and_routes(lab, program):
    lab.router("ip route del default")
    lab.router("ip -6 route del default")
    lab.router("ip link set wan0 down")
    text = "\n".join(findings(lab, program, *CONF, "inside=lan9"))
    for words in ("interface lan9 is missing", "interface wan0 is down", "no IPv4 default route",
                  "no IPv6 default route"):
        assert words in text


def test_a_shared_address_that_is_not_there(lab, program):
    lab.router("ip -4 addr flush dev wan0")
    assert [x for x in findings(lab, program, *SHARED)
            if x.startswith("warning") and "no outside interface has an IPv4 address to share" in x]


def test_what_is_left_to_the_operator(lab, program):
    (line,) = findings(lab, program, *CONF, "manage=0")
    assert line.startswith("notice") and "interfaces.manage is false" in line


def test_a_third_interface_is_not_guarded(lab, program):
    lab.router("ip link add dmz0 type veth peer name bare0")
    for dev in ("dmz0", "bare0"):
        lab.router(f"ip link set {dev} up")
    assert findings(lab, program, *CONF) == []  # link-local addresses alone are not forwarded
    for address in ("192.0.2.1/24", "2001:db8:d::1/64"):
        lab.router(f"ip addr add {address} dev dmz0")
    (line,) = findings(lab, program, *CONF)
    assert line.startswith("notice") and "neither inside nor outside: dmz0." in line


ON_LINK = ("inside=lan0", "outside=wan0", "vip=198.51.100.20", "vip=2001:db8:f::20", "source=198.51.100.21",
           "embed=2001:db8:64:20::/96", "node=2001:db8:1::2,9000")
NODES = (*ON_LINK, "source=2001:db8:64:21::")


def test_links_of_nodes_whose_clients_need_a_source(lab, program):
    (line,) = findings(lab, program, *ON_LINK, "egress6=inside", "node=2001:db8:7::2,9000")
    assert line.startswith("notice") and "clients in 2001:db8:1::/64, on the link of node" in line
    assert "(lan0), are refused (node-on-link)" in line and "source: {v6: ADDRESS}" in line
    assert findings(lab, program, *NODES, "egress6=inside") == []


def test_nodes_that_nobody_guards(lab, program):
    (line,) = findings(lab, program, *NODES)
    assert line.startswith("notice") and "addresses of 1 nodes (2001:db8:1::2) are not guarded" in line
    assert findings(lab, program, *NODES, "egress6=inside") == []
    assert findings(lab, program, *NODES, "egress6=2001:db8:1::/64") == []
    (line,) = findings(lab, program, *NODES, "egress6=2001:db8:2::/64")
    assert "2001:db8:1::2" in line
    (line,) = findings(lab, program, *NODES, "egress6=inside", "node=10.0.0.2,9000")
    assert "addresses of 1 nodes (10.0.0.2) are not guarded" in line
