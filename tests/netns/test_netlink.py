"""The netlink room against a real kernel: what it sets up, repairs and undoes."""
import re
import subprocess
import sys
import time

import pytest
from netlink_lab import Driver, Lab, build_driver, ours, picture, wait_for
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import IPv6

POOL = "pool4=198.51.100.10-198.51.100.11"
BASIC = ("inside=lan0", "outside=wan0", "nat64=64:ff9b::/96", POOL, "egress6=inside",
         "vip=198.51.100.20", "vip=2001:db8:f::20", "node=2001:db8:1::5,9000",
         "source=198.51.100.21", "embed=2001:db8:64:20::/96")


@pytest.fixture(scope="session")
def program():
    return build_driver()


@pytest.fixture
def lab():
    lab = Lab()
    yield lab
    lab.close()


def driver_once(lab, program, command, *conf):
    return lab.router(f"{program} {command} {lab.state} {' '.join(conf)}", check=False)


# ---- set-up, undo, crash, repair ----

def test_undo_leaves_the_kernel_as_it_was(lab, program):
    lab.router.sysctl("net.ipv4.ip_local_reserved_ports", "8080,9000-9010")
    before = picture(lab.router)
    d = Driver(lab, program, *BASIC, "pool4=outside:20000-20999")
    assert len(ours(lab.router)) > 40
    assert picture(lab.router) != before
    d.stop()
    assert ours(lab.router) == []
    assert picture(lab.router) == before
    assert lab.router("nft list tables").split("\n")[:-1] == ["table inet sixgate"]


def test_our_devices_have_the_largest_mtu_and_no_address_of_the_kernels_making(lab, program):
    d = Driver(lab, program, *BASIC)
    for dev in ("sixgate0", "sixgate0o"):
        assert "mtu 65535" in lab.router(f"ip link show {dev}")
        assert "inet6" not in lab.router(f"ip addr show dev {dev}")
    # The dummy address that the reverse path check wants is never a source.
    assert "src 192.0.0.8" not in lab.router("ip route get 198.51.100.20")
    d.stop()


def test_what_a_crash_leaves_is_removed(lab, program):
    before = picture(lab.router)
    Driver(lab, program, *BASIC).crash()
    assert ours(lab.router)
    assert lab.router.sysctl("net.ipv6.conf.all.forwarding") == "1"
    assert driver_once(lab, program, "teardown", *BASIC) == ""
    assert ours(lab.router) == []
    assert picture(lab.router) == before
    assert lab.router("nft list tables") == ""


def test_a_start_after_a_crash_removes_what_the_file_no_longer_asks_for(lab, program):
    before = picture(lab.router)
    Driver(lab, program, *BASIC).crash()
    d = Driver(lab, program, "inside=lan0", "outside=wan0", "pool4=198.51.100.30")
    left = "\n".join(ours(lab.router))
    assert "198.51.100.30" in left
    assert "198.51.100.10" not in left and "9000" not in left
    d.stop()
    assert picture(lab.router) == before


@pytest.mark.parametrize("command", [
    "ip rule flush", "ip -6 rule flush", "ip route flush table 6465", "ip -6 route flush table 6464",
    "ip -6 rule del pref 6499", "ip neigh del proxy 198.51.100.10 dev wan0",
    "sysctl -qw net.ipv6.conf.all.forwarding=0", "sysctl -qw net.ipv4.conf.lan0.forwarding=0",
    "nft flush ruleset", "nft delete table inet sixgate", "nft flush chain inet sixgate guard",
    "nft add rule inet sixgate guard accept", "ip link set sixgate0 down",
    "nft add chain inet sixgate other '{ type filter hook forward priority 0; policy drop; }'",
    "nft 'delete table inet sixgate; add table inet sixgate; add chain inet sixgate guard'",
    "ip link set sixgate0o mtu 1400", "ip link set sixgate0o group 1", "ip addr add 10.9.9.9/32 dev sixgate0",
    "ip route add 10.7.7.0/24 dev lan0 proto 164"])
def test_what_somebody_else_changes_is_repaired(lab, program, command):
    d = Driver(lab, program, *BASIC, "pool4=outside:20000-20999")
    d.settle()

    def all_of_it():
        return (ours(lab.router), picture(lab.router).replace(
            "32767:\tfrom all lookup default\n", ""),
            lab.router("nft list table inet sixgate", check=False),
            lab.router("nft list table ip sixgate-shared", check=False),
            lab.router("ip addr show dev sixgate0"), lab.router("ip addr show dev sixgate0o"))
    before = all_of_it()
    lab.router(command)
    wait_for(lambda: all_of_it() == before, what=command)
    d.stop()


