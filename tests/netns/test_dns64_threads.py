"""Several threads answer DNS at one address: the kernel deals the clients out among them, and what the
operator sees is one server."""
import pathlib
import subprocess
import tempfile

import pytest

from control_lab import BASIC, ControlLab, build_programs
from netlink_lab import wait_for

UPSTREAM, AT, OTHER = "2001:db8:f::2", "2001:db8:1::1", "2001:db8:1::53"
DNS = """dns64:
  listen: [%s]
  upstream: {address: "2001:db8:f::2"}
  threads: %d
"""
ASKER = """
import socket, sys
query = (bytes.fromhex("000701000001000000000000") + b"\\2n1\\7example\\4test\\0\\0\\x1c\\0\\1")
wanted = socket.inet_pton(socket.AF_INET6, "64:ff9b::808:401")
sockets, good = [socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) for _ in range(int(sys.argv[2]))], 0
for s in sockets:
    s.settimeout(5)
    s.sendto(query, (sys.argv[1], 53))
for s in sockets:
    try:
        good += s.recv(1232)[-16:] == wanted
    except socket.timeout:
        pass
print(good)
"""


class ThreadsLab(ControlLab):
    def __init__(self, programs):
        super().__init__(programs)
        path = pathlib.Path(tempfile.mkdtemp(prefix="sg-threads-"))
        (path / "unbound.conf").write_text(f"""
server:
  interface: {UPSTREAM}
  access-control: ::/0 allow
  do-daemonize: no
  username: ""
  chroot: ""
  directory: "{path}"
  pidfile: ""
  use-syslog: no
  local-zone: "example.test." static
  local-data: "example.test. 300 IN SOA ns.example.test. m.example.test. 1 3600 600 86400 300"
""" + "".join(f'  local-data: "n{n}.example.test. 300 IN A 8.8.4.{n}"\n' for n in range(100)))
        self.net.start(["unbound", "-d", "-c", f"{path}/unbound.conf"], stderr=subprocess.DEVNULL)
        wait_for(lambda: "53" in self.net("ss -Hlun sport = :53"), what="Unbound")
        self.router(f"ip addr add {OTHER}/64 dev lan0 nodad")

    def ask_many(self, count, at=AT):
        """Each from a port of its own. How many were answered."""
        p = self.host.start(["python3", "-c", ASKER, at, str(count)], stdout=subprocess.PIPE, text=True)
        return int(p.communicate(timeout=60)[0])

    def over_tcp(self, count):
        out = [self.host(f"dig +tcp +short +tries=1 @{AT} n1.example.test AAAA", check=False)
               for _ in range(count)]
        return sum(line.strip() == "64:ff9b::808:401" for line in out)


@pytest.fixture
def lab():
    lab = ThreadsLab(build_programs())
    try:
        yield lab
    finally:
        lab.close()


def config(*listen, threads=2):
    return BASIC + DNS % (", ".join(f'"{a}"' for a in listen), threads)


def test_two_threads_answer_as_one_server(lab):
    g = lab.gateway(config(AT))
    assert len(lab.router("ss -Hlun sport = :53").splitlines()) == 2
    assert lab.ask_many(60) == 60
    assert lab.over_tcp(6) == 6
    seen = g.counters()
    assert (seen["queries-udp"], seen["queries-tcp"], seen["synthesized"]) == (60, 6, 66)
    # Each thread has asked for itself: so each has had clients.
    assert seen["cache-entries"] == 4 and seen["upstream-queries"] == 4
    listeners = g.ask("status")[-1]["dns64"]
    assert [(x["transport"], x["open"]) for x in listeners] == [("udp", True), ("tcp", True)]
    assert g.stop() == 0


def test_a_reload_reaches_every_thread(lab):
    g = lab.gateway(config(AT))
    assert lab.ask_many(40) == 40
    g.write(config(AT, OTHER))
    g.ctl("reload")
    assert lab.ask_many(40) == 40 and lab.ask_many(40, at=OTHER) == 40
    g.write(config(OTHER) + "  never: [example.test]\n")
    g.ctl("reload")
    assert AT not in lab.router("ss -Hlun sport = :53").replace(OTHER, "")
    out = {lab.host(f"dig +short @{OTHER} n1.example.test AAAA") for _ in range(20)}
    assert out == {""}  # nobody synthesises any more
    assert g.stop() == 0


def test_another_number_of_threads_needs_a_restart(lab):
    g = lab.gateway(config(AT))
    g.write(config(AT, threads=3))
    assert "dns64.threads" in g.ctl("reload", code=1)
    assert lab.ask_many(20) == 20


