"""Which upstream is asked, and what comes through when packets are lost: with several upstreams of
different speed, with loss made by nftables in front of a real Unbound, with nsd that gives cookies.

The wiring is that of test_dns64.py.
"""
import collections
import re
import select
import socket
import statistics
import struct
import threading
import time

import pytest

from test_dns64 import (SERVER, UPSTREAM, Lab, Script, Server, a_record, answer_to, ask_once, dig,
                        nodata_then_a, qtype, query, question_end, silent, wait_for)

COLD = 600


class UpstreamsLab(Lab):
    """With a zone of names that nobody has asked for yet, and cookies from nsd."""

    def start_upstreams(self):
        super().start_upstreams()
        self.upstream("sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0")
        # nsd once more, outside, with cookies (RFC 9018); `*.cold` is in the zone
        conf = (self.directory / "nsd.conf").read_text()
        conf = conf.replace("ip-address: 127.0.0.1@5353", f"ip-address: {UPSTREAM}@5353\n"
                            "  answer-cookie: yes")
        conf = re.sub(r"(pidfile|zonelistfile): \"([^\"]*)\"", r'\1: "\2.2"', conf)
        (self.directory / "nsd2.conf").write_text(conf)
        self.upstream.start(f"nsd -d -c {self.directory}/nsd2.conf")
        wait_for(lambda: "8.8.8.8" in self.upstream(
            f"dig +time=1 +tries=1 +short -p 5353 @{UPSTREAM} v4.example.test", check=False),
            what="nsd with cookies")


@pytest.fixture(scope="module")
def lab():
    import test_dns64
    zone = test_dns64.ZONE
    test_dns64.ZONE += "*.cold IN A 8.8.8.8\n"
    lab = UpstreamsLab()
    try:
        lab.start_upstreams()
        yield lab
    finally:
        test_dns64.ZONE = zone
        lab.close()


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


def positive(message):
    return message[3] & 15 == 0 and struct.unpack("!H", message[6:8])[0] > 0


def ask_all(lab, names, timeout=5.0):
    """AAAA of each name, 1000 a second: what comes back, by its number. Nothing later than @timeout
    after the last one counts."""
    with lab.client.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        got, asked = {}, {}

        def read(until):
            while (left := until - time.monotonic()) > 0 and len(got) < len(names):
                if select.select([s], [], [], left)[0]:
                    message = s.recv(4096)
                    number = struct.unpack("!H", message[:2])[0]
                    if time.monotonic() - asked[number] < timeout:
                        got[number] = message

        start = time.monotonic()
        for n, name in enumerate(names):
            asked[n] = time.monotonic()
            s.sendto(query(name, ident=n), (SERVER, 53))
            if n % 20 == 19:
                read(start + n / 1000)
        read(time.monotonic() + timeout)
    return got


def n_positive(got):
    return sum(map(positive, got.values()))


class Delayed(Script):
    """Answers after @delay seconds; may be changed at any time."""

    def __init__(self, lab, port, delay):
        self.delay = delay
        super().__init__(lab, port, self.later)

    def later(self, script, message, sender):
        found = a_record("8.8.8.8"), 1
        reply = answer_to(message, *(found if qtype(message) == 1 else ()))
        threading.Timer(self.delay, self.try_to_send, (reply, sender)).start()

    def try_to_send(self, reply, sender):
        try:
            self.send(reply, sender)
        except OSError:
            pass


def times(lab, names):
    took = []
    for name in names:
        start = time.monotonic()
        ask_once(lab, name, 1)
        took.append(time.monotonic() - start)
    return took


