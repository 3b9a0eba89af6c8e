"""explain and trace of a running gateway: what it says is what then happens on the wire."""
import os
import re
import subprocess

import pytest
from control_lab import BASIC, HOST_IN_64, ControlLab, build_programs
from netlink_lab import wait_for

INSIDE, NET = "2001:db8:1::2", "2001:db8:f::2"


@pytest.fixture(scope="session")
def programs():
    return build_programs()


@pytest.fixture
def lab(programs):
    lab = ControlLab(programs)
    yield lab
    lab.close()


def explain(g, *words):
    """Its steps, and the last line."""
    lines = g.ask("explain", *[str(w) for w in words])
    return [x["step"] for x in lines[:-1]], lines[-1]


def one(steps, what):
    found = [s for s in steps if s["what"] == what]
    assert len(found) == 1, steps
    return found[0]


def quiet(g):
    """All counters but those of what the hosts themselves send meanwhile: reports of groups they listen to."""
    return {k: v for k, v in g.counters().items() if "rx_" not in k and "tx_" not in k and k != "multicast" and v}


def test_explain_of_an_allowed_flow_comes_true(lab):
    g = lab.gateway(BASIC.replace("workers: 2", "workers: 1"))
    before = quiet(g)
    steps, last = explain(g, "udp", INSIDE, 5000, HOST_IN_64, 53)
    assert last["verdict"] == "forwarded"
    assert one(steps, "asked")["admits"] and one(steps, "opened")["policy"] == "nat64"
    out = one(steps, "rewritten")
    assert out["side"] == "outside" and out["destination"] == {"address": "198.51.100.2", "port": 53}
    assert out["source"]["address"] == "198.51.100.10"
    # nothing has changed: no flow, no mapping, no counter, and the same port is said again
    assert g.ask("flows")[-1]["n"] == 0 and g.ask("bib")[-1]["n"] == 0
    assert quiet(g) == before
    assert one(explain(g, "udp", INSIDE, 5000, HOST_IN_64, 53)[0], "rewritten")["source"] == out["source"]
    lab.host("python3 -c \"import socket; s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM);"
             f" s.bind(('{INSIDE}', 5000)); s.sendto(b'x', ('{HOST_IN_64}', 53))\"")
    mapping = wait_for(lambda: [m["mapping"] for m in g.ask("bib")[:-1]], what="a mapping")[0]
    assert mapping["outside"] == out["source"]
    # now there is a flow, and the answer from outside finds it
    steps, last = explain(g, "udp", "198.51.100.2", 53, "198.51.100.10", out["source"]["port"])
    assert one(steps, "flow")["direction"] == "back" and last["verdict"] == "forwarded"
    assert one(steps, "rewritten")["destination"] == {"address": INSIDE, "port": 5000}


def test_explain_of_what_is_refused_says_why(lab):
    g = lab.gateway()
    for words, reason in (
            (("tcp", NET, 1000, INSIDE, 22), "unsolicited"),
            (("udp", "198.51.100.2", 1000, "198.51.100.10", 2222), "no-bib-entry"),
            (("tcp", "198.51.100.2", 1000, "198.51.100.10", 2222, "--reply"), "no-bib-entry"),
            (("tcp", "2001:db8:666::1", 1000, HOST_IN_64, 80, "--inside"), "source-not-inside"),
            (("udp", INSIDE, 1000, NET, 53, "--outside"), "spoofed-inside"),
            (("icmp", "203.0.113.1", 7, "203.0.113.2", 7), "no-policy")):
        steps, last = explain(g, *words)
        assert (last["verdict"], last["reason"]) == ("dropped", reason), (words, steps)
        assert one(steps, "ended")["reason"] == reason and last["help"]
    # a first SYN is kept for a while (RFC 6146 3.5.2.2)
    assert explain(g, "tcp", "198.51.100.2", 1000, "198.51.100.10", 2222)[1]["verdict"] == "held"
    text = g.ctl("explain", "tcp", NET, "1000", INSIDE, "22")
    assert "egress6 refuses it: unsolicited" in text
    # and the traffic meets the same
    before = g.counters()["unsolicited"]
    lab.net(f"curl -s -m 0.5 http://[{INSIDE}]:22/", check=False)
    assert g.counters()["unsolicited"] > before


def test_explain_of_an_echo_to_ourselves_says_who_answers(lab):
    g = lab.gateway()
    text = g.ctl("explain", "icmp", "198.51.100.2", "7", "198.51.100.10", "7")
    assert "nat64: it is for the gateway itself" in text and "answered by the gateway itself" in text
    assert "consumed" not in text and "kept for later" not in text
    text = g.ctl("explain", "tcp", "198.51.100.2", "1000", "198.51.100.10", "2222")
    assert "kept for some seconds, in case a host inside opens to its sender" in text


