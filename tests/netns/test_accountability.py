"""Who had this outside port: the log of NAT64 into a file, a datagram socket and the journal, and
`sixgatectl who` by it."""
import datetime
import json
import os
import pathlib
import re
import signal
import socket
import subprocess

import pytest
from control_lab import BASIC, HOST_IN_64, ControlLab, build_programs
from netlink_lab import wait_for

INSIDE = "2001:db8:1::2"


@pytest.fixture(scope="session")
def programs():
    return build_programs()


@pytest.fixture
def lab(programs):
    lab = ControlLab(programs)
    yield lab
    lab.close()


def logging_to(sink, what="port-blocks", more=""):
    return BASIC.replace("allow-private: true",
                         f"allow-private: true, log: {{sink: '{sink}', what: [{what}]{more}}}")


def send_udp(lab, sport, dport=53):
    lab.host("python3 -c \"import socket; s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM);"
             f" s.bind(('{INSIDE}', {sport})); s.sendto(b'x', ('{HOST_IN_64}', {dport}))\"")


def mapping_of(g, port):
    return wait_for(lambda: [m["mapping"] for m in g.ask("bib")[:-1]
                             if m["mapping"]["inside"]["port"] == port], what="a mapping")[0]


def lines_of(path):
    return [json.loads(x) for x in pathlib.Path(path).read_text().splitlines()]


def events(path, event):
    return [x for x in lines_of(path) if x["event"] == event]


def who(g, *words, code=0, said="stdout"):
    p = subprocess.run([g.tool, "-s", g.socket, "who", *[str(w) for w in words]], text=True,
                       capture_output=True)
    assert p.returncode == code, (words, p.returncode, p.stdout, p.stderr)
    return getattr(p, said)


def troubles(g):
    return [x["text"] for x in g.ask("status")[-1]["findings"]]


