"""The dns64 room against a real recursive resolver (Unbound) and a real authoritative server (nsd).

    client ---- lan0 [gateway] wan0 ---- upstream (nsd on 5353, Unbound on 53, scripts on other ports)
    2001:db8:1::2    ::1            ::1   2001:db8:f::2
    10.0.0.2         .1             .1    203.0.113.2
"""
import contextlib
import os
import pathlib
import random
import re
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DRIVER = "tests/unit/dns64/dns64_server"
UPSTREAM = "2001:db8:f::2"
SERVER = "2001:db8:1::1"
CLIENT = "2001:db8:1::2"

ZONE = """
$ORIGIN example.test.
$TTL 3600
@       IN SOA ns.example.test. hostmaster.example.test. 1 3600 900 86400 120
@       IN NS  ns.example.test.
ns      IN A   203.0.113.2
v4      IN A   8.8.8.8
both    IN A   8.8.4.4
both    IN AAAA 2001:db8:f::80
only6   IN AAAA 2001:db8:f::81
private IN A   10.1.2.3
alias   IN CNAME step
step    IN CNAME v4
alias6  IN CNAME both
nothing IN TXT "no address"
mapped  IN AAAA ::ffff:8.8.8.8
mapped  IN A   8.8.8.8
mixed   IN AAAA ::ffff:8.8.8.8
mixed   IN AAAA 2001:db8:f::82
tree    IN DNAME example.test.
hints   IN TYPE65 \\# 15 0001 00 0004 0008 08080808 08080404
short   30 IN A 8.8.8.8
""" + "".join(f"many IN A 8.8.{n}.{n}\n" for n in range(1, 41)) \
    + "".join(f"huge IN A 8.9.{n}.1\n" for n in range(1, 120))

REVERSE = """
$ORIGIN 8.8.8.in-addr.arpa.
$TTL 3600
@ IN SOA ns.example.test. hostmaster.example.test. 1 3600 900 86400 120
@ IN NS  ns.example.test.
8 IN PTR v4.example.test.
"""

SIGNED = """
$ORIGIN {zone}.
$TTL 3600
@    IN SOA ns.example.test. hostmaster.example.test. 1 3600 900 86400 120
@    IN NS  ns.example.test.
v4   IN A   8.8.8.8
both IN A   8.8.4.4
both IN AAAA 2001:db8:f::83
"""