def test_a_second_look_changes_nothing(lab, program):
    d = Driver(lab, program, *BASIC, "pool4=outside:20000-20999")
    d.settle()
    d.expect(r"^sync changed=0 rc=0 added=0 removed=0 sysctl=0 firewall=0 announced=0")
    d.stop()


# ---- interfaces ----

def test_an_interface_that_goes_and_comes_back_is_set_up_again(lab, program):
    d = Driver(lab, program, *BASIC)
    d.settle()
    before = ours(lab.router)
    lab.router("ip link del wan0")
    d.expect(r"interface wan0 is missing")
    lab.link(lab.net, "eth0", lab.router, "wan0")
    lab.router("ip addr add 198.51.100.1/24 dev wan0")
    lab.router("ip addr add 2001:db8:f::1/64 dev wan0 nodad")
    d.expect(r"interface wan0 is there now")
    wait_for(lambda: ours(lab.router) == before, what="everything back")
    assert lab.router.sysctl("net.ipv4.conf.wan0.forwarding") == "1"
    assert lab.router.sysctl("net.ipv4.neigh.wan0.proxy_delay") == "0"
    assert sum("wan0 is missing" in line for line in d.drain()) == 1
    d.stop()


def test_an_interface_missing_at_start_is_one_warning_and_served_when_it_comes(lab, program):
    lab.router("ip link del lan0")
    d = Driver(lab, program, *BASIC)
    d.settle()
    assert sum("interface lan0 is missing" in line for line in d.drain()) == 1
    lab.link(lab.host, "eth0", lab.router, "lan0")
    lab.router("ip addr add 2001:db8:1::1/64 dev lan0 nodad")
    wait_for(lambda: lab.router.sysctl("net.ipv4.conf.lan0.forwarding") == "1")
    wait_for(lambda: "throw 2001:db8:1::/64" in lab.router("ip -6 route show table 6464"))
    d.stop()


# ---- router advertisements ----

RADVD = "interface eth0 { AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4; };\n"


def advertise(lab, ns):
    path = f"{lab.dir.name}/radvd-{ns.name}"
    with open(path, "w") as f:
        f.write(RADVD)
    ns.sysctl("net.ipv6.conf.all.forwarding", 1)
    return ns.start(f"radvd -n -m stderr -C {path} -p {path}.pid", stderr=subprocess.DEVNULL)


def ra_default(lab, dev="wan0"):
    return "default" in lab.router(f"ip -6 route show default dev {dev} proto ra")


def test_a_default_route_from_router_advertisements_survives_forwarding(lab, program):
    lab.router("ip -6 route del default")
    other = lab.space(lab.net.name + "2")
    lab.link(other, "eth0", lab.router, "mgmt0")
    for ns in (lab.net, other):
        advertise(lab, ns)
    wait_for(lambda: ra_default(lab) and ra_default(lab, "mgmt0"), 10, "default routes")
    before = picture(lab.router)
    d = Driver(lab, program, *BASIC)
    assert ra_default(lab) and ra_default(lab, "mgmt0")
    assert lab.router.sysctl("net.ipv6.conf.wan0.accept_ra") == "2"
    assert lab.router.sysctl("net.ipv6.conf.wan0.forwarding") == "1"
    # An interface that is none of ours stays a host.
    assert lab.router.sysctl("net.ipv6.conf.mgmt0.accept_ra") == "1"
    assert lab.router.sysctl("net.ipv6.conf.mgmt0.forwarding") == "0"
    # Advertisements go on being heard.
    lab.router("ip -6 route flush proto ra")
    wait_for(lambda: ra_default(lab) and ra_default(lab, "mgmt0"), 10, "default routes again")
    d.stop()
    assert ra_default(lab) and ra_default(lab, "mgmt0")
    assert re.sub("expires.*", "", picture(lab.router)) == re.sub("expires.*", "", before)


def test_a_default_route_can_be_learned_after_start(lab, program):
    lab.router("ip -6 route del default")
    d = Driver(lab, program, *BASIC)
    assert not ra_default(lab)
    advertise(lab, lab.net)
    wait_for(lambda: ra_default(lab), 10, "default route")
    d.stop()


# ---- neighbours ----