def test_the_fastest_of_several_is_asked_and_another_when_it_slows(lab, serve):
    """Times are those of a busy machine: only the order of the three counts."""
    slow, middle, fast = (Delayed(lab, 5411 + n, d) for n, d in enumerate((0.3, 0.15, 0.0)))
    server = serve(upstream=[f"{UPSTREAM},{5411 + n}" for n in range(3)])
    times(lab, [f"learn{n}.test" for n in range(36)])  # copies have gone to both of the others
    before = [len(s.queries) for s in (slow, middle, fast)]
    took = times(lab, [f"fast{n}.test" for n in range(64)])
    asked = [len(s.queries) - b for s, b in zip((slow, middle, fast), before)]
    assert asked[2] >= 60 and asked[0] <= 6 and asked[1] <= 6, asked
    assert statistics.median(took) < 0.1, took
    fast.delay = 0.6
    took = times(lab, [f"slowed{n}.test" for n in range(24)])
    assert statistics.median(took[8:]) < 0.25, took  # the one in the middle
    assert server.counters()["upstream-probes"] >= 4
    for s in (slow, middle, fast):
        s.close()


def test_a_dead_upstream_costs_the_first_names_alone(lab, serve):
    dead, live = Script(lab, 5414, silent), Delayed(lab, 5415, 0.0)
    serve(upstream=[f"{UPSTREAM},5414", f"{UPSTREAM},5415"])
    took = times(lab, [f"dead{n}.test" for n in range(40)])
    assert took[0] < 1.0 and max(took[3:]) < 0.3, took
    for s in (dead, live):
        s.close()


REJECT = """
table inet sg_reject {
  chain gate { type filter hook input priority 0; udp dport 5418 counter reject with %s; }
}
"""


@pytest.mark.parametrize("at", [UPSTREAM, "203.0.113.2"])
@pytest.mark.parametrize("why", ["nobody at the port", "icmpx type admin-prohibited",
                                 "icmpx type host-unreachable", "icmpx type no-route"])
def test_what_the_network_gives_back_is_asked_elsewhere_at_once(lab, serve, at, why):
    live = Delayed(lab, 5415, 0.0)
    path = lab.directory / "reject.nft"
    path.write_text(REJECT % why)
    if why.startswith("icmpx"):
        lab.upstream(f"nft -f {path}")
    try:
        server = serve(upstream=[f"{at},5418", f"{UPSTREAM},5415"])
        start = time.monotonic()
        answered, took = positive(ask_once(lab, "back.test")), time.monotonic() - start
    finally:
        if why.startswith("icmpx"):
            lab.upstream("nft delete table inet sg_reject")
    seen = server.counters()
    assert seen["upstream-unreachable"] == 2 and seen["upstream-timeouts"] == 0, seen  # AAAA and A
    assert seen["unreachable-ignored"] == 0 and seen["upstream-errors"] == 0, seen
    assert answered and took < 0.35, took  # the first retry would be due after 0.4 s
    live.close()


def gives_back(script, message, sender, **changed):
    """The ICMPv6 error of a router that has seen @message, or says so."""
    ident, port, kind, code = (changed.get(k, v) for k, v in (
        ("ident", message[:2]), ("port", 5419), ("kind", 1), ("code", 0)))
    quoted = ident + message[2:]
    udp = struct.pack("!HHHH", sender[1], port, 8 + len(quoted), 0x1234) + quoted
    ip = (struct.pack("!IHBB", 6 << 28, len(udp), 17, 60) + socket.inet_pton(socket.AF_INET6, sender[0])
          + socket.inet_pton(socket.AF_INET6, UPSTREAM))
    script.icmp.sendto(struct.pack("!BBHI", kind, code, 0, 0) + ip + udp, (sender[0], 0))


class Router(Script):
    """An upstream beside which somebody sends ICMP errors about it."""

    def __init__(self, lab, port, answer):
        with lab.upstream.entered():
            self.icmp = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        super().__init__(lab, port, answer)

    def close(self):
        super().close()
        self.icmp.close()