def build_driver():
    """The server from $SIXGATE_BUILD or ./build, or one built here for the occasion."""
    for d in (os.environ.get("SIXGATE_BUILD"), ROOT / "build"):
        if d and (pathlib.Path(d) / DRIVER).exists():
            return str(pathlib.Path(d) / DRIVER)
    d = tempfile.mkdtemp(prefix="sixgate-dns64-")
    subprocess.run(["meson", "setup", d, str(ROOT)], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", d, DRIVER], check=True, stdout=subprocess.DEVNULL)
    return str(pathlib.Path(d) / DRIVER)


def wait_for(check, timeout=10.0, what="condition"):
    end = time.monotonic() + timeout
    while True:
        value = check()
        if value:
            return value
        assert time.monotonic() < end, f"timeout: {what}"
        time.sleep(0.02)


class Namespace:
    def __init__(self, name):
        self.name = name
        self.children = []
        subprocess.run(["ip", "netns", "add", name], check=True)
        self("ip link set lo up")

    def __call__(self, command, check=True):
        p = subprocess.run(["ip", "netns", "exec", self.name] + shlex.split(command), text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert not check or p.returncode == 0, f"{self.name}: {command}: {p.stdout}"
        return p.stdout

    def start(self, command, **kw):
        child = subprocess.Popen(["ip", "netns", "exec", self.name] + shlex.split(command), **kw)
        self.children.append(child)
        return child

    @contextlib.contextmanager
    def entered(self):
        """This thread is in the namespace: sockets made here belong to it."""
        here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
        libc = __import__("ctypes").CDLL(None, use_errno=True)
        assert libc.setns(there, 0) == 0
        try:
            yield
        finally:
            assert libc.setns(here, 0) == 0
            os.close(here)
            os.close(there)

    def socket(self, kind=socket.SOCK_DGRAM, family=socket.AF_INET6):
        with self.entered():
            s = socket.socket(family, kind)
        s.settimeout(5)
        return s

    def remove(self):
        for child in self.children:
            if child.poll() is None:
                child.terminate()
        for child in self.children:
            try:
                child.wait(timeout=5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        subprocess.run(["ip", "netns", "del", self.name], check=True)


def sign(directory, zone, spoil=False):
    """A zone of its own key; spoiled: the data is not what was signed. Returns its DS record."""
    path = directory / f"{zone}.zone"
    path.write_text(SIGNED.format(zone=zone))
    key = subprocess.run(["ldns-keygen", "-a", "ECDSAP256SHA256", "-k", zone], cwd=directory,
                         check=True, text=True, stdout=subprocess.PIPE).stdout.strip()
    subprocess.run(["ldns-signzone", "-f", f"{zone}.signed", f"{zone}.zone", key], cwd=directory,
                   check=True)
    signed = directory / f"{zone}.signed"
    if spoil:
        lines = [re.sub(r"\S{4}==$", "AAAA==", line) if re.search("RRSIG\t(AAAA|NSEC) ", line)
                 else line for line in signed.read_text().splitlines()]
        signed.write_text("\n".join(lines) + "\n")
    return (directory / f"{key}.ds").read_text()


def write_upstreams(directory):
    (directory / "example.test.zone").write_text(ZONE)
    (directory / "reverse.zone").write_text(REVERSE)
    anchors = sign(directory, "signed.test") + sign(directory, "bogus.test", spoil=True)
    (directory / "anchors").write_text(anchors)
    zones = {"example.test": "example.test.zone", "8.8.8.in-addr.arpa": "reverse.zone",
             "signed.test": "signed.test.signed", "bogus.test": "bogus.test.signed"}
    (directory / "nsd.conf").write_text(f"""
server:
  ip-address: 127.0.0.1@5353
  username: ""
  zonesdir: "{directory}"
  database: ""
  pidfile: "{directory}/nsd.pid"
  xfrdfile: ""
  zonelistfile: "{directory}/zone.list"
  rrl-ratelimit: 0
remote-control:
  control-enable: no
""" + "".join(f"zone:\n  name: {z}\n  zonefile: {f}\n" for z, f in zones.items()))
    (directory / "unbound.conf").write_text(f"""
server:
  interface: {UPSTREAM}
  interface: 203.0.113.2
  access-control: ::/0 allow
  access-control: 0.0.0.0/0 allow
  do-daemonize: no
  username: ""
  chroot: ""
  directory: "{directory}"
  pidfile: ""
  use-syslog: no
  logfile: ""
  log-queries: yes
  do-not-query-localhost: no
  trust-anchor-file: "{directory}/anchors"
  val-override-date: -1
  ede: yes
  edns-buffer-size: 1232
  local-zone: "test." nodefault
""" + "".join(f"stub-zone:\n  name: {z}\n  stub-addr: 127.0.0.1@5353\n" for z in zones))


class Lab:
    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="sg-dns64-"))
        self.client, self.gateway, self.upstream = (
            Namespace(f"sg-dns64-{who}-{os.getpid()}") for who in "cgu")
        self.wire(self.client, "eth0", "lan0", 1, "10.0.0")
        self.wire(self.upstream, "eth0", "wan0", 0xf, "203.0.113")
        self.client("ip route add default via 2001:db8:1::1")
        self.upstream("ip route add default via 2001:db8:f::1")
        self.driver = build_driver()

    def start_upstreams(self):
        write_upstreams(self.directory)
        self.upstream.start(f"nsd -d -c {self.directory}/nsd.conf")
        self.unbound_log = open(self.directory / "unbound.log", "w+")
        self.upstream.start(f"unbound -d -c {self.directory}/unbound.conf",
                            stderr=self.unbound_log, stdout=self.unbound_log)
        wait_for(lambda: "8.8.8.8" in self.upstream(
            f"dig +time=1 +tries=1 +short @{UPSTREAM} v4.example.test", check=False),
            what="nsd and Unbound")

    def wire(self, ns, theirs, ours, net, v4):
        subprocess.run(["ip", "link", "add", ours, "netns", self.gateway.name, "type", "veth",
                        "peer", "name", theirs, "netns", ns.name], check=True)
        self.gateway(f"ip link set {ours} up")
        ns(f"ip link set {theirs} up")
        for where, dev, host in ((self.gateway, ours, 1), (ns, theirs, 2)):
            where(f"ip addr add 2001:db8:{net:x}::{host}/64 dev {dev} nodad")
            where(f"ip addr add {v4}.{host}/24 dev {dev}")

    def close(self):
        for ns in (self.client, self.gateway, self.upstream):
            ns.remove()
        shutil.rmtree(self.directory)


@pytest.fixture(scope="module")
def lab():
    lab = Lab()
    try:
        lab.start_upstreams()
        yield lab
    finally:
        lab.close()


class Server:
    """The driver in the gateway's namespace."""

    def __init__(self, lab, **options):
        self.lab = lab
        self.log = open(lab.directory / "server.log", "w+")
        self.process = lab.gateway.start(
            f"{lab.driver} " + self.arguments(**options), stdout=subprocess.PIPE,
            stderr=self.log, text=True)
        line = self.process.stdout.readline()
        assert line == "ready\n", line + pathlib.Path(self.log.name).read_text()

    @staticmethod
    def arguments(separator=" ", **options):
        options.setdefault("listen", "::")
        options.setdefault("upstream", UPSTREAM)
        options.setdefault("prefix", "64:ff9b::/96")
        pairs = [(k.replace("_", "-"), v) for k, vs in options.items()
                 for v in (vs if isinstance(vs, list) else [vs])]
        return separator.join(f"{k} {v}" for k, v in pairs)

    def pid(self):
        """`ip netns exec` becomes the server."""
        return self.process.pid

    def counters(self):
        self.process.send_signal(signal.SIGUSR1)
        found = {}
        for line in iter(self.process.stdout.readline, "end\n"):
            name, value = line.split()
            found[name] = int(value)
        return found

    def reload(self, path, **options):
        path.write_text(self.arguments("\n", reload=path, **options))
        self.process.send_signal(signal.SIGHUP)
        assert self.process.stdout.readline() == "reloaded\n"

    def stop(self):
        self.process.terminate()
        assert self.process.wait(timeout=10) == 0, pathlib.Path(self.log.name).read_text()


@pytest.fixture
def serve(lab):
    servers = []

    def start(**options):
        servers.append(Server(lab, **options))
        return servers[-1]
    yield start
    for s in servers:
        if s.process.poll() is None:
            s.stop()


class Reply:
    """What dig printed."""

    def __init__(self, text):
        self.text = text
        status = re.search(r"status: (\w+)", text)
        self.status = status and status.group(1)
        flags = re.search(r"flags: ([a-z ]*);", text)
        self.flags = flags.group(1).split() if flags else []
        answer = re.search(r"ANSWER SECTION:\n(.*?)\n(\n|$)", text, re.S)
        self.records = [line.split(None, 4) for line in answer.group(1).splitlines()] if answer else []

    def data(self, kind):
        return sorted(r[4] for r in self.records if r[3] == kind)

    def __repr__(self):
        return self.text


def dig(ns, arguments, server=SERVER):
    return Reply(ns(f"dig +time=6 +tries=1 @{server} {arguments}", check=False))


# --- what RFC 6147 asks for --------------------------------------------------------------------

def test_a_name_with_only_a_gets_aaaa_over_udp_and_tcp(lab, serve):
    serve()
    for transport in ("+notcp", "+tcp"):
        r = dig(lab.client, f"{transport} v4.example.test AAAA")
        assert r.status == "NOERROR" and r.data("AAAA") == ["64:ff9b::808:808"], r
        assert r.records[0][1] == "120", r  # the SOA's minimum is less than A's 3600: 5.1.7
        assert r.data("A") == [] and "aa" not in r.flags and "ad" not in r.flags, r


def test_ttl_of_a_counts_when_it_is_less(lab, serve):
    serve()
    assert int(dig(lab.client, "short.example.test AAAA").records[0][1]) <= 30


def test_existing_aaaa_wins(lab, serve):
    serve()
    assert dig(lab.client, "both.example.test AAAA").data("AAAA") == ["2001:db8:f::80"]
    assert dig(lab.client, "only6.example.test AAAA").data("AAAA") == ["2001:db8:f::81"]
    assert dig(lab.client, "alias6.example.test AAAA").data("AAAA") == ["2001:db8:f::80"]


def test_a_is_never_changed(lab, serve):
    serve()
    assert dig(lab.client, "v4.example.test A").data("A") == ["8.8.8.8"]


def test_nxdomain_and_nodata_are_passed_on_with_their_soa(lab, serve):
    serve()
    r = dig(lab.client, "missing.example.test AAAA")
    assert r.status == "NXDOMAIN" and "SOA" in r.text and not r.records, r
    r = dig(lab.client, "nothing.example.test AAAA")
    assert r.status == "NOERROR" and "SOA" in r.text and not r.records, r


def test_cname_and_dname_chains_are_kept_in_order(lab, serve):
    serve()
    r = dig(lab.client, "alias.example.test AAAA")
    assert [(x[0], x[3], x[4]) for x in r.records] == [
        ("alias.example.test.", "CNAME", "step.example.test."),
        ("step.example.test.", "CNAME", "v4.example.test."),
        ("v4.example.test.", "AAAA", "64:ff9b::808:808")], r
    r = dig(lab.client, "v4.tree.example.test AAAA")
    assert [x[3] for x in r.records] == ["DNAME", "CNAME", "AAAA"], r
    assert r.records[-1][4] == "64:ff9b::808:808", r


def test_mapped_aaaa_counts_as_absent_each_record_for_itself(lab, serve):
    serve()
    assert dig(lab.client, "mapped.example.test AAAA").data("AAAA") == ["64:ff9b::808:808"]
    assert dig(lab.client, "mixed.example.test AAAA").data("AAAA") == ["2001:db8:f::82"]


def test_private_ipv4_only_under_a_prefix_of_ones_own(lab, serve):
    server = serve()
    r = dig(lab.client, "private.example.test AAAA")
    assert r.status == "NOERROR" and not r.records, r
    server.stop()
    serve(prefix=["64:ff9b::/96", "2001:db8:64::/96"])
    assert dig(lab.client, "private.example.test AAAA").data("AAAA") == ["2001:db8:64::a01:203"]
    assert dig(lab.client, "v4.example.test AAAA").data("AAAA") == [
        "2001:db8:64::808:808", "64:ff9b::808:808"]


@pytest.mark.parametrize("prefix,want", [
    ("2001:db8::/32", "2001:db8:808:808::"), ("2001:db8:100::/40", "2001:db8:108:808:8::"),
    ("2001:db8:122::/48", "2001:db8:122:808:8:800::"),
    ("2001:db8:122:300::/56", "2001:db8:122:308:8:808::"),
    ("2001:db8:122:344::/64", "2001:db8:122:344:8:808:800:0"),
    ("2001:db8:122:344::/96", "2001:db8:122:344::808:808")])
def test_every_prefix_length_forth_and_back(lab, serve, prefix, want):
    serve(prefix=prefix)
    assert dig(lab.client, "v4.example.test AAAA").data("AAAA") == [want]
    assert dig(lab.client, f"-x {want}").data("PTR") == ["v4.example.test."]


def test_serial_lookup_answers_alike(lab, serve):
    server = serve(lookup="serial")
    assert dig(lab.client, "v4.example.test AAAA").data("AAAA") == ["64:ff9b::808:808"]
    assert dig(lab.client, "both.example.test AAAA").data("AAAA") == ["2001:db8:f::80"]
    assert server.counters()["upstream-queries"] == 3


def test_ptr_under_the_prefix_is_an_alias(lab, serve):
    serve()
    r = dig(lab.client, "-x 64:ff9b::808:808")
    assert r.data("CNAME") == ["8.8.8.8.in-addr.arpa."], r
    assert r.data("PTR") == ["v4.example.test."] and "aa" not in r.flags, r
    r = dig(lab.client, "-x 64:ff9b::808:809")
    assert r.status == "NXDOMAIN" and r.data("CNAME") == ["9.8.8.8.in-addr.arpa."], r


def test_ipv4only_arpa_is_answered_here(lab, serve):
    server = serve(prefix=["64:ff9b::/96", "2001:db8:122:344::/64"])
    assert dig(lab.client, "ipv4only.arpa A").data("A") == ["192.0.0.170", "192.0.0.171"]
    assert dig(lab.client, "ipv4only.arpa AAAA").data("AAAA") == [
        "2001:db8:122:344:c0:0:aa00:0", "2001:db8:122:344:c0:0:ab00:0", "64:ff9b::c000:aa",
        "64:ff9b::c000:ab"]
    assert dig(lab.client, "-x 192.0.0.170").data("PTR") == ["ipv4only.arpa."]
    assert dig(lab.client, "-x 64:ff9b::192.0.0.171").data("PTR") == ["ipv4only.arpa."]
    assert dig(lab.client, "x.ipv4only.arpa AAAA").status == "NXDOMAIN"
    counters = server.counters()
    assert counters["upstream-queries"] == 0 and counters["local"] == 4, counters


def test_https_records_and_any_are_passed_untouched(lab, serve):
    serve()
    assert "0808080808080404" in dig(lab.client, "hints.example.test TYPE65 +unknown").text.replace(" ", "")
    r = dig(lab.client, "+tcp mapped.example.test ANY")
    assert "::ffff:8.8.8.8" in r.data("AAAA"), r


def test_a_domain_of_never_is_left_alone(lab, serve):
    serve(never="example.test")
    r = dig(lab.client, "v4.example.test AAAA")
    assert r.status == "NOERROR" and not r.records, r


# --- DNSSEC ------------------------------------------------------------------------------------

def test_signed_names_are_synthesised_for_plain_clients_without_ad(lab, serve):
    serve()
    r = dig(lab.client, "+adflag v4.signed.test AAAA")
    assert r.data("AAAA") == ["64:ff9b::808:808"] and "ad" not in r.flags, r
    r = dig(lab.client, "+adflag both.signed.test AAAA")
    assert r.data("AAAA") == ["2001:db8:f::83"] and "ad" in r.flags, r


def test_signed_denials_are_left_to_validating_clients(lab, serve):
    server = serve()
    r = dig(lab.client, "+dnssec v4.signed.test AAAA")
    assert not r.data("AAAA") and "NSEC" in r.text and "ad" in r.flags, r
    r = dig(lab.client, "+cdflag v4.signed.test AAAA")
    assert not r.data("AAAA"), r
    server.stop()
    serve(break_dnssec="yes")
    r = dig(lab.client, "+dnssec v4.signed.test AAAA")
    assert r.data("AAAA") == ["64:ff9b::808:808"] and "ad" not in r.flags, r


def test_failed_validation_never_turns_into_an_ipv4_address(lab, serve):
    serve()
    assert dig(lab.client, "both.bogus.test AAAA").status == "SERVFAIL"
    r = dig(lab.client, "v4.bogus.test AAAA")
    assert r.status == "SERVFAIL" and re.search("EDE: ([6-9]|1[0-2])", r.text), r


# --- EDNS, sizes, transports -------------------------------------------------------------------

def test_a_resolver_that_gives_no_reason_is_asked_for_one(lab, serve):
    # Unbound says SERVFAIL and no more, unless told otherwise
    text = (lab.directory / "unbound.conf").read_text().replace("ede: yes", "ede: no")
    text = text.replace(f"interface: {UPSTREAM}", f"interface: {UPSTREAM}@54")
    (lab.directory / "mute.conf").write_text(text.replace("interface: 203.0.113.2", ""))
    p = lab.upstream.start(f"unbound -d -c {lab.directory}/mute.conf", stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: "8.8.8.8" in lab.upstream(
            f"dig +time=1 +tries=1 +short -p 54 @{UPSTREAM} v4.example.test", check=False),
            what="the other Unbound")
        serve(upstream=f"{UPSTREAM},54")
        said = lab.upstream(f"dig -p 54 @{UPSTREAM} AAAA v4.bogus.test")
        assert "SERVFAIL" in said and "EDE" not in said
        assert dig(lab.client, "A v4.bogus.test").data("A") == ["8.8.8.8"]
        assert dig(lab.client, "AAAA v4.bogus.test").status == "SERVFAIL"
        assert dig(lab.client, "AAAA v4.example.test").data("AAAA") == ["64:ff9b::808:808"]
    finally:
        p.terminate()
        p.wait(timeout=5)


def test_a_set_that_grows_too_long_comes_over_tcp(lab, serve):
    server = serve()
    r = dig(lab.client, "+ignore +bufsize=1232 many.example.test AAAA")  # 40 * 16 fits, 40 * 28 too
    assert len(r.data("AAAA")) == 40 and "tc" not in r.flags, r
    r = dig(lab.client, "+ignore +noedns many.example.test AAAA")
    assert "tc" in r.flags and not r.records, r
    r = dig(lab.client, "+noedns many.example.test AAAA")
    assert len(r.data("AAAA")) == 40, r
    assert server.counters()["truncated"] == 2


def test_a_truncated_upstream_answer_is_fetched_over_tcp(lab, serve):
    server = serve()
    r = dig(lab.client, "+tcp huge.example.test AAAA")
    assert len(r.data("AAAA")) == 119, r
    assert server.counters()["upstream-tcp"] == 1


def test_edns_is_our_own(lab, serve):
    serve()
    r = dig(lab.client, "+nocookie +bufsize=4096 v4.example.test AAAA")
    assert "udp: 1232" in r.text and "EDE: 29" in r.text, r
    r = dig(lab.client, "+nocookie +ednsopt=65001:abcd v4.example.test AAAA")
    assert r.status == "NOERROR" and not re.search("^; (COOKIE|OPT=65001)", r.text, re.M), r
    r = dig(lab.client, "+edns=1 +noednsnegotiation v4.example.test AAAA")
    assert r.status == "BADVERS", r
    assert "OPT PSEUDOSECTION" not in dig(lab.client, "+noedns v4.example.test AAAA").text


def test_drill_agrees(lab, serve):
    serve()
    assert "64:ff9b::808:808" in lab.client(f"drill -Q @{SERVER} v4.example.test AAAA")
    assert "64:ff9b::808:808" in lab.client(f"drill -t -Q @{SERVER} v4.example.test AAAA")


def test_answers_leave_from_the_address_that_was_asked(lab, serve):
    serve()
    lab.gateway("ip addr add 2001:db8:1::5353/64 dev lan0 nodad")
    lab.gateway("ip addr add 10.0.0.53/24 dev lan0")
    for ns, dev in ((lab.gateway, "lan0"), (lab.client, "eth0")):
        wait_for(lambda: "tentative" not in ns(f"ip -6 addr show dev {dev} scope link"),
                 what="link-local addresses")
    link_local = re.search(r"inet6 (fe80\S+)/", lab.gateway("ip -6 addr show dev lan0 scope link"))
    for server in ("2001:db8:1::5353", "10.0.0.53", "10.0.0.1", link_local.group(1) + "%eth0"):
        r = dig(lab.client, "v4.example.test AAAA", server)
        assert r.data("AAAA") == ["64:ff9b::808:808"], (server, r)


@pytest.mark.parametrize("listen", ["::", [SERVER, "203.0.113.1", "2001:db8:f::1", "::1"]])
def test_a_listener_serves_inside_only(lab, serve, listen):
    server = serve(inside="lan0", listen=listen)
    assert dig(lab.client, "v4.example.test AAAA").data("AAAA")
    assert dig(lab.gateway, "v4.example.test AAAA", "::1").data("AAAA")
    for server_address in ("2001:db8:f::1", SERVER, "203.0.113.1"):
        for transport in ("+notcp", "+tcp"):
            r = lab.upstream(f"dig +time=1 +tries=1 {transport} @{server_address} v4.example.test "
                             "AAAA", check=False)
            assert "ANSWER" not in r, r
    assert server.counters()["not-inside"] >= 6


def test_outside_is_served_where_no_interface_is_inside(lab, serve):
    serve(listen=SERVER)
    r = dig(lab.upstream, "v4.example.test AAAA")
    assert r.data("AAAA") == ["64:ff9b::808:808"], r


# --- upstreams that misbehave ------------------------------------------------------------------

def question_end(message):
    at = 12
    while message[at]:
        at += 1 + message[at]
    return at + 5


def answer_to(query, records=b"", n=0, rcode=0, flags=0x8180):
    end = question_end(query)
    return (query[:2] + struct.pack("!HHHHH", flags | rcode, 1, n, 0, 0) + query[12:end] + records)


def qtype(query):
    return struct.unpack("!H", query[question_end(query) - 4:question_end(query) - 2])[0]


def a_record(address, ttl=300):
    return struct.pack("!HHHIH", 0xc00c, 1, 1, ttl, 4) + socket.inet_aton(address)


class Script:
    """An upstream on @port that hands each query to @answer(script, query, sender)."""

    def __init__(self, lab, port, answer):
        self.socket = lab.upstream.socket()
        self.socket.bind((UPSTREAM, port))
        self.answer = answer
        self.queries = []
        self.arrived = threading.Condition()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.socket.settimeout(None)
        self.thread.start()

    def run(self):
        while True:
            try:
                query, sender = self.socket.recvfrom(4096)
            except OSError:
                return
            if not query:
                return
            with self.arrived:
                self.queries.append((query, sender))
                self.arrived.notify_all()
            try:
                self.answer(self, query, sender)
            except OSError:  # closed meanwhile
                return

    def send(self, message, sender):
        self.socket.sendto(message, sender)

    def wait(self, n):
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.queries) >= n, timeout=10)

    def close(self):
        with contextlib.suppress(OSError):  # "not connected", but it wakes the thread
            self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.socket.close()