@pytest.mark.parametrize("address", ["198.51.100.10", "198.51.100.20", "2001:db8:f::20"])
def test_neighbours_get_an_answer_at_once(lab, program, address):
    d = Driver(lab, program, *BASIC)
    d.settle()
    worst = 0.0
    for _ in range(6):
        lab.net("ip neigh flush all")
        lab.net(f"ip neigh del {address} dev eth0", check=False)
        d.drain()
        ping = lab.net.start(f"ping -c 1 -W 1 {address}", stdout=subprocess.DEVNULL)
        start = time.monotonic()
        d.expect(r"^rx outside ")
        worst = max(worst, d.when - start)
        ping.kill()
        ping.wait()
    assert worst < 0.25
    d.stop()


def neighbour_mac(ns, address):
    m = re.search(r"lladdr (\S+)", ns(f"ip neigh show {address}"))
    return m and m[1]


@pytest.mark.parametrize("address", ["198.51.100.10", "2001:db8:f::20"])
def test_neighbours_learn_at_start_where_an_address_is_now(lab, program, address):
    lab.net(f"ip neigh replace {address} lladdr 02:00:00:00:00:99 dev eth0 nud stale")
    mac = re.search(r"link/ether (\S+)", lab.router("ip link show wan0"))[1]
    time.sleep(1.1)  # an entry younger than the kernel's locktime is not overwritten
    d = Driver(lab, program, *BASIC)
    wait_for(lambda: neighbour_mac(lab.net, address) == mac, what="neighbour's new place")
    d.stop()


def test_announcements_are_repeated_twice(lab, program):
    """RFC 5227 1.1, RFC 4861 10: one may be lost."""
    d = Driver(lab, program, *BASIC)
    for _ in range(2):
        d.expect(r"^sync changed=\S+ rc=0 added=0 .* announced=[1-9]")
    d.expect(r"^sync changed=0 rc=0 added=0 .* announced=0")
    d.expect(r"^sync changed=0 rc=0 added=0 .* announced=0")
    d.stop()


# ---- addresses that are local ----

@pytest.mark.parametrize("address,dev,key", [
    ("198.51.100.11/32", "wan0", "nat64.pool4"), ("198.51.100.20/24", "lo", "services.addresses"),
    ("2001:db8:f::20/128", "lan0", "services.addresses")])
def test_an_address_of_ours_that_is_local_is_refused(lab, program, address, dev, key):
    lab.router(f"ip addr add {address} dev {dev}")
    d = Driver(lab, program, *BASIC, wait=False)
    line = d.expect(r"^sync .*rc=-98 .*").group(0)
    assert f"{key}: {address.split('/')[0]} is an address of this host, on interface {dev}" in line
    assert d.process.wait(5) == 1
    assert ours(lab.router) == []


def test_an_address_of_ours_that_becomes_local_is_reported(lab, program):
    d = Driver(lab, program, *BASIC)
    lab.router("ip addr add 198.51.100.10/32 dev lan0")
    d.expect(r"198.51.100.10 is an address of this host, on interface lan0")
    lab.router("ip addr del 198.51.100.10/32 dev lan0")
    d.expect(r"addresses are free again")
    d.stop()


# ---- where packets go ----

def v6_to(address):
    dst = bytes.fromhex("".join(f"{int(x, 16):04x}" for x in full(address)))
    return lambda p: p[0] >> 4 == 6 and p[24:40] == dst


def full(address):
    import ipaddress
    return ipaddress.IPv6Address(address).exploded.split(":")


def v4_to(address):
    dst = bytes(int(x) for x in address.split("."))
    return lambda p: p[0] >> 4 == 4 and p[16:20] == dst


@pytest.mark.parametrize("space,address,side", [
    ("host", "64:ff9b::c000:201", "inside"), ("host", "2001:db8:ffff::1", "inside"),
    ("host", "198.51.100.20", "inside"), ("host", "2001:db8:64:20::1", "inside"),
    ("net", "198.51.100.10", "outside"), ("net", "2001:db8:f::20", "outside"),
    ("net", "2001:db8:1::2", "outside"), ("net", "64:ff9b::c000:201", "outside"),
    ("router", "64:ff9b::c000:201", "inside"), ("router", "198.51.100.10", "outside")])
def test_packets_come_to_us_with_their_side(lab, program, space, address, side):
    d = Driver(lab, program, *BASIC)
    getattr(lab, space).start(f"ping -c 3 -i 0.2 {address}", stdout=subprocess.DEVNULL)
    d.rx(side, (v6_to if ":" in address else v4_to)(address))
    d.stop()


