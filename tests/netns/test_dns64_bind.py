"""DNS64 against the reference: the same questions to BIND and to Sixgate, both in front of the same
Unbound and nsd. What they answer agrees, or stands in dns64_differences.py with the reason.

All in one namespace, on its loopback interface:

    questions --- BIND    2001:db8:b::N  ---.
              `-- Sixgate 2001:db8:5::N  ---+--- Unbound 127.0.0.2 --- nsd 127.0.0.1:5353

N is the scenario: one view of BIND, one server of ours.
"""
import collections
import concurrent.futures
import os
import pathlib
import re
import select
import shutil
import socket
import subprocess
import tempfile
import time

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import pytest

import dns64_differences as known
import dns64_world as world
from test_dns64 import Namespace, build_driver, wait_for

UPSTREAM = "127.0.0.2"
NOT_GLOBAL = ["0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
              "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15",
              "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"]
GLOBAL = " ".join(f"!{p};" for p in NOT_GLOBAL) + " any;"
MAPPED_V6 = "exclude { ::ffff:0:0/96; };"

# Name: (dns64 statements of BIND, options of ours)
SCENARIOS = {
    "well-known": (f"dns64 64:ff9b::/96 {{ mapped {{ {GLOBAL} }}; {MAPPED_V6} }};",
                   "prefix 64:ff9b::/96"),
    "own-96": (f"dns64 2001:db8:64::/96 {{ {MAPPED_V6} }};", "prefix 2001:db8:64::/96"),
    **{f"own-{n}": (f"dns64 {p}/{n} {{ {MAPPED_V6} }};", f"prefix {p}/{n}") for n, p in
       ((32, "2001:db8::"), (40, "2001:db8:6400::"), (48, "2001:db8:64::"),
        (56, "2001:db8:64:6400::"), (64, "2001:db8:64:64::"))},
    "two": (f"dns64 2001:db8:64::/96 {{ {MAPPED_V6} }}; dns64 2001:db8:65::/64 {{ {MAPPED_V6} }};",
            "prefix 2001:db8:64::/96 prefix 2001:db8:65::/64"),
    "break-dnssec": (f"dns64 2001:db8:64::/96 {{ break-dnssec yes; {MAPPED_V6} }};",
                     "prefix 2001:db8:64::/96 break-dnssec yes"),
    "exclude": ("dns64 2001:db8:64::/96 { exclude { ::ffff:0:0/96; 2001:db8:bad::/48; }; };",
                "prefix 2001:db8:64::/96 exclude ::ffff:0:0/96 exclude 2001:db8:bad::/48"),
    "ranges": (f"dns64 2001:db8:64::/96 {{ mapped {{ !9.9.9.0/24; !10.0.0.0/8; any; }}; {MAPPED_V6} }};"
               f" dns64 2001:db8:65::/96 {{ mapped {{ 9.9.9.0/24; }}; {MAPPED_V6} }};",
               "prefix 2001:db8:64::/96 mapped 9.9.9.0/24,2001:db8:65::/96 mapped 10.0.0.0/8,none"),
    "serial": (f"dns64 2001:db8:64::/96 {{ {MAPPED_V6} }};",
               "prefix 2001:db8:64::/96 lookup serial"),
}

Case = collections.namedtuple("Case", "scenario name type flags")
# What a client may set; "512": no EDNS, "tcp": over TCP with EDNS.
ROUNDING = 2  # seconds
PLAIN, VARIANTS = "edns", ("edns", "512", "do", "cd", "ad", "do+cd", "tcp", "tcp+do")


def cases():
    found = []
    everything = world.names()
    for name in everything:
        found += [Case("well-known", name, t, f) for t in ("AAAA", "A") for f in VARIANTS]
        found += [Case(s, name, "AAAA", f) for s in SCENARIOS if s != "well-known"
                  for f in ((PLAIN, "do") if "c-" not in name else (PLAIN,))]
    others = [n for n in everything if "c-" not in n or "c-one-none." in n]
    for name in others:
        for kind in ("TXT", "HTTPS", "SVCB", "ANY", "PTR", "MX", "SRV", "NAPTR", "SOA", "NS", "CNAME",
                     "DNAME", "CAA", "LOC", "TYPE65400", "DS", "DNSKEY"):
            found.append(Case("well-known", name, kind, PLAIN))
        found.append(Case("well-known", name, "HTTPS", "do"))
    found += [Case(s, dns.name.from_text(n).to_text(), "PTR", f) for s, n, f in reverse_names()]
    found += [Case("well-known", n, t, PLAIN) for n in world.FAILING for t in ("AAAA", "A", "TXT")]
    return found