def nodata_then_a(script, query, sender):
    if qtype(query) == 28:
        script.send(answer_to(query), sender)
    else:
        script.send(answer_to(query, a_record("8.8.8.8"), 1), sender)


def silent(script, query, sender):
    pass


def test_bursts_of_queries_have_room(lab, serve):
    """However little net.core.rmem_max allows: 4 MiB, which the kernel doubles for its own needs."""
    serve()
    listeners = lab.gateway("ss -Hlunm sport = :53").split("UNCONN")[1:]
    assert listeners
    for one in listeners:
        assert "rb8388608," in one, one


def test_a_silent_upstream_is_passed_over(lab, serve):
    script = Script(lab, 5301, silent)
    server = serve(upstream=[f"{UPSTREAM},5301", UPSTREAM])
    assert dig(lab.client, "v4.example.test AAAA").data("AAAA") == ["64:ff9b::808:808"]
    for n in range(20):  # by now the other one is known to be faster: nobody waits, see the counters
        ask_once(lab, f"missing{n}.example.test")
    log = pathlib.Path(server.log.name)
    wait_for(lambda: f"upstream {UPSTREAM} port 5301 does not answer" in log.read_text(),
             what="a copy of a question has found out")
    assert log.read_text().count("does not answer") == 1
    counters = server.counters()
    assert counters["upstream-timeouts"] == 3 and 1 <= counters["upstream-probes"] <= 4, counters
    script.close()