def test_explain_of_fragments(lab):
    g = lab.gateway(BASIC.replace("workers: 2", "workers: 1"))
    for words in (("udp", INSIDE, 5000, HOST_IN_64, 53), ("tcp", INSIDE, 5000, NET, 80)):
        steps, last = explain(g, *words, "--fragment", "first")
        assert last["verdict"] == "forwarded" and one(steps, "arrived")["fragment"]
        assert one(steps, "rewritten")["fragment"]
        steps, last = explain(g, *words, "--fragment", "later")
        assert last["verdict"] == "held" and one(steps, "ended")["held"] == "waits-for-first-fragment"
    steps, last = explain(g, "udp", "198.51.100.2", 53, "198.51.100.10", 5000, "--fragment", "first")
    assert (last["verdict"], last["reason"]) == ("dropped", "no-bib-entry")
    assert "kept until its first fragment comes" in g.ctl(
        "explain", "udp", "198.51.100.2", "53", "198.51.100.10", "5000", "--fragment", "later")
    assert "wants first or later" in g.ctl("explain", "udp", INSIDE, "1", NET, "2", "--fragment", "x", code=64)


SERVICE = """
services:
  - name: s3
    addresses: [198.51.100.20, "2001:db8:f:20::1"]
    protocol: tcp
    port: 9000
    nodes:
      - {name: store1, address: "2001:db8:1::2", zone: a}
      - {name: store2, address: "2001:db8:1::3", zone: b}
    scheduler: maglev
    source: {v6: "2001:db8:64:21::"}
    embed-prefix: 2001:db8:64:20::/96
    health: {preset: off}
"""


def test_explain_of_a_service_names_the_node_and_why(lab):
    g = lab.gateway(BASIC + SERVICE)
    steps, last = explain(g, "tcp", "198.51.100.2", 1000, "198.51.100.20", 9000)
    chosen = one(steps, "opened")
    assert (chosen["policy"], chosen["service"]) == ("services", "s3")
    choice = last["choice"]
    assert (choice["service"], choice["node"], choice["scheduler"]) == ("s3", chosen["node"], "maglev")
    assert choice["passed_over"] == []
    g.ctl("drain", chosen["node"])
    other = {"store1": "store2", "store2": "store1"}[chosen["node"]]
    wait_for(lambda: explain(g, "tcp", "198.51.100.2", 1000, "198.51.100.20", 9000)[1]["choice"]["node"] == other,
             what="the other node is chosen")
    text = g.ctl("explain", "tcp", "198.51.100.2", "1000", "198.51.100.20", "9000")
    assert f"to node {other} of s3 as " in text
    assert f"service s3 gives it to node {other}: by a hash of the client's address and port (maglev)" in text
    assert f"not asked: {chosen['node']} (" in text


def test_explain_says_when_the_file_is_newer_than_what_runs(lab):
    g = lab.gateway()
    def said():
        p = subprocess.run([g.tool, "-c", g.file, "explain", "udp", INSIDE, "5000", HOST_IN_64, "53"], text=True,
                           capture_output=True)
        assert p.returncode == 0
        return p.stderr
    assert said() == ""
    st = os.stat(g.file)
    os.utime(g.file, (st.st_atime, st.st_mtime + 3600))
    assert "was changed since it was loaded" in said() and "sixgatectl reload" in said()


def test_explain_names_an_interface_that_was_taken_out(lab):
    for words in ("link add extra0 type veth peer name extra1", "link set extra0 up", "link set extra1 up",
                  "addr add 2001:db8:77::1/64 dev extra0 nodad", "addr add 192.0.2.1/24 dev extra0"):
        lab.router(f"ip {words}")
    g = lab.gateway(BASIC.replace("inside: lan0", "inside: [lan0, extra0]"))
    there = ("udp", "2001:db8:77::5", 5000, HOST_IN_64, 53)
    steps, last = explain(g, *there)
    assert (one(steps, "arrived")["side"], last["foreign_interface"]) == ("inside", "")
    g.write(BASIC)
    assert "reloaded" in g.ctl("reload")
    note = "its sender is behind extra0, which is not one of Sixgate's interfaces"
    assert wait_for(lambda: explain(g, *there)[1]["foreign_interface"], what="the facts of the new file") == "extra0"
    assert note in g.ctl("explain", *map(str, there))
    assert explain(g, "udp", "192.0.2.7", 5, "198.51.100.10", 6)[1]["foreign_interface"] == "extra0"
    # a stranger is outside; who says where it arrives is believed
    assert explain(g, "udp", "198.51.100.2", 5, "198.51.100.10", 6)[1]["foreign_interface"] == ""
    assert explain(g, "udp", "2001:db8:666::1", 5, NET, 6)[1]["foreign_interface"] == ""
    assert explain(g, *there, "--inside")[1]["foreign_interface"] == ""