def test_blocks_are_logged_and_who_answers_now_and_for_the_past(lab):
    g = lab.gateway(logging_to("@DIR@/nat64.log"))
    log = g.dir + "/nat64.log"
    assert events(log, "started") and oct(os.stat(log).st_mode & 0o777) == "0o640"
    before = datetime.datetime.now(datetime.timezone.utc)
    send_udp(lab, 5000)
    outside = mapping_of(g, 5000)["outside"]
    block = wait_for(lambda: events(log, "port-block-allocated"), what="a line")[0]
    assert block["inside"] == INSIDE + "/128" and block["outside"] == "198.51.100.10"
    assert block["port_first"] <= outside["port"] <= block["port_last"]
    assert abs((datetime.datetime.fromisoformat(block["time"].replace("Z", "+00:00")) - before)
               .total_seconds()) < 5
    # now, by the live table
    assert f"udp   [{INSIDE}]:5000 = 198.51.100.10:{outside['port']}" in who(g, "198.51.100.10", outside["port"])
    who(g, "198.51.100.10", outside["port"], "--protocol", "tcp", code=1)
    who(g, "198.51.100.10", 1, code=1)
    assert "203.0.113.9 is not ours" in who(g, "203.0.113.9", 1024, code=2, said="stderr")
    # at a time, by the log
    at = block["time"]
    assert INSIDE + "/128" in who(g, "198.51.100.10", outside["port"], at, "--log", log)
    early = (before - datetime.timedelta(seconds=60)).strftime("%Y-%m-%dT%H:%M:%SZ")
    who(g, "198.51.100.10", outside["port"], early, "--log", log, code=1)
    who(g, "198.51.100.10", outside["port"], at, "--log", "/nonexistent/log", code=2)
    who(g, "198.51.100.10", outside["port"], at, code=2)  # the socket was named, so no file says which
    who(g, "198.51.100.10", outside["port"], "yesterday", code=64)
    # what the log cannot know is said: before it begins, in the future, of an address it never names
    assert "the log begins at" in who(g, "198.51.100.10", outside["port"], early, "--log", log, code=1,
                                      said="stderr")
    later = (before + datetime.timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert "is in the future" in who(g, "198.51.100.10", outside["port"], later, "--log", log, code=64,
                                     said="stderr")
    assert "no line of the log is about 203.0.113.9" in who(g, "203.0.113.9", outside["port"], at, "--log",
                                                            log, code=1, said="stderr")
    # a whole second is all of it
    assert INSIDE + "/128" in who(g, "198.51.100.10", outside["port"], at[:19] + "Z", "--log", log)
    # the file is taken from the configuration, when that is named
    named = subprocess.run([g.tool, "-c", g.file, "who", "198.51.100.10", str(outside["port"]), at],
                           text=True, capture_output=True)
    assert named.returncode == 0 and INSIDE in named.stdout
    # renamed, and opened again: who reads both
    os.rename(log, log + ".1")
    os.kill(g.pid(), signal.SIGHUP)
    g.expect(r"configuration reloaded")
    assert os.path.exists(log)
    assert INSIDE + "/128" in who(g, "198.51.100.10", outside["port"], at, "--log", log)
    # and an orderly end ends all claims
    assert g.stop() == 0
    assert events(log, "stopped")
    end = events(log, "stopped")[0]["time"]
    who(g, "198.51.100.10", outside["port"], end, "--log", log, code=1)
    assert INSIDE + "/128" in who(g, "198.51.100.10", outside["port"], at, "--log", log)


class Listener:
    def __init__(self, path):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.socket.settimeout(15)

    def next(self, event):
        """The next line of this kind; those before it are passed over."""
        while True:
            line = json.loads(self.socket.recv(4096))
            if line["event"] == event:
                return line

    def close(self):
        self.socket.close()
        os.unlink(self.path)


def test_sessions_go_to_a_socket_and_losses_are_counted(lab, tmp_path):
    path = str(tmp_path / "log.sock")
    first = Listener(path)
    text = logging_to("socket:" + path, "sessions", ", destinations: true").replace(
        "gateway: {", "gateway: {metrics: {address: '::1', port: 9664}, ")
    g = lab.gateway(text)
    first.next("started")
    send_udp(lab, 5000, 777)
    line = first.next("session-created")
    assert (line["inside"], line["inside_port"], line["protocol"]) == (INSIDE, 5000, "udp")
    assert (line["destination"], line["destination_port"]) == ("198.51.100.2", 777)
    outside = mapping_of(g, 5000)["outside"]
    assert line["port_first"] == line["port_last"] == outside["port"]
    # nobody listens: packets go on, lines are lost and counted
    first.close()
    send_udp(lab, 5001)
    assert mapping_of(g, 5001)
    def metric(name):
        text = lab.router("curl -s http://[::1]:9664/metrics")
        return int([x for x in text.splitlines() if x.startswith(f"sixgate_{name} ")][0].split()[1])
    wait_for(lambda: metric("nat64_log_lost_total") == 1, what="the loss is counted")
    wait_for(lambda: [x for x in troubles(g) if re.match(r"nat64\.log: 1 events could not be written since the start", x)],
             what="status says so")
    # somebody listens again: it is told what is missing
    second = Listener(path)
    assert second.next("lost")["count"] == 1
    send_udp(lab, 5002)
    assert second.next("session-created")["inside_port"] == 5002
    assert metric("nat64_log_events_total") >= 4
    second.close()


def test_the_journal_gets_its_own_protocol(lab, tmp_path):
    heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    heard.bind(str(tmp_path / "socket"))
    heard.settimeout(15)
    g = lab.gateway(logging_to("journal"), prefix=[
        "unshare", "-m", "sh", "-c", "mkdir -p /run/systemd/journal && "
        f"mount --bind {tmp_path} /run/systemd/journal && exec \"$@\"", "sh"])
    fields = dict(x.split("=", 1) for x in heard.recv(4096).decode().splitlines())
    assert fields["SYSLOG_IDENTIFIER"] == "sixgate-nat64" and fields["PRIORITY"] == "6"
    assert json.loads(fields["MESSAGE"])["event"] == "started"
    assert g.stop() == 0


def test_a_log_that_cannot_be_opened_stops_nothing_and_is_tried_again(lab, tmp_path):
    missing = tmp_path / "later"
    log = missing / "nat64.log"
    g = lab.gateway(logging_to(log), wait=False)
    g.expect(r"nat64\.log: .*No such file or directory; trying again")
    g.expect(r"ready$")
    assert [x for x in troubles(g) if x.startswith(f"nat64.log: {log} cannot be written to")]
    send_udp(lab, 5000)
    missing.mkdir()
    wait_for(lambda: log.exists() and events(log, "port-block-allocated"), timeout=15,
             what="what waited is written")
    # the gateway's start comes before all that was told since, however late it is written
    block = events(log, "port-block-allocated")[0]
    assert events(log, "started")[0]["time"] < block["time"]
    assert INSIDE in who(g, "198.51.100.10", block["port_first"], block["time"], "--log", log)
    assert not [x for x in troubles(g) if x.startswith("nat64.log: ")]
    # removed, it is made again
    log.unlink()
    g.expect(rf"nat64\.log: {log} was removed; it is made again", timeout=15)
    send_udp(lab, 5000 + 64)
    wait_for(log.exists, what="the file is there again")
    # in a reload it is an error like any other: nothing changes
    g.write(logging_to("/nonexistent/dir/log"))
    assert re.search(r"sixgate\.yaml:4:\d+: nat64\.log: /nonexistent/dir/log: No such file", g.ctl("reload", code=1))
    os.symlink("/dev/null", tmp_path / "link")
    g.write(logging_to(tmp_path / "link"))
    g.ctl("reload", code=1)
    os.mkfifo(tmp_path / "fifo")
    g.write(logging_to(tmp_path / "fifo"))
    g.ctl("reload", code=1)
    # switched off by a reload: no more lines
    g.write(BASIC)
    g.ctl("reload")
    n = len(lines_of(missing / "nat64.log"))
    lab.host("python3 -c \"import socket; s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM);"
             f" s.connect_ex(('{HOST_IN_64}', 81))\"")
    assert len(lines_of(missing / "nat64.log")) == n


def flow_logging_to(sink, more=""):
    return BASIC.replace("egress6: {prefixes: inside}",
                         f"egress6: {{prefixes: inside, timeouts: {{icmp: 60s}}, flow-log: {{sink: '{sink}'{more}}}}}")


def test_flows_of_egress6_are_logged_with_what_passed(lab):
    g = lab.gateway(flow_logging_to("@DIR@/flows.log", ", interval: 1s").replace(
        "gateway: {", "gateway: {metrics: {address: '::1', port: 9664}, "))
    log = g.dir + "/flows.log"
    assert events(log, "started")
    lab.serve(lab.net, "2001:db8:f::2", 8080)
    before = datetime.datetime.now(datetime.timezone.utc)
    assert lab.host("curl -s -o /dev/null -w '%{http_code} %{local_port}' http://[2001:db8:f::2]:8080/"
                    ).startswith("200 ")
    lab.host("python3 -c \"import socket; s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM);"
             f" s.bind(('{INSIDE}', 5000)); s.sendto(b'x' * 100, ('2001:db8:f::2', 9))\"")
    tcp = wait_for(lambda: [x for x in events(log, "flow-started") if x["protocol"] == "tcp"],
                   what="the flow of curl")[0]
    assert (tcp["inside"], tcp["outside"], tcp["outside_port"]) == (INSIDE, "2001:db8:f::2", 8080)
    assert tcp["opened_by"] == "inside" and tcp["inside_port"] > 1023
    start = datetime.datetime.fromisoformat(tcp["start"].replace("Z", "+00:00"))
    assert abs((start - before).total_seconds()) < 5
    # what goes on is told of with the sums so far
    active = wait_for(lambda: [x for x in events(log, "flow-active") if x["inside_port"] == 5000],
                      timeout=20, what="a flow that goes on")[-1]
    assert active["protocol"] == "udp"
    assert (active["packets_out"], active["bytes_out"], active["packets_in"]) == (1, 148, 0)
    # the log ends where the configuration says so, and begins again without what it missed
    g.write(g.text.replace(", flow-log: {sink: '%s', interval: 1s}" % log, ""))
    g.ctl("reload")
    assert lines_of(log)[-1]["event"] == "log-ended"
    lab.host("ping -n -c 1 2001:db8:f::2")
    g.write(flow_logging_to(log, ", interval: 1s"))
    g.ctl("reload")
    wait_for(lambda: lines_of(log)[-1]["event"] == "log-begun", what="it begins again")
    lab.host("ping -n -c 3 -i 0.5 2001:db8:f::2")
    echo = wait_for(lambda: [x for x in events(log, "flow-active") if x["protocol"] == "icmpv6"],
                    timeout=20, what="echo")[-1]
    assert echo["start"] and echo["packets_out"] == echo["packets_in"] > 0
    assert g.stop() == 0
    assert lines_of(log)[-1]["event"] == "stopped"


def test_a_flow_log_that_nobody_reads_holds_no_packet_up(lab, tmp_path):
    path = str(tmp_path / "flows.sock")
    listener = Listener(path)
    g = lab.gateway(flow_logging_to("socket:" + path).replace(
        "gateway: {", "gateway: {metrics: {address: '::1', port: 9664}, "))
    listener.next("started")
    lab.host("ping -n -c 1 2001:db8:f::2")
    assert listener.next("flow-started")["protocol"] == "icmpv6"
    listener.close()
    assert lab.gets_out()
    text = "sixgate_egress6_flow_log_lost_total "
    wait_for(lambda: any(x.startswith(text) and int(x.split()[1]) > 0
                         for x in lab.router("curl -s http://[::1]:9664/metrics").splitlines()),
             what="the loss is counted")
    assert g.ask("status")[-1]["ok"]