def test_inside_hosts_reach_each_other_without_us(lab, program):
    d = Driver(lab, program, *BASIC, "inside=lan1")
    second = lab.space(lab.host.name + "2")
    lab.link(second, "eth0", lab.router, "lan1")
    lab.router("ip addr add 2001:db8:2::1/64 dev lan1 nodad")
    second("ip addr add 2001:db8:2::2/64 dev eth0 nodad")
    second("ip -6 route add default via 2001:db8:2::1")
    wait_for(lambda: "throw 2001:db8:2::/64" in lab.router("ip -6 route show table 6464"))
    lab.host("ping -c 1 -W 2 2001:db8:2::2")
    d.stop()


def test_replies_of_a_node_come_to_us_whomever_they_are_for(lab, program):
    lab.host("ip addr add 2001:db8:1::5/64 dev eth0 nodad")
    d = Driver(lab, program, "inside=lan0", "outside=wan0", *BASIC[5:])
    code = ("import socket; s = socket.socket(socket.AF_INET6); s.settimeout(2);"
            "s.bind(('2001:db8:1::5', {})); s.connect(('2001:db8:f::2', 80))")
    lab.host.start([sys.executable, "-c", code.format(9000)], stderr=subprocess.DEVNULL)
    d.rx("inside", v6_to("2001:db8:f::2"))
    d.drain()
    lab.host.start([sys.executable, "-c", code.format(9001)], stderr=subprocess.DEVNULL).wait()
    assert not any(line.startswith("rx inside") and "20010db8000f" in line for line in
                   d.drain()[len(d.lines):])
    d.stop()


def test_fragments_of_a_nodes_reply_come_to_us_all(lab, program):
    """Only the first one has the port that the rule looks at."""
    d = Driver(lab, program, "inside=lan0", "outside=wan0", "vip=198.51.100.20", "protocol=17",
               "node=10.0.0.2,9000", "node=2001:db8:1::2,9000")
    for family, source, target, first in (("AF_INET", "10.0.0.2", "198.51.100.2", "4"),
                                          ("AF_INET6", "2001:db8:1::2", "2001:db8:f::2", "6")):
        code = (f"import socket; s = socket.socket(socket.{family}, socket.SOCK_DGRAM);"
                f"s.bind(('{source}', 9000)); s.sendto(b'x' * 4000, ('{target}', 5))")
        lab.host.start([sys.executable, "-c", code]).wait()
        got = 0
        while got < 4008:
            p = d.rx("inside", lambda p, first=first: p[0] >> 4 == int(first) and len(p) > 200)
            got += len(p) - (20 if first == "4" else 48)
        assert got == 4008
    d.stop()
    assert "fragments" not in lab.router("nft list tables")


def test_what_we_wrote_never_comes_back_to_us(lab, program):
    d = Driver(lab, program, *BASIC)
    d.settle()
    mark = b"loop" * 8
    d.tx("outside", IP(src="203.0.113.9", dst="198.51.100.10") / UDP() / mark)
    d.tx("inside", IPv6(src="2001:db8:9::9", dst="64:ff9b::1") / UDP() / mark)
    d.tx("inside", IPv6(src="2001:db8:9::9", dst="2001:db8:f::20") / UDP() / mark)
    d.tx("outside", IPv6(src="2001:db8:9::9", dst="2001:db8:1::77") / UDP() / mark)
    d.settle()
    d.settle()
    assert not [line for line in d.lines if mark.hex() in line and line.startswith("rx")]
    d.stop()


@pytest.mark.parametrize("everywhere", [0, 1, 2])
@pytest.mark.parametrize("own", [0, 1])
def test_our_output_passes_the_reverse_path_check(lab, program, everywhere, own):
    """rp_filter: our packets have sources that are routed to us, or to other interfaces."""
    lab.router.sysctl("net.ipv4.conf.default.rp_filter", own)
    d = Driver(lab, program, *BASIC)
    lab.router.sysctl("net.ipv4.conf.all.rp_filter", everywhere)
    for dev in ("lan0", "wan0"):
        lab.router.sysctl(f"net.ipv4.conf.{dev}.rp_filter", own)
    for ns, side, src, dst in ((lab.net, "outside", "198.51.100.10", "198.51.100.2"),
                               (lab.net, "outside", "198.51.100.20", "198.51.100.2"),
                               (lab.host, "inside", "198.51.100.21", "10.0.0.2"),
                               (lab.host, "inside", "203.0.113.5", "10.0.0.2")):
        sniff = sniffer(ns, f"src {src} and udp")
        d.tx(side, IP(src=src, dst=dst) / UDP(sport=5, dport=6) / b"x")
        assert sniff.wait(5) == 0, f"{src} to {dst}"
    # And the answer to a pool address comes in.
    lab.net.start("ping -c 1 198.51.100.10", stdout=subprocess.DEVNULL)
    d.rx("outside", v4_to("198.51.100.10"))
    d.stop()