def test_icmp_errors_that_quote_no_question_of_ours_change_nothing(lab, serve):
    def forge(script, message, sender):
        wrong = bytes([message[0] ^ 1, message[1]])
        for changed in ({"ident": wrong}, {"port": 5420}, {"kind": 2}, {"kind": 3}):
            gives_back(script, message, sender, **changed)  # another id, another port, other errors
        for n in range(300):
            gives_back(script, message, sender, ident=struct.pack("!H", n << 7 | n & 1))
        nodata_then_a(script, message, sender)

    router, other = Router(lab, 5419, forge), Script(lab, 5420, silent)
    server = serve(upstream=[f"{UPSTREAM},5419", f"{UPSTREAM},5420"])
    assert positive(ask_once(lab, "forged.test"))
    seen = wait_for(lambda: (c := server.counters())["unreachable-ignored"] >= 4 and c, what="ICMP")
    assert seen["upstream-unreachable"] <= 1, seen  # 600 guesses
    assert seen["upstream-errors"] == 0 and len(other.queries) <= 1, seen
    for s in (router, other):
        s.close()


def test_an_answer_after_an_icmp_error_is_used_all_the_same(lab, serve):
    """Who sees the question can forge the error, too: it costs no more than a second question."""
    waiting = {}

    def give_back(script, message, sender):
        waiting[qtype(message)] = message, sender
        gives_back(script, message, sender)

    router = Router(lab, 5419, give_back)
    other = Script(lab, 5420, silent)
    server = serve(upstream=[f"{UPSTREAM},5419", f"{UPSTREAM},5420"])
    with lab.client.socket() as s:
        s.sendto(query("late.test"), (SERVER, 53))
        other.wait(2)
        for message, sender in waiting.values():
            nodata_then_a(router, message, sender)
        assert positive(s.recv(4096))
    seen = server.counters()
    assert seen["upstream-unreachable"] == 2 and seen["spoofed"] == 0, seen
    for s in (router, other):
        s.close()


LOSS = """
table inet loss {
  chain in  { type filter hook input priority 0; udp dport 53 numgen random mod 3 0 counter drop; }
  chain out { type filter hook output priority 0; udp sport 53 numgen random mod 3 0 counter drop; }
}
"""


def test_names_come_through_an_upstream_that_loses_a_third_of_its_packets(lab, serve):
    """A third of the questions is lost and a third of the answers: an attempt comes through with 4/9.
    An AAAA query needs the answer to A, for which there are at least nine attempts within 4.5 s (at
    0, 0.4 and every 0.5 s, more once the time is measured): it fails with (5/9)^9 = 0.5 %. Of 600
    names 3 are expected to fail; that more than 12 do, which is 2 %, has a chance of less than 1 in 50,000.
    """
    serve(upstream=UPSTREAM)
    warm = [f"warm{n}.cold.example.test" for n in range(300)]
    assert n_positive(ask_all(lab, warm)) == len(warm)
    path = lab.directory / "loss.nft"
    path.write_text(LOSS)
    lab.upstream(f"nft -f {path}")
    try:
        assert n_positive(ask_all(lab, warm)) == len(warm)  # cached
        got = ask_all(lab, [f"cold{n}.cold.example.test" for n in range(COLD)])
        drops = [int(n) for n in re.findall(r"packets (\d+)", lab.upstream("nft list table inet loss"))]
    finally:
        lab.upstream("nft delete table inet loss")
    rcodes = collections.Counter(m[3] & 15 for m in got.values())
    assert n_positive(got) >= 0.98 * COLD, (len(got), rcodes)
    assert min(drops) > COLD / 3, drops  # it did lose


def test_a_server_with_cookies_is_shown_its_own_again(lab, serve):
    server = serve(upstream=f"{UPSTREAM},5353")
    with lab.upstream.entered():
        tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x86dd))
    tap.settimeout(5)
    lengths = []
    for n in range(3):
        assert dig(lab.client, f"c{n}.cold.example.test A").data("A") == ["8.8.8.8"]
    while len(lengths) < 3:
        packet = tap.recv(4096)
        if packet[20] == 17 and packet[56:58] == struct.pack("!H", 5353):  # UDP, to nsd
            lengths.append(struct.unpack("!H", packet[-26:-24])[0] if packet[-26:-24] == b"\0\x18"
                           else struct.unpack("!H", packet[-10:-8])[0])
    assert lengths == [8, 24, 24]
    counters = server.counters()
    assert counters["spoofed"] == 0 and counters["upstream-tcp"] == 0, counters
    tap.close()