def embedded(prefix, v4):
    """RFC 6052 2.2 once more, by hand."""
    network, length = prefix.split("/")
    octets, keep = list(socket.inet_pton(socket.AF_INET6, network)), int(length) // 8
    places = [i for i in range(keep, 16) if i != 8][:4]
    for place, octet in zip(places, socket.inet_aton(v4)):
        octets[place] = octet
    return bytes(octets)


def reverse_of(octets):
    return ".".join(f"{b & 15:x}.{b >> 4:x}" for b in reversed(octets)) + ".ip6.arpa."


def reverse_names():
    for scenario, (_, ours) in SCENARIOS.items():
        for prefix in re.findall(r"prefix (\S+)", ours):
            for v4 in ("8.8.8.8", "8.8.8.9", "8.8.8.10", "8.8.8.11", "10.1.2.3", "192.0.0.170"):
                for flags in (PLAIN, "do", "cd") if scenario == "well-known" else (PLAIN,):
                    yield scenario, reverse_of(embedded(prefix, v4)), flags
    yield "ranges", reverse_of(embedded("2001:db8:65::/96", "9.9.9.9")), PLAIN
    yield "ranges", reverse_of(embedded("2001:db8:65::/96", "8.8.8.8")), PLAIN
    real = reverse_of(socket.inet_pton(socket.AF_INET6, "2001:db8:f::81"))
    for name in (real, real[4:], real.replace("1.8", "2.8"), "ip6.arpa."):
        yield "well-known", name, PLAIN


def sign(directory, zone, text, spoil):
    (directory / f"{zone}.zone").write_text(text)
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


class Lab:
    def __init__(self):
        self.first_asked = {}
        self.longest = 0
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="sg-dns64-bind-"))
        os.chmod(self.directory, 0o755)
        self.ns = Namespace(f"sg-dns64-b-{os.getpid()}")
        for i in range(1, len(SCENARIOS) + 1):
            for side in "b5":
                self.ns(f"ip addr add 2001:db8:{side}::{i}/128 dev lo nodad")
        self.write_zones()
        self.start("nsd", f"nsd -d -c {self.directory}/nsd.conf")
        self.start("unbound", f"unbound -d -c {self.directory}/unbound.conf")
        wait_for(lambda: "8.8.8.8" in self.ns(
            f"dig +time=1 +tries=1 +short @{UPSTREAM} a.brief.test", check=False), what="Unbound")
        self.start_bind()
        self.start_ours()

    def start(self, name, command, **kw):
        log = open(self.directory / f"{name}.log", "w")
        return self.ns.start(command, stderr=log, **{"stdout": log, **kw})

    def write_zones(self):
        d = self.directory
        zones = {}
        for zone, text in world.plain_zones().items():
            (d / f"{zone}.zone").write_text(text)
            zones[zone] = f"{zone}.zone"
        self.anchors = ""
        for zone, text in world.signed_zones().items():
            self.anchors += sign(d, zone, text, spoil=zone == "bogus.test")
            zones[zone] = f"{zone}.signed"
        (d / "anchors").write_text(self.anchors)
        (d / "nsd.conf").write_text(f"""
server:
  ip-address: 127.0.0.1@5353
  username: ""
  zonesdir: "{d}"
  database: ""
  pidfile: ""
  xfrdfile: ""
  zonelistfile: "{d}/zone.list"
  rrl-ratelimit: 0
remote-control:
  control-enable: no
""" + "".join(f"zone:\n  name: {z}\n  zonefile: {f}\n" for z, f in zones.items()))
        (d / "unbound.conf").write_text(f"""
server:
  interface: {UPSTREAM}
  access-control: 0.0.0.0/0 allow
  do-daemonize: no
  username: ""
  chroot: ""
  directory: "{d}"
  pidfile: ""
  use-syslog: no
  logfile: ""
  do-not-query-localhost: no
  trust-anchor-file: "{d}/anchors"
  val-override-date: -1
  ede: yes
  edns-buffer-size: 1232
  rrset-roundrobin: no
  local-zone: "test." nodefault
  local-zone: "10.in-addr.arpa." nodefault
  local-zone: "8.b.d.0.1.0.0.2.ip6.arpa." nodefault
  local-zone: "refused.test." refuse
  local-zone: "nowhere.test." static
  local-zone: "." static
  local-data: ". 3600 IN SOA a.root. nobody.root. 1 3600 900 86400 300"
""" + "".join(f'  local-zone: "{z}." transparent\n' for z in [*zones, "dead.test"])
            + "".join(f"stub-zone:\n  name: {z}\n  stub-addr: 127.0.0.1@5353\n" for z in zones)
            + "stub-zone:\n  name: dead.test\n  stub-addr: 127.0.0.1@5399\n")

    def start_bind(self):
        anchors = "".join(
            f'"{m[1]}" initial-ds {m[2]} {m[3]} {m[4]} "{m[5]}";\n'
            for m in re.finditer(r"(?m)^(\S+)\s.*\bDS\s+(\d+)\s+(\d+)\s+(\d+)\s+(\w+)$", self.anchors))
        listeners = " ".join(f"2001:db8:b::{i};" for i in range(1, len(SCENARIOS) + 1))
        views = "".join(f"""
view "{name}" {{
  match-destinations {{ 2001:db8:b::{i}; }};
  recursion yes;
  {statements}
}};""" for i, (name, (statements, _)) in enumerate(SCENARIOS.items(), 1))
        (self.directory / "named.conf").write_text(f"""
trust-anchors {{ {anchors} }};
options {{
  directory "{self.directory}";
  pid-file none;
  session-keyfile none;
  listen-on {{ none; }};
  listen-on-v6 port 53 {{ {listeners} }};
  allow-query {{ any; }};
  allow-recursion {{ any; }};
  forward first;
  forwarders {{ {UPSTREAM}; }};
  dnssec-validation yes;
  minimal-responses yes;
  ipv4only-enable yes;
  empty-zones-enable no;
  max-udp-size 1232;
  edns-udp-size 1232;
  rrset-order {{ order none; }};
  servfail-ttl 0;
  recursive-clients 10000;
  clients-per-query 0;
  tcp-clients 1000;
  validate-except {{ "brief.test"; }};
}};
controls {{ }};
{views}
""")
        self.start("named", f"named -g -n 1 -c {self.directory}/named.conf")
        wait_for(lambda: "8.8.4.4" in self.ns(
            "dig +time=1 +tries=1 +short @2001:db8:b::1 A b.brief.test", check=False), what="BIND")

    def start_ours(self):
        driver = build_driver()
        for i, (name, (_, options)) in enumerate(SCENARIOS.items(), 1):
            if "exclude " not in options:
                options += " exclude ::ffff:0:0/96"
            p = self.start(f"ours-{name}", f"{driver} listen 2001:db8:5::{i} upstream {UPSTREAM} {options}",
                           stdout=subprocess.PIPE, text=True)
            assert p.stdout.readline() == "ready\n", name

    def close(self):
        self.ns.remove()
        shutil.rmtree(self.directory)