def test_silence_everywhere_is_servfail_in_time(lab, serve):
    script = Script(lab, 5302, silent)
    serve(upstream=f"{UPSTREAM},5302")
    start = time.monotonic()
    r = dig(lab.client, "v4.example.test AAAA")
    assert r.status == "SERVFAIL" and "EDE: 22" in r.text, r
    assert time.monotonic() - start < 5
    script.close()


def test_no_upstream_port_at_all_is_servfail(lab, serve):
    serve(upstream=f"{UPSTREAM},5399")
    assert dig(lab.client, "v4.example.test AAAA").status == "SERVFAIL"


def test_a_lost_aaaa_query_ends_in_synthesis(lab, serve):
    script = Script(lab, 5303, lambda s, q, who: qtype(q) == 1 and nodata_then_a(s, q, who))
    server = serve(upstream=f"{UPSTREAM},5303")
    start = time.monotonic()
    assert dig(lab.client, "lost.test AAAA").data("AAAA") == ["64:ff9b::808:808"]
    assert 1.4 < time.monotonic() - start < 3
    server.stop()
    serve(upstream=f"{UPSTREAM},5303", on_error="servfail")
    assert dig(lab.client, "lost.test AAAA").status == "SERVFAIL"
    script.close()


def test_names_in_use_outlive_their_upstream(lab, serve):
    """RFC 8767: first it falls silent, then its port is gone."""
    def answer(script, query, sender):
        if not script.stopped:
            records = (a_record("8.8.8.8", ttl=1), 1) if qtype(query) == 1 else ()
            script.send(answer_to(query, *records), sender)

    script = Script(lab, 5310, answer)
    script.stopped = False
    server = serve(upstream=f"{UPSTREAM},5310")
    assert dig(lab.client, "used.test A").records[0][1] == "1"
    script.stopped = True
    stale = wait_for(lambda: (r := dig(lab.client, "used.test A")) and "EDE: 3" in r.text and r,
                     what="the answer is past its time")
    assert stale.data("A") == ["8.8.8.8"] and stale.records[0][1] == "30", stale
    start = time.monotonic()  # it is known to be silent: nobody waits for it
    assert dig(lab.client, "used.test A").data("A") == ["8.8.8.8"]
    assert time.monotonic() - start < 1
    script.close()
    assert dig(lab.client, "used.test A").data("A") == ["8.8.8.8"]
    assert dig(lab.client, "never-used.test A").status == "SERVFAIL"
    assert server.counters()["stale"] >= 3