def test_dig_and_kdig_take_our_cookies(lab, serve):
    """Both check that the client's part comes back; dig says so."""
    server = serve()
    r = dig(lab.client, "+cookie=0123456789abcdef v4.example.test AAAA")
    cookie = re.search(r"COOKIE: (0123456789abcdef01000000[0-9a-f]{24}) \(good\)", r.text)
    assert cookie, r
    r = dig(lab.client, f"+cookie={cookie.group(1)} v4.example.test AAAA")
    assert "(good)" in r.text, r
    out = lab.client(f"kdig +cookie=0123456789abcdef @{SERVER} v4.example.test AAAA")
    assert "64:ff9b::808:808" in out and "COOKIE" in out, out
    counters = server.counters()
    assert counters["cookies-good"] == 1 and counters["cookies-new"] == 2, counters
    r = dig(lab.client, "+cookie=0123456789abcdef +header-only")
    assert r.status == "NOERROR" and "(good)" in r.text, r
    server.stop()
    serve(cookies="no")
    assert "COOKIE" not in dig(lab.client, "+cookie=0123456789abcdef v4.example.test AAAA").text


def test_unbound_repeats_the_letters_it_was_asked(lab, serve):
    server = serve(randomize_case="yes")
    for n in range(20):
        assert dig(lab.client, f"letters{n}.cold.example.test AAAA").data("AAAA")
    counters = server.counters()
    assert counters["case-misses"] == 0 and counters["upstream-tcp"] == 0, counters


def test_who_does_not_repeat_them_is_asked_without_in_the_end(lab, serve):
    def answer(script, message, sender):
        lower = message[:12] + message[12:].lower()
        script.send(answer_to(lower, *((a_record("8.8.8.8"), 1) if qtype(message) == 1 else ())),
                    sender)

    script = Script(lab, 5416, answer)  # it has no TCP, either
    server = serve(upstream=f"{UPSTREAM},5416", randomize_case="yes")
    for n in range(10):
        assert dig(lab.client, f"neverrepeats{n}.test AAAA").data("AAAA") == ["64:ff9b::808:808"]
    assert 3 <= server.counters()["case-misses"] <= 4
    last = script.queries[-1][0]
    assert last[12:question_end(last)] == last[12:question_end(last)].lower()
    script.close()


def test_ports_are_drawn_anew_rfc5452_9_2(lab, serve):
    """There are 32 sockets at a time, each for 256 questions: after 32 * 256 some port is another."""
    n = 32 * 256 + 800
    script = Script(lab, 5417, lambda s, m, who: s.send(answer_to(m, rcode=3), who))
    serve(upstream=f"{UPSTREAM},5417")
    with lab.client.socket() as s:
        s.settimeout(5)
        for start in range(0, n, 50):
            for i in range(start, start + 50):
                s.sendto(query(f"port{i}.test", 1, ident=i & 0xffff), (SERVER, 53))
            for _ in range(50):
                s.recv(4096)
    ports = {who[1] for _, who in script.queries}
    assert len(script.queries) >= n and 33 <= len(ports) <= 80, (len(script.queries), len(ports))
    script.close()


def test_each_retransmission_draws_its_port_and_id_anew_rfc5452_9_2(lab, serve):
    script = Script(lab, 5419, silent)
    serve(upstream=f"{UPSTREAM},5419")
    assert dig(lab.client, "again.test A").status == "SERVFAIL"
    ports, ids = ({f(q) for q in script.queries} for f in (lambda q: q[1][1], lambda q: q[0][:2]))
    n = len(script.queries)
    assert n >= 5 and len(ports) >= 3 and len(ids) >= n - 1, (n, ports, ids)
    script.close()