def test_one_thread_shares_its_address_with_nobody(lab):
    lab.gateway(config(AT, threads=1))
    thief = ["python3", "-c", "import socket\ns = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)\n"
             "s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)\n"
             f"s.bind(('{AT}', 53))"]
    p = lab.router.start(thief, stderr=subprocess.PIPE, text=True)
    assert "Address already in use" in p.communicate(timeout=10)[1]


def test_each_thread_knows_the_cookies_of_the_others(lab):
    """RFC 9018 5: they are one server. dig says (good) of a cookie whose client part came back; whose
    server part was known again is counted."""
    g = lab.gateway(BASIC + DNS % (AT, 4))
    options = "+time=4 +tries=1 n1.example.test AAAA"
    first = lab.host(f"dig @{AT} +cookie=0123456789abcdef {options}")
    cookie = first.split("COOKIE: ")[1].split()[0]
    for _ in range(20):  # each from another port: the kernel chooses the thread
        assert "(good)" in lab.host(f"dig @{AT} +cookie={cookie} {options}")
    counters = g.counters()
    assert counters["cookies-good"] == 20 and counters["cookies-new"] == 1, counters
    assert g.stop() == 0


def one_knows(lab, g, name):
    """A client has asked for @name. The number of the thread it came to."""
    g.ctl("dns", "flush")
    lab.host(f"dig +short @{AT} {name} AAAA")
    entries = [x["entry"] for x in g.ask("dns", "cache", name) if "entry" in x]
    assert len(entries) == 2 and len({e["thread"] for e in entries}) == 1, entries  # AAAA and A
    return entries[0]["thread"]


def test_every_thread_is_asked_why_and_who_differs_is_said(lab):
    g = lab.gateway(config(AT, threads=3))
    lines = g.ask("dns", "lookup", "n1.example.test", "AAAA")
    assert g.counters()["cache-entries"] == 6
    assert lines[-1]["rcode"] == "NOERROR" and "differ" not in lines[-1], lines
    assert len([x for x in lines if "record" in x]) == 1
    knows = one_knows(lab, g, "n2.example.test")
    facts = g.ask("dns", "cache")[-1]
    assert [t["entries"] for t in facts["threads"]] == [2 * (n == knows) for n in (1, 2, 3)], facts
    said = {x["step"]: x.get("threads") for x in g.ask("dns", "lookup", "n2.example.test", "AAAA") if "step" in x}
    assert said["AAAA: not in the cache, an upstream is asked"] == sorted({1, 2, 3} - {knows}), said
    assert [t for s, t in said.items() if s.startswith("AAAA: in the cache")] == [[knows]], said
    assert said["view: none is this client's, so the section itself counts"] is None
    out = g.ctl("dns", "cache")
    assert out.count(" uses ") == 6 and all(f"thread {n}: 2 answers" in out for n in (1, 2, 3)), out
    assert g.ask("dns", "flush", "n2.example.test")[-1]["flushed"] == 6
    knows = one_knows(lab, g, "n3.example.test")
    said = g.ctl("dns", "lookup", "n3.example.test", "AAAA").splitlines()
    assert [s[-len("[thread 1]"):] for s in said if "AAAA: in the cache" in s] == [f"[thread {knows}]"], said
    assert g.stop() == 0


CHANGING = """
import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind(("%s", 5300))
print("ready", flush=True)
for n in range(1, 250):
    query, who = s.recvfrom(4096)
    end = query.index(0, 12) + 5
    s.sendto(query[:2] + bytes.fromhex("81800001000100000000") + query[12:end]
             + bytes.fromhex("c00c000100010000012c0004080804") + bytes([n]), who)
""" % UPSTREAM


def test_answers_that_differ_are_told_one_by_one(lab):
    """Of a name that is another one whenever it is asked for, each thread remembers another address."""
    upstream = lab.net.start(["python3", "-c", CHANGING], stdout=subprocess.PIPE, text=True)
    assert upstream.stdout.readline() == "ready\n"
    g = lab.gateway(config(AT).replace('address: "2001:db8:f::2"', 'address: "2001:db8:f::2", port: 5300'))
    lines = g.ask("dns", "lookup", "turns.example.test", "A")
    answers = [(x["answer"]["rcode"], x["threads"]) for x in lines if "answer" in x]
    records = [(x["record"]["text"].split()[-1], x["threads"]) for x in lines if "record" in x]
    assert answers == [("NOERROR", [1]), ("NOERROR", [2])] and lines[-1]["differ"], lines
    assert {a for a, _ in records} == {"8.8.4.1", "8.8.4.2"}, records
    assert [t for _, t in records] == [[1], [2]], records
    said = g.ctl("dns", "lookup", "turns.example.test", "A").splitlines()
    assert [s for s in said if s.startswith("NOERROR")] == ["NOERROR   [thread 1]", "NOERROR   [thread 2]"], said
    assert g.stop() == 0