def test_explain_goes_from_worker_to_worker(lab):
    """A hairpin: the second flow may belong to another worker."""
    text = BASIC.replace("workers: 2", "workers: 4").replace("}\negress6", ", static: [{protocol: tcp, "
                         f"inside: {{address: '{INSIDE}', port: 80}}, "
                         "outside: {address: 198.51.100.10, port: 80}}]}\negress6")
    g = lab.gateway(text)
    handed = 0
    for port in range(2000, 2032):
        steps, last = explain(g, "tcp", f"2001:db8:1::{port}", port, "64:ff9b::198.51.100.10", 80)
        assert last["verdict"] == "forwarded", steps
        assert any(s["what"] == "round" for s in steps) or any(s["what"] == "handed" for s in steps)
        assert steps[-2]["destination"] == {"address": INSIDE, "port": 80}
        handed += any(s["what"] == "handed" for s in steps)
    assert handed > 0
    assert g.ask("flows")[-1]["n"] == 0


def test_wrong_words_are_named(lab):
    g = lab.gateway()
    for words, said in ((("explain", "tcp", "::1"), "five words"),
                        (("explain", "sctp", "::1", "1", "::2", "2"), "no protocol"),
                        (("explain", "tcp", "::1", "1", "1.2.3.4", "2"), "one family"),
                        (("explain", "tcp", "::1", "65536", "::2", "2"), "no port"),
                        (("trace", "hots", "::1"), "expected tcp"),
                        (("trace", "host"), "an address"),
                        (("flows", "--reply"), "--reply goes with explain")):
        assert said in g.ctl(*words, code=64)


def trace(g, *words):
    """Started, and tracing."""
    p = subprocess.Popen([g.tool, "-s", g.socket, "trace", *words], text=True, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE)
    assert p.stderr.readline() == "tracing\n"
    return p


def test_a_trace_shows_the_steps_of_a_ping_both_ways(lab):
    g = lab.gateway()
    p = trace(g, "icmp", "host", INSIDE, "--count", "4", "--seconds", "20")
    assert "running already" in g.ctl("trace", "--seconds", "1", code=1)
    assert lab.ping(lab.net, "198.51.100.1") and lab.ping(lab.host, HOST_IN_64, count=2)
    out, _ = p.communicate(timeout=15)
    lines = out.splitlines()
    assert p.returncode == 0 and lines[-1] == "4 packets", out
    steps = [re.sub(r"^\d+\.\d+  ", "", x) for x in lines[:-1]]
    assert [s for s in steps if s.startswith("arrives")][0].startswith(f"arrives inside: icmpv6 [{INSIDE}]:")
    assert steps.count("nat64 takes it") == 1
    assert sum(bool(re.match(r"leaves outside as icmp 198\.51\.100\.10:\d+ > 198\.51\.100\.2:", s))
               for s in steps) == 2
    assert sum(s.startswith("arrives outside: icmp 198.51.100.2:") for s in steps) == 2
    assert sum(f"> [{INSIDE}]:" in s for s in steps if s.startswith("leaves inside")) == 2
    assert steps.count("sent") == 4


def test_a_trace_ends_with_its_client_and_with_its_time(lab):
    g = lab.gateway()
    p = trace(g, "host", INSIDE, "--seconds", "600")
    p.kill()
    p.communicate()
    # packets give it something to write, by which it notices; then another may begin
    def begins():
        lab.ping(lab.host, HOST_IN_64, count=1)
        q = subprocess.run([g.tool, "-s", g.socket, "trace", "tcp", "--seconds", "1"], text=True,
                           capture_output=True)
        return q.returncode == 0 and q.stdout
    assert wait_for(begins, timeout=20, what="the trace has ended") == "0 packets\n"


def test_a_refused_packet_is_traced_with_its_reason_and_its_error(lab):
    g = lab.gateway()
    p = trace(g, "udp", "port", "777", "--count", "1")
    lab.host("python3 -c \"import socket; s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM);"
             " s.sendto(b'x', ('2001:db8:1::1:0', 778))\"", check=False)
    lab.net("python3 -c \"import socket; s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM);"
            f" s.sendto(b'x', ('{INSIDE}', 777))\"")
    out, _ = p.communicate(timeout=15)
    assert "egress6 refuses it: unsolicited" in out and "dropped: unsolicited (" in out


def test_a_trace_by_ipv4_address_shows_what_was_refused_on_the_way_there(lab):
    g = lab.gateway(BASIC.replace("allow-private: true", "allow-private: true, exempt: {destination: 203.0.113.0/24}"))
    p = trace(g, "host", "203.0.113.7", "--count", "1", "--seconds", "20")
    lab.host("python3 -c \"import socket; s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM);"
             " s.sendto(b'x', ('64:ff9b::203.0.113.7', 53))\"", check=False)
    out, _ = p.communicate(timeout=15)
    assert "nat64 refuses it: exempt" in out and "dropped: exempt (" in out