def sniffer(ns, what, count=1):
    """A tcpdump that ends well once it has seen @count packets."""
    p = ns.start(f"timeout 5 tcpdump -i any -n -U -c {count} {what}", stdout=subprocess.DEVNULL,
                 stderr=subprocess.PIPE, text=True)
    assert any("listening" in line for line in iter(p.stderr.readline, ""))
    return p


def test_one_arm_tells_the_sides_by_destination(lab, program):
    """The same interface inside and outside: pool addresses and VIPs are for the outside."""
    d = Driver(lab, program, "inside=wan0", "outside=wan0", "nat64=64:ff9b::/96", POOL,
               "vip=198.51.100.20", "source=198.51.100.21")
    for address, side in (("64:ff9b::c000:201", "inside"), ("198.51.100.10", "outside"),
                          ("198.51.100.20", "outside"), ("198.51.100.21", "inside")):
        ping = lab.net.start(f"ping -c 5 -i 0.2 {address}", stdout=subprocess.DEVNULL)
        d.rx(side, (v6_to if ":" in address else v4_to)(address))
        ping.kill()
    d.tx("outside", IP(src="198.51.100.10", dst="198.51.100.2") / ICMP() / b"arm")
    d.rx("outside", lambda p: v4_to("198.51.100.10")(p) and p.endswith(b"arm") and p[20] == 0)
    d.stop()


def test_devices_carry_ipv6_where_the_host_has_it_off_by_default(lab, program):
    lab.router.sysctl("net.ipv6.conf.default.disable_ipv6", 1)
    d = Driver(lab, program, *BASIC)
    lab.host.start("ping -c 3 -i 0.2 64:ff9b::c000:201", stdout=subprocess.DEVNULL)
    d.rx("inside", v6_to("64:ff9b::c000:201"))
    d.stop()


# ---- settings ----

READ_ONLY = ["unshare", "-m", "sh", "-c", "mount -o bind,ro /proc/sys /proc/sys && exec \"$@\"", "sh"]


def test_read_only_settings_give_one_clear_error(lab, program):
    d = Driver(lab, program, *BASIC, prefix=READ_ONLY, wait=False)
    line = d.expect(r"^sync .*rc=-\d+ .*").group(0)
    assert re.search(r"/proc/sys/net/\S+ is \d and must be \d, but writing it fails: "
                     r"Read-only file system \(read-only /proc/sys: set it on the host\)", line)
    assert d.process.wait(5) == 1


def test_read_only_settings_that_are_right_are_no_error(lab, program):
    for name, value in (("ipv6.conf.all.forwarding", 1), ("ipv4.ip_forward", 1),
                        ("ipv4.conf.all.forwarding", 1), ("ipv4.conf.default.rp_filter", 2),
                        ("ipv6.conf.default.accept_ra", 0), ("ipv6.conf.all.forwarding", 1)):
        lab.router.sysctl(f"net.{name}", value)
    for dev in ("lan0", "wan0"):
        lab.router.sysctl(f"net.ipv4.neigh.{dev}.proxy_delay", 0)
        lab.router.sysctl(f"net.ipv6.neigh.{dev}.proxy_delay", 0)
        lab.router.sysctl(f"net.ipv6.conf.{dev}.proxy_ndp", 1)
        lab.router.sysctl(f"net.ipv6.conf.{dev}.accept_ra", 2)
    d = Driver(lab, program, *BASIC, prefix=READ_ONLY)
    d.stop()


def test_reserved_ports_are_merged_and_given_back(lab, program):
    lab.router.sysctl("net.ipv4.ip_local_reserved_ports", "8080,20500-20600")
    d = Driver(lab, program, "inside=lan0", "outside=wan0", "pool4=outside:20000-20999")
    assert lab.router.sysctl("net.ipv4.ip_local_reserved_ports") == "8080,20000-20999"
    d.stop()
    assert lab.router.sysctl("net.ipv4.ip_local_reserved_ports") == "8080,20500-20600"


def test_without_manage_only_devices_and_guard_are_touched(lab, program):
    d = Driver(lab, program, *BASIC, "manage=0")
    assert ours(lab.router) == []
    assert lab.router.sysctl("net.ipv6.conf.all.forwarding") == "0"
    assert "mtu 65535" in lab.router("ip link show sixgate0")
    d.stop()