@pytest.fixture(scope="module")
def lab():
    lab = Lab()
    try:
        yield lab
    finally:
        lab.close()


def question(case, ident):
    q = dns.message.make_query(case.name, case.type)
    q.id = ident
    flags = case.flags.split("+")
    if "512" not in flags:
        q.use_edns(0, dns.flags.DO if "do" in flags else 0, 1232)
    if "cd" in flags:
        q.flags |= dns.flags.CD
    if "ad" in flags:
        q.flags |= dns.flags.AD
    return q


def records(section):
    """Sets in their order: (owner, type, TTL, data)."""
    return [(s.name.to_text(), dns.rdatatype.to_text(s.rdtype), s.ttl,
             tuple(sorted(d.to_text() for d in s))) for s in section]


def normal(wire):
    """What a message says, part by part."""
    m = dns.message.from_wire(wire, ignore_trailing=False)
    said = {"rcode": dns.rcode.to_text(m.rcode())}
    for flag in ("AA", "TC", "RD", "RA", "AD", "CD"):
        said[flag] = bool(m.flags & dns.flags.Flag[flag])
    said["question"] = [(q.name.to_text(), q.rdtype) for q in m.question]
    said["edns"] = (m.edns, bool(m.ednsflags & dns.flags.DO)) if m.edns >= 0 else None
    said["ede"] = sorted(int(o.code) for o in m.options if o.otype == dns.edns.OptionType.EDE)
    said["options"] = sorted(int(o.otype) for o in m.options if o.otype != dns.edns.OptionType.EDE)
    for part in ("answer", "authority", "additional"):
        found = records(getattr(m, part))
        if part != "answer" or m.question[0].rdtype == dns.rdatatype.ANY:
            found = sorted(found, key=lambda r: (r[0], r[1], r[3]))
        said[part] = [(n, t, d) for n, t, _, d in found]
        said[f"{part} TTL"] = [ttl for _, _, ttl, _ in found]
    return said