def test_cold_names_come_through_an_upstream_that_loses_a_third(lab, serve):
    chance, n = random.Random(8767), 200

    def answer(script, query, sender):
        if chance.random() >= 1 / 3:  # the query was not lost
            nodata_then_a(script, query, sender)

    script = Script(lab, 5311, answer)
    serve(upstream=f"{UPSTREAM},5311")
    asker = lab.client.socket()
    for i in range(n):
        name = b"".join(bytes([len(label)]) + label for label in (b"cold%d" % i, b"test")) + b"\0"
        asker.sendto(struct.pack("!6H", i, 0x100, 1, 0, 0, 0) + name + struct.pack("!HH", 28, 1),
                     (SERVER, 53))
    end, good = time.monotonic() + 5, 0
    for _ in range(n):
        asker.settimeout(max(end - time.monotonic(), 0.01))
        try:
            message = asker.recv(4096)
        except TimeoutError:
            break
        good += message[3] & 15 == 0 and struct.unpack("!H", message[6:8])[0] == 1
    assert good >= 0.98 * n, good
    script.close()


def test_servfail_on_the_aaaa_leg_ends_in_synthesis(lab, serve):
    def answer(script, query, sender):
        if qtype(query) == 28:
            script.send(answer_to(query, rcode=2), sender)
        else:
            nodata_then_a(script, query, sender)
    script = Script(lab, 5304, answer)
    server = serve(upstream=f"{UPSTREAM},5304")
    r = dig(lab.client, "broken.test AAAA")
    assert r.data("AAAA") == ["64:ff9b::808:808"] and r.records[0][1] == "300", r
    server.stop()
    serve(upstream=f"{UPSTREAM},5304", on_error="servfail")
    assert dig(lab.client, "broken.test AAAA").status == "SERVFAIL"
    script.close()