def test_ports_are_of_all_that_the_kernel_gives_rfc5452_9_2(lab, serve):
    """What the administrator widens is used; by default it is 32768 to 60999."""
    was = lab.gateway("cat /proc/sys/net/ipv4/ip_local_port_range").strip()
    script = Script(lab, 5420, lambda s, m, who: s.send(answer_to(m, rcode=3), who))
    lab.gateway("sysctl -qw 'net.ipv4.ip_local_port_range=1024 65535'")
    try:
        serve(upstream=f"{UPSTREAM},5420")
        for n in range(300):
            ask_once(lab, f"wide{n}.test", 1)
    finally:
        lab.gateway(f"sysctl -qw 'net.ipv4.ip_local_port_range={was}'")
    ports = sorted({who[1] for _, who in script.queries})
    assert len(ports) >= 20 and ports[0] < 32768, ports
    script.close()


def test_ports_are_drawn_anew_while_answers_are_awaited(lab, serve):
    """Each answer comes when 2,400 more questions have been asked: no socket ever waits for nothing."""
    n, late = 32 * 256 + 5000, collections.deque()

    def answer_late(script, message, who):
        late.append((answer_to(message, rcode=3), who))
        if len(late) > 2400:
            script.send(*late.popleft())
    script = Script(lab, 5418, answer_late)
    serve(upstream=f"{UPSTREAM},5418")
    clients = []
    for i in range(8):  # none has more than 400 at a time
        lab.client(f"ip addr add 10.0.0.{101 + i}/24 dev eth0")
        clients.append(lab.client.socket(family=socket.AF_INET))
        clients[i].bind((f"10.0.0.{101 + i}", 0))
        clients[i].settimeout(5)
    for i in range(n):
        s = clients[i % 8]
        s.sendto(query(f"late{i}.test", 1, ident=i & 0xffff), ("10.0.0.1", 53))
        if i >= 3200:
            s.recv(4096)
    each = collections.Counter(who[1] for _, who in script.queries)
    assert len(each) > 40 and max(each.values()) <= 256, each.most_common(3)
    script.close()
    for s in clients:
        s.close()


def test_two_that_ask_each_other_come_to_an_end(lab, serve):
    """Each question of the one is a question to the other; equal ones are one."""
    first = serve(listen=SERVER, upstream="2001:db8:f::1")
    second = serve(listen="2001:db8:f::1", upstream=SERVER)
    start = time.monotonic()
    assert dig(lab.client, "loop.test AAAA").status == "SERVFAIL"
    assert time.monotonic() - start < 5
    asked = [s.counters()["upstream-queries"] for s in (first, second)]
    assert 2 <= sum(asked) <= 60, asked


# --- over TCP --------------------------------------------------------------------------------------

class Streams(Script):
    """An upstream that truncates whatever comes over UDP and hands each connection to @serve(streams,
    connection) in a thread of its own. @met: how each one ended; @most: that many under way at once."""

    def __init__(self, lab, port, serve):
        self.listener = lab.upstream.socket(socket.SOCK_STREAM)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((UPSTREAM, port))
        self.listener.listen(64)
        self.listener.settimeout(None)
        self.serve, self.open, self.ends, self.asked = serve, [], [], []
        threading.Thread(target=self.accept, daemon=True).start()
        super().__init__(lab, port, lambda s, m, who: s.send(answer_to(m, flags=0x8380), who))

    def accept(self):
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            connection.settimeout(20)
            self.open.append(connection)
            threading.Thread(target=self.run_one, args=(connection,), daemon=True).start()

    def run_one(self, connection):
        try:
            self.serve(self, connection)
            self.ends.append("closed by us")
        except (OSError, EOFError) as e:
            self.ends.append(e)
        connection.close()

    def read(self, connection):
        """One question."""
        message = read_exactly(connection, struct.unpack("!H", read_exactly(connection, 2))[0])
        self.asked.append(message)
        return message

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.open:
            connection.close()
        super().close()