class Asker:
    """Many questions at a time to one server, over UDP or TCP; the answers as bytes."""

    WINDOW = 40

    def __init__(self, ns, address):
        self.ns, self.address = ns, address

    def ask(self, wires, tcp):
        return self.tcp(wires) if tcp else self.udp(wires)

    def udp(self, wires):
        """wires: by number. Returns answers by number."""
        s, found, left = self.ns.socket(), {}, dict(wires)
        while left:
            batch = dict(list(left.items())[:self.WINDOW])
            for wire in batch.values():
                s.sendto(wire, (self.address, 53))
            while batch:
                if not select.select([s], [], [], 20)[0]:
                    raise AssertionError(f"{self.address} does not answer {list(batch)[:5]}")
                answer = s.recv(65535)
                number = int.from_bytes(answer[:2], "big")
                if batch.pop(number, None):
                    found[number] = answer
                    del left[number]
        s.close()
        return found

    def tcp(self, wires):
        found, left = {}, dict(wires)
        while left:
            batch = dict(list(left.items())[:20])
            s = self.ns.socket(socket.SOCK_STREAM)
            s.settimeout(20)
            s.connect((self.address, 53))
            stream = s.makefile("rb")
            s.sendall(b"".join(len(w).to_bytes(2, "big") + w for w in batch.values()))
            for _ in batch:
                length = int.from_bytes(stream.read(2), "big")
                answer = stream.read(length)
                number = int.from_bytes(answer[:2], "big")
                found[number] = answer
                del left[number]
            stream.close()
            s.close()
        return found


def ask_both(lab, chosen):
    """{case: (BIND's answer, ours, seconds since the name was first asked for)}; what a lot takes to be
    asked lies between the two askings for one name: lab.longest is the most of any."""
    told, both = {}, concurrent.futures.ThreadPoolExecutor(2)
    for i, scenario in enumerate(SCENARIOS, 1):
        mine = [c for c in chosen if c.scenario == scenario]
        for tcp in (False, True):
            wires = {n: question(c, n).to_wire() for n, c in enumerate(mine)
                     if c.flags.startswith("tcp") == tcp}
            for start in range(0, len(wires), 200):
                part = dict(list(wires.items())[start:start + 200])
                for n in part:
                    lab.first_asked.setdefault(mine[n].name.lower(), time.monotonic())
                start_time = time.monotonic()
                answers = list(both.map(
                    lambda side: Asker(lab.ns, f"2001:db8:{side}::{i}").ask(part, tcp), "b5"))
                now = time.monotonic()
                lab.longest = max(lab.longest, now - start_time)
                told.update({mine[n]: (answers[0][n], answers[1][n],
                                       now - lab.first_asked[mine[n].name.lower()]) for n in part})
    return told


def differences(theirs, ours, age, rounding):
    """[(part, BIND's, ours)]. Both count down what one cache handed to them: what it cannot have
    fetched anew since it was first asked, @age seconds ago, ends at the same time, but for @rounding."""
    found = []
    for part in theirs:
        a, b = theirs[part], ours[part]
        if part.endswith(" TTL"):
            if part[:-4] in [p for p, _, _ in found]:
                continue  # of other records
            if len(a) == len(b) and all(abs(x - y) <= (rounding if max(x, y) > age else age + rounding)
                                      for x, y in zip(a, b)):
                continue
        if a != b:
            found.append((part, a, b))
    return found


def ask_again_what_bind_failed(lab, told):
    """Under this load BIND gives up a question now and then; it does not when asked alone."""
    failed = [c for c, (theirs, ours, _) in told.items() if theirs[3] & 15 == dns.rcode.SERVFAIL
              and ours[3] & 15 != dns.rcode.SERVFAIL and c.name not in world.FAILING]
    told.update(ask_both(lab, failed))


def test_sixgate_answers_as_bind_does_but_for_the_table(lab):
    told = ask_both(lab, cases())
    ask_again_what_bind_failed(lab, told)
    unknown, seen = [], collections.Counter()
    for case, (theirs, ours, age) in told.items():
        whole = normal(theirs), normal(ours)
        for part, a, b in differences(*whole, age, ROUNDING + lab.longest):
            row = known.row_for(case, part, a, b, whole)
            if row:
                seen[row] += 1
            else:
                unknown.append(f"{case.scenario} {case.name} {case.type} {case.flags}: {part}\n"
                               f"    BIND    {str(a)[:300]}\n    Sixgate {str(b)[:300]}")
    print(f"{len(told)} questions; differences:", dict(seen))
    assert not unknown, f"{len(unknown)} of {len(told)} differ:\n" + "\n".join(unknown[:int(os.environ.get("SHOW", 60))])
    gone = [r for r in known.ROWS if not seen[r] and r not in known.SLOW]
    assert not gone, f"no longer seen: {gone}"