def test_servfail_on_the_a_leg_is_no_nodata(lab, serve):
    def answer(script, query, sender):
        script.send(answer_to(query, rcode=0 if qtype(query) == 28 else 2), sender)
    script = Script(lab, 5305, answer)
    serve(upstream=f"{UPSTREAM},5305")
    assert dig(lab.client, "half.test AAAA").status == "SERVFAIL"
    script.close()


def test_spoofed_answers_are_ignored_and_counted(lab, serve):
    def answer(script, query, sender):
        if qtype(query) == 28:
            script.send(answer_to(query), sender)
            return
        evil = answer_to(query, a_record("6.6.6.6"), 1)
        script.send(bytes([query[0] ^ 1]) + evil[1:], sender)   # id
        other = bytearray(evil)
        other[13] ^= 1                                          # name
        script.send(bytes(other), sender)
        with script_elsewhere.socket_lock:
            script_elsewhere.socket.sendto(evil, sender)        # port
        script.send(b"", sender)
        script.send(os.urandom(100), sender)
        script.send(answer_to(query, a_record("8.8.8.8"), 1), sender)
    script_elsewhere = Script(lab, 5307, silent)
    script_elsewhere.socket_lock = threading.Lock()
    script = Script(lab, 5306, answer)
    server = serve(upstream=f"{UPSTREAM},5306")
    assert dig(lab.client, "spoof.test AAAA").data("AAAA") == ["64:ff9b::808:808"]
    assert server.counters()["spoofed"] >= 4
    script.close()
    script_elsewhere.close()


def test_questions_leave_from_many_ports_with_many_ids(lab, serve):
    script = Script(lab, 5308, lambda s, q, who: s.send(answer_to(q, rcode=3), who))
    serve(upstream=f"{UPSTREAM},5308")
    for n in range(200):
        dig(lab.client, f"n{n}.test A") if n % 50 == 0 else ask_once(lab, f"n{n}.test")
    script.wait(200)
    ports = {who[1] for _, who in script.queries}
    ids = {q[:2] for q, _ in script.queries}
    assert len(ports) > 20 and len(ids) > 190, (len(ports), len(ids))
    script.close()


# --- clients that misbehave --------------------------------------------------------------------

def query(name, kind=28, ident=0x1234, flags=0x0100):
    labels = b"".join(bytes([len(x)]) + x.encode() for x in name.split(".") if x)
    return struct.pack("!HHHHHH", ident, flags, 1, 0, 0, 0) + labels + b"\0" + struct.pack(
        "!HH", kind, 1)


def ask_once(lab, name, kind=28):
    with lab.client.socket() as s:
        s.sendto(query(name, kind), (SERVER, 53))
        return s.recv(4096)


def test_identical_queries_are_asked_upstream_once(lab, serve):
    held = []
    script = Script(lab, 5309, lambda s, q, who: held.append((q, who)))
    server = serve(upstream=f"{UPSTREAM},5309")
    sockets = [lab.client.socket() for _ in range(50)]
    for s in sockets:
        s.sendto(query("same.test"), (SERVER, 53))
    script.wait(2)
    wait_for(lambda: server.counters()["tasks"] == 50, what="all queries taken")
    for q, who in list(held):
        nodata_then_a(script, q, who)
    for s in sockets:
        assert socket.inet_pton(socket.AF_INET6, "64:ff9b::808:808") in s.recv(4096)
        s.close()
    counters = server.counters()
    assert counters["upstream-queries"] == 2 and counters["coalesced"] == 98, counters
    script.close()