def read_exactly(connection, n):
    data = b""
    while len(data) < n:
        more = connection.recv(n - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def framed(message):
    return struct.pack("!H", len(message)) + message


def right(message, last=8):
    """NODATA for AAAA, an address for A."""
    return answer_to(message, *((a_record(f"8.8.8.{last}"), 1) if qtype(message) == 1 else ()))


def ask_many(lab, names):
    """All at once. What came back, by number."""
    with lab.client.socket() as s:
        for n, name in enumerate(names):
            s.sendto(query(name, 1, ident=n), (SERVER, 53))
        return {m[1]: m for m in (s.recv(4096) for _ in names)}


def test_questions_share_a_connection_and_answers_come_in_any_order_rfc7766_6_2_1_1(lab, serve):
    def backwards(streams, connection):
        while True:
            held = [streams.read(connection) for _ in range(20)]
            for message in reversed(held):
                connection.sendall(framed(right(message, message[12 + 1] - ord("a"))))

    streams = Streams(lab, 5430, backwards)
    server = serve(upstream=f"{UPSTREAM},5430")
    got = ask_many(lab, [f"{chr(ord('a') + n)}.piped.test" for n in range(20)])
    assert {n: m[-1] for n, m in got.items()} == {n: n for n in range(20)}  # each its own
    seen = server.counters()
    assert seen["upstream-tcp-connections"] == 1 and seen["upstream-tcp"] == 20, seen
    ids = [m[:2] for m in streams.asked]
    assert len(set(ids)) == 20
    steps = [(struct.unpack("!H", b)[0] - struct.unpack("!H", a)[0]) % 65536 for a, b in zip(ids, ids[1:])]
    assert len(set(steps)) > 10, ids  # not one after the other
    streams.close()


def test_a_connection_is_kept_for_a_while_and_used_again_rfc7766_6_2_3(lab, serve):
    def polite(streams, connection):
        while True:
            connection.sendall(framed(right(streams.read(connection))))

    streams = Streams(lab, 5431, polite)
    server = serve(upstream=f"{UPSTREAM},5431")
    for n in range(4):
        assert positive(ask_once(lab, f"kept{n}.test", 1))
        time.sleep(0.3)  # the client's time, not ours
    assert server.counters()["upstream-tcp-connections"] == 1 and len(streams.open) == 1
    start = time.monotonic()
    wait_for(lambda: streams.ends, what="the connection is closed")
    assert isinstance(streams.ends[0], EOFError) and 3 < time.monotonic() - start < 8  # by the server, in good order
    assert positive(ask_once(lab, "afresh.test", 1))
    assert server.counters()["upstream-tcp-connections"] == 2
    streams.close()


def test_who_closes_after_each_answer_is_asked_one_at_a_time(lab, serve):
    def once(streams, connection):
        connection.sendall(framed(right(streams.read(connection))))

    streams = Streams(lab, 5432, once)
    server = serve(upstream=f"{UPSTREAM},5432")
    for burst in range(2):
        got = ask_many(lab, [f"once{burst}-{n}.test" for n in range(12)])
        assert len(got) == 12 and all(map(positive, got.values()))
    seen = server.counters()
    assert seen["servfail"] == 0 and seen["upstream-timeouts"] == 0 and seen["upstream-errors"] == 0, seen
    assert seen["upstream-tcp-moved"] >= 11 and seen["upstream-tcp-connections"] >= 24, seen
    streams.close()


def test_who_answers_one_at_a_time_and_loses_the_others_still_works(lab, serve):
    def deaf(streams, connection):
        while True:
            data = connection.recv(65536)  # what else is in there is lost
            if not data:
                raise EOFError
            message = data[2:2 + struct.unpack("!H", data[:2])[0]]
            lost.append(len(data) - len(message) - 2)
            connection.sendall(framed(right(message)))

    lost = []
    streams = Streams(lab, 5433, deaf)
    serve(upstream=f"{UPSTREAM},5433")
    with lab.client.socket() as s:
        for n in range(3):
            s.sendto(query(f"lost{n}.test", 1, ident=n), (SERVER, 53))
        assert all(positive(s.recv(4096)) for _ in range(3))
    assert sum(lost) > 0
    lost.clear()
    got = ask_many(lab, [f"known{n}.test" for n in range(8)])
    assert len(got) == 8 and all(map(positive, got.values()))
    assert len(lost) >= 8 and sum(lost) == 0, lost  # it is known now
    streams.close()


def test_all_that_was_under_way_is_asked_elsewhere_when_a_connection_breaks(lab, serve):
    def breaks(streams, connection):
        for _ in range(10):
            streams.read(connection)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    streams, other = Streams(lab, 5434, breaks), Delayed(lab, 5435, 0.0)
    server = serve(upstream=[f"{UPSTREAM},5434", f"{UPSTREAM},5435"])
    start = time.monotonic()
    got = ask_many(lab, [f"broken{n}.test" for n in range(10)])
    assert len(got) == 10 and all(map(positive, got.values()))
    assert time.monotonic() - start < 1.9  # before TCP would be given up
    seen = server.counters()
    assert seen["upstream-errors"] == 10 and seen["upstream-tcp-moved"] == 0, seen
    for s in (streams, other):
        s.close()


def test_a_silent_server_gets_few_connections_and_others_are_asked_rfc7766_6_2_2(lab, serve):
    def mute(streams, connection):
        while True:
            streams.read(connection)

    streams, other = Streams(lab, 5438, mute), Delayed(lab, 5439, 0.0)
    server = serve(upstream=[f"{UPSTREAM},5438", f"{UPSTREAM},5439"])
    got = ask_many(lab, [f"mute{n}.test" for n in range(200)])
    assert len(got) == 200 and all(map(positive, got.values()))
    assert len(streams.asked) >= 100 and 1 <= len(streams.open) <= 4, (len(streams.asked), len(streams.open))
    assert server.counters()["servfail"] == 0
    for s in (streams, other):
        s.close()


def test_over_tcp_only_what_was_asked_on_that_connection_is_heard(lab, serve):
    def lies(streams, connection):
        message = streams.read(connection)
        other_id = bytes([message[0] ^ 0x80]) + message[1:]
        lie = answer_to(other_id, a_record("6.6.6.6"), 1)
        connection.sendall(framed(lie) + framed(b"\0") + framed(message) + framed(right(message)))
        while True:
            connection.sendall(framed(right(streams.read(connection))))

    streams = Streams(lab, 5436, lies)
    server = serve(upstream=f"{UPSTREAM},5436")
    assert ask_once(lab, "lie.test", 1)[-4:] != b"\6\6\6\6"
    seen = server.counters()
    assert seen["spoofed"] >= 3, seen
    other = Streams(lab, 5437, lambda s, c: c.sendall(framed(answer_to(
        s.read(c)[:12] + query("elsewhere.test", 1)[12:], a_record("6.6.6.6"), 1))))
    server.stop()
    server = serve(upstream=[f"{UPSTREAM},5437", f"{UPSTREAM},5436"])
    assert positive(m := ask_once(lab, "question.test", 1)) and m[-4:] == b"\10\10\10\10"
    assert server.counters()["spoofed"] >= 1
    for s in (streams, other):
        s.close()


def test_an_answer_longer_than_udp_takes_comes_whole_among_others(lab, serve):
    """By a real server, many at once."""
    server = serve(upstream=f"{UPSTREAM},5353")
    with lab.client.socket(socket.SOCK_STREAM) as s:
        s.connect((SERVER, 53))
        for n in range(30):
            s.sendall(framed(query("huge.example.test" if n % 2 else f"n{n}.cold.example.test", 1, ident=n)))
        got = [read_exactly(s, struct.unpack("!H", read_exactly(s, 2))[0]) for _ in range(30)]
    assert {m[1]: struct.unpack("!H", m[6:8])[0] for m in got} == {n: 119 if n % 2 else 1 for n in range(30)}
    assert server.counters()["upstream-tcp-connections"] <= 1