def test_garbage_harms_nobody(lab, serve):
    server = serve()
    generator = random.Random(64)
    with lab.client.socket() as s:
        for n in range(5000):
            data = bytearray(query("v4.example.test"))
            for _ in range(generator.randrange(1, 6)):
                data[generator.randrange(len(data))] = generator.randrange(256)
            if n % 3 == 0:
                data = os.urandom(generator.randrange(0, 600))
            if n % 5 == 0:
                data = data[:generator.randrange(len(data) + 1)]
            s.sendto(bytes(data), (SERVER, 53))
    wait_for(lambda: server.counters()["queries-udp"] > 4000, what="garbage read")
    wait_for(lambda: server.counters()["tasks"] < 256, what="room for one more of this client")
    assert dig(lab.client, "v4.example.test AAAA").data("AAAA") == ["64:ff9b::808:808"]
    counters = server.counters()
    assert counters["malformed"] > 0 and counters["formerr"] > 0, counters


def frames(stream):
    data = b""
    while True:
        while len(data) >= 2 and len(data) - 2 >= struct.unpack("!H", data[:2])[0]:
            n = struct.unpack("!H", data[:2])[0]
            yield data[2:2 + n]
            data = data[2 + n:]
        more = stream.recv(65536)
        if not more:
            return
        data += more


def tcp(lab):
    s = lab.client.socket(socket.SOCK_STREAM)
    s.connect((SERVER, 53))
    return s


def framed(message):
    return struct.pack("!H", len(message)) + message


def test_tcp_queries_are_pipelined_beyond_the_limit_at_once(lab, serve):
    serve()
    with tcp(lab) as s:
        s.sendall(b"".join(framed(query(f"p{n}.example.test", ident=n)) for n in range(200)))
        s.shutdown(socket.SHUT_WR)  # all of them are still answered
        answers = list(frames(s))
    assert {struct.unpack("!H", a[:2])[0] for a in answers} == set(range(200))


def test_tcp_answers_overtake_each_other(lab, serve):
    """RFC 7766 6.2.1.1: who asked first waits alone for an upstream that is slow for it."""
    held = []

    def slow_is_held(script, message, who):
        if b"slow" in message:
            held.append((answer_to(message, rcode=3), who))
        else:
            script.send(answer_to(message, rcode=3), who)
    script = Script(lab, 5313, slow_is_held)
    serve(upstream=f"{UPSTREAM},5313")
    with tcp(lab) as s:
        stream = frames(s)
        s.sendall(framed(query("slow.test", 1, ident=1)))
        script.wait(1)
        s.sendall(b"".join(framed(query(f"n{n}.test", 1, ident=n)) for n in range(2, 12)))
        got = [struct.unpack("!H", next(stream)[:2])[0] for _ in range(10)]
        assert sorted(got) == list(range(2, 12))
        script.send(*held[0])
        assert next(stream)[:2] == b"\0\1"
    script.close()


def test_tcp_queries_may_come_byte_by_byte(lab, serve):
    serve()
    with tcp(lab) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in framed(query("v4.example.test")) * 2:
            s.sendall(bytes([byte]))
        stream = frames(s)
        for _ in range(2):
            assert socket.inet_pton(socket.AF_INET6, "64:ff9b::808:808") in next(stream)


def test_tcp_answers_wait_for_a_slow_reader(lab, serve):
    serve()
    with tcp(lab) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sender = threading.Thread(target=lambda: s.sendall(b"".join(
            framed(query("huge.example.test", ident=n)) for n in range(1000))))
        sender.start()
        stream = frames(s)
        got = [struct.unpack("!H", next(stream)[:2])[0] for _ in range(1000)]
        sender.join()
    assert sorted(got) == list(range(1000))


def test_a_tcp_message_too_long_to_be_a_query_ends_the_connection(lab, serve):
    server = serve()
    with tcp(lab) as s:
        s.sendall(struct.pack("!H", 65535) + b"x" * 100)
        assert s.recv(10) == b""
    with tcp(lab) as s:
        s.sendall(struct.pack("!H", 5) + b"hello")
        assert s.recv(10) == b""
    assert server.counters()["malformed"] == 2


def test_quiet_tcp_connections_are_closed_and_trickling_does_not_help(lab, serve):
    server = serve()
    with tcp(lab) as quiet, tcp(lab) as trickling:
        trickling.settimeout(0.5)
        start = time.monotonic()
        message = framed(query("v4.example.test"))
        with contextlib.suppress(OSError):
            for byte in message:  # 35 bytes, half a second each: longer than it may take
                trickling.sendall(bytes([byte]))
                try:
                    if trickling.recv(10) == b"":
                        break
                except socket.timeout:
                    pass
        assert 9 < time.monotonic() - start < 15
        assert quiet.recv(10) == b""
    assert server.counters()["tcp-idle"] == 2


@pytest.fixture
def three_clients(lab):
    """Addresses of the client in other /64: for the server, other clients."""
    addresses = [f"2001:db8:{n}::1" for n in (501, 502)]
    for a in addresses:
        lab.client(f"ip addr add {a}/128 dev eth0 nodad")
        lab.gateway(f"ip -6 route add {a}/128 via {CLIENT} dev lan0")
    yield [CLIENT, *addresses]
    for a in addresses:
        lab.gateway(f"ip -6 route del {a}/128")
        lab.client(f"ip addr del {a}/128 dev eth0")


def tcp_from(lab, address):
    s = lab.client.socket(socket.SOCK_STREAM)
    s.settimeout(10)
    s.bind((address, 0))
    s.connect((SERVER, 53))
    return s


def is_closed(s):
    try:
        return s.recv(10) == b""
    except ConnectionResetError:
        return True


def test_tcp_connections_are_bounded_and_quiet_ones_make_room(lab, serve, three_clients):
    server = serve()
    held = [tcp_from(lab, a) for a in three_clients[:2] for _ in range(128)]
    wait_for(lambda: server.counters()["tcp-accepted"] == 256, what="256 connections")
    r = dig(lab.client, f"-b {three_clients[2]} +tcp v4.example.test AAAA")
    assert r.data("AAAA") == ["64:ff9b::808:808"], r
    assert is_closed(held[0]) and server.counters()["tcp-idle"] == 1
    for s in held:
        s.close()


def test_one_client_takes_only_its_own_tcp_connections(lab, serve, three_clients):
    server = serve()
    held = [tcp_from(lab, three_clients[0]) for _ in range(130)]
    wait_for(lambda: server.counters()["tcp-accepted"] == 130, what="130 connections")
    counters = server.counters()
    assert counters["tcp-idle"] == 2 and counters["tcp-client-full"] == 0
    assert is_closed(held[0]) and is_closed(held[1])
    for s in held:
        s.close()


def test_tcp_clients_that_wait_for_answers_share_the_connections(lab, serve, three_clients):
    """Each connection has a query under way, so that none is idle."""
    script = Script(lab, 5304, silent)
    server = serve(upstream=f"{UPSTREAM},5304")
    held = {}

    def fill(address, n):
        held[address] = [tcp_from(lab, address) for _ in range(n)]
        for i, s in enumerate(held[address]):
            s.sendall(framed(query(f"n{i}.x{len(held)}.test")))

    def counter(name):
        return server.counters()[name]

    fill(three_clients[0], 128)
    wait_for(lambda: counter("queries-tcp") == 128, what="the queries of the first one")
    more = tcp_from(lab, three_clients[0])  # at once: all of its own are at work
    assert is_closed(more) and counter("tcp-client-full") == 1
    fill(three_clients[1], 128)
    wait_for(lambda: counter("queries-tcp") == 256, what="the queries of the second one")
    others = []
    for n in range(1, 11):
        others.append(tcp_from(lab, three_clients[2]))
        others[-1].sendall(framed(query(f"n{n}.x3.test")))
        wait_for(lambda: counter("queries-tcp") == 256 + n, what="a query of the third one")
    counters = server.counters()
    assert counters["tcp-shed"] == 10 and counters["tcp-idle"] == 0, counters
    assert counters["tcp-refused"] == counters["tcp-client-full"] == 1, counters
    assert is_closed(held[three_clients[0]][0]) and is_closed(held[three_clients[1]][0])
    for s in [more, *others, *(s for c in held.values() for s in c)]:
        s.close()
    script.close()


def test_when_descriptors_run_out_tcp_waits_and_udp_goes_on(lab, serve):
    server = serve()
    assert dig(lab.client, "v4.example.test AAAA").data("AAAA")  # an upstream socket is open
    used = len(os.listdir(f"/proc/{server.pid()}/fd"))
    subprocess.run(["prlimit", f"--pid={server.pid()}", f"--nofile={used}:4096"], check=True)
    with tcp(lab) as s:
        s.sendall(framed(query("v4.example.test")))
        wait_for(lambda: "accepting TCP connections" in pathlib.Path(server.log.name).read_text(),
                 what="the line in the log")
        assert dig(lab.client, "v4.example.test AAAA").data("AAAA")  # from the cache
        subprocess.run(["prlimit", f"--pid={server.pid()}", "--nofile=4096:4096"], check=True)
        assert socket.inet_pton(socket.AF_INET6, "64:ff9b::808:808") in next(frames(s))


# --- reload and end ----------------------------------------------------------------------------

def test_a_reload_loses_no_query_in_flight(lab, serve):
    held = []
    script = Script(lab, 5310, lambda s, q, who: held.append((q, who)))
    path = lab.directory / "reload"
    server = serve(upstream=f"{UPSTREAM},5310", reload=path, listen=[SERVER, "10.0.0.1"])
    with lab.client.socket() as waiting, lab.client.socket(family=socket.AF_INET) as leaving:
        waiting.sendto(query("waiting.test"), (SERVER, 53))
        leaving.sendto(query("waiting.test"), ("10.0.0.1", 53))
        script.wait(2)
        wait_for(lambda: server.counters()["tasks"] == 2, what="both queries taken")
        server.reload(path, listen=[SERVER, "2001:db8:f::1"], prefix="2001:db8:64::/96")
        for q, who in list(held):
            nodata_then_a(script, q, who)
        want = socket.inet_pton(socket.AF_INET6, "2001:db8:64::808:808")
        assert want in waiting.recv(4096)
        assert want in leaving.recv(4096)
    assert dig(lab.client, "v4.example.test AAAA").data("AAAA") == ["2001:db8:64::808:808"]
    assert dig(lab.upstream, "v4.example.test AAAA", "2001:db8:f::1").data("AAAA")
    assert "no servers" in lab.client("dig +time=1 +tries=1 @10.0.0.1 v4.example.test", check=False)
    script.close()


def test_inside_interfaces_may_change(lab, serve):
    path = lab.directory / "reload-inside"
    server = serve(inside="lan0", reload=path)
    silence = "dig +time=1 +tries=1 @{} v4.example.test AAAA"
    assert "ANSWER" not in lab.upstream(silence.format("2001:db8:f::1"), check=False)
    server.reload(path, inside="wan0")
    assert dig(lab.upstream, "v4.example.test AAAA", "2001:db8:f::1").data("AAAA")
    assert "ANSWER" not in lab.client(silence.format(SERVER), check=False)


@pytest.mark.parametrize("listen,why", [("::", "Address already in use"),
                                        ("2001:db8:dead::1", "Cannot assign requested address")])
def test_an_address_that_cannot_be_had_is_named(lab, serve, listen, why):
    serve()
    arguments = Server.arguments(listen=listen)
    text = lab.gateway(f"{lab.driver} {arguments}", check=False)
    assert re.fullmatch(f"dns64_server: dns64: (UDP|TCP) listener: {listen} port 53: {why}\n", text), text


def test_it_ends_at_once_with_queries_and_connections_open(lab, serve):
    script = Script(lab, 5321, silent)
    server = serve(upstream=f"{UPSTREAM},5321")
    with tcp(lab) as s, lab.client.socket() as u:
        s.sendall(framed(query("open.test")))
        u.sendto(query("open.test"), (SERVER, 53))
        script.wait(1)
        start = time.monotonic()
        server.stop()
        assert time.monotonic() - start < 1
    script.close()
